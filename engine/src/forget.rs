//! Forgetting: events that match are removed, exactly, from everything that the store keeps of them.
//!
//! What can be sealed is sealed first. Then each segment with a match is made anew from its other rows: columns,
//! dictionaries, templates, bounds and index hold nothing but what rows have, so nothing of a removed row is in the
//! new file. It takes the place of the old one in one edit of the manifest, and the old one is unlinked at once: a
//! reader that was about to open it begins anew, one that has it open reads to its end. The footer says which ids were
//! removed. At the end the store is asked again, every row decoded and no index used, and dictionaries, templates, shared
//! texts, rollups and indexes are searched for words of the predicate that no row says. Counters of budgets are counted anew.
//!
//! A crash in between leaves segments that are done and segments that are not: do it again.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use crate::budget::{About, DATA, KIND};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::format::frame::SourceId;
use crate::format::manifest::Place;
use crate::format::name::{FileName, IMPORTS_DIR, QUARANTINE_DIR};
use crate::gap::Gap;
use crate::io::OpenMode;
use crate::maintenance::{Guide, Maintenance, Removal, Removed};
use crate::predicate::{Comparison, Literal, Predicate, Test};
use crate::record_id::RecordId;
use crate::scan::{Part, Scan, TimeRange};
use crate::segment::sealed::residue::{self, Words};
use crate::snapshot::{Cache, Snapshot};
use crate::value::Value;

/// Which events are to be removed.
#[derive(Clone, Debug)]
pub struct Forget {
    /// Only events of this time.
    pub range: TimeRange,
    /// Only events that match.
    pub predicate: Predicate,
    /// Forget that this source was imported, too: its bytes can be imported again.
    pub import: Option<SourceId>,
}

/// What was removed, or would be.
#[derive(Clone, Debug, Default)]
pub struct Forgotten {
    /// The files with such events, by name, and how many each has.
    pub files: Vec<(String, u64)>,
    /// Such events in sealed files, or in files that can be sealed: they go.
    pub events: u64,
    /// Such events in files that writers are filling. They stay until the file is full or as old as `seal_after`, or
    /// its writer closes; then it takes another round.
    pub unsealed: u64,
    /// Files in `quarantine/` and `imports/` with a word that the predicate asks for. What lies there are damaged
    /// pieces and lines that were refused, no events: nobody but a person can tell whom they are about. Paths are
    /// relative to the store.
    pub set_aside: Vec<String>,
    /// Segments that cannot be read whole. They stay as they are.
    pub damage: Vec<Gap>,
    /// Budgets that are defined only for a value that is asked for, or named after it. They are settings, and stay: nobody but a person can
    /// tell whether a limit may go.
    pub budgets: Vec<String>,
    /// Whether somebody ended the removal: what these files had is gone, and the rest is still there, or it was not proved that
    /// nothing is.
    pub cancelled: bool,
    /// Bytes of the files that were replaced.
    pub bytes_before: u64,
    /// Bytes of those that took their place.
    pub bytes_after: u64,
}

impl Forget {
    /// All records of one import, and that it was imported.
    #[must_use]
    pub fn import(source: SourceId) -> Self {
        let is = Test::Compare(Comparison::Eq, Literal::Text(source.to_string()));
        Self { range: TimeRange::default(), predicate: Predicate::field("_import", is), import: Some(source) }
    }

    fn scan(&self) -> Scan {
        // No index: what a damaged one does not find would stay.
        Scan { range: self.range, predicate: self.predicate.clone(), index: false, ..Scan::default() }
    }
}

/// What would be removed. Changes nothing.
pub(crate) fn plan(core: &Core, cache: &Cache, forget: &Forget, guide: &Guide<'_>) -> Result<Forgotten> {
    let snapshot = Snapshot::take(core, cache)?;
    let state = core.manifest()?.state;
    let scan = forget.scan();
    let mut found = Forgotten { set_aside: set_aside(core, forget)?, ..Forgotten::default() };
    let mut counts: BTreeMap<(u32, u64), u64> = BTreeMap::new();
    let parts = snapshot.parts(&scan)?;
    let sizes = Sizes::of(&snapshot, &parts);
    for part in &parts {
        let mut count = 0;
        if !sizes.read(part, guide, &mut |_| count += 1)? {
            return Ok(Forgotten { cancelled: true, ..found });
        }
        *counts.entry(part.file()).or_default() += count;
    }
    if let Some(about) = about(core, &forget.predicate, forget.range)? {
        found.budgets = about.definitions();
        for (file, ids) in told(&snapshot, &about)? {
            *counts.entry(file).or_default() += ids.len() as u64;
        }
    }
    for ((slot, number), count) in counts.into_iter().filter(|(_, count)| *count != 0) {
        let place = match state.segments.get(&number).filter(|_| slot == u32::MAX) {
            Some(entry) => {
                found.bytes_before += entry.size;
                Place::Segment { id: number, day: entry.day }
            }
            None => Place::Active { slot, number },
        };
        found.files.push((place.file().relative(), count));
        let filled = matches!(place, Place::Active { .. })
            && state.is_last(slot, number)
            && crate::slot::is_live(&*core.vfs, &core.dir, slot);
        *(if filled { &mut found.unsealed } else { &mut found.events }) += count;
    }
    found.damage = snapshot.gaps();
    Ok(found)
}

/// Removes what matches.
pub(crate) fn apply(core: &Core, cache: &Cache, forget: &Forget, guide: &Guide<'_>) -> Result<Forgotten> {
    let Some(mut maintenance) = Maintenance::begin(core, guide, true)? else {
        return Err(Error::new(ErrorKind::Locked, "another process maintains the store").at(&core.dir));
    };
    maintenance.seal_all()?;
    let mut done = Forgotten { set_aside: set_aside(core, forget)?, ..Forgotten::default() };
    let scan = forget.scan();
    let snapshot = Snapshot::take(core, cache)?;
    let mut by_file: BTreeMap<(u32, u64), Vec<Part<'_>>> = BTreeMap::new();
    let parts = snapshot.parts(&scan)?;
    let sizes = Sizes::of(&snapshot, &parts);
    for part in parts {
        by_file.entry(part.file()).or_default().push(part);
    }
    let mut told_of = BTreeMap::new();
    if let Some(about) = about(core, &forget.predicate, forget.range)? {
        done.budgets = about.definitions();
        told_of = told(&snapshot, &about)?;
    }
    for segment in &snapshot.segments {
        let parts = by_file.remove(&(u32::MAX, segment.footer.id)).unwrap_or_default();
        let noted = |source| segment.footer.imports.iter().any(|progress| progress.source == source);
        let mut rows = told_of.remove(&(u32::MAX, segment.footer.id)).unwrap_or_default();
        for part in parts {
            let reads = sizes.read(&part, guide, &mut |id| {
                rows.insert(id);
            })?;
            done.cancelled |= !reads;
        }
        if done.cancelled {
            break;
        }
        if rows.is_empty() && !forget.import.is_some_and(noted) {
            continue;
        }
        let file = segment.footer.place().file().relative();
        let removal = Removal { rows: &rows, import: forget.import, bodies: false, noted: true };
        match maintenance.remove(segment.footer.id, removal)? {
            Removed::Done(_, bytes) => {
                done.bytes_before += segment.size();
                done.bytes_after += bytes;
                done.events += rows.len() as u64;
                done.files.push((file, rows.len() as u64));
            }
            Removed::Damaged(gap) => done.damage.push(gap),
            Removed::Cancelled => {
                done.cancelled = true;
                break;
            }
        }
    }
    // Segments that a removal which was ended did not come to are no files that writers fill.
    by_file.retain(|(slot, _), _| *slot != u32::MAX);
    told_of.retain(|(slot, _), _| *slot != u32::MAX);
    for file in told_of.keys() {
        by_file.entry(*file).or_default();
    }
    for ((slot, number), parts) in by_file {
        let mut count = told_of.remove(&(slot, number)).map_or(0, |ids| ids.len() as u64);
        for part in parts {
            matches(&part, &mut |_| count += 1)?;
        }
        if count != 0 {
            done.files.push((FileName::Active { slot, number }.relative(), count));
            done.unsealed += count;
        }
    }
    drop(snapshot);
    if done.cancelled {
        maintenance.unlink_all()?;
        return Ok(done);
    }
    if let Some(source) = forget.import {
        maintenance.forget_import(source)?;
    }
    maintenance.unlink_all()?;
    // Nobody seals new matches meanwhile: maintenance is still held.
    done.cancelled = !prove(core, &scan, forget, &done, guide)?;
    Ok(done)
}

/// How much is read with each part of a sealed file: its share of it.
struct Sizes(BTreeMap<(u32, u64), u64>);

impl Sizes {
    fn of(snapshot: &Snapshot, parts: &[Part<'_>]) -> Self {
        let mut counts: BTreeMap<(u32, u64), u64> = BTreeMap::new();
        parts.iter().for_each(|part| *counts.entry(part.file()).or_default() += 1);
        let segments =
            snapshot.segments.iter().map(|segment| ((u32::MAX, segment.footer.id), segment.size()));
        Self(segments.filter_map(|(file, size)| Some((file, size / counts.get(&file)?))).collect())
    }

    /// Shows the ids of the rows that match, and rests as long as the guide asks for. `false` when it is to end; not all may
    /// have been shown then.
    fn read(&self, part: &Part<'_>, guide: &Guide<'_>, visit: &mut dyn FnMut(RecordId)) -> Result<bool> {
        if guide.is_cancelled() {
            return Ok(false);
        }
        matches(part, visit)?;
        Ok(guide.goes_on(self.0.get(&part.file()).copied().unwrap_or(0)))
    }
}

/// Asks again: what is sealed and readable has no match any more, and keeps no word of the predicate that no row says.
/// `false` when it was to end before.
fn prove(core: &Core, scan: &Scan, forget: &Forget, done: &Forgotten, guide: &Guide<'_>) -> Result<bool> {
    let snapshot = Snapshot::take(core, &Cache::default())?;
    let mut words = Vec::new();
    asked(&forget.predicate, &mut words);
    if let Some(words) = Words::new(&words) {
        for segment in &snapshot.segments {
            if !guide.goes_on(segment.size()) {
                return Ok(false);
            }
            // What is damaged was said, and stays.
            let Ok(left) = residue::find(segment, &words) else { continue };
            if let Some((word, place)) = left.first() {
                let file = segment.footer.place().file().path(&core.dir);
                let what = format!("no record says `{word}` any more, and {place} keeps it");
                return Err(Error::new(ErrorKind::Corrupt, what).at(&file));
            }
        }
    }
    if let Some(about) = about(core, &forget.predicate, forget.range)?
        && done.damage.is_empty()
        && let Some((_, id)) = told(&snapshot, &about)?.keys().find(|(slot, _)| *slot == u32::MAX)
    {
        let what = format!("a record of a budget is about what was forgotten, and still in segment {id}");
        return Err(Error::new(ErrorKind::Corrupt, what).at(&core.dir));
    }
    let parts = snapshot.parts(scan)?;
    let sizes = Sizes::of(&snapshot, &parts);
    for part in parts {
        let (slot, id) = part.file();
        let mut left = None;
        if !sizes.read(&part, guide, &mut |found| left = Some(found))? {
            return Ok(false);
        }
        if let Some(left) = left.filter(|_| slot == u32::MAX && done.damage.is_empty()) {
            let what = format!("record {left} matches and is still in segment {id}");
            return Err(Error::new(ErrorKind::Corrupt, what).at(&core.dir));
        }
    }
    Ok(true)
}

/// What budgets know of the values that are asked for, if all records with them are to go and no other condition stands beside.
fn about<'p>(core: &Core, predicate: &'p Predicate, range: TimeRange) -> Result<Option<About<'p>>> {
    let text = |literal: &'p Literal| match literal {
        Literal::Text(text) | Literal::Number(text) => Some(text.as_str()),
        _ => None,
    };
    let (field, values) = match predicate {
        Predicate::And(parts) | Predicate::Or(parts) if parts.len() == 1 => {
            return parts.first().map_or(Ok(None), |only| about(core, only, range));
        }
        Predicate::Field { name, test: Test::Compare(Comparison::Eq, value) } => (name, vec![text(value)]),
        Predicate::Field { name, test: Test::In(values) } => (name, values.iter().map(text).collect()),
        _ => return Ok(None),
    };
    if range != TimeRange::default() {
        return Ok(None);
    }
    About::new(core, field, values.into_iter().flatten().collect()).map(Some)
}

/// Records of budgets about these values, by file.
fn told(snapshot: &Snapshot, about: &About<'_>) -> Result<BTreeMap<(u32, u64), HashSet<RecordId>>> {
    let predicate = Predicate::field(KIND, Test::Exists);
    let scan = Scan { predicate, columns: vec![DATA.to_owned()], index: false, ..Scan::default() };
    let mut found: BTreeMap<(u32, u64), HashSet<RecordId>> = BTreeMap::new();
    for part in snapshot.parts(&scan)? {
        part.scan(&mut |batch| {
            for (row, data) in batch.column(0).iter().enumerate() {
                if let Some(Value::Str(data)) = data
                    && about.is_in(data)
                {
                    found.entry(part.file()).or_default().insert(batch.id(row));
                }
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(found)
}

/// Shows the ids of the rows that match.
fn matches(part: &Part<'_>, visit: &mut dyn FnMut(RecordId)) -> Result<()> {
    part.scan(&mut |batch| {
        (0..batch.len()).for_each(|row| visit(batch.id(row)));
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// Files that were set aside and hold one of the words that the predicate asks for, whatever their case.
fn set_aside(core: &Core, forget: &Forget) -> Result<Vec<String>> {
    let mut words = Vec::new();
    asked(&forget.predicate, &mut words);
    let words: Vec<String> =
        words.iter().map(|word| word.to_lowercase()).filter(|word| !word.is_empty()).collect();
    let mut found = Vec::new();
    if words.is_empty() || forget.import.is_some() {
        return Ok(found);
    }
    for name in [QUARANTINE_DIR, IMPORTS_DIR] {
        let folder = core.dir.join(name);
        let mut names = match core.vfs.list(&folder) {
            Ok(names) => names,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("a folder of the store cannot be read", &folder, error)),
        };
        names.sort();
        for file in names {
            let path = folder.join(&file);
            let Ok(stat) = core.vfs.stat(&path) else { continue };
            if stat.size == 0 {
                continue;
            }
            let failed = |error| Error::io("a file that was set aside cannot be read", &path, error);
            let map =
                core.vfs.open(&path, OpenMode::Read).and_then(|file| file.map_read()).map_err(failed)?;
            let text = String::from_utf8_lossy(map.bytes()).to_lowercase();
            if words.iter().any(|word| text.contains(word.as_str())) {
                found.push(format!("{name}/{file}"));
            }
        }
    }
    Ok(found)
}

/// Deletes files that were set aside.
pub(crate) fn delete(core: &Core, files: &[String]) -> Result<usize> {
    core.check_writable()?;
    let mut deleted = 0;
    for file in files {
        let known = |folder: &&str| {
            let name = file.strip_prefix(*folder).and_then(|rest| rest.strip_prefix('/'));
            name.is_some_and(|name| !name.is_empty() && !name.contains('/') && name != "..")
        };
        let path = core.dir.join(file);
        let Some(folder) = [QUARANTINE_DIR, IMPORTS_DIR].into_iter().find(|folder| known(folder)) else {
            return Err(Error::new(ErrorKind::Invalid, "this is no file that was set aside").at(&path));
        };
        let failed = |error| Error::io("a file that was set aside cannot be deleted", &path, error);
        match core.vfs.remove(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            removed => removed.map_err(failed)?,
        }
        core.vfs.sync_dir(&core.dir.join(folder)).map_err(failed)?;
        deleted += 1;
    }
    Ok(deleted)
}

/// The words that a record must have for one of the tests to hold.
fn asked(predicate: &Predicate, words: &mut Vec<String>) {
    let mut literal = |literal: &Literal| {
        if let Literal::Text(text) | Literal::Number(text) = literal {
            words.push(text.clone());
        }
    };
    match predicate {
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().for_each(|part| asked(part, words)),
        Predicate::Field { test: Test::Compare(Comparison::Eq, value), .. } => literal(value),
        Predicate::Field { test: Test::In(values), .. } => values.iter().for_each(literal),
        Predicate::Field { test: Test::Text(test), .. } | Predicate::Any(test) => {
            words.extend(test.required_tokens());
        }
        Predicate::Field { .. } | Predicate::Not(_) | Predicate::All => {}
    }
}
