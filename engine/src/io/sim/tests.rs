//! The simulator's own promises, each with the claim as its name.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

const A: &str = "/a";

fn machine() -> SimDisk {
    SimDisk::new(1)
}

fn create(disk: &SimDisk, path: &str) -> Box<dyn File> {
    disk.open(Path::new(path), OpenMode::CreateNew).unwrap()
}

/// A file of zeros whose name, size and blocks are durable.
fn settled(disk: &SimDisk, path: &str, len: u64) -> Box<dyn File> {
    let file = create(disk, path);
    file.allocate(0, len).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file
}

fn contents(disk: &SimDisk, path: &str) -> Option<String> {
    disk.contents(Path::new(path)).map(|bytes| String::from_utf8(bytes).unwrap())
}

fn after(disk: &SimDisk, keep: &Keep, path: &str) -> Option<String> {
    contents(&disk.crash(keep), path)
}

/// Every way in which the pending things can survive or not.
fn every_outcome(disk: &SimDisk) -> Vec<SimDisk> {
    let count = disk.pending();
    assert!(count < 12, "too many to enumerate: {count}");
    let masks = 0..1_u32 << count;
    masks
        .map(|mask| disk.crash(&Keep::Chosen((0..count).map(|bit| mask & 1 << bit != 0).collect())))
        .collect()
}

fn outcomes(disk: &SimDisk, show: impl Fn(&SimDisk) -> String) -> Vec<String> {
    let mut found: Vec<String> = every_outcome(disk).iter().map(show).collect();
    found.sort();
    found.dedup();
    found
}

fn panic_text(action: impl FnOnce()) -> String {
    let caught = catch_unwind(AssertUnwindSafe(action)).unwrap_err();
    *caught.downcast::<String>().unwrap()
}

// What was measured on ext4 and XFS, row by row.

#[test]
fn a_a_store_through_a_mapping_without_a_sync_can_be_lost() {
    let disk = machine();
    let file = settled(&disk, A, 4);
    file.map_write(4).unwrap().write(0, b"data");
    assert_eq!(contents(&disk, A).unwrap(), "data");
    assert_eq!(after(&disk, &Keep::Nothing, A).unwrap(), "\0\0\0\0");
    assert_eq!(after(&disk, &Keep::Everything, A).unwrap(), "data");
}

#[test]
fn b_a_sync_of_one_page_leaves_the_others() {
    let disk = machine();
    let file = settled(&disk, A, 3 * 4096);
    let map = file.map_write(3 * 4096).unwrap();
    map.write(4095, b"x");
    map.write(8192, b"y");
    map.sync(0, 1).unwrap();
    let left = disk.crash(&Keep::Nothing).contents(Path::new(A)).unwrap();
    assert_eq!((left[4095], left[8192]), (b'x', 0), "page 0 whole, page 2 not");
}

#[test]
fn c_a_write_without_a_sync_can_be_lost() {
    let disk = machine();
    let file = settled(&disk, A, 4);
    file.write_at(0, b"data").unwrap();
    assert_eq!(after(&disk, &Keep::Nothing, A).unwrap(), "\0\0\0\0");
}

#[test]
fn d_a_write_with_a_sync_is_durable() {
    let disk = machine();
    let file = settled(&disk, A, 4);
    file.write_at(0, b"data, and more").unwrap();
    file.sync_data().unwrap();
    assert_eq!(after(&disk, &Keep::Nothing, A).unwrap(), "data, and more");
}

#[test]
fn e_a_renamed_file_that_was_not_synced_can_be_empty() {
    let disk = machine();
    create(&disk, "/e.tmp").write_at(0, b"data").unwrap();
    disk.rename(Path::new("/e.tmp"), Path::new("/e")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let left = disk.crash(&Keep::Nothing);
    assert_eq!(left.files(), ["/e"]);
    assert_eq!(contents(&left, "/e").unwrap(), "");
    // The size may survive without the bytes, and the bytes never without the size.
    let found = outcomes(&disk, |disk| contents(disk, "/e").unwrap());
    assert_eq!(found, ["", "\0\0\0\0", "data"]);
}

#[test]
fn f_a_synced_file_with_a_synced_name_is_durable() {
    let disk = machine();
    let file = create(&disk, "/f.tmp");
    file.write_at(0, b"data").unwrap();
    file.sync_data().unwrap();
    disk.rename(Path::new("/f.tmp"), Path::new("/f")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(disk.pending(), 0);
    assert_eq!(outcomes(&disk, |disk| format!("{:?}", disk.files())), [r#"["/f"]"#]);
    assert_eq!(after(&disk, &Keep::Nothing, "/f").unwrap(), "data");
}

#[test]
fn g_a_synced_file_whose_directory_was_not_synced_can_vanish() {
    let disk = machine();
    let file = create(&disk, "/g");
    file.write_at(0, b"data").unwrap();
    file.sync_data().unwrap();
    assert_eq!(outcomes(&disk, |disk| format!("{:?}", contents(disk, "/g"))), ["None", r#"Some("data")"#]);
}

#[test]
fn h_a_rename_whose_directory_was_not_synced_is_old_or_new() {
    let disk = machine();
    settled(&disk, "/h", 0).write_at(0, b"old").unwrap();
    let file = settled(&disk, "/h.tmp", 0);
    file.write_at(0, b"new").unwrap();
    file.sync_data().unwrap();
    disk.open(Path::new("/h"), OpenMode::Read).unwrap().sync_data().unwrap();
    disk.rename(Path::new("/h.tmp"), Path::new("/h")).unwrap();
    let show = |disk: &SimDisk| format!("{:?} {}", disk.files(), contents(disk, "/h").unwrap());
    assert_eq!(outcomes(&disk, show), [r#"["/h", "/h.tmp"] old"#, r#"["/h"] new"#]);
}

// Crashes.

#[test]
fn names_survive_independently_of_each_other() {
    let disk = machine();
    drop(settled(&disk, "/old", 0));
    drop(create(&disk, "/new"));
    disk.remove(Path::new("/old")).unwrap();
    let show = |disk: &SimDisk| disk.files().join(" ");
    assert_eq!(outcomes(&disk, show), ["", "/new", "/new /old", "/old"]);
}

#[test]
fn a_rename_between_directories_needs_both_synced_new_name_first() {
    let disk = machine();
    for dir in ["/x", "/y"] {
        disk.create_dir(Path::new(dir)).unwrap();
    }
    disk.sync_dir(Path::new("/")).unwrap();
    drop(create(&disk, "/x/f"));
    disk.sync_dir(Path::new("/x")).unwrap();
    disk.rename(Path::new("/x/f"), Path::new("/y/f")).unwrap();
    let show = |disk: &SimDisk| disk.files().join(" ");
    assert_eq!(outcomes(&disk, show), ["", "/x/f", "/x/f /y/f", "/y/f"]);
    disk.sync_dir(Path::new("/y")).unwrap();
    assert_eq!(outcomes(&disk, show), ["/x/f /y/f", "/y/f"]);
    disk.sync_dir(Path::new("/x")).unwrap();
    assert_eq!(outcomes(&disk, show), ["/y/f"]);
}

#[test]
fn a_directory_whose_parent_was_not_synced_vanishes_with_its_files() {
    let disk = machine();
    disk.create_dir(Path::new("/d")).unwrap();
    let file = create(&disk, "/d/f");
    file.write_at(0, b"data").unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    let left = disk.crash(&Keep::Nothing);
    assert_eq!(left.files(), Vec::<String>::new());
    assert_eq!(left.list(Path::new("/d")).unwrap_err().kind(), io::ErrorKind::NotFound);
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(after(&disk, &Keep::Nothing, "/d/f").unwrap(), "data");
}

#[test]
fn any_subset_of_sectors_survives() {
    let disk = machine();
    let file = settled(&disk, A, 2048);
    for sector in 0..4 {
        file.write_at(sector * 512, b"x").unwrap();
    }
    let show = |disk: &SimDisk| {
        let bytes = disk.contents(Path::new(A)).unwrap();
        bytes.chunks(512).map(|sector| if sector[0] == 0 { '-' } else { 'x' }).collect::<String>()
    };
    let all = outcomes(&disk, show);
    assert_eq!(all.len(), 16, "{all:?}");
    let mut random: Vec<String> = (0..2000).map(|seed| show(&disk.crash(&Keep::Subset(seed)))).collect();
    random.sort();
    random.dedup();
    assert_eq!(random, all, "random subsets reach each of them");
    let mut prefixes: Vec<String> = (0..200).map(|seed| show(&disk.crash(&Keep::Prefix(seed)))).collect();
    prefixes.sort();
    prefixes.dedup();
    assert_eq!(prefixes, ["----", "x---", "xx--", "xxx-", "xxxx"]);
}

#[test]
fn a_sector_survives_in_any_state_it_had() {
    let disk = machine();
    let file = settled(&disk, A, 4);
    for text in [b"1---", b"12--", b"123-", b"1234"] {
        file.write_at(0, text).unwrap();
    }
    let mut found: Vec<String> = (0..500).filter_map(|seed| after(&disk, &Keep::Subset(seed), A)).collect();
    found.sort();
    found.dedup();
    assert_eq!(found, ["\0\0\0\0", "1---", "12--", "123-", "1234"]);
}

#[test]
fn a_sector_may_be_a_mixture_of_two_states() {
    let disk = machine();
    let file = settled(&disk, A, 512);
    file.write_at(0, &[7; 512]).unwrap();
    let torn = (0..500).filter(|&seed| {
        let bytes = disk.crash(&Keep::Subset(seed)).contents(Path::new(A)).unwrap();
        let whole_lines = bytes.chunks(64).all(|line| line.iter().all(|&byte| byte == line[0]));
        assert!(whole_lines, "a line is old or new, seed {seed}");
        bytes.contains(&0) && bytes.contains(&7)
    });
    assert!(0 < torn.count());
}

#[test]
fn a_sector_forgets_some_of_very_many_states_but_neither_the_first_nor_the_last() {
    let disk = machine();
    let file = settled(&disk, A, 2);
    for number in 10..99 {
        file.write_at(0, number.to_string().as_bytes()).unwrap();
    }
    let found: Vec<String> = (0..2000).filter_map(|seed| after(&disk, &Keep::Subset(seed), A)).collect();
    for text in ["\0\0", "10", "98"] {
        assert!(found.iter().any(|found| found == text), "{text:?}");
    }
}

#[test]
fn a_cut_file_comes_back_whole_or_cut_and_never_with_foreign_bytes() {
    let disk = machine();
    let file = settled(&disk, A, 0);
    file.write_at(0, b"one two").unwrap();
    file.sync_data().unwrap();
    file.truncate(3).unwrap();
    assert_eq!(contents(&disk, A).unwrap(), "one");
    file.truncate(7).unwrap();
    assert_eq!(contents(&disk, A).unwrap(), "one\0\0\0\0");
    file.truncate(3).unwrap();
    file.sync_data().unwrap();
    assert_eq!(after(&disk, &Keep::Nothing, A).unwrap(), "one");
}

#[test]
fn a_crashed_machine_is_another_boot_with_the_same_files_and_no_locks() {
    let disk = machine();
    let file = settled(&disk, A, 4);
    assert!(file.try_lock(LockKind::Exclusive).unwrap());
    let identity = file.stat().unwrap().identity;
    let left = disk.crash(&Keep::Nothing);
    assert_ne!(left.boot_id(), disk.boot_id());
    assert!(disk.now() < left.now());
    assert_eq!(left.stat(Path::new(A)).unwrap().identity, identity);
    assert!(left.open(Path::new(A), OpenMode::ReadWrite).unwrap().try_lock(LockKind::Exclusive).unwrap());
    assert_eq!(left.pending(), 0);
    file.write_at(0, b"more").unwrap();
    assert_eq!(contents(&left, A).unwrap(), "\0\0\0\0", "the two machines share nothing");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let disk = SimDisk::new(seed);
        let file = settled(&disk, A, 4096);
        for step in 0..20 {
            file.write_at(step * 100, &disk.random().to_le_bytes()).unwrap();
        }
        let left = disk.crash(&Keep::Subset(seed));
        (left.contents(Path::new(A)), left.random(), left.boot_id(), disk.now(), disk.ops())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).0, run(4).0);
}

// Power cuts and kills at an operation.

#[test]
fn from_the_cut_on_everything_fails_and_nothing_changes() {
    let disk = machine();
    let file = settled(&disk, A, 4);
    let map = file.map_write(4).unwrap();
    disk.cut_after(disk.ops() + 1);
    map.write(0, b"1");
    assert!(!disk.is_cut());
    map.check().unwrap();
    map.write(1, b"2");
    assert!(disk.is_cut());
    map.write(2, b"3");
    map.publish(0, 9);
    assert_eq!(contents(&disk, A).unwrap(), "12\0\0", "the operation of the cut itself may reach the disk");
    let texts = [
        map.check().unwrap_err(),
        map.sync(0, 4).unwrap_err(),
        file.sync_data().unwrap_err(),
        file.write_at(0, b"x").unwrap_err(),
        file.read_at(0, &mut [0]).unwrap_err(),
        file.try_lock(LockKind::Shared).unwrap_err(),
        disk.open(Path::new(A), OpenMode::Read).unwrap_err(),
        disk.open(Path::new("/b"), OpenMode::CreateNew).unwrap_err(),
        disk.create_dir(Path::new("/d")).unwrap_err(),
        disk.create_dir(Path::new("/")).unwrap_err(),
        disk.rename(Path::new(A), Path::new("/b")).unwrap_err(),
        disk.remove(Path::new(A)).unwrap_err(),
        disk.list(Path::new("/")).unwrap_err(),
        disk.stat(Path::new(A)).unwrap_err(),
        disk.support(Path::new(A)).unwrap_err(),
    ];
    for text in texts {
        assert_eq!(text.to_string(), "power cut");
    }
    assert_eq!(disk.files(), [A]);
    disk.crash(&Keep::Everything).remove(Path::new(A)).unwrap();
}

#[test]
fn a_sync_that_the_power_cut_meets_may_have_done_any_part() {
    let disk = machine();
    let file = settled(&disk, A, 4);
    file.write_at(0, b"data").unwrap();
    disk.cut_after(disk.ops());
    file.sync_data().unwrap_err();
    assert_eq!(outcomes(&disk, |disk| contents(disk, A).unwrap()), ["\0\0\0\0", "data"]);
}

#[test]
fn every_operation_of_a_run_can_be_the_last() {
    let run = |disk: &SimDisk| -> io::Result<()> {
        let file = disk.open(Path::new("/t"), OpenMode::CreateNew)?;
        file.allocate(0, 8)?;
        file.write_at(0, b"12345678")?;
        file.punch(0, 4)?;
        file.sync_data()?;
        disk.rename(Path::new("/t"), Path::new(A))?;
        disk.sync_dir(Path::new("/"))?;
        disk.create_dir(Path::new("/d"))?;
        disk.remove(Path::new(A))
    };
    let whole = machine();
    run(&whole).unwrap();
    assert_eq!(whole.ops(), 9);
    for cut in 0..9 {
        let disk = machine();
        disk.cut_after(cut);
        assert_eq!(run(&disk).unwrap_err().to_string(), "power cut", "{cut}");
        assert_eq!(disk.ops(), cut + 1);
    }
}

#[test]
fn a_killed_process_keeps_its_stores_and_loses_its_locks() {
    let disk = machine();
    let victim = disk.process();
    let file = settled(&victim, A, 100);
    assert!(file.try_lock(LockKind::Exclusive).unwrap());
    let map = file.map_write(100).unwrap();
    map.write(0, b"stored");
    victim.kill_after(disk.ops());
    map.write(6, b"half of this is stored");
    map.write(50, b"none of this");
    assert_eq!(map.check().unwrap_err().to_string(), "process killed");
    assert_eq!(contents(&disk, A).unwrap().trim_end_matches('\0'), "storedhalf of thi");
    let heir = disk.open(Path::new(A), OpenMode::ReadWrite).unwrap();
    assert!(heir.try_lock(LockKind::Exclusive).unwrap());
    assert_eq!(victim.list(Path::new("/")).unwrap_err().to_string(), "process killed");
    drop((map, file));
    assert!(!heir.is_locked().unwrap());
    let second = disk.process();
    second.kill();
    assert!(second.stat(Path::new(A)).is_err());
    assert!(disk.stat(Path::new(A)).is_ok());
}

#[test]
fn a_kill_never_tears_a_word() {
    let disk = machine();
    let map = settled(&disk, A, 4).map_write(4).unwrap();
    disk.kill_after(disk.ops());
    map.publish(0, 0x6464_6464);
    assert_eq!(contents(&disk, A).unwrap(), "dddd");
}

// Failures by plan.

#[test]
fn a_failed_sync_is_not_made_good_by_the_next() {
    let disk = machine();
    let file = settled(&disk, A, 4);
    file.write_at(0, b"lost").unwrap();
    disk.fail(Fault::once(Op::Sync, 1, EIO));
    assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(EIO));
    assert_eq!(disk.fired(), 1);
    file.sync_data().unwrap();
    assert_eq!(contents(&disk, A).unwrap(), "lost", "the cache shows it still");
    assert_eq!(after(&disk, &Keep::Everything, A).unwrap(), "\0\0\0\0", "the disk does not have it");
    let view = file.map_read().unwrap();
    file.drop_cache().unwrap();
    assert_eq!(contents(&disk, A).unwrap(), "lost", "mapped pages stay in memory");
    drop(view);
    file.drop_cache().unwrap();
    assert_eq!(contents(&disk, A).unwrap(), "\0\0\0\0");
    file.write_at(0, b"kept").unwrap();
    file.sync_data().unwrap();
    assert_eq!(after(&disk, &Keep::Nothing, A).unwrap(), "kept");
}

#[test]
fn a_fault_hits_its_operation_its_path_and_its_turn() {
    let disk = machine();
    let (a, b) = (settled(&disk, A, 4), settled(&disk, "/b", 4));
    disk.fail(Fault::once(Op::Write, 2, ENOSPC).on("b"));
    disk.fail(Fault::from(Op::Read, 2, EIO));
    let writes = [a.write_at(0, b"1"), b.write_at(0, b"1"), b.write_at(0, b"2"), b.write_at(0, b"3")];
    let writes: Vec<bool> = writes.iter().map(Result::is_ok).collect();
    assert_eq!(writes, [true, true, false, true]);
    let reads: Vec<bool> = (0..4).map(|_| a.read_at(0, &mut [0]).is_ok()).collect();
    assert_eq!(reads, [true, false, false, false]);
    assert_eq!(disk.fired(), 4);
    disk.heal();
    a.read_at(0, &mut [0]).unwrap();
}

#[test]
fn a_forgotten_sync_succeeds_and_does_nothing() {
    let disk = machine();
    let (a, b) = (settled(&disk, A, 0), settled(&disk, "/b", 0));
    disk.forget_syncs(Op::Sync, "a");
    disk.forget_syncs(Op::SyncDir, "/");
    for file in [&a, &b] {
        file.write_at(0, b"1").unwrap();
        file.sync_data().unwrap();
    }
    disk.remove(Path::new(A)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(after(&disk, &Keep::Nothing, A).unwrap(), "");
    assert_eq!(after(&disk, &Keep::Nothing, "/b").unwrap(), "1");
    disk.heal();
    a.sync_data().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(after(&disk, &Keep::Nothing, A), None);
}

#[test]
fn each_kind_of_operation_can_fail() {
    for op in Op::ALL {
        let disk = machine();
        let file = settled(&disk, A, 4096);
        let map = file.map_write(4096).unwrap();
        disk.fail(Fault::once(op, 1, EIO));
        let root = Path::new("/");
        let results = [
            disk.open(Path::new(A), OpenMode::Read).map(drop),
            disk.open(Path::new("/new"), OpenMode::CreateOrOpen).map(drop),
            disk.create_dir(Path::new("/d")),
            disk.rename(Path::new(A), Path::new("/c")),
            disk.sync_dir(root),
            disk.list(root).map(drop),
            file.stat().map(drop),
            file.read_at(0, &mut [0]).map(drop),
            file.write_at(0, b"1"),
            file.allocate(0, 8192),
            file.punch(0, 4096),
            file.sync_data(),
            file.drop_cache(),
            file.map_read().map(drop),
            file.allocate(0, 8192).and_then(|()| file.map_write(8192)).map(drop),
            file.try_lock(LockKind::Exclusive).map(drop),
            disk.remove(Path::new(if op == Op::Rename { A } else { "/c" })),
        ];
        drop(map);
        let truncated = file.truncate(0);
        let failed = results.iter().chain([&truncated]).filter(|result| result.is_err()).count();
        assert_eq!(failed, usize::from(op != Op::Store), "{op:?}");
        assert_eq!(disk.fired(), u64::from(op != Op::Store), "{op:?}");
    }
}

#[test]
fn a_refused_allocation_has_done_a_part() {
    let disk = machine();
    disk.set_capacity(Some(3 * 4096));
    let file = create(&disk, A);
    let error = file.allocate(0, 5 * 4096).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.stat().unwrap().size, 3 * 4096);
    assert!(file.map_write(5 * 4096).is_err());
    let other = create(&disk, "/b");
    assert_eq!(other.write_at(0, b"1").unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.truncate(4096).unwrap();
    other.write_at(0, b"1").unwrap();
    disk.fail(Fault::once(Op::Allocate, 1, ENOSPC));
    disk.set_capacity(None);
    assert_eq!(other.allocate(0, 8192).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(other.stat().unwrap().size, 4096, "half of it");
}

#[test]
fn blocks_come_free_with_the_last_name_and_the_last_open() {
    let disk = machine();
    disk.set_capacity(Some(4096));
    let file = settled(&disk, A, 4096);
    disk.remove(Path::new(A)).unwrap();
    let other = create(&disk, "/b");
    other.allocate(0, 4096).unwrap_err();
    drop(file);
    other.allocate(0, 4096).unwrap();
}

#[test]
fn where_files_are_written_a_refused_store_is_kept_and_nothing_published_behind_it() {
    let disk = machine();
    disk.set_support(Support::Written);
    let file = settled(&disk, A, 8);
    let map = file.map_write(8).unwrap();
    map.write(4, b"good");
    disk.fail(Fault::once(Op::Write, 1, ENOSPC));
    map.write(4, b"evil");
    map.publish(0, 1);
    assert_eq!(map.check().unwrap_err().raw_os_error(), Some(ENOSPC));
    assert_eq!(map.sync(0, 8).unwrap_err().raw_os_error(), Some(ENOSPC));
    assert_eq!(contents(&disk, A).unwrap(), "\0\0\0\0good");
}

// Misuse.

#[test]
fn stores_that_a_real_machine_would_answer_with_a_signal_panic() {
    let disk = machine();
    let file = settled(&disk, A, 8192);
    let error = file.map_write(8193).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let map = file.map_write(8192).unwrap();
    assert!(panic_text(|| map.write(8191, b"ab")).starts_with("BUG: 2 bytes at 8191 are outside"));
    assert!(panic_text(|| map.read(8192, &mut [0])).starts_with("BUG: "));
    assert!(panic_text(|| map.publish(3, 0)).starts_with("BUG: the word at 3"));
    assert!(panic_text(|| file.truncate(0).unwrap()).starts_with("BUG: truncate of /a, which is mapped"));
    file.punch(4096, 4096).unwrap();
    assert!(
        panic_text(|| map.write(5000, b"a")).starts_with("BUG: a store to /a at 5000, which has no block")
    );
    map.write(0, b"a");
    let sparse = create(&disk, "/sparse");
    sparse.truncate(4096).unwrap();
    assert!(sparse.map_write(4096).is_err());
}

#[test]
fn a_file_opened_for_reading_is_not_written() {
    let disk = machine();
    drop(settled(&disk, A, 8));
    let file = disk.open(Path::new(A), OpenMode::Read).unwrap();
    let results = [
        file.write_at(0, b"1"),
        file.allocate(0, 1),
        file.punch(0, 1),
        file.truncate(0),
        file.map_write(8).map(drop),
        file.try_lock(LockKind::Exclusive).map(drop),
    ];
    for result in results {
        assert_eq!(result.unwrap_err().raw_os_error(), Some(EBADF));
    }
    assert!(file.try_lock(LockKind::Shared).unwrap());
}

// Files, names and locks as the real machine has them.

#[test]
fn a_mapping_shows_what_was_stored_after_it_was_made() {
    let disk = machine();
    let file = settled(&disk, A, 8);
    let view = file.map_read().unwrap();
    let map = file.map_write(8).unwrap();
    assert_eq!(view.load(0), 0);
    let before = view.bytes();
    map.write(4, b"body");
    map.publish(0, 4);
    assert_eq!(view.load(0), 4);
    assert_eq!(view.bytes(), b"\x04\0\0\0body");
    assert_eq!(before, [0; 8]);
    file.allocate(0, 16).unwrap();
    file.write_at(8, &[1; 8]).unwrap();
    assert_eq!(view.bytes().len(), 8, "a mapping does not grow");
    assert_eq!(view.load(8), 0);
    let mut buffer = [0; 4];
    map.read(4, &mut buffer);
    assert_eq!(&buffer, b"body");
    disk.remove(Path::new(A)).unwrap();
    drop(file);
    assert_eq!(&view.bytes()[4..], b"body", "an unlinked file stays for those who map it");
}

#[test]
fn a_mapping_that_saw_very_many_states_can_be_dropped() {
    let disk = machine();
    let file = settled(&disk, A, 4);
    let view = file.map_read().unwrap();
    for byte in 0..5_000_u32 {
        file.write_at(0, &byte.to_le_bytes()).unwrap();
        assert_eq!(view.load(0), byte);
        file.sync_data().unwrap();
    }
}

#[test]
fn locks_are_those_of_open_files() {
    let disk = machine();
    drop(settled(&disk, A, 0));
    let open = |mode| disk.open(Path::new(A), mode).unwrap();
    let (one, two, reader) = (open(OpenMode::ReadWrite), open(OpenMode::ReadWrite), open(OpenMode::Read));
    assert!(one.try_lock(LockKind::Exclusive).unwrap());
    assert!(one.try_lock(LockKind::Exclusive).unwrap());
    assert!(!two.try_lock(LockKind::Exclusive).unwrap());
    assert!(!reader.try_lock(LockKind::Shared).unwrap());
    assert_eq!(two.lock(LockKind::Exclusive).unwrap_err().kind(), io::ErrorKind::Deadlock);
    assert!(reader.is_locked().unwrap());
    assert!(!one.is_locked().unwrap());
    drop(one);
    assert!(reader.try_lock(LockKind::Shared).unwrap());
    assert!(!two.is_locked().unwrap());
    assert!(two.try_lock(LockKind::Shared).unwrap());
    assert!(!two.try_lock(LockKind::Exclusive).unwrap());
    drop(reader);
    two.lock(LockKind::Exclusive).unwrap();
}

#[test]
fn names_behave_as_on_a_real_machine() {
    let disk = machine();
    let (a, d) = (Path::new(A), Path::new("/d"));
    disk.create_dir(d).unwrap();
    disk.create_dir(d).unwrap();
    drop(settled(&disk, A, 0));
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(disk.create_dir(a)), io::ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.create_dir(Path::new("/no/d"))), io::ErrorKind::NotFound);
    assert_eq!(kind(disk.open(a, OpenMode::CreateNew).map(drop)), io::ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.open(d, OpenMode::Read).map(drop)), io::ErrorKind::IsADirectory);
    assert_eq!(kind(disk.open(Path::new("/no"), OpenMode::Read).map(drop)), io::ErrorKind::NotFound);
    assert_eq!(kind(disk.open(Path::new("/a/b"), OpenMode::Read).map(drop)), io::ErrorKind::NotADirectory);
    assert_eq!(kind(disk.rename(a, d)), io::ErrorKind::IsADirectory);
    assert_eq!(kind(disk.rename(Path::new("/no"), a)), io::ErrorKind::NotFound);
    assert_eq!(kind(disk.remove(d)), io::ErrorKind::IsADirectory);
    assert_eq!(kind(disk.remove(Path::new("/../a"))), io::ErrorKind::InvalidInput);
    disk.rename(a, a).unwrap();
    assert_eq!(disk.list(Path::new("/")).unwrap(), ["a", "d"]);
    assert_eq!(disk.list(d).unwrap(), Vec::<String>::new());
    disk.open(Path::new("d/f"), OpenMode::CreateOrOpen).unwrap().write_at(0, b"12").unwrap();
    assert_eq!(disk.stat(Path::new("/d/f")).unwrap().size, 2);
    disk.stat(d).unwrap();
    assert_eq!(disk.stat(Path::new("/d/../d/..")).unwrap(), disk.stat(Path::new("/")).unwrap());
    assert_eq!(disk.stat(Path::new("/../..")).unwrap(), disk.stat(Path::new("/")).unwrap());
}

#[test]
fn the_number_of_a_removed_file_is_used_again() {
    let disk = machine();
    let identity = |path: &str| create(&disk, path).stat().unwrap().identity;
    let first = identity("/1");
    assert_ne!(identity("/2"), first);
    disk.remove(Path::new("/1")).unwrap();
    assert_ne!(identity("/3"), first, "a crash could bring it back");
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(identity("/4"), first);
}

#[test]
fn rot_shows_at_once_and_for_good() {
    let disk = machine();
    let file = settled(&disk, A, 0);
    file.write_at(0, b"data").unwrap();
    file.sync_data().unwrap();
    let view = file.map_read().unwrap();
    disk.corrupt(Path::new(A), 1..3, |bytes| bytes.fill(b'!'));
    assert_eq!(view.bytes(), b"d!!a");
    assert_eq!(after(&disk, &Keep::Nothing, A).unwrap(), "d!!a");
}

#[test]
fn the_clock_goes_on_with_every_look_and_wherever_it_is_set() {
    let disk = machine();
    let start = disk.now();
    assert_eq!(disk.now(), start + 1_000);
    disk.advance(-5_000);
    assert_eq!(disk.now(), start - 3_000);
    disk.set_clock(i64::MAX);
    assert_eq!(disk.now(), i64::MAX);
}
