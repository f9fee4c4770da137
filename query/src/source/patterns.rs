//! `patterns` and `errors`: what programs say, many messages of one form as one row.
//!
//! What an event says is its message, or its error where it has no message. The template of that is the column [`PATTERN`]
//! of every record, which these nouns show as [`SHOWN`].

use logq_engine::{Comparison, Level, Literal, Predicate, Test};

use super::{BASE, Noun, Shape, condition, count, measure};
use crate::functions::Function;
use crate::plan::{Measure, Nothing};

/// What an event says.
pub(crate) const TEXT: &str = "_text";
/// The fields that it is taken from, the first one that has a text.
pub(crate) const TEXTS: [&str; 2] = ["message", "error"];
/// The template of what an event says.
pub(crate) const PATTERN: &str = "_pattern";
/// What the nouns call it.
pub(crate) const SHOWN: &str = "pattern";

pub(super) const PATTERNS: Noun = Noun {
    shape: Shape::Groups,
    filter: || {
        let any = TEXTS.map(|field| Predicate::field(field, Test::Exists)).to_vec();
        Some(condition(Predicate::Or(any), &TEXTS, "(message exists or error exists)"))
    },
    measures: || {
        let share = Measure { function: Function::Share, ..count("share") };
        let levels = measure(Function::UniqueValues, "level", "levels", Nothing::Missing);
        [vec![count("count"), share, levels], seen()].concat()
    },
    keys: &[PATTERN],
    keys_stay: true,
    ..BASE
};

pub(super) const ERRORS: Noun = Noun {
    filter: || {
        let test = Test::Compare(Comparison::Ge, Literal::Level(Level::Error));
        Some(condition(Predicate::field("level", test), &["level"], "level >= error"))
    },
    measures: || [vec![count("count")], seen()].concat(),
    keys_stay: false,
    ..PATTERNS
};

/// When a pattern was first and last seen, and its newest text.
fn seen() -> Vec<Measure> {
    vec![
        measure(Function::Min, "time", "first", Nothing::Missing),
        measure(Function::Max, "time", "last", Nothing::Missing),
        measure(Function::Last, TEXT, "sample", Nothing::Missing),
    ]
}
