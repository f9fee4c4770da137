//! Sealed segments: nothing changes for a reader, whatever the records hold.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use logq_engine::{Durability, Event, Options, Predicate, Scan, Store, Test, TextTest, UpkeepKind, Value};
use proptest::prelude::*;

use crate::support::{Row, numbers, read, rows};

const DAY: i64 = 86_400_000_000_000;

fn options() -> Options {
    Options { maintain: false, word_index_min: 0, ..Options::default() }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, options()).unwrap()
}

fn append(store: &Store, events: &[Event]) {
    let log = store.writer_with(Durability::Buffered).unwrap();
    for batch in events.chunks(1000) {
        log.append_batch(batch).unwrap();
    }
    log.close().unwrap();
}

/// The same rows before, sealed, merged with more, in the archive, and opened anew.
fn stays_the_same(events: &[Event]) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, events);
    let before = rows(&store);
    assert_eq!(before.len(), events.len());
    assert_eq!(store.seal().unwrap().unsealed, 0);
    assert_eq!(rows(&store), before, "sealed");
    assert_eq!(rows(&open(dir.path())), before, "sealed and opened anew");
    for n in 0..4 {
        append(&store, &[Event::new().at(n).field("more", n)]);
        store.seal().unwrap();
    }
    let before = rows(&store);
    let merged = store.maintain(store.now()).unwrap();
    assert!(merged.steps.iter().any(|step| step.kind == UpkeepKind::Merge), "{merged:?}");
    assert_eq!(rows(&store), before, "merged");
    let rolled = store.maintain(store.now() + 8 * DAY).unwrap();
    assert!(rolled.steps.iter().any(|step| step.kind == UpkeepKind::Roll), "{rolled:?}");
    assert_eq!(rolled.damage, []);
    assert_eq!(rows(&store), before, "archived");
    assert_eq!(store.check().unwrap().damage, []);
}

fn files(dir: &Path, kind: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == kind) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

const HOSTILE: [&str; 14] = [
    "007",
    "1.0",
    "-0",
    "1e5",
    " 1",
    "",
    "\0",
    "true",
    "null",
    "{\"a\":{\"b\":1},\"a.b\":2}",
    "caf\u{e9}",
    "\u{4e2d}\u{6587}",
    "a\u{301}",
    "9223372036854775808",
];

fn value(kind: usize, text: &str, int: i64, set: impl Fn(Value<'_>) -> Event) -> Event {
    match kind % 12 {
        0 => set(Value::Str(text)),
        1 => set(Value::Int(int)),
        2 => set(Value::Float(f64::from_bits(int.cast_unsigned()))),
        3 => set(Value::Number(["1.0", "-0", "1e5", "0.8875", "1e400"][text.len() % 5])),
        4 => set(Value::Json(["[\"\\ud800\",1]", "{}", "[]", "{\"a\":{\"b\":1},\"a.b\":2}"][text.len() % 4])),
        5 => set(Value::Bytes(&[0xFF, 0xFE, text.as_bytes().first().copied().unwrap_or(0)])),
        6 => set(Value::Null),
        7 => set(Value::Bool(int % 2 == 0)),
        8 => set(Value::Duration(int)),
        9 => set(Value::Cost(int)),
        10 => set(Value::Time(int)),
        _ => set(Value::Str(&text.repeat(20))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn any_values_come_back_as_they_were_given(
        seeds in prop::collection::vec((any::<u32>(), any::<i64>(), ".{0,12}"), 1..200),
    ) {
        let event = |(seed, int, text): &(u32, i64, String)| {
            let seed = *seed as usize;
            let text = if seed.is_multiple_of(3) { HOSTILE[seed / 3 % HOSTILE.len()] } else { text.as_str() };
            let mut event = Event::new().at(int / 3);
            for at in 0..seed % 5 {
                let name = ["message", "model", "x", "y.z", "count"][(seed / 7 + at) % 5];
                let base = event.clone();
                event = value(seed / 11 + at, text, *int, |value| base.clone().field(name, value));
            }
            event
        };
        stays_the_same(&seeds.iter().map(event).collect::<Vec<_>>());
    }
}

#[test]
fn a_field_of_its_own_for_every_row_stays_readable_by_its_name() {
    let events: Vec<Event> = (0..3000)
        .map(|n| {
            Event::new()
                .at(n)
                .field(&format!("only{n}"), format!("word{} rare", n % 7).as_str())
                .field("n", n)
        })
        .collect();
    stays_the_same(&events);
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, &events);
    store.seal().unwrap();
    let snapshot = store.snapshot().unwrap();
    for n in [0, 511, 512, 2999] {
        let scan = Scan { predicate: Predicate::field(format!("only{n}"), Test::Exists), ..Scan::default() };
        assert_eq!(numbers(&read(&snapshot, &scan).0), [n]);
    }
    let scan = Scan { predicate: Predicate::Any(TextTest::word("word3")), ..Scan::default() };
    assert_eq!(read(&snapshot, &scan).0.len(), 429);
}

#[test]
fn a_value_of_32_mib_among_small_ones_comes_back() {
    let large: String = (0..32 << 20).map(|at: u32| char::from(b'a' + (at / 7 % 26) as u8)).collect();
    let mut events: Vec<Event> = (0..100).map(|n| Event::new().at(n).message("small")).collect();
    events.insert(50, Event::new().at(50).message(&large));
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, &events);
    store.seal().unwrap();
    let mut lengths = Vec::new();
    let scan = Scan { columns: vec!["message".into()], ..Scan::default() };
    let snapshot = store.snapshot().unwrap();
    for part in snapshot.parts(&scan).unwrap() {
        part.scan(&mut |batch| {
            for value in batch.column(0).iter().flatten() {
                let Value::Str(text) = value else { panic!("{value:?}") };
                assert!(*text == "small" || *text == large);
                lengths.push(text.len());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    assert_eq!(lengths.iter().sum::<usize>(), 500 + (32 << 20));
}

#[test]
fn rows_that_are_all_equal_take_almost_nothing() {
    let event = Event::ai("plan").at(7).model("llama3.2").message("the same words again").tokens(10, 20);
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, &vec![event; 70_000]);
    let before = rows(&store);
    let upkeep = store.seal().unwrap();
    assert!(upkeep.steps[0].bytes_after < 200_000, "{upkeep:?}");
    assert_eq!(rows(&store), before);
}

#[test]
fn a_million_distinct_models_are_a_million_distinct_models() {
    const COUNT: usize = 1_000_000;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let log = store.writer_with(Durability::Buffered).unwrap();
    for chunk in 0..COUNT / 10_000 {
        let event = |at: usize| Event::new().at(at as i64).model(&format!("model-{:x}", at * 7919));
        let events: Vec<Event> = (chunk * 10_000..(chunk + 1) * 10_000).map(event).collect();
        log.append_batch(&events).unwrap();
    }
    log.close().unwrap();
    store.seal().unwrap();
    let scan = Scan { columns: vec!["model".into()], ..Scan::default() };
    let snapshot = store.snapshot().unwrap();
    let mut models = std::collections::HashSet::new();
    for part in snapshot.parts(&scan).unwrap() {
        part.scan(&mut |batch| {
            for value in batch.column(0).iter().flatten() {
                let Value::Str(model) = value else { panic!("{value:?}") };
                models.insert((*model).to_owned());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    assert_eq!(models.len(), COUNT);
    let wanted = Predicate::Any(TextTest::word(&format!("{:x}", 777_777_usize * 7919)));
    assert_eq!(read(&snapshot, &Scan { predicate: wanted, ..Scan::default() }).0.len(), 1);
}

#[test]
fn times_that_lie_years_apart_and_at_the_ends_of_time_come_back() {
    let year = 365 * DAY;
    let times = [i64::MIN, -290 * year, 0, 50 * year, 57 * year, 200 * year, i64::MAX];
    let events: Vec<Event> = (0..2100)
        .zip(times.into_iter().cycle())
        .map(|(n, time): (i64, i64)| Event::new().at(time.saturating_add(n)).field("n", n))
        .collect();
    stays_the_same(&events);
}

#[test]
fn times_that_are_spelled_as_plain_numbers_take_no_bytes_and_come_back() {
    let event = |n: i64| {
        let time = 1_700_000_000_000_000_000 + n * 1_000_000_000 - (n % 4) * 1_000_000_007;
        let whole = time / 1_000_000_000 * 1_000_000_000;
        // Whole seconds in every second field, all of the time in the first, and rows without any.
        let mut event = Event::new().at(if n % 2 == 0 { time } else { whole });
        let time = if n % 2 == 0 { time } else { whole };
        if n % 3 != 1 {
            event = event.field("nanos", &*time.to_string());
        }
        if n % 2 == 1 {
            event = event.field("seconds", &*(time / 1_000_000_000).to_string());
            event = event.field("millis", &*(time / 1_000_000).to_string());
        }
        let almost = if n == 1234 { "1".to_owned() } else { time.to_string() };
        event.field("almost", &*almost)
    };
    let events: Vec<_> = (0..5000).map(event).collect();
    stays_the_same(&events);
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, &events);
    store.seal().unwrap();
    let storage = store.snapshot().unwrap().storage();
    let taken =
        |name: &str| storage[0].fields.iter().find(|(field, _)| field == name).map_or(0, |(_, size)| *size);
    assert_eq!((taken("nanos"), taken("seconds"), taken("millis")), (0, 0, 0));
    assert!(8_000 < taken("almost"), "{}", taken("almost"));
    // They are found as the texts that they are.
    for (name, text) in
        [("nanos", "1700000000000000000"), ("seconds", "1700000001"), ("millis", "1700000001")]
    {
        let test = Test::Text(TextTest::regex(&format!("^{text}"), false).unwrap());
        let scan = Scan { predicate: Predicate::field(name, test.clone()), ..Scan::default() };
        let plain =
            |event: &&Event| matches!(event.get(name), Some(Value::Str(have)) if have.starts_with(text));
        assert_eq!(
            read(&store.snapshot().unwrap(), &scan).0.len(),
            events.iter().filter(plain).count(),
            "{name}"
        );
    }
}

#[test]
fn in_the_archive_a_day_of_few_records_has_no_index_of_words_and_one_of_many_has() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { word_index_min: 1000, ..options() };
    let store = Store::open(dir.path(), options).unwrap();
    let event = |n: i64| {
        let at = if n % 100 == 0 { DAY + n } else { 3 * DAY + n };
        Event::new().at(at).message(&format!("a word about number {n}"))
    };
    append(&store, &(0..3000).map(event).collect::<Vec<_>>());
    store.seal().unwrap();
    let found = |store: &Store| {
        let test = Test::Text(TextTest::contains("word"));
        let scan = Scan { predicate: Predicate::field("message", test), ..Scan::default() };
        read(&store.snapshot().unwrap(), &scan).0.len()
    };
    let before = found(&store);
    store.maintain(store.now() + 8 * DAY).unwrap();
    let files = files(&dir.path().join("archive"), "seg");
    let has_words = |path: &PathBuf| {
        let mut terms = 0;
        logq_engine::dump(path, false, &mut |line| {
            if let Some(size) = line.trim().split_once(" term, ") {
                terms += size.1.trim_end_matches(" bytes").replace(',', "").parse::<u64>().unwrap();
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        terms != 0
    };
    assert_eq!(files.iter().map(has_words).collect::<Vec<_>>(), [false, true]);
    assert_eq!(found(&store), before);
    assert_eq!(before, 3000);
}

#[test]
fn two_maintainers_at_once_do_the_work_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..6 {
        append(&store, &(0..50).map(|at| Event::new().at(at).field("n", n * 50 + at)).collect::<Vec<_>>());
        if n % 2 == 0 {
            store.seal().unwrap();
        }
    }
    let now = store.now() + 8 * DAY;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| open(dir.path()).maintain(now).unwrap());
        }
    });
    let mut found = numbers(&rows(&store));
    found.sort_unstable();
    assert_eq!(found, (0..300).collect::<Vec<_>>());
    assert_eq!(store.check().unwrap().damage, []);
}

/// A store of two segments; the second holds the numbers from 100 on.
fn two_segments(dir: &Path) -> Vec<PathBuf> {
    let store = open(dir);
    for first in [0, 100] {
        let events: Vec<_> = (first..first + 100).map(|n| Event::new().at(n).field("n", n)).collect();
        append(&store, &events);
        store.seal().unwrap();
    }
    files(dir, "seg")
}

#[test]
fn a_segment_that_was_cut_short_costs_itself_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let segments = two_segments(dir.path());
    let bytes = std::fs::read(&segments[1]).unwrap();
    for len in [0, 1, 50, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&segments[1], &bytes[..len]).unwrap();
        let store = open(dir.path());
        let (found, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
        let found = numbers(&found);
        assert_eq!(found[..100], (0..100).collect::<Vec<_>>(), "{len} bytes");
        // The footer stands twice: without the last byte everything is there, and only a check complains.
        assert!(found.len() == 200 || gaps.len() == 1, "{len} bytes: {gaps:?}");
        assert_ne!(store.check().unwrap().damage, [], "{len} bytes");
        append(&store, &[Event::new().field("n", 1)]);
        store.maintain(store.now() + 8 * DAY).unwrap();
        assert!(files(dir.path(), "seg").contains(&segments[1]), "what is damaged stays where it is");
        std::fs::remove_dir_all(dir.path()).unwrap();
        two_segments(dir.path());
    }
}

#[test]
fn a_segment_of_a_newer_format_is_named_and_the_rest_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let segments = two_segments(dir.path());
    let mut bytes = std::fs::read(&segments[1]).unwrap();
    let tail = bytes.len() - 24;
    let size = u32::from_le_bytes(bytes[tail + 16..tail + 20].try_into().unwrap()) as usize;
    bytes[tail + 8] = 9;
    let mut crc = crc32fast::Hasher::new();
    crc.update(&1_u64.to_le_bytes());
    crc.update(&bytes[tail - size..tail + 20]);
    let crc = crc.finalize().to_le_bytes();
    bytes[tail + 20..].copy_from_slice(&crc);
    std::fs::write(&segments[1], bytes).unwrap();
    let (found, gaps) = read(&open(dir.path()).snapshot().unwrap(), &Scan::default());
    assert_eq!(numbers(&found), (0..100).collect::<Vec<_>>());
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].to_string().contains("use a newer logq"), "{}", gaps[0]);
}

#[test]
fn a_damaged_page_costs_its_groups_and_the_rest_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let text = |n: i64| format!("{:x} {:x}", n * 0x9E37_79B9 % 0xFFFF_FFFB, n * 0x85EB_CA6B % 0xFFFF_FFFB);
    let events: Vec<_> = (0..5000).map(|n| Event::new().at(n).message(&text(n)).field("n", n)).collect();
    append(&store, &events);
    store.seal().unwrap();
    let path = &files(dir.path(), "seg")[0];
    let good = std::fs::read(path).unwrap();
    let mut partial = 0;
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(path, &bad).unwrap();
        let store = open(dir.path());
        let (found, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
        let found = numbers(&found);
        assert!(found.len() == 5000 || !gaps.is_empty(), "byte {at}: {} rows and no gap", found.len());
        assert!(found.is_sorted() && found.iter().all(|n| (0..5000).contains(n)));
        partial += usize::from(1000 < found.len() && found.len() < 5000);
        assert_ne!(store.check().unwrap().damage, [], "byte {at}");
    }
    assert!(0 < partial, "some damage leaves other groups readable");
}

#[test]
fn a_snapshot_reads_on_after_its_files_were_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, &(0..500).map(|n| Event::new().at(n).field("n", n)).collect::<Vec<_>>());
    let active = store.snapshot().unwrap();
    let other = open(dir.path());
    other.seal().unwrap();
    let sealed = store.snapshot().unwrap();
    other.maintain(other.now() + 8 * DAY).unwrap();
    let all = (0..500).collect::<Vec<_>>();
    for snapshot in [&active, &sealed, &store.snapshot().unwrap()] {
        let (found, gaps) = read(snapshot, &Scan::default());
        assert_eq!((numbers(&found), gaps), (all.clone(), vec![]));
    }
    drop((active, sealed));
    other.maintain(other.now() + 8 * DAY).unwrap();
    assert_eq!(files(dir.path(), "log"), Vec::<PathBuf>::new(), "nobody needs them any more");
    assert_eq!(files(dir.path(), "seg").len(), 1);
}

#[test]
fn readers_see_a_growing_prefix_while_files_are_sealed_merged_and_rolled() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options { file_size: 32 << 10, ..options() };
    let store = Store::open(dir.path(), small.clone()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                let reader =
                    Store::open(dir.path(), Options { read_only: true, create: false, ..small.clone() })
                        .unwrap();
                while !done.load(Ordering::Relaxed) {
                    let found = numbers(&rows(&reader));
                    assert_eq!(found, (0..found.len() as i64).collect::<Vec<_>>());
                    assert!(last <= found.len());
                    last = found.len();
                }
            });
        }
        scope.spawn(|| {
            let other = Store::open(dir.path(), small.clone()).unwrap();
            for round in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                other.maintain(other.now() + i64::from(round % 2) * 8 * DAY).unwrap();
            }
        });
        let log = store.writer_with(Durability::Buffered).unwrap();
        for n in 0..4000 {
            log.append(&Event::new().at(n / 3).field("n", n).message("some text to fill the file")).unwrap();
        }
        log.close().unwrap();
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(numbers(&rows(&store)), (0..4000).collect::<Vec<_>>());
}

#[test]
fn a_tail_crosses_seals_merges_and_the_archive_without_a_gap_or_a_double() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut seen: BTreeMap<i64, usize> = BTreeMap::new();
    let mut position = store.snapshot().unwrap().position();
    for round in 0..30 {
        let log = store.writer_with(Durability::Buffered).unwrap();
        let other = store.writer_with(Durability::Buffered).unwrap();
        for n in round * 20..(round + 1) * 20 {
            let log = if n % 3 == 0 { &other } else { &log };
            log.append(&Event::new().at(1000 - n).field("n", n)).unwrap();
        }
        if round % 2 == 0 {
            log.close().unwrap();
        }
        match round % 5 {
            1 | 2 => drop(store.seal().unwrap()),
            4 => drop(store.maintain(store.now() + (round % 2) * 8 * DAY).unwrap()),
            _ => {}
        }
        let snapshot = store.snapshot().unwrap();
        let (new, gaps): (Vec<Row>, _) = read(&snapshot, &Scan { after: Some(position), ..Scan::default() });
        assert_eq!(gaps, []);
        numbers(&new).into_iter().for_each(|n| *seen.entry(n).or_default() += 1);
        position = snapshot.position();
    }
    assert_eq!(seen, (0..600).map(|n| (n, 1)).collect());
}

#[test]
fn a_process_that_writes_for_long_seals_beside_its_work() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options { word_index_min: 0, ..Options::default() }).unwrap();
    let log = store.writer_with(Durability::Buffered).unwrap();
    let text = "x".repeat(60_000);
    let mut n = 0;
    let mut looks = 0;
    // Nobody asks for maintenance here: records are appended until some of them are sealed.
    while files(dir.path(), "seg").is_empty() {
        if n < 2000 {
            log.append(&Event::new().at(n).field("n", n).message(&text)).unwrap();
            n += 1;
        }
        // A look takes tens of microseconds: more than a minute, where nobody seals.
        looks += store.snapshot().unwrap().gaps().len() + 1;
        assert!(looks < 2_000_000, "nobody seals");
    }
    log.append(&Event::new().at(n).field("n", n)).unwrap();
    assert_eq!(numbers(&rows(&store)), (0..=n).collect::<Vec<_>>());
    drop((log, store));
    // The thread has ended with the last handle: the lock is free, and nothing unfinished is left.
    let store = open(dir.path());
    store.seal().unwrap();
    assert_eq!(files(dir.path(), "new"), Vec::<PathBuf>::new());
    assert_eq!(numbers(&rows(&store)), (0..=n).collect::<Vec<_>>());
    assert_eq!(store.check().unwrap().damage, []);
}

#[test]
fn a_check_beside_maintenance_calls_nothing_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let checks = scope.spawn(|| {
            let other = open(dir.path());
            let mut checks = 0;
            while !done.load(Ordering::Relaxed) || checks < 3 {
                assert_eq!(other.check_deep().unwrap().damage, []);
                checks += 1;
            }
        });
        for round in 0..25 {
            append(&store, &[Event::new().at(round).field("n", round).message("one more")]);
            // Files go from under the check: they become segments, those become one, or parts of the archive.
            store.maintain(store.now() + (round % 2) * 8 * DAY).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        checks.join().unwrap();
    });
    assert_eq!(numbers(&rows(&store)), (0..25).collect::<Vec<_>>());
}
