//! Showing a file of a store for a human: what each byte range is, and what is damaged.
//!
//! A file tells by its first bytes what it is; where those are damaged its name does. Nothing is rebuilt or
//! guessed: a damaged piece is shown as one, with its place, and the next piece that holds comes after it.
//! Lines hold the text of events as it is: whoever prints them to a terminal escapes them.

mod active;
mod segment;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::budget;
use crate::error::{Error, ErrorKind, Result};
use crate::format::frame::ImportProgress;
use crate::format::manifest::{Edit, HEAD_SIZE, Head, Op, ReadHead, read_edit};
use crate::format::name::{DAY_NS, Day, FileName};
use crate::format::{VERSION, header};
use crate::io::disk::Disk;
use crate::io::{OpenMode, ReadMap, Vfs as _};
use crate::value::Value;

/// Shows the file at `path`, line by line, with its rows if `rows` says so. Returns how many damaged pieces
/// it showed. `show` ends it early with `Break`.
///
/// # Errors
/// [`ErrorKind::Invalid`] when it is no file of a store, [`ErrorKind::Version`] when a newer version made it,
/// and what the operating system says.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # use logq_engine::{Event, Options, Store};
/// # let store = Store::open(dir.path(), Options::default())?;
/// # store.writer()?.append(&Event::system("startup", "Autonomous system started"))?;
/// let mut lines = Vec::new();
/// let damaged = logq_engine::dump(&dir.path().join("MANIFEST"), false, &mut |line| {
///     lines.push(line.to_owned());
///     std::ops::ControlFlow::Continue(())
/// })?;
/// assert_eq!(damaged, 0);
/// assert!(lines[0].starts_with("manifest"));
/// # Ok::<(), logq_engine::Error>(())
/// ```
pub fn dump(path: &Path, rows: bool, show: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Result<u64> {
    let failed = |error| Error::io("the file cannot be read", path, error);
    let vfs = Disk::new();
    let stat = vfs.stat(path).map_err(failed)?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut out = Out { show, damaged: 0 };
    if stat.size == 0 {
        return match is_marker(name) {
            Some(what) => Ok(out.end(&[format!("{what}, empty as it should be")])),
            None => Err(not_ours(path)),
        };
    }
    let file = vfs.open(path, OpenMode::Read).map_err(failed)?;
    let map: Arc<dyn ReadMap> = file.map_read().map_err(failed)?.into();
    let is = |magic: &[u8]| map.bytes().starts_with(magic);
    let parsed = (FileName::parse_active(name), FileName::parse_segment(name, None));
    let ended = if is(b"LOGQMAN\x01") || name == FileName::Manifest.to_string() {
        manifest(map.bytes(), path, &mut out)?
    } else if is(b"LOGQACT\x01") || matches!(parsed.0, Some(FileName::Active { .. })) {
        active::show(map.bytes(), path, rows, &mut out)?
    } else if is(b"LOGQSEG\x01")
        || matches!(parsed.1, Some(FileName::Segment { .. } | FileName::SegmentNew { .. }))
    {
        segment::show(&map, rows, &mut out)
    } else if let Some((lines, damaged)) = budget::describe(map.bytes()) {
        out.damaged += damaged;
        lines.iter().try_for_each(|line| out.line(line))
    } else if let Some(FileName::SlotLock { slot }) = parsed.0 {
        let epoch = map.bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        out.line(&format!("lock of slot {slot}, taken {epoch} times"))
    } else {
        return Err(not_ours(path));
    };
    // Whoever does not want more has seen enough: that is no error.
    let _ended: ControlFlow<()> = ended;
    Ok(out.damaged)
}

fn not_ours(path: &Path) -> Error {
    Error::new(ErrorKind::Invalid, "this is no file of a store").at(path)
}

fn newer(version: u32, path: &Path) -> Error {
    let what =
        format!("the file has format {version}, and this version of logq knows {VERSION}: use a newer logq");
    Error::new(ErrorKind::Version, what).at(path)
}

/// What a file without bytes is, by its name.
fn is_marker(name: &str) -> Option<String> {
    let locks =
        [FileName::ManifestLock, FileName::ReadersLock, FileName::MaintenanceLock, FileName::BudgetLock];
    if locks.iter().any(|lock| lock.to_string() == name) {
        return Some("a lock".into());
    }
    match (FileName::parse_segment(name, None), FileName::parse_active(name)) {
        (Some(FileName::Tombstone { id }), _) => Some(format!("the mark that segment {id} is gone for good")),
        (_, Some(FileName::SlotLock { slot })) => Some(format!("lock of slot {slot}")),
        _ => None,
    }
}

/// Where the lines go.
struct Out<'o> {
    show: &'o mut dyn FnMut(&str) -> ControlFlow<()>,
    damaged: u64,
}

impl Out<'_> {
    fn line(&mut self, line: &str) -> ControlFlow<()> {
        (self.show)(line)
    }

    fn damage(&mut self, offset: u64, len: u64, what: &str) -> ControlFlow<()> {
        self.damaged += 1;
        self.line(&format!("{offset:>10}  DAMAGED: {what}, {len} bytes"))
    }

    fn end(mut self, lines: &[String]) -> u64 {
        let _ended = lines.iter().try_for_each(|line| self.line(line));
        self.damaged
    }
}

fn manifest(bytes: &[u8], path: &Path, out: &mut Out<'_>) -> Result<ControlFlow<()>> {
    let head = match Head::read(bytes) {
        ReadHead::Head(head) => head,
        ReadHead::Newer { version } => return Err(newer(version, path)),
        ReadHead::Damaged => {
            // Without the store's identity no edit can be verified.
            let what = "the head of a manifest; its edits cannot be told without it";
            return Ok(out.damage(0, bytes.len() as u64, what));
        }
    };
    Ok(edits(bytes, head, out))
}

fn edits(bytes: &[u8], head: Head, out: &mut Out<'_>) -> ControlFlow<()> {
    out.line(&format!("manifest, {} bytes", bytes.len()))?;
    let Head { store, rewrites } = head;
    out.line(&format!("{:>10}  head: store {store:032x}, rewritten {rewrites} times", 0))?;
    let mut offset = HEAD_SIZE;
    loop {
        match read_edit(bytes, head.store, offset) {
            Edit::Ops(ops, next) => {
                out.line(&format!("{offset:>10}  edit, {} bytes, {} operations", next - offset, ops.len()))?;
                let mut at = offset + 8;
                for op in &ops {
                    out.line(&format!("{at:>10}    {}", operation(op)))?;
                    at += op.size();
                }
                offset = next;
            }
            Edit::End => return out.line(&format!("{offset:>10}  end of the edits")),
            Edit::Damaged => {
                let rest = (offset + 8..bytes.len()).step_by(8);
                let next = rest.into_iter().find(|at| matches!(read_edit(bytes, store, *at), Edit::Ops(..)));
                let end = next.unwrap_or(bytes.len());
                let what = match next {
                    Some(_) => "an edit",
                    None => "an edit that was not finished, which nobody relied on, or a damaged one",
                };
                out.damage(offset as u64, (end - offset) as u64, what)?;
                offset = end;
            }
        }
    }
}

fn operation(op: &Op) -> String {
    let name = |file: FileName| file.relative();
    match *op {
        Op::Create { slot, number, salt, first_sequence, capacity, rehomes } => {
            let file = name(FileName::Active { slot, number });
            let rehomes = rehomes.map_or_else(String::new, |rehomes| {
                let failed = FileName::Active { slot, number: rehomes.number };
                format!(", takes over {} from record {slot}-{} on", failed.relative(), rehomes.from)
            });
            format!(
                "create {file}: from record {slot}-{first_sequence} on, {capacity} bytes, salt {salt:016x}{rehomes}"
            )
        }
        Op::Done { slot, number, done } => format!(
            "done {}: {} records up to {slot}-{}, ends at {}, promised up to {}, {}, times {} to {}",
            name(FileName::Active { slot, number }),
            done.records,
            done.end_sequence,
            done.end,
            done.promise,
            if done.clean { "closed in order" } else { "not closed" },
            time(done.time_min),
            time(done.time_max),
        ),
        Op::Slot { slot, end } => {
            format!(
                "slot {slot}: gone up to file {}, goes on at record {slot}-{}",
                end.number, end.next_sequence
            )
        }
        Op::Add { id, entry } => format!(
            "add {}: {} records, {} bytes, times {} to {}, arrived {} to {}",
            name(FileName::Segment { id, day: entry.day }),
            entry.records,
            entry.size,
            time(entry.time_min),
            time(entry.time_max),
            time(entry.arrived_min),
            time(entry.arrived_max),
        ),
        Op::Replace { place, since } => {
            format!("replace {}: waits for being unlinked since {}", name(place.file()), time(since))
        }
        Op::Gone { place } => format!("gone {}: was unlinked", name(place.file())),
        Op::Import(progress) => format!("import {}", import(&progress)),
        Op::Undo { source } => format!("undo the import of source {source}"),
        Op::Floor { sequence } => format!("floor: no record gets a sequence before {sequence}"),
        Op::Ids { next } => format!("ids: the next segment is {next}"),
    }
}

fn import(progress: &ImportProgress) -> String {
    let ImportProgress { source, start, end, tail_hash } = progress;
    format!("of source {source}: bytes {start} to {end}, tail {tail_hash:016x}")
}

/// A time as RFC 3339, with all its digits.
fn time(ns: i64) -> String {
    let day = Day::of(ns);
    let (year, month, date) = day.civil();
    let within = ns.rem_euclid(DAY_NS);
    let (seconds, fraction) = (within / 1_000_000_000, within % 1_000_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{fraction:09}Z")
}

/// Appends ` name=value`.
fn put_field(line: &mut String, name: &str, value: Value<'_>) {
    // Writing to a string does not fail.
    let _written = match value {
        Value::Null => write!(line, " {name}=null"),
        Value::Bool(flag) => write!(line, " {name}={flag}"),
        Value::Int(int) => write!(line, " {name}={int}"),
        Value::Float(float) => write!(line, " {name}=float({float:?})"),
        Value::Number(literal) => write!(line, " {name}=number({literal})"),
        Value::Str(text) => write!(line, " {name}={text:?}"),
        Value::Bytes(bytes) => write!(line, " {name}=b\"{}\"", bytes.escape_ascii()),
        Value::Json(json) => write!(line, " {name}=json({json})"),
        Value::Time(ns) => write!(line, " {name}={}", time(ns)),
        Value::Duration(ns) => write!(line, " {name}={ns}ns"),
        Value::Cost(nano) => write!(line, " {name}={nano}nUSD"),
        Value::Level(level) => write!(line, " {name}={level}"),
    };
}

/// The least size of a file that may hold frames.
const ACTIVE_SIZE_MIN: usize = 4096;
const _: () = assert!(ACTIVE_SIZE_MIN as u64 == header::SIZE);
