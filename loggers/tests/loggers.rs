//! The operations of the three loggers, and what queries make of them.

use std::time::Duration;

use logq_engine::{Options, Store, Value};
use logq_loggers::{AiLogger, AiOperation, CacheStatistics, MemoryLogger, MemoryOperation, SystemLogger};
use logq_query::{Answer, Datum, RowShape, Session};
use logq_tokens::{Bucket, Encoding, Money, Prices, Source, State, Usage, read_usage};

fn store(dir: &std::path::Path) -> Store {
    Store::open(dir, Options { maintain: false, ..Options::default() }).unwrap()
}

fn ask(store: &Store, text: &str) -> Answer {
    let session = Session { shape: RowShape::Table, ..Session::default() };
    logq_query::Query::parse(text).unwrap().run(store, &session).unwrap()
}

/// The cells of the only row, by the names of their columns.
fn row(store: &Store, text: &str) -> Vec<(String, Datum)> {
    let answer = ask(store, text);
    let [row] = answer.rows.as_slice() else { panic!("{text}: {} rows", answer.rows.len()) };
    answer.columns.iter().map(|column| column.name.clone()).zip(row.cells.clone()).collect()
}

fn cell(row: &[(String, Datum)], name: &str) -> Datum {
    row.iter().find(|(have, _)| have == name).map_or(Datum::Missing, |(_, datum)| datum.clone())
}

#[test]
fn a_system_event_has_importance_source_and_data() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let log = SystemLogger::new(store.writer().unwrap()).source("agent");
    let data = [("version", Value::Str("2.0")), ("data.nodes", Value::Int(3))];
    log.event("startup", "Autonomous system started", 8, &data).unwrap();
    let found = row(
        &store,
        "events where importance >= 8 and version = 2.0 | keep operation, message, source, `data.nodes`",
    );
    assert_eq!(cell(&found, "operation"), Datum::text("startup"));
    assert_eq!(cell(&found, "source"), Datum::text("agent"));
    assert_eq!(cell(&found, "data.nodes"), Datum::Int(3));
    let cause = std::io::Error::other("disk full");
    log.error("checkpoint", "could not save", &cause, &[]).unwrap();
    let found = row(&store, "errors count, last(error) as error");
    assert_eq!((cell(&found, "count"), cell(&found, "error")), (Datum::Int(1), Datum::text("disk full")));
}

#[test]
fn a_call_without_reported_usage_is_counted_by_its_texts() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let ai = AiLogger::new(&store, store.writer().unwrap());
    let (prompt, response) = ("Analyze the 3x3 grid pattern", "Pattern follows Sudoku rules");
    let call = |model| AiOperation {
        prompt: Some(prompt),
        response: Some(response),
        context_type: Some("grid_analysis"),
        latency: Some(Duration::from_millis(1500)),
        ..AiOperation::new("puzzle_analysis", model)
    };
    ai.operation(&call("gpt-4o")).unwrap();
    ai.operation(&call("llama3.2")).unwrap();
    let (p, r) = (Encoding::O200kBase.count(prompt), Encoding::O200kBase.count(response));
    let int = |count: u64| Datum::Int(i64::try_from(count).unwrap());
    let exact = row(&store, "tokens where model=gpt-4o");
    assert_eq!((cell(&exact, "prompt_tokens"), cell(&exact, "response_tokens")), (int(p), int(r)));
    assert_eq!(cell(&exact, "estimated_tokens"), Datum::Int(0));
    // The vocabulary of this model is not public: its count is an estimate, and says so.
    let guess = row(&store, "tokens where model=llama3.2");
    assert_eq!(cell(&guess, "estimated_tokens"), cell(&guess, "total_tokens"));
    let method = row(&store, "events where model=llama3.2 | keep count_method, latency, context_type");
    assert_eq!(cell(&method, "count_method"), Datum::text("proxy:o200k_base(llama3)"));
    assert_eq!(cell(&method, "latency"), Datum::Duration(1_500_000_000));
    let bare = AiLogger::new(&store, store.writer().unwrap()).without_texts();
    bare.operation(&AiOperation { session: Some("quiet"), ..call("gpt-4o") }).unwrap();
    let kept = row(&store, "events where session=quiet | keep prompt, response, prompt_tokens");
    assert_eq!((cell(&kept, "prompt"), cell(&kept, "prompt_tokens")), (Datum::Missing, int(p)));
}

#[test]
fn reported_usage_is_booked_as_it_is_with_cost() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let ai = AiLogger::new(&store, store.writer().unwrap());
    let usage = serde_json::json!({
        "prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200,
        "prompt_tokens_details": {"cached_tokens": 400}, "completion_tokens_details": {"reasoning_tokens": 50}
    });
    let usage = read_usage(Source::OpenAi, &usage).unwrap();
    let call = AiOperation {
        usage: Some(&usage),
        prompt: Some("not counted"),
        provider: Some("openai"),
        time_ns: Some(1_760_000_000_000_000_000),
        ..AiOperation::new("chat", "gpt-4o")
    };
    ai.operation(&call).unwrap();
    let booked = row(&store, "tokens");
    for (name, want) in [
        ("prompt_tokens", 1000),
        ("response_tokens", 200),
        ("total_tokens", 1200),
        ("cached_tokens", 400),
        ("reasoning_tokens", 50),
        ("estimated_tokens", 0),
    ] {
        assert_eq!(cell(&booked, name), Datum::Int(want), "{name}");
    }
    // 600 at 2.50, 400 at 1.25 and 200 at 10.00 dollars a million.
    let cost = row(&store, "cost");
    assert_eq!(cell(&cost, "cost_usd"), Datum::Cost(4_000_000));
    assert_eq!(cell(&cost, "unpriced_calls"), Datum::Int(0));
    let state = row(&store, "events | keep cost_state, price_version");
    assert_eq!(cell(&state, "cost_state"), Datum::text("calculated"));
    assert_eq!(cell(&state, "price_version"), Datum::text(Prices::built_in().version()));
}

#[test]
fn a_call_without_a_price_is_unpriced_and_a_local_one_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let ai = AiLogger::new(&store, store.writer().unwrap());
    ai.track_token_usage("puzzle_analysis", 150, 250, "nobody-knows-this-model").unwrap();
    let mut usage = Usage::default();
    usage.set(Bucket::InUncached, 10, State::Reported);
    let local =
        AiOperation { usage: Some(&usage), provider: Some("ollama"), ..AiOperation::new("chat", "llama3.2") };
    ai.operation(&local).unwrap();
    usage.cost_reported = Some(Money::from_nanos(7));
    ai.operation(&AiOperation { usage: Some(&usage), ..AiOperation::new("chat", "also-unknown") }).unwrap();
    let answer = ask(&store, "cost by model sort model");
    let costs: Vec<(Datum, Datum, Datum)> = answer
        .rows
        .iter()
        .map(|row| {
            let place = |name| answer.columns.iter().position(|column| column.name == name).unwrap();
            let at = |name| row.cells[place(name)].clone();
            (at("model"), at("cost_usd"), at("unpriced_calls"))
        })
        .collect();
    assert_eq!(
        costs,
        [
            (Datum::text("also-unknown"), Datum::Cost(7), Datum::Int(0)),
            (Datum::text("llama3.2"), Datum::Cost(0), Datum::Int(0)),
            (Datum::text("nobody-knows-this-model"), Datum::Missing, Datum::Int(1)),
        ]
    );
}

#[test]
fn the_stress_run_of_the_system_before_counts_every_token() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let ai = AiLogger::new(&store, store.writer().unwrap());
    // 1,000 entries of 33,358 tokens from 16 threads: 358 entries have 34, the others 33.
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let ai = ai.clone();
            scope.spawn(move || {
                for n in (thread..1000).step_by(16) {
                    let prompt = if n < 358 { 14 } else { 13 };
                    ai.track_token_usage("stress", prompt, 20, "llama3.2").unwrap();
                }
            });
        }
    });
    let sum = row(&store, "tokens");
    assert_eq!((cell(&sum, "calls"), cell(&sum, "total_tokens")), (Datum::Int(1000), Datum::Int(33_358)));
}

#[test]
fn context_optimizations_and_memory_operations_have_their_reports() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let ai = AiLogger::new(&store, store.writer().unwrap());
    ai.context_optimization(2000, 1200, "puzzle_state", "intelligent_truncation").unwrap();
    ai.context_optimization(1000, 1100, "puzzle_state", "intelligent_truncation").unwrap();
    let saved = row(&store, "context");
    assert_eq!(cell(&saved, "original"), Datum::Int(3000));
    assert_eq!(cell(&saved, "saved"), Datum::Int(700));
    let memory = MemoryLogger::new(store.writer().unwrap());
    for hit in [true, true, false, true] {
        let lookup = MemoryOperation {
            operation: "retrieve",
            key: Some("mem_1"),
            hit: Some(hit),
            size: Some(100),
            latency: Some(Duration::from_micros(50)),
            ..MemoryOperation::default()
        };
        memory.operation(&lookup).unwrap();
    }
    let found = row(&store, "memory where operation=retrieve");
    assert_eq!((cell(&found, "hits"), cell(&found, "misses")), (Datum::Int(3), Datum::Int(1)));
    assert_eq!(cell(&found, "hit_rate"), Datum::Float(0.75));
    let cache = CacheStatistics { hits: 90, misses: 10, evictions: 2, size: 4096, capacity: 0 };
    memory.cache_statistics("embeddings", &cache).unwrap();
    let found = row(&store, "events where name=embeddings | keep operation, hits, capacity");
    assert_eq!((cell(&found, "hits"), cell(&found, "capacity")), (Datum::Int(90), Datum::Missing));
}

#[test]
fn a_call_is_reserved_before_it_is_made_and_an_alert_reaches_its_callback() {
    use logq_engine::budget::{Budget, Measure, Mode, Reservation, Window};
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let mut tokens = Budget::new("tokens", Measure::Tokens, 1_000, Window::Lifetime);
    tokens.selector.push(("user".into(), "ann".into()));
    tokens.mode = Mode::Hard;
    store.budgets().set(tokens).unwrap();
    let mut money = Budget::new("money", Measure::Cost, 1_000_000_000, Window::Lifetime);
    money.mode = Mode::Hard;
    store.budgets().set(money).unwrap();
    let logger = AiLogger::new(&store, store.writer().unwrap()).with_budgets().unwrap();
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = std::sync::Arc::clone(&told);
    logger.on_alert(move |alert| keep.lock().unwrap().push((alert.budget.clone(), alert.used)));

    let call =
        AiOperation { prompt: Some("Which way?"), user: Some("ann"), ..AiOperation::new("maze", "gpt-4o") };
    let Reservation::Granted(guard) = logger.reserve(&call, 900).unwrap() else { panic!("900 fit") };
    let held = |name: &str| {
        store
            .budgets()
            .status()
            .unwrap()
            .into_iter()
            .find(|row| row.name == name)
            .map(|row| (row.used, row.held))
    };
    // Three tokens of prompt, counted; 3 at 2.50 and 900 at 10.00 dollars a million.
    assert_eq!(held("tokens"), Some((0, 903)));
    assert_eq!(held("money"), Some((0, 9_007_500)));
    let Reservation::Refused(refused) = logger.reserve(&call, 98).unwrap() else { panic!("98 do not fit") };
    assert_eq!((refused.budget.as_str(), refused.asked), ("tokens", 101));
    let mut usage = Usage::default();
    usage.set(Bucket::InUncached, 3, State::Reported);
    usage.set(Bucket::OutText, 797, State::Reported);
    logger.commit(guard, &AiOperation { usage: Some(&usage), ..call }).unwrap();
    assert_eq!(held("tokens"), Some((800, 0)));
    assert_eq!(*told.lock().unwrap(), [("tokens".to_owned(), 800)]);
    // One million tokens of a model that costs 10 dollars for them are more than one dollar.
    let dear = AiOperation::new("essay", "gpt-4o");
    assert!(
        matches!(logger.reserve(&dear, 1_000_000).unwrap(), Reservation::Refused(one) if one.budget == "money")
    );
    logger.track_token_usage("chat", 500, 0, "llama3.2").unwrap();
    assert_eq!(store.budgets().verify().unwrap(), []);
    assert_eq!(ask(&store, "tokens where kind=ai").rows[0].cells[3], Datum::Int(1_300));
}

#[cfg(feature = "tokenizer-json")]
#[test]
fn a_tokenizer_file_counts_its_model_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("words.json");
    let words = r#"{"version":"1.0","added_tokens":[],"pre_tokenizer":{"type":"Whitespace"},
        "model":{"type":"WordLevel","vocab":{"?":0},"unk_token":"?"}}"#;
    std::fs::write(&path, words).unwrap();
    let store = store(dir.path());
    let file = logq_tokens::TokenizerFile::open(&path).unwrap();
    let logger = AiLogger::new(&store, store.writer().unwrap()).tokenizer("llama3.2", file);
    let long = "word ".repeat(logq_tokens::EXACT_SIZE_MAX / 5 + 1);
    for (model, prompt) in
        [("llama3.2", "internationalization of one"), ("llama3.1", "two"), ("llama3.2", long.as_str())]
    {
        logger.operation(&AiOperation { prompt: Some(prompt), ..AiOperation::new("x", model) }).unwrap();
    }
    let answer = ask(&store, "events | keep prompt_tokens, estimated_tokens, count_method");
    let row = |at: usize| {
        answer.rows[at].cells.iter().map(|cell| format!("{cell:?}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row(0), "Int(3) Int(3) Str(\"file:words.json\")");
    assert!(row(1).ends_with("Str(\"proxy:o200k_base(llama3)\")"), "{}", row(1));
    assert!(row(2).ends_with("Str(\"sample:o200k_base(llama3)\")"), "{}", row(2));
}
