//! Alerts to a program: what a program that hangs, fails or floods costs, and delivery in the background.

use std::sync::mpsc;
use std::time::Duration;

use logq_engine::{Event, Options, Store};
use logq_loggers::ExecSink;

fn over(store: &Store) {
    store.budgets().record(&Event::ai("chat").tokens(45_000, 0)).unwrap();
}

fn open(dir: &std::path::Path) -> Store {
    Store::open(dir, Options { maintain: false, ..Options::default() }).unwrap()
}

/// The failure of one delivery to a shell that runs `script`.
fn failure(script: &str, timeout: Duration) -> String {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    over(&store);
    let sink = ExecSink::new(["sh", "-c", script]).unwrap().timeout(timeout);
    sink.deliver(&store.budgets()).unwrap().failed.map_or_else(|| "none".into(), |failed| failed.what)
}

#[test]
fn a_program_that_hangs_is_killed_and_one_that_fails_says_why() {
    let long = Duration::from_secs(60);
    assert!(failure("sleep 600", Duration::from_millis(50)).contains("took more than 50ms and was killed"));
    assert_eq!(failure("echo wrong number >&2; exit 3", long), "`sh` failed: exit status: 3: wrong number");
    // One that reads nothing, floods what nobody reads, or leaves something running has done its work all the same.
    assert_eq!(failure("exec 0<&-; yes | head -c 1000000; yes | head -c 1000000 >&2", long), "none");
    assert_eq!(failure("sleep 600 & exit 0", long), "none");
    assert!(failure("yes error | head -c 1000000 >&2; exit 1", long).len() < 3000);
}

#[test]
fn a_watch_delivers_what_is_raised_and_tells_of_failures() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let out = dir.path().join("told");
    let sink = ExecSink::new(["tee", "-a", out.to_str().unwrap()]).unwrap();
    let watch = sink.watch(&store, |what| panic!("{what}"));
    over(&store);
    while !std::fs::read_to_string(&out).is_ok_and(|text| text.ends_with('\n')) {
        std::thread::yield_now();
    }
    drop(watch);
    assert_eq!(std::fs::read_to_string(&out).unwrap().lines().count(), 1);
    let (tell, told) = mpsc::channel();
    let watch = ExecSink::new(["/nowhere/notify"])
        .unwrap()
        .watch(&store, move |what| drop(tell.send(what.to_owned())));
    over(&store);
    assert!(told.recv().unwrap().contains("`/nowhere/notify` cannot be run"));
    drop(watch);
    assert!(told.recv().is_err(), "nothing is delivered once it is dropped");
}
