//! The noun `budget`: how the budgets of a store stand, as rows like others.

use logq_engine::budget::{Budget, Measure, Mode, Request, Reservation, Window};
use logq_engine::{Event, Options, Store};
use logq_query::{Datum, Query, Rule, Session};

/// A store with a few budgets, and what a model used of them.
fn store(dir: &std::path::Path) -> Store {
    let store = Store::open(dir, Options::default()).unwrap();
    let budgets = store.budgets();
    let mut cost = Budget::new("money", Measure::Cost, 2_000_000_000, Window::Lifetime);
    cost.selector.push(("model".into(), "big".into()));
    budgets.set(cost).unwrap();
    let mut users = Budget::new("users", Measure::Tokens, 100, Window::Lifetime);
    users.by = Some("user".into());
    users.mode = Mode::Hard;
    budgets.set(users).unwrap();
    for (user, prompt) in [("ann", 85), ("bob", 20)] {
        let event = Event::ai("chat").model("big").tokens(prompt, 0).field("user", user).field("cost", 0.75);
        budgets.record(&event).unwrap();
    }
    store
}

fn cells(store: &Store, query: &str) -> Vec<Vec<String>> {
    let answer = logq_query::run(store, query).unwrap();
    assert!(answer.warnings.is_empty(), "{query}: {:?}", answer.warnings);
    answer.rows.iter().map(|row| row.cells.iter().map(|cell| format!("{cell:?}")).collect()).collect()
}

#[test]
fn a_row_for_each_counter_with_the_fixed_columns() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let answer = logq_query::run(&store, "budget").unwrap();
    let names: Vec<_> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names.join(" "), "name scope window used held limit ratio status resets_in eta");
    assert_eq!((answer.rows.len(), answer.stats.answered_from), (5, "counters"));
    assert_eq!(answer.stats.records_scanned, 0);
    let of = |query: &str| cells(&store, query);
    assert_eq!(
        of("budget where name=money | keep scope, window, used, `limit`, ratio, status"),
        [[
            "Str(\"model=big\")",
            "Str(\"lifetime\")",
            "Cost(1500000000)",
            "Cost(2000000000)",
            "Float(0.75)",
            "Str(\"ok\")"
        ]]
    );
    assert_eq!(
        of("budget where name=users sort used | keep scope, used, held, status, eta"),
        [
            ["Str(\"user=bob\")", "Int(20)", "Int(0)", "Str(\"ok\")", "Missing"],
            ["Str(\"user=ann\")", "Int(85)", "Int(0)", "Str(\"warning\")", "Missing"]
        ]
    );
    assert_eq!(of("budget status=warning | stats count"), [["Int(1)"]]);
    assert_eq!(of("budget | where ratio >= 0.8 | keep name").len(), 1);
    assert_eq!(of("budget limit 2 | keep name"), [["Str(\"hourly\")"], ["Str(\"daily\")"]]);
}

#[test]
fn what_is_held_is_shown_and_asking_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let request = Request::new().tokens(15).field("user", "ann");
    let Reservation::Granted(guard) = store.budgets().reserve(&request).unwrap() else {
        panic!("85 and 15 are within 100")
    };
    let held = Options { read_only: true, create: false, ..Options::default() };
    let reader = Store::open(dir.path(), held).unwrap();
    let table = std::fs::read(dir.path().join("budgets/table")).unwrap();
    assert_eq!(cells(&reader, "budget where scope=\"user=ann\" | keep held"), [["Int(15)"]]);
    assert_eq!(std::fs::read(dir.path().join("budgets/table")).unwrap(), table);
    guard.release().unwrap();
    assert_eq!(cells(&reader, "budget where scope=\"user=ann\" | keep held"), [["Int(0)"]]);
}

#[test]
fn usage_says_which_budget_of_just_these_events_is_closest_to_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let shares = |query: &str| cells(&store, &format!("{query} | keep budget, limit_share"));
    let nothing = ["Missing", "Missing"];
    // 105 tokens of 50,000 an hour and of 500,000 a day: the hour is closer.
    assert_eq!(shares("usage"), [["Str(\"hourly\")", "Float(0.0021)"]]);
    assert_eq!(shares("usage where model=big"), [["Str(\"money\")", "Float(0.75)"]]);
    assert_eq!(shares("usage by model"), [["Str(\"money\")", "Float(0.75)"]]);
    assert_eq!(
        shares("usage by user sort user"),
        [["Str(\"users\")", "Float(0.85)"], ["Str(\"users\")", "Float(0.2)"]]
    );
    assert_eq!(shares("usage where user=bob last 1h"), [["Str(\"users\")", "Float(0.2)"]]);
    assert_eq!(cells(&store, "usage by user | where limit_share > 0.8 | keep user"), [["Str(\"ann\")"]]);
    // No budget counts just these events, or not these alone.
    for query in [
        "usage where prompt_tokens > 1",
        "usage by user, model limit 1",
        "usage where user!=ann",
        "usage where user=carl",
    ] {
        assert!(shares(query).iter().all(|row| *row == nothing), "{query}: {:?}", shares(query));
    }
    assert_eq!(shares("usage since 2026-01-01 until 2026-01-02"), [nothing]);
    // Where the measures or buckets are the query's own there is nothing to compare.
    for query in ["usage count by user", "usage by user per 1h", "usage last 1h vs previous"] {
        let answer = logq_query::run(&store, query).unwrap();
        assert!(answer.columns.iter().all(|column| column.name != "limit_share"), "{query}");
    }
    let expanded = logq_query::run(&store, "explain usage where user=ann by model").unwrap().expanded;
    assert!(expanded.starts_with("usage where user = \"ann\" by model"), "{expanded}");
    let again = |query: &str| format!("{:?}", cells(&store, query));
    assert_eq!(again(&expanded), again("usage where user=ann by model"));
    let query = Query::parse("usage by user").unwrap();
    let answer = query.run_on(&store.snapshot().unwrap(), &Session::default(), i64::MAX).unwrap();
    assert_eq!(format!("{:?}", answer.rows[0].cells[7]), "Missing");
}

#[test]
fn what_the_noun_does_not_take_is_said() {
    for (text, said) in [
        ("budget by name", "`budget` takes no"),
        ("budget last 1h", "`budget` takes no"),
        ("budget count", "`budget` takes no"),
        ("budget where user=ann", "these rows have no column `user`"),
        ("events where model in (budget | keep name)", "`budget` gives no values to another query"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let problem = logq_query::run(&store, text).unwrap_err().to_string();
        assert!(problem.contains(said), "{text}: {problem}");
    }
}

#[test]
fn explain_says_that_no_record_is_read_and_a_snapshot_has_no_counters() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let answer = logq_query::run(&store, "explain budget where status=warning").unwrap();
    assert_eq!(answer.expanded, "budget | where status = \"warning\" | limit 10000");
    let lines: Vec<_> = answer.rows.iter().map(|row| row.cells[0].clone()).collect();
    assert!(lines.contains(&Datum::Str("read the counters of budgets".into())), "{lines:?}");
    let query = Query::parse("budget").unwrap();
    let snapshot = store.snapshot().unwrap();
    let error = query.run_on(&snapshot, &Session::default(), 0).unwrap_err();
    assert!(error.to_string().contains("a snapshot of one"), "{error}");
}

#[test]
fn a_correction_adds_tokens_and_cost_and_no_call() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let budgets = store.budgets();
    let call = |id: &str, response: i64| {
        let event = Event::ai("chat").model("big").tokens(100, response).field("event_id", id);
        let event = event.latency(std::time::Duration::from_millis(5));
        budgets.record(&event).unwrap().id
    };
    assert!(call("a", 1).is_some());
    assert!(call("a", 774).is_some(), "more than before is a correction");
    assert!(call("a", 774).is_none(), "the same again is nothing");
    assert!(call("b", 6).is_some());
    let priced = Event::ai("chat").model("small").tokens(10, 0).field("cost", 0.5).field("calls", 3);
    budgets.record(&priced).unwrap();
    drop(budgets);
    let queries = [
        "tokens calls(), sum(total_tokens) by model sort model",
        "tokens by model | sort model | keep model, calls, total_tokens",
        "usage by model | sort model | keep model, calls, total_tokens, unpriced_calls",
        "events where kind=ai calls(), sum(response_tokens) by model sort model",
        "latency count by model sort model",
        "cost | keep calls, cost_usd, unpriced_calls",
        "tokens per 1d | keep calls",
        "tokens by model | top 1 by calls",
    ];
    let both = || -> Vec<_> {
        let lanes = [Rule::ALL.to_vec(), Vec::new()].map(|rules| {
            let session = Session { rules, ..Session::default() };
            queries.map(|query| {
                let answer = Query::parse(query).unwrap().run(&store, &session).unwrap();
                answer.rows.iter().map(|row| row.cells.clone()).collect::<Vec<_>>()
            })
        });
        assert_eq!(lanes[0], lanes[1]);
        lanes[0].to_vec()
    };
    let before = both();
    store.seal().unwrap();
    assert_eq!(both(), before);
    let row = |query: usize, at: usize| {
        before[query][at].iter().map(|cell| format!("{cell:?}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        (row(1, 0).as_str(), row(1, 1).as_str()),
        ("Str(\"big\") Int(2) Int(980)", "Str(\"small\") Int(3) Int(10)")
    );
    assert_eq!(
        (row(2, 0), row(2, 1)),
        ("Str(\"big\") Int(2) Int(980) Int(2)".into(), "Str(\"small\") Int(3) Int(10) Int(0)".into())
    );
    assert_eq!(row(3, 0), "Str(\"big\") Int(2) Int(780)");
    assert_eq!(row(4, 0), "Str(\"big\") Int(2)", "what took its time once is measured once");
    assert_eq!(row(5, 0), "Int(5) Cost(500000000) Int(2)");
    assert_eq!(row(6, 0), "Int(5)");
    assert!(row(7, 0).starts_with("Str(\"small\") Int(3) "));
}
