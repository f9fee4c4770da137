//! Salvage: what can be read of a damaged file takes its place, and says what is missing.
//!
//! The steps are those of all maintenance, with one before them: the damaged file is copied to the quarantine,
//! whole, before anything is put in its place. The new segment names in its footer what was lost, record by record
//! where that can be told, so that answers go on saying so; a file of which nothing reads is followed by a segment
//! without records. A file that the operating system does not let be read is not damaged as far as one knows, and is
//! left alone.

use std::collections::{BTreeSet, HashSet};

use super::rewrite::{Attempt, Made, Outputs, Removal, Step, Stopped, date_empty};
use super::runs::without;
use super::{Maintenance, Removed};
use crate::error::{Error, ErrorKind, Result};
use crate::format::footer::Footer;
use crate::format::frame::ImportProgress;
use crate::format::manifest::{Op, Place, SlotEnd};
use crate::gap::Gap;
use crate::io::OpenMode;
use crate::manifest::rebuild::slot_ends;
use crate::quarantine;
use crate::record_id::RecordId;
use crate::segment::sealed::build::Plan;
use crate::segment::sealed::read::{NotOpen, Segment};
use crate::segment::sealed::rows::Rows;

/// So many runs of lost records of one writer are gaps of their own; where there are more, one gap counts them all.
const RUNS_MAX: usize = 16;

/// What a salvage did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Salvaged {
    /// Records that are in the new segment.
    pub(crate) kept: u64,
    /// Records that are lost.
    pub(crate) lost: u64,
    /// The new file, relative to the store.
    pub(crate) output: String,
    /// Where the damaged file is now, relative to the store; none when it was missing.
    pub(crate) aside: Option<String>,
}

/// How many records of a segment can be read whole.
///
/// # Errors
/// Why its rows cannot be read one by one.
pub(crate) fn count_readable(segment: &Segment) -> std::result::Result<u64, Gap> {
    let mut count = 0;
    each_row(segment, &mut |_| {
        count += 1;
        Ok(())
    })
    .map_err(|stopped| match stopped {
        Stopped::Damaged { gap, .. } => gap,
        other => segment.gap(0, 0, format!("{other:?}")),
    })?;
    Ok(count)
}

/// Shows the rows that read, in their order, behind damage too.
fn each_row(segment: &Segment, visit: &mut dyn FnMut(&Rows<'_>) -> Attempt<()>) -> Attempt<()> {
    let id = segment.footer.id;
    let mut rows = Rows::before(segment);
    let mut last = None;
    loop {
        // What is behind a damaged group is read by the next call.
        if rows.advance().is_err() {
            continue;
        }
        let Some(head) = rows.head() else { return Ok(()) };
        if last.is_some_and(|last| head.key <= last) {
            let gap = segment.gap(0, 0, format!("record {} is not in its place", head.key.id));
            return Err(Stopped::Damaged { id, gap });
        }
        last = Some(head.key);
        visit(&rows)?;
    }
}

impl Maintenance<'_> {
    /// Seals all that can be sealed, these files although they are damaged.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn salvage_active(&mut self, files: BTreeSet<(u32, u64)>) -> Result<Vec<super::UpkeepStep>> {
        self.damaged = files;
        let before = self.report.steps.len();
        self.seal_all()?;
        Ok(self.report.steps.split_off(before))
    }

    /// Puts what can be read of a segment in its place. The error inside says why it has to stay as it is.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn salvage(&mut self, id: u64) -> Result<std::result::Result<Salvaged, Gap>> {
        let state = self.core.manifest()?.state;
        let Some(entry) = state.segments.get(&id) else { return Ok(Ok(Salvaged::default())) };
        let place = Place::Segment { id, day: entry.day };
        let damaged = BTreeSet::new();
        let step = Step { core: self.core, state: &state, guide: self.guide, damaged: &damaged };
        let (aside, map) = self.keep(place)?;
        let read = Segment::open(step.vfs(), step.dir(), state.store, place);
        let made = match (&read, map) {
            (Ok(segment), _) => step.salvage(segment),
            (Err(NotOpen::Damaged(what)), true) => step.replace_lost(id, what),
            (Err(_), false) => step.replace_lost(id, "a segment that is not there"),
            (Err(NotOpen::Io(error)), true) => {
                let what = format!("a segment cannot be read ({error})");
                return Err(Error::new(ErrorKind::Io, what).at(&place.file().path(step.dir())));
            }
        };
        let counts = |made: &Made| made.segments.iter().map(|unfinished| unfinished.footer.records).sum();
        let made = made.map(|made| (counts(&made), made));
        let published = made.and_then(|(kept, made): (u64, Made)| {
            let more = ends(&read);
            Ok((kept, self.publish_with(&step, &[place], made, true, more)?))
        });
        match published {
            Ok((kept, (outputs, _))) => Ok(Ok(Salvaged {
                kept,
                lost: entry.records.saturating_sub(kept),
                output: outputs.into_iter().next().unwrap_or_default(),
                aside,
            })),
            Err(Stopped::Damaged { gap, .. }) => Ok(Err(gap)),
            Err(Stopped::Error(error)) => Err(error),
            Err(Stopped::Cancelled) => {
                Err(Error::new(ErrorKind::Stale, "the repair was cancelled").at(&self.core.dir))
            }
        }
    }

    /// Makes a segment anew without records that other files hold, too; takes it away when it has no others. The error
    /// inside says why it has to stay as it is.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn undouble(
        &mut self,
        id: u64,
        rows: &HashSet<RecordId>,
    ) -> Result<std::result::Result<Salvaged, Gap>> {
        let state = self.core.manifest()?.state;
        let Some(entry) = state.segments.get(&id) else { return Ok(Ok(Salvaged::default())) };
        let (aside, _) = self.keep(Place::Segment { id, day: entry.day })?;
        let removal = Removal { rows, import: None, bodies: false, noted: false };
        match self.remove(id, removal)? {
            Removed::Done(outputs, _) => Ok(Ok(Salvaged {
                kept: entry.records.saturating_sub(rows.len() as u64),
                lost: 0,
                output: outputs.into_iter().next().unwrap_or_default(),
                aside,
            })),
            Removed::Damaged(gap) => Ok(Err(gap)),
            Removed::Cancelled => {
                Err(Error::new(ErrorKind::Stale, "the repair was cancelled").at(&self.core.dir))
            }
        }
    }

    /// Notes records that no file of the store has any more, in a segment without records.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn note_lost(&mut self, gaps: Vec<Gap>) -> Result<()> {
        let state = self.core.manifest()?.state;
        let damaged = BTreeSet::new();
        let step = Step { core: self.core, state: &state, guide: self.guide, damaged: &damaged };
        let now = self.core.vfs.now();
        let made = step.empty(gaps, None, (now, now), (now, now), &[]);
        match made.and_then(|made| self.publish(&step, &[], made, true)) {
            Ok(_) => Ok(()),
            Err(Stopped::Error(error)) => Err(error),
            Err(_) => Err(Error::new(ErrorKind::Stale, "the repair was cancelled").at(&self.core.dir)),
        }
    }

    /// Copies a file of the store to the quarantine. Says where, and whether there is such a file.
    fn keep(&self, place: Place) -> Result<(Option<String>, bool)> {
        let (vfs, dir) = (&*self.core.vfs, &*self.core.dir);
        let name = place.file();
        let path = name.path(dir);
        match vfs.open(&path, OpenMode::Read).and_then(|file| file.map_read()) {
            Ok(map) => Ok((Some(quarantine::keep(vfs, dir, &name.to_string(), map.bytes())?), true)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((None, false)),
            Err(error) => Err(Error::io("a damaged file cannot be read", &path, error)),
        }
    }
}

/// Where writers go on behind what a segment holds.
fn ends(read: &std::result::Result<Segment, NotOpen>) -> Vec<Op> {
    let Ok(segment) = read else { return Vec::new() };
    let end = |(slot, next_sequence)| Op::Slot { slot, end: SlotEnd { number: 0, next_sequence } };
    segment.end_sequences().map(end).collect()
}

impl Step<'_> {
    /// Makes a segment of the rows that read.
    fn salvage(&self, segment: &Segment) -> Attempt<Made> {
        let old = &segment.footer;
        let mut made = Made { slots: self.state.slots.clone(), ..Made::default() };
        made.imports = ImportProgress::join(old.imports.clone());
        for &(slot, end) in &old.slots {
            let known = made.slots.entry(slot).or_default();
            *known = (*known).max(end);
        }
        let options = self.core.settings();
        let plan = Plan {
            words: options.word_index_min <= old.records,
            archive: old.day.is_some(),
            share: options.share_texts,
            sum: true,
        };
        let mut outputs = Outputs::new(self);
        let filled = self.fill_salvaged(segment, &mut outputs, plan);
        if let Err(stopped) = filled.and_then(|()| outputs.end_all()) {
            outputs.abandon();
            return Err(stopped);
        }
        made.segments = std::mem::take(&mut outputs.done);
        for unfinished in &mut made.segments {
            let footer = &mut unfinished.footer;
            date_empty(footer, (old.time_min, old.time_max), (old.arrived_min, old.arrived_max));
            footer.replaced = vec![(old.place(), 0)];
            footer.slots = slot_ends(&made.slots);
            footer.imports.clone_from(&made.imports);
            footer.removed.clone_from(&old.removed);
            footer.gaps.clone_from(&old.gaps);
            footer.gaps.extend(lost(old, footer));
        }
        Ok(made)
    }

    fn fill_salvaged(&self, segment: &Segment, outputs: &mut Outputs<'_>, plan: Plan) -> Attempt<()> {
        let output = outputs.of(segment.footer.day, plan)?;
        let mut numbers: Vec<u32> = Vec::new();
        let (mut of, mut count) = (None, 0);
        each_row(segment, &mut |rows| {
            self.guide.look(count)?;
            count += 1;
            if of != Some(rows.blocks) {
                of = Some(rows.blocks);
                numbers.clear();
                numbers.extend(rows.names().iter().map(|name| output.builder.field(name)));
            }
            let number = |name: u32| numbers.get(name as usize).copied();
            let fields = rows.fields().filter_map(|(name, value)| Some((number(name)?, value)));
            match rows.head() {
                Some(&head) => Ok(output.builder.push(head, fields)?),
                None => Ok(()),
            }
        })
    }

    /// Makes a segment without records in the place of one of which nothing reads.
    fn replace_lost(&self, id: u64, what: &str) -> Attempt<Made> {
        let Some(entry) = self.state.segments.get(&id) else { return Ok(Made::default()) };
        let place = Place::Segment { id, day: entry.day };
        let gap = Gap {
            file: place.file().relative(),
            offset: 0,
            len: entry.size,
            records: None,
            what: format!("{what}, with {} records", entry.records),
        };
        let (time, arrived) = ((entry.time_min, entry.time_max), (entry.arrived_min, entry.arrived_max));
        self.empty(vec![gap], entry.day, time, arrived, &[place])
    }

    /// Makes a segment without records that says what is missing.
    fn empty(
        &self,
        gaps: Vec<Gap>,
        day: Option<crate::format::name::Day>,
        time: (i64, i64),
        arrived: (i64, i64),
        inputs: &[Place],
    ) -> Attempt<Made> {
        // Which imports the lost segment knew of only the manifest can tell.
        let (slots, imports) = (self.state.slots.clone(), self.state.imports.clone());
        let mut made = Made { slots, imports, gaps, ..Made::default() };
        let plan = Plan { words: false, archive: day.is_some(), share: false, sum: true };
        let mut outputs = Outputs::new(self);
        let begun = outputs.of(day, plan).map(drop);
        if let Err(stopped) = begun.and_then(|()| outputs.end_all()) {
            outputs.abandon();
            return Err(stopped);
        }
        let mut segments = std::mem::take(&mut outputs.done);
        for unfinished in &mut segments {
            date_empty(&mut unfinished.footer, time, arrived);
            self.describe(&mut unfinished.footer, inputs, &made);
        }
        made.segments = segments;
        Ok(made)
    }
}

/// The records that a segment had and the one that takes its place has not, as gaps.
fn lost(old: &Footer, new: &Footer) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for (writer, runs) in &old.writers {
        let kept = new.writers.iter().find(|(other, _)| other == writer);
        let missing = without(runs, kept.map_or(&[], |(_, runs)| runs));
        let gap = |sequence, count, what: &str| Gap {
            file: old.place().file().relative(),
            offset: 0,
            len: 0,
            records: Some((RecordId { writer: *writer, sequence }, count)),
            what: what.into(),
        };
        if missing.len() <= RUNS_MAX {
            gaps.extend(missing.iter().map(|run| gap(run.start, run.end - run.start, "damaged records")));
        } else if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
            let count = missing.iter().map(|run| run.end - run.start).sum();
            let what =
                format!("damaged records, some of those up to {writer}-{}", last.end.saturating_sub(1));
            gaps.push(gap(first.start, count, &what));
        }
    }
    gaps
}
