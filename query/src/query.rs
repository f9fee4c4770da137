//! Query: a parsed text, ready to be bound to a clock and run on stores.

use jiff::tz::TimeZone;
use logq_engine::{Snapshot, Store};
use std::time::Instant;

use crate::answer::{self, Answer, Column, Row, Stats, Warning};
use crate::ast;
use crate::bind::{self, VIRTUAL};
use crate::calendar::Calendar;
use crate::datum::{Datum, Type};
use crate::diagnostic::{self, Diagnostic, Severity};
use crate::error::{Error, Result};
use crate::exec::{self, Budget, Input, MEMORY_MAX, Output};
use crate::optimize::{self, Rule, optimize};
use crate::parse;
use crate::plan::{Plan, Stage};

mod inner;
mod selection;

pub use selection::Selection;

/// What a record in an answer holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowShape {
    /// The usual columns and the fields that the query names.
    #[default]
    Table,
    /// `_id` and every field.
    Full,
}

/// What the words of a query are read by, and how it runs.
#[derive(Clone, Debug)]
pub struct Session {
    /// The clock, nanoseconds since 1970; without one, the store's.
    pub now: Option<i64>,
    /// The zone of calendar words and of `per`.
    pub zone: TimeZone,
    /// What records of a list hold.
    pub shape: RowShape,
    /// Memory that rows, groups and the values of queries inside may take, in bytes.
    pub memory_max: usize,
    /// Whether a list shows its newest 100 records, and groups the first 10,000, where the query says no limit.
    pub implicit_limits: bool,
    /// The optimiser's rules; an answer does not depend on them.
    pub rules: Vec<Rule>,
}

impl Default for Session {
    /// The store's clock, UTC, usual columns, 512 MiB, all rules.
    fn default() -> Self {
        Self {
            now: None,
            zone: TimeZone::UTC,
            shape: RowShape::Table,
            memory_max: MEMORY_MAX,
            implicit_limits: true,
            rules: Rule::ALL.to_vec(),
        }
    }
}

/// Answers a query by the store's clock, in UTC.
///
/// # Errors
/// A text that is no query, an answer beyond its memory, a store that cannot be read.
pub fn run(store: &Store, text: &str) -> Result<Answer> {
    Query::parse(text)?.run(store, &Session::default())
}

/// A query that was read from text.
#[derive(Clone, Debug)]
pub struct Query {
    text: String,
    tree: ast::Query,
    warnings: Vec<Diagnostic>,
}

impl Query {
    /// Reads a text.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Query`] with all problems of the text, also those of values and names that do not depend on
    /// the clock or the store.
    pub fn parse(text: &str) -> Result<Self> {
        let (tree, mut problems) = parse::parse(text);
        let failed = |problems: &[Diagnostic]| problems.iter().any(|p| p.severity == Severity::Error);
        let Some(tree) = tree else { return Err(Error::query(text, problems)) };
        if failed(&problems) {
            // What can be told of the rest is told at once. A missing part makes others look wrong: those are left out.
            let calendar = Calendar { now: 0, zone: TimeZone::UTC };
            let (_, more) = bind::bind(&tree, &calendar);
            problems.extend(
                more.into_iter()
                    .filter(|problem| !matches!(problem.code, "Q0103" | "Q0206" | "Q0207" | "Q0403")),
            );
            problems.sort_by_key(|problem| problem.span.start);
            return Err(Error::query(text, problems));
        }
        Ok(Self { text: text.to_owned(), tree, warnings: problems })
    }

    /// The tree.
    pub fn tree(&self) -> &ast::Query {
        &self.tree
    }

    /// Whether the query asks for its plan only.
    pub fn is_explain(&self) -> bool {
        self.tree.explain
    }

    /// The plan as text, one step a line.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Query`] when the text means nothing.
    pub fn explain(&self, session: &Session, now: i64) -> Result<String> {
        let (plan, _) = self.bind(session, now)?;
        let expanded = plan.expanded();
        Ok(format!("{expanded}\n{}", optimize(plan, &session.rules)))
    }

    /// Answers the query from what the store holds at this moment.
    ///
    /// # Errors
    /// A text that means nothing, an answer beyond its memory, a store that cannot be read.
    pub fn run(&self, store: &Store, session: &Session) -> Result<Answer> {
        let started = Instant::now();
        let now = session.now.unwrap_or_else(|| store.now());
        if self.tree.explain {
            return self.explained(&store.snapshot()?, session, now, started);
        }
        self.answer(Some(store), &store.snapshot()?, session, now)
    }

    /// Answers the query from a snapshot; `now` is the clock.
    ///
    /// # Errors
    /// As [`Query::run`]; and `health` and `budget`, which ask for more than a snapshot holds.
    pub fn run_on(&self, snapshot: &Snapshot, session: &Session, now: i64) -> Result<Answer> {
        self.answer(None, snapshot, session, now)
    }

    pub(crate) fn answer(
        &self,
        store: Option<&Store>,
        snapshot: &Snapshot,
        session: &Session,
        now: i64,
    ) -> Result<Answer> {
        let started = Instant::now();
        if self.tree.explain {
            return self.explained(snapshot, session, now, started);
        }
        let inside = self.resolved(snapshot, session, now)?;
        let (plan, mut warnings) = inside.query.bind(session, now)?;
        warnings.extend(inside.warnings);
        let (expanded, range, measures) = (plan.expanded(), plan.range, plan.measures.clone());
        let plan = optimize(plan, &session.rules);
        let budget = Budget::new(session.memory_max, inside.held);
        let fields = session.shape == RowShape::Full;
        let input = Input {
            plan: &plan,
            snapshot,
            budget: &budget,
            fields,
            measured: self.tree.profile,
            after: None,
            step: None,
            store: store.map(|store| (store, now)),
        };
        let mut output = exec::run(&input)?;
        output.outcome.add(inside.outcome);
        if !plan.reads_budgets() {
            warnings.extend(unknown_fields(&plan, snapshot, &output)?);
        }
        warnings.sort_by_key(|problem| problem.span.start);
        let mut answer = Answer {
            query: self.text.clone(),
            expanded,
            range: (range.from, range.until),
            columns: Vec::new(),
            measures,
            rows: Vec::new(),
            full: output.fields,
            more: output.more,
            approximate: plan.approximate(),
            warnings: warnings.into_iter().map(of_diagnostic).collect(),
            damaged: false,
            stats: stats(snapshot, &plan, &output),
        };
        damage(&mut answer, snapshot, &output);
        if self.tree.profile {
            profile(&mut answer, &output);
            answer.stats.elapsed_ms = milliseconds(started);
            return Ok(answer);
        }
        fill(&mut answer, output);
        for column in &mut answer.columns {
            if column.kind == Type::Int && plan.sizes.contains(&column.name.as_str()) {
                column.kind = Type::Size;
            }
        }
        answer.approximate.retain(|name| answer.columns.iter().any(|column| column.name == *name));
        answer.stats.elapsed_ms = milliseconds(started);
        Ok(answer)
    }

    /// The plan before the optimiser, and what to warn of.
    pub(crate) fn bind(&self, session: &Session, now: i64) -> Result<(Plan, Vec<Diagnostic>)> {
        let calendar = Calendar { now, zone: session.zone.clone() };
        let (plan, problems) = match session.implicit_limits {
            true => bind::bind(&self.tree, &calendar),
            false => bind::bind_whole(&self.tree, &calendar),
        };
        let mut all = self.warnings.clone();
        all.extend(problems);
        all.sort_by_key(|problem| problem.span.start);
        match plan {
            Some(plan) => Ok((plan, all)),
            None => Err(Error::query(&self.text, all)),
        }
    }

    /// The text that was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the query stands for, its plan, what each rule did to it, what would be read, and where the answer comes from.
    fn explained(
        &self,
        snapshot: &Snapshot,
        session: &Session,
        now: i64,
        started: Instant,
    ) -> Result<Answer> {
        let (plan, warnings) = self.bind(session, now)?;
        let line = |text: &str| Row { cells: vec![Datum::text(text)], fields: Vec::new() };
        let (expanded, range) = (plan.expanded(), plan.range);
        let (plan, rules) = optimize::explained(plan, &session.rules);
        let mut text = format!("{expanded}\n{plan}\n{}", rules.join("\n"));
        if !matches!(plan.stages.first(), Some(Stage::Report(_))) {
            text.push_str(&format!("\nreads at most {}", exec::reads(snapshot, &plan)?));
        }
        text.push_str(&format!("\nanswered from {}", optimize::source(&plan)));
        Ok(Answer {
            query: self.text.clone(),
            expanded,
            range: (range.from, range.until),
            columns: vec![Column { name: "plan".to_owned(), kind: Type::String }],
            measures: Vec::new(),
            rows: text.lines().map(line).collect(),
            full: false,
            more: false,
            approximate: Vec::new(),
            warnings: warnings.into_iter().map(of_diagnostic).collect(),
            damaged: false,
            stats: Stats { answered_from: "plan", elapsed_ms: milliseconds(started), ..Stats::default() },
        })
    }
}

pub(crate) fn of_diagnostic(diagnostic: Diagnostic) -> Warning {
    Warning { text: diagnostic.to_string(), diagnostic: Some(diagnostic) }
}

pub(crate) fn milliseconds(started: Instant) -> f64 {
    // A thousandth of a millisecond is below what repeats.
    (started.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

pub(crate) fn stats(snapshot: &Snapshot, plan: &Plan, output: &Output) -> Stats {
    Stats {
        segments: snapshot.files() as u64,
        segments_read: output.outcome.files as u64,
        blocks_read: output.outcome.parts as u64,
        records_scanned: output.outcome.stats.records,
        bytes_read: output.outcome.stats.bytes,
        answered_from: match output.outcome.stats.indexed {
            _ if plan.reads_budgets() => "counters",
            _ if output.outcome.stats.cells != 0 => "rollup",
            true => "index",
            false => "scan",
        },
        elapsed_ms: 0.0,
    }
}

/// What each step took, in place of the rows.
fn profile(answer: &mut Answer, output: &Output) {
    let int = |count: u64| Datum::Int(i64::try_from(count).unwrap_or(i64::MAX));
    let row = |node: &exec::Node| {
        let took = Datum::Millis((node.seconds * 1e6).round() / 1e3);
        Row {
            cells: vec![Datum::text(&node.shown), took, int(node.rows as u64), int(node.bytes)],
            fields: Vec::new(),
        }
    };
    let column = |name: &str, kind| Column { name: name.to_owned(), kind };
    answer.columns = vec![
        column("step", Type::String),
        column("took", Type::Duration),
        column("rows", Type::Int),
        column("bytes", Type::Int),
    ];
    answer.rows = output.nodes.iter().map(row).collect();
    (answer.full, answer.more) = (false, false);
    answer.approximate.clear();
}

/// Columns and rows.
pub(crate) fn fill(answer: &mut Answer, output: Output) {
    let rows = output.rows.into_iter();
    if output.fields {
        answer.rows = rows.map(|row| Row { cells: Vec::new(), fields: row.fields }).collect();
        // The columns of full rows: every name, in the order in which rows show them.
        let mut seen = std::collections::HashMap::new();
        for (name, datum) in answer.rows.iter().flat_map(|row| &row.fields) {
            let order = seen.len();
            let entry = seen.entry(name.as_ref()).or_insert((order, None::<Type>));
            entry.1 = match (entry.1, datum.kind()) {
                (Some(one), Some(other)) => Some(one.join(other)),
                (one, other) => one.or(other),
            };
        }
        let mut columns: Vec<_> = seen.into_iter().collect();
        columns.sort_by_key(|(_, (order, _))| *order);
        let column = |(name, (_, kind)): (&str, (usize, Option<Type>))| Column {
            name: name.to_owned(),
            kind: kind.unwrap_or_else(|| answer::usual(name)),
        };
        answer.columns = columns.into_iter().map(column).collect();
    } else {
        answer.rows = rows.map(|row| Row { cells: row.cells, fields: Vec::new() }).collect();
        answer.columns = answer::types(output.columns, &answer.rows);
    }
}

/// Says which records could not be read.
pub(crate) fn damage(answer: &mut Answer, snapshot: &Snapshot, output: &Output) {
    let mut texts: Vec<String> = Vec::new();
    for gap in snapshot.gaps().iter().chain(&output.outcome.stats.gaps) {
        let text = format!("records are missing: {gap}");
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    answer.damaged = !texts.is_empty();
    answer.warnings.extend(texts.into_iter().map(|text| Warning { text, diagnostic: None }));
}

/// Warns of fields that the query names and no event ever had.
pub(crate) fn unknown_fields(plan: &Plan, snapshot: &Snapshot, output: &Output) -> Result<Vec<Diagnostic>> {
    let shown = |name: &str| {
        let at = output.columns.iter().position(|column| column == name);
        at.is_some_and(|at| {
            output.rows.iter().any(|row| row.cells.get(at).is_some_and(|cell| !cell.is_missing()))
        })
    };
    let computed = |name: &str| plan.totals && name == "total_tokens";
    let asked: Vec<_> = plan
        .named
        .iter()
        .filter(|(name, _)| !VIRTUAL.contains(&name.as_str()) && !computed(name) && !shown(name))
        .collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
    let (found, known) = exec::seen(snapshot, &names)?;
    let mut warnings = Vec::new();
    for ((name, span), _) in asked.iter().zip(found).filter(|(_, found)| !found) {
        let near = diagnostic::did_you_mean(name, known.iter().map(String::as_str).chain(VIRTUAL));
        let problem = Diagnostic::warning("Q0102", *span, format!("no event has a field `{name}`"));
        warnings.push(problem.help("`fields` lists what there is").maybe_help(near));
    }
    Ok(warnings)
}
