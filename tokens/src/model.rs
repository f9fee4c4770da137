//! Models: which encoding counts for a model, and how sure that is.
//!
//! The map of OpenAI's models is that of tiktoken-rs. Models of others have vocabularies that are not public, or not
//! free to embed; for the families below an encoding of OpenAI stands in, corrected as the family needs, and the count
//! is an estimate. How far each is off was measured with splintr 0.22 and its vocabularies on 380 KB in 14 kinds of text
//! (prompts, answers, code, logs, JSON, sessions, 16 languages); `Proxy::error` gives the range over the kinds. Two things
//! explain most of what is between families: whether each digit is a token of its own, and how scripts other than Latin are cut.

use crate::encoding::Encoding;
use crate::name;

/// What stands in for a vocabulary that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// The models it stands in for: `llama3`, `qwen`, or `unknown`.
    pub family: &'static str,
    /// The encoding that is counted with.
    pub encoding: Encoding,
    /// Whether each decimal digit is a token of its own, where the encoding takes up to three together.
    pub single_digits: bool,
    /// What the count is multiplied by, in thousandths.
    pub scale_permille: u64,
    /// The measured error: on English, code, logs and JSON, then on other languages.
    pub error: &'static str,
}

const NOT_MEASURED: &str = "not measured: no public tokenizer";

/// Families by what their names hold; the first match counts. Measured as the module says.
const FAMILIES: &[(&[&str], Proxy)] = &[
    (
        &["llama3", "llama-3", "llama_3", "llama-v3"],
        Proxy {
            family: "llama3",
            encoding: Encoding::O200kBase,
            single_digits: false,
            scale_permille: 1000,
            error: "-0.9 to +1.9 % on English, code, logs and JSON; -2.6 to +5.4 % on Chinese, Japanese and Korean; down to -19 % on Arabic, Hindi, Russian and Urdu",
        },
    ),
    (
        &[
            "llama2",
            "llama-2",
            "codellama",
            "code-llama",
            "tinyllama",
            "vicuna",
            "mistral-7b",
            "mistral:7b",
            "mixtral",
        ],
        Proxy {
            family: "llama2",
            encoding: Encoding::O200kBase,
            single_digits: true,
            scale_permille: 1180,
            error: "-11 to +8 % on English, code, logs and JSON; -12 to -40 % on other languages",
        },
    ),
    (
        &["qwen", "qwq"],
        Proxy {
            family: "qwen",
            encoding: Encoding::O200kBase,
            single_digits: true,
            scale_permille: 1000,
            error: "-0.9 to +1.9 % on English, code, logs and JSON; -8.4 to +11 % on Chinese, Japanese and Korean; down to -20 % on Arabic, Hindi, Russian and Urdu",
        },
    ),
    (
        &["gemma"],
        Proxy {
            family: "gemma",
            encoding: Encoding::O200kBase,
            single_digits: true,
            scale_permille: 1080,
            error: "-8.5 to +4 % on English, code, logs and JSON; -1.3 % on Chinese, +12 % on Korean, +45 % on Japanese",
        },
    ),
    (
        &["gemini"],
        Proxy {
            family: "gemini",
            encoding: Encoding::O200kBase,
            single_digits: true,
            scale_permille: 1080,
            error: "not measured: no public tokenizer; corrected as gemma is",
        },
    ),
    (
        &["mistral", "ministral", "magistral", "devstral", "pixtral"],
        Proxy {
            family: "mistral",
            encoding: Encoding::O200kBase,
            single_digits: true,
            scale_permille: 1035,
            error: "-2 to +1.9 % on English, code, logs and JSON; -10 to +3.3 % on other languages",
        },
    ),
    (
        &["deepseek"],
        Proxy {
            family: "deepseek",
            encoding: Encoding::O200kBase,
            single_digits: false,
            scale_permille: 1040,
            error: "-3.1 to +3.8 % on English, code, logs and JSON; -13 to +21 % on other languages",
        },
    ),
    (
        &["glm"],
        Proxy {
            family: "glm",
            encoding: Encoding::O200kBase,
            single_digits: false,
            scale_permille: 1010,
            error: "-4.1 to +3 % on English, code, logs and JSON; -21 to +12 % on other languages",
        },
    ),
    (
        &["kimi", "moonshot"],
        Proxy {
            family: "kimi",
            encoding: Encoding::O200kBase,
            single_digits: false,
            scale_permille: 1000,
            error: "-1 to +2.3 % on English, code, logs and JSON; -19 to +9.5 % on other languages",
        },
    ),
    (
        &["phi-4", "phi4", "olmo-2", "olmo2"],
        Proxy {
            family: "phi4",
            encoding: Encoding::Cl100kBase,
            single_digits: false,
            scale_permille: 1000,
            error: "0.0 % on all kinds of text that were measured: its vocabulary is cl100k's",
        },
    ),
    (
        &["claude"],
        Proxy {
            family: "claude",
            encoding: Encoding::O200kBase,
            single_digits: false,
            scale_permille: 1000,
            error: NOT_MEASURED,
        },
    ),
];

/// For a model that nothing is known about.
const UNKNOWN: Proxy = Proxy {
    family: "unknown",
    encoding: Encoding::O200kBase,
    single_digits: false,
    scale_permille: 1000,
    error: "not measured: the model is not known",
};

/// How the tokens of a model's text are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokenizer {
    encoding: Encoding,
    proxy: Option<&'static Proxy>,
}

impl Tokenizer {
    /// The way to count for a model, by any of the names it goes by: `gpt-4o-2024-05-13`, `openai/gpt-4o`,
    /// `ft:gpt-4o:org::id`, `us.meta.llama3-2-3b-instruct-v1:0`, `llama3.2:3b`. Never fails: a model that is not
    /// known is counted as by `o200k_base`, and the count is an estimate.
    ///
    /// ```
    /// use logq_tokens::{Encoding, Tokenizer};
    ///
    /// assert_eq!(Tokenizer::of_model("openai/gpt-4o").encoding(), Encoding::O200kBase);
    /// assert!(Tokenizer::of_model("openai/gpt-4o").is_exact());
    /// assert_eq!(Tokenizer::of_model("llama3.2:3b").proxy().map(|proxy| proxy.family), Some("llama3"));
    /// ```
    #[must_use]
    pub fn of_model(model: &str) -> Self {
        let name = model.trim().to_ascii_lowercase();
        if let Some(encoding) = exact(&name::bare(model)) {
            return encoding.into();
        }
        let family = FAMILIES.iter().find(|(parts, _)| parts.iter().any(|part| name.contains(part)));
        // What Ollama calls `mistral` is the 7B model with the older vocabulary.
        let proxy = match family {
            Some((_, proxy)) if proxy.family == "mistral" && base(&name) == "mistral" => FAMILIES
                .iter()
                .map(|(_, proxy)| proxy)
                .find(|proxy| proxy.family == "llama2")
                .unwrap_or(proxy),
            Some((_, proxy)) => proxy,
            None => &UNKNOWN,
        };
        Self { encoding: proxy.encoding, proxy: Some(proxy) }
    }

    /// The encoding that is counted with.
    #[must_use]
    pub fn encoding(self) -> Encoding {
        self.encoding
    }

    /// What stands in for the model's own vocabulary, when it is not OpenAI's.
    #[must_use]
    pub fn proxy(self) -> Option<&'static Proxy> {
        self.proxy
    }

    /// Whether the model's own vocabulary is counted with.
    #[must_use]
    pub fn is_exact(self) -> bool {
        self.proxy.is_none()
    }
}

impl From<Encoding> for Tokenizer {
    fn from(encoding: Encoding) -> Self {
        Self { encoding, proxy: None }
    }
}

/// The name behind the last slash, without a tag.
fn base(name: &str) -> &str {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split(':').next().unwrap_or(last)
}

/// The encoding of a model of OpenAI.
fn exact(bare: &str) -> Option<Encoding> {
    let known = |name: &str| tiktoken_rs::tokenizer::get_tokenizer(name).and_then(encoding);
    if bare.starts_with("ft:") {
        return known(bare);
    }
    // A tag is the rest of the name: `gpt-oss:20b` is gpt-oss-20b.
    known(bare).or_else(|| known(&bare.replacen(':', "-", 1))).or_else(|| known(base(bare)))
}

fn encoding(tokenizer: tiktoken_rs::tokenizer::Tokenizer) -> Option<Encoding> {
    // By name: the map may learn encodings that are not counted here.
    match format!("{tokenizer:?}").as_str() {
        "O200kHarmony" => Some(Encoding::O200kHarmony),
        "O200kBase" => Some(Encoding::O200kBase),
        "Cl100kBase" => Some(Encoding::Cl100kBase),
        "P50kBase" => Some(Encoding::P50kBase),
        "P50kEdit" => Some(Encoding::P50kEdit),
        "R50kBase" | "Gpt2" => Some(Encoding::R50kBase),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn exactly(models: &[&str], want: Encoding) {
        for model in models {
            let got = Tokenizer::of_model(model);
            assert_eq!((got.encoding(), got.is_exact()), (want, true), "{model}");
        }
    }

    #[track_caller]
    fn estimated(models: &[&str], family: &str) {
        for model in models {
            let got = Tokenizer::of_model(model);
            assert_eq!(got.proxy().map(|proxy| proxy.family), Some(family), "{model}");
        }
    }

    #[test]
    fn models_of_openai_are_exact_under_every_name_they_go_by() {
        exactly(
            &[
                "gpt-4o",
                "openai/gpt-4o",
                "GPT-4o-2024-05-13",
                "chatgpt-4o-latest",
                "ft:gpt-4o:org:name:id",
                "gpt-4.1-mini",
                "gpt-5",
                "openrouter/openai/gpt-5.2-codex",
                "o1",
                "o3-mini",
                "o4-mini",
                "azure/gpt-4o-mini",
                "gpt-4o:extended",
            ],
            Encoding::O200kBase,
        );
        exactly(&["gpt-oss:20b", "gpt-oss-120b", "openai.gpt-oss-20b-1:0"], Encoding::O200kHarmony);
        exactly(
            &[
                "gpt-4",
                "gpt-4-turbo",
                "gpt-3.5-turbo-0125",
                "gpt-35-turbo",
                "text-embedding-3-small",
                "ft:gpt-3.5-turbo:x:1",
            ],
            Encoding::Cl100kBase,
        );
        exactly(&["text-davinci-003", "code-davinci-002"], Encoding::P50kBase);
        exactly(&["text-davinci-edit-001"], Encoding::P50kEdit);
        exactly(&["davinci", "gpt2"], Encoding::R50kBase);
    }

    #[test]
    fn other_models_are_estimated_by_their_family() {
        estimated(
            &[
                "llama3.2",
                "llama3.2:3b",
                "meta-llama/Llama-3.2-3B-Instruct",
                "us.meta.llama3-2-3b-instruct-v1:0",
                "hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M",
                "accounts/fireworks/models/llama-v3p1-8b-instruct",
            ],
            "llama3",
        );
        estimated(
            &["llama2:7b", "codellama", "mistral", "mistral:7b", "mistralai/Mistral-7B-v0.1"],
            "llama2",
        );
        estimated(&["mistral-small-latest", "mistral-large-2411"], "mistral");
        estimated(&["qwen3:8b", "Qwen/QwQ-32B"], "qwen");
        estimated(&["claude-sonnet-4-20250514", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"], "claude");
        estimated(&["gemini-2.5-pro"], "gemini");
        estimated(&["gpt-6", "o5", "my-own-model", "", "ft:", "ft:my-own-model:x", "/", ":"], "unknown");
    }
}
