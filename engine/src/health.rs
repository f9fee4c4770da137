//! Health: the state of a store in numbers, from what it says of itself. Nothing is verified and no record is read: that is what
//! [`crate::Store::check`] does.

use std::path::Path;
use std::time::Duration;

use crate::core::Core;
use crate::error::{Error, Result};
use crate::format::manifest::Place;
use crate::format::name::{ACTIVE_DIR, FileName, QUARANTINE_DIR, SEGMENTS_DIR};
use crate::gap::Gap;
use crate::io::Space;
use crate::maintenance::{self, Held};
use crate::manifest::State;
use crate::manifest::rebuild::archived;
use crate::slot;
use crate::snapshot::{Cache, Snapshot};
use crate::storage::{FileState, FileStorage};

/// Growth is measured over this long.
const GROWTH_SPAN: i64 = 7 * 86_400_000_000_000;
/// A store younger than this is measured as if it were as old.
const GROWTH_SPAN_MIN: i64 = 3_600_000_000_000;

/// Files of one kind, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// How many files.
    pub files: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes that the records took as rows.
    pub raw: u64,
    /// Bytes of the files.
    pub stored: u64,
    /// Bytes of them that are index.
    pub index: u64,
}

/// The state of a store.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Files that are appended to or wait to be sealed.
    pub active: Files,
    /// Sealed segments.
    pub sealed: Files,
    /// Segments of the archive.
    pub archived: Files,
    /// Writers that are open at this moment, of all processes.
    pub writers: u64,
    /// Files that were replaced and wait for readers that may still open them.
    pub waiting: Files,
    /// Files in the quarantine: damaged pieces that were set aside.
    pub quarantine: Files,
    /// Files that the manifest does not explain: a step that did not end left them, or somebody put them there. The next
    /// round of maintenance takes away the former and sets the latter aside.
    pub orphans: Vec<String>,
    /// Damage that is known without looking for it.
    pub gaps: Vec<Gap>,
    /// Records that are known to be lost: see [`crate::CheckReport::lost`].
    pub lost: Vec<Gap>,
    /// The latest event time, nanoseconds since 1970.
    pub newest: Option<i64>,
    /// The earliest event time.
    pub oldest: Option<i64>,
    /// The earliest event time that is not sealed yet.
    pub unsealed_since: Option<i64>,
    /// The latest arrival that is known to be on disk: records that arrived later may be lost when the machine stops. A record
    /// counts once a later frame of its file, or its sealing, says that it was synced, so this is a lower bound.
    pub synced_until: Option<i64>,
    /// The latest arrival of all.
    pub arrived_max: Option<i64>,
    /// Bytes of files that came within the last 7 days, a day; of a younger store since its first event.
    pub growth_per_day: u64,
    /// The disk, where the operating system says.
    pub space: Option<Space>,
    /// Unsealed bytes at which writers wait: [`crate::Options::unsealed_max`].
    pub unsealed_max: u64,
    /// [`crate::Options::archive_after`]
    pub archive_after: Option<Duration>,
    /// [`crate::Options::retain_for`]
    pub retain_for: Option<Duration>,
    /// Deletions by age that wait, since the clock of the machine is far ahead of what the store knows.
    pub held: Option<Held>,
}

/// Looks at the store; `now` is the clock that growth is measured by.
pub(crate) fn health(core: &Core, cache: &Cache, now: i64) -> Result<Health> {
    let snapshot = Snapshot::take(core, cache)?;
    let state = core.manifest()?.state;
    let files = snapshot.file_sizes();
    let lost = snapshot.lost();
    let mut gaps = snapshot.gaps();
    gaps.retain(|gap| !lost.contains(gap));
    let mut health = Health {
        writers: writers(core, &state),
        orphans: orphans(core, &state)?,
        gaps,
        lost,
        newest: files.iter().map(|file| file.time_max).max(),
        oldest: files.iter().map(|file| file.time_min).min(),
        unsealed_since: unsealed_since(&files),
        synced_until: snapshot.arrivals().0,
        arrived_max: snapshot.arrivals().1,
        growth_per_day: growth(&files, now),
        space: core.vfs.space(&core.dir).ok(),
        unsealed_max: core.settings().unsealed_max,
        archive_after: core.settings().archive_after,
        retain_for: core.settings().retain_for,
        held: maintenance::held(core, &state, core.vfs.now()),
        ..Health::default()
    };
    for file in &files {
        let sum = match file.state {
            FileState::Active => &mut health.active,
            FileState::Sealed => &mut health.sealed,
            FileState::Archived => &mut health.archived,
        };
        sum.files += 1;
        sum.records = sum.records.saturating_add(file.records);
        sum.raw = sum.raw.saturating_add(file.raw);
        sum.stored = sum.stored.saturating_add(file.stored);
        sum.index = sum.index.saturating_add(file.index);
    }
    for place in state.waiting.keys() {
        add(core, &place.file().path(&core.dir), &mut health.waiting);
    }
    let quarantine = core.dir.join(QUARANTINE_DIR);
    for name in list(core, &quarantine)? {
        add(core, &quarantine.join(name), &mut health.quarantine);
    }
    Ok(health)
}

fn add(core: &Core, path: &Path, sum: &mut Files) {
    // A file may go at any moment: then it is not there, and not counted.
    if let Ok(stat) = core.vfs.stat(path) {
        sum.files += 1;
        sum.stored = sum.stored.saturating_add(stat.size);
    }
}

/// The names in a folder that need not be there.
fn list(core: &Core, folder: &Path) -> Result<Vec<String>> {
    match core.vfs.list(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result.map_err(|error| Error::io("a folder of the store cannot be read", folder, error)),
    }
}

fn writers(core: &Core, state: &State) -> u64 {
    let mut slots: Vec<u32> =
        state.files.keys().map(|(slot, _)| *slot).chain(state.slots.keys().copied()).collect();
    slots.sort_unstable();
    slots.dedup();
    slots.into_iter().filter(|slot| slot::is_live(&*core.vfs, &core.dir, *slot)).count() as u64
}

/// Files that look like the store's and that the manifest does not know.
fn orphans(core: &Core, state: &State) -> Result<Vec<String>> {
    let mut orphans = Vec::new();
    let segments = core.dir.join(SEGMENTS_DIR);
    for name in list(core, &segments)? {
        let known = match FileName::parse_segment(&name, None) {
            Some(FileName::Segment { id, .. }) => {
                state.has(Place::Segment { id, day: None }) || waits(state, id)
            }
            Some(FileName::Tombstone { id }) => waits(state, id),
            _ => false,
        };
        if !known {
            orphans.push(format!("{SEGMENTS_DIR}/{name}"));
        }
    }
    for path in archived(&*core.vfs, &core.dir)? {
        let lies_here = |place: &Place| place.file().path(&core.dir) == path;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        let entry =
            stem.and_then(|id| state.segments.get(&id).map(|entry| Place::Segment { id, day: entry.day }));
        if !entry.as_ref().is_some_and(lies_here) && !state.waiting.keys().any(lies_here) {
            orphans.push(path.strip_prefix(&core.dir).unwrap_or(&path).display().to_string());
        }
    }
    let active = core.dir.join(ACTIVE_DIR);
    for name in list(core, &active)? {
        let Some(FileName::Active { slot, number }) = FileName::parse_active(&name) else { continue };
        let place = Place::Active { slot, number };
        // A file that is yet to get its first record is made before the manifest names it.
        let coming =
            state.slot_end(slot).number.max(state.last_file(slot).map_or(0, |(last, _)| last)) < number;
        if !coming && !state.has(place) && !state.waiting.contains_key(&place) {
            orphans.push(format!("{ACTIVE_DIR}/{name}"));
        }
    }
    Ok(orphans)
}

fn waits(state: &State, id: u64) -> bool {
    state.waiting.keys().any(|place| matches!(place, Place::Segment { id: other, .. } if *other == id))
}

fn unsealed_since(files: &[FileStorage]) -> Option<i64> {
    files.iter().filter(|file| file.state == FileState::Active).map(|file| file.time_min).min()
}

/// Bytes a day of what arrived lately.
fn growth(files: &[FileStorage], now: i64) -> u64 {
    let Some(first) = files.iter().map(|file| file.time_min).min() else { return 0 };
    let span = now.saturating_sub(first).clamp(GROWTH_SPAN_MIN, GROWTH_SPAN);
    let since = now.saturating_sub(span);
    let recent = files.iter().filter(|file| since <= file.arrived_max);
    let bytes: u128 = recent.map(|file| u128::from(file.stored)).sum();
    let day = 86_400_000_000_000_u128;
    u64::try_from(bytes * day / u128::from(span.unsigned_abs())).unwrap_or(u64::MAX)
}
