//! Maintenance on the simulated disk: stopped at every operation, it loses no record and doubles none.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use logq_engine::io::sim::{EIO, ENOSPC, Fault, Keep, Op, SimDisk};
use logq_engine::{Durability, Error, Options, RecordId, Scan, Store, UpkeepKind};

use crate::crash::{DIR, Told, go_on, open, states, verify};
use crate::support::{numbers, read, rows};

/// A week and a day after the clock of the simulated machine.
pub(crate) fn later(store: &Store) -> i64 {
    store.now() + 8 * 86_400_000_000_000
}

/// Appends and maintains in turns: seals, rolls into the archive, merges there, seals again.
pub(crate) fn workload(disk: &SimDisk, told: &mut Told) -> Result<Vec<UpkeepKind>, Error> {
    let store = open(disk)?;
    let log = store.writer_with(Durability::Synced)?;
    let mut kinds = Vec::new();
    let mut note = |upkeep: logq_engine::Upkeep| kinds.extend(upkeep.steps.iter().map(|step| step.kind));
    told.batch(&log, 40, true)?;
    note(store.seal()?);
    told.batch(&log, 30, true)?;
    let other = store.writer_with(Durability::Synced)?;
    told.append(&other, true)?;
    other.close()?;
    note(store.maintain(later(&store))?);
    for _ in 0..3 {
        told.batch(&log, 25, true)?;
        note(store.seal()?);
    }
    log.close()?;
    note(store.maintain(store.now())?);
    let log = store.writer_with(Durability::Synced)?;
    told.append(&log, true)?;
    told.batch(&log, 25, true)?;
    note(store.maintain(later(&store))?);
    log.close()?;
    note(store.maintain(later(&store))?);
    Ok(kinds)
}

/// The records that are there after the manifest was lost.
pub(crate) fn without_manifest(image: &SimDisk, told: &Told, context: &str) {
    let machine = image.crash(&Keep::Everything);
    machine.corrupt(&Path::new(DIR).join("MANIFEST"), 0..48, |bytes| bytes.fill(0xFF));
    let store = match open(&machine) {
        Ok(store) => store,
        Err(error) => {
            assert!(told.promised.is_empty(), "{context}: the store does not open: {error}");
            return;
        }
    };
    let (rows, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
    assert_eq!(gaps, [], "{context}, manifest lost");
    let found: BTreeMap<i64, RecordId> =
        numbers(&rows).into_iter().zip(rows.iter().map(|row| row.id)).collect();
    assert_eq!(found.len(), rows.len(), "{context}, manifest lost: a record is there twice");
    for n in &told.promised {
        assert_eq!(found.get(n), told.acknowledged.get(n), "{context}, manifest lost: record {n}");
    }
}

pub(crate) fn maintain_again(image: &SimDisk, told: &Told, context: &str) {
    let context = format!("{context}, and then maintained");
    let Ok(store) = open(image) else { return };
    store.maintain(later(&store)).unwrap_or_else(|error| panic!("{context}: {error}"));
    verify(image, told, &context);
    let left: Vec<String> = image
        .files()
        .into_iter()
        .filter(|name| name.ends_with(".new") || name.contains("quarantine") || name.ends_with(".gone"))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "{context}");
}

#[test]
fn maintenance_stopped_at_any_operation_loses_and_doubles_no_record() {
    let disk = SimDisk::new(1);
    let mut told = Told::default();
    let kinds = workload(&disk, &mut told).unwrap();
    for kind in [UpkeepKind::Seal, UpkeepKind::Merge, UpkeepKind::Roll] {
        assert!(kinds.contains(&kind), "the workload does a {kind:?}: {kinds:?}");
    }
    verify(&disk, &told, "without a crash");
    without_manifest(&disk, &told, "without a crash");
    let count = disk.ops();
    for cut in 0..count {
        let disk = SimDisk::new(1);
        disk.cut_after(cut);
        let mut told = Told::default();
        let _ended_early = workload(&disk, &mut told);
        for (at, keep) in states(cut).into_iter().enumerate() {
            let context = format!("cut after {cut} of {count}, {keep:?}");
            let image = disk.crash(&keep);
            let found = verify(&image, &told, &context);
            if at % 3 == 0 {
                without_manifest(&image, &told, &context);
            }
            if !found.is_empty() || !told.promised.is_empty() {
                if at % 2 == 0 {
                    maintain_again(&image, &told, &context);
                }
                go_on(&image, &told, &context);
            }
        }
    }
}

#[test]
fn a_process_killed_at_any_operation_of_maintenance_leaves_a_whole_store() {
    let whole = SimDisk::new(4);
    workload(&whole, &mut Told::default()).unwrap();
    for at in (0..whole.ops()).step_by(2) {
        let disk = SimDisk::new(4);
        let victim = disk.process();
        victim.kill_after(at);
        let mut told = Told::default();
        let _killed = workload(&victim, &mut told);
        victim.kill();
        // The machine goes on: what was appended is there, synced or not.
        told.promised = told.acknowledged.keys().copied().collect();
        let context = format!("killed after {at}");
        verify(&disk, &told, &context);
        maintain_again(&disk, &told, &context);
    }
}

#[test]
fn any_failing_operation_of_maintenance_loses_no_record_and_is_made_good_later() {
    for op in Op::ALL {
        for errno in [EIO, ENOSPC] {
            for nth in 1.. {
                let disk = SimDisk::new(5);
                let mut told = Told::default();
                {
                    let store = open(&disk).unwrap();
                    let log = store.writer_with(Durability::Synced).unwrap();
                    told.batch(&log, 60, true).unwrap();
                    log.close().unwrap();
                }
                disk.fail(Fault::once(op, nth, errno));
                let context = format!("{op:?} number {nth} failed with {errno}");
                let mut done = true;
                if let Ok(store) = open(&disk) {
                    done &= store.seal().is_ok();
                    done &= store.maintain(later(&store)).is_ok();
                } else {
                    done = false;
                }
                let fired = disk.fired();
                assert!(fired != 0 || done, "{context}: nothing failed, and yet");
                disk.heal();
                for keep in [Keep::Everything, Keep::Nothing, Keep::Subset(nth)] {
                    let image = disk.crash(&keep);
                    verify(&image, &told, &context);
                    maintain_again(&image, &told, &context);
                }
                if fired == 0 {
                    break;
                }
            }
        }
    }
}

#[test]
fn what_expires_is_gone_whole_and_does_not_come_back() {
    let options = Options {
        file_size: 16 << 10,
        retain_for: Some(Duration::from_hours(24)),
        archive_after: None,
        ..Options::default()
    };
    let open = |disk: &SimDisk| Store::open_on(Arc::new(disk.clone()), Path::new(DIR), options.clone());
    let workload = |disk: &SimDisk| -> Result<(), Error> {
        let store = open(disk)?;
        let log = store.writer_with(Durability::Synced)?;
        Told::default().batch(&log, 40, true)?;
        log.close()?;
        store.seal()?;
        store.maintain(later(&store))?;
        Ok(())
    };
    let whole = SimDisk::new(6);
    workload(&whole).unwrap();
    assert_eq!(rows(&open(&whole).unwrap()), []);
    for cut in 0..whole.ops() {
        let disk = SimDisk::new(6);
        disk.cut_after(cut);
        let _ended_early = workload(&disk);
        for keep in states(cut) {
            let image = disk.crash(&keep);
            let Ok(store) = open(&image) else { continue };
            let found = rows(&store).len();
            assert!(found == 0 || found == 40, "cut after {cut}, {keep:?}: {found} of 40 records");
            if found == 0 && image.files().iter().any(|name| name.ends_with(".seg")) {
                // The step was past its edit: a lost manifest does not bring the records back.
                image.corrupt(&Path::new(DIR).join("MANIFEST"), 0..48, |bytes| bytes.fill(0xFF));
                if let Ok(store) = open(&image) {
                    assert_eq!(rows(&store), [], "cut after {cut}, {keep:?}");
                }
            }
        }
    }
}

#[test]
fn ids_go_on_when_all_of_a_writers_files_are_sealed_or_expired() {
    let disk = SimDisk::new(7);
    let mut told = Told::default();
    let store = open(&disk).unwrap();
    let log = store.writer_with(Durability::Synced).unwrap();
    told.batch(&log, 40, true).unwrap();
    log.close().unwrap();
    store.seal().unwrap();
    assert!(!disk.files().iter().any(|name| name.ends_with(".log")), "{:?}", disk.files());
    go_on(&disk, &told, "all sealed");
}

/// Whether maintenance that forgets these syncs loses, doubles or damages a record at some cut.
fn is_noticed(op: Op, path: &str) -> bool {
    let whole = SimDisk::new(1);
    workload(&whole, &mut Told::default()).unwrap();
    (0..whole.ops()).any(|cut| {
        let disk = SimDisk::new(1);
        disk.forget_syncs(op, path);
        disk.cut_after(cut);
        let mut told = Told::default();
        let _ended_early = workload(&disk, &mut told);
        // After the cut everything works, so that only the forgotten syncs before it can do harm.
        states(cut).into_iter().any(|keep| {
            let image = disk.crash(&keep);
            image.heal();
            catch_unwind(AssertUnwindSafe(|| verify(&image, &told, "with forgotten syncs"))).is_err()
        })
    })
}

#[test]
fn each_sync_that_maintenance_forgets_is_noticed_when_the_power_fails() {
    for (op, path) in
        [(Op::Sync, ".new"), (Op::SyncDir, "segments"), (Op::SyncDir, "archive"), (Op::Sync, "MANIFEST")]
    {
        assert!(is_noticed(op, path), "{op:?} of {path} does nothing, and no cut shows it");
    }
    assert!(!is_noticed(Op::Sync, "no such file"), "without a planted bug there is nothing to notice");
}
