//! Head of a block: its names, the shapes of its rows, and where its columns lie.
//!
//! ```text
//!   0     4  crc     CRC-32 of (segment id u64, number of the block u32, the rest)
//!   4     1  codec   of the body, see `column`
//!   5        raw size of the body (varint), body
//!
//! body: varints
//!   fixed    bytes of the columns time, sequence, writer, arrived, import, shape, rare; 0 = absent
//!   names    count, then length and bytes each
//!   columns  count, then number of the name, content, bytes
//!   content  0 values, 1 each value is its row's time, 2 to 5 it is that as a text, in units of 1, 10^3, 10^6 or 10^9 ns
//!   shapes   count, then count and numbers of names each: the fields of a row, in order
//! ```
//!
//! The columns lie before the head, one after the other, in the order of this list. A row's shape says
//! which fields it has and in which order they were set, so a column holds only the values that there are.
//! A name without a column is rare: its values are in the column `rare`, one text of bytes for each row
//! that has any, as fields of a row (see `record`) whose names are 128 + the number of the name.

use std::collections::HashMap;
use std::ops::Range;

use crate::column::codec::{Codec, Packer, Unpacker};
use crate::format::{crc, u32_at, varint};
use crate::value::Value;

/// Columns that every row has, but the last, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fixed {
    Time,
    Sequence,
    Writer,
    Arrived,
    Import,
    Shape,
    Rare,
}

/// How many fixed columns there are.
pub(crate) const FIXED_COUNT: usize = 7;
/// All of them.
pub(crate) const FIXED: [Fixed; FIXED_COUNT] =
    [Fixed::Time, Fixed::Sequence, Fixed::Writer, Fixed::Arrived, Fixed::Import, Fixed::Shape, Fixed::Rare];

/// What a column of a name holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Values,
    /// Each value is the time of its row, as an integer.
    Time,
    /// Each value is the time of its row as a text: a decimal number of nanoseconds, or of what [`UNITS`] says.
    Spelled(usize),
}

/// Nanoseconds of the units in which times are spelled as plain numbers.
pub(crate) const UNITS: [i64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];

impl Content {
    fn number(self) -> u64 {
        match self {
            Self::Values => 0,
            Self::Time => 1,
            Self::Spelled(unit) => 2 + unit as u64,
        }
    }

    fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Values),
            1 => Some(Self::Time),
            number => usize::try_from(number - 2).ok().filter(|unit| *unit < UNITS.len()).map(Self::Spelled),
        }
    }

    /// In which ways besides values a column may be kept that has this value in a row of this time: a bit for each
    /// number of a content, from 1 on.
    pub(crate) fn fitting(value: Value<'_>, time: i64) -> u8 {
        match value {
            Value::Int(int) => u8::from(int == time),
            Value::Str(text) => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                // Only a number as it is printed: `007`, `+7` and `-0` are other texts.
                let printed = digits.len() <= 19
                    && match digits.as_bytes() {
                        [b'0'] => digits.len() == text.len(),
                        [first, ..] => (b'1'..=b'9').contains(first),
                        [] => false,
                    };
                let Some(number) = printed.then(|| text.parse::<i64>().ok()).flatten() else { return 0 };
                let is = |unit: &i64| time % unit == 0 && time / unit == number;
                (1..).zip(&UNITS).fold(0, |bits, (at, unit)| bits | u8::from(is(unit)) << at)
            }
            _ => 0,
        }
    }

    /// The way for a column whose values all fit.
    pub(crate) fn of(fitting: u8) -> Self {
        let number = if fitting == 0 { 0 } else { u64::from(fitting.trailing_zeros()) + 1 };
        Self::from_number(number).unwrap_or(Self::Values)
    }
}

/// One column of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnEntry {
    pub(crate) name: u32,
    pub(crate) content: Content,
    pub(crate) size: u64,
}

/// The head of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockHead {
    pub(crate) fixed: [u64; FIXED_COUNT],
    pub(crate) names: Vec<String>,
    pub(crate) columns: Vec<ColumnEntry>,
    pub(crate) shapes: Vec<Vec<u32>>,
    /// The number of each name, and its column.
    lookup: HashMap<String, (u32, Option<u32>)>,
    /// The column of each name.
    column_of: Vec<Option<u32>>,
    /// Where each column starts, from the start of the block.
    starts: Vec<u64>,
}

/// Appends the head of a block.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    (segment, block): (u64, u32),
    fixed: &[u64; FIXED_COUNT],
    names: &[&str],
    columns: &[ColumnEntry],
    shapes: &[Box<[u32]>],
) {
    let mut body = Vec::new();
    fixed.iter().for_each(|size| varint::put(&mut body, *size));
    varint::put(&mut body, names.len() as u64);
    for name in names {
        varint::put(&mut body, name.len() as u64);
        body.extend_from_slice(name.as_bytes());
    }
    varint::put(&mut body, columns.len() as u64);
    for column in columns {
        varint::put(&mut body, column.name.into());
        varint::put(&mut body, column.content.number());
        varint::put(&mut body, column.size);
    }
    varint::put(&mut body, shapes.len() as u64);
    for shape in shapes {
        varint::put(&mut body, shape.len() as u64);
        shape.iter().for_each(|name| varint::put(&mut body, (*name).into()));
    }
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let mut packer = Packer::default();
    let (codec, packed) = packer.pack(Codec::Lz4, &body);
    out.push(codec as u8);
    varint::put(out, body.len() as u64);
    out.extend_from_slice(packed);
    let check = crc(&[&segment.to_le_bytes(), &block.to_le_bytes(), &out[start + 4..]]);
    out[start..start + 4].copy_from_slice(&check.to_le_bytes());
}

impl BlockHead {
    /// Reads a head; `None` when the bytes are none, or do not fit the `columns_size` bytes before them.
    pub(crate) fn decode(bytes: &[u8], (segment, block): (u64, u32), columns_size: u64) -> Option<Self> {
        let (_, rest) = bytes.split_at_checked(4)?;
        if u32_at(bytes, 0)? != crc(&[&segment.to_le_bytes(), &block.to_le_bytes(), rest]) {
            return None;
        }
        let (&codec, mut rest) = rest.split_first()?;
        let raw = varint::take(&mut rest)?;
        let mut body = Vec::new();
        let raw = usize::try_from(raw).ok()?;
        Unpacker::default().unpack(Codec::from_tag(codec)?, rest, raw, &mut body)?;
        let mut head = Self::decode_body(&body)?;
        let mut offset = head.fixed.iter().try_fold(0_u64, |sum, size| sum.checked_add(*size))?;
        for column in &head.columns {
            head.starts.push(offset);
            offset = offset.checked_add(column.size)?;
        }
        (offset == columns_size).then_some(head)
    }

    fn decode_body(mut input: &[u8]) -> Option<Self> {
        let input = &mut input;
        let mut head = Self::default();
        for size in &mut head.fixed {
            *size = varint::take(input)?;
        }
        for number in 0..take_count(input)? {
            let len = varint::take(input)?;
            let name = std::str::from_utf8(varint::take_bytes(input, len)?).ok()?;
            head.lookup.insert(name.to_owned(), (number, None));
            head.names.push(name.to_owned());
        }
        let known = |name: u64| u32::try_from(name).ok().filter(|name| (*name as usize) < head.names.len());
        head.column_of = vec![None; head.names.len()];
        for at in 0..take_count(input)? {
            let name = known(varint::take(input)?)?;
            let content = Content::from_number(varint::take(input)?)?;
            head.columns.push(ColumnEntry { name, content, size: varint::take(input)? });
            *head.column_of.get_mut(name as usize)? = Some(at);
            head.lookup.get_mut(head.names.get(name as usize)?)?.1 = Some(at);
        }
        for _ in 0..take_count(input)? {
            let mut shape = Vec::new();
            for _ in 0..take_count(input)? {
                shape.push(known(varint::take(input)?)?);
            }
            head.shapes.push(shape);
        }
        input.is_empty().then_some(head)
    }

    /// The number of a name and its column, if any row of the block has the field.
    pub(crate) fn find(&self, name: &str) -> Option<(u32, Option<u32>)> {
        self.lookup.get(name).copied()
    }

    /// The column of a name; none for a rare one.
    pub(crate) fn column_of(&self, name: u32) -> Option<u32> {
        self.column_of.get(name as usize).copied().flatten()
    }

    /// Where a fixed column lies, from the start of the block.
    pub(crate) fn fixed_range(&self, fixed: Fixed) -> Range<u64> {
        let at = fixed as usize;
        let start = self.fixed.iter().take(at).fold(0, |sum: u64, size| sum.saturating_add(*size));
        start..start.saturating_add(self.fixed.get(at).copied().unwrap_or(0))
    }

    /// Where the column `at` lies, from the start of the block.
    pub(crate) fn column_range(&self, at: u32) -> Range<u64> {
        let start = self.starts.get(at as usize).copied().unwrap_or(0);
        let size = self.columns.get(at as usize).map_or(0, |column| column.size);
        start..start.saturating_add(size)
    }

    /// For each shape, whether it has the field.
    pub(crate) fn shapes_with(&self, name: u32) -> Vec<bool> {
        self.shapes.iter().map(|shape| shape.contains(&name)).collect()
    }

    /// For each shape, whether it has a field without a column.
    pub(crate) fn shapes_with_rare(&self) -> Vec<bool> {
        let rare = |name: &u32| self.column_of(*name).is_none();
        self.shapes.iter().map(|shape| shape.iter().any(rare)).collect()
    }
}

/// A count of things that take a byte each at least.
fn take_count(input: &mut &[u8]) -> Option<u32> {
    let count = varint::take(input).filter(|count| *count <= input.len() as u64)?;
    u32::try_from(count).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded() -> Vec<u8> {
        let mut out = Vec::new();
        let columns = [
            ColumnEntry { name: 1, content: Content::Values, size: 10 },
            ColumnEntry { name: 0, content: Content::Spelled(3), size: 0 },
        ];
        let shapes = [vec![0, 1].into(), vec![2, 1].into(), vec![].into()];
        encode(&mut out, (7, 3), &[1, 2, 3, 4, 5, 6, 7], &["a", "b", "rare"], &columns, &shapes);
        out
    }

    #[test]
    fn a_head_reads_back() {
        let head = BlockHead::decode(&encoded(), (7, 3), 38).unwrap();
        assert_eq!(head.find("b"), Some((1, Some(0))));
        assert_eq!(head.find("rare"), Some((2, None)));
        assert_eq!(head.find("c"), None);
        assert_eq!(head.fixed_range(Fixed::Rare), 21..28);
        assert_eq!(head.column_range(0), 28..38);
        assert_eq!(head.column_range(1), 38..38);
        assert_eq!(head.shapes_with(1), [true, true, false]);
        assert_eq!(head.shapes_with_rare(), [false, true, false]);
    }

    #[test]
    fn a_column_is_kept_as_times_only_if_all_of_its_values_print_the_same() {
        let time = 1_700_000_000_000_000_000;
        let of = |values: &[(Value<'_>, i64)]| {
            Content::of(
                values.iter().fold(u8::MAX, |all, (value, time)| all & Content::fitting(*value, *time)),
            )
        };
        let text = Value::Str;
        assert_eq!(of(&[(Value::Int(time), time), (Value::Int(0), 0)]), Content::Time);
        assert_eq!(of(&[(text("1700000000"), time), (text("-3"), -3_000_000_000)]), Content::Spelled(3));
        assert_eq!(of(&[(text("0"), 0), (text("1700000000000"), time)]), Content::Spelled(2));
        assert_eq!(of(&[(text("1700000000000000000"), time)]), Content::Spelled(0));
        let lowest = i64::MIN.to_string();
        assert_eq!(of(&[(text(&lowest), i64::MIN)]), Content::Spelled(0));
        for (odd, time) in [
            ("01700000000", time),
            ("+1700000000", time),
            ("1700000000.0", time),
            ("1700000000", time + 1),
            ("-0", 0),
            ("", 0),
            ("-", 0),
            ("00", 0),
            ("99999999999999999999", time),
        ] {
            assert_eq!(of(&[(text(odd), time)]), Content::Values, "{odd}");
        }
        assert_eq!(of(&[(Value::Int(0), 0), (text("0"), 0)]), Content::Values);
        assert_eq!(of(&[(Value::Number("0"), 0)]), Content::Values);
    }

    #[test]
    fn a_head_of_another_block_or_with_a_flipped_bit_does_not_pass() {
        let good = encoded();
        assert_eq!(BlockHead::decode(&good, (7, 4), 38), None);
        assert_eq!(BlockHead::decode(&good, (7, 3), 39), None);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(BlockHead::decode(&bad, (7, 3), 38), None, "bit {bit}");
        }
    }
}
