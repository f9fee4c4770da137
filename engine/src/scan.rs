//! Scans: rows of a snapshot that match, a thousand at a time, as columns.
//!
//! A scan is cut into parts that can be read on any thread in any order: pieces of active files, whose rows
//! come in the order in which they were appended, and blocks of segments, whose groups come from the
//! youngest on, the rows of a group in the order of time.

mod batch;
mod rollup;
mod rows;
mod sealed;
mod select;

use std::ops::ControlFlow;

pub use self::batch::{Batch, Entries, Fields, IntUnit, Ints, Lane, NO_CODE};
pub use self::rollup::{ROLLUP_KEYS, ROLLUP_MEASURES, Rollup, RollupAsk, RollupCell};
use self::rows::RowPart;
use self::sealed::SealedPart;
use crate::error::Result;
use crate::gap::Gap;
use crate::predicate::Predicate;
use crate::snapshot::{Position, Snapshot};

/// Rows in one batch, at most.
pub const BATCH_ROWS_MAX: usize = 1024;

/// A half-open range of time, `from <= time < until`, in nanoseconds since 1970; `None` is an open end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// First nanosecond inside.
    pub from: Option<i64>,
    /// First nanosecond after.
    pub until: Option<i64>,
}

impl TimeRange {
    /// Whether a time lies inside.
    #[inline]
    pub fn contains(&self, time: i64) -> bool {
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time < until)
    }

    /// Whether any time from `min` to `max`, both included, lies inside.
    pub fn overlaps(&self, min: i64, max: i64) -> bool {
        min <= max && self.from.is_none_or(|from| from <= max) && self.until.is_none_or(|until| min < until)
    }

    pub(crate) fn covers(&self, min: i64, max: i64) -> bool {
        self.contains(min) && self.contains(max)
    }
}

/// What to read.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Only records of this time.
    pub range: TimeRange,
    /// Only records that match.
    pub predicate: Predicate,
    /// Fields to decode, in the order of [`Batch::column`]. Besides stored fields: `time`, `_arrived` (both
    /// [`crate::Value::Time`]) and `_import` (the source of an imported record).
    pub columns: Vec<String>,
    /// Whether [`Batch::fields`] will be asked.
    pub fields: bool,
    /// Only records past this position: a live tail.
    pub after: Option<Position>,
    /// Whether the index of a segment may say where to look. It never changes what is found.
    pub index: bool,
    /// Whether [`Batch::times`] and [`Batch::time`] will be asked.
    pub times: bool,
    /// Whether [`Batch::ids`] and [`Batch::id`] will be asked.
    pub ids: bool,
}

impl Default for Scan {
    /// All records, no columns.
    fn default() -> Self {
        Self {
            range: TimeRange::default(),
            predicate: Predicate::All,
            columns: Vec::new(),
            fields: false,
            after: None,
            index: true,
            times: true,
            ids: true,
        }
    }
}

/// A piece of a scan, to be read by one thread.
#[derive(Debug)]
pub struct Part<'s>(Source<'s>);

#[derive(Debug)]
enum Source<'s> {
    Rows(RowPart<'s>),
    Sealed(SealedPart<'s>),
}

/// What a scan looked at.
#[derive(Clone, Debug, Default)]
pub struct ScanStats {
    /// Records decoded.
    pub records: u64,
    /// Bytes of frames read.
    pub bytes: u64,
    /// Whether an index said where not to look.
    pub indexed: bool,
    /// Cells of rollups that stood in for records.
    pub cells: u64,
    /// Damage that the scan met.
    pub gaps: Vec<Gap>,
}

impl ScanStats {
    /// Adds what another part looked at.
    pub fn merge(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.indexed |= other.indexed;
        self.cells += other.cells;
        self.gaps.extend(other.gaps);
    }
}

impl Snapshot {
    /// Cuts a scan into parts; those that the time range rules out are left away.
    ///
    /// # Errors
    /// None so far.
    pub fn parts<'s>(&'s self, scan: &'s Scan) -> Result<Vec<Part<'s>>> {
        let mut parts = Vec::new();
        for segment in &self.segments {
            let footer = &segment.footer;
            if !scan.range.overlaps(footer.time_min, footer.time_max) || self.has_seen(segment, scan) {
                continue;
            }
            for (block, entry) in (0..).zip(&footer.blocks) {
                if scan.range.overlaps(entry.time_min, entry.time_max) {
                    parts.push(Part(Source::Sealed(SealedPart {
                        segment,
                        block,
                        entry: *entry,
                        scan,
                        counted: None,
                    })));
                }
            }
        }
        for view in &self.views {
            let after = scan.after.as_ref().and_then(|position| position.next.get(&view.slot)).copied();
            for &piece in &view.pieces {
                let seen = after.is_some_and(|after| piece.end_sequence <= after);
                if 0 < piece.records && !seen && scan.range.overlaps(piece.time_min, piece.time_max) {
                    parts.push(Part(Source::Rows(RowPart { view, piece, scan })));
                }
            }
        }
        Ok(parts)
    }

    /// Whether the scan's position is past all records of a segment.
    fn has_seen(&self, segment: &crate::segment::sealed::read::Segment, scan: &Scan) -> bool {
        let Some(after) = &scan.after else { return false };
        let seen = |(writer, end): (u32, u64)| after.next.get(&writer).is_some_and(|next| end <= *next);
        segment.end_sequences().all(seen)
    }
}

impl Part<'_> {
    /// No record of the part is older.
    pub fn time_min(&self) -> i64 {
        match &self.0 {
            Source::Rows(part) => part.piece.time_min,
            Source::Sealed(part) => part.entry.time_min,
        }
    }

    /// No record of the part is younger.
    pub fn time_max(&self) -> i64 {
        match &self.0 {
            Source::Rows(part) => part.piece.time_max,
            Source::Sealed(part) => part.entry.time_max,
        }
    }

    /// Records in the part, at most, whether they match or not.
    pub fn records(&self) -> u64 {
        match &self.0 {
            Source::Rows(part) => part.piece.records,
            Source::Sealed(part) => part.entry.rows.into(),
        }
    }

    /// Whether every batch is older than those that come before it.
    pub fn is_newest_first(&self) -> bool {
        matches!(self.0, Source::Sealed(_))
    }

    /// The names of all fields that records of the part have, where they are known without reading them: each
    /// is in some record.
    pub fn names(&self) -> Option<Vec<&str>> {
        match &self.0 {
            Source::Rows(_) => None,
            Source::Sealed(part) => part.names(),
        }
    }

    /// A name for the file that the part lies in: parts of one file have the same.
    pub fn file(&self) -> (u32, u64) {
        match &self.0 {
            Source::Rows(part) => (part.view.slot, part.view.number),
            Source::Sealed(part) => (u32::MAX, part.segment.footer.id),
        }
    }

    /// Reads the part and shows its matching rows in batches, until there are no more or `visit` breaks.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Corrupt`] for a record whose checksum holds but whose bytes are no record.
    pub fn scan(&self, visit: &mut dyn FnMut(&Batch<'_>) -> ControlFlow<()>) -> Result<ScanStats> {
        match &self.0 {
            Source::Rows(part) => part.scan(visit),
            Source::Sealed(part) => Ok(part.scan(visit)),
        }
    }
}
