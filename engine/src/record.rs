//! Row codec: the bytes of one record inside a frame, and of the names that a frame's rows share.
//!
//! ```text
//! payload   count of names (varint), names (varint length, bytes), rows (varint length, row)
//! row       time i64 (ns since 1970, little-endian), fields to the end of the row
//! field     name (varint: 1 ..= 127 a known field, 128 + n the frame's n-th name), tag u8, value
//! value     0 null  1 false  2 true  3 integer (zigzag varint)  4 float (8 bytes)  5 number literal
//!           6 text  7 bytes  8 JSON  9 time  10 duration  11 cost (9-11 zigzag varint)  12 level (rank u8)
//!           5-8: varint length, bytes
//! ```
//!
//! Names are shared within a frame and never across frames, so that a damaged frame costs only itself
//! and frames can be decoded in any order, on any thread. Decoding is total: any bytes give a value or `None`.

use crate::field;
use crate::format::varint;
use crate::level::Level;
use crate::value::Value;

/// First number of a name that the frame itself defines.
pub(crate) const CUSTOM_BASE: u64 = field::KNOWN_MAX as u64 + 1;

const TAG_NULL: u8 = 0;
const TAG_FALSE: u8 = 1;
const TAG_TRUE: u8 = 2;
const TAG_INT: u8 = 3;
const TAG_FLOAT: u8 = 4;
const TAG_NUMBER: u8 = 5;
const TAG_STR: u8 = 6;
const TAG_BYTES: u8 = 7;
const TAG_JSON: u8 = 8;
const TAG_TIME: u8 = 9;
const TAG_DURATION: u8 = 10;
const TAG_COST: u8 = 11;
const TAG_LEVEL: u8 = 12;

/// Appends one field.
pub(crate) fn put_field(row: &mut Vec<u8>, name: u64, value: Value<'_>) {
    varint::put(row, name);
    match value {
        Value::Null => row.push(TAG_NULL),
        Value::Bool(false) => row.push(TAG_FALSE),
        Value::Bool(true) => row.push(TAG_TRUE),
        Value::Int(int) => put_signed(row, TAG_INT, int),
        Value::Float(float) => {
            row.push(TAG_FLOAT);
            row.extend_from_slice(&float.to_bits().to_le_bytes());
        }
        Value::Number(text) => put_bytes(row, TAG_NUMBER, text.as_bytes()),
        Value::Str(text) => put_bytes(row, TAG_STR, text.as_bytes()),
        Value::Bytes(bytes) => put_bytes(row, TAG_BYTES, bytes),
        Value::Json(text) => put_bytes(row, TAG_JSON, text.as_bytes()),
        Value::Time(ns) => put_signed(row, TAG_TIME, ns),
        Value::Duration(ns) => put_signed(row, TAG_DURATION, ns),
        Value::Cost(nano) => put_signed(row, TAG_COST, nano),
        Value::Level(level) => row.extend_from_slice(&[TAG_LEVEL, level as u8]),
    }
}

fn put_signed(row: &mut Vec<u8>, tag: u8, value: i64) {
    row.push(tag);
    varint::put_signed(row, value);
}

fn put_bytes(row: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    row.push(tag);
    varint::put(row, bytes.len() as u64);
    row.extend_from_slice(bytes);
}

/// A field as it lies in a row: name and tag are read, the value not yet.
#[derive(Clone, Copy)]
pub(crate) struct RawField<'a> {
    pub(crate) name: u64,
    tag: u8,
    bytes: &'a [u8],
}

impl<'a> RawField<'a> {
    /// The value; `None` when the bytes are not one.
    #[inline]
    pub(crate) fn value(&self) -> Option<Value<'a>> {
        let mut input = self.bytes;
        Some(match self.tag {
            TAG_NULL => Value::Null,
            TAG_FALSE => Value::Bool(false),
            TAG_TRUE => Value::Bool(true),
            TAG_INT => Value::Int(varint::take_signed(&mut input)?),
            TAG_FLOAT => Value::Float(f64::from_bits(u64::from_le_bytes(self.bytes.try_into().ok()?))),
            TAG_NUMBER => Value::Number(std::str::from_utf8(self.bytes).ok()?),
            TAG_STR => Value::Str(std::str::from_utf8(self.bytes).ok()?),
            TAG_BYTES => Value::Bytes(self.bytes),
            TAG_JSON => Value::Json(std::str::from_utf8(self.bytes).ok()?),
            TAG_TIME => Value::Time(varint::take_signed(&mut input)?),
            TAG_DURATION => Value::Duration(varint::take_signed(&mut input)?),
            TAG_COST => Value::Cost(varint::take_signed(&mut input)?),
            TAG_LEVEL => Value::Level(Level::from_rank(*self.bytes.first()?)?),
            _ => return None,
        })
    }
}

/// Takes the next field off the front of a row's fields; `None` at the end and on bytes that are no field.
#[inline]
pub(crate) fn take_field<'a>(fields: &mut &'a [u8]) -> Option<RawField<'a>> {
    let name = varint::take(fields)?;
    let (&tag, rest) = fields.split_first()?;
    *fields = rest;
    let bytes = match tag {
        TAG_NULL | TAG_FALSE | TAG_TRUE => &[],
        TAG_INT | TAG_TIME | TAG_DURATION | TAG_COST => {
            let start = *fields;
            varint::take(fields)?;
            start.get(..start.len() - fields.len())?
        }
        TAG_FLOAT => varint::take_bytes(fields, 8)?,
        TAG_NUMBER | TAG_STR | TAG_BYTES | TAG_JSON => {
            let len = varint::take(fields)?;
            varint::take_bytes(fields, len)?
        }
        TAG_LEVEL => varint::take_bytes(fields, 1)?,
        _ => return None,
    };
    Some(RawField { name, tag, bytes })
}

/// The names and rows of one frame's payload.
#[derive(Clone, Default)]
pub(crate) struct Payload<'a> {
    names: Vec<&'a str>,
    rows: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Reads the names; the rows stay as they are. `None` when the bytes are no payload.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut input = bytes;
        let count = varint::take(&mut input)?;
        // A name takes at least one byte, so a lying count cannot make us allocate.
        if (input.len() as u64) < count {
            return None;
        }
        let mut names = Vec::with_capacity(usize::try_from(count).ok()?);
        for _ in 0..count {
            let len = varint::take(&mut input)?;
            names.push(std::str::from_utf8(varint::take_bytes(&mut input, len)?).ok()?);
        }
        Some(Self { names, rows: input })
    }

    /// The names that this frame defines, by number from [`CUSTOM_BASE`].
    pub(crate) fn names(&self) -> &[&'a str] {
        &self.names
    }

    /// The name behind a field's number.
    pub(crate) fn name(&self, number: u64) -> Option<&'a str> {
        match number.checked_sub(CUSTOM_BASE) {
            Some(at) => self.names.get(usize::try_from(at).ok()?).copied(),
            None => field::name(u32::try_from(number).ok()?),
        }
    }

    /// Takes the next row: its time and its fields.
    #[inline]
    pub(crate) fn take_row(&mut self) -> Option<(i64, &'a [u8])> {
        let len = varint::take(&mut self.rows)?;
        let row = varint::take_bytes(&mut self.rows, len)?;
        let (time, fields) = row.split_first_chunk::<8>()?;
        Some((i64::from_le_bytes(*time), fields))
    }

    /// Whether every row was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
