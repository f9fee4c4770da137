//! Time buckets after grouping: rows for the buckets that are missing, and rows of another range beside those of this one.

use jiff::tz::TimeZone;
use logq_engine::Value;
use logq_engine::compare::put_key;
use std::collections::HashMap;

use super::Budget;
use super::arith::combine;
use super::hash::KeyHash;
use super::table::{Row, Table};
use crate::ast::Fill;
use crate::calendar::Bucket;
use crate::datum::Datum;
use crate::error::Result;
use crate::plan::{COMPARED, Filling, Operation, Versus};

/// The starts of buckets from that of `from` on, as long as they lie before `until` or are fewer than `count`.
fn starts(
    per: Bucket,
    zone: &TimeZone,
    from: i64,
    wanted: impl Fn(i64, usize) -> bool,
    budget: &Budget,
) -> Result<Vec<i64>> {
    let mut starts = Vec::new();
    let mut time = from;
    while let Some((start, end)) = per.of(zone, time) {
        if !wanted(start, starts.len()) {
            break;
        }
        budget.charge(size_of::<i64>())?;
        starts.push(start);
        // The last bucket that a time can lie in ends where times do.
        if end <= time {
            break;
        }
        time = end;
    }
    Ok(starts)
}

fn time_of(row: &Row, place: Option<usize>) -> Option<i64> {
    match place.and_then(|at| row.cells.get(at)) {
        Some(Datum::Time(time)) => Some(*time),
        _ => None,
    }
}

fn key_of(row: &Row, places: &[Option<usize>]) -> Vec<u8> {
    let mut key = Vec::new();
    for place in places {
        put_key(&mut key, place.and_then(|at| row.cells.get(at)?.value()));
    }
    key
}

/// Gives every group a row for every bucket of the range.
pub(super) fn fill(table: &mut Table, filling: &Filling, zone: &TimeZone, budget: &Budget) -> Result<()> {
    let time_at = table.place("time");
    let places: Vec<Option<usize>> = filling.keys.iter().map(|key| table.place(key)).collect();
    let times = || table.rows.iter().filter_map(|row| time_of(row, time_at));
    let from = filling.range.from.or_else(|| times().min());
    // The end of the range is not in it; the last bucket with data is.
    let last = match filling.range.until {
        Some(until) => until.checked_sub(1),
        None => times().max(),
    };
    let (Some(from), Some(last)) = (from, last) else { return Ok(()) };
    let buckets = starts(filling.per, zone, from, |start, _| start <= last, budget)?;
    let blank = blank(table, filling);
    // The groups in the order in which they come, each with its rows by bucket.
    let mut numbers: HashMap<Vec<u8>, usize, KeyHash> = HashMap::default();
    let mut groups: Vec<(Row, HashMap<i64, Vec<Row>>)> = Vec::new();
    let mut rows = Vec::new();
    for row in std::mem::take(&mut table.rows) {
        let Some(time) = time_of(&row, time_at) else {
            rows.push(row);
            continue;
        };
        let number = *numbers.entry(key_of(&row, &places)).or_insert(groups.len());
        if number == groups.len() {
            groups.push((row.clone(), HashMap::new()));
        }
        if let Some((_, by_time)) = groups.get_mut(number) {
            by_time.entry(time).or_default().push(row);
        }
    }
    if groups.is_empty() && filling.keys.is_empty() && rows.is_empty() {
        groups.push((Row::computed(blank.clone()), HashMap::new()));
    }
    for (sample, mut by_time) in groups {
        let mut before: Option<Row> = None;
        for &bucket in &buckets {
            if let Some(mut have) = by_time.remove(&bucket) {
                before = have.last().cloned();
                rows.append(&mut have);
                continue;
            }
            let source = before.as_ref().filter(|_| filling.fill == Fill::Prev);
            let mut cells = source.map_or_else(|| blank.clone(), |row| row.cells.clone());
            for place in places.iter().flatten() {
                if let (Some(cell), Some(key)) = (cells.get_mut(*place), sample.cells.get(*place)) {
                    cell.clone_from(key);
                }
            }
            if let Some(cell) = time_at.and_then(|at| cells.get_mut(at)) {
                *cell = Datum::Time(bucket);
            }
            let row = Row::computed(cells);
            budget.charge(row.size())?;
            rows.push(row);
        }
        // Rows outside of the range: of a step before that moved times.
        rows.extend(by_time.into_values().flatten());
    }
    table.rows = rows;
    Ok(())
}

/// A row of nothing, its zeros of the type of their column.
fn blank(table: &Table, filling: &Filling) -> Vec<Datum> {
    let zero = |at: usize| {
        let kinds = table.rows.iter().filter_map(|row| row.cells.get(at).filter(|cell| !cell.is_missing()));
        match kinds.into_iter().next() {
            Some(Datum::Duration(_) | Datum::Millis(_)) => Datum::Duration(0),
            Some(Datum::Cost(_) | Datum::Dollars(_)) => Datum::Cost(0),
            Some(Datum::Float(_)) => Datum::Float(0.0),
            _ => Datum::Int(0),
        }
    };
    let cell = |(at, name): (usize, &String)| {
        let zero_here = filling.fill == Fill::Zero && filling.zeros.contains(name);
        if zero_here { zero(at) } else { Datum::Missing }
    };
    table.columns.iter().enumerate().map(cell).collect()
}

/// Puts the groups of another range beside these: `m`, `m_before`, `m_change`, `m_ratio` for each measure.
pub(super) fn versus(
    table: &mut Table,
    mut other: Table,
    versus: &Versus,
    zone: &TimeZone,
    budget: &Budget,
) -> Result<()> {
    if let Some(per) = versus.per {
        align(&mut other, per, versus, zone, budget)?;
    }
    let places = |table: &Table| versus.keys.iter().map(|key| table.place(key)).collect::<Vec<_>>();
    let (ours, theirs) = (places(table), places(&other));
    let values = |table: &Table| {
        versus.measures.iter().map(|(name, _)| table.place(name)).collect::<Vec<Option<usize>>>()
    };
    let (our_values, their_values) = (values(table), values(&other));
    let cells = |row: &Row, places: &[Option<usize>]| -> Vec<Datum> {
        places.iter().map(|at| at.and_then(|at| row.cells.get(at)).cloned().unwrap_or_default()).collect()
    };
    let nothing: Vec<Datum> = versus.measures.iter().map(|(_, nothing)| nothing.clone()).collect();
    let mut before: HashMap<Vec<u8>, Row, KeyHash> = HashMap::default();
    for row in other.rows {
        budget.charge(row.size())?;
        before.insert(key_of(&row, &theirs), row);
    }
    let mut rows = Vec::with_capacity(table.rows.len());
    for row in std::mem::take(&mut table.rows) {
        let was = before.remove(&key_of(&row, &ours));
        let was = was.map_or_else(|| nothing.clone(), |row| cells(&row, &their_values));
        rows.push(compared(cells(&row, &ours), cells(&row, &our_values), was));
    }
    rows.extend(
        before
            .into_values()
            .map(|row| compared(cells(&row, &theirs), nothing.clone(), cells(&row, &their_values))),
    );
    let mut columns = versus.keys.clone();
    for (name, _) in &versus.measures {
        columns.push(name.clone());
        columns.extend(COMPARED.map(|after| format!("{name}{after}")));
    }
    *table = Table { columns, rows, natural: false };
    Ok(())
}

/// Moves each bucket of the other range to the one that is as many buckets from the start of this range.
fn align(other: &mut Table, per: Bucket, versus: &Versus, zone: &TimeZone, budget: &Budget) -> Result<()> {
    let (Some(from), Some(other_from)) = (versus.current.from, versus.before.from) else { return Ok(()) };
    let place = other.place("time");
    let last = other.rows.iter().filter_map(|row| time_of(row, place)).max();
    let theirs = starts(per, zone, other_from, |start, _| last.is_some_and(|last| start <= last), budget)?;
    let ours = starts(per, zone, from, |_, count| count < theirs.len(), budget)?;
    let map: HashMap<i64, i64> = theirs.into_iter().zip(ours).collect();
    for row in &mut other.rows {
        if let Some(Datum::Time(time)) = place.and_then(|at| row.cells.get_mut(at))
            && let Some(moved) = map.get(time)
        {
            *time = *moved;
        }
    }
    Ok(())
}

fn compared(keys: Vec<Datum>, now: Vec<Datum>, before: Vec<Datum>) -> Row {
    let mut cells = keys;
    for (now, before) in now.into_iter().zip(before) {
        let change = change(&now, &before);
        let ratio = Datum::of(combine(Operation::Divide, now.value(), before.value()));
        let ratio = if matches!(ratio, Datum::Int(_) | Datum::Float(_)) { ratio } else { Datum::Missing };
        cells.extend([now, before, change, ratio]);
    }
    Row::computed(cells)
}

/// How much more it is now; in the unit that both have.
fn change(now: &Datum, before: &Datum) -> Datum {
    use Datum::{Cost, Dollars, Duration, Millis};
    let float =
        |datum: &Datum| match combine(Operation::Divide, datum.value(), Some(Value::Duration(1_000_000))) {
            Some(Value::Float(float)) => float,
            Some(Value::Int(int)) => super::columns::to_float(int),
            _ => 0.0,
        };
    let money =
        |datum: &Datum| match combine(Operation::Divide, datum.value(), Some(Value::Cost(1_000_000_000))) {
            Some(Value::Float(float)) => float,
            Some(Value::Int(int)) => super::columns::to_float(int),
            _ => 0.0,
        };
    match (now, before) {
        (Millis(a), Millis(b)) => Millis(a - b),
        (Millis(a), Duration(_)) => Millis(a - float(before)),
        (Duration(_), Millis(b)) => Millis(float(now) - b),
        (Dollars(a), Dollars(b)) => Dollars(a - b),
        (Dollars(a), Cost(_)) => Dollars(a - money(before)),
        (Cost(_), Dollars(b)) => Dollars(money(now) - b),
        _ => Datum::of(combine(Operation::Subtract, now.value(), before.value())),
    }
}
