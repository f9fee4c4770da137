//! What a caller asks for, and what it is told.

use std::fmt;
use std::time::Duration;

use super::definition::{Measure, Mode};
use super::usage::Amounts;

/// What a call is about to use: of what kind it is, and how much at most.
///
/// ```
/// use logq_engine::budget::Request;
/// let request = Request::new().model("llama3.2").field("user", "ann").tokens(1_500);
/// assert_eq!(request.total_tokens(), 1_500);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub(super) fields: Vec<(String, String)>,
    prompt: Option<u64>,
    response: Option<u64>,
    tokens: Option<u64>,
    cost: u64,
    pub(super) ttl: Option<Duration>,
}

impl Request {
    /// A call of which nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field that selectors and groups of budgets look at; it will be on the event of the call too, unless that
    /// has it already.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Sets the model.
    #[must_use]
    pub fn model(self, model: impl Into<String>) -> Self {
        self.field("model", model)
    }

    /// Sets the tokens of prompt and response together, at most.
    #[must_use]
    pub fn tokens(self, tokens: u64) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// Sets the tokens of the prompt.
    #[must_use]
    pub fn prompt_tokens(self, tokens: u64) -> Self {
        Self { prompt: Some(tokens), ..self }
    }

    /// Sets the tokens of the response, at most.
    #[must_use]
    pub fn response_tokens(self, tokens: u64) -> Self {
        Self { response: Some(tokens), ..self }
    }

    /// Sets the cost, at most, in billionths of a US dollar.
    #[must_use]
    pub fn cost(self, nanos: u64) -> Self {
        Self { cost: nanos, ..self }
    }

    /// Sets how long the reservation holds. Without it one of a guard holds as long as the guard, and one that is
    /// detached for ten minutes. One that is detached holds 24 hours at most.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }

    /// Tokens of prompt and response together.
    pub fn total_tokens(&self) -> u64 {
        self.tokens.unwrap_or(self.prompt.unwrap_or(0).saturating_add(self.response.unwrap_or(0)))
    }

    /// What is asked of each measure. Where only the total is known a part of it may be all of it.
    pub(super) fn amounts(&self) -> Amounts {
        let tokens = self.total_tokens();
        let part = |known: Option<u64>, other: Option<u64>| {
            known.unwrap_or(self.tokens.map_or(0, |tokens| tokens.saturating_sub(other.unwrap_or(0))))
        };
        Amounts {
            tokens,
            prompt: part(self.prompt, self.response),
            response: part(self.response, self.prompt),
            cost: self.cost,
            requests: 1,
        }
    }
}

/// A budget that a request goes beyond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The budget's name.
    pub budget: String,
    /// The value of the budget's `by` field.
    pub group: Option<String>,
    /// What it counts.
    pub measure: Measure,
    /// What it does at its limit.
    pub mode: Mode,
    /// What was used in the current window: tokens, calls or billionths of a US dollar.
    pub used: u64,
    /// What other reservations hold.
    pub held: u64,
    /// What was asked for.
    pub asked: u64,
    /// The limit.
    pub limit: u64,
    /// How long until so much will fit if nobody else uses any; `None` where that depends on reservations, or is never.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |amount| self.measure.show(amount);
        let group = self.group.as_deref().map_or(String::new(), |group| format!(" for {group}"));
        write!(
            f,
            "budget {}{group}: {} asked, {} used and {} held of {}",
            self.budget,
            show(self.asked),
            show(self.used),
            show(self.held),
            show(self.limit)
        )
    }
}

/// What is left below the limit of one budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// The budget's name.
    pub budget: String,
    /// The value of the budget's `by` field.
    pub group: Option<String>,
    /// What it counts.
    pub measure: Measure,
    /// What is neither used nor held nor asked for.
    pub remaining: u64,
}

/// What the budgets say of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The first budget of mode [`Mode::Hard`] that it goes beyond.
    pub refused: Option<Refused>,
    /// All budgets that it goes beyond, of any mode.
    pub beyond: Vec<Refused>,
    /// What would be left of each budget that it belongs to.
    pub remaining: Vec<Remaining>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_not_known_may_be_all_that_is_left_of_the_total() {
        let amounts = Request::new().tokens(100).prompt_tokens(30).amounts();
        assert_eq!((amounts.tokens, amounts.prompt, amounts.response), (100, 30, 70));
        let amounts = Request::new().tokens(100).amounts();
        assert_eq!((amounts.prompt, amounts.response), (100, 100));
        let amounts = Request::new().prompt_tokens(30).response_tokens(20).cost(5).amounts();
        assert_eq!((amounts.tokens, amounts.prompt, amounts.response, amounts.cost), (50, 30, 20, 5));
        assert_eq!(amounts.requests, 1);
    }
}
