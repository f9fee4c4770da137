//! Where the files of an export lie: whole under their names, or not at all.
//!
//! Files are written under names that begin with a dot, synced, and only then renamed; the folder around them is synced
//! after it. What fails or is given up takes its files along. Dated folders are written beside the folder that they are for, so that
//! nobody who reads that sees half of one, and move into it whole.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

use super::unwritten;
use crate::exit::{Failure, Outcome};

/// The mode of new files and folders before the user's mask.
#[cfg(unix)]
const MODES: (u32, u32) = (0o666, 0o777);

/// One file that is being written.
pub(super) struct OneFile {
    path: PathBuf,
    replace: bool,
    temporary: NamedTempFile,
}

impl OneFile {
    pub(super) fn new(path: &Path, replace: bool) -> Outcome<Self> {
        if path.is_dir() {
            return Err(Failure::bad(format!("{} is a folder", path.display()))
                .help("name a file in it, or write dated folders into it: --partition day"));
        }
        if !replace && path.symlink_metadata().is_ok() {
            return Err(taken(path));
        }
        let mut builder = Builder::new();
        let prefix = format!(".{}.", name_of(path)?);
        builder.prefix(&prefix).suffix(".tmp");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(MODES.0));
        let temporary = builder.tempfile_in(folder(path)).map_err(|error| failed(path, &error))?;
        Ok(Self { path: path.to_owned(), replace, temporary })
    }

    /// The file to write to, and what messages call it.
    pub(super) fn open(&self) -> Outcome<(File, String)> {
        let file = self.temporary.as_file().try_clone().map_err(|error| failed(&self.path, &error))?;
        Ok((file, self.path.display().to_string()))
    }

    /// Gives the file, whose bytes are on disk, its name.
    pub(super) fn commit(self) -> Outcome<()> {
        let Self { path, replace, temporary } = self;
        let done = match replace {
            true => temporary.persist(&path),
            false => temporary.persist_noclobber(&path),
        };
        match done {
            Ok(_) => sync(folder(&path)).map_err(|error| failed(&path, &error)),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(taken(&path)),
            Err(error) => Err(failed(&path, &error.error)),
        }
    }
}

/// Dated folders that are being written.
pub(super) struct Tree {
    path: PathBuf,
    replace: bool,
    temporary: TempDir,
    /// The folders that move as a whole, such as `date=2026-11-22`, below `path`.
    units: BTreeSet<String>,
}

impl Tree {
    pub(super) fn new(path: &Path, replace: bool) -> Outcome<Self> {
        if path.symlink_metadata().is_ok() && !path.is_dir() {
            return Err(Failure::bad(format!("{} is no folder", path.display()))
                .help("dated folders need a folder to lie in; without --partition one file is written"));
        }
        let mut builder = Builder::new();
        let prefix = format!(".{}.", name_of(path)?);
        builder.prefix(&prefix).suffix(".tmp");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(MODES.1));
        let temporary = builder.tempdir_in(folder(path)).map_err(|error| failed(path, &error))?;
        Ok(Self { path: path.to_owned(), replace, temporary, units: BTreeSet::new() })
    }

    /// Opens a new file: `inside` of the folder `unit`, which moves as a whole.
    pub(super) fn open(&mut self, unit: &str, inside: &str) -> Outcome<(File, String)> {
        if !self.replace && self.path.join(unit).symlink_metadata().is_ok() {
            return Err(taken(&self.path.join(unit)));
        }
        let path = self.temporary.path().join(unit).join(inside);
        let shown = self.path.join(unit).join(inside);
        let made = fs::create_dir_all(folder(&path)).and_then(|()| File::create_new(&path));
        self.units.insert(unit.to_owned());
        made.map(|file| (file, shown.display().to_string())).map_err(|error| failed(&shown, &error))
    }

    /// Moves the folders, whose files are on disk, to their place.
    pub(super) fn commit(self) -> Outcome<()> {
        let Self { path, replace, mut temporary, units } = self;
        sync_all(temporary.path()).map_err(|error| failed(&path, &error))?;
        fs::create_dir_all(&path).map_err(|error| failed(&path, &error))?;
        for (at, unit) in units.iter().enumerate() {
            let (from, to) = (temporary.path().join(unit), path.join(unit));
            let aside = temporary.path().join(format!("before-{at}"));
            let mut moved = || -> io::Result<()> {
                fs::create_dir_all(folder(&to))?;
                if replace && to.symlink_metadata().is_ok() {
                    rename(&to, &aside)?;
                }
                if let Err(error) = rename(&from, &to) {
                    // What was there comes back; where it cannot, it is not deleted either.
                    if aside.symlink_metadata().is_ok() && rename(&aside, &to).is_err() {
                        temporary.disable_cleanup(true);
                    }
                    return Err(error);
                }
                sync(folder(&to))
            };
            moved().map_err(|error| failed(&to, &error))?;
        }
        sync(&path).and_then(|()| sync(folder(&path))).map_err(|error| failed(&path, &error))
    }
}

/// The folder that a path lies in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn name_of(path: &Path) -> Outcome<String> {
    match path.file_name() {
        Some(name) => Ok(name.to_string_lossy().into_owned()),
        None => Err(Failure::bad(format!("{} names no file", path.display()))),
    }
}

fn taken(path: &Path) -> Failure {
    Failure::bad(format!("{} is there already", path.display())).help("--replace replaces it")
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    unwritten(&path.display().to_string(), error)
}

/// Moves a folder; the one around it is synced by the caller, once for several moves.
#[expect(clippy::disallowed_methods, reason = "no file of a store is moved, and the folder is synced")]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The same for all folders below.
fn sync_all(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        }
    }
    sync(root)
}
