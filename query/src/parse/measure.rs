//! Measures: aggregates with arithmetic inside, a condition and a name.

use super::{Parsed, expr, fail, habits, kind, must, name, other};
use crate::ast::{Aggregate, Arith, Place, Power, Sign, Value};
use crate::diagnostic::{self, Diagnostic};
use crate::functions::{self, Function};
use crate::lex::is_name;
use crate::token::{Kind, Tokens};

/// Whether a measure starts here: a function directly before a parenthesis, or `count` that is no field.
pub(super) fn starts(input: Tokens<'_>) -> bool {
    let Some(first) = input.first().filter(|t| t.kind == Kind::Word) else { return false };
    let open = input.get(1).filter(|t| t.kind == Kind::Open && t.span.start == first.span.end);
    (open.is_some() && functions::is_name(&first.text))
        || (first.is("count") && !expr::is_field_term(input) && !ranges(input))
}

/// `count between 1 and 5` compares a column of that name.
fn ranges(input: Tokens<'_>) -> bool {
    let at = 1 + usize::from(input.get(1).is_some_and(|t| t.is("not")));
    input.get(at).is_some_and(|t| t.is("between"))
        && !input.get(at + 1).is_some_and(|t| crate::units::is_date(&t.text))
}

/// One or more measures.
pub(super) fn measures(input: Tokens<'_>) -> Parsed<'_, Vec<Aggregate>> {
    let (mut rest, first) = measure(input)?;
    let mut measures = vec![first];
    while rest.first().is_some_and(|t| t.kind == Kind::Comma) {
        let (after, next) =
            must(measure, "Q0104", "a measure", "such as `count, avg(latency), p99(latency)`")(rest.rest())?;
        measures.push(next);
        rest = after;
    }
    Ok((rest, measures))
}

/// One measure.
pub(super) fn measure(input: Tokens<'_>) -> Parsed<'_, Aggregate> {
    let Some(first) = input.first().filter(|t| t.kind == Kind::Word) else { return other() };
    let open = input.get(1).filter(|t| t.kind == Kind::Open && t.span.start == first.span.end);
    let function = first.text.to_ascii_lowercase();
    if Function::parse(&function).is_none() || (open.is_none() && function != "count") {
        if open.is_none() && Function::parse(&function).is_none() {
            return other();
        }
        let message = match open {
            Some(_) => format!("unknown function `{function}`"),
            None => format!("`{function}` needs a field"),
        };
        let problem = Diagnostic::error("Q0104", first.span, message);
        let example = Some(format!("such as `{function}(latency)`")).filter(|_| open.is_none());
        return fail(
            problem
                .maybe_help(diagnostic::did_you_mean(&function, functions::NAMES))
                .maybe_help(habits::function(&function).map(str::to_owned))
                .maybe_help(example),
        );
    }
    let mut rest = input.rest();
    let mut argument = None;
    if let Some(open) = open {
        (rest, argument) = arguments(rest.rest(), open.span)?;
    }
    let mut condition = None;
    if rest.first().is_some_and(|t| t.is("if")) && rest.get(1).is_some_and(|t| t.kind == Kind::Open) {
        let inner = must(expr::expr, "Q0201", "a condition", "`count if (level >= error)`");
        let (after, found) = inner(rest.rest().rest())?;
        let close = must(kind(Kind::Close), "Q0203", "`)`", "the condition of `if` ends with `)`");
        rest = close(after)?.0;
        condition = Some(found);
    }
    let mut given = None;
    if rest.first().is_some_and(|t| t.is("as")) {
        let (after, found) =
            must(name, "Q0201", "a name", "`count as calls`; put a keyword in backticks")(rest.rest())?;
        rest = after;
        given = Some(found);
    }
    let place = Place(input.span_to(&rest));
    Ok((rest, Aggregate { function, argument, condition, name: given, place }))
}

/// What stands in the parentheses of a function, after the opening one.
fn arguments(input: Tokens<'_>, open: crate::token::Span) -> Parsed<'_, Option<Arith>> {
    if input.first().is_some_and(|t| t.kind == Kind::Close) {
        return Ok((input.rest(), None));
    }
    // `count(*)` of SQL counts rows, as `count` does.
    let star = input.first().is_some_and(|t| t.kind == Kind::Star);
    if star && input.get(1).is_some_and(|t| t.kind == Kind::Close) {
        return Ok((input.rest().rest(), None));
    }
    let (rest, value) = must(arith, "Q0201", "a field", "such as `sum(prompt_tokens)`")(input)?;
    match rest.first().map(|t| t.kind) {
        Some(Kind::Close) => Ok((rest.rest(), Some(value))),
        Some(Kind::Comma) => {
            let problem = Diagnostic::error("Q0204", rest.span(), "a function takes one argument");
            fail(problem.help("write one measure for each: `sum(a), sum(b)`"))
        }
        Some(Kind::Pipe) | None => {
            fail(Diagnostic::error("Q0203", open, "this `(` is never closed").help("add `)`"))
        }
        Some(_) if matches!(&value, Arith::Field(name) if name.text.eq_ignore_ascii_case("distinct")) => {
            let problem = Diagnostic::error("Q0505", input.span(), "`distinct` is a function of its own");
            fail(problem.help("write `distinct(model)`"))
        }
        Some(_) => {
            let problem = Diagnostic::error("Q0204", rest.span(), "this cannot stand in arithmetic");
            fail(problem.help("operators are + - * /; a condition goes after: `count if (status = 500)`"))
        }
    }
}

/// Arithmetic: a sum of products.
pub(super) fn arith(input: Tokens<'_>) -> Parsed<'_, Arith> {
    let negative = input.first().is_some_and(|t| t.kind == Kind::Minus);
    let sign = if negative { Sign::Minus } else { Sign::Plus };
    let (mut rest, first) = product(if negative { input.rest() } else { input })?;
    let mut terms = vec![(sign, first)];
    loop {
        let sign = match rest.first().map(|t| t.kind) {
            Some(Kind::Plus) => Sign::Plus,
            Some(Kind::Minus) => Sign::Minus,
            _ => break,
        };
        let (after, term) = must(product, "Q0201", "a field or number", "such as `a + b`")(rest.rest())?;
        terms.push((sign, term));
        rest = after;
    }
    Ok((rest, single(terms, |sign| *sign == Sign::Plus, Arith::Sum)))
}

fn product(input: Tokens<'_>) -> Parsed<'_, Arith> {
    let (mut rest, first) = factor(input)?;
    let mut factors = vec![(Power::Times, first)];
    loop {
        let power = match rest.first().map(|t| t.kind) {
            Some(Kind::Star) => Power::Times,
            Some(Kind::Slash) => Power::Over,
            _ => break,
        };
        let (after, next) = must(factor, "Q0201", "a field or number", "such as `a / b`")(rest.rest())?;
        factors.push((power, next));
        rest = after;
    }
    Ok((rest, single(factors, |_| true, Arith::Product)))
}

/// A chain of one is the one itself, where its sign is plain.
fn single<S>(
    mut parts: Vec<(S, Arith)>,
    plain: fn(&S) -> bool,
    chain: fn(Vec<(S, Arith)>) -> Arith,
) -> Arith {
    match parts.pop() {
        Some((sign, only)) if parts.is_empty() && plain(&sign) => only,
        Some(last) => {
            parts.push(last);
            chain(parts)
        }
        None => chain(parts),
    }
}

fn factor(input: Tokens<'_>) -> Parsed<'_, Arith> {
    let mut rest = input;
    let mut negative = false;
    while rest.first().is_some_and(|t| t.kind == Kind::Minus) {
        negative = !negative;
        rest = rest.rest();
    }
    let (rest, value) = operand(rest)?;
    Ok((rest, if negative { Arith::Sum(vec![(Sign::Minus, value)]) } else { value }))
}

fn operand(input: Tokens<'_>) -> Parsed<'_, Arith> {
    let Some(first) = input.first() else { return other() };
    if first.kind == Kind::Open {
        let (rest, inner) = must(arith, "Q0201", "a field or number", "such as `(a + b) / c`")(input.rest())?;
        let close = must(kind(Kind::Close), "Q0203", "`)`", "this part of the arithmetic ends with `)`");
        return Ok((close(rest)?.0, inner));
    }
    let number = first.kind == Kind::Word && first.text.starts_with(|c: char| c.is_ascii_digit() || c == '$');
    if number {
        let value = Value { text: first.text.to_string(), quoted: false, place: Place(first.span) };
        return Ok((input.rest(), Arith::Literal(value)));
    }
    if matches!(first.kind, Kind::Quoted | Kind::Single | Kind::Exact) {
        let value = Value { text: first.text.to_string(), quoted: true, place: Place(first.span) };
        return Ok((input.rest(), Arith::Literal(value)));
    }
    if is_name(first) {
        let quoted = first.kind == Kind::Name;
        let field = crate::ast::Name { text: first.text.to_string(), quoted, place: Place(first.span) };
        return Ok((input.rest(), Arith::Field(field)));
    }
    other()
}
