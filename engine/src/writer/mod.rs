//! Writers: appending, sharing syncs, rotating files, and going on after a failed sync.
//!
//! Two locks, always taken in this order: `state` (the file being filled) and `sync` (what is on disk).
//! A sync runs without either. While one runs, appends go on; a rotation waits for it, so that an error
//! of the file is seen by the one who asked for the sync and by nobody else.
//!
//! A failed sync is final for its file. What was not on disk is written to a fresh file from the writer's
//! own copy, with the same ids, and the failed file is capped in the manifest. Only then are the callers
//! who wait told that their records are safe.

mod background;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use self::background::{Background, Pace, Range, Work};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::format::frame::{
    self, FLAG_CLOSE, FLAG_IMPORT, HEADER_SIZE, Header, ImportProgress, PROGRESS_SIZE,
};
use crate::format::header::{self, Rehomes};
use crate::format::manifest::Op;
use crate::format::varint;
use crate::io::{File, WriteMap};
use crate::maintenance::{self, keeper::Keeper};
use crate::options::{BATCH_SIZE_MAX, Durability, FILE_RECORDS_MAX};
use crate::packer::{Packed, Packer, check_size};
use crate::record_id::RecordId;
use crate::segment::active::{Active, CLOSE_SIZE, NewFile, Prepared};
use crate::segment::walk::{FrameAt, Frames, Step, Walk};
use crate::slot::{NextFile, Slot};

/// The copy that a writer keeps of what is not on disk yet; at this size it syncs before it takes more.
const PENDING_SIZE_MAX: usize = 4 << 20;
/// A writer that fills a file within this many nanoseconds is at full speed: its next file is made ready at once
/// and with all its pages.
const FAST: i64 = 1_000_000_000;
/// How long a writer that has met `unsealed_max` waits before it looks again whether another process has
/// sealed, and how often: a minute in all.
const BOUND_WAIT: std::time::Duration = std::time::Duration::from_millis(20);
const BOUND_WAITS_MAX: u32 = 3000;
/// At this size the background thread is woken early, so that appends seldom have to wait.
const PENDING_SIZE_WAKE: usize = 1 << 20;

/// Appends events to a store. Clones share one slot, one file and their syncs.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use logq_engine::{Event, Options, Store};
/// let store = Store::open(dir.path(), Options::default())?;
/// let log = store.writer()?;
/// let id = log.append(&Event::system("startup", "Autonomous system started").importance(8))?;
/// assert_eq!(id.to_string(), "0-0");
/// log.close()?;
/// # Ok::<(), logq_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Writer {
    handle: Arc<Handle>,
}

/// Ends the writing when the last clone is dropped.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Maintenance goes on while there is a writer.
    _keeper: Arc<Keeper>,
}

#[derive(Debug)]
struct Shared {
    core: Arc<Core>,
    durability: Durability,
    slot: u32,
    state: Mutex<State>,
    sync: Mutex<Sync>,
    /// Callers that wait for a sync: those of even rounds on the first, of odd ones on the second.
    synced: [Condvar; 2],
    /// Everything of the current file before this offset is on disk.
    promise: AtomicU64,
    background: Background,
}

/// The file being filled.
#[derive(Debug)]
struct State {
    /// `None` once closed.
    slot: Option<Slot>,
    active: Option<Active>,
    /// Frames of the current file that are not on disk, from `pending_from` on. Empty when buffered.
    pending: Vec<u8>,
    pending_from: u64,
    /// Files that were filled and never synced. Only when buffered.
    older: Vec<Arc<dyn File>>,
    scratch: Vec<u8>,
    last_arrived: i64,
    /// The number of the file that was asked to be made ready, or is `ready`.
    asked: u64,
    /// The file that was made ready in line, on a machine without threads.
    ready: Option<Prepared>,
    /// Whether the last file was full within [`FAST`].
    fast: bool,
}

/// What is on disk, and who is making it so.
#[derive(Debug, Default)]
struct Sync {
    /// File number and offset.
    done: Position,
    running: bool,
    /// The sync that runs or ran last, and up to where it makes the files durable.
    round: u64,
    to: Position,
    /// A sync failed, and nobody has dealt with it yet.
    failure: Option<Failure>,
    /// A failure could not be dealt with.
    dead: Option<String>,
}

/// A place in a slot's files: number, then offset.
type Position = (u64, u64);

#[derive(Debug)]
struct Failure {
    number: u64,
    /// Frames of the file that were being synced.
    pending: Vec<u8>,
    pending_from: u64,
    /// Whether a file before the current one failed, whose frames nobody kept.
    older: bool,
    error: std::io::Error,
}

/// What one sync has to do.
struct Job {
    number: u64,
    map: Arc<dyn WriteMap>,
    from: u64,
    to: u64,
    older: Vec<Arc<dyn File>>,
    pending: Vec<u8>,
    pending_from: u64,
}

impl Writer {
    pub(crate) fn open(core: Arc<Core>, keeper: Arc<Keeper>, durability: Durability) -> Result<Self> {
        core.check_writable()?;
        keeper.start();
        let slot = Slot::acquire(&*core.vfs, &core.dir)?;
        let state = State {
            active: None,
            pending: Vec::new(),
            pending_from: 0,
            older: Vec::new(),
            scratch: Vec::new(),
            last_arrived: i64::MIN,
            asked: 0,
            ready: None,
            fast: false,
            slot: None,
        };
        let shared = Arc::new(Shared {
            durability,
            slot: slot.number,
            state: Mutex::new(State { slot: Some(slot), ..state }),
            sync: Mutex::new(Sync::default()),
            synced: [Condvar::new(), Condvar::new()],
            promise: AtomicU64::new(header::SIZE),
            background: Background::default(),
            core,
        });
        let thread = match shared.core.vfs.has_threads() {
            true => Some(spawn_background(Arc::clone(&shared))?),
            false => None,
        };
        Ok(Self { handle: Arc::new(Handle { shared, thread: Mutex::new(thread), _keeper: keeper }) })
    }

    /// The slot: the first part of the ids of this writer's records.
    pub fn id(&self) -> u32 {
        self.handle.shared.slot
    }

    /// Appends one event. When this returns, every reader in any process sees the record; what else is
    /// true then the writer's [`Durability`] says.
    ///
    /// # Errors
    /// [`ErrorKind::Full`] when the disk or the store's bound is full, [`ErrorKind::Limit`] for an event
    /// over 64 MiB: nothing was written. [`ErrorKind::Poisoned`] when an earlier failure made the store
    /// read-only, [`ErrorKind::Closed`] after `close`.
    pub fn append(&self, event: &Event) -> Result<RecordId> {
        check_size(event)?;
        self.handle.shared.append_one(event)
    }

    /// Appends events as one batch: a reader, and a recovery after a crash, sees all of them or none. A
    /// call with more than 65,536 events or 64 MiB is split into several batches, each whole by itself.
    /// Returns the id of the first; the others follow densely within a batch.
    ///
    /// # Errors
    /// As [`Writer::append`]; batches before the failing one stay.
    pub fn append_batch(&self, events: &[Event]) -> Result<RecordId> {
        events.iter().try_for_each(check_size)?;
        let now = self.handle.shared.core.vfs.now();
        let mut packer = Packer::new();
        let mut batch = Batch::default();
        let mut first = None;
        for event in events {
            packer.push(event, now)?;
            let full = batch.is_full(&packer);
            if full || packer.is_full() {
                batch.push(packer.finish());
            }
            if full {
                let id = self.handle.shared.append_frames(&batch.frames, None)?;
                first.get_or_insert(id);
                batch = Batch::default();
            }
        }
        if !packer.is_empty() {
            batch.push(packer.finish());
        }
        if !batch.frames.is_empty() || first.is_none() {
            let id = self.handle.shared.append_frames(&batch.frames, None)?;
            first.get_or_insert(id);
        }
        Ok(first.unwrap_or(RecordId { writer: self.id(), sequence: 0 }))
    }

    /// Appends packed events together with the part of a source that they came from, in one frame: either
    /// both are in the store or neither.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn append_import(&self, packed: &Packed, progress: ImportProgress) -> Result<RecordId> {
        self.handle.shared.append_frames(std::slice::from_ref(packed), Some(progress))
    }

    /// Returns when everything that was appended before is on disk.
    ///
    /// # Errors
    /// [`ErrorKind::Poisoned`] when the disk failed and the records could not be written elsewhere.
    pub fn flush(&self) -> Result<()> {
        self.handle.shared.flush()
    }

    /// Flushes, and if this is the last clone ends the file in order and frees the slot. Dropping the
    /// last clone does the same but cannot report an error.
    ///
    /// # Errors
    /// As [`Writer::flush`].
    pub fn close(self) -> Result<()> {
        match Arc::try_unwrap(self.handle) {
            Ok(handle) => handle.finish(),
            Err(handle) => handle.shared.flush(),
        }
    }
}

/// Frames that will be appended as one batch.
#[derive(Default)]
struct Batch {
    frames: Vec<Packed>,
    records: u64,
    size: u64,
}

impl Batch {
    fn push(&mut self, packed: Packed) {
        self.records += u64::from(packed.count);
        self.size += packed.payload.len() as u64;
        self.frames.push(packed);
    }

    fn is_full(&self, packer: &Packer) -> bool {
        FILE_RECORDS_MAX <= self.records + packer.len() as u64
            || BATCH_SIZE_MAX <= self.size + packer.size() as u64
    }
}

impl Handle {
    fn finish(&self) -> Result<()> {
        self.shared.background.stop();
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // A panic there was already reported by the panic hook; what it left undone is done here.
            let _ended = thread.join();
        }
        self.shared.close()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _unreported = self.finish();
    }
}

/// A lock whose holder panicked guards plain data that is whole between any two statements here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn_background(shared: Arc<Shared>) -> Result<JoinHandle<()>> {
    let every = match shared.durability {
        Durability::Interval(every) => Some(every),
        _ => None,
    };
    let run = move || {
        loop {
            match shared.background.next(every) {
                // A failure that could not be dealt with shows in the next append.
                Work::Sync => drop(shared.flush()),
                // Only speed is lost when this fails: pages come at their first touch.
                Work::Populate(range) => drop(range.map.populate(range.from, range.len)),
                Work::Drop(full) => drop(full),
                // The rotation tries again, and reports.
                Work::Prepare(number, pace) => {
                    shared.background.put_prepared(shared.prepare(number, pace).ok());
                }
                Work::Stop => return,
            }
        }
    };
    let thread = std::thread::Builder::new().name("logq-writer".into()).spawn(run);
    thread.map_err(|error| Error::new(ErrorKind::Io, format!("a writer's thread cannot be started: {error}")))
}

impl Shared {
    fn append_one(&self, event: &Event) -> Result<RecordId> {
        let mut state = lock(&self.state);
        let arrived = self.arrive(&mut state);
        let time = event.time().unwrap_or(arrived);
        let mut frame = std::mem::take(&mut state.scratch);
        frame.clear();
        frame.resize(HEADER_SIZE, 0);
        varint::put(&mut frame, event.name_count() as u64);
        frame.extend_from_slice(event.encoded_names());
        varint::put(&mut frame, event.encoded_fields().len() as u64 + 8);
        frame.extend_from_slice(&time.to_le_bytes());
        frame.extend_from_slice(event.encoded_fields());
        let rows = Rows { count: 1, time_min: time, time_max: time };
        let put = self.make_room(&mut state, frame::frame_size(frame.len() - HEADER_SIZE), 1).map(|()| {
            let (sequence, offset, size) = self.stage(&mut state, &mut frame, rows, arrived, (0, 1), 0);
            if let Some(active) = &state.active {
                active.publish(offset, size);
            }
            sequence
        });
        state.scratch = frame;
        self.acknowledge(state, put?)
    }

    fn append_frames(&self, frames: &[Packed], progress: Option<ImportProgress>) -> Result<RecordId> {
        let mut state = lock(&self.state);
        let arrived = self.arrive(&mut state);
        let extra = if progress.is_some() { PROGRESS_SIZE } else { 0 };
        let size = frames.iter().map(|packed| frame::frame_size(packed.payload.len() + extra)).sum();
        let records = frames.iter().map(|packed| u64::from(packed.count)).sum();
        self.make_room(&mut state, size, records)?;
        let first = state.active.as_ref().map_or(0, |active| active.next_sequence);
        let count = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        let mut staged = Vec::with_capacity(frames.len());
        let mut scratch = std::mem::take(&mut state.scratch);
        for (index, packed) in (0..).zip(frames) {
            scratch.clear();
            scratch.resize(HEADER_SIZE, 0);
            if let Some(progress) = &progress {
                progress.encode(&mut scratch);
            }
            scratch.extend_from_slice(&packed.payload);
            let rows = Rows { count: packed.count, time_min: packed.time_min, time_max: packed.time_max };
            let flags = if progress.is_some() { FLAG_IMPORT } else { 0 };
            let (_, offset, size) =
                self.stage(&mut state, &mut scratch, rows, arrived, (index, count), flags);
            staged.push((offset, size));
        }
        state.scratch = scratch;
        // Last to first: a reader that finds the first frame finds all of them.
        if let Some(active) = &state.active {
            staged.iter().rev().for_each(|&(offset, size)| active.publish(offset, size));
        }
        self.acknowledge(state, first)
    }

    /// The arrival time of what comes next: the wall clock, never backwards within a writer.
    fn arrive(&self, state: &mut State) -> i64 {
        state.last_arrived = state.last_arrived.max(self.core.vfs.now());
        state.last_arrived
    }

    /// Completes a frame in `frame` (room for a header, then the payload) and stores it unpublished.
    fn stage(
        &self,
        state: &mut State,
        frame: &mut Vec<u8>,
        rows: Rows,
        arrived: i64,
        (batch_index, batch_count): (u32, u32),
        flags: u32,
    ) -> (u64, u64, u32) {
        let State { active: Some(active), pending, pending_from, .. } = state else {
            unreachable!("BUG: make_room() leaves a file to write to")
        };
        let payload = frame.get(HEADER_SIZE..).unwrap_or(&[]);
        let payload_size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let header = Header {
            payload_size,
            payload_crc: frame::payload_crc(payload),
            count: rows.count,
            first_sequence: active.next_sequence,
            flags,
            promise: self.promise.load(Ordering::Acquire),
            arrived,
            time_min: rows.time_min,
            time_max: rows.time_max,
            batch_index,
            batch_count,
        };
        frame.resize(usize::try_from(header.frame_size()).unwrap_or(usize::MAX), 0);
        let offset = active.stage(frame, &header);
        if self.durability != Durability::Buffered {
            if pending.is_empty() {
                *pending_from = offset;
            }
            pending.extend_from_slice(frame);
        }
        (header.first_sequence, offset, payload_size)
    }

    /// Frees the lock and waits for what the durability asks.
    fn acknowledge(&self, mut state: MutexGuard<'_, State>, sequence: u64) -> Result<RecordId> {
        self.look_ahead(&mut state);
        let Some(active) = &state.active else {
            return Err(Error::new(ErrorKind::Closed, "the writer is closed"));
        };
        if let Err(error) = active.map.check() {
            let error = Error::io("a record cannot be stored", &active.path, error);
            self.core.poison(&error.to_string());
            return Err(error);
        }
        let position = (active.header.number, active.offset);
        let pending = state.pending.len();
        drop(state);
        if self.durability == Durability::Synced || PENDING_SIZE_MAX <= pending {
            self.sync_to(position)?;
        } else if PENDING_SIZE_WAKE <= pending {
            self.background.sync_soon();
        }
        Ok(RecordId { writer: self.slot, sequence })
    }

    /// Makes sure that the current file takes frames of so many bytes and records.
    fn make_room(&self, state: &mut State, size: u64, records: u64) -> Result<()> {
        self.core.check_writable()?;
        if state.active.is_none() {
            self.open_file(state, size)?;
        }
        let Some(active) = &state.active else { return Ok(()) };
        let age = u128::try_from(state.last_arrived.saturating_sub(active.header.created)).unwrap_or(0);
        let old = self.core.options.seal_after.as_nanos() <= age && 0 < active.records;
        if active.has_room(size, records) && !old { Ok(()) } else { self.rotate(state, size) }
    }

    /// Opens the file that the slot goes on with.
    fn open_file(&self, state: &mut State, size: u64) -> Result<()> {
        let Some(slot) = &state.slot else {
            return Err(Error::new(ErrorKind::Closed, "the writer is closed"));
        };
        let active = match slot.next {
            NextFile::Resume(resume) => Active::reopen(&*self.core.vfs, &self.core.dir, resume)?,
            NextFile::Fresh { number, first_sequence } => {
                let active = self.new_file(state, number, first_sequence, size, None)?;
                self.core.commit(|_| Ok(vec![Op::create(&active.header)]))?;
                active
            }
        };
        self.start(state, active);
        Ok(())
    }

    fn start(&self, state: &mut State, mut active: Active) {
        active.populate = self.durability != Durability::Synced;
        self.promise.store(active.offset, Ordering::Release);
        state.pending.clear();
        state.pending_from = active.offset;
        if state.older.is_empty() {
            let mut sync = lock(&self.sync);
            sync.done = sync.done.max((active.header.number, active.offset));
            drop(sync);
            // The rotation synced what others wait for: they need not wait for the sync that comes next.
            self.wake_all();
        }
        let full = state.active.replace(active);
        if let Some(full) = full.filter(|_| self.core.vfs.has_threads()) {
            self.background.drop_later(full);
        }
    }

    /// Makes the file of this number, or takes the one that was made ready.
    fn new_file(
        &self,
        state: &mut State,
        number: u64,
        first_sequence: u64,
        size: u64,
        rehomes: Option<Rehomes>,
    ) -> Result<Active> {
        let needed = (header::SIZE + size + CLOSE_SIZE).next_multiple_of(header::SIZE);
        let capacity = needed.max(self.core.options.file_size);
        self.make_bound(capacity)?;
        let ready = self.background.take_prepared().or_else(|| state.ready.take());
        let (vfs, dir) = (&*self.core.vfs, &self.core.dir);
        let prepared = match ready {
            Some(ready) if ready.number == number && capacity <= ready.capacity => ready,
            _ => Prepared::make(vfs, dir, self.slot, number, capacity)?,
        };
        let new = NewFile { store: self.core.store_id()?, slot: self.slot, first_sequence, rehomes };
        Active::begin(vfs, prepared, new)
    }

    /// Keeps the unsealed bytes within their bound: seals, or waits for whoever does.
    fn make_bound(&self, capacity: u64) -> Result<()> {
        let mut waits = 0;
        loop {
            let Err(full) = self.core.check_bound(capacity) else { return Ok(()) };
            if maintenance::relieve(&self.core)? {
                return self.core.check_bound(capacity);
            }
            if waits == BOUND_WAITS_MAX || !self.core.vfs.has_threads() {
                return Err(full);
            }
            waits += 1;
            std::thread::sleep(BOUND_WAIT);
        }
    }

    fn prepare(&self, number: u64, pace: Pace) -> Result<Prepared> {
        let (vfs, dir) = (&*self.core.vfs, &self.core.dir);
        let mut prepared = Prepared::make(vfs, dir, self.slot, number, self.core.options.file_size)?;
        match self.durability {
            Durability::Buffered if pace == Pace::Fast => prepared.fill(),
            Durability::Synced => {}
            _ => prepared.populate(),
        }
        Ok(prepared)
    }

    /// Has the pages and the file that come next made ready in time.
    fn look_ahead(&self, state: &mut State) {
        let State { active: Some(active), asked, ready, fast, last_arrived, .. } = state else { return };
        let threads = self.core.vfs.has_threads();
        if let Some((from, len)) = active.populate_next() {
            if threads {
                self.background.populate(Range { map: Arc::clone(&active.map), from, len });
            } else {
                // Only speed is lost when this fails: pages come at their first touch.
                drop(active.map.populate(from, len));
            }
        }
        let next = active.header.number + 1;
        let age = last_arrived.saturating_sub(active.header.created);
        if *asked < next && (*fast || active.header.capacity / 4 <= active.offset) {
            *asked = next;
            if threads {
                let fast = *fast || age < FAST / 4;
                self.background.prepare(next, if fast { Pace::Fast } else { Pace::Easy });
            } else {
                // The rotation tries again, and reports.
                *ready = self.prepare(next, Pace::Easy).ok();
            }
        }
    }

    /// Ends the current file and starts the next. The old one is synced first unless the writer is
    /// buffered: then that is left to the next flush.
    fn rotate(&self, state: &mut State, size: u64) -> Result<()> {
        self.settle_sync(state)?;
        let Some(old) = &state.active else { return Ok(()) };
        if self.durability != Durability::Buffered {
            let from = unsynced_from(self.promise.load(Ordering::Acquire));
            if let Err(error) = old.map.sync(from, old.offset - from) {
                let failure = Failure {
                    number: old.header.number,
                    pending: std::mem::take(&mut state.pending),
                    pending_from: state.pending_from,
                    older: false,
                    error,
                };
                // The fresh file has room unless the batch is larger than it: then rotate that one.
                self.rehome(state, failure)?;
                let fits = state.active.as_ref().is_some_and(|active| active.has_room(size, 0));
                return if fits { Ok(()) } else { self.rotate(state, size) };
            }
            self.promise.store(old.offset, Ordering::Release);
        }
        state.fast = state.last_arrived.saturating_sub(old.header.created) < FAST;
        let promise = self.promise.load(Ordering::Acquire);
        let (slot, number, done) = (self.slot, old.header.number, old.done(promise));
        let first_sequence = old.next_sequence;
        let next = self.new_file(state, number + 1, first_sequence, size, None)?;
        self.core.commit(|_| Ok(vec![Op::Done { slot, number, done }, Op::create(&next.header)]))?;
        if let (Durability::Buffered, Some(old)) = (self.durability, &state.active) {
            let file = Arc::clone(&old.file);
            state.older.push(file);
        }
        self.start(state, next);
        Ok(())
    }

    /// Waits until no sync runs and deals with a failed one. The caller holds `state`, so none starts.
    fn settle_sync(&self, state: &mut State) -> Result<()> {
        let sync = lock(&self.sync);
        let mut sync = self.wait_while(sync, |sync| sync.running.then_some(sync.round));
        sync.check_alive()?;
        let failure = sync.failure.take();
        drop(sync);
        failure.map_or(Ok(()), |failure| self.rehome(state, failure))
    }

    fn flush(&self) -> Result<()> {
        let state = lock(&self.state);
        let position = state.active.as_ref().map(|active| (active.header.number, active.offset));
        drop(state);
        match position {
            Some(position) => self.sync_to(position),
            None => Ok(()),
        }
    }

    /// Returns when everything up to `target` is on disk. One caller at a time syncs, for all who wait.
    fn sync_to(&self, target: Position) -> Result<()> {
        loop {
            {
                let sync = lock(&self.sync);
                let sync = self.wait_while(sync, |sync| {
                    // The sync that runs covers the target, or the one after it will.
                    let round = sync.round + u64::from(sync.to < target);
                    (sync.running && sync.done < target).then_some(round)
                });
                sync.check_alive()?;
                if target <= sync.done {
                    return Ok(());
                }
            }
            let mut state = lock(&self.state);
            let mut sync = lock(&self.sync);
            if sync.failure.is_some() {
                drop(sync);
                self.settle_sync(&mut state)?;
                continue;
            }
            if sync.running || target <= sync.done {
                continue;
            }
            // `running` is set under both locks: a rotation, which holds `state` while it waits for
            // `running` to end, never waits for a job that is not taken on yet.
            let Some(job) = next_job(&mut state, self.promise.load(Ordering::Acquire)) else {
                return Ok(());
            };
            sync.running = true;
            sync.round += 1;
            sync.to = (job.number, job.to);
            drop(sync);
            drop(state);
            self.run(job);
        }
    }

    /// Waits for the end of a round, as long as `which` names one.
    fn wait_while<'s>(
        &self,
        mut sync: MutexGuard<'s, Sync>,
        which: impl Fn(&Sync) -> Option<u64>,
    ) -> MutexGuard<'s, Sync> {
        while let Some(round) = which(&sync) {
            sync = self.waiting(round).wait(sync).unwrap_or_else(PoisonError::into_inner);
        }
        sync
    }

    fn waiting(&self, round: u64) -> &Condvar {
        let [even, odd] = &self.synced;
        if round.is_multiple_of(2) { even } else { odd }
    }

    /// Has everybody who waits look again.
    fn wake_all(&self) {
        self.synced.iter().for_each(Condvar::notify_all);
    }

    fn run(&self, job: Job) {
        let failed = job.older.iter().find_map(|file| file.sync_data().err());
        let older = failed.is_some();
        let failed = failed.or_else(|| job.map.sync(job.from, job.to - job.from).err());
        let mut sync = lock(&self.sync);
        sync.running = false;
        let round = sync.round;
        let Some(error) = failed else {
            self.promise.store(job.to, Ordering::Release);
            sync.done = sync.done.max((job.number, job.to));
            drop(sync);
            // Whom this sync covered goes on. Of the others one syncs, for all of them: the rest would only wake to wait.
            self.waiting(round).notify_all();
            self.waiting(round + 1).notify_one();
            return;
        };
        let Job { number, pending, pending_from, .. } = job;
        sync.failure = Some(Failure { number, pending, pending_from, older, error });
        drop(sync);
        self.wake_all();
    }

    /// Writes what the failed file may have lost into a fresh one. If that fails too the store takes no
    /// more records.
    fn rehome(&self, state: &mut State, failure: Failure) -> Result<()> {
        let error = failure.error.to_string();
        match self.try_rehome(state, failure) {
            Ok(()) => {
                self.wake_all();
                Ok(())
            }
            Err(second) => {
                let what = format!("a sync failed ({error}), and writing elsewhere failed too: {second}");
                self.core.poison(&what);
                lock(&self.sync).dead = Some(what.clone());
                self.wake_all();
                Err(Error::new(ErrorKind::Poisoned, what))
            }
        }
    }

    fn try_rehome(&self, state: &mut State, failure: Failure) -> Result<()> {
        let Some(active) = &state.active else { return Ok(()) };
        if failure.older || failure.number != active.header.number {
            return Err(Error::new(ErrorKind::Io, "the failed file is not the newest one"));
        }
        let promise = self.promise.load(Ordering::Acquire);
        let lost = self.unsynced(active, promise, failure, &state.pending)?;
        let first_sequence = lost.first().map_or(active.next_sequence, |(head, _)| head.first_sequence);
        let size = lost.iter().map(|(head, _)| head.frame_size()).sum();
        let rehomes = Rehomes { number: active.header.number, from: first_sequence };
        let number = active.header.number + 1;
        let mut fresh = self.new_file(state, number, first_sequence, size, Some(rehomes))?;
        for (mut header, mut bytes) in lost {
            header.promise = header::SIZE;
            let offset = fresh.stage(&mut bytes, &header);
            fresh.publish(offset, header.payload_size);
        }
        let failed = |error| Error::io("the fresh file cannot be synced", &fresh.path, error);
        fresh.file.sync_data().map_err(failed)?;
        self.core.commit(|_| Ok(vec![Op::create(&fresh.header)]))?;
        self.start(state, fresh);
        Ok(())
    }

    /// The frames of the failed file from the last good sync on: from the copy that was kept, or, when
    /// buffered, from the mapping as far as checksums hold.
    fn unsynced(
        &self,
        active: &Active,
        promise: u64,
        failure: Failure,
        later: &[u8],
    ) -> Result<Vec<(Header, Vec<u8>)>> {
        let len = usize::try_from(active.offset).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len];
        let from = usize::try_from(promise).unwrap_or(usize::MAX);
        if self.durability == Durability::Buffered {
            if let Some(rest) = bytes.get_mut(from..) {
                active.map.read(promise, rest);
            }
        } else {
            let mut kept = failure.pending;
            let start =
                if kept.is_empty() { active.offset - later.len() as u64 } else { failure.pending_from };
            kept.extend_from_slice(later);
            assert_eq!(start + kept.len() as u64, active.offset, "BUG: the copy does not reach the end");
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            if let Some(rest) = bytes.get_mut(start..) {
                rest.copy_from_slice(&kept);
            }
        }
        let mut walk = Walk::new(Frames { bytes: &bytes, salt: active.header.salt, cap: u64::MAX }, promise);
        let mut frames = Vec::new();
        while walk.step() == Step::Batch {
            frames.extend(walk.batch.iter().map(|frame| (frame.header, whole(frame, &bytes))));
        }
        if walk.offset() == active.offset {
            return Ok(frames);
        }
        Err(Error::new(ErrorKind::Corrupt, "records in memory do not hold")
            .at(&active.path)
            .byte(walk.offset()))
    }

    /// Ends the file in order and frees the slot.
    fn close(&self) -> Result<()> {
        let flushed = if self.core.check_writable().is_ok() { self.flush() } else { Ok(()) };
        let mut state = lock(&self.state);
        let settled = self.settle_sync(&mut state);
        let ended = match (&flushed, &settled, state.active.is_some()) {
            (Ok(()), Ok(()), true) => self.write_close(&mut state),
            _ => Ok(()),
        };
        state.active = None;
        if let Some(unused) = self.background.take_prepared().or_else(|| state.ready.take()) {
            unused.discard(&*self.core.vfs);
        }
        state.slot = None;
        flushed.and(settled).and(ended)
    }

    fn write_close(&self, state: &mut State) -> Result<()> {
        let arrived = self.arrive(state);
        let mut frame = vec![0; HEADER_SIZE];
        frame.extend_from_slice(&self.core.vfs.boot_id());
        let rows = Rows { count: 0, time_min: i64::MAX, time_max: i64::MIN };
        let (_, offset, size) = self.stage(state, &mut frame, rows, arrived, (0, 1), FLAG_CLOSE);
        let Some(active) = &state.active else { return Ok(()) };
        active.publish(offset, size);
        let failed = |error| Error::io("an active file cannot be closed", &active.path, error);
        active.map.sync(offset, active.offset - offset).map_err(failed)?;
        let tail = active.offset.next_multiple_of(header::SIZE);
        if tail < active.header.capacity {
            // Space that is not given back is only space; the file is whole.
            let _kept = active.file.punch(tail, active.header.capacity - tail);
        }
        Ok(())
    }
}

/// Where a sync starts: a file that was never synced still has its head to bring to the disk.
fn unsynced_from(promise: u64) -> u64 {
    if promise == header::SIZE { 0 } else { promise }
}

/// Takes on everything that is published at this moment.
fn next_job(state: &mut State, promise: u64) -> Option<Job> {
    let active = state.active.as_ref()?;
    Some(Job {
        number: active.header.number,
        map: Arc::clone(&active.map),
        from: unsynced_from(promise),
        to: active.offset,
        older: std::mem::take(&mut state.older),
        pending: std::mem::take(&mut state.pending),
        pending_from: state.pending_from,
    })
}

/// A frame's bytes with room for its header in front and its padding behind.
fn whole(frame: &FrameAt, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0; HEADER_SIZE];
    out.extend_from_slice(frame.payload(bytes));
    out.resize(usize::try_from(frame.header.frame_size()).unwrap_or(usize::MAX), 0);
    out
}

/// What a frame's header says about its rows.
#[derive(Clone, Copy)]
struct Rows {
    count: u32,
    time_min: i64,
    time_max: i64,
}

impl Sync {
    fn check_alive(&self) -> Result<()> {
        match &self.dead {
            Some(what) => Err(Error::new(ErrorKind::Poisoned, what.clone())),
            None => Ok(()),
        }
    }
}
