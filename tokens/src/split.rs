//! Pre-tokenization: text is cut into pieces, and tokens never cross the end of a piece.
//!
//! Each family of encodings has a regular expression for this. Here the three are written out by hand, which is four
//! times as fast as the fastest regex engine and needs no stack and no backtracking: every piece is found in time
//! linear to its length. The originals, as tiktoken-rs 0.12 has them, are the oracle of the tests in
//! `tests/differential.rs`:
//!
//! ```text
//! r50k    '(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s
//! cl100k  '(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s
//! o200k   P?U*L+C?|P?U+L*C?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
//!         with P = [^\r\n\p{L}\p{N}], U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], L = [\p{Ll}\p{Lm}\p{Lo}\p{M}],
//!              C = (?i:'s|'t|'re|'ve|'m|'ll|'d)
//! ```

use crate::class::{BLANK, Classes, LETTER, LOWER, NEWLINE, NUMBER, OTHER, SPACE, UPPER};

/// How an encoding cuts text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// `r50k_base`, `p50k_base`, `p50k_edit`.
    R50k,
    Cl100k,
    /// `o200k_base`, `o200k_harmony`.
    O200k,
}

/// Text that is being cut.
#[derive(Clone, Debug)]
pub(crate) struct Pieces<'a> {
    text: &'a [u8],
    at: usize,
    pattern: Pattern,
    classes: &'static Classes,
}

impl<'a> Pieces<'a> {
    /// The pieces of a text.
    pub(crate) fn new(pattern: Pattern, text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, pattern, classes: Classes::get() }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    #[inline]
    fn class(&self, at: usize) -> u8 {
        self.classes.at(self.text, at).0
    }

    /// Behind the run of characters of these classes.
    #[inline]
    fn run(&self, mask: u8, mut at: usize) -> usize {
        loop {
            match self.text.get(at) {
                Some(&byte) if byte < 0x80 => {
                    if self.classes.ascii(byte) & mask == 0 {
                        return at;
                    }
                    at += 1;
                }
                Some(_) => match self.classes.at(self.text, at) {
                    (class, length) if class & mask != 0 => at += length,
                    _ => return at,
                },
                None => return at,
            }
        }
    }

    /// Behind one, two or three numbers.
    fn numbers(&self, mut at: usize) -> usize {
        for _ in 0..3 {
            match self.classes.at(self.text, at) {
                (class, length) if class & NUMBER != 0 => at += length,
                _ => break,
            }
        }
        at
    }

    fn end_r50k(&self, start: usize) -> usize {
        if let Some(end) = self.contraction(start, false) {
            return end;
        }
        let at = start + usize::from(self.byte(start) == Some(b' '));
        match self.class(at) & (LETTER | NUMBER | OTHER) {
            0 => self.space(start),
            kind => self.run(kind, at),
        }
    }

    fn end_cl100k(&self, start: usize) -> usize {
        if let Some(end) = self.contraction(start, true) {
            return end;
        }
        let (class, length) = self.classes.at(self.text, start);
        if class & LETTER != 0 {
            return self.run(LETTER, start + length);
        }
        if class & (BLANK | OTHER) != 0 && self.class(start + length) & LETTER != 0 {
            return self.run(LETTER, start + length);
        }
        if class & NUMBER != 0 {
            return self.numbers(start);
        }
        match self.others(start) {
            Some(end) => self.run(NEWLINE, end),
            None => self.space(start),
        }
    }

    fn end_o200k(&self, start: usize) -> usize {
        let (class, length) = self.classes.at(self.text, start);
        if class & NUMBER != 0 {
            return self.numbers(start);
        }
        let prefixed = (class & (BLANK | OTHER) != 0).then_some(start + length);
        let word = |shape: fn(&Self, usize) -> Option<usize>| {
            prefixed.and_then(|at| shape(self, at)).or_else(|| shape(self, start))
        };
        if class & (LETTER | BLANK | OTHER) != 0
            && let Some(end) = word(Self::lower_word).or_else(|| word(Self::upper_word))
        {
            return self.contraction(end, true).unwrap_or(end);
        }
        match self.others(start) {
            Some(mut end) => {
                while matches!(self.byte(end), Some(b'\r' | b'\n' | b'/')) {
                    end += 1;
                }
                end
            }
            None => self.space(start),
        }
    }

    /// `U*L+`: as many `U` as leave at least one `L`.
    fn lower_word(&self, start: usize) -> Option<usize> {
        let mut at = start;
        // Behind the last character that is both: where the match ends when no `L` follows the run.
        let mut fallback = None;
        loop {
            let (class, length) = self.classes.at(self.text, at);
            if class & UPPER == 0 {
                break;
            }
            at += length;
            if class & LOWER != 0 {
                fallback = Some(at);
            }
        }
        let end = self.run(LOWER, at);
        if at < end { Some(end) } else { fallback }
    }

    /// `U+L*`, where `U*L+` did not match: so no `L` follows.
    fn upper_word(&self, start: usize) -> Option<usize> {
        let end = self.run(UPPER, start);
        (start < end).then(|| self.run(LOWER, end))
    }

    /// ` ?[^\s\p{L}\p{N}]+`
    fn others(&self, start: usize) -> Option<usize> {
        let at = start + usize::from(self.byte(start) == Some(b' '));
        (self.class(at) & OTHER != 0).then(|| self.run(OTHER, at))
    }

    /// `'s`, `'d`, `'m`, `'t`, `'ll`, `'ve` or `'re` at `start`. A long s folds to s.
    fn contraction(&self, start: usize, any_case: bool) -> Option<usize> {
        if self.byte(start) != Some(b'\'') {
            return None;
        }
        let letter = |at: usize| {
            let byte = self.byte(at)?;
            Some(if any_case { byte.to_ascii_lowercase() } else { byte })
        };
        match (letter(start + 1)?, letter(start + 2)) {
            (b's' | b'd' | b'm' | b't', _) => Some(start + 2),
            (b'l', Some(b'l')) | (b'v' | b'r', Some(b'e')) => Some(start + 3),
            (0xc5, Some(0xbf)) if any_case => Some(start + 3),
            _ => None,
        }
    }

    /// The alternatives that begin with white space, in the order of each pattern.
    fn space(&self, start: usize) -> usize {
        let end = self.run(SPACE, start);
        let run = self.text.get(start..end).unwrap_or_default();
        let newline =
            || run.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map(|last| start + last + 1);
        let ends_text = end == self.text.len();
        match self.pattern {
            Pattern::O200k if let Some(end) = newline() => return end,
            _ if ends_text => return end,
            Pattern::Cl100k if let Some(end) = newline() => return end,
            _ => {}
        }
        // All but the last character, which goes with what follows; a lone one stands for itself.
        let last = run.iter().rposition(|byte| byte & 0xc0 != 0x80).unwrap_or(0);
        if last == 0 { end } else { start + last }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        if self.text.len() <= start {
            return None;
        }
        let end = match self.pattern {
            Pattern::R50k => self.end_r50k(start),
            Pattern::Cl100k => self.end_cl100k(start),
            Pattern::O200k => self.end_o200k(start),
        };
        // A piece is never empty, whatever the bytes: otherwise the walk would not end.
        let end = end.max(start + 1).min(self.text.len());
        self.at = end;
        self.text.get(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: Pattern, text: &str, want: &[&str]) {
        let got: Vec<_> = Pieces::new(pattern, text).map(|piece| String::from_utf8_lossy(piece)).collect();
        assert_eq!(got, want, "{pattern:?} {text:?}");
    }

    #[test]
    fn words_keep_the_character_before_them() {
        check(Pattern::R50k, "Hello world 2024!?", &["Hello", " world", " 2024", "!?"]);
        check(Pattern::Cl100k, "Hello (world) 2024!?", &["Hello", " (", "world", ")", " ", "202", "4", "!?"]);
        check(Pattern::O200k, "HelloWorld.foo JSONValue", &["Hello", "World", ".foo", " JSONValue"]);
        check(Pattern::O200k, "..foo//\n/x", &["..", "foo", "//\n/", "x"]);
    }

    #[test]
    fn contractions_stand_alone_or_with_their_word() {
        check(Pattern::R50k, "I'll'S", &["I", "'ll", "'", "S"]);
        check(Pattern::Cl100k, "I'LL it'\u{17f}x", &["I", "'LL", " it", "'\u{17f}", "x"]);
        check(Pattern::O200k, "we'Re it'sx", &["we'Re", " it's", "x"]);
    }

    #[test]
    fn white_space_leaves_its_last_character_to_what_follows() {
        check(Pattern::R50k, "a  \n  b\n ", &["a", "  \n ", " b", "\n "]);
        check(Pattern::Cl100k, "a  \n  b\n ", &["a", "  \n", " ", " b", "\n "]);
        check(Pattern::O200k, "a  \n  b\n ", &["a", "  \n", " ", " b", "\n", " "]);
        check(Pattern::O200k, "a \t1\u{a0}\u{2003}1", &["a", " ", "\t", "1", "\u{a0}", "\u{2003}", "1"]);
    }

    #[test]
    fn marks_are_letters_of_the_word_they_follow() {
        check(Pattern::O200k, "\u{301}\u{301}ABC \u{301}", &["\u{301}\u{301}", "ABC", " \u{301}"]);
        check(Pattern::Cl100k, "e\u{301}a", &["e", "\u{301}a"]);
    }
}
