//! A query that names events and does nothing else with them: what is to be forgotten, or kept.

use logq_engine::{Predicate, Snapshot, TimeRange};

use super::{Query, Session, of_diagnostic, unknown_fields};
use crate::answer::Warning;
use crate::bind;
use crate::calendar::Calendar;
use crate::diagnostic::Diagnostic;
use crate::error::{Error, Result};
use crate::exec::Output;
use crate::plan::Stage;
use crate::token::Span;

/// The events that a query names.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Of this time.
    pub range: TimeRange,
    /// That match.
    pub predicate: Predicate,
    /// The conditions as they were understood.
    pub expanded: String,
    /// Fields that no event has, and what else looks like a slip.
    pub warnings: Vec<Warning>,
}

impl Query {
    /// The events that the query names by conditions and a time, and nothing else: `user=alice last 7d`. `now` is the
    /// clock; queries inside of `in (...)` run on the snapshot.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Query`] when the text means nothing, names no condition and no time, or does more than to
    /// name events; and as [`Query::run`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::{Event, Options, Store};
    /// use logq_query::{Query, Session};
    /// let store = Store::open(dir.path(), Options::default())?;
    /// store.writer()?.append(&Event::ai("chat").field("user", "alice"))?;
    /// let query = Query::parse("user=alice")?;
    /// let selection = query.selection(&store.snapshot()?, &Session::default(), store.now())?;
    /// assert_eq!(selection.expanded, "events where user = \"alice\"");
    /// assert!(Query::parse("tokens by user")?.selection(&store.snapshot()?, &Session::default(), 0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn selection(&self, snapshot: &Snapshot, session: &Session, now: i64) -> Result<Selection> {
        let inside = self.resolved(snapshot, session, now)?;
        let (_, mut warnings) = inside.query.bind(session, now)?;
        warnings.extend(inside.warnings);
        let calendar = Calendar { now, zone: session.zone.clone() };
        let (plan, problems) = bind::bind_inner(&inside.query.tree, &calendar);
        let Some(plan) = plan else { return Err(Error::query(&self.text, problems)) };
        let whole = Span::new(0, self.text.len());
        let refused = |what: &str| {
            let problem = Diagnostic::error("Q0208", whole, what);
            Error::query(
                &self.text,
                vec![problem.help("such as `user=alice`, or `level=debug source=web until 2026-01-01`")],
            )
        };
        let mut parts = Vec::new();
        for stage in &plan.stages {
            match stage {
                Stage::Filter(conditions) => {
                    parts.extend(conditions.iter().map(|condition| condition.predicate.clone()));
                }
                _ => return Err(refused("only conditions and a time can say which events are meant")),
            }
        }
        if self.tree.explain || self.tree.profile || plan.totals {
            return Err(refused("only conditions and a time can say which events are meant"));
        }
        if parts.is_empty() && plan.range == TimeRange::default() {
            return Err(refused("this does not say which events are meant"));
        }
        warnings.extend(unknown_fields(&plan, snapshot, &Output::default())?);
        Ok(Selection {
            range: plan.range,
            predicate: Predicate::And(parts),
            expanded: plan.expanded(),
            warnings: warnings.into_iter().map(of_diagnostic).collect(),
        })
    }
}
