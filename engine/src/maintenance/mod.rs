//! Maintenance: rotated files become segments, small segments become large ones, old ones go to the archive
//! or expire.
//!
//! One process at a time holds `maintenance.lock`. Every step has the same order: new segments are written
//! and synced under unfinished names; they get their names, durably; one edit of the manifest puts them in
//! the place of what they were made of; only then are the old files unlinked. A crash anywhere leaves
//! either the old files or the new ones in the manifest, and what is left over besides goes when
//! maintenance next begins.
//!
//! What cannot be done, since the archive is mounted for reading or the disk is full, holds up nothing else: the round goes
//! on and ends with the first such error.

mod bodies;
mod clock;
mod frames;
mod guide;
pub(crate) mod keeper;
mod plan;
mod rewrite;
mod runs;
mod salvage;
mod sweep;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::AtomicBool;

pub use self::clock::Held;
use self::clock::Note;
pub(crate) use self::clock::held;
pub(crate) use self::frames::was_cut;
pub(crate) use self::guide::Guide;
pub use self::guide::{Round, UpkeepProgress};
pub use self::plan::Rule;
use self::plan::{Extent, Facts, Job};
pub(crate) use self::rewrite::Removal;
use self::rewrite::{Attempt, Made, Step, Stopped, Target};
pub(crate) use self::salvage::count_readable;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::format::frame::SourceId;
use crate::format::manifest::{Op, Place, SegmentEntry};
use crate::format::name::{DAY_NS, FileName, SEGMENTS_DIR};
use crate::gap::Gap;
use crate::io::{File, LockKind, OpenMode};
use crate::manifest::{FileEntry, State};
use crate::segment::sealed::build::Unfinished;
use crate::slot;

/// What maintenance did, or would do.
#[derive(Clone, Debug, Default)]
pub struct Upkeep {
    /// The steps, in order.
    pub steps: Vec<UpkeepStep>,
    /// Records that stay in active files: those that writers are filling.
    pub unsealed: u64,
    /// Segments that could not be read whole and were left as they are.
    pub damage: Vec<Gap>,
    /// Deletions by age wait, since the clock of the machine jumped ahead.
    pub held: Option<Held>,
    /// Segments with records that arrived over a day after what the clock says: the clock was ahead then, or is behind now.
    /// They grow old from that arrival on, so what goes by age stays longer.
    pub ahead: u64,
    /// Whether somebody ended the round: steps are left.
    pub cancelled: bool,
}

/// What a step of maintenance does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpkeepKind {
    /// Active files become a segment.
    Seal,
    /// Small segments become one.
    Merge,
    /// Segments become segments of the archive.
    Roll,
    /// A segment is made anew without its prompts and responses, which are older than [`crate::Options::retain_bodies_for`].
    Bodies,
    /// A segment goes, since this rule says so.
    Expire(Rule),
}

/// One step of maintenance.
#[derive(Clone, Debug)]
pub struct UpkeepStep {
    /// What it does.
    pub kind: UpkeepKind,
    /// The files that it takes the place of, relative to the store.
    pub inputs: Vec<String>,
    /// The files that it made; of a step that was only planned, none.
    pub outputs: Vec<String>,
    /// Records in the inputs, at most; of [`UpkeepKind::Bodies`] those that have a prompt or a response.
    pub records: u64,
    /// Bytes of the inputs.
    pub bytes_before: u64,
    /// Bytes of the outputs.
    pub bytes_after: u64,
}

/// Whether readers that are about to open a replaced file are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grace {
    /// For `reader_grace`.
    Kept,
    /// Not any more: such a reader begins anew.
    Over,
}

/// The right to maintain a store, until dropped.
pub(crate) struct Maintenance<'c> {
    core: &'c Core,
    guide: &'c Guide<'c>,
    /// Segments that cannot be read.
    skip: Vec<u64>,
    /// Active files that are sealed although they are damaged.
    damaged: BTreeSet<(u32, u64)>,
    /// Files that were unlinked, which the manifest is told with its next edit.
    gone: Vec<Place>,
    /// Bytes that the disk lacks, less those of segments that went for it.
    short: u64,
    /// Whether sealing failed in this round.
    unsealable: bool,
    /// The first error of what holds up nothing else.
    trouble: Option<Error>,
    /// What the last round knew of the clock.
    note: Option<Note>,
    report: Upkeep,
    lock: Box<dyn File>,
}

/// What became of a segment that records were to be removed from.
#[derive(Debug)]
pub(crate) enum Removed {
    /// These files took its place, with so many bytes.
    Done(Vec<String>, u64),
    /// It cannot be read whole, and stays as it is.
    Damaged(Gap),
    /// Somebody wants the process to end, and it stays as it is.
    Cancelled,
}

impl<'c> Maintenance<'c> {
    /// Takes the lock, if nobody has it; or waits for it.
    pub(crate) fn begin(core: &'c Core, guide: &'c Guide<'c>, wait: bool) -> Result<Option<Self>> {
        let Some(mut maintenance) = Self::hold(core, guide, wait)? else { return Ok(None) };
        maintenance.sweep()?;
        maintenance.short = short(core, &core.manifest()?.state);
        Ok(Some(maintenance))
    }

    /// Takes the lock as [`Maintenance::begin`] does, and touches nothing yet.
    pub(crate) fn hold(core: &'c Core, guide: &'c Guide<'c>, wait: bool) -> Result<Option<Self>> {
        core.check_writable()?;
        let path = FileName::MaintenanceLock.path(&core.dir);
        let failed = |error| Error::io("the lock of maintenance cannot be taken", &path, error);
        let file = core.vfs.open(&path, OpenMode::CreateOrOpen).map_err(failed)?;
        if wait {
            file.lock(LockKind::Exclusive).map_err(failed)?;
        } else if !file.try_lock(LockKind::Exclusive).map_err(failed)? {
            return Ok(None);
        }
        let folder = core.dir.join(SEGMENTS_DIR);
        if core.vfs.stat(&folder).is_err() {
            let failed = |error| Error::io("the folder of segments cannot be made", &folder, error);
            core.vfs.create_dir(&folder).map_err(failed)?;
            core.vfs.sync_dir(&core.dir).map_err(failed)?;
        }
        let report = Upkeep::default();
        Ok(Some(Self {
            core,
            guide,
            skip: Vec::new(),
            damaged: BTreeSet::new(),
            gone: Vec::new(),
            short: 0,
            unsealable: false,
            trouble: None,
            note: Note::read(core),
            report,
            lock: file,
        }))
    }

    /// Does all steps that there are; `now` is the clock of archiving and retention, the machine's if nobody says it.
    fn run(mut self, extent: Extent, now: Option<i64>) -> Result<Upkeep> {
        if self.guide.is_watched() {
            let planned = Self::dry_run(self.core, extent, now)?.steps;
            self.guide.plan(planned.len() as u64, planned.iter().map(|step| step.bytes_before).sum());
        }
        while self.step(extent, now)? {}
        self.tell_gone()?;
        let state = self.core.manifest()?.state;
        self.report.unsealed = unsealed(&state);
        self.report.ahead = ahead(&state, now.unwrap_or_else(|| self.core.vfs.now()));
        match self.trouble.take() {
            // Who seals to make room wants to hear of sealing.
            Some(trouble) if extent != Extent::Seal => Err(trouble),
            _ => Ok(self.report),
        }
    }

    /// Whether deletions by age may go by the machine's clock.
    fn trust(&mut self, state: &State, extent: Extent, now: i64) -> bool {
        // In the background only where there is something that goes by age.
        if extent == Extent::Seal || (extent == Extent::Background && !self.core.settings().deletes_by_age())
        {
            return true;
        }
        let (note, held) = clock::judge(self.note, state, now);
        if let Some(known) = note {
            let written = known.write(self.note, &*self.lock, self.core);
            match written {
                Ok(()) => self.note = note,
                // Doubt that cannot be noted stays, and nothing is deleted.
                Err(_) if held.is_none() => {}
                error => self.note(error),
            }
        }
        self.report.held = held;
        held.is_none()
    }

    /// Whether a background round would do anything, as far as one sees without the lock.
    fn has_work(core: &Core) -> Result<bool> {
        let state = core.manifest()?.state;
        let now = core.vfs.now();
        let by_age = held(core, &state, now).is_none();
        let has_bodies = |id| bodies::has(core, &state, id);
        let (skip, short) = (&[][..], short(core, &state));
        let facts = Facts { now, by_age, skip, short, unsealable: false, has_bodies: &has_bodies };
        let next = plan::next(&state, &core.settings(), Extent::Background, &facts);
        // A file that may have to be settled first is looked at too.
        let unsettled = |(&(slot, number), entry): (&(u32, u64), &FileEntry)| {
            let old = || slot::is_old(core, slot, number) && !slot::is_live(&*core.vfs, &core.dir, slot);
            entry.done.is_none() && (!state.is_last(slot, number) || old())
        };
        Ok(next.is_some() || !state.waiting.is_empty() || state.files.iter().any(unsettled))
    }

    /// Says which steps there would be.
    fn dry_run(core: &Core, extent: Extent, now: Option<i64>) -> Result<Upkeep> {
        let mut state = State::clone(&core.manifest()?.state);
        let mut report = Upkeep { unsealed: unsealed(&state), ..Upkeep::default() };
        let clock = now.unwrap_or_else(|| core.vfs.now());
        if now.is_none() {
            report.held = clock::judge(Note::read(core), &state, clock).1;
        }
        report.ahead = ahead(&state, clock);
        let by_age = report.held.is_none();
        let whole = State::clone(&state);
        let has_bodies = |id| bodies::has(core, &whole, id);
        let (skip, short) = (&[][..], short(core, &state));
        let facts = Facts { now: clock, by_age, skip, short, unsealable: false, has_bodies: &has_bodies };
        plan::all(&mut state, &core.settings(), extent, &facts, &mut |job, state| {
            report.steps.push(describe(core, job, state));
            report.unsealed -= if let Job::Seal(_) = job { job.size(state).0 } else { 0 };
        });
        Ok(report)
    }

    /// Does the next step. `false` when there is none, or somebody wants the process to end.
    fn step(&mut self, extent: Extent, now: Option<i64>) -> Result<bool> {
        self.settle_ended(extent)?;
        let state = self.core.manifest()?.state;
        let clock = now.unwrap_or_else(|| self.core.vfs.now());
        let by_age = now.is_some() || self.trust(&state, extent, clock);
        let has_bodies = |id| bodies::has(self.core, &state, id);
        let (skip, short, unsealable) = (&self.skip[..], self.short, self.unsealable);
        let facts = Facts { now: clock, by_age, skip, short, unsealable, has_bodies: &has_bodies };
        let Some(job) = plan::next(&state, &self.core.settings(), extent, &facts) else {
            return Ok(false);
        };
        let damaged = std::mem::take(&mut self.damaged);
        let step = Step { core: self.core, state: &state, guide: self.guide, damaged: &damaged };
        let mut done = describe(self.core, &job, &state);
        self.guide.begin(done.records, done.bytes_before);
        if self.guide.is_cancelled() {
            self.report.cancelled = true;
            return Ok(false);
        }
        let made = match &job {
            Job::Seal(files) => step.seal(files),
            Job::Merge(ids) => {
                let day = ids.first().and_then(|id| state.segments.get(id)?.day);
                step.rewrite(ids, Target::Day(day), None)
            }
            Job::Roll(ids) => step.rewrite(ids, Target::Days, None),
            Job::Bodies(id) => {
                let day = state.segments.get(id).and_then(|entry| entry.day);
                let removal = Removal { rows: &HashSet::new(), import: None, bodies: true, noted: true };
                step.rewrite(&[*id], Target::Day(day), Some(removal))
            }
            Job::Expire(id, _) => {
                self.short = self.short.saturating_sub(done.bytes_before);
                self.bury(*id)?;
                Ok(Made::default())
            }
        };
        let verify = !matches!(job, Job::Seal(_));
        let inputs = job.inputs(&state);
        let published = made.and_then(|made| self.publish(&step, &inputs, made, verify));
        self.damaged = damaged;
        match published {
            Ok((outputs, bytes)) => {
                (done.outputs, done.bytes_after) = (outputs, bytes);
                self.report.steps.push(done);
                self.guide.end();
                Ok(true)
            }
            Err(Stopped::Cancelled) => {
                self.report.cancelled = true;
                Ok(false)
            }
            Err(Stopped::Damaged { id, gap }) => {
                self.skip.push(id);
                self.report.damage.push(gap);
                Ok(true)
            }
            Err(Stopped::Error(error)) => match job {
                _ if extent == Extent::Seal => Err(error),
                Job::Expire(..) => Err(error),
                // Retention may make the room that is lacking.
                Job::Seal(_) => {
                    self.unsealable = true;
                    self.note(Err(error));
                    Ok(true)
                }
                Job::Merge(_) | Job::Roll(_) | Job::Bodies(_) => {
                    self.skip.extend(job.segments());
                    self.note(Err(error));
                    Ok(true)
                }
            },
        }
    }

    /// Seals all that can be sealed.
    pub(crate) fn seal_all(&mut self) -> Result<()> {
        while self.step(Extent::Seal, None)? {}
        Ok(())
    }

    /// Makes a segment anew without what is to be removed; takes it away for good when nothing is left of it.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn remove(&mut self, id: u64, removal: Removal<'_>) -> Result<Removed> {
        let state = self.core.manifest()?.state;
        let Some(entry) = state.segments.get(&id) else { return Ok(Removed::Done(Vec::new(), 0)) };
        self.guide.plan(1, entry.size);
        self.guide.begin(entry.records, entry.size);
        let place = Place::Segment { id, day: entry.day };
        let damaged = BTreeSet::new();
        let step = Step { core: self.core, state: &state, guide: self.guide, damaged: &damaged };
        let made = step.rewrite(&[id], Target::Day(entry.day), Some(removal)).and_then(|made| {
            if made.segments.is_empty() {
                self.bury(id)?;
            }
            self.publish(&step, &[place], made, true)
        });
        match made {
            Ok((outputs, bytes)) => {
                self.guide.end();
                Ok(Removed::Done(outputs, bytes))
            }
            Err(Stopped::Damaged { gap, .. }) => Ok(Removed::Damaged(gap)),
            Err(Stopped::Error(error)) => Err(error),
            Err(Stopped::Cancelled) => Ok(Removed::Cancelled),
        }
    }

    /// Forgets that a source was imported.
    pub(crate) fn forget_import(&mut self, source: SourceId) -> Result<()> {
        self.edit(vec![Op::Undo { source }])
    }

    /// Unlinks everything that was replaced, now, and says so in the manifest.
    pub(crate) fn unlink_all(&mut self) -> Result<()> {
        self.unlink(Grace::Over)?;
        self.tell_gone()?;
        self.trouble.take().map_or(Ok(()), Err)
    }

    /// Puts what a step made in the place of what it was made of.
    fn publish(
        &mut self,
        step: &Step<'_>,
        inputs: &[Place],
        made: Made,
        verify: bool,
    ) -> Attempt<(Vec<String>, u64)> {
        self.publish_with(step, inputs, made, verify, Vec::new())
    }

    /// As [`Maintenance::publish`], with more to say in the same edit of the manifest.
    fn publish_with(
        &mut self,
        step: &Step<'_>,
        inputs: &[Place],
        mut made: Made,
        verify: bool,
        mut ops: Vec<Op>,
    ) -> Attempt<(Vec<String>, u64)> {
        let mut outputs = Vec::new();
        let mut bytes = 0;
        let read = self.guide.read_all();
        let write = |unfinished: &mut Unfinished| {
            let size = unfinished.seal()?;
            self.guide.moved(size)?;
            if verify {
                step.verify(unfinished)?;
                self.guide.moved(size)?;
            }
            bytes += size;
            outputs.push(unfinished.footer.place().file().relative());
            ops.push(Op::Add { id: unfinished.footer.id, entry: unfinished.footer.entry(size) });
            Ok::<(), Stopped>(())
        };
        let sealed = read.and_then(|()| made.segments.iter_mut().try_for_each(write));
        if let Err(stopped) = sealed {
            made.segments.into_iter().for_each(|unfinished| unfinished.abandon(&*self.core.vfs));
            return Err(stopped);
        }
        for unfinished in made.segments {
            unfinished.publish(&*self.core.vfs, &self.core.dir)?;
        }
        ops.extend(made.imports.into_iter().map(Op::Import));
        let since = self.core.vfs.now();
        ops.extend(inputs.iter().map(|&place| Op::Replace { place, since }));
        self.edit(ops)?;
        self.unlink(Grace::Kept)?;
        Ok((outputs, bytes))
    }

    /// Edits the manifest, and tells it what was unlinked since the last edit.
    fn edit(&mut self, mut ops: Vec<Op>) -> Result<()> {
        ops.extend(self.gone.iter().map(|&place| Op::Gone { place }));
        self.core.commit(|_| Ok(ops))?;
        self.gone.clear();
        Ok(())
    }

    /// Files whose writers are gone, or went on to the next, will not grow any more: says so in the manifest.
    fn settle_ended(&self, extent: Extent) -> Result<()> {
        let state = self.core.manifest()?.state;
        for (&(slot, number), entry) in &state.files {
            if entry.done.is_some() {
                continue;
            }
            if !state.is_last(slot, number) {
                slot::settle_file(self.core, slot, number)?;
            } else if extent != Extent::Background || slot::is_old(self.core, slot, number) {
                slot::settle_last(self.core, slot)?;
            }
        }
        Ok(())
    }
}

fn describe(core: &Core, job: &Job, state: &State) -> UpkeepStep {
    let (mut records, bytes_before) = job.size(state);
    if let Job::Bodies(id) = job {
        records = bodies::count(core, state, *id);
    }
    UpkeepStep {
        kind: match job {
            Job::Seal(_) => UpkeepKind::Seal,
            Job::Merge(_) => UpkeepKind::Merge,
            Job::Roll(_) => UpkeepKind::Roll,
            Job::Bodies(_) => UpkeepKind::Bodies,
            Job::Expire(_, rule) => UpkeepKind::Expire(*rule),
        },
        inputs: job.inputs(state).into_iter().map(|place| place.file().relative()).collect(),
        outputs: Vec::new(),
        records,
        bytes_before,
        bytes_after: 0,
    }
}

/// Bytes that the disk lacks for what is to stay free; what was replaced and waits for readers counts as free.
fn short(core: &Core, state: &State) -> u64 {
    let keep = core.settings().keep_free_bytes;
    // Where nobody knows how much is free, nothing is deleted for it.
    let Some(space) = (0 < keep).then(|| core.vfs.space(&core.dir).ok()).flatten() else { return 0 };
    let waits = |place: &Place| core.vfs.stat(&place.file().path(&core.dir)).map_or(0, |stat| stat.size);
    let waiting: u64 = state.waiting.keys().map(waits).fold(0, u64::saturating_add);
    keep.saturating_sub(space.free.saturating_add(waiting))
}

/// Segments with arrivals over a day after `now`.
fn ahead(state: &State, now: i64) -> u64 {
    let late = |entry: &&SegmentEntry| DAY_NS < entry.arrived_max.saturating_sub(now);
    state.segments.values().filter(late).count() as u64
}

/// Records in active files, as far as the manifest knows how many.
fn unsealed(state: &State) -> u64 {
    state.files.values().filter_map(|entry| entry.done).map(|done| done.records).sum()
}

/// Seals what can be sealed, now, because a writer has no room left. `false` when another process is at it.
pub(crate) fn relieve(core: &Core) -> Result<bool> {
    let cancel = AtomicBool::new(false);
    let guide = Guide::free(core, &cancel);
    match Maintenance::begin(core, &guide, false)? {
        Some(maintenance) => maintenance.run(Extent::Seal, None).map(|_| true),
        None => Ok(false),
    }
}

/// Seals everything but the files that writers are filling. Waits for another maintainer.
pub(crate) fn seal(core: &Core) -> Result<Upkeep> {
    let cancel = AtomicBool::new(false);
    run(core, &Guide::free(core, &cancel), Extent::Seal, None)
}

/// One full round.
pub(crate) fn maintain(core: &Core, round: Round<'_>) -> Result<Upkeep> {
    let now = round.now;
    guided(core, round, |guide| run(core, guide, Extent::Full, now))
}

/// Does something as fast as the options of the store allow, until somebody wants it to end.
pub(crate) fn guided<T>(core: &Core, round: Round<'_>, work: impl FnOnce(&Guide<'_>) -> T) -> T {
    let never = AtomicBool::new(false);
    let watched = round.watch.is_some();
    let watch = RefCell::new(round.watch);
    let tell = |at| {
        if let Some(watch) = &mut *watch.borrow_mut() {
            watch(at);
        }
    };
    work(&Guide::paced(core, round.cancel.unwrap_or(&never), watched.then_some(&tell)))
}

/// What one full round would do.
pub(crate) fn plan(core: &Core, now: Option<i64>) -> Result<Upkeep> {
    Maintenance::dry_run(core, Extent::Full, now)
}

fn run(core: &Core, guide: &Guide<'_>, extent: Extent, now: Option<i64>) -> Result<Upkeep> {
    match Maintenance::begin(core, guide, true)? {
        Some(maintenance) => {
            let mut report = maintenance.run(extent, now)?;
            report.unsealed = crate::snapshot::count_unsealed(core)?;
            Ok(report)
        }
        None => Err(Error::new(ErrorKind::Locked, "another process maintains the store").at(&core.dir)),
    }
}
