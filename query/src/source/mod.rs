//! Nouns: what stands first in a query and says what to report. Each is a macro over events: a filter, a shape and
//! default measures.

mod errors;
mod events;
mod fields;
mod tokens;

use logq_engine::Predicate;

use crate::plan::{Arith, Condition, Measure};

/// What the rows of a noun are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Records, as they are.
    List,
    /// Groups, by the keys of the query.
    Groups,
    /// One row for each field.
    Fields,
}

/// A noun of this version.
#[derive(Debug)]
pub(crate) struct Noun {
    pub(crate) shape: Shape,
    /// Which events it is about.
    pub(crate) filter: fn() -> Option<Condition>,
    /// What it computes for each group, where the query does not say.
    pub(crate) measures: fn() -> Vec<Measure>,
    /// The measure that ranks its groups.
    pub(crate) main: &'static str,
    /// Whether `total_tokens` is computed from the event's other counts.
    pub(crate) totals: bool,
}

/// The noun of this name. An error says what to use instead.
pub(crate) fn find(name: &str) -> Result<&'static Noun, &'static str> {
    Ok(match name {
        "events" => &events::NOUN,
        "tokens" => &tokens::NOUN,
        "errors" => &errors::NOUN,
        "fields" => &fields::NOUN,
        other => return Err(instead(other)),
    })
}

/// The columns of a list of records.
pub(crate) const LISTING: [&str; 5] = ["time", "level", "source", "operation", "message"];

/// The columns of the noun `fields`.
pub(crate) use fields::COLUMNS as FIELDS_COLUMNS;

/// What answers the question of a noun that this version does not have.
fn instead(noun: &str) -> &'static str {
    match noun {
        "cost" | "usage" => "`tokens sum(cost) by model` adds up money, `tokens by model` tokens",
        "budget" => "`tokens where model=x today` gives what was used",
        "latency" => "`events p50(latency), p95(latency), p99(latency), max(latency), count by operation`",
        "operations" => "`events count by operation`",
        "models" => "`tokens by model`",
        "sessions" => "`tokens by session`",
        "sources" => "`events count by source`",
        "session" => "`events where session=ID limit all`",
        "trace" => "`events where trace=ID limit all`",
        "patterns" => "`events count by message top 20`",
        "context" => "`events where kind=context sum(original_size), sum(optimized_size) by method`",
        "memory" => "`events where kind=memory count by operation`",
        "values" => "`events count by model`",
        "storage" | "health" => "`events count per 1d` gives the records of each day",
        _ => "the nouns are events, tokens, errors and fields",
    }
}

/// A condition on one field.
fn condition(predicate: Predicate, fields: &[&str], label: &'static str) -> Condition {
    Condition {
        label: Some(label),
        predicate,
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
        searches: false,
    }
}

fn count(name: &str) -> Measure {
    Measure {
        function: crate::functions::Function::Count,
        argument: None,
        condition: None,
        name: name.to_owned(),
        zero: true,
    }
}

fn sum(field: &str) -> Measure {
    Measure {
        function: crate::functions::Function::Sum,
        argument: Some(Arith::Field(field.to_owned())),
        condition: None,
        name: field.to_owned(),
        zero: true,
    }
}
