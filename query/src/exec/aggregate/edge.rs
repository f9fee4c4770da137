//! `first` and `last`: the value of the earliest and the latest record that has one, by (time, writer, sequence).

use logq_engine::{RecordId, Value};

use super::{States, merge_each};
use crate::datum::Datum;

type At = (i64, RecordId);

pub(in crate::exec) struct Edge {
    last: bool,
    values: Vec<Option<(At, Datum)>>,
}

impl Edge {
    pub(super) fn first() -> Self {
        Self { last: false, values: Vec::new() }
    }

    pub(super) fn last() -> Self {
        Self { last: true, values: Vec::new() }
    }

    fn wins(last: bool, new: &At, old: Option<&(At, Datum)>) -> bool {
        old.is_none_or(|(old, _)| if last { old < new } else { new < old })
    }
}

impl States for Edge {
    fn grow(&mut self, groups: usize) {
        self.values.resize(groups, None);
    }

    fn add(&mut self, group: usize, value: Value<'_>, at: At) {
        let Some(old) = self.values.get_mut(group) else { return };
        if Self::wins(self.last, &at, old.as_ref()) {
            *old = Some((at, Datum::of(Some(value))));
        }
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        let last = self.last;
        merge_each(&mut self.values, other.values, map, |old, new| {
            if new.as_ref().is_some_and(|(at, _)| Self::wins(last, at, old.as_ref())) {
                *old = new;
            }
        });
    }

    fn finish(&mut self, group: usize) -> Datum {
        self.values.get_mut(group).and_then(Option::take).map(|(_, datum)| datum).unwrap_or_default()
    }
}
