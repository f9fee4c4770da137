//! Reading a chunk: the head at once, pages when a group is asked for.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::bits;
use super::codec::Unpacker;
use super::decimal::Decimals;
use super::dedup::{self, PART_PAGE_SIZE, Part, Shared};
use super::distinct::ENTRIES_MAX;
use super::encode::code_width;
use super::ints::Frames;
use super::pages::{self, Page};
use super::templates::{Places, Templates};
#[cfg(any(test, feature = "sim"))]
use super::texts::put_field;
use super::texts::{Form, TextKind, Texts, field, take_count};
use super::vector::{Dictionary, Shape, Vector};
use super::{
    CONSTANT, DECIMALS, DICTIONARY, Damaged, FLOATS, GROUP_LEN_MAX, GROUPS_MAX, INTS, Kind, REGULAR, SHARED,
    TEXTS, Unit,
};
use crate::format::{crc, u32_at, varint};
use crate::record;
use crate::value::Value;

/// Bytes before the head.
const PREFIX: usize = 8;
const NO_POOL: &str = "texts are shared by a segment that is said to share none";

/// An opened chunk: the head is read and verified, the pages are not yet.
pub(crate) struct Column<'a> {
    /// Tells it from every other column of the process, for the page that a vector keeps.
    id: u64,
    chunk: &'a [u8],
    encoding: Encoding<'a>,
    /// Position of each group's first value, and the count of values.
    starts: Vec<u32>,
    pages: Vec<Page>,
    /// The page of each group.
    page_of: Vec<usize>,
    /// Where texts are that columns share.
    pool: Option<&'a dyn Shared>,
}

/// Which template each text of a group has; what was read for it may serve the next group.
#[derive(Default)]
pub(crate) struct TemplateCodes {
    /// The page whose codes are held: of which column, and which one of it.
    held: Option<(u64, usize)>,
    raw: Vec<u8>,
    unpacker: Unpacker,
    places: Places,
    group: Range<usize>,
    text: Vec<u8>,
}

impl TemplateCodes {
    /// For each text of the group the number of its template, 0 for a text without.
    pub(crate) fn codes(&self) -> &[usize] {
        self.places.codes.get(self.group.clone()).unwrap_or_default()
    }

    /// One text of the group. None where the page does not read.
    pub(crate) fn text(&mut self, templates: &Templates, at: usize) -> Option<&str> {
        self.text.clear();
        templates.print(&self.raw, &self.places, self.group.start + at, &mut self.text)?;
        std::str::from_utf8(&self.text).ok()
    }
}

enum Encoding<'a> {
    Constant(&'a [u8]),
    Dictionary { entries: usize, form: Form, width: u32 },
    Ints(Unit, Frames),
    Decimals(Decimals, Frames),
    Floats,
    Texts(Form),
    Shared { form: Form, start: u64, size: u64 },
}

impl<'a> Column<'a> {
    /// Opens a column of a segment whose columns share texts, as [`Column::open`].
    pub(crate) fn open_in(chunk: &'a [u8], pool: &'a dyn Shared) -> Result<Self, Damaged> {
        Ok(Self { pool: Some(pool), ..Self::open(chunk)? })
    }

    /// The part of the pool that the column in `place` holds; none of a column whose texts stand in its pages.
    pub(crate) fn part(chunk: &'a [u8], place: Range<usize>) -> Option<Part> {
        if chunk.get(PREFIX) != Some(&SHARED) {
            return None;
        }
        let column = Self::open(chunk).ok()?;
        column.own_part(place)
    }

    fn own_part(&self, place: Range<usize>) -> Option<Part> {
        match self.encoding {
            Encoding::Shared { start, size, .. } if size != 0 => {
                Some(Part { start, size, column: place, pages: self.pages.clone() })
            }
            _ => None,
        }
    }

    /// Reads the head. The chunk must be exactly what the builder made.
    pub(crate) fn open(chunk: &'a [u8]) -> Result<Self, Damaged> {
        let damaged = |what| Damaged { what, offset: 0 };
        let size = u32_at(chunk, 0).and_then(|size| usize::try_from(size).ok());
        let end = size.and_then(|size| size.checked_add(PREFIX)).filter(|end| *end <= chunk.len());
        let end = end.ok_or(damaged("chunk is shorter than its head"))?;
        let head = chunk.get(PREFIX..end).unwrap_or_default();
        if u32_at(chunk, 4) != Some(crc(&[chunk.get(..4).unwrap_or_default(), head])) {
            return Err(damaged("head checksum does not match"));
        }
        Self::read_head(head, chunk, end).ok_or(damaged("head does not read"))
    }

    fn read_head(mut input: &'a [u8], chunk: &'a [u8], end: usize) -> Option<Self> {
        static COLUMNS: AtomicU64 = AtomicU64::new(0);
        let (&encoding, rest) = input.split_first()?;
        input = rest;
        let starts = read_groups(&mut input)?;
        let lens = || starts.windows(2).map(len);
        let encoding = match encoding {
            CONSTANT => {
                let before = input;
                record::take_field(&mut input).filter(|field| field.name == 0)?.value()?;
                Encoding::Constant(before.get(..before.len() - input.len())?)
            }
            DICTIONARY => {
                let entries = take_count(&mut input, ENTRIES_MAX as u64).filter(|entries| *entries != 0)?;
                let form = Form::read(&mut input)?;
                Encoding::Dictionary { entries, form, width: code_width(entries) }
            }
            INTS => {
                let unit = Unit::from_tag(take_byte(&mut input)?)?;
                Encoding::Ints(unit, Frames::read_head(&mut input, lens())?)
            }
            DECIMALS => {
                let decimals = Decimals::read(&mut input)?;
                Encoding::Decimals(decimals, Frames::read_head(&mut input, lens())?)
            }
            FLOATS => Encoding::Floats,
            TEXTS => Encoding::Texts(Form::read(&mut input)?),
            SHARED => {
                let form = Form::read(&mut input)?;
                Encoding::Shared { form, start: varint::take(&mut input)?, size: varint::take(&mut input)? }
            }
            _ => return None,
        };
        let pages = pages::read_table(input, end, chunk.len())?;
        let mut page_of = Vec::new();
        for (at, page) in pages.iter().enumerate() {
            page_of.extend((0..page.groups).map(|_| at));
        }
        let id = COLUMNS.fetch_add(1, Ordering::Relaxed);
        let column = Self { id, chunk, encoding, starts, pages, page_of, pool: None };
        column.is_whole().then_some(column)
    }

    /// Whether the pages hold all groups, and packed ones as many bytes as that takes.
    fn is_whole(&self) -> bool {
        let packed =
            |page: &Page, size: &dyn Fn(usize) -> usize| groups(page).map(size).sum::<usize>() == page.raw();
        if let Encoding::Constant(_) = self.encoding {
            return self.pages.is_empty();
        }
        let (entries, pages) = self.pages.split_at(self.pages.partition_point(|page| page.groups == 0));
        let entries_fit = match self.encoding {
            Encoding::Dictionary { .. } => entries.len() == 1,
            Encoding::Shared { start, size, .. } => {
                let full = PART_PAGE_SIZE as u64;
                let raw = |at: u64| full.min(size.saturating_sub(at.saturating_mul(full)));
                start.checked_add(size).is_some()
                    && entries.len() as u64 == size.div_ceil(full)
                    && (0..).zip(entries).all(|(at, page)| page.raw() as u64 == raw(at))
            }
            _ => entries.is_empty(),
        };
        self.page_of.len() + 1 == self.starts.len()
            && entries_fit
            && pages.iter().all(|page| match &self.encoding {
                Encoding::Constant(_) | Encoding::Texts(_) | Encoding::Shared { .. } => true,
                Encoding::Dictionary { width, .. } => {
                    packed(page, &|group| bits::size(self.lens(group), *width))
                }
                Encoding::Ints(_, frames) | Encoding::Decimals(_, frames) => {
                    packed(page, &|group| frames.group_size(group))
                }
                Encoding::Floats => packed(page, &|group| self.lens(group) * 8),
            })
    }

    /// Values in the block.
    pub(crate) fn len(&self) -> u32 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Groups in the block.
    pub(crate) fn groups(&self) -> u32 {
        u32::try_from(self.starts.len()).unwrap_or(1) - 1
    }

    /// The position of a group's first value; the count of values for the group after the last.
    pub(crate) fn group_start(&self, group: u32) -> u32 {
        self.starts.get(group as usize).copied().unwrap_or(self.len())
    }

    /// Pages of the chunk, a dictionary's among them.
    pub(crate) fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// Values in a group.
    pub(crate) fn group_len(&self, group: u32) -> u32 {
        self.group_start(group.saturating_add(1)) - self.group_start(group)
    }

    fn lens(&self, group: usize) -> usize {
        self.starts.get(group..).and_then(|rest| rest.get(..2)).map_or(0, len)
    }

    pub(crate) fn kind(&self) -> Kind {
        match &self.encoding {
            Encoding::Constant(_) => Kind::Constant,
            Encoding::Dictionary { .. } => Kind::Dictionary,
            Encoding::Ints(unit, _) => Kind::Ints(*unit),
            Encoding::Decimals(decimals, _) => Kind::Decimals(decimals.places()),
            Encoding::Floats => Kind::Floats,
            Encoding::Texts(form) | Encoding::Shared { form, .. } => {
                form.kind().map_or(Kind::Mixed, Kind::Texts)
            }
        }
    }

    /// The value that all rows have.
    pub(crate) fn constant(&self) -> Option<Value<'a>> {
        match self.encoding {
            Encoding::Constant(bytes) => field(bytes),
            _ => None,
        }
    }

    /// Whether every value is a text.
    pub(crate) fn only_strings(&self) -> bool {
        match &self.encoding {
            Encoding::Constant(bytes) => matches!(field(bytes), Some(Value::Str(_))),
            Encoding::Dictionary { form, .. } | Encoding::Texts(form) | Encoding::Shared { form, .. } => {
                form.kind() == Some(TextKind::Str)
            }
            Encoding::Ints(..) | Encoding::Decimals(..) | Encoding::Floats => false,
        }
    }

    /// The least and greatest integer of a group: of [`Kind::Ints`], and the units of [`Kind::Decimals`].
    pub(crate) fn bounds(&self, group: u32) -> Option<(i64, i64)> {
        self.frames()?.bounds(group as usize)
    }

    /// The least and greatest integer of the block, as [`Self::bounds`].
    pub(crate) fn block_bounds(&self) -> Option<(i64, i64)> {
        self.frames()?.block_bounds()
    }

    fn frames(&self) -> Option<&Frames> {
        match &self.encoding {
            Encoding::Ints(_, frames) | Encoding::Decimals(_, frames) => Some(frames),
            _ => None,
        }
    }

    /// The entries of [`Kind::Dictionary`], decoded; none of any other.
    pub(crate) fn dictionary(&self) -> Result<Dictionary, Damaged> {
        let mut texts = Texts::default();
        if let (Encoding::Dictionary { entries, form, .. }, Some(page)) = (&self.encoding, self.pages.first())
        {
            let mut raw = Vec::new();
            page.read(self.chunk, &mut Unpacker::default(), &mut raw)?;
            let done = texts.decode(form, *entries, &mut raw);
            done.ok_or_else(|| page.damaged("dictionary does not read"))?;
        }
        Ok(Dictionary(texts))
    }

    /// Bytes of texts that columns share and that this one holds, before they are squeezed, and where they stand among all
    /// of the segment; none of a column whose texts stand in its pages.
    pub(crate) fn shares(&self) -> Option<Range<u64>> {
        match self.encoding {
            Encoding::Shared { start, size, .. } => Some(start..start.saturating_add(size)),
            _ => None,
        }
    }

    /// Holds every page against its checksum, and looks whether the texts that it shares are there.
    pub(crate) fn verify(&self) -> Result<(), Damaged> {
        self.pages.iter().try_for_each(|page| page.verify(self.chunk))?;
        if let Encoding::Shared { .. } = self.encoding {
            let (mut unpacker, mut raw) = (Unpacker::default(), Vec::new());
            for page in self.pages.iter().filter(|page| page.groups != 0) {
                page.read(self.chunk, &mut unpacker, &mut raw)?;
                let pool = self.pool.ok_or_else(|| page.damaged(NO_POOL))?;
                dedup::verify(&raw, pool).map_err(|what| page.damaged(what))?;
            }
        }
        Ok(())
    }

    /// Shows the texts that the column keeps beside those of single values, whether a value says them or not: entries of its
    /// dictionary, templates, and its part of the texts that columns share. All else is values.
    pub(crate) fn beside(&self, visit: &mut dyn FnMut(&[u8])) -> Result<(), Damaged> {
        let dictionary = self.dictionary()?;
        for code in 0..u32::try_from(dictionary.len()).unwrap_or(u32::MAX) {
            match dictionary.get(code) {
                Some(Value::Bytes(bytes)) => visit(bytes),
                Some(Value::Str(text) | Value::Json(text) | Value::Number(text)) => visit(text.as_bytes()),
                _ => {}
            }
        }
        if let Some(templates) = self.templates() {
            for text in (1..).map_while(|code| templates.sample(code)) {
                visit(text.as_bytes());
            }
        }
        if let Encoding::Shared { .. } = self.encoding {
            // A text may lie across pages.
            let (mut unpacker, mut page, mut all) = (Unpacker::default(), Vec::new(), Vec::new());
            for own in self.pages.iter().filter(|page| page.groups == 0) {
                own.read(self.chunk, &mut unpacker, &mut page)?;
                all.extend_from_slice(&page);
            }
            visit(&all);
        }
        Ok(())
    }

    /// The templates of its values, where all of them are texts and are kept so.
    pub(crate) fn templates(&self) -> Option<&Templates> {
        match &self.encoding {
            Encoding::Texts(Form::Templates(TextKind::Str, templates)) => Some(templates),
            _ => None,
        }
    }

    /// Reads which templates the texts of a group have, without the texts. Verifies every page it touches.
    pub(crate) fn read_templates(&self, group: u32, into: &mut TemplateCodes) -> Result<(), Damaged> {
        let group = group as usize;
        let at = self.page_of.get(group).copied().unwrap_or(0);
        let (Some(page), Some(templates)) = (self.pages.get(at), self.templates()) else {
            return Err(Damaged { what: "column has no such page", offset: 0 });
        };
        let first = self.start(groups(page).start);
        if into.held != Some((self.id, at)) {
            into.held = None;
            page.read(self.chunk, &mut into.unpacker, &mut into.raw)?;
            let count = self.start(groups(page).end) - first;
            let done = templates.open(&into.raw, count, &mut into.places);
            done.ok_or_else(|| page.damaged("texts do not read"))?;
            into.held = Some((self.id, at));
        }
        let start = self.start(group) - first;
        into.group = start..start + self.lens(group);
        Ok(())
    }

    /// Replaces what the vector holds by the values of a group. Verifies every page it touches.
    pub(crate) fn read(&self, group: u32, into: &mut Vector) -> Result<(), Damaged> {
        into.reset();
        let group = group as usize;
        if self.starts.len() <= group + 1 {
            return Err(Damaged { what: "column has no such group", offset: 0 });
        }
        if let Some(value) = self.constant() {
            into.held = None;
            into.texts.clear(None);
            into.texts.push_field(value);
            into.shape = Shape::Constant;
        } else {
            let at = self.page_of.get(group).copied().unwrap_or(0);
            let Some(page) = self.pages.get(at) else {
                return Err(Damaged { what: "column has no such page", offset: 0 });
            };
            if let Encoding::Texts(form) | Encoding::Shared { form, .. } = &self.encoding {
                self.read_texts(form, group, at, page, into)?;
            } else {
                self.read_packed(group, at, page, into)?;
            }
        }
        into.len = self.lens(group);
        Ok(())
    }

    fn read_texts(
        &self,
        form: &Form,
        group: usize,
        at: usize,
        page: &Page,
        into: &mut Vector,
    ) -> Result<(), Damaged> {
        let first = self.start(groups(page).start);
        if into.held != Some((self.id, at)) {
            into.held = None;
            page.read(self.chunk, &mut into.unpacker, &mut into.raw)?;
            if let Encoding::Shared { .. } = self.encoding {
                let pool = self.pool.ok_or_else(|| page.damaged(NO_POOL))?;
                let mut texts = Vec::new();
                dedup::assemble(&into.raw, pool, &mut into.unpacker, &mut into.shared, &mut texts)?;
                into.raw = texts;
            }
            let count = self.start(groups(page).end) - first;
            let done = into.texts.decode(form, count, &mut into.raw);
            done.ok_or_else(|| page.damaged("texts do not read"))?;
            into.held = Some((self.id, at));
        }
        into.first = self.start(group) - first;
        into.shape = if form.kind().is_some() { Shape::Texts } else { Shape::Mixed };
        Ok(())
    }

    fn read_packed(&self, group: usize, at: usize, page: &Page, into: &mut Vector) -> Result<(), Damaged> {
        let plain = page.plain(self.chunk);
        if into.held != Some((self.id, at)) {
            into.held = None;
            match plain {
                Some(_) => page.verify(self.chunk)?,
                None => page.read(self.chunk, &mut into.unpacker, &mut into.raw)?,
            }
            into.held = Some((self.id, at));
        }
        let bytes = plain.unwrap_or(&into.raw);
        let size = |group: usize| match &self.encoding {
            Encoding::Dictionary { width, .. } => bits::size(self.lens(group), *width),
            Encoding::Ints(_, frames) | Encoding::Decimals(_, frames) => frames.group_size(group),
            _ => self.lens(group) * 8,
        };
        let start: usize = (groups(page).start..group).map(size).sum();
        let bytes = bytes.get(start..start + size(group)).unwrap_or_default();
        let damaged = || page.damaged("packed values do not read");
        match &self.encoding {
            Encoding::Dictionary { entries, width, .. } => {
                let code = |code: u64| u32::try_from(code).unwrap_or(u32::MAX);
                bits::unpack(bytes, *width, self.lens(group), &mut into.codes, code).ok_or_else(damaged)?;
                let greatest = into.codes.iter().copied().max().unwrap_or(0) as usize;
                (greatest < *entries).then_some(()).ok_or_else(|| page.damaged("code has no entry"))?;
                into.shape = Shape::Codes;
            }
            Encoding::Ints(unit, frames) => {
                frames.read_group(group, bytes, &mut into.ints).ok_or_else(damaged)?;
                into.check_unit(*unit).map_err(|error| page.damaged(error.what))?;
                into.shape = Shape::Ints(*unit);
            }
            Encoding::Decimals(decimals, frames) => {
                frames.read_group(group, bytes, &mut into.ints).ok_or_else(damaged)?;
                into.texts.clear(Some(TextKind::Number));
                for &units in &into.ints {
                    into.texts.push_with(|text| decimals.print(units, text));
                }
                into.first = 0;
                into.shape = Shape::Decimals(*decimals);
            }
            _ => {
                into.floats.clear();
                let floats = bytes.as_chunks::<8>().0.iter().map(|float| f64::from_le_bytes(*float));
                into.floats.extend(floats);
                into.shape = Shape::Floats;
            }
        }
        Ok(())
    }

    fn start(&self, group: usize) -> usize {
        self.starts.get(group).map_or(0, |start| *start as usize)
    }
}

impl Unit {
    const fn from_tag(tag: u8) -> Option<Self> {
        Some(match tag {
            0 => Self::Int,
            1 => Self::Time,
            2 => Self::Duration,
            3 => Self::Cost,
            4 => Self::Level,
            5 => Self::Bool,
            _ => return None,
        })
    }
}

fn len(pair: &[u32]) -> usize {
    match pair {
        [start, end] => end.saturating_sub(*start) as usize,
        _ => 0,
    }
}

fn groups(page: &Page) -> Range<usize> {
    page.first_group as usize..(page.first_group + page.groups) as usize
}

fn take_byte(input: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = input.split_first()?;
    *input = rest;
    Some(byte)
}

/// Reads how many values each group has: where each begins, and the end of the last.
fn read_groups(input: &mut &[u8]) -> Option<Vec<u32>> {
    let layout = take_byte(input)?;
    let mut starts = vec![0];
    if layout == REGULAR {
        let len = take_count(input, u64::from(GROUPS_MAX) * GROUP_LEN_MAX as u64)?;
        let ends = (1..=len.div_ceil(GROUP_LEN_MAX)).map(|group| (group * GROUP_LEN_MAX).min(len));
        for end in ends {
            starts.push(u32::try_from(end).ok()?);
        }
        return Some(starts);
    }
    let width = u32::from(layout);
    let count = take_count(input, u64::from(GROUPS_MAX))?;
    let packed = varint::take_bytes(input, bits::size(count, width) as u64)?;
    let mut lens: Vec<u64> = Vec::new();
    bits::unpack(packed, width, count, &mut lens, |len| len)?;
    let mut end = 0;
    for len in lens {
        end += u32::try_from(len).ok().filter(|len| *len as usize <= GROUP_LEN_MAX)?;
        starts.push(end);
    }
    Some(starts)
}

/// Opens and reads any bytes; then once more as a head and pages whose checksums are right, so that the
/// checksums do not keep everything behind them from being tried.
#[cfg(any(test, feature = "sim"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    /// The values of a group to the bit, if it reads.
    fn values(
        column: &Column<'_>,
        group: u32,
        dictionary: &Dictionary,
        vector: &mut Vector,
    ) -> Option<Vec<u8>> {
        column.read(group, vector).ok()?;
        assert_eq!(vector.len(), column.group_len(group) as usize);
        let mut all = Vec::new();
        for at in 0..vector.len() {
            let value = vector.get(at, Some(dictionary));
            // A dictionary that does not read has no values to give.
            assert!(value.is_some() || (dictionary.len() == 0 && column.kind() == Kind::Dictionary));
            put_field(&mut all, value.unwrap_or(Value::Null));
        }
        Some(all)
    }
    fn read(column: &Column<'_>) {
        let _verified = column.verify();
        let dictionary = column.dictionary().unwrap_or_default();
        let mut vector = Vector::default();
        // Back and forth: what a page leaves in the vector, read or not, must not show in another.
        for group in (0..column.groups()).chain((0..column.groups()).rev()) {
            let _bounds = column.bounds(group);
            let used = values(column, group, &dictionary, &mut vector);
            assert_eq!(used, values(column, group, &dictionary, &mut Vector::default()));
        }
    }
    let alone = |column: &Column<'_>| dedup::Alone {
        parts: column.own_part(0..bytes.len()).into_iter().collect(),
        chunk: bytes,
    };
    if let Ok(column) = Column::open(bytes) {
        read(&column);
        let pool = alone(&column);
        read(&Column { pool: Some(&pool), ..column });
    }
    let size = u32_at(bytes, 0).and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
    let end = size.saturating_add(PREFIX).min(bytes.len());
    let head = bytes.get(PREFIX..end).unwrap_or_default();
    if let Some(mut column) = Column::read_head(head, bytes, end) {
        column.pages.iter_mut().for_each(|page| page.mend(bytes));
        let pool = alone(&column);
        read(&Column { pool: Some(&pool), ..column });
    }
}
