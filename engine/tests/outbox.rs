//! The outbox: every alert reaches its receiver, once where nothing fails, through failures, kills and other processes.

use std::path::Path;
use std::sync::Arc;

use logq_engine::budget::{Budget, Delivered, Measure, Outgoing, Threshold, Window};
use logq_engine::io::Vfs;
use logq_engine::io::sim::{Keep, SimDisk};
use logq_engine::{ErrorKind, Event, Options, Store, Value};

use crate::budgets::{START, call, simulated};

const S: i64 = 1_000_000_000;

/// A budget with thresholds at each tenth of 1,000 tokens.
fn tenths() -> Vec<Budget> {
    let thresholds = (1..=10).map(|tenth| Threshold::parse(&format!("{}", f64::from(tenth) / 10.0)).unwrap());
    let budget = Budget::new("tenths", Measure::Tokens, 1000, Window::Day);
    vec![Budget { thresholds: thresholds.collect(), ..budget }]
}

fn open(disk: &SimDisk) -> Store {
    Store::open_on(Arc::new(disk.clone()), "store", Options::default()).unwrap()
}

/// Delivers to a list, and says which thresholds arrived.
fn deliver(store: &Store) -> (Delivered, Vec<String>) {
    let mut told = Vec::new();
    let done = store.budgets().deliver(&mut |alert| {
        told.push(threshold(alert));
        Ok(())
    });
    (done.unwrap(), told)
}

fn threshold(alert: &Outgoing) -> String {
    match alert.event.get("threshold") {
        Some(Value::Number(text)) => text.to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn an_alert_is_delivered_once_in_order_whoever_raised_it() {
    let (disk, store) = simulated(tenths());
    assert_eq!(deliver(&store).0, Delivered::default());
    store.budgets().record(&call(350, 0)).unwrap();
    // A plain append of another process is raised by the delivery itself.
    let other = open(&disk.process());
    other.writer().unwrap().append(&call(100, 0)).unwrap();
    let (done, told) = deliver(&store);
    assert_eq!((done.delivered, done.waiting), (4, 0));
    assert_eq!(told, ["0.1", "0.2", "0.3", "0.4"]);
    assert_eq!(deliver(&other).1, [""; 0]);
    store.budgets().record(&call(100, 0)).unwrap();
    store.budgets().rebuild().unwrap();
    assert_eq!(deliver(&other).1, ["0.5"]);
    drop((store, other));
    assert_eq!(deliver(&open(&disk.process())).1, [""; 0], "a restart delivers nothing again");
}

#[test]
fn what_fails_is_tried_again_later_and_later_and_what_follows_waits() {
    let (disk, store) = simulated(tenths());
    store.budgets().record(&call(250, 0)).unwrap();
    let mut tried = Vec::new();
    let mut fail = |disk: &SimDisk| {
        let done = store.budgets().deliver(&mut |alert| {
            tried.push(threshold(alert));
            Err("no route".into())
        });
        let done = done.unwrap();
        let failed = done.failed.clone().map(|failed| (failed.attempts, failed.what));
        (failed, done.waiting, done.retry_at.unwrap() - Vfs::now(disk))
    };
    for attempt in 1..=10 {
        let (failed, waiting, wait) = fail(&disk);
        assert_eq!((failed, waiting), (Some((attempt, "no route".into())), 2));
        let want = (S << (attempt - 1)).min(300 * S);
        assert!((want - S / 10..=want).contains(&wait), "attempt {attempt}: {wait}");
        // Who comes before the time tries nothing.
        let (failed, waiting, _) = fail(&disk);
        assert_eq!((failed, waiting), (None, 2));
        disk.advance(want + 1);
    }
    assert_eq!(tried, ["0.1"; 10]);
    assert_eq!(deliver(&store).1, ["0.1", "0.2"]);
    // One that gets through ends the waiting.
    store.budgets().record(&call(100, 0)).unwrap();
    assert_eq!(deliver(&store).1, ["0.3"]);
}

#[test]
fn a_clock_that_is_set_back_does_not_hold_alerts_for_years() {
    let (disk, store) = simulated(tenths());
    store.budgets().record(&call(150, 0)).unwrap();
    disk.set_clock(START + 3600 * S);
    let done = store.budgets().deliver(&mut |_| Err("down".into())).unwrap();
    assert_eq!(done.waiting, 1);
    disk.set_clock(START);
    assert_eq!(deliver(&store).1, ["0.1"]);
}

#[test]
fn a_process_that_dies_after_a_delivery_repeats_that_one_under_the_same_key() {
    let (disk, store) = simulated(tenths());
    store.budgets().record(&call(250, 0)).unwrap();
    let mut keys = Vec::new();
    let mut after = Vec::new();
    let done = store.budgets().deliver(&mut |alert| {
        keys.push(alert.dedupe_key().to_owned());
        // The machine as it is if the process is killed here.
        after.push(disk.crash(&Keep::Everything));
        Ok(())
    });
    assert_eq!(done.unwrap().delivered, 2);
    for (at, disk) in after.into_iter().enumerate() {
        let mut again = Vec::new();
        let store = open(&disk);
        let done = store.budgets().deliver(&mut |alert| {
            again.push(alert.dedupe_key().to_owned());
            Ok(())
        });
        assert_eq!(done.unwrap().delivered, 2 - at as u64);
        assert_eq!(again, keys[at..]);
    }
}

#[test]
fn no_two_processes_deliver_at_a_time_and_spending_goes_on_meanwhile() {
    let (disk, store) = simulated(tenths());
    store.budgets().record(&call(150, 0)).unwrap();
    let other = open(&disk.process());
    let done = store.budgets().deliver(&mut |_| {
        assert!(deliver(&other).0.busy);
        store.budgets().record(&call(100, 0)).unwrap();
        Ok(())
    });
    assert_eq!(done.unwrap().delivered, 1);
    assert_eq!(deliver(&other).1, ["0.2"]);
}

#[test]
fn a_store_that_never_delivered_begins_a_day_back_and_so_does_one_whose_outbox_is_damaged() {
    let (disk, store) = simulated(tenths());
    store.budgets().record(&call(150, 0)).unwrap();
    disk.advance(86_400 * S);
    store.budgets().record(&call(250, 0)).unwrap();
    assert_eq!(deliver(&store).1, ["0.1", "0.2"], "those of today");
    disk.corrupt(Path::new("store/budgets/outbox"), 9..10, |bytes| bytes[0] ^= 1);
    assert_eq!(deliver(&store).1, ["0.1", "0.2"], "once more rather than never");
    assert_eq!(deliver(&store).1, [""; 0]);
}

#[test]
fn what_looks_like_an_alert_and_is_none_is_not_delivered() {
    let (disk, store) = simulated(tenths());
    let like =
        Event::system("budget_alert", "pay at once").field("source", "budget").field("_budget", "alert");
    store.writer().unwrap().append(&like).unwrap();
    assert_eq!(deliver(&store).1, [""; 0]);
    let options = Options { read_only: true, create: false, ..Options::default() };
    let reader = Store::open_on(Arc::new(disk.process()), "store", options).unwrap();
    let error = reader.budgets().deliver(&mut |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
