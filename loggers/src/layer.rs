//! Events and spans of the crate `tracing`.
//!
//! An event becomes an event of kind `log` with its fields and those of the spans it is in; the inner one wins. A span
//! that has fields `gen_ai.*` becomes an event of kind `ai` when it closes, by the semantic conventions of
//! OpenTelemetry for generative AI: `gen_ai.usage.input_tokens` holds cached tokens too, `gen_ai.usage.output_tokens`
//! holds reasoning. Spans of agents and workflows repeat the usage of the calls inside them, so theirs is kept under
//! its own name and not booked.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use logq_engine::{Error, Event, Level, Value, Writer};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Names of the conventions, older ones too, and the field that each becomes.
const GEN_AI: [(&str, &str); 19] = [
    ("gen_ai.operation.name", "operation"),
    ("gen_ai.response.model", "model"),
    ("gen_ai.request.model", "model"),
    ("gen_ai.provider.name", "provider"),
    ("gen_ai.system", "provider"),
    ("gen_ai.conversation.id", "session"),
    ("gen_ai.usage.input_tokens", "prompt_tokens"),
    ("gen_ai.usage.prompt_tokens", "prompt_tokens"),
    ("gen_ai.usage.output_tokens", "response_tokens"),
    ("gen_ai.usage.completion_tokens", "response_tokens"),
    ("gen_ai.usage.cache_read.input_tokens", "cached_tokens"),
    ("gen_ai.usage.cache_read_input_tokens", "cached_tokens"),
    ("gen_ai.usage.cache_write.input_tokens", "cache_write_tokens"),
    ("gen_ai.usage.cache_creation.input_tokens", "cache_write_tokens"),
    ("gen_ai.usage.reasoning.output_tokens", "reasoning_tokens"),
    ("gen_ai.usage.reasoning_tokens", "reasoning_tokens"),
    ("gen_ai.usage.cost", "cost"),
    ("gen_ai.response.id", "message_id"),
    ("error.type", "error"),
];
/// Operations whose usage is that of the calls inside them.
const PARENTS: [&str; 4] = ["invoke_agent", "create_agent", "invoke_workflow", "agent_step"];

/// A layer for `tracing_subscriber`.
///
/// An append that fails cannot be reported to whoever traces: it is counted, and the last error is kept.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use logq_engine::{Options, Store};
/// use logq_loggers::TracingLayer;
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let store = Store::open(dir.path(), Options::default())?;
/// let subscriber = tracing_subscriber::registry().with(TracingLayer::new(store.writer()?));
/// tracing::subscriber::with_default(subscriber, || {
///     let span = tracing::info_span!(
///         "call",
///         gen_ai.request.model = "llama3.2",
///         gen_ai.usage.input_tokens = 150,
///         gen_ai.usage.output_tokens = tracing::field::Empty
///     );
///     span.in_scope(|| tracing::info!(attempt = 1, "asking"));
///     span.record("gen_ai.usage.output_tokens", 250);
/// });
/// let answer = logq_query::run(&store, "tokens where model=llama3.2")?;
/// assert_eq!(answer.rows[0].cells[3], logq_query::Datum::Int(400));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TracingLayer {
    writer: Writer,
    failed: Arc<Failed>,
}

#[derive(Debug, Default)]
struct Failed {
    count: AtomicU64,
    last: Mutex<Option<Error>>,
}

/// What a span is known by.
struct Span {
    begun: Instant,
    fields: Fields,
}

/// Fields in the order in which they came; a later value of one name takes the place of the earlier one.
#[derive(Default)]
struct Fields(Vec<(&'static str, Owned)>);

enum Owned {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

impl Owned {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Int(value) => Value::Int(*value),
            Self::Float(value) => Value::Float(*value),
            Self::Bool(value) => Value::Bool(*value),
            Self::Text(text) => Value::Str(text),
        }
    }
}

impl Fields {
    fn put(&mut self, field: &Field, value: Owned) {
        let name = field.name();
        match self.0.iter_mut().find(|(have, _)| *have == name) {
            Some((_, have)) => *have = value,
            None => self.0.push((name, value)),
        }
    }

    fn get(&self, name: &str) -> Option<&Owned> {
        self.0.iter().find(|(have, _)| *have == name).map(|(_, value)| value)
    }

    fn is_gen_ai(&self) -> bool {
        self.0.iter().any(|(name, _)| name.starts_with("gen_ai."))
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Owned::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = i64::try_from(value).map_or_else(|_| Owned::Text(value.to_string()), Owned::Int);
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Owned::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Owned::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Owned::Text(value.to_owned()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, Owned::Text(value.to_string()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, Owned::Text(format!("{value:?}")));
    }
}

impl TracingLayer {
    /// A layer that appends with this writer.
    #[must_use]
    pub fn new(writer: Writer) -> Self {
        Self { writer, failed: Arc::default() }
    }

    /// How many events could not be appended.
    pub fn failures(&self) -> u64 {
        self.failed.count.load(Ordering::Relaxed)
    }

    /// The last reason for that, once.
    pub fn take_error(&self) -> Option<Error> {
        self.failed.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn append(&self, event: &Event) {
        if let Err(error) = self.writer.append(event) {
            self.failed.count.fetch_add(1, Ordering::Relaxed);
            *self.failed.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }
}

impl<S: Subscriber + for<'l> LookupSpan<'l>> Layer<S> for TracingLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| !crate::is_own(span.metadata().target())) else {
            return;
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().replace(Span { begun: Instant::now(), fields });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(Span { fields, .. }) = span.extensions_mut().get_mut() {
            values.record(fields);
        }
    }

    fn on_event(&self, traced: &tracing::Event<'_>, context: Context<'_, S>) {
        let metadata = traced.metadata();
        // Not said by `enabled`, which would keep it from all other layers too.
        if crate::is_own(metadata.target()) {
            return;
        }
        let mut fields = Fields::default();
        traced.record(&mut fields);
        let message = match fields.get("message") {
            Some(Owned::Text(text)) => text.as_str(),
            _ => metadata.name(),
        };
        let mut event = Event::log(level(metadata), message).field("logger", metadata.target());
        let mut spans = context.event_scope(traced).into_iter().flatten().collect::<Vec<_>>();
        if let Some(inner) = spans.first() {
            event.set("span", Value::Str(inner.name()));
        }
        // From the outermost on, so that what is nearer takes the place of what is farther.
        spans.reverse();
        for span in spans {
            if let Some(Span { fields, .. }) = span.extensions().get() {
                let shared = fields.0.iter().filter(|(name, _)| !name.starts_with("gen_ai.usage."));
                shared.for_each(|(name, value)| event.set(known(name), value.value()));
            }
        }
        for (name, value) in fields.0.iter().filter(|(name, _)| *name != "message") {
            event.set(name, value.value());
        }
        self.append(&event);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let extensions = span.extensions();
        let Some(Span { begun, fields }) = extensions.get::<Span>() else { return };
        if !fields.is_gen_ai() {
            return;
        }
        let mut event = Event::ai(span.name()).level(level(span.metadata())).latency(begun.elapsed());
        event.set("span", Value::Str(span.name()));
        event.set("logger", Value::Str(span.metadata().target()));
        let books = match fields.get("gen_ai.operation.name") {
            Some(Owned::Text(operation)) => !PARENTS.contains(&operation.as_str()),
            _ => true,
        };
        // Of several names of one field the one that stands first in the table wins.
        let mut taken: Vec<&str> = Vec::new();
        for (name, field) in GEN_AI {
            let is_usage = name.starts_with("gen_ai.usage.");
            if let Some(value) = fields.get(name)
                && (books || !is_usage)
                && !taken.contains(&field)
            {
                event.set(field, value.value());
                taken.push(field);
            }
        }
        let is_known = |name: &str| GEN_AI.iter().any(|(known, _)| *known == name);
        for (name, value) in
            fields.0.iter().filter(|(name, _)| !is_known(name) || (!books && name.contains(".usage.")))
        {
            event.set(name, value.value());
        }
        self.append(&event);
    }
}

/// What a field of a span is called in events inside it.
fn known(name: &'static str) -> &'static str {
    GEN_AI.iter().find(|(known, _)| *known == name).map_or(name, |(_, field)| field)
}

fn level(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}
