//! Chunks to frames, in parallel and in order.
//!
//! One thread reads and splits, several parse and pack, the caller's thread takes the results in the order
//! of the source. Chunks in flight are bounded in number and in bytes, so a slow disk or a slow store
//! makes the reader wait instead of filling memory.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Condvar, Mutex, PoisonError};

use logq_engine::{Event, Packed, Packer, RECORD_SIZE_MAX};
use twox_hash::XxHash3_64;

use crate::csv::{self, Header, Rows, TableMemory};
use crate::fields::Rules;
use crate::json::{Scanner, too_long};
use crate::plain;
use crate::report::PREVIEW_ROWS;
use crate::scan::Malformed;
use crate::session::{Kind, Sessions};
use crate::split::{Chunk, SKIPPED_HEAD_SIZE, Skipped, Splitter, TAIL_SIZE};

/// Bytes of chunks between reader and caller. One chunk may always be there, whatever its size.
const IN_FLIGHT_MAX: usize = 24 << 20;

/// An event over this size frees its memory when it is packed.
const LARGE: usize = 4 << 20;

/// How the bytes of a source become events.
#[derive(Debug)]
pub(crate) enum Reading {
    Jsonl,
    Csv(Header),
    Plain,
    /// Rows of sessions, to be read in order by one parser.
    Session(Kind),
}

/// A frame, ready to append.
pub(crate) struct Frame {
    pub(crate) packed: Packed,
    /// Where the last of its lines ends. Lines without an event belong to the frame that follows them.
    pub(crate) end: u64,
    /// Number of the line that starts at `end`.
    pub(crate) line: u64,
    /// The hash of the [`TAIL_SIZE`] bytes before `end`.
    pub(crate) tail_hash: u64,
}

/// A line that is no event.
#[derive(Debug)]
pub(crate) struct Reject {
    pub(crate) line: u64,
    pub(crate) offset: u64,
    pub(crate) column: u64,
    pub(crate) reason: String,
    /// Bytes of the whole line; `raw` may be only its start.
    pub(crate) size: u64,
    pub(crate) raw: Vec<u8>,
}

/// What became of a chunk.
#[derive(Default)]
pub(crate) struct Parsed {
    pub(crate) frames: Vec<Frame>,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) blank: u64,
    pub(crate) duplicates: u64,
    /// Bytes of the chunk.
    pub(crate) size: u64,
    pub(crate) preview: Vec<Event>,
}

/// The hash of up to [`TAIL_SIZE`] bytes at the end of `bytes`.
pub(crate) fn tail_hash(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes.get(bytes.len().saturating_sub(TAIL_SIZE)..).unwrap_or(bytes))
}

/// Turns chunks into frames; one for each thread.
pub(crate) struct Parser<'a> {
    rules: &'a Rules,
    reading: &'a Reading,
    preview: bool,
    event: Event,
    packer: Packer,
    scanner: Scanner,
    rows: Rows,
    table: TableMemory,
    /// What sessions said before; without it their rows are plain JSONL.
    sessions: Option<&'a Mutex<Sessions>>,
}

impl<'a> Parser<'a> {
    /// With `preview` the first events are kept to be looked at.
    pub(crate) fn new(
        rules: &'a Rules,
        reading: &'a Reading,
        sessions: Option<&'a Mutex<Sessions>>,
        preview: bool,
    ) -> Self {
        let delimiter = match reading {
            Reading::Csv(header) => header.delimiter,
            _ => b',',
        };
        Self {
            rules,
            reading,
            preview,
            event: Event::new(),
            packer: Packer::new(),
            scanner: Scanner::default(),
            rows: Rows::new(delimiter),
            table: TableMemory::default(),
            sessions,
        }
    }

    pub(crate) fn parse(&mut self, chunk: &Chunk) -> Parsed {
        let mut parsed = Parsed { size: chunk.end - chunk.start, ..Parsed::default() };
        if let Some(skipped) = &chunk.skipped {
            parsed.rejects.push(too_long_reject(chunk, skipped));
            return parsed;
        }
        // Where the last frame may end: behind everything, but before a bad line that may still grow.
        let (covered, line) = match self.reading {
            Reading::Csv(header) => self.parse_rows(header, chunk, &mut parsed),
            Reading::Jsonl | Reading::Plain | Reading::Session(_) => self.parse_lines(chunk, &mut parsed),
        };
        self.finish(chunk, covered, line, &mut parsed);
        if let Some(frame) = parsed.frames.last_mut()
            && frame.end != chunk.start + covered as u64
        {
            frame.end = chunk.start + covered as u64;
            frame.line = line;
            frame.tail_hash = tail_hash(chunk.buf.get(..chunk.back + covered).unwrap_or_default());
        }
        parsed
    }

    fn parse_lines(&mut self, chunk: &Chunk, parsed: &mut Parsed) -> (usize, u64) {
        let data = chunk.data();
        let mut before = chunk.before;
        let mut number = chunk.line;
        let mut at = 0;
        while let Some(rest) = data.get(at..)
            && !rest.is_empty()
        {
            let (raw, size, whole) = match memchr::memchr(b'\n', rest) {
                Some(len) => (rest.get(..len).unwrap_or(rest), len + 1, true),
                None => (rest, rest.len(), false),
            };
            let line = raw.strip_suffix(b"\r").unwrap_or(raw);
            if is_blank(line) {
                parsed.blank += 1;
            } else if let Err(reason) = self.line(line, &mut before, parsed) {
                parsed.rejects.push(reject(chunk, number, at, raw, reason));
                if !whole && chunk.last {
                    return (at, number);
                }
            }
            at += size;
            number += u64::from(whole);
            if self.packer.is_full() {
                self.finish(chunk, at, number, parsed);
            }
        }
        (at, number)
    }

    fn line(
        &mut self,
        line: &[u8],
        before: &mut Option<i64>,
        parsed: &mut Parsed,
    ) -> std::result::Result<(), Malformed> {
        self.event.clear();
        match self.reading {
            Reading::Jsonl => parsed.duplicates += self.scanner.parse(self.rules, line, &mut self.event)?,
            Reading::Session(_) => return self.row(line, parsed),
            _ if RECORD_SIZE_MAX < line.len() => {
                return Err(Malformed { column: 0, reason: too_long(line.len()) });
            }
            _ => plain::parse(self.rules, line, before, &mut self.event),
        }
        self.pack(parsed)
    }

    /// A row of a session: what counts of it is booked once it is packed.
    fn row(&mut self, line: &[u8], parsed: &mut Parsed) -> std::result::Result<(), Malformed> {
        parsed.duplicates += self.scanner.parse(self.rules, line, &mut self.event)?;
        let Some(sessions) = self.sessions else { return self.pack(parsed) };
        let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let note = sessions.fill(line, &mut self.event);
        self.pack(parsed)?;
        sessions.book(note);
        Ok(())
    }

    fn parse_rows(&mut self, header: &Header, chunk: &Chunk, parsed: &mut Parsed) -> (usize, u64) {
        let data = chunk.data();
        let mut number = chunk.line;
        let mut at = 0;
        loop {
            let rest = data.get(at..).unwrap_or_default();
            let (blank_size, blank) = csv::blank_lines(rest);
            parsed.blank += blank;
            number += blank;
            at += blank_size;
            let rest = data.get(at..).unwrap_or_default();
            let Some(row) = self.rows.next(rest, true) else { return (data.len(), number) };
            let (size, raw) = (row.size, rest.get(..row.size).unwrap_or(rest));
            // Only the source's end can leave a cell open.
            let ends = chunk.last && size == rest.len();
            let open = ends && csv::is_open(raw, header.delimiter);
            self.event.clear();
            let result = match self.table.parse(self.rules, header, &row, &mut self.event) {
                _ if open => Err(Malformed { column: 0, reason: "a quoted cell is not closed".into() }),
                None => {
                    parsed.blank += 1;
                    Ok(())
                }
                Some(read) => read.and_then(|duplicates| {
                    parsed.duplicates += duplicates;
                    self.pack(parsed)
                }),
            };
            if let Err(reason) = result {
                parsed.rejects.push(reject(chunk, number, at, raw, reason));
                if ends && (open || !raw.ends_with(b"\n")) {
                    return (at, number);
                }
            }
            number += memchr::memchr_iter(b'\n', raw).count() as u64;
            at += size;
            if self.packer.is_full() {
                self.finish(chunk, at, number, parsed);
            }
        }
    }

    fn pack(&mut self, parsed: &mut Parsed) -> std::result::Result<(), Malformed> {
        let packed = self.packer.push(&self.event, self.rules.arrival);
        packed.map_err(|error| Malformed { column: 0, reason: error.to_string() })?;
        if self.preview && parsed.preview.len() < PREVIEW_ROWS {
            parsed.preview.push(self.event.clone());
        }
        Ok(())
    }

    /// Closes the frame whose last line ends `at` bytes into the chunk.
    fn finish(&mut self, chunk: &Chunk, at: usize, line: u64, parsed: &mut Parsed) {
        if self.packer.is_empty() {
            return;
        }
        let large = LARGE < self.event.size();
        let packed = self.packer.finish();
        if large {
            // What one large line needed is not kept for all that follow.
            (self.event, self.packer, self.scanner) = (Event::new(), Packer::new(), Scanner::default());
        }
        let tail_hash = tail_hash(chunk.buf.get(..chunk.back + at).unwrap_or_default());
        parsed.frames.push(Frame { packed, end: chunk.start + at as u64, line, tail_hash });
    }
}

/// Most lines start with something else than white space.
fn is_blank(line: &[u8]) -> bool {
    line.first().is_none_or(u8::is_ascii_whitespace) && line.iter().all(u8::is_ascii_whitespace)
}

fn reject(chunk: &Chunk, line: u64, at: usize, raw: &[u8], reason: Malformed) -> Reject {
    let Malformed { column, reason } = reason;
    let (offset, size) = (chunk.start + at as u64, raw.len() as u64);
    let kept = if RECORD_SIZE_MAX < raw.len() { SKIPPED_HEAD_SIZE } else { raw.len() };
    Reject { line, offset, column, reason, size, raw: raw.get(..kept).unwrap_or(raw).into() }
}

fn too_long_reject(chunk: &Chunk, skipped: &Skipped) -> Reject {
    let size = skipped.size;
    let reason = too_long(usize::try_from(size).unwrap_or(usize::MAX));
    Reject { line: chunk.line, offset: chunk.start, column: 0, reason, size, raw: skipped.head.clone() }
}

/// Why a pipeline ended before its source did.
pub(crate) enum Stop<E> {
    /// The source cannot be read any further.
    Read(io::Error),
    /// The caller said so.
    Caller(E),
}

/// Chunks in flight. A queue that a closing side empties cannot leave the other side waiting.
struct Flight {
    state: Mutex<FlightState>,
    changed: Condvar,
}

#[derive(Default)]
struct FlightState {
    jobs: VecDeque<(Chunk, Sender<Parsed>)>,
    bytes: usize,
    count: usize,
    closed: bool,
}

impl Flight {
    fn new() -> Self {
        Self { state: Mutex::default(), changed: Condvar::new() }
    }

    fn with<T>(&self, change: impl FnOnce(&mut FlightState) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = change(&mut state);
        self.changed.notify_all();
        done
    }

    /// Waits for room; `false` when nobody wants the chunk any more.
    fn push(&self, chunk: Chunk, sender: Sender<Parsed>, count_max: usize) -> bool {
        let size = chunk.buf.capacity();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |state: &mut FlightState| {
            let over = IN_FLIGHT_MAX < state.bytes.saturating_add(size) || count_max <= state.count;
            !state.closed && 0 < state.count && over
        };
        let mut state = self.changed.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return false;
        }
        state.bytes += size;
        state.count += 1;
        state.jobs.push_back((chunk, sender));
        self.changed.notify_all();
        true
    }

    /// Waits for a chunk; `None` when there will be none.
    fn pop(&self) -> Option<(Chunk, Sender<Parsed>)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |state: &mut FlightState| !state.closed && state.jobs.is_empty();
        let mut state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        state.jobs.pop_front()
    }
}

/// Closes the flight when dropped, also by a panic: nobody waits for a thread that is gone. What is queued
/// is still parsed.
struct CloseOnDrop<'a>(&'a Flight);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.with(|state| state.closed = true);
    }
}

/// Runs a source through `threads` parsers and hands the results to `take`, in order.
pub(crate) fn run<'p, R: Read + Send, E>(
    splitter: &mut Splitter<'_, R>,
    threads: usize,
    new_parser: &(dyn Fn() -> Parser<'p> + Sync),
    mut take: impl FnMut(Parsed) -> ControlFlow<E>,
) -> std::result::Result<(), Stop<E>> {
    let flight = Flight::new();
    let (order, results) = mpsc::channel::<(usize, Receiver<Parsed>)>();
    std::thread::scope(|scope| {
        let flight = &flight;
        let _close = CloseOnDrop(flight);
        let reader = scope.spawn(move || {
            let _close = CloseOnDrop(flight);
            while let Some(chunk) = splitter.next()? {
                let size = chunk.buf.capacity();
                let (sender, receiver) = mpsc::channel();
                if !flight.push(chunk, sender, threads * 2 + 1) || order.send((size, receiver)).is_err() {
                    break;
                }
            }
            Ok::<(), io::Error>(())
        });
        for _ in 0..threads {
            scope.spawn(move || {
                let mut parser = new_parser();
                while let Some((chunk, sender)) = flight.pop() {
                    let parsed = parser.parse(&chunk);
                    drop(chunk);
                    // The caller may have stopped listening.
                    let _ = sender.send(parsed);
                }
            });
        }
        for (size, result) in results {
            let Ok(parsed) = result.recv() else { break };
            flight.with(|state| {
                state.bytes -= size;
                state.count -= 1;
            });
            if let ControlFlow::Break(stop) = take(parsed) {
                return Err(Stop::Caller(stop));
            }
        }
        // The reader is done, or a parser is gone; then it must not wait for room.
        flight.with(|state| state.closed = true);
        match reader.join() {
            Ok(read) => read.map_err(Stop::Read),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
