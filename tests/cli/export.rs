//! `export`: what comes out goes in again; files are whole or not there; the order and the bytes depend on nothing but
//! the events.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{Place, Ran};
use crate::real::whole_data;

/// Values that a careless writer changes: each line is an event.
const HOSTILE: &[u8] = b"\
{\"time\":\"2025-03-01T12:00:00.000000001Z\",\"message\":\"lone \\ud800 x\",\"source\":\"a\",\"n\":123456789012345678901234567890,\"f\":1.0,\"neg\":-0,\"e\":1e5}
{\"time\":\"2025-03-01T12:00:00.000000001Z\",\"source\":\"a\",\"a\":{\"b\":{\"c\":[1,{\"d\":null}],\"e\":{}}},\"arr\":[],\"nul\":null,\"t\":true}
{\"time\":\"2025-03-02T23:59:59.5Z\",\"dup\":1,\"dup\":2,\"_id\":\"mine\",\"_x\":\"y\",\"__y\":1,\"source\":\"a\",\"ctl\":\"\\u0000\\u001b[31m\\u007f\\n\\r\\t\",\"\":\"empty\"}
{\"time\":\"1500-01-01T00:00:00Z\",\"message\":\"too old\",\"source\":\"a\",\"latency\":\"1.5s\",\"cost\":0.000000001,\"level\":\"warning\",\"status\":200}
{\"time\":9999999999999999999,\"source\":\"a\",\"a.b\":\"dotted\",\"level\":\"weird\",\"latency\":-3.25,\"ttft\":1e-6,\"nan\":NaN,\"big\":[1e400,NaN]}
{\"source\":\"a\",\"$bytes\":\"/w==\",\"x\":{\"$bytes\":\"//8=\"},\"y\":{\"$bytes\":\"not base64!\"},\"importance\":8.0,\"model\":5,\"prompt_tokens\":\"7\"}
{\"source\":\"a\",\"message\":\"bad \xff\xfe utf8\",\"list\":[\"\xff\",\"a\"],\"k\xff\":1,\"say\":\"\\\"hi\\\", twice\"}
";

/// A store of these lines.
fn store_of(lines: &[u8]) -> Place {
    let place = Place::new();
    let file = place.write("lines.jsonl", lines);
    place.run(["import", file.to_str().unwrap(), "--format", "jsonl"]).good();
    place
}

/// The export of a store, to standard output.
fn lines(place: &Place) -> String {
    place.run(["export"]).good().out
}

fn path_of(place: &Place, name: &str) -> String {
    place.path(name).to_str().unwrap().to_owned()
}

/// Files below a folder, by their names in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Exports to a file, imports that into a new store, and compares what both export.
#[track_caller]
fn comes_back(place: &Place, name: &str) {
    let path = path_of(place, name);
    place.run(["export", "--to", &path]).good();
    let again = Place::new();
    again.run(["import", &path, "--strict"]).good();
    assert_eq!(lines(&again), lines(place), "{name}");
}

#[test]
fn an_export_that_is_imported_is_the_same_store() {
    let place = store_of(HOSTILE);
    assert_eq!(place.count(), 7);
    comes_back(&place, "again.jsonl");
    comes_back(&place, "again.jsonl.gz");
    place.run(["seal"]).good();
    comes_back(&place, "sealed.jsonl.gz");
    let out = lines(&place);
    for kept in [
        "{\"$bytes\":\"bG9uZSDtoIAgeA==\"}",
        "\"n\":123456789012345678901234567890,\"f\":1.0,\"neg\":-0,\"e\":1e5",
        "\"a.b.c\":[1,{\"d\":null}],\"a.b.e\":{},\"arr\":[],\"nul\":null,\"t\":true",
        "\"dup\":2,\"_id\":\"mine\",\"_x\":\"y\",\"__y\":1",
        "\"x\":{\"$bytes\":\"//8=\"}",
    ] {
        assert!(out.contains(kept), "{kept} is not in {out}");
    }
    assert!(!out.contains("_import"), "{out}");
    assert!(place.run(["export", "--internal"]).good().out.contains("\"__id\":\"mine\""));
}

#[test]
fn real_logs_come_back_as_they_were() {
    let excerpts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut sets = vec![excerpts.join("aider.jsonl"), excerpts.join("claude_code.jsonl")];
    if let Some(folder) = whole_data() {
        sets.push(folder.join("llm_traces/aider_analytics/events.jsonl.gz"));
    }
    for set in sets {
        let place = Place::new();
        place.run(["import", set.to_str().unwrap()]).good();
        comes_back(&place, "again.jsonl.gz");
    }
}

/// Many events, most of them with one of two times.
fn crowded() -> Vec<u8> {
    let mut text = String::new();
    for number in 0..70_000 {
        let time = if number % 1000 == 0 { 1_740_000_000 + number * 60 } else { 1_740_830_400 + number % 2 };
        writeln!(text, "{{\"time\":{time},\"source\":\"s\",\"n\":{number}}}").unwrap();
    }
    text.into_bytes()
}

#[test]
fn every_event_comes_once_in_the_order_of_time_and_id() {
    let place = store_of(&crowded());
    let want = place.run(["-o", "jsonl", "events | keep _id, time, n | limit all"]).good().out;
    assert_eq!(want.lines().count(), 70_000);
    for _ in 0..2 {
        let ran = place.run(["export", "events | keep _id, time, n"]).good();
        assert!(ran.out == want, "the rows differ, or their order");
        place.run(["seal"]).good();
    }
    let some = place.run(["export", "n < 5 or n >= 69998"]).good().out;
    assert_eq!(some.lines().count(), 7, "{some}");
    assert_eq!(place.run(["export", "events limit 3"]).good().out.lines().count(), 3);
    assert!(place.run(["export"]).good().err.contains("exported 70,000 rows"));
}

#[test]
fn a_report_is_exported_with_its_columns() {
    let place = store_of(
        b"{\"ts\":1,\"model\":\"phi-4\",\"input_tokens\":7,\"output_tokens\":5,\"cost\":0.25,\"latency\":1.5}\n",
    );
    let csv = place.run(["export", "tokens by model", "--format", "csv"]).good().out;
    assert!(csv.starts_with("model,calls,prompt_tokens,") && csv.contains("phi-4,1,7,5,12"), "{csv}");
    let json = place.run(["export", "cost by model"]).good().out;
    assert!(json.contains("\"cost_usd\":0.25"), "{json}");
    let path = path_of(&place, "report.parquet");
    let ran = place.run(["export", "latency by model", "--to", &path, "-o", "json"]).good();
    assert_eq!((&ran.json()["rows"], &ran.json()["files"]), (&1.into(), &1.into()));
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
}

#[test]
fn csv_has_every_field_and_what_it_can_carry_comes_back() {
    let text = b"{\"time\":\"2025-03-01T12:00:00Z\",\"source\":\"a\",\"level\":\"warn\",\"prompt_tokens\":7,\"latency\":1.5,\"cost\":0.02}\n\
                 {\"time\":\"2025-03-01T12:00:01Z\",\"source\":\"a\",\"message\":\"two\\nlines, \\\"quoted\\\"\",\"zeta\":1.0,\"alpha\":\"x\"}\n";
    let place = store_of(text);
    let path = path_of(&place, "events.csv");
    place.run(["export", "--to", &path]).good();
    let csv = std::fs::read_to_string(&path).unwrap();
    let head = "time,level,source,message,prompt_tokens,latency,cost,alpha,zeta\n";
    assert!(csv.starts_with(head), "{csv}");
    assert!(csv.contains("\"two\nlines, \"\"quoted\"\"\""), "{csv}");
    let again = Place::new();
    again.run(["import", &path]).good();
    let sorted = |place: &Place| -> Vec<serde_json::Value> {
        lines(place).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(sorted(&again), sorted(&place));
    let empty = place.run(["export", "zeta = 5 | keep time, zeta", "--format", "csv"]).good();
    assert_eq!(empty.out, "time,zeta\n");
}

#[test]
fn dated_folders_have_the_events_of_their_day_and_come_whole() {
    let place = store_of(HOSTILE);
    let lake = path_of(&place, "lake");
    let export = |more: &[&str]| -> Ran {
        let args = ["export", "until 2025-06-01", "--to", &lake, "--format", "jsonl", "--partition"];
        place.run(args.iter().chain(more))
    };
    export(&["day"]).good();
    let found = files(&place.path("lake"));
    let first = place.path("lake/date=2025-03-01/part-00000.jsonl");
    assert_eq!(found, [first.clone(), place.path("lake/date=2025-03-02/part-00000.jsonl")]);
    assert_eq!(std::fs::read_to_string(&first).unwrap().lines().count(), 2);
    // Nothing is replaced that was not asked for, and nothing is left over.
    export(&["day"]).ends(2, "date=2025-03-01 is there already\nhelp: --replace");
    assert_eq!(files(&place.path("lake")), found);
    std::fs::write(&first, "old").unwrap();
    std::fs::create_dir(place.path("lake/date=2020-01-01")).unwrap();
    export(&["day", "--replace"]).good();
    assert_eq!(std::fs::read_to_string(&first).unwrap().lines().count(), 2);
    assert!(place.path("lake/date=2020-01-01").is_dir());
    // Other zones, hours, machines.
    export(&["hour", "--node", "n1", "--tz", "Asia/Tokyo"]).good();
    assert!(place.path("lake/date=2025-03-03/node=n1/hour=08/part-00000.jsonl").is_file());
    let hidden = std::fs::read_dir(place.dir.path()).unwrap();
    let hidden =
        hidden.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0);
}

#[test]
fn a_file_that_is_there_stays_unless_it_is_to_be_replaced() {
    let place = store_of(HOSTILE);
    let path = path_of(&place, "out.jsonl");
    std::fs::write(&path, "mine").unwrap();
    place.run(["export", "--to", &path]).ends(2, "out.jsonl is there already\nhelp: --replace replaces it");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    place.run(["export", "--to", &path, "--replace"]).good();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), lines(&place));
}

#[test]
#[cfg(unix)]
fn a_disk_that_takes_no_more_leaves_no_file_and_is_exit_3() {
    let place = store_of(&crowded());
    for name in ["full.jsonl", "full.csv", "full.parquet", "full.jsonl.gz"] {
        // A limit on the size of files, whose signal is ignored, refuses writes as a full disk does.
        let script = format!("trap '' XFSZ; ulimit -f 16; exec \"$0\" export --to {name} 2>&1");
        let logq = env!("CARGO_BIN_EXE_logq");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script, logq]).current_dir(place.dir.path()).env("LOGQ_STORE", place.store());
        let ran = super::run(&mut shell, b"");
        assert_eq!(ran.code, Some(3), "{name}: {ran:?}");
        assert!(ran.out.contains(&format!("cannot write {name}: ")), "{name}: {ran:?}");
        let left = std::fs::read_dir(place.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|left| left.to_string_lossy().contains("full")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn bad_calls_of_export_name_the_way_out() {
    let place = store_of(HOSTILE);
    let here = path_of(&place, "");
    for (args, said) in [
        (&["--to", "x.foo"][..], "does not say what the files are to hold\nhelp: say it with --format"),
        (&["--format", "parquet"], "parquet needs a file"),
        (&["--to", "x.parquet", "--gzip"], "parquet compresses its columns itself"),
        (&["--partition", "day"], "dated folders need a folder"),
        (&["--to", "x.csv", "--node", "a"], "part the rows: --partition day"),
        (&["--to", "x", "--format", "csv", "--partition", "day", "--node", "../a"], "no name of a node"),
        (&["--to", &here, "--format", "csv"], "is a folder"),
        (&["models", "--to", "x", "--format", "csv", "--partition", "day"], "no column `time`"),
        (&["-o", "csv"], "--format is what the files hold"),
        (&["where model="], "^"),
    ] {
        let ran = place.run(["export"].iter().chain(args)).ends(2, said);
        assert!(ran.out.is_empty(), "{ran:?}");
    }
    assert!(!place.path("x.csv").exists() && !place.path("x").exists());
    let nothing = Place::new();
    nothing.run(["export"]).ends(2, "help: ");
    assert!(!nothing.store().exists());
}

#[test]
#[cfg(unix)]
fn every_command_of_the_page_on_exports_runs() {
    let place = store_of(
        b"{\"time\":\"2026-11-22T16:00:00Z\",\"source\":\"a\",\"level\":\"error\",\"model\":\"phi-4\",\"prompt_tokens\":7,\"cost\":0.1}\n",
    );
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/EXPORT.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut ran = 0;
    for line in page.lines().filter_map(|line| line.strip_prefix("    logq ")) {
        let script = format!("\"$0\" --now 2026-11-23T12:00:00Z {line}");
        let mut shell = std::process::Command::new("sh");
        let logq = env!("CARGO_BIN_EXE_logq");
        shell.args(["-c", &script, logq]).current_dir(place.dir.path()).env("LOGQ_STORE", place.store());
        super::run(&mut shell, b"").good();
        ran += 1;
    }
    assert_eq!(ran, 6);
    for file in ["lake/date=2026-11-22/part-00000.parquet", "errors.csv", "costs.jsonl"] {
        assert!(place.path(file).is_file(), "{file}");
    }
    assert!(place.path("lake2/date=2026-11-22/node=host-7/hour=16/part-00000.parquet").is_file());
}
