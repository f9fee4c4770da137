//! Building a segment: rows in, in the order of the segment; one file out.
//!
//! Rows go into the columns of the current block, their texts into the index. A full block is encoded while the next
//! one is filled, and written when that is full; nothing of it stays in memory. The file has the name of an
//! unfinished segment until [`Unfinished::publish`].

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::encode::{BlockEncoder, Field, FullBlock};
use super::head::{Content, FIXED_COUNT, Fixed};
use super::rollup::{Counter, Entry};
use super::{BLOCK_ROWS_MAX, BLOCK_SIZE, COLUMNS_MAX, GROUP_ROWS};
use crate::column::Builder;
use crate::error::{Error, Result};
use crate::field;
use crate::format::footer::{self, BlockEntry, Footer};
use crate::format::frame::SourceId;
use crate::format::name::FileName;
use crate::hash::SmallHasher;
use crate::index::{IndexBuilder, IndexWorker};
use crate::io::names::{make_folders, move_file};
use crate::io::{File, OpenMode, Vfs};
use crate::record::{self, CUSTOM_BASE};
use crate::record_id::RecordId;
use crate::text;
use crate::value::Value;

/// Hashes of a column's recent texts: a text that just came in this group brings the index nothing new.
const RECENT: usize = 64;

/// The place of a record in a segment: records are sorted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) time: i64,
    pub(crate) id: RecordId,
}

/// A row but for its fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowHead {
    pub(crate) key: Key,
    pub(crate) arrived: i64,
    pub(crate) import: Option<SourceId>,
    /// Bytes that the row takes, about: a block holds so many.
    pub(crate) size: usize,
}

/// How a segment is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Whether its words are to have an index.
    pub(crate) words: bool,
    /// Whether it is for the archive: smaller, slower to read.
    pub(crate) archive: bool,
    /// Whether long texts that repeat each other are kept once.
    pub(crate) share: bool,
    /// Whether to sum up what goes in, so that it can be compared with what comes back.
    pub(crate) sum: bool,
}

/// Takes rows and makes a segment of them.
pub(crate) struct SegmentBuilder {
    file: Box<dyn File>,
    path: PathBuf,
    offset: u64,
    footer: Footer,
    plan: Plan,
    fields: Fields,
    block: Block,
    index: IndexWorker,
    sources: HashMap<SourceId, String>,
    encoder: BlockEncoder,
    /// The block that is being encoded, but for its sizes, and its fields.
    started: Option<(BlockEntry, Vec<u32>)>,
    /// What held the values of an earlier block.
    spare: [Builder; FIXED_COUNT],
    rollups: Counter,
    sum: Sum,
    last: Option<Key>,
}

/// A segment that is written, and not yet the store's.
#[derive(Debug)]
pub(crate) struct Unfinished {
    file: Box<dyn File>,
    path: PathBuf,
    offset: u64,
    pub(crate) footer: Footer,
    pub(crate) sum: u64,
}

/// The fields that rows of the segment had so far.
#[derive(Default)]
struct Fields {
    list: Vec<FieldState>,
    names: HashMap<Box<str>, u32>,
    known: Vec<Option<u32>>,
}

struct FieldState {
    name: Box<str>,
    /// What rows of rare fields call it, were it the block's first name.
    values: Builder,
    /// What held the values of an earlier block.
    spare: Builder,
    /// What the block calls it, if it has been seen there.
    number: Option<u32>,
    /// Whether its values have a column of their own in this block.
    has_column: bool,
    searchable: bool,
    body: bool,
    /// Its place in what rollups look at.
    rollup: Option<usize>,
    /// Groups of the block that the column has ended.
    groups: u32,
    /// How its values so far could be kept as the times of their rows, see [`Content::fitting`].
    times: u8,
    /// The row that gave the last value.
    last_row: u32,
    recent: Vec<u64>,
}

/// The rows of the current block.
#[derive(Default)]
struct Block {
    rows: u32,
    size: usize,
    groups: u32,
    fixed: [Builder; FIXED_COUNT],
    /// Fields by their number in this block.
    names: Vec<u32>,
    columns: usize,
    shapes: Vec<Box<[u32]>>,
    shape_numbers: HashMap<Box<[u32]>, u32, BuildHasherDefault<SmallHasher>>,
    shape: Vec<u32>,
    last_shape: u32,
    rare: Vec<u8>,
    time: Option<Range<i64>>,
    arrived: Option<Range<i64>>,
}

impl SegmentBuilder {
    /// Begins the segment `id`. A file of that name is left over from a step that did not end, and goes.
    pub(crate) fn begin(vfs: &dyn Vfs, dir: &Path, store: u128, id: u64, plan: Plan) -> Result<Self> {
        let path = FileName::SegmentNew { id }.path(dir);
        let failed = |error| Error::io("a segment cannot be written", &path, error);
        match vfs.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = vfs.open(&path, OpenMode::CreateNew).map_err(failed)?;
        let head = footer::head(store, id);
        file.write_at(0, &head).map_err(failed)?;
        let index = if plan.words { IndexBuilder::new } else { IndexBuilder::without_words };
        Ok(Self {
            file,
            path,
            offset: head.len() as u64,
            footer: Footer {
                id,
                store,
                set: id,
                set_size: 1,
                zstd: true,
                runs: true,
                time_min: i64::MAX,
                time_max: i64::MIN,
                arrived_min: i64::MAX,
                arrived_max: i64::MIN,
                ..Footer::default()
            },
            plan,
            fields: Fields { known: vec![None; field::KNOWN_MAX as usize + 1], ..Fields::default() },
            block: Block::default(),
            index: IndexWorker::start(index),
            sources: HashMap::new(),
            encoder: BlockEncoder::default(),
            started: None,
            spare: Default::default(),
            rollups: Counter::default(),
            sum: Sum::default(),
            last: None,
        })
    }

    /// The number by which [`SegmentBuilder::push`] knows a field.
    pub(crate) fn field(&mut self, name: &str) -> u32 {
        self.fields.find(name)
    }

    /// The number of a field that the engine knows.
    pub(crate) fn known_field(&mut self, number: u8) -> Option<u32> {
        self.fields.find_known(number)
    }

    /// Adds a row; rows come in the order of their keys.
    pub(crate) fn push<'a>(
        &mut self,
        row: RowHead,
        fields: impl Iterator<Item = (u32, Value<'a>)>,
    ) -> Result<()> {
        assert!(self.last.is_none_or(|last| last < row.key), "BUG: rows come in order, none twice");
        self.last = Some(row.key);
        let at = self.block.rows;
        let block = &mut self.block;
        block.shape.clear();
        block.rare.clear();
        self.sum.begin(self.plan.sum, &row);
        let mut entry = Entry { time: row.key.time, ..Entry::default() };
        for (number, value) in fields {
            let Some(field) = self.fields.list.get_mut(number as usize) else { continue };
            let name = block.name(field, number);
            if field.last_row == at && block.shape.contains(&name) {
                continue;
            }
            field.last_row = at;
            block.shape.push(name);
            self.sum.field(self.plan.sum, &field.name, value);
            if field.has_column {
                if field.times != 0 {
                    field.times &= Content::fitting(value, row.key.time);
                }
                field.values.push(value);
            } else {
                record::put_field(&mut block.rare, CUSTOM_BASE + u64::from(name), value);
            }
            if let Some(place) = field.rollup {
                entry.set(place, value);
            }
            if field.searchable {
                field.index(value, &mut self.index);
            }
        }
        self.rollups.push(&entry);
        self.sum.end(self.plan.sum);
        self.push_fixed(&row);
        self.block.rows += 1;
        self.footer.records += 1;
        self.footer.raw += row.size as u64;
        self.block.size += row.size;
        if self.block.rows.is_multiple_of(GROUP_ROWS) {
            self.end_group();
        }
        if self.block.rows == BLOCK_ROWS_MAX || BLOCK_SIZE <= self.block.size {
            self.end_group_begun();
            self.end_block(false)?;
        }
        Ok(())
    }

    fn push_fixed(&mut self, row: &RowHead) {
        let block = &mut self.block;
        let shape = block.shape_number();
        let Key { time, id } = row.key;
        block.fixed[Fixed::Time as usize].push(Value::Time(time));
        #[expect(clippy::cast_possible_wrap, reason = "the reader casts back")]
        block.fixed[Fixed::Sequence as usize].push(Value::Int(id.sequence as i64));
        block.fixed[Fixed::Writer as usize].push(Value::Int(id.writer.into()));
        block.fixed[Fixed::Arrived as usize].push(Value::Time(row.arrived));
        let source =
            row.import.map(|source| &*self.sources.entry(source).or_insert_with(|| source.to_string()));
        block.fixed[Fixed::Import as usize].push(source.map_or(Value::Null, |text| Value::Str(text)));
        block.fixed[Fixed::Shape as usize].push(Value::Int(shape.into()));
        if !block.rare.is_empty() {
            let rare = std::mem::take(&mut block.rare);
            block.fixed[Fixed::Rare as usize].push(Value::Bytes(&rare));
            block.rare = rare;
        }
        widen(&mut block.time, time);
        widen(&mut block.arrived, row.arrived);
        self.footer.time_min = self.footer.time_min.min(time);
        self.footer.time_max = self.footer.time_max.max(time);
        self.footer.arrived_min = self.footer.arrived_min.min(row.arrived);
        self.footer.arrived_max = self.footer.arrived_max.max(row.arrived);
        add_sequence(&mut self.footer.writers, id);
    }

    fn end_group(&mut self) {
        self.block.groups += 1;
        self.block.fixed.iter_mut().for_each(Builder::end_group);
        for &number in &self.block.names {
            if let Some(field) = self.fields.list.get_mut(number as usize) {
                field.end_groups(self.block.groups);
            }
        }
        self.index.end_group();
    }

    /// Ends the current group if it has rows.
    fn end_group_begun(&mut self) {
        if !self.block.rows.is_multiple_of(GROUP_ROWS) {
            self.end_group();
        }
    }

    /// Takes the block, whose last group has ended, to be encoded; the one before is written.
    fn end_block(&mut self, is_last: bool) -> Result<()> {
        if self.block.rows == 0 {
            return Ok(());
        }
        self.write_block()?;
        let block = std::mem::take(&mut self.block);
        std::mem::swap(&mut self.block.fixed, &mut self.spare);
        let list = &mut self.fields.list;
        let hand_over = |number: &u32| list.get_mut(*number as usize).map(FieldState::hand_over);
        let full = FullBlock {
            of: (self.footer.id, u32::try_from(self.footer.blocks.len()).unwrap_or(u32::MAX)),
            plan: self.plan,
            fixed: block.fixed,
            fields: block.names.iter().filter_map(hand_over).collect(),
            shapes: block.shapes,
        };
        let (time, arrived) = (block.time.unwrap_or(0..0), block.arrived.unwrap_or(0..0));
        let entry = BlockEntry {
            rows: block.rows,
            columns_size: 0,
            head_size: 0,
            time_min: time.start,
            time_max: time.end,
            arrived_min: arrived.start,
            arrived_max: arrived.end,
        };
        self.started = Some((entry, block.names));
        if is_last {
            self.encoder.start_last(full);
        } else {
            self.encoder.start(full);
        }
        Ok(())
    }

    /// Writes the block that is being encoded, if there is one.
    fn write_block(&mut self) -> Result<()> {
        let Some((entry, names)) = self.started.take() else { return Ok(()) };
        let encoded = self.encoder.wait();
        self.footer.spells |= encoded.spells;
        self.footer.shares |= encoded.shares;
        let (bytes, columns_size) = (&encoded.bytes, encoded.columns_size);
        let failed = |error| Error::io("a segment cannot be written", &self.path, error);
        self.file.write_at(self.offset, bytes).map_err(failed)?;
        self.offset += bytes.len() as u64;
        let head_size = bytes.len() as u64 - columns_size;
        self.footer.blocks.push(BlockEntry { columns_size, head_size, ..entry });
        self.spare = encoded.fixed;
        for (number, field) in names.iter().zip(encoded.fields) {
            if let Some(state) = self.fields.list.get_mut(*number as usize) {
                state.spare = field.values;
            }
        }
        Ok(())
    }

    /// Writes what is left but the footer.
    pub(crate) fn finish(mut self) -> Result<Unfinished> {
        self.end_group_begun();
        self.index.close();
        self.end_block(true)?;
        self.write_block()?;
        let index = self.index.finish()?;
        let failed = |error| Error::io("a segment cannot be written", &self.path, error);
        self.file.write_at(self.offset, &index).map_err(failed)?;
        self.footer.index_size = index.len() as u64;
        let rollups = self.rollups.encode(self.footer.id, self.plan.archive);
        let offset = self.offset + index.len() as u64;
        self.file.write_at(offset, &rollups).map_err(failed)?;
        self.footer.rollup_size = rollups.len() as u64;
        for (_, runs) in &mut self.footer.writers {
            join_runs(runs);
        }
        self.footer.writers.sort_unstable_by_key(|(writer, _)| *writer);
        let offset = offset + rollups.len() as u64;
        Ok(Unfinished { file: self.file, path: self.path, offset, footer: self.footer, sum: self.sum.total })
    }

    /// Takes the file away again.
    pub(crate) fn abandon(self, vfs: &dyn Vfs) {
        // What is left of it goes when maintenance next begins.
        let _removed = vfs.remove(&self.path);
    }
}

impl Unfinished {
    /// Writes the footer and makes the file durable.
    pub(crate) fn seal(&mut self) -> Result<u64> {
        let failed = |error| Error::io("a segment cannot be written", &self.path, error);
        let footer = self.footer.encode();
        self.file.write_at(self.offset, &footer).map_err(failed)?;
        self.file.sync_data().map_err(failed)?;
        Ok(self.offset + footer.len() as u64)
    }

    /// Gives the file its name, durably. From here on it may be found, and is not the store's yet.
    pub(crate) fn publish(self, vfs: &dyn Vfs, dir: &Path) -> Result<()> {
        let name = FileName::Segment { id: self.footer.id, day: self.footer.day };
        let path = name.path(dir);
        let failed = |error| Error::io("a segment cannot be named", &path, error);
        let folder = name.folder(dir);
        make_folders(vfs, dir, &folder).map_err(failed)?;
        move_file(vfs, &self.path, &path).map_err(failed)?;
        vfs.sync_dir(&folder).map_err(failed)?;
        match self.path.parent() {
            Some(other) if other != folder => vfs.sync_dir(other).map_err(failed),
            _ => Ok(()),
        }
    }

    /// Where the file is until it is published.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the file away again.
    pub(crate) fn abandon(self, vfs: &dyn Vfs) {
        // What is left of it goes when maintenance next begins.
        let _removed = vfs.remove(&self.path);
    }
}

impl Fields {
    fn find(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.names.get(name) {
            return number;
        }
        let known = field::number(name);
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.names.insert(name.into(), number);
        self.list.push(FieldState {
            name: name.into(),
            values: Builder::default(),
            spare: Builder::default(),
            number: None,
            has_column: false,
            searchable: known.is_none_or(|known| field::searchable(known.into())),
            body: known.is_some_and(field::is_body),
            rollup: Entry::place(name),
            groups: 0,
            times: u8::MAX,
            last_row: u32::MAX,
            recent: Vec::new(),
        });
        number
    }

    fn find_known(&mut self, number: u8) -> Option<u32> {
        let place = self.known.get(usize::from(number)).copied()?;
        match place {
            Some(place) => Some(place),
            None => {
                let place = self.find(field::name(number.into())?);
                *self.known.get_mut(usize::from(number))? = Some(place);
                Some(place)
            }
        }
    }
}

impl FieldState {
    fn index(&mut self, value: Value<'_>, index: &mut IndexWorker) {
        let Value::Str(text) = value else {
            text::strings(value, &mut |text| {
                index.add_text(text);
                false
            });
            return;
        };
        if 256 < text.len() {
            return index.add_text(text);
        }
        if self.recent.is_empty() {
            self.recent.resize(RECENT, 0);
        }
        // Two texts with one hash would cost a word: 64 bits of them do not meet by chance within a group.
        let hash = twox_hash::XxHash3_64::oneshot(text.as_bytes()) | 1;
        let place = (hash >> 8) as usize % RECENT;
        if let Some(recent) = self.recent.get_mut(place)
            && *recent != hash
        {
            *recent = hash;
            index.add_text(text);
        }
    }

    /// Ends groups of the column until it has so many.
    fn end_groups(&mut self, groups: u32) {
        self.recent.clear();
        while self.has_column && self.groups < groups {
            self.values.end_group();
            self.groups += 1;
        }
    }

    /// Gives what it has of this block away and gets ready for the next one.
    fn hand_over(&mut self) -> Field {
        let field = Field {
            name: self.name.clone(),
            values: std::mem::replace(&mut self.values, std::mem::take(&mut self.spare)),
            has_column: self.has_column,
            is_body: self.body,
            times: self.times,
        };
        self.number = None;
        self.has_column = false;
        self.groups = 0;
        self.times = u8::MAX;
        self.last_row = u32::MAX;
        field
    }
}

impl Block {
    /// What the block calls a field.
    fn name(&mut self, field: &mut FieldState, number: u32) -> u32 {
        if let Some(name) = field.number {
            return name;
        }
        let name = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(number);
        field.number = Some(name);
        field.has_column = self.columns < COLUMNS_MAX;
        if field.has_column {
            self.columns += 1;
            field.end_groups(self.groups);
        }
        name
    }

    /// The number of the current row's shape.
    fn shape_number(&mut self) -> u32 {
        if let Some(last) = self.shapes.get(self.last_shape as usize)
            && **last == *self.shape
        {
            return self.last_shape;
        }
        if let Some(&number) = self.shape_numbers.get(self.shape.as_slice()) {
            self.last_shape = number;
            return number;
        }
        let number = u32::try_from(self.shapes.len()).unwrap_or(u32::MAX);
        self.shapes.push(self.shape.as_slice().into());
        self.shape_numbers.insert(self.shape.as_slice().into(), number);
        self.last_shape = number;
        number
    }
}

fn widen(range: &mut Option<Range<i64>>, value: i64) {
    let range = range.get_or_insert(value..value);
    range.start = range.start.min(value);
    range.end = range.end.max(value);
}

/// Adds a sequence to the runs of its writer. Runs are joined at the end, and when they are many.
fn add_sequence(writers: &mut Vec<(u32, Vec<Range<u64>>)>, id: RecordId) {
    let at = match writers.iter().position(|(writer, _)| *writer == id.writer) {
        Some(at) => at,
        None => {
            writers.push((id.writer, Vec::new()));
            writers.len() - 1
        }
    };
    let Some((_, runs)) = writers.get_mut(at) else { return };
    match runs.last_mut() {
        Some(last) if last.end == id.sequence => last.end += 1,
        _ => {
            runs.push(id.sequence..id.sequence.saturating_add(1));
            if 65_536 <= runs.len() && runs.len().is_power_of_two() {
                join_runs(runs);
            }
        }
    }
}

fn join_runs(runs: &mut Vec<Range<u64>>) {
    runs.sort_unstable_by_key(|run| run.start);
    runs.dedup_by(|next, last| {
        let joins = next.start <= last.end;
        if joins {
            last.end = last.end.max(next.end);
        }
        joins
    });
}

/// A sum over rows that does not depend on how they are stored, nor in how many pieces.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) total: u64,
    row: Vec<u8>,
}

impl Sum {
    pub(crate) fn begin(&mut self, on: bool, row: &RowHead) {
        if on {
            self.row.clear();
            self.row.extend_from_slice(&row.key.time.to_le_bytes());
            self.row.extend_from_slice(&row.key.id.writer.to_le_bytes());
            self.row.extend_from_slice(&row.key.id.sequence.to_le_bytes());
            self.row.extend_from_slice(&row.arrived.to_le_bytes());
            let source = row.import.map(|source| source.to_string()).unwrap_or_default();
            self.row.extend_from_slice(source.as_bytes());
        }
    }

    pub(crate) fn field(&mut self, on: bool, name: &str, value: Value<'_>) {
        if on {
            self.row.extend_from_slice(name.as_bytes());
            record::put_field(&mut self.row, 0, value);
        }
    }

    pub(crate) fn end(&mut self, on: bool) {
        if on {
            self.total = self.total.wrapping_add(twox_hash::XxHash3_64::oneshot(&self.row));
        }
    }
}
