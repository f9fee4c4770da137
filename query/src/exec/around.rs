//! `context`: the records around those that were found. Three passes: what is found, where the records around it are, and
//! these records.

use logq_engine::compare::put_key;
use logq_engine::{Batch, Part, RecordId, ScanStats, TimeRange};
use std::collections::HashSet;
use std::ops::ControlFlow;

use super::columns::Access;
use super::hash::KeyTable;
use super::list::{self, Listing, Wanted};
use super::table::Table;
use super::{Input, ScanOutcome, each_part};
use crate::error::Result;
use crate::plan::{Around, Condition, Plan, Stage};

/// A place in the order of all records.
type At = (i64, RecordId);

/// Bytes that a place takes among others, about.
const PLACE_SIZE: usize = 2 * size_of::<(u32, At)>();

/// Reads the records around those that pass.
pub(super) fn scan(
    input: &Input<'_>,
    around: &Around,
    filter: &[Condition],
    stages: &[Stage],
) -> Result<(Table, ScanOutcome)> {
    let names: Vec<String> = around.of.iter().cloned().collect();
    let found =
        Listing { names: names.clone(), filter, wanted: Wanted::All, fields: false, only: None, step: None };
    let (found, mut outcome) = list::scan(input, &found)?;
    let mut keys = KeyTable::default();
    let mut hits: Vec<(u32, At)> = Vec::new();
    let mut wanted: HashSet<At> = HashSet::new();
    for row in &found.rows {
        wanted.insert((row.time, row.id));
        let value = row.cells.first().filter(|_| around.of.is_some());
        // Records without the field are near nothing.
        if around.of.is_some() && value.is_none_or(|value| value.is_missing()) {
            continue;
        }
        let mut key = Vec::new();
        value.into_iter().for_each(|value| put_key(&mut key, value.value()));
        hits.extend(keys.number(&key).map(|number| (number, (row.time, row.id))));
    }
    let plan = Plan { filter: Vec::new(), ..input.plan.clone() };
    let all = input.with(&plan);
    let (mut places, more) = places(&all, &names, &keys)?;
    outcome.add(more);
    places.sort_unstable();
    for hit in hits {
        let at = places.partition_point(|place| *place < hit);
        let from = at.saturating_sub(around.before);
        let until = at.saturating_add(around.after).saturating_add(1).min(places.len());
        let near = places.get(from..until).unwrap_or_default();
        wanted.extend(near.iter().filter(|(key, _)| *key == hit.0).map(|(_, at)| *at));
    }
    input.budget.charge(wanted.len() * PLACE_SIZE)?;
    let times = || wanted.iter().map(|(time, _)| *time);
    let Some((first, last)) = times().min().zip(times().max()) else {
        let table = Table { columns: found.columns, rows: Vec::new(), natural: true };
        return Ok((table, outcome));
    };
    let range = TimeRange { from: Some(first), until: last.checked_add(1) };
    let plan = Plan { range, ..plan };
    let last_input = input.with(&plan);
    let mut listing = super::listing(&last_input, &[], stages);
    listing.only = Some(&wanted);
    let (table, more) = list::scan(&last_input, &listing)?;
    outcome.add(more);
    Ok((table, outcome))
}

/// Where the records are that have one of the keys; of no field, all of them.
fn places(input: &Input<'_>, names: &[String], keys: &KeyTable) -> Result<(Vec<(u32, At)>, ScanOutcome)> {
    let access = Access::new(names, input.plan.totals);
    let scan = input.scan(&access, false);
    let parts = input.snapshot.parts(&scan)?;
    let read = |state: &mut Vec<(u32, At)>, part: &Part<'_>| -> Result<ScanStats> {
        let mut result = Ok(());
        let mut key = Vec::new();
        let stats = part.scan(&mut |batch: &Batch<'_>| {
            let made = access.made(batch);
            let columns = access.columns(batch, &made);
            let before = state.len();
            for (row, time) in batch.times().iter().enumerate() {
                key.clear();
                if !names.is_empty() {
                    put_key(&mut key, columns.get(0).get(row).copied().flatten());
                }
                state.extend(keys.find(&key).map(|number| (number, (*time, batch.id(row)))));
            }
            result = input.budget.charge((state.len() - before) * PLACE_SIZE);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result?;
        Ok(stats)
    };
    let (states, outcome) = each_part(&parts, Vec::new, read)?;
    Ok((states.into_iter().flatten().collect(), outcome))
}
