//! Foreign log formats to events: JSONL, CSV, plain lines and the session files of coding agents, from files, gzip and streams.
//!
//! An import is exactly once. Each frame that it appends carries the range of the source that it came
//! from, so that the progress is where the data is: an import that was killed goes on where its data
//! ends, and a second import of the same file adds nothing. Memory stays bounded whatever the size of the
//! source: one thread reads and splits, several parse, one appends in the order of the source.
//!
//! ```
//! use logq_engine::{Options, Store};
//! use logq_ingest::{ImportOptions, Input, import};
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("calls.jsonl");
//! std::fs::write(&path, "{\"model\":\"llama3.2\",\"prompt_tokens\":7}\n")?;
//! let store = Store::open(dir.path().join("store"), Options::default())?;
//! let inputs = vec![Input::path(&path)];
//! let report = import(&store, &store.writer()?, inputs, &ImportOptions::default(), &mut ())?;
//! assert_eq!(report.rows(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base64;
mod cache;
mod csv;
mod detect;
mod error;
mod fields;
mod fuzz;
mod identity;
mod import;
mod json;
mod options;
mod parse;
mod plain;
mod rejects;
mod report;
mod scan;
mod session;
mod source;
mod split;
mod stamp;
mod time;

pub use crate::base64::{decode as base64_decode, encode as base64_encode};
pub use crate::cache::{Imported, list};
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::fuzz::fuzz_line;
pub use crate::import::{dry_run, import};
pub use crate::json::EventParser;
pub use crate::options::{Format, ImportOptions};
pub use crate::report::{BadLine, FileReport, Progress, Report, Status};
pub use crate::scan::Malformed;
pub use crate::source::Input;
pub use crate::time::TimeUnit;
