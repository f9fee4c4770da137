//! Power cuts on the simulated disk: at every operation, with any subset of what was not synced.
//!
//! A workload appends in every durability, in batches, over rotations, closes and reopens. The machine
//! stops at each of its operations in turn and comes up in several of the states that a real one could.
//! Then every record that was promised is there once, nothing is there that was not appended, batches are
//! whole, and nothing is called damage, since nothing was.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use logq_engine::io::sim::{Keep, SimDisk};
use logq_engine::{Durability, Error, Event, Options, RecordId, Scan, Store, Writer};

use crate::support::{numbers, read};

pub(crate) const DIR: &str = "/store";

fn options() -> Options {
    Options { file_size: 16 << 10, durability: Durability::Buffered, ..Options::default() }
}

/// What the workload was told, as it happened.
#[derive(Default)]
pub(crate) struct Told {
    /// Records handed in, acknowledged or not: their numbers are 0 ..
    pub(crate) tried: i64,
    /// Acknowledged records by number.
    pub(crate) acknowledged: BTreeMap<i64, RecordId>,
    /// Numbers that were promised to be on disk.
    pub(crate) promised: Vec<i64>,
    /// First and last number of each batch.
    pub(crate) batches: Vec<(i64, i64)>,
}

impl Told {
    fn event(&mut self) -> Event {
        let n = self.tried;
        self.tried += 1;
        let text = "m".repeat(200 + usize::try_from(n % 7).unwrap() * 150);
        Event::new().at(n).field("n", n).field("message", text.as_str())
    }

    pub(crate) fn append(&mut self, log: &Writer, durable: bool) -> Result<(), Error> {
        let n = self.tried;
        let id = log.append(&self.event())?;
        self.acknowledged.insert(n, id);
        if durable {
            self.promised.push(n);
        }
        Ok(())
    }

    pub(crate) fn batch(&mut self, log: &Writer, count: i64, durable: bool) -> Result<(), Error> {
        let first = self.tried;
        let events: Vec<_> = (0..count).map(|_| self.event()).collect();
        self.batches.push((first, first + count - 1));
        let id = log.append_batch(&events)?;
        for at in 0..count {
            let sequence = id.sequence + u64::try_from(at).unwrap();
            self.acknowledged.insert(first + at, RecordId { sequence, ..id });
            if durable {
                self.promised.push(first + at);
            }
        }
        Ok(())
    }

    pub(crate) fn flushed(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        result?;
        self.promised = self.acknowledged.keys().copied().collect();
        Ok(())
    }
}

pub(crate) fn open(disk: &SimDisk) -> Result<Store, Error> {
    Store::open_on(Arc::new(disk.clone()), Path::new(DIR), options())
}

/// Appends in every way there is. Ends early when the power is cut.
fn workload(disk: &SimDisk, told: &mut Told) -> Result<(), Error> {
    let store = open(disk)?;
    let synced = store.writer_with(Durability::Synced)?;
    for _ in 0..6 {
        told.append(&synced, true)?;
    }
    told.batch(&synced, 90, true)?;
    let buffered = store.writer_with(Durability::Buffered)?;
    for at in 0..40 {
        told.append(&buffered, false)?;
        if at % 16 == 5 {
            told.append(&synced, true)?;
        }
    }
    told.flushed(buffered.flush())?;
    told.batch(&buffered, 5, false)?;
    told.append(&synced, true)?;
    synced.close()?;
    let again = store.writer_with(Durability::Interval(std::time::Duration::from_secs(1)))?;
    for _ in 0..12 {
        told.append(&again, false)?;
    }
    let flushed = again.flush().and_then(|()| buffered.flush());
    told.flushed(flushed)?;
    told.append(&again, false)?;
    told.batch(&again, 3, false)?;
    again.close()?;
    buffered.close()
}

/// Everything that must hold after a crash. Returns the ids that are there.
pub(crate) fn verify(disk: &SimDisk, told: &Told, context: &str) -> BTreeMap<i64, RecordId> {
    let store = match open(disk) {
        Ok(store) => store,
        Err(error) => {
            assert!(
                told.promised.is_empty(),
                "{context}: promised records, and the store does not open: {error}"
            );
            return BTreeMap::new();
        }
    };
    let (rows, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
    assert_eq!(gaps, [], "{context}: a crash is no damage");
    assert_eq!(store.check().unwrap().damage, [], "{context}");
    let found: BTreeMap<i64, RecordId> =
        numbers(&rows).into_iter().zip(rows.iter().map(|row| row.id)).collect();
    assert_eq!(found.len(), rows.len(), "{context}: a record is there twice");
    for n in &told.promised {
        assert_eq!(found.get(n), told.acknowledged.get(n), "{context}: record {n} was promised");
    }
    for (n, id) in &found {
        assert!(*n < told.tried, "{context}: record {n} was never appended");
        assert!(told.acknowledged.get(n).is_none_or(|acknowledged| acknowledged == id), "{context}: {n}");
    }
    for &(first, last) in &told.batches {
        let there = (first..=last).filter(|n| found.contains_key(n)).count();
        let whole = usize::try_from(last - first + 1).unwrap();
        assert!(there == 0 || there == whole, "{context}: {there} of {whole} records of a batch");
    }
    found
}

/// A store that came up takes records, and their ids name nothing that was ever seen.
pub(crate) fn go_on(disk: &SimDisk, told: &Told, context: &str) {
    let mut later = Told { tried: told.tried, ..Told::default() };
    let store = open(disk).unwrap();
    let log = store.writer_with(Durability::Synced).unwrap();
    for _ in 0..3 {
        later.append(&log, true).unwrap();
    }
    for id in later.acknowledged.values() {
        assert!(!told.acknowledged.values().any(|seen| seen == id), "{context}: {id} names two records");
    }
    later.acknowledged.extend(&told.acknowledged);
    later.promised.extend(&told.promised);
    later.batches.clone_from(&told.batches);
    log.close().unwrap();
    verify(disk, &later, &format!("{context}, and then written on"));
}

pub(crate) fn states(seed: u64) -> Vec<Keep> {
    let mut states = vec![Keep::Nothing, Keep::Everything];
    states.extend((0..4).map(|at| Keep::Subset(seed * 31 + at)));
    states.extend((0..2).map(|at| Keep::Prefix(seed * 17 + at)));
    states
}

fn operations() -> u64 {
    let disk = SimDisk::new(1);
    let mut told = Told::default();
    workload(&disk, &mut told).unwrap();
    let count = disk.ops();
    verify(&disk, &told, "without a crash");
    count
}

#[test]
fn a_power_cut_at_any_operation_loses_no_promised_record() {
    let count = operations();
    assert!(200 < count, "the workload does {count} operations");
    for cut in 0..count {
        let disk = SimDisk::new(1);
        disk.cut_after(cut);
        let mut told = Told::default();
        // Only giving back the tail of a closed file may fail without being an error.
        let _ended_early = workload(&disk, &mut told);
        assert!(disk.is_cut());
        for keep in states(cut) {
            let context = format!("cut after {cut}, {keep:?}");
            let image = disk.crash(&keep);
            let found = verify(&image, &told, &context);
            if !found.is_empty() || !told.promised.is_empty() {
                go_on(&image, &told, &context);
            }
        }
    }
}

#[test]
fn a_power_cut_inside_a_recovery_loses_no_promised_record() {
    let count = operations();
    for cut in (count / 3..count).step_by(29) {
        let disk = SimDisk::new(2);
        disk.cut_after(cut);
        let mut told = Told::default();
        let _ended_early = workload(&disk, &mut told);
        let image = disk.crash(&Keep::Subset(cut));
        for second in 0.. {
            let machine = image.crash(&Keep::Everything);
            machine.cut_after(machine.ops() + second);
            let mut later = Told { tried: told.tried, ..Told::default() };
            let done = open(&machine).and_then(|store| {
                let log = store.writer_with(Durability::Synced)?;
                later.append(&log, true)?;
                log.close()
            });
            later.acknowledged.extend(&told.acknowledged);
            later.promised.extend(&told.promised);
            later.batches.clone_from(&told.batches);
            let context = format!("cut after {cut}, then {second} operations into the recovery");
            verify(&machine.crash(&Keep::Subset(second)), &later, &context);
            if done.is_ok() {
                break;
            }
        }
    }
}
