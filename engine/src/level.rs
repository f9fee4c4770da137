//! Log levels: six ranks, and the many spellings that the world has for them.

use std::fmt;

/// A level, compared by rank. The numbers are stored on disk and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Finest detail.
    Trace = 1,
    /// For developers.
    Debug = 2,
    /// Normal operation (also `notice`).
    Info = 3,
    /// Something looks wrong.
    Warn = 4,
    /// An operation failed.
    Error = 5,
    /// The system cannot go on (also `critical`, `alert`, `emergency`).
    Fatal = 6,
}

impl Level {
    /// All levels by rank, lowest first.
    pub const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// The canonical spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// The level stored as `rank`.
    pub const fn from_rank(rank: u8) -> Option<Self> {
        Some(match rank {
            1 => Self::Trace,
            2 => Self::Debug,
            3 => Self::Info,
            4 => Self::Warn,
            5 => Self::Error,
            6 => Self::Fatal,
            _ => return None,
        })
    }

    /// The level that `text` names in any case: the canonical words, syslog, Python, Java and common
    /// abbreviations. Unknown text is `None` and has no rank.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if 13 < text.len() {
            return None;
        }
        Some(match text.to_ascii_lowercase().as_str() {
            "trace" | "trc" | "verbose" | "finest" | "finer" | "all" | "silly" => Self::Trace,
            "debug" | "dbg" | "fine" | "config" | "debugging" => Self::Debug,
            "info" | "inf" | "information" | "informational" | "notice" | "note" | "log" | "success" => {
                Self::Info
            }
            "warn" | "warning" | "wrn" => Self::Warn,
            "error" | "err" | "eror" | "severe" | "failure" => Self::Error,
            "fatal" | "ftl" | "critical" | "crit" | "alert" | "emerg" | "emergency" | "panic" => Self::Fatal,
            _ => return None,
        })
    }

    /// The level of a number: Python's and Bunyan's 10, 20, 30, 40, 50, 60; else OpenTelemetry's 1 to 24.
    /// Where the two overlap (10 and 20) the tens win: they are the commoner spelling.
    pub const fn from_number(number: i64) -> Option<Self> {
        Some(match number {
            10 => Self::Debug,
            20 => Self::Info,
            30 => Self::Warn,
            40 => Self::Error,
            50 | 60 => Self::Fatal,
            1..=4 => Self::Trace,
            5..=8 => Self::Debug,
            9..=12 => Self::Info,
            13..=16 => Self::Warn,
            17..=20 => Self::Error,
            21..=24 => Self::Fatal,
            _ => return None,
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_reads_back() {
        for level in Level::ALL {
            assert_eq!(Level::from_rank(level as u8), Some(level));
            assert_eq!(Level::parse(level.as_str()), Some(level));
        }
        assert_eq!(Level::from_rank(0), None);
    }

    #[test]
    fn the_worlds_spellings_have_ranks() {
        for (text, want) in [
            ("WARNING", Some(Level::Warn)),
            ("err", Some(Level::Error)),
            ("Critical", Some(Level::Fatal)),
            ("SEVERE", Some(Level::Error)),
            ("notice", Some(Level::Info)),
            ("combo", None),
            ("", None),
        ] {
            assert_eq!(Level::parse(text), want, "{text}");
        }
        assert_eq!(Level::from_number(30), Some(Level::Warn));
        assert_eq!(Level::from_number(17), Some(Level::Error));
        assert_eq!(Level::from_number(0), None);
    }
}
