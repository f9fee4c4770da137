//! Bodies on a clock of their own: prompts and responses go from every file, the events stay with all else, and wherever that
//! stops nothing is lost.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use logq_engine::io::sim::{ENOSPC, Fault, Keep, Op, SimDisk};
use logq_engine::{Durability, Error, Event, Options, Predicate, Scan, Store, TextTest, UpkeepKind};

use crate::support::{Row, read, rows};

const DIR: &str = "store";
const DAY: i64 = 86_400_000_000_000;
/// Events with a body in each round.
const WITH: i64 = 60;
/// Events without.
const WITHOUT: i64 = 30;

fn options(days: Option<u64>) -> Options {
    Options {
        maintain: false,
        file_size: 64 << 10,
        word_index_min: 0,
        retain_bodies_for: days.map(|days| Duration::from_hours(24 * days)),
        ..Options::default()
    }
}

fn open(disk: &SimDisk, days: Option<u64>) -> Result<Store, Error> {
    Store::open_on(Arc::new(disk.clone()), DIR, options(days))
}

/// A text of words that no other text has, and that no codec makes much smaller.
fn noise(n: i64, what: i64) -> String {
    let word = |at: i64| format!("{:016x}", (n * 1000 + what * 100 + at).wrapping_mul(0x5851_f42d_4c95_7f2d));
    (0..12).map(|at| word(at) + " ").collect()
}

fn append(store: &Store, round: i64) -> Result<(), Error> {
    let log = store.writer_with(Durability::Synced)?;
    let events: Vec<Event> = (0..WITH + WITHOUT)
        .map(|at| {
            let n = round * 1000 + at;
            let event = Event::ai("chat").at(n).model("llama3.2").tokens(150, 250).field("n", n);
            let mut event = match at {
                at if WITH <= at => return event.message("no body here"),
                at if at % 3 == 0 => event.prompt(&noise(n, 1)).response(&noise(n, 2)),
                at if at % 3 == 1 => event.response(&noise(n, 3)),
                _ => event.field("prompt.system", noise(n, 4).as_str()),
            };
            if at % 5 == 0 {
                event.flag("tokens_estimated");
            }
            event
        })
        .collect();
    log.append_batch(&events)?;
    log.close()
}

fn is_body(name: &str) -> bool {
    matches!(name, "prompt" | "response" | "prompt.system")
}

/// What is to be left of a row: without its bodies, and flagged if it had one.
fn without_bodies(row: &Row) -> Row {
    let mut left = row.clone();
    left.fields.retain(|(name, _)| !is_body(name));
    if left.fields.len() != row.fields.len() {
        let flags = left.fields.iter().position(|(name, _)| name == "_flags");
        let flags = flags.map(|at| left.fields.remove(at).1.replace("\")", " body_dropped\")"));
        left.fields.push(("_flags".into(), flags.unwrap_or_else(|| "Str(\"body_dropped\")".into())));
    }
    left.fields.sort();
    left
}

/// Rows in a form that does not depend on the order of their fields.
fn sorted(rows: Vec<Row>) -> Vec<Row> {
    let sort = |mut row: Row| {
        row.fields.sort();
        row
    };
    rows.into_iter().map(sort).collect()
}

/// Old rounds in the archive and beside it, a young one, and one that is not sealed.
fn filled(disk: &SimDisk) -> Result<(), Error> {
    let store = open(disk, None)?;
    append(&store, 0)?;
    store.maintain(store.now() + 8 * DAY)?;
    append(&store, 1)?;
    store.seal()?;
    disk.advance(20 * DAY);
    append(&store, 2)?;
    store.seal()?;
    append(&store, 3)
}

/// The words of the bodies of old rounds, some of each kind.
fn words() -> Vec<String> {
    let texts = (0..2).flat_map(|round| {
        [(0, 1), (0, 2), (1, 3), (2, 4), (57, 1), (59, 4)].map(|(at, what)| (round * 1000 + at, what))
    });
    texts
        .flat_map(|(n, what)| noise(n, what).split(' ').take(2).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// How many records have this word anywhere, found by index and by reading.
fn found(store: &Store, word: &str) -> (usize, usize) {
    let snapshot = store.snapshot().unwrap();
    let count = |index: bool| {
        let predicate = Predicate::Any(TextTest::word(word));
        read(&snapshot, &Scan { predicate, index, ..Scan::default() }).0.len()
    };
    (count(true), count(false))
}

#[test]
fn bodies_go_when_their_time_has_come_and_everything_else_stays() {
    let disk = SimDisk::new(1);
    filled(&disk).unwrap();
    let before = sorted(rows(&open(&disk, None).unwrap()));
    let words = words();
    assert!(
        words.iter().all(|word| found(&open(&disk, None).unwrap(), word) == (1, 1)),
        "the test finds them"
    );
    let fields = |store: &Store| -> BTreeMap<String, u64> {
        let files = store.snapshot().unwrap().storage();
        let old = files.into_iter().filter(|file| file.arrived_max < store.now() - 10 * DAY);
        old.flat_map(|file| file.fields).filter(|(name, _)| is_body(name)).collect()
    };
    let store = open(&disk, Some(10)).unwrap();
    assert_eq!(fields(&store).len(), 3, "{:?}", fields(&store));
    let plan = store.plan_upkeep_by_clock().unwrap();
    let of = |steps: &[logq_engine::UpkeepStep]| -> Vec<(Vec<String>, u64, bool)> {
        let bodies = steps.iter().filter(|step| step.kind == UpkeepKind::Bodies);
        bodies.map(|step| (step.inputs.clone(), step.records, 10_000 < step.bytes_before)).collect()
    };
    let planned = of(&plan.steps);
    assert_eq!(planned.len(), 2, "{plan:?}");
    assert!(
        planned.iter().all(|(_, events, large)| *events == u64::try_from(WITH).unwrap() && *large),
        "{planned:?}"
    );
    assert_eq!(sorted(rows(&store)), before, "a plan drops nothing");
    let done = store.maintain_by_clock().unwrap();
    assert_eq!(of(&done.steps), planned);
    // What is made anew has no room for texts that do not get smaller.
    let small = |step: &&logq_engine::UpkeepStep| step.kind == UpkeepKind::Bodies && step.bytes_after < 8_000;
    assert_eq!(done.steps.iter().filter(small).count(), 2, "{done:?}");
    drop(store);
    let store = open(&disk, Some(10)).unwrap();
    let young = |row: &Row| 2000 <= row.time;
    let wanted: Vec<Row> =
        before.iter().map(|row| if young(row) { row.clone() } else { without_bodies(row) }).collect();
    assert_eq!(sorted(rows(&store)), wanted);
    assert_eq!(fields(&store), BTreeMap::new());
    assert!(words.iter().all(|word| found(&store, word) == (0, 0)), "no index and no column has them");
    assert_eq!(found(&store, noise(2000, 1).split(' ').next().unwrap()), (1, 1), "young ones stay");
    assert_eq!(store.check_deep().unwrap().damage, []);
    for name in disk.files() {
        let bytes = disk.contents(Path::new(&name)).unwrap();
        let holds = |word: &&String| bytes.windows(word.len()).any(|window| window == word.as_bytes());
        assert_eq!(words.iter().find(holds), None, "{name}");
    }
    assert_eq!(store.maintain_by_clock().unwrap().steps.len(), 0, "there is nothing left to do");
    // The manifest lost, they do not come back.
    disk.corrupt(&Path::new(DIR).join("MANIFEST"), 0..48, |bytes| bytes.fill(0xFF));
    assert_eq!(sorted(rows(&open(&disk, None).unwrap())), wanted);
}

#[test]
fn bodies_wait_like_everything_that_goes_by_age_when_the_clock_jumped() {
    let disk = SimDisk::new(2);
    filled(&disk).unwrap();
    let store = open(&disk, Some(10)).unwrap();
    store.maintain_by_clock().unwrap();
    let before = sorted(rows(&store));
    disk.advance(3650 * DAY);
    let held = store.maintain_by_clock().unwrap().held;
    assert!(held.is_some());
    assert_eq!(store.health(store.now()).unwrap().held.map(|held| held.until), held.map(|held| held.until));
    assert_eq!(sorted(rows(&store)), before);
    disk.advance(4 * DAY);
    assert_eq!(store.maintain_by_clock().unwrap().held, None);
    assert_eq!(store.health(store.now()).unwrap().held, None);
    assert!(!sorted(rows(&store)).iter().any(|row| row.fields.iter().any(|(name, _)| is_body(name))));
}

/// Every event that a whole store has is there once, with its bodies or flagged, and the next round ends it.
fn verify(image: &SimDisk, whole: &[Row], context: &str) {
    let Ok(store) = open(image, Some(10)) else { return };
    let by_id = |rows: Vec<Row>| -> BTreeMap<_, Row> { rows.into_iter().map(|row| (row.id, row)).collect() };
    let (found, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
    assert_eq!(gaps, [], "{context}");
    let count = found.len();
    let found = by_id(sorted(found));
    assert_eq!(found.len(), count, "{context}: a record is there twice");
    for row in whole {
        let is = found.get(&row.id).unwrap_or_else(|| panic!("{context}: record {} is lost", row.id));
        assert!(is == row || *is == without_bodies(row), "{context}: {is:?}");
    }
    assert_eq!(store.check_deep().unwrap().damage, [], "{context}");
    store.maintain_by_clock().unwrap_or_else(|error| panic!("{context}: {error}"));
    let after = sorted(rows(&store));
    assert_eq!(after.len(), count, "{context}, and then maintained");
    assert_eq!(count, whole.len(), "{context}: everything was on disk before");
    let old = after.iter().filter(|row| row.time < 2000);
    let left = old.flat_map(|row| &row.fields).filter(|(name, _)| is_body(name)).count();
    assert_eq!(left, 0, "{context}, and then maintained");
    assert_eq!(store.check_deep().unwrap().damage, [], "{context}, and then maintained");
}

#[test]
fn dropping_that_stops_at_any_operation_loses_no_event_and_is_ended_by_the_next_round() {
    let whole = SimDisk::new(3);
    filled(&whole).unwrap();
    let (before, begun) = (sorted(rows(&open(&whole, None).unwrap())), whole.ops());
    open(&whole, Some(10)).unwrap().maintain_by_clock().unwrap();
    verify(&whole, &before, "without a crash");
    for cut in begun..whole.ops() {
        let disk = SimDisk::new(3);
        filled(&disk).unwrap();
        disk.cut_after(cut);
        let _ended_early = open(&disk, Some(10)).and_then(|store| store.maintain_by_clock());
        for keep in crate::crash::states(cut).into_iter().take(3) {
            verify(&disk.crash(&keep), &before, &format!("cut after {cut}, {keep:?}"));
        }
    }
}

#[test]
fn a_full_disk_while_bodies_are_dropped_costs_nothing() {
    for op in Op::ALL {
        for nth in (1..).step_by(3) {
            let disk = SimDisk::new(4);
            filled(&disk).unwrap();
            let before = sorted(rows(&open(&disk, None).unwrap()));
            disk.fail(Fault::once(op, nth, ENOSPC));
            let _may_fail = open(&disk, Some(10)).and_then(|store| store.maintain_by_clock());
            let fired = disk.fired();
            disk.heal();
            verify(&disk.crash(&Keep::Everything), &before, &format!("{op:?} number {nth} met a full disk"));
            if fired == 0 {
                break;
            }
        }
    }
}
