//! Which files are the store: reading the manifest, editing it, and rebuilding it from the files.
//!
//! Readers take no lock: they read edits until the first that does not hold. An editor holds
//! `MANIFEST.lock` for one edit, cuts off a torn tail first, writes the edit in one go and syncs it.
//! A manifest that cannot be trusted (missing, damaged, torn) is made good from the heads of the files.

pub(crate) mod rebuild;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use self::rebuild::Files;
use crate::error::{Error, ErrorKind, Result};
use crate::format::frame::ImportProgress;
use crate::format::header::{self, FileHeader};
use crate::format::manifest::{
    Done, Edit, GROWTH, HEAD_SIZE, Head, Op, Place, ReadHead, SegmentEntry, SlotEnd, encode_edit, read_edit,
};
use crate::format::name::{ACTIVE_DIR, ARCHIVE_DIR, FileName, SEGMENTS_DIR};
use crate::io::{File, LockKind, OpenMode, Stat, Vfs};
use crate::options::FILE_RECORDS_MAX;
use crate::quarantine;

/// A folder with this file is being filled by a restore, and is no store yet.
pub(crate) const RESTORING: &str = "RESTORING";

/// The manifest is rewritten when it has grown past this: about 20,000 edits, read in a few milliseconds.
const REWRITE_SIZE: u64 = 1 << 20;

/// One active file, as the manifest knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileEntry {
    pub(crate) salt: u64,
    pub(crate) first_sequence: u64,
    pub(crate) capacity: u64,
    /// Records from this sequence on live in the file that took them over.
    pub(crate) cap: u64,
    pub(crate) done: Option<Done>,
}

/// The set of files at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) store: u128,
    /// By slot and number.
    pub(crate) files: BTreeMap<(u32, u64), FileEntry>,
    /// Where the slots go on whose files are gone, in part or all.
    pub(crate) slots: BTreeMap<u32, SlotEnd>,
    pub(crate) segments: BTreeMap<u64, SegmentEntry>,
    /// Files that are not the store any more and wait for their unlinking, since then.
    pub(crate) waiting: BTreeMap<Place, i64>,
    /// What was imported, as far as its active files are gone. In order, neighbours joined.
    pub(crate) imports: Vec<ImportProgress>,
    /// The number of the next segment.
    pub(crate) next_segment: u64,
    /// No record gets an earlier sequence, since another store may have given those: that which this one was restored
    /// from.
    pub(crate) floor: u64,
}

impl FileEntry {
    /// The first sequence that no record of the file can have had. After an unclean end nobody knows how
    /// many records readers saw, so the ids jump past all that the file could hold.
    pub(crate) fn after(&self) -> u64 {
        match self.done {
            Some(done) if done.clean => done.end_sequence,
            _ => self.first_sequence.saturating_add(FILE_RECORDS_MAX),
        }
    }
}

impl State {
    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Create { slot, number, salt, first_sequence, capacity, rehomes } => {
                let entry = FileEntry { salt, first_sequence, capacity, cap: u64::MAX, done: None };
                // An edit whose sync failed may be seen although nobody relied on it: the later one counts.
                self.files.insert((slot, number), entry);
                if let Some(rehomes) = rehomes
                    && let Some(failed) = self.files.get_mut(&(slot, rehomes.number))
                {
                    failed.cap = failed.cap.min(rehomes.from);
                }
            }
            Op::Done { slot, number, done } => {
                if let Some(entry) = self.files.get_mut(&(slot, number)) {
                    entry.done = Some(done);
                }
            }
            Op::Slot { slot, end } => self.raise_slot(slot, end),
            Op::Add { id, entry } => {
                self.segments.insert(id, entry);
                self.next_segment = self.next_segment.max(id.saturating_add(1));
            }
            Op::Replace { place, since } => {
                match place {
                    Place::Active { slot, number } => {
                        if let Some(entry) = self.files.remove(&(slot, number)) {
                            self.raise_slot(slot, SlotEnd { number, next_sequence: entry.after() });
                        }
                    }
                    Place::Segment { id, .. } => drop(self.segments.remove(&id)),
                }
                self.waiting.insert(place, since);
            }
            Op::Gone { place } => drop(self.waiting.remove(&place)),
            Op::Import(progress) => {
                self.imports.push(progress);
                self.imports = ImportProgress::join(std::mem::take(&mut self.imports));
            }
            Op::Undo { source } => self.imports.retain(|progress| progress.source != source),
            Op::Floor { sequence } => self.floor = self.floor.max(sequence),
            Op::Ids { next } => self.next_segment = self.next_segment.max(next),
        }
    }

    /// Whether a file is part of the store.
    pub(crate) fn has(&self, place: Place) -> bool {
        match place {
            Place::Active { slot, number } => self.files.contains_key(&(slot, number)),
            Place::Segment { id, day } => self.segments.get(&id).is_some_and(|entry| entry.day == day),
        }
    }

    /// Lets no record get a sequence that any record up to `more` after the last may have had.
    pub(crate) fn raise_floor(&mut self, more: u64) {
        let gone = self.slots.values().map(|end| end.next_sequence);
        let last = gone.chain(self.files.values().map(FileEntry::after)).max().unwrap_or(0);
        self.floor = self.floor.max(last).saturating_add(more);
    }

    /// The state without a file, to plan what comes after it.
    pub(crate) fn forget(&mut self, place: Place) {
        self.apply(&Op::Replace { place, since: 0 });
    }

    fn raise_slot(&mut self, slot: u32, end: SlotEnd) {
        let known = self.slots.entry(slot).or_default();
        known.number = known.number.max(end.number);
        known.next_sequence = known.next_sequence.max(end.next_sequence);
    }

    /// Where the slot goes on, as far as its files are gone.
    pub(crate) fn slot_end(&self, slot: u32) -> SlotEnd {
        self.slots.get(&slot).copied().unwrap_or_default()
    }

    /// The slot's newest file.
    pub(crate) fn last_file(&self, slot: u32) -> Option<(u64, FileEntry)> {
        self.files
            .range((slot, 0)..=(slot, u64::MAX))
            .next_back()
            .map(|(&(_, number), &entry)| (number, entry))
    }

    /// Whether this is its slot's newest file.
    pub(crate) fn is_last(&self, slot: u32, number: u64) -> bool {
        self.last_file(slot).is_some_and(|(last, _)| last == number)
    }

    /// Bytes that the files reserve, for back-pressure.
    pub(crate) fn reserved(&self) -> u64 {
        let used = |entry: &FileEntry| entry.done.map_or(entry.capacity, |done| done.end);
        self.files.values().map(used).sum()
    }

    fn ops(&self) -> Vec<Op> {
        let mut ops = Vec::new();
        if self.next_segment != 0 {
            ops.push(Op::Ids { next: self.next_segment });
        }
        if self.floor != 0 {
            ops.push(Op::Floor { sequence: self.floor });
        }
        ops.extend(self.slots.iter().map(|(&slot, &end)| Op::Slot { slot, end }));
        ops.extend(self.segments.iter().map(|(&id, &entry)| Op::Add { id, entry }));
        ops.extend(self.waiting.iter().map(|(&place, &since)| Op::Replace { place, since }));
        ops.extend(self.imports.iter().map(|&progress| Op::Import(progress)));
        for (&(slot, number), entry) in &self.files {
            ops.push(Op::Create {
                slot,
                number,
                salt: entry.salt,
                first_sequence: entry.first_sequence,
                capacity: entry.capacity,
                rehomes: None,
            });
            // A cap travels with the file that took over, which is created later.
            if let Some(done) = entry.done {
                ops.push(Op::Done { slot, number, done });
            }
        }
        for op in &mut ops {
            if let Op::Create { slot, number, first_sequence, rehomes, .. } = op {
                let capped = self.files.range((*slot, 0)..(*slot, *number)).next_back();
                if let Some((&(_, failed), entry)) = capped
                    && entry.cap == *first_sequence
                {
                    *rehomes = Some(header::Rehomes { number: failed, from: entry.cap });
                }
            }
        }
        ops
    }
}

/// What reading the manifest found, beyond the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Sound,
    /// The last edit was not finished: normal after a crash.
    Torn,
    /// The file is missing or damaged; the state was rebuilt from the files.
    Rebuilt(String),
}

/// The manifest as last read.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) state: Arc<State>,
    pub(crate) condition: Condition,
    rewrites: u64,
    stat: Option<Stat>,
    /// Held open, so that no other file can have the same identity meanwhile.
    file: Option<Arc<dyn File>>,
    /// Where the next edit goes.
    end: u64,
}

impl Manifest {
    /// Whether there is a manifest, or what is left of a store without one.
    pub(crate) fn exists(vfs: &dyn Vfs, dir: &Path) -> bool {
        vfs.stat(&FileName::Manifest.path(dir)).is_ok()
            || vfs.list(&dir.join(ACTIVE_DIR)).is_ok_and(|names| {
                names.iter().any(|name| matches!(FileName::parse_active(name), Some(FileName::Active { .. })))
            })
            || vfs.list(&dir.join(SEGMENTS_DIR)).is_ok_and(|names| {
                let segment = |name: &String| FileName::parse_segment(name, None);
                names.iter().any(|name| matches!(segment(name), Some(FileName::Segment { .. })))
            })
            || vfs.list(&dir.join(ARCHIVE_DIR)).is_ok_and(|names| !names.is_empty())
    }

    /// Makes the manifest of a new store, unless somebody else just did.
    pub(crate) fn create(vfs: &dyn Vfs, dir: &Path) -> Result<()> {
        let _lock = lock(vfs, dir)?;
        if Self::exists(vfs, dir) {
            return Ok(());
        }
        let store = (u128::from(vfs.random()) << 64) | u128::from(vfs.random());
        write_whole(vfs, dir, &State { store, ..State::default() }, 0)
    }

    /// Reads the manifest, and rebuilds in memory what it cannot say.
    pub(crate) fn load(vfs: &dyn Vfs, dir: &Path) -> Result<Self> {
        let path = FileName::Manifest.path(dir);
        let file = match vfs.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return rebuild(vfs, dir, None, "the manifest is missing");
            }
            Err(error) => return Err(Error::io("the manifest cannot be opened", &path, error)),
        };
        let file: Arc<dyn File> = file.into();
        let (bytes, stat) = read_all(&*file, &path)?;
        let head = match Head::read(&bytes) {
            ReadHead::Head(head) => head,
            ReadHead::Newer { version } => return Err(newer(version, &path)),
            ReadHead::Damaged => return rebuild(vfs, dir, None, "the manifest's head is damaged"),
        };
        let mut state = State { store: head.store, ..State::default() };
        let mut offset = HEAD_SIZE;
        let condition = loop {
            match read_edit(&bytes, head.store, offset) {
                Edit::Ops(ops, next) => {
                    ops.iter().for_each(|op| state.apply(op));
                    offset = next;
                }
                Edit::End => break Condition::Sound,
                Edit::Damaged if edit_follows(&bytes, head.store, offset) => {
                    return rebuild(vfs, dir, Some(&state), "an edit of the manifest is damaged");
                }
                Edit::Damaged => break Condition::Torn,
            }
        };
        let end = offset as u64;
        let (state, stat, file) = (Arc::new(state), Some(stat), Some(file));
        let mut manifest = Self { state, condition, rewrites: head.rewrites, stat, file, end };
        if manifest.condition == Condition::Torn {
            // A torn edit was never relied on. One that a bad disk took away was: files know better.
            let known = Arc::clone(&manifest.state);
            manifest.state = Arc::new(Files::read(vfs, dir)?.state(head.store, Some(&known), vfs.now()));
        }
        Ok(manifest)
    }

    /// Reads the manifest again if it changed.
    pub(crate) fn refresh(&mut self, vfs: &dyn Vfs, dir: &Path) -> Result<()> {
        let path = FileName::Manifest.path(dir);
        let stat = vfs.stat(&path).ok();
        let same = stat.is_some() && stat == self.stat;
        if !same || self.has_grown() {
            *self = Self::load(vfs, dir)?;
        }
        Ok(())
    }

    /// Whether an edit stands where the last look found none.
    fn has_grown(&self) -> bool {
        let mut word = [0; 4];
        let read = self.file.as_ref().map(|file| file.read_at(self.end, &mut word));
        !matches!(read, Some(Ok(_))) || word != [0; 4]
    }

    /// Adds operations durably: when this returns, every later reader sees them, also after a power cut.
    /// `ops` sees the newest state and says what to add; nothing is written when it adds nothing.
    pub(crate) fn commit(
        vfs: &dyn Vfs,
        dir: &Path,
        ops: impl FnOnce(&State) -> Result<Vec<Op>>,
    ) -> Result<Self> {
        let _lock = lock(vfs, dir)?;
        Self::edit(vfs, dir, Self::load(vfs, dir)?, ops)
    }

    /// Writes a manifest that is missing or damaged anew, as the files tell it. The damaged one is kept in the
    /// quarantine.
    pub(crate) fn mend(vfs: &dyn Vfs, dir: &Path) -> Result<Self> {
        let _lock = lock(vfs, dir)?;
        let manifest = Self::load(vfs, dir)?;
        if !matches!(manifest.condition, Condition::Rebuilt(_)) {
            return Ok(manifest);
        }
        keep_damaged(vfs, dir)?;
        write_whole(vfs, dir, &manifest.state, manifest.rewrites + 1)?;
        Self::load(vfs, dir)
    }

    fn edit(
        vfs: &dyn Vfs,
        dir: &Path,
        mut manifest: Self,
        ops: impl FnOnce(&State) -> Result<Vec<Op>>,
    ) -> Result<Self> {
        let ops = ops(&manifest.state)?;
        if ops.is_empty() {
            return Ok(manifest);
        }
        let state = Arc::make_mut(&mut manifest.state);
        ops.iter().for_each(|op| state.apply(op));
        if manifest.condition != Condition::Sound || REWRITE_SIZE < manifest.end {
            if let Condition::Rebuilt(_) = manifest.condition {
                keep_damaged(vfs, dir)?;
            }
            write_whole(vfs, dir, &manifest.state, manifest.rewrites + 1)?;
            return Self::load(vfs, dir);
        }
        let path = FileName::Manifest.path(dir);
        let failed = |error| Error::io("the manifest cannot be written", &path, error);
        let mut edit = Vec::new();
        encode_edit(&mut edit, &ops, manifest.state.store, manifest.end);
        let len = edit.len() as u64;
        let size = manifest.stat.map_or(0, |stat| stat.size);
        if size < manifest.end + len {
            edit.resize(edit.len() + GROWTH, 0);
            let end = manifest.end + edit.len() as u64;
            edit.truncate(edit.len() - usize::try_from(end % GROWTH as u64).unwrap_or(0));
        }
        let file = vfs.open(&path, OpenMode::ReadWrite).map_err(failed)?;
        if file.write_at(manifest.end, &edit).and_then(|()| file.sync_data()).is_err() {
            // A failed sync is final for its file: all of the manifest goes into a fresh one.
            write_whole(vfs, dir, &manifest.state, manifest.rewrites + 1)?;
            return Self::load(vfs, dir);
        }
        manifest.end += len;
        manifest.stat = file.stat().ok();
        manifest.file = Some(file.into());
        Ok(manifest)
    }
}

/// Holds the manifest's lock until dropped.
fn lock(vfs: &dyn Vfs, dir: &Path) -> Result<Box<dyn File>> {
    let path = FileName::ManifestLock.path(dir);
    let failed = |error| Error::io("the manifest's lock cannot be taken", &path, error);
    let file = vfs.open(&path, OpenMode::CreateOrOpen).map_err(failed)?;
    file.lock(LockKind::Exclusive).map_err(failed)?;
    Ok(file)
}

fn newer(version: u32, path: &Path) -> Error {
    let known = crate::format::VERSION;
    let what =
        format!("the store has format {version}, and this version of logq knows {known}: use a newer logq");
    Error::new(ErrorKind::Version, what).at(path)
}

fn read_all(file: &dyn File, path: &Path) -> Result<(Vec<u8>, Stat)> {
    let failed = |error| Error::io("the manifest cannot be read", path, error);
    let stat = file.stat().map_err(failed)?;
    let mut bytes = vec![0; usize::try_from(stat.size).unwrap_or(0)];
    let len = file.read_at(0, &mut bytes).map_err(failed)?;
    bytes.truncate(len);
    Ok((bytes, stat))
}

/// Whether a valid edit stands anywhere behind a place that holds none.
fn edit_follows(bytes: &[u8], store: u128, offset: usize) -> bool {
    (offset + 8..bytes.len()).step_by(8).any(|at| matches!(read_edit(bytes, store, at), Edit::Ops(..)))
}

/// The state as the files themselves tell it, with what `known` still says about them.
fn rebuild(vfs: &dyn Vfs, dir: &Path, known: Option<&State>, why: &str) -> Result<Manifest> {
    let files = Files::read(vfs, dir)?;
    let store = known.map(|state| state.store).or_else(|| files.store());
    let Some(store) = store else {
        let what = format!("{why}, and there are no files to rebuild it from");
        return Err(Error::new(ErrorKind::Corrupt, what).at(&FileName::Manifest.path(dir)));
    };
    let state = files.state(store, known, vfs.now());
    let condition = Condition::Rebuilt(why.into());
    Ok(Manifest { state: Arc::new(state), condition, rewrites: 0, stat: None, file: None, end: 0 })
}

/// Reads the head of one active file.
pub(crate) fn read_header(vfs: &dyn Vfs, path: &Path) -> Result<header::Read> {
    let failed = |error| Error::io("an active file cannot be read", path, error);
    let file = vfs.open(path, OpenMode::Read).map_err(failed)?;
    let mut page = vec![0; usize::try_from(header::SIZE).unwrap_or(4096)];
    let len = file.read_at(0, &mut page).map_err(failed)?;
    Ok(FileHeader::read(page.get(..len).unwrap_or(&[])))
}

/// Puts a damaged manifest where it can be looked at.
fn keep_damaged(vfs: &dyn Vfs, dir: &Path) -> Result<()> {
    let path = FileName::Manifest.path(dir);
    if vfs.stat(&path).is_err() {
        return Ok(());
    }
    // A copy: what a damaged manifest still says is of use until the new one stands in its place.
    let read = vfs
        .open(&path, OpenMode::Read)
        .map_err(|error| Error::io("the manifest cannot be read", &path, error));
    let (bytes, _) = read.and_then(|file| read_all(&*file, &path))?;
    quarantine::keep(vfs, dir, &FileName::Manifest.to_string(), &bytes).map(drop)
}

/// What a whole and sound manifest says.
pub(crate) fn decode(bytes: &[u8]) -> Option<State> {
    let ReadHead::Head(head) = Head::read(bytes) else { return None };
    let mut state = State { store: head.store, ..State::default() };
    let mut offset = HEAD_SIZE;
    loop {
        match read_edit(bytes, head.store, offset) {
            Edit::Ops(ops, next) => {
                ops.iter().for_each(|op| state.apply(op));
                offset = next;
            }
            Edit::End => return Some(state),
            Edit::Damaged => return None,
        }
    }
}

/// The manifest that says just this.
pub(crate) fn encode(state: &State) -> Vec<u8> {
    encode_rewritten(state, 0)
}

fn encode_rewritten(state: &State, rewrites: u64) -> Vec<u8> {
    let mut bytes = Head { store: state.store, rewrites }.encode();
    let ops = state.ops();
    if !ops.is_empty() {
        let offset = bytes.len() as u64;
        encode_edit(&mut bytes, &ops, state.store, offset);
    }
    bytes.resize(bytes.len().next_multiple_of(GROWTH), 0);
    bytes
}

/// Writes the whole manifest anew: temporary file, sync, rename, sync of the directory.
fn write_whole(vfs: &dyn Vfs, dir: &Path, state: &State, rewrites: u64) -> Result<()> {
    let new = FileName::ManifestNew.path(dir);
    let failed = |error| Error::io("the manifest cannot be written", &new, error);
    let bytes = encode_rewritten(state, rewrites);
    match vfs.remove(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let file = vfs.open(&new, OpenMode::CreateNew).map_err(failed)?;
    file.write_at(0, &bytes).map_err(failed)?;
    file.sync_data().map_err(failed)?;
    vfs.rename(&new, &FileName::Manifest.path(dir)).map_err(failed)?;
    vfs.sync_dir(dir).map_err(failed)
}
