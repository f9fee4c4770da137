//! `storage` and `health`: the store about itself. No record is read.

use super::{BASE, Noun, Shape, measure};
use crate::functions::Function;
use crate::plan::{Arith, Measure, Nothing, Operation, Report};

/// The columns of `storage`: a row for each file.
pub(crate) const STORAGE: [&str; 8] =
    ["day", "segment", "state", "records", "raw", "stored", "ratio", "index"];
/// The columns of `storage fields`: a row for each field of each file.
pub(crate) const STORAGE_FIELDS: [&str; 6] = ["day", "segment", "state", "field", "stored", "share"];
/// The columns of `health`.
pub(crate) const HEALTH: [&str; 5] = ["item", "value", "unit", "status", "detail"];

/// The columns that are bytes.
const SIZES: [&str; 3] = ["raw", "stored", "index"];

pub(super) const STORAGE_NOUN: Noun = Noun {
    shape: Shape::Report(Report::Storage),
    measures: || ["records", "raw", "stored", "index"].map(sum).to_vec(),
    derived: || {
        let by = vec![(Operation::Divide, Arith::Field("stored".to_owned()))];
        vec![("ratio", Arith::Chain(Box::new(Arith::Field("raw".to_owned())), by))]
    },
    main: "stored",
    sizes: &SIZES,
    ..BASE
};

pub(super) const STORAGE_FIELDS_NOUN: Noun = Noun {
    shape: Shape::Report(Report::StorageFields),
    measures: || {
        let share = Measure { function: Function::Share, ..sum("stored") };
        vec![sum("stored"), Measure { name: "share".to_owned(), ..share }]
    },
    derived: Vec::new,
    ..STORAGE_NOUN
};

pub(super) const HEALTH_NOUN: Noun = Noun { shape: Shape::Report(Report::Health), main: "value", ..BASE };

fn sum(name: &str) -> Measure {
    measure(Function::Sum, name, name, Nothing::Missing)
}

impl Report {
    /// The columns of its rows.
    pub(crate) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Storage => &STORAGE,
            Self::StorageFields => &STORAGE_FIELDS,
            Self::Health => &HEALTH,
            Self::Budgets => &super::budget::COLUMNS,
        }
    }
}
