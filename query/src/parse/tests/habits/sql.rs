//! Habits of SQL, and what those who have them are told.

use expect_test::expect;

use super::super::wrong;

#[test]
fn habits_of_sql_get_a_hint() {
    for (text, want) in [
        (
            "select model, count(*) from events group by model;",
            expect![[r#"
                error Q0505: a query cannot start with `select`
                  select model, count(*) from events group by model;
                  ^^^^^^
                  help: a query starts with what to report: `events where ...`, `tokens by model last 24h`
                warning Q0505: `;` is part of `model;`
                  select model, count(*) from events group by model;
                                                              ^^^^^^
                  help: a query ends without one; quote the text if it belongs to it"#]],
        ),
        (
            "events count group by operation",
            expect![[r#"
                error Q0505: `group by` is not part of this language
                  events count group by operation
                               ^^^^^
                  help: write `by operation`"#]],
        ),
        (
            "events order by time desc",
            expect![[r#"
                error Q0505: `order by` is not part of this language
                  events order by time desc
                         ^^^^^
                  help: write `sort time desc`"#]],
        ),
        (
            "events count by model having count > 5",
            expect![[r#"
                error Q0505: `having` is not part of this language
                  events count by model having count > 5
                                        ^^^^^^
                  help: a condition on groups stands behind them: `... count by model | where count > 2`"#]],
        ),
        (
            "events where level=error;",
            expect![[r#"
                warning Q0505: `;` is part of `error;`
                  events where level=error;
                                     ^^^^^^
                  help: a query ends without one; quote the text if it belongs to it"#]],
        ),
        (
            "events where level=error -- why",
            expect![[r#"
                error Q0505: `--` starts no comment
                  events where level=error -- why
                                           ^^
                  help: a query is one line without comments; quote the text to search for it"#]],
        ),
        (
            "events where level=error // why",
            expect![[r#"
                error Q0505: `//` starts no comment
                  events where level=error // why
                                           ^^
                  help: a query is one line without comments; quote the text to search for it"#]],
        ),
        (
            "events COUNT(DISTINCT model)",
            expect![[r#"
                error Q0505: `distinct` is a function of its own
                  events COUNT(DISTINCT model)
                               ^^^^^^^^
                  help: write `distinct(model)`"#]],
        ),
        (
            "events where session is not null",
            expect![[r#"
                error Q0505: `is null` is not part of this language
                  events where session is not null
                                       ^^
                  help: write `session exists`"#]],
        ),
        (
            "events where message ilike '%x%'",
            expect![[r#"
                error Q0505: `ilike` is not part of this language
                  events where message ilike '%x%'
                                       ^^^^^
                  help: write `message like *text*`; quote the words to search for them"#]],
        ),
        (
            "events limit 5 offset 10",
            expect![[r#"
                warning Q0105: `offset` is searched as text
                  events limit 5 offset 10
                                 ^^^^^^
                  help: rows are not skipped: `sort` and `limit` say which are shown; text is clearer in quotes"#]],
        ),
        (
            "insert into events values (1)",
            expect![[r#"
                error Q0505: a query cannot start with `insert`
                  insert into events values (1)
                  ^^^^^^
                  help: a store is appended to, by `logq append` and `logq import`; queries only read"#]],
        ),
        (
            "with x as (select 1) events",
            expect![[r#"
                error Q0505: a query cannot start with `with`
                  with x as (select 1) events
                  ^^^^
                  help: a query has no names for parts of it: `where session in (events where level=error)` takes one in"#]],
        ),
        (
            "events | join sessions on session",
            expect![[r#"
                error Q0101: unknown pipe `join`
                  events | join sessions on session
                           ^^^^
                  help: `where session in (events where level=error)` takes values of another query"#]],
        ),
        (
            "events top 5 by latency desc",
            expect![[r#"
                error Q0505: `top` and `bottom` say the order by themselves
                  events top 5 by latency desc
                                          ^^^^
                  help: leave out `desc`; `bottom n by key` is the other end
                warning Q0205: `desc` is searched as text
                  events top 5 by latency desc
                                          ^^^^
                  help: keys are separated by commas and `top` needs `by`; text is clearer in quotes"#]],
        ),
        (
            "tokens by date_trunc(day, time)",
            expect![[r#"
                error Q0505: `date_trunc(...)` is no field
                  tokens by date_trunc(day, time)
                            ^^^^^^^^^^
                  help: time buckets are `per 1h`; `| set x = a / b` computes a column to group by"#]],
        ),
        (
            "events having count > 2",
            expect![[r#"
                error Q0505: `having` is not part of this language
                  events having count > 2
                         ^^^^^^
                  help: a condition on groups stands behind them: `... count by model | where count > 2`"#]],
        ),
        (
            "events | having count > 2",
            expect![[r#"
            error Q0101: unknown pipe `having`
              events | having count > 2
                       ^^^^^^
              help: `where ...` filters"#]],
        ),
        (
            "events from logs",
            expect![[r#"
            warning Q0105: `from` is searched as text
              events from logs
                     ^^^^
              help: a query reads the whole store; `where source=x` chooses; text is clearer in quotes"#]],
        ),
        (
            "events count(distinct model)",
            expect![[r#"
                error Q0505: `distinct` is a function of its own
                  events count(distinct model)
                               ^^^^^^^^
                  help: write `distinct(model)`"#]],
        ),
        (
            "events where time between now() and x",
            expect![[r#"
                error Q0505: `now` is not part of this language
                  events where time between now() and x
                                            ^^^^
                  help: write `now` or `now-1h`"#]],
        ),
        (
            "events count by date_trunc(hour, time)",
            expect![[r#"
            error Q0505: `date_trunc(...)` is no field
              events count by date_trunc(hour, time)
                              ^^^^^^^^^^
              help: time buckets are `per 1h`; `| set x = a / b` computes a column to group by"#]],
        ),
        (
            "events offset 5",
            expect![[r#"
            warning Q0105: `offset` is searched as text
              events offset 5
                     ^^^^^^
              help: rows are not skipped: `sort` and `limit` say which are shown; text is clearer in quotes"#]],
        ),
    ] {
        wrong(text, &want);
    }
}
