//! Vocabulary: which bytes are a token, and its rank.
//!
//! A block that `build.rs` wrote, and two open-addressed tables over it, for o200k made in 16 ms and 4 MB large.
//! Tokens up to 7 bytes, which are most of any text, are their own key: length and bytes in one word, so that a look takes
//! one load and compares nothing else. Longer ones have a word with the rank plus one in 18 bits and 14 bits of the hash
//! above; their bytes are compared. Either way the answer is exact. The tables are made from constants and never
//! change, so nobody can make their chains long; the longest is what a look costs at most.

/// Bits of a slot that hold the rank plus one.
const RANK_BITS: u32 = 18;
const RANK_MASK: u32 = (1 << RANK_BITS) - 1;

/// Odd numbers with their bits well spread (digits of the golden ratio, of e and of pi).
const MIX: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xb7e1_5162_8aed_2a6b, 0x2436_a885_a308_d313 | 1];

/// The tokens of an encoding.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    tokens: &'static [u8],
    /// Where the token of each rank begins; one more than there are ranks.
    starts: Vec<u32>,
    short: ShortTokens,
    /// Of tokens over 7 bytes. A power of two of them.
    slots: Vec<u32>,
}

/// The ranks of tokens up to 7 bytes by [`key`]. A power of two of both; a key of 0 is a free place.
#[derive(Debug)]
struct ShortTokens {
    keys: Vec<u64>,
    ranks: Vec<u32>,
}

impl ShortTokens {
    fn new(count: usize) -> Self {
        let size = (count * 2).next_power_of_two();
        Self { keys: vec![0; size], ranks: vec![0; size] }
    }

    /// The place of the key, or the free one where it would be.
    #[inline]
    fn place(&self, key: u64) -> Option<usize> {
        let mask = self.keys.len() - 1;
        let mixed = (key ^ (key >> 32)).wrapping_mul(MIX[0]);
        let mut at = usize::try_from(mixed >> 32).unwrap_or(0) & mask;
        loop {
            match *self.keys.get(at)? {
                known if known == key || known == 0 => return Some(at),
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn insert(&mut self, key: u64, rank: u32) {
        if let Some(at) = self.place(key)
            && let (Some(free), Some(place)) = (self.keys.get_mut(at), self.ranks.get_mut(at))
        {
            (*free, *place) = (key, rank);
        }
    }

    #[inline]
    fn rank(&self, key: u64) -> Option<u32> {
        let at = self.place(key)?;
        if *self.keys.get(at)? == key { self.ranks.get(at).copied() } else { None }
    }
}

/// One to seven bytes and how many they are, in one word that is never 0.
#[inline]
fn key(bytes: &[u8]) -> Option<u64> {
    let length = bytes.len();
    let word = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) if length <= 7 => {
            // What both hold stands at the same place twice.
            let last = u64::from(u32::from_le_bytes(*last)) << ((length - 4) * 8);
            u64::from(u32::from_le_bytes(*first)) | last
        }
        (None, _) => match bytes {
            [] => return None,
            [a] => u64::from(*a),
            [a, b] => u64::from(*a) | u64::from(*b) << 8,
            [a, b, c, ..] => u64::from(*a) | u64::from(*b) << 8 | u64::from(*c) << 16,
        },
        _ => return None,
    };
    Some(word | (length as u64) << 56)
}

impl Vocabulary {
    /// Indexes a block. A block that is cut off gives the tokens that are whole.
    pub(crate) fn new(block: &'static [u8]) -> Self {
        let (count, rest) = block.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
        let count = (u32::from_le_bytes(*count) & RANK_MASK) as usize;
        let (lengths, tokens) = rest.split_at_checked(count).unwrap_or((&[], &[]));
        let mut starts = Vec::with_capacity(lengths.len() + 1);
        let mut end = 0_u32;
        starts.push(0);
        for length in lengths {
            end += u32::from(*length);
            starts.push(end);
        }
        let short = lengths.iter().filter(|length| **length <= 7).count();
        let size = ((lengths.len() - short) * 2).next_power_of_two();
        let mut new = Self { tokens, starts, short: ShortTokens::new(short), slots: vec![0; size] };
        for rank in 0..u32::try_from(lengths.len()).unwrap_or(0) {
            new.insert(rank);
        }
        new
    }

    fn insert(&mut self, rank: u32) {
        let token = self.token(rank);
        if token.is_empty() {
            return;
        }
        if let Some(key) = key(token) {
            return self.short.insert(key, rank);
        }
        let (mut at, tag) = self.place(token);
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == 0 {
                *slot = tag | (rank + 1);
                return;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// The first slot to look at, and the upper bits of a slot that matches.
    #[inline]
    fn place(&self, bytes: &[u8]) -> (usize, u32) {
        let hash = hash(bytes);
        let tag = u32::try_from(hash >> (32 + RANK_BITS)).unwrap_or(0) << RANK_BITS;
        let low = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0);
        (low & (self.slots.len() - 1), tag)
    }

    /// The token of a rank, empty where there is none.
    pub(crate) fn token(&self, rank: u32) -> &'static [u8] {
        let start = |rank: usize| self.starts.get(rank).map_or(0, |start| *start as usize);
        let rank = rank as usize;
        self.tokens.get(start(rank)..start(rank + 1)).unwrap_or_default()
    }

    /// The rank of these bytes, when they are a token.
    #[inline]
    pub(crate) fn rank(&self, bytes: &[u8]) -> Option<u32> {
        match key(bytes) {
            Some(key) => self.short.rank(key),
            None => self.long_rank(bytes),
        }
    }

    fn long_rank(&self, bytes: &[u8]) -> Option<u32> {
        let (mut at, tag) = self.place(bytes);
        loop {
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            if slot & !RANK_MASK == tag {
                let rank = (slot & RANK_MASK) - 1;
                if self.token(rank) == bytes {
                    return Some(rank);
                }
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// How many ranks there are, those without a token too.
    #[cfg(test)]
    pub(crate) fn ranks(&self) -> u32 {
        u32::try_from(self.starts.len() - 1).unwrap_or(0)
    }
}

/// A hash of 8 bytes or more: two loads that may overlap, and what is between them. Fewer bytes have a [`key`].
#[inline]
fn hash(bytes: &[u8]) -> u64 {
    let load = |chunk: Option<&[u8; 8]>| chunk.map_or(0, |chunk| u64::from_le_bytes(*chunk));
    let (mut low, high) = (load(bytes.first_chunk()), load(bytes.last_chunk()));
    for chunk in bytes.get(8..bytes.len().saturating_sub(8)).unwrap_or_default().chunks(8) {
        let mut word = [0; 8];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        low = (low ^ u64::from_le_bytes(word)).wrapping_mul(MIX[2]).rotate_left(31);
    }
    let length = bytes.len() as u64;
    let mixed = (low ^ MIX[0]).wrapping_mul(MIX[1]).rotate_left(29) ^ (high ^ length).wrapping_mul(MIX[2]);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(MIX[0]);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranks 0, 2 and 3: `a`, `bc`, a token over 16 bytes. Rank 1 is unused.
    const BLOCK: &[u8] = b"\x04\0\0\0\x01\x00\x02\x14abctwenty bytes of token";

    #[test]
    fn every_token_has_its_rank_and_nothing_else_has_one() {
        let vocabulary = Vocabulary::new(BLOCK);
        assert_eq!(vocabulary.ranks(), 4);
        assert_eq!(vocabulary.rank(b"a"), Some(0));
        assert_eq!(vocabulary.rank(b"bc"), Some(2));
        assert_eq!(vocabulary.rank(b"twenty bytes of toke"), Some(3));
        for other in [&b""[..], b"b", b"ab", b"twenty bytes of token", b"twenty bytes_of toke"] {
            assert_eq!(vocabulary.rank(other), None, "{other:?}");
        }
        assert_eq!(vocabulary.token(1), b"");
        assert_eq!(vocabulary.token(9), b"");
    }

    #[test]
    fn a_block_that_is_cut_off_does_not_panic() {
        for end in 0..BLOCK.len() {
            let vocabulary = Vocabulary::new(&BLOCK[..end]);
            assert!(vocabulary.rank(b"twenty bytes of toke").is_none() || BLOCK.len() - 1 <= end);
        }
    }
}
