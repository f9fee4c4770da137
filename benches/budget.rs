//! What reserving and committing costs: `cargo bench --bench budget`.
//!
//! Ten hard budgets, of which every call belongs to all. Percentiles over single calls: in one process, in two that
//! take turns as they can, and of the first reservation after the store is opened.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use logq_engine::budget::{Budget, Measure, Mode, Request, Reservation, Window};
use logq_engine::{Durability, Event, Options, Store};

const STORE: &str = "LOGQ_BENCH_BUDGETS";
const CALLS: usize = 200_000;

fn open(dir: &Path) -> Store {
    let options = Options { durability: Durability::Buffered, ..Options::default() };
    Store::open(dir, options).expect("a store in a temporary directory")
}

fn define(store: &Store, windows: &[&str]) {
    let budgets = store.budgets();
    for old in budgets.definitions().expect("definitions") {
        budgets.remove(&old.name).expect("a removal");
    }
    for (n, window) in windows.iter().cycle().take(10).enumerate() {
        let window = Window::parse(window).expect("a window");
        let mut budget = Budget::new(n.to_string(), Measure::ALL[n % 3], u64::MAX / 2, window);
        budget.mode = Mode::Hard;
        budgets.set(budget).expect("a definition");
    }
}

/// One call: what it may use is held, its event is appended, what it used is booked.
fn call(store: &Store, request: &Request, event: &Event) {
    match store.budgets().reserve(request).expect("a reservation") {
        Reservation::Granted(guard) => drop(guard.commit(event).expect("a commit")),
        Reservation::Refused(refused) => panic!("{refused}"),
    }
}

fn spend(store: &Store, calls: usize) -> Vec<Duration> {
    let request = Request::new().model("llama3.2").prompt_tokens(150).response_tokens(250);
    let event = Event::ai("chat").tokens(150, 250);
    let mut took = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        call(store, &request, &event);
        took.push(start.elapsed());
    }
    took
}

fn report(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: f64| {
        let index = (took.len() as f64 * share).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
        let index = (index as usize).min(took.len() - 1);
        took[index]
    };
    let all: Duration = took.iter().sum();
    let mean = all / u32::try_from(took.len()).unwrap_or(u32::MAX);
    println!("{what}: mean {mean:?}, p50 {:?}, p99 {:?}, p99.9 {:?}", at(0.5), at(0.99), at(0.999));
}

fn main() {
    if let Some(dir) = std::env::var_os(STORE) {
        let store = open(Path::new(&dir));
        return report("  reserve and commit beside another process", spend(&store, CALLS / 2));
    }
    for (name, windows) in
        [("fixed windows", &["1h", "day", "month"][..]), ("sliding windows", &["sliding:1h"])]
    {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = open(dir.path());
        define(&store, windows);
        spend(&store, 1000);
        report(&format!("10 budgets, {name}: reserve and commit"), spend(&store, CALLS));
        let mut took = Vec::new();
        for _ in 0..20 {
            let request = Request::new().tokens(1);
            let start = Instant::now();
            let store = open(dir.path());
            store.budgets().check(&request).expect("a check");
            took.push(start.elapsed());
        }
        report("  open the store and check", took);
        let child = || {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command.env(STORE, dir.path()).stdout(Stdio::inherit()).spawn().expect("a process")
        };
        let children = [child(), child()];
        for mut child in children {
            child.wait().expect("a process that ends");
        }
        assert_eq!(store.budgets().verify().expect("a count"), [], "every call is booked once");
    }
}
