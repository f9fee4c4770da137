//! The head of an active file: whose it is, and the salt that its frames are bound to.
//!
//! ```text
//! off  size  field           meaning
//!   0     8  magic           "LOGQACT" and 0x01
//!   8     4  version         format that wrote the file
//!  12     4  required        features that a reader must know (bits); 0 so far
//!  16    16  store           the store's identity
//!  32     4  slot            the writer's slot
//!  36     4  reserved        zero
//!  40     8  number          the slot's n-th file, from 1
//!  48     8  salt            random; every frame's checksum starts from it
//!  56     8  first_sequence  sequence of the first record that may stand here
//!  64     8  capacity        bytes reserved, this head included
//!  72     8  created         wall clock, ns since 1970
//!  80     8  rehomes         number of the file whose unsynced frames this one took over; 0 = none
//!  88     8  rehomes_from    first sequence taken over: the other file ends before it
//!  96     4  crc             CRC-32 of bytes 0..96
//! ```
//!
//! The head takes 4 KiB and stands there twice, at 0 and at 2048, so that one bad sector does not cost the
//! file. Frames start at 4096. The jump of `first_sequence` after a file that did not end in order is no
//! gap: it keeps any id from ever naming two records.

use super::{VERSION, crc, i64_at, u32_at, u64_at};

/// Where frames start.
pub(crate) const SIZE: u64 = 4096;
/// Where the second copy stands.
const COPY_AT: usize = 2048;
const LEN: usize = 100;
const MAGIC: &[u8; 8] = b"LOGQACT\x01";

/// The head of an active file; see the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) store: u128,
    pub(crate) slot: u32,
    pub(crate) number: u64,
    pub(crate) salt: u64,
    pub(crate) first_sequence: u64,
    pub(crate) capacity: u64,
    pub(crate) created: i64,
    pub(crate) rehomes: Option<Rehomes>,
}

/// The file whose unsynced frames another file took over, and from which sequence on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rehomes {
    pub(crate) number: u64,
    pub(crate) from: u64,
}

/// What the first bytes of a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Head {
        header: FileHeader,
        copies: u8,
    },
    /// Written by a format that this library does not know.
    Newer {
        version: u32,
    },
    Damaged,
}

impl FileHeader {
    /// The 4 KiB before the first frame.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(LEN);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&0_u32.to_le_bytes());
        head.extend_from_slice(&self.store.to_le_bytes());
        head.extend_from_slice(&self.slot.to_le_bytes());
        head.extend_from_slice(&0_u32.to_le_bytes());
        head.extend_from_slice(&self.number.to_le_bytes());
        head.extend_from_slice(&self.salt.to_le_bytes());
        head.extend_from_slice(&self.first_sequence.to_le_bytes());
        head.extend_from_slice(&self.capacity.to_le_bytes());
        head.extend_from_slice(&self.created.to_le_bytes());
        let rehomes = self.rehomes.unwrap_or(Rehomes { number: 0, from: 0 });
        head.extend_from_slice(&rehomes.number.to_le_bytes());
        head.extend_from_slice(&rehomes.from.to_le_bytes());
        let check = crc(&[&head]);
        head.extend_from_slice(&check.to_le_bytes());
        assert_eq!(head.len(), LEN, "BUG: the table above and the code differ");
        let mut page = vec![0; 4096];
        page[..LEN].copy_from_slice(&head);
        page[COPY_AT..COPY_AT + LEN].copy_from_slice(&head);
        page
    }

    /// Reads either copy.
    pub(crate) fn read(bytes: &[u8]) -> Read {
        let copies = [bytes.get(..LEN), bytes.get(COPY_AT..COPY_AT + LEN)];
        let mut newer = None;
        let mut found: Option<(Self, u8)> = None;
        for copy in copies.into_iter().flatten() {
            match Self::decode(copy) {
                Some(Ok(header)) => found = Some(found.map_or((header, 1), |(first, n)| (first, n + 1))),
                Some(Err(version)) => newer = Some(version),
                None => {}
            }
        }
        match (found, newer) {
            (Some((header, copies)), _) => Read::Head { header, copies },
            (None, Some(version)) => Read::Newer { version },
            (None, None) => Read::Damaged,
        }
    }

    fn decode(bytes: &[u8]) -> Option<Result<Self, u32>> {
        if bytes.get(..8)? != MAGIC || u32_at(bytes, 96)? != crc(&[bytes.get(..96)?]) {
            return None;
        }
        let version = u32_at(bytes, 8)?;
        if VERSION < version || u32_at(bytes, 12)? != 0 {
            return Some(Err(version));
        }
        let store = u128::from_le_bytes(*bytes.get(16..)?.first_chunk()?);
        let rehomes = Rehomes { number: u64_at(bytes, 80)?, from: u64_at(bytes, 88)? };
        Some(Ok(Self {
            store,
            slot: u32_at(bytes, 32)?,
            number: u64_at(bytes, 40)?,
            salt: u64_at(bytes, 48)?,
            first_sequence: u64_at(bytes, 56)?,
            capacity: u64_at(bytes, 64)?,
            created: i64_at(bytes, 72)?,
            rehomes: (rehomes.number != 0).then_some(rehomes),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: FileHeader = FileHeader {
        store: 7,
        slot: 3,
        number: 9,
        salt: 42,
        first_sequence: 65_536,
        capacity: 1 << 24,
        created: 5,
        rehomes: Some(Rehomes { number: 8, from: 70_000 }),
    };

    #[test]
    fn a_head_reads_back_from_either_copy() {
        let page = SAMPLE.encode();
        assert_eq!(FileHeader::read(&page), Read::Head { header: SAMPLE, copies: 2 });
        for at in [0, COPY_AT] {
            let mut damaged = page.clone();
            damaged[at + 50] ^= 1;
            assert_eq!(FileHeader::read(&damaged), Read::Head { header: SAMPLE, copies: 1 });
        }
        assert_eq!(FileHeader::read(&[0; 4096]), Read::Damaged);
        assert_eq!(FileHeader::read(&[]), Read::Damaged);
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let mut page = SAMPLE.encode();
        for at in [0, COPY_AT] {
            page[at + 8] = 9;
            let check = crc(&[&page[at..at + 96]]);
            page[at + 96..at + 100].copy_from_slice(&check.to_le_bytes());
        }
        assert_eq!(FileHeader::read(&page), Read::Newer { version: 9 });
    }
}
