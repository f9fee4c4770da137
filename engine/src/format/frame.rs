//! Frame: the checksummed unit of append. One frame holds one or more records of one writer.
//!
//! ```text
//! off  size  field           meaning
//!   0     4  payload_size    bytes of payload, 1 ..; 0 = nothing published from here on
//!   4     4  header_crc      CRC-32 of (salt u64, file offset u64, bytes 0..4, bytes 8..64)
//!   8     4  payload_crc     CRC-32 of the payload
//!  12     4  count           records in the payload
//!  16     8  first_sequence  sequence of the first record; the others follow densely
//!  24     4  flags           1 = import progress stands before the rows, 2 = close
//!  28     4  promise         everything before this offset / 8 was on disk when the frame was written
//!  32     8  arrived         wall clock at append, ns since 1970
//!  40     8  time_min        least and greatest time of the records, ns since 1970
//!  48     8  time_max
//!  56     4  batch_index     which frame of its batch this is, from 0
//!  60     4  batch_count     how many frames the batch has
//!  64     n  payload         see `record`; with flag 1 an import progress (40 bytes) stands before it
//!   -  0..7  pad             zero, so that the next frame starts on a multiple of 8
//! ```
//!
//! The size is stored last, with release ordering: a reader that loads it sees the whole frame. The frames
//! of one batch are published last to first, so a reader sees all of a batch or none. The salt is random
//! per file and never leaves it: bytes of another file, another offset or another life of the file never
//! pass, whatever a record's text contains. The header carries the payload's checksum, so one check of 64
//! bytes makes a header trustworthy and a scan may skip a payload it does not need.
//!
//! A close frame has no records; its payload is the boot id (16 bytes). It says that everything before it
//! was synced and that the writer left in order.

use super::{i64_at, u32_at, u64_at};

/// Bytes before the payload.
pub(crate) const HEADER_SIZE: usize = 64;
/// A frame of several records closes when its payload reaches this: CRC-32 stays strong, and damage costs
/// little.
pub(crate) const PAYLOAD_SIZE_TARGET: usize = 64 << 10;
/// Bytes of one record, at most: a larger event is refused.
pub const RECORD_SIZE_MAX: usize = 64 << 20;
/// What a payload may hold at most: a record, its names and an import progress.
pub(crate) const PAYLOAD_SIZE_MAX: usize = RECORD_SIZE_MAX + (1 << 20);
/// Frames start on multiples of this.
pub(crate) const ALIGN: u64 = 8;

pub(crate) const FLAG_IMPORT: u32 = 1;
pub(crate) const FLAG_CLOSE: u32 = 2;

const _: () = assert!((HEADER_SIZE as u64).is_multiple_of(ALIGN));
const _: () = assert!(PAYLOAD_SIZE_MAX < u32::MAX as usize);

/// A frame's header; see the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) payload_size: u32,
    pub(crate) payload_crc: u32,
    pub(crate) count: u32,
    pub(crate) first_sequence: u64,
    pub(crate) flags: u32,
    pub(crate) promise: u64,
    pub(crate) arrived: i64,
    pub(crate) time_min: i64,
    pub(crate) time_max: i64,
    pub(crate) batch_index: u32,
    pub(crate) batch_count: u32,
}

impl Header {
    /// Bytes of the whole frame, padding included.
    pub(crate) fn frame_size(&self) -> u64 {
        frame_size(self.payload_size as usize)
    }

    /// The sequence after the last record.
    pub(crate) fn end_sequence(&self) -> u64 {
        self.first_sequence.saturating_add(u64::from(self.count))
    }

    /// Whether this is a close frame.
    pub(crate) fn is_close(&self) -> bool {
        self.flags & FLAG_CLOSE != 0
    }
}

/// Bytes of a frame with this payload, padding included.
pub(crate) fn frame_size(payload_size: usize) -> u64 {
    ((HEADER_SIZE + payload_size) as u64).next_multiple_of(ALIGN)
}

/// Writes the header for a frame at `offset` into `out`.
///
/// The payload's size is written too: whoever publishes the frame stores zero there first.
pub(crate) fn encode(out: &mut [u8; HEADER_SIZE], header: &Header, salt: u64, offset: u64) {
    assert!(0 < header.payload_size, "BUG: an empty payload means that nothing is there");
    assert!(header.promise.is_multiple_of(ALIGN), "BUG: frames, and so promises, are aligned");
    let promise = u32::try_from(header.promise / ALIGN).unwrap_or(u32::MAX);
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        out[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(&header.payload_size.to_le_bytes());
    put(&[0; 4]);
    put(&header.payload_crc.to_le_bytes());
    put(&header.count.to_le_bytes());
    put(&header.first_sequence.to_le_bytes());
    put(&header.flags.to_le_bytes());
    put(&promise.to_le_bytes());
    put(&header.arrived.to_le_bytes());
    put(&header.time_min.to_le_bytes());
    put(&header.time_max.to_le_bytes());
    put(&header.batch_index.to_le_bytes());
    put(&header.batch_count.to_le_bytes());
    let check = header_crc(out, salt, offset);
    out[4..8].copy_from_slice(&check.to_le_bytes());
}

/// Reads the header at the front of `bytes`, which lie at `offset` of a file with this salt. `None` unless
/// its checksum holds and the payload lies within `bytes`.
#[inline]
pub(crate) fn decode(bytes: &[u8], salt: u64, offset: u64) -> Option<Header> {
    let head: &[u8; HEADER_SIZE] = bytes.first_chunk()?;
    let payload_size = u32_at(head, 0)?;
    let flags = u32_at(head, 24)?;
    let batch_index = u32_at(head, 56)?;
    let batch_count = u32_at(head, 60)?;
    // Cheap tests first: a resync tries every eighth byte.
    let rest = bytes.len() - HEADER_SIZE;
    if payload_size == 0 || rest < payload_size as usize || PAYLOAD_SIZE_MAX < payload_size as usize {
        return None;
    }
    if flags & !(FLAG_IMPORT | FLAG_CLOSE) != 0 || batch_count <= batch_index {
        return None;
    }
    if u32_at(head, 4)? != header_crc(head, salt, offset) {
        return None;
    }
    Some(Header {
        payload_size,
        payload_crc: u32_at(head, 8)?,
        count: u32_at(head, 12)?,
        first_sequence: u64_at(head, 16)?,
        flags,
        promise: u64::from(u32_at(head, 28)?) * ALIGN,
        arrived: i64_at(head, 32)?,
        time_min: i64_at(head, 40)?,
        time_max: i64_at(head, 48)?,
        batch_index,
        batch_count,
    })
}

/// The payload's checksum.
#[inline]
pub(crate) fn payload_crc(payload: &[u8]) -> u32 {
    crc32fast::hash(payload)
}

/// One run of bytes: a checksum of three short ones costs three times as much.
fn header_crc(head: &[u8; HEADER_SIZE], salt: u64, offset: u64) -> u32 {
    let mut bytes = [0; HEADER_SIZE + 12];
    bytes[..8].copy_from_slice(&salt.to_le_bytes());
    bytes[8..16].copy_from_slice(&offset.to_le_bytes());
    bytes[16..20].copy_from_slice(&head[..4]);
    bytes[20..].copy_from_slice(&head[8..]);
    crc32fast::hash(&bytes)
}

/// Where an imported record's text came from: which source, and which bytes of it a frame covers.
///
/// Progress travels with the data: what the frames of a store carry is what was imported, whatever
/// happened in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportProgress {
    /// The source.
    pub source: SourceId,
    /// First byte covered, in the decompressed stream.
    pub start: u64,
    /// Byte after the last one covered.
    pub end: u64,
    /// Hash (XXH3-64) of up to 64 KiB of the source before `end`, to recognise a rewritten file.
    pub tail_hash: u64,
}

/// Names a source of imports by its content: the hash of its first bytes, so that a file that grew or
/// moved is the same source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId {
    /// Hash (XXH3-64) of the first `prefix_len` bytes of the decompressed stream.
    pub hash: u64,
    /// How many bytes were hashed: the size at first sight, at most 64 KiB.
    pub prefix_len: u32,
    /// Raised each time the same content is deliberately imported anew.
    pub generation: u32,
}

impl std::fmt::Display for SourceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}.{}.{}", self.hash, self.prefix_len, self.generation)
    }
}

impl std::str::FromStr for SourceId {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('.');
        let mut next = || parts.next().unwrap_or("");
        let read = (u64::from_str_radix(next(), 16), next().parse(), next().parse());
        match (read, parts.next()) {
            ((Ok(hash), Ok(prefix_len), Ok(generation)), None) => Ok(Self { hash, prefix_len, generation }),
            _ => {
                Err(crate::Error::new(crate::ErrorKind::Invalid, format!("{text:?} does not name an import")))
            }
        }
    }
}

/// Bytes of an encoded import progress.
pub(crate) const PROGRESS_SIZE: usize = 40;

impl ImportProgress {
    /// The same parts of the same sources, in order, neighbours joined.
    pub(crate) fn join(mut found: Vec<Self>) -> Vec<Self> {
        found.sort();
        let mut joined: Vec<Self> = Vec::new();
        for next in found {
            match joined.last_mut() {
                Some(last) if last.source == next.source && next.start <= last.end => {
                    if last.end < next.end {
                        (last.end, last.tail_hash) = (next.end, next.tail_hash);
                    }
                }
                _ => joined.push(next),
            }
        }
        joined
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.source.hash.to_le_bytes());
        out.extend_from_slice(&self.source.prefix_len.to_le_bytes());
        out.extend_from_slice(&self.source.generation.to_le_bytes());
        out.extend_from_slice(&self.start.to_le_bytes());
        out.extend_from_slice(&self.end.to_le_bytes());
        out.extend_from_slice(&self.tail_hash.to_le_bytes());
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            source: SourceId {
                hash: u64_at(bytes, 0)?,
                prefix_len: u32_at(bytes, 8)?,
                generation: u32_at(bytes, 12)?,
            },
            start: u64_at(bytes, 16)?,
            end: u64_at(bytes, 24)?,
            tail_hash: u64_at(bytes, 32)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLE: Header = Header {
        payload_size: 25,
        payload_crc: 0xDEAD_BEEF,
        count: 1,
        first_sequence: 7,
        flags: 0,
        promise: 4096,
        arrived: 1_795_363_200_000_000_000,
        time_min: -5,
        time_max: 5,
        batch_index: 0,
        batch_count: 1,
    };

    fn sample() -> Vec<u8> {
        let mut head = [0; HEADER_SIZE];
        encode(&mut head, &SAMPLE, 42, 4096);
        let mut frame = head.to_vec();
        frame.extend_from_slice(&[b'x'; 25]);
        frame
    }

    #[test]
    fn a_header_reads_back() {
        assert_eq!(decode(&sample(), 42, 4096), Some(SAMPLE));
        assert_eq!(SAMPLE.frame_size(), 96);
    }

    #[test]
    fn the_layout_of_a_header_is_fixed() {
        let hex: String = sample()[..HEADER_SIZE].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "19000000ef6d56cdefbeadde0100000007000000000000000000000000020000\
             0000cf725169ea18fbffffffffffffff05000000000000000000000001000000"
        );
    }

    #[test]
    fn every_cut_of_a_frame_is_noticed() {
        let whole = sample();
        for cut in 0..whole.len() {
            assert_eq!(decode(&whole[..cut], 42, 4096), None, "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let whole = sample();
        for bit in 0..HEADER_SIZE * 8 {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bad, 42, 4096), None, "bit {bit}");
        }
    }

    #[test]
    fn another_salt_or_another_offset_does_not_pass() {
        let whole = sample();
        assert_eq!(decode(&whole, 43, 4096), None);
        assert_eq!(decode(&whole, 42, 4104), None);
    }

    #[test]
    fn a_source_reads_back_from_its_name() {
        let source = SourceId { hash: 0xAB, prefix_len: 1024, generation: 2 };
        assert_eq!(source.to_string().parse::<SourceId>().unwrap(), source);
        for bad in ["", "x.1.2", "1.2", "1.2.3.4"] {
            assert!(bad.parse::<SourceId>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_frame(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(&bytes, 1, 2), None);
        }
    }
}
