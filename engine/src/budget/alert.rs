//! Alerts: a threshold of a budget was crossed.
//!
//! One alert for each budget, group, window and threshold, kept as an event in the log, so that neither a restart nor
//! another process raises it again. A threshold of a sliding window can be crossed again once what is used has
//! fallen [`HYSTERESIS`] below it.

use super::counter::Fired;
use super::definition::{Budget, Measure, Threshold};
use super::desk::Txn;
use super::op::{Add, Group, Op};
use super::record;
use super::window::Window;
use crate::error::Result;
use crate::event::Event;
use crate::level::Level;
use crate::record_id::RecordId;
use crate::value::Value;
use crate::writer::Writer;

/// How far a sliding window falls below a threshold before it can be crossed again, in millionths of the limit.
const HYSTERESIS: u32 = 50_000;

/// A threshold that was crossed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The budget's name.
    pub budget: String,
    /// The value of the budget's `by` field.
    pub group: Option<String>,
    /// The share of the limit that was reached.
    pub threshold: Threshold,
    /// What was used then: tokens, calls or billionths of a US dollar.
    pub used: u64,
    /// The limit.
    pub limit: u64,
    /// What is counted.
    pub measure: Measure,
    /// The window.
    pub window: Window,
    /// When the window began, nanoseconds since 1970; of a sliding one when it was that the alert was raised, of
    /// `lifetime` the least time that there is.
    pub window_start: i64,
    /// The same for the same alert, another for any other.
    pub dedupe_key: String,
    /// The event of the alert.
    pub id: RecordId,
}

impl std::fmt::Display for Alert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&message(
            &self.budget,
            self.group.as_deref(),
            self.measure,
            (self.used, self.limit),
            self.window,
        ))
    }
}

fn message(
    name: &str,
    group: Option<&str>,
    measure: Measure,
    (used, limit): (u64, u64),
    window: Window,
) -> String {
    let percent = u128::from(used) * 100 / u128::from(limit.max(1));
    let what = match measure {
        Measure::Cost => String::new(),
        other => format!(" {}", other.as_str().replace('_', " ")),
    };
    let group = group.map_or(String::new(), |group| format!(" for {group}"));
    let (used, limit) = (measure.show(used), measure.show(limit));
    format!("budget {name}{group}: {used} of {limit}{what} used ({percent} %, window {window})")
}

/// A crossing that is yet to be told.
struct Crossing {
    budget: usize,
    group: Group,
    threshold: Threshold,
    used: u64,
    start: i64,
}

/// Arms thresholds of sliding windows again that are far enough below. To be called before usage is added.
pub(super) fn rearm(txn: &mut Txn<'_>, adds: &[Add]) {
    let rules = std::sync::Arc::clone(&txn.state.rules);
    for add in adds {
        let Some(budget) = rules.budgets.get(add.budget) else { continue };
        if !matches!(budget.window, Window::Sliding(_)) {
            continue;
        }
        let now = txn.now();
        let Some((counter, windows)) = txn.state.counter(add.budget, &add.group) else { continue };
        if counter.fired.is_empty() {
            continue;
        }
        let used = counter.used(windows, now);
        let fallen = |threshold: &&Threshold| {
            counter.has_fired(budget.window, threshold.millionths(), 0)
                && !threshold.lowered(HYSTERESIS).is_reached(used, budget.limit)
        };
        let fallen: Vec<u32> = budget.thresholds.iter().filter(fallen).map(|t| t.millionths()).collect();
        for millionths in fallen {
            txn.apply(&Op::Armed { budget: add.budget, group: add.group.clone(), millionths });
        }
    }
}

/// Raises what was crossed by usage that was added: each as an event, and as an alert of the transaction.
///
/// # Errors
/// As [`Writer::append`].
pub(super) fn raise(txn: &mut Txn<'_>, adds: &[Add], writer: &dyn Fn() -> Result<Writer>) -> Result<()> {
    let rules = std::sync::Arc::clone(&txn.state.rules);
    let mut crossed = Vec::new();
    for add in adds {
        let Some(budget) = rules.budgets.get(add.budget) else { continue };
        let now = txn.now();
        let Some((counter, windows)) = txn.state.counter(add.budget, &add.group) else { continue };
        let used = counter.used(windows, now);
        let Some(current) = counter.current(windows, now) else { continue };
        let start = if matches!(budget.window, Window::Sliding(_)) { now } else { current.start };
        for threshold in &budget.thresholds {
            if threshold.is_reached(used, budget.limit)
                && !counter.has_fired(budget.window, threshold.millionths(), start)
            {
                let (group, threshold) = (add.group.clone(), *threshold);
                crossed.push(Crossing { budget: add.budget, group, threshold, used, start });
            }
        }
    }
    for crossing in crossed {
        if let Some(budget) = rules.budgets.get(crossing.budget) {
            tell(txn, budget, crossing, writer)?;
        }
    }
    Ok(())
}

fn tell(
    txn: &mut Txn<'_>,
    budget: &Budget,
    crossing: Crossing,
    writer: &dyn Fn() -> Result<Writer>,
) -> Result<()> {
    let Crossing { budget: place, group, threshold, used, start } = crossing;
    let fired = Fired { millionths: threshold.millionths(), start };
    let name = record::group_name(&group);
    let dedupe_key = format!("{}/{}/{start}/{threshold}", budget.name, name.unwrap_or(""));
    let amount = |amount: u64| match budget.measure {
        Measure::Cost => Value::Cost(i64::try_from(amount).unwrap_or(i64::MAX)),
        _ => Value::Int(i64::try_from(amount).unwrap_or(i64::MAX)),
    };
    let text = message(&budget.name, name, budget.measure, (used, budget.limit), budget.window);
    let mut event = Event::system("budget_alert", &text)
        .level(Level::Warn)
        .field("source", "budget")
        .field("budget", budget.name.as_str());
    if let Some(name) = name {
        event.set("group", Value::Str(name));
    }
    event.set("threshold", Value::Number(&threshold.to_string()));
    event.set("measure", Value::Str(budget.measure.as_str()));
    event.set("used", amount(used));
    event.set("limit", amount(budget.limit));
    event.set("window", Value::Str(&budget.window.to_string()));
    if start != i64::MIN {
        event.set("window_start", Value::Time(start));
    }
    event.set("dedupe_key", Value::Str(&dedupe_key));
    record::mark_alert(&mut event, budget, &group, fired);
    let id = writer()?.append(&event)?;
    let name = name.map(str::to_owned);
    txn.apply(&Op::Fired { budget: place, group, fired });
    txn.apply(&Op::Seen(id));
    txn.alerts.push(Alert {
        budget: budget.name.clone(),
        group: name,
        threshold,
        used,
        limit: budget.limit,
        measure: budget.measure,
        window: budget.window,
        window_start: start,
        dedupe_key,
        id,
    });
    Ok(())
}
