//! The real machine: files, locks, clock and randomness of the operating system.
//!
//! The only file of the engine that names `std::fs` and `nix`. Every call that a signal can interrupt is
//! made again. Files are made with mode 0600 and directories with 0700, and no file is opened through a
//! symbolic link or is anything but a regular file.
//!
//! Locks belong to the open file (OFD locks), not to the process and not to a name: they vanish with
//! the open file, also by `kill -9`, and can be asked about without taking them.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, PosixFadviseAdvice};
use nix::libc;

use super::map::{Mapped, View, Written};
use super::{File, LockKind, OpenMode, ReadMap, Space, Stat, Support, Vfs, WriteMap};

/// The machine this process runs on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Disk {
    /// Overrides what the file system would be written with.
    writer: Option<Writer>,
}

/// How active files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Map,
    Pwrite,
}

impl Disk {
    /// The machine, with the way of writing that suits each file system.
    ///
    /// The environment variable `LOGQ_WRITER` (`mmap` or `pwrite`) overrides that choice, so that tests can
    /// run both ways on one file system. Any other value counts as not set.
    #[must_use]
    pub(crate) fn new() -> Self {
        let writer = std::env::var_os("LOGQ_WRITER");
        Self { writer: writer.as_deref().and_then(writer_named) }
    }
}

fn writer_named(name: &OsStr) -> Option<Writer> {
    match name.to_str() {
        Some("mmap") => Some(Writer::Map),
        Some("pwrite") => Some(Writer::Pwrite),
        _ => None,
    }
}

/// Calls again what a signal interrupted.
pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// As [`retry`], for a call of `nix`.
fn retry_nix<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    retry(|| call().map_err(io::Error::from))
}

fn signed(number: u64) -> io::Result<libc::off_t> {
    libc::off_t::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

fn stat_of(metadata: &fs::Metadata) -> Stat {
    Stat { size: metadata.len(), identity: (metadata.dev(), metadata.ino()) }
}

impl Vfs for Disk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let mut options = fs::OpenOptions::new();
        // O_NONBLOCK changes nothing for a regular file, and keeps a pipe that was put in a file's place
        // from holding us for ever. std adds O_CLOEXEC, so no child process inherits a file or its lock.
        options.read(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::ReadWrite => options.write(true),
            OpenMode::CreateNew => options.write(true).create_new(true),
            OpenMode::CreateOrOpen => options.write(true).create(true),
        };
        let file = retry(|| options.open(path))?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Box::new(DiskFile { file: Arc::new(file), writer: self.writer, locked_by: OnceLock::new() }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match retry(|| fs::DirBuilder::new().mode(0o700).create(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            result => result,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one door through which renames go")]
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        retry(|| fs::rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        retry(|| fs::remove_file(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let dir = retry(|| options.read(true).custom_flags(libc::O_DIRECTORY).open(path))?;
        retry(|| dir.sync_all())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        // A name that is not UTF-8 is none of ours; it is listed with its odd bytes replaced.
        let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let mut metadata = fs::symlink_metadata(path)?;
        if metadata.is_symlink() {
            metadata = fs::metadata(path)?;
            if !metadata.is_dir() {
                // As `open` says: a store may be reached through a link, its files may not.
                return Err(io::Error::from_raw_os_error(libc::ELOOP));
            }
        }
        Ok(stat_of(&metadata))
    }

    fn support(&self, path: &Path) -> io::Result<Support> {
        let mut path = path;
        // A store that is yet to be made lies on the file system of the nearest directory above it.
        let found = loop {
            match retry_nix(|| nix::sys::statfs::statfs(path)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => match path.parent() {
                    Some(parent) if parent != Path::new("") => path = parent,
                    Some(_) => path = Path::new("."),
                    None => return Err(error),
                },
                result => break result?,
            }
        };
        Ok(self.chosen(&found))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let found = retry_nix(|| nix::sys::statvfs::statvfs(path))?;
        // The fields are as wide as the platform's C types.
        let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
        Ok(Space { free: bytes(found.blocks_available()), total: bytes(found.blocks()) })
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one door through which the time comes")]
    fn now(&self) -> i64 {
        nanoseconds(SystemTime::now())
    }

    fn ticks(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn random(&self) -> u64 {
        getrandom::u64().unwrap_or_else(|_| {
            // No source of randomness is left but the seed that std took at start. Salts must differ from
            // each other; that others cannot guess them is a second line of defence.
            use std::hash::{BuildHasher as _, Hasher as _};
            let mut hasher = std::hash::RandomState::new().build_hasher();
            hasher.write_i64(self.now());
            hasher.finish()
        })
    }

    fn boot_id(&self) -> [u8; 16] {
        static BOOT: OnceLock<[u8; 16]> = OnceLock::new();
        *BOOT.get_or_init(|| {
            let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
            // Without a name for the boot every process takes itself for another boot, which costs a recovery
            // where none is needed and never trusts what it should not.
            parse_uuid(text.trim()).unwrap_or_else(|| {
                let mut id = [0; 16];
                id[..8].copy_from_slice(&self.random().to_le_bytes());
                id[8..].copy_from_slice(&self.random().to_le_bytes());
                id
            })
        })
    }

    fn has_threads(&self) -> bool {
        true
    }
}

impl Disk {
    #[cfg(target_os = "linux")]
    fn chosen(self, found: &nix::sys::statfs::Statfs) -> Support {
        support_of(magic_of(found), self.writer)
    }

    #[cfg(not(target_os = "linux"))]
    fn chosen(self, _found: &nix::sys::statfs::Statfs) -> Support {
        support_of(0, self.writer)
    }
}

/// The number by which Linux knows a file system. Its type differs by machine; the numbers have 32 bits.
#[cfg(target_os = "linux")]
fn magic_of(found: &nix::sys::statfs::Statfs) -> u32 {
    // Some of the numbers have the top bit set and come sign-extended from a narrower type.
    u32::try_from(found.filesystem_type().0 & 0xffff_ffff).unwrap_or(0)
}

/// The name of a network file system: locks, mappings or syncs of one machine mean little to another.
fn network(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "nfs",
        0x517b => "smb",
        0xff53_4d42 => "cifs",
        0xfe53_4d42 => "smb2",
        0x0102_1997 => "9p",
        0x5346_414f | 0x6b41_4653 => "afs",
        0x7375_7245 => "coda",
        0x564c => "ncp",
        0x00c3_6400 => "ceph",
        0x0bd0_0bd0 => "lustre",
        0x4750_4653 | 0x0116_1970 => "gpfs or gfs2",
        0x7461_636f => "ocfs2",
        0x2003_0528 => "orangefs",
        0xbacb_acbc => "vmhgfs",
        0x786f_4256 => "vboxsf",
        _ => return None,
    })
}

/// What a file system is good for. Mappings need every page's block to be reserved for good: true of the
/// three named here, and not of copy-on-write ones. What we do not know is written by `pwrite`.
fn support_of(magic: u32, writer: Option<Writer>) -> Support {
    const EXT: u32 = 0xef53;
    const XFS: u32 = 0x5846_5342;
    const TMPFS: u32 = 0x0102_1994;
    match (network(magic), writer) {
        (Some(name), _) => Support::Refused(name.into()),
        (None, Some(Writer::Map)) => Support::Mapped,
        (None, Some(Writer::Pwrite)) => Support::Written,
        (None, None) if matches!(magic, EXT | XFS | TMPFS) => Support::Mapped,
        (None, None) => Support::Written,
    }
}

/// Nanoseconds since 1970, at the ends of the range for clocks that are beyond it.
fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n),
    }
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|&c| c != '-')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let mut id = [0; 16];
    if digits.len() != 32 {
        return None;
    }
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().fold(0, |sum, digit| sum * 16 + digit);
    }
    Some(id)
}

/// An open file.
#[derive(Debug)]
struct DiskFile {
    file: Arc<fs::File>,
    writer: Option<Writer>,
    /// The process that took a lock through this file.
    locked_by: OnceLock<u32>,
}

/// A request about the lock of a whole file.
fn whole_file(kind: libc::c_int) -> io::Result<libc::flock> {
    let narrow = |number: libc::c_int| {
        libc::c_short::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::Unsupported))
    };
    // `l_pid` must be 0 for locks of an open file.
    Ok(libc::flock {
        l_type: narrow(kind)?,
        l_whence: narrow(libc::SEEK_SET)?,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    })
}

fn code(kind: LockKind) -> libc::c_int {
    match kind {
        LockKind::Shared => libc::F_RDLCK,
        LockKind::Exclusive => libc::F_WRLCK,
    }
}

impl DiskFile {
    fn note_lock(&self) {
        self.locked_by.get_or_init(std::process::id);
    }
}

impl File for DiskFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            let count = retry(|| self.file.read_at(&mut buffer[filled..], at))?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&self.file.metadata()?))
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let (offset, len) = (signed(offset)?, signed(len)?);
        if len == 0 {
            return Ok(());
        }
        retry_nix(|| nix::fcntl::fallocate(&self.file, FallocateFlags::empty(), offset, len))
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        let (offset, len) = (signed(offset)?, signed(len)?);
        if len == 0 {
            return Ok(());
        }
        let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        retry_nix(|| nix::fcntl::fallocate(&self.file, hole, offset, len))
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        retry(|| self.file.set_len(size))
    }

    fn sync_data(&self) -> io::Result<()> {
        retry(|| self.file.sync_data())
    }

    #[cfg(target_os = "linux")]
    fn data_len(&self) -> io::Result<u64> {
        use nix::unistd::{Whence, lseek};
        let mut end = 0;
        loop {
            // The file's own position is used for nothing else.
            let data = match retry_nix(|| lseek(&self.file, end, Whence::SeekData)) {
                Ok(data) => data,
                Err(error) if error.raw_os_error() == Some(libc::ENXIO) => break,
                Err(error) => return Err(error),
            };
            end = retry_nix(|| lseek(&self.file, data, Whence::SeekHole))?;
        }
        Ok(u64::try_from(end).unwrap_or(0))
    }

    fn drop_cache(&self) -> io::Result<()> {
        retry_nix(|| nix::fcntl::posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED))
    }

    fn map_write(&self, len: u64) -> io::Result<Box<dyn WriteMap>> {
        let found = retry_nix(|| nix::sys::statfs::fstatfs(&self.file))?;
        match (Disk { writer: self.writer }).chosen(&found) {
            Support::Mapped => Ok(Box::new(Mapped::new(&self.file, len)?)),
            Support::Written => Ok(Box::new(Written::new(Arc::clone(&self.file), len)?)),
            Support::Refused(name) => {
                let what = format!("{name} is a network file system, where a store cannot be kept safe");
                Err(io::Error::new(io::ErrorKind::Unsupported, what))
            }
        }
    }

    fn map_read(&self) -> io::Result<Box<dyn ReadMap>> {
        Ok(Box::new(View::new(&self.file)?))
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        let request = whole_file(code(kind))?;
        let taken = loop {
            match nix::fcntl::fcntl(&self.file, FcntlArg::F_OFD_SETLK(&request)) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN | Errno::EACCES) => break false,
                result => break result.map(|_| true)?,
            }
        };
        if taken {
            self.note_lock();
        }
        Ok(taken)
    }

    fn lock(&self, kind: LockKind) -> io::Result<()> {
        let request = whole_file(code(kind))?;
        retry_nix(|| nix::fcntl::fcntl(&self.file, FcntlArg::F_OFD_SETLKW(&request)))?;
        self.note_lock();
        Ok(())
    }

    fn unlock(&self) -> io::Result<()> {
        let request = whole_file(libc::F_UNLCK)?;
        retry_nix(|| nix::fcntl::fcntl(&self.file, FcntlArg::F_OFD_SETLK(&request))).map(drop)
    }

    fn is_locked(&self) -> io::Result<bool> {
        // Asking for a shared lock meets exclusive ones only.
        let mut request = whole_file(libc::F_RDLCK)?;
        retry_nix(|| nix::fcntl::fcntl(&self.file, FcntlArg::F_OFD_GETLK(&mut request)))?;
        Ok(libc::c_int::from(request.l_type) != libc::F_UNLCK)
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        // Closing the descriptor releases the lock only with the last reference to the open file, and a mapping
        // holds one; so it is released by name. A forked child must not do that: the lock is its parent's.
        if self.locked_by.get() == Some(&std::process::id())
            && let Ok(request) = whole_file(libc::F_UNLCK)
        {
            // Nothing can be done about a refusal here, and the close that follows releases the lock too.
            let _ = nix::fcntl::fcntl(&self.file, FcntlArg::F_OFD_SETLK(&request));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// Runs a claim with each way of writing.
    fn each_writer(claim: impl Fn(&Disk, &Path)) {
        for writer in [None, Some(Writer::Map), Some(Writer::Pwrite)] {
            let dir = tempfile::tempdir().unwrap();
            claim(&Disk { writer }, dir.path());
        }
    }

    fn allocated(disk: &Disk, path: &Path, len: u64) -> Box<dyn File> {
        let file = disk.open(path, OpenMode::CreateNew).unwrap();
        file.allocate(0, len).unwrap();
        file
    }

    #[test]
    fn what_is_published_is_seen_by_maps_and_reads_of_other_opens() {
        each_writer(|disk, dir| {
            let path = dir.join("a");
            let file = allocated(disk, &path, 8192);
            let map = file.map_write(8192).unwrap();
            let other = disk.open(&path, OpenMode::Read).unwrap();
            let view = other.map_read().unwrap();
            assert_eq!(view.load(4096), 0);
            map.populate(0, 8192).unwrap();
            map.write(4100, b"body");
            map.publish(4096, 4);
            assert_eq!(view.load(4096), 4);
            assert_eq!(&view.bytes()[4100..4104], b"body");
            let mut buffer = [0; 8];
            assert_eq!(other.read_at(4096, &mut buffer).unwrap(), 8);
            assert_eq!(&buffer, b"\x04\0\0\0body");
            map.read(4100, &mut buffer[..4]);
            assert_eq!(&buffer[..4], b"body");
            map.sync(4096, 8).unwrap();
            file.sync_data().unwrap();
            map.check().unwrap();
        });
    }

    #[test]
    fn stores_outside_a_mapping_are_bugs() {
        each_writer(|disk, dir| {
            let map = allocated(disk, &dir.join("a"), 4096).map_write(4096).unwrap();
            let bugs: [&dyn Fn(); 5] = [
                &|| map.write(4095, b"ab"),
                &|| map.write(u64::MAX, b"a"),
                &|| map.publish(4096, 1),
                &|| map.publish(2, 1),
                &|| map.read(4093, &mut [0; 4]),
            ];
            for (n, bug) in bugs.into_iter().enumerate() {
                let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(bug));
                let text = *caught.unwrap_err().downcast::<String>().unwrap();
                assert!(text.starts_with("BUG: "), "{n}: {text}");
            }
        });
    }

    #[test]
    fn a_load_outside_a_mapping_is_zero() {
        let dir = tempfile::tempdir().unwrap();
        let file = Disk::new().open(&dir.path().join("a"), OpenMode::CreateNew).unwrap();
        assert_eq!(file.map_read().unwrap().load(0), 0, "an empty file");
        file.write_at(0, &[1, 2, 3, 4, 5, 6]).unwrap();
        let view = file.map_read().unwrap();
        assert_eq!(view.load(0), 0x0403_0201);
        assert_eq!(view.load(4), 0, "only two of the four bytes exist");
        assert_eq!(view.load(u64::MAX - 3), 0);
    }

    #[test]
    fn more_than_a_file_holds_cannot_be_mapped() {
        each_writer(|disk, dir| {
            let file = allocated(disk, &dir.join("a"), 4096);
            assert_eq!(file.map_write(4097).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        });
    }

    #[test]
    fn a_refused_store_publishes_nothing_and_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, [0; 16]).unwrap();
        // A file that is open for reading only refuses every store.
        let map = Written::new(Arc::new(fs::File::open(&path).unwrap()), 16).unwrap();
        map.check().unwrap();
        map.write(4, b"body");
        map.publish(0, 4);
        assert_eq!(map.check().unwrap_err().raw_os_error(), Some(libc::EBADF));
        assert_eq!(map.sync(0, 8).unwrap_err().raw_os_error(), Some(libc::EBADF));
        assert_eq!(fs::read(&path).unwrap(), [0; 16]);
    }

    #[test]
    fn two_opens_of_one_file_exclude_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let disk = Disk::new();
        let open = |mode| disk.open(&path, mode).unwrap();
        let (one, two) = (open(OpenMode::CreateOrOpen), open(OpenMode::CreateOrOpen));
        let reader = open(OpenMode::Read);
        assert!(!reader.is_locked().unwrap());
        assert!(one.try_lock(LockKind::Exclusive).unwrap());
        assert!(one.try_lock(LockKind::Exclusive).unwrap(), "taking it again is no conflict");
        assert!(!two.try_lock(LockKind::Exclusive).unwrap());
        assert!(!reader.try_lock(LockKind::Shared).unwrap());
        assert!(reader.is_locked().unwrap());
        assert!(!one.is_locked().unwrap(), "one's own lock is not another's");
        drop(one);
        assert!(!reader.is_locked().unwrap());
        assert!(reader.try_lock(LockKind::Shared).unwrap());
        assert!(open(OpenMode::Read).try_lock(LockKind::Shared).unwrap());
        assert!(!two.is_locked().unwrap(), "shared locks do not count");
        assert!(!two.try_lock(LockKind::Exclusive).unwrap());
        drop(reader);
        two.lock(LockKind::Exclusive).unwrap();
    }

    #[test]
    fn a_mapping_does_not_keep_the_lock_of_a_closed_file() {
        each_writer(|disk, dir| {
            let path = dir.join("lock");
            let file = allocated(disk, &path, 4096);
            assert!(file.try_lock(LockKind::Exclusive).unwrap());
            let maps = (file.map_read().unwrap(), file.map_write(4096).unwrap());
            drop(file);
            assert!(disk.open(&path, OpenMode::ReadWrite).unwrap().try_lock(LockKind::Exclusive).unwrap());
            drop(maps);
        });
    }

    #[test]
    fn files_are_private_and_never_reached_through_links() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new();
        let (path, link, sub) = (dir.path().join("a"), dir.path().join("l"), dir.path().join("d"));
        drop(disk.open(&path, OpenMode::CreateNew).unwrap());
        disk.create_dir(&sub).unwrap();
        disk.create_dir(&sub).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&sub)), (0o600, 0o700));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for mode in [OpenMode::Read, OpenMode::ReadWrite, OpenMode::CreateOrOpen] {
            assert_eq!(disk.open(&link, mode).unwrap_err().raw_os_error(), Some(libc::ELOOP));
        }
        let kind = |result: io::Result<Box<dyn File>>| result.unwrap_err().kind();
        assert_eq!(kind(disk.open(&link, OpenMode::CreateNew)), io::ErrorKind::AlreadyExists);
        assert_eq!(kind(disk.open(&path, OpenMode::CreateNew)), io::ErrorKind::AlreadyExists);
        assert_eq!(kind(disk.open(&sub, OpenMode::Read)), io::ErrorKind::InvalidInput);
        assert_eq!(disk.stat(&link).unwrap_err().raw_os_error(), Some(libc::ELOOP));
        assert_eq!(disk.create_dir(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&sub, &link).unwrap();
        assert_eq!(disk.stat(&link).unwrap(), disk.stat(&sub).unwrap());
        assert_eq!(disk.list(dir.path()).unwrap(), ["a", "d", "l"]);
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(Disk::new().open(&path, OpenMode::Read).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_hole_reads_as_zero_and_keeps_the_size() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new();
        let file = allocated(&disk, &dir.path().join("a"), 16384);
        assert_eq!(file.stat().unwrap().size, 16384);
        file.write_at(4095, &[7; 8194]).unwrap();
        let view = file.map_read().unwrap();
        file.punch(4096, 8192).unwrap();
        file.punch(0, 0).unwrap();
        file.allocate(0, 0).unwrap();
        file.sync_data().unwrap();
        file.drop_cache().unwrap();
        assert_eq!(file.stat().unwrap().size, 16384);
        assert!(view.bytes()[4096..12288].iter().all(|&byte| byte == 0));
        assert_eq!((view.bytes()[4095], view.bytes()[12288]), (7, 7));
        file.truncate(10).unwrap();
        assert_eq!(file.read_at(5, &mut [0; 100]).unwrap(), 5);
        assert_eq!(file.read_at(11, &mut [0; 100]).unwrap(), 0);
        assert_eq!(file.allocate(u64::MAX, 1).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn an_identity_belongs_to_a_file_and_not_to_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new();
        let (one, two) = (dir.path().join("1"), dir.path().join("2"));
        let first = disk.open(&one, OpenMode::CreateNew).unwrap().stat().unwrap();
        let second = disk.open(&two, OpenMode::CreateNew).unwrap().stat().unwrap();
        assert_ne!(first.identity, second.identity);
        disk.rename(&two, &one).unwrap();
        disk.sync_dir(dir.path()).unwrap();
        assert_eq!(disk.stat(&one).unwrap(), second);
        assert_eq!(disk.stat(&two).unwrap_err().kind(), io::ErrorKind::NotFound);
        disk.remove(&one).unwrap();
        assert_eq!(disk.list(dir.path()).unwrap(), Vec::<String>::new());
        assert_eq!(disk.list(&one).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn each_file_system_gets_the_writer_that_is_safe_on_it() {
        let cases = [
            (0xef53, Support::Mapped),
            (0x5846_5342, Support::Mapped),
            (0x0102_1994, Support::Mapped),
            (0x9123_683e, Support::Written), // btrfs
            (0x794c_7630, Support::Written), // overlayfs
            (0x6573_5546, Support::Written), // fuse
            (0x2fc1_2fc1, Support::Written), // zfs
            (0, Support::Written),
            (0x6969, Support::Refused("nfs".into())),
            (0xff53_4d42, Support::Refused("cifs".into())),
            (0x0102_1997, Support::Refused("9p".into())),
        ];
        for (magic, expected) in cases {
            assert_eq!(support_of(magic, None), expected, "{magic:x}");
        }
        assert_eq!(support_of(0x9123_683e, Some(Writer::Map)), Support::Mapped);
        assert_eq!(support_of(0xef53, Some(Writer::Pwrite)), Support::Written);
        assert_eq!(support_of(0x6969, Some(Writer::Map)), Support::Refused("nfs".into()));
    }

    #[test]
    fn a_store_that_is_yet_to_be_made_is_judged_by_the_directory_above() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk { writer: None };
        let here = disk.support(dir.path()).unwrap();
        assert_eq!(disk.support(&dir.path().join("not/yet/there")).unwrap(), here);
        disk.support(Path::new("not-there")).unwrap();
    }

    #[test]
    fn the_override_knows_two_words() {
        assert_eq!(writer_named(OsStr::new("mmap")), Some(Writer::Map));
        assert_eq!(writer_named(OsStr::new("pwrite")), Some(Writer::Pwrite));
        assert_eq!(writer_named(OsStr::new("")), None);
        assert_eq!(writer_named(OsStr::new("MMAP")), None);
    }

    #[test]
    fn clock_boot_and_randomness_are_those_of_the_machine() {
        let disk = Disk::new();
        assert!(0 < disk.now());
        assert_eq!(disk.boot_id(), Disk::new().boot_id());
        assert_ne!(disk.boot_id(), [0; 16]);
        assert_ne!(disk.random(), disk.random());
        assert_eq!(
            parse_uuid("00112233-4455-6677-8899-aabbccddeeff"),
            Some([
                0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff
            ])
        );
        assert_eq!(parse_uuid("00112233"), None);
        assert_eq!(parse_uuid(""), None);
        assert_eq!(parse_uuid("x0112233-4455-6677-8899-aabbccddeeff"), None);
        assert_eq!(nanoseconds(UNIX_EPOCH - std::time::Duration::from_nanos(5)), -5);
        assert_eq!(nanoseconds(UNIX_EPOCH + std::time::Duration::from_secs(u64::MAX >> 2)), i64::MAX);
    }

    #[test]
    fn an_interrupted_call_is_made_again() {
        let mut calls = 0;
        let result = retry(|| {
            calls += 1;
            if calls < 3 { Err(io::Error::from(io::ErrorKind::Interrupted)) } else { Ok(calls) }
        });
        assert_eq!(result.unwrap(), 3);
    }
}
