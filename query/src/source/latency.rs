//! `latency`: how long operations take, of every event that says so.

use super::{BASE, Noun, Shape, count, measure};
use crate::functions::{Function, PERCENT};
use crate::plan::Nothing;

pub(super) const NOUN: Noun = Noun {
    shape: Shape::Groups,
    present: Some("latency"),
    measures: || {
        let of = |function, name| measure(function, "latency", name, Nothing::Missing);
        vec![
            of(Function::Quantile(50 * PERCENT), "p50"),
            of(Function::Quantile(95 * PERCENT), "p95"),
            of(Function::Quantile(99 * PERCENT), "p99"),
            of(Function::Max, "max"),
            count("count"),
        ]
    },
    main: "count",
    ..BASE
};
