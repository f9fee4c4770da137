//! Snapshots: a fixed prefix of every writer, read without disturbing any of them.
//!
//! A snapshot holds every record whose append returned before it was asked for. It reads the manifest,
//! maps the files that it names, and finds the end of each file that still grows. What it found there is
//! remembered per file, so that the next snapshot only walks what came since.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::format::frame::{FLAG_IMPORT, ImportProgress};
use crate::format::header;
use crate::format::manifest::Place;
use crate::format::name::{ACTIVE_DIR, FileName};
use crate::gap::Gap;
use crate::io::{File, LockKind, OpenMode, ReadMap, Vfs};
use crate::manifest::{FileEntry, State};
use crate::record_id::RecordId;
use crate::segment::sealed::read::{NotOpen, Segment};
use crate::segment::walk::{FrameAt, Frames, Hole, Step, Walk, payload_holds, settle};
use crate::slot;

/// A file is cut into pieces of about this many bytes, the unit of parallel scanning.
const PIECE_SIZE: u64 = 1 << 20;
/// A file that vanishes between the manifest and the open was replaced: the manifest is read again.
const TRIES_MAX: usize = 5;

/// How far a reader has come: for each writer the first sequence that it has not seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    pub(crate) next: BTreeMap<u32, u64>,
}

/// A fixed view of the store. Cheap; hold it for the length of a query.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) views: Vec<View>,
    pub(crate) segments: Vec<Arc<Segment>>,
    /// What was imported into files that are sealed.
    sealed_imports: Vec<ImportProgress>,
    position: Position,
    gaps: Vec<Gap>,
    /// Held so that files in use are not taken away; none on a disk that one may not lock on.
    _lock: Option<Box<dyn File>>,
}

/// One file as a snapshot sees it.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) slot: u32,
    pub(crate) number: u64,
    pub(crate) entry: FileEntry,
    pub(crate) map: Arc<dyn ReadMap>,
    /// Bytes of the file before it is all zeros, as far as that is known.
    data_len: u64,
    /// In order. Together they hold everything of the file that belongs to the snapshot.
    pub(crate) pieces: Vec<Piece>,
}

/// A run of frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The sequence after the last record.
    pub(crate) end_sequence: u64,
    /// Records, at most.
    pub(crate) records: u64,
    pub(crate) time_min: i64,
    pub(crate) time_max: i64,
}

/// Remembered between snapshots of one store.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    files: Mutex<HashMap<(u32, u64), Known>>,
    segments: Mutex<HashMap<Place, Arc<Segment>>>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    /// Only of files that do not grow.
    map: Option<Arc<dyn ReadMap>>,
    /// Of the file as far as it was walked.
    pieces: Vec<Piece>,
    /// The import progress that frames before `imports_end` carry.
    imports: Vec<ImportProgress>,
    imports_end: u64,
}

/// Which files a snapshot is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Files {
    All,
    Active,
}

impl Snapshot {
    pub(crate) fn take(core: &Core, cache: &Cache) -> Result<Self> {
        Self::take_of(core, cache, Files::All)
    }

    fn take_of(core: &Core, cache: &Cache, files: Files) -> Result<Self> {
        let lock = lock_readers(core);
        for _ in 1..TRIES_MAX {
            match Self::read(core, cache, files, false)? {
                Some(snapshot) => return Ok(Self { _lock: lock, ..snapshot }),
                None => continue,
            }
        }
        let snapshot = Self::read(core, cache, files, true)?;
        let changed = || Error::new(crate::ErrorKind::Stale, "the store's files keep changing").at(&core.dir);
        snapshot.map(|snapshot| Self { _lock: lock, ..snapshot }).ok_or_else(changed)
    }

    /// Reads the files of the manifest. `None` when one of them is gone, unless that is to be a gap.
    fn read(core: &Core, cache: &Cache, of: Files, gone_is_gap: bool) -> Result<Option<Self>> {
        let manifest = core.manifest()?;
        let state = &manifest.state;
        let mut files = cache.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|file, _| state.files.contains_key(file));
        let mut snapshot = Self {
            views: Vec::new(),
            segments: Vec::new(),
            sealed_imports: state.imports.clone(),
            position: Position::default(),
            gaps: Vec::new(),
            _lock: None,
        };
        for (&slot, end) in &state.slots {
            snapshot.position.next.insert(slot, end.next_sequence);
        }
        if of == Files::All && !snapshot.open_segments(core, cache, state, gone_is_gap) {
            return Ok(None);
        }
        for (&(slot, number), entry) in &state.files {
            let known = files.entry((slot, number)).or_default();
            let path = FileName::Active { slot, number }.path(&core.dir);
            let (map, data_len) = match known.map.clone() {
                Some(map) => (map, u64::MAX),
                None => match open_map(&*core.vfs, &path) {
                    Ok(opened) => opened,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound && !gone_is_gap => {
                        return Ok(None);
                    }
                    Err(error) => {
                        snapshot.gaps.push(unreadable(state, slot, number, &error));
                        continue;
                    }
                },
            };
            if entry.done.is_some() {
                known.map = Some(Arc::clone(&map));
            }
            let pieces = std::mem::take(&mut known.pieces);
            let mut view = View { slot, number, entry: *entry, map, data_len, pieces };
            let live = state.is_last(slot, number) && slot::is_live(&*core.vfs, &core.dir, slot);
            known.pieces = view.complete(live, &mut snapshot.gaps);
            let next = view.pieces.last().map_or(entry.first_sequence, |last| last.end_sequence);
            let seen = snapshot.position.next.entry(slot).or_insert(0);
            *seen = next.max(*seen);
            snapshot.views.push(view);
        }
        Ok(Some(snapshot))
    }

    /// Opens the segments of the manifest. `false` when one of them is gone, unless that is to be a gap.
    fn open_segments(&mut self, core: &Core, cache: &Cache, state: &State, gone_is_gap: bool) -> bool {
        let mut opened = cache.segments.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|place, _| state.has(*place));
        for (&id, entry) in &state.segments {
            let place = Place::Segment { id, day: entry.day };
            let segment = match opened.get(&place) {
                Some(segment) => Arc::clone(segment),
                None => match Segment::open(&*core.vfs, &core.dir, state.store, place) {
                    Ok(segment) => Arc::clone(opened.entry(place).or_insert(Arc::new(segment))),
                    Err(NotOpen::Io(error))
                        if error.kind() == std::io::ErrorKind::NotFound && !gone_is_gap =>
                    {
                        return false;
                    }
                    Err(error) => {
                        self.gaps.push(unreadable_segment(place, entry.records, error));
                        continue;
                    }
                },
            };
            for (writer, end) in segment.end_sequences() {
                let seen = self.position.next.entry(writer).or_insert(0);
                *seen = end.max(*seen);
            }
            self.gaps.extend_from_slice(&segment.footer.gaps);
            self.segments.push(segment);
        }
        true
    }

    /// How far this snapshot reaches, for [`crate::Scan::after`] of a later one.
    pub fn position(&self) -> Position {
        self.position.clone()
    }

    /// Damage that was known when the snapshot was taken; a scan may find more.
    pub fn gaps(&self) -> Vec<Gap> {
        self.gaps.clone()
    }

    /// Those gaps of which nothing is left in the store but the note that they are lost.
    pub(crate) fn lost(&self) -> Vec<Gap> {
        self.segments.iter().flat_map(|segment| segment.footer.gaps.iter().cloned()).collect()
    }

    /// How many files the snapshot reads from.
    pub fn files(&self) -> usize {
        self.views.len() + self.segments.len()
    }

    /// The latest arrival that is known to be on disk, and the latest of all. Only the headers of frames are read.
    pub(crate) fn arrivals(&self) -> (Option<i64>, Option<i64>) {
        let sealed = self.segments.iter().map(|segment| segment.footer.arrived_max).max();
        let (mut synced, mut latest) = (sealed, sealed);
        for view in &self.views {
            let mut promise = view.promise();
            view.each_frame(0, &mut |frame| promise = promise.max(frame.header.promise));
            view.each_frame(0, &mut |frame| {
                let arrived = (0 < frame.header.count).then_some(frame.header.arrived);
                latest = latest.max(arrived);
                if frame.end() <= promise {
                    synced = synced.max(arrived);
                }
            });
        }
        (synced, latest)
    }

    /// Which parts of which sources were imported: for each source the ranges in order, neighbours joined.
    /// What earlier calls found is remembered, so that only frames that came since are looked at.
    pub(crate) fn imports(&self, cache: &Cache) -> Vec<ImportProgress> {
        let mut files = cache.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = self.sealed_imports.clone();
        for view in &self.views {
            let known = files.entry((view.slot, view.number)).or_default();
            let Known { imports, imports_end, .. } = known;
            view.each_frame(*imports_end, &mut |frame| {
                let bytes = view.map.bytes();
                if frame.header.flags & FLAG_IMPORT != 0 && payload_holds(frame, bytes) {
                    imports.extend(ImportProgress::decode(frame.payload(bytes)));
                }
            });
            *imports_end = view.pieces.last().map_or(*imports_end, |last| last.to.max(*imports_end));
            *imports = ImportProgress::join(std::mem::take(imports));
            found.extend_from_slice(imports);
        }
        ImportProgress::join(found)
    }
}

/// Holds the lock that keeps files in use from being taken away. A disk or a user that may not lock is
/// served all the same.
pub(crate) fn lock_readers(core: &Core) -> Option<Box<dyn File>> {
    let path = FileName::ReadersLock.path(&core.dir);
    let mode = if core.options.read_only { OpenMode::Read } else { OpenMode::CreateOrOpen };
    let file = core.vfs.open(&path, mode).or_else(|_| core.vfs.open(&path, OpenMode::Read)).ok()?;
    matches!(file.try_lock(LockKind::Shared), Ok(true)).then_some(file)
}

/// Maps a file, and finds where its zeros begin.
fn open_map(vfs: &dyn Vfs, path: &Path) -> std::io::Result<(Arc<dyn ReadMap>, u64)> {
    let file = vfs.open(path, OpenMode::Read)?;
    Ok((file.map_read()?.into(), file.data_len()?))
}

fn unreadable(state: &State, slot: u32, number: u64, error: &std::io::Error) -> Gap {
    let entry = state.files.get(&(slot, number));
    let first = entry.map_or(0, |entry| entry.first_sequence);
    let next = state.files.range((slot, number + 1)..=(slot, u64::MAX)).next();
    let end = entry.and_then(|entry| entry.done).map(|done| done.end_sequence);
    let end = end.or(next.map(|(_, entry)| entry.first_sequence));
    Gap {
        file: relative_name(slot, number),
        offset: 0,
        len: 0,
        records: end.map(|end| (RecordId { writer: slot, sequence: first }, end.saturating_sub(first))),
        what: format!("a file of the store cannot be read ({error})"),
    }
}

fn unreadable_segment(place: Place, records: u64, error: NotOpen) -> Gap {
    let what = match error {
        NotOpen::Io(error) => format!("a segment of {records} records cannot be read ({error})"),
        NotOpen::Damaged(what) => format!("{what} ({records} records)"),
    };
    Gap { file: place.file().relative(), offset: 0, len: 0, records: None, what }
}

/// Records in active files. Segments are not opened for it: there may be thousands.
pub(crate) fn count_unsealed(core: &Core) -> Result<u64> {
    let snapshot = Snapshot::take_of(core, &Cache::default(), Files::Active)?;
    let pieces = snapshot.views.iter().flat_map(|view| &view.pieces);
    Ok(pieces.map(|piece| piece.records).sum())
}

fn relative_name(slot: u32, number: u64) -> String {
    format!("{ACTIVE_DIR}/{}", FileName::Active { slot, number })
}

impl View {
    pub(crate) fn frames(&self) -> Frames<'_> {
        Frames { bytes: self.map.bytes(), salt: self.entry.salt, cap: self.entry.cap }
    }

    /// Everything before this offset was on disk, as far as the manifest knows.
    pub(crate) fn promise(&self) -> u64 {
        // A capped file failed to sync: what it promised beyond the cap lives elsewhere.
        if self.entry.cap < u64::MAX {
            return header::SIZE;
        }
        self.entry.done.map_or(header::SIZE, |done| done.promise)
    }

    /// The file, relative to the store.
    pub(crate) fn relative_name(&self) -> String {
        relative_name(self.slot, self.number)
    }

    pub(crate) fn gap(&self, hole: &Hole) -> Gap {
        let count = |range: &std::ops::Range<u64>| range.end.saturating_sub(range.start);
        let records = hole
            .sequences
            .as_ref()
            .filter(|range| 0 < count(range))
            .map(|range| (RecordId { writer: self.slot, sequence: range.start }, count(range)));
        Gap {
            file: relative_name(self.slot, self.number),
            offset: hole.bytes.start,
            len: hole.bytes.end - hole.bytes.start,
            records,
            what: "damaged records".into(),
        }
    }

    /// Adds the pieces that are not known yet. Returns those that need not be looked at again: none of
    /// what was settled, whose gaps belong into every answer.
    fn complete(&mut self, live: bool, gaps: &mut Vec<Gap>) -> Vec<Piece> {
        if let Some(done) = self.entry.done {
            if done.clean {
                // A scan that finds less than this settles the file then.
                self.pieces = vec![Piece {
                    from: header::SIZE,
                    to: done.end,
                    end_sequence: done.end_sequence.min(self.entry.cap),
                    records: done.records,
                    time_min: done.time_min,
                    time_max: done.time_max,
                }];
                return Vec::new();
            }
            self.pieces.clear();
        }
        let from = self.pieces.last().map_or(header::SIZE, |last| last.to);
        let mut pieces = std::mem::take(&mut self.pieces);
        let mut walk = Walk::new(self.frames(), from);
        let step = loop {
            match walk.step() {
                Step::Batch => add_batch(&mut pieces, &walk.batch),
                other => break other,
            }
        };
        let end = walk.offset();
        let sound = pieces.clone();
        if step == Step::Odd || !live {
            self.settle_tail(&mut pieces, end, gaps);
        }
        self.pieces = pieces;
        sound
    }

    /// Looks at everything behind the place where the walk ended.
    fn settle_tail(&self, pieces: &mut Vec<Piece>, from: u64, gaps: &mut Vec<Gap>) {
        let sequence = pieces.last().map_or(self.entry.first_sequence, |last| last.end_sequence);
        // Reading the zeros of a reserved tail would make the kernel find memory for them.
        let len = usize::try_from(self.data_len.max(from)).unwrap_or(usize::MAX);
        let whole = self.frames();
        let frames = Frames { bytes: whole.bytes.get(..len).unwrap_or(whole.bytes), ..whole };
        let settled = settle(frames, from, self.promise(), Some(sequence));
        gaps.extend(settled.gaps.iter().map(|hole| self.gap(hole)));
        for frame in settled.frames {
            add_batch(pieces, &[frame]);
        }
    }

    /// Visits the headers of all frames from `from` on, where a frame starts or nothing was visited yet.
    fn each_frame(&self, from: u64, visit: &mut dyn FnMut(&FrameAt)) {
        for piece in self.pieces.iter().filter(|piece| from < piece.to) {
            let mut walk = Walk::new(self.frames(), piece.from.max(from));
            while walk.offset() < piece.to {
                match walk.step() {
                    Step::Batch => walk.batch.iter().for_each(&mut *visit),
                    _ => {
                        let settled = settle(self.frames(), walk.offset(), self.promise(), None);
                        settled.frames.iter().filter(|frame| frame.offset < piece.to).for_each(&mut *visit);
                        break;
                    }
                }
            }
        }
    }
}

/// Extends the last piece by a batch, or starts the next.
fn add_batch(pieces: &mut Vec<Piece>, batch: &[FrameAt]) {
    let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return };
    let fits =
        pieces.last().is_some_and(|piece| piece.to == first.offset && piece.to - piece.from < PIECE_SIZE);
    if !fits {
        pieces.push(Piece {
            from: first.offset,
            to: first.offset,
            end_sequence: first.header.first_sequence,
            records: 0,
            time_min: i64::MAX,
            time_max: i64::MIN,
        });
    }
    let Some(piece) = pieces.last_mut() else { return };
    piece.to = last.end();
    piece.end_sequence = last.header.end_sequence();
    for frame in batch.iter().filter(|frame| 0 < frame.header.count) {
        piece.records += u64::from(frame.header.count);
        piece.time_min = piece.time_min.min(frame.header.time_min);
        piece.time_max = piece.time_max.max(frame.header.time_max);
    }
}
