//! What the events of a workload say: messages from templates with ids and numbers in them, prompts and responses
//! from stock sentences.

use logq_engine::Level;

use super::random::Random;

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

/// What one call of a model took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) model: &'static str,
    pub(super) prompt_tokens: i64,
    pub(super) response_tokens: i64,
}

/// The message of one call of a model.
pub(super) fn call_message(r: &mut Random, call: Call, o: &str, ms: i64) -> (Level, String) {
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
pub(super) fn system_message(r: &mut Random) -> (Level, String) {
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
pub(super) fn memory_message(r: &mut Random) -> (Level, String) {
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
pub(super) fn passage(random: &mut Random, len: usize) -> String {
    let mut text = String::with_capacity(len + 120);
    while text.len() < len {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(random.pick(&SENTENCES));
    }
    text
}
