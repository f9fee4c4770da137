//! Many threads and many processes on one store.
//!
//! A child process is this test binary again, told by an environment variable what to do.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use logq_engine::{
    Comparison, Durability, Event, Forget, Literal, Options, Predicate, Scan, Store, Test, TimeRange,
};

use crate::support::{numbers, read, rows};

const ROLE: &str = "LOGQ_TEST_ROLE";
const STORE: &str = "LOGQ_TEST_STORE";
const WRITERS: i64 = 8;
const READERS: usize = 4;

fn options() -> Options {
    Options { file_size: 256 << 10, ..Options::default() }
}

#[test]
fn threads_that_share_a_synced_writer_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Synced, file_size: 64 << 10, ..Options::default() };
    let store = Store::open(dir.path(), options).unwrap();
    let log = store.writer().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = log.clone();
            scope.spawn(move || {
                for n in 0..100 {
                    log.append(&Event::new().field("n", thread * 100 + n)).unwrap();
                }
            });
        }
    });
    let mut found = numbers(&rows(&store));
    found.sort_unstable();
    assert_eq!(found, (0..800).collect::<Vec<_>>());
    log.close().unwrap();
    assert_eq!(store.check().unwrap().damage, []);
}

/// A thread that is never woken would be waited for for ever: files this small end while others wait for a sync.
#[test]
fn threads_that_share_a_synced_writer_all_go_on_when_files_end_under_them() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Synced, file_size: 16 << 10, ..Options::default() };
    let store = Store::open(dir.path(), options).unwrap();
    let log = store.writer().unwrap();
    let text = "x".repeat(700);
    std::thread::scope(|scope| {
        for thread in 0..32 {
            let (log, text) = (log.clone(), &text);
            scope.spawn(move || {
                for n in 0..40 {
                    log.append(&Event::new().field("n", thread * 40 + n).message(text)).unwrap();
                }
            });
        }
    });
    let mut found = numbers(&rows(&store));
    found.sort_unstable();
    assert_eq!(found, (0..32 * 40).collect::<Vec<_>>());
}

fn spawn(role: &str, dir: &std::path::Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::child", "--nocapture", "--quiet"]);
    command.env(ROLE, role).env(STORE, dir).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// Not a test by itself: what the child processes of the tests below do.
#[test]
fn child() {
    let (Ok(role), Ok(dir)) = (std::env::var(ROLE), std::env::var(STORE)) else { return };
    let store = Store::open(&dir, options()).unwrap();
    match role.strip_prefix("write ") {
        Some(writer) => write_until_killed(&store, writer.parse().unwrap()),
        None if role == "maintain" => maintain_until_told(&store),
        None => read_until_told(&store),
    }
}

fn write_until_killed(store: &Store, writer: i64) {
    let log = store.writer_with(Durability::Buffered).unwrap();
    let mut out = std::io::stdout();
    let mut n = 0;
    loop {
        // Singles and batches; the number says which writer it was.
        let count = 1 + n % 5;
        let events: Vec<_> = (0..count)
            .map(|at| {
                Event::new()
                    .field("n", writer * 1_000_000 + n + at)
                    .field("message", "x".repeat(300).as_str())
            })
            .collect();
        let id =
            if count == 1 { log.append(&events[0]).unwrap() } else { log.append_batch(&events).unwrap() };
        writeln!(out, "ack {} {count} {id}", writer * 1_000_000 + n).unwrap();
        n += count;
    }
}

/// One round after the other, a week later each time, until standard input ends.
fn maintain_until_told(store: &Store) {
    let (told, end) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        let _end = std::io::stdin().read_line(&mut String::new());
        drop(told);
    });
    while end.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
        store.maintain(store.now() + 8 * 86_400_000_000_000).unwrap();
    }
    println!("rounds done");
}

#[test]
fn two_processes_that_maintain_beside_a_writer_lose_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let maintainers: Vec<_> = (0..2).map(|_| spawn("maintain", dir.path())).collect();
    for round in 0..20_i64 {
        let log = store.writer_with(Durability::Buffered).unwrap();
        for n in 0..300 {
            log.append(&Event::new().field("n", round * 300 + n).message(&"x".repeat(200))).unwrap();
        }
        log.close().unwrap();
    }
    for mut child in maintainers {
        drop(child.stdin.take());
        let out = child.wait_with_output().unwrap();
        assert!(String::from_utf8_lossy(&out.stdout).contains("rounds done"), "{out:?}");
    }
    let mut found = numbers(&rows(&store));
    found.sort_unstable();
    assert_eq!(found, (0..6000).collect::<Vec<_>>());
    assert_eq!(store.check_deep().unwrap().damage, []);
}

#[test]
fn a_process_that_maintains_beside_one_that_forgets_and_repairs_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let mut maintainer = spawn("maintain", dir.path());
    for round in 0..10_i64 {
        let log = store.writer_with(Durability::Buffered).unwrap();
        for n in 0..200 {
            log.append(&Event::new().field("n", round * 200 + n).message(&"x".repeat(200))).unwrap();
        }
        log.close().unwrap();
        // The second half of each round goes.
        let from = |comparison, n: i64| {
            Predicate::field("n", Test::Compare(comparison, Literal::Number((round * 200 + n).to_string())))
        };
        let half = Predicate::And(vec![from(Comparison::Ge, 100), from(Comparison::Lt, 200)]);
        let forget = Forget { range: TimeRange::default(), predicate: half, import: None };
        let done = store.forget(&forget).unwrap();
        assert_eq!((done.events, done.unsealed, done.damage.len()), (100, 0, 0));
        assert_eq!(store.repair().unwrap().left, []);
    }
    drop(maintainer.stdin.take());
    let out = maintainer.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&out.stdout).contains("rounds done"), "{out:?}");
    let mut found = numbers(&rows(&store));
    found.sort_unstable();
    assert_eq!(found, (0..2000).filter(|n| n % 200 < 100).collect::<Vec<_>>());
    assert_eq!(store.check_deep().unwrap().damage, []);
    assert_eq!(store.health(store.now()).unwrap().orphans, [""; 0]);
}

/// Takes snapshots until standard input ends. Each must hold all of the one before, in dense runs.
fn read_until_told(store: &Store) {
    let (told, end) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        let _end = std::io::stdin().read_line(&mut String::new());
        drop(told);
    });
    let mut before = 0;
    while end.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
        let (rows, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
        assert_eq!(gaps, []);
        assert!(before <= rows.len(), "a later snapshot holds less");
        before = rows.len();
        let mut last: BTreeMap<i64, i64> = BTreeMap::new();
        let mut seen: Vec<_> = numbers(&rows);
        seen.sort_unstable();
        for n in seen {
            let next = last.entry(n / 1_000_000).or_insert(0);
            assert_eq!(n % 1_000_000, *next, "a snapshot is a prefix of every writer");
            *next += 1;
        }
    }
    println!("snapshots held");
}

#[test]
fn eight_writers_killed_at_random_under_four_readers_lose_no_acknowledged_record() {
    let dir = tempfile::tempdir().unwrap();
    Store::open(dir.path(), options()).unwrap();
    let readers: Vec<_> = (0..READERS).map(|_| spawn("read", dir.path())).collect();
    let mut acknowledged: BTreeMap<i64, String> = BTreeMap::new();
    let mut writer = 0;
    for round in 0..4_usize {
        let mut children: Vec<_> = (0..WRITERS)
            .map(|_| {
                writer += 1;
                spawn(&format!("write {writer}"), dir.path())
            })
            .collect();
        for (at, child) in children.iter_mut().enumerate() {
            // Each dies after another number of records, in the middle of whatever it does then.
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let mut left = 40 + (round * 8 + at) * 37 % 300;
            let mut kill = Some(child);
            while let Some(Ok(line)) = lines.next() {
                let mut words = line.split_once("ack ").map_or("", |(_, rest)| rest).split(' ');
                let (Some(first), Some(count), Some(id)) = (words.next(), words.next(), words.next()) else {
                    continue;
                };
                let Ok(first) = first.parse::<i64>() else { continue };
                for at in 0..count.parse::<i64>().unwrap() {
                    let (slot, sequence) = id.split_once('-').unwrap();
                    let sequence = sequence.parse::<i64>().unwrap() + at;
                    acknowledged.insert(first + at, format!("{slot}-{sequence}"));
                }
                left -= 1;
                if left == 0 {
                    kill.take().unwrap().kill().unwrap();
                    break;
                }
            }
            // What it said before it died is in the pipe; a last line may be cut short.
            let rest: Vec<_> = lines.map_while(Result::ok).collect();
            for line in rest.iter().rev().skip(1).rev() {
                let words: Vec<_> = line.split(' ').collect();
                if let ["ack", first, "1", id] = words[..] {
                    acknowledged.insert(first.parse().unwrap(), id.to_owned());
                }
            }
        }
        children.iter_mut().for_each(|child| drop(child.wait()));
    }
    for mut reader in readers {
        drop(reader.stdin.take());
        let output = reader.wait_with_output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("snapshots held"));
    }
    let store = Store::open(dir.path(), options()).unwrap();
    let found = rows(&store);
    let ids: BTreeMap<i64, String> =
        numbers(&found).into_iter().zip(found.iter().map(|row| row.id.to_string())).collect();
    assert_eq!(ids.len(), found.len(), "a record is there twice");
    assert!(1000 < acknowledged.len());
    for (n, id) in &acknowledged {
        assert_eq!(ids.get(n), Some(id), "record {n} was acknowledged");
    }
    assert_eq!(store.check().unwrap().damage, []);
}
