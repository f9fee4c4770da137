//! `distinct`: how many different values, exactly; values of equal number are one.

use logq_engine::compare::put_key;
use logq_engine::{RecordId, Value};
use std::collections::HashSet;

use super::{States, merge_each};
use crate::datum::Datum;
use crate::exec::hash::KeyHash;

/// Bytes that an entry takes besides its key, about.
const ENTRY_SIZE: usize = 40;

#[derive(Default)]
pub(in crate::exec) struct Distinct {
    sets: Vec<Set>,
    key: Vec<u8>,
    grown: usize,
}

#[derive(Default)]
struct Set {
    ints: HashSet<i64, KeyHash>,
    /// Keys of all other values.
    keys: HashSet<Box<[u8]>, KeyHash>,
}

impl States for Distinct {
    fn grow(&mut self, groups: usize) {
        self.sets.resize_with(groups, Set::default);
    }

    fn add(&mut self, group: usize, value: Value<'_>, _: (i64, RecordId)) {
        let Some(set) = self.sets.get_mut(group) else { return };
        if let Value::Int(int) = value {
            self.grown += if set.ints.insert(int) { ENTRY_SIZE } else { 0 };
            return;
        }
        self.key.clear();
        put_key(&mut self.key, Some(value));
        // A number such as 1.0 has the key of the integer that it equals.
        match logq_engine::compare::take_key(&mut self.key.as_slice()) {
            Some(Some(Value::Int(int))) => self.grown += if set.ints.insert(int) { ENTRY_SIZE } else { 0 },
            _ if set.keys.contains(self.key.as_slice()) => {}
            _ => {
                self.grown += ENTRY_SIZE + self.key.len();
                set.keys.insert(self.key.as_slice().into());
            }
        }
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        merge_each(&mut self.sets, other.sets, map, |set, more| {
            set.ints.extend(more.ints);
            set.keys.extend(more.keys);
        });
    }

    fn finish(&mut self, group: usize) -> Datum {
        let count = self.sets.get(group).map_or(0, |set| set.ints.len() + set.keys.len());
        Datum::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn grown(&mut self) -> usize {
        std::mem::take(&mut self.grown)
    }
}
