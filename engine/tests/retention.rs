//! Retention by bytes: what goes, in which order, and what no rule names.

use std::sync::Arc;

use logq_engine::io::sim::SimDisk;
use logq_engine::{Event, Options, RetentionRule, Store, UpkeepKind};

use crate::support::rows;

const HOUR: i64 = 3_600_000_000_000;

fn open(disk: &SimDisk, options: &Options) -> Store {
    Store::open_on(Arc::new(disk.clone()), "store", options.clone()).unwrap()
}

fn options() -> Options {
    Options { maintain: false, file_size: 64 << 10, ..Options::default() }
}

/// Three segments that arrived an hour apart, the one of the latest event times first, and a record that is not sealed.
fn filled(disk: &SimDisk) -> Store {
    let store = open(disk, &options());
    for (round, time) in [(1, 900), (2, 100), (3, 500)] {
        let log = store.writer().unwrap();
        for n in 0..50 {
            let event = Event::ai("call").field("round", round).field("noise", n * 7919 % 1009);
            log.append(&event.at(time * HOUR + n)).unwrap();
        }
        log.close().unwrap();
        store.seal().unwrap();
        disk.advance(HOUR);
    }
    let log = store.writer().unwrap();
    log.append(&Event::ai("call").field("round", 4)).unwrap();
    log.close().unwrap();
    store
}

/// How many records of each round there are.
fn rounds(store: &Store) -> [usize; 4] {
    let of = |round: usize| {
        let is = ("round".to_owned(), format!("Int({round})"));
        rows(store).iter().filter(|row| row.fields.contains(&is)).count()
    };
    [of(1), of(2), of(3), of(4)]
}

fn expired(upkeep: &logq_engine::Upkeep) -> Vec<RetentionRule> {
    let rule = |kind| if let UpkeepKind::Expire(rule) = kind { Some(rule) } else { None };
    upkeep.steps.iter().filter_map(|step| rule(step.kind)).collect()
}

fn stored(store: &Store) -> u64 {
    let health = store.health(store.now()).unwrap();
    health.active.stored + health.sealed.stored
}

#[test]
fn what_arrived_first_goes_first_until_the_store_is_small_enough() {
    let disk = SimDisk::new(3);
    let store = filled(&disk);
    store.seal().unwrap();
    let all = stored(&store);
    assert_eq!(rounds(&store), [50, 50, 50, 1]);
    drop(store);
    // At the limit nothing goes; a byte below it one segment does, the one that arrived first.
    for (limit, want) in
        [(all, [50, 50, 50, 1]), (all - 1, [0, 50, 50, 1]), (all / 2, [0, 0, 50, 1]), (0, [0, 0, 0, 1])]
    {
        let image = disk.crash(&logq_engine::io::sim::Keep::Everything);
        let store = open(&image, &Options { retain_bytes: Some(limit), ..options() });
        let planned = store.plan_upkeep(store.now()).unwrap();
        assert_eq!(rounds(&store), [50, 50, 50, 1], "a plan deletes nothing");
        let done = store.maintain(store.now()).unwrap();
        assert_eq!(rounds(&store), want, "{limit} of {all}");
        let went = want.iter().filter(|count| **count == 0).count();
        assert_eq!(expired(&done), vec![RetentionRule::Bytes; went], "{limit} of {all}");
        assert_eq!(expired(&planned), expired(&done));
        // The last segment stays, and four small ones were made one.
        assert!(stored(&store) <= limit || went != 1, "{limit} of {all}");
        assert_eq!(store.check_deep().unwrap().damage, []);
        assert_eq!(expired(&store.maintain(store.now()).unwrap()), []);
    }
}

#[test]
fn only_as_much_goes_as_the_disk_lacks_and_a_snapshot_reads_to_its_end() {
    let disk = SimDisk::new(4);
    let store = filled(&disk);
    store.seal().unwrap();
    drop(store);
    disk.set_capacity(Some(8 << 20));
    // What a round leaves behind is gone with the next.
    let free = || {
        let store = open(&disk, &options());
        // Four small segments would be merged by a whole round.
        store.seal().unwrap();
        store.health(store.now()).unwrap().space.unwrap().free
    };
    free();
    let free = free();
    for (keep, want) in [(free + 600, [0, 50, 50, 1]), (free, [0, 50, 50, 1])] {
        let store = open(&disk, &Options { keep_free_bytes: keep, ..options() });
        let done = store.maintain(store.now()).unwrap();
        assert_eq!(rounds(&store), want, "{keep} of {free}: {done:?}");
        assert!(expired(&done).iter().all(|rule| *rule == RetentionRule::Free));
    }
    // A reader that still has the files open does not make the next round delete more for the same bytes.
    let store = open(&disk, &Options { keep_free_bytes: free + 4096, ..options() });
    let snapshot = store.snapshot().unwrap();
    let lacking = open(&disk, &Options { keep_free_bytes: u64::MAX / 2, ..options() });
    lacking.maintain(lacking.now()).unwrap();
    assert_eq!(snapshot.storage().iter().map(|file| file.records).sum::<u64>(), 101);
    assert_eq!(
        rounds(&lacking),
        [0, 0, 0, 1],
        "a disk that can never be free enough leaves the last segment"
    );
}

#[test]
fn without_a_rule_nothing_goes_however_full_the_disk_is() {
    let disk = SimDisk::new(5);
    let store = filled(&disk);
    disk.set_capacity(Some(1 << 20));
    let done = store.maintain(store.now() + 100 * 366 * 24 * HOUR).unwrap();
    assert_eq!((rounds(&store), expired(&done)), ([50, 50, 50, 1], Vec::new()));
}
