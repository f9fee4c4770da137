//! `storage` and `health`: what the store says of itself adds up.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use logq_engine::io::sim::SimDisk;
use logq_engine::{Event, Options, Store};
use logq_query::{Answer, Datum, Query, Session};

use super::data::{self, Layout, NOW};

fn ask(store: &Store, text: &str) -> Answer {
    let session = Session { now: Some(NOW), ..Session::default() };
    Query::parse(text)
        .and_then(|query| query.run(store, &session))
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn int(answer: &Answer, row: usize, name: &str) -> i64 {
    let at = answer.columns.iter().position(|column| column.name == name).unwrap();
    match answer.rows[row].cells[at] {
        Datum::Int(value) => value,
        ref other => panic!("{name} is {other:?}"),
    }
}

/// The value and status of an item of `health`.
fn item(store: &Store, name: &str) -> (Datum, String) {
    let answer = ask(store, "health");
    let row = answer.rows.iter().find(|row| row.cells[0] == Datum::text(name));
    let row = row.unwrap_or_else(|| panic!("no item {name}"));
    match &row.cells[3] {
        Datum::Str(status) => (row.cells[1].clone(), status.to_string()),
        other => panic!("{name} has the status {other:?}"),
    }
}

fn store(dir: &Path, layout: Layout) -> Store {
    data::store_as(dir, &data::services(), 2, layout)
}

#[test]
fn storage_counts_every_record_and_every_byte_once() {
    for layout in Layout::ALL {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), layout);
        let events = int(&ask(&store, "events count"), 0, "count");
        let all = ask(&store, "storage sum(records) as records, sum(stored) as stored, sum(raw) as raw");
        assert_eq!(int(&all, 0, "records"), events, "{layout:?}");
        assert!(0 < int(&all, 0, "raw"), "{layout:?}");
        let fields = ask(&store, "storage fields sum(stored) as stored");
        assert_eq!(int(&fields, 0, "stored"), int(&all, 0, "stored"), "{layout:?}");
        let by_state = ask(&store, "storage by state");
        let sum: i64 = (0..by_state.rows.len()).map(|row| int(&by_state, row, "stored")).sum();
        assert_eq!(sum, int(&all, 0, "stored"), "{layout:?}");
        let on_disk: u64 = ["segments", "archive"].iter().map(|folder| size(&dir.path().join(folder))).sum();
        let sealed = ask(&store, "storage where state in (sealed, archived) sum(stored) as stored");
        let sealed = if let Datum::Int(bytes) = sealed.rows[0].cells[0] { bytes } else { 0 };
        assert_eq!(u64::try_from(sealed).unwrap(), on_disk, "{layout:?}");
    }
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries
        .map(|entry| entry.unwrap())
        .map(
            |entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() },
        )
        .sum()
}

#[test]
fn storage_of_a_range_names_the_files_that_it_touches() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), Layout::Sealed);
    let files = ask(&store, "storage").rows.len();
    assert_eq!(ask(&store, "storage since 2026-11-20 until 2026-11-23").rows.len(), files);
    assert_eq!(ask(&store, "storage until 2026-11-20").rows.len(), 0);
    let first = ask(&store, "storage top 1 by stored").rows.len();
    assert_eq!(first, 1);
}

#[test]
fn what_storage_stands_for_gives_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), Layout::Mixed);
    for text in ["storage", "storage by state", "storage fields by field", "storage by field, state top 3"] {
        let answer = ask(&store, text);
        assert_eq!(ask(&store, &answer.expanded).rows, answer.rows, "{text}");
    }
}

#[test]
fn reports_of_the_store_refuse_what_their_rows_have_not() {
    for text in [
        "storage per 1d",
        "health by item",
        "health last 1d",
        "storage last 1d vs previous",
        "storage context -1",
    ] {
        let error = Query::parse(text).and_then(|query| query.explain(&Session::default(), NOW)).unwrap_err();
        assert!(error.to_string().contains("Q0206"), "{text}: {error}");
    }
}

#[test]
fn a_sound_store_is_in_good_health() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), Layout::Mixed);
    let events = ask(&store, "events count");
    assert_eq!(item(&store, "records").0, events.rows[0].cells[0]);
    for name in ["damage", "orphans", "quarantine", "active"] {
        assert_eq!(item(&store, name).1, "good", "{name}");
    }
    assert_eq!(item(&store, "newest").0, Datum::Time(NOW - 28 * data::MINUTE));
}

#[test]
fn health_finds_what_was_set_aside_what_nobody_knows_and_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), Layout::Sealed);
    std::fs::create_dir_all(dir.path().join("quarantine")).unwrap();
    std::fs::write(dir.path().join("quarantine/7-1.seg"), "set aside").unwrap();
    assert_eq!(item(&store, "quarantine"), (Datum::Int(1), "attention".into()));
    std::fs::write(dir.path().join("segments/4711.seg"), "of nobody").unwrap();
    assert_eq!(item(&store, "orphans"), (Datum::Int(1), "attention".into()));
    assert_eq!(item(&store, "verdict").1, "attention");
    let segment = std::fs::read_dir(dir.path().join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| !path.ends_with("4711.seg"))
        .unwrap();
    std::fs::remove_file(segment).unwrap();
    let again = Store::open(dir.path(), logq_engine::Options::default()).unwrap();
    assert_eq!(item(&again, "damage").1, "bad");
    assert_eq!(item(&again, "verdict").1, "bad");
}

#[test]
fn health_sees_a_clock_that_was_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let event = logq_engine::Event::new().at(NOW + 2 * 1440 * data::MINUTE).message("from tomorrow");
    let store = data::store(dir.path(), &[event], 1);
    assert_eq!(item(&store, "newest").1, "attention");
}

#[test]
fn health_wants_attention_while_deletions_wait_for_the_clock() {
    let disk = SimDisk::new(1);
    let month = Duration::from_hours(24 * 30);
    let options = Options { maintain: false, retain_for: Some(month), ..Options::default() };
    let store = Store::open_on(Arc::new(disk.clone()), Path::new("/logs"), options).unwrap();
    let start = store.now();
    let log = store.writer().unwrap();
    log.append(&Event::new().message("hello")).unwrap();
    log.close().unwrap();
    store.maintain_by_clock().unwrap();
    let held = |store: &Store| {
        let answer =
            ask(store, "health | where item in (\"deletions wait since\", \"deletions wait until\")");
        answer.rows.iter().map(|row| (row.cells[1].clone(), row.cells[3].clone())).collect::<Vec<_>>()
    };
    assert_eq!((held(&store), item(&store, "clock set back").1), (Vec::new(), "good".into()));
    let day = 1440 * data::MINUTE;
    disk.set_clock(start + 3650 * day);
    let said = store.maintain_by_clock().unwrap().held.unwrap();
    disk.set_clock(start + 3651 * day);
    let found: Vec<Datum> = held(&store).into_iter().map(|(value, _)| value).collect();
    assert_eq!(found, [said.since, said.until].map(Datum::Time), "{said:?}");
    assert!(held(&store).iter().all(|(_, status)| *status == Datum::text("attention")));
    assert_eq!(item(&store, "verdict").1, "attention");
}
