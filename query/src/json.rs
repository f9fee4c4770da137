//! JSON: the one way in which values are written, for `-o json`, `jsonl` and everything that exports.
//!
//! Number literals of events are kept; computed numbers are canonical: an integer where the number is whole, else the
//! shortest decimal that reads back the same. Times are RFC 3339 in UTC with the fewest of 0, 3, 6 or 9 digits
//! of fraction that are exact, durations numbers of milliseconds, money numbers of US dollars, bytes that are
//! not UTF-8 `{"$bytes":"..."}` in base64. What is missing is null.

mod read;

pub(crate) use read::{elements, members};

use logq_engine::Value;
use logq_engine::compare::{Number, to_text};

use crate::datum::Datum;

/// Appends a value.
///
/// ```
/// use logq_query::{Datum, json};
/// let mut out = String::new();
/// json::write(&mut out, &Datum::Duration(1_500_000));
/// assert_eq!(out, "1.5");
/// ```
pub fn write(out: &mut String, datum: &Datum) {
    match datum {
        Datum::Missing | Datum::Null => out.push_str("null"),
        Datum::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Datum::Int(value) => out.push_str(&value.to_string()),
        Datum::Float(value) | Datum::Millis(value) | Datum::Dollars(value) => {
            out.push_str(&float_text(*value));
        }
        Datum::Number(literal) => write_literal(out, literal),
        Datum::Str(text) => string(out, text),
        Datum::Bytes(bytes) => {
            out.push_str("{\"$bytes\":\"");
            base64(out, bytes);
            out.push_str("\"}");
        }
        Datum::Json(text) if is_json(text) => out.push_str(text),
        Datum::Json(text) => string(out, text),
        Datum::Time(ns) => {
            out.push('"');
            out.push_str(&time_text(*ns));
            out.push('"');
        }
        Datum::Duration(ns) => out.push_str(&scaled_text(i128::from(*ns), 6)),
        Datum::Cost(nano) => out.push_str(&scaled_text(i128::from(*nano), 9)),
        Datum::Level(level) => {
            out.push('"');
            out.push_str(level.as_str());
            out.push('"');
        }
    }
}

/// Appends an object of these members.
pub fn object<'d>(out: &mut String, members: impl IntoIterator<Item = (&'d str, &'d Datum)>) {
    out.push('{');
    for (at, (name, datum)) in members.into_iter().enumerate() {
        if at != 0 {
            out.push(',');
        }
        string(out, name);
        out.push(':');
        write(out, datum);
    }
    out.push('}');
}

/// Appends a string with quotes and escapes.
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || matches!(b, b'"' | b'\\' | 0x7f)) {
        let (plain, odd) = rest.split_at(at);
        out.push_str(plain);
        let byte = odd.as_bytes().first().copied().unwrap_or_default();
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => out.push_str(&format!("\\u{other:04x}")),
        }
        rest = odd.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
    out.push('"');
}

/// A time as RFC 3339 in UTC.
pub fn time_text(ns: i64) -> String {
    to_text(Value::Time(ns)).into_owned()
}

/// A computed number. What is no number (NaN, infinities) is null, as JSON has no word for it.
pub fn float_text(value: f64) -> String {
    if !value.is_finite() {
        return "null".to_owned();
    }
    Number::from_f64(value).map_or_else(|| "null".to_owned(), |number| number.to_string())
}

/// An integer divided by a power of ten, exactly, without trailing zeros.
pub fn scaled_text(value: i128, places: usize) -> String {
    let digits = value.unsigned_abs().to_string();
    let sign = if value < 0 { "-" } else { "" };
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

/// A literal that JSON has is kept; another one that is a number (`.5`, `+1`, `007`) is written as JSON writes it.
fn write_literal(out: &mut String, literal: &str) {
    if is_number(literal) {
        return out.push_str(literal);
    }
    match Number::parse(literal) {
        Some(number) => out.push_str(&number.to_string()),
        None => string(out, literal),
    }
}

/// Whether JSON reads `text` as a number.
fn is_number(text: &str) -> bool {
    take_number(text.as_bytes()) == Some(text.len())
}

/// How long the JSON number at the start is.
fn take_number(bytes: &[u8]) -> Option<usize> {
    let digits =
        |from: usize| bytes.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (1 < whole && bytes.get(at) == Some(&b'0')) {
        return None;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        at += if fraction == 0 { return None } else { fraction + 1 };
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        at += if exponent == 0 { return None } else { 1 + sign + exponent };
    }
    Some(at)
}

/// Whether `text` is one JSON value: what was given as JSON is checked before it stands inside an answer. Walks, so
/// that no nesting is too deep.
fn is_json(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut open: Vec<u8> = Vec::new();
    let mut at = 0;
    // What may come: a value, or what follows one.
    let mut value = true;
    let mut just_opened = false;
    loop {
        while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            at += 1;
        }
        let Some(&byte) = bytes.get(at) else { return !value && open.is_empty() };
        match byte {
            b'[' | b'{' if value => {
                open.push(byte);
                at += 1;
                just_opened = true;
                if byte == b'{' {
                    match member(bytes, at) {
                        Some(next) => (at, just_opened) = (next, false),
                        None => value = false,
                    }
                }
                continue;
            }
            b']' | b'}' if (!value || (just_opened && byte == b']')) => {
                if open.pop() != Some(if byte == b']' { b'[' } else { b'{' }) {
                    return false;
                }
                at += 1;
                value = false;
            }
            b',' if !value && !just_opened => {
                at += 1;
                value = true;
                match open.last() {
                    Some(b'{') => match member(bytes, at) {
                        Some(next) => at = next,
                        None => return false,
                    },
                    Some(_) => {}
                    None => return false,
                }
            }
            _ if value => match scalar(bytes, at) {
                Some(next) => (at, value) = (next, false),
                None => return false,
            },
            _ => return false,
        }
        just_opened = false;
    }
}

/// Past `"name":`.
fn member(bytes: &[u8], from: usize) -> Option<usize> {
    let skip = |mut at: usize| {
        while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            at += 1;
        }
        at
    };
    let at = skip(from);
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let at = skip(scalar(bytes, at)?);
    (bytes.get(at) == Some(&b':')).then_some(at + 1)
}

/// Past a string, number or word.
fn scalar(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    for word in ["null", "true", "false"] {
        if rest.starts_with(word.as_bytes()) {
            return Some(from + word.len());
        }
    }
    if rest.first() != Some(&b'"') {
        return take_number(rest).map(|len| from + len);
    }
    let mut at = 1;
    loop {
        match rest.get(at)? {
            b'"' => return Some(from + at + 1),
            b'\\' => match rest.get(at + 1)? {
                b'u' if rest.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                _ => return None,
            },
            0..0x20 => return None,
            _ => at += 1,
        }
    }
}

fn base64(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS.get((bits >> (18 - 6 * place)) as usize & 63).copied().unwrap_or(b'=');
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(datum: &Datum) -> String {
        let mut out = String::new();
        write(&mut out, datum);
        out
    }

    #[test]
    fn every_kind_of_value_has_one_spelling() {
        for (datum, want) in [
            (Datum::Missing, "null"),
            (Datum::Int(-7), "-7"),
            (Datum::Float(150.0), "150"),
            (Datum::Float(0.1), "0.1"),
            (Datum::Float(f64::NAN), "null"),
            (Datum::Number("1.0".into()), "1.0"),
            (Datum::Number("-0".into()), "-0"),
            (Datum::Number("007".into()), "7"),
            (Datum::Number(".5".into()), "0.5"),
            (Datum::Duration(1_500_000_000), "1500"),
            (Datum::Duration(-1), "-0.000001"),
            (Datum::Cost(20_000_000), "0.02"),
            (Datum::Time(0), "\"1970-01-01T00:00:00Z\""),
            (Datum::Time(1_500_000), "\"1970-01-01T00:00:00.001500Z\""),
            (Datum::Str("a\"\\\n\u{1}\u{e9}".into()), "\"a\\\"\\\\\\n\\u0001\u{e9}\""),
            (Datum::Bytes(Box::new([0xff, 0xfe])), "{\"$bytes\":\"//4=\"}"),
            (Datum::Bytes(Box::new([1, 2, 3])), "{\"$bytes\":\"AQID\"}"),
            (Datum::Json("[1,{\"a\":[]}]".into()), "[1,{\"a\":[]}]"),
            (Datum::Json("[1,".into()), "\"[1,\""),
        ] {
            assert_eq!(text(&datum), want, "{datum:?}");
        }
    }

    #[test]
    fn only_whole_json_passes_as_json() {
        for good in
            ["[]", "{}", " [ 1 , 2 ] ", "{\"a\":{\"b\":[null,true]}}", "\"x\\u00e9\"", "1e5", "[[],{}]"]
        {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "[",
            "]",
            "[1,]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "[1 2]",
            "{a:1}",
            "\"x",
            "01",
            "[}",
            "1,2",
            "nul",
            "{\"a\":1,}",
            "[,1]",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
        assert!(is_json(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))));
    }
}
