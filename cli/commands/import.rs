//! `logq import`: files and streams in, a summary on standard error.

use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use logq_engine::{Durability, Options, Store};
use logq_ingest::{ErrorKind, FileReport, ImportOptions, Imported, Input, Report, Status};
use serde_json::json;

use crate::args::{Import, Output};
use crate::commands::forget;
use crate::commands::query::Question;
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::render::grid::{self, Cell, Column, Frame, Tone};
use crate::ui::{self, Progress, Ui};

/// Imports, or says what would be imported, or lists what was.
pub(crate) fn run(config: &Config, args: &Import) -> Outcome {
    if args.list {
        return list(config);
    }
    if let Some(id) = &args.undo {
        return forget::undo(config, id, args.dry_run);
    }
    let options = options(config, args)?;
    let inputs = inputs(&args.paths)?;
    let mut progress = Shown::new();
    let started = Instant::now();
    let report = if args.dry_run {
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        logq_ingest::dry_run(inputs, &options, now, &mut progress).map_err(failure)?
    } else {
        let store = Store::open(config.store()?, config.options()?)?;
        // On disk when the command ends: a crash before costs no more than importing the rest again.
        let writer = store.writer_with(Durability::Buffered)?;
        let report = logq_ingest::import(&store, &writer, inputs, &options, &mut progress);
        writer.close()?;
        report.map_err(failure)?
    };
    drop(progress);
    if args.dry_run {
        preview(config, &report)?;
    }
    summarise(config.ui, args, &report, started.elapsed());
    finish(config.ui, args, report)
}

/// Imports one file with every option at its default; says how many rows came in.
pub(crate) fn all_of(store: &Store, file: &Path) -> Outcome<u64> {
    let writer = store.writer_with(Durability::Buffered)?;
    let report =
        logq_ingest::import(store, &writer, vec![Input::path(file)], &ImportOptions::default(), &mut ());
    writer.close()?;
    let report = report.map_err(failure)?;
    let rows = report.rows();
    match report.files.into_iter().find_map(|file| file.error) {
        Some(error) => Err(failure(error)),
        None => Ok(rows),
    }
}

/// An error of an import as an end of the command.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub(crate) fn failure(error: logq_ingest::Error) -> Failure {
    let mut failure = match error.kind() {
        ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Unsupported | ErrorKind::Rewritten => {
            Failure::bad(error.to_string())
        }
        _ => Failure::broken(error.to_string()),
    };
    failure.help = error.help().map(Into::into);
    failure
}

fn options(config: &Config, args: &Import) -> Outcome<ImportOptions> {
    let mut options = ImportOptions {
        format: args.format.parse().map_err(failure)?,
        kind: args.kind.clone(),
        source: args.source.clone(),
        tz: config.typed_zone().map(Into::into),
        time_unit: args.time_unit.as_deref().map(str::parse).transpose().map_err(failure)?,
        time_zero: args.time_zero.clone(),
        again: args.again,
        ..ImportOptions::default()
    };
    for map in &args.map {
        let (field, column) = pair(map, "--map", "--map model=properties.main_model")?;
        options.map.push((column, field));
    }
    for set in &args.set {
        options.set.push(pair(set, "--set", "--set service=shop")?);
    }
    options.validate().map_err(failure)?;
    Ok(options)
}

fn pair(text: &str, option: &str, example: &str) -> Outcome<(String, String)> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() => Ok((left.into(), right.into())),
        _ => Err(Failure::bad(format!("{option} `{text}` has no `=` behind a name"))
            .help(format!("for example {example}"))),
    }
}

fn inputs(paths: &[PathBuf]) -> Outcome<Vec<Input>> {
    if paths.is_empty() {
        return Err(Failure::bad("no file to import")
            .help("logq import FILE..., or `logq import -` for standard input"));
    }
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => walk(path, &mut files)?,
            false => files.push(path.clone()),
        }
    }
    if files.is_empty() {
        let folders: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::bad(format!("no file lies in {}", folders.join(", "))));
    }
    Ok(files.iter().map(Input::path).collect())
}

/// All files below a directory, by name. Hidden ones, links to directories and stores of ours are passed over.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Outcome<()> {
    let failed = |error| Failure::broken(format!("{}: cannot be listed: {error}", folder.display()));
    if folder.join("MANIFEST").is_file() && folder.join("active").is_dir() {
        return Ok(());
    }
    let mut entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            walk(&path, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// Progress of each file on a terminal.
struct Shown {
    bar: Progress,
    started: Instant,
    file: usize,
}

impl Shown {
    fn new() -> Self {
        let started = Instant::now();
        Self { bar: Progress::since("", started), started, file: usize::MAX }
    }
}

impl logq_ingest::Progress for Shown {
    fn update(&mut self, status: &Status<'_>) -> ControlFlow<()> {
        if self.file != status.file {
            self.file = status.file;
            let label = match status.files {
                1 => status.name.to_owned(),
                files => format!("[{}/{files}] {}", status.file + 1, status.name),
            };
            self.bar = Progress::since(&label, self.started);
        }
        self.bar.bytes(status.done, status.total, Some(status.rows));
        ControlFlow::Continue(())
    }
}

/// Says on standard error what became of each file.
fn summarise(ui: Ui, args: &Import, report: &Report, took: Duration) {
    let speed = |rows| format!("in {}, {} rows/s", ui::span(nanoseconds(took)), whole_rate(rows, took));
    let done = if args.dry_run { "would import" } else { "imported" };
    for file in &report.files {
        let speed = if report.files.len() == 1 { format!(" {}", speed(file.rows)) } else { String::new() };
        file_summary(ui, file, done, &speed);
    }
    if 1 < report.files.len() {
        let files = ui::count(report.files.len() as u64, "file");
        ui.note(&format!("{done} {} from {files} {}", ui::count(report.rows(), "row"), speed(report.rows())));
    }
}

fn file_summary(ui: Ui, file: &FileReport, done: &str, speed: &str) {
    let name = &file.name;
    let say = |what: String| ui.note(&format!("{name}: {what}"));
    if file.error.is_none() && file.rows == 0 && file.bad == 0 && file.known != 0 {
        say(format!("nothing new, all {} were imported before (--again imports anew)", ui::size(file.known)));
    } else if file.error.is_none() || file.rows != 0 {
        let (rows, format) = (ui::count(file.rows, "row"), file.format.as_str());
        let known = match file.known {
            0 => String::new(),
            known => format!(" behind {} that were imported before", ui::size(known)),
        };
        say(format!("{done} {rows} ({format}, {}{known}){speed}", ui::size(file.bytes)));
    }
    if file.blank != 0 {
        say(format!("{} skipped", ui::count(file.blank, "blank line")));
    }
    if file.duplicates != 0 {
        say(format!("{} replaced by a later one of the same name", ui::count(file.duplicates, "value")));
    }
    for warning in &file.warnings {
        ui.warn(&format!("{name}: {warning}"));
    }
    for bad in &file.bad_lines {
        let column = if bad.column == 0 { String::new() } else { format!(":{}", bad.column) };
        ui.warn(&format!("{name}:{}{column}: {}", bad.line, bad.reason));
    }
    if file.bad != 0 {
        let kept =
            file.rejects.as_ref().map(|path| format!(", kept in {}", path.display())).unwrap_or_default();
        ui.warn(&format!("{name}: {} could not be read{kept}", ui::count(file.bad, "line")));
    }
}

/// The exit code: the first error, else what `--strict` makes of bad lines.
fn finish(ui: Ui, args: &Import, report: Report) -> Outcome {
    let bad = report.bad();
    let mut errors = report.files.into_iter().filter_map(|file| file.error).map(failure).collect::<Vec<_>>();
    if let Some(last) = errors.pop() {
        // All are shown; the worst decides how the command ends.
        let worst = errors.iter().map(|failure| failure.exit as u8).max().unwrap_or(0);
        errors.iter().for_each(|failure| ui.complain(failure));
        let exit = if (last.exit as u8) < worst { Exit::Broken } else { last.exit };
        return Err(Failure { exit, ..last });
    }
    Ok(if args.strict && bad != 0 { Exit::No } else { Exit::Done })
}

/// Shows the first events of a dry run, every field of them, as a query would: from a store that is gone
/// afterwards.
fn preview(config: &Config, report: &Report) -> Outcome<()> {
    let dir = tempfile::tempdir()
        .map_err(|error| Failure::broken(format!("cannot make a temporary directory: {error}")))?;
    let store = Store::open(dir.path(), Options { durability: Durability::Buffered, ..Options::default() })?;
    let writer = store.writer()?;
    report
        .files
        .iter()
        .flat_map(|file| &file.preview)
        .try_for_each(|event| writer.append(event).map(drop))?;
    let mut out = ui::stdout();
    let output = config.typed_output().unwrap_or(Output::Jsonl);
    Question::new(config, "events limit all", output)?.answer(config, &store, &mut out)?;
    out.flush()?;
    Ok(())
}

/// What was imported so far.
fn list(config: &Config) -> Outcome {
    let all = logq_ingest::list(&super::open_to_read(config)?).map_err(failure)?;
    let rejects = |import: &Imported| import.rejects.as_ref().map(|path| path.display().to_string());
    let mut out = ui::stdout();
    match config.output() {
        Output::Table => {
            let cells = |text: &dyn Fn(&Imported) -> String| {
                let plain = |text: String| Cell { empty: text == "-", text, tone: Tone::Plain };
                all.iter().map(|import| plain(ui::visible(&text(import)))).collect()
            };
            let column = |name: &str, number, text: &dyn Fn(&Imported) -> String| Column {
                name: name.into(),
                number,
                fixed: number,
                cells: cells(text),
            };
            let columns = [
                column("id", true, &|import| import.source.to_string()),
                column("bytes", true, &|import| ui::size(import.bytes)),
                column("path", false, &|import| import.path.clone().unwrap_or_else(|| "-".into())),
                column("rejects", false, &|import| rejects(import).unwrap_or_else(|| "-".into())),
            ];
            let frame = Frame { width: config.ui.width, color: config.ui.color, headings: true };
            out.write_all(grid::lay(&columns, frame).text.as_bytes())?;
        }
        format @ (Output::Json | Output::Jsonl) => {
            let one = |import: &Imported| json!({"id": import.source.to_string(), "path": import.path, "bytes": import.bytes, "rejects": rejects(import)});
            let all: Vec<_> = all.iter().map(one).collect();
            match format {
                Output::Json => writeln!(out, "{:#}", json!({"imports": all}))?,
                _ => all.iter().try_for_each(|line| writeln!(out, "{line}"))?,
            }
        }
        other => {
            return Err(Failure::bad(format!("import --list cannot write {}", other.as_str()))
                .help("use -o table, json or jsonl"));
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn nanoseconds(took: Duration) -> i64 {
    i64::try_from(took.as_nanos()).unwrap_or(i64::MAX)
}

/// Rows a second, as a whole number.
fn whole_rate(rows: u64, took: Duration) -> String {
    let rate = u128::from(rows) * 1_000_000_000 / took.as_nanos().max(1);
    ui::grouped(&rate.to_string())
}
