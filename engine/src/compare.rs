//! Comparison of values: numbers exactly, a total order for sorting, and keys for grouping.
//!
//! Every number is a decimal and is compared as one, digit by digit where it must be, never through `f64`:
//! an `i64`, a literal of any length and exponent, a duration (its milliseconds), money (its US dollars), and
//! an `f64`, which stands for the shortest literal that reads back as it ([`Value::Float`]). So 0.1 given as
//! `f64` equals 0.1 given as text, and equality is transitive.
//!
//! Three relations, from lax to strict:
//!
//! - [`compare`] answers a query. It is partial: of two values that have no common type it says nothing.
//! - [`total_order`] sorts. Missing values and nulls are equal to each other and greater than all others.
//! - [`put_key`] groups: two values have the same key exactly when `total_order` says that they are equal.

mod number;

pub use number::Number;

use crate::format::varint;
use crate::level::Level;
use crate::value::{self, Value};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write as _;

/// How two values compare in a query. `None` when one is a null or they have no type in common.
///
/// Numbers (durations and money are numbers: milliseconds and US dollars), times, levels by rank, booleans,
/// and texts by their bytes; an array is the text that was given. A text compares with a number as the number
/// that it is as a whole (with a duration also as `1.5s`), with a level as one of its spellings, with a
/// boolean as `true` or `false`.
pub fn compare(a: Value<'_>, b: Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b))
        | (Value::Time(a), Value::Time(b))
        | (Value::Duration(a), Value::Duration(b))
        | (Value::Cost(a), Value::Cost(b)) => Some(a.cmp(&b)),
        (Value::Level(a), Value::Level(b)) => Some(a.cmp(&b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(&b)),
        _ => match (Number::of(a), Number::of(b)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => match (plain_text(a), plain_text(b)) {
                (Some(a), Some(b)) => Some(a.cmp(&b)),
                (Some(text), None) => Some(compare_to_text(b, &text)?.reverse()),
                (None, Some(text)) => compare_to_text(a, &text),
                (None, None) => None,
            },
        },
    }
}

fn compare_to_text(value: Value<'_>, text: &str) -> Option<Ordering> {
    match value {
        Value::Level(level) => Some(level.cmp(&Level::parse(text)?)),
        Value::Bool(value) => Some(value.cmp(&text.parse().ok()?)),
        _ => {
            let number = Number::of(value)?;
            let other = Number::parse(text).or_else(|| match value {
                Value::Duration(_) => Number::of(Value::Duration(value::duration_ns(text)?)),
                _ => None,
            });
            Some(number.cmp(&other?))
        }
    }
}

/// The text of a value that is one: text, bytes (U+FFFD for what is not UTF-8), an array as it was given.
fn plain_text(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Str(text) | Value::Json(text) => Some(Cow::Borrowed(text)),
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes)),
        _ => None,
    }
}

/// Any value as text: a literal as it was given, a computed number canonically, a duration as its
/// milliseconds, money as its US dollars, a time as RFC 3339 in UTC.
pub fn to_text(value: Value<'_>) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed("null"),
        Value::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
        Value::Number(text) | Value::Str(text) | Value::Json(text) => Cow::Borrowed(text),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes),
        Value::Level(level) => Cow::Borrowed(level.as_str()),
        Value::Time(ns) => Cow::Owned(time_text(ns)),
        Value::Int(_) | Value::Float(_) | Value::Duration(_) | Value::Cost(_) => {
            Number::of(value).map_or(Cow::Borrowed("NaN"), |number| Cow::Owned(number.to_string()))
        }
    }
}

/// RFC 3339 in UTC with the fewest of 0, 3, 6 or 9 digits of fraction that are exact.
fn time_text(ns: i64) -> String {
    let (seconds, nanos) = (ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, so that the leap day is the last of its year; then eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    let year = year + era * 400;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    // Writing into a String cannot fail.
    let _fits = match (nanos, nanos % 1_000_000, nanos % 1_000) {
        (0, ..) => Ok(()),
        (_, 0, _) => write!(text, ".{:03}", nanos / 1_000_000),
        (_, _, 0) => write!(text, ".{:06}", nanos / 1_000),
        _ => write!(text, ".{nanos:09}"),
    };
    text.push('Z');
    text
}

/// The order of sorting: booleans, numbers by value, times, levels by rank, texts by their bytes, and last
/// the missing values and nulls, which are equal. Numbers of equal value are equal unless their units differ
/// (then: plain, duration, money); a NaN is the greatest number. An array follows the same text.
pub fn total_order(a: Option<Value<'_>>, b: Option<Value<'_>>) -> Ordering {
    let (Some(a), Some(b)) = (a, b) else { return class(a).cmp(&class(b)) };
    class(Some(a)).cmp(&class(Some(b))).then_with(|| {
        let by_value = match (Number::of(a), Number::of(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            (None, Some(_)) if class(Some(a)) == Class::Number => Ordering::Greater,
            (Some(_), None) if class(Some(b)) == Class::Number => Ordering::Less,
            _ if class(Some(a)) == Class::Text => to_text(a).cmp(&to_text(b)),
            _ => compare(a, b).unwrap_or(Ordering::Equal),
        };
        by_value.then_with(|| kind(a).cmp(&kind(b)))
    })
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Bool,
    Number,
    Time,
    Level,
    Text,
    Missing,
}

fn class(value: Option<Value<'_>>) -> Class {
    match value {
        None | Some(Value::Null) => Class::Missing,
        Some(Value::Bool(_)) => Class::Bool,
        Some(Value::Int(_) | Value::Float(_) | Value::Duration(_) | Value::Cost(_)) => Class::Number,
        // A literal that is no number, which only the API can make, is text.
        Some(Value::Number(text)) => {
            if Number::parse(text).is_some() {
                Class::Number
            } else {
                Class::Text
            }
        }
        Some(Value::Time(_)) => Class::Time,
        Some(Value::Level(_)) => Class::Level,
        Some(Value::Str(_) | Value::Bytes(_) | Value::Json(_)) => Class::Text,
    }
}

/// Tells apart what is equal but is not the same group.
fn kind(value: Value<'_>) -> u8 {
    match value {
        Value::Duration(_) | Value::Json(_) => 1,
        Value::Cost(_) => 2,
        Value::Number(text) if Number::parse(text).is_none() => 2,
        _ => 0,
    }
}

const KEY_MISSING: u8 = 0;
const KEY_FALSE: u8 = 1;
const KEY_TRUE: u8 = 2;
const KEY_INT: u8 = 3;
const KEY_NUMBER: u8 = 4;
const KEY_FLOAT: u8 = 5;
const KEY_TIME: u8 = 6;
const KEY_DURATION: u8 = 7;
const KEY_COST: u8 = 8;
const KEY_LEVEL: u8 = 9;
const KEY_STR: u8 = 10;
const KEY_JSON: u8 = 11;

/// Appends the key of a value's group: bytes that are equal exactly when [`total_order`] calls the values
/// equal. Keys say where they end, so the keys of several fields can stand one after the other.
///
/// ```
/// use logq_engine::{Value, compare::{put_key, take_key}};
/// let key = |value| { let mut key = Vec::new(); put_key(&mut key, value); key };
/// assert_eq!(key(Some(Value::Number("1.0"))), key(Some(Value::Int(1))));
/// assert_ne!(key(Some(Value::Str("1"))), key(Some(Value::Int(1))));
/// assert_eq!(take_key(&mut key(Some(Value::Number("10e-1"))).as_slice()), Some(Some(Value::Int(1))));
/// ```
pub fn put_key(key: &mut Vec<u8>, value: Option<Value<'_>>) {
    match value {
        None | Some(Value::Null) => key.push(KEY_MISSING),
        Some(Value::Bool(value)) => key.push(if value { KEY_TRUE } else { KEY_FALSE }),
        Some(Value::Int(int)) => put_signed(key, KEY_INT, int),
        Some(Value::Time(ns)) => put_signed(key, KEY_TIME, ns),
        Some(Value::Duration(ns)) => put_signed(key, KEY_DURATION, ns),
        Some(Value::Cost(nano)) => put_signed(key, KEY_COST, nano),
        Some(Value::Level(level)) => key.extend_from_slice(&[KEY_LEVEL, level as u8]),
        Some(Value::Str(text)) => put_text(key, KEY_STR, text),
        Some(Value::Bytes(bytes)) => put_text(key, KEY_STR, &String::from_utf8_lossy(bytes)),
        Some(Value::Json(text)) => put_text(key, KEY_JSON, text),
        Some(value @ (Value::Float(_) | Value::Number(_))) => put_number(key, value),
    }
}

fn put_number(key: &mut Vec<u8>, value: Value<'_>) {
    let Some(number) = Number::of(value) else {
        return match value {
            Value::Number(text) => put_text(key, KEY_NUMBER, text),
            _ => put_float(key, f64::NAN),
        };
    };
    match number.infinite() {
        Some(true) => return put_float(key, f64::NEG_INFINITY),
        Some(false) => return put_float(key, f64::INFINITY),
        None => {}
    }
    let text = number.to_string();
    match value::canonical_int(&text) {
        Some(int) => put_signed(key, KEY_INT, int),
        None => put_text(key, KEY_NUMBER, &text),
    }
}

fn put_signed(key: &mut Vec<u8>, tag: u8, value: i64) {
    key.push(tag);
    varint::put_signed(key, value);
}

fn put_text(key: &mut Vec<u8>, tag: u8, text: &str) {
    key.push(tag);
    varint::put(key, text.len() as u64);
    key.extend_from_slice(text.as_bytes());
}

fn put_float(key: &mut Vec<u8>, float: f64) {
    key.push(KEY_FLOAT);
    key.extend_from_slice(&float.to_bits().to_le_bytes());
}

/// Takes a key off the front and gives the value to show for the group: numbers are canonical (see
/// [`Number`]), of bytes there is the text, and the inner `None` is the group of what is missing. The outer
/// `None` is the end, or bytes that are no key.
pub fn take_key<'a>(key: &mut &'a [u8]) -> Option<Option<Value<'a>>> {
    let (&tag, rest) = key.split_first()?;
    *key = rest;
    let value = match tag {
        KEY_MISSING => return Some(None),
        KEY_FALSE => Value::Bool(false),
        KEY_TRUE => Value::Bool(true),
        KEY_INT => Value::Int(varint::take_signed(key)?),
        KEY_TIME => Value::Time(varint::take_signed(key)?),
        KEY_DURATION => Value::Duration(varint::take_signed(key)?),
        KEY_COST => Value::Cost(varint::take_signed(key)?),
        KEY_LEVEL => Value::Level(Level::from_rank(*varint::take_bytes(key, 1)?.first()?)?),
        KEY_FLOAT => {
            let bits = varint::take_bytes(key, 8)?.first_chunk::<8>()?;
            Value::Float(f64::from_bits(u64::from_le_bytes(*bits)))
        }
        KEY_NUMBER | KEY_STR | KEY_JSON => {
            let len = varint::take(key)?;
            let text = std::str::from_utf8(varint::take_bytes(key, len)?).ok()?;
            match tag {
                KEY_NUMBER => Value::Number(text),
                KEY_STR => Value::Str(text),
                _ => Value::Json(text),
            }
        }
        _ => return None,
    };
    Some(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ODD: &[Option<Value<'static>>] = &[
        None,
        Some(Value::Null),
        Some(Value::Bool(false)),
        Some(Value::Bool(true)),
        Some(Value::Int(0)),
        Some(Value::Int(1)),
        Some(Value::Int(i64::MAX)),
        Some(Value::Float(1.0)),
        Some(Value::Float(-0.0)),
        Some(Value::Float(0.5)),
        Some(Value::Float(f64::NAN)),
        Some(Value::Float(f64::INFINITY)),
        Some(Value::Float(f64::NEG_INFINITY)),
        Some(Value::Number("1.0")),
        Some(Value::Number("5e-1")),
        Some(Value::Number("9223372036854775808")),
        Some(Value::Number("1e400")),
        Some(Value::Number("NaN")),
        Some(Value::Number("x")),
        Some(Value::Str("x")),
        Some(Value::Str("1")),
        Some(Value::Str("1.0")),
        Some(Value::Str("true")),
        Some(Value::Str("error")),
        Some(Value::Str("")),
        Some(Value::Str("[1]")),
        Some(Value::Str("\u{fffd}")),
        Some(Value::Bytes(b"\xff")),
        Some(Value::Bytes(b"\xfe")),
        Some(Value::Json("[1]")),
        Some(Value::Json("[]")),
        Some(Value::Time(0)),
        Some(Value::Time(1)),
        Some(Value::Duration(0)),
        Some(Value::Duration(1_000_000)),
        Some(Value::Cost(1_000_000_000)),
        Some(Value::Level(Level::Info)),
        Some(Value::Level(Level::Error)),
    ];

    fn key(value: Option<Value<'_>>) -> Vec<u8> {
        let mut key = Vec::new();
        put_key(&mut key, value);
        key
    }

    #[test]
    fn values_compare_by_type() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, want) in [
            (Value::Int(2), Value::Number("10"), Some(Less)),
            (Value::Str("10"), Value::Number("2"), Some(Greater)),
            (Value::Str("10"), Value::Str("2"), Some(Less)),
            (Value::Str("1.0"), Value::Int(1), Some(Equal)),
            (Value::Str("x"), Value::Int(1), None),
            (Value::Duration(1_500_000_000), Value::Int(1500), Some(Equal)),
            (Value::Duration(1_500_000_000), Value::Str("1.5s"), Some(Equal)),
            (Value::Str("2s"), Value::Duration(1_500_000_000), Some(Greater)),
            (Value::Cost(20_000_000), Value::Number("0.02"), Some(Equal)),
            (Value::Level(Level::Warn), Value::Level(Level::Error), Some(Less)),
            (Value::Level(Level::Warn), Value::Str("CRITICAL"), Some(Less)),
            (Value::Level(Level::Warn), Value::Str("combo"), None),
            (Value::Bool(true), Value::Str("true"), Some(Equal)),
            (Value::Bool(true), Value::Int(1), None),
            (Value::Time(1), Value::Time(2), Some(Less)),
            (Value::Time(1), Value::Int(1), None),
            (Value::Json("[1]"), Value::Str("[1]"), Some(Equal)),
            (Value::Bytes(b"a\xff"), Value::Str("a\u{fffd}"), Some(Equal)),
            (Value::Null, Value::Null, None),
            (Value::Null, Value::Str("null"), None),
            (Value::Float(f64::NAN), Value::Float(f64::NAN), None),
        ] {
            assert_eq!(compare(a, b), want, "{a:?} with {b:?}");
            assert_eq!(compare(b, a), want.map(Ordering::reverse), "{b:?} with {a:?}");
        }
    }

    #[test]
    fn missing_and_null_sort_last_and_are_one_group() {
        for value in ODD.iter().flatten().filter(|value| **value != Value::Null) {
            assert_eq!(total_order(Some(*value), None), Ordering::Less, "{value:?}");
            assert_eq!(total_order(Some(Value::Null), Some(*value)), Ordering::Greater, "{value:?}");
        }
        assert_eq!(total_order(None, Some(Value::Null)), Ordering::Equal);
        assert_eq!(key(None), key(Some(Value::Null)));
        assert_eq!(take_key(&mut key(None).as_slice()), Some(None));
    }

    #[test]
    fn the_order_is_total_and_agrees_with_the_keys() {
        for &a in ODD {
            for &b in ODD {
                let order = total_order(a, b);
                assert_eq!(total_order(b, a), order.reverse(), "{a:?} with {b:?}");
                assert_eq!(key(a) == key(b), order.is_eq(), "{a:?} with {b:?}");
                for &c in ODD {
                    if order.is_le() && total_order(b, c).is_le() {
                        assert!(total_order(a, c).is_le(), "{a:?}, {b:?}, {c:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_order_of_two_numbers_texts_or_times_is_that_of_a_comparison() {
        for (&a, &b) in ODD.iter().flat_map(|a| ODD.iter().map(move |b| (a, b))) {
            let (Some(x), Some(y)) = (a, b) else { continue };
            if class(a) == class(b)
                && let Some(order) = compare(x, y)
                && order.is_ne()
            {
                assert_eq!(total_order(a, b), order, "{a:?} with {b:?}");
            }
        }
    }

    #[test]
    fn a_key_gives_back_the_value_in_its_canonical_form() {
        for (value, want) in [
            (Value::Number("1.50"), Value::Number("1.5")),
            (Value::Float(0.1), Value::Number("0.1")),
            (Value::Number("-0"), Value::Int(0)),
            (Value::Float(1e3), Value::Int(1000)),
            (Value::Float(f64::INFINITY), Value::Float(f64::INFINITY)),
            (Value::Bytes(b"\xff"), Value::Str("\u{fffd}")),
            (Value::Duration(-5), Value::Duration(-5)),
            (Value::Level(Level::Fatal), Value::Level(Level::Fatal)),
        ] {
            let mut several = key(Some(value));
            put_key(&mut several, Some(Value::Str("next")));
            let mut rest = several.as_slice();
            assert_eq!(take_key(&mut rest), Some(Some(want)), "{value:?}");
            assert_eq!(take_key(&mut rest), Some(Some(Value::Str("next"))));
            assert_eq!(take_key(&mut rest), None);
        }
    }

    #[test]
    fn every_value_has_a_text() {
        for (value, want) in [
            (Value::Int(-5), "-5"),
            (Value::Float(2.50), "2.5"),
            (Value::Float(f64::NAN), "NaN"),
            (Value::Number("1.50"), "1.50"),
            (Value::Bool(true), "true"),
            (Value::Null, "null"),
            (Value::Level(Level::Warn), "warn"),
            (Value::Duration(1_500_000), "1.5"),
            (Value::Cost(20_000_000), "0.02"),
            (Value::Bytes(b"a\xff"), "a\u{fffd}"),
            (Value::Time(0), "1970-01-01T00:00:00Z"),
            (Value::Time(-1), "1969-12-31T23:59:59.999999999Z"),
            (Value::Time(951_782_400_120_000_000), "2000-02-29T00:00:00.120Z"),
            (Value::Time(1_795_392_000_000_001_000), "2026-11-23T00:00:00.000001Z"),
            (Value::Time(i64::MAX), "2262-04-11T23:47:16.854775807Z"),
            (Value::Time(i64::MIN), "1677-09-21T00:12:43.145224192Z"),
        ] {
            assert_eq!(to_text(value), want, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_key_or_none(bytes in any::<Vec<u8>>(), tag in 0_u8..13) {
            let mut key = vec![tag];
            key.extend(bytes);
            let mut rest = key.as_slice();
            while take_key(&mut rest).is_some() {}
        }

        #[test]
        fn equal_numbers_have_one_key(text in "-?[0-9]{1,25}([.][0-9]{0,9})?", zeros in 0_usize..5, other in "[0-9]{1,2}") {
            let point = if text.contains('.') { "" } else { "." };
            let longer = format!("{text}{point}{}", "0".repeat(zeros));
            let shifted = format!("{text}{point}{other}e{zeros}");
            let same = |a, b| key(Some(Value::Number(a))) == key(Some(Value::Number(b)));
            prop_assert!(same(&text, &longer), "{} {}", text, longer);
            prop_assert_eq!(same(&text, &shifted), Number::parse(&text) == Number::parse(&shifted));
        }
    }
}
