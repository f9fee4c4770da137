//! Tests of the index as a whole: what is asked is compared with the texts themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::fuzz::{bytes, fuzz};
use super::{Groups, Index, IndexBuilder};
use crate::text::{fold, tokens};
use proptest::prelude::*;

/// The texts of each group.
type Corpus = Vec<Vec<String>>;

fn build(mut builder: IndexBuilder, corpus: &Corpus) -> Vec<u8> {
    for group in corpus {
        for text in group {
            builder.add_text(text);
        }
        builder.end_group();
    }
    builder.finish().unwrap()
}

fn open(index: &[u8], groups: usize) -> Index {
    let index = Index::open(bytes(index.to_vec()), u32::try_from(groups).unwrap()).unwrap();
    index.verify().unwrap();
    index
}

fn folded(text: &str) -> String {
    text.chars().map(fold).collect()
}

/// Of each token, folded, the groups that hold it.
fn inverted(corpus: &Corpus) -> BTreeMap<String, BTreeSet<u32>> {
    let mut held: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for (group, texts) in (0..).zip(corpus) {
        for token in texts.iter().flat_map(|text| tokens(text)) {
            held.entry(folded(token)).or_default().insert(group);
        }
    }
    held
}

fn is_word(token: &str) -> bool {
    token.len() <= 255 && !token.chars().any(char::is_numeric)
}

/// Asks for every token of the corpus; words are answered exactly.
fn check(corpus: &Corpus) {
    let with_words = open(&build(IndexBuilder::new(), corpus), corpus.len());
    let without_words = open(&build(IndexBuilder::without_words(), corpus), corpus.len());
    let all = Groups::all(u32::try_from(corpus.len()).unwrap());
    for (token, groups) in inverted(corpus) {
        let found = with_words.candidates(&token).unwrap();
        assert!(groups.iter().all(|&group| found.contains(group)), "{token:?}");
        if is_word(&token) {
            assert!(found.iter().eq(groups.iter().copied()), "{token:?}");
            assert_eq!(without_words.candidates(&token).unwrap(), all, "{token:?}");
        } else {
            assert_eq!(without_words.candidates(&token).unwrap(), found, "{token:?}");
            let spans: BTreeSet<u32> = found.iter().map(|group| group / 8).collect();
            let full: u32 = spans.iter().map(|span| (span * 8 + 8).min(all.count()) - span * 8).sum();
            assert_eq!(found.count(), full, "{token:?} is known by spans");
        }
        for spelling in [token.to_uppercase(), token.to_lowercase()] {
            if folded(&spelling) == token {
                assert_eq!(with_words.candidates(&spelling).unwrap(), found, "{spelling:?}");
            }
        }
    }
}

/// Texts in several scripts, with few letters, so that groups share tokens.
fn text() -> impl Strategy<Value = String> {
    let mixed = "[abAB_ .\u{3b1}\u{391}\u{3c3}\u{3c2}\u{3a3}\u{434}\u{414}\u{1c81}\u{8d85}\u{65f6}\u{30fc}\u{1f600}\u{301}\u{fe0f}\u{212a}k0-3\u{664}\u{2167}]{0,30}";
    prop_oneof![
        mixed.prop_map(String::from),
        any::<String>(),
        "[a-c]{14,18} [A-C]{16,17}x".prop_map(String::from),
        (1_usize..300, "[a-bA-B\u{3b1}]").prop_map(|(len, letter)| letter.repeat(len)),
    ]
}

fn corpus() -> impl Strategy<Value = Corpus> {
    prop::collection::vec(prop::collection::vec(text(), 0..5), 0..20)
}

fn small() -> Corpus {
    vec![
        vec!["Connection timeout after 30s".into(), "req-1 \u{8d85}\u{65f6}".into()],
        vec![],
        vec!["connection closed, id 0f3a".into()],
    ]
}

#[test]
fn words_and_other_tokens_are_found_in_the_groups_that_hold_them() {
    let index = open(&build(IndexBuilder::new(), &small()), 3);
    let groups = |token| index.candidates(token).unwrap().iter().collect::<Vec<_>>();
    assert_eq!(groups("CONNECTION"), [0, 2]);
    assert_eq!(groups("\u{65f6}"), [0]);
    assert_eq!(groups("closed"), [2]);
    assert_eq!(groups("0F3A"), [0, 1, 2]);
    assert!(groups("nowhere").is_empty());
    assert!(groups("conn").is_empty());
    // What is no token of its own says nothing.
    assert_eq!(groups("read-only"), [0, 1, 2]);
    assert_eq!(groups(""), [0, 1, 2]);
    check(&small());
}

#[test]
fn an_empty_index_one_group_and_groups_without_text_answer() {
    for corpus in [vec![], vec![vec![]], vec![vec!["one".to_owned()]], vec![vec![], vec![], vec![]]] {
        check(&corpus);
        let index = open(&build(IndexBuilder::new(), &corpus), corpus.len());
        assert_eq!(index.candidates("nowhere").unwrap().count(), 0);
        assert_eq!(index.candidates("2026").unwrap().count(), 0);
    }
}

#[test]
fn a_hundred_thousand_words_are_told_apart() {
    // Five letters each, in an order that mixes them, and every tenth of them long.
    let word = |at: u32| {
        let letters: String =
            (0..5).map(|digit| char::from(b'a' + (at / 10_u32.pow(digit) % 10) as u8)).collect();
        if at.is_multiple_of(10) { format!("{letters}{}", "_".repeat(20)) } else { letters }
    };
    let mut corpus: Corpus = vec![Vec::new(); 100];
    for at in 0..100_000_u32 {
        let group = at.wrapping_mul(2_654_435_761) >> 16;
        corpus[(group % 100) as usize].push(word(at));
    }
    check(&corpus);
}

#[test]
fn strangers_are_let_in_rarely() {
    let mut corpus: Corpus = vec![Vec::new(); 64];
    for at in 0..100_000_u64 {
        corpus[(at % 64) as usize].push(format!("id-{:x}x7", at.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    }
    let index = open(&build(IndexBuilder::new(), &corpus), 64);
    let strangers = 0..5000_u64;
    let wrong: u32 =
        strangers.map(|at| index.candidates(&format!("{at}stranger")).unwrap().count() / 8).sum();
    // 5,000 strangers asked of 8 spans.
    assert!(wrong <= 200, "{wrong} of 40,000");
}

#[test]
fn the_same_texts_make_the_same_bytes() {
    let (first, second) = (build(IndexBuilder::new(), &small()), build(IndexBuilder::new(), &small()));
    assert_eq!(first, second);
}

/// Bytes of an index, changed: what is answered is what was answered, or that there is damage.
fn check_damaged(good: &Index, bad: Vec<u8>, groups: u32, tokens: &[&str]) -> bool {
    let Ok(index) = Index::open(bytes(bad), groups) else { return true };
    for token in tokens {
        if let Ok(found) = index.candidates(token) {
            assert_eq!(found, good.candidates(token).unwrap(), "{token:?}");
        }
    }
    index.verify().is_err()
}

#[test]
fn every_flipped_byte_and_every_cut_is_found() {
    let tokens = ["connection", "\u{8d85}", "30s", "0f3a", "nowhere", "77"];
    let built = build(IndexBuilder::new(), &small());
    let good = open(&built, 3);
    for at in 0..built.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bad = built.clone();
            bad[at] ^= flip;
            assert!(check_damaged(&good, bad, 3, &tokens), "byte {at}");
        }
        assert!(check_damaged(&good, built[..at].to_vec(), 3, &tokens), "cut at {at}");
    }
    let longer = [built.as_slice(), &[0]].concat();
    assert!(check_damaged(&good, longer, 3, &tokens));
    assert!(Index::open(bytes(built), 4).is_err(), "another segment's index");
}

#[test]
fn bytes_that_tantivy_chokes_on_behind_right_checksums_are_damage() {
    let mut corpus = small();
    corpus.extend((0..150).map(|at: usize| vec![format!("common {}", "x".repeat(at % 40 + 1))]));
    let groups = u32::try_from(corpus.len()).unwrap();
    let built = build(IndexBuilder::new(), &corpus);
    let (head, mut end) = super::Head::read(&built).unwrap();
    let mut damaged = 0;
    for (number, piece) in head.pieces.iter().enumerate() {
        let range = end..end + usize::try_from(piece.size).unwrap();
        end = range.end;
        for at in range.clone() {
            let mut bad = built.clone();
            bad[at] ^= 0xff;
            let mut head = head.clone();
            head.pieces[number] = super::HeadPiece::of(piece.kind, &bad[range.clone()]);
            let head = head.write();
            bad[..head.len()].copy_from_slice(&head);
            // The head holds, so whatever is wrong shows in an answer; it may be a wrong one.
            let index = Index::open(bytes(bad), groups).unwrap();
            let answers =
                ["common", "connection", "xxx", "30s"].map(|token| index.candidates(token).is_err());
            damaged += u32::from(answers.contains(&true) | index.verify().is_err());
        }
    }
    assert!(100 < damaged, "{damaged}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_group_that_holds_a_token_is_named(corpus in corpus()) {
        check(&corpus);
    }

    #[test]
    fn damage_anywhere_is_found(corpus in corpus(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let built = build(IndexBuilder::new(), &corpus);
        let good = open(&built, corpus.len());
        let held = inverted(&corpus);
        let tokens: Vec<&str> = held.keys().map(String::as_str).collect();
        let mut bad = built.clone();
        let at = at.index(bad.len());
        bad[at] ^= flip;
        prop_assert!(check_damaged(&good, bad, u32::try_from(corpus.len()).unwrap(), &tokens));
    }

    #[test]
    fn any_bytes_are_an_index_or_damaged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&bytes);
    }
}
