//! The outbox: alerts on their way out of the store.
//!
//! An alert is an event of the log before anybody is told. What was delivered is remembered in `budgets/outbox`, written
//! and synced after each delivery, so that an alert reaches its receiver once, and once more only if the process dies
//! between the delivery and the note about it: its `dedupe_key` tells the receiver. One process delivers at a time. What fails
//! is tried again, later and later; alerts behind it wait, so that they arrive in order.
//!
//! ```text
//! outbox   magic 8, CRC32 of the rest 4, then varints:
//!          position: count, then each: writer, next sequence
//!          delivered beyond it: count, then each: writer, sequence
//!          attempts of the first that waits, not before when (zigzag, ns since 1970)
//! ```

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::{Budgets, record};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::format;
use crate::format::name::{BUDGETS_DIR, FileName};
use crate::format::varint::{put, put_signed, take, take_signed};
use crate::io::{LockKind, OpenMode};
use crate::predicate::{Comparison, Literal, Predicate, Test};
use crate::record_id::RecordId;
use crate::scan::{Scan, TimeRange};
use crate::snapshot::{Position, Snapshot};
use crate::value::Value;

pub(super) const MAGIC: [u8; 8] = *b"LOGQOUT1";
/// A store whose alerts were never delivered begins with those of the last day, in nanoseconds.
const FIRST_BACK: i64 = 86_400_000_000_000;
/// The wait after the first failure; it doubles with each further one, in nanoseconds.
const WAIT_MIN: i64 = 1_000_000_000;
/// The longest wait: five minutes.
const WAIT_MAX: i64 = 300 * WAIT_MIN;

/// An alert to deliver.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The record of its event.
    pub id: RecordId,
    /// When it was raised, nanoseconds since 1970.
    pub time: i64,
    /// The event: `message`, `budget`, `group` (of a budget with `by`), `threshold`, `measure`, `used`, `limit`, `window`, `window_start`
    /// (but of `lifetime`), `dedupe_key`.
    pub event: Event,
}

/// What a round of deliveries came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Alerts that were delivered.
    pub delivered: u64,
    /// Alerts that wait for a later round.
    pub waiting: u64,
    /// Why the first of them was not delivered; `None` when this round did not try.
    pub failed: Option<Failed>,
    /// When the next try is due, nanoseconds since 1970, if some wait.
    pub retry_at: Option<i64>,
    /// Another process was delivering: nothing was looked at.
    pub busy: bool,
}

/// A delivery that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The record of the alert.
    pub id: RecordId,
    /// How often it was tried.
    pub attempts: u64,
    /// What went wrong, as the receiver's side says.
    pub what: String,
}

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outbox {
    position: Position,
    done: Vec<RecordId>,
    attempts: u64,
    not_before: i64,
}

impl Outbox {
    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put(&mut body, self.position.next.len() as u64);
        for (writer, next) in &self.position.next {
            put(&mut body, (*writer).into());
            put(&mut body, *next);
        }
        put(&mut body, self.done.len() as u64);
        for id in &self.done {
            put(&mut body, id.writer.into());
            put(&mut body, id.sequence);
        }
        put(&mut body, self.attempts);
        put_signed(&mut body, self.not_before);
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&format::crc(&[&body]).to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Reads what was remembered; `None` for any other bytes.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut body = bytes.strip_prefix(&MAGIC)?.get(4..)?;
        (format::u32_at(bytes, MAGIC.len())? == format::crc(&[body])).then_some(())?;
        let input = &mut body;
        let writer = |input: &mut &[u8]| u32::try_from(take(input)?).ok();
        let mut next = BTreeMap::new();
        for _ in 0..take(input)? {
            let slot = writer(input)?;
            next.insert(slot, take(input)?);
        }
        let mut done = Vec::new();
        for _ in 0..take(input)? {
            done.push(RecordId { writer: writer(input)?, sequence: take(input)? });
        }
        let (attempts, not_before) = (take(input)?, take_signed(input)?);
        Some(Self { position: Position { next }, done, attempts, not_before })
    }

    /// What is remembered; `None` when nothing is, or it is damaged: then alerts of the last day are delivered once more.
    fn read(core: &Core) -> Result<Option<Self>> {
        Ok(read_bytes(core)?.and_then(|bytes| Self::decode(&bytes)))
    }

    /// Whether bytes are neither an outbox nor that of a newer version.
    fn is_damage(bytes: &[u8]) -> bool {
        let newer = MAGIC.split_last().is_some_and(|(version, name)| {
            bytes.strip_prefix(name).and_then(<[u8]>::first).is_some_and(|other| version < other)
        });
        !newer && Self::decode(bytes).is_none()
    }

    /// Remembers, on disk.
    fn write(&self, core: &Core) -> Result<()> {
        let (path, unfinished) = (FileName::Outbox.path(&core.dir), FileName::OutboxNew.path(&core.dir));
        let failed = |error| Error::io("the outbox of alerts cannot be written", &unfinished, error);
        match core.vfs.remove(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = core.vfs.open(&unfinished, OpenMode::CreateNew).map_err(failed)?;
        file.write_at(0, &self.encode()).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        core.vfs.rename(&unfinished, &path).map_err(failed)?;
        core.vfs.sync_dir(&core.dir.join(BUDGETS_DIR)).map_err(failed)
    }

    fn has(&self, id: RecordId) -> bool {
        self.done.contains(&id)
    }
}

impl Budgets {
    /// Delivers the alerts that wait, in the order of their times: calls `send` for each, and remembers those for which it returned
    /// `Ok`. Raises what is due first. After a failure the rest waits: 1 s, then twice as long each time, at most 5 minutes; a round
    /// that comes earlier tries nothing. Alerts of a store that never delivered any begin a day back.
    ///
    /// An alert that was delivered while the process dies, before that is remembered, is delivered again, with the same
    /// `dedupe_key`. No lock of the budgets is held while `send` runs.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] when the store was opened read-only, and what the operating system says. That `send` fails is no
    /// error.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::{Event, Options, Store};
    /// let budgets = Store::open(dir.path(), Options::default())?.budgets();
    /// budgets.record(&Event::ai("chat").tokens(45_000, 0))?; // beyond 0.8 of 50,000 an hour
    /// let mut told = Vec::new();
    /// let done = budgets.deliver(&mut |alert| {
    ///     told.push(alert.dedupe_key().to_owned());
    ///     Ok(())
    /// })?;
    /// assert_eq!((done.delivered, told.len()), (1, 1));
    /// assert_eq!(budgets.deliver(&mut |_| Err("not again".into()))?.delivered, 0);
    /// # Ok::<(), logq_engine::Error>(())
    /// ```
    pub fn deliver(
        &self,
        send: &mut dyn FnMut(&Outgoing) -> std::result::Result<(), String>,
    ) -> Result<Delivered> {
        self.refresh()?;
        let core = &self.shared.desk.core;
        let lock_path = FileName::OutboxLock.path(&core.dir);
        let failed = |error| Error::io("the lock of the outbox cannot be taken", &lock_path, error);
        let lock = core.vfs.open(&lock_path, OpenMode::CreateOrOpen).map_err(failed)?;
        if !lock.try_lock(LockKind::Exclusive).map_err(failed)? {
            return Ok(Delivered { busy: true, ..Delivered::default() });
        }
        let snapshot = Snapshot::take(core, &self.shared.desk.cache)?;
        let known = Outbox::read(core)?;
        let now = core.vfs.now();
        let waiting = waiting(&snapshot, known.as_ref(), now)?;
        let mut outbox = known.clone().unwrap_or_default();
        let mut round = Delivered { waiting: waiting.len() as u64, ..Delivered::default() };
        // A clock that was set back does not make anybody wait for years.
        let due = outbox.not_before <= now || WAIT_MAX < outbox.not_before.saturating_sub(now);
        if !waiting.is_empty() && !due {
            round.retry_at = Some(outbox.not_before);
            return Ok(round);
        }
        for alert in waiting {
            match send(&alert) {
                Ok(()) => {
                    (outbox.attempts, outbox.not_before) = (0, i64::MIN);
                    outbox.done.push(alert.id);
                    outbox.write(core)?;
                    round.delivered += 1;
                    round.waiting -= 1;
                }
                Err(what) => {
                    let doubled = WAIT_MIN << outbox.attempts.min(20);
                    outbox.attempts += 1;
                    outbox.not_before = core.vfs.now().saturating_add(doubled.min(WAIT_MAX));
                    outbox.write(core)?;
                    round.failed = Some(Failed { id: alert.id, attempts: outbox.attempts, what });
                    round.retry_at = Some(outbox.not_before);
                    return Ok(round);
                }
            }
        }
        // Nothing waits before where the snapshot ends.
        let end = Outbox { position: snapshot.position(), ..Outbox::default() };
        if known.is_none() || round.delivered != 0 {
            end.write(core)?;
        }
        Ok(round)
    }
}

/// The bytes of the outbox; none when there is no such file.
fn read_bytes(core: &Core) -> Result<Option<Vec<u8>>> {
    let path = FileName::Outbox.path(&core.dir);
    let failed = |error| Error::io("the outbox of alerts cannot be read", &path, error);
    let file = match core.vfs.open(&path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let size = file.stat().map_err(failed)?.size;
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
    let len = file.read_at(0, &mut bytes).map_err(failed)?;
    bytes.truncate(len);
    Ok(Some(bytes))
}

/// Whether there is an outbox that does not read.
///
/// # Errors
/// What the operating system says.
pub(super) fn is_damaged(core: &Core) -> Result<bool> {
    Ok(read_bytes(core)?.is_some_and(|bytes| Outbox::is_damage(&bytes)))
}

/// What an outbox holds, for a human: lines, and how many damaged pieces there are.
pub(super) fn describe(bytes: &[u8]) -> (Vec<String>, u64) {
    let Some(outbox) = Outbox::decode(bytes) else {
        return (vec!["an outbox of alerts, damaged or of a newer version".into()], 1);
    };
    let mut lines = vec![format!("outbox of alerts: {} delivered beyond its position", outbox.done.len())];
    lines.extend(outbox.position.next.iter().map(|(writer, next)| format!("  all before {writer}-{next}")));
    lines.extend(outbox.done.iter().map(|id| format!("  {id}")));
    if 0 < outbox.attempts {
        lines.push(format!(
            "  {} failed attempts, the next not before {}",
            outbox.attempts, outbox.not_before
        ));
    }
    (lines, 0)
}

/// The alerts that were not delivered yet, in the order of their times.
fn waiting(snapshot: &Snapshot, known: Option<&Outbox>, now: i64) -> Result<Vec<Outgoing>> {
    let alert = Test::Compare(Comparison::Eq, Literal::Text("alert".into()));
    let scan = Scan {
        range: TimeRange { from: known.is_none().then(|| now.saturating_sub(FIRST_BACK)), until: None },
        predicate: Predicate::field(record::KIND, alert),
        columns: vec!["_import".into()],
        fields: true,
        after: known.map(|known| known.position.clone()),
        ..Scan::default()
    };
    let mut found = Vec::new();
    for part in snapshot.parts(&scan)? {
        part.scan(&mut |batch| {
            for row in 0..batch.len() {
                let id = batch.id(row);
                let imported = batch.import(row).is_some();
                if imported || known.is_some_and(|known| known.has(id)) {
                    continue;
                }
                let mut event = Event::new();
                for (name, value) in batch.fields(row).filter(|(name, _)| !name.starts_with('_')) {
                    event.set(name, value);
                }
                found.push(Outgoing { id, time: batch.time(row), event });
            }
            ControlFlow::Continue(())
        })?;
    }
    found.sort_by_key(|alert| (alert.time, alert.id));
    Ok(found)
}

impl Outgoing {
    /// The same for the same alert, however often it is delivered, and another for any other.
    pub fn dedupe_key(&self) -> &str {
        match self.event.get("dedupe_key") {
            Some(Value::Str(key)) => key,
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_remembered_reads_back_and_damage_is_nothing() {
        let outbox = Outbox {
            position: Position { next: [(0, 7), (u32::MAX, u64::MAX)].into() },
            done: vec![RecordId { writer: 3, sequence: 9 }],
            attempts: 4,
            not_before: -1,
        };
        let bytes = outbox.encode();
        assert_eq!(Outbox::decode(&bytes), Some(outbox));
        assert_eq!((describe(&bytes).0.len(), describe(&bytes[1..]).1), (5, 1));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(Outbox::decode(&damaged), None, "byte {at}");
            assert_eq!(Outbox::decode(&bytes[..at]), None, "cut at {at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_outbox_or_none(body in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend_from_slice(&format::crc(&[&body]).to_le_bytes());
            bytes.extend_from_slice(&body);
            let _any = Outbox::decode(&bytes);
        }
    }
}
