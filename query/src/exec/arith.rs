//! Arithmetic over the fields of a row.
//!
//! Whole numbers stay whole and exact as long as they fit, else they become floats. Durations and money keep their unit
//! where that makes sense; a plain number beside them is milliseconds or dollars. `/` is real division. What is
//! no number, and division by zero, give nothing.

use logq_engine::Value;
use logq_engine::compare::Number;

use super::columns::Columns;
use crate::plan::{Arith, Operation};

const DURATION_SCALE: f64 = 1e6;
const COST_SCALE: f64 = 1e9;

/// Arithmetic with its fields found among the columns.
#[derive(Clone, Debug)]
pub(super) enum Bound {
    Column(usize),
    Value(Value<'static>),
    Text(Box<str>),
    Negate(Box<Self>),
    Chain(Box<Self>, Vec<(Operation, Self)>),
}

impl Bound {
    /// Finds the fields among `names`, or adds them there.
    pub(super) fn new(arith: &Arith, names: &mut Vec<String>) -> Self {
        match arith {
            Arith::Field(name) => Self::Column(slot(names, name)),
            Arith::Int(value) => Self::Value(Value::Int(*value)),
            Arith::Float(value) => Self::Value(Value::Float(*value)),
            Arith::Duration(ns) => Self::Value(Value::Duration(*ns)),
            Arith::Cost(nano) => Self::Value(Value::Cost(*nano)),
            Arith::Text(text) => Self::Text(text.clone()),
            Arith::Negate(inner) => Self::Negate(Box::new(Self::new(inner, names))),
            Arith::Chain(first, rest) => Self::Chain(
                Box::new(Self::new(first, names)),
                rest.iter().map(|(operation, part)| (*operation, Self::new(part, names))).collect(),
            ),
        }
    }

    /// The column, where the whole is one.
    pub(super) fn column(&self) -> Option<usize> {
        match self {
            Self::Column(at) => Some(*at),
            _ => None,
        }
    }

    /// The value for a row.
    pub(super) fn value<'v>(&'v self, columns: &'v Columns<'_>, row: usize) -> Option<Value<'v>> {
        match self {
            Self::Column(at) => columns.get(*at).get(row).copied().flatten(),
            Self::Value(value) => Some(*value),
            Self::Text(text) => Some(Value::Str(text)),
            Self::Negate(inner) => {
                combine(Operation::Subtract, Some(Value::Int(0)), inner.value(columns, row))
            }
            Self::Chain(first, rest) => {
                let mut value = first.value(columns, row);
                for (operation, part) in rest {
                    value = combine(*operation, value, part.value(columns, row));
                }
                value
            }
        }
    }
}

/// The place of a name, which is added where it is missing.
pub(super) fn slot(names: &mut Vec<String>, name: &str) -> usize {
    match names.iter().position(|have| have == name) {
        Some(at) => at,
        None => {
            names.push(name.to_owned());
            names.len() - 1
        }
    }
}

#[derive(Clone, Copy)]
enum Quantity {
    Int(i64),
    Float(f64),
    Time(i64),
    Duration(i64),
    Cost(i64),
}

impl Quantity {
    fn of(value: Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Int(int) => Self::Int(int),
            Value::Float(float) => Self::Float(float),
            Value::Time(ns) => Self::Time(ns),
            Value::Duration(ns) => Self::Duration(ns),
            Value::Cost(nano) => Self::Cost(nano),
            Value::Number(text) | Value::Str(text) => {
                let number = Number::parse(text)?;
                number.to_i64().map_or_else(|| Self::Float(number.to_f64()), Self::Int)
            }
            _ => return None,
        })
    }

    /// The number in the unit of answers.
    #[expect(clippy::cast_precision_loss, reason = "floats are asked for where whole numbers do not do")]
    fn float(self) -> f64 {
        match self {
            Self::Int(int) | Self::Time(int) => int as f64,
            Self::Float(float) => float,
            Self::Duration(ns) => ns as f64 / DURATION_SCALE,
            Self::Cost(nano) => nano as f64 / COST_SCALE,
        }
    }
}

/// Applies an operation to two values.
pub(super) fn combine(
    operation: Operation,
    left: Option<Value<'_>>,
    right: Option<Value<'_>>,
) -> Option<Value<'static>> {
    let (left, right) = (Quantity::of(left?)?, Quantity::of(right?)?);
    let exact = exact(operation, left, right);
    let value = match exact {
        Some(value) => value,
        None => float(operation, left, right)?,
    };
    match value {
        Value::Float(float) if !float.is_finite() => None,
        value => Some(value),
    }
}

/// The result as a whole number of its unit, where it is one.
fn exact(operation: Operation, left: Quantity, right: Quantity) -> Option<Value<'static>> {
    use Quantity::{Cost, Duration, Int, Time};
    let whole = |a: i64, b: i64| match operation {
        Operation::Add => a.checked_add(b),
        Operation::Subtract => a.checked_sub(b),
        Operation::Multiply => a.checked_mul(b),
        Operation::Divide if b != 0 && a.checked_rem(b) == Some(0) => a.checked_div(b),
        Operation::Divide => None,
    };
    let adds = matches!(operation, Operation::Add | Operation::Subtract);
    let multiplies = operation == Operation::Multiply;
    Some(match (left, right) {
        (Int(a), Int(b)) => Value::Int(whole(a, b)?),
        (Duration(a), Duration(b)) if adds => Value::Duration(whole(a, b)?),
        (Cost(a), Cost(b)) if adds => Value::Cost(whole(a, b)?),
        (Duration(a), Int(b)) if adds => Value::Duration(whole(a, b.checked_mul(1_000_000)?)?),
        (Int(a), Duration(b)) if adds => Value::Duration(whole(a.checked_mul(1_000_000)?, b)?),
        (Cost(a), Int(b)) if adds => Value::Cost(whole(a, b.checked_mul(1_000_000_000)?)?),
        (Int(a), Cost(b)) if adds => Value::Cost(whole(a.checked_mul(1_000_000_000)?, b)?),
        (Duration(a), Int(b)) => Value::Duration(whole(a, b)?),
        (Cost(a), Int(b)) => Value::Cost(whole(a, b)?),
        (Int(a), Duration(b)) if multiplies => Value::Duration(whole(a, b)?),
        (Int(a), Cost(b)) if multiplies => Value::Cost(whole(a, b)?),
        (Time(a), Time(b)) if operation == Operation::Subtract => Value::Duration(whole(a, b)?),
        (Time(a), Duration(b)) if adds => Value::Time(whole(a, b)?),
        _ => return None,
    })
}

/// The result as a float, in the unit of answers; a duration or money where one side is one and keeps its unit.
fn float(operation: Operation, left: Quantity, right: Quantity) -> Option<Value<'static>> {
    if matches!(left, Quantity::Time(_)) || matches!(right, Quantity::Time(_)) {
        return None;
    }
    let (a, b) = (left.float(), right.float());
    let value = match operation {
        Operation::Add => a + b,
        Operation::Subtract => a - b,
        Operation::Multiply => a * b,
        Operation::Divide if b == 0.0 => return None,
        Operation::Divide => a / b,
    };
    let scale = match (left, right, operation) {
        (Quantity::Duration(_), Quantity::Duration(_), Operation::Divide) => None,
        (Quantity::Cost(_), Quantity::Cost(_), Operation::Divide) => None,
        (Quantity::Duration(_), Quantity::Cost(_), _) | (Quantity::Cost(_), Quantity::Duration(_), _) => None,
        (Quantity::Duration(_), ..) => Some(DURATION_SCALE),
        (_, Quantity::Duration(_), Operation::Add | Operation::Subtract | Operation::Multiply) => {
            Some(DURATION_SCALE)
        }
        (Quantity::Cost(_), ..) => Some(COST_SCALE),
        (_, Quantity::Cost(_), Operation::Add | Operation::Subtract | Operation::Multiply) => {
            Some(COST_SCALE)
        }
        _ => None,
    };
    let Some(scale) = scale else { return Some(Value::Float(value)) };
    // A whole number of nanoseconds or billionths: what is below is below what events hold.
    let parts = (value * scale).round();
    let whole = format!("{parts}").parse::<i64>().ok()?;
    Some(if scale == DURATION_SCALE { Value::Duration(whole) } else { Value::Cost(whole) })
}
