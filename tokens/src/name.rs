//! Names of models, without what hosts and routers put around them.

/// What stands before the name, behind the last slash.
const HOSTS: &[&str] = &[
    "us.",
    "eu.",
    "apac.",
    "global.",
    "openai.",
    "meta.",
    "anthropic.",
    "mistral.",
    "deepseek.",
    "qwen.",
    "google.",
];

/// The name in lower case, behind the last slash, without a host: `gpt-4o` of `openrouter/openai/GPT-4o`.
pub(crate) fn bare(model: &str) -> String {
    let lower = model.trim().to_ascii_lowercase();
    let mut last = lower.rsplit('/').next().unwrap_or(&lower);
    while let Some(rest) = HOSTS.iter().find_map(|host| last.strip_prefix(host)) {
        last = rest;
    }
    last.to_owned()
}

/// The name without what tells its editions apart: a date, `-latest`, a version of Bedrock. `None` when nothing of that
/// kind ends it. A tag of words, such as `:free`, stays: it is another product.
pub(crate) fn without_edition(name: &str) -> Option<&str> {
    let digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((before, tag)) = name.rsplit_once(':') {
        return (!tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_digit())).then_some(before);
    }
    if let Some((before, date)) = name.rsplit_once('@') {
        return digits(date, 8).then_some(before);
    }
    if let Some(before) = name.strip_suffix("-latest") {
        return Some(before);
    }
    let (before, last) = name.rsplit_once('-')?;
    let is_version = last.strip_prefix('v').is_some_and(|number| digits(number, 1));
    if digits(last, 8) || is_version {
        return Some(before);
    }
    let (before, month) = before.rsplit_once('-')?;
    let (before, year) = before.rsplit_once('-')?;
    (digits(last, 2) && digits(month, 2) && digits(year, 4)).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_editions_come_off() {
        for (model, want) in [
            ("openrouter/openai/GPT-4o", "gpt-4o"),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
            ("gpt-4o-2024-08-06", "gpt-4o"),
            ("claude-3-7-sonnet@20250219", "claude-3-7-sonnet"),
            ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
            ("deepseek-chat:free", "deepseek-chat:free"),
            ("gpt-4-0314", "gpt-4-0314"),
            ("llama3.2:3b", "llama3.2:3b"),
            ("", ""),
            ("-", "-"),
        ] {
            let mut name = bare(model);
            while let Some(shorter) = without_edition(&name) {
                name = shorter.to_owned();
            }
            assert_eq!(name, want, "{model}");
        }
    }
}
