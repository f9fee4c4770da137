//! `share`: the part that a group has of all groups together, of their rows or of a sum. Both sides are exact, the
//! quotient is rounded once.

use logq_engine::{RecordId, Value};

use super::count::Count;
use super::numbers::Unit;
use super::sum::Sum;
use super::{Rows, States};
use crate::datum::Datum;
use crate::exec::arith::combine;
use crate::plan::Operation;

pub(in crate::exec) struct Share {
    of_sums: bool,
    counts: Count,
    sums: Sum,
    /// The same over all groups: one state each.
    all_counts: Count,
    all_sums: Sum,
    whole: Option<Datum>,
}

impl Share {
    pub(super) fn new(of_sums: bool) -> Self {
        let (mut all_counts, mut all_sums) = (Count::default(), Sum::new(false));
        all_counts.grow(1);
        all_sums.grow(1);
        Self { of_sums, counts: Count::default(), sums: Sum::new(false), all_counts, all_sums, whole: None }
    }

    /// Counts so many rows.
    pub(super) fn count_many(&mut self, group: usize, rows: u64) {
        self.counts.count_many(group, rows);
        self.all_counts.count_many(0, rows);
    }

    /// Adds a sum of so many integers.
    pub(super) fn add_many(&mut self, group: usize, unit: Unit, count: u64, sum: i128) {
        self.sums.add_many(group, unit, count, sum);
        self.all_sums.add_many(0, unit, count, sum);
    }

    /// Counts rows.
    pub(super) fn count_rows(&mut self, rows: &Rows<'_>) {
        self.counts.count_rows(rows);
        self.all_counts.count_rows(&Rows { groups: &vec![0; rows.groups.len()], one: Some(0), ..*rows });
    }
}

impl States for Share {
    fn grow(&mut self, groups: usize) {
        self.counts.grow(groups);
        self.sums.grow(groups);
    }

    fn add(&mut self, group: usize, value: Value<'_>, at: (i64, RecordId)) {
        self.sums.add(group, value, at);
        self.all_sums.add(0, value, at);
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        self.counts.merge(other.counts, map);
        self.sums.merge(other.sums, map);
        self.all_counts.merge(other.all_counts, &[0]);
        self.all_sums.merge(other.all_sums, &[0]);
    }

    fn finish(&mut self, group: usize) -> Datum {
        let of_sums = self.of_sums;
        let (all_sums, all_counts) = (&mut self.all_sums, &mut self.all_counts);
        let whole =
            self.whole.get_or_insert_with(|| if of_sums { all_sums.finish(0) } else { all_counts.finish(0) });
        let part = if of_sums { self.sums.finish(group) } else { self.counts.finish(group) };
        match combine(Operation::Divide, part.value(), whole.value()) {
            Some(Value::Int(1)) => Datum::Float(1.0),
            Some(Value::Int(0)) => Datum::Float(0.0),
            share => Datum::of(share),
        }
    }
}
