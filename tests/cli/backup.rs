//! `backup` and `restore`: what comes back answers the same.

use std::fs;

use serde_json::json;

use super::Place;

#[test]
fn a_store_comes_back_from_its_backup_and_damage_is_said() {
    let place = Place::new();
    for n in 0..5 {
        place.run(["append", "kind=ai", &format!("n={n}")]).good();
    }
    let (there, anew) = (place.path("backups"), place.path("anew"));
    let (there, anew) = (there.to_str().unwrap(), anew.to_str().unwrap());
    assert!(place.run(["backup", there]).good().out.starts_with("backup 1: 5 records"));
    place.run(["append", "n=5"]).good();
    assert_eq!(place.run(["backup", there, "-o", "json"]).good().json()["records"], 6);
    assert_eq!(
        place.run(["backup", there, "--list", "-o", "json"]).good().json()["backups"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert!(place.run(["backup", there, "--verify"]).good().out.contains("every copy"));
    place.run(["restore", there, "--to", anew]).good();
    let count = place.run(["--store", anew, "-o", "json", "events count"]).good().json()["rows"].clone();
    assert_eq!(count, json!([{"count": 6}]));
    place.run(["restore", there, "--to", anew]).ends(2, "is not empty");
    let replaced = place.run(["restore", there, "--to", anew, "--replace"]).good();
    assert!(replaced.out.contains("what was there is in "), "{replaced:?}");
    place.run(["restore", there, "--to", anew, "--at", "2001-01-01"]).ends(2, "no backup of that time");
    place.run(["restore", there, "--to", anew, "--at", "never"]).ends(2, "--at is no time");
    place.run(["backup", place.store().join("inside").to_str().unwrap()]).ends(2, "inside the store");
    for entry in fs::read_dir(place.path("backups").join("files")).unwrap() {
        fs::write(entry.unwrap().path(), "rot").unwrap();
    }
    let ran = place.run(["backup", there, "--verify"]);
    assert!(ran.code == Some(1) && ran.out.contains("damage: files/"), "{ran:?}");
    place.run(["restore", there, "--to", place.path("never").to_str().unwrap()]).ends(3, "bytes of");
}
