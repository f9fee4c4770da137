//! What a time in a source means: text and numbers to nanoseconds since 1970, under the options of an import.
//!
//! The result is a pure function of the text, the options and one point in time (for stamps without a
//! year), never of the lines around it. Times outside the years 1677 to 2262 have no meaning here.

use std::str::FromStr;

use jiff::civil;
use jiff::tz::TimeZone;

use logq_engine::value::{canonical_int, scaled};

use crate::error::{Error, ErrorKind, Result};
use crate::stamp::{self, Cursor, Stamp, Zone};

const NS: i64 = 1_000_000_000;
const DAY_NS: i64 = 86_400 * NS;
/// A stamp without a year that names 29 February needs to go back at most this far to find one.
const LEAP_YEARS_APART_MAX: i32 = 8;

/// The unit of a time given as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl TimeUnit {
    /// How many decimal places the unit lies above a nanosecond.
    pub(crate) const fn places(self) -> i32 {
        match self {
            Self::Seconds => 9,
            Self::Milliseconds => 6,
            Self::Microseconds => 3,
            Self::Nanoseconds => 0,
        }
    }
}

impl FromStr for TimeUnit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "s" => Self::Seconds,
            "ms" => Self::Milliseconds,
            "us" => Self::Microseconds,
            "ns" => Self::Nanoseconds,
            _ => {
                let what = format!("unknown time unit `{text}`");
                return Err(Error::new(ErrorKind::Invalid, what).with_help("units are s, ms, us and ns"));
            }
        })
    }
}

/// What a caller says about the times of a source, as typed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Given<'o> {
    /// The zone of times that name none; UTC without one.
    pub(crate) tz: Option<&'o str>,
    pub(crate) unit: Option<TimeUnit>,
    /// What times given as numbers count from.
    pub(crate) zero: Option<&'o str>,
}

/// Reads times under the options of one import.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// `None` is UTC, which needs no table.
    tz: Option<TimeZone>,
    unit: Option<TimeUnit>,
    zero: Option<i64>,
    /// A stamp without a year takes the latest year that is not after this.
    latest: i64,
    latest_year: i32,
}

impl Clock {
    /// `newest` is when the source was last written.
    pub(crate) fn new(given: &Given<'_>, newest: i64) -> Result<Self> {
        let tz = given.tz.map_or(Ok(None), zone)?;
        let latest = newest.saturating_add(DAY_NS);
        let latest_year = year_of(latest);
        let mut clock = Self { tz, unit: given.unit, zero: None, latest, latest_year };
        if let Some(text) = given.zero {
            let Some((zero, _)) = clock.text(text) else {
                let what = format!("--time-zero {text}: not a time between the years 1677 and 2262");
                let help = "for example 2026-01-31T12:00:00Z";
                return Err(Error::new(ErrorKind::Invalid, what).with_help(help));
            };
            clock.zero = Some(zero);
        }
        Ok(clock)
    }

    /// The time that a whole text names, and whether it is spelled as times are printed.
    pub(crate) fn text(&self, text: &str) -> Option<(i64, bool)> {
        let bytes = text.as_bytes();
        let first = *bytes.first()?;
        let mut cursor = Cursor::new(bytes, 0);
        let found = stamp::iso(&mut cursor, true).or_else(|| {
            let readers = [stamp::web, stamp::weekday, stamp::syslog, stamp::short];
            readers.iter().find_map(|read| {
                cursor = Cursor::new(bytes, 0);
                read(&mut cursor).filter(|_| cursor.at() == bytes.len())
            })
        });
        if let Some(stamp) = found
            && cursor.at() == bytes.len()
        {
            return Some((self.resolve(&stamp)?, stamp.canonical));
        }
        let numeric = first.is_ascii_digit() || matches!(first, b'-' | b'.');
        // Few digits are more likely a year or an hour than seconds since 1970.
        let long = 9 <= bytes.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
        if numeric && (long || self.unit.is_some() || self.zero.is_some()) {
            return Some((self.number(text)?, false));
        }
        None
    }

    /// The time that a number names: its unit as given, else by its size.
    pub(crate) fn number(&self, literal: &str) -> Option<i64> {
        let whole = canonical_int(literal);
        let unit = match (self.unit, self.zero) {
            (Some(unit), _) => unit,
            (None, Some(_)) => TimeUnit::Seconds,
            (None, None) => unit_by_size(whole.or_else(|| scaled(literal, 0))?),
        };
        let ns = match whole {
            Some(int) => int.checked_mul(10_i64.pow(unit.places().unsigned_abs()))?,
            None => scaled(literal, unit.places())?,
        };
        ns.checked_add(self.zero.unwrap_or(0))
    }

    /// The time that a stamp names.
    pub(crate) fn resolve(&self, stamp: &Stamp) -> Option<i64> {
        if let Some(year) = stamp.year {
            return self.in_year(stamp, year);
        }
        (0..=LEAP_YEARS_APART_MAX).find_map(|back| {
            let year = self.latest_year - back;
            if stamp::days_in_month(Some(year), stamp.month) < stamp.day {
                return None;
            }
            self.in_year(stamp, year).filter(|&ns| ns <= self.latest)
        })
    }

    fn in_year(&self, stamp: &Stamp, year: i32) -> Option<i64> {
        if let (Zone::Unsaid, Some(tz)) = (stamp.zone, &self.tz) {
            return in_zone(stamp, year, tz);
        }
        let offset = match stamp.zone {
            Zone::Offset(seconds) => i64::from(seconds),
            Zone::Unsaid => 0,
        };
        let day = days_before(year, stamp.month, stamp.day);
        let clock = i64::from(stamp.hour * 3600 + stamp.minute * 60 + stamp.second);
        let seconds = day * 86_400 + clock - offset;
        i64::try_from(i128::from(seconds) * i128::from(NS) + i128::from(stamp.nano)).ok()
    }
}

/// Seconds reach to the year 5138, the smaller units from 1973 on.
fn unit_by_size(value: i64) -> TimeUnit {
    match value.unsigned_abs() {
        0..100_000_000_000 => TimeUnit::Seconds,
        100_000_000_000..100_000_000_000_000 => TimeUnit::Milliseconds,
        100_000_000_000_000..100_000_000_000_000_000 => TimeUnit::Microseconds,
        _ => TimeUnit::Nanoseconds,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar (the algorithm "days from civil").
fn days_before(year: i32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// A local time that a clock change skips or repeats takes the offset from before the change.
fn in_zone(stamp: &Stamp, year: i32, tz: &TimeZone) -> Option<i64> {
    let small = |value: u32| i8::try_from(value).ok();
    // The calendar of the library has no second 60: it is the first of the next minute.
    let second = small(stamp.second.min(59))?;
    let local = civil::DateTime::new(
        i16::try_from(year).ok()?,
        small(stamp.month)?,
        small(stamp.day)?,
        small(stamp.hour)?,
        small(stamp.minute)?,
        second,
        i32::try_from(stamp.nano).ok()?,
    )
    .ok()?;
    let ns = tz.to_ambiguous_timestamp(local).compatible().ok()?.as_nanosecond();
    i64::try_from(ns + if stamp.second == 60 { i128::from(NS) } else { 0 }).ok()
}

fn zone(name: &str) -> Result<Option<TimeZone>> {
    if matches!(name, "UTC" | "utc" | "Z" | "Etc/UTC") {
        return Ok(None);
    }
    if matches!(name.as_bytes().first(), Some(b'+' | b'-')) {
        let text = format!("2000-01-01T00:00:00{name}");
        let mut cursor = Cursor::new(text.as_bytes(), 0);
        if let Some(Stamp { zone: Zone::Offset(seconds), .. }) = stamp::iso(&mut cursor, false)
            && cursor.at() == text.len()
            && let Ok(offset) = jiff::tz::Offset::from_seconds(seconds)
        {
            return Ok(Some(TimeZone::fixed(offset)));
        }
    } else if let Ok(tz) = TimeZone::get(name) {
        return Ok(Some(tz));
    }
    let what = format!("unknown time zone `{name}`");
    Err(Error::new(ErrorKind::Invalid, what).with_help("for example Europe/Berlin, UTC or +03:30"))
}

fn year_of(ns: i64) -> i32 {
    jiff::Timestamp::from_nanosecond(i128::from(ns))
        .map_or(1970, |time| i32::from(time.to_zoned(TimeZone::UTC).year()))
        // A zone east of UTC may be in the next year.
        + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::ImportOptions;

    fn clock(change: impl FnOnce(&mut ImportOptions), newest: &str) -> Clock {
        let mut options = ImportOptions::default();
        change(&mut options);
        let newest = Clock::new(&Given::default(), 0).unwrap().text(newest).unwrap().0;
        Clock::new(&options.times(), newest).unwrap()
    }

    fn show(ns: Option<i64>) -> String {
        ns.map_or("-".into(), |ns| jiff::Timestamp::from_nanosecond(ns.into()).unwrap().to_string())
    }

    #[test]
    fn a_calendar_day_counts_as_the_library_counts_it() {
        for year in [1678, 1899, 1900, 1969, 1970, 1999, 2000, 2023, 2024, 2100, 2261] {
            for (month, day) in [(1, 1), (2, 28), (3, 1), (12, 31)] {
                let date = civil::date(year, month, day).to_zoned(TimeZone::UTC).unwrap();
                let days = days_before(year.into(), month.unsigned_abs().into(), day.unsigned_abs().into());
                assert_eq!(days * 86_400, date.timestamp().as_second(), "{year}-{month}-{day}");
            }
        }
    }

    #[test]
    fn numbers_take_their_unit_from_their_size() {
        let clock = clock(|_| {}, "2026-01-01");
        for (literal, want) in [
            ("1723560031", "2024-08-13T14:40:31Z"),
            ("1723560031.5", "2024-08-13T14:40:31.5Z"),
            ("1723560031123", "2024-08-13T14:40:31.123Z"),
            ("1723560031123456", "2024-08-13T14:40:31.123456Z"),
            ("1723560031123456789", "2024-08-13T14:40:31.123456789Z"),
            ("-1", "1969-12-31T23:59:59Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("1e400", "-"),
            ("99999999999999999999", "-"),
        ] {
            assert_eq!(show(clock.number(literal)), want, "{literal}");
        }
    }

    #[test]
    fn a_unit_and_a_zero_count_from_there() {
        let clock = clock(
            |options| {
                options.time_unit = Some(TimeUnit::Milliseconds);
                options.time_zero = Some("2023-01-01".into());
            },
            "2026-01-01",
        );
        assert_eq!(show(clock.number("3536999")), "2023-01-01T00:58:56.999Z");
        assert_eq!(show(clock.text("5").map(|(ns, _)| ns)), "2023-01-01T00:00:00.005Z");
    }

    #[test]
    fn only_the_printed_spelling_is_canonical() {
        let clock = clock(|_| {}, "2026-01-01");
        for (text, want) in [
            ("2026-01-05T15:02:06.978Z", Some(true)),
            ("2026-01-05T15:02:06.978+00:00", Some(false)),
            ("2023-11-16 18:15:46.6805900", Some(false)),
            ("1723560031", Some(false)),
            ("2026-01-05T15:02:06Z and more", None),
            ("2026", None),
            ("2023-11-16 24:00:00", None),
            ("yesterday", None),
            ("", None),
            ("1677-01-01T00:00:00Z", None),
            ("2300-01-01T00:00:00Z", None),
            ("1969-07-20T20:17:40Z", Some(true)),
        ] {
            assert_eq!(clock.text(text).map(|(_, canonical)| canonical), want, "{text}");
        }
    }

    #[test]
    fn a_stamp_without_a_year_takes_the_latest_that_is_not_after_the_source() {
        for (newest, text, want) in [
            ("2026-06-20", "Jun 14 15:16:01", "2026-06-14T15:16:01Z"),
            ("2026-06-14", "Jun 14 15:16:01", "2026-06-14T15:16:01Z"),
            ("2026-06-13", "Jun 14 15:16:01", "2025-06-14T15:16:01Z"),
            ("2026-01-02", "Dec 31 23:59:59", "2025-12-31T23:59:59Z"),
            ("2025-12-31", "Jan  1 00:00:00", "2026-01-01T00:00:00Z"),
            ("2026-06-20", "Feb 29 00:00:00", "2024-02-29T00:00:00Z"),
        ] {
            let clock = clock(|_| {}, newest);
            assert_eq!(show(clock.text(text).map(|(ns, _)| ns)), want, "{text} seen {newest}");
        }
    }

    #[test]
    fn a_zone_counts_where_the_text_names_none() {
        let clock = clock(|options| options.tz = Some("America/New_York".into()), "2026-01-01");
        for (text, want) in [
            ("2024-01-01 00:00:00", "2024-01-01T05:00:00Z"),
            ("2024-07-01 00:00:00", "2024-07-01T04:00:00Z"),
            ("2024-07-01 00:00:00Z", "2024-07-01T00:00:00Z"),
            ("2024-03-10 02:30:00", "2024-03-10T07:30:00Z"),
        ] {
            assert_eq!(show(clock.text(text).map(|(ns, _)| ns)), want, "{text}");
        }
    }

    #[test]
    fn a_bad_zone_or_zero_is_named() {
        let check = |options: ImportOptions| options.validate().unwrap_err().to_string();
        let tz = Some("Mars/Olympus".into());
        assert_eq!(check(ImportOptions { tz, ..Default::default() }), "unknown time zone `Mars/Olympus`");
        let time_zero = Some("soon".into());
        assert_eq!(
            check(ImportOptions { time_zero, ..Default::default() }),
            "--time-zero soon: not a time between the years 1677 and 2262"
        );
    }
}
