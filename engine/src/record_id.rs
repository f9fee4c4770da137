//! Ids of records: who wrote it, and the how-manieth it was.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// Names one record for ever: its writer's slot and its place in that slot. Printed `<writer>-<sequence>`.
///
/// ```
/// use logq_engine::RecordId;
/// let id: RecordId = "3-1024".parse()?;
/// assert_eq!((id.writer, id.sequence), (3, 1024));
/// # Ok::<(), logq_engine::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// The slot of the writer, from 0.
    pub writer: u32,
    /// The place among the slot's records, from 0: dense, but for jumps after a crash.
    pub sequence: u64,
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.writer, self.sequence)
    }
}

impl FromStr for RecordId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = text.split_once('-').and_then(|(writer, sequence)| {
            Some(Self { writer: writer.parse().ok()?, sequence: sequence.parse().ok()? })
        });
        parsed.ok_or_else(|| Error::new(ErrorKind::Invalid, format!("{text:?} is no record id")))
    }
}
