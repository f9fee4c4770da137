//! Nouns about the store itself: rows that are no records, with columns of their own.

use super::{Binder, Schema};
use crate::ast::{self, About, Clause, Name};
use crate::diagnostic::Diagnostic;
use crate::functions::Function;
use crate::plan::{Report, Stage};
use crate::source::{self, Noun, Shape};
use crate::token::Span;

/// The noun that a query asks: `storage` of fields is one of its own.
pub(super) fn chosen(noun: &'static Noun, tree: Option<&ast::Noun>, clauses: &[Clause]) -> &'static Noun {
    let of_fields = || {
        let field = |name: &Name| name.text == "field";
        let said = matches!(tree.and_then(|noun| noun.about.as_ref()), Some(About::Fields));
        said || clauses.iter().any(|clause| match clause {
            Clause::By(names, _) => names.iter().any(field),
            Clause::Top(top) => top.key.as_ref().is_some_and(field),
            _ => false,
        })
    };
    match noun.shape {
        Shape::Report(Report::Storage) if of_fields() => source::storage_fields(),
        _ => noun,
    }
}

impl Binder {
    /// The rows of a report, before any clause.
    pub(super) fn report(&mut self, report: Report, noun: Option<&ast::Noun>, clauses: &[Clause]) {
        let name = noun.map_or("", |noun| noun.name.as_str());
        if self.is_inner() && matches!(report, Report::Health | Report::Budgets) {
            let place = noun.map_or(Span::default(), |noun| noun.place.0);
            let message = format!("`{name}` gives no values to another query");
            let problem = Diagnostic::error("Q0206", place, message);
            self.problems.push(problem.help("ask for it by itself, and name the values"));
        }
        let listed = matches!(report, Report::Health | Report::Budgets);
        for clause in clauses {
            let timed = matches!(clause, Clause::Time(..)) && listed;
            let refused = match clause {
                Clause::Per(..) => Some("`storage by day` gives a row for each day"),
                Clause::Versus(..) => Some("compare two answers, or two backups of the store"),
                Clause::Context(..) => Some("`events where ... context -3 +3` shows records around others"),
                Clause::By(..) | Clause::Measures(..) | Clause::Top(_) if listed => {
                    Some("it takes conditions, `sort` and `limit`; more goes after `|`")
                }
                _ => timed.then_some("it shows the state of this moment"),
            };
            if let Some(help) = refused {
                let message = format!("`{name}` takes no {}", clause.kind().trim_start_matches("a "));
                self.problems.push(Diagnostic::error("Q0206", clause.span(), message).help(help));
            }
        }
        self.stages.push(Stage::Report(report));
        let columns: Vec<String> = report.columns().iter().map(|&name| name.to_owned()).collect();
        let number = |name: &&String| {
            let numbers = ["records", "raw", "stored", "ratio", "index", "share", "used", "held", "limit"];
            numbers.contains(&name.as_str())
        };
        let measures = columns.iter().filter(number).map(|name| (name.clone(), Function::Sum)).collect();
        let keys = match report {
            Report::Budgets => ["name", "scope"].map(ToOwned::to_owned).to_vec(),
            _ => columns.iter().filter(|name| !number(name)).cloned().collect(),
        };
        self.schema = Schema { records: false, open: false, columns, keys, measures, per: None };
    }
}
