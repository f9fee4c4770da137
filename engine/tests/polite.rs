//! Maintenance that is held back, watched and ended: it takes the time that it is given, and stopped anywhere it leaves the
//! store as it was.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use logq_engine::io::Vfs as _;
use logq_engine::io::sim::SimDisk;
use logq_engine::{
    Comparison, Durability, Event, Forget, Literal, Options, Predicate, Round, Store, Test, TimeRange,
    UpkeepKind, UpkeepProgress,
};

use crate::support::rows;

const DAY: i64 = 86_400_000_000_000;

fn options() -> Options {
    Options { maintain: false, file_size: 256 << 10, ..Options::default() }
}

fn open(disk: &SimDisk, options: &Options) -> Store {
    Store::open_on(Arc::new(disk.clone()), Path::new("store"), options.clone()).unwrap()
}

/// Several segments of two days, and records that are not sealed yet.
fn filled(disk: &SimDisk) {
    let store = open(disk, &options());
    let mut n = 0_i64;
    for day in 0..5 {
        let log = store.writer_with(Durability::Synced).unwrap();
        let events: Vec<Event> = (0..1000)
            .map(|at| {
                n += 1;
                let noise = n.wrapping_mul(0x5851_f42d_4c95_7f2d);
                Event::new().at(day % 2 * DAY + at).field("n", n).field("noise", noise)
            })
            .collect();
        for batch in events.chunks(100) {
            log.append_batch(batch).unwrap();
        }
        log.close().unwrap();
        if day < 4 {
            store.seal().unwrap();
        }
    }
}

fn round(disk: &SimDisk, options: &Options) -> (u64, u64) {
    let store = open(disk, options);
    let began = disk.ticks();
    let done = store.maintain(store.now() + 8 * DAY).unwrap();
    assert!(2 <= done.steps.len(), "{done:?}");
    let bytes = done.steps.iter().map(|step| step.bytes_before + 2 * step.bytes_after).sum();
    (disk.ticks() - began, bytes)
}

#[test]
fn a_round_takes_the_time_that_its_limits_ask_for_and_no_more() {
    let disk = SimDisk::new(1);
    filled(&disk);
    disk.set_write_time(20_000);
    let image = || {
        let image = disk.crash(&logq_engine::io::sim::Keep::Everything);
        image.set_write_time(20_000);
        image
    };
    let (base, bytes) = round(&image(), &options());
    assert!(0 < base && 100_000 < bytes, "{base} ns, {bytes} bytes");
    for rate in [64 << 10, 256 << 10, 1 << 30] {
        let (took, _) = round(&image(), &Options { maintain_bytes_per_second: Some(rate), ..options() });
        let least = u128::from(bytes) * 1_000_000_000 / u128::from(rate) / 2;
        let most = u128::from(bytes) * 1_000_000_000 / u128::from(rate) + 2 * u128::from(base);
        assert!((least..=most).contains(&u128::from(took)), "{rate} bytes/s: {took} ns for {bytes} bytes");
    }
    for share in [10, 25, 50] {
        let (took, _) = round(&image(), &Options { maintain_cpu_share: share, ..options() });
        let whole = base * 100 / u64::from(share);
        assert!((whole / 2..=whole).contains(&took), "{share} percent: {took} ns, {base} ns at full speed");
    }
}

#[test]
fn a_round_does_not_rest_while_writers_are_about_to_wait_for_room() {
    let disk = SimDisk::new(2);
    filled(&disk);
    let slow = Options { maintain_bytes_per_second: Some(64 << 10), unsealed_max: 4 << 20, ..options() };
    let store = open(&disk, &slow);
    // Writers hold more than half of what may be unsealed.
    let logs: Vec<_> = (0..9).map(|_| store.writer().unwrap()).collect();
    for log in &logs {
        log.append(&Event::new().field("n", 0_i64)).unwrap();
    }
    let began = disk.ticks();
    store.maintain(store.now() + 8 * DAY).unwrap();
    assert_eq!(disk.ticks() - began, 0);
    // What somebody waits for is not held back either.
    drop(logs);
    let began = disk.ticks();
    store.seal().unwrap();
    assert_eq!(disk.ticks() - began, 0);
    assert_eq!(store.check_deep().unwrap().damage, []);
}

#[test]
fn a_round_that_is_ended_anywhere_leaves_the_store_as_it_was_and_the_next_one_finishes() {
    let disk = SimDisk::new(3);
    filled(&disk);
    let before = rows(&open(&disk, &options()));
    let mut ended = 0;
    for at in 1.. {
        let image = disk.crash(&logq_engine::io::sim::Keep::Everything);
        let store = open(&image, &options());
        let cancel = AtomicBool::new(false);
        let mut looks = 0;
        let mut watch = |_: UpkeepProgress| {
            looks += 1;
            cancel.store(at <= looks, Ordering::Relaxed);
        };
        let late = store.now() + 8 * DAY;
        let now = Some(late);
        let done =
            store.maintain_with(Round { now, cancel: Some(&cancel), watch: Some(&mut watch) }).unwrap();
        assert_eq!(rows(&store), before, "ended at look {at}");
        assert_eq!(store.check_deep().unwrap().damage, [], "ended at look {at}");
        let left: Vec<_> = image.files().into_iter().filter(|name| name.ends_with(".new")).collect();
        assert_eq!(left, Vec::<String>::new(), "ended at look {at}");
        if !done.cancelled {
            break;
        }
        ended += 1;
        let rest = store.maintain_with(Round { now, ..Round::default() }).unwrap();
        assert!(!rest.cancelled && (at != 1 || !rest.steps.is_empty()), "ended at look {at}: {rest:?}");
        assert_eq!(rows(&store), before, "ended at look {at}, and then done");
        assert_eq!(store.plan_upkeep(late).unwrap().steps.len(), 0, "ended at look {at}");
        assert_eq!(store.check_deep().unwrap().damage, [], "ended at look {at}, and then done");
    }
    assert!(8 <= ended, "{ended} looks");
}

#[test]
fn progress_goes_on_to_the_end_and_never_back() {
    let disk = SimDisk::new(4);
    filled(&disk);
    let store = open(&disk, &options());
    let mut seen: Vec<UpkeepProgress> = Vec::new();
    let mut watch = |at: UpkeepProgress| seen.push(at);
    let now = Some(store.now() + 8 * DAY);
    let done = store.maintain_with(Round { now, cancel: None, watch: Some(&mut watch) }).unwrap();
    assert!(seen.iter().all(|at| at.steps_done <= at.steps && at.bytes_done <= at.bytes), "{seen:?}");
    assert!(seen.windows(2).all(|pair| pair[0].steps_done <= pair[1].steps_done), "{seen:?}");
    let last = seen.last().unwrap();
    assert_eq!((last.steps_done, last.steps), (done.steps.len() as u64, done.steps.len() as u64));
    assert_eq!(last.bytes_done, done.steps.iter().map(|step| step.bytes_before).sum::<u64>());
}

#[test]
fn options_of_upkeep_change_in_an_open_store_and_those_of_its_files_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options { maintain: false, ..Options::default() }).unwrap();
    let other = store.clone();
    let log = store.writer().unwrap();
    log.append(&Event::new().at(1).field("n", 1)).unwrap();
    log.close().unwrap();
    store.seal().unwrap();
    let later = store.now() + 400 * DAY;
    let expires = |store: &Store| {
        let steps = store.plan_upkeep(later).unwrap().steps;
        steps.iter().any(|step| matches!(step.kind, UpkeepKind::Expire(_)))
    };
    assert!(!expires(&store));
    let year = Some(std::time::Duration::from_secs(365 * 86_400));
    store.reconfigure(Options { retain_for: year, ..store.options() }).unwrap();
    assert_eq!(other.options().retain_for, year, "every handle sees it");
    assert!(expires(&other));
    for (name, options) in [
        ("file_size", Options { file_size: 1 << 20, ..store.options() }),
        ("seal_after", Options { seal_after: std::time::Duration::from_secs(1), ..store.options() }),
        ("read_only", Options { read_only: true, ..store.options() }),
        ("maintain_cpu_share", Options { maintain_cpu_share: 0, ..store.options() }),
    ] {
        let error = store.reconfigure(options).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(store.options().retain_for, year, "what was refused changed nothing");
}

#[test]
fn a_removal_keeps_to_its_limits_is_watched_and_ends_between_two_files() {
    let disk = SimDisk::new(5);
    filled(&disk);
    disk.set_write_time(20_000);
    let range = TimeRange { from: None, until: Some(500) };
    let forget = Forget { range, predicate: Predicate::All, import: None };
    let took = |options: &Options| {
        let image = disk.crash(&logq_engine::io::sim::Keep::Everything);
        image.set_write_time(20_000);
        let store = open(&image, options);
        let began = image.ticks();
        let done = store.forget_with(&forget, Round::default()).unwrap();
        assert_eq!((done.events, done.cancelled), (1500, false));
        (image.ticks() - began, done.bytes_before)
    };
    let ((free, bytes), (slow, _)) =
        (took(&options()), took(&Options { maintain_bytes_per_second: Some(64 << 10), ..options() }));
    let least = bytes * 1_000_000_000 / (64 << 10);
    assert!(2 * free < slow && least <= slow, "{slow} ns for {bytes} bytes, {free} ns at full speed");

    let store = open(&disk, &options());
    let before = rows(&store).len();
    let enough = AtomicBool::new(false);
    // The first step seals what is not sealed yet, the second removes.
    let mut watch = |at: UpkeepProgress| enough.store(2 <= at.steps_done, Ordering::Relaxed);
    let round = Round { cancel: Some(&enough), watch: Some(&mut watch), ..Round::default() };
    let done = store.forget_with(&forget, round).unwrap();
    assert!(done.cancelled && done.files.len() == 1, "{done:?}");
    assert_eq!(rows(&store).len() as u64 + done.events, before as u64);
    assert_eq!(store.check_deep().unwrap().damage, []);
    let rest = store.forget_with(&forget, Round::default()).unwrap();
    assert_eq!((rest.cancelled, rest.events + done.events), (false, 1500));
    assert_eq!(rows(&store).len(), before - 1500);
}

/// What a rule of retention asks for: records of every segment.
fn rule() -> Forget {
    let below = Test::Compare(Comparison::Lt, Literal::Number("4500".into()));
    let noise = Test::Compare(Comparison::Lt, Literal::Number("0".into()));
    let predicate = Predicate::And(vec![Predicate::field("n", below), Predicate::field("noise", noise)]);
    Forget { range: TimeRange::default(), predicate, import: None }
}

#[test]
fn forgetting_by_a_rule_takes_the_time_that_the_limits_of_a_round_ask_for() {
    let disk = SimDisk::new(5);
    filled(&disk);
    open(&disk, &options()).seal().unwrap();
    let took = |options: &Options, paced: bool| {
        let image = disk.crash(&logq_engine::io::sim::Keep::Everything);
        image.set_write_time(20_000);
        let store = open(&image, options);
        let began = image.ticks();
        let round = Round::default();
        let planned = if paced { store.plan_forget_with(&rule(), round) } else { store.plan_forget(&rule()) };
        assert!(1000 < planned.unwrap().events);
        let looked = image.ticks() - began;
        let done = if paced { store.forget_with(&rule(), Round::default()) } else { store.forget(&rule()) };
        let done = done.unwrap();
        assert!(!done.cancelled && done.files.len() == 5, "{done:?}");
        (looked, image.ticks() - began, done.bytes_before)
    };
    let base = took(&options(), true).1;
    let rate = 64 << 10;
    let slow = Options { maintain_bytes_per_second: Some(rate), ..options() };
    let (looked, whole, bytes) = took(&slow, true);
    let time = |bytes: u64| bytes * 1_000_000_000 / rate;
    assert!(time(bytes) / 2 <= looked, "{looked} ns to look at {bytes} bytes");
    // Looked at twice, made anew, and looked at again to prove it.
    assert!((time(3 * bytes)..=time(8 * bytes) + 2 * base).contains(&whole), "{whole} ns for {bytes} bytes");
    let quarter = took(&Options { maintain_cpu_share: 25, ..options() }, true).1;
    assert!((base * 2..=base * 4).contains(&quarter), "{quarter} ns, {base} ns at full speed");
    // What a person asks for is not held back.
    assert!(took(&slow, false).1 <= base);
}

#[test]
fn forgetting_that_is_ended_anywhere_leaves_every_other_record_and_the_next_one_finishes() {
    let disk = SimDisk::new(6);
    filled(&disk);
    let matches = |n: &i64| *n < 4500 && n.wrapping_mul(0x5851_f42d_4c95_7f2d) < 0;
    let all: Vec<i64> = crate::support::numbers(&rows(&open(&disk, &options())));
    let kept: Vec<i64> = all.iter().copied().filter(|n| !matches(n)).collect();
    let mut ended = 0;
    for at in 1.. {
        let image = disk.crash(&logq_engine::io::sim::Keep::Everything);
        let store = open(&image, &options());
        let cancel = AtomicBool::new(false);
        let mut looks = 0;
        let mut watch = |_: UpkeepProgress| {
            looks += 1;
            cancel.store(at <= looks, Ordering::Relaxed);
        };
        let round = Round { cancel: Some(&cancel), watch: Some(&mut watch), ..Round::default() };
        let done = store.forget_with(&rule(), round).unwrap();
        let found = crate::support::numbers(&rows(&store));
        assert!(kept.iter().all(|n| found.contains(n)), "ended at look {at}");
        assert_eq!(store.check_deep().unwrap().damage, [], "ended at look {at}");
        if !done.cancelled {
            assert_eq!(found, kept);
            break;
        }
        ended += 1;
        assert!(!store.forget(&rule()).unwrap().cancelled);
        assert_eq!(crate::support::numbers(&rows(&store)), kept, "ended at look {at}");
        assert!(!image.files().iter().any(|name| name.ends_with(".new")), "{:?}", image.files());
    }
    assert!(10 < ended, "{ended}");
}
