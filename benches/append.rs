//! What one append costs a program: one event, a batch, and the building of the event itself.

#[expect(dead_code, reason = "each benchmark uses a part of the workload")]
#[path = "../cli/workload.rs"]
mod workload;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logq_engine::{Durability, Event, Options, Store, Writer};
use workload::{Times, Workload};

/// 2026-11-22T16:00:00Z.
const UNTIL: i64 = 1_795_363_200_000_000_000;
const BATCH: usize = 1_000;

fn append(c: &mut Criterion) {
    let entries: Vec<_> = Workload::new(1, 10_000, UNTIL, Times::Even).collect();
    let events: Vec<Event> = entries.iter().map(|entry| entry.event()).collect();
    let mut group = c.benchmark_group("append");
    group.sample_size(20).measurement_time(Duration::from_secs(2));

    group.throughput(Throughput::Elements(1));
    let mut next = entries.iter().cycle();
    group.bench_function("build", |b| b.iter(|| black_box(next.next().map(|entry| entry.event()))));
    group.bench_function("one", |b| {
        b.iter_custom(|count| {
            on_a_fresh_store(|writer| {
                for event in events.iter().cycle().take(usize::try_from(count).expect("a count")) {
                    writer.append(event).expect("appended");
                }
            })
        });
    });

    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function(format!("batch of {BATCH}"), |b| {
        b.iter_custom(|count| {
            on_a_fresh_store(|writer| {
                for batch in events.chunks_exact(BATCH).cycle().take(usize::try_from(count).expect("a count"))
                {
                    writer.append_batch(batch).expect("appended");
                }
            })
        });
    });
    group.finish();
}

/// Times writes to a store that is gone afterwards: a long measurement does not fill the disk.
fn on_a_fresh_store(write: impl FnOnce(&Writer)) -> Duration {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = Options { durability: Durability::Buffered, ..Options::default() };
    let store = Store::open(dir.path(), options).expect("a fresh store");
    let writer = store.writer().expect("a free slot");
    let started = Instant::now();
    write(&writer);
    started.elapsed()
}

criterion_group!(benches, append);
criterion_main!(benches);
