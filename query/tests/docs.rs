//! Every example of docs/QUERY.md runs: those in a `logq` block give an answer, without a warning, and those in a `logq-error`
//! block the problems that stand under them.

use std::fs;
use std::path::Path;

use logq_query::{Query, Session};

use crate::data::{self, NOW};

#[test]
fn every_example_of_the_reference_is_true() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/QUERY.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut events = data::standard_day();
    events.extend(data::events("texts"));
    events.extend(data::events("agent"));
    let store = data::store(dir.path(), &events, 2);
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

/// The contents of the fenced blocks of a language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}
