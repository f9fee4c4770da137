//! The body of a fuzz target: reads bytes as an index.

use std::sync::Arc;

use super::filters::Filters;
use super::fuse::{HEAD_SIZE, Shape};
use super::{Bytes, Head, HeadPiece, Index, LEAD_SIZE};
use crate::format::u32_at;
use crate::io::ReadMap;

/// A file that is nowhere but in memory.
#[derive(Debug)]
pub(super) struct Memory(pub(super) Vec<u8>);

impl ReadMap for Memory {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn load(&self, offset: u64) -> u32 {
        usize::try_from(offset).ok().and_then(|at| u32_at(&self.0, at)).unwrap_or(0)
    }
}

pub(super) fn bytes(bytes: Vec<u8>) -> Bytes {
    let end = bytes.len();
    Bytes::new(Arc::new(Memory(bytes)), 0..end)
}

/// Reads bytes as an index, as one whose checksums are right, and as filters.
pub(crate) fn fuzz(input: &[u8]) {
    let Some((&groups, input)) = input.split_first() else { return };
    let groups = u32::from(groups);
    ask(input.to_vec(), groups);
    if let Some(mended) = mended(input, groups) {
        ask(mended, groups);
    }
    if let Some(filters) = Filters::open(input, groups) {
        filters.candidates(input, 7, groups);
    }
    for head in input.chunks(HEAD_SIZE) {
        if let Some(shape) = Shape::read(head) {
            shape.contains(input, 7);
        }
    }
}

fn ask(index: Vec<u8>, groups: u32) {
    if let Ok(index) = Index::open(bytes(index), groups) {
        let _answers = (index.candidates("word"), index.candidates("4711"), index.verify());
    }
}

/// The input as the filters of an index, under checksums that hold: what a checksum keeps out must not be what
/// keeps a decoder from panicking. The words are not among it: tantivy trusts its files, and only their
/// checksums stand before it.
fn mended(input: &[u8], groups: u32) -> Option<Vec<u8>> {
    let filters = input.get(LEAD_SIZE..)?;
    let mut mended = Head { groups, pieces: vec![HeadPiece::of(super::FILTERS, filters)] }.write();
    mended.extend_from_slice(filters);
    Some(mended)
}
