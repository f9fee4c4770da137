//! Counting for callers: a count, the encoding it was made with, and whether it is exact.
//!
//! What a count costs is bounded: a text up to [`EXACT_SIZE_MAX`] is counted whole, of a longer one samples are. Texts
//! that come again are remembered.

use std::fmt;

use crate::cache::{self, Cache};
use crate::encoding::Encoding;
use crate::estimate;
use crate::model::{Proxy, Tokenizer};

/// The longest text that a [`Counter`] counts whole, in bytes: 4 ms of prose, 45 ms of the slowest text that was found
/// (random letters without a boundary). The samples of a longer one take as long.
pub const EXACT_SIZE_MAX: usize = estimate::SAMPLES * estimate::SAMPLE_SIZE;

/// Texts below are not remembered: counting 512 bytes takes as long as a look into the cache.
const CACHED_SIZE_MIN: usize = 512;

/// How a count was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// With the model's own encoding, of the whole text.
    Exact,
    /// With the model's own encoding, of samples of a long text.
    Sampled,
    /// With an encoding that stands in for the model's vocabulary.
    Proxy(&'static Proxy),
    /// Both: samples, and an encoding that stands in.
    SampledProxy(&'static Proxy),
}

/// A number of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub tokens: u64,
    /// The encoding that was counted with.
    pub encoding: Encoding,
    /// How.
    pub method: Method,
}

impl Count {
    /// Whether this is the number that the model's own tokenizer gives.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.method == Method::Exact
    }
}

impl fmt::Display for Count {
    /// The count method, as events keep it: `exact:o200k_base`, `proxy:o200k_base(llama3)`, `sample:o200k_base`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.method {
            Method::Exact => write!(f, "exact:{}", self.encoding),
            Method::Sampled => write!(f, "sample:{}", self.encoding),
            Method::Proxy(proxy) => write!(f, "proxy:{}({})", self.encoding, proxy.family),
            Method::SampledProxy(proxy) => write!(f, "sample:{}({})", self.encoding, proxy.family),
        }
    }
}

/// Counts texts in bounded time and remembers them. Threads share one.
///
/// ```
/// use logq_tokens::{Counter, Tokenizer};
///
/// let counter = Counter::new();
/// let count = counter.count("Analyze puzzle pattern", Tokenizer::of_model("gpt-4o"));
/// assert_eq!((count.tokens, count.is_exact()), (3, true));
///
/// let guess = counter.count("Analyze puzzle pattern", Tokenizer::of_model("llama3.2"));
/// assert_eq!((guess.tokens, guess.to_string().as_str()), (3, "proxy:o200k_base(llama3)"));
/// ```
#[derive(Debug)]
pub struct Counter {
    cache: Cache,
}

impl Counter {
    /// A counter that remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { cache: Cache::new(cache::ENTRIES) }
    }

    /// The tokens of a text.
    #[must_use]
    pub fn count(&self, text: &str, tokenizer: Tokenizer) -> Count {
        let encoding = tokenizer.encoding();
        let whole = text.len() <= EXACT_SIZE_MAX;
        let tokens = if text.len() < CACHED_SIZE_MIN {
            encoding.count(text)
        } else if whole {
            self.cache.get(encoding, text, || encoding.count(text))
        } else {
            estimate::sampled(encoding, text)
        };
        finish(tokens, text, tokenizer, whole)
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl Tokenizer {
    /// The tokens of the whole text, however long that takes: 15 to 20 ms a megabyte.
    #[must_use]
    pub fn count(self, text: &str) -> Count {
        finish(self.encoding().count(text), text, self, true)
    }
}

fn finish(tokens: u64, text: &str, tokenizer: Tokenizer, whole: bool) -> Count {
    let encoding = tokenizer.encoding();
    match (tokenizer.proxy(), whole) {
        (None, true) => Count { tokens, encoding, method: Method::Exact },
        (None, false) => Count { tokens, encoding, method: Method::Sampled },
        (Some(proxy), whole) => {
            let method = if whole { Method::Proxy(proxy) } else { Method::SampledProxy(proxy) };
            Count { tokens: estimate::corrected(proxy, tokens, text), encoding, method }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_counted_whole_up_to_the_limit_and_sampled_above() {
        let counter = Counter::new();
        let tokenizer = Tokenizer::from(Encoding::O200kBase);
        let mut text = "x y\n".repeat(EXACT_SIZE_MAX / 4);
        for _ in 0..2 {
            let at_limit = counter.count(&text, tokenizer);
            assert_eq!(at_limit.method, Method::Exact);
            assert_eq!(at_limit.tokens, Encoding::O200kBase.count(&text));
        }
        text.push('x');
        let above = counter.count(&text, tokenizer);
        assert_eq!((above.method, above.is_exact()), (Method::Sampled, false));
        assert_eq!(above.to_string(), "sample:o200k_base");
        let exact = tokenizer.count(&text);
        assert!(exact.is_exact() && above.tokens.abs_diff(exact.tokens) * 100 < exact.tokens);
    }

    #[test]
    fn a_model_of_another_family_is_corrected_and_never_exact() {
        let text = "2026-11-22 17:33:41,215 job 123456 took 7890 ms\n".repeat(20);
        let plain = Encoding::O200kBase.count(&text);
        let count = |model| Counter::new().count(&text, Tokenizer::of_model(model));
        assert_eq!(count("llama3.2").tokens, plain);
        assert!(plain < count("qwen3").tokens && count("qwen3").tokens < count("gemma3").tokens);
        assert_eq!(count("qwen3").to_string(), "proxy:o200k_base(qwen)");
        for model in ["llama3.2", "qwen3", "phi4", "never heard of"] {
            assert!(!count(model).is_exact());
        }
    }
}
