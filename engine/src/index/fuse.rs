//! Binary fuse filter: which hashes are in a set, in 9 bits each, wrong in one of 256 cases and only ever by
//! saying yes. After Graf and Lemire, "Binary Fuse Filters: Fast and Smaller Than Xor Filters" (2022).
//!
//! ```text
//! filter   segments u32, bits of a segment u8, seed u64, (segments + 2) << bits fingerprints u8
//! ```
//!
//! A filter without segments has no fingerprints: bits 0 is the empty set, bits 255 any hash at all.

use crate::format::{u32_at, u64_at};

/// Bytes before the fingerprints.
pub(super) const HEAD_SIZE: usize = 13;

const NOTHING: u8 = 0;
const ANYTHING: u8 = 255;

/// A segment has 2^18 places at most, as in the paper.
const BITS_MAX: u8 = 18;

/// Attempts that find no order to fill a filter of distinct hashes, before it is given up for one that says
/// yes to everything. One in a few hundred attempts fails.
const ATTEMPTS_MAX: u32 = 64;

/// The numbers that say where a hash belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    segments: u32,
    bits: u8,
    seed: u64,
}

impl Shape {
    /// Reads the head of a filter.
    pub(super) fn read(head: &[u8]) -> Option<Self> {
        let shape = Self { segments: u32_at(head, 0)?, bits: *head.get(4)?, seed: u64_at(head, 5)? };
        let holds = match shape.segments {
            0 => shape.seed == 0 && (shape.bits == NOTHING || shape.bits == ANYTHING),
            _ => shape.bits <= BITS_MAX && shape.len() <= u64::from(u32::MAX),
        };
        holds.then_some(shape)
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.segments.to_le_bytes());
        out.push(self.bits);
        out.extend_from_slice(&self.seed.to_le_bytes());
    }

    /// Fingerprints of the filter.
    pub(super) fn len(self) -> u64 {
        if self.segments == 0 { 0 } else { (u64::from(self.segments) + 2) << self.bits }
    }

    /// The shape for a number of hashes, the seed apart.
    fn of(count: usize) -> Self {
        // The sizes of the paper: segments of 2^(log(n) / log(3.33) + 2.25), 1.125 places a hash for large
        // sets and more for smaller ones.
        #[expect(clippy::cast_precision_loss, reason = "a size of about this is good enough")]
        let n = count.max(2) as f64;
        let exact = n.ln() / 3.33_f64.ln() + 2.25;
        let bits = (1..=BITS_MAX).rev().find(|&bits| f64::from(bits) <= exact).unwrap_or(1);
        let factor = (0.875 + 0.25 * 1e6_f64.ln() / n.ln()).max(1.125);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and a cast of a float keeps to the range"
        )]
        let places = (n * factor).round() as u64;
        let segments = places.div_ceil(1 << bits).saturating_sub(2).max(1);
        Self { segments: u32::try_from(segments).unwrap_or(u32::MAX), bits, seed: 0 }
    }

    /// The three places of a hash, in three consecutive segments, and its fingerprint.
    #[inline]
    fn places(self, hash: u64) -> ([usize; 3], u8) {
        let mixed = mix(hash.wrapping_add(self.seed));
        let starts = u64::from(self.segments) << self.bits;
        let first = high(u128::from(mixed) * u128::from(starts));
        let size = 1_u64 << self.bits;
        let second = (first + size) ^ (mixed >> 18 & (size - 1));
        let third = (first + 2 * size) ^ (mixed & (size - 1));
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
        let fingerprint = (mixed ^ mixed >> 32) as u8;
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        ([place(first), place(second), place(third)], fingerprint)
    }

    /// Whether the set of a filter may hold a hash. `fingerprints` are [`Shape::len`] bytes.
    pub(super) fn contains(self, fingerprints: &[u8], hash: u64) -> bool {
        if self.segments == 0 {
            return self.bits == ANYTHING;
        }
        let (places, fingerprint) = self.places(hash);
        let stored = places.iter().try_fold(0, |all, &at| Some(all ^ fingerprints.get(at)?));
        // A place that is missing says nothing about the hash.
        stored.is_none_or(|stored: u8| stored == fingerprint)
    }
}

/// The finalizer of MurmurHash3: every bit of the result hangs on every bit given.
#[inline]
fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

#[inline]
fn high(product: u128) -> u64 {
    (product >> 64) as u64
}

/// Room to build filters in, one after the other.
#[derive(Debug, Default)]
pub(super) struct Workshop {
    /// Of each place: how many hashes are left that belong there, times four, and their numbers of the place
    /// (first, second, third) in exclusive or; and the hashes in exclusive or.
    counts: Vec<u32>,
    hashes: Vec<u64>,
    /// Places with one hash.
    alone: Vec<usize>,
    /// The hashes in the order in which they were taken away, and the number of the place that each had alone.
    order: Vec<(u64, usize)>,
}

impl Workshop {
    /// Appends the filter of a set: head to one, fingerprints to the other. The hashes are distinct.
    pub(super) fn build(&mut self, set: &[u64], heads: &mut Vec<u8>, fingerprints: &mut Vec<u8>) {
        if set.is_empty() {
            return Shape { segments: 0, bits: NOTHING, seed: 0 }.write(heads);
        }
        let mut shape = Shape::of(set.len());
        if shape.len() <= u64::from(u32::MAX) {
            for attempt in 0..ATTEMPTS_MAX {
                // Any sequence of seeds will do; this one repeats itself in every build.
                shape.seed = mix(u64::from(attempt) + 0x9e37_79b9_7f4a_7c15);
                if self.peel(shape, set) {
                    shape.write(heads);
                    return self.fill(shape, fingerprints);
                }
            }
        }
        Shape { segments: 0, bits: ANYTHING, seed: 0 }.write(heads);
    }

    /// Takes away hash after hash that has a place for itself. Says whether none is left.
    fn peel(&mut self, shape: Shape, set: &[u64]) -> bool {
        let len = usize::try_from(shape.len()).unwrap_or(usize::MAX);
        self.counts.clear();
        self.counts.resize(len, 0);
        self.hashes.clear();
        self.hashes.resize(len, 0);
        self.alone.clear();
        self.order.clear();
        for &hash in set {
            for (number, &at) in (0_u32..).zip(&shape.places(hash).0) {
                self.counts[at] = (self.counts[at] + 4) ^ number;
                self.hashes[at] ^= hash;
            }
        }
        self.alone.extend((0..len).filter(|&at| self.counts[at] >> 2 == 1));
        while let Some(at) = self.alone.pop() {
            // It may have been taken away from another place meanwhile.
            if self.counts[at] >> 2 != 1 {
                continue;
            }
            let (hash, own) = (self.hashes[at], (self.counts[at] & 3) as usize);
            self.order.push((hash, own));
            for (number, &at) in (0_u32..).zip(&shape.places(hash).0) {
                self.counts[at] = (self.counts[at] - 4) ^ number;
                self.hashes[at] ^= hash;
                if self.counts[at] >> 2 == 1 {
                    self.alone.push(at);
                }
            }
        }
        self.order.len() == set.len()
    }

    /// Gives each hash its fingerprint, the last one taken away first: when its turn comes, nobody who
    /// follows looks at the place that it had alone.
    fn fill(&self, shape: Shape, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.counts.len(), 0);
        let (_, filter) = out.split_at_mut(start);
        for &(hash, own) in self.order.iter().rev() {
            let (places, fingerprint) = shape.places(hash);
            let others = filter[places[(own + 1) % 3]] ^ filter[places[(own + 2) % 3]];
            filter[places[own]] = fingerprint ^ others;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn build(set: &[u64]) -> (Shape, Vec<u8>) {
        let (mut heads, mut fingerprints) = (Vec::new(), Vec::new());
        Workshop::default().build(set, &mut heads, &mut fingerprints);
        assert_eq!(heads.len(), HEAD_SIZE);
        let shape = Shape::read(&heads).unwrap();
        assert_eq!(shape.len(), fingerprints.len() as u64);
        (shape, fingerprints)
    }

    fn spread(range: std::ops::Range<u64>) -> Vec<u64> {
        range.map(|at| mix(at.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
    }

    #[test]
    fn sets_of_every_size_are_held_whole() {
        for size in (0..400).chain([1000, 10_000, 100_000]) {
            let set = spread(0..size);
            let (shape, fingerprints) = build(&set);
            assert!(set.iter().all(|&hash| shape.contains(&fingerprints, hash)), "{size}");
            assert_ne!((shape.segments, shape.bits), (0, ANYTHING), "{size} hashes found no order");
        }
    }

    #[test]
    fn one_in_two_hundred_strangers_is_let_in_at_most() {
        let (shape, fingerprints) = build(&spread(0..50_000));
        let strangers = spread(1_000_000..1_400_000);
        let wrong = strangers.iter().filter(|&&hash| shape.contains(&fingerprints, hash)).count();
        assert!(wrong * 200 <= strangers.len(), "{wrong}");
        assert!(fingerprints.len() * 8 <= 50_000 * 10, "{} bytes", fingerprints.len());
    }

    #[test]
    fn the_empty_set_holds_nothing_and_hashes_without_an_order_make_one_that_holds_all() {
        let (shape, fingerprints) = build(&[]);
        assert!(!spread(0..100).iter().any(|&hash| shape.contains(&fingerprints, hash)));
        // A hash given twice never has a place for itself.
        let (shape, fingerprints) = build(&[7, 7]);
        assert!(fingerprints.is_empty());
        assert!(spread(0..100).iter().all(|&hash| shape.contains(&fingerprints, hash)));
    }

    proptest! {
        #[test]
        fn no_hash_of_the_set_is_missed(set in prop::collection::btree_set(any::<u64>(), 0..300)) {
            let set: Vec<u64> = BTreeSet::into_iter(set).collect();
            let (shape, fingerprints) = build(&set);
            prop_assert!(set.iter().all(|&hash| shape.contains(&fingerprints, hash)));
        }

        #[test]
        fn any_bytes_are_a_filter_or_none(head in any::<[u8; HEAD_SIZE]>(), small in any::<bool>(), hash in any::<u64>()) {
            let mut head = head;
            if small {
                head[1..4].fill(0);
                head[4] %= 24;
            }
            if let Some(shape) = Shape::read(&head) {
                let mut again = Vec::new();
                shape.write(&mut again);
                prop_assert_eq!(again.as_slice(), head.as_slice());
                let (places, _) = shape.places(hash);
                prop_assert!(shape.segments == 0 || places.iter().all(|&at| (at as u64) < shape.len()));
                shape.contains(&[1, 2, 3], hash);
            }
        }
    }
}
