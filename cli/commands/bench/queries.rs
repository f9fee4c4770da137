//! `logq bench --queries`: times one query a line on the store, and does nothing else.
//!
//! Cold is the first run of a query on a store that was opened for it, the opening included; what the
//! operating system keeps of the files in memory stays there. Warm runs follow on the same store. Every run
//! plans and executes.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use logq_engine::Store;
use logq_query::{Answer, Datum};
use serde_json::json;

use super::median;
use crate::args::Output;
use crate::commands::open_to_read;
use crate::commands::query::Question;
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui;

/// Warm runs of one query: at least and at most, and no more once they took so long together.
const WARM_MIN: usize = 5;
const WARM_MAX: usize = 101;
const WARM_TIME: Duration = Duration::from_secs(1);

/// The times of one query.
struct Timed {
    query: String,
    rows: usize,
    cold_ms: f64,
    warm_p50_ms: f64,
    warm_max_ms: f64,
}

pub(crate) fn run(config: &Config, file: &Path) -> Outcome {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.map_err(|error| Failure::bad(format!("cannot read {}: {error}", file.display())))?;
    let queries: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let timed = queries.into_iter().map(|query| time(config, query)).collect::<Outcome<Vec<Timed>>>()?;
    let mut out = ui::stdout();
    if config.output() == Output::Json {
        let all: Vec<_> = timed.iter().map(as_json).collect();
        writeln!(out, "{:#}", json!({"queries": all}))?;
    } else {
        writeln!(out, "{:>10} {:>12} {:>12} {:>10}  query", "cold ms", "warm p50 ms", "warm max ms", "rows")?;
        for Timed { query, rows, cold_ms, warm_p50_ms, warm_max_ms } in &timed {
            let query = ui::visible(query);
            writeln!(out, "{cold_ms:>10.2} {warm_p50_ms:>12.2} {warm_max_ms:>12.2} {rows:>10}  {query}")?;
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn time(config: &Config, text: &str) -> Outcome<Timed> {
    let started = Instant::now();
    let store = open_to_read(config)?;
    let rows = ask(config, &store, text)?;
    let cold_ms = milliseconds(started.elapsed());
    let mut warm = Vec::new();
    let begun = Instant::now();
    while warm.len() < WARM_MIN || (warm.len() < WARM_MAX && begun.elapsed() < WARM_TIME) {
        let started = Instant::now();
        ask(config, &store, text)?;
        warm.push(milliseconds(started.elapsed()));
    }
    let warm_max_ms = warm.iter().copied().fold(0.0, f64::max);
    Ok(Timed { query: text.into(), rows, cold_ms, warm_p50_ms: median(warm), warm_max_ms })
}

fn as_json(timed: &Timed) -> serde_json::Value {
    let Timed { query, rows, cold_ms, warm_p50_ms, warm_max_ms } = timed;
    json!({"query": query, "rows": rows, "cold_ms": cold_ms, "warm_p50_ms": warm_p50_ms, "warm_max_ms": warm_max_ms})
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

/// Runs the query from its text on; says how many rows it answered.
fn ask(config: &Config, store: &Store, text: &str) -> Outcome<usize> {
    Ok(Question::new(config, text, Output::Json)?.ask(store)?.rows.len())
}

/// The whole number in a column of an answer of one row.
pub(crate) fn single_int(store: &Store, text: &str, column: &str) -> Outcome<i64> {
    let answer: Answer = logq_query::run(store, text)?;
    let at = answer.columns.iter().position(|one| one.name == column);
    match (at.and_then(|at| answer.rows.first()?.cells.get(at)), answer.rows.len()) {
        (Some(Datum::Int(int)), 1) => Ok(*int),
        _ => Err(Failure::broken(format!("the query `{text}` did not answer one number {column}"))),
    }
}
