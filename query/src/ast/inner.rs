//! Queries inside of conditions: where they are.

use super::{Clause, Expr, Name, Pipe, Query, Term, Value};
use crate::diagnostic::Diagnostic;

/// What is shown a query inside of another: the field that it is for, itself, and where its values go.
type VisitQuery<'v, E> = dyn FnMut(&Name, &mut Query, &mut Option<Vec<Value>>) -> Result<(), E> + 'v;

impl Expr {
    /// Visits every query inside, with the field that it is for and where its values go.
    pub(crate) fn queries<E>(&mut self, visit: &mut VisitQuery<'_, E>) -> Result<(), E> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter_mut().try_for_each(|part| part.queries(visit)),
            Self::Not(inner) => inner.queries(visit),
            Self::Term(Term::InQuery { field, query, values, .. }) => visit(field, query, values),
            Self::Term(_) => Ok(()),
        }
    }

    /// Takes out what was noted of the queries inside.
    fn take_noted(&mut self, into: &mut Vec<Diagnostic>) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter_mut().for_each(|part| part.take_noted(into)),
            Self::Not(inner) => inner.take_noted(into),
            Self::Term(Term::InQuery { noted, .. }) => into.append(&mut noted.0),
            Self::Term(_) => {}
        }
    }

    /// Whether there is a query inside.
    pub(crate) fn has_query(&self) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::has_query),
            Self::Not(inner) => inner.has_query(),
            Self::Term(term) => matches!(term, Term::InQuery { .. }),
        }
    }
}

impl Query {
    /// Whether there is a query inside.
    pub(crate) fn has_query(&mut self) -> bool {
        self.conditions().iter().any(|condition| condition.has_query())
    }

    /// Takes out what was noted of the queries directly inside, whose own are among it.
    pub(crate) fn take_noted(&mut self) -> Vec<Diagnostic> {
        let mut noted = Vec::new();
        self.conditions().into_iter().for_each(|condition| condition.take_noted(&mut noted));
        noted
    }

    /// Every condition of the query, but for those of queries inside.
    pub(crate) fn conditions(&mut self) -> Vec<&mut Expr> {
        let mut all = Vec::new();
        for clause in &mut self.clauses {
            match clause {
                Clause::Where(expr, _) | Clause::Text(expr, _) => all.push(expr),
                Clause::Measures(measures, _) => {
                    all.extend(measures.iter_mut().filter_map(|m| m.condition.as_mut()));
                }
                _ => {}
            }
        }
        for pipe in &mut self.pipes {
            match pipe {
                Pipe::Where(expr, _) => all.push(expr),
                Pipe::Stats(stats) => {
                    all.extend(stats.measures.iter_mut().filter_map(|m| m.condition.as_mut()));
                }
                _ => {}
            }
        }
        all
    }
}
