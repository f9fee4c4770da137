//! Walking the frames of an active file, whatever state it is in.
//!
//! [`Walk`] yields whole batches while all is well: the common case, without looking at more than it must.
//! When it meets anything else it stops, and [`settle`] looks at every byte from there on: it finds the
//! valid frames behind damage, and tells damage from a torn tail by the promise that the frames carry.
//! Everything below the promise was on disk once, so what is missing there is damage and is reported;
//! above it, an unfinished write that nobody was promised.
//!
//! Both are pure functions of the bytes: a reader and the recovery of a writer see the same records.

use std::ops::Range;

use crate::format::frame::{self, ALIGN, FLAG_IMPORT, HEADER_SIZE, Header, PROGRESS_SIZE};
use crate::format::header;
use crate::record::{self, Payload};

/// A frame and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameAt {
    pub(crate) offset: u64,
    pub(crate) header: Header,
}

impl FrameAt {
    /// Where the next frame would start.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.header.frame_size()
    }

    /// The payload inside the file's bytes.
    pub(crate) fn payload<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let start = position(self.offset) + HEADER_SIZE;
        bytes.get(start..start + self.header.payload_size as usize).unwrap_or(&[])
    }
}

/// The file being walked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frames<'a> {
    /// All bytes of the file, its head included.
    pub(crate) bytes: &'a [u8],
    pub(crate) salt: u64,
    /// Records from this sequence on were taken over by another file.
    pub(crate) cap: u64,
}

/// What a step of a walk found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A whole batch, in `Walk::batch`.
    Batch,
    /// Nothing is published from here on.
    End,
    /// Neither: damage, a torn batch, or zeros with something behind them.
    Odd,
}

/// Yields the batches of a file in order until something is odd.
pub(crate) struct Walk<'a> {
    frames: Frames<'a>,
    /// The frames of the batch that the last step found.
    pub(crate) batch: Vec<FrameAt>,
    offset: u64,
    next_sequence: Option<u64>,
}

impl<'a> Walk<'a> {
    /// Starts at the first frame, or at a frame boundary that another walk found.
    pub(crate) fn new(frames: Frames<'a>, from: u64) -> Self {
        assert!(header::SIZE <= from && from.is_multiple_of(ALIGN), "BUG: a walk starts at a frame");
        Self { frames, batch: Vec::new(), offset: from, next_sequence: None }
    }

    /// Where the next step starts.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes to the next batch. Headers are verified; payloads are the caller's to verify, except those of
    /// a batch of several frames, which is whole or not there.
    pub(crate) fn step(&mut self) -> Step {
        self.batch.clear();
        let mut offset = self.offset;
        loop {
            let rest = self.frames.bytes.get(position(offset)..).unwrap_or(&[]);
            let Some(header) = frame::decode(rest, self.frames.salt, offset) else {
                let end = self.batch.is_empty() && published_size(rest) == 0;
                return if end { Step::End } else { Step::Odd };
            };
            let index = u32::try_from(self.batch.len()).unwrap_or(u32::MAX);
            let dense = self.next_sequence.is_none_or(|next| next == header.first_sequence);
            if header.batch_index != index || !dense {
                return Step::Odd;
            }
            let frame = FrameAt { offset, header };
            if 1 < header.batch_count && !payload_holds(&frame, self.frames.bytes) {
                return Step::Odd;
            }
            self.next_sequence = Some(header.end_sequence());
            self.batch.push(frame);
            offset = frame.end();
            if header.batch_index + 1 == header.batch_count {
                break;
            }
        }
        self.offset = offset;
        if self.frames.cap <= self.batch[0].header.first_sequence {
            return Step::End;
        }
        Step::Batch
    }
}

/// Whether the payload is what the header says.
pub(crate) fn payload_holds(frame: &FrameAt, bytes: &[u8]) -> bool {
    frame::payload_crc(frame.payload(bytes)) == frame.header.payload_crc
}

fn published_size(rest: &[u8]) -> u32 {
    rest.first_chunk().map_or(0, |word| u32::from_le_bytes(*word))
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Everything from some offset of a file on: what is there, what is missing, and what was never finished.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The frames to read, in order.
    pub(crate) frames: Vec<FrameAt>,
    /// Places that held something once and do not any more.
    pub(crate) gaps: Vec<Hole>,
    /// Places above the promise where a write did not finish, frames of torn batches included.
    pub(crate) torn: u64,
    /// The byte after the last non-zero byte, aligned.
    pub(crate) end: u64,
    /// Everything before it was on disk.
    pub(crate) promise: u64,
    /// Whether the last frame is a close frame with nothing behind it.
    pub(crate) closed: bool,
}

/// A place where frames are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    /// Bytes of the file.
    pub(crate) bytes: Range<u64>,
    /// Sequences that lay there, where the neighbours tell.
    pub(crate) sequences: Option<Range<u64>>,
}

/// Reads every value of a frame; `None` when one does not read or a count is wrong.
pub(crate) fn count_rows(frame: &FrameAt, bytes: &[u8]) -> Option<u64> {
    if frame.header.is_close() {
        return Some(0);
    }
    let skip = if frame.header.flags & FLAG_IMPORT == 0 { 0 } else { PROGRESS_SIZE };
    let mut payload = Payload::read(frame.payload(bytes).get(skip..)?)?;
    for _ in 0..frame.header.count {
        let (_, mut fields) = payload.take_row()?;
        while !fields.is_empty() {
            let raw = record::take_field(&mut fields)?;
            payload.name(raw.name)?;
            raw.value()?;
        }
    }
    payload.is_empty().then_some(u64::from(frame.header.count))
}

/// Looks at every byte from `from` on. `promise` is what is known from elsewhere (the manifest, earlier
/// frames), `sequence` what the first frame's sequence should be, where that is known.
pub(crate) fn settle(frames: Frames<'_>, from: u64, promise: u64, sequence: Option<u64>) -> Settled {
    let mut found = Found { next_sequence: sequence, ..Found::default() };
    let end = found.collect(frames, from);
    let mut settled = Settled { end, promise, ..Settled::default() };
    for frame in &found.frames {
        settled.promise = settled.promise.max(frame.header.promise);
    }
    for hole in found.holes {
        if hole.bytes.start < settled.promise {
            settled.gaps.push(hole);
        } else {
            settled.torn += 1;
        }
    }
    if end < settled.promise {
        let next = found.frames.last().map(|frame| frame.header.end_sequence());
        settled.gaps.push(Hole { bytes: end..settled.promise, sequences: next.map(|next| next..next) });
    }
    settled.closed = settled.torn == 0
        && settled.gaps.is_empty()
        && found.frames.last().is_some_and(|last| last.header.is_close() && last.end() == end);
    settled.keep_whole_batches(&found.frames, frames.cap);
    settled
}

impl Settled {
    /// Takes over the frames of whole batches, and of broken ones that were promised.
    fn keep_whole_batches(&mut self, found: &[FrameAt], cap: u64) {
        let mut rest = found;
        while let Some(first) = rest.first() {
            let index = first.header.batch_index;
            let run = rest.iter().enumerate().take_while(|(at, frame)| same_batch(first, frame, *at)).count();
            let (batch, tail) = rest.split_at(run.max(1));
            rest = tail;
            let whole = index == 0 && batch.len() as u64 == u64::from(first.header.batch_count);
            let promised = first.offset < self.promise;
            if cap <= first.header.first_sequence {
                continue;
            }
            if whole || promised {
                self.frames.extend_from_slice(batch);
            } else {
                self.torn += 1;
            }
        }
    }
}

/// Whether `frame`, `at` places behind `first`, continues its batch without a break.
fn same_batch(first: &FrameAt, frame: &FrameAt, at: usize) -> bool {
    let index = u64::from(first.header.batch_index) + at as u64;
    u64::from(frame.header.batch_index) == index && frame.header.batch_count == first.header.batch_count
}

#[derive(Default)]
struct Found {
    frames: Vec<FrameAt>,
    holes: Vec<Hole>,
    next_sequence: Option<u64>,
}

impl Found {
    /// Collects valid frames and the holes between them; returns where the last non-zero byte ends.
    fn collect(&mut self, frames: Frames<'_>, from: u64) -> u64 {
        let mut offset = from;
        loop {
            match frame_at(frames, offset) {
                Some((frame, true)) if self.in_order(&frame) => {
                    offset = frame.end();
                    self.push(frame);
                }
                // The header holds, so it says how far the damage reaches and which records it costs.
                Some((frame, false)) if self.in_order(&frame) => {
                    self.hole(offset..frame.end(), Some(frame.header.end_sequence()));
                    offset = frame.end();
                }
                _ => {
                    let Some(start) = next_byte(frames.bytes, offset) else { return offset };
                    let next = resync(frames, start, self.next_sequence.unwrap_or(0));
                    let Some(next) = next else {
                        let end = last_byte(frames.bytes);
                        self.hole(offset..end, None);
                        return end;
                    };
                    self.hole(offset..next.offset, Some(next.header.first_sequence));
                    offset = next.end();
                    self.push(next);
                }
            }
        }
    }

    fn in_order(&self, frame: &FrameAt) -> bool {
        self.next_sequence.is_none_or(|next| next <= frame.header.first_sequence)
    }

    fn push(&mut self, frame: FrameAt) {
        if let Some(next) = self.next_sequence
            && next < frame.header.first_sequence
            && self.holes.last().is_none_or(|hole| hole.bytes.end != frame.offset)
        {
            self.hole(frame.offset..frame.offset, Some(frame.header.first_sequence));
        }
        self.next_sequence = Some(frame.header.end_sequence());
        self.frames.push(frame);
    }

    fn hole(&mut self, bytes: Range<u64>, until: Option<u64>) {
        let sequences = self.next_sequence.zip(until).map(|(from, until)| from..until);
        if until.is_some() {
            self.next_sequence = until;
        }
        self.holes.push(Hole { bytes, sequences });
    }
}

/// The frame at `offset` and whether its payload holds; `None` when its header does not.
fn frame_at(frames: Frames<'_>, offset: u64) -> Option<(FrameAt, bool)> {
    let header = frame::decode(frames.bytes.get(position(offset)..)?, frames.salt, offset)?;
    let frame = FrameAt { offset, header };
    Some((frame, payload_holds(&frame, frames.bytes)))
}

/// The first whole frame at or after `from` whose sequence goes on from `sequence`.
fn resync(frames: Frames<'_>, from: u64, sequence: u64) -> Option<FrameAt> {
    let mut offset = from;
    while position(offset) + HEADER_SIZE < frames.bytes.len() {
        match frame_at(frames, offset) {
            Some((frame, true)) if sequence <= frame.header.first_sequence => return Some(frame),
            _ => offset += ALIGN,
        }
    }
    None
}

/// Where the first non-zero byte at or after `from` is, rounded down to where a frame could start.
fn next_byte(bytes: &[u8], from: u64) -> Option<u64> {
    let rest = bytes.get(position(from)..)?;
    let zero = [0; 4096];
    let mut skipped = 0;
    for chunk in rest.chunks(zero.len()) {
        if chunk != zero.get(..chunk.len())? {
            let at = skipped + chunk.iter().position(|byte| *byte != 0)?;
            return Some((from + at as u64) & !(ALIGN - 1));
        }
        skipped += chunk.len();
    }
    None
}

/// The aligned offset after the last non-zero byte.
fn last_byte(bytes: &[u8]) -> u64 {
    let len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    (len as u64).next_multiple_of(ALIGN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SALT: u64 = 99;

    /// Builds a file: `batches` lists how many frames each batch has; each frame holds two records.
    fn build(batches: &[u32], promise: impl Fn(u64) -> u64) -> (Vec<u8>, Vec<FrameAt>) {
        let mut bytes = vec![0; 4096];
        let mut frames = Vec::new();
        let mut sequence = 10;
        for &count in batches {
            let start = bytes.len() as u64;
            for index in 0..count {
                let offset = bytes.len() as u64;
                let payload = vec![0xA5; 30 + (sequence % 40) as usize];
                let header = Header {
                    payload_size: u32::try_from(payload.len()).unwrap(),
                    payload_crc: frame::payload_crc(&payload),
                    count: 2,
                    first_sequence: sequence,
                    flags: 0,
                    promise: promise(start),
                    arrived: 0,
                    time_min: 0,
                    time_max: 0,
                    batch_index: index,
                    batch_count: count,
                };
                let mut head = [0; HEADER_SIZE];
                frame::encode(&mut head, &header, SALT, offset);
                bytes.extend_from_slice(&head);
                bytes.extend_from_slice(&payload);
                bytes.resize(bytes.len().next_multiple_of(8), 0);
                frames.push(FrameAt { offset, header });
                sequence += 2;
            }
        }
        bytes.resize(bytes.len() + 8192, 0);
        (bytes, frames)
    }

    fn frames(bytes: &[u8]) -> Frames<'_> {
        Frames { bytes, salt: SALT, cap: u64::MAX }
    }

    fn walked(bytes: &[u8]) -> (Vec<FrameAt>, Step) {
        let mut walk = Walk::new(frames(bytes), header::SIZE);
        let mut found = Vec::new();
        loop {
            match walk.step() {
                Step::Batch => found.extend_from_slice(&walk.batch),
                other => return (found, other),
            }
        }
    }

    #[test]
    fn a_sound_file_walks_and_settles_the_same() {
        let (bytes, all) = build(&[1, 3, 1, 2], |_| 0);
        assert_eq!(walked(&bytes), (all.clone(), Step::End));
        let settled = settle(frames(&bytes), header::SIZE, 0, Some(10));
        assert_eq!((settled.frames, settled.gaps.len(), settled.torn), (all, 0, 0));
    }

    #[test]
    fn frames_behind_damage_are_kept_and_the_gap_names_its_records() {
        let (mut bytes, all) = build(&[1, 1, 1, 1], |start| start);
        bytes[position(all[1].offset) + 3] ^= 0x40;
        let settled = settle(frames(&bytes), header::SIZE, 0, Some(10));
        assert_eq!(settled.frames, [all[0], all[2], all[3]]);
        assert_eq!(settled.gaps, [Hole { bytes: all[1].offset..all[2].offset, sequences: Some(12..14) }]);
    }

    #[test]
    fn zeros_are_not_the_end_when_something_follows() {
        let (mut bytes, all) = build(&[1, 1, 1, 1], |start| start);
        bytes[position(all[1].offset)..position(all[2].offset)].fill(0);
        assert_eq!(walked(&bytes).0, [all[0]]);
        let settled = settle(frames(&bytes), header::SIZE, 0, Some(10));
        assert_eq!(settled.frames, [all[0], all[2], all[3]]);
        assert_eq!(settled.gaps.len(), 1);
    }

    #[test]
    fn a_torn_batch_above_the_promise_is_dropped_and_below_it_its_good_frames_stay() {
        for (promised, want) in [(false, vec![0, 4]), (true, vec![0, 1, 3, 4])] {
            let (mut bytes, all) = build(&[1, 3, 1], |start| if promised { start } else { 0 });
            bytes[position(all[2].offset) + 70] ^= 1;
            let settled = settle(frames(&bytes), header::SIZE, 0, Some(10));
            let want: Vec<_> = want.into_iter().map(|at| all[at]).collect();
            assert_eq!(settled.frames, want, "promised {promised}");
            assert_eq!(settled.gaps.len(), usize::from(promised));
        }
    }

    #[test]
    fn promised_bytes_that_vanished_at_the_end_are_a_gap() {
        let (mut bytes, all) = build(&[1, 1], |_| 0);
        bytes[position(all[1].offset)..].fill(0);
        let settled = settle(frames(&bytes), header::SIZE, all[1].end(), Some(10));
        assert_eq!(settled.frames, [all[0]]);
        assert_eq!(settled.gaps[0].bytes, all[1].offset..all[1].end());
    }

    #[test]
    fn a_capped_file_ends_where_another_took_over() {
        let (bytes, all) = build(&[1, 1, 1], |_| 0);
        let capped = Frames { cap: all[1].header.first_sequence, ..frames(&bytes) };
        assert_eq!(settle(capped, header::SIZE, 0, None).frames, [all[0]]);
        let mut walk = Walk::new(capped, header::SIZE);
        assert_eq!((walk.step(), walk.step()), (Step::Batch, Step::End));
    }

    #[test]
    fn frames_inside_a_payload_are_no_frames() {
        let (inner, _) = build(&[1, 1], |_| 0);
        let payload = &inner[4096..4096 + 200];
        let header = Header {
            payload_size: 200,
            payload_crc: frame::payload_crc(payload),
            count: 1,
            first_sequence: 0,
            flags: 0,
            promise: 0,
            arrived: 0,
            time_min: 0,
            time_max: 0,
            batch_index: 0,
            batch_count: 1,
        };
        let mut bytes = vec![0; 4096];
        let mut head = [0; HEADER_SIZE];
        frame::encode(&mut head, &header, SALT, 4096);
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(payload);
        bytes[4096] ^= 1;
        bytes.resize(bytes.len() + 4096, 0);
        assert_eq!(settle(frames(&bytes), header::SIZE, 0, None).frames, []);
    }

    proptest! {
        /// Whatever one damaged run of bytes does, every frame outside it and outside its batch is kept,
        /// and a loss below the promise is reported.
        #[test]
        fn damage_costs_only_what_it_touches(
            batches in proptest::collection::vec(1_u32..4, 1..8),
            start in 0_usize..3000,
            len in 1_usize..400,
            zero in any::<bool>(),
        ) {
            let (mut bytes, all) = build(&batches, |start| start);
            let from = 4096 + start;
            let until = (from + len).min(bytes.len());
            if until <= from { return Ok(()); }
            let before = bytes.clone();
            for byte in &mut bytes[from..until] { *byte = if zero { 0 } else { !*byte }; }
            let touched = |frame: &FrameAt| {
                let used = position(frame.offset)..position(frame.offset) + HEADER_SIZE + frame.header.payload_size as usize;
                let overlap = used.start.max(from)..used.end.min(until);
                overlap.start < overlap.end && before[overlap.clone()] != bytes[overlap]
            };
            let settled = settle(frames(&bytes), header::SIZE, 0, Some(10));
            for frame in &all {
                let kept = settled.frames.contains(frame);
                if touched(frame) {
                    prop_assert!(!kept);
                    if frame.offset < settled.promise { prop_assert!(!settled.gaps.is_empty()); }
                } else if frame.offset < settled.promise {
                    prop_assert!(kept, "frame at {} lost", frame.offset);
                }
            }
            prop_assert!(settled.frames.iter().all(|frame| all.contains(frame)), "a phantom");
        }

        #[test]
        fn any_bytes_settle(noise in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut bytes = vec![0; 4096];
            bytes.extend_from_slice(&noise);
            prop_assert_eq!(settle(frames(&bytes), header::SIZE, 0, None).frames, []);
        }
    }
}
