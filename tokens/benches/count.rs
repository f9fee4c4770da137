//! Counting speed in bytes a second, one thread, beside tiktoken-rs on the same text.
//!
//! `cargo bench -p logq-tokens --bench count`; the text is the file that `LOGQ_BENCH_TEXT` names, else the project's own
//! pages over and over.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logq_tokens::Encoding;

/// At least a megabyte of prose.
fn prose() -> String {
    if let Some(path) = std::env::var_os("LOGQ_BENCH_TEXT") {
        return std::fs::read_to_string(path).unwrap_or_default();
    }
    let pages = concat!(include_str!("../../ARCHITECTURE.md"), include_str!("../../docs/QUERY.md"));
    pages.repeat(1_000_000 / pages.len() + 1)
}

fn count(criterion: &mut Criterion) {
    let text = prose();
    let oracle = |encoding| match encoding {
        Encoding::O200kBase => tiktoken_rs::o200k_base_singleton(),
        _ => tiktoken_rs::cl100k_base_singleton(),
    };
    for encoding in [Encoding::O200kBase, Encoding::Cl100kBase] {
        let mut group = criterion.benchmark_group(encoding.as_str());
        group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(20);
        group.bench_function("logq", |b| b.iter(|| encoding.count(black_box(&text))));
        group.bench_function("tiktoken-rs", |b| b.iter(|| oracle(encoding).count_ordinary(black_box(&text))));
        let run = "a".repeat(1 << 20);
        group.bench_function("logq, 1 MiB of one character", |b| b.iter(|| encoding.count(black_box(&run))));
        group.finish();
    }
}

criterion_group!(benches, count);
criterion_main!(benches);
