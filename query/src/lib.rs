//! The query language of logq: text to plan to answer.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! use logq_engine::{Event, Options, Store};
//! let store = Store::open(dir.path(), Options::default())?;
//! let log = store.writer()?;
//! log.append(&Event::ai("puzzle_analysis").model("llama3.2").tokens(150, 250))?;
//! let answer = logq_query::run(&store, "tokens where model=llama3.2 last 24h")?;
//! assert_eq!(answer.rows[0].cells[3], logq_query::Datum::Int(400));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
pub mod ast;
mod bind;
mod calendar;
mod complete;
mod datum;
mod diagnostic;
mod error;
mod exec;
mod functions;
mod fuzz;
pub mod json;
mod lex;
mod optimize;
mod parse;
mod plan;
mod query;
mod source;
mod stream;
mod tail;
mod token;
mod units;

pub use answer::{Answer, Column, Row, Stats, Warning};
pub use bind::{GROUPED_MAX, LISTED_MAX};
pub use calendar::zone;
pub use complete::{COMPLETIONS_MAX, complete, complete_words};
pub use datum::{Datum, Type};
pub use diagnostic::{Diagnostic, Severity, render};
pub use error::{Error, ErrorKind, Result};
pub use exec::MEMORY_MAX;
pub use fuzz::fuzz_text;
pub use lex::{DEPTH_MAX, TEXT_SIZE_MAX, TOKENS_MAX, lex};
pub use optimize::Rule;
pub use query::{Query, RowShape, Selection, Session, run};
pub use tail::Tail;
pub use token::{Kind, Op, Span, Token};
