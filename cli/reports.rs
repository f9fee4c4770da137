//! Named queries: `@daily` stands for the query of that name, of `logq.toml` or of the table below.

use crate::config::Config;
use crate::exit::{Failure, Outcome};

/// What stands before a name.
const MARK: char = '@';

/// The names that every store knows; docs/REPORTS.md explains them.
pub(crate) const NAMED: [(&str, &str); 10] = [
    ("daily", "usage per 1d last 30d"),
    ("weekly", "usage per 1w last 12w"),
    ("monthly", "usage per 1mo last 12mo"),
    ("models", "usage by model last 30d"),
    ("sessions", "usage by session last 7d top 20"),
    ("users", "usage by user last 30d top 20"),
    ("blocks", "usage per 5h last 2d"),
    (
        "burn",
        "tokens sum(total_tokens) as used, rate(total_tokens) as per_second last 1h | set per_minute = per_second * 60 \
         | set in_a_day = per_second * 86400 | keep used, per_minute, in_a_day",
    ),
    ("month", "usage this month"),
    (
        "block",
        "budget where name=block | set elapsed = 5h - resets_in | set per_minute = used / (elapsed / 1m) \
         | set projected = used * (5h / elapsed) | keep scope, used, ratio, elapsed, per_minute, projected, resets_in, status",
    ),
];

/// The text of a query: that of its name, where it is one, with what follows the name behind its first step.
///
/// # Errors
/// A name that nobody knows.
pub(crate) fn resolve(config: &Config, text: &str) -> Outcome<String> {
    let Some(rest) = text.trim_start().strip_prefix(MARK) else { return Ok(text.to_owned()) };
    let (name, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let own = &config.file()?.queries;
    let known = own.iter().find(|(known, _)| known == name).map(|(_, query)| query.as_str());
    let known = known.or_else(|| NAMED.iter().find(|(known, _)| *known == name).map(|(_, query)| *query));
    let Some(query) = known else {
        let mut names: Vec<&str> = own.iter().map(|(name, _)| name.as_str()).collect();
        names.extend(
            NAMED.iter().map(|(name, _)| *name).filter(|name| !own.iter().any(|(own, _)| own == name)),
        );
        return Err(Failure::bad(format!("no query has the name `{MARK}{name}`"))
            .help(format!("there are {MARK}{}", names.join(&format!(", {MARK}")))));
    };
    if more.trim().is_empty() {
        return Ok(query.to_owned());
    }
    // A pipe inside of quotes is none; a query that has one there is better asked by itself.
    Ok(match query.split_once(" | ") {
        Some((first, rest)) => format!("{first} {more} | {rest}"),
        None => format!("{query} {more}"),
    })
}
