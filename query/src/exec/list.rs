//! Lists of records: the newest n, the first n of a sort, or all.
//!
//! The newest are found without sorting everything: parts are read from the youngest on, and one that is older than
//! what is already held is not read.

use logq_engine::predicate::Compiled;
use logq_engine::{Batch, Part, RecordId};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI64, Ordering};

use super::columns::{Access, Columns};
use super::table::{Row, SortKeys, Table, compile};
use super::{Budget, Input, ScanOutcome, Step};
use crate::datum::Datum;
use crate::error::Result;
use crate::plan::{Condition, Sort};

/// So few rows are not counted in bytes: a list of a hundred is the common one.
const ROWS_UNCOUNTED: usize = 4096;

/// Which records are wanted.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'p> {
    All,
    /// The newest.
    Newest(usize),
    /// The first in this order.
    First(&'p Sort, usize),
}

/// How a list is read.
pub(super) struct Listing<'p> {
    pub(super) names: Vec<String>,
    pub(super) filter: &'p [Condition],
    pub(super) wanted: Wanted<'p>,
    /// Whether rows hold all fields.
    pub(super) fields: bool,
    /// Only the records at these places.
    pub(super) only: Option<&'p HashSet<(i64, RecordId)>>,
    /// The list is read piece by piece: only past a place, and however few rows are held, their bytes count.
    pub(super) step: Option<Step>,
}

/// Reads the records of a list, in their natural order or that of the sort.
pub(super) fn scan(input: &Input<'_>, listing: &Listing<'_>) -> Result<(Table, ScanOutcome)> {
    let mut names = listing.names.clone();
    let filter = (!listing.filter.is_empty()).then(|| compile(listing.filter, &mut names));
    let searches = listing.filter.iter().any(|condition| condition.searches);
    let access = Access::new(&names, input.plan.totals);
    let scan = input.scan(&access, listing.fields || searches);
    let mut parts = input.snapshot.parts(&scan)?;
    parts.sort_by_key(|part| std::cmp::Reverse((part.time_max(), part.file(), part.records())));
    let floor = AtomicI64::new(i64::MIN);
    let reader = Reader { listing, filter: filter.as_ref(), access: &access, floor: &floor, columns: &names };
    let outcome =
        super::each_part(&parts, || reader.held(), |held, part| reader.read(held, part, input.budget))?;
    let (states, outcome) = outcome;
    let mut rows: Vec<Row> = states.into_iter().flat_map(|held| held.rows).collect();
    let mut natural = true;
    match listing.wanted {
        Wanted::First(sort, count) => {
            let keys = SortKeys::new(sort, &names);
            rows.sort_by(|a, b| keys.order(a, b));
            rows.truncate(count);
            natural = false;
        }
        Wanted::All => rows.sort_by_key(|row| (row.time, row.id)),
        Wanted::Newest(count) => {
            rows.sort_by_key(|row| (row.time, row.id));
            rows.drain(..rows.len().saturating_sub(count));
        }
    }
    Ok((Table { columns: names, rows, natural }, outcome))
}

struct Reader<'r> {
    listing: &'r Listing<'r>,
    filter: Option<&'r Compiled>,
    access: &'r Access,
    /// No record older than this is among the newest: some thread holds enough younger ones.
    floor: &'r AtomicI64,
    columns: &'r [String],
}

/// The rows that one thread holds.
pub(super) struct Held {
    rows: Vec<Row>,
    keys: Option<SortKeys>,
    /// Of a sort, the last row that is wanted of those that were held once: what comes after it is not.
    worst: Option<Row>,
    /// Bytes that the rows hold, at most.
    size: usize,
    /// As many as are wanted were held once.
    full: bool,
}

impl Reader<'_> {
    fn held(&self) -> Held {
        let keys = match self.listing.wanted {
            Wanted::First(sort, _) => Some(SortKeys::new(sort, self.columns)),
            _ => None,
        };
        Held { rows: Vec::new(), keys, worst: None, size: 0, full: false }
    }

    fn read(&self, held: &mut Held, part: &Part<'_>, budget: &Budget) -> Result<logq_engine::ScanStats> {
        if part.time_max() < self.floor.load(Ordering::Relaxed) {
            return Ok(logq_engine::ScanStats::default());
        }
        let mut result = Ok(());
        let newest_first = part.is_newest_first();
        let stats = part.scan(&mut |batch| {
            result = self.batch(held, batch, budget);
            // Rows still to come are no younger than the oldest of this batch.
            let oldest = batch.times().iter().min();
            let floor = self.floor.load(Ordering::Relaxed);
            let done = newest_first && oldest.is_some_and(|oldest| *oldest < floor);
            if result.is_ok() && !done { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result?;
        Ok(stats)
    }

    fn batch(&self, held: &mut Held, batch: &Batch<'_>, budget: &Budget) -> Result<()> {
        let floor = self.floor.load(Ordering::Relaxed);
        let newest = matches!(self.listing.wanted, Wanted::Newest(_));
        let made = self.access.made(batch);
        let columns = self.access.columns(batch, &made);
        let past = self.listing.step.and_then(|step| step.past);
        let mut wanted: Vec<(usize, i64)> = Vec::new();
        for (row, time) in batch.times().iter().enumerate() {
            if (newest && *time < floor)
                || past.is_some_and(|past| (*time, batch.id(row)) <= past)
                || self.listing.only.is_some_and(|only| !only.contains(&(*time, batch.id(row))))
                || self.filter.is_some_and(|filter| !filter.matches(&columns.row(row)))
            {
                continue;
            }
            if let (Some(worst), Some(keys)) = (&held.worst, &held.keys)
                && !keys.before(&columns, row, (*time, batch.id(row)), worst)
            {
                continue;
            }
            wanted.push((row, *time));
        }
        match self.listing.wanted {
            Wanted::Newest(count) => keep_newest(&mut wanted, count),
            // Rows may be large: what cannot be among the first is not copied.
            Wanted::First(_, count) if self.listing.step.is_some() && count < wanted.len() => {
                wanted.sort_unstable_by_key(|(row, time)| (*time, batch.id(*row)));
                wanted.truncate(count);
            }
            _ => {}
        }
        let mut added = 0;
        for (row, time) in wanted {
            let row = self.row(batch, &columns, row, time);
            added += row.size();
            held.rows.push(row);
            if self.listing.step.is_some() {
                budget.check(held.size + added)?;
            }
        }
        match self.listing.wanted {
            Wanted::All => budget.charge(added)?,
            Wanted::Newest(count) => self.cut_newest(held, count),
            Wanted::First(_, count) => {
                let more = if self.listing.step.is_some() { count } else { count.max(1024) };
                cut_first(held, count, more);
            }
        }
        // What is held of a cut is bounded by its count, and that by memory.
        held.size = match self.listing.wanted {
            Wanted::All => 0,
            _ if held.rows.len() < ROWS_UNCOUNTED && self.listing.step.is_none() => 0,
            _ => held.size + added,
        };
        if budget.half() < held.size {
            held.size = held.rows.iter().map(Row::size).sum();
            budget.check(held.size)?;
        }
        Ok(())
    }

    fn row(&self, batch: &Batch<'_>, columns: &Columns<'_>, row: usize, time: i64) -> Row {
        let cell = |at: usize| Datum::of(columns.get(at).get(row).copied().flatten());
        let id = batch.id(row);
        let fields = if self.listing.fields { all_fields(batch, row, time, id) } else { Vec::new() };
        Row { cells: (0..self.columns.len()).map(cell).collect(), fields, time, id }
    }

    /// Lets go of what is not among the newest: as soon as enough are held, so that older parts are not read,
    /// and then whenever twice as many are.
    fn cut_newest(&self, held: &mut Held, count: usize) {
        let enough = match held.full {
            false => count,
            true => count.saturating_mul(2).max(count.saturating_add(1024)),
        };
        if held.rows.len() < enough || count == 0 {
            return;
        }
        held.full = true;
        held.rows.select_nth_unstable_by_key(count - 1, |row| std::cmp::Reverse((row.time, row.id)));
        held.rows.truncate(count);
        if let Some(oldest) = held.rows.iter().map(|row| row.time).min() {
            self.floor.fetch_max(oldest, Ordering::Relaxed);
        }
    }
}

/// Keeps the newest rows of a batch, and those as old as the oldest of them: ids decide later.
fn keep_newest(rows: &mut Vec<(usize, i64)>, count: usize) {
    if rows.len() <= count || count == 0 {
        return;
    }
    let mut times: Vec<i64> = rows.iter().map(|(_, time)| *time).collect();
    let (_, oldest, _) = times.select_nth_unstable_by_key(count - 1, |time| std::cmp::Reverse(*time));
    let oldest = *oldest;
    rows.retain(|(_, time)| oldest <= *time);
}

/// Lets go of what is not among the first, once so many `more` are held.
fn cut_first(held: &mut Held, count: usize, more: usize) {
    let Held { rows, keys: Some(keys), worst, .. } = held else { return };
    if count.saturating_add(more) <= rows.len() {
        rows.sort_by(|a, b| keys.order(a, b));
        rows.truncate(count);
        *worst = rows.last().map(|row| Row { fields: Vec::new(), ..row.clone() });
    }
}

/// Every field of a record, as an answer shows it.
fn all_fields(batch: &Batch<'_>, row: usize, time: i64, id: RecordId) -> Vec<(Box<str>, Datum)> {
    let mut fields: Vec<(Box<str>, Datum)> =
        vec![("_id".into(), Datum::Str(id.to_string().into())), ("time".into(), Datum::Time(time))];
    fields.extend(batch.fields(row).map(|(name, value)| (name.into(), Datum::of(Some(value)))));
    if let Some(source) = batch.import(row) {
        fields.push(("_import".into(), Datum::text(source)));
    }
    fields
}
