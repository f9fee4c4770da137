//! Columns: the values that the rows of one block have for one field, encoded by what they turn out to be.
//!
//! Pure functions of bytes: no files, no threads. A chunk holds the *dense* values of a block: those of the
//! rows that have the field. Which rows these are is known elsewhere; here a group is so many values, none to
//! 1,024, and a block up to 64 groups.
//!
//! ```text
//! chunk     size of the head u32, CRC-32 of that size and the head u32, head, pages without gaps
//! head      encoding u8, groups, the encoding's own part, table of pages (see `pages`)
//! groups    255: every group has 1,024 values but the last, which may have fewer; count of values (varint)
//!           0 ..= 11: count of groups (varint), lengths of the groups in so many bits each (see `bits`)
//!
//! encoding       own part                                     pages
//! 0 constant     the value as a field without a name (number  none
//!                0, see `record`)
//! 1 dictionary   count of entries (varint, 1 ..= 65,536),     first the entries, in order of first
//!                form of the entries (see `texts`)            appearance; then codes, each group on whole
//!                                                             bytes, bits for the greatest code (see `bits`)
//! 2 integers     unit u8 (0 integer, 1 time, 2 duration,      see `ints`
//!                3 cost, 4 level, 5 bool), see `ints`
//! 3 decimals     see `decimal`, see `ints`                    see `ints`
//! 4 floats       none                                         8 bytes each
//! 5 texts        form (see `texts`)                           see `texts`
//! 6 shared       see `dedup`                                  see `dedup`
//! ```
//!
//! All integers are little-endian or varints. Every byte of a chunk lies under the checksum of the head or of
//! a page, and none is left over. What comes back is what went in: the same variant of
//! [`Value`](crate::value::Value), the same bytes. Which encoding a column gets depends on its values alone,
//! never on what a field is called; any encoding that fits gives the same values.
//!
//! Decoding is total: any bytes give values or [`Damaged`], and no allocation larger than the bytes at hand
//! can unpack to.

mod bits;
mod builder;
pub(crate) mod codec;
mod decimal;
mod dedup;
mod distinct;
mod encode;
mod ints;
mod pages;
mod pattern;
mod read;
mod split;
mod templates;
#[cfg(test)]
mod tests;
mod texts;
mod vector;

pub(crate) use builder::Builder;
pub(crate) use dedup::{Part, Pool, Shared};
pub(crate) use distinct::hash_wide;
#[cfg(any(test, feature = "sim"))]
pub(crate) use read::fuzz;
pub(crate) use read::{Column, TemplateCodes};
pub(crate) use templates::Templates;
pub(crate) use texts::TextKind;
pub(crate) use vector::{Dictionary, Vector, View};

/// Groups of a block, at most.
pub(crate) const GROUPS_MAX: u32 = 64;
/// Values of a group, at most.
pub(crate) const GROUP_LEN_MAX: usize = 1024;

/// A constant larger than this is a dictionary of one entry, so that it lies in a page and not in the head.
const CONSTANT_SIZE_MAX: usize = 1024;

const CONSTANT: u8 = 0;
const DICTIONARY: u8 = 1;
const INTS: u8 = 2;
const DECIMALS: u8 = 3;
const FLOATS: u8 = 4;
const TEXTS: u8 = 5;
const SHARED: u8 = 6;

/// All groups are full but the last.
const REGULAR: u8 = 255;

/// Zstandard's level in the archive.
const ZSTD_LEVEL_COLD: i32 = 5;

/// How hard to squeeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Scanned often: LZ4 for text, integers and codes as they are.
    Hot,
    /// Text that is read rarely: Zstandard for text in larger pages, integers and codes as they are.
    Bodies,
    /// The archive: Zstandard for everything.
    Cold,
    /// Text of the archive that is read rarely, in pages that are larger still.
    ColdBodies,
}

impl Effort {
    fn packer(self) -> codec::Packer {
        match self {
            Self::Hot | Self::Bodies => codec::Packer::default(),
            Self::Cold | Self::ColdBodies => codec::Packer::new(ZSTD_LEVEL_COLD),
        }
    }
}

/// What an integer stands for; the numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Unit {
    Int = 0,
    Time = 1,
    Duration = 2,
    Cost = 3,
    Level = 4,
    Bool = 5,
}

/// What a column turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Constant,
    Dictionary,
    Ints(Unit),
    /// Number literals that are integers of so many places behind the point; some may be given as integers.
    Decimals(u32),
    Floats,
    Texts(TextKind),
    Mixed,
}

/// A head or a page that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged {
    pub(crate) what: &'static str,
    /// Where the damaged piece begins in the chunk.
    pub(crate) offset: usize,
}
