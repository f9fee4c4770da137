//! `seal`, `maintain` and `dump`: what they say is what they did, and nothing changes for a reader.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use super::{Place, Ran};

/// A day that is long after every test.
const LATER: &str = "2100-01-01T00:00:00Z";

fn filled() -> Place {
    let place = Place::new();
    for at in 0..6 {
        let message = format!("message=needle{at} in the hay");
        place.run(["append", &message, "kind=ai", "model=llama3.2", &format!("n={at}")]).good();
    }
    place
}

/// The segments, wherever they lie.
fn segments(place: &Place) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![place.store()];
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

fn dump(place: &Place, file: &std::path::Path) -> Ran {
    place.run(["dump", "--records", file.to_str().unwrap()])
}

/// Flips the byte where `needle` stands, or that in the middle.
fn damage(file: &std::path::Path, needle: &[u8]) {
    let mut bytes = fs::read(file).unwrap();
    let found = bytes.windows(needle.len()).position(|window| window == needle);
    let at = found.unwrap_or(bytes.len() / 4);
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn sealing_says_what_it_did_and_changes_no_answer() {
    let place = filled();
    let query = "events where message contains needle | sort n";
    let before = place.json(query)["rows"].clone();
    assert_eq!(before.as_array().map(Vec::len), Some(6));
    let ran = place.run(["seal"]).good();
    assert!(ran.out.contains("sealed 6 records into 1 segment; nothing stays"), "{}", ran.out);
    assert_eq!((segments(&place).len(), place.active_files().len()), (1, 0));
    assert_eq!(place.json(query)["rows"], before);
    let ran = place.run(["seal"]).good();
    assert_eq!(ran.out, "nothing to seal: nothing stays in active files\n");
    let json = place.run(["check", "--deep", "-o", "json"]).good().json();
    assert_eq!((&json["segments"], &json["blocks"], &json["records"]), (&1.into(), &1.into(), &6.into()));
    let ran = place.run(["check"]).good();
    assert!(ran.out.starts_with("verified 1 file, 1 segment, 1 block, 6 records, "), "{}", ran.out);
}

#[test]
fn records_of_a_live_writer_stay_and_are_counted() {
    let place = filled();
    let mut command = place.command(["append", "--durability", "synced", "--ack", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"{\"message\":\"still here\"}\n").unwrap();
    input.flush().unwrap();
    let mut said = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut id = String::new();
    std::io::BufRead::read_line(&mut said, &mut id).unwrap();
    assert!(id.contains('-'), "{id}");
    let json = place.run(["seal", "-o", "json"]).good().json();
    let sealed: u64 =
        json["steps"].as_array().unwrap().iter().map(|step| step["records"].as_u64().unwrap()).sum();
    // The live writer may go on in the file that the others left; then all of it stays.
    let stay = json["unsealed"].as_u64().unwrap();
    assert_eq!(sealed + stay, 7, "{json}");
    assert!(0 < stay, "{json}");
    drop(input);
    assert!(child.wait().unwrap().success());
    place.run(["seal"]).good();
    assert_eq!(place.count(), 7);
}

#[test]
fn a_dry_run_explains_and_does_nothing() {
    let place = filled();
    place.run(["seal"]).good();
    let before = segments(&place);
    let ran = place.run(["--now", LATER, "maintain", "--dry-run"]).good();
    assert!(ran.out.starts_with("roll   6 records, "), "{}", ran.out);
    assert!(ran.out.contains("segments/") && ran.out.contains("arrived over 7d00h ago"), "{}", ran.out);
    assert!(ran.out.contains("1 step would be done, and nothing was"), "{}", ran.out);
    let json = place.run(["--now", LATER, "maintain", "--dry-run", "-o", "json"]).good().json();
    assert_eq!((&json["dry_run"], &json["steps"][0]["step"]), (&true.into(), &"roll".into()));
    assert!(json["steps"][0]["why"].as_str().is_some_and(|why| why.contains("7d00h")), "{json}");
    assert_eq!(segments(&place), before);
}

#[test]
fn a_round_on_a_later_clock_rolls_into_the_archive() {
    let place = filled();
    let mut command = place.command(["maintain", "-o", "json"]);
    let ran = super::run(command.env("LOGQ_NOW", LATER), b"").good();
    let json = ran.json();
    let steps: Vec<&str> =
        json["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["seal", "roll"], "{json}");
    assert_eq!(json["unsealed"], 0);
    let found = segments(&place);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with(place.store().join("archive")), "{found:?}");
    assert_eq!(place.count(), 6);
    place.run(["check", "--deep"]).good();
    let ran = place.run(["maintain"]).good();
    assert_eq!(ran.out, "nothing to do; 0 unsealed records\n");
}

#[test]
fn a_damaged_segment_is_left_as_it_is_and_named() {
    let place = filled();
    place.run(["seal"]).good();
    let file = segments(&place).remove(0);
    damage(&file, b"needle");
    let name = file.strip_prefix(place.store()).unwrap().to_str().unwrap();
    let ran = place.run(["check"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains(name), "{}", ran.out);
    let ran = place.run(["--now", LATER, "maintain"]).ends(3, name);
    assert!(ran.err.contains("left as it is"), "{}", ran.err);
    assert_eq!(segments(&place), std::slice::from_ref(&file));
    let ran = dump(&place, &file).ends(3, "damaged piece");
    assert!(ran.out.contains("DAMAGED"), "{}", ran.out);
}

#[test]
fn a_dump_shows_every_kind_of_file() {
    let place = filled();
    place.run(["append", "message=\u{1b}[31mred"]).good();
    let active = place.active_files().remove(0);
    let ran = dump(&place, &active).good();
    assert!(ran.out.starts_with("active file 1 of slot 0"), "{}", ran.out);
    assert_eq!(ran.out.matches("  frame, ").count(), 7, "{}", ran.out);
    assert!(
        ran.out.contains("message=\"needle3 in the hay\" ") && !ran.out.contains('\u{1b}'),
        "{}",
        ran.out
    );
    place.run(["seal"]).good();
    let ran = place.run(["dump", place.store().join("MANIFEST").to_str().unwrap()]).good();
    for said in ["manifest, ", "create active/0-1.log", "add segments/", "replace active/0-1.log"] {
        assert!(ran.out.contains(said), "{said:?} is not in {}", ran.out);
    }
    let segment = segments(&place).remove(0);
    // Outside a store too.
    let copy = place.write("copy", fs::read(segment).unwrap());
    let ran = dump(&place, &copy).good();
    for said in [
        "segment ",
        "block 0",
        "(Time): ",
        "    model: Constant",
        "  index, ",
        "message=\"needle3 in the hay\"",
    ] {
        assert!(ran.out.contains(said), "{said:?} is not in {}", ran.out);
    }
    let ran = place.run(["dump", place.store().join("active/0.lock").to_str().unwrap()]).good();
    assert!(ran.out.starts_with("lock of slot 0, taken "), "{}", ran.out);
    place.run(["dump", place.store().join("maintenance.lock").to_str().unwrap()]).good();
    let other = place.write("other", "text");
    place.run(["dump", other.to_str().unwrap()]).ends(2, "no file of a store");
    place.run(["dump", place.path("absent").to_str().unwrap()]).ends(3, "cannot be read");
}

#[test]
fn a_dump_goes_on_behind_damage() {
    let place = filled();
    let file = place.active_files().remove(0);
    damage(&file, b"needle2");
    let ran = dump(&place, &file).ends(3, "1 damaged piece");
    assert!(ran.out.contains("DAMAGED: the payload of this frame"), "{}", ran.out);
    assert!(ran.out.contains("needle1") && ran.out.contains("needle5"), "{}", ran.out);
}

#[test]
fn an_interrupt_ends_a_round_in_order_and_the_next_one_finishes() {
    let place = filled();
    // It works for a hundredth of the time, so it would take minutes.
    let slow = ["maintain", "--bytes-per-second", "64KiB", "--cpu-share", "1"];
    place.run(["maintain", "--bytes-per-second", "1KiB"]).ends(2, "maintain_bytes_per_second");
    place.run(["maintain", "--cpu-share", "0"]).ends(2, "--cpu-share");
    place.run(["maintain", "--bytes-per-second", "much"]).ends(2, "no size");
    let noise = |n: u64| n.wrapping_mul(0x5851_f42d_4c95_7f2d).to_string();
    let text = |n: u64| (0..100).map(|at| noise(n * 100 + at)).collect::<String>();
    let lines: String = (0..400).map(|n| format!("{{\"n\":{n},\"message\":\"{}\"}}\n", text(n))).collect();
    place.run_with(["append", "-"], lines.as_bytes()).good();
    let mut child = place.command(slow).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = || {
        fs::read_dir(place.store().join("segments")).is_ok_and(|mut names| {
            names.any(|name| name.unwrap().path().extension().is_some_and(|kind| kind == "new"))
        })
    };
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "the round ended by itself");
        std::thread::yield_now();
    }
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let ran = child.wait_with_output().unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{out}");
    assert!(out.starts_with("stopped: 0 steps done; 1 step left, "), "{out}");
    assert!(!begun(), "nothing is left of the step");
    let done = place.run(["maintain"]).good();
    assert!(done.out.contains("1 step done; 0 unsealed records"), "{}", done.out);
    assert_eq!(place.count(), 406);
    place.run(["check", "--deep"]).good();
}

#[test]
fn an_interrupt_ends_a_rule_of_retention_in_order_and_the_next_round_finishes() {
    let place = Place::new();
    let noise = |n: u64| n.wrapping_mul(0x5851_f42d_4c95_7f2d).to_string();
    let text = |n: u64| (0..100).map(|at| noise(n * 100 + at)).collect::<String>();
    let level = |n: u64| if n.is_multiple_of(2) { "debug" } else { "info" };
    let line = |n: u64| format!("{{\"n\":{n},\"level\":\"{}\",\"message\":\"{}\"}}\n", level(n), text(n));
    place.run_with(["append", "-"], (0..400).map(line).collect::<String>().as_bytes()).good();
    place.run(["seal"]).good();
    fs::write(place.store().join("logq.toml"), "[[retention]]\nwhere = \"level = debug\"\nfor = \"0s\"\n")
        .unwrap();
    // It works for a hundredth of the time, so it would take seconds. The round itself has nothing to do.
    let slow = ["maintain", "--cpu-share", "1"];
    let mut child = place.command(slow).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = || {
        fs::read_dir(place.store().join("segments"))
            .unwrap()
            .any(|name| name.unwrap().path().extension().is_some_and(|kind| kind == "new"))
    };
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "the round ended by itself");
        std::thread::yield_now();
    }
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let ran = child.wait_with_output().unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{out}");
    assert!(out.ends_with("stopped: what the rules still name is left for the next round\n"), "{out}");
    assert!(!begun(), "nothing is left of the step");
    assert_eq!(place.count(), 400);
    let done = place.run(["maintain"]).good();
    assert!(done.out.contains("drop   200 events"), "{}", done.out);
    assert_eq!(place.count(), 200);
    place.run(["check", "--deep"]).good();
}

#[test]
fn events_from_the_year_9999_are_kept_and_hold_up_nothing() {
    let place = Place::new();
    let file = place.write(
        "far.jsonl",
        "{\"time\":\"9999-12-31T23:59:59Z\",\"message\":\"far\"}\n{\"message\":\"near\",\"time\":\"2026-01-01T00:00:00Z\"}\n",
    );
    place.run(["import", file.to_str().unwrap()]).good();
    place.run_with(["append", "-"], b"{\"time\":\"9999-12-31T23:59:59Z\",\"message\":\"appended\"}\n").good();
    let said = |place: &Place| {
        let rows = place.json("events | sort message | keep message")["rows"].clone();
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["message"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let all = ["appended", "far", "near"];
    assert_eq!(said(&place), all);
    // It is sealed, rolled into the archive, and goes by its arrival like the others.
    place.run(["seal"]).good();
    place.run(["--now", "2099-12-31T00:00:00Z", "maintain"]).good();
    assert_eq!(
        (said(&place), place.run(["check", "--deep"]).code),
        (all.map(str::to_owned).to_vec(), Some(0))
    );
    fs::write(place.store().join("logq.toml"), "retain_for = \"30d\"\n").unwrap();
    place.run(["--now", LATER, "maintain"]).good();
    assert_eq!(place.count(), 0);
    place.run(["check", "--deep"]).good();
}
