//! Providers: what their `usage` objects say, read into buckets that do not overlap.
//!
//! | source | input holds the cached | output holds the thought |
//! |---|---|---|
//! | OpenAI chat and responses, OpenRouter, DeepSeek, Mistral, Codex | yes | yes |
//! | xAI chat | yes | no, and the total shows it |
//! | Gemini | yes | no |
//! | Ollama | yes | yes, not told apart |
//! | Anthropic, Bedrock, Claude Code | no | yes |
//!
//! Explicit zeros are data, and what is not said stays absent. A part that is larger than its whole is cut to it, and
//! counted in `Usage::clamps`. Numbers may come as text, as they do in OTLP.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::money::Money;
use crate::usage::{Bucket, Extra, State, Usage};

/// Whose convention a usage object follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// OpenAI chat completions and responses, and all that speak as they do: OpenRouter, DeepSeek, Mistral, xAI, Groq,
    /// vLLM, Codex.
    OpenAi,
    /// Anthropic messages, Claude Code.
    Anthropic,
    /// Gemini `usageMetadata`.
    Gemini,
    /// The last object of an answer of Ollama.
    Ollama,
    /// Bedrock Converse.
    Bedrock,
}

impl FromStr for Source {
    type Err = NoUsage;

    /// By the provider's name, in any spelling that traces use.
    fn from_str(name: &str) -> Result<Self, NoUsage> {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        Ok(match name.to_ascii_lowercase().as_str() {
            "openai" | "azure" | "azureopenai" | "azureaiopenai" | "azureaiinference" | "openrouter"
            | "deepseek" | "mistral" | "mistralai" | "xai" | "groq" | "moonshotai" | "vllm" | "codex"
            | "litellm" => Self::OpenAi,
            "anthropic" | "claudecode" => Self::Anthropic,
            "gemini" | "google" | "gcpgemini" | "gcpvertexai" | "gcpgenai" | "vertexai" => Self::Gemini,
            "ollama" => Self::Ollama,
            "bedrock" | "awsbedrock" => Self::Bedrock,
            _ => return Err(NoUsage::Source),
        })
    }
}

/// Why there is nothing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoUsage {
    /// No source goes by this name.
    Source,
    /// It is no object.
    NotAnObject,
    /// It has none of the numbers that this source reports.
    NoNumbers,
}

impl fmt::Display for NoUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "no provider is known by this name",
            Self::NotAnObject => "the usage is no object",
            Self::NoNumbers => "the usage has no numbers of tokens",
        })
    }
}

impl std::error::Error for NoUsage {}

/// Reads the object that holds the numbers: of OpenAI and Anthropic the value of `usage`, of Gemini of
/// `usageMetadata`, of Bedrock of `usage`, of Ollama the answer itself.
///
/// ```
/// use logq_tokens::{Bucket, Source, read_usage};
///
/// let usage = serde_json::json!({
///     "input_tokens": 117_231, "input_tokens_details": {"cached_tokens": 115_584}, "output_tokens": 225,
/// });
/// let usage = read_usage(Source::OpenAi, &usage)?;
/// assert_eq!(usage.tokens(Bucket::InUncached), 1_647);
/// assert_eq!(usage.prompt_tokens(), 117_231);
/// # Ok::<(), logq_tokens::NoUsage>(())
/// ```
///
/// # Errors
/// When it is no object, or has neither input nor output.
pub fn read_usage(source: Source, usage: &Value) -> Result<Usage, NoUsage> {
    if !usage.is_object() {
        return Err(NoUsage::NotAnObject);
    }
    let mut reader = Reader { usage: Usage::default(), object: usage };
    match source {
        Source::OpenAi => reader.openai(),
        Source::Anthropic => reader.anthropic(),
        Source::Gemini => reader.gemini(),
        Source::Ollama => reader.ollama(),
        Source::Bedrock => reader.bedrock(),
    }
    let read = reader.usage;
    let any = Bucket::ALL.iter().any(|bucket| read.get(*bucket).state != State::Absent);
    if any { Ok(read) } else { Err(NoUsage::NoNumbers) }
}

/// The number at a path of names; text of digits is a number too. A number below 0 is none.
fn number(object: &Value, path: &str) -> Option<u64> {
    let value = path.split('.').try_fold(object, |value, name| value.get(name))?;
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            // 12.0 is a whole number that some writers make of 12.
            number.to_string().strip_suffix(".0").and_then(|whole| whole.parse().ok())
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

struct Reader<'a> {
    usage: Usage,
    object: &'a Value,
}

impl Reader<'_> {
    /// The first of these paths that holds a number.
    fn first(&self, paths: &[&str]) -> Option<u64> {
        paths.iter().find_map(|path| number(self.object, path))
    }

    fn put(&mut self, bucket: Bucket, tokens: Option<u64>) {
        if let Some(tokens) = tokens {
            self.usage.set(bucket, tokens, State::Reported);
        }
    }

    /// Takes what is reported of `parts` out of the whole; the rest goes to `rest`.
    fn split(&mut self, whole: Option<u64>, rest: Bucket, parts: &[(Bucket, Option<u64>)]) {
        let Some(mut left) = whole else {
            parts.iter().for_each(|(bucket, part)| self.put(*bucket, *part));
            return;
        };
        for (bucket, part) in parts {
            let Some(part) = part else { continue };
            let (rest, taken) = self.usage.rest(left, *part);
            left = rest;
            self.usage.set(*bucket, taken, State::Reported);
        }
        self.usage.set(rest, left, State::Reported);
    }

    /// Tokens of a modality that are in a bucket already. None are not worth a word.
    fn modality(&mut self, name: &str, tokens: Option<u64>) {
        if let Some(tokens) = tokens.filter(|tokens| *tokens != 0) {
            self.usage.extra.push(Extra { name: name.into(), tokens, included: true });
        }
    }

    fn openai(&mut self) {
        let input = self.first(&["prompt_tokens", "input_tokens"]);
        let output = self.first(&["completion_tokens", "output_tokens"]);
        let cached = self.first(&[
            "prompt_tokens_details.cached_tokens",
            "input_tokens_details.cached_tokens",
            "prompt_cache_hit_tokens",
            "num_cached_tokens",
            "cached_input_tokens",
            "cached_tokens",
        ]);
        let written = self.first(&[
            "prompt_tokens_details.cache_write_tokens",
            "input_tokens_details.cache_write_tokens",
            "cache_write_tokens",
        ]);
        let reasoning = self.first(&[
            "completion_tokens_details.reasoning_tokens",
            "output_tokens_details.reasoning_tokens",
            "reasoning_output_tokens",
        ]);
        let total = self.first(&["total_tokens"]);
        self.split(
            input,
            Bucket::InUncached,
            &[(Bucket::InCacheRead, cached), (Bucket::InCacheWriteOther, written)],
        );
        // The total tells of a provider whose output leaves the thought out.
        let sum =
            [input, output, reasoning].iter().map(|part| part.unwrap_or(0)).fold(0, u64::saturating_add);
        if reasoning.is_some_and(|reasoning| reasoning != 0) && total == Some(sum) {
            self.put(Bucket::OutText, output);
            self.put(Bucket::OutReasoning, reasoning);
        } else {
            self.split(output, Bucket::OutText, &[(Bucket::OutReasoning, reasoning)]);
        }
        if input.is_none() && output.is_none() {
            self.put(Bucket::Unattributed, total);
        }
        self.usage.total_reported = total;
        for (name, details) in [
            ("in", "prompt_tokens_details"),
            ("in", "input_tokens_details"),
            ("out", "completion_tokens_details"),
            ("out", "output_tokens_details"),
        ] {
            for modality in ["audio", "image", "video"] {
                let tokens = number(self.object, &format!("{details}.{modality}_tokens"));
                self.modality(&format!("{name}_{modality}"), tokens);
            }
        }
        self.usage.cost_reported = self.object.get("cost").and_then(|cost| match cost {
            Value::Number(cost) => Money::parse(&cost.to_string()),
            Value::String(cost) => Money::parse(cost),
            _ => None,
        });
    }

    fn anthropic(&mut self) {
        self.put(Bucket::InUncached, number(self.object, "input_tokens"));
        self.put(Bucket::InCacheRead, number(self.object, "cache_read_input_tokens"));
        let all = number(self.object, "cache_creation_input_tokens");
        let short = number(self.object, "cache_creation.ephemeral_5m_input_tokens");
        let long = number(self.object, "cache_creation.ephemeral_1h_input_tokens");
        // The parts are the truth where there are any; a sum beside parts of nothing has no parts.
        let parts = short.unwrap_or(0).saturating_add(long.unwrap_or(0));
        if parts != 0 || all.is_none_or(|all| all == 0) {
            self.put(Bucket::InCacheWrite5m, short);
            self.put(Bucket::InCacheWrite1h, long);
        } else {
            self.put(Bucket::InCacheWriteOther, all);
        }
        let thinking = number(self.object, "output_tokens_details.thinking_tokens");
        self.split(
            number(self.object, "output_tokens"),
            Bucket::OutText,
            &[(Bucket::OutReasoning, thinking)],
        );
    }

    fn gemini(&mut self) {
        let prompt = number(self.object, "promptTokenCount");
        let tools = number(self.object, "toolUsePromptTokenCount");
        let input = match (prompt, tools) {
            (None, None) => None,
            (prompt, tools) => Some(prompt.unwrap_or(0).saturating_add(tools.unwrap_or(0))),
        };
        self.split(
            input,
            Bucket::InUncached,
            &[(Bucket::InCacheRead, number(self.object, "cachedContentTokenCount"))],
        );
        self.put(Bucket::OutText, number(self.object, "candidatesTokenCount"));
        self.put(Bucket::OutReasoning, number(self.object, "thoughtsTokenCount"));
        self.usage.total_reported = number(self.object, "totalTokenCount");
        for (name, details) in [("in", "promptTokensDetails"), ("out", "candidatesTokensDetails")] {
            for part in self.object.get(details).and_then(Value::as_array).into_iter().flatten() {
                let modality = part.get("modality").and_then(Value::as_str).unwrap_or("TEXT");
                if modality != "TEXT" {
                    let name = format!("{name}_{}", modality.to_ascii_lowercase());
                    self.modality(&name, number(part, "tokenCount"));
                }
            }
        }
    }

    /// Old servers leave the prompt's number out when all of it was cached: that is absent, and not 0.
    fn ollama(&mut self) {
        let cached = number(self.object, "prompt_eval_cached_count");
        self.split(
            number(self.object, "prompt_eval_count"),
            Bucket::InUncached,
            &[(Bucket::InCacheRead, cached)],
        );
        self.put(Bucket::OutText, number(self.object, "eval_count"));
    }

    fn bedrock(&mut self) {
        self.put(Bucket::InUncached, number(self.object, "inputTokens"));
        self.put(Bucket::InCacheRead, self.first(&["cacheReadInputTokens", "cacheReadInputTokenCount"]));
        let written = self.first(&["cacheWriteInputTokens", "cacheWriteInputTokenCount"]);
        let details =
            self.object.get("cacheDetails").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let by_ttl = |ttl: &str| {
            let of_ttl = details.iter().filter(|part| part.get("ttl").and_then(Value::as_str) == Some(ttl));
            of_ttl.filter_map(|part| number(part, "inputTokens")).reduce(u64::saturating_add)
        };
        let parts = [(Bucket::InCacheWrite5m, by_ttl("5m")), (Bucket::InCacheWrite1h, by_ttl("1h"))];
        if parts.iter().all(|(_, part)| part.is_none()) {
            self.put(Bucket::InCacheWriteOther, written);
        } else {
            self.split(written, Bucket::InCacheWriteOther, &parts);
        }
        self.put(Bucket::OutText, number(self.object, "outputTokens"));
        self.usage.total_reported = number(self.object, "totalTokens");
    }
}
