//! The grammar: what texts mean, what is wrong with others, and that nothing makes the parser panic.

mod habits;
mod problems;
mod tokens;

use expect_test::Expect;
use proptest::prelude::*;

use super::parse;
use crate::ast::{self, Query};
use crate::diagnostic;
use crate::lex::{DEPTH_MAX, TEXT_SIZE_MAX, TOKENS_MAX, lex};

fn tokens(text: &str, want: &Expect) {
    let (tokens, problems) = lex(text);
    let mut shown: Vec<String> = tokens.iter().map(ToString::to_string).collect();
    shown.extend(problems.iter().map(|problem| format!("! {problem}")));
    want.assert_eq(&shown.join("\n"));
}

fn tree(text: &str) -> Query {
    let (tree, problems) = parse(text);
    assert!(problems.is_empty(), "{}", diagnostic::render(&problems, text));
    tree.unwrap()
}

/// The text that the tree of `text` prints; printing and parsing again gives the same tree.
fn printed(text: &str) -> String {
    let tree = tree(text);
    let printed = tree.to_string();
    let (again, problems) = parse(&printed);
    assert!(problems.is_empty(), "{printed}\n{}", diagnostic::render(&problems, &printed));
    assert_eq!(again.unwrap(), tree, "{printed}");
    printed
}

fn same(texts: &[(&str, &str)]) {
    for (text, want) in texts {
        assert_eq!(printed(text), *want, "{text}");
    }
}

fn wrong(text: &str, want: &Expect) {
    let (_, problems) = parse(text);
    let bare = problems.iter().find(|problem| problem.help.is_none());
    assert!(bare.is_none(), "{text}: {bare:?} does not say what to do");
    want.assert_eq(&diagnostic::render(&problems, text));
}

#[test]
fn the_questions_of_the_readme_parse() {
    same(&[
        ("tokens where model=llama3.2 last 24h", "tokens where model=llama3.2 last 24h"),
        ("Tokens BY model PER 1h LAST 7d", "tokens by model per 1h last 7d"),
        (
            "events where level>=error \"connection timeout\" last 1h | top 5 by operation",
            "events where level >= error and \"connection timeout\" last 1h | top 5 by operation",
        ),
        ("level>=error timeout", "level >= error and timeout"),
        ("tokens > 5", "tokens > 5"),
        (
            "events p99(latency), count if (status = 500) as failed by operation",
            "events p99(latency), count if (status=500) as failed by operation",
        ),
        ("explain tokens by model", "explain tokens by model"),
        ("", ""),
    ]);
}

#[test]
fn conditions() {
    same(&[
        ("a=1 b==2 c!=3 d<>4", "a=1 and b=2 and c!=3 and d!=4"),
        ("a=1 or b=2 and not c=3", "a=1 or b=2 and not c=3"),
        ("(a=1 or b=2) c=3", "(a=1 or b=2) and c=3"),
        ("not not a", "a"),
        ("not not not a", "not a"),
        ("not (a or b)", "not (a or b)"),
        ("model in (a, \"b c\", d-e/f)", "model in (a, \"b c\", d-e/f)"),
        ("model not in (a)", "model not in (a)"),
        (
            "where x between 1 and 5 and y not between a and b",
            "where x between 1 and 5 and y not between a and b",
        ),
        ("model exists error missing", "model exists and error missing"),
        (
            "m contains x m starts \"a b\" m ends z m like *q? ip cidr 10.0.0.0/8",
            "m contains x and m starts \"a b\" and m ends z and m like *q? and ip cidr 10.0.0.0/8",
        ),
        ("m ~ /a\\/b/i m !~ x.*y m~\"a b\"", "m ~ /a\\/b/i and m !~ /x.*y/ and m ~ /a b/"),
        (
            "time* message:conn* message:\"a b\" message:/x/ message:cs\"A\"",
            "time* and message:conn* and message:\"a b\" and message:/x/ and message:cs\"A\"",
        ),
        ("don't connection-refused a.b.c", "don't and connection-refused and a.b.c"),
        ("`odd name`=1 `where` exists", "`odd name`=1 and `where` exists"),
        ("NOT a AND b OR c", "not a and b or c"),
        ("last=5 on = 1 by exists", "last=5 and on=1 by exists"),
        ("count > 5", "count > 5"),
        ("in module", "\"in\" and module"),
        ("/usr/bin", "/usr/bin"),
    ]);
}

#[test]
fn comparisons_context_and_queries_inside() {
    same(&[
        ("tokens by model today vs previous", "tokens by model today vs previous"),
        ("tokens VS PREVIOUS 7d last 1d", "tokens vs previous 7d last 1d"),
        ("tokens vs previous week this week", "tokens vs previous week this week"),
        (
            "tokens last 1d vs since 2026-11-01 until 2026-11-02",
            "tokens last 1d vs since 2026-11-01 until 2026-11-02",
        ),
        ("events x context -5 of session", "events x context -5 +0 of session"),
        ("context +2 -1", "context -1 +2"),
        ("context by method", "context by method"),
        ("PROFILE tokens | limit 1", "profile tokens | limit 1"),
        ("profile=x", "profile=x"),
        ("tokens per 1h | fill NULL", "tokens per 1h | fill null"),
        ("session a-b:c/d x", "session a-b:c/d x"),
        ("explain session \"last\" last 1h", "explain session \"last\" last 1h"),
        ("values `http.status code`", "values `http.status code`"),
        (
            "a in (events where b=1 | set x = a+b*2 | keep x) c=2",
            "a in (events where b=1 | set x = a + b * 2 | keep x) and c=2",
        ),
        (
            "a not in (session s-1 b in (tokens by b) | keep a)",
            "a not in (session s-1 b in (tokens by b) | keep a)",
        ),
        ("a in (tokens, events) b in (sessions)", "a in (tokens, events) and b in (sessions)"),
    ]);
}

#[test]
fn words_that_open_clauses_end_a_condition() {
    same(&[
        ("events timeout last 1h", "events timeout last 1h"),
        (
            "events timeout between 2026-11-01 and 2026-11-02",
            "events timeout between 2026-11-01 and 2026-11-02",
        ),
        (
            "events where day between 2026-11-01 and 2026-11-02",
            "events where day between 2026-11-01 and 2026-11-02",
        ),
        ("events \"last\" all time", "events \"last\" all time"),
        ("events a today tz Europe/Vienna b limit all", "events a today tz Europe/Vienna b limit all"),
        ("events since 2026-11-22 10:00 until now x", "events since 2026-11-22 10:00 until now x"),
        ("events around 10:15 +- 5 minutes", "events around 10:15 +-5m"),
        (
            "events this week sort by time desc, level asc limit 1k",
            "events this week sort time desc, level limit 1000",
        ),
    ]);
}

#[test]
fn measures_and_pipes() {
    same(&[
        ("events count", "events count"),
        ("events count(), count(*), count(model)", "events count, count, count(model)"),
        ("events sum(a+b*2-(c-d)/e) as x", "events sum(a + b * 2 - (c - d) / e) as x"),
        ("events avg(-a)", "events avg(-a)"),
        ("events avg(a - -b)", "events avg(a - (-b))"),
        ("events p99.9(latency) top 3 by p99.9_latency", "events p99.9(latency) top 3 by p99.9_latency"),
        (
            "events | stats count by model per 1h | sort sum(x) desc",
            "events | stats count by model per 1h | sort sum_x desc",
        ),
        (
            "events | keep a, b | drop c | rename a as b, c as d | dedup by e | set f = g / 2",
            "events | keep a, b | drop c | rename a as b, c as d | dedup by e | set f = g / 2",
        ),
        ("events | where count > 5 | bottom 3", "events | where count > 5 | bottom 3"),
    ]);
}

#[test]
fn the_limits_of_a_text_are_named() {
    let long = "a".repeat(TEXT_SIZE_MAX + 1);
    let many = "a ".repeat(TOKENS_MAX + 1);
    let deep = format!("{}a{}", "(".repeat(DEPTH_MAX + 1), ")".repeat(DEPTH_MAX + 1));
    for (text, code) in [(long, "Q0001"), (deep, "Q0002"), (many, "Q0003")] {
        let (tree, problems) = parse(&text);
        assert!(tree.is_none());
        assert_eq!(problems[0].code, code);
    }
    let deepest = format!("{}a{}", "(".repeat(DEPTH_MAX), ")".repeat(DEPTH_MAX));
    assert_eq!(printed(&deepest), "a");
    assert!(parse(&"a".repeat(TEXT_SIZE_MAX)).1.is_empty());
    assert!(parse(&"a ".repeat(TOKENS_MAX)).1.is_empty());
}

/// Runs with the stack of a small thread, in which a recursion without bound overflows at once.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(512 << 10).spawn(work).unwrap().join().unwrap();
}

#[test]
fn no_text_overflows_a_small_stack() {
    on_a_small_stack(|| {
        let times = |text: &str, count: usize| text.repeat(count);
        for text in [
            times("(", 1_000_000),
            times("not ", 16_000),
            times("(", DEPTH_MAX),
            times("not (", DEPTH_MAX) + "a=1" + &times(")", DEPTH_MAX),
            format!("events sum({}a{})", times("(", DEPTH_MAX - 1), times(")", DEPTH_MAX - 1)),
            format!("events sum({})", times("a+", 4_900) + "a"),
            format!("events sum({})", times("a*", 4_900) + "a"),
            format!("events sum({}a)", times("-", 60_000)),
            times("a or ", 4_900) + "a",
            times("a and not ", 3_000) + "a",
            times("a|", 4_900),
            times("\"", 65_000),
            times("`", 65_000),
            times("/", 65_000),
            times("\\", 65_000),
            times("a:", 30_000),
            times("x in (", 9_000),
        ] {
            let (tree, _) = parse(&text);
            let printed = tree.as_ref().map(ToString::to_string);
            drop(tree);
            drop(printed);
            let _parsed = crate::Query::parse(&text);
        }
    });
}

proptest! {
    #[test]
    fn any_text_gives_a_tree_or_problems(text in "\\PC{0,200}") {
        let (_, problems) = parse(&text);
        let _shown = diagnostic::render(&problems, &text);
    }

    #[test]
    fn any_bytes_give_a_tree_or_problems(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        let (_, problems) = parse(&text);
        let _shown = diagnostic::render(&problems, &text);
    }

    /// What parses without a problem prints a text that parses to the same tree.
    #[test]
    fn a_printed_tree_parses_to_itself(words in proptest::collection::vec(proptest::sample::select(WORDS.to_vec()), 0..14)) {
        let text = words.join(" ");
        let (tree, problems) = parse(&text);
        if let (Some(tree), true) = (tree, problems.is_empty()) {
            let printed = tree.to_string();
            let (again, problems) = parse(&printed);
            let failed = problems.iter().any(|problem| problem.severity == crate::Severity::Error);
            prop_assert!(!failed, "{text}\n{printed}\n{}", diagnostic::render(&problems, &printed));
            prop_assert_eq!(again.unwrap(), tree, "{}\n{}", text, printed);
        }
    }

    #[test]
    fn a_condition_survives_printing(expr in expr()) {
        let tree = Query { explain: false, profile: false, noun: None, clauses: vec![ast::Clause::Where(expr, ast::Place::default())], pipes: Vec::new() };
        let printed = tree.to_string();
        let (again, problems) = parse(&printed);
        prop_assert!(problems.is_empty(), "{}", diagnostic::render(&problems, &printed));
        prop_assert_eq!(again.unwrap(), tree, "{}", printed);
    }
}

/// Words of queries, whole and broken.
const WORDS: &[&str] = &[
    "vs previous",
    "vs yesterday",
    "context -3",
    "+2",
    "of",
    "session",
    "in (events x=1",
    "in (sessions by",
    "| fill 0",
    "| gap",
    "| parse json",
    "| parse \"{a}\" from x",
    "| parse regex /(?<a>x)/i",
    "| unroll tags",
    "| sample 0.5",
    "share()",
    "values",
    "events",
    "tokens",
    "where",
    "model=llama3.2",
    "a>=5",
    "not",
    "and",
    "or",
    "(",
    ")",
    "x",
    "y*",
    "\"a b\"",
    "/re/i",
    "last",
    "24h",
    "since",
    "2026-11-22",
    "10:00",
    "until",
    "now-2h",
    "between",
    "by",
    "model",
    ",",
    "operation",
    "per",
    "1h",
    "top",
    "5",
    "sort",
    "desc",
    "limit",
    "all",
    "time",
    "count",
    "sum(a+b)",
    "p99(latency)",
    "if",
    "as",
    "n",
    "|",
    "stats",
    "keep",
    "set",
    "=",
    "a",
    "-",
    "b",
    "in (a, b)",
    "exists",
    "missing",
    "contains",
    "z",
    "field:word",
    "~",
    "`odd name`",
    "today",
    "this",
    "week",
    "previous",
    "around",
    "+-5m",
    "tz",
    "UTC",
    "rename",
    "dedup",
    "cs\"X\"",
    "'q'",
    "not in (1, 2)",
];

fn name() -> impl Strategy<Value = ast::Name> {
    prop_oneof!["[a-z_][a-z0-9_.]{0,8}", "[a-zA-Z `.=|()/\"'-]{1,10}"]
        .prop_map(|text| ast::Name::new(&text))
        .prop_filter("a name may not be a keyword or empty", |name| !name.text.is_empty())
}

fn value() -> impl Strategy<Value = ast::Value> {
    let bare = "[a-zA-Z0-9._:@$-][a-zA-Z0-9._/:@=*(-]{0,10}".prop_map(|text| (text, false));
    let quoted = "\\PC{0,12}".prop_map(|text| (text, true));
    prop_oneof![bare, quoted].prop_map(|(text, quoted)| ast::Value {
        text,
        quoted,
        place: ast::Place::default(),
    })
}

fn term() -> impl Strategy<Value = ast::Expr> {
    use ast::{Search, Term};
    let ops = proptest::sample::select(vec![
        crate::Op::Eq,
        crate::Op::Ne,
        crate::Op::Lt,
        crate::Op::Le,
        crate::Op::Gt,
        crate::Op::Ge,
    ]);
    let place = ast::Place::default();
    prop_oneof![
        (name(), ops, value()).prop_map(|(field, op, value)| Term::Compare { field, op, value }),
        (name(), any::<bool>(), proptest::collection::vec(value(), 1..4))
            .prop_map(|(field, negated, values)| Term::In { field, negated, values }),
        (name(), any::<bool>(), value(), value()).prop_map(|(field, negated, low, high)| Term::Between {
            field,
            negated,
            low,
            high
        }),
        (name(), any::<bool>()).prop_map(|(field, exists)| Term::Presence { field, exists }),
        (name(), value()).prop_map(|(field, value)| Term::Text { field, op: ast::TextOp::Contains, value }),
        "\\PC{1,12}".prop_map(move |text| Term::Search { field: None, what: Search::Phrase(text), place }),
        (name(), "\\PC{1,12}").prop_map(move |(field, text)| Term::Search {
            field: Some(field),
            what: Search::Exact(text),
            place
        }),
        (name(), "[a-z.*+/ ]{1,10}", any::<bool>()).prop_map(|(field, pattern, ignore_case)| Term::Match {
            field,
            negated: false,
            regex: ast::Regex { pattern, ignore_case, place: ast::Place::default() },
        }),
    ]
    .prop_map(ast::Expr::Term)
}

fn expr() -> impl Strategy<Value = ast::Expr> {
    term().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(ast::Expr::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(ast::Expr::Or),
            inner.prop_map(|inner| match inner {
                ast::Expr::Not(inner) => *inner,
                other => ast::Expr::Not(Box::new(other)),
            }),
        ]
    })
}
