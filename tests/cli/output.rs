//! What answers look like: safe on a terminal, exact for programs.

use std::io::Read as _;
use std::process::Stdio;

use super::{Place, run};

/// Everything that could move a cursor, set a title or a clipboard, or reorder a line.
const HOSTILE: &str = "red \\u001b[31m clip \\u001b]52;c;aGk=\\u0007 csi \\u009b1m bidi \\u202e del \\u007f cr \\r nul \\u0000 end";

fn hostile() -> Place {
    let place = Place::new();
    let line = format!(
        "{{\"time\":\"2025-03-01T12:00:00Z\",\"message\":\"{HOSTILE}\",\"bad\\u001b[0mname\":\"x\"}}\n"
    );
    place.run_with(["append", "-"], line.as_bytes()).good();
    place
}

fn is_harmless(text: &str) -> bool {
    !text.chars().any(|c| {
        (c.is_control() && c != '\n')
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    })
}

#[test]
fn no_control_character_of_an_event_reaches_a_table_or_a_message() {
    let place = hostile();
    for query in
        ["events", "events | keep message", "fields", "events | stats count by message", "events \u{1b}[31m("]
    {
        for output in ["table", "md"] {
            let ran = place.run(["-o", output, query]);
            assert!(is_harmless(&ran.out), "{query}: {:?}", ran.out);
            assert!(is_harmless(&ran.err), "{query}: {:?}", ran.err);
        }
    }
    assert!(
        place
            .run(["events | keep message"])
            .out
            .contains("red \\x1b[31m clip \\x1b]52;c;aGk=\\x07 csi \\x9b1m")
    );
}

#[test]
fn json_has_the_text_as_it_was_given() {
    let place = hostile();
    let message = place.json("events")["rows"][0]["message"].as_str().unwrap().to_owned();
    let given: String = serde_json::from_str(&format!("\"{HOSTILE}\"")).unwrap();
    assert_eq!(message, given);
    let raw = place.run(["-o", "jsonl", "events"]).good().out;
    assert!(!raw.trim_end().contains(char::is_control), "{raw:?}");
}

#[test]
fn colour_is_for_terminals_unless_it_is_asked_for() {
    let place = Place::new();
    place.run(["append", "level=error", "message=x"]).good();
    assert!(!place.run(["events"]).good().out.contains('\x1b'));
    assert!(!place.run(["events", "--color", "never"]).good().out.contains('\x1b'));
    assert!(place.run(["events", "--color", "always"]).good().out.contains("\x1b[31m"));
    // What is typed is nearer than the environment.
    let mut command = place.command(["events", "--color", "always"]);
    assert!(run(command.env("NO_COLOR", "1"), b"").good().out.contains("\x1b["));
    let mut command = place.command(["events"]);
    assert!(!run(command.env("NO_COLOR", "1"), b"").good().out.contains('\x1b'));
}

#[test]
fn csv_is_quoted_and_numbers_in_it_are_numbers() {
    let place = Place::new();
    let line = "{\"time\":\"2025-03-01T12:00:00Z\",\"message\":\"a, \\\"b\\\"\\nc\",\"n\":1234567,\"x\":1.5}\n{\"time\":\"2025-03-01T12:00:01Z\",\"n\":2}\n";
    place.run_with(["append", "-"], line.as_bytes()).good();
    let ran = place.run(["-o", "csv", "events | keep time, message, n, x | sort time"]).good();
    let want =
        "time,message,n,x\n2025-03-01T12:00:00Z,\"a, \"\"b\"\"\nc\",1234567,1.5\n2025-03-01T12:00:01Z,,2,\n";
    assert_eq!(ran.out.replace("\r\n", "\n"), want);
}

#[test]
fn the_json_answer_has_its_fixed_shape() {
    let place = Place::new();
    place.run(["append", "kind=ai", "model=phi-4", "prompt_tokens=7", "response_tokens=5"]).good();
    let answer = place.json("tokens by model last 24h");
    for key in ["query", "expanded", "range", "columns", "rows", "more", "approximate", "warnings", "stats"] {
        assert!(answer.get(key).is_some(), "{key} is missing: {answer}");
    }
    for key in [
        "segments",
        "segments_read",
        "blocks_read",
        "records_scanned",
        "bytes_read",
        "answered_from",
        "elapsed_ms",
    ] {
        assert!(answer["stats"].get(key).is_some(), "stats.{key} is missing: {answer}");
    }
    assert_eq!(answer["query"], "tokens by model last 24h");
    assert_eq!(answer["rows"][0]["model"], "phi-4");
    assert_eq!(answer["rows"][0]["total_tokens"], 12);
    assert_eq!(answer["columns"][0]["name"], "model");
    assert_eq!(answer["more"], false);
}

#[test]
fn an_unknown_field_warns_on_standard_error_and_is_answered() {
    let place = Place::new();
    place.run(["append", "model=phi-4", "message=x"]).good();
    let ran = place.run(["-o", "jsonl", "events where modle=phi-4"]).good();
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("modle") && ran.err.contains("model"), "{}", ran.err);
}

#[test]
fn a_table_fits_its_width_whatever_is_in_it() {
    let place = Place::new();
    let wide = "\u{4e2d}\u{6587}".repeat(100);
    place
        .run(["append", &format!("message={wide}"), &format!("source={}", "s".repeat(200)), "operation=x"])
        .good();
    place.run(["append", "message=short", "operation=a much longer operation than usual"]).good();
    let out = place.run(["events"]).good().out;
    // A wide character takes two columns of the 80.
    let width = |line: &str| {
        line.chars().map(|c| if ('\u{2e80}'..='\u{9fff}').contains(&c) { 2 } else { 1 }).sum::<usize>()
    };
    assert!(out.lines().all(|line| width(line) <= 80), "{out}");
    assert!(out.contains('\u{2026}'), "{out}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::new();
    let lines = "{\"message\":\"the same line again and again until the pipe is full\"}\n".repeat(5000);
    place.run_with(["append", "-"], lines.as_bytes()).good();
    for output in ["jsonl", "csv", "json", "table"] {
        let mut command = place.command(["-o", output, "events limit all"]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
}

#[test]
fn a_full_disk_under_the_output_is_exit_3() {
    let place = Place::new();
    place.run(["append", "message=x"]).good();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = place.command(["events"]).stdin(Stdio::null()).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("logq: cannot write the output"));
}

#[test]
fn times_are_shown_in_the_zone_that_was_asked_for_and_stay_utc_in_json() {
    let place = Place::new();
    place.run(["append", "time=2025-07-01T12:00:00Z", "message=x"]).good();
    assert!(place.run(["events", "--tz", "Europe/Berlin"]).good().out.contains("2025-07-01 14:00"));
    assert!(place.run(["events"]).good().out.contains("2025-07-01 12:00"));
    assert!(
        place
            .run(["events", "-o", "jsonl", "--tz", "Europe/Berlin"])
            .good()
            .out
            .contains("2025-07-01T12:00:00Z")
    );
}
