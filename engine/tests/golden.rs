//! A store of format 1 as it lies in the tree: whatever changes in the code, it opens and says the same.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use logq_engine::{
    Event, ImportProgress, Level, Options, Packer, Predicate, Scan, SourceId, Store, TextTest, Value,
};

use crate::support;

const DAY: i64 = 86_400_000_000_000;
const START: i64 = 1_795_305_600_000_000_000;
/// Records of the segment that is large enough for an index over its words: all alike but for their times.
const ALIKE: usize = 66_000;

/// Where the store lies. It is made where it is missing: once, by the version that made format 1.
fn golden() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/format-1");
        if !path.join("store").exists() {
            make(&path);
        }
        path
    })
}

fn options() -> Options {
    Options { maintain: false, file_size: 16 << 10, archive_after: None, ..Options::default() }
}

fn at(place: usize, step: i64) -> i64 {
    START + i64::try_from(place).unwrap() * step
}

/// Values of every kind and columns of every encoding.
fn mixed(count: usize, first: usize, step: i64) -> Vec<Event> {
    (first..first + count)
        .map(|row| {
            let event = Event::ai("puzzle").at(at(row, step)).model(["llama3.2", "gpt-4o"][row % 2]);
            let event = event.message(&format!("request req-{:08x} took {} ms", row * 40_503, row * 31 % 97));
            let event = event.field("trace", format!("{:016x}", row * 0x9e37_79b9).as_str());
            match row % 6 {
                0 => event.field("price", Value::Number("1.50")).field("flag", row % 4 == 0),
                1 => event.field("price", Value::Number("0.25")).field("odd", Value::Null).level(Level::Warn),
                2 => {
                    event.field("odd", Value::Json("[1,\"two\"]")).field("raw", Value::Bytes(&[0xff, 1, 10]))
                }
                3 => event.tokens(150, 250).field("seen", at(row, step)).field("latency", 1800),
                4 => event.field("nested.path", "deep").field("cost", Value::Number("0.0025")),
                _ => event.field("ratio", 0.1 + f64::from(u32::try_from(row).unwrap())),
            }
        })
        .collect()
}

/// Rows of which one has more fields than a block has columns.
fn wide() -> Vec<Event> {
    let mut rows = mixed(8, 200, 1_000_000_007);
    for name in 0..530 {
        rows[0] = rows[0].clone().field(&format!("f{name}"), 1);
    }
    rows[5] = rows[5].clone().field("f529", "rare");
    rows
}

/// Imports three rows.
fn import(store: &Store, hash: u64, first: usize) {
    let log = store.writer().unwrap();
    let source = SourceId { hash, prefix_len: 100, generation: 0 };
    let mut packer = Packer::new();
    for event in mixed(3, first, 1_000_000_007) {
        packer.push(&event, START).unwrap();
    }
    log.append_import(&packer.finish(), ImportProgress { source, start: 0, end: 300, tail_hash: 7 }).unwrap();
    log.close().unwrap();
}

/// Makes the store, and the list of what is in it.
fn make(dir: &Path) {
    let path = dir.join("store");
    let append = |options: Options, events: &[Event]| {
        let store = Store::open(&path, options).unwrap();
        let log = store.writer().unwrap();
        for batch in events.chunks(60_000) {
            log.append_batch(batch).unwrap();
        }
        log.close().unwrap();
        store
    };
    let store = append(options(), &mixed(24, 0, DAY / 20));
    import(&store, 1, 100);
    let archive = Options { archive_after: Some(std::time::Duration::from_secs(1)), ..options() };
    Store::open(&path, archive).unwrap().maintain(store.now() + DAY).unwrap();
    append(options(), &wide()).seal().unwrap();
    let alike: Vec<Event> =
        (0..ALIKE).map(|row| Event::system("tick", "all is well").at(at(row, 1000))).collect();
    append(Options { file_size: 16 << 20, ..options() }, &alike).seal().unwrap();
    let store = append(options(), &mixed(7, 300, 1_000_000_007));
    import(&store, 2, 400);
    fs::write(dir.join("rows.txt"), listed(&store)).unwrap();
    // Behind the last edit a manifest is zero, which need not lie in the tree.
    let manifest = path.join("MANIFEST");
    let bytes = fs::read(&manifest).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    fs::write(manifest, &bytes[..used.next_multiple_of(8)]).unwrap();
}

/// The rows as text: each on a line, those that are alike as one.
fn listed(store: &Store) -> String {
    let mut out = String::new();
    let mut alike = 0;
    for row in support::rows(store) {
        if row.fields.iter().any(|(_, value)| value == "Str(\"all is well\")") {
            let time = at(alike, 1000);
            let fields = [
                ("kind", "Str(\"system\")"),
                ("operation", "Str(\"tick\")"),
                ("message", "Str(\"all is well\")"),
            ];
            let mut found = row.fields.clone();
            found.sort();
            let mut want = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
            want.sort();
            assert_eq!((row.time, found.as_slice()), (time, want.as_slice()));
            alike += 1;
            continue;
        }
        let fields: Vec<String> = row.fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        out += &format!("{} {}{}\n", row.id, row.time, fields.concat());
    }
    for progress in store.imports().unwrap() {
        out += &format!("import {progress:?}\n");
    }
    out + &format!("{alike} alike\n")
}

/// Copies the store, since opening one for writing writes.
fn copy(to: &Path) -> PathBuf {
    let from = golden().join("store");
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        fs::create_dir_all(to.join(&folder)).unwrap();
        for entry in fs::read_dir(from.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else {
                fs::write(to.join(&path), fs::read(entry.path()).unwrap()).unwrap();
            }
        }
    }
    to.to_owned()
}

#[test]
fn a_store_of_format_1_says_what_it_said_when_it_was_made() {
    let said = fs::read_to_string(golden().join("rows.txt")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(copy(dir.path()), Options { read_only: true, ..options() }).unwrap();
    assert_eq!(listed(&store), said);
    let report = store.check_deep().unwrap();
    assert_eq!(report.damage, []);
    assert!(4 <= report.segments && report.blocks == report.segments + 1, "{report:?}");
    // Words and ids, through the index and without it.
    for (word, count) in [("well", ALIKE), ("took", 45), ("00031713", 1), ("absent", 0)] {
        for index in [true, false] {
            let predicate = Predicate::Any(TextTest::phrase(word));
            let scan = Scan { predicate, index, ..Scan::default() };
            let mut rows = 0;
            for part in store.snapshot().unwrap().parts(&scan).unwrap() {
                part.scan(&mut |batch| {
                    rows += batch.len();
                    ControlFlow::Continue(())
                })
                .unwrap();
            }
            assert_eq!(rows, count, "{word}, index {index}");
        }
    }
}

#[test]
fn a_store_of_format_1_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = copy(dir.path());
    let store = Store::open(&path, options()).unwrap();
    let before = support::rows(&store);
    let log = store.writer().unwrap();
    let id = log.append(&Event::system("tock", "one more")).unwrap();
    assert!(before.iter().all(|row| row.id < id), "{id} is taken");
    log.close().unwrap();
    store.maintain(store.now()).unwrap();
    let after = support::rows(&store);
    assert_eq!((&after[..before.len()], after.len()), (&before[..], before.len() + 1));
    assert_eq!(store.check_deep().unwrap().damage, []);
}
