//! Builder: collects the tokens of a segment's texts, group by group, and makes the bytes of the index.

use super::filters::FiltersBuilder;
use super::token::{Short, Token, cut, hash};
use super::words::{SEPARATOR, WordsBuilder};
use super::{FILTERS, Head, HeadPiece, WORDS_FIRST};
use crate::error::{Error, ErrorKind, Result};

/// Builds the index of one segment.
pub(crate) struct IndexBuilder {
    words: Option<GroupWords>,
    filters: FiltersBuilder,
    groups: u32,
    folded: String,
}

impl IndexBuilder {
    /// An index of all tokens.
    pub(crate) fn new() -> Self {
        Self { words: Some(GroupWords::new()), ..Self::without_words() }
    }

    /// An index of the tokens that are no words: enough for a segment that is scanned quickly.
    pub(crate) fn without_words() -> Self {
        Self { words: None, filters: FiltersBuilder::default(), groups: 0, folded: String::new() }
    }

    /// Takes a text of the current group.
    pub(crate) fn add_text(&mut self, text: &str) {
        let Self { words, filters, folded, .. } = self;
        cut(text, folded, |token| match token {
            Token::Short(short) if short.is_word => {
                if let Some(words) = words {
                    words.add_short(short);
                }
            }
            Token::Short(short) => {
                filters.add(hash(short.bytes().get(..short.len).unwrap_or_default()));
            }
            Token::Long { text, is_word: true } => {
                if let Some(words) = words {
                    words.add_long(text);
                }
            }
            Token::Long { text, is_word: false } => filters.add(hash(text.as_bytes())),
        });
    }

    /// Ends the current group; the next one begins.
    pub(crate) fn end_group(&mut self) {
        if let Some(words) = &mut self.words {
            words.end_group();
        }
        self.filters.end_group();
        self.groups += 1;
    }

    /// The bytes of the index.
    ///
    /// # Errors
    /// `Limit` when tantivy refuses the words.
    pub(crate) fn finish(self) -> Result<Vec<u8>> {
        let mut pieces = vec![(FILTERS, self.filters.finish())];
        if let Some(words) = self.words {
            let files = words.finish().map_err(|error| {
                Error::new(ErrorKind::Limit, format!("the words of a segment make no index: {error}"))
            })?;
            pieces.extend((WORDS_FIRST..).zip(files));
        }
        let head = pieces.iter().map(|(kind, bytes)| HeadPiece::of(*kind, bytes)).collect();
        let mut out = Head { groups: self.groups, pieces: head }.write();
        for (_, piece) in pieces {
            out.extend_from_slice(&piece);
        }
        Ok(out)
    }
}

/// The words of the current group, each once, and the index of those before. The set is used again for one
/// group after the other: a place that another group filled is free, so nothing is cleared between them and
/// what is looked at stays small and warm.
#[derive(Default)]
struct GroupWords {
    /// Open addressing; a power of two, of which half are free at least.
    places: Vec<Place>,
    len: usize,
    /// The texts of the words that do not fit a place, without gaps.
    long: String,
    /// The words, a [`SEPARATOR`] behind each.
    fresh: String,
    /// The number of the group, counted from 1.
    group: u32,
    /// Made when the first group ends.
    index: Option<tantivy::Result<WordsBuilder>>,
}

/// A word of the table.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The bytes of a short word, or the hash of a long one.
    low: u64,
    /// The other bytes of a short word. Of a long one [`LONG`], where its text starts, and its length.
    high: u64,
    /// The group that has it.
    group: u32,
}

/// Marks a long word, in a byte where no UTF-8 has this.
const LONG: u64 = 0xff << 56;

/// Places of the smallest table: 96 KiB.
const PLACES_MIN: usize = 1 << 12;

impl Place {
    /// Where the search for a word begins, before the table's size is regarded.
    #[inline]
    fn home(low: u64, high: u64) -> u64 {
        // The digits of pi, and both halves of the product, so that every bit of the word counts.
        let product = u128::from(low ^ 0x243f_6a88_85a3_08d3) * u128::from(high ^ 0x1319_8a2e_0370_7344);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
        let folded = product as u64 ^ (product >> 64) as u64;
        folded
    }

    /// [`Place::home`] of the word here.
    fn own_home(&self) -> u64 {
        if self.high & LONG == LONG { Self::home(self.low, LONG) } else { Self::home(self.low, self.high) }
    }

    /// Whether this is a long word, compared by its text: the hash alone could be another word's.
    fn is(&self, hash: u64, word: &str, long: &str) -> bool {
        let start = usize::try_from((self.high & !LONG) >> 8).unwrap_or(usize::MAX);
        self.low == hash
            && self.high & (LONG | 0xff) == LONG | word.len() as u64
            && long.get(start..).is_some_and(|text| text.starts_with(word))
    }
}

impl GroupWords {
    fn new() -> Self {
        Self { group: 1, ..Self::default() }
    }

    #[inline]
    fn add_short(&mut self, word: Short) {
        let (low, high) = (word.low, word.high);
        let found = self.find(Place::home(low, high), |place, _| (place.low, place.high) == (low, high));
        let Some(at) = found else { return };
        self.places[at] = Place { low, high, group: self.group };
        self.len += 1;
        let bytes = word.bytes();
        let text = bytes.get(..word.len).and_then(|bytes| std::str::from_utf8(bytes).ok());
        self.fresh.push_str(text.expect("BUG: a token is text"));
        self.fresh.push(SEPARATOR);
    }

    fn add_long(&mut self, word: &str) {
        let hash = hash(word.as_bytes());
        let found = self.find(Place::home(hash, LONG), |place, long| place.is(hash, word, long));
        let Some(at) = found else { return };
        let high = LONG | (self.long.len() as u64) << 8 | word.len() as u64;
        self.places[at] = Place { low: hash, high, group: self.group };
        self.len += 1;
        self.long.push_str(word);
        self.fresh.push_str(word);
        self.fresh.push(SEPARATOR);
    }

    /// The free place that a word belongs in; `None` when the group has it.
    #[inline]
    fn find(&mut self, home: u64, is_it: impl Fn(&Place, &str) -> bool) -> Option<usize> {
        if self.places.len() <= 2 * self.len {
            self.grow();
        }
        let mask = self.places.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
        let mut at = home as usize & mask;
        loop {
            let place = &self.places[at];
            if place.group != self.group {
                return Some(at);
            }
            if is_it(place, &self.long) {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let larger = vec![Place::default(); (2 * self.places.len()).max(PLACES_MIN)];
        for place in std::mem::replace(&mut self.places, larger) {
            if place.group == self.group
                && let Some(at) = self.find(place.own_home(), |_, _| false)
            {
                self.places[at] = place;
            }
        }
    }

    fn end_group(&mut self) {
        let index = self.index.get_or_insert_with(WordsBuilder::new);
        if let Ok(builder) = index
            && let Err(error) = builder.add_group(&self.fresh)
        {
            *index = Err(error);
        }
        self.fresh.clear();
        self.long.clear();
        self.len = 0;
        self.group += 1;
    }

    fn finish(self) -> tantivy::Result<Vec<Vec<u8>>> {
        self.index.unwrap_or_else(WordsBuilder::new)?.finish()
    }
}
