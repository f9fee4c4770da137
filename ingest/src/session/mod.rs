//! Session files of coding agents: which rows are calls of a model, and which of them say what another row said before.
//!
//! Both formats that are known repeat themselves. Claude Code writes one row for each block of an answer, every row with the
//! usage of the whole, and copies rows when a session is resumed. Codex writes sums that go on, and begins the file of a
//! fork with the history of its parent under new times. So a row is read twice: every row becomes an event, and the usage
//! of a call counts once, under the identity of the call (`event_id`). Rows of one import are read in order, one after the
//! other; what earlier imports counted is read from the store.
//!
//! Invariants: the sum of the events of one `event_id` is the usage of the one copy that counts. What a row said stays in
//! the event under the row's own names. Only what was appended is booked.
//!
//! The shapes and rules are those that ccusage (MIT) and its users found out; docs/TOKENS.md tells them.

mod amounts;
mod claude;
mod codex;
mod ledger;
mod seed;

use logq_engine::{Event, Store, Value};

use crate::error::Result;
use crate::fields::Rules;
use crate::json::Scanner;
use crate::options::ImportOptions;

use ledger::Ledger;
pub(crate) use ledger::Note;

/// A longer text is no id: what is remembered of a call is bounded.
const ID_SIZE_MAX: usize = 256;

/// Whose session files they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ClaudeCode,
    Codex,
}

impl Kind {
    /// The `source` of events, and the first word of `event_id`.
    const fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude_code",
            Self::Codex => "codex",
        }
    }

    /// The `operation` of a call.
    const fn operation(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude_code.turn",
            Self::Codex => "codex.turn",
        }
    }

    /// Where the values of the usual fields stand in a row.
    const fn map(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::ClaudeCode => &claude::MAP,
            Self::Codex => &codex::MAP,
        }
    }

    /// Words of which each line that tells of usage holds one.
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::ClaudeCode => &["usage"],
            Self::Codex => &["session_meta", "turn_context", "usage", "thread.started"],
        }
    }
}

/// Whose row a line is, by the names in it and whatever `--map` says.
pub(crate) fn recognise_line(line: &[u8]) -> Option<Kind> {
    let rules = Rules::new(&ImportOptions::default(), None, 0, 0).ok()?;
    let mut row = Event::new();
    Scanner::default().parse(&rules, line, &mut row).ok()?;
    // What an export made of such a row was counted when it was imported: it is taken back as it is.
    if ["session", "event_id", "source"].iter().any(|name| row.get(name).is_some()) {
        return None;
    }
    if claude::recognise(&row) {
        return Some(Kind::ClaudeCode);
    }
    codex::recognise(&row).then_some(Kind::Codex)
}

/// Whose row the start of a long line is.
pub(crate) fn recognise_start(line: &[u8]) -> Option<Kind> {
    let holds = |word: &str| memchr::memmem::find(line, word.as_bytes()).is_some();
    if let Some(kind) = recognise_line(line) {
        return Some(kind);
    }
    if holds("\"sessionId\":\"") && holds("\"parentUuid\":") {
        return Some(Kind::ClaudeCode);
    }
    let codex = holds("\"type\":\"session_meta\"") && holds("\"payload\":{");
    codex.then_some(Kind::Codex)
}

/// The options for files of this kind: those of the caller, then where the usual fields stand.
pub(crate) fn options(kind: Kind, given: &ImportOptions) -> ImportOptions {
    let mut options = given.clone();
    options.map.extend(kind.map().iter().map(|&(path, field)| (path.to_owned(), field.to_owned())));
    options.source.get_or_insert_with(|| kind.as_str().to_owned());
    options
}

/// What the sessions of one import have said so far.
#[derive(Debug)]
pub(crate) struct Sessions {
    kind: Kind,
    ledger: Ledger,
    /// What the file that is read says beyond single rows.
    codex: codex::File,
    project: Option<String>,
    stem: String,
    /// Rows as they stand, whatever `--map` makes of them.
    rules: Rules,
    scanner: Scanner,
    row: Event,
}

impl Sessions {
    /// What a store says of calls that were counted before; nothing where there is no store.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn new(store: Option<&Store>) -> Result<Self> {
        Ok(Self {
            kind: Kind::ClaudeCode,
            ledger: store.map_or_else(|| Ok(Ledger::default()), seed::read)?,
            codex: codex::File::default(),
            project: None,
            stem: String::new(),
            rules: Rules::new(&ImportOptions::default(), None, 0, 0)?,
            scanner: Scanner::default(),
            row: Event::new(),
        })
    }

    /// Begins a file: `path` as it was given, `name` its base name.
    pub(crate) fn begin(&mut self, kind: Kind, path: Option<&std::path::Path>, name: &str) {
        self.kind = kind;
        self.codex = codex::File::default();
        self.project = path.and_then(claude::project);
        self.stem = name.strip_suffix(".jsonl").unwrap_or(name).to_owned();
    }

    /// Whether rows build on rows before them, beyond what the store says of those.
    pub(crate) fn looks_back(&self) -> bool {
        self.kind == Kind::Codex
    }

    /// Begins the file anew: its rows are shown from the first on.
    pub(crate) fn rewind(&mut self) {
        self.codex = codex::File::default();
    }

    /// Reads a row that was imported before, for what it says of the rows behind it.
    pub(crate) fn pass(&mut self, line: &[u8]) {
        if self.kind == Kind::Codex {
            self.row.clear();
            if self.scanner.parse(&self.rules, line, &mut self.row).is_ok() {
                let _ = self.codex.step(self.row.time(), Some(&self.row));
            }
        }
    }

    /// Fills in what a row says of a call. What counts now is booked by [`Sessions::book`], once the event is packed.
    pub(crate) fn fill(&mut self, line: &[u8], event: &mut Event) -> Note {
        let tells =
            self.kind.words().iter().any(|word| memchr::memmem::find(line, word.as_bytes()).is_some());
        self.row.clear();
        // The line was read once; what failed then never gets here.
        let tells = tells && self.scanner.parse(&self.rules, line, &mut self.row).is_ok();
        let row = tells.then_some(&self.row);
        match self.kind {
            Kind::ClaudeCode => self.fill_claude(event),
            Kind::Codex => {
                let turn = self.codex.step(event.time(), row);
                self.codex.describe(event);
                turn.map_or(Note::Nothing, |turn| self.ledger.fill_codex(&turn, event))
            }
        }
    }

    fn fill_claude(&mut self, event: &mut Event) -> Note {
        if let Some(project) = &self.project {
            put(event, "project", Value::Str(project));
        }
        let Some(call) = claude::read(&self.row) else { return Note::Nothing };
        put(event, "session", Value::Str(&self.stem));
        call.describe(event);
        self.ledger.fill_claude(&call, event)
    }

    /// Books what [`Sessions::fill`] counted.
    pub(crate) fn book(&mut self, note: Note) {
        self.ledger.book(note);
    }
}

/// Sets a field that nobody has set.
fn put(event: &mut Event, name: &str, value: Value<'_>) {
    if event.get(name).is_none() {
        event.set(name, value);
    }
}

/// The text of a field, where it may be an id.
fn id<'r>(row: &'r Event, name: &str) -> Option<&'r str> {
    text(row, name).filter(|text| !text.is_empty() && text.len() <= ID_SIZE_MAX)
}

fn text<'r>(row: &'r Event, name: &str) -> Option<&'r str> {
    match row.get(name) {
        Some(Value::Str(text)) => Some(text),
        _ => None,
    }
}

/// Any name that begins so.
fn has(row: &Event, prefix: &str) -> bool {
    row.fields().any(|(name, _)| name.starts_with(prefix))
}
