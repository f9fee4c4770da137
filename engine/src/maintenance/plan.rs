//! What maintenance does next: a pure function of what the manifest says, the options and the time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::format::manifest::{Place, SegmentEntry};
use crate::format::name::Day;
use crate::manifest::{FileEntry, State};
use crate::options::Options;

/// Bytes of active files that one step seals at most: what it has to have mapped at a time.
const SEAL_SIZE_MAX: u64 = 192 << 20;
/// Records of a segment that a seal or a merge makes, at most.
pub(super) const RECORDS_MAX: u64 = 1 << 20;
/// A segment with fewer records is small.
const SMALL_RECORDS: u64 = RECORDS_MAX / 4;
/// So many small segments are merged.
const MERGE_MIN: usize = 4;
/// A merge reads no more than this many segments at a time.
const MERGE_MAX: usize = 32;
/// In the background files are sealed when there is so much of them, so that segments become large.
const BACKGROUND_SIZE_MIN: u64 = 64 << 20;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Active files become one segment.
    Seal(Vec<(u32, u64)>),
    /// Small segments become one; those of one day of the archive, or of none.
    Merge(Vec<u64>),
    /// Segments become segments of the archive, one for each day.
    Roll(Vec<u64>),
    /// A segment is made anew without its prompts and responses.
    Bodies(u64),
    /// A segment is taken away for good, by this rule.
    Expire(u64, Rule),
}

/// A rule of retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// [`Options::retain_for`]
    Age,
    /// [`Options::retain_bytes`]
    Bytes,
    /// [`Options::keep_free_bytes`]
    Free,
}

/// How much is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// What a long-lived process does beside its work.
    Background,
    /// Sealing alone, of all that can be sealed.
    Seal,
    /// Everything.
    Full,
}

/// What there is to know besides the manifest and the options.
#[derive(Clone, Copy)]
pub(super) struct Facts<'f> {
    /// The clock of archiving and retention.
    pub(super) now: i64,
    /// Whether it may decide what is deleted.
    pub(super) by_age: bool,
    /// Segments that cannot be read or replaced.
    pub(super) skip: &'f [u64],
    /// Bytes that the disk lacks.
    pub(super) short: u64,
    /// Whether sealing was tried in vain.
    pub(super) unsealable: bool,
    /// Whether a segment has prompts or responses.
    pub(super) has_bodies: &'f dyn Fn(u64) -> bool,
}

/// The next step, if there is one.
pub(super) fn next(state: &State, options: &Options, extent: Extent, facts: &Facts<'_>) -> Option<Job> {
    if let Some(files) = sealable(state, extent).filter(|_| !facts.unsealable) {
        return Some(Job::Seal(files));
    }
    if extent == Extent::Seal {
        return None;
    }
    let first = |mut jobs: Vec<Job>| if jobs.is_empty() { None } else { Some(jobs.swap_remove(0)) };
    too_old(state, options, facts)
        .next()
        .or_else(|| first(too_much(state, options, facts, 1)))
        .or_else(|| with_bodies(state, options, facts).next())
        .or_else(|| first(rolls(state, options, facts, 1)))
        .or_else(|| first(merges(state, facts, 1)))
}

/// All steps that what is there now asks for, each of which takes its inputs away from the state.
pub(super) fn all(
    state: &mut State,
    options: &Options,
    extent: Extent,
    facts: &Facts<'_>,
    visit: &mut dyn FnMut(&Job, &State),
) {
    let mut take = |state: &mut State, jobs: Vec<Job>| {
        for job in jobs {
            visit(&job, state);
            job.inputs(state).into_iter().for_each(|place| state.forget(place));
        }
    };
    while let Some(files) = sealable(state, extent) {
        take(state, vec![Job::Seal(files)]);
    }
    if extent == Extent::Seal {
        return;
    }
    let jobs: Vec<Job> = too_old(state, options, facts).collect();
    let freed = jobs.iter().map(|job| job.size(state).1).fold(0, u64::saturating_add);
    take(state, jobs);
    let facts = &Facts { short: facts.short.saturating_sub(freed), ..*facts };
    let jobs = too_much(state, options, facts, usize::MAX);
    take(state, jobs);
    let jobs: Vec<Job> = with_bodies(state, options, facts).collect();
    take(state, jobs);
    let jobs = rolls(state, options, facts, usize::MAX);
    take(state, jobs);
    let jobs = merges(state, facts, usize::MAX);
    take(state, jobs);
}

/// Whether the youngest record of a segment arrived so long ago.
fn over(limit: Option<Duration>, entry: &SegmentEntry, now: i64) -> bool {
    let age = now.saturating_sub(entry.arrived_max);
    limit.is_some_and(|limit| i64::try_from(limit.as_nanos()).is_ok_and(|limit| limit <= age))
}

/// What goes by its age.
fn too_old<'a>(
    state: &'a State,
    options: &'a Options,
    facts: &'a Facts<'_>,
) -> impl Iterator<Item = Job> + 'a {
    let old = |(_, entry): &(&u64, &SegmentEntry)| facts.by_age && over(options.retain_for, entry, facts.now);
    state.segments.iter().filter(old).map(|(id, _)| Job::Expire(*id, Rule::Age))
}

/// What goes for room: what arrived first, until the store is small enough and the disk free enough; so many at most. Whole
/// segments go, so the last one stays: a store is not emptied for a few bytes too many.
fn too_much(state: &State, options: &Options, facts: &Facts<'_>, most: usize) -> Vec<Job> {
    let mut stored = options.retain_bytes.map_or(0, |_| stored(state));
    let limit = options.retain_bytes.unwrap_or(u64::MAX);
    let mut short = facts.short;
    let mut jobs = Vec::new();
    if stored <= limit && short == 0 {
        return jobs;
    }
    let mut first: Vec<(i64, u64, u64)> =
        state.segments.iter().map(|(id, entry)| (entry.arrived_max, *id, entry.size)).collect();
    first.sort_unstable();
    first.pop();
    for (_, id, size) in first.into_iter().take(most) {
        let rule = match (limit < stored, 0 < short) {
            (true, _) => Rule::Bytes,
            (false, true) => Rule::Free,
            (false, false) => break,
        };
        jobs.push(Job::Expire(id, rule));
        (stored, short) = (stored.saturating_sub(size), short.saturating_sub(size));
    }
    jobs
}

/// What is made anew without its prompts and responses.
fn with_bodies<'a>(
    state: &'a State,
    options: &'a Options,
    facts: &'a Facts<'_>,
) -> impl Iterator<Item = Job> + 'a {
    let old = |entry: &SegmentEntry| facts.by_age && over(options.retain_bodies_for, entry, facts.now);
    let old = usable(state, facts).filter(move |(_, entry)| old(entry));
    old.filter(|(id, _)| (facts.has_bodies)(*id)).map(|(id, _)| Job::Bodies(id))
}

/// What goes to the archive, in steps of the usual size; so many at most.
fn rolls(state: &State, options: &Options, facts: &Facts<'_>, most: usize) -> Vec<Job> {
    let old = |entry: &SegmentEntry| entry.day.is_none() && over(options.archive_after, entry, facts.now);
    let old = usable(state, facts).filter(|(_, entry)| old(entry));
    let list: Vec<(u64, u64)> = old.map(|(id, entry)| (id, entry.records)).collect();
    portions(&list).take(most).map(Job::Roll).collect()
}

/// Small segments of one day of the archive, or of none, that become one; so many steps at most.
fn merges(state: &State, facts: &Facts<'_>, most: usize) -> Vec<Job> {
    let mut small: BTreeMap<Option<Day>, Vec<(u64, u64)>> = BTreeMap::new();
    for (id, entry) in usable(state, facts).filter(|(_, entry)| entry.records < SMALL_RECORDS) {
        small.entry(entry.day).or_default().push((id, entry.records));
    }
    let mut jobs = Vec::new();
    for mut list in small.into_values() {
        list.sort_unstable_by_key(|(id, records)| (*records, *id));
        let merged = portions(&list).take_while(|ids| MERGE_MIN <= ids.len());
        jobs.extend(merged.take(most - jobs.len()).map(Job::Merge));
        if most <= jobs.len() {
            break;
        }
    }
    jobs
}

/// The segments that can be read.
fn usable<'a>(state: &'a State, facts: &'a Facts<'_>) -> impl Iterator<Item = (u64, &'a SegmentEntry)> {
    state.segments.iter().map(|(id, entry)| (*id, entry)).filter(|(id, _)| !facts.skip.contains(id))
}

/// Bytes of all files that the manifest knows the size of.
fn stored(state: &State) -> u64 {
    let active = state.files.values().filter_map(|entry| entry.done).map(|done| done.end);
    state.segments.values().map(|entry| entry.size).chain(active).fold(0, u64::saturating_add)
}

/// A list of segments and their records in portions that each make one segment of at most the usual size; one at least.
fn portions(mut list: &[(u64, u64)]) -> impl Iterator<Item = Vec<u64>> {
    std::iter::from_fn(move || {
        let mut total = 0_u64;
        let mut taken = 0;
        for (_, records) in list.iter().take(MERGE_MAX) {
            total = total.saturating_add(*records);
            if taken != 0 && RECORDS_MAX < total {
                break;
            }
            taken += 1;
        }
        let (portion, rest) = list.split_at_checked(taken).filter(|(portion, _)| !portion.is_empty())?;
        list = rest;
        Some(portion.iter().map(|(id, _)| *id).collect())
    })
}

/// Files that do not grow any more, the files of a slot in their order.
fn sealable(state: &State, extent: Extent) -> Option<Vec<(u32, u64)>> {
    let mut files = Vec::new();
    let mut stopped = None;
    let mut latest = i64::MIN;
    for (&(slot, number), entry) in &state.files {
        if files.last().is_some_and(|(_, last, ..): &(i64, u32, u64, u64, u64)| *last != slot) {
            latest = i64::MIN;
        }
        match entry.done {
            Some(done) if stopped != Some(slot) => {
                // Sorting by this keeps the files of a slot in order.
                latest = latest.max(if done.records == 0 { i64::MIN } else { done.time_min });
                files.push((latest, slot, number, done.end, done.records));
            }
            _ => stopped = Some(slot),
        }
    }
    let bytes: u64 = files.iter().map(|(.., bytes, _)| *bytes).sum();
    if files.is_empty() || (extent == Extent::Background && bytes < BACKGROUND_SIZE_MIN) {
        return None;
    }
    files.sort_by_key(|&(time, slot, number, ..)| (time, slot, number));
    let (mut size, mut records) = (0, 0);
    let mut taken: Vec<(u32, u64)> = Vec::new();
    let mut ends: BTreeMap<u32, u64> = BTreeMap::new();
    for (_, slot, number, bytes, more) in files {
        if !taken.is_empty() && (SEAL_SIZE_MAX < size + bytes || RECORDS_MAX < records + more) {
            break;
        }
        // Of two files with the same ids, as after one was copied there, a segment of both would keep one record.
        let run = sequences(state, (slot, number));
        if ends.insert(slot, run.end).is_some_and(|before| run.start < before) {
            break;
        }
        size += bytes;
        records += more;
        taken.push((slot, number));
    }
    Some(taken)
}

/// The sequences that records of a file have.
fn sequences(state: &State, file: (u32, u64)) -> std::ops::Range<u64> {
    let entry = state.files.get(&file);
    let end = |entry: &FileEntry| entry.done.map(|done| done.end_sequence.min(entry.cap));
    entry.map_or(0..0, |entry| entry.first_sequence..end(entry).unwrap_or(entry.first_sequence))
}

impl Job {
    /// The files that the step takes the place of.
    pub(super) fn inputs(&self, state: &State) -> Vec<Place> {
        let segment = |id: &u64| {
            let day = state.segments.get(id).and_then(|entry| entry.day);
            Place::Segment { id: *id, day }
        };
        match self {
            Self::Seal(files) => files.iter().map(|&(slot, number)| Place::Active { slot, number }).collect(),
            Self::Merge(ids) | Self::Roll(ids) => ids.iter().map(segment).collect(),
            Self::Expire(id, _) | Self::Bodies(id) => vec![segment(id)],
        }
    }

    /// The segments among them.
    pub(super) fn segments(&self) -> Vec<u64> {
        match self {
            Self::Seal(_) => Vec::new(),
            Self::Merge(ids) | Self::Roll(ids) => ids.clone(),
            Self::Bodies(id) | Self::Expire(id, _) => vec![*id],
        }
    }

    /// Records and bytes of the files that the step takes the place of.
    pub(super) fn size(&self, state: &State) -> (u64, u64) {
        let mut total = (0, 0);
        for place in self.inputs(state) {
            let (records, bytes) = match place {
                Place::Active { slot, number } => {
                    let done = state.files.get(&(slot, number)).and_then(|entry| entry.done);
                    done.map_or((0, 0), |done| (done.records, done.end))
                }
                Place::Segment { id, .. } => {
                    state.segments.get(&id).map_or((0, 0), |entry| (entry.records, entry.size))
                }
            };
            total = (total.0 + records, total.1 + bytes);
        }
        total
    }
}
