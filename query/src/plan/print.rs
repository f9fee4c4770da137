//! Plans as text: the query that a noun and its clauses stand for, which parses back, and the steps that `explain` shows.

use std::fmt::{self, Display, Formatter};

use jiff::tz::TimeZone;
use logq_engine::Predicate;

use super::{Arith, Around, Condition, Direction, Group, Measure, Operation, Plan, Report, Sort, Stage};
use crate::ast::{Name, Place, Value};
use crate::calendar;
use crate::functions::Function;
use crate::json;

impl Plan {
    /// The query that the noun and its clauses stand for, on one line: of a plan before the optimiser.
    pub(crate) fn expanded(&self) -> String {
        let special = self.stages.iter().find_map(|stage| match stage {
            Stage::Fields => Some("fields".to_owned()),
            Stage::Report(report) => Some(report.to_string()),
            Stage::Limits(_) => Some("usage".to_owned()),
            _ => None,
        });
        let limits = self.stages.iter().any(|stage| matches!(stage, Stage::Limits(_)));
        let mut text = special.unwrap_or_else(|| "events".to_owned());
        let (filter, stages) = match self.stages.split_first() {
            Some((Stage::Filter(first), rest)) => (first.as_slice(), rest),
            _ => (self.filter.as_slice(), self.stages.as_slice()),
        };
        // The noun brings its own.
        let filter: Vec<&Condition> = filter.iter().filter(|condition| !(limits && condition.own)).collect();
        if !filter.is_empty() {
            text.push_str(&format!(" where {}", conditions(filter)));
        }
        if let Some(from) = self.range.from {
            text.push_str(&format!(" since {}", json::time_text(from)));
        }
        if let Some(until) = self.range.until {
            text.push_str(&format!(" until {}", json::time_text(until)));
        }
        let buckets =
            self.stages.iter().any(|stage| matches!(stage, Stage::Group(Group { per: Some(_), .. })));
        if buckets && self.zone != TimeZone::UTC {
            text.push_str(&format!(" tz {}", calendar::zone_name(&self.zone)));
        }
        let mut closed = false;
        let compared = stages.iter().any(|stage| matches!(stage, Stage::Versus(_)));
        for stage in stages {
            match stage {
                // What reads again is a clause, and so are the groups that are compared.
                Stage::Around(around) => text.push_str(&format!(" {around}")),
                Stage::Group(group) if compared => {
                    let stats = group.to_string();
                    text.push_str(stats.strip_prefix("stats").unwrap_or(&stats));
                }
                Stage::Group(group) if limits && !closed => {
                    closed = true;
                    if !group.keys.is_empty() {
                        text.push_str(&format!(" by {}", all_named(&group.keys)));
                    }
                }
                Stage::Versus(versus) => {
                    let when = |word: &str, end: Option<i64>| {
                        end.map(|end| format!(" {word} {}", json::time_text(end))).unwrap_or_default()
                    };
                    let (from, until) = (versus.before.from, versus.before.until);
                    let all = if from.is_none() && until.is_none() { " all time" } else { "" };
                    text.push_str(&format!(" vs{}{}{all}", when("since", from), when("until", until)));
                }
                Stage::Sort(sort) => {
                    text.push_str(&format!(" | {}", Stage::Sort(Sort { first: None, ..sort.clone() })));
                }
                Stage::Fields | Stage::Report(_) | Stage::Limits(_) => {}
                other => text.push_str(&format!(" | {other}")),
            }
        }
        if self.own_listing
            && !self.stages.iter().any(|stage| stage.closes() || matches!(stage, Stage::Keep(_)))
        {
            text.push_str(&format!(" | {}", Stage::Keep(self.listing.clone())));
        }
        text
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.reads_budgets() {
            let lines: Vec<String> = self.stages.iter().map(ToString::to_string).collect();
            return f.write_str(&lines.join("\n"));
        }
        let end = |end: Option<i64>| end.map_or_else(|| "open".to_owned(), json::time_text);
        write!(f, "scan events from {} until {}", end(self.range.from), end(self.range.until))?;
        if !self.filter.is_empty() {
            write!(f, "\n  where {}", conditions(&self.filter))?;
        }
        for stage in &self.stages {
            write!(f, "\n{stage}")?;
        }
        Ok(())
    }
}

fn conditions<'c>(list: impl IntoIterator<Item = &'c Condition>) -> String {
    list.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(label) = &self.label {
            return f.write_str(label);
        }
        match &self.predicate {
            Predicate::And(parts) | Predicate::Or(parts) if 1 < parts.len() => {
                write!(f, "({})", Shown(&self.predicate))
            }
            other => Shown(other).fmt(f),
        }
    }
}

/// A predicate as a query writes it: fields in backticks where they need them.
struct Shown<'p>(&'p Predicate);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let several = |part: &Predicate| match part {
            Predicate::And(inner) | Predicate::Or(inner) => 1 < inner.len(),
            _ => false,
        };
        let list = |f: &mut Formatter<'_>, parts: &[Predicate], between: &str| {
            for (at, part) in parts.iter().enumerate() {
                f.write_str(if at == 0 { "" } else { between })?;
                if several(part) { write!(f, "({})", Shown(part))? } else { Shown(part).fmt(f)? }
            }
            Ok(())
        };
        match self.0 {
            Predicate::And(parts) if !parts.is_empty() => list(f, parts, " and "),
            Predicate::Or(parts) if !parts.is_empty() => list(f, parts, " or "),
            Predicate::Not(inner) if several(inner) => write!(f, "not ({})", Shown(inner)),
            Predicate::Not(inner) => write!(f, "not {}", Shown(inner)),
            Predicate::Field { name, test } => write!(f, "{}{test}", named(name)),
            other => other.fmt(f),
        }
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(list) => write!(f, "where {}", conditions(list)),
            Self::Group(group) => write!(f, "{group}"),
            Self::Fields => f.write_str("fields"),
            Self::Report(Report::Budgets) => f.write_str("read the counters of budgets"),
            Self::Report(report) => write!(f, "{report}"),
            Self::Sort(sort) => {
                let key = |(name, direction): &(String, Direction)| match direction {
                    Direction::Ascending => named(name),
                    Direction::Descending => format!("{} desc", named(name)),
                };
                write!(f, "sort {}", sort.keys.iter().map(key).collect::<Vec<_>>().join(", "))?;
                match sort.first {
                    Some(first) => write!(f, " (first {first})"),
                    None => Ok(()),
                }
            }
            Self::Limit(limit) => write!(f, "limit {}", limit.count),
            Self::Keep(names) => write!(f, "keep {}", all_named(names)),
            Self::Drop(names) => write!(f, "drop {}", all_named(names)),
            Self::Rename(pairs) => {
                let pair = |(from, to): &(String, String)| format!("{} as {}", named(from), named(to));
                let pairs: Vec<String> = pairs.iter().map(pair).collect();
                write!(f, "rename {}", pairs.join(", "))
            }
            Self::Dedup(names) => write!(f, "dedup by {}", all_named(names)),
            Self::Set(name, value) => write!(f, "set {} = {value}", named(name)),
            Self::Gap => f.write_str("gap"),
            Self::Limits(_) => f.write_str("compare with the counters of budgets"),
            Self::Around(around) => write!(f, "{around}"),
            Self::Versus(versus) => {
                let end = |end: Option<i64>| end.map_or_else(|| "open".to_owned(), json::time_text);
                write!(f, "vs the same from {} until {}", end(versus.before.from), end(versus.before.until))
            }
            Self::Fill(filling) => write!(f, "{}", filling.fill),
            Self::Parse(parsing) => f.write_str(&parsing.shown),
            Self::Unroll(name) => write!(f, "unroll {}", named(name)),
            Self::Sample(ratio, _) => write!(f, "sample {ratio}"),
        }
    }
}

impl Display for Around {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "context -{} +{}", self.before, self.after)?;
        match &self.of {
            Some(field) => write!(f, " of {}", named(field)),
            None => Ok(()),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Storage => "storage",
            Self::StorageFields => "storage fields",
            Self::Health => "health",
            Self::Budgets => "budget",
        })
    }
}

impl Display for Group {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let measures: Vec<String> = self.measures.iter().map(ToString::to_string).collect();
        write!(f, "stats {}", measures.join(", "))?;
        if !self.keys.is_empty() {
            write!(f, " by {}", all_named(&self.keys))?;
        }
        match &self.per {
            Some(per) => write!(f, " per {per}"),
            None => Ok(()),
        }
    }
}

impl Display for Measure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let function = match self.function {
            Function::Count => "count".to_owned(),
            Function::Calls => "calls".to_owned(),
            Function::Sum => "sum".to_owned(),
            Function::Avg => "avg".to_owned(),
            Function::Min => "min".to_owned(),
            Function::Max => "max".to_owned(),
            Function::Quantile(percent) => format!("p{}", json::scaled_text(i128::from(percent), 6)),
            Function::Stddev => "stddev".to_owned(),
            Function::Distinct => "distinct".to_owned(),
            Function::First => "first".to_owned(),
            Function::Last => "last".to_owned(),
            Function::Any => "any".to_owned(),
            Function::Share => "share".to_owned(),
            Function::Rate => "rate".to_owned(),
            Function::List => "list".to_owned(),
            Function::UniqueValues => "uniq_values".to_owned(),
            Function::Histogram => "histogram".to_owned(),
            Function::ApproxDistinct => "approx_distinct".to_owned(),
            Function::ApproxQuantile(percent) => {
                format!("approx_p{}", json::scaled_text(i128::from(percent), 6))
            }
        };
        f.write_str(&function)?;
        match &self.argument {
            Some(Arith::Chain(first, rest)) => chain(f, first, rest)?,
            Some(argument) => write!(f, "({argument})")?,
            None if self.function != Function::Count => f.write_str("()")?,
            None => {}
        }
        match &self.condition {
            Some(Condition { label: Some(label), .. }) => write!(f, " if ({label})")?,
            Some(condition) => write!(f, " if ({})", Shown(&condition.predicate))?,
            None => {}
        }
        let usual = self.name == function && self.argument.is_none();
        if usual { Ok(()) } else { write!(f, " as {}", named(&self.name)) }
    }
}

impl Display for Arith {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => f.write_str(&named(name)),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => f.write_str(&json::float_text(*value)),
            Self::Duration(ns) => write!(f, "{ns}ns"),
            Self::Cost(nano) => write!(f, "${}", json::scaled_text(i128::from(*nano), 9)),
            Self::Text(text) => {
                write!(f, "{}", Value { text: text.to_string(), quoted: true, place: Place::default() })
            }
            Self::Negate(inner) => write!(f, "-({inner})"),
            Self::Chain(first, rest) => chain(f, first, rest),
        }
    }
}

fn chain(f: &mut Formatter<'_>, first: &Arith, rest: &[(Operation, Arith)]) -> fmt::Result {
    write!(f, "({first}")?;
    for (operation, part) in rest {
        let sign = match operation {
            Operation::Add => '+',
            Operation::Subtract => '-',
            Operation::Multiply => '*',
            Operation::Divide => '/',
        };
        write!(f, " {sign} {part}")?;
    }
    f.write_str(")")
}

/// A name as a query writes it.
fn named(name: &str) -> String {
    Name::new(name).to_string()
}

fn all_named(names: &[String]) -> String {
    names.iter().map(|name| named(name)).collect::<Vec<_>>().join(", ")
}
