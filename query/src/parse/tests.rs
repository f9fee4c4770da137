//! The grammar: what texts mean, what is wrong with others, and that nothing makes the parser panic.

use expect_test::{Expect, expect};
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
    want.assert_eq(&diagnostic::render(&problems, text));
}

#[test]
fn a_value_after_an_operator_runs_to_white_space() {
    tokens(
        "model=anthropic/claude-3-7 url=http://x:80/a?b=c and path != /usr/bin, z>=-1.5e3)",
        &expect![[r#"
            word model
            =
            value anthropic/claude-3-7
            word url
            =
            value http://x:80/a?b=c
            word and
            word path
            !=
            value /usr/bin
            ,
            word z
            >=
            value -1.5e3
            )"#]],
    );
}

#[test]
fn quotes_and_escapes() {
    tokens(
        r#""a \"b\" c:\temp\\" 'it is \n' cs"Exact" `http.status code` `a``b` /re\/gex/i message:/x y/"#,
        &expect![[r#"
            quoted "a \"b\" c:\\temp\\"
            single "it is \\n"
            exact "Exact"
            name "http.status code"
            name "a`b"
            regex "re/gex" any case
            word message
            :
            regex "x y""#]],
    );
}

#[test]
fn arithmetic_is_arithmetic_only_in_functions_and_set() {
    tokens(
        "a-b/c sum(a-b/c*2) | set x = a-b/c | where a-b",
        &expect![[r#"
            word a-b/c
            word sum
            (
            word a
            -
            word b
            /
            word c
            *
            word 2
            )
            |
            word set
            word x
            =
            word a
            -
            word b
            /
            word c
            |
            word where
            word a-b"#]],
    );
}

#[test]
fn a_colon_separates_a_field_only_where_it_can() {
    tokens(
        "message:time* 12:30:45 http://x.y/z error: a::b trace:cs\"A b\"",
        &expect![[r#"
            word message
            :
            value time*
            word 12:30:45
            word http://x.y/z
            word error:
            word a::b
            word trace
            :
            exact "A b""#]],
    );
}

#[test]
fn what_cannot_be_a_token_is_reported_and_left_out() {
    tokens(
        "a && b || c |= \"x\" !d =~ \"open",
        &expect![[r#"
            word a
            word and
            word b
            word or
            word c
            quoted "x"
            word d
            =
            quoted "open"
            ! Q0503: `&&` is no operator (help: write `and`)
            ! Q0503: `||` is no operator (help: write `or`)
            ! Q0504: `|=` is no operator (help: text is searched by writing it: `"connection timeout"`, or `message contains "..."`)
            ! Q0502: `!` does not negate (help: write `not` before the term)
            ! Q0501: `=~` is no operator (help: a regex is matched by `~`: `field ~ /text/i`)
            ! Q0005: this quote is never closed (help: close it with `"`; a quote inside is written `\"`)"#]],
    );
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
fn several_problems_are_reported_at_once() {
    wrong(
        "tokens wher model= by (model) last 5 | fitler x | stats",
        &expect![[r#"
            warning Q0105: `wher` is searched as text
              tokens wher model= by (model) last 5 | fitler x | stats
                     ^^^^
              help: did you mean `where`? quote the word to search for it
            error Q0401: `5` is no duration
              tokens wher model= by (model) last 5 | fitler x | stats
                                                 ^
              help: a duration needs a unit: 90s, 15m, 24h, 7d, 2w, 1mo
            error Q0101: unknown pipe `fitler`
              tokens wher model= by (model) last 5 | fitler x | stats
                                                     ^^^^^^
              help: the pipes are where, stats, top, bottom, sort, limit, keep, drop, rename, dedup, set, gap
            error Q0201: expected a measure, found the end of the query
              tokens wher model= by (model) last 5 | fitler x | stats
                                                                     ^
              help: such as `stats count, avg(latency) by model`"#]],
    );
}

#[test]
fn habits_of_other_languages_get_a_hint() {
    for (text, want) in [
        (
            "select * from events",
            expect![[r#"
            error Q0505: a query cannot start with `select`
              select * from events
              ^^^^^^
              help: a query starts with what to report: `events where ...`, `tokens by model last 24h`"#]],
        ),
        (
            "tokens group by model",
            expect![[r#"
            error Q0505: `group by` is not part of this language
              tokens group by model
                     ^^^^^
              help: write `by model`"#]],
        ),
        (
            "events order by time",
            expect![[r#"
            error Q0505: `order by` is not part of this language
              events order by time
                     ^^^^^
              help: write `sort latency desc`"#]],
        ),
        (
            "events where x is null",
            expect![[r#"
            error Q0505: `is null` is not part of this language
              events where x is null
                             ^^
              help: write `field missing` or `field exists`"#]],
        ),
        (
            "events where name starts with \"a\"",
            expect![[r#"
            error Q0505: `with` is not part of this operator
              events where name starts with "a"
                                       ^^^^
              help: write `field starts "text"`"#]],
        ),
        (
            "events where x not like y",
            expect![[r#"
            error Q0505: `not` stands before the field here
              events where x not like y
                             ^^^
              help: write `not x like ...`"#]],
        ),
        (
            "events -error",
            expect![[r#"
            error Q0502: a leading `-` does not exclude
              events -error
                     ^^^^^^
              help: write `not error`; quote text that begins with `-`"#]],
        ),
        (
            "events !error",
            expect![[r#"
            error Q0502: `!` does not negate
              events !error
                     ^
              help: write `not` before the term"#]],
        ),
        (
            "events *",
            expect![[r#"
            error Q0502: `*` is not needed
              events *
                     ^
              help: without a condition every record is read; `word*` finds words that begin so"#]],
        ),
        (
            "{app=\"x\"} |= \"y\"",
            expect![[r#"
            error Q0505: a query cannot start with `{app`
              {app="x"} |= "y"
              ^^^^
              help: labels are fields: `events where app="x" "text"`
            error Q0504: `|=` is no operator
              {app="x"} |= "y"
                        ^^
              help: text is searched by writing it: `"connection timeout"`, or `message contains "..."`"#]],
        ),
        (
            "events sort -latency",
            expect![[r#"
            error Q0505: a leading `-` does not sort downwards
              events sort -latency
                          ^^^^^^^^
              help: write `sort latency desc`"#]],
        ),
        (
            "events | summarize count by x",
            expect![[r#"
            error Q0101: unknown pipe `summarize`
              events | summarize count by x
                       ^^^^^^^^^
              help: `stats count by model` groups"#]],
        ),
        (
            "events | count",
            expect![[r#"
            error Q0101: unknown pipe `count`
              events | count
                       ^^^^^
              help: `stats count by model` groups"#]],
        ),
        (
            "events last hour",
            expect![[r#"
            error Q0401: `last hour` can mean two things
              events last hour
                          ^^^^
              help: `last 1h` ends now; `previous hour` is the one of the calendar"#]],
        ),
        (
            "events since 2h",
            expect![[r#"
            error Q0402: `2h` is no point in time
              events since 2h
                           ^^
              help: `last 2h` ends now; `now-2h` is a point in time"#]],
        ),
        (
            "token by model",
            expect![[r#"
            warning Q0105: `token` is searched as text
              token by model
              ^^^^^
              help: did you mean `tokens`? quote the word to search for it"#]],
        ),
        (
            "events wher x=1",
            expect![[r#"
            warning Q0105: `wher` is searched as text
              events wher x=1
                     ^^^^
              help: did you mean `where`? quote the word to search for it"#]],
        ),
        (
            "tokens by model operation",
            expect![[r#"
            warning Q0205: `operation` is searched as text
              tokens by model operation
                              ^^^^^^^^^
              help: keys are separated by commas and `top` needs `by`; text is clearer in quotes"#]],
        ),
    ] {
        wrong(text, &want);
    }
}

#[test]
fn parts_of_the_language_that_are_not_there_yet_say_so() {
    for (text, want) in [
        (
            "profile events",
            expect![[r#"
            error Q0903: `profile` is not supported yet
              profile events
              ^^^^^^^
              help: `explain` shows the plan; every answer carries its own `stats`"#]],
        ),
        (
            "tokens vs previous",
            expect![[r#"
            error Q0903: `vs` is not supported yet
              tokens vs previous
                     ^^
              help: run the query once for each range"#]],
        ),
        (
            "events x context -5 +5",
            expect![[r#"
            error Q0903: `context` is not supported yet
              events x context -5 +5
                       ^^^^^^^
              help: `events around TIME +-1m` shows what happened nearby; quote the word to search for it"#]],
        ),
        (
            "events rate(x), histogram(y)",
            expect![[r#"
            error Q0904: `rate` is not supported yet
              events rate(x), histogram(y)
                     ^^^^
              help: `count per 1m` counts by the minute
            error Q0904: `histogram` is not supported yet
              events rate(x), histogram(y)
                              ^^^^^^^^^
              help: `p50`, `p90`, `p99` describe a distribution"#]],
        ),
        (
            "events approx_p99(x)",
            expect![[r#"
            error Q0904: `approx_p99` is not supported yet
              events approx_p99(x)
                     ^^^^^^^^^^
              help: `p50`, `p99` and the like are exact"#]],
        ),
        (
            "events session in (events where x=1)",
            expect![[r#"
            error Q0905: a query inside `in (...)` is not supported yet
              events session in (events where x=1)
                                        ^^^^^
              help: run the inner query first and list its values: `session in (a, b)`"#]],
        ),
        (
            "events | parse \"a {b}\"",
            expect![[r#"
            error Q0903: `parse` is not supported yet
              events | parse "a {b}"
                       ^^^^^
              help: fields are taken from JSON, CSV and known formats at import"#]],
        ),
        (
            "tokens per 1h | fill 0",
            expect![[r#"
            error Q0903: `fill` is not supported yet
              tokens per 1h | fill 0
                              ^^^^
              help: buckets with no record are left out"#]],
        ),
    ] {
        wrong(text, &want);
    }
}

#[test]
fn grammar_problems_have_a_place_and_help() {
    for (text, want) in [
        (
            "events where",
            expect![[r#"
            error Q0201: expected a condition, found the end of the query
              events where
                          ^
              help: such as `level >= error` or `model = llama3.2`"#]],
        ),
        (
            "events where and x",
            expect![[r#"
            error Q0201: expected a condition, found `and`
              events where and x
                           ^^^
              help: such as `level >= error` or `model = llama3.2`"#]],
        ),
        (
            "events where a=1 or",
            expect![[r#"
            error Q0201: no condition follows `or`
              events where a=1 or
                               ^^
              help: quote the word to search for it"#]],
        ),
        (
            "events where (a=1",
            expect![[r#"
            error Q0203: this `(` is never closed
              events where (a=1
                           ^
              help: add `)`"#]],
        ),
        (
            "events where a=1)",
            expect![[r#"
            error Q0203: this `)` closes nothing
              events where a=1)
                              ^
              help: quote a value that holds a parenthesis"#]],
        ),
        (
            "events where =5",
            expect![[r#"
            error Q0201: expected a condition, found `=`
              events where =5
                           ^
              help: such as `level >= error` or `model = llama3.2`"#]],
        ),
        (
            "events where x in (a b)",
            expect![[r#"
            error Q0204: values are separated by commas
              events where x in (a b)
                                   ^
              help: `model in (a, b)`; quote a value that holds a space"#]],
        ),
        (
            "events where x=(a or b)",
            expect![[r#"
            error Q0201: no value follows `=`
              events where x=(a or b)
                            ^
              help: several values are written `field in (a, b)`"#]],
        ),
        (
            "events where a=1 where b=2",
            expect![[r#"
            error Q0202: where is given twice
              events where a=1 where b=2
                               ^^^^^^^^^
              help: join conditions with `and`"#]],
        ),
        (
            "events last 1h today",
            expect![[r#"
            error Q0202: a time clause is given twice
              events last 1h today
                             ^^^^^
              help: a query has one range: `since ... until ...`"#]],
        ),
        (
            "events sum by x",
            expect![[r#"
            warning Q0105: `sum` is searched as text
              events sum by x
                     ^^^
              help: a function needs a field: `sum(latency)`; text is clearer in quotes"#]],
        ),
        (
            "events sum(a, b)",
            expect![[r#"
            error Q0204: a function takes one argument
              events sum(a, b)
                          ^
              help: write one measure for each: `sum(a), sum(b)`"#]],
        ),
        (
            "events sum(a",
            expect![[r#"
            error Q0203: this `(` is never closed
              events sum(a
                        ^
              help: add `)`"#]],
        ),
        (
            "events top five by x",
            expect![[r#"
            error Q0303: expected how many, found `five`
              events top five by x
                         ^^^^
              help: a whole number such as 5 or 10k"#]],
        ),
        (
            "events | | limit 5",
            expect![[r#"
            error Q0201: nothing follows this `|`
              events | | limit 5
                     ^
              help: after `|` stands one of where, stats, top, sort, limit, keep"#]],
        ),
        (
            "events | limit 5 6",
            expect![[r#"
            error Q0204: `6` cannot stand here; expected `|` or the end of the query
              events | limit 5 6
                               ^"#]],
        ),
        (
            "events `a",
            expect![[r#"
            error Q0005: this backtick is never closed
              events `a
                     ^
              help: close the name with a backtick
            error Q0204: a field alone is no condition
              events `a
                     ^^
              help: ``a` exists` tests that it is there; text goes in double quotes"#]],
        ),
        (
            "events `a`",
            expect![[r#"
            error Q0204: a field alone is no condition
              events `a`
                     ^^^
              help: ``a` exists` tests that it is there; text goes in double quotes"#]],
        ),
        ("events message:", expect![[r#""#]]),
        (
            "events by",
            expect![[r#"
            error Q0201: expected a field name, found the end of the query
              events by
                       ^
              help: separate names with commas; put a keyword in backticks"#]],
        ),
    ] {
        wrong(text, &want);
    }
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
        let tree = Query { explain: false, noun: None, clauses: vec![ast::Clause::Where(expr, ast::Place::default())], pipes: Vec::new() };
        let printed = tree.to_string();
        let (again, problems) = parse(&printed);
        prop_assert!(problems.is_empty(), "{}", diagnostic::render(&problems, &printed));
        prop_assert_eq!(again.unwrap(), tree, "{}", printed);
    }
}

/// Words of queries, whole and broken.
const WORDS: &[&str] = &[
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
