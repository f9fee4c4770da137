//! Sealed segments: records as columns, in one file that never changes.
//!
//! ```text
//! segment   head (see `format::footer`), blocks, index (see `index`), rollups (see `rollup`), footer, footer
//! block     columns (see `column`), head (see `head`)
//! ```
//!
//! Records are sorted by time, writer and sequence. A block holds up to [`BLOCK_ROWS_MAX`] of them, a group
//! is [`GROUP_ROWS`] consecutive ones of a block. Every byte lies under a checksum of the piece that it is
//! part of, and is verified before it is believed: a damaged piece costs what it holds and nothing else.

pub(crate) mod build;
mod encode;
pub(crate) mod group;
pub(crate) mod head;
pub(crate) mod read;
pub(crate) mod residue;
pub(crate) mod rollup;
pub(crate) mod rows;

/// Rows of a block, at most.
pub(crate) const BLOCK_ROWS_MAX: u32 = 65_536;
/// Bytes of rows at which a block ends.
pub(crate) const BLOCK_SIZE: usize = 32 << 20;
/// Rows of a group: what a reader may skip, and decodes in one go.
pub(crate) const GROUP_ROWS: u32 = 1024;

const _: () = assert!(BLOCK_ROWS_MAX / GROUP_ROWS == crate::column::GROUPS_MAX);
const _: () = assert!(GROUP_ROWS as usize == crate::column::GROUP_LEN_MAX);
/// Columns of a block, at most; the fields of other names share one.
pub(crate) const COLUMNS_MAX: usize = 512;
