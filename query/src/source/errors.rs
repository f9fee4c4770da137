//! `errors`: records of level error and above, as a list.

use logq_engine::{Comparison, Level, Literal, Predicate, Test};

use super::{BASE, Noun, condition};

pub(super) const NOUN: Noun = Noun {
    filter: || {
        let test = Test::Compare(Comparison::Ge, Literal::Level(Level::Error));
        Some(condition(Predicate::field("level", test), &["level"], "level >= error"))
    },
    ..BASE
};
