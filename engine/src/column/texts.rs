//! Texts: how the values of a page lie side by side when they are texts, or of several kinds.
//!
//! ```text
//! form    u8: 0 mixed; 1 split (see `split`); else the kind of all values: 5 number literal, 6 text,
//!         7 bytes, 8 JSON; plus 16 if a pattern follows (see `pattern`), plus 32 if templates follow (see
//!         `templates`)
//! plain   the texts one after the other, their lengths (see `bits`), bits of a length u8
//! mixed   each value as a field without a name (number 0), see `record`
//! ```
//!
//! The lengths stand behind the texts, so that an unpacked page becomes the decoded text in place. UTF-8 is
//! checked once a page.

use super::bits;
use super::pattern::Pattern;
use super::split::{self, Split};
use super::templates::Templates;
use crate::format::varint;
use crate::record;
use crate::value::Value;

const MIXED: u8 = 0;
const SPLIT: u8 = 1;
const PATTERN: u8 = 16;
const TEMPLATES: u8 = 32;

/// Which kind of value texts are; the numbers are stored, and are those of `record`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum TextKind {
    Number = 5,
    Str = 6,
    Bytes = 7,
    Json = 8,
}

impl TextKind {
    const fn from_tag(tag: u8) -> Option<Self> {
        Some(match tag {
            5 => Self::Number,
            6 => Self::Str,
            7 => Self::Bytes,
            8 => Self::Json,
            _ => return None,
        })
    }
}

impl TextKind {
    /// A text as a value of this kind; bytes come as the text that they are.
    pub(crate) fn value(self, text: &str) -> Value<'_> {
        match self {
            Self::Number => Value::Number(text),
            Self::Str => Value::Str(text),
            Self::Bytes => Value::Bytes(text.as_bytes()),
            Self::Json => Value::Json(text),
        }
    }
}

/// How the values of a page lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain(TextKind),
    Pattern(TextKind, Pattern),
    Templates(TextKind, Templates),
    /// The form of the texts is one of the two above.
    Split(Box<Self>),
    Mixed,
}

impl Form {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Mixed => out.push(MIXED),
            Self::Split(texts) => {
                out.push(SPLIT);
                texts.write(out);
            }
            Self::Plain(kind) => out.push(*kind as u8),
            Self::Pattern(kind, pattern) => {
                out.push(*kind as u8 + PATTERN);
                pattern.write(out);
            }
            Self::Templates(kind, templates) => {
                out.push(*kind as u8 + TEMPLATES);
                templates.write(out);
            }
        }
    }

    pub(crate) fn read(input: &mut &[u8]) -> Option<Self> {
        let rest = input.get(1..)?;
        match *input.first()? {
            MIXED => {
                *input = rest;
                Some(Self::Mixed)
            }
            SPLIT => {
                *input = rest;
                let texts = Self::read_texts(input).filter(|texts| texts.kind() == Some(TextKind::Str))?;
                Some(Self::Split(Box::new(texts)))
            }
            _ => Self::read_texts(input),
        }
    }

    /// Reads a form of texts of one kind.
    fn read_texts(input: &mut &[u8]) -> Option<Self> {
        let (&tag, rest) = input.split_first()?;
        *input = rest;
        if tag < PATTERN {
            return Some(Self::Plain(TextKind::from_tag(tag)?));
        }
        if TEMPLATES <= tag {
            let kind = TextKind::from_tag(tag - TEMPLATES).filter(|kind| *kind != TextKind::Bytes)?;
            return Some(Self::Templates(kind, Templates::read(input)?));
        }
        let kind = TextKind::from_tag(tag - PATTERN)?;
        let pattern = Pattern::read(input)?;
        (kind == TextKind::Bytes || pattern.is_utf8()).then_some(Self::Pattern(kind, pattern))
    }

    /// The kind of all values.
    pub(crate) fn kind(&self) -> Option<TextKind> {
        match self {
            Self::Plain(kind) | Self::Pattern(kind, _) | Self::Templates(kind, _) => Some(*kind),
            Self::Split(_) | Self::Mixed => None,
        }
    }
}

/// Consecutive texts in one buffer.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where the first one begins.
    pub(crate) start: usize,
    /// Where each one ends.
    pub(crate) ends: &'a [usize],
}

impl<'a> Run<'a> {
    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> {
        let mut start = self.start;
        self.ends.iter().map(move |&end| {
            let text = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            text
        })
    }

    /// The text at a position.
    pub(crate) fn get(self, at: usize) -> &'a [u8] {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let range = start.unwrap_or(self.start)..self.ends.get(at).copied().unwrap_or(0);
        self.bytes.get(range).unwrap_or_default()
    }

    /// The texts of a range of positions.
    pub(crate) fn part(self, range: std::ops::Range<usize>) -> Self {
        let before = range.start.checked_sub(1).and_then(|at| self.ends.get(at));
        Self {
            start: before.copied().unwrap_or(self.start),
            ends: self.ends.get(range).unwrap_or_default(),
            ..self
        }
    }

    /// All bytes of the texts.
    pub(crate) fn whole(&self) -> &'a [u8] {
        let end = self.ends.last().copied().unwrap_or(self.start);
        self.bytes.get(self.start..end).unwrap_or_default()
    }

    /// Replaces what `out` holds by the page of these texts. The form must be one of theirs.
    pub(crate) fn write(self, form: &Form, out: &mut Vec<u8>) {
        out.clear();
        match form {
            Form::Pattern(_, pattern) => self.iter().for_each(|text| pattern.put(text, out)),
            Form::Templates(_, templates) => templates.put(self, out),
            Form::Mixed => out.extend_from_slice(self.whole()),
            Form::Split(form) => {
                let split = Split::of(self).unwrap_or_default();
                split.run().write(form, out);
                bits::pack(out, split::WIDTH, split.kinds.iter().map(|kind| u64::from(*kind)));
            }
            Form::Plain(_) => {
                out.extend_from_slice(self.whole());
                let longest = self.iter().map(<[u8]>::len).max().unwrap_or(0);
                let width = bits::width(longest as u64);
                bits::pack(out, width, self.iter().map(|text| text.len() as u64));
                out.push(u8::try_from(width).unwrap_or(64));
            }
        }
    }
}

/// Texts, or values of several kinds, that own their bytes.
#[derive(Default)]
pub(crate) struct Texts {
    /// `None`: each value is a field (see `record`), or they are split.
    kind: Option<TextKind>,
    /// What each value is, if they are split.
    kinds: Vec<u8>,
    text: String,
    /// Bytes that need not be UTF-8: mixed values, and `TextKind::Bytes`.
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn kind(&self) -> Option<TextKind> {
        self.kind
    }

    /// The value at a position.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<Value<'_>> {
        let range = self.range(at)?;
        match self.kind {
            Some(TextKind::Bytes) => Some(Value::Bytes(self.bytes.get(range)?)),
            Some(kind) => Some(kind.value(self.text.get(range)?)),
            None if self.kinds.is_empty() => field(self.bytes.get(range)?),
            None => Some(split::value(*self.kinds.get(at)?, self.text.get(range)?)),
        }
    }

    /// The text at a position; empty for bytes, for mixed values and past the end.
    #[inline]
    pub(crate) fn str(&self, at: usize) -> &str {
        let range = self.range(at).filter(|_| self.kind.is_some());
        range.and_then(|range| self.text.get(range)).unwrap_or_default()
    }

    #[inline]
    fn range(&self, at: usize) -> Option<std::ops::Range<usize>> {
        let end = *self.ends.get(at)?;
        let start = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        Some(start..end)
    }

    /// Empties it for values of one kind, or for fields.
    pub(crate) fn clear(&mut self, kind: Option<TextKind>) {
        self.kind = kind;
        self.kinds.clear();
        self.text.clear();
        self.bytes.clear();
        self.ends.clear();
    }

    /// Appends a text that `print` writes; for a kind that is UTF-8.
    pub(crate) fn push_with(&mut self, print: impl FnOnce(&mut String)) {
        print(&mut self.text);
        self.ends.push(self.text.len());
    }

    /// Appends a value as a field; for mixed ones.
    pub(crate) fn push_field(&mut self, value: Value<'_>) {
        put_field(&mut self.bytes, value);
        self.ends.push(self.bytes.len());
    }

    /// Replaces all by the `count` values of an unpacked page. `None` when the page is not that.
    pub(crate) fn decode(&mut self, form: &Form, count: usize, page: &mut Vec<u8>) -> Option<()> {
        self.clear(form.kind());
        match form {
            Form::Plain(_) | Form::Pattern(..) | Form::Templates(..) => self.decode_texts(form, count, page),
            Form::Split(texts) => {
                let size = page.len().checked_sub(bits::size(count, split::WIDTH))?;
                let kind = |kind: u64| u8::try_from(kind).unwrap_or(split::NULL);
                bits::unpack(page.get(size..)?, split::WIDTH, count, &mut self.kinds, kind)?;
                page.truncate(size);
                let held = self.kinds.iter().filter(|kind| **kind != split::NULL).count();
                self.decode_texts(texts, held, page)?;
                split::spread(&mut self.ends, &self.kinds);
                Some(())
            }
            Form::Mixed => {
                let mut input = page.as_slice();
                for _ in 0..count {
                    record::take_field(&mut input).filter(|field| field.name == 0)?.value()?;
                    self.ends.push(page.len() - input.len());
                }
                if !input.is_empty() {
                    return None;
                }
                std::mem::swap(&mut self.bytes, page);
                Some(())
            }
        }
    }

    fn decode_texts(&mut self, form: &Form, count: usize, page: &mut Vec<u8>) -> Option<()> {
        match form {
            Form::Plain(kind) => {
                self.plain(count, page)?;
                self.adopt(*kind, page)
            }
            Form::Pattern(kind, pattern) => {
                pattern.decode(page, count, &mut self.bytes)?;
                self.ends.extend((1..=count).map(|at| at * pattern.len()));
                std::mem::swap(&mut self.bytes, page);
                self.adopt(*kind, page)
            }
            Form::Templates(kind, templates) => {
                templates.decode(page, count, &mut self.bytes, &mut self.ends)?;
                std::mem::swap(&mut self.bytes, page);
                self.adopt(*kind, page)
            }
            Form::Split(_) | Form::Mixed => None,
        }
    }

    /// Reads the lengths off the end of a page and cuts them off.
    fn plain(&mut self, count: usize, page: &mut Vec<u8>) -> Option<()> {
        let (&width, rest) = page.split_last()?;
        let width = u32::from(width);
        let size = rest.len().checked_sub(bits::size(count, width))?;
        let (texts, lens) = rest.split_at_checked(size)?;
        let len = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
        bits::unpack(lens, width, count, &mut self.ends, len)?;
        let mut end = 0_usize;
        for place in &mut self.ends {
            end = end.checked_add(*place)?;
            *place = end;
        }
        if end != texts.len() {
            return None;
        }
        page.truncate(size);
        Some(())
    }

    /// Takes over the bytes of all texts, whose ends are known; gives the buffer held before in return.
    fn adopt(&mut self, kind: TextKind, bytes: &mut Vec<u8>) -> Option<()> {
        if kind == TextKind::Bytes {
            std::mem::swap(&mut self.bytes, bytes);
            return Some(());
        }
        let spare = std::mem::take(&mut self.text);
        self.text = String::from_utf8(std::mem::take(bytes)).ok()?;
        *bytes = spare.into_bytes();
        let whole = self.text.is_ascii() || self.ends.iter().all(|&end| self.text.is_char_boundary(end));
        whole.then_some(())
    }

    /// Collects values of a run: of one kind, or mixed fields.
    pub(crate) fn collect<'t>(kind: Option<TextKind>, texts: impl Iterator<Item = &'t [u8]>) -> Self {
        let mut all = Self { kind, ..Self::default() };
        let mut bytes = Vec::new();
        for text in texts {
            bytes.extend_from_slice(text);
            all.ends.push(bytes.len());
        }
        match kind {
            Some(TextKind::Number | TextKind::Str | TextKind::Json) => {
                all.text = String::from_utf8(bytes)
                    .unwrap_or_else(|_| panic!("BUG: texts of a kind that is UTF-8 are not"));
            }
            Some(TextKind::Bytes) | None => all.bytes = bytes,
        }
        all
    }

    /// All of them, as they would be written.
    pub(crate) fn run(&self) -> Run<'_> {
        let bytes = match self.kind {
            Some(TextKind::Bytes) | None => self.bytes.as_slice(),
            Some(_) => self.text.as_bytes(),
        };
        Run { bytes, start: 0, ends: &self.ends }
    }
}

/// The texts of one buffer that end at these places.
pub(crate) fn strs<'t>(text: &'t str, ends: &'t [usize]) -> impl ExactSizeIterator<Item = &'t str> + Clone {
    let mut start = 0;
    ends.iter().map(move |&end| {
        let one = text.get(start..end).unwrap_or_default();
        start = end;
        one
    })
}

/// Appends a value as a field without a name.
pub(crate) fn put_field(out: &mut Vec<u8>, value: Value<'_>) {
    record::put_field(out, 0, value);
}

/// The value of such a field.
pub(crate) fn field(mut bytes: &[u8]) -> Option<Value<'_>> {
    record::take_field(&mut bytes)?.value()
}

/// Reads a count that the caller bounds.
pub(crate) fn take_count(input: &mut &[u8], max: u64) -> Option<usize> {
    usize::try_from(varint::take(input).filter(|count| *count <= max)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(kind: TextKind, count: usize, page: &[u8]) -> Option<usize> {
        let mut texts = Texts::default();
        texts.decode(&Form::Plain(kind), count, &mut page.to_vec())?;
        Some((0..count).filter_map(|at| texts.get(at)).count())
    }

    #[test]
    fn a_text_that_ends_inside_a_character_is_refused() {
        // Two bytes of one character, as one text and as two; then the lengths and their width.
        let (one, two) = ([0xc3, 0xa4, 0b10, 2], [0xc3, 0xa4, 0b11, 1]);
        for (kind, halves) in [(TextKind::Str, None), (TextKind::Json, None), (TextKind::Bytes, Some(2))] {
            assert_eq!(decode(kind, 1, &one), Some(1));
            assert_eq!(decode(kind, 2, &two), halves);
        }
        assert_eq!(decode(TextKind::Str, 1, &[0xff, 0xff, 0b10, 2]), None);
    }

    #[test]
    fn lengths_that_are_not_those_of_the_page_are_refused() {
        assert_eq!(decode(TextKind::Str, 2, &[b'a', b'b', 0b11, 1]), Some(2));
        for (count, page) in [
            (2, &[b'a', 0b11, 1][..]),
            (2, &[b'a', b'b', b'c', 0b11, 1]),
            (1, &[b'a', 1, 65]),
            (1, &[]),
            (9, &[b'a', 1, 1]),
        ] {
            assert_eq!(decode(TextKind::Str, count, page), None, "{page:?}");
        }
        let huge = [&[b'a'][..], &[255; 16], &[64]].concat();
        assert_eq!(decode(TextKind::Str, 2, &huge), None);
    }
}
