//! The events of `bench` and `demo`: what a busy agent system logs, the same for the same seed.
//!
//! Eight models and twenty operations with skewed shares, ten thousand sessions, token counts and latencies with
//! long tails, messages from 26 templates with ids and numbers in them, and prompts and responses on a tenth.
//! Limits to keep in mind when reading numbers: bodies are built from stock sentences, so they compress better
//! than real ones, and ids are uniformly random.

// The paths are written out because the benchmarks take this file in from another folder.
#[path = "workload/random.rs"]
mod random;
#[path = "workload/text.rs"]
mod text;

use std::fmt::Write as _;
use std::time::Duration;

use logq_engine::{Event, Level};

use random::{Random, whole};
use text::{Call, call_message, memory_message, passage, system_message};

/// One day in nanoseconds.
pub(crate) const DAY: i64 = 86_400_000_000_000;
/// The span that the events of a workload cover.
pub(crate) const SPAN: i64 = 30 * DAY;

const SESSIONS: usize = 10_000;
const MODELS: [(u32, &str); 8] = [
    (40, "llama3.2"),
    (20, "gpt-4o-mini"),
    (15, "claude-sonnet-4"),
    (10, "qwen2.5-coder"),
    (6, "mistral-7b"),
    (5, "gemma2"),
    (3, "deepseek-r1"),
    (1, "phi-4"),
];
const CALLS: [(u32, &str); 12] = [
    (14, "puzzle_analysis"),
    (12, "hypothesis_generation"),
    (10, "code_review"),
    (9, "summarize"),
    (4, "embed"),
    (16, "tool_call"),
    (9, "plan_step"),
    (7, "retrieve"),
    (4, "rerank"),
    (5, "classify"),
    (2, "translate"),
    (20, "chat_turn"),
];
const MEMORY: [&str; 4] = ["memory_store", "memory_recall", "context_trim", "cache_lookup"];
const SYSTEM: [&str; 4] = ["startup", "shutdown", "health_check", "scheduler_tick"];
const CONTEXTS: [&str; 8] = [
    "mathematical_analysis",
    "grid_analysis",
    "puzzle_state",
    "conversation",
    "code",
    "retrieval",
    "planning",
    "none",
];
const METHODS: [&str; 4] = ["intelligent_truncation", "summary_merge", "sliding_window", "dedupe"];

/// One event, before it is an [`Event`] or a line of JSON.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    time: i64,
    kind: &'static str,
    level: Level,
    operation: &'static str,
    session: String,
    call: Option<Call>,
    latency_ms: i64,
    context: Option<&'static str>,
    /// Sizes before and after an optimisation of a context, and how it was done.
    optimized: Option<(i64, i64, &'static str)>,
    importance: i64,
    message: String,
    bodies: Option<(String, String)>,
}

impl Entry {
    /// The event as a program would build it.
    pub(crate) fn event(&self) -> Event {
        let mut event = Event::new()
            .at(self.time)
            .kind(self.kind)
            .level(self.level)
            .field("component", self.kind)
            .field("operation", self.operation)
            .session(&self.session)
            .latency(Duration::from_millis(self.latency_ms.unsigned_abs()))
            .importance(self.importance)
            .message(&self.message);
        if let Some(call) = self.call {
            event = event.model(call.model).tokens(call.prompt_tokens, call.response_tokens);
        }
        if let Some(context) = self.context {
            event = event.context_type(context);
        }
        if let Some((original, optimized, method)) = self.optimized {
            event = event
                .field("original_size", original)
                .field("optimized_size", optimized)
                .field("method", method);
        }
        if let Some((prompt, response)) = &self.bodies {
            event = event.prompt(prompt).response(response);
        }
        event
    }

    /// Appends the event as one line of native JSONL. No text of a workload needs an escape.
    pub(crate) fn write_json(&self, line: &mut String) {
        let (kind, level, operation) = (self.kind, self.level, self.operation);
        let Self { time, session, latency_ms, importance, message, .. } = self;
        let _ = write!(
            line,
            r#"{{"ts":{time},"kind":"{kind}","level":"{level}","component":"{kind}","operation":"{operation}""#
        );
        if let Some(call) = self.call {
            let Call { model, prompt_tokens: p, response_tokens: r } = call;
            let _ = write!(line, r#","model":"{model}","prompt_tokens":{p},"response_tokens":{r}"#);
        }
        let _ = write!(line, r#","session":"{session}","latency_ms":{latency_ms}"#);
        if let Some(context) = self.context {
            let _ = write!(line, r#","context_type":"{context}""#);
        }
        if let Some((original, optimized, method)) = self.optimized {
            let _ = write!(
                line,
                r#","original_size":{original},"optimized_size":{optimized},"method":"{method}""#
            );
        }
        let _ = write!(line, r#","importance":{importance},"message":"{message}""#);
        if let Some((prompt, response)) = &self.bodies {
            let _ = write!(line, r#","prompt":"{prompt}","response":"{response}""#);
        }
        line.push_str("}\n");
    }
}

/// Where the times of a workload lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    /// Evenly over the span.
    Even,
    /// A quarter of the events in the last day: what a system looks like that grew.
    Recent,
}

/// An endless stream of entries in the order of their times.
pub(crate) struct Workload {
    random: Random,
    until: i64,
    times: Times,
    sessions: Vec<String>,
    made: usize,
    all: usize,
}

impl Workload {
    /// A workload of `all` entries whose times end just before `until`.
    pub(crate) fn new(seed: u64, all: usize, until: i64, times: Times) -> Self {
        let mut random = Random::new(seed);
        let sessions = (0..SESSIONS).map(|_| format!("sess-{}", random.hex(12))).collect();
        Self { random, until, times, sessions, made: 0, all: all.max(1) }
    }

    /// The events of the whole workload.
    pub(crate) fn events(self) -> Vec<Event> {
        self.map(|entry| entry.event()).collect()
    }

    /// A time inside the slice of the span that belongs to the entry.
    fn time(&mut self) -> i64 {
        let count = |number: usize| i128::try_from(number).unwrap_or(i128::MAX);
        let recent = match self.times {
            Times::Even => 0,
            Times::Recent => self.all / 4,
        };
        let early = self.all - recent;
        let (start, span, at, of) = match (self.times, self.made < early) {
            (Times::Even, _) => (self.until - SPAN, SPAN, self.made, early),
            (Times::Recent, true) => (self.until - SPAN, SPAN - DAY, self.made, early),
            (Times::Recent, false) => (self.until - DAY, DAY, self.made - early, recent),
        };
        let slice = i64::try_from(i128::from(span) / count(of.max(1))).unwrap_or(1).max(1);
        let offset = i64::try_from(i128::from(span) * count(at) / count(of.max(1))).unwrap_or(0);
        start + offset + self.random.range(0, slice - 1)
    }

    fn call(&mut self, mut entry: Entry) -> Entry {
        let random = &mut self.random;
        let call = Call {
            model: random.weighted(&MODELS),
            prompt_tokens: whole(random.normal(5.8, 1.1).exp().min(120_000.0)) + 1,
            response_tokens: whole(random.normal(5.0, 1.0).exp().min(30_000.0)) + 1,
        };
        entry.kind = "ai";
        entry.operation = random.weighted(&CALLS);
        entry.latency_ms = 80 + call.response_tokens * random.range(4, 18) + random.exponential(120.0);
        entry.context = Some(random.pick(&CONTEXTS));
        (entry.level, entry.message) = call_message(random, call, entry.operation, entry.latency_ms);
        if random.range(0, 999) < 154 {
            let all = random.index(1200) + 300;
            let prompt = all / 5 + random.index(all * 2 / 5);
            entry.bodies = Some((passage(random, prompt), passage(random, all - prompt)));
        }
        entry.call = Some(call);
        entry
    }

    fn system(&mut self, mut entry: Entry) -> Entry {
        entry.operation = self.random.pick(&SYSTEM);
        entry.latency_ms = self.random.exponential(40.0);
        (entry.level, entry.message) = system_message(&mut self.random);
        entry
    }

    fn memory(&mut self, mut entry: Entry) -> Entry {
        let random = &mut self.random;
        entry.kind = "memory";
        entry.operation = random.pick(&MEMORY);
        entry.latency_ms = random.exponential(15.0);
        entry.context = Some(random.pick(&CONTEXTS));
        if entry.operation == "context_trim" {
            let (original, optimized, method) =
                (random.range(1000, 9000), random.range(200, 999), random.pick(&METHODS));
            entry.kind = "context";
            entry.optimized = Some((original, optimized, method));
            let context = entry.context.unwrap_or("none");
            entry.message = format!(
                "Optimized context from {original} to {optimized} tokens using {method} for {context}"
            );
        } else {
            (entry.level, entry.message) = memory_message(random);
        }
        entry
    }
}

impl Iterator for Workload {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.all <= self.made {
            return None;
        }
        let time = self.time();
        // The square makes few sessions long and many short.
        let skewed = self.random.ratio().powi(2) * 10_000.0;
        let session = self.sessions[usize::try_from(whole(skewed)).unwrap_or(0) % SESSIONS].clone();
        let entry = Entry {
            time,
            kind: "system",
            level: Level::Info,
            operation: "",
            session,
            call: None,
            latency_ms: 0,
            context: None,
            optimized: None,
            importance: self.random.range(1, 10),
            message: String::new(),
            bodies: None,
        };
        self.made += 1;
        Some(match self.random.range(0, 99) {
            0..65 => self.call(entry),
            65..85 => self.system(entry),
            _ => self.memory(entry),
        })
    }
}

#[cfg(test)]
mod tests {
    const UNTIL: i64 = 1_795_363_200_000_000_000;

    #[test]
    fn the_same_seed_gives_the_same_events() {
        use super::{Times, Workload};
        let text = |seed| {
            let mut text = String::new();
            Workload::new(seed, 200, UNTIL, Times::Even).for_each(|entry| entry.write_json(&mut text));
            text
        };
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }

    #[test]
    fn every_line_is_json_and_says_the_same_as_the_event() {
        use super::{Times, Workload};
        for entry in Workload::new(7, 2000, UNTIL, Times::Recent) {
            let mut line = String::new();
            entry.write_json(&mut line);
            let json: serde_json::Value = serde_json::from_str(&line).unwrap();
            let event = entry.event();
            assert_eq!(json["ts"].as_i64(), event.time());
            assert_eq!(json["message"].as_str().map(logq_engine::Value::Str), event.get("message"));
            assert_eq!(
                json["prompt_tokens"].as_i64().map(logq_engine::Value::Int),
                event.get("prompt_tokens")
            );
        }
    }

    #[test]
    fn times_rise_and_stay_inside_the_span() {
        use super::{DAY, SPAN, Times, Workload};
        for times in [Times::Even, Times::Recent] {
            let all: Vec<i64> = Workload::new(3, 1000, UNTIL, times).map(|entry| entry.time).collect();
            assert!(all.is_sorted());
            assert!(all.iter().all(|time| (UNTIL - SPAN..UNTIL).contains(time)));
        }
        let recent =
            Workload::new(3, 1000, UNTIL, Times::Recent).filter(|entry| UNTIL - DAY <= entry.time).count();
        assert_eq!(recent, 250);
    }
}
