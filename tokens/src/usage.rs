//! Usage: the tokens of one call, in buckets that do not overlap.
//!
//! Providers differ in what their numbers include: for some the input holds what came from the cache, for others it
//! stands beside it. Adding or subtracting it twice is the commonest error of this trade, so only disjoint buckets are
//! kept, and every total is derived from them. Each bucket knows whether its number was reported, estimated, or is
//! absent: a provider that says nothing of a cache has not said 0.

use crate::money::Money;

/// A kind of tokens. No token is in two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Bucket {
    /// Input that was read anew.
    InUncached,
    /// Input that came from a cache.
    InCacheRead,
    /// Input that was written to a cache for five minutes.
    InCacheWrite5m,
    /// Input that was written to a cache for an hour.
    InCacheWrite1h,
    /// Input that was written to a cache for a time that is not said.
    InCacheWriteOther,
    /// Output that is the answer.
    OutText,
    /// Output that is thought.
    OutReasoning,
    /// Tokens of which only the sum is known.
    Unattributed,
}

impl Bucket {
    /// All of them, in the order of events.
    pub const ALL: [Self; 8] = [
        Self::InUncached,
        Self::InCacheRead,
        Self::InCacheWrite5m,
        Self::InCacheWrite1h,
        Self::InCacheWriteOther,
        Self::OutText,
        Self::OutReasoning,
        Self::Unattributed,
    ];

    /// The name of its field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InUncached => "in_uncached",
            Self::InCacheRead => "in_cache_read",
            Self::InCacheWrite5m => "in_cache_write_5m",
            Self::InCacheWrite1h => "in_cache_write_1h",
            Self::InCacheWriteOther => "in_cache_write_other",
            Self::OutText => "out_text",
            Self::OutReasoning => "out_reasoning",
            Self::Unattributed => "unattributed",
        }
    }
}

/// Where a number comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// The provider said so.
    Reported,
    /// It was counted here.
    Estimated,
    /// Nobody said anything; the number is 0 and means nothing.
    #[default]
    Absent,
}

/// A number of tokens and where it comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Tokens.
    pub tokens: u64,
    /// Where the number comes from.
    pub state: State,
}

/// Tokens of a modality: audio, images, documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// What they are, as the provider names it, with `in_` or `out_` before: `in_audio`.
    pub name: String,
    /// How many.
    pub tokens: u64,
    /// Whether they are in one of the buckets too, and so in the totals already.
    pub included: bool,
}

/// The tokens of one call.
///
/// ```
/// use logq_tokens::{Bucket, State, Usage};
///
/// let mut usage = Usage::default();
/// usage.set(Bucket::InUncached, 86, State::Reported);
/// usage.set(Bucket::InCacheRead, 17_817, State::Reported);
/// usage.set(Bucket::OutText, 40, State::Estimated);
/// assert_eq!((usage.prompt_tokens(), usage.response_tokens(), usage.total()), (17_903, 40, 17_943));
/// assert_eq!(usage.get(Bucket::OutReasoning).state, State::Absent);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    buckets: [Amount; Bucket::ALL.len()],
    /// Tokens by modality.
    pub extra: Vec<Extra>,
    /// The total as the provider gave it, kept to compare.
    pub total_reported: Option<u64>,
    /// The cost as the provider gave it.
    pub cost_reported: Option<Money>,
    /// How often a part was larger than its whole and was cut to it.
    pub clamps: u32,
}

impl Usage {
    /// What is in a bucket.
    #[must_use]
    pub fn get(&self, bucket: Bucket) -> Amount {
        self.buckets[bucket as usize]
    }

    /// How many tokens are in a bucket; 0 where it is absent.
    #[must_use]
    pub fn tokens(&self, bucket: Bucket) -> u64 {
        self.get(bucket).tokens
    }

    /// Puts a number into a bucket. An absent one has none.
    pub fn set(&mut self, bucket: Bucket, tokens: u64, state: State) {
        let tokens = if state == State::Absent { 0 } else { tokens };
        self.buckets[bucket as usize] = Amount { tokens, state };
    }

    fn sum(&self, buckets: &[Bucket]) -> u64 {
        buckets.iter().fold(0, |sum: u64, bucket| sum.saturating_add(self.tokens(*bucket)))
    }

    /// All input, from the cache and to it too.
    #[must_use]
    pub fn prompt_tokens(&self) -> u64 {
        use Bucket::{InCacheRead, InCacheWrite1h, InCacheWrite5m, InCacheWriteOther, InUncached};
        self.sum(&[InUncached, InCacheRead, InCacheWrite5m, InCacheWrite1h, InCacheWriteOther])
    }

    /// All output, thought included.
    #[must_use]
    pub fn response_tokens(&self) -> u64 {
        self.sum(&[Bucket::OutText, Bucket::OutReasoning])
    }

    /// Everything, each token once.
    #[must_use]
    pub fn total(&self) -> u64 {
        let beside = self.extra.iter().filter(|extra| !extra.included);
        let known = self.prompt_tokens().saturating_add(self.response_tokens());
        let all = known.saturating_add(self.tokens(Bucket::Unattributed));
        beside.fold(all, |sum, extra| sum.saturating_add(extra.tokens))
    }

    /// Takes `part` out of `whole`; a part that is larger is cut to the whole and counted.
    pub(crate) fn rest(&mut self, whole: u64, part: u64) -> (u64, u64) {
        match whole.checked_sub(part) {
            Some(rest) => (rest, part),
            None => {
                self.clamps += 1;
                (0, whole)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_is_in_exactly_one_part_of_the_total() {
        for bucket in Bucket::ALL {
            let mut usage = Usage::default();
            usage.set(bucket, 7, State::Reported);
            let parts = [usage.prompt_tokens(), usage.response_tokens(), usage.tokens(Bucket::Unattributed)];
            assert_eq!(parts.iter().filter(|part| **part == 7).count(), 1, "{}", bucket.as_str());
            assert_eq!((parts.iter().sum::<u64>(), usage.total()), (7, 7));
        }
    }

    #[test]
    fn a_modality_counts_only_where_it_stands_beside_the_buckets() {
        let mut usage = Usage::default();
        usage.set(Bucket::InUncached, 100, State::Reported);
        usage.extra.push(Extra { name: "in_audio".into(), tokens: 40, included: true });
        assert_eq!(usage.total(), 100);
        usage.extra.push(Extra { name: "in_image".into(), tokens: 5, included: false });
        assert_eq!(usage.total(), 105);
    }

    #[test]
    fn absent_is_not_zero_and_huge_numbers_do_not_overflow() {
        let mut usage = Usage::default();
        assert_eq!(usage.get(Bucket::InCacheRead), Amount { tokens: 0, state: State::Absent });
        usage.set(Bucket::InCacheRead, 0, State::Reported);
        assert_eq!(usage.get(Bucket::InCacheRead), Amount { tokens: 0, state: State::Reported });
        usage.set(Bucket::OutText, u64::MAX, State::Reported);
        usage.set(Bucket::OutReasoning, u64::MAX, State::Reported);
        assert_eq!(usage.total(), u64::MAX);
    }
}
