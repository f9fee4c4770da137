//! `logq demo`: a store of lifelike events, made at full speed, and the first questions to it.
//!
//! The events go nowhere but to a store of their own: the one named with `--store`, else a new one among
//! the temporary files, which is kept. Invented events never mix with those of `LOGQ_STORE`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use logq_engine::{Durability, Event, Options, Store};

use crate::args::{Demo, Output};
use crate::commands::query::Question;
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui;
use crate::workload::{Times, Workload};

/// Log entries a second of the system that logq replaces.
const REPLACED_RATE: f64 = 357.0;
/// Events that are built between two measured bursts: the clock runs only while they are appended.
const BURST: usize = 10_000;

const QUESTIONS: [(&str, &str); 3] = [
    ("Tokens of one model in the last day:", "tokens where model=llama3.2 last 24h"),
    ("Tokens by model and hour:", "tokens by model per 1h last 3h"),
    ("A search for events:", "events where level>=error \"connection reset\" last 24h limit 5"),
];

/// Makes the store and asks.
pub(crate) fn run(config: &Config, args: &Demo) -> Outcome {
    let path = place(config)?;
    let store = Store::open(&path, Options { durability: Durability::Buffered, ..Options::default() })?;
    let (took, synced) = fill(&store, args.events)?;
    let mut out = ui::stdout();
    let rate = number(args.events) / took.as_secs_f64();
    let events = ui::grouped(&args.events.to_string());
    writeln!(
        out,
        "{events} agent events appended in {:.2} s: {} events/s, {} times the 357/s",
        took.as_secs_f64(),
        whole(rate),
        whole(rate / REPLACED_RATE)
    )?;
    writeln!(
        out,
        "of the system that logq replaces. Durability: buffered (safe from a crash of the program);"
    )?;
    writeln!(
        out,
        "the sync at the end, which makes it safe from a crash of the machine, took {:.0} ms more.",
        synced.as_secs_f64() * 1000.0
    )?;
    writeln!(out, "The old system committed each entry on its own: `logq bench` compares that as well.")?;
    let shown = shell_word(&path);
    for (title, question) in QUESTIONS {
        writeln!(out, "\n{title}\n$ logq --store {shown} {}", shell_word(Path::new(question)))?;
        Question::new(config, question, Output::Table)?.answer(config, &store, &mut out)?;
    }
    writeln!(out, "\nThe store stays in {shown}. Try next:")?;
    writeln!(out, "  export LOGQ_STORE={shown}")?;
    for next in [
        "logq fields",
        "logq 'events where latency > 20s last 7d | stats p50(latency), p99(latency), count by model'",
        "logq 'tokens by operation last 7d' -o csv",
        "logq append level=info operation=hello message='my first event'",
        "logq import YOUR.jsonl",
    ] {
        writeln!(out, "  {next}")?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// The directory of the store.
fn place(config: &Config) -> Outcome<PathBuf> {
    if let Some(named) = config.named_store() {
        return Ok(named.into());
    }
    let made = tempfile::Builder::new().prefix("logq-demo-").tempdir();
    Ok(made.map_err(|error| Failure::broken(format!("cannot make a temporary directory: {error}")))?.keep())
}

/// Appends the events; says how long the appends took, and the sync at the end.
fn fill(store: &Store, events: usize) -> Outcome<(Duration, Duration)> {
    let writer = store.writer()?;
    let mut workload = Workload::new(1, events, store.now(), Times::Recent);
    let mut took = Duration::ZERO;
    loop {
        let burst: Vec<Event> = workload.by_ref().take(BURST).map(|entry| entry.event()).collect();
        if burst.is_empty() {
            break;
        }
        let started = Instant::now();
        for event in &burst {
            writer.append(event)?;
        }
        took += started.elapsed();
    }
    let started = Instant::now();
    writer.flush()?;
    let synced = started.elapsed();
    writer.close()?;
    Ok((took, synced))
}

/// A path or a query as a shell wants to read it.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn whole(number: f64) -> String {
    ui::grouped(&format!("{number:.0}"))
}

#[expect(clippy::cast_precision_loss, reason = "a count of demo events is far below 2^53")]
fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(shell_word(Path::new("/tmp/a-b")), "/tmp/a-b");
        assert_eq!(shell_word(Path::new("events where a>1")), "'events where a>1'");
        assert_eq!(shell_word(Path::new("it's")), r"'it'\''s'");
    }
}
