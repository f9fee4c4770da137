//! Habits of LogsQL, and what those who have them are told.

use expect_test::expect;

use super::super::wrong;

#[test]
fn habits_of_logsql_get_a_hint() {
    for (text, want) in [
        (
            "_time:5m error",
            expect![[r#"
                error Q0505: the range is a clause here
                  _time:5m error
                  ^^^^^
                  help: write `last 5m`"#]],
        ),
        (
            "_time:[2026-11-01, 2026-11-02] error",
            expect![[r#"
                error Q0505: the range is a clause here
                  _time:[2026-11-01, 2026-11-02] error
                  ^^^^^
                  help: write `last 5m`, `on 2026-11-22` or `since A until B`"#]],
        ),
        (
            r#"_stream:{app="x"} error"#,
            expect![[r#"
                error Q0505: streams are not selected here
                  _stream:{app="x"} error
                          ^^^^^^^^^
                  help: labels are fields: `where app="x"`"#]],
        ),
        (
            "events level:=error",
            expect![[r#"
                error Q0501: `=` is no operator
                  events level:=error
                               ^
                  help: an operator stands without `:`: `level = error`, `latency > 5`, `message ~ /text/`"#]],
        ),
        (
            "events latency:>5",
            expect![[r#"
                error Q0501: `>` is no operator
                  events latency:>5
                                 ^
                  help: an operator stands without `:`: `level = error`, `latency > 5`, `message ~ /text/`"#]],
        ),
        (
            "events level:!error",
            expect![[r#"
                error Q0502: `!` does not negate
                  events level:!error
                               ^^^^^^
                  help: write `not level:error`; quote text that begins with `!`"#]],
        ),
        (
            "level:in(error, warn)",
            expect![[r#"
                error Q0505: `in(...)` is not part of this language
                  level:in(error, warn)
                        ^^^^^^^^
                  help: write `level in (a, b)`"#]],
        ),
        (
            r#"events message:re("a.*b")"#,
            expect![[r#"
                error Q0505: `re(...)` is not part of this language
                  events message:re("a.*b")
                                 ^^^^^^^^^
                  help: write `message ~ /regex/`"#]],
        ),
        (
            "i(error)",
            expect![[r#"
                error Q0104: unknown function `i`
                  i(error)
                  ^
                  help: words and phrases match in any case as they are"#]],
        ),
        (
            r#""connection res"*"#,
            expect![[r#"
                error Q0502: `*` cannot follow a phrase
                  "connection res"*
                                  ^
                  help: `word*` finds words that begin so; `message contains "..."` finds any part of a text"#]],
        ),
        (
            "events timeout offset 1h",
            expect![[r#"
                error Q0505: `offset` is not part of this language
                  events timeout offset 1h
                                 ^^^^^^
                  help: write the range itself: `since now-2h until now-1h`"#]],
        ),
        (
            "events | stats by (level) count() as n",
            expect![[r#"
                error Q0505: measures stand before `by`
                  events | stats by (level) count() as n
                                 ^^
                  help: write `stats count by model`"#]],
        ),
        (
            "events | stats count() as n by (level)",
            expect![[r#"
                error Q0505: keys stand without parentheses
                  events | stats count() as n by (level)
                                                 ^
                  help: write `by model, operation`; time buckets are `per 1h`"#]],
        ),
        (
            "events | stats count_uniq(model)",
            expect![[r#"
                error Q0104: unknown function `count_uniq`
                  events | stats count_uniq(model)
                                 ^^^^^^^^^^
                  help: `distinct(field)` counts different values"#]],
        ),
        (
            "events | stats quantile(0.95, latency)",
            expect![[r#"
                error Q0104: unknown function `quantile`
                  events | stats quantile(0.95, latency)
                                 ^^^^^^^^
                  help: `p95(latency)` is a quantile"#]],
        ),
        (
            "events | uniq by (model)",
            expect![[r#"
                error Q0101: unknown pipe `uniq`
                  events | uniq by (model)
                           ^^^^
                  help: `dedup by field` keeps one of each; `distinct(field)` counts them"#]],
        ),
        (
            "events | fields time, message",
            expect![[r#"
                error Q0101: unknown pipe `fields`
                  events | fields time, message
                           ^^^^^^
                  help: `keep a, b` keeps columns"#]],
        ),
        (
            r#"events | extract "user=<user>""#,
            expect![[r#"
                error Q0101: unknown pipe `extract`
                  events | extract "user=<user>"
                           ^^^^^^^
                  help: `parse "took {took:duration}"` or `parse regex /.../` reads a text"#]],
        ),
        (
            "events | field_names",
            expect![[r#"
                error Q0101: unknown pipe `field_names`
                  events | field_names
                           ^^^^^^^^^^^
                  help: `fields` and `values FIELD` start a query"#]],
        ),
        (
            "events | stats by (host) count()",
            expect![[r#"
                error Q0505: measures stand before `by`
                  events | stats by (host) count()
                                 ^^
                  help: write `stats count by model`"#]],
        ),
        (
            "events | uniq by (x)",
            expect![[r#"
            error Q0101: unknown pipe `uniq`
              events | uniq by (x)
                       ^^^^
              help: `dedup by field` keeps one of each; `distinct(field)` counts them"#]],
        ),
        (
            "events | stats count() by (model)",
            expect![[r#"
            error Q0505: keys stand without parentheses
              events | stats count() by (model)
                                        ^
              help: write `by model, operation`; time buckets are `per 1h`"#]],
        ),
        (
            "events error | stream_context before 2",
            expect![[r#"
            error Q0101: unknown pipe `stream_context`
              events error | stream_context before 2
                             ^^^^^^^^^^^^^^
              help: the clause `context -3 +3` shows the records around those that are found"#]],
        ),
        (
            r#"events where addr:ipv4_range("10.0.0.0/8")"#,
            expect![[r#"
            error Q0505: `ipv4_range(...)` is not part of this language
              events where addr:ipv4_range("10.0.0.0/8")
                                ^^^^^^^^^^^^^^^^^^^^^^^
              help: write `addr cidr 10.0.0.0/8`"#]],
        ),
        (
            "events | stats row_values(model)",
            expect![[r#"
            error Q0104: unknown function `row_values`
              events | stats row_values(model)
                             ^^^^^^^^^^
              help: `list(field)` gives all values of a group"#]],
        ),
        (
            r#"events *err* message:*err* message:* *"#,
            expect![[r#"
            error Q0502: `*` cannot begin a word
              events *err* message:*err* message:* *
                     ^^^^^
              help: `message contains "err"` finds any part of a text; quote text that begins with `*`"#]],
        ),
        (
            r#"message:*err*"#,
            expect![[r#"
            error Q0502: `*` cannot begin a word
              message:*err*
                      ^^^^^
              help: `message contains "err"` finds any part of a text; quote text that begins with `*`"#]],
        ),
        (
            r#"message:*"#,
            expect![[r#"
            error Q0502: `*` is no word
              message:*
                      ^
              help: `message exists` tests that the field is there"#]],
        ),
    ] {
        wrong(text, &want);
    }
}
