//! Stream: all rows of a query, piece by piece, in memory that does not grow with the store.
//!
//! A list of records whose stages look at one row at a time comes in the order of (time, writer, sequence). It is read in
//! windows of time that hold about [`WINDOW_ROWS`] records by what the parts of the store say of themselves; inside of a
//! window in steps of so many rows, so that any number of records may have one time. A step whose rows outgrow
//! the memory of a step is taken again with fewer. Everything else (groups, sorts, limits) is one answer, within
//! the memory of a query.

use std::ops::ControlFlow;
use std::time::Instant;

use logq_engine::{RecordId, Scan, Snapshot, Store};

use crate::answer::{Answer, Stats};
use crate::datum::Type;
use crate::error::{ErrorKind, Result};
use crate::exec::{self, Budget, Input, Output, ScanOutcome, Step};
use crate::optimize::optimize;
use crate::plan::{Plan, Stage};
use crate::query::{self, Query, Session};

/// Records that a window of time holds, about: enough to keep all threads busy, and few megabytes.
const WINDOW_ROWS: f64 = 16_384.0;
/// Rows of a step, at most.
const STEP_ROWS: usize = 32_768;
/// Memory that the rows of a step may take, in bytes, in each thread.
const STEP_MEMORY_MAX: usize = 64 << 20;

impl Query {
    /// Shows all rows of the query, in pieces and in their order, until there are no more or `visit` breaks. Each piece is an
    /// answer without warnings; its columns are those of its own rows. What is returned is the answer without rows:
    /// its warnings, and whether records were missing.
    ///
    /// Set [`Session::implicit_limits`] to false where really all are wanted.
    ///
    /// # Errors
    /// As [`Query::run`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::{Event, Options, Store};
    /// use logq_query::{Query, Session};
    /// use std::ops::ControlFlow;
    /// let store = Store::open(dir.path(), Options::default())?;
    /// let log = store.writer()?;
    /// for call in 0..1000 {
    ///     log.append(&Event::ai("chat").field("call", call))?;
    /// }
    /// let session = Session { implicit_limits: false, ..Session::default() };
    /// let mut rows = 0;
    /// Query::parse("call >= 10")?.stream(&store, &store.snapshot()?, &session, &mut |piece| {
    ///     rows += piece.rows.len();
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(rows, 990);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        session: &Session,
        visit: &mut dyn FnMut(&Answer) -> ControlFlow<()>,
    ) -> Result<Answer> {
        let started = Instant::now();
        let now = session.now.unwrap_or_else(|| store.now());
        let plain = !self.tree().explain && !self.tree().profile;
        let inside = if plain { Some(self.resolved(snapshot, session, now)?) } else { None };
        let bound = inside.as_ref().map(|inside| inside.query.bind(session, now)).transpose()?;
        let (Some(inside), Some((plan, mut warnings))) = (inside, bound) else {
            return whole(self.answer(Some(store), snapshot, session, now)?, visit);
        };
        if !is_row_by_row(&plan) {
            return whole(self.answer(Some(store), snapshot, session, now)?, visit);
        }
        warnings.extend(inside.warnings);
        warnings.extend(query::unknown_fields(&plan, snapshot, &Output::default())?);
        warnings.sort_by_key(|problem| problem.span.start);
        let mut answer = Answer {
            query: self.text().to_owned(),
            expanded: plan.expanded(),
            range: (plan.range.from, plan.range.until),
            columns: Vec::new(),
            measures: Vec::new(),
            rows: Vec::new(),
            full: false,
            more: false,
            approximate: Vec::new(),
            warnings: Vec::new(),
            damaged: false,
            stats: Stats::default(),
        };
        let plan = optimize(plan, &session.rules);
        let mut steps = Steps { plan, snapshot, session, held: inside.held, rows: STEP_ROWS, past: None };
        let outcome = steps.run(&mut answer, visit)?;
        answer.warnings = warnings.into_iter().map(query::of_diagnostic).collect();
        let output = Output { outcome, ..Output::default() };
        answer.stats = query::stats(snapshot, &steps.plan, &output);
        query::damage(&mut answer, snapshot, &output);
        answer.stats.elapsed_ms = query::milliseconds(started);
        Ok(answer)
    }
}

/// Shows an answer in one piece.
fn whole(mut answer: Answer, visit: &mut dyn FnMut(&Answer) -> ControlFlow<()>) -> Result<Answer> {
    let warnings = std::mem::take(&mut answer.warnings);
    // There is no more to come, whatever the visitor says.
    let _done = visit(&answer);
    answer.rows.clear();
    answer.warnings = warnings;
    Ok(answer)
}

/// Whether every stage looks at one row at a time.
fn is_row_by_row(plan: &Plan) -> bool {
    plan.stages.iter().all(|stage| {
        matches!(
            stage,
            Stage::Filter(_)
                | Stage::Keep(_)
                | Stage::Drop(_)
                | Stage::Rename(_)
                | Stage::Set(..)
                | Stage::Parse(_)
                | Stage::Unroll(_)
                | Stage::Sample(..)
        )
    })
}

/// A list that is read step by step.
struct Steps<'s> {
    plan: Plan,
    snapshot: &'s Snapshot,
    session: &'s Session,
    /// What the values of queries inside take, in bytes.
    held: usize,
    /// Rows of a step.
    rows: usize,
    /// The last record that was read.
    past: Option<(i64, RecordId)>,
}

impl Steps<'_> {
    fn run(
        &mut self,
        answer: &mut Answer,
        visit: &mut dyn FnMut(&Answer) -> ControlFlow<()>,
    ) -> Result<ScanOutcome> {
        let mut outcome = ScanOutcome::default();
        let range = self.plan.range;
        let scan = Scan { range, ..Scan::default() };
        let spans: Vec<Span> = self.snapshot.parts(&scan)?.iter().map(Span::of).collect();
        let first = spans.iter().map(|span| span.from).min().unwrap_or(0);
        let end = spans.iter().map(|span| span.until).max().unwrap_or(0);
        let end = range.until.map_or(end, |until| end.min(until.into()));
        let mut from = range.from.map_or(first, |from| first.max(from.into()));
        if spans.is_empty() {
            // Nothing is there, and the columns are still to be told.
            let output = self.step()?.unwrap_or_default();
            let _done = self.show(answer, output, visit);
        }
        while from < end {
            let until = window(&spans, from, end);
            (self.plan.range.from, self.plan.range.until) =
                (i64::try_from(from).ok(), i64::try_from(until).ok());
            loop {
                let Some(mut output) = self.step()? else { continue };
                let (listed, last) = output.listed;
                outcome.add(std::mem::take(&mut output.outcome));
                self.past = last.or(self.past);
                if self.show(answer, output, visit).is_break() {
                    self.plan.range = range;
                    return Ok(outcome);
                }
                if listed < self.rows {
                    break;
                }
                // What is older was read.
                self.plan.range.from = last.map(|(time, _)| time).or(self.plan.range.from);
            }
            from = until;
            // Where rows were large, those of the next window may not be.
            self.rows = STEP_ROWS.min(self.rows.saturating_mul(2));
        }
        self.plan.range = range;
        (answer.rows, answer.columns) = (Vec::new(), Vec::new());
        Ok(outcome)
    }

    fn show(
        &self,
        answer: &mut Answer,
        output: Output,
        visit: &mut dyn FnMut(&Answer) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        answer.full = output.fields;
        query::fill(answer, output);
        for column in &mut answer.columns {
            if column.kind == Type::Int && self.plan.sizes.contains(&column.name.as_str()) {
                column.kind = Type::Size;
            }
        }
        visit(answer)
    }

    /// The next rows; `None` where they were too large, and fewer are to be asked for.
    fn step(&mut self) -> Result<Option<Output>> {
        // One record always fits, however large it is.
        let memory = if self.rows == 1 { 4 * logq_engine::RECORD_SIZE_MAX } else { STEP_MEMORY_MAX };
        let memory = memory.min(self.session.memory_max);
        let budget = Budget::new(memory.saturating_add(self.held), self.held);
        let done = exec::run(&Input {
            plan: &self.plan,
            snapshot: self.snapshot,
            budget: &budget,
            fields: self.session.shape == query::RowShape::Full,
            measured: false,
            after: None,
            step: Some(Step { past: self.past, count: self.rows }),
            store: None,
        });
        match done {
            Err(error) if error.kind() == ErrorKind::Limit && 1 < self.rows => {
                self.rows /= 2;
                Ok(None)
            }
            done => done.map(Some),
        }
    }
}

/// Records of a part, and the time that they are of.
struct Span {
    from: i128,
    until: i128,
    records: f64,
}

impl Span {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn of(part: &logq_engine::Part<'_>) -> Self {
        let (from, until) = (i128::from(part.time_min()), i128::from(part.time_max()) + 1);
        Self { from, until, records: part.records() as f64 }
    }

    /// Records in a range of time, were they spread evenly.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn records(&self, from: i128, until: i128) -> f64 {
        let (low, high) = (self.from.max(from), self.until.min(until));
        if high <= low {
            return 0.0;
        }
        self.records * ((high - low) as f64 / (self.until - self.from) as f64)
    }
}

/// Where the window that begins at `from` ends, `end` at most: the latest place before which about as many records lie as
/// a window holds.
fn window(spans: &[Span], from: i128, end: i128) -> i128 {
    let records = |until: i128| spans.iter().map(|span| span.records(from, until)).sum::<f64>();
    let (mut low, mut high) = (from + 1, end);
    while low < high {
        let middle = low + (high - low + 1) / 2;
        if records(middle) <= WINDOW_ROWS {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}
