//! `context` and `memory`: what context optimisation saved, and how a memory system did.

use logq_engine::{Comparison, Literal, Predicate, Test};

use super::{BASE, Noun, Shape, condition, count, measure};
use crate::functions::{Function, PERCENT};
use crate::plan::{Arith, Condition, Nothing, Operation};

pub(super) const CONTEXT: Noun = Noun {
    shape: Shape::Groups,
    filter: || Some(of_kind("context", "kind = \"context\"")),
    measures: || {
        vec![
            count("count"),
            measure(Function::Sum, "original_size", "original", Nothing::Missing),
            measure(Function::Sum, "optimized_size", "optimized", Nothing::Missing),
        ]
    },
    derived: || {
        vec![
            ("saved", chain("original", Operation::Subtract, field("optimized"))),
            ("ratio", chain("optimized", Operation::Divide, field("original"))),
        ]
    },
    main: "count",
    keys: &["method", "context_type"],
    ..BASE
};

pub(super) const MEMORY: Noun = Noun {
    shape: Shape::Groups,
    filter: || Some(of_kind("memory", "kind = \"memory\"")),
    measures: || {
        vec![
            count("count"),
            measure(Function::Sum, "hits", "hits", Nothing::Missing),
            measure(Function::Sum, "misses", "misses", Nothing::Missing),
            measure(Function::Sum, "size", "size", Nothing::Missing),
            measure(Function::Quantile(50 * PERCENT), "latency", "latency", Nothing::Missing),
        ]
    },
    derived: || {
        let lookups = chain("hits", Operation::Add, field("misses"));
        vec![("hit_rate", chain("hits", Operation::Divide, lookups))]
    },
    main: "count",
    keys: &["operation"],
    ..BASE
};

fn of_kind(kind: &str, label: &'static str) -> Condition {
    let test = Test::Compare(Comparison::Eq, Literal::Text(kind.to_owned()));
    condition(Predicate::field("kind", test), &["kind"], label)
}

fn field(name: &str) -> Arith {
    Arith::Field(name.to_owned())
}

fn chain(first: &str, operation: Operation, second: Arith) -> Arith {
    Arith::Chain(Box::new(field(first)), vec![(operation, second)])
}
