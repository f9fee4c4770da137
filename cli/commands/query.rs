//! `logq query`, the default: a question and its answer, once or as it changes.

use std::io::Write;
use std::time::Duration;

use logq_engine::Store;
use logq_query::{Answer, Query, RowShape, Session, Tail};

use crate::args::{self, Output};
use crate::config::Config;
use crate::exit::{Exit, Outcome};
use crate::render::{Look, Part};
use crate::ui;

/// How often a tail looks for new records: below what a person notices.
const TAIL_EVERY: Duration = Duration::from_millis(100);
/// How often a report is made anew.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// The code of the problem that a query's rows are no records one by one.
const NOT_FOLLOWED: &str = "Q0906";
/// Moves the cursor to the corner and clears what is below it.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Answers.
pub(crate) fn run(config: &Config, args: &args::Query) -> Outcome {
    let text = args.words.join(" ");
    // A text that is no query is told apart from a store that is not there: the text first.
    let query = Query::parse(&text)?;
    let store = super::open_to_read(config)?;
    if args.follow {
        return follow(config, &store, &query);
    }
    let mut out = ui::stdout();
    let exit = answer(config, &store, &query, config.output(), &mut out)?;
    out.flush()?;
    Ok(exit)
}

/// How queries of this run are read.
pub(crate) fn session(config: &Config, output: Output) -> Outcome<Session> {
    let shape = match output {
        Output::Json | Output::Jsonl => RowShape::Full,
        Output::Table | Output::Csv | Output::Md => RowShape::Table,
    };
    Ok(Session { now: config.now()?, zone: config.zone()?, shape, ..Session::default() })
}

/// Runs a query and writes its answer; damage that it met makes it exit 3, with the answer still there.
pub(crate) fn answer(
    config: &Config,
    store: &Store,
    query: &Query,
    output: Output,
    out: &mut dyn Write,
) -> Outcome {
    let session = session(config, output)?;
    let answer = query.run(store, &session)?;
    Look { output, ui: config.ui, zone: &session.zone }.write(out, &answer)?;
    // Rows and remarks go to two streams; rows come first where both end on one screen.
    out.flush()?;
    remark(config, output, &answer);
    Ok(if answer.damaged { Exit::Broken } else { Exit::Done })
}

/// What the reader should know beside the rows.
fn remark(config: &Config, output: Output, answer: &Answer) {
    for warning in &answer.warnings {
        match &warning.diagnostic {
            Some(diagnostic) => config.ui.plain(&diagnostic.render(&answer.query)),
            None => config.ui.warn(&warning.text),
        }
    }
    if answer.more && output != Output::Json {
        let rows = ui::count(answer.rows.len() as u64, "row");
        config.ui.note(&format!("there is more than these {rows}: `limit 1000` or `limit all` shows it"));
    }
    if answer.rows.is_empty() && output == Output::Table {
        config.ui.note("no rows");
    }
}

/// Goes on until the reader goes away: with new records, or with the report as it is now.
fn follow(config: &Config, store: &Store, query: &Query) -> Outcome {
    let output = match config.output() {
        // One object that never ends is of no use to a program; a line for each record is.
        Output::Json => Output::Jsonl,
        other => other,
    };
    let session = session(config, output)?;
    match Tail::start(store, query, &session) {
        Ok((answer, tail)) => {
            let look = Look { output, ui: config.ui, zone: &session.zone };
            tail_on(config, &look, &answer, tail)
        }
        Err(error) if error.diagnostics().iter().any(|problem| problem.code == NOT_FOLLOWED) => {
            report_on(config, store, query, output)
        }
        Err(error) => Err(error.into()),
    }
}

fn tail_on(config: &Config, look: &Look<'_>, so_far: &Answer, mut tail: Tail) -> Outcome {
    let mut out = ui::stdout();
    look.write(&mut out, so_far)?;
    out.flush()?;
    remark(config, Output::Json, so_far);
    let mut headed = !so_far.rows.is_empty() || look.output == Output::Csv;
    loop {
        std::thread::sleep(TAIL_EVERY);
        let answer = tail.poll()?;
        if !answer.rows.is_empty() {
            let part = if headed { Part::Rest } else { Part::Whole };
            look.write_part(&mut out, &answer, part)?;
            out.flush()?;
            headed = true;
        }
    }
}

fn report_on(config: &Config, store: &Store, query: &Query, output: Output) -> Outcome {
    let mut shown = Vec::new();
    loop {
        let mut text = Vec::new();
        let session = session(config, output)?;
        let answer = query.run(store, &session)?;
        Look { output, ui: config.ui, zone: &session.zone }.write(&mut text, &answer)?;
        // A report that did not change is not said again to a program.
        if text != shown || config.ui.terminal {
            let mut out = ui::stdout();
            let before = if config.ui.terminal {
                CLEAR
            } else if shown.is_empty() {
                ""
            } else {
                "\n"
            };
            out.write_all(before.as_bytes())?;
            out.write_all(&text)?;
            out.flush()?;
            shown = text;
        }
        std::thread::sleep(REPORT_EVERY);
    }
}
