//! `sum`: exact; of whole numbers a whole number of any size, else correctly rounded.

use logq_engine::{IntUnit, Ints, RecordId, Value};

use super::numbers::{ByUnit, Total, Unit, part, summed};
use super::{Rows, States, merge_each};
use crate::datum::Datum;
use crate::json;

pub(in crate::exec) struct Sum {
    /// A sum of nothing is 0.
    zero: bool,
    sums: Vec<ByUnit<Total>>,
}

impl Sum {
    pub(super) fn new(zero: bool) -> Self {
        Self { zero, sums: Vec::new() }
    }

    /// Adds a sum of so many integers.
    pub(super) fn add_many(&mut self, group: usize, unit: Unit, count: u64, sum: i128) {
        if let Some(total) = self.sums.get_mut(group) {
            total.of(unit).add_many(count, sum);
        }
    }

    /// Adds the integers of a column.
    pub(super) fn add_ints(&mut self, rows: &Rows<'_>, unit: IntUnit, ints: &Ints<'_>) {
        let Some(unit) = summed(unit) else { return };
        rows.each_sum(ints, |group, count, sum| {
            self.add_many(group, unit, count, sum);
        });
    }
}

impl States for Sum {
    fn grow(&mut self, groups: usize) {
        self.sums.resize_with(groups, ByUnit::default);
    }

    #[inline]
    fn add(&mut self, group: usize, value: Value<'_>, _: (i64, RecordId)) {
        if let (Some(sum), Some((unit, part))) = (self.sums.get_mut(group), part(value)) {
            sum.of(unit).add(&part);
        }
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        merge_each(&mut self.sums, other.sums, map, |sum, more| sum.merge(more, Total::merge));
    }

    fn finish(&mut self, group: usize) -> Datum {
        let used = self.sums.get(group).map(|sum| sum.used(|total| total.count != 0)).unwrap_or_default();
        match used.as_slice() {
            [] if self.zero => Datum::Int(0),
            [] => Datum::Missing,
            [(unit, total)] => one_unit(*unit, total),
            // Plain numbers are milliseconds to durations and dollars to money, as in comparisons.
            several => {
                let each = |(unit, total): &(Unit, &Total)| total.exact().divided(&[unit.scale()]);
                Unit::Plain.datum(several.iter().map(each).sum())
            }
        }
    }
}

fn one_unit(unit: Unit, total: &Total) -> Datum {
    let Some(whole) = total.whole() else { return unit.datum(total.exact().divided(&[unit.scale()])) };
    match (unit, i64::try_from(whole)) {
        (Unit::Plain, Ok(int)) => Datum::Int(int),
        (Unit::Duration, Ok(ns)) => Datum::Duration(ns),
        (Unit::Cost, Ok(nano)) => Datum::Cost(nano),
        (Unit::Plain, Err(_)) => Datum::Number(json::scaled_text(whole, 0).into()),
        (unit, Err(_)) => unit.datum(total.exact().divided(&[unit.scale()])),
    }
}
