//! How long maintenance takes to find its work in a store of many segments, in the three cases that cost most.
//!
//! ```text
//! upkeep_plan DIR SEGMENTS        makes the store if it is not there, and measures
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use logq_engine::{Durability, Event, Options, Store};

/// Runs of a measurement; the least time counts.
const RUNS: usize = 5;
const DAY: i64 = 86_400_000_000_000;

fn options() -> Options {
    Options { maintain: false, file_size: 16 << 10, ..Options::default() }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(segments)) = (args.next(), args.next()) else {
        return Err("upkeep_plan DIR SEGMENTS".into());
    };
    let segments: u64 = segments.parse()?;
    let store = Store::open(&dir, options())?;
    let there = store.snapshot()?.storage().len() as u64;
    let began = Instant::now();
    for n in there..segments {
        let log = store.writer_with(Durability::Buffered)?;
        log.append(&Event::ai("chat").model("llama3.2").tokens(150, 250).prompt(&format!("what is {n}")))?;
        log.close()?;
        store.seal()?;
    }
    println!("{} segments made in {:.1?}", segments.saturating_sub(there), began.elapsed());
    let month = Some(Duration::from_hours(24 * 30));
    let cases = [
        ("nothing is old", options(), 0),
        ("everything is to be archived", options(), 8 * DAY),
        ("everything is to be deleted by age", Options { retain_for: month, ..options() }, 31 * DAY),
        ("all but one is to be deleted by size", Options { retain_bytes: Some(0), ..options() }, 0),
        ("every prompt is to be dropped", Options { retain_bodies_for: month, ..options() }, 31 * DAY),
    ];
    for (what, options, later) in cases {
        let mut times = Vec::new();
        let mut steps = 0;
        for _ in 0..RUNS {
            let began = Instant::now();
            let store = Store::open(&dir, Options { read_only: true, create: false, ..options.clone() })?;
            steps = store.plan_upkeep(store.now() + later)?.steps.len();
            times.push(began.elapsed());
        }
        println!("{what}: {steps} steps, {:.1?}", times.iter().min().ok_or("no runs")?);
    }
    Ok(())
}
