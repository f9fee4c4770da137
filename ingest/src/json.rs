//! JSON objects to events: a scanner over the bytes of one line.
//!
//! What comes back is what went in, so nothing passes through a number type or a tree: literals of numbers
//! and the text of arrays are kept as they stand; nested objects become dotted paths; a string that is
//! not UTF-8, also by a lone surrogate, becomes bytes. Two things that JSON forbids and logs contain are
//! taken: control characters inside strings, and `NaN` and `Infinity` (as text).
//!
//! Total: any bytes give an event or the place where they stop being an object.

use logq_engine::{Event, Value};

use crate::error::Result;
use crate::fields::{Class, Fields, Rules, Winners};
use crate::options::ImportOptions;
use crate::scan::{Entry, Malformed, Scan, Scanned, Scanning, Text, slice};

/// Reads native JSONL, one line at a time: for a program that gets its lines from somewhere else.
///
/// ```
/// use logq_engine::{Event, Value};
/// use logq_ingest::{EventParser, ImportOptions};
/// let mut parser = EventParser::new(&ImportOptions::default(), 0)?;
/// let mut event = Event::new();
/// parser.parse(br#"{"model_name": "phi-4", "usage": {"cached_tokens": 7}}"#, &mut event).unwrap();
/// assert_eq!(event.get("model"), Some(Value::Str("phi-4")));
/// assert_eq!(event.get("usage.cached_tokens"), Some(Value::Int(7)));
/// # Ok::<(), logq_ingest::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventParser {
    rules: Rules,
    scanner: Scanner,
}

impl EventParser {
    /// `now` (nanoseconds since 1970) says which year a time without one is in.
    ///
    /// # Errors
    /// An option that has no meaning.
    pub fn new(options: &ImportOptions, now: i64) -> Result<Self> {
        Ok(Self { rules: Rules::new(options, None, now, now)?, scanner: Scanner::default() })
    }

    /// Reads one object into `event`, which is emptied before. The answer is how many of its values were
    /// replaced by a later one of the same name.
    ///
    /// # Errors
    /// The place and the reason when the line is no object.
    pub fn parse(&mut self, line: &[u8], event: &mut Event) -> std::result::Result<u64, Malformed> {
        event.clear();
        self.scanner.parse(&self.rules, line, event)
    }
}

/// The memory of the scanner, kept between lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scanner {
    entries: Vec<Entry>,
    /// Dotted paths and unescaped text.
    arena: Vec<u8>,
    /// The path of the object that is being read.
    path: Vec<u8>,
    /// What the name at each place stood for in an earlier line. Lines of one source mostly have the same
    /// names in the same places, so that the look-up is mostly one comparison.
    known: Vec<(Vec<u8>, Class)>,
    /// Classes of the names past [`KNOWN_MAX`].
    rare: Vec<Class>,
    winners: Winners,
}

/// Past this many places names are classified anew each time: remembering them would cost more than it saves.
const KNOWN_MAX: usize = 256;

impl Scanner {
    /// Reads one object into an empty event. The answer is how many values were replaced.
    pub(crate) fn parse(&mut self, rules: &Rules, line: &[u8], event: &mut Event) -> Scanning<u64> {
        if logq_engine::RECORD_SIZE_MAX < line.len() {
            return Err(Malformed { column: 0, reason: too_long(line.len()) });
        }
        self.entries.clear();
        self.arena.clear();
        self.path.clear();
        let utf8 = std::str::from_utf8(line).ok();
        let Self { entries, arena, path, .. } = self;
        Scan { line, at: 0, utf8: utf8.is_some(), odd: false, entries, arena, path }.top()?;
        self.classify(rules, line);
        let mut winners = std::mem::take(&mut self.winners);
        let replaced = rules.fill(&Object { line, utf8, scanner: self }, &mut winners, event);
        self.winners = winners;
        Ok(replaced)
    }

    fn classify(&mut self, rules: &Rules, line: &[u8]) {
        self.rare.clear();
        for (at, entry) in self.entries.iter().enumerate() {
            let name = slice(line, &self.arena, entry.name);
            let class = || rules.classify(std::str::from_utf8(name).unwrap_or_default());
            match self.known.get_mut(at) {
                Some((known, _)) if known.as_slice() == name => {}
                Some((known, known_class)) => {
                    known.clear();
                    known.extend_from_slice(name);
                    *known_class = class();
                }
                None if at < KNOWN_MAX => self.known.push((name.into(), class())),
                None => self.rare.push(class()),
            }
        }
    }
}

/// The reason for a line or row over the limit.
pub(crate) fn too_long(len: usize) -> String {
    format!("the line has {len} bytes, and a record may have {}", logq_engine::RECORD_SIZE_MAX)
}

/// A scanned line.
struct Object<'a> {
    line: &'a [u8],
    /// The line as text, when all of it is.
    utf8: Option<&'a str>,
    scanner: &'a Scanner,
}

impl<'a> Object<'a> {
    fn text(&self, text: Text) -> std::result::Result<&'a str, &'a [u8]> {
        if let (Text::Line(start, end), Some(line)) = (text, self.utf8)
            && let Some(text) = line.get(start as usize..end as usize)
        {
            return Ok(text);
        }
        let bytes = slice(self.line, &self.scanner.arena, text);
        std::str::from_utf8(bytes).map_err(|_| bytes)
    }
}

impl Fields for Object<'_> {
    fn len(&self) -> usize {
        self.scanner.entries.len()
    }

    fn name(&self, at: usize) -> &str {
        self.scanner.entries.get(at).and_then(|entry| self.text(entry.name).ok()).unwrap_or_default()
    }

    fn class(&self, at: usize) -> &Class {
        static UNKNOWN: Class = Class::NONE;
        let known = self.scanner.known.get(at).map(|(_, class)| class);
        known.or_else(|| self.scanner.rare.get(at.checked_sub(KNOWN_MAX)?)).unwrap_or(&UNKNOWN)
    }

    fn value(&self, at: usize) -> Value<'_> {
        let Some(entry) = self.scanner.entries.get(at) else { return Value::Null };
        match entry.value {
            Scanned::Null => Value::Null,
            Scanned::Bool(value) => Value::Bool(value),
            Scanned::Number(text) => self.text(text).map_or_else(Value::Bytes, Value::Number),
            Scanned::String(text) => self.text(text).map_or_else(Value::Bytes, Value::Str),
            Scanned::Json(text) => self.text(text).map_or_else(Value::Bytes, Value::Json),
        }
    }
}
