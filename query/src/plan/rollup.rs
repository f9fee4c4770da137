//! Rollups: whether what a plan computes was counted when segments were built.
//!
//! It was where every key, every field that a condition looks at and every measure is one that rollups have. A measure of a
//! rollup is a sum: of a condition on it only whether there is a value can be told.

use logq_engine::{Predicate, ROLLUP_KEYS, ROLLUP_MEASURES, Test};

use super::{Arith, Condition, Group, Measure, Plan, Stage};
use crate::functions::Function;

/// What a group of a plan asks of rollups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Fields whose values matter.
    pub keys: Vec<String>,
    /// Fields whose presence or sum matters.
    pub measures: Vec<String>,
}

/// The fields of the computed total of tokens.
pub(crate) const TOTAL: [&str; 3] = ["prompt_tokens", "response_tokens", "total_tokens"];

impl Asked {
    /// What the first group of a plan asks; none where it asks for more than rollups have, or has none.
    pub(crate) fn of(plan: &Plan) -> Option<Self> {
        let leading = plan.stages.iter().take_while(|stage| matches!(stage, Stage::Filter(_))).count();
        let (filters, rest) = plan.stages.split_at(leading);
        let Some(Stage::Group(group)) = rest.first() else { return None };
        let mut asked = Self::default();
        for condition in &plan.filter {
            asked.condition(condition, false)?;
        }
        for stage in filters {
            let Stage::Filter(conditions) = stage else { continue };
            for condition in conditions {
                asked.condition(condition, plan.totals)?;
            }
        }
        asked.group(group, plan.totals)?;
        Some(asked)
    }

    fn group(&mut self, group: &Group, totals: bool) -> Option<()> {
        group.keys.iter().try_for_each(|key| self.key(key))?;
        group.measures.iter().try_for_each(|measure| self.measure(measure, totals))
    }

    fn measure(&mut self, measure: &Measure, totals: bool) -> Option<()> {
        if let Some(condition) = &measure.condition {
            self.condition(condition, totals)?;
        }
        match (measure.function, &measure.argument) {
            (Function::Count | Function::Share | Function::Rate, None) => Some(()),
            (Function::Calls, None) => self.key("calls"),
            (
                Function::Count | Function::Sum | Function::Avg | Function::Share | Function::Rate,
                Some(Arith::Field(name)),
            ) if self.sum(name, totals).is_some() => Some(()),
            // How often a value is there does not matter to these.
            (
                Function::Count
                | Function::Min
                | Function::Max
                | Function::Any
                | Function::Distinct
                | Function::ApproxDistinct
                | Function::UniqueValues,
                Some(Arith::Field(name)),
            ) => self.key(name),
            _ => None,
        }
    }

    fn condition(&mut self, condition: &Condition, totals: bool) -> Option<()> {
        self.predicate(&condition.predicate, totals)
    }

    fn predicate(&mut self, predicate: &Predicate, totals: bool) -> Option<()> {
        match predicate {
            Predicate::All => Some(()),
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts.iter().try_for_each(|part| self.predicate(part, totals))
            }
            Predicate::Not(part) => self.predicate(part, totals),
            Predicate::Field { name, test: Test::Exists | Test::Missing | Test::Number }
                if self.sum(name, totals).is_some() =>
            {
                Some(())
            }
            Predicate::Field { name, .. } => self.key(name),
            Predicate::Any(_) => None,
        }
    }

    fn key(&mut self, name: &str) -> Option<()> {
        add(&mut self.keys, &ROLLUP_KEYS, name)
    }

    fn sum(&mut self, name: &str, totals: bool) -> Option<()> {
        if totals && name == "total_tokens" {
            return TOTAL.iter().try_for_each(|part| add(&mut self.measures, &ROLLUP_MEASURES, part));
        }
        add(&mut self.measures, &ROLLUP_MEASURES, name)
    }
}

fn add(names: &mut Vec<String>, known: &[&str], name: &str) -> Option<()> {
    if !known.contains(&name) {
        return None;
    }
    if !names.iter().any(|have| have == name) {
        names.push(name.to_owned());
    }
    Some(())
}
