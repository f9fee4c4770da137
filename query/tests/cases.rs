//! Runs the `.case` files: a query, and the answer or the problems that it must give, word for word.
//!
//! ```text
//! data   standard-day            a named data set; the clock stands at 2026-11-22T12:00Z
//! zone   Europe/Vienna           the zone of the session, UTC where there is none
//! shape  full                    records show all fields; the usual columns where there is none
//!
//! query  tokens by model         asked by itself, with the lines up to the next empty one as its answer
//!
//! rows   message                 a table in place of a named data set: each line up to the next empty one is a record whose
//! first text                     field holds it, numbered in `n` from 1; `= 1.5` is a JSON literal, `-` no value at all
//!
//! find   1 3 : message:first     the numbers of the records that `events message:first` lists, `-` for none, and the codes
//! ```                            of its problems
//!
//! A case runs on one writer's store and on a store of three writers that took turns, each of them active, sealed,
//! merged, archived and mixed, with every optimiser rule on, on one thread and on four, with all rules off, and with each
//! one alone off; it must say the same each time. `UPDATE=1` fills the answers in.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use logq_engine::{Event, Store};
use logq_query::{Answer, Error, Query, RowShape, Rule, Session};

use crate::data::{self, Layout, NOW};

#[test]
fn every_case_gives_its_answer() {
    check(|text| !text.contains("\nrows "));
}

#[test]
fn every_table_gives_the_rows_that_are_found() {
    check(|text| text.contains("\nrows "));
}

/// Runs the files whose text is as asked.
fn check(wanted: fn(&str) -> bool) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let update = std::env::var_os("UPDATE").is_some();
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut failures = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        if !wanted(&text) {
            continue;
        }
        let (filled, mut wrong) = run_file(&text);
        if update {
            fs::write(&file, filled).unwrap();
            continue;
        }
        wrong.iter_mut().for_each(|failure| failure.insert_str(0, &format!("{}: ", file.display())));
        failures.extend(wrong);
    }
    assert!(failures.is_empty(), "{}\n(UPDATE=1 fills the answers in)", failures.join("\n\n"));
}

/// The text with every answer filled in, and what differs from it.
fn run_file(text: &str) -> (String, Vec<String>) {
    let mut ways = Ways::default();
    let mut session = Session { now: Some(NOW), ..Session::default() };
    let mut filled = String::new();
    let mut wrong = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        writeln!(filled, "{line}").unwrap();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "data" => ways = Ways::new(&data::events(rest)),
            "rows" => {
                let mut texts = Vec::new();
                while let Some(line) = lines.next_if(|line| !line.is_empty()) {
                    writeln!(filled, "{line}").unwrap();
                    texts.push(unescaped(line));
                }
                ways = Ways::new(&data::table(rest, &texts));
            }
            "find" => {
                let (want, query) = rest.split_once(" : ").unwrap();
                let query = query.trim_start();
                let got =
                    answers(&ways.stores, &unescaped(&format!("events {query} | keep n")), &session, numbers);
                if got != want.trim_end() {
                    wrong.push(format!("{query} finds {got}, wanted {want}"));
                    let line = filled.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
                    filled.truncate(line);
                    writeln!(filled, "find   {got:12} : {query}").unwrap();
                }
            }
            "zone" => session.zone = logq_query::zone(rest).unwrap(),
            "shape" => session.shape = if rest == "full" { RowShape::Full } else { RowShape::Table },
            "query" => {
                let mut want = String::new();
                while let Some(line) = lines.next_if(|line| !line.is_empty()) {
                    writeln!(want, "{line}").unwrap();
                }
                let got = ascii(&answers(&ways.stores, &unescaped(rest), &session, shown));
                filled.push_str(&got);
                if got != want {
                    wrong.push(format!("{rest}\n--- wanted\n{want}--- got\n{got}"));
                }
            }
            "" | "#" => {}
            other => panic!("unknown word {other:?}"),
        }
    }
    (filled, wrong)
}

/// `\u{4e2d}` as the character; the files are plain ASCII.
pub(crate) fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').unwrap();
        out.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        out.push_str(rest);
    }
    out
}

fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() }).collect()
}

/// Stores that hold the same events in every way they can lie.
#[derive(Default)]
struct Ways {
    stores: Vec<Store>,
    _dirs: Vec<tempfile::TempDir>,
}

impl Ways {
    fn new(events: &[Event]) -> Self {
        let ways = Layout::ALL.into_iter().flat_map(|layout| [(layout, 1), (layout, 3)]);
        // Beside each other, as each of them mostly waits for the disk.
        let (stores, dirs) = std::thread::scope(|scope| {
            let laid = |(layout, writers)| {
                scope.spawn(move || {
                    let dir = tempfile::tempdir().unwrap();
                    (data::store_as(dir.path(), events, writers, layout), dir)
                })
            };
            let threads: Vec<_> = ways.map(laid).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).unzip()
        });
        Self { stores, _dirs: dirs }
    }
}

/// An answer in full.
fn shown(answer: Result<Answer, Error>, text: &str) -> String {
    match answer {
        Ok(answer) => show(&answer, text),
        Err(error) => format!("{error}\n"),
    }
}

/// The numbers of the rows of an answer.
fn numbers(answer: Result<Answer, Error>, text: &str) -> String {
    let found: Vec<String> = match answer {
        Ok(answer) => {
            assert!(!answer.more, "{text} finds more than is listed");
            let at = answer.columns.iter().position(|column| column.name == "n").unwrap();
            let number = |row: &logq_query::Row| {
                let mut json = String::new();
                logq_query::json::write(&mut json, &row.cells[at]);
                json
            };
            let warnings = answer.warnings.iter().filter_map(|warning| warning.diagnostic.as_ref());
            answer.rows.iter().map(number).chain(warnings.map(|problem| problem.code.to_owned())).collect()
        }
        Err(error) => error.diagnostics().iter().map(|problem| problem.code.to_owned()).collect(),
    };
    if found.is_empty() { "-".to_owned() } else { found.join(" ") }
}

/// The one answer that all stores and all sets of rules give.
fn answers(
    stores: &[Store],
    text: &str,
    session: &Session,
    shown: fn(Result<Answer, Error>, &str) -> String,
) -> String {
    let mut sets = vec![Rule::ALL.to_vec(), Vec::new()];
    sets.extend(Rule::ALL.map(|off| Rule::ALL.into_iter().filter(|rule| *rule != off).collect()));
    let mut first: Option<String> = None;
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (one, four) = (pool(1), pool(4));
    let runs = sets.iter().enumerate().flat_map(|(at, rules)| {
        // The second time around with all rules on.
        let again = (at == 0).then_some((rules, &four));
        std::iter::once((rules, &one)).chain(again)
    });
    let runs: Vec<_> = runs.collect();
    for store in stores {
        for &(rules, threads) in &runs {
            let session = Session { rules: rules.clone(), ..session.clone() };
            let run = || Query::parse(text).and_then(|query| query.run(store, &session));
            let shown = shown(threads.install(run), text);
            // A plan shows the rules that made it.
            if text.starts_with("explain") {
                first.get_or_insert(shown);
                continue;
            }
            let want = first.get_or_insert_with(|| shown.clone());
            assert_eq!(*want, shown, "{text} with {rules:?}");
        }
    }
    first.unwrap_or_else(|| "no data\n".to_owned())
}

pub(crate) fn show(answer: &Answer, text: &str) -> String {
    let mut out = String::new();
    if answer.full {
        for row in &answer.rows {
            // Ids say which writer it was, which is what differs between the stores.
            let json = answer.row_json(row);
            let (_, rest) = json.split_once(',').unwrap();
            writeln!(out, "{{{rest}").unwrap();
        }
    } else {
        let names: Vec<String> =
            answer.columns.iter().map(|c| format!("{}:{}", c.name, c.kind.as_str())).collect();
        writeln!(out, "{}", names.join("  ")).unwrap();
        for row in &answer.rows {
            let cells = row.cells.iter().map(|cell| {
                let mut json = String::new();
                logq_query::json::write(&mut json, cell);
                json.trim_matches('"').to_owned()
            });
            writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end()).unwrap();
        }
    }
    if !answer.approximate.is_empty() {
        writeln!(out, "approximate {}", answer.approximate.join(", ")).unwrap();
    }
    if answer.more {
        out.push_str("more\n");
    }
    for warning in &answer.warnings {
        match &warning.diagnostic {
            Some(diagnostic) => writeln!(out, "{}", diagnostic.render(text)).unwrap(),
            None => writeln!(out, "{}", warning.text).unwrap(),
        }
    }
    out
}
