//! What is typed: verbs and queries, options, stores, exit codes.

use super::{Place, bare, run};

#[test]
fn only_an_exact_verb_is_a_verb() {
    let place = Place::new();
    place.run(["append", "message=check the disk"]).good();
    // A verb, whatever stands before it.
    assert!(place.run(["check"]).good().out.contains("no damage"));
    assert!(place.run(["-o", "json", "check"]).good().json()["records"] == 1);
    // One argument with a space is never a verb, and neither is anything behind `query`.
    for query in [
        &["-o", "jsonl", "check disk"][..],
        &["-o", "jsonl", "query", "check"],
        &["-o", "jsonl", "checks or", "disk"],
    ] {
        assert_eq!(place.run(query).good().out.lines().count(), 1, "{query:?}");
    }
}

#[test]
fn words_that_nobody_quoted_are_one_query() {
    let place = Place::new();
    place.run(["append", "kind=ai", "model=phi-4", "prompt_tokens=7", "response_tokens=5"]).good();
    let ran = place.run(["tokens", "by", "model", "last", "24h", "-o", "csv"]).good();
    assert!(ran.out.starts_with("model,calls,prompt_tokens,response_tokens,total_tokens"), "{}", ran.out);
    assert!(ran.out.contains("phi-4,1,7,5,12"), "{}", ran.out);
}

#[test]
fn a_verb_of_another_version_is_a_bad_call_that_says_so() {
    let place = Place::new();
    let ran = place.run(["upgrade"]).ends(2, "logq: this version has no command `upgrade`\nhelp: ");
    assert_eq!(ran.out, "");
}

#[test]
fn bad_calls_are_exit_2_and_name_the_way_out() {
    let place = Place::new();
    place.run([""; 0]).ends(2, "logq: nothing was asked\nhelp: ");
    place.run(["import"]).ends(2, "logq: no file to import");
    place.run(["import", "--formt", "csv", "x"]).ends(2, "`--format`");
    place.run(["-o", "yaml", "tokens"]).ends(2, "yaml");
    place.run(["--now", "soon", "tokens"]).ends(2, "logq: --now is no time: `soon`\nhelp: ");
    place.run(["--tz", "Mars/Olympus", "tokens"]).ends(2, "no time zone has the name `Mars/Olympus`");
    assert!(!place.store().exists());
}

#[test]
fn no_store_is_exit_2_with_the_way_out() {
    let place = Place::new();
    let ran = place.run(["tokens last 24h"]).ends(2, "help: ");
    assert!(ran.err.starts_with("logq: ") && ran.err.contains("logq import"), "{}", ran.err);
    assert_eq!(ran.out, "");
    for verb in [&["check"][..], &["check", "--deep"], &["seal"], &["maintain"], &["maintain", "--dry-run"]] {
        let ran = place.run(verb).ends(2, "help: ");
        assert!(ran.err.contains("logq import") && ran.out.is_empty(), "{verb:?}: {ran:?}");
    }
    assert!(!place.store().exists(), "a question made a store");
}

#[test]
fn a_bad_query_shows_the_place_and_answers_nothing() {
    let place = Place::new();
    place.run(["append", "message=x"]).good();
    let ran = place.run(["tokens where model="]).ends(2, "^");
    assert!(ran.err.starts_with("logq: "), "{}", ran.err);
    assert_eq!(ran.out, "");
    let ran = place.run(["select * from events"]).ends(2, "help: ");
    assert_eq!(ran.out, "");
}

#[test]
fn the_store_is_the_one_named_first() {
    let place = Place::new();
    let (home, named, marked) = (place.path("home"), place.path("named"), place.path("marked"));
    std::fs::create_dir_all(marked.join("deep/er")).unwrap();
    let append = |command: &mut std::process::Command, message: &str| {
        run(command.args(["append", &format!("message={message}")]), b"").good();
    };
    append(bare(&marked.join("deep")).env("XDG_DATA_HOME", &home), "default");
    std::fs::write(marked.join("logq.toml"), "").unwrap();
    append(&mut bare(&marked.join("deep/er")), "marked");
    append(bare(&marked).env("LOGQ_STORE", &named), "variable");
    append(bare(&marked).env("LOGQ_STORE", &named).arg("--store").arg(place.store()), "typed");
    for (store, message) in
        [(home.join("logq"), "default"), (marked, "marked"), (named, "variable"), (place.store(), "typed")]
    {
        let mut command = bare(place.dir.path());
        let ran = run(command.arg("--store").arg(&store).args(["-o", "jsonl", "events"]), b"").good();
        assert_eq!(ran.out.lines().count(), 1, "{message}: {}", ran.out);
        assert!(ran.out.contains(message), "{message}: {}", ran.out);
    }
}

#[test]
fn the_clock_of_queries_can_be_set() {
    let place = Place::new();
    place.run(["append", "time=2025-03-01T12:00:00Z", "message=then"]).good();
    let count = |now: &[&str]| {
        let args = now.iter().copied().chain(["-o", "json", "events last 1h | stats count"]);
        place.run(args).good().json()["rows"][0]["count"].as_i64()
    };
    assert_eq!(count(&["--now", "2025-03-01T12:30:00Z"]), Some(1));
    assert_eq!(count(&["--now", "2025-03-01T13:30:00Z"]), Some(0));
    assert_eq!(count(&[]), Some(0));
    let mut command = place.command(["-o", "json", "events last 1h | stats count"]);
    let ran = run(command.env("LOGQ_NOW", "1740832200"), b"").good();
    assert_eq!(ran.json()["rows"][0]["count"], 1);
}

#[test]
fn help_and_version_go_to_standard_output() {
    let place = Place::new();
    let help = place.run(["--help"]).good();
    assert!(help.out.contains("import") && help.out.contains("NO_COLOR") | help.out.contains("--color"));
    assert_eq!(help.err, "");
    assert!(place.run(["--version"]).good().out.starts_with("logq "));
    assert!(place.run(["import", "--help"]).good().out.contains("--dry-run"));
}
