//! `budget`: how the budgets stand, from their counters, without a scan. A row for each counter.

use super::{BASE, Noun, Shape};
use crate::plan::Report;

/// The columns.
pub(crate) const COLUMNS: [&str; 10] =
    ["name", "scope", "window", "used", "held", "limit", "ratio", "status", "resets_in", "eta"];

pub(super) const NOUN: Noun = Noun {
    shape: Shape::Report(Report::Budgets),
    measures: Vec::new,
    main: "used",
    listing: &COLUMNS,
    ..BASE
};
