//! How far samples of long texts are off, on real files and on made ones.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use logq_tokens::{Counter, EXACT_SIZE_MAX, Encoding, Tokenizer};

/// The error of the estimate, in hundredths of a percent of the exact count.
fn error(text: &str) -> u64 {
    let tokenizer = Tokenizer::from(Encoding::O200kBase);
    let (guess, exact) = (Counter::new().count(text, tokenizer), tokenizer.count(text));
    assert!(!guess.is_exact() && exact.is_exact());
    guess.tokens.abs_diff(exact.tokens) * 10_000 / exact.tokens.max(1)
}

#[test]
fn a_text_of_many_parts_is_estimated_within_five_percent() {
    // Parts of very different density, each far larger than a sample.
    let prose = "The quick brown fox jumps over the lazy dog. ".repeat(6_000);
    let digits = "0123456789abcdef-".repeat(15_000);
    let blank = format!("{:>120}\n", "x").repeat(2_000);
    let chinese = "\u{4f60}\u{597d}\u{4e16}\u{754c}".repeat(20_000);
    let text = [prose.as_str(), &digits, &blank, &chinese, &prose].concat();
    assert!(error(&text) < 500, "{}", error(&text));
}

/// Every file below the folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The first megabytes of a file as text.
fn text(path: &Path) -> Option<String> {
    const READ: u64 = 9 << 20;
    let file = std::fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(file).take(READ).read_to_end(&mut bytes).ok()?;
    } else {
        file.take(READ).read_to_end(&mut bytes).ok()?;
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn estimates_of_real_files_are_close() {
    let Some(folder) = std::env::var_os("LOGQ_TEST_DATA").map(PathBuf::from).filter(|path| path.is_dir())
    else {
        eprintln!("SKIP: LOGQ_TEST_DATA names no folder; estimates are tested on made texts only");
        return;
    };
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    paths.sort();
    let mut errors = Vec::new();
    for path in paths {
        let Some(text) = text(&path).filter(|text| EXACT_SIZE_MAX < text.len()) else { continue };
        errors.push((error(&text), path));
    }
    errors.sort();
    let at = |share: usize| errors.get(errors.len() * share / 100).map_or(0, |(error, _)| *error);
    let (median, p95) = (at(50), at(95));
    eprintln!("{} files, error in 1/100 %: p50 {median}, p95 {p95}, worst {:?}", errors.len(), errors.last());
    assert!(30 < errors.len());
    assert!(median < 100 && p95 < 800, "{errors:?}");
}
