//! Repair: what a check found damaged is made good, as far as anything of it can be read.
//!
//! A plan is a deep check and, for each damaged file, what would be done about it; it changes nothing. Applying it makes the
//! plan anew under the lock of maintenance, does what it says, and checks again. Nothing damaged is deleted: it is in
//! the quarantine, whole, before anything takes its place. Each step is one of maintenance, so that a crash anywhere
//! leaves a store that opens with everything that was readable, once; a repair that stopped is done again.
//!
//! What is left alone: files that a writer is filling, files that the operating system does not let be read, files of
//! a newer format, and records of which two files say different things, since nobody can tell the right one.

mod doubled;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::budget::Budgets;
use crate::check::{self, Depth, Twice};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::format::footer::{Footer, Read};
use crate::format::header;
use crate::format::manifest::Place;
use crate::format::name::{ACTIVE_DIR, FileName, QUARANTINE_DIR, SEGMENTS_DIR};
use crate::gap::Gap;
use crate::io::OpenMode;
use crate::maintenance::{Guide, Maintenance, UpkeepStep, count_readable, was_cut};
use crate::manifest::rebuild::archived;
use crate::manifest::{FileEntry, State, read_header};
use crate::quarantine;
use crate::segment::sealed::read::{NotOpen, Segment};
use crate::segment::walk::{Frames, count_rows, settle};
use crate::slot;

/// What a repair did, or would do.
#[derive(Clone, Debug, Default)]
pub struct Repair {
    /// The steps, in order; none where nothing is damaged.
    pub steps: Vec<RepairStep>,
    /// Whether the steps were done.
    pub applied: bool,
    /// Damage that was found after the steps were done.
    pub left: Vec<Gap>,
    /// Records that are known to be lost, now and from before: see [`crate::CheckReport::lost`].
    pub lost: Vec<Gap>,
}

/// What a step of a repair does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepairKind {
    /// The manifest is made anew from what the files say.
    Rebuild,
    /// What can be read of a file becomes a segment in its place.
    Salvage,
    /// A file is not there: that its records are lost is noted.
    Note,
    /// A file is moved to the quarantine, and nothing takes its place.
    SetAside,
    /// Records go from a file, since other files hold them, too.
    Undouble,
    /// Counters of budgets are counted anew from the log.
    Recount,
    /// Nothing is done: see [`RepairStep::why`].
    Leave,
}

/// One step of a repair.
#[derive(Clone, Debug)]
pub struct RepairStep {
    /// What it does.
    pub kind: RepairKind,
    /// The file, relative to the store.
    pub file: String,
    /// What is wrong with it.
    pub damage: Vec<Gap>,
    /// Records of the file that can be read, where it holds records.
    pub kept: Option<u64>,
    /// Records of the file that are lost, where that can be told.
    pub lost: Option<u64>,
    /// Where the damaged file goes, relative to the store. In a plan its name has `TIME` where the time will be.
    pub aside: Option<String>,
    /// The file that takes its place; of a step that was only planned, none.
    pub output: Option<String>,
    /// Why nothing is done, or what follows from it.
    pub why: String,
}

/// What a step works on.
#[derive(Clone, Debug)]
enum Target {
    Manifest,
    Active(u32, u64),
    Segment(u64),
    /// A file that the manifest does not name, and whether nothing of what it held is known.
    Orphan(PathBuf, bool),
    /// A file that is replaced by nothing.
    Other(FileName),
    Counters,
    /// A file with records that others hold, too.
    Doubled,
    Nothing,
}

/// A step, and what it works on.
struct Planned {
    step: RepairStep,
    target: Target,
}

/// What would be done. Changes nothing.
pub(crate) fn plan(core: &Core) -> Result<Repair> {
    let (planned, lost) = look(core)?;
    Ok(Repair { steps: planned.into_iter().map(|planned| planned.step).collect(), lost, ..Repair::default() })
}

/// Does what a plan says.
pub(crate) fn apply(core: &Core, budgets: &Budgets) -> Result<Repair> {
    let cancel = AtomicBool::new(false);
    let guide = Guide::free(core, &cancel);
    let Some(mut maintenance) = Maintenance::hold(core, &guide, true)? else {
        return Err(Error::new(ErrorKind::Locked, "another process maintains the store").at(&core.dir));
    };
    let (mut planned, lost) = look(core)?;
    if planned.iter().all(|planned| planned.step.kind == RepairKind::Leave) {
        let left = planned.iter().flat_map(|planned| planned.step.damage.clone()).collect();
        let steps = planned.into_iter().map(|planned| planned.step).collect();
        return Ok(Repair { steps, applied: true, left, lost });
    }
    core.mend_manifest()?;
    set_orphans_aside(core, &mut maintenance, &mut planned, &lost)?;
    let mut moved = salvage_active(core, &mut maintenance, &mut planned)?;
    for planned in &mut planned {
        match planned.target.clone() {
            Target::Segment(id) => match maintenance.salvage(id)? {
                Ok(done) => {
                    let step = &mut planned.step;
                    (step.kept, step.lost) = (Some(done.kept), Some(done.lost));
                    (step.aside, step.output) = (done.aside, Some(done.output));
                }
                Err(gap) => leave(&mut planned.step, gap.what),
            },
            Target::Other(name) => {
                let path = name.path(&core.dir);
                planned.step.aside = Some(quarantine::set_aside(&*core.vfs, &core.dir, &path)?);
            }
            Target::Manifest if planned.step.aside.is_some() => {
                let name = FileName::Manifest.to_string();
                planned.step.aside = quarantine::newest(&*core.vfs, &core.dir, &name);
            }
            _ => {}
        }
    }
    let salvaged = planned.iter().filter(|planned| matches!(planned.target, Target::Segment(_)));
    moved.extend(salvaged.filter_map(|of| Some((of.step.file.clone(), of.step.output.clone()?))));
    doubled::apply(core, &mut maintenance, &mut planned, &moved)?;
    maintenance.tell_gone()?;
    // What was lost is in no counter any more.
    budgets.recount_used()?;
    let report = check::check(core, Depth::Rows)?;
    let steps = planned.into_iter().map(|planned| planned.step).collect();
    Ok(Repair { steps, applied: true, left: report.damage, lost: report.lost })
}

/// Files that the manifest does not name. What is lost with them is noted before they are moved.
fn set_orphans_aside(
    core: &Core,
    maintenance: &mut Maintenance<'_>,
    planned: &mut [Planned],
    known: &[Gap],
) -> Result<()> {
    let unknown = planned.iter().filter(|planned| matches!(planned.target, Target::Orphan(_, true)));
    let gaps: Vec<Gap> =
        unknown.flat_map(|planned| planned.step.damage.clone()).filter(|gap| !known.contains(gap)).collect();
    if !gaps.is_empty() {
        maintenance.note_lost(gaps)?;
    }
    let state = core.manifest()?.state;
    let segments = state.segments.iter().map(|(&id, entry)| Place::Segment { id, day: entry.day });
    let known: BTreeSet<PathBuf> =
        segments.chain(state.waiting.keys().copied()).map(|place| place.file().path(&core.dir)).collect();
    for planned in planned {
        if let Target::Orphan(path, _) = &planned.target {
            // A manifest that was made anew names what could not be read for a moment.
            if known.contains(path) {
                leave(&mut planned.step, "it could not be read for a moment, and is the store's".into());
                continue;
            }
            planned.step.aside = Some(quarantine::set_aside(&*core.vfs, &core.dir, path)?);
        }
    }
    maintenance.sweep()
}

/// Active files become segments, damaged or not: those of a slot only go in their order. Says which became which.
fn salvage_active(
    core: &Core,
    maintenance: &mut Maintenance<'_>,
    planned: &mut [Planned],
) -> Result<Vec<(String, String)>> {
    let files: BTreeSet<(u32, u64)> = planned
        .iter()
        .filter_map(|planned| match planned.target {
            Target::Active(slot, number) => Some((slot, number)),
            _ => None,
        })
        .collect();
    if files.is_empty() && !doubled::has_active(planned) {
        return Ok(Vec::new());
    }
    let steps = maintenance.salvage_active(files)?;
    let state = core.manifest()?.state;
    for planned in planned {
        let Target::Active(slot, number) = planned.target else { continue };
        let name = FileName::Active { slot, number };
        let into = steps.iter().find(|step| step.inputs.contains(&name.relative()));
        planned.step.output = into.and_then(|step| step.outputs.first().cloned());
        planned.step.aside = quarantine::newest(&*core.vfs, &core.dir, &name.to_string());
        if state.has(Place::Active { slot, number }) {
            leave(&mut planned.step, "a writer took it up meanwhile: repair again when it has closed".into());
        }
    }
    let each = |step: &UpkeepStep| {
        let into = step.outputs.first().cloned();
        step.inputs.iter().filter_map(|file| Some((file.clone(), into.clone()?))).collect::<Vec<_>>()
    };
    Ok(steps.iter().flat_map(each).collect())
}

fn leave(step: &mut RepairStep, why: String) {
    (step.kind, step.why, step.aside, step.output) = (RepairKind::Leave, why, None, None);
}

/// Checks, and says for each damaged file what is to be done; with what is known to be lost.
fn look(core: &Core) -> Result<(Vec<Planned>, Vec<Gap>)> {
    let examined = check::examine(core, Depth::Rows)?;
    let state = core.manifest()?.state;
    let mut order: Vec<String> = Vec::new();
    let mut damage: BTreeMap<String, Vec<Gap>> = BTreeMap::new();
    let doubled = &examined.doubled;
    let is_doubled = |gap: &Gap| doubled.gaps.iter().any(|twice: &Twice| twice.gap == *gap);
    for gap in examined.report.damage.into_iter().filter(|gap| !is_doubled(gap)) {
        if !damage.contains_key(&gap.file) {
            order.push(gap.file.clone());
        }
        damage.entry(gap.file.clone()).or_default().push(gap);
    }
    let look = Look { core, state: &state };
    let mut planned = Vec::new();
    for file in order {
        let gaps = damage.remove(&file).unwrap_or_default();
        planned.push(look.plan(file, gaps));
    }
    doubled::plan(core, &state, doubled, &mut planned)?;
    look.orphans(&mut planned)?;
    Ok((planned, examined.report.lost))
}

/// Looks at one state of the store.
struct Look<'c> {
    core: &'c Core,
    state: &'c State,
}

impl Look<'_> {
    fn plan(&self, file: String, damage: Vec<Gap>) -> Planned {
        let step = RepairStep {
            kind: RepairKind::Leave,
            aside: None,
            damage,
            kept: None,
            lost: None,
            output: None,
            why: String::new(),
            file,
        };
        let active = self.state.files.iter().find(|((slot, number), _)| {
            step.file == FileName::Active { slot: *slot, number: *number }.relative()
        });
        if let Some((&(slot, number), entry)) = active {
            return self.plan_active(step, (slot, number), entry);
        }
        let place = |(id, day)| Place::Segment { id, day };
        let mut segments = self.state.segments.iter().map(|(&id, entry)| (id, entry.day));
        if let Some((id, day)) = segments.find(|&segment| step.file == place(segment).file().relative()) {
            return self.plan_segment(step, id, place((id, day)));
        }
        if step.file == FileName::Manifest.relative() {
            let there = self.core.vfs.stat(&FileName::Manifest.path(&self.core.dir)).is_ok();
            let aside = there.then(|| aside(FileName::Manifest));
            return todo(RepairStep { aside, ..step }, RepairKind::Rebuild, Target::Manifest);
        }
        let says = |name: FileName| (step.file == name.relative()).then_some(name);
        if let Some(name) = says(FileName::BudgetDefinitions) {
            let why =
                "the budgets `hourly` and `daily` are what they are by default, until others are defined";
            let step = RepairStep { aside: Some(aside(name)), why: why.into(), ..step };
            return todo(step, RepairKind::SetAside, Target::Other(name));
        }
        if let Some(name) = says(FileName::Outbox) {
            let why = "alerts of the last day are delivered once more";
            let step = RepairStep { aside: Some(aside(name)), why: why.into(), ..step };
            return todo(step, RepairKind::SetAside, Target::Other(name));
        }
        if says(FileName::BudgetTable).is_some() {
            return todo(step, RepairKind::Recount, Target::Counters);
        }
        left(step, "it is no file that a repair knows".into())
    }

    fn plan_active(&self, mut step: RepairStep, file: (u32, u64), entry: &FileEntry) -> Planned {
        let (slot, number) = file;
        let name = FileName::Active { slot, number };
        let path = name.path(&self.core.dir);
        if self.state.is_last(slot, number) && slot::is_live(&*self.core.vfs, &self.core.dir, slot) {
            return left(step, "a writer is filling it: repair again when it has closed".into());
        }
        let opened = self.core.vfs.open(&path, OpenMode::Read);
        let map = match opened.and_then(|file| file.map_read()) {
            Ok(map) => map,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                step.kept = Some(0);
                step.lost = entry.done.map(|done| done.records).filter(|records| 0 < *records);
                return todo(step, RepairKind::Note, Target::Active(slot, number));
            }
            Err(error) => return left(step, unreadable(&error)),
        };
        if let Ok(header::Read::Newer { .. }) = read_header(&*self.core.vfs, &path) {
            return left(step, "a newer logq made it".into());
        }
        let promise = match entry.done {
            Some(done) if entry.cap == u64::MAX => done.promise,
            _ => header::SIZE,
        };
        let frames = Frames { bytes: map.bytes(), salt: entry.salt, cap: entry.cap };
        let settled = settle(frames, header::SIZE, promise, Some(entry.first_sequence));
        let (mut kept, mut lost) = (0, Some(0_u64));
        for frame in &settled.frames {
            match count_rows(frame, map.bytes()) {
                Some(rows) => kept += rows,
                None => lost = lost.map(|lost| lost + u64::from(frame.header.count)),
            }
        }
        for hole in &settled.gaps {
            let count = hole.sequences.as_ref().map(|run| run.end.saturating_sub(run.start));
            // Behind the last frame that reads nobody says how many there were.
            lost = lost.zip(count.filter(|count| 0 < *count)).map(|(lost, count)| lost.saturating_add(count));
        }
        if settled.gaps.is_empty() && was_cut(&settled, entry, map.bytes().len() as u64) {
            lost = None;
        }
        (step.kept, step.lost, step.aside) = (Some(kept), lost, Some(aside(name)));
        todo(step, RepairKind::Salvage, Target::Active(slot, number))
    }

    fn plan_segment(&self, mut step: RepairStep, id: u64, place: Place) -> Planned {
        let core = self.core;
        let records = self.state.segments.get(&id).map_or(0, |entry| entry.records);
        match Segment::open(&*core.vfs, &core.dir, self.state.store, place) {
            Ok(segment) => match count_readable(&segment) {
                Ok(kept) => (step.kept, step.lost) = (Some(kept), Some(records.saturating_sub(kept))),
                Err(gap) => return left(step, gap.what),
            },
            Err(NotOpen::Damaged(_)) if self.is_newer(place) => {
                return left(step, "a newer logq made it".into());
            }
            Err(NotOpen::Damaged(_)) => (step.kept, step.lost) = (Some(0), Some(records)),
            Err(NotOpen::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                (step.kept, step.lost) = (Some(0), Some(records));
                return todo(step, RepairKind::Note, Target::Segment(id));
            }
            Err(NotOpen::Io(error)) => return left(step, unreadable(&error)),
        }
        step.aside = Some(aside(place.file()));
        todo(step, RepairKind::Salvage, Target::Segment(id))
    }

    fn is_newer(&self, place: Place) -> bool {
        let path = place.file().path(&self.core.dir);
        let map = self.core.vfs.open(&path, OpenMode::Read).and_then(|file| file.map_read());
        map.is_ok_and(|map| matches!(Footer::read(map.bytes()), Read::Newer { .. }))
    }

    /// Files that the manifest does not name and that no unfinished step explains.
    fn orphans(&self, planned: &mut Vec<Planned>) -> Result<()> {
        let core = self.core;
        let folder = core.dir.join(SEGMENTS_DIR);
        let named =
            |name: &String| matches!(FileName::parse_segment(name, None), Some(FileName::Segment { .. }));
        let mut paths: Vec<PathBuf> =
            list(core, &folder)?.iter().filter(|name| named(name)).map(|name| folder.join(name)).collect();
        let is_segment = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "seg");
        paths.extend(archived(&*core.vfs, &core.dir)?.into_iter().filter(is_segment));
        let segments = self.state.segments.iter().map(|(&id, entry)| Place::Segment { id, day: entry.day });
        let places = segments.chain(self.state.waiting.keys().copied());
        let known: BTreeSet<PathBuf> = places.map(|place| place.file().path(&core.dir)).collect();
        for path in paths.into_iter().filter(|path| !known.contains(path)) {
            let map = core.vfs.open(&path, OpenMode::Read).and_then(|file| file.map_read());
            // What vanishes or cannot be read is left to the next look.
            let Ok(map) = map else { continue };
            let reads = match Footer::read(map.bytes()) {
                Read::Newer { .. } => continue,
                Read::Damaged => false,
                Read::Footer { footer, .. } => {
                    let replaced = &footer.replaced;
                    let unfinished = footer.store == self.state.store
                        && !replaced.is_empty()
                        && replaced.iter().all(|(place, _)| self.state.has(*place));
                    if unfinished {
                        continue;
                    }
                    true
                }
            };
            let what = match reads {
                true => "a segment that the manifest does not name, and that no step explains",
                false => "a segment that the manifest does not name, and whose footer is damaged",
            };
            planned.push(self.orphan(path, map.bytes().len() as u64, what, !reads));
        }
        self.active_orphans(planned)
    }

    /// Active files with a damaged head that only a lost manifest could have explained.
    fn active_orphans(&self, planned: &mut Vec<Planned>) -> Result<()> {
        let core = self.core;
        let folder = core.dir.join(ACTIVE_DIR);
        for name in list(core, &folder)? {
            let Some(FileName::Active { slot, number }) = FileName::parse_active(&name) else { continue };
            let place = Place::Active { slot, number };
            let known = self.state.has(place) || self.state.waiting.contains_key(&place);
            if known
                || number <= self.state.slot_end(slot).number
                || slot::is_live(&*core.vfs, &core.dir, slot)
            {
                continue;
            }
            let path = folder.join(&name);
            let map = core.vfs.open(&path, OpenMode::Read).and_then(|file| file.map_read());
            let (Ok(map), Ok(header::Read::Damaged)) = (map, read_header(&*core.vfs, &path)) else {
                continue;
            };
            let start = usize::try_from(header::SIZE).unwrap_or(usize::MAX);
            // A file that was only begun when the power failed holds nothing behind its head.
            if map.bytes().get(start..).is_some_and(|rest| rest.iter().any(|byte| *byte != 0)) {
                let what = "an active file that the manifest does not name, and whose head is damaged";
                planned.push(self.orphan(path, map.bytes().len() as u64, what, true));
            }
        }
        Ok(())
    }

    fn orphan(&self, path: PathBuf, len: u64, what: &str, unknown: bool) -> Planned {
        let relative = path.strip_prefix(&self.core.dir).unwrap_or(&path).to_string_lossy().into_owned();
        let gap = Gap { file: relative.clone(), offset: 0, len, records: None, what: what.into() };
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let step = RepairStep {
            kind: RepairKind::SetAside,
            file: relative,
            damage: vec![gap],
            kept: None,
            lost: None,
            aside: Some(format!("{QUARANTINE_DIR}/{}", quarantine::dated(&name, "TIME"))),
            output: None,
            why: String::new(),
        };
        Planned { step, target: Target::Orphan(path, unknown) }
    }
}

fn todo(step: RepairStep, kind: RepairKind, target: Target) -> Planned {
    Planned { step: RepairStep { kind, ..step }, target }
}

fn left(mut step: RepairStep, why: String) -> Planned {
    leave(&mut step, why);
    Planned { step, target: Target::Nothing }
}

fn unreadable(error: &std::io::Error) -> String {
    format!("the operating system does not let it be read ({error}), which may be no damage")
}

/// Where a file will go.
fn aside(name: FileName) -> String {
    format!("{QUARANTINE_DIR}/{}", quarantine::dated(&name.to_string(), "TIME"))
}

/// The names in a folder; none when there is no such folder.
fn list(core: &Core, folder: &std::path::Path) -> Result<Vec<String>> {
    match core.vfs.list(folder) {
        Ok(names) => Ok(names),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("a folder of the store cannot be read", folder, error)),
    }
}
