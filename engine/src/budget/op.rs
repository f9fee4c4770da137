//! Ops: what changes the counters, as bytes. The table is a list of them, and every process that reads it comes to
//! the same counters.
//!
//! ```text
//! transaction  now (zigzag varint), ops
//! op           tag u8, then
//!   1 hold     number 8, owner (0, or 1, slot, epoch: varints), at, until (zigzag), adds
//!   2 free     number 8
//!   3 book     time (zigzag), adds, id (0, or 1 and a text, usage)
//!   4 seen     slot, sequence (varints)
//!   5 upto     slot, sequence (varints)
//!   6 fired    budget (varint), group, millionths (varint), start (zigzag)
//!   7 armed    budget (varint), group, millionths (varint)
//!   8 bucket   budget (varint), group, start, end (zigzag), amount (varint)
//!   9 known    since (zigzag)
//!  10 extend   number 8, until (zigzag), adds
//!  11 back     now (zigzag)
//! adds         count (varint), then each: budget (varint), group, amount (varint)
//! group        0 alone, 1 named and a text, 2 the rest
//! usage        for each number 0, or its value plus one (varint), then calls (varint)
//! ```
//!
//! Decoding is total: any bytes give ops or `None`.

use std::sync::Arc;

use super::counter::{Bucket, Fired};
use super::definition::{put_text, take_byte, take_text};
use super::usage::Usage;
use super::window::Span;
use crate::format::varint::{put, put_signed, take, take_bytes, take_signed};
use crate::record_id::RecordId;

/// Which of a budget's counters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// The one counter of a budget without `by`; with it, of events without that field.
    Alone,
    /// Of events whose field has this value.
    Named(Box<str>),
    /// Of all values beyond the number that a budget counts by themselves.
    Rest,
}

/// An amount for one counter. `budget` is a place in the list of definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Add {
    pub(super) budget: usize,
    pub(super) group: Group,
    pub(super) amount: u64,
}

/// A writer at one time: its slot, and which of the slot's holders it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) slot: u32,
    pub(super) epoch: u64,
}

/// A reservation that is not settled yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) id: u64,
    /// Whose death frees it; nobody's for one that was made by a command.
    pub(super) owner: Option<Owner>,
    pub(super) at: i64,
    /// It is free from this time on.
    pub(super) until: i64,
    pub(super) adds: Vec<Add>,
}

/// A change of the counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Hold(Arc<Hold>),
    Free(u64),
    Book {
        time: i64,
        adds: Vec<Add>,
        id: Option<(Box<str>, Usage)>,
    },
    /// This record is taken in.
    Seen(RecordId),
    /// All records of the writer before this one are taken in.
    Upto(RecordId),
    Fired {
        budget: usize,
        group: Group,
        fired: Fired,
    },
    Armed {
        budget: usize,
        group: Group,
        millionths: u32,
    },
    Bucket {
        budget: usize,
        group: Group,
        bucket: Bucket,
    },
    /// The ids of all events since this time are known.
    Known(i64),
    /// A hold holds more, and longer.
    Extend {
        id: u64,
        until: i64,
        adds: Vec<Add>,
    },
    /// That the clock was set back while the counters stood at this time was said.
    Back(i64),
}

fn put_index(out: &mut Vec<u8>, index: usize) {
    put(out, index as u64);
}

fn take_index(input: &mut &[u8]) -> Option<usize> {
    usize::try_from(take(input)?).ok()
}

fn take_u32(input: &mut &[u8]) -> Option<u32> {
    u32::try_from(take(input)?).ok()
}

impl Group {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Alone => out.push(0),
            Self::Named(name) => {
                out.push(1);
                put_text(out, name);
            }
            Self::Rest => out.push(2),
        }
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        Some(match take_byte(input)? {
            0 => Self::Alone,
            1 => Self::Named(take_text(input)?.into()),
            2 => Self::Rest,
            _ => return None,
        })
    }
}

fn put_adds(out: &mut Vec<u8>, adds: &[Add]) {
    put_index(out, adds.len());
    for add in adds {
        put_index(out, add.budget);
        add.group.encode(out);
        put(out, add.amount);
    }
}

fn take_adds(input: &mut &[u8]) -> Option<Vec<Add>> {
    let count = take(input)?;
    let mut adds = Vec::new();
    for _ in 0..count {
        let (budget, group) = (take_index(input)?, Group::decode(input)?);
        adds.push(Add { budget, group, amount: take(input)? });
    }
    Some(adds)
}

fn put_usage(out: &mut Vec<u8>, usage: &Usage) {
    for number in usage.numbers {
        // A number so great that it has no next one is as good as its neighbour.
        put(out, number.map_or(0, |number| number.saturating_add(1)));
    }
    put(out, usage.calls);
}

fn take_usage(input: &mut &[u8]) -> Option<Usage> {
    let mut usage = Usage::default();
    for number in &mut usage.numbers {
        *number = take(input)?.checked_sub(1);
    }
    usage.calls = take(input)?;
    Some(usage)
}

impl Hold {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.push(u8::from(self.owner.is_some()));
        if let Some(owner) = self.owner {
            put(out, owner.slot.into());
            put(out, owner.epoch);
        }
        put_signed(out, self.at);
        put_signed(out, self.until);
        put_adds(out, &self.adds);
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        let id = take_id(input)?;
        let owner = match take_byte(input)? {
            0 => None,
            _ => Some(Owner { slot: take_u32(input)?, epoch: take(input)? }),
        };
        let (at, until) = (take_signed(input)?, take_signed(input)?);
        Some(Self { id, owner, at, until, adds: take_adds(input)? })
    }
}

fn take_id(input: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(*take_bytes(input, 8)?.first_chunk()?))
}

fn put_record(out: &mut Vec<u8>, id: RecordId) {
    put(out, id.writer.into());
    put(out, id.sequence);
}

fn take_record(input: &mut &[u8]) -> Option<RecordId> {
    Some(RecordId { writer: take_u32(input)?, sequence: take(input)? })
}

impl Op {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hold(hold) => {
                out.push(1);
                hold.encode(out);
            }
            Self::Free(id) => {
                out.push(2);
                out.extend_from_slice(&id.to_le_bytes());
            }
            Self::Book { time, adds, id } => {
                out.push(3);
                put_signed(out, *time);
                put_adds(out, adds);
                out.push(u8::from(id.is_some()));
                if let Some((id, usage)) = id {
                    put_text(out, id);
                    put_usage(out, usage);
                }
            }
            Self::Seen(id) => {
                out.push(4);
                put_record(out, *id);
            }
            Self::Upto(id) => {
                out.push(5);
                put_record(out, *id);
            }
            Self::Fired { budget, group, fired } => {
                out.push(6);
                put_index(out, *budget);
                group.encode(out);
                put(out, fired.millionths.into());
                put_signed(out, fired.start);
            }
            Self::Armed { budget, group, millionths } => {
                out.push(7);
                put_index(out, *budget);
                group.encode(out);
                put(out, u64::from(*millionths));
            }
            Self::Bucket { budget, group, bucket } => {
                out.push(8);
                put_index(out, *budget);
                group.encode(out);
                put_signed(out, bucket.span.start);
                put_signed(out, bucket.span.end);
                put(out, bucket.amount);
            }
            Self::Known(since) => {
                out.push(9);
                put_signed(out, *since);
            }
            Self::Extend { id, until, adds } => {
                out.push(10);
                out.extend_from_slice(&id.to_le_bytes());
                put_signed(out, *until);
                put_adds(out, adds);
            }
            Self::Back(now) => {
                out.push(11);
                put_signed(out, *now);
            }
        }
    }

    /// Takes the next op off the front.
    pub(super) fn decode(input: &mut &[u8]) -> Option<Self> {
        Some(match take_byte(input)? {
            1 => Self::Hold(Arc::new(Hold::decode(input)?)),
            2 => Self::Free(take_id(input)?),
            3 => {
                let (time, adds) = (take_signed(input)?, take_adds(input)?);
                let id = match take_byte(input)? {
                    0 => None,
                    _ => Some((take_text(input)?.into(), take_usage(input)?)),
                };
                Self::Book { time, adds, id }
            }
            4 => Self::Seen(take_record(input)?),
            5 => Self::Upto(take_record(input)?),
            6 => {
                let (budget, group) = (take_index(input)?, Group::decode(input)?);
                let fired = Fired { millionths: take_u32(input)?, start: take_signed(input)? };
                Self::Fired { budget, group, fired }
            }
            7 => {
                let (budget, group) = (take_index(input)?, Group::decode(input)?);
                Self::Armed { budget, group, millionths: take_u32(input)? }
            }
            8 => {
                let (budget, group) = (take_index(input)?, Group::decode(input)?);
                let span = Span { start: take_signed(input)?, end: take_signed(input)? };
                Self::Bucket { budget, group, bucket: Bucket { span, amount: take(input)? } }
            }
            9 => Self::Known(take_signed(input)?),
            10 => {
                let (id, until) = (take_id(input)?, take_signed(input)?);
                Self::Extend { id, until, adds: take_adds(input)? }
            }
            11 => Self::Back(take_signed(input)?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn samples() -> Vec<Op> {
        let named = Group::Named("ann".into());
        let adds = vec![
            Add { budget: 0, group: Group::Alone, amount: u64::MAX },
            Add { budget: 3, group: named.clone(), amount: 1 },
            Add { budget: 3, group: Group::Rest, amount: 0 },
        ];
        let usage = Usage { numbers: [Some(0), None, Some(7), None, None, Some(1), Some(5)], calls: 1 };
        let owner = Some(Owner { slot: 7, epoch: u64::MAX });
        let span = Span { start: i64::MIN, end: i64::MAX };
        vec![
            Op::Hold(Arc::new(Hold { id: 1, owner, at: -5, until: i64::MAX, adds: adds.clone() })),
            Op::Hold(Arc::new(Hold { id: u64::MAX, owner: None, at: 0, until: 1, adds: Vec::new() })),
            Op::Free(9),
            Op::Book { time: i64::MIN, adds: adds.clone(), id: Some(("call-1".into(), usage)) },
            Op::Book { time: 3, adds: adds.clone(), id: None },
            Op::Extend { id: 7, until: -1, adds },
            Op::Back(i64::MIN),
            Op::Seen(RecordId { writer: 3, sequence: 4 }),
            Op::Upto(RecordId { writer: u32::MAX, sequence: u64::MAX }),
            Op::Fired { budget: 1, group: named.clone(), fired: Fired { millionths: 800_000, start: -1 } },
            Op::Armed { budget: 1, group: Group::Rest, millionths: 1 },
            Op::Bucket { budget: 2, group: named, bucket: Bucket { span, amount: 5 } },
            Op::Known(i64::MIN),
        ]
    }

    #[test]
    fn every_op_reads_back() {
        let mut bytes = Vec::new();
        samples().iter().for_each(|op| op.encode(&mut bytes));
        let mut input = bytes.as_slice();
        for op in samples() {
            assert_eq!(Op::decode(&mut input), Some(op));
        }
        assert!(input.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_ops_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut input = bytes.as_slice();
            while !input.is_empty() && Op::decode(&mut input).is_some() {}
        }
    }
}
