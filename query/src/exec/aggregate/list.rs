//! `list`: all values, in the order of their records, as a JSON array.

use logq_engine::{RecordId, Value};

use super::{States, merge_each};
use crate::datum::Datum;
use crate::json;

/// A value and where it stands.
type Item = ((i64, RecordId), Datum);

#[derive(Default)]
pub(in crate::exec) struct List {
    lists: Vec<Vec<Item>>,
    grown: usize,
}

impl States for List {
    fn grow(&mut self, groups: usize) {
        self.lists.resize_with(groups, Vec::new);
    }

    fn add(&mut self, group: usize, value: Value<'_>, at: (i64, RecordId)) {
        if let Some(list) = self.lists.get_mut(group) {
            let datum = Datum::of(Some(value));
            self.grown += datum.size() + size_of::<Item>();
            list.push((at, datum));
        }
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        merge_each(&mut self.lists, other.lists, map, |list, mut more| list.append(&mut more));
    }

    fn finish(&mut self, group: usize) -> Datum {
        let Some(list) = self.lists.get_mut(group).filter(|list| !list.is_empty()) else {
            return Datum::Missing;
        };
        // Rows that are no records have one place, and stay in the order in which they came.
        list.sort_by_key(|(at, _)| *at);
        let mut text = "[".to_owned();
        for (number, (_, datum)) in list.iter().enumerate() {
            text.push_str(if number == 0 { "" } else { "," });
            json::write(&mut text, datum);
        }
        text.push(']');
        Datum::Json(text.into())
    }

    fn grown(&mut self) -> usize {
        std::mem::take(&mut self.grown)
    }
}
