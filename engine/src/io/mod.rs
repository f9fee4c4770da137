//! The seam to the world: files, mappings, locks, clocks and randomness, behind traits.
//!
//! Everything else in the engine is deterministic given these. `disk` is the real machine, `sim` a
//! simulated disk that loses any subset of unsynced pages and fails at any chosen operation.
//!
//! A sync makes durable what was written before it: [`File::sync_data`] the bytes and size of one file,
//! [`Vfs::sync_dir`] the names in one directory. Nothing else does.

pub(crate) mod disk;
pub(crate) mod map;
pub(crate) mod names;
#[cfg(feature = "sim")]
pub mod sim;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How [`Vfs::open`] opens a file. No mode follows a symbolic link at the last component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// A file that must not exist yet, mode 0600.
    CreateNew,
    /// A file that is made, mode 0600, when it does not exist yet.
    CreateOrOpen,
}

/// A lock's strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Many may hold it; needs no write permission.
    Shared,
    /// One may hold it; needs a file opened for writing.
    Exclusive,
}

/// The files of one machine, its clock and its randomness.
pub trait Vfs: Send + Sync + Debug {
    /// Opens a file.
    ///
    /// # Errors
    /// What the operating system says; `AlreadyExists` for [`OpenMode::CreateNew`] on an existing file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>>;
    /// Makes one directory, mode 0700. An existing one is no error.
    ///
    /// # Errors
    /// What the operating system says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Gives a file a new name, replacing what had that name.
    ///
    /// # Errors
    /// What the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a file's name away; whoever has it open or mapped keeps it.
    ///
    /// # Errors
    /// What the operating system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// What the operating system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// What the operating system says; `NotFound` without the directory.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Size and identity of a file without opening it.
    ///
    /// # Errors
    /// What the operating system says; `NotFound` without the file.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// Whether the file system under `path` may hold a store: local, and safe to map.
    ///
    /// # Errors
    /// What the operating system says.
    fn support(&self, path: &Path) -> io::Result<Support>;
    /// How much room the file system under `path` has.
    ///
    /// # Errors
    /// What the operating system says.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Wall clock: nanoseconds since 1970-01-01T00:00:00Z.
    fn now(&self) -> i64;
    /// A clock that nobody sets: nanoseconds since some moment of this process.
    fn ticks(&self) -> u64;
    /// Lets so much of that time go by.
    fn wait(&self, time: Duration);
    /// A random number for salts and identities.
    fn random(&self) -> u64;
    /// Names this boot of the machine; another boot has another name.
    fn boot_id(&self) -> [u8; 16];
    /// Whether background threads may run. A simulated machine has none, so that a run repeats exactly.
    fn has_threads(&self) -> bool;
}

/// The room of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What this user may still fill.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// What [`Vfs::support`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    /// Files may be mapped for writing.
    Mapped,
    /// Files must be written by `pwrite` (copy-on-write or unknown file systems).
    Written,
    /// A network file system, by name: locks and mappings cannot be trusted there.
    Refused(String),
}

/// Size and identity of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Bytes.
    pub size: u64,
    /// Device and inode: another file has another identity, also under the same name.
    pub identity: (u64, u64),
}

/// An open file. Dropping it closes it and releases its lock.
pub trait File: Send + Sync + Debug {
    /// Reads from `offset` until `buffer` is full or the file ends; says how many bytes.
    ///
    /// # Errors
    /// What the operating system says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// What the operating system says.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Size and identity.
    ///
    /// # Errors
    /// What the operating system says.
    fn stat(&self) -> io::Result<Stat>;
    /// Reserves disk blocks for `offset .. offset + len` and extends the file to hold them; new bytes read
    /// as zero. After an error the file may hold part of it.
    ///
    /// # Errors
    /// `StorageFull` when the blocks are not to be had.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Gives the blocks of `offset .. offset + len` back; the bytes read as zero, the size stays.
    ///
    /// # Errors
    /// What the operating system says.
    fn punch(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Cuts the file to `size` bytes. Only for files that nobody maps.
    ///
    /// # Errors
    /// What the operating system says.
    fn truncate(&self, size: u64) -> io::Result<()>;
    /// Makes the bytes and the size durable, those written through mappings too.
    ///
    /// # Errors
    /// What the operating system says. After an error the state of the bytes is unknown for good: a
    /// second call may succeed although they are lost.
    fn sync_data(&self) -> io::Result<()>;
    /// Where the last bytes end that may be other than zero: what lies behind is holes or reserved blocks
    /// that nobody wrote. May say more than there is, never less.
    ///
    /// # Errors
    /// What the operating system says.
    fn data_len(&self) -> io::Result<u64> {
        Ok(self.stat()?.size)
    }
    /// Drops clean cached pages, so that the next read comes from the disk.
    ///
    /// # Errors
    /// What the operating system says.
    fn drop_cache(&self) -> io::Result<()>;
    /// Maps the first `len` bytes for writing. The file must hold them already, with blocks reserved.
    ///
    /// # Errors
    /// What the operating system says.
    fn map_write(&self, len: u64) -> io::Result<Box<dyn WriteMap>>;
    /// Maps the whole file for reading.
    ///
    /// # Errors
    /// What the operating system says.
    fn map_read(&self) -> io::Result<Box<dyn ReadMap>>;
    /// Takes the file's lock if nobody else holds one against it. Held by this open file, not by the
    /// process: two opens of one file in one process exclude each other.
    ///
    /// # Errors
    /// What the operating system says; a lock that is taken is `Ok(false)`.
    fn try_lock(&self, kind: LockKind) -> io::Result<bool>;
    /// Takes the file's lock, waiting for it.
    ///
    /// # Errors
    /// What the operating system says.
    fn lock(&self, kind: LockKind) -> io::Result<()>;
    /// Gives the file's lock back, if this open file holds it.
    ///
    /// # Errors
    /// What the operating system says.
    fn unlock(&self) -> io::Result<()>;
    /// Whether another open file holds an exclusive lock; takes none.
    ///
    /// # Errors
    /// What the operating system says.
    fn is_locked(&self) -> io::Result<bool>;
}

/// A mapping that one writer fills and any reader may look at.
pub trait WriteMap: Send + Sync + Debug {
    /// Stores bytes. They become visible to readers at any moment, in any order.
    ///
    /// # Panics
    /// When the range is outside the mapping.
    fn write(&self, offset: u64, bytes: &[u8]);
    /// Stores a word so that whoever loads it sees every byte stored before it. `offset` is a multiple of 4.
    ///
    /// # Panics
    /// When the range is outside the mapping.
    fn publish(&self, offset: u64, word: u32);
    /// Copies bytes that were stored before.
    ///
    /// # Panics
    /// When the range is outside the mapping.
    fn read(&self, offset: u64, buffer: &mut [u8]);
    /// Makes pages present ahead of their first use.
    ///
    /// # Errors
    /// What the operating system says; the mapping works all the same.
    fn populate(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Makes a range of bytes durable, and whatever is needed to find them again in this file.
    ///
    /// # Errors
    /// As [`File::sync_data`].
    fn sync(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Whether every store so far was taken. A mapping cannot refuse one; where stores are calls of the
    /// operating system the first refusal is final, and nothing is published behind it. To be asked
    /// before a record counts as appended.
    ///
    /// # Errors
    /// Why a store was refused.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A mapping of a file for reading. Bytes behind a published word do not change.
pub trait ReadMap: Send + Sync + Debug {
    /// The bytes. Those that a live writer has not published may change at any time.
    fn bytes(&self) -> &[u8];
    /// Loads a word so that every byte stored before its publication is seen; 0 outside the mapping.
    /// `offset` is a multiple of 4.
    fn load(&self, offset: u64) -> u32;
    /// Gives the memory of the pages that were read back to the machine: whoever reads on gets them from its cache again. Only
    /// a hint.
    fn release(&self) {}
}
