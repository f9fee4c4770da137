//! What `logq export` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// What to write; several words are joined by spaces. Without a query every event
    #[arg(value_name = "QUERY", allow_negative_numbers = true)]
    pub(crate) words: Vec<String>,
    /// The file, or with --partition the folder; `-`, or nothing, is standard output
    #[arg(long, value_name = "PATH")]
    pub(crate) to: Option<PathBuf>,
    /// What the files hold: jsonl, csv or parquet; without it the ending of the file's name says
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<ExportFormat>,
    /// Compress the lines; a name that ends with .gz does it too
    #[arg(long)]
    pub(crate) gzip: bool,
    /// A folder for each day (date=2026-11-22/) or hour of the events' time, in UTC or the zone of --tz
    #[arg(long, value_name = "BY", default_value = "none")]
    pub(crate) partition: Partition,
    /// A folder for this machine in each day: date=2026-11-22/node=NAME/
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Replace the file, or the dated folders that this export has; others stay
    #[arg(long)]
    pub(crate) replace: bool,
    /// Also what the store says of events (`_id`, `_import`, ...), and names as queries know them
    #[arg(long)]
    pub(crate) internal: bool,
}

/// What the files of an export hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    Jsonl,
    Csv,
    Parquet,
}

/// How the rows of an export are parted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Partition {
    None,
    Day,
    Hour,
}
