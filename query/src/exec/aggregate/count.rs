//! `count`: rows, or present values.

use logq_engine::{RecordId, Value};

use super::{States, merge_each};
use crate::datum::Datum;

#[derive(Default)]
pub(in crate::exec) struct Count {
    counts: Vec<i64>,
}

impl Count {
    /// Counts a row for each of these groups.
    pub(super) fn count_rows(&mut self, groups: &[u32]) {
        for group in groups {
            if let Some(count) = self.counts.get_mut(*group as usize) {
                *count += 1;
            }
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
