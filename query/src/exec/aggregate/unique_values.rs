//! `uniq_values`: every different value, once, in order, as a JSON array; values of equal number are one.

use logq_engine::compare::{put_key, take_key};
use logq_engine::{RecordId, Value};
use std::collections::BTreeSet;

use super::{States, merge_each};
use crate::datum::Datum;
use crate::json;

/// Bytes that an entry takes besides its key, about.
const ENTRY_SIZE: usize = 48;

#[derive(Default)]
pub(in crate::exec) struct UniqueValues {
    /// The keys of the values of each group, which are equal where the values are.
    sets: Vec<BTreeSet<Box<[u8]>>>,
    key: Vec<u8>,
    grown: usize,
}

impl States for UniqueValues {
    fn grow(&mut self, groups: usize) {
        self.sets.resize_with(groups, BTreeSet::new);
    }

    fn add(&mut self, group: usize, value: Value<'_>, _: (i64, RecordId)) {
        self.key.clear();
        put_key(&mut self.key, Some(value));
        if let Some(set) = self.sets.get_mut(group)
            && !set.contains(self.key.as_slice())
        {
            self.grown += self.key.len() + ENTRY_SIZE;
            set.insert(self.key.clone().into_boxed_slice());
        }
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        merge_each(&mut self.sets, other.sets, map, |set, mut more| set.append(&mut more));
    }

    fn finish(&mut self, group: usize) -> Datum {
        let Some(set) = self.sets.get(group).filter(|set| !set.is_empty()) else { return Datum::Missing };
        let value = |key: &[u8]| take_key(&mut &*key).map_or(Datum::Missing, Datum::of);
        let mut values: Vec<Datum> = set.iter().map(|key| value(key)).collect();
        values.sort_by(|a, b| a.order(b, false));
        let mut text = "[".to_owned();
        for (number, value) in values.iter().enumerate() {
            text.push_str(if number == 0 { "" } else { "," });
            json::write(&mut text, value);
        }
        text.push(']');
        Datum::Json(text.into())
    }

    fn grown(&mut self) -> usize {
        std::mem::take(&mut self.grown)
    }
}
