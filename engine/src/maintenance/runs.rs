//! Runs of sequences, as footers name the records of a segment: in order, none touching the next.

use std::ops::Range;

use super::rewrite::{Attempt, Stopped};
use crate::format::footer::Footer;
use crate::gap::Gap;
use crate::segment::sealed::read::Segment;

/// Fails when one of the segments holds a record of this one: a segment made of both would have it twice.
pub(super) fn apart(segments: &[Segment], segment: &Segment) -> Attempt<()> {
    let own = &segment.footer;
    let Some(other) = segments.iter().find(|other| share(own, &other.footer)) else { return Ok(()) };
    let (file, other) = (own.place().file().relative(), other.footer.place().file().relative());
    let what = format!("records of {other} are in it, too: `logq repair` leaves each in one of them");
    let gap = Gap { file, offset: 0, len: 0, records: None, what };
    Err(Stopped::Damaged { id: own.id, gap })
}

/// Whether two segments hold a record with the same id.
fn share(one: &Footer, other: &Footer) -> bool {
    one.writers.iter().any(|(writer, runs)| {
        let others = other.writers.iter().filter(|(of, _)| of == writer);
        others.flat_map(|(_, others)| others).any(|run| meets(runs, run))
    })
}

/// Whether one of the runs has a sequence of this one.
fn meets(runs: &[Range<u64>], run: &Range<u64>) -> bool {
    let at = runs.partition_point(|of| of.end <= run.start);
    runs.get(at).is_some_and(|of| of.start < run.end)
}

/// Sequences of writers as runs by writer, in order, neighbours joined.
pub(super) fn by_writer(mut runs: Vec<(u32, Range<u64>)>) -> Vec<(u32, Vec<Range<u64>>)> {
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

/// What of these runs is not in those; both are in order.
pub(super) fn without(all: &[Range<u64>], kept: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut missing = Vec::new();
    for run in all {
        let mut start = run.start;
        let from = kept.partition_point(|other| other.end <= run.start);
        for other in kept.iter().skip(from).take_while(|other| other.start < run.end) {
            if start < other.start {
                missing.push(start..other.start);
            }
            start = start.max(other.end);
        }
        if start < run.end {
            missing.push(start..run.end);
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_missing_is_what_is_in_the_first_runs_and_not_in_the_second(
            all in proptest::collection::btree_set(0_u64..60, 0..40),
            kept in proptest::collection::btree_set(0_u64..60, 0..40),
        ) {
            let runs_of = |set: &std::collections::BTreeSet<u64>| {
                let mut runs: Vec<Range<u64>> = Vec::new();
                for &at in set {
                    match runs.last_mut() {
                        Some(run) if run.end == at => run.end += 1,
                        _ => runs.push(at..at + 1),
                    }
                }
                runs
            };
            let missing: Vec<u64> = without(&runs_of(&all), &runs_of(&kept)).into_iter().flatten().collect();
            let want: Vec<u64> = all.difference(&kept).copied().collect();
            prop_assert_eq!(missing, want);
        }
    }
}
