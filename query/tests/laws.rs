//! What must hold of answers whatever the query: the same from any thread count, spelled out or short; within limits.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use logq_engine::{Durability, Event, Options, Store, Value};
use logq_query::{Datum, ErrorKind, Query, Rule, Session, Tail};

use crate::cases::{show, unescaped};
use crate::data::{self, MINUTE, NOW};

fn session() -> Session {
    Session { now: Some(NOW), ..Session::default() }
}

/// Every query of the case files, with the events that it is asked of.
fn queries() -> Vec<(Rc<Vec<Event>>, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut events = Rc::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "data" => events = Rc::new(data::events(rest.trim())),
                "rows" => {
                    let texts: Vec<String> =
                        lines.by_ref().take_while(|line| !line.is_empty()).map(unescaped).collect();
                    events = Rc::new(data::table(rest.trim(), &texts));
                }
                "query" => all.push((Rc::clone(&events), unescaped(rest.trim()))),
                "find" => {
                    let (_, query) = rest.split_once(" : ").unwrap();
                    all.push((Rc::clone(&events), unescaped(&format!("events {query}"))));
                }
                _ => {}
            }
        }
    }
    assert!(500 < all.len(), "only {} queries", all.len());
    all
}

#[test]
fn the_expanded_query_gives_the_same_rows() {
    for (events, text) in queries() {
        // In the columns of the noun `tokens` an absent sum is 0 and the total is computed.
        if text.starts_with("explain") {
            continue;
        }
        let computed = ["tokens", "cost", "usage", "operations", "models", "sessions", "sources", "trace"];
        let computed = computed.iter().any(|noun| text.starts_with(noun)) || text.starts_with("session ");
        let dir = tempfile::tempdir().unwrap();
        let store = data::store(dir.path(), &events, 1);
        let Ok(query) = Query::parse(&text) else { continue };
        let Ok(answer) = query.run(&store, &session()) else { continue };
        let again = Query::parse(&answer.expanded).unwrap_or_else(|error| panic!("{text}\n{error}"));
        let again = again.run(&store, &session()).unwrap_or_else(|error| panic!("{text}\n{error}"));
        if !computed {
            assert_eq!(answer.rows, again.rows, "{text}\n{}", answer.expanded);
            assert_eq!(answer.columns, again.columns, "{text}\n{}", answer.expanded);
        }
    }
}

#[test]
fn an_answer_does_not_depend_on_the_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let log = store.writer_with(Durability::Buffered).unwrap();
    // Enough bytes for several pieces, times in no order, values that do not add up exactly in floats.
    for number in 0..30_000_i64 {
        let event = Event::new()
            .at(NOW - (number * 7919 % 30_000) * 1_000_000_000)
            .field("key", number % 97)
            .field("value", Value::Float(0.1 + (number % 1000) as f64 * 1e-7))
            .field("text", &"x".repeat(usize::try_from(number % 200).unwrap()));
        log.append(&event).unwrap();
    }
    let texts = [
        "events count, sum(value), avg(value), stddev(value), p90(value), distinct(text), min(text), last(key), list(key), histogram(value), approx_distinct(text), approx_p90(value) by key",
        "events approx_distinct(value), approx_p99(value), share(value)",
        "events sum(value) per 1h",
        "events limit 7",
        "events sort value desc, key limit 7 | keep value, key",
        "events top 3 by text",
        "fields",
    ];
    for text in texts {
        let query = Query::parse(text).unwrap();
        let answer = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| show(&query.run(&store, &session()).unwrap(), text))
        };
        let one = answer(1);
        for threads in [2, 5] {
            assert_eq!(one, answer(threads), "{text}");
        }
    }
}

#[test]
fn a_tail_misses_no_record_and_shows_none_twice() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let one = store.writer_with(Durability::Buffered).unwrap();
    let other = store.writer_with(Durability::Buffered).unwrap();
    let event = |n: i64| {
        Event::new().at(NOW + n * MINUTE).field("n", n).message(if n % 2 == 0 { "even" } else { "odd" })
    };
    one.append(&event(0)).unwrap();
    let query = Query::parse("events even last 1h | keep n").unwrap();
    let (so_far, mut tail) =
        Tail::start(&store, &query, &Session { now: Some(NOW + MINUTE), ..session() }).unwrap();
    assert_eq!(so_far.rows.len(), 1);
    let mut seen = Vec::new();
    for n in 1..20 {
        if n % 3 == 0 { &one } else { &other }.append(&event(n)).unwrap();
        if n % 4 == 0 {
            seen.extend(tail.rows().unwrap().into_iter().map(|row| row.cells[0].clone()));
        }
    }
    seen.extend(tail.rows().unwrap().into_iter().map(|row| row.cells[0].clone()));
    assert_eq!(seen, (1..20).filter(|n| n % 2 == 0).map(Datum::Int).collect::<Vec<_>>());
    assert!(tail.rows().unwrap().is_empty());
}

#[test]
fn only_lists_of_records_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    for text in [
        "tokens",
        "events count",
        "events | stats count",
        "events sort time",
        "fields",
        "explain events",
        "profile events",
    ] {
        let error = Tail::start(&store, &Query::parse(text).unwrap(), &session()).err().unwrap();
        assert_eq!(error.diagnostics()[0].code, "Q0906", "{text}");
    }
}

#[test]
fn an_answer_beyond_its_memory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let log = store.writer_with(Durability::Buffered).unwrap();
    let events: Vec<Event> = (0..40_000_i64).map(|n| Event::new().at(NOW - n).field("n", n)).collect();
    log.append_batch(&events).unwrap();
    let small = Session { memory_max: 1 << 20, ..session() };
    for text in [
        "events count by n",
        "events limit all",
        "events p50(n), p60(n), p70(n), p80(n), p90(n), p91(n), p92(n)",
        "events sort n limit 15000",
        "fields",
    ] {
        let error = Query::parse(text).unwrap().run(&store, &small).err().unwrap_or_else(|| panic!("{text}"));
        assert_eq!(error.kind(), ErrorKind::Limit, "{text}");
        assert!(error.to_string().contains("1 MiB"), "{error}");
    }
    for text in ["events", "events count", "events sort n limit 3", "tokens", "events distinct(n)"] {
        assert!(Query::parse(text).unwrap().run(&store, &small).is_ok(), "{text}");
    }
}

#[test]
fn the_deepest_query_runs_on_a_small_stack() {
    let dir = tempfile::tempdir().unwrap();
    let store = data::store(dir.path(), &data::standard_day(), 1);
    let mut condition = "level=warn".to_owned();
    for level in 0..60 {
        condition = match level % 3 {
            0 => format!("not ({condition})"),
            1 => format!("(timeout or {condition})"),
            _ => format!("(source=worker and {condition})"),
        };
    }
    let sum = format!("{}latency{}", "(1+".repeat(60), ")".repeat(60));
    let text = format!("events where {condition} sum({sum}), count if ({condition}) as n by kind");
    let work = move || {
        for rules in [Rule::ALL.to_vec(), Vec::new()] {
            let query = Query::parse(&text).unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).stack_size(512 << 10).build().unwrap();
            let session = Session { rules, ..session() };
            let answer = pool.install(|| query.run(&store, &session)).unwrap();
            assert!(!answer.rows.is_empty());
            assert!(!query.explain(&session, NOW).unwrap().is_empty());
        }
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(work).unwrap().join().unwrap();
}

#[test]
fn every_record_is_found_by_its_id_and_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = data::store(dir.path(), &data::standard_day(), 3);
    let full = Session { shape: logq_query::RowShape::Full, ..session() };
    let all = Query::parse("events limit all").unwrap().run(&store, &full).unwrap();
    assert_eq!(all.rows.len(), 50);
    for row in &all.rows {
        let Datum::Str(id) = &row.fields[0].1 else { panic!("no id") };
        let found = Query::parse(&format!("events where _id={id}")).unwrap().run(&store, &full).unwrap();
        assert_eq!(found.rows, std::slice::from_ref(row));
        let mut time = String::new();
        logq_query::json::write(&mut time, &row.fields[1].1);
        let found = Query::parse(&format!("events where time={time}")).unwrap().run(&store, &full).unwrap();
        assert_eq!(found.rows, std::slice::from_ref(row), "{time}");
    }
}

#[test]
fn a_sample_is_the_same_part_wherever_the_records_are() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options { maintain: false, ..Options::default() }).unwrap();
    let log = store.writer_with(Durability::Buffered).unwrap();
    let events: Vec<Event> = (0..4_000_i64).map(|n| Event::new().at(NOW - n).field("n", n)).collect();
    log.append_batch(&events).unwrap();
    let ask = |text: &str| {
        let answer = Query::parse(text).unwrap().run(&store, &session()).unwrap();
        answer.rows.into_iter().map(|row| row.cells).collect::<Vec<_>>()
    };
    let texts = [
        "events limit all | sample 0.25 | keep n",
        "events | sample 0.25 | stats count",
        "events | sample 0.5 | stats count",
    ];
    let before = texts.map(ask);
    log.close().unwrap();
    store.seal().unwrap();
    assert_eq!(texts.map(ask), before);
    let count = |at: usize| match before[at][0][0] {
        Datum::Int(count) => count,
        ref other => panic!("{other:?}"),
    };
    assert!((900..1100).contains(&count(1)) && (1900..2100).contains(&count(2)), "{} {}", count(1), count(2));
}

#[test]
fn a_profile_shows_what_each_step_took() {
    let dir = tempfile::tempdir().unwrap();
    let store = data::store(dir.path(), &data::standard_day(), 2);
    let text = "profile events where kind=ai count by model | where count > 5 | limit 2";
    let answer = Query::parse(text).unwrap().run(&store, &session()).unwrap();
    let names: Vec<&str> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["step", "took", "rows", "bytes"]);
    let steps: Vec<(Datum, Datum)> =
        answer.rows.iter().map(|row| (row.cells[0].clone(), row.cells[2].clone())).collect();
    let step = |shown: &str, rows| (Datum::text(shown), Datum::Int(rows));
    let scan = "scan events from open until open; where kind = \"ai\"; stats count by model";
    let want =
        [step(scan, 4), step("sort count desc, model", 4), step("where count > 5", 3), step("limit 2", 2)];
    assert_eq!(steps, want);
    let read = answer.stats.bytes_read;
    assert_eq!(answer.rows[0].cells[3], Datum::Int(i64::try_from(read).unwrap()));
    assert!(answer.rows.iter().all(|row| matches!(row.cells[1], Datum::Millis(took) if 0.0 <= took)));
    assert!(read != 0 && answer.stats.records_scanned == 50);
}

#[test]
fn a_json_answer_has_every_part() {
    let dir = tempfile::tempdir().unwrap();
    let store = data::store(dir.path(), &data::standard_day(), 1);
    let mut answer =
        Query::parse("tokens where model=llama3.2 last 24h").unwrap().run(&store, &session()).unwrap();
    answer.stats.elapsed_ms = 1.5;
    answer.stats.bytes_read = 1;
    let json = answer.to_json();
    let start = "{\"query\":\"tokens where model=llama3.2 last 24h\",\"expanded\":\"events where ";
    assert!(json.starts_with(start), "{json}");
    let range = "\"range\":{\"from\":\"2026-11-21T12:00:00Z\",\"to\":\"2026-11-22T12:00:00Z\"},\"columns\":[{\"name\":\"calls\",\"type\":\"int\"},";
    assert!(json.contains(range), "{json}");
    let rows =
        "\"rows\":[{\"calls\":12,\"prompt_tokens\":3600,\"response_tokens\":480,\"total_tokens\":4080,";
    assert!(json.contains(rows), "{json}");
    let end = "\"more\":false,\"approximate\":[],\"warnings\":[],\"stats\":{\"segments\":1,\"segments_read\":1,\"blocks_read\":1,\"records_scanned\":50,\"bytes_read\":1,\"answered_from\":\"scan\",\"elapsed_ms\":1.5}}";
    assert!(json.ends_with(end), "{json}");
}

proptest::proptest! {
    /// Words of the language in any order give an answer or problems, the same with and without the optimiser.
    #[test]
    fn any_words_give_one_answer_or_problems(words in proptest::collection::vec(proptest::sample::select(WORDS.to_vec()), 1..16)) {
        STORE.with(|(_dir, store)| {
            let text = words.join(" ");
            let answer = |rules: Vec<Rule>| match Query::parse(&text) {
                Ok(query) => match query.run(store, &Session { rules, ..session() }) {
                    Ok(answer) => show(&answer, &text),
                    Err(error) => error.to_string(),
                },
                Err(error) => error.to_string(),
            };
            let plain = answer(Vec::new());
            if !text.starts_with("explain") {
                assert_eq!(answer(Rule::ALL.to_vec()), plain, "{text}");
            }
        });
    }
}

thread_local! {
    static STORE: (tempfile::TempDir, Store) = {
        let dir = tempfile::tempdir().unwrap();
        let mut events = data::standard_day();
        events.extend(data::events("types"));
        let store = data::store(dir.path(), &events, 2);
        (dir, store)
    };
}

const WORDS: &[&str] = &[
    "events",
    "tokens",
    "fields",
    "errors",
    "patterns",
    "patterns new",
    "storage",
    "storage fields",
    "health",
    "cost",
    "usage",
    "latency",
    "operations by",
    "sessions",
    "session s1",
    "trace",
    "context",
    "memory",
    "values model",
    "| gap",
    "| parse json",
    "| parse logfmt from v",
    "| parse \"{a} {b:int}\"",
    "| unroll v",
    "| fill 0",
    "| fill prev",
    "vs previous",
    "vs yesterday",
    "context -1 +2",
    "of session",
    "in (events where level=error",
    "in (sessions | where count > 2)",
    "share()",
    "rate()",
    "list(v)",
    "histogram(v)",
    "approx_distinct(v)",
    "approx_p90(latency)",
    "share(latency)",
    "where",
    "model=llama3.2",
    "latency>=500",
    "v",
    "v>1",
    "not",
    "and",
    "or",
    "(",
    ")",
    "timeout",
    "call*",
    "\"call finished\"",
    "/fin/i",
    "last",
    "12h",
    "since",
    "2026-11-22",
    "now-3h",
    "by",
    "model",
    ",",
    "operation",
    "per",
    "1h",
    "1d",
    "top",
    "bottom",
    "2",
    "sort",
    "desc",
    "limit",
    "5",
    "all time",
    "count",
    "sum(latency)",
    "avg(v)",
    "p50(v)",
    "min(v)",
    "distinct(v)",
    "stddev(latency)",
    "last(model)",
    "sum(prompt_tokens + response_tokens)",
    "if (level = error)",
    "as n",
    "|",
    "stats",
    "| keep",
    "| set x =",
    "| dedup by",
    "| drop",
    "| rename model as m",
    "| sort n",
    "n",
    "x",
    "time",
    "total_tokens",
    "latency * 2",
    "_id",
    "exists",
    "missing",
    "between 1 and 5",
    "in (a, 1)",
    "explain",
    "tz Europe/Vienna",
    "v sort v",
    "limit all",
    "calls",
];
