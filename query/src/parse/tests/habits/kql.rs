//! Habits of KQL, and what those who have them are told.

use expect_test::expect;

use super::super::wrong;

#[test]
fn habits_of_kql_get_a_hint() {
    for (text, want) in [
        (
            r#"events | where message has "y""#,
            expect![[r#"
                error Q0505: `has` is not part of this language
                  events | where message has "y"
                                         ^^^
                  help: write `message:"y"`; quote the words to search for them"#]],
        ),
        (
            r#"events where message startswith "y""#,
            expect![[r#"
                error Q0505: `startswith` is not part of this language
                  events where message startswith "y"
                                       ^^^^^^^^^^
                  help: write `message starts "y"`; quote the words to search for them"#]],
        ),
        (
            r#"events where message has_any ("a", "b")"#,
            expect![[r#"
                error Q0505: `has_any` is not part of this language
                  events where message has_any ("a", "b")
                                       ^^^^^^^
                  help: write `(message:one or message:other)`; quote the words to search for them"#]],
        ),
        (
            r#"events where message matches regex "a.*b""#,
            expect![[r#"
                error Q0505: `matches` is not part of this language
                  events where message matches regex "a.*b"
                                       ^^^^^^^
                  help: write `message ~ /regex/`; quote the words to search for them"#]],
        ),
        (
            r#"events where message !has "y""#,
            expect![[r#"
                error Q0502: `!` does not negate
                  events where message !has "y"
                                       ^
                  help: write `not` before the term
                error Q0505: `has` is not part of this language
                  events where message !has "y"
                                        ^^^
                  help: write `message:"y"`; quote the words to search for them"#]],
        ),
        (
            "events where time > ago(1h)",
            expect![[r#"
                error Q0505: `ago` is not part of this language
                  events where time > ago(1h)
                                      ^^^^^^
                  help: `now-1h` is a point in time, `last 1h` a range that ends now"#]],
        ),
        (
            "events where time between (ago(1h) .. now())",
            expect![[r#"
                error Q0201: no value follows `between`
                  events where time between (ago(1h) .. now())
                                    ^^^^^^^
                  help: `latency between 1s and 5s`, both ends included, without parentheses
                error Q0402: `(` is no point in time
                  events where time between (ago(1h) .. now())
                                            ^
                  help: such as 2026-11-22, 2026-11-22T10:15Z, now-2h or seconds since 1970"#]],
        ),
        (
            "events where isempty(session)",
            expect![[r#"
                error Q0104: unknown function `isempty`
                  events where isempty(session)
                               ^^^^^^^
                  help: write `field missing`"#]],
        ),
        (
            "events | summarize count() by bin(time, 1h)",
            expect![[r#"
                error Q0101: unknown pipe `summarize`
                  events | summarize count() by bin(time, 1h)
                           ^^^^^^^^^
                  help: `stats count by model` groups"#]],
        ),
        (
            "events | stats count() by bin(time, 1h)",
            expect![[r#"
                error Q0505: `bin(...)` is no field
                  events | stats count() by bin(time, 1h)
                                            ^^^
                  help: time buckets are `per 1h`; `| set x = a / b` computes a column to group by"#]],
        ),
        (
            "events | project time, message",
            expect![[r#"
                error Q0101: unknown pipe `project`
                  events | project time, message
                           ^^^^^^^
                  help: `keep a, b` keeps columns"#]],
        ),
        (
            "events | project-away message",
            expect![[r#"
                error Q0101: unknown pipe `project-away`
                  events | project-away message
                           ^^^^^^^^^^^^
                  help: `drop a, b` leaves columns out"#]],
        ),
        (
            "events | extend x = a + b",
            expect![[r#"
                error Q0101: unknown pipe `extend`
                  events | extend x = a + b
                           ^^^^^^
                  help: `set x = a + b` adds a column"#]],
        ),
        (
            "events | take 5",
            expect![[r#"
                error Q0101: unknown pipe `take`
                  events | take 5
                           ^^^^
                  help: `limit n` cuts the answer; `sort` says which rows come first"#]],
        ),
        (
            "events | stats dcount(model)",
            expect![[r#"
                error Q0104: unknown function `dcount`
                  events | stats dcount(model)
                                 ^^^^^^
                  help: `distinct(field)` counts different values"#]],
        ),
        (
            "events | stats countif(level=error)",
            expect![[r#"
                error Q0104: unknown function `countif`
                  events | stats countif(level=error)
                                 ^^^^^^^
                  help: a condition goes after: `count if (level >= error)`"#]],
        ),
        (
            "let x = 5; events",
            expect![[r#"
                error Q0505: a query cannot start with `let`
                  let x = 5; events
                  ^^^
                  help: a query has no names for parts of it: `where session in (events where level=error)` takes one in
                warning Q0505: `;` is part of `5;`
                  let x = 5; events
                          ^^
                  help: a query ends without one; quote the text if it belongs to it"#]],
        ),
        (
            "events | mv-expand x",
            expect![[r#"
                error Q0101: unknown pipe `mv-expand`
                  events | mv-expand x
                           ^^^^^^^^^
                  help: `unroll field` gives every element of an array a row"#]],
        ),
        (
            "events | render timechart",
            expect![[r#"
                error Q0101: unknown pipe `render`
                  events | render timechart
                           ^^^^^^
                  help: the answer is a table; `-o chart` draws it"#]],
        ),
        (
            r#"events | where message has "timeout""#,
            expect![[r#"
                error Q0505: `has` is not part of this language
                  events | where message has "timeout"
                                         ^^^
                  help: write `message:"timeout"`; quote the words to search for them"#]],
        ),
        (
            r#"events | where name startswith "a""#,
            expect![[r#"
                error Q0505: `startswith` is not part of this language
                  events | where name startswith "a"
                                      ^^^^^^^^^^
                  help: write `name starts "a"`; quote the words to search for them"#]],
        ),
        (
            "events | where time > ago(1h)",
            expect![[r#"
                error Q0505: `ago` is not part of this language
                  events | where time > ago(1h)
                                        ^^^^^^
                  help: `now-1h` is a point in time, `last 1h` a range that ends now"#]],
        ),
        (
            "events | order by time desc",
            expect![[r#"
                error Q0505: `order by` is not part of this language
                  events | order by time desc
                           ^^^^^
                  help: write `sort time desc`"#]],
        ),
        (
            "events | mv-expand tags",
            expect![[r#"
            error Q0101: unknown pipe `mv-expand`
              events | mv-expand tags
                       ^^^^^^^^^
              help: `unroll field` gives every element of an array a row"#]],
        ),
        (
            "tokens by bin(time, 1h)",
            expect![[r#"
                error Q0505: `bin(...)` is no field
                  tokens by bin(time, 1h)
                            ^^^
                  help: time buckets are `per 1h`; `| set x = a / b` computes a column to group by"#]],
        ),
        (
            "events | parse_json(message)",
            expect![[r#"
                error Q0101: unknown pipe `parse_json`
                  events | parse_json(message)
                           ^^^^^^^^^^
                  help: `parse json` and `parse logfmt` read `message`, or the field after `from`"#]],
        ),
        (
            "events | sort by x desc | take 5",
            expect![[r#"
                error Q0101: unknown pipe `take`
                  events | sort by x desc | take 5
                                            ^^^^
                  help: `limit n` cuts the answer; `sort` says which rows come first"#]],
        ),
        (
            "events where time > datetime(2026-11-22)",
            expect![[r#"
            error Q0505: `datetime` is not part of this language
              events where time > datetime(2026-11-22)
                                  ^^^^^^^^^^^^^^^^^^^
              help: write `2026-11-22`"#]],
        ),
        (
            r#"events where message has_any ("a", "b") | take 5"#,
            expect![[r#"
                error Q0505: `has_any` is not part of this language
                  events where message has_any ("a", "b") | take 5
                                       ^^^^^^^
                  help: write `(message:one or message:other)`; quote the words to search for them
                error Q0101: unknown pipe `take`
                  events where message has_any ("a", "b") | take 5
                                                            ^^^^
                  help: `limit n` cuts the answer; `sort` says which rows come first"#]],
        ),
        (
            "events | getschema",
            expect![[r#"
            error Q0101: unknown pipe `getschema`
              events | getschema
                       ^^^^^^^^^
              help: `fields` and `values FIELD` start a query"#]],
        ),
        (
            r#"events where ipv4_is_in_range(addr, "10.0.0.0/8")"#,
            expect![[r#"
            error Q0104: unknown function `ipv4_is_in_range`
              events where ipv4_is_in_range(addr, "10.0.0.0/8")
                           ^^^^^^^^^^^^^^^^
              help: write `field cidr 10.0.0.0/8`"#]],
        ),
        (
            "events | stats make_list(model) by session",
            expect![[r#"
            error Q0104: unknown function `make_list`
              events | stats make_list(model) by session
                             ^^^^^^^^^
              help: `list(field)` gives all values of a group"#]],
        ),
        (
            r#"events since ago(2h) until now()"#,
            expect![[r#"
            error Q0505: `ago` is not part of this language
              events since ago(2h) until now()
                           ^^^^^^
              help: `now-2h` is a point in time, `last 2h` a range that ends now
            error Q0505: `now` is not part of this language
              events since ago(2h) until now()
                                         ^^^^
              help: write `now` or `now-1h`"#]],
        ),
        (
            r#"events where message !contains "y""#,
            expect![[r#"
            error Q0502: `!` does not negate
              events where message !contains "y"
                                   ^
              help: write `not` before the term"#]],
        ),
        (
            r#"events where message contains_cs "Y""#,
            expect![[r#"
            error Q0505: `contains_cs` is not part of this language
              events where message contains_cs "Y"
                                   ^^^^^^^^^^^
              help: write `message ~ /Text/`; quote the words to search for them"#]],
        ),
        (
            "events | parse-kv message",
            expect![[r#"
            error Q0101: unknown pipe `parse-kv`
              events | parse-kv message
                       ^^^^^^^^
              help: `parse json` and `parse logfmt` read `message`, or the field after `from`"#]],
        ),
        (
            r#"events | reduce by message"#,
            expect![[r#"
            error Q0101: unknown pipe `reduce`
              events | reduce by message
                       ^^^^^^
              help: a query that starts with `patterns` gives the forms of the texts and how many have each"#]],
        ),
        (
            r#"events | stats make_set(model) by session"#,
            expect![[r#"
            error Q0104: unknown function `make_set`
              events | stats make_set(model) by session
                             ^^^^^^^^
              help: `uniq_values(field)` gives every different value of a group, `by field` a row for each"#]],
        ),
    ] {
        wrong(text, &want);
    }
}
