//! The noun `budget`: how the budgets stand, as rows.

use logq_engine::budget::{Measure, Status};

use super::table::Row;
use crate::datum::Datum;

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
        // A ten-thousandth of the limit is more than anybody acts on.
        Datum::Float((status.ratio * 1e4).round() / 1e4),
        Datum::text(status.status.as_str()),
        length(status.resets_in),
        length(status.eta),
    ])
}
