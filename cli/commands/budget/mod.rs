//! `logq budget`: limits on what is used, from the shell.

mod define;
mod deliver;
mod spend;

use std::io::Write as _;

use logq_engine::budget::{Budgets, Difference};
use logq_engine::{Durability, ErrorKind, Options, Store};
use serde_json::{Value, json};

pub(crate) use self::deliver::{after as deliver_after, beside as deliver_while};
use super::query::Question;
use crate::args::{self, BudgetAction, Output};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui;

/// Does what was asked; without more, says how the budgets stand.
pub(crate) fn run(config: &Config, args: &args::Budget) -> Outcome {
    let exit = act(config, args)?;
    if !matches!(args.action, Some(BudgetAction::Deliver | BudgetAction::Verify)) {
        deliver::after(config);
    }
    Ok(exit)
}

fn act(config: &Config, args: &args::Budget) -> Outcome {
    match &args.action {
        None | Some(BudgetAction::Status) => status(config),
        Some(BudgetAction::Set(args)) => define::run(config, args),
        Some(BudgetAction::Check(args)) => spend::check(config, args),
        Some(BudgetAction::Reserve(args)) => spend::reserve(config, args),
        Some(BudgetAction::Commit(args)) => spend::commit(config, args),
        Some(BudgetAction::Extend(args)) => spend::extend(config, args),
        Some(BudgetAction::Release(args)) => spend::release(config, args),
        Some(BudgetAction::Deliver) => deliver::run(config),
        Some(BudgetAction::Verify) => recount(config, false),
        Some(BudgetAction::Rebuild) => recount(config, true),
    }
}

/// The store for a command that writes: what it appends is on disk when it ends.
fn open(config: &Config, create: bool) -> Outcome<Store> {
    let options = Options { create, maintain: false, durability: Durability::Synced, ..config.options()? };
    Ok(Store::open(config.store()?, options)?)
}

/// The budgets of a store, as its settings define them; they say each alert that they raise.
fn budgets(config: &Config, store: &Store) -> Outcome<Budgets> {
    let (budgets, ui) = (store.budgets(), config.ui);
    config.file()?.define_budgets(&budgets)?;
    budgets.on_alert(move |alert| ui.warn(&alert.to_string()));
    Ok(budgets)
}

/// JSON, or lines for a person; other forms are refused.
fn is_json(config: &Config, action: &str) -> Outcome<bool> {
    match config.output() {
        Output::Table => Ok(false),
        Output::Json | Output::Jsonl => Ok(true),
        other => Err(Failure::bad(format!("budget {action} cannot write {}", other.as_str()))
            .help("use -o table or json")),
    }
}

fn print(text: &str) -> Outcome<()> {
    let mut out = ui::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// The rows of the noun `budget`, after alerts that are due were raised.
fn status(config: &Config) -> Outcome {
    let output = config.output();
    let question = Question::new(config, "budget", output)?;
    let store = match open(config, false) {
        Ok(store) => {
            match budgets(config, &store)?.refresh() {
                // A store that cannot be written is shown as it is.
                Err(error) if error.kind() != ErrorKind::Io => return Err(error.into()),
                _ => {}
            }
            store
        }
        Err(failure) if failure.exit == Exit::Broken => super::open_to_read(config)?,
        Err(failure) => return Err(failure),
    };
    if output == Output::Json {
        let answer = question.ask(&store)?;
        let rows: Vec<String> = answer.rows.iter().map(|row| answer.row_json(row)).collect();
        print(&format!("[{}]\n", ui::plain_json(&rows.join(",\n"))))?;
        return Ok(Exit::Done);
    }
    let mut out = ui::stdout();
    let exit = question.answer(config, &store, &mut out)?;
    out.flush()?;
    Ok(exit)
}

/// `verify` and `rebuild`.
fn recount(config: &Config, rebuild: bool) -> Outcome {
    let json = is_json(config, if rebuild { "rebuild" } else { "verify" })?;
    let store = open(config, false)?;
    let found = if rebuild { store.budgets().rebuild()? } else { store.budgets().verify()? };
    if json {
        let rows: Vec<Value> = found.iter().map(difference_json).collect();
        print(&format!("{}\n", ui::plain_json(&json!({"differences": rows}).to_string())))?;
    } else {
        let lines: String = found.iter().map(|one| ui::visible(&line(one)) + "\n").collect();
        let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
        let count = if count == 1 { "1 difference".into() } else { format!("{count} differences") };
        let did = if rebuild { "counted anew" } else { "counted" };
        print(&format!("{lines}{did}: {count}\n"))?;
    }
    Ok(if found.is_empty() || rebuild { Exit::Done } else { Exit::No })
}

fn line(one: &Difference) -> String {
    let group = one.group.as_deref().map_or(String::new(), |group| format!(" for {group}"));
    let start = match one.window_start {
        i64::MIN => "of all time".to_owned(),
        start => format!("from {}", logq_query::json::time_text(start)),
    };
    format!("{}{group}, window {start}: {} counted, {} in the log", one.budget, one.counted, one.logged)
}

fn difference_json(one: &Difference) -> Value {
    let start = (one.window_start != i64::MIN).then(|| logq_query::json::time_text(one.window_start));
    json!({
        "budget": one.budget,
        "group": one.group,
        "window_start": start,
        "counted": one.counted,
        "logged": one.logged,
    })
}
