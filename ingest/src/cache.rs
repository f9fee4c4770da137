//! What an import may remember to be faster and to speak of sources by name: one line of JSON for each import.
//!
//! Only a cache. The truth about progress is in the store's frames; a lost, stale or damaged cache costs
//! a look at the source, never an event.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use logq_engine::{SourceId, Store};
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::identity;
use crate::source::Identity;

/// What an importer writes is as private as the store.
pub(crate) const FILE_MODE: u32 = 0o600;
const FILE_NAME: &str = "cache.jsonl";
/// A cache over this size starts anew: reading it would cost more than it saves.
const SIZE_MAX: u64 = 8 << 20;

/// What is remembered about one source after an import of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) source: SourceId,
    pub(crate) path: String,
    pub(crate) identity: Identity,
    /// Bytes of the source that the store had, from its start.
    pub(crate) end: u64,
    /// Number of the line that starts at `end`.
    pub(crate) line: u64,
}

/// The cache of one store.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    path: PathBuf,
    entries: Vec<Entry>,
}

impl Cache {
    /// Reads what is there; whatever cannot be read is as if it were not there.
    pub(crate) fn load(store: &Store) -> Self {
        let path = store.imports_dir().join(FILE_NAME);
        let small = fs::metadata(&path).is_ok_and(|meta| meta.len() <= SIZE_MAX);
        let text = if small { fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let lines = text.split(|&byte| byte == b'\n');
        Self { path, entries: lines.filter_map(parse).collect() }
    }

    /// What the latest import of an unchanged file said.
    pub(crate) fn unchanged(&self, identity: &Identity) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.identity == *identity)
    }

    /// The number of the line that starts at `offset` of a source.
    pub(crate) fn line_at(&self, source: SourceId, offset: u64) -> Option<u64> {
        let found = |entry: &&Entry| entry.source == source && entry.end == offset;
        self.entries.iter().rev().find(found).map(|entry| entry.line)
    }

    /// The path under which a source was imported last.
    pub(crate) fn path_of(&self, source: SourceId) -> Option<&str> {
        self.entries.iter().rev().find(|entry| entry.source == source).map(|entry| entry.path.as_str())
    }

    /// Remembers an import.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<()> {
        let Entry { source, path, identity, end, line } = &entry;
        let Identity { device, inode, size, modified } = identity;
        let text = json!({
            "source": source.to_string(), "path": path, "device": device, "inode": inode, "size": size,
            "modified": modified, "end": end, "line": line,
        });
        let anew = fs::metadata(&self.path).is_ok_and(|meta| SIZE_MAX < meta.len());
        let mut options = OpenOptions::new();
        options.create(true).mode(FILE_MODE);
        let options = if anew { options.write(true).truncate(true) } else { options.append(true) };
        // One write of one line: imports of other processes append beside this one.
        let written =
            options.open(&self.path).and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()));
        written.map_err(|error| Error::io("the cache of imports cannot be written", &self.path, error))?;
        self.entries.push(entry);
        Ok(())
    }
}

fn parse(line: &[u8]) -> Option<Entry> {
    let line: Json = serde_json::from_slice(line).ok()?;
    let number = |name: &str| line.get(name)?.as_u64();
    Some(Entry {
        source: line.get("source")?.as_str()?.parse().ok()?,
        path: line.get("path")?.as_str()?.to_owned(),
        identity: Identity {
            device: number("device")?,
            inode: number("inode")?,
            size: number("size")?,
            modified: line.get("modified")?.as_i64()?,
        },
        end: number("end")?,
        line: number("line")?,
    })
}

/// A source that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its identity.
    pub source: SourceId,
    /// The path under which it was imported last, where that is still known.
    pub path: Option<String>,
    /// Bytes of it that the store has, decompressed.
    pub bytes: u64,
    /// The file with its bad lines, where there are some.
    pub rejects: Option<PathBuf>,
}

/// Every source of which a store has events, in the order of their identities.
///
/// # Errors
/// What the store says.
pub fn list(store: &Store) -> Result<Vec<Imported>> {
    let known = store.imports()?;
    let cache = Cache::load(store);
    let mut sources: Vec<SourceId> = known.iter().map(|range| range.source).collect();
    sources.sort_unstable();
    sources.dedup();
    let imported = |source| {
        let rejects = rejects_path(&store.imports_dir(), source);
        Imported {
            source,
            path: cache.path_of(source).map(str::to_owned),
            bytes: identity::covered(&known, source),
            rejects: rejects.exists().then_some(rejects),
        }
    };
    Ok(sources.into_iter().map(imported).collect())
}

/// Where the bad lines of a source are kept. The name comes from a hash, never from a path or content.
pub(crate) fn rejects_path(dir: &Path, source: SourceId) -> PathBuf {
    dir.join(format!("{source}.rejects.jsonl"))
}
