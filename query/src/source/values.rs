//! `values F`: the values of a field, how often each comes, and its share of the events that have one.

use super::{BASE, Noun, Shape, Takes, count};
use crate::functions::Function;
use crate::plan::Measure;

pub(super) const NOUN: Noun = Noun {
    shape: Shape::Groups,
    takes: Some(Takes::Field),
    measures: || vec![count("count"), Measure { function: Function::Share, ..count("share") }],
    main: "count",
    ..BASE
};
