//! A cache of counts by content: system prompts and contexts are sent again and again.
//!
//! A text is known by 128 bits of keyed hash (two SipHash with keys of this process), so that nobody can make two texts
//! that share a count, and by its length. Texts are not kept. Memory is bounded: [`ENTRIES`] entries of 64 bytes or
//! less, the oldest goes first. Threads share it; a lock covers a sixteenth of it.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::encoding::Encoding;

/// How many counts are kept: 4 MB, and more distinct long prompts than an application has in a day.
pub(crate) const ENTRIES: usize = 65_536;

const SHARDS: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    hash: [u64; 2],
    length: u64,
    encoding: Encoding,
}

#[derive(Debug, Default)]
struct Shard {
    counts: HashMap<Key, u64>,
    order: VecDeque<Key>,
}

/// Counts of texts, bounded and shared.
#[derive(Debug)]
pub(crate) struct Cache {
    keys: [RandomState; 2],
    shards: [Mutex<Shard>; SHARDS],
    entries: usize,
}

impl Cache {
    /// An empty cache that keeps at most this many counts, rounded up to a multiple of the shards.
    pub(crate) fn new(entries: usize) -> Self {
        Self {
            keys: [RandomState::new(), RandomState::new()],
            shards: std::array::from_fn(|_| Mutex::default()),
            entries,
        }
    }

    /// The count of the text: as it is known, else as `count` finds it.
    pub(crate) fn get(&self, encoding: Encoding, text: &str, count: impl FnOnce() -> u64) -> u64 {
        let hash = [0, 1].map(|at: usize| {
            let mut hasher = self.keys[at].build_hasher();
            hasher.write(text.as_bytes());
            hasher.finish()
        });
        let key = Key { hash, length: text.len() as u64, encoding };
        let shard = usize::try_from(hash[0] % SHARDS as u64).unwrap_or(0);
        // A thread that panicked with the lock left a map that is whole.
        let lock = || self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().counts.get(&key) {
            return *known;
        }
        // Counted without the lock; two threads may count the same text, and find the same.
        let found = count();
        let mut shard = lock();
        if shard.counts.insert(key, found).is_none() {
            shard.order.push_back(key);
        }
        if self.entries.div_ceil(SHARDS) < shard.order.len()
            && let Some(oldest) = shard.order.pop_front()
        {
            shard.counts.remove(&oldest);
        }
        found
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().counts.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_text_is_counted_once_for_each_encoding() {
        let cache = Cache::new(64);
        let counted = Cell::new(0);
        let get = |encoding, text: &str| {
            cache.get(encoding, text, || {
                counted.set(counted.get() + 1);
                text.len() as u64
            })
        };
        for _ in 0..3 {
            assert_eq!(get(Encoding::O200kBase, "abc"), 3);
            assert_eq!(get(Encoding::Cl100kBase, "abc"), 3);
            assert_eq!(get(Encoding::O200kBase, "abcd"), 4);
        }
        assert_eq!(counted.get(), 3);
    }

    #[test]
    fn it_never_holds_more_than_it_may() {
        let cache = Cache::new(64);
        for number in 0..10_000 {
            cache.get(Encoding::O200kBase, &number.to_string(), || 1);
            assert!(cache.len() <= 64);
        }
        assert!(32 < cache.len());
    }

    #[test]
    fn threads_share_it() {
        let cache = Cache::new(1000);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for number in 0..500_u64 {
                        assert_eq!(cache.get(Encoding::O200kBase, &number.to_string(), || number), number);
                    }
                });
            }
        });
        assert!(cache.len() <= 1008);
    }
}
