//! A sealed segment, opened: its footer is read, everything else when it is asked for.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::head::{BlockHead, FIXED_COUNT, Fixed};
use super::{BLOCK_ROWS_MAX, GROUP_ROWS};
use crate::column::{Column, Damaged, Dictionary, Part, Shared};
use crate::format::footer::{BlockEntry, Footer, HEAD_SIZE, Read};
use crate::format::manifest::Place;
use crate::gap::Gap;
use crate::index::{Bytes, Index};
use crate::io::{OpenMode, ReadMap, Vfs};
use crate::segment::sealed::rollup::{Counter, Cube, Rollups};

/// An opened segment.
pub(crate) struct Segment {
    pub(crate) footer: Footer,
    /// Whether head and both footers hold.
    pub(crate) sound: bool,
    map: Arc<dyn ReadMap>,
    blocks: Vec<BlockSlot>,
    index: OnceLock<Option<Result<Index, Gap>>>,
    rollups: OnceLock<Option<Result<Rollups, Gap>>>,
    /// Which columns hold texts that others share.
    parts: OnceLock<Vec<Part>>,
    /// The group with which each block begins, counted through the segment.
    group_starts: Vec<u32>,
}

struct BlockSlot {
    start: u64,
    entry: BlockEntry,
    block: OnceLock<Result<Block, Gap>>,
}

/// A block whose head was read.
pub(crate) struct Block {
    pub(crate) head: BlockHead,
    pub(crate) entry: BlockEntry,
    pub(crate) number: u32,
    start: u64,
    /// Decoded dictionaries of the columns of names.
    dictionaries: Vec<OnceLock<Result<SharedDictionary, Damaged>>>,
    fixed_dictionaries: [OnceLock<Result<SharedDictionary, Damaged>>; FIXED_COUNT],
}

/// The place of a dictionary that no block has.
static MISSING: OnceLock<Result<SharedDictionary, Damaged>> = OnceLock::new();

/// A dictionary, and a number that no other dictionary of this process has.
pub(crate) struct SharedDictionary {
    pub(crate) number: u64,
    pub(crate) entries: Dictionary,
}

/// Why a file is no segment that can be read.
#[derive(Debug)]
pub(crate) enum NotOpen {
    Io(std::io::Error),
    /// What is wrong with it.
    Damaged(String),
}

impl Segment {
    /// Opens the segment that lies at `place` of the store in `dir`.
    pub(crate) fn open(vfs: &dyn Vfs, dir: &Path, store: u128, place: Place) -> Result<Self, NotOpen> {
        let file = vfs.open(&place.file().path(dir), OpenMode::Read).map_err(NotOpen::Io)?;
        let map: Arc<dyn ReadMap> = file.map_read().map_err(NotOpen::Io)?.into();
        let segment = Self::read(map)?;
        if (segment.footer.store, segment.footer.place()) != (store, place) {
            return Err(NotOpen::Damaged("the file is another segment than its name says".into()));
        }
        Ok(segment)
    }

    /// Gives back the memory of what was read of the file.
    pub(crate) fn release(&self) {
        self.map.release();
    }

    /// Reads a segment out of the bytes of its file.
    pub(crate) fn read(map: Arc<dyn ReadMap>) -> Result<Self, NotOpen> {
        let (footer, sound) = match Footer::read(map.bytes()) {
            Read::Footer { footer, sound } => (*footer, sound),
            Read::Newer { version } => {
                let what = format!("a segment of format {version}: use a newer logq");
                return Err(NotOpen::Damaged(what));
            }
            Read::Damaged => return Err(NotOpen::Damaged("a segment whose footer is damaged".into())),
        };
        let data_end = (HEAD_SIZE as u64).saturating_add(footer.data_size());
        if (map.bytes().len() as u64) < data_end {
            return Err(NotOpen::Damaged("a segment that was cut short".into()));
        }
        let mut start = HEAD_SIZE as u64;
        let mut group = 0_u32;
        let mut group_starts = Vec::with_capacity(footer.blocks.len());
        let mut blocks = Vec::with_capacity(footer.blocks.len());
        for entry in &footer.blocks {
            if entry.rows == 0 || BLOCK_ROWS_MAX < entry.rows {
                return Err(NotOpen::Damaged("a segment with an impossible block".into()));
            }
            group_starts.push(group);
            group = group.saturating_add(entry.rows.div_ceil(GROUP_ROWS));
            blocks.push(BlockSlot { start, entry: *entry, block: OnceLock::new() });
            start = start.saturating_add(entry.columns_size).saturating_add(entry.head_size);
        }
        group_starts.push(group);
        Ok(Self {
            footer,
            sound,
            map,
            blocks,
            index: OnceLock::new(),
            rollups: OnceLock::new(),
            parts: OnceLock::new(),
            group_starts,
        })
    }

    /// Bytes of the file.
    pub(crate) fn size(&self) -> u64 {
        self.map.bytes().len() as u64
    }

    pub(crate) fn block_count(&self) -> u32 {
        u32::try_from(self.blocks.len()).unwrap_or(u32::MAX)
    }

    /// The number of a block's first group in the segment.
    pub(crate) fn group_start(&self, block: u32) -> u32 {
        self.group_starts.get(block as usize).copied().unwrap_or(0)
    }

    /// Groups of the segment.
    pub(crate) fn groups(&self) -> u32 {
        self.group_starts.last().copied().unwrap_or(0)
    }

    /// Where a block lies in the file, its head included.
    pub(crate) fn block_place(&self, at: u32) -> (u64, u64) {
        self.blocks
            .get(at as usize)
            .map_or((0, 0), |slot| (slot.start, slot.entry.columns_size.saturating_add(slot.entry.head_size)))
    }

    /// A block; its head is read once.
    pub(crate) fn block(&self, at: u32) -> Result<&Block, Gap> {
        let Some(slot) = self.blocks.get(at as usize) else {
            return Err(self.gap(0, 0, "a block that is not there".into()));
        };
        let read = slot.block.get_or_init(|| {
            let head_start = slot.start.saturating_add(slot.entry.columns_size);
            let bytes = self.slice(head_start, slot.entry.head_size);
            match BlockHead::decode(bytes, (self.footer.id, at), slot.entry.columns_size) {
                Some(head) => {
                    let dictionaries = head.columns.iter().map(|_| OnceLock::new()).collect();
                    Ok(Block {
                        head,
                        entry: slot.entry,
                        number: at,
                        start: slot.start,
                        dictionaries,
                        fixed_dictionaries: Default::default(),
                    })
                }
                None => {
                    let what = format!("the damaged head of a block of {} records", slot.entry.rows);
                    Err(self.gap(head_start, slot.entry.head_size, what))
                }
            }
        });
        read.as_ref().map_err(Clone::clone)
    }

    /// The index, opened once; none when the segment has none.
    pub(crate) fn index(&self) -> Option<Result<&Index, &Gap>> {
        let read = self.index.get_or_init(|| {
            let size = self.footer.index_size;
            if size == 0 {
                return None;
            }
            let start = self.index_start();
            let from = usize::try_from(start).unwrap_or(usize::MAX);
            let until = from.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
            let bytes = Bytes::new(Arc::clone(&self.map), from..until);
            let opened = Index::open(bytes, self.groups());
            Some(opened.map_err(|_| self.gap(start, size, "a damaged index, not used".into())))
        });
        read.as_ref().map(Result::as_ref)
    }

    /// Damage to the index.
    pub(crate) fn index_gap(&self) -> Gap {
        self.gap(self.index_start(), self.footer.index_size, "a damaged index, not used".into())
    }

    /// Where the index starts.
    pub(crate) fn index_start(&self) -> u64 {
        (HEAD_SIZE as u64) + self.footer.data_size() - self.footer.index_size - self.footer.rollup_size
    }

    /// Where the rollups start.
    pub(crate) fn rollups_start(&self) -> u64 {
        self.index_start() + self.footer.index_size
    }

    /// The rollups, opened once; none when the segment has none.
    pub(crate) fn rollups(&self) -> Option<Result<&Rollups, &Gap>> {
        let read = self.rollups.get_or_init(|| {
            let (start, size) = (self.rollups_start(), self.footer.rollup_size);
            if size == 0 {
                return None;
            }
            let rollups = Rollups::decode(self.slice(start, size), self.footer.id);
            Some(rollups.ok_or_else(|| self.gap(start, size, "damaged rollups, not used".into())))
        });
        read.as_ref().map(Result::as_ref)
    }

    /// Whether the rollups are what a recount of the records gives.
    pub(crate) fn are_rollups(&self, rollups: &Rollups, recount: Counter) -> bool {
        let bytes = self.slice(self.rollups_start(), self.footer.rollup_size);
        rollups.are(bytes, recount, self.footer.records)
    }

    /// One of their cubes; none where it does not read.
    pub(crate) fn cube<'s>(&'s self, rollups: &'s Rollups, at: usize) -> Option<&'s Cube> {
        let bytes = self.slice(self.rollups_start(), self.footer.rollup_size);
        rollups.cube(at, bytes, self.footer.records)
    }

    fn slice(&self, start: u64, size: u64) -> &[u8] {
        let from = usize::try_from(start).unwrap_or(usize::MAX);
        let until = from.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
        self.map.bytes().get(from..until).unwrap_or(&[])
    }

    /// A fixed column of a block; none when the block has none.
    pub(crate) fn fixed(&self, block: &Block, fixed: Fixed) -> Result<Option<Column<'_>>, Gap> {
        let range = block.head.fixed_range(fixed);
        if range.is_empty() {
            return Ok(None);
        }
        self.open_column(block, range, &format!("{fixed:?}")).map(Some)
    }

    /// The column of a name.
    pub(crate) fn column(&self, block: &Block, at: u32) -> Result<Column<'_>, Gap> {
        let name = block.head.columns.get(at as usize).map_or(0, |column| column.name);
        let name = block.head.names.get(name as usize).map_or("?", String::as_str);
        self.open_column(block, block.head.column_range(at), name)
    }

    fn open_column(&self, block: &Block, range: std::ops::Range<u64>, name: &str) -> Result<Column<'_>, Gap> {
        let start = block.start.saturating_add(range.start);
        let size = range.end - range.start;
        let groups = block.entry.rows.div_ceil(GROUP_ROWS);
        let damaged = || self.column_gap(block, range.clone(), name);
        let chunk = self.slice(start, size);
        let column = if self.footer.shares { Column::open_in(chunk, self) } else { Column::open(chunk) };
        let column = column.map_err(|_| damaged())?;
        if column.groups() != groups {
            return Err(damaged());
        }
        Ok(column)
    }

    /// The dictionary of the column of a name, decoded once.
    pub(crate) fn dictionary<'s>(
        &self,
        block: &'s Block,
        at: u32,
        column: &Column<'_>,
    ) -> Result<&'s SharedDictionary, Damaged> {
        let slot = block.dictionaries.get(at as usize).unwrap_or(&MISSING);
        slot.get_or_init(|| SharedDictionary::decode(column)).as_ref().map_err(Clone::clone)
    }

    /// The dictionary of a fixed column, decoded once.
    pub(crate) fn fixed_dictionary<'s>(
        &self,
        block: &'s Block,
        fixed: Fixed,
        column: &Column<'_>,
    ) -> Result<&'s SharedDictionary, Damaged> {
        let slot = block.fixed_dictionaries.get(fixed as usize).unwrap_or(&MISSING);
        slot.get_or_init(|| SharedDictionary::decode(column)).as_ref().map_err(Clone::clone)
    }

    /// Damage to a column of a block.
    pub(crate) fn column_gap(&self, block: &Block, range: std::ops::Range<u64>, name: &str) -> Gap {
        let what = format!("the damaged column `{name}` of a block of {} records", block.entry.rows);
        self.gap(block.start.saturating_add(range.start), range.end - range.start, what)
    }

    /// Damage to this segment.
    pub(crate) fn gap(&self, offset: u64, len: u64, what: String) -> Gap {
        Gap { file: self.footer.place().file().relative(), offset, len, records: None, what }
    }

    /// The sequence after the last record of a writer.
    pub(crate) fn end_sequences(&self) -> impl Iterator<Item = (u32, u64)> {
        let end = |runs: &Vec<std::ops::Range<u64>>| runs.last().map_or(0, |run| run.end);
        self.footer.writers.iter().map(move |(writer, runs)| (*writer, end(runs)))
    }
}

impl Shared for Segment {
    fn parts(&self) -> &[Part] {
        self.parts.get_or_init(|| {
            let mut parts = Vec::new();
            // What a damaged head hides is missing where it is asked for.
            for block in (0..self.block_count()).filter_map(|at| self.block(at).ok()) {
                for at in 0..u32::try_from(block.head.columns.len()).unwrap_or(0) {
                    let range = block.head.column_range(at);
                    let start = block.start.saturating_add(range.start);
                    let chunk = self.slice(start, range.end - range.start);
                    let place = usize::try_from(start).unwrap_or(usize::MAX);
                    parts.extend(Column::part(chunk, place..place.saturating_add(chunk.len())));
                }
            }
            parts.sort_by_key(|part| part.start);
            parts
        })
    }

    fn bytes(&self, part: &Part) -> &[u8] {
        self.map.bytes().get(part.column.clone()).unwrap_or(&[])
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment").field("footer", &self.footer).finish_non_exhaustive()
    }
}

impl SharedDictionary {
    fn decode(column: &Column<'_>) -> Result<Self, Damaged> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Ok(Self { number: NEXT.fetch_add(1, Ordering::Relaxed), entries: column.dictionary()? })
    }
}
