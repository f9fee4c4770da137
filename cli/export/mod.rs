//! What a query gives, as files: rows to bytes in three formats, and files that appear whole or not at all.
//!
//! `columns` says which columns there are and of what type, `lines` writes JSONL and CSV, `parquet` writes Parquet,
//! `out` compresses and counts bytes, `place` makes files final, `sheets` deals rows to files.

pub(crate) mod columns;
mod lines;
mod out;
mod parquet;
pub(crate) mod place;
pub(crate) mod sheets;

use logq_query::{Answer, Row};

use self::columns::Columns;
use self::lines::Lines;
use self::out::Out;
use self::parquet::Groups;
use crate::exit::{Failure, Outcome};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Jsonl,
    Csv,
    Parquet,
}

impl Format {
    /// The word for it, and the ending of its files.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// How rows are written, whatever the file.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) format: Format,
    pub(crate) gzip: bool,
    /// Whether the fields that the store made are written, under the names that queries know.
    pub(crate) internal: bool,
    pub(crate) columns: Columns,
}

/// A file that is being written.
enum Sheet {
    Lines(Box<Lines>, Out),
    Groups(Box<Groups>),
}

impl Sheet {
    fn new(way: &Way, out: Out) -> Outcome<Self> {
        Ok(match way.format {
            Format::Parquet => Self::Groups(Box::new(Groups::new(way, out)?)),
            Format::Jsonl | Format::Csv => {
                let mut out = out;
                let mut lines = Lines::new(way);
                out.put(lines.head())?;
                Self::Lines(Box::new(lines), out)
            }
        })
    }

    fn write(&mut self, answer: &Answer, row: &Row) -> Outcome<()> {
        match self {
            Self::Lines(lines, out) => out.put(lines.row(answer, row)),
            Self::Groups(groups) => groups.row(answer, row),
        }
    }

    /// Writes what is held back; the file's bytes, all of them on their way to the disk.
    fn finish(self) -> Outcome<u64> {
        match self {
            Self::Lines(_, out) => out.finish(),
            Self::Groups(groups) => groups.finish(),
        }
    }
}

/// The name under which a field of an event is written; `None` where it is not. Names that begin with `_` are the store's
/// own; a user's key of such a name is stored under one more `_`, and gets its own name back.
pub(crate) fn shown(name: &str, internal: bool) -> Option<&str> {
    match name.strip_prefix('_') {
        _ if internal => Some(name),
        None => Some(name),
        Some(rest) => rest.starts_with('_').then_some(rest),
    }
}

/// Why bytes could not be written, with the way out where there is one.
fn unwritten(what: &str, error: &std::io::Error) -> Failure {
    let failure = Failure::broken(format!("cannot write {what}: {error}"));
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => failure
            .help("make room on the disk, or name another with --to; what was written so far is removed"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_name_comes_back_and_a_name_of_the_store_does_not() {
        for (stored, name) in
            [("model", Some("model")), ("_id", None), ("__id", Some("_id")), ("___", Some("__")), ("_", None)]
        {
            assert_eq!(shown(stored, false), name, "{stored}");
            assert_eq!(shown(stored, true), Some(stored), "{stored}");
        }
    }
}
