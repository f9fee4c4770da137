//! `import`: files in, once; bad lines named and kept; nothing made that was not asked for.

use super::Place;

const CALLS: &str = "{\"ts\":\"2025-03-01T12:00:00Z\",\"model\":\"phi-4\",\"input_tokens\":7,\"output_tokens\":5}\n\
                     {\"ts\":\"2025-03-01T12:00:01Z\",\"model\":\"phi-4\",\"input_tokens\":1,\"output_tokens\":2}\n";

#[test]
fn a_second_import_adds_nothing_and_a_longer_file_adds_its_end() {
    let place = Place::new();
    let file = place.write("calls.jsonl", CALLS.repeat(100));
    let path = file.to_str().unwrap();
    let ran = place.run(["import", path]).good();
    assert_eq!(ran.out, "", "rows go to standard output, and an import has none");
    assert!(ran.err.contains("imported 200 rows"), "{}", ran.err);
    assert!(place.run(["import", path]).good().err.contains("nothing new"));
    assert_eq!(place.count(), 200);
    place.write("calls.jsonl", CALLS.repeat(101));
    place.run(["import", path]).good();
    assert_eq!(place.count(), 202);
    place.run(["import", "--again", path]).good();
    assert_eq!(place.count(), 404);
    assert!(place.run(["import", "--list"]).good().out.contains("calls.jsonl"));
}

#[test]
fn columns_move_where_they_are_told() {
    let place = Place::new();
    let file = place.write(
        "trace.csv",
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n",
    );
    let path = file.to_str().unwrap();
    let maps = [
        "--map",
        "time=TIMESTAMP",
        "--map",
        "prompt_tokens=ContextTokens",
        "--map",
        "response_tokens=GeneratedTokens",
    ];
    place.run(["import", path, "--set", "region=eu", "--kind", "ai"].iter().chain(&maps)).good();
    let answer = place.json("events");
    let row = &answer["rows"][0];
    assert_eq!(row["time"], "2023-11-16T18:15:46.680590Z");
    assert_eq!((&row["prompt_tokens"], &row["response_tokens"]), (&374.into(), &44.into()));
    assert_eq!(
        (&row["region"], &row["kind"], &row["source"]),
        (&"eu".into(), &"ai".into(), &"trace.csv".into())
    );
    assert_eq!(row.get("ContextTokens"), None);
}

#[test]
fn bad_lines_are_named_counted_and_kept() {
    let place = Place::new();
    let file = place.write("mixed.jsonl", "{\"n\":1}\n{broken\n\n{\"n\":2}\n");
    let path = file.to_str().unwrap();
    let ran = place.run(["import", path, "--format", "jsonl"]).good();
    assert!(ran.err.contains("mixed.jsonl:2"), "{}", ran.err);
    assert!(ran.err.contains("1 line could not be read, kept in "), "{}", ran.err);
    assert!(ran.err.contains("1 blank line skipped"), "{}", ran.err);
    assert_eq!(place.count(), 2);
    place.run(["import", path, "--format", "jsonl", "--strict", "--again"]).ends(1, "mixed.jsonl:2");
}

#[test]
fn a_dry_run_shows_events_and_writes_nothing() {
    let place = Place::new();
    let file = place.write("calls.jsonl", CALLS);
    let ran = place.run(["import", "--dry-run", file.to_str().unwrap()]).good();
    assert!(ran.err.contains("would import 2 rows"), "{}", ran.err);
    assert!(ran.out.contains("phi-4"), "{}", ran.out);
    assert!(!place.store().exists());
}

#[test]
fn standard_input_is_a_new_import_each_time() {
    let place = Place::new();
    for _ in 0..2 {
        place.run_with(["import", "-", "--format", "jsonl"], CALLS.as_bytes()).good();
    }
    assert_eq!(place.count(), 4);
}

#[test]
fn what_cannot_be_imported_says_why_and_the_rest_goes_in() {
    let place = Place::new();
    let file = place.write("calls.jsonl", CALLS);
    let empty = place.write("empty.jsonl", "");
    let missing = place.path("missing.jsonl");
    let (file, empty, missing) = (file.to_str().unwrap(), empty.to_str().unwrap(), missing.to_str().unwrap());
    place.run(["import", missing, file]).ends(2, "missing.jsonl");
    assert_eq!(place.count(), 2);
    place.run(["import", empty]).good();
    place.run(["import", "--map", "model", file]).ends(2, "--map `model` has no `=`");
    place.run(["import", "--time-unit", "weeks", file]).ends(2, "weeks");
    place.run(["import", "--format", "yaml", file]).ends(2, "yaml");
    assert_eq!(place.count(), 2);
}

#[test]
fn a_directory_is_all_files_below_it_but_hidden_ones_and_stores() {
    let place = Place::new();
    let folder = place.path("logs");
    std::fs::create_dir_all(folder.join("2025/03")).unwrap();
    std::fs::write(folder.join("2025/03/b.jsonl"), "{\"message\":\"two\"}\n").unwrap();
    std::fs::write(folder.join("a.log"), "2025-03-01T12:00:00Z one\n").unwrap();
    std::fs::write(folder.join(".hidden"), "no\n").unwrap();
    let inside = folder.join("store");
    let append = ["--store", inside.to_str().unwrap(), "append", "message=ours"];
    place.run(append).good();
    place.run(["import", folder.to_str().unwrap()]).good();
    let found = place.json("events count by source sort source");
    assert_eq!(found["rows"][0]["source"], "a.log");
    assert_eq!(found["rows"][1]["source"], "b.jsonl");
    assert_eq!(found["rows"].as_array().unwrap().len(), 2, "{found}");
    // Again, nothing is new.
    place.run(["import", folder.to_str().unwrap()]).good();
    assert_eq!(place.json("events count")["rows"][0]["count"], 2);
    std::fs::create_dir(place.path("empty")).unwrap();
    place.run(["import", place.path("empty").to_str().unwrap()]).ends(2, "no file lies in");
}
