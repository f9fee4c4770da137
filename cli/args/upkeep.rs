//! What the verbs of upkeep take: the state of a store, its rounds of maintenance, and its copies.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// How many of the newest events are shown
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(..=1000))]
    pub(crate) recent: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Maintain {
    /// Say what would be done and why, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Read and write no more than so many bytes a second, such as 8MiB
    #[arg(long, value_name = "SIZE")]
    pub(crate) bytes_per_second: Option<String>,
    /// Work for no more than this share of the time, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) cpu_share: Option<u8>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Also decode every record of sealed segments, and ask the index for its words
    #[arg(long)]
    pub(crate) deep: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Repair {
    /// Do it; without it nothing is changed
    #[arg(long)]
    pub(crate) apply: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// Conditions and a time, as in a query: user=alice last 7d
    #[arg(value_name = "EXPR", required = true)]
    pub(crate) expression: Vec<String>,
    /// Remove them; without it nothing is changed
    #[arg(long)]
    pub(crate) apply: bool,
    /// Also delete files in quarantine/ and imports/ that hold a word of EXPR
    #[arg(long, requires = "apply")]
    pub(crate) set_aside: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The folder of the backups; what an earlier one has is not copied again
    #[arg(value_name = "DEST")]
    pub(crate) dest: PathBuf,
    /// Keep only the newest N backups
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) keep: Option<usize>,
    /// List the backups in DEST
    #[arg(long, conflicts_with_all = ["keep", "verify"])]
    pub(crate) list: bool,
    /// Read every copy in DEST again and compare it with what was copied
    #[arg(long, conflicts_with = "keep")]
    pub(crate) verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The folder of the backups
    #[arg(value_name = "SRC")]
    pub(crate) source: PathBuf,
    /// The folder of the store to make
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// The newest backup that was taken at this time or before
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// Replace what lies in DIR; it is kept beside it
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Dump {
    /// The file: a manifest, an active file, a segment, a lock
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Also the records
    #[arg(long)]
    pub(crate) records: bool,
}
