//! Every example of docs/QUERY.md runs: those in a `logq` block give an answer, without a warning, and those in a `logq-error`
//! block the problems that stand under them. The pages for people who come from another language have tables whose last
//! column is ours.

use std::fs;
use std::path::Path;

use logq_engine::Store;
use logq_query::{Query, Session};

use crate::data::{self, NOW};

#[test]
fn every_example_of_the_reference_is_true() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/QUERY.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let session = Session { now: Some(NOW), ..Session::default() };
    let mut examples = 0;
    for block in blocks(&text, "logq") {
        for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let answer = Query::parse(line).and_then(|query| query.run(&store, &session));
            let answer = answer.unwrap_or_else(|error| panic!("{error}"));
            let warnings: Vec<_> = answer.warnings.iter().map(|warning| &warning.text).collect();
            assert!(warnings.is_empty(), "{line}: {warnings:?}");
            examples += 1;
        }
    }
    for block in blocks(&text, "logq-error") {
        let (line, want) = block.split_once('\n').unwrap();
        let error = Query::parse(line).and_then(|query| query.run(&store, &session)).unwrap_err();
        assert_eq!(error.to_string().trim_end(), want.trim_end(), "{line}");
        examples += 1;
    }
    assert!(60 < examples, "only {examples} examples were found");
}

#[test]
fn every_code_of_a_problem_has_its_row_in_the_reference() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let reference = fs::read_to_string(root.join("../docs/QUERY.md")).unwrap();
    let mut folders = vec![root.join("src")];
    let mut codes = std::collections::BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            let found = text
                .split("\"Q")
                .skip(1)
                .filter_map(|rest| rest.get(..4).filter(|_| rest.get(4..5) == Some("\"")));
            codes.extend(
                found.filter(|code| code.bytes().all(|b| b.is_ascii_digit())).map(|code| format!("Q{code}")),
            );
        }
    }
    assert!(30 < codes.len(), "{codes:?}");
    let rows: String = reference.lines().filter(|line| line.starts_with("| Q")).collect();
    let absent: Vec<&String> = codes.iter().filter(|code| !rows.contains(code.as_str())).collect();
    assert!(absent.is_empty(), "{absent:?}");
}

/// A store with the events that the examples are about.
fn store(dir: &Path) -> Store {
    let mut events = data::standard_day();
    events.extend(data::events("texts"));
    events.extend(data::events("agent"));
    data::store(dir, &events, 2)
}

/// The contents of the fenced blocks of a language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

#[test]
fn every_query_beside_one_of_another_language_runs() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let session = Session { now: Some(NOW), ..Session::default() };
    let mut problems = Vec::new();
    for name in ["FROM-SQL.md", "FROM-LOGSQL.md", "FROM-LOGQL.md", "FROM-KQL.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
        let queries = ours(&fs::read_to_string(path).unwrap());
        assert!(20 < queries.len(), "{name} has only {} queries", queries.len());
        for query in &queries {
            match Query::parse(query).and_then(|query| query.run(&store, &session)) {
                Ok(answer) if answer.warnings.is_empty() => {}
                Ok(answer) => problems.push(format!("{name}: {query}: {:?}", answer.warnings)),
                Err(error) => problems.push(format!("{name}: {error}")),
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The queries in the last column of the tables whose last column is called `logq`. Each row has one at least.
fn ours(text: &str) -> Vec<String> {
    let mut queries = Vec::new();
    let mut ours = false;
    for line in text.lines() {
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else {
            ours &= line.starts_with('|');
            continue;
        };
        // A pipe inside of a cell is written `\|`.
        let row = row.replace("\\|", "\u{0}");
        let cell = row.rsplit(" | ").next().unwrap();
        if cell == "logq" {
            ours = true;
        } else if ours {
            let spans: Vec<String> =
                cell.split('`').skip(1).step_by(2).map(|span| span.replace('\u{0}', "|")).collect();
            assert!(!spans.is_empty(), "no query of ours in {line}");
            queries.extend(spans);
        }
    }
    queries
}
