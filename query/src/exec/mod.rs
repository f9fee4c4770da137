//! Driver: runs a plan over a snapshot. What comes first runs while reading, on all threads; the rest runs over
//! the rows that are left.

mod aggregate;
mod arith;
mod columns;
mod fields;
mod group;
mod hash;
mod keys;
mod lane;
mod list;
mod names;
mod table;

use logq_engine::{Batch, Part, Predicate, Scan, ScanStats, Snapshot};
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::columns::Access;
use self::group::Grouping;
use self::list::{Listing, Wanted};
use self::table::Table;
use crate::datum::Datum;
use crate::error::{Error, Result};
use crate::plan::{Condition, Group, Plan, Stage};

pub(crate) use names::seen;

/// Memory that the rows and groups of one query may take.
pub const MEMORY_MAX: usize = 512 << 20;

/// Counts the memory of a query, for all of its threads.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    /// Takes more memory.
    fn charge(&self, bytes: usize) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let used = self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.check(used)
    }

    /// Whether so much would fit.
    fn check(&self, used: usize) -> Result<()> {
        if used <= self.max {
            return Ok(());
        }
        let mega = self.max >> 20;
        Err(Error::limit(format!(
            "the answer needs more than {mega} MiB of memory; narrow the time or the conditions, group by fewer values, or use `limit`"
        )))
    }

    fn half(&self) -> usize {
        self.max / 2
    }
}

/// What a plan runs over.
pub(crate) struct Input<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) snapshot: &'p Snapshot,
    pub(crate) budget: &'p Budget,
    /// Records of a list hold all of their fields.
    pub(crate) fields: bool,
    /// Only records past this position.
    pub(crate) after: Option<logq_engine::Position>,
}

/// What a plan gave.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<OutputRow>,
    /// Rows hold all fields.
    pub(crate) fields: bool,
    pub(crate) more: bool,
    pub(crate) outcome: ScanOutcome,
}

/// One row of an output.
#[derive(Debug)]
pub(crate) struct OutputRow {
    pub(crate) cells: Vec<Datum>,
    pub(crate) fields: Vec<(Box<str>, Datum)>,
}

/// What a scan looked at.
#[derive(Debug, Default)]
pub(crate) struct ScanOutcome {
    pub(crate) stats: ScanStats,
    pub(crate) parts: usize,
    pub(crate) files: usize,
}

impl Input<'_> {
    /// The scan that gives these columns.
    fn scan(&self, access: &Access, fields: bool) -> Scan {
        let filter: Vec<Predicate> =
            self.plan.filter.iter().map(|condition| condition.predicate.clone()).collect();
        Scan {
            range: self.plan.range,
            predicate: if filter.is_empty() { Predicate::All } else { Predicate::And(filter) },
            columns: access.scanned.clone(),
            fields,
            after: self.after.clone(),
            index: self.plan.index,
            times: true,
            ids: true,
        }
    }
}

/// Runs a plan.
pub(crate) fn run(input: &Input<'_>) -> Result<Output> {
    let leading = input.plan.stages.iter().take_while(|stage| matches!(stage, Stage::Filter(_))).count();
    let (filters, stages) = input.plan.stages.split_at(leading);
    let filter: Vec<Condition> = filters
        .iter()
        .flat_map(|stage| if let Stage::Filter(list) = stage { list.as_slice() } else { &[] })
        .cloned()
        .collect();
    let (mut table, outcome, stages) = match stages {
        [Stage::Group(group), rest @ ..] => {
            let (table, outcome) = scan_groups(input, group, &filter)?;
            (table, outcome, rest)
        }
        [Stage::Fields, rest @ ..] => {
            let (table, outcome) = fields::scan(input, &filter)?;
            (table, outcome, rest)
        }
        stages => {
            let (table, outcome) = list::scan(input, &listing(input, &filter, stages))?;
            (table, outcome, stages)
        }
    };
    let mut more = false;
    for stage in stages {
        apply(&mut table, stage, input, &mut more)?;
    }
    Ok(output(input, table, more, outcome))
}

/// Runs one step over rows in memory.
fn apply(table: &mut Table, stage: &Stage, input: &Input<'_>, more: &mut bool) -> Result<()> {
    match stage {
        Stage::Filter(conditions) => table.filter(conditions),
        Stage::Group(group) => {
            *table = group::table(table, group, &input.plan.zone, input.budget)?;
            *more = false;
        }
        Stage::Sort(sort) => table.sort(sort),
        Stage::Limit(limit) => *more |= table.limit(*limit) && limit.says_more,
        Stage::Keep(names) => table.keep(names),
        Stage::Drop(names) => table.drop_columns(names),
        Stage::Rename(pairs) => table.rename(pairs),
        Stage::Dedup(names) => table.dedup(names),
        Stage::Set(name, value) => table.set(name, value),
        // The binder puts it only where the records are.
        Stage::Fields => panic!("BUG: `fields` reads records"),
    }
    Ok(())
}

/// What a list needs of the records: columns by name, and which of them.
fn listing<'p>(input: &'p Input<'_>, filter: &'p [Condition], stages: &'p [Stage]) -> Listing<'p> {
    let mut names: Vec<String> = Vec::new();
    let mut made: Vec<&String> = Vec::new();
    let closed = stages.iter().position(Stage::closes);
    let until = closed.map_or(stages.len(), |at| at + 1);
    let mut kept = false;
    for stage in stages.iter().take(until) {
        let mut asked: Vec<String> = Vec::new();
        match stage {
            Stage::Filter(conditions) => {
                asked.extend(conditions.iter().flat_map(|c| c.fields.iter().cloned()));
            }
            Stage::Group(group) => {
                asked.extend(group.keys.iter().cloned());
                group.measures.iter().for_each(|measure| measure.fields(&mut asked));
            }
            Stage::Sort(sort) => asked.extend(sort.keys.iter().map(|(name, _)| name.clone())),
            Stage::Keep(list) => {
                asked.extend(list.iter().cloned());
                kept = true;
            }
            Stage::Dedup(list) => asked.extend(list.iter().cloned()),
            Stage::Rename(pairs) => asked.extend(pairs.iter().map(|(from, _)| from.clone())),
            Stage::Set(_, value) => value.fields(&mut asked),
            Stage::Limit(_) | Stage::Fields | Stage::Drop(_) => {}
        }
        for name in asked {
            if !names.contains(&name) && !made.contains(&&name) {
                names.push(name);
            }
        }
        match stage {
            Stage::Set(name, _) => made.push(name),
            Stage::Rename(pairs) => made.extend(pairs.iter().map(|(_, to)| to)),
            _ => {}
        }
    }
    let ends_in_records = closed.is_none();
    if ends_in_records {
        for name in &input.plan.listing {
            if !names.contains(name) && !made.contains(&name) {
                names.push(name.clone());
            }
        }
    }
    let wanted = match stages {
        [Stage::Limit(limit), ..] => Wanted::Newest(limit.count.saturating_add(1)),
        [Stage::Sort(sort), ..] => sort.first.map_or(Wanted::All, |first| Wanted::First(sort, first)),
        _ => Wanted::All,
    };
    let searches = stages
        .iter()
        .take(until)
        .any(|stage| matches!(stage, Stage::Filter(list) if list.iter().any(|c| c.searches)));
    Listing { names, filter, wanted, fields: (input.fields && ends_in_records && !kept) || searches }
}

fn output(input: &Input<'_>, mut table: Table, more: bool, outcome: ScanOutcome) -> Output {
    let records = !input.plan.stages.iter().any(Stage::closes);
    let kept = input.plan.stages.iter().any(|stage| matches!(stage, Stage::Keep(_)));
    let fields = records && !kept && input.fields;
    // A list shows its columns, not those that only a step needed.
    if records && !fields {
        table.keep(&input.plan.listing);
    }
    let row = |row: table::Row| OutputRow {
        cells: row.cells,
        fields: if fields { row.fields } else { Vec::new() },
    };
    Output { columns: table.columns, rows: table.rows.into_iter().map(row).collect(), fields, more, outcome }
}

fn scan_groups(input: &Input<'_>, group: &Group, filter: &[Condition]) -> Result<(Table, ScanOutcome)> {
    let grouping = Grouping::new(group, filter, &input.plan.zone, true).with_lanes(input.plan.lanes);
    let access = Access::new(&grouping.names, input.plan.totals);
    let mut scan = input.scan(&access, grouping.searches);
    scan.times = grouping.times;
    scan.ids = grouping.ids || access.shows_ids();
    let parts = input.snapshot.parts(&scan)?;
    let read = |state: &mut group::State, part: &Part<'_>| -> Result<ScanStats> {
        let mut result = Ok(());
        let stats = part.scan(&mut |batch: &Batch<'_>| {
            let ids = access.ids(batch);
            result = state.update(&grouping, &access.columns(batch, &ids), input.budget);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result?;
        Ok(stats)
    };
    let (states, outcome) = each_part(&parts, || grouping.state(), read)?;
    let mut states = states.into_iter();
    let mut all = states.next().unwrap_or_else(|| grouping.state());
    states.for_each(|state| all.merge(state));
    Ok((grouping.finish(all), outcome))
}

/// Reads all parts, in order, on all threads: each takes the next one that nobody has, and keeps one state.
fn each_part<S: Send>(
    parts: &[Part<'_>],
    state: impl Fn() -> S + Sync,
    read: impl Fn(&mut S, &Part<'_>) -> Result<ScanStats> + Sync,
) -> Result<(Vec<S>, ScanOutcome)> {
    let next = AtomicUsize::new(0);
    let threads = rayon::current_num_threads().min(parts.len()).max(1);
    let results: Vec<Result<(S, ScanOutcome)>> = (0..threads)
        .into_par_iter()
        .map(|_| {
            let mut mine = state();
            let mut outcome = ScanOutcome::default();
            while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                let stats =
                    read(&mut mine, part).inspect_err(|_| next.store(parts.len(), Ordering::Relaxed))?;
                outcome.parts += usize::from(stats.bytes != 0);
                outcome.stats.merge(stats);
            }
            Ok((mine, outcome))
        })
        .collect();
    let mut states = Vec::with_capacity(threads);
    let mut outcome = ScanOutcome::default();
    for result in results {
        let (mine, more) = result?;
        states.push(mine);
        outcome.parts += more.parts;
        outcome.stats.merge(more.stats);
    }
    let mut files: Vec<_> = parts.iter().map(Part::file).collect();
    files.sort_unstable();
    files.dedup();
    outcome.files = files.len();
    Ok((states, outcome))
}
