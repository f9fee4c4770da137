//! `min`, `max`, `any`: by the order of sorting, over values of every type.

use logq_engine::compare::{put_key, take_key, total_order};
use logq_engine::{RecordId, Value};
use std::cmp::Ordering;

use super::{States, merge_each};
use crate::datum::Datum;

pub(in crate::exec) struct Extreme {
    /// How a value must compare with the one so far to take its place.
    wins: Ordering,
    values: Vec<Datum>,
}

impl Extreme {
    pub(super) fn smallest() -> Self {
        Self { wins: Ordering::Less, values: Vec::new() }
    }

    pub(super) fn largest() -> Self {
        Self { wins: Ordering::Greater, values: Vec::new() }
    }
}

fn order(new: Value<'_>, old: &Datum) -> Ordering {
    match (new, old) {
        (Value::Int(new), Datum::Int(old)) => new.cmp(old),
        (new, old) => total_order(Some(new), old.value()),
    }
}

impl States for Extreme {
    fn grow(&mut self, groups: usize) {
        self.values.resize(groups, Datum::Missing);
    }

    #[inline]
    fn add(&mut self, group: usize, value: Value<'_>, _: (i64, RecordId)) {
        let Some(old) = self.values.get_mut(group) else { return };
        if *old == Datum::Missing || order(value, old) == self.wins {
            *old = Datum::of(Some(value));
        }
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        let wins = self.wins;
        merge_each(&mut self.values, other.values, map, |old, new| {
            let better = match new.value() {
                Some(value) => *old == Datum::Missing || order(value, old) == wins,
                None => false,
            };
            if better {
                *old = new;
            }
        });
    }

    /// Of equal values, such as 1 and 1.0, the canonical one: which came first does not matter.
    fn finish(&mut self, group: usize) -> Datum {
        let Some(datum) = self.values.get(group) else { return Datum::Missing };
        match datum {
            Datum::Number(_) | Datum::Float(_) => {
                let mut key = Vec::new();
                put_key(&mut key, datum.value());
                take_key(&mut key.as_slice()).map_or_else(|| datum.clone(), Datum::of)
            }
            other => other.clone(),
        }
    }
}
