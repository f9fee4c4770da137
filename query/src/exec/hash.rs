//! Hashing of group keys: short byte strings, hashed once per record. Faster than the standard hasher, and seeded
//! from it, so that records cannot be made to collide on purpose.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes hashers that share one random seed.
#[derive(Clone)]
pub(super) struct KeyHash(u64);

impl Default for KeyHash {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0_u8) | 1)
    }
}

impl BuildHasher for KeyHash {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher { state: self.0, seed: self.0 }
    }
}

/// Folds eight bytes at a time with a 64-by-64-bit product.
pub(super) struct KeyHasher {
    state: u64,
    seed: u64,
}

impl KeyHasher {
    #[inline]
    fn fold(&mut self, word: u64) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(self.state ^ word) * u128::from(self.seed ^ ODD);
        let low = u64::try_from(product & u128::from(u64::MAX)).unwrap_or(0);
        let high = u64::try_from(product >> 64).unwrap_or(0);
        self.state = (low ^ high).wrapping_add(ODD);
    }
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        let mut last = [0_u8; 8];
        for (to, from) in last.iter_mut().zip(tail) {
            *to = *from;
        }
        self.fold(u64::from_le_bytes(last) ^ (bytes.len() as u64).rotate_left(48));
    }

    fn write_u8(&mut self, byte: u8) {
        self.fold(u64::from(byte));
    }

    fn write_i64(&mut self, value: i64) {
        self.fold(value.cast_unsigned());
    }

    fn write_usize(&mut self, value: usize) {
        self.fold(value as u64);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

/// Numbers keys from 0 in the order in which they first come. The bytes of all keys lie in one piece of memory, so that
/// a million groups are not a million allocations.
#[derive(Default)]
pub(super) struct KeyTable {
    /// The high half of a key's hash and its number plus one, by hash; 0 is empty. A power of two, at most half
    /// full.
    slots: Vec<(u32, u32)>,
    hashes: Vec<u64>,
    /// Where each key ends in `bytes`; it starts where the one before ends.
    ends: Vec<usize>,
    bytes: Vec<u8>,
    hash: KeyHash,
}

/// Slots of a table with its first key.
const SLOTS_MIN: usize = 16;

impl KeyTable {
    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The key of this number.
    pub(super) fn key(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(number).and_then(|end| self.bytes.get(start..*end)).unwrap_or_default()
    }

    /// The number of a key, where it is there.
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        let mut hasher = self.hash.build_hasher();
        hasher.write(key);
        let hash = hasher.finish();
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = place(hash, mask);
        loop {
            match self.slots.get(at).copied() {
                Some((_, 0)) | None => return None,
                Some((half, used)) if half == high(hash) && self.key(used as usize - 1) == key => {
                    return Some(used - 1);
                }
                Some(_) => at = (at + 1) & mask,
            }
        }
    }

    /// The number of a key, which is added if it is not there. `None` when there are more than 2^32 - 2.
    #[inline]
    pub(super) fn number(&mut self, key: &[u8]) -> Option<u32> {
        if self.slots.len() <= 2 * self.ends.len() {
            self.grow();
        }
        let mut hasher = self.hash.build_hasher();
        hasher.write(key);
        let hash = hasher.finish();
        let mask = self.slots.len() - 1;
        let mut at = place(hash, mask);
        loop {
            match self.slots.get(at).copied() {
                Some((_, 0)) | None => break,
                Some((half, used)) => {
                    if half == high(hash) && self.key(used as usize - 1) == key {
                        return Some(used - 1);
                    }
                }
            }
            at = (at + 1) & mask;
        }
        let used = u32::try_from(self.ends.len() + 1).ok()?;
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = (high(hash), used);
        }
        self.hashes.push(hash);
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        Some(used - 1)
    }

    fn grow(&mut self) {
        let len = (2 * self.slots.len()).max(SLOTS_MIN);
        self.slots = vec![(0, 0); len];
        for (used, hash) in (1..).zip(&self.hashes) {
            let mut at = place(*hash, len - 1);
            while self.slots.get(at).is_some_and(|slot| slot.1 != 0) {
                at = (at + 1) & (len - 1);
            }
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = (high(*hash), used);
            }
        }
    }
}

/// The upper half of a hash.
fn high(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or(0)
}

/// The first slot of a hash.
#[expect(clippy::cast_possible_truncation, reason = "only the bits under the mask are used")]
fn place(hash: u64, mask: usize) -> usize {
    (hash ^ (hash >> 32)) as usize & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_numbers_through_growth() {
        let mut table = KeyTable::default();
        for round in 0..2 {
            for number in 0..5000_u32 {
                assert_eq!(table.number(format!("key {number}").as_bytes()), Some(number), "round {round}");
            }
        }
        assert_eq!(table.number(b""), Some(5000));
        assert_eq!(table.number(b""), Some(5000));
        assert_eq!((table.len(), table.key(4999), table.key(5000)), (5001, &b"key 4999"[..], &b""[..]));
    }
}
