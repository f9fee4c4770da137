//! Habits of LogQL, and what those who have them are told.

use expect_test::expect;

use super::super::wrong;

#[test]
fn habits_of_logql_get_a_hint() {
    for (text, want) in [
        (
            r#"{app="x"} | json | latency > 5"#,
            expect![[r#"
                error Q0505: a query cannot start with `{app`
                  {app="x"} | json | latency > 5
                  ^^^^
                  help: labels are fields: `events where app="x" "text"`"#]],
        ),
        (
            r#"rate({app="x"}[5m])"#,
            expect![[r#"
                error Q0505: streams and ranges are not selected here
                  rate({app="x"}[5m])
                       ^^^^^^^^^^^^^
                  help: labels are conditions and ranges are clauses: `events where app="x" count per 5m last 1h`"#]],
        ),
        (
            r#"sum by (app) (count_over_time({app="x"}[5m]))"#,
            expect![[r#"
                error Q0505: a query cannot start with `sum`
                  sum by (app) (count_over_time({app="x"}[5m]))
                  ^^^
                  help: keys stand behind the measure: `events rate(), sum(latency) by model per 5m`"#]],
        ),
        (
            r#"topk(5, sum(count_over_time({app="x"}[5m])))"#,
            expect![[r#"
                error Q0104: unknown function `topk`
                  topk(5, sum(count_over_time({app="x"}[5m])))
                  ^^^^
                  help: write `top 5 by operation` or `bottom 5 by operation`
                error Q0505: streams and ranges are not selected here
                  topk(5, sum(count_over_time({app="x"}[5m])))
                                              ^^^^^^^^^^^^^
                  help: labels are conditions and ranges are clauses: `events where app="x" count per 5m last 1h`"#]],
        ),
        (
            "events | latency > 5",
            expect![[r#"
                error Q0505: `latency` is no pipe
                  events | latency > 5
                           ^^^^^^^
                  help: write `| where latency > ...`"#]],
        ),
        (
            "events | logfmt",
            expect![[r#"
                error Q0101: unknown pipe `logfmt`
                  events | logfmt
                           ^^^^^^
                  help: `parse json` and `parse logfmt` read `message`, or the field after `from`"#]],
        ),
        (
            "events | unwrap latency",
            expect![[r#"
                error Q0101: unknown pipe `unwrap`
                  events | unwrap latency
                           ^^^^^^
                  help: a field is a number as it is: `stats avg(latency)`"#]],
        ),
        (
            r#"events | line_format "{{.message}}""#,
            expect![[r#"
                error Q0101: unknown pipe `line_format`
                  events | line_format "{{.message}}"
                           ^^^^^^^^^^^
                  help: `keep a, b` says what is shown; `set` computes columns"#]],
        ),
        (
            r#"events where message =~ "a.*b""#,
            expect![[r#"
                error Q0501: `=~` is no operator
                  events where message =~ "a.*b"
                                       ^^
                  help: a regex is matched by `~`: `field ~ /text/i`"#]],
        ),
        (
            r#"events |~ "a.*b""#,
            expect![[r#"
                error Q0504: `|~` is no operator
                  events |~ "a.*b"
                         ^^
                  help: a regex is searched by writing it: `/conn.*timeout/i`, or `message ~ /.../`"#]],
        ),
        (
            r#"sum by (x) (rate({app="a"}[5m]))"#,
            expect![[r#"
                error Q0505: a query cannot start with `sum`
                  sum by (x) (rate({app="a"}[5m]))
                  ^^^
                  help: keys stand behind the measure: `events rate(), sum(latency) by model per 5m`
                error Q0505: streams and ranges are not selected here
                  sum by (x) (rate({app="a"}[5m]))
                                   ^^^^^^^^^^^^^
                  help: labels are conditions and ranges are clauses: `events where app="x" count per 5m last 1h`"#]],
        ),
        (
            "events | json",
            expect![[r#"
                error Q0101: unknown pipe `json`
                  events | json
                           ^^^^
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
            r#"events where addr = ip("10.0.0.0/8")"#,
            expect![[r#"
                error Q0505: `ip` is not part of this language
                  events where addr = ip("10.0.0.0/8")
                                      ^^^^^^^^^^^^^^^
                  help: write `field cidr 10.0.0.0/8`"#]],
        ),
        (
            r#"{app="x"} |> "<_> took <_>""#,
            expect![[r#"
            error Q0505: a query cannot start with `{app`
              {app="x"} |> "<_> took <_>"
              ^^^^
              help: labels are fields: `events where app="x" "text"`"#]],
        ),
        (
            "events | addr = ip(10.0.0.0/8)",
            expect![[r#"
            error Q0505: `addr` is no pipe
              events | addr = ip(10.0.0.0/8)
                       ^^^^
              help: write `| where addr = ...`"#]],
        ),
    ] {
        wrong(text, &want);
    }
}
