//! `logq export`: whatever a query gives, as files for other programs, or for another store.
//!
//! Rows are written as they are read. Columns that depend on the rows (those of CSV, and of Parquet where the rows are no whole
//! events) take a first pass over the same snapshot, so that no row is held for them.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use logq_engine::{Snapshot, Store};
use logq_query::{Answer, Query, RowShape, Session};
use serde_json::json;

use super::maintain::Shown;
use crate::args::{self, Partition};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::export::columns::Columns;
use crate::export::sheets::{Parting, Sheets, Target, Written};
use crate::export::{Format, Way};
use crate::reports;
use crate::ui::{self, Progress};

/// Every event.
const EVERYTHING: &str = "events";

/// Writes the rows.
pub(crate) fn run(config: &Config, args: &args::Export) -> Outcome {
    let started = Instant::now();
    let shown = Shown::of(config, "export").map_err(|failure| {
        failure.help("-o is how the summary is written; --format is what the files hold")
    })?;
    let to = args.to.as_deref().filter(|to| *to != Path::new("-"));
    let (format, gzip) = format(args, to)?;
    let target = target(config, args, to)?;
    let words = reports::resolve(config, &args.words.join(" "))?;
    let query = Query::parse(if words.trim().is_empty() { EVERYTHING } else { &words })?;
    let session = Session {
        now: config.now()?,
        zone: config.zone()?,
        shape: RowShape::Full,
        implicit_limits: false,
        ..Session::default()
    };
    let store = super::open_to_read(config)?;
    let snapshot = store.snapshot()?;
    let asked = Asked { query: &query, session: &session, store: &store, snapshot: &snapshot };
    let mut way = Way { format, gzip, internal: args.internal, columns: Columns::default() };
    let held = asked.columns(&mut way)?;
    let (written, answer) = asked.write(&way, target, held)?;
    for warning in &answer.warnings {
        match &warning.diagnostic {
            Some(diagnostic) => config.ui.plain(&diagnostic.render(&answer.query)),
            None => config.ui.warn(&warning.text),
        }
    }
    say(config, shown, to, written, started)?;
    Ok(if answer.damaged { Exit::Broken } else { Exit::Done })
}

/// What is exported.
struct Asked<'a> {
    query: &'a Query,
    session: &'a Session,
    store: &'a Store,
    snapshot: &'a Snapshot,
}

impl Asked<'_> {
    fn stream(&self, visit: &mut dyn FnMut(&Answer) -> ControlFlow<()>) -> Outcome<Answer> {
        Ok(self.query.stream(self.store, self.snapshot, self.session, visit)?)
    }

    /// Finds the columns, where the format needs them; all of the rows, where they were one piece.
    fn columns(&self, way: &mut Way) -> Outcome<Option<Answer>> {
        if way.format == Format::Jsonl {
            return Ok(None);
        }
        let (mut columns, mut pieces, mut first) = (Columns::default(), 0_u64, None);
        let (mut result, mut fixed) = (Ok(()), false);
        let answer = self.stream(&mut |piece| {
            pieces += 1;
            fixed = piece.full && way.format == Format::Parquet;
            if fixed {
                columns.full = true;
                return ControlFlow::Break(());
            }
            first = (pieces == 1).then(|| piece.clone());
            result = columns.add(piece, way.internal);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result?;
        columns.settle();
        way.columns = columns;
        let held = first.filter(|_| !fixed);
        Ok(held.map(|piece| Answer { warnings: answer.warnings, damaged: answer.damaged, ..piece }))
    }

    /// Writes the rows, those that are held or those of the query.
    fn write(&self, way: &Way, target: Target<'_>, held: Option<Answer>) -> Outcome<(Written, Answer)> {
        let mut sheets = Sheets::new(way, target)?;
        let answer = match held {
            Some(answer) => {
                sheets.write(&answer)?;
                answer
            }
            None => {
                let mut bar = Progress::since("export", Instant::now());
                let mut result = Ok(());
                let answer = self.stream(&mut |piece| {
                    result = sheets.write(piece);
                    bar.rows(sheets.written().rows);
                    if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })?;
                result?;
                answer
            }
        };
        Ok((sheets.commit()?, answer))
    }
}

/// What the files hold, and whether they are compressed: as told, else by the name's ending.
fn format(args: &args::Export, to: Option<&Path>) -> Outcome<(Format, bool)> {
    let name = to.and_then(Path::file_name).map(|name| name.to_string_lossy().to_ascii_lowercase());
    let name = name.unwrap_or_default();
    let (stem, zipped) = name.strip_suffix(".gz").map_or((name.as_str(), false), |stem| (stem, true));
    let ending = stem.rsplit_once('.').map_or("", |(_, ending)| ending);
    let format = match (args.format, ending) {
        (Some(args::ExportFormat::Jsonl), _) => Format::Jsonl,
        (Some(args::ExportFormat::Csv), _) => Format::Csv,
        (Some(args::ExportFormat::Parquet), _) => Format::Parquet,
        (None, "jsonl" | "ndjson") => Format::Jsonl,
        (None, "csv") => Format::Csv,
        (None, "parquet") => Format::Parquet,
        (None, _) if to.is_none() => Format::Jsonl,
        (None, _) => {
            return Err(Failure::bad(format!("the name `{name}` does not say what the files are to hold"))
                .help("say it with --format jsonl, csv or parquet"));
        }
    };
    let gzip = args.gzip || zipped;
    match (format, gzip, to) {
        (Format::Parquet, true, _) => {
            Err(Failure::bad("parquet compresses its columns itself").help("leave gzip out"))
        }
        (Format::Parquet, _, None) => {
            Err(Failure::bad("parquet needs a file").help("name it with --to FILE"))
        }
        _ => Ok((format, gzip)),
    }
}

fn target<'a>(config: &Config, args: &args::Export, to: Option<&'a Path>) -> Outcome<Target<'a>> {
    let replace = args.replace;
    let hours = match args.partition {
        Partition::None if args.node.is_some() => {
            return Err(Failure::bad("--node names a folder").help("part the rows: --partition day"));
        }
        Partition::None => {
            return Ok(to.map_or(Target::Stdout, |path| Target::File { path, replace }));
        }
        Partition::Day => false,
        Partition::Hour => true,
    };
    let path = to.ok_or_else(|| Failure::bad("dated folders need a folder").help("name it with --to DIR"))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(node) = args.node.as_deref().filter(|node| node.is_empty() || !node.chars().all(plain)) {
        return Err(Failure::bad(format!("`{node}` is no name of a node"))
            .help("a name is letters, digits, `-`, `_` and `.`"));
    }
    let parting = Parting { zone: config.zone()?, hours, node: args.node.clone() };
    Ok(Target::Folders { path, replace, parting })
}

/// Says what was written: as JSON on standard output, or on standard error where the rows have that.
fn say(config: &Config, shown: Shown, to: Option<&Path>, written: Written, started: Instant) -> Outcome<()> {
    let Written { rows, bytes, files } = written;
    let seconds = started.elapsed().as_secs_f64();
    let file = to.map(|path| path.display().to_string());
    match shown {
        Shown::Table => {
            let files = match &file {
                Some(file) => format!("in {} to {}", ui::count(files, "file"), ui::visible(file)),
                None => "to standard output".to_owned(),
            };
            let (rows, size) = (ui::count(rows, "row"), ui::size(bytes));
            config.ui.note(&format!("exported {rows}, {size}, {files}, in {seconds:.1} s"));
        }
        Shown::Json => {
            let value = json!({"rows": rows, "bytes": bytes, "files": files, "to": file, "seconds": seconds});
            match file {
                None => config.ui.plain(&value.to_string()),
                Some(_) => {
                    let mut out = ui::stdout();
                    writeln!(out, "{value:#}")?;
                    out.flush()?;
                }
            }
        }
    }
    Ok(())
}
