//! Text: what a token is, how case is folded, and which strings a value holds.
//!
//! One definition for everybody who cuts or compares text, so that a scan, an index and a query can never
//! disagree:
//!
//! - A token is a run of Unicode alphanumerics (Alphabetic, Numeric), marks and `_`. A mark continues the
//!   token before it and never starts one: the variation selector in a coloured warning sign is no part of
//!   the word after it.
//! - Each Han, Hiragana or Katakana character is a token of its own, and so are the signs used only with
//!   them (the long vowel sign, iteration marks).
//! - Case-insensitive means Unicode simple case folding of each character: CaseFolding.txt, status C and S.
//!   One character folds to one character, so folded texts have as many characters as the texts.
//!
//! Unicode: alphanumerics and lower case come from the standard library; the tables in this file are of
//! Unicode 16 and are checked in the tests against the `regex` crate.

mod find;
mod pattern;
mod template;

pub(crate) use pattern::Quoted;
pub use pattern::{REGEX_DEPTH_MAX, REGEX_SIZE_MAX, TextTest};
pub use template::{TEMPLATE_READ_MAX, template};

use crate::value::Value;

/// Simple case folding of one character. Two characters are equal without regard to case exactly when they
/// fold to the same one. (For Cherokee that is the lower-case letter; Unicode prefers the capital.)
///
/// ```
/// use logq_engine::text::fold;
/// assert_eq!(fold('K'), fold('\u{212A}')); // KELVIN SIGN
/// assert_eq!(fold('\u{3a3}'), fold('\u{3c2}')); // both lower-case sigmas are one letter
/// ```
#[inline]
pub fn fold(c: char) -> char {
    if c.is_ascii() { c.to_ascii_lowercase() } else { fold_wide(c) }
}

/// [`fold`] of a character that is not ASCII.
fn fold_wide(c: char) -> char {
    // Han, Hangul and what lies about them have no case, and are most of the text that is not ASCII.
    if ('\u{2e80}'..'\u{a640}').contains(&c) || ('\u{ac00}'..'\u{fb00}').contains(&c) {
        return c;
    }
    match c {
        // Lower-case letters (and one mark) that CaseFolding.txt folds to another lower-case letter.
        '\u{b5}' => '\u{3bc}',
        '\u{17f}' => 's',
        '\u{345}' | '\u{1fbe}' => '\u{3b9}',
        '\u{3c2}' => '\u{3c3}',
        '\u{3d0}' => '\u{3b2}',
        '\u{3d1}' => '\u{3b8}',
        '\u{3d5}' => '\u{3c6}',
        '\u{3d6}' => '\u{3c0}',
        '\u{3f0}' => '\u{3ba}',
        '\u{3f1}' => '\u{3c1}',
        '\u{3f5}' => '\u{3b5}',
        '\u{1c80}' => '\u{432}',
        '\u{1c81}' => '\u{434}',
        '\u{1c82}' => '\u{43e}',
        '\u{1c83}' => '\u{441}',
        '\u{1c84}' | '\u{1c85}' => '\u{442}',
        '\u{1c86}' => '\u{44a}',
        '\u{1c87}' => '\u{463}',
        '\u{1c88}' => '\u{a64b}',
        '\u{1e9b}' => '\u{1e61}',
        '\u{1fd3}' => '\u{390}',
        '\u{1fe3}' => '\u{3b0}',
        '\u{fb05}' => '\u{fb06}',
        _ => {
            // The one character with a longer lower case (capital I with a dot) folds to itself.
            let mut lower = c.to_lowercase();
            match (lower.next(), lower.next()) {
                (Some(single), None) => single,
                _ => c,
            }
        }
    }
}

/// What a character is to the tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Between tokens.
    Other,
    /// Starts or continues a token.
    Word,
    /// Continues a token.
    Mark,
    /// A token of its own.
    Single,
}

#[inline]
const fn is_ascii_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[inline]
fn class(c: char) -> Class {
    match u8::try_from(c) {
        Ok(byte) if byte.is_ascii() => {
            if is_ascii_word(byte) {
                Class::Word
            } else {
                Class::Other
            }
        }
        _ => class_wide(c),
    }
}

/// [`class`] of a character that is not ASCII.
fn class_wide(c: char) -> Class {
    let code = u32::from(c);
    // Nearly all Han text lies in this one block, and most else between tokens in the first of these.
    if (0x4e00..=0x9fff).contains(&code) {
        Class::Single
    } else if (0x2010..=0x2064).contains(&code) {
        Class::Other
    } else if 0x2e80 <= code && within(&SINGLES, code) {
        Class::Single
    } else if c.is_alphanumeric() {
        Class::Word
    } else if 0x300 <= code && within(&MARKS, code) {
        Class::Mark
    } else {
        Class::Other
    }
}

/// Whether `code` lies in one of the ranges, which are sorted: first, last, first, last, ...
fn within(ranges: &[u32], code: u32) -> bool {
    // An odd number of bounds at or below `code` means that a range is open; its last code closes it late.
    let below = ranges.partition_point(|&bound| bound <= code);
    below % 2 == 1 || below.checked_sub(1).and_then(|at| ranges.get(at)) == Some(&code)
}

/// Han, Hiragana and Katakana: the scripts, and the alphanumerics and marks that are used only with them.
/// Planes 2 and 3 hold nothing but Han.
#[rustfmt::skip]
const SINGLES: [u32; 58] = [
    0x2e80, 0x2e99, 0x2e9b, 0x2ef3, 0x2f00, 0x2fd5, 0x3005, 0x3007, 0x3021, 0x302d, 0x3031, 0x3035,
    0x3038, 0x303c, 0x3041, 0x3096, 0x3099, 0x309a, 0x309d, 0x309f, 0x30a1, 0x30fa, 0x30fc, 0x30ff,
    0x3192, 0x3195, 0x31f0, 0x31ff, 0x3220, 0x3229, 0x3280, 0x3289, 0x32d0, 0x32fe, 0x3300, 0x3357,
    0x3400, 0x4dbf, 0x4e00, 0x9fff, 0xf900, 0xfa6d, 0xfa70, 0xfad9, 0xff66, 0xff9f, 0x16fe2, 0x16fe3,
    0x16ff0, 0x16ff1, 0x1aff0, 0x1b16f, 0x1d360, 0x1d371, 0x1f200, 0x1f200, 0x20000, 0x3ffff,
];

/// Marks that are not Alphabetic. A range may run over alphanumerics, which are asked for first.
#[rustfmt::skip]
const MARKS: [u32; 302] = [
    0x300, 0x362, 0x483, 0x489, 0x591, 0x5af, 0x658, 0x658, 0x6df, 0x6e0, 0x6ea, 0x6ec, 0x740, 0x74a,
    0x7eb, 0x7f3, 0x7fd, 0x7fd, 0x818, 0x82d, 0x859, 0x85b, 0x898, 0x8e1, 0x8ea, 0x954, 0x9bc, 0x9bc,
    0x9cd, 0x9cd, 0x9fe, 0x9fe, 0xa3c, 0xa3c, 0xa4d, 0xa4d, 0xabc, 0xabc, 0xacd, 0xacd, 0xafd, 0xaff,
    0xb3c, 0xb3c, 0xb4d, 0xb4d, 0xb55, 0xb55, 0xbcd, 0xbcd, 0xc3c, 0xc3c, 0xc4d, 0xc4d, 0xcbc, 0xcbc,
    0xccd, 0xccd, 0xd3b, 0xd3c, 0xd4d, 0xd4d, 0xdca, 0xdca, 0xe47, 0xe4e, 0xeba, 0xeba, 0xec8, 0xece,
    0xf18, 0xf19, 0xf35, 0xf35, 0xf37, 0xf37, 0xf39, 0xf39, 0xf3e, 0xf3f, 0xf84, 0xf84, 0xf86, 0xf87,
    0xfc6, 0xfc6, 0x1037, 0x103a, 0x135d, 0x135f, 0x1714, 0x1715, 0x1734, 0x1734, 0x17b4, 0x17d3,
    0x17dd, 0x17dd, 0x180b, 0x180d, 0x180f, 0x180f, 0x1939, 0x193b, 0x1a60, 0x1a7c, 0x1a7f, 0x1a7f,
    0x1ab0, 0x1acb, 0x1b34, 0x1b44, 0x1b6b, 0x1b73, 0x1baa, 0x1bf3, 0x1c37, 0x1c37, 0x1cd0, 0x1cd2,
    0x1cd4, 0x1cf9, 0x1dc0, 0x1dff, 0x20d0, 0x20f0, 0x2cef, 0x2cf1, 0x2d7f, 0x2d7f, 0x302a, 0x302f,
    0xa66f, 0xa672, 0xa67c, 0xa67d, 0xa6f0, 0xa6f1, 0xa806, 0xa806, 0xa82c, 0xa82c, 0xa8c4, 0xa8c4,
    0xa8e0, 0xa8f1, 0xa92b, 0xa92d, 0xa953, 0xa953, 0xa9b3, 0xa9c0, 0xaabf, 0xaac1, 0xaaf6, 0xaaf6,
    0xabec, 0xabed, 0xfe00, 0xfe0f, 0xfe20, 0xfe2f, 0x101fd, 0x101fd, 0x102e0, 0x102e0, 0x10a38,
    0x10a3a, 0x10a3f, 0x10a3f, 0x10ae5, 0x10ae6, 0x10d6a, 0x10d6d, 0x10efd, 0x10eff, 0x10f46, 0x10f50,
    0x10f82, 0x10f85, 0x11046, 0x11046, 0x11070, 0x11070, 0x1107f, 0x110ba, 0x11133, 0x11134, 0x11173,
    0x11173, 0x111c0, 0x111c0, 0x111c9, 0x111cc, 0x11235, 0x11236, 0x112e9, 0x112ea, 0x1133b, 0x1133c,
    0x1134d, 0x1134d, 0x11366, 0x1136c, 0x11370, 0x11374, 0x113ce, 0x113d2, 0x113e1, 0x113e2, 0x11442,
    0x11446, 0x1145e, 0x1145e, 0x114c2, 0x114c3, 0x115bf, 0x115c0, 0x1163f, 0x1163f, 0x116b6, 0x116b7,
    0x1172b, 0x1172b, 0x11839, 0x1183a, 0x1193d, 0x11943, 0x119e0, 0x119e0, 0x11a33, 0x11a34, 0x11a47,
    0x11a47, 0x11a98, 0x11a99, 0x11c3f, 0x11c3f, 0x11d42, 0x11d45, 0x11d97, 0x11d97, 0x11f41, 0x11f42,
    0x11f5a, 0x11f5a, 0x13440, 0x13455, 0x1612f, 0x1612f, 0x16af0, 0x16af4, 0x16b30, 0x16b36, 0x16fe4,
    0x16fe4, 0x1bc9d, 0x1bc9d, 0x1cf00, 0x1cf2d, 0x1cf30, 0x1cf46, 0x1d165, 0x1d169, 0x1d16d, 0x1d172,
    0x1d17b, 0x1d182, 0x1d185, 0x1d18b, 0x1d1aa, 0x1d1ad, 0x1d242, 0x1d244, 0x1da00, 0x1da36, 0x1da3b,
    0x1da6c, 0x1da75, 0x1da75, 0x1da84, 0x1da84, 0x1da9b, 0x1da9f, 0x1daa1, 0x1daaf, 0x1e130, 0x1e136,
    0x1e2ae, 0x1e2ae, 0x1e2ec, 0x1e2ef, 0x1e4ec, 0x1e4ef, 0x1e5ee, 0x1e5ef, 0x1e8d0, 0x1e8d6, 0x1e944,
    0x1e94a, 0xe0100, 0xe01ef,
];

/// The tokens of a text, in order, as they are spelled there.
///
/// ```
/// let tokens: Vec<_> = logq_engine::text::tokens("GET /api_v2, 3x").collect();
/// assert_eq!(tokens, ["GET", "api_v2", "3x"]);
/// ```
pub fn tokens(text: &str) -> Tokens<'_> {
    Tokens { rest: text }
}

/// The iterator of [`tokens`].
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// What follows the last token given.
    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let mut chars = self.rest.char_indices();
        let (start, single) = loop {
            let (at, c) = chars.next()?;
            match class(c) {
                Class::Word => break (at, false),
                Class::Single => break (at, true),
                Class::Mark | Class::Other => {}
            }
        };
        let end = if single {
            chars.offset()
        } else {
            chars
                .find(|&(_, c)| !matches!(class(c), Class::Word | Class::Mark))
                .map_or(self.rest.len(), |(at, _)| at)
        };
        let token = self.rest.get(start..end)?;
        self.rest = self.rest.get(end..)?;
        Some(token)
    }
}

/// Whether a token can start at byte `at`, where a character that starts one stands: that is, whether what
/// is before does not run on into it.
fn starts_token(text: &str, at: usize) -> bool {
    match at.checked_sub(1).and_then(|before| text.as_bytes().get(before)) {
        None => true,
        Some(byte) if byte.is_ascii() => !is_ascii_word(*byte),
        Some(_) => {
            let before = text.get(..at).unwrap_or_default();
            // Marks belong to what stands before them.
            !before.chars().rev().map(class).find(|&c| c != Class::Mark).is_some_and(|c| c == Class::Word)
        }
    }
}

/// Whether a token that runs up to byte `at` ends there.
fn ends_token(text: &str, at: usize) -> bool {
    match text.as_bytes().get(at) {
        None => true,
        Some(byte) if byte.is_ascii() => !is_ascii_word(*byte),
        Some(_) => {
            let next = text.get(at..).and_then(|after| after.chars().next()).map(class);
            !matches!(next, Some(Class::Word | Class::Mark))
        }
    }
}

/// Gives `visit` every string that the user put into a value: a text, bytes that are not UTF-8 (read with
/// U+FFFD in their place), the strings inside an array. Stops and says `true` at the first `true`.
pub fn strings(value: Value<'_>, visit: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::Str(text) => visit(text),
        Value::Bytes(bytes) => visit(&String::from_utf8_lossy(bytes)),
        Value::Json(text) => json_strings(text, visit),
        _ => false,
    }
}

/// Gives `visit` every string of a JSON text but the keys of objects, unescaped. Stops and says `true` at
/// the first `true`. Total: of a text that is no JSON it gives what looks like strings.
pub fn json_strings(json: &str, visit: &mut dyn FnMut(&str) -> bool) -> bool {
    let mut rest = json;
    while let Some((_, after)) = rest.split_once('"') {
        let (inside, escaped) = take_string(after);
        rest = after.get(inside.len()..).and_then(|tail| tail.strip_prefix('"')).unwrap_or_default();
        let is_key = rest.trim_start_matches([' ', '\t', '\n', '\r']).starts_with(':');
        if !is_key && (if escaped { visit(&unescape(inside)) } else { visit(inside) }) {
            return true;
        }
    }
    false
}

/// What lies before the closing quote (or the end), and whether an escape is in it.
fn take_string(text: &str) -> (&str, bool) {
    let mut escaped = false;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return (text.get(..at).unwrap_or_default(), escaped),
            b'\\' => {
                escaped = true;
                // Whatever follows, a quote above all, belongs to the escape.
                bytes.next();
            }
            _ => {}
        }
    }
    (text, escaped)
}

/// Undoes JSON's escapes. One that JSON does not know stands for itself; half a surrogate pair is U+FFFD.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let mut chars = after.chars();
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('b') => plain.push('\u{8}'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => match take_hex(chars.as_str()) {
                Some((unit, tail)) => {
                    let (c, tail) = decode_unit(unit, tail);
                    plain.push(c);
                    rest = tail;
                    continue;
                }
                None => plain.push_str("\\u"),
            },
            Some(other) => plain.push(other),
            None => plain.push('\\'),
        }
        rest = chars.as_str();
    }
    plain.push_str(rest);
    plain
}

/// The character of a UTF-16 unit, with the second half of a pair where that follows.
fn decode_unit(unit: u32, tail: &str) -> (char, &str) {
    if let Some(c) = char::from_u32(unit) {
        return (c, tail);
    }
    if (0xd800..0xdc00).contains(&unit)
        && let Some((low @ 0xdc00..0xe000, after)) = tail.strip_prefix("\\u").and_then(take_hex)
        && let Some(c) = char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
    {
        return (c, after);
    }
    (char::REPLACEMENT_CHARACTER, tail)
}

fn take_hex(text: &str) -> Option<(u32, &str)> {
    let (digits, tail) = text.split_at_checked(4)?;
    // `from_str_radix` would take a sign.
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).ok()?, tail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::Regex;
    use std::collections::{BTreeMap, BTreeSet};

    /// The characters that a class of the `regex` crate (Unicode 16) holds.
    fn members(class: &str) -> BTreeSet<char> {
        let all: String = ('\0'..=char::MAX).collect();
        let regex = Regex::new(class).unwrap();
        regex.find_iter(&all).filter_map(|found| found.as_str().chars().next()).collect()
    }

    #[test]
    fn folding_makes_equal_what_unicode_says_is_equal_and_nothing_else() {
        let unassigned = members(r"\p{Cn}");
        let cased: Vec<char> = ('\0'..=char::MAX)
            .filter(|&c| fold(c) != c || c.to_lowercase().ne([c]) || c.to_uppercase().ne([c]))
            .filter(|c| !unassigned.contains(c))
            .collect();
        let mut ours: BTreeMap<char, BTreeSet<char>> = BTreeMap::new();
        for &c in &cased {
            ours.entry(fold(c)).or_default().insert(c);
        }
        let text: String = cased.iter().collect();
        for (folded, ours) in &ours {
            let regex = Regex::new(&format!(r"(?i)\x{{{:x}}}", u32::from(*folded))).unwrap();
            let theirs: BTreeSet<char> =
                regex.find_iter(&text).filter_map(|found| found.as_str().chars().next()).collect();
            assert_eq!(ours, &theirs, "{folded:?}");
        }
        // What has no case mapping has no other case either.
        for c in members(r"[\p{Changes_When_Casefolded}\p{Changes_When_Casemapped}]") {
            assert!(cased.contains(&c), "{c:?}");
        }
    }

    #[test]
    fn folding_a_folded_character_changes_nothing() {
        for c in '\0'..=char::MAX {
            assert_eq!(fold(fold(c)), fold(c), "{c:?}");
            assert_eq!(class(fold(c)), class(c), "{c:?}");
        }
    }

    #[test]
    fn classes_are_those_of_unicode() {
        let unassigned = members(r"\p{Cn}");
        let words = members(r"[\p{Alphabetic}\p{N}_]");
        let marks = members(r"\p{M}");
        let singles = members(
            r"[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}[[\x{2e80}-\x{10ffff}]&&[\p{Alphabetic}\p{N}\p{M}]&&[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}]]]",
        );
        for c in ('\0'..=char::MAX).filter(|c| !unassigned.contains(c)) {
            let want = match c {
                _ if singles.contains(&c) => Class::Single,
                _ if words.contains(&c) => Class::Word,
                _ if marks.contains(&c) => Class::Mark,
                _ => Class::Other,
            };
            assert_eq!(class(c), want, "{c:?} {:x}", u32::from(c));
        }
    }

    #[test]
    fn tokens_are_runs_of_alphanumerics_and_single_ideographs() {
        let check = |text: &str, want: &[&str]| {
            assert_eq!(tokens(text).collect::<Vec<_>>(), want, "{text:?}");
        };
        check("", &[]);
        check(" -- ", &[]);
        check("GET /api_v2?q=3x", &["GET", "api_v2", "q", "3x"]);
        check("na\u{ef}ve cafe\u{301}s", &["na\u{ef}ve", "cafe\u{301}s"]);
        check("\u{8d85}\u{65f6} 30s", &["\u{8d85}", "\u{65f6}", "30s"]);
        check("id\u{8d85}id", &["id", "\u{8d85}", "id"]);
        // The long vowel sign is Katakana for this purpose, or it would swallow the word after it.
        check("\u{30e6}\u{30fc}id", &["\u{30e6}", "\u{30fc}", "id"]);
        check("\u{26a0}\u{fe0f}warning", &["warning"]);
        check("\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}", &["\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}"]);
    }

    fn strings_of(json: &str) -> Vec<String> {
        let mut found = Vec::new();
        assert!(!json_strings(json, &mut |text| {
            found.push(text.to_owned());
            false
        }));
        found
    }

    #[test]
    fn the_strings_of_an_array_are_found_and_keys_are_not() {
        for (json, want) in [
            (r#"["a","b c",1,null]"#, &["a", "b c"][..]),
            (r#"[{"key" : "value","k2":["x"]}]"#, &["value", "x"]),
            (r#"["say \"hi\"\n\u00e9 \ud83d\ude00 \\"]"#, &["say \"hi\"\n\u{e9} \u{1f600} \\"]),
            (r#"["\ud83d x","\u12","\q"]"#, &["\u{fffd} x", "\\u12", "q"]),
            (r#"["open"#, &["open"]),
            (r#"["open\"#, &["open\\"]),
            ("[]", &[]),
            ("", &[]),
        ] {
            assert_eq!(strings_of(json), want, "{json}");
        }
    }

    #[test]
    fn the_search_for_a_string_stops_at_the_first_yes() {
        let mut seen = 0;
        assert!(json_strings(r#"["a","b","c"]"#, &mut |text| {
            seen += 1;
            text == "b"
        }));
        assert_eq!(seen, 2);
    }

    proptest! {
        #[test]
        fn any_text_has_strings_without_a_panic(json in r#"[\[\]{}":,\\ua0-9dD \u{e9}]{0,40}"#) {
            strings_of(&json);
        }

        #[test]
        fn a_string_survives_escaping(text in any::<String>()) {
            let escaped: String = text.chars().flat_map(|c| match c {
                '"' | '\\' => vec!['\\', c],
                '\n' => vec!['\\', 'n'],
                c => vec![c],
            }).collect();
            prop_assert_eq!(strings_of(&format!("[\"{escaped}\"]")), [text]);
        }

        #[test]
        fn tokens_and_what_is_between_them_make_the_text(text in any::<String>()) {
            let mut at = 0;
            for token in tokens(&text) {
                let start = token.as_ptr().addr() - text.as_ptr().addr();
                prop_assert!(!token.is_empty() && at <= start);
                prop_assert!(text[at..start].chars().all(|c| matches!(class(c), Class::Other | Class::Mark)));
                at = start + token.len();
            }
            prop_assert!(text[at..].chars().all(|c| matches!(class(c), Class::Other | Class::Mark)));
        }
    }
}
