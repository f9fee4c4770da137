//! What data made to defeat every encoding costs, beside events as they are: appended, then sealed with full text. The size that it takes is
//! held in the engine's tests; here the throughput is bytes of rows, so that rows of any length compare.

#[expect(dead_code, reason = "each benchmark uses a part of the workload")]
#[path = "../cli/workload.rs"]
mod workload;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use logq_engine::{Durability, Event, Options, Store, Value};
use workload::{Times, Workload};

/// 2026-11-22T16:00:00Z.
const UNTIL: i64 = 1_795_363_200_000_000_000;
/// Bytes of rows of each kind of data, about.
const BYTES: usize = 32 << 20;

/// Numbers without a pattern.
fn noise(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

/// Events until they are [`BYTES`].
fn fill(mut event: impl FnMut(u64) -> Event) -> Vec<Event> {
    let (mut events, mut size) = (Vec::new(), 0);
    while size < BYTES {
        let number = events.len() as u64;
        let time = UNTIL - 1_000_000 * i64::try_from(number).unwrap_or(0);
        events.push(event(number).at(time));
        size += events.last().map_or(0, Event::size);
    }
    events
}

fn template(n: u64) -> Event {
    let join = |word: u64| ["a", "-", "/", "="].get((word % 4) as usize).copied().unwrap_or("");
    let words: Vec<String> =
        noise(n + 1).take(40).map(|word| format!("{}{:x}", join(word), word >> 30)).collect();
    Event::new().message(&words.join(" "))
}

fn bytes(n: u64) -> Event {
    let bytes: Vec<u8> = noise(n + 1).take(128).flat_map(u64::to_le_bytes).collect();
    Event::new().field("raw", Value::Bytes(&bytes))
}

fn message() -> Event {
    let words = noise(3).flat_map(|word| format!("{:x} ", word >> 20).into_bytes());
    Event::new().message(&words.map(char::from).take(63 << 20).collect::<String>())
}

fn hostile(c: &mut Criterion) {
    let chat = Event::ai("chat").prompt(&"the same question again ".repeat(20));
    let shapes: [(&str, Vec<Event>); 7] = [
        ("events as they are", Workload::new(1, BYTES / 442, UNTIL, Times::Even).events()),
        ("each message of a form of its own", fill(template)),
        (
            "each row with a field of its own",
            fill(|n| {
                Event::new().field(&format!("field_of_row_{n}"), format!("value {n} of its own").as_str())
            }),
        ),
        ("random bytes", fill(bytes)),
        ("equal rows", fill(|_| chat.clone())),
        ("as many models as rows", fill(|n| Event::ai("chat").model(&format!("model-{n}")).tokens(5, 7))),
        ("one message of 63 MiB", vec![message()]),
    ];
    let mut group = c.benchmark_group("append and seal");
    group.sample_size(10);
    for (name, events) in &shapes {
        let size: usize = events.iter().map(Event::size).sum();
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(*name, |b| {
            b.iter_batched(
                || tempfile::tempdir().expect("a temporary directory"),
                |dir| {
                    let options =
                        Options { durability: Durability::Buffered, maintain: false, ..Options::default() };
                    let store = Store::open(dir.path(), options).expect("a fresh store");
                    let writer = store.writer().expect("a free slot");
                    events.chunks(1000).for_each(|batch| {
                        writer.append_batch(batch).expect("appended");
                    });
                    writer.close().expect("closed");
                    store.seal().expect("sealed");
                    dir
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, hostile);
criterion_main!(benches);
