//! Repair keeps everything that can be read, once and as it was, notes what is lost, and can be stopped anywhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use logq_engine::budget::{Budget, Measure, Window};
use logq_engine::io::sim::{EIO, ENOSPC, Fault, Keep, Op, SimDisk};
use logq_engine::{
    CheckReport, Durability, Event, Gap, ImportProgress, Options, Packer, RepairKind, Scan, SourceId, Store,
};

use crate::crash::{DIR, Told, open, states};
use crate::support::{Row, read};

const WEEK_AND_DAY: i64 = 8 * 86_400_000_000_000;

fn options() -> Options {
    Options { maintain: false, word_index_min: 1, ..Options::default() }
}

fn event(n: i64) -> Event {
    let text = format!("request {:x} of user {} took {} ms", n * 0x9E37_79B9 % 0xFFFF_FFFB, n % 7, n % 89);
    Event::ai("chat").at(n * 1_000).model("llama3.2").prompt(&text).field("n", n)
}

/// A store with an archived, a sealed and an unsealed file, an import among them.
fn mixed(dir: &Path) -> Store {
    let store = Store::open(dir, options()).unwrap();
    for round in 0..3 {
        let log = store.writer_with(Durability::Synced).unwrap();
        for n in (0..2_400).step_by(100) {
            let events: Vec<Event> = (n..n + 100).map(|n| event(round * 2_400 + n)).collect();
            log.append_batch(&events).unwrap();
        }
        let source = SourceId { hash: 7, prefix_len: 10, generation: u32::try_from(round).unwrap() };
        let mut packer = Packer::new();
        packer.push(&event(10_000 + round), 0).unwrap();
        log.append_import(&packer.finish(), ImportProgress { source, start: 0, end: 10, tail_hash: 1 })
            .unwrap();
        log.close().unwrap();
        match round {
            0 => drop(store.maintain(store.now() + WEEK_AND_DAY).unwrap()),
            1 => drop(store.seal().unwrap()),
            _ => {}
        }
    }
    store
}

/// All files of a store but locks, largest folder first, as (path, bytes).
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|kind| kind != "lock") {
                found.push((path.clone(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Puts a store back as it was.
fn put_back(dir: &Path, files: &[(PathBuf, Vec<u8>)]) {
    std::fs::remove_dir_all(dir).unwrap();
    for (path, bytes) in files {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// What can be read, by id, and what is said to be missing.
fn readable(store: &Store) -> (Vec<Row>, Vec<Gap>) {
    read(&store.snapshot().unwrap(), &Scan::default())
}

/// After a repair everything that could be read before is there, nothing else is, and nothing is called damage.
fn holds(store: &Store, before: &[Row], context: &str) -> CheckReport {
    let (after, gaps) = readable(store);
    assert_eq!(after.len(), before.len(), "{context}");
    assert!(after == before, "{context}: a record changed");
    let report = store.check_deep().unwrap();
    assert_eq!(report.damage, [], "{context}");
    assert_eq!(report.records, before.len() as u64, "{context}");
    for lost in &report.lost {
        assert!(gaps.contains(lost), "{context}: an answer does not say that {lost}");
    }
    assert_eq!(store.plan_repair().unwrap().steps.len(), 0, "{context}: a repair leaves nothing to do");
    report
}

/// Damages a store, repairs it, and looks. `all` is what it held when it was whole.
fn repaired(dir: &Path, all: &[Row], context: &str) -> CheckReport {
    let store = Store::open(dir, options()).unwrap();
    let (before, gaps) = readable(&store);
    let found = store.check_deep().unwrap().damage;
    let untouched = files(dir);
    let planned = store.plan_repair().unwrap();
    assert_eq!(files(dir), untouched, "{context}: a plan changes nothing");
    assert_eq!(planned.steps.is_empty(), found.is_empty(), "{context}: {found:?}");
    let done = store.repair().unwrap();
    assert_eq!(done.left, [], "{context}");
    let kinds = |repair: &logq_engine::Repair| -> Vec<_> {
        repair.steps.iter().map(|step| (step.kind, step.file.clone(), step.kept, step.lost)).collect()
    };
    assert_eq!(kinds(&planned), kinds(&done), "{context}: what is planned is what is done");
    let report = holds(&store, &before, context);
    assert_eq!(report.lost, done.lost, "{context}");
    assert!(
        before.len() == all.len() || !report.lost.is_empty(),
        "{context}: {} gaps, none kept",
        gaps.len()
    );
    for step in done.steps.iter().filter_map(|step| step.aside.as_ref()) {
        let kept = std::fs::read(dir.join(step)).unwrap();
        let whole = |(_, bytes): &(PathBuf, Vec<u8>)| {
            bytes.starts_with(&kept) && bytes[kept.len()..].iter().all(|byte| *byte == 0)
        };
        assert!(untouched.iter().any(whole), "{context}: {step} is not what was damaged");
    }
    report
}

#[test]
fn a_flipped_byte_anywhere_costs_what_it_made_unreadable_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = mixed(dir.path());
    let (all, gaps) = readable(&store);
    assert_eq!((all.len(), gaps), (7_203, Vec::new()));
    drop(store);
    let good = files(dir.path());
    assert!(good.iter().any(|(path, _)| path.starts_with(dir.path().join("archive"))));
    let mut partial = 0;
    for (path, bytes) in &good {
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        // The first bytes and the last are those of heads and footers.
        let places = (0..used).step_by((used / 16).max(1)).chain([4, used - 3, used - used.min(40)]);
        for at in places {
            put_back(dir.path(), &good);
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            std::fs::write(path, &bad).unwrap();
            let context = format!("byte {at} of {}", path.strip_prefix(dir.path()).unwrap().display());
            let report = repaired(dir.path(), &all, &context);
            partial += usize::from(!report.lost.is_empty());
        }
    }
    assert!(20 < partial, "only {partial} places cost records");
}

#[test]
fn a_file_that_is_gone_or_cut_short_is_noted_and_the_rest_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = mixed(dir.path());
    let (all, _) = readable(&store);
    drop(store);
    let good = files(dir.path());
    for (path, bytes) in &good {
        for keep in [None, Some(0), Some(60), Some(bytes.len() / 2), Some(bytes.len() - 1)] {
            put_back(dir.path(), &good);
            match keep {
                None => std::fs::remove_file(path).unwrap(),
                Some(len) => std::fs::write(path, &bytes[..len]).unwrap(),
            }
            let context = format!("{keep:?} bytes of {}", path.display());
            let report = repaired(dir.path(), &all, &context);
            if keep.is_none() && !path.ends_with("MANIFEST") {
                assert_ne!(report.lost, [], "{context}");
            }
        }
    }
}

#[test]
fn what_is_lost_is_still_said_after_merges_and_rolls_and_without_a_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let store = mixed(dir.path());
    drop(store);
    for (path, bytes) in files(dir.path()) {
        if path.extension().is_some_and(|kind| kind == "seg" || kind == "log") {
            let middle = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 3;
            let mut bad = bytes;
            bad[middle..middle + 40].fill(0xA5);
            std::fs::write(path, bad).unwrap();
        }
    }
    let store = Store::open(dir.path(), options()).unwrap();
    let (before, _) = readable(&store);
    store.repair().unwrap();
    let lost = holds(&store, &before, "repaired").lost;
    assert!(3 <= lost.len(), "{lost:?}");
    let imports = store.imports().unwrap();
    assert_eq!(imports.len(), 3, "nothing is imported again");
    store.maintain(store.now() + WEEK_AND_DAY).unwrap();
    let sorted = |mut gaps: Vec<Gap>| {
        gaps.sort_by_key(|gap| (gap.file.clone(), gap.offset, gap.records));
        gaps
    };
    assert_eq!(sorted(holds(&store, &before, "rolled").lost), sorted(lost.clone()));
    drop(store);
    std::fs::remove_file(dir.path().join("MANIFEST")).unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    store.repair().unwrap();
    assert_eq!(sorted(holds(&store, &before, "manifest lost").lost), sorted(lost));
    assert_eq!(store.imports().unwrap(), imports);
    let log = store.writer().unwrap();
    let id = log.append(&event(1)).unwrap();
    assert!(before.iter().all(|row| row.id != id), "{id} names two records");
}

#[test]
fn a_store_of_which_nothing_is_left_says_so_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = mixed(dir.path());
    store.maintain(store.now() + WEEK_AND_DAY).unwrap();
    drop(store);
    for (path, _) in files(dir.path()) {
        if !path.ends_with("MANIFEST") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let store = Store::open(dir.path(), options()).unwrap();
    let done = store.repair().unwrap();
    assert!(done.steps.iter().all(|step| step.kind == RepairKind::Note), "{:?}", done.steps);
    let lost = holds(&store, &[], "all is gone").lost;
    assert_ne!(lost, []);
    // A segment that only says what is missing goes through all of maintenance, and takes part in all that is asked.
    store.maintain(store.now() + WEEK_AND_DAY).unwrap();
    assert_eq!(holds(&store, &[], "all is gone, and maintained").lost, lost);
    store.health(store.now()).unwrap();
    store.snapshot().unwrap().storage();
    let log = store.writer().unwrap();
    log.append(&event(1)).unwrap();
    log.close().unwrap();
    store.maintain(store.now() + WEEK_AND_DAY).unwrap();
    assert_eq!(readable(&store).0.len(), 1);
    assert_eq!(store.check_deep().unwrap().lost, lost);
}

#[test]
fn a_file_that_a_writer_is_filling_is_left_alone_until_it_closes() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let log = store.writer_with(Durability::Synced).unwrap();
    for n in 0..20 {
        log.append(&event(n)).unwrap();
    }
    let path = dir.path().join("active/0-1.log");
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xEE], 4096 + 70).unwrap();
    let done = store.repair().unwrap();
    let step = &done.steps[0];
    assert_eq!((done.steps.len(), step.kind, done.left.len()), (1, RepairKind::Leave, 1));
    assert!(step.why.contains("a writer is filling it"), "{}", step.why);
    let id = log.append(&event(20)).unwrap();
    log.close().unwrap();
    let (before, _) = readable(&store);
    assert_eq!((before.len(), before.last().unwrap().id), (20, id));
    let done = store.repair().unwrap();
    assert_eq!(
        (done.steps[0].kind, done.steps[0].kept, done.steps[0].lost),
        (RepairKind::Salvage, Some(20), Some(1))
    );
    let report = holds(&store, &before, "closed");
    assert_eq!(report.lost[0].records.map(|(_, count)| count), Some(1));
}

#[test]
fn a_file_that_only_the_lost_manifest_could_explain_is_kept_and_its_loss_is_said() {
    for repair_first in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), options()).unwrap();
        let append = |store: &Store, n: i64| {
            let log = store.writer_with(Durability::Synced).unwrap();
            log.append(&event(n)).unwrap();
            log.close().unwrap();
        };
        append(&store, 1);
        store.seal().unwrap();
        append(&store, 2);
        drop(store);
        let path = dir.path().join("active/0-2.log");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[..4096].fill(0xEE);
        std::fs::write(&path, &bytes).unwrap();
        std::fs::remove_file(dir.path().join("MANIFEST")).unwrap();
        let store = Store::open(dir.path(), options()).unwrap();
        if repair_first {
            let (before, _) = readable(&store);
            let done = store.repair().unwrap();
            assert!(done.steps.iter().any(|step| step.kind == RepairKind::SetAside), "{:?}", done.steps);
            assert_eq!(holds(&store, &before, "repaired").lost.len(), 1);
        }
        append(&store, 3);
        let kept = std::fs::read_dir(dir.path().join("quarantine")).unwrap();
        let kept = kept.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        assert_eq!(kept.filter(|kept| *kept == bytes).count(), 1, "repaired first: {repair_first}");
    }
}

#[test]
fn budgets_are_made_good_and_counted_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let budgets = store.budgets();
    budgets.set(Budget::new("own", Measure::Tokens, 1_000, Window::Day)).unwrap();
    for _ in 0..4 {
        budgets.record(&Event::ai("chat").tokens(45_000, 5)).unwrap();
    }
    budgets.deliver(&mut |_| Ok(())).unwrap();
    assert_eq!(store.check().unwrap().damage, []);
    drop((budgets, store));
    let flip = |name: &str, find: &[u8]| {
        let path = dir.path().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(find.len()).position(|window| window == find).unwrap_or(bytes.len() - 2);
        bytes[at] ^= 0x10;
        std::fs::write(path, bytes).unwrap();
    };
    flip("active/0-1.log", b"chat");
    let store = Store::open(dir.path(), options()).unwrap();
    let damage = store.check().unwrap().damage;
    let says = |gap: &Gap| gap.what == "a counter of budget `own` says 180020, and the log says 135015";
    assert!(damage.iter().any(|gap| gap.file == "budgets/table" && says(gap)), "{damage:?}");
    let done = store.repair().unwrap();
    assert_eq!(done.left, []);
    let used = |store: &Store| {
        let rows = store.budgets().status().unwrap();
        rows.iter().find(|row| row.name == "own").map(|row| row.used)
    };
    assert_eq!(used(&store), Some(135_015));
    drop(store);
    flip("budgets/definitions", b"own");
    flip("budgets/outbox", b"nowhere in it");
    let store = Store::open(dir.path(), options()).unwrap();
    let done = store.repair().unwrap();
    assert_eq!(done.left, []);
    let aside: Vec<_> = done.steps.iter().map(|step| (step.kind, step.file.as_str())).collect();
    let set_aside = RepairKind::SetAside;
    assert_eq!(aside, [(set_aside, "budgets/outbox"), (set_aside, "budgets/definitions")]);
    let names: Vec<String> = store.budgets().status().unwrap().into_iter().map(|row| row.name).collect();
    assert_eq!(names, ["hourly", "daily"]);
    assert_eq!(store.plan_repair().unwrap().steps.len(), 0);
}

/// A sealed, an archived and an active file on the simulated disk, each with damage.
fn damaged(disk: &SimDisk) -> Vec<Row> {
    let mut told = Told::default();
    let store = open(disk).unwrap();
    for round in 0..3 {
        let log = store.writer_with(Durability::Synced).unwrap();
        for _ in 0..6 {
            told.batch(&log, 5, true).unwrap();
        }
        log.close().unwrap();
        match round {
            0 => drop(store.maintain(store.now() + WEEK_AND_DAY).unwrap()),
            1 => drop(store.seal().unwrap()),
            _ => {}
        }
    }
    drop(store);
    let wanted = |name: &String| name.ends_with(".log") || name.ends_with(".seg");
    for file in disk.files().into_iter().filter(wanted) {
        let path = Path::new(&file);
        let bytes = disk.contents(path).unwrap();
        let at = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 * 2 / 3;
        disk.corrupt(path, at..at + 9, |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 0x5A));
    }
    readable(&open(disk).unwrap()).0
}

/// Everything readable is there, once; a repair then leaves nothing to do.
fn verify(image: &SimDisk, before: &[Row], context: &str) {
    let store = open(image).unwrap_or_else(|error| panic!("{context}: the store does not open: {error}"));
    let (rows, _) = readable(&store);
    assert!(rows == before, "{context}: {} records of {}", rows.len(), before.len());
    let done = store.repair().unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(done.left, [], "{context}");
    holds(&store, before, context);
}

#[test]
fn a_repair_that_stops_at_any_operation_keeps_what_can_be_read_and_is_done_again() {
    for manifest in [false, true] {
        let base = SimDisk::new(11);
        let before = damaged(&base);
        assert!(!before.is_empty() && before.len() < 90, "{} records", before.len());
        if manifest {
            base.corrupt(&Path::new(DIR).join("MANIFEST"), 0..48, |bytes| bytes.fill(0xFF));
        }
        let base = base.crash(&Keep::Everything);
        let before = readable(&open(&base.crash(&Keep::Everything)).unwrap()).0;
        let whole = base.crash(&Keep::Everything);
        verify(&whole, &before, "not stopped");
        let mut done = 0;
        for cut in 0.. {
            let machine = base.crash(&Keep::Everything);
            machine.cut_after(machine.ops() + cut);
            let ended = open(&machine).and_then(|store| store.repair()).is_ok();
            for keep in states(cut).into_iter().take(4) {
                verify(
                    &machine.crash(&keep),
                    &before,
                    &format!("manifest {manifest}, cut after {cut}, {keep:?}"),
                );
            }
            done += u64::from(ended);
            if 2 < done {
                break;
            }
        }
    }
}

#[test]
fn a_process_killed_at_any_operation_of_a_repair_keeps_what_can_be_read_and_another_ends_it() {
    let base = SimDisk::new(13);
    damaged(&base);
    let before = readable(&open(&base.crash(&Keep::Everything)).unwrap()).0;
    let mut ended = 0;
    for at in 0.. {
        let machine = base.crash(&Keep::Everything);
        let victim = machine.process();
        victim.kill_after(machine.ops() + at);
        ended += u64::from(open(&victim).and_then(|store| store.repair()).is_ok());
        victim.kill();
        verify(&machine, &before, &format!("killed after {at}"));
        if 2 < ended {
            break;
        }
    }
}

#[test]
fn a_repair_that_meets_a_failing_or_a_full_disk_fails_clean() {
    let base = SimDisk::new(12);
    damaged(&base);
    let base = base.crash(&Keep::Everything);
    let before = readable(&open(&base.crash(&Keep::Everything)).unwrap()).0;
    for op in Op::ALL {
        for errno in [EIO, ENOSPC] {
            for nth in 1.. {
                let disk = base.crash(&Keep::Everything);
                let store = open(&disk).unwrap();
                disk.fail(Fault::once(op, nth, errno));
                let _may_fail = store.repair();
                let fired = disk.fired();
                disk.heal();
                drop(store);
                if fired == 0 {
                    break;
                }
                verify(&disk, &before, &format!("{op:?} number {nth} failed with {errno}"));
            }
        }
    }
}

#[test]
fn random_damage_of_any_kind_is_repaired() {
    for seed in 0..60_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below.max(1)
        };
        let disk = SimDisk::new(seed);
        damaged(&disk);
        for _ in 0..=random(4) {
            let files: Vec<String> =
                disk.files().into_iter().filter(|name| !name.ends_with(".lock")).collect();
            let file = &files[usize::try_from(random(files.len() as u64)).unwrap()];
            let path = Path::new(file);
            let used =
                disk.contents(path).unwrap().iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64 + 1;
            let at = random(used);
            let len = (1 + random(200)).min(used - at);
            let zero = random(2) == 0;
            disk.corrupt(path, at..at + len, |bytes| {
                bytes.iter_mut().for_each(|byte| *byte = if zero { 0 } else { byte.wrapping_add(0x3B) });
            });
        }
        let process = disk.process();
        let Ok(store) = Store::open_on(Arc::new(process), Path::new(DIR), options()) else {
            panic!("seed {seed}: the store does not open");
        };
        let before = readable(&store).0;
        drop(store);
        verify(&disk, &before, &format!("seed {seed}"));
    }
}
