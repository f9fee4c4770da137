//! Budgets when processes die: at any operation, and with the power.
//!
//! A child process is this test binary again, told by an environment variable what to do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use logq_engine::budget::{Budget, Request, Reservation, Window};
use logq_engine::io::sim::{EIO, Fault, Keep, Op, SimDisk};
use logq_engine::{Durability, Event, Options, Store};

use crate::budgets::{HOUR, START, call, define, granted, hard, refused, tokens, used_and_held};
use crate::support::rows;

const ROLE: &str = "LOGQ_BUDGET_ROLE";
const STORE: &str = "LOGQ_BUDGET_STORE";

fn open(machine: &SimDisk) -> Store {
    let options = Options { durability: Durability::Synced, ..Options::default() };
    Store::open_on(Arc::new(machine.clone()), "store", options).unwrap()
}

fn machine() -> SimDisk {
    let disk = SimDisk::new(5);
    disk.set_clock(START);
    let by_user = Budget { by: Some("user".into()), ..hard("u", 1_000_000, Window::Sliding(HOUR)) };
    let store = open(&disk.process());
    define(&store, vec![hard("b", 1000, Window::Day), by_user]);
    store.budgets().record(&call(7, 3)).unwrap();
    disk
}

/// A bit of everything. Stops at the first error.
fn work(store: &Store) -> logq_engine::Result<()> {
    let budgets = store.budgets();
    let request = Request::new().tokens(50).field("user", "ann");
    if let Reservation::Granted(guard) = budgets.reserve(&request)? {
        guard.commit(&call(20, 20))?;
    }
    let held = budgets.reserve_detached(&request)?;
    budgets.set(hard("b", 2000, Window::Day))?;
    budgets.record(&call(1, 1).field("event_id", "once"))?;
    budgets.record(&call(5, 1).field("event_id", "once"))?;
    if let Ok(held) = held {
        budgets.commit_detached(held.hold, &Event::ai("x").model("m").tokens(10, 5))?;
    }
    let other = budgets.reserve(&request)?;
    budgets.set(Budget::new("late", logq_engine::budget::Measure::Tokens, 60, Window::Day))?;
    drop(other);
    budgets.rebuild()?;
    Ok(())
}

/// Tokens that the log holds.
fn logged(store: &Store) -> u64 {
    let number = |fields: &[(String, String)], name: &str| {
        let text = fields.iter().find(|(field, _)| field == name).map(|(_, text)| text.as_str());
        text.and_then(|text| text.strip_prefix("Int(")?.strip_suffix(')')?.parse::<u64>().ok()).unwrap_or(0)
    };
    let tokens =
        |fields: &[(String, String)]| number(fields, "prompt_tokens") + number(fields, "response_tokens");
    rows(store).iter().map(|row| tokens(&row.fields)).sum()
}

/// The budgets are what the log says, and nothing is held but by holds of commands.
fn all_is_well(store: &Store, place: &str) {
    let budgets = store.budgets();
    assert_eq!(budgets.verify().unwrap(), [], "{place}");
    let (used, held) = used_and_held(store, "b");
    assert_eq!(used, logged(store), "{place}");
    assert!(held == 0 || held == 50, "{place}: {held} held");
    let limit = budgets.definitions().unwrap().iter().find(|budget| budget.name == "b").unwrap().limit;
    let rest = limit - used - held;
    granted(store, &tokens(rest)).release().unwrap();
    assert_eq!(refused(store, &tokens(rest + 1)).asked, rest + 1, "{place}");
    let alerts = rows(store);
    let alerts: Vec<_> = alerts
        .iter()
        .flat_map(|row| &row.fields)
        .filter(|(name, _)| name == "dedupe_key")
        .map(|(_, key)| key)
        .collect();
    let once: std::collections::BTreeSet<_> = alerts.iter().collect();
    assert_eq!(once.len(), alerts.len(), "{place}: an alert is there twice");
}

/// How many operations the work takes.
fn operations() -> u64 {
    let disk = machine();
    let before = disk.ops();
    work(&open(&disk.process())).unwrap();
    disk.ops() - before
}

#[test]
fn a_process_that_is_killed_at_any_operation_leaves_counters_that_the_log_bears_out() {
    let all = operations();
    assert!(50 < all, "only {all} operations");
    for at in 0..all {
        let disk = machine();
        let dies = disk.process();
        let store = open(&dies);
        dies.kill_after(disk.ops() + at);
        // It may have got through: the operations of two runs are not always the same number.
        let _killed = work(&store);
        dies.kill();
        std::mem::forget(store);
        all_is_well(&open(&disk.process()), &format!("killed at operation {at}"));
    }
}

#[test]
fn a_power_cut_at_any_operation_leaves_counters_that_the_log_bears_out() {
    let all = operations();
    for at in (0..all).step_by(3) {
        let keeps = [Keep::Nothing, Keep::Everything, Keep::Subset(at), Keep::Prefix(at)];
        for keep in keeps {
            let disk = machine();
            let store = open(&disk.process());
            disk.cut_after(disk.ops() + at);
            let _cut = work(&store);
            std::mem::forget(store);
            let disk = disk.crash(&keep);
            all_is_well(&open(&disk.process()), &format!("cut at operation {at}, {keep:?}"));
        }
    }
}

#[test]
fn an_operation_that_fails_once_costs_nothing_but_its_call() {
    let mut fired = 0;
    for op in Op::ALL {
        for nth in 0..10 {
            let disk = machine();
            let process = disk.process();
            let store = open(&process);
            disk.fail(Fault::once(op, nth, EIO));
            let result = work(&store);
            fired += disk.fired();
            disk.heal();
            if disk.fired() == 0 {
                result.unwrap();
            }
            // The process goes on, or says why not and a new one does.
            if store.budgets().status().is_ok() {
                assert_eq!(store.budgets().verify().unwrap(), [], "{op:?} {nth}");
            }
            drop(store);
            process.kill();
            all_is_well(&open(&disk.process()), &format!("{op:?} {nth} failed"));
        }
    }
    assert!(50 < fired, "only {fired} operations failed");
}

fn spawn(role: &str, dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "budgets_crash::child", "--nocapture", "--quiet"]);
    command.env(ROLE, role).env(STORE, dir).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// Not a test by itself: what the child processes of the tests below do.
#[test]
fn child() {
    let (Ok(role), Ok(dir)) = (std::env::var(ROLE), std::env::var(STORE)) else { return };
    let options = Options { durability: Durability::Buffered, ..Options::default() };
    let store = Store::open(&dir, options).unwrap();
    if role == "hold" {
        let guard = granted(&store, &tokens(90));
        println!("held");
        std::io::stdout().flush().unwrap();
        std::io::stdin().read_line(&mut String::new()).unwrap();
        guard.release().unwrap();
        return;
    }
    let (mut sum, mut refusals) = (0, 0);
    while refusals < 3 {
        match store.budgets().reserve(&tokens(7)).unwrap() {
            Reservation::Refused(_) => refusals += 1,
            Reservation::Granted(guard) => {
                sum += 7;
                guard.commit(&call(5, 2)).unwrap();
            }
        }
    }
    println!("spent {sum}");
}

#[test]
fn eight_processes_that_race_spend_a_limit_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    define(&store, vec![hard("race", 7_003, Window::Lifetime)]);
    let children: Vec<_> = (0..8).map(|_| spawn("race", dir.path())).collect();
    let mut sum = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8_lossy(&output.stdout);
        let spent = text.split("spent ").nth(1).unwrap().split_whitespace().next().unwrap();
        sum += spent.parse::<u64>().unwrap();
    }
    assert_eq!(sum, 7_000);
    assert_eq!(used_and_held(&store, "race"), (7_000, 0));
    assert_eq!(store.budgets().verify().unwrap(), []);
}

#[test]
fn a_process_that_is_killed_between_reserve_and_commit_gives_its_headroom_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    define(&store, vec![hard("b", 100, Window::Day)]);
    let mut child = spawn("hold", dir.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("held")));
    assert_eq!(refused(&store, &tokens(20)).held, 90);
    assert_eq!(used_and_held(&store, "b"), (0, 90));
    child.kill().unwrap();
    child.wait().unwrap();
    granted(&store, &tokens(100)).release().unwrap();
    assert_eq!(used_and_held(&store, "b"), (0, 0));
}
