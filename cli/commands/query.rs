//! `logq query`, the default: a question and its answer, once or as it changes.

use std::io::Write;
use std::time::Duration;

use logq_engine::Store;
use logq_query::{Answer, Query, RowShape, Session, Tail};

use crate::args::{self, Output};
use crate::config::Config;
use crate::exit::{Exit, Outcome};
use crate::render::{Look, Part};
use crate::reports;
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
    if args.complete {
        return complete(config, &args.words.join(" "));
    }
    let output = match (config.output(), args.follow) {
        // One object that never ends is of no use to a program; a line for each record is.
        (Output::Json, true) => Output::Jsonl,
        (output, _) => output,
    };
    // What is wrong with the question is said before what is wrong with the store.
    let text = reports::resolve(config, &args.words.join(" "))?;
    let question = Question::new(config, &text, output)?;
    let store = super::open_to_read(config)?;
    if args.follow {
        return follow(config, &store, &question);
    }
    let mut out = ui::stdout();
    let exit = question.answer(config, &store, &mut out)?;
    out.flush()?;
    Ok(exit)
}

/// Prints what may stand where the text ends: one a line, or a list in JSON. Without a store there are the words of the
/// language.
fn complete(config: &Config, text: &str) -> Outcome {
    let words = match super::open_to_read(config) {
        Ok(store) => logq_query::complete(&store, text)?,
        Err(_) => logq_query::complete_words(text),
    };
    let mut out = ui::stdout();
    match config.output() {
        Output::Json => writeln!(out, "{}", ui::plain_json(&serde_json::json!(words).to_string()))?,
        _ => words.iter().try_for_each(|word| writeln!(out, "{}", ui::visible(word)))?,
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// A query, how its words are read, and how its answer is written.
pub(crate) struct Question {
    query: Query,
    session: Session,
    output: Output,
}

impl Question {
    /// Reads a question.
    pub(crate) fn new(config: &Config, text: &str, output: Output) -> Outcome<Self> {
        let shape = match output {
            Output::Json | Output::Jsonl => RowShape::Full,
            Output::Table | Output::Csv | Output::Md | Output::Chart => RowShape::Table,
        };
        let session = Session { now: config.now()?, zone: config.zone()?, shape, ..Session::default() };
        Ok(Self { query: Query::parse(text)?, session, output })
    }

    /// Runs the query.
    pub(crate) fn ask(&self, store: &Store) -> Outcome<Answer> {
        Ok(self.query.run(store, &self.session)?)
    }

    /// Runs the query and writes its answer. Damage that it met makes it exit 3, with the answer still there.
    pub(crate) fn answer(&self, config: &Config, store: &Store, out: &mut dyn Write) -> Outcome {
        let answer = self.ask(store)?;
        self.look(config).write(out, &answer)?;
        // Rows and remarks go to two streams; rows come first where both end on one screen.
        out.flush()?;
        remark(config, self.output, &answer);
        Ok(if answer.damaged { Exit::Broken } else { Exit::Done })
    }

    fn look(&self, config: &Config) -> Look<'_> {
        Look { output: self.output, ui: config.ui, zone: &self.session.zone }
    }
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
        let are = if answer.rows.len() == 1 { "is" } else { "are" };
        config.ui.note(&format!("there {are} more than {rows} (`limit all` lifts the limit)"));
    }
    if answer.rows.is_empty() && matches!(output, Output::Table | Output::Chart) {
        config.ui.note("no rows");
    }
}

/// Goes on until the reader goes away: with new records, or with the report as it is now.
fn follow(config: &Config, store: &Store, question: &Question) -> Outcome {
    match Tail::start(store, &question.query, &question.session) {
        Ok((answer, tail)) => tail_on(config, &question.look(config), &answer, tail),
        Err(error) if error.diagnostics().iter().any(|problem| problem.code == NOT_FOLLOWED) => {
            report_on(config, store, question)
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

fn report_on(config: &Config, store: &Store, question: &Question) -> Outcome {
    let mut shown = Vec::new();
    loop {
        let mut text = Vec::new();
        question.look(config).write(&mut text, &question.ask(store)?)?;
        // A report that did not change is not said again to a program.
        if text != shown || config.ui.terminal {
            let mut out = ui::stdout();
            let before = match (config.ui.terminal, shown.is_empty()) {
                (true, _) => CLEAR,
                (false, true) => "",
                (false, false) => "\n",
            };
            out.write_all(before.as_bytes())?;
            out.write_all(&text)?;
            out.flush()?;
            shown = text;
        }
        std::thread::sleep(REPORT_EVERY);
    }
}
