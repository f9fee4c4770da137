//! Nouns: what a noun and its clauses make of the records: a list, groups, or the fields.

use logq_engine::{Comparison, Literal, Predicate, Test};

use super::{Binder, Schema};
use crate::ast::{self, About, Clause, Expr, Name, Place, Term};
use crate::calendar::Bucket;
use crate::datum::Datum;
use crate::diagnostic::Diagnostic;
use crate::functions::Function;
use crate::plan::{COMPARED, Condition, LIMITS, Limits, Measure, Nothing, Stage, Versus};
use crate::source::{self, Shape, Takes};
use crate::token::{Op, Span};

impl Binder {
    /// The conditions of the noun itself, and the key that it was given.
    pub(super) fn noun_filter(&mut self, noun: Option<&ast::Noun>) -> Vec<Condition> {
        let mut filter: Vec<Condition> = (self.noun.filter)().into_iter().collect();
        let present = |field: &str| Condition {
            label: None,
            own: true,
            predicate: Predicate::field(field, Test::Exists),
            fields: vec![field.to_owned()],
            searches: false,
        };
        filter.extend(self.noun.present.map(present));
        match (self.noun.takes, noun.and_then(|noun| noun.about.as_ref())) {
            (Some(Takes::Id(field)), Some(About::Id(id))) => {
                let field = Name { quoted: true, ..Name::new(field) };
                let term = Term::Compare { field, op: Op::Eq, value: id.clone() };
                let named = self.named.len();
                filter.extend(self.condition(&Expr::Term(term)));
                // All rows have the same: a column of it says nothing.
                self.named.truncate(named);
            }
            (Some(Takes::Field), Some(About::Field(name))) => {
                let column = self.column(name);
                filter.push(present(&column));
                self.about = Some(name.clone());
            }
            (None, Some(About::New(place))) => self.new = Some(*place),
            (Some(takes), _) => {
                let (name, place) = noun.map_or(("", Span::default()), |noun| (&noun.name, noun.place.0));
                let (what, help) = match takes {
                    Takes::Id(field) => (
                        "an ID",
                        format!("`{field} ID` shows one; quote an ID that is a word of the language"),
                    ),
                    Takes::Field => ("a field", "such as `values model`; `fields` lists them".to_owned()),
                };
                let problem = Diagnostic::error("Q0207", place, format!("`{name}` needs {what}"));
                self.problems.push(problem.help(help));
            }
            (None, _) => {}
        }
        filter
    }

    /// The keys of the noun's groups: its own, and those of the query.
    fn keys(&self, given: Option<&[Name]>) -> Vec<Name> {
        let mut keys: Vec<Name> = self.about.iter().cloned().collect();
        if given.is_none() || self.noun.keys_stay {
            keys.extend(self.noun.keys.iter().map(|key| Name { quoted: true, ..Name::new(key) }));
        }
        for name in given.unwrap_or_default() {
            let text = self.noun.key(name).unwrap_or(&name.text);
            let own = |key: &Name| key.place.0 == Span::default() && key.text == text;
            if !keys.iter().any(own) {
                keys.push(name.clone());
            }
        }
        keys
    }

    /// `by`, `per`, measures and `top` of the noun.
    pub(super) fn shape(&mut self, clauses: &[Clause]) {
        let mut by: Option<&[Name]> = None;
        let mut per = None;
        let mut given: Option<Vec<Measure>> = None;
        let mut top = None;
        for clause in clauses {
            match clause {
                Clause::By(names, _) => by = Some(names),
                Clause::Per(dur, _) => {
                    let bucket = Bucket::new(dur);
                    per = self.note(bucket);
                }
                Clause::Measures(list, _) => given = Some(self.measures(list)),
                Clause::Top(found) => top = Some(found),
                _ => {}
            }
        }
        let versus = clauses.iter().find_map(|clause| match clause {
            Clause::Versus(versus, place) => Some((versus, *place)),
            _ => None,
        });
        let own = given.is_none();
        let chosen = !own || per.is_some() || by.is_some();
        let measures = given.unwrap_or_else(self.noun.measures);
        let derived = if own { (self.noun.derived)() } else { Vec::new() };
        // `top 5 by model`: what is no measure of the answer is a key of its groups.
        let ranks = |name: &Name| {
            let text = name.text.as_str();
            let compared = COMPARED.iter().find_map(|after| text.strip_suffix(after));
            let plain = compared.filter(|_| versus.is_some()).unwrap_or(text);
            self.schema.measures.iter().any(|(have, _)| have == text)
                || measures.iter().any(|m| m.name == text || m.name == plain)
                || derived.iter().any(|(have, _)| *have == text)
        };
        let extra = top.and_then(|top| top.key.as_ref()).filter(|key| !ranks(key));
        let mut keys = match (by, extra) {
            (None, Some(key)) => self.keys(Some(std::slice::from_ref(key))),
            (by, _) => self.keys(by),
        };
        if let Some(key) = extra {
            let text = self.noun.key(key).unwrap_or(&key.text);
            if !keys.iter().any(|have| have.text == text || have.text == key.text) {
                keys.push(key.clone());
            }
        }
        let grouped = self.noun.shape == Shape::Groups || chosen || !keys.is_empty();
        if grouped {
            let keys: Vec<&Name> = keys.iter().collect();
            let new = self.new;
            let measures = if new.is_some() { counted(measures) } else { measures };
            self.group(&keys, per, measures);
            match (versus, new) {
                (Some((versus, place)), _) => self.versus(versus, clauses, place),
                (None, Some(place)) => {
                    let problem = Diagnostic::error("Q0207", place.0, "`new` needs to know since when");
                    self.problems.push(problem.help("such as `patterns new last 1d vs previous 7d`"));
                }
                (None, None) => {}
            }
            if new.is_some() {
                self.only_new();
            }
            self.show_patterns();
            self.derive(derived);
            if own && self.noun.limits && per.is_none() && versus.is_none() && !self.is_inner() {
                self.limits();
            }
        } else if self.noun.gaps {
            self.gap(Place::default());
        }
        if let Some((_, place)) = versus.filter(|_| !grouped) {
            let problem = Diagnostic::error("Q0206", place.0, "`vs` compares groups, these rows are records");
            self.problems
                .push(problem.help("add `by`, `per` or measures: `events count by model today vs previous`"));
        }
        match top {
            Some(top) if grouped || !self.schema.measures.is_empty() => self.rank(top),
            Some(top) => {
                let problem = Diagnostic::error("Q0206", top.place.0, "this does not say what to rank");
                self.problems.push(
                    problem.help("`top 5 by operation` counts and ranks; `sort latency desc limit 5` lists"),
                );
            }
            None => {}
        }
    }

    /// Keeps the groups that the range compared with has not, and leaves out what it would say of them.
    fn only_new(&mut self) {
        let [before, change, ratio] = COMPARED;
        let is = |field: String, comparison| {
            Predicate::field(&field, Test::Compare(comparison, Literal::Number("0".into())))
        };
        let (now, was) = (ROWS.to_owned(), format!("{ROWS}{before}"));
        let fields = vec![now.clone(), was.clone()];
        let predicate = Predicate::And(vec![is(was, Comparison::Eq), is(now, Comparison::Gt)]);
        let sort = self.stages.pop();
        self.stages.push(Stage::Filter(vec![Condition {
            label: None,
            own: false,
            predicate,
            fields,
            searches: false,
        }]));
        let other = |name: &str| {
            name.starts_with(ROWS) || [before, change, ratio].iter().any(|after| name.ends_with(after))
        };
        self.schema.measures.retain(|(name, _)| !other(name));
        let measures = self.schema.measures.iter().map(|(name, _)| name.clone());
        self.schema.columns = self.schema.keys.iter().cloned().chain(measures).collect();
        self.stages.push(Stage::Keep(self.schema.columns.clone()));
        self.stages.extend(sort);
    }

    /// Calls the key of patterns what the noun calls it.
    fn show_patterns(&mut self) {
        if !self.noun.has_patterns() || !self.schema.keys.iter().any(|key| key == source::PATTERN) {
            return;
        }
        if self.schema.columns.iter().any(|have| have == source::SHOWN) {
            let place = self.named.iter().find(|(name, _)| name == source::SHOWN).map(|(_, span)| *span);
            let message = format!("two columns are called `{}`", source::SHOWN);
            let problem = Diagnostic::error("Q0106", place.unwrap_or(Span::new(0, 1)), message);
            self.problems.push(problem.help("name the measure otherwise with `as`"));
            return;
        }
        for name in self.schema.columns.iter_mut().chain(&mut self.schema.keys) {
            if name == source::PATTERN {
                source::SHOWN.clone_into(name);
            }
        }
        self.stages.pop();
        self.stages.push(Stage::Rename(vec![(source::PATTERN.to_owned(), source::SHOWN.to_owned())]));
        let order = self.usual_order();
        self.order_by(order);
    }

    /// Adds the columns of the range that the rows are compared with.
    fn versus(&mut self, versus: &ast::Versus, clauses: &[Clause], place: Place) {
        let time = clauses.iter().find_map(|clause| match clause {
            Clause::Time(time, _) => Some(time),
            _ => None,
        });
        let before = self.calendar.versus(versus, time, self.range, place);
        let Some(before) = self.note(before) else { return };
        let Some(Stage::Group(group)) =
            self.stages.iter().rev().find(|stage| matches!(stage, Stage::Group(_)))
        else {
            return;
        };
        let per = group.per;
        if per.is_some() && (self.range.from.is_none() || before.from.is_none()) {
            let problem = Diagnostic::error(
                "Q0406",
                place.0,
                "buckets pair by their distance from the start of a range",
            );
            self.problems.push(problem.help("give both ranges a start: `today vs yesterday`"));
        }
        let nothing = |measure: &Measure| match measure.function {
            Function::Count
            | Function::Calls
            | Function::Distinct
            | Function::ApproxDistinct
            | Function::Rate => Datum::Int(0),
            Function::Share => Datum::Float(0.0),
            Function::Sum if measure.nothing == Nothing::Zero => Datum::Int(0),
            _ => Datum::Missing,
        };
        let measures: Vec<(String, Datum)> =
            group.measures.iter().map(|measure| (measure.name.clone(), nothing(measure))).collect();
        let functions = std::mem::take(&mut self.schema.measures);
        self.schema.columns.truncate(self.schema.keys.len());
        for (name, function) in functions {
            let [was, change, ratio] = COMPARED.map(|after| format!("{name}{after}"));
            for (column, function) in
                [(name, function), (was, function), (change, Function::Sum), (ratio, Function::Avg)]
            {
                if self.schema.columns.contains(&column) {
                    let problem =
                        Diagnostic::error("Q0106", place.0, format!("two columns are called `{column}`"));
                    self.problems.push(problem.help("name one of the measures with `as`"));
                }
                self.schema.columns.push(column.clone());
                self.schema.measures.push((column, function));
            }
        }
        let keys = self.schema.keys.clone();
        let compared = Versus { current: self.range, before, per, keys, measures };
        let sort = self.stages.pop();
        self.stages.push(Stage::Versus(compared));
        self.stages.extend(sort);
    }

    /// Adds the columns that the noun computes of its measures, before its rows are put in order.
    fn derive(&mut self, derived: Vec<(&'static str, crate::plan::Arith)>) {
        let sort = match self.stages.last() {
            Some(Stage::Sort(_)) => self.stages.pop(),
            _ => None,
        };
        for (name, value) in derived {
            self.schema.columns.push(name.to_owned());
            self.schema.measures.push((name.to_owned(), Function::Avg));
            self.stages.push(Stage::Set(name.to_owned(), value));
        }
        self.stages.extend(sort);
    }

    /// Adds how close the events of each row are to a limit, before the rows are put in order.
    fn limits(&mut self) {
        let taken = LIMITS.iter().find(|&&name| self.schema.columns.iter().any(|have| have == name));
        if let Some(taken) = taken {
            let place = self.named.iter().find(|(name, _)| name == taken).map(|(_, span)| *span);
            let message = format!("two columns are called `{taken}`");
            let problem = Diagnostic::error("Q0106", place.unwrap_or(Span::new(0, 1)), message);
            self.problems.push(problem.help("give the measures that are wanted: `usage count by ...`"));
            return;
        }
        let asked = self.stages.iter().flat_map(|stage| match stage {
            Stage::Filter(list) => list.as_slice(),
            _ => &[],
        });
        let pins = asked.filter(|condition| !condition.own).map(pin).collect();
        let keys = self.schema.keys.clone();
        let sort = self.stages.pop();
        self.stages.push(Stage::Limits(Limits { pins, keys }));
        self.stages.extend(sort);
        let [name, share] = LIMITS;
        self.schema.columns.extend([name, share].map(str::to_owned));
        self.schema.measures.push((share.to_owned(), Function::Max));
    }

    /// The noun `fields`.
    pub(super) fn fields(&mut self, clauses: &[Clause]) {
        for clause in clauses {
            if matches!(
                clause,
                Clause::By(..) | Clause::Per(..) | Clause::Measures(..) | Clause::Top(_) | Clause::Versus(..)
            ) {
                let message = format!("`fields` takes no {}", clause.kind().trim_start_matches("a "));
                let problem = Diagnostic::error("Q0206", clause.span(), message);
                self.problems.push(
                    problem.help("it takes conditions, a time, `sort` and `limit`; more goes after `|`"),
                );
            }
        }
        self.stages.push(Stage::Fields);
        let name = |name: &&str| (*name).to_owned();
        self.schema = Schema {
            records: false,
            open: false,
            columns: source::FIELDS_COLUMNS.iter().map(name).collect(),
            keys: vec!["name".to_owned()],
            measures: vec![("events".to_owned(), Function::Count), ("distinct".to_owned(), Function::Count)],
            per: None,
        };
        let order = self.usual_order();
        self.order_by(order);
    }
}

/// The field and the value of a condition that asks for one value.
fn pin(condition: &Condition) -> Option<(String, String)> {
    match &condition.predicate {
        Predicate::Field {
            name,
            test: Test::Compare(Comparison::Eq, Literal::Text(text) | Literal::Number(text)),
        } => Some((name.clone(), text.clone())),
        _ => None,
    }
}

/// The rows of a group, which nobody asked for.
const ROWS: &str = "_rows";

/// The measures, and how many rows there are.
fn counted(mut measures: Vec<Measure>) -> Vec<Measure> {
    measures.push(Measure {
        function: Function::Count,
        argument: None,
        condition: None,
        name: ROWS.to_owned(),
        place: Span::default(),
        nothing: Nothing::Missing,
    });
    measures
}
