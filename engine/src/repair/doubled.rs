//! Records that several files hold, as after files were copied into a store by hand: which of them may go.
//!
//! A record stays in the file with the most records, and goes from the others, where each holds the same time, arrival and
//! fields under its id. What differs stays in all of them: nobody can tell which one is right. Nothing goes for
//! the sake of a file that a writer is filling, since what it holds may not be on disk yet, nor for a record that does not read.

use std::collections::HashSet;
use std::ops::{ControlFlow, Range};

use super::{Planned, RepairKind, RepairStep, Target, aside, leave, left};
use crate::check::{self, Depth, Doubled};
use crate::column::hash_wide;
use crate::core::Core;
use crate::error::Result;
use crate::format::manifest::Place;
use crate::maintenance::Maintenance;
use crate::manifest::State;
use crate::record;
use crate::record_id::RecordId;
use crate::scan::{Batch, Scan};
use crate::slot;
use crate::snapshot::{Cache, Snapshot};

/// A file that holds records which others hold too.
struct Share {
    place: Place,
    /// All that read of it.
    records: u64,
    /// The records that may go from it.
    gone: HashSet<RecordId>,
    /// How many are said otherwise in another file.
    differing: u64,
    /// Whether a writer is filling it.
    live: bool,
}

/// A record in one of the files, as a key of what it says.
struct Copy {
    id: RecordId,
    file: usize,
    digest: u128,
}

/// What the files share, and what may go from each.
fn shares(core: &Core, state: &State, doubled: &Doubled) -> Result<Vec<Share>> {
    let live = |place: Place| {
        matches!(place, Place::Active { slot, number } if state.is_last(slot, number)
            && slot::is_live(&*core.vfs, &core.dir, slot))
    };
    let share = |&place: &Place| {
        let gone = HashSet::new();
        Share { place, records: 0, gone, differing: 0, live: live(place) }
    };
    let mut shares: Vec<Share> = doubled.places.iter().map(share).collect();
    let snapshot = Snapshot::take(core, &Cache::default())?;
    // No index: what a damaged one does not find is there all the same.
    let scan = Scan { fields: true, index: false, ..Scan::default() };
    let mut copies = Vec::new();
    for part in snapshot.parts(&scan)? {
        let (slot, number) = part.file();
        let is = |place: Place| match place {
            Place::Active { slot: of, number: file } => (of, file) == (slot, number),
            Place::Segment { id, .. } => (u32::MAX, id) == (slot, number),
        };
        let Some(file) = shares.iter().position(|share| is(share.place)) else { continue };
        part.scan(&mut |batch| {
            if let Some(share) = shares.get_mut(file) {
                share.records = share.records.saturating_add(batch.len() as u64);
            }
            for row in 0..batch.len() {
                let id = batch.id(row);
                if is_shared(&doubled.shared, id) {
                    copies.push(Copy { id, file, digest: digest(batch, row) });
                }
            }
            ControlFlow::Continue(())
        })?;
    }
    copies.sort_unstable_by_key(|copy| (copy.id, copy.file));
    for same in copies.chunk_by(|one, other| one.id == other.id) {
        judge(&mut shares, same);
    }
    Ok(shares)
}

/// Decides over the copies of one record.
fn judge(shares: &mut [Share], copies: &[Copy]) {
    let Some(first) = copies.first().filter(|_| 1 < copies.len()) else { return };
    let differs = copies.iter().any(|copy| copy.digest != first.digest);
    // A file that has it twice would lose both.
    let twice = copies.windows(2).any(|pair| matches!(pair, [one, other] if one.file == other.file));
    let is_live = |copy: &Copy| shares.get(copy.file).is_none_or(|share| share.live);
    if differs || twice || copies.iter().any(is_live) {
        for copy in copies {
            if let Some(share) = shares.get_mut(copy.file).filter(|_| differs) {
                share.differing += 1;
            }
        }
        return;
    }
    let rank = |copy: &&Copy| {
        let share = shares.get(copy.file);
        (share.map_or(0, |share| share.records), std::cmp::Reverse(copy.file))
    };
    let stays = copies.iter().max_by_key(rank).map_or(0, |copy| copy.file);
    for copy in copies.iter().filter(|copy| copy.file != stays) {
        if let Some(share) = shares.get_mut(copy.file) {
            share.gone.insert(copy.id);
        }
    }
}

/// Whether several files hold this id; the runs are in order.
fn is_shared(runs: &[(u32, Range<u64>)], id: RecordId) -> bool {
    let at = runs.partition_point(|(writer, run)| (*writer, run.end) <= (id.writer, id.sequence));
    runs.get(at).is_some_and(|(writer, run)| *writer == id.writer && run.start <= id.sequence)
}

/// A key of all that a record says; fields in the order of their names, since files may keep them in another.
fn digest(batch: &Batch<'_>, row: usize) -> u128 {
    let mut fields: Vec<_> = batch.fields(row).collect();
    fields.sort_by_key(|(name, _)| *name);
    let mut bytes = Vec::new();
    for of in [batch.time(row), batch.arrived(row)] {
        bytes.extend_from_slice(&of.to_le_bytes());
    }
    for (name, value) in fields {
        bytes.extend_from_slice(name.as_bytes());
        // No name has this byte, and no text of UTF-8 does.
        bytes.push(0xFF);
        record::put_field(&mut bytes, 0, value);
    }
    hash_wide(&bytes)
}

/// The steps for files that hold the same records.
pub(super) fn plan(core: &Core, state: &State, doubled: &Doubled, planned: &mut Vec<Planned>) -> Result<()> {
    if doubled.gaps.is_empty() {
        return Ok(());
    }
    let shares = shares(core, state, doubled)?;
    let mut told = vec![false; doubled.gaps.len()];
    for share in shares.iter().filter(|share| !share.gone.is_empty()) {
        let file = share.place.file().relative();
        let mut damage = Vec::new();
        for (gap, told) in doubled.gaps.iter().zip(&mut told) {
            if !*told && gap.names(&file) {
                *told = true;
                damage.push(gap.gap.clone());
            }
        }
        let gone = share.gone.len() as u64;
        let mut why = format!("{gone} of its records are in other files, too, and go from it");
        if share.differing != 0 {
            why += &format!("; {} are said otherwise there, and stay", share.differing);
        }
        planned.push(Planned {
            step: RepairStep {
                kind: RepairKind::Undouble,
                damage,
                kept: Some(share.records.saturating_sub(gone)),
                lost: Some(0),
                aside: Some(aside(share.place.file())),
                output: None,
                why,
                file,
            },
            target: Target::Doubled,
        });
    }
    for (of, _) in doubled.gaps.iter().zip(&told).filter(|(_, told)| !**told) {
        let of_gap = |share: &&Share| of.names(&share.place.file().relative());
        let why = match shares.iter().filter(of_gap).find(|share| share.live) {
            Some(live) => {
                let file = live.place.file().relative();
                format!("a writer is filling {file}: repair again when it has closed")
            }
            None => "another file says something else under the same ids, and nobody can tell which is right"
                .into(),
        };
        let step = RepairStep {
            kind: RepairKind::Leave,
            file: of.gap.file.clone(),
            damage: vec![of.gap.clone()],
            kept: None,
            lost: None,
            aside: None,
            output: None,
            why: String::new(),
        };
        planned.push(left(step, why));
    }
    Ok(())
}

/// Whether an active file is among those that records go from.
pub(super) fn has_active(planned: &[Planned]) -> bool {
    planned.iter().any(|planned| {
        matches!(planned.target, Target::Doubled) && planned.step.file.starts_with(super::ACTIVE_DIR)
    })
}

/// Takes doubled records out of segments: what was active is sealed by now. `sealed` says which file is now in which.
pub(super) fn apply(
    core: &Core,
    maintenance: &mut Maintenance<'_>,
    planned: &mut [Planned],
    sealed: &[(String, String)],
) -> Result<()> {
    if !planned.iter().any(|planned| matches!(planned.target, Target::Doubled)) {
        return Ok(());
    }
    let now_in = |file: &str| {
        let of = sealed.iter().find(|(from, _)| from == file);
        of.map_or_else(|| file.to_owned(), |(_, into)| into.clone())
    };
    let examined = check::examine(core, Depth::Checksums)?;
    let state = core.manifest()?.state;
    for share in shares(core, &state, &examined.doubled)? {
        let Place::Segment { id, .. } = share.place else { continue };
        if share.gone.is_empty() {
            continue;
        }
        let file = share.place.file().relative();
        let done = maintenance.undouble(id, &share.gone)?;
        let of_file = |planned: &&mut Planned| {
            matches!(planned.target, Target::Doubled) && now_in(&planned.step.file) == file
        };
        for planned in planned.iter_mut().filter(of_file) {
            match &done {
                Ok(done) => {
                    planned.step.aside.clone_from(&done.aside);
                    planned.step.output = Some(done.output.clone()).filter(|output| !output.is_empty());
                }
                Err(gap) => leave(&mut planned.step, gap.what.clone()),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::format::footer::{Footer, Read};
    use crate::format::manifest::Op;
    use crate::{Event, Options, Store};

    fn open(dir: &Path) -> Store {
        Store::open(dir, Options { maintain: false, ..Options::default() }).unwrap()
    }

    fn append(store: &Store, numbers: Range<i64>) {
        let log = store.writer().unwrap();
        for n in numbers {
            log.append(&Event::new().at(n).field("n", n)).unwrap();
        }
        log.close().unwrap();
    }

    fn count(store: &Store) -> (usize, usize) {
        let mut ids = Vec::new();
        for part in store.snapshot().unwrap().parts(&Scan::default()).unwrap() {
            part.scan(&mut |batch| {
                ids.extend_from_slice(batch.ids());
                ControlFlow::Continue(())
            })
            .unwrap();
        }
        let all = ids.len();
        (all, ids.into_iter().collect::<HashSet<_>>().len())
    }

    /// A store with an active file, and a segment that was sealed from a copy of it.
    fn sealed_in_a_copy(dir: &Path, more: i64) -> Store {
        let (here, there) = (dir.join("here"), dir.join("there"));
        let store = open(&here);
        append(&store, 0..50);
        drop(store);
        std::fs::create_dir_all(there.join("active")).unwrap();
        for file in ["MANIFEST", "active/0-1.log"] {
            std::fs::copy(here.join(file), there.join(file)).unwrap();
        }
        let copy = open(&there);
        copy.seal().unwrap();
        drop(copy);
        std::fs::create_dir_all(here.join("segments")).unwrap();
        std::fs::copy(there.join("segments/0.seg"), here.join("segments/0.seg")).unwrap();
        let bytes = std::fs::read(here.join("segments/0.seg")).unwrap();
        let Read::Footer { footer, .. } = Footer::read(&bytes) else { panic!("no footer") };
        let options = Options { maintain: false, ..Options::default() };
        let core = Core::open(std::sync::Arc::new(crate::io::disk::Disk::new()), &here, options).unwrap();
        let add = Op::Add { id: 0, entry: footer.entry(bytes.len() as u64) };
        core.commit(|_| Ok(vec![add])).unwrap();
        let store = open(&here);
        if 0 < more {
            append(&store, 50..50 + more);
        }
        store
    }

    #[test]
    fn an_active_file_and_a_segment_with_the_same_records_become_one() {
        for more in [0, 30] {
            let dir = tempfile::tempdir().unwrap();
            let store = sealed_in_a_copy(dir.path(), more);
            let unique = 50 + usize::try_from(more).unwrap();
            assert_eq!(count(&store), (unique + 50, unique));
            let planned = store.plan_repair().unwrap();
            assert!(planned.steps.iter().any(|step| step.kind == RepairKind::Undouble), "{planned:?}");
            let done = store.repair().unwrap();
            assert_eq!(done.left, [], "{done:?}");
            assert_eq!(count(&store), (unique, unique), "{done:?}");
            assert_eq!(store.check_deep().unwrap().damage, []);
        }
    }

    #[test]
    fn what_a_writer_is_filling_is_not_touched_until_it_closes() {
        let dir = tempfile::tempdir().unwrap();
        let store = sealed_in_a_copy(dir.path(), 0);
        let log = store.writer().unwrap();
        log.append(&Event::new().at(0)).unwrap();
        let done = store.repair().unwrap();
        let step = done.steps.iter().find(|step| step.kind == RepairKind::Leave).unwrap();
        assert!(step.why.contains("repair again when it has closed"), "{step:?}");
        assert_eq!(count(&store), (101, 51), "what the writer holds may not be on disk yet");
        log.close().unwrap();
        store.repair().unwrap();
        assert_eq!(count(&store), (51, 51));
    }

    #[test]
    fn an_id_is_found_in_the_runs_that_are_shared() {
        let runs = [(1, 5..8), (1, 20..21), (3, 0..2)];
        let shared = |writer, sequence| is_shared(&runs, RecordId { writer, sequence });
        for (writer, sequence) in [(1, 5), (1, 7), (1, 20), (3, 0), (3, 1)] {
            assert!(shared(writer, sequence), "{writer}-{sequence}");
        }
        for (writer, sequence) in [(0, 5), (1, 4), (1, 8), (1, 21), (2, 0), (2, 5), (3, 2), (4, 0)] {
            assert!(!shared(writer, sequence), "{writer}-{sequence}");
        }
    }
}
