//! Groups out of rollups: cells, which stand for many records each, instead of rows.
//!
//! What a condition says, which value a key has and whether a measure is there is the same for all records of a combination, so
//! it is asked once for each; a cell adds its records and sums to its group.

use logq_engine::{ROLLUP_KEYS, ROLLUP_MEASURES, Rollup, Value, budget};

use super::aggregate::{Counted, Unit};
use super::columns::Columns;
use super::group::Grouping;
use super::table::compile;
use crate::functions::Function;
use crate::plan::{Condition, TOTAL};

/// A rollup as a grouping sees it.
pub(super) struct Cells<'r> {
    pub(super) rollup: &'r Rollup<'r>,
    /// By combination, the columns of the grouping.
    pub(super) columns: Columns<'r>,
    /// Whether the records of each combination are wanted.
    pub(super) passes: Vec<bool>,
    /// What each measure takes of a cell.
    takes: Vec<Take<'r>>,
}

/// What a measure takes of the cells of each combination.
enum Take<'r> {
    /// So many for each record.
    Rows(Vec<u64>),
    /// The sums of these measures; none where no record has one.
    Sums(Unit, Vec<[Option<&'r [i64]>; 2]>),
    /// A value, once.
    Values(Vec<Option<Value<'r>>>),
}

/// The place of a measure of rollups.
fn measure(name: &str) -> Option<usize> {
    ROLLUP_MEASURES.iter().position(|have| *have == name)
}

/// Whether records of a combination have a measure, the computed total too.
fn has(rollup: &Rollup<'_>, combo: usize, name: &str, totals: bool) -> bool {
    let one = |name: &str| measure(name).is_some_and(|at| rollup.has(combo, at));
    if totals && name == "total_tokens" { TOTAL.into_iter().any(one) } else { one(name) }
}

/// The columns of these names, a row for each combination. A measure that is there is any number: nobody asks which.
fn columns<'r>(rollup: &'r Rollup<'r>, names: &[String], totals: bool) -> Columns<'r> {
    let column = |name: &String| -> Vec<Option<Value<'r>>> {
        let key = ROLLUP_KEYS.iter().position(|key| key == name);
        let some = if name == "cost" { Value::Cost(0) } else { Value::Int(0) };
        let value = |combo| match key {
            Some(key) => rollup.key(combo, key),
            None => has(rollup, combo, name, totals).then_some(some),
        };
        (0..rollup.combos()).map(value).collect()
    };
    Columns::of_values(names.iter().map(column).collect(), rollup.combos())
}

impl<'r> Cells<'r> {
    /// The cells for a grouping of the records that pass `filter`; `totals` says whether the grouping computes the total of tokens.
    pub(super) fn new(
        rollup: &'r Rollup<'r>,
        grouping: &Grouping<'_>,
        filter: &[Condition],
        totals: bool,
    ) -> Self {
        let mut names = Vec::new();
        let compiled = compile(filter, &mut names);
        let asked = columns(rollup, &names, false);
        let columns = columns(rollup, &grouping.names, totals);
        let combos = || 0..rollup.combos();
        let passes = combos()
            .map(|combo| compiled.matches(&asked.row(combo)) && grouping.passes(&columns.row(combo)))
            .collect();
        let mut takes = Vec::new();
        for at in 0..grouping.measures() {
            let (function, argument) = grouping.measure(at);
            let wanted = |combo: usize| grouping.measure_passes(at, &columns.row(combo));
            let take = match (function, argument) {
                (Function::Calls, _) => {
                    let key = ROLLUP_KEYS.iter().position(|key| *key == "calls");
                    let calls = |combo| budget::calls(key.and_then(|key| rollup.key(combo, key)));
                    Take::Rows(combos().map(|combo| if wanted(combo) { calls(combo) } else { 0 }).collect())
                }
                (_, None) => Take::Rows(combos().map(|combo| u64::from(wanted(combo))).collect()),
                (_, Some(name)) if measure(name).is_some() => {
                    let unit = if name == "cost" { Unit::Cost } else { Unit::Plain };
                    let sums = |combo| match wanted(combo) {
                        true => sums(rollup, combo, name, totals),
                        false => [None; 2],
                    };
                    Take::Sums(unit, combos().map(sums).collect())
                }
                (Function::Count, Some(name)) => {
                    let key = ROLLUP_KEYS.iter().position(|key| *key == name);
                    let there = |combo: &usize| {
                        let value = key.and_then(|key| rollup.key(*combo, key));
                        value.is_some_and(|value| value != Value::Null)
                    };
                    let one = |combo| u64::from(there(&combo) && wanted(combo));
                    Take::Rows(combos().map(one).collect())
                }
                (_, Some(name)) => {
                    let key = ROLLUP_KEYS.iter().position(|key| *key == name);
                    let value = |combo| {
                        let value = key.and_then(|key| rollup.key(combo, key));
                        value.filter(|value| wanted(combo) && *value != Value::Null)
                    };
                    Take::Values(combos().map(value).collect())
                }
            };
            takes.push(take);
        }
        Self { rollup, columns, passes, takes }
    }

    /// What a measure takes of a cell, whose place is `at`; none where that is nothing.
    #[inline]
    pub(super) fn take(&self, measure: usize, combo: usize, records: u64, at: usize) -> Option<Counted<'r>> {
        match self.takes.get(measure)? {
            Take::Rows(factors) => {
                let rows = factors.get(combo)?.saturating_mul(records);
                (rows != 0).then_some(Counted::Rows(rows))
            }
            Take::Sums(unit, columns) => {
                let columns = columns.get(combo)?;
                let sum = columns
                    .iter()
                    .flatten()
                    .filter_map(|sums| sums.get(at))
                    .map(|sum| i128::from(*sum))
                    .sum();
                columns.iter().any(Option::is_some).then_some(Counted::Sum(*unit, records, sum))
            }
            Take::Values(values) => values.get(combo).copied().flatten().map(Counted::Value),
        }
    }
}

/// The sums that make a measure for the records of a combination.
fn sums<'r>(rollup: &Rollup<'r>, combo: usize, name: &str, totals: bool) -> [Option<&'r [i64]>; 2] {
    let one = |name: &str| {
        let at = measure(name)?;
        rollup.has(combo, at).then(|| rollup.sums(at))
    };
    if totals && name == "total_tokens" {
        let [prompt, response, total] = TOTAL.map(one);
        return match [prompt, response] {
            [None, None] => [total, None],
            both => both,
        };
    }
    [one(name), None]
}
