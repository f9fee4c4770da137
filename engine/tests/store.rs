//! One process, the real disk.

use std::ops::ControlFlow;

use logq_engine::{Durability, ErrorKind, Event, Options, Scan, Store, TimeRange, Value};

use crate::support::{numbers, read, rows, shown};

fn event(n: i64) -> Event {
    Event::new().at(1000 + n).field("n", n)
}

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(dir.path(), Options::default()).unwrap()
}

fn small() -> Options {
    Options { file_size: 16 << 10, durability: Durability::Buffered, ..Options::default() }
}

#[test]
fn what_goes_in_comes_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let log = store.writer().unwrap();
    let hostile: Vec<(&str, Value<'_>)> = vec![
        ("null", Value::Null),
        ("bool", Value::Bool(true)),
        ("int", Value::Int(i64::MIN)),
        ("float", Value::Float(-0.0)),
        ("literal", Value::Number("1.0")),
        ("text", Value::Str("007 \u{0} \u{202e}")),
        ("bytes", Value::Bytes(b"\xff\xfe")),
        ("array", Value::Json("[1, 2 ,3]")),
        ("a.b", Value::Int(2)),
        ("", Value::Str("")),
    ];
    let mut event = Event::new().at(-5);
    for (name, value) in &hostile {
        event.set(name, *value);
    }
    let id = log.append(&event).unwrap();
    let found = rows(&store);
    assert_eq!((found.len(), found[0].id, found[0].time), (1, id, -5));
    let want: Vec<_> = hostile.iter().map(|(name, value)| ((*name).to_owned(), shown(*value))).collect();
    assert_eq!(found[0].fields, want);
}

#[test]
fn a_record_is_visible_as_soon_as_append_returns_and_to_no_earlier_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let log = store.writer().unwrap();
    let mut snapshots = Vec::new();
    for n in 0..50 {
        snapshots.push(store.snapshot().unwrap());
        log.append(&event(n)).unwrap();
        assert_eq!(rows(&store).len() as i64, n + 1);
    }
    for (n, snapshot) in snapshots.iter().enumerate() {
        assert_eq!(read(snapshot, &Scan::default()).0.len(), n);
    }
}

#[test]
fn files_rotate_and_nothing_is_lost_in_any_durability() {
    for durability in
        [Durability::Buffered, Durability::Interval(std::time::Duration::from_millis(1)), Durability::Synced]
    {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options { durability, ..small() }).unwrap();
        let log = store.writer().unwrap();
        let text = "x".repeat(500);
        for n in 0..200 {
            log.append(&event(n).field("message", text.as_str())).unwrap();
        }
        assert!(3 < store.snapshot().unwrap().files(), "{durability:?}");
        assert_eq!(numbers(&rows(&store)), (0..200).collect::<Vec<_>>());
        log.close().unwrap();
        let again = Store::open(dir.path(), small()).unwrap();
        assert_eq!(numbers(&rows(&again)), (0..200).collect::<Vec<_>>());
        let report = again.check().unwrap();
        assert_eq!((report.records, report.damage, report.torn), (200, vec![], 0));
    }
}

#[test]
fn many_short_writers_leave_one_file() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..200 {
        let store = open(&dir);
        let log = store.writer_with(Durability::Buffered).unwrap();
        let id = log.append(&event(n)).unwrap();
        assert_eq!((id.writer, id.sequence as i64), (0, n));
        log.close().unwrap();
    }
    let store = open(&dir);
    assert_eq!(store.snapshot().unwrap().files(), 1);
    assert_eq!(numbers(&rows(&store)), (0..200).collect::<Vec<_>>());
}

#[test]
fn writers_at_the_same_time_have_slots_of_their_own_and_free_ones_are_taken_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let writers: Vec<_> = (0..4).map(|_| store.writer().unwrap()).collect();
    assert_eq!(writers.iter().map(logq_engine::Writer::id).collect::<Vec<_>>(), [0, 1, 2, 3]);
    for (n, log) in (0..).zip(&writers) {
        log.append(&event(n)).unwrap();
    }
    drop(writers);
    assert_eq!(store.writer().unwrap().id(), 0);
    assert_eq!(rows(&store).len(), 4);
}

#[test]
fn a_batch_has_dense_ids_and_a_large_one_is_split() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let log = store.writer_with(Durability::Buffered).unwrap();
    let events: Vec<_> = (0..70_000).map(event).collect();
    let first = log.append_batch(&events).unwrap();
    assert_eq!(first.sequence, 0);
    let found = rows(&store);
    assert_eq!(numbers(&found), (0..70_000).collect::<Vec<_>>());
    assert!(found.windows(2).all(|pair| pair[0].id.sequence + 1 == pair[1].id.sequence));
    assert_eq!(store.snapshot().unwrap().files(), 2);
    log.append_batch(&[]).unwrap();
    assert_eq!(rows(&store).len(), 70_000);
}

#[test]
fn a_record_larger_than_a_file_gets_a_file_of_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let log = store.writer().unwrap();
    let text = "y".repeat(1 << 20);
    log.append(&event(0)).unwrap();
    log.append(&event(1).field("message", text.as_str())).unwrap();
    log.append(&event(2)).unwrap();
    assert_eq!(numbers(&rows(&store)), [0, 1, 2]);
}

#[test]
fn a_scan_keeps_to_its_time_range_and_position() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let log = store.writer().unwrap();
    for n in 0..100 {
        log.append(&event(n)).unwrap();
    }
    let range = TimeRange { from: Some(1010), until: Some(1020) };
    let (found, _) = read(&store.snapshot().unwrap(), &Scan { range, ..Scan::default() });
    assert_eq!(numbers(&found), (10..20).collect::<Vec<_>>());
    let after = Some(store.snapshot().unwrap().position());
    assert_eq!(read(&store.snapshot().unwrap(), &Scan { after: after.clone(), ..Scan::default() }).0, []);
    log.append_batch(&[event(100), event(101)]).unwrap();
    let (found, _) = read(&store.snapshot().unwrap(), &Scan { after, ..Scan::default() });
    assert_eq!(numbers(&found), [100, 101]);
}

#[test]
fn columns_come_in_the_order_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let log = store.writer().unwrap();
    log.append(&Event::ai("a").model("m").field("own", 7).at(5)).unwrap();
    log.append(&Event::ai("b").field("other", 1).field("own", 8).at(6)).unwrap();
    let columns = ["own", "time", "model", "nowhere"].map(String::from).to_vec();
    let scan = Scan { columns, ..Scan::default() };
    let snapshot = store.snapshot().unwrap();
    let mut seen = Vec::new();
    for part in snapshot.parts(&scan).unwrap() {
        part.scan(&mut |batch| {
            for row in 0..batch.len() {
                seen.push((0..4).map(|at| batch.column(at)[row].map(shown)).collect::<Vec<_>>());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    let some = |text: &str| Some(text.to_owned());
    let first = vec![some("Int(7)"), some("Time(5)"), some("Str(\"m\")"), None];
    assert_eq!(seen, [first, vec![some("Int(8)"), some("Time(6)"), None, None]]);
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_reading() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none");
    for options in
        [Options { create: false, ..Options::default() }, Options { read_only: true, ..Options::default() }]
    {
        assert_eq!(Store::open(&path, options).unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert!(!path.exists());
}

#[test]
fn a_read_only_store_reads_and_refuses_to_write() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir).writer().unwrap().append(&event(1)).unwrap();
    let store = Store::open(dir.path(), Options { read_only: true, ..Options::default() }).unwrap();
    assert_eq!(rows(&store).len(), 1);
    assert_eq!(store.writer().unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_writer_that_meets_the_bound_on_unsealed_bytes_seals_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options { unsealed_max: 48 << 10, ..small() }).unwrap();
    let log = store.writer().unwrap();
    let text = "z".repeat(1000);
    for n in 0..300 {
        log.append(&event(n).field("message", text.as_str())).unwrap();
    }
    assert_eq!(numbers(&rows(&store)), (0..300).collect::<Vec<_>>());
    let active = std::fs::read_dir(dir.path().join("active")).unwrap();
    let sizes = active.map(|entry| entry.unwrap().metadata().unwrap().len());
    assert!(sizes.sum::<u64>() <= (48 + 16) << 10, "the bound, and a file that is being made ready");
}

#[test]
fn a_store_made_by_a_newer_version_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir).writer().unwrap().append(&event(1)).unwrap();
    let path = dir.path().join("MANIFEST");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..40]);
    bytes[40..44].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let error = Store::open(dir.path(), Options::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Version);
    assert!(error.to_string().contains("use a newer logq"), "{error}");
}

#[test]
fn a_lost_or_damaged_manifest_is_rebuilt_from_the_files() {
    for damage in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), small()).unwrap();
        let log = store.writer().unwrap();
        let text = "x".repeat(1000);
        for n in 0..60 {
            log.append(&event(n).field("message", text.as_str())).unwrap();
        }
        log.close().unwrap();
        let path = dir.path().join("MANIFEST");
        let mut bytes = std::fs::read(&path).unwrap();
        match damage {
            0 => std::fs::remove_file(&path).unwrap(),
            1 => {
                bytes[20] ^= 1;
                std::fs::write(&path, bytes).unwrap();
            }
            _ => {
                bytes[60] ^= 1;
                std::fs::write(&path, bytes).unwrap();
            }
        }
        let store = Store::open(dir.path(), small()).unwrap();
        assert_eq!(numbers(&rows(&store)), (0..60).collect::<Vec<_>>(), "damage {damage}");
        assert_eq!(store.check().unwrap().damage.len(), 1);
        let log = store.writer().unwrap();
        log.append(&event(60).field("message", text.repeat(20).as_str())).unwrap();
        log.close().unwrap();
        let store = Store::open(dir.path(), small()).unwrap();
        assert_eq!(numbers(&rows(&store)), (0..61).collect::<Vec<_>>());
        assert_eq!(store.check().unwrap().damage, []);
    }
}

#[test]
fn every_flipped_byte_of_the_manifest_loses_no_record() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let log = store.writer().unwrap();
    let text = "x".repeat(1000);
    for n in 0..40 {
        log.append(&event(n).field("message", text.as_str())).unwrap();
    }
    log.close().unwrap();
    let path = dir.path().join("MANIFEST");
    let good = std::fs::read(&path).unwrap();
    let used = good.iter().rposition(|byte| *byte != 0).unwrap();
    for at in (0..used + 20).chain([good.len() / 2, good.len() - 1]) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        let options = Options { read_only: true, ..small() };
        let store = Store::open(dir.path(), options).unwrap();
        assert_eq!(numbers(&rows(&store)), (0..40).collect::<Vec<_>>(), "byte {at}");
    }
}

#[test]
fn a_damaged_frame_costs_its_records_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store =
        Store::open(dir.path(), Options { durability: Durability::Synced, ..Options::default() }).unwrap();
    let log = store.writer().unwrap();
    for n in 0..20 {
        log.append(&event(n)).unwrap();
    }
    log.close().unwrap();
    let path = dir.path().join("active/0-1.log");
    let good = std::fs::read(&path).unwrap();
    for at in [4096 + 70, 4096 + 4, 4096] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x80;
        std::fs::write(&path, &bytes).unwrap();
        let store = open(&dir);
        let (found, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
        assert_eq!(numbers(&found), (1..20).collect::<Vec<_>>(), "byte {at}");
        assert_eq!(gaps.len(), 1);
        assert_eq!((gaps[0].file.as_str(), gaps[0].offset), ("active/0-1.log", 4096));
        assert!(gaps[0].to_string().ends_with("(record 0-0 is missing)"), "{}", gaps[0]);
        let report = store.check().unwrap();
        assert_eq!((report.damage, report.records), (gaps, 19));
    }
}

#[test]
fn a_vanished_file_is_a_gap_and_the_rest_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let log = store.writer().unwrap();
    let text = "x".repeat(1000);
    for n in 0..60 {
        log.append(&event(n).field("message", text.as_str())).unwrap();
    }
    log.close().unwrap();
    std::fs::remove_file(dir.path().join("active/0-2.log")).unwrap();
    let store = open(&dir);
    let (found, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
    assert_eq!((gaps.len(), gaps[0].file.as_str()), (1, "active/0-2.log"));
    let missing = gaps[0].records.unwrap().1;
    assert_eq!(found.len() as u64 + missing, 60);
}

#[test]
fn files_and_folders_are_only_for_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("s"), Options::default()).unwrap();
    store.writer().unwrap().append(&event(1)).unwrap();
    let _held = store.snapshot().unwrap();
    let mut folders = vec![dir.path().join("s")];
    while let Some(folder) = folders.pop() {
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
            }
        }
    }
}
