//! A simulated machine: files, locks, clock and randomness in memory, the same on every run.
//!
//! [`SimDisk`] is a [`Vfs`] for tests. What it does worse than most real machines, it does on purpose:
//!
//! ```text
//! bytes          of what no sync made durable a crash keeps any subset of sectors, in any of the states they had
//! size, blocks   the state of the last sync, or any since; bytes beyond the size that survives are gone
//! names          each change in a directory survives or not, on its own, until that directory is synced;
//!                a rename inside one directory is whole, one between two is a new name and a lost name
//! failed sync    the bytes stay visible, count as clean, and are not on disk: the next sync succeeds
//!                without them, and `drop_cache` shows what the disk has (unless the file is mapped)
//! full disk      an `allocate` that is refused has done a part; a store to a page without a block panics,
//!                as it would raise SIGBUS
//! identity       numbers of removed files are used again
//! ```
//!
//! A machine may run several processes ([`SimDisk::process`]); each may be killed, which drops its locks and
//! keeps what it stored. [`SimDisk::cut_after`] stops the power at a chosen operation, and
//! [`SimDisk::crash`] makes the machine that comes up afterwards; one stopped machine can come up in many ways.

mod content;
mod crash;
mod files;
mod machine;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use self::content::size_of;
use self::machine::{Machine, Process};
use super::{File, LockKind, OpenMode, ReadMap, Space, Stat, Support, Vfs, WriteMap};

/// The error number of a disk that fails.
pub const EIO: i32 = nix::libc::EIO;
/// The error number of a full disk.
pub const ENOSPC: i32 = nix::libc::ENOSPC;
/// The error number of a file system that is mounted for reading.
pub const EROFS: i32 = nix::libc::EROFS;
const EBADF: i32 = nix::libc::EBADF;

/// A kind of operation, for fault plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Opening a file that exists.
    Open,
    /// Making a file.
    Create,
    /// Making a directory.
    CreateDir,
    /// [`Vfs::rename`]; the path is the target.
    Rename,
    /// [`Vfs::remove`].
    Remove,
    /// [`Vfs::sync_dir`].
    SyncDir,
    /// [`Vfs::list`].
    List,
    /// [`Vfs::stat`] and [`File::stat`].
    Stat,
    /// [`File::read_at`].
    Read,
    /// [`File::write_at`], and a store where [`Vfs::support`] says `Written`.
    Write,
    /// [`File::allocate`].
    Allocate,
    /// [`File::punch`].
    Punch,
    /// [`File::truncate`].
    Truncate,
    /// [`File::sync_data`] and [`WriteMap::sync`].
    Sync,
    /// [`File::drop_cache`].
    DropCache,
    /// [`File::map_write`].
    MapWrite,
    /// [`File::map_read`].
    MapRead,
    /// Taking a lock or asking about one.
    Lock,
    /// [`WriteMap::write`] and [`WriteMap::publish`]. Cannot fail, but counts as an operation.
    Store,
}

impl Op {
    /// Every kind, for tests that fail each in turn.
    pub const ALL: [Self; 19] = [
        Self::Open,
        Self::Create,
        Self::CreateDir,
        Self::Rename,
        Self::Remove,
        Self::SyncDir,
        Self::List,
        Self::Stat,
        Self::Read,
        Self::Write,
        Self::Allocate,
        Self::Punch,
        Self::Truncate,
        Self::Sync,
        Self::DropCache,
        Self::MapWrite,
        Self::MapRead,
        Self::Lock,
        Self::Store,
    ];

    /// Whether it changes what a crash may leave.
    #[must_use]
    pub fn mutates(self) -> bool {
        !matches!(
            self,
            Self::Open
                | Self::List
                | Self::Stat
                | Self::Read
                | Self::DropCache
                | Self::MapWrite
                | Self::MapRead
                | Self::Lock
        )
    }
}

/// A failure that is to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What fails.
    pub op: Op,
    /// Only on paths that contain this text; empty for every path.
    pub path: String,
    /// Which such operation from now on fails, counted from 1.
    pub nth: u64,
    /// Whether all later ones fail as well.
    pub for_good: bool,
    /// The error number, such as [`EIO`].
    pub errno: i32,
}

impl Fault {
    /// The `nth` operation of a kind fails once, on whatever path.
    #[must_use]
    pub fn once(op: Op, nth: u64, errno: i32) -> Self {
        Self { op, path: String::new(), nth, for_good: false, errno }
    }

    /// The `nth` operation of a kind fails, and all later ones.
    #[must_use]
    pub fn from(op: Op, nth: u64, errno: i32) -> Self {
        Self { for_good: true, ..Self::once(op, nth, errno) }
    }

    /// Only where the path contains `text`.
    #[must_use]
    pub fn on(self, text: &str) -> Self {
        Self { path: text.into(), ..self }
    }
}

/// What of the pending changes had reached the disk when the power failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Only what was synced.
    Nothing,
    /// All of it.
    Everything,
    /// A random part, and of each thing a random one of the states it had.
    Subset(u64),
    /// All up to a random operation, as on a disk that writes in order.
    Prefix(u64),
    /// The latest state of those things whose flag is set, see [`SimDisk::pending`]; missing flags are not set.
    Chosen(Vec<bool>),
}

/// A process on a simulated machine. Clones are the same process.
#[derive(Clone)]
pub struct SimDisk {
    machine: Arc<Mutex<Machine>>,
    process: Arc<Process>,
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("process", &self.process.id).finish_non_exhaustive()
    }
}

impl SimDisk {
    /// A machine with an empty root directory. Everything that looks random follows from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::running(Machine::new(seed))
    }

    fn running(machine: Machine) -> Self {
        Self { machine: Arc::new(Mutex::new(machine)), process: Arc::default() }
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        // A test that caught a panic of the machine goes on with it as it is.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another process on the same machine.
    #[must_use]
    pub fn process(&self) -> Self {
        let mut machine = self.machine();
        machine.processes += 1;
        let process = Process { id: machine.processes, ..Process::default() };
        Self { machine: Arc::clone(&self.machine), process: Arc::new(process) }
    }

    /// Kills this process: its locks are gone, what it stored stays, whatever it calls from now on fails.
    pub fn kill(&self) {
        self.machine().kill(&self.process);
    }

    /// Kills this process during the operation that follows the `count`-th of the machine, see [`SimDisk::ops`].
    pub fn kill_after(&self, count: u64) {
        self.machine().kill_after = Some((self.process.id, count));
    }

    /// How many operations have changed, or might have changed, what a crash leaves.
    #[must_use]
    pub fn ops(&self) -> u64 {
        self.machine().ops
    }

    /// Cuts the power during the operation that follows the `count`-th of the machine, see [`SimDisk::ops`]. That
    /// operation may reach the disk, but like all later ones it fails.
    pub fn cut_after(&self, count: u64) {
        self.machine().cut_after = Some(count);
    }

    /// Whether the power was cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.machine().cut
    }

    /// Adds a failure to the plan.
    pub fn fail(&self, fault: Fault) {
        self.machine().faults.push((fault, 0));
    }

    /// Lets every [`Op::Sync`] or [`Op::SyncDir`] on paths that contain `text` succeed without doing anything: a planted
    /// bug, by which a crash test shows that it would notice one.
    pub fn forget_syncs(&self, op: Op, text: &str) {
        self.machine().forgotten.push((op, text.into()));
    }

    /// Takes back the whole plan of failures, and of syncs that do nothing.
    pub fn heal(&self) {
        let mut machine = self.machine();
        machine.faults.clear();
        machine.forgotten.clear();
    }

    /// How many operations failed by plan.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.machine().fired
    }

    /// Bounds the bytes of all files together, counted in pages of 4 KiB; `None` for no bound.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.machine().capacity = bytes;
    }

    /// What [`Vfs::support`] is to say. With `Written` every store of a [`WriteMap`] is a write that can fail.
    pub fn set_support(&self, support: Support) {
        self.machine().support = support;
    }

    /// Makes a folder another file system: no file is renamed into it or out of it.
    pub fn mount(&self, folder: &Path) {
        self.machine().mounts.push(folder.to_path_buf());
    }

    /// Sets the wall clock to nanoseconds since 1970.
    pub fn set_clock(&self, now: i64) {
        self.machine().now = now;
    }

    /// Lets work take time, of the clock that nobody sets: each write to a file takes so many nanoseconds a byte.
    pub fn set_write_time(&self, nanoseconds_per_byte: u64) {
        self.machine().write_time = nanoseconds_per_byte;
    }

    /// Moves the wall clock, back too.
    pub fn advance(&self, nanoseconds: i64) {
        let mut machine = self.machine();
        machine.now = machine.now.saturating_add(nanoseconds);
    }

    /// How many things a crash may keep or lose: each change of names, each file's size, each dirty sector.
    #[must_use]
    pub fn pending(&self) -> usize {
        crash::pending(&self.machine())
    }

    /// The machine as it comes up after a power cut at this moment. This machine stays as it is, so that
    /// many such images can be made of it.
    #[must_use]
    pub fn crash(&self, keep: &Keep) -> Self {
        Self::running(crash::image(&self.machine(), keep))
    }

    /// All files that have a name, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.machine().paths().into_iter().map(|(path, _)| path).collect()
    }

    /// The bytes of a file as programs see them, without counting as an operation.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let machine = self.machine();
        machine.resolve_file(path).ok().map(|id| machine.bytes(id))
    }

    /// Changes bytes of a file in memory and on disk, as rot does.
    ///
    /// # Panics
    /// When there is no such file, or it ends before the range does.
    pub fn corrupt(&self, path: &Path, range: Range<u64>, change: impl FnOnce(&mut [u8])) {
        let mut machine = self.machine();
        let id = machine.resolve_file(path).expect("BUG: no file to corrupt");
        assert!(range.end <= machine.stat(id).size, "BUG: nothing to corrupt behind the end");
        machine.corrupt(id, range.start, change, content::index(range.end - range.start));
    }
}

impl Vfs for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let mut machine = self.machine();
        machine.dead(&self.process)?;
        let found = machine.resolve_file(path);
        let id = match (mode, found) {
            (OpenMode::CreateNew, Ok(_)) => return Err(io::Error::from(io::ErrorKind::AlreadyExists)),
            (OpenMode::CreateNew | OpenMode::CreateOrOpen, Err(error))
                if error.kind() == io::ErrorKind::NotFound =>
            {
                machine.create(&self.process, path)?
            }
            (_, found) => {
                let id = found?;
                machine.check(&self.process, Op::Open, &path.to_string_lossy())?;
                id
            }
        };
        let handle = machine.open(id);
        let writable = mode != OpenMode::Read;
        Ok(Box::new(SimFile { disk: self.clone(), id, handle, writable }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.machine().create_dir(&self.process, path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.machine().rename(&self.process, from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.machine().remove(&self.process, path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.machine().sync_dir(&self.process, path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.machine().list(&self.process, path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.machine().stat_path(&self.process, path)
    }

    fn support(&self, _path: &Path) -> io::Result<Support> {
        let machine = self.machine();
        machine.dead(&self.process)?;
        Ok(machine.support.clone())
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let machine = self.machine();
        machine.dead(&self.process)?;
        let total = machine.capacity.unwrap_or(u64::MAX);
        Ok(Space { free: machine.free_space(), total })
    }

    /// Goes on by a microsecond with every call.
    fn now(&self) -> i64 {
        let mut machine = self.machine();
        machine.now = machine.now.saturating_add(1_000);
        machine.now
    }

    fn ticks(&self) -> u64 {
        self.machine().ticks
    }

    /// Takes no time, but both clocks go on.
    fn wait(&self, time: Duration) {
        let mut machine = self.machine();
        let passed = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        machine.ticks = machine.ticks.saturating_add(passed);
        machine.now = machine.now.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX));
    }

    fn random(&self) -> u64 {
        self.machine().random.next()
    }

    fn boot_id(&self) -> [u8; 16] {
        self.machine().boot_id()
    }

    fn has_threads(&self) -> bool {
        false
    }
}

/// An open file of a simulated machine.
struct SimFile {
    disk: SimDisk,
    id: u64,
    handle: u64,
    writable: bool,
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SimFile {
    fn must_write(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::Error::from_raw_os_error(EBADF)) }
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.machine().close(self.id, self.handle);
    }
}

impl File for SimFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.machine().read(&self.disk.process, self.id, offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.must_write()?;
        self.disk.machine().write(&self.disk.process, self.id, offset, bytes)
    }

    fn stat(&self) -> io::Result<Stat> {
        let mut machine = self.disk.machine();
        machine.check_file(&self.disk.process, Op::Stat, self.id)?;
        Ok(machine.stat(self.id))
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.must_write()?;
        self.disk.machine().allocate(&self.disk.process, self.id, offset, len)
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.must_write()?;
        let range = offset..offset.saturating_add(len);
        self.disk.machine().punch(&self.disk.process, self.id, range)
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.must_write()?;
        self.disk.machine().truncate(&self.disk.process, self.id, size)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.machine().sync(&self.disk.process, self.id, 0..u64::MAX)
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.disk.machine().drop_cache(&self.disk.process, self.id)
    }

    fn map_write(&self, len: u64) -> io::Result<Box<dyn WriteMap>> {
        self.must_write()?;
        let mut machine = self.disk.machine();
        machine.check_file(&self.disk.process, Op::MapWrite, self.id)?;
        if !machine.is_allocated(self.id, len) {
            let what = format!("cannot map {len} bytes for writing: not all of them are allocated");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let by_write = machine.support == Support::Written;
        if by_write {
            machine.open(self.id);
        } else {
            machine.map(self.id);
        }
        let refused = OnceLock::new();
        Ok(Box::new(SimWriteMap { disk: self.disk.clone(), id: self.id, len, by_write, refused }))
    }

    fn map_read(&self) -> io::Result<Box<dyn ReadMap>> {
        let mut machine = self.disk.machine();
        machine.check_file(&self.disk.process, Op::MapRead, self.id)?;
        machine.map(self.id);
        let first = Seen::new(&machine, self.id);
        Ok(Box::new(SimReadMap { disk: self.disk.clone(), id: self.id, first }))
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        self.disk.machine().try_lock(&self.disk.process, self.id, self.handle, kind, self.writable)
    }

    /// A lock that is taken is an error here: the one thread of the machine would wait for ever.
    fn lock(&self, kind: LockKind) -> io::Result<()> {
        if self.try_lock(kind)? { Ok(()) } else { Err(io::Error::from(io::ErrorKind::Deadlock)) }
    }

    fn unlock(&self) -> io::Result<()> {
        self.disk.machine().unlock(self.id, self.handle);
        Ok(())
    }

    fn is_locked(&self) -> io::Result<bool> {
        self.disk.machine().is_locked(&self.disk.process, self.id, self.handle)
    }
}

/// A mapping for writing, or, where `by_write`, what stands in for one.
#[derive(Debug)]
struct SimWriteMap {
    disk: SimDisk,
    id: u64,
    len: u64,
    by_write: bool,
    refused: OnceLock<i32>,
}

impl SimWriteMap {
    fn bounds(&self, offset: u64, len: u64) -> Range<u64> {
        let end = offset.checked_add(len).filter(|&end| end <= self.len);
        let end = end.unwrap_or_else(|| {
            panic!("BUG: {len} bytes at {offset} are outside a mapping of {} bytes", self.len)
        });
        offset..end
    }
}

impl Drop for SimWriteMap {
    fn drop(&mut self) {
        if self.by_write {
            self.disk.machine().close(self.id, 0);
        } else {
            self.disk.machine().unmap(self.id);
        }
    }
}

impl WriteMap for SimWriteMap {
    fn write(&self, offset: u64, bytes: &[u8]) {
        self.bounds(offset, size_of(bytes.len()));
        let mut machine = self.disk.machine();
        if !self.by_write {
            machine.store(&self.disk.process, self.id, offset, bytes);
        } else if self.refused.get().is_none()
            && let Err(error) = machine.write(&self.disk.process, self.id, offset, bytes)
        {
            self.refused.get_or_init(|| error.raw_os_error().unwrap_or(EIO));
        }
    }

    fn publish(&self, offset: u64, word: u32) {
        assert!(offset.is_multiple_of(4), "BUG: the word at {offset} is not aligned");
        self.write(offset, &word.to_le_bytes());
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) {
        self.bounds(offset, size_of(buffer.len()));
        self.disk.machine().load(self.id, offset, buffer);
    }

    fn populate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.bounds(offset, len);
        self.disk.machine().dead(&self.disk.process)
    }

    fn sync(&self, offset: u64, len: u64) -> io::Result<()> {
        let range = self.bounds(offset, len);
        self.check()?;
        // A mapping syncs the pages of the range, a file that is written can only sync as a whole.
        let range = if self.by_write { 0..u64::MAX } else { range };
        self.disk.machine().sync(&self.disk.process, self.id, range)
    }

    fn check(&self) -> io::Result<()> {
        self.refused.get().map_or(Ok(()), |&code| Err(io::Error::from_raw_os_error(code)))?;
        self.disk.machine().dead(&self.disk.process)
    }
}

/// A mapping for reading. Safe code cannot lend out bytes that change, so each change of the file is met by
/// one more copy: `bytes` lends the newest, and copies lent before stay as they were. A reader who loads a
/// word first and asks for the bytes afterwards sees what a real mapping would show.
#[derive(Debug)]
struct SimReadMap {
    disk: SimDisk,
    id: u64,
    first: Seen,
}

/// One state of a file and, once there was one, the next.
#[derive(Debug)]
struct Seen {
    generation: u64,
    bytes: Vec<u8>,
    next: OnceLock<Box<Self>>,
}

impl Seen {
    fn new(machine: &Machine, id: u64) -> Self {
        Self { generation: machine.generation(id), bytes: machine.bytes(id), next: OnceLock::new() }
    }
}

impl SimReadMap {
    fn newest(&self) -> &Seen {
        let machine = self.disk.machine();
        let mut seen = &self.first;
        while let Some(next) = seen.next.get() {
            seen = next;
        }
        if seen.generation == machine.generation(self.id) {
            return seen;
        }
        // A mapping keeps its length; what the file has gained behind it is not to be seen.
        let mut now = Seen::new(&machine, self.id);
        now.bytes.truncate(self.first.bytes.len());
        seen.next.get_or_init(|| Box::new(now))
    }
}

impl Drop for SimReadMap {
    fn drop(&mut self) {
        // Unlinked one by one: a long chain dropped by recursion would use up the stack.
        let mut next = self.first.next.take();
        while let Some(mut seen) = next {
            next = seen.next.take();
        }
        self.disk.machine().unmap(self.id);
    }
}

impl ReadMap for SimReadMap {
    fn bytes(&self) -> &[u8] {
        &self.newest().bytes
    }

    fn load(&self, offset: u64) -> u32 {
        assert!(offset.is_multiple_of(4), "BUG: the word at {offset} is not aligned");
        let bytes = &self.newest().bytes;
        let start = usize::try_from(offset).ok();
        let word = start.and_then(|start| bytes.get(start..start.checked_add(4)?));
        word.and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests;
