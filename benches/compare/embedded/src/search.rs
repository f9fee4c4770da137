//! Full text: logq beside tantivy with a document for each event, both sealed, both asked for a common word and a rare id.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use logq_engine::{Durability, Options, Predicate, Scan, Store, TextTest, Value};
use tantivy::collector::Count;
use tantivy::query::TermQuery;
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, TantivyDocument, Term};

use crate::peers::{Result, Samples};
use crate::{median, size};

const BATCH: usize = 1_000;
/// Memory that tantivy may index in, with as many threads as there are cores here.
const BUDGET: usize = 256 << 20;
const WORD: &str = "completed";
/// Questions of one turn.
const ASKED: u32 = 20;

/// What one engine came to in one turn.
struct Turn {
    searchable: f64,
    bytes: f64,
    word_ms: f64,
    id_ms: f64,
    found: (usize, usize),
}

/// Prints a table; an error where the answers differ.
pub(crate) fn compare(dir: &Path, samples: &Samples, rounds: usize) -> Result<()> {
    let id = rare_id(samples).ok_or("no message has an id in it")?;
    let (mut logq, mut tantivy) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        logq.push(of_logq(dir, samples, &id)?);
        tantivy.push(of_tantivy(dir, samples, &id)?);
    }
    if let Some(odd) = logq.iter().chain(&tantivy).find(|turn| turn.found != logq[0].found) {
        return Err(
            format!("{WORD} and {id} were found {:?} and {:?} times", logq[0].found, odd.found).into()
        );
    }
    println!("\n{:<28} {:>12} {:>10} {:>10} {:>10}", "full text", "s until", "MB", "word ms", "id ms");
    for (name, turns) in [("logq, sealed", &logq), ("tantivy, an event a document", &tantivy)] {
        let of = |figure: fn(&Turn) -> f64| median(turns.iter().map(figure).collect());
        println!(
            "{name:<28} {:>12.2} {:>10.1} {:>10.2} {:>10.2}",
            of(|turn| turn.searchable),
            of(|turn| turn.bytes) / 1e6,
            of(|turn| turn.word_ms),
            of(|turn| turn.id_ms)
        );
    }
    println!("both found `{WORD}` {} times and `{id}` {} times", logq[0].found.0, logq[0].found.1);
    Ok(())
}

/// A word with letters and digits of a message in the middle; both engines must cut it alike, and `_` is a part of a word in
/// logq only.
fn rare_id(samples: &Samples) -> Option<String> {
    let is_id = |word: &&str| {
        10 < word.len()
            && !word.contains('_')
            && word.bytes().any(|b| b.is_ascii_digit())
            && word.bytes().any(|b| b.is_ascii_lowercase())
    };
    samples.events[samples.len() / 2..].iter().find_map(|event| {
        let Some(Value::Str(message)) = event.get("message") else { return None };
        message.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').find(is_id).map(str::to_owned)
    })
}

fn of_logq(dir: &Path, samples: &Samples, id: &str) -> Result<Turn> {
    let dir = tempfile::tempdir_in(dir)?;
    let options = Options { durability: Durability::Buffered, maintain: false, ..Options::default() };
    let store = Store::open(dir.path(), options)?;
    let started = Instant::now();
    let writer = store.writer()?;
    for batch in samples.events.chunks(BATCH) {
        writer.append_batch(batch)?;
    }
    writer.close()?;
    store.seal()?;
    let searchable = started.elapsed();
    let snapshot = store.snapshot()?;
    let count = |word: &str| -> Result<usize> {
        let predicate = Predicate::Any(TextTest::word(word));
        let scan = Scan { predicate, ids: false, times: false, ..Scan::default() };
        let mut found = 0;
        for part in snapshot.parts(&scan)? {
            part.scan(&mut |batch| {
                found += batch.len();
                ControlFlow::Continue(())
            })?;
        }
        Ok(found)
    };
    turn(searchable, dir.path(), id, &count)
}

fn of_tantivy(dir: &Path, samples: &Samples, id: &str) -> Result<Turn> {
    let dir = tempfile::tempdir_in(dir)?;
    let indexing = TextFieldIndexing::default().set_index_option(IndexRecordOption::Basic);
    let mut schema = Schema::builder();
    let options = TextOptions::default().set_indexing_options(indexing.set_fieldnorms(false));
    let texts = schema.add_text_field("texts", options);
    let line = schema.add_text_field("line", TextOptions::default().set_stored());
    let index = Index::create_in_dir(dir.path(), schema.build())?;
    let started = Instant::now();
    let threads = std::thread::available_parallelism()?.get();
    let mut writer = index.writer_with_num_threads::<TantivyDocument>(threads, BUDGET)?;
    for (event, json) in samples.events.iter().zip(&samples.lines) {
        let mut document = TantivyDocument::default();
        for name in [
            "message",
            "prompt",
            "response",
            "session",
            "operation",
            "model",
            "component",
            "kind",
            "context_type",
            "method",
        ] {
            if let Some(Value::Str(text)) = event.get(name) {
                document.add_text(texts, text);
            }
        }
        document.add_text(line, std::str::from_utf8(json)?);
        writer.add_document(document)?;
    }
    writer.commit()?;
    writer.wait_merging_threads()?;
    let searchable = started.elapsed();
    let searcher = index.reader()?.searcher();
    let count = |word: &str| -> Result<usize> {
        let term = Term::from_field_text(texts as Field, word);
        Ok(searcher.search(&TermQuery::new(term, IndexRecordOption::Basic), &Count)?)
    };
    turn(searchable, dir.path(), id, &count)
}

fn turn(searchable: Duration, dir: &Path, id: &str, count: &dyn Fn(&str) -> Result<usize>) -> Result<Turn> {
    let timed = |word: &str| -> Result<(usize, f64)> {
        let mut found = count(word)?;
        let started = Instant::now();
        for _ in 0..ASKED {
            found = count(word)?;
        }
        Ok((found, started.elapsed().as_secs_f64() * 1e3 / f64::from(ASKED)))
    };
    let ((words, word_ms), (ids, id_ms)) = (timed(WORD)?, timed(id)?);
    let bytes = size(dir)? as f64;
    Ok(Turn { searchable: searchable.as_secs_f64(), bytes, word_ms, id_ms, found: (words, ids) })
}
