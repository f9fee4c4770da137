//! Reading texts that are ranges of the pool.

use std::ops::Range;

use super::super::Damaged;
use super::super::codec::Unpacker;
use super::super::pages::Page;
use super::{Extent, PART_PAGE_SIZE, TEXTS_SIZE_MAX};
use crate::format::varint;

/// The part of the pool that one column holds.
pub(crate) struct Part {
    /// Its place in the pool.
    pub(crate) start: u64,
    pub(crate) size: u64,
    /// Where the column lies, in whatever [`Shared::bytes`] knows it by.
    pub(crate) column: Range<usize>,
    pub(crate) pages: Vec<Page>,
}

/// The pool of a segment, for the columns that are read.
pub(crate) trait Shared: Sync {
    /// The parts that there are, in the order of their places. One that cannot be read is not there.
    fn parts(&self) -> &[Part];

    /// The bytes of the column that holds a part.
    fn bytes(&self, part: &Part) -> &[u8];
}

/// What stands in a list: the ranges, the bytes of all of them, and the rest.
struct List<'l> {
    ranges: Vec<Extent>,
    size: usize,
    rest: &'l [u8],
}

impl<'l> List<'l> {
    fn read(mut input: &'l [u8]) -> Option<Self> {
        let input = &mut input;
        // A range takes two bytes at least.
        let count = varint::take(input).filter(|count| *count <= input.len() as u64 / 2)?;
        let (mut ranges, mut size, mut before) = (Vec::new(), 0_usize, 0_u64);
        for _ in 0..count {
            let start = before.checked_add_signed(varint::take_signed(input)?)?;
            let range = Extent { start, len: varint::take(input)? };
            before = range.end().filter(|end| start < *end)?;
            size = size.checked_add(usize::try_from(range.len).ok()?)?;
            ranges.push(range);
        }
        (size.checked_add(input.len())? <= TEXTS_SIZE_MAX).then_some(Self { ranges, size, rest: input })
    }
}

/// The number of the part that a range lies in.
fn part_of(parts: &[Part], range: Extent) -> Option<usize> {
    let at = parts.partition_point(|part| part.start <= range.start).checked_sub(1)?;
    let part = parts.get(at)?;
    (range.end()? <= part.start.checked_add(part.size)?).then_some(at)
}

const LIST: &str = "list of ranges does not read";
const NOWHERE: &str = "texts lie in a part that is not there";

/// Whether a list reads and all its ranges are there.
pub(crate) fn verify(list: &[u8], shared: &dyn Shared) -> Result<(), &'static str> {
    let list = List::read(list).ok_or(LIST)?;
    let there = list.ranges.iter().all(|range| part_of(shared.parts(), *range).is_some());
    if there { Ok(()) } else { Err(NOWHERE) }
}

/// Bytes of one page of a part, and where they go.
struct Copy {
    part: usize,
    page: usize,
    from: usize,
    len: usize,
    to: usize,
}

/// Replaces what `out` holds by what a list stands for. Each page of the pool is unpacked once, into `page`.
pub(crate) fn assemble(
    list: &[u8],
    shared: &dyn Shared,
    unpacker: &mut Unpacker,
    page: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), Damaged> {
    let damaged = |what| Damaged { what, offset: 0 };
    let list = List::read(list).ok_or(damaged(LIST))?;
    let parts = shared.parts();
    let mut copies = Vec::with_capacity(list.ranges.len());
    let mut to = 0;
    for range in &list.ranges {
        let at = part_of(parts, *range).ok_or(damaged(NOWHERE))?;
        let start = parts.get(at).map_or(0, |part| part.start);
        let mut place = usize::try_from(range.start - start).map_err(|_| damaged(NOWHERE))?;
        let mut left = usize::try_from(range.len).map_err(|_| damaged(NOWHERE))?;
        while left != 0 {
            let from = place % PART_PAGE_SIZE;
            let len = left.min(PART_PAGE_SIZE - from);
            copies.push(Copy { part: at, page: place / PART_PAGE_SIZE, from, len, to });
            (place, left, to) = (place + len, left - len, to + len);
        }
    }
    copies.sort_unstable_by_key(|copy| (copy.part, copy.page));
    out.clear();
    out.resize(list.size, 0);
    let mut held = None;
    for copy in &copies {
        if held != Some((copy.part, copy.page)) {
            let part = parts.get(copy.part).ok_or(damaged(NOWHERE))?;
            let packed = part.pages.get(copy.page).ok_or(damaged(NOWHERE))?;
            packed.read(shared.bytes(part), unpacker, page)?;
            held = Some((copy.part, copy.page));
        }
        let from = page.get(copy.from..copy.from + copy.len).ok_or(damaged(NOWHERE))?;
        out.get_mut(copy.to..copy.to + copy.len).ok_or(damaged(NOWHERE))?.copy_from_slice(from);
    }
    out.extend_from_slice(list.rest);
    Ok(())
}

/// The pool of a segment of one column.
#[cfg(any(test, feature = "sim"))]
pub(crate) struct Alone<'c> {
    pub(crate) parts: Vec<Part>,
    pub(crate) chunk: &'c [u8],
}

#[cfg(any(test, feature = "sim"))]
impl Shared for Alone<'_> {
    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn bytes(&self, _part: &Part) -> &[u8] {
        self.chunk
    }
}
