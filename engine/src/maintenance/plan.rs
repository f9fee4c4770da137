//! What maintenance does next: a pure function of what the manifest says, the options and the time.

use std::collections::BTreeMap;

use crate::format::manifest::{Place, SegmentEntry};
use crate::format::name::Day;
use crate::manifest::State;
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
    let &Facts { now, by_age, skip, short, unsealable, has_bodies } = facts;
    if let Some(files) = sealable(state, extent).filter(|_| !unsealable) {
        return Some(Job::Seal(files));
    }
    if extent == Extent::Seal {
        return None;
    }
    let age = |entry: &SegmentEntry| now.saturating_sub(entry.arrived_max);
    let over = |limit: Option<std::time::Duration>, entry: &SegmentEntry| {
        limit.is_some_and(|limit| i64::try_from(limit.as_nanos()).is_ok_and(|limit| limit <= age(entry)))
    };
    let old = |(_, entry): &(&u64, &SegmentEntry)| by_age && over(options.retain_for, entry);
    if let Some((&id, _)) = state.segments.iter().find(old) {
        return Some(Job::Expire(id, Rule::Age));
    }
    let rule = match options.retain_bytes {
        Some(limit) if limit < stored(state) => Some(Rule::Bytes),
        _ => (0 < short).then_some(Rule::Free),
    };
    // Whole segments go, so the last one stays: a store is not emptied for a few bytes too many.
    if let Some(rule) = rule.filter(|_| 1 < state.segments.len()) {
        let first = state.segments.iter().min_by_key(|(id, entry)| (entry.arrived_max, **id));
        if let Some((&id, _)) = first {
            return Some(Job::Expire(id, rule));
        }
    }
    let usable: BTreeMap<u64, &SegmentEntry> =
        state.segments.iter().filter(|(id, _)| !skip.contains(id)).map(|(id, entry)| (*id, entry)).collect();
    let wordy = |(id, entry): &(&u64, &&SegmentEntry)| {
        by_age && over(options.retain_bodies_for, entry) && has_bodies(**id)
    };
    if let Some((&id, _)) = usable.iter().find(wordy) {
        return Some(Job::Bodies(id));
    }
    let old = usable.iter().filter(|(_, entry)| entry.day.is_none() && over(options.archive_after, entry));
    let rolled = take(old.map(|(id, entry)| (*id, entry.records)));
    if !rolled.is_empty() {
        return Some(Job::Roll(rolled));
    }
    let mut small: BTreeMap<Option<Day>, Vec<(u64, u64)>> = BTreeMap::new();
    for (id, entry) in usable.iter().filter(|(_, entry)| entry.records < SMALL_RECORDS) {
        small.entry(entry.day).or_default().push((*id, entry.records));
    }
    small.into_values().find_map(|mut list| {
        list.sort_by_key(|(id, records)| (*records, *id));
        let merged = take(list.into_iter());
        (MERGE_MIN <= merged.len()).then_some(Job::Merge(merged))
    })
}

/// Bytes of all files that the manifest knows the size of.
fn stored(state: &State) -> u64 {
    let active = state.files.values().filter_map(|entry| entry.done).map(|done| done.end);
    state.segments.values().map(|entry| entry.size).chain(active).fold(0, u64::saturating_add)
}

/// The first of a list that together make one segment of at most the usual size; one at least.
fn take(list: impl Iterator<Item = (u64, u64)>) -> Vec<u64> {
    let mut total = 0;
    let mut taken = Vec::new();
    for (id, records) in list.take(MERGE_MAX) {
        if !taken.is_empty() && RECORDS_MAX < total + records {
            break;
        }
        total += records;
        taken.push(id);
    }
    taken
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
    let mut taken = Vec::new();
    for (_, slot, number, bytes, more) in files {
        if !taken.is_empty() && (SEAL_SIZE_MAX < size + bytes || RECORDS_MAX < records + more) {
            break;
        }
        size += bytes;
        records += more;
        taken.push((slot, number));
    }
    Some(taken)
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
