//! `cost` and `usage`: money and tokens of every event that carries either.
//!
//! A reported 0 is 0. A call that has no price is counted as unpriced and adds nothing, so that a group of such calls has
//! no cost, which is not a cost of 0.

use logq_engine::budget::USAGE_FIELDS;
use logq_engine::{Predicate, Test};

use super::{BASE, Noun, Shape, calls, condition, measure};
use crate::functions::Function;
use crate::plan::{Condition, Measure, Nothing};

pub(super) const COST: Noun = Noun {
    shape: Shape::Groups,
    filter,
    measures: || with_money(&["total_tokens"]),
    main: "cost_usd",
    totals: true,
    ..BASE
};

pub(super) const USAGE: Noun = Noun {
    measures: || with_money(&["prompt_tokens", "response_tokens", "total_tokens"]),
    main: "total_tokens",
    limits: true,
    ..COST
};

fn filter() -> Option<Condition> {
    let any = USAGE_FIELDS.iter().map(|&field| Predicate::field(field, Test::Number)).collect();
    let label = "(prompt_tokens exists or response_tokens exists or total_tokens exists or cached_tokens exists \
                 or cache_write_tokens exists or reasoning_tokens exists or cost exists)";
    Some(condition(Predicate::Or(any), &USAGE_FIELDS, label))
}

fn with_money(sums: &[&str]) -> Vec<Measure> {
    let priced = Predicate::field("cost", Test::Number);
    let unpriced = condition(Predicate::Not(Box::new(priced)), &["cost"], "cost missing");
    let mut measures = vec![calls("calls")];
    measures.extend(sums.iter().map(|field| measure(Function::Sum, field, field, Nothing::Zero)));
    measures.push(measure(Function::Sum, "cost", "cost_usd", Nothing::ZeroOfNoRows));
    measures.push(Measure { condition: Some(unpriced), ..calls("unpriced_calls") });
    measures
}
