//! Binder: a tree to a plan. Names become fields or columns, values get the type of what they are compared with,
//! time words become nanoseconds, nouns become stages. All problems are collected.

mod condition;
mod value;

use logq_engine::TimeRange;

use crate::ast::{self, Clause, Name, Pipe, Place, Query, Top};
use crate::calendar::{self, Bucket, Calendar};
use crate::diagnostic::{self, Diagnostic, Severity};
use crate::functions::Function;
use crate::plan::{Condition, Direction, Group, Limit, Measure, Plan, Sort, Stage};
use crate::source::{self, Noun, Shape};
use crate::token::Span;

/// Listed records that an answer shows where the query does not say.
pub const LISTED_MAX: usize = 100;
/// Grouped rows that an answer shows where the query does not say.
pub const GROUPED_MAX: usize = 10_000;

/// Other names of a field: exact spelling, in their own order of preference at import.
const ALIASES: [(&str, &str); 11] = [
    ("model_name", "model"),
    ("gen_ai.request.model", "model"),
    ("ts", "time"),
    ("timestamp", "time"),
    ("@timestamp", "time"),
    ("msg", "message"),
    ("severity", "level"),
    ("levelname", "level"),
    ("input_tokens", "prompt_tokens"),
    ("completion_tokens", "response_tokens"),
    ("output_tokens", "response_tokens"),
];

/// Fields that every record has without having been given them.
pub(crate) const VIRTUAL: [&str; 4] = ["time", "_id", "_arrived", "_import"];

/// Binds a query. The plan is there when no problem is an error.
pub(crate) fn bind(query: &Query, calendar: Calendar) -> (Option<Plan>, Vec<Diagnostic>) {
    let noun = match &query.noun {
        None => source::find("events"),
        Some(noun) => source::find(&noun.name),
    };
    let (noun, unsupported) = match (noun, &query.noun) {
        (Ok(noun), _) => (Some(noun), None),
        (Err(instead), Some(noun)) => {
            let message = format!("the noun `{}` is not supported yet", noun.name);
            let help = format!("{instead}; quote the word to search for it");
            (None, Some(Diagnostic::error("Q0901", noun.place.0, message).help(help)))
        }
        (Err(_), None) => (None, None),
    };
    let Some(noun) = noun.or_else(|| source::find("events").ok()) else { return (None, Vec::new()) };
    let mut binder = Binder {
        noun,
        calendar,
        range: TimeRange::default(),
        problems: unsupported.into_iter().collect(),
        stages: Vec::new(),
        schema: Schema::records(),
        named: Vec::new(),
        explicit_limit: false,
    };
    // The clauses of a noun that is not there would be judged by the rules of another one.
    if binder.problems.is_empty() {
        binder.source(&query.clauses);
        for pipe in &query.pipes {
            binder.pipe(pipe);
        }
        binder.implicit_limit();
    }
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
}

impl Schema {
    fn records() -> Self {
        let columns = source::LISTING.iter().map(|&name| name.to_owned()).collect();
        Self { records: true, open: true, columns, keys: Vec::new(), measures: Vec::new() }
    }

    /// The rows of a group.
    fn grouped(group: &Group) -> Self {
        let time = group.per.map(|_| "time".to_owned());
        let keys: Vec<String> = time.into_iter().chain(group.keys.iter().cloned()).collect();
        let measures: Vec<_> = group.measures.iter().map(|m| (m.name.clone(), m.function)).collect();
        let columns = keys.iter().cloned().chain(measures.iter().map(|(name, _)| name.clone())).collect();
        Self { records: false, open: false, columns, keys, measures }
    }
}

struct Binder {
    noun: &'static Noun,
    calendar: Calendar,
    range: TimeRange,
    problems: Vec<Diagnostic>,
    stages: Vec<Stage>,
    schema: Schema,
    named: Vec<(String, Span)>,
    /// The query says how many rows it wants.
    explicit_limit: bool,
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
            listing,
            measures,
            named: self.named,
            totals: self.noun.totals,
            index: false,
            lanes: false,
        };
        ((!failed).then_some(plan), self.problems)
    }

    /// Notes a problem where there is one.
    fn note<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }

    fn source(&mut self, clauses: &[Clause]) {
        self.zone(clauses);
        let mut filter: Vec<Condition> = (self.noun.filter)().into_iter().collect();
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
        match self.noun.shape {
            Shape::Fields => self.fields(clauses),
            Shape::List | Shape::Groups => self.shape(clauses),
        }
        self.order(clauses);
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

    /// `by`, `per`, measures and `top` of the noun.
    fn shape(&mut self, clauses: &[Clause]) {
        let mut keys: Vec<&Name> = Vec::new();
        let mut per = None;
        let mut measures: Option<(Vec<Measure>, Place)> = None;
        let mut top = None;
        for clause in clauses {
            match clause {
                Clause::By(names, _) => keys = names.iter().collect(),
                Clause::Per(dur, _) => {
                    let bucket = Bucket::new(dur);
                    per = self.note(bucket);
                }
                Clause::Measures(list, place) => measures = Some((self.measures(list), *place)),
                Clause::Top(found) => top = Some(found),
                _ => {}
            }
        }
        let given = measures.is_some();
        let measures = measures.map_or_else(self.noun.measures, |(measures, _)| measures);
        // `top 5 by model`: what is no measure of the answer is a key of its groups.
        let ranks = |name: &Name| measures.iter().any(|m| m.name == name.text);
        let key = top.and_then(|top| top.key.as_ref());
        if let Some(key) = key.filter(|key| !ranks(key) && !keys.iter().any(|have| have.text == key.text)) {
            keys.push(key);
        }
        let grouped = self.noun.shape == Shape::Groups || given || per.is_some() || !keys.is_empty();
        if grouped {
            self.group(&keys, per, measures);
        }
        match top {
            Some(top) if grouped => self.rank(top),
            Some(top) => {
                let problem = Diagnostic::error("Q0206", top.place.0, "this does not say what to rank");
                self.problems.push(
                    problem.help("`top 5 by operation` counts and ranks; `sort latency desc limit 5` lists"),
                );
            }
            None => {}
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
            let place = keys.first().map_or(Span::default(), |key| key.place.0);
            self.unique(&mut columns, &measure.name, place);
        }
        let group = Group { per, keys: resolved, measures };
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

    fn implicit_limit(&mut self) {
        if !self.explicit_limit {
            let count = if self.schema.records { LISTED_MAX } else { GROUPED_MAX };
            self.stages.push(Stage::Limit(Limit { count, says_more: true }));
        }
    }

    fn fields(&mut self, clauses: &[Clause]) {
        for clause in clauses {
            if matches!(clause, Clause::By(..) | Clause::Per(..) | Clause::Measures(..) | Clause::Top(_)) {
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
        };
        let order = self.usual_order();
        self.order_by(order);
    }

    fn pipe(&mut self, pipe: &Pipe) {
        match pipe {
            Pipe::Where(expr, _) => {
                let conditions = self.conditions(expr);
                self.stages.push(Stage::Filter(conditions));
            }
            Pipe::Stats(stats) => {
                let per = stats.per.as_ref().and_then(|dur| {
                    let bucket = Bucket::new(dur);
                    self.note(bucket)
                });
                if let Some(dur) = stats.per.as_ref().filter(|_| !self.has_time()) {
                    let problem =
                        Diagnostic::error("Q0103", dur.place.0, "these rows have no column `time` for `per`");
                    self.problems.push(problem.help("put `per` where the records are grouped first"));
                }
                let measures = self.measures(&stats.measures);
                let keys: Vec<&Name> = stats.keys.iter().collect();
                self.group(&keys, per, measures);
            }
            Pipe::Top(top) => self.top(top),
            Pipe::Sort(keys, _) => self.sort(keys),
            Pipe::Limit(count, _) => self.limit(*count),
            Pipe::Keep(names, _) => {
                let columns = self.columns(names);
                self.schema.open = false;
                self.schema.columns.clone_from(&columns);
                self.stages.push(Stage::Keep(columns));
            }
            Pipe::Drop(names, _) => {
                let columns = self.columns(names);
                self.schema.columns.retain(|have| !columns.contains(have));
                self.stages.push(Stage::Drop(columns));
            }
            Pipe::Rename(pairs, place) => self.rename(pairs, *place),
            Pipe::Dedup(names, _) => {
                let columns = self.columns(names);
                self.stages.push(Stage::Dedup(columns));
            }
            Pipe::Set(name, arith, _) => {
                let value = self.arith(arith);
                if let Some(value) = self.note(value) {
                    let column = name.text.clone();
                    if !self.schema.columns.contains(&column) {
                        self.schema.columns.push(column.clone());
                    }
                    self.stages.push(Stage::Set(column, value));
                }
            }
        }
    }

    fn has_time(&self) -> bool {
        self.schema.records && self.schema.open || self.schema.columns.iter().any(|name| name == "time")
    }

    /// `| top n by key`: ranks by a measure, else groups by the key.
    fn top(&mut self, top: &Top) {
        let measure = |schema: &Schema, name: &Name| {
            !schema.records && schema.columns.contains(&name.text) && !schema.keys.contains(&name.text)
        };
        match &top.key {
            Some(key) if measure(&self.schema, key) => {
                let direction = if top.bottom { Direction::Ascending } else { Direction::Descending };
                let keys = self.with_keys(vec![(key.text.clone(), direction)]);
                self.order_by(keys);
                self.cut(top.count, false);
            }
            Some(key) => {
                if let Some(measures) = self.again(key) {
                    self.group(&[key], None, measures);
                    self.rank(&Top { key: None, ..top.clone() });
                }
            }
            None if self.schema.measures.is_empty() => {
                let problem = Diagnostic::error("Q0206", top.place.0, "this does not say what to rank");
                self.problems.push(problem.help("`top 5 by operation` counts and ranks"));
            }
            None => self.rank(top),
        }
    }

    /// The main measure, computed once more over groups of rows.
    fn again(&mut self, key: &Name) -> Option<Vec<Measure>> {
        if self.schema.records {
            return Some((self.noun.measures)());
        }
        let main = self.main_measure()?;
        let function =
            self.schema.measures.iter().find(|(name, _)| *name == main).map(|(_, function)| *function)?;
        let function = match function {
            Function::Count | Function::Sum => Function::Sum,
            Function::Min | Function::Max => function,
            _ => {
                let message = format!("`{main}` cannot be added up over the groups of `{}`", key.text);
                let help = "rank by a measure, or group the records themselves by it";
                self.problems.push(Diagnostic::error("Q0206", key.place.0, message).help(help));
                return None;
            }
        };
        let argument = Some(crate::plan::Arith::Field(main.clone()));
        Some(vec![Measure { function, argument, condition: None, name: main, zero: true }])
    }

    fn rename(&mut self, pairs: &[(Name, Name)], place: Place) {
        let mut renamed = Vec::new();
        for (from, to) in pairs {
            let from = self.column(from);
            let to = to.text.clone();
            if self.schema.columns.contains(&to) && from != to {
                let problem =
                    Diagnostic::error("Q0106", place.0, format!("two columns would be called `{to}`"));
                self.problems.push(problem.help("drop or rename the other one first"));
            }
            for have in self.schema.columns.iter_mut().chain(&mut self.schema.keys) {
                if *have == from {
                    have.clone_from(&to);
                }
            }
            for (have, _) in &mut self.schema.measures {
                if *have == from {
                    have.clone_from(&to);
                }
            }
            if !self.schema.columns.contains(&to) {
                self.schema.columns.push(to.clone());
            }
            renamed.push((from, to));
        }
        self.stages.push(Stage::Rename(renamed));
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
        let resolved = resolve(name);
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
        let made = self.stages.iter().any(|stage| match stage {
            Stage::Set(name, _) => name == field,
            Stage::Rename(pairs) => pairs.iter().any(|(_, to)| to == field),
            _ => false,
        });
        if self.schema.records && !made && !self.named.iter().any(|(name, _)| name == field) {
            self.named.push((field.to_owned(), span));
        }
    }
}

/// The field that a name stands for: itself, or the field it is another spelling of.
fn resolve(name: &Name) -> &str {
    let alias = ALIASES.iter().find(|(alias, _)| !name.quoted && *alias == name.text);
    alias.map_or(name.text.as_str(), |(_, field)| field)
}
