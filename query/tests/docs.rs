//! Every example of the pages under docs/ that are about the language runs.
//!
//! Those in a `logq` block give an answer without a warning, those in a `logq-error` block the problems that stand under
//! them. docs/ERRORS.md has a section for every code, with a query that has the problem, what is shown, and the query
//! mended; the pages for people who come from another language have tables whose last column is ours. `UPDATE=1` fills in
//! what is shown in docs/ERRORS.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use logq_engine::Store;
use logq_query::{Answer, Error, Query, Session, Tail};

use crate::data::{self, NOW};

/// The fences of docs/ERRORS.md for what has a problem, and so how it is asked.
const FENCES: [&str; 5] = ["logq-error", "logq-warning", "logq-repeated", "logq-followed", "logq-selected"];

#[test]
fn every_example_of_the_reference_is_true() {
    let text = page("QUERY.md");
    let asked = Asked::new();
    let mut examples = 0;
    for block in blocks(&text, "logq") {
        for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            assert_eq!(asked.plainly(line), Ok(()));
            examples += 1;
        }
    }
    for block in blocks(&text, "logq-error") {
        let (line, want) = block.split_once('\n').unwrap();
        assert_eq!(asked.problems("logq-error", line), want.trim_end(), "{line}");
        examples += 1;
    }
    assert!(60 < examples, "only {examples} examples were found");
}

#[test]
fn every_report_of_the_page_about_reports_runs() {
    let text = page("REPORTS.md");
    let asked = Asked::new();
    let lines = blocks(&text, "logq").into_iter().flat_map(str::lines).filter(|line| !line.is_empty());
    for line in lines {
        assert_eq!(asked.plainly(line), Ok(()));
    }
}

#[test]
fn every_query_beside_one_of_another_language_runs() {
    let asked = Asked::new();
    let mut problems = Vec::new();
    for name in ["FROM-SQL.md", "FROM-LOGSQL.md", "FROM-LOGQL.md", "FROM-KQL.md"] {
        let queries = ours(&page(name));
        assert!(20 < queries.len(), "{name} has only {} queries", queries.len());
        let wrong = queries.iter().filter_map(|query| asked.plainly(query).err());
        problems.extend(wrong.map(|problem| format!("{name}: {problem}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_code_has_a_section_that_shows_the_problem_and_the_mended_query() {
    let text = page("ERRORS.md");
    let asked = Asked::new();
    let mut filled = text.clone();
    let mut sections = BTreeSet::new();
    let mut wrong = Vec::new();
    for section in text.split("\n### ").skip(1) {
        let (code, _) = section.split_once(':').unwrap();
        assert!(sections.insert(code.to_owned()), "{code} has two sections");
        let (fence, block) = FENCES
            .iter()
            .find_map(|fence| Some((*fence, *blocks(section, fence).first()?)))
            .unwrap_or_else(|| panic!("{code} shows no query with the problem"));
        let line = block.lines().next().unwrap();
        let shown = asked.problems(fence, line);
        assert!(shown.contains(&format!(" {code}: ")), "the query of {code} gives\n{shown}");
        let problems = shown.lines().filter(|line| line.starts_with(char::is_alphabetic)).count();
        assert_eq!(shown.matches("\n  help: ").count(), problems, "{code}: not all say what to do\n{shown}");
        let want = format!("{line}\n{shown}\n");
        if block != want {
            wrong.push(format!("{code} shows\n{shown}"));
        }
        filled = filled.replace(&format!("```{fence}\n{block}```"), &format!("```{fence}\n{want}```"));
        let mended = blocks(section, "logq");
        assert!(!mended.is_empty(), "{code} has no mended query");
        for line in mended.iter().flat_map(|block| block.lines()) {
            assert_eq!(asked.plainly(line), Ok(()), "{code}");
            if ["logq-followed", "logq-selected"].contains(&fence) {
                assert_eq!(asked.problems(fence, line), "", "{code}");
            }
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        return fs::write(docs().join("ERRORS.md"), filled).unwrap();
    }
    assert!(wrong.is_empty(), "{}\n(UPDATE=1 fills in what is shown)", wrong.join("\n\n"));
    let emitted = emitted();
    assert!(30 < emitted.len(), "{emitted:?}");
    assert_eq!(sections, emitted, "sections, and codes that are emitted");
}

#[test]
fn every_code_is_shown_word_for_word_by_a_test() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let parser = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/parse/tests");
    let shown: String = [tests, parser]
        .iter()
        .flat_map(|dir| files(dir))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let is_shown =
        |code: &&String| ["error", "warning"].iter().any(|word| shown.contains(&format!("{word} {code}: ")));
    // A text beyond a limit is shown by docs/ERRORS.md, in the form that says how often a piece repeats, and a
    // query is followed, or names what is to be forgotten, there.
    let by_the_page = ["Q0001", "Q0002", "Q0003", "Q0208", "Q0906"];
    let absent: Vec<String> = emitted()
        .into_iter()
        .filter(|code| !is_shown(&code) && !by_the_page.contains(&code.as_str()))
        .collect();
    assert!(absent.is_empty(), "{absent:?}");
}

/// A store with the data of every example.
struct Asked {
    _dir: tempfile::TempDir,
    store: Store,
    session: Session,
}

impl Asked {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut events = data::standard_day();
        events.extend(data::events("texts"));
        events.extend(data::events("agent"));
        let store = data::store(dir.path(), &events, 2);
        Self { _dir: dir, store, session: Session { now: Some(NOW), ..Session::default() } }
    }

    fn answer(&self, text: &str) -> Result<Answer, Error> {
        Query::parse(text).and_then(|query| query.run(&self.store, &self.session))
    }

    /// There is an answer, and nothing to say about the query: no field that is unknown, for one.
    fn plainly(&self, text: &str) -> Result<(), String> {
        let answer = self.answer(text).map_err(|error| error.to_string())?;
        let warnings: Vec<_> = answer.warnings.iter().map(|warning| &warning.text).collect();
        if warnings.is_empty() { Ok(()) } else { Err(format!("{text}: {warnings:?}")) }
    }

    /// The problems of what stands in a block of this kind, for people.
    fn problems(&self, fence: &str, line: &str) -> String {
        let shown = match fence {
            "logq-warning" => {
                let answer = self.answer(line).unwrap_or_else(|error| panic!("{error}"));
                let warnings = answer.warnings.iter().filter_map(|warning| warning.diagnostic.as_ref());
                warnings.map(|warning| warning.render(line)).collect::<Vec<_>>().join("\n")
            }
            "logq-followed" => {
                let query = Query::parse(line).unwrap();
                let started = Tail::start(&self.store, &query, &self.session);
                started.err().map(|error| error.to_string()).unwrap_or_default()
            }
            "logq-selected" => {
                let (query, snapshot) = (Query::parse(line).unwrap(), self.store.snapshot().unwrap());
                let selected = query.selection(&snapshot, &self.session, self.store.now());
                selected.err().map(|error| error.to_string()).unwrap_or_default()
            }
            "logq-repeated" => {
                let (count, piece) = line.split_once(' ').unwrap();
                self.answer(&piece.repeat(count.parse().unwrap())).unwrap_err().to_string()
            }
            _ => match self.answer(line) {
                Ok(_) => panic!("{line} has an answer"),
                Err(error) => error.to_string(),
            },
        };
        shown.trim_end().to_owned()
    }
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn page(name: &str) -> String {
    fs::read_to_string(docs().join(name)).unwrap()
}

/// The contents of the fenced blocks of a language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
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

/// The codes in the sources of the crate, but for those of tests.
fn emitted() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        if file.iter().any(|part| part == "tests" || part == "tests.rs") {
            continue;
        }
        let source = fs::read_to_string(file).unwrap();
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let quoted = source
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .flat_map(|line| line.split('"'));
        let is_code = |text: &&str| {
            text.len() == 5 && text.starts_with('Q') && text.bytes().skip(1).all(|b| b.is_ascii_digit())
        };
        found.extend(quoted.filter(is_code).map(str::to_owned));
    }
    found
}

/// All files under a folder.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
