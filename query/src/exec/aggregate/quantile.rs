//! `pNN`, `median`: the nearest-rank quantile, exact: the value at place ceil(p/100 * n) of the sorted values.

use logq_engine::compare::Number;
use logq_engine::{IntUnit, Ints, RecordId, Value};

use super::numbers::{Unit, summed};
use super::{Rows, States, merge_each};
use crate::datum::Datum;
use crate::functions::PERCENT;

pub(in crate::exec) struct Quantile {
    /// In millionths of a percent.
    percent: i64,
    lists: Vec<List>,
    grown: usize,
}

impl Quantile {
    pub(super) fn new(percent: i64) -> Self {
        Self { percent, lists: Vec::new(), grown: 0 }
    }

    /// Takes the integers of a column.
    pub(super) fn add_ints(&mut self, rows: &Rows<'_>, unit: IntUnit, ints: &Ints<'_>) {
        let kind = match (unit, summed(unit)) {
            (_, Some(unit)) => Whole::Number(unit),
            (IntUnit::Time, _) => Whole::Time,
            _ => return,
        };
        let (lists, grown) = (&mut self.lists, &mut self.grown);
        rows.each_int(ints, |group, int| {
            if let Some(list) = lists.get_mut(group) {
                *grown += list.add_whole(kind, int);
            }
        });
    }
}

/// The values of a group: whole numbers of one kind as they are, all else as datums.
#[derive(Default)]
struct List {
    kind: Option<Whole>,
    wholes: Vec<i64>,
    floats: Vec<f64>,
    others: Vec<Datum>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Number(Unit),
    Time,
}

impl Whole {
    fn datum(self, value: i64) -> Datum {
        match self {
            Self::Number(Unit::Plain) => Datum::Int(value),
            Self::Number(Unit::Duration) => Datum::Duration(value),
            Self::Number(Unit::Cost) => Datum::Cost(value),
            Self::Time => Datum::Time(value),
        }
    }
}

impl List {
    fn add(&mut self, value: Value<'_>) -> usize {
        let (kind, whole) = match value {
            Value::Int(int) => (Whole::Number(Unit::Plain), int),
            Value::Duration(ns) => (Whole::Number(Unit::Duration), ns),
            Value::Cost(nano) => (Whole::Number(Unit::Cost), nano),
            Value::Time(ns) => (Whole::Time, ns),
            Value::Float(float) => return self.add_float(float),
            Value::Number(text) | Value::Str(text) => match Number::parse(text) {
                Some(number) => match number.to_i64() {
                    Some(int) => (Whole::Number(Unit::Plain), int),
                    None => return self.add_float(text.parse().unwrap_or(f64::NAN)),
                },
                None => return 0,
            },
            _ => return 0,
        };
        self.add_whole(kind, whole)
    }

    #[inline]
    fn add_whole(&mut self, kind: Whole, whole: i64) -> usize {
        if *self.kind.get_or_insert(kind) == kind {
            self.wholes.push(whole);
            return size_of::<i64>();
        }
        self.others.push(kind.datum(whole));
        size_of::<Datum>()
    }

    fn add_float(&mut self, float: f64) -> usize {
        if float.is_nan() {
            return 0;
        }
        self.floats.push(float);
        size_of::<f64>()
    }

    fn merge(&mut self, other: Self) {
        self.floats.extend(other.floats);
        self.others.extend(other.others);
        match (self.kind, other.kind) {
            (_, None) => {}
            (None, kind) => (self.kind, self.wholes) = (kind, other.wholes),
            (Some(kind), Some(its)) if kind == its => self.wholes.extend(other.wholes),
            (Some(_), Some(its)) => {
                self.others.extend(other.wholes.into_iter().map(|whole| its.datum(whole)));
            }
        }
    }

    fn at(&mut self, percent: i64) -> Datum {
        let count = self.wholes.len() + self.floats.len() + self.others.len();
        let Some(place) = place(percent, count) else { return Datum::Missing };
        let kind = self.kind.unwrap_or(Whole::Number(Unit::Plain));
        if self.wholes.len() == count {
            let (_, value, _) = self.wholes.select_nth_unstable(place);
            return kind.datum(*value);
        }
        if self.floats.len() == count {
            let (_, value, _) = self.floats.select_nth_unstable_by(place, f64::total_cmp);
            return Datum::Float(*value);
        }
        let mut all: Vec<Datum> = std::mem::take(&mut self.others);
        all.extend(self.wholes.drain(..).map(|whole| kind.datum(whole)));
        all.extend(self.floats.drain(..).map(Datum::Float));
        let (_, value, _) = all.select_nth_unstable_by(place, |a, b| a.order(b, false));
        value.clone()
    }
}

/// The place, from 0, of the quantile among `count` sorted values.
fn place(percent: i64, count: usize) -> Option<usize> {
    let last = count.checked_sub(1)?;
    let product = i128::from(percent) * i128::try_from(count).ok()?;
    let hundred = 100 * i128::from(PERCENT);
    let rank = usize::try_from((product + hundred - 1) / hundred).ok()?;
    Some(rank.saturating_sub(1).min(last))
}

impl States for Quantile {
    fn grow(&mut self, groups: usize) {
        self.lists.resize_with(groups, List::default);
    }

    fn add(&mut self, group: usize, value: Value<'_>, _: (i64, RecordId)) {
        if let Some(list) = self.lists.get_mut(group) {
            self.grown += list.add(value);
        }
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        merge_each(&mut self.lists, other.lists, map, List::merge);
    }

    fn finish(&mut self, group: usize) -> Datum {
        self.lists.get_mut(group).map_or(Datum::Missing, |list| list.at(self.percent))
    }

    fn grown(&mut self) -> usize {
        std::mem::take(&mut self.grown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_is_the_nearest_one_above() {
        for (percent, count, want) in [
            (50, 1, 0),
            (50, 2, 0),
            (50, 3, 1),
            (95, 20, 18),
            (95, 21, 19),
            (0, 5, 0),
            (100, 5, 4),
            (99, 100, 98),
        ] {
            assert_eq!(place(percent * PERCENT, count), Some(want), "p{percent} of {count}");
        }
        assert_eq!(place(99_900_000, 1000), Some(998));
        assert_eq!(place(50, 0), None);
    }
}
