//! The names of aggregate functions: what is one and what it means.

use logq_engine::value::scaled;

/// One percent in the unit of [`Function::Quantile`].
pub(crate) const PERCENT: i64 = 1_000_000;

/// A function over the rows of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    /// Rows, or present values.
    Count,
    /// Calls of models: what each event says in `calls`, else one.
    Calls,
    /// The exact sum.
    Sum,
    /// The exact mean.
    Avg,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The nearest-rank quantile of this many millionths of a percent.
    Quantile(i64),
    /// The standard deviation of a sample.
    Stddev,
    /// How many different values.
    Distinct,
    /// The value of the earliest record.
    First,
    /// The value of the latest record.
    Last,
    /// A value: the smallest, so that the answer is always the same one.
    Any,
    /// The part of all groups together: of rows, or of a sum.
    Share,
    /// So many a second: rows, or of a sum.
    Rate,
    /// All values, in the order of their records.
    List,
    /// Every different value, once, in order.
    UniqueValues,
    /// How many values lie between round numbers.
    Histogram,
    /// About how many different values.
    ApproxDistinct,
    /// About the quantile of this many millionths of a percent.
    ApproxQuantile(i64),
}

impl Function {
    /// Whether it means something without an argument.
    pub(crate) fn counts_rows(self) -> bool {
        matches!(self, Self::Count | Self::Calls | Self::Share | Self::Rate)
    }

    /// Whether it is not exact.
    pub(crate) fn is_approximate(self) -> bool {
        matches!(self, Self::ApproxDistinct | Self::ApproxQuantile(_))
    }

    /// The function that `name` names, in any case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        Some(match lower.as_str() {
            "count" => Self::Count,
            "calls" => Self::Calls,
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            "median" => Self::Quantile(50 * PERCENT),
            "stddev" => Self::Stddev,
            "distinct" => Self::Distinct,
            "first" => Self::First,
            "last" => Self::Last,
            "any" => Self::Any,
            "share" => Self::Share,
            "rate" => Self::Rate,
            "list" => Self::List,
            "uniq_values" => Self::UniqueValues,
            "histogram" => Self::Histogram,
            "approx_distinct" => Self::ApproxDistinct,
            name if name.starts_with("approx_p") => {
                Self::ApproxQuantile(percent(name.strip_prefix("approx_p")?)?)
            }
            _ => Self::Quantile(percent(lower.strip_prefix('p')?)?),
        })
    }
}

/// `50`, `99.9`: a percentage from 0 to 100 in millionths of a percent.
fn percent(text: &str) -> Option<i64> {
    let plain = text.len() <= 8 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !plain || text.starts_with('.') || text.ends_with('.') {
        return None;
    }
    scaled(text, 6).filter(|percent| (0..=100 * PERCENT).contains(percent))
}

/// Whether `name` directly before a parenthesis is a function.
pub(crate) fn is_name(name: &str) -> bool {
    Function::parse(name).is_some()
}

/// The names of all functions, for "did you mean".
pub(crate) const NAMES: [&str; 22] = [
    "count",
    "calls",
    "sum",
    "avg",
    "min",
    "max",
    "median",
    "p50",
    "p95",
    "p99",
    "stddev",
    "distinct",
    "first",
    "last",
    "any",
    "share",
    "rate",
    "list",
    "uniq_values",
    "histogram",
    "approx_distinct",
    "approx_p99",
];
