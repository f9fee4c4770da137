//! The columns of an export: those of Parquet files of whole events, which never change, and else those that the rows have.

use std::collections::HashMap;

use logq_query::{Answer, Datum, Type};

use super::shown;
use crate::exit::{Failure, Outcome};

/// Columns of a table, at most. Events with more different fields are no table.
const COLUMNS_MAX: usize = 10_000;

/// The largest number of nanoseconds, and of billionths of a dollar, that a decimal of 18 digits holds.
const DECIMAL_MAX: i64 = 999_999_999_999_999_999;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// UTF-8.
    Text,
    /// 64 bits, with a sign.
    Int,
    /// The nearest double.
    Float,
    Bool,
    /// Nanoseconds since 1970 in UTC.
    Time,
    /// Milliseconds with 6 places.
    Millis,
    /// US dollars with 9 places.
    Dollars,
    /// JSON text.
    Json,
}

/// A column of an export.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// `None` until a value was seen.
    kind: Option<Kind>,
    /// What the query says of it.
    usual: Kind,
}

/// The columns of a Parquet file of whole events, but for the last one, `fields`. A value of another type than that of its
/// column is in `fields`.
pub(crate) const EVENT: [(&str, Kind); 30] = [
    ("_id", Kind::Text),
    ("time", Kind::Time),
    ("level", Kind::Text),
    ("kind", Kind::Text),
    ("source", Kind::Text),
    ("message", Kind::Text),
    ("importance", Kind::Int),
    ("operation", Kind::Text),
    ("model", Kind::Text),
    ("provider", Kind::Text),
    ("session", Kind::Text),
    ("user", Kind::Text),
    ("trace", Kind::Text),
    ("span", Kind::Text),
    ("prompt_tokens", Kind::Int),
    ("response_tokens", Kind::Int),
    ("cached_tokens", Kind::Int),
    ("cache_write_tokens", Kind::Int),
    ("reasoning_tokens", Kind::Int),
    ("estimated_tokens", Kind::Int),
    ("total_tokens", Kind::Int),
    ("latency", Kind::Millis),
    ("ttft", Kind::Millis),
    ("cost", Kind::Dollars),
    ("prompt", Kind::Text),
    ("response", Kind::Text),
    ("error", Kind::Text),
    ("context_type", Kind::Text),
    ("original_size", Kind::Int),
    ("optimized_size", Kind::Int),
];

/// The columns of an export, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    pub(crate) list: Vec<Column>,
    places: HashMap<String, usize>,
    /// Whether the rows are whole events.
    pub(crate) full: bool,
}

impl Column {
    /// What its values are.
    pub(crate) fn kind(&self) -> Kind {
        self.kind.unwrap_or(self.usual)
    }
}

impl Columns {
    /// Where the column of a name is.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Takes in the columns of some rows.
    pub(crate) fn add(&mut self, answer: &Answer, internal: bool) -> Outcome<()> {
        self.full = answer.full;
        for (at, column) in answer.columns.iter().enumerate() {
            let name = match answer.full {
                true => shown(&column.name, internal),
                false => Some(column.name.as_str()),
            };
            let Some(name) = name else { continue };
            let place = self.put(name, Kind::usual(column.kind))?;
            let kinds = answer.rows.iter().filter_map(|row| Kind::of(row.cells.get(at)?));
            if let (Some(kind), Some(column)) = (kinds.reduce(Kind::join), self.list.get_mut(place)) {
                column.kind = Some(column.kind.map_or(kind, |have| have.join(kind)));
            }
        }
        Ok(())
    }

    fn put(&mut self, name: &str, usual: Kind) -> Outcome<usize> {
        if let Some(place) = self.place(name) {
            return Ok(place);
        }
        if self.list.len() == COLUMNS_MAX {
            return Err(Failure::bad(format!("the events have more than {COLUMNS_MAX} different fields"))
                .help("name those that are wanted (`| keep time, model`), or export to jsonl"));
        }
        self.list.push(Column { name: name.to_owned(), kind: None, usual });
        self.places.insert(name.to_owned(), self.list.len() - 1);
        Ok(self.list.len() - 1)
    }

    /// Puts the columns of whole events into an order that does not depend on which event was first: the known
    /// ones in theirs, then the others by name.
    pub(crate) fn settle(&mut self) {
        if !self.full {
            return;
        }
        let known = |name: &str| EVENT.iter().position(|(known, _)| *known == name).unwrap_or(EVENT.len());
        self.list.sort_by(|a, b| (known(&a.name), &a.name).cmp(&(known(&b.name), &b.name)));
        self.places = self.list.iter().enumerate().map(|(at, column)| (column.name.clone(), at)).collect();
    }
}

impl Kind {
    /// What a value is; `None` where nothing is there.
    fn of(datum: &Datum) -> Option<Self> {
        Some(match datum {
            Datum::Missing | Datum::Null => return None,
            Datum::Bool(_) => Self::Bool,
            Datum::Int(_) => Self::Int,
            // A whole number beyond 64 bits would lose digits as a double.
            Datum::Number(literal) if literal.bytes().all(|b| b.is_ascii_digit() || b == b'-') => Self::Json,
            Datum::Duration(ns) if fits(*ns) => Self::Millis,
            Datum::Cost(nano) if fits(*nano) => Self::Dollars,
            Datum::Float(_)
            | Datum::Number(_)
            | Datum::Duration(_)
            | Datum::Cost(_)
            | Datum::Millis(_)
            | Datum::Dollars(_) => Self::Float,
            Datum::Str(_) | Datum::Level(_) => Self::Text,
            Datum::Bytes(_) | Datum::Json(_) => Self::Json,
            Datum::Time(_) => Self::Time,
        })
    }

    /// What values of both are together.
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Float, Self::Int | Self::Millis | Self::Dollars)
            | (Self::Int | Self::Millis | Self::Dollars, Self::Float) => Self::Float,
            _ => Self::Json,
        }
    }

    /// What a column without values would hold.
    fn usual(kind: Type) -> Self {
        match kind {
            Type::String => Self::Text,
            Type::Int | Type::Size => Self::Int,
            Type::Float => Self::Float,
            Type::Bool => Self::Bool,
            Type::Time => Self::Time,
            Type::Duration => Self::Millis,
            Type::Cost => Self::Dollars,
            Type::Json => Self::Json,
        }
    }
}

/// Whether the digits of a value fit those of a decimal.
pub(crate) fn fits(value: i64) -> bool {
    (-DECIMAL_MAX..=DECIMAL_MAX).contains(&value)
}
