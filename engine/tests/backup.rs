//! Backups: whole or not there, also while others write, also when the machine stops; what is restored is what was there.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use logq_engine::io::sim::{ENOSPC, Fault, Keep, Op, SimDisk};
use logq_engine::{
    BackupProgress, Durability, Error, ErrorKind, Event, Options, Scan, Store, backups, restore, restore_on,
    verify_backup, verify_backup_on,
};

use crate::crash::{Told, open, states};
use crate::support::{numbers, read, rows};

const WEEK_AND_DAY: i64 = 8 * 86_400_000_000_000;

fn on(_: BackupProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn fill(store: &Store, from: i64, count: i64) {
    let log = store.writer().unwrap();
    for n in from..from + count {
        log.append(&Event::ai("chat").at(n).model("llama3.2").field("n", n)).unwrap();
    }
    log.close().unwrap();
}

/// A store with an archived, a sealed and an unsealed file, and things beside them.
fn mixed(dir: &Path) -> Store {
    let store = Store::open(dir, Options { maintain: false, ..Options::default() }).unwrap();
    fill(&store, 0, 200);
    store.maintain(store.now() + WEEK_AND_DAY).unwrap();
    fill(&store, 200, 200);
    store.seal().unwrap();
    fill(&store, 400, 200);
    std::fs::create_dir_all(dir.join("imports")).unwrap();
    std::fs::write(dir.join("imports/1.rejects.jsonl"), "{}\n").unwrap();
    std::fs::write(dir.join("logq.toml"), "# settings\n").unwrap();
    store
}

fn options() -> Options {
    Options { maintain: false, create: false, ..Options::default() }
}

#[test]
fn what_is_restored_is_what_was_there_and_takes_records() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there, anew) = (dir.path().join("logs"), dir.path().join("deep"), dir.path().join("anew"));
    let store = mixed(&here);
    let log = store.writer().unwrap();
    log.append(&Event::new().at(600).field("n", 600_i64)).unwrap();
    let before = rows(&store);
    let done = store.backup(&there, None, &mut on).unwrap();
    assert_eq!((done.backup.records, done.backup.number), (601, 1));
    log.append(&Event::new().at(601).field("n", 601_i64)).unwrap();
    restore(&there, None, &anew, false, &mut on).unwrap();
    let again = Store::open(&anew, options()).unwrap();
    assert_eq!(rows(&again), before);
    let report = again.check_deep().unwrap();
    assert_eq!((report.damage, report.records), (Vec::new(), 601));
    assert_eq!(std::fs::read(anew.join("logq.toml")).unwrap(), b"# settings\n");
    assert!(anew.join("imports/1.rejects.jsonl").exists());
    let log = again.writer().unwrap();
    let id = log.append(&Event::new().at(700).field("n", 700_i64)).unwrap();
    assert!(before.iter().all(|row| row.id != id));
    log.close().unwrap();
    again.maintain(again.now() + WEEK_AND_DAY).unwrap();
    assert_eq!(rows(&again).len(), 602);
    assert_eq!(again.check_deep().unwrap().damage, []);
}

#[test]
fn no_id_is_given_in_a_restored_store_that_the_other_gave_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there, anew) = (dir.path().join("logs"), dir.path().join("backups"), dir.path().join("anew"));
    let store = mixed(&here);
    // Closed in order, in this boot: a writer of the store itself goes on in this file.
    store.backup(&there, None, &mut on).unwrap();
    // Two writers at a time: one of them has a slot that the backup does not know.
    let append = |store: &Store| -> Vec<_> {
        let logs = [store.writer().unwrap(), store.writer().unwrap()];
        let ids = logs.iter().map(|log| log.append(&Event::new().field("n", 1_i64)).unwrap()).collect();
        logs.into_iter().for_each(|log| log.close().unwrap());
        ids
    };
    let gone_on = append(&store);
    restore(&there, None, &anew, false, &mut on).unwrap();
    let again = Store::open(&anew, options()).unwrap();
    for round in 0..3 {
        let given = append(&again);
        assert!(given.iter().all(|id| !gone_on.contains(id)), "round {round}: {given:?} and {gone_on:?}");
        assert!(given.iter().all(|id| 1 << 40 < id.sequence), "round {round}: {given:?}");
        again.maintain(again.now() + WEEK_AND_DAY).unwrap();
    }
    assert_eq!(again.check_deep().unwrap().damage, []);
    assert_eq!(rows(&again).len(), 606);
}

#[test]
fn a_restore_takes_away_what_one_before_it_left() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there, anew) = (dir.path().join("logs"), dir.path().join("backups"), dir.path().join("anew"));
    mixed(&here).backup(&there, None, &mut on).unwrap();
    std::fs::create_dir_all(anew.join("segments")).unwrap();
    std::fs::write(anew.join("RESTORING"), "").unwrap();
    std::fs::write(anew.join("segments/99.seg"), "of another backup").unwrap();
    let opened = Store::open(&anew, Options::default()).unwrap_err();
    assert_eq!((opened.kind(), anew.join("active").exists()), (ErrorKind::Invalid, false));
    restore(&there, None, &anew, false, &mut on).unwrap();
    assert!(!anew.join("segments/99.seg").exists() && !anew.join("RESTORING").exists());
    assert_eq!(rows(&Store::open(&anew, options()).unwrap()).len(), 600);
}

#[test]
fn a_sealed_file_is_copied_once_however_many_backups_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("logs"), dir.path().join("backups"));
    let store = mixed(&here);
    store.seal().unwrap();
    let first = store.backup(&there, None, &mut on).unwrap();
    assert!(4 < first.copied);
    let second = store.backup(&there, None, &mut on).unwrap();
    assert_eq!((second.copied, second.copied_bytes, second.backup.number), (0, 0, 2));
    fill(&store, 600, 10);
    store.seal().unwrap();
    let third = store.backup(&there, None, &mut on).unwrap();
    assert_eq!((third.copied, third.backup.records), (1, 610));
    let listed: Vec<u64> = backups(&there).unwrap().iter().map(|backup| backup.records).collect();
    assert_eq!(listed, [600, 600, 610]);
    // Only the newest stays when told, and the copies that only the others had go.
    store.maintain(store.now() + WEEK_AND_DAY).unwrap();
    let last = store.backup(&there, Some(1), &mut on).unwrap();
    assert!(2 < last.deleted, "{last:?}");
    assert_eq!(backups(&there).unwrap().len(), 1);
    assert_eq!(verify_backup(&there, None, &mut on).unwrap(), []);
    restore(&there, None, dir.path().join("anew"), false, &mut on).unwrap();
    assert_eq!(rows(&Store::open(dir.path().join("anew"), options()).unwrap()).len(), 610);
}

#[test]
fn a_backup_of_an_earlier_time_can_be_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("logs"), dir.path().join("backups"));
    let store = mixed(&here);
    store.backup(&there, None, &mut on).unwrap();
    fill(&store, 600, 10);
    store.backup(&there, None, &mut on).unwrap();
    let listed = backups(&there).unwrap();
    let between = Some(listed[1].taken - 1);
    let done = restore(&there, between, dir.path().join("then"), false, &mut on).unwrap();
    assert_eq!((done.backup.clone(), done.before), (listed[0].clone(), None));
    assert_eq!(rows(&Store::open(dir.path().join("then"), options()).unwrap()).len(), 600);
    let early = restore(&there, Some(listed[0].taken - 1), dir.path().join("never"), false, &mut on);
    assert_eq!(early.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn damage_is_named_and_nothing_is_written_before_it_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there, anew) = (dir.path().join("logs"), dir.path().join("backups"), dir.path().join("anew"));
    mixed(&here).backup(&there, None, &mut on).unwrap();
    for entry in std::fs::read_dir(there.join("files")).unwrap() {
        let path = entry.unwrap().path();
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        for broken in [Some(&bad[..]), Some(&good[1..]), None] {
            match broken {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let name = path.file_name().unwrap().to_str().unwrap();
            let found = verify_backup(&there, Some(1), &mut on).unwrap();
            assert!(found.len() == 1 && found[0].file.ends_with(name), "{found:?}");
            let error = restore(&there, None, &anew, false, &mut on).unwrap_err();
            assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains(name), "{error}");
            assert!(!anew.exists());
        }
        std::fs::write(&path, &good).unwrap();
    }
    let list = there.join("lists/000001.list");
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, text.replace("records 600", "records 601")).unwrap();
    assert_eq!(verify_backup(&there, None, &mut on).unwrap().len(), 1);
    assert!(restore(&there, None, &anew, false, &mut on).is_err() && backups(&there).is_err());
    // The next backup stands beside it and deletes nothing.
    let store = Store::open(&here, options()).unwrap();
    let next = store.backup(&there, Some(1), &mut on).unwrap();
    assert_eq!((next.backup.number, next.deleted, next.damaged_lists.len()), (2, 0, 1));
    std::fs::write(&list, text).unwrap();
    assert_eq!(backups(&there).unwrap().len(), 2);
}

#[test]
fn folders_that_cannot_hold_it_are_refused_and_left_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("logs");
    let store = mixed(&here);
    let kind = |dest: &Path| store.backup(dest, None, &mut on).unwrap_err().kind();
    assert_eq!(kind(&here.join("backups")), ErrorKind::Invalid);
    assert_eq!(kind(&here), ErrorKind::Invalid);
    std::os::unix::fs::symlink(&here, dir.path().join("link")).unwrap();
    assert_eq!(kind(&dir.path().join("link/backups")), ErrorKind::Invalid);
    assert_eq!(kind(&here.join("active/../backups")), ErrorKind::Invalid);
    assert!(!here.join("backups").exists());
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("thesis.tex"), "x").unwrap();
    assert_eq!(kind(&other), ErrorKind::Invalid);
    let there = dir.path().join("backups");
    mixed(&dir.path().join("second")).backup(&there, None, &mut on).unwrap();
    assert_eq!(kind(&there), ErrorKind::Invalid);
    let none = restore(dir.path().join("nowhere"), None, dir.path().join("x"), false, &mut on).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NotFound);
    for to in [&there, &there.join("files/x"), dir.path()] {
        assert_eq!(restore(&there, None, to, true, &mut on).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(restore(&there, None, &other, true, &mut on).unwrap_err().kind(), ErrorKind::Invalid);
    assert!(other.join("thesis.tex").exists(), "what is no store is not replaced");
    assert_eq!(verify_backup(&there, None, &mut on).unwrap(), []);
    // A store that is in use, or only full, is replaced when told, and what it held is kept.
    let full = restore(&there, None, &here, false, &mut on).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::Invalid);
    let log = store.writer().unwrap();
    log.append(&Event::new().field("n", 1_i64)).unwrap();
    assert_eq!(restore(&there, None, &here, true, &mut on).unwrap_err().kind(), ErrorKind::Locked);
    log.close().unwrap();
    drop(store);
    let done = restore(&there, None, &here, true, &mut on).unwrap();
    assert_eq!(rows(&Store::open(&here, options()).unwrap()).len(), 600);
    assert_eq!(rows(&Store::open(done.before.unwrap(), options()).unwrap()).len(), 601);
}

/// Records that each writer appends beside one backup.
const ROUND: i64 = 30;
/// Backups beside writers.
const ROUNDS: i64 = 200;

#[test]
fn backups_beside_writers_and_upkeep_are_whole_prefixes() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("logs"), dir.path().join("backups"));
    let small = Options { file_size: 64 << 10, maintain: false, ..Options::default() };
    let store = Store::open(&here, small).unwrap();
    // Each round lets the writers go on while it makes a backup.
    let allowed = AtomicI64::new(0);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (store, allowed) = (&store, &allowed);
            scope.spawn(move || {
                let log = store.writer_with(Durability::Buffered).unwrap();
                let message = "m".repeat(300);
                for n in 0..ROUNDS * ROUND {
                    while allowed.load(Ordering::Relaxed) <= n {
                        std::thread::yield_now();
                    }
                    log.append(&Event::new().field("w", writer).field("n", n).message(&message)).unwrap();
                }
                log.close().unwrap();
            });
        }
        for round in 0..ROUNDS {
            allowed.fetch_add(ROUND, Ordering::Relaxed);
            if round % 3 == 1 {
                store.maintain(store.now() + WEEK_AND_DAY).unwrap();
            }
            let done = store.backup(&there, Some(2), &mut on).unwrap();
            let to = dir.path().join(format!("anew{round}"));
            restore(&there, None, &to, false, &mut on).unwrap();
            let again = Store::open(&to, options()).unwrap();
            let report = again.check_deep().unwrap();
            assert_eq!((report.damage, report.records), (Vec::new(), done.backup.records));
            let mut next = [0, 0];
            let mut found: Vec<(usize, i64)> = Vec::new();
            for row in rows(&again) {
                let value = |name: &str| {
                    let (_, text) = row.fields.iter().find(|(have, _)| have == name).unwrap();
                    text.trim_start_matches("Int(").trim_end_matches(')').parse::<i64>().unwrap()
                };
                found.push((usize::try_from(value("w")).unwrap(), value("n")));
            }
            found.sort_unstable();
            for (writer, n) in found {
                assert_eq!(
                    n, next[writer],
                    "round {round}: a record of writer {writer} is missing or there twice"
                );
                next[writer] = n + 1;
            }
            std::fs::remove_dir_all(&to).unwrap();
        }
    });
}

const BACKUPS: &str = "/backups";
const AGAIN: &str = "/again";

/// Three backups, with writing and upkeep between them, then a restore.
fn workload(disk: &SimDisk, told: &mut Told) -> Result<u64, Error> {
    let store = open(disk)?;
    let mut made = 0;
    for _ in 0..3 {
        let log = store.writer_with(Durability::Synced)?;
        told.batch(&log, 10, true)?;
        log.close()?;
        store.seal()?;
        made = store.backup(BACKUPS, None, &mut on)?.backup.number;
    }
    restore_on(disk, Path::new(BACKUPS), None, Path::new(AGAIN), false, &mut on)?;
    Ok(made)
}

/// The store is whole, every backup that has a list can be restored, and the next one works.
fn verify(image: &SimDisk, told: &Told, context: &str) {
    crate::crash::verify(image, told, context);
    match Store::open_on(std::sync::Arc::new(image.clone()), AGAIN, options()) {
        Ok(store) => assert_eq!(store.check().unwrap().damage, [], "{context}: a store that opens is whole"),
        Err(error) => {
            let half = error.kind() == ErrorKind::Invalid && error.to_string().contains("run it again");
            assert!(half || error.kind() == ErrorKind::NotFound, "{context}: {error:?}");
        }
    }
    let Ok(store) = open(image) else { return };
    if let Ok(gaps) = verify_backup_on(image, Path::new(BACKUPS), None, &mut on) {
        assert_eq!(gaps, [], "{context}");
    }
    let done = store.backup(BACKUPS, None, &mut on).unwrap_or_else(|error| panic!("{context}: {error}"));
    let to = Path::new("/final");
    restore_on(image, Path::new(BACKUPS), None, to, false, &mut on)
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    let again = Store::open_on(std::sync::Arc::new(image.clone()), to, options()).unwrap();
    let (found, gaps) = read(&again.snapshot().unwrap(), &Scan::default());
    assert_eq!((gaps, &found), (Vec::new(), &rows(&store)), "{context}");
    assert!(found.len() as u64 <= done.backup.records, "{context}");
    let found: BTreeSet<i64> = numbers(&found).into_iter().collect();
    assert!(told.promised.iter().all(|n| found.contains(n)), "{context}");
    assert_eq!(again.check_deep().unwrap().damage, [], "{context}");
    // What a restore left half done is taken up by the next one.
    restore_on(image, Path::new(BACKUPS), None, Path::new(AGAIN), false, &mut on)
        .map_or_else(|error| assert_eq!(error.kind(), ErrorKind::Invalid, "{context}: {error}"), |_| ());
}

#[test]
fn a_backup_or_restore_that_stops_at_any_operation_is_there_whole_or_not_at_all() {
    let whole = SimDisk::new(2);
    let mut told = Told::default();
    assert_eq!(workload(&whole, &mut told).unwrap(), 3);
    verify(&whole, &told, "without a crash");
    for cut in 0..whole.ops() {
        let disk = SimDisk::new(2);
        disk.cut_after(cut);
        let mut told = Told::default();
        let _ended_early = workload(&disk, &mut told);
        for keep in states(cut).into_iter().take(3) {
            verify(&disk.crash(&keep), &told, &format!("cut after {cut}, {keep:?}"));
        }
    }
}

#[test]
fn a_full_disk_costs_no_earlier_backup() {
    for op in Op::ALL {
        for nth in (1..).step_by(3) {
            let disk = SimDisk::new(7);
            let mut told = Told::default();
            disk.fail(Fault::once(op, nth, ENOSPC));
            let done = workload(&disk, &mut told);
            let fired = disk.fired();
            assert!(fired != 0 || done.is_ok(), "{done:?}");
            disk.heal();
            let image = disk.crash(&Keep::Everything);
            verify(&image, &told, &format!("{op:?} number {nth} met a full disk"));
            if fired == 0 {
                break;
            }
        }
    }
}

#[test]
fn a_process_killed_at_any_operation_of_a_backup_or_restore_leaves_the_store_and_earlier_backups_whole() {
    let whole = SimDisk::new(8);
    workload(&whole, &mut Told::default()).unwrap();
    for at in 0..whole.ops() {
        let disk = SimDisk::new(8);
        let victim = disk.process();
        victim.kill_after(at);
        let mut told = Told::default();
        let _killed = workload(&victim, &mut told);
        victim.kill();
        // The machine goes on: what was appended is there, synced or not.
        told.promised = told.acknowledged.keys().copied().collect();
        verify(&disk, &told, &format!("killed after {at}"));
    }
}
