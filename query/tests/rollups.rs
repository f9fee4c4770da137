//! What was counted when segments were built gives the answers that the records give.

use logq_engine::{Durability, Event, Options, Store, Value};
use logq_query::{Query, Rule, Session};
use proptest::prelude::*;

use crate::cases::show;
use crate::data::{MINUTE, NOW};

const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What every store is asked that rollups may answer.
const QUERIES: &[&str] = &[
    "events count",
    "events count by level",
    "events count by model per 1h",
    "events count by kind, status, operation per 1d",
    "events count per 1d tz Asia/Kolkata",
    "events count per 1h tz Asia/Kolkata",
    "events count per 1m",
    "events count by level per 10m last 3h",
    "events count per 1w tz America/New_York",
    "events where level = error count per 1m last 30h",
    "events where status = 200 or model missing count by status",
    "events where model ~ /^llama/ count by operation",
    "events where prompt_tokens exists sum(prompt_tokens), avg(prompt_tokens), count(prompt_tokens) by model",
    "events count(model), min(model), max(status), any(kind), distinct(model), uniq_values(operation)",
    "events count if (level = error) as errors, sum(cost) if (model = a) as money by operation",
    "events count by model, calls",
    "events share(), rate() by model last 2d",
    "events share(prompt_tokens), rate(prompt_tokens) by model last 2d",
    "events where total_tokens exists count, sum(total_tokens)",
    "tokens",
    "tokens by model",
    "tokens by model per 1h",
    "tokens where model = a last 24h",
    "tokens by operation top 3",
    "tokens by model per 1d since 2026-11-20 until 2026-11-21T10:37:21.000000007",
    "tokens where total_tokens exists by model",
    "cost",
    "cost by model, operation per 1d",
    "usage by model last 90m",
    "cost today vs yesterday",
    "events count until 2026-11-21T10:37:21.5",
    "events count since 2026-11-21T10:00 until 2026-11-21T12:00",
];

fn answers(store: &Store, rollups: bool) -> Vec<(String, bool)> {
    let rules = Rule::ALL.into_iter().filter(|rule| rollups || *rule != Rule::UseRollups).collect();
    let session = Session { now: Some(NOW), rules, ..Session::default() };
    let answer = |text: &&str| match Query::parse(text).and_then(|query| query.run(store, &session)) {
        Ok(answer) => (format!("{text}\n{}", show(&answer, text)), answer.stats.answered_from == "rollup"),
        Err(error) => (format!("{text}\n{error}\n"), false),
    };
    QUERIES.iter().map(answer).collect()
}

/// Fails unless the events give the same answers in every form, with and without rollups. How often rollups were used.
fn same(events: &[Event]) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { maintain: false, ..Options::default() };
    let store = Store::open(dir.path(), options).unwrap();
    let want = {
        let log = store.writer_with(Durability::Buffered).unwrap();
        log.append_batch(events).unwrap();
        log.close().unwrap();
        answers(&store, false)
    };
    let mut used = 0;
    let mut compare = |what: &str| {
        for ((want, _), (got, rolled)) in want.iter().zip(answers(&store, true)) {
            assert_eq!(*want, got, "{what}");
            used += usize::from(rolled);
        }
        for ((want, _), (got, rolled)) in want.iter().zip(answers(&store, false)) {
            assert_eq!(*want, got, "{what}, without");
            assert!(!rolled);
        }
    };
    compare("active");
    store.seal().unwrap();
    compare("sealed");
    drop(store);
    let archive =
        Options { archive_after: Some(std::time::Duration::ZERO), maintain: false, ..Options::default() };
    let store = Store::open(dir.path(), archive).unwrap();
    store.maintain(i64::MAX / 2).unwrap();
    let mut compare = |what: &str| {
        for ((want, _), (got, rolled)) in want.iter().zip(answers(&store, true)) {
            assert_eq!(*want, got, "{what}");
            used += usize::from(rolled);
        }
    };
    compare("archived");
    assert_eq!(store.check_deep().unwrap().damage, []);
    used
}

#[test]
fn every_query_means_something() {
    for text in QUERIES {
        assert!(Query::parse(text).is_ok(), "{text}");
    }
}

/// An event of a few models, levels and statuses; so many nanoseconds ago.
fn event(n: i64, ago: i64) -> Event {
    let pick = |from: &[&'static str], by: i64| from[usize::try_from(n / by).unwrap() % from.len()];
    let mut event = Event::new().at(NOW - ago).kind(pick(&["ai_op", "system"], 3));
    event = event.field("level", pick(&["info", "error"], 5)).field("operation", pick(&["chat", "embed"], 2));
    if n % 4 != 0 {
        event = event.field("model", pick(&["a", "llama3.2"], 7)).field("prompt_tokens", n % 1000);
        event = event.field("response_tokens", n % 77).field("status", 200 + n % 2);
    }
    if n % 8 == 1 {
        event = event.field("cost", Value::Cost(n * 1_000)).field("cached_tokens", 3);
    }
    if n % 64 == 2 {
        event = event.field("calls", 0);
    }
    event
}

#[test]
fn ragged_ranges_and_buckets_of_every_zone_are_counted_as_their_records_are() {
    // Three days, 1,000 records an hour: by hour, by minute and by day.
    let events: Vec<_> = (0..72_000).map(|n| event(n, n * 3_600_000_017)).collect();
    let used = same(&events);
    assert!(40 <= used, "rollups answered only {used} of {}", QUERIES.len() * 2);
}

#[test]
fn counts_that_are_no_integers_are_read_from_their_records() {
    let odd = |n: i64| {
        let mut event = event(n, n * 1_000_000_003);
        match n % 1009 {
            0 => event.set("prompt_tokens", Value::Number("1.5")),
            1 => event.set("cost", Value::Int(3)),
            2 => event.set("response_tokens", Value::Int(i64::MAX)),
            3 => event.set("total_tokens", Value::Str("12")),
            _ => {}
        }
        event
    };
    same(&(0..5_000).map(odd).collect::<Vec<_>>());
}

/// Values of keys, such that a careless identity would take one for the other.
fn key() -> impl Strategy<Value = Option<Value<'static>>> {
    prop_oneof![
        Just(None),
        Just(Some(Value::Null)),
        Just(Some(Value::Int(200))),
        Just(Some(Value::Str("200"))),
        Just(Some(Value::Number("200.0"))),
        Just(Some(Value::Str("a"))),
        Just(Some(Value::Str("llama3.2"))),
        Just(Some(Value::Bytes(&[0xFF]))),
    ]
}

fn count() -> impl Strategy<Value = Option<Value<'static>>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Value::Null)),
        6 => (0..5_i64).prop_map(|n| Some(Value::Int(n))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_records_are_counted_as_they_are(
        kinds in prop::collection::vec((prop::collection::vec(key(), 6), prop::collection::vec(count(), 8)), 1..6),
        rows in 100..3_000_i64,
        step in prop_oneof![Just(0), Just(1), Just(MINUTE / 7), Just(MINUTE), Just(DAY / 500)],
    ) {
        let keys = ["kind", "level", "status", "model", "operation", "calls"];
        let counts = [
            "prompt_tokens", "response_tokens", "total_tokens", "cached_tokens", "cache_write_tokens",
            "reasoning_tokens", "estimated_tokens", "cost",
        ];
        let event = |row: i64| {
            let mut event = Event::new().at(NOW - row * step);
            let (values, numbers) = &kinds[usize::try_from(row / 3).unwrap() % kinds.len()];
            for (name, value) in keys.iter().zip(values) {
                if let Some(value) = value {
                    event.set(name, *value);
                }
            }
            for (name, value) in counts.iter().zip(numbers) {
                match value {
                    Some(Value::Int(int)) if *name == "cost" => event.set(name, Value::Cost(*int)),
                    Some(value) => event.set(name, *value),
                    None => {}
                }
            }
            event
        };
        same(&(0..rows).map(event).collect::<Vec<_>>());
    }
}
