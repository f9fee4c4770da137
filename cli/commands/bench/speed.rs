//! Full speed: appending, syncing, importing, scanning, recovering, and one event by one process.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use logq_engine::{Durability, Event, Options, Scan, Store};

use super::baseline::REPLACED_RATE;
use super::{Measured, Place, ROUNDS, Report, discard, median, open, real, worker};
use crate::args::Bench;
use crate::exit::{Failure, Outcome};
use crate::ui;
use crate::workload::{Times, Workload};

const PROCESSES: usize = 8;
const THREADS: usize = 32;
/// Events that are built before the clock starts and appended again and again: more than the caches
/// hold, less than the memory of a small machine.
const POOL: usize = 100_000;
/// Appends that are synced one by one in a round.
const SYNCED: usize = 2_000;
/// What an active file reserves; a little less is written, so that it is not yet rotated.
const FILE_BYTES: usize = 16 << 20;

pub(crate) fn run(place: &Place, args: &Bench, report: &mut Report) -> Outcome<()> {
    let rows = args.rows.max(PROCESSES);
    let pool = worker::events(1, POOL.min(rows));
    append(place, rows, &pool, report)?;
    synced(place, SYNCED.min(rows), &pool, report)?;
    drop(pool);
    import_and_scan(place, rows, report)?;
    recovery(place, report)?;
    processes(place, if args.full { 1000 } else { rows.min(200) }, report)
}

/// A burst from one thread, and from eight processes, in turns.
fn append(place: &Place, rows: usize, pool: &[Event], report: &mut Report) -> Outcome<()> {
    let (mut one, mut many) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let path = place.fresh();
        let store = open(&path, Durability::Buffered)?;
        let writer = store.writer()?;
        let started = Instant::now();
        for event in pool.iter().cycle().take(rows) {
            writer.append(event)?;
        }
        one.push(real(rows) / started.elapsed().as_secs_f64());
        writer.close()?;
        discard(&path);
        many.push(burst_of_processes(place, rows)?);
    }
    let what = "logs/s of the replaced system";
    let (one, many) = (median(one), median(many));
    let note = format!("{} events, built before", ui::grouped(&rows.to_string()));
    report.add(
        Measured::new("append, buffered, 1 thread", one, "events/s").against(REPLACED_RATE, what).note(&note),
    )?;
    report.add(
        Measured::new("append, buffered, 8 processes", many, "events/s")
            .against(REPLACED_RATE, what)
            .note(note),
    )
}

/// Events a second of eight processes that append to one store together.
fn burst_of_processes(place: &Place, rows: usize) -> Outcome<f64> {
    let path = place.fresh();
    let each = rows / PROCESSES;
    let mut workers = (0..PROCESSES)
        .map(|at| Worker::start(&path, &format!("append:{each}:{at}")))
        .collect::<Outcome<Vec<_>>>()?;
    for worker in &mut workers {
        worker.expect("ready")?;
    }
    let started = Instant::now();
    for worker in &mut workers {
        worker.say("go")?;
    }
    for worker in &mut workers {
        worker.expect("done")?;
    }
    let rate = real(each * PROCESSES) / started.elapsed().as_secs_f64();
    for worker in workers {
        worker.finish()?;
    }
    discard(&path);
    Ok(rate)
}

/// Appends that are on disk before they count: one thread against a bare loop, then 32 threads.
fn synced(place: &Place, count: usize, pool: &[Event], report: &mut Report) -> Outcome<()> {
    let size = pool.iter().map(Event::size).sum::<usize>() / pool.len().max(1);
    let (mut bare, mut one, mut many) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(bare_loop(place, count, size)?);
        one.push(synced_threads(place, 1, count, pool)?);
        many.push(synced_threads(place, THREADS, count * 4, pool)?);
    }
    let (bare, one, many) = (median(bare), median(one), median(many));
    let note = format!("{} appends", ui::grouped(&count.to_string()));
    report.add(
        Measured::new("append, synced, 1 thread", one, "events/s")
            .against(bare, "pwrite + fdatasync a second")
            .note(note),
    )?;
    report.add(
        Measured::new("append, synced, 32 threads", many, "events/s").against(one, "events/s of 1 thread"),
    )
}

/// The least that one durable write costs: `pwrite` and `fdatasync` on a file whose blocks are reserved.
pub(crate) fn bare_loop(place: &Place, count: usize, size: usize) -> Outcome<f64> {
    let path = place.fresh();
    let broken = |error: io::Error| Failure::broken(format!("the bare loop: {}: {error}", path.display()));
    let file = File::create_new(&path).map_err(broken)?;
    let len = i64::try_from(count * size).unwrap_or(i64::MAX);
    nix::fcntl::fallocate(&file, nix::fcntl::FallocateFlags::empty(), 0, len)
        .map_err(|error| broken(error.into()))?;
    file.sync_all().map_err(broken)?;
    let record = vec![b'x'; size];
    let started = Instant::now();
    let mut offset = 0;
    for _ in 0..count {
        file.write_all_at(&record, offset).and_then(|()| file.sync_data()).map_err(broken)?;
        offset += u64::try_from(size).unwrap_or(0);
    }
    let rate = real(count) / started.elapsed().as_secs_f64();
    fs::remove_file(&path).map_err(broken)?;
    Ok(rate)
}

fn synced_threads(place: &Place, threads: usize, count: usize, pool: &[Event]) -> Outcome<f64> {
    let path = place.fresh();
    let store = open(&path, Durability::Synced)?;
    let writer = store.writer()?;
    let each = count.div_ceil(threads);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|at| {
                let writer = writer.clone();
                let mut mine = pool.iter().cycle().skip(at * each).take(each);
                scope.spawn(move || mine.try_for_each(|event| writer.append(event).map(drop)))
            })
            .collect();
        running.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    let rate = real(each * threads) / started.elapsed().as_secs_f64();
    writer.close()?;
    discard(&path);
    Ok(rate)
}

/// JSONL in until it can be searched, by a process of its own; then a scan of what it wrote.
fn import_and_scan(place: &Place, rows: usize, report: &mut Report) -> Outcome<()> {
    let file = place.fresh().with_extension("jsonl");
    let bytes = write_jsonl(&file, rows)?;
    let (mut rates, mut peaks, mut scans) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let path = place.fresh();
        let started = Instant::now();
        let mut worker = Worker::start(&path, &format!("import:{}", file.display()))?;
        let line = worker.line()?;
        worker.finish()?;
        rates.push(real(rows) / started.elapsed().as_secs_f64());
        let (imported, peak) = line.trim().split_once(' ').unwrap_or_default();
        if imported != rows.to_string() {
            return Err(Failure::broken(format!("{rows} rows went into the import, {imported} came out")));
        }
        peaks.push(peak.parse::<f64>().unwrap_or(f64::NAN) / f64::from(1 << 20));
        scans.push(scan(&path, rows)?);
        discard(&path);
    }
    let what = "logs/s of the replaced system";
    let note = format!("{} of JSONL, one process from start to end", ui::size(bytes));
    report.add(
        Measured::new("import JSONL until searchable", median(rates), "rows/s")
            .against(REPLACED_RATE, what)
            .note(note),
    )?;
    report.add(Measured::new("import JSONL, peak memory", median(peaks), "MiB"))?;
    report.add(
        Measured::new("scan of rows, 1 thread", median(scans), "records/s")
            .note("sum of tokens by a bare scan"),
    )
}

fn write_jsonl(file: &Path, rows: usize) -> Outcome<u64> {
    /// 2026-11-22T16:00:00Z.
    const UNTIL: i64 = 1_795_363_200_000_000_000;
    let broken = |error: io::Error| Failure::broken(format!("cannot write {}: {error}", file.display()));
    let mut out = BufWriter::with_capacity(1 << 20, File::create_new(file).map_err(broken)?);
    let (mut line, mut bytes) = (String::new(), 0);
    for entry in Workload::new(42, rows, UNTIL, Times::Even) {
        line.clear();
        entry.write_json(&mut line);
        out.write_all(line.as_bytes()).map_err(broken)?;
        bytes += line.len() as u64;
    }
    out.flush().map_err(broken)?;
    Ok(bytes)
}

/// Records a second of one thread that reads model and tokens of every record.
fn scan(path: &Path, rows: usize) -> Outcome<f64> {
    let store = Store::open(path, Options { read_only: true, create: false, ..Options::default() })?;
    let snapshot = store.snapshot()?;
    let columns = ["model", "prompt_tokens", "response_tokens"].map(String::from).to_vec();
    let scan = Scan { columns, ..Scan::default() };
    let started = Instant::now();
    let (mut records, mut tokens) = (0, 0_i64);
    for part in snapshot.parts(&scan)? {
        part.scan(&mut |batch| {
            records += batch.len();
            for column in [1, 2] {
                for value in batch.column(column).iter().flatten() {
                    if let logq_engine::Value::Int(int) = value {
                        tokens = tokens.wrapping_add(*int);
                    }
                }
            }
            ControlFlow::Continue(())
        })?;
    }
    let rate = real(records) / started.elapsed().as_secs_f64();
    if records != rows || tokens == 0 {
        return Err(Failure::broken(format!("{rows} records were written, the scan saw {records}")));
    }
    Ok(rate)
}

/// The time to write again after the writer of a full active file was killed.
fn recovery(place: &Place, report: &mut Report) -> Outcome<()> {
    let mut times = Vec::new();
    let mut survived = 0;
    for _ in 0..ROUNDS {
        let path = place.fresh();
        let mut worker = Worker::start(&path, &format!("fill:{}", FILE_BYTES / 10 * 9))?;
        let written: i64 = worker.line()?.trim().parse().unwrap_or(-1);
        worker.finish()?;
        let started = Instant::now();
        let store = open(&path, Durability::Buffered)?;
        let writer = store.writer()?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        writer.close()?;
        survived = super::queries::single_int(&store, "events | stats count", "count")?;
        if survived != written {
            return Err(Failure::broken(format!(
                "{written} events were appended before the kill, {survived} are there"
            )));
        }
        discard(&path);
    }
    let note = format!("all {} events are there", ui::grouped(&survived.to_string()));
    report.add(Measured::new("recovery of a 16 MiB active file", median(times), "ms").note(note))
}

/// `logq append` as a whole process, again and again on one store.
fn processes(place: &Place, count: usize, report: &mut Report) -> Outcome<()> {
    let path = place.fresh();
    let mut times = Vec::new();
    for at in 0..count {
        let mut command = command(&path)?;
        command.args([
            "append",
            "level=info",
            "operation=tick",
            &format!("message=tick {at}"),
            &format!("n={at}"),
        ]);
        let started = Instant::now();
        let status = command.stdout(Stdio::null()).status().map_err(|error| started_none(&error))?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        if !status.success() {
            return Err(Failure::broken(format!("`logq append` ended with {status}")));
        }
    }
    let files = fs::read_dir(path.join("active"))
        .map_err(|error| Failure::broken(format!("cannot list {}: {error}", path.join("active").display())))?
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "log"))
        .count();
    discard(&path);
    let note = format!("median of {} processes", ui::grouped(&count.to_string()));
    report.add(Measured::new("`logq append k=v`, the whole process", median(times), "ms").note(&note))?;
    let note = format!("after {} processes", ui::grouped(&count.to_string()));
    report.add(Measured::new("active files that they leave", real(files), "files").note(note))
}

/// This program, on the store at `path`.
fn command(path: &Path) -> Outcome<Command> {
    let this = std::env::current_exe().map_err(|error| started_none(&error))?;
    let mut command = Command::new(this);
    command.arg("--store").arg(path);
    Ok(command)
}

fn started_none(error: &io::Error) -> Failure {
    Failure::broken(format!("cannot start a process: {error}"))
}

/// A process that does one part of a measurement; see `worker`.
struct Worker {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Worker {
    fn start(store: &Path, spec: &str) -> Outcome<Self> {
        let mut command = command(store)?;
        command.args(["bench", "--worker", spec]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| started_none(&error))?;
        match child.stdout.take() {
            Some(out) => Ok(Self { child, out: BufReader::new(out) }),
            None => Err(Failure::broken("a worker has no output")),
        }
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        match self.out.read_line(&mut line) {
            Ok(0) => Err(Failure::broken("a worker ended early")),
            Ok(_) => Ok(line),
            Err(error) => Err(Failure::broken(format!("a worker cannot be heard: {error}"))),
        }
    }

    fn expect(&mut self, word: &str) -> Outcome<()> {
        match self.line()?.trim() {
            said if said == word => Ok(()),
            said => Err(Failure::broken(format!("a worker said `{said}` instead of `{word}`"))),
        }
    }

    fn say(&mut self, word: &str) -> Outcome<()> {
        let Some(input) = self.child.stdin.as_mut() else {
            return Err(Failure::broken("a worker has no input"));
        };
        writeln!(input, "{word}")
            .map_err(|error| Failure::broken(format!("a worker cannot be told: {error}")))
    }

    fn finish(mut self) -> Outcome<()> {
        let status = self.child.wait().map_err(|error| started_none(&error))?;
        if status.success() { Ok(()) } else { Err(Failure::broken(format!("a worker ended with {status}"))) }
    }
}
