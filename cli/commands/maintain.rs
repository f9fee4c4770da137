//! `logq maintain`: one full round of upkeep, or what it would do and why.

use std::io::Write as _;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use logq_engine::{
    Comparison, Forget, Forgotten, Gap, Literal, Options, Predicate, RetentionRule, Round, Store, Test,
    Upkeep, UpkeepKind, UpkeepProgress, UpkeepStep,
};
use logq_query::{Query, Session};
use serde_json::{Value, json};

use super::check::damage;
use crate::args::{Maintain, Output};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::settings::{self, Retention};
use crate::{interrupt, ui};

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
    let mut options =
        Options { create: false, maintain: false, read_only: args.dry_run, ..config.options()? };
    if let Some(text) = &args.bytes_per_second {
        let wrong = || Failure::bad(format!("--bytes-per-second is no size such as 8MiB: `{text}`"));
        options.maintain_bytes_per_second = Some(settings::size(text).ok_or_else(wrong)?);
    }
    options.maintain_cpu_share = args.cpu_share.unwrap_or(options.maintain_cpu_share);
    let store = Store::open(config.store()?, options.clone())?;
    let said = config.now()?;
    let now = said.unwrap_or_else(|| store.now());
    let asked = interrupt::flag()?;
    let upkeep = match (args.dry_run, said) {
        (true, Some(now)) => store.plan_upkeep(now)?,
        (true, None) => store.plan_upkeep_by_clock()?,
        (false, _) => round(&store, said, &asked)?,
    };
    if upkeep.cancelled {
        return stopped(config, format, &store, &upkeep, now);
    }
    if !args.dry_run {
        config.file()?.define_budgets(&store.budgets())?;
        super::budget::deliver_after(config);
    }
    warn_of_clock(
        config,
        &upkeep,
        !config.file()?.retention().is_empty()
            || options.retain_for.is_some()
            || options.retain_bodies_for.is_some(),
    )?;
    let dropped = match upkeep.held {
        Some(_) => Vec::new(),
        None => drop_by_rules(config, &store, now, args.dry_run, &asked)?,
    };
    let went = || dropped.iter().filter(|dropped| dropped.says_something());
    let mut said =
        went().map(Dropped::line).collect::<String>() + &summary(&upkeep, went().count(), args.dry_run);
    let stopped = dropped.last().is_some_and(|dropped| dropped.done.cancelled);
    if stopped {
        said += "stopped: what the rules still name is left for the next round\n";
    }
    let exit = show(config, format, &upkeep, &said, args.dry_run.then_some(&options), &dropped)?;
    Ok(if stopped && exit == Exit::Done { Exit::No } else { exit })
}

/// One round, with progress on a terminal; an interrupt ends it in order.
fn round(store: &Store, now: Option<i64>, asked: &AtomicBool) -> Outcome<Upkeep> {
    let mut progress = ui::Progress::since("maintain", Instant::now());
    let mut watch = |at: UpkeepProgress| {
        progress.name(&format!("step {} of {}", at.steps_done.saturating_add(1).min(at.steps), at.steps));
        progress.bytes(at.bytes_done, Some(at.bytes), None);
    };
    Ok(store.maintain_with(Round { now, cancel: Some(asked), watch: Some(&mut watch) })?)
}

/// Says what was done before somebody ended the round, and what is left.
fn stopped(config: &Config, format: Shown, store: &Store, upkeep: &Upkeep, now: i64) -> Outcome {
    let left = store.plan_upkeep(now)?;
    let count = |steps: &[UpkeepStep]| u64::try_from(steps.len()).unwrap_or(u64::MAX);
    let bytes = left.steps.iter().map(|step| step.bytes_before).fold(0, u64::saturating_add);
    let summary = format!(
        "stopped: {} done; {} left, {}, for the next round\n",
        ui::count(count(&upkeep.steps), "step"),
        ui::count(count(&left.steps), "step"),
        ui::size(bytes)
    );
    show(config, format, upkeep, &summary, None, &[])?;
    Ok(Exit::No)
}

/// Says when the clock is not believed, and when it was wrong before.
fn warn_of_clock(config: &Config, upkeep: &Upkeep, by_age: bool) -> Outcome<()> {
    let zone = config.zone()?;
    let time = |ns: i64| {
        let at = jiff::Timestamp::from_nanosecond(i128::from(ns));
        at.map_or_else(
            |_| ns.to_string(),
            |at| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string(),
        )
    };
    if let Some(held) = upkeep.held.filter(|_| by_age) {
        config.ui.warn(&format!(
            "the clock says {}, and the last time that the store knows is {}: what goes by age waits until {}. If the clock is \
             right, `logq --now TIME maintain` with that time does not wait",
            time(held.now),
            time(held.known),
            time(held.until)
        ));
    }
    if upkeep.ahead != 0 {
        config.ui.warn(&format!(
            "{} with records that arrived after now: the clock was ahead then, or is behind now; what goes by age counts from \
             that arrival",
            ui::count(upkeep.ahead, "segment")
        ));
    }
    Ok(())
}

/// What a rule of `logq.toml` removes, or would remove.
pub(super) struct Dropped {
    rule: Retention,
    done: Forgotten,
    planned: bool,
}

/// Applies the rules of the settings, each to what is sealed by now. A rule that matches nothing touches nothing.
fn drop_by_rules(
    config: &Config,
    store: &Store,
    now: i64,
    dry_run: bool,
    asked: &AtomicBool,
) -> Outcome<Vec<Dropped>> {
    let mut dropped = Vec::new();
    for rule in config.file()?.retention() {
        let keep = i64::try_from(rule.keep.as_nanos()).unwrap_or(i64::MAX);
        let query = Query::parse(&rule.query())?;
        let session = Session { zone: config.zone()?, ..Session::default() };
        let selection = query.selection(&store.snapshot()?, &session, now)?;
        // The age is no part of the text, so that no condition can get around it.
        let before = Test::Compare(Comparison::Lt, Literal::Time(now.saturating_sub(keep)));
        let old = Predicate::field("_arrived", before);
        let predicate = Predicate::And(vec![selection.predicate, old]);
        let forget = Forget { range: selection.range, predicate, import: None };
        let look = Round { now: None, cancel: Some(asked), watch: None };
        let mut done = store.plan_forget_with(&forget, look)?;
        if done.cancelled {
            // Nothing went yet.
            done = Forgotten { cancelled: true, ..Forgotten::default() };
        } else if !dry_run && done.events != 0 {
            done = drop_matches(store, &forget, asked)?;
        }
        let cancelled = done.cancelled;
        if cancelled || done.events + done.unsealed != 0 || !done.damage.is_empty() {
            dropped.push(Dropped { rule: rule.clone(), done, planned: dry_run });
        }
        if cancelled {
            break;
        }
    }
    Ok(dropped)
}

/// Removes what a rule names, with progress on a terminal; an interrupt ends it in order.
fn drop_matches(store: &Store, forget: &Forget, asked: &AtomicBool) -> Outcome<Forgotten> {
    let mut progress = ui::Progress::since("retention", Instant::now());
    let mut watch = |at: UpkeepProgress| progress.bytes(at.bytes_done, Some(at.bytes), None);
    Ok(store.forget_with(forget, Round { now: None, cancel: Some(asked), watch: Some(&mut watch) })?)
}

impl Dropped {
    /// Whether anything is to be said of it, but that it was ended.
    fn says_something(&self) -> bool {
        self.done.events + self.done.unsealed != 0 || !self.done.damage.is_empty()
    }

    fn why(&self) -> String {
        let keep = i64::try_from(self.rule.keep.as_nanos()).unwrap_or(i64::MAX);
        format!("retention: `{}` that arrived over {} ago", self.rule.condition, ui::span(keep))
    }

    fn line(&self) -> String {
        let Forgotten { events, unsealed, files, bytes_before, bytes_after, .. } = &self.done;
        let names: Vec<&str> = files.iter().map(|(file, _)| file.as_str()).collect();
        let mut line = format!("drop   {}, {}", ui::count(*events, "event"), ui::size(*bytes_before));
        if !self.planned {
            line += &format!(" -> {}", ui::size(*bytes_after));
        }
        line += &format!(": {} ({})", names.join(" "), self.why());
        if *unsealed != 0 {
            line += &format!("; {} not sealed yet", ui::count(*unsealed, "more event"));
        }
        ui::visible(&line) + "\n"
    }

    fn as_json(&self) -> Value {
        let files: Vec<Value> =
            self.done.files.iter().map(|(file, events)| json!({"file": file, "events": events})).collect();
        json!({"step": "drop", "files": files, "records": self.done.events, "unsealed": self.done.unsealed,
            "bytes_before": self.done.bytes_before, "bytes_after": self.done.bytes_after, "why": self.why()})
    }
}

/// Writes what was done; with options also why, and that nothing was done yet. Exit 3 when a segment could
/// not be read and was left as it is.
pub(super) fn show(
    config: &Config,
    format: Shown,
    upkeep: &Upkeep,
    summary: &str,
    planned: Option<&Options>,
    dropped: &[Dropped],
) -> Outcome {
    let text = match format {
        Shown::Table => upkeep.steps.iter().map(|step| line(step, planned)).collect::<String>() + summary,
        Shown::Json => format!("{:#}\n", as_json(upkeep, planned, dropped)),
    };
    let mut out = ui::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    let damage: Vec<&Gap> =
        upkeep.damage.iter().chain(dropped.iter().flat_map(|dropped| &dropped.done.damage)).collect();
    for gap in &damage {
        config.ui.complain(
            &Failure::broken(format!("left as it is: {gap}")).help("`logq check` lists every damaged place"),
        );
    }
    Ok(if damage.is_empty() { Exit::Done } else { Exit::Broken })
}

fn word(kind: UpkeepKind) -> &'static str {
    match kind {
        UpkeepKind::Seal => "seal",
        UpkeepKind::Merge => "merge",
        UpkeepKind::Roll => "roll",
        UpkeepKind::Bodies => "bodies",
        UpkeepKind::Expire(_) => "expire",
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
        UpkeepKind::Bodies => {
            let limit = span(options.retain_bodies_for);
            format!(
                "retain_bodies_for: prompts and responses go, as the youngest record arrived over {limit} ago"
            )
        }
        UpkeepKind::Expire(RetentionRule::Age) => {
            format!("retain_for: the youngest record arrived over {} ago", span(options.retain_for))
        }
        UpkeepKind::Expire(RetentionRule::Bytes) => {
            let limit = options.retain_bytes.map_or_else(String::new, ui::size);
            format!("retain_bytes: the store takes more than {limit}, and this came first")
        }
        UpkeepKind::Expire(RetentionRule::Free) => {
            let keep = ui::size(options.keep_free_bytes);
            format!("keep_free_bytes: less than {keep} of the disk is free, and this came first")
        }
    }
}

fn line(step: &UpkeepStep, planned: Option<&Options>) -> String {
    let records = ui::count(step.records, "record");
    let mut line = format!("{:<6} {records}, {}", word(step.kind), ui::size(step.bytes_before));
    if planned.is_none() && !matches!(step.kind, UpkeepKind::Expire(_)) {
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

fn summary(upkeep: &Upkeep, dropped: usize, planned: bool) -> String {
    let done = upkeep.steps.len() + dropped;
    let steps = ui::count(u64::try_from(done).unwrap_or(u64::MAX), "step");
    let unsealed = ui::count(upkeep.unsealed, "unsealed record");
    match (done == 0, planned) {
        (true, _) => format!("nothing to do; {unsealed}\n"),
        (false, true) => format!("{steps} would be done, and nothing was; then {unsealed}\n"),
        (false, false) => format!("{steps} done; {unsealed}\n"),
    }
}

fn as_json(upkeep: &Upkeep, planned: Option<&Options>, dropped: &[Dropped]) -> Value {
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
        .chain(dropped.iter().filter(|dropped| dropped.says_something()).map(Dropped::as_json))
        .collect();
    let places: Vec<Value> = upkeep.damage.iter().map(damage).collect();
    let cancelled = upkeep.cancelled || dropped.iter().any(|dropped| dropped.done.cancelled);
    json!({"dry_run": planned.is_some(), "cancelled": cancelled, "steps": steps, "unsealed": upkeep.unsealed, "damage": places})
}
