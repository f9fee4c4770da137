//! The rows of active files that are being sealed, where they lie.

use super::rewrite::{Attempt, Made, Step};
use crate::error::{Error, ErrorKind};
use crate::format::frame::{FLAG_IMPORT, ImportProgress, PROGRESS_SIZE};
use crate::format::header;
use crate::format::manifest::SlotEnd;
use crate::format::name::FileName;
use crate::gap::Gap;
use crate::io::{OpenMode, ReadMap};
use crate::quarantine;
use crate::record::Payload;
use crate::record_id::RecordId;
use crate::segment::sealed::build::Key;
use crate::segment::walk::{FrameAt, Frames, Settled, count_rows, settle};

/// An active file being sealed.
pub(super) struct OpenFile {
    slot: u32,
    number: u64,
    frames: Vec<FrameAt>,
    map: Box<dyn ReadMap>,
}

/// What the rows of a frame share.
pub(super) struct FrameRows<'a> {
    pub(super) names: Vec<&'a str>,
    pub(super) arrived: i64,
    pub(super) import: Option<ImportProgress>,
}

/// A row where it lies.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) key: Key,
    pub(super) frame: u32,
    pub(super) fields: &'a [u8],
}

impl OpenFile {
    pub(super) fn open(at: &Step<'_>, slot: u32, number: u64, made: &mut Made) -> Attempt<Self> {
        let name = FileName::Active { slot, number };
        let path = name.path(at.dir());
        let Some(entry) = at.state.files.get(&(slot, number)) else {
            return Err(Error::new(ErrorKind::Corrupt, "a file to be sealed is not the store's")
                .at(&path)
                .into());
        };
        let known = made.slots.entry(slot).or_default();
        *known = (*known).max(SlotEnd { number, next_sequence: entry.after() });
        let failed = |error| Error::io("an active file cannot be read", &path, error);
        let file = match at.vfs().open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                made.gaps.push(lost(name, slot, entry));
                return Ok(Self { slot, number, frames: Vec::new(), map: Box::new(NoBytes) });
            }
            Err(error) => return Err(failed(error).into()),
        };
        let map = file.map_read().map_err(failed)?;
        let len = usize::try_from(file.data_len().map_err(failed)?).unwrap_or(usize::MAX);
        let bytes = map.bytes().get(..len).unwrap_or(map.bytes());
        let frames = Frames { bytes, salt: entry.salt, cap: entry.cap };
        let promise = match entry.done {
            Some(done) if entry.cap == u64::MAX => done.promise,
            _ => header::SIZE,
        };
        let mut settled = settle(frames, header::SIZE, promise, Some(entry.first_sequence));
        let damaged = at.damaged.contains(&(slot, number));
        if damaged {
            settled.frames.retain(|frame| {
                let reads = count_rows(frame, bytes).is_some();
                if !reads {
                    made.gaps.push(unread(name, slot, frame));
                }
                reads
            });
        }
        for hole in &settled.gaps {
            let count =
                hole.sequences.as_ref().map(|range| (range.start, range.end.saturating_sub(range.start)));
            made.gaps.push(Gap {
                file: name.relative(),
                offset: hole.bytes.start,
                len: hole.bytes.end - hole.bytes.start,
                records: count
                    .filter(|(_, count)| 0 < *count)
                    .map(|(sequence, count)| (RecordId { writer: slot, sequence }, count)),
                what: "damaged records".into(),
            });
        }
        if damaged && settled.gaps.is_empty() && was_cut(&settled, entry, map.bytes().len() as u64) {
            let (file, offset) = (name.relative(), map.bytes().len() as u64);
            made.gaps.push(Gap {
                file,
                offset,
                len: 0,
                records: None,
                what: "the file was cut short".into(),
            });
        }
        if damaged || !settled.gaps.is_empty() {
            quarantine::keep(at.vfs(), at.dir(), &name.to_string(), bytes)?;
        }
        Ok(Self { slot, number, frames: settled.frames, map })
    }

    /// Gives back the memory of what was read.
    pub(super) fn release(&self) {
        self.map.release();
    }

    /// Adds the rows of the file.
    pub(super) fn rows<'a>(
        &'a self,
        frames: &mut Vec<FrameRows<'a>>,
        rows: &mut Vec<Row<'a>>,
        made: &mut Made,
    ) -> Attempt<()> {
        for frame in &self.frames {
            if frame.header.count == 0 {
                continue;
            }
            let payload = frame.payload(self.map.bytes());
            let (bytes, import) = match frame.header.flags & FLAG_IMPORT {
                0 => (payload, None),
                _ => (payload.get(PROGRESS_SIZE..).unwrap_or(&[]), ImportProgress::decode(payload)),
            };
            made.imports.extend(import);
            let odd = || {
                let what = format!("record {}-{} does not read", self.slot, frame.header.first_sequence);
                let name = FileName::Active { slot: self.slot, number: self.number };
                Error::new(ErrorKind::Corrupt, what).at(name.relative().as_ref()).byte(frame.offset)
            };
            let mut payload = Payload::read(bytes).ok_or_else(odd)?;
            let number = u32::try_from(frames.len()).unwrap_or(u32::MAX);
            frames.push(FrameRows { names: payload.names().to_vec(), arrived: frame.header.arrived, import });
            for at in 0..u64::from(frame.header.count) {
                let (time, fields) = payload.take_row().ok_or_else(odd)?;
                let sequence = frame.header.first_sequence + at;
                let id = RecordId { writer: self.slot, sequence };
                rows.push(Row { key: Key { time, id }, frame: number, fields });
            }
        }
        Ok(())
    }
}

/// The bytes of a file that is not there.
#[derive(Debug)]
struct NoBytes;

impl ReadMap for NoBytes {
    fn bytes(&self) -> &[u8] {
        &[]
    }

    fn load(&self, _offset: u64) -> u32 {
        0
    }
}

fn lost(name: FileName, slot: u32, entry: &crate::manifest::FileEntry) -> Gap {
    let count = entry.done.map(|done| done.end_sequence.saturating_sub(entry.first_sequence));
    Gap {
        file: name.relative(),
        offset: 0,
        len: 0,
        records: count
            .filter(|count| 0 < *count)
            .map(|count| (RecordId { writer: slot, sequence: entry.first_sequence }, count)),
        what: "a file of the store is not there".into(),
    }
}

/// Whether a file ends before what it held does, as far as anybody can tell.
pub(crate) fn was_cut(settled: &Settled, entry: &crate::manifest::FileEntry, len: u64) -> bool {
    let whole = settled.closed || entry.done.is_some_and(|done| done.clean && done.end <= len);
    len < entry.capacity && !whole
}

/// A frame whose checksums hold and whose records do not read all the same.
fn unread(name: FileName, slot: u32, frame: &FrameAt) -> Gap {
    Gap {
        file: name.relative(),
        offset: frame.offset,
        len: frame.header.frame_size(),
        records: Some((
            RecordId { writer: slot, sequence: frame.header.first_sequence },
            u64::from(frame.header.count),
        )),
        what: "records that do not read".into(),
    }
}
