//! Queries inside of `in (...)`: they run first, and their values take their place.

use logq_engine::Snapshot;
use std::collections::HashSet;

use super::{Query, Session};
use crate::ast::{self, Name, Place, Value};
use crate::bind;
use crate::calendar::Calendar;
use crate::datum::Datum;
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
    pub(crate) fn resolved(
        &self,
        snapshot: &Snapshot,
        session: &Session,
        now: i64,
    ) -> Result<(Self, ScanOutcome)> {
        let mut query = self.clone();
        let mut outcome = ScanOutcome::default();
        let asker = Asker { text: &self.text, snapshot, session, now };
        asker.resolve(&mut query.tree, &mut outcome)?;
        Ok((query, outcome))
    }
}

struct Asker<'a> {
    text: &'a str,
    snapshot: &'a Snapshot,
    session: &'a Session,
    now: i64,
}

impl Asker<'_> {
    fn resolve(&self, tree: &mut ast::Query, outcome: &mut ScanOutcome) -> Result<()> {
        for condition in tree.conditions() {
            condition.queries(&mut |field: &Name,
                                     inner: &mut ast::Query,
                                     values: &mut Option<Vec<Value>>| {
                self.resolve(inner, outcome)?;
                *values = Some(self.values(field, inner, outcome)?);
                Ok::<(), Error>(())
            })?;
        }
        Ok(())
    }

    /// The values that a query gives a field: of the column of that name, else of the first one.
    fn values(&self, field: &Name, tree: &ast::Query, outcome: &mut ScanOutcome) -> Result<Vec<Value>> {
        let calendar = Calendar { now: self.now, zone: self.session.zone.clone() };
        let (plan, problems) = bind::bind_inner(tree, &calendar);
        let Some(mut plan) = plan else { return Err(Error::query(self.text, problems)) };
        let records = !plan.stages.iter().any(|stage| stage.closes() || matches!(stage, Stage::Keep(_)));
        let name = bind::resolve(field);
        if records && !plan.listing.iter().any(|have| have == name) {
            plan.listing.push(name.to_owned());
        }
        let plan = optimize(plan, &self.session.rules);
        let budget = Budget::new(self.session.memory_max);
        let input = Input {
            plan: &plan,
            snapshot: self.snapshot,
            budget: &budget,
            fields: false,
            measured: false,
            after: None,
            store: None,
        };
        let output = exec::run(&input)?;
        let at = output.columns.iter().position(|have| have == name).unwrap_or(0);
        let values = distinct(&output, at);
        outcome.add(output.outcome);
        Ok(values)
    }
}

fn distinct(output: &Output, at: usize) -> Vec<Value> {
    let mut seen: HashSet<(String, bool)> = HashSet::new();
    let mut values = Vec::new();
    for cell in output.rows.iter().filter_map(|row| row.cells.get(at)) {
        let Some((text, quoted)) = written(cell) else { continue };
        if seen.insert((text.clone(), quoted)) {
            values.push(Value { text, quoted, place: Place::default() });
        }
    }
    values
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
