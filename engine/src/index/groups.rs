//! Groups: a set of groups of one segment, a bit each.

/// A set of groups, numbered from 0 across the segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    bits: Vec<u64>,
    /// Groups of the segment.
    total: u32,
}

impl Groups {
    /// No group out of `total`.
    pub(crate) fn none(total: u32) -> Self {
        Self { bits: vec![0; total.div_ceil(64) as usize], total }
    }

    /// Every one of `total` groups.
    pub(crate) fn all(total: u32) -> Self {
        let mut all = Self { bits: vec![u64::MAX; total.div_ceil(64) as usize], total };
        let tail = total % 64;
        if tail != 0
            && let Some(last) = all.bits.last_mut()
        {
            *last = (1 << tail) - 1;
        }
        all
    }

    /// Puts a group in. Says whether there is such a group.
    pub(crate) fn insert(&mut self, group: u32) -> bool {
        let is_inside = group < self.total;
        if is_inside && let Some(word) = self.bits.get_mut((group / 64) as usize) {
            *word |= 1 << (group % 64);
        }
        is_inside
    }

    /// Whether a group is in the set.
    pub(crate) fn contains(&self, group: u32) -> bool {
        self.bits.get((group / 64) as usize).is_some_and(|word| word >> (group % 64) & 1 == 1)
    }

    #[cfg(test)]
    /// Keeps what the other set holds too.
    pub(crate) fn and(&mut self, other: &Self) {
        debug_assert_eq!(self.total, other.total, "sets of one segment");
        // A set of fewer groups holds none of those behind its end.
        let theirs = other.bits.iter().copied().chain(std::iter::repeat(0));
        for (word, theirs) in self.bits.iter_mut().zip(theirs) {
            *word &= theirs;
        }
    }

    #[cfg(test)]
    /// Takes in what the other set holds.
    pub(crate) fn or(&mut self, other: &Self) {
        debug_assert_eq!(self.total, other.total, "sets of one segment");
        for (word, theirs) in self.bits.iter_mut().zip(&other.bits) {
            *word |= theirs;
        }
    }

    #[cfg(test)]
    /// How many groups are in the set.
    pub(crate) fn count(&self) -> u32 {
        self.bits.iter().map(|word| word.count_ones()).sum()
    }

    #[cfg(test)]
    /// The groups in the set, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..self.total).filter(|&group| self.contains(group))
    }

    /// Sixty-four groups from `first` on, a bit each: those of a block, which has no more.
    pub(crate) fn window(&self, first: u32) -> u64 {
        let word = |at: u32| self.bits.get(at as usize).copied().unwrap_or(0);
        let (at, shift) = (first / 64, first % 64);
        let low = word(at) >> shift;
        if shift == 0 { low } else { low | word(at + 1) << (64 - shift) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(total: u32, of: &BTreeSet<u32>) -> Groups {
        let mut set = Groups::none(total);
        for &group in of {
            assert_eq!(set.insert(group), group < total);
        }
        set
    }

    #[test]
    fn all_holds_every_group_and_no_more() {
        for total in [0, 1, 8, 63, 64, 65, 1000] {
            let all = Groups::all(total);
            assert_eq!(all.count(), total);
            assert!(all.iter().eq(0..total));
            assert!(!all.contains(total) && !Groups::none(total).contains(0));
        }
    }

    proptest! {
        #[test]
        fn groups_are_sets(
            total in 1_u32..200,
            left in prop::collection::btree_set(0_u32..220, 0..40),
            right in prop::collection::btree_set(0_u32..220, 0..40),
            first in 0_u32..220,
        ) {
            let inside = |of: &BTreeSet<u32>| of.range(..total).copied().collect::<BTreeSet<u32>>();
            let (a, b) = (inside(&left), inside(&right));
            let (mut both, mut either) = (set(total, &left), set(total, &left));
            both.and(&set(total, &right));
            either.or(&set(total, &right));
            prop_assert!(both.iter().eq(a.intersection(&b).copied()));
            prop_assert!(either.iter().eq(a.union(&b).copied()));
            prop_assert_eq!(either.count() as usize, a.union(&b).count());
            let window = set(total, &left).window(first);
            for at in 0..64 {
                prop_assert_eq!(window >> at & 1 == 1, a.contains(&(first + at)));
            }
        }
    }
}
