//! What each stage costs one event on its way in: a line of JSON to an event, its tokens counted, appended, sealed, found again.

#[expect(dead_code, reason = "each benchmark uses a part of the workload")]
#[path = "../cli/workload.rs"]
mod workload;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use logq_engine::{Durability, Event, Options, Store};
use logq_ingest::{EventParser, ImportOptions};
use logq_tokens::Encoding;
use workload::{Times, Workload};

/// 2026-11-22T16:00:00Z.
const UNTIL: i64 = 1_795_363_200_000_000_000;
const RECORDS: usize = 50_000;

fn options() -> Options {
    Options { durability: Durability::Buffered, maintain: false, ..Options::default() }
}

fn filled(events: &[Event]) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(dir.path(), options()).expect("a fresh store");
    let writer = store.writer().expect("a free slot");
    events.chunks(1000).for_each(|batch| {
        writer.append_batch(batch).expect("appended");
    });
    writer.close().expect("closed");
    (dir, store)
}

fn stages(c: &mut Criterion) {
    let lines: Vec<String> = Workload::new(1, RECORDS, UNTIL, Times::Even)
        .map(|row| {
            let mut line = String::new();
            row.write_json(&mut line);
            line
        })
        .collect();
    let events = Workload::new(1, RECORDS, UNTIL, Times::Even).events();
    let mut group = c.benchmark_group("stages");
    group.sample_size(10);
    group.throughput(Throughput::Elements(RECORDS as u64));
    group.bench_function("a line of JSON to an event", |b| {
        let mut parser = EventParser::new(&ImportOptions::default(), UNTIL).expect("a parser");
        let mut event = Event::new();
        b.iter(|| {
            for line in &lines {
                parser.parse(line.as_bytes(), &mut event).expect("an object");
                black_box(event.size());
            }
        });
    });
    group.bench_function("tokens of the line", |b| {
        b.iter(|| lines.iter().map(|line| Encoding::O200kBase.count(line)).sum::<u64>());
    });
    group.bench_function("append", |b| {
        b.iter_batched(|| (), |()| filled(&events), BatchSize::PerIteration);
    });
    group.bench_function("seal", |b| {
        b.iter_batched(
            || filled(&events),
            |(dir, store)| {
                store.seal().expect("sealed");
                (dir, store)
            },
            BatchSize::PerIteration,
        );
    });
    let (_dir, store) = filled(&events);
    store.seal().expect("sealed");
    for (name, question) in [
        ("answered by rollups", "tokens by operation"),
        ("answered by the index", "events \"connection reset\" | stats count"),
        ("answered by a scan", "events | stats p95(latency) by session top 10"),
    ] {
        group.bench_function(name, |b| b.iter(|| logq_query::run(&store, question).expect("an answer")));
    }
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
