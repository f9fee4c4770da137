//! The work of one step: rows of files that do not change any more, in order, into new segments.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::bodies;
use super::frames::{FrameRows, OpenFile, Row};
use super::guide::Guide;
use super::runs::{apart, by_writer};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::field;
use crate::format::footer::Footer;
use crate::format::frame::{ImportProgress, SourceId};
use crate::format::manifest::{Place, SlotEnd};
use crate::format::name::{DAY_NS, Day};
use crate::gap::Gap;
use crate::io::{OpenMode, ReadMap, Vfs};
use crate::manifest::State;
use crate::manifest::rebuild::slot_ends;
use crate::record::{self, CUSTOM_BASE};
use crate::record_id::RecordId;
use crate::segment::sealed::build::{Plan, RowHead, SegmentBuilder, Sum, Unfinished};
use crate::segment::sealed::read::{NotOpen, Segment};
use crate::segment::sealed::rollup::Rollups;
use crate::segment::sealed::rows::Rows;
use crate::value::Value;

/// Days of the archive that are written at a time. Rows come by time, so one is the rule; events that were
/// dated ahead lie with the day of their arrival.
const DAYS_OPEN_MAX: usize = 3;
/// A block says of so many days at most how many records they will have.
const DAYS_TOLD_MAX: u64 = 1000;

/// After so many rows the memory of the mapped files is given back: they are read once, mostly from front to back.
const RELEASE_AFTER: u64 = 1 << 15;

/// What a step made: segments that are written and not yet the store's.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) segments: Vec<Unfinished>,
    pub(super) imports: Vec<ImportProgress>,
    pub(super) slots: BTreeMap<u32, SlotEnd>,
    /// Damage that the inputs had.
    pub(super) gaps: Vec<Gap>,
    /// Records that somebody removed from the inputs, now or before.
    pub(super) removed: Vec<(u32, Range<u64>)>,
}

/// Why a step made nothing.
#[derive(Debug)]
pub(super) enum Stopped {
    /// Somebody wants the process to end.
    Cancelled,
    /// A segment cannot be read whole. It stays as it is.
    Damaged {
        id: u64,
        gap: Gap,
    },
    Error(Error),
}

/// What a step made, or why it made nothing.
pub(super) type Attempt<T> = std::result::Result<T, Stopped>;

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What a rewrite leaves out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Removal<'r> {
    /// The records that go.
    pub(crate) rows: &'r HashSet<RecordId>,
    /// An import that is to be forgotten too.
    pub(crate) import: Option<SourceId>,
    /// Whether prompts and responses go.
    pub(crate) bodies: bool,
    /// Whether the footer is to name the records that went: not where another file has them.
    pub(crate) noted: bool,
}

/// Where a step runs.
pub(super) struct Step<'c> {
    pub(super) core: &'c Core,
    pub(super) state: &'c State,
    pub(super) guide: &'c Guide<'c>,
    /// Active files that somebody wants sealed although they are damaged: each is kept whole in the quarantine, and what
    /// does not read of it is a gap.
    pub(super) damaged: &'c BTreeSet<(u32, u64)>,
}

impl Step<'_> {
    pub(super) fn vfs(&self) -> &dyn Vfs {
        &*self.core.vfs
    }

    pub(super) fn dir(&self) -> &Path {
        &self.core.dir
    }

    /// Makes one segment of active files; none when they hold no records.
    pub(super) fn seal(&self, files: &[(u32, u64)]) -> Attempt<Made> {
        let mut made = Made { slots: self.state.slots.clone(), ..Made::default() };
        let mut opened = Vec::new();
        for &(slot, number) in files {
            opened.push(OpenFile::open(self, slot, number, &mut made)?);
        }
        let mut frames = Vec::new();
        let mut rows = Vec::new();
        for file in &opened {
            file.rows(&mut frames, &mut rows, &mut made)?;
            file.release();
        }
        made.imports = ImportProgress::join(std::mem::take(&mut made.imports));
        if !rows.is_sorted_by_key(|row: &Row<'_>| row.key) {
            rows.sort_unstable_by_key(|row| row.key);
        }
        // A frame that stands twice is damage, and was cut off by its sequence; an id never comes twice.
        rows.dedup_by_key(|row| row.key);
        // What is missing has to be said, by a segment without records if there are none.
        if rows.is_empty() && made.gaps.is_empty() {
            return Ok(made);
        }
        let words = !rows.is_empty() && self.core.settings().word_index_min <= rows.len() as u64;
        let plan = Plan { words, archive: false, share: self.core.settings().share_texts, sum: false };
        let id = self.state.next_segment;
        let mut builder = SegmentBuilder::begin(self.vfs(), self.dir(), self.state.store, id, plan)?;
        match self.fill(&mut builder, &opened, &frames, &rows) {
            Ok(()) => {}
            Err(stopped) => {
                builder.abandon(self.vfs());
                return Err(stopped);
            }
        }
        let mut unfinished = builder.finish()?;
        let now = self.vfs().now();
        date_empty(&mut unfinished.footer, (now, now), (now, now));
        let files: Vec<Place> = files.iter().map(|&(slot, number)| Place::Active { slot, number }).collect();
        self.describe(&mut unfinished.footer, &files, &made);
        made.segments.push(unfinished);
        Ok(made)
    }

    fn fill(
        &self,
        builder: &mut SegmentBuilder,
        files: &[OpenFile],
        frames: &[FrameRows<'_>],
        rows: &[Row<'_>],
    ) -> Attempt<()> {
        let known: Vec<u32> = (0..=field::KNOWN_MAX)
            .map(|number| u8::try_from(number).ok().and_then(|number| builder.known_field(number)))
            .map(|number| number.unwrap_or(u32::MAX))
            .collect();
        let mut numbers: Vec<Vec<u32>> = Vec::with_capacity(frames.len());
        for (at, frame) in frames.iter().enumerate() {
            // Frames of one source mostly define the same names.
            let same = at.checked_sub(1).and_then(|before| Some((frames.get(before)?, numbers.get(before)?)));
            let list = match same {
                Some((before, list)) if before.names == frame.names => list.clone(),
                _ => frame.names.iter().map(|name| builder.field(name)).collect(),
            };
            numbers.push(list);
        }
        for (count, row) in (0_u64..).zip(rows) {
            self.guide.look(count)?;
            if count.is_multiple_of(RELEASE_AFTER) {
                files.iter().for_each(OpenFile::release);
            }
            let Some((frame, names)) = frames.get(row.frame as usize).zip(numbers.get(row.frame as usize))
            else {
                continue;
            };
            let head = RowHead {
                key: row.key,
                arrived: frame.arrived,
                import: frame.import.map(|progress| progress.source),
                size: row.fields.len(),
            };
            let mut fields = row.fields;
            let values = std::iter::from_fn(|| {
                let raw = record::take_field(&mut fields)?;
                let number = match raw.name.checked_sub(CUSTOM_BASE) {
                    Some(at) => names.get(usize::try_from(at).ok()?).copied()?,
                    None => known.get(usize::try_from(raw.name).ok()?).copied()?,
                };
                Some((number, raw.value()?))
            });
            builder.push(head, values)?;
        }
        Ok(())
    }

    /// Makes segments of segments: one, or one for each day of the archive; without what is to be removed.
    pub(super) fn rewrite(&self, ids: &[u64], target: Target, removal: Option<Removal<'_>>) -> Attempt<Made> {
        let mut made = Made { slots: self.state.slots.clone(), ..Made::default() };
        let mut segments: Vec<Segment> = Vec::new();
        for &id in ids {
            let place = Place::Segment { id, day: self.state.segments.get(&id).and_then(|entry| entry.day) };
            let segment = match Segment::open(self.vfs(), self.dir(), self.state.store, place) {
                Ok(segment) => segment,
                Err(NotOpen::Io(error)) => {
                    return Err(
                        Error::io("a segment cannot be read", &place.file().path(self.dir()), error).into()
                    );
                }
                Err(NotOpen::Damaged(what)) => {
                    let gap = Gap { file: place.file().relative(), offset: 0, len: 0, records: None, what };
                    return Err(Stopped::Damaged { id, gap });
                }
            };
            made.imports.extend_from_slice(&segment.footer.imports);
            made.gaps.extend_from_slice(&segment.footer.gaps);
            for (writer, runs) in &segment.footer.removed {
                made.removed.extend(runs.iter().map(|run| (*writer, run.clone())));
            }
            for &(slot, end) in &segment.footer.slots {
                let known = made.slots.entry(slot).or_default();
                *known = (*known).max(end);
            }
            apart(&segments, &segment)?;
            segments.push(segment);
        }
        if let Some(source) = removal.and_then(|removal| removal.import) {
            made.imports.retain(|progress| progress.source != source);
        }
        made.imports = ImportProgress::join(std::mem::take(&mut made.imports));
        let mut outputs = Outputs::new(self);
        let rows: u64 = segments.iter().map(|segment| segment.footer.records).sum();
        let settings = self.core.settings();
        let words = settings.word_index_min <= rows;
        if target == Target::Days {
            outputs.wordless = days(&segments);
            outputs.wordless.retain(|_, rows| *rows < settings.word_index_min);
        }
        let share = settings.share_texts;
        let plan = Plan { words, archive: target != Target::Day(None), share, sum: true };
        let merged = self.merge(&segments, &mut outputs, plan, target, removal, &mut made.removed);
        let told = merged.and_then(|dropped| {
            outputs.end_all()?;
            // What is missing has to be said, by a segment without records if there are none.
            if outputs.done.is_empty() && !made.gaps.is_empty() {
                outputs.add_empty(&segments, target, plan)?;
            }
            Ok(dropped)
        });
        let dropped = match told {
            Ok(dropped) => dropped,
            Err(stopped) => {
                outputs.abandon();
                return Err(stopped);
            }
        };
        // Bodies go from one segment at a time, which stays one.
        if let [only] = &mut outputs.done[..] {
            only.footer.raw = only.footer.raw.saturating_sub(dropped);
        }
        made.segments = outputs.done;
        let inputs: Vec<Place> = segments.iter().map(|segment| segment.footer.place()).collect();
        let (set, size) = (self.state.next_segment, made.segments.len() as u64);
        let mut segments = std::mem::take(&mut made.segments);
        for (at, segment) in segments.iter_mut().enumerate() {
            // What was missing before, and what was removed, is said once.
            let gaps = if at == 0 { std::mem::take(&mut made.gaps) } else { Vec::new() };
            let removed = if at == 0 { std::mem::take(&mut made.removed) } else { Vec::new() };
            self.describe(
                &mut segment.footer,
                &inputs,
                &Made {
                    gaps,
                    slots: made.slots.clone(),
                    imports: made.imports.clone(),
                    segments: Vec::new(),
                    removed,
                },
            );
            (segment.footer.set, segment.footer.set_size) = (set, size);
        }
        made.segments = segments;
        Ok(made)
    }

    /// Hands the rows on in their order. Says how many bytes the bodies had that went.
    fn merge(
        &self,
        segments: &[Segment],
        outputs: &mut Outputs<'_>,
        plan: Plan,
        target: Target,
        removal: Option<Removal<'_>>,
        removed: &mut Vec<(u32, Range<u64>)>,
    ) -> Attempt<u64> {
        let mut cursors = Vec::new();
        for segment in segments {
            let id = segment.footer.id;
            let rows = Rows::new(segment).map_err(|gap| Stopped::Damaged { id, gap })?;
            cursors.push(Cursor {
                id,
                rows,
                numbers: Vec::new(),
                bodies: Vec::new(),
                flags: None,
                of: (0, u64::MAX),
            });
        }
        let mut count = 0;
        let mut dropped = 0;
        loop {
            let heads = cursors.iter().enumerate();
            let least = heads.filter_map(|(at, cursor)| Some((cursor.rows.head()?.key, at))).min();
            let Some((_, at)) = least else { return Ok(dropped) };
            let Some(cursor) = cursors.get_mut(at) else { return Ok(dropped) };
            let Some(&head) = cursor.rows.head() else { return Ok(dropped) };
            self.guide.look(count)?;
            if count.is_multiple_of(RELEASE_AFTER) {
                segments.iter().for_each(Segment::release);
            }
            count += 1;
            let id = cursor.id;
            if removal.is_some_and(|removal| removal.rows.contains(&head.key.id)) {
                let RecordId { writer, sequence } = head.key.id;
                if removal.is_some_and(|removal| removal.noted) {
                    removed.push((writer, sequence..sequence.saturating_add(1)));
                }
                cursor.rows.advance().map_err(|gap| Stopped::Damaged { id, gap })?;
                continue;
            }
            let output = outputs.of(target.day(&head), plan)?;
            if cursor.of != (cursor.rows.blocks, output.id) {
                cursor.of = (cursor.rows.blocks, output.id);
                cursor.begin_block(output);
            }
            dropped += cursor.hand_on(head, output, removal.is_some_and(|removal| removal.bodies))?;
            cursor.rows.advance().map_err(|gap| Stopped::Damaged { id, gap })?;
        }
    }

    /// Fills in what a footer says of where its rows come from.
    pub(super) fn describe(&self, footer: &mut Footer, inputs: &[Place], made: &Made) {
        footer.replaced = inputs.iter().map(|&place| (place, self.after(place))).collect();
        footer.slots = slot_ends(&made.slots);
        footer.imports.clone_from(&made.imports);
        footer.gaps.clone_from(&made.gaps);
        footer.removed = by_writer(made.removed.clone());
    }

    /// The sequence that follows an active file.
    fn after(&self, place: Place) -> u64 {
        match place {
            Place::Active { slot, number } => {
                self.state.files.get(&(slot, number)).map_or(0, crate::manifest::FileEntry::after)
            }
            Place::Segment { .. } => 0,
        }
    }

    /// Reads a segment back that was just written and compares it with what went in.
    pub(super) fn verify(&self, unfinished: &Unfinished) -> Attempt<()> {
        let path = unfinished.path();
        let failed = |error| Error::io("a segment cannot be read back", path, error);
        let file = self.vfs().open(path, OpenMode::Read).map_err(failed)?;
        let map: Arc<dyn ReadMap> = file.map_read().map_err(failed)?.into();
        let wrong = |what: String| {
            let what = format!("a segment does not read back as it was written: {what}");
            Stopped::Error(Error::new(ErrorKind::Corrupt, what).at(path))
        };
        let segment = Segment::read(map).map_err(|error| wrong(format!("{error:?}")))?;
        let damaged = |gap: Gap| wrong(gap.to_string());
        let mut rows = Rows::new(&segment).map_err(damaged)?;
        let mut sum = Sum::default();
        let mut count = 0;
        while let Some(head) = rows.head() {
            self.guide.look(count)?;
            sum.begin(true, head);
            for (name, value) in rows.fields() {
                let name = rows.names().get(name as usize).map_or("", String::as_str);
                sum.field(true, name, value);
            }
            sum.end(true);
            if count.is_multiple_of(RELEASE_AFTER) {
                segment.release();
            }
            count += 1;
            rows.advance().map_err(damaged)?;
        }
        if let Some(Err(gap)) = segment.index() {
            return Err(damaged(gap.clone()));
        }
        if sum.total != unfinished.sum || count != unfinished.footer.records || !segment.sound {
            let (records, sound) = (unfinished.footer.records, segment.sound);
            let sums = sum.total == unfinished.sum;
            return Err(wrong(format!(
                "{count} of {records} records, sums equal: {sums}, ends sound: {sound}"
            )));
        }
        Ok(())
    }
}

/// Where the rows of a rewrite go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Into one segment: of a day of the archive, or of none.
    Day(Option<Day>),
    /// Into segments of the archive, one for each day.
    Days,
}

impl Target {
    fn day(self, head: &RowHead) -> Option<Day> {
        match self {
            Self::Day(day) => day,
            Self::Days => Some(archive_day(head)),
        }
    }
}

/// The day of the archive that a record belongs to: that of its time, unless it was dated over a day ahead.
fn archive_day(head: &RowHead) -> Day {
    let ahead = DAY_NS < head.key.time.saturating_sub(head.arrived);
    Day::of(if ahead { head.arrived } else { head.key.time })
}

/// A segment being read.
struct Cursor<'s> {
    id: u64,
    rows: Rows<'s>,
    /// The numbers by which the output knows the names of the current block.
    numbers: Vec<u32>,
    /// For each name of the block, whether it is that of a body.
    bodies: Vec<bool>,
    /// What the block calls `_flags`.
    flags: Option<u32>,
    /// The block, and the output, that `numbers` are of.
    of: (u32, u64),
}

impl Cursor<'_> {
    /// Learns the names of the block, and how the output calls them.
    fn begin_block(&mut self, output: &mut Output) {
        let names = self.rows.names();
        self.numbers.clear();
        self.numbers.extend(names.iter().map(|name| output.builder.field(name)));
        self.bodies.clear();
        self.bodies.extend(names.iter().map(|name| field::is_body_name(name)));
        let flags = names.iter().position(|name| field::number(name) == Some(field::FLAGS));
        self.flags = flags.and_then(|at| u32::try_from(at).ok());
    }

    /// Hands the current row on, without its bodies if they go; says how many bytes those had.
    fn hand_on(&self, head: RowHead, output: &mut Output, drop_bodies: bool) -> Result<u64> {
        let number = |name: u32| self.numbers.get(name as usize).copied();
        let is_body = |name: u32| self.bodies.get(name as usize).is_some_and(|body| *body);
        let mut bodies = Vec::new();
        if drop_bodies {
            let gone = self.rows.fields().filter(|(name, _)| is_body(*name));
            gone.for_each(|(name, value)| record::put_field(&mut bodies, name.into(), value));
        }
        if bodies.is_empty() {
            let fields = self.rows.fields().filter_map(|(name, value)| Some((number(name)?, value)));
            output.builder.push(head, fields)?;
            return Ok(0);
        }
        let is_flags = |name: u32| self.flags == Some(name);
        let flags = self.rows.fields().find(|(name, _)| is_flags(*name)).map(|(_, value)| value);
        let flags = bodies::flagged(flags);
        let place = output.builder.field("_flags");
        let kept = self.rows.fields().filter(|(name, _)| !is_body(*name) && !is_flags(*name));
        let kept = kept.filter_map(|(name, value)| Some((number(name)?, value)));
        output.builder.push(head, kept.chain(std::iter::once((place, Value::Str(&flags)))))?;
        Ok(bodies.len() as u64)
    }
}

/// Gives a segment without records the times of what it speaks of, so that it goes when they would have gone.
pub(super) fn date_empty(footer: &mut Footer, time: (i64, i64), arrived: (i64, i64)) {
    if footer.records == 0 {
        (footer.time_min, footer.time_max) = time;
        (footer.arrived_min, footer.arrived_max) = arrived;
    }
}

/// How many records each day will have: as rollups say, else those of a block, spread evenly over its days.
fn days(segments: &[Segment]) -> BTreeMap<Day, u64> {
    let mut days: BTreeMap<Day, u64> = BTreeMap::new();
    for segment in segments {
        let rollups = segment.rollups().and_then(|read| read.ok());
        let fewest = |rollups: &Rollups| {
            rollups.forms().min_by_key(|(.., cells)| *cells).map(|(at, form, _)| (at, form.span))
        };
        let counted = rollups.and_then(|rollups| {
            let (at, span) = fewest(rollups)?;
            Some((segment.cube(rollups, at)?, span))
        });
        if let Some((cube, span)) = counted {
            for (start, records) in cube.starts.iter().zip(&cube.records) {
                *days.entry(Day::of(start.saturating_mul(span))).or_default() += records.unsigned_abs();
            }
            continue;
        }
        for block in &segment.footer.blocks {
            let (first, last) = (Day::of(block.time_min).0, Day::of(block.time_max).0);
            let count = u64::from(last.abs_diff(first)) + 1;
            // A block whose records lie years apart says little of any day.
            if count <= DAYS_TOLD_MAX {
                for day in first..=last {
                    *days.entry(Day(day)).or_default() += u64::from(block.rows).div_ceil(count);
                }
            }
        }
    }
    days
}

/// Segments being written.
pub(super) struct Outputs<'p> {
    at: &'p Step<'p>,
    next: u64,
    open: Vec<Output>,
    pub(super) done: Vec<Unfinished>,
    /// Days with too few records for an index over words.
    wordless: BTreeMap<Day, u64>,
}

pub(super) struct Output {
    id: u64,
    day: Option<Day>,
    pub(super) builder: SegmentBuilder,
}

impl<'p> Outputs<'p> {
    pub(super) fn new(at: &'p Step<'p>) -> Self {
        Self {
            at,
            next: at.state.next_segment,
            open: Vec::new(),
            done: Vec::new(),
            wordless: BTreeMap::new(),
        }
    }

    /// Makes a segment without records, which says what is missing of these.
    fn add_empty(&mut self, segments: &[Segment], target: Target, plan: Plan) -> Attempt<()> {
        let footers = || segments.iter().map(|segment| &segment.footer);
        let span = |least: fn(&Footer) -> i64, greatest: fn(&Footer) -> i64| {
            (footers().map(least).min().unwrap_or(0), footers().map(greatest).max().unwrap_or(0))
        };
        let time = span(|footer| footer.time_min, |footer| footer.time_max);
        let arrived = span(|footer| footer.arrived_min, |footer| footer.arrived_max);
        let day = match target {
            Target::Day(day) => day,
            Target::Days => Some(Day::of(arrived.1)),
        };
        self.of(day, Plan { words: false, ..plan })?;
        self.end_all()?;
        self.done.iter_mut().for_each(|unfinished| date_empty(&mut unfinished.footer, time, arrived));
        Ok(())
    }

    /// The segment that takes rows of a day.
    pub(super) fn of(&mut self, day: Option<Day>, plan: Plan) -> Attempt<&mut Output> {
        let at = match self.open.iter().position(|output| output.day == day) {
            Some(at) => at,
            None => {
                if DAYS_OPEN_MAX <= self.open.len() {
                    self.end(0)?;
                }
                let id = self.next;
                self.next += 1;
                let core = self.at.core;
                let words = plan.words && day.is_none_or(|day| !self.wordless.contains_key(&day));
                let plan = Plan { words, ..plan };
                let builder = SegmentBuilder::begin(&*core.vfs, &core.dir, self.at.state.store, id, plan)?;
                self.open.push(Output { id, day, builder });
                self.open.len() - 1
            }
        };
        match self.open.get_mut(at) {
            Some(output) => Ok(output),
            None => unreachable!("BUG: the place was just found"),
        }
    }

    fn end(&mut self, at: usize) -> Attempt<()> {
        let output = self.open.remove(at);
        let mut unfinished = output.builder.finish()?;
        unfinished.footer.day = output.day;
        self.done.push(unfinished);
        Ok(())
    }

    pub(super) fn end_all(&mut self) -> Attempt<()> {
        while !self.open.is_empty() {
            self.end(0)?;
        }
        self.done.sort_by_key(|unfinished| unfinished.footer.id);
        Ok(())
    }

    pub(super) fn abandon(self) {
        let vfs = &*self.at.core.vfs;
        self.open.into_iter().for_each(|output| output.builder.abandon(vfs));
        self.done.into_iter().for_each(|unfinished| unfinished.abandon(vfs));
    }
}
