//! What reading records costs one thread: all of them, those of one model, those with a word.

#[expect(dead_code, reason = "each benchmark uses a part of the workload")]
#[path = "../cli/workload.rs"]
mod workload;

use std::hint::black_box;
use std::ops::ControlFlow;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logq_engine::{Comparison, Durability, Literal, Options, Predicate, Scan, Store, Test, TextTest};
use workload::{Times, Workload};

/// 2026-11-22T16:00:00Z.
const UNTIL: i64 = 1_795_363_200_000_000_000;
const RECORDS: usize = 50_000;

fn scan(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = Options { durability: Durability::Buffered, ..Options::default() };
    let store = Store::open(dir.path(), options).expect("a fresh store");
    let writer = store.writer().expect("a free slot");
    writer.append_batch(&Workload::new(1, RECORDS, UNTIL, Times::Even).events()).expect("appended");
    let snapshot = store.snapshot().expect("a snapshot");
    let mut group = c.benchmark_group("scan");
    group.sample_size(20);
    group.throughput(Throughput::Elements(RECORDS as u64));
    let model = Test::Compare(Comparison::Eq, Literal::Text("llama3.2".into()));
    for (name, predicate) in [
        ("all", Predicate::All),
        ("one model", Predicate::Field { name: "model".into(), test: model }),
        ("a word", Predicate::Any(TextTest::word("timeout"))),
    ] {
        let columns = vec!["model".into(), "prompt_tokens".into(), "response_tokens".into()];
        let scan = Scan { columns, predicate, ..Scan::default() };
        group.bench_function(name, |b| b.iter(|| black_box(matching(&snapshot, &scan))));
    }
    group.finish();
}

fn matching(snapshot: &logq_engine::Snapshot, scan: &Scan) -> usize {
    let mut records = 0;
    for part in snapshot.parts(scan).expect("parts") {
        part.scan(&mut |batch| {
            records += batch.len();
            ControlFlow::Continue(())
        })
        .expect("scanned");
    }
    records
}

criterion_group!(benches, scan);
criterion_main!(benches);
