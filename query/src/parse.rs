//! Parser: tokens to the tree of a query. It collects several problems: after one it goes on at the next clause.
//!
//! Alternatives that do not apply are nom's `Error`; a part that began as one thing and went wrong is nom's
//! `Failure` and carries what to tell the user. Recursion only follows parentheses, which the lexer bounds.

mod expr;
mod habits;
mod measure;
mod pipe;
mod range;
mod time;

use nom::branch::alt;
use nom::combinator::{map, opt, verify};
use nom::error::{ErrorKind, ParseError};
use nom::multi::separated_list1;
use nom::{Err, IResult, Parser as _};

use crate::ast::{self, Clause, Name, Noun, Pipe, Place, Query, SortKey, Top, Value};
use crate::diagnostic::{self, Diagnostic};
use crate::functions;
use crate::lex;
use crate::token::{Kind, Token, Tokens};
use crate::units;

/// Most problems that are reported of one query: more of them only bury the first.
const PROBLEMS_MAX: usize = 20;

/// Why a part was not parsed: nothing to say where an alternative did not apply.
#[derive(Debug)]
pub(crate) struct Problem(Vec<Diagnostic>);

impl<'t> ParseError<Tokens<'t>> for Problem {
    fn from_error_kind(_: Tokens<'t>, _: ErrorKind) -> Self {
        Self(Vec::new())
    }

    fn append(_: Tokens<'t>, _: ErrorKind, other: Self) -> Self {
        other
    }
}

type Parsed<'t, T> = IResult<Tokens<'t>, T, Problem>;

/// Stops this clause with something to tell the user.
fn fail<T>(diagnostic: Diagnostic) -> Parsed<'static, T> {
    Err(Err::Failure(Problem(vec![diagnostic])))
}

/// This alternative does not apply.
fn other<T>() -> Parsed<'static, T> {
    Err(Err::Error(Problem(Vec::new())))
}

/// Parses a text. The tree holds what could be read, also where there are problems; it is `None` when the text
/// breaks a limit.
pub(crate) fn parse(text: &str) -> (Option<Query>, Vec<Diagnostic>) {
    let (tokens, mut problems) = lex::lex(text);
    if problems.iter().any(|p| matches!(p.code, "Q0001" | "Q0002" | "Q0003")) {
        return (None, problems);
    }
    let mut parser = Collector { problems: Vec::new() };
    let mut query = parser.query(Tokens::new(&tokens, text.len()));
    problems.append(&mut parser.problems);
    problems.append(&mut query.take_noted());
    problems.extend(habits::semicolon(&tokens));
    problems.sort_by_key(|problem| problem.span.start);
    // What is wrong inside of a query in parentheses is met again where the outer one goes on.
    problems.dedup_by(|one, other| one.span == other.span && one.code == other.code);
    problems.truncate(PROBLEMS_MAX);
    (Some(query), problems)
}

struct Collector {
    problems: Vec<Diagnostic>,
}

impl Collector {
    fn query(&mut self, input: Tokens<'_>) -> Query {
        let mut input = input;
        let (mut explain, mut profile) = (false, false);
        if let Some(first) = input.first() {
            let filter = input.get(1).is_some_and(|t| matches!(t.kind, Kind::Op(_) | Kind::Colon));
            if first.is("explain") && !filter {
                explain = true;
                input = input.rest();
            } else if first.is("profile") && !filter {
                profile = true;
                input = input.rest();
            }
        }
        if self.foreign_start(input) {
            return Query { explain, profile, noun: None, clauses: Vec::new(), pipes: Vec::new() };
        }
        let (rest, noun) = self.noun(input);
        let (mut rest, clauses) = self.clauses(rest);
        let mut pipes = Vec::new();
        while let Some(token) = rest.first().filter(|t| t.kind == Kind::Pipe) {
            let after = rest.rest();
            if after.first().is_none_or(|t| t.kind == Kind::Pipe) {
                let problem = Diagnostic::error("Q0201", token.span, "nothing follows this `|`");
                self.problems
                    .push(problem.help("after `|` stands one of where, stats, top, sort, limit, keep"));
                rest = after;
                continue;
            }
            rest = self.pipe(after, &mut pipes);
        }
        Query { explain, profile, noun, clauses, pipes }
    }

    /// Queries that begin like those of another language.
    fn foreign_start(&mut self, input: Tokens<'_>) -> bool {
        let Some(first) = input.first() else { return false };
        let Some(help) = habits::start(input) else { return false };
        let problem =
            Diagnostic::error("Q0505", first.span, format!("a query cannot start with `{}`", first.text));
        self.problems.push(problem.help(help));
        true
    }

    fn noun<'t>(&mut self, input: Tokens<'t>) -> (Tokens<'t>, Option<Noun>) {
        let Some(first) = input.first().filter(|t| t.kind == Kind::Word) else { return (input, None) };
        let name = first.text.to_ascii_lowercase();
        if expr::is_field_term(input) {
            return (input, None);
        }
        if name == "context" && range::numbered(input.rest()) {
            return (input, None);
        }
        if ast::NOUNS.contains(&name.as_str()) {
            let (rest, about) = range::about(&name, input.rest());
            return (rest, Some(Noun { name, about, place: Place(first.span) }));
        }
        let near = ast::NOUNS.iter().copied().filter(|noun| one_slip(&name, noun));
        if let Some(help) =
            near.map(|noun| format!("did you mean `{noun}`? quote the word to search for it")).next()
        {
            let message = format!("`{}` is searched as text", first.text);
            self.problems.push(Diagnostic::warning("Q0105", first.span, message).help(help));
        }
        (input, None)
    }

    fn clauses<'t>(&mut self, input: Tokens<'t>) -> (Tokens<'t>, Vec<Clause>) {
        let mut rest = input;
        let mut clauses: Vec<Clause> = Vec::new();
        while rest.first().is_some_and(|t| t.kind != Kind::Pipe) {
            rest.filtering = false;
            match clause(rest) {
                Ok((after, found)) => {
                    self.check_clause(&clauses, &found);
                    clauses.push(found);
                    rest = after;
                }
                Err(problem) => {
                    self.report(problem, rest, "the start of a clause");
                    rest = resync(rest);
                }
            }
        }
        (rest, clauses)
    }

    /// What is odd about a clause because of those before it.
    fn check_clause(&mut self, before: &[Clause], found: &Clause) {
        let twice = before.iter().any(|clause| clause.kind() == found.kind());
        if twice && !matches!(found, Clause::Text(..)) {
            let help = match found {
                Clause::Where(..) => "join conditions with `and`",
                Clause::By(..) => "separate keys with commas: `by model, operation`",
                Clause::Time(..) => "a query has one range: `since ... until ...`",
                _ => "put the second one after a `|`",
            };
            let message = format!("{} is given twice", found.kind());
            self.problems.push(Diagnostic::error("Q0202", found.span(), message).help(help));
        }
        let listed = matches!(before.last(), Some(Clause::By(..) | Clause::Top(_) | Clause::Sort(..)));
        if let (true, Clause::Text(text, place)) = (listed, found) {
            let message = format!("`{text}` is searched as text");
            let help = "keys are separated by commas and `top` needs `by`; text is clearer in quotes";
            self.problems.push(Diagnostic::warning("Q0205", place.0, message).help(help));
        } else if let Clause::Text(
            ast::Expr::Term(ast::Term::Search { field: None, what: ast::Search::Word(word), place }),
            _,
        ) = found
            && functions::is_name(word)
        {
            let problem = Diagnostic::warning("Q0105", place.0, format!("`{word}` is searched as text"));
            self.problems.push(
                problem
                    .help(format!("a function needs a field: `{word}(latency)`; text is clearer in quotes")),
            );
        } else if let Clause::Text(text, _) = found
            && let Some((word, span)) = first_word(text)
            && let Some(help) = habits::clause(text)
        {
            let problem = Diagnostic::warning("Q0105", span, format!("`{word}` is searched as text"));
            self.problems.push(problem.help(help));
        } else if let Clause::Text(text, _) = found
            && let Some((word, span)) = first_word(text)
            && let Some(near) = CLAUSES.iter().find(|clause| one_slip(&word.to_ascii_lowercase(), clause))
        {
            let problem = Diagnostic::warning("Q0105", span, format!("`{word}` is searched as text"));
            self.problems
                .push(problem.help(format!("did you mean `{near}`? quote the word to search for it")));
        }
    }

    fn pipe<'t>(&mut self, input: Tokens<'t>, pipes: &mut Vec<Pipe>) -> Tokens<'t> {
        let rest = match pipe::pipe(input) {
            Ok((rest, found)) => {
                pipes.push(found);
                rest
            }
            Err(problem) => {
                self.report(problem, input, "a pipe such as where, stats, top, sort, limit, keep");
                return skip_to_pipe(input.rest());
            }
        };
        if let Some(token) = rest.first().filter(|t| t.kind != Kind::Pipe) {
            let problem = unexpected(token, "`|` or the end of the query");
            self.problems.push(match token.kind {
                Kind::Close | Kind::Op(_) => problem,
                _ => problem.help("steps are separated by `|`; quote a value that holds a space"),
            });
            return skip_to_pipe(rest);
        }
        rest
    }

    fn report(&mut self, problem: Err<Problem>, at: Tokens<'_>, expected: &str) {
        let diagnostic = match problem {
            Err::Failure(Problem(mut found)) | Err::Error(Problem(mut found)) if !found.is_empty() => {
                return self.problems.append(&mut found);
            }
            _ => match at.first() {
                Some(token) => unexpected(token, expected),
                None => Diagnostic::error(
                    "Q0201",
                    at.span(),
                    format!("the query ends where {expected} should be"),
                )
                .help("finish the query, or leave out the last word"),
            },
        };
        self.problems.push(diagnostic);
    }
}

/// The words that open a clause and are long enough for one slip to be told from another word.
const CLAUSES: [&str; 12] = [
    "where",
    "last",
    "since",
    "until",
    "between",
    "today",
    "yesterday",
    "previous",
    "around",
    "bottom",
    "sort",
    "limit",
];

/// The bare word that a text starts with.
fn first_word(text: &ast::Expr) -> Option<(&str, crate::token::Span)> {
    match text {
        ast::Expr::And(parts) | ast::Expr::Or(parts) => parts.first().and_then(first_word),
        ast::Expr::Term(ast::Term::Search { field: None, what: ast::Search::Word(word), place }) => {
            Some((word, place.0))
        }
        _ => None,
    }
}

fn one_slip(word: &str, noun: &str) -> bool {
    word.len().abs_diff(noun.len()) <= 1 && 3 < word.len() && diagnostic::distance(word, noun) == 1
}

/// A token that cannot stand where it does.
fn unexpected(token: &Token<'_>, expected: &str) -> Diagnostic {
    match token.kind {
        Kind::Close => Diagnostic::error("Q0203", token.span, "this `)` closes nothing")
            .help("quote a value that holds a parenthesis"),
        Kind::Op(op) => {
            Diagnostic::error("Q0204", token.span, format!("no field stands before `{}`", op.as_str()))
                .help("write `field = value`; put an odd field name in backticks")
        }
        _ => Diagnostic::error(
            "Q0204",
            token.span,
            format!("`{}` cannot stand here; expected {expected}", shown(token)),
        )
        .help("quote it to search for it, or leave it out"),
    }
}

/// A token's text for a message, short.
fn shown(token: &Token<'_>) -> String {
    let text = match token.kind {
        Kind::Comma => ",",
        Kind::Pipe => "|",
        Kind::Open => "(",
        _ => token.text.as_ref(),
    };
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if 40 < text.chars().count() {
        short.push_str("...");
    }
    short
}

/// Where to go on after a clause that went wrong: at the next word that opens one, outside of the parentheses that
/// the clause opened.
fn resync(input: Tokens<'_>) -> Tokens<'_> {
    let mut rest = input;
    let mut depth = 0_usize;
    let mut before: Option<&Token<'_>> = None;
    while let Some(token) = rest.first().filter(|t| t.kind != Kind::Pipe) {
        // `vs previous`, `order by` and `group by` are one clause each.
        let inside = before.is_none_or(|t| t.is("vs") || t.is("order") || t.is("group"));
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ if depth == 0 && !inside && opens_clause(rest) => break,
            _ => {}
        }
        before = Some(token);
        rest = rest.rest();
    }
    rest
}

fn skip_to_pipe(input: Tokens<'_>) -> Tokens<'_> {
    let mut rest = input;
    while rest.first().is_some_and(|t| t.kind != Kind::Pipe) {
        rest = rest.rest();
    }
    rest
}

/// Whether the next token is a keyword that opens a clause, and so ends an expression.
fn opens_clause(input: Tokens<'_>) -> bool {
    let Some(token) = input.first().filter(|t| t.kind == Kind::Word) else { return false };
    if expr::is_field_term(input) {
        return false;
    }
    let next = |word| input.get(1).is_some_and(|t| t.is(word));
    ast::CLAUSES.iter().any(|word| token.is(word))
        || token.is("context")
        || (token.is("all") && next("time"))
        || ((token.is("group") || token.is("order")) && next("by"))
        || measure::starts(input)
}

fn clause(input: Tokens<'_>) -> Parsed<'_, Clause> {
    let Some(first) = input.first() else { return other() };
    if measure::starts(input) {
        return map(spanned(measure::measures), |(measures, place)| Clause::Measures(measures, place))
            .parse(input);
    }
    if !opens_clause(input) {
        return map(spanned(expr::expr), |(expr, place)| Clause::Text(expr, place)).parse(input);
    }
    match first.text.to_ascii_lowercase().as_str() {
        "where" => map(spanned(filter), |(expr, place)| Clause::Where(expr, place)).parse(input),
        "by" => map(spanned(by), |(keys, place)| Clause::By(keys, place)).parse(input),
        "per" => map(spanned(per), |(dur, place)| Clause::Per(dur, place)).parse(input),
        "tz" => map(spanned(zone), |(zone, place)| Clause::Zone(zone, place)).parse(input),
        "top" | "bottom" => map(top, Clause::Top).parse(input),
        "sort" | "order" => map(spanned(sort), |(keys, place)| Clause::Sort(keys, place)).parse(input),
        "limit" => map(spanned(limit), |(count, place)| Clause::Limit(count, place)).parse(input),
        "group" => {
            let key = input.get(2).map_or("model".into(), shown);
            foreign(first, "group by", &format!("write `by {key}`"))
        }
        "vs" => map(spanned(range::versus), |(versus, place)| Clause::Versus(versus, place)).parse(input),
        "context" => {
            map(spanned(range::context), |(context, place)| Clause::Context(context, place)).parse(input)
        }
        _ => map(spanned(time::time), |(time, place)| Clause::Time(time, place)).parse(input),
    }
}

fn foreign<T>(token: &Token<'_>, what: &str, help: &str) -> Parsed<'static, T> {
    fail(Diagnostic::error("Q0505", token.span, format!("`{what}` is not part of this language")).help(help))
}

/// Runs a parser and says where what it took stands.
fn spanned<'t, T>(
    parser: impl Fn(Tokens<'t>) -> Parsed<'t, T>,
) -> impl Fn(Tokens<'t>) -> Parsed<'t, (T, Place)> {
    move |input| {
        let (rest, parsed) = parser(input)?;
        Ok((rest, (parsed, Place(input.span_to(&rest)))))
    }
}

/// Skips the word that names the clause or pipe.
fn after_word<'t, T>(parser: impl Fn(Tokens<'t>) -> Parsed<'t, T>) -> impl Fn(Tokens<'t>) -> Parsed<'t, T> {
    move |input| parser(input.rest())
}

/// The next token, where it is of this kind.
fn kind<'t>(kind: Kind) -> impl Fn(Tokens<'t>) -> Parsed<'t, &'t Token<'t>> {
    move |input| match input.first() {
        Some(token) if token.kind == kind => Ok((input.rest(), token)),
        _ => other(),
    }
}

/// The next token, where it is this word.
fn word<'t>(keyword: &'static str) -> impl Fn(Tokens<'t>) -> Parsed<'t, &'t Token<'t>> {
    move |input| match input.first() {
        Some(token) if token.is(keyword) => Ok((input.rest(), token)),
        _ => other(),
    }
}

/// What stands here must be there: an absent part becomes something to tell the user.
fn must<'t, T>(
    parser: impl Fn(Tokens<'t>) -> Parsed<'t, T>,
    code: &'static str,
    expected: &'static str,
    help: &'static str,
) -> impl Fn(Tokens<'t>) -> Parsed<'t, T> {
    move |input| match parser(input) {
        Err(Err::Error(_)) => {
            let message = match input.first() {
                Some(token) => format!("expected {expected}, found `{}`", shown(token)),
                None => format!("expected {expected}, found the end of the query"),
            };
            fail(Diagnostic::error(code, input.span(), message).help(help))
        }
        result => result,
    }
}

/// A field or column. A keyword is none; an aggregate stands for its column.
fn name(input: Tokens<'_>) -> Parsed<'_, Name> {
    if measure::starts(input) && input.get(1).is_some_and(|t| t.kind == Kind::Open) {
        return map(measure::measure, |m| Name { quoted: false, place: m.place, ..Name::new(&m.column()) })
            .parse(input);
    }
    let bare = verify(kind(Kind::Word), |token: &&Token<'_>| !ast::is_keyword(&token.text));
    map(alt((bare, kind(Kind::Name))), |token| Name {
        text: token.text.clone().into_owned(),
        quoted: token.kind == Kind::Name,
        place: Place(token.span),
    })
    .parse(input)
}

fn names(input: Tokens<'_>) -> Parsed<'_, Vec<Name>> {
    if let Some(open) = input.first().filter(|t| t.kind == Kind::Open) {
        let problem = Diagnostic::error("Q0505", open.span, "keys stand without parentheses");
        return fail(problem.help("write `by model, operation`; time buckets are `per 1h`"));
    }
    let name = |input| habits::key(input).unwrap_or_else(|| name(input));
    let one = must(name, "Q0201", "a field name", "separate names with commas; put a keyword in backticks");
    separated_list1(kind(Kind::Comma), one).parse(input)
}

fn filter(input: Tokens<'_>) -> Parsed<'_, ast::Expr> {
    must(expr::expr, "Q0201", "a condition", "such as `level >= error` or `model = llama3.2`")({
        let mut rest = input.rest();
        rest.filtering = true;
        rest
    })
}

fn by(input: Tokens<'_>) -> Parsed<'_, Vec<Name>> {
    names(input.rest())
}

fn per(input: Tokens<'_>) -> Parsed<'_, ast::Dur> {
    time::duration(input.rest())
}

fn zone(input: Tokens<'_>) -> Parsed<'_, Value> {
    must(any_value, "Q0404", "a time zone", "such as `tz Europe/Vienna` or `tz UTC`")(input.rest())
}

/// A word, quoted text or bare value.
fn any_value(input: Tokens<'_>) -> Parsed<'_, Value> {
    match input.first() {
        Some(token) => match token.kind {
            Kind::Word | Kind::Bare | Kind::Quoted | Kind::Single | Kind::Exact => {
                let quoted = !matches!(token.kind, Kind::Word | Kind::Bare);
                let text = token.text.clone().into_owned();
                Ok((input.rest(), Value { text, quoted, place: Place(token.span) }))
            }
            _ => other(),
        },
        None => other(),
    }
}

fn count<'t>(input: Tokens<'t>, help: &'static str) -> Parsed<'t, u64> {
    let whole = |input| match kind(Kind::Word)(input) {
        Ok((rest, token)) => match units::whole(&token.text) {
            Some(count) => Ok((rest, count)),
            None => other(),
        },
        Err(error) => Err(error),
    };
    must(whole, "Q0303", "how many", help)(input)
}

fn top(input: Tokens<'_>) -> Parsed<'_, Top> {
    let bottom = input.first().is_some_and(|t| t.is("bottom"));
    let (rest, count) = count(input.rest(), "a whole number such as 5: `top 5 by operation`")?;
    let key = must(name, "Q0201", "what to rank by", "a measure of the answer, or a field to group by");
    let (rest, key) = opt(nom::sequence::preceded(word("by"), key)).parse(rest)?;
    if let Some(token) = rest.first().filter(|t| t.is("desc") || t.is("asc")) {
        let problem =
            Diagnostic::error("Q0505", token.span, "`top` and `bottom` say the order by themselves");
        return fail(
            problem.help(format!("leave out `{}`; `bottom n by key` is the other end", shown(token))),
        );
    }
    Ok((rest, Top { bottom, count, key, place: Place(input.span_to(&rest)) }))
}

fn sort(input: Tokens<'_>) -> Parsed<'_, Vec<SortKey>> {
    let rest = match input.first() {
        Some(token) if token.is("order") => {
            let key = input.get(2).filter(|t| t.kind == Kind::Word).map_or("latency desc".into(), shown);
            let order = input.get(3).filter(|t| t.is("desc")).map_or("", |_| " desc");
            return foreign(token, "order by", &format!("write `sort {key}{order}`"));
        }
        _ => opt(word("by")).parse(input.rest())?.0,
    };
    separated_list1(kind(Kind::Comma), sort_key).parse(rest)
}

fn sort_key(input: Tokens<'_>) -> Parsed<'_, SortKey> {
    if let Some(token) = input.first().filter(|t| t.kind == Kind::Word && t.text.starts_with('-')) {
        let key = match token.text.trim_start_matches('-') {
            "" => input.get(1).map_or("latency".into(), shown),
            key => key.to_owned(),
        };
        let help = format!("write `sort {key} desc`");
        return fail(
            Diagnostic::error("Q0505", token.span, "a leading `-` does not sort downwards").help(help),
        );
    }
    let (rest, name) = must(name, "Q0201", "what to sort by", "a field or column such as `latency`")(input)?;
    let (rest, order) = opt(alt((word("desc"), word("asc")))).parse(rest)?;
    Ok((rest, SortKey { name, descending: order.is_some_and(|token| token.is("desc")) }))
}

fn limit(input: Tokens<'_>) -> Parsed<'_, Option<u64>> {
    let count = |input| count(input, "a whole number such as 5 or 10k");
    alt((map(word("all"), |_| None), map(count, Some))).parse(input.rest())
}

#[cfg(test)]
mod tests;
