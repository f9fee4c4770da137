//! `histogram`: how many values lie between round numbers (1, 2 and 5 times a power of ten), exact, as a JSON array of
//! `{"from":100,"to":200,"count":3}`; `from` is in the bucket, `to` is not. Of negative numbers it is the other way around.

use logq_engine::{RecordId, Value};
use std::collections::BTreeMap;

use super::numbers::{in_answers, part};
use super::{States, merge_each};
use crate::datum::Datum;
use crate::json;

/// Steps between two powers of ten.
const STEPS: [&str; 3] = ["1", "2", "5"];
/// Bytes that a bucket takes, about.
const BUCKET_SIZE: usize = 32;

#[derive(Default)]
pub(in crate::exec) struct Histogram {
    counts: Vec<BTreeMap<Bucket, u64>>,
    grown: usize,
    /// The bucket of the value before, and its edges: values often lie close together.
    last: Option<(Bucket, f64, f64)>,
}

/// Buckets in the order of their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bucket {
    /// The negative of a step: larger ones come first.
    Below(std::cmp::Reverse<i32>),
    Zero,
    Above(i32),
}

/// The lower edge of a bucket of positive numbers.
fn edge(step: i32) -> f64 {
    let place = usize::try_from(step.rem_euclid(3)).unwrap_or(0);
    let mantissa = STEPS.get(place).copied().unwrap_or("1");
    format!("{mantissa}e{}", step.div_euclid(3)).parse().unwrap_or(f64::INFINITY)
}

/// The bucket of a positive number.
fn step_of(value: f64) -> i32 {
    // From about there to where it lies: logarithms are not exact.
    let about = value.log10().floor();
    let mut step = 3 * format!("{about}").parse::<i32>().unwrap_or(0);
    while value < edge(step) {
        step -= 1;
    }
    while edge(step + 1) <= value {
        step += 1;
    }
    step
}

impl Histogram {
    fn bucket(&mut self, value: f64) -> Bucket {
        if let Some((bucket, from, to)) = self.last
            && from <= value
            && value < to
        {
            return bucket;
        }
        if value == 0.0 {
            return Bucket::Zero;
        }
        let step = step_of(value.abs());
        if value < 0.0 {
            return Bucket::Below(std::cmp::Reverse(step));
        }
        self.last = Some((Bucket::Above(step), edge(step), edge(step + 1)));
        Bucket::Above(step)
    }
}

impl States for Histogram {
    fn grow(&mut self, groups: usize) {
        self.counts.resize_with(groups, BTreeMap::new);
    }

    fn add(&mut self, group: usize, value: Value<'_>, _: (i64, RecordId)) {
        let Some((unit, part)) = part(value) else { return };
        let value = in_answers(unit, &part);
        if !value.is_finite() {
            return;
        }
        let bucket = self.bucket(value);
        let grown = &mut self.grown;
        if let Some(counts) = self.counts.get_mut(group) {
            let count = counts.entry(bucket).or_insert_with(|| {
                *grown += BUCKET_SIZE;
                0
            });
            *count += 1;
        }
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        merge_each(&mut self.counts, other.counts, map, |counts, more| {
            more.into_iter().for_each(|(bucket, count)| *counts.entry(bucket).or_default() += count);
        });
    }

    fn finish(&mut self, group: usize) -> Datum {
        let Some(counts) = self.counts.get(group).filter(|counts| !counts.is_empty()) else {
            return Datum::Missing;
        };
        let mut text = "[".to_owned();
        for (bucket, count) in counts {
            let (from, to) = match *bucket {
                Bucket::Below(std::cmp::Reverse(step)) => (-edge(step + 1), -edge(step)),
                Bucket::Zero => (0.0, 0.0),
                Bucket::Above(step) => (edge(step), edge(step + 1)),
            };
            text.push_str(if text.len() == 1 { "" } else { "," });
            let count = Datum::Int(i64::try_from(*count).unwrap_or(i64::MAX));
            let members = [("from", &Datum::Float(from)), ("to", &Datum::Float(to)), ("count", &count)];
            json::object(&mut text, members);
        }
        text.push(']');
        Datum::Json(text.into())
    }

    fn grown(&mut self) -> usize {
        std::mem::take(&mut self.grown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_number_begins_its_bucket() {
        for (value, from, to) in [
            (1.0, 1.0, 2.0),
            (1.999, 1.0, 2.0),
            (2.0, 2.0, 5.0),
            (999.0, 500.0, 1000.0),
            (1000.0, 1000.0, 2000.0),
            (0.1, 0.1, 0.2),
            (0.3, 0.2, 0.5),
            (1e300, 1e300, 2e300),
            (5e-300, 5e-300, 1e-299),
        ] {
            let step = step_of(value);
            assert_eq!((edge(step), edge(step + 1)), (from, to), "{value}");
        }
    }
}
