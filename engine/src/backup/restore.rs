//! From a backup to a store: every copy is verified before anything is written, and a folder that is being filled cannot be
//! opened as a store.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::copy::{Finisher, Source, Unfinished};
use super::list::{Entry, List};
use super::{
    BackupInfo, BackupProgress, FILES_DIR, LISTS_DIR, Place, Watch, info, is_inside, list_name, names, write,
};
use crate::error::{Error, ErrorKind, Result};
use crate::format::name::{ACTIVE_DIR, FileName};
use crate::gap::Gap;
use crate::io::disk::Disk;
use crate::io::{File, LockKind, OpenMode, Vfs};
use crate::manifest::{self, Manifest, RESTORING};

/// No writer gives ids faster than one in so many nanoseconds: that is three times the fastest burst that was measured.
const NS_PER_ID: u64 = 100;
/// So many ids are left out besides, for a clock that was set back: a trillion, of the 16 million trillion that there are.
const IDS_AHEAD: u64 = 1 << 40;

/// What a restore made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The backup that it was.
    pub backup: BackupInfo,
    /// Where what was there before is now.
    pub before: Option<PathBuf>,
}

/// The backups in a folder, the oldest first.
///
/// # Errors
/// [`ErrorKind::NotFound`] where there are none, [`ErrorKind::Corrupt`] when a list does not read, and what the operating
/// system says.
pub fn backups(folder: impl AsRef<Path>) -> Result<Vec<BackupInfo>> {
    let (vfs, folder) = (&Disk::new(), folder.as_ref());
    let place = Place { vfs, dir: folder };
    let (lists, damaged) = place.found()?;
    if let Some(name) = damaged.first() {
        return Err(Error::new(ErrorKind::Corrupt, "this list of a backup is damaged").at(&folder.join(name)));
    }
    Ok(lists.iter().map(|(number, list)| info(*number, list)).collect())
}

/// Reads every copy that a backup needs and compares it with its hash; says what is wrong. Without a number all
/// backups are verified, their lists too.
///
/// # Errors
/// [`ErrorKind::NotFound`] where there is no backup, or none of this number, and what the operating system says. Damage is
/// no error: it is the answer.
pub fn verify_backup(
    folder: impl AsRef<Path>,
    number: Option<u64>,
    watch: &mut Watch<'_>,
) -> Result<Vec<Gap>> {
    verify_backup_on(&Disk::new(), folder.as_ref(), number, watch)
}

/// As [`verify_backup`], on another machine than the real one: a simulated disk.
///
/// # Errors
/// As [`verify_backup`].
pub fn verify_backup_on(
    vfs: &dyn Vfs,
    folder: &Path,
    number: Option<u64>,
    watch: &mut Watch<'_>,
) -> Result<Vec<Gap>> {
    let place = Place { vfs, dir: folder };
    let (lists, damaged) = place.found()?;
    let damaged = damaged
        .into_iter()
        .filter(|name| number.is_none_or(|n| *name == format!("{LISTS_DIR}/{}", list_name(n))));
    let mut gaps: Vec<Gap> =
        damaged.map(|file| gap(file, "the list of a backup is damaged".into())).collect();
    if let Some(number) = number.filter(|number| !lists.contains_key(number) && gaps.is_empty()) {
        return Err(Error::new(ErrorKind::NotFound, format!("there is no backup {number}")).at(folder));
    }
    let asked = lists.iter().filter(|(have, _)| number.is_none_or(|number| number == **have));
    let entries: Vec<&Entry> = asked.flat_map(|(_, list)| &list.files).collect();
    gaps.extend(place.verify(&entries, watch)?);
    Ok(gaps)
}

fn gap(file: String, what: String) -> Gap {
    Gap { file, offset: 0, len: 0, records: None, what }
}

/// Makes the store of a backup in the folder `to`: of the newest that was taken at `at` or before, nanoseconds since 1970, or of
/// the newest. Everything is verified before anything is written. When `to` holds something, `replace` moves that aside first, and it
/// is kept. When this returns, the store is on disk.
///
/// The store has the identity of the one that was backed up. Its new records get ids far behind those of the backup, so that none
/// is given that the other store gave until now.
///
/// # Errors
/// [`ErrorKind::NotFound`] where there is no such backup, [`ErrorKind::Corrupt`] naming the copy that is damaged,
/// [`ErrorKind::Invalid`] when `to` holds something and is not to be replaced, [`ErrorKind::Locked`] while a process writes
/// in the store that is to be replaced, and what the operating system says.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use logq_engine::{Event, Options, Store, restore};
/// let (here, there, anew) = (dir.path().join("logs"), dir.path().join("backups"), dir.path().join("again"));
/// let store = Store::open(&here, Options::default())?;
/// store.writer()?.append(&Event::system("startup", "Autonomous system started"))?;
/// let done = store.backup(&there, None, &mut |_| std::ops::ControlFlow::Continue(()))?;
/// assert_eq!((done.backup.number, done.backup.records), (1, 1));
/// restore(&there, None, &anew, false, &mut |_| std::ops::ControlFlow::Continue(()))?;
/// assert_eq!(Store::open(&anew, Options::default())?.check()?.records, 1);
/// # Ok::<(), logq_engine::Error>(())
/// ```
pub fn restore(
    from: impl AsRef<Path>,
    at: Option<i64>,
    to: impl AsRef<Path>,
    replace: bool,
    watch: &mut Watch<'_>,
) -> Result<Restored> {
    restore_on(&Disk::new(), from.as_ref(), at, to.as_ref(), replace, watch)
}

/// As [`restore`], on another machine than the real one: a simulated disk.
///
/// # Errors
/// As [`restore`].
pub fn restore_on(
    vfs: &dyn Vfs,
    from: &Path,
    at: Option<i64>,
    to: &Path,
    replace: bool,
    watch: &mut Watch<'_>,
) -> Result<Restored> {
    let place = Place { vfs, dir: from };
    let (lists, damaged) = place.found()?;
    let of_time = |(_, list): &(u64, List)| at.is_none_or(|at| list.taken <= at);
    let Some((number, list)) = lists.into_iter().rfind(of_time) else {
        let what =
            if damaged.is_empty() { "there is no backup of that time" } else { "no list of a backup reads" };
        return Err(Error::new(ErrorKind::NotFound, what).at(from));
    };
    let newest =
        damaged.last().filter(|name| at.is_none() && format!("{LISTS_DIR}/{}", list_name(number)) < **name);
    if let Some(name) = newest {
        let what = "the list of the newest backup is damaged: name the time of an older one";
        return Err(Error::new(ErrorKind::Corrupt, what).at(&from.join(name)));
    }
    let entries: Vec<&Entry> = list.files.iter().collect();
    if let Some(bad) = place.verify(&entries, watch)?.into_iter().next() {
        return Err(Error::new(ErrorKind::Corrupt, bad.what).at(&from.join(bad.file)));
    }
    if is_inside(vfs, to, from)? || is_inside(vfs, from, to)? {
        let what = "the store and its backups cannot lie in each other: name another folder";
        return Err(Error::new(ErrorKind::Invalid, what).at(to));
    }
    let before = make_room(vfs, to, replace)?;
    fill(&place, &list, to)?;
    Ok(Restored { backup: info(number, &list), before })
}

/// Sees to it that `to` is an empty folder that cannot be opened as a store. Says where its contents are now.
fn make_room(vfs: &dyn Vfs, to: &Path, replace: bool) -> Result<Option<PathBuf>> {
    let failed = |error| Error::io("the folder to restore into cannot be made", to, error);
    let found = names(vfs, to)?;
    let unfinished = found.iter().any(|name| name == RESTORING);
    let mut before = None;
    if !found.is_empty() && !unfinished {
        if !replace {
            let what =
                "the folder to restore into is not empty: name another, or say that it is to be replaced";
            return Err(Error::new(ErrorKind::Invalid, what).at(to));
        }
        if !Manifest::exists(vfs, to) {
            let what =
                "the folder to restore into holds no store, and other things are not replaced: name another";
            return Err(Error::new(ErrorKind::Invalid, what).at(to));
        }
        let _nobody_writes = hold(vfs, to)?;
        let mut aside = to.as_os_str().to_owned();
        aside.push(format!(".before-{}", vfs.now()));
        let aside = PathBuf::from(aside);
        vfs.rename(to, &aside).map_err(failed)?;
        before = Some(aside);
    }
    vfs.create_dir(to).map_err(failed)?;
    let parent = to.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    vfs.sync_dir(parent).map_err(failed)?;
    if unfinished {
        clear(vfs, to)?;
    } else {
        let what = b"a restore fills this folder; if it did not end, run it again\n";
        write(vfs, &to.join(RESTORING), what)?;
        vfs.sync_dir(to).map_err(failed)?;
    }
    Ok(before)
}

/// Takes away what a restore that did not end left, which may have been of another backup.
fn clear(vfs: &dyn Vfs, folder: &Path) -> Result<()> {
    for name in names(vfs, folder)?.into_iter().filter(|name| name != RESTORING) {
        let path = folder.join(name);
        // What has no names in it is a file.
        if vfs.list(&path).is_ok() {
            clear(vfs, &path)?;
        } else {
            let failed = |error| Error::io("what a restore left cannot be taken away", &path, error);
            vfs.remove(&path).map_err(failed)?;
        }
    }
    Ok(())
}

/// Takes the locks of a store that is to be replaced, so that nobody writes there meanwhile.
fn hold(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<Box<dyn crate::io::File>>> {
    let mut locks = vec![FileName::MaintenanceLock.path(dir), FileName::ManifestLock.path(dir)];
    for name in names(vfs, &dir.join(ACTIVE_DIR))? {
        if let Some(lock @ FileName::SlotLock { .. }) = FileName::parse_active(&name) {
            locks.push(lock.path(dir));
        }
    }
    let mut held = Vec::new();
    for path in locks {
        let failed =
            |error| Error::io("a lock of the store that is to be replaced cannot be taken", &path, error);
        let file = match vfs.open(&path, OpenMode::ReadWrite) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        if !file.try_lock(LockKind::Exclusive).map_err(failed)? {
            let what = "a process writes in the store that is to be replaced: stop it first";
            return Err(Error::new(ErrorKind::Locked, what).at(dir));
        }
        held.push(file);
    }
    Ok(held)
}

/// Writes every file, then the manifest; only then is it a store.
fn fill(place: &Place<'_>, list: &List, to: &Path) -> Result<()> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| Error::io("a folder of the store cannot be made", &path, error)
    };
    let mut folders: BTreeSet<PathBuf> = BTreeSet::from([to.to_owned(), to.join(ACTIVE_DIR)]);
    for entry in &list.files {
        let mut folder = to.to_owned();
        for name in Path::new(&entry.path).parent().into_iter().flat_map(Path::components) {
            folder.push(name);
            folders.insert(folder.clone());
        }
    }
    for folder in &folders {
        place.vfs.create_dir(folder).map_err(failed(folder))?;
    }
    let manifest = FileName::Manifest.relative();
    std::thread::scope(|scope| {
        let mut finisher = Finisher::start(scope, place.vfs);
        let filled =
            list.files.iter().filter(|entry| entry.path != manifest).try_for_each(|entry| {
                let reserve = if entry.size == entry.bytes { 0 } else { entry.size };
                let kept = place.open(entry)?;
                finisher.take(Unfinished::make(place.vfs, &to.join(&entry.path), reserve, |file| {
                    match Source::of(&*kept, None)?.copy(file)? == entry.hash {
                        true => Ok(()),
                        false => Err(std::io::Error::other("the copy in the backup is damaged")),
                    }
                })?)
            });
        finisher.wait().and(filled)
    })?;
    for folder in folders.iter().rev() {
        place.vfs.sync_dir(folder).map_err(failed(folder))?;
    }
    let bytes = manifest_of(place, list)?;
    write(place.vfs, &FileName::Manifest.path(to), &bytes)?;
    place.vfs.sync_dir(to).map_err(failed(to))?;
    place.vfs.remove(&to.join(RESTORING)).map_err(failed(to))?;
    place.vfs.sync_dir(to).map_err(failed(to))
}

/// The manifest of a backup, for a store beside the one that it is of: that one may have gone on, so no id is given here
/// that it can have given since.
fn manifest_of(place: &Place<'_>, list: &List) -> Result<Vec<u8>> {
    let manifest = FileName::Manifest.relative();
    let entry = list.files.iter().find(|entry| entry.path == manifest);
    let state = match entry {
        Some(entry) => manifest::decode(
            &place
                .read(&place.copy_of(entry))
                .map_err(|error| Error::io("a copy cannot be read", &place.copy_of(entry), error))?,
        ),
        None => None,
    };
    let Some(mut state) = state else {
        return Err(Error::new(ErrorKind::Corrupt, "the backup holds no manifest that reads").at(place.dir));
    };
    let since = u64::try_from(place.vfs.now().saturating_sub(list.taken)).unwrap_or(0);
    state.raise_floor((since / NS_PER_ID).saturating_add(IDS_AHEAD));
    Ok(manifest::encode(&state))
}

impl Place<'_> {
    /// The copy of a file.
    fn open(&self, entry: &Entry) -> Result<Box<dyn File>> {
        let path = self.copy_of(entry);
        self.vfs.open(&path, OpenMode::Read).map_err(|error| Error::io("a copy cannot be read", &path, error))
    }

    /// The lists of a folder that has backups.
    fn found(&self) -> Result<(std::collections::BTreeMap<u64, List>, Vec<String>)> {
        if self.store()?.is_none() {
            return Err(Error::new(ErrorKind::NotFound, "there are no backups here").at(self.dir));
        }
        let (lists, damaged) = self.lists()?;
        if lists.is_empty() && damaged.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "no backup was finished here").at(self.dir));
        }
        Ok((lists, damaged))
    }

    /// Reads the copies of these files, each once, and says which are not what was copied.
    fn verify(&self, entries: &[&Entry], watch: &mut Watch<'_>) -> Result<Vec<Gap>> {
        let mut seen = BTreeSet::new();
        let once: Vec<&&Entry> = entries.iter().filter(|entry| seen.insert(entry.copy())).collect();
        let mut progress = BackupProgress { done: 0, total: once.iter().map(|entry| entry.bytes).sum() };
        let mut gaps = Vec::new();
        for entry in once {
            let file = format!("{FILES_DIR}/{}", entry.copy());
            let read = self.vfs.open(&self.dir.join(&file), OpenMode::Read).and_then(|file| {
                let source = Source::of(&*file, None)?;
                Ok((source.len(), source.hash()?))
            });
            match read {
                Err(error) => {
                    gaps.push(gap(file, format!("the copy of {} cannot be read ({error})", entry.path)));
                }
                Ok((bytes, _)) if bytes != entry.bytes => {
                    let what = format!("the copy of {} has {bytes} bytes of {}", entry.path, entry.bytes);
                    gaps.push(gap(file, what));
                }
                Ok((_, hash)) if hash != entry.hash => {
                    gaps.push(gap(file, format!("the copy of {} is damaged", entry.path)));
                }
                Ok(_) => {}
            }
            progress.done += entry.bytes;
            if watch(progress).is_break() {
                return Err(
                    Error::new(ErrorKind::Stale, "the check of the backup was cancelled").at(self.dir)
                );
            }
        }
        Ok(gaps)
    }
}
