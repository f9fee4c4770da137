//! The engine on a simulated machine that fails wherever a machine can fail.
//!
//! A run appends numbered events and keeps what was acknowledged. It is stopped at every operation in turn,
//! by a power cut, a kill or an error; whatever part of the unsynced bytes and names survived, the store must
//! open, hold what was acknowledged, nothing twice, nothing foreign, in order, and take more.
//!
//! Planted bugs, syncs that do nothing, show that these tests would notice.

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;

use logq_engine::io::Support;
use logq_engine::io::sim::{EIO, ENOSPC, Fault, Keep, Op, SimDisk};
use logq_engine::{Batch, Durability, Event, Options, Result, Scan, Store, Value};

/// Events of one run: enough to fill more than one file.
const COUNT: i64 = 30;
/// Numbers of the events that a reopened store takes.
const MORE: std::ops::Range<i64> = 1000..1003;
const STORE: &str = "/store";

/// What callers of the store were told.
#[derive(Clone, Debug, Default)]
struct Acks {
    /// These survive a power cut.
    durable: Vec<i64>,
    /// These survive the death of the process.
    visible: Vec<i64>,
}

fn open(disk: &SimDisk, durability: Durability) -> Result<Store> {
    let options = Options { durability, file_size: 16 << 10, ..Options::default() };
    Store::open_on(Arc::new(disk.clone()), STORE, options)
}

/// Appends events of many sizes, one by one, with a flush now and then.
fn run(disk: &SimDisk, durability: Durability, numbers: std::ops::Range<i64>, acks: &mut Acks) -> Result<()> {
    let store = open(disk, durability)?;
    let log = store.writer()?;
    for n in numbers {
        let size = usize::try_from(n * 37 % 1200).unwrap();
        log.append(&Event::new().field("n", n).field("message", "x".repeat(size).as_str()))?;
        acks.visible.push(n);
        if n % 5 == 4 {
            log.flush()?;
        }
        if durability == Durability::Synced || n % 5 == 4 {
            acks.durable.clone_from(&acks.visible);
        }
    }
    log.close()?;
    acks.durable.clone_from(&acks.visible);
    Ok(())
}

fn read(store: &Store) -> Result<Vec<i64>> {
    let snapshot = store.snapshot()?;
    let scan = Scan { columns: vec!["n".into()], ..Scan::default() };
    let mut found = Vec::new();
    for part in snapshot.parts(&scan)? {
        part.scan(&mut |batch: &Batch<'_>| {
            found.extend(batch.column(0).iter().map(|value| match value {
                Some(Value::Int(n)) => *n,
                _ => -1,
            }));
            ControlFlow::Continue(())
        })?;
    }
    Ok(found)
}

/// Whether a machine holds what it must, goes on, and keeps what it shows.
fn sound(disk: &SimDisk, must: &[i64]) -> std::result::Result<(), String> {
    let found = holds(disk, must)?;
    if found.iter().any(|n| MORE.contains(n)) {
        return Ok(());
    }
    let all: Vec<i64> = found.into_iter().chain(MORE).collect();
    let again = goes_on(disk, must)?;
    if again == all { Ok(()) } else { Err(format!("{again:?} instead of {all:?}")) }
}

/// What a machine holds, when it holds what it must.
fn holds(disk: &SimDisk, must: &[i64]) -> std::result::Result<Vec<i64>, String> {
    let text = |error: logq_engine::Error| error.to_string();
    let found = match open(disk, Durability::Synced) {
        Ok(store) => {
            let found = read(&store).map_err(text)?;
            let damage = store.check().map_err(text)?.damage;
            if !damage.is_empty() {
                return Err(format!("damage: {damage:?}"));
            }
            found
        }
        Err(error) => return Err(format!("does not open: {error}")),
    };
    if let Some(lost) = must.iter().find(|n| !found.contains(n)) {
        return Err(format!("{lost} is lost, found {found:?}"));
    }
    if !found.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(format!("not in order or twice: {found:?}"));
    }
    if !found.iter().all(|n| (0..COUNT).contains(n) || MORE.contains(n)) {
        return Err(format!("foreign: {found:?}"));
    }
    Ok(found)
}

/// What a machine holds after it took more.
fn goes_on(disk: &SimDisk, must: &[i64]) -> std::result::Result<Vec<i64>, String> {
    run(disk, Durability::Synced, MORE, &mut Acks::default()).map_err(|e| format!("takes no more: {e}"))?;
    let must: Vec<i64> = must.iter().copied().chain(MORE).collect();
    holds(disk, &must)
}

fn keeps(seed: u64) -> impl Iterator<Item = Keep> {
    let random = (0..3).map(move |n| Keep::Subset(seed * 7 + n)).chain([Keep::Prefix(seed)]);
    [Keep::Nothing, Keep::Everything].into_iter().chain(random)
}

/// Cuts the power at every operation of a run, and judges some of the ways in which the machine may come up.
fn power_cuts(durability: Durability, prepare: impl Fn(&SimDisk)) -> Vec<String> {
    let mut complaints = Vec::new();
    for cut in 0.. {
        let disk = SimDisk::new(cut);
        prepare(&disk);
        disk.cut_after(cut);
        let mut acks = Acks::default();
        let result = run(&disk, durability, 0..COUNT, &mut acks);
        for keep in keeps(cut) {
            if let Err(what) = sound(&disk.crash(&keep), &acks.durable) {
                complaints.push(format!("{durability:?}, cut after {cut}, {keep:?}: {what}"));
            }
        }
        if !disk.is_cut() {
            result.unwrap();
            return complaints;
        }
    }
    complaints
}

#[track_caller]
fn none(complaints: &[impl Debug]) {
    assert!(complaints.is_empty(), "{} complaints, first {:#?}", complaints.len(), complaints.first());
}

#[test]
fn no_power_cut_loses_what_was_synced() {
    none(&power_cuts(Durability::Synced, |_| ()));
    none(&power_cuts(Durability::Buffered, |_| ()));
}

#[test]
fn no_power_cut_loses_what_was_synced_where_files_are_written() {
    none(&power_cuts(Durability::Synced, |disk| disk.set_support(Support::Written)));
}

#[test]
fn no_power_cut_during_recovery_loses_what_was_synced() {
    let mut complaints = Vec::new();
    for cut in (0..).step_by(5) {
        let disk = SimDisk::new(cut);
        disk.cut_after(cut);
        let mut acks = Acks::default();
        run(&disk, Durability::Synced, 0..COUNT, &mut acks).err();
        for second in 0..40 {
            let once = disk.crash(&Keep::Subset(second));
            once.cut_after(second);
            let mut more = Acks { durable: acks.durable.clone(), visible: acks.visible.clone() };
            run(&once, Durability::Synced, MORE, &mut more).err();
            let mut must = acks.durable.clone();
            must.extend(more.durable.iter().filter(|n| MORE.contains(n)));
            let twice = once.crash(&Keep::Subset(cut + second));
            if let Err(what) = sound(&twice, &must) {
                complaints.push(format!("cut after {cut} and after {second}: {what}"));
            }
        }
        if !disk.is_cut() {
            break;
        }
    }
    none(&complaints);
}

#[test]
fn no_kill_loses_what_was_acknowledged() {
    for durability in [Durability::Buffered, Durability::Synced] {
        let mut complaints = Vec::new();
        for kill in 0.. {
            let disk = SimDisk::new(1);
            let victim = disk.process();
            victim.kill_after(kill);
            let mut acks = Acks::default();
            let result = run(&victim, durability, 0..COUNT, &mut acks);
            if let Err(what) = sound(&disk, &acks.visible) {
                complaints.push(format!("{durability:?}, killed after {kill}: {what}"));
            }
            if disk.ops() < kill {
                result.unwrap();
                break;
            }
        }
        none(&complaints);
    }
}

/// Fails each operation of a run in turn.
fn failures(kinds: &[Op], errno: i32, for_good: bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for &op in kinds {
        for nth in 1.. {
            let disk = SimDisk::new(nth);
            disk.fail(Fault { for_good, ..Fault::once(op, nth, errno) });
            let mut acks = Acks::default();
            let result = run(&disk, Durability::Synced, 0..COUNT, &mut acks);
            if disk.fired() == 0 {
                result.unwrap();
                break;
            }
            disk.heal();
            for keep in [Keep::Nothing, Keep::Subset(nth), Keep::Everything] {
                if let Err(what) = sound(&disk.crash(&keep), &acks.durable) {
                    complaints.push(format!("{op:?} {nth} fails with {errno}, then {keep:?}: {what}"));
                }
            }
            // What is visible and was not acknowledged may turn out not to be on disk, and go.
            let again = holds(&disk, &acks.visible).and_then(|_| goes_on(&disk, &acks.visible));
            if let Err(what) = again {
                complaints.push(format!("{op:?} {nth} fails with {errno}, reopened: {what}"));
            }
        }
    }
    complaints
}

#[test]
fn no_single_error_loses_what_was_acknowledged() {
    none(&failures(&Op::ALL, EIO, false));
    none(&failures(&[Op::Write, Op::Allocate, Op::Create, Op::CreateDir, Op::Rename], ENOSPC, false));
}

#[test]
fn no_lasting_error_loses_what_was_acknowledged() {
    none(&failures(&Op::ALL, EIO, true));
    none(&failures(&[Op::Write, Op::Allocate, Op::Create, Op::CreateDir, Op::Rename], ENOSPC, true));
}

#[test]
fn no_refused_write_is_acknowledged_where_files_are_written() {
    let mut complaints = Vec::new();
    for nth in 1.. {
        let disk = SimDisk::new(1);
        disk.set_support(Support::Written);
        disk.fail(Fault::once(Op::Write, nth, ENOSPC).on(".log"));
        let mut acks = Acks::default();
        let result = run(&disk, Durability::Buffered, 0..COUNT, &mut acks);
        if disk.fired() == 0 {
            result.unwrap();
            break;
        }
        if let Err(what) = holds(&disk, &acks.visible) {
            complaints.push(format!("write {nth} is refused: {what}"));
        }
    }
    none(&complaints);
}

#[test]
fn no_full_disk_loses_what_was_acknowledged() {
    let mut complaints = Vec::new();
    for pages in 0..20 {
        let disk = SimDisk::new(pages);
        disk.set_capacity(Some(pages * 4096));
        let mut acks = Acks::default();
        run(&disk, Durability::Synced, 0..COUNT, &mut acks).err();
        if open(&disk, Durability::Synced)
            .is_ok_and(|store| read(&store).is_ok_and(|found| found != acks.visible))
        {
            complaints.push(format!("{pages} pages: other records than acknowledged"));
        }
        let after = disk.crash(&Keep::Nothing);
        after.set_capacity(None);
        if let Err(what) = sound(&after, &acks.durable) {
            complaints.push(format!("{pages} pages: {what}"));
        }
    }
    none(&complaints);
}

#[test]
fn planted_bugs_are_noticed() {
    for (op, path) in
        [(Op::Sync, ".log"), (Op::Sync, "MANIFEST"), (Op::SyncDir, "/active"), (Op::SyncDir, "/store")]
    {
        let complaints = power_cuts(Durability::Synced, |disk| disk.forget_syncs(op, path));
        assert!(10 < complaints.len(), "{op:?} of {path} can be left out: {complaints:#?}");
    }
}
