//! The one error type of this crate: what stopped a query from being answered.

use std::fmt;

use crate::diagnostic::{self, Diagnostic};

/// What a caller can do about an error.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is no query that can be answered: see [`Error::diagnostics`].
    Query,
    /// The answer needs more memory than a query may take.
    Limit,
    /// The store could not be read.
    Store,
}

/// Why there is no answer.
pub struct Error(Box<Inner>);

enum Inner {
    Query { text: String, diagnostics: Vec<Diagnostic> },
    Limit(String),
    Store(logq_engine::Error),
}

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn query(text: &str, diagnostics: Vec<Diagnostic>) -> Self {
        Self(Box::new(Inner::Query { text: text.to_owned(), diagnostics }))
    }

    pub(crate) fn limit(what: impl Into<String>) -> Self {
        Self(Box::new(Inner::Limit(what.into())))
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match *self.0 {
            Inner::Query { .. } => ErrorKind::Query,
            Inner::Limit(_) => ErrorKind::Limit,
            Inner::Store(_) => ErrorKind::Store,
        }
    }

    /// The problems of the query's text, in the order of their places; warnings are among them.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match &*self.0 {
            Inner::Query { diagnostics, .. } => diagnostics,
            _ => &[],
        }
    }

    /// The engine's error, where that is what stopped the query.
    pub fn store(&self) -> Option<&logq_engine::Error> {
        match &*self.0 {
            Inner::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl From<logq_engine::Error> for Error {
    fn from(error: logq_engine::Error) -> Self {
        Self(Box::new(Inner::Store(error)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Inner::Query { text, diagnostics } => f.write_str(&diagnostic::render(diagnostics, text)),
            Inner::Limit(what) => f.write_str(what),
            Inner::Store(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.0 {
            Inner::Store(error) => Some(error),
            _ => None,
        }
    }
}
