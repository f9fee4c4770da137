//! Budgets over time: holds that are extended, clocks that are set back, and a long ramp through restarts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logq_engine::budget::{Budget, Measure, Threshold, Window};
use logq_engine::io::sim::Keep;
use logq_engine::{Durability, ErrorKind, Event, Options, Store};

use crate::budgets::{HOUR, START, call, define, granted, hard, refused, simulated, tokens, used_and_held};
use crate::support::rows;

const S: i64 = 1_000_000_000;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_guard_holds_more_where_there_is_room_and_what_it_held_where_there_is_none() {
    let users = Budget { by: Some("user".into()), ..hard("users", 300, Window::Day) };
    let requests = Budget { measure: Measure::Requests, ..hard("calls", 1, Window::Day) };
    let (_disk, store) = simulated(vec![hard("b", 1000, Window::Day), users, requests]);
    let mut guard = granted(&store, &tokens(100).field("user", "ann"));
    assert_eq!(guard.extend(&tokens(150)).unwrap(), None, "it stays one call");
    assert_eq!((used_and_held(&store, "b"), used_and_held(&store, "users")), ((0, 250), (0, 250)));
    let no = guard.extend(&tokens(51)).unwrap().unwrap();
    assert_eq!((no.budget.as_str(), no.group.as_deref(), no.held), ("users", Some("ann"), 250));
    assert_eq!(used_and_held(&store, "b"), (0, 250), "all or nothing");
    guard.commit(&call(200, 90)).unwrap();
    assert_eq!((used_and_held(&store, "b"), used_and_held(&store, "calls")), ((290, 0), (1, 0)));
    assert_eq!(store.budgets().verify().unwrap(), []);
}

#[test]
fn an_extended_hold_lives_so_much_longer_and_one_that_is_over_is_not_brought_back() {
    let (disk, store) = simulated(vec![hard("b", 100, Window::Day)]);
    let mut guard = granted(&store, &tokens(60).ttl(seconds(60)));
    disk.advance(50 * S);
    assert_eq!(guard.extend(&tokens(0).ttl(seconds(60))).unwrap(), None);
    assert_eq!(guard.extend(&tokens(0).ttl(seconds(1))).unwrap(), None, "an extension never shortens");
    disk.advance(50 * S);
    assert_eq!(refused(&store, &tokens(60)).held, 60);
    disk.advance(20 * S);
    assert_eq!(guard.extend(&tokens(1)).unwrap_err().kind(), ErrorKind::NotFound);
    granted(&store, &tokens(100)).release().unwrap();
    // A call that went on all the same is booked.
    guard.commit(&call(60, 0)).unwrap();
    assert_eq!(used_and_held(&store, "b"), (60, 0));
}

#[test]
fn an_extended_guard_is_freed_whole_and_outlives_a_lost_table() {
    let (disk, store) = simulated(vec![hard("b", 100, Window::Day)]);
    let mut guard = granted(&store, &tokens(10));
    guard.extend(&tokens(20)).unwrap();
    disk.corrupt("store/budgets/table".as_ref(), 0..1, |bytes| bytes[0] ^= 1);
    store.budgets().rebuild().unwrap();
    assert_eq!(used_and_held(&store, "b"), (0, 30));
    drop(guard);
    assert_eq!(used_and_held(&store, "b"), (0, 0));
}

#[test]
fn an_extension_of_a_detached_hold_is_in_the_log() {
    let (disk, store) = simulated(vec![hard("b", 1000, Window::Day)]);
    let budgets = store.budgets();
    let hold = budgets.reserve_detached(&tokens(100).model("llama3.2")).unwrap().unwrap().hold;
    disk.advance(500 * S);
    assert_eq!(budgets.extend_detached(hold, &tokens(200).ttl(seconds(600))).unwrap(), None);
    assert!(budgets.extend_detached(hold, &tokens(701)).unwrap().is_some());
    let long = tokens(0).ttl(Duration::from_hours(24));
    assert_eq!(budgets.extend_detached(hold, &long).unwrap_err().kind(), ErrorKind::Invalid);
    // The power goes, and with it the table: the log has both halves.
    drop((budgets, store));
    let disk = disk.crash(&Keep::Everything);
    let options = Options { durability: Durability::Synced, ..Options::default() };
    let store = Store::open_on(Arc::new(disk.clone()), "store", options).unwrap();
    assert_eq!(used_and_held(&store, "b"), (0, 300));
    disk.advance(500 * S);
    assert_eq!(used_and_held(&store, "b"), (0, 300), "the first ten minutes are over and the others are not");
    store.budgets().commit_detached(hold, &call(150, 10)).unwrap();
    assert_eq!(used_and_held(&store, "b"), (160, 0));
    let over = store.budgets().extend_detached(hold, &tokens(1)).unwrap_err();
    assert_eq!(over.kind(), ErrorKind::NotFound);
    assert_eq!(store.budgets().verify().unwrap(), []);
}

/// Events of an operation.
fn events(store: &Store, operation: &str) -> usize {
    let is = ("operation".to_owned(), format!("Str({operation:?})"));
    rows(store).iter().filter(|row| row.fields.contains(&is)).count()
}

#[test]
fn a_clock_that_is_set_back_is_said_once_for_each_time() {
    let (disk, store) = simulated(vec![hard("b", 100, Window::Day)]);
    let spend = || granted(&store, &tokens(1)).commit(&call(1, 0)).unwrap();
    spend();
    disk.set_clock(START - S);
    spend();
    assert_eq!(events(&store, "clock_backward"), 0, "a second is drift");
    disk.set_clock(START - HOUR);
    spend();
    spend();
    disk.advance(60 * S);
    spend();
    store.budgets().status().unwrap();
    assert_eq!(events(&store, "clock_backward"), 1);
    let other = Store::open_on(Arc::new(disk.process()), "store", Options::default()).unwrap();
    other.budgets().refresh().unwrap();
    assert_eq!(events(&store, "clock_backward"), 1, "another process knows that it was said");
    let said = rows(&store).into_iter().flat_map(|row| row.fields);
    let behind: Vec<_> = said.filter(|(name, _)| name == "behind").map(|(_, value)| value).collect();
    // The simulated clock goes on by a little with each operation.
    assert!(matches!(behind.as_slice(), [one] if one.starts_with("Duration(36000000")), "{behind:?}");
    // It goes on, and is set back again.
    disk.set_clock(START + HOUR);
    spend();
    disk.set_clock(START);
    spend();
    spend();
    assert_eq!(events(&store, "clock_backward"), 2);
    assert_eq!(store.budgets().verify().unwrap(), []);
}

#[test]
fn a_million_calls_to_six_fifths_raise_each_alert_once_through_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let told = Arc::new(Mutex::new(BTreeMap::<String, u32>::new()));
    let open = || {
        let options = Options { durability: Durability::Buffered, ..Options::default() };
        let store = Store::open(dir.path(), options).unwrap();
        let told = Arc::clone(&told);
        store.budgets().on_alert(move |alert| {
            *told.lock().unwrap().entry(alert.dedupe_key.clone()).or_default() += 1;
        });
        store
    };
    let mut store = open();
    // What is left at 0.85 and 0.95 are two thresholds, and each is told.
    let thresholds: Vec<_> =
        ["0.5", "0.8", "0.85", "0.95", "1"].map(|text| Threshold::parse(text).unwrap()).into();
    let ramp = Budget::new("ramp", Measure::Requests, 1_000_000 * 5 / 6, Window::Lifetime);
    define(&store, vec![Budget { thresholds: thresholds.clone(), ..ramp }]);
    let plain: Vec<Event> = (0..980).map(|_| call(1, 0)).collect();
    for round in 0..1000 {
        store.writer().unwrap().append_batch(&plain).unwrap();
        for _ in 0..10 {
            store.budgets().record(&call(1, 0)).unwrap();
            granted(&store, &tokens(1)).commit(&call(1, 0)).unwrap();
        }
        store.budgets().refresh().unwrap();
        if round % 100 == 50 {
            drop(store);
            store = open();
        }
    }
    assert_eq!(used_and_held(&store, "ramp"), (1_000_000, 0));
    let told = told.lock().unwrap();
    let want = thresholds.iter().map(|threshold| (format!("ramp//{}/{threshold}", i64::MIN), 1));
    assert_eq!(*told, want.collect());
    assert_eq!(store.budgets().verify().unwrap(), []);
}
