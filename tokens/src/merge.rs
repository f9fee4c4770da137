//! Byte-pair merging: into how many tokens a piece falls.
//!
//! The pair of neighbours whose join has the lowest rank is joined first, the leftmost of equals; until no join is a
//! token. Three ways, one answer:
//!
//! - a piece that is a token is one token: nine of ten pieces of prose;
//! - a short piece is merged in arrays on the stack, looking for the lowest rank each time;
//! - a long piece is cut into windows, each merged with a heap.
//!
//! Windows rest on a property of byte-pair encoding (Neubeck and van Antwerpen, "So many tokens, so little time", the
//! ground of the crate `bpe`): a sequence of tokens is the encoding of its bytes if and only if every two neighbours
//! are the encoding of theirs. So a window's tokens up to some boundary stay, the rest is merged anew as part of the
//! next window, and the one seam between is checked; when it does not hold, an earlier boundary is tried, and in the
//! end a window twice as long. Time is linear in the length for any text but one that defeats every seam, and then
//! n log n. The property needs that each token's bytes are merged to itself, which a test asks of every token.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::vocabulary::Vocabulary;

/// The longest piece that is merged on the stack. The search for the lowest rank makes that quadratic: at 128 bytes
/// the heap is as fast.
const SHORT: usize = 128;

/// The first length of a window. Longer than the longest token (128 bytes), so that it holds several.
const WINDOW: usize = 1024;

/// Of a window the tokens that begin behind this part are merged again with the next, in 1/8.
const KEPT_EIGHTHS: usize = 7;

/// How many boundaries are tried before the window grows.
const SEAMS: usize = 4;

const NONE: u32 = u32::MAX;

/// The number of tokens of a piece.
#[inline]
pub(crate) fn count(vocabulary: &Vocabulary, piece: &[u8]) -> usize {
    match piece.len() {
        0 => 0,
        _ if vocabulary.rank(piece).is_some() => 1,
        // Arrays that are cleared for nothing cost as much as a merge.
        length if length <= SHORT / 4 => short::<{ SHORT / 4 }>(vocabulary, piece),
        length if length <= SHORT => short::<SHORT>(vocabulary, piece),
        _ => long(vocabulary, piece, WINDOW),
    }
}

/// Merges on the stack, a piece of at most `N` bytes.
fn short<const N: usize>(vocabulary: &Vocabulary, piece: &[u8]) -> usize {
    // By part: where it starts, and the rank of its join with the next one.
    let mut starts = [0_u8; N];
    let mut ranks = [NONE; N];
    let mut parts = piece.len().min(N);
    let join = |starts: &[u8; N], parts: usize, at: usize| -> u32 {
        let start = starts.get(at).copied().map_or(0, usize::from);
        let end = match at + 2 {
            behind if behind < parts => starts.get(behind).copied().map_or(0, usize::from),
            behind if behind == parts => piece.len(),
            _ => return NONE,
        };
        vocabulary.rank(piece.get(start..end).unwrap_or_default()).unwrap_or(NONE)
    };
    for (start, at) in starts.iter_mut().take(parts).zip(0..) {
        *start = at;
    }
    for (at, (rank, pair)) in ranks.iter_mut().zip(piece.windows(2)).enumerate() {
        debug_assert!(at + 1 < parts, "BUG: a pair begins before the last byte");
        *rank = vocabulary.rank(pair).unwrap_or(NONE);
    }
    loop {
        let live = ranks.get(..parts).unwrap_or_default();
        let lowest = live.iter().copied().min().unwrap_or(NONE);
        let at = live.iter().position(|rank| *rank == lowest).unwrap_or(0);
        if lowest == NONE || parts <= at + 1 {
            return parts;
        }
        starts.copy_within(at + 2..parts, at + 1);
        ranks.copy_within(at + 2..parts, at + 1);
        parts -= 1;
        if let Some(rank) = ranks.get_mut(at) {
            *rank = join(&starts, parts, at);
        }
        if let Some(before) = at.checked_sub(1)
            && let Some(rank) = ranks.get_mut(before)
        {
            *rank = join(&starts, parts, before);
        }
    }
}

/// Merges window by window.
fn long(vocabulary: &Vocabulary, piece: &[u8], window: usize) -> usize {
    let mut merger = Merger::default();
    let mut window_size = window;
    let (mut start, mut tokens) = (0, 0);
    // The boundary whose seam held between two equal windows: it holds between the next two if they are equal too.
    let mut proven = None;
    let mut ends = merger.ends(vocabulary, slice(piece, 0, window_size));
    'windows: while start + window_size < piece.len() {
        let bytes = slice(piece, start, start + window_size);
        let kept = ends.partition_point(|end| *end <= bytes.len() * KEPT_EIGHTHS / 8);
        for kept in (1..=kept).rev().take(SEAMS) {
            let seam = start + end_of(&ends, kept);
            let next = slice(piece, seam, seam + window_size);
            // A text that repeats itself, such as a run of one character, is merged and checked once.
            let repeats = next == bytes;
            let next_ends = if repeats { ends.clone() } else { merger.ends(vocabulary, next) };
            let left = start + end_of(&ends, kept - 1);
            let right = seam + end_of(&next_ends, 1);
            if (repeats && proven == Some(kept))
                || merger.ends(vocabulary, slice(piece, left, right)) == [seam - left, right - left]
            {
                tokens += kept;
                proven = repeats.then_some(kept);
                (start, ends) = (seam, next_ends);
                continue 'windows;
            }
        }
        proven = None;
        window_size *= 2;
        ends = merger.ends(vocabulary, slice(piece, start, start + window_size));
    }
    tokens + ends.len()
}

/// The end of the first `count` tokens.
fn end_of(ends: &[usize], count: usize) -> usize {
    count.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0)
}

fn slice(piece: &[u8], start: usize, end: usize) -> &[u8] {
    piece.get(start..end.min(piece.len())).unwrap_or_default()
}

/// Merges with a heap of joins. Keeps its buffers.
#[derive(Debug, Default)]
struct Merger {
    /// The joins that may be next, lowest rank first, then leftmost: rank, start.
    heap: BinaryHeap<Reverse<(u32, usize)>>,
    /// By the start of a part: where it ends, where the part before it starts, the rank of the join with the next.
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    end: usize,
    before: usize,
    join: u32,
}

impl Merger {
    /// Where the tokens of these bytes end.
    fn ends(&mut self, vocabulary: &Vocabulary, bytes: &[u8]) -> Vec<usize> {
        self.heap.clear();
        self.parts.clear();
        self.parts.extend((0..bytes.len()).map(|at| Part {
            end: at + 1,
            before: at.wrapping_sub(1),
            join: NONE,
        }));
        for at in 0..bytes.len() {
            self.offer(vocabulary, bytes, at);
        }
        while let Some(Reverse((rank, start))) = self.heap.pop() {
            let Some(part) = self.parts.get(start).copied().filter(|part| part.join == rank) else {
                continue;
            };
            let Some(next) = self.parts.get_mut(part.end) else { continue };
            // The part that is taken in offers nothing any more.
            next.join = NONE;
            let end = next.end;
            if let Some(behind) = self.parts.get_mut(end) {
                behind.before = start;
            }
            if let Some(part) = self.parts.get_mut(start) {
                part.end = end;
            }
            self.offer(vocabulary, bytes, start);
            if part.before < start {
                self.offer(vocabulary, bytes, part.before);
            }
        }
        let mut ends = Vec::new();
        let mut at = 0;
        while let Some(part) = self.parts.get(at) {
            ends.push(part.end);
            at = part.end;
        }
        ends
    }

    /// Puts the join of the part with the next one on the heap.
    fn offer(&mut self, vocabulary: &Vocabulary, bytes: &[u8], start: usize) {
        let Some(end) = self.parts.get(start).map(|part| part.end) else { return };
        let next = self.parts.get(end).map(|next| slice(bytes, start, next.end));
        let rank = next.and_then(|joined| vocabulary.rank(joined)).unwrap_or(NONE);
        if let Some(part) = self.parts.get_mut(start) {
            part.join = rank;
        }
        if rank != NONE {
            self.heap.push(Reverse((rank, start)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::Encoding;

    const ALL: [Encoding; 4] =
        [Encoding::R50kBase, Encoding::P50kBase, Encoding::Cl100kBase, Encoding::O200kBase];

    #[test]
    fn the_bytes_of_every_token_are_merged_to_that_token() {
        for encoding in ALL {
            let vocabulary = encoding.vocabulary();
            let mut tokens = 0;
            for rank in 0..vocabulary.ranks() {
                let token = vocabulary.token(rank);
                if token.is_empty() {
                    continue;
                }
                tokens += 1;
                assert_eq!(vocabulary.rank(token), Some(rank));
                if token.len() <= SHORT {
                    assert_eq!(short::<SHORT>(vocabulary, token), 1, "{encoding} {rank} {token:?}");
                }
                assert_eq!(Merger::default().ends(vocabulary, token), [token.len()], "{encoding} {rank}");
            }
            let want = match encoding {
                Encoding::R50kBase => 50_256,
                Encoding::P50kBase => 50_280,
                Encoding::Cl100kBase => 100_256,
                _ => 199_998,
            };
            assert_eq!(tokens, want, "{encoding}");
        }
    }

    /// Bytes with many joins, some of them across any boundary.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 1..600),
            prop::collection::vec(prop::sample::select(b"abe -_=st\n".as_slice()), 1..600),
            (prop::collection::vec(prop::sample::select(b"aelnorst".as_slice()), 1..7), 1_usize..200)
                .prop_map(|(unit, times)| unit.repeat(times)),
        ]
    }

    proptest! {
        #[test]
        fn windows_of_any_length_give_the_tokens_of_the_whole(
            bytes in bytes(), window in 8_usize..300, at in 0_usize..4,
        ) {
            let vocabulary = ALL[at].vocabulary();
            let whole = Merger::default().ends(vocabulary, &bytes).len();
            prop_assert_eq!(long(vocabulary, &bytes, window), whole);
            if bytes.len() <= SHORT {
                prop_assert_eq!(short::<SHORT>(vocabulary, &bytes), whole);
            }
        }
    }
}
