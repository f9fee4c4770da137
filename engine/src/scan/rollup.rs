//! Rollups of a scan: what was counted when a segment was built stands in for reading its records.
//!
//! A cube answers for the spans of time that lie in the range as a whole; the records at its ragged edges are scanned.
//! What a cube says of its records is exact, or it is not used.

use std::ops::Range;

use super::sealed::SealedPart;
use super::{Part, Scan, Source, TimeRange};
use crate::segment::sealed::read::Segment;
use crate::segment::sealed::rollup::{Cube, Form, KEYS, MEASURES, Rollups, is_set};
use crate::snapshot::Snapshot;
use crate::value::Value;

/// Fields whose values a rollup tells apart.
pub const ROLLUP_KEYS: [&str; KEYS.len()] = KEYS;
/// Fields of which a rollup tells how many records have them, and their sum: counts of tokens, and `cost`.
pub const ROLLUP_MEASURES: [&str; MEASURES.len()] = MEASURES;

/// What is asked of rollups.
#[derive(Clone, Copy)]
pub struct RollupAsk<'a> {
    /// Fields whose values matter, of [`ROLLUP_KEYS`].
    pub keys: &'a [String],
    /// Fields whose presence or sum matters, of [`ROLLUP_MEASURES`].
    pub measures: &'a [String],
    /// Whether all times `start <= time < end`, nanoseconds since 1970, may be counted together: whether they lie in one bucket.
    pub whole: &'a dyn Fn(i64, i64) -> bool,
}

/// The cells of one segment's rollup that lie in the range of a scan.
#[derive(Clone, Debug)]
pub struct Rollup<'s> {
    segment: &'s Segment,
    rollups: &'s Rollups,
    cube: &'s Cube,
    form: &'static Form,
    cells: Range<usize>,
}

/// What records of one span of time come to that are alike in their keys and in which measures they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupCell {
    /// Where the span starts, nanoseconds since 1970.
    pub start: i64,
    /// The number of its combination of keys and present measures.
    pub combo: usize,
    /// How many they are, 1 at least.
    pub records: u64,
    /// The place of their sums.
    pub at: usize,
}

impl Snapshot {
    /// Cuts a scan into rollups that answer what is asked, and parts for the records that none of them counts. Whatever else a scan
    /// asks for than `ask` says, its range and `after` apart, is not answered by rollups: its predicate has to be
    /// one of the fields that are asked for.
    ///
    /// # Errors
    /// None so far.
    pub fn rolled_parts<'s>(
        &'s self,
        scan: &'s Scan,
        ask: &RollupAsk<'_>,
    ) -> crate::Result<(Vec<Rollup<'s>>, Vec<Part<'s>>)> {
        let mut rollups = Vec::new();
        if scan.after.is_none() {
            for segment in &self.segments {
                let footer = &segment.footer;
                if scan.range.overlaps(footer.time_min, footer.time_max) {
                    rollups.extend(best(segment, scan.range, ask));
                }
            }
        }
        let mut parts = self.parts(scan)?;
        if rollups.is_empty() {
            return Ok((rollups, parts));
        }
        let counted: std::collections::HashMap<u64, (i64, i64)> =
            rollups.iter().map(|rollup| (rollup.segment.footer.id, rollup.counted(scan.range))).collect();
        parts.retain_mut(|part| {
            let Source::Sealed(SealedPart { segment, entry, counted: place, .. }) = &mut part.0 else {
                return true;
            };
            *place = counted.get(&segment.footer.id).copied();
            place.is_none_or(|(min, max)| entry.time_min < min || max < entry.time_max)
        });
        Ok((rollups, parts))
    }
}

/// The cube of a segment that counts most of what is asked; of those the one with the fewest cells.
fn best<'s>(segment: &'s Segment, range: TimeRange, ask: &RollupAsk<'_>) -> Option<Rollup<'s>> {
    let rollups = segment.rollups()?.ok()?;
    let key = |name: &String| KEYS.iter().position(|key| key == name);
    let measure = |name: &String| MEASURES.iter().position(|measure| measure == name);
    let keys = ask.keys.iter().map(key).collect::<Option<Vec<_>>>()?;
    let measures = ask.measures.iter().map(measure).collect::<Option<Vec<_>>>()?;
    if !measures.iter().all(|at| is_set(rollups.fit, *at)) {
        return None;
    }
    let mut best: Option<(u64, Rollup<'s>)> = None;
    for (at, form, cells) in rollups.forms() {
        let answers = keys.iter().all(|key| form.keys >> key & 1 != 0) && (form.sums || measures.is_empty());
        // What counts no more than another and has more cells is not even read.
        let all = best.as_ref().is_some_and(|(records, rollup)| {
            *records == segment.footer.records && rollup.cells.len() <= cells
        });
        if !answers || all {
            continue;
        }
        let Some(cube) = segment.cube(rollups, at) else { continue };
        let span = |number: i64| {
            let start = number.saturating_mul(form.span);
            // The first span of all begins before time does.
            (start, number.saturating_add(1).saturating_mul(form.span))
        };
        let first =
            cube.starts.partition_point(|number| range.from.is_some_and(|from| span(*number).0 < from));
        let last =
            cube.starts.partition_point(|number| range.until.is_none_or(|until| span(*number).1 <= until));
        let Some(starts) = cube.starts.get(first..last).filter(|starts| !starts.is_empty()) else { continue };
        let mut before = None;
        let fits = starts.iter().all(|&number| {
            before.replace(number) == Some(number) || {
                let (start, end) = span(number);
                (ask.whole)(start, end)
            }
        });
        if !fits {
            continue;
        }
        let counted = cube.records.get(first..last).unwrap_or_default();
        let records = counted.iter().fold(0_u64, |sum, more| sum.saturating_add(more.unsigned_abs()));
        let better = best.as_ref().is_none_or(|(most, rollup)| {
            *most < records || (*most == records && starts.len() < rollup.cells.len())
        });
        if better {
            best = Some((records, Rollup { segment, rollups, cube, form, cells: first..last }));
        }
    }
    best.map(|(_, rollup)| rollup)
}

impl<'s> Rollup<'s> {
    /// The first and the last nanosecond of the records of the segment that the cells count, of those in a range.
    fn counted(&self, range: TimeRange) -> (i64, i64) {
        let span = self.form.span;
        let min = range.from.map_or(i64::MIN, |from| {
            let started = from.div_euclid(span).saturating_mul(span);
            if started == from { from } else { started.saturating_add(span) }
        });
        let max = range
            .until
            .map_or(i64::MAX, |until| until.div_euclid(span).saturating_mul(span).saturating_sub(1));
        (min, max)
    }

    /// A name for the file that the rollup lies in, as [`Part::file`].
    pub fn file(&self) -> (u32, u64) {
        (u32::MAX, self.segment.footer.id)
    }

    /// Bytes of the segment's rollups.
    pub fn size(&self) -> u64 {
        self.segment.footer.rollup_size
    }

    /// How many cells it has.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it has none, which is never so.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// How many combinations of keys and present measures the segment has; cells name them by number.
    pub fn combos(&self) -> usize {
        self.cube.combos.len()
    }

    /// The value that a combination has for the key at `key` of [`ROLLUP_KEYS`]; none where it is missing, or was not asked for.
    pub fn key(&self, combo: usize, key: usize) -> Option<Value<'s>> {
        self.rollups.value(self.cube.combos.get(combo)?, key)
    }

    /// Whether the records of a combination have the measure at `measure` of [`ROLLUP_MEASURES`].
    pub fn has(&self, combo: usize, measure: usize) -> bool {
        self.cube.combos.get(combo).is_some_and(|combo| is_set(combo.present, measure))
    }

    /// The cells, in the order of time.
    pub fn cells(&self) -> impl Iterator<Item = RollupCell> {
        let cube = self.cube;
        let cells = self.cells.clone();
        let columns = cube.starts.iter().zip(&cube.places).zip(&cube.records).enumerate();
        columns.skip(cells.start).take(cells.len()).map(|(at, ((start, place), records))| RollupCell {
            start: start.saturating_mul(self.form.span),
            combo: usize::try_from(*place).unwrap_or(usize::MAX),
            records: records.unsigned_abs(),
            at,
        })
    }

    /// The sums of a measure by the places of cells: nanodollars of `cost`, else counts.
    pub fn sums(&self, measure: usize) -> &'s [i64] {
        self.cube.sums.get(measure).map_or(&[], Vec::as_slice)
    }
}
