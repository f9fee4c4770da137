//! De-duplication: texts of a segment that repeat each other are kept once, in the segment's *pool*.
//!
//! Every turn of a chat repeats the history before it, far behind what DEFLATE looks back to. A column of long
//! texts therefore may give its pages as ranges of the pool: one long text, of which each such column of the
//! segment holds the *part* that is new with it. A range may lie in the part of any column of the segment, of
//! this block or of one before.
//!
//! ```text
//! own part of the head   form (see `texts`: plain, split or mixed), place of the first byte of the part in the
//!                        pool (varint), bytes of the part (varint)
//! pages                  first those of the part, without groups: 64 KiB of it each, the last one what is left;
//!                        then lists, see below
//! list                   count of ranges (varint), for each: first byte less the end of the range before
//!                        (zigzag; of the first, less 0), bytes (varint, not 0); then the rest
//! ```
//!
//! The bytes of the ranges and then the rest are the page that the form says. No range lies in two parts, and
//! parts do not overlap. How texts were cut is of no concern to a reader.
//!
//! Every page stands under its own checksum: a damaged page of a part costs the groups that use it, in whichever
//! column, and nothing else.

mod cut;
mod pool;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use pool::Pool;
pub(super) use pool::Ranges;
#[cfg(any(test, feature = "sim"))]
pub(super) use read::Alone;
pub(crate) use read::{Part, Shared};
pub(super) use read::{assemble, verify};

/// Bytes of a page of a part, but of the last.
pub(super) const PART_PAGE_SIZE: usize = 64 << 10;
/// A page of texts that would be larger is not given as ranges, and one that says so is damaged: a few bytes could
/// else stand for any number. A record has 64 MiB at most.
pub(super) const TEXTS_SIZE_MAX: usize = 128 << 20;

/// Bytes of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) len: u64,
}

impl Extent {
    /// The place behind it; None for one that no pool can have.
    fn end(self) -> Option<u64> {
        self.start.checked_add(self.len)
    }
}
