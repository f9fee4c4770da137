//! Columns that are worked on as they are encoded give the answers that their values give.

use logq_engine::{Durability, Event, Options, Store, Value};
use logq_query::{Query, Rule, Session};
use proptest::prelude::*;

use crate::cases::show;
use crate::data::{MINUTE, NOW};

/// What every store is asked. Fields: `a` few texts, `b` few integers, `c` any integers, `d` durations, `e` anything,
/// `f` the same everywhere, `g` nowhere.
const QUERIES: &[&str] = &[
    "events count",
    "events count by a",
    "events count by b",
    "events count by a, b, f, g",
    "events count by c",
    "events count by e, a",
    "events count per 1h",
    "events count by a per 7m",
    "events count by b, e per 1h tz Europe/Vienna",
    "events sum(c), avg(c), min(c), max(c), count(c), p50(c), p99(c), stddev(c), distinct(c)",
    "events sum(c), avg(c), min(c), max(c), count(c), p50(c), distinct(c), any(c) by a",
    "events sum(b), avg(b), min(b), max(b), count(b), p50(b), distinct(b), stddev(b) by a per 1h",
    "events sum(d), avg(d), min(d), max(d), count(d), p50(d), p95(d), distinct(d), stddev(d) by b",
    "events sum(e), avg(e), min(e), max(e), count(e), p50(e), distinct(e), first(e), last(e) by a",
    "events sum(f), avg(f), min(f), max(f), count(f), p50(f), distinct(f) by a",
    "events sum(g), avg(g), min(g), count(g), p50(g), distinct(g), last(g) by a",
    "events distinct(a), first(a), last(a), min(a), max(a), count(a)",
    "events distinct(a), last(c) by b per 1h",
    "events count if (b > 2) as n, sum(c) if (a = x) as s by a",
    "events sum(b * 2 + 1), sum(c - b) by a",
    "events where total_tokens > 5 sum(total_tokens), count by a",
    "events where b >= 1 count, sum(b) by level",
    "events count by level, kind",
    "events count by time limit 5",
    "events distinct(time), min(time), max(time), p50(time) by a",
    "events | stats sum(total_tokens), min(total_tokens), p90(total_tokens), count(total_tokens) by a",
    "tokens by a",
    "tokens by a, b per 1h",
    "tokens",
    "events limit 3",
    "events where a = x limit 2",
    "events where a exists and c missing count by b",
    "events where d exists sum(d) by a",
    "events top 3 by a",
];

fn answers(store: &Store, lanes: bool) -> Vec<String> {
    let rules = Rule::ALL.into_iter().filter(|rule| lanes || *rule != Rule::UseLanes).collect();
    let session = Session { now: Some(NOW), rules, ..Session::default() };
    let answer = |text: &&str| match Query::parse(text).and_then(|query| query.run(store, &session)) {
        Ok(answer) => format!("{text}\n{}", show(&answer, text)),
        Err(error) => format!("{text}\n{error}\n"),
    };
    QUERIES.iter().map(answer).collect()
}

/// Fails unless the events give the same answers active and sealed, with and without lanes.
fn same(events: &[Event], threads: usize) {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { maintain: false, ..Options::default() };
    let store = Store::open(dir.path(), options).unwrap();
    let log = store.writer_with(Durability::Buffered).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        log.append_batch(events).unwrap();
        let want = answers(&store, false);
        let compare = |what: &str, got: Vec<String>| {
            for (want, got) in want.iter().zip(got) {
                assert_eq!(*want, got, "{what}");
            }
        };
        compare("active, with lanes", answers(&store, true));
        log.close().unwrap();
        store.seal().unwrap();
        compare("sealed, without lanes", answers(&store, false));
        compare("sealed, with lanes", answers(&store, true));
    });
}

#[test]
fn every_query_means_something() {
    for text in QUERIES {
        assert!(Query::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn several_blocks_give_what_their_values_give() {
    let names = ["x", "y", "z", "x x", "\u{e4}", ""];
    let mut events = Vec::new();
    for (n, place) in (0..70_000_i64).zip(0_usize..) {
        let mut event = Event::new().at(NOW - n * 250_000_000).field("f", 5);
        // Each half has other values, so that two blocks have other dictionaries.
        let half = usize::from(n < 20_000);
        if place % 7 != 0 {
            event = event.field("a", names[(place / (1 + half)) % names.len()]);
        }
        if place % 3 == 0 || n < 3000 {
            event = event.field("b", n % 5 - 1).field("prompt_tokens", n % 100);
        }
        if place % 5 != 1 {
            let huge = [i64::MIN, i64::MAX, i64::MAX, -1, 0][place % 5];
            event = event.field("c", if half == 0 { n * 7919 % 10_007 } else { huge });
            event = event.field("response_tokens", n % 1000);
        }
        if place % 4 < 3 {
            event = event.field("d", Value::Duration(n * 1_000_003 % 77_777_777));
        }
        event = match place % 11 {
            0 => event.field("e", Value::Number("1.0")),
            1 => event.field("e", 1),
            2 => event.field("e", "1"),
            3 => event.field("e", Value::Null),
            4 => event.field("e", Value::Float(0.1)),
            _ => event,
        };
        events.push(event);
    }
    same(&events, 1);
    same(&events, 3);
}

#[test]
fn totals_beyond_integers_are_what_their_values_are() {
    let token = |n: i64, prompt: Option<Value<'_>>, response: Option<Value<'_>>| {
        let mut event = Event::new().at(NOW - n * MINUTE).field("a", if n % 2 == 0 { "x" } else { "y" });
        if let Some(prompt) = prompt {
            event.set("prompt_tokens", prompt);
        }
        if let Some(response) = response {
            event.set("response_tokens", response);
        }
        event
    };
    let huge = |n| token(n, Some(Value::Int(i64::MAX)), Some(Value::Int(i64::MAX - n)));
    let plain = |n| token(n, Some(Value::Int(n)), (n % 3 != 0).then_some(Value::Int(-n)));
    let odd =
        |n: i64| token(n, Some(Value::Str("many")), Some(Value::Number("1.5"))).field("total_tokens", n);
    let own = |n: i64| token(n, None, None).field("total_tokens", n);
    same(&(0..3000).map(huge).collect::<Vec<_>>(), 1);
    same(&(0..3000).map(plain).collect::<Vec<_>>(), 1);
    same(&(0..3000).map(own).collect::<Vec<_>>(), 1);
    let mixed = |n: i64| [huge(n), plain(n), odd(n), own(n)][usize::try_from(n % 1031 % 4).unwrap()].clone();
    same(&(0..3000).map(mixed).collect::<Vec<_>>(), 1);
}

/// A value as a test makes them: mostly of the kind that its column has.
fn value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        (-3..3_i64).prop_map(Value::Int),
        any::<i64>().prop_map(Value::Int),
        prop_oneof![Just(i64::MIN), Just(i64::MAX)].prop_map(Value::Int),
        any::<i64>().prop_map(Value::Duration),
        (0..4_i64).prop_map(|n| Value::Time(NOW + n)),
        any::<i64>().prop_map(Value::Cost),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![Just("x"), Just("y"), Just(""), Just("12")].prop_map(Value::Str),
        prop_oneof![Just("1.0"), Just("0.25"), Just("1e400"), Just("123456789012345678901")]
            .prop_map(Value::Number),
        Just(Value::Null),
        Just(Value::Float(0.5)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Every column has a palette of values, from one of them to all sorts; a row takes some of each.
    #[test]
    fn any_rows_give_what_their_values_give(
        palettes in proptest::collection::vec(proptest::collection::vec(value(), 1..9), 8),
        holes in proptest::collection::vec(1..6_usize, 8),
        rows in 1..1500_usize,
        step in prop_oneof![Just(0), Just(1), Just(MINUTE / 7), Just(-MINUTE)],
    ) {
        let names = ["a", "b", "c", "d", "e", "prompt_tokens", "response_tokens", "level"];
        let mut at = NOW;
        let mut events = Vec::new();
        for row in 0..rows {
            at -= step;
            let mut event = Event::new().at(at);
            for (column, ((name, palette), hole)) in names.iter().zip(&palettes).zip(&holes).enumerate() {
                // Of a column with holes some rows have nothing.
                if *hole == 1 || (row / 3 + column) % hole != 0 {
                    event.set(name, palette[(row * 7919 + row / 5 + column) % palette.len()]);
                }
            }
            events.push(event);
        }
        same(&events, 1);
    }
}
