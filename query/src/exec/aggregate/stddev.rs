//! `stddev`: the standard deviation of a sample, from exact sums of values and squares; of one value it is missing.

use logq_engine::{RecordId, Value};

use super::exact::ExactSum;
use super::numbers::{ByUnit, Part, Total, part};
use super::{States, merge_each};
use crate::datum::Datum;

#[derive(Default)]
pub(in crate::exec) struct Stddev {
    moments: Vec<ByUnit<Moments>>,
}

#[derive(Clone, Debug, Default)]
struct Moments {
    total: Total,
    squares: Option<Box<ExactSum>>,
    /// A square is beyond what a float holds.
    overflow: bool,
}

impl Moments {
    fn add(&mut self, part: &Part) {
        self.total.add(part);
        let squares = self.squares.get_or_insert_default();
        let float = match part {
            Part::Int(int) => match int.checked_mul(*int) {
                Some(square) => return squares.add_int(square),
                None => super::numbers_to_f64(*int),
            },
            Part::Float(float) => *float,
        };
        // The square and what rounding cut off it: together they are exact.
        let square = float * float;
        self.overflow |= !square.is_finite();
        squares.add(square);
        squares.add(float.mul_add(float, -square));
    }

    fn merge(&mut self, other: Self) {
        self.total.merge(other.total);
        self.overflow |= other.overflow;
        match (&mut self.squares, other.squares) {
            (Some(squares), Some(more)) => squares.merge(&more),
            (squares @ None, more) => *squares = more,
            (Some(_), None) => {}
        }
    }

    /// The deviation in smallest parts.
    fn finish(&self) -> Option<f64> {
        let count = self.total.count;
        if count < 2 || self.overflow {
            return None;
        }
        // (n * sum of squares - square of sum) / (n * (n - 1)), exact up to the division.
        let squares = self.squares.as_deref()?.magnitude().times(count);
        let sum = self.total.exact().magnitude().squared();
        Some(squares.less(&sum).divided(&[count, count - 1]).sqrt())
    }
}

impl States for Stddev {
    fn grow(&mut self, groups: usize) {
        self.moments.resize_with(groups, ByUnit::default);
    }

    fn add(&mut self, group: usize, value: Value<'_>, _: (i64, RecordId)) {
        if let (Some(moments), Some((unit, part))) = (self.moments.get_mut(group), part(value)) {
            moments.of(unit).add(&part);
        }
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        merge_each(&mut self.moments, other.moments, map, |one, more| one.merge(more, Moments::merge));
    }

    fn finish(&mut self, group: usize) -> Datum {
        let used = self.moments.get(group).map(|m| m.used(|m| m.total.count != 0)).unwrap_or_default();
        match used.as_slice() {
            // Of values in several units there is no one deviation.
            [(unit, moments)] => match moments.finish() {
                Some(deviation) => unit.datum(deviation / super::scale_to_f64(unit.scale())),
                None => Datum::Missing,
            },
            _ => Datum::Missing,
        }
    }
}
