//! Where a text is cut into pieces: at places that its own bytes say, so that the same stretch is cut alike
//! wherever it stands.
//!
//! The rolling hash is gear (W. Xia et al., Ddelta, 2014), cut as in FastCDC (W. Xia et al., FastCDC: a Fast and
//! Efficient Content-Defined Chunking Approach for Data Deduplication, USENIX ATC 2016): nothing is looked at below
//! the least size, and a place must pass a harder test before the average size than behind it. What then follows to
//! the end of a token belongs to the piece: a piece ends between tokens (see `text`), behind an ASCII character that
//! is part of none. Where none comes for [`TOKEN_SIZE_MAX`] bytes, it ends between characters.

/// A piece has this many bytes at least, unless its text ends before.
const SIZE_MIN: usize = 256;
/// From here on a place passes more easily.
const SIZE_NORMAL: usize = 768;
/// A piece ends here, but for the token.
const SIZE_MAX: usize = 4096;
/// A token that goes on longer is cut.
const TOKEN_SIZE_MAX: usize = 128;
/// Leading bits of the hash that must be zero, before and behind the normal size.
const HARD_BITS: u32 = 11;
const EASY_BITS: u32 = 8;
/// Bytes that a hash is of: an older one has been shifted out.
const WINDOW: usize = 64;

/// A random number for each byte, of the generator `SplitMix64` (G. Steele et al., 2014).
static GEAR: [u64; 256] = gear();

const fn gear() -> [u64; 256] {
    let mut table = [0; 256];
    let mut state: u64 = 0;
    let mut at = 0;
    while at < table.len() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[at] = mixed ^ (mixed >> 31);
        at += 1;
    }
    table
}

/// The length of the first piece of a text; not 0 unless the text is empty.
pub(super) fn first(text: &[u8]) -> usize {
    let Some(start) = text.get(SIZE_MIN - WINDOW..text.len().min(SIZE_MAX)) else { return text.len() };
    if text.len() <= SIZE_MIN {
        return text.len();
    }
    let mut hash: u64 = 0;
    for (len, byte) in (SIZE_MIN - WINDOW + 1..).zip(start) {
        hash = (hash << 1).wrapping_add(GEAR[usize::from(*byte)]);
        let bits = if len < SIZE_NORMAL { HARD_BITS } else { EASY_BITS };
        if SIZE_MIN <= len && hash >> (u64::BITS - bits) == 0 {
            return advance(text, len);
        }
    }
    advance(text, text.len().min(SIZE_MAX))
}

/// Whether a token may end in front of `at` and no token goes on behind it.
fn is_between(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get(before)).copied();
    at == text.len()
        || before.is_some_and(|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric() && byte != b'_')
}

/// Whether a character begins at `at`, in a text that is UTF-8.
fn is_character(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|byte| byte & 0b1100_0000 != 0b1000_0000)
}

/// The first place from `at` on where a piece may end.
pub(super) fn advance(text: &[u8], at: usize) -> usize {
    let near = at..=text.len().min(at.saturating_add(TOKEN_SIZE_MAX));
    near.clone()
        .find(|at| is_between(text, *at))
        .or_else(|| near.clone().find(|at| is_character(text, *at)))
        .unwrap_or(*near.end())
}

/// The last place up to `at` where a piece may end, or `least`.
pub(super) fn retreat(text: &[u8], at: usize, least: usize) -> usize {
    let near = least.max(at.saturating_sub(TOKEN_SIZE_MAX))..=at;
    near.clone()
        .rev()
        .find(|at| is_between(text, *at))
        .or_else(|| near.clone().rev().find(|at| is_character(text, *at)))
        .unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(seed: u64, count: usize) -> String {
        let mut state = seed;
        let mut text = String::new();
        for _ in 0..count {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text += &format!("w{:x} ", state >> 48);
        }
        text
    }

    fn pieces(mut text: &[u8]) -> Vec<&[u8]> {
        let mut all = Vec::new();
        while !text.is_empty() {
            let (piece, rest) = text.split_at(first(text));
            all.push(piece);
            text = rest;
        }
        all
    }

    #[test]
    fn pieces_end_between_tokens_and_have_sizes_in_their_bounds() {
        let text = words(7, 40_000);
        let all = pieces(text.as_bytes());
        assert!(all.iter().all(|piece| piece.ends_with(b" ")));
        let (last, before) = all.split_last().unwrap();
        assert!(last.len() <= SIZE_MAX + TOKEN_SIZE_MAX);
        assert!(before.iter().all(|piece| (SIZE_MIN..=SIZE_MAX + TOKEN_SIZE_MAX).contains(&piece.len())));
        let average = text.len() / all.len();
        assert!((SIZE_NORMAL / 2..SIZE_NORMAL * 2).contains(&average), "{average}");
        assert_eq!(all.concat(), text.as_bytes());
    }

    #[test]
    fn what_stands_in_front_moves_no_cut_far_behind_it() {
        let tail = words(7, 4000);
        let other = words(99, 150) + &tail;
        let (one, two) = (pieces(tail.as_bytes()), pieces(other.as_bytes()));
        let same = one.iter().filter(|piece| two.contains(piece)).count();
        assert!(one.len() * 9 < same * 10, "{same} of {}", one.len());
    }

    #[test]
    fn a_text_without_an_end_of_a_token_is_cut_between_characters() {
        for text in ["\u{4e16}".repeat(9000), "\u{1f9ea}".repeat(9000), "a".repeat(20_000)] {
            let all = pieces(text.as_bytes());
            assert!(4 < all.len());
            assert!(all.iter().all(|piece| std::str::from_utf8(piece).is_ok()));
        }
        let noise = vec![0x80; 20_000];
        assert_eq!(pieces(&noise).concat(), noise);
        assert_eq!((first(b""), first(b"a"), retreat(b"a b", 3, 0), retreat(b"abc", 2, 1)), (0, 1, 3, 2));
    }
}
