//! Manifest: the append-only log of edits that says which files are the store.
//!
//! ```text
//! off  size  field     meaning
//!   0     8  magic     "LOGQMAN" and 0x01
//!   8     4  version   format that wrote the file
//!  12     4  required  features that a reader must know (bits); 0 so far
//!  16    16  store     the store's identity
//!  32     8  rewrites  how often the manifest was rewritten
//!  40     4  crc       CRC-32 of bytes 0..40
//!  44     4  reserved  zero
//!  48        edits     each at a multiple of 8:
//!   0     4  size      bytes of operations, 1 ..
//!   4     4  crc       CRC-32 of (store, file offset u64, size, operations)
//!   8     n  operations, one after the other; an edit holds all of them or none
//!   -  0..7  pad       zero
//!
//! operation   tag u8, then varints (zigzag for times)
//!   1 create  slot, number, salt, first sequence, capacity, rehomed number (0 = none), rehomed from
//!   2 done    slot, number, end offset, promise, end sequence, records, time min, time max, flags
//!   3 slot    slot, number of its last file that is gone, sequence after that file
//!   4 add     segment, day, bytes, records, time min, time max, arrived min,
//!             arrived max; the times zigzag
//!   5 replace place, since (zigzag): the file is not the store any more, and waits for being unlinked
//!   6 gone    place: the file was unlinked
//!   7 import  an import progress, see `frame`
//!   8 ids     the number of the next segment
//!   9 undo    the source of an import (hash, length of the prefix, generation) that was taken back
//!  10 floor   a sequence: no record gets an id before it any more
//!
//! place       1, slot, number: an active file; 2, segment, day: a segment
//! day         0: not archived; 1, days since 1970-01-01 (zigzag)
//! ```
//!
//! Behind the last edit the file is zero: it grows by [`GROWTH`] at a time, so that the sync of an edit
//! seldom has to make a new size durable. A torn last edit is not there: readers stop before it, the next
//! editor rewrites the file.

use super::frame::{ImportProgress, PROGRESS_SIZE, SourceId};
use super::header::{FileHeader, Rehomes};
use super::name::{Day, FileName};
use super::{VERSION, crc, u32_at, u64_at, varint};

/// Where edits start.
pub(crate) const HEAD_SIZE: usize = 48;
const MAGIC: &[u8; 8] = b"LOGQMAN\x01";
/// The file ends on a multiple of this.
pub(crate) const GROWTH: usize = 64 << 10;
const EDIT_HEAD: usize = 8;
/// An edit is far smaller; a larger size is damage.
const EDIT_SIZE_MAX: usize = 16 << 20;

/// One change to the set of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// A file begins. With `rehomes` the named file ends where this one took over.
    Create { slot: u32, number: u64, salt: u64, first_sequence: u64, capacity: u64, rehomes: Option<Rehomes> },
    /// A file will not grow any more.
    Done { slot: u32, number: u64, done: Done },
    /// All files of the slot up to this one are gone.
    Slot { slot: u32, end: SlotEnd },
    /// A segment begins to be part of the store.
    Add { id: u64, entry: SegmentEntry },
    /// A file stops being part of the store, and waits for its unlinking since then (wall clock).
    Replace { place: Place, since: i64 },
    /// A file that waited was unlinked.
    Gone { place: Place },
    /// A part of a source was imported, whatever became of its records.
    Import(ImportProgress),
    /// No segment from this number on was ever begun.
    Ids { next: u64 },
    /// The records of a source were removed, and it can be imported again.
    Undo { source: SourceId },
    /// No record gets an earlier sequence any more, whoever writes it: another store may have given those.
    Floor { sequence: u64 },
}

/// A file that can be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// The slot's n-th active file.
    Active { slot: u32, number: u64 },
    /// A segment, and where it lies.
    Segment { id: u64, day: Option<Day> },
}

impl Place {
    /// The name of the file.
    pub(crate) fn file(self) -> FileName {
        match self {
            Self::Active { slot, number } => FileName::Active { slot, number },
            Self::Segment { id, day } => FileName::Segment { id, day },
        }
    }
}

/// Where a slot goes on when its files are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SlotEnd {
    /// The last file that there was.
    pub(crate) number: u64,
    /// No record of it or of a file before it has this sequence or a later one.
    pub(crate) next_sequence: u64,
}

/// What the manifest knows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    /// The day of the archive that it belongs to; none before it is rolled.
    pub(crate) day: Option<Day>,
    /// Bytes of the file.
    pub(crate) size: u64,
    pub(crate) records: u64,
    pub(crate) time_min: i64,
    pub(crate) time_max: i64,
    pub(crate) arrived_min: i64,
    pub(crate) arrived_max: i64,
}

/// What is known of a file that will not grow any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Byte after the last frame.
    pub(crate) end: u64,
    /// Everything before this offset was on disk.
    pub(crate) promise: u64,
    /// The sequence after the last record.
    pub(crate) end_sequence: u64,
    /// Records, at most: some may be lost to damage.
    pub(crate) records: u64,
    pub(crate) time_min: i64,
    pub(crate) time_max: i64,
    /// Whether the writer left in order.
    pub(crate) clean: bool,
}

/// The start of a manifest file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) store: u128,
    pub(crate) rewrites: u64,
}

/// What the first bytes of a manifest turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadHead {
    Head(Head),
    Newer { version: u32 },
    Damaged,
}

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_SIZE);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes());
        out.extend_from_slice(&self.store.to_le_bytes());
        out.extend_from_slice(&self.rewrites.to_le_bytes());
        let check = crc(&[&out]);
        out.extend_from_slice(&check.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out
    }

    pub(crate) fn read(bytes: &[u8]) -> ReadHead {
        Self::decode(bytes).unwrap_or(ReadHead::Damaged)
    }

    fn decode(bytes: &[u8]) -> Option<ReadHead> {
        if bytes.get(..8)? != MAGIC || u32_at(bytes, 40)? != crc(&[bytes.get(..40)?]) {
            return None;
        }
        let version = u32_at(bytes, 8)?;
        if VERSION < version || u32_at(bytes, 12)? != 0 {
            return Some(ReadHead::Newer { version });
        }
        let store = u128::from_le_bytes(*bytes.get(16..)?.first_chunk()?);
        Some(ReadHead::Head(Self { store, rewrites: u64_at(bytes, 32)? }))
    }
}

/// Appends one edit that will stand at `offset`, padding included.
pub(crate) fn encode_edit(out: &mut Vec<u8>, ops: &[Op], store: u128, offset: u64) {
    assert!(!ops.is_empty(), "BUG: an edit changes something");
    let mut body = Vec::new();
    for op in ops {
        op.encode(&mut body);
    }
    let size = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&size);
    out.extend_from_slice(&edit_crc(store, offset, &size, &body).to_le_bytes());
    out.extend_from_slice(&body);
    out.resize(out.len().next_multiple_of(8), 0);
}

/// What stands at one place of a manifest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Operations, and the offset after them.
    Ops(Vec<Op>, usize),
    /// The end of the file.
    End,
    /// No edit: a torn tail, or damage when edits follow.
    Damaged,
}

/// Reads the edit at `offset` of the whole manifest `bytes`.
pub(crate) fn read_edit(bytes: &[u8], store: u128, offset: usize) -> Edit {
    match bytes.get(offset..) {
        None => Edit::End,
        Some(rest) if rest.iter().all(|byte| *byte == 0) => Edit::End,
        Some(rest) => match decode_edit(rest, store, offset as u64) {
            Some((ops, len)) => Edit::Ops(ops, offset + len),
            None => Edit::Damaged,
        },
    }
}

fn decode_edit(bytes: &[u8], store: u128, offset: u64) -> Option<(Vec<Op>, usize)> {
    let size = u32_at(bytes, 0)? as usize;
    if size == 0 || EDIT_SIZE_MAX < size {
        return None;
    }
    let mut body = bytes.get(EDIT_HEAD..EDIT_HEAD + size)?;
    if u32_at(bytes, 4)? != edit_crc(store, offset, bytes.get(..4)?, body) {
        return None;
    }
    let mut ops = Vec::new();
    while !body.is_empty() {
        ops.push(Op::decode(&mut body)?);
    }
    let len = (EDIT_HEAD + size).next_multiple_of(8);
    let padding = bytes.get(EDIT_HEAD + size..len.min(bytes.len()))?;
    padding.iter().all(|byte| *byte == 0).then_some((ops, len))
}

fn edit_crc(store: u128, offset: u64, size: &[u8], body: &[u8]) -> u32 {
    crc(&[&store.to_le_bytes(), &offset.to_le_bytes(), size, body])
}

impl Op {
    /// The operation that makes the file with this head part of the store.
    pub(crate) fn create(header: &FileHeader) -> Self {
        Self::Create {
            slot: header.slot,
            number: header.number,
            salt: header.salt,
            first_sequence: header.first_sequence,
            capacity: header.capacity,
            rehomes: header.rehomes,
        }
    }

    /// Bytes that the operation takes in an edit.
    pub(crate) fn size(&self) -> usize {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Create { slot, number, salt, first_sequence, capacity, rehomes } => {
                out.push(1);
                let rehomes = rehomes.unwrap_or(Rehomes { number: 0, from: 0 });
                for value in
                    [slot.into(), number, salt, first_sequence, capacity, rehomes.number, rehomes.from]
                {
                    varint::put(out, value);
                }
            }
            Self::Done { slot, number, done } => {
                out.push(2);
                for value in [slot.into(), number, done.end, done.promise, done.end_sequence, done.records] {
                    varint::put(out, value);
                }
                varint::put_signed(out, done.time_min);
                varint::put_signed(out, done.time_max);
                varint::put(out, u64::from(done.clean));
            }
            Self::Slot { slot, end } => {
                out.push(3);
                varint::put(out, slot.into());
                varint::put(out, end.number);
                varint::put(out, end.next_sequence);
            }
            Self::Add { id, entry } => {
                out.push(4);
                varint::put(out, id);
                put_day(out, entry.day);
                varint::put(out, entry.size);
                varint::put(out, entry.records);
                for time in [entry.time_min, entry.time_max, entry.arrived_min, entry.arrived_max] {
                    varint::put_signed(out, time);
                }
            }
            Self::Replace { place, since } => {
                out.push(5);
                place.encode(out);
                varint::put_signed(out, since);
            }
            Self::Gone { place } => {
                out.push(6);
                place.encode(out);
            }
            Self::Import(progress) => {
                out.push(7);
                progress.encode(out);
            }
            Self::Ids { next } => {
                out.push(8);
                varint::put(out, next);
            }
            Self::Undo { source } => {
                out.push(9);
                for value in [source.hash, source.prefix_len.into(), source.generation.into()] {
                    varint::put(out, value);
                }
            }
            Self::Floor { sequence } => {
                out.push(10);
                varint::put(out, sequence);
            }
        }
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        let (&tag, rest) = input.split_first()?;
        *input = rest;
        Some(match tag {
            1 => Self::Create {
                slot: take_slot(input)?,
                number: varint::take(input)?,
                salt: varint::take(input)?,
                first_sequence: varint::take(input)?,
                capacity: varint::take(input)?,
                rehomes: {
                    let rehomes = Rehomes { number: varint::take(input)?, from: varint::take(input)? };
                    (rehomes.number != 0).then_some(rehomes)
                },
            },
            2 => Self::Done {
                slot: take_slot(input)?,
                number: varint::take(input)?,
                done: Done {
                    end: varint::take(input)?,
                    promise: varint::take(input)?,
                    end_sequence: varint::take(input)?,
                    records: varint::take(input)?,
                    time_min: varint::take_signed(input)?,
                    time_max: varint::take_signed(input)?,
                    clean: varint::take(input)? == 1,
                },
            },
            3 => Self::Slot {
                slot: take_slot(input)?,
                end: SlotEnd { number: varint::take(input)?, next_sequence: varint::take(input)? },
            },
            4 => Self::Add {
                id: varint::take(input)?,
                entry: SegmentEntry {
                    day: take_day(input)?,
                    size: varint::take(input)?,
                    records: varint::take(input)?,
                    time_min: varint::take_signed(input)?,
                    time_max: varint::take_signed(input)?,
                    arrived_min: varint::take_signed(input)?,
                    arrived_max: varint::take_signed(input)?,
                },
            },
            5 => Self::Replace { place: Place::decode(input)?, since: varint::take_signed(input)? },
            6 => Self::Gone { place: Place::decode(input)? },
            7 => {
                let progress = ImportProgress::decode(input)?;
                *input = input.get(PROGRESS_SIZE..)?;
                Self::Import(progress)
            }
            8 => Self::Ids { next: varint::take(input)? },
            9 => Self::Undo {
                source: SourceId {
                    hash: varint::take(input)?,
                    prefix_len: u32::try_from(varint::take(input)?).ok()?,
                    generation: u32::try_from(varint::take(input)?).ok()?,
                },
            },
            10 => Self::Floor { sequence: varint::take(input)? },
            _ => return None,
        })
    }
}

impl Place {
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::Active { slot, number } => {
                out.push(1);
                varint::put(out, slot.into());
                varint::put(out, number);
            }
            Self::Segment { id, day } => {
                out.push(2);
                varint::put(out, id);
                put_day(out, day);
            }
        }
    }

    pub(crate) fn decode(input: &mut &[u8]) -> Option<Self> {
        let (&tag, rest) = input.split_first()?;
        *input = rest;
        Some(match tag {
            1 => Self::Active { slot: take_slot(input)?, number: varint::take(input)? },
            2 => Self::Segment { id: varint::take(input)?, day: take_day(input)? },
            _ => return None,
        })
    }
}

fn take_slot(input: &mut &[u8]) -> Option<u32> {
    u32::try_from(varint::take(input)?).ok()
}

pub(crate) fn put_day(out: &mut Vec<u8>, day: Option<Day>) {
    out.push(u8::from(day.is_some()));
    if let Some(day) = day {
        varint::put_signed(out, day.0.into());
    }
}

pub(crate) fn take_day(input: &mut &[u8]) -> Option<Option<Day>> {
    let (&tag, rest) = input.split_first()?;
    *input = rest;
    match tag {
        0 => Some(None),
        1 => Some(Some(Day(i32::try_from(varint::take_signed(input)?).ok()?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::SourceId;
    use super::*;

    const OPS: [Op; 12] = [
        Op::Floor { sequence: 1 << 50 },
        Op::Undo { source: SourceId { hash: 1 << 63, prefix_len: 65_536, generation: 3 } },
        Op::Slot { slot: 3, end: SlotEnd { number: 7, next_sequence: 1 << 40 } },
        Op::Add {
            id: 9,
            entry: SegmentEntry {
                day: Some(Day(-3)),
                size: 1,
                records: 2,
                time_min: i64::MIN,
                time_max: 4,
                arrived_min: 5,
                arrived_max: i64::MAX,
            },
        },
        Op::Replace { place: Place::Active { slot: 1, number: 2 }, since: -1 },
        Op::Replace { place: Place::Segment { id: 5, day: None }, since: 1 },
        Op::Gone { place: Place::Segment { id: 5, day: Some(Day(20_000)) } },
        Op::Gone { place: Place::Active { slot: 0, number: 1 } },
        Op::Import(ImportProgress {
            source: SourceId { prefix_len: 1, generation: 2, hash: u64::MAX },
            start: 4,
            end: 5,
            tail_hash: 6,
        }),
        Op::Ids { next: 1 << 33 },
        Op::Create {
            slot: 1,
            number: 2,
            salt: u64::MAX,
            first_sequence: 65_536,
            capacity: 1 << 24,
            rehomes: Some(Rehomes { number: 1, from: 9 }),
        },
        Op::Done {
            slot: 1,
            number: 1,
            done: Done {
                end: 8192,
                promise: 4096,
                end_sequence: 9,
                records: 9,
                time_min: i64::MIN,
                time_max: i64::MAX,
                clean: true,
            },
        },
    ];

    #[test]
    fn an_edit_reads_back_and_every_flipped_bit_is_noticed() {
        let mut bytes = Head { store: 7, rewrites: 0 }.encode();
        encode_edit(&mut bytes, &OPS, 7, HEAD_SIZE as u64);
        assert_eq!(Head::read(&bytes), ReadHead::Head(Head { store: 7, rewrites: 0 }));
        assert_eq!(read_edit(&bytes, 7, HEAD_SIZE), Edit::Ops(OPS.to_vec(), bytes.len()));
        assert_eq!(read_edit(&bytes, 7, bytes.len()), Edit::End);
        let used = u32_at(&bytes, HEAD_SIZE).unwrap() as usize + EDIT_HEAD;
        for bit in HEAD_SIZE * 8..(HEAD_SIZE + used) * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_edit(&bad, 7, HEAD_SIZE), Edit::Damaged, "bit {bit}");
        }
        for bit in 0..44 * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::read(&bad), ReadHead::Damaged, "bit {bit}");
        }
    }

    #[test]
    fn an_edit_of_another_place_or_store_does_not_pass() {
        let mut bytes = vec![0; 64];
        encode_edit(&mut bytes, &OPS, 7, 64);
        assert_ne!(read_edit(&bytes, 7, 64), Edit::Damaged);
        assert_eq!(read_edit(&bytes, 8, 64), Edit::Damaged);
        bytes.splice(64..64, [0; 8]);
        assert_eq!(read_edit(&bytes, 7, 72), Edit::Damaged);
    }
}
