//! What the store's files take on disk: records, bytes as they came, bytes as they are kept, and which fields those are.
//!
//! Bytes "as rows" are those of the row codec, the form in which records are appended: what a record takes before anything is
//! sealed. Everything is read from heads and footers; no record is.

use std::collections::BTreeMap;

use crate::format::header;
use crate::segment::sealed::head::{FIXED, Fixed};
use crate::segment::sealed::read::Segment;
use crate::snapshot::{Snapshot, View};

/// In which form a file keeps records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileState {
    /// Frames, as they were appended.
    Active,
    /// Columns.
    Sealed,
    /// Columns, squeezed harder, in a folder of their day.
    Archived,
}

impl FileState {
    /// The name of the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Sealed => "sealed",
            Self::Archived => "archived",
        }
    }
}

/// What one file of the store takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStorage {
    /// The file, relative to the store.
    pub file: String,
    /// In which form it keeps its records.
    pub state: FileState,
    /// Records; of an active file at most, as records behind damage are not looked for here.
    pub records: u64,
    /// Bytes that the records took, or take, as rows.
    pub raw: u64,
    /// Bytes of the file that hold something. An active file reserves more than that.
    pub stored: u64,
    /// Bytes of it that are the index.
    pub index: u64,
    /// Bytes of it that are rollups.
    pub rollups: u64,
    /// The earliest event time, nanoseconds since 1970.
    pub time_min: i64,
    /// The latest event time.
    pub time_max: i64,
    /// The latest arrival; of active files, which do not say, the latest event time.
    pub arrived_max: i64,
    /// Bytes by field, in the order of the names; of active files, where fields lie together, none. Names that begin with
    /// `_` are the engine's own columns.
    pub fields: Vec<(String, u64)>,
}

impl Snapshot {
    /// What each file of the snapshot takes: active files by slot and number, then segments in the order of their numbers. A
    /// file whose head cannot be read has no bytes by field.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::{Event, FileState, Options, Store};
    /// let store = Store::open(dir.path(), Options::default())?;
    /// let log = store.writer()?;
    /// log.append(&Event::ai("puzzle_analysis").model("llama3.2").tokens(150, 250))?;
    /// log.close()?;
    /// store.seal()?;
    /// let files = store.snapshot()?.storage();
    /// assert_eq!((files[0].state, files[0].records), (FileState::Sealed, 1));
    /// assert!(files[0].fields.iter().any(|(name, bytes)| name == "model" && *bytes != 0));
    /// # Ok::<(), logq_engine::Error>(())
    /// ```
    pub fn storage(&self) -> Vec<FileStorage> {
        let active = self.views.iter().filter_map(active);
        let sealed =
            self.segments.iter().map(|segment| FileStorage { fields: fields(segment), ..sealed(segment) });
        active.chain(sealed).collect()
    }

    /// As [`Snapshot::storage`] without the bytes by field, for which the head of every block is read.
    pub(crate) fn file_sizes(&self) -> Vec<FileStorage> {
        let active = self.views.iter().filter_map(active);
        active.chain(self.segments.iter().map(|segment| sealed(segment))).collect()
    }
}

/// An active file; none where no record was appended to it.
fn active(view: &View) -> Option<FileStorage> {
    let end = view.pieces.last()?.to;
    let time_max = view.pieces.iter().map(|piece| piece.time_max).max()?;
    Some(FileStorage {
        file: view.relative_name(),
        state: FileState::Active,
        records: view.pieces.iter().map(|piece| piece.records).sum(),
        raw: end.saturating_sub(header::SIZE),
        stored: end,
        index: 0,
        rollups: 0,
        time_min: view.pieces.iter().map(|piece| piece.time_min).min()?,
        time_max,
        arrived_max: time_max,
        fields: Vec::new(),
    })
}

fn sealed(segment: &Segment) -> FileStorage {
    let footer = &segment.footer;
    FileStorage {
        file: footer.place().file().relative(),
        state: if footer.day.is_some() { FileState::Archived } else { FileState::Sealed },
        records: footer.records,
        raw: footer.raw,
        stored: segment.size(),
        index: footer.index_size,
        rollups: footer.rollup_size,
        time_min: footer.time_min,
        time_max: footer.time_max,
        arrived_max: footer.arrived_max,
        fields: Vec::new(),
    }
}

/// The bytes of each field's columns in all blocks.
fn fields(segment: &Segment) -> Vec<(String, u64)> {
    let mut fields: BTreeMap<&str, u64> = BTreeMap::new();
    let mut add = |name, size| {
        let sum = fields.entry(name).or_default();
        *sum = sum.saturating_add(size);
    };
    for block in (0..segment.block_count()).filter_map(|number| segment.block(number).ok()) {
        for fixed in FIXED {
            let range = block.head.fixed_range(fixed);
            add(fixed_name(fixed), range.end.saturating_sub(range.start));
        }
        for column in &block.head.columns {
            add(block.head.names.get(column.name as usize).map_or("_unknown", String::as_str), column.size);
        }
        add("_shape", block.entry.head_size);
    }
    fields.into_iter().filter(|(_, size)| *size != 0).map(|(name, size)| (name.to_owned(), size)).collect()
}

/// What the columns that every row has are called.
fn fixed_name(fixed: Fixed) -> &'static str {
    match fixed {
        Fixed::Time => "time",
        Fixed::Sequence | Fixed::Writer => "_id",
        Fixed::Arrived => "_arrived",
        Fixed::Import => "_import",
        Fixed::Shape => "_shape",
        Fixed::Rare => "_rare",
    }
}
