//! The files that hold records: active ones, frames written by one slot's writer, and sealed segments,
//! columns that never change.

pub(crate) mod active;
pub(crate) mod sealed;
pub(crate) mod walk;
