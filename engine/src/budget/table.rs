//! The table: the file through which processes share their counters.
//!
//! ```text
//! head       4,096 bytes: magic 8, version u32, CRC-32 of bytes 16 .. 64 u32, store 16, boot 16, fingerprint of the
//!            definitions u64, capacity u64, retired u32 (not 0 once another file takes its place), zeros
//! record     length u32, CRC-32 of the transaction u32, transaction, zeros up to a multiple of 8
//! ```
//!
//! The first record holds all counters, each later one what one transaction changed: see `op`. Whoever holds the lock
//! of the table reads what others have added, and adds. A record's length is stored last, so that a process that is
//! killed leaves no half of one; a full table is written anew. Nothing of it is ever synced: after another boot, or
//! when its bytes do not hold, the log is counted instead. A lost table loses nothing but time.

use std::path::Path;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{self, name::FileName};
use crate::io::{File, OpenMode, WriteMap};

/// The first bytes of the file.
pub(crate) const MAGIC: [u8; 8] = *b"LOGQBTB\x01";
const HEAD_SIZE: u64 = 4096;
const RETIRED_AT: u64 = 64;
/// Room for transactions behind the first record. Some 20,000 fit: the table is written anew once in so many.
const ROOM: u64 = 2 << 20;

/// A table that this process has open.
#[derive(Debug)]
pub(super) struct Table {
    map: Box<dyn WriteMap>,
    pub(super) identity: (u64, u64),
    capacity: u64,
    /// Where the next record begins.
    end: u64,
}

/// What stands at the end of what is known of a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Transaction(Vec<u8>),
    End,
    Damaged,
}

/// What a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    store: u128,
    boot: [u8; 16],
    fingerprint: u64,
    capacity: u64,
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let mut body = self.store.to_le_bytes().to_vec();
        body.extend_from_slice(&self.boot);
        body.extend_from_slice(&self.fingerprint.to_le_bytes());
        body.extend_from_slice(&self.capacity.to_le_bytes());
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&format::VERSION.to_le_bytes());
        head.extend_from_slice(&format::crc(&[&body]).to_le_bytes());
        head.extend_from_slice(&body);
        head
    }

    /// Reads a head; `Err` with the version of a newer one, `Ok(None)` for bytes that are none.
    fn decode(bytes: &[u8]) -> std::result::Result<Option<Self>, u32> {
        let Some(version) = format::u32_at(bytes, 8).filter(|_| bytes.starts_with(&MAGIC)) else {
            return Ok(None);
        };
        if version != format::VERSION {
            return if format::VERSION < version { Err(version) } else { Ok(None) };
        }
        let read = || {
            let body = bytes.get(16..64)?;
            (format::u32_at(bytes, 12)? == format::crc(&[body])).then_some(())?;
            Some(Self {
                store: u128::from_le_bytes(*body.first_chunk()?),
                boot: *body.get(16..)?.first_chunk()?,
                fingerprint: format::u64_at(body, 32)?,
                capacity: format::u64_at(body, 40)?,
            })
        };
        Ok(read())
    }
}

/// What the table of a store must be to be of use.
fn wanted(core: &Core, fingerprint: u64) -> Result<Head> {
    let boot = core.vfs.boot_id();
    Ok(Head { store: core.store_id()?, boot, fingerprint, capacity: 0 })
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::io("the table of the budgets cannot be used", path, error)
}

/// Opens the file and reads its head; `None` when there is no table that is of use.
fn open_file(core: &Core, fingerprint: u64, mode: OpenMode) -> Result<Option<(Box<dyn File>, Head)>> {
    let path = FileName::BudgetTable.path(&core.dir);
    let file = match core.vfs.open(&path, mode) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&path, error)),
    };
    let mut bytes = [0; 64];
    file.read_at(0, &mut bytes).map_err(|error| failed(&path, error))?;
    let head = Head::decode(&bytes).map_err(|version| {
        let what = format!(
            "version {version} wrote the table of the budgets, and this library reads {}",
            format::VERSION
        );
        Error::new(ErrorKind::Version, what).at(&path)
    })?;
    let size = file.stat().map_err(|error| failed(&path, error))?.size;
    let wanted = wanted(core, fingerprint)?;
    let usable = head.filter(|head| Head { capacity: 0, ..*head } == wanted && head.capacity <= size);
    Ok(usable.map(|head| (file, head)))
}

impl Table {
    /// Opens the table; `None` when there is none that is of use.
    ///
    /// # Errors
    /// What the operating system says, and [`ErrorKind::Version`].
    pub(super) fn open(core: &Core, fingerprint: u64) -> Result<Option<Self>> {
        let Some((file, head)) = open_file(core, fingerprint, OpenMode::ReadWrite)? else { return Ok(None) };
        let path = FileName::BudgetTable.path(&core.dir);
        let identity = file.stat().map_err(|error| failed(&path, error))?.identity;
        let map = file.map_write(head.capacity).map_err(|error| failed(&path, error))?;
        Ok(Some(Self { map, identity, capacity: head.capacity, end: HEAD_SIZE }))
    }

    /// Makes a new table with a first transaction, and puts it in the place of `old`.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn replace(core: &Core, fingerprint: u64, first: &[u8], old: Option<&Self>) -> Result<Self> {
        let (path, unfinished) =
            (FileName::BudgetTable.path(&core.dir), FileName::BudgetTableNew.path(&core.dir));
        let failed = |error| failed(&unfinished, error);
        match core.vfs.remove(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = core.vfs.open(&unfinished, OpenMode::CreateNew).map_err(failed)?;
        let capacity = HEAD_SIZE + record_size(first.len()) + ROOM;
        file.allocate(0, capacity).map_err(failed)?;
        let map = file.map_write(capacity).map_err(failed)?;
        map.write(0, &Head { capacity, ..wanted(core, fingerprint)? }.encode());
        let identity = file.stat().map_err(failed)?.identity;
        let mut table = Self { map, identity, capacity, end: HEAD_SIZE };
        table.append(first)?;
        // First the old one says that it is over, then the new one gets its name: a process that sees the one
        // without the other finds the old file under the name, whole, and does the same again.
        if let Some(old) = old {
            old.map.publish(RETIRED_AT, 1);
            old.map.check().map_err(failed)?;
        }
        core.vfs.rename(&unfinished, &path).map_err(failed)?;
        Ok(table)
    }

    /// Whether another file takes its place.
    pub(super) fn is_retired(&self) -> bool {
        let mut word = [0; 4];
        self.map.read(RETIRED_AT, &mut word);
        word != [0; 4]
    }

    /// Reads the next transaction.
    pub(super) fn next(&mut self) -> Next {
        let map = &self.map;
        let next = record_at(&|offset, buffer: &mut [u8]| map.read(offset, buffer), self.end, self.capacity);
        if let Next::Transaction(bytes) = &next {
            self.end += record_size(bytes.len());
        }
        next
    }

    /// Whether a transaction of so many bytes fits.
    pub(super) fn has_room(&self, len: usize) -> bool {
        // The word behind the record is part of it: it must read as zero.
        self.end + record_size(len) + 8 <= self.capacity
    }

    /// Adds a transaction, for which there is room.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut record = vec![0; 4];
        record.extend_from_slice(&format::crc(&[bytes]).to_le_bytes());
        record.extend_from_slice(bytes);
        // A writer that was killed may have left bytes here: what follows the record is zero again.
        record.resize(usize::try_from(record_size(bytes.len())).unwrap_or(usize::MAX) + 8, 0);
        self.map.write(self.end, &record);
        self.map.publish(self.end, len);
        self.map.check().map_err(|error| {
            Error::io("the table of the budgets cannot be written", Path::new("budgets"), error)
        })?;
        self.end += record_size(bytes.len());
        Ok(())
    }
}

/// Says of whatever has the table's name that it is over, so that processes that have it open look for another. To be
/// called before a table is made in the place of one that was of no use.
///
/// # Errors
/// What the operating system says.
pub(super) fn retire(core: &Core) -> Result<()> {
    let path = FileName::BudgetTable.path(&core.dir);
    match core.vfs.open(&path, OpenMode::ReadWrite) {
        Ok(file) => {
            let whole = HEAD_SIZE <= file.stat().map_err(|error| failed(&path, error))?.size;
            let retired = if whole { file.write_at(RETIRED_AT, &1_u32.to_le_bytes()) } else { Ok(()) };
            retired.map_err(|error| failed(&path, error))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(&path, error)),
    }
}

/// Reads all transactions of a table without changing it; `None` when there is none that is of use.
///
/// # Errors
/// As [`Table::open`].
pub(super) fn read(core: &Core, fingerprint: u64) -> Result<Option<Vec<Vec<u8>>>> {
    let Some((file, head)) = open_file(core, fingerprint, OpenMode::Read)? else { return Ok(None) };
    let path = FileName::BudgetTable.path(&core.dir);
    let mut bytes = vec![0; usize::try_from(head.capacity).unwrap_or(0)];
    file.read_at(0, &mut bytes).map_err(|error| failed(&path, error))?;
    Ok(transactions(&bytes, head.capacity))
}

/// The transactions in the bytes of a table; `None` when one does not hold.
fn transactions(bytes: &[u8], capacity: u64) -> Option<Vec<Vec<u8>>> {
    let copy = |offset: u64, buffer: &mut [u8]| {
        let from = usize::try_from(offset).ok();
        let part = from.and_then(|from| bytes.get(from..from.checked_add(buffer.len())?));
        match part {
            Some(part) => buffer.copy_from_slice(part),
            None => buffer.fill(0),
        }
    };
    let mut found = Vec::new();
    let mut end = HEAD_SIZE;
    loop {
        match record_at(&copy, end, capacity) {
            Next::Transaction(bytes) => {
                end += record_size(bytes.len());
                found.push(bytes);
            }
            Next::End if found.is_empty() => return None,
            Next::End => return Some(found),
            Next::Damaged => return None,
        }
    }
}

fn record_size(len: usize) -> u64 {
    (len as u64 + 8).next_multiple_of(8)
}

/// The record at a place of a table.
fn record_at(read: &dyn Fn(u64, &mut [u8]), at: u64, capacity: u64) -> Next {
    if capacity < at.saturating_add(8) {
        return Next::End;
    }
    let mut head = [0; 8];
    read(at, &mut head);
    let (len, crc) = (format::u32_at(&head, 0).unwrap_or(0), format::u32_at(&head, 4).unwrap_or(0));
    if len == 0 {
        return Next::End;
    }
    if capacity < at.saturating_add(8).saturating_add(len.into()) {
        return Next::Damaged;
    }
    let mut bytes = vec![0; len as usize];
    read(at + 8, &mut bytes);
    if format::crc(&[&bytes]) == crc { Next::Transaction(bytes) } else { Next::Damaged }
}

/// What a table is, for a human: its lines, and how many damaged pieces there are.
pub(crate) fn describe(bytes: &[u8]) -> (Vec<String>, u64) {
    let head = match Head::decode(bytes) {
        Ok(Some(head)) => head,
        Ok(None) => return (vec!["table of budgets, its head is damaged".into()], 1),
        Err(version) => {
            return (vec![format!("table of budgets of version {version}, newer than this library")], 0);
        }
    };
    let retired = format::u32_at(bytes, 64).unwrap_or(0) != 0;
    let mut lines = vec![format!(
        "table of budgets of store {:032x}, definitions {:016x}, {} bytes{}",
        head.store,
        head.fingerprint,
        head.capacity,
        if retired { ", over: another takes its place" } else { "" }
    )];
    match transactions(bytes, head.capacity) {
        Some(found) => {
            let bytes: usize = found.iter().map(Vec::len).sum();
            lines.push(format!("{} transactions of {bytes} bytes", found.len()));
            (lines, 0)
        }
        None => {
            lines.push("its transactions are damaged: the log will be counted anew".into());
            (lines, 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_and_every_flipped_bit_is_noticed() {
        let head = Head { store: 7, boot: [3; 16], fingerprint: 9, capacity: 8192 };
        let bytes = head.encode();
        assert_eq!(Head::decode(&bytes), Ok(Some(head)));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut broken = bytes.clone();
                broken[at] ^= 1 << bit;
                assert_ne!(Head::decode(&broken), Ok(Some(head)), "byte {at}, bit {bit}");
            }
        }
    }

    fn sample() -> (Vec<u8>, u64) {
        let mut bytes = vec![0; 4096];
        for transaction in [&b"first"[..], b"second one"] {
            bytes.extend_from_slice(&u32::try_from(transaction.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(&format::crc(&[transaction]).to_le_bytes());
            bytes.extend_from_slice(transaction);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes.resize(bytes.len() + 64, 0);
        let capacity = bytes.len() as u64;
        (bytes, capacity)
    }

    #[test]
    fn damage_to_any_byte_of_a_transaction_is_noticed() {
        let (bytes, capacity) = sample();
        let found = transactions(&bytes, capacity).unwrap();
        assert_eq!(found, [b"first".to_vec(), b"second one".to_vec()]);
        for at in (4096..4096 + 13).chain(4096 + 16..4096 + 34) {
            let mut broken = bytes.clone();
            broken[at] ^= 0x40;
            assert_ne!(transactions(&broken, capacity), Some(found.clone()), "byte {at}");
        }
        assert_eq!(transactions(&bytes[..4096], capacity), None, "nothing in it");
        assert_eq!(transactions(&bytes, 4100), None);
    }
}
