//! Budgets in answers: how they stand as rows, and how close the events of a group are to a limit.

use logq_engine::budget::{Budget, Measure, Status};

use super::Input;
use super::table::{Row, Table};
use crate::datum::Datum;
use crate::error::Result;
use crate::plan::{LIMITS, Limits};

/// A row for each counter, in the order of the definitions.
pub(super) fn rows(budgets: &[Status]) -> Vec<Row> {
    budgets.iter().map(row).collect()
}

fn row(status: &Status) -> Row {
    let amount = |amount: u64| {
        let amount = i64::try_from(amount).unwrap_or(i64::MAX);
        if status.measure == Measure::Cost { Datum::Cost(amount) } else { Datum::Int(amount) }
    };
    let length = |ns: Option<i64>| ns.map_or(Datum::Missing, Datum::Duration);
    Row::computed(vec![
        Datum::text(&status.name),
        Datum::text(&status.scope),
        Datum::text(&status.window.to_string()),
        amount(status.used),
        amount(status.held),
        amount(status.limit),
        share(status),
        Datum::text(status.status.as_str()),
        length(status.resets_in),
        length(status.eta),
    ])
}

/// How much of its limit is used: to a ten-thousandth, as nobody acts on less.
pub(super) fn share(status: &Status) -> Datum {
    Datum::Float((status.ratio * 1e4).round() / 1e4)
}

/// Adds to each row the budget of exactly its events that is closest to its limit, and how close that is at this
/// moment. Where no budget counts just these events, the range does not reach the present, or there is no store to
/// ask, both are missing.
pub(super) fn limits(table: &mut Table, limits: &Limits, input: &Input<'_>) -> Result<()> {
    let present = |now: i64| input.plan.range.until.is_none_or(|until| now <= until);
    let counters = match (input.store, &limits.pins) {
        (Some((store, now)), Some(_)) if present(now) => {
            let budgets = store.budgets();
            counters(&budgets.definitions()?, budgets.observe()?)
        }
        _ => Vec::new(),
    };
    let places: Vec<Option<usize>> = limits.keys.iter().map(|key| table.place(key)).collect();
    let found: Vec<(Datum, Datum)> = table
        .rows
        .iter()
        .map(|row| {
            let nothing = (Datum::Missing, Datum::Missing);
            let cell = |place: &Option<usize>| place.and_then(|at| row.cells.get(at)).and_then(spelled);
            let values: Option<Vec<String>> = places.iter().map(cell).collect();
            let Some(values) = values else { return nothing };
            let keys = limits.keys.iter().cloned().zip(values);
            let mut pins: Vec<(String, String)> = limits.pins.iter().flatten().cloned().chain(keys).collect();
            pins.sort();
            pins.dedup();
            let of = counters.iter().filter(|(pinned, _)| *pinned == pins).map(|(_, status)| status);
            // The first of those that are equally close.
            let closest = of.reduce(|best, next| if best.ratio < next.ratio { next } else { best });
            closest.map_or(nothing, |status| (Datum::text(&status.name), share(status)))
        })
        .collect();
    let (names, shares) = found.into_iter().unzip();
    let [name, limit_share] = LIMITS;
    table.put(name, names);
    table.put(limit_share, shares);
    Ok(())
}

/// The counters, each with the fields and values of the events that it counts, in order.
fn counters(budgets: &[Budget], standing: Vec<Status>) -> Vec<(Vec<(String, String)>, Status)> {
    let pinned = |status: Status| {
        let budget = budgets.iter().find(|budget| budget.name == status.name)?;
        let group = budget.by.as_ref().map(|field| Some((field.clone(), status.group.clone()?)));
        let group = match group {
            // Nothing was counted for any group yet.
            Some(None) => return None,
            Some(group) => group,
            None => None,
        };
        let mut pins: Vec<(String, String)> = budget.selector.iter().cloned().chain(group).collect();
        pins.sort();
        pins.dedup();
        Some((pins, status))
    };
    standing.into_iter().filter_map(pinned).collect()
}

/// A value as the counters of budgets know it.
fn spelled(value: &Datum) -> Option<String> {
    value.value().map(|value| logq_engine::compare::to_text(value).into_owned())
}
