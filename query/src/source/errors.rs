//! `errors`: records of level error and above, as a list.

use logq_engine::{Comparison, Level, Literal, Predicate, Test};

use super::{Noun, Shape, condition, count};

pub(super) const NOUN: Noun = Noun {
    shape: Shape::List,
    filter: || {
        let test = Test::Compare(Comparison::Ge, Literal::Level(Level::Error));
        Some(condition(Predicate::field("level", test), &["level"], "level >= error"))
    },
    measures: || vec![count("count")],
    main: "count",
    totals: false,
};
