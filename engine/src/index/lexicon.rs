//! The words of a segment, each once, with the groups that hold it. They come token by token, most of them again and again.
//!
//! One table finds them all, and says of each in which group it was last: most tokens are words that the group has, and of
//! these few are so many that what is looked at stays warm.

use super::token::{SHORT_SIZE_MAX, Short, hash};
use super::words;

#[derive(Default)]
pub(super) struct Lexicon {
    /// Every word: open addressing; a power of two, of which half are free at least.
    places: Vec<Place>,
    /// How many words there are.
    len: u32,
    /// The number of the current group, counted from 1.
    group: u32,
    /// The texts of long words, without gaps.
    long: String,
    /// The numbers of the words of each group, one group behind the other, and where each ends.
    held: Vec<u32>,
    ends: Vec<usize>,
}

/// A word: the bytes of a short one, or the hash of a long one and where its text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Word {
    low: u64,
    /// Of a long word [`LONG`], where its text starts, and its length.
    high: u64,
}

/// A word in the table.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    word: Word,
    /// Its number: words count in the order of their first appearance.
    number: u32,
    /// The last group that has it; 0 where there is no word.
    group: u32,
}

/// Marks a long word, in a byte where no UTF-8 has this.
const LONG: u64 = 0xff << 56;

/// Places of the smallest table: 96 KiB.
const PLACES_MIN: usize = 1 << 12;

impl Word {
    fn is_long(self) -> bool {
        self.high & LONG == LONG
    }

    /// Where the search for it begins, before the table's size is regarded.
    #[inline]
    fn home(self) -> usize {
        // Of a long word its hash says enough.
        let high = if self.is_long() { LONG } else { self.high };
        // The digits of pi, and both halves of the product, so that every bit of the word counts.
        let product = u128::from(self.low ^ 0x243f_6a88_85a3_08d3) * u128::from(high ^ 0x1319_8a2e_0370_7344);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are taken, and low bits are meant")]
        let folded = (product as u64 ^ (product >> 64) as u64) as usize;
        folded
    }

    /// Its first sixteen bytes, the first one highest: in the order of texts.
    fn prefix(self, long: &str) -> u128 {
        let bytes = if self.is_long() {
            let mut first = [0; SHORT_SIZE_MAX];
            first.iter_mut().zip(self.text(long).bytes()).for_each(|(first, byte)| *first = byte);
            first
        } else {
            self.bytes()
        };
        u128::from_le_bytes(bytes).swap_bytes()
    }

    /// The bytes of a short word, and zeros behind them.
    fn bytes(self) -> [u8; SHORT_SIZE_MAX] {
        (u128::from(self.low) | u128::from(self.high) << 64).to_le_bytes()
    }

    /// The text of a long word.
    fn text(self, long: &str) -> &str {
        let start = usize::try_from((self.high & !LONG) >> 8).unwrap_or(usize::MAX);
        let len = usize::try_from(self.high & 0xff).unwrap_or(usize::MAX);
        start.checked_add(len).and_then(|end| long.get(start..end)).unwrap_or_default()
    }
}

impl Lexicon {
    pub(super) fn new() -> Self {
        Self { group: 1, ..Self::default() }
    }

    /// Takes a word of the current group.
    #[inline]
    pub(super) fn add_short(&mut self, word: Short) {
        let word = Word { low: word.low, high: word.high };
        self.add(word, |other, _| other == word, |_| word);
    }

    /// Takes a word of the current group.
    pub(super) fn add_long(&mut self, text: &str) {
        let word = Word { low: hash(text.as_bytes()), high: LONG };
        // The hash alone could be another word's.
        let is_it =
            |other: Word, long: &str| other.low == word.low && other.is_long() && other.text(long) == text;
        self.add(word, is_it, |long| {
            let high = LONG | (long.len() as u64) << 8 | text.len() as u64;
            long.push_str(text);
            Word { high, ..word }
        });
    }

    /// `word` says where to look, `is_it` whether another is it, `make` how it is kept if it is new.
    #[inline]
    fn add(
        &mut self,
        word: Word,
        is_it: impl Fn(Word, &str) -> bool,
        make: impl FnOnce(&mut String) -> Word,
    ) {
        let mask = self.places.len().wrapping_sub(1);
        let mut at = word.home() & mask;
        while let Some(place) = self.places.get_mut(at).filter(|place| place.group != 0) {
            if is_it(place.word, &self.long) {
                if place.group != self.group {
                    place.group = self.group;
                    self.held.push(place.number);
                }
                return;
            }
            at = (at + 1) & mask;
        }
        let word = make(&mut self.long);
        self.put_new(word);
    }

    #[cold]
    fn put_new(&mut self, word: Word) {
        if self.places.len() <= 2 * self.len as usize {
            let larger = vec![Place::default(); (2 * self.places.len()).max(PLACES_MIN)];
            for place in std::mem::replace(&mut self.places, larger) {
                if place.group != 0 {
                    self.put(place);
                }
            }
        }
        self.put(Place { word, number: self.len, group: self.group });
        self.held.push(self.len);
        self.len = self.len.checked_add(1).expect("BUG: a segment has fewer words than bytes");
    }

    /// Puts a word that is not there in a place that is free.
    fn put(&mut self, place: Place) {
        let mask = self.places.len() - 1;
        let mut at = place.word.home() & mask;
        while self.places[at].group != 0 {
            at = (at + 1) & mask;
        }
        self.places[at] = place;
    }

    /// Ends the current group; the next one begins.
    pub(super) fn end_group(&mut self) {
        self.ends.push(self.held.len());
        self.group += 1;
    }

    /// The files of the word index.
    pub(super) fn finish(self) -> tantivy::Result<Vec<Vec<u8>>> {
        let Self { places, len, long, held, ends, .. } = self;
        let mut words = vec![Word::default(); len as usize];
        for place in places.iter().filter(|place| place.group != 0) {
            words[place.number as usize] = place.word;
        }
        drop(places);
        // From the words of each group to the groups of each word: they are counted, then put in their places.
        let mut starts = vec![0_usize; words.len() + 1];
        for &number in &held {
            starts[number as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut holders = vec![0_u32; held.len()];
        let mut from = 0;
        for (&end, group) in ends.iter().zip(0..) {
            for &number in &held[from..end] {
                let next = &mut next[number as usize];
                holders[*next] = group;
                *next += 1;
            }
            from = end;
        }
        let mut order: Vec<(u128, u32)> =
            words.iter().zip(0..).map(|(word, number)| (word.prefix(&long), number)).collect();
        // Words that begin with the same sixteen bytes are long, but for one that ends there.
        let text = |number: u32| words[number as usize].text(&long);
        order.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| text(a.1).as_bytes().cmp(text(b.1).as_bytes()))
        });
        let groups = u32::try_from(ends.len()).expect("BUG: a segment has fewer groups than bytes");
        words::write(groups, held.len() as u64, |put| {
            order.iter().try_for_each(|&(_, number)| {
                let at = number as usize;
                let (word, holders) = (words[at], &holders[starts[at]..starts[at + 1]]);
                if word.is_long() {
                    put(word.text(&long).as_bytes(), holders)
                } else {
                    let bytes = word.bytes();
                    let len = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
                    put(&bytes[..len], holders)
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::token::{Token, cut};
    use proptest::prelude::*;

    fn files(groups: &[Vec<String>]) -> Vec<Vec<u8>> {
        let mut lexicon = Lexicon::new();
        for group in groups {
            for word in group {
                cut(word, &mut String::new(), |token| match token {
                    Token::Short(short) => lexicon.add_short(short),
                    Token::Long { text, .. } => lexicon.add_long(text),
                });
            }
            lexicon.end_group();
        }
        lexicon.finish().unwrap()
    }

    /// Compares the files with those that tantivy makes of documents that hold the words.
    fn check(groups: &[Vec<String>]) {
        let expected = words::of_documents(groups).unwrap();
        for ((file, expected), name) in files(groups).into_iter().zip(expected).zip(words::FILES) {
            assert!(file == expected, "{name} of {} groups", groups.len());
        }
    }

    #[test]
    fn no_groups_and_groups_without_words_make_an_index() {
        for groups in [vec![], vec![vec![]; 3]] {
            check(&groups);
        }
    }

    #[test]
    fn words_that_begin_alike_are_told_apart_and_in_order() {
        let of = |len: usize| "abcdefghijklmnopqrstuvw".get(..len).unwrap().to_owned();
        let group: Vec<String> = (1..=23).rev().map(of).chain([of(16) + "b", of(16) + "\u{e9}"]).collect();
        let groups = [group.clone(), vec![], group.iter().rev().cloned().collect()];
        check(&groups);
    }

    #[test]
    fn tables_grow_within_a_group_and_across_groups() {
        let word = |at: u32| at.to_string().bytes().map(|digit| char::from(digit + 49)).collect::<String>();
        let groups: Vec<Vec<String>> =
            (0..5).map(|group| (0..3000).map(|at| word(group * 2000 + at)).collect()).collect();
        check(&groups);
    }

    proptest! {
        #[test]
        fn the_files_are_those_that_tantivy_makes_of_documents(
            groups in prop::collection::vec(prop::collection::vec("[ab\u{e9}]{1,3}|[ab]{15,18}", 0..12), 0..9),
        ) {
            check(&groups);
        }
    }
}
