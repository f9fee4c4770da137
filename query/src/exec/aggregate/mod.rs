//! Aggregates: what a measure computes for each group. One file for each.
//!
//! An aggregate holds the states of all groups of one measure. Merging two of them is commutative and associative, and
//! finishing looks at no order, so an answer does not depend on how records are split among threads.

mod approx_distinct;
mod approx_quantile;
mod avg;
mod calls;
mod count;
mod distinct;
mod edge;
mod exact;
mod extreme;
mod histogram;
mod list;
mod numbers;
mod quantile;
mod share;
mod stddev;
mod sum;
mod unique_values;

use logq_engine::{Entries, IntUnit, Ints, RecordId, Value};

pub(super) use self::numbers::Unit;
use super::slices::Slice;
use crate::datum::Datum;
use crate::functions::Function;
use crate::plan::{Measure, Nothing};

/// So many groups of a batch are added up in place before their states are touched.
const FEW_GROUPS: usize = 64;

/// The rows of a batch that a measure looks at, and the group of each.
pub(super) struct Rows<'r> {
    /// Places in the batch.
    pub(super) rows: &'r [u32],
    /// The group of each of them.
    pub(super) groups: &'r [u32],
    /// The group of all of them, where it is known to be one.
    pub(super) one: Option<u32>,
    /// The times of all rows of the batch, where a measure asks for them.
    pub(super) times: &'r [i64],
    /// The ids of all rows of the batch, where a measure asks for them.
    pub(super) ids: &'r [RecordId],
}

impl Rows<'_> {
    /// Where a row stands in the order of records.
    #[inline]
    fn at(&self, row: usize) -> (i64, RecordId) {
        let id = self.ids.get(row).copied().unwrap_or(RecordId { writer: 0, sequence: 0 });
        (self.times.get(row).copied().unwrap_or(0), id)
    }

    /// Shows the integer of each row that has one, and the row's group.
    #[inline]
    fn each_int(&self, ints: &Ints<'_>, mut visit: impl FnMut(usize, i64)) {
        let rows = self.rows.iter().zip(self.groups);
        let list = ints.ints.as_ref();
        if list.is_empty() {
            return;
        }
        match &ints.places {
            // These are all rows of the batch.
            None if list.len() == self.rows.len() => {
                self.groups.iter().zip(list).for_each(|(group, int)| visit(*group as usize, *int));
            }
            None => rows.for_each(|(row, group)| {
                if let Some(int) = list.get(*row as usize) {
                    visit(*group as usize, *int);
                }
            }),
            Some(places) => rows.for_each(|(row, group)| {
                let place = places.get(*row as usize).map_or(usize::MAX, |place| *place as usize);
                if let Some(int) = list.get(place) {
                    visit(*group as usize, *int);
                }
            }),
        }
    }

    /// Adds up integers: shows each group, how many there are, and their sum. The sums of a group may come in
    /// pieces.
    fn each_sum(&self, ints: &Ints<'_>, mut visit: impl FnMut(usize, u64, i128)) {
        match self.one {
            Some(group) => {
                let (mut count, mut sum) = (0, 0);
                self.each_int(ints, |_, int| {
                    count += 1;
                    sum += i128::from(int);
                });
                if count != 0 {
                    visit(group as usize, count, sum);
                }
            }
            None => match self.few_groups() {
                Some(first) => {
                    let mut sums = [(0, 0); FEW_GROUPS];
                    self.each_int(ints, |group, int| {
                        if let Some((count, sum)) = sums.get_mut(group.wrapping_sub(first)) {
                            *count += 1;
                            *sum += i128::from(int);
                        }
                    });
                    let used = (first..).zip(sums).filter(|(_, (count, _))| *count != 0);
                    used.for_each(|(group, (count, sum))| visit(group, count, sum));
                }
                None => self.each_int(ints, |group, int| visit(group, 1, i128::from(int))),
            },
        }
    }

    /// The first group, where all of them lie close together.
    fn few_groups(&self) -> Option<usize> {
        let (first, last) = (self.groups.iter().min()?, self.groups.iter().max()?);
        let (first, last) = (*first as usize, *last as usize);
        (last - first < FEW_GROUPS).then_some(first)
    }
}

/// What records of one cell of a rollup come to for a measure.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counted<'v> {
    /// So many rows.
    Rows(u64),
    /// A sum of so many integers.
    Sum(Unit, u64, i128),
    /// A value that all of them have, for measures to which it does not matter how often.
    Value(Value<'v>),
}

/// The states of one measure for every group.
trait States: Sized {
    /// Makes room for this many groups.
    fn grow(&mut self, groups: usize);
    /// Takes a present value of a group.
    fn add(&mut self, group: usize, value: Value<'_>, at: (i64, RecordId));
    /// Takes in the states of another thread; `map` gives this one's group for each of the other's.
    fn merge(&mut self, other: Self, map: &[u32]);
    /// The result for a group.
    fn finish(&mut self, group: usize) -> Datum;
    /// Bytes that values took on the heap since the last call, about.
    fn grown(&mut self) -> usize {
        0
    }
}

/// The states of one measure, whichever its function.
pub(super) enum Aggregate {
    Count(count::Count),
    Calls(calls::Calls),
    Sum(sum::Sum),
    Avg(avg::Avg),
    Extreme(extreme::Extreme),
    Quantile(quantile::Quantile),
    Stddev(stddev::Stddev),
    Distinct(distinct::Distinct),
    Edge(edge::Edge),
    Share(share::Share),
    List(list::List),
    UniqueValues(unique_values::UniqueValues),
    Histogram(histogram::Histogram),
    ApproxDistinct(approx_distinct::ApproxDistinct),
    ApproxQuantile(approx_quantile::ApproxQuantile),
}

macro_rules! each {
    ($aggregate:expr, $states:ident => $body:expr) => {
        match $aggregate {
            Aggregate::Count($states) => $body,
            Aggregate::Calls($states) => $body,
            Aggregate::Sum($states) => $body,
            Aggregate::Avg($states) => $body,
            Aggregate::Extreme($states) => $body,
            Aggregate::Quantile($states) => $body,
            Aggregate::Stddev($states) => $body,
            Aggregate::Distinct($states) => $body,
            Aggregate::Edge($states) => $body,
            Aggregate::Share($states) => $body,
            Aggregate::List($states) => $body,
            Aggregate::UniqueValues($states) => $body,
            Aggregate::Histogram($states) => $body,
            Aggregate::ApproxDistinct($states) => $body,
            Aggregate::ApproxQuantile($states) => $body,
        }
    };
}

impl Aggregate {
    /// The states of no group yet, for a pass that takes this slice.
    pub(super) fn new(measure: &Measure, slice: &Slice) -> Self {
        match measure.function {
            Function::Count => Self::Count(count::Count::default()),
            Function::Calls => Self::Calls(calls::Calls::default()),
            Function::Sum => Self::Sum(sum::Sum::new(measure.nothing == Nothing::Zero)),
            Function::Avg => Self::Avg(avg::Avg::default()),
            Function::Min | Function::Any => Self::Extreme(extreme::Extreme::smallest()),
            Function::Max => Self::Extreme(extreme::Extreme::largest()),
            Function::Quantile(percent) => Self::Quantile(quantile::Quantile::new(percent)),
            Function::Stddev => Self::Stddev(stddev::Stddev::default()),
            Function::Distinct => Self::Distinct(distinct::Distinct::of_slice(slice)),
            Function::First => Self::Edge(edge::Edge::first()),
            Function::Last => Self::Edge(edge::Edge::last()),
            Function::Rate if measure.argument.is_some() => Self::Sum(sum::Sum::new(true)),
            Function::Rate => Self::Count(count::Count::default()),
            Function::List => Self::List(list::List::default()),
            Function::UniqueValues => Self::UniqueValues(unique_values::UniqueValues::default()),
            Function::Histogram => Self::Histogram(histogram::Histogram::default()),
            Function::ApproxDistinct => Self::ApproxDistinct(approx_distinct::ApproxDistinct::default()),
            Function::ApproxQuantile(percent) => {
                Self::ApproxQuantile(approx_quantile::ApproxQuantile::new(percent))
            }
            Function::Share => Self::Share(share::Share::new(measure.argument.is_some())),
        }
    }

    /// Whether a pass takes only some of its values, so that each pass adds to it.
    pub(super) fn is_cut_by_values(&self) -> bool {
        matches!(self, Self::Distinct(_))
    }

    /// Makes room for the values of the next pass.
    pub(super) fn settle(&mut self) {
        if let Self::Distinct(states) = self {
            states.settle();
        }
    }

    pub(super) fn grow(&mut self, groups: usize) {
        each!(self, states => states.grow(groups));
    }

    /// Takes the rows of a batch; without a column it counts rows.
    pub(super) fn update(&mut self, rows: &Rows<'_>, column: Option<&[Option<Value<'_>>]>) {
        match (self, column) {
            (Self::Count(states), None) => states.count_rows(rows),
            (Self::Share(states), None) => states.count_rows(rows),
            (_, None) => {}
            (Self::Calls(states), Some(column)) => states.add_column(rows, column),
            (aggregate, Some(column)) => each!(aggregate, states => {
                for (row, group) in rows.rows.iter().zip(rows.groups) {
                    let row = *row as usize;
                    let value = column.get(row).copied().flatten().filter(|value| *value != Value::Null);
                    if let Some(value) = value {
                        states.add(*group as usize, value, rows.at(row));
                    }
                }
            }),
        }
    }

    /// The same for a column of integers.
    pub(super) fn update_ints(&mut self, rows: &Rows<'_>, unit: IntUnit, ints: &Ints<'_>) {
        match self {
            Self::Count(states) => states.count_ints(rows, ints),
            Self::Calls(states) => states.add_ints(rows, unit, ints),
            Self::Sum(states) => states.add_ints(rows, unit, ints),
            Self::Avg(states) => states.add_ints(rows, unit, ints),
            Self::Quantile(states) => states.add_ints(rows, unit, ints),
            aggregate => each!(aggregate, states => {
                for (row, group) in rows.rows.iter().zip(rows.groups) {
                    let row = *row as usize;
                    if let Some(value) = ints.get(row).and_then(|int| unit.value(int)) {
                        states.add(*group as usize, value, rows.at(row));
                    }
                }
            }),
        }
    }

    /// Whether it can tell more from codes than from the values that they stand for.
    pub(super) fn takes_codes(&self) -> bool {
        matches!(self, Self::Distinct(_))
    }

    /// The same for a column of codes.
    pub(super) fn update_codes(&mut self, rows: &Rows<'_>, codes: &[u32], entries: Entries<'_>) {
        if let Self::Distinct(states) = self {
            states.add_codes(rows, codes, entries);
        }
    }

    /// Takes what a cell of a rollup counts.
    pub(super) fn update_counted(&mut self, group: usize, counted: Counted<'_>) {
        match (self, counted) {
            (Self::Count(states), Counted::Rows(rows) | Counted::Sum(_, rows, _)) => {
                states.count_many(group, rows);
            }
            (Self::Calls(states), Counted::Rows(calls)) => states.more(group, calls),
            (Self::Share(states), Counted::Rows(rows)) => states.count_many(group, rows),
            (Self::Share(states), Counted::Sum(unit, count, sum)) => states.add_many(group, unit, count, sum),
            (Self::Sum(states), Counted::Sum(unit, count, sum)) => states.add_many(group, unit, count, sum),
            (Self::Avg(states), Counted::Sum(unit, count, sum)) => states.add_many(group, unit, count, sum),
            (aggregate, Counted::Value(value)) => {
                let nowhere = (0, RecordId { writer: 0, sequence: 0 });
                each!(aggregate, states => states.add(group, value, nowhere));
            }
            _ => panic!("BUG: a measure that rollups do not have"),
        }
    }

    pub(super) fn merge(&mut self, other: Self, map: &[u32]) {
        macro_rules! same {
            ($($kind:ident),*) => {
                match (self, other) {
                    $((Self::$kind(states), Self::$kind(other)) => states.merge(other, map),)*
                    _ => panic!("BUG: partial results of one query have the same measures"),
                }
            };
        }
        same!(
            Count,
            Calls,
            Sum,
            Avg,
            Extreme,
            Quantile,
            Stddev,
            Distinct,
            Edge,
            Share,
            List,
            UniqueValues,
            Histogram,
            ApproxDistinct,
            ApproxQuantile
        );
    }

    pub(super) fn finish(&mut self, group: usize) -> Datum {
        each!(self, states => states.finish(group))
    }

    pub(super) fn grown(&mut self) -> usize {
        each!(self, states => states.grown())
    }
}

/// Merges lists of states: each of `other` into its place in `into`.
fn merge_each<T: Default>(into: &mut Vec<T>, other: Vec<T>, map: &[u32], mut merge: impl FnMut(&mut T, T)) {
    for (state, group) in other.into_iter().zip(map) {
        let group = *group as usize;
        if into.len() <= group {
            into.resize_with(group + 1, T::default);
        }
        if let Some(place) = into.get_mut(group) {
            merge(place, state);
        }
    }
}

/// An integer beyond what multiplies exactly, as the nearest float.
#[expect(clippy::cast_precision_loss, reason = "the nearest float is what is asked for")]
fn numbers_to_f64(int: i128) -> f64 {
    int as f64
}

/// The parts of a unit: a power of ten that a float holds exactly.
#[expect(clippy::cast_precision_loss, reason = "at most 10^9")]
fn scale_to_f64(scale: u64) -> f64 {
    scale as f64
}
