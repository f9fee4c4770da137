//! Calendar: what a time clause means by the clock and zone of a session, and which bucket of `per` a time
//! falls into. Pure: the clock and the zone come in.
//!
//! Every range is half-open. A local time that a change of the clocks skips or repeats is resolved like RFC
//! 5545 does: in a gap the later, in a repetition the earlier one.

use jiff::civil::{Date, DateTime, Time as Clock};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use logq_engine::TimeRange;

use crate::ast::{Dur, Place, Time, Unit, Versus, When};
use crate::diagnostic::Diagnostic;
use crate::token::Span;
use crate::units::{self, Length};

const DAY_NS: i64 = 86_400_000_000_000;
const HOUR_NS: i64 = 3_600_000_000_000;

type Outcome<T> = Result<T, Diagnostic>;

/// The clock and the zone that the words of a query are read by.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    /// The current time, nanoseconds since 1970.
    pub now: i64,
    /// The zone of calendar words and of `per`.
    pub zone: TimeZone,
}

/// Finds a zone by its name in the time zone database, as `UTC` or as an offset such as `+02:00`.
pub fn zone(name: &str) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("z") {
        return Some(TimeZone::UTC);
    }
    if name.starts_with(['+', '-']) {
        let parsed =
            jiff::fmt::strtime::parse("%z", name).or_else(|_| jiff::fmt::strtime::parse("%:z", name));
        return parsed.ok().and_then(|parsed| parsed.offset()).map(TimeZone::fixed);
    }
    TimeZone::get(name).ok()
}

/// A name of a zone that [`zone`] finds it by.
pub(crate) fn zone_name(zone: &TimeZone) -> String {
    if let Some(name) = zone.iana_name() {
        return name.to_owned();
    }
    let seconds = zone.to_fixed_offset().map_or(0, |offset| offset.seconds());
    let minutes = seconds.unsigned_abs() / 60;
    format!("{}{:02}:{:02}", if seconds < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
}

impl Calendar {
    /// The range that a time clause stands for.
    ///
    /// # Errors
    /// A day that does not exist, a time that cannot be stored, a range that ends before it starts.
    pub(crate) fn range(&self, time: &Time, place: Place) -> Outcome<TimeRange> {
        let between = |from, until| TimeRange { from: Some(from), until: Some(until) };
        let range = match time {
            Time::Last(dur) => between(self.before(self.now, dur)?, self.now),
            Time::Since(from, None) => TimeRange { from: Some(self.moment(from)?), until: None },
            Time::Since(from, Some(until)) | Time::Between(from, until) => {
                between(self.moment(from)?, self.moment(until)?)
            }
            Time::Until(until) => TimeRange { from: None, until: Some(self.moment(until)?) },
            Time::On(date) => self.named_day(date)?,
            Time::Today => self.unit(Unit::Day, 0, place.0)?,
            Time::Yesterday => self.unit(Unit::Day, -1, place.0)?,
            Time::This(unit) => self.unit(*unit, 0, place.0)?,
            Time::Previous(unit) => self.unit(*unit, -1, place.0)?,
            Time::Around(when, dur) => {
                let center = self.moment(when)?;
                between(self.before(center, dur)?, self.after(center, dur)?)
            }
            Time::All => TimeRange::default(),
        };
        match (range.from, range.until) {
            (Some(from), Some(until)) if until <= from => Err(Diagnostic::error(
                "Q0403",
                place.0,
                "the range ends before it starts, or where it starts",
            )
            .help("a range is [from, to): the first date is the earlier one")),
            _ => Ok(range),
        }
    }

    /// The range that `vs` compares with `range`, which `time` stands for.
    ///
    /// # Errors
    /// A range without a start or an end has none before it; and as [`Calendar::range`].
    pub(crate) fn versus(
        &self,
        versus: &Versus,
        time: Option<&Time>,
        range: TimeRange,
        place: Place,
    ) -> Outcome<TimeRange> {
        let dur = match versus {
            Versus::Time(time) => return self.range(time, place),
            Versus::Previous(dur) => dur,
        };
        let open = || {
            let problem = Diagnostic::error("Q0406", place.0, "an open range has none before it");
            problem.help("give the range a start and an end: `last 1d vs previous`")
        };
        let from = range.from.ok_or_else(open)?;
        if let Some(dur) = dur {
            return Ok(TimeRange { from: Some(self.before(from, dur)?), until: Some(from) });
        }
        let until = range.until.ok_or_else(open)?;
        match time {
            Some(Time::Today) => self.unit(Unit::Day, -1, place.0),
            Some(Time::Yesterday) => self.unit(Unit::Day, -2, place.0),
            Some(Time::This(unit)) => self.unit(*unit, -1, place.0),
            Some(Time::Previous(unit)) => self.unit(*unit, -2, place.0),
            Some(Time::On(date)) => self.named(date, -1),
            _ => {
                let length = until.checked_sub(from).ok_or_else(|| out_of_range(place.0))?;
                let start = from.checked_sub(length).ok_or_else(|| out_of_range(place.0))?;
                Ok(TimeRange { from: Some(start), until: Some(from) })
            }
        }
    }

    fn before(&self, time: i64, dur: &Dur) -> Outcome<i64> {
        self.shift(time, dur, -1)
    }

    fn after(&self, time: i64, dur: &Dur) -> Outcome<i64> {
        self.shift(time, dur, 1)
    }

    /// `time` plus or minus a length. A day of a duration has 24 hours; months follow the calendar.
    fn shift(&self, time: i64, dur: &Dur, sign: i64) -> Outcome<i64> {
        let length = units::duration(&dur.text).ok_or_else(|| out_of_range(dur.place.0))?;
        self.shifted(time, length, sign).ok_or_else(|| out_of_range(dur.place.0))
    }

    fn shifted(&self, time: i64, length: Length, sign: i64) -> Option<i64> {
        let fixed = Length { months: 0, ..length }.fixed_ns()?.checked_mul(sign)?;
        let moved = if length.months == 0 {
            time
        } else {
            let zoned = stamp(time)?.to_zoned(self.zone.clone());
            let months = length.months.checked_mul(sign)?;
            nanos(zoned.checked_add(months_of(months)?).ok()?.timestamp())?
        };
        moved.checked_add(fixed)
    }

    /// A point in time.
    ///
    /// # Errors
    /// A day that does not exist, a time that cannot be stored.
    pub(crate) fn moment(&self, when: &When) -> Outcome<i64> {
        let place = when.place.0;
        let text = when.text.as_str();
        let lower = text.to_ascii_lowercase();
        match lower.as_str() {
            "now" => return Ok(self.now),
            "today" | "yesterday" => {
                let range = self.unit(Unit::Day, if lower == "today" { 0 } else { -1 }, place)?;
                return range.from.ok_or_else(|| out_of_range(place));
            }
            _ => {}
        }
        if let Some(offset) = lower.strip_prefix("now") {
            let dur = Dur { text: offset.get(1..).unwrap_or_default().to_owned(), place: when.place };
            return self.shift(self.now, &dur, if offset.starts_with('-') { -1 } else { 1 });
        }
        if units::is_day(text) {
            return self.named_day(when)?.from.ok_or_else(|| out_of_range(place));
        }
        if let Some(ns) = units::epoch_ns(text) {
            return Ok(ns);
        }
        self.date_time(text).ok_or_else(|| {
            Diagnostic::error("Q0402", place, format!("there is no such time as `{text}`"))
                .help("such as 2026-11-22T10:15, 2026-11-22T10:15:00Z, 2026-11-22T10:15+02:00 or 10:15")
        })
    }

    /// A point in time written as text, as [`Calendar::moment`] reads it.
    pub(crate) fn parse(&self, text: &str) -> Option<i64> {
        if !units::is_moment(text) {
            return None;
        }
        self.moment(&When { text: text.to_owned(), place: Place::default() }).ok()
    }

    /// A date with a time of day, or a time of day of today; with an offset, or in the session's zone.
    fn date_time(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        let full = if units::is_clock(text) {
            let today = stamp(self.now)?.to_zoned(self.zone.clone()).date();
            format!("{today}T{text}")
        } else {
            text.replacen(' ', "T", 1)
        };
        let (date, clock) = full.split_once(['T', 't'])?;
        let offset_at = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
        let (clock, offset) = clock.split_at(offset_at);
        let local = DateTime::from_parts(date.parse::<Date>().ok()?, clock_of(clock)?);
        let zone = match offset {
            "" => self.zone.clone(),
            "Z" | "z" => TimeZone::UTC,
            offset => zone(offset)?,
        };
        nanos(local.to_zoned(zone).ok()?.timestamp())
    }

    /// A day, month or year by its name.
    fn named_day(&self, when: &When) -> Outcome<TimeRange> {
        self.named(when, 0)
    }

    /// The same, so many of its kind away.
    fn named(&self, when: &When, count: i64) -> Outcome<TimeRange> {
        let place = when.place.0;
        let unit = match when.text.len() {
            4 => Unit::Year,
            7 => Unit::Month,
            _ => Unit::Day,
        };
        let first: Option<Date> = match unit {
            Unit::Year => format!("{}-01-01", when.text).parse().ok(),
            Unit::Month => format!("{}-01", when.text).parse().ok(),
            _ => when.text.parse().ok(),
        };
        let first = first.ok_or_else(|| {
            Diagnostic::error("Q0402", place, format!("there is no such date as `{}`", when.text))
                .help("a date is year-month-day, such as 2026-11-22")
        })?;
        self.days_from(first, unit, count).ok_or_else(|| out_of_range(place))
    }

    /// The calendar unit that holds now, or one `count` units away.
    fn unit(&self, unit: Unit, count: i64, place: Span) -> Outcome<TimeRange> {
        self.unit_range(unit, count).ok_or_else(|| out_of_range(place))
    }

    fn unit_range(&self, unit: Unit, count: i64) -> Option<TimeRange> {
        let step = match unit {
            Unit::Minute => HOUR_NS / 60,
            Unit::Hour => HOUR_NS,
            _ => {
                let today = stamp(self.now)?.to_zoned(self.zone.clone()).date();
                return self.days_from(first_of(today, unit)?, unit, count);
            }
        };
        let bucket = Bucket::Clock { step };
        let mut range = bucket.of(&self.zone, self.now)?;
        for _ in count..0 {
            range = bucket.of(&self.zone, range.0.checked_sub(1)?)?;
        }
        Some(TimeRange { from: Some(range.0), until: Some(range.1) })
    }

    fn days_from(&self, first: Date, unit: Unit, count: i64) -> Option<TimeRange> {
        let step = |count: i64| match unit {
            Unit::Week => days_of(count.checked_mul(7)?),
            Unit::Month => months_of(count),
            Unit::Quarter => months_of(count.checked_mul(3)?),
            Unit::Year => months_of(count.checked_mul(12)?),
            _ => days_of(count),
        };
        let from = first.checked_add(step(count)?).ok()?;
        let until = first.checked_add(step(count + 1)?).ok()?;
        Some(TimeRange { from: Some(midnight(from, &self.zone)?), until: Some(midnight(until, &self.zone)?) })
    }
}

fn out_of_range(place: Span) -> Diagnostic {
    Diagnostic::error("Q0402", place, "this time is outside of what a store can hold")
        .help("times lie from 1677-09-22 to 2262-04-11")
}

fn days_of(count: i64) -> Option<jiff::Span> {
    jiff::Span::new().try_days(count).ok()
}

fn months_of(count: i64) -> Option<jiff::Span> {
    jiff::Span::new().try_months(count).ok()
}

fn clock_of(text: &str) -> Option<Clock> {
    // jiff reads `10:15` and `10:15:00.5`; a leap second is its minute's last.
    if text.len() == 2 { format!("{text}:00").parse().ok() } else { text.parse().ok() }
}

fn stamp(ns: i64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(ns)).ok()
}

fn nanos(stamp: Timestamp) -> Option<i64> {
    i64::try_from(stamp.as_nanosecond()).ok()
}

/// When a local day starts: not always at midnight, where clocks change then.
fn midnight(date: Date, zone: &TimeZone) -> Option<i64> {
    nanos(date.to_zoned(zone.clone()).ok()?.timestamp())
}

fn first_of(date: Date, unit: Unit) -> Option<Date> {
    Some(match unit {
        Unit::Week => date.checked_sub(days_of(i64::from(date.weekday().to_monday_zero_offset()))?).ok()?,
        Unit::Month => date.first_of_month(),
        Unit::Quarter => Date::new(date.year(), (date.month() - 1) / 3 * 3 + 1, 1).ok()?,
        Unit::Year => date.first_of_year(),
        _ => date,
    })
}

/// The time buckets of `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bucket {
    /// Steps of the local clock, from midnight where they divide a day, else from 1970.
    Clock {
        /// Nanoseconds, under a day or no whole days.
        step: i64,
    },
    /// Local days, counted from 1970-01-01.
    Days(i64),
    /// Weeks from Monday.
    Weeks(i64),
    /// Months, counted from January.
    Months(i64),
}

impl Bucket {
    /// The bucket of a duration: of one kind of unit.
    ///
    /// # Errors
    /// A mix such as `1mo2d`, which would have no fixed place on the calendar.
    pub(crate) fn new(dur: &Dur) -> Outcome<Self> {
        let mixed = || {
            Diagnostic::error("Q0405", dur.place.0, format!("`{}` mixes units of the calendar", dur.text))
                .help("a bucket is so many minutes or hours, days, weeks, or months")
        };
        let Length { months, weeks, days, ns } = units::duration(&dur.text).ok_or_else(mixed)?;
        match (months, weeks, days, ns) {
            (1.., 0, 0, 0) => Ok(Self::Months(months)),
            (0, 1.., 0, 0) => Ok(Self::Weeks(weeks)),
            (0, 0, 1.., 0) => Ok(Self::Days(days)),
            (0, 0, _, 1..) => {
                let step =
                    days.checked_mul(DAY_NS).and_then(|days| days.checked_add(ns)).ok_or_else(mixed)?;
                Ok(if step % DAY_NS == 0 { Self::Days(step / DAY_NS) } else { Self::Clock { step } })
            }
            _ => Err(mixed()),
        }
    }

    /// The bucket that holds `time`: its first nanosecond and the first after it.
    pub(crate) fn of(&self, zone: &TimeZone, time: i64) -> Option<(i64, i64)> {
        match *self {
            Self::Clock { step } if *zone == TimeZone::UTC => floor(time, step),
            Self::Clock { step } => clock_bucket(zone, step, time),
            Self::Days(count) if *zone == TimeZone::UTC => floor(time, count.checked_mul(DAY_NS)?),
            Self::Days(count) => {
                let date = stamp(time)?.to_zoned(zone.clone()).date();
                let since = i64::from(days_between(Date::new(1970, 1, 1).ok()?, date));
                day_range(zone, date, since.rem_euclid(count), count)
            }
            Self::Weeks(count) => {
                let date = stamp(time)?.to_zoned(zone.clone()).date();
                let since = i64::from(days_between(Date::new(1970, 1, 5).ok()?, date));
                day_range(zone, date, since.rem_euclid(count.checked_mul(7)?), count.checked_mul(7)?)
            }
            Self::Months(count) => {
                let date = stamp(time)?.to_zoned(zone.clone()).date();
                let month = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
                let first = date.first_of_month().checked_sub(months_of(month.rem_euclid(count))?).ok()?;
                let next = first.checked_add(months_of(count)?).ok()?;
                Some((midnight(first, zone)?, midnight(next, zone)?))
            }
        }
    }
}

fn days_between(from: Date, until: Date) -> i32 {
    until.since(from).map_or(0, |span| span.get_days())
}

fn day_range(zone: &TimeZone, date: Date, into: i64, count: i64) -> Option<(i64, i64)> {
    let first = date.checked_sub(days_of(into)?).ok()?;
    let next = first.checked_add(days_of(count)?).ok()?;
    Some((midnight(first, zone)?, midnight(next, zone)?))
}

fn floor(time: i64, step: i64) -> Option<(i64, i64)> {
    // At the edges of what an i64 holds the bucket is cut.
    let start = time.checked_sub(time.rem_euclid(step)).unwrap_or(i64::MIN);
    Some((start, start.saturating_add(step)))
}

/// A bucket of the local clock.
///
/// Up to an hour, buckets follow the offset in force: an hour that is repeated makes two buckets, and a bucket
/// never reaches over a change of the clocks. Longer ones start at the local times 00:00, 06:00, ..., so a
/// bucket with a change in it is longer or shorter.
fn clock_bucket(zone: &TimeZone, step: i64, time: i64) -> Option<(i64, i64)> {
    let stamp_at = stamp(time)?;
    let offset = i64::from(zone.to_offset(stamp_at).seconds()).checked_mul(1_000_000_000)?;
    if DAY_NS % step == 0 && HOUR_NS < step {
        let local = zone.to_datetime(stamp_at);
        let into = i64::try_from(local.time().duration_since(Clock::midnight()).as_nanos()).ok()?;
        let start = local.date().to_datetime(Clock::midnight());
        let at = |into: i64| {
            let local = start.checked_add(SignedDuration::from_nanos(into)).ok()?;
            nanos(zone.to_ambiguous_timestamp(local).compatible().ok()?)
        };
        let first = into - into % step;
        return Some((at(first)?, at(first.checked_add(step)?)?));
    }
    let (local_start, _) = floor(time.checked_add(offset)?, step)?;
    let start = local_start.checked_sub(offset)?;
    let before = zone.preceding(stamp_at.checked_add(SignedDuration::from_nanos(1)).ok()?).next();
    let after = zone.following(stamp_at).next();
    let changed = before.and_then(|change| nanos(change.timestamp())).unwrap_or(i64::MIN);
    let changes = after.and_then(|change| nanos(change.timestamp())).unwrap_or(i64::MAX);
    Some((start.max(changed), start.saturating_add(step).min(changes)))
}

impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Clock { step } => {
                for (unit, ns) in
                    [("h", HOUR_NS), ("m", HOUR_NS / 60), ("s", 1_000_000_000), ("ms", 1_000_000)]
                {
                    if step % ns == 0 {
                        return write!(f, "{}{unit}", step / ns);
                    }
                }
                write!(f, "{step}ns")
            }
            Self::Days(count) => write!(f, "{count}d"),
            Self::Weeks(count) => write!(f, "{count}w"),
            Self::Months(count) => write!(f, "{count}mo"),
        }
    }
}

#[cfg(test)]
mod tests;
