//! The engines under one trait. Each event has a key that counts up; what is read back is summed up.

use std::error::Error;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
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

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// One event in the forms that engines take, and the text that all of them are asked for afterwards.
pub struct Sample {
    pub event: Event,
    pub line: Vec<u8>,
    pub message: String,
}

/// What was read back: how many events, and a sum over their messages that no order changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub events: u64,
    pub hash: u64,
}

impl Sum {
    pub fn add(&mut self, message: &[u8]) {
        let mut hasher = DefaultHasher::new();
        hasher.write(message);
        self.events += 1;
        self.hash = self.hash.wrapping_add(hasher.finish());
    }

    /// Adds a line of JSON, whose message has no escape in it.
    fn add_line(&mut self, line: &[u8]) -> Result<()> {
        let line = std::str::from_utf8(line)?;
        let message = line.split_once(r#""message":""#).and_then(|(_, rest)| rest.split_once('"'));
        self.add(message.ok_or("a line came back without a message")?.0.as_bytes());
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `pwrite` and `fdatasync` into a file whose blocks are reserved: what the disk gives.
    Bare,
    Logq,
    OkayWal,
    RaftEngine,
    Redb,
    Fjall,
}

/// An open engine, appended to by several threads.
pub trait Peer: Sync {
    /// Appends one event.
    fn append(&self, key: u64, sample: &Sample) -> Result<()>;

    /// Appends events that become durable together.
    fn append_batch(&self, keys: Range<u64>, samples: &[Sample]) -> Result<()>;
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::Bare, Self::Logq, Self::OkayWal, Self::RaftEngine, Self::Redb, Self::Fjall];

    pub fn name(self) -> &'static str {
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
    pub fn can_buffer(self) -> bool {
        self != Self::OkayWal
    }

    /// Whether several threads may append, and what is there can be read back.
    pub fn is_engine(self) -> bool {
        self != Self::Bare
    }

    /// A fresh engine in an empty folder. `synced` is whether each append is on disk when it returns.
    pub fn open(self, dir: &Path, synced: bool) -> Result<Box<dyn Peer>> {
        Ok(match self {
            Self::Bare => Box::new(Bare::open(dir, synced)?),
            Self::Logq => Box::new(Logq::open(dir, synced)?),
            Self::OkayWal => Box::new(OkayWal(okaywal(dir, Arc::default())?)),
            Self::RaftEngine => Box::new(Raft { engine: raft(dir)?, synced }),
            Self::Redb => Box::new(Redb { db: redb::Database::create(dir.join("redb"))?, synced }),
            Self::Fjall => Box::new(Fjall::open(dir, synced)?),
        })
    }

    /// Opens the engine anew and reads all of it.
    pub fn read_back(self, dir: &Path) -> Result<Sum> {
        let mut sum = Sum::default();
        match self {
            Self::Bare => return Err("a bare file is not read back".into()),
            Self::Logq => logq_sum(dir, &mut sum)?,
            Self::OkayWal => {
                let found = Arc::default();
                drop(okaywal(dir, Arc::clone(&found))?);
                let found = found.lock().map_err(|_| "okaywal panicked")?;
                found.iter().try_for_each(|line| sum.add_line(line))?;
            }
            Self::RaftEngine => {
                let mut lines = Ok(());
                raft(dir)?.scan_raw_messages(REGION, None, None, false, |_, line| {
                    lines = sum.add_line(line);
                    lines.is_ok()
                })?;
                lines?;
            }
            Self::Redb => {
                let db = redb::Database::open(dir.join("redb"))?;
                let reading = db.begin_read()?;
                for entry in reading.open_table(TABLE)?.iter()? {
                    sum.add_line(entry?.1.value())?;
                }
            }
            Self::Fjall => {
                for entry in Fjall::open(dir, false)?.lines.iter() {
                    sum.add_line(&entry.value()?)?;
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
    fn append(&self, _: u64, sample: &Sample) -> Result<()> {
        self.write(&sample.line)
    }

    fn append_batch(&self, _: Range<u64>, samples: &[Sample]) -> Result<()> {
        let lines: Vec<&[u8]> = samples.iter().map(|sample| sample.line.as_slice()).collect();
        self.write(&lines.concat())
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
    fn append(&self, _: u64, sample: &Sample) -> Result<()> {
        self.writer.append(&sample.event)?;
        Ok(())
    }

    fn append_batch(&self, _: Range<u64>, samples: &[Sample]) -> Result<()> {
        let events: Vec<Event> = samples.iter().map(|sample| sample.event.clone()).collect();
        self.writer.append_batch(&events)?;
        Ok(())
    }
}

fn logq_sum(dir: &Path, sum: &mut Sum) -> Result<()> {
    let store = Store::open(dir, Options { maintain: false, ..Options::default() })?;
    let snapshot = store.snapshot()?;
    let scan = Scan { columns: vec!["message".into()], ..Scan::default() };
    for part in snapshot.parts(&scan)? {
        let stats = part.scan(&mut |batch| {
            for message in batch.column(0) {
                sum.add(match message {
                    Some(Value::Str(message)) => message.as_bytes(),
                    _ => b"",
                });
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
    fn append(&self, _: u64, sample: &Sample) -> Result<()> {
        let mut entry = self.0.begin_entry()?;
        entry.write_chunk(&sample.line)?;
        entry.commit()?;
        Ok(())
    }

    fn append_batch(&self, _: Range<u64>, samples: &[Sample]) -> Result<()> {
        let mut entry = self.0.begin_entry()?;
        for sample in samples {
            entry.write_chunk(&sample.line)?;
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
    fn append(&self, key: u64, sample: &Sample) -> Result<()> {
        self.write(std::iter::once((key, sample.line.clone())))
    }

    fn append_batch(&self, keys: Range<u64>, samples: &[Sample]) -> Result<()> {
        self.write(keys.zip(samples.iter().map(|sample| sample.line.clone())))
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
    fn append(&self, key: u64, sample: &Sample) -> Result<()> {
        self.write(std::iter::once((key, sample.line.as_slice())))
    }

    fn append_batch(&self, keys: Range<u64>, samples: &[Sample]) -> Result<()> {
        self.write(keys.zip(samples.iter().map(|sample| sample.line.as_slice())))
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
    fn append(&self, key: u64, sample: &Sample) -> Result<()> {
        self.lines.insert(ordered(key), sample.line.as_slice())?;
        self.sync()
    }

    fn append_batch(&self, keys: Range<u64>, samples: &[Sample]) -> Result<()> {
        let mut batch = self.db.batch();
        for (key, sample) in keys.zip(samples) {
            batch.insert(&self.lines, ordered(key), sample.line.as_slice());
        }
        batch.commit()?;
        self.sync()
    }
}
