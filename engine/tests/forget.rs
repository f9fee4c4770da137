//! Forgetting removes exactly what matches, from every file, also when the machine stops in between.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use logq_engine::budget::{Budget, Request, Window};
use logq_engine::io::sim::{ENOSPC, Fault, Keep, Op, SimDisk};
use logq_engine::io::{OpenMode, Vfs as _};
use logq_engine::{
    Comparison, Durability, Error, Event, Forget, ImportProgress, Literal, Options, Packer, Predicate, Scan,
    SourceId, Store, Test, TextTest, TimeRange, dump,
};

use crate::budgets::{define, granted, hard, tokens};
use crate::crash::{DIR, Told, open, states};
use crate::support::{numbers, read, rows};

const WEEK_AND_DAY: i64 = 8 * 86_400_000_000_000;

fn of(predicate: Predicate) -> Forget {
    Forget { range: TimeRange::default(), predicate, import: None }
}

fn equal(field: &str, value: &str) -> Predicate {
    Predicate::field(field, Test::Compare(Comparison::Eq, Literal::Text(value.into())))
}

/// Records with a number below 25.
fn low() -> Forget {
    of(Predicate::field("n", Test::Compare(Comparison::Lt, Literal::Number("25".into()))))
}

fn event(n: i64, user: &str) -> Event {
    Event::ai("chat")
        .at(n * 1_000)
        .model("llama3.2")
        .prompt(&format!("{user} asks number {n}"))
        .field("user", user)
        .field("n", n)
}

/// A store with events of alice and bob in an archived, a sealed and an unsealed file.
fn mixed(dir: &Path) -> Store {
    let options = Options { maintain: false, word_index_min: 1, ..Options::default() };
    let store = Store::open(dir, options).unwrap();
    for round in 0..3 {
        let log = store.writer().unwrap();
        for n in 0..300 {
            log.append(&event(round * 300 + n, if n % 3 == 0 { "zalice" } else { "bob" })).unwrap();
        }
        log.close().unwrap();
        match round {
            0 => drop(store.maintain(store.now() + WEEK_AND_DAY).unwrap()),
            1 => drop(store.seal().unwrap()),
            _ => {}
        }
    }
    store
}

#[test]
fn exactly_what_matches_goes_wherever_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let store = mixed(dir.path());
    let forget = of(equal("user", "zalice"));
    let kept: Vec<_> = rows(&store)
        .into_iter()
        .filter(|row| !row.fields.iter().any(|(_, value)| value.contains("zalice")))
        .collect();
    let planned = store.plan_forget(&forget).unwrap();
    assert_eq!((planned.events, planned.unsealed, planned.files.len()), (300, 0, 3));
    assert_eq!(rows(&store).len(), 900, "a plan changes nothing");
    let done = store.forget(&forget).unwrap();
    assert_eq!((done.events, done.unsealed), (300, 0));
    assert_eq!(rows(&store), kept);
    let report = store.check_deep().unwrap();
    assert_eq!((report.damage.as_slice(), report.records, report.torn), (&[][..], 600, 0));
    assert_eq!(store.plan_forget(&forget).unwrap().events, 0);
    assert_eq!(store.health(store.now()).unwrap().waiting.files, 0, "the grace of readers is over at once");
    // A second round finds nothing to do, and a merge afterwards remembers what was removed.
    assert_eq!(store.forget(&forget).unwrap().files, []);
    store.maintain(store.now() + WEEK_AND_DAY).unwrap();
    assert_eq!(rows(&store), kept);
}

#[test]
fn nothing_of_a_forgotten_event_is_left_in_any_file_and_the_ids_are_noted() {
    let dir = tempfile::tempdir().unwrap();
    let store = mixed(dir.path());
    store.forget(&of(equal("user", "zalice"))).unwrap();
    let mut noted = 0;
    let mut folders = vec![dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"zalice"), "{}", path.display());
            if path.extension().is_some_and(|kind| kind == "seg") {
                let mut text = String::new();
                dump(&path, true, &mut |line| {
                    text += &format!("{line}\n");
                    ControlFlow::Continue(())
                })
                .unwrap();
                assert!(!text.contains("zalice"), "{}: {text}", path.display());
                noted += text.lines().filter(|line| line.starts_with("  removed ")).count();
            }
        }
    }
    assert_eq!(noted, 300, "no two of them follow each other");
}

#[test]
fn what_budgets_know_of_somebody_goes_too_and_nothing_else_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options { maintain: false, ..Options::default() }).unwrap();
    let by_user = Budget { by: Some("user".into()), ..hard("by user", 100, Window::Day) };
    define(&store, vec![by_user, hard("all", 10_000, Window::Day)]);
    for user in ["zalice", "bob"] {
        let used = event(1, user).at(store.now()).tokens(60, 30);
        granted(&store, &tokens(90).field("user", user)).commit(&used).unwrap();
        granted(&store, &tokens(5).field("user", user)).release().unwrap();
    }
    // Whoever booked it has closed.
    drop(store);
    let store = Store::open(dir.path(), Options { maintain: false, ..Options::default() }).unwrap();
    let used = |group: Option<&str>| {
        let all = store.budgets().observe().unwrap();
        all.iter().find(|status| status.group.as_deref() == group).map(|status| status.used)
    };
    assert_eq!((used(Some("zalice")), used(Some("bob")), used(None)), (Some(90), Some(90), Some(180)));
    let records = |word: &str| {
        let test = Predicate::Any(TextTest::word(word));
        let scan = Scan { predicate: test, fields: true, ..Scan::default() };
        read(&store.snapshot().unwrap(), &scan).0.len()
    };
    let (alice, bob, all) = (records("zalice"), records("bob"), rows(&store).len());
    assert!(2 <= alice && alice == bob, "the call and an alert: {alice} and {bob}");

    let planned = store.plan_forget(&of(equal("user", "zalice"))).unwrap();
    let done = store.forget(&of(equal("user", "zalice"))).unwrap();
    assert_eq!((planned.events + planned.unsealed, done.unsealed), (done.events, 0));
    assert_eq!((records("zalice"), records("bob")), (0, bob));
    assert_eq!(rows(&store).len() as u64, all as u64 - done.events);
    assert_eq!((used(Some("zalice")), used(Some("bob")), used(None)), (None, Some(90), Some(90)));
    assert_eq!(store.budgets().verify().unwrap(), []);
    let mut folders = vec![dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"zalice"), "{}", path.display());
        }
    }
}

#[test]
fn a_budget_for_what_is_forgotten_is_named_and_stays_and_a_narrower_wish_leaves_alerts_alone() {
    let disk = SimDisk::new(9);
    let store = open(&disk).unwrap();
    let by_user = Budget { by: Some("user".into()), ..hard("by user", 100, Window::Day) };
    let for_bob =
        Budget { selector: vec![("user".into(), "bob".into())], ..hard("for bob", 500, Window::Day) };
    define(&store, vec![by_user, for_bob]);
    let used = event(1, "bob").at(store.now()).tokens(60, 30);
    granted(&store, &tokens(90).field("user", "bob")).commit(&used).unwrap();
    drop(store);
    let store = open(&disk).unwrap();
    let both = Predicate::And(vec![equal("user", "bob"), equal("model", "llama3.2")]);
    let done = store.forget(&of(both)).unwrap();
    assert_eq!((done.events, done.budgets.len()), (1, 0), "the call alone");
    let done = store.forget(&of(equal("user", "bob"))).unwrap();
    assert!(1 <= done.events, "the alerts: {done:?}");
    assert_eq!(done.budgets, ["for bob"]);
    assert_eq!(store.budgets().definitions().unwrap().len(), 2);
}

#[test]
fn a_reader_that_began_before_reads_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = mixed(dir.path());
    store.seal().unwrap();
    let before = store.snapshot().unwrap();
    store.forget(&of(equal("user", "zalice"))).unwrap();
    let (rows, gaps) = read(&before, &Scan::default());
    assert_eq!((rows.len(), gaps), (900, Vec::new()));
}

#[test]
fn what_a_writer_is_filling_stays_and_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let store = mixed(dir.path());
    store.seal().unwrap();
    let log = store.writer().unwrap();
    log.append(&event(1000, "zalice")).unwrap();
    let forget = of(equal("user", "zalice"));
    let planned = store.plan_forget(&forget).unwrap();
    assert_eq!((planned.events, planned.unsealed), (300, 1));
    let done = store.forget(&forget).unwrap();
    assert_eq!((done.events, done.unsealed), (300, 1));
    log.close().unwrap();
    assert_eq!(store.forget(&forget).unwrap().events, 1);
    assert_eq!(rows(&store).len(), 600);
}

#[test]
fn a_range_of_time_and_any_condition_can_be_forgotten_and_a_whole_file_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = mixed(dir.path());
    let range = TimeRange { from: Some(0), until: Some(300_000) };
    let all = Forget { range, predicate: Predicate::All, import: None };
    assert_eq!(store.forget(&all).unwrap().events, 300);
    assert_eq!(numbers(&rows(&store)).into_iter().min(), Some(300));
    let word = of(Predicate::Any(TextTest::word("number")));
    assert_eq!(store.forget(&word).unwrap().events, 600);
    assert_eq!(rows(&store), []);
    assert_eq!(store.check_deep().unwrap().damage, []);
    let log = store.writer().unwrap();
    let id = log.append(&event(0, "bob")).unwrap();
    assert!(300 <= id.sequence, "{id}: an id that was seen names nothing else");
}

#[test]
fn files_that_were_set_aside_are_named_and_deleted_only_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let store = mixed(dir.path());
    for folder in ["quarantine", "imports"] {
        std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        std::fs::write(dir.path().join(folder).join("one"), "{\"raw\": \"broken Zalice\"}").unwrap();
        std::fs::write(dir.path().join(folder).join("two"), "about bob").unwrap();
    }
    let done = store.forget(&of(equal("user", "zalice"))).unwrap();
    assert_eq!(done.set_aside, ["quarantine/one", "imports/one"]);
    for outside in ["MANIFEST", "quarantine/../MANIFEST", "imports/..", "segments/1.seg", "quarantine/"] {
        assert!(store.delete_set_aside(&[outside.to_owned()]).is_err(), "{outside}");
    }
    assert_eq!(store.delete_set_aside(&done.set_aside).unwrap(), 2);
    assert!(!dir.path().join("quarantine/one").exists() && dir.path().join("quarantine/two").exists());
}

#[test]
fn an_import_is_taken_back_with_the_note_that_it_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let store = mixed(dir.path());
    let source = |hash| SourceId { hash, prefix_len: 10, generation: 0 };
    let before = rows(&store);
    let log = store.writer().unwrap();
    for (hash, n) in [(7, 2000), (8, 3000)] {
        let progress = ImportProgress { source: source(hash), start: 0, end: 10, tail_hash: 1 };
        let mut packer = Packer::new();
        packer.push(&event(n, "carl"), 0).unwrap();
        log.append_import(&packer.finish(), progress).unwrap();
    }
    log.close().unwrap();
    store.maintain(store.now() + WEEK_AND_DAY).unwrap();
    let undo = Forget::import(source(7));
    assert_eq!(store.plan_forget(&undo).unwrap().events, 1);
    assert_eq!(store.forget(&undo).unwrap().events, 1);
    let left: Vec<_> = store.imports().unwrap().into_iter().map(|progress| progress.source.hash).collect();
    assert_eq!(left, [8]);
    assert_eq!(rows(&store).len(), before.len() + 1);
    // Also when the manifest is lost: the footers tell the same.
    drop(store);
    std::fs::remove_file(dir.path().join("MANIFEST")).unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let left: Vec<_> = store.imports().unwrap().into_iter().map(|progress| progress.source.hash).collect();
    assert_eq!(left, [8]);
    assert_eq!(store.check_deep().unwrap().records, before.len() as u64 + 1);
}

/// Two sealed files and one that is not, and then the low numbers are forgotten.
fn workload(disk: &SimDisk, told: &mut Told) -> Result<(), Error> {
    let store = open(disk)?;
    for _ in 0..3 {
        let log = store.writer_with(Durability::Synced)?;
        told.batch(&log, 15, true)?;
        log.close()?;
        store.seal()?;
    }
    let log = store.writer_with(Durability::Synced)?;
    told.batch(&log, 5, true)?;
    log.close()?;
    store.forget(&low())?;
    Ok(())
}

/// Every record that was promised and does not match is there once, and forgetting again ends it.
fn verify(image: &SimDisk, told: &Told, context: &str) {
    let Ok(store) = open(image) else {
        assert!(told.promised.is_empty(), "{context}: the store does not open");
        return;
    };
    let check = |store: &Store, matching: bool| {
        let (rows, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
        assert_eq!(gaps, [], "{context}");
        assert_eq!(store.check_deep().unwrap().damage, [], "{context}");
        let found: Vec<i64> = numbers(&rows);
        let unique: BTreeSet<i64> = found.iter().copied().collect();
        assert_eq!(unique.len(), found.len(), "{context}: a record is there twice");
        for n in told.promised.iter().filter(|n| 25 <= **n) {
            assert!(unique.contains(n), "{context}: record {n} was promised and not to be forgotten");
        }
        assert!(matching || unique.iter().all(|n| 25 <= *n), "{context}: a record came back");
    };
    check(&store, true);
    store.forget(&low()).unwrap_or_else(|error| panic!("{context}: {error}"));
    check(&store, false);
    drop(store);
    let machine = image.crash(&Keep::Everything);
    machine.corrupt(&Path::new(DIR).join("MANIFEST"), 0..48, |bytes| bytes.fill(0xFF));
    if let Ok(store) = open(&machine) {
        let (rows, _) = read(&store.snapshot().unwrap(), &Scan::default());
        assert!(numbers(&rows).iter().all(|n| 25 <= *n), "{context}: the manifest lost, a record came back");
    }
}

#[test]
fn forgetting_that_stops_at_any_operation_loses_no_other_record_and_can_be_done_again() {
    let whole = SimDisk::new(3);
    let mut told = Told::default();
    workload(&whole, &mut told).unwrap();
    verify(&whole, &told, "without a crash");
    assert_eq!(rows(&open(&whole).unwrap()).len(), 25);
    for cut in 0..whole.ops() {
        let disk = SimDisk::new(3);
        disk.cut_after(cut);
        let mut told = Told::default();
        let _ended_early = workload(&disk, &mut told);
        for keep in states(cut).into_iter().take(3) {
            verify(&disk.crash(&keep), &told, &format!("cut after {cut}, {keep:?}"));
        }
    }
}

#[test]
fn a_full_disk_while_forgetting_costs_nothing() {
    for op in Op::ALL {
        for nth in (1..).step_by(2) {
            let disk = SimDisk::new(5);
            let mut told = Told::default();
            workload(&disk, &mut told).unwrap();
            let log = open(&disk).unwrap().writer_with(Durability::Synced).unwrap();
            log.append(&Event::new().field("n", 1_i64)).unwrap();
            log.append(&Event::new().field("n", 2_000_i64)).unwrap();
            log.close().unwrap();
            disk.fail(Fault::once(op, nth, ENOSPC));
            let _may_fail = open(&disk).and_then(|store| store.forget(&low()));
            let fired = disk.fired();
            disk.heal();
            verify(&disk.crash(&Keep::Everything), &told, &format!("{op:?} number {nth} met a full disk"));
            if fired == 0 {
                break;
            }
        }
    }
}

/// The files of the store that have these bytes, in any case.
fn with_bytes(disk: &SimDisk, word: &str) -> Vec<String> {
    let has = |name: &String| {
        let bytes = disk.contents(Path::new(name)).unwrap().to_ascii_lowercase();
        bytes.windows(word.len()).any(|window| window == word.as_bytes())
    };
    disk.files().into_iter().filter(has).collect()
}

#[test]
fn no_byte_of_a_forgotten_value_is_left_in_any_file_once_everything_that_was_named_is_gone() {
    for settled in [true, false] {
        forget_everything_of_zalice(settled);
    }
}

/// With a hold of hers that was let go of, or is still held.
fn forget_everything_of_zalice(settled: bool) {
    let disk = SimDisk::new(9);
    let users = Budget { by: Some("user".into()), ..hard("users", 2_200, Window::Day) };
    let one =
        Budget { selector: vec![("user".into(), "zalice".into())], ..hard("one", 100_000, Window::Day) };
    let options = Options { maintain: false, word_index_min: 1, ..Options::default() };
    let open =
        |options: &Options| Store::open_on(Arc::new(disk.clone()), Path::new(DIR), options.clone()).unwrap();
    let store = open(&options);
    for budget in
        [users, one, hard("zalice-daily", 100_000, Window::Day), hard("other", 100_000, Window::Day)]
    {
        store.budgets().set(budget).unwrap();
    }
    for round in 0..3 {
        let log = store.writer_with(Durability::Synced).unwrap();
        for n in 0..40 {
            let user = if n % 4 == 0 { "zalice" } else { "bob" };
            log.append(&event(round * 40 + n, user).at(store.now()).tokens(90, 5)).unwrap();
        }
        log.close().unwrap();
        // Alerts for groups, of which some are delivered and some are not.
        store.budgets().status().unwrap();
        match round {
            0 => drop(store.maintain(store.now() + WEEK_AND_DAY).unwrap()),
            1 => {
                let hold = Request::new().field("user", "zalice").prompt_tokens(0).response_tokens(0);
                let held = store.budgets().reserve_detached(&hold).unwrap().unwrap();
                if settled {
                    store.budgets().release_detached(held.hold).unwrap();
                }
                store.budgets().deliver(&mut |_| Ok(())).unwrap();
                store.seal().unwrap();
            }
            _ => {}
        }
    }
    for folder in ["quarantine", "imports"] {
        disk.create_dir(&Path::new(DIR).join(folder)).unwrap();
        let file = disk.open(&Path::new(DIR).join(folder).join("one"), OpenMode::CreateNew).unwrap();
        file.write_at(0, b"{\"raw\": \"broken Zalice\"}").unwrap();
    }
    let planted = with_bytes(&disk, "zalice");
    for place in ["active/", "budgets/definitions", "budgets/table", "quarantine/one", "imports/one"] {
        assert!(planted.iter().any(|name| name.contains(place)), "{place}: {planted:?}");
    }
    // Whoever wrote the holds and alerts has closed.
    drop(store);
    let store = open(&options);
    let forget = of(equal("user", "zalice"));
    let planned = store.plan_forget(&forget).unwrap();
    assert_eq!(planned.budgets, ["one", "zalice-daily"]);
    let done = store.forget(&forget).unwrap();
    assert!(30 < done.events, "the calls, holds and alerts: {done:?}");
    assert_eq!((&done.budgets, &done.set_aside), (&planned.budgets, &planned.set_aside));
    assert_eq!(
        with_bytes(&disk, "zalice"),
        ["/store/budgets/definitions", "/store/imports/one", "/store/quarantine/one"],
        "what is left was named"
    );
    for name in &done.budgets {
        assert!(store.budgets().remove(name).unwrap());
    }
    assert_eq!(store.delete_set_aside(&done.set_aside).unwrap(), 2);
    let again = store.forget(&forget).unwrap();
    assert_eq!((again.events, again.budgets, again.set_aside), (0, Vec::new(), Vec::new()));
    drop(store);
    assert_eq!(with_bytes(&disk, "zalice"), [""; 0]);
    let store = open(&options);
    assert_eq!(store.check_deep().unwrap().damage, []);
    assert_eq!(store.budgets().verify().unwrap(), []);
    for path in disk.files().iter().filter(|name| name.ends_with(".seg")) {
        assert!(!dumped(&disk.contents(Path::new(path)).unwrap()).contains("zalice"), "{path}");
    }
}

/// All that a dump shows of a file.
fn dumped(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.seg");
    std::fs::write(&path, bytes).unwrap();
    let mut text = String::new();
    dump(&path, true, &mut |line| {
        text += &format!("{line}\n");
        ControlFlow::Continue(())
    })
    .unwrap();
    text
}

#[test]
fn a_process_killed_at_any_operation_of_forgetting_loses_no_other_record_and_the_next_one_counts_anew() {
    let base = SimDisk::new(4);
    let by_user = Budget { by: Some("user".into()), ..hard("by user", 100_000, Window::Day) };
    {
        let store = open(&base).unwrap();
        define(&store, vec![by_user]);
        for round in 0..2 {
            let log = store.writer_with(Durability::Synced).unwrap();
            for (n, user) in (0..).zip(["zalice", "bob", "bob"]) {
                log.append(&event(round * 3 + n, user).at(store.now()).tokens(60, 30)).unwrap();
            }
            log.close().unwrap();
            store.seal().unwrap();
        }
    }
    let forget = of(equal("user", "zalice"));
    let mut whole = 0;
    for cut in 0.. {
        let machine = base.crash(&Keep::Everything);
        open(&machine).unwrap().budgets().status().unwrap();
        let process = machine.process();
        process.kill_after(machine.ops() + cut);
        whole += u32::from(open(&process).and_then(|store| store.forget(&forget)).is_ok());
        process.kill();
        let store = open(&machine).unwrap();
        let left = rows(&store).len();
        assert!((4..=6).contains(&left), "killed after {cut}: {left}");
        store.forget(&forget).unwrap();
        assert_eq!(numbers(&rows(&store)), [1, 2, 4, 5], "killed after {cut}");
        assert_eq!(store.budgets().verify().unwrap(), [], "killed after {cut}");
        assert_eq!(with_bytes(&machine, "zalice"), [""; 0], "killed after {cut}");
        assert_eq!(store.check_deep().unwrap().damage, [], "killed after {cut}");
        if 2 < whole {
            break;
        }
    }
}
