//! What a question costs from text to answer, on unsealed records.

#[expect(dead_code, reason = "each benchmark uses a part of the workload")]
#[path = "../cli/workload.rs"]
mod workload;

use criterion::{Criterion, criterion_group, criterion_main};
use logq_engine::{Durability, Options, Store};
use workload::{Times, Workload};

/// 2026-11-22T16:00:00Z.
const UNTIL: i64 = 1_795_363_200_000_000_000;
const RECORDS: usize = 50_000;

const QUESTIONS: [(&str, &str); 5] = [
    ("totals of one model in a day", "tokens where model=llama3.2 since 2026-11-21 until 2026-11-22"),
    ("by model and hour", "tokens by model per 1h"),
    ("newest hundred", "events"),
    ("a phrase", "events where level=error \"connection reset\""),
    ("exact percentile", "events | stats p95(latency) by model"),
];

fn query(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = Options { durability: Durability::Buffered, ..Options::default() };
    let store = Store::open(dir.path(), options).expect("a fresh store");
    let writer = store.writer().expect("a free slot");
    writer.append_batch(&Workload::new(1, RECORDS, UNTIL, Times::Even).events()).expect("appended");
    let mut group = c.benchmark_group("query");
    group.sample_size(20);
    for (name, question) in QUESTIONS {
        group.bench_function(name, |b| b.iter(|| logq_query::run(&store, question).expect("an answer")));
    }
    group.finish();
}

criterion_group!(benches, query);
criterion_main!(benches);
