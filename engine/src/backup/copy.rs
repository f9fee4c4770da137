//! Files are read and written in pieces: nothing is mapped, and a piece is still in the processor's cache when it is written.

use std::hash::Hasher as _;
use std::io::{Error, ErrorKind, Result};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::list::{Entry, Hash, TAIL};
use crate::io::{File, OpenMode, Vfs};

/// Bytes that are read and written at a time. With 1 MiB and more the kernel sets about larger pages for its cache, and a
/// copy took between the same time and four times as much.
const PIECE: usize = 256 << 10;
/// Written files that wait for their sync at most.
const WAITING_MAX: usize = 1;

/// The first bytes of a file, as one list names them.
pub(super) struct Source<'f> {
    file: &'f dyn File,
    len: u64,
}

impl<'f> Source<'f> {
    /// What of `file` is to be copied; `None` for all of it.
    pub(super) fn of(file: &'f dyn File, end: Option<u64>) -> Result<Self> {
        let len = match end {
            Some(end) => end.min(file.data_len()?),
            None => file.stat()?.size,
        };
        Ok(Self { file, len })
    }

    /// Bytes of it.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The hash of the last bytes, which tell a sealed file from another of its name and size.
    pub(super) fn tail(&self) -> Result<u64> {
        let from = self.len.saturating_sub(TAIL as u64);
        let mut hash = Hash::new();
        self.pieces(from, |_, piece| {
            hash.write(piece);
            Ok(())
        })?;
        Ok(hash.finish())
    }

    /// The entry of this file, which is `size` bytes long in the store.
    pub(super) fn entry(&self, path: String, size: u64) -> Result<Entry> {
        Ok(Entry { path, hash: self.hash()?, bytes: self.len, size: size.max(self.len), tail: self.tail()? })
    }

    pub(super) fn hash(&self) -> Result<u64> {
        let mut hash = Hash::new();
        self.pieces(0, |_, piece| {
            hash.write(piece);
            Ok(())
        })?;
        Ok(hash.finish())
    }

    /// Writes these bytes into `to`; says what their hash was.
    pub(super) fn copy(&self, to: &dyn File) -> Result<u64> {
        let mut hash = Hash::new();
        self.pieces(0, |at, piece| {
            hash.write(piece);
            to.write_at(at, piece)
        })?;
        Ok(hash.finish())
    }

    fn pieces(&self, from: u64, mut with: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        let mut buffer = vec![0; PIECE.min(usize::try_from(self.len - from).unwrap_or(PIECE))];
        let mut at = from;
        while at < self.len {
            let left = usize::try_from(self.len - at).unwrap_or(PIECE);
            let piece = buffer.get_mut(..left.min(PIECE)).unwrap_or_default();
            if self.file.read_at(at, piece)? != piece.len() {
                return Err(Error::new(
                    ErrorKind::UnexpectedEof,
                    "the file became shorter while it was read",
                ));
            }
            with(at, piece)?;
            at += piece.len() as u64;
        }
        Ok(())
    }
}

/// A file that is written under an unfinished name.
pub(super) struct Unfinished {
    file: Box<dyn File>,
    new: PathBuf,
    path: PathBuf,
}

impl Unfinished {
    /// Makes a file and fills it. `reserve` is how large it is made at least.
    pub(super) fn make(
        vfs: &dyn Vfs,
        path: &Path,
        reserve: u64,
        fill: impl FnOnce(&dyn File) -> Result<()>,
    ) -> crate::error::Result<Self> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        match vfs.remove(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(unwritable(path, error)),
            _ => {}
        }
        let made = || -> Result<Box<dyn File>> {
            let file = vfs.open(&new, OpenMode::CreateNew)?;
            if reserve != 0 {
                file.allocate(0, reserve)?;
            }
            fill(&*file)?;
            Ok(file)
        };
        match made() {
            Ok(file) => Ok(Self { file, new, path: path.to_owned() }),
            Err(error) => {
                // The error says what is wrong; the next backup takes away what is left.
                let _ = vfs.remove(&new);
                Err(unwritable(path, error))
            }
        }
    }

    /// Syncs it and gives it its name. Its folder is yet to be synced.
    pub(super) fn finish(self, vfs: &dyn Vfs) -> crate::error::Result<()> {
        if let Err(error) = self.file.sync_data() {
            let _ = vfs.remove(&self.new);
            return Err(unwritable(&self.path, error));
        }
        vfs.rename(&self.new, &self.path).map_err(|error| unwritable(&self.path, error))
    }
}

fn unwritable(path: &Path, error: Error) -> crate::error::Error {
    crate::error::Error::io("a copy cannot be written", path, error)
}

/// Finishes files while the next ones are written: neither the disk nor the processor waits for the other.
pub(super) struct Finisher<'s> {
    vfs: &'s dyn Vfs,
    work: Option<(SyncSender<Unfinished>, ScopedJoinHandle<'s, crate::error::Result<()>>)>,
}

impl<'s> Finisher<'s> {
    /// On a thread of its own where there are threads, and otherwise at once.
    pub(super) fn start<'e: 's>(scope: &'s Scope<'s, 'e>, vfs: &'e dyn Vfs) -> Self {
        let (to, files) = sync_channel::<Unfinished>(WAITING_MAX);
        let run = move || files.into_iter().try_for_each(|file| file.finish(vfs));
        let thread = || Builder::new().name("logq-backup".into()).spawn_scoped(scope, run).ok();
        Self { vfs, work: vfs.has_threads().then(thread).flatten().map(|thread| (to, thread)) }
    }

    /// Takes a file; it is finished when [`Finisher::wait`] returns.
    ///
    /// # Errors
    /// What finishing this file, or one before, met.
    pub(super) fn take(&mut self, file: Unfinished) -> crate::error::Result<()> {
        let Some((to, _)) = &self.work else { return file.finish(self.vfs) };
        // A thread that ended early says why.
        if to.send(file).is_ok() { Ok(()) } else { self.wait() }
    }

    /// Waits until all files are finished.
    ///
    /// # Errors
    /// As [`Finisher::take`].
    pub(super) fn wait(&mut self) -> crate::error::Result<()> {
        let Some((to, thread)) = self.work.take() else { return Ok(()) };
        drop(to);
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}
