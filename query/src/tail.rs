//! Tail: the records of a query as they come, without one missed and none twice.

use logq_engine::{Position, Store};

use crate::answer::{Answer, Row};
use crate::ast::{self, Clause, Pipe};
use crate::diagnostic::Diagnostic;
use crate::error::{Error, Result};
use crate::exec::{self, Budget, Input};
use crate::optimize::optimize;
use crate::plan::{Plan, Stage};
use crate::query::{self, Query, RowShape, Session};
use crate::token::Span;

/// Follows a list of records.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use logq_engine::{Event, Options, Store};
/// use logq_query::{Query, Session, Tail};
/// let store = Store::open(dir.path(), Options::default())?;
/// let log = store.writer()?;
/// let query = Query::parse("events where level >= warn")?;
/// let (_so_far, mut tail) = Tail::start(&store, &query, &Session::default())?;
/// log.append(&Event::log(logq_engine::Level::Error, "disk full"))?;
/// assert_eq!(tail.poll()?.rows.len(), 1);
/// assert_eq!(tail.poll()?.rows.len(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Tail {
    store: Store,
    plan: Plan,
    position: Position,
    shape: RowShape,
    memory_max: usize,
    /// What the values of queries inside take, in bytes.
    held: usize,
    /// An answer without rows, for the columns.
    empty: Answer,
}

impl Tail {
    /// Answers a query from what is there, and follows it from exactly there on.
    ///
    /// A range of time keeps its start; its end is lifted, so that `last 1h` shows the hour so far and then all that comes.
    ///
    /// # Errors
    /// As [`Query::run`]; and a query whose rows are not records one by one.
    pub fn start(store: &Store, query: &Query, session: &Session) -> Result<(Answer, Self)> {
        if let Some(problem) = not_followed(query.tree()) {
            return Err(Error::query(query.text(), vec![problem]));
        }
        let now = session.now.unwrap_or_else(|| store.now());
        let snapshot = store.snapshot()?;
        let answer = query.run_on(&snapshot, session, now)?;
        let inside = query.resolved(&snapshot, session, now)?;
        let (mut plan, _) = inside.query.bind(session, now)?;
        plan.range.until = None;
        plan.stages.retain(|stage| !matches!(stage, Stage::Limit(_)));
        let plan = optimize(plan, &session.rules);
        let empty = Answer { rows: Vec::new(), warnings: Vec::new(), ..answer.clone() };
        let (position, shape, memory_max) = (snapshot.position(), session.shape, session.memory_max);
        let held = inside.held;
        Ok((answer, Self { store: store.clone(), plan, position, shape, memory_max, held, empty }))
    }

    /// The records that came since the last call, in the order of their times.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn poll(&mut self) -> Result<Answer> {
        let snapshot = self.store.snapshot()?;
        let budget = Budget::new(self.memory_max, self.held);
        let fields = self.shape == RowShape::Full;
        let after = Some(self.position.clone());
        let output = exec::run(&Input {
            plan: &self.plan,
            snapshot: &snapshot,
            budget: &budget,
            fields,
            measured: false,
            after,
            step: None,
            store: None,
        })?;
        self.position = snapshot.position();
        let mut answer = self.empty.clone();
        query::fill(&mut answer, output);
        Ok(answer)
    }

    /// [`Tail::poll`], only the rows.
    ///
    /// # Errors
    /// As [`Tail::poll`].
    pub fn rows(&mut self) -> Result<Vec<Row>> {
        self.poll().map(|answer| answer.rows)
    }
}

/// Why a query cannot be followed.
fn not_followed(tree: &ast::Query) -> Option<Diagnostic> {
    let clause = tree.clauses.iter().find(|clause| {
        matches!(
            clause,
            Clause::By(..)
                | Clause::Per(..)
                | Clause::Measures(..)
                | Clause::Top(_)
                | Clause::Sort(..)
                | Clause::Context(..)
                | Clause::Versus(..)
        )
    });
    let noun = tree.noun.as_ref().filter(|noun| noun.name != "events");
    let pipe = tree.pipes.iter().find_map(|pipe| match pipe {
        Pipe::Stats(stats) => Some(stats.place.0),
        Pipe::Top(top) => Some(top.place.0),
        Pipe::Sort(_, place) | Pipe::Dedup(_, place) | Pipe::Gap(place) => Some(place.0),
        _ => None,
    });
    let explain = (tree.explain || tree.profile).then_some(Span::new(0, 7));
    let place = noun.map(|noun| noun.place.0).or_else(|| clause.map(Clause::span)).or(pipe).or(explain)?;
    let problem = Diagnostic::error("Q0906", place, "only lists of records can be followed");
    Some(problem.help("follow `events where ...`; run a report again to see it change"))
}
