//! The events of `bench` and `demo`: what a busy agent system logs, the same for the same seed.
//!
//! Eight models and twenty operations with skewed shares, ten thousand sessions, token counts and latencies with
//! long tails, messages from 26 templates with ids and numbers in them, and prompts and responses on a tenth.
//! Limits to keep in mind when reading numbers: bodies are built from stock sentences, so they compress better
//! than real ones, and ids are uniformly random.

use std::fmt::Write as _;
use std::time::Duration;

use logq_engine::{Event, Level};

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
const USERS: [&str; 10] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];
const TOOLS: [&str; 8] = [
    "web_search",
    "python_exec",
    "sql_query",
    "file_read",
    "calculator",
    "browser",
    "vector_lookup",
    "send_email",
];
const FILES: [&str; 8] =
    ["grid.json", "state.bin", "notes.md", "plan.yaml", "cache.db", "model.gguf", "trace.log", "index.idx"];

/// A stream of random numbers (SplitMix64): small, fast, and the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn range(&mut self, low: i64, high: i64) -> i64 {
        let width = high.abs_diff(low).saturating_add(1);
        let offset = (u128::from(self.next()) * u128::from(width)) >> 64;
        low.saturating_add_unsigned(u64::try_from(offset).unwrap_or(0))
    }

    /// A number from 0 up to, not including, 1.
    fn ratio(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).unwrap_or(0);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    fn index(&mut self, len: usize) -> usize {
        let last = i64::try_from(len).unwrap_or(i64::MAX) - 1;
        usize::try_from(self.range(0, last)).unwrap_or(0)
    }

    fn weighted<T: Copy>(&mut self, from: &[(u32, T)]) -> T {
        let total: u32 = from.iter().map(|&(weight, _)| weight).sum();
        let mut left = self.range(0, i64::from(total) - 1);
        for &(weight, item) in from {
            left -= i64::from(weight);
            if left < 0 {
                return item;
            }
        }
        from[0].1
    }

    /// A normally distributed number: the sum of twelve uniform ones is close enough here.
    fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.ratio()).sum();
        mean + deviation * (sum - 6.0)
    }

    fn exponential(&mut self, mean: f64) -> i64 {
        whole(-mean * (1.0 - self.ratio()).ln())
    }

    fn hex(&mut self, digits: usize) -> Hex {
        Hex { high: self.next(), low: self.next(), digits }
    }

    fn host(&mut self) -> String {
        format!("10.0.{}.{}", self.range(0, 3), self.range(2, 59))
    }
}

/// Up to 32 random hexadecimal digits.
struct Hex {
    high: u64,
    low: u64,
    digits: usize,
}

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = format!("{:016x}{:016x}", self.high, self.low);
        f.write_str(all.get(..self.digits).unwrap_or(&all))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a saturating cast is what a generator of sizes wants")]
fn whole(number: f64) -> i64 {
    number as i64
}

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

#[derive(Clone, Copy, Debug)]
struct Call {
    model: &'static str,
    prompt_tokens: i64,
    response_tokens: i64,
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

/// The message of one call of a model.
fn call_message(r: &mut Random, call: Call, o: &str, ms: i64) -> (Level, String) {
    let Call { model: m, prompt_tokens: p, response_tokens: t } = call;
    let kind = r.weighted(&[
        (220, 0),
        (100, 1),
        (90, 2),
        (80, 3),
        (70, 4),
        (50, 5),
        (40, 6),
        (20, 7),
        (12, 8),
        (9, 9),
        (5, 10),
        (3, 11),
    ]);
    match kind {
        0 => (
            Level::Info,
            format!(
                "{o} completed for request req-{} model={m} in {ms}ms with {p} prompt tokens and {t} response tokens",
                r.hex(16)
            ),
        ),
        1 => (
            Level::Info,
            format!(
                "Dispatching {o} to backend {}:{} model={m} attempt {} queue depth {}",
                r.host(),
                r.pick(&[8000, 8080, 11434]),
                r.range(1, 3),
                r.range(0, 40)
            ),
        ),
        2 => (
            Level::Info,
            format!(
                "Tool call {} returned {} bytes in {}ms for user {} call_id=call_{}",
                r.pick(&TOOLS),
                r.range(1, 90_000),
                r.range(2, 4000),
                r.pick(&USERS),
                r.hex(12)
            ),
        ),
        3 => (
            Level::Debug,
            format!(
                "Streaming chunk {} of response req-{}: {} tokens, finish_reason=null, elapsed {}ms",
                r.range(1, 400),
                r.hex(16),
                r.range(1, 60),
                r.range(1, 20_000)
            ),
        ),
        4 => (
            Level::Info,
            format!(
                "Context window usage {}% ({p}/{} tokens) after {o}, keeping {} messages of the conversation",
                r.range(1, 99),
                r.pick(&[4096, 8192, 32_768, 131_072]),
                r.range(1, 40)
            ),
        ),
        5 => (
            Level::Debug,
            format!(
                "Prompt cache {} for prefix hash {} saved {} tokens on model {m}",
                r.pick(&["hit", "hit", "hit", "miss", "miss"]),
                r.hex(16),
                r.range(0, 4000)
            ),
        ),
        6 => (
            Level::Warn,
            format!(
                "Rate limit approaching for model {m}: {}% of hourly budget used, {} tokens remaining before throttling",
                r.range(80, 99),
                r.range(100, 9000)
            ),
        ),
        7 => (
            Level::Warn,
            format!(
                "Retrying {o} after status {} from {}, retry {}/5, backoff {}ms request req-{}",
                r.pick(&[429, 500, 502, 503]),
                r.host(),
                r.range(1, 5),
                r.range(100, 9000),
                r.hex(16)
            ),
        ),
        8 => (
            Level::Error,
            format!(
                "Upstream connection reset by peer {}:{} during {o} request req-{} after {ms}ms, {} tokens lost",
                r.host(),
                r.range(1024, 65_535),
                r.hex(16),
                r.range(0, 900)
            ),
        ),
        9 => (
            Level::Error,
            format!(
                "Request req-{} failed: timeout after {}ms waiting for {m}, status={}",
                r.hex(16),
                r.pick(&[500, 5000, 30_000, 60_000]),
                r.pick(&[500, 502, 503, 504])
            ),
        ),
        10 => (
            Level::Error,
            format!(
                "Failed to parse JSON output of {m}: expected value at line {} column {}, raw length {} bytes",
                r.range(1, 60),
                r.range(1, 200),
                r.range(20, 9000)
            ),
        ),
        _ => (
            Level::Error,
            format!(
                "CUDA out of memory while loading {m}: tried to allocate {}.{} GiB, {} MiB free on device {}",
                r.range(1, 30),
                r.range(10, 99),
                r.range(1, 900),
                r.range(0, 3)
            ),
        ),
    }
}

/// The message of something that the system did.
fn system_message(r: &mut Random) -> (Level, String) {
    match r.weighted(&[(30, 0), (20, 1), (14, 2), (10, 3), (6, 4), (4, 5), (2, 6), (1, 7)]) {
        0 => (
            Level::Info,
            format!(
                "Scheduler tick {} completed: {} tasks queued, {} running, load average {:.2}, uptime {}s",
                r.range(1, 10_000_000),
                r.range(0, 30),
                r.range(0, 8),
                r.ratio() * 8.0,
                r.range(1, 2_592_000)
            ),
        ),
        1 => (
            Level::Info,
            format!(
                "Health check passed on node {}: disk {}% used, memory {}% used, {} open files",
                r.host(),
                r.range(10, 95),
                r.range(10, 95),
                r.range(10, 900)
            ),
        ),
        2 => (
            Level::Debug,
            format!(
                "Configuration key agents.{}.limits.max_tokens resolved to {} from /etc/agent/{} revision {}",
                r.pick(&USERS),
                r.pick(&[50_000, 500_000, 100_000]),
                r.pick(&FILES),
                r.range(1, 400)
            ),
        ),
        3 => (
            Level::Info,
            format!(
                "Compressed log segment /var/log/ai/{}/{:02}/{} from {} to {} bytes in {}ms",
                r.range(2024, 2026),
                r.range(1, 12),
                r.pick(&FILES),
                r.range(100_000, 100_000_000),
                r.range(10_000, 10_000_000),
                r.range(3, 900)
            ),
        ),
        4 => (
            Level::Info,
            format!(
                "User {} logged in from {} with session token tok_{} using key fingerprint SHA256:{}",
                r.pick(&USERS),
                r.host(),
                r.hex(20),
                r.hex(24)
            ),
        ),
        5 => (
            Level::Warn,
            format!(
                "Disk usage at {}% on /dev/vda{}, retention will remove archives older than {} days",
                r.range(80, 99),
                r.range(1, 4),
                r.range(7, 90)
            ),
        ),
        6 => (
            Level::Error,
            format!(
                "Worker {} exited with code {}: connection reset while writing to {}:{}, restarting in {}s",
                r.range(1, 64),
                r.pick(&[1, 2, 134, 137, 139]),
                r.host(),
                r.range(1024, 65_535),
                r.range(1, 60)
            ),
        ),
        _ => (
            Level::Error,
            format!(
                "Database write failed for table token_usage: disk I/O error (errno {}) after {} attempts, dropping {} rows",
                r.pick(&[5, 28, 30]),
                r.range(1, 9),
                r.range(1, 900)
            ),
        ),
    }
}

/// The message of one operation of a memory system.
fn memory_message(r: &mut Random) -> (Level, String) {
    match r.weighted(&[(400, 0), (300, 1), (150, 2), (20, 3), (7, 4)]) {
        0 => (
            Level::Info,
            format!(
                "Stored memory mem_{} with {} tokens in collection {}, similarity threshold {:.4}",
                r.hex(14),
                r.range(3, 4000),
                r.pick(&["episodic", "semantic", "procedural", "working"]),
                r.ratio()
            ),
        ),
        1 => (
            Level::Info,
            format!(
                "Recall completed: {} of {} memories matched query vector {} in {:.3}ms, top score {:.4}",
                r.range(0, 50),
                r.range(50, 99_000),
                r.hex(8),
                r.ratio() * 90.0,
                r.ratio()
            ),
        ),
        2 => (
            Level::Debug,
            format!(
                "Cache statistics: {} hits, {} misses, {} evictions, hit ratio {:.3}, resident {} MiB",
                r.range(0, 1_000_000),
                r.range(0, 100_000),
                r.range(0, 9000),
                r.ratio(),
                r.range(1, 900)
            ),
        ),
        3 => (
            Level::Warn,
            format!(
                "Memory pressure: evicting {} entries of shard {}, oldest is {} days old, resident set {} MiB",
                r.range(1, 900),
                r.range(0, 63),
                r.range(1, 90),
                r.range(100, 9000)
            ),
        ),
        _ => (
            Level::Error,
            format!(
                "Vector index corrupted in shard {}: checksum {} does not match {}, rebuilding from {} stored memories",
                r.range(0, 63),
                r.hex(8),
                r.hex(8),
                r.range(100, 99_999)
            ),
        ),
    }
}

const SENTENCES: [&str; 24] = [
    "The grid has a symmetry along the main diagonal, so half of the cells follow from the other half.",
    "Summarise the conversation so far in three sentences and keep every number that was mentioned.",
    "I looked at the failing test and the assertion compares the lengths before the list is trimmed.",
    "A colour appears only where the row above holds two equal neighbours.",
    "Please list the files that import this module and say which of them use the old signature.",
    "The customer asks for a refund because the parcel arrived two days after the promised date.",
    "First compute the bounding box of every shape, then sort the shapes by their area.",
    "The function returns early when the cache is warm, which hides the race in short runs.",
    "Given the last five observations, propose a hypothesis that explains all of them.",
    "We should retry with a smaller batch, since the memory limit was hit at the embedding step.",
    "Translate the following paragraph into plain English without losing the legal meaning.",
    "The second hypothesis is rejected: it predicts a blue cell where the example shows a red one.",
    "Compare the two plans by cost, by time to first result and by what happens when a tool fails.",
    "There are four candidates left, and only one of them is consistent with the training pairs.",
    "Write a query that counts the errors of each service in the last hour, the largest first.",
    "The document says that the warranty covers the battery for two years and the screen for one.",
    "It seems that the index was rebuilt while the import was running, so the counts differ by one.",
    "Explain step by step why the transformation is affine, and give the matrix.",
    "The agent already searched for this term, so use the stored result and do not call the tool again.",
    "Every third column is shifted down by one, which looks like a stride in the original pattern.",
    "Check whether the response contains a valid plan, and if not, ask for the missing step.",
    "The latency rose after the deployment because the new prompt is twice as long as the old one.",
    "Choose the shortest program that maps each input to its output and does not special-case a cell.",
    "No relevant memory was found, so the answer relies on the text of the current message alone.",
];

/// About `len` characters of sentences.
fn passage(random: &mut Random, len: usize) -> String {
    let mut text = String::with_capacity(len + 120);
    while text.len() < len {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(random.pick(&SENTENCES));
    }
    text
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
