//! `operations`, `models`, `sessions`, `sources`: one row for each, with counts, tokens, errors, and when it was first and
//! last seen.

use logq_engine::{Comparison, Level, Literal, Predicate, Test};

use super::{BASE, Noun, Shape, condition, count, measure};
use crate::functions::Function;
use crate::plan::{Measure, Nothing};

pub(super) const OPERATIONS: Noun = of("operation", &["operation"]);
pub(super) const MODELS: Noun = of("model", &["model"]);
pub(super) const SESSIONS: Noun = of("session", &["session"]);
pub(super) const SOURCES: Noun = of("source", &["source"]);

const fn of(key: &'static str, keys: &'static [&'static str]) -> Noun {
    Noun {
        shape: Shape::Groups,
        present: Some(key),
        measures,
        main: "count",
        totals: true,
        keys,
        keys_stay: true,
        ..BASE
    }
}

fn measures() -> Vec<Measure> {
    let error = Test::Compare(Comparison::Ge, Literal::Level(Level::Error));
    let errors = condition(Predicate::field("level", error), &["level"], "level >= error");
    vec![
        count("count"),
        measure(Function::Sum, "total_tokens", "total_tokens", Nothing::Missing),
        Measure { condition: Some(errors), ..count("errors") },
        measure(Function::Min, "time", "first", Nothing::Missing),
        measure(Function::Max, "time", "last", Nothing::Missing),
    ]
}
