//! Time clauses. What a date or duration means is decided later, when the clock and the zone are known; here
//! is checked that it reads as one.

use super::{Parsed, fail, habits, must, other, shown};
use crate::ast::{Dur, Place, Time, Unit, When};
use crate::diagnostic::Diagnostic;
use crate::token::{Kind, Token, Tokens};
use crate::units;

const MOMENTS: &str = "such as 2026-11-22, 2026-11-22T10:15Z, now-2h or seconds since 1970";

/// The words that open a time clause, but for `all time`.
pub(super) const OPENERS: [&str; 10] =
    ["last", "since", "until", "between", "on", "today", "yesterday", "this", "previous", "around"];

/// Whether a unit of the calendar stands here.
pub(super) fn is_unit(input: Tokens<'_>) -> bool {
    input.first().and_then(unit_of).is_some()
}

/// A time clause; the first word is known to open one.
pub(super) fn time(input: Tokens<'_>) -> Parsed<'_, Time> {
    let Some(first) = input.first() else { return other() };
    let rest = input.rest();
    match first.text.to_ascii_lowercase().as_str() {
        "last" => last(rest),
        "since" => since(rest),
        "until" => when(rest).map(|(rest, until)| (rest, Time::Until(until))),
        "between" => between(rest),
        "on" => {
            let (after, date) = when(rest)?;
            if units::is_day(&date.text) {
                return Ok((after, Time::On(date)));
            }
            let problem = Diagnostic::error("Q0402", date.place.0, format!("`{}` is no date", date.text));
            fail(
                problem
                    .help("`on 2026-11-22` is a day, `on 2026-11` a month; quote `\"on\"` to search for it"),
            )
        }
        "today" => Ok((rest, Time::Today)),
        "yesterday" => Ok((rest, Time::Yesterday)),
        "this" => unit(rest, "this").map(|(rest, unit)| (rest, Time::This(unit))),
        "previous" => unit(rest, "previous").map(|(rest, unit)| (rest, Time::Previous(unit))),
        "around" => around(rest),
        "all" => Ok((rest.rest(), Time::All)),
        _ => other(),
    }
}

/// A duration, also with a space before its unit: `24h`, `1.5h`, `7 days`.
pub(super) fn duration(input: Tokens<'_>) -> Parsed<'_, Dur> {
    let Some(first) = input.first().filter(|t| matches!(t.kind, Kind::Word | Kind::Bare)) else {
        return no_duration(input);
    };
    if units::duration(&first.text).is_some() {
        return Ok((input.rest(), Dur { text: first.text.to_string(), place: Place(first.span) }));
    }
    if let Some(unit) = input.get(1).filter(|t| t.kind == Kind::Word) {
        let number = first.text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if let Some(short) = units::unit_word(&unit.text).filter(|_| number) {
            let text = format!("{}{short}", first.text);
            if units::duration(&text).is_some() {
                return Ok((input.rest().rest(), Dur { text, place: Place(first.span.to(unit.span)) }));
            }
        }
    }
    no_duration(input)
}

fn no_duration<T>(input: Tokens<'_>) -> Parsed<'_, T> {
    let message = match input.first() {
        Some(token) => format!("`{}` is no duration", shown(token)),
        None => "a duration is missing".to_owned(),
    };
    let problem = Diagnostic::error("Q0401", input.span(), message);
    let number = input.first().is_some_and(|t| t.text.bytes().all(|b| b.is_ascii_digit()));
    fail(problem.help(if number {
        "a duration needs a unit: 90s, 15m, 24h, 7d, 2w, 1mo"
    } else {
        "such as 90s, 15m, 24h, 7d, 2w, 1mo, 2d12h, 1.5h"
    }))
}

fn last(input: Tokens<'_>) -> Parsed<'_, Time> {
    if let Some((token, unit)) = input.first().and_then(|t| Some((t, unit_of(t)?))) {
        let short = units::unit_word(unit.as_str()).unwrap_or("h");
        let problem =
            Diagnostic::error("Q0401", token.span, format!("`last {}` can mean two things", unit.as_str()));
        let help =
            format!("`last 1{short}` ends now; `previous {}` is the one of the calendar", unit.as_str());
        return fail(problem.help(help));
    }
    duration(input).map(|(rest, dur)| (rest, Time::Last(dur)))
}

fn since(input: Tokens<'_>) -> Parsed<'_, Time> {
    let (rest, from) = when(input)?;
    match rest.first() {
        Some(token) if token.is("until") => {
            let (rest, until) = when(rest.rest())?;
            Ok((rest, Time::Since(from, Some(until))))
        }
        _ => Ok((rest, Time::Since(from, None))),
    }
}

fn between(input: Tokens<'_>) -> Parsed<'_, Time> {
    let (rest, from) = when(input)?;
    let (rest, _) = must(super::word("and"), "Q0201", "`and`", "`between 2026-11-01 and 2026-11-08`")(rest)?;
    let (rest, until) = when(rest)?;
    Ok((rest, Time::Between(from, until)))
}

fn around(input: Tokens<'_>) -> Parsed<'_, Time> {
    let (rest, center) = when(input)?;
    let help = "`around 2026-11-22T10:15 +-5m`";
    let Some(sign) = rest.first().filter(|t| t.kind == Kind::Word) else {
        return fail(Diagnostic::error("Q0401", rest.span(), "how much around is missing").help(help));
    };
    let stripped = sign.text.strip_prefix('\u{b1}').or_else(|| sign.text.strip_prefix("+-"));
    match stripped {
        Some("") => duration(rest.rest()).map(|(rest, dur)| (rest, Time::Around(center, dur))),
        Some(text) if units::duration(text).is_some() => {
            let dur = Dur { text: text.to_owned(), place: Place(sign.span) };
            Ok((rest.rest(), Time::Around(center, dur)))
        }
        _ => fail(
            Diagnostic::error("Q0401", sign.span, format!("`{}` does not say how much around", shown(sign)))
                .help(help),
        ),
    }
}

fn unit<'t>(input: Tokens<'t>, word: &str) -> Parsed<'t, Unit> {
    match input.first().and_then(unit_of) {
        Some(unit) => Ok((input.rest(), unit)),
        None => {
            let names: Vec<&str> = Unit::ALL.iter().map(|unit| unit.as_str()).collect();
            let problem =
                Diagnostic::error("Q0402", input.span(), format!("`{word}` needs a unit of the calendar"));
            fail(problem.help(format!("one of {}; quote `\"{word}\"` to search for it", names.join(", "))))
        }
    }
}

fn unit_of(token: &Token<'_>) -> Option<Unit> {
    Unit::ALL.into_iter().find(|unit| token.is(unit.as_str()))
}

/// A point in time. A time of day may follow a date after a space.
fn when(input: Tokens<'_>) -> Parsed<'_, When> {
    let Some(first) = input.first().filter(|t| !matches!(t.kind, Kind::Pipe | Kind::Close | Kind::Comma))
    else {
        return fail(Diagnostic::error("Q0402", input.span(), "a point in time is missing").help(MOMENTS));
    };
    let mut text = first.text.to_string();
    let mut place = Place(first.span);
    let mut rest = input.rest();
    if let Some(clock) =
        rest.first().filter(|t| t.kind == Kind::Word && units::is_clock(&t.text) && units::is_date(&text))
    {
        text = format!("{text} {}", clock.text);
        place = Place(first.span.to(clock.span));
        rest = rest.rest();
    }
    if units::is_moment(&text) {
        return Ok((rest, When { text, place }));
    }
    if let Some(problem) = habits::computed(&first.text, place.0) {
        return fail(problem);
    }
    let problem = Diagnostic::error("Q0402", place.0, format!("`{}` is no point in time", shown(first)));
    if units::duration(&text).is_some() {
        return fail(problem.help(format!("`last {text}` ends now; `now-{text}` is a point in time")));
    }
    fail(problem.help(MOMENTS))
}
