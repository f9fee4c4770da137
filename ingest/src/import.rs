//! Imports: sources in, frames out, exactly once.
//!
//! The frames of a source carry the ranges of the source that they cover, end to end: a range holds the
//! lines of its events and the blank and bad lines before them. What no frame covers is read. So an import
//! that stopped anywhere goes on where its data ends, and one that was complete adds nothing.
//!
//! A last line without a line end counts as a line. If the source grows later in the middle of that line,
//! what was added is a line of its own, under a warning; but a last line that was bad is read again, as a
//! whole.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use logq_engine::{ErrorKind as StoreErrorKind, ImportProgress, SourceId, SourceLock, Store, Writer};

use crate::cache::{self, Cache, Entry};
use crate::csv::{Header, Rows};
use crate::detect;
use crate::error::{Error, ErrorKind, Result};
use crate::fields::Rules;
use crate::identity::{self, Region};
use crate::options::{Format, ImportOptions};
use crate::parse::{self, Parsed, Parser, Reading, Reject, Stop, tail_hash};
use crate::plain;
use crate::rejects::Rejects;
use crate::report::{BAD_LINES_SHOWN, BadLine, FileReport, PREVIEW_ROWS, Progress, Report, Status};
use crate::session::{self, Kind, Sessions};
use crate::source::{Input, Source};
use crate::split::{Boundary, Point, Splitter, TAIL_SIZE};

/// How far before a point the time of the line before is looked for without reading the whole source.
const TIME_WITHIN: u64 = 1 << 20;

/// Whose lock is held while sessions are counted. No source has this identity: those of streams are hashes as well, but
/// no source without bytes is ever locked.
const SESSIONS: SourceId = SourceId { prefix_len: 0, generation: 0, hash: 0x7365_7373_696f_6e73 };

/// Imports `inputs`, one after the other. An error of one input is in its report, and the next is
/// imported; an error of the store ends the import.
///
/// What was imported is on disk when this returns without an error.
///
/// # Errors
/// Options that have no meaning, and what the store says before the first input.
pub fn import(
    store: &Store,
    writer: &Writer,
    inputs: Vec<Input>,
    options: &ImportOptions,
    progress: &mut dyn Progress,
) -> Result<Report> {
    options.validate()?;
    let cache = Cache::load(store);
    let known = store.imports()?;
    let target = Some(Target { store, writer, cache, known });
    let mut run = Run { target, now: store.now(), options, sessions: None };
    let mut report = run.all(inputs, progress);
    let flushed = writer.flush();
    if let (Err(error), Some(last)) = (flushed, report.files.last_mut()) {
        last.error.get_or_insert(error.into());
    }
    Ok(report)
}

/// Parses `inputs` as [`import`] would, and writes nothing. The reports hold the first events as parsed.
/// `now` (nanoseconds since 1970) stands for the arrival.
///
/// # Errors
/// Options that have no meaning.
pub fn dry_run(
    inputs: Vec<Input>,
    options: &ImportOptions,
    now: i64,
    progress: &mut dyn Progress,
) -> Result<Report> {
    options.validate()?;
    Ok(Run { target: None, now, options, sessions: None }.all(inputs, progress))
}

/// Where events go.
struct Target<'a> {
    store: &'a Store,
    writer: &'a Writer,
    cache: Cache,
    /// What the store has, as far as this import looked. It may lack what others added since.
    known: Vec<ImportProgress>,
}

struct Run<'a> {
    /// `None`: a dry run.
    target: Option<Target<'a>>,
    now: i64,
    options: &'a ImportOptions,
    /// What sessions said, and the right to say so; since the first session file.
    sessions: Option<(Arc<Mutex<Sessions>>, Option<SourceLock>)>,
}

/// Why a source ended early, inside this module.
enum Ended {
    Cancelled,
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<logq_engine::Error> for Ended {
    fn from(error: logq_engine::Error) -> Self {
        Self::Failed(error.into())
    }
}

type Ending<T> = std::result::Result<T, Ended>;

/// How one source is read.
struct Plan {
    rules: Rules,
    reading: Reading,
    /// Behind what stands before the first event: a mark and a header.
    body: Point,
    /// What sessions said so far, where the source is one.
    sessions: Option<Arc<Mutex<Sessions>>>,
}

/// The one who watches, and which input of how many this is.
struct Watch<'a> {
    progress: &'a mut dyn Progress,
    file: usize,
    files: usize,
}

impl Run<'_> {
    fn all(&mut self, inputs: Vec<Input>, progress: &mut dyn Progress) -> Report {
        let mut report = Report::default();
        let files = inputs.len();
        for (file, input) in inputs.into_iter().enumerate() {
            let mut one = FileReport { name: input.name(), ..FileReport::default() };
            match self.one(input, &mut one, &mut Watch { progress, file, files }) {
                Ok(()) => {}
                Err(Ended::Cancelled) => report.cancelled = true,
                Err(Ended::Failed(error)) => one.error = Some(error),
            }
            // A store that refused once would refuse the next input as well.
            let stop = one.error.as_ref().is_some_and(|error| error.kind() == ErrorKind::Store);
            report.files.push(one);
            if stop || report.cancelled {
                break;
            }
        }
        report
    }

    fn one(&mut self, input: Input, report: &mut FileReport, watch: &mut Watch<'_>) -> Ending<()> {
        let mut source = Source::open(input)?;
        if self.unchanged(&source, report)? {
            return Ok(());
        }
        if source.head.is_empty() {
            // A source that breaks before its first byte is not empty.
            source.check_readable()?;
            report.warnings.push("the source is empty".into());
            return Ok(());
        }
        detect::refuse(&source.head, &report.name)?;
        let mut plan = self.plan(&source, report)?;
        self.begin_session(&source, &mut plan, &report.name)?;
        match &self.target {
            Some(Target { store, writer, .. }) => {
                let (store, writer) = (*store, *writer);
                self.keep(store, writer, &mut source, &plan, report, watch)
            }
            None => {
                let whole = Region { start: 0, end: None, tail_hash: None };
                let mut appender = Appender { sink: None, report, end: 0, line: 1 };
                region(&mut source, &plan, whole, None, &mut appender, self.options, watch)
            }
        }
    }

    /// Whether the file is as the last import left it, and the store as well.
    fn unchanged(&self, source: &Source, report: &mut FileReport) -> Ending<bool> {
        let (Some(target), Some(identity), false) = (&self.target, &source.identity, self.options.again)
        else {
            return Ok(false);
        };
        let Some(entry) = target.cache.unchanged(identity) else { return Ok(false) };
        let known = &target.known;
        let [Region { start, end: None, .. }] = identity::missing(known, entry.source)[..] else {
            return Ok(false);
        };
        if start != entry.end || identity::latest(known, entry.source) != entry.source {
            return Ok(false);
        }
        report.source = Some(entry.source);
        report.known = entry.end;
        Ok(true)
    }

    fn plan(&self, source: &Source, report: &mut FileReport) -> Result<Plan> {
        let newest = source.identity.map_or(self.now, |identity| identity.modified);
        let mut rules = Rules::new(self.options, Some(&source.base_name), self.now, newest)?;
        let (head, last) = (source.head.as_slice(), source.is_all_head);
        report.format = match self.options.format {
            Format::Auto => detect::format(head, last, &source.base_name, &rules)
                .map_err(|error| error.at(Path::new(&report.name)))?,
            chosen => chosen,
        };
        let mut size = detect::bom_size(head);
        let reading = match report.format {
            Format::Jsonl => Reading::Jsonl,
            Format::Csv => {
                let text = head.get(size..).unwrap_or_default();
                let Some(header) = Header::read(text, last, &rules) else {
                    let what = "there is no header line within the first 64 KiB";
                    let error = Error::new(ErrorKind::Unsupported, what).at(Path::new(&report.name));
                    return Err(error.with_help("--format plain imports every line as it is"));
                };
                size += header.size;
                Reading::Csv(header)
            }
            Format::Plain | Format::Auto => Reading::Plain,
            Format::ClaudeCode => Reading::Session(Kind::ClaudeCode),
            Format::Codex => Reading::Session(Kind::Codex),
        };
        if let Reading::Session(kind) = reading {
            rules = Rules::new(&session::options(kind, self.options), None, self.now, newest)?.of_source();
        }
        let back = head.get(..size).unwrap_or(head).to_vec();
        let line = 1 + memchr::memchr_iter(b'\n', &back).count() as u64;
        Ok(Plan {
            rules,
            reading,
            body: Point { offset: size as u64, line, back, before: None },
            sessions: None,
        })
    }

    /// Before the first session file: takes the right to count sessions, and reads what was counted. Two processes that
    /// import copies of one session at a time would count both.
    fn begin_session(&mut self, source: &Source, plan: &mut Plan, name: &str) -> Ending<()> {
        let Reading::Session(kind) = plan.reading else { return Ok(()) };
        if self.sessions.is_none() {
            let store = self.target.as_ref().map(|target| target.store);
            let lock = store.map(|store| store.lock_source(SESSIONS)).transpose();
            let lock = lock.map_err(|error| locked(error, name))?;
            self.sessions = Some((Arc::new(Mutex::new(Sessions::new(store)?)), lock));
        }
        if let Some((sessions, _)) = &self.sessions {
            let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.begin(kind, source.path.as_deref(), &source.base_name);
        }
        plan.sessions = self.sessions.as_ref().map(|(sessions, _)| Arc::clone(sessions));
        Ok(())
    }

    /// Imports what the store does not have of a source.
    fn keep(
        &mut self,
        store: &Store,
        writer: &Writer,
        source: &mut Source,
        plan: &Plan,
        report: &mut FileReport,
        watch: &mut Watch<'_>,
    ) -> Ending<()> {
        let path = source.path.as_deref().map(|path| std::path::absolute(path).unwrap_or(path.into()));
        let (id, _lock) = self.claim(store, source, path.as_deref(), &report.name)?;
        let missing = self.target.as_ref().map_or(Vec::new(), |target| {
            report.known = identity::covered(&target.known, id);
            identity::missing(&target.known, id)
        });
        report.source = Some(id);
        let mut rejects = Rejects::new(cache::rejects_path(&store.imports_dir(), id))?;
        let (mut end, mut line, mut result) = (0, 1, Ok(()));
        for missing in missing {
            let first = self.target.as_ref().and_then(|target| target.cache.line_at(id, missing.start));
            let sink = Some(Sink { writer, id, rejects: &mut rejects });
            let mut appender = Appender { sink, report, end: missing.start, line: 1 };
            result = region(source, plan, missing, first, &mut appender, self.options, watch);
            (end, line) = (appender.end, appender.line);
            if result.is_err() {
                break;
            }
        }
        report.rejects = rejects.path().map(Path::to_owned);
        rejects.sync()?;
        result?;
        if let (Some(target), Some(path), Some(identity)) = (&mut self.target, path, source.identity) {
            let path = path.display().to_string();
            if let Err(error) = target.cache.add(Entry { source: id, path, identity, end, line }) {
                report.warnings.push(error.to_string());
            }
        }
        Ok(())
    }

    /// Finds out which source this is and takes the right to import it. What another process imported between
    /// the look and the lock counts.
    fn claim(
        &mut self,
        store: &Store,
        source: &Source,
        path: Option<&Path>,
        name: &str,
    ) -> Ending<(SourceId, Option<SourceLock>)> {
        static STREAMS: AtomicU64 = AtomicU64::new(0);
        let (Some(path), Some(target)) = (path, &mut self.target) else {
            return Ok((identity::of_stream(self.now, STREAMS.fetch_add(1, Ordering::Relaxed)), None));
        };
        let again = self.options.again;
        let identify = |known: &[ImportProgress]| match identity::find(known, &source.head, path) {
            Some(id) if again => SourceId { generation: id.generation.saturating_add(1), ..id },
            Some(id) => id,
            None => identity::fresh(&source.head, path),
        };
        let mut id = identify(&target.known);
        loop {
            let lock = store.lock_source(id).map_err(|error| locked(error, name))?;
            target.known = store.imports()?;
            let found = identify(&target.known);
            if found.hash == id.hash {
                return Ok((found, Some(lock)));
            }
            id = found;
        }
    }
}

fn locked(error: logq_engine::Error, name: &str) -> Error {
    if error.kind() != StoreErrorKind::Locked {
        return error.into();
    }
    let what = Error::new(ErrorKind::Locked, "another process imports this source").at(Path::new(name));
    what.with_help("wait for it to end; nothing is imported twice")
}

/// Reads one region of a source and appends its events.
fn region(
    source: &mut Source,
    plan: &Plan,
    region: Region,
    line: Option<u64>,
    appender: &mut Appender<'_, '_>,
    options: &ImportOptions,
    watch: &mut Watch<'_>,
) -> Ending<()> {
    let name = appender.report.name.clone();
    if let (Some(sessions), true) = (&plan.sessions, 0 < region.start) {
        pass_rows(source, plan, region.start, sessions, &name)?;
    }
    let (reader, point) = match region.start {
        0 => start(source, plan)?,
        offset => resume(source, plan, offset, line, &name)?,
    };
    if region.tail_hash.is_some_and(|hash| hash != tail_hash(&point.back)) {
        let what = format!(
            "the source was rewritten: what stands before byte {} is not what was imported",
            region.start
        );
        return Err(rewritten(what, &name).into());
    }
    let mut reader = reader;
    let mut first = Vec::new();
    if region.start != 0 && !point.back.ends_with(b"\n") && !point.back.ends_with(b"\r") {
        // An error here comes again with the first chunk.
        let _ = reader.by_ref().take(1).read_to_end(&mut first);
        if first.first().is_some_and(|byte| !b"\r\n".contains(byte)) {
            let at = region.start;
            let text = format!(
                "the source grew inside a line that was imported; from byte {at} it is a line of its own"
            );
            appender.report.warnings.push(text);
        }
    }
    let boundary = match &plan.reading {
        Reading::Csv(header) => Boundary::Rows(Box::new(Rows::new(header.delimiter))),
        Reading::Jsonl | Reading::Plain | Reading::Session(_) => Boundary::Lines,
    };
    appender.line = point.line;
    let reader = std::io::Cursor::new(first).chain(reader);
    let splitter = Splitter::new(reader, point, region.end, boundary, options.chunk_size);
    let mut splitter = with_times(splitter, plan);
    let preview = appender.sink.is_none();
    let sessions = plan.sessions.as_deref();
    // Rows of a session are read one after the other.
    let threads = if sessions.is_some() { 1 } else { options.threads };
    let new_parser = || Parser::new(&plan.rules, &plan.reading, sessions, preview);
    let total = source.identity.map(|identity| identity.size);
    let done = || source.consumed.load(Ordering::Relaxed);
    let take = |parsed| appender.take(parsed, &name, &done, total, watch);
    match parse::run(&mut splitter, threads, &new_parser, take) {
        Ok(()) => Ok(()),
        Err(Stop::Caller(ended)) => Err(ended),
        Err(Stop::Read(error)) => {
            let what = Error::io("the source cannot be read to its end", Path::new(&name), error);
            let help =
                "what came before is imported; once the file is whole, import it again to add the rest";
            Err(what.with_help(help).into())
        }
    }
}

/// Shows a session the rows before `offset`, which were imported: what stands behind them may build on them.
fn pass_rows(
    source: &mut Source,
    plan: &Plan,
    offset: u64,
    sessions: &Mutex<Sessions>,
    name: &str,
) -> Result<()> {
    let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
    if !sessions.looks_back() {
        return Ok(());
    }
    sessions.rewind();
    let (reader, point) = start(source, plan)?;
    let mut splitter = Splitter::new(reader, point, Some(offset), Boundary::Lines, 1 << 20);
    let failed = |error| Error::io("the source cannot be read", Path::new(name), error);
    while let Some(chunk) = splitter.next().map_err(failed)? {
        chunk.data().split(|&byte| byte == b'\n').for_each(|line| sessions.pass(line));
    }
    Ok(())
}

fn with_times<'a, R: Read>(splitter: Splitter<'a, R>, plan: &'a Plan) -> Splitter<'a, R> {
    match plan.reading {
        Reading::Plain => splitter.with_times(Box::new(|lines| plain::last_time(&plan.rules.clock, lines))),
        _ => splitter,
    }
}

fn rewritten(what: String, name: &str) -> Error {
    let error = Error::new(ErrorKind::Rewritten, what).at(Path::new(name));
    error.with_help("--again imports the whole source anew")
}

/// A reader behind the mark and the header.
fn start(source: &mut Source, plan: &Plan) -> Result<(Box<dyn Read + Send>, Point)> {
    let mut reader = source.reader_at_start()?;
    let mut skipped = Vec::new();
    // An error here comes again with the first chunk.
    let _ = reader.by_ref().take(plan.body.offset).read_to_end(&mut skipped);
    Ok((reader, plan.body.clone()))
}

/// A reader at an offset, and what an import there needs to know of what lies before.
fn resume(
    source: &mut Source,
    plan: &Plan,
    offset: u64,
    line: Option<u64>,
    name: &str,
) -> Result<(Box<dyn Read + Send>, Point)> {
    let plain = matches!(plan.reading, Reading::Plain);
    if let (true, Some(line)) = (source.can_seek(), line) {
        let within = if plain { TIME_WITHIN } else { TAIL_SIZE as u64 };
        let from = offset.saturating_sub(within);
        let mut reader = source.reader_at(from)?;
        let mut back = Vec::new();
        let read = reader.by_ref().take(offset - from).read_to_end(&mut back);
        read.map_err(|error| Error::io("the source cannot be read", Path::new(name), error))?;
        if (back.len() as u64) < offset - from {
            return Err(shorter(offset, name));
        }
        // The first line of the window may be cut; without it the last time is still the last.
        let whole = if from == 0 { 0 } else { memchr::memchr(b'\n', &back).map_or(back.len(), |at| at + 1) };
        let lines = back.get(whole..).unwrap_or_default();
        let before = if plain { plain::last_time(&plan.rules.clock, lines) } else { None };
        if !plain || before.is_some() {
            back.drain(..back.len().saturating_sub(TAIL_SIZE));
            return Ok((reader, Point { offset, line, back, before }));
        }
    }
    let (reader, point) = start(source, plan)?;
    let splitter = Splitter::new(reader, point, Some(offset), Boundary::Lines, 1 << 20);
    let mut splitter = with_times(splitter, plan);
    loop {
        match splitter.next() {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => return Err(Error::io("the source cannot be read", Path::new(name), error)),
        }
    }
    let (reader, point) = splitter.into_parts();
    if point.offset < offset {
        return Err(shorter(offset, name));
    }
    Ok((reader, point))
}

fn shorter(offset: u64, name: &str) -> Error {
    rewritten(format!("the source is shorter than the {offset} bytes of it that were imported"), name)
}

/// Where the events of one source go.
struct Sink<'a> {
    writer: &'a Writer,
    id: SourceId,
    rejects: &'a mut Rejects,
}

/// Takes what the parsers made, in the order of the source.
struct Appender<'s, 'r> {
    /// `None`: a dry run.
    sink: Option<Sink<'s>>,
    report: &'r mut FileReport,
    /// Where the next frame's range starts, and the number of the line there.
    end: u64,
    line: u64,
}

impl Appender<'_, '_> {
    fn take(
        &mut self,
        parsed: Parsed,
        name: &str,
        done: &dyn Fn() -> u64,
        total: Option<u64>,
        watch: &mut Watch<'_>,
    ) -> ControlFlow<Ended> {
        let Parsed { frames, rejects, blank, duplicates, size, preview } = parsed;
        self.report.blank += blank;
        self.report.duplicates += duplicates;
        self.report.bytes += size;
        self.note(&rejects);
        // Before the frames: what their ranges cover is never read again.
        if let Some(sink) = &mut self.sink
            && let Err(error) = sink.rejects.add(&rejects)
        {
            return ControlFlow::Break(error.into());
        }
        let missing = PREVIEW_ROWS - self.report.preview.len().min(PREVIEW_ROWS);
        self.report.preview.extend(preview.into_iter().take(missing));
        for frame in frames {
            if let Some(Sink { writer, id, .. }) = &self.sink {
                let progress = ImportProgress {
                    source: *id,
                    start: self.end,
                    end: frame.end,
                    tail_hash: frame.tail_hash,
                };
                if let Err(error) = writer.append_import(&frame.packed, progress) {
                    return ControlFlow::Break(error.into());
                }
            }
            (self.end, self.line) = (frame.end, frame.line);
            self.report.rows += u64::from(frame.packed.count());
            let rows = self.report.rows;
            let (file, files) = (watch.file, watch.files);
            let status = Status { name, file, files, done: done(), total, rows };
            if watch.progress.update(&status).is_break() {
                return ControlFlow::Break(Ended::Cancelled);
            }
        }
        ControlFlow::Continue(())
    }

    fn note(&mut self, rejects: &[Reject]) {
        self.report.bad += rejects.len() as u64;
        let missing = BAD_LINES_SHOWN - self.report.bad_lines.len().min(BAD_LINES_SHOWN);
        let shown = rejects.iter().take(missing).map(|reject| BadLine {
            line: reject.line,
            offset: reject.offset,
            column: reject.column,
            reason: reject.reason.clone(),
        });
        self.report.bad_lines.extend(shown);
    }
}
