//! `tokens`: sums of token usage over every event that carries a token count.
//!
//! `total_tokens` is prompt and response together, or the event's own total where it has neither.

use logq_engine::{Predicate, Test};

use super::{BASE, Noun, Shape, condition, count, measure};
use crate::functions::Function;
use crate::plan::Nothing;

/// An event with a number in one of these carries a token count.
pub(super) const COUNTS: [&str; 6] = [
    "prompt_tokens",
    "response_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
];

/// The columns after the keys and `calls`.
const SUMS: [&str; 7] = [
    "prompt_tokens",
    "response_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "estimated_tokens",
];

pub(super) const NOUN: Noun = Noun {
    shape: Shape::Groups,
    filter: || {
        let any = COUNTS.iter().map(|&field| Predicate::field(field, Test::Number)).collect();
        let label = "(prompt_tokens exists or response_tokens exists or total_tokens exists or cached_tokens exists \
                     or cache_write_tokens exists or reasoning_tokens exists)";
        Some(condition(Predicate::Or(any), &COUNTS, label))
    },
    measures: || {
        let sum = |field: &&str| measure(Function::Sum, field, field, Nothing::Zero);
        std::iter::once(count("calls")).chain(SUMS.iter().map(sum)).collect()
    },
    main: "total_tokens",
    totals: true,
    ..BASE
};
