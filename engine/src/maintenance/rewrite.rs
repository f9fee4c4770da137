//! The work of one step: rows of files that do not change any more, in order, into new segments.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::Core;
use crate::error::{Error, ErrorKind};
use crate::field;
use crate::format::footer::Footer;
use crate::format::frame::{FLAG_IMPORT, ImportProgress, PROGRESS_SIZE, SourceId};
use crate::format::header;
use crate::format::manifest::{Place, SlotEnd};
use crate::format::name::{DAY_NS, Day, FileName};
use crate::gap::Gap;
use crate::io::{OpenMode, ReadMap, Vfs};
use crate::manifest::State;
use crate::manifest::rebuild::slot_ends;
use crate::quarantine;
use crate::record::{self, CUSTOM_BASE, Payload};
use crate::record_id::RecordId;
use crate::segment::sealed::build::{Key, Plan, RowHead, SegmentBuilder, Sum, Unfinished};
use crate::segment::sealed::read::{NotOpen, Segment};
use crate::segment::sealed::rows::Rows;
use crate::segment::walk::{FrameAt, Frames, Settled, count_rows, settle};

/// How many rows go by between two looks at whether to stop.
const STOP_EVERY: u64 = 4096;
/// Days of the archive that are written at a time. Rows come by time, so one is the rule; events that were
/// dated ahead lie with the day of their arrival.
const DAYS_OPEN_MAX: usize = 3;

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
}

/// Where a step runs.
pub(super) struct Step<'c> {
    pub(super) core: &'c Core,
    pub(super) state: &'c State,
    pub(super) cancel: &'c AtomicBool,
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

    pub(super) fn check(&self, row: u64) -> Attempt<()> {
        let look = row.is_multiple_of(STOP_EVERY);
        if look && self.cancel.load(Ordering::Relaxed) { Err(Stopped::Cancelled) } else { Ok(()) }
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
        let words = !rows.is_empty() && self.core.options.word_index_min <= rows.len() as u64;
        let plan = Plan { words, archive: false, share: self.core.options.share_texts, sum: false };
        let id = self.state.next_segment;
        let mut builder = SegmentBuilder::begin(self.vfs(), self.dir(), self.state.store, id, plan)?;
        match self.fill(&mut builder, &frames, &rows) {
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

    fn fill(&self, builder: &mut SegmentBuilder, frames: &[FrameRows<'_>], rows: &[Row<'_>]) -> Attempt<()> {
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
        for (count, row) in (0..).zip(rows) {
            self.check(count)?;
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
        let mut segments = Vec::new();
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
            segments.push(segment);
        }
        if let Some(source) = removal.and_then(|removal| removal.import) {
            made.imports.retain(|progress| progress.source != source);
        }
        made.imports = ImportProgress::join(std::mem::take(&mut made.imports));
        let mut outputs = Outputs::new(self);
        let rows: u64 = segments.iter().map(|segment| segment.footer.records).sum();
        let words = self.core.options.word_index_min <= rows;
        let share = self.core.options.share_texts;
        let plan = Plan { words, archive: target != Target::Day(None), share, sum: true };
        let merged = self.merge(&segments, &mut outputs, plan, target, removal, &mut made.removed);
        let told = merged.and_then(|()| {
            outputs.end_all()?;
            // What is missing has to be said, by a segment without records if there are none.
            if outputs.done.is_empty() && !made.gaps.is_empty() {
                outputs.add_empty(&segments, target, plan)?;
            }
            Ok(())
        });
        if let Err(stopped) = told {
            outputs.abandon();
            return Err(stopped);
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

    fn merge(
        &self,
        segments: &[Segment],
        outputs: &mut Outputs<'_>,
        plan: Plan,
        target: Target,
        removal: Option<Removal<'_>>,
        removed: &mut Vec<(u32, Range<u64>)>,
    ) -> Attempt<()> {
        let mut cursors = Vec::new();
        for segment in segments {
            let id = segment.footer.id;
            let rows = Rows::new(segment).map_err(|gap| Stopped::Damaged { id, gap })?;
            cursors.push(Cursor { id, rows, numbers: Vec::new(), of: (0, u64::MAX) });
        }
        let mut count = 0;
        loop {
            let heads = cursors.iter().enumerate();
            let least = heads.filter_map(|(at, cursor)| Some((cursor.rows.head()?.key, at))).min();
            let Some((_, at)) = least else { return Ok(()) };
            let Some(cursor) = cursors.get_mut(at) else { return Ok(()) };
            let Some(&head) = cursor.rows.head() else { return Ok(()) };
            self.check(count)?;
            count += 1;
            let id = cursor.id;
            if removal.is_some_and(|removal| removal.rows.contains(&head.key.id)) {
                let RecordId { writer, sequence } = head.key.id;
                removed.push((writer, sequence..sequence.saturating_add(1)));
                cursor.rows.advance().map_err(|gap| Stopped::Damaged { id, gap })?;
                continue;
            }
            let output = outputs.of(target.day(&head), plan)?;
            if cursor.of != (cursor.rows.blocks, output.id) {
                cursor.of = (cursor.rows.blocks, output.id);
                cursor.numbers.clear();
                cursor.numbers.extend(cursor.rows.names().iter().map(|name| output.builder.field(name)));
            }
            let numbers = &cursor.numbers;
            let number = |name: u32| numbers.get(name as usize).copied();
            let fields = cursor.rows.fields().filter_map(|(name, value)| Some((number(name)?, value)));
            output.builder.push(head, fields)?;
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
            self.check(count)?;
            sum.begin(true, head);
            for (name, value) in rows.fields() {
                let name = rows.names().get(name as usize).map_or("", String::as_str);
                sum.field(true, name, value);
            }
            sum.end(true);
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

/// Sequences of writers as runs by writer, in order, neighbours joined.
fn by_writer(mut runs: Vec<(u32, Range<u64>)>) -> Vec<(u32, Vec<Range<u64>>)> {
    runs.sort_unstable_by_key(|(writer, run)| (*writer, run.start));
    let mut writers: Vec<(u32, Vec<Range<u64>>)> = Vec::new();
    for (writer, run) in runs {
        match writers.last_mut() {
            Some((last, runs)) if *last == writer => match runs.last_mut() {
                Some(before) if run.start <= before.end => before.end = before.end.max(run.end),
                _ => runs.push(run),
            },
            _ => writers.push((writer, vec![run])),
        }
    }
    writers
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
    /// The block, and the output, that `numbers` are of.
    of: (u32, u64),
}

/// Gives a segment without records the times of what it speaks of, so that it goes when they would have gone.
pub(super) fn date_empty(footer: &mut Footer, time: (i64, i64), arrived: (i64, i64)) {
    if footer.records == 0 {
        (footer.time_min, footer.time_max) = time;
        (footer.arrived_min, footer.arrived_max) = arrived;
    }
}

/// Segments being written.
pub(super) struct Outputs<'p> {
    at: &'p Step<'p>,
    next: u64,
    open: Vec<Output>,
    pub(super) done: Vec<Unfinished>,
}

pub(super) struct Output {
    id: u64,
    day: Option<Day>,
    pub(super) builder: SegmentBuilder,
}

impl<'p> Outputs<'p> {
    pub(super) fn new(at: &'p Step<'p>) -> Self {
        Self { at, next: at.state.next_segment, open: Vec::new(), done: Vec::new() }
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

/// An active file being sealed.
struct OpenFile {
    slot: u32,
    number: u64,
    frames: Vec<FrameAt>,
    map: Box<dyn ReadMap>,
}

/// What the rows of a frame share.
struct FrameRows<'a> {
    names: Vec<&'a str>,
    arrived: i64,
    import: Option<ImportProgress>,
}

/// A row where it lies.
#[derive(Clone, Copy)]
struct Row<'a> {
    key: Key,
    frame: u32,
    fields: &'a [u8],
}

impl OpenFile {
    fn open(at: &Step<'_>, slot: u32, number: u64, made: &mut Made) -> Attempt<Self> {
        let name = FileName::Active { slot, number };
        let path = name.path(at.dir());
        let Some(entry) = at.state.files.get(&(slot, number)) else {
            return Err(Error::new(ErrorKind::Corrupt, "a file to be sealed is not the store's")
                .at(&path)
                .into());
        };
        let known = made.slots.entry(slot).or_default();
        *known = (*known).max(SlotEnd { number, next_sequence: entry.after() });
        let failed = |error| Error::io("an active file cannot be read", &path, error);
        let file = match at.vfs().open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                made.gaps.push(lost(name, slot, entry));
                return Ok(Self { slot, number, frames: Vec::new(), map: Box::new(NoBytes) });
            }
            Err(error) => return Err(failed(error).into()),
        };
        let map = file.map_read().map_err(failed)?;
        let len = usize::try_from(file.data_len().map_err(failed)?).unwrap_or(usize::MAX);
        let bytes = map.bytes().get(..len).unwrap_or(map.bytes());
        let frames = Frames { bytes, salt: entry.salt, cap: entry.cap };
        let promise = match entry.done {
            Some(done) if entry.cap == u64::MAX => done.promise,
            _ => header::SIZE,
        };
        let mut settled = settle(frames, header::SIZE, promise, Some(entry.first_sequence));
        let damaged = at.damaged.contains(&(slot, number));
        if damaged {
            settled.frames.retain(|frame| {
                let reads = count_rows(frame, bytes).is_some();
                if !reads {
                    made.gaps.push(unread(name, slot, frame));
                }
                reads
            });
        }
        for hole in &settled.gaps {
            let count =
                hole.sequences.as_ref().map(|range| (range.start, range.end.saturating_sub(range.start)));
            made.gaps.push(Gap {
                file: name.relative(),
                offset: hole.bytes.start,
                len: hole.bytes.end - hole.bytes.start,
                records: count
                    .filter(|(_, count)| 0 < *count)
                    .map(|(sequence, count)| (RecordId { writer: slot, sequence }, count)),
                what: "damaged records".into(),
            });
        }
        if damaged && settled.gaps.is_empty() && was_cut(&settled, entry, map.bytes().len() as u64) {
            let (file, offset) = (name.relative(), map.bytes().len() as u64);
            made.gaps.push(Gap {
                file,
                offset,
                len: 0,
                records: None,
                what: "the file was cut short".into(),
            });
        }
        if damaged || !settled.gaps.is_empty() {
            quarantine::keep(at.vfs(), at.dir(), &name.to_string(), bytes)?;
        }
        Ok(Self { slot, number, frames: settled.frames, map })
    }

    /// Adds the rows of the file.
    fn rows<'a>(
        &'a self,
        frames: &mut Vec<FrameRows<'a>>,
        rows: &mut Vec<Row<'a>>,
        made: &mut Made,
    ) -> Attempt<()> {
        for frame in &self.frames {
            if frame.header.count == 0 {
                continue;
            }
            let payload = frame.payload(self.map.bytes());
            let (bytes, import) = match frame.header.flags & FLAG_IMPORT {
                0 => (payload, None),
                _ => (payload.get(PROGRESS_SIZE..).unwrap_or(&[]), ImportProgress::decode(payload)),
            };
            made.imports.extend(import);
            let odd = || {
                let what = format!("record {}-{} does not read", self.slot, frame.header.first_sequence);
                let name = FileName::Active { slot: self.slot, number: self.number };
                Error::new(ErrorKind::Corrupt, what).at(name.relative().as_ref()).byte(frame.offset)
            };
            let mut payload = Payload::read(bytes).ok_or_else(odd)?;
            let number = u32::try_from(frames.len()).unwrap_or(u32::MAX);
            frames.push(FrameRows { names: payload.names().to_vec(), arrived: frame.header.arrived, import });
            for at in 0..u64::from(frame.header.count) {
                let (time, fields) = payload.take_row().ok_or_else(odd)?;
                let sequence = frame.header.first_sequence + at;
                let id = RecordId { writer: self.slot, sequence };
                rows.push(Row { key: Key { time, id }, frame: number, fields });
            }
        }
        Ok(())
    }
}

/// The bytes of a file that is not there.
#[derive(Debug)]
struct NoBytes;

impl ReadMap for NoBytes {
    fn bytes(&self) -> &[u8] {
        &[]
    }

    fn load(&self, _offset: u64) -> u32 {
        0
    }
}

fn lost(name: FileName, slot: u32, entry: &crate::manifest::FileEntry) -> Gap {
    let count = entry.done.map(|done| done.end_sequence.saturating_sub(entry.first_sequence));
    Gap {
        file: name.relative(),
        offset: 0,
        len: 0,
        records: count
            .filter(|count| 0 < *count)
            .map(|count| (RecordId { writer: slot, sequence: entry.first_sequence }, count)),
        what: "a file of the store is not there".into(),
    }
}

/// Whether a file ends before what it held does, as far as anybody can tell.
pub(crate) fn was_cut(settled: &Settled, entry: &crate::manifest::FileEntry, len: u64) -> bool {
    let whole = settled.closed || entry.done.is_some_and(|done| done.clean && done.end <= len);
    len < entry.capacity && !whole
}

/// A frame whose checksums hold and whose records do not read all the same.
fn unread(name: FileName, slot: u32, frame: &FrameAt) -> Gap {
    Gap {
        file: name.relative(),
        offset: frame.offset,
        len: frame.header.frame_size(),
        records: Some((
            RecordId { writer: slot, sequence: frame.header.first_sequence },
            u64::from(frame.header.count),
        )),
        what: "records that do not read".into(),
    }
}
