//! What an import did: counts, bad lines and where they are kept; and progress while it runs.

use std::ops::ControlFlow;
use std::path::PathBuf;

use logq_engine::{Event, SourceId};

use crate::error::Error;
use crate::options::Format;

/// How many bad lines a report shows; the reject file has all.
pub(crate) const BAD_LINES_SHOWN: usize = 5;
/// How many events a dry run shows.
pub(crate) const PREVIEW_ROWS: usize = 10;

/// What an import did, file by file, in the order given.
#[derive(Debug, Default)]
pub struct Report {
    /// One for each input that was reached.
    pub files: Vec<FileReport>,
    /// Whether [`Progress`] asked to stop.
    pub cancelled: bool,
}

impl Report {
    /// Events imported.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Bad lines.
    pub fn bad(&self) -> u64 {
        self.files.iter().map(|file| file.bad).sum()
    }

    /// The first error, where a file has one.
    pub fn error(&self) -> Option<&Error> {
        self.files.iter().find_map(|file| file.error.as_ref())
    }
}

/// What an import did with one input.
#[derive(Debug, Default)]
pub struct FileReport {
    /// The input, as the user may know it.
    pub name: String,
    /// The identity under which the store knows the source.
    pub source: Option<SourceId>,
    /// How the bytes were read.
    pub format: Format,
    /// Events imported.
    pub rows: u64,
    /// Blank lines, which are skipped.
    pub blank: u64,
    /// Bad lines, which are kept in the reject file.
    pub bad: u64,
    /// Values that were replaced by a later one of the same name in their object.
    pub duplicates: u64,
    /// Bytes read, decompressed.
    pub bytes: u64,
    /// Bytes that were imported before, decompressed.
    pub known: u64,
    /// The first bad lines.
    pub bad_lines: Vec<BadLine>,
    /// Where all bad lines are kept.
    pub rejects: Option<PathBuf>,
    /// Whole sentences that a user should see.
    pub warnings: Vec<String>,
    /// The first events as parsed; only of a dry run.
    pub preview: Vec<Event>,
    /// Why the import of this input ended early. What was imported before stays.
    pub error: Option<Error>,
}

/// A line that could not be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: u64,
    /// Byte of the decompressed source at which the line starts.
    pub offset: u64,
    /// Byte of the line at which it went wrong, from 1; 0 where that says nothing.
    pub column: u64,
    /// Lower case, without a full stop.
    pub reason: String,
}

/// How far an import is.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    /// The input, as the user may know it.
    pub name: &'a str,
    /// Which input, from 0, and of how many.
    pub file: usize,
    /// How many inputs there are.
    pub files: usize,
    /// Bytes of the input read from disk.
    pub done: u64,
    /// Bytes of the input, where it has a size.
    pub total: Option<u64>,
    /// Events imported from this input.
    pub rows: u64,
}

/// Told after every frame; may stop the import. What was imported stays, and the next import goes on.
pub trait Progress {
    /// Says how far the import is; `Break` stops it.
    fn update(&mut self, status: &Status<'_>) -> ControlFlow<()>;
}

/// Nobody watches.
impl Progress for () {
    fn update(&mut self, _: &Status<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: FnMut(&Status<'_>) -> ControlFlow<()>> Progress for F {
    fn update(&mut self, status: &Status<'_>) -> ControlFlow<()> {
        self(status)
    }
}
