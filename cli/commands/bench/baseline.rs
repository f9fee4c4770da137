//! The run of the replaced system: 1,000 log entries one by one, 33,358 tokens in them.
//!
//! It took 2.8 s, 357 entries a second, with one database commit for each entry. The fair comparison is
//! the synced run, which has every entry on disk before the next; the buffered run says what a program
//! gets that does not ask for that.

use std::time::{Duration, Instant};

use logq_engine::{Durability, Event, Level, Store};

use super::speed::bare_loop;
use super::{Measured, Place, ROUNDS, Report, discard, median, open, real};
use crate::exit::{Failure, Outcome};

/// Entries a second of the replaced system.
pub(crate) const REPLACED_RATE: f64 = 357.0;
const ENTRIES: usize = 1000;
/// What the token fields of the entries sum to, as they did in the replaced system's run.
const TOKENS: i64 = 33_358;

pub(crate) fn run(place: &Place, report: &mut Report) -> Outcome<()> {
    let entries = entries();
    let size = entries.iter().map(Event::size).sum::<usize>() / ENTRIES;
    let (mut rates, mut bare) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..ROUNDS {
        bare.push(bare_loop(place, ENTRIES, size)?);
        for (durability, rates) in [Durability::Synced, Durability::Buffered].into_iter().zip(&mut rates) {
            let path = place.fresh();
            let store = open(&path, durability)?;
            let took = append_all(&store, &entries)?;
            let tokens = tokens(&store)?;
            if tokens != TOKENS {
                return Err(Failure::broken(format!(
                    "the query `tokens` answered {tokens}, but {TOKENS} went in"
                )));
            }
            rates.push(real(ENTRIES) / took.as_secs_f64());
            discard(&path);
        }
    }
    let [synced, buffered] = rates.map(median);
    let note = |rate: f64| format!("{:.4} s against 2.8 s; `tokens` answers 33,358", real(ENTRIES) / rate);
    let what = "logs/s of the replaced system";
    let name = "1,000 entries one by one, synced";
    let disk = format!("{}; a bare loop of pwrite + fdatasync makes {:.0} here", note(synced), median(bare));
    report.add(Measured::new(name, synced, "logs/s").against(REPLACED_RATE, what).note(disk))?;
    let name = "1,000 entries one by one, buffered";
    report.add(Measured::new(name, buffered, "logs/s").against(REPLACED_RATE, what).note(note(buffered)))
}

fn append_all(store: &Store, entries: &[Event]) -> Outcome<Duration> {
    let writer = store.writer()?;
    let started = Instant::now();
    for entry in entries {
        writer.append(entry)?;
    }
    let took = started.elapsed();
    writer.close()?;
    Ok(took)
}

/// The total that the query language answers.
fn tokens(store: &Store) -> Outcome<i64> {
    super::queries::single_int(store, "tokens", "total_tokens")
}

/// Entries in the proportions of an agent system, shaped like the calls of the replaced system's loggers.
fn entries() -> Vec<Event> {
    let calls = (0..ENTRIES).filter(|at| is_call(*at)).count();
    let mut made = 0;
    (0..ENTRIES)
        .map(|at| {
            if is_call(at) {
                made += 1;
                call(at, share(made, calls) - share(made - 1, calls))
            } else {
                other(at)
            }
        })
        .collect()
}

fn is_call(at: usize) -> bool {
    (4..7).contains(&(at % 10))
}

/// What the first `made` of all calls have used together: the shares of a growing sum add up exactly.
fn share(made: usize, calls: usize) -> i64 {
    let count = |number: usize| i64::try_from(number).unwrap_or(0);
    // The wave makes calls differ in size; it is zero at the start and at the end.
    let wave = if made < calls { count(made * 37 % 61) } else { 0 };
    TOKENS * count(made) / count(calls) + wave * i64::from(made != 0)
}

fn call(at: usize, tokens: i64) -> Event {
    let prompt = tokens * 3 / 8;
    let event = match at % 3 {
        0 => Event::ai("puzzle_analysis")
            .prompt("Analyze the 3x3 grid pattern")
            .response("Pattern follows Sudoku rules")
            .context_type("grid_analysis"),
        1 => Event::ai("hypothesis_generation")
            .prompt("Analyze puzzle pattern")
            .response("Pattern identified as affine transformation")
            .context_type("mathematical_analysis"),
        _ => Event::ai("stress_test").prompt("Test prompt").response("Test response").context_type("test"),
    };
    event.model("llama3.2").tokens(prompt, tokens - prompt)
}

fn other(at: usize) -> Event {
    match at % 10 {
        0 => Event::system("startup", "Autonomous system started").importance(8).field("version", "2.0"),
        1 => Event::system("health_check", "System initialized successfully").importance(3),
        2 => Event::log(Level::Info, &format!("Stress test log entry {at}")).field("logger", "system"),
        3 => Event::log(Level::Warn, "Token usage at 80% of the hourly limit").field("logger", "tokens"),
        7 => Event::memory("cache_lookup").field("hit", !at.is_multiple_of(4)).field("size", 4096),
        8 => Event::memory("store").field("key", &format!("episode-{at}")).field("size", 512),
        _ => {
            Event::context(2000, 1200).context_type("puzzle_state").field("method", "intelligent_truncation")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_fields_sum_to_what_the_replaced_system_tracked() {
        let entries = entries();
        let number = |event: &Event, name| match event.get(name) {
            Some(logq_engine::Value::Int(int)) => int,
            _ => 0,
        };
        let sum: i64 =
            entries.iter().map(|e| number(e, "prompt_tokens") + number(e, "response_tokens")).sum();
        assert_eq!((entries.len(), sum), (ENTRIES, TOKENS));
        assert!(entries.iter().all(|e| 0 <= number(e, "prompt_tokens") && 0 <= number(e, "response_tokens")));
    }
}
