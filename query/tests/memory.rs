//! Groups that outgrow the memory of a query: the answer is the same, from more passes over the same records.

use logq_engine::{Durability, Event, Options, Store};
use logq_query::{Answer, Datum, ErrorKind, Query, Result, Session};

use crate::cases::show;
use crate::data::NOW;

/// `n` is another one in each record, `key` in each third, `word` is one of seven, `same` is one.
fn store(dir: &std::path::Path, rows: i64) -> Store {
    let store = Store::open(dir, Options { maintain: false, ..Options::default() }).unwrap();
    let log = store.writer_with(Durability::Buffered).unwrap();
    let event = |n: i64| {
        let event = Event::new().at(NOW - n * 7_000_000).field("n", n).field("same", "x");
        let event = if n % 5 == 0 { event } else { event.field("key", &format!("key-{}", n / 3)) };
        event.field("word", &format!("w{}", n % 7)).field("size", n % 1000)
    };
    for from in (0..rows).step_by(4096) {
        let events: Vec<Event> = (from..rows.min(from + 4096)).map(event).collect();
        log.append_batch(&events).unwrap();
    }
    log.close().unwrap();
    store
}

fn ask(store: &Store, text: &str, memory_max: usize) -> Result<Answer> {
    Query::parse(text)?.run(store, &Session { now: Some(NOW), memory_max, ..Session::default() })
}

/// How often the records were read.
fn passes(answer: &Answer, rows: i64) -> u64 {
    answer.stats.records_scanned / u64::try_from(rows).unwrap()
}

#[test]
fn an_answer_is_the_same_in_a_hundredth_of_the_memory() {
    const ROWS: i64 = 12_000;
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), ROWS);
    let large = [
        "events count by key | top 5 by count",
        "events count, sum(size), min(n), max(n), avg(size), last(word) by key | sort max_n desc | limit 7",
        "events count by key, word | where count > 1 | sort count desc, key | limit 9",
        "events distinct(n)",
        "events distinct(n), distinct(key), distinct(word), count, sum(size), p50(size)",
        "events distinct(n), distinct(key) by word",
        "events count by key per 1m | sort count desc, key, time | limit 4",
        "events count by n | set twice = count * 2 | rename n as m | sort m | limit 3",
        "events count by n, key, word | drop word | where n > 11990 | sort n",
        "events count by same, n per 1s | sort time, n | limit 5",
        "events max(size) if (n > 100) as most by n | sort most desc, n | limit 3",
    ];
    for sealed in [false, true] {
        if sealed {
            store.seal().unwrap();
        }
        for text in large {
            let whole = ask(&store, text, 64 << 20).unwrap();
            for threads in [1, 4] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let few = pool
                    .install(|| ask(&store, text, 256 << 10))
                    .unwrap_or_else(|error| panic!("{text}\n{error}"));
                assert_eq!(
                    show(&whole, text),
                    show(&few, text),
                    "{text}, sealed: {sealed}, {threads} threads"
                );
                assert_eq!(passes(&whole, ROWS), 1, "{text}");
                assert!(1 < passes(&few, ROWS), "{text} fits and shows nothing");
            }
        }
    }
}

#[test]
fn what_no_slice_can_hold_is_refused_after_few_passes() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 30_000);
    for text in [
        "events count by n limit all",
        "events p50(n), p60(n), p70(n), p80(n) by same",
        "events count by n | stats sum(count)",
        "events count, share() as part by n",
        "events limit all",
    ] {
        let Err(error) = ask(&store, text, 640 << 10) else { panic!("{text} fits") };
        assert_eq!(error.kind(), ErrorKind::Limit, "{text}");
        assert!(error.to_string().contains("narrow the time"), "{error}");
    }
}

#[test]
fn two_million_keys_are_counted_in_32_mib() {
    // `LOGQ_KEYS=20000000` counts twenty million in the 512 MiB that a query has.
    let (rows, memory) = match std::env::var("LOGQ_KEYS") {
        Ok(keys) => (keys.parse().unwrap(), logq_query::MEMORY_MAX),
        Err(_) => (2_000_000_i64, 32 << 20),
    };
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), rows);
    store.seal().unwrap();
    let distinct = ask(&store, "events distinct(n)", memory).unwrap();
    assert_eq!(distinct.rows[0].cells[0], Datum::Int(rows));
    let top = ask(&store, "events count, sum(size) by n | sort n desc | limit 2", memory).unwrap();
    let (last, before) = (rows - 1, rows - 2);
    let row = |n: i64| format!("{n}  1  {}\n", n % 1000);
    assert_eq!(show(&top, ""), format!("n:int  count:int  sum_size:int\n{}{}more\n", row(last), row(before)));
}

#[test]
fn the_values_of_a_query_inside_count_as_memory() {
    const ROWS: i64 = 12_000;
    /// Steps in which the least memory is looked for.
    const STEP: usize = 16 << 10;
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), ROWS);
    // The least memory, in steps, in which a query has its answer, and what it is told with one step less.
    let least = |text: &str| {
        let (mut too_little, mut enough) = (0, 1024);
        while 1 < enough - too_little {
            let middle = usize::midpoint(too_little, enough);
            match ask(&store, text, middle * STEP) {
                Ok(_) => enough = middle,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Limit, "{text}: {error}");
                    too_little = middle;
                }
            }
        }
        (enough * STEP, ask(&store, text, too_little * STEP).unwrap_err().to_string())
    };
    let bytes = |rows: usize| rows * 2 * "12000".len();

    let (rows, _) = least("events | keep n | limit all");
    let text = "events where n in (events | keep n) count";
    let (inside, told) = least(text);
    assert_eq!(ask(&store, text, inside).unwrap().rows[0].cells[0], Datum::Int(ROWS));
    assert!(rows + bytes(12_000) < inside, "{rows} for the rows, {inside} with their values");
    assert!(told.starts_with("the values of a query inside of `in (...)` need more than"), "{told}");

    // What one query inside gave is still held when the next one runs, and when the outer one does.
    let (half, _) = least("events where n in (events where n < 6000 | keep n) count");
    let (halves, _) = least(
        "events where n in (events where n < 6000 | keep n) or n in (events where n >= 6000 | keep n) count",
    );
    assert!(half + bytes(6_000) < halves, "{half} for one, {halves} for two");
    let (listed, told) = least(
        "events where n in (events where n < 3000 | keep n) or n >= 3000 | keep n, word, size | limit all",
    );
    let (alone, _) = least("events | keep n, word, size | limit all");
    assert!(alone + bytes(3_000) < listed, "{alone} alone, {listed} behind a query inside");
    assert!(told.starts_with("the answer needs more than"), "{told}");
}
