//! `health`: what it says of a store, and how that ends.

use std::fs;

use serde_json::Value;

use super::Place;

/// What `health` says, and that its exit code is its verdict.
#[track_caller]
fn health(place: &Place) -> Value {
    let ran = place.run(["health", "-o", "json"]);
    let json = ran.json();
    let want = match json["verdict"].as_str() {
        Some("good") => 0,
        Some("attention") => 1,
        _ => 2,
    };
    assert_eq!(ran.code, Some(want), "{ran:?}");
    json
}

fn item<'j>(json: &'j Value, name: &str) -> &'j Value {
    let items = json["items"].as_array().unwrap();
    items.iter().find(|item| item["item"] == name).unwrap_or_else(|| panic!("no item {name} in {json:#}"))
}

fn track(place: &Place, prompt: &str, response: &str) {
    let tokens = ["--prompt-tokens", prompt, "--response-tokens", response];
    let call = ["track", "--operation", "puzzle_analysis", "--model", "gpt-4o"];
    place.run(call.into_iter().chain(tokens)).good();
}

#[test]
fn health_has_the_five_parts_and_says_the_same_in_both_forms() {
    let place = Place::new();
    track(&place, "150", "250");
    place.run(["append", "message=disk is slow", "level=warn"]).good();
    let json = health(&place);
    for range in ["last_hour", "last_24h"] {
        let used = &json["tokens"][range];
        assert_eq!((&used["calls"], &used["total_tokens"]), (&1.into(), &400.into()), "{json:#}");
        assert_eq!(used["cost_usd"].as_f64(), Some(0.002875), "{json:#}");
    }
    assert_eq!(json["limits"].as_array().map(Vec::len), Some(2), "the hourly and the daily default");
    assert_eq!(json["recent"][1]["message"], "disk is slow");
    assert_eq!(item(&json, "unsealed")["value"], 2);
    assert_eq!(item(&json, "compression")["value"], Value::Null, "nothing is sealed yet");
    assert!(item(&json, "synced until")["value"].is_string());
    let shown = place.run(["health"]);
    for part in ["Tokens of the last hour", "Tokens of the last 24 hours", "Limits", "Newest events", "Store"]
    {
        assert!(shown.out.lines().any(|line| line == part), "{part}: {}", shown.out);
    }
    let verdict = json["verdict"].as_str().unwrap();
    assert!(shown.out.ends_with(&format!("Verdict: {verdict}\n")), "{}", shown.out);
    assert!(shown.out.contains("disk is slow"));
    place.run(["seal"]).good();
    assert!(item(&health(&place), "compression")["value"].as_f64().is_some_and(|ratio| 0.0 < ratio));
}

#[test]
fn a_limit_that_is_met_wants_attention_and_names_the_budget() {
    let place = Place::new();
    track(&place, "1", "1");
    assert_eq!(item(&health(&place), "limits")["status"], "good");
    track(&place, "50000", "0");
    let json = health(&place);
    let limits = item(&json, "limits");
    assert_eq!(limits["status"], "attention", "{json:#}");
    assert!(limits["detail"].as_str().unwrap().contains("`hourly` over the limit"), "{json:#}");
    assert_ne!(json["verdict"], "good");
}

#[test]
fn a_clock_that_was_set_back_lately_wants_attention() {
    let place = Place::new();
    let said = ["kind=system", "source=budget", "operation=clock_backward"];
    place.run(["append", "time=2020-01-01"].into_iter().chain(said)).good();
    assert_eq!(item(&health(&place), "clock set back")["status"], "good", "years ago is no news");
    place.run(["append"].into_iter().chain(said)).good();
    for _ in 0..2 {
        let json = health(&place);
        assert_eq!(
            (&item(&json, "clock set back")["value"], &item(&json, "clock set back")["status"]),
            (&1.into(), &"attention".into())
        );
        place.run(["seal"]).good();
    }
}

#[test]
fn what_was_set_aside_wants_attention_and_damage_is_bad() {
    let place = Place::new();
    place.run(["append", "message=hello"]).good();
    place.run(["seal"]).good();
    fs::create_dir_all(place.store().join("quarantine")).unwrap();
    fs::write(place.store().join("quarantine/0-1.log"), "torn").unwrap();
    let json = health(&place);
    assert_eq!(item(&json, "quarantine")["status"], "attention");
    assert_ne!(json["verdict"], "good");
    let segment = fs::read_dir(place.store().join("segments")).unwrap().next().unwrap().unwrap().path();
    let len = fs::metadata(&segment).unwrap().len();
    fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(len / 2).unwrap();
    let json = health(&place);
    assert_eq!((&json["verdict"], &item(&json, "damage")["status"]), (&"bad".into(), &"bad".into()));
}

#[test]
fn health_of_no_store_and_in_a_form_that_it_has_not_is_a_bad_call() {
    let place = Place::new();
    let ran = place.run(["health"]).ends(2, "help: ");
    assert!(ran.err.contains("logq import") && ran.out.is_empty(), "{ran:?}");
    place.run(["append", "message=hello"]).good();
    place.run(["health", "-o", "csv"]).ends(2, "health cannot write csv\nhelp: ");
}
