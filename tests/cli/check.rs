//! `check`: says what it verified, and finds what is damaged.

use std::fs;

use super::Place;

#[test]
fn a_sound_store_is_exit_0_and_counts_what_was_verified() {
    let place = Place::new();
    place.run(["append", "message=x"]).good();
    let ran = place.run(["check"]).good();
    assert!(ran.out.starts_with("verified 1 file, ") && ran.out.contains(", 1 record, "), "{}", ran.out);
    let json = place.run(["check", "-o", "json"]).good().json();
    assert_eq!((&json["records"], json["damage"].as_array().map(Vec::len)), (&1.into(), Some(0)));
}

#[test]
fn a_flipped_bit_is_found_and_the_answer_says_that_it_is_not_whole() {
    let place = Place::new();
    for at in 0..5 {
        place.run(["append", &format!("message=needle{at}")]).good();
    }
    let file = place.active_files().remove(0);
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(7).position(|window| window == b"needle2").unwrap();
    bytes[at] ^= 1;
    fs::write(&file, bytes).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let ran = place.run(["check"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains(name) && ran.out.contains("byte"), "{}", ran.out);
    let json = place.run(["check", "-o", "json"]).json();
    assert_eq!(json["damage"].as_array().map(Vec::len), Some(1));
    // The answer holds everything else, and says what it lacks.
    let ran = place.run(["-o", "jsonl", "events"]).ends(3, name);
    assert_eq!(ran.out.lines().count(), 4, "{}", ran.out);
}

#[test]
fn a_store_on_a_read_only_disk_answers() {
    let place = Place::new();
    place.run(["append", "message=x"]).good();
    let tree = |mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        let dirs = [place.store(), place.store().join("active")];
        for file in place.active_files() {
            fs::set_permissions(file, fs::Permissions::from_mode(mode & 0o666)).unwrap();
        }
        for dir in dirs {
            fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    tree(0o555);
    let answer = place.json("events");
    let checked = place.run(["check"]);
    tree(0o755);
    assert_eq!(answer["rows"].as_array().map(Vec::len), Some(1));
    checked.good();
}
