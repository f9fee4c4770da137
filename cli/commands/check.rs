//! `logq check`: verifies the store and lists every damaged place. Changes nothing.

use std::io::Write as _;

use logq_engine::{CheckReport, Gap};
use serde_json::{Value, json};

use crate::args::{Check, Output};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui;

/// Checks; exit 1 when there is damage.
pub(crate) fn run(config: &Config, args: &Check) -> Outcome {
    let store = super::open_to_read(config)?;
    let report = if args.deep { store.check_deep()? } else { store.check()? };
    let text = match config.output() {
        Output::Table => lines(&report),
        Output::Json => format!("{:#}\n", as_json(&report)),
        Output::Jsonl => report.damage.iter().map(|gap| format!("{}\n", damage(gap))).collect(),
        other => {
            return Err(Failure::bad(format!("check cannot write {}", other.as_str()))
                .help("use -o table, json or jsonl"));
        }
    };
    let mut out = ui::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    if !report.damage.is_empty() {
        config.ui.note("`logq repair` shows what can be made good");
    }
    Ok(if report.damage.is_empty() { Exit::Done } else { Exit::No })
}

fn lines(report: &CheckReport) -> String {
    let CheckReport { files, segments, blocks, frames, records, bytes, torn, damage, lost } = report;
    let line = |label: &str, gap: &Gap| format!("{label}: {}\n", ui::visible(&gap.to_string()));
    let mut out: String = damage.iter().map(|gap| line("damage", gap)).collect();
    out.extend(lost.iter().map(|gap| line("lost", gap)));
    let counts = [(*files, "file"), (*segments, "segment"), (*blocks, "block"), (*frames, "frame")];
    let counts = counts.into_iter().filter(|(number, what)| 0 < *number || *what == "file");
    let mut verified: Vec<String> = counts.map(|(number, what)| ui::count(number, what)).collect();
    verified.extend([ui::count(*records, "record"), ui::size(*bytes)]);
    let verified = verified.join(", ");
    out += &match damage.len() {
        0 => format!("verified {verified}: no damage\n"),
        1 => format!("verified {verified}: 1 damaged place\n"),
        places => format!("verified {verified}: {places} damaged places\n"),
    };
    if !lost.is_empty() {
        let places = ui::count(lost.len() as u64, "place");
        out += &format!("records of {places} were lost before, and are no damage now: see quarantine/\n");
    }
    if 0 < *torn {
        // A crash leaves these, and nobody was told that they were written.
        out +=
            &format!("{}, never acknowledged as synced: no damage\n", ui::count(*torn, "unfinished write"));
    }
    out
}

fn as_json(report: &CheckReport) -> Value {
    let CheckReport { files, segments, blocks, frames, records, bytes, torn, damage: places, lost } = report;
    let places: Vec<Value> = places.iter().map(damage).collect();
    let lost: Vec<Value> = lost.iter().map(damage).collect();
    json!({"files": files, "segments": segments, "blocks": blocks, "frames": frames, "records": records,
        "bytes": bytes, "torn": torn, "damage": places, "lost": lost})
}

/// One damaged place.
pub(super) fn damage(gap: &Gap) -> Value {
    let Gap { file, offset, len, records, what } = gap;
    let first = records.map(|(first, _)| first.to_string());
    let count = records.map(|(_, count)| count);
    json!({"file": file, "offset": offset, "len": len, "what": what, "first_record": first, "records": count})
}
