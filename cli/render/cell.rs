//! One value as a person reads it: grouped digits, times in a zone, spans with units.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use logq_engine::Level;
use logq_query::{Datum, Type};

use super::grid::{Cell, Tone};
use crate::ui;

/// A text is looked at this far; a cell never shows more.
const TEXT_SHOWN_MAX: usize = 1_000;
/// A table shows fractions of seconds to the millisecond.
const FRACTION_DIGITS_MAX: usize = 3;

/// A value of a column of this type for a table.
pub(crate) fn of(kind: Type, datum: &Datum, zone: &TimeZone, precision: Precision) -> Cell {
    match (kind, datum) {
        (Type::Size, Datum::Int(bytes)) if 0 <= *bytes => {
            Cell { text: ui::size(bytes.unsigned_abs()), tone: Tone::Plain, empty: *bytes == 0 }
        }
        _ => cell(datum, zone, precision),
    }
}

/// A value for a table; `precision` is how the column shows its times.
pub(crate) fn cell(datum: &Datum, zone: &TimeZone, precision: Precision) -> Cell {
    let (text, tone, empty) = match datum {
        Datum::Missing | Datum::Null => return Cell { text: "-".into(), tone: Tone::Faint, empty: true },
        Datum::Bool(value) => (value.to_string(), Tone::Plain, false),
        Datum::Int(value) => (ui::grouped(&value.to_string()), Tone::Plain, *value == 0),
        Datum::Float(value) => (decimal(*value), Tone::Plain, *value == 0.0),
        Datum::Number(literal) => (ui::grouped(&clipped(literal)), Tone::Plain, false),
        Datum::Str(text) | Datum::Json(text) => (clipped(text), Tone::Plain, text.is_empty()),
        Datum::Bytes(bytes) => {
            let shown = bytes.get(..TEXT_SHOWN_MAX * 4).unwrap_or(bytes);
            (clipped(&String::from_utf8_lossy(shown)), Tone::Plain, false)
        }
        Datum::Time(ns) => (time(*ns, zone, precision), Tone::Plain, false),
        Datum::Duration(ns) => (ui::span(*ns), Tone::Plain, *ns == 0),
        Datum::Millis(millis) => (milliseconds(*millis), Tone::Plain, *millis == 0.0),
        Datum::Cost(nano) => (dollars(*nano), Tone::Plain, *nano == 0),
        Datum::Dollars(dollars) => (format!("${}", decimal(*dollars)), Tone::Plain, *dollars == 0.0),
        Datum::Level(level) => (level.to_string(), tone(*level), false),
    };
    Cell { text, tone, empty }
}

/// Milliseconds that are no whole number of nanoseconds.
fn milliseconds(millis: f64) -> String {
    let ns = (millis * 1e6).round();
    // Beyond some 292 years no span is worth a unit.
    if ns.abs() < 9e18 { ui::span(whole(ns)) } else { format!("{}ms", decimal(millis)) }
}

#[expect(clippy::cast_possible_truncation, reason = "the caller holds the number inside the range of i64")]
fn whole(number: f64) -> i64 {
    number as i64
}

/// Whether a value stands to the right.
pub(crate) fn is_number(datum: &Datum) -> bool {
    use Datum::{Cost, Dollars, Duration, Float, Int, Millis, Number};
    matches!(datum, Int(_) | Float(_) | Number(_) | Duration(_) | Millis(_) | Cost(_) | Dollars(_))
}

fn tone(level: Level) -> Tone {
    match level {
        Level::Trace | Level::Debug => Tone::Faint,
        Level::Info => Tone::Plain,
        Level::Warn => Tone::Warn,
        Level::Error | Level::Fatal => Tone::Error,
    }
}

/// The start of a text, with every dangerous character written out.
fn clipped(text: &str) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == TEXT_SHOWN_MAX {
            out.push('\u{2026}');
            break;
        }
        ui::push_visible(&mut out, c);
    }
    out
}

/// A computed number: six digits that matter, and no more decimals than say something.
fn decimal(number: f64) -> String {
    if !number.is_finite() {
        return number.to_string();
    }
    if number != 0.0 && (number.abs() < 1e-4 || 1e15 <= number.abs()) {
        return format!("{number:.3e}");
    }
    let whole_digits = if number.abs() < 1.0 { 1 } else { format!("{:.0}", number.abs().trunc()).len() };
    let places = 6_usize.saturating_sub(whole_digits).max(1);
    let text = format!("{number:.places$}");
    ui::grouped(text.trim_end_matches('0').trim_end_matches('.'))
}

/// Money: whole cents where that is exact, else as many decimals as matter.
fn dollars(nano: i64) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    let exact = nano.unsigned_abs();
    // From ten dollars on nobody reads more than cents, below they show what was charged.
    let most = if 10_000_000_000 <= exact { 2 } else { 6 };
    let unit = 10_u64.pow(9 - most);
    let nano = (exact + unit / 2) / unit * unit;
    let fraction = format!("{:09}", nano % 1_000_000_000);
    let digits = fraction.trim_end_matches('0').len().max(2);
    let whole = ui::grouped(&(nano / 1_000_000_000).to_string());
    format!("{sign}${whole}.{}", fraction.get(..digits).unwrap_or(&fraction))
}

/// How much of a time a column has to show so that no two of its times look alike for no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Precision {
    Minutes,
    Seconds,
    Fraction,
}

impl Precision {
    /// What this time needs.
    pub(crate) fn of(ns: i64) -> Self {
        match (ns.rem_euclid(1_000_000_000), ns.rem_euclid(60_000_000_000)) {
            (0, 0) => Self::Minutes,
            (0, _) => Self::Seconds,
            _ => Self::Fraction,
        }
    }
}

fn time(ns: i64, zone: &TimeZone, precision: Precision) -> String {
    let Ok(stamp) = Timestamp::from_nanosecond(i128::from(ns)) else { return ns.to_string() };
    let at = zone.to_datetime(stamp);
    let day =
        format!("{:04}-{:02}-{:02} {:02}:{:02}", at.year(), at.month(), at.day(), at.hour(), at.minute());
    let fraction = format!("{:09}", at.subsec_nanosecond());
    match precision {
        Precision::Minutes => day,
        Precision::Seconds => format!("{day}:{:02}", at.second()),
        Precision::Fraction => {
            format!("{day}:{:02}.{}", at.second(), fraction.get(..FRACTION_DIGITS_MAX).unwrap_or(&fraction))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(datum: &Datum, want: &str) {
        assert_eq!(cell(datum, &TimeZone::UTC, Precision::Fraction).text, want);
    }

    #[test]
    fn values_read_as_a_person_expects() {
        check(&Datum::Int(-1_234_567), "-1,234,567");
        check(&Datum::Float(1234.5678), "1,234.57");
        check(&Datum::Float(0.123456789), "0.12346");
        check(&Datum::Float(0.00001234), "1.234e-5");
        check(&Datum::Float(3.0), "3");
        check(&Datum::Number("1.50".into()), "1.50");
        check(&Datum::Duration(1_234_000_000), "1.23s");
        check(&Datum::Cost(21_200_000), "$0.0212");
        check(&Datum::Cost(0), "$0.00");
        check(&Datum::Cost(64_507_481_700), "$64.51");
        check(&Datum::Cost(9_999_999_999), "$10.00");
        check(&Datum::Cost(-1_234_000_000_000), "-$1,234.00");
        check(&Datum::Str("a\nb\x1b[m".into()), "a\\nb\\x1b[m");
        check(&Datum::Bytes(Box::new(*b"\xff\x00")), "\u{fffd}\\x00");
        check(&Datum::Time(1_740_830_400_500_000_000), "2025-03-01 12:00:00.500");
        check(&Datum::Null, "-");
        check(&Datum::Millis(1234.5), "1.23s");
        check(&Datum::Millis(1e30), "1.000e30ms");
        check(&Datum::Dollars(0.5), "$0.5");
    }

    #[test]
    fn a_long_text_is_not_looked_at_to_its_end() {
        let long = "x".repeat(5_000);
        let text = cell(&Datum::text(&long), &TimeZone::UTC, Precision::Seconds).text;
        assert_eq!(text.chars().count(), TEXT_SHOWN_MAX + 1);
    }

    #[test]
    fn times_show_what_they_need_in_their_zone() {
        let minute = 1_740_830_400_000_000_000;
        assert_eq!(Precision::of(minute), Precision::Minutes);
        assert_eq!(Precision::of(minute + 1_000_000_000), Precision::Seconds);
        assert_eq!(Precision::of(-1), Precision::Fraction);
        let zone = crate::config::zone("Asia/Tokyo").unwrap();
        assert_eq!(time(minute, &zone, Precision::Minutes), "2025-03-01 21:00");
        assert_eq!(time(i64::MIN, &TimeZone::UTC, Precision::Seconds), "1677-09-21 00:12:43");
    }
}
