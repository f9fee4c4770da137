//! `fields`: what can be asked of the events: names, types, how often, how many values, examples.

use super::{BASE, Noun, Shape};

/// The columns.
pub(crate) const COLUMNS: [&str; 6] = ["name", "type", "events", "share", "distinct", "examples"];

pub(super) const NOUN: Noun = Noun { shape: Shape::Fields, measures: Vec::new, main: "events", ..BASE };
