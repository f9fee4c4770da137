//! Backups: copies of a store at one moment, beside each other in one folder, each file once.
//!
//! ```text
//! DEST/
//!   BACKUP                which store the backups are of
//!   BACKUP.lock           held by whoever makes one
//!   files/<hash>-<bytes>  copies, named by what is in them, never changed
//!   lists/000001.list     what the first backup holds; written last, so a backup is there whole or not at all
//! ```
//!
//! A backup holds what a snapshot holds: of every writer all records whose append returned before it was asked for. Sealed
//! files never change, so one that an earlier backup copied is not read again; of a file that a writer is filling the bytes up to its last
//! frame are copied. The manifest is written for exactly these files. A copy is synced before its name is, and all names before the list.

mod copy;
mod list;
mod restore;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use self::copy::{Finisher, Source, Unfinished};
use self::list::{Entry, List};
pub use self::restore::{Restored, backups, restore, restore_on, verify_backup, verify_backup_on};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::format::header;
use crate::format::name::{BACKUP_LOCK, FileName, IMPORTS_DIR, QUARANTINE_DIR, is_lock};
use crate::io::{File, LockKind, OpenMode, Vfs};
use crate::manifest::{self, State};
use crate::snapshot::{Cache, Snapshot};

/// The folder of the copies.
const FILES_DIR: &str = "files";
/// The folder of the lists.
const LISTS_DIR: &str = "lists";
/// Says which store the backups are of.
const MARK: &str = "BACKUP";
/// A file vanished between the manifest and its copy: the backup begins anew.
const TRIES_MAX: usize = 5;
/// No folder lies deeper.
const DEPTH_MAX: usize = 4096;

/// One backup of a folder of backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupInfo {
    /// Its number: 1 is the first.
    pub number: u64,
    /// When it was taken, nanoseconds since 1970 by the clock of the machine that took it.
    pub taken: i64,
    /// Records in it, at most: of a file whose writer crashed nobody has counted them yet.
    pub records: u64,
    /// Files of the store.
    pub files: u64,
    /// Bytes of their copies.
    pub bytes: u64,
}

/// What making a backup did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// The backup.
    pub backup: BackupInfo,
    /// Files that had to be copied: no earlier backup has them.
    pub copied: u64,
    /// Bytes of those.
    pub copied_bytes: u64,
    /// Lists of earlier backups that do not read. Nothing is deleted while there is one.
    pub damaged_lists: Vec<String>,
    /// Copies that no list names any more, or that an interrupted backup left, and that were deleted.
    pub deleted: u64,
}

/// How far a backup, a check of one or a restore is.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackupProgress {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Is told how far it is; `Break` ends it, and nothing is half done.
pub type Watch<'w> = dyn FnMut(BackupProgress) -> ControlFlow<()> + 'w;

/// A folder of backups.
struct Place<'v> {
    vfs: &'v dyn Vfs,
    dir: &'v Path,
}

/// A file of the store that is to be in the backup.
struct Wanted {
    path: String,
    /// Bytes to copy, where not all of them.
    end: Option<u64>,
    /// Whether it never changes under its name.
    sealed: bool,
    size: u64,
}

/// Makes a backup in the folder `dest`; `keep` is how many of the newest stay, all without it.
pub(crate) fn back_up(
    core: &Core,
    cache: &Cache,
    dest: &Path,
    keep: Option<usize>,
    watch: &mut Watch<'_>,
) -> Result<BackedUp> {
    if is_inside(&*core.vfs, &core.dir, dest)? {
        return Err(Error::new(ErrorKind::Invalid, "a backup cannot lie inside the store").at(dest));
    }
    let place = Place { vfs: &*core.vfs, dir: dest };
    let _lock = place.prepare(core.store_id()?)?;
    let (mut lists, damaged_lists) = place.lists()?;
    let known = place.known(&lists);
    // What an interrupted backup left. A list that does not read may name any copy.
    let mut deleted = if damaged_lists.is_empty() { place.sweep(&lists)? } else { 0 };
    for _ in 0..TRIES_MAX {
        let Some((list, copied, copied_bytes)) = attempt(core, cache, &place, &known, watch)? else {
            continue;
        };
        let number = lists.keys().next_back().map_or(1, |last| last + 1).max(place.next_number()?);
        place.write_list(number, &list)?;
        let backup = info(number, &list);
        lists.insert(number, list);
        if let Some(keep) = keep.filter(|_| damaged_lists.is_empty()) {
            while keep.max(1) < lists.len() {
                let Some((oldest, _)) = lists.pop_first() else { break };
                place.remove_list(oldest)?;
            }
            deleted += place.sweep(&lists)?;
        }
        return Ok(BackedUp { backup, copied, copied_bytes, damaged_lists, deleted });
    }
    // Either the files keep changing, or one of them is not there or does not read.
    match Snapshot::take(core, cache)?.gaps().into_iter().find(|gap| gap.offset == 0) {
        Some(gap) => {
            let what = format!("a backup without this file would be none: {}", gap.what);
            Err(Error::new(ErrorKind::Corrupt, what).at(&core.dir.join(gap.file)))
        }
        None => Err(Error::new(ErrorKind::Stale, "the store's files keep changing").at(&core.dir)),
    }
}

/// Whether a path lies in a folder, or is it, however both are written. Of a path that is not there yet, whether it
/// would.
fn is_inside(vfs: &dyn Vfs, folder: &Path, path: &Path) -> Result<bool> {
    let Ok(wanted) = vfs.stat(folder) else { return Ok(false) };
    let mut path = path.to_owned();
    // What is not there has no links in it: its folder decides.
    while vfs.stat(&path).is_err() {
        if !path.pop() || path == Path::new("") {
            path = PathBuf::from(".");
            break;
        }
    }
    for _ in 0..DEPTH_MAX {
        let stat = vfs.stat(&path).map_err(|error| Error::io("a folder cannot be read", &path, error))?;
        if stat.identity == wanted.identity {
            return Ok(true);
        }
        path.push("..");
        let above = vfs.stat(&path).map_err(|error| Error::io("a folder cannot be read", &path, error))?;
        if above.identity == stat.identity {
            return Ok(false);
        }
    }
    Ok(false)
}

fn info(number: u64, list: &List) -> BackupInfo {
    let bytes = list.files.iter().map(|entry| entry.bytes).fold(0, u64::saturating_add);
    BackupInfo { number, taken: list.taken, records: list.records, files: list.files.len() as u64, bytes }
}

/// Copies what a snapshot names. `None` when a file was replaced meanwhile.
fn attempt(
    core: &Core,
    cache: &Cache,
    place: &Place<'_>,
    known: &BTreeMap<(String, u64), Entry>,
    watch: &mut Watch<'_>,
) -> Result<Option<(List, u64, u64)>> {
    std::thread::scope(|scope| {
        let mut finisher = Finisher::start(scope, place.vfs);
        let tried = attempt_with(core, cache, place, known, watch, &mut finisher);
        // What went wrong with a copy is why there is no more of them.
        finisher.wait()?;
        let Some(tried) = tried? else { return Ok(None) };
        place.sync(FILES_DIR)?;
        Ok(Some(tried))
    })
}

fn attempt_with(
    core: &Core,
    cache: &Cache,
    place: &Place<'_>,
    known: &BTreeMap<(String, u64), Entry>,
    watch: &mut Watch<'_>,
    finisher: &mut Finisher<'_>,
) -> Result<Option<(List, u64, u64)>> {
    // It holds the lock that keeps the files from being unlinked.
    let snapshot = Snapshot::take(core, cache)?;
    let mut state = State::clone(&core.manifest()?.state);
    let Some((wanted, records)) = wanted(core, &snapshot, &state)? else { return Ok(None) };
    let taken = core.vfs.now();
    let mut progress =
        BackupProgress { done: 0, total: wanted.iter().map(|file| file.end.unwrap_or(file.size)).sum() };
    let (mut files, mut copied, mut copied_bytes) = (Vec::new(), 0, 0);
    let mut have: BTreeSet<String> = known.values().map(Entry::copy).collect();
    for file in wanted {
        let path = core.dir.join(&file.path);
        let opened = match core.vfs.open(&path, OpenMode::Read) {
            Ok(opened) => opened,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&path, error)),
        };
        // What an active file reserves and nobody wrote is not copied.
        let source = Source::of(&*opened, file.end).map_err(|error| unreadable(&path, error))?;
        let before = known.get(&(file.path.clone(), file.size)).filter(|_| file.sealed);
        let entry = match before {
            Some(before) if source.tail().is_ok_and(|tail| tail == before.tail) => before.clone(),
            _ => source.entry(file.path, file.size).map_err(|error| unreadable(&path, error))?,
        };
        if have.insert(entry.copy()) && !place.has(&entry) {
            let Some(copy) = place.copy(&entry, &source)? else { return Ok(None) };
            finisher.take(copy)?;
            copied += 1;
            copied_bytes += entry.bytes;
        }
        progress.done += entry.bytes;
        files.push(entry);
        if watch(progress).is_break() {
            return Err(Error::new(ErrorKind::Stale, "the backup was cancelled").at(place.dir));
        }
    }
    state.waiting.clear();
    let manifest = manifest::encode(&state);
    let entry = Entry::of(FileName::Manifest.relative(), &manifest, manifest.len() as u64);
    if !place.has(&entry) {
        place.write(&Path::new(FILES_DIR).join(entry.copy()), &manifest)?;
    }
    files.push(entry);
    Ok(Some((List { store: state.store, taken, records, files }, copied, copied_bytes)))
}

/// The files of a snapshot and what lies beside them; `None` when the manifest is of another moment.
fn wanted(core: &Core, snapshot: &Snapshot, state: &State) -> Result<Option<(Vec<Wanted>, u64)>> {
    let segments: BTreeSet<u64> = snapshot.segments.iter().map(|segment| segment.footer.id).collect();
    let same = snapshot.views.len() == state.files.len()
        && snapshot.views.iter().all(|view| state.files.get(&(view.slot, view.number)) == Some(&view.entry))
        && segments.len() == state.segments.len()
        && state.segments.keys().all(|id| segments.contains(id));
    if !same {
        return Ok(None);
    }
    let mut records = 0;
    let mut wanted = Vec::new();
    for segment in &snapshot.segments {
        records += segment.footer.records;
        let path = segment.footer.place().file().relative();
        wanted.push(Wanted { path, end: None, sealed: true, size: segment.size() });
    }
    for view in &snapshot.views {
        records += view.pieces.iter().map(|piece| piece.records).sum::<u64>();
        let written = view.pieces.last().map_or(header::SIZE, |last| last.to);
        let end = if view.entry.done.is_some() { view.map.bytes().len() as u64 } else { written };
        wanted.push(Wanted {
            path: view.relative_name(),
            end: Some(end.min(view.map.bytes().len() as u64)),
            sealed: false,
            size: view.entry.capacity,
        });
    }
    for folder in [IMPORTS_DIR, QUARANTINE_DIR] {
        for name in names(&*core.vfs, &core.dir.join(folder))? {
            if !is_lock(&name) {
                beside(core, format!("{folder}/{name}"), &mut wanted);
            }
        }
    }
    beside(core, FileName::BudgetDefinitions.relative(), &mut wanted);
    beside(core, "logq.toml".to_owned(), &mut wanted);
    Ok(Some((wanted, records)))
}

/// A file that is no record: settings, refused lines, damaged pieces. Empty ones say nothing.
fn beside(core: &Core, path: String, wanted: &mut Vec<Wanted>) {
    if let Ok(stat) = core.vfs.stat(&core.dir.join(&path))
        && stat.size != 0
        && list::is_plain(&path)
    {
        wanted.push(Wanted { path, end: None, sealed: false, size: stat.size });
    }
}

/// The names in a folder; none when there is no such folder.
fn names(vfs: &dyn Vfs, folder: &Path) -> Result<Vec<String>> {
    match vfs.list(folder) {
        Ok(names) => Ok(names),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("a folder cannot be read", folder, error)),
    }
}

impl Place<'_> {
    /// Makes the folders and takes the lock.
    fn prepare(&self, store: u128) -> Result<Box<dyn File>> {
        let failed = |error| Error::io("a folder for backups cannot be made", self.dir, error);
        self.vfs.create_dir(self.dir).map_err(failed)?;
        let found = names(self.vfs, self.dir)?;
        match self.store()? {
            Some(other) if other != store => {
                let what = format!("the backups here are of another store, {other:032x}: use another folder");
                return Err(Error::new(ErrorKind::Invalid, what).at(self.dir));
            }
            Some(_) => {}
            None if found.iter().any(|name| {
                ![FILES_DIR, LISTS_DIR, BACKUP_LOCK].contains(&name.as_str())
                    && name.as_str() != format!("{MARK}.new")
            }) =>
            {
                let what = "this folder holds other things than backups: use an empty one";
                return Err(Error::new(ErrorKind::Invalid, what).at(self.dir));
            }
            None => {}
        }
        let path = self.dir.join(BACKUP_LOCK);
        let failed = |error| Error::io("the lock of the backups cannot be taken", &path, error);
        let lock = self.vfs.open(&path, OpenMode::CreateOrOpen).map_err(failed)?;
        if !lock.try_lock(LockKind::Exclusive).map_err(failed)? {
            return Err(Error::new(ErrorKind::Locked, "another process makes a backup here").at(self.dir));
        }
        for name in [FILES_DIR, LISTS_DIR] {
            self.vfs.create_dir(&self.dir.join(name)).map_err(failed)?;
        }
        if self.store()?.is_none() {
            self.write(Path::new(MARK), format!("logq backups of store {store:032x}\n").as_bytes())?;
        }
        self.sync("")?;
        let parent = self.dir.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        self.vfs.sync_dir(parent).map_err(|error| Error::io("a folder cannot be synced", parent, error))?;
        Ok(lock)
    }

    /// Which store the backups are of; none where there is no mark.
    fn store(&self) -> Result<Option<u128>> {
        let path = self.dir.join(MARK);
        let bytes = match self.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("the mark of the backups cannot be read", &path, error)),
        };
        let text = String::from_utf8_lossy(&bytes);
        let id = text.strip_prefix("logq backups of store ").and_then(|rest| rest.strip_suffix('\n'));
        match id.and_then(|id| u128::from_str_radix(id, 16).ok()) {
            Some(store) => Ok(Some(store)),
            None => {
                Err(Error::new(ErrorKind::Corrupt, "this does not name the store of the backups").at(&path))
            }
        }
    }

    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        let file = self.vfs.open(path, OpenMode::Read)?;
        let mut bytes = vec![0; usize::try_from(file.stat()?.size).unwrap_or(0)];
        let len = file.read_at(0, &mut bytes)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    /// The lists that read, by number, and the names of those that do not.
    fn lists(&self) -> Result<(BTreeMap<u64, List>, Vec<String>)> {
        let folder = self.dir.join(LISTS_DIR);
        let (mut lists, mut damaged) = (BTreeMap::new(), Vec::new());
        for name in names(self.vfs, &folder)? {
            let Some(number) = list_number(&name) else { continue };
            let path = folder.join(&name);
            let bytes = self.read(&path).map_err(|error| Error::io("a list cannot be read", &path, error))?;
            match List::decode(&bytes) {
                Some(list) => drop(lists.insert(number, list)),
                None => damaged.push(format!("{LISTS_DIR}/{name}")),
            }
        }
        Ok((lists, damaged))
    }

    /// A number that no list has, whether it reads or not.
    fn next_number(&self) -> Result<u64> {
        let names = names(self.vfs, &self.dir.join(LISTS_DIR))?;
        Ok(names.iter().filter_map(|name| list_number(name)).max().map_or(1, |last| last.saturating_add(1)))
    }

    /// Sealed files whose copies are here, by path and size.
    fn known(&self, lists: &BTreeMap<u64, List>) -> BTreeMap<(String, u64), Entry> {
        let entries = lists.values().flat_map(|list| &list.files);
        entries
            .filter(|entry| entry.bytes == entry.size && self.has(entry))
            .map(|entry| ((entry.path.clone(), entry.size), entry.clone()))
            .collect()
    }

    /// Where the copy of a file is.
    fn copy_of(&self, entry: &Entry) -> PathBuf {
        self.dir.join(FILES_DIR).join(entry.copy())
    }

    /// Whether the copy of a file is here, in its length.
    fn has(&self, entry: &Entry) -> bool {
        self.vfs.stat(&self.copy_of(entry)).is_ok_and(|stat| stat.size == entry.bytes)
    }

    /// Copies a file, but for finishing it; `None` when it is another one than the entry says by now.
    fn copy(&self, entry: &Entry, source: &Source<'_>) -> Result<Option<Unfinished>> {
        let mut same = true;
        let made = Unfinished::make(self.vfs, &self.copy_of(entry), 0, |file| {
            same = source.copy(file)? == entry.hash;
            if same { Ok(()) } else { Err(std::io::Error::other("the file changed while it was copied")) }
        });
        if same { made.map(Some) } else { Ok(None) }
    }

    /// Writes a small file.
    fn write(&self, name: &Path, bytes: &[u8]) -> Result<()> {
        write(self.vfs, &self.dir.join(name), bytes)
    }

    fn sync(&self, folder: &str) -> Result<()> {
        let path = self.dir.join(folder);
        self.vfs.sync_dir(&path).map_err(|error| Error::io("a folder cannot be synced", &path, error))
    }

    fn write_list(&self, number: u64, list: &List) -> Result<()> {
        self.write(&Path::new(LISTS_DIR).join(list_name(number)), list.encode().as_bytes())?;
        self.sync(LISTS_DIR)
    }

    fn remove_list(&self, number: u64) -> Result<()> {
        let path = self.dir.join(LISTS_DIR).join(list_name(number));
        self.vfs.remove(&path).map_err(|error| Error::io("a list cannot be deleted", &path, error))?;
        // Its copies go only once it is gone for good.
        self.sync(LISTS_DIR)
    }

    /// Deletes copies that no list names, and unfinished files.
    fn sweep(&self, lists: &BTreeMap<u64, List>) -> Result<u64> {
        let named: BTreeSet<String> = lists.values().flat_map(|list| &list.files).map(Entry::copy).collect();
        let mut deleted = 0;
        for (folder, keep) in [(FILES_DIR, true), (LISTS_DIR, false)] {
            let path = self.dir.join(folder);
            for name in names(self.vfs, &path)? {
                let ours = is_copy(name.strip_suffix(".new").unwrap_or(&name));
                let left = if keep { ours && !named.contains(&name) } else { name.ends_with(".list.new") };
                if left {
                    let path = path.join(&name);
                    let failed =
                        |error| Error::io("a copy that nobody needs cannot be deleted", &path, error);
                    self.vfs.remove(&path).map_err(failed)?;
                    deleted += 1;
                }
            }
        }
        Ok(deleted)
    }
}

/// Whether this is the name of a copy: nothing else in the folder is ever deleted.
fn is_copy(name: &str) -> bool {
    let digits = |text: &str, hex: bool| {
        !text.is_empty() && text.bytes().all(|b| if hex { b.is_ascii_hexdigit() } else { b.is_ascii_digit() })
    };
    name.split_once('-')
        .is_some_and(|(hash, bytes)| hash.len() == 16 && digits(hash, true) && digits(bytes, false))
}

fn list_name(number: u64) -> String {
    format!("{number:06}.list")
}

fn list_number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".list")?.parse().ok()?;
    (list_name(number) == name).then_some(number)
}

/// Writes a small file whole, syncs it and gives it its name. Its folder is yet to be synced.
fn write(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) -> Result<()> {
    Unfinished::make(vfs, path, 0, |file| file.write_at(0, bytes))?.finish(vfs)
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::io("a file of the store cannot be read", path, error)
}
