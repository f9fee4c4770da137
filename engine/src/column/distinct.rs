//! Distinct values: gives each different value of a column a code, in the order of first appearance.

/// More distinct values than this are no dictionary.
pub(crate) const ENTRIES_MAX: usize = 1 << 16;

/// A search that takes more steps has met values made to collide, or bad luck: the column goes without a
/// dictionary.
const PROBES_MAX: usize = 256;

const EMPTY: u32 = u32::MAX;

/// The code of each value, and the position at which each code appeared first.
pub(crate) struct Codes {
    pub(crate) codes: Vec<u32>,
    pub(crate) firsts: Vec<usize>,
}

/// After so many keys, and each time that it doubles, a look at how many of them differ: more than fifteen in
/// sixteen, and there will be no dictionary. Keys drawn evenly from 32,000 get past this, just.
const LOOK_AFTER: usize = 4096;

/// Codes the keys. `None` when there are more than `entries_max` distinct ones, or when nearly all differ.
pub(crate) fn codes<K: Copy + PartialEq>(
    keys: impl ExactSizeIterator<Item = K>,
    hash: impl Fn(K) -> u64,
    entries_max: usize,
) -> Option<Codes> {
    let total = keys.len();
    let mut table = Table::new(total.min(1024));
    let mut found: Vec<(u64, K)> = Vec::new();
    let mut all = Codes { codes: Vec::with_capacity(total), firsts: Vec::new() };
    let mut before: Option<(K, u32)> = None;
    let mut look_at = LOOK_AFTER;
    for (at, key) in keys.enumerate() {
        if let Some((_, code)) = before.filter(|(before, _)| *before == key) {
            all.codes.push(code);
            continue;
        }
        let hash = hash(key);
        let code =
            match table.find(hash, |code| found.get(code).is_some_and(|entry| *entry == (hash, key)))? {
                Place::Taken(code) => code,
                Place::Free(place) => {
                    let code = u32::try_from(found.len()).ok()?;
                    if entries_max <= found.len() {
                        return None;
                    }
                    found.push((hash, key));
                    all.firsts.push(at);
                    table.fill(place, code);
                    if table.is_crowded(found.len()) {
                        table = table.grown(found.iter().map(|(hash, _)| *hash))?;
                    }
                    code
                }
            };
        all.codes.push(code);
        before = Some((key, code));
        if look_at <= at {
            if at - at / 16 < found.len() {
                return None;
            }
            look_at *= 2;
        }
    }
    Some(all)
}

/// A hash table of codes: open addressing, a step at a time.
struct Table {
    places: Vec<u32>,
    mask: usize,
}

enum Place {
    Taken(u32),
    Free(usize),
}

impl Table {
    fn new(entries: usize) -> Self {
        let size = (entries * 2).next_power_of_two().max(16);
        Self { places: vec![EMPTY; size], mask: size - 1 }
    }

    fn find(&self, hash: u64, is_key: impl Fn(usize) -> bool) -> Option<Place> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
        let start = (hash ^ (hash >> 32)) as usize;
        for step in 0..PROBES_MAX {
            let place = start.wrapping_add(step) & self.mask;
            match self.places.get(place).copied()? {
                EMPTY => return Some(Place::Free(place)),
                code if is_key(usize::try_from(code).ok()?) => return Some(Place::Taken(code)),
                _ => {}
            }
        }
        None
    }

    fn fill(&mut self, place: usize, code: u32) {
        if let Some(place) = self.places.get_mut(place) {
            *place = code;
        }
    }

    fn is_crowded(&self, entries: usize) -> bool {
        self.places.len() < entries * 2
    }

    fn grown(&self, hashes: impl Iterator<Item = u64>) -> Option<Self> {
        let mut table = Self::new(self.places.len());
        for (code, hash) in (0..).zip(hashes) {
            if let Place::Free(place) = table.find(hash, |_| false)? {
                table.fill(place, code);
            }
        }
        Some(table)
    }
}

/// A hash of bytes.
#[inline]
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    twox_hash::XxHash3_64::oneshot(bytes)
}

/// A hash of bytes that others do not have by chance.
#[inline]
pub(crate) fn hash_wide(bytes: &[u8]) -> u128 {
    twox_hash::XxHash3_128::oneshot(bytes)
}

/// A hash of an integer: two rounds of multiply and fold.
#[inline]
pub(crate) fn hash_int(int: i64) -> u64 {
    let mixed = int.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(keys: &[i64]) -> Option<Codes> {
        codes(keys.iter().copied(), hash_int, ENTRIES_MAX)
    }

    #[test]
    fn codes_count_in_the_order_of_appearance() {
        let all = coded(&[7, 7, -1, 7, 5, -1]).unwrap();
        assert_eq!(all.codes, [0, 0, 1, 0, 2, 1]);
        assert_eq!(all.firsts, [0, 2, 4]);
    }

    #[test]
    fn every_key_leads_back_to_its_value() {
        let keys: Vec<i64> = (0..65_536_i64).map(|n| n - n % 4 + n % 2).collect();
        let all = coded(&keys).unwrap();
        assert_eq!(all.codes.len(), keys.len());
        for (code, key) in all.codes.iter().zip(&keys) {
            assert_eq!(keys[all.firsts[usize::try_from(*code).unwrap()]], *key);
        }
    }

    #[test]
    fn keys_that_never_repeat_are_given_up() {
        let keys: Vec<i64> = (0..65_536).collect();
        assert!(coded(&keys).is_none());
        assert!(codes(keys.iter().copied(), |_| 0, ENTRIES_MAX).is_none());
    }
}
