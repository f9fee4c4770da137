//! Tokens: how many a text has, what a provider says was used, and what that costs.
//!
//! - [`Encoding`] counts exactly with OpenAI's public encodings, on any text, in linear time.
//! - [`Tokenizer`] knows which encoding counts for a model, and what stands in where the model's own is not public.
//! - [`Counter`] counts in bounded time, remembers texts, and says of each count whether it is exact.
//! - `TokenizerFile` (feature `tokenizer-json`) counts with a tokenizer.json of the user's own.
//! - [`read_usage`] reads what a provider reports into [`Usage`], buckets that do not overlap.
//! - [`Prices`] says what usage costs, in [`Money`], whole billionths of a dollar.

mod cache;
mod class;
mod count;
mod encoding;
mod estimate;
#[cfg(feature = "tokenizer-json")]
mod file;
mod merge;
mod model;
mod money;
mod name;
mod price;
mod provider;
mod split;
mod usage;
mod vocabulary;

pub use count::{Count, Counter, EXACT_SIZE_MAX, Method};
pub use encoding::{Encoding, UnknownEncoding};
#[cfg(feature = "tokenizer-json")]
pub use file::{TokenizerFile, TokenizerFileError};
pub use model::{Proxy, Tokenizer};
pub use money::Money;
pub use price::{Call, Cost, Mode, PriceError, Prices, Unpriced};
pub use provider::{NoUsage, Source, read_usage};
pub use usage::{Amount, Bucket, Extra, State, Usage};
