//! Runs of characters: how far a word and a quote go, and whether a parenthesis holds a query.

use std::borrow::Cow;

use super::is_name_start;
use crate::ast::NOUNS;

/// Whether a text in parentheses is a query and no list of values: a noun, and more behind it.
pub(super) fn starts_query(text: &str) -> bool {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let more = rest.trim_start();
    NOUNS.iter().any(|noun| word.eq_ignore_ascii_case(noun))
        && (rest.starts_with('|') || (rest.len() != more.len() && !more.is_empty()))
        && !more.starts_with([',', ')'])
}

/// How far a word that starts a term runs. A colon ends it where it separates a field from what to find in it.
pub(super) fn word_len(rest: &str) -> usize {
    let mut named = rest.chars().next().is_some_and(is_name_start);
    for (at, c) in rest.char_indices() {
        let tail = || rest.get(at + c.len_utf8()..).unwrap_or_default();
        match c {
            c if c.is_whitespace() => return at,
            '(' | ')' | ',' | '|' | '"' | '=' | '<' | '>' | '~' | '`' => return at,
            '!' if tail().starts_with(['=', '~']) => return at,
            ':' if named && 0 < at => {
                let next = tail().chars().next();
                let separates =
                    next.is_some_and(|n| !n.is_whitespace() && !matches!(n, ')' | ',' | '|' | ':'));
                if separates && !tail().starts_with("//") {
                    return at;
                }
                named = false;
            }
            c => named &= c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '@' | '$'),
        }
    }
    rest.len()
}

/// Where the double quote that closes this text is.
pub(super) fn closing_quote(body: &str) -> Option<usize> {
    let bytes = body.as_bytes();
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' if matches!(bytes.get(at + 1), Some(b'"' | b'\\')) => at += 2,
            _ => at += 1,
        }
    }
}

/// A backslash escapes only `"` and `\`; before any other character it is itself.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&next @ ('"' | '\\'))) => {
                text.push(next);
                chars.next();
            }
            _ => text.push(c),
        }
    }
    Cow::Owned(text)
}
