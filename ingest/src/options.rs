//! What a caller says about an import, as typed; every part is checked before the first byte is read.

use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::time::{Clock, Given, TimeUnit};

/// How the bytes of a source are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// By content: objects a line are JSONL, or sessions by the names in them; a header line with cells is CSV, everything else is plain.
    #[default]
    Auto,
    /// One JSON object a line.
    Jsonl,
    /// Cells under the names of a header line, parted by `,`, `;` or tab.
    Csv,
    /// One event a line; time and level are found in it where they are recognised.
    Plain,
    /// The sessions of Claude Code: JSONL in which the usage of a call counts once.
    ClaudeCode,
    /// The sessions of Codex CLI: JSONL in which the usage of a turn counts once.
    Codex,
}

impl Format {
    /// The word for it on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Plain => "plain",
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "auto" => Self::Auto,
            "jsonl" | "ndjson" | "json" => Self::Jsonl,
            "csv" | "tsv" => Self::Csv,
            "plain" => Self::Plain,
            "claude-code" => Self::ClaudeCode,
            "codex" => Self::Codex,
            _ => {
                let what = format!("unknown import format `{text}`");
                let help = "formats are auto, jsonl, csv, plain, claude-code and codex";
                return Err(Error::new(ErrorKind::Invalid, what).with_help(help));
            }
        })
    }
}

/// How to import. `ImportOptions::default()` suits most sources.
///
/// ```
/// use logq_ingest::{ImportOptions, TimeUnit};
/// let options = ImportOptions {
///     map: vec![("properties.main_model".into(), "model".into())],
///     time_unit: Some(TimeUnit::Milliseconds),
///     ..ImportOptions::default()
/// };
/// options.validate().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// How the bytes are read. Default: by content.
    pub format: Format,
    /// The value at a dotted path moves to a field. Of several paths with one field the first that is
    /// present wins; a field of that name in the source is replaced and counted as a duplicate.
    pub map: Vec<(String, String)>,
    /// Fields that every event gets, whatever the source says: a number where the text is one, else text.
    pub set: Vec<(String, String)>,
    /// The kind of events that have none.
    pub kind: Option<String>,
    /// The source of events that have none. Default: the base name of the file, without `.gz`.
    pub source: Option<String>,
    /// The zone of times that name none: an IANA name or an offset. Default: UTC.
    pub tz: Option<String>,
    /// The unit of times given as numbers. Default: by their size, or seconds with `time_zero`.
    pub time_unit: Option<TimeUnit>,
    /// What times given as numbers count from. Default: 1970.
    pub time_zero: Option<String>,
    /// Import anew what was imported before.
    pub again: bool,
    /// Threads that parse. Default: one for each core.
    pub threads: usize,
    /// Bytes that one parse step takes, 1 to 16 MiB. Default: 1 MiB. Never changes what is imported.
    pub chunk_size: usize,
}

/// Bytes of a chunk: large enough that handing it over costs nothing, small enough to keep cores busy.
const CHUNK_SIZE: usize = 1 << 20;
const CHUNK_SIZE_MAX: usize = 16 << 20;
const THREADS_MAX: usize = 256;

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            format: Format::Auto,
            map: Vec::new(),
            set: Vec::new(),
            kind: None,
            source: None,
            tz: None,
            time_unit: None,
            time_zero: None,
            again: false,
            threads: std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX),
            chunk_size: CHUNK_SIZE,
        }
    }
}

impl ImportOptions {
    /// Checks every option.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] names the option and what it may be.
    pub fn validate(&self) -> Result<()> {
        let invalid = |what: String| Err(Error::new(ErrorKind::Invalid, what));
        if self.threads == 0 || THREADS_MAX < self.threads {
            return invalid(format!("threads is {}, and may be 1 to {THREADS_MAX}", self.threads));
        }
        if self.chunk_size == 0 || CHUNK_SIZE_MAX < self.chunk_size {
            return invalid(format!("chunk_size is {}, and may be 1 to {CHUNK_SIZE_MAX}", self.chunk_size));
        }
        for (path, field) in &self.map {
            if path.is_empty() || field.is_empty() {
                return invalid(format!("--map {path}={field}: both sides need a name"));
            }
        }
        for (field, value) in &self.set {
            if field.is_empty() {
                return invalid(format!("--set {field}={value}: the field needs a name"));
            }
        }
        Clock::new(&self.times(), 0)?;
        Ok(())
    }

    /// What the options say about times.
    pub(crate) fn times(&self) -> Given<'_> {
        Given { tz: self.tz.as_deref(), unit: self.time_unit, zero: self.time_zero.as_deref() }
    }
}
