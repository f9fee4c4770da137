//! The state of a simulated machine and what a crash leaves of it.
//!
//! Every file has bytes as programs see them (`live`), bytes as the disk holds them (`durable`), and
//! between them the versions of each sector that the kernel may have written at any moment (`dirty`).
//! Names work likewise. A sync moves things to the durable side; a crash image is built from the durable
//! side and an arbitrary choice among the versions.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::content::{Content, index, size_of};
use super::files::{Inode, Meta};
use super::{Fault, Op};
use crate::io::{Stat, Support};

/// The directory that is always there.
pub(super) const ROOT: u64 = 1;

/// A program on the machine.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) id: u64,
    pub(super) dead: AtomicBool,
}

/// Whether an operation may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Go,
    /// The power fails, or the process is killed, during this operation: it happens, and nobody hears of it.
    Last,
    /// The fault plan refuses it with this error number.
    Fault(i32),
}

/// Deterministic randomness (xorshift).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        // A splitmix step, so that neighbouring seeds give unlike sequences and no state is zero.
        let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((state ^ (state >> 31)) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    /// A number below `len`, when there is one.
    pub(super) fn index(&mut self, len: usize) -> Option<usize> {
        (0 < len).then(|| index(self.below(size_of(len))))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(u64),
    Dir(u64),
}

/// A change of names in one directory that survives whole or not at all.
#[derive(Clone, Debug)]
pub(super) struct NameChange {
    pub(super) stamp: u64,
    pub(super) sets: Vec<(String, Option<Node>)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Dir {
    pub(super) live: BTreeMap<String, Node>,
    pub(super) durable: BTreeMap<String, Node>,
    pub(super) pending: Vec<NameChange>,
}

/// A machine: its disk, its page cache, its clock.
#[derive(Debug)]
pub(super) struct Machine {
    seed: u64,
    boot: u64,
    pub(super) now: i64,
    /// The clock that nobody sets.
    pub(super) ticks: u64,
    /// Nanoseconds of it that a byte of a write takes.
    pub(super) write_time: u64,
    pub(super) random: Random,
    pub(super) support: Support,
    pub(super) capacity: Option<u64>,
    pub(super) ops: u64,
    pub(super) cut_after: Option<u64>,
    pub(super) kill_after: Option<(u64, u64)>,
    pub(super) cut: bool,
    pub(super) faults: Vec<(Fault, u64)>,
    /// Folders that are file systems of their own.
    pub(super) mounts: Vec<PathBuf>,
    pub(super) forgotten: Vec<(Op, String)>,
    pub(super) fired: u64,
    pub(super) processes: u64,
    pub(super) handles: u64,
    pub(super) stamp: u64,
    pub(super) dirs: BTreeMap<u64, Dir>,
    pub(super) inodes: BTreeMap<u64, Inode>,
}

pub(super) fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

fn not_found() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Machine {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            boot: 1,
            now: 1_700_000_000_000_000_000,
            ticks: 0,
            write_time: 0,
            random: Random::new(seed),
            support: Support::Mapped,
            capacity: None,
            ops: 0,
            cut_after: None,
            kill_after: None,
            cut: false,
            faults: Vec::new(),
            mounts: Vec::new(),
            forgotten: Vec::new(),
            fired: 0,
            processes: 0,
            handles: 0,
            stamp: 0,
            dirs: BTreeMap::from([(ROOT, Dir::default())]),
            inodes: BTreeMap::new(),
        }
    }

    /// The same machine one boot later, with other files and no program running.
    pub(super) fn rebooted(
        &self,
        dirs: BTreeMap<u64, Dir>,
        inodes: BTreeMap<u64, Inode>,
        random: Random,
    ) -> Self {
        Self {
            boot: self.boot + 1,
            now: self.now.saturating_add(1_000_000_000),
            random,
            support: self.support.clone(),
            capacity: self.capacity,
            mounts: self.mounts.clone(),
            dirs,
            inodes,
            ..Self::new(self.seed)
        }
    }

    pub(super) fn boot_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.seed.to_le_bytes());
        id[8..].copy_from_slice(&self.boot.to_le_bytes());
        id
    }

    pub(super) fn dead(&self, process: &Process) -> io::Result<()> {
        match (self.cut, process.dead.load(Ordering::Relaxed)) {
            (true, _) => Err(io::Error::other("power cut")),
            (false, true) => Err(io::Error::other("process killed")),
            (false, false) => Ok(()),
        }
    }

    /// Counts an operation and asks the plans what becomes of it.
    pub(super) fn enter(&mut self, process: &Process, op: Op, name: &str) -> io::Result<Gate> {
        self.dead(process)?;
        self.stamp += 1;
        if op.mutates() {
            self.ops += 1;
            if self.cut_after.is_some_and(|limit| limit < self.ops) {
                self.cut = true;
                return Ok(Gate::Last);
            }
            if self.kill_after.is_some_and(|(id, limit)| id == process.id && limit < self.ops) {
                self.kill(process);
                return Ok(Gate::Last);
            }
        }
        let mut gate = Gate::Go;
        for (fault, seen) in &mut self.faults {
            if fault.op == op && name.contains(&fault.path) {
                *seen += 1;
                if *seen == fault.nth || (fault.for_good && fault.nth < *seen) {
                    gate = Gate::Fault(fault.errno);
                }
            }
        }
        self.fired += u64::from(gate != Gate::Go);
        Ok(gate)
    }

    /// Whether a sync is to do nothing, by plan.
    pub(super) fn forgets(&self, op: Op, name: &str) -> bool {
        self.forgotten.iter().any(|(forgotten, text)| *forgotten == op && name.contains(text))
    }

    /// For operations that change nothing: whether they may happen.
    pub(super) fn check(&mut self, process: &Process, op: Op, name: &str) -> io::Result<()> {
        match self.enter(process, op, name)? {
            Gate::Fault(code) => Err(errno(code)),
            Gate::Go | Gate::Last => Ok(()),
        }
    }

    pub(super) fn check_file(&mut self, process: &Process, op: Op, id: u64) -> io::Result<()> {
        let name = self.inode(id).name.clone();
        self.check(process, op, &name)
    }

    /// The end of an operation that did happen: only who survived it hears of it.
    pub(super) fn leave<T>(&self, process: &Process, value: T) -> io::Result<T> {
        self.dead(process).map(|()| value)
    }

    pub(super) fn kill(&mut self, process: &Process) {
        process.dead.store(true, Ordering::Relaxed);
        for inode in self.inodes.values_mut() {
            inode.unlock_process(process.id);
        }
    }

    // Names.

    fn resolve(&self, path: &Path) -> io::Result<Node> {
        let mut node = Node::Dir(ROOT);
        for component in path.components() {
            let name = match component {
                Component::RootDir | Component::CurDir => continue,
                Component::Normal(name) => name.to_string_lossy(),
                Component::Prefix(_) | Component::ParentDir => {
                    return Err(io::Error::from(io::ErrorKind::InvalidInput));
                }
            };
            let Node::Dir(id) = node else { return Err(io::Error::from(io::ErrorKind::NotADirectory)) };
            node = *self.dir(id).live.get(&*name).ok_or_else(not_found)?;
        }
        Ok(node)
    }

    fn split(&self, path: &Path) -> io::Result<(u64, String)> {
        let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        Ok((self.resolve_dir(parent)?, name.to_string_lossy().into_owned()))
    }

    fn resolve_dir(&self, path: &Path) -> io::Result<u64> {
        match self.resolve(path)? {
            Node::Dir(id) => Ok(id),
            Node::File(_) => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        }
    }

    pub(super) fn resolve_file(&self, path: &Path) -> io::Result<u64> {
        match self.resolve(path)? {
            Node::File(id) => Ok(id),
            Node::Dir(_) => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        }
    }

    fn dir(&self, id: u64) -> &Dir {
        self.dirs.get(&id).expect("BUG: a directory in use is gone")
    }

    fn set_names(&mut self, dir: u64, sets: Vec<(String, Option<Node>)>) {
        let stamp = self.stamp;
        let dir = self.dirs.get_mut(&dir).expect("BUG: a directory in use is gone");
        for (name, node) in &sets {
            match node {
                Some(node) => dir.live.insert(name.clone(), *node),
                None => dir.live.remove(name),
            };
        }
        dir.pending.push(NameChange { stamp, sets });
    }

    pub(super) fn create(&mut self, process: &Process, path: &Path) -> io::Result<u64> {
        let (dir, name) = self.split(path)?;
        let gate = self.enter(process, Op::Create, &path.to_string_lossy())?;
        if let Gate::Fault(code) = gate {
            return Err(errno(code));
        }
        // The lowest free number, as file systems do: a number says nothing once its file is gone.
        let id = (2..).find(|id| !self.inodes.contains_key(id)).expect("BUG: numbers do not run out");
        let inode = Inode::settled(&path.to_string_lossy(), Content::default(), &Meta::default());
        self.inodes.insert(id, inode);
        self.set_names(dir, vec![(name, Some(Node::File(id)))]);
        self.leave(process, id)
    }

    pub(super) fn create_dir(&mut self, process: &Process, path: &Path) -> io::Result<()> {
        match self.resolve(path) {
            Ok(Node::Dir(_)) => return self.dead(process),
            Ok(Node::File(_)) => return Err(io::Error::from(io::ErrorKind::AlreadyExists)),
            Err(_) => {}
        }
        let (dir, name) = self.split(path)?;
        if let Gate::Fault(code) = self.enter(process, Op::CreateDir, &path.to_string_lossy())? {
            return Err(errno(code));
        }
        let id = self.dirs.keys().next_back().map_or(ROOT, |last| last + 1);
        self.dirs.insert(id, Dir::default());
        self.set_names(dir, vec![(name, Some(Node::Dir(id)))]);
        self.leave(process, ())
    }

    pub(super) fn rename(&mut self, process: &Process, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.resolve(from)?;
        let ((from_dir, from_name), (to_dir, to_name)) = (self.split(from)?, self.split(to)?);
        match (node, self.resolve(to)) {
            (Node::File(_), Ok(Node::Dir(_))) => return Err(io::Error::from(io::ErrorKind::IsADirectory)),
            (Node::Dir(_), Ok(_)) => return Err(io::Error::from(io::ErrorKind::AlreadyExists)),
            _ => {}
        }
        if let Gate::Fault(code) = self.enter(process, Op::Rename, &to.to_string_lossy())? {
            return Err(errno(code));
        }
        if self.mounts.iter().any(|mount| from.starts_with(mount) != to.starts_with(mount)) {
            return Err(io::Error::from(io::ErrorKind::CrossesDevices));
        }
        if (from_dir, &from_name) == (to_dir, &to_name) {
            return self.leave(process, ());
        }
        if let Node::File(id) = node {
            self.inode_mut(id).name = to.to_string_lossy().into_owned();
        }
        if from_dir == to_dir {
            self.set_names(to_dir, vec![(from_name, None), (to_name, Some(node))]);
        } else {
            // Two directories are two places on disk, each durable by its own sync only.
            self.set_names(to_dir, vec![(to_name, Some(node))]);
            self.set_names(from_dir, vec![(from_name, None)]);
        }
        self.leave(process, ())
    }

    pub(super) fn remove(&mut self, process: &Process, path: &Path) -> io::Result<()> {
        self.resolve_file(path)?;
        let (dir, name) = self.split(path)?;
        if let Gate::Fault(code) = self.enter(process, Op::Remove, &path.to_string_lossy())? {
            return Err(errno(code));
        }
        self.set_names(dir, vec![(name, None)]);
        self.leave(process, ())
    }

    pub(super) fn sync_dir(&mut self, process: &Process, path: &Path) -> io::Result<()> {
        let id = self.resolve_dir(path)?;
        match self.enter(process, Op::SyncDir, &path.to_string_lossy())? {
            Gate::Fault(code) => return Err(errno(code)),
            // Cut off half way: what is pending stays pending, any part of it may have been written.
            Gate::Last => return self.leave(process, ()),
            Gate::Go if self.forgets(Op::SyncDir, &path.to_string_lossy()) => return Ok(()),
            Gate::Go => {}
        }
        let dir = self.dirs.get_mut(&id).expect("BUG: a directory in use is gone");
        dir.durable = dir.live.clone();
        dir.pending.clear();
        self.forget_unused();
        Ok(())
    }

    pub(super) fn list(&mut self, process: &Process, path: &Path) -> io::Result<Vec<String>> {
        self.check(process, Op::List, &path.to_string_lossy())?;
        Ok(self.dir(self.resolve_dir(path)?).live.keys().cloned().collect())
    }

    pub(super) fn stat_path(&mut self, process: &Process, path: &Path) -> io::Result<Stat> {
        self.check(process, Op::Stat, &path.to_string_lossy())?;
        // One may look upwards, as there are no links that make `..` something else; nothing is changed by such a path.
        let mut plain = PathBuf::new();
        for component in path.components() {
            match component {
                Component::ParentDir => drop(plain.pop()),
                other => plain.push(other),
            }
        }
        match self.resolve(&plain)? {
            Node::File(id) => Ok(Stat { size: self.inode(id).meta.size, identity: (1, id) }),
            Node::Dir(id) => Ok(Stat { size: 0, identity: (2, id) }),
        }
    }

    /// Every file that has a name, with that name.
    pub(super) fn paths(&self) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        let mut open = vec![(String::new(), ROOT)];
        while let Some((prefix, dir)) = open.pop() {
            for (name, node) in &self.dir(dir).live {
                match node {
                    Node::File(id) => found.push((format!("{prefix}/{name}"), *id)),
                    Node::Dir(id) => open.push((format!("{prefix}/{name}"), *id)),
                }
            }
        }
        found.sort();
        found
    }

    pub(super) fn linked(&self) -> BTreeSet<u64> {
        let file = |node: &Node| if let Node::File(id) = node { Some(*id) } else { None };
        self.dirs.values().flat_map(|dir| dir.live.values().filter_map(file)).collect()
    }

    /// Drops files that no name, no crash image and no open file can reach.
    pub(super) fn forget_unused(&mut self) {
        let mut used = self.linked();
        let nodes = self.dirs.values().flat_map(|dir| {
            let pending = dir.pending.iter().flat_map(|change| change.sets.iter().filter_map(|set| set.1));
            dir.durable.values().copied().chain(pending)
        });
        for node in nodes {
            if let Node::File(id) = node {
                used.insert(id);
            }
        }
        self.inodes.retain(|id, inode| 0 < inode.opens || used.contains(id));
    }
}
