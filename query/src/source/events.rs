//! `events`: the records themselves.

use super::{Noun, Shape, count};

pub(super) const NOUN: Noun = Noun {
    shape: Shape::List,
    filter: || None,
    measures: || vec![count("count")],
    main: "count",
    totals: false,
};
