//! Lexer: query text to tokens with spans.
//!
//! What a character means depends on where it stands, so the lexer keeps a small state:
//! - where a *term* may start, a word ends at white space and at `( ) , | " = < > ~`; `/.../` is a regex;
//! - after an operator a bare *value* runs to white space, `)`, `,` or `|`: `-`, `/`, `.`, `:`, `*`, `@`, quotes and `=`
//!   are inside it;
//! - inside the parentheses of a function and in a `set` pipe, `+ - * /` are *arithmetic*.
//!
//! The limits of a query's text are checked here, in one pass, before anything recursive sees it: no later
//! step can be made to overflow its stack.

mod scan;

use std::borrow::Cow;

use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char as one, satisfy};
use nom::combinator::{recognize, value};
use nom::sequence::{pair, preceded};

use self::scan::{closing_quote, starts_query, unescape, word_len};
use crate::ast::{FIELD_WORDS, is_keyword};
use crate::diagnostic::Diagnostic;
use crate::functions;
use crate::token::{Kind, Op, Span, Token};

/// Longest query text in bytes: far above what people write, low enough that every step stays under a millisecond.
pub const TEXT_SIZE_MAX: usize = 64 << 10;
/// Deepest nesting of parentheses: the parser and everything that walks its tree recurse once per level.
pub const DEPTH_MAX: usize = 64;
/// Most tokens of a query.
pub const TOKENS_MAX: usize = 10_000;

type Scanned<'t, T> = nom::IResult<&'t str, T, ()>;

/// What an open parenthesis holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Terms.
    Group,
    /// The values of `in (...)`.
    List,
    /// A query that gives them.
    Query,
    /// The argument of a function.
    Arithmetic,
}

/// Splits a text into tokens. What cannot be a token is reported and left out, so that the parser can go on and
/// report its own problems too. A broken limit stops at once.
pub fn lex(text: &str) -> (Vec<Token<'_>>, Vec<Diagnostic>) {
    if TEXT_SIZE_MAX < text.len() {
        let problem = Diagnostic::error(
            "Q0001",
            Span::new(0, 1),
            format!("the query has {} bytes, the limit is {TEXT_SIZE_MAX}", text.len()),
        );
        return (
            Vec::new(),
            vec![problem.help("ask for less at once; values that matter belong in `in (...)`")],
        );
    }
    let mut lexer =
        Lexer { text, at: 0, tokens: Vec::new(), problems: Vec::new(), open: Vec::new(), ..Lexer::default() };
    while lexer.step() {}
    (lexer.tokens, lexer.problems)
}

#[derive(Default)]
struct Lexer<'t> {
    text: &'t str,
    at: usize,
    tokens: Vec<Token<'t>>,
    problems: Vec<Diagnostic>,
    open: Vec<Inside>,
    /// In a `set` pipe, past its name.
    setting: bool,
    /// A `between` waits for its `and`.
    between: bool,
}

impl<'t> Lexer<'t> {
    /// Takes one token; false at the end or when a limit is broken.
    fn step(&mut self) -> bool {
        let rest = self.rest();
        let blank = rest.len() - rest.trim_start().len();
        self.at += blank;
        let rest = self.rest();
        if rest.is_empty() {
            return false;
        }
        if self.tokens.len() == TOKENS_MAX {
            let span = Span::new(self.at, self.at + 1);
            let message = format!("the query has more than {TOKENS_MAX} tokens");
            let problem = Diagnostic::error("Q0003", span, message);
            self.problems
                .push(problem.help("many values can come from a query: `session in (events where ...)`"));
            return false;
        }
        let taken = if self.value_follows() {
            self.value(rest)
        } else if self.arithmetic() {
            self.arithmetic_token(rest)
        } else {
            self.term(rest, blank != 0 || self.at == 0)
        };
        self.at += taken.max(1);
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        !self.too_deep()
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn too_deep(&mut self) -> bool {
        if self.open.len() <= DEPTH_MAX {
            return false;
        }
        let span = self.tokens.last().map_or(Span::default(), |token| token.span);
        let message = format!("parentheses are nested deeper than {DEPTH_MAX}");
        self.problems.push(
            Diagnostic::error("Q0002", span, message)
                .help("`and` and `or` need no parentheses among their own kind"),
        );
        true
    }

    fn push(&mut self, kind: Kind, text: impl Into<Cow<'t, str>>, len: usize) -> usize {
        self.tokens.push(Token { kind, text: text.into(), span: Span::new(self.at, self.at + len) });
        len
    }

    /// A token whose text is what it covers.
    fn push_raw(&mut self, kind: Kind, len: usize) -> usize {
        self.push(kind, self.rest().get(..len).unwrap_or_default(), len)
    }

    /// Whether a value stands here: after an operator, in a list, after the words that take values.
    fn value_follows(&self) -> bool {
        let Some(last) = self.tokens.last() else { return false };
        if self.id_follows(last) {
            return true;
        }
        match last.kind {
            Kind::Op(_) | Kind::Colon => !self.setting,
            Kind::Open | Kind::Comma => self.open.last() == Some(&Inside::List),
            // `on = 1`: a field that is called like a keyword.
            Kind::Word if self.arithmetic() || operator(self.rest()).is_some() => false,
            Kind::Word => {
                const MOMENT: [&str; 5] = ["since", "until", "on", "around", "tz"];
                const TEXT: [&str; 5] = ["contains", "starts", "ends", "like", "cidr"];
                let is = |words: &[&str]| words.iter().any(|word| last.is(word));
                is(&MOMENT)
                    || (last.is("and") && self.between)
                    || last.is("between")
                    || (is(&TEXT) && self.after_name())
            }
            _ => false,
        }
    }

    /// Whether the id of `session ID` or `trace ID` stands here: after the noun, where neither is a field nor what
    /// follows a clause.
    fn id_follows(&self, last: &Token<'_>) -> bool {
        let noun = last.is("session") || last.is("trace");
        if !noun || last.span.end == self.at || !self.starts_query(self.tokens.len() - 1) {
            return false;
        }
        let rest = self.rest();
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '|'));
        let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let taken = FIELD_WORDS.iter().any(|taken| word.eq_ignore_ascii_case(taken)) || is_keyword(word);
        !word.is_empty() && !taken && operator(rest).is_none()
    }

    /// Whether the token at this place is the first of a query, but for `explain`.
    fn starts_query(&self, at: usize) -> bool {
        match at.checked_sub(1).and_then(|before| self.tokens.get(before)) {
            None => true,
            Some(before) => {
                (at == 1 && (before.is("explain") || before.is("profile")))
                    || (before.kind == Kind::Open && self.open.last() == Some(&Inside::Query))
            }
        }
    }

    /// Whether the last token, a word operator, follows what may be a field.
    fn after_name(&self) -> bool {
        let mut before = self.tokens.iter().rev().skip(1);
        match before.next() {
            Some(token) if token.is("not") => before.next().is_some_and(is_operand),
            Some(token) => is_operand(token),
            None => false,
        }
    }

    fn arithmetic(&self) -> bool {
        self.open.last() == Some(&Inside::Arithmetic)
            || (self.setting && self.open.iter().all(|inside| *inside == Inside::Query))
    }

    fn value(&mut self, rest: &'t str) -> usize {
        let last = self.tokens.last().map(|t| t.kind);
        if self.between && self.tokens.last().is_some_and(|t| t.is("and")) {
            self.between = false;
        }
        let searches = matches!(last, Some(Kind::Colon | Kind::Op(Op::Match | Op::NotMatch)));
        match rest.as_bytes().first() {
            Some(b'"' | b'\'') => return self.quoted(rest),
            Some(b'(' | b')' | b',' | b'|') => return self.punctuation(rest),
            Some(b'/') if searches => {
                if let Some(taken) = self.regex(rest) {
                    return taken;
                }
            }
            Some(b'=' | b'~' | b'>' | b'<') => return self.stray_operator(rest),
            _ => {}
        }
        if rest.starts_with("cs\"") {
            return self.quoted(rest);
        }
        let bare: Scanned<'_, &str> =
            take_while1(|c: char| !c.is_whitespace() && !matches!(c, ')' | ',' | '|')).parse(rest);
        bare.map_or(1, |(_, bare)| self.push_raw(Kind::Bare, bare.len()))
    }

    /// An operator where a value should be: `= =`, `=~`, `=>`.
    fn stray_operator(&mut self, rest: &str) -> usize {
        let run: Scanned<'_, &str> = take_while1(|c| matches!(c, '=' | '~' | '>' | '<')).parse(rest);
        let len = run.map_or(1, |(_, run)| run.len());
        let mut span = Span::new(self.at, self.at + len);
        let mut help = "quote a value that begins with an operator";
        if let Some(last) =
            self.tokens.last().filter(|t| matches!(t.kind, Kind::Op(_)) && t.span.end == self.at)
        {
            span = last.span.to(span);
            help = match self.text.get(span.start..span.end) {
                Some("=~") => "a regex is matched by `~`: `field ~ /text/i`",
                Some("=>") => "`>=` compares",
                Some("=<") => "`<=` compares",
                Some("===") => "`=` compares",
                _ => help,
            };
        } else if self.tokens.last().is_some_and(|t| t.kind == Kind::Colon) {
            help = "an operator stands without `:`: `level = error`, `latency > 5`, `message ~ /text/`";
        }
        let wrong = self.text.get(span.start..span.end).unwrap_or_default();
        self.problems.push(Diagnostic::error("Q0501", span, format!("`{wrong}` is no operator")).help(help));
        len
    }

    fn term(&mut self, rest: &'t str, spaced: bool) -> usize {
        let first = rest.as_bytes().first().copied().unwrap_or_default();
        match first {
            b'"' | b'\'' => return self.quoted(rest),
            b'`' => return self.name(rest),
            b'(' | b')' | b',' | b'|' => return self.punctuation(rest),
            b':' if !spaced && self.tokens.last().is_some_and(is_name) => {
                return self.push_raw(Kind::Colon, 1);
            }
            b'/' => {
                if let Some(taken) = self.regex(rest) {
                    return taken;
                }
            }
            _ => {}
        }
        if rest.starts_with("cs\"") {
            return self.quoted(rest);
        }
        if let Some((op, len)) = operator(rest) {
            return self.push(Kind::Op(op), rest.get(..len).unwrap_or_default(), len);
        }
        if first == b'!' && rest.len() == rest.trim_start_matches('!').len() + 1 && !rest.starts_with("! ") {
            let span = Span::new(self.at, self.at + 1);
            let problem = Diagnostic::error("Q0502", span, "`!` does not negate");
            self.problems.push(problem.help("write `not` before the term"));
            return 1;
        }
        if let Some(len) = foreign_and_or(rest) {
            let (wrong, right) = if first == b'&' { ("&&", "and") } else { ("||", "or") };
            let span = Span::new(self.at, self.at + len);
            self.problems.push(
                Diagnostic::error("Q0503", span, format!("`{wrong}` is no operator"))
                    .help(format!("write `{right}`")),
            );
            return self.push(Kind::Word, right, len);
        }
        let len = word_len(rest);
        if len == 0 {
            let c = rest.chars().next().unwrap_or_default();
            let span = Span::new(self.at, self.at + c.len_utf8());
            let problem =
                Diagnostic::error("Q0004", span, format!("`{}` cannot stand here", c.escape_debug()));
            self.problems.push(problem.help("quote text that holds it"));
            return c.len_utf8();
        }
        let taken = self.push_raw(Kind::Word, len);
        let after = rest.get(len..).unwrap_or_default();
        let field = operator(after.trim_start()).is_some() || after.starts_with(':');
        if self.tokens.last().is_some_and(|t| t.is("between")) && !field {
            self.between = true;
        }
        let setting = self.tokens.last().is_some_and(|t| t.is("set"))
            && matches!(self.tokens.iter().rev().nth(1), Some(Token { kind: Kind::Pipe, .. }));
        self.setting |= setting;
        taken
    }

    fn punctuation(&mut self, rest: &'t str) -> usize {
        let kind = match rest.as_bytes().first() {
            Some(b'(') => {
                self.open.push(self.opens());
                Kind::Open
            }
            Some(b')') => {
                if self.open.pop() == Some(Inside::Query) {
                    (self.setting, self.between) = (false, false);
                }
                Kind::Close
            }
            Some(b',') => Kind::Comma,
            _ => return self.pipe(rest),
        };
        self.push_raw(kind, 1)
    }

    fn pipe(&mut self, rest: &'t str) -> usize {
        if rest.starts_with("||") {
            let span = Span::new(self.at, self.at + 2);
            self.problems.push(Diagnostic::error("Q0503", span, "`||` is no operator").help("write `or`"));
            return self.push(Kind::Word, "or", 2);
        }
        if rest.starts_with("|=") || rest.starts_with("|~") {
            let span = Span::new(self.at, self.at + 2);
            let help = match rest.as_bytes().get(1) {
                Some(b'=') => {
                    "text is searched by writing it: `\"connection timeout\"`, or `message contains \"...\"`"
                }
                _ => "a regex is searched by writing it: `/conn.*timeout/i`, or `message ~ /.../`",
            };
            let wrong = rest.get(..2).unwrap_or_default();
            self.problems
                .push(Diagnostic::error("Q0504", span, format!("`{wrong}` is no operator")).help(help));
            return 2;
        }
        self.setting = false;
        self.between = false;
        // A pipe inside parentheses is a mistake that the parser reports; what follows is read as a pipe all the same.
        self.push_raw(Kind::Pipe, 1)
    }

    /// What a parenthesis here holds.
    fn opens(&self) -> Inside {
        if self.arithmetic() {
            return Inside::Arithmetic;
        }
        match self.tokens.last() {
            Some(last)
                if last.kind == Kind::Word && last.span.end == self.at && functions::is_name(&last.text) =>
            {
                Inside::Arithmetic
            }
            Some(last) if last.is("in") && self.after_name() => {
                if starts_query(self.rest().get(1..).unwrap_or_default()) {
                    Inside::Query
                } else {
                    Inside::List
                }
            }
            _ => Inside::Group,
        }
    }

    fn arithmetic_token(&mut self, rest: &'t str) -> usize {
        match rest.as_bytes().first() {
            Some(b'"' | b'\'') => return self.quoted(rest),
            Some(b'`') => return self.name(rest),
            Some(b'(' | b')' | b',' | b'|') => return self.punctuation(rest),
            Some(b'+') => return self.push_raw(Kind::Plus, 1),
            Some(b'-') => return self.push_raw(Kind::Minus, 1),
            Some(b'*') => return self.push_raw(Kind::Star, 1),
            Some(b'/') => return self.push_raw(Kind::Slash, 1),
            _ => {}
        }
        if let Some((op, len)) = operator(rest) {
            return self.push(Kind::Op(op), rest.get(..len).unwrap_or_default(), len);
        }
        let word: Scanned<'_, &str> = alt((
            number,
            recognize(pair(
                satisfy(is_name_start),
                take_while(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '$')),
            )),
        ))
        .parse(rest);
        match word {
            Ok((_, word)) => self.push_raw(Kind::Word, word.len()),
            Err(_) => {
                if let Some(len) = stream_selector(rest) {
                    let span = Span::new(self.at, self.at + len);
                    let problem =
                        Diagnostic::error("Q0505", span, "streams and ranges are not selected here");
                    self.problems.push(problem.help(
                        "labels are conditions and ranges are clauses: `events where app=\"x\" count per 5m last 1h`",
                    ));
                    return len;
                }
                let c = rest.chars().next().unwrap_or_default();
                let span = Span::new(self.at, self.at + c.len_utf8());
                let problem = Diagnostic::error(
                    "Q0004",
                    span,
                    format!("`{}` cannot stand in arithmetic", c.escape_debug()),
                );
                self.problems.push(problem.help("put an odd field name in backticks"));
                c.len_utf8()
            }
        }
    }

    /// `"..."`, `'...'` or `cs"..."`.
    fn quoted(&mut self, rest: &'t str) -> usize {
        let (kind, open) = match rest.as_bytes().first() {
            Some(b'c') => (Kind::Exact, 3),
            Some(b'\'') => (Kind::Single, 1),
            _ => (Kind::Quoted, 1),
        };
        let body = rest.get(open..).unwrap_or_default();
        let end = if kind == Kind::Single { body.find('\'') } else { closing_quote(body) };
        match end {
            Some(end) => {
                let raw = body.get(..end).unwrap_or_default();
                let text = if kind == Kind::Single { Cow::Borrowed(raw) } else { unescape(raw) };
                self.push(kind, text, open + end + 1)
            }
            None => {
                let span = Span::new(self.at, self.at + open);
                let problem = Diagnostic::error("Q0005", span, "this quote is never closed");
                self.problems.push(problem.help(if kind == Kind::Single {
                    "single quotes have no escapes; text that holds one goes in double quotes"
                } else {
                    "close it with `\"`; a quote inside is written `\\\"`"
                }));
                self.push(kind, body, rest.len())
            }
        }
    }

    /// A name in backticks; two backticks stand for one.
    fn name(&mut self, rest: &'t str) -> usize {
        let body = rest.get(1..).unwrap_or_default();
        let mut at = 0;
        while let Some(end) = body.get(at..).and_then(|tail| tail.find('`')).map(|found| at + found) {
            if body.as_bytes().get(end + 1) == Some(&b'`') {
                at = end + 2;
                continue;
            }
            let raw = body.get(..end).unwrap_or_default();
            if raw.is_empty() {
                let span = Span::new(self.at, self.at + 2);
                let problem = Diagnostic::error("Q0006", span, "this name is empty");
                self.problems.push(problem.help("the name of a field stands between the backticks"));
            }
            let text =
                if raw.contains('`') { Cow::Owned(raw.replace("``", "`")) } else { Cow::Borrowed(raw) };
            return self.push(Kind::Name, text, end + 2);
        }
        let span = Span::new(self.at, self.at + 1);
        self.problems.push(
            Diagnostic::error("Q0005", span, "this backtick is never closed")
                .help("close the name with a backtick"),
        );
        self.push(Kind::Name, body, rest.len())
    }

    /// `/.../` and an optional `i`, where what follows ends a term; else this is no regex.
    fn regex(&mut self, rest: &'t str) -> Option<usize> {
        let body = rest.get(1..)?;
        let mut escaped = false;
        let end = body.char_indices().find_map(|(at, c)| match c {
            _ if escaped => {
                escaped = false;
                None
            }
            '\\' => {
                escaped = true;
                None
            }
            '/' => Some(at),
            _ => None,
        })?;
        let raw = body.get(..end).filter(|raw| !raw.is_empty())?;
        let tail = body.get(end + 1..)?;
        let ignore_case = tail.starts_with('i');
        let after = if ignore_case { tail.get(1..)? } else { tail };
        if !after.chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, ')' | ',' | '|' | '(')) {
            return None;
        }
        let text = if raw.contains("\\/") { Cow::Owned(raw.replace("\\/", "/")) } else { Cow::Borrowed(raw) };
        Some(self.push(Kind::Regex { ignore_case }, text, end + 2 + usize::from(ignore_case)))
    }
}

/// Whether a token may name a field.
pub(crate) fn is_name(token: &Token<'_>) -> bool {
    matches!(token.kind, Kind::Word | Kind::Name)
}

/// Whether a token may name a field in a condition: the words that join conditions do not.
fn is_operand(token: &Token<'_>) -> bool {
    is_name(token) && !["and", "or", "not", "where"].iter().any(|word| token.is(word))
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '_' | '@' | '$')
}

fn operator(rest: &str) -> Option<(Op, usize)> {
    let parsed: Scanned<'_, (Op, usize)> = alt((
        value((Op::Eq, 2), tag("==")),
        value((Op::Ne, 2), tag("!=")),
        value((Op::Ne, 2), tag("<>")),
        value((Op::Le, 2), tag("<=")),
        value((Op::Ge, 2), tag(">=")),
        value((Op::NotMatch, 2), tag("!~")),
        value((Op::Eq, 1), one('=')),
        value((Op::Lt, 1), one('<')),
        value((Op::Gt, 1), one('>')),
        value((Op::Match, 1), one('~')),
    ))
    .parse(rest);
    parsed.ok().map(|(_, found)| found)
}

/// The length of `{app="x"}[5m]`, which is how LogQL selects what a function reads.
fn stream_selector(rest: &str) -> Option<usize> {
    let labels = rest.starts_with('{').then(|| rest.find('}'))?? + 1;
    let tail = rest.get(labels..)?;
    let range = if tail.starts_with('[') { tail.find(']').map_or(0, |end| end + 1) } else { 0 };
    Some(labels + range)
}

/// `&&` as a word of its own.
fn foreign_and_or(rest: &str) -> Option<usize> {
    rest.starts_with("&&").then_some(2)
}

/// A number in arithmetic, with its unit: `1.5`, `4k`, `1e-3`, `1_000`, `$0.02`.
fn number(rest: &str) -> Scanned<'_, &str> {
    let digits = |s| take_while1(|c: char| c.is_ascii_digit() || c == '_').parse(s);
    let fraction = |s| nom::combinator::opt(preceded(one('.'), digits)).parse(s);
    let exponent = |s| {
        let sign = nom::combinator::opt(alt((one('+'), one('-'))));
        nom::combinator::opt((alt((one('e'), one('E'))), sign, digits)).parse(s)
    };
    let unit = take_while(|c: char| c.is_ascii_alphabetic());
    recognize((nom::combinator::opt(one('$')), digits, fraction, exponent, unit)).parse(rest)
}
