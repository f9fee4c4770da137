//! `logq maintain`: one full round of upkeep, or what it would do and why.

use std::io::Write as _;
use std::time::Duration;

use logq_engine::{Options, Store, Upkeep, UpkeepKind, UpkeepStep};
use serde_json::{Value, json};

use super::check::damage;
use crate::args::{Maintain, Output};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui;

/// How the report of upkeep is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    Table,
    Json,
}

impl Shown {
    /// What was typed, if it is one of the two.
    pub(super) fn of(config: &Config, verb: &str) -> Outcome<Self> {
        match config.output() {
            Output::Table => Ok(Self::Table),
            Output::Json => Ok(Self::Json),
            other => {
                Err(Failure::bad(format!("{verb} cannot write {}", other.as_str()))
                    .help("use -o table or json"))
            }
        }
    }
}

/// Does one round; a dry run opens the store for reading.
pub(crate) fn run(config: &Config, args: &Maintain) -> Outcome {
    let format = Shown::of(config, "maintain")?;
    let options = Options { create: false, maintain: false, read_only: args.dry_run, ..config.options()? };
    let store = Store::open(config.store()?, options.clone())?;
    let now = config.now()?.unwrap_or_else(|| store.now());
    let upkeep = if args.dry_run { store.plan_upkeep(now)? } else { store.maintain(now)? };
    if !args.dry_run {
        config.file()?.define_budgets(&store.budgets())?;
        super::budget::deliver_after(config);
    }
    let summary = summary(&upkeep, args.dry_run);
    show(config, format, &upkeep, &summary, args.dry_run.then_some(&options))
}

/// Writes what was done; with options also why, and that nothing was done yet. Exit 3 when a segment could
/// not be read and was left as it is.
pub(super) fn show(
    config: &Config,
    format: Shown,
    upkeep: &Upkeep,
    summary: &str,
    planned: Option<&Options>,
) -> Outcome {
    let text = match format {
        Shown::Table => upkeep.steps.iter().map(|step| line(step, planned)).collect::<String>() + summary,
        Shown::Json => format!("{:#}\n", as_json(upkeep, planned)),
    };
    let mut out = ui::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    for gap in &upkeep.damage {
        config.ui.complain(
            &Failure::broken(format!("left as it is: {gap}")).help("`logq check` lists every damaged place"),
        );
    }
    Ok(if upkeep.damage.is_empty() { Exit::Done } else { Exit::Broken })
}

fn word(kind: UpkeepKind) -> &'static str {
    match kind {
        UpkeepKind::Seal => "seal",
        UpkeepKind::Merge => "merge",
        UpkeepKind::Roll => "roll",
        UpkeepKind::Expire => "expire",
    }
}

/// Why a step is taken.
fn why(kind: UpkeepKind, options: &Options) -> String {
    let span = |limit: Option<Duration>| {
        limit.and_then(|limit| i64::try_from(limit.as_nanos()).ok()).map_or_else(|| "ever".into(), ui::span)
    };
    match kind {
        UpkeepKind::Seal => "no writer fills these files any more".into(),
        UpkeepKind::Merge => "small segments are slower to read than large ones".into(),
        UpkeepKind::Roll => format!("the youngest record arrived over {} ago", span(options.archive_after)),
        UpkeepKind::Expire => format!("the youngest record arrived over {} ago", span(options.retain_for)),
    }
}

fn line(step: &UpkeepStep, planned: Option<&Options>) -> String {
    let records = ui::count(step.records, "record");
    let mut line = format!("{:<6} {records}, {}", word(step.kind), ui::size(step.bytes_before));
    if planned.is_none() && step.kind != UpkeepKind::Expire {
        line += &format!(" -> {}", ui::size(step.bytes_after));
    }
    line += &format!(": {}", step.inputs.join(" "));
    if !step.outputs.is_empty() {
        line += &format!(" -> {}", step.outputs.join(" "));
    }
    if let Some(options) = planned {
        line += &format!(" ({})", why(step.kind, options));
    }
    ui::visible(&line) + "\n"
}

fn summary(upkeep: &Upkeep, planned: bool) -> String {
    let steps = ui::count(u64::try_from(upkeep.steps.len()).unwrap_or(u64::MAX), "step");
    let unsealed = ui::count(upkeep.unsealed, "unsealed record");
    match (upkeep.steps.is_empty(), planned) {
        (true, _) => format!("nothing to do; {unsealed}\n"),
        (false, true) => format!("{steps} would be done, and nothing was; then {unsealed}\n"),
        (false, false) => format!("{steps} done; {unsealed}\n"),
    }
}

fn as_json(upkeep: &Upkeep, planned: Option<&Options>) -> Value {
    let steps: Vec<Value> = upkeep
        .steps
        .iter()
        .map(|step| {
            let mut value = json!({"step": word(step.kind), "inputs": step.inputs, "outputs": step.outputs,
                "records": step.records, "bytes_before": step.bytes_before, "bytes_after": step.bytes_after});
            if let Some(options) = planned {
                value["why"] = why(step.kind, options).into();
            }
            value
        })
        .collect();
    let places: Vec<Value> = upkeep.damage.iter().map(damage).collect();
    json!({"dry_run": planned.is_some(), "steps": steps, "unsealed": upkeep.unsealed, "damage": places})
}
