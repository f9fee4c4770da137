//! Chooses how the values of a column are stored, and stores them.
//!
//! Sizes decide. They are computed where that is exact and cheap (integers, codes), measured on the whole for
//! the entries of a dictionary, and on a sample for texts.

use std::ops::Range;

use super::bits;
use super::codec::Codec;
use super::decimal::Decimals;
use super::dedup::{self, Pool, Ranges};
use super::distinct::{self, Codes, ENTRIES_MAX};
use super::ints::Frames;
use super::pages;
use super::pattern::Pattern;
use super::split::Split;
use super::templates::Templates;
use super::texts::{Form, Run, TextKind, Texts, put_field};
use super::{
    CONSTANT, CONSTANT_SIZE_MAX, DECIMALS, DICTIONARY, Effort, FLOATS, GROUP_LEN_MAX, INTS, REGULAR, SHARED,
    TEXTS, Unit,
};
use crate::format::{crc, varint};
use crate::value::Value;

/// A page of texts is closed once it holds this much.
const TEXT_PAGE_SIZE: usize = 64 << 10;
/// The same of bodies, and of those of the archive: they are read seldom, and much of what they repeat lies far back.
const BODY_PAGE_SIZE: usize = 256 << 10;
const COLD_BODY_PAGE_SIZE: usize = 1 << 20;
/// Forms are compared on so much text.
const SAMPLE_SIZE: usize = 32 << 10;
/// What the entries of a dictionary take in the table of pages, and a little: the simpler way wins a tie.
const PAGE_HEAD_SIZE: usize = 16;
/// A page of packed integers or codes is closed once it holds this much: small, because a page is verified as
/// a whole.
const PACKED_PAGE_SIZE: usize = 4 << 10;

pub(super) struct Encoder {
    groups: Vec<Range<usize>>,
    effort: Effort,
    head: Vec<u8>,
    pages: pages::Writer,
    raw: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(groups: Vec<Range<usize>>, effort: Effort) -> Self {
        Self { groups, effort, head: Vec::new(), pages: pages::Writer::new(effort.packer()), raw: Vec::new() }
    }

    fn text_codec(&self) -> Codec {
        match self.effort {
            Effort::Hot => Codec::Lz4,
            Effort::Bodies | Effort::Cold | Effort::ColdBodies => Codec::Zstd,
        }
    }

    fn text_page_size(&self) -> usize {
        match self.effort {
            Effort::Hot | Effort::Cold => TEXT_PAGE_SIZE,
            Effort::Bodies => BODY_PAGE_SIZE,
            Effort::ColdBodies => COLD_BODY_PAGE_SIZE,
        }
    }

    /// The codec and page size of packed integers and codes.
    fn packed(&self) -> (Codec, usize) {
        match self.effort {
            Effort::Hot | Effort::Bodies => (Codec::Stored, PACKED_PAGE_SIZE),
            Effort::Cold | Effort::ColdBodies => (Codec::Zstd, TEXT_PAGE_SIZE),
        }
    }

    /// One value, or none, in all groups.
    pub(super) fn constant(mut self, value: Value<'_>) -> Vec<u8> {
        self.begin(CONSTANT);
        put_field(&mut self.head, value);
        self.end()
    }

    pub(super) fn ints(mut self, unit: Unit, values: &[i64]) -> Vec<u8> {
        let frames = Frames::measure(values, self.groups.iter().cloned());
        if let Some(value) = frames.constant().and_then(|int| unit.value(int)) {
            return self.constant(value);
        }
        // Integers know their bounds and are read faster: a dictionary must be half as large. That bounds
        // the number of its entries, and so the search for them.
        let size = frames.size();
        let width_max = u32::try_from(size * 4 / values.len().max(1)).unwrap_or(u32::MAX).min(16);
        let entries_max = if 1 < width_max { 1 << width_max } else { 0 };
        let codes = distinct::codes(values.iter().copied(), distinct::hash_int, entries_max);
        if let Some(codes) = codes {
            let mut entries = Fields::default();
            for &first in &codes.firsts {
                let value = values.get(first).and_then(|int| unit.value(*int));
                entries.push(value.unwrap_or(Value::Null));
            }
            let packed = bits::size(values.len(), code_width(codes.firsts.len())) + entries.bytes.len();
            if packed * 2 + PAGE_HEAD_SIZE < size {
                return self.dictionary(entries.coded(codes));
            }
        }
        self.begin(INTS);
        self.head.push(unit as u8);
        self.frames(&frames, values);
        self.end()
    }

    pub(super) fn floats(mut self, bits: &[i64]) -> Vec<u8> {
        let codes = distinct::codes(bits.iter().copied(), distinct::hash_int, ENTRIES_MAX);
        if let Some(codes) = codes {
            let mut entries = Fields::default();
            for &first in &codes.firsts {
                let bits = bits.get(first).copied().unwrap_or(0).cast_unsigned();
                entries.push(Value::Float(f64::from_bits(bits)));
            }
            let packed = bits::size(bits.len(), code_width(codes.firsts.len())) + entries.bytes.len();
            if packed + PAGE_HEAD_SIZE < bits.len() * 8 {
                return self.dictionary(entries.coded(codes));
            }
        }
        self.begin(FLOATS);
        let codec = self.text_codec();
        self.pages_of(TEXT_PAGE_SIZE, codec, |_, range, raw| {
            let bits = bits.get(range).unwrap_or_default();
            bits.iter().for_each(|bits| raw.extend_from_slice(&bits.to_le_bytes()));
        });
        self.end()
    }

    pub(super) fn numbers(mut self, text: &str, run: Run<'_>) -> Vec<u8> {
        let literals = super::texts::strs(text, run.ends).map(Value::Number);
        let Some((decimals, units)) = Decimals::of(literals) else {
            return self.texts(TextKind::Number, run);
        };
        let frames = Frames::measure(&units, self.groups.iter().cloned());
        let codes = distinct::codes(units.iter().copied(), distinct::hash_int, ENTRIES_MAX);
        let size = |codes: &Codes| {
            let texts = codes.firsts.iter().map(|first| 1 + run.get(*first).len()).sum::<usize>();
            bits::size(units.len(), code_width(codes.firsts.len())) + texts + PAGE_HEAD_SIZE
        };
        match codes {
            Some(codes) if codes.firsts.len() == 1 || size(&codes) < frames.size() => {
                let dictionary = self.entries(Some(TextKind::Number), run, codes);
                self.dictionary(dictionary)
            }
            _ => self.decimal_frames(decimals, &frames, &units),
        }
    }

    /// Numbers of several kinds as decimals.
    pub(super) fn decimals(self, decimals: Decimals, units: &[i64]) -> Vec<u8> {
        let frames = Frames::measure(units, self.groups.iter().cloned());
        self.decimal_frames(decimals, &frames, units)
    }

    fn decimal_frames(mut self, decimals: Decimals, frames: &Frames, units: &[i64]) -> Vec<u8> {
        self.begin(DECIMALS);
        decimals.write(&mut self.head);
        self.frames(frames, units);
        self.end()
    }

    pub(super) fn texts(self, kind: TextKind, run: Run<'_>) -> Vec<u8> {
        self.strings(Some(kind), run)
    }

    pub(super) fn mixed(self, run: Run<'_>) -> Vec<u8> {
        self.strings(None, run)
    }

    fn strings(mut self, kind: Option<TextKind>, run: Run<'_>) -> Vec<u8> {
        let codes = distinct::codes(run.iter(), distinct::hash_bytes, ENTRIES_MAX);
        let mut form = None;
        if let Some(codes) = codes {
            let dictionary = self.entries(kind, run, codes);
            // With sixteen values to an entry there is no need to ask: comparing codes is also what
            // queries like best.
            let distinct = dictionary.entries.len();
            if distinct == 1 || distinct * 16 <= run.ends.len() {
                return self.dictionary(dictionary);
            }
            let plain = self.form(kind, run);
            // The entries lie in one page, which is read as a whole for any of them: if they are many bytes, they have to be half
            // as many as the values at most. A codec that looks far back would make them small in any case.
            let seldom =
                TEXT_PAGE_SIZE < dictionary.entries.run().whole().len() && run.ends.len() < distinct * 2;
            if !seldom && self.entries_size(&dictionary) < self.estimate(&plain, run) {
                return self.dictionary(dictionary);
            }
            form = Some(plain);
        }
        let form = form.unwrap_or_else(|| self.form(kind, run));
        self.begin(TEXTS);
        form.write(&mut self.head);
        let codec = self.text_codec();
        let mut page = Vec::new();
        for groups in cut(&self.groups, self.text_page_size(), |range| run.part(range).whole().len()) {
            run.part(span(&self.groups, &groups)).write(&form, &mut page);
            self.pages.push(groups.len(), codec, &page);
        }
        self.end()
    }

    /// Texts as ranges of the pool, whose part for this column was begun. `None` where texts hardly repeat.
    pub(super) fn shared(mut self, kind: Option<TextKind>, run: Run<'_>, pool: &mut Pool) -> Option<Vec<u8>> {
        let form = match kind {
            Some(kind) => Form::Plain(kind),
            None if Split::of(run).is_some() => Form::Split(Box::new(Form::Plain(TextKind::Str))),
            None => Form::Mixed,
        };
        let mut ranges = Ranges::default();
        let mut page = Vec::new();
        let mut lists = Vec::new();
        for groups in cut(&self.groups, TEXT_PAGE_SIZE, |range| run.part(range).whole().len()) {
            let part = run.part(span(&self.groups, &groups));
            part.write(&form, &mut page);
            if dedup::TEXTS_SIZE_MAX < page.len() {
                return None;
            }
            let split = if matches!(form, Form::Split(_)) { Split::of(part) } else { None };
            let texts = split.as_ref().map_or(part, Split::run);
            if !texts.iter().all(|text| pool.add(text, &mut ranges)) {
                return None;
            }
            let mut list = Vec::new();
            ranges.write(&mut list);
            list.extend_from_slice(page.get(texts.whole().len()..).unwrap_or_default());
            lists.push((groups.len(), list));
        }
        self.begin(SHARED);
        form.write(&mut self.head);
        let (start, texts) = pool.part();
        varint::put(&mut self.head, start);
        varint::put(&mut self.head, texts.len() as u64);
        for page in texts.chunks(dedup::PART_PAGE_SIZE) {
            self.pages.push(0, Codec::Zstd, page);
        }
        for (groups, list) in &lists {
            self.pages.push(*groups, Codec::Zstd, list);
        }
        Some(self.end())
    }

    /// How texts are laid out best.
    fn form(&mut self, kind: Option<TextKind>, run: Run<'_>) -> Form {
        let Some(kind) = kind else {
            return match Split::of(run) {
                Some(split) => Form::Split(Box::new(self.form(Some(TextKind::Str), split.run()))),
                None => Form::Mixed,
            };
        };
        let plain = Form::Plain(kind);
        let size = self.estimate(&plain, run);
        if let Some(pattern) = Pattern::of(run) {
            let pattern = Form::Pattern(kind, pattern);
            return if self.estimate(&pattern, run) < size { pattern } else { plain };
        }
        let codec = self.text_codec();
        if kind == TextKind::Bytes {
            return plain;
        }
        let Some(templates) = Templates::of(run, codec, self.pages.packer()) else { return plain };
        let list = templates.size();
        let templates = Form::Templates(kind, templates);
        // Plain texts are read faster: templates must be clearly smaller.
        if (self.estimate(&templates, run) + list) * 5 < size * 4 { templates } else { plain }
    }

    /// What all texts would take in a form, going by the first of them.
    fn estimate(&mut self, form: &Form, run: Run<'_>) -> usize {
        let sample = run.ends.partition_point(|end| *end < run.start + SAMPLE_SIZE) + 1;
        let sample = run.part(0..sample.min(run.ends.len()));
        sample.write(form, &mut self.raw);
        let size = self.pages.measure(self.text_codec(), &self.raw);
        size.saturating_mul(run.ends.len()) / sample.ends.len().max(1)
    }

    /// A dictionary of what appears first.
    fn entries(&mut self, kind: Option<TextKind>, run: Run<'_>, codes: Codes) -> Coded {
        let entries = Texts::collect(kind, codes.firsts.iter().map(|first| run.get(*first)));
        Coded { form: self.form(kind, entries.run()), entries, codes: codes.codes }
    }

    /// What a dictionary takes: entries and codes.
    fn entries_size(&mut self, dictionary: &Coded) -> usize {
        let Coded { entries, form, codes } = dictionary;
        entries.run().write(form, &mut self.raw);
        let size = self.pages.measure(self.text_codec(), &self.raw);
        size + bits::size(codes.len(), code_width(entries.len())) + PAGE_HEAD_SIZE
    }

    fn dictionary(mut self, dictionary: Coded) -> Vec<u8> {
        let Coded { entries, form, codes } = dictionary;
        let small = entries.run().whole().len() <= CONSTANT_SIZE_MAX;
        if let Some(value) = entries.get(0).filter(|_| entries.len() == 1 && small) {
            return self.constant(value);
        }
        self.begin(DICTIONARY);
        varint::put(&mut self.head, entries.len() as u64);
        form.write(&mut self.head);
        entries.run().write(&form, &mut self.raw);
        self.pages.push(0, self.text_codec(), &self.raw);
        let width = code_width(entries.len());
        let (codec, size) = self.packed();
        self.pages_of(size, codec, |_, range, raw| {
            let codes = codes.get(range).unwrap_or_default();
            bits::pack(raw, width, codes.iter().map(|code| u64::from(*code)));
        });
        self.end()
    }

    fn frames(&mut self, frames: &Frames, values: &[i64]) {
        frames.write_head(&mut self.head);
        let (codec, size) = self.packed();
        self.pages_of(size, codec, |group, range, raw| {
            frames.write_group(group, values.get(range).unwrap_or_default(), raw);
        });
    }

    /// Writes pages of about `size` bytes, group by group.
    fn pages_of(&mut self, size: usize, codec: Codec, write: impl Fn(usize, Range<usize>, &mut Vec<u8>)) {
        self.raw.clear();
        let mut held = 0;
        for (group, range) in self.groups.iter().enumerate() {
            write(group, range.clone(), &mut self.raw);
            held += 1;
            if size <= self.raw.len() {
                self.pages.push(held, codec, &self.raw);
                self.raw.clear();
                held = 0;
            }
        }
        if held != 0 {
            self.pages.push(held, codec, &self.raw);
        }
    }

    /// Writes what comes before the encoding's own part of the head.
    fn begin(&mut self, encoding: u8) {
        self.head.push(encoding);
        let lens = || self.groups.iter().map(Range::len);
        let full = self.groups.split_last().is_none_or(|(last, before)| {
            !last.is_empty() && before.iter().all(|group| group.len() == GROUP_LEN_MAX)
        });
        if full {
            self.head.push(REGULAR);
            let len = self.groups.last().map_or(0, |group| group.end);
            varint::put(&mut self.head, len as u64);
        } else {
            let width = bits::width(lens().max().unwrap_or(0) as u64);
            self.head.push(u8::try_from(width).unwrap_or(0));
            varint::put(&mut self.head, self.groups.len() as u64);
            bits::pack(&mut self.head, width, lens().map(|len| len as u64));
        }
    }

    fn end(self) -> Vec<u8> {
        let size = u32::try_from(self.head.len() + self.pages.table.len());
        let size = size.unwrap_or_else(|_| panic!("BUG: a head holds no more than groups and pages"));
        let mut bytes =
            Vec::with_capacity(8 + self.head.len() + self.pages.table.len() + self.pages.bytes.len());
        bytes.extend_from_slice(&size.to_le_bytes());
        let check = crc(&[&size.to_le_bytes(), &self.head, &self.pages.table]);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes.extend_from_slice(&self.head);
        bytes.extend_from_slice(&self.pages.table);
        bytes.extend_from_slice(&self.pages.bytes);
        bytes
    }
}

/// Values as fields, see `record`.
#[derive(Default)]
struct Fields {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Fields {
    fn push(&mut self, value: Value<'_>) {
        put_field(&mut self.bytes, value);
        self.ends.push(self.bytes.len());
    }

    /// A dictionary of these.
    fn coded(&self, codes: Codes) -> Coded {
        let run = Run { bytes: &self.bytes, start: 0, ends: &self.ends };
        Coded { entries: Texts::collect(None, run.iter()), form: Form::Mixed, codes: codes.codes }
    }
}

/// A dictionary to be written.
struct Coded {
    entries: Texts,
    form: Form,
    codes: Vec<u32>,
}

/// Bits of a code.
pub(super) fn code_width(entries: usize) -> u32 {
    bits::width((entries as u64).saturating_sub(1))
}

/// Cuts groups into runs for pages of about `target` bytes.
fn cut(groups: &[Range<usize>], target: usize, size: impl Fn(Range<usize>) -> usize) -> Vec<Range<usize>> {
    let (mut pages, mut first, mut held) = (Vec::new(), 0, 0);
    for (at, group) in groups.iter().enumerate() {
        held += size(group.clone());
        if target <= held || at + 1 == groups.len() {
            pages.push(first..at + 1);
            (first, held) = (at + 1, 0);
        }
    }
    pages
}

/// The values of a run of groups.
fn span(groups: &[Range<usize>], run: &Range<usize>) -> Range<usize> {
    let groups = groups.get(run.clone()).unwrap_or_default();
    groups.first().map_or(0, |group| group.start)..groups.last().map_or(0, |group| group.end)
}
