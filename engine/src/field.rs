//! Field names that the engine knows: they have a number on disk, and some have a unit.
//!
//! Numbers are stored and never reused; a name may be added at the end. Names that begin with `_` are
//! made by the engine; a user's key of such a name is stored under one more `_`.

/// The highest number a known field may have; larger references name a custom field of the same frame.
pub(crate) const KNOWN_MAX: u32 = 127;

macro_rules! known {
    ($($number:literal $name:literal,)*) => {
        /// The number of a known field.
        pub(crate) fn number(name: &str) -> Option<u8> {
            match name { $($name => Some($number),)* _ => None }
        }

        /// The name of a known field.
        pub(crate) fn name(number: u32) -> Option<&'static str> {
            match number { $($number => Some($name),)* _ => None }
        }

        #[cfg(test)]
        const ALL: &[(u8, &str)] = &[$(($number, $name)),*];
    };
}

known! {
    1 "level", 2 "kind", 3 "source", 4 "message", 5 "importance", 6 "operation", 7 "model", 8 "provider",
    9 "session", 10 "user", 11 "trace", 12 "span", 13 "prompt_tokens", 14 "response_tokens",
    15 "cached_tokens", 16 "cache_write_tokens", 17 "reasoning_tokens", 18 "estimated_tokens",
    19 "total_tokens", 20 "latency", 21 "ttft", 22 "cost", 23 "prompt", 24 "response", 25 "status",
    26 "error", 27 "context_type", 28 "original_size", 29 "optimized_size", 30 "method",
    31 "_level", 32 "_time", 33 "_flags",
    34 "component", 35 "event", 36 "name", 37 "host", 38 "service", 39 "tool", 40 "logger", 41 "thread",
    42 "pid", 43 "request_id", 44 "message_id", 45 "url", 46 "path", 47 "version", 48 "type", 49 "id",
    50 "parent", 51 "role", 52 "finish_reason", 53 "temperature", 54 "attempt", 55 "duration",
}

pub(crate) const LEVEL: u8 = 1;
pub(crate) const ORIGINAL_LEVEL: u8 = 31;
pub(crate) const ORIGINAL_TIME: u8 = 32;
pub(crate) const FLAGS: u8 = 33;

/// How the engine normalises a known field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Plain,
    Level,
    /// A bare number is milliseconds.
    Duration,
    /// A bare number is US dollars.
    Cost,
}

/// The unit of the known field `number`.
pub(crate) fn unit(number: u8) -> Unit {
    match number {
        LEVEL => Unit::Level,
        20 | 21 => Unit::Duration,
        22 => Unit::Cost,
        _ => Unit::Plain,
    }
}

/// Whether a bare word or phrase in a query looks into this known field: level, kind, status and the
/// engine's own fields are not text that the user searches.
pub(crate) fn searchable(number: u32) -> bool {
    !matches!(number, 1 | 2 | 25 | 31..=33)
}

/// Whether a known field holds long texts that are stored again and again and read seldom.
pub(crate) fn is_body(number: u8) -> bool {
    matches!(number, 23 | 24)
}

/// Whether a field is a body, or nested in one.
pub(crate) fn is_body_name(name: &str) -> bool {
    let first = name.split_once('.').map_or(name, |(first, _)| first);
    number(first).is_some_and(is_body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_one_to_one() {
        for (at, &(known, text)) in ALL.iter().enumerate() {
            assert_eq!(usize::from(known), at + 1, "{text}");
            assert_eq!(number(text), Some(known));
            assert_eq!(name(u32::from(known)), Some(text));
        }
        let bodies = ["prompt", "response", "prompt.system", "response.choices.text"];
        let others = ["prompt_tokens", "message", "_prompt", "promptly", "my.prompt", "message.prompt", ""];
        assert!(bodies.into_iter().all(is_body_name) && !others.into_iter().any(is_body_name));
        assert_eq!(number("_level"), Some(ORIGINAL_LEVEL));
        assert_eq!(number("_flags"), Some(FLAGS));
    }
}
