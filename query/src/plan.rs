//! Plan: what a query does, with every name and value resolved. `Display` is what `explain` prints.
//!
//! A plan reads records (range and filter), then passes them through stages. A stage takes rows and gives rows;
//! which of them run while reading, and on how many threads, is up to `exec`.

use std::fmt::{self, Display, Formatter};

use jiff::tz::TimeZone;
use logq_engine::{Predicate, TimeRange};

use crate::calendar::{self, Bucket};
use crate::functions::Function;
use crate::json;
use crate::token::Span;

/// A whole query, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Which time is read.
    pub range: TimeRange,
    /// The zone of time buckets.
    pub zone: TimeZone,
    /// Which records are read: all of these hold.
    pub filter: Vec<Condition>,
    /// What is done with them.
    pub stages: Vec<Stage>,
    /// The columns of a list of records, where no stage says otherwise.
    pub listing: Vec<String>,
    /// The columns that were computed of groups, the main one first.
    pub measures: Vec<String>,
    /// Every field that the query names and where it does, for the warning that no event has it.
    pub named: Vec<(String, Span)>,
    /// Whether `total_tokens` is computed from the event's other counts.
    pub totals: bool,
    /// Whether the indexes of segments may say where to look.
    pub index: bool,
    /// Whether columns may be worked on as they are encoded.
    pub lanes: bool,
}

/// A condition and the fields that it asks for.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    /// How it is shown where its predicate says more than people want to read.
    pub label: Option<&'static str>,
    /// What must hold.
    pub predicate: Predicate,
    /// The fields in it.
    pub fields: Vec<String>,
    /// Whether it searches every string of a record.
    pub searches: bool,
}

/// A step of a plan.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// Rows for which all of these hold.
    Filter(Vec<Condition>),
    /// One row for each group.
    Group(Group),
    /// One row for each field of the records.
    Fields,
    /// Rows in another order.
    Sort(Sort),
    /// The first rows; of records in no stated order the newest.
    Limit(Limit),
    /// Only these columns.
    Keep(Vec<String>),
    /// All but these columns.
    Drop(Vec<String>),
    /// Columns under other names.
    Rename(Vec<(String, String)>),
    /// Of rows with the same values here the newest.
    Dedup(Vec<String>),
    /// One more column.
    Set(String, Arith),
}

/// Rows by key.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The time buckets; their column is `time`.
    pub per: Option<Bucket>,
    /// Columns or fields, which name the columns of the result too.
    pub keys: Vec<String>,
    /// What is computed for each group.
    pub measures: Vec<Measure>,
}

/// A computed column.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    /// The function.
    pub function: Function,
    /// What it is over; without one, rows.
    pub argument: Option<Arith>,
    /// Only rows for which this holds.
    pub condition: Option<Condition>,
    /// The name of the column.
    pub name: String,
    /// Whether a sum of nothing is 0 and not missing.
    pub zero: bool,
}

/// Arithmetic over the fields of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arith {
    /// A field.
    Field(String),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Nanoseconds.
    Duration(i64),
    /// Billionths of a US dollar.
    Cost(i64),
    /// Text.
    Text(Box<str>),
    /// `-a`
    Negate(Box<Self>),
    /// From left to right. A chain is a list, so that its length is no depth.
    Chain(Box<Self>, Vec<(Operation, Self)>),
}

/// An operation of arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`: real division; by zero it gives nothing.
    Divide,
}

/// An order of rows.
#[derive(Clone, Debug)]
pub(crate) struct Sort {
    /// Columns, the first counts most.
    pub keys: Vec<(String, Direction)>,
    /// How many rows will be asked for, so that not all need be kept.
    pub first: Option<usize>,
}

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// A cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// How many rows stay.
    pub count: usize,
    /// Whether an answer that it cuts says that there is more.
    pub says_more: bool,
}

impl Stage {
    /// Whether rows after it are no longer records.
    pub(crate) fn closes(&self) -> bool {
        matches!(self, Self::Group(_) | Self::Fields)
    }
}

impl Arith {
    /// Adds the fields it asks for.
    pub(crate) fn fields(&self, into: &mut Vec<String>) {
        match self {
            Self::Field(name) if !into.contains(name) => into.push(name.clone()),
            Self::Negate(inner) => inner.fields(into),
            Self::Chain(first, rest) => {
                first.fields(into);
                rest.iter().for_each(|(_, part)| part.fields(into));
            }
            _ => {}
        }
    }
}

impl Measure {
    /// Adds the fields it asks for.
    pub(crate) fn fields(&self, into: &mut Vec<String>) {
        if let Some(argument) = &self.argument {
            argument.fields(into);
        }
        for field in self.condition.iter().flat_map(|condition| &condition.fields) {
            if !into.contains(field) {
                into.push(field.clone());
            }
        }
    }
}

impl Plan {
    /// The query that the noun and its clauses stand for, on one line: of a plan before the optimiser.
    pub(crate) fn expanded(&self) -> String {
        let mut text = "events".to_owned();
        let (filter, stages) = match self.stages.split_first() {
            Some((Stage::Filter(first), rest)) => (first.as_slice(), rest),
            _ => (self.filter.as_slice(), self.stages.as_slice()),
        };
        if !filter.is_empty() {
            text.push_str(&format!(" where {}", conditions(filter)));
        }
        if let Some(from) = self.range.from {
            text.push_str(&format!(" since {}", json::time_text(from)));
        }
        if let Some(until) = self.range.until {
            text.push_str(&format!(" until {}", json::time_text(until)));
        }
        let buckets =
            self.stages.iter().any(|stage| matches!(stage, Stage::Group(Group { per: Some(_), .. })));
        if buckets && self.zone != TimeZone::UTC {
            text.push_str(&format!(" tz {}", calendar::zone_name(&self.zone)));
        }
        for stage in stages {
            match stage {
                Stage::Sort(sort) => {
                    text.push_str(&format!(" | {}", Stage::Sort(Sort { first: None, ..sort.clone() })));
                }
                other => text.push_str(&format!(" | {other}")),
            }
        }
        text
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let end = |end: Option<i64>| end.map_or_else(|| "open".to_owned(), json::time_text);
        write!(f, "scan events from {} until {}", end(self.range.from), end(self.range.until))?;
        if !self.filter.is_empty() {
            write!(f, "\n  where {}", conditions(&self.filter))?;
        }
        for stage in &self.stages {
            write!(f, "\n{stage}")?;
        }
        Ok(())
    }
}

fn conditions(list: &[Condition]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(label) = self.label {
            return f.write_str(label);
        }
        match &self.predicate {
            Predicate::And(parts) | Predicate::Or(parts) if 1 < parts.len() => {
                write!(f, "({})", self.predicate)
            }
            other => write!(f, "{other}"),
        }
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(list) => write!(f, "where {}", conditions(list)),
            Self::Group(group) => write!(f, "{group}"),
            Self::Fields => f.write_str("fields"),
            Self::Sort(sort) => {
                let key = |(name, direction): &(String, Direction)| match direction {
                    Direction::Ascending => name.clone(),
                    Direction::Descending => format!("{name} desc"),
                };
                write!(f, "sort {}", sort.keys.iter().map(key).collect::<Vec<_>>().join(", "))?;
                match sort.first {
                    Some(first) => write!(f, " (first {first})"),
                    None => Ok(()),
                }
            }
            Self::Limit(limit) => write!(f, "limit {}", limit.count),
            Self::Keep(names) => write!(f, "keep {}", names.join(", ")),
            Self::Drop(names) => write!(f, "drop {}", names.join(", ")),
            Self::Rename(pairs) => {
                let pairs: Vec<String> = pairs.iter().map(|(from, to)| format!("{from} as {to}")).collect();
                write!(f, "rename {}", pairs.join(", "))
            }
            Self::Dedup(names) => write!(f, "dedup by {}", names.join(", ")),
            Self::Set(name, value) => write!(f, "set {name} = {value}"),
        }
    }
}

impl Display for Group {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let measures: Vec<String> = self.measures.iter().map(ToString::to_string).collect();
        write!(f, "stats {}", measures.join(", "))?;
        if !self.keys.is_empty() {
            write!(f, " by {}", self.keys.join(", "))?;
        }
        match &self.per {
            Some(per) => write!(f, " per {per}"),
            None => Ok(()),
        }
    }
}

impl Display for Measure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let function = match self.function {
            Function::Count => "count".to_owned(),
            Function::Sum => "sum".to_owned(),
            Function::Avg => "avg".to_owned(),
            Function::Min => "min".to_owned(),
            Function::Max => "max".to_owned(),
            Function::Quantile(percent) => format!("p{}", json::scaled_text(i128::from(percent), 6)),
            Function::Stddev => "stddev".to_owned(),
            Function::Distinct => "distinct".to_owned(),
            Function::First => "first".to_owned(),
            Function::Last => "last".to_owned(),
            Function::Any => "any".to_owned(),
        };
        f.write_str(&function)?;
        if let Some(argument) = &self.argument {
            write!(f, "({argument})")?;
        }
        if let Some(condition) = &self.condition {
            write!(f, " if ({})", condition.predicate)?;
        }
        if self.name == function && self.argument.is_none() { Ok(()) } else { write!(f, " as {}", self.name) }
    }
}

impl Display for Arith {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => f.write_str(name),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => f.write_str(&json::float_text(*value)),
            Self::Duration(ns) => write!(f, "{ns}ns"),
            Self::Cost(nano) => write!(f, "${}", json::scaled_text(i128::from(*nano), 9)),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Negate(inner) => write!(f, "-({inner})"),
            Self::Chain(first, rest) => {
                write!(f, "({first}")?;
                for (operation, part) in rest {
                    let sign = match operation {
                        Operation::Add => '+',
                        Operation::Subtract => '-',
                        Operation::Multiply => '*',
                        Operation::Divide => '/',
                    };
                    write!(f, " {sign} {part}")?;
                }
                f.write_str(")")
            }
        }
    }
}
