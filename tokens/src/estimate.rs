//! Estimates: of texts too long to be counted whole, and for models whose vocabulary is not there.
//!
//! A long text is sampled: [`SAMPLES`] pieces at equal distances, the first at its start and the last at its end, are
//! counted exactly, and tokens for each byte of them stand for all. On 105 files of logs, sessions, JSON and CSV from 0.3
//! to 9 MB the error was 0.4 % in the median, under 2.5 % on 95 of 100, and 6.3 % at the worst; of the same number of bytes
//! taken from the head alone 1.8, 9.7 and 72 %, since files begin unlike they go on. `tests/estimates.rs` holds bounds.

use crate::encoding::Encoding;
use crate::model::Proxy;

/// How many pieces are counted of a long text.
pub(crate) const SAMPLES: usize = 32;

/// The length of each, in bytes: 256 KiB in all, as much as is counted of a text that is not too long.
pub(crate) const SAMPLE_SIZE: usize = 8 * 1024;

/// The estimated count of a text that is at least as long as all samples together.
pub(crate) fn sampled(encoding: Encoding, text: &str) -> u64 {
    let (mut bytes, mut tokens) = (0_u64, 0_u64);
    let last = text.len().saturating_sub(SAMPLE_SIZE);
    for at in 0..SAMPLES {
        let start = text.ceil_char_boundary(last / (SAMPLES - 1) * at);
        let end = text.floor_char_boundary((start + SAMPLE_SIZE).min(text.len()));
        let sample = text.get(start..end).unwrap_or_default();
        bytes += sample.len() as u64;
        tokens += encoding.count(sample);
    }
    scaled(tokens, text.len() as u64, bytes.max(1))
}

/// `count * numerator / denominator`, to the nearest, halves up.
pub(crate) fn scaled(count: u64, numerator: u64, denominator: u64) -> u64 {
    let denominator = u128::from(denominator);
    let product = u128::from(count) * u128::from(numerator) + denominator / 2;
    u64::try_from(product / denominator).unwrap_or(u64::MAX)
}

/// The count of the proxy's encoding, corrected to what the family would count.
pub(crate) fn corrected(proxy: &Proxy, tokens: u64, text: &str) -> u64 {
    let tokens = if proxy.single_digits { tokens.saturating_add(joined_digits(text)) } else { tokens };
    scaled(tokens, proxy.scale_permille, 1000)
}

/// How many tokens more a text has when every digit is one: the encodings take up to three together.
fn joined_digits(text: &str) -> u64 {
    let runs = text.as_bytes().split(|byte| !byte.is_ascii_digit());
    runs.map(|run| (run.len() - run.len().div_ceil(3)) as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_counted_one_by_one_where_the_family_does() {
        assert_eq!(joined_digits("1 12 123 1234 x12345678"), 1 + 2 + 2 + 5);
        assert_eq!(joined_digits(""), 0);
    }

    #[test]
    fn scaling_rounds_to_the_nearest_and_never_overflows() {
        assert_eq!(scaled(7, 1, 2), 4);
        assert_eq!(scaled(1000, 1035, 1000), 1035);
        assert_eq!(scaled(u64::MAX, u64::MAX, 1), u64::MAX);
        assert_eq!(scaled(0, 5, 1), 0);
    }

    #[test]
    fn an_even_text_is_estimated_to_its_count() {
        let text = "The quick brown fox jumps over the lazy dog.\n".repeat(20_000);
        let exact = Encoding::O200kBase.count(&text);
        assert!(sampled(Encoding::O200kBase, &text).abs_diff(exact) * 200 < exact);
    }

    #[test]
    fn samples_begin_and_end_between_characters() {
        let text = "\u{1f600}\u{4e2d}x".repeat(60_000);
        let exact = Encoding::O200kBase.count(&text);
        assert!(sampled(Encoding::O200kBase, &text).abs_diff(exact) * 50 < exact);
    }
}
