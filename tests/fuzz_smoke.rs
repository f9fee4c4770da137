//! A short run of every fuzz target, in the test binary and with the same inputs each time.
//!
//! Long runs are made with the targets in `fuzz/`, which have the same bodies. Inputs here are seeds that
//! look like the real thing, changed at random; their number is fixed, so that a run takes a few seconds
//! and repeats exactly.

use std::panic::{AssertUnwindSafe, catch_unwind};

use logq_engine::{Event, Options, Store};

/// Inputs tried per target, unless `LOGQ_FUZZ_RUNS` says another number.
const RUNS: u64 = 2_000;
/// No input grows beyond this.
const INPUT_SIZE_MAX: usize = 8 << 10;

/// Deterministic randomness (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next()).unwrap() % bound.max(1)
    }

    fn byte(&mut self) -> u8 {
        const INTERESTING: [u8; 12] = *b"\0\x01\x7f\x80\xff\n\"{(,\\ ";
        let [choice, byte, ..] = self.next().to_le_bytes();
        if choice.is_multiple_of(2) { INTERESTING[usize::from(byte) % INTERESTING.len()] } else { byte }
    }
}

/// Changes an input in one way, as a fuzzer does.
fn mutate(random: &mut Random, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = random.below(input.len() + 1);
    let end = (at + random.below(32)).min(input.len());
    match random.below(8) {
        0 => drop(input.drain(at..end)),
        1 => input.truncate(at),
        2 => input.insert(at, random.byte()),
        3 => {
            let copy = input[at..end].to_vec();
            input.splice(at..at, copy);
        }
        4 => {
            // A repeated piece finds what grows with depth or number.
            let copy = input[at..end].repeat(random.below(200));
            input.splice(at..at, copy);
        }
        5 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            input.splice(at..end, other[from..].iter().copied());
        }
        6 if at < input.len() => input[at] ^= 1 << random.below(8),
        _ if at < input.len() => input[at] = random.byte(),
        _ => input.push(random.byte()),
    }
    input.truncate(INPUT_SIZE_MAX);
}

fn runs() -> u64 {
    let number = std::env::var("LOGQ_FUZZ_RUNS").ok();
    number.map_or(RUNS, |number| number.parse().expect("LOGQ_FUZZ_RUNS is not a number"))
}

/// Feeds a target, and says at which input it panicked.
fn smoke(seeds: &[Vec<u8>], runs: u64, body: fn(&[u8])) -> Result<(), String> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for run in 0..runs {
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..random.below(6) {
            mutate(&mut random, &mut input, seeds);
        }
        if catch_unwind(AssertUnwindSafe(|| body(&input))).is_err() {
            return Err(format!("input {run}: {}", input.escape_ascii()));
        }
    }
    Ok(())
}

fn texts(seeds: &[&str]) -> Vec<Vec<u8>> {
    seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect()
}

/// The files of a small store.
fn store_files(name: &str) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let log = store.writer().unwrap();
    for n in 0..20 {
        log.append(&Event::ai("chat").model("llama3.2").tokens(n, 2 * n).field("n", n)).unwrap();
    }
    log.close().unwrap();
    drop(store);
    let mut open = vec![dir.path().to_path_buf()];
    let mut found = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_str().unwrap().contains(name) {
                let mut bytes = std::fs::read(path).unwrap();
                bytes.truncate(INPUT_SIZE_MAX);
                found.push(bytes);
            }
        }
    }
    assert!(!found.is_empty(), "no file is named like {name:?}");
    found
}

#[test]
fn frames_of_any_bytes_are_read_without_a_panic() {
    let mut seeds = Vec::new();
    for file in store_files(".log") {
        // The body takes what stands behind the header, or one payload: so pieces from many places.
        seeds.extend((0..64).map(|step| file[(step * 8).min(file.len())..].to_vec()));
        seeds.extend((0..64).map(|step| file[(4096 + step * 8).min(file.len())..].to_vec()));
    }
    assert_eq!(smoke(&seeds, runs(), logq_engine::fuzzing::frames), Ok(()));
}

#[test]
fn a_manifest_of_any_bytes_is_read_without_a_panic() {
    assert_eq!(smoke(&store_files("MANIFEST"), runs(), logq_engine::fuzzing::manifest), Ok(()));
}

#[test]
fn any_line_is_imported_or_refused_without_a_panic() {
    let seeds = texts(&[
        r#"{"time":"2026-11-22T10:00:00.123Z","level":"error","model":"llama3.2","usage":{"prompt_tokens":150}}"#,
        r#"{"a":[1,2,{"b":null}],"c":-1.50e+10,"d":"\u00e9\ud83d\ude00\n","e":{}}"#,
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1"}]}]}]}"#,
        r#"{"sessionId":"s","requestId":"r","message":{"id":"m","model":"claude-x","usage":{"input_tokens":3,"output_tokens":-5}}}"#,
        r#"{"type":"session_meta","payload":{"id":"c","forked_from_id":"p"},"timestamp":"2026-05-05T20:00:00Z"}"#,
        r#"{"type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":10,"output_tokens":"4"}}}}"#,
        "TIMESTAMP,ContextTokens,GeneratedTokens",
        "2023-11-16 18:15:46.6805900,374,44",
        "\"a \"\"quoted\"\" field\",\"two\nlines\",,3",
        "Nov 22 10:00:00 host app[12]: ERROR connection reset by peer",
        "2026-11-22 10:00:00,123 - module - WARNING - it is slow: 1.8s",
        "081109 203518 143 INFO dfs.DataNode$DataXceiver: Receiving block blk_-160899",
        "[Sun Dec 04 04:47:44 2005] [error] mod_jk child workerEnv in error state 6",
        "1700000000.123 \t \u{1b}[31mred\u{1b}[0m",
    ]);
    assert_eq!(smoke(&seeds, runs(), logq_ingest::fuzz_line), Ok(()));
}

#[test]
fn any_query_is_answered_or_refused_without_a_panic() {
    let seeds = texts(&[
        "tokens where model=llama3.2 last 24h",
        "tokens by model per 1h last 7d",
        r#"events where level>=error "connection reset" and not (host=a* or tokens>1_000)"#,
        "events last 1d | stats p50(latency), p99(latency), count by model | where count>10 | sort -count | limit 5",
        "errors since 2026-11-01T00:00 until yesterday",
        "operations where latency>1.5s and cost<0.02 and time in (1,2,3) exists user.name",
        r"events where message ~ /a(b|c)+\d{3}/i",
    ]);
    assert_eq!(smoke(&seeds, runs(), logq_query::fuzz_text), Ok(()));
}

#[test]
fn a_target_that_panics_is_reported_with_its_input() {
    fn canary(input: &[u8]) {
        assert!(!input.windows(2).any(|pair| pair == b"\xff\0"), "the canary sings");
    }
    let report = smoke(&texts(&["harmless"]), 20_000, canary).unwrap_err();
    assert!(report.starts_with("input ") && report.contains(r"\xff\x00"), "{report}");
}
