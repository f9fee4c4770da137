//! What `tracing` and `log` hand over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use log::{Level, Log as _, Record};
use logq_engine::{Options, Store};
use logq_loggers::{LogBridge, TracingLayer};
use logq_query::{Query, RowShape, Session};
use tracing::field::Empty;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

fn store(dir: &std::path::Path) -> Store {
    Store::open(dir, Options { maintain: false, ..Options::default() }).unwrap()
}

fn rows(store: &Store, text: &str) -> Vec<String> {
    let session = Session { shape: RowShape::Table, ..Session::default() };
    let answer = Query::parse(text).unwrap().run(store, &session).unwrap();
    answer.rows.iter().map(|row| answer.row_json(row)).collect()
}

#[test]
fn an_event_has_its_fields_and_those_of_its_spans() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let layer = TracingLayer::new(store.writer().unwrap());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer.clone()), || {
        let outer = tracing::info_span!("session", session = "s1", step = 1, big = u64::MAX);
        let _outer = outer.enter();
        let inner = tracing::info_span!("step", step = 2);
        let _inner = inner.enter();
        tracing::warn!(target: "app::net", attempt = 3, ok = false, ratio = 0.5, what = ?Some(1), "no {}", "route");
        tracing::error!(target: "logq_engine::writer", "our own");
        tracing::info!(step = 9);
    });
    assert_eq!(layer.failures(), 0);
    let fields = "level, message, logger, span, session, step, attempt, ok, ratio, what, big";
    assert_eq!(
        rows(&store, &format!("events where attempt exists | keep {fields}")),
        [
            r#"{"level":"warn","message":"no route","logger":"app::net","span":"step","session":"s1","step":2,"attempt":3,"ok":false,"ratio":0.5,"what":"Some(1)","big":"18446744073709551615"}"#
        ]
    );
    assert_eq!(rows(&store, "events where step = 9 | keep step"), [r#"{"step":9}"#]);
    assert_eq!(rows(&store, "events count"), [r#"{"count":2}"#]);
}

#[test]
fn spans_of_model_calls_are_booked_and_those_of_agents_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let layer = TracingLayer::new(store.writer().unwrap());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let agent = tracing::info_span!(
            "agent",
            gen_ai.operation.name = "invoke_agent",
            gen_ai.usage.input_tokens = 30,
            gen_ai.usage.output_tokens = 60
        );
        let _agent = agent.enter();
        for n in 1..=3 {
            let chat = tracing::info_span!(
                "chat",
                gen_ai.operation.name = "chat",
                gen_ai.request.model = "asked",
                gen_ai.response.model = Empty,
                gen_ai.conversation.id = "c1",
                gen_ai.usage.input_tokens = 10,
                gen_ai.usage.cache_read.input_tokens = 4,
                gen_ai.usage.output_tokens = Empty,
                gen_ai.request.temperature = 0.5
            );
            chat.record("gen_ai.usage.output_tokens", 20);
            chat.record("gen_ai.response.model", "llama3.2");
            chat.in_scope(|| tracing::debug!(n, "streaming"));
        }
    });
    let sums = rows(&store, "tokens | keep calls, prompt_tokens, response_tokens, cached_tokens");
    assert_eq!(sums, [r#"{"calls":3,"prompt_tokens":30,"response_tokens":60,"cached_tokens":12}"#]);
    let calls = rows(&store, "events where kind=ai count by operation, model, session sort operation");
    assert_eq!(
        calls,
        [
            r#"{"operation":"chat","model":"llama3.2","session":"c1","count":3}"#,
            r#"{"operation":"invoke_agent","model":null,"session":null,"count":1}"#
        ]
    );
    let inside = rows(&store, "events where n = 2 | keep message, model, session, prompt_tokens");
    assert_eq!(inside, [r#"{"message":"streaming","model":"llama3.2","session":"c1","prompt_tokens":null}"#]);
    assert_eq!(rows(&store, "events where kind=ai and latency missing count"), [r#"{"count":0}"#]);
}

#[test]
fn records_of_the_log_crate_keep_level_target_and_place() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let bridge = LogBridge::new(store.writer().unwrap()).max_level(log::LevelFilter::Info);
    let log = |level, target: &str, n: i32| {
        bridge.log(
            &Record::builder()
                .level(level)
                .target(target)
                .file(Some("src/main.rs"))
                .line(Some(7))
                .args(format_args!("message {n}"))
                .build(),
        );
    };
    log(Level::Error, "app", 1);
    log(Level::Info, "logquery", 2);
    log(Level::Debug, "app", 3);
    log(Level::Error, "tantivy::indexer", 4);
    bridge.flush();
    assert_eq!(
        rows(&store, "events | keep level, message, logger, path, line"),
        [
            r#"{"level":"error","message":"message 1","logger":"app","path":"src/main.rs","line":7}"#,
            r#"{"level":"info","message":"message 2","logger":"logquery","path":"src/main.rs","line":7}"#
        ]
    );
    assert_eq!((bridge.failures(), bridge.take_error().is_none()), (0, true));
}

#[test]
fn an_append_that_fails_is_counted_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let writer = store.writer().unwrap();
    let (bridge, layer) = (LogBridge::new(writer.clone()), TracingLayer::new(writer.clone()));
    // More than one event may hold.
    let text = "x".repeat(80 << 20);
    bridge.log(&Record::builder().level(Level::Info).target("app").args(format_args!("{text}")).build());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer.clone()), || {
        tracing::info!("{text}");
    });
    assert_eq!((bridge.failures(), layer.failures()), (1, 1));
    assert!(bridge.take_error().is_some() && layer.take_error().is_some());
    assert!(layer.take_error().is_none());
    assert_eq!(rows(&store, "events count"), [r#"{"count":0}"#]);
}

/// Counts what reaches it.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Counting {
    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn what_is_not_logged_still_reaches_other_layers() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let (layer, other) = (TracingLayer::new(store.writer().unwrap()), Counting::default());
    let subscriber = tracing_subscriber::registry().with(layer).with(other.clone());
    tracing::subscriber::with_default(subscriber, || {
        let span = tracing::info_span!(target: "logq_engine::scan", "own", gen_ai.usage.input_tokens = 5);
        span.in_scope(|| tracing::info!(target: "logq_engine::writer", "our own"));
        tracing::info!("the program's");
    });
    assert_eq!(other.0.load(Ordering::Relaxed), 2);
    assert_eq!(rows(&store, "events count"), [r#"{"count":1}"#]);
}
