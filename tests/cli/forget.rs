//! `forget` and `import --undo`: what they plan is what they do, and nothing else goes.

use std::fs;

use serde_json::json;

use super::Place;

fn filled() -> Place {
    let place = Place::new();
    for n in 0..6 {
        let user = if n % 3 == 0 { "user=zalice" } else { "user=bob" };
        place
            .run(["append", "kind=ai", user, &format!("n={n}"), "prompt_tokens=10", "response_tokens=0"])
            .good();
    }
    place
}

#[test]
fn forgetting_shows_what_would_go_and_removes_exactly_that_when_told() {
    let place = filled();
    place.run(["seal"]).good();
    let planned = place.run(["forget", "user=zalice"]).good();
    assert!(
        planned.out.contains("seg: 2 events\nwould remove 2 events of `events where user"),
        "{planned:?}"
    );
    assert_eq!(place.json("events count")["rows"], json!([{"count": 6}]));
    let done = place.run(["forget", "user=zalice", "--apply"]).good();
    assert!(done.out.contains("removed 2 events") && done.err.contains("backups"), "{done:?}");
    assert_eq!(place.json("events count by user")["rows"], json!([{"user": "bob", "count": 4}]));
    assert_eq!(place.json("tokens")["rows"][0]["total_tokens"], 40);
    assert!(place.run(["check", "--deep"]).good().out.contains("no damage"));
    assert!(place.run(["forget", "user=zalice", "--apply"]).good().out.contains("removed 0 events"));
    let report = place.run(["forget", "n>=4", "-o", "json"]).good().json();
    assert_eq!((report["events"].clone(), report["applied"].clone()), (json!(2), json!(false)));
}

#[test]
fn what_names_no_events_is_refused_and_a_slip_is_warned_of() {
    let place = filled();
    for text in [
        "tokens by user",
        "events",
        "all time",
        "user=zalice | limit 1",
        "user=zalice limit 1",
        "explain user=zalice",
    ] {
        let ran = place.run(["forget", text, "--apply"]);
        assert_eq!(ran.code, Some(2), "{text}: {ran:?}");
    }
    place.run(["forget"]).ends(2, "EXPR");
    let ran = place.run(["forget", "usr=zalice", "--apply"]).ends(0, "no event has a field `usr`");
    assert!(ran.err.contains("user"), "{ran:?}");
    assert_eq!(place.json("events count")["rows"], json!([{"count": 6}]));
    Place::new().run(["forget", "user=zalice"]).ends(2, "there is no store");
}

#[test]
fn lines_that_were_refused_are_named_and_go_only_when_asked() {
    let place = filled();
    let file = place.path("bad.jsonl");
    fs::write(&file, "{\"user\": \"zalice\", \"n\": 7}\n{\"user\": \"zalice\", broken\n").unwrap();
    place.run(["import", file.to_str().unwrap()]).good();
    let done = place.run(["forget", "user=zalice", "--apply"]);
    assert_eq!(done.code, Some(1), "something is left: {done:?}");
    assert!(done.out.contains("removed 3 events") && done.out.contains("imports/"), "{done:?}");
    let again = place.run(["forget", "user=zalice", "--apply", "--set-aside"]).good();
    assert!(again.out.contains("deleted what was set aside"), "{again:?}");
    assert!(!place.run(["forget", "user=zalice"]).good().out.contains("imports/"));
}

#[test]
fn an_import_that_is_taken_back_can_be_made_again() {
    let place = filled();
    let file = place.path("more.jsonl");
    fs::write(&file, (10..30).map(|n| format!("{{\"n\": {n}}}\n")).collect::<String>()).unwrap();
    let path = file.to_str().unwrap();
    place.run(["import", path]).good();
    let id = place.run(["import", "--list", "-o", "json"]).good().json()["imports"][0]["id"].clone();
    let id = id.as_str().unwrap();
    place.run(["import", "--undo", id, "--dry-run"]).good();
    assert_eq!(place.json("events count")["rows"], json!([{"count": 26}]));
    assert!(place.run(["import", "--undo", id]).good().out.contains("removed 20 events"));
    assert_eq!(place.json("events count")["rows"], json!([{"count": 6}]));
    assert_eq!(place.run(["import", "--list", "-o", "json"]).good().json()["imports"], json!([]));
    place.run(["import", "--undo", id]).ends(2, "nothing was imported as");
    place.run(["import", "--undo", "nonsense"]).ends(2, "does not name an import");
    assert!(place.run(["import", path]).good().err.contains("imported 20 rows"));
    assert_eq!(place.json("events count")["rows"], json!([{"count": 26}]));
}

#[test]
fn budgets_that_name_what_is_forgotten_are_named_with_the_way_out_and_make_the_command_end_with_1() {
    let place = filled();
    place
        .run(["budget", "set", "for her", "--limit", "5000", "--window", "day", "--where", "user = zalice"])
        .good();
    place.run(["budget", "set", "zalice-daily", "--limit", "5000", "--window", "day"]).good();
    let done = place.run(["forget", "user=zalice", "--apply"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    for way_out in ["`logq budget set 'for her' --remove`", "`logq budget set zalice-daily --remove`"] {
        assert!(done.out.contains(way_out), "{way_out}: {done:?}");
    }
    let report = place.run(["forget", "user=zalice", "--apply", "-o", "json"]);
    assert_eq!((report.code, &report.json()["budgets"]), (Some(1), &json!(["for her", "zalice-daily"])));
    for name in ["for her", "zalice-daily"] {
        place.run(["budget", "set", name, "--remove"]).good();
    }
    place.run(["forget", "user=zalice", "--apply"]).good();
}
