//! What people write who come from other languages, and what they are told.

use expect_test::expect;

use super::wrong;

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
fn people_from_kql_spl_logsql_and_logql_are_told_what_to_write() {
    for (text, want) in [
        (
            r#"events | where message has "timeout""#,
            expect![[r#"
            error Q0505: `has` is no operator here
              events | where message has "timeout"
                                     ^^^
              help: write `message contains ...`"#]],
        ),
        (
            r#"events | where name startswith "a""#,
            expect![[r#"
            error Q0505: `startswith` is no operator here
              events | where name startswith "a"
                                  ^^^^^^^^^^
              help: write `name starts ...`"#]],
        ),
        (
            r#"events | where time > ago(1h)"#,
            expect![[r#"
                error Q0505: `ago` is not part of this language
                  events | where time > ago(1h)
                                        ^^^^^^
                  help: `now-1h` is a point in time, `last 1h` a range that ends now"#]],
        ),
        (
            r#"events | project time, message"#,
            expect![[r#"
            error Q0101: unknown pipe `project`
              events | project time, message
                       ^^^^^^^
              help: `keep a, b` keeps columns"#]],
        ),
        (
            r#"events | summarize count() by bin(time, 1h)"#,
            expect![[r#"
            error Q0101: unknown pipe `summarize`
              events | summarize count() by bin(time, 1h)
                       ^^^^^^^^^
              help: `stats count by model` groups"#]],
        ),
        (
            r#"events | order by time desc"#,
            expect![[r#"
            error Q0505: `order by` is not part of this language
              events | order by time desc
                       ^^^^^
              help: write `sort latency desc`"#]],
        ),
        (
            r#"events | mv-expand tags"#,
            expect![[r#"
            error Q0101: unknown pipe `mv-expand`
              events | mv-expand tags
                       ^^^^^^^^^
              help: `unroll field` gives every element of an array a row"#]],
        ),
        (
            r#"events | timechart span=1h count"#,
            expect![[r#"
                error Q0101: unknown pipe `timechart`
                  events | timechart span=1h count
                           ^^^^^^^^^
                  help: `stats count by model per 1h` groups by time"#]],
        ),
        (
            r#"events | eval x = a + b"#,
            expect![[r#"
            error Q0101: unknown pipe `eval`
              events | eval x = a + b
                       ^^^^
              help: `set x = a + b` adds a column"#]],
        ),
        (
            r#"events | head 10"#,
            expect![[r#"
            error Q0101: unknown pipe `head`
              events | head 10
                       ^^^^
              help: `limit n` cuts the answer"#]],
        ),
        (
            r#"_time:5m error"#,
            expect![[r#"
            error Q0505: `_time` does not say which time to read
              _time:5m error
              ^^^^^
              help: write `last 5m`"#]],
        ),
        (
            r#"events | stats by (host) count()"#,
            expect![[r#"
                error Q0505: measures stand before `by`
                  events | stats by (host) count()
                                 ^^
                  help: write `stats count by model`"#]],
        ),
        (
            r#"events | uniq by (x)"#,
            expect![[r#"
            error Q0101: unknown pipe `uniq`
              events | uniq by (x)
                       ^^^^
              help: `dedup by field` keeps one of each; `distinct(field)` counts them"#]],
        ),
        (
            r#"sum by (x) (rate({app="a"}[5m]))"#,
            expect![[r#"
                error Q0505: a query cannot start with `sum`
                  sum by (x) (rate({app="a"}[5m]))
                  ^^^
                  help: keys stand behind the measure: `events rate(), sum(latency) by model per 5m`
                error Q0004: `{` cannot stand in arithmetic
                  sum by (x) (rate({app="a"}[5m]))
                                   ^
                  help: put an odd field name in backticks
                error Q0004: `}` cannot stand in arithmetic
                  sum by (x) (rate({app="a"}[5m]))
                                           ^
                  help: put an odd field name in backticks
                error Q0004: `[` cannot stand in arithmetic
                  sum by (x) (rate({app="a"}[5m]))
                                            ^
                  help: put an odd field name in backticks
                error Q0004: `]` cannot stand in arithmetic
                  sum by (x) (rate({app="a"}[5m]))
                                               ^
                  help: put an odd field name in backticks"#]],
        ),
        (
            r#"events | json"#,
            expect![[r#"
                error Q0101: unknown pipe `json`
                  events | json
                           ^^^^
                  help: `parse json` and `parse logfmt` read `message`, or the field after `from`"#]],
        ),
        (
            r#"events | logfmt"#,
            expect![[r#"
                error Q0101: unknown pipe `logfmt`
                  events | logfmt
                           ^^^^^^
                  help: `parse json` and `parse logfmt` read `message`, or the field after `from`"#]],
        ),
        (
            r#"events | line_format "x""#,
            expect![[r#"
                error Q0101: unknown pipe `line_format`
                  events | line_format "x"
                           ^^^^^^^^^^^
                  help: `keep a, b` says what is shown; `set` computes columns"#]],
        ),
        (
            r#"events having count > 2"#,
            expect![[r#"
            warning Q0105: `having` is searched as text
              events having count > 2
                     ^^^^^^
              help: `... count by model | where count > 2` filters groups"#]],
        ),
        (
            r#"events | having count > 2"#,
            expect![[r#"
            error Q0101: unknown pipe `having`
              events | having count > 2
                       ^^^^^^
              help: `where ...` filters"#]],
        ),
        (
            r#"tokens by bin(time, 1h)"#,
            expect![[r#"
                error Q0505: `bin` is not part of this language
                  tokens by bin(time, 1h)
                            ^^^
                  help: time buckets are `per 1h`"#]],
        ),
        (
            r#"events | parse_json(message)"#,
            expect![[r#"
            error Q0101: unknown pipe `parse_json`
              events | parse_json(message)
                       ^^^^^^^^^^
              help: `parse "took {took:duration}"`, `parse regex /.../` or `parse json` reads a text"#]],
        ),
        (
            r#"events from logs"#,
            expect![[r#"
            warning Q0105: `from` is searched as text
              events from logs
                     ^^^^
              help: a query reads the whole store; `where source=x` chooses; text is clearer in quotes"#]],
        ),
        (
            r#"events | sort by x desc | take 5"#,
            expect![[r#"
            error Q0101: unknown pipe `take`
              events | sort by x desc | take 5
                                        ^^^^
              help: `limit n` cuts the answer"#]],
        ),
        (
            r#"events count(distinct model)"#,
            expect![[r#"
                error Q0505: `distinct` is a function here
                  events count(distinct model)
                               ^^^^^^^^
                  help: write `distinct(model)`"#]],
        ),
    ] {
        wrong(text, &want);
    }
}
