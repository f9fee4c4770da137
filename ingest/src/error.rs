//! The error type of imports: what is wrong with which source, and the way out.
//!
//! A bad line is no error: it is counted, reported and kept in a reject file, and the import goes on.

use std::fmt;
use std::path::{Path, PathBuf};

/// What a caller can do about an error.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// An option has no meaning.
    Invalid,
    /// There is no such file.
    NotFound,
    /// The source is something that cannot be imported as it is: a directory, UTF-16, an archive.
    Unsupported,
    /// The operating system refused to read or write, or the source is damaged.
    Io,
    /// The source is not what it was when a part of it was imported.
    Rewritten,
    /// Another process imports this source right now.
    Locked,
    /// The store refused; see the cause.
    Store,
}

/// An error of an import. Small: one pointer.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    what: String,
    path: Option<PathBuf>,
    help: Option<String>,
    io: Option<std::io::Error>,
    engine: Option<logq_engine::Error>,
}

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, what: what.into(), path: None, help: None, io: None, engine: None }))
    }

    pub(crate) fn io(what: &str, path: &Path, error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        let mut made = Self::new(kind, what).at(path);
        made.0.io = Some(error);
        made
    }

    pub(crate) fn at(mut self, path: &Path) -> Self {
        self.0.path = Some(path.into());
        self
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The source or file the error is about, where there is one.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The next step, in one sentence, where there is one.
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The error of the store, where that is the cause.
    pub fn engine(&self) -> Option<&logq_engine::Error> {
        self.0.engine.as_ref()
    }
}

impl From<logq_engine::Error> for Error {
    fn from(error: logq_engine::Error) -> Self {
        let mut made = Self::new(ErrorKind::Store, "the store refused");
        made.0.engine = Some(error);
        made
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(engine) = &self.0.engine {
            return engine.fmt(f);
        }
        f.write_str(&self.0.what)?;
        if let Some(path) = &self.0.path {
            write!(f, ": {}", path.display())?;
        }
        if let Some(io) = &self.0.io {
            write!(f, ": {io}")?;
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
        match (&self.0.engine, &self.0.io) {
            (Some(engine), _) => Some(engine),
            (None, Some(io)) => Some(io),
            (None, None) => None,
        }
    }
}
