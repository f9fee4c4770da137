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
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(&b)),
        (Value::Time(a), Value::Time(b)) => Some(a.cmp(&b)),
        (Value::Level(a), Value::Level(b)) => Some(a.cmp(&b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(&b)),
        _ => match (plain_text(a), plain_text(b)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            (Some(text), None) => Some(compare_to_text(b, &text)?.reverse()),
            (None, Some(text)) => compare_to_text(a, &text),
            (None, None) => Some(Number::of(a)?.cmp(&Number::of(b)?)),
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
