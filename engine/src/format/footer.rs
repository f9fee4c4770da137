//! Head and footer of a sealed segment: whose it is, what it holds, what it replaced, where its pieces lie.
//!
//! ```text
//! head, at 0
//! off  size  field     meaning
//!   0     8  magic     "LOGQSEG" and 0x01
//!   8     4  version   format that wrote the file
//!  12     4  required  features that a reader must know (bits); 0 so far
//!  16    16  store     the store's identity
//!  32     8  id        the segment's number
//!  40     4  crc       CRC-32 of bytes 0..40
//!  44        blocks, one after the other, then the index, the rollups, and the footer twice
//!
//! footer
//!   0     n  body      varints, see below
//!   n     8  magic     "LOGQEND" and 0x01
//! n+8     4  version   format that wrote the file
//! n+12    4  required  features that a reader must know (bits): 1 = columns share texts, see `column`;
//!                           2 = rollups;
//!                           4 = times are spelled, see `segment::sealed::head`;
//!                           8 = pages are packed by Zstandard, see `column`
//! n+16    4  size      n
//! n+20    4  crc       CRC-32 of (id u64, the body, bytes n..n+20)
//!
//! body
//!   segment, store (16 bytes), day, set: number of its first segment, number of segments
//!   records, bytes as rows, time min, time max, arrived min, arrived max     (times zigzag)
//!   replaced   count, then a place each, after an active file the sequence that follows it
//!   slots      count, then slot, number of the last file, sequence after it
//!   writers    count, then slot, count of runs, then for each run: first sequence less the end of the
//!              run before, length
//!   imports    count, then an import progress each, see `frame`
//!   gaps       count, then file, offset, length, 0 or 1 and writer, first sequence, count; what
//!              (texts: length, bytes)
//!   blocks     count, then rows, bytes of its columns, bytes of its head, time min, time max, arrived
//!              min, arrived max
//!   index      bytes; 0 = none
//!   removed    as writers: records that the replaced files had and that somebody removed; left away when none were and
//!              nothing follows
//!   rollups    bytes; left away when there are none
//! day, place   see `manifest`
//! ```
//!
//! Blocks, index and rollups fill the file between head and footers without a hole. The footer stands there twice
//! and says what the head says, so that one bad
//! sector does not cost the file.

use std::ops::Range;

use super::frame::{ImportProgress, PROGRESS_SIZE};
use super::manifest::{Place, SlotEnd, put_day, take_day};
use super::name::Day;
use super::{VERSION, crc, u32_at, varint};
use crate::gap::Gap;
use crate::record_id::RecordId;

/// Bytes before the first block.
pub(crate) const HEAD_SIZE: usize = 44;
const HEAD_MAGIC: &[u8; 8] = b"LOGQSEG\x01";
const END_MAGIC: &[u8; 8] = b"LOGQEND\x01";
/// The bit of required features that says that columns share texts.
const SHARES: u32 = 1;
/// The bit that says that rollups stand behind the index.
const ROLLUPS: u32 = 2;
/// The bit that says that columns are the times of their rows, spelled.
const SPELLS: u32 = 4;
/// The bit that says that there may be pages that Zstandard packed.
const ZSTD: u32 = 8;
/// Bit of the required features: integers may be packed as runs or as changes of steps.
const RUNS: u32 = 16;
/// Bytes behind a footer's body.
const END_SIZE: usize = 24;

/// What a segment says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) id: u64,
    pub(crate) store: u128,
    pub(crate) day: Option<Day>,
    /// The segments that one step made have one set: the number of its first, and how many they are.
    pub(crate) set: u64,
    pub(crate) set_size: u64,
    pub(crate) records: u64,
    /// Bytes that the records took as rows.
    pub(crate) raw: u64,
    pub(crate) time_min: i64,
    pub(crate) time_max: i64,
    pub(crate) arrived_min: i64,
    pub(crate) arrived_max: i64,
    /// The files that the set took the place of.
    pub(crate) replaced: Vec<(Place, u64)>,
    /// Where slots went on, as far as their files were gone.
    pub(crate) slots: Vec<(u32, SlotEnd)>,
    /// The sequences of the records, by writer, in order.
    pub(crate) writers: Vec<(u32, Vec<Range<u64>>)>,
    pub(crate) imports: Vec<ImportProgress>,
    /// Records that the replaced files had and that somebody removed: they are no gap.
    pub(crate) removed: Vec<(u32, Vec<Range<u64>>)>,
    /// What was missing of the replaced files.
    pub(crate) gaps: Vec<Gap>,
    pub(crate) blocks: Vec<BlockEntry>,
    pub(crate) index_size: u64,
    /// Bytes of its rollups: a feature that a reader must know.
    pub(crate) rollup_size: u64,
    /// Whether columns share texts: a feature that a reader must know.
    pub(crate) shares: bool,
    /// Whether columns are the times of their rows, spelled: a feature that a reader must know.
    pub(crate) spells: bool,
    /// Whether there may be pages that Zstandard packed: a feature that a reader must know.
    pub(crate) zstd: bool,
    /// Whether integers may be packed as runs or as changes of steps: a feature that a reader must know.
    pub(crate) runs: bool,
}

/// Where a block lies and what a reader wants to know before it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    pub(crate) rows: u32,
    pub(crate) columns_size: u64,
    pub(crate) head_size: u64,
    pub(crate) time_min: i64,
    pub(crate) time_max: i64,
    pub(crate) arrived_min: i64,
    pub(crate) arrived_max: i64,
}

/// What the bytes of a segment file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// `sound` when the head and both copies hold.
    Footer {
        footer: Box<Footer>,
        sound: bool,
    },
    Newer {
        version: u32,
    },
    Damaged,
}

/// The first bytes of the segment `id`.
pub(crate) fn head(store: u128, id: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_SIZE);
    out.extend_from_slice(HEAD_MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&0_u32.to_le_bytes());
    out.extend_from_slice(&store.to_le_bytes());
    out.extend_from_slice(&id.to_le_bytes());
    let check = crc(&[&out]);
    out.extend_from_slice(&check.to_le_bytes());
    out
}

impl Footer {
    /// Both copies, as they end the file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_body(&mut out);
        let size = u32::try_from(out.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(END_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        let shares = if self.shares { SHARES } else { 0 };
        let rollups = if self.rollup_size == 0 { 0 } else { ROLLUPS };
        let spells = if self.spells { SPELLS } else { 0 };
        let zstd = if self.zstd { ZSTD } else { 0 };
        let runs = if self.runs { RUNS } else { 0 };
        out.extend_from_slice(&(shares | rollups | spells | zstd | runs).to_le_bytes());
        out.extend_from_slice(&size.to_le_bytes());
        let check = crc(&[&self.id.to_le_bytes(), &out]);
        out.extend_from_slice(&check.to_le_bytes());
        out.extend_from_within(..);
        out
    }

    /// Reads the footer of the segment file `bytes`.
    pub(crate) fn read(bytes: &[u8]) -> Read {
        let last = end_at(bytes, bytes.len());
        let other_end = match &last {
            End::Newer { version } => return Read::Newer { version: *version },
            End::Body { start, .. } => *start,
            End::Damaged => match last_magic(bytes) {
                Some(end) => end,
                None => return Read::Damaged,
            },
        };
        let other = end_at(bytes, other_end);
        let both = matches!((&last, &other), (End::Body { .. }, End::Body { .. }));
        let (body, required) = match (last, other) {
            (End::Body { body, required, .. }, _) | (_, End::Body { body, required, .. }) => (body, required),
            (_, End::Newer { version }) => return Read::Newer { version },
            _ => return Read::Damaged,
        };
        match Self::decode_body(body) {
            Some(footer) => {
                let footer = Self {
                    shares: required & SHARES != 0,
                    spells: required & SPELLS != 0,
                    zstd: required & ZSTD != 0,
                    runs: required & RUNS != 0,
                    ..footer
                };
                let sound = both && bytes.starts_with(&head(footer.store, footer.id));
                Read::Footer { footer: Box::new(footer), sound }
            }
            None => Read::Damaged,
        }
    }

    /// Bytes between the head and the footers.
    pub(crate) fn data_size(&self) -> u64 {
        let blocks = self.blocks.iter().map(|block| block.columns_size.saturating_add(block.head_size));
        blocks.fold(self.index_size.saturating_add(self.rollup_size), u64::saturating_add)
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        varint::put(out, self.id);
        out.extend_from_slice(&self.store.to_le_bytes());
        put_day(out, self.day);
        for value in [self.set, self.set_size, self.records, self.raw] {
            varint::put(out, value);
        }
        for time in [self.time_min, self.time_max, self.arrived_min, self.arrived_max] {
            varint::put_signed(out, time);
        }
        varint::put(out, self.replaced.len() as u64);
        for (place, after) in &self.replaced {
            place.encode(out);
            varint::put(out, *after);
        }
        varint::put(out, self.slots.len() as u64);
        for (slot, end) in &self.slots {
            varint::put(out, (*slot).into());
            varint::put(out, end.number);
            varint::put(out, end.next_sequence);
        }
        put_runs(out, &self.writers);
        varint::put(out, self.imports.len() as u64);
        self.imports.iter().for_each(|progress| progress.encode(out));
        varint::put(out, self.gaps.len() as u64);
        self.gaps.iter().for_each(|gap| put_gap(out, gap));
        varint::put(out, self.blocks.len() as u64);
        for block in &self.blocks {
            varint::put(out, block.rows.into());
            varint::put(out, block.columns_size);
            varint::put(out, block.head_size);
            for time in [block.time_min, block.time_max, block.arrived_min, block.arrived_max] {
                varint::put_signed(out, time);
            }
        }
        varint::put(out, self.index_size);
        if !self.removed.is_empty() || self.rollup_size != 0 {
            put_runs(out, &self.removed);
        }
        if self.rollup_size != 0 {
            varint::put(out, self.rollup_size);
        }
    }

    fn decode_body(mut input: &[u8]) -> Option<Self> {
        let input = &mut input;
        let mut footer = Self {
            id: varint::take(input)?,
            store: u128::from_le_bytes(varint::take_bytes(input, 16)?.try_into().ok()?),
            day: take_day(input)?,
            set: varint::take(input)?,
            set_size: varint::take(input)?,
            records: varint::take(input)?,
            raw: varint::take(input)?,
            time_min: varint::take_signed(input)?,
            time_max: varint::take_signed(input)?,
            arrived_min: varint::take_signed(input)?,
            arrived_max: varint::take_signed(input)?,
            ..Self::default()
        };
        for _ in 0..take_count(input)? {
            footer.replaced.push((Place::decode(input)?, varint::take(input)?));
        }
        for _ in 0..take_count(input)? {
            let slot = u32::try_from(varint::take(input)?).ok()?;
            let end = SlotEnd { number: varint::take(input)?, next_sequence: varint::take(input)? };
            footer.slots.push((slot, end));
        }
        footer.writers = take_runs(input)?;
        for _ in 0..take_count(input)? {
            footer.imports.push(ImportProgress::decode(input)?);
            *input = input.get(PROGRESS_SIZE..)?;
        }
        for _ in 0..take_count(input)? {
            footer.gaps.push(take_gap(input)?);
        }
        for _ in 0..take_count(input)? {
            footer.blocks.push(BlockEntry {
                rows: u32::try_from(varint::take(input)?).ok()?,
                columns_size: varint::take(input)?,
                head_size: varint::take(input)?,
                time_min: varint::take_signed(input)?,
                time_max: varint::take_signed(input)?,
                arrived_min: varint::take_signed(input)?,
                arrived_max: varint::take_signed(input)?,
            });
        }
        footer.index_size = varint::take(input)?;
        if !input.is_empty() {
            footer.removed = take_runs(input)?;
            if input.is_empty() && footer.removed.is_empty() {
                return None;
            }
        }
        if !input.is_empty() {
            footer.rollup_size = varint::take(input).filter(|size| *size != 0)?;
        }
        input.is_empty().then_some(footer)
    }
}

/// Sequences by writer: runs as what lies before them, and their length.
fn put_runs(out: &mut Vec<u8>, writers: &[(u32, Vec<Range<u64>>)]) {
    varint::put(out, writers.len() as u64);
    for (slot, runs) in writers {
        varint::put(out, (*slot).into());
        varint::put(out, runs.len() as u64);
        let mut end = 0;
        for run in runs {
            varint::put(out, run.start - end);
            varint::put(out, run.end - run.start);
            end = run.end;
        }
    }
}

fn take_runs(input: &mut &[u8]) -> Option<Vec<(u32, Vec<Range<u64>>)>> {
    let mut writers = Vec::new();
    for _ in 0..take_count(input)? {
        let slot = u32::try_from(varint::take(input)?).ok()?;
        let mut runs = Vec::new();
        let mut end: u64 = 0;
        for _ in 0..take_count(input)? {
            let start = end.checked_add(varint::take(input)?)?;
            end = start.checked_add(varint::take(input)?)?;
            runs.push(start..end);
        }
        writers.push((slot, runs));
    }
    Some(writers)
}

/// What ends at a place of a segment file.
enum End<'a> {
    /// A footer, whose body starts at `start`.
    Body {
        start: usize,
        body: &'a [u8],
        required: u32,
    },
    Newer {
        version: u32,
    },
    Damaged,
}

fn end_at(bytes: &[u8], end: usize) -> End<'_> {
    let read = || {
        let bytes = bytes.get(..end)?;
        let (rest, tail) = bytes.split_at_checked(end.checked_sub(END_SIZE)?)?;
        let size = u32_at(tail, 16)? as usize;
        let start = rest.len().checked_sub(size)?;
        let body = rest.get(start..)?;
        // The number comes first in the body; a newer format keeps that.
        let id = varint::take(&mut &*body)?;
        let sound = tail.starts_with(END_MAGIC)
            && u32_at(tail, 20)? == crc(&[&id.to_le_bytes(), body, tail.get(..20)?]);
        let version = u32_at(tail, 8)?;
        if !sound {
            return None;
        }
        let required = u32_at(tail, 12)?;
        if VERSION < version || required & !(SHARES | ROLLUPS | SPELLS | ZSTD | RUNS) != 0 {
            return Some(End::Newer { version });
        }
        Some(End::Body { start, body, required })
    };
    read().unwrap_or(End::Damaged)
}

/// Where the last sound footer ends that is not at the end of the file.
fn last_magic(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while let Some(at) = rest.windows(END_MAGIC.len()).rposition(|window| window == END_MAGIC) {
        if !matches!(end_at(bytes, at + END_SIZE), End::Damaged) {
            return Some(at + END_SIZE);
        }
        rest = rest.get(..at + END_MAGIC.len() - 1)?;
    }
    None
}

/// A count of things that take a byte each at least, so that a lying one cannot make anybody allocate.
fn take_count(input: &mut &[u8]) -> Option<u64> {
    varint::take(input).filter(|count| *count <= input.len() as u64)
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    varint::put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn take_text(input: &mut &[u8]) -> Option<String> {
    let len = varint::take(input)?;
    Some(std::str::from_utf8(varint::take_bytes(input, len)?).ok()?.to_owned())
}

fn put_gap(out: &mut Vec<u8>, gap: &Gap) {
    put_text(out, &gap.file);
    varint::put(out, gap.offset);
    varint::put(out, gap.len);
    out.push(u8::from(gap.records.is_some()));
    if let Some((first, count)) = gap.records {
        varint::put(out, first.writer.into());
        varint::put(out, first.sequence);
        varint::put(out, count);
    }
    put_text(out, &gap.what);
}

fn take_gap(input: &mut &[u8]) -> Option<Gap> {
    let (file, offset, len) = (take_text(input)?, varint::take(input)?, varint::take(input)?);
    let (&known, rest) = input.split_first()?;
    *input = rest;
    let records = match known {
        0 => None,
        _ => {
            let writer = u32::try_from(varint::take(input)?).ok()?;
            Some((RecordId { writer, sequence: varint::take(input)? }, varint::take(input)?))
        }
    };
    Some(Gap { file, offset, len, records, what: take_text(input)? })
}

#[cfg(test)]
mod tests {
    use super::super::frame::SourceId;
    use super::*;

    fn footer() -> Footer {
        Footer {
            id: 7,
            store: 99,
            day: Some(Day(20_000)),
            set: 6,
            set_size: 2,
            records: 70_000,
            raw: 1 << 24,
            time_min: i64::MIN,
            time_max: i64::MAX,
            arrived_min: -1,
            arrived_max: 1,
            replaced: vec![
                (Place::Active { slot: 1, number: 2 }, 65_536),
                (Place::Segment { id: 3, day: None }, 0),
            ],
            slots: vec![(1, SlotEnd { number: 2, next_sequence: 65_536 })],
            writers: vec![(1, vec![5..10, 20..30])],
            imports: vec![ImportProgress {
                source: SourceId { hash: 1, prefix_len: 2, generation: 0 },
                start: 0,
                end: 99,
                tail_hash: 4,
            }],
            removed: vec![(1, vec![10..12, 30..31]), (2, vec![0..1, 7..9])],
            gaps: vec![Gap {
                file: "active/1-2.log".into(),
                offset: 4096,
                len: 64,
                records: Some((RecordId { writer: 1, sequence: 10 }, 10)),
                what: "damaged records".into(),
            }],
            blocks: vec![BlockEntry {
                rows: 5,
                columns_size: 10,
                head_size: 20,
                time_min: 1,
                time_max: 2,
                arrived_min: 3,
                arrived_max: 4,
            }],
            index_size: 9,
            rollup_size: 5,
            shares: true,
            spells: true,
            zstd: true,
            runs: true,
        }
    }

    fn file() -> Vec<u8> {
        let mut bytes = head(99, 7);
        bytes.resize(bytes.len() + 44, 0xA5);
        bytes.extend_from_slice(&footer().encode());
        bytes
    }

    #[test]
    fn a_footer_reads_back() {
        assert_eq!(Footer::read(&file()), Read::Footer { footer: Box::new(footer()), sound: true });
        assert_eq!(footer().data_size(), 44);
    }

    #[test]
    fn one_flipped_bit_costs_one_copy_at_most() {
        let good = file();
        let data = HEAD_SIZE..HEAD_SIZE + 44;
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            match Footer::read(&bad) {
                Read::Footer { footer: found, sound } => {
                    assert_eq!(*found, footer(), "bit {bit}");
                    assert_eq!(sound, data.contains(&(bit / 8)), "bit {bit}");
                }
                other => panic!("bit {bit}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_short_is_damaged_or_says_the_same() {
        let good = file();
        for len in 0..good.len() {
            match Footer::read(&good[..len]) {
                Read::Footer { footer: found, .. } => assert_eq!(*found, footer(), "{len}"),
                Read::Newer { .. } => panic!("{len} bytes are not newer"),
                Read::Damaged => {}
            }
        }
    }

    #[test]
    fn a_footer_of_a_newer_format_or_with_a_feature_that_is_not_known_is_told_from_damage() {
        for (version, required) in [(9, 0), (9, SHARES), (VERSION, 32), (VERSION, SHARES | 1 << 31)] {
            let mut body = Vec::new();
            footer().encode_body(&mut body);
            let mut bytes = head(99, 7);
            let size = u32::try_from(body.len()).unwrap();
            bytes.extend_from_slice(&body);
            let mut tail = END_MAGIC.to_vec();
            tail.extend_from_slice(&version.to_le_bytes());
            tail.extend_from_slice(&required.to_le_bytes());
            tail.extend_from_slice(&size.to_le_bytes());
            let check = crc(&[&7_u64.to_le_bytes(), &body, &tail]);
            tail.extend_from_slice(&check.to_le_bytes());
            bytes.extend_from_slice(&tail);
            assert_eq!(Footer::read(&bytes), Read::Newer { version });
        }
    }

    #[test]
    fn a_segment_without_any_feature_asks_for_none() {
        let footer =
            Footer { shares: false, spells: false, zstd: false, runs: false, rollup_size: 0, ..footer() };
        let bytes = [head(99, 7), vec![0xA5; 39], footer.encode()].concat();
        assert_eq!(Footer::read(&bytes), Read::Footer { footer: Box::new(footer.clone()), sound: true });
        let copy = footer.encode();
        assert_eq!(u32_at(&copy, copy.len() - 12), Some(0));
    }

    #[test]
    fn what_is_left_away_in_a_footer_is_none_also_when_something_follows_it() {
        for (removed, rollup_size) in [(true, 5), (false, 5), (true, 0), (false, 0)] {
            let removed = if removed { footer().removed } else { Vec::new() };
            let footer = Footer { removed, rollup_size, ..footer() };
            let data = vec![0xA5; 39 + usize::try_from(rollup_size).unwrap()];
            let bytes = [head(99, 7), data, footer.encode()].concat();
            assert_eq!(Footer::read(&bytes), Read::Footer { footer: Box::new(footer), sound: true });
        }
    }
}
