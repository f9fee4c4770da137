//! Numbers, sizes, money, durations and the look of dates, as people write them. Pure text to values; exact.

use logq_engine::value::{duration_ns, scaled};

/// A length of time. Months and days are kept apart from nanoseconds because their length depends on where
/// on the calendar they lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Length {
    /// Calendar months; a year has twelve.
    pub months: i64,
    /// Weeks, from Monday as time buckets.
    pub weeks: i64,
    /// Days.
    pub days: i64,
    /// Everything shorter.
    pub ns: i64,
}

const DAY_NS: i64 = 86_400_000_000_000;

/// Longest duration in days: more than the time that a store can hold.
const DAYS_MAX: i64 = 1_000_000;

impl Length {
    /// The length in nanoseconds where days have 24 hours; `None` with months.
    pub(crate) fn fixed_ns(&self) -> Option<i64> {
        let days = self.weeks.checked_mul(7)?.checked_add(self.days)?;
        if self.months == 0 { days.checked_mul(DAY_NS)?.checked_add(self.ns) } else { None }
    }
}

/// Reads `90s`, `15m`, `24h`, `7d`, `2w`, `1mo`, `1y`, `2d12h`, `1.5h`. Zero and negative lengths are none.
pub(crate) fn duration(text: &str) -> Option<Length> {
    let mut length = Length::default();
    let mut rest = text;
    if rest.is_empty() || 40 < rest.len() {
        return None;
    }
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|at| *at != 0)?;
        let (number, tail) = rest.split_at(unit_at);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let whole = || number.parse::<i64>().ok().filter(|n| *n <= DAYS_MAX);
        let add = |slot: &mut i64, times: i64| -> Option<()> {
            *slot = slot.checked_add(whole()?.checked_mul(times)?)?;
            Some(())
        };
        match unit {
            "mo" => add(&mut length.months, 1)?,
            "y" => add(&mut length.months, 12)?,
            "w" if whole().is_some() => add(&mut length.weeks, 1)?,
            "d" if whole().is_some() => add(&mut length.days, 1)?,
            _ => length.ns = length.ns.checked_add(duration_ns(rest.get(..unit_at + unit_end)?)?)?,
        }
        rest = next;
    }
    let days = length.weeks.checked_mul(7)?.checked_add(length.days)?;
    (length != Length::default() && days <= DAYS_MAX && length.months <= DAYS_MAX).then_some(length)
}

/// The short form of a unit written out: `hours` is `h`.
pub(crate) fn unit_word(word: &str) -> Option<&'static str> {
    let lower = word.to_ascii_lowercase();
    Some(match lower.strip_suffix('s').unwrap_or(&lower) {
        "second" | "sec" => "s",
        "minute" | "min" => "m",
        "hour" | "hr" => "h",
        "day" => "d",
        "week" => "w",
        "month" => "mo",
        "year" => "y",
        _ => return None,
    })
}

/// A whole number with its suffix: `5`, `10k`, `1_000`.
pub(crate) fn whole(text: &str) -> Option<u64> {
    let number = number(text)?;
    u64::try_from(scaled(&number, 0)?)
        .ok()
        .filter(|_| scaled(&number, 9).is_none_or(|n| n % 1_000_000_000 == 0))
}

/// Reads a number as a decimal literal: `50k`, `1.5M`, `1_000`, `20MB`, `4KiB`, `-3`, `1e6`.
pub(crate) fn number(text: &str) -> Option<String> {
    let negative = text.starts_with('-');
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let split = body.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '_')).unwrap_or(body.len());
    let (mantissa, suffix) = body.split_at(split);
    if !is_mantissa(mantissa) || 400 < body.len() {
        return None;
    }
    let mantissa = mantissa.replace('_', "");
    let sign = if negative { "-" } else { "" };
    if let Some(exponent) = suffix.strip_prefix(['e', 'E']) {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        let fits = !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit());
        return fits.then(|| format!("{sign}{mantissa}e{exponent}"));
    }
    let (binary, decimal) = match suffix {
        "" | "B" => return Some(format!("{sign}{mantissa}")),
        "k" | "K" | "kB" | "KB" => (0, 3),
        "M" | "MB" => (0, 6),
        "G" | "GB" => (0, 9),
        "T" | "TB" => (0, 12),
        "KiB" => (10, 0),
        "MiB" => (20, 0),
        "GiB" => (30, 0),
        "TiB" => (40, 0),
        _ => return None,
    };
    if binary == 0 {
        // Whole results are written out, so that messages and plans show the number people mean.
        let exact = scaled(&mantissa, decimal)
            .filter(|n| scaled(&mantissa, decimal + 3).is_none_or(|m| m % 1000 == 0 && m / 1000 == *n));
        return Some(match exact {
            Some(whole) if places(&mantissa) <= decimal => format!("{sign}{whole}"),
            _ => format!("{sign}{mantissa}e{decimal}"),
        });
    }
    let places = places(&mantissa);
    let digits: i128 = mantissa.replace('.', "").parse().ok()?;
    let product = digits.checked_mul(1_i128 << binary)?;
    Some(if places == 0 { format!("{sign}{product}") } else { format!("{sign}{product}e-{places}") })
}

/// Digits after the point.
fn places(mantissa: &str) -> i32 {
    mantissa.split_once('.').and_then(|(_, fraction)| i32::try_from(fraction.len()).ok()).unwrap_or(0)
}

fn is_mantissa(text: &str) -> bool {
    let points = text.bytes().filter(|b| *b == b'.').count();
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    points <= 1
        && edge(text.chars().next())
        && edge(text.chars().last())
        && !text.contains("_.")
        && !text.contains("._")
}

/// Reads `$0.02` or `$1k` as billionths of a dollar.
pub(crate) fn money(text: &str) -> Option<i64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    scaled(&number(rest.strip_prefix('$')?)?, 9)?.checked_mul(sign)
}

/// Whether `text` looks like a date, with or without a time of day.
pub(crate) fn is_date(text: &str) -> bool {
    let b = text.as_bytes();
    let digit = |at: usize| b.get(at).is_some_and(u8::is_ascii_digit);
    (0..4).all(digit)
        && b.get(4) == Some(&b'-')
        && digit(5)
        && digit(6)
        && matches!(b.get(7), None | Some(b'-'))
}

/// Whether `text` is a day, month or year: `2026-11-22`, `2026-11`, `2026`.
pub(crate) fn is_day(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    matches!(shape.as_str(), "0000-00-00" | "0000-00" | "0000") && text.as_bytes().first() != Some(&b'0')
}

/// Whether `text` is a time of day: `10:15`, `10:15:00.5`, `10:15Z`, `10:15+01:00`.
pub(crate) fn is_clock(text: &str) -> bool {
    let b = text.as_bytes();
    let digit = |at: usize| b.get(at).is_some_and(u8::is_ascii_digit);
    digit(0)
        && digit(1)
        && b.get(2) == Some(&b':')
        && digit(3)
        && digit(4)
        && b.iter().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'+' | b'-' | b'Z' | b'z'))
}

/// Whether `text` looks like a point in time; reading it may still find that the day does not exist.
pub(crate) fn is_moment(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if matches!(lower.as_str(), "now" | "today" | "yesterday")
        || is_date(text)
        || is_clock(text)
        || is_day(text)
    {
        return true;
    }
    if let Some(offset) = lower.strip_prefix("now") {
        return offset.strip_prefix(['-', '+']).is_some_and(|dur| duration(dur).is_some());
    }
    epoch_ns(text).is_some()
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by size: today's seconds have ten
/// digits, milliseconds thirteen, microseconds sixteen, nanoseconds nineteen.
pub(crate) fn epoch_ns(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let whole = digits.split_once('.').map_or(digits, |(whole, _)| whole);
    if whole.len() < 5 || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let places = match whole.len() {
        ..=11 => 9,
        12..=14 => 6,
        15..=17 => 3,
        _ => 0,
    };
    let ns = scaled(digits, places)?;
    Some(if negative { -ns } else { ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_with_their_suffixes() {
        for (text, want) in [
            ("5", Some("5")),
            ("1_000", Some("1000")),
            ("50k", Some("50000")),
            ("1.5M", Some("1500000")),
            ("0.0001k", Some("0.0001e3")),
            ("20MB", Some("20000000")),
            ("4KiB", Some("4096")),
            ("1.5KiB", Some("15360e-1")),
            ("-3", Some("-3")),
            ("1e6", Some("1e6")),
            ("1e-3", Some("1e-3")),
            ("0.5", Some("0.5")),
            ("", None),
            ("k", None),
            ("1.2.3", None),
            ("1.", None),
            ("5x", None),
            ("1e", None),
        ] {
            assert_eq!(number(text).as_deref(), want, "{text}");
        }
        assert_eq!(
            (whole("10k"), whole("0"), whole("1.5"), whole("-1")),
            (Some(10_000), Some(0), None, None)
        );
        assert_eq!(money("$0.02"), Some(20_000_000));
    }

    #[test]
    fn durations_keep_calendar_units_apart() {
        let hours = |h: i64| h * 3_600_000_000_000;
        assert_eq!(duration("24h"), Some(Length { ns: hours(24), ..Length::default() }));
        assert_eq!(duration("2d12h"), Some(Length { days: 2, ns: hours(12), ..Length::default() }));
        assert_eq!(duration("1.5d"), Some(Length { ns: hours(36), ..Length::default() }));
        assert_eq!(duration("1y2mo"), Some(Length { months: 14, ..Length::default() }));
        for text in ["", "5", "h", "0s", "-1h", "1x", "1.5mo", "99999999999d", "1h!"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn the_size_of_an_epoch_tells_its_unit() {
        for text in ["1700000000", "1700000000000", "1700000000000000", "1700000000000000000"] {
            assert_eq!(epoch_ns(text), Some(1_700_000_000_000_000_000), "{text}");
        }
        assert_eq!(epoch_ns("1700000000.5"), Some(1_700_000_000_500_000_000));
        assert_eq!(epoch_ns("2026"), None);
    }
}
