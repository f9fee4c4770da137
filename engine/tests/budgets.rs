//! Budgets: who may spend what, under races, restarts, and clocks that go wrong.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use logq_engine::budget::{
    Alert, Budget, Committed, GROUPS_MAX, Guard, Measure, Mode, Refused, Request, Reservation, Standing,
    Status, Threshold, Window,
};
use logq_engine::io::sim::{Keep, SimDisk};
use logq_engine::{Durability, ErrorKind, Event, Options, Store};

use crate::support::rows;

const S: i64 = 1_000_000_000;
pub(crate) const HOUR: i64 = 3600 * S;
const DAY: i64 = 24 * HOUR;
/// 2026-11-23T10:00:00Z
pub(crate) const START: i64 = 1_795_428_000 * S;

pub(crate) fn hard(name: &str, limit: u64, window: Window) -> Budget {
    Budget { mode: Mode::Hard, ..Budget::new(name, Measure::Tokens, limit, window) }
}

/// A store with only these budgets.
pub(crate) fn define(store: &Store, budgets: Vec<Budget>) {
    for old in store.budgets().definitions().unwrap() {
        store.budgets().remove(&old.name).unwrap();
    }
    budgets.into_iter().for_each(|budget| store.budgets().set(budget).unwrap());
}

/// A store on a simulated machine, at ten o'clock.
pub(crate) fn simulated(budgets: Vec<Budget>) -> (SimDisk, Store) {
    let disk = SimDisk::new(7);
    disk.set_clock(START);
    let store = Store::open_on(Arc::new(disk.clone()), "store", Options::default()).unwrap();
    define(&store, budgets);
    (disk, store)
}

pub(crate) fn tokens(tokens: u64) -> Request {
    Request::new().tokens(tokens)
}

pub(crate) fn granted(store: &Store, request: &Request) -> Guard {
    match store.budgets().reserve(request).unwrap() {
        Reservation::Granted(guard) => guard,
        Reservation::Refused(refused) => panic!("refused: {refused}"),
    }
}

pub(crate) fn refused(store: &Store, request: &Request) -> Refused {
    match store.budgets().reserve(request).unwrap() {
        Reservation::Granted(_) => panic!("granted"),
        Reservation::Refused(refused) => refused,
    }
}

pub(crate) fn call(prompt: i64, response: i64) -> Event {
    Event::ai("call").model("llama3.2").tokens(prompt, response)
}

pub(crate) fn status(store: &Store, name: &str) -> Status {
    let rows = store.budgets().status().unwrap();
    rows.into_iter().find(|row| row.name == name).unwrap()
}

pub(crate) fn used_and_held(store: &Store, name: &str) -> (u64, u64) {
    let status = status(store, name);
    (status.used, status.held)
}

#[test]
fn a_store_without_definitions_has_the_default_budgets_and_no_file_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    store.writer().unwrap().append(&call(30_000, 15_000)).unwrap();
    let rows = store.budgets().observe().unwrap();
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (row.name.as_str(), row.used, row.limit, row.mode, row.status, row.scope.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("hourly", 45_000, 50_000, Mode::Observe, Standing::Warning, "all"),
            ("daily", 45_000, 500_000, Mode::Observe, Standing::Ok, "all"),
        ]
    );
    assert!(!dir.path().join("budgets").exists(), "somebody who only looks writes nothing");
}

#[test]
fn sixty_four_threads_that_race_for_a_hundred_tokens_never_get_more() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Buffered, ..Options::default() };
    for ask in [58, 80, 175, 7, 100] {
        let store = Store::open(dir.path().join(ask.to_string()), options.clone()).unwrap();
        define(&store, vec![hard("race", 100, Window::Lifetime)]);
        let admitted = AtomicU64::new(0);
        let start = Barrier::new(64);
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    start.wait();
                    if let Reservation::Granted(guard) = store.budgets().reserve(&tokens(ask)).unwrap() {
                        admitted.fetch_add(ask, Ordering::Relaxed);
                        guard.commit(&call(i64::try_from(ask).unwrap(), 0)).unwrap();
                    }
                });
            }
        });
        let admitted = admitted.into_inner();
        assert_eq!(admitted, 100 / ask * ask, "as many as fit, and no more");
        assert_eq!(used_and_held(&store, "race"), (admitted, 0));
        assert_eq!(store.budgets().verify().unwrap(), []);
    }
}

#[test]
fn what_equals_the_limit_is_within_it() {
    let (_disk, store) = simulated(vec![hard("b", 100, Window::Day)]);
    let guard = granted(&store, &tokens(100));
    let refused = refused(&store, &tokens(1));
    assert_eq!((refused.used, refused.held, refused.asked, refused.limit), (0, 100, 1, 100));
    assert_eq!(refused.to_string(), "budget b: 1 asked, 0 used and 100 held of 100");
    guard.release().unwrap();
    granted(&store, &tokens(100)).release().unwrap();
    assert_eq!(used_and_held(&store, "b"), (0, 0));
}

#[test]
fn a_reservation_is_held_in_all_of_its_budgets_or_in_none() {
    let ann = Budget { selector: vec![("user".into(), "ann".into())], ..hard("ann", 100, Window::Day) };
    let each = Budget { by: Some("model".into()), ..hard("each", 150, Window::Day) };
    let (_disk, store) = simulated(vec![hard("all", 1000, Window::Day), ann, each]);
    let ask = |user: &str, model: &str, n| tokens(n).field("user", user).model(model);
    let first = granted(&store, &ask("ann", "a", 90));
    assert_eq!(refused(&store, &ask("ann", "b", 20)).budget, "ann");
    let by_model = refused(&store, &ask("bob", "a", 100));
    assert_eq!((by_model.budget.as_str(), by_model.group.as_deref()), ("each", Some("a")));
    assert_eq!(used_and_held(&store, "all"), (0, 90), "what was refused is held nowhere");
    let second = granted(&store, &ask("bob", "b", 150));
    let committed = first.commit(&Event::ai("x").tokens(30, 5)).unwrap();
    second.commit(&Event::ai("x").tokens(1, 1)).unwrap();
    let rows = store.budgets().status().unwrap();
    let shown: Vec<_> = rows.iter().map(|row| (row.scope.as_str(), row.used, row.held)).collect();
    assert_eq!(shown, [("all", 37, 0), ("user=ann", 35, 0), ("model=a", 35, 0), ("model=b", 2, 0)]);
    let record = &crate::support::rows(&store)[0];
    assert_eq!(Some(record.id), committed.id);
    assert!(record.fields.contains(&("user".into(), "Str(\"ann\")".into())), "the event says whose it is");
    assert_eq!(store.budgets().verify().unwrap(), []);
}

#[test]
fn soft_and_observed_limits_admit_and_say_so() {
    let soft = Budget { mode: Mode::Soft, ..hard("soft", 10, Window::Day) };
    let observed = Budget { mode: Mode::Observe, ..hard("observed", 5, Window::Day) };
    let (_disk, store) = simulated(vec![soft, observed, hard("hard", 30, Window::Day)]);
    let guard = granted(&store, &tokens(20));
    let beyond: Vec<_> = guard.beyond().iter().map(|one| (one.budget.as_str(), one.mode)).collect();
    assert_eq!(beyond, [("soft", Mode::Soft), ("observed", Mode::Observe)]);
    let verdict = store.budgets().check(&tokens(11)).unwrap();
    assert_eq!(verdict.refused.map(|one| one.budget), Some("hard".into()));
    assert_eq!(verdict.remaining.iter().map(|one| one.remaining).collect::<Vec<_>>(), [0, 0, 0]);
    assert_eq!(used_and_held(&store, "hard"), (0, 20), "a check holds nothing");
}

#[test]
fn a_guard_that_is_dropped_lets_go_in_a_panic_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    define(&store, vec![hard("b", 100, Window::Day)]);
    drop(granted(&store, &tokens(60)));
    assert_eq!(used_and_held(&store, "b"), (0, 0));
    let panicked = std::thread::scope(|scope| {
        let dies = scope.spawn(|| {
            let _guard = granted(&store, &tokens(60));
            assert_eq!(used_and_held(&store, "b"), (0, 60));
            std::panic::resume_unwind(Box::new("the call failed"));
        });
        dies.join()
    });
    assert!(panicked.is_err());
    assert_eq!(used_and_held(&store, "b"), (0, 0));
}

#[test]
fn more_than_was_reserved_is_booked_and_the_next_is_refused() {
    let (_disk, store) = simulated(vec![hard("b", 100, Window::Day)]);
    granted(&store, &tokens(50)).commit(&call(120, 30)).unwrap();
    assert_eq!(used_and_held(&store, "b"), (150, 0));
    let wait = refused(&store, &tokens(0)).retry_after;
    assert!(wait.unwrap() <= std::time::Duration::from_hours(14), "until midnight");
    assert_eq!(status(&store, "b").status, Standing::Exceeded);
}

#[test]
fn a_call_that_began_before_midnight_counts_before_midnight() {
    let (disk, store) = simulated(vec![hard("b", 100, Window::Day)]);
    disk.set_clock(START + 14 * HOUR - S);
    let guard = granted(&store, &tokens(70));
    assert!(refused(&store, &tokens(31)).retry_after.is_none(), "that depends on the other call");
    disk.set_clock(START + 14 * HOUR + 5 * S);
    assert_eq!(used_and_held(&store, "b"), (0, 0), "a new day: nothing is used and nothing is held in it");
    let other = granted(&store, &tokens(100));
    guard.commit(&call(90, 0)).unwrap();
    assert_eq!(used_and_held(&store, "b"), (0, 100));
    other.release().unwrap();
    disk.set_clock(START + 14 * HOUR + 10 * S);
    assert_eq!(used_and_held(&store, "b"), (0, 0));
    let booked = rows(&store).iter().filter(|row| row.time < START + 14 * HOUR).count();
    assert_eq!(booked, 1, "the event lies in the day of its reservation");
    assert_eq!(store.budgets().verify().unwrap(), []);
}

#[test]
fn an_event_that_is_committed_twice_is_booked_once_and_one_that_grew_is_corrected() {
    let (_disk, store) = simulated(vec![
        hard("b", 1000, Window::Day),
        Budget { measure: Measure::Requests, ..hard("calls", 10, Window::Day) },
    ]);
    let commit = |prompt, response| -> Committed {
        let event = call(prompt, response).field("event_id", "call-1");
        granted(&store, &tokens(100)).commit(&event).unwrap()
    };
    assert!(commit(50, 10).id.is_some());
    assert_eq!(commit(50, 10).id, None);
    assert_eq!(commit(20, 0).id, None, "what is smaller changes nothing");
    assert_eq!(used_and_held(&store, "b"), (60, 0));
    assert!(commit(50, 90).id.is_some());
    assert_eq!(used_and_held(&store, "b"), (140, 0), "booked is the most that was said");
    assert_eq!(used_and_held(&store, "calls"), (1, 0));
    assert_eq!(rows(&store).len(), 2, "the event and one correction");
    assert_eq!(store.budgets().verify().unwrap(), []);
    // Whoever comes after a rebuild knows the id too, from the log.
    store.budgets().rebuild().unwrap();
    assert_eq!(commit(50, 90).id, None);
    assert_eq!(used_and_held(&store, "b"), (140, 0));
}

#[test]
fn a_clock_that_is_set_back_or_ahead_gives_no_free_budget() {
    let (disk, store) = simulated(vec![hard("b", 100, Window::Fixed(HOUR))]);
    granted(&store, &tokens(80)).commit(&call(80, 0)).unwrap();
    disk.set_clock(START - HOUR);
    assert_eq!(refused(&store, &tokens(21)).used, 80, "ten o'clock has come and does not come again");
    granted(&store, &tokens(20)).commit(&call(20, 0)).unwrap();
    refused(&store, &tokens(1));
    disk.set_clock(START + DAY);
    granted(&store, &tokens(100)).commit(&call(100, 0)).unwrap();
    disk.set_clock(START + HOUR);
    refused(&store, &tokens(1));
    assert_eq!(store.budgets().verify().unwrap(), []);
    store.budgets().rebuild().unwrap();
    granted(&store, &tokens(100)).release().unwrap();
}

#[test]
fn plain_appends_count_once_and_imported_ones_never() {
    use logq_engine::{ImportProgress, Packer, SourceId};
    let (disk, store) = simulated(vec![hard("b", 1000, Window::Day)]);
    let log = store.writer().unwrap();
    log.append(&call(100, 50)).unwrap();
    log.append(&Event::log(logq_engine::Level::Info, "no tokens")).unwrap();
    let mut packer = Packer::new();
    for n in 0..30 {
        packer.push(&call(500, 500).at(START - n * DAY), START).unwrap();
    }
    let source = SourceId { hash: 1, prefix_len: 1, generation: 0 };
    log.append_import(&packer.finish(), ImportProgress { source, start: 0, end: 1, tail_hash: 0 }).unwrap();
    assert_eq!(used_and_held(&store, "b"), (150, 0));
    // The next reservation sees a plain append once the counters are a tenth of a second old.
    log.append(&call(100, 0)).unwrap();
    disk.advance(S / 5);
    assert_eq!(refused(&store, &tokens(800)).used, 250);
    store.seal().unwrap();
    assert_eq!(used_and_held(&store, "b"), (250, 0), "nor does sealing change anything");
    assert_eq!(store.budgets().verify().unwrap(), []);
    assert_eq!(store.budgets().rebuild().unwrap(), []);
    log.close().unwrap();
    store.seal().unwrap();
    assert_eq!(store.budgets().rebuild().unwrap(), [], "from segments too");
    assert_eq!(used_and_held(&store, "b"), (250, 0));
}

fn spend_a_little(store: &Store) {
    let by_user = Budget { by: Some("user".into()), ..hard("by user", 500, Window::Sliding(HOUR)) };
    define(store, vec![hard("b", 1000, Window::Day), by_user, hard("s", 1000, Window::Session(5 * HOUR))]);
    for n in 0..40 {
        let user = format!("u{}", n % 7);
        let guard = granted(store, &tokens(20).field("user", user));
        guard.commit(&call(n, 2)).unwrap();
    }
}

#[test]
fn a_table_that_is_lost_or_damaged_anywhere_is_made_anew_with_the_same_counters() {
    let (disk, store) = simulated(Vec::new());
    spend_a_little(&store);
    let before = store.budgets().status().unwrap();
    drop(store);
    let table = Path::new("store/budgets/table");
    let size = disk.contents(table).unwrap().iter().rposition(|byte| *byte != 0).unwrap() as u64;
    for at in (0..size).step_by(131).chain([4096, 4100, size - 1]) {
        let other = disk.process();
        let store = Store::open_on(Arc::new(other), "store", Options::default()).unwrap();
        disk.corrupt(table, at..at + 1, |bytes| bytes[0] ^= 0x11);
        let after = store.budgets().status().unwrap();
        for (one, two) in before.iter().zip(&after) {
            assert_eq!(
                (&one.name, &one.scope, one.used, one.held),
                (&two.name, &two.scope, two.used, two.held),
                "byte {at}"
            );
        }
        assert_eq!(store.budgets().verify().unwrap(), [], "byte {at}");
    }
}

#[test]
fn counters_survive_a_restart_and_another_boot() {
    let (disk, store) = simulated(Vec::new());
    spend_a_little(&store);
    let figures = |store: &Store| -> Vec<_> {
        let rows = store.budgets().status().unwrap();
        rows.into_iter().map(|row| (row.name, row.scope, row.used, row.held)).collect()
    };
    let before = figures(&store);
    drop(store);
    disk.kill();
    let store = Store::open_on(Arc::new(disk.process()), "store", Options::default()).unwrap();
    assert_eq!(figures(&store), before);
    store.writer().unwrap().flush().unwrap();
    drop(store);
    let machine = disk.crash(&Keep::Everything);
    let store = Store::open_on(Arc::new(machine), "store", Options::default()).unwrap();
    assert_eq!(figures(&store), before);
    assert_eq!(store.budgets().verify().unwrap(), []);
}

#[test]
fn a_killed_process_gives_its_headroom_back_and_a_living_one_keeps_it() {
    let disk = SimDisk::new(3);
    disk.set_clock(START);
    let (one, two) = (disk.process(), disk.process());
    let open =
        |process: &SimDisk| Store::open_on(Arc::new(process.clone()), "store", Options::default()).unwrap();
    let (first, second) = (open(&one), open(&two));
    define(&first, vec![hard("b", 100, Window::Day)]);
    let guard = granted(&first, &tokens(70));
    assert_eq!(refused(&second, &tokens(50)).held, 70, "the other process lives");
    one.kill();
    std::mem::forget(guard);
    granted(&second, &tokens(100)).commit(&call(60, 0)).unwrap();
    assert_eq!(used_and_held(&second, "b"), (60, 0));
    assert_eq!(second.budgets().verify().unwrap(), []);
}

#[test]
fn a_slot_that_another_process_took_over_does_not_keep_its_old_holds() {
    let disk = SimDisk::new(3);
    disk.set_clock(START);
    let (one, two, three) = (disk.process(), disk.process(), disk.process());
    let open =
        |process: &SimDisk| Store::open_on(Arc::new(process.clone()), "store", Options::default()).unwrap();
    let first = open(&one);
    define(&first, vec![hard("b", 100, Window::Day)]);
    std::mem::forget(granted(&first, &tokens(70)));
    one.kill();
    let second = open(&two);
    let log = second.writer().unwrap();
    assert_eq!(log.id(), 0, "the slot of the one that was killed");
    granted(&open(&three), &tokens(100)).release().unwrap();
    drop(log);
}

#[test]
fn a_detached_hold_lives_until_it_is_settled_or_over() {
    let (disk, store) = simulated(vec![hard("b", 100, Window::Day)]);
    let budgets = store.budgets();
    let ask = |n| tokens(n).model("llama3.2").field("operation", "chat");
    let one = budgets.reserve_detached(&ask(40)).unwrap().unwrap();
    let two = budgets.reserve_detached(&ask(40)).unwrap().unwrap();
    assert_eq!(two.remaining[0].remaining, 20);
    assert_eq!(budgets.reserve_detached(&ask(21)).unwrap().unwrap_err().held, 80);
    let hold: logq_engine::budget::HoldId = one.hold.to_string().parse().unwrap();
    // A rebuild and another boot keep them: they are in the log.
    budgets.rebuild().unwrap();
    drop(budgets);
    drop(store);
    let disk = disk.crash(&Keep::Everything);
    let store = Store::open_on(Arc::new(disk.clone()), "store", Options::default()).unwrap();
    let budgets = store.budgets();
    assert_eq!(used_and_held(&store, "b"), (0, 80));
    assert!(budgets.commit_detached(hold, &Event::ai("chat").tokens(30, 5)).unwrap().id.is_some());
    assert_eq!(budgets.commit_detached(hold, &Event::ai("chat").tokens(30, 5)).unwrap().id, None);
    assert_eq!(used_and_held(&store, "b"), (35, 40));
    assert!(budgets.release_detached(two.hold).unwrap());
    assert!(!budgets.release_detached(two.hold).unwrap());
    assert_eq!(budgets.commit_detached(two.hold, &call(1, 1)).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(used_and_held(&store, "b"), (35, 0));
    assert_eq!(budgets.verify().unwrap(), []);
    // One that is over is free, and is booked all the same.
    let late = budgets.reserve_detached(&ask(60)).unwrap().unwrap();
    refused(&store, &tokens(60));
    disk.advance(11 * 60 * S);
    granted(&store, &tokens(60)).release().unwrap();
    budgets.commit_detached(late.hold, &Event::ai("chat").tokens(50, 0)).unwrap();
    assert_eq!(used_and_held(&store, "b"), (85, 0));
    let unknown = "0123456789abcdef".parse().unwrap();
    assert_eq!(budgets.commit_detached(unknown, &call(1, 1)).unwrap_err().kind(), ErrorKind::NotFound);
    let long = ask(1).ttl(std::time::Duration::from_hours(25));
    assert_eq!(budgets.reserve_detached(&long).unwrap_err().kind(), ErrorKind::Invalid);
    assert!("xyz".parse::<logq_engine::budget::HoldId>().is_err());
}

#[test]
fn a_ramp_to_six_fifths_raises_each_alert_once_through_restarts() {
    let disk = SimDisk::new(11);
    disk.set_clock(START);
    let told = Arc::new(Mutex::new(Vec::<Alert>::new()));
    let open = || {
        let store = Store::open_on(Arc::new(disk.process()), "store", Options::default()).unwrap();
        let told = Arc::clone(&told);
        let budgets = store.budgets();
        let again = budgets.clone();
        budgets.on_alert(move |alert| {
            // The budgets are free while a callback runs.
            again.observe().unwrap();
            told.lock().unwrap().push(alert.clone());
        });
        store
    };
    let mut thresholds: Vec<_> =
        ["0.5", "0.8", "0.95", "1"].map(|text| Threshold::parse(text).unwrap()).into();
    let mut store = open();
    let ramp =
        Budget { thresholds: thresholds.clone(), ..Budget::new("ramp", Measure::Tokens, 1000, Window::Day) };
    define(&store, vec![ramp]);
    for n in 0..120 {
        match n % 3 {
            0 => drop(granted(&store, &tokens(10)).commit(&call(10, 0)).unwrap()),
            1 => drop(store.budgets().record(&call(4, 6)).unwrap()),
            _ => {
                store.writer().unwrap().append(&call(10, 0)).unwrap();
                store.budgets().refresh().unwrap();
            }
        }
        if n % 7 == 0 {
            drop(store);
            store = open();
        }
        if n % 31 == 0 {
            store.budgets().rebuild().unwrap();
        }
    }
    let mut raised: Vec<_> = told.lock().unwrap().iter().map(|alert| alert.threshold).collect();
    let in_order = raised.clone();
    raised.sort();
    assert_eq!(raised, thresholds);
    assert_eq!(raised, in_order);
    let alerts = |store: &Store| {
        let is_alert = |row: &&crate::support::Row| {
            row.fields.contains(&("operation".into(), "Str(\"budget_alert\")".into()))
        };
        rows(store).iter().filter(is_alert).count()
    };
    assert_eq!(alerts(&store), 4);
    let last = told.lock().unwrap().last().unwrap().clone();
    assert_eq!(last.to_string(), "budget ramp: 1000 of 1000 tokens used (100 %, window day)");
    assert_eq!((last.used, last.window_start), (1000, START - 10 * HOUR));
    // The next day has its own.
    disk.set_clock(START + DAY);
    store.budgets().record(&call(700, 0)).unwrap();
    thresholds.truncate(1);
    assert_eq!(told.lock().unwrap().len(), 5);
    assert_eq!(alerts(&store), 5);
    assert_eq!(store.budgets().verify().unwrap(), []);
}

#[test]
fn a_sliding_window_alerts_again_only_after_it_has_fallen_well_below() {
    let budget = Budget {
        thresholds: vec![Threshold::parse("0.8").unwrap()],
        ..Budget::new("s", Measure::Tokens, 100, Window::Sliding(HOUR))
    };
    let (disk, store) = simulated(vec![budget]);
    let mut raised = Vec::new();
    for (minute, used) in [(0, 4), (10, 46), (20, 30), (61, 4), (72, 46), (73, 1)] {
        disk.set_clock(START + minute * 60 * S);
        let committed = store.budgets().record(&call(used, 0)).unwrap();
        if !committed.alerts.is_empty() {
            raised.push((minute, committed.alerts[0].used));
        }
    }
    // After 61 minutes 76 are left and 80 are used again, after 72 minutes 34 were left.
    assert_eq!(raised, [(20, 80), (72, 80)]);
    assert_eq!(store.budgets().verify().unwrap(), []);
}

#[test]
fn new_definitions_take_effect_for_processes_that_run() {
    let disk = SimDisk::new(3);
    disk.set_clock(START);
    let open = || Store::open_on(Arc::new(disk.process()), "store", Options::default()).unwrap();
    let (first, second) = (open(), open());
    define(&first, vec![hard("b", 100, Window::Day)]);
    let guard = granted(&second, &tokens(90).model("x"));
    let mut wider = hard("b", 200, Window::Day);
    first.budgets().set(wider.clone()).unwrap();
    let other = granted(&second, &tokens(90));
    wider.selector.push(("model".into(), "x".into()));
    first.budgets().set(wider).unwrap();
    guard.commit(&call(70, 0).model("x")).unwrap();
    other.commit(&call(50, 0)).unwrap();
    assert_eq!(used_and_held(&second, "b"), (70, 0), "only what it selects");
    assert_eq!(used_and_held(&first, "b"), (70, 0));
    assert!(first.budgets().remove("b").unwrap());
    assert!(!first.budgets().remove("b").unwrap());
    assert_eq!(second.budgets().status().unwrap(), []);
    granted(&second, &tokens(1_000_000)).release().unwrap();
}

#[test]
fn values_beyond_the_greatest_number_of_groups_are_limited_together() {
    let (_disk, store) = simulated(vec![Budget { by: Some("user".into()), ..hard("u", 100, Window::Day) }]);
    let log = store.writer().unwrap();
    for n in 0..GROUPS_MAX {
        log.append(&call(1, 0).field("user", n.to_string().as_str())).unwrap();
    }
    store.budgets().refresh().unwrap();
    granted(&store, &tokens(99).field("user", "3")).release().unwrap();
    let rest = granted(&store, &tokens(60).field("user", "new"));
    let refused = refused(&store, &tokens(60).field("user", "newer"));
    assert_eq!(refused.group.as_deref(), Some("(other values)"));
    rest.release().unwrap();
    // Which values are counted apart depends on which came first; their sum does not.
    store.budgets().record(&call(5, 0).field("user", "new").at(START - HOUR)).unwrap();
    assert_eq!(store.budgets().verify().unwrap(), []);
    log.append(&call(1, 0).field("user", "0").at(START - 2 * HOUR)).unwrap();
    assert_eq!(store.budgets().rebuild().unwrap(), []);
}

#[test]
fn sixteen_threads_of_the_stress_run_sum_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Buffered, ..Options::default() };
    let store = Store::open(dir.path(), options).unwrap();
    // 1,000 calls of 33,358 tokens in all: 33 each, and one more for the first 358.
    let log = store.writer().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (store, log) = (&store, &log);
            scope.spawn(move || {
                for n in (thread..1000).step_by(16) {
                    let used: u32 = if n < 358 { 34 } else { 33 };
                    let event = call(20, i64::from(used) - 20);
                    match n % 3 {
                        0 => drop(granted(store, &tokens(used.into())).commit(&event).unwrap()),
                        1 => drop(store.budgets().record(&event).unwrap()),
                        _ => drop(log.append(&event).unwrap()),
                    }
                }
            });
        }
    });
    assert_eq!(used_and_held(&store, "hourly"), (33_358, 0));
    assert_eq!(used_and_held(&store, "daily"), (33_358, 0));
    assert_eq!(store.budgets().verify().unwrap(), []);
}

#[test]
fn the_folder_of_budgets_may_be_taken_away_while_processes_run() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    define(&store, vec![hard("b", 100, Window::Day)]);
    let definitions = std::fs::read(dir.path().join("budgets/definitions")).unwrap();
    let guard = granted(&store, &tokens(60));
    std::fs::remove_dir_all(dir.path().join("budgets")).unwrap();
    std::fs::create_dir(dir.path().join("budgets")).unwrap();
    std::fs::write(dir.path().join("budgets/definitions"), definitions).unwrap();
    // A new process makes a new table; this one finds it, and brings back what it holds.
    let other = Store::open(dir.path(), Options::default()).unwrap();
    other.budgets().status().unwrap();
    while status(&other, "b").held != 60 {
        store.budgets().refresh().unwrap();
    }
    assert_eq!(refused(&other, &tokens(50)).held, 60);
    guard.commit(&call(60, 0)).unwrap();
    assert_eq!(used_and_held(&other, "b"), (60, 0));
}

#[test]
fn damaged_definitions_are_reported_and_never_guessed() {
    let (disk, store) = simulated(vec![hard("b", 100, Window::Day)]);
    assert_eq!(store.check().unwrap().damage, []);
    drop(store);
    let definitions = Path::new("store/budgets/definitions");
    disk.corrupt(definitions, 30..31, |bytes| bytes[0] ^= 1);
    let store = Store::open_on(Arc::new(disk.process()), "store", Options::default()).unwrap();
    let error = store.budgets().reserve(&tokens(1)).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Corrupt, Some(definitions)));
    assert_eq!(store.budgets().status().unwrap_err().kind(), ErrorKind::Corrupt);
    let damage = store.check().unwrap().damage;
    assert_eq!(damage.len(), 1);
    assert_eq!(damage[0].file, "budgets/definitions");
    // The log is as it was.
    store.writer().unwrap().append(&call(1, 1)).unwrap();
}
