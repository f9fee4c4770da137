//! Loggers: what a program calls so that its events are in a store, each with the fields that the query language
//! knows.
//!
//! - [`SystemLogger`] for what a system does, [`AiLogger`] for calls of models with their tokens and cost, [`MemoryLogger`]
//!   for memory systems and caches.
//! - [`TracingLayer`] takes events and spans of the crate `tracing`; a span with fields `gen_ai.*` becomes a call of a model.
//!   [`LogBridge`] takes records of the crate `log`.
//! - [`ExecSink`] hands alerts of budgets to a program.
//!
//! Each is cheap to clone and may be used from any thread. What a call promises of durability is that of the writer it
//! was made with.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! use logq_engine::{Options, Store};
//! use logq_loggers::{AiLogger, AiOperation, SystemLogger};
//!
//! let store = Store::open(dir.path(), Options::default())?;
//! let system = SystemLogger::new(store.writer()?);
//! system.event("startup", "Autonomous system started", 8, &[("version", "2.0".into())])?;
//!
//! let ai = AiLogger::new(&store, store.writer()?);
//! ai.operation(&AiOperation {
//!     prompt: Some("Analyze the 3x3 grid pattern"),
//!     response: Some("Pattern follows Sudoku rules"),
//!     context_type: Some("grid_analysis"),
//!     ..AiOperation::new("puzzle_analysis", "llama3.2")
//! })?;
//! let answer = logq_query::run(&store, "tokens by model")?;
//! assert_eq!(answer.rows.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ai;
#[cfg(feature = "log")]
mod bridge;
mod exec;
#[cfg(feature = "tracing")]
mod layer;
mod memory;
mod system;

pub use ai::{AiLogger, AiOperation};
#[cfg(feature = "log")]
pub use bridge::LogBridge;
pub use exec::{ExecSink, ExecWatch};
#[cfg(feature = "tracing")]
pub use layer::TracingLayer;
pub use memory::{CacheStatistics, MemoryLogger, MemoryOperation};
pub use system::SystemLogger;

/// Targets whose records would come from appending records.
#[cfg(any(feature = "log", feature = "tracing"))]
const OWN: [&str; 2] = ["logq", "tantivy"];

/// Whether a target is of this library or of what it stands on.
#[cfg(any(feature = "log", feature = "tracing"))]
fn is_own(target: &str) -> bool {
    let of = |own: &&str| {
        target.strip_prefix(*own).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', ':']))
    };
    OWN.iter().any(of)
}
