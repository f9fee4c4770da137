//! Values: what a field of an event may hold, as given and as read back.
//!
//! A value comes back as it went in: a string keeps its bytes and a number its literal. Only time,
//! durations, money and levels are normalised, into integers of one unit.

use crate::level::Level;

/// One field's value, borrowed from whoever owns the bytes. A missing field is `None` of
/// `Option<Value>`; [`Value::Null`] is a null that somebody wrote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// An explicit null. Kept and shown; in a query it counts as missing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number whose literal is the canonical decimal (`7`, `-3`; not `007`, `7.0`, `-0`).
    Int(i64),
    /// A number given as `f64` through the API; its literal is the shortest that reads back the same.
    Float(f64),
    /// Any other number literal, exactly as it was written: `1.0`, `-0`, `1e5`, beyond `i64`.
    Number(&'a str),
    /// Text.
    Str(&'a str),
    /// Bytes that were given as text but are not UTF-8.
    Bytes(&'a [u8]),
    /// An array, or an empty object, as the JSON text that was given.
    Json(&'a str),
    /// A point in time: nanoseconds since 1970-01-01T00:00:00Z, the years 1677 to 2262.
    Time(i64),
    /// A length of time in nanoseconds.
    Duration(i64),
    /// Money in billionths of a US dollar.
    Cost(i64),
    /// A log level with a rank.
    Level(Level),
}

/// Reads a decimal literal (`12`, `-0.5`, `1.5e3`) times `10^scale` as an integer, rounded half to even.
/// `None` when it is no decimal or does not fit. Exact: it never passes through `f64`.
///
/// ```
/// assert_eq!(logq_engine::value::scaled("0.0025", 9), Some(2_500_000));
/// assert_eq!(logq_engine::value::scaled("1e3", 0), Some(1000));
/// assert_eq!(logq_engine::value::scaled("x", 0), None);
/// ```
pub fn scaled(literal: &str, scale: i32) -> Option<i64> {
    let (negative, rest) = match literal.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, literal.strip_prefix('+').unwrap_or(literal)),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (rest.get(..at)?, rest.get(at + 1..)?.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // Digits after this many places right of the point are rounded away.
    let places = exponent.checked_add(scale)?;
    let kept = i64::from(places) + i64::try_from(whole.len()).ok()?;
    let mut value: i128 = 0;
    let mut rounding = Rounding::default();
    let mut position: i64 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = digit - b'0';
        if position < kept {
            value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
            if i128::from(i64::MAX) * 10 < value {
                return None;
            }
        } else {
            rounding.push(position == kept, digit);
        }
        position += 1;
    }
    while position < kept && value != 0 {
        value = value.checked_mul(10)?;
        position += 1;
    }
    if rounding.up(value % 2 != 0) {
        value += 1;
    }
    i64::try_from(if negative { -value } else { value }).ok()
}

/// What the digits that do not fit say about the last digit that does.
#[derive(Default)]
struct Rounding {
    first: u8,
    rest: bool,
}

impl Rounding {
    fn push(&mut self, first: bool, digit: u8) {
        if first {
            self.first = digit;
        } else {
            self.rest |= digit != 0;
        }
    }

    fn up(&self, odd: bool) -> bool {
        5 < self.first || (self.first == 5 && (self.rest || odd))
    }
}

/// Whether `literal` is the canonical decimal of an `i64`, and which.
pub fn canonical_int(literal: &str) -> Option<i64> {
    let digits = literal.strip_prefix('-').unwrap_or(literal).as_bytes();
    let canonical = match digits {
        [b'0'] => digits.len() == literal.len(),
        [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if canonical { literal.parse().ok() } else { None }
}

/// Reads a duration such as `1.5s`, `250ms`, `2d12h`, `90m` as nanoseconds. Units: `ns us ms s m h d w`.
pub fn duration_ns(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(unit_at);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let unit_ns: i64 = match unit {
            "ns" => 1,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            "w" => 604_800_000_000_000,
            _ => return None,
        };
        // Nanoseconds of nanoseconds: nine digits of fraction are exact for every unit.
        let billionths = i128::from(scaled(number, 9)?);
        let part = billionths * i128::from(unit_ns) / 1_000_000_000;
        total = total.checked_add(i64::try_from(part).ok()?)?;
        rest = next;
    }
    Some(if negative { -total } else { total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_scales_exactly_and_rounds_half_to_even() {
        for (text, scale, want) in [
            ("0", 9, Some(0)),
            ("1", 9, Some(1_000_000_000)),
            ("-1.5", 0, Some(-2)),
            ("0.5", 0, Some(0)),
            ("2.5", 0, Some(2)),
            ("2.5000001", 0, Some(3)),
            ("1e-9", 9, Some(1)),
            ("0.1e1", 1, Some(10)),
            ("9223372036854775807", 0, Some(i64::MAX)),
            ("9223372036854775808", 0, None),
            ("1e400", 0, None),
            ("0e400", 0, Some(0)),
            ("1e-400", 9, Some(0)),
            ("", 0, None),
            (".", 0, None),
            ("1.2.3", 0, None),
            ("1e", 0, None),
        ] {
            assert_eq!(scaled(text, scale), want, "{text} * 10^{scale}");
        }
    }

    #[test]
    fn only_the_canonical_literal_is_an_integer() {
        for (text, want) in [
            ("0", Some(0)),
            ("-0", None),
            ("007", None),
            ("7.0", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("+1", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(canonical_int(text), want, "{text}");
        }
    }

    #[test]
    fn durations_read_in_every_unit() {
        for (text, want) in [
            ("1.5s", Some(1_500_000_000)),
            ("250ms", Some(250_000_000)),
            ("2d12h", Some(216_000_000_000_000)),
            ("90m", Some(5_400_000_000_000)),
            ("5", None),
            ("s", None),
            ("1x", None),
            ("", None),
            ("99999999999999d", None),
        ] {
            assert_eq!(duration_ns(text), want, "{text}");
        }
    }
}
