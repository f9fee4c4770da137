//! Stores whose files hold the same records twice, as after the files of two copies of a store were mixed by hand: a check says
//! so, maintenance neither stops nor loses anything, and a repair leaves each record once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use logq_engine::io::sim::{EIO, ENOSPC, Fault, Keep, Op, SimDisk};
use logq_engine::io::{OpenMode, Vfs as _};
use logq_engine::{
    Comparison, Durability, Event, Forget, Literal, Options, Predicate, Repair, RepairKind, RepairStep, Scan,
    Store, Test, TimeRange,
};

use crate::crash::{DIR, states};
use crate::support::{Row, numbers, read};

const WEEK_AND_DAY: i64 = 8 * 86_400_000_000_000;

fn open(disk: &SimDisk) -> Store {
    let options = Options { maintain: false, word_index_min: 1, ..Options::default() };
    Store::open_on(Arc::new(disk.clone()), Path::new(DIR), options).unwrap()
}

fn append(disk: &SimDisk, numbers: std::ops::Range<i64>) {
    let log = open(disk).writer_with(Durability::Synced).unwrap();
    let events: Vec<Event> = numbers
        .map(|n| {
            Event::ai("chat").at(n * 1_000).model("llama3.2").message(&format!("number {n}")).field("n", n)
        })
        .collect();
    log.append_batch(&events).unwrap();
    log.close().unwrap();
}

/// Takes records below this number away, which makes a segment that names no older one than the last.
fn forget(disk: &SimDisk, comparison: Comparison, number: i64) {
    let than = Test::Compare(comparison, Literal::Number(number.to_string()));
    let forget = Forget { range: TimeRange::default(), predicate: Predicate::field("n", than), import: None };
    open(disk).forget(&forget).unwrap();
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// Copies a segment of one store into another, whose manifest is lost.
fn mix(from: &SimDisk, to: &SimDisk, name: &str) {
    let bytes = from.contents(&path(name)).unwrap_or_else(|| panic!("{name} of {:?}", from.files()));
    let file = to.open(&path(name), OpenMode::CreateNew).unwrap();
    file.write_at(0, &bytes).unwrap();
    file.sync_data().unwrap();
    to.sync_dir(&path("segments")).unwrap();
    to.remove(&path("MANIFEST")).unwrap();
    to.sync_dir(Path::new(DIR)).unwrap();
}

/// One store has 0 to 100 in a segment, its copy 0 to 128.
fn contained() -> SimDisk {
    let disk = SimDisk::new(1);
    append(&disk, 0..100);
    let copy = disk.crash(&Keep::Everything);
    open(&disk).seal().unwrap();
    append(&copy, 100..130);
    for last in [129, 128] {
        forget(&copy, Comparison::Eq, last);
    }
    mix(&copy, &disk, "segments/2.seg");
    disk
}

/// One store has 0 to 100, its copy 50 to 150.
fn overlapping() -> SimDisk {
    let disk = SimDisk::new(2);
    append(&disk, 0..50);
    append(&disk, 50..100);
    let copy = disk.crash(&Keep::Everything);
    open(&disk).seal().unwrap();
    append(&copy, 100..151);
    forget(&copy, Comparison::Lt, 50);
    forget(&copy, Comparison::Eq, 150);
    mix(&copy, &disk, "segments/2.seg");
    disk
}

/// Both stores have 0 to 100, and went on by themselves: under the same ids one has 100 to 120, the other 1100 to 1138.
fn differing() -> SimDisk {
    let disk = SimDisk::new(3);
    append(&disk, 0..100);
    let copy = disk.crash(&Keep::Everything);
    let disk = disk.crash(&Keep::Everything);
    append(&disk, 100..120);
    open(&disk).seal().unwrap();
    append(&copy, 1100..1140);
    for last in [1139, 1138] {
        forget(&copy, Comparison::Eq, last);
    }
    mix(&copy, &disk, "segments/2.seg");
    disk
}

/// All records with what is there twice, and those without it.
fn readable(store: &Store) -> (Vec<Row>, BTreeSet<Row>) {
    let (rows, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
    assert_eq!(gaps, []);
    let unique = rows.iter().cloned().collect();
    (rows, unique)
}

/// The one step about doubled records; the manifest is made anew besides.
fn undoubled(repair: &Repair) -> &RepairStep {
    let of = |step: &&RepairStep| step.kind != RepairKind::Rebuild;
    let [step] = repair.steps.iter().filter(of).collect::<Vec<_>>()[..] else { panic!("{repair:?}") };
    step
}

/// Each record is there once, as it was, and there is nothing to be said of the store.
fn is_sound(store: &Store, wanted: &BTreeSet<Row>, context: &str) {
    let (rows, unique) = readable(store);
    assert!(unique == *wanted, "{context}: {:?}", numbers(&rows));
    assert_eq!(rows.len(), wanted.len(), "{context}: {:?}", numbers(&rows));
    let report = store.check_deep().unwrap();
    assert_eq!((report.damage, report.lost), (Vec::new(), Vec::new()), "{context}");
    assert_eq!(store.plan_repair().unwrap().steps.len(), 0, "{context}");
}

#[test]
fn a_segment_that_another_one_contains_goes_to_the_quarantine() {
    let disk = contained();
    let store = open(&disk);
    let (rows, wanted) = readable(&store);
    assert_eq!((rows.len(), wanted.len()), (228, 128));
    let whole = disk.contents(&path("segments/0.seg")).unwrap();
    let planned = store.plan_repair().unwrap();
    let step = undoubled(&planned);
    assert_eq!((step.kind, step.file.as_str()), (RepairKind::Undouble, "segments/0.seg"));
    assert_eq!((step.kept, step.lost, step.damage.len()), (Some(0), Some(0), 1), "{step:?}");
    assert_eq!(readable(&store).0.len(), 228, "a plan changes nothing");
    let done = store.repair().unwrap();
    assert_eq!(done.left, []);
    let step = undoubled(&done);
    assert_eq!(step.output, None);
    assert_eq!(disk.contents(&path(step.aside.as_ref().unwrap())).unwrap(), whole);
    is_sound(&store, &wanted, "repaired");
    drop(store);
    // It does not come back, and no id is given again.
    disk.remove(&path("MANIFEST")).unwrap();
    let store = open(&disk);
    assert_eq!(store.repair().unwrap().left, []);
    is_sound(&store, &wanted, "with its manifest lost again");
    drop(store);
    append(&disk, 500..510);
    assert_eq!(readable(&open(&disk)).0.len(), 138);
    assert_eq!(open(&disk).check_deep().unwrap().damage, []);
}

#[test]
fn segments_that_overlap_keep_each_record_in_one_of_them() {
    let disk = overlapping();
    let store = open(&disk);
    let (rows, wanted) = readable(&store);
    assert_eq!((rows.len(), wanted.len()), (200, 150));
    let planned = store.plan_repair().unwrap();
    let done = store.repair().unwrap();
    let step = undoubled(&done);
    assert_eq!((step.kind, step.kept, step.lost), (RepairKind::Undouble, Some(50), Some(0)));
    assert_eq!((&undoubled(&planned).file, undoubled(&planned).kept), (&step.file, step.kept));
    assert!(disk.contents(&path(step.output.as_ref().unwrap())).is_some(), "{step:?}");
    assert_eq!(done.left, []);
    is_sound(&store, &wanted, "repaired");
    store.maintain(store.now() + WEEK_AND_DAY).unwrap();
    is_sound(&store, &wanted, "and rolled into the archive");
}

#[test]
fn what_differs_under_one_id_stays_in_both_files_and_stays_said() {
    let disk = differing();
    let store = open(&disk);
    let (rows, wanted) = readable(&store);
    assert_eq!((rows.len(), wanted.len()), (258, 158));
    let done = store.repair().unwrap();
    assert_eq!(done.left.len(), 1, "{done:?}");
    let (rows, unique) = readable(&store);
    assert!(unique == wanted && rows.len() == 158, "{} rows", rows.len());
    let again = store.repair().unwrap();
    let [step] = &again.steps[..] else { panic!("{again:?}") };
    assert_eq!(step.kind, RepairKind::Leave);
    assert!(step.why.contains("nobody can tell which is right"), "{}", step.why);
    assert_eq!((again.left.len(), readable(&store).0.len()), (1, 158));
}

#[test]
fn maintenance_of_doubled_files_loses_nothing_and_says_so() {
    for disk in [contained(), overlapping(), differing()] {
        let store = open(&disk);
        let (rows, wanted) = readable(&store);
        let done = store.maintain(store.now() + WEEK_AND_DAY).unwrap();
        let said = done.damage.iter().any(|gap| gap.what.contains("`logq repair`"));
        assert!(said, "{done:?}");
        let (after, unique) = readable(&store);
        assert!(unique == wanted && after.len() == rows.len());
        assert_ne!(store.check_deep().unwrap().damage, []);
        let differs = store.repair().unwrap().left.len();
        assert_eq!(readable(&store).1, wanted);
        assert!(differs == 1 || store.check_deep().unwrap().damage.is_empty());
    }
}

#[test]
fn a_repair_of_doubled_files_that_stops_anywhere_keeps_every_record_and_is_done_again() {
    for make in [contained, overlapping] {
        let base = make();
        let wanted = readable(&open(&base)).1;
        let mut done = 0;
        for cut in 0.. {
            let machine = base.crash(&Keep::Everything);
            machine.cut_after(machine.ops() + cut);
            let options = Options { maintain: false, word_index_min: 1, ..Options::default() };
            let opened = Store::open_on(Arc::new(machine.clone()), Path::new(DIR), options);
            done += u64::from(opened.and_then(|store| store.repair()).is_ok());
            for keep in states(cut).into_iter().take(3) {
                let context = format!("cut after {cut}, {keep:?}");
                let store = open(&machine.crash(&keep));
                assert!(readable(&store).1 == wanted, "{context}");
                assert_eq!(store.repair().unwrap().left, [], "{context}");
                is_sound(&store, &wanted, &context);
            }
            if 2 < done {
                break;
            }
        }
    }
}

#[test]
fn a_repair_of_doubled_files_on_a_failing_or_full_disk_keeps_every_record() {
    let base = overlapping();
    let wanted = readable(&open(&base)).1;
    let base = base.crash(&Keep::Everything);
    for op in Op::ALL {
        for errno in [EIO, ENOSPC] {
            for nth in 1.. {
                let disk = base.crash(&Keep::Everything);
                let store = open(&disk);
                disk.fail(Fault::once(op, nth, errno));
                let _may_fail = store.repair();
                let fired = disk.fired();
                disk.heal();
                drop(store);
                if fired == 0 {
                    break;
                }
                let store = open(&disk);
                let context = format!("{op:?} number {nth} failed with {errno}");
                assert!(readable(&store).1 == wanted, "{context}");
                assert_eq!(store.repair().unwrap().left, [], "{context}");
                is_sound(&store, &wanted, &context);
            }
        }
    }
}
