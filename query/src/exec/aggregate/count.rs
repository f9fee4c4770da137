//! `count`: rows, or present values.

use logq_engine::{Ints, RecordId, Value};

use super::{Rows, States, merge_each};
use crate::datum::Datum;

#[derive(Default)]
pub(in crate::exec) struct Count {
    counts: Vec<i64>,
}

impl Count {
    /// Counts rows.
    pub(super) fn count_rows(&mut self, rows: &Rows<'_>) {
        match rows.one {
            Some(group) => self.count(group as usize, rows.groups.len()),
            None => rows.groups.iter().for_each(|group| self.count(*group as usize, 1)),
        }
    }

    /// Counts the rows that have an integer.
    pub(super) fn count_ints(&mut self, rows: &Rows<'_>, ints: &Ints<'_>) {
        rows.each_sum(ints, |group, count, _| {
            self.count(group, usize::try_from(count).unwrap_or(usize::MAX));
        });
    }

    /// Counts so many rows.
    pub(super) fn count_many(&mut self, group: usize, rows: u64) {
        self.count(group, usize::try_from(rows).unwrap_or(usize::MAX));
    }

    #[inline]
    fn count(&mut self, group: usize, more: usize) {
        if let Some(count) = self.counts.get_mut(group) {
            *count = count.saturating_add(i64::try_from(more).unwrap_or(i64::MAX));
        }
    }
}

impl States for Count {
    fn grow(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
    }

    fn add(&mut self, group: usize, _: Value<'_>, _: (i64, RecordId)) {
        if let Some(count) = self.counts.get_mut(group) {
            *count += 1;
        }
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        merge_each(&mut self.counts, other.counts, map, |count, more| *count += more);
    }

    fn finish(&mut self, group: usize) -> Datum {
        Datum::Int(self.counts.get(group).copied().unwrap_or(0))
    }
}
