//! One entry for fuzzing: any bytes through every parser.

use std::sync::{Mutex, PoisonError};

use logq_engine::{Event, Packer};

use crate::csv::{Header, Rows};
use crate::detect;
use crate::fields::Rules;
use crate::json::Scanner;
use crate::options::ImportOptions;
use crate::parse::{Parser, Reading};
use crate::session::{Kind, Sessions};
use crate::split::{Boundary, Point, Splitter};
use crate::time::TimeUnit;

/// Reads `bytes` as a line and as a source of every format, and packs what comes out. It must neither
/// panic nor lose a byte on the way into chunks.
///
/// # Panics
/// Where this crate breaks a promise of its own: that is what a fuzzer looks for.
pub fn fuzz_line(bytes: &[u8]) {
    let options = ImportOptions {
        map: vec![("a".into(), "model".into()), ("a.b".into(), "time".into())],
        set: vec![("set".into(), "1.50".into())],
        time_unit: bytes.len().is_multiple_of(3).then_some(TimeUnit::Milliseconds),
        ..ImportOptions::default()
    };
    let Ok(rules) = Rules::new(&options, Some("fuzz"), 1, 1_700_000_000_000_000_000) else { return };
    let (mut scanner, mut event, mut packer) = (Scanner::default(), Event::new(), Packer::new());
    if scanner.parse(&rules, bytes, &mut event).is_ok() {
        let _ = packer.push(&event, 0);
    }
    let _ = detect::refuse(bytes, "fuzz");
    let _ = detect::format(bytes, true, "fuzz", &rules);
    let Ok(sessions) = Sessions::new(None).map(Mutex::new) else { return };
    let lines = |reading| (reading, Boundary::Lines, 0);
    let mut readings = vec![
        lines(Reading::Jsonl),
        lines(Reading::Plain),
        lines(Reading::Session(Kind::ClaudeCode)),
        lines(Reading::Session(Kind::Codex)),
    ];
    if let Some(header) = Header::read(bytes, true, &rules) {
        let rows = Boundary::Rows(Box::new(Rows::new(header.delimiter)));
        let size = header.size;
        readings.push((Reading::Csv(header), rows, size));
    }
    for (reading, boundary, skip) in readings {
        let rest = bytes.get(skip..).unwrap_or_default();
        if let Reading::Session(kind) = reading {
            let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.begin(kind, None, "fuzz");
            sessions.pass(bytes);
        }
        let mut parser = Parser::new(&rules, &reading, Some(&sessions), true);
        let mut splitter = Splitter::new(rest, Point::start(), None, boundary, 64);
        let mut end = 0;
        while let Ok(Some(chunk)) = splitter.next() {
            assert_eq!(chunk.start, end, "BUG: chunks must tile the source");
            end = chunk.end;
            let parsed = parser.parse(&chunk);
            assert!(parsed.frames.iter().all(|frame| frame.end <= end), "BUG: a frame ends inside its chunk");
        }
        assert_eq!(end, rest.len() as u64, "BUG: chunks must tile the source");
    }
}
