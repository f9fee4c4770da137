//! Maintenance: rotated files become segments, small segments become large ones, old ones go to the archive
//! or expire.
//!
//! One process at a time holds `maintenance.lock`. Every step has the same order: new segments are written
//! and synced under unfinished names; they get their names, durably; one edit of the manifest puts them in
//! the place of what they were made of; only then are the old files unlinked. A crash anywhere leaves
//! either the old files or the new ones in the manifest, and what is left over besides goes when
//! maintenance next begins.

pub(crate) mod keeper;
mod plan;
mod rewrite;
mod salvage;
mod sweep;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

pub use self::plan::Rule;
use self::plan::{Extent, Job};
use self::rewrite::{Attempt, Made, Step, Stopped, Target};
pub(crate) use self::rewrite::{Removal, was_cut};
pub(crate) use self::salvage::count_readable;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::format::frame::SourceId;
use crate::format::manifest::{Op, Place};
use crate::format::name::{FileName, SEGMENTS_DIR};
use crate::gap::Gap;
use crate::io::{File, LockKind, OpenMode};
use crate::manifest::{FileEntry, State};
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
    /// Records in the inputs, at most.
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
    cancel: &'c AtomicBool,
    /// Segments that cannot be read.
    skip: Vec<u64>,
    /// Active files that are sealed although they are damaged.
    damaged: BTreeSet<(u32, u64)>,
    /// Files that were unlinked, which the manifest is told with its next edit.
    gone: Vec<Place>,
    /// Bytes that the disk lacks, less those of segments that went for it.
    short: u64,
    report: Upkeep,
    _lock: Box<dyn File>,
}

impl<'c> Maintenance<'c> {
    /// Takes the lock, if nobody has it; or waits for it.
    pub(crate) fn begin(core: &'c Core, cancel: &'c AtomicBool, wait: bool) -> Result<Option<Self>> {
        let Some(mut maintenance) = Self::hold(core, cancel, wait)? else { return Ok(None) };
        maintenance.sweep()?;
        maintenance.short = short(core, &core.manifest()?.state);
        Ok(Some(maintenance))
    }

    /// Takes the lock as [`Maintenance::begin`] does, and touches nothing yet.
    pub(crate) fn hold(core: &'c Core, cancel: &'c AtomicBool, wait: bool) -> Result<Option<Self>> {
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
        let (skip, damaged, gone) = (Vec::new(), BTreeSet::new(), Vec::new());
        Ok(Some(Self { core, cancel, skip, damaged, gone, short: 0, report, _lock: file }))
    }

    /// Does all steps that there are; `now` is the clock of archiving and retention.
    fn run(mut self, extent: Extent, now: i64) -> Result<Upkeep> {
        while self.step(extent, now)? {}
        self.tell_gone()?;
        self.report.unsealed = unsealed(&self.core.manifest()?.state);
        Ok(self.report)
    }

    /// Whether a background round would do anything, as far as one sees without the lock.
    fn has_work(core: &Core) -> Result<bool> {
        let state = core.manifest()?.state;
        let next =
            plan::next(&state, &core.options, Extent::Background, core.vfs.now(), &[], short(core, &state));
        // A file that may have to be settled first is looked at too.
        let unsettled = |(&(slot, number), entry): (&(u32, u64), &FileEntry)| {
            let old = || slot::is_old(core, slot, number) && !slot::is_live(&*core.vfs, &core.dir, slot);
            entry.done.is_none() && (!state.is_last(slot, number) || old())
        };
        Ok(next.is_some() || !state.waiting.is_empty() || state.files.iter().any(unsettled))
    }

    /// Says which steps there would be.
    fn dry_run(core: &Core, extent: Extent, now: i64) -> Result<Upkeep> {
        let mut state = State::clone(&core.manifest()?.state);
        let mut report = Upkeep { unsealed: unsealed(&state), ..Upkeep::default() };
        let mut short = short(core, &state);
        while let Some(job) = plan::next(&state, &core.options, extent, now, &[], short) {
            if let Job::Expire(..) = job {
                short = short.saturating_sub(job.size(&state).1);
            }
            report.steps.push(describe(&job, &state));
            report.unsealed -= if let Job::Seal(_) = job { job.size(&state).0 } else { 0 };
            for place in job.inputs(&state) {
                state.forget(place);
            }
        }
        Ok(report)
    }

    /// Does the next step. `false` when there is none, or somebody wants the process to end.
    fn step(&mut self, extent: Extent, now: i64) -> Result<bool> {
        self.settle_ended(extent)?;
        let state = self.core.manifest()?.state;
        let Some(job) = plan::next(&state, &self.core.options, extent, now, &self.skip, self.short) else {
            return Ok(false);
        };
        let damaged = std::mem::take(&mut self.damaged);
        let step = Step { core: self.core, state: &state, cancel: self.cancel, damaged: &damaged };
        let mut done = describe(&job, &state);
        let made = match &job {
            Job::Seal(files) => step.seal(files),
            Job::Merge(ids) => {
                let day = ids.first().and_then(|id| state.segments.get(id)?.day);
                step.rewrite(ids, Target::Day(day), None)
            }
            Job::Roll(ids) => step.rewrite(ids, Target::Days, None),
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
                Ok(true)
            }
            Err(Stopped::Cancelled) => Ok(false),
            Err(Stopped::Damaged { id, gap }) => {
                self.skip.push(id);
                self.report.damage.push(gap);
                Ok(true)
            }
            Err(Stopped::Error(error)) => Err(error),
        }
    }

    /// Seals all that can be sealed.
    pub(crate) fn seal_all(&mut self) -> Result<()> {
        while self.step(Extent::Seal, self.core.vfs.now())? {}
        Ok(())
    }

    /// Makes a segment anew without what is to be removed; takes it away for good when nothing is left of it. The
    /// gap says what of it cannot be read, and then it stays as it is.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn remove(&mut self, id: u64, removal: Removal<'_>) -> Result<std::result::Result<u64, Gap>> {
        let state = self.core.manifest()?.state;
        let Some(entry) = state.segments.get(&id) else { return Ok(Ok(0)) };
        let place = Place::Segment { id, day: entry.day };
        let damaged = BTreeSet::new();
        let step = Step { core: self.core, state: &state, cancel: self.cancel, damaged: &damaged };
        let made = step.rewrite(&[id], Target::Day(entry.day), Some(removal)).and_then(|made| {
            if made.segments.is_empty() {
                self.bury(id)?;
            }
            self.publish(&step, &[place], made, true)
        });
        match made {
            Ok((_, bytes)) => Ok(Ok(bytes)),
            Err(Stopped::Damaged { gap, .. }) => Ok(Err(gap)),
            Err(Stopped::Error(error)) => Err(error),
            Err(Stopped::Cancelled) => {
                Err(Error::new(ErrorKind::Stale, "the removal was cancelled").at(&self.core.dir))
            }
        }
    }

    /// Forgets that a source was imported.
    pub(crate) fn forget_import(&mut self, source: SourceId) -> Result<()> {
        self.edit(vec![Op::Undo { source }])
    }

    /// Unlinks everything that was replaced, now, and says so in the manifest.
    pub(crate) fn unlink_all(&mut self) -> Result<()> {
        self.unlink(Grace::Over)?;
        self.tell_gone()
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
        let sealed = made.segments.iter_mut().try_for_each(|unfinished| {
            let size = unfinished.seal()?;
            if verify {
                step.verify(unfinished)?;
            }
            bytes += size;
            outputs.push(unfinished.footer.place().file().relative());
            ops.push(Op::Add { id: unfinished.footer.id, entry: unfinished.footer.entry(size) });
            Ok::<(), Stopped>(())
        });
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

fn describe(job: &Job, state: &State) -> UpkeepStep {
    let (records, bytes_before) = job.size(state);
    UpkeepStep {
        kind: match job {
            Job::Seal(_) => UpkeepKind::Seal,
            Job::Merge(_) => UpkeepKind::Merge,
            Job::Roll(_) => UpkeepKind::Roll,
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
    let keep = core.options.keep_free_bytes;
    // Where nobody knows how much is free, nothing is deleted for it.
    let Some(space) = (0 < keep).then(|| core.vfs.space(&core.dir).ok()).flatten() else { return 0 };
    let waits = |place: &Place| core.vfs.stat(&place.file().path(&core.dir)).map_or(0, |stat| stat.size);
    let waiting: u64 = state.waiting.keys().map(waits).fold(0, u64::saturating_add);
    keep.saturating_sub(space.free.saturating_add(waiting))
}

/// Records in active files, as far as the manifest knows how many.
fn unsealed(state: &State) -> u64 {
    state.files.values().filter_map(|entry| entry.done).map(|done| done.records).sum()
}

/// Seals what can be sealed, now, because a writer has no room left. `false` when another process is at it.
pub(crate) fn relieve(core: &Core) -> Result<bool> {
    let cancel = AtomicBool::new(false);
    match Maintenance::begin(core, &cancel, false)? {
        Some(maintenance) => maintenance.run(Extent::Seal, core.vfs.now()).map(|_| true),
        None => Ok(false),
    }
}

/// Seals everything but the files that writers are filling. Waits for another maintainer.
pub(crate) fn seal(core: &Core) -> Result<Upkeep> {
    let cancel = AtomicBool::new(false);
    run(core, &cancel, Extent::Seal, core.vfs.now())
}

/// One full round.
pub(crate) fn maintain(core: &Core, now: i64) -> Result<Upkeep> {
    let cancel = AtomicBool::new(false);
    run(core, &cancel, Extent::Full, now)
}

/// What one full round would do.
pub(crate) fn plan(core: &Core, now: i64) -> Result<Upkeep> {
    Maintenance::dry_run(core, Extent::Full, now)
}

fn run(core: &Core, cancel: &AtomicBool, extent: Extent, now: i64) -> Result<Upkeep> {
    match Maintenance::begin(core, cancel, true)? {
        Some(maintenance) => {
            let mut report = maintenance.run(extent, now)?;
            report.unsealed = crate::snapshot::count_unsealed(core)?;
            Ok(report)
        }
        None => Err(Error::new(ErrorKind::Locked, "another process maintains the store").at(&core.dir)),
    }
}
