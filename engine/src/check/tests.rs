//! What a check finds: every flipped byte, and what no checksum notices.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::CheckReport;
use crate::format::footer::{Footer, HEAD_SIZE};
use crate::format::manifest::Op;
use crate::format::name::FileName;
use crate::index::IndexBuilder;
use crate::io::disk::Disk;
use crate::io::{OpenMode, Vfs as _};
use crate::segment::sealed::head::FIXED;
use crate::segment::sealed::read::Segment;
use crate::segment::sealed::rollup::{Counter, Entry};
use crate::{Event, ImportProgress, Options, SourceId, Store, Value};

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_700_000_000 * SECOND;

fn options() -> Options {
    Options { maintain: false, file_size: 16 << 10, word_index_min: 0, ..Options::default() }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, options()).unwrap()
}

/// Appends and seals: one more segment.
fn seal(store: &Store, events: &[Event]) {
    let writer = store.writer().unwrap();
    writer.append_batch(events).unwrap();
    writer.close().unwrap();
    assert_eq!(store.seal().unwrap().unsealed, 0);
}

fn at(place: usize) -> i64 {
    START + i64::try_from(place).unwrap() * SECOND
}

/// Rows of several shapes, with values of every kind, repeated and not.
fn mixed(count: usize) -> Vec<Event> {
    (0..count)
        .map(|row| {
            let mut event = Event::ai("puzzle").at(at(row * 7 % 50)).model(["llama3.2", "gpt-4o"][row % 2]);
            if row % 3 != 0 {
                event = event.message(&format!("request req-{row:x} took {} ms", row * 31 % 97));
            }
            match row % 5 {
                0 => event.field("odd", Value::Number("1.50")).field("flag", row % 2 == 0),
                1 => event
                    .field("odd", Value::Null)
                    .field("ratio", 0.25 * f64::from(u8::try_from(row).unwrap())),
                2 => event.field("odd", Value::Json("[1,\"two\"]")).field("raw", Value::Bytes(&[0xff, 1])),
                3 => event.tokens(150, 250).field("seen", at(row * 7 % 50)),
                _ => event.field("wide.path", "deep"),
            }
        })
        .collect()
}

/// A store with a segment of several shapes, and with one that was rolled into the archive.
fn small(dir: &Path) -> Store {
    let store = open(dir);
    seal(&store, &mixed(40));
    store.maintain(store.now() + 8 * 86_400 * SECOND).unwrap();
    seal(&store, &mixed(23));
    store
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "seg") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Flips the bytes at these offsets, one at a time; each has to be found and named with its file.
fn every_flip_is_found(
    store: &Store,
    path: &Path,
    offsets: impl Iterator<Item = u64>,
    look: fn(&Store) -> crate::Result<CheckReport>,
) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let name = path.strip_prefix(store.path()).unwrap().to_str().unwrap();
    for offset in offsets {
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
        let report = look(store).unwrap();
        assert!(!report.damage.is_empty(), "byte {offset} of {name} is not found");
        for gap in &report.damage {
            assert_eq!(gap.file, name, "byte {offset}: {gap}");
        }
        file.write_all_at(&byte, offset).unwrap();
    }
    assert_eq!(look(store).unwrap().damage, []);
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn every_flipped_byte_of_a_small_store_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = small(dir.path());
    let report = store.check().unwrap();
    assert_eq!(report.damage, []);
    assert_eq!((report.files, report.segments, report.blocks, report.records), (2, 2, 2, 63));
    let found = segments(dir.path());
    assert_eq!(found.len(), 2);
    for path in found {
        every_flip_is_found(&store, &path, 0..len(&path), Store::check);
        every_flip_is_found(&store, &path, (0..len(&path)).step_by(13), Store::check_deep);
    }
}

#[test]
fn every_flipped_byte_of_rare_fields_and_of_a_head_of_many_names_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut rows = mixed(6);
    for (row, event) in rows.iter_mut().enumerate() {
        for name in 0..540 {
            // The last names come too late for a column of their own.
            if row == 0 || 520 <= name {
                *event = event.clone().field(&format!("f{name}"), if row < 4 { "same" } else { "other" });
            }
        }
    }
    seal(&store, &rows);
    assert_eq!(store.check_deep().unwrap().damage, []);
    let path = segments(dir.path()).remove(0);
    let map = Disk::new().open(&path, OpenMode::Read).unwrap().map_read().unwrap();
    let segment = Segment::read(Arc::from(map)).unwrap();
    let block = segment.block(0).unwrap();
    assert!(block.head.find("f530").is_some_and(|(_, column)| column.is_none()), "rare");
    let start = HEAD_SIZE as u64;
    let fixed = FIXED.map(|fixed| block.head.fixed_range(fixed).end).into_iter().max().unwrap();
    let columns = start + block.entry.columns_size;
    every_flip_is_found(&store, &path, (start + fixed - 90..start + fixed).step_by(2), Store::check);
    every_flip_is_found(&store, &path, (start + fixed..columns).step_by(61), Store::check);
    every_flip_is_found(&store, &path, (columns..len(&path)).step_by(9), Store::check);
}

#[test]
fn a_segment_of_two_blocks_is_checked_block_by_block() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options { file_size: 16 << 20, ..options() }).unwrap();
    let writer = store.writer().unwrap();
    let events: Vec<Event> = (0..66_000).map(|row| Event::new().at(at(row)).field("n", 7)).collect();
    for part in events.chunks(5000) {
        writer.append_batch(part).unwrap();
    }
    writer.close().unwrap();
    assert_eq!(store.seal().unwrap().steps.len(), 1);
    let report = store.check_deep().unwrap();
    assert_eq!(report.damage, []);
    assert_eq!((report.segments, report.blocks, report.records), (1, 2, 66_000));
    let path = segments(dir.path()).remove(0);
    every_flip_is_found(&store, &path, (0..len(&path)).step_by(3), Store::check);
    // The rows of the other block still count.
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xAA], HEAD_SIZE as u64 + 20).unwrap();
    let report = store.check().unwrap();
    assert_eq!((report.blocks, report.records, report.damage.len()), (1, 66_000 - 65_536, 1));
}

#[test]
fn a_byte_more_or_less_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = small(dir.path());
    for path in segments(dir.path()) {
        let good = fs::read(&path).unwrap();
        let name = path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
        for size in 0..good.len() + 40 {
            if size == good.len() {
                continue;
            }
            let mut bytes = good.clone();
            bytes.resize(size, 0);
            fs::write(&path, bytes).unwrap();
            let report = store.check().unwrap();
            assert!(!report.damage.is_empty(), "{size} bytes");
            assert!(report.damage.iter().all(|gap| gap.file == name), "{size} bytes");
        }
        fs::write(&path, good).unwrap();
    }
    assert_eq!(store.check().unwrap().damage, []);
}

#[test]
fn a_segment_that_is_not_there_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = small(dir.path());
    fs::remove_file(segments(dir.path()).remove(0)).unwrap();
    let report = store.check().unwrap();
    assert_eq!((report.files, report.segments, report.damage.len()), (2, 2, 1));
    assert!(report.damage[0].what.contains("cannot be read"), "{}", report.damage[0]);
}

/// Writes the segment's footer anew, changed and with checksums that are right.
fn forge(path: &Path, change: impl FnOnce(&mut Footer)) {
    let mut bytes = fs::read(path).unwrap();
    let crate::format::footer::Read::Footer { mut footer, .. } = Footer::read(&bytes) else { panic!() };
    bytes.truncate(HEAD_SIZE + usize::try_from(footer.data_size()).unwrap());
    change(&mut footer);
    bytes.extend_from_slice(&footer.encode());
    fs::write(path, bytes).unwrap();
}

#[track_caller]
fn forged(change: impl FnOnce(&mut Footer), shallow: &[&str], deep: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    seal(&store, &mixed(40));
    let path = segments(dir.path()).remove(0);
    forge(&path, change);
    let says = |report: CheckReport, want: &[&str]| {
        let found: Vec<String> = report.damage.iter().map(|gap| gap.what.clone()).collect();
        assert_eq!(found.len(), want.len(), "{found:#?}");
        for (found, want) in found.iter().zip(want) {
            assert!(found.contains(want), "{want:?} is not in {found:?}");
        }
    };
    says(store.check().unwrap(), shallow);
    says(store.check_deep().unwrap(), deep);
}

#[test]
fn a_footer_that_lies_under_good_checksums_is_found() {
    let records =
        ["41 records in blocks of 40", "40 ids of 41", "not those of 40", "damaged cubes of the rollups"];
    forged(|footer| footer.records = 41, &records, &records);
    let times = ["its times are not those of its blocks", "and their times"];
    forged(|footer| footer.time_max += 1, &times, &times);
    let ids = ["give ids twice"];
    forged(
        |footer| footer.writers[0].1[0] = footer.writers[0].1[0].start + 9..footer.writers[0].1[0].end + 9,
        &ids,
        &ids,
    );
    let set = ["not one of the 1 segments from 9 on"];
    forged(|footer| footer.set = 9, &set, &set);
    let writer = ["slot 7 would go on"];
    forged(|footer| footer.writers[0].0 = 7, &writer, &writer);
    let import = ["bytes, not", "an import that would be done again"];
    let source = SourceId { hash: 1, prefix_len: 2, generation: 0 };
    let progress = ImportProgress { source, start: 0, end: 9, tail_hash: 4 };
    forged(|footer| footer.imports.push(progress), &import, &import);
}

#[test]
fn only_a_deep_check_sees_what_rows_say() {
    // Here footer and manifest agree, and the rows are of another time.
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    seal(&store, &mixed(40));
    let path = segments(dir.path()).remove(0);
    forge(&path, |footer| {
        footer.blocks[0].time_min -= 1;
        footer.time_min -= 1;
    });
    agree(dir.path(), &path);
    assert_eq!(store.check().unwrap().damage, []);
    let damage = store.check_deep().unwrap().damage;
    assert_eq!(damage.len(), 1);
    assert!(damage[0].what.contains("not those that the footer says"), "{}", damage[0]);
}

/// Makes the manifest say of a segment what its footer says.
fn agree(dir: &Path, path: &Path) {
    let bytes = fs::read(path).unwrap();
    let crate::format::footer::Read::Footer { footer, .. } = Footer::read(&bytes) else { panic!() };
    let entry = footer.entry(bytes.len() as u64);
    let core = crate::core::Core::open(Arc::new(Disk::new()), dir, options()).unwrap();
    core.commit(|_| Ok(vec![Op::Add { id: footer.id, entry }])).unwrap();
}

#[test]
fn an_index_that_misses_a_word_is_found_by_a_deep_check() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    seal(&store, &mixed(40));
    let path = segments(dir.path()).remove(0);
    let bytes = fs::read(&path).unwrap();
    let crate::format::footer::Read::Footer { mut footer, .. } = Footer::read(&bytes) else { panic!() };
    let mut index = IndexBuilder::new();
    index.add_text("another text");
    index.end_group();
    let index = index.finish().unwrap();
    let start = HEAD_SIZE as u64 + footer.data_size() - footer.index_size - footer.rollup_size;
    let rollups = usize::try_from(start + footer.index_size).unwrap()..;
    let rollups = &bytes[rollups][..usize::try_from(footer.rollup_size).unwrap()];
    footer.index_size = index.len() as u64;
    let forged = [&bytes[..usize::try_from(start).unwrap()], &index, rollups, &footer.encode()].concat();
    fs::write(&path, forged).unwrap();
    agree(dir.path(), &path);
    assert_eq!(store.check().unwrap().damage, []);
    let damage = store.check_deep().unwrap().damage;
    assert_eq!(damage.len(), 1);
    assert!(damage[0].what.starts_with("the index does not find `"), "{}", damage[0]);
    assert_eq!(damage[0].offset, start);
}

#[test]
fn rollups_that_say_what_records_do_not_are_found_by_a_deep_check() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    seal(&store, &mixed(40));
    let path = segments(dir.path()).remove(0);
    let bytes = fs::read(&path).unwrap();
    let crate::format::footer::Read::Footer { mut footer, .. } = Footer::read(&bytes) else { panic!() };
    // As many records at the same time, all of another kind.
    let mut counter = Counter::default();
    let kind = Entry::place("kind").unwrap();
    for _ in 0..footer.records {
        let mut entry = Entry { time: footer.time_min, ..Entry::default() };
        entry.set(kind, Value::Str("another"));
        counter.push(&entry);
    }
    let rollups = counter.encode(footer.id, false);
    let start = HEAD_SIZE as u64 + footer.data_size() - footer.rollup_size;
    footer.rollup_size = rollups.len() as u64;
    let forged = [&bytes[..usize::try_from(start).unwrap()], &rollups, &footer.encode()].concat();
    fs::write(&path, forged).unwrap();
    agree(dir.path(), &path);
    assert_eq!(store.check().unwrap().damage, []);
    let damage = store.check_deep().unwrap().damage;
    assert_eq!(damage.len(), 1);
    assert!(damage[0].what.starts_with("rollups that are not"), "{}", damage[0]);
    assert_eq!((damage[0].offset, damage[0].len), (start, rollups.len() as u64));
}

#[test]
fn a_record_in_two_files_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    seal(&store, &mixed(10));
    seal(&store, &mixed(10));
    let paths = segments(dir.path());
    // The second claims the ids of the first.
    let first = match Footer::read(&fs::read(&paths[0]).unwrap()) {
        crate::format::footer::Read::Footer { footer, .. } => footer,
        other => panic!("{other:?}"),
    };
    forge(&paths[1], |footer| footer.writers.clone_from(&first.writers));
    let damage = store.check().unwrap().damage;
    assert_eq!(damage.len(), 1, "{damage:#?}");
    assert!(
        damage[0].what.contains(&FileName::Segment { id: first.id, day: None }.relative()),
        "{}",
        damage[0]
    );
    // A sealed record that is in an active file too.
    let writer = store.writer().unwrap();
    writer.append_batch(&mixed(3)).unwrap();
    writer.close().unwrap();
    let start = first.writers[0].1.last().unwrap().end + 10;
    forge(&paths[1], |footer| footer.writers[0].1[0] = start..start + 10);
    let damage = store.check().unwrap().damage;
    assert!(damage.iter().any(|gap| gap.what.contains("is in") && gap.what.contains("too")), "{damage:#?}");
}

#[test]
fn records_that_were_lost_before_they_were_sealed_are_said_once_and_are_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let writer = store.writer_with(crate::Durability::Synced).unwrap();
    for event in mixed(20) {
        writer.append(&event).unwrap();
    }
    writer.close().unwrap();
    let active = dir.path().join("active");
    let file = fs::read_dir(&active).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "log")).unwrap();
    let bytes = fs::read(&file).unwrap();
    let place = bytes.windows(5).position(|window| window == b"req-7").unwrap();
    OpenOptions::new().write(true).open(&file).unwrap().write_all_at(b"X", place as u64).unwrap();
    store.seal().unwrap();
    let report = store.check_deep().unwrap();
    assert_eq!((report.damage.as_slice(), report.records), (&[][..], 19));
    assert_eq!(
        (report.lost.len(), report.lost[0].what.as_str()),
        (1, "damaged records"),
        "{:#?}",
        report.lost
    );
}
