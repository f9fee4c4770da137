//! `approx_pNN`: about the quantile, in a few kilobytes a group.
//!
//! Values are counted in buckets of equal relative width, as HdrHistogram does (Gil Tene, 2012): the exponent of a float and
//! the first six bits of its mantissa. The middle of a bucket is at most 1/128 away from what is in it (0.8 %). Counts add up in any order.

use logq_engine::{RecordId, Value};
use std::collections::BTreeMap;

use super::numbers::{Unit, in_answers, part};
use super::{States, merge_each};
use crate::datum::Datum;
use crate::functions::PERCENT;

/// Bits of a float below those that choose a bucket.
const CUT: u32 = 46;
/// Bytes that a bucket takes, about.
const BUCKET_SIZE: usize = 32;

pub(in crate::exec) struct ApproxQuantile {
    /// In millionths of a percent.
    percent: i64,
    sketches: Vec<Sketch>,
    grown: usize,
}

impl ApproxQuantile {
    pub(super) fn new(percent: i64) -> Self {
        Self { percent, sketches: Vec::new(), grown: 0 }
    }
}

struct Sketch {
    /// Counts by bucket, negative values first.
    counts: BTreeMap<i64, u64>,
    count: u64,
    least: f64,
    most: f64,
    /// Which units there were.
    units: [bool; 3],
}

impl Default for Sketch {
    fn default() -> Self {
        let (least, most) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { counts: BTreeMap::new(), count: 0, least, most, units: [false; 3] }
    }
}

/// The bucket of a number: ordered as numbers are.
fn bucket(value: f64) -> i64 {
    let size = i64::try_from(value.abs().to_bits() >> CUT).unwrap_or(i64::MAX);
    // Below the smallest bucket that has a width is zero.
    if value < 0.0 { -size } else { size }
}

/// The middle of a bucket.
fn middle(bucket: i64) -> f64 {
    let edge = |size: u64| f64::from_bits(size << CUT);
    let size = bucket.unsigned_abs();
    if size == 0 {
        return 0.0;
    }
    let (low, high) = (edge(size), edge(size + 1));
    let middle = if high.is_finite() { low + (high - low) / 2.0 } else { low };
    if bucket < 0 { -middle } else { middle }
}

impl Sketch {
    fn merge(&mut self, other: Self) {
        other.counts.into_iter().for_each(|(bucket, count)| *self.counts.entry(bucket).or_default() += count);
        self.count += other.count;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        self.units.iter_mut().zip(other.units).for_each(|(one, other)| *one |= other);
    }

    fn quantile(&self, percent: i64) -> Option<f64> {
        let whole = i128::from(100 * PERCENT);
        let rank = (i128::from(percent) * i128::from(self.count) + whole - 1) / whole;
        let mut seen = 0;
        for (bucket, count) in &self.counts {
            seen += i128::from(*count);
            if rank.max(1) <= seen {
                return Some(middle(*bucket).clamp(self.least, self.most));
            }
        }
        None
    }
}

impl States for ApproxQuantile {
    fn grow(&mut self, groups: usize) {
        self.sketches.resize_with(groups, Sketch::default);
    }

    fn add(&mut self, group: usize, value: Value<'_>, _: (i64, RecordId)) {
        let (Some(sketch), Some((unit, part))) = (self.sketches.get_mut(group), part(value)) else { return };
        let value = in_answers(unit, &part);
        if !value.is_finite() {
            return;
        }
        let grown = &mut self.grown;
        *sketch.counts.entry(bucket(value)).or_insert_with(|| {
            *grown += BUCKET_SIZE;
            0
        }) += 1;
        sketch.count += 1;
        sketch.least = sketch.least.min(value);
        sketch.most = sketch.most.max(value);
        let used = sketch.units.iter_mut().zip(Unit::ALL).find(|(_, have)| *have == unit);
        used.into_iter().for_each(|(used, _)| *used = true);
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        merge_each(&mut self.sketches, other.sketches, map, Sketch::merge);
    }

    fn finish(&mut self, group: usize) -> Datum {
        let Some(sketch) = self.sketches.get(group) else { return Datum::Missing };
        let mut units = sketch.units.iter().zip(Unit::ALL).filter(|(used, _)| **used).map(|(_, unit)| unit);
        let unit = match (units.next(), units.next()) {
            (Some(only), None) => only,
            _ => Unit::Plain,
        };
        sketch.quantile(self.percent).map_or(Datum::Missing, |value| unit.datum(value))
    }

    fn grown(&mut self) -> usize {
        std::mem::take(&mut self.grown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_bucket_is_within_a_hundredth_of_its_values() {
        for value in [1e-300, 0.001, 0.1, 1.0, 1.5, 3.7, 99.9, 12345.678, 1e18, 1e300] {
            for value in [value, -value] {
                let middle = middle(bucket(value));
                assert!((middle / value - 1.0).abs() <= 1.0 / 128.0, "{value}: {middle}");
            }
        }
        assert!(bucket(-2.0) < bucket(-1.0) && bucket(-1.0) < bucket(0.0) && bucket(0.0) < bucket(1.0));
        assert_eq!(middle(bucket(0.0)), 0.0);
    }
}
