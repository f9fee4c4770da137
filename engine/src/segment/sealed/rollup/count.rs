//! Counting records into cubes, in the order of their times.
//!
//! Rows of a segment come in the order of time, so only the cells of one hour are looked up by all keys; when the hour is
//! over they go into the cubes by hour and day. What is too large is given up while it is counted, so that the memory that it
//! takes has a bound.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::{
    CELLS_MAX, COST, Combo, Cube, DAYS, FORMS, Form, HOUR, HOURS, KEYS, MEASURES, RECORDS_PER_CELL,
    STAND_INS, encode,
};
use crate::column::Effort;
use crate::hash::SmallHasher;
use crate::record;
use crate::value::Value;

/// Bytes of the value of a key, at most: longer ones are no names that anybody groups by.
const VALUE_MAX: usize = 256;
/// Values of a key, at most.
const VALUES_MAX: usize = CELLS_MAX;
/// An integer beyond this has no place in a sum: two of them have to fit together.
const INT_MAX: u64 = 1 << 62;

type Places<K> = HashMap<K, u32, BuildHasherDefault<SmallHasher>>;

/// What a record brings to a cube: its fields in the order of [`KEYS`] and [`MEASURES`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entry<'a> {
    pub(crate) time: i64,
    pub(crate) keys: [Option<Value<'a>>; KEYS.len()],
    pub(crate) measures: [Option<Value<'a>>; MEASURES.len()],
}

impl<'a> Entry<'a> {
    /// The place by which [`Entry::set`] knows a field; none of a field that cubes do not look at.
    pub(crate) fn place(name: &str) -> Option<usize> {
        KEYS.iter().chain(&MEASURES).position(|have| *have == name)
    }

    /// Sets a field.
    pub(crate) fn set(&mut self, place: usize, value: Value<'a>) {
        let slot = match place.checked_sub(KEYS.len()) {
            None => self.keys.get_mut(place),
            Some(at) => self.measures.get_mut(at),
        };
        if let Some(slot) = slot {
            *slot = Some(value);
        }
    }
}

/// The numbers of one key's values.
#[derive(Debug, Default)]
struct Values {
    numbers: Places<Vec<u8>>,
    list: Vec<Vec<u8>>,
    /// The value that came last, and its number: runs of the same are common.
    last: (Vec<u8>, u32),
}

/// What records of one combo come to.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    combo: Combo,
    records: i64,
    sums: [i64; MEASURES.len()],
}

/// A cube that is being counted.
#[derive(Debug)]
struct Draft {
    form: &'static Form,
    cube: Cube,
    combos: Places<Combo>,
    /// The span of the cells that came last, and the cell of each of its combos.
    span: Option<i64>,
    cells: Places<u32>,
    /// The combo that came last, and its cell.
    last: Option<(Combo, usize)>,
}

/// Counts records into cubes.
#[derive(Debug)]
pub(crate) struct Counter {
    /// Nobody could use what it counts.
    idle: bool,
    records: u64,
    unfit: u8,
    values: [Values; KEYS.len()],
    hour: Option<i64>,
    places: Places<Combo>,
    cells: Vec<Cell>,
    drafts: [Option<Draft>; FORMS.len()],
    field: Vec<u8>,
}

impl Default for Counter {
    fn default() -> Self {
        let draft = |form: usize| FORMS.get(form).map(|of| Draft::new(form, of));
        Self {
            idle: false,
            records: 0,
            unfit: 0,
            values: Default::default(),
            hour: None,
            places: Places::default(),
            cells: Vec::new(),
            drafts: std::array::from_fn(draft),
            field: Vec::new(),
        }
    }
}

impl Counter {
    /// Takes a record, which is not older than those before it.
    pub(crate) fn push(&mut self, entry: &Entry<'_>) {
        self.records += 1;
        if self.idle {
            return;
        }
        let mut combo = Combo::default();
        for (at, (key, value)) in combo.keys.iter_mut().zip(entry.keys).enumerate() {
            let Some(value) = value else { continue };
            let Some(number) = self.values.get_mut(at).and_then(|v| v.number(at, value, &mut self.field))
            else {
                return self.give_up();
            };
            *key = number;
        }
        let mut ints = [0; MEASURES.len()];
        for (at, (int, value)) in ints.iter_mut().zip(entry.measures).enumerate() {
            match value {
                None | Some(Value::Null) => continue,
                Some(Value::Int(value)) if at != COST && value.unsigned_abs() <= INT_MAX => *int = value,
                Some(Value::Cost(value)) if at == COST && value.unsigned_abs() <= INT_MAX => *int = value,
                Some(_) => self.unfit |= 1 << at,
            }
            combo.present |= 1 << at;
        }
        let hour = entry.time.div_euclid(HOUR);
        if self.hour != Some(hour) {
            self.end_hour();
            self.hour = Some(hour);
        }
        let next = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
        let place = *self.places.entry(combo).or_insert(next);
        if place == next {
            if CELLS_MAX <= self.cells.len() {
                return self.give_up();
            }
            self.cells.push(Cell { combo, ..Cell::default() });
        }
        if let Some(cell) = self.cells.get_mut(place as usize) {
            cell.records += 1;
            add(&mut cell.sums, &ints, &mut self.unfit);
        }
        for draft in &mut self.drafts {
            if let Some(minutes) = draft.as_mut().filter(|draft| draft.form.span < HOUR) {
                let span = entry.time.div_euclid(minutes.form.span);
                minutes.add(span, &Cell { combo, records: 1, ..Cell::default() }, &mut self.unfit);
                if minutes.is_too_large() {
                    *draft = None;
                }
            }
        }
    }

    /// The hour is over: its cells go into the cubes of hours and days.
    fn end_hour(&mut self) {
        let Some(hour) = self.hour.take() else { return };
        for draft in &mut self.drafts {
            let Some(open) = draft.as_mut().filter(|draft| HOUR <= draft.form.span) else { continue };
            let span = hour.div_euclid(open.form.span / HOUR);
            self.cells.iter().for_each(|cell| open.add(span, cell, &mut self.unfit));
            if open.is_too_large() {
                *draft = None;
            }
        }
        self.places.clear();
        self.cells.clear();
        if self.drafts.iter().all(Option::is_none) {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        *self = Self { idle: true, records: self.records, ..Self::default() };
    }

    /// The measures that are exact, the values of keys, and the cubes that are worth it.
    pub(super) fn finish(mut self, archive: bool) -> (u8, [Vec<Vec<u8>>; KEYS.len()], Vec<Cube>) {
        self.end_hour();
        if self.idle {
            return (0, Default::default(), Vec::new());
        }
        let fit = !self.unfit;
        let most = self.records / RECORDS_PER_CELL;
        let worth = |draft: &Draft| (1..=most).contains(&(draft.cube.starts.len() as u64));
        let mut drafts = self.drafts.map(|draft| draft.filter(worth));
        let hours = drafts.get(HOURS).is_some_and(Option::is_some);
        for (at, draft) in drafts.iter_mut().enumerate() {
            if hours && (STAND_INS.contains(&at) || (at == DAYS && !archive)) {
                *draft = None;
            }
        }
        let cube = |draft: Draft| {
            let mut cube = draft.cube;
            for (at, sums) in cube.sums.iter_mut().enumerate() {
                if !draft.form.sums || !super::is_set(fit, at) {
                    sums.clear();
                }
            }
            cube
        };
        let cubes = drafts.into_iter().flatten().map(cube).collect();
        (fit, self.values.map(|values| values.list), cubes)
    }

    /// The rollups as the segment `id` holds them; empty where no cube is worth it.
    pub(crate) fn encode(self, id: u64, archive: bool) -> Vec<u8> {
        let (fit, values, cubes) = self.finish(archive);
        if cubes.is_empty() {
            return Vec::new();
        }
        encode(id, fit, &values, &cubes, if archive { Effort::Cold } else { Effort::Hot })
    }
}

/// Adds integers up; one that is too large for that costs its measure.
fn add(sums: &mut [i64; MEASURES.len()], more: &[i64; MEASURES.len()], unfit: &mut u8) {
    for (at, (sum, more)) in sums.iter_mut().zip(more).enumerate() {
        let (total, over) = sum.overflowing_add(*more);
        *sum = total;
        *unfit |= u8::from(over) << at;
    }
}

impl Values {
    /// 1 + the number of a value; none of one that is too long, or one too many.
    fn number(&mut self, key: usize, value: Value<'_>, field: &mut Vec<u8>) -> Option<u32> {
        field.clear();
        record::put_field(field, key as u64, value);
        if self.last.0 == *field {
            return Some(self.last.1);
        }
        let number = match self.numbers.get(field.as_slice()) {
            Some(number) => *number,
            None if VALUE_MAX < field.len() || VALUES_MAX <= self.list.len() => return None,
            None => {
                self.list.push(field.clone());
                let number = u32::try_from(self.list.len()).ok()?;
                self.numbers.insert(field.clone(), number);
                number
            }
        };
        self.last.0.clone_from(field);
        self.last.1 = number;
        Some(number)
    }
}

impl Draft {
    fn new(form: usize, of: &'static Form) -> Self {
        Self {
            form: of,
            cube: Cube { form, ..Cube::default() },
            combos: Places::default(),
            span: None,
            cells: Places::default(),
            last: None,
        }
    }

    fn is_too_large(&self) -> bool {
        CELLS_MAX < self.cube.starts.len()
    }

    fn add(&mut self, span: i64, cell: &Cell, unfit: &mut u8) {
        if self.span != Some(span) {
            self.span = Some(span);
            self.cells.clear();
            self.last = None;
        }
        let combo = self.form.project(&cell.combo);
        let at = match self.last {
            Some((last, at)) if last == combo => at,
            _ => self.cell(span, combo),
        };
        self.last = Some((combo, at));
        if let Some(records) = self.cube.records.get_mut(at) {
            *records += cell.records;
        }
        if self.form.sums {
            for (measure, (sums, more)) in self.cube.sums.iter_mut().zip(cell.sums).enumerate() {
                let Some(sum) = sums.get_mut(at) else { continue };
                let (total, over) = sum.overflowing_add(more);
                *sum = total;
                *unfit |= u8::from(over) << measure;
            }
        }
    }

    /// The cell of a combo in the current span.
    fn cell(&mut self, span: i64, combo: Combo) -> usize {
        let cube = &mut self.cube;
        let next = u32::try_from(cube.combos.len()).unwrap_or(u32::MAX);
        let place = *self.combos.entry(combo).or_insert(next);
        if place == next {
            cube.combos.push(combo);
        }
        let next = cube.starts.len();
        let at = *self.cells.entry(place).or_insert(u32::try_from(next).unwrap_or(u32::MAX)) as usize;
        if at == next {
            cube.starts.push(span);
            cube.places.push(place.into());
            cube.records.push(0);
            if self.form.sums {
                cube.sums.iter_mut().for_each(|sums| sums.push(0));
            }
        }
        at
    }
}
