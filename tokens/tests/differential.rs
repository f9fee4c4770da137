//! Counts beside tiktoken-rs, the oracle: random text, text made to be hostile, and text where the patterns differ.

use logq_tokens::Encoding;
use proptest::prelude::*;
use tiktoken_rs::CoreBPE;

fn oracle(encoding: Encoding) -> &'static CoreBPE {
    match encoding {
        Encoding::O200kBase => tiktoken_rs::o200k_base_singleton(),
        Encoding::O200kHarmony => tiktoken_rs::o200k_harmony_singleton(),
        Encoding::Cl100kBase => tiktoken_rs::cl100k_base_singleton(),
        Encoding::P50kBase => tiktoken_rs::p50k_base_singleton(),
        Encoding::P50kEdit => tiktoken_rs::p50k_edit_singleton(),
        _ => tiktoken_rs::r50k_base_singleton(),
    }
}

#[track_caller]
fn check(text: &str) {
    for encoding in Encoding::ALL {
        let want = oracle(encoding).count_ordinary(text) as u64;
        assert_eq!(encoding.count(text), want, "{encoding} {text:?}");
    }
}

/// Characters around which the patterns decide: every class, both cases of contractions, marks, digits of other
/// scripts, white space of every kind, and what folds to an s.
const PIVOTS: &[&str] = &[
    "a",
    "e",
    "s",
    "S",
    "ll",
    "re",
    "VE",
    "d",
    "M",
    "T",
    "'",
    "\u{2019}",
    "\u{17f}",
    "\u{212a}",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "\u{85}",
    "\u{a0}",
    "\u{2003}",
    "\u{2028}",
    "\u{3000}",
    "\u{b}",
    "0",
    "12",
    "345",
    "6789",
    "\u{b2}",
    "\u{2167}",
    "\u{661}",
    "\u{966}",
    ".",
    ",",
    "/",
    "//",
    "-",
    "_",
    "(",
    "{",
    "\"",
    "\u{4e2d}\u{6587}",
    "\u{e9}",
    "\u{c9}",
    "\u{1c5}",
    "\u{2b0}",
    "\u{301}",
    "\u{93e}",
    "\u{200d}",
    "\u{feff}",
    "\u{1f600}",
    "\u{1f469}\u{200d}\u{1f680}",
    "\u{0}",
    "\u{7f}",
    "\u{fffd}",
    "<|endoftext|>",
    "<|fim_prefix|>",
    "the",
    " quick",
    "HELLO",
    "World",
    "http://",
    "\u{10ffff}",
    "\u{ac00}",
    "\u{e01}\u{e33}",
    "\u{5d0}",
    "\u{627}\u{644}",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::collection::vec(prop::sample::select(PIVOTS), 0..40).prop_map(|parts| parts.concat()),
        2 => prop::collection::vec(any::<char>(), 0..200).prop_map(String::from_iter),
        1 => "[ -~\n]{0,400}",
        1 => prop::collection::vec(any::<u8>(), 0..400).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        1 => (prop::sample::select(PIVOTS), 1_usize..600).prop_map(|(part, times)| part.repeat(times)),
        1 => "[a-z]{100,1500}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("LOGQ_DIFFERENTIAL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1500)
    ))]

    #[test]
    fn any_text_has_the_count_of_tiktoken(text in text()) {
        for encoding in Encoding::ALL {
            prop_assert_eq!(encoding.count(&text), oracle(encoding).count_ordinary(&text) as u64, "{}", encoding);
        }
    }
}

#[test]
fn every_character_alone_and_in_a_word_has_the_count_of_tiktoken() {
    let mut batch = String::new();
    for (at, c) in ('\0'..=char::MAX).filter(|c| !c.is_alphabetic() || u32::from(*c) < 0x3400).enumerate() {
        batch.extend(['a', c, 'b', ' ', c, 'C', c]);
        // Together they are the same claim, and a thousand times as fast.
        if at % 20_000 == 0 {
            for encoding in [Encoding::O200kBase, Encoding::Cl100kBase, Encoding::R50kBase] {
                let want = oracle(encoding).count_ordinary(&batch) as u64;
                assert_eq!(encoding.count(&batch), want, "{encoding}, up to {c:?}");
            }
            batch.clear();
        }
        if 0xe_0200 < u32::from(c) {
            break;
        }
    }
}

#[test]
fn special_tokens_are_ordinary_text() {
    for special in ["<|endoftext|>", "<|fim_middle|>", "<|endofprompt|>", "<|start|>assistant<|message|>"] {
        check(special);
        for encoding in Encoding::ALL {
            assert!(1 < encoding.count(special), "{encoding} {special}");
        }
    }
}

#[test]
fn a_long_run_without_a_boundary_has_the_count_of_tiktoken() {
    for unit in
        ["a", " ", "!", "\n", "\t", "\u{4e2d}", "\u{301}", "ab", "\u{1f600}", "=-", "abcdefghij", "\r\n "]
    {
        check(&unit.repeat(20_000 / unit.len()));
    }
    // Letters in an order that repeats nowhere.
    let mut state = 1_u32;
    let letters: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + u8::try_from(state >> 24).unwrap() % 26)
    })
    .take(50_000)
    .collect();
    check(&letters);
}

#[test]
fn a_million_of_one_character_are_counted_in_every_encoding() {
    for c in ["a", " ", "0", "!", "\n", "\u{4e2d}", "\u{301}", "\u{1f600}"] {
        let text = c.repeat(1_000_000);
        for encoding in Encoding::ALL {
            // The oracle needs a stack and minutes for some of these; the count of a tenth bounds that of the whole.
            let part = encoding.count(&c.repeat(100_000));
            let whole = encoding.count(&text);
            assert!(part * 10 <= whole + 10 && whole <= part * 10, "{encoding} {c:?}: {part}, {whole}");
        }
    }
}

#[test]
fn what_replaces_broken_bytes_is_counted_like_any_character() {
    let surrogates = [0xed, 0xa0, 0x80, b'x', 0xed, 0xbf, 0xbf, 0xff, 0xc3];
    check(&String::from_utf8_lossy(&surrogates));
    check(&String::from_utf8_lossy(&surrogates.repeat(500)));
}
