//! Bad circumstances: clocks that jump, an archive on another disk or on one that is mounted for reading, a full disk, a store
//! that was copied by hand. Nothing is lost, nothing goes that no rule names, and what cannot be done is said.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use logq_engine::io::sim::{EROFS, Fault, Keep, Op, SimDisk};
use logq_engine::{Durability, ErrorKind, Event, Options, Store, UpkeepKind};

use crate::crash::{DIR, Told, states, verify};
use crate::support::{numbers, rows};
use crate::upkeep::{later, maintain_again, workload};

const DAY: i64 = 86_400_000_000_000;
const YEAR: i64 = 365 * DAY;

fn open(disk: &SimDisk, retain_for: Option<u64>) -> Store {
    let options = Options {
        maintain: false,
        file_size: 16 << 10,
        retain_for: retain_for.map(|days| Duration::from_hours(24 * days)),
        ..Options::default()
    };
    Store::open_on(Arc::new(disk.clone()), Path::new(DIR), options).unwrap()
}

fn append(store: &Store, numbers: std::ops::Range<i64>) {
    let log = store.writer_with(Durability::Synced).unwrap();
    for n in numbers {
        // Texts that do not get much smaller when they are sealed.
        let noise = |at: i64| (n * 40 + at).wrapping_mul(0x5851_f42d_4c95_7f2d).to_string();
        let text: String = (0..15).map(noise).collect();
        log.append(&Event::new().field("n", n).message(&text)).unwrap();
    }
    log.close().unwrap();
}

fn found(store: &Store) -> Vec<i64> {
    let mut found = numbers(&rows(store));
    found.sort_unstable();
    found
}

#[test]
fn wherever_the_clock_jumps_nothing_goes_that_no_rule_names() {
    let jumps = [-YEAR, 10 * YEAR, -10 * YEAR, i64::MAX, i64::MIN / 2, i64::MIN, 200 * YEAR];
    for first in 0..jumps.len() {
        let disk = SimDisk::new(1);
        let start = open(&disk, None).now();
        let mut n = 0;
        for jump in jumps.iter().cycle().skip(first).take(jumps.len()) {
            for clock in [start, start.saturating_add(*jump)] {
                disk.set_clock(clock);
                let store = open(&disk, None);
                append(&store, n..n + 10);
                n += 10;
                let done = store.maintain_by_clock().unwrap();
                assert!(
                    !done.steps.iter().any(|step| matches!(step.kind, UpkeepKind::Expire(_))),
                    "{done:?}"
                );
                assert_eq!(found(&store), (0..n).collect::<Vec<_>>(), "the clock at {clock}");
            }
        }
        assert_eq!(open(&disk, None).check_deep().unwrap().damage, []);
    }
}

#[test]
fn a_clock_that_ran_ten_years_ahead_deletes_nothing_and_the_round_says_so() {
    let disk = SimDisk::new(2);
    let start = open(&disk, Some(30)).now();
    let store = open(&disk, Some(30));
    append(&store, 0..20);
    assert_eq!(store.maintain_by_clock().unwrap().held, None);
    disk.set_clock(start + 10 * YEAR);
    append(&store, 20..40);
    let planned = store.plan_upkeep_by_clock().unwrap();
    let done = store.maintain_by_clock().unwrap();
    for report in [&planned, &done] {
        let held = report.held.expect("the clock is not believed");
        assert!(held.known < start + DAY && start + 10 * YEAR <= held.now, "{held:?}");
        assert!(held.now + 2 * DAY < held.until, "{held:?}");
    }
    assert_eq!(found(&store), (0..40).collect::<Vec<_>>());
    // An hour later somebody sets it right. What arrived meanwhile is there, and stands out.
    disk.set_clock(start + DAY);
    append(&store, 40..60);
    let done = store.maintain_by_clock().unwrap();
    assert_eq!((done.held, done.ahead), (None, 1), "{done:?}");
    assert_eq!(found(&store), (0..60).collect::<Vec<_>>());
    // What arrived before and after goes when its time has come; what came by the wrong clock stays.
    disk.set_clock(start + 29 * DAY);
    append(&store, 60..80);
    assert_eq!(store.maintain_by_clock().unwrap().held, None);
    assert_eq!(found(&store), (0..80).collect::<Vec<_>>());
    disk.set_clock(start + 32 * DAY);
    assert_eq!(store.maintain_by_clock().unwrap().held, None);
    let left = found(&store);
    assert!((20..40).chain(60..80).all(|n| left.contains(&n)), "{left:?}");
    assert!(!left.contains(&0), "{left:?}");
    assert_eq!(store.check_deep().unwrap().damage, []);
}

#[test]
fn health_shows_what_waits_for_the_clock_from_the_jump_to_its_end() {
    let disk = SimDisk::new(7);
    let store = open(&disk, Some(30));
    let start = store.now();
    let held = |store: &Store| store.health(store.now()).unwrap().held;
    append(&store, 0..20);
    store.maintain_by_clock().unwrap();
    assert_eq!(held(&store), None);
    let jump = start + 10 * YEAR;
    disk.set_clock(jump);
    // The next round would say so, and after it the note of that round does.
    assert!(held(&store).is_some_and(|held| jump <= held.since), "{:?}", held(&store));
    let round = store.maintain_by_clock().unwrap().held.unwrap();
    disk.advance(DAY);
    for store in [&store, &open(&disk, Some(30))] {
        let later = held(store).expect("the clock is not believed");
        assert_eq!(
            (later.since, later.until, later.known),
            (round.since, round.since + 3 * DAY, round.known)
        );
        assert!(later.known < start + DAY && round.now + DAY <= later.now, "{later:?}");
    }
    // A round by rules that the options do not name said it, too; nobody else asks where nothing goes by age.
    assert!(held(&open(&disk, None)).is_some());
    disk.set_clock(start + DAY);
    assert_eq!(held(&store), None, "the clock is right again");
    store.maintain_by_clock().unwrap();
    disk.set_clock(start + 90 * DAY);
    assert_eq!((held(&store).is_some(), held(&open(&disk, None))), (true, None));
    store.maintain_by_clock().unwrap();
    disk.advance(3 * DAY);
    assert_eq!(held(&store), None, "days later it is believed");
}

#[test]
fn a_store_that_was_left_alone_for_years_expires_some_days_after_it_is_found() {
    let disk = SimDisk::new(3);
    let store = open(&disk, Some(30));
    append(&store, 0..20);
    store.maintain_by_clock().unwrap();
    let mut went = Vec::new();
    disk.advance(5 * YEAR);
    for _ in 0..5 {
        let held = store.maintain_by_clock().unwrap().held.is_some();
        went.push((held, found(&store).len()));
        disk.advance(DAY);
    }
    assert_eq!(went, [(true, 20), (true, 20), (true, 20), (false, 0), (false, 0)]);
    // A caller who says the time is believed at once.
    append(&store, 0..20);
    assert_eq!(store.maintain(store.now() + 5 * YEAR).unwrap().held, None);
    assert_eq!(found(&store), Vec::<i64>::new());
}

#[test]
fn retention_counts_from_arrival_whatever_time_events_have() {
    let disk = SimDisk::new(4);
    let store = open(&disk, Some(30));
    let log = store.writer_with(Durability::Synced).unwrap();
    let times = [i64::MIN, -20 * YEAR, 0, store.now(), store.now() + 30 * YEAR, i64::MAX];
    for (n, time) in (0_i64..).zip(times) {
        log.append(&Event::new().at(time).field("n", n)).unwrap();
    }
    log.close().unwrap();
    for (days, left) in [(1, times.len()), (28, times.len()), (2, 0)] {
        disk.advance(days * DAY);
        let done = store.maintain_by_clock().unwrap();
        assert_eq!((done.held, found(&store).len()), (None, left), "{days} days later");
        assert_eq!(store.check_deep().unwrap().damage, []);
    }
}

#[test]
fn an_archive_on_another_disk_loses_nothing_wherever_maintenance_stops() {
    let make = || {
        let disk = SimDisk::new(1);
        disk.mount(&Path::new(DIR).join("archive"));
        disk
    };
    let whole = make();
    let mut told = Told::default();
    let kinds = workload(&whole, &mut told).unwrap();
    assert!(kinds.contains(&UpkeepKind::Roll), "{kinds:?}");
    verify(&whole, &told, "without a crash");
    for cut in (0..whole.ops()).step_by(2) {
        let disk = make();
        disk.cut_after(cut);
        let mut told = Told::default();
        let _ended_early = workload(&disk, &mut told);
        for keep in states(cut).into_iter().take(2) {
            let context = format!("cut after {cut}, {keep:?}");
            let image = disk.crash(&keep);
            if !verify(&image, &told, &context).is_empty() {
                maintain_again(&image, &told, &context);
            }
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what a person does by hand")]
fn an_archive_that_is_a_link_to_another_file_system_works() {
    let dir = tempfile::tempdir().unwrap();
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
    let store = Store::open(dir.path(), Options { maintain: false, ..Options::default() }).unwrap();
    std::os::unix::fs::symlink(other.path(), dir.path().join("archive")).unwrap();
    append(&store, 0..50);
    let done = store.maintain(store.now() + 8 * DAY).unwrap();
    let there = done.steps.iter().flat_map(|step| &step.outputs).filter(|name| name.starts_with("archive/"));
    assert_eq!(there.count(), 1, "{done:?}");
    assert_eq!(found(&store), (0..50).collect::<Vec<_>>());
    append(&store, 50..60);
    store.maintain(store.now() + 8 * DAY).unwrap();
    assert_eq!((found(&store).len(), store.check_deep().unwrap().damage.len()), (60, 0));
    assert_eq!(std::fs::read_dir(dir.path().join("segments")).unwrap().count(), 0);
    // The other disk is not there: what it holds is a gap, what comes is sealed, and nothing is taken for lost.
    let away = other.path().with_extension("away");
    std::fs::rename(other.path(), &away).unwrap();
    append(&store, 60..70);
    store.maintain(store.now() + 8 * DAY).unwrap_err();
    // A store that was open keeps the files that it had mapped.
    let anew = Store::open(dir.path(), Options { maintain: false, ..Options::default() }).unwrap();
    assert!(!anew.snapshot().unwrap().gaps().is_empty());
    std::fs::rename(&away, other.path()).unwrap();
    store.maintain(store.now() + 8 * DAY).unwrap();
    assert_eq!((found(&store).len(), store.check_deep().unwrap().damage.len()), (70, 0));
}

#[test]
fn an_archive_that_is_mounted_for_reading_is_named_and_holds_up_nothing_else() {
    let disk = SimDisk::new(5);
    let store = open(&disk, Some(30));
    append(&store, 0..20);
    store.maintain(later(&store)).unwrap();
    append(&store, 20..40);
    store.seal().unwrap();
    append(&store, 40..60);
    for op in [Op::Create, Op::CreateDir, Op::Rename, Op::Remove, Op::Write, Op::Allocate] {
        disk.fail(Fault::from(op, 1, EROFS).on("archive"));
    }
    disk.advance(8 * DAY);
    let error = store.maintain_by_clock().unwrap_err();
    assert!(error.kind() == ErrorKind::Io && error.to_string().contains("archive"), "{error}");
    assert_eq!(found(&store), (0..60).collect::<Vec<_>>());
    assert!(!disk.files().iter().any(|name| name.ends_with(".log")), "sealing goes on: {:?}", disk.files());
    // What is to be deleted is gone from answers, and its file goes when it can.
    disk.advance(31 * DAY);
    append(&store, 60..70);
    let error = store.maintain_by_clock().unwrap_err();
    assert!(error.to_string().contains("archive"), "{error}");
    assert_eq!(found(&store), (60..70).collect::<Vec<_>>());
    append(&store, 70..80);
    assert_eq!(store.seal().unwrap().unsealed, 0);
    disk.heal();
    store.maintain_by_clock().unwrap();
    store.maintain_by_clock().unwrap();
    assert_eq!(found(&store), (60..80).collect::<Vec<_>>());
    assert_eq!(store.check_deep().unwrap().damage, []);
    let (here, health) = (disk.files(), store.health(store.now()).unwrap());
    assert_eq!((health.waiting.files, health.orphans), (0, Vec::new()), "{here:?}");
}

#[test]
fn retention_goes_on_when_the_disk_is_too_full_to_seal_and_makes_the_room() {
    let disk = SimDisk::new(6);
    let store = open(&disk, Some(30));
    append(&store, 0..200);
    store.seal().unwrap();
    disk.advance(31 * DAY);
    append(&store, 200..260);
    disk.set_capacity(Some(1 << 30));
    let space = logq_engine::io::Vfs::space(&disk, Path::new("/")).unwrap();
    disk.set_capacity(Some(space.total - space.free));
    let error = store.maintain_by_clock().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    assert_eq!(found(&store), (200..260).collect::<Vec<_>>());
    // A process that has read what went still maps it, which keeps its blocks.
    drop(store);
    open(&disk, Some(30)).maintain_by_clock().unwrap();
    assert!(!disk.files().iter().any(|name| name.ends_with(".log")), "{:?}", disk.files());
    let image = disk.crash(&Keep::Nothing);
    assert_eq!(found(&open(&image, None)), (200..260).collect::<Vec<_>>());
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what a person does by hand")]
fn a_store_that_was_copied_or_moved_by_hand_goes_on_and_gives_no_id_twice() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("logs");
    let open = |path: &Path| {
        Store::open(path, Options { maintain: false, file_size: 64 << 10, ..Options::default() }).unwrap()
    };
    let store = open(&here);
    append(&store, 0..50);
    store.maintain(store.now() + 8 * DAY).unwrap();
    append(&store, 50..100);
    store.seal().unwrap();
    append(&store, 100..150);
    let before: BTreeSet<_> = rows(&store).iter().map(|row| row.id).collect();
    drop(store);
    copy(&here, &dir.path().join("copied"));
    copy(&here, &dir.path().join("other"));
    std::fs::rename(&here, dir.path().join("moved")).unwrap();
    // Without its manifest the copy is the same store, too.
    std::fs::remove_file(dir.path().join("other/MANIFEST")).unwrap();
    for name in ["copied", "moved", "other"] {
        let store = open(&dir.path().join(name));
        assert_eq!(found(&store), (0..150).collect::<Vec<_>>(), "{name}");
        append(&store, 150..200);
        store.maintain(store.now() + 8 * DAY).unwrap();
        append(&store, 200..210);
        let rows = rows(&store);
        let ids: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
        assert_eq!((rows.len(), ids.len()), (210, 210), "{name}: an id names two records");
        assert!(before.is_subset(&ids), "{name}");
        assert_eq!(found(&store), (0..210).collect::<Vec<_>>(), "{name}");
        assert_eq!(store.check_deep().unwrap().damage, [], "{name}");
    }
    assert!(!here.exists());
}
