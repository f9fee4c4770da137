//! `calls`: how many calls of models the rows stand for. An event says it in `calls`; one that does not stands for one, and a
//! correction of an earlier event for none.

use logq_engine::{IntUnit, Ints, RecordId, Value, budget};

use super::{Rows, States, merge_each};
use crate::datum::Datum;

#[derive(Default)]
pub(in crate::exec) struct Calls {
    calls: Vec<u64>,
}

impl Calls {
    /// Takes rows with what they say in `calls`.
    pub(super) fn add_column(&mut self, rows: &Rows<'_>, column: &[Option<Value<'_>>]) {
        for (row, group) in rows.rows.iter().zip(rows.groups) {
            self.more(*group as usize, budget::calls(column.get(*row as usize).copied().flatten()));
        }
    }

    /// The same for a column of integers.
    pub(super) fn add_ints(&mut self, rows: &Rows<'_>, unit: IntUnit, ints: &Ints<'_>) {
        if ints.ints.is_empty() {
            // No row of the batch says anything, which is the rule.
            match rows.one {
                Some(group) => self.more(group as usize, rows.groups.len() as u64),
                None => rows.groups.iter().for_each(|group| self.more(*group as usize, 1)),
            }
            return;
        }
        for (row, group) in rows.rows.iter().zip(rows.groups) {
            let said = ints.get(*row as usize).and_then(|int| unit.value(int));
            self.more(*group as usize, budget::calls(said));
        }
    }

    /// Counts calls.
    #[inline]
    pub(super) fn more(&mut self, group: usize, more: u64) {
        if let Some(calls) = self.calls.get_mut(group) {
            *calls = calls.saturating_add(more);
        }
    }
}

impl States for Calls {
    fn grow(&mut self, groups: usize) {
        self.calls.resize(groups, 0);
    }

    fn add(&mut self, group: usize, value: Value<'_>, _: (i64, RecordId)) {
        self.more(group, budget::calls(Some(value)));
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        merge_each(&mut self.calls, other.calls, map, |calls, more| *calls = calls.saturating_add(more));
    }

    fn finish(&mut self, group: usize) -> Datum {
        let calls = self.calls.get(group).copied().unwrap_or(0);
        Datum::Int(i64::try_from(calls).unwrap_or(i64::MAX))
    }
}
