//! `demo` and `bench`, small: that they work, and that what they say is what they did.

use super::Place;

#[test]
fn the_demo_makes_a_store_and_its_commands_work() {
    let place = Place::new();
    let store = place.store();
    let ran = place.run(["demo", "--events", "3000", "--store", store.to_str().unwrap()]).good();
    for said in [
        "3,000 agent events",
        "events/s",
        "357/s",
        "urability: buffered",
        "tokens where model=llama3.2 last 24h",
    ] {
        assert!(ran.out.contains(said), "{said:?} is not in {}", ran.out);
    }
    assert_eq!(place.count(), 3000);
    // The question that it printed answers the same when it is asked by hand.
    let total =
        place.json("tokens where model=llama3.2 last 24h")["rows"][0]["total_tokens"].as_i64().unwrap();
    assert!(0 < total);
    let commands = ran.out.lines().filter(|line| line.starts_with("$ logq --store"));
    assert_eq!(commands.count(), 3, "{}", ran.out);
}

#[test]
fn the_demo_never_writes_to_the_store_of_the_environment() {
    let place = Place::new();
    let mut command = place.command(["demo", "--events", "100"]);
    super::run(command.env("TMPDIR", place.dir.path()), b"").good();
    assert!(!place.store().exists());
}

#[test]
fn the_first_measurement_is_the_run_of_the_replaced_system() {
    let place = Place::new();
    let mut command = place.command(["bench", "--rows", "2000", "-o", "json"]);
    let json = super::run(command.env("TMPDIR", place.dir.path()), b"").good().json();
    let measured = json["measured"].as_array().unwrap();
    assert_eq!(measured[0]["name"], "1,000 entries one by one, synced");
    assert_eq!(measured[0]["baseline"], 357.0);
    assert!(measured[0]["note"].as_str().unwrap().contains("33,358"));
    for one in measured {
        for key in ["name", "value", "unit", "baseline", "ratio"] {
            assert!(one.get(key).is_some(), "{key} is missing: {one}");
        }
        assert!(one["value"].as_f64().is_some_and(|value| 0.0 < value), "{one}");
    }
    assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), 0, "the temporary store is still there");
}

#[test]
fn queries_are_timed_on_the_store_that_is_named() {
    let place = Place::new();
    place.run(["append", "model=phi-4", "prompt_tokens=1"]).good();
    let file = place.write("queries.txt", "tokens\n\nevents where model=phi-4\n");
    let json = place.run(["bench", "-o", "json", "--queries", file.to_str().unwrap()]).good().json();
    let queries = json["queries"].as_array().unwrap();
    assert_eq!(queries.len(), 2);
    assert_eq!((&queries[0]["query"], &queries[0]["rows"]), (&"tokens".into(), &1.into()));
    for key in ["cold_ms", "warm_p50_ms", "warm_max_ms"] {
        assert!(queries[1][key].as_f64().is_some_and(|ms| 0.0 < ms), "{key}: {json}");
    }
    let ran = place.run_with(["bench", "-o", "json", "--queries", "-"], b"fields\n").good();
    assert_eq!(ran.json()["queries"][0]["query"], "fields");
    place.run_with(["bench", "--queries", "-"], b"tokens where model=\n").ends(2, "^");
}
