//! Plan: what a query does, with every name and value resolved. `Display` is what `explain` prints.
//!
//! A plan reads records (range and filter), then passes them through stages. A stage takes rows and gives rows;
//! which of them run while reading, and on how many threads, is up to `exec`.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use logq_engine::{Predicate, TimeRange};

use crate::ast::Fill;
use crate::calendar::Bucket;
use crate::datum::Datum;
use crate::functions::Function;
use crate::token::Span;

mod print;
mod rollup;

pub(crate) use rollup::{Asked, TOTAL};

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
    /// Whether the columns of that list are those of the noun and not the usual ones.
    pub own_listing: bool,
    /// Every field that the query names and where it does, for the warning that no event has it.
    pub named: Vec<(String, Span)>,
    /// Whether `total_tokens` is computed from the event's other counts.
    pub totals: bool,
    /// Columns of the answer that are numbers of bytes.
    pub sizes: &'static [&'static str],
    /// Whether the indexes of segments may say where to look.
    pub index: bool,
    /// Whether columns may be worked on as they are encoded.
    pub lanes: bool,
    /// What is asked of rollups, where they may answer.
    pub rollups: Option<Asked>,
}

/// A condition and the fields that it asks for.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    /// How it is shown where its predicate says more than people want to read.
    pub label: Option<Cow<'static, str>>,
    /// The noun's own, which asks for fields themselves and not for columns that are computed from others.
    pub own: bool,
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
    /// Rows about the store itself.
    Report(Report),
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
    /// One more column, `gap`: the time since the row before.
    Gap,
    /// Two more columns: the budget of each row's events that is closest to its limit, and how close it is.
    Limits(Limits),
    /// The records around those that passed the filter before; it reads again.
    Around(Around),
    /// The same groups over another range beside them; it reads again.
    Versus(Versus),
    /// A row for every bucket of every group.
    Fill(Filling),
    /// More columns, out of a text.
    Parse(Parsing),
    /// A row for every element of an array.
    Unroll(String),
    /// About this part of the rows, chosen by their ids; the ratio as written and as a bound of hashes.
    Sample(String, u64),
}

/// What rows about the store are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// Its files.
    Storage,
    /// The fields of each of its files.
    StorageFields,
    /// Its state.
    Health,
    /// The counters of its budgets.
    Budgets,
}

/// Whose budgets rows are compared with.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// The values that the conditions ask of fields; `None` when conditions ask for anything else, as no budget
    /// counts just those events.
    pub pins: Option<Vec<(String, String)>>,
    /// The keys of the rows.
    pub keys: Vec<String>,
}

/// The columns of [`Stage::Limits`].
pub(crate) const LIMITS: [&str; 2] = ["budget", "limit_share"];

/// How a text becomes columns.
#[derive(Clone, Debug)]
pub(crate) struct Parsing {
    /// The text.
    pub from: String,
    /// What finds the columns in it.
    pub how: Reader,
    /// How it was written.
    pub shown: String,
}

/// What finds columns in a text.
#[derive(Clone, Debug)]
pub(crate) enum Reader {
    /// The groups of a regex: the column and type of each.
    Regex(regex::Regex, Vec<(String, Cast)>),
    /// The members of an object, with dotted names.
    Json,
    /// Keys and values.
    Logfmt,
}

/// What a piece of text becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// A duration with its unit.
    Duration,
}

/// Records around those that are found.
#[derive(Clone, Debug)]
pub(crate) struct Around {
    /// How many before.
    pub before: usize,
    /// How many after.
    pub after: usize,
    /// Only records with the same value here are near each other.
    pub of: Option<String>,
}

/// Groups of one range beside those of another.
#[derive(Clone, Debug)]
pub(crate) struct Versus {
    /// The range of the rows themselves.
    pub current: TimeRange,
    /// The range that they are compared with.
    pub before: TimeRange,
    /// The buckets, which pair by their distance from the start.
    pub per: Option<Bucket>,
    /// The columns that name a group, with `time`.
    pub keys: Vec<String>,
    /// The measures, and what each is over no rows.
    pub measures: Vec<(String, Datum)>,
}

/// What the columns of a comparison are called, after the name of the measure.
pub(crate) const COMPARED: [&str; 3] = ["_before", "_change", "_ratio"];

/// Buckets that no record fell into.
#[derive(Clone, Debug)]
pub(crate) struct Filling {
    /// With what.
    pub fill: Fill,
    /// The buckets of the column `time`.
    pub per: Bucket,
    /// Where they begin and end; an open end is the first or last bucket with data.
    pub range: TimeRange,
    /// The columns that name a group, without `time`.
    pub keys: Vec<String>,
    /// The columns of nothing that are 0.
    pub zeros: Vec<String>,
}

/// The column of [`Stage::Gap`].
pub(crate) const GAP: &str = "gap";

/// Rows by key.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The time buckets; their column is `time`.
    pub per: Option<Bucket>,
    /// Columns or fields, which name the columns of the result too.
    pub keys: Vec<String>,
    /// What is computed for each group.
    pub measures: Vec<Measure>,
    /// The range of the records, by which a rate counts its seconds.
    pub range: TimeRange,
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
    /// What a sum of nothing is.
    pub nothing: Nothing,
    /// Where it is written; empty for a measure that the noun brings.
    pub place: Span,
}

/// What a sum over no present value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// Missing.
    Missing,
    /// 0.
    Zero,
    /// 0 where there are no rows at all, else missing.
    ZeroOfNoRows,
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

impl Plan {
    /// The columns that are not exact, or are computed from such ones.
    pub(crate) fn approximate(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let depends = |names: &[String], argument: &Arith| {
            let mut fields = Vec::new();
            argument.fields(&mut fields);
            fields.iter().any(|field| names.contains(field))
        };
        for stage in &self.stages {
            match stage {
                Stage::Group(group) => {
                    let inexact = |measure: &&Measure| {
                        let argument = measure.argument.as_ref();
                        measure.function.is_approximate()
                            || argument.is_some_and(|argument| depends(&names, argument))
                    };
                    let made = group.measures.iter().filter(inexact).map(|measure| &measure.name);
                    let kept = group.keys.iter().filter(|key| names.contains(key));
                    names = made.chain(kept).cloned().collect();
                }
                Stage::Versus(versus) => {
                    for (name, _) in
                        versus.measures.iter().filter(|(name, _)| names.contains(name)).collect::<Vec<_>>()
                    {
                        names.extend(COMPARED.map(|after| format!("{name}{after}")));
                    }
                }
                Stage::Set(name, value) => {
                    let inexact = depends(&names, value);
                    names.retain(|have| have != name);
                    names.extend(inexact.then(|| name.clone()));
                }
                Stage::Rename(pairs) => {
                    for (from, to) in pairs {
                        names.iter_mut().filter(|name| *name == from).for_each(|name| name.clone_from(to));
                    }
                }
                _ => {}
            }
        }
        names
    }
}

impl Plan {
    /// Whether the rows are how budgets stand, and no record is read.
    pub(crate) fn reads_budgets(&self) -> bool {
        matches!(self.stages.first(), Some(Stage::Report(Report::Budgets)))
    }
}

impl Stage {
    /// Whether rows after it are no longer records.
    pub(crate) fn closes(&self) -> bool {
        matches!(self, Self::Group(_) | Self::Fields | Self::Report(_))
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
