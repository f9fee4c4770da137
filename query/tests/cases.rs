//! Runs the `.case` files: a query, and the answer or the problems that it must give, word for word.
//!
//! ```text
//! data   standard-day            a named data set; the clock stands at 2026-11-22T12:00Z
//! zone   Europe/Vienna           the zone of the session, UTC where there is none
//! shape  full                    records show all fields; the usual columns where there is none
//!
//! query  tokens by model         asked by itself, with the lines up to the next empty one as its answer
//! ```
//!
//! A case runs on one writer's store and on a store of three writers that took turns, each of them active, sealed,
//! merged, archived and mixed, with every optimiser rule on, on one thread and on four, with all rules off, and with each
//! one alone off; it must say the same each time. `UPDATE=1` fills the answers in.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use logq_engine::Store;
use logq_query::{Answer, Query, RowShape, Rule, Session};

use crate::data::{self, Layout, NOW};

#[test]
fn every_case_gives_its_answer() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let update = std::env::var_os("UPDATE").is_some();
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut failures = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
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
    let mut stores: Vec<Store> = Vec::new();
    let mut dirs = Vec::new();
    let mut session = Session { now: Some(NOW), ..Session::default() };
    let mut filled = String::new();
    let mut wrong = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        writeln!(filled, "{line}").unwrap();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "data" => {
                let events = data::events(rest);
                for layout in Layout::ALL {
                    for writers in [1, 3] {
                        let dir = tempfile::tempdir().unwrap();
                        stores.push(data::store_as(dir.path(), &events, writers, layout));
                        dirs.push(dir);
                    }
                }
            }
            "zone" => session.zone = logq_query::zone(rest).unwrap(),
            "shape" => session.shape = if rest == "full" { RowShape::Full } else { RowShape::Table },
            "query" => {
                let mut want = String::new();
                while let Some(line) = lines.next_if(|line| !line.is_empty()) {
                    writeln!(want, "{line}").unwrap();
                }
                let got = ascii(&answers(&stores, &unescaped(rest), &session));
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
fn unescaped(text: &str) -> String {
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

/// The one answer that all stores and all sets of rules give.
fn answers(stores: &[Store], text: &str, session: &Session) -> String {
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
            let shown = match threads.install(run) {
                Ok(answer) => show(&answer, text),
                Err(error) => format!("{error}\n"),
            };
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
