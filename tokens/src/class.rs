//! Character classes: what the splitting patterns of the encodings ask of a character.
//!
//! The classes come from regex-syntax, the front end of the engine that runs the original patterns, so that both
//! have the same version of Unicode. One byte of flags for each character, found by two loads.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// `\p{L}`
pub(crate) const LETTER: u8 = 1;
/// `\p{N}`
pub(crate) const NUMBER: u8 = 2;
/// `\s` without line feed and carriage return.
pub(crate) const BLANK: u8 = 4;
/// Line feed, carriage return.
pub(crate) const NEWLINE: u8 = 8;
/// `[^\s\p{L}\p{N}]`
pub(crate) const OTHER: u8 = 16;
/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
pub(crate) const UPPER: u8 = 32;
/// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
pub(crate) const LOWER: u8 = 64;
/// `\s`
pub(crate) const SPACE: u8 = BLANK | NEWLINE;

/// Characters that share one row of the table.
const ROW: usize = 256;
const CHARACTERS: usize = 0x11_0000;

/// The classes of all characters.
#[derive(Debug)]
pub(crate) struct Classes {
    /// By byte; of use below 0x80 only.
    ascii: [u8; 256],
    /// Which row holds the characters `256 * index ..`.
    index: Vec<u16>,
    /// Distinct rows, one behind the other.
    rows: Vec<u8>,
}

impl Classes {
    /// The table, made once.
    pub(crate) fn get() -> &'static Self {
        static TABLE: LazyLock<Classes> = LazyLock::new(Classes::new);
        &TABLE
    }

    fn new() -> Self {
        let mut flat = vec![0_u8; CHARACTERS];
        for (pattern, flags) in [
            (r"\p{L}", LETTER),
            (r"\p{N}", NUMBER),
            (r"\s", BLANK),
            (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", UPPER),
            (r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", LOWER),
        ] {
            for (first, last) in ranges(pattern) {
                if let Some(range) = flat.get_mut(first as usize..=last as usize) {
                    range.iter_mut().for_each(|class| *class |= flags);
                }
            }
        }
        for newline in [b'\n', b'\r'] {
            if let Some(class) = flat.get_mut(usize::from(newline)) {
                *class = NEWLINE;
            }
        }
        for class in &mut flat {
            *class |= if *class & (LETTER | NUMBER | SPACE) == 0 { OTHER } else { 0 };
        }
        Self::fold(&flat)
    }

    /// Keeps equal rows once.
    fn fold(flat: &[u8]) -> Self {
        let mut rows: Vec<u8> = Vec::new();
        let index = flat
            .chunks(ROW)
            .map(|row| {
                let known = rows.chunks(ROW).position(|known| known == row).unwrap_or_else(|| {
                    rows.extend_from_slice(row);
                    rows.len() / ROW - 1
                });
                // 4,352 rows at the most.
                u16::try_from(known).unwrap_or(0)
            })
            .collect();
        let mut ascii = [0; 256];
        ascii.iter_mut().zip(flat).for_each(|(to, from)| *to = *from);
        Self { ascii, index, rows }
    }

    /// The class of a byte below 0x80. Others give a class of no meaning.
    #[inline]
    pub(crate) fn ascii(&self, byte: u8) -> u8 {
        self.ascii[usize::from(byte)]
    }

    /// The class and the length in bytes of the character at `at`; behind the end both are 0.
    #[inline]
    pub(crate) fn at(&self, text: &[u8], at: usize) -> (u8, usize) {
        match text.get(at) {
            Some(&byte) if byte < 0x80 => (self.ascii(byte), 1),
            Some(&byte) => self.wide(text, at, byte),
            None => (0, 0),
        }
    }

    /// Of a character of more than one byte. The text is valid UTF-8, and no byte panics all the same.
    fn wide(&self, text: &[u8], at: usize, lead: u8) -> (u8, usize) {
        let rest = |n: usize| usize::from(text.get(at + n).copied().unwrap_or(0) & 0x3f);
        let lead = usize::from(lead);
        let (code, length) = match lead {
            ..0xe0 => ((lead & 0x1f) << 6 | rest(1), 2),
            0xe0..0xf0 => ((lead & 0x0f) << 12 | rest(1) << 6 | rest(2), 3),
            _ => ((lead & 0x07) << 18 | rest(1) << 12 | rest(2) << 6 | rest(3), 4),
        };
        let row = usize::from(self.index.get(code / ROW).copied().unwrap_or(0));
        (self.rows.get(row * ROW + code % ROW).copied().unwrap_or(OTHER), length)
    }
}

/// The characters of a class, as ranges with both ends. The patterns are constants, tested below.
fn ranges(pattern: &str) -> Vec<(u32, u32)> {
    let Ok(parsed) = regex_syntax::parse(pattern) else { return Vec::new() };
    match parsed.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            class.ranges().iter().map(|range| (u32::from(range.start()), u32::from(range.end()))).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(c: char) -> u8 {
        let mut bytes = [0; 4];
        let text = c.encode_utf8(&mut bytes);
        let (class, length) = Classes::get().at(text.as_bytes(), 0);
        assert_eq!(length, c.len_utf8(), "{c:?}");
        class
    }

    #[test]
    fn every_character_is_a_letter_a_number_space_or_other_and_only_one_of_them() {
        for c in '\0'..=char::MAX {
            let kind = class(c) & (LETTER | NUMBER | BLANK | NEWLINE | OTHER);
            assert_eq!(kind.count_ones(), 1, "{c:?}");
            assert_eq!(class(c) & SPACE != 0, c.is_whitespace(), "{c:?}");
            // Only this way round: the standard library may know numbers of a later Unicode.
            assert!(kind != NUMBER || c.is_numeric(), "{c:?}");
        }
    }

    #[test]
    fn cases_and_marks_have_the_classes_of_the_pattern() {
        for (c, want) in [
            ('a', LETTER | LOWER),
            ('Z', LETTER | UPPER),
            ('\u{1c5}', LETTER | UPPER),
            ('\u{4e2d}', LETTER | UPPER | LOWER),
            ('\u{301}', OTHER | UPPER | LOWER),
            ('\u{17f}', LETTER | LOWER),
            ('7', NUMBER),
            ('\u{b2}', NUMBER),
            (' ', BLANK),
            ('\u{a0}', BLANK),
            ('\n', NEWLINE),
            ('\r', NEWLINE),
            ('.', OTHER),
            ('\u{1f600}', OTHER),
            ('\u{10ffff}', OTHER),
        ] {
            assert_eq!(class(c), want, "{c:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_not_panic() {
        for lead in 0x80..=0xff_u8 {
            for text in [&[lead][..], &[lead, 0xff], &[lead, 0xff, 0xff], &[lead, 0xff, 0xff, 0xff]] {
                assert!(0 < Classes::get().at(text, 0).1);
            }
        }
        assert_eq!(Classes::get().at(b"", 0), (0, 0));
    }
}
