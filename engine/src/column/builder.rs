//! Collects the values of one column of one block, a typed arena for each sort of value.
//!
//! While all values are of one kind, which is nearly always, a value costs a push into one arena. From the
//! first value of another kind on, a tag each says where the next one lies.

use std::ops::Range;

use super::decimal::Decimals;
use super::dedup::Pool;
use super::encode::Encoder;
use super::texts::{Run, TextKind, put_field};
use super::{Effort, GROUP_LEN_MAX, GROUPS_MAX, Unit};
use crate::level::Level;
use crate::value::Value;

/// A text from this size on may repeat a part of another one.
const LONG_TEXT: usize = 512;
/// Texts of a column that come to less are not worth the look.
const LONG_TEXTS_SIZE_MIN: usize = 16 << 10;

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Null,
    Float,
    Int(Unit),
    Text(TextKind),
}

impl Tag {
    #[inline]
    fn of(value: &Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Int(Unit::Bool),
            Value::Int(_) => Self::Int(Unit::Int),
            Value::Float(_) => Self::Float,
            Value::Number(_) => Self::Text(TextKind::Number),
            Value::Str(_) => Self::Text(TextKind::Str),
            Value::Bytes(_) => Self::Text(TextKind::Bytes),
            Value::Json(_) => Self::Text(TextKind::Json),
            Value::Time(_) => Self::Int(Unit::Time),
            Value::Duration(_) => Self::Int(Unit::Duration),
            Value::Cost(_) => Self::Int(Unit::Cost),
            Value::Level(_) => Self::Int(Unit::Level),
        }
    }
}

/// How much lies in each arena at some point.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    values: usize,
    ints: usize,
    texts: usize,
    bytes: usize,
}

/// The values of one column of one block, group by group. See the module.
#[derive(Default)]
pub(crate) struct Builder {
    /// The kind of all values so far, while there is one.
    only: Option<Tag>,
    /// The kind of each value, once there are two.
    tags: Vec<Tag>,
    len: usize,
    /// Integers of every unit, and the bits of floats.
    ints: Vec<i64>,
    text: String,
    text_ends: Vec<usize>,
    bytes: Vec<u8>,
    bytes_ends: Vec<usize>,
    /// The end of each group.
    marks: Vec<Mark>,
}

impl Builder {
    /// Appends a value to the group that is open.
    #[inline]
    pub(crate) fn push(&mut self, value: Value<'_>) {
        let tag = Tag::of(&value);
        if self.only != Some(tag) {
            self.note(tag);
        }
        self.len += 1;
        match value {
            Value::Null => {}
            Value::Bool(value) => self.ints.push(i64::from(value)),
            Value::Level(level) => self.ints.push(i64::from(level as u8)),
            Value::Float(float) => self.ints.push(float.to_bits().cast_signed()),
            Value::Int(int) | Value::Time(int) | Value::Duration(int) | Value::Cost(int) => {
                self.ints.push(int);
            }
            Value::Number(text) | Value::Str(text) | Value::Json(text) => {
                self.text.push_str(text);
                self.text_ends.push(self.text.len());
            }
            Value::Bytes(bytes) => {
                self.bytes.extend_from_slice(bytes);
                self.bytes_ends.push(self.bytes.len());
            }
        }
    }

    /// Takes note of a kind that is not the only one so far.
    fn note(&mut self, tag: Tag) {
        match self.only.take() {
            None if self.len == 0 => self.only = Some(tag),
            None => self.tags.push(tag),
            Some(only) => {
                self.tags.resize(self.len, only);
                self.tags.push(tag);
            }
        }
    }

    /// Ends the group: the values since the last call, which may be none.
    pub(crate) fn end_group(&mut self) {
        let mark = self.mark();
        let before = self.marks.last().map_or(0, |mark| mark.values);
        assert!(mark.values - before <= GROUP_LEN_MAX, "BUG: a group of {} values", mark.values - before);
        self.marks.push(mark);
        assert!(self.marks.len() <= GROUPS_MAX as usize, "BUG: a block of {} groups", self.marks.len());
    }

    fn mark(&self) -> Mark {
        Mark {
            values: self.len,
            ints: self.ints.len(),
            texts: self.text_ends.len(),
            bytes: self.bytes_ends.len(),
        }
    }

    /// Values held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Empties it for the next block; the allocations stay.
    pub(crate) fn clear(&mut self) {
        self.only = None;
        self.tags.clear();
        self.len = 0;
        self.ints.clear();
        self.text.clear();
        self.text_ends.clear();
        self.bytes.clear();
        self.bytes_ends.clear();
        self.marks.clear();
    }

    /// Encodes the values in the smallest way that is found.
    pub(crate) fn finish(&self, effort: Effort) -> Vec<u8> {
        let ended = self.marks.last().map_or(0, |mark| mark.values);
        assert!(ended == self.len, "BUG: the last group is not ended");
        let encoder = Encoder::new(self.groups(), effort);
        match self.only {
            Some(Tag::Int(unit)) => encoder.ints(unit, &self.ints),
            Some(Tag::Float) => encoder.floats(&self.ints),
            Some(Tag::Text(TextKind::Bytes)) => encoder.texts(TextKind::Bytes, self.bytes_run()),
            Some(Tag::Text(TextKind::Number)) => encoder.numbers(&self.text, self.text_run()),
            Some(Tag::Text(kind)) => encoder.texts(kind, self.text_run()),
            Some(Tag::Null) => encoder.constant(Value::Null),
            None if self.len == 0 => encoder.constant(Value::Null),
            None => self.finish_mixed(encoder),
        }
    }

    /// Whether most of what it holds are long texts, which may repeat each other.
    pub(crate) fn has_long_texts(&self) -> bool {
        let lens = |ends: &[usize]| {
            let starts = std::iter::once(0).chain(ends.iter().copied());
            starts.zip(ends).map(|(start, end)| end - start).filter(|len| LONG_TEXT <= *len).sum::<usize>()
        };
        let size = self.text.len() + self.bytes.len();
        let other = self.ints.len() * size_of::<i64>();
        LONG_TEXTS_SIZE_MIN <= size
            && other <= size
            && size <= 2 * (lens(&self.text_ends) + lens(&self.bytes_ends))
    }

    /// Encodes the values as ranges of the pool, if that is clearly smaller than `size`.
    pub(crate) fn finish_shared(&self, effort: Effort, size: usize, pool: &mut Pool) -> Option<Vec<u8>> {
        // What takes so little has repeated itself near by.
        if size * 16 <= self.text.len() + self.bytes.len() {
            return None;
        }
        let encoder = Encoder::new(self.groups(), effort);
        pool.begin();
        let bytes = match self.only {
            Some(Tag::Text(TextKind::Bytes)) => encoder.shared(Some(TextKind::Bytes), self.bytes_run(), pool),
            Some(Tag::Text(kind)) => encoder.shared(Some(kind), self.text_run(), pool),
            _ => {
                let (bytes, ends) = self.fields();
                encoder.shared(None, Run { bytes: &bytes, start: 0, ends: &ends }, pool)
            }
        };
        // Texts of a page are read faster: ranges must be clearly smaller.
        let small = bytes.filter(|bytes| bytes.len() * 5 < size * 4);
        match small {
            Some(_) => pool.used = true,
            None => pool.take_back(),
        }
        small
    }

    /// All values as fields: their bytes, and where each ends.
    fn fields(&self) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(self.len));
        for value in self.values(0..self.marks.len()) {
            put_field(&mut bytes, value);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn groups(&self) -> Vec<Range<usize>> {
        let starts = std::iter::once(0).chain(self.marks.iter().map(|mark| mark.values));
        starts.zip(&self.marks).map(|(start, mark)| start..mark.values).collect()
    }

    fn finish_mixed(&self, encoder: Encoder) -> Vec<u8> {
        if let Some((decimals, units)) = Decimals::of(self.values(0..self.marks.len())) {
            return encoder.decimals(decimals, &units);
        }
        let (bytes, ends) = self.fields();
        encoder.mixed(Run { bytes: &bytes, start: 0, ends: &ends })
    }

    fn text_run(&self) -> Run<'_> {
        Run { bytes: self.text.as_bytes(), start: 0, ends: &self.text_ends }
    }

    fn bytes_run(&self) -> Run<'_> {
        Run { bytes: &self.bytes, start: 0, ends: &self.bytes_ends }
    }

    /// The values of a range of groups, in order.
    pub(crate) fn values(&self, groups: Range<usize>) -> Values<'_> {
        let before = |group: usize| group.checked_sub(1).and_then(|group| self.marks.get(group)).copied();
        let at = before(groups.start).unwrap_or_default();
        let end = before(groups.end).unwrap_or_default().values;
        Values { builder: self, at, end }
    }
}

/// Values of a builder, in order.
#[derive(Clone)]
pub(crate) struct Values<'b> {
    builder: &'b Builder,
    at: Mark,
    /// Position behind the last one.
    end: usize,
}

impl<'b> Iterator for Values<'b> {
    type Item = Value<'b>;

    fn next(&mut self) -> Option<Value<'b>> {
        if self.end <= self.at.values {
            return None;
        }
        let builder = self.builder;
        let tag = builder.only.or_else(|| builder.tags.get(self.at.values).copied())?;
        self.at.values += 1;
        Some(match tag {
            Tag::Null => Value::Null,
            Tag::Float => Value::Float(f64::from_bits(self.take_int()?.cast_unsigned())),
            Tag::Int(unit) => unit.value(self.take_int()?)?,
            Tag::Text(TextKind::Bytes) => {
                let at = self.at.bytes;
                self.at.bytes += 1;
                Value::Bytes(builder.bytes.get(range(&builder.bytes_ends, at)?)?)
            }
            Tag::Text(kind) => {
                let at = self.at.texts;
                self.at.texts += 1;
                kind.value(builder.text.get(range(&builder.text_ends, at)?)?)
            }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let rest = self.end.saturating_sub(self.at.values);
        (rest, Some(rest))
    }
}

impl ExactSizeIterator for Values<'_> {}

impl Values<'_> {
    fn take_int(&mut self) -> Option<i64> {
        let int = self.builder.ints.get(self.at.ints).copied();
        self.at.ints += 1;
        int
    }
}

fn range(ends: &[usize], at: usize) -> Option<Range<usize>> {
    let start = at.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    Some(start..*ends.get(at)?)
}

impl Unit {
    /// The value that an integer of this unit stands for; `None` where there is none.
    #[inline]
    pub(crate) fn value(self, int: i64) -> Option<Value<'static>> {
        Some(match self {
            Self::Int => Value::Int(int),
            Self::Time => Value::Time(int),
            Self::Duration => Value::Duration(int),
            Self::Cost => Value::Cost(int),
            Self::Level => Value::Level(Level::from_rank(u8::try_from(int).ok()?)?),
            Self::Bool => Value::Bool(match int {
                0 => false,
                1 => true,
                _ => return None,
            }),
        })
    }
}
