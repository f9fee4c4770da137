//! The file that a slot's writer fills: reserved, mapped, and written front to back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::frame::{self, HEADER_SIZE, Header};
use crate::format::header::{self, FileHeader, Rehomes};
use crate::format::manifest::Done;
use crate::format::name::{ACTIVE_DIR, FileName};
use crate::io::{File, OpenMode, Vfs, WriteMap};
use crate::options::FILE_RECORDS_MAX;
use crate::quarantine;

/// Pages are made present at least this far ahead of the write position: a first touch costs about ten times
/// what it costs in such a call. The thread that does it is away for up to 3 ms when it makes the next file
/// ready, in which a writer at full speed fills 3 MiB. A whole file at once would be dirty at its first sync.
const POPULATE_AHEAD: u64 = 1 << 20;
/// Pages are made present in runs of about this many bytes.
const POPULATE_RUN: u64 = 1 << 20;

/// Zeros are written in runs of this size, which the kernel then keeps together.
const FILL_SIZE: usize = 64 << 10;

/// Bytes that a close frame takes.
pub(crate) const CLOSE_SIZE: u64 = 64 + 16;

/// What a new file is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewFile {
    pub(crate) store: u128,
    pub(crate) slot: u32,
    pub(crate) first_sequence: u64,
    pub(crate) rehomes: Option<Rehomes>,
}

/// A file being filled. Only its slot's writer has one.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) header: FileHeader,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    pub(crate) map: Arc<dyn WriteMap>,
    /// Where the next frame goes.
    pub(crate) offset: u64,
    pub(crate) next_sequence: u64,
    pub(crate) records: u64,
    pub(crate) time_min: i64,
    pub(crate) time_max: i64,
    /// Whether to make pages present ahead; a writer that mostly syncs is better off without.
    pub(crate) populate: bool,
    populated: u64,
}

/// What is known of a file that is reopened for more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resume {
    pub(crate) header: FileHeader,
    pub(crate) offset: u64,
    pub(crate) next_sequence: u64,
    pub(crate) records: u64,
    pub(crate) time_min: i64,
    pub(crate) time_max: i64,
}

/// A file that has its blocks and its name, and no head yet.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) number: u64,
    pub(crate) capacity: u64,
    path: PathBuf,
    file: Box<dyn File>,
    map: Box<dyn WriteMap>,
    populated: u64,
}

/// Whether anything stands behind a file's head. What cannot be read is taken for nothing.
fn holds_frames(vfs: &dyn Vfs, path: &Path) -> bool {
    if vfs.stat(path).is_err() {
        return false;
    }
    let Ok(map) = vfs.open(path, OpenMode::Read).and_then(|file| file.map_read()) else { return false };
    let start = usize::try_from(header::SIZE).unwrap_or(usize::MAX);
    map.bytes().get(start..).is_some_and(|rest| rest.iter().any(|byte| *byte != 0))
}

impl Prepared {
    /// Makes a file: blocks reserved, name and size durable. A file that could not be made whole is taken
    /// away again, so that a full disk does not fill further.
    pub(crate) fn make(vfs: &dyn Vfs, dir: &Path, slot: u32, number: u64, capacity: u64) -> Result<Self> {
        let path = FileName::Active { slot, number }.path(dir);
        // A file of this number that no manifest names holds nothing, since its writer died before the edit; or its head
        // is damaged and the manifest that knew it is lost.
        if holds_frames(vfs, &path) {
            quarantine::set_aside(vfs, dir, &path)?;
        }
        match vfs.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("an unused file cannot be removed", &path, error));
            }
            _ => {}
        }
        let failed = |error| Error::io("an active file cannot be made", &path, error);
        let file = vfs.open(&path, OpenMode::CreateNew).map_err(failed)?;
        let made = file
            .allocate(0, capacity)
            .and_then(|()| file.sync_data())
            .and_then(|()| vfs.sync_dir(&dir.join(ACTIVE_DIR)))
            .and_then(|()| file.map_write(capacity));
        match made {
            Ok(map) => Ok(Self { number, capacity, path, file, map, populated: 0 }),
            Err(error) => {
                drop(file);
                let error = failed(error);
                // The first error is the one to report; what is left is removed by the next try.
                let _removed = vfs.remove(&path).and_then(|()| vfs.sync_dir(&dir.join(ACTIVE_DIR)));
                Err(error)
            }
        }
    }

    /// Makes the first pages present before anybody waits for them.
    pub(crate) fn populate(&mut self) {
        let len = (POPULATE_AHEAD + POPULATE_RUN).min(self.capacity);
        // Only speed is lost when this fails: pages come at their first touch.
        if self.map.populate(0, len).is_ok() {
            self.populated = len;
        }
    }

    /// Fills the file with zeros and makes all its pages present, for a writer at full speed that does not
    /// sync what it appends: half the cost of making them present page by page (1.6 us against 3.2 us a
    /// page on ext4), since the kernel then holds them in runs. Nobody may have written to the file yet. A
    /// writer that syncs small appends must not have this: each sync would write a whole run.
    pub(crate) fn fill(&mut self) {
        let zeros = vec![0; FILL_SIZE];
        let mut offset = 0;
        while offset < self.capacity {
            let len = (self.capacity - offset).min(FILL_SIZE as u64);
            let part = zeros.get(..usize::try_from(len).unwrap_or(0)).unwrap_or(&zeros);
            // Only speed is lost when this fails: pages come at their first touch.
            if self.file.write_at(offset, part).is_err() {
                return;
            }
            offset += len;
        }
        if self.map.populate(0, self.capacity).is_ok() {
            self.populated = self.capacity;
        }
    }

    /// Takes the file away again, unused.
    pub(crate) fn discard(self, vfs: &dyn Vfs) {
        // What is left of it is removed by whoever makes a file of this number.
        let _removed = vfs.remove(&self.path);
    }
}

impl Active {
    /// Gives a prepared file its head. The head becomes durable with the file's first sync: until then
    /// nothing in the file is promised, and the manifest knows what the head says.
    pub(crate) fn begin(vfs: &dyn Vfs, prepared: Prepared, new: NewFile) -> Result<Self> {
        let Prepared { number, capacity, path, file, map, populated } = prepared;
        let header = FileHeader {
            store: new.store,
            slot: new.slot,
            number,
            salt: vfs.random(),
            first_sequence: new.first_sequence,
            capacity,
            created: vfs.now(),
            rehomes: new.rehomes,
        };
        let failed = |error| Error::io("an active file cannot be begun", &path, error);
        file.write_at(0, &header.encode()).map_err(failed)?;
        let resume = Resume {
            header,
            offset: header::SIZE,
            next_sequence: new.first_sequence,
            records: 0,
            time_min: i64::MAX,
            time_max: i64::MIN,
        };
        let mut active = Self::new(resume, path, file, map);
        active.populated = active.populated.max(populated);
        Ok(active)
    }

    /// Opens a file that ended in order, and reserves its tail again.
    pub(crate) fn reopen(vfs: &dyn Vfs, dir: &Path, resume: Resume) -> Result<Self> {
        let path = FileName::Active { slot: resume.header.slot, number: resume.header.number }.path(dir);
        let failed = |error| Error::io("an active file cannot be reopened", &path, error);
        let file = vfs.open(&path, OpenMode::ReadWrite).map_err(failed)?;
        let capacity = resume.header.capacity;
        file.allocate(resume.offset, capacity - resume.offset).map_err(failed)?;
        let map = file.map_write(capacity).map_err(failed)?;
        Ok(Self::new(resume, path, file, map))
    }

    fn new(resume: Resume, path: PathBuf, file: Box<dyn File>, map: Box<dyn WriteMap>) -> Self {
        Self {
            header: resume.header,
            path,
            file: file.into(),
            map: map.into(),
            offset: resume.offset,
            next_sequence: resume.next_sequence,
            records: resume.records,
            time_min: resume.time_min,
            time_max: resume.time_max,
            populate: false,
            populated: resume.offset,
        }
    }

    /// Whether frames of so many bytes and records fit, a close frame kept free.
    pub(crate) fn has_room(&self, size: u64, records: u64) -> bool {
        self.offset + size + CLOSE_SIZE <= self.header.capacity && self.records + records <= FILE_RECORDS_MAX
    }

    /// Stores a frame that is not published yet. `frame` is 64 bytes of room, the payload and the padding;
    /// its header is filled in. Returns the frame's offset.
    pub(crate) fn stage(&mut self, frame: &mut [u8], header: &Header) -> u64 {
        let offset = self.offset;
        let size = frame.len() as u64;
        assert_eq!(size, header.frame_size(), "BUG: the frame is not what its header says");
        assert!(offset + size <= self.header.capacity, "BUG: has_room() was not asked");
        assert_eq!(header.first_sequence, self.next_sequence, "BUG: sequences are dense");
        if let Some(head) = frame.first_chunk_mut::<HEADER_SIZE>() {
            frame::encode(head, header, self.header.salt, offset);
        }
        // The size comes last, by `publish`; until then a reader finds the end here.
        let (head, body) = frame.split_at(4);
        assert_eq!(head, header.payload_size.to_le_bytes(), "BUG: the size stands first");
        self.map.write(offset + 4, body);
        self.offset += size;
        self.next_sequence = header.end_sequence();
        self.records += u64::from(header.count);
        if 0 < header.count {
            self.time_min = self.time_min.min(header.time_min);
            self.time_max = self.time_max.max(header.time_max);
        }
        offset
    }

    /// Makes a staged frame visible to every reader.
    pub(crate) fn publish(&self, offset: u64, payload_size: u32) {
        self.map.publish(offset, payload_size);
    }

    /// Which pages to make present now, if it is time to: the next run before it is reached.
    pub(crate) fn populate_next(&mut self) -> Option<(u64, u64)> {
        if !self.populate || self.offset + POPULATE_AHEAD <= self.populated {
            return None;
        }
        let from = self.populated.max(self.offset);
        self.populated = (self.offset + POPULATE_AHEAD + POPULATE_RUN).min(self.header.capacity);
        (from < self.populated).then(|| (from, self.populated - from))
    }

    /// What the manifest keeps of this file once it does not grow any more.
    pub(crate) fn done(&self, promise: u64) -> Done {
        Done {
            end: self.offset,
            promise,
            end_sequence: self.next_sequence,
            records: self.records,
            time_min: self.time_min,
            time_max: self.time_max,
            clean: true,
        }
    }
}
