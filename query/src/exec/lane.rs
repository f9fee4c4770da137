//! Lanes: columns of a batch as integers, where they are held so.
//!
//! Sums, quantiles and the computed `total_tokens` work on integers, and a dictionary of integers is looked up
//! once for each entry instead of for each row. Whatever is held in another way is left to the slow path, which
//! looks at values; both give the same answer.

use logq_engine::{Entries, IntUnit, Ints, Lane, NO_CODE, Value};
use std::borrow::Cow;

/// Integers of the rows of a batch, and what they stand for.
pub(super) type Whole<'b> = (IntUnit, Ints<'b>);

/// Dictionaries of the columns behind one named column, as integers: `total_tokens` has three.
pub(super) type Tables = [IntTable; 3];

/// The entries of one dictionary as integers, as far as rows asked for them. A thread meets the dictionary of a
/// block in all of its batches and then never again, so one is enough.
#[derive(Default)]
pub(super) struct IntTable {
    number: Option<u64>,
    unit: Option<IntUnit>,
    ints: Vec<i64>,
    known: Vec<bool>,
    /// Some entry is no integer, or one of another unit.
    unfit: bool,
}

impl IntTable {
    /// A lane of `rows` rows as integers; none where it holds anything else.
    pub(super) fn whole<'b>(&'b mut self, lane: Lane<'b>, rows: usize) -> Option<Whole<'b>> {
        match lane {
            Lane::Ints(unit, ints) => Some((unit, ints)),
            Lane::Codes(codes, entries) => {
                let unit = self.learn(&codes, entries)?;
                Some((unit, Ints { ints: Cow::Borrowed(&self.ints), places: Some(codes) }))
            }
            Lane::Constant(None) => Some((IntUnit::Int, Ints { ints: Cow::Borrowed(&[]), places: None })),
            Lane::Constant(Some(value)) => {
                let (unit, int) = split(value)?;
                Some((unit, Ints { ints: Cow::Owned(vec![int; rows]), places: None }))
            }
            Lane::Values(_) => None,
        }
    }

    /// Looks up the entries of these codes, and says what all of them are.
    fn learn(&mut self, codes: &[u32], entries: Entries<'_>) -> Option<IntUnit> {
        if self.number != Some(entries.number()) {
            *self = Self { number: Some(entries.number()), ..Self::default() };
            self.ints.resize(entries.len(), 0);
            self.known.resize(entries.len(), false);
        }
        if self.unfit {
            return None;
        }
        for &code in codes.iter().filter(|code| **code != NO_CODE) {
            if self.known.get(code as usize).copied().unwrap_or(false) {
                continue;
            }
            let (unit, int) = match entries.get(code).and_then(split) {
                Some((unit, int)) if self.unit.is_none_or(|have| have == unit) => (unit, int),
                _ => {
                    self.unfit = true;
                    return None;
                }
            };
            self.unit = Some(unit);
            if let (Some(slot), Some(known)) =
                (self.ints.get_mut(code as usize), self.known.get_mut(code as usize))
            {
                (*slot, *known) = (int, true);
            }
        }
        Some(self.unit.unwrap_or(IntUnit::Int))
    }
}

/// The integer of a value that is held as one.
fn split(value: Value<'_>) -> Option<(IntUnit, i64)> {
    Some(match value {
        Value::Int(int) => (IntUnit::Int, int),
        Value::Time(ns) => (IntUnit::Time, ns),
        Value::Duration(ns) => (IntUnit::Duration, ns),
        Value::Cost(nano) => (IntUnit::Cost, nano),
        _ => return None,
    })
}

/// Prompt and response, or the event's own total where it has neither: as `total_tokens` of values. None where a
/// value is no plain integer, or a sum is none.
pub(super) fn total(parts: [Lane<'_>; 3], tables: &mut Tables, rows: usize) -> Option<Whole<'static>> {
    let [prompt, response, total] = parts;
    let [of_prompt, of_response, of_total] = tables;
    let plain = |whole: &Whole<'_>| whole.0 == IntUnit::Int;
    let (_, prompt) = of_prompt.whole(prompt, rows).filter(plain)?;
    let (_, response) = of_response.whole(response, rows).filter(plain)?;
    let total = of_total.whole(total, rows).filter(plain).map(|(_, ints)| ints);
    if let (None, None) = (&prompt.places, &response.places)
        && prompt.ints.len() == rows
        && response.ints.len() == rows
    {
        let both = prompt.ints.iter().zip(response.ints.iter());
        let sums: Option<Vec<i64>> = both.map(|(prompt, response)| prompt.checked_add(*response)).collect();
        return Some((IntUnit::Int, Ints { ints: Cow::Owned(sums?), places: None }));
    }
    let mut sums = Vec::with_capacity(rows);
    let mut missing: Vec<usize> = Vec::new();
    for row in 0..rows {
        sums.push(match (prompt.get(row), response.get(row)) {
            (Some(prompt), Some(response)) => prompt.checked_add(response)?,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => total.as_ref()?.get(row).unwrap_or_else(|| {
                missing.push(row);
                0
            }),
        });
    }
    let places = (!missing.is_empty()).then(|| {
        let mut places: Vec<u32> = (0..u32::try_from(rows).unwrap_or(NO_CODE)).collect();
        for row in missing {
            if let Some(place) = places.get_mut(row) {
                *place = NO_CODE;
            }
        }
        Cow::Owned(places)
    });
    Some((IntUnit::Int, Ints { ints: Cow::Owned(sums), places }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(list: &[Option<i64>]) -> Lane<'static> {
        let places = (0..).zip(list).map(|(at, int)| if int.is_some() { at } else { NO_CODE }).collect();
        let ints = list.iter().map(|int| int.unwrap_or(77)).collect();
        Lane::Ints(IntUnit::Int, Ints { ints: Cow::Owned(ints), places: Some(Cow::Owned(places)) })
    }

    #[test]
    fn a_total_is_of_what_is_there() {
        let prompt = ints(&[Some(1), None, Some(3), None, None]);
        let response = ints(&[Some(10), Some(20), None, None, None]);
        let own = ints(&[Some(5), Some(5), Some(5), Some(5), None]);
        let (unit, sums) = total([prompt, response, own], &mut Tables::default(), 5).unwrap();
        assert_eq!(unit, IntUnit::Int);
        let got: Vec<_> = (0..5).map(|row| sums.get(row)).collect();
        assert_eq!(got, [Some(11), Some(20), Some(3), Some(5), None]);
    }

    #[test]
    fn a_total_that_is_no_integer_is_left_to_values() {
        let full = |int| ints(&[Some(int)]);
        let none = || Lane::Constant(None);
        let mut tables = Tables::default();
        assert!(total([full(i64::MAX), full(1), none()], &mut tables, 1).is_none());
        assert!(total([full(i64::MAX), full(0), none()], &mut tables, 1).is_some());
        assert!(total([Lane::Values(&[]), full(0), none()], &mut tables, 1).is_none());
        let time = Lane::Constant(Some(Value::Time(5)));
        assert!(total([time, full(0), none()], &mut tables, 1).is_none());
        // The event's own total is asked for only where it counts.
        assert!(total([full(1), none(), Lane::Values(&[])], &mut tables, 1).is_some());
        assert!(total([none(), none(), Lane::Values(&[])], &mut tables, 1).is_none());
    }

    #[test]
    fn constants_are_integers_of_every_row() {
        let mut table = IntTable::default();
        let (unit, ints) = table.whole(Lane::Constant(Some(Value::Duration(7))), 3).unwrap();
        assert_eq!(
            (unit, ints.get(0), ints.get(2), ints.get(3)),
            (IntUnit::Duration, Some(7), Some(7), None)
        );
        let (_, ints) = table.whole(Lane::Constant(None), 3).unwrap();
        assert_eq!(ints.get(0), None);
        assert!(table.whole(Lane::Constant(Some(Value::Str("7"))), 3).is_none());
        assert!(table.whole(Lane::Constant(Some(Value::Null)), 3).is_none());
    }
}
