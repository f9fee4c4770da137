//! `logq bench`: what this machine does, measured in a temporary store.
//!
//! The first line is the run that the replaced system was measured by: 1,000 entries in 2.8 s, 357 a
//! second, 33,358 tokens. Every other figure has its comparison measured in the same run, the two taking
//! turns, and is the median of the rounds: absolute figures move with the machine and with its other
//! work, ratios much less.

mod baseline;
mod queries;
mod speed;
mod worker;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use logq_engine::{Durability, Options, Store};
use serde_json::json;

use crate::args::{Bench, Output};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui;

/// How often each measurement is taken; the median counts.
const ROUNDS: usize = 3;

/// Runs the whole suite, one worker of it, or the queries of a file.
pub(crate) fn run(config: &Config, args: &Bench) -> Outcome {
    if let Some(spec) = &args.worker {
        return worker::run(&config.store()?, spec);
    }
    if let Some(file) = &args.queries {
        return queries::run(config, file);
    }
    let json = match config.output() {
        Output::Table => false,
        Output::Json => true,
        other => {
            return Err(
                Failure::bad(format!("bench cannot write {}", other.as_str())).help("use -o table or json")
            );
        }
    };
    let mut report = Report { json, all: Vec::new() };
    let place = Place::new(config.named_store())?;
    baseline::run(&place, &mut report)?;
    speed::run(&place, args, &mut report)?;
    report.finish(&place)
}

/// One figure.
pub(crate) struct Measured {
    name: &'static str,
    value: f64,
    unit: &'static str,
    /// What it is compared with, measured in the same run unless it is the replaced system.
    baseline: Option<(f64, &'static str)>,
    /// How many times better than the baseline.
    ratio: Option<f64>,
    note: String,
}

impl Measured {
    pub(crate) fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name, value, unit, baseline: None, ratio: None, note: String::new() }
    }

    /// Compares a rate: more is better.
    pub(crate) fn against(mut self, baseline: f64, what: &'static str) -> Self {
        self.baseline = Some((baseline, what));
        self.ratio = Some(self.value / baseline).filter(|ratio| ratio.is_finite());
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// The figures so far; as text they are printed as they come.
pub(crate) struct Report {
    json: bool,
    all: Vec<Measured>,
}

impl Report {
    pub(crate) fn add(&mut self, measured: Measured) -> Outcome<()> {
        if !self.json {
            let ratio = measured.ratio.map(|ratio| format!("{}x", multiple(ratio))).unwrap_or_default();
            let against = match measured.baseline {
                Some((value, what)) => format!("of {} {what}", figure(value)),
                None => String::new(),
            };
            let gap = if against.is_empty() || measured.note.is_empty() { "" } else { "; " };
            let (name, value, unit) = (measured.name, figure(measured.value), measured.unit);
            let mut out = ui::stdout();
            let line =
                format!("{name:<44} {value:>14} {unit:<9} {ratio:>12}  {against}{gap}{}", measured.note);
            writeln!(out, "{}", line.trim_end())?;
            out.flush()?;
        }
        self.all.push(measured);
        Ok(())
    }

    fn finish(self, place: &Place) -> Outcome {
        let mut out = ui::stdout();
        if self.json {
            let figures: Vec<_> = self.all.iter().map(|m| {
                json!({"name": m.name, "value": m.value, "unit": m.unit, "baseline": m.baseline.map(|b| b.0),
                       "baseline_name": m.baseline.map(|b| b.1), "ratio": m.ratio, "note": m.note})
            }).collect();
            let cores = std::thread::available_parallelism().map_or(0, usize::from);
            let json = json!({"version": env!("CARGO_PKG_VERSION"), "cores": cores, "rounds": ROUNDS,
                              "place": place.root().display().to_string(), "measured": figures});
            writeln!(out, "{json:#}")?;
        } else {
            writeln!(out, "\nmedians of {ROUNDS} rounds, in {}", place.root().display())?;
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}

/// A ratio: three digits that matter, grouped.
fn multiple(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}") } else { figure(ratio) }
}

/// A number with four digits that matter, grouped.
fn figure(number: f64) -> String {
    let places = match number.abs() {
        size if size < 1.0 => 4,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    ui::grouped(&format!("{number:.places$}"))
}

/// The temporary directory in which stores are made; it goes when the run ends.
pub(crate) struct Place {
    root: tempfile::TempDir,
    next: std::cell::Cell<u32>,
}

impl Place {
    /// Under `parent`, so that a disk can be chosen, else where temporary files go.
    fn new(parent: Option<&Path>) -> Outcome<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("logq-bench-");
        let made = match parent {
            Some(parent) => std::fs::create_dir_all(parent).and_then(|()| builder.tempdir_in(parent)),
            None => builder.tempdir(),
        };
        let root =
            made.map_err(|error| Failure::broken(format!("cannot make a temporary directory: {error}")))?;
        Ok(Self { root, next: 0.into() })
    }

    fn root(&self) -> &Path {
        self.root.path()
    }

    /// A path that is not used yet.
    pub(crate) fn fresh(&self) -> PathBuf {
        let number = self.next.get();
        self.next.set(number + 1);
        self.root().join(format!("{number:03}"))
    }
}

/// Opens a store of the benchmark.
pub(crate) fn open(path: &Path, durability: Durability) -> Outcome<Store> {
    Ok(Store::open(path, Options { durability, ..Options::default() })?)
}

/// Removes a store that was measured, so that the disk holds one at a time.
pub(crate) fn discard(path: &Path) {
    // What cannot be removed here goes with the temporary directory.
    let _ = std::fs::remove_dir_all(path);
}

/// The middle value.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A count as a number to calculate with; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^53")]
pub(crate) fn real(count: usize) -> f64 {
    count as f64
}
