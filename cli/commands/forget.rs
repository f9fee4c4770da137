//! `logq forget`: events that match are removed for good, or what that would remove is shown. `logq import --undo` takes
//! an import back the same way.

use std::io::Write as _;

use logq_engine::{Forget, Forgotten, Options, SourceId, Store};
use logq_query::{Query, Session};
use serde_json::{Value, json};

use super::check::damage;
use super::maintain::Shown;
use crate::args;
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui;

/// Shows what would go; with `--apply` removes it.
pub(crate) fn run(config: &Config, args: &args::Forget) -> Outcome {
    let shown = Shown::of(config, "forget")?;
    let text = args.expression.join(" ");
    let query = Query::parse(&text)?;
    let store = open(config, args.apply)?;
    let session = Session { now: config.now()?, zone: config.zone()?, ..Session::default() };
    let now = session.now.unwrap_or_else(|| store.now());
    let selection = query.selection(&store.snapshot()?, &session, now)?;
    for warning in &selection.warnings {
        match &warning.diagnostic {
            Some(diagnostic) => config.ui.plain(&diagnostic.render(&text)),
            None => config.ui.warn(&warning.text),
        }
    }
    let forget = Forget { range: selection.range, predicate: selection.predicate, import: None };
    let done = if args.apply { store.forget(&forget)? } else { store.plan_forget(&forget)? };
    let deleted = match args.apply && args.set_aside {
        true => store.delete_set_aside(&done.set_aside)?,
        false => 0,
    };
    show(shown, &Report { what: &selection.expanded, done: &done, applied: args.apply, deleted })?;
    if args.apply {
        config.ui.note("backups and exports are out of reach: what they hold of these events is still there");
    }
    Ok(end(config, &done, args.apply, deleted))
}

/// Takes an import back, or shows what that would remove.
pub(crate) fn undo(config: &Config, id: &str, dry_run: bool) -> Outcome {
    let shown = Shown::of(config, "import --undo")?;
    let bad = |what: String| Failure::bad(what).help("`logq import --list` shows what was imported");
    let source: SourceId = id.parse().map_err(|_| bad(format!("`{id}` does not name an import")))?;
    let store = open(config, !dry_run)?;
    if !store.imports()?.iter().any(|progress| progress.source == source) {
        return Err(bad(format!("nothing was imported as {id}")));
    }
    // Nobody imports the rest of it meanwhile.
    let _lock = if dry_run { None } else { Some(store.lock_source(source)?) };
    let forget = Forget::import(source);
    let done = if dry_run { store.plan_forget(&forget)? } else { store.forget(&forget)? };
    let what = format!("import {id}");
    show(shown, &Report { what: &what, done: &done, applied: !dry_run, deleted: 0 })?;
    Ok(end(config, &done, !dry_run, 0))
}

fn open(config: &Config, write: bool) -> Outcome<Store> {
    let options = Options { create: false, maintain: false, read_only: !write, ..config.options()? };
    Ok(Store::open(config.store()?, options)?)
}

/// What is shown in the end.
struct Report<'r> {
    what: &'r str,
    done: &'r Forgotten,
    applied: bool,
    deleted: usize,
}

/// Exit 1 while anything that was named stays: matching events, budgets for what is forgotten, files that were set aside; 3 where a file cannot be read.
fn end(config: &Config, done: &Forgotten, applied: bool, deleted: usize) -> Exit {
    let stays = done.unsealed != 0 || !done.budgets.is_empty() || deleted < done.set_aside.len();
    for gap in &done.damage {
        config.ui.complain(
            &Failure::broken(format!("left as it is: {gap}")).help("`logq check` lists every damaged place"),
        );
    }
    match (done.damage.is_empty(), applied && stays) {
        (false, _) => Exit::Broken,
        (true, true) => Exit::No,
        (true, false) => Exit::Done,
    }
}

fn show(shown: Shown, report: &Report<'_>) -> Outcome<()> {
    let text = match shown {
        Shown::Table => lines(report),
        Shown::Json => format!("{:#}\n", as_json(report)),
    };
    let mut out = ui::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn lines(report: &Report<'_>) -> String {
    let Report { what, done, applied, deleted } = report;
    let mut out: String = done
        .files
        .iter()
        .map(|(file, events)| format!("{file}: {}\n", ui::count(*events, "event")))
        .collect();
    let events = ui::count(done.events, "event");
    out += &match applied {
        true => format!(
            "removed {events} of `{what}`: {} became {}\n",
            ui::size(done.bytes_before),
            ui::size(done.bytes_after)
        ),
        false if done.events + done.unsealed == 0 => format!("no event of `{what}`\n"),
        false => format!("would remove {events} of `{what}`; nothing was (--apply does it)\n"),
    };
    if done.unsealed != 0 {
        let stay = ui::count(done.unsealed, "event");
        out += &format!(
            "{stay} in files that writers are filling stay: do it again when the writers closed, or after `seal_after`\n"
        );
    }
    for name in &done.budgets {
        out += &format!(
            "budget `{name}` is defined for it or named after it, and stays: `logq budget set {} --remove` takes it away\n",
            shell_word(name)
        );
    }
    match (done.set_aside.as_slice(), deleted) {
        ([], _) => {}
        (files, 0) => {
            for file in files {
                out += &format!(
                    "{file}: set aside, and holds a word that is asked for: look, or add --set-aside to delete it\n"
                );
            }
        }
        (files, _) => out += &format!("deleted what was set aside: {}\n", files.join(" ")),
    }
    ui::visible_lines(&out)
}

/// A name as a shell takes it.
fn shell_word(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && name.chars().all(plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}

fn as_json(report: &Report<'_>) -> Value {
    let Report { what, done, applied, deleted } = report;
    let files: Vec<Value> =
        done.files.iter().map(|(file, events)| json!({"file": file, "events": events})).collect();
    let places: Vec<Value> = done.damage.iter().map(damage).collect();
    json!({"what": what, "applied": applied, "events": done.events, "unsealed": done.unsealed, "files": files,
        "bytes_before": done.bytes_before, "bytes_after": done.bytes_after, "set_aside": done.set_aside, "budgets": done.budgets,
        "set_aside_deleted": deleted, "damage": places})
}
