//! `repair`: what it plans is what it does, and it says what is lost.

use std::fs;

use serde_json::json;

use super::Place;

/// A store with a sealed and an active file, and a flipped bit in the latter.
fn damaged() -> Place {
    let place = Place::new();
    for at in 0..5 {
        place.run(["append", &format!("message=needle{at}")]).good();
    }
    place.run(["seal"]).good();
    for at in 5..10 {
        place.run(["append", &format!("message=needle{at}")]).good();
    }
    let file = place.active_files().remove(0);
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(7).position(|window| window == b"needle7").unwrap();
    bytes[at] ^= 1;
    fs::write(&file, bytes).unwrap();
    place
}

#[test]
fn a_sound_store_has_nothing_to_repair() {
    let place = Place::new();
    place.run(["append", "message=x"]).good();
    assert_eq!(place.run(["repair"]).good().out, "nothing to repair\n");
    assert_eq!(place.run(["repair", "--apply"]).good().out, "nothing to repair\n");
    let json = place.run(["repair", "-o", "json"]).good().json();
    assert_eq!((&json["steps"], &json["lost"]), (&json!([]), &json!([])));
    place.run(["repair", "-o", "csv"]).ends(2, "repair cannot write csv");
    Place::new().run(["repair"]).ends(2, "there is no store");
}

#[test]
fn repair_shows_what_it_would_do_and_does_it_only_when_told() {
    let place = damaged();
    assert!(place.run(["check"]).ends(1, "logq repair").out.contains("1 damaged place"));
    let active = place.active_files().remove(0);
    let bytes = fs::read(&active).unwrap();
    let planned = place.run(["repair"]);
    assert_eq!(planned.code, Some(1), "{planned:?}");
    for said in ["salvage  active/", "4 records kept, 1 record lost", "nothing was changed (--apply does it)"]
    {
        assert!(planned.out.contains(said), "{said}: {}", planned.out);
    }
    assert_eq!(fs::read(&active).unwrap(), bytes);
    let done = place.run(["repair", "--apply", "-o", "json"]).good().json();
    let step = &done["steps"][0];
    assert_eq!(
        (&step["step"], &step["records_kept"], &step["records_lost"]),
        (&json!("salvage"), &json!(4), &json!(1))
    );
    assert_eq!(done["left"], json!([]));
    let aside = place.store().join(step["aside"].as_str().unwrap());
    assert!(bytes.starts_with(&fs::read(aside).unwrap()), "what was damaged is kept");
    let checked = place.run(["check", "--deep"]).good();
    assert!(
        checked.out.contains("no damage") && checked.out.contains("lost: damaged records"),
        "{}",
        checked.out
    );
    let json = place.run(["check", "-o", "json"]).good().json();
    assert_eq!((&json["records"], json["lost"].as_array().map(Vec::len)), (&json!(9), Some(1)));
    assert!(place.run(["repair"]).good().out.starts_with("nothing to repair\nlost: damaged records"));
    // Answers hold the rest, and go on saying what they lack.
    let ran = place.run(["-o", "jsonl", "events"]).ends(3, "damaged records");
    assert_eq!(ran.out.lines().count(), 9, "{}", ran.out);
}

#[test]
fn a_lost_manifest_is_written_anew() {
    let place = damaged();
    fs::remove_file(place.store().join("MANIFEST")).unwrap();
    let planned = place.run(["repair"]);
    assert!(planned.out.contains("rebuild  MANIFEST: made anew from what the files say"), "{}", planned.out);
    assert!(!place.store().join("MANIFEST").exists(), "a plan changes nothing");
    place.run(["repair", "--apply"]).good();
    assert!(place.store().join("MANIFEST").exists());
    place.run(["check", "--deep"]).good();
}
