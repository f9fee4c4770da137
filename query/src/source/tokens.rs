//! `tokens`: sums of token usage over every event that carries a token count.
//!
//! `total_tokens` is prompt and response together, or the event's own total where it has neither.

use logq_engine::budget::TOKEN_FIELDS;
use logq_engine::{Predicate, Test};

use super::{BASE, Noun, Shape, calls, condition, measure};
use crate::functions::Function;
use crate::plan::Nothing;

pub(super) const NOUN: Noun = Noun {
    shape: Shape::Groups,
    filter: || {
        let any = TOKEN_FIELDS.iter().map(|&field| Predicate::field(field, Test::Number)).collect();
        let label = "(prompt_tokens exists or response_tokens exists or total_tokens exists or cached_tokens exists \
                     or cache_write_tokens exists or reasoning_tokens exists)";
        Some(condition(Predicate::Or(any), &TOKEN_FIELDS, label))
    },
    measures: || {
        let sum = |field: &&str| measure(Function::Sum, field, field, Nothing::Zero);
        let sums = TOKEN_FIELDS.iter().chain(&["estimated_tokens"]).map(sum);
        std::iter::once(calls("calls")).chain(sums).collect()
    },
    main: "total_tokens",
    totals: true,
    ..BASE
};
