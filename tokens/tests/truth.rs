//! Counts beside what five other tokenizers agree on, text by text.
//!
//! With `LOGQ_TEST_DATA` all rows of `token_truth`, else the excerpt in `tests/data`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use logq_tokens::Encoding;
use serde_json::Value;

/// Checks every row of a file of rows with `encoding`, `count` and `text`; says how many there were.
fn rows(path: &Path) -> usize {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    let mut rows = 0;
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        let row: Value = serde_json::from_str(line).unwrap();
        let encoding: Encoding = row["encoding"].as_str().unwrap().parse().unwrap();
        let text = row["text"].as_str().unwrap();
        assert_eq!(Some(encoding.count(text)), row["count"].as_u64(), "{} {encoding}: {text:?}", row["id"]);
        rows += 1;
    }
    rows
}

#[test]
fn every_row_of_the_excerpt_has_its_count() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/token_truth.jsonl");
    assert!(200 <= rows(&path));
}

#[test]
fn every_row_of_the_whole_truth_has_its_count() {
    let Some(folder) = std::env::var_os("LOGQ_TEST_DATA").map(PathBuf::from).filter(|path| path.is_dir())
    else {
        eprintln!("SKIP: LOGQ_TEST_DATA names no folder; only the excerpt of the counts is tested");
        return;
    };
    assert_eq!(rows(&folder.join("token_truth/token_truth.jsonl.gz")), 700);
}
