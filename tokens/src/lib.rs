//! Tokens: how many a text has, what a provider says was used, and what that costs.
//!
//! - [`Encoding`] counts exactly with OpenAI's public encodings, on any text, in linear time.

mod class;
mod encoding;
mod merge;
mod split;
mod vocabulary;

pub use encoding::{Encoding, UnknownEncoding};
