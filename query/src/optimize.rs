//! Optimiser: named rules that make a plan cheaper and never change its answer. Each can be switched off, which is
//! how that is tested.

use logq_engine::{Comparison, Literal, Predicate, Test};

use crate::plan::{Asked, Condition, Plan, Report, Stage};
use crate::source::{PATTERN, TEXT};

/// A rule that rewrites a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Conditions that come first are tested while reading, so that records that fail are never decoded whole.
    FilterIntoScan,
    /// A comparison of `time` narrows the range, so that files and frames outside are skipped.
    TimeIntoRange,
    /// A cut goes before steps that keep every row, so that they see fewer.
    LimitBeforeProjection,
    /// A sort before a cut keeps only the rows that the cut lets through.
    SortForLimit,
    /// The indexes of segments say where words may be.
    UseIndex,
    /// Dictionary codes and integers are grouped and summed as they are encoded.
    UseLanes,
    /// What was counted when segments were built stands in for their records.
    UseRollups,
}

impl Rule {
    /// All rules, in the order in which they run.
    pub const ALL: [Self; 7] = [
        Self::FilterIntoScan,
        Self::TimeIntoRange,
        Self::LimitBeforeProjection,
        Self::SortForLimit,
        Self::UseIndex,
        Self::UseLanes,
        Self::UseRollups,
    ];

    fn apply(self, plan: &mut Plan) {
        match self {
            Self::FilterIntoScan => filter_into_scan(plan),
            Self::TimeIntoRange => time_into_range(plan),
            Self::LimitBeforeProjection => limit_before_projection(plan),
            Self::SortForLimit => sort_for_limit(plan),
            Self::UseIndex => plan.index = true,
            Self::UseLanes => plan.lanes = true,
            Self::UseRollups => plan.rollups = Asked::of(plan),
        }
    }
}

impl Rule {
    /// Its name in an explanation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FilterIntoScan => "filter into scan",
            Self::TimeIntoRange => "time into range",
            Self::LimitBeforeProjection => "limit before projection",
            Self::SortForLimit => "sort for limit",
            Self::UseIndex => "use index",
            Self::UseLanes => "use lanes",
            Self::UseRollups => "use rollups",
        }
    }

    /// What it did; none where there was nothing to do.
    fn did(self, before: &Plan, after: &Plan) -> Option<String> {
        let some = |count: usize, what: &str| (count != 0).then(|| format!("{count} {what}"));
        let changed = |what: &str| (before.to_string() != after.to_string()).then(|| what.to_owned());
        match self {
            Self::FilterIntoScan => some(after.filter.len(), "tested while reading"),
            Self::TimeIntoRange => some(before.filter.len() - after.filter.len(), "made part of the range"),
            Self::LimitBeforeProjection => changed("cut before the steps that keep every row"),
            Self::SortForLimit => changed("only what the cut lets through is kept"),
            Self::UseIndex => {
                let tokens = asked(after);
                (!tokens.is_empty()).then(|| format!("asked for {}", tokens.join(", ")))
            }
            Self::UseRollups => after.rollups.as_ref().map(|asked| {
                let fields: Vec<&str> =
                    asked.keys.iter().chain(&asked.measures).map(String::as_str).collect();
                match fields.as_slice() {
                    [] => "records are counted as they were when they were sealed".to_owned(),
                    fields => format!("counted by {} when they were sealed", fields.join(", ")),
                }
            }),
            Self::UseLanes => {
                let groups = after.stages.iter().any(|stage| matches!(stage, Stage::Group(_)));
                groups.then(|| "codes and integers are grouped as they are kept".to_owned())
            }
        }
    }
}

/// The words that an index is asked for.
fn asked(plan: &Plan) -> Vec<String> {
    fn add(predicate: &Predicate, tokens: &mut Vec<String>) {
        match predicate {
            Predicate::And(parts) | Predicate::Or(parts) => parts.iter().for_each(|part| add(part, tokens)),
            Predicate::Field { test: Test::Text(test), .. } | Predicate::Any(test) => {
                tokens.extend(test.required_tokens());
            }
            Predicate::All | Predicate::Not(_) | Predicate::Field { .. } => {}
        }
    }
    let mut tokens = Vec::new();
    plan.filter.iter().for_each(|condition| add(&condition.predicate, &mut tokens));
    tokens
}

/// Runs the given rules in order, and says what each of all rules did.
pub(crate) fn explained(mut plan: Plan, rules: &[Rule]) -> (Plan, Vec<String>) {
    let mut lines = Vec::new();
    for rule in Rule::ALL {
        let did = if rules.contains(&rule) {
            let before = plan.clone();
            rule.apply(&mut plan);
            rule.did(&before, &plan).unwrap_or_else(|| "nothing to do".to_owned())
        } else {
            "off".to_owned()
        };
        lines.push(format!("rule {}: {did}", rule.as_str()));
    }
    (plan, lines)
}

/// Where the answer of an optimised plan comes from.
pub(crate) fn source(plan: &Plan) -> &'static str {
    match plan.stages.first() {
        Some(Stage::Report(Report::Budgets)) => "the counters of budgets",
        Some(Stage::Report(_)) => "heads and footers of files",
        _ if plan.rollups.is_some() => "rollups, and a scan of what they do not count",
        _ if plan.index && !asked(plan).is_empty() => "a scan of what the index leaves",
        _ => "a scan",
    }
}

/// Runs the given rules in order.
pub(crate) fn optimize(mut plan: Plan, rules: &[Rule]) -> Plan {
    for rule in rules {
        rule.apply(&mut plan);
    }
    plan
}

/// Whether the scan can test a condition: it cannot where a column is computed from others.
fn scannable(condition: &Condition, totals: bool) -> bool {
    let computed =
        |name: &String| ["_id", TEXT, PATTERN].contains(&name.as_str()) || (totals && name == "total_tokens");
    // The noun's own condition asks for the field itself, not for the computed column.
    condition.own || !condition.fields.iter().any(computed)
}

fn filter_into_scan(plan: &mut Plan) {
    let leading = plan.stages.iter().take_while(|stage| matches!(stage, Stage::Filter(_))).count();
    let mut stay = Vec::new();
    for stage in plan.stages.drain(..leading) {
        let Stage::Filter(conditions) = stage else { continue };
        for condition in conditions {
            if scannable(&condition, plan.totals) {
                plan.filter.push(condition);
            } else {
                stay.push(condition);
            }
        }
    }
    if !stay.is_empty() {
        plan.stages.insert(0, Stage::Filter(stay));
    }
}

fn time_into_range(plan: &mut Plan) {
    // What reads again reads another range, or all of this one.
    if plan.stages.iter().any(|stage| matches!(stage, Stage::Versus(_) | Stage::Around(_))) {
        return;
    }
    let range = &mut plan.range;
    plan.filter.retain(|condition| {
        let Predicate::Field { name, test: Test::Compare(comparison, Literal::Time(time)) } =
            &condition.predicate
        else {
            return true;
        };
        if name != "time" {
            return true;
        }
        // The last nanosecond that there is has none after it: such a comparison stays as it is.
        let Some(after) = time.checked_add(1) else { return true };
        let (from, until) = match comparison {
            Comparison::Ge => (Some(*time), None),
            Comparison::Gt => (Some(after), None),
            Comparison::Lt => (None, Some(*time)),
            Comparison::Le => (None, Some(after)),
            Comparison::Eq => (Some(*time), Some(after)),
            Comparison::Ne => return true,
        };
        range.from = range.from.max(from);
        range.until = match (range.until, until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        false
    });
}

fn limit_before_projection(plan: &mut Plan) {
    let keeps_rows = |stage: &Stage| {
        matches!(stage, Stage::Keep(_) | Stage::Drop(_) | Stage::Rename(_) | Stage::Set(..) | Stage::Parse(_))
    };
    for at in 1..plan.stages.len() {
        let mut at = at;
        let is_limit = |stage: Option<&Stage>| matches!(stage, Some(Stage::Limit(_)));
        while 0 < at && is_limit(plan.stages.get(at)) && plan.stages.get(at - 1).is_some_and(keeps_rows) {
            plan.stages.swap(at - 1, at);
            at -= 1;
        }
    }
}

fn sort_for_limit(plan: &mut Plan) {
    for at in 1..plan.stages.len() {
        let Some(&Stage::Limit(limit)) = plan.stages.get(at) else { continue };
        if let Some(Stage::Sort(sort)) = plan.stages.get_mut(at - 1) {
            // One more, so that the cut knows whether there is more.
            sort.first = Some(limit.count.saturating_add(1));
        }
    }
}
