//! Lines of text to events: the message is the line, unchanged but for its end; time and level are found
//! in it where they are recognised.
//!
//! What is found is a pure function of the line (and of the options), so that it does not matter where a
//! chunk starts. Only the time of a line without one depends on the lines before it: it takes theirs.

use logq_engine::{Event, Level, Value};

use crate::fields::{Rules, TIME_GUESSED};
use crate::stamp::{self, Cursor};
use crate::time::Clock;

/// A stamp starts within this many bytes of the line: a date far inside is what the line talks about.
const STAMP_WITHIN: usize = 128;
/// A level stands within this many bytes after the stamp.
const LEVEL_WITHIN: usize = 128;

/// Where a stamp lies in its line, and what it says.
struct Found {
    time: i64,
    start: usize,
    end: usize,
    level: Option<Level>,
}

/// Reads one line into an empty event. `before` is the time of the lines before it.
pub(crate) fn parse(rules: &Rules, line: &[u8], before: &mut Option<i64>, event: &mut Event) {
    let found = find(&rules.clock, line);
    let level = match &found {
        Some(Found { level: Some(level), .. }) => Some(*level),
        Some(found) => level_after(line, found.end).or_else(|| level_before(line, found.start)),
        None => level_after(line, 0),
    };
    match found {
        Some(found) => {
            event.set_time(Value::Time(found.time));
            *before = Some(found.time);
        }
        None => {
            event.set_time(Value::Time(before.unwrap_or(rules.arrival)));
            event.flag(TIME_GUESSED);
        }
    }
    if let Some(level) = level {
        event.set("level", Value::Level(level));
    }
    rules.fill_line(event, Value::from(line));
}

/// The time of the last line of `lines` that has one.
pub(crate) fn last_time(clock: &Clock, lines: &[u8]) -> Option<i64> {
    let mut rest = lines;
    while !rest.is_empty() {
        let body = rest.strip_suffix(b"\n").unwrap_or(rest);
        let start = memchr::memrchr(b'\n', body).map_or(0, |at| at + 1);
        if let Some(found) = find(clock, body.get(start..).unwrap_or_default()) {
            return Some(found.time);
        }
        rest = rest.get(..start).unwrap_or_default();
    }
    None
}

/// The first stamp that starts where a word starts.
fn find(clock: &Clock, line: &[u8]) -> Option<Found> {
    if let Some(found) = find_at_start(clock, line) {
        return Some(found);
    }
    let mut before = b' ';
    for (start, &byte) in line.iter().enumerate().take(STAMP_WITHIN) {
        let starts =
            matches!(before, b' ' | b'\t' | b'[' | b'(' | b'<' | b'"' | b'\'' | b'=' | b'|' | b',' | b':');
        before = byte;
        if !starts {
            continue;
        }
        let mut cursor = Cursor::new(line, start);
        let stamp = if byte.is_ascii_digit() {
            match line.get(start + 2) {
                Some(b'/') => stamp::web(&mut cursor).or_else(|| {
                    cursor = Cursor::new(line, start);
                    stamp::short(&mut cursor)
                }),
                _ => stamp::iso(&mut cursor, false),
            }
        } else if byte.is_ascii_uppercase() {
            stamp::syslog(&mut cursor).or_else(|| {
                cursor = Cursor::new(line, start);
                stamp::weekday(&mut cursor)
            })
        } else {
            continue;
        };
        if let Some(time) = stamp.and_then(|stamp| clock.resolve(&stamp)) {
            return Some(Found { time, start, end: cursor.at(), level: None });
        }
    }
    None
}

/// Stamps that are one only at the start of a line: bare digits mean something else elsewhere.
fn find_at_start(clock: &Clock, line: &[u8]) -> Option<Found> {
    let mut cursor = Cursor::new(line, 0);
    let first = *line.first()?;
    if let Some((letter, stamp)) = stamp::letter(&mut cursor) {
        let level = match letter {
            b'I' => Level::Info,
            b'W' => Level::Warn,
            b'E' => Level::Error,
            _ => Level::Fatal,
        };
        return Some(Found { time: clock.resolve(&stamp)?, start: 0, end: cursor.at(), level: Some(level) });
    }
    if first.is_ascii_digit() {
        cursor = Cursor::new(line, 0);
        if let Some(time) = stamp::epoch(&mut cursor) {
            return Some(Found { time, start: 0, end: cursor.at(), level: None });
        }
        cursor = Cursor::new(line, 0);
        let time = stamp::short(&mut cursor).and_then(|stamp| clock.resolve(&stamp))?;
        return Some(Found { time, start: 0, end: cursor.at(), level: None });
    }
    // A label, seconds since 1970 and the date again: the seconds are the time in UTC, where the date
    // and clock that follow are local.
    let second = memchr::memchr(b' ', line.get(..STAMP_WITHIN.min(line.len()))?)? + 1;
    cursor = Cursor::new(line, second);
    let time = stamp::epoch(&mut cursor)?;
    let end = cursor.at();
    cursor = Cursor::new(line, end + 1);
    stamp::dotted_date(&mut cursor)?;
    Some(Found { time, start: 0, end, level: None })
}

/// A level before the stamp counts only where nothing but it can be meant: in capitals.
fn level_before(line: &[u8], end: usize) -> Option<Level> {
    levels(line.get(..end)?, 0, false)
}

fn level_after(line: &[u8], start: usize) -> Option<Level> {
    let end = line.len().min(start + LEVEL_WITHIN);
    // The word at the end may be cut; one byte more shows where it ends.
    levels(line.get(..end)?, start, true)
}

/// The first word that is a level: in capitals anywhere, in any case as the first word, in brackets or
/// after `level=`.
fn levels(line: &[u8], start: usize, first_counts: bool) -> Option<Level> {
    let mut at = start;
    let mut first = first_counts;
    while let Some(&byte) = line.get(at) {
        if !byte.is_ascii_alphabetic() {
            // Digits and underscores are part of a word: what follows them is no level.
            let glued = byte.is_ascii_digit() || byte == b'_';
            at += 1;
            if glued {
                first = false;
                at += line.get(at..)?.iter().take_while(|byte| is_word(**byte)).count();
            }
            continue;
        }
        let len = line.get(at..)?.iter().take_while(|byte| is_word(**byte)).count();
        let word = line.get(at..at + len)?;
        let before = at.checked_sub(1).and_then(|at| line.get(at)).copied().unwrap_or(b' ');
        let after = line.get(at + len).copied().unwrap_or(b' ');
        if let Some(level) = level_word(word)
            && counts(line, at, before, after, first, word)
        {
            return Some(level);
        }
        first = false;
        at += len;
    }
    None
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn counts(line: &[u8], at: usize, before: u8, after: u8, first: bool, word: &[u8]) -> bool {
    let ends =
        matches!(after, b' ' | b'\t' | b']' | b')' | b'>' | b':' | b'|' | b',' | b';' | b'"' | b'\'' | b'-');
    if !ends {
        return false;
    }
    if matches!((before, after), (b'[', b']') | (b'<', b'>') | (b':', b']')) {
        return true;
    }
    if before == b'=' {
        let key = line.get(..at - 1).unwrap_or_default();
        return [b"level".as_slice(), b"lvl", b"severity"].iter().any(|name| key.ends_with(name));
    }
    let starts = matches!(before, b' ' | b'\t' | b'[' | b'(' | b'<' | b':' | b'|' | b'"' | b'\'' | b',')
        || (before == b'.' && after == b':');
    starts && (first || word.iter().all(u8::is_ascii_uppercase))
}

/// Words that mean a level in a log line. Fewer than [`Level::parse`] takes: `note` or `success` at the start
/// of a line is mostly prose.
fn level_word(word: &[u8]) -> Option<Level> {
    if !(3..=9).contains(&word.len()) {
        return None;
    }
    let mut lower = [0; 9];
    let lower = lower.get_mut(..word.len())?;
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"trace" => Level::Trace,
        b"debug" => Level::Debug,
        b"info" | b"notice" => Level::Info,
        b"warn" | b"warning" => Level::Warn,
        b"error" | b"err" | b"severe" => Level::Error,
        b"fatal" | b"critical" | b"crit" | b"alert" | b"emerg" | b"emergency" | b"panic" => Level::Fatal,
        _ => return None,
    })
}
