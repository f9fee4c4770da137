//! What a power cut leaves: the durable side of every file and directory, and a choice of what was pending.

use std::collections::{BTreeMap, BTreeSet};

use super::Keep;
use super::content::{SECTOR, Sector};
use super::files::{Inode, Version};
use super::machine::{Dir, Machine, NameChange, Node, ROOT, Random};

/// The grain at which a disk controller may read memory while a processor stores to it.
const LINE: usize = 64;

/// Decides, one pending thing after another, whether it had reached the disk.
struct Chooser<'a> {
    keep: &'a Keep,
    random: Random,
    /// For `Subset`: of 16 things how many survive. Differs by seed, as near-empty and near-full
    /// subsets find what even ones do not.
    odds: u64,
    /// For `Prefix`: the last operation that survives.
    last: u64,
    /// For `Chosen`: the number of the next thing.
    next: usize,
}

impl<'a> Chooser<'a> {
    fn new(keep: &'a Keep, mut stamps: Vec<u64>) -> Self {
        let mut random = Random::new(match keep {
            Keep::Subset(seed) | Keep::Prefix(seed) => *seed,
            Keep::Nothing | Keep::Everything | Keep::Chosen(_) => 0,
        });
        let odds = [1, 8, 8, 15];
        let odds = random.index(odds.len()).map_or(8, |at| odds[at]);
        stamps.push(0);
        stamps.sort_unstable();
        let last = random.index(stamps.len()).map_or(0, |at| stamps[at]);
        Self { keep, random, odds, last, next: 0 }
    }

    /// Of the states a thing went through since it was durable, which one the disk holds.
    fn choose(&mut self, stamps: &[u64]) -> Option<usize> {
        let latest = stamps.len().checked_sub(1);
        match self.keep {
            Keep::Nothing => None,
            Keep::Everything => latest,
            Keep::Subset(_) if self.random.below(16) < self.odds => {
                // The latest state half of the time, else any.
                if self.random.below(2) == 0 { latest } else { self.random.index(stamps.len()) }
            }
            Keep::Subset(_) => None,
            Keep::Prefix(_) => stamps.iter().rposition(|&stamp| stamp <= self.last),
            Keep::Chosen(mask) => {
                self.next += 1;
                if mask.get(self.next - 1).copied().unwrap_or(false) { latest } else { None }
            }
        }
    }

    /// A sector's bytes on disk; rarely a mixture of two states, of lines written while it was being stored to.
    fn sector(&mut self, durable: &Sector, versions: &[Version]) -> Option<Sector> {
        let stamps: Vec<u64> = versions.iter().map(|version| version.stamp).collect();
        let chosen = self.choose(&stamps)?;
        let mut bytes = *versions.get(chosen)?.bytes;
        if matches!(self.keep, Keep::Subset(_)) && self.random.below(8) == 0 {
            let before = chosen.checked_sub(1).and_then(|before| versions.get(before));
            let before = before.map_or(durable, |version| &version.bytes);
            for (line, old) in bytes.chunks_mut(LINE).zip(before.chunks(LINE)) {
                if self.random.below(2) == 0 {
                    line.copy_from_slice(old);
                }
            }
        }
        Some(bytes)
    }
}

fn stamps_of(machine: &Machine) -> Vec<u64> {
    let names = machine.dirs.values().flat_map(|dir| dir.pending.iter().map(|change| change.stamp));
    let files = machine.inodes.values().flat_map(|inode| {
        let bytes = inode.dirty.values().flatten().map(|version| version.stamp);
        bytes.chain(inode.pending_meta.iter().map(|(stamp, _)| *stamp))
    });
    names.chain(files).collect()
}

/// How many things are pending: each name change, each file's size and blocks, each dirty sector.
pub(super) fn pending(machine: &Machine) -> usize {
    let names: usize = machine.dirs.values().map(|dir| dir.pending.len()).sum();
    let files = machine.inodes.values();
    names + files.map(|inode| inode.dirty.len() + usize::from(!inode.pending_meta.is_empty())).sum::<usize>()
}

fn names_left(dir: &Dir, chooser: &mut Chooser<'_>) -> BTreeMap<String, Node> {
    let mut names = dir.durable.clone();
    for NameChange { stamp, sets } in &dir.pending {
        if chooser.choose(&[*stamp]).is_some() {
            for (name, node) in sets {
                match node {
                    Some(node) => names.insert(name.clone(), *node),
                    None => names.remove(name),
                };
            }
        }
    }
    names
}

fn file_left(inode: &Inode, chooser: &mut Chooser<'_>) -> Inode {
    let mut meta = &inode.durable_meta;
    if !inode.pending_meta.is_empty() {
        let stamps: Vec<u64> = inode.pending_meta.iter().map(|(stamp, _)| *stamp).collect();
        let chosen = chooser.choose(&stamps).and_then(|chosen| inode.pending_meta.get(chosen));
        meta = chosen.map_or(meta, |(_, meta)| meta);
    }
    let mut content = inode.durable.clone();
    for (&sector, versions) in &inode.dirty {
        if let Some(bytes) = chooser.sector(&inode.durable.sector(sector), versions) {
            content.write(sector * SECTOR, &bytes);
        }
    }
    content.cut(meta.size);
    Inode::settled(&inode.name, content, meta)
}

/// The machine after it has come up again.
pub(super) fn image(machine: &Machine, keep: &Keep) -> Machine {
    let mut chooser = Chooser::new(keep, stamps_of(machine));
    // Everything is decided in the order of numbers, also what turns out to have lost its name.
    let names: BTreeMap<u64, BTreeMap<String, Node>> =
        machine.dirs.iter().map(|(&id, dir)| (id, names_left(dir, &mut chooser))).collect();
    let mut files: BTreeMap<u64, Inode> =
        machine.inodes.iter().map(|(&id, inode)| (id, file_left(inode, &mut chooser))).collect();

    let (mut dirs, mut used, mut open) = (BTreeMap::new(), BTreeSet::new(), vec![ROOT]);
    while let Some(id) = open.pop() {
        let live = names.get(&id).cloned().unwrap_or_default();
        for node in live.values() {
            match node {
                Node::File(id) => drop(used.insert(*id)),
                Node::Dir(id) => open.push(*id),
            }
        }
        dirs.insert(id, Dir { durable: live.clone(), live, pending: Vec::new() });
    }
    files.retain(|id, _| used.contains(id));
    machine.rebooted(dirs, files, chooser.random)
}
