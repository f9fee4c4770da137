//! Numbers of values: which of them a sum can take, kept apart by unit, so that durations stay durations.

use logq_engine::compare::Number;
use logq_engine::{IntUnit, Value};

use super::exact::ExactSum;
use crate::datum::Datum;

/// A number in its unit's smallest part.
pub(super) enum Part {
    /// A whole number: of nanoseconds, of billionths of a dollar, or plain.
    Int(i128),
    /// Any other plain number.
    Float(f64),
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec) enum Unit {
    Plain,
    /// Nanoseconds; answered in milliseconds.
    Duration,
    /// Billionths; answered in US dollars.
    Cost,
}

impl Unit {
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::Duration, Self::Cost];

    /// How many parts the unit of answers has.
    pub(super) const fn scale(self) -> u64 {
        match self {
            Self::Plain => 1,
            Self::Duration => 1_000_000,
            Self::Cost => 1_000_000_000,
        }
    }

    /// A result in the unit of answers.
    pub(super) fn datum(self, value: f64) -> Datum {
        match self {
            _ if value.is_nan() => Datum::Missing,
            Self::Plain => Datum::Float(value),
            Self::Duration => Datum::Millis(value),
            Self::Cost => Datum::Dollars(value),
        }
    }
}

/// What integers of a column count, where a sum takes them.
pub(super) fn summed(unit: IntUnit) -> Option<Unit> {
    match unit {
        IntUnit::Int => Some(Unit::Plain),
        IntUnit::Duration => Some(Unit::Duration),
        IntUnit::Cost => Some(Unit::Cost),
        IntUnit::Time | IntUnit::Level | IntUnit::Bool => None,
    }
}

/// The number that a value is; text that is one as a whole counts.
#[inline]
pub(super) fn part(value: Value<'_>) -> Option<(Unit, Part)> {
    Some(match value {
        Value::Int(int) => (Unit::Plain, Part::Int(i128::from(int))),
        Value::Duration(ns) => (Unit::Duration, Part::Int(i128::from(ns))),
        Value::Cost(nano) => (Unit::Cost, Part::Int(i128::from(nano))),
        Value::Float(float) => (Unit::Plain, Part::Float(float)),
        Value::Number(text) | Value::Str(text) => {
            Number::parse(text)?;
            match text.parse::<i128>() {
                Ok(int) => (Unit::Plain, Part::Int(int)),
                Err(_) => (Unit::Plain, Part::Float(text.parse().ok()?)),
            }
        }
        _ => return None,
    })
}

/// An exact sum of numbers: whole ones as an integer as long as it fits, the rest as an exact sum of floats.
#[derive(Clone, Debug, Default)]
pub(super) struct Total {
    pub(super) count: u64,
    int: i128,
    rest: Option<Box<ExactSum>>,
}

impl Total {
    #[inline]
    pub(super) fn add(&mut self, part: &Part) {
        self.count += 1;
        match part {
            Part::Int(int) => self.add_int(*int),
            Part::Float(float) => self.rest.get_or_insert_default().add(*float),
        }
    }

    pub(super) fn add_int(&mut self, int: i128) {
        match self.int.checked_add(int) {
            Some(sum) => self.int = sum,
            None => self.rest.get_or_insert_default().add_int(int),
        }
    }

    /// Adds this many integers by their sum.
    #[inline]
    pub(super) fn add_many(&mut self, count: u64, sum: i128) {
        self.count += count;
        self.add_int(sum);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.add_int(other.int);
        match (&mut self.rest, other.rest) {
            (Some(rest), Some(more)) => rest.merge(&more),
            (rest @ None, more) => *rest = more,
            (Some(_), None) => {}
        }
    }

    /// The sum, where only whole numbers that fit were added.
    pub(super) fn whole(&self) -> Option<i128> {
        self.rest.is_none().then_some(self.int)
    }

    /// Everything as one exact sum.
    pub(super) fn exact(&self) -> ExactSum {
        let mut exact = self.rest.as_deref().cloned().unwrap_or_default();
        exact.add_int(self.int);
        exact
    }
}

/// One state for each unit; the plain one lies in place, as most are plain.
#[derive(Clone, Debug, Default)]
pub(super) struct ByUnit<T> {
    plain: T,
    others: Option<Box<[T; 2]>>,
}

impl<T: Default> ByUnit<T> {
    #[inline]
    pub(super) fn of(&mut self, unit: Unit) -> &mut T {
        if unit == Unit::Plain {
            return &mut self.plain;
        }
        let [duration, cost] = self.others.get_or_insert_default().as_mut();
        if unit == Unit::Duration { duration } else { cost }
    }

    pub(super) fn merge(&mut self, other: Self, mut merge: impl FnMut(&mut T, T)) {
        merge(&mut self.plain, other.plain);
        if let Some(others) = other.others {
            let [duration, cost] = *others;
            merge(self.of(Unit::Duration), duration);
            merge(self.of(Unit::Cost), cost);
        }
    }

    /// The units that `used` says yes to.
    pub(super) fn used(&self, used: impl Fn(&T) -> bool) -> Vec<(Unit, &T)> {
        let others = self.others.iter().flat_map(|others| others.iter());
        let states = std::iter::once(&self.plain).chain(others);
        Unit::ALL.into_iter().zip(states).filter(|(_, state)| used(state)).collect()
    }
}

/// A number in the unit of answers: milliseconds, dollars.
pub(super) fn in_answers(unit: Unit, part: &Part) -> f64 {
    match part {
        Part::Int(int) => super::numbers_to_f64(*int) / super::scale_to_f64(unit.scale()),
        Part::Float(float) => *float,
    }
}
