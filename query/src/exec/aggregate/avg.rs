//! `avg`: the exact sum divided by the count, rounded once.

use logq_engine::{IntUnit, Ints, RecordId, Value};

use super::numbers::{ByUnit, Total, Unit, part, summed};
use super::{Rows, States, merge_each};
use crate::datum::Datum;

#[derive(Default)]
pub(in crate::exec) struct Avg {
    totals: Vec<ByUnit<Total>>,
}

impl Avg {
    /// Adds a sum of so many integers.
    pub(super) fn add_many(&mut self, group: usize, unit: Unit, count: u64, sum: i128) {
        if let Some(total) = self.totals.get_mut(group) {
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

impl States for Avg {
    fn grow(&mut self, groups: usize) {
        self.totals.resize_with(groups, ByUnit::default);
    }

    fn add(&mut self, group: usize, value: Value<'_>, _: (i64, RecordId)) {
        if let (Some(total), Some((unit, part))) = (self.totals.get_mut(group), part(value)) {
            total.of(unit).add(&part);
        }
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        merge_each(&mut self.totals, other.totals, map, |total, more| total.merge(more, Total::merge));
    }

    fn finish(&mut self, group: usize) -> Datum {
        let used =
            self.totals.get(group).map(|total| total.used(|total| total.count != 0)).unwrap_or_default();
        match used.as_slice() {
            [] => Datum::Missing,
            [(unit, total)] => unit.datum(total.exact().divided(&[total.count, unit.scale()])),
            several => {
                let count: u64 = several.iter().map(|(_, total)| total.count).sum();
                let each = |(unit, total): &(Unit, &Total)| total.exact().divided(&[count, unit.scale()]);
                Unit::Plain.datum(several.iter().map(each).sum())
            }
        }
    }
}
