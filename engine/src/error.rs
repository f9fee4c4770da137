//! The one error type of the engine: what went wrong, on which file, at which byte, and why.
//!
//! Callers branch on [`Error::kind`]; people read the text. Text is lower case and has no full stop.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What a caller can do about an error.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The operating system refused an operation.
    Io,
    /// The disk is full, or the store's own bound on unsealed bytes is met. Nothing was written; try again later.
    Full,
    /// Bytes on disk are not what was written.
    Corrupt,
    /// Another process holds what is needed.
    Locked,
    /// The store was made by a newer version of this library.
    Version,
    /// A size, count or depth is over its named limit.
    Limit,
    /// An earlier failure made this store read-only; reopen it.
    Poisoned,
    /// The writer or store was closed.
    Closed,
    /// There is no store at this path.
    NotFound,
    /// A query outlived the files it reads.
    Stale,
    /// An option or argument is out of its range.
    Invalid,
}

/// An error of the engine. Small: one pointer.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    what: String,
    path: Option<PathBuf>,
    offset: Option<u64>,
    source: Option<io::Error>,
}

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without a file: `what` is lower case, without a full stop.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, what: what.into(), path: None, offset: None, source: None }))
    }

    /// An operation on `path` that the operating system refused. A full disk becomes [`ErrorKind::Full`].
    pub fn io(what: &str, path: &Path, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
            _ => ErrorKind::Io,
        };
        Self(Box::new(Inner {
            kind,
            what: what.into(),
            path: Some(path.into()),
            offset: None,
            source: Some(source),
        }))
    }

    /// Names the file that the error is about.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        self.0.path = Some(path.into());
        self
    }

    /// Names the byte, counted from the start of the file.
    #[must_use]
    pub fn byte(mut self, offset: u64) -> Self {
        self.0.offset = Some(offset);
        self
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The file the error is about, where there is one.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        if let Some(path) = &self.0.path {
            write!(f, ": {}", path.display())?;
        }
        if let Some(offset) = self.0.offset {
            write!(f, ", byte {offset}")?;
        }
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}
