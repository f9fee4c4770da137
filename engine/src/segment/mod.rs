//! Active files: frames, written by one slot's writer and read by anybody.

pub(crate) mod active;
pub(crate) mod walk;
