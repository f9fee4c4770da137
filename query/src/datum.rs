//! Datum: an owned value of an answer, and the type of a column.

use logq_engine::compare::total_order;
use logq_engine::{Level, Value};
use std::cmp::Ordering;

/// A value that an answer owns.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Datum {
    /// Nothing is there.
    #[default]
    Missing,
    /// A null that somebody wrote. It counts as missing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A computed number.
    Float(f64),
    /// A number literal: as it was given, or a computed whole number beyond `i64`.
    Number(Box<str>),
    /// Text.
    Str(Box<str>),
    /// Bytes that are not UTF-8.
    Bytes(Box<[u8]>),
    /// JSON text: an array, or an empty object.
    Json(Box<str>),
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// Nanoseconds.
    Duration(i64),
    /// A computed duration that is no whole number of nanoseconds, or beyond `i64`: milliseconds.
    Millis(f64),
    /// Billionths of a US dollar.
    Cost(i64),
    /// Computed money that is no whole number of billionths, or beyond `i64`: US dollars.
    Dollars(f64),
    /// A level.
    Level(Level),
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text, also levels.
    String,
    /// Whole numbers.
    Int,
    /// Whole numbers of bytes: to a script what [`Type::Int`] is.
    Size,
    /// Numbers.
    Float,
    /// True or false.
    Bool,
    /// Points in time.
    Time,
    /// Lengths of time.
    Duration,
    /// Money.
    Cost,
    /// Arrays, bytes, or values of several types.
    Json,
}

impl Type {
    /// The name of the type in an answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int | Self::Size => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::Cost => "cost",
            Self::Json => "json",
        }
    }

    /// The type of a column that holds values of both.
    pub(crate) fn join(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            _ => Self::Json,
        }
    }
}

impl Datum {
    /// Copies a value.
    pub fn of(value: Option<Value<'_>>) -> Self {
        match value {
            None => Self::Missing,
            Some(Value::Null) => Self::Null,
            Some(Value::Bool(value)) => Self::Bool(value),
            Some(Value::Int(value)) => Self::Int(value),
            Some(Value::Float(value)) => Self::Float(value),
            Some(Value::Number(literal)) => Self::Number(literal.into()),
            Some(Value::Str(text)) => Self::Str(text.into()),
            Some(Value::Bytes(bytes)) => Self::Bytes(bytes.into()),
            Some(Value::Json(text)) => Self::Json(text.into()),
            Some(Value::Time(ns)) => Self::Time(ns),
            Some(Value::Duration(ns)) => Self::Duration(ns),
            Some(Value::Cost(nano)) => Self::Cost(nano),
            Some(Value::Level(level)) => Self::Level(level),
        }
    }

    /// Text.
    pub fn text(text: &str) -> Self {
        Self::Str(text.into())
    }

    /// The value, to compare it with others. A computed duration or sum of money is rounded to what a value holds.
    pub fn value(&self) -> Option<Value<'_>> {
        Some(match self {
            Self::Missing => return None,
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Float(value) | Self::Millis(value) | Self::Dollars(value) => Value::Float(*value),
            Self::Number(literal) => Value::Number(literal),
            Self::Str(text) => Value::Str(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Json(text) => Value::Json(text),
            Self::Time(ns) => Value::Time(*ns),
            Self::Duration(ns) => Value::Duration(*ns),
            Self::Cost(nano) => Value::Cost(*nano),
            Self::Level(level) => Value::Level(*level),
        })
    }

    /// Whether nothing is there, or null.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing | Self::Null)
    }

    /// The type; `None` where nothing is there.
    pub fn kind(&self) -> Option<Type> {
        Some(match self {
            Self::Missing | Self::Null => return None,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Number(literal) if literal.bytes().all(|b| b.is_ascii_digit() || b == b'-') => Type::Int,
            Self::Float(_) | Self::Number(_) => Type::Float,
            Self::Str(_) | Self::Level(_) => Type::String,
            Self::Bytes(_) | Self::Json(_) => Type::Json,
            Self::Time(_) => Type::Time,
            Self::Duration(_) | Self::Millis(_) => Type::Duration,
            Self::Cost(_) | Self::Dollars(_) => Type::Cost,
        })
    }

    /// Bytes that it holds, about.
    pub(crate) fn size(&self) -> usize {
        let heap = match self {
            Self::Number(text) | Self::Str(text) | Self::Json(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        size_of::<Self>() + heap
    }

    /// The order of sorting; what is missing comes last, whichever the direction.
    pub(crate) fn order(&self, other: &Self, descending: bool) -> Ordering {
        // Most columns hold values of one kind, which need no common ground.
        let same = match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Str(a), Self::Str(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            _ => None,
        };
        if let Some(order) = same {
            return if descending { order.reverse() } else { order };
        }
        match (self.is_missing(), other.is_missing()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let order = total_order(self.value(), other.value());
                if descending { order.reverse() } else { order }
            }
        }
    }
}
