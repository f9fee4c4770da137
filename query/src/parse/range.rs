//! What a query is about beside its conditions: the session, trace or field of its noun, the range that it is compared with,
//! and the records around those that are found.

use nom::Parser as _;
use nom::combinator::opt;

use super::{Parsed, expr, fail, must, name, opens_clause, time, word};
use crate::ast::{About, Context, Place, Value, Versus};
use crate::diagnostic::Diagnostic;
use crate::token::{Kind, Token, Tokens};
use crate::units;

/// What a noun is about, where it takes something and that follows it.
pub(super) fn about<'t>(noun: &str, input: Tokens<'t>) -> (Tokens<'t>, Option<About>) {
    match noun {
        "session" | "trace" => match input.first() {
            Some(token) if matches!(token.kind, Kind::Bare | Kind::Quoted | Kind::Single | Kind::Exact) => {
                let (text, quoted) = (token.text.to_string(), token.kind != Kind::Bare);
                (input.rest(), Some(About::Id(Value { text, quoted, place: Place(token.span) })))
            }
            _ => (input, None),
        },
        "values" if !expr::is_field_term(input) && !opens_clause(input) => match name(input) {
            Ok((rest, field)) => (rest, Some(About::Field(field))),
            Err(_) => (input, None),
        },
        "patterns" if input.first().is_some_and(|t| t.is("new")) && !expr::is_field_term(input) => {
            (input.rest(), Some(About::New(Place(input.span()))))
        }
        "storage" if input.first().is_some_and(|t| t.is("fields")) && !expr::is_field_term(input) => {
            (input.rest(), Some(About::Fields))
        }
        _ => (input, None),
    }
}

/// Whether `-3` or `+2` stands here.
pub(super) fn numbered(input: Tokens<'_>) -> bool {
    let sign = |t: &&Token<'_>| t.kind == Kind::Word && t.text.starts_with(['-', '+']);
    input.first().filter(sign).and_then(|t| units::whole(t.text.get(1..)?)).is_some()
}

pub(super) fn versus(input: Tokens<'_>) -> Parsed<'_, Versus> {
    let rest = input.rest();
    if rest.first().is_some_and(|t| t.is("previous")) && !time::is_unit(rest.rest()) {
        let after = rest.rest();
        let long = after.first().filter(|t| t.text.starts_with(|c: char| c.is_ascii_digit()));
        return match long {
            Some(_) => time::duration(after).map(|(rest, dur)| (rest, Versus::Previous(Some(dur)))),
            None => Ok((after, Versus::Previous(None))),
        };
    }
    let opens = rest.first().is_some_and(|t| time::OPENERS.iter().any(|word| t.is(word)) || t.is("all"));
    if !opens {
        let problem = Diagnostic::error("Q0201", rest.span(), "`vs` compares with a range of time");
        return fail(problem.help("such as `vs previous`, `vs previous 7d` or `vs yesterday`"));
    }
    time::time(rest).map(|(rest, time)| (rest, Versus::Time(time)))
}

pub(super) fn context(input: Tokens<'_>) -> Parsed<'_, Context> {
    let mut rest = input.rest();
    let (mut before, mut after) = (None, None);
    while let Some(token) = rest.first().filter(|_| numbered(rest)) {
        let slot = if token.text.starts_with('-') { &mut before } else { &mut after };
        if slot.is_some() {
            let problem = Diagnostic::error("Q0202", token.span, "this side is given twice");
            return fail(problem.help("`context -3 +2`"));
        }
        *slot = token.text.get(1..).and_then(units::whole);
        rest = rest.rest();
    }
    if before.is_none() && after.is_none() {
        let problem = Diagnostic::error("Q0201", input.span(), "`context` needs how many records");
        return fail(problem.help("`context -3 +2 of session`; quote the word to search for it"));
    }
    let field = must(name, "Q0201", "a field", "`context -3 +2 of session`");
    let (rest, of) = opt(nom::sequence::preceded(word("of"), field)).parse(rest)?;
    Ok((rest, Context { before: before.unwrap_or(0), after: after.unwrap_or(0), of }))
}
