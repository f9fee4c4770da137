//! An embeddable, append-only store for the logs of AI systems.
//!
//! A store is one directory. Any number of processes append to it and any number read it at the same
//! time, without a server. What was acknowledged is not lost; damage is found and named, and costs only
//! what it touches.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! use logq_engine::{Event, Options, Store};
//! let store = Store::open(dir.path(), Options::default())?;
//! let log = store.writer()?;
//! log.append(&Event::system("startup", "Autonomous system started").importance(8).field("version", "2.0"))?;
//! log.append(&Event::ai("puzzle_analysis").model("llama3.2").tokens(150, 250).context_type("grid_analysis"))?;
//! log.close()?;
//! # Ok::<(), logq_engine::Error>(())
//! ```

mod backup;
pub mod budget;
mod check;
mod column;
pub mod compare;
mod core;
mod dump;
mod error;
mod event;
mod field;
mod forget;
mod format;
#[cfg(feature = "sim")]
pub mod fuzzing;
mod gap;
mod hash;
mod health;
mod index;
pub mod io;
mod level;
mod maintenance;
mod manifest;
mod options;
mod packer;
pub mod predicate;
mod quarantine;
mod record;
mod record_id;
mod repair;
mod scan;
mod segment;
mod slot;
mod snapshot;
mod storage;
mod store;
pub mod text;
pub mod value;
mod writer;

pub use backup::{
    BackedUp, BackupInfo, BackupProgress, Restored, Watch, backups, restore, restore_on, verify_backup,
    verify_backup_on,
};
pub use check::CheckReport;
pub use dump::dump;
pub use error::{Error, ErrorKind, Result};
pub use event::Event;
pub use forget::{Forget, Forgotten};
pub use format::frame::{ImportProgress, RECORD_SIZE_MAX, SourceId};
pub use gap::Gap;
pub use health::{Files, Health};
pub use io::Space;
pub use level::Level;
pub use maintenance::{Held, Round, Rule as RetentionRule, Upkeep, UpkeepKind, UpkeepProgress, UpkeepStep};
pub use options::{BATCH_SIZE_MAX, Durability, FILE_RECORDS_MAX, FILE_SIZE, Options};
pub use packer::{Packed, Packer};
pub use predicate::{Comparison, Literal, Predicate, Test};
pub use record_id::RecordId;
pub use repair::{Repair, RepairKind, RepairStep};
pub use scan::{
    BATCH_ROWS_MAX, Batch, Entries, Fields, IntUnit, Ints, Lane, NO_CODE, Part, ROLLUP_KEYS, ROLLUP_MEASURES,
    Rollup, RollupAsk, RollupCell, Scan, ScanStats, TimeRange,
};
pub use snapshot::{Position, Snapshot};
pub use storage::{FileState, FileStorage};
pub use store::{SourceLock, Store};
pub use text::TextTest;
pub use value::Value;
pub use writer::Writer;
