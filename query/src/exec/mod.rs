//! Driver: runs a plan over a snapshot. What comes first runs while reading, on all threads; the rest runs over
//! the rows that are left.

mod aggregate;
mod arith;
mod around;
mod buckets;
mod budget;
mod budgets;
mod columns;
mod fields;
mod group;
mod hash;
mod keys;
mod lane;
mod list;
mod names;
mod parse;
mod report;
mod rolled;
mod slices;
mod table;

use logq_engine::{Batch, Part, Predicate, RecordId, Rollup, RollupAsk, Scan, ScanStats, Snapshot, Store};
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use self::columns::Access;
use self::group::Grouping;
use self::hash::KeyHash;
use self::list::{Listing, Wanted};
use self::rolled::Cells;
use self::slices::{Cut, Slice};
use self::table::Table;
use crate::datum::Datum;
use crate::error::{ErrorKind, Result};
use crate::plan::{Condition, GAP, Group, Parsing, Plan, Reader, Sort, Stage};

pub(crate) use budget::Budget;
pub(crate) use names::seen;

/// Memory that the rows and groups of one query may take.
pub const MEMORY_MAX: usize = 512 << 20;

/// So few groups are not cut into slices.
const GROUPS_CUT_MIN: usize = 64;

/// What a plan runs over.
pub(crate) struct Input<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) snapshot: &'p Snapshot,
    pub(crate) budget: &'p Budget,
    /// Records of a list hold all of their fields.
    pub(crate) fields: bool,
    /// Whether what each step takes is measured.
    pub(crate) measured: bool,
    /// Only records past this position.
    pub(crate) after: Option<logq_engine::Position>,
    /// Of a list, only so many records past a place.
    pub(crate) step: Option<Step>,
    /// The store, for what no snapshot of it knows, and the clock.
    pub(crate) store: Option<(&'p Store, i64)>,
}

/// A piece of a list that is read piece by piece, in the order of (time, writer, sequence).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Only records past this one.
    pub(crate) past: Option<(i64, RecordId)>,
    /// So many of them, the first ones.
    pub(crate) count: usize,
}

/// The order of records without any key.
static NATURAL: Sort = Sort { keys: Vec::new(), first: None };

/// What a plan gave.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<OutputRow>,
    /// Rows hold all fields.
    pub(crate) fields: bool,
    pub(crate) more: bool,
    pub(crate) outcome: ScanOutcome,
    /// Of a list, how many records it was before the stages after it, and the place of the last one.
    pub(crate) listed: (usize, Option<(i64, RecordId)>),
    /// What each step took: the scan with what runs while reading, then one for each stage after it.
    pub(crate) nodes: Vec<Node>,
}

/// What a step of a plan took.
#[derive(Debug)]
pub(crate) struct Node {
    /// As `explain` shows it.
    pub(crate) shown: String,
    pub(crate) seconds: f64,
    /// Rows that came out of it.
    pub(crate) rows: usize,
    /// Bytes that it read, or that its rows hold, about.
    pub(crate) bytes: u64,
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

impl ScanOutcome {
    /// Adds what another scan looked at.
    pub(crate) fn add(&mut self, other: Self) {
        self.stats.merge(other.stats);
        self.parts += other.parts;
        self.files = self.files.max(other.files);
    }
}

impl<'p> Input<'p> {
    /// The same over another plan.
    fn with<'q>(&self, plan: &'q Plan) -> Input<'q>
    where
        'p: 'q,
    {
        Input {
            plan,
            snapshot: self.snapshot,
            budget: self.budget,
            fields: self.fields,
            measured: self.measured,
            after: self.after.clone(),
            step: self.step,
            store: self.store,
        }
    }

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

/// What a plan reads at most: records, and of how many parts and files they are.
pub(crate) fn reads(snapshot: &Snapshot, plan: &Plan) -> Result<String> {
    let all = Scan::default();
    let scan = Scan { range: plan.range, ..Scan::default() };
    let (all, parts) = (snapshot.parts(&all)?, snapshot.parts(&scan)?);
    let files = |parts: &[Part<'_>]| {
        let mut files: Vec<_> = parts.iter().map(Part::file).collect();
        files.sort_unstable();
        files.dedup();
        files.len()
    };
    let records: u64 = parts.iter().map(Part::records).sum();
    let (some_files, all_files) = (files(&parts), files(&all));
    Ok(format!(
        "{records} records: {} of {} parts, {some_files} of {all_files} files",
        parts.len(),
        all.len()
    ))
}

/// Runs a plan.
pub(crate) fn run(input: &Input<'_>) -> Result<Output> {
    let mut watch = Watch { nodes: Vec::new(), started: Instant::now(), measured: input.measured };
    let leading = input.plan.stages.iter().take_while(|stage| matches!(stage, Stage::Filter(_))).count();
    let (filters, stages) = input.plan.stages.split_at(leading);
    let filter: Vec<Condition> = filters
        .iter()
        .flat_map(|stage| if let Stage::Filter(list) = stage { list.as_slice() } else { &[] })
        .cloned()
        .collect();
    let (mut table, outcome, stages) = match stages {
        [Stage::Group(group), Stage::Versus(compared), rest @ ..] => {
            let (mut table, mut outcome, _) = scan_groups(input, group, &filter, &[])?;
            let plan = Plan { range: compared.before, ..input.plan.clone() };
            let other = Group { range: compared.before, ..group.clone() };
            let (other, more, _) = scan_groups(&input.with(&plan), &other, &filter, &[])?;
            outcome.add(more);
            buckets::versus(&mut table, other, compared, &input.plan.zone, input.budget)?;
            (table, outcome, rest)
        }
        [Stage::Group(group), rest @ ..] => scan_groups(input, group, &filter, rest)?,
        [Stage::Around(around), rest @ ..] => {
            let (table, outcome) = around::scan(input, around, &filter, rest)?;
            (table, outcome, rest)
        }
        [Stage::Report(kind), rest @ ..] => (report::rows(input, *kind)?, ScanOutcome::default(), rest),
        [Stage::Fields, rest @ ..] => {
            let (table, outcome) = fields::scan(input, &filter)?;
            (table, outcome, rest)
        }
        stages => {
            let (table, outcome) = list::scan(input, &listing(input, &filter, stages))?;
            (table, outcome, stages)
        }
    };
    let listed = (table.rows.len(), table.rows.last().map(|row| (row.time, row.id)));
    let mut more = false;
    watch.scanned(input, &table, &outcome, stages.len());
    for stage in stages {
        apply(&mut table, stage, input, &mut more)?;
        watch.took(stage.to_string(), &table, None);
    }
    let mut output = output(input, table, more, outcome);
    output.nodes = watch.nodes;
    output.listed = listed;
    Ok(output)
}

/// Measures what each step takes, where that is asked for.
struct Watch {
    nodes: Vec<Node>,
    started: Instant,
    measured: bool,
}

impl Watch {
    fn took(&mut self, shown: String, table: &Table, read: Option<u64>) {
        if !self.measured {
            return;
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let held = || table.rows.iter().map(|row| row.size() as u64).sum();
        let bytes = read.unwrap_or_else(held);
        self.nodes.push(Node { shown, seconds, rows: table.rows.len(), bytes });
        self.started = Instant::now();
    }

    /// The scan, with the stages that ran while it read: all but the last `left`.
    fn scanned(&mut self, input: &Input<'_>, table: &Table, outcome: &ScanOutcome, left: usize) {
        if !self.measured {
            return;
        }
        let run = input.plan.stages.len().saturating_sub(left);
        let stages = input.plan.stages.get(..run).unwrap_or_default().to_vec();
        let scan = Plan { stages, ..input.plan.clone() }.to_string();
        let lines: Vec<&str> = scan.lines().map(str::trim).collect();
        self.took(lines.join("; "), table, Some(outcome.stats.bytes));
    }
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
        Stage::Gap => table.gap(),
        Stage::Limits(limits) => budgets::limits(table, limits, input)?,
        Stage::Parse(parsing) => table.parse(parsing),
        Stage::Unroll(name) => table.unroll(name, input.budget)?,
        Stage::Sample(_, bound) => table.sample(*bound),
        Stage::Fill(filling) => buckets::fill(table, filling, &input.plan.zone, input.budget)?,
        // The binder puts it only where the records are.
        Stage::Fields | Stage::Report(_) | Stage::Around(_) | Stage::Versus(_) => {
            panic!("BUG: this step reads records")
        }
    }
    Ok(())
}

/// What a list needs of the records: columns by name, and which of them.
fn listing<'p>(input: &'p Input<'_>, filter: &'p [Condition], stages: &'p [Stage]) -> Listing<'p> {
    let mut names: Vec<String> = Vec::new();
    let gap = GAP.to_owned();
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
            Stage::Gap => asked.push("time".to_owned()),
            Stage::Parse(parsing) => asked.push(parsing.from.clone()),
            Stage::Unroll(name) => asked.push(name.clone()),
            Stage::Limit(_)
            | Stage::Fields
            | Stage::Report(_)
            | Stage::Limits(_)
            | Stage::Drop(_)
            | Stage::Around(_)
            | Stage::Versus(_)
            | Stage::Sample(..)
            | Stage::Fill(_) => {}
        }
        for name in asked {
            if !names.contains(&name) && !made.contains(&&name) {
                names.push(name);
            }
        }
        match stage {
            Stage::Set(name, _) => made.push(name),
            Stage::Gap => made.push(&gap),
            Stage::Parse(Parsing { how: Reader::Regex(_, groups), .. }) => {
                made.extend(groups.iter().map(|(name, _)| name));
            }
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
        _ if let Some(step) = input.step => Wanted::First(&NATURAL, step.count),
        [Stage::Limit(limit), ..] => Wanted::Newest(limit.count.saturating_add(1)),
        [Stage::Sort(sort), ..] => sort.first.map_or(Wanted::All, |first| Wanted::First(sort, first)),
        _ => Wanted::All,
    };
    let searches = stages
        .iter()
        .take(until)
        .any(|stage| matches!(stage, Stage::Filter(list) if list.iter().any(|c| c.searches)));
    Listing {
        names,
        filter,
        wanted,
        fields: (input.fields && ends_in_records && !kept) || searches,
        only: None,
        step: input.step,
    }
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
    Output {
        columns: table.columns,
        rows: table.rows.into_iter().map(row).collect(),
        fields,
        more,
        outcome,
        listed: (0, None),
        nodes: Vec::new(),
    }
}

/// Groups what a scan gives, in as many passes as memory asks for; the stages that are left to do.
fn scan_groups<'s>(
    input: &Input<'_>,
    group: &Group,
    filter: &[Condition],
    rest: &'s [Stage],
) -> Result<(Table, ScanOutcome, &'s [Stage])> {
    let grouping = Grouping::new(group, filter, &input.plan.zone, true).with_lanes(input.plan.lanes);
    let access = Access::new(&grouping.names, input.plan.totals);
    let mut scan = input.scan(&access, grouping.searches);
    scan.times = grouping.times;
    scan.ids = grouping.ids || access.shows_ids();
    let parts = pieces(input, &scan, &grouping)?;
    let hash = KeyHash::default();
    let mut cut = Cut::WHOLE;
    let mut outcome = ScanOutcome::default();
    let base = input.budget.used();
    loop {
        let done = AtomicUsize::new(0);
        let passes = Passes { input, grouping: &grouping, access: &access, parts: &parts, rest, done: &done };
        match passes.run(&Slice::first(cut, &hash), base, &mut outcome) {
            Ok(Some((table, rest))) => return Ok((table, outcome, rest)),
            Ok(None) => {
                let of_values = input.budget.is_mostly_values() && grouping.cuts_values();
                let finer = cut.finer(of_values, done.into_inner(), parts.len());
                // A few groups that are too large are as large in any slice.
                let many = GROUPS_CUT_MIN <= input.budget.groups();
                let helps = of_values || (many && grouping.cuts_groups());
                cut = finer.filter(|_| helps).ok_or_else(|| input.budget.exceeded())?;
                input.budget.reset(base)?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// A piece of what is grouped.
enum Piece<'s> {
    Part(Part<'s>),
    Rollup(Rollup<'s>),
}

/// The pieces of a scan: rollups, where they have what is grouped, and parts for all that they do not count.
fn pieces<'s>(input: &Input<'s>, scan: &'s Scan, grouping: &Grouping<'_>) -> Result<Vec<Piece<'s>>> {
    let Some(asked) = input.plan.rollups.as_ref() else {
        return Ok(input.snapshot.parts(scan)?.into_iter().map(Piece::Part).collect());
    };
    let whole = |start, end| grouping.is_whole(start, end);
    let ask = RollupAsk { keys: &asked.keys, measures: &asked.measures, whole: &whole };
    let (rollups, parts) = input.snapshot.rolled_parts(scan, &ask)?;
    Ok(rollups.into_iter().map(Piece::Rollup).chain(parts.into_iter().map(Piece::Part)).collect())
}

/// What a thread reads at a time.
trait Reads: Sync {
    /// A name for the file that it lies in.
    fn file(&self) -> (u32, u64);
}

impl Reads for Part<'_> {
    fn file(&self) -> (u32, u64) {
        Part::file(self)
    }
}

impl Reads for Piece<'_> {
    fn file(&self) -> (u32, u64) {
        match self {
            Self::Part(part) => part.file(),
            Self::Rollup(rollup) => rollup.file(),
        }
    }
}

/// Passes over the same records, each for other groups or values.
struct Passes<'p, 's> {
    input: &'p Input<'p>,
    grouping: &'p Grouping<'p>,
    access: &'p Access,
    parts: &'p [Piece<'p>],
    rest: &'s [Stage],
    /// Parts that the current pass has read.
    done: &'p AtomicUsize,
}

impl<'s> Passes<'_, 's> {
    /// The groups of all passes, and the stages that are left to do; none where a slice does not fit. What cuts groups
    /// away is done after each pass, so that only the rest is held. `base` bytes are taken by something else.
    fn run(
        &self,
        first: &Slice,
        base: usize,
        outcome: &mut ScanOutcome,
    ) -> Result<Option<(Table, &'s [Stage])>> {
        if !first.cuts_groups() {
            let table = fits(self.pass(first, base, outcome))?;
            return Ok(table.map(|table| (table, self.rest)));
        }
        let (done, left) = self.rest.split_at(row_by_row(self.rest));
        let mut all = Table::default();
        let mut held = base;
        for slice in first.of_groups() {
            let Some(mut table) = fits(self.pass(&slice, held, outcome))? else { return Ok(None) };
            for stage in done.iter().filter(|stage| !matches!(stage, Stage::Sort(_))) {
                apply(&mut table, stage, self.input, &mut false)?;
            }
            if let Some(Stage::Sort(sort)) = left.first()
                && let Some(first) = sort.first
            {
                table.sort(sort);
                table.rows.truncate(first);
            }
            held += table.rows.iter().map(table::Row::size).sum::<usize>();
            self.input.budget.reset(held)?;
            all.columns = table.columns;
            all.rows.extend(table.rows);
        }
        Ok(Some((all, left)))
    }

    /// The groups of one slice; `held` bytes are taken by what other passes found.
    fn pass(&self, slice: &Slice, held: usize, outcome: &mut ScanOutcome) -> Result<Table> {
        let mut all = self.grouping.state(slice);
        for slice in slice.of_values() {
            self.done.store(0, Ordering::Relaxed);
            let (states, read) =
                each_part(self.parts, || self.grouping.state(&slice), |state, part| self.read(state, part))?;
            outcome.add(read);
            let mut states = states.into_iter();
            if slice.is_first_of_values() {
                all = states.next().unwrap_or(all);
            }
            states.for_each(|state| all.merge(state));
            if 1 < slice.cut.values {
                let stays = all.settle();
                self.input.budget.reset(held + stays)?;
            }
        }
        Ok(self.grouping.finish(all))
    }

    fn read(&self, state: &mut group::State, piece: &Piece<'_>) -> Result<ScanStats> {
        let part = match piece {
            Piece::Part(part) => part,
            Piece::Rollup(rollup) => {
                let plan = self.input.plan;
                let cells = Cells::new(rollup, self.grouping, &plan.filter, plan.totals);
                state.update_rolled(self.grouping, &cells, self.input.budget)?;
                self.done.fetch_add(1, Ordering::Relaxed);
                let cells = rollup.len() as u64;
                return Ok(ScanStats { cells, bytes: rollup.size(), ..ScanStats::default() });
            }
        };
        let mut result = Ok(());
        let stats = part.scan(&mut |batch: &Batch<'_>| {
            let made = self.access.made(batch);
            result = state.update(self.grouping, &self.access.columns(batch, &made), self.input.budget);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result?;
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(stats)
    }
}

/// How many stages, from the first, can be done with some rows as well as with all. A sort that another one makes
/// useless is among them.
fn row_by_row(stages: &[Stage]) -> usize {
    let alone = |stage: &Stage| {
        matches!(
            stage,
            Stage::Filter(_) | Stage::Keep(_) | Stage::Drop(_) | Stage::Rename(_) | Stage::Set(..)
        )
    };
    let plain_sort = |stage: &Stage| matches!(stage, Stage::Sort(sort) if sort.first.is_none());
    let until = |is: &dyn Fn(&Stage) -> bool| stages.iter().take_while(|stage| is(stage)).count();
    let with_sorts = until(&|stage| alone(stage) || plain_sort(stage));
    if matches!(stages.get(with_sorts), Some(Stage::Sort(_))) { with_sorts } else { until(&alone) }
}

/// None where something did not fit in memory.
fn fits<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::Limit => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads all parts, in order, on all threads: each takes the next one that nobody has, and keeps one state.
fn each_part<P: Reads, S: Send>(
    parts: &[P],
    state: impl Fn() -> S + Sync,
    read: impl Fn(&mut S, &P) -> Result<ScanStats> + Sync,
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
    let mut files: Vec<_> = parts.iter().map(Reads::file).collect();
    files.sort_unstable();
    files.dedup();
    outcome.files = files.len();
    Ok((states, outcome))
}
