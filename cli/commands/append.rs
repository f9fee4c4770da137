//! `logq append`: one event from the shell, or JSONL from standard input as it comes.
//!
//! An event from the shell is read like a line of native JSONL, so that names, aliases, levels, times and
//! units mean the same in both. A refused line does not stop the others; the exit code tells of it.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use logq_engine::{Event, Options, RECORD_SIZE_MAX, RecordId, Store, Writer};
use logq_ingest::{EventParser, ImportOptions};
use serde_json::value::RawValue;

use crate::args::{Append, Durability};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui::{self, Ui};

/// Appends.
pub(crate) fn run(config: &Config, args: &Append) -> Outcome {
    let from_stdin = args.fields.as_slice() == ["-"];
    let options =
        ImportOptions { tz: config.typed_zone().map(Into::into), threads: 1, ..ImportOptions::default() };
    let line = if from_stdin { String::new() } else { json(&args.fields)? };
    // One event is on disk when its writer closes; only a stream needs the thread that syncs in between.
    let durability = match args.durability {
        Durability::Interval if from_stdin => logq_engine::Durability::Interval(Duration::from_secs(1)),
        Durability::Interval | Durability::Buffered => logq_engine::Durability::Buffered,
        Durability::Synced => logq_engine::Durability::Synced,
    };
    let store = Store::open(config.store()?, Options { durability, ..config.options()? })?;
    let parser = EventParser::new(&options, store.now()).map_err(crate::commands::import::failure)?;
    let sink = Sink { writer: store.writer()?, parser, event: Event::new(), args, waiting: Vec::new() };
    if !from_stdin {
        return sink.single(&line);
    }
    let _watch = super::budget::deliver_while(config, &store)?;
    sink.stream(config.ui, io::stdin().lock())
}

/// The fields as one line of JSON: numbers and truth values stay what they are, everything else is text.
fn json(fields: &[String]) -> Outcome<String> {
    let mut line = String::from("{");
    for field in fields {
        let Some((name, value)) = field.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::bad(format!("`{field}` is not of the form field=value"))
                .help("logq append level=info message='all systems go' attempt=3, or `logq append -` for JSONL on standard input"));
        };
        if 1 < line.len() {
            line.push(',');
        }
        line.push_str(&text(name));
        line.push(':');
        line.push_str(&if is_literal(value) { value.to_owned() } else { text(value) });
    }
    Ok(line + "}")
}

fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether JSON reads the text as a number or a truth value.
fn is_literal(value: &str) -> bool {
    matches!(value, "true" | "false")
        || value.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            && serde_json::from_str::<&RawValue>(value).is_ok_and(|read| read.get() == value)
}

/// Where events go, and the ids that wait for their acknowledgement.
struct Sink<'a> {
    writer: Writer,
    parser: EventParser,
    event: Event,
    args: &'a Append,
    waiting: Vec<RecordId>,
}

impl Sink<'_> {
    fn single(mut self, line: &str) -> Outcome {
        if let Err(malformed) = self.parser.parse(line.as_bytes(), &mut self.event) {
            return Err(Failure::bad(malformed.reason));
        }
        if self.event.time().is_none()
            && let Some(time) = self.event.get("_time").or(self.event.get("time"))
        {
            return Err(Failure::bad(format!("time is no time: `{}`", logq_engine::compare::to_text(time)))
                .help("a time is 2026-11-22T16:00:00Z, or a number of seconds, ms, us or ns since 1970; without one the event happens now"));
        }
        let id = self.writer.append(&self.event)?;
        self.waiting.push(id);
        self.acknowledge(&mut io::stdout())?;
        self.writer.close()?;
        Ok(Exit::Done)
    }

    /// Appends each line as soon as it is whole. Lines that arrive together share a sync and are
    /// acknowledged together.
    fn stream(mut self, ui: Ui, mut input: impl BufRead) -> Outcome {
        let mut lines = Lines::default();
        let mut refused = 0_u64;
        loop {
            let (more, taken) = match input.fill_buf() {
                Ok(bytes) => {
                    lines.take(bytes, |number, line| self.line(ui, number, line, &mut refused))?;
                    (!bytes.is_empty(), bytes.len())
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::broken(format!("cannot read standard input: {error}"))),
            };
            input.consume(taken);
            if !more {
                lines.end(|number, line| self.line(ui, number, line, &mut refused))?;
            }
            self.acknowledge(&mut io::stdout())?;
            if !more {
                break;
            }
        }
        self.writer.close()?;
        if refused != 0 {
            ui.note(&format!(
                "{refused} of {} refused; all others are appended",
                ui::count(lines.number, "line")
            ));
        }
        Ok(if refused == 0 { Exit::Done } else { Exit::No })
    }

    fn line(&mut self, ui: Ui, number: u64, line: Line<'_>, refused: &mut u64) -> Outcome<()> {
        let reason = match line {
            Line::TooLong => format!("longer than {}", ui::size(RECORD_SIZE_MAX as u64)),
            Line::Whole(line) if line.trim_ascii().is_empty() => return Ok(()),
            Line::Whole(line) => match self.parser.parse(line, &mut self.event) {
                Ok(_) => {
                    self.waiting.push(self.writer.append(&self.event)?);
                    return Ok(());
                }
                Err(malformed) if malformed.column == 0 => malformed.reason,
                Err(malformed) => format!("byte {}: {}", malformed.column, malformed.reason),
            },
        };
        ui.warn(&format!("standard input:{number}: {reason}"));
        *refused += 1;
        Ok(())
    }

    /// Prints the ids of what was appended, once the asked durability is reached.
    fn acknowledge(&mut self, out: &mut impl Write) -> Outcome<()> {
        if !self.args.ack {
            self.waiting.clear();
            return Ok(());
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        if self.args.durability == Durability::Interval {
            self.writer.flush()?;
        }
        let ids: String = self.waiting.drain(..).map(|id| format!("{id}\n")).collect();
        out.write_all(ids.as_bytes())?;
        out.flush()?;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'a> {
    Whole(&'a [u8]),
    /// It can never become a record; its bytes are not kept.
    TooLong,
}

/// Cuts a stream into lines.
#[derive(Debug, Default)]
struct Lines {
    /// The start of a line whose end has not come yet.
    started: Vec<u8>,
    too_long: bool,
    number: u64,
}

impl Lines {
    /// Gives every line that `bytes` ends, and keeps the rest.
    fn take(&mut self, bytes: &[u8], mut each: impl FnMut(u64, Line<'_>) -> Outcome<()>) -> Outcome<()> {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, after) = rest.split_at(at);
            rest = after.get(1..).unwrap_or_default();
            self.number += 1;
            if self.started.is_empty() && !self.too_long {
                each(self.number, Line::Whole(line))?;
            } else {
                self.keep(line);
                self.give(&mut each)?;
            }
        }
        self.keep(rest);
        Ok(())
    }

    /// Gives the last line, which has no line end.
    fn end(&mut self, mut each: impl FnMut(u64, Line<'_>) -> Outcome<()>) -> Outcome<()> {
        if self.started.is_empty() && !self.too_long {
            return Ok(());
        }
        self.number += 1;
        self.give(&mut each)
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.too_long |= RECORD_SIZE_MAX < self.started.len() + bytes.len();
        if self.too_long {
            self.started = Vec::new();
        } else {
            self.started.extend_from_slice(bytes);
        }
    }

    fn give(&mut self, each: &mut impl FnMut(u64, Line<'_>) -> Outcome<()>) -> Outcome<()> {
        let line = std::mem::take(&mut self.started);
        let too_long = std::mem::take(&mut self.too_long);
        each(self.number, if too_long { Line::TooLong } else { Line::Whole(&line) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbers_truth_or_text() {
        let fields = [
            "n=3",
            "x=-1.50",
            "ok=true",
            "id=007",
            "s=a b",
            "q=say \"hi\"",
            "e=",
            "eq=a=b",
            "nil=null",
            "d=1.5s",
        ];
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        assert_eq!(
            json(&fields).unwrap(),
            r#"{"n":3,"x":-1.50,"ok":true,"id":"007","s":"a b","q":"say \"hi\"","e":"","eq":"a=b","nil":"null","d":"1.5s"}"#
        );
        assert!(json(&["hello".into()]).is_err());
        assert!(json(&["=x".into()]).is_err());
    }

    #[test]
    fn lines_come_whole_however_the_bytes_arrive() {
        let text = b"one\n\ntwo\r\nlast";
        for cut in 0..text.len() {
            let (mut lines, mut got) = (Lines::default(), Vec::new());
            let mut each = |number, line: Line<'_>| {
                let Line::Whole(line) = line else { panic!("refused") };
                got.push((number, line.to_vec()));
                Ok(())
            };
            lines.take(&text[..cut], &mut each).unwrap();
            lines.take(&text[cut..], &mut each).unwrap();
            lines.end(&mut each).unwrap();
            let want = [(1, &b"one"[..]), (2, b""), (3, b"two\r"), (4, b"last")];
            assert!(got.iter().map(|(number, line)| (*number, line.as_slice())).eq(want), "cut at {cut}");
        }
    }

    #[test]
    fn a_line_that_can_be_no_record_is_refused_and_not_kept() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..70 {
            lines.take(&piece, |_, _| panic!("no line ended")).unwrap();
            assert!(lines.started.len() <= RECORD_SIZE_MAX);
        }
        let mut got = Vec::new();
        lines
            .take(b"\nshort\n", |number, line| {
                got.push((number, line == Line::TooLong));
                Ok(())
            })
            .unwrap();
        assert_eq!(got, [(1, true), (2, false)]);
    }
}
