//! What people write who come from other languages, and what they are told.

mod kql;
mod logql;
mod logsql;
mod spl;
mod sql;

use expect_test::expect;

use super::{same, wrong};

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
                  help: write `sort time`"#]],
        ),
        (
            "events where x is null",
            expect![[r#"
                error Q0505: `is null` is not part of this language
                  events where x is null
                                 ^^
                  help: write `x missing`"#]],
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
                  help: `stats count` counts the rows"#]],
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
fn what_only_resembles_a_habit_is_a_text_or_a_comparison() {
    same(&[
        ("events offset after past every from", "events offset and after and past and every and from"),
        ("events user has error", "events user and has and error"),
        ("events having fun", "events having and fun"),
        ("events \"--\" \"has\"", "events \"--\" and \"has\""),
        ("events `_time`:5m `earliest`=-1h", "events `_time`:5m and `earliest`=-1h"),
        ("events where index=main and level:error", "events where index=main and level:error"),
        ("events where a=\"x;\" b='ago(1h)'", "events where a=\"x;\" and b=\"ago(1h)\""),
        ("search for errors", "search and for and errors"),
        ("update | where set = 1", "update | where set=1"),
    ]);
}
