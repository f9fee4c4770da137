//! Habits of SPL, and what those who have them are told.

use expect_test::expect;

use super::super::wrong;

#[test]
fn habits_of_spl_get_a_hint() {
    for (text, want) in [
        (
            "search index=main error",
            expect![[r#"
                error Q0505: a query cannot start with `search`
                  search index=main error
                  ^^^^^^
                  help: leave `search` out: `events where source=api timeout`"#]],
        ),
        (
            "index=main earliest=-1h latest=now",
            expect![[r#"
                error Q0505: `earliest=` is not part of this language
                  index=main earliest=-1h latest=now
                             ^^^^^^^^
                  help: write `last 1h` or `since now-1h`"#]],
        ),
        (
            "events latest=-5m@m",
            expect![[r#"
                error Q0505: `latest=` is not part of this language
                  events latest=-5m@m
                         ^^^^^^
                  help: write `until now-5m`"#]],
        ),
        (
            "events | head 5",
            expect![[r#"
                error Q0101: unknown pipe `head`
                  events | head 5
                           ^^^^
                  help: `limit n` cuts the answer; `sort` says which rows come first"#]],
        ),
        (
            "events | table a b",
            expect![[r#"
                error Q0101: unknown pipe `table`
                  events | table a b
                           ^^^^^
                  help: `keep a, b` keeps columns"#]],
        ),
        (
            "events | stats count() by",
            expect![[r#"
                error Q0201: expected a field name, found the end of the query
                  events | stats count() by
                                           ^
                  help: separate names with commas; put a keyword in backticks"#]],
        ),
        (
            "events | stats dc(model)",
            expect![[r#"
                error Q0104: unknown function `dc`
                  events | stats dc(model)
                                 ^^
                  help: `distinct(field)` counts different values"#]],
        ),
        (
            "events | stats perc95(latency)",
            expect![[r#"
                error Q0104: unknown function `perc95`
                  events | stats perc95(latency)
                                 ^^^^^^
                  help: `p95(latency)` is a quantile"#]],
        ),
        (
            r#"events | stats count(eval(level="error"))"#,
            expect![[r#"
                error Q0204: this cannot stand in arithmetic
                  events | stats count(eval(level="error"))
                                           ^
                  help: operators are + - * /; a condition goes after: `count if (status = 500)`"#]],
        ),
        (
            "events | timechart span=1h count by model",
            expect![[r#"
                error Q0101: unknown pipe `timechart`
                  events | timechart span=1h count by model
                           ^^^^^^^^^
                  help: `stats count by model per 1h` groups by time"#]],
        ),
        (
            r#"events | rex "user=(?<user>\w+)""#,
            expect![[r#"
                error Q0101: unknown pipe `rex`
                  events | rex "user=(?<user>\w+)"
                           ^^^
                  help: `parse "took {took:duration}"` or `parse regex /.../` reads a text"#]],
        ),
        (
            "events | eval x = a + b",
            expect![[r#"
                error Q0101: unknown pipe `eval`
                  events | eval x = a + b
                           ^^^^
                  help: `set x = a + b` adds a column"#]],
        ),
        (
            "events | sort - latency",
            expect![[r#"
                error Q0505: a leading `-` does not sort downwards
                  events | sort - latency
                                ^
                  help: write `sort latency desc`"#]],
        ),
        (
            "events | top model",
            expect![[r#"
                error Q0303: expected how many, found `model`
                  events | top model
                               ^^^^^
                  help: a whole number such as 5: `top 5 by operation`"#]],
        ),
        (
            "events | rare model",
            expect![[r#"
                error Q0101: unknown pipe `rare`
                  events | rare model
                           ^^^^
                  help: `bottom 5 by model` ranks from the other end"#]],
        ),
        (
            "events | transaction session",
            expect![[r#"
                error Q0101: unknown pipe `transaction`
                  events | transaction session
                           ^^^^^^^^^^^
                  help: `session ID` lists one run, `gap` shows the time between rows"#]],
        ),
        (
            "events | timechart span=1h count",
            expect![[r#"
                error Q0101: unknown pipe `timechart`
                  events | timechart span=1h count
                           ^^^^^^^^^
                  help: `stats count by model per 1h` groups by time"#]],
        ),
        (
            "events | head 10",
            expect![[r#"
                error Q0101: unknown pipe `head`
                  events | head 10
                           ^^^^
                  help: `limit n` cuts the answer; `sort` says which rows come first"#]],
        ),
        (
            r#"events where cidrmatch("10.0.0.0/8", addr)"#,
            expect![[r#"
            error Q0104: unknown function `cidrmatch`
              events where cidrmatch("10.0.0.0/8", addr)
                           ^^^^^^^^^
              help: write `field cidr 10.0.0.0/8`"#]],
        ),
        (
            "events | stats earliest(time)",
            expect![[r#"
            error Q0104: unknown function `earliest`
              events | stats earliest(time)
                             ^^^^^^^^
              help: `first(field)` and `last(field)` go by time"#]],
        ),
        (
            "events | mvexpand x",
            expect![[r#"
                error Q0101: unknown pipe `mvexpand`
                  events | mvexpand x
                           ^^^^^^^^
                  help: `unroll field` gives every element of an array a row"#]],
        ),
        (
            "events | stats values(model) by session",
            expect![[r#"
                error Q0104: unknown function `values`
                  events | stats values(model) by session
                                 ^^^^^^
                  help: `uniq_values(field)` gives every different value of a group, `by field` a row for each"#]],
        ),
        (
            r#"events | cluster"#,
            expect![[r#"
            error Q0101: unknown pipe `cluster`
              events | cluster
                       ^^^^^^^
              help: a query that starts with `patterns` gives the forms of the texts and how many have each"#]],
        ),
    ] {
        wrong(text, &want);
    }
}
