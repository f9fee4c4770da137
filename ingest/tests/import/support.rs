//! A store in a temporary folder, and what is in it as text.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use logq_engine::{Event, Options, Scan, Store, Value};
use logq_ingest::{ImportOptions, Input, Progress, Report, import};
use tempfile::TempDir;

pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store"), Options::default()).unwrap();
        Self { dir, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn grow(&self, name: &str, content: &str) {
        let mut file = std::fs::OpenOptions::new().append(true).open(self.path(name)).unwrap();
        file.write_all(content.as_bytes()).unwrap();
    }

    pub(crate) fn import(&self, name: &str) -> Report {
        self.import_with(name, &ImportOptions::default())
    }

    pub(crate) fn import_with(&self, name: &str, options: &ImportOptions) -> Report {
        self.import_watched(name, options, &mut ())
    }

    pub(crate) fn import_watched(
        &self,
        name: &str,
        options: &ImportOptions,
        progress: &mut dyn Progress,
    ) -> Report {
        let writer = self.store.writer().unwrap();
        let inputs = vec![Input::path(self.path(name))];
        let report = import(&self.store, &writer, inputs, options, progress).unwrap();
        writer.close().unwrap();
        report
    }

    /// Every record in the order of its id: its time, then its fields in their order.
    pub(crate) fn records(&self) -> Vec<String> {
        let snapshot = self.store.snapshot().unwrap();
        let scan = Scan { fields: true, ..Scan::default() };
        let mut records = Vec::new();
        for part in snapshot.parts(&scan).unwrap() {
            part.scan(&mut |batch| {
                for row in 0..batch.len() {
                    let (time, arrived) = (batch.time(row), batch.arrived(row));
                    let mut text = show_time(time, arrived);
                    for (name, value) in batch.fields(row) {
                        write!(text, " {name}={}", show(value)).unwrap();
                    }
                    records.push((batch.id(row), text));
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        }
        records.sort();
        records.into_iter().map(|(_, text)| text).collect()
    }

    /// The sum of a field over all records, and how many have it.
    pub(crate) fn sum(&self, field: &str) -> (i64, u64) {
        let snapshot = self.store.snapshot().unwrap();
        let scan = Scan { columns: vec![field.into()], ..Scan::default() };
        let (mut sum, mut count) = (0, 0);
        for part in snapshot.parts(&scan).unwrap() {
            part.scan(&mut |batch| {
                for value in batch.column(0).iter().flatten() {
                    if let Value::Int(int) | Value::Cost(int) = value {
                        sum += int;
                        count += 1;
                    }
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        }
        (sum, count)
    }
}

/// The arrival is what the clock said; every other time is far from it.
fn show_time(time: i64, arrived: i64) -> String {
    if arrived.abs_diff(time) < 3_600_000_000_000 {
        return "arrival".into();
    }
    jiff::Timestamp::from_nanosecond(time.into()).unwrap().to_string()
}

pub(crate) fn show(value: Value<'_>) -> String {
    match value {
        Value::Str(text) if text.len() <= 40 => format!("{text:?}"),
        Value::Str(text) => format!("{:?}..{}", &text[..text.floor_char_boundary(12)], text.len()),
        Value::Bytes(bytes) => format!("bytes:{}", bytes.escape_ascii()),
        Value::Number(literal) => format!("#{literal}"),
        Value::Int(int) => format!("{int}"),
        Value::Json(text) => format!("json:{text}"),
        Value::Duration(ns) => format!("{ns}ns"),
        Value::Cost(nano) => format!("{nano}n$"),
        Value::Level(level) => format!("{level}"),
        Value::Bool(value) => format!("{value}"),
        Value::Null => "null".into(),
        other => format!("{other:?}"),
    }
}

/// An event's time and fields as text.
pub(crate) fn show_event(event: &Event) -> String {
    let mut text = match event.time() {
        Some(ns) => jiff::Timestamp::from_nanosecond(ns.into()).unwrap().to_string(),
        None => "arrival".into(),
    };
    for (name, value) in event.fields() {
        write!(text, " {name}={}", show(value)).unwrap();
    }
    text
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Stops after so many frames.
pub(crate) fn stop_after(mut frames: usize) -> impl Progress {
    move |_: &logq_ingest::Status<'_>| {
        if frames == 0 {
            return ControlFlow::Break(());
        }
        frames -= 1;
        ControlFlow::Continue(())
    }
}

/// Lines of JSON with a time, a number and text: `from..until`.
pub(crate) fn lines(from: usize, until: usize) -> String {
    (from..until)
        .map(|at| {
            let second = at % 60;
            let minute = at / 60 % 60;
            format!(
                "{{\"ts\":\"2024-05-01T10:{minute:02}:{second:02}Z\",\"n\":{at},\"message\":\"line {at} {}\"}}\n",
                "x".repeat(at % 97)
            )
        })
        .collect()
}
