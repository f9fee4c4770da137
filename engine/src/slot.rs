//! Slots: the right to write. A writer locks the first free slot and goes on where its last file ended.
//!
//! A file that ended in order is written on; any other is left as it was found, and what it holds is
//! settled once and written into the manifest.

use std::path::Path;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::format::frame::ALIGN;
use crate::format::header::{self, FileHeader, Read};
use crate::format::manifest::{Done, Op};
use crate::format::name::FileName;
use crate::io::{File, LockKind, OpenMode, Vfs};
use crate::manifest::{FileEntry, Manifest, State, read_header};
use crate::options::FILE_RECORDS_MAX;
use crate::segment::active::{CLOSE_SIZE, Resume};
use crate::segment::walk::{Frames, Settled, settle};

/// More writers than this at one time are a mistake of the caller.
pub(crate) const SLOTS_MAX: u32 = 4096;
/// A file with less room than this is not worth going on with.
const ROOM_MIN: u64 = 8 << 10;

/// A slot that this process holds, until dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) number: u32,
    pub(crate) next: NextFile,
    _lock: Box<dyn File>,
}

/// Where the slot's next record goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NextFile {
    /// Into the last file, which ended in order.
    Resume(Resume),
    /// Into a file that is yet to be made.
    Fresh { number: u64, first_sequence: u64 },
}

impl Slot {
    /// Takes the first free slot and looks at its last file.
    pub(crate) fn acquire(vfs: &dyn Vfs, dir: &Path) -> Result<Self> {
        for number in 0..SLOTS_MAX {
            let Some(lock) = try_lock(vfs, dir, number)? else { continue };
            // The manifest as it is now that nobody else writes in this slot.
            let manifest = Manifest::load(vfs, dir)?;
            let next = next_file(vfs, dir, &manifest.state, number)?;
            return Ok(Self { number, next, _lock: lock });
        }
        let what = format!("{SLOTS_MAX} writers are open at the same time, and no more are allowed");
        Err(Error::new(ErrorKind::Limit, what).at(dir))
    }
}

/// Whether some process writes in the slot at this moment.
pub(crate) fn is_live(vfs: &dyn Vfs, dir: &Path, slot: u32) -> bool {
    let path = FileName::SlotLock { slot }.path(dir);
    let locked = vfs.open(&path, OpenMode::Read).and_then(|file| file.is_locked());
    // Unknown counts as live: a reader then takes what is published and looks no further.
    locked.unwrap_or_else(|error| error.kind() != std::io::ErrorKind::NotFound)
}

/// Which of the slot's holders is the last one, or the present one.
pub(crate) fn epoch(vfs: &dyn Vfs, dir: &Path, slot: u32) -> std::io::Result<u64> {
    let file = vfs.open(&FileName::SlotLock { slot }.path(dir), OpenMode::Read)?;
    let mut bytes = [0; 8];
    let len = file.read_at(0, &mut bytes)?;
    Ok(if len == bytes.len() { u64::from_le_bytes(bytes) } else { 0 })
}

/// Whether this very holder of a slot still holds it. Unknown counts as held.
pub(crate) fn is_held(vfs: &dyn Vfs, dir: &Path, slot: u32, holder: u64) -> bool {
    // The lock is asked first: whoever takes the slot in between has raised the number by the time that it is read.
    is_live(vfs, dir, slot) && epoch(vfs, dir, slot).map_or(true, |epoch| epoch == holder)
}

fn try_lock(vfs: &dyn Vfs, dir: &Path, slot: u32) -> Result<Option<Box<dyn File>>> {
    let path = FileName::SlotLock { slot }.path(dir);
    let failed = |error| Error::io("a slot's lock cannot be taken", &path, error);
    let file = vfs.open(&path, OpenMode::CreateOrOpen).map_err(failed)?;
    if !file.try_lock(LockKind::Exclusive).map_err(failed)? {
        return Ok(None);
    }
    raise_epoch(&*file).map_err(failed)?;
    Ok(Some(file))
}

/// Each holder of a slot has a number of its own, so that who held it before is told from who holds it.
fn raise_epoch(file: &dyn File) -> std::io::Result<()> {
    let mut bytes = [0; 8];
    let len = file.read_at(0, &mut bytes)?;
    let epoch = if len == bytes.len() { u64::from_le_bytes(bytes) } else { 0 };
    file.write_at(0, &epoch.wrapping_add(1).to_le_bytes())
}

/// Says in the manifest what a file holds whose writer went on to another one without a word.
pub(crate) fn settle_file(core: &Core, slot: u32, number: u64) -> Result<()> {
    let state = core.manifest()?.state;
    let Some(entry) = state.files.get(&(slot, number)) else { return Ok(()) };
    let path = FileName::Active { slot, number }.path(&core.dir);
    let done = recover(&*core.vfs, &path, entry)?.done(entry);
    core.commit(|state| {
        let known = state.files.get(&(slot, number)).is_none_or(|entry| entry.done.is_some());
        Ok(if known { Vec::new() } else { vec![Op::Done { slot, number, done }] })
    })
}

/// Says in the manifest what the slot's last file holds and that it will not grow, unless somebody writes in
/// the slot.
pub(crate) fn settle_last(core: &Core, slot: u32) -> Result<()> {
    let (vfs, dir) = (&*core.vfs, &*core.dir);
    let Some(_lock) = try_lock(vfs, dir, slot)? else { return Ok(()) };
    let manifest = Manifest::load(vfs, dir)?;
    let Some((number, entry)) = manifest.state.last_file(slot) else { return Ok(()) };
    if let NextFile::Resume(_) = next_file(vfs, dir, &manifest.state, slot)? {
        let path = FileName::Active { slot, number }.path(dir);
        let done = recover(vfs, &path, &entry)?.done(&entry);
        return core.commit(|_| Ok(vec![Op::Done { slot, number, done }]));
    }
    Ok(())
}

/// Whether the file was begun so long ago that its writer would not go on with it.
pub(crate) fn is_old(core: &Core, slot: u32, number: u64) -> bool {
    let path = FileName::Active { slot, number }.path(&core.dir);
    let Ok(Read::Head { header, .. }) = read_header(&*core.vfs, &path) else { return true };
    let age = u128::try_from(core.vfs.now().saturating_sub(header.created)).unwrap_or(0);
    core.options.seal_after.as_nanos() <= age
}

fn next_file(vfs: &dyn Vfs, dir: &Path, state: &State, slot: u32) -> Result<NextFile> {
    let gone = state.slot_end(slot);
    let Some((number, entry)) = state.last_file(slot) else {
        let first_sequence = gone.next_sequence.max(state.floor);
        return Ok(NextFile::Fresh { number: gone.number + 1, first_sequence });
    };
    let fresh = |first_sequence: u64| NextFile::Fresh {
        number: number + 1,
        first_sequence: first_sequence.max(gone.next_sequence).max(state.floor),
    };
    if entry.done.is_some() {
        return Ok(fresh(entry.after()));
    }
    let path = FileName::Active { slot, number }.path(dir);
    let header = match read_header(vfs, &path) {
        Ok(Read::Head { header, .. }) if header.store == state.store => Some(header),
        _ => None,
    };
    let recovered = recover(vfs, &path, &entry)?;
    // The next sequences of a file from before the floor may be another store's.
    let header = header.filter(|header| state.floor <= header.first_sequence);
    if let (Some(header), Some(resume)) = (header, resume(vfs, &path, &recovered, &entry, header)) {
        debug_assert_eq!(header.salt, entry.salt);
        return Ok(NextFile::Resume(resume));
    }
    let done = recovered.done(&entry);
    Manifest::commit(vfs, dir, |_| Ok(vec![Op::Done { slot, number, done }]))?;
    Ok(fresh(FileEntry { done: Some(done), ..entry }.after()))
}

/// What a file holds, read from the disk itself.
struct Recovered {
    settled: Settled,
    /// Whether the file ends with a close frame of this boot. After another boot a close frame proves
    /// nothing: records may have been appended behind it, seen, and lost with the power.
    in_order: bool,
}

fn recover(vfs: &dyn Vfs, path: &Path, entry: &FileEntry) -> Result<Recovered> {
    let failed = |error| Error::io("an active file cannot be recovered", path, error);
    let file = match vfs.open(path, OpenMode::ReadWrite) {
        Ok(file) => file,
        // A file that is gone is a gap, which readers report; the slot goes on behind it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Recovered { settled: Settled::default(), in_order: false });
        }
        Err(error) => return Err(failed(error)),
    };
    let settle_file = || -> Result<Recovered> {
        let map = file.map_read().map_err(failed)?;
        // Reading the zeros of a reserved tail would make the kernel find memory for them.
        let len = usize::try_from(file.data_len().map_err(failed)?).unwrap_or(usize::MAX);
        let bytes = map.bytes().get(..len).unwrap_or(map.bytes());
        let frames = Frames { bytes, salt: entry.salt, cap: entry.cap };
        let settled = settle(frames, header::SIZE, header::SIZE, Some(entry.first_sequence));
        let last = settled.frames.last();
        let in_order = settled.closed && last.is_some_and(|last| last.payload(bytes) == vfs.boot_id());
        Ok(Recovered { settled, in_order })
    };
    let found = settle_file()?;
    if found.in_order {
        return Ok(found);
    }
    // After a failed write the cache may hold what the disk does not: decide on what is on the disk. A
    // sync that fails here changes nothing about that.
    let _synced = file.sync_data();
    file.drop_cache().map_err(failed)?;
    settle_file()
}

impl Recovered {
    fn done(&self, entry: &FileEntry) -> Done {
        let frames = &self.settled.frames;
        let records = frames.iter().map(|frame| u64::from(frame.header.count)).sum();
        let rows = || frames.iter().filter(|frame| 0 < frame.header.count);
        Done {
            end: self.settled.end,
            promise: self.settled.promise,
            end_sequence: frames.last().map_or(entry.first_sequence, |last| last.header.end_sequence()),
            records,
            time_min: rows().map(|frame| frame.header.time_min).min().unwrap_or(i64::MAX),
            time_max: rows().map(|frame| frame.header.time_max).max().unwrap_or(i64::MIN),
            clean: self.in_order,
        }
    }
}

/// How to go on with the file, if it ended in order and has room.
fn resume(
    vfs: &dyn Vfs,
    path: &Path,
    recovered: &Recovered,
    entry: &FileEntry,
    header: Option<FileHeader>,
) -> Option<Resume> {
    let done = recovered.done(entry);
    let whole = vfs.stat(path).is_ok_and(|stat| stat.size == entry.capacity);
    let room = done.end + ROOM_MIN + CLOSE_SIZE <= entry.capacity && done.records < FILE_RECORDS_MAX;
    let usable = recovered.in_order && whole && room && entry.cap == u64::MAX;
    if !usable || !done.end.is_multiple_of(ALIGN) {
        return None;
    }
    Some(Resume {
        header: header?,
        offset: done.end,
        next_sequence: done.end_sequence,
        records: done.records,
        time_min: done.time_min,
        time_max: done.time_max,
    })
}
