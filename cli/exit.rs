//! How the process ends: an exit code, and the message that says why.
//!
//! 0 done, 1 the answer is no, 2 bad call or query, 3 I/O or damage while answering. A reader that went
//! away (a broken pipe) is 0: it has what it wanted.

use std::io;
use std::process::ExitCode;

use logq_engine::ErrorKind;

/// The exit codes that scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    /// The question was understood and the answer is no: damage found, lines refused under `--strict`.
    No = 1,
    /// The call or the query is wrong: the next run needs another text.
    Bad = 2,
    /// The machine or the data failed: the answer is not there, or not whole.
    Broken = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not be carried out.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Lower case, without a full stop; several lines when a query has several problems.
    pub(crate) message: String,
    /// The next step, where there is one.
    pub(crate) help: Option<String>,
}

/// What commands return: the exit code of a command that did its work, or why it could not.
pub(crate) type Outcome<T = Exit> = Result<T, Failure>;

impl Failure {
    /// The call is wrong.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self { exit: Exit::Bad, message: message.into(), help: None }
    }

    /// The machine or the data failed.
    pub(crate) fn broken(message: impl Into<String>) -> Self {
        Self { exit: Exit::Broken, message: message.into(), help: None }
    }

    /// Says the next step.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Nobody reads our output any more.
    fn unread() -> Self {
        Self { exit: Exit::Done, message: String::new(), help: None }
    }
}

impl From<io::Error> for Failure {
    /// For errors of writing the output; errors of files name the file and are made where it is known.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::unread(),
            _ => Self::broken(format!("cannot write the output: {error}")),
        }
    }
}

impl Failure {
    fn of_store(error: &logq_engine::Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::Invalid | ErrorKind::NotFound => Exit::Bad,
            _ => Exit::Broken,
        };
        let help = match error.kind() {
            ErrorKind::NotFound => Some(
                "make one with `logq import FILE` or `logq append message=hello`, or name another with --store DIR",
            ),
            ErrorKind::Full => {
                Some("make room on the disk, then run the command again: nothing was written twice")
            }
            ErrorKind::Version => {
                Some("read this store with the version of logq that made it, or a newer one")
            }
            ErrorKind::Corrupt => Some("`logq check` lists every damaged place"),
            ErrorKind::Locked => Some("wait for the other process to finish, then run the command again"),
            _ => None,
        };
        Self { exit, message: error.to_string(), help: help.map(Into::into) }
    }
}

impl From<logq_engine::Error> for Failure {
    fn from(error: logq_engine::Error) -> Self {
        Self::of_store(&error)
    }
}

impl From<logq_query::Error> for Failure {
    fn from(error: logq_query::Error) -> Self {
        match (error.kind(), error.store()) {
            (logq_query::ErrorKind::Query, _) => Self::bad(error.to_string()),
            (logq_query::ErrorKind::Limit, _) => {
                Self::broken(error.to_string()).help("ask for less: a shorter time, fewer keys, or a `limit`")
            }
            (_, Some(store)) => Self::of_store(store),
            (_, None) => Self::broken(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit, failure.message.as_str()), (Exit::Done, ""));
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit, Exit::Broken);
    }

    #[test]
    fn no_store_is_a_bad_call_and_says_the_way_out() {
        let failure = Failure::from(logq_engine::Error::new(ErrorKind::NotFound, "no store"));
        assert_eq!(failure.exit, Exit::Bad);
        assert!(failure.help.is_some_and(|help| help.contains("logq import")));
    }
}
