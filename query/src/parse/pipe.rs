//! Pipes: the steps after a `|`.

use nom::Parser as _;
use nom::combinator::{map, opt};
use nom::multi::separated_list1;

use super::{
    Parsed, after_word, by, fail, filter, habits, kind, limit, measure, must, name, names, other, per, shown,
    sort, spanned, top, word,
};
use crate::ast::{Arith, Fill, Name, Parse, Pipe, Place, Regex, Stats, Value};
use crate::diagnostic::{self, Diagnostic};
use crate::token::{Kind, Op, Token, Tokens};

/// One step; the first word says which.
pub(super) fn pipe(input: Tokens<'_>) -> Parsed<'_, Pipe> {
    let Some(first) = input.first() else { return other() };
    if first.kind != Kind::Word {
        return other();
    }
    if let Some(problem) = habits::pipe_is_condition(input) {
        return fail(problem);
    }
    match first.text.to_ascii_lowercase().as_str() {
        "where" => map(spanned(filter), |(expr, place)| Pipe::Where(expr, place)).parse(input),
        "stats" => map(stats, Pipe::Stats).parse(input),
        "top" | "bottom" => map(top, Pipe::Top).parse(input),
        "sort" | "order" => map(spanned(sort), |(keys, place)| Pipe::Sort(keys, place)).parse(input),
        "limit" => map(spanned(limit), |(count, place)| Pipe::Limit(count, place)).parse(input),
        "keep" => map(spanned(after_word(names)), |(names, place)| Pipe::Keep(names, place)).parse(input),
        "drop" => map(spanned(after_word(names)), |(names, place)| Pipe::Drop(names, place)).parse(input),
        "rename" => map(spanned(rename), |(pairs, place)| Pipe::Rename(pairs, place)).parse(input),
        "dedup" => map(spanned(dedup), |(names, place)| Pipe::Dedup(names, place)).parse(input),
        "set" => map(spanned(set), |((name, value), place)| Pipe::Set(name, value, place)).parse(input),
        "gap" => Ok((input.rest(), Pipe::Gap(Place(first.span)))),
        "parse" => map(spanned(parse), |((how, from), place)| Pipe::Parse(how, from, place)).parse(input),
        "unroll" => {
            let field = must(name, "Q0201", "a field", "such as `unroll tags`");
            map(spanned(after_word(field)), |(name, place)| Pipe::Unroll(name, place)).parse(input)
        }
        "sample" => map(spanned(sample), |(ratio, place)| Pipe::Sample(ratio, place)).parse(input),
        "fill" => map(spanned(fill), |(fill, place)| Pipe::Fill(fill, place)).parse(input),
        name => fail(unknown_pipe(first, name)),
    }
}

/// `parse "..."`, `parse regex /.../`, `parse json`, `parse logfmt`, each with `from FIELD`.
fn parse(input: Tokens<'_>) -> Parsed<'_, (Parse, Option<Name>)> {
    let rest = input.rest();
    let (rest, how) = match rest.first() {
        Some(token) if matches!(token.kind, Kind::Quoted | Kind::Single) => {
            let pattern = Value { text: token.text.to_string(), quoted: true, place: Place(token.span) };
            (rest.rest(), Parse::Pattern(pattern))
        }
        Some(token) if token.is("json") => (rest.rest(), Parse::Json),
        Some(token) if token.is("logfmt") => (rest.rest(), Parse::Logfmt),
        Some(token) if token.is("regex") => match rest.get(1).map(|t| (t, t.kind)) {
            Some((regex, Kind::Regex { ignore_case })) => {
                let pattern = regex.text.to_string();
                let regex = Regex { pattern, ignore_case, place: Place(regex.span) };
                (rest.rest().rest(), Parse::Regex(regex))
            }
            _ => {
                let problem = Diagnostic::error("Q0201", rest.rest().span(), "a regex is missing");
                return fail(problem.help("`parse regex /took (?<took>[0-9]+)/ from message`"));
            }
        },
        _ => {
            let problem = Diagnostic::error("Q0201", rest.span(), "how to parse is missing");
            return fail(problem.help(
                "`parse \"took {took:duration}\"`, `parse regex /.../`, `parse json` or `parse logfmt`",
            ));
        }
    };
    let field = must(name, "Q0201", "a field", "`parse json from message`");
    let (rest, from) = opt(nom::sequence::preceded(word("from"), field)).parse(rest)?;
    Ok((rest, (how, from)))
}

fn sample(input: Tokens<'_>) -> Parsed<'_, String> {
    let ratio = input.get(1).filter(|t| {
        t.kind == Kind::Word && t.text.parse::<f64>().is_ok_and(|ratio| 0.0 < ratio && ratio <= 1.0)
    });
    match ratio {
        Some(token) => Ok((input.rest().rest(), token.text.to_string())),
        None => {
            let problem =
                Diagnostic::error("Q0303", input.rest().span(), "`sample` needs a ratio above 0, up to 1");
            fail(problem.help("`sample 0.1` keeps about a tenth of the records"))
        }
    }
}

fn unknown_pipe(token: &Token<'_>, name: &str) -> Diagnostic {
    let problem = Diagnostic::error("Q0101", token.span, format!("unknown pipe `{}`", shown(token)));
    if let Some(instead) = habits::pipe(name) {
        return problem.help(instead);
    }
    let help = format!("the pipes are {}", crate::ast::PIPES.join(", "));
    problem.help(help).maybe_help(diagnostic::did_you_mean(name, crate::ast::PIPES))
}

fn stats(input: Tokens<'_>) -> Parsed<'_, Stats> {
    if let Some(token) = input.get(1).filter(|t| t.is("by")) {
        let problem = Diagnostic::error("Q0505", token.span, "measures stand before `by`");
        return fail(problem.help("write `stats count by model`"));
    }
    let measures =
        must(measure::measures, "Q0201", "a measure", "such as `stats count, avg(latency) by model`");
    let (mut rest, measures) = measures(input.rest())?;
    let mut keys = None;
    let mut dur = None;
    loop {
        let twice = |token: &Token<'_>| {
            fail(
                Diagnostic::error("Q0202", token.span, format!("`{}` is given twice", shown(token)))
                    .help("separate keys with commas"),
            )
        };
        match rest.first() {
            Some(token) if token.is("by") => {
                let (after, found) = by(rest)?;
                if keys.replace(found).is_some() {
                    return twice(token);
                }
                rest = after;
            }
            Some(token) if token.is("per") => {
                let (after, found) = per(rest)?;
                if dur.replace(found).is_some() {
                    return twice(token);
                }
                rest = after;
            }
            _ => break,
        }
    }
    Ok((
        rest,
        Stats { measures, keys: keys.unwrap_or_default(), per: dur, place: Place(input.span_to(&rest)) },
    ))
}

fn fill(input: Tokens<'_>) -> Parsed<'_, Fill> {
    let fill = match input.get(1) {
        Some(token) if token.is("0") => Fill::Zero,
        Some(token) if token.is("null") => Fill::Null,
        Some(token) if token.is("prev") || token.is("previous") => Fill::Prev,
        _ => {
            let problem = Diagnostic::error("Q0201", input.rest().span(), "what to fill with is missing");
            return fail(problem.help("`fill 0`, `fill null` or `fill prev`"));
        }
    };
    Ok((input.rest().rest(), fill))
}

fn rename(input: Tokens<'_>) -> Parsed<'_, Vec<(Name, Name)>> {
    let one = |input| {
        let (rest, from) = must(name, "Q0201", "a column", "`rename old as new`")(input)?;
        let (rest, _) = must(word("as"), "Q0201", "`as`", "`rename old as new`")(rest)?;
        let (rest, to) = must(name, "Q0201", "the new name", "`rename old as new`")(rest)?;
        Ok((rest, (from, to)))
    };
    separated_list1(kind(Kind::Comma), one).parse(input.rest())
}

fn dedup(input: Tokens<'_>) -> Parsed<'_, Vec<Name>> {
    let (rest, _) =
        must(word("by"), "Q0201", "`by` and the fields that make a row a double", "`dedup by session`")(
            input.rest(),
        )?;
    names(rest)
}

fn set(input: Tokens<'_>) -> Parsed<'_, (Name, Arith)> {
    let (rest, name) =
        must(name, "Q0201", "the name of the new column", "`set total = a + b`")(input.rest())?;
    let equals = kind(Kind::Op(Op::Eq));
    let (rest, _) = must(equals, "Q0201", "`=`", "`set total = a + b`")(rest)?;
    let (rest, value) = must(measure::arith, "Q0201", "arithmetic over fields", "`set total = a + b`")(rest)?;
    Ok((rest, (name, value)))
}
