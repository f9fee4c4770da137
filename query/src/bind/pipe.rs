//! Pipes: the steps after a `|`, over records or over the rows of a group.

use super::{Binder, Schema};
use crate::ast::{Fill, Name, Pipe, Place, Top};
use crate::calendar::Bucket;
use crate::diagnostic::Diagnostic;
use crate::functions::Function;
use crate::plan::{Direction, Filling, GAP, Measure, Nothing, Stage};

impl Binder {
    pub(super) fn pipe(&mut self, pipe: &Pipe) {
        match pipe {
            Pipe::Where(expr, _) => {
                let conditions = self.conditions(expr);
                self.stages.push(Stage::Filter(conditions));
            }
            Pipe::Stats(stats) => {
                let per = stats.per.as_ref().and_then(|dur| {
                    let bucket = Bucket::new(dur);
                    self.note(bucket)
                });
                if let Some(dur) = stats.per.as_ref().filter(|_| !self.has_time()) {
                    let problem =
                        Diagnostic::error("Q0103", dur.place.0, "these rows have no column `time` for `per`");
                    self.problems.push(problem.help("put `per` where the records are grouped first"));
                }
                let measures = self.measures(&stats.measures);
                let keys: Vec<&Name> = stats.keys.iter().collect();
                self.group(&keys, per, measures);
            }
            Pipe::Top(top) => self.top(top),
            Pipe::Sort(keys, _) => self.sort(keys),
            Pipe::Limit(count, _) => self.limit(*count),
            Pipe::Keep(names, _) => {
                let columns = self.columns(names);
                self.schema.open = false;
                self.schema.columns.clone_from(&columns);
                self.stages.push(Stage::Keep(columns));
            }
            Pipe::Drop(names, _) => {
                let columns = self.columns(names);
                self.schema.columns.retain(|have| !columns.contains(have));
                self.stages.push(Stage::Drop(columns));
            }
            Pipe::Rename(pairs, place) => self.rename(pairs, *place),
            Pipe::Dedup(names, _) => {
                let columns = self.columns(names);
                self.stages.push(Stage::Dedup(columns));
            }
            Pipe::Set(name, arith, _) => {
                let value = self.arith(arith);
                if let Some(value) = self.note(value) {
                    let column = name.text.clone();
                    if !self.schema.columns.contains(&column) {
                        self.schema.columns.push(column.clone());
                    }
                    self.stages.push(Stage::Set(column, value));
                }
            }
            Pipe::Gap(place) => self.gap(*place),
            Pipe::Parse(how, from, place) => self.parse(how, from.as_ref(), pipe.to_string(), *place),
            Pipe::Unroll(name, _) => {
                let column = self.column(name);
                self.stages.push(Stage::Unroll(column));
            }
            Pipe::Sample(ratio, _) => {
                // A hash is below this bound with the probability that is asked for.
                let bound = ratio.parse::<f64>().unwrap_or(1.0) * 18_446_744_073_709_551_616.0;
                let bound = format!("{bound:.0}").parse().unwrap_or(u64::MAX);
                self.stages.push(Stage::Sample(ratio.clone(), bound));
            }
            Pipe::Fill(fill, place) => self.fill(*fill, *place),
        }
    }

    fn has_time(&self) -> bool {
        self.schema.records && self.schema.open || self.schema.columns.iter().any(|name| name == "time")
    }

    /// `| top n by key`: ranks by a measure, else groups by the key.
    fn top(&mut self, top: &Top) {
        let measure = |schema: &Schema, name: &Name| {
            !schema.records && schema.columns.contains(&name.text) && !schema.keys.contains(&name.text)
        };
        match &top.key {
            Some(key) if measure(&self.schema, key) => {
                let direction = if top.bottom { Direction::Ascending } else { Direction::Descending };
                let keys = self.with_keys(vec![(key.text.clone(), direction)]);
                self.order_by(keys);
                self.cut(top.count, false);
            }
            Some(key) => {
                if let Some(measures) = self.again(key) {
                    self.group(&[key], None, measures);
                    self.rank(&Top { key: None, ..top.clone() });
                }
            }
            None if self.schema.measures.is_empty() => {
                let problem = Diagnostic::error("Q0206", top.place.0, "this does not say what to rank");
                self.problems.push(problem.help("`top 5 by operation` counts and ranks"));
            }
            None => self.rank(top),
        }
    }

    /// The main measure, computed once more over groups of rows.
    fn again(&mut self, key: &Name) -> Option<Vec<Measure>> {
        if self.schema.records {
            return Some((self.noun.measures)());
        }
        let main = self.main_measure()?;
        let function =
            self.schema.measures.iter().find(|(name, _)| *name == main).map(|(_, function)| *function)?;
        let function = match function {
            Function::Count | Function::Calls | Function::Sum => Function::Sum,
            Function::Min | Function::Max => function,
            _ => {
                let message = format!("`{main}` cannot be added up over the groups of `{}`", key.text);
                let help = "rank by a measure, or group the records themselves by it";
                self.problems.push(Diagnostic::error("Q0206", key.place.0, message).help(help));
                return None;
            }
        };
        let argument = Some(crate::plan::Arith::Field(main.clone()));
        Some(vec![Measure {
            function,
            argument,
            condition: None,
            name: main,
            nothing: Nothing::Zero,
            place: key.place.0,
        }])
    }

    fn rename(&mut self, pairs: &[(Name, Name)], place: Place) {
        let mut renamed = Vec::new();
        for (from, to) in pairs {
            let from = self.column(from);
            let to = to.text.clone();
            if self.schema.columns.contains(&to) && from != to {
                let problem =
                    Diagnostic::error("Q0106", place.0, format!("two columns would be called `{to}`"));
                self.problems.push(problem.help("drop or rename the other one first"));
            }
            for have in self.schema.columns.iter_mut().chain(&mut self.schema.keys) {
                if *have == from {
                    have.clone_from(&to);
                }
            }
            for (have, _) in &mut self.schema.measures {
                if *have == from {
                    have.clone_from(&to);
                }
            }
            if !self.schema.columns.contains(&to) {
                self.schema.columns.push(to.clone());
            }
            renamed.push((from, to));
        }
        self.stages.push(Stage::Rename(renamed));
    }

    /// `| fill 0`
    fn fill(&mut self, fill: Fill, place: Place) {
        let time = self.schema.columns.iter().any(|name| name == "time");
        let Some(per) = self.schema.per.filter(|_| time) else {
            let problem = Diagnostic::error("Q0206", place.0, "`fill` needs time buckets");
            self.problems.push(problem.help("group by time first: `events per 1h | fill 0`"));
            return;
        };
        let have = |name: &String| self.schema.columns.contains(name);
        let zero = |function: &Function| {
            matches!(
                function,
                Function::Count | Function::Calls | Function::Sum | Function::Share | Function::Rate
            )
        };
        let measures = self.schema.measures.iter();
        let zeros = measures.filter(|(_, function)| zero(function)).map(|(name, _)| name.clone()).collect();
        let keys = self.schema.keys.iter().filter(|key| *key != "time" && have(key)).cloned().collect();
        self.stages.push(Stage::Fill(Filling { fill, per, range: self.range, keys, zeros }));
        let order = self.usual_order();
        self.order_by(order);
    }

    /// `| gap`
    pub(super) fn gap(&mut self, place: Place) {
        if !self.has_time() {
            let problem = Diagnostic::error("Q0103", place.0, "these rows have no column `time` for `gap`");
            self.problems.push(problem.help("put `gap` before the times are dropped"));
        }
        if !self.schema.columns.iter().any(|name| name == GAP) {
            self.schema.columns.push(GAP.to_owned());
        }
        self.stages.push(Stage::Gap);
    }
}
