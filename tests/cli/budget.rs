//! `logq budget`: limits from the shell.

use std::process::Stdio;

use serde_json::{Value, json};

use super::Place;

/// A budget that refuses, beside those that every store has.
fn limited(place: &Place, limit: &str) {
    place.run(["budget", "set", "calls", "--limit", limit, "--window", "lifetime", "--mode", "hard"]).good();
}

fn row(place: &Place, name: &str) -> Value {
    let rows = place.run(["budget", "status", "-o", "json"]).good().json();
    rows.as_array().unwrap().iter().find(|row| row["name"] == name).cloned().unwrap_or(Value::Null)
}

#[test]
fn the_status_of_a_new_store_is_the_default_budgets() {
    let place = Place::new();
    place.run(["budget"]).ends(2, "there is no store here");
    place.run(["append", "kind=ai", "prompt_tokens=30000", "response_tokens=15000"]).good();
    let rows = place.run(["budget", "status", "-o", "json"]).good();
    let rows = rows.json();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    let keys: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    let mut fixed =
        ["name", "scope", "window", "used", "held", "limit", "ratio", "status", "resets_in", "eta"];
    fixed.sort_unstable();
    assert_eq!(keys, fixed);
    assert_eq!(
        (&rows[0]["name"], &rows[0]["used"], &rows[0]["limit"]),
        (&json!("hourly"), &json!(45000), &json!(50000))
    );
    assert_eq!(rows[1]["status"], "ok");
    let table = place.run(["budget"]).good();
    assert!(table.out.contains("hourly") && table.out.contains("warning"), "{}", table.out);
    // The first look raised the alert, the second did not raise it again.
    assert_eq!(table.err, "");
    assert_eq!(place.json("events where operation=budget_alert | stats count")["rows"][0]["count"], 1);
    assert_eq!(place.json("budget where name=daily")["rows"][0]["used"], 45000);
}

#[test]
fn a_hold_lives_between_commands_until_it_is_committed_or_released() {
    let place = Place::new();
    limited(&place, "1_000");
    let reserve = |tokens: &str| {
        place.run([
            "budget",
            "reserve",
            "--tokens",
            tokens,
            "--model",
            "llama3.2",
            "--operation",
            "chat",
            "-o",
            "json",
        ])
    };
    let one = reserve("600").good().json();
    assert_eq!(one["remaining"], 400);
    let hold = one["hold"].as_str().unwrap().to_owned();
    let refused = reserve("401").ends(1, "refused: budget calls: 401 asked, 0 used and 600 held of 1000");
    assert_eq!(refused.json()["hold"], Value::Null);
    assert_eq!(refused.json()["refused"]["budget"], "calls");
    let two = place.run(["budget", "reserve", "--tokens", "400"]).good();
    place.run(["budget", "release", two.out.trim()]).good();
    assert!(place.run(["budget", "release", two.out.trim()]).good().err.contains("not held any more"));
    let commit = ["budget", "commit", hold.as_str(), "--prompt-tokens", "150", "--response-tokens", "250"];
    place.run(commit).good();
    assert!(place.run(commit).good().err.contains("nothing was booked"));
    assert_eq!((&row(&place, "calls")["used"], &row(&place, "calls")["held"]), (&json!(400), &json!(0)));
    let event = &place.json("events where kind=ai")["rows"];
    assert_eq!(
        (event.as_array().unwrap().len(), &event[0]["model"], &event[0]["operation"]),
        (1, &json!("llama3.2"), &json!("chat"))
    );
    assert!(place.run(["budget", "verify"]).good().out.contains("counted: 0 differences"));
    place
        .run([
            "budget",
            "commit",
            two.out.trim(),
            "--prompt-tokens",
            "1",
            "--response-tokens",
            "1",
            "--model",
            "m",
            "--operation",
            "o",
        ])
        .ends(2, "was released");
    place
        .run(["budget", "commit", "0123456789abcdef", "--prompt-tokens", "1", "--response-tokens", "1"])
        .ends(2, "there was no hold");
    place
        .run(["budget", "commit", "x", "--prompt-tokens", "1", "--response-tokens", "1"])
        .ends(2, "no name of a hold");
    place.run(["budget", "reserve"]).ends(2, "--tokens");
    place.run(["budget", "reserve", "--tokens", "1", "--ttl", "soon"]).ends(2, "--ttl is no length of time");
    place.run(["budget", "reserve", "--tokens", "1", "--ttl", "25h"]).ends(2, "24 hours at most");
}

#[test]
fn a_hold_is_extended_as_far_as_its_budgets_go() {
    let place = Place::new();
    limited(&place, "1000");
    let hold = place.run(["budget", "reserve", "--tokens", "600"]).good().out;
    let extend = |more: &[&str]| place.run(["budget", "extend", hold.trim()].iter().chain(more));
    extend(&["--tokens", "400", "--ttl", "1h"]).good();
    assert_eq!(row(&place, "calls")["held"], 1000);
    let refused = extend(&["--tokens", "1", "-o", "json"]).ends(1, "refused: budget calls: 1 asked");
    assert_eq!(refused.json()["extended"], false);
    assert_eq!(extend(&["--ttl", "2h", "-o", "json"]).good().json()["extended"], true);
    extend(&[]).ends(2, "--tokens");
    extend(&["--ttl", "25h"]).ends(2, "24 hours at most");
    place.run(["budget", "release", hold.trim()]).good();
    assert_eq!(row(&place, "calls")["held"], 0);
    extend(&["--tokens", "1"]).ends(2, "this hold is over");
    assert!(place.run(["budget", "verify"]).good().out.contains("counted: 0 differences"));
}

#[test]
fn a_check_is_exit_1_beyond_a_hard_limit_and_holds_nothing() {
    let place = Place::new();
    limited(&place, "100");
    place.run(["budget", "check", "--tokens", "100"]).good();
    let no = place.run(["budget", "check", "--tokens", "101", "-o", "json"]).ends(1, "refused: budget calls");
    assert_eq!((&no.json()["admitted"], &no.json()["refused"]["asked"]), (&json!(false), &json!(101)));
    assert_eq!(row(&place, "calls")["held"], 0);
    let soft = ["budget", "set", "calls", "--mode", "soft"];
    place.run(soft).good();
    let yes = place.run(["budget", "check", "--tokens", "101"]).good();
    assert!(yes.err.contains("beyond its limit: budget calls"), "{}", yes.err);
    assert!(yes.out.contains("calls: 0 tokens would be left"), "{}", yes.out);
}

#[test]
fn set_defines_and_changes_only_what_is_said() {
    let place = Place::new();
    place
        .run([
            "budget",
            "set",
            "money",
            "--limit",
            "$2.50",
            "--measure",
            "cost",
            "--window",
            "sliding:1h",
            "--where",
            "model_name = gpt-4o and user = ann",
            "--warn",
            "0.5,0.9",
        ])
        .good();
    place.run(["budget", "set", "money", "--limit", "5"]).good();
    let money = row(&place, "money");
    assert_eq!(
        (&money["limit"], &money["scope"], &money["window"]),
        (&json!(5), &json!("model=gpt-4o user=ann"), &json!("sliding:1h"))
    );
    place
        .run([
            "budget",
            "set",
            "each",
            "--limit",
            "2",
            "--measure",
            "requests",
            "--window",
            "day",
            "--by",
            "user",
            "--tz",
            "Europe/Berlin",
        ])
        .good();
    place.run(["append", "kind=ai", "user=ann", "prompt_tokens=1"]).good();
    assert_eq!(row(&place, "each")["scope"], "user=ann");
    place.run(["budget", "set", "each", "--remove"]).good();
    assert_eq!(row(&place, "each"), Value::Null);
    for (args, said) in [
        (&["gone", "--remove"][..], "no budget has the name `gone`"),
        (&["new", "--limit", "5"], "needs a limit and a window"),
        (&["new", "--window", "day"], "needs a limit and a window"),
        (&["money", "--limit", "much"], "--limit is no limit: `much`"),
        (&["money", "--window", "fortnight"], "no window has the name `fortnight`"),
        (&["money", "--where", "model = a or model = b"], "--where takes only fields that equal values"),
        (&["money", "--warn", "80%"], "no threshold"),
        (&["money", "--measure", "tokens"], "another measure needs a limit of its own"),
        (&["money", "--mode", "strict"], "strict"),
        (&["money", "--tz", "Mars/Olympus"], "Mars/Olympus"),
    ] {
        let ran = place.run(["budget", "set"].iter().chain(args)).ends(2, said);
        assert_eq!(ran.out, "", "{args:?}");
    }
}

#[test]
fn what_is_tracked_counts_and_warns_once() {
    let place = Place::new();
    limited(&place, "100");
    let track = |prompt: &str| {
        let args = [
            "track",
            "--operation",
            "chat",
            "--model",
            "llama3.2",
            "--response-tokens",
            "0",
            "--prompt-tokens",
        ];
        place.run(args.iter().chain(&[prompt])).good().err
    };
    assert_eq!(track("70"), "");
    assert!(track("15").contains("budget calls: 85 of 100 tokens used (85 %, window lifetime)"));
    assert_eq!(track("5"), "");
    assert!(track("20").contains("budget calls: 110 of 100 tokens used"));
    place.run(["budget", "check", "--tokens", "1"]).ends(1, "110 used");
}

#[test]
fn a_counter_that_the_log_does_not_bear_out_is_found_and_counted_anew() {
    let place = Place::new();
    limited(&place, "100");
    place
        .run(["track", "--operation", "o", "--model", "m", "--prompt-tokens", "7", "--response-tokens", "3"])
        .good();
    let dump = place.run(
        [place.store().join("budgets/definitions").as_os_str()].map(|path| path.to_owned()).iter().fold(
            vec!["dump".into()],
            |mut all: Vec<std::ffi::OsString>, path| {
                all.push(path.clone());
                all
            },
        ),
    );
    assert!(dump.good().out.contains("calls: 100 tokens per lifetime (UTC), hard, all"));
    // The table forgets: all of its bytes but the head are lost.
    let table = place.store().join("budgets/table");
    let mut bytes = std::fs::read(&table).unwrap();
    bytes[4096..].fill(0);
    std::fs::write(&table, bytes).unwrap();
    assert!(
        place.run(["budget", "verify"]).good().out.contains("counted: 0 differences"),
        "it was made anew"
    );
    // Records that are gone from the log are a difference.
    let files = place.active_files();
    files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    let found = place.run(["budget", "verify", "-o", "json"]);
    assert_eq!(found.code, Some(1), "{found:?}");
    let differences = found.json()["differences"].clone();
    assert!(
        differences
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["budget"] == "calls" && one["counted"] == 10 && one["logged"] == 0)
    );
    assert!(place.run(["budget", "rebuild"]).good().out.contains("counted anew: 3 differences"));
    assert!(place.run(["budget", "verify"]).good().out.contains("counted: 0 differences"));
}

#[test]
fn commands_that_race_never_admit_more_than_the_limit() {
    let place = Place::new();
    limited(&place, "100");
    let children: Vec<_> = (0..12)
        .map(|_| {
            let mut command = place.command(["budget", "reserve", "--tokens", "30"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let codes: Vec<_> =
        children.into_iter().map(|child| child.wait_with_output().unwrap().status.code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 3, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == Some(1)).count(), 9, "{codes:?}");
    assert_eq!(row(&place, "calls")["held"], 90);
}

#[test]
fn every_shell_block_of_the_page_about_budgets_runs() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/BUDGETS.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> =
        page.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert!(4 <= blocks.len(), "only {} blocks", blocks.len());
    let place = Place::new();
    let script = place.write("page.sh", format!("set -eu\n{}", blocks.concat()));
    let command = std::path::Path::new(env!("CARGO_BIN_EXE_logq"));
    let mut shell = std::process::Command::new("sh");
    shell
        .arg(script)
        .current_dir(place.dir.path())
        .env("HOME", place.dir.path())
        .env("LOGQ_STORE", place.store());
    let path = std::env::var("PATH").unwrap_or_default();
    shell.env("PATH", format!("{}:{path}", command.parent().unwrap().display())).env_remove("LOGQ_NOW");
    let ran = super::run(&mut shell, b"").good();
    assert!(ran.err.contains("budget hourly: 42000 of 50000 tokens used (84 %, window 1h)"), "{}", ran.err);
    assert!(ran.out.contains("counted: 0 differences"), "{}", ran.out);
    assert_eq!(row(&place, "chat")["used"], 43_300);
}
