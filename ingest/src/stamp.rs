//! Time stamps in text: the spellings that logs use, read into calendar fields. No zones are looked up
//! and no clock is asked here; see `time` for what a stamp means.
//!
//! Every function takes a [`Cursor`] and leaves it behind the stamp when it finds one.

/// A walk over bytes that never leaves them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }

    fn eat_any(&mut self, of: &[u8]) -> Option<u8> {
        let byte = self.peek()?;
        if !of.contains(&byte) {
            return None;
        }
        self.at += 1;
        Some(byte)
    }

    /// Exactly `count` digits, at most nine.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for &byte in self.bytes.get(self.at..self.at + count)? {
            if !byte.is_ascii_digit() {
                return None;
            }
            value = value * 10 + u32::from(byte - b'0');
        }
        self.at += count;
        Some(value)
    }

    /// Two digits, or one digit after one or more spaces or alone.
    fn day(&mut self) -> Option<u32> {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
        self.digits(2).or_else(|| self.digits(1))
    }

    fn word(&mut self, len: usize) -> Option<&'a [u8]> {
        let word = self.bytes.get(self.at..self.at + len)?;
        self.at += len;
        Some(word)
    }

    /// Whether a stamp may end here: no letter or digit follows.
    fn at_boundary(&self) -> bool {
        !self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric())
    }
}

/// Which zone a stamp names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// None: the zone of the import counts.
    Unsaid,
    /// Seconds east of UTC.
    Offset(i32),
}

/// A point in time as it stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// `None`: the text names no year.
    pub(crate) year: Option<i32>,
    pub(crate) month: u32,
    pub(crate) day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
    pub(crate) nano: u32,
    pub(crate) zone: Zone,
    /// Whether this is the one spelling in which times are printed: RFC 3339, UTC, shortest fraction of 0, 3,
    /// 6 or 9 digits.
    pub(crate) canonical: bool,
}

impl Stamp {
    const fn date(year: Option<i32>, month: u32, day: u32) -> Self {
        Self {
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
            nano: 0,
            zone: Zone::Unsaid,
            canonical: false,
        }
    }

    fn with_clock(self, clock: &Clock) -> Self {
        let &Clock { hour, minute, second, nano, .. } = clock;
        Self { hour, minute, second, nano, ..self }
    }
}

struct Clock {
    hour: u32,
    minute: u32,
    second: u32,
    nano: u32,
    /// Seconds are there, and the fraction is the shortest of 0, 3, 6 or 9 digits after a point.
    canonical: bool,
}

/// `HH:MM[:SS[.fraction]]`; the fraction may follow a comma, digits beyond nine are dropped.
fn clock(cursor: &mut Cursor<'_>, colon: u8) -> Option<Clock> {
    let hour = cursor.digits(2)?;
    cursor.eat(colon)?;
    let minute = cursor.digits(2)?;
    let mut made = Clock { hour, minute, second: 0, nano: 0, canonical: false };
    let mut ahead = *cursor;
    if ahead.eat(colon).is_some()
        && let Some(second) = ahead.digits(2)
    {
        made.second = second;
        made.canonical = true;
        *cursor = ahead;
        fraction(cursor, &mut made);
    }
    (made.hour < 24 && made.minute < 60 && made.second < 61).then_some(made)
}

fn fraction(cursor: &mut Cursor<'_>, made: &mut Clock) {
    let mut ahead = *cursor;
    let Some(point) = ahead.eat_any(b".,") else { return };
    let mut count = 0;
    let mut nano = 0;
    while let Some(digit) = ahead.digits(1) {
        if count < 9 {
            nano = nano * 10 + digit;
        }
        count += 1;
    }
    if count == 0 {
        return;
    }
    let shortest = match count {
        3 => nano != 0,
        6 | 9 => !nano.is_multiple_of(1_000),
        _ => false,
    };
    made.canonical = point == b'.' && shortest;
    made.nano = nano * 10_u32.pow(9_u32.saturating_sub(count));
    *cursor = ahead;
}

/// `Z`, `+03:30`, `+0330`, `+03`, ` +0330`, ` UTC`, ` GMT`. The flag says that it is a plain `Z`.
fn zone(cursor: &mut Cursor<'_>) -> (Zone, bool) {
    let mut ahead = *cursor;
    if let Some(letter) = ahead.eat_any(b"Zz")
        && ahead.at_boundary()
    {
        *cursor = ahead;
        return (Zone::Offset(0), letter == b'Z');
    }
    ahead = *cursor;
    let spaced = ahead.eat(b' ').is_some();
    let mut word = ahead;
    if let Some(b"UTC" | b"GMT") = word.word(3)
        && word.at_boundary()
    {
        *cursor = word;
        return (Zone::Offset(0), false);
    }
    match offset(&mut ahead, spaced) {
        Some(seconds) if ahead.at_boundary() => {
            *cursor = ahead;
            (Zone::Offset(seconds), false)
        }
        _ => (Zone::Unsaid, false),
    }
}

fn offset(cursor: &mut Cursor<'_>, spaced: bool) -> Option<i32> {
    let east = cursor.eat_any(b"+-")? == b'+';
    let hours = cursor.digits(2)?;
    let mut ahead = *cursor;
    let _ = ahead.eat(b':');
    let minutes = match ahead.digits(2) {
        Some(minutes) => {
            *cursor = ahead;
            minutes
        }
        // ` -12` after a stamp is more often a number than a zone.
        None if spaced => return None,
        None => 0,
    };
    if 23 < hours || 59 < minutes {
        return None;
    }
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    Some(if east { seconds } else { -seconds })
}

/// `2015-07-29 17:41:44,747`, `2013-09-06T20:00:48.124817Z`, `2023/05/15 18:19:32`, and
/// `2005-06-03-15.42.50.675872`. Without a time of day only where `date_alone` says so.
pub(crate) fn iso(cursor: &mut Cursor<'_>, date_alone: bool) -> Option<Stamp> {
    let year = i32::try_from(cursor.digits(4)?).ok()?;
    let dash = cursor.eat_any(b"-/")?;
    let month = cursor.digits(2)?;
    cursor.eat(dash)?;
    let day = cursor.digits(2)?;
    let mut stamp = Stamp::date(Some(year), month, day);
    let mut ahead = *cursor;
    let parted = ahead.eat_any(b"Tt _-");
    let colon = if parted == Some(b'-') { b'.' } else { b':' };
    match parted.and_then(|_| clock(&mut ahead, colon)) {
        Some(clock) => {
            let shortest = clock.canonical && clock.second < 60;
            stamp = stamp.with_clock(&clock);
            *cursor = ahead;
            let (zone, plain) = zone(cursor);
            stamp.zone = zone;
            stamp.canonical = shortest && plain && dash == b'-' && parted == Some(b'T');
        }
        None if date_alone => {}
        None => return None,
    }
    (cursor.at_boundary() && valid(&stamp)).then_some(stamp)
}

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const WEEKDAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

fn month(cursor: &mut Cursor<'_>) -> Option<u32> {
    let word = cursor.word(3)?;
    let at = MONTHS.iter().position(|month| month.as_slice() == word)?;
    u32::try_from(at + 1).ok()
}

/// `26/Jan/2019:19:45:25 +0330`, the stamp of web servers.
pub(crate) fn web(cursor: &mut Cursor<'_>) -> Option<Stamp> {
    let day = cursor.digits(2)?;
    cursor.eat(b'/')?;
    let month = month(cursor)?;
    cursor.eat(b'/')?;
    let year = i32::try_from(cursor.digits(4)?).ok()?;
    cursor.eat(b':')?;
    let mut stamp = Stamp::date(Some(year), month, day).with_clock(&clock(cursor, b':')?);
    stamp.zone = zone(cursor).0;
    (cursor.at_boundary() && valid(&stamp)).then_some(stamp)
}

/// `Jun 14 15:16:01` and `Jun  4 15:16:01.123`, without a year.
pub(crate) fn syslog(cursor: &mut Cursor<'_>) -> Option<Stamp> {
    let month = month(cursor)?;
    cursor.eat(b' ')?;
    let day = cursor.day()?;
    cursor.eat(b' ')?;
    let stamp = Stamp::date(None, month, day).with_clock(&clock(cursor, b':')?);
    (cursor.at_boundary() && valid(&stamp)).then_some(stamp)
}

/// `Sun Dec 04 04:47:44 2005`, also with a zone or a fraction of a second before the year, and
/// `Sun, 04 Dec 2005 04:47:44 +0000`.
pub(crate) fn weekday(cursor: &mut Cursor<'_>) -> Option<Stamp> {
    let word = cursor.word(3)?;
    if !WEEKDAYS.iter().any(|day| day.as_slice() == word) {
        return None;
    }
    if cursor.eat(b',').is_some() {
        let day = cursor.day()?;
        cursor.eat(b' ')?;
        let month = month(cursor)?;
        cursor.eat(b' ')?;
        let year = i32::try_from(cursor.digits(4)?).ok()?;
        cursor.eat(b' ')?;
        let mut stamp = Stamp::date(Some(year), month, day).with_clock(&clock(cursor, b':')?);
        stamp.zone = zone(cursor).0;
        return (cursor.at_boundary() && valid(&stamp)).then_some(stamp);
    }
    cursor.eat(b' ')?;
    let mut stamp = syslog(cursor)?;
    stamp.zone = zone(cursor).0;
    cursor.eat(b' ')?;
    stamp.year = Some(i32::try_from(cursor.digits(4)?).ok()?);
    (cursor.at_boundary() && valid(&stamp)).then_some(stamp)
}

/// `17/06/09 20:10:40` (year of this century, month, day) and `081109 203615`.
pub(crate) fn short(cursor: &mut Cursor<'_>) -> Option<Stamp> {
    let year = i32::try_from(cursor.digits(2)?).ok()? + 2000;
    let slashed = cursor.eat(b'/').is_some();
    let month = cursor.digits(2)?;
    if slashed {
        cursor.eat(b'/')?;
    }
    let day = cursor.digits(2)?;
    cursor.eat(b' ')?;
    let date = Stamp::date(Some(year), month, day);
    let stamp = if slashed {
        date.with_clock(&clock(cursor, b':')?)
    } else {
        let (hour, minute, second) = (cursor.digits(2)?, cursor.digits(2)?, cursor.digits(2)?);
        Stamp { hour, minute, second, ..date }
    };
    (cursor.at_boundary() && valid(&stamp)).then_some(stamp)
}

/// `E0517 15:04:22.619632`: a letter for the level, month and day. Without a year.
pub(crate) fn letter(cursor: &mut Cursor<'_>) -> Option<(u8, Stamp)> {
    let level = cursor.eat_any(b"IWEF")?;
    let (month, day) = (cursor.digits(2)?, cursor.digits(2)?);
    cursor.eat(b' ')?;
    let stamp = Stamp::date(None, month, day).with_clock(&clock(cursor, b':')?);
    (cursor.at_boundary() && valid(&stamp)).then_some((level, stamp))
}

/// Ten digits of seconds since 1970 in this century, alone as a word, with or without a fraction: nanoseconds.
pub(crate) fn epoch(cursor: &mut Cursor<'_>) -> Option<i64> {
    let seconds = i64::from(cursor.digits(5)?) * 100_000 + i64::from(cursor.digits(5)?);
    let mut made = Clock { hour: 0, minute: 0, second: 0, nano: 0, canonical: false };
    fraction(cursor, &mut made);
    if !(946_684_800..4_102_444_800).contains(&seconds) || !cursor.at_boundary() {
        return None;
    }
    Some(seconds * 1_000_000_000 + i64::from(made.nano))
}

/// `2005.06.03`, the date that follows the epoch in logs of some machines.
pub(crate) fn dotted_date(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.digits(4)?;
    cursor.eat(b'.')?;
    cursor.digits(2)?;
    cursor.eat(b'.')?;
    cursor.digits(2)?;
    Some(())
}

/// Days of a month; February of a year without a number has 29.
pub(crate) fn days_in_month(year: Option<i32>, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => match year {
            Some(year) if !(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) => 28,
            _ => 29,
        },
        _ => 31,
    }
}

fn valid(stamp: &Stamp) -> bool {
    (1..=12).contains(&stamp.month)
        && (1..=days_in_month(stamp.year, stamp.month)).contains(&stamp.day)
        && stamp.hour < 24
        && stamp.minute < 60
        && stamp.second < 61
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(stamp: Option<Stamp>) -> String {
        let Some(s) = stamp else { return "-".into() };
        let year = s.year.map_or("?".into(), |year| year.to_string());
        let zone = match s.zone {
            Zone::Unsaid => String::new(),
            Zone::Offset(seconds) => format!(" {seconds:+}"),
        };
        let canonical = if s.canonical { " canonical" } else { "" };
        let (month, day, hour, minute, second, nano) = (s.month, s.day, s.hour, s.minute, s.second, s.nano);
        format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{nano:09}{zone}{canonical}")
    }

    #[test]
    fn year_first_stamps_read_in_every_spelling() {
        for (text, want) in [
            ("2026-01-05T15:02:06.978Z", "2026-01-05 15:02:06.978000000 +0 canonical"),
            ("2026-01-05T15:02:06Z", "2026-01-05 15:02:06.000000000 +0 canonical"),
            ("2026-01-05T15:02:06.000Z", "2026-01-05 15:02:06.000000000 +0"),
            ("2026-01-05T15:02:06.978000Z", "2026-01-05 15:02:06.978000000 +0"),
            ("2026-01-05T15:02:06.97Z", "2026-01-05 15:02:06.970000000 +0"),
            ("2026-01-05t15:02:06z", "2026-01-05 15:02:06.000000000 +0"),
            ("2023-11-16 18:15:46.6805900", "2023-11-16 18:15:46.680590000"),
            ("2023/11/16 18:15", "2023-11-16 18:15:00.000000000"),
            ("2015-07-29 17:41:44,747 - INFO", "2015-07-29 17:41:44.747000000"),
            ("2022-08-27T17:22:01.694554+03:00 x", "2022-08-27 17:22:01.694554000 +10800"),
            ("2022-08-27 17:22:01 -0730", "2022-08-27 17:22:01.000000000 -27000"),
            ("2022-08-27 17:22:01 UTC", "2022-08-27 17:22:01.000000000 +0"),
            ("2022-08-27 17:22:01 -12", "2022-08-27 17:22:01.000000000"),
            ("2005-06-03-15.42.50.675872", "2005-06-03 15:42:50.675872000"),
            ("2016-12-31T23:59:60Z", "2016-12-31 23:59:60.000000000 +0"),
            ("2024-02-29", "2024-02-29 00:00:00.000000000"),
            ("2023-02-29", "-"),
            ("2023-25-06 20:10:30", "-"),
            ("2023-11-16T10:00:00x", "-"),
            ("2023-11/16", "-"),
            ("202", "-"),
        ] {
            assert_eq!(show(iso(&mut Cursor::new(text.as_bytes(), 0), true)), want, "{text}");
        }
    }

    #[test]
    fn the_stamps_of_other_logs_read() {
        type Read = fn(&mut Cursor<'_>) -> Option<Stamp>;
        for (read, text, want) in [
            (web as Read, "26/Jan/2019:19:45:25 +0330]", "2019-01-26 19:45:25.000000000 +12600"),
            (web, "26/Jan/2019 19:45:25", "-"),
            (syslog, "Jun 14 15:16:01 combo", "?-06-14 15:16:01.000000000"),
            (syslog, "Nov  3 09:23:38 veridian", "?-11-03 09:23:38.000000000"),
            (syslog, "Feb 29 00:00:00", "?-02-29 00:00:00.000000000"),
            (syslog, "Feb 30 00:00:00", "-"),
            (weekday, "Sun Dec 04 04:47:44 2005]", "2005-12-04 04:47:44.000000000"),
            (weekday, "Wed May 19 12:00:02 UTC 2021 line 2", "2021-05-19 12:00:02.000000000 +0"),
            (weekday, "Sun Dec 04 04:47:44.123456 2005", "2005-12-04 04:47:44.123456000"),
            (weekday, "Sun, 04 Dec 2005 04:47:44 +0000", "2005-12-04 04:47:44.000000000 +0"),
            (weekday, "Sunny Dec", "-"),
            (short, "17/06/09 20:10:40 INFO", "2017-06-09 20:10:40.000000000"),
            (short, "081109 203615 148", "2008-11-09 20:36:15.000000000"),
            (short, "081309 203615", "-"),
        ] {
            assert_eq!(show(read(&mut Cursor::new(text.as_bytes(), 0))), want, "{text}");
        }
    }
}
