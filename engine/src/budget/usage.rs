//! What an event used: its token counts and its cost, read the same way from an event that is about to be appended
//! and from a record of the log.

use crate::value::{self, Value};

use super::definition::Measure;

/// The fields that carry token counts. An event with a number in one of them is a token event.
pub const TOKEN_FIELDS: [&str; 6] = [
    "prompt_tokens",
    "response_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
];
const PROMPT: usize = 0;
const RESPONSE: usize = 1;
const TOTAL: usize = 2;
const COST: usize = TOKEN_FIELDS.len();

/// The fields that carry usage: those of tokens, and `cost`. An event with a number in one of them counts.
pub const USAGE_FIELDS: [&str; COST + 1] = {
    let mut fields = ["cost"; COST + 1];
    let mut at = 0;
    while at < COST {
        fields[at] = TOKEN_FIELDS[at];
        at += 1;
    }
    fields
};

/// The calls of models that an event stands for, by what it says in `calls`: a whole number, at least 0; an event that says
/// nothing, or no number, stands for one. A correction says 0.
///
/// ```
/// use logq_engine::{Value, budget::calls};
/// assert_eq!((calls(None), calls(Some(Value::Int(0))), calls(Some(Value::Str("12")))), (1, 0, 12));
/// ```
pub fn calls(said: Option<Value<'_>>) -> u64 {
    said.and_then(|value| whole(value, 0)).unwrap_or(1)
}

/// The numbers of one event, in the order of [`USAGE_FIELDS`]; money in billionths of a US dollar. What is negative is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) numbers: [Option<u64>; USAGE_FIELDS.len()],
    /// Calls that the event stands for: 1, or what it says itself. A correction stands for none.
    pub(super) calls: u64,
}

/// How much is asked for or was used, by measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    pub(super) tokens: u64,
    pub(super) prompt: u64,
    pub(super) response: u64,
    pub(super) cost: u64,
    pub(super) requests: u64,
}

impl Amounts {
    pub(super) fn of(&self, measure: Measure) -> u64 {
        match measure {
            Measure::Tokens => self.tokens,
            Measure::PromptTokens => self.prompt,
            Measure::ResponseTokens => self.response,
            Measure::Cost => self.cost,
            Measure::Requests => self.requests,
        }
    }
}

impl Usage {
    /// The usage of an event, by its fields; `None` when it carries none.
    pub(super) fn read<'v>(mut get: impl FnMut(&str) -> Option<Value<'v>>) -> Option<Self> {
        let mut usage = Self::default();
        for (at, (number, field)) in usage.numbers.iter_mut().zip(USAGE_FIELDS).enumerate() {
            *number = get(field).and_then(|value| whole(value, if at == COST { 9 } else { 0 }));
        }
        if usage.numbers.iter().all(Option::is_none) {
            return None;
        }
        usage.calls = calls(get("calls"));
        Some(usage)
    }

    fn number(&self, at: usize) -> u64 {
        self.numbers.get(at).copied().flatten().unwrap_or(0)
    }

    fn has_parts(&self) -> bool {
        self.numbers[PROMPT].is_some() || self.numbers[RESPONSE].is_some()
    }

    /// Prompt and response together, or the event's own total where it has neither.
    pub(super) fn tokens(&self) -> u64 {
        if self.has_parts() {
            self.number(PROMPT).saturating_add(self.number(RESPONSE))
        } else {
            self.number(TOTAL)
        }
    }

    pub(super) fn amounts(&self) -> Amounts {
        Amounts {
            tokens: self.tokens(),
            prompt: self.number(PROMPT),
            response: self.number(RESPONSE),
            cost: self.number(COST),
            requests: self.calls,
        }
    }

    /// Both together.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        for (number, more) in sum.numbers.iter_mut().zip(other.numbers) {
            *number = match (*number, more) {
                (Some(a), Some(b)) => Some(a.saturating_add(b)),
                (a, b) => a.or(b),
            };
        }
        sum.calls = sum.calls.saturating_add(other.calls);
        sum
    }

    /// What is in this and not in what was booked before; `None` when that is nothing. No number goes down: what
    /// was used was used.
    pub(super) fn beyond(&self, booked: &Self) -> Option<Self> {
        let mut more = Self { calls: 0, ..Self::default() };
        if self.has_parts() == booked.has_parts() {
            for (at, number) in more.numbers.iter_mut().enumerate() {
                *number = Some(self.number(at).saturating_sub(booked.number(at))).filter(|more| 0 < *more);
            }
        } else {
            // One has a total only: the parts cannot be told apart.
            let total = self.tokens().saturating_sub(booked.tokens());
            more.numbers[TOTAL] = Some(total).filter(|more| 0 < *more);
            let cost = self.number(COST).saturating_sub(booked.number(COST));
            more.numbers[COST] = Some(cost).filter(|more| 0 < *more);
        }
        more.numbers.iter().any(Option::is_some).then_some(more)
    }
}

/// A value as a whole number of `10^-scale`, at least 0; rounded where it has more places.
fn whole(value: Value<'_>, scale: i32) -> Option<u64> {
    let number = match value {
        Value::Cost(nanos) => nanos,
        Value::Int(int) => int.saturating_mul(10_i64.pow(scale.unsigned_abs())),
        Value::Float(float) => value::scaled(&float.to_string(), scale)?,
        Value::Number(text) | Value::Str(text) => value::scaled(text, scale)?,
        _ => return None,
    };
    Some(u64::try_from(number).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    fn usage(event: &Event) -> Option<Usage> {
        Usage::read(|name| event.get(name))
    }

    #[test]
    fn tokens_are_prompt_and_response_or_the_total() {
        let parts = usage(&Event::ai("x").tokens(100, 50).field("total_tokens", 999)).unwrap();
        assert_eq!((parts.tokens(), parts.calls), (150, 1));
        assert_eq!(usage(&Event::ai("x").field("total_tokens", 999)).unwrap().tokens(), 999);
        assert_eq!(usage(&Event::ai("x").field("response_tokens", 7)).unwrap().tokens(), 7);
        assert_eq!(usage(&Event::ai("x").field("prompt", "hello")), None);
        let odd = Event::ai("x").field("prompt_tokens", "12").field("response_tokens", -3).field("cost", 0.5);
        let odd = usage(&odd).unwrap().amounts();
        assert_eq!((odd.tokens, odd.response, odd.cost), (12, 0, 500_000_000));
    }

    #[test]
    fn what_is_beyond_never_goes_down() {
        let booked = usage(&Event::ai("x").tokens(100, 50)).unwrap();
        let later = usage(&Event::ai("x").tokens(90, 80).field("cost", "$1")).unwrap();
        let more = later.beyond(&booked).unwrap();
        assert_eq!((more.tokens(), more.calls), (30, 0));
        assert_eq!(booked.beyond(&booked), None);
        let total = usage(&Event::ai("x").field("total_tokens", 200)).unwrap();
        assert_eq!(total.beyond(&booked).unwrap().tokens(), 50);
        assert_eq!(booked.plus(&more).tokens(), 180);
    }
}
