//! Failing operations on the simulated disk: each in turn, with each error.

use std::path::Path;
use std::sync::Arc;

use logq_engine::io::sim::{EIO, ENOSPC, Fault, Keep, Op, SimDisk};
use logq_engine::{Durability, Error, ErrorKind, Event, Options, Scan, Store};

use crate::support::{numbers, read};

fn open(disk: &SimDisk) -> Result<Store, Error> {
    let options = Options { file_size: 16 << 10, ..Options::default() };
    Store::open_on(Arc::new(disk.clone()), Path::new("/store"), options)
}

fn event(n: i64) -> Event {
    Event::new().at(n).field("n", n).field("message", "m".repeat(600).as_str())
}

fn found(disk: &SimDisk) -> Vec<i64> {
    found_in(disk, "")
}

fn found_in(disk: &SimDisk, context: &str) -> Vec<i64> {
    let store = open(disk).unwrap();
    let (rows, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
    assert_eq!(gaps, [], "{context}");
    numbers(&rows)
}

/// Appends until an error, then some more; says which numbers were acknowledged.
fn append_some(disk: &SimDisk, durability: Durability) -> Vec<i64> {
    let mut acknowledged = Vec::new();
    let Ok(store) = open(disk) else { return acknowledged };
    let Ok(log) = store.writer_with(durability) else { return acknowledged };
    for n in 0..60 {
        if log.append(&event(n)).is_ok() {
            acknowledged.push(n);
        }
    }
    let _may_fail = log.close();
    acknowledged
}

#[test]
fn any_failing_operation_loses_no_acknowledged_record() {
    for op in Op::ALL {
        for errno in [EIO, ENOSPC] {
            for nth in 1.. {
                let disk = SimDisk::new(3);
                disk.fail(Fault::once(op, nth, errno));
                let acknowledged = append_some(&disk, Durability::Synced);
                let fired = disk.fired();
                disk.heal();
                for keep in [Keep::Everything, Keep::Nothing, Keep::Subset(nth)] {
                    let image = disk.crash(&keep);
                    if acknowledged.is_empty() && open(&image).is_err() {
                        continue;
                    }
                    let context = format!("{op:?} number {nth} failed with {errno}, {keep:?}");
                    let found = found_in(&image, &context);
                    let lost: Vec<_> = acknowledged.iter().filter(|n| !found.contains(n)).collect();
                    assert_eq!(lost, Vec::<&i64>::new(), "{context}");
                    let mut once = found.clone();
                    once.sort_unstable();
                    once.dedup();
                    assert_eq!(once.len(), found.len(), "{context}: a record is there twice");
                }
                if fired == 0 {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_failed_sync_is_never_called_good_and_the_records_go_elsewhere_with_their_ids() {
    for durability in
        [Durability::Synced, Durability::Interval(std::time::Duration::from_secs(1)), Durability::Buffered]
    {
        let disk = SimDisk::new(4);
        let store = open(&disk).unwrap();
        let log = store.writer_with(durability).unwrap();
        let mut ids = vec![log.append(&event(0)).unwrap()];
        log.flush().unwrap();
        disk.fail(Fault::once(Op::Sync, 1, EIO).on("0-1.log"));
        ids.extend((1..8).map(|n| log.append(&event(n)).unwrap()));
        log.flush().unwrap();
        assert_eq!(disk.fired(), 1, "{durability:?}");
        let image = disk.crash(&Keep::Nothing);
        let (rows, gaps) = read(&open(&image).unwrap().snapshot().unwrap(), &Scan::default());
        assert_eq!(gaps, [], "{durability:?}");
        assert_eq!(numbers(&rows), (0..8).collect::<Vec<_>>(), "{durability:?}");
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), ids);
        log.append(&event(8)).unwrap();
        log.close().unwrap();
        assert_eq!(found(&disk), (0..9).collect::<Vec<_>>());
        assert_eq!(open(&disk).unwrap().check().unwrap().damage, []);
    }
}

#[test]
fn a_second_failed_sync_makes_the_store_read_only_until_it_is_opened_again() {
    let disk = SimDisk::new(5);
    let store = open(&disk).unwrap();
    let log = store.writer_with(Durability::Synced).unwrap();
    log.append(&event(0)).unwrap();
    disk.fail(Fault::from(Op::Sync, 1, EIO));
    assert_eq!(log.append(&event(1)).unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(log.append(&event(2)).unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(store.writer().unwrap_err().kind(), ErrorKind::Poisoned);
    drop(log);
    disk.heal();
    let image = disk.crash(&Keep::Nothing);
    assert_eq!(found(&image), [0]);
    let log = open(&image).unwrap().writer_with(Durability::Synced).unwrap();
    log.append(&event(3)).unwrap();
    assert_eq!(found(&image), [0, 3]);
}

#[test]
fn a_full_disk_is_an_error_that_loses_nothing_and_passes_when_there_is_room_again() {
    let disk = SimDisk::new(6);
    let store = open(&disk).unwrap();
    let log = store.writer_with(Durability::Synced).unwrap();
    disk.set_capacity(Some(80 << 10));
    let mut acknowledged = Vec::new();
    let error = loop {
        let n = acknowledged.len() as i64;
        match log.append(&event(n)) {
            Ok(_) => acknowledged.push(n),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Full);
    assert_eq!(found(&disk), acknowledged, "reading goes on");
    let before = disk.files();
    assert_eq!(log.append(&event(99)).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(disk.files(), before, "a file that could not be made is not left behind");
    disk.set_capacity(None);
    log.append(&event(acknowledged.len() as i64)).unwrap();
    assert_eq!(found(&disk).len(), acknowledged.len() + 1);
}

#[test]
fn a_store_opens_and_reads_with_no_byte_free() {
    let disk = SimDisk::new(7);
    let store = open(&disk).unwrap();
    let log = store.writer_with(Durability::Synced).unwrap();
    for n in 0..10 {
        log.append(&event(n)).unwrap();
    }
    log.close().unwrap();
    disk.set_capacity(Some(0));
    assert_eq!(found(&disk), (0..10).collect::<Vec<_>>());
}

#[test]
fn rot_anywhere_in_an_active_file_is_found_and_costs_only_what_it_touches() {
    let disk = SimDisk::new(8);
    let store = open(&disk).unwrap();
    let log = store.writer_with(Durability::Synced).unwrap();
    for n in 0..12 {
        log.append(&event(n)).unwrap();
    }
    log.close().unwrap();
    let path = Path::new("/store/active/0-1.log");
    let used = disk.contents(path).unwrap().iter().rposition(|byte| *byte != 0).unwrap() as u64;
    for (size, step) in [(1, 37), (512, 512), (4096, 4096)] {
        for start in (0..used).step_by(step) {
            let image = disk.crash(&Keep::Everything);
            let range = start..(start + size).min(used);
            let mut changed = false;
            image.corrupt(path, range.clone(), |bytes| {
                changed = size == 1 || bytes.iter().any(|byte| *byte != 0);
                bytes.iter_mut().for_each(|byte| *byte = if size == 1 { *byte ^ 4 } else { 0 });
            });
            let store = open(&image).unwrap();
            let (rows, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
            let context = format!("{size} bytes at {start}");
            let frames = 4096..used + 1;
            let touched = changed && range.end > frames.start;
            assert!(12 - size.div_ceil(600) - 1 <= rows.len() as u64, "{context}: {} records", rows.len());
            // No later frame vouches for the last record once the close frame is gone with it.
            let undecidable = used - 1000 < range.end;
            if rows.len() < 12 {
                assert!(
                    touched && (undecidable || !gaps.is_empty()),
                    "{context}: a loss that is not reported"
                );
            }
            assert!(numbers(&rows).windows(2).all(|pair| pair[0] < pair[1]), "{context}");
            let report = store.check().unwrap();
            if changed && range.start < 4096 && size == 4096 {
                assert!(!report.damage.is_empty(), "{context}: a damaged head is not reported");
            }
        }
    }
}
