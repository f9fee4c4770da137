//! Words that mean something: nouns, keywords, other spellings of fields.

/// Every noun of the language.
pub const NOUNS: [&str; 20] = [
    "events",
    "tokens",
    "cost",
    "usage",
    "budget",
    "latency",
    "errors",
    "operations",
    "models",
    "sessions",
    "sources",
    "session",
    "trace",
    "patterns",
    "context",
    "memory",
    "fields",
    "values",
    "storage",
    "health",
];

/// Words that open a clause.
pub(crate) const CLAUSES: [&str; 19] = [
    "where",
    "by",
    "per",
    "last",
    "since",
    "until",
    "between",
    "on",
    "today",
    "yesterday",
    "this",
    "previous",
    "around",
    "tz",
    "top",
    "bottom",
    "sort",
    "limit",
    "vs",
];

/// Words besides [`CLAUSES`] that text made of them has to be quoted for.
const OTHER_KEYWORDS: [&str; 8] = ["context", "and", "or", "not", "explain", "profile", "as", "all"];

/// Words that begin a pipe.
pub(crate) const PIPES: [&str; 16] = [
    "where", "stats", "top", "bottom", "sort", "limit", "keep", "drop", "rename", "dedup", "set", "gap",
    "fill", "parse", "unroll", "sample",
];

/// Whether `text` is a keyword, in any case.
pub(crate) fn is_keyword(text: &str) -> bool {
    CLAUSES.iter().chain(&OTHER_KEYWORDS).any(|word| text.eq_ignore_ascii_case(word))
}

/// Words that make a term together with the field before them.
pub(crate) const FIELD_WORDS: [&str; 8] =
    ["exists", "missing", "in", "contains", "starts", "ends", "like", "cidr"];

/// Other names of a field: exact spelling, in their own order of preference at import.
pub(crate) const ALIASES: [(&str, &str); 11] = [
    ("model_name", "model"),
    ("gen_ai.request.model", "model"),
    ("ts", "time"),
    ("timestamp", "time"),
    ("@timestamp", "time"),
    ("msg", "message"),
    ("severity", "level"),
    ("levelname", "level"),
    ("input_tokens", "prompt_tokens"),
    ("completion_tokens", "response_tokens"),
    ("output_tokens", "response_tokens"),
];

/// Whether `text` reads as one name, and as itself, without backticks, in conditions and in arithmetic.
pub(super) fn is_plain(text: &str) -> bool {
    let word = !text.is_empty()
        && text.chars().enumerate().all(|(at, c)| {
            c.is_alphabetic() || matches!(c, '_' | '@') || (0 < at && (c.is_alphanumeric() || c == '.'))
        });
    let taken = |words: &[&str]| words.iter().any(|w| text.eq_ignore_ascii_case(w));
    let alias = ALIASES.iter().any(|(alias, _)| *alias == text);
    word && !alias && !is_keyword(text) && !taken(&FIELD_WORDS) && !taken(&["asc", "desc", "if"])
}
