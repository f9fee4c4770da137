//! `logq repair`: what is damaged is made good as far as it can be read, or what that would do is shown.

use std::io::Write as _;

use logq_engine::{Options, Repair, RepairKind, RepairStep, Store};
use serde_json::{Value, json};

use super::check::damage;
use super::maintain::Shown;
use crate::args;
use crate::config::Config;
use crate::exit::{Exit, Outcome};
use crate::ui;

/// Shows what would be done; with `--apply` does it. Exit 1 while anything damaged is left.
pub(crate) fn run(config: &Config, args: &args::Repair) -> Outcome {
    let shown = Shown::of(config, "repair")?;
    let options = Options { create: false, maintain: false, read_only: !args.apply, ..config.options()? };
    let store = Store::open(config.store()?, options)?;
    let repair = if args.apply { store.repair()? } else { store.plan_repair()? };
    let text = match shown {
        Shown::Table => lines(&repair),
        Shown::Json => format!("{:#}\n", as_json(&repair)),
    };
    let mut out = ui::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    let whole = if repair.applied { repair.left.is_empty() } else { repair.steps.is_empty() };
    Ok(if whole { Exit::Done } else { Exit::No })
}

/// What a kind of step is called.
fn kind_name(kind: RepairKind) -> &'static str {
    match kind {
        RepairKind::Rebuild => "rebuild",
        RepairKind::Salvage => "salvage",
        RepairKind::Note => "note",
        RepairKind::SetAside => "set aside",
        RepairKind::Undouble => "undouble",
        RepairKind::Recount => "recount",
        RepairKind::Leave => "leave",
    }
}

/// A step in one line, and a line for each damaged place.
fn step_lines(step: &RepairStep) -> String {
    let what = match step.kind {
        RepairKind::Rebuild => "made anew from what the files say",
        RepairKind::Salvage => "what can be read becomes a segment in its place",
        RepairKind::Note => "it is not there: what is lost is noted",
        RepairKind::SetAside => "moved out of the way",
        RepairKind::Undouble => "made anew without records that other files hold",
        RepairKind::Recount => "counted anew from the log",
        RepairKind::Leave => "left as it is",
    };
    let mut parts = vec![what.to_owned()];
    let records = |number: u64| ui::count(number, "record");
    match (step.kind, step.kept, step.lost) {
        (RepairKind::Leave, ..) | (_, None, None) => {}
        (_, kept, Some(lost)) => {
            parts.push(format!("{} kept, {} lost", records(kept.unwrap_or(0)), records(lost)));
        }
        (_, Some(kept), None) => {
            parts.push(format!("{} kept, and nobody knows how many are lost", records(kept)));
        }
    }
    parts.extend(step.output.as_ref().map(|file| format!("now {file}")));
    parts.extend(step.aside.as_ref().map(|file| format!("the damaged file goes to {file}")));
    parts.extend((!step.why.is_empty()).then(|| step.why.clone()));
    let mut out = format!("{}  {}: {}\n", kind_name(step.kind), step.file, parts.join("; "));
    for gap in &step.damage {
        out += &format!("    {gap}\n");
    }
    out
}

fn lines(repair: &Repair) -> String {
    let Repair { steps, applied, left, lost } = repair;
    let mut out: String = steps.iter().map(step_lines).collect();
    let files =
        |leave: bool| steps.iter().filter(|step| (step.kind == RepairKind::Leave) == leave).count() as u64;
    let (done, rest) = (ui::count(files(false), "file"), ui::count(files(true), "file"));
    out += &match (applied, steps.is_empty()) {
        (_, true) => "nothing to repair\n".to_owned(),
        (false, _) if files(false) == 0 => format!("would leave {rest} as they are\n"),
        (false, _) => format!("would repair {done}; nothing was changed (--apply does it)\n"),
        (true, _) if left.is_empty() => format!("repaired {done}: `logq check --deep` finds no damage\n"),
        (true, _) => format!("repaired {done}; {} left\n", ui::count(left.len() as u64, "damaged place")),
    };
    for gap in if *applied { left.as_slice() } else { &[] } {
        out += &format!("damage: {gap}\n");
    }
    for gap in lost {
        out += &format!("lost: {gap}\n");
    }
    ui::visible_lines(&out)
}

fn as_json(repair: &Repair) -> Value {
    let step = |step: &RepairStep| {
        let RepairStep { kind, file, damage: places, kept, lost, aside, output, why } = step;
        let places: Vec<Value> = places.iter().map(damage).collect();
        json!({"step": kind_name(*kind), "file": file, "damage": places, "records_kept": kept,
            "records_lost": lost, "aside": aside, "output": output, "why": why})
    };
    let steps: Vec<Value> = repair.steps.iter().map(step).collect();
    let left: Vec<Value> = repair.left.iter().map(damage).collect();
    let lost: Vec<Value> = repair.lost.iter().map(damage).collect();
    json!({"applied": repair.applied, "steps": steps, "left": left, "lost": lost})
}
