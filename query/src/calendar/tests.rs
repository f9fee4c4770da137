//! Every time clause, in zones with and without changes of the clocks.

use super::*;
use crate::ast::Clause;
use crate::json::time_text;
use crate::query::Query;

/// 2026-11-22T12:00:00Z, a Sunday.
const NOW: i64 = 1_795_348_800_000_000_000;

fn calendar(zone_name: &str) -> Calendar {
    Calendar { now: NOW, zone: zone(zone_name).unwrap() }
}

fn at(text: &str) -> i64 {
    calendar("UTC").parse(text).unwrap_or_else(|| panic!("{text} is no time"))
}

/// The range of a clause as text, or the code of its problem.
fn range(calendar: &Calendar, clause: &str) -> String {
    let query = match Query::parse(&format!("events {clause}")) {
        Ok(query) => query,
        Err(error) => return error.diagnostics()[0].code.to_owned(),
    };
    let Some(Clause::Time(time, place)) = query.tree().clauses.first() else {
        return "no time clause".to_owned();
    };
    let end = |end: Option<i64>| end.map_or_else(|| "open".to_owned(), time_text);
    match calendar.range(time, *place) {
        Ok(range) => format!("{} {}", end(range.from), end(range.until)),
        Err(problem) => problem.code.to_owned(),
    }
}

fn check(zone: &str, clause: &str, want: &str) {
    assert_eq!(range(&calendar(zone), clause), want, "{clause} in {zone}");
}

#[test]
fn lengths_of_time_end_now() {
    check("UTC", "last 24h", "2026-11-21T12:00:00Z 2026-11-22T12:00:00Z");
    check("UTC", "last 90s", "2026-11-22T11:58:30Z 2026-11-22T12:00:00Z");
    check("UTC", "last 2d12h", "2026-11-20T00:00:00Z 2026-11-22T12:00:00Z");
    check("UTC", "last 1.5h", "2026-11-22T10:30:00Z 2026-11-22T12:00:00Z");
    check("UTC", "last 2w", "2026-11-08T12:00:00Z 2026-11-22T12:00:00Z");
    check("UTC", "last 1mo", "2026-10-22T12:00:00Z 2026-11-22T12:00:00Z");
    check("UTC", "last 7 days", "2026-11-15T12:00:00Z 2026-11-22T12:00:00Z");
    // A month keeps the local time of day over a change of the clocks; a day has 24 hours.
    check("Europe/Vienna", "last 1mo", "2026-10-22T11:00:00Z 2026-11-22T12:00:00Z");
    check("Europe/Vienna", "last 30d", "2026-10-23T12:00:00Z 2026-11-22T12:00:00Z");
}

#[test]
fn points_in_time_are_read_in_every_spelling() {
    check("UTC", "since 2026-11-20", "2026-11-20T00:00:00Z open");
    check("UTC", "until 2026-11-20", "open 2026-11-20T00:00:00Z");
    check("UTC", "since 2026-11-20 until 2026-11-21", "2026-11-20T00:00:00Z 2026-11-21T00:00:00Z");
    check(
        "UTC",
        "between 2026-11-20 10:00 and 2026-11-20 11:30:15.5",
        "2026-11-20T10:00:00Z 2026-11-20T11:30:15.500Z",
    );
    check("UTC", "since 2026-11-20T10:00:00+02:00", "2026-11-20T08:00:00Z open");
    check("UTC", "since \"2026-11-20 10:00Z\"", "2026-11-20T10:00:00Z open");
    check("UTC", "since now-2h until now", "2026-11-22T10:00:00Z 2026-11-22T12:00:00Z");
    check("UTC", "since now-1mo", "2026-10-22T12:00:00Z open");
    check("UTC", "since 1700000000", "2023-11-14T22:13:20Z open");
    check("UTC", "since 1700000000123", "2023-11-14T22:13:20.123Z open");
    check("UTC", "since 1700000000123456", "2023-11-14T22:13:20.123456Z open");
    check("UTC", "since 1700000000123456789", "2023-11-14T22:13:20.123456789Z open");
    check("UTC", "since 10:15", "2026-11-22T10:15:00Z open");
    check("UTC", "since yesterday", "2026-11-21T00:00:00Z open");
    check("UTC", "since 2026-11", "2026-11-01T00:00:00Z open");
    check("Europe/Vienna", "since 2026-11-20", "2026-11-19T23:00:00Z open");
    check("Asia/Kolkata", "since 2026-11-20T10:00", "2026-11-20T04:30:00Z open");
    check("Asia/Kolkata", "since 2026-11-20T10:00Z", "2026-11-20T10:00:00Z open");
}

#[test]
fn calendar_words_follow_the_zone() {
    check("UTC", "today", "2026-11-22T00:00:00Z 2026-11-23T00:00:00Z");
    check("UTC", "yesterday", "2026-11-21T00:00:00Z 2026-11-22T00:00:00Z");
    check("Pacific/Auckland", "today", "2026-11-22T11:00:00Z 2026-11-23T11:00:00Z");
    check("America/New_York", "yesterday", "2026-11-21T05:00:00Z 2026-11-22T05:00:00Z");
    check("UTC", "on 2026-11-20", "2026-11-20T00:00:00Z 2026-11-21T00:00:00Z");
    check("UTC", "on 2026-10", "2026-10-01T00:00:00Z 2026-11-01T00:00:00Z");
    check("UTC", "this minute", "2026-11-22T12:00:00Z 2026-11-22T12:01:00Z");
    check("UTC", "this hour", "2026-11-22T12:00:00Z 2026-11-22T13:00:00Z");
    check("UTC", "previous hour", "2026-11-22T11:00:00Z 2026-11-22T12:00:00Z");
    check("Asia/Kolkata", "this hour", "2026-11-22T11:30:00Z 2026-11-22T12:30:00Z");
    check("UTC", "this week", "2026-11-16T00:00:00Z 2026-11-23T00:00:00Z");
    check("UTC", "previous week", "2026-11-09T00:00:00Z 2026-11-16T00:00:00Z");
    check("UTC", "this month", "2026-11-01T00:00:00Z 2026-12-01T00:00:00Z");
    check("UTC", "previous month", "2026-10-01T00:00:00Z 2026-11-01T00:00:00Z");
    check("UTC", "this quarter", "2026-10-01T00:00:00Z 2027-01-01T00:00:00Z");
    check("UTC", "previous quarter", "2026-07-01T00:00:00Z 2026-10-01T00:00:00Z");
    check("UTC", "this year", "2026-01-01T00:00:00Z 2027-01-01T00:00:00Z");
    check("UTC", "previous year", "2025-01-01T00:00:00Z 2026-01-01T00:00:00Z");
    check("UTC", "all time", "open open");
    // October in Vienna has 25 hours on its last Sunday: it starts at +02:00 and ends at +01:00.
    check("Europe/Vienna", "previous month", "2026-09-30T22:00:00Z 2026-10-31T23:00:00Z");
    // This quarter started in summer time.
    check("America/New_York", "this quarter", "2026-10-01T04:00:00Z 2027-01-01T05:00:00Z");
}

#[test]
fn around_reaches_both_ways() {
    check("UTC", "around 2026-11-22T10:15 +-5m", "2026-11-22T10:10:00Z 2026-11-22T10:20:00Z");
    check("UTC", "around 2026-11-22 10:15 \u{b1}5m", "2026-11-22T10:10:00Z 2026-11-22T10:20:00Z");
    check("UTC", "around 10:15 \u{b1} 1h", "2026-11-22T09:15:00Z 2026-11-22T11:15:00Z");
}

#[test]
fn the_day_of_a_change_is_shorter_or_longer() {
    check("Europe/Vienna", "on 2026-03-29", "2026-03-28T23:00:00Z 2026-03-29T22:00:00Z");
    check("Europe/Vienna", "on 2026-10-25", "2026-10-24T22:00:00Z 2026-10-25T23:00:00Z");
    // In Cairo and Santiago clocks change at midnight: the day starts at one.
    check("America/Santiago", "on 2026-09-06", "2026-09-06T04:00:00Z 2026-09-07T03:00:00Z");
    // A local time in the gap is read by the offset before it, one that is there twice is the first.
    check("Europe/Vienna", "since 2026-03-29T02:30", "2026-03-29T01:30:00Z open");
    check("Europe/Vienna", "since 2026-10-25T02:30", "2026-10-25T00:30:00Z open");
}

#[test]
fn what_is_no_time_says_so() {
    for (clause, code) in [
        ("since 2026-13-01", "Q0402"),
        ("since 2026-02-30", "Q0402"),
        ("on 2026-02-30", "Q0402"),
        ("since 25:99", "Q0402"),
        ("since soon", "Q0402"),
        ("since 2h", "Q0402"),
        ("since", "Q0402"),
        ("since 9999-01-01", "Q0402"),
        ("since 0001-01-01", "Q0402"),
        ("last 5", "Q0401"),
        ("last hour", "Q0401"),
        ("last", "Q0401"),
        ("last 999999999d", "Q0401"),
        ("since now-1000000d", "Q0402"),
        ("this fortnight", "Q0402"),
        ("around 10:15", "Q0401"),
        ("since 2026-11-22 until 2026-11-21", "Q0403"),
        ("between now and now", "Q0403"),
        ("on tuesday", "Q0402"),
    ] {
        check("UTC", clause, code);
    }
}

fn bucket(zone_name: &str, per: &str, time: &str) -> String {
    let per = Bucket::new(&Dur { text: per.to_owned(), place: Place::default() }).unwrap();
    let (start, end) = per.of(&zone(zone_name).unwrap(), at(time)).unwrap();
    format!("{} {}", time_text(start), time_text(end))
}

#[test]
fn buckets_lie_on_the_local_clock_and_calendar() {
    for (zone, per, time, want) in [
        ("UTC", "1h", "2026-11-22T10:59:59Z", "2026-11-22T10:00:00Z 2026-11-22T11:00:00Z"),
        ("UTC", "15m", "2026-11-22T10:59:59Z", "2026-11-22T10:45:00Z 2026-11-22T11:00:00Z"),
        ("UTC", "6h", "2026-11-22T10:59:59Z", "2026-11-22T06:00:00Z 2026-11-22T12:00:00Z"),
        ("UTC", "1d", "1969-12-31T23:59:59Z", "1969-12-31T00:00:00Z 1970-01-01T00:00:00Z"),
        ("UTC", "24h", "2026-11-22T10:59:59Z", "2026-11-22T00:00:00Z 2026-11-23T00:00:00Z"),
        ("UTC", "1w", "2026-11-22T10:59:59Z", "2026-11-16T00:00:00Z 2026-11-23T00:00:00Z"),
        ("UTC", "1mo", "2026-11-22T10:59:59Z", "2026-11-01T00:00:00Z 2026-12-01T00:00:00Z"),
        ("UTC", "3mo", "2026-11-22T10:59:59Z", "2026-10-01T00:00:00Z 2027-01-01T00:00:00Z"),
        ("UTC", "1y", "2026-11-22T10:59:59Z", "2026-01-01T00:00:00Z 2027-01-01T00:00:00Z"),
        ("Asia/Kolkata", "1h", "2026-11-22T10:00:00Z", "2026-11-22T09:30:00Z 2026-11-22T10:30:00Z"),
        ("Europe/Vienna", "1d", "2026-11-22T23:30:00Z", "2026-11-22T23:00:00Z 2026-11-23T23:00:00Z"),
        ("Europe/Vienna", "6h", "2026-11-22T10:59:59Z", "2026-11-22T05:00:00Z 2026-11-22T11:00:00Z"),
    ] {
        assert_eq!(bucket(zone, per, time), want, "{time} per {per} in {zone}");
    }
}

#[test]
fn a_repeated_hour_makes_two_buckets_and_a_skipped_one_none() {
    // 2026-10-25: 03:00 becomes 02:00 at 01:00Z.
    assert_eq!(
        bucket("Europe/Vienna", "1h", "2026-10-25T00:30:00Z"),
        "2026-10-25T00:00:00Z 2026-10-25T01:00:00Z"
    );
    assert_eq!(
        bucket("Europe/Vienna", "1h", "2026-10-25T01:30:00Z"),
        "2026-10-25T01:00:00Z 2026-10-25T02:00:00Z"
    );
    assert_eq!(
        bucket("Europe/Vienna", "6h", "2026-10-25T01:30:00Z"),
        "2026-10-24T22:00:00Z 2026-10-25T05:00:00Z"
    );
    assert_eq!(
        bucket("Europe/Vienna", "1d", "2026-10-25T12:00:00Z"),
        "2026-10-24T22:00:00Z 2026-10-25T23:00:00Z"
    );
    // 2026-03-29: 02:00 becomes 03:00 at 01:00Z.
    assert_eq!(
        bucket("Europe/Vienna", "2h", "2026-03-29T01:30:00Z"),
        "2026-03-29T01:00:00Z 2026-03-29T02:00:00Z"
    );
    assert_eq!(
        bucket("Europe/Vienna", "6h", "2026-03-29T01:30:00Z"),
        "2026-03-28T23:00:00Z 2026-03-29T04:00:00Z"
    );
    // Lord Howe changes by half an hour: the hour in which it does is cut.
    assert_eq!(
        bucket("Australia/Lord_Howe", "1h", "2026-04-04T15:10:00Z"),
        "2026-04-04T15:00:00Z 2026-04-04T15:30:00Z"
    );
}

#[test]
fn every_time_lies_in_its_bucket_and_buckets_do_not_overlap() {
    for zone_name in [
        "UTC",
        "Europe/Vienna",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Santiago",
        "Asia/Kathmandu",
    ] {
        let zone = zone(zone_name).unwrap();
        for per in ["1m", "7m", "15m", "1h", "2h", "5h", "6h", "12h", "1d", "3d", "1w", "1mo", "5mo"] {
            let bucket = Bucket::new(&Dur { text: per.to_owned(), place: Place::default() }).unwrap();
            let mut before: Option<(i64, i64)> = None;
            // Around the changes of 2026, in steps that do not divide an hour.
            for from in [
                "2026-03-07T00:00Z",
                "2026-03-28T12:00Z",
                "2026-04-04T00:00Z",
                "2026-10-03T00:00Z",
                "2026-10-24T12:00Z",
                "2026-10-31T12:00Z",
            ] {
                for step in 0..300 {
                    let time = at(from) + step * 611_000_000_000;
                    let (start, end) = bucket.of(&zone, time).unwrap();
                    assert!((start..end).contains(&time), "{zone_name} {per} {}", time_text(time));
                    if let Some((old_start, old_end)) = before {
                        let same = (old_start, old_end) == (start, end);
                        assert!(same || old_end <= start, "{zone_name} {per} {}", time_text(time));
                    }
                    before = Some((start, end));
                }
            }
        }
    }
}

#[test]
fn a_bucket_of_mixed_units_is_refused() {
    for text in ["1mo2d", "1w1h", "1mo1h"] {
        assert!(Bucket::new(&Dur { text: text.to_owned(), place: Place::default() }).is_err(), "{text}");
    }
    let mixed = Bucket::new(&Dur { text: "1d12h".to_owned(), place: Place::default() }).unwrap();
    assert_eq!(mixed, Bucket::Clock { step: 36 * HOUR_NS });
}

#[test]
fn zones_are_found_by_name_and_offset() {
    for name in ["UTC", "utc", "Z", "Europe/Vienna", "europe/vienna", "+02:00", "-0530"] {
        assert!(zone(name).is_some(), "{name}");
    }
    for name in ["UTC", "Europe/Vienna", "+02:00", "-05:30"] {
        assert_eq!(zone_name(&zone(name).unwrap()), name);
    }
    for name in ["Vienna", "", "+99:99", "../etc/passwd", "+"] {
        assert!(zone(name).is_none(), "{name}");
    }
}
