//! Builder: collects the tokens of a segment's texts, group by group, and makes the bytes of the index.

use super::filters::FiltersBuilder;
use super::lexicon::Lexicon;
use super::token::{Token, cut, hash};
use super::{FILTERS, Head, HeadPiece, WORDS_FIRST};
use crate::error::{Error, ErrorKind, Result};

/// Builds the index of one segment.
pub(crate) struct IndexBuilder {
    words: Option<Lexicon>,
    filters: FiltersBuilder,
    groups: u32,
    folded: String,
}

impl IndexBuilder {
    /// An index of all tokens.
    pub(crate) fn new() -> Self {
        Self { words: Some(Lexicon::new()), ..Self::without_words() }
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
