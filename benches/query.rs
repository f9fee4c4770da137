//! What a question costs: from text to plan, and from text to answer on unsealed records.

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

/// Questions of 200 characters.
const TEXTS: [(&str, &str); 3] = [
    (
        "conditions, groups, pipes",
        "tokens where model in (llama3.2, gpt-4o) and latency > 1.5s and (level>=warn or status=timeout) \"connection reset\" \
         by model, operation per 1h last 7d tz Europe/Vienna | where calls > 10 | top 20 by total_tokens | keep time, model",
    ),
    (
        "a regex",
        "events where level>=error and source=worker and message ~ /retry [0-9]+ of [0-9]+/i and session exists since 2026-11-01 until \
         2026-11-22 count, p95(latency) as slow, distinct(session) as sessions by operation top 5 by slow",
    ),
    (
        "subqueries",
        "events where session in (events where level=error last 1d count by session | where count > 3) and model=llama3.2 \
         count, sum(total_tokens) as tokens, max(latency) as worst by session, user per 1h last 1d fill 0 sort tokens desc",
    ),
];

fn plan(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse and plan");
    let session = logq_query::Session::default();
    for (name, text) in TEXTS {
        group.bench_function(name, |b| {
            b.iter(|| {
                let query = logq_query::Query::parse(text).expect("a query");
                query.explain(&session, UNTIL).expect("a plan")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, plan, query);
criterion_main!(benches);
