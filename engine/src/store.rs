//! The store: one directory, opened by any number of processes at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::check::{self, CheckReport};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::format::frame::{ImportProgress, SourceId};
use crate::format::name::{FileName, IMPORTS_DIR};
use crate::io::disk::Disk;
use crate::io::{File, LockKind, OpenMode, Vfs};
use crate::options::{Durability, Options};
use crate::snapshot::{Cache, Snapshot};
use crate::writer::Writer;

/// A store of events. Clones share everything.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use logq_engine::{Event, Options, Scan, Store};
/// let store = Store::open(dir.path(), Options::default())?;
/// store.writer()?.append(&Event::ai("puzzle_analysis").model("llama3.2").tokens(150, 250))?;
/// let snapshot = store.snapshot()?;
/// let scan = Scan { columns: vec!["prompt_tokens".into()], ..Scan::default() };
/// let mut rows = 0;
/// for part in snapshot.parts(&scan)? {
///     part.scan(&mut |batch| {
///         rows += batch.len();
///         std::ops::ControlFlow::Continue(())
///     })?;
/// }
/// assert_eq!(rows, 1);
/// # Ok::<(), logq_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    core: Arc<Core>,
    cache: Arc<Cache>,
}

/// The right to import one source, until dropped.
#[derive(Debug)]
pub struct SourceLock {
    _file: Box<dyn File>,
}

impl Store {
    /// Opens the store in the folder `path`, and makes it if there is none and the options say so.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no store and none is to be made, [`ErrorKind::Version`] when a
    /// newer version made it, [`ErrorKind::Invalid`] for options out of range and for file systems that
    /// cannot hold a store, [`ErrorKind::Corrupt`] when nothing readable is left of it.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::open_on(Arc::new(Disk::new()), path, options)
    }

    /// Opens a store on another machine than the real one: a simulated disk.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(vfs: Arc<dyn Vfs>, path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let core = Core::open(vfs, path.as_ref(), options)?;
        Ok(Self { core: Arc::new(core), cache: Arc::default() })
    }

    /// A writer with the durability of the options. Each call takes a slot of its own; clone a writer to
    /// share one.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the store was opened read-only, [`ErrorKind::Limit`] when too many
    /// writers are open, and what the operating system says.
    pub fn writer(&self) -> Result<Writer> {
        self.writer_with(self.core.options.durability)
    }

    /// A writer with another durability than that of the options.
    ///
    /// # Errors
    /// As [`Store::writer`].
    pub fn writer_with(&self, durability: Durability) -> Result<Writer> {
        Options { durability, ..self.core.options.clone() }.validate()?;
        Writer::open(Arc::clone(&self.core), durability)
    }

    /// Everything that was appended before this call, by any process.
    ///
    /// # Errors
    /// What the operating system says. Damaged files are no error: see [`Snapshot::gaps`].
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::take(&self.core, &self.cache)
    }

    /// Verifies every checksum and reads every record.
    ///
    /// # Errors
    /// What the operating system says. Damage is no error: it is the report.
    pub fn check(&self) -> Result<CheckReport> {
        check::check(&self.core)
    }

    /// Which parts of which sources were imported: for each source its ranges in order, neighbours joined.
    ///
    /// # Errors
    /// As [`Store::snapshot`].
    pub fn imports(&self) -> Result<Vec<ImportProgress>> {
        Ok(self.snapshot()?.imports(&self.cache))
    }

    /// Takes the right to import a source, so that no two processes import the same one at a time.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] when another process imports it, and what the operating system says.
    pub fn lock_source(&self, source: SourceId) -> Result<SourceLock> {
        self.core.check_writable()?;
        let path = FileName::SourceLock { hash: source.hash }.path(&self.core.dir);
        let failed = |error| Error::io("a source's lock cannot be taken", &path, error);
        self.core.vfs.create_dir(&self.imports_dir()).map_err(failed)?;
        let file = self.core.vfs.open(&path, OpenMode::CreateOrOpen).map_err(failed)?;
        if !file.try_lock(LockKind::Exclusive).map_err(failed)? {
            return Err(Error::new(ErrorKind::Locked, "another process imports this source").at(&path));
        }
        Ok(SourceLock { _file: file })
    }

    /// Where importers keep what they can do without: caches, and the lines that they refused.
    pub fn imports_dir(&self) -> PathBuf {
        self.core.dir.join(IMPORTS_DIR)
    }

    /// The store's folder.
    pub fn path(&self) -> &Path {
        &self.core.dir
    }

    /// The wall clock that arrivals are stamped with, nanoseconds since 1970.
    pub fn now(&self) -> i64 {
        self.core.vfs.now()
    }

    /// The store's identity, made with it.
    ///
    /// # Errors
    /// As [`Store::snapshot`].
    pub fn id(&self) -> Result<u128> {
        self.core.store_id()
    }
}
