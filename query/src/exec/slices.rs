//! Slices: groups that do not fit in memory, a part of them at a time.
//!
//! A snapshot can be read as often as one likes and is always the same. So a grouping that outgrows its memory begins
//! anew in several passes, and each of them keeps only the groups whose keys hash into its slice; where it is the
//! values of `distinct` that outgrow it, a pass keeps only the values of its slice, and the counts are added up. Every
//! pass is exact, so their answers together are. Nothing is written, so nothing is left behind by a crash; the price is
//! reading again, as often as the memory is too small.

use std::hash::BuildHasher as _;

use super::hash::KeyHash;

/// The group of a row that another pass takes: no table numbers so many.
pub(super) const OTHER_PASS: u32 = u32::MAX - 1;

/// So many times more slices at least, and at most, when those that were tried do not fit.
const FINER: std::ops::RangeInclusive<usize> = 2..=16;
/// Passes at most: beyond, the answer is refused.
const PASSES_MAX: u32 = 4096;

/// Into how many slices the groups and the values are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) groups: u32,
    pub(super) values: u32,
}

impl Cut {
    /// Everything in one pass.
    pub(super) const WHOLE: Self = Self { groups: 1, values: 1 };

    /// The next finer cut of groups, or of values where these took most of the memory, after `done` of `all` parts
    /// filled it. `None` where that would be too many passes.
    pub(super) fn finer(self, of_values: bool, done: usize, all: usize) -> Option<Self> {
        // A quarter more than what was seen asks for, as slices are not all of one size.
        let times =
            (all.saturating_mul(5) / done.max(1).saturating_mul(4)).clamp(*FINER.start(), *FINER.end());
        let times = u32::try_from(times).ok()?;
        let next = match of_values {
            true => Self { values: self.values * times, ..self },
            false => Self { groups: self.groups * times, ..self },
        };
        (next.groups * next.values <= PASSES_MAX).then_some(next)
    }
}

/// What one pass takes: of so many slices the one with this number.
#[derive(Clone)]
pub(super) struct Slice {
    pub(super) cut: Cut,
    pub(super) group: u32,
    pub(super) value: u32,
    hash: KeyHash,
}

impl Slice {
    /// The first slice of a cut. All slices of a query share `hash`.
    pub(super) fn first(cut: Cut, hash: &KeyHash) -> Self {
        Self { cut, group: 0, value: 0, hash: hash.clone() }
    }

    /// The slices of values of one slice of groups.
    pub(super) fn of_values(&self) -> impl Iterator<Item = Self> {
        (0..self.cut.values).map(|value| Self { value, ..self.clone() })
    }

    /// The slices of groups, the first slice of values of each.
    pub(super) fn of_groups(&self) -> impl Iterator<Item = Self> {
        (0..self.cut.groups).map(|group| Self { group, value: 0, ..self.clone() })
    }

    /// Whether there are groups of other slices.
    #[inline]
    pub(super) fn cuts_groups(&self) -> bool {
        1 < self.cut.groups
    }

    /// Whether a group is of this slice.
    #[inline]
    pub(super) fn has_group(&self, key: &[u8]) -> bool {
        self.cut.groups == 1 || place(self.hash.hash_one(key), self.cut.groups) == self.group
    }

    /// Whether a value is of this slice.
    #[inline]
    pub(super) fn has_value(&self, key: &[u8]) -> bool {
        self.cut.values == 1 || place(self.hash.hash_one(key), self.cut.values) == self.value
    }

    /// The same for a whole number.
    #[inline]
    pub(super) fn has_int(&self, int: i64) -> bool {
        self.cut.values == 1 || place(self.hash.hash_one(int), self.cut.values) == self.value
    }

    /// Whether this pass is the one that computes measures that are not cut by values.
    pub(super) fn is_first_of_values(&self) -> bool {
        self.value == 0
    }
}

/// Which of so many slices a hash is of. The upper bits: tables of keys use the lower ones.
#[inline]
fn place(hash: u64, slices: u32) -> u32 {
    let high = u32::try_from(hash >> 32).unwrap_or(0);
    u32::try_from((u64::from(high) * u64::from(slices)) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_and_value_is_of_exactly_one_slice() {
        let hash = KeyHash::default();
        let cut = Cut::WHOLE.finer(false, 5, 16).and_then(|cut| cut.finer(true, 5, 16)).unwrap();
        assert_eq!(cut, Cut { groups: 4, values: 4 });
        let first = Slice::first(cut, &hash);
        let slices: Vec<Slice> =
            first.of_groups().flat_map(|slice| slice.of_values().collect::<Vec<_>>()).collect();
        assert_eq!(slices.len(), 16);
        let mut taken = [0; 16];
        for n in 0..2000_i64 {
            let key = n.to_le_bytes();
            let of: Vec<usize> =
                (0..16).filter(|at| slices[*at].has_group(&key) && slices[*at].has_int(n)).collect();
            assert_eq!(of.len(), 1, "{n}");
            taken[of[0]] += 1;
            assert_eq!(slices.iter().filter(|slice| slice.has_value(&key)).count(), 4, "{n}");
        }
        assert!(taken.iter().all(|count| 60 < *count), "slices are of about one size: {taken:?}");
    }

    #[test]
    fn passes_do_not_become_endless() {
        let mut cut = Cut::WHOLE;
        for at in 0.. {
            let Some(finer) = cut.finer(at % 2 == 0, at % 3, 3) else { break };
            assert!(2 * cut.groups * cut.values <= finer.groups * finer.values);
            cut = finer;
        }
        assert!(cut.groups * cut.values <= PASSES_MAX);
    }
}
