//! Memory maps: the only unsafe code of this project, and the only file that names `memmap2`.
//!
//! [`Mapped`] is a shared mapping that a writer fills, [`Written`] does the same work by `pwrite` where
//! mappings cannot be trusted (a copy-on-write file system needs a free block for every second write of
//! a page, and a mapping can only say "no" by a signal). [`View`] is a shared mapping for reading.
//!
//! ```text
//! hazard of a mapping                      what keeps it away
//! page without a disk block: SIGBUS        the file is allocated before it is mapped; checked in `Mapped::new`
//! file cut while mapped: SIGBUS            no mapped file is ever truncated, only punched and unlinked
//! read error of the disk: SIGBUS           nothing here: the process dies, the store does not
//! foreign program that edits the file      nothing here: see docs/FORMAT.md, "What we trust"
//! ```

#![expect(unsafe_code, reason = "mapping a file is unsafe; every other module sees plain bytes")]

use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use memmap2::{Mmap, MmapOptions, MmapRaw, UncheckedAdvice};

use super::{ReadMap, WriteMap};

/// Turns a range of a mapping of `len` bytes into addresses. The one bounds check of this module.
///
/// # Panics
/// When the range is outside the mapping: offsets come from the engine, never from file content.
fn range(len: usize, offset: u64, count: usize) -> usize {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let end = start.checked_add(count);
    assert!(
        end.is_some_and(|end| end <= len),
        "BUG: {count} bytes at {offset} are outside a mapping of {len} bytes"
    );
    start
}

fn assert_word(offset: u64) {
    assert!(offset.is_multiple_of(4), "BUG: the word at {offset} is not aligned");
}

fn too_long(len: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{len} bytes do not fit this machine's memory"))
}

/// A writer's shared mapping of the first bytes of a file.
#[derive(Debug)]
pub(super) struct Mapped {
    map: MmapRaw,
    /// Held for every copy in or out, so that two threads of this process never touch the same bytes at
    /// once, whatever the callers do. Not contended in practice: costs about 5 ns.
    copying: Mutex<()>,
}

impl Mapped {
    /// Maps the first `len` bytes of `file`, which must have them.
    pub(super) fn new(file: &fs::File, len: u64) -> io::Result<Self> {
        let size = file.metadata()?.len();
        if size < len {
            let what = format!("cannot map {len} bytes of a file of {size} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let len = usize::try_from(len).map_err(|_| too_long(len))?;
        Ok(Self { map: MmapOptions::new().len(len).map_raw(file)?, copying: Mutex::new(()) })
    }

    /// Where byte `offset` of the file stands, with room for `count` bytes behind it.
    fn address(&self, offset: u64, count: usize) -> *mut u8 {
        let start = range(self.map.len(), offset, count);
        // SAFETY: `range` has checked that start + count lies inside the mapping, which is one allocation.
        // A change of `range` that lets an offset through would break it.
        unsafe { self.map.as_mut_ptr().add(start) }
    }
}

impl WriteMap for Mapped {
    fn write(&self, offset: u64, bytes: &[u8]) {
        let to = self.address(offset, bytes.len());
        let _copying = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: `to` has room for the bytes; `bytes` is ordinary memory or another mapping, and a borrow of
        // this one is not to be had (`read` copies out), so the two do not overlap. `copying` keeps other
        // threads out. Readers in other processes may see the bytes half written: they look only behind a
        // published word. A truncated file would still raise SIGBUS: see the module's table.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    fn publish(&self, offset: u64, word: u32) {
        assert_word(offset);
        let at = self.address(offset, 4).cast::<u32>();
        let _copying = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: a mapping starts on a page and `offset` is a multiple of 4, so `at` is aligned; the memory
        // lives as long as `self`. `copying` is held, so no plain copy of this process touches the word
        // meanwhile; other processes load it atomically, through `View::load`.
        let at = unsafe { AtomicU32::from_ptr(at) };
        at.store(word.to_le(), Ordering::Release);
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) {
        let from = self.address(offset, buffer.len());
        let _copying = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: as in `write`, with the directions exchanged. One writer process per file (its slot's lock)
        // keeps other processes from storing meanwhile.
        unsafe { std::ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), buffer.len()) };
    }

    fn populate(&self, offset: u64, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| too_long(len))?;
        let start = range(self.map.len(), offset, len);
        if len == 0 {
            return Ok(());
        }
        #[cfg(target_os = "linux")]
        return super::disk::retry(|| self.map.advise_range(memmap2::Advice::PopulateWrite, start, len));
        #[cfg(not(target_os = "linux"))]
        Ok(())
    }

    fn sync(&self, offset: u64, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| too_long(len))?;
        let start = range(self.map.len(), offset, len);
        // msync of a range also commits the journal entry that makes its preallocated blocks readable after a
        // power cut (vfs_fsync_range with datasync set), so nothing else is needed to find the bytes again.
        // After each of 1,000 appends of 440 bytes to a preallocated file on ext4, msync of the range, fdatasync,
        // and pwrite with fdatasync all cost 0.20-0.32 ms and 5.2 KB of disk writes. They differ after pages were
        // made present ahead: the first sync of 2 MiB of them takes msync 0.5-0.9 ms, fdatasync 3.4-4.6 ms.
        self.map.flush_range(start, len)
    }
}

/// The same service without a mapping: every store is a `pwrite`, in order.
///
/// A store cannot be refused where it is made (the trait mirrors a mapping, which cannot refuse either), so
/// the first refusal is kept: from then on nothing is stored or published any more, and [`WriteMap::check`]
/// and [`WriteMap::sync`] say so.
#[derive(Debug)]
pub(super) struct Written {
    file: Arc<fs::File>,
    len: u64,
    refused: OnceLock<i32>,
}

impl Written {
    /// Stands for the first `len` bytes of `file`, which must have them.
    pub(super) fn new(file: Arc<fs::File>, len: u64) -> io::Result<Self> {
        let size = file.metadata()?.len();
        if size < len {
            let what = format!("cannot write {len} bytes of a file of {size} bytes in place");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        Ok(Self { file, len, refused: OnceLock::new() })
    }

    fn bounds(&self, offset: u64, count: usize) {
        range(usize::try_from(self.len).unwrap_or(usize::MAX), offset, count);
    }

    fn keep(&self, result: io::Result<()>) {
        if let Err(error) = result {
            self.refused.get_or_init(|| error.raw_os_error().unwrap_or(nix::libc::EIO));
        }
    }
}

impl WriteMap for Written {
    fn write(&self, offset: u64, bytes: &[u8]) {
        self.bounds(offset, bytes.len());
        if self.refused.get().is_none() {
            self.keep(self.file.write_all_at(bytes, offset));
        }
    }

    fn publish(&self, offset: u64, word: u32) {
        assert_word(offset);
        // The kernel copies each pwrite into the page cache under the inode's lock, so whoever sees this word
        // sees the bytes of the writes before it, through a mapping as well.
        self.write(offset, &word.to_le_bytes());
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) {
        self.bounds(offset, buffer.len());
        let result = self.file.read_exact_at(buffer, offset);
        if result.is_err() {
            // Bytes that cannot be had read as zero, which no checksum of ours accepts.
            buffer.fill(0);
        }
        self.keep(result);
    }

    fn populate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.bounds(offset, usize::try_from(len).map_err(|_| too_long(len))?);
        Ok(())
    }

    fn sync(&self, offset: u64, len: u64) -> io::Result<()> {
        self.bounds(offset, usize::try_from(len).map_err(|_| too_long(len))?);
        self.check()?;
        super::disk::retry(|| self.file.sync_data())
    }

    fn check(&self) -> io::Result<()> {
        self.refused.get().map_or(Ok(()), |&code| Err(io::Error::from_raw_os_error(code)))
    }
}

/// A mapping of a whole file for reading.
#[derive(Debug)]
pub(super) struct View(Mmap);

impl View {
    /// Maps the whole file.
    pub(super) fn new(file: &fs::File) -> io::Result<Self> {
        // SAFETY: the bytes must not vanish while mapped: no file of a store is truncated once it can be mapped,
        // only punched and unlinked, and both are harmless to a mapping. They must not change either: sealed
        // files never do, and of an active file readers look only at bytes behind a published word, which do
        // not change any more. A foreign program that truncates the file can still raise SIGBUS, and one that
        // rewrites it can change bytes under a reader, who then meets a checksum that does not match.
        let map = unsafe { Mmap::map(file)? };
        Ok(Self(map))
    }
}

impl ReadMap for View {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn load(&self, offset: u64) -> u32 {
        assert_word(offset);
        let end = usize::try_from(offset).ok().and_then(|start| start.checked_add(4));
        let Some(word) = end.and_then(|end| self.0.get(end - 4..end)) else { return 0 };
        let at = word.as_ptr().cast::<u32>().cast_mut();
        // SAFETY: the four bytes are inside the mapping and aligned (page start plus a multiple of 4). The memory
        // is read-only, for which Rust guarantees relaxed loads of this size; nothing is ever stored through it.
        let word = unsafe { AtomicU32::from_ptr(at) };
        let word = u32::from_le(word.load(Ordering::Relaxed));
        // The fence makes the relaxed load an acquiring one: see "atomic accesses to read-only memory" in std.
        fence(Ordering::Acquire);
        word
    }

    fn release(&self) {
        // SAFETY: the mapping is shared and of a file: pages that are dropped are read from the file again, with the bytes that
        // they had.
        let _only_a_hint = unsafe { self.0.unchecked_advise(UncheckedAdvice::DontNeed) };
    }
}
