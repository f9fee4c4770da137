//! `distinct`: how many different values, exactly; values of equal number are one.

use logq_engine::compare::{put_key, take_key};
use logq_engine::{Entries, NO_CODE, RecordId, Value};
use std::collections::HashSet;

use super::{Rows, States, merge_each};
use crate::datum::Datum;
use crate::exec::hash::{KeyHash, KeyTable};
use crate::exec::slices::Slice;

/// Bytes that an entry takes besides its key, about.
const ENTRY_SIZE: usize = 40;

#[derive(Default)]
pub(in crate::exec) struct Distinct {
    sets: Vec<Set>,
    key: Vec<u8>,
    grown: usize,
    seen: Seen,
    /// Which values this pass takes; all of them without.
    slice: Option<Slice>,
}

#[derive(Default)]
struct Set {
    ints: HashSet<i64, KeyHash>,
    /// Keys of all other values.
    keys: KeyTable,
    /// Values of passes before this one.
    before: usize,
}

impl Set {
    fn count(&self) -> usize {
        self.before + self.ints.len() + self.keys.len()
    }
}

/// Which codes of one dictionary each group has had: what was seen need not be looked up again.
#[derive(Default)]
struct Seen {
    number: Option<u64>,
    /// For each group as many bits as the dictionary has entries.
    bits: Vec<u64>,
}

/// Words of [`Seen::bits`], at most: half a megabyte. Groups beyond are looked up each time.
const SEEN_MAX: usize = 1 << 16;

impl Seen {
    /// Whether a group has this code for the first time, as far as is known.
    #[inline]
    fn is_new(&mut self, entries: &Entries<'_>, group: usize, code: u32) -> bool {
        if self.number != Some(entries.number()) {
            self.number = Some(entries.number());
            self.bits.clear();
        }
        let words = entries.len().div_ceil(64);
        let at = group.saturating_mul(words).saturating_add(code as usize / 64);
        if self.bits.len() <= at {
            if SEEN_MAX <= at {
                return true;
            }
            self.bits.resize(at + 1, 0);
        }
        let Some(word) = self.bits.get_mut(at) else { return true };
        let bit = 1 << (code % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

impl Distinct {
    /// For a pass that takes only values of a slice.
    pub(super) fn of_slice(slice: &Slice) -> Self {
        Self { slice: Some(slice.clone()), ..Self::default() }
    }

    /// Keeps of what was found only how much it is: the next pass takes other values.
    pub(super) fn settle(&mut self) {
        for set in &mut self.sets {
            *set = Set { before: set.count(), ..Set::default() };
        }
    }

    /// Takes the codes of a column.
    pub(super) fn add_codes(&mut self, rows: &Rows<'_>, codes: &[u32], entries: Entries<'_>) {
        for (row, group) in rows.rows.iter().zip(rows.groups) {
            let row = *row as usize;
            let Some(&code) = codes.get(row).filter(|code| **code != NO_CODE) else { continue };
            let group = *group as usize;
            if self.seen.is_new(&entries, group, code)
                && let Some(value) = entries.get(code).filter(|value| *value != Value::Null)
            {
                self.add(group, value, rows.at(row));
            }
        }
    }
}

impl States for Distinct {
    fn grow(&mut self, groups: usize) {
        self.sets.resize_with(groups, Set::default);
    }

    fn add(&mut self, group: usize, value: Value<'_>, _: (i64, RecordId)) {
        let Some(set) = self.sets.get_mut(group) else { return };
        let has_int = |int| self.slice.as_ref().is_none_or(|slice| slice.has_int(int));
        if let Value::Int(int) = value {
            self.grown += if has_int(int) && set.ints.insert(int) { ENTRY_SIZE } else { 0 };
            return;
        }
        self.key.clear();
        put_key(&mut self.key, Some(value));
        // A number such as 1.0 has the key of the integer that it equals.
        let number = matches!(value, Value::Number(_) | Value::Float(_));
        let same = if number { take_key(&mut self.key.as_slice()) } else { None };
        match same {
            Some(Some(Value::Int(int))) => {
                self.grown += if has_int(int) && set.ints.insert(int) { ENTRY_SIZE } else { 0 };
            }
            _ if self.slice.as_ref().is_some_and(|slice| !slice.has_value(&self.key)) => {}
            _ => {
                let before = set.keys.len();
                if set.keys.number(&self.key).is_some() && before < set.keys.len() {
                    self.grown += ENTRY_SIZE + self.key.len();
                }
            }
        }
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        merge_each(&mut self.sets, other.sets, map, |set, more| {
            set.before += more.before;
            set.ints.extend(more.ints);
            for number in 0..more.keys.len() {
                set.keys.number(more.keys.key(number));
            }
        });
    }

    fn finish(&mut self, group: usize) -> Datum {
        let count = self.sets.get(group).map_or(0, Set::count);
        Datum::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn grown(&mut self) -> usize {
        std::mem::take(&mut self.grown)
    }
}
