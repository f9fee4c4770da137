//! What budgets know of one value of a field: records that name it, and definitions that ask for it.

use super::definition::Budget;
use super::op::Group;
use super::{desk, record, state};
use crate::core::Core;
use crate::error::Result;
use crate::text;

/// The field of the records of budgets that says what they are; no other record has it.
pub(crate) const KIND: &str = record::KIND;
/// The field that says whom they are about.
pub(crate) const DATA: &str = record::DATA;

/// Some values of one field.
pub(crate) struct About<'v> {
    field: &'v str,
    values: Vec<&'v str>,
    budgets: Vec<Budget>,
}

impl<'v> About<'v> {
    /// # Errors
    /// As the definitions of budgets.
    pub(crate) fn new(core: &Core, field: &'v str, values: Vec<&'v str>) -> Result<Self> {
        Ok(Self { field, values, budgets: desk::read_rules(core)?.budgets })
    }

    /// Whether a record of the budgets with this [`DATA`] is about one of the values: it holds, or alerts to, what they used.
    pub(crate) fn is_in(&self, data: &str) -> bool {
        record::lines(data).any(|line| match line.as_slice() {
            [kind, field, value] if kind == "field" => {
                field == self.field && self.values.contains(&value.as_str())
            }
            [kind, .., budget, group] if kind == "add" || kind == "at" => match record::parse_group(group) {
                Some(Group::Named(name)) => {
                    let one = |value: &&str| state::cut(value) == &*name;
                    self.groups(budget) && self.values.iter().any(one)
                }
                _ => false,
            },
            _ => false,
        })
    }

    /// Whether a budget counts each value of the field by itself. One that is not defined any more may have.
    fn groups(&self, budget: &str) -> bool {
        let defined = self.budgets.iter().find(|defined| defined.name == budget);
        defined.is_none_or(|defined| defined.by.as_deref() == Some(self.field))
    }

    /// The budgets that are only for one of the values, or named after one: their names.
    pub(crate) fn definitions(&self) -> Vec<String> {
        let names = |budget: &&Budget| {
            let one = |(field, value): &(String, String)| {
                field == self.field && self.values.contains(&value.as_str())
            };
            let is_value = |word: &str| self.values.iter().any(|value| word == value.to_lowercase());
            budget.selector.iter().any(one) || text::tokens(&budget.name.to_lowercase()).any(is_value)
        };
        self.budgets.iter().filter(names).map(|budget| budget.name.clone()).collect()
    }
}
