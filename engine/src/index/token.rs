//! What of a text goes into the index, and under which key: the one place that builder and query ask.
//!
//! Tokens are those of [`tokens`], folded by [`fold`], so that the index has no regard to case and finds at
//! least what any test finds. A folded token is a *word* when no character of it is numeric and it takes no
//! more than [`WORD_SIZE_MAX`] bytes: words go to the word index. Every other token (ids, numbers, blobs: many
//! distinct ones, each rare) goes to the fingerprint filters, as a hash.

use crate::text::{fold, tokens};
use twox_hash::XxHash3_64;

/// A longer token, in bytes of its folded form, is nothing that people search for by heart: a fingerprint
/// serves it as well as an entry in the dictionary, which would hold all of it.
pub(super) const WORD_SIZE_MAX: usize = 255;

/// Tokens of so many bytes travel by value.
pub(super) const SHORT_SIZE_MAX: usize = 16;

/// A folded token of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Short(Short),
    /// More than [`SHORT_SIZE_MAX`] bytes.
    Long {
        text: &'a str,
        is_word: bool,
    },
}

/// A token of 1 to 16 bytes. Which token it is, the bytes alone say: no token holds a zero byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short {
    /// The first eight bytes, the first one lowest, and the others; zeros behind the end.
    pub(super) low: u64,
    pub(super) high: u64,
    pub(super) len: usize,
    pub(super) is_word: bool,
}

impl Short {
    /// `None` when it is longer than that.
    fn new(text: &str, is_word: bool) -> Option<Self> {
        let mut bytes = [0; SHORT_SIZE_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        let (low, high) = halves(&bytes);
        Some(Self { low, high, len: text.len(), is_word })
    }

    /// Its bytes, and zeros behind them.
    #[inline]
    pub(super) fn bytes(&self) -> [u8; SHORT_SIZE_MAX] {
        let mut bytes = [0; SHORT_SIZE_MAX];
        let (low, high) = bytes.split_at_mut(8);
        low.copy_from_slice(&self.low.to_le_bytes());
        high.copy_from_slice(&self.high.to_le_bytes());
        bytes
    }
}

#[inline]
fn halves(bytes: &[u8; SHORT_SIZE_MAX]) -> (u64, u64) {
    let all = u128::from_le_bytes(*bytes);
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    let low = all as u64;
    let high = (all >> 64) as u64;
    (low, high)
}

/// Whether a folded token goes to the word index.
fn is_word(folded: &str) -> bool {
    folded.len() <= WORD_SIZE_MAX && !folded.chars().any(char::is_numeric)
}

/// The hash that the filters know a folded token by. Part of the format.
#[inline]
pub(super) fn hash(folded: &[u8]) -> u64 {
    XxHash3_64::oneshot(folded)
}

/// What a query asks the index for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A folded word.
    Word(String),
    /// The hash of another token.
    Hash(u64),
}

/// The key of a token; `None` for what is no token, or more than one.
pub(super) fn key(token: &str) -> Option<Key> {
    if tokens(token).next() != Some(token) {
        return None;
    }
    let folded: String = token.chars().map(fold).collect();
    Some(if is_word(&folded) { Key::Word(folded) } else { Key::Hash(hash(folded.as_bytes())) })
}

const BETWEEN: u8 = 0;
const INSIDE: u8 = 1;
/// What this byte is, its character says.
const WIDE: u8 = 2;

/// What each byte is to the tokenizer.
static CLASSES: [u8; 256] = {
    let mut classes = [BETWEEN; 256];
    let mut at = 0;
    while at < 256 {
        classes[at] = match at {
            0x30..=0x39 | 0x41..=0x5a | 0x5f | 0x61..=0x7a => INSIDE,
            0x80.. => WIDE,
            _ => BETWEEN,
        };
        at += 1;
    }
    classes
};

#[inline]
fn run(bytes: &[u8], mut at: usize, class: u8) -> usize {
    while let Some(&byte) = bytes.get(at)
        && CLASSES[usize::from(byte)] == class
    {
        at += 1;
    }
    at
}

/// Gives `visit` every token of a text, folded. `folded` is room to work in.
#[inline]
pub(super) fn cut(text: &str, folded: &mut String, mut visit: impl FnMut(Token<'_>)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let start = run(bytes, at, BETWEEN);
        at = run(bytes, start, INSIDE);
        match bytes.get(at) {
            // A mark or a letter may go on with the token, and any other character starts or parts tokens by
            // rules that only the tokenizer knows. `start` stands between tokens, so it cuts from there as it
            // would have cut from the beginning.
            Some(byte) if CLASSES[usize::from(*byte)] == WIDE => {
                let mut rest = tokens(text.get(start..).unwrap_or_default());
                let Some(token) = rest.next() else { return };
                visit(wide(token, folded));
                at = text.len() - rest.rest().len();
            }
            None if start == at => return,
            _ => {
                if let Some(token) = ascii(bytes, start, at) {
                    visit(Token::Short(token));
                } else {
                    visit(wide(text.get(start..at).unwrap_or_default(), folded));
                }
            }
        }
    }
}

/// Any token.
#[inline(never)]
fn wide<'a>(token: &str, folded: &'a mut String) -> Token<'a> {
    folded.clear();
    folded.extend(token.chars().map(fold));
    let is_word = is_word(folded);
    match Short::new(folded, is_word) {
        Some(short) => Token::Short(short),
        None => Token::Long { text: folded, is_word },
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// A token of ASCII characters, eight bytes at a time; `None` when it is longer than 16.
#[inline]
fn ascii(bytes: &[u8], start: usize, end: usize) -> Option<Short> {
    let len = end - start;
    let room = SHORT_SIZE_MAX.checked_sub(len)?;
    let mut buffer = [0; SHORT_SIZE_MAX];
    let chunk = match bytes.get(start..).and_then(<[u8]>::first_chunk::<SHORT_SIZE_MAX>) {
        Some(chunk) => chunk,
        // The text ends sooner.
        None => {
            buffer.get_mut(..len)?.copy_from_slice(bytes.get(start..end)?);
            &buffer
        }
    };
    let mask = u128::MAX.checked_shr(u32::try_from(8 * room).ok()?).unwrap_or(0);
    let (mask_low, mask_high) = halves(&mask.to_le_bytes());
    let (low, high) = halves(chunk);
    let (low, high) = (low & mask_low, high & mask_high);
    // Of the bytes of a token only digits are below 0x40.
    let digits = (!low & (ONES << 6) & mask_low) | (!high & (ONES << 6) & mask_high);
    Some(Short { low: lower(low, mask_low), high: lower(high, mask_high), len, is_word: digits == 0 })
}

/// Eight bytes of a token in lower case.
#[inline]
fn lower(bytes: u64, mask: u64) -> u64 {
    // Bit 5 tells the cases apart and is set in digits. It makes 0x7f of the underscore, 0x5f, and of nothing
    // else: there the sum reaches bit 7, no sum goes beyond, and bit 5 is taken away again.
    let set = bytes | (ONES << 5) & mask;
    set ^ ((set + ONES) & (ONES << 7)) >> 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut_all(text: &str) -> Vec<(String, bool)> {
        let mut all = Vec::new();
        cut(text, &mut String::new(), |token| {
            all.push(match token {
                Token::Short(short) => {
                    let bytes = short.bytes();
                    assert!(bytes[short.len..].iter().all(|&byte| byte == 0));
                    assert!((1..=SHORT_SIZE_MAX).contains(&short.len));
                    (std::str::from_utf8(&bytes[..short.len]).unwrap().to_owned(), short.is_word)
                }
                Token::Long { text, is_word } => {
                    assert!(SHORT_SIZE_MAX < text.len());
                    (text.to_owned(), is_word)
                }
            });
        });
        all
    }

    fn cut_slowly(text: &str) -> Vec<(String, bool)> {
        let folded = tokens(text).map(|token| token.chars().map(fold).collect::<String>());
        folded.map(|token| (token.clone(), is_word(&token))).collect()
    }

    #[test]
    fn every_byte_of_ascii_is_folded_and_classed_as_the_rules_say() {
        for byte in 0..128_u8 {
            let c = char::from(byte);
            for text in [format!("{c}"), format!("a{c}"), format!("{c}Bcdefghijk"), format!("Zz{c}{c}_9")] {
                assert_eq!(cut_all(&text), cut_slowly(&text), "{text:?}");
            }
        }
    }

    #[test]
    fn tokens_of_every_length_come_whole() {
        for len in 1..600 {
            for token in ["A".repeat(len), format!("{}7", "_".repeat(len)), "\u{444}".repeat(len)] {
                let text = format!("-{token} {token}");
                assert_eq!(cut_all(&text), cut_slowly(&text), "{text:?}");
                assert_eq!(cut_all(&text).len(), 2);
            }
        }
    }

    #[test]
    fn words_have_no_digit_and_an_end() {
        let word = |text: &str| matches!(key(text), Some(Key::Word(_)));
        assert!(word("Timeout") && word("\u{8d85}") && word("e\u{301}") && word(&"x".repeat(255)));
        assert!(!word("h2o") && !word("\u{2167}") && !word("\u{664}") && !word(&"x".repeat(256)));
        assert_eq!(key("KELVIN"), key("\u{212a}elvin"));
        for text in ["", " ", "a b", "a ", " a", "\u{8d85}\u{65f6}", "\u{301}"] {
            assert_eq!(key(text), None, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn the_fast_cut_is_the_cut(
            text in "[aAbzZ_09 .\\-\u{e9}\u{c9}\u{3a3}\u{212a}\u{17f}\u{301}\u{fe0f}\u{8d85}\u{30fc}\u{26a0}\u{1f600}\u{2167}]{0,60}",
        ) {
            prop_assert_eq!(cut_all(&text), cut_slowly(&text));
        }

        #[test]
        fn any_text_is_cut_as_the_tokenizer_cuts_it(text in any::<String>()) {
            prop_assert_eq!(cut_all(&text), cut_slowly(&text));
        }
    }
}
