//! Windows: the stretch of time that a limit counts in, and the one place that knows zones and calendars.
//!
//! Every window is half-open, `start <= time < end`, and the windows of one kind share time out: each moment lies
//! in exactly one of them, on days of 23 or 25 hours too. A window is found from the calendar and the zone's own
//! transitions, never by taking a nominal length away from somewhere; so there is nothing to reset when one ends.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::error::{Error, ErrorKind, Result};
use crate::value;

const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_NS: i64 = 86_400_000_000_000;
/// A shorter window than a second is no budget, and would turn over faster than counters are shared.
const LENGTH_MIN: i64 = 1_000_000_000;
/// Longer ones are months, years or `lifetime`.
const LENGTH_MAX: i64 = 366 * DAY_NS;
/// A sliding window moves on in steps of a sixtieth of its length.
pub(super) const STEPS: i64 = 60;
/// How far back the anchor of a session is looked for when counters are counted anew.
const SESSIONS_BACK: i64 = 30 * DAY_NS;

/// What a limit counts in.
///
/// ```
/// use logq_engine::budget::Window;
/// assert_eq!(Window::parse("sliding:90m")?.to_string(), "sliding:1h30m");
/// assert_eq!(Window::parse("month")?, Window::Month);
/// assert!(Window::parse("fortnight").is_err());
/// # Ok::<(), logq_engine::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last so many nanoseconds, moving on in steps of a sixtieth. What is enforced counts the oldest step
    /// whole: up to a sixtieth too much, never too little.
    Sliding(i64),
    /// Stretches of so many nanoseconds. Where a day is a multiple of it they start at midnight of the zone, and the
    /// last of a day ends with it; else they are counted from 1970.
    Fixed(i64),
    /// From the full hour to the next, of the zone's clock.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to the first of the next.
    Month,
    /// From New Year to New Year.
    Year,
    /// So many nanoseconds from the first event on; the next begins with the first event after its end.
    Session(i64),
    /// All time.
    Lifetime,
}

/// A half-open stretch of time: `start <= time < end`, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Span {
    pub(super) const ALL: Self = Self { start: i64::MIN, end: i64::MAX };

    pub(super) fn contains(self, time: i64) -> bool {
        self.start <= time && time < self.end
    }
}

impl Window {
    /// Reads `1h`, `15m` (fixed), `hour`, `day`, `week`, `month`, `year`, `sliding:1h`, `session:5h` or `lifetime`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with what there is.
    pub fn parse(text: &str) -> Result<Self> {
        let length = |length: &str| {
            let ns = value::duration_ns(length).filter(|ns| (LENGTH_MIN..=LENGTH_MAX).contains(ns));
            ns.ok_or_else(|| {
                let what =
                    format!("`{length}` is no length of a window: 1s to 366d, such as 15m, 1h or 2d12h");
                Error::new(ErrorKind::Invalid, what)
            })
        };
        Ok(match text {
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "year" => Self::Year,
            "lifetime" => Self::Lifetime,
            _ => match text.split_once(':') {
                Some(("sliding", rest)) => Self::Sliding(length(rest)?),
                Some(("session", rest)) => Self::Session(length(rest)?),
                None if text.starts_with(|c: char| c.is_ascii_digit()) => Self::Fixed(length(text)?),
                _ => {
                    let what = format!(
                        "no window has the name `{text}`: 1h (any length), hour, day, week, month, year, sliding:1h, session:5h or lifetime"
                    );
                    return Err(Error::new(ErrorKind::Invalid, what));
                }
            },
        })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Sliding(length) => write!(f, "sliding:{}", Length(length)),
            Self::Fixed(length) => write!(f, "{}", Length(length)),
            Self::Hour => f.write_str("hour"),
            Self::Day => f.write_str("day"),
            Self::Week => f.write_str("week"),
            Self::Month => f.write_str("month"),
            Self::Year => f.write_str("year"),
            Self::Session(length) => write!(f, "session:{}", Length(length)),
            Self::Lifetime => f.write_str("lifetime"),
        }
    }
}

/// A length as it is read.
struct Length(i64);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let units = [("d", DAY_NS), ("h", HOUR_NS), ("m", 60_000_000_000), ("s", 1_000_000_000)];
        for (unit, ns) in units.into_iter().chain([("ms", 1_000_000), ("us", 1_000), ("ns", 1)]) {
            if ns <= rest {
                write!(f, "{}{unit}", rest / ns)?;
                rest %= ns;
            }
        }
        Ok(())
    }
}

/// The windows of one budget: which kind, in which zone.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    pub(super) window: Window,
    zone: TimeZone,
    /// The last that was asked for: most questions are about the current one.
    last: Option<Span>,
}

impl Windows {
    /// The windows of a kind in the zone of this name.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a zone that nobody knows.
    pub(super) fn new(window: Window, zone: &str) -> Result<Self> {
        let zone = match zone {
            "UTC" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| {
                let what = format!("no time zone has the name `{name}`: such as UTC or Europe/Berlin");
                Error::new(ErrorKind::Invalid, what)
            })?,
        };
        Ok(Self { window, zone, last: None })
    }

    /// Where a moment is counted: its window, or of a sliding window its step. Of a session, the window that
    /// would begin with it.
    pub(super) fn span(&mut self, time: i64) -> Span {
        if let Some(last) = self.last.filter(|last| last.contains(time)) {
            return last;
        }
        let span = match self.window {
            Window::Session(length) => return Span { start: time, end: time.saturating_add(length) },
            Window::Lifetime => Span::ALL,
            Window::Sliding(length) => aligned(time, step(length), Span::ALL),
            Window::Fixed(length) if DAY_NS % length == 0 => {
                let day = days(&self.zone, Window::Day, time).unwrap_or(Span::ALL);
                aligned(time, length, day)
            }
            Window::Fixed(length) => aligned(time, length, Span::ALL),
            Window::Hour => hour(&self.zone, time).unwrap_or_else(|| aligned(time, HOUR_NS, Span::ALL)),
            Window::Day | Window::Week | Window::Month | Window::Year => {
                days(&self.zone, self.window, time).unwrap_or(Span::ALL)
            }
        };
        self.last = Some(span);
        span
    }

    /// Since when events matter to what is counted at this time: the window and the one before it.
    pub(super) fn horizon(&mut self, now: i64) -> i64 {
        match self.window {
            Window::Lifetime => i64::MIN,
            Window::Sliding(length) => now.saturating_sub(length).saturating_sub(step(length)),
            Window::Session(length) => now.saturating_sub(SESSIONS_BACK.max(length.saturating_mul(2))),
            _ => {
                let start = self.span(now).start;
                self.span(start.saturating_sub(1)).start
            }
        }
    }
}

/// The step of a sliding window.
pub(super) fn step(length: i64) -> i64 {
    length / STEPS + i64::from(length % STEPS != 0)
}

/// The stretch of a length that a moment lies in, counted from the start of `inside` and cut at its end.
fn aligned(time: i64, length: i64, inside: Span) -> Span {
    let origin = if inside == Span::ALL { 0 } else { inside.start };
    let passed = time.saturating_sub(origin).rem_euclid(length);
    let start = time.saturating_sub(passed);
    Span { start, end: start.saturating_add(length).min(inside.end) }
}

/// The hour of the zone's clock, cut where the clock changes.
fn hour(zone: &TimeZone, time: i64) -> Option<Span> {
    let stamp = stamp(time)?;
    let offset = i64::from(zone.to_offset(stamp).seconds()) * 1_000_000_000;
    let start = time.checked_sub(time.checked_add(offset)?.rem_euclid(HOUR_NS))?;
    let mut span = Span { start, end: start.checked_add(HOUR_NS)? };
    let changes = |at: Timestamp| {
        let before = Timestamp::from_nanosecond(at.as_nanosecond() - 1).ok()?;
        (zone.to_offset(before) != zone.to_offset(at)).then(|| nanoseconds(at)).flatten()
    };
    let after = Timestamp::from_nanosecond(i128::from(time) + 1).ok()?;
    if let Some(change) = zone.preceding(after).next().and_then(|change| changes(change.timestamp())) {
        span.start = span.start.max(change);
    }
    if let Some(change) = zone.following(stamp).next().and_then(|change| changes(change.timestamp())) {
        span.end = span.end.min(change);
    }
    Some(span)
}

/// The run of whole days that a moment lies in.
fn days(zone: &TimeZone, unit: Window, time: i64) -> Option<Span> {
    let today = zone.to_datetime(stamp(time)?).date();
    let mut first = first_day(unit, today)?;
    let mut next = next_first(unit, first)?;
    // Clocks that are set back over midnight bring a date back after the next one has begun; by the order of time
    // those moments are the later date's.
    while midnight(zone, next)? <= time {
        first = next;
        next = next_first(unit, next)?;
    }
    while time < midnight(zone, first)? {
        next = first;
        first = first_day(unit, first.checked_sub(1.day()).ok()?)?;
    }
    Some(Span { start: midnight(zone, first)?, end: midnight(zone, next)? })
}

fn first_day(unit: Window, date: Date) -> Option<Date> {
    Some(match unit {
        Window::Week => date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days()).ok()?,
        Window::Month => date.first_of_month(),
        Window::Year => date.first_of_year(),
        _ => date,
    })
}

fn next_first(unit: Window, first: Date) -> Option<Date> {
    let length = match unit {
        Window::Week => 7.days(),
        Window::Month => 1.month(),
        Window::Year => 1.year(),
        _ => 1.day(),
    };
    first.checked_add(length).ok()
}

/// The first moment of a date.
fn midnight(zone: &TimeZone, date: Date) -> Option<i64> {
    let zoned = date.to_zoned(zone.clone()).ok()?;
    nanoseconds(zoned.start_of_day().ok()?.timestamp())
}

fn stamp(time: i64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(time)).ok()
}

/// Nanoseconds since 1970, at the ends of the range for moments beyond it.
fn nanoseconds(stamp: Timestamp) -> Option<i64> {
    let ns = stamp.as_nanosecond();
    Some(i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> i64 {
        nanoseconds(text.parse().unwrap()).unwrap()
    }

    fn window(window: &str, zone: &str, time: &str) -> (String, String) {
        let span = Windows::new(Window::parse(window).unwrap(), zone).unwrap().span(at(time));
        (stamp(span.start).unwrap().to_string(), stamp(span.end).unwrap().to_string())
    }

    #[test]
    fn a_window_is_read_back_as_it_is_shown() {
        for text in
            ["1h", "15m", "hour", "day", "week", "month", "year", "sliding:1h30m", "session:5h", "lifetime"]
        {
            assert_eq!(Window::parse(text).unwrap().to_string(), text);
        }
        for text in
            ["", "0s", "999ms", "367d", "sliding:", "sliding:day", "session:", "fortnight", "-1h", "1", "h"]
        {
            assert_eq!(Window::parse(text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
        assert_eq!(Window::parse("1s").unwrap(), Window::Fixed(LENGTH_MIN));
        assert_eq!(Window::parse("366d").unwrap(), Window::Fixed(LENGTH_MAX));
        assert!(Windows::new(Window::Day, "Mars/Olympus").is_err());
    }

    #[test]
    fn windows_are_those_of_the_calendar() {
        for (kind, zone, time, start, end) in [
            ("1h", "UTC", "2026-11-23T07:59:59Z", "2026-11-23T07:00:00Z", "2026-11-23T08:00:00Z"),
            ("15m", "UTC", "2026-11-23T07:15:00Z", "2026-11-23T07:15:00Z", "2026-11-23T07:30:00Z"),
            ("hour", "Asia/Kolkata", "2026-11-23T07:15:00Z", "2026-11-23T06:30:00Z", "2026-11-23T07:30:00Z"),
            ("day", "UTC", "2026-11-23T07:15:00Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
            // The days on which clocks change have 23 and 25 hours.
            ("day", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            ("day", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("6h", "Europe/Berlin", "2026-10-25T22:30:00Z", "2026-10-25T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("week", "UTC", "2026-11-29T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            ("month", "UTC", "2026-01-31T12:00:00Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            ("month", "UTC", "2026-02-28T12:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            (
                "month",
                "America/New_York",
                "2026-03-31T12:00:00Z",
                "2026-03-01T05:00:00Z",
                "2026-04-01T04:00:00Z",
            ),
            ("year", "UTC", "2028-02-29T12:00:00Z", "2028-01-01T00:00:00Z", "2029-01-01T00:00:00Z"),
            // A date that the zone never had.
            ("day", "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),
            ("day", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),
            ("sliding:1h", "UTC", "2026-11-23T07:15:30Z", "2026-11-23T07:15:00Z", "2026-11-23T07:16:00Z"),
        ] {
            assert_eq!(window(kind, zone, time), (start.into(), end.into()), "{kind} {zone} {time}");
        }
    }

    /// Walks from window to window; each must begin where the one before ended.
    fn partitions(kind: Window, zone: &str, from: i64, until: i64) {
        let mut windows = Windows::new(kind, zone).unwrap();
        let mut span = windows.span(from);
        while span.end < until {
            for time in [span.start, span.start + (span.end - span.start) / 2, span.end - 1] {
                assert_eq!(Windows::new(kind, zone).unwrap().span(time), span, "{kind} {zone} {time}");
            }
            let next = windows.span(span.end);
            assert_eq!(next.start, span.end, "{kind} {zone} {}", stamp(span.end).unwrap());
            assert!(next.start < next.end);
            span = next;
        }
    }

    #[test]
    fn in_every_zone_windows_share_two_years_out_without_gap_or_overlap() {
        let (from, until) = (at("2025-12-20T00:00:00Z"), at("2028-01-10T00:00:00Z"));
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        assert!(300 < names.len(), "the zones of this machine are missing");
        for name in &names {
            for kind in [Window::Week, Window::Month, Window::Year] {
                partitions(kind, name, from, until);
            }
            // Days and hours around each change of the clocks; between them a day is like another.
            let zone = TimeZone::get(name).unwrap();
            let changes = zone
                .following(stamp(from).unwrap())
                .take_while(|change| change.timestamp() < stamp(until).unwrap());
            for change in changes {
                let change = nanoseconds(change.timestamp()).unwrap();
                for kind in
                    [Window::Day, Window::Hour, Window::Fixed(6 * HOUR_NS), Window::Fixed(HOUR_NS / 4)]
                {
                    partitions(kind, name, change - DAY_NS - 7, change + DAY_NS);
                }
            }
        }
        for kind in [Window::Day, Window::Hour, Window::Fixed(7 * HOUR_NS)] {
            partitions(kind, "Europe/Berlin", from, until);
        }
    }

    proptest! {
        #[test]
        fn any_moment_lies_in_its_window(time: i64, kind in 0..9_usize, length in LENGTH_MIN..LENGTH_MAX) {
            let kinds = [
                Window::Sliding(length), Window::Fixed(length), Window::Hour, Window::Day, Window::Week,
                Window::Month, Window::Year, Window::Session(length), Window::Lifetime,
            ];
            for zone in ["UTC", "America/St_Johns"] {
                let span = Windows::new(kinds[kind], zone).unwrap().span(time);
                prop_assert!(span.contains(time) || i64::MAX - LENGTH_MAX < time, "{span:?}");
            }
        }
    }
}
