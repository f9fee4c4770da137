//! Rollups: what the records of a segment come to, by time and a few fields, counted when it was built.
//!
//! ```text
//! rollups   crc     CRC-32 of (segment id u64, the rest)
//!           fit     bits: the measures whose sums are exact, by their number in [`MEASURES`]
//!           keys    for each of [`KEYS`]: count, then length and bytes of each value: a field of a row (see
//!                   `record`) that is called by the key's number
//!           cubes   count, then each
//!           columns of the cubes, one after the other (see `column`)
//! cube      form    number in [`FORMS`]
//!           combos  count, then each: for each key of the form 0 (missing) or 1 + the number of its value;
//!                   if the form has sums, the measures that are present (bits)
//!           cells   count, then the size of each column: numbers of spans since 1970, numbers of combos,
//!                   records; if the form has sums, the sum of each measure that fits
//! ```
//!
//! All numbers are varints but for the checksum. A key is the value as it is stored, so that a predicate and a group see in a
//! cell what they would see in each of its records: `200` and `"200"` are two values, and an explicit null is one as well.
//! Of a measure it is known whether a record has it, and the sum. A count of tokens that is written in another way than as an
//! integer (`1.5`, `"7"`) is no part of a sum of integers: the measure then does not fit, in the whole segment, and whoever asks
//! for it has to read the records.
//!
//! A cube is there only if it has a cell for eight records or more. One of fewer keys stands in for one that does not fit.

mod count;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::OnceLock;

pub(crate) use count::{Counter, Entry};

use crate::column::{Builder, Column, Effort, GROUP_LEN_MAX, Vector, View};
use crate::column::{GROUPS_MAX, Unit};
use crate::format::{crc, u32_at, varint};
use crate::record;
use crate::value::Value;

/// Fields that a cell is about.
pub(crate) const KEYS: [&str; 6] = ["kind", "level", "status", "model", "operation", "calls"];
/// Fields that a cell sums up.
pub(crate) const MEASURES: [&str; 8] = [
    "prompt_tokens",
    "response_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost",
    "estimated_tokens",
];
const COST: usize = 6;

const KIND: u8 = 1;
const LEVEL: u8 = 1 << 1;
const STATUS: u8 = 1 << 2;
const MODEL: u8 = 1 << 3;
const OPERATION: u8 = 1 << 4;
const CALLS: u8 = 1 << 5;
const ALL: u8 = KIND | LEVEL | STATUS | MODEL | OPERATION | CALLS;

const MINUTE: i64 = 60_000_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What a cube is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Nanoseconds of time that a cell is about; spans begin at 1970, UTC.
    pub(crate) span: i64,
    /// Bits: which of [`KEYS`].
    pub(crate) keys: u8,
    /// Whether it sums up the measures; else it counts records.
    pub(crate) sums: bool,
}

/// The cubes that a segment may have.
pub(crate) const FORMS: [Form; 6] = [
    Form { span: HOUR, keys: ALL, sums: true },
    // Instead of the first where that is too large.
    Form { span: HOUR, keys: MODEL | OPERATION | CALLS, sums: true },
    Form { span: HOUR, keys: KIND | LEVEL | STATUS, sums: false },
    Form { span: DAY, keys: ALL, sums: true },
    Form { span: MINUTE, keys: LEVEL, sums: false },
    Form { span: MINUTE, keys: MODEL, sums: false },
];
/// The place of the cube of all keys by the hour.
const HOURS: usize = 0;
/// The places of those that stand in for it.
const STAND_INS: Range<usize> = 1..3;
/// The place of the cube by the day.
const DAYS: usize = 3;

/// Cells of a cube, at most: what a block of columns holds.
pub(crate) const CELLS_MAX: usize = GROUPS_MAX as usize * GROUP_LEN_MAX;
/// A cube has at most one cell for so many records: one that is larger saves too little.
pub(crate) const RECORDS_PER_CELL: u64 = 8;

/// The values of the keys and which measures are present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Combo {
    /// 0 for what is missing, or 1 + the number of the value.
    pub(crate) keys: [u32; KEYS.len()],
    /// Bits, by the number of the measure.
    pub(crate) present: u8,
}

/// Cells, column by column, in the order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cube {
    /// Place in [`FORMS`].
    pub(crate) form: usize,
    pub(crate) combos: Vec<Combo>,
    /// Spans since 1970.
    pub(crate) starts: Vec<i64>,
    /// The combo of each cell.
    pub(crate) places: Vec<i64>,
    /// Records, 1 at least.
    pub(crate) records: Vec<i64>,
    /// By measure; 0 where the combo has it not, empty where the form has none or the measure does not fit.
    pub(crate) sums: [Vec<i64>; MEASURES.len()],
}

/// All cubes of a segment.
#[derive(Debug, Default)]
pub(crate) struct Rollups {
    /// Bits: the measures that are exact.
    pub(crate) fit: u8,
    /// The values of each key, as fields of a row.
    values: [Vec<Vec<u8>>; KEYS.len()],
    cubes: Vec<Slot>,
}

/// A cube, and where its columns are until it is asked for.
#[derive(Debug)]
struct Slot {
    form: usize,
    combos: Vec<Combo>,
    cells: usize,
    columns: Vec<Range<usize>>,
    read: OnceLock<Option<Cube>>,
}

impl Form {
    fn has(&self, key: usize) -> bool {
        self.keys >> key & 1 != 0
    }

    /// The names of its keys.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        KEYS.into_iter().enumerate().filter(|(at, _)| self.has(*at)).map(|(_, name)| name)
    }

    /// What is left of a combo.
    fn project(&self, combo: &Combo) -> Combo {
        let mut left = Combo { present: if self.sums { combo.present } else { 0 }, ..Combo::default() };
        for (at, (to, from)) in left.keys.iter_mut().zip(combo.keys).enumerate() {
            *to = if self.has(at) { from } else { 0 };
        }
        left
    }
}

/// Whether the bit of a measure is set.
pub(crate) fn is_set(bits: u8, measure: usize) -> bool {
    bits >> measure & 1 != 0
}

impl Cube {
    /// The columns, in the order in which they are kept.
    fn columns(&self, fit: u8) -> Vec<&Vec<i64>> {
        let sums =
            self.sums.iter().enumerate().filter(|(at, _)| self.has_sums(fit, *at)).map(|(_, sums)| sums);
        [&self.starts, &self.places, &self.records].into_iter().chain(sums).collect()
    }

    fn has_sums(&self, fit: u8, measure: usize) -> bool {
        FORMS.get(self.form).is_some_and(|form| form.sums) && is_set(fit, measure)
    }
}

/// The rollups as the segment `id` holds them.
pub(crate) fn encode(
    id: u64,
    fit: u8,
    values: &[Vec<Vec<u8>>; KEYS.len()],
    cubes: &[Cube],
    effort: Effort,
) -> Vec<u8> {
    let mut out = vec![0; 4];
    varint::put(&mut out, fit.into());
    for values in values {
        varint::put(&mut out, values.len() as u64);
        for value in values {
            varint::put(&mut out, value.len() as u64);
            out.extend_from_slice(value);
        }
    }
    varint::put(&mut out, cubes.len() as u64);
    let mut chunks = Vec::new();
    for cube in cubes {
        let Some(form) = FORMS.get(cube.form) else { continue };
        varint::put(&mut out, cube.form as u64);
        varint::put(&mut out, cube.combos.len() as u64);
        for combo in &cube.combos {
            let keys = combo.keys.iter().enumerate().filter(|(at, _)| form.has(*at));
            keys.for_each(|(_, key)| varint::put(&mut out, (*key).into()));
            if form.sums {
                varint::put(&mut out, combo.present.into());
            }
        }
        varint::put(&mut out, cube.starts.len() as u64);
        for column in cube.columns(fit) {
            let chunk = encode_column(column, effort);
            varint::put(&mut out, chunk.len() as u64);
            chunks.push(chunk);
        }
    }
    chunks.iter().for_each(|chunk| out.extend_from_slice(chunk));
    let check = crc(&[&id.to_le_bytes(), out.get(4..).unwrap_or_default()]);
    if let Some(place) = out.first_chunk_mut::<4>() {
        *place = check.to_le_bytes();
    }
    out
}

fn encode_column(ints: &[i64], effort: Effort) -> Vec<u8> {
    let mut builder = Builder::default();
    for group in ints.chunks(GROUP_LEN_MAX) {
        group.iter().for_each(|int| builder.push(Value::Int(*int)));
        builder.end_group();
    }
    builder.finish(effort)
}

impl Rollups {
    /// Reads what is no column of the rollups of the segment `id`; `None` when the bytes are none.
    pub(crate) fn decode(bytes: &[u8], id: u64) -> Option<Self> {
        let (_, rest) = bytes.split_at_checked(4)?;
        if u32_at(bytes, 0)? != crc(&[&id.to_le_bytes(), rest]) {
            return None;
        }
        Self::decode_body(rest).map(|mut rollups| {
            // What was read so far is without the checksum.
            let columns = rollups.cubes.iter_mut().flat_map(|slot| &mut slot.columns);
            columns.for_each(|range| *range = range.start + 4..range.end + 4);
            rollups
        })
    }

    fn decode_body(body: &[u8]) -> Option<Self> {
        let mut input = body;
        let input = &mut input;
        let mut rollups = Self { fit: u8::try_from(varint::take(input)?).ok()?, ..Self::default() };
        for (key, values) in (0..).zip(&mut rollups.values) {
            for _ in 0..take_count(input)? {
                let len = varint::take(input)?;
                let value = varint::take_bytes(input, len)?;
                let mut rest = value;
                let field = record::take_field(&mut rest)?;
                if field.name != key || !rest.is_empty() || field.value().is_none() {
                    return None;
                }
                values.push(value.to_vec());
            }
        }
        let mut sizes = Vec::new();
        for _ in 0..take_count(input)? {
            let (slot, columns) = rollups.take_slot(input)?;
            rollups.cubes.push(slot);
            sizes.push(columns);
        }
        let mut at = body.len() - input.len();
        for (slot, sizes) in rollups.cubes.iter_mut().zip(sizes) {
            for size in sizes {
                let end = at.checked_add(usize::try_from(size).ok()?)?;
                slot.columns.push(at..end);
                at = end;
            }
        }
        (at == body.len()).then_some(rollups)
    }

    fn take_slot(&self, input: &mut &[u8]) -> Option<(Slot, Vec<u64>)> {
        let number = usize::try_from(varint::take(input)?).ok()?;
        let form = FORMS.get(number)?;
        let mut combos = Vec::new();
        for _ in 0..take_count(input)? {
            let mut combo = Combo::default();
            for (at, (key, values)) in combo.keys.iter_mut().zip(&self.values).enumerate() {
                if form.has(at) {
                    *key = u32::try_from(varint::take(input)?).ok()?;
                    if values.len() < *key as usize {
                        return None;
                    }
                }
            }
            if form.sums {
                combo.present = u8::try_from(varint::take(input)?).ok()?;
            }
            combos.push(combo);
        }
        let cells = usize::try_from(varint::take(input)?).ok().filter(|cells| *cells <= CELLS_MAX)?;
        let columns = 3 + if form.sums { self.fit.count_ones() as usize } else { 0 };
        let sizes = (0..columns).map(|_| varint::take(input)).collect::<Option<_>>()?;
        let read = OnceLock::new();
        Some((Slot { form: number, combos, cells, columns: Vec::new(), read }, sizes))
    }

    /// Whether these are what a recount of the segment's records gives; `bytes` are those that they were read from.
    pub(crate) fn are(&self, bytes: &[u8], recount: Counter, records: u64) -> bool {
        let (fit, values, cubes) = recount.finish(true);
        let recounted = |cube: &Cube| cubes.iter().find(|other| other.form == cube.form) == Some(cube);
        let forms = |forms: Vec<usize>| forms.into_iter().filter(|form| *form != DAYS).collect::<Vec<_>>();
        fit == self.fit
            && values == self.values
            && forms(self.cubes.iter().map(|slot| slot.form).collect())
                == forms(cubes.iter().map(|cube| cube.form).collect())
            && (0..self.cubes.len()).all(|at| self.cube(at, bytes, records).is_some_and(recounted))
    }

    /// The forms that there are, and how many cells each has.
    pub(crate) fn forms(&self) -> impl Iterator<Item = (usize, &'static Form, usize)> {
        self.cubes.iter().enumerate().filter_map(|(at, slot)| Some((at, FORMS.get(slot.form)?, slot.cells)))
    }

    /// A cube, read when it is first asked for; `bytes` are those that the rollups were read from. None where its columns do not
    /// read, or do not hold as many records as the segment.
    pub(crate) fn cube(&self, at: usize, bytes: &[u8], records: u64) -> Option<&Cube> {
        let slot = self.cubes.get(at)?;
        slot.read.get_or_init(|| slot.decode(self.fit, bytes, records)).as_ref()
    }

    /// The values of all keys, as fields of a row.
    pub(crate) fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.values.iter().flatten().map(Vec::as_slice)
    }

    /// The value of a key in a combo; `None` for what is missing.
    pub(crate) fn value(&self, combo: &Combo, key: usize) -> Option<Value<'_>> {
        let number = combo.keys.get(key)?.checked_sub(1)?;
        let mut field = self.values.get(key)?.get(number as usize)?.as_slice();
        record::take_field(&mut field)?.value()
    }
}

impl Slot {
    fn decode(&self, fit: u8, bytes: &[u8], records: u64) -> Option<Cube> {
        let form = FORMS.get(self.form)?;
        let mut cube = Cube { form: self.form, combos: self.combos.clone(), ..Cube::default() };
        let mut columns =
            self.columns.iter().map(|range| decode_column(bytes.get(range.clone())?, self.cells));
        let mut next = || columns.next().flatten();
        (cube.starts, cube.places, cube.records) = (next()?, next()?, next()?);
        let sums = cube.sums.iter_mut().enumerate().filter(|(at, _)| form.sums && is_set(fit, *at));
        for (_, sums) in sums {
            *sums = next()?;
        }
        let combos = i64::try_from(cube.combos.len()).ok()?;
        let spans = i64::MIN.div_euclid(form.span)..=i64::MAX.div_euclid(form.span);
        let counted = cube.records.iter().try_fold(0_u64, |sum, records| {
            sum.checked_add(u64::try_from(*records).ok().filter(|records| *records != 0)?)
        });
        let holds = cube.starts.is_sorted()
            && cube.starts.iter().all(|start| spans.contains(start))
            && cube.places.iter().all(|place| (0..combos).contains(place))
            && counted == Some(records);
        holds.then_some(cube)
    }
}

fn decode_column(chunk: &[u8], cells: usize) -> Option<Vec<i64>> {
    let column = Column::open(chunk).ok().filter(|column| column.len() as usize == cells)?;
    let dictionary = match column.kind() {
        crate::column::Kind::Dictionary => Some(column.dictionary().ok()?),
        _ => None,
    };
    let mut ints = Vec::with_capacity(cells);
    let mut vector = Vector::default();
    for group in 0..column.groups() {
        column.read(group, &mut vector).ok()?;
        match vector.view() {
            View::Ints(Unit::Int, held) => ints.extend_from_slice(held),
            _ => {
                for at in 0..vector.len() {
                    let Some(Value::Int(int)) = vector.get(at, dictionary.as_ref()) else { return None };
                    ints.push(int);
                }
            }
        }
    }
    Some(ints)
}

/// A count of things that take a byte each at least, so that a lying one cannot make anybody allocate.
fn take_count(input: &mut &[u8]) -> Option<u64> {
    varint::take(input).filter(|count| *count <= input.len() as u64)
}
