//! The pool of a segment that is being built: what its columns hold so far, and where.
//!
//! Memory is bounded: once the pool holds [`HELD_MAX`] bytes it forgets them before the next column, whose texts are
//! then new again, and a column that would bring as many new ones is not de-duplicated. A hash only says where to
//! look: a range is taken when its bytes are equal, so two texts of one hash never become one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::super::distinct;
use super::{Extent, cut};
use crate::format::varint;

/// Bytes of texts that are remembered, about; twice as many at most while a column is added.
const HELD_MAX: usize = 64 << 20;
/// A piece that is shorter is not looked for.
const FOUND_MIN: usize = 64;
/// After so many bytes of a column, and each time that they double, a look at how many of them were new: more than
/// fifteen in sixteen, and it is given up. Chats that go on beside each other repeat themselves only after a while.
const LOOK_AFTER: usize = 4 << 20;

/// See the module.
pub(crate) struct Pool {
    /// Bytes that are remembered, about.
    held_max: usize,
    /// The place in the pool of the first byte that is held.
    base: u64,
    bytes: Vec<u8>,
    /// Where pieces, and the first bytes of pieces, stand in `bytes`, by hash.
    places: HashMap<u128, usize>,
    /// Where the parts of columns start in `bytes`, in order.
    parts: Vec<usize>,
    /// Hashes that the current column added.
    added: Vec<u128>,
    /// Bytes that the current column brought.
    seen: usize,
    look_at: usize,
    /// Whether a column was kept as ranges.
    pub(crate) used: bool,
}

impl Default for Pool {
    fn default() -> Self {
        Self::holding(HELD_MAX)
    }
}

impl Pool {
    /// One that remembers so many bytes, about.
    pub(crate) fn holding(held_max: usize) -> Self {
        Self {
            held_max,
            base: 0,
            bytes: Vec::new(),
            places: HashMap::new(),
            parts: Vec::new(),
            added: Vec::new(),
            seen: 0,
            look_at: LOOK_AFTER,
            used: false,
        }
    }

    /// Begins the part of a column.
    pub(crate) fn begin(&mut self) {
        if self.held_max <= self.bytes.len() {
            self.base += self.bytes.len() as u64;
            self.bytes = Vec::new();
            self.places = HashMap::new();
            self.parts.clear();
        }
        self.parts.push(self.bytes.len());
        self.added.clear();
        (self.seen, self.look_at) = (0, LOOK_AFTER);
    }

    fn part_start(&self) -> usize {
        self.parts.last().copied().unwrap_or(0)
    }

    /// The part that was begun: its place in the pool and its bytes.
    pub(crate) fn part(&self) -> (u64, &[u8]) {
        let start = self.part_start();
        (self.base + start as u64, self.bytes.get(start..).unwrap_or_default())
    }

    /// Takes the part that was begun back.
    pub(crate) fn take_back(&mut self) {
        self.bytes.truncate(self.part_start());
        self.parts.pop();
        for hash in self.added.drain(..) {
            self.places.remove(&hash);
        }
    }

    /// Adds a text; its ranges go to `ranges`. `false` when the column is not worth it.
    pub(crate) fn add(&mut self, text: &[u8], ranges: &mut Ranges) -> bool {
        // How far the text is done, and how many bytes before that were new and stand last in the pool.
        let (mut done, mut new) = (0, 0);
        while done < text.len() {
            let rest = text.get(done..).unwrap_or_default();
            let len = cut::first(rest);
            let piece = rest.get(..len).unwrap_or_default();
            if let Some((place, same)) = self.find(piece, rest) {
                // What stands in front of it may be the same, too, as far as what is cut off is not what was found.
                let before = self.same_before(place, new.min(self.bytes.len().saturating_sub(place + same)));
                let start = cut::advance(text, done - before);
                let back = done.saturating_sub(start);
                self.bytes.truncate(self.bytes.len() - back);
                ranges.shrink(back as u64);
                self.note(place - back, same + back, ranges);
                (done, new) = (done + same, 0);
            } else {
                self.bytes.extend_from_slice(piece);
                self.note(self.bytes.len() - len, len, ranges);
                (done, new) = (done + len, new + len);
            }
        }
        self.seen += text.len();
        let added = self.bytes.len() - self.part_start();
        if self.look_at <= self.seen {
            self.look_at *= 2;
            if self.seen - self.seen / 16 < added {
                return false;
            }
        }
        added < self.held_max
    }

    fn note(&self, place: usize, len: usize, ranges: &mut Ranges) {
        let starts_part = self.parts.binary_search(&place).is_ok();
        ranges.push(Extent { start: self.base + place as u64, len: len as u64 }, starts_part);
    }

    /// How many bytes in front of a place, in its part, are the last ones of the pool: of these `most` at most.
    fn same_before(&self, place: usize, most: usize) -> usize {
        let next = self.parts.partition_point(|start| *start <= place);
        let start = next.checked_sub(1).and_then(|at| self.parts.get(at)).copied().unwrap_or(0);
        let before = self.bytes.get(start..place).unwrap_or_default();
        let last = self.bytes.get(self.bytes.len() - most..).unwrap_or_default();
        before.iter().rev().zip(last.iter().rev()).take_while(|(one, other)| one == other).count()
    }

    /// Where the text stands already, and how many bytes of it: by its first piece, else by the first bytes of that.
    /// What is not found is remembered as what is about to be appended.
    fn find(&mut self, piece: &[u8], text: &[u8]) -> Option<(usize, usize)> {
        let first = piece.get(..FOUND_MIN)?;
        let known = [piece, first].map(|bytes| (distinct::hash_wide(bytes), bytes.len()));
        for (hash, len) in known {
            if let Some(&place) = self.places.get(&hash) {
                let same = self.same(place, text);
                if len <= same {
                    return Some((place, cut::retreat(text, same, len)));
                }
            }
        }
        for (hash, _) in known {
            if let Entry::Vacant(entry) = self.places.entry(hash) {
                entry.insert(self.bytes.len());
                self.added.push(hash);
            }
        }
        None
    }

    /// How many bytes of the text stand at a place, in one part.
    fn same(&self, place: usize, text: &[u8]) -> usize {
        let next = self.parts.partition_point(|start| *start <= place);
        let end = self.parts.get(next).copied().unwrap_or(self.bytes.len());
        let held = self.bytes.get(place..end).unwrap_or_default();
        // Eight bytes at a time, then the rest of them one by one.
        let words = held.as_chunks::<8>().0.iter().zip(text.as_chunks::<8>().0);
        let same = words.take_while(|(one, other)| one == other).count() * 8;
        let rest = held.iter().skip(same).zip(text.iter().skip(same));
        same + rest.take_while(|(one, other)| one == other).count()
    }
}

/// The ranges of a page.
#[derive(Default)]
pub(crate) struct Ranges(Vec<Extent>);

impl Ranges {
    /// Appends a range. One that goes on where the last ended becomes one with it, unless a part starts there.
    fn push(&mut self, range: Extent, starts_part: bool) {
        match self.0.last_mut() {
            Some(last) if !starts_part && last.end() == Some(range.start) => last.len += range.len,
            _ => self.0.push(range),
        }
    }

    /// Takes bytes off the end of the last range.
    fn shrink(&mut self, len: u64) {
        if let Some(last) = self.0.last_mut() {
            last.len -= len;
            if last.len == 0 {
                self.0.pop();
            }
        }
    }

    /// Appends the list to `out` and forgets it.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>) {
        varint::put(out, self.0.len() as u64);
        let mut before = 0;
        for range in self.0.drain(..) {
            varint::put_signed(out, range.start.wrapping_sub(before).cast_signed());
            varint::put(out, range.len);
            before = range.start + range.len;
        }
    }
}
