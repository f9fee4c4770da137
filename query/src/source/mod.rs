//! Nouns: what stands first in a query and says what to report. Each is a macro over events: a filter, a shape and
//! default measures.

mod budget;
mod cost;
mod events;
mod fields;
mod groups;
mod latency;
mod optimization;
mod patterns;
mod reports;
mod timeline;
mod tokens;
mod values;

use logq_engine::Predicate;

use crate::ast::Name;
use crate::functions::Function;
use crate::plan::{Arith, Condition, Measure, Nothing, Report};
use crate::token::Span;

/// What the rows of a noun are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Records, as they are.
    List,
    /// Groups, by the keys of the query.
    Groups,
    /// One row for each field.
    Fields,
    /// Rows about the store itself.
    Report(Report),
}

/// What a noun takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// The value of this field.
    Id(&'static str),
    /// The name of a field.
    Field,
}

/// A noun of this version.
#[derive(Debug)]
pub(crate) struct Noun {
    pub(crate) shape: Shape,
    /// What must follow it.
    pub(crate) takes: Option<Takes>,
    /// A field that its events have.
    pub(crate) present: Option<&'static str>,
    /// Which events it is about.
    pub(crate) filter: fn() -> Option<Condition>,
    /// What it computes for each group, where the query does not say.
    pub(crate) measures: fn() -> Vec<Measure>,
    /// What it computes of its own measures.
    pub(crate) derived: fn() -> Vec<(&'static str, Arith)>,
    /// The measure that ranks its groups.
    pub(crate) main: &'static str,
    /// Whether `total_tokens` is computed from the event's other counts.
    pub(crate) totals: bool,
    /// The keys of its groups, where the query does not say.
    pub(crate) keys: &'static [&'static str],
    /// Whether they stay, before those that the query adds.
    pub(crate) keys_stay: bool,
    /// The columns of a list of its records.
    pub(crate) listing: &'static [&'static str],
    /// Whether a list of its records has the time between them.
    pub(crate) gaps: bool,
    /// Whether its groups are compared with budgets.
    pub(crate) limits: bool,
    /// Columns that are numbers of bytes.
    pub(crate) sizes: &'static [&'static str],
}

/// A plain list of all events: what the other nouns differ from.
const BASE: Noun = Noun {
    shape: Shape::List,
    takes: None,
    present: None,
    filter: || None,
    measures: || vec![count("count")],
    derived: Vec::new,
    main: "count",
    totals: false,
    keys: &[],
    keys_stay: false,
    listing: &LISTING,
    gaps: false,
    limits: false,
    sizes: &[],
};

/// The noun of this name.
pub(crate) fn find(name: &str) -> Option<&'static Noun> {
    Some(match name {
        "events" => &events::NOUN,
        "tokens" => &tokens::NOUN,
        "cost" => &cost::COST,
        "usage" => &cost::USAGE,
        "budget" => &budget::NOUN,
        "latency" => &latency::NOUN,
        "errors" => &patterns::ERRORS,
        "patterns" => &patterns::PATTERNS,
        "operations" => &groups::OPERATIONS,
        "models" => &groups::MODELS,
        "sessions" => &groups::SESSIONS,
        "sources" => &groups::SOURCES,
        "session" => &timeline::SESSION,
        "trace" => &timeline::TRACE,
        "context" => &optimization::CONTEXT,
        "memory" => &optimization::MEMORY,
        "fields" => &fields::NOUN,
        "storage" => &reports::STORAGE_NOUN,
        "health" => &reports::HEALTH_NOUN,
        "values" => &values::NOUN,
        _ => return None,
    })
}

/// The noun `storage`, of each field.
pub(crate) fn storage_fields() -> &'static Noun {
    &reports::STORAGE_FIELDS_NOUN
}

/// The columns of a list of records.
const LISTING: [&str; 5] = ["time", "level", "source", "operation", "message"];

/// The columns of the noun `fields`.
pub(crate) use fields::COLUMNS as FIELDS_COLUMNS;
pub(crate) use patterns::{PATTERN, SHOWN, TEXT, TEXTS};

impl Noun {
    /// Whether its groups are patterns.
    pub(crate) fn has_patterns(&self) -> bool {
        self.keys.contains(&PATTERN)
    }

    /// The field that a name of the noun's own key stands for.
    pub(crate) fn key(&self, name: &Name) -> Option<&'static str> {
        (self.has_patterns() && name.text == SHOWN && !name.quoted).then_some(PATTERN)
    }
}

/// A condition on one field.
fn condition(predicate: Predicate, fields: &[&str], label: &'static str) -> Condition {
    Condition {
        label: Some(label.into()),
        own: true,
        predicate,
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
        searches: false,
    }
}

fn count(name: &str) -> Measure {
    of_rows(Function::Count, name)
}

/// How many calls of models the events stand for.
fn calls(name: &str) -> Measure {
    of_rows(Function::Calls, name)
}

fn of_rows(function: Function, name: &str) -> Measure {
    Measure {
        function,
        argument: None,
        condition: None,
        name: name.to_owned(),
        nothing: Nothing::Missing,
        place: Span::default(),
    }
}

fn measure(function: Function, field: &str, name: &str, nothing: Nothing) -> Measure {
    Measure {
        function,
        argument: Some(Arith::Field(field.to_owned())),
        condition: None,
        name: name.to_owned(),
        nothing,
        place: Span::default(),
    }
}
