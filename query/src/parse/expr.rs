//! Conditions: terms joined by `and`, `or`, `not`, parentheses, and by nothing, which is `and`.

use super::{
    Collector, Err, Parsed, Problem, any_value, fail, habits, measure, must, opens_clause, other, shown,
};
use crate::ast::{self, Expr, Name, Place, Regex, Search, Term, TextOp, Value};
use crate::diagnostic::{self, Diagnostic, Severity};
use crate::functions;
use crate::lex::is_name;
use crate::token::{Kind, Op, Span, Token, Tokens};
use crate::units;

/// How deep queries may lie in queries: each runs before the one around it.
const QUERIES_MAX: usize = 4;

/// One level of parentheses while it is being read. Levels lie on a stack of their own, not on the thread's.
#[derive(Default)]
struct Level<'t> {
    /// The parenthesis that opened it.
    open: Option<&'t Token<'t>>,
    /// What `or` has joined so far, and what `and` has joined since the last `or`.
    any: Vec<Expr>,
    all: Vec<Expr>,
    /// An odd number of `not` stands before the next term.
    negated: bool,
    /// The `and`, `or` or `not` that a term must follow.
    word: Option<&'t Token<'t>>,
}

impl<'t> Level<'t> {
    fn term(&mut self, term: Expr) {
        self.word = None;
        let negated = std::mem::take(&mut self.negated);
        self.all.push(match term {
            // Two negations are none, however they are written.
            Expr::Not(inner) if negated => *inner,
            term if negated => Expr::Not(Box::new(term)),
            term => term,
        });
    }

    fn or(&mut self, word: &'t Token<'t>) {
        self.any.push(joined(std::mem::take(&mut self.all), Expr::And));
        self.word = Some(word);
    }

    fn finish(mut self) -> Expr {
        self.any.push(joined(self.all, Expr::And));
        joined(self.any, Expr::Or)
    }

    fn is_empty(&self) -> bool {
        self.any.is_empty() && self.all.is_empty()
    }
}

fn joined(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            join(parts)
        }
        None => join(parts),
    }
}

/// A condition: `or` of `and` of `not` of terms and parentheses.
pub(super) fn expr(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let mut outer: Vec<Level<'_>> = Vec::new();
    let mut level = Level::default();
    let mut rest = input;
    loop {
        match rest.first() {
            Some(token) if token.is("not") && !is_field_term(rest) => {
                level.negated = !level.negated;
                level.word = Some(token);
                rest = rest.rest();
                continue;
            }
            Some(token) if token.kind == Kind::Open => {
                outer.push(std::mem::replace(&mut level, Level { open: Some(token), ..Level::default() }));
                rest = rest.rest();
                continue;
            }
            _ => {}
        }
        match primary(rest) {
            Ok((after, term)) => {
                level.term(term);
                rest = after;
            }
            Err(Err::Error(_)) if level.word.is_none() && !level.is_empty() => match level.open {
                None => return Ok((rest, level.finish())),
                Some(open) => return unclosed(rest, open),
            },
            Err(Err::Error(_)) => return no_term(&level),
            Err(failure) => return Err(failure),
        }
        while level.open.is_some() && rest.first().is_some_and(|t| t.kind == Kind::Close) {
            let inner = std::mem::replace(&mut level, outer.pop().unwrap_or_default());
            level.term(inner.finish());
            rest = rest.rest();
        }
        match rest.first() {
            Some(token) if token.is("and") => level.word = Some(token),
            Some(token) if token.is("or") => level.or(token),
            _ => continue,
        }
        rest = rest.rest();
    }
}

/// A term is missing: after a word that needs one, in parentheses, or there is no condition at all.
fn no_term<'t, T>(level: &Level<'_>) -> Parsed<'t, T> {
    if let Some(word) = level.word {
        let problem =
            Diagnostic::error("Q0201", word.span, format!("no condition follows `{}`", shown(word)));
        return fail(problem.help("quote the word to search for it"));
    }
    match level.open {
        None => other(),
        Some(open) => {
            let problem = Diagnostic::error("Q0201", open.span, "no condition follows this `(`");
            fail(problem.help("parentheses hold conditions; quote text that holds one"))
        }
    }
}

fn unclosed<'t, T>(rest: Tokens<'t>, open: &Token<'_>) -> Parsed<'t, T> {
    match rest.first() {
        Some(token) if token.kind != Kind::Pipe => {
            let message = format!("`{}` cannot stand inside parentheses", shown(token));
            fail(
                Diagnostic::error("Q0204", token.span, message)
                    .help("clauses stand outside; quote a keyword to search for it"),
            )
        }
        _ => fail(Diagnostic::error("Q0203", open.span, "this `(` is never closed").help("add `)`")),
    }
}

/// A term without parentheses around it.
fn primary(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let Some(first) = input.first() else { return other() };
    match first.kind {
        Kind::Quoted | Kind::Single => {
            let star =
                |t: &&Token<'_>| t.kind == Kind::Word && t.text == "*" && t.span.start == first.span.end;
            if let Some(star) = input.get(1).filter(star) {
                let problem = Diagnostic::error("Q0502", star.span, "`*` cannot follow a phrase");
                let help =
                    "`word*` finds words that begin so; `message contains \"...\"` finds any part of a text";
                return fail(problem.help(help));
            }
            search(input, first, Search::Phrase(first.text.to_string()))
        }
        Kind::Exact => search(input, first, Search::Exact(first.text.to_string())),
        Kind::Regex { .. } => search(input, first, Search::Regex(regex_of(first))),
        Kind::Word | Kind::Name => {
            let (rest, term) = word_term(input, first)?;
            Ok((rest, Expr::Term(term)))
        }
        _ => other(),
    }
}

fn search<'t>(input: Tokens<'t>, token: &Token<'_>, what: Search) -> Parsed<'t, Expr> {
    Ok((input.rest(), Expr::Term(Term::Search { field: None, what, place: Place(token.span) })))
}

fn regex_of(token: &Token<'_>) -> Regex {
    let ignore_case = token.kind == Kind::Regex { ignore_case: true };
    Regex { pattern: token.text.to_string(), ignore_case, place: Place(token.span) }
}

/// Whether the next token is a field because of what follows it, even when it is called like a keyword or noun.
pub(super) fn is_field_term(input: Tokens<'_>) -> bool {
    let (Some(first), Some(next)) = (input.first(), input.get(1)) else { return false };
    if !is_name(first) || first.is("where") {
        return false;
    }
    match next.kind {
        Kind::Op(_) | Kind::Colon => true,
        Kind::Word if first.is("and") || first.is("or") || first.is("not") => false,
        Kind::Word => {
            let opens = |at| input.get(at).is_some_and(|t: &Token<'_>| t.kind == Kind::Open);
            let value = |at| {
                input.get(at).is_some_and(|t: &Token<'_>| {
                    t.kind == Kind::Bare || t.kind == Kind::Quoted || t.kind == Kind::Single
                })
            };
            (next.is("in") && opens(2))
                || (next.is("not") && input.get(2).is_some_and(|t| t.is("in")) && opens(3))
                || (TEXT_OPS.iter().any(|(word, _)| next.is(word)) && value(2))
                || ((next.is("exists") || next.is("missing")) && !ast::is_keyword(&first.text))
        }
        _ => false,
    }
}

const TEXT_OPS: [(&str, TextOp); 5] = [
    ("contains", TextOp::Contains),
    ("starts", TextOp::Starts),
    ("ends", TextOp::Ends),
    ("like", TextOp::Like),
    ("cidr", TextOp::Cidr),
];

/// A term that starts with a word: a comparison of a field, or the word as text.
fn word_term<'t>(input: Tokens<'t>, first: &'t Token<'t>) -> Parsed<'t, Term> {
    if first.kind == Kind::Word && (opens_clause(input) || measure::starts(input)) {
        return other();
    }
    if first.kind == Kind::Word && ast::is_keyword(&first.text) && !first.is("all") && !is_field_term(input) {
        return other();
    }
    let field =
        Name { text: first.text.to_string(), quoted: first.kind == Kind::Name, place: Place(first.span) };
    let rest = input.rest();
    let Some(next) = rest.first() else { return text(input, field) };
    match next.kind {
        Kind::Op(op @ (Op::Match | Op::NotMatch)) => matched(rest.rest(), field, op, next),
        Kind::Op(op) => {
            let (rest, value) = value_after(rest.rest(), next)?;
            match habits::comparison(&field, &value) {
                Some(problem) => fail(problem),
                None => Ok((rest, Term::Compare { field, op, value })),
            }
        }
        Kind::Colon => in_field(rest.rest(), field, next),
        Kind::Word => word_operator(input, field, next),
        _ => text(input, field),
    }
}

fn word_operator<'t>(input: Tokens<'t>, field: Name, next: &'t Token<'t>) -> Parsed<'t, Term> {
    let after = input.rest().rest();
    if next.is("exists") || next.is("missing") {
        return Ok((after, Term::Presence { field, exists: next.is("exists") }));
    }
    if let Some((_, op)) = TEXT_OPS.iter().find(|(word, _)| next.is(word)) {
        let (rest, value) = value_after(after, next)?;
        if rest.first().is_some_and(|t| t.kind == Kind::Quoted) && value.text.eq_ignore_ascii_case("with") {
            let problem = Diagnostic::error("Q0505", value.place.0, "`with` is not part of this operator");
            return fail(problem.help("write `field starts \"text\"`"));
        }
        return Ok((rest, Term::Text { field, op: *op, value }));
    }
    if next.is("is") && after.first().is_some_and(|t| t.is("null") || t.is("not")) {
        let problem = Diagnostic::error("Q0505", next.span, "`is null` is not part of this language");
        let word = if after.first().is_some_and(|t| t.is("not")) { "exists" } else { "missing" };
        return fail(problem.help(format!("write `{field} {word}`")));
    }
    let negated = next.is("not");
    let operator = if negated { after.first() } else { Some(next) };
    let values = if negated { after.rest() } else { after };
    match operator {
        Some(token) if token.is("in") && values.first().is_some_and(|t| t.kind == Kind::Open) => {
            in_list(values, field, negated)
        }
        Some(token) if token.is("between") && !reads_as_time(values, negated) => {
            between(values, field, negated, token)
        }
        Some(token) if negated && TEXT_OPS.iter().any(|(word, _)| token.is(word)) => {
            let problem = Diagnostic::error("Q0505", next.span, "`not` stands before the field here");
            let name = field.to_string();
            fail(problem.help(format!("write `not {name} {} ...`", shown(token))))
        }
        _ => text(input, field),
    }
}

/// Whether `word between A and B` is a word and a range of time: both ends are dates.
fn reads_as_time(values: Tokens<'_>, negated: bool) -> bool {
    let date = |at: usize| values.get(at).is_some_and(|t| units::is_date(&t.text));
    // Between two dates with times of day there is one more word.
    !negated
        && !values.filtering
        && date(0)
        && (1..4).any(|at| values.get(at).is_some_and(|t| t.is("and")) && date(at + 1))
}

fn between<'t>(input: Tokens<'t>, field: Name, negated: bool, word: &Token<'_>) -> Parsed<'t, Term> {
    let (rest, low) = value_after(input, word)?;
    let and = super::word("and");
    let (rest, and) = must(and, "Q0201", "`and`", "`latency between 1s and 5s`")(rest)?;
    let (rest, high) = value_after(rest, and)?;
    Ok((rest, Term::Between { field, negated, low, high }))
}

fn in_list(input: Tokens<'_>, field: Name, negated: bool) -> Parsed<'_, Term> {
    let open = input.span();
    let mut rest = input.rest();
    // Values are read as such; only a query starts with a word.
    if rest.first().is_some_and(|t| t.kind == Kind::Word) {
        return in_query(rest, open, field, negated);
    }
    let mut values = Vec::new();
    loop {
        let (after, value) = must(any_value, "Q0201", "a value", "`model in (a, b)`")(rest)?;
        values.push(value);
        rest = after.rest();
        match after.first().map(|t| t.kind) {
            Some(Kind::Comma) => {}
            Some(Kind::Close) => return Ok((rest, Term::In { field, negated, values })),
            Some(Kind::Pipe) | None => {
                return fail(Diagnostic::error("Q0203", open, "this `(` is never closed").help("add `)`"));
            }
            Some(_) => {
                let problem = Diagnostic::error("Q0204", after.span(), "values are separated by commas");
                return fail(problem.help("`model in (a, b)`; quote a value that holds a space"));
            }
        }
    }
}

/// `field in (sessions where ...)`
fn in_query(input: Tokens<'_>, open: Span, field: Name, negated: bool) -> Parsed<'_, Term> {
    if QUERIES_MAX <= input.inside {
        let message = format!("queries are nested deeper than {QUERIES_MAX}");
        return fail(Diagnostic::error("Q0002", open, message).help("run the innermost one first"));
    }
    let Some((inner, rest)) = input.inner() else {
        return fail(Diagnostic::error("Q0203", open, "this `(` is never closed").help("add `)`"));
    };
    let mut collector = Collector { problems: Vec::new() };
    let mut query = collector.query(inner);
    collector.problems.append(&mut query.take_noted());
    if collector.problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Err::Failure(Problem(collector.problems)));
    }
    let noted = ast::Noted(collector.problems);
    Ok((rest, Term::InQuery { field, negated, query: Box::new(query), values: None, noted }))
}

fn value_after<'t>(input: Tokens<'t>, operator: &Token<'_>) -> Parsed<'t, Value> {
    match any_value(input) {
        Ok((rest, value)) => match habits::computed(&value.text, value.place.0).filter(|_| !value.quoted) {
            Some(problem) => fail(problem),
            None => Ok((rest, value)),
        },
        Err(_) => {
            let problem =
                Diagnostic::error("Q0201", operator.span, format!("no value follows `{}`", shown(operator)));
            fail(match input.first().map(|t| t.kind) {
                Some(Kind::Open) if operator.is("between") => {
                    problem.help("`latency between 1s and 5s`, both ends included, without parentheses")
                }
                Some(Kind::Open) => problem.help("several values are written `field in (a, b)`"),
                _ => problem.help("quote a value that holds spaces, or an empty one: `\"\"`"),
            })
        }
    }
}

fn matched<'t>(input: Tokens<'t>, field: Name, op: Op, operator: &Token<'_>) -> Parsed<'t, Term> {
    let negated = op == Op::NotMatch;
    if let Some(token) = input.first().filter(|t| matches!(t.kind, Kind::Regex { .. })) {
        return Ok((input.rest(), Term::Match { field, negated, regex: regex_of(token) }));
    }
    let (rest, value) = value_after(input, operator)?;
    let regex = Regex { pattern: value.text, ignore_case: false, place: value.place };
    Ok((rest, Term::Match { field, negated, regex }))
}

/// What follows `field:`.
fn in_field<'t>(input: Tokens<'t>, field: Name, colon: &Token<'_>) -> Parsed<'t, Term> {
    let Some(token) = input.first() else {
        return fail(
            Diagnostic::error("Q0201", colon.span, "nothing follows `:`")
                .help("`message:timeout` searches one field"),
        );
    };
    if let Some(problem) = habits::searched(&field, token) {
        return fail(problem);
    }
    let what = match token.kind {
        Kind::Bare | Kind::Word => word_or_prefix(&token.text),
        Kind::Quoted | Kind::Single => Search::Phrase(token.text.to_string()),
        Kind::Exact => Search::Exact(token.text.to_string()),
        Kind::Regex { .. } => Search::Regex(regex_of(token)),
        _ => {
            let problem = Diagnostic::error("Q0204", token.span, "a word, phrase or regex follows `:`");
            return fail(
                problem.help("`message:timeout`, `message:\"connection reset\"`, `message:/time.?out/i`"),
            );
        }
    };
    let place = Place(field.place.0.to(token.span));
    Ok((input.rest(), Term::Search { field: Some(field), what, place }))
}

fn word_or_prefix(text: &str) -> Search {
    match text.strip_suffix('*') {
        Some(prefix) if !prefix.is_empty() => Search::Prefix(prefix.to_owned()),
        _ => Search::Word(text.to_owned()),
    }
}

/// A bare word that is no field.
fn text(input: Tokens<'_>, name: Name) -> Parsed<'_, Term> {
    let place = name.place;
    if name.quoted {
        let problem = Diagnostic::error("Q0204", place.0, "a field alone is no condition");
        return fail(problem.help("`exists` after it tests that it is there; text goes in double quotes"));
    }
    let text = name.text;
    if let Some(rest) = text.strip_prefix('-').filter(|rest| rest.starts_with(char::is_alphabetic)) {
        let problem = Diagnostic::error("Q0502", place.0, "a leading `-` does not exclude");
        return fail(problem.help(format!("write `not {rest}`; quote text that begins with `-`")));
    }
    if input.get(1).is_some_and(|t| t.kind == Kind::Open && t.span.start == place.0.end) {
        let problem = Diagnostic::error("Q0104", place.0, format!("unknown function `{text}`"));
        let help = format!(
            "the functions are {}; quote text that is followed by a parenthesis",
            functions::NAMES.join(", ")
        );
        return fail(
            problem
                .help(help)
                .maybe_help(diagnostic::did_you_mean(&text, functions::NAMES))
                .maybe_help(habits::function(&text.to_lowercase()).map(str::to_owned)),
        );
    }
    if let Some(problem) = habits::word(input) {
        return fail(problem);
    }
    if let Some(problem) = habits::star(None, &text, place.0) {
        return fail(problem);
    }
    // A word that is also an operator is kept as a phrase, which means the same and reads as nothing else.
    let operator = ast::FIELD_WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let what = if operator { Search::Phrase(text) } else { word_or_prefix(&text) };
    Ok((input.rest(), Term::Search { field: None, what, place }))
}
