//! Pages: runs of whole groups, each under its own checksum and codec.
//!
//! ```text
//! table   for each page: groups (varint), codec u8, stored size (varint), raw size (varint; not for
//!         codec 0), CRC-32 of the stored bytes (4 bytes)
//! ```
//!
//! The table ends with the head that it stands in. The pages follow the head in the order of the table,
//! without gaps. Pages of no groups stand first, if at all: the entries of a dictionary, or texts that columns share.

use super::codec::{Codec, Packer, Unpacker};
use super::{Damaged, GROUPS_MAX};
use crate::format::{crc, varint};

/// Pages being written.
#[derive(Default)]
pub(crate) struct Writer {
    pub(crate) table: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
    packer: Packer,
}

impl Writer {
    /// One whose pages are squeezed by this.
    pub(crate) fn new(packer: Packer) -> Self {
        Self { packer, ..Self::default() }
    }

    /// Appends a page of `groups` groups.
    pub(crate) fn push(&mut self, groups: usize, codec: Codec, raw: &[u8]) {
        let (codec, stored) = self.packer.pack(codec, raw);
        varint::put(&mut self.table, groups as u64);
        self.table.push(codec as u8);
        varint::put(&mut self.table, stored.len() as u64);
        if codec != Codec::Stored {
            varint::put(&mut self.table, raw.len() as u64);
        }
        self.table.extend_from_slice(&crc(&[stored]).to_le_bytes());
        self.bytes.extend_from_slice(stored);
    }

    /// What squeezes the pages, for what stands in the head.
    pub(crate) fn packer(&mut self) -> &mut Packer {
        &mut self.packer
    }

    /// What a page would take, without keeping it.
    pub(crate) fn measure(&mut self, codec: Codec, raw: &[u8]) -> usize {
        self.packer.pack(codec, raw).1.len()
    }
}

/// One page of a chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    /// Where its bytes lie in the chunk.
    offset: usize,
    stored: usize,
    raw: usize,
    codec: Codec,
    crc: u32,
    /// The groups that it holds.
    pub(crate) first_group: u32,
    pub(crate) groups: u32,
}

/// Reads the table up to the end of `input`. The pages begin at `offset` and must end at `end`.
pub(crate) fn read_table(mut input: &[u8], mut offset: usize, end: usize) -> Option<Vec<Page>> {
    let mut pages = Vec::new();
    let mut first_group = 0;
    while !input.is_empty() {
        let groups = u32::try_from(varint::take(&mut input)?).ok().filter(|groups| *groups <= GROUPS_MAX)?;
        let (&tag, rest) = input.split_first()?;
        input = rest;
        let codec = Codec::from_tag(tag)?;
        let stored = usize::try_from(varint::take(&mut input)?).ok()?;
        let raw = match codec {
            Codec::Stored => stored,
            _ => usize::try_from(varint::take(&mut input)?).ok()?,
        };
        let (crc, rest) = input.split_first_chunk()?;
        input = rest;
        if groups == 0 && first_group != 0 || !Unpacker::plausible(codec, stored, raw) {
            return None;
        }
        pages.push(Page { offset, stored, raw, codec, crc: u32::from_le_bytes(*crc), first_group, groups });
        offset = offset.checked_add(stored).filter(|offset| *offset <= end)?;
        first_group += groups;
        if GROUPS_MAX < first_group {
            return None;
        }
    }
    (offset == end).then_some(pages)
}

impl Page {
    /// Bytes that the page has once unpacked.
    pub(crate) fn raw(&self) -> usize {
        self.raw
    }

    /// The page's bytes as they lie in the chunk, if they are stored as they are.
    pub(crate) fn plain<'a>(&self, chunk: &'a [u8]) -> Option<&'a [u8]> {
        (self.codec == Codec::Stored).then(|| self.stored(chunk))
    }

    fn stored<'a>(&self, chunk: &'a [u8]) -> &'a [u8] {
        // The table was held against the chunk's end.
        chunk.get(self.offset..self.offset + self.stored).unwrap_or_default()
    }

    /// Holds the page's bytes against their checksum.
    pub(crate) fn verify(&self, chunk: &[u8]) -> Result<(), Damaged> {
        if crc(&[self.stored(chunk)]) == self.crc {
            Ok(())
        } else {
            Err(self.damaged("page checksum does not match"))
        }
    }

    /// Verifies and unpacks the page into `out`.
    pub(crate) fn read(
        &self,
        chunk: &[u8],
        unpacker: &mut Unpacker,
        out: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        self.verify(chunk)?;
        let done = unpacker.unpack(self.codec, self.stored(chunk), self.raw, out);
        done.ok_or_else(|| self.damaged("page does not unpack"))
    }

    /// Makes the checksum right.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn mend(&mut self, chunk: &[u8]) {
        self.crc = crc(&[self.stored(chunk)]);
    }

    /// An error about this page.
    pub(crate) fn damaged(&self, what: &'static str) -> Damaged {
        Damaged { what, offset: self.offset }
    }
}
