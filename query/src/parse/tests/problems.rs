//! What is wrong with a text: its code, its place, and what to write instead.

use expect_test::expect;

use super::wrong;

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
              help: the pipes are where, stats, top, bottom, sort, limit, keep, drop, rename, dedup, set, gap, fill, parse, unroll, sample
            error Q0201: expected a measure, found the end of the query
              tokens wher model= by (model) last 5 | fitler x | stats
                                                                     ^
              help: such as `stats count, avg(latency) by model`"#]],
    );
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
                  help: a whole number such as 5: `top 5 by operation`"#]],
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
                                   ^
                  help: steps are separated by `|`; quote a value that holds a space"#]],
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
                  help: `exists` after it tests that it is there; text goes in double quotes"#]],
        ),
        (
            "events `a`",
            expect![[r#"
                error Q0204: a field alone is no condition
                  events `a`
                         ^^^
                  help: `exists` after it tests that it is there; text goes in double quotes"#]],
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
