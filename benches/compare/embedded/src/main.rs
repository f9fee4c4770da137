//! Appends the same events to logq and to embeddable logs and stores, in turns on one disk, and reads them back.
//!
//! Prints medians over the rounds and ratios to logq; ends with 1 when an engine does not give back what it took.

mod peers;
mod search;

#[expect(dead_code, reason = "the events of one workload, of the many things it can do")]
#[path = "../../../../cli/workload.rs"]
mod workload;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;

use peers::{Kind, Peer, Result, Samples};
use workload::{Times, Workload};

/// 2026-11-22T16:00:00Z.
const UNTIL: i64 = 1_795_363_200_000_000_000;
const BATCH: usize = 1_000;
/// Batches of one turn, at most: what is reserved must hold them.
const BATCHES_MAX: u64 = 500;

/// logq beside okaywal, raft-engine, redb, fjall, tantivy and a bare loop of pwrite and fdatasync
#[derive(Parser)]
struct Args {
    /// Events of a burst without syncs
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(1_000..=900_000))]
    events: u64,
    /// Seconds of a turn with syncs
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Turns of each engine
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=99))]
    rounds: u64,
    /// Measure only this engine, by its name in the tables; may be given again
    #[arg(long = "only", value_name = "ENGINE", value_parser = Kind::ALL.map(Kind::name))]
    only: Vec<String>,
    /// Where the stores are made, on the disk that is to be measured
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// How events are appended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Synced { threads: usize },
    Batches,
    Burst,
}

impl Mode {
    const ALL: [Self; 4] =
        [Self::Synced { threads: 1 }, Self::Synced { threads: 32 }, Self::Batches, Self::Burst];

    fn name(self) -> String {
        match self {
            Self::Synced { threads: 1 } => "each synced, 1 thread".into(),
            Self::Synced { threads } => format!("each synced, {threads} threads"),
            Self::Batches => format!("{BATCH} synced at once, 1 thread"),
            Self::Burst => "not synced, 1 thread".into(),
        }
    }

    fn takes(self, kind: Kind) -> bool {
        match self {
            Self::Synced { threads } => threads == 1 || kind.is_engine(),
            Self::Batches => true,
            Self::Burst => kind.is_engine() && kind.can_buffer(),
        }
    }
}

/// What one turn came to.
struct Turn {
    rate: f64,
    bytes_per_event: f64,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let threads = std::thread::available_parallelism()?;
    println!("load average before: {}; {threads} processors", load.trim());
    let count = usize::try_from(args.events)?;
    let samples = samples(count);
    let bytes: usize = samples.lines.iter().map(Vec::len).sum();
    println!("{count} different events, {} bytes of JSON each; {} rounds", bytes / count, args.rounds);
    for mode in Mode::ALL {
        let asked = |kind: &Kind| args.only.is_empty() || args.only.iter().any(|name| name == kind.name());
        let kinds: Vec<Kind> =
            Kind::ALL.into_iter().filter(|kind| mode.takes(*kind) && asked(kind)).collect();
        let mut turns: Vec<Vec<Turn>> = kinds.iter().map(|_| Vec::new()).collect();
        for round in 0..args.rounds {
            for place in 0..kinds.len() {
                // Who begins changes from round to round.
                let at = (place + usize::try_from(round)?) % kinds.len();
                turns[at].push(turn(args, mode, kinds[at], &samples)?);
            }
        }
        print_table(mode, &kinds, &turns);
    }
    println!("\nevery store was opened again and gave back what it took");
    if !args.only.is_empty() {
        return Ok(());
    }
    search::compare(&args.dir, &samples, usize::try_from(args.rounds)?)
}

fn samples(count: usize) -> Samples {
    let mut samples = Samples::default();
    for entry in Workload::new(1, count, UNTIL, Times::Even) {
        let mut line = String::new();
        entry.write_json(&mut line);
        samples.lines.push(line.into_bytes());
        samples.events.push(entry.event());
    }
    samples
}

/// One engine takes events in a fresh folder, is opened again and read.
fn turn(args: &Args, mode: Mode, kind: Kind, samples: &Samples) -> Result<Turn> {
    let dir = tempfile::tempdir_in(&args.dir)?;
    let peer = kind.open(dir.path(), mode != Mode::Burst)?;
    // Batches are whole: what is left at the end of the samples is in none.
    let whole = samples.len() - if mode == Mode::Batches { samples.len() % BATCH } else { 0 };
    let next = AtomicU64::new(0);
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(args.seconds);
    match mode {
        Mode::Synced { threads } => std::thread::scope(|scope| {
            let append = || append_until(&*peer, &next, until, samples);
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(append)).collect();
            running
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or(Err("a thread panicked".into())))
        })?,
        Mode::Batches => {
            let (mut key, mut at) = (0, 0);
            while Instant::now() < until && key < BATCHES_MAX * BATCH as u64 {
                peer.append_batch(key..key + BATCH as u64, samples, at..at + BATCH)?;
                key += BATCH as u64;
                at = (at + BATCH) % whole;
            }
            next.store(key, Ordering::Relaxed);
        }
        Mode::Burst => {
            for (key, at) in (0..).zip(0..samples.len()) {
                peer.append(key, samples, at)?;
            }
            next.store(samples.len() as u64, Ordering::Relaxed);
        }
    }
    let took = started.elapsed();
    drop(peer);
    let events = next.into_inner();
    if kind.is_engine() {
        let expected = kind.expected(samples, whole, usize::try_from(events)?);
        let found = kind.read_back(dir.path())?;
        if found != expected {
            return Err(format!("{} took {expected:?} and gave back {found:?}", kind.name()).into());
        }
    }
    let events = events as f64;
    Ok(Turn { rate: events / took.as_secs_f64(), bytes_per_event: size(dir.path())? as f64 / events })
}

/// Appends events one by one until the time is over.
fn append_until(peer: &dyn Peer, next: &AtomicU64, until: Instant, samples: &Samples) -> Result<()> {
    while Instant::now() < until {
        let key = next.fetch_add(1, Ordering::Relaxed);
        peer.append(key, samples, usize::try_from(key)? % samples.len())?;
    }
    Ok(())
}

/// Bytes that the files below a folder take on disk.
pub(crate) fn size(dir: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        bytes += if meta.is_dir() { size(&entry.path())? } else { meta.blocks() * 512 };
    }
    Ok(bytes)
}

fn print_table(mode: Mode, kinds: &[Kind], turns: &[Vec<Turn>]) {
    println!("\n{:<28} {:>12} {:>10} {:>14}", mode.name(), "events/s", "by logq", "bytes an event");
    let rate = |turns: &[Turn]| median(turns.iter().map(|turn| turn.rate).collect());
    let at = kinds.iter().position(|kind| *kind == Kind::Logq);
    let logq = at.map_or(f64::NAN, |at| rate(&turns[at]));
    for (kind, turns) in kinds.iter().zip(turns) {
        let bytes = median(turns.iter().map(|turn| turn.bytes_per_event).collect());
        let rate = rate(turns);
        // What is reserved and not written says nothing of the bare loop.
        let bytes = if kind.is_engine() { format!("{bytes:.0}") } else { "-".into() };
        println!("{:<28} {rate:>12.0} {:>10.2} {bytes:>14}", kind.name(), rate / logq);
    }
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
