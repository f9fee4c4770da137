//! Binder: a tree to a plan. Names become fields or columns, values get the type of what they are compared with,
//! time words become nanoseconds, nouns become stages. All problems are collected.

mod condition;
mod noun;
mod parse;
mod pipe;
mod report;
mod value;

use logq_engine::TimeRange;

use crate::ast::{self, Clause, Name, Place, Query, Top};
use crate::calendar::{self, Bucket, Calendar};
use crate::diagnostic::{self, Diagnostic, Severity};
use crate::functions::Function;
use crate::plan::{Around, Direction, Group, Limit, Measure, Parsing, Plan, Reader, Sort, Stage};
use crate::source::{self, Noun, Shape};
use crate::token::Span;

/// Listed records that an answer shows where the query does not say.
pub const LISTED_MAX: usize = 100;
/// Grouped rows that an answer shows where the query does not say.
pub const GROUPED_MAX: usize = 10_000;

/// Records on one side of a found one that `context` may ask for.
const CONTEXT_MAX: u64 = 10_000;

/// Fields that every record has without having been given them.
pub(crate) const VIRTUAL: [&str; 6] = ["time", "_id", "_arrived", "_import", source::TEXT, source::PATTERN];

/// Binds a query. The plan is there when no problem is an error.
pub(crate) fn bind(query: &Query, calendar: &Calendar) -> (Option<Plan>, Vec<Diagnostic>) {
    bind_as(query, calendar, Use::Shown)
}

/// Binds a query of which every row is wanted: no limit is implied.
pub(crate) fn bind_whole(query: &Query, calendar: &Calendar) -> (Option<Plan>, Vec<Diagnostic>) {
    bind_as(query, calendar, Use::Whole)
}

/// Binds a query inside of another one: no limit is implied.
pub(crate) fn bind_inner(query: &Query, calendar: &Calendar) -> (Option<Plan>, Vec<Diagnostic>) {
    bind_as(query, calendar, Use::Inner)
}

/// What becomes of the rows of a query.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Somebody looks at them.
    Shown,
    /// All are written somewhere.
    Whole,
    /// They are values of another query.
    Inner,
}

fn bind_as(query: &Query, calendar: &Calendar, used: Use) -> (Option<Plan>, Vec<Diagnostic>) {
    let name = query.noun.as_ref().map_or("events", |noun| noun.name.as_str());
    let Some(noun) = source::find(name) else { return (None, Vec::new()) };
    let noun = report::chosen(noun, query.noun.as_ref(), &query.clauses);
    let mut binder = Binder {
        noun,
        calendar: calendar.clone(),
        range: TimeRange::default(),
        problems: Vec::new(),
        stages: Vec::new(),
        schema: Schema::records(noun.listing),
        about: None,
        new: None,
        named: Vec::new(),
        explicit_limit: false,
        used,
    };
    binder.source(query.noun.as_ref(), &query.clauses);
    for pipe in &query.pipes {
        binder.pipe(pipe);
    }
    binder.implicit_limit();
    binder.finish()
}

/// What the rows at this place of the plan are.
#[derive(Clone, Debug)]
struct Schema {
    /// Rows are records: they have a time and an id, and an order without being sorted.
    records: bool,
    /// Every field can be named, not only `columns`.
    open: bool,
    /// The columns by name.
    columns: Vec<String>,
    /// Those among them that name the group.
    keys: Vec<String>,
    /// Those among them that were computed, with their functions.
    measures: Vec<(String, Function)>,
    /// The buckets of the column `time`.
    per: Option<Bucket>,
}

impl Schema {
    fn records(listing: &[&str]) -> Self {
        let columns = listing.iter().map(|&name| name.to_owned()).collect();
        Self { records: true, open: true, columns, keys: Vec::new(), measures: Vec::new(), per: None }
    }

    /// The rows of a group.
    fn grouped(group: &Group) -> Self {
        let time = group.per.map(|_| "time".to_owned());
        let keys: Vec<String> = time.into_iter().chain(group.keys.iter().cloned()).collect();
        let measures: Vec<_> = group.measures.iter().map(|m| (m.name.clone(), m.function)).collect();
        let columns = keys.iter().cloned().chain(measures.iter().map(|(name, _)| name.clone())).collect();
        Self { records: false, open: false, columns, keys, measures, per: group.per }
    }
}

struct Binder {
    noun: &'static Noun,
    calendar: Calendar,
    range: TimeRange,
    problems: Vec<Diagnostic>,
    stages: Vec<Stage>,
    schema: Schema,
    /// The field that the noun is about.
    about: Option<Name>,
    /// Only what the range compared with has not, and where the query says so.
    new: Option<Place>,
    named: Vec<(String, Span)>,
    /// The query says how many rows it wants.
    explicit_limit: bool,
    used: Use,
}

impl Binder {
    fn finish(self) -> (Option<Plan>, Vec<Diagnostic>) {
        let failed = self.problems.iter().any(|p| p.severity == Severity::Error);
        let measures = self.measured();
        let mut listing = self.schema.columns;
        if self.schema.records && self.schema.open {
            // The fields that the query names stand after the usual ones, in the order of their naming.
            let gone = |name: &String| {
                self.stages.iter().any(|stage| match stage {
                    Stage::Drop(names) => names.contains(name),
                    Stage::Rename(pairs) => pairs.iter().any(|(from, _)| from == name),
                    _ => false,
                })
            };
            for (name, _) in &self.named {
                if !listing.contains(name) && !gone(name) {
                    listing.push(name.clone());
                }
            }
        }
        let plan = Plan {
            range: self.range,
            zone: self.calendar.zone,
            filter: Vec::new(),
            stages: self.stages,
            own_listing: self.noun.gaps,
            listing,
            measures,
            named: self.named,
            totals: self.noun.totals,
            sizes: self.noun.sizes,
            index: false,
            lanes: false,
            rollups: None,
        };
        ((!failed).then_some(plan), self.problems)
    }

    /// Notes a problem where there is one.
    fn note<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }

    fn source(&mut self, noun: Option<&ast::Noun>, clauses: &[Clause]) {
        self.zone(clauses);
        if let Shape::Report(report) = self.noun.shape {
            self.report(report, noun, clauses);
        }
        let mut filter = self.noun_filter(noun);
        for clause in clauses {
            match clause {
                Clause::Time(time, place) => {
                    let range = self.calendar.range(time, *place);
                    self.range = self.note(range).unwrap_or_default();
                }
                Clause::Where(expr, _) | Clause::Text(expr, _) => filter.extend(self.conditions(expr)),
                _ => {}
            }
        }
        if !filter.is_empty() {
            self.stages.push(Stage::Filter(filter));
        }
        let around = clauses.iter().find_map(|clause| match clause {
            Clause::Context(context, place) => Some((context, *place)),
            _ => None,
        });
        if let Some((context, place)) = around {
            self.around(context, place);
        }
        match self.noun.shape {
            Shape::Fields => self.fields(clauses),
            Shape::List | Shape::Groups | Shape::Report(_) => self.shape(clauses),
        }
        if let Some((_, place)) = around.filter(|_| !self.schema.records) {
            let problem = Diagnostic::error("Q0206", place.0, "`context` shows records, these rows are none");
            self.problems
                .push(problem.help("leave out `by`, `per`, `top` and measures, or put them after a `|`"));
        }
        self.order(clauses);
    }

    /// `context -3 +2 of session`
    fn around(&mut self, context: &ast::Context, place: Place) {
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        if CONTEXT_MAX < context.before.max(context.after) {
            let message = format!("more than {CONTEXT_MAX} records on one side are no context");
            let problem = Diagnostic::error("Q0206", place.0, message);
            self.problems
                .push(problem.help("ask for fewer, or read the range itself with `since ... until ...`"));
        }
        let of = context.of.as_ref().map(|name| self.column(name));
        self.stages.push(Stage::Around(Around {
            before: count(context.before),
            after: count(context.after),
            of,
        }));
    }

    fn zone(&mut self, clauses: &[Clause]) {
        for clause in clauses {
            let Clause::Zone(value, _) = clause else { continue };
            match calendar::zone(&value.text) {
                Some(zone) => self.calendar.zone = zone,
                None => {
                    let message = format!("unknown time zone `{}`", value.text);
                    let help = "names are those of the tz database, such as Europe/Vienna, or offsets such as +02:00";
                    self.problems.push(Diagnostic::error("Q0404", value.place.0, message).help(help));
                }
            }
        }
    }

    /// Adds a group and its usual order.
    fn group(&mut self, keys: &[&Name], per: Option<Bucket>, measures: Vec<Measure>) {
        let mut columns: Vec<String> = per.map(|_| "time".to_owned()).into_iter().collect();
        let mut resolved = Vec::new();
        for key in keys {
            let column = self.column(key);
            self.unique(&mut columns, &column, key.place.0);
            resolved.push(column);
        }
        for measure in &measures {
            // What a noun brings is written nowhere: it is in the way of a key.
            let brought = measure.place == Span::default();
            let place = keys.first().filter(|_| brought).map_or(measure.place, |key| key.place.0);
            self.unique(&mut columns, &measure.name, place);
        }
        let rated = measures.iter().find(|measure| measure.function == Function::Rate);
        if let Some(rated) = rated
            && per.is_none()
            && (self.range.from.is_none() || self.range.until.is_none())
        {
            let problem =
                Diagnostic::error("Q0407", rated.place, "`rate` needs to know how long the range is");
            self.problems.push(problem.help("give it a start and an end (`last 1h`), or buckets (`per 1m`)"));
        }
        let group = Group { per, keys: resolved, measures, range: self.range };
        self.schema = Schema::grouped(&group);
        self.stages.push(Stage::Group(group));
        self.explicit_limit = false;
        let order = self.usual_order();
        self.order_by(order);
    }

    fn unique(&mut self, columns: &mut Vec<String>, name: &str, place: Span) {
        if columns.iter().any(|have| have == name) {
            let problem = Diagnostic::error("Q0106", place, format!("two columns are called `{name}`"));
            self.problems
                .push(problem.help("name one of the measures with `as`; `per` makes the column `time`"));
        }
        columns.push(name.to_owned());
    }

    /// The order of grouped rows: time, then the largest main measure, then the keys.
    fn usual_order(&self) -> Vec<(String, Direction)> {
        let mut keys = Vec::new();
        if self.schema.keys.iter().any(|key| key == "time") {
            keys.push(("time".to_owned(), Direction::Ascending));
        }
        keys.extend(self.main_measure().map(|name| (name, Direction::Descending)));
        self.with_keys(keys)
    }

    /// Adds the keys of the group, which make the order total.
    fn with_keys(&self, mut order: Vec<(String, Direction)>) -> Vec<(String, Direction)> {
        for key in &self.schema.keys {
            if !order.iter().any(|(name, _)| name == key) && self.schema.columns.contains(key) {
                order.push((key.clone(), Direction::Ascending));
            }
        }
        order
    }

    /// Adds a sort. It makes the one directly before it useless, as each is a total order.
    fn order_by(&mut self, keys: Vec<(String, Direction)>) {
        if matches!(self.stages.last(), Some(Stage::Sort(_))) {
            self.stages.pop();
        }
        self.stages.push(Stage::Sort(Sort { keys, first: None }));
    }

    /// The noun's main measure where the rows have it, else their first.
    fn main_measure(&self) -> Option<String> {
        let have = |name: &str| self.schema.measures.iter().any(|(measure, _)| measure == name);
        let names = [self.noun.main, "total_tokens", "count"];
        let named = names.into_iter().find(|name| have(name)).map(ToOwned::to_owned);
        named.or_else(|| self.schema.measures.first().map(|(name, _)| name.clone()))
    }

    /// All measures that the rows have, the main one first.
    fn measured(&self) -> Vec<String> {
        let main = self.main_measure();
        let others = self.schema.measures.iter().map(|(name, _)| name.clone());
        let others = others.filter(|name| Some(name) != main.as_ref()).collect::<Vec<_>>();
        main.into_iter().chain(others).collect()
    }

    /// Ranks grouped rows by a measure, which is there.
    fn rank(&mut self, top: &Top) {
        let by = match &top.key {
            Some(key) if self.schema.measures.iter().any(|(name, _)| *name == key.text) => {
                Some(key.text.clone())
            }
            _ => self.main_measure(),
        };
        let Some(by) = by else { return };
        let direction = if top.bottom { Direction::Ascending } else { Direction::Descending };
        let keys = self.with_keys(vec![(by, direction)]);
        self.order_by(keys);
        self.cut(top.count, false);
    }

    fn cut(&mut self, count: u64, says_more: bool) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.stages.push(Stage::Limit(Limit { count, says_more }));
        self.explicit_limit = true;
    }

    /// `sort` and `limit` of the noun.
    fn order(&mut self, clauses: &[Clause]) {
        for clause in clauses {
            if let Clause::Sort(keys, _) = clause {
                self.sort(keys);
            }
        }
        for clause in clauses {
            if let Clause::Limit(count, _) = clause {
                self.limit(*count);
            }
        }
    }

    fn sort(&mut self, keys: &[ast::SortKey]) {
        let mut order: Vec<(String, Direction)> = Vec::new();
        for key in keys {
            let column = self.column(&key.name);
            if !order.iter().any(|(name, _)| *name == column) {
                order.push((
                    column,
                    if key.descending { Direction::Descending } else { Direction::Ascending },
                ));
            }
        }
        let keys = self.with_keys(order);
        self.order_by(keys);
    }

    fn limit(&mut self, count: Option<u64>) {
        match count {
            Some(count) => self.cut(count, true),
            None => self.explicit_limit = true,
        }
    }

    fn is_inner(&self) -> bool {
        self.used == Use::Inner
    }

    fn implicit_limit(&mut self) {
        if !self.explicit_limit && self.used == Use::Shown {
            let count = if self.schema.records { LISTED_MAX } else { GROUPED_MAX };
            self.stages.push(Stage::Limit(Limit { count, says_more: true }));
        }
    }

    fn columns(&mut self, names: &[Name]) -> Vec<String> {
        let mut columns: Vec<String> = Vec::new();
        for name in names {
            let column = self.column(name);
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        columns
    }

    /// Resolves a name: a column of these rows, or any field of a record.
    fn column(&mut self, name: &Name) -> String {
        if self.schema.columns.contains(&name.text) && (!self.schema.open || name.quoted) {
            self.name_field(&name.text, name.place.0);
            return name.text.clone();
        }
        let resolved = self.noun.key(name).unwrap_or_else(|| resolve(name));
        if self.schema.open || self.schema.columns.iter().any(|have| have == resolved) {
            self.name_field(resolved, name.place.0);
            return resolved.to_owned();
        }
        let message = format!("these rows have no column `{}`", name.text);
        let near = diagnostic::did_you_mean(&name.text, self.schema.columns.iter().map(String::as_str));
        let all = format!("the columns are {}", self.schema.columns.join(", "));
        self.problems.push(Diagnostic::error("Q0103", name.place.0, message).help(all).maybe_help(near));
        resolved.to_owned()
    }

    /// Remembers where a field of records is named.
    fn name_field(&mut self, field: &str, span: Span) {
        // What the noun names and the query does not is no slip of the query.
        if span == Span::default() {
            return;
        }
        let any = self
            .stages
            .iter()
            .any(|stage| matches!(stage, Stage::Parse(Parsing { how: Reader::Json | Reader::Logfmt, .. })));
        if any && !self.named.iter().any(|(name, _)| name == field) {
            // It may come out of a text, which no event's fields say.
            if !self.schema.columns.iter().any(|name| name == field) {
                self.schema.columns.push(field.to_owned());
            }
            return;
        }
        let made = self.stages.iter().any(|stage| match stage {
            Stage::Set(name, _) => name == field,
            Stage::Parse(Parsing { how: Reader::Regex(_, groups), .. }) => {
                groups.iter().any(|(name, _)| name == field)
            }
            Stage::Rename(pairs) => pairs.iter().any(|(_, to)| to == field),
            _ => false,
        });
        if self.schema.records && !made && !self.named.iter().any(|(name, _)| name == field) {
            self.named.push((field.to_owned(), span));
        }
    }
}

/// The field that a name stands for: itself, or the field it is another spelling of.
pub(crate) fn resolve(name: &Name) -> &str {
    name.stored()
}
