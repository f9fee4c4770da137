//! The files of a simulated machine: what is in memory, what is on disk, and what is between.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::content::{Content, PAGE, Pages, SECTOR, Sector, index, size_of};
use super::machine::{Gate, Machine, Process, errno};
use super::{EBADF, ENOSPC, Op};
use crate::io::{LockKind, Stat};

/// How many versions of one sector are remembered between two syncs. Of more, one in the middle is forgotten.
const VERSIONS_MAX: usize = 8;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) size: u64,
    pub(super) blocks: Pages,
}

/// One state that a sector had between two syncs.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) stamp: u64,
    pub(super) bytes: Arc<Sector>,
}

#[derive(Clone, Debug)]
struct Lock {
    process: u64,
    handle: u64,
    kind: LockKind,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// The name it was last given, for fault plans.
    pub(super) name: String,
    pub(super) live: Content,
    pub(super) durable: Content,
    pub(super) dirty: BTreeMap<u64, Vec<Version>>,
    /// Sectors that a failed sync left clean in memory and unwritten on disk.
    pub(super) lost: BTreeSet<u64>,
    pub(super) meta: Meta,
    pub(super) durable_meta: Meta,
    pub(super) pending_meta: Vec<(u64, Meta)>,
    locks: Vec<Lock>,
    pub(super) opens: u64,
    pub(super) maps: u64,
    /// Raised by every change of `live`, so that a mapping notices.
    pub(super) generation: u64,
}

/// What a process killed half way through has stored. A word is stored whole or not at all.
fn half(bytes: &[u8]) -> &[u8] {
    if bytes.len() <= 8 { bytes } else { &bytes[..bytes.len() / 2] }
}

fn pages_of(range: &Range<u64>) -> Range<u64> {
    range.start / PAGE..range.end.div_ceil(PAGE)
}

impl Inode {
    /// A file of which nothing is pending and which nobody has open.
    pub(super) fn settled(name: &str, content: Content, meta: &Meta) -> Self {
        Self {
            name: name.into(),
            live: content.clone(),
            durable: content,
            meta: meta.clone(),
            durable_meta: meta.clone(),
            ..Self::default()
        }
    }

    /// Remembers what a range of sectors is now as one more thing the disk may hold after a crash.
    fn touch(&mut self, stamp: u64, sectors: impl Iterator<Item = u64>) {
        for sector in sectors {
            let versions = self.dirty.entry(sector).or_default();
            if versions.len() == VERSIONS_MAX {
                versions.remove(VERSIONS_MAX / 2);
            }
            versions.push(Version { stamp, bytes: Arc::new(self.live.sector(sector)) });
            self.lost.remove(&sector);
        }
        self.generation += 1;
    }

    /// Changes size and blocks, and remembers the result as one more thing the disk may hold after a crash.
    fn set_meta(&mut self, stamp: u64, meta: Meta) {
        if self.meta != meta {
            self.meta = meta;
            self.pending_meta.push((stamp, self.meta.clone()));
            self.generation += 1;
        }
    }

    fn write(&mut self, stamp: u64, offset: u64, bytes: &[u8]) {
        let end = offset + size_of(bytes.len());
        self.live.write(offset, bytes);
        self.touch(stamp, offset / SECTOR..end.div_ceil(SECTOR));
    }

    fn zero(&mut self, stamp: u64, range: Range<u64>) {
        for sector in self.live.written_sectors(range.clone()) {
            let start = range.start.max(sector * SECTOR);
            let end = range.end.min((sector + 1) * SECTOR);
            self.live.write(start, &vec![0; index(end - start)]);
            self.touch(stamp, sector..=sector);
        }
    }

    pub(super) fn unlock_process(&mut self, process: u64) {
        self.locks.retain(|lock| lock.process != process);
    }

    fn make_durable(&mut self, sectors: Range<u64>) {
        let synced: Vec<u64> = self.dirty.range(sectors).map(|(&sector, _)| sector).collect();
        for sector in synced {
            self.dirty.remove(&sector);
            self.durable.write(sector * SECTOR, &self.live.sector(sector));
        }
        self.durable_meta = self.meta.clone();
        self.pending_meta.clear();
    }

    fn lose(&mut self, sectors: Range<u64>) {
        let failed: Vec<u64> = self.dirty.range(sectors).map(|(&sector, _)| sector).collect();
        for sector in failed {
            self.dirty.remove(&sector);
            self.lost.insert(sector);
        }
    }
}

impl Machine {
    pub(super) fn inode(&self, id: u64) -> &Inode {
        self.inodes.get(&id).expect("BUG: a file in use is gone")
    }

    pub(super) fn inode_mut(&mut self, id: u64) -> &mut Inode {
        self.inodes.get_mut(&id).expect("BUG: a file in use is gone")
    }

    fn enter_file(&mut self, process: &Process, op: Op, id: u64) -> io::Result<Gate> {
        let name = self.inode(id).name.clone();
        self.enter(process, op, &name)
    }

    pub(super) fn open(&mut self, id: u64) -> u64 {
        self.inode_mut(id).opens += 1;
        self.handles += 1;
        self.handles
    }

    pub(super) fn close(&mut self, id: u64, handle: u64) {
        let inode = self.inode_mut(id);
        inode.opens -= 1;
        inode.locks.retain(|lock| lock.handle != handle);
        if inode.opens == 0 {
            self.forget_unused();
        }
    }

    pub(super) fn map(&mut self, id: u64) {
        let inode = self.inode_mut(id);
        inode.opens += 1;
        inode.maps += 1;
    }

    pub(super) fn unmap(&mut self, id: u64) {
        self.inode_mut(id).maps -= 1;
        self.close(id, 0);
    }

    pub(super) fn stat(&self, id: u64) -> Stat {
        Stat { size: self.inode(id).meta.size, identity: (1, id) }
    }

    pub(super) fn generation(&self, id: u64) -> u64 {
        self.inode(id).generation
    }

    /// All bytes of a file as programs see them.
    pub(super) fn bytes(&self, id: u64) -> Vec<u8> {
        let inode = self.inode(id);
        inode.live.to_vec(inode.meta.size)
    }

    pub(super) fn read(
        &mut self,
        process: &Process,
        id: u64,
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        self.check_file(process, Op::Read, id)?;
        let inode = self.inode(id);
        let count = index(inode.meta.size.saturating_sub(offset).min(size_of(buffer.len())));
        inode.live.read(offset, &mut buffer[..count]);
        Ok(count)
    }

    /// Pages of files that have a name or are open.
    fn used_pages(&self) -> u64 {
        let linked = self.linked();
        let used = self.inodes.iter().filter(|(id, inode)| 0 < inode.opens || linked.contains(id));
        used.map(|(_, inode)| inode.meta.blocks.len()).sum()
    }

    /// Bytes that are left to be filled.
    pub(super) fn free_space(&self) -> u64 {
        self.capacity.map_or(u64::MAX, |capacity| (capacity / PAGE).saturating_sub(self.used_pages()) * PAGE)
    }

    /// Finds blocks for some pages of a file, as far as the disk has them: the file's blocks then, and the
    /// first page that got none.
    fn reserve(&self, id: u64, pages: Range<u64>) -> (Pages, Option<u64>) {
        let mut blocks = self.inode(id).meta.blocks.clone();
        let Some(capacity) = self.capacity else {
            blocks.insert(pages);
            return (blocks, None);
        };
        let mut free = (capacity / PAGE).saturating_sub(self.used_pages());
        for page in pages {
            if !blocks.contains(&(page..page + 1)) {
                if free == 0 {
                    return (blocks, Some(page));
                }
                free -= 1;
                blocks.insert(page..page + 1);
            }
        }
        (blocks, None)
    }

    pub(super) fn write(&mut self, process: &Process, id: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.ticks = self.ticks.saturating_add(self.write_time.saturating_mul(size_of(bytes.len())));
        let gate = self.enter_file(process, Op::Write, id)?;
        let bytes = match gate {
            Gate::Fault(code) => return Err(errno(code)),
            Gate::Last if !self.cut => half(bytes),
            Gate::Last | Gate::Go => bytes,
        };
        let end = offset
            .checked_add(size_of(bytes.len()))
            .ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        if bytes.is_empty() {
            return self.leave(process, ());
        }
        let (blocks, None) = self.reserve(id, pages_of(&(offset..end))) else { return Err(errno(ENOSPC)) };
        let stamp = self.stamp;
        let inode = self.inode_mut(id);
        inode.write(stamp, offset, bytes);
        inode.set_meta(stamp, Meta { size: inode.meta.size.max(end), blocks });
        self.leave(process, ())
    }

    pub(super) fn allocate(&mut self, process: &Process, id: u64, offset: u64, len: u64) -> io::Result<()> {
        let end = offset.checked_add(len).ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let gate = self.enter_file(process, Op::Allocate, id)?;
        let wanted = match gate {
            // As ext4 does, a refusal comes when a part is already done.
            Gate::Fault(_) => offset + len / 2,
            Gate::Go | Gate::Last => end,
        };
        let (blocks, refused) = self.reserve(id, pages_of(&(offset..wanted)));
        let reached = refused.map_or(wanted, |page| (page * PAGE).max(offset));
        let stamp = self.stamp;
        let inode = self.inode_mut(id);
        let size = if offset < reached { inode.meta.size.max(reached) } else { inode.meta.size };
        inode.set_meta(stamp, Meta { size, blocks });
        match gate {
            Gate::Fault(code) => Err(errno(code)),
            _ if refused.is_some() => Err(errno(ENOSPC)),
            _ => self.leave(process, ()),
        }
    }

    pub(super) fn punch(&mut self, process: &Process, id: u64, range: Range<u64>) -> io::Result<()> {
        if let Gate::Fault(code) = self.enter_file(process, Op::Punch, id)? {
            return Err(errno(code));
        }
        let stamp = self.stamp;
        let inode = self.inode_mut(id);
        inode.zero(stamp, range.start..range.end.min(inode.meta.size));
        // Only whole pages lose their blocks.
        let mut meta = inode.meta.clone();
        meta.blocks.remove(range.start.div_ceil(PAGE)..range.end / PAGE);
        inode.set_meta(stamp, meta);
        self.leave(process, ())
    }

    pub(super) fn truncate(&mut self, process: &Process, id: u64, size: u64) -> io::Result<()> {
        let maps = self.inode(id).maps;
        assert!(maps == 0, "BUG: truncate of {}, which is mapped", self.inode(id).name);
        if let Gate::Fault(code) = self.enter_file(process, Op::Truncate, id)? {
            return Err(errno(code));
        }
        let stamp = self.stamp;
        let inode = self.inode_mut(id);
        let mut meta = inode.meta.clone();
        if size < meta.size {
            inode.zero(stamp, size..meta.size);
            meta.blocks.remove(size.div_ceil(PAGE)..u64::MAX);
        }
        meta.size = size;
        inode.set_meta(stamp, meta);
        self.leave(process, ())
    }

    /// Makes bytes and metadata durable: of the pages of a range, or of the whole file.
    pub(super) fn sync(&mut self, process: &Process, id: u64, range: Range<u64>) -> io::Result<()> {
        let gate = self.enter_file(process, Op::Sync, id)?;
        let per_page = PAGE / SECTOR;
        let pages = pages_of(&range);
        let sectors = pages.start * per_page..pages.end.saturating_mul(per_page);
        match gate {
            Gate::Fault(code) => {
                self.inode_mut(id).lose(sectors);
                return Err(errno(code));
            }
            // Cut off half way: everything stays pending, any part of it may have been written.
            Gate::Last if self.cut => {}
            Gate::Go if self.forgets(Op::Sync, &self.inode(id).name) => {}
            Gate::Last | Gate::Go => self.inode_mut(id).make_durable(sectors),
        }
        self.leave(process, ())
    }

    pub(super) fn drop_cache(&mut self, process: &Process, id: u64) -> io::Result<()> {
        self.check_file(process, Op::DropCache, id)?;
        let inode = self.inode_mut(id);
        // The kernel keeps pages that are mapped, whoever asks.
        if inode.maps == 0 {
            for sector in std::mem::take(&mut inode.lost) {
                inode.live.write(sector * SECTOR, &inode.durable.sector(sector));
            }
            inode.generation += 1;
        }
        Ok(())
    }

    /// Whether the first `len` bytes exist and every page of them has its block.
    pub(super) fn is_allocated(&self, id: u64, len: u64) -> bool {
        let meta = &self.inode(id).meta;
        len <= meta.size && meta.blocks.contains(&pages_of(&(0..len)))
    }

    /// A store through a mapping. Whoever is dead stores nothing.
    pub(super) fn store(&mut self, process: &Process, id: u64, offset: u64, bytes: &[u8]) {
        let end = offset + size_of(bytes.len());
        let inode = self.inode(id);
        assert!(
            inode.meta.blocks.contains(&pages_of(&(offset..end))),
            "BUG: a store to {} at {offset}, which has no block there (SIGBUS on a full disk)",
            inode.name
        );
        let Ok(gate) = self.enter_file(process, Op::Store, id) else { return };
        let bytes = if gate == Gate::Last && !self.cut { half(bytes) } else { bytes };
        let stamp = self.stamp;
        if !bytes.is_empty() {
            self.inode_mut(id).write(stamp, offset, bytes);
        }
    }

    pub(super) fn load(&self, id: u64, offset: u64, buffer: &mut [u8]) {
        self.inode(id).live.read(offset, buffer);
    }

    /// Changes bytes behind everybody's back, in memory and on disk.
    pub(super) fn corrupt(&mut self, id: u64, offset: u64, change: impl FnOnce(&mut [u8]), len: usize) {
        let inode = self.inode_mut(id);
        let mut bytes = vec![0; len];
        inode.live.read(offset, &mut bytes);
        change(&mut bytes);
        inode.live.write(offset, &bytes);
        inode.durable.write(offset, &bytes);
        inode.generation += 1;
    }

    // Locks.

    fn others_hold(&self, id: u64, handle: u64, kind: LockKind) -> bool {
        self.inode(id).locks.iter().any(|lock| {
            lock.handle != handle && (kind == LockKind::Exclusive || lock.kind == LockKind::Exclusive)
        })
    }

    pub(super) fn try_lock(
        &mut self,
        process: &Process,
        id: u64,
        handle: u64,
        kind: LockKind,
        writable: bool,
    ) -> io::Result<bool> {
        self.check_file(process, Op::Lock, id)?;
        if kind == LockKind::Exclusive && !writable {
            return Err(errno(EBADF));
        }
        if self.others_hold(id, handle, kind) {
            return Ok(false);
        }
        let locks = &mut self.inode_mut(id).locks;
        locks.retain(|lock| lock.handle != handle);
        locks.push(Lock { process: process.id, handle, kind });
        Ok(true)
    }

    pub(super) fn unlock(&mut self, id: u64, handle: u64) {
        self.inode_mut(id).locks.retain(|lock| lock.handle != handle);
    }

    pub(super) fn is_locked(&mut self, process: &Process, id: u64, handle: u64) -> io::Result<bool> {
        self.check_file(process, Op::Lock, id)?;
        Ok(self.others_hold(id, handle, LockKind::Shared))
    }
}
