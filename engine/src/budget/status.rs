//! How budgets stand, and whether the log bears their counters out.

use super::definition::{Budget, Measure, Mode};
use super::desk::{self, Recounted};
use super::op::{Group, Op};
use super::state::State;
use super::window::Window;
use super::{Budgets, record};
use crate::core::Core;
use crate::error::Result;
use crate::format::name::FileName;

/// How close a budget is to its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Below all thresholds.
    Ok,
    /// A threshold is reached, the limit is not.
    Warning,
    /// Nothing is left.
    Exceeded,
}

impl Standing {
    /// `ok`, `warning` or `exceeded`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Exceeded => "exceeded",
        }
    }
}

/// How one counter of a budget stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The budget's name.
    pub name: String,
    /// What it counts: `all`, or conditions such as `model=llama3.2 user=ann`.
    pub scope: String,
    /// The value of the budget's `by` field.
    pub group: Option<String>,
    /// The window.
    pub window: Window,
    /// What is counted.
    pub measure: Measure,
    /// What happens at the limit.
    pub mode: Mode,
    /// What was used in the current window: tokens, calls or billionths of a US dollar. Of a sliding window what is
    /// enforced: its oldest step counts whole.
    pub used: u64,
    /// What reservations hold.
    pub held: u64,
    /// The limit.
    pub limit: u64,
    /// `used / limit`.
    pub ratio: f64,
    /// How close that is.
    pub status: Standing,
    /// Nanoseconds until the next window begins; `None` for sliding windows, `lifetime`, and a session that has not
    /// begun.
    pub resets_in: Option<i64>,
    /// Nanoseconds until the limit is met at the pace of this window so far; `None` when that is not within it.
    pub eta: Option<i64>,
}

/// A counter that the log does not bear out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The budget's name.
    pub budget: String,
    /// The value of the budget's `by` field.
    pub group: Option<String>,
    /// Where the window begins, or the step of a sliding one, nanoseconds since 1970.
    pub window_start: i64,
    /// What the counter said.
    pub counted: u64,
    /// What the log says.
    pub logged: u64,
}

/// What a budget counts, for people.
pub(super) fn scope(budget: &Budget, group: Option<&Group>) -> String {
    let mut parts: Vec<String> =
        budget.selector.iter().map(|(field, value)| format!("{field}={value}")).collect();
    if let Some(field) = &budget.by {
        parts.push(match group {
            None => format!("each {field}"),
            Some(group) => format!("{field}={}", record::group_name(group).unwrap_or("(none)")),
        });
    }
    if parts.is_empty() { "all".into() } else { parts.join(" ") }
}

impl Budgets {
    /// How all budgets stand, with everything that is in the log; one row for each counter. Raises the alerts that
    /// are due. On a store that was opened read-only it writes nothing: as [`Budgets::observe`].
    ///
    /// # Errors
    /// What the operating system says.
    pub fn status(&self) -> Result<Vec<Status>> {
        if self.shared.desk.core.options.read_only {
            return self.observe();
        }
        let (rows, _) = self.with(|txn| {
            self.catch_up(txn, true)?;
            txn.sweep();
            Ok(rows(txn.state))
        })?;
        Ok(rows)
    }

    /// As [`Budgets::status`], for somebody who only looks: writes nothing and raises no alerts.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn observe(&self) -> Result<Vec<Status>> {
        let desk = &self.shared.desk;
        let mut state = desk.observe()?;
        for id in desk::over(&desk.core, &state, &|_| false) {
            state.apply(&Op::Free(id));
        }
        Ok(rows(&mut state))
    }

    /// Counts what the log holds and compares: an empty list says that every counter is right.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn verify(&self) -> Result<Vec<Difference>> {
        self.recounted(false)
    }

    /// Counts what the log holds, and goes on with that. Also undoes a clock that was once far ahead. Says what was
    /// different; reservations stay.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn rebuild(&self) -> Result<Vec<Difference>> {
        self.recounted(true)
    }

    /// As [`Budgets::rebuild`], if anything was counted yet.
    pub(crate) fn recount_used(&self) -> Result<()> {
        let core = &self.shared.desk.core;
        match core.vfs.stat(&FileName::BudgetTable.path(&core.dir)) {
            Ok(_) => self.recounted(true).map(drop),
            Err(_) => Ok(()),
        }
    }

    fn recounted(&self, keep: bool) -> Result<Vec<Difference>> {
        let budgets = self.definitions()?;
        Ok(named(&budgets, self.shared.desk.recount(keep)?))
    }
}

/// As [`Budgets::verify`], for somebody who only looks: writes nothing.
pub(super) fn differences(core: &Core) -> Result<Vec<Difference>> {
    let budgets = desk::read_rules(core)?.budgets;
    Ok(named(&budgets, desk::compare(core)?))
}

fn named(budgets: &[Budget], found: Vec<Recounted>) -> Vec<Difference> {
    let difference = |found: Recounted| {
        let (budget, group, window_start) = found.key;
        Difference {
            budget: budgets.get(budget).map(|budget| budget.name.clone()).unwrap_or_default(),
            group: record::group_name(&group).map(str::to_owned),
            window_start,
            counted: found.counted,
            logged: found.logged,
        }
    };
    found.into_iter().map(difference).collect()
}

/// The rows of a state.
fn rows(state: &mut State) -> Vec<Status> {
    let rules = std::sync::Arc::clone(&state.rules);
    let mut rows = Vec::new();
    for (at, budget) in rules.budgets.iter().enumerate() {
        let mut groups = state.groups(at);
        if groups.is_empty() {
            rows.extend(row(state, at, budget, None));
        } else if budget.by.is_none() {
            groups.retain(|group| *group == Group::Alone);
        }
        rows.extend(groups.iter().filter_map(|group| row(state, at, budget, Some(group))));
    }
    rows
}

fn row(state: &mut State, at: usize, budget: &Budget, group: Option<&Group>) -> Option<Status> {
    let now = state.now;
    let empty = super::counter::Counter::default();
    let group_asked = group.unwrap_or(&Group::Alone);
    let (used, held, current) = match state.counter(at, group_asked) {
        Some((counter, windows)) => {
            (counter.used(windows, now), counter.held(windows, now), counter.current(windows, now))
        }
        None => {
            let windows = state.windows(at)?;
            (0, 0, empty.current(windows, now))
        }
    };
    let (left, elapsed) = match (budget.window, current) {
        (Window::Sliding(length), _) => (None, Some(length)),
        (Window::Lifetime, _) | (_, None) => (None, None),
        (_, Some(span)) => {
            let whole = span.end.saturating_sub(span.start);
            (Some(span.end.saturating_sub(now)), Some(now.saturating_sub(span.start).max(whole / 12)))
        }
    };
    let status = if budget.limit <= used {
        Standing::Exceeded
    } else if budget.thresholds.iter().any(|threshold| threshold.is_reached(used, budget.limit)) {
        Standing::Warning
    } else {
        Standing::Ok
    };
    let eta = eta(used, budget.limit, elapsed).filter(|eta| left.is_none_or(|left| *eta < left));
    Some(Status {
        name: budget.name.clone(),
        scope: scope(budget, group),
        group: group.and_then(record::group_name).map(str::to_owned),
        window: budget.window,
        measure: budget.measure,
        mode: budget.mode,
        used,
        held,
        limit: budget.limit,
        ratio: used as f64 / budget.limit as f64,
        status,
        resets_in: left,
        eta,
    })
}

/// How long until the limit is met if the rest is used as fast as what was used in `elapsed`.
fn eta(used: u64, limit: u64, elapsed: Option<i64>) -> Option<i64> {
    let elapsed = u128::try_from(elapsed?).ok()?;
    let rest = u128::from(limit.saturating_sub(used));
    let left = rest.checked_mul(elapsed)?.checked_div(u128::from(used))?;
    i64::try_from(left).ok()
}
