//! Checking one sealed segment.
//!
//! Its bytes are head, blocks, index and two footers without a hole between them, and each of these lies under
//! a checksum: so a flipped bit anywhere is found, and so is a byte too few or too many. Then the footer is
//! held against the blocks, and the manifest against the footer. Looking deep decodes every row besides.

use std::ops::Range;
use std::sync::Arc;

use super::{CheckReport, Depth, gap};
use crate::column::Column;
use crate::field;
use crate::format::footer::{self, Footer, HEAD_SIZE};
use crate::format::frame::ImportProgress;
use crate::format::manifest::Place;
use crate::gap::Gap;
use crate::index::Index;
use crate::io::ReadMap;
use crate::manifest::State;
use crate::record_id::RecordId;
use crate::segment::sealed::GROUP_ROWS;
use crate::segment::sealed::build::{Key, RowHead};
use crate::segment::sealed::head::{Content, FIXED, Fixed};
use crate::segment::sealed::read::{Block, NotOpen, Segment};
use crate::segment::sealed::rollup::{Counter, Entry};
use crate::segment::sealed::rows::Rows;
use crate::text;

/// Of every so many rows of a group the words are looked up in the index.
const WORDS_EVERY: u32 = 61;

/// A check of one segment.
pub(super) struct SegmentCheck<'c> {
    pub(super) state: &'c State,
    pub(super) place: Place,
    pub(super) report: &'c mut CheckReport,
}

impl SegmentCheck<'_> {
    /// Checks the segment whose bytes these are. `None` when nothing of it can be read.
    pub(super) fn run(&mut self, map: &Arc<dyn ReadMap>, depth: Depth) -> Option<Segment> {
        let found = self.report.damage.len();
        let segment = match Segment::read(Arc::clone(map)) {
            Ok(segment) => segment,
            Err(NotOpen::Damaged(what)) => {
                self.add(0, 0, what);
                return None;
            }
            Err(NotOpen::Io(error)) => {
                self.add(0, 0, format!("the file cannot be read ({error})"));
                return None;
            }
        };
        if (segment.footer.store, segment.footer.place()) != (self.state.store, self.place) {
            self.add(0, 0, "the file is another segment than its name says".into());
            return None;
        }
        self.check_ends(&segment.footer, map.bytes());
        let (offset, _) = footer_place(&segment.footer);
        for what in contradictions(&segment.footer) {
            self.add(offset, 0, format!("a footer that contradicts itself: {what}"));
        }
        for what in disagreements(&segment.footer, self.state, map.bytes().len() as u64) {
            self.add(offset, 0, format!("the manifest and the segment disagree: {what}"));
        }
        for number in 0..segment.block_count() {
            self.check_block(&segment, number);
        }
        let sound = self.report.damage.len() == found;
        self.check_index(&segment);
        self.check_rollups(&segment);
        // What is damaged was named, and cannot be decoded.
        if depth == Depth::Rows
            && sound
            && let Err(gap) = RowCheck::new(&segment).run()
        {
            self.report.damage.push(gap);
        }
        Some(segment)
    }

    fn check_rollups(&mut self, segment: &Segment) {
        match segment.rollups() {
            None => {}
            Some(Err(gap)) => self.report.damage.push(gap.clone()),
            Some(Ok(rollups)) => {
                let lost = rollups.forms().filter(|(at, ..)| segment.cube(rollups, *at).is_none()).count();
                if lost != 0 {
                    let what = format!("{lost} damaged cubes of the rollups, not used");
                    self.add(segment.rollups_start(), segment.footer.rollup_size, what);
                }
            }
        }
    }

    fn add(&mut self, offset: u64, len: u64, what: String) {
        self.report.damage.push(gap(&self.place.file().relative(), offset, len, what));
    }

    /// Head and footers are what they must be to the byte, and nothing stands behind them.
    fn check_ends(&mut self, footer: &Footer, bytes: &[u8]) {
        let is = |offset: u64, want: &[u8]| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            bytes.get(start..start.saturating_add(want.len())) == Some(want)
        };
        let head = footer::head(footer.store, footer.id);
        if !is(0, &head) {
            self.add(0, HEAD_SIZE as u64, "the segment's head is damaged".into());
        }
        let copies = footer.encode();
        let (first, _) = copies.split_at(copies.len() / 2);
        let (mut offset, len) = footer_place(footer);
        for _ in 0..2 {
            if !is(offset, first) {
                self.add(offset, len, "one of the two copies of the segment's footer is damaged".into());
            }
            offset = offset.saturating_add(len);
        }
        if offset < bytes.len() as u64 {
            let more = bytes.len() as u64 - offset;
            self.add(offset, more, format!("{more} bytes behind the end of the segment"));
        }
    }

    fn check_block(&mut self, segment: &Segment, number: u32) {
        let found = self.report.damage.len();
        let block = match segment.block(number) {
            Ok(block) => block,
            Err(gap) => return self.report.damage.push(gap),
        };
        for fixed in FIXED {
            let name = format!("{fixed:?}");
            match segment.fixed(block, fixed) {
                Ok(Some(column)) => {
                    let range = block.head.fixed_range(fixed);
                    if fixed != Fixed::Rare && column.len() != block.entry.rows {
                        self.report.damage.push(segment.column_gap(block, range.clone(), &name));
                    }
                    self.check_column(segment, block, &column, range, &name);
                }
                Ok(None) if fixed == Fixed::Rare => {}
                Ok(None) => self.report.damage.push(segment.column_gap(block, 0..0, &name)),
                Err(gap) => self.report.damage.push(gap),
            }
        }
        for (at, entry) in (0..).zip(&block.head.columns) {
            let name = block.head.names.get(entry.name as usize).map_or("?", String::as_str);
            let range = block.head.column_range(at);
            match (entry.content, segment.column(block, at)) {
                (Content::Time | Content::Spelled(_), _) if range.is_empty() => {}
                (Content::Values, Ok(column)) => self.check_column(segment, block, &column, range, name),
                (Content::Values, Err(gap)) => self.report.damage.push(gap),
                // Bytes that nobody reads lie under no checksum.
                (Content::Time | Content::Spelled(_), _) => {
                    self.report.damage.push(segment.column_gap(block, range, name));
                }
            }
        }
        if self.report.damage.len() == found {
            self.report.blocks += 1;
            self.report.records += u64::from(block.entry.rows);
        }
    }

    fn check_column(
        &mut self,
        segment: &Segment,
        block: &Block,
        column: &Column<'_>,
        range: Range<u64>,
        name: &str,
    ) {
        if let Err(damaged) = column.verify() {
            let mut gap = segment.column_gap(block, range, name);
            gap.offset = gap.offset.saturating_add(damaged.offset as u64);
            gap.len = gap.len.saturating_sub(damaged.offset as u64);
            self.report.damage.push(gap);
        }
    }

    fn check_index(&mut self, segment: &Segment) {
        match segment.index() {
            None => {}
            Some(Err(gap)) => self.report.damage.push(gap.clone()),
            Some(Ok(index)) => {
                if let Err(damaged) = index.verify() {
                    let offset = damaged.offset as u64;
                    let len = segment.footer.index_size.saturating_sub(offset);
                    let what = format!("damage in the index, which is not used: {}", damaged.what);
                    self.add(segment.index_start().saturating_add(offset), len, what);
                }
            }
        }
    }
}

/// Where the first copy of the footer starts, and how long each is.
fn footer_place(footer: &Footer) -> (u64, u64) {
    let offset = (HEAD_SIZE as u64).saturating_add(footer.data_size());
    (offset, footer.encode().len() as u64 / 2)
}

/// What does not fit inside one footer.
fn contradictions(footer: &Footer) -> Vec<String> {
    let mut found = Vec::new();
    let rows: u64 = footer.blocks.iter().map(|block| u64::from(block.rows)).sum();
    if rows != footer.records {
        found.push(format!("{} records in blocks of {rows}", footer.records));
    }
    let blocks = || footer.blocks.iter();
    let bounds = [
        blocks().map(|block| block.time_min).min(),
        blocks().map(|block| block.time_max).max(),
        blocks().map(|block| block.arrived_min).min(),
        blocks().map(|block| block.arrived_max).max(),
    ];
    let said = [footer.time_min, footer.time_max, footer.arrived_min, footer.arrived_max];
    if !footer.blocks.is_empty() && bounds != said.map(Some) {
        found.push("its times are not those of its blocks".into());
    }
    let ordered = |block: &footer::BlockEntry| {
        block.time_min <= block.time_max && block.arrived_min <= block.arrived_max
    };
    let follow = |pair: &[footer::BlockEntry]| match pair {
        [one, next] => one.time_max <= next.time_min,
        _ => true,
    };
    if !blocks().all(ordered) || !footer.blocks.windows(2).all(follow) {
        found.push("the times of its blocks are not in order".into());
    }
    let mut ids: u64 = 0;
    let mut sound = footer.writers.is_sorted_by(|(one, _), (next, _)| one < next);
    for (_, runs) in &footer.writers {
        sound &= runs.iter().all(|run| run.start < run.end);
        sound &= runs.is_sorted_by(|one, next| one.end < next.start);
        ids = runs.iter().fold(ids, |sum, run| sum.saturating_add(run.end.saturating_sub(run.start)));
    }
    if !sound || ids != footer.records {
        found.push(format!("{ids} ids of {} records", footer.records));
    }
    if footer.id.checked_sub(footer.set).is_none_or(|at| footer.set_size <= at) {
        found.push(format!("it is not one of the {} segments from {} on", footer.set_size, footer.set));
    }
    found
}

/// What the manifest does not say as the segment does.
fn disagreements(footer: &Footer, state: &State, size: u64) -> Vec<String> {
    let mut found = Vec::new();
    let entry = state.segments.get(&footer.id);
    match entry {
        Some(entry) if entry.size != size => found.push(format!("{size} bytes, not {}", entry.size)),
        Some(entry) if *entry != footer.entry(size) => {
            found.push(format!("{} records and their times, not those of {}", footer.records, entry.records));
        }
        _ => {}
    }
    for (writer, runs) in &footer.writers {
        let end = runs.last().map_or(0, |run| run.end);
        let next = state.slot_end(*writer).next_sequence;
        if next < end {
            found.push(format!("slot {writer} would go on at {next} and give ids twice, up to {end}"));
        }
    }
    let ranges = |all: &[ImportProgress]| -> Vec<_> {
        all.iter().map(|progress| (progress.source, progress.start, progress.end)).collect()
    };
    let both: Vec<ImportProgress> = state.imports.iter().chain(&footer.imports).copied().collect();
    if ranges(&ImportProgress::join(both)) != ranges(&state.imports) {
        found.push("the segment holds an import that would be done again".into());
    }
    found
}

/// A check of every row of a segment whose checksums hold.
struct RowCheck<'s> {
    segment: &'s Segment,
    index: Option<&'s Index>,
    records: u64,
    last: Option<Key>,
    /// The block that is being read, from 1, and its rows so far.
    block: u32,
    rows: u32,
    time: Bounds,
    arrived: Bounds,
    rollups: Counter,
    /// For each name of the block what rollups know it as.
    rolled: Vec<Option<usize>>,
}

/// The least and the greatest of times.
type Bounds = Option<(i64, i64)>;

impl<'s> RowCheck<'s> {
    fn new(segment: &'s Segment) -> Self {
        let index = segment.index().and_then(Result::ok).filter(|index| index.verify().is_ok());
        Self {
            segment,
            index,
            records: 0,
            last: None,
            block: 0,
            rows: 0,
            time: None,
            arrived: None,
            rollups: Counter::default(),
            rolled: Vec::new(),
        }
    }

    /// # Errors
    /// The first row that does not read, or is not what the footer or the index say.
    fn run(&mut self) -> Result<(), Gap> {
        let mut rows = Rows::new(self.segment)?;
        while let Some(&head) = rows.head() {
            if rows.blocks != self.block {
                self.end_block()?;
                self.block = rows.blocks;
                self.rolled = rows.names().iter().map(|name| Entry::place(name)).collect();
            }
            self.check_head(&head)?;
            self.count(&rows, head.key.time);
            if (self.rows % GROUP_ROWS).is_multiple_of(WORDS_EVERY) {
                self.check_words(&rows, head.key.id)?;
            }
            self.rows += 1;
            self.records += 1;
            rows.advance()?;
        }
        self.end_block()?;
        match self.segment.footer.records {
            records if records == self.records => self.end_rollups(),
            records => Err(self.wrong(format!("{} rows of {records} records", self.records))),
        }
    }

    fn count(&mut self, rows: &Rows<'_>, time: i64) {
        let mut entry = Entry { time, ..Entry::default() };
        for (name, value) in rows.fields() {
            if let Some(place) = self.rolled.get(name as usize).copied().flatten() {
                entry.set(place, value);
            }
        }
        self.rollups.push(&entry);
    }

    /// All rows were read: the rollups are what they come to.
    fn end_rollups(&mut self) -> Result<(), Gap> {
        let Some(Ok(rollups)) = self.segment.rollups() else { return Ok(()) };
        if self.segment.are_rollups(rollups, std::mem::take(&mut self.rollups)) {
            return Ok(());
        }
        let what = "rollups that are not what the records come to".to_owned();
        Err(self.segment.gap(self.segment.rollups_start(), self.segment.footer.rollup_size, what))
    }

    /// The block was read to its end: its bounds are those of its rows.
    fn end_block(&mut self) -> Result<(), Gap> {
        let ended = self.block.checked_sub(1).and_then(|at| self.segment.footer.blocks.get(at as usize));
        if let Some(entry) = ended {
            let said = (Some((entry.time_min, entry.time_max)), Some((entry.arrived_min, entry.arrived_max)));
            if self.rows != entry.rows || (self.time, self.arrived) != said {
                return Err(
                    self.wrong("a block whose rows or times are not those that the footer says".into())
                );
            }
        }
        (self.rows, self.time, self.arrived) = (0, None, None);
        Ok(())
    }

    fn check_head(&mut self, head: &RowHead) -> Result<(), Gap> {
        let RecordId { writer, sequence } = head.key.id;
        if self.last.is_some_and(|last| head.key <= last) {
            return Err(self.wrong(format!("record {} is not in its place", head.key.id)));
        }
        self.last = Some(head.key);
        let writers = &self.segment.footer.writers;
        let runs =
            writers.binary_search_by_key(&writer, |(writer, _)| *writer).ok().and_then(|at| writers.get(at));
        let holds = |runs: &Vec<Range<u64>>| {
            let at = runs.partition_point(|run| run.end <= sequence);
            runs.get(at).is_some_and(|run| run.contains(&sequence))
        };
        if !runs.is_some_and(|(_, runs)| holds(runs)) {
            return Err(self.wrong(format!("record {} that the footer does not know", head.key.id)));
        }
        let known = |source| self.segment.footer.imports.iter().any(|progress| progress.source == source);
        if head.import.is_some_and(|source| !known(source)) {
            return Err(
                self.wrong(format!("record {} of an import that the footer does not know", head.key.id))
            );
        }
        widen(&mut self.time, head.key.time);
        widen(&mut self.arrived, head.arrived);
        Ok(())
    }

    /// The index names the row's group for each of its words.
    fn check_words(&self, rows: &Rows<'_>, id: RecordId) -> Result<(), Gap> {
        let Some(index) = self.index else { return Ok(()) };
        let group = self.segment.group_start(self.block - 1) + self.rows / GROUP_ROWS;
        let mut missing = None;
        for (name, value) in rows.fields() {
            let name = rows.names().get(name as usize).map_or("", String::as_str);
            if field::number(name).is_some_and(|known| !field::searchable(known.into())) {
                continue;
            }
            text::strings(value, &mut |text| {
                let lost = |token: &&str| !index.candidates(token).is_ok_and(|groups| groups.contains(group));
                missing = text::tokens(text).find(lost).map(str::to_owned);
                missing.is_some()
            });
            if let Some(token) = missing {
                let start = self.segment.index_start();
                let what = format!("the index does not find `{token}` of record {id}");
                return Err(self.segment.gap(start, self.segment.footer.index_size, what));
            }
        }
        Ok(())
    }

    /// Rows that are not as the footer says.
    fn wrong(&self, what: String) -> Gap {
        let (offset, len) = self.segment.block_place(self.block.saturating_sub(1));
        self.segment.gap(offset, len, what)
    }
}

fn widen(bounds: &mut Bounds, time: i64) {
    let (min, max) = bounds.unwrap_or((time, time));
    *bounds = Some((min.min(time), max.max(time)));
}
