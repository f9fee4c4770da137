//! The engines under one trait. Each event has a key that counts up; what is read back is summed up.

use std::error::Error;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use logq_engine::{Durability, Event, Options, Scan, Store, Value, Writer};
use okaywal::{Configuration, Entry, EntryId, LogManager, SegmentReader, WriteAheadLog};
use raft_engine::{LogBatch, ReadableSize};
use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The events in the two forms that engines take, made before any clock starts.
#[derive(Default)]
pub(crate) struct Samples {
    pub(crate) events: Vec<Event>,
    pub(crate) lines: Vec<Vec<u8>>,
}

impl Samples {
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }
}

/// What was read back: how many events, and a sum over everything in them that no order of the events changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    events: u64,
    hash: u64,
}

impl Sum {
    fn add(&mut self, hash: u64) {
        self.events += 1;
        self.hash = self.hash.wrapping_add(hash);
    }

    fn add_line(&mut self, line: &[u8]) {
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        self.add(hasher.finish());
    }

    fn add_fields<'f>(&mut self, time: i64, fields: impl Iterator<Item = (&'f str, Value<'f>)>) {
        let mut hasher = DefaultHasher::new();
        time.hash(&mut hasher);
        for (name, value) in fields {
            name.hash(&mut hasher);
            match value {
                Value::Str(text) => text.hash(&mut hasher),
                Value::Int(number) => number.hash(&mut hasher),
                other => format!("{other:?}").hash(&mut hasher),
            }
        }
        self.add(hasher.finish());
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `pwrite` and `fdatasync` into a file whose blocks are reserved: what the disk gives.
    Bare,
    Logq,
    OkayWal,
    RaftEngine,
    Redb,
    Fjall,
}

/// An open engine, appended to by several threads.
pub(crate) trait Peer: Sync {
    /// Appends one event, the one at `at` of the samples.
    fn append(&self, key: u64, samples: &Samples, at: usize) -> Result<()>;

    /// Appends events that become durable together.
    fn append_batch(&self, keys: Range<u64>, samples: &Samples, at: Range<usize>) -> Result<()>;
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Bare, Self::Logq, Self::OkayWal, Self::RaftEngine, Self::Redb, Self::Fjall];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare loop",
            Self::Logq => "logq",
            Self::OkayWal => "okaywal",
            Self::RaftEngine => "raft-engine",
            Self::Redb => "redb",
            Self::Fjall => "fjall",
        }
    }

    /// Whether the engine returns from an append before the disk has it.
    pub(crate) fn can_buffer(self) -> bool {
        self != Self::OkayWal
    }

    /// Whether several threads may append, and what is there can be read back.
    pub(crate) fn is_engine(self) -> bool {
        self != Self::Bare
    }

    /// A fresh engine in an empty folder. `synced` is whether each append is on disk when it returns.
    pub(crate) fn open(self, dir: &Path, synced: bool) -> Result<Box<dyn Peer>> {
        Ok(match self {
            Self::Bare => Box::new(Bare::open(dir, synced)?),
            Self::Logq => Box::new(Logq::open(dir, synced)?),
            Self::OkayWal => Box::new(OkayWal(okaywal(dir, Arc::default())?)),
            Self::RaftEngine => Box::new(Raft { engine: raft(dir)?, synced }),
            Self::Redb => Box::new(Redb { db: redb::Database::create(dir.join("redb"))?, synced }),
            Self::Fjall => Box::new(Fjall::open(dir, synced)?),
        })
    }

    /// What the engine must give back after it took so many events, from the first samples on and again and again.
    pub(crate) fn expected(self, samples: &Samples, cycle: usize, events: usize) -> Sum {
        let mut sum = Sum::default();
        if self == Self::Logq {
            let taken = samples.events[..cycle].iter().cycle().take(events);
            taken.for_each(|event| sum.add_fields(event.time().unwrap_or(0), event.fields()));
        } else {
            samples.lines[..cycle].iter().cycle().take(events).for_each(|line| sum.add_line(line));
        }
        sum
    }

    /// Opens the engine anew and reads all of it.
    pub(crate) fn read_back(self, dir: &Path) -> Result<Sum> {
        let mut sum = Sum::default();
        match self {
            Self::Bare => return Err("a bare file is not read back".into()),
            Self::Logq => logq_sum(dir, &mut sum)?,
            Self::OkayWal => {
                let found = Arc::default();
                drop(okaywal(dir, Arc::clone(&found))?);
                let found = found.lock().map_err(|_| "okaywal panicked")?;
                found.iter().for_each(|line| sum.add_line(line));
            }
            Self::RaftEngine => {
                raft(dir)?.scan_raw_messages(REGION, None, None, false, |_, line| {
                    sum.add_line(line);
                    true
                })?;
            }
            Self::Redb => {
                let db = redb::Database::open(dir.join("redb"))?;
                let reading = db.begin_read()?;
                for entry in reading.open_table(TABLE)?.iter()? {
                    sum.add_line(entry?.1.value());
                }
            }
            Self::Fjall => {
                for entry in Fjall::open(dir, false)?.lines.iter() {
                    sum.add_line(&entry.value()?);
                }
            }
        }
        Ok(sum)
    }
}

/// Bytes that are reserved for the bare loop and for okaywal, which extends its file slowly.
const RESERVED: u32 = 512 << 20;

struct Bare {
    file: File,
    at: AtomicU64,
    synced: bool,
}

impl Bare {
    fn open(dir: &Path, synced: bool) -> Result<Self> {
        let file = File::create_new(dir.join("bare"))?;
        nix::fcntl::fallocate(&file, nix::fcntl::FallocateFlags::empty(), 0, RESERVED.into())?;
        file.sync_all()?;
        Ok(Self { file, at: AtomicU64::new(0), synced })
    }

    fn write(&self, bytes: &[u8]) -> Result<()> {
        let at = self.at.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_all_at(bytes, at)?;
        if self.synced {
            self.file.sync_data()?;
        }
        Ok(())
    }
}

impl Peer for Bare {
    fn append(&self, _: u64, samples: &Samples, at: usize) -> Result<()> {
        self.write(&samples.lines[at])
    }

    fn append_batch(&self, _: Range<u64>, samples: &Samples, at: Range<usize>) -> Result<()> {
        self.write(&samples.lines[at].concat())
    }
}

struct Logq {
    writer: Writer,
    _store: Store,
}

impl Logq {
    fn open(dir: &Path, synced: bool) -> Result<Self> {
        let durability = if synced { Durability::Synced } else { Durability::Buffered };
        // Upkeep would take a core from whoever comes next; nobody else does any either.
        let store = Store::open(dir, Options { durability, maintain: false, ..Options::default() })?;
        Ok(Self { writer: store.writer()?, _store: store })
    }
}

impl Peer for Logq {
    fn append(&self, _: u64, samples: &Samples, at: usize) -> Result<()> {
        self.writer.append(&samples.events[at])?;
        Ok(())
    }

    fn append_batch(&self, _: Range<u64>, samples: &Samples, at: Range<usize>) -> Result<()> {
        self.writer.append_batch(&samples.events[at])?;
        Ok(())
    }
}

fn logq_sum(dir: &Path, sum: &mut Sum) -> Result<()> {
    let store = Store::open(dir, Options { maintain: false, ..Options::default() })?;
    let snapshot = store.snapshot()?;
    let scan = Scan { fields: true, ids: false, ..Scan::default() };
    for part in snapshot.parts(&scan)? {
        let stats = part.scan(&mut |batch| {
            for row in 0..batch.len() {
                sum.add_fields(batch.time(row), batch.fields(row));
            }
            ControlFlow::Continue(())
        })?;
        if let Some(gap) = stats.gaps.first() {
            return Err(gap.to_string().into());
        }
    }
    Ok(())
}

struct OkayWal(WriteAheadLog);

/// Keeps what is found when a log is opened.
#[derive(Debug)]
struct Found(Arc<Mutex<Vec<Vec<u8>>>>);

impl LogManager for Found {
    fn recover(&mut self, entry: &mut Entry<'_>) -> std::io::Result<()> {
        if let Some(lines) = entry.read_all_chunks()? {
            let mut found = self.0.lock().map_err(|_| std::io::Error::other("the reader panicked"))?;
            found.extend(lines);
        }
        Ok(())
    }

    fn checkpoint_to(&mut self, _: EntryId, _: &mut SegmentReader, _: &WriteAheadLog) -> std::io::Result<()> {
        Ok(())
    }
}

fn okaywal(dir: &Path, found: Arc<Mutex<Vec<Vec<u8>>>>) -> Result<WriteAheadLog> {
    // Nothing is ever taken out of the log.
    let configured =
        Configuration::default_for(dir).preallocate_bytes(RESERVED).checkpoint_after_bytes(u64::MAX);
    Ok(configured.open(Found(found))?)
}

impl Peer for OkayWal {
    fn append(&self, _: u64, samples: &Samples, at: usize) -> Result<()> {
        let mut entry = self.0.begin_entry()?;
        entry.write_chunk(&samples.lines[at])?;
        entry.commit()?;
        Ok(())
    }

    fn append_batch(&self, _: Range<u64>, samples: &Samples, at: Range<usize>) -> Result<()> {
        let mut entry = self.0.begin_entry()?;
        for line in &samples.lines[at] {
            entry.write_chunk(line)?;
        }
        entry.commit()?;
        Ok(())
    }
}

const REGION: u64 = 1;

struct Raft {
    engine: raft_engine::Engine,
    synced: bool,
}

fn raft(dir: &Path) -> Result<raft_engine::Engine> {
    let dir = dir.join("raft").to_str().ok_or("the folder has no name in UTF-8")?.to_owned();
    // Lines are compressed by nobody else either while they are appended.
    let config =
        raft_engine::Config { dir, batch_compression_threshold: ReadableSize(0), ..Default::default() };
    Ok(raft_engine::Engine::open(config)?)
}

impl Raft {
    fn write(&self, lines: impl Iterator<Item = (u64, Vec<u8>)>) -> Result<()> {
        let mut batch = LogBatch::default();
        for (key, line) in lines {
            batch.put(REGION, ordered(key).to_vec(), line)?;
        }
        self.engine.write(&mut batch, self.synced)?;
        Ok(())
    }
}

impl Peer for Raft {
    fn append(&self, key: u64, samples: &Samples, at: usize) -> Result<()> {
        self.write(std::iter::once((key, samples.lines[at].clone())))
    }

    fn append_batch(&self, keys: Range<u64>, samples: &Samples, at: Range<usize>) -> Result<()> {
        self.write(keys.zip(samples.lines[at].iter().cloned()))
    }
}

/// A key whose bytes are in the order of its numbers.
fn ordered(key: u64) -> [u8; 8] {
    key.swap_bytes().to_le_bytes()
}

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("lines");

struct Redb {
    db: redb::Database,
    synced: bool,
}

impl Redb {
    fn write<'l>(&self, lines: impl Iterator<Item = (u64, &'l [u8])>) -> Result<()> {
        let mut writing = self.db.begin_write()?;
        let durability = if self.synced { redb::Durability::Immediate } else { redb::Durability::None };
        writing.set_durability(durability)?;
        let mut table = writing.open_table(TABLE)?;
        for (key, line) in lines {
            table.insert(key, line)?;
        }
        drop(table);
        writing.commit()?;
        Ok(())
    }
}

impl Peer for Redb {
    fn append(&self, key: u64, samples: &Samples, at: usize) -> Result<()> {
        self.write(std::iter::once((key, samples.lines[at].as_slice())))
    }

    fn append_batch(&self, keys: Range<u64>, samples: &Samples, at: Range<usize>) -> Result<()> {
        self.write(keys.zip(samples.lines[at].iter().map(Vec::as_slice)))
    }
}

struct Fjall {
    db: Database,
    lines: Keyspace,
    synced: bool,
}

impl Fjall {
    fn open(dir: &Path, synced: bool) -> Result<Self> {
        let db = Database::builder(dir.join("fjall")).open()?;
        let lines = db.keyspace("lines", KeyspaceCreateOptions::default)?;
        Ok(Self { db, lines, synced })
    }

    fn sync(&self) -> Result<()> {
        if self.synced {
            self.db.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }
}

impl Peer for Fjall {
    fn append(&self, key: u64, samples: &Samples, at: usize) -> Result<()> {
        self.lines.insert(ordered(key), samples.lines[at].as_slice())?;
        self.sync()
    }

    fn append_batch(&self, keys: Range<u64>, samples: &Samples, at: Range<usize>) -> Result<()> {
        let mut batch = self.db.batch();
        for (key, line) in keys.zip(&samples.lines[at]) {
            batch.insert(&self.lines, ordered(key), line.as_slice());
        }
        batch.commit()?;
        self.sync()
    }
}
