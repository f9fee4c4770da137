//! Index: which groups of a segment may hold a token. Built once, when the segment is sealed; bytes in, bytes
//! out.
//!
//! Tokens are those of [`crate::text`], without regard to case, of all texts of a group. What the index names is
//! where to look, never an answer: each row is asked again. So it may name a group too many, and never one too
//! few.
//!
//! ```text
//! index     size of the head u32, CRC-32 of that size and the head u32, head, pieces without gaps
//! head      version u8, groups u32, count of pieces u8, for each: kind u8, size u64, CRC-32 u32
//!
//! kind      piece
//! 0         filters: the tokens that are no words, as fingerprints (see `filters`)
//! 1         words: tantivy's description of the others
//! 2 ..= 7   words: tantivy's files (see `words`)
//! ```
//!
//! All integers are little-endian. The filters are there once, and of the words all pieces or none: without
//! them every group may hold any word. Every byte lies under the checksum of the head or of its piece, and a
//! piece is verified before it is first used: above all those that tantivy reads, which believes them.

mod builder;
mod directory;
mod filters;
mod fuse;
#[cfg(any(test, feature = "sim"))]
mod fuzz;
mod groups;
mod lexicon;
#[cfg(test)]
mod tests;
mod token;
mod words;
mod worker;

pub(crate) use builder::IndexBuilder;
#[cfg(any(test, feature = "sim"))]
pub(crate) use fuzz::fuzz;
pub(crate) use groups::Groups;
pub(crate) use worker::IndexWorker;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::format::{crc, u32_at, u64_at};
use crate::io::ReadMap;
use filters::Filters;
use token::Key;
use words::{FILES, Words};

/// The layout that this library writes and reads.
const VERSION: u8 = 1;

/// Kind of the piece with the filters.
const FILTERS: u8 = 0;
/// Kind of the first piece of the words.
const WORDS_FIRST: u8 = 1;

/// Bytes before the head: its size and its checksum.
const LEAD_SIZE: usize = 8;
/// Bytes of the head before the pieces.
const HEAD_SIZE: usize = 6;
/// Bytes of the head for each piece.
const PIECE_SIZE: usize = 13;

/// An index, or a piece of one, that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged {
    pub(crate) what: &'static str,
    /// Where the damaged piece begins in the index.
    pub(crate) offset: usize,
}

/// Bytes of a mapped file.
#[derive(Clone)]
pub(crate) struct Bytes {
    map: Arc<dyn ReadMap>,
    range: Range<usize>,
}

impl Bytes {
    /// What lies in a range of the file; nothing where the file is shorter.
    pub(crate) fn new(map: Arc<dyn ReadMap>, range: Range<usize>) -> Self {
        Self { map, range }
    }

    fn get(&self) -> &[u8] {
        self.map.bytes().get(self.range.clone()).unwrap_or_default()
    }

    /// A part of the bytes.
    fn part(&self, range: &Range<usize>) -> Self {
        let at = |offset: usize| self.range.start.saturating_add(offset).min(self.range.end);
        Self { map: Arc::clone(&self.map), range: at(range.start)..at(range.end) }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {:?}", self.range)
    }
}

/// The head of an index: what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Head {
    groups: u32,
    pieces: Vec<HeadPiece>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HeadPiece {
    kind: u8,
    size: u64,
    crc: u32,
}

impl HeadPiece {
    fn of(kind: u8, bytes: &[u8]) -> Self {
        Self { kind, size: bytes.len() as u64, crc: crc(&[bytes]) }
    }
}

impl Head {
    fn write(&self) -> Vec<u8> {
        let mut head = vec![VERSION];
        head.extend_from_slice(&self.groups.to_le_bytes());
        head.push(u8::try_from(self.pieces.len()).unwrap_or(u8::MAX));
        for piece in &self.pieces {
            head.push(piece.kind);
            head.extend_from_slice(&piece.size.to_le_bytes());
            head.extend_from_slice(&piece.crc.to_le_bytes());
        }
        let size = u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes();
        let crc = crc(&[&size, &head]).to_le_bytes();
        [size.as_slice(), &crc, &head].concat()
    }

    /// The head at the start of `bytes`, and its size with what stands before it.
    fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let end = LEAD_SIZE.checked_add(usize::try_from(u32_at(bytes, 0)?).ok()?)?;
        let head = bytes.get(LEAD_SIZE..end)?;
        if u32_at(bytes, 4)? != crc(&[bytes.get(..4)?, head]) || *head.first()? != VERSION {
            return None;
        }
        let (fixed, table) = head.split_at_checked(HEAD_SIZE)?;
        if table.len() != usize::from(*fixed.last()?) * PIECE_SIZE {
            return None;
        }
        let pieces = table.chunks_exact(PIECE_SIZE).map(|piece| {
            Some(HeadPiece { kind: *piece.first()?, size: u64_at(piece, 1)?, crc: u32_at(piece, 9)? })
        });
        Some((Self { groups: u32_at(fixed, 1)?, pieces: pieces.collect::<Option<_>>()? }, end))
    }
}

/// A piece of an index: its place and its checksum.
#[derive(Clone, Debug)]
struct Piece {
    range: Range<usize>,
    crc: u32,
}

/// The index of one segment, for asking.
pub(crate) struct Index {
    bytes: Bytes,
    groups: u32,
    filters: Piece,
    /// In the order of [`FILES`]; empty when the index has no words.
    words: Vec<Piece>,
    opened_filters: OnceLock<Result<Filters, Damaged>>,
    opened_words: OnceLock<Result<Words, Damaged>>,
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "index of {} groups in {:?}", self.groups, self.bytes)
    }
}

impl Index {
    /// Opens the index of a segment of so many groups. Only the head is verified; the pieces are when they
    /// are first asked.
    ///
    /// # Errors
    /// The head is damaged or speaks of another segment.
    pub(crate) fn open(bytes: Bytes, groups: u32) -> Result<Self, Damaged> {
        let damaged = Damaged { what: "the head of an index", offset: 0 };
        let (head, mut offset) = Head::read(bytes.get()).ok_or(damaged)?;
        let mut pieces = Vec::with_capacity(head.pieces.len());
        for piece in &head.pieces {
            let size = usize::try_from(piece.size).map_err(|_| damaged)?;
            let end = offset.checked_add(size).ok_or(damaged)?;
            pieces.push(Piece { range: offset..end, crc: piece.crc });
            offset = end;
        }
        let kinds = head.pieces.iter().map(|piece| piece.kind);
        let has_order = kinds.eq((FILTERS..).take(pieces.len()));
        let has_all = pieces.len() == 1 || pieces.len() == 1 + FILES.len();
        if !has_order || !has_all || offset != bytes.get().len() || head.groups != groups {
            return Err(damaged);
        }
        let words = pieces.split_off(1);
        let filters = pieces.pop().ok_or(damaged)?;
        let (opened_filters, opened_words) = (OnceLock::new(), OnceLock::new());
        Ok(Self { bytes, groups, filters, words, opened_filters, opened_words })
    }

    /// The groups that may hold a token, in any case. All of them for what is no token.
    ///
    /// # Errors
    /// The piece that knows is damaged.
    pub(crate) fn candidates(&self, token: &str) -> Result<Groups, Damaged> {
        match token::key(token) {
            Some(Key::Word(word)) if !self.words.is_empty() => self.words()?.candidates(&word, self.groups),
            Some(Key::Hash(hash)) => {
                let bytes = self.piece(&self.filters);
                Ok(self.filters()?.candidates(bytes, hash, self.groups))
            }
            _ => Ok(Groups::all(self.groups)),
        }
    }

    /// Whether the words of the index have a token: for certain. Of a token that is a hash in the filters it says no.
    ///
    /// # Errors
    /// The words are damaged.
    pub(crate) fn knows(&self, token: &str) -> Result<bool, Damaged> {
        match token::key(token) {
            Some(Key::Word(word)) if !self.words.is_empty() => {
                Ok(self.words()?.candidates(&word, self.groups)? != Groups::none(self.groups))
            }
            _ => Ok(false),
        }
    }

    /// Verifies every checksum, those that tantivy keeps too.
    ///
    /// # Errors
    /// The first piece that is damaged.
    pub(crate) fn verify(&self) -> Result<(), Damaged> {
        self.sound(&self.filters, "the filters of an index")?;
        for piece in &self.words {
            self.sound(piece, "the words of an index")?;
        }
        self.filters()?;
        if self.words.is_empty() { Ok(()) } else { self.words()?.verify() }
    }

    /// What the index is made of: names, places in the index, and whether the checksum holds.
    pub(crate) fn pieces(&self) -> Vec<(&'static str, Range<usize>, bool)> {
        let named = std::iter::once(("filters", &self.filters)).chain(FILES.iter().copied().zip(&self.words));
        named.map(|(name, piece)| (name, piece.range.clone(), self.sound(piece, name).is_ok())).collect()
    }

    fn piece(&self, piece: &Piece) -> &[u8] {
        self.bytes.get().get(piece.range.clone()).unwrap_or_default()
    }

    /// Compares a piece with its checksum.
    fn sound(&self, piece: &Piece, what: &'static str) -> Result<(), Damaged> {
        let is_sound = crc(&[self.piece(piece)]) == piece.crc;
        if is_sound { Ok(()) } else { Err(Damaged { what, offset: piece.range.start }) }
    }

    fn filters(&self) -> Result<&Filters, Damaged> {
        let opened = self.opened_filters.get_or_init(|| {
            let what = "the filters of an index";
            self.sound(&self.filters, what)?;
            let damaged = Damaged { what, offset: self.filters.range.start };
            Filters::open(self.piece(&self.filters), self.groups).ok_or(damaged)
        });
        opened.as_ref().map_err(|damaged| *damaged)
    }

    fn words(&self) -> Result<&Words, Damaged> {
        let opened = self.opened_words.get_or_init(|| {
            let mut files = Vec::with_capacity(FILES.len());
            for (&name, piece) in FILES.iter().zip(&self.words) {
                self.sound(piece, "the words of an index")?;
                files.push((name, self.bytes.part(&piece.range)));
            }
            Words::open(files.into(), self.groups)
        });
        opened.as_ref().map_err(|damaged| *damaged)
    }
}
