//! Keys as small numbers: the columns that rows are grouped by, where a batch holds them as codes.
//!
//! Each key column numbers its values from 0, through all dictionaries that a thread meets. The numbers of a row
//! together are a place in a cache of groups, so that no key is built for a row whose group is known. The cache
//! is of one bucket of time at a time: a stamp tells what is of another.

use logq_engine::compare::put_key;
use logq_engine::{IntUnit, Lane, NO_CODE, Value};

use super::hash::KeyTable;

/// Bits of a place in the cache, at most.
const CACHE_BITS: u32 = 18;
/// Integers under this have their numbers in a list.
const SMALL_MAX: i64 = 4096;
/// No number yet.
const UNKNOWN: u32 = u32::MAX;
/// Bytes that a numbered value takes besides its key, about.
const VALUE_SIZE: usize = 24;

/// One key column.
#[derive(Default)]
pub(super) struct KeyColumn {
    values: KeyTable,
    dictionary: Option<u64>,
    /// Numbers by code of that dictionary.
    by_code: Vec<u32>,
    unit: Option<IntUnit>,
    /// Numbers by integer of that unit.
    by_int: Vec<u32>,
    missing: Option<u32>,
    /// The numbers of the rows of the current batch.
    rows: Vec<u32>,
    key: Vec<u8>,
    grown: usize,
}

impl KeyColumn {
    /// Numbers the rows of a batch. `false` where the lane is not held as codes or small integers.
    fn read(&mut self, lane: Lane<'_>, rows: usize) -> bool {
        self.rows.clear();
        match lane {
            Lane::Constant(value) => {
                let Some(number) = self.number(value) else { return false };
                self.rows.resize(rows, number);
            }
            Lane::Codes(codes, entries) => {
                if self.dictionary != Some(entries.number()) {
                    self.dictionary = Some(entries.number());
                    self.by_code.clear();
                    self.by_code.resize(entries.len(), UNKNOWN);
                }
                // Most batches hold nothing new.
                let known = |code: &u32| self.by_code.get(*code as usize).copied().unwrap_or(UNKNOWN);
                self.rows.extend(codes.iter().map(known));
                if !self.rows.contains(&UNKNOWN) {
                    return self.rows.len() == rows;
                }
                self.rows.clear();
                for &code in codes.iter() {
                    let number = match self.by_code.get(code as usize) {
                        Some(&number) if number != UNKNOWN => Some(number),
                        Some(_) => {
                            let number = self.number(entries.get(code));
                            if let (Some(slot), Some(number)) = (self.by_code.get_mut(code as usize), number)
                            {
                                *slot = number;
                            }
                            number
                        }
                        None => self.missing(),
                    };
                    let Some(number) = number else { return false };
                    self.rows.push(number);
                }
            }
            Lane::Ints(unit, ints) => {
                if self.unit != Some(unit) {
                    self.unit = Some(unit);
                    self.by_int.clear();
                }
                for row in 0..rows {
                    let number = match ints.get(row) {
                        Some(int) => self.small(unit, int),
                        None => self.missing(),
                    };
                    let Some(number) = number else { return false };
                    self.rows.push(number);
                }
            }
            Lane::Values(_) => return false,
        }
        self.rows.len() == rows
    }

    fn number(&mut self, value: Option<Value<'_>>) -> Option<u32> {
        self.key.clear();
        put_key(&mut self.key, value);
        let before = self.values.len();
        let number = self.values.number(&self.key)?;
        if before < self.values.len() {
            self.grown += self.key.len() + VALUE_SIZE;
        }
        Some(number)
    }

    fn missing(&mut self) -> Option<u32> {
        if self.missing.is_none() {
            self.missing = self.number(None);
        }
        self.missing
    }

    fn small(&mut self, unit: IntUnit, int: i64) -> Option<u32> {
        let at = usize::try_from(int).ok().filter(|_| int < SMALL_MAX)?;
        if self.by_int.len() <= at {
            self.by_int.resize(at + 1, UNKNOWN);
        }
        if let Some(&number) = self.by_int.get(at).filter(|number| **number != UNKNOWN) {
            return Some(number);
        }
        let number = self.number(unit.value(int))?;
        if let Some(slot) = self.by_int.get_mut(at) {
            *slot = number;
        }
        Some(number)
    }
}

/// All key columns of a grouping, and the groups that are known.
#[derive(Default)]
pub(super) struct Keys {
    columns: Vec<KeyColumn>,
    /// Bits that each column has of a place, for which the cache was made.
    bits: Vec<u32>,
    /// By place: a stamp and a group. Empty where places would be too many.
    cache: Vec<(u32, u32)>,
    stamp: u32,
    /// The bucket that the stamp stands for.
    bucket: Option<Option<i64>>,
    /// The place of each row of the current batch.
    places: Vec<u32>,
}

impl Keys {
    pub(super) fn new(columns: usize) -> Self {
        Self { columns: (0..columns).map(|_| KeyColumn::default()).collect(), ..Self::default() }
    }

    /// Reads the key columns of a batch. `false` where one of them is not held as numbers.
    pub(super) fn read<'b>(&mut self, lanes: impl Iterator<Item = Lane<'b>>, rows: usize) -> bool {
        if !self.columns.iter_mut().zip(lanes).all(|(column, lane)| column.read(lane, rows)) {
            return false;
        }
        let width = |column: &KeyColumn| column.values.len().next_power_of_two().trailing_zeros();
        if !self.columns.iter().map(width).eq(self.bits.iter().copied()) || self.stamp == 0 {
            self.bits = self.columns.iter().map(width).collect();
            let all: u32 = self.bits.iter().sum();
            self.cache.clear();
            self.cache.resize(if all <= CACHE_BITS { 1 << all } else { 0 }, (0, 0));
            (self.stamp, self.bucket) = (1, None);
        }
        if !self.cache.is_empty() {
            self.places.clear();
            self.places.resize(rows, 0);
            for (column, bits) in self.columns.iter().zip(&self.bits) {
                for (place, number) in self.places.iter_mut().zip(&column.rows) {
                    *place = *place << bits | number;
                }
            }
        }
        true
    }

    /// What is asked next lies in this bucket of time.
    pub(super) fn enter(&mut self, bucket: Option<i64>) {
        if self.bucket == Some(bucket) {
            return;
        }
        self.bucket = Some(bucket);
        match self.stamp.checked_add(1) {
            Some(stamp) => self.stamp = stamp,
            None => {
                self.cache.fill((0, 0));
                self.stamp = 1;
            }
        }
    }

    /// The group of a row, if it is known.
    #[inline]
    pub(super) fn known(&self, row: usize) -> Option<u32> {
        let (stamp, group) = *self.cache.get(*self.places.get(row)? as usize)?;
        (stamp == self.stamp).then_some(group)
    }

    /// Remembers the group of a row.
    pub(super) fn learn(&mut self, row: usize, group: u32) {
        if let Some(place) = self.places.get(row)
            && let Some(slot) = self.cache.get_mut(*place as usize)
        {
            *slot = (self.stamp, group);
        }
    }

    /// Appends the key of a row.
    pub(super) fn put(&self, key: &mut Vec<u8>, row: usize) {
        for column in &self.columns {
            let number = column.rows.get(row).copied().unwrap_or(NO_CODE);
            key.extend_from_slice(column.values.key(number as usize));
        }
    }

    /// Bytes that values took since the last call, about.
    pub(super) fn grown(&mut self) -> usize {
        self.columns.iter_mut().map(|column| std::mem::take(&mut column.grown)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use logq_engine::Ints;
    use std::borrow::Cow;

    fn ints(list: &[i64]) -> Lane<'static> {
        Lane::Ints(IntUnit::Int, Ints { ints: Cow::Owned(list.to_vec()), places: None })
    }

    fn key(keys: &Keys, row: usize) -> Vec<u8> {
        let mut key = Vec::new();
        keys.put(&mut key, row);
        key
    }

    #[test]
    fn a_key_is_that_of_the_values() {
        let mut keys = Keys::new(2);
        let lanes = [ints(&[3, 5, 3]), Lane::Constant(Some(Value::Str("a")))];
        assert!(keys.read(lanes.into_iter(), 3));
        let mut want = Vec::new();
        put_key(&mut want, Some(Value::Int(5)));
        put_key(&mut want, Some(Value::Str("a")));
        assert_eq!(key(&keys, 1), want);
        assert_eq!(key(&keys, 0), key(&keys, 2));
    }

    #[test]
    fn a_group_is_known_in_its_bucket_only() {
        let mut keys = Keys::new(1);
        assert!(keys.read([ints(&[1, 2, 1])].into_iter(), 3));
        keys.enter(Some(0));
        assert_eq!(keys.known(0), None);
        keys.learn(0, 7);
        assert_eq!((keys.known(0), keys.known(1), keys.known(2)), (Some(7), None, Some(7)));
        keys.enter(Some(60));
        assert_eq!(keys.known(0), None);
        keys.enter(None);
        assert_eq!(keys.known(0), None);
        keys.learn(1, 8);
        // A new value may need another bit: what was known is forgotten, not mistaken.
        assert!(keys.read([ints(&[9, 1, 2])].into_iter(), 3));
        keys.enter(None);
        assert_eq!((keys.known(0), keys.known(1), keys.known(2)), (None, None, None));
    }

    #[test]
    fn keys_beyond_small_integers_are_left_to_values() {
        let mut keys = Keys::new(1);
        for odd in [-1, SMALL_MAX, i64::MIN, i64::MAX] {
            assert!(!keys.read([ints(&[0, odd])].into_iter(), 2), "{odd}");
        }
        assert!(!keys.read([Lane::Values(&[None])].into_iter(), 1));
        assert!(keys.read([ints(&[0, SMALL_MAX - 1])].into_iter(), 2));
    }

    #[test]
    fn too_many_places_are_not_cached_but_have_keys() {
        let mut keys = Keys::new(2);
        let many: Vec<i64> = (0..SMALL_MAX).collect();
        let rows = many.len();
        assert!(keys.read([ints(&many), ints(&many)].into_iter(), rows));
        keys.enter(None);
        keys.learn(5, 1);
        assert_eq!(keys.known(5), None);
        assert_ne!(key(&keys, 5), key(&keys, 6));
    }
}
