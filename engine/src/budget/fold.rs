//! Folding: from records of the log to ops.
//!
//! The log says what was used, and by what `_budget` records what a command holds and which alerts were raised. A
//! fold takes in the records that a state does not have yet; counting anew takes in all that still matter. What was
//! imported never counts.

use std::ops::ControlFlow;

use super::op::Op;
use super::record::{self, Kind};
use super::state::{Rules, State};
use super::usage::{USAGE_FIELDS, Usage};
use crate::error::Result;
use crate::predicate::{Predicate, Test};
use crate::record_id::RecordId;
use crate::scan::{Batch, Scan, TimeRange};
use crate::snapshot::{Position, Snapshot};
use crate::value::Value;

/// What a fold found: ops in the order in which they are to be applied.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Holds come first, then what extends one, since what frees one may be found before it.
    holds: Vec<Op>,
    /// Usage with its time and record.
    booked: Vec<(i64, RecordId, Op)>,
    last: Vec<Op>,
}

impl Found {
    /// All of it, usage in the order of time.
    pub(super) fn ops(mut self) -> Vec<Op> {
        self.booked.sort_by_key(|(time, id, _)| (*time, *id));
        let booked = self.booked.into_iter().map(|(_, _, op)| op);
        self.holds.into_iter().chain(booked).chain(self.last).collect()
    }
}

/// What a snapshot holds that a state does not.
///
/// # Errors
/// As [`crate::Part::scan`].
pub(super) fn pending(state: &State, snapshot: &Snapshot) -> Result<Found> {
    let mut found = Found::default();
    let mut keep = |time, id, op| found.booked.push((time, id, op));
    let after = Some(state.position());
    let scan = scan(&state.rules, TimeRange::default(), after);
    let (holds, last) = each(&state.rules, snapshot, &scan, &|id| state.is_taken(id), &mut keep)?;
    (found.holds, found.last) = (holds, last);
    found.last.extend(ends(snapshot));
    Ok(found)
}

/// Counts what a snapshot holds of the time that matters into a new state.
///
/// # Errors
/// As [`crate::Part::scan`].
pub(super) fn count(state: &mut State, snapshot: &Snapshot) -> Result<()> {
    let from = state.horizon().min(state.now.saturating_sub(record::TTL_MAX));
    let rules = std::sync::Arc::clone(&state.rules);
    let range = TimeRange { from: Some(from), until: None };
    let scan = scan(&rules, range, None);
    let mut ordered = Vec::new();
    let sessions = state.has_sessions();
    let (holds, last) = each(&rules, snapshot, &scan, &|_| false, &mut |time, id, op| {
        // Only the windows of sessions depend on the order; all else is counted as it comes.
        if sessions { ordered.push((time, id, op)) } else { state.apply(&op) }
    })?;
    ordered.sort_by_key(|(time, id, _)| (*time, *id));
    ordered.iter().for_each(|(_, _, op)| state.apply(op));
    holds.iter().chain(&last).for_each(|op| state.apply(op));
    ends(snapshot).iter().for_each(|op| state.apply(op));
    state.apply(&Op::Known(from));
    Ok(())
}

/// How far a snapshot reaches.
fn ends(snapshot: &Snapshot) -> Vec<Op> {
    let end = |(&writer, &sequence): (&u32, &u64)| Op::Upto(RecordId { writer, sequence });
    snapshot.position().next.iter().map(end).collect()
}

/// The columns that every fold reads; those of the definitions come behind them.
const COLUMNS: [&str; 7] =
    ["calls", "event_id", record::KIND, record::HOLD, record::DATA, record::UNTIL, "_import"];

fn scan(rules: &Rules, range: TimeRange, after: Option<Position>) -> Scan {
    let usage = USAGE_FIELDS.iter().map(|&field| Predicate::field(field, Test::Number));
    let own = Predicate::field(record::KIND, Test::Exists);
    let columns = USAGE_FIELDS.iter().chain(&COLUMNS).map(|&name| name.to_owned());
    let mut columns: Vec<String> = columns.collect();
    let more: Vec<String> = rules.fields.iter().filter(|field| !columns.contains(field)).cloned().collect();
    columns.extend(more);
    Scan { range, predicate: Predicate::Or(usage.chain([own]).collect()), columns, after, ..Scan::default() }
}

/// Turns each record of a scan into ops: usage goes to `keep`; holds, and what comes after all usage, are returned.
fn each(
    rules: &Rules,
    snapshot: &Snapshot,
    scan: &Scan,
    known: &dyn Fn(RecordId) -> bool,
    keep: &mut dyn FnMut(i64, RecordId, Op),
) -> Result<(Vec<Op>, Vec<Op>)> {
    let (mut holds, mut longer, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for part in snapshot.parts(scan)? {
        part.scan(&mut |batch| {
            for at in 0..batch.len() {
                let (id, time) = (batch.id(at), batch.time(at));
                if known(id) {
                    continue;
                }
                let get = |name: &str| value(scan, batch, at, name);
                if get("_import").is_some() {
                    continue;
                }
                match record::read(rules, time, &get) {
                    Some(Kind::Hold(hold)) => holds.push(Op::Hold(hold)),
                    Some(Kind::Extend(op)) => longer.push(op),
                    Some(Kind::Release(hold)) => last.push(Op::Free(hold)),
                    Some(Kind::Alert(ops)) => last.extend(ops),
                    None => {}
                }
                let Some(usage) = Usage::read(get) else { continue };
                let adds = rules.adds(&usage.amounts(), false, get);
                let event = match get("event_id") {
                    Some(Value::Str(event)) => Some((event.into(), usage)),
                    _ => None,
                };
                keep(time, id, Op::Book { time, adds, id: event });
                last.extend(record::hold_of(&get).map(Op::Free));
            }
            ControlFlow::Continue(())
        })?;
    }
    holds.append(&mut longer);
    Ok((holds, last))
}

/// A column of a row by its name.
fn value<'b>(scan: &Scan, batch: &'b Batch<'_>, row: usize, name: &str) -> Option<Value<'b>> {
    let at = scan.columns.iter().position(|column| column == name)?;
    batch.column(at).get(row).copied().flatten()
}
