//! Texts that repeat each other are kept once, and nobody can tell but by the size: every answer is the same, damage costs
//! what uses it, and what was forgotten is gone.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use logq_engine::{
    Comparison, Durability, Event, Forget, Literal, Options, Predicate, Scan, Store, Test, TextTest,
    TimeRange, dump,
};

use crate::support::{Row, numbers, read, rows};

const DAY: i64 = 86_400_000_000_000;

fn open(dir: &Path, share_texts: bool) -> Store {
    let options = Options { maintain: false, word_index_min: 0, share_texts, ..Options::default() };
    Store::open(dir, options).unwrap()
}

/// Words that do not compress to nothing, other ones for each seed.
fn words(seed: i64, count: usize) -> String {
    let mut state = seed.cast_unsigned() ^ 0x9e37_79b9_7f4a_7c15;
    let mut text = String::new();
    for _ in 0..count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text += &format!("{}{} ", ["tool", "agent", "\u{fc}ber", "cost"][(state % 4) as usize], state >> 50);
    }
    text
}

/// Calls of models whose prompts come again 1,400 calls later, farther back than a codec looks. A prompt is always of the same user.
fn calls(first: i64, count: i64) -> Vec<Event> {
    (first..first + count)
        .map(|n| {
            let user = n % 4;
            let prompt = format!("user{user}: {} {n}", words(n % 1400 * 2, 120));
            let event = Event::ai("chat").at(n * 1000).model("llama3.2").prompt(&prompt);
            event.field("n", n).field("user", format!("user{user}").as_str())
        })
        .collect()
}

fn append(store: &Store, events: &[Event]) {
    let log = store.writer_with(Durability::Buffered).unwrap();
    log.append_batch(events).unwrap();
    log.close().unwrap();
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "seg") {
                found.push(path);
            }
        }
    }
    found
}

fn size(dir: &Path) -> u64 {
    segments(dir).iter().map(|path| std::fs::metadata(path).unwrap().len()).sum()
}

fn lines(path: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    dump(path, false, &mut |line| {
        lines.push(line.to_owned());
        ControlFlow::Continue(())
    })
    .unwrap();
    lines
}

/// What a dump says of columns whose texts are shared, but for where they lie.
fn shared(dir: &Path) -> Vec<String> {
    let lines = segments(dir).iter().flat_map(|path| lines(path)).collect::<Vec<_>>();
    let of = |line: &String| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned();
    lines.iter().filter(|line| line.contains("texts shared")).map(of).collect()
}

/// What tests of several sorts find.
fn found(store: &Store) -> Vec<Vec<Row>> {
    let all = rows(store);
    let text = |row: &Row| row.fields.iter().find(|(name, _)| name == "prompt").unwrap().1.clone();
    let word = text(&all[7]).split_whitespace().nth(3).unwrap().to_owned();
    let (start, pattern) = (&word[..word.len() - 1], format!("{}[0-9]+ (cost|tool)", &word[..4]));
    let of =
        |test: TextTest| vec![Predicate::Any(test.clone()), Predicate::field("prompt", Test::Text(test))];
    let tests = [
        TextTest::word(&word),
        TextTest::phrase(&format!("user1 {word}")),
        TextTest::contains(start),
        TextTest::regex(&pattern, false).unwrap(),
        TextTest::word("nowhere"),
    ];
    let scans = tests.into_iter().flat_map(of).map(|predicate| Scan { predicate, ..Scan::default() });
    let snapshot = store.snapshot().unwrap();
    scans
        .map(|scan| {
            let (rows, gaps) = read(&snapshot, &scan);
            assert_eq!(gaps, []);
            rows
        })
        .collect()
}

#[test]
fn shared_texts_take_less_and_every_answer_stays_the_same() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let stores = [open(dirs[0].path(), true), open(dirs[1].path(), false)];
    for round in 0..2 {
        for store in &stores {
            append(store, &calls(round * 4200, 4200));
        }
        let before = stores.each_ref().map(|store| (rows(store), found(store)));
        for store in &stores {
            store.seal().unwrap();
        }
        assert_eq!(stores.each_ref().map(|store| (rows(store), found(store))), before);
    }
    let [(all, hits), (others, _)] = stores.each_ref().map(|store| (rows(store), found(store)));
    assert_eq!(all, others);
    assert!(hits[0].len() > 1 && hits[0].len() < 8400, "{}", hits[0].len());
    let sizes = || dirs.each_ref().map(|dir| size(dir.path()));
    let [with, without] = sizes();
    assert!(with * 2 < without, "{with} of {without}");
    assert!(shared(dirs[1].path()).is_empty());
    assert!(shared(dirs[0].path()).iter().any(|line| line.starts_with("prompt:")));
    for later in [0, 8 * DAY] {
        for store in &stores {
            store.maintain(store.now() + later).unwrap();
            assert_eq!(rows(store), all);
            assert_eq!(found(store), hits);
            let report = store.check_deep().unwrap();
            assert_eq!((report.damage.as_slice(), report.records), (&[][..], 8400));
        }
        let [with, without] = sizes();
        assert!(with * 2 < without, "{with} of {without} after {later}");
    }
    assert_eq!(rows(&open(dirs[0].path(), false)), all, "whoever does not share reads what is shared");
}

#[test]
fn a_damaged_byte_of_shared_texts_is_found_and_costs_what_uses_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), true);
    let event = |n| Event::ai("chat").at(n).prompt(&format!("{n} {}", words(n % 1400, 120))).field("n", n);
    append(&store, &(0..4200).map(event).collect::<Vec<_>>());
    store.seal().unwrap();
    assert!(!shared(dir.path()).is_empty());
    drop(store);
    let path = &segments(dir.path())[0];
    let good = std::fs::read(path).unwrap();
    let mut partial = 0;
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(path, &bad).unwrap();
        let store = open(dir.path(), true);
        let (found, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
        let found = numbers(&found);
        assert!(found.len() == 4200 || !gaps.is_empty(), "byte {at}: {} rows and no gap", found.len());
        assert!(found.is_sorted() && found.iter().all(|n| (0..4200).contains(n)));
        partial += usize::from(1000 < found.len() && found.len() < 4200);
        assert_ne!(store.check().unwrap().damage, [], "byte {at}");
    }
    assert!(5 < partial, "most damage leaves other groups readable");
}

#[test]
fn nothing_that_only_a_forgotten_event_said_is_kept_for_others() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let events = calls(0, 4200);
    let kept: Vec<Event> =
        events.iter().enumerate().filter(|(n, _)| n % 4 != 2).map(|(_, event)| event.clone()).collect();
    let stores = [open(dirs[0].path(), true), open(dirs[1].path(), true)];
    for (store, events) in stores.iter().zip([&events, &kept]) {
        append(store, events);
        store.seal().unwrap();
    }
    assert_ne!(shared(dirs[0].path()), shared(dirs[1].path()));
    let user = Predicate::field("user", Test::Compare(Comparison::Eq, Literal::Text("user2".into())));
    let forget = Forget { range: TimeRange::default(), predicate: user, import: None };
    assert_eq!(stores[0].forget(&forget).unwrap().events, 1050);
    let left = shared(dirs[0].path());
    assert!(!left.is_empty());
    assert_eq!(left, shared(dirs[1].path()), "the columns of a store that never had them");
    assert_eq!(numbers(&rows(&stores[0])).len(), 3150);
    assert_eq!(stores[0].check_deep().unwrap().damage, []);
}
