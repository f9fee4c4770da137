//! Queries inside of `in (...)`: they run first, and their values take their place. What they warn of is shown with the
//! answer, and what their values take counts as memory of the query.

use logq_engine::{Literal, Snapshot};
use std::collections::HashSet;

use super::{Query, Session, unknown_fields};
use crate::ast::{self, Name, Place, Value};
use crate::bind;
use crate::calendar::Calendar;
use crate::datum::Datum;
use crate::diagnostic::Diagnostic;
use crate::error::{Error, Result};
use crate::exec::{self, Budget, Input, Output, ScanOutcome};
use crate::json;
use crate::optimize::optimize;
use crate::plan::Stage;

impl Query {
    /// The query with the values of those inside of it, and what these took.
    ///
    /// # Errors
    /// As [`Query::run`].
    pub(crate) fn resolved(&self, snapshot: &Snapshot, session: &Session, now: i64) -> Result<Resolved> {
        let mut tree = self.tree.clone();
        let mut found = Found::default();
        if tree.has_query() {
            // What is wrong anywhere in the text is told before anything runs.
            self.bind(session, now)?;
            Asker { text: &self.text, snapshot, session, now }.resolve(&mut tree, &mut found)?;
        }
        let query = Self { text: self.text.clone(), tree, warnings: self.warnings.clone() };
        let Found { outcome, warnings, held } = found;
        Ok(Resolved { query, outcome, warnings, held })
    }
}

/// A query whose queries inside have run.
pub(crate) struct Resolved {
    pub(crate) query: Query,
    pub(crate) outcome: ScanOutcome,
    /// What to warn of in the queries inside, once they are bound.
    pub(crate) warnings: Vec<Diagnostic>,
    /// What the values take, in bytes.
    pub(crate) held: usize,
}

/// What queries inside gave so far, but for their values.
#[derive(Default)]
struct Found {
    outcome: ScanOutcome,
    warnings: Vec<Diagnostic>,
    held: usize,
}

struct Asker<'a> {
    text: &'a str,
    snapshot: &'a Snapshot,
    session: &'a Session,
    now: i64,
}

impl Asker<'_> {
    fn resolve(&self, tree: &mut ast::Query, found: &mut Found) -> Result<()> {
        for condition in tree.conditions() {
            condition.queries(&mut |field: &Name,
                                     inner: &mut ast::Query,
                                     values: &mut Option<Vec<Value>>| {
                self.resolve(inner, found)?;
                *values = Some(self.values(field, inner, found)?);
                Ok::<(), Error>(())
            })?;
        }
        Ok(())
    }

    /// The values that a query gives a field: of the column of that name, else of the first one.
    fn values(&self, field: &Name, tree: &ast::Query, found: &mut Found) -> Result<Vec<Value>> {
        let calendar = Calendar { now: self.now, zone: self.session.zone.clone() };
        let (plan, problems) = bind::bind_inner(tree, &calendar);
        let Some(mut plan) = plan else { return Err(Error::query(self.text, problems)) };
        let records = !plan.stages.iter().any(|stage| stage.closes() || matches!(stage, Stage::Keep(_)));
        let name = bind::resolve(field);
        if records && !plan.listing.iter().any(|have| have == name) {
            plan.listing.push(name.to_owned());
        }
        let plan = optimize(plan, &self.session.rules);
        let budget = Budget::new(self.session.memory_max, found.held);
        let input = Input {
            plan: &plan,
            snapshot: self.snapshot,
            budget: &budget,
            fields: false,
            measured: false,
            after: None,
            step: None,
            store: None,
        };
        let output = exec::run(&input)?;
        let at = output.columns.iter().position(|have| have == name).unwrap_or(0);
        let (values, held) = distinct(&output, at, &budget)?;
        found.held = found.held.saturating_add(held);
        found.warnings.extend(problems);
        found.warnings.extend(unknown_fields(&plan, self.snapshot, &output)?);
        found.outcome.add(output.outcome);
        Ok(values)
    }
}

/// The different values of a column, and what they take in bytes.
fn distinct(output: &Output, at: usize, budget: &Budget) -> Result<(Vec<Value>, usize)> {
    let mut seen: HashSet<(String, bool)> = HashSet::new();
    let mut values = Vec::new();
    let mut held = 0_usize;
    for cell in output.rows.iter().filter_map(|row| row.cells.get(at)) {
        let Some((text, quoted)) = written(cell) else { continue };
        if seen.insert((text.clone(), quoted)) {
            // Kept as it is written and as it is compared; among those seen only for now.
            let kept = size_of::<Value>() + size_of::<Literal>() + 2 * text.len();
            budget.charge_values(kept + size_of::<(String, bool)>() + text.len())?;
            held = held.saturating_add(kept);
            values.push(Value { text, quoted, place: Place::default() });
        }
    }
    Ok((values, held))
}

/// A value as a query writes it: text in quotes.
fn written(cell: &Datum) -> Option<(String, bool)> {
    Some(match cell {
        Datum::Missing | Datum::Null => return None,
        Datum::Bool(value) => (value.to_string(), false),
        Datum::Int(value) => (value.to_string(), false),
        Datum::Float(value) | Datum::Millis(value) | Datum::Dollars(value) => {
            (json::float_text(*value), false)
        }
        Datum::Number(literal) => (literal.to_string(), false),
        Datum::Duration(ns) => (format!("{ns}ns"), false),
        Datum::Cost(nano) => (format!("${}", json::scaled_text(i128::from(*nano), 9)), false),
        Datum::Time(ns) => (json::time_text(*ns), false),
        Datum::Level(level) => (level.as_str().to_owned(), true),
        Datum::Str(text) | Datum::Json(text) => (text.to_string(), true),
        Datum::Bytes(_) => return None,
    })
}
