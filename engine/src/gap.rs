//! Gaps: what is missing from an answer, and why.

use std::fmt;

use crate::record_id::RecordId;

/// A place of the store that held records once and cannot be read any more. An answer that meets one is
/// not the whole truth and says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The file, relative to the store.
    pub file: String,
    /// First byte of the damage.
    pub offset: u64,
    /// Bytes of damage; 0 where they cannot be told.
    pub len: u64,
    /// The first record that is missing and how many there were, where the neighbours tell.
    pub records: Option<(RecordId, u64)>,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, byte {}", self.what, self.file, self.offset)?;
        match self.records {
            Some((first, 1)) => write!(f, " (record {first} is missing)"),
            Some((first, count)) if 1 < count => write!(f, " ({count} records from {first} on are missing)"),
            _ => Ok(()),
        }
    }
}
