//! One part of a measurement in a process of its own: `bench --worker SPEC`, started by `speed`.
//!
//! `append:COUNT:SEED` builds events, says `ready`, waits for a line, appends, says `done`.
//! `import:FILE` imports and says rows and its peak memory. `fill:BYTES` appends about so many bytes and
//! ends without closing anything, as a killed process does.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use logq_engine::{Durability, Event};

use super::open;
use crate::exit::{Exit, Failure, Outcome};
use crate::workload::{Times, Workload};

pub(crate) fn run(store: &Path, spec: &str) -> Outcome {
    let parts: Vec<&str> = spec.splitn(3, ':').collect();
    let number = |text: &str| text.parse().map_err(|_| Failure::bad(format!("`{text}` is no number")));
    match parts.as_slice() {
        ["append", count, seed] => append(store, number(count)?, number(seed)?),
        ["import", rest @ ..] => import(store, Path::new(&rest.join(":"))),
        ["fill", bytes] => fill(store, number(bytes)?),
        _ => Err(Failure::bad(format!("`{spec}` is no work"))),
    }
}

/// Events of the benchmark's workload whose times end at a fixed moment.
pub(crate) fn events(seed: usize, count: usize) -> Vec<Event> {
    /// 2026-11-22T16:00:00Z.
    const UNTIL: i64 = 1_795_363_200_000_000_000;
    Workload::new(u64::try_from(seed).unwrap_or(0), count, UNTIL, Times::Even).events()
}

fn append(path: &Path, count: usize, seed: usize) -> Outcome {
    let store = open(path, Durability::Buffered)?;
    let writer = store.writer()?;
    let events = events(seed, count);
    println!("ready");
    io::stdin().read_line(&mut String::new())?;
    for event in &events {
        writer.append(event)?;
    }
    println!("done");
    writer.close()?;
    Ok(Exit::Done)
}

fn import(path: &Path, file: &Path) -> Outcome {
    let store = open(path, Durability::default())?;
    let rows = crate::commands::import::all_of(&store, file)?;
    println!("{rows} {}", peak_memory()?);
    Ok(Exit::Done)
}

fn fill(path: &Path, bytes: usize) -> Outcome {
    let store = open(path, Durability::Buffered)?;
    let writer = store.writer()?;
    let (mut size, mut count) = (0, 0);
    for event in &events(1, bytes / 200) {
        size += event.size();
        if bytes <= size {
            break;
        }
        writer.append(event)?;
        count += 1;
    }
    println!("{count}");
    io::stdout().flush()?;
    // Skips every destructor: the file keeps no sign of an orderly end.
    std::process::exit(0);
}

/// The most memory that this process ever had, in bytes, mapped pages included.
fn peak_memory() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")
        .map_err(|error| Failure::broken(format!("cannot read /proc/self/status: {error}")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib =
        line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| Failure::broken("the kernel does not tell the peak memory"))
}
