//! A dump is total: whatever a file holds, it ends, and names what is damaged.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::dump;
use crate::{Event, Options, Store, Value};

fn lines(path: &Path) -> (Vec<String>, u64) {
    let mut lines = Vec::new();
    let damaged = dump(path, true, &mut |line| {
        lines.push(line.to_owned());
        ControlFlow::Continue(())
    });
    (lines, damaged.unwrap())
}

/// A store with an active file, a manifest and a segment; their paths.
fn files(dir: &Path) -> [PathBuf; 3] {
    let store =
        Store::open(dir, Options { maintain: false, file_size: 16 << 10, ..Options::default() }).unwrap();
    for seal in [true, false] {
        let writer = store.writer().unwrap();
        for row in 0..9 {
            let event = Event::ai("op").at(row).message(&format!("text {row}"));
            writer.append(&event.field("x", [Value::Int(row), Value::Null][usize::from(row == 3)])).unwrap();
        }
        writer.close().unwrap();
        if seal {
            store.seal().unwrap();
        }
    }
    let only = |folder: &str, kind: &str| {
        let mut found = fs::read_dir(dir.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        found.find(|path| path.extension().is_some_and(|extension| extension == kind)).unwrap()
    };
    [dir.join("MANIFEST"), only("active", "log"), only("segments", "seg")]
}

#[test]
fn every_row_is_shown_and_sound_files_have_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let [manifest, active, segment] = files(dir.path());
    assert_eq!(lines(&manifest).1, 0);
    for path in [active, segment] {
        let (lines, damaged) = lines(&path);
        assert_eq!(damaged, 0, "{lines:#?}");
        let rows: Vec<&String> = lines.iter().filter(|line| line.contains(" message=\"text ")).collect();
        assert_eq!(rows.len(), 9, "{lines:#?}");
        assert!(rows[3].contains("1970-01-01T00:00:00.000000003Z"), "{}", rows[3]);
        assert!(rows[3].contains(" x=null"), "{}", rows[3]);
    }
}

#[test]
fn every_flipped_byte_of_a_segment_is_shown_as_damage() {
    let dir = tempfile::tempdir().unwrap();
    let [_, _, segment] = files(dir.path());
    let good = fs::read(&segment).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&segment, bad).unwrap();
        let (lines, damaged) = lines(&segment);
        assert!(0 < damaged && lines.iter().any(|line| line.contains("DAMAGED")), "byte {at}");
    }
}

#[test]
fn damage_to_a_manifest_or_a_frame_is_shown_and_what_follows_too() {
    let dir = tempfile::tempdir().unwrap();
    let [manifest, active, _] = files(dir.path());
    for (path, last) in [(&manifest, "end of the edits"), (&active, "nothing from here on")] {
        let good = fs::read(path).unwrap();
        let used = good.iter().rposition(|byte| *byte != 0).unwrap();
        // Zeros pad frames and heads, and mean nothing there.
        for at in (48..=used).step_by(3).filter(|at| good[*at] != 0) {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            fs::write(path, bad).unwrap();
            let (lines, damaged) = lines(path);
            assert!(0 < damaged, "byte {at}: {lines:#?}");
            assert!(lines.last().unwrap().contains(last), "byte {at}: {lines:#?}");
        }
        fs::write(path, good).unwrap();
    }
}

proptest! {
    #[test]
    fn any_bytes_are_shown_or_refused(
        start in 0_usize..4,
        noise in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["MANIFEST", "1-2.log", "7.seg", "3.lock", "x"] {
            let magic: &[u8] = [&b""[..], b"LOGQMAN\x01", b"LOGQACT\x01", b"LOGQSEG\x01"][start];
            let path = dir.path().join(name);
            fs::write(&path, [magic, &noise].concat()).unwrap();
            let _shown = dump(&path, true, &mut |_| ControlFlow::Continue(()));
        }
    }
}
