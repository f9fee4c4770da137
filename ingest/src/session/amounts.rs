//! What a call used, as the fields of its events, and the difference between two copies of it.
//!
//! Differences are exact and may be below 0: the events of one call add up to the copy that counts, in every field.

use logq_engine::{Event, Value};
use logq_tokens::{Bucket, Call, Mode, Prices, State, Usage};
use serde_json::{Map, Value as Json};

use super::put;

/// The fields of tokens, and the cost behind them. The first three make the total.
pub(super) const FIELDS: [&str; 8] = [
    "prompt_tokens",
    "response_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "cost",
];
const TOTAL: usize = 2;
const CALCULATED: &str = "calculated";
const UNPRICED: &str = "unpriced";
const COST: usize = FIELDS.len() - 1;

/// The numbers of one call, in the order of [`FIELDS`]; the cost in billionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amounts(pub(super) [Option<i64>; FIELDS.len()]);

impl Amounts {
    fn of(usage: &Usage) -> Self {
        let sum = |buckets: &[Bucket]| {
            let said = buckets.iter().any(|bucket| usage.get(*bucket).state != State::Absent);
            let tokens = buckets.iter().fold(0_u64, |sum, b| sum.saturating_add(usage.tokens(*b)));
            said.then(|| i64::try_from(tokens).unwrap_or(i64::MAX))
        };
        use Bucket::{InCacheRead, InCacheWrite1h, InCacheWrite5m, InCacheWriteOther, InUncached};
        Self([
            sum(&[InUncached, InCacheRead, InCacheWrite5m, InCacheWrite1h, InCacheWriteOther]),
            sum(&[Bucket::OutText, Bucket::OutReasoning]),
            sum(&[Bucket::Unattributed]),
            sum(&[InCacheRead]),
            sum(&[InCacheWrite5m, InCacheWrite1h, InCacheWriteOther]),
            sum(&[InCacheWrite1h]),
            sum(&[Bucket::OutReasoning]),
            None,
        ])
    }

    /// All tokens.
    pub(super) fn total(&self) -> i64 {
        self.0.iter().take(TOTAL + 1).flatten().fold(0, |sum: i64, more| sum.saturating_add(*more))
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        for (number, more) in sum.0.iter_mut().zip(other.0) {
            *number = match (*number, more) {
                (Some(a), Some(b)) => Some(a.saturating_add(b)),
                (a, b) => a.or(b),
            };
        }
        sum
    }

    /// What is to be added to `booked` to get this. A cost that is not known takes none away.
    pub(super) fn beyond(&self, booked: &Self) -> Self {
        let mut more = Self::default();
        for (at, (new, old)) in self.0.iter().zip(booked.0).enumerate() {
            let Some(slot) = more.0.get_mut(at) else { continue };
            if at == COST && new.is_none() {
                continue;
            }
            let difference = new.unwrap_or(0).saturating_sub(old.unwrap_or(0));
            *slot = Some(difference).filter(|difference| *difference != 0);
        }
        more
    }

    /// Sets the fields of what is there.
    pub(super) fn put(&self, event: &mut Event) {
        for (at, (name, number)) in FIELDS.iter().zip(self.0).enumerate() {
            let Some(number) = number else { continue };
            put(event, name, if at == COST { Value::Cost(number) } else { Value::Int(number) });
        }
    }
}

/// What is known of a call besides its tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Priced<'a> {
    pub(super) model: Option<&'a str>,
    pub(super) provider: Option<&'a str>,
    pub(super) mode: Mode,
}

impl Priced<'_> {
    /// The amounts of a call at `time_ns`, its cost with them: the one that was reported, else the one of the table of
    /// prices; and how the cost is known.
    pub(super) fn amounts(&self, usage: &Usage, time_ns: Option<i64>) -> (Amounts, &'static str) {
        let mut amounts = Amounts::of(usage);
        let (cost, state) = match (usage.cost_reported, self.model) {
            (Some(cost), _) => (Some(cost), "reported"),
            (None, Some(model)) => {
                let time_ns = time_ns.unwrap_or(0);
                let call = Call { provider: self.provider, model, time_ns, mode: self.mode };
                let cost = Prices::built_in().cost(&call, usage);
                (cost.amount(), cost.state())
            }
            (None, None) => (None, UNPRICED),
        };
        let nanos = cost.and_then(|cost| i64::try_from(cost.nanos()).ok());
        amounts.0[COST] = nanos;
        (amounts, if nanos.is_some() { state } else { UNPRICED })
    }
}

/// Says how the cost of an event is known.
pub(super) fn put_state(event: &mut Event, state: &str) {
    put(event, "cost_state", Value::Str(state));
    if state == CALCULATED {
        put(event, "price_version", Value::Str(Prices::built_in().version()));
    }
}

/// The values below a dotted path, as the object that they were, as far as one level of names inside another.
pub(super) fn object(row: &Event, prefix: &str) -> Json {
    let mut object = Map::new();
    for (name, value) in row.fields() {
        let Some(path) = name.strip_prefix(prefix) else { continue };
        let value = match value {
            Value::Int(int) => Json::from(int),
            Value::Number(literal) => literal.parse().map_or(Json::Null, Json::Number),
            Value::Str(text) => Json::from(text),
            _ => continue,
        };
        match path.split_once('.') {
            None => {
                object.insert(path.to_owned(), value);
            }
            Some((outer, inner)) => {
                let inside = object.entry(outer).or_insert_with(|| Json::Object(Map::new()));
                if let Json::Object(inside) = inside {
                    inside.insert(inner.to_owned(), value);
                }
            }
        }
    }
    Json::Object(object)
}
