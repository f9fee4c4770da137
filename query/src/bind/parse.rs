//! `parse`: patterns and regexes to what finds columns in a text.

use regex::{Regex, RegexBuilder};

use super::Binder;
use crate::ast::{Name, Parse, Place};
use crate::diagnostic::Diagnostic;
use crate::plan::{Cast, Parsing, Reader, Stage};
use crate::token::Span;

/// Bytes of a compiled regex.
const REGEX_SIZE_MAX: usize = 1 << 20;

/// The names of types in a pattern.
const CASTS: [(&str, Cast); 6] = [
    ("string", Cast::Text),
    ("int", Cast::Int),
    ("number", Cast::Number),
    ("float", Cast::Number),
    ("duration", Cast::Duration),
    ("text", Cast::Text),
];

impl Binder {
    /// `| parse ... from field`
    pub(super) fn parse(&mut self, how: &Parse, from: Option<&Name>, shown: String, place: Place) {
        let message = Name { place, ..Name::new("message") };
        let from = self.column(from.unwrap_or(&message));
        let how = match how {
            Parse::Pattern(pattern) => {
                let found = pattern_regex(&pattern.text, pattern.place.0);
                self.note(found)
            }
            Parse::Regex(regex) => {
                let found = named_groups(&regex.pattern, regex.ignore_case, regex.place.0);
                self.note(found)
            }
            Parse::Json | Parse::Logfmt if !self.schema.open => {
                let problem = Diagnostic::error("Q0206", place.0, "this reads records, these rows are none");
                self.problems
                    .push(problem.help("put `parse` before the records are grouped or cut to columns"));
                None
            }
            Parse::Json => Some(Reader::Json),
            Parse::Logfmt => Some(Reader::Logfmt),
        };
        let Some(how) = how else { return };
        if let Reader::Regex(_, groups) = &how {
            for (name, _) in groups {
                if !self.schema.columns.contains(name) {
                    self.schema.columns.push(name.clone());
                }
            }
        }
        self.stages.push(Stage::Parse(Parsing { from, how, shown }));
    }
}

fn compile(pattern: &str, ignore_case: bool, place: Span) -> Result<Regex, Diagnostic> {
    let regex = RegexBuilder::new(pattern).case_insensitive(ignore_case).size_limit(REGEX_SIZE_MAX).build();
    regex.map_err(|wrong| {
        let text = wrong.to_string();
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Diagnostic::error("Q0302", place, format!("this regex cannot be used: {last}"))
            .help("the syntax is that of Rust's regex crate: no look-around, no back-references")
    })
}

fn named_groups(pattern: &str, ignore_case: bool, place: Span) -> Result<Reader, Diagnostic> {
    let regex = compile(pattern, ignore_case, place)?;
    let groups: Vec<(String, Cast)> =
        regex.capture_names().flatten().map(|name| (name.to_owned(), Cast::Text)).collect();
    if groups.is_empty() {
        let problem = Diagnostic::error("Q0302", place, "this regex names no columns");
        return Err(problem.help("name its groups: `/took (?<took>[0-9]+)/`"));
    }
    Ok(Reader::Regex(regex, groups))
}

/// A pattern as a regex: a column takes as little as what follows it lets it, the last one all that is left.
fn pattern_regex(pattern: &str, place: Span) -> Result<Reader, Diagnostic> {
    let wrong = |message: String| {
        Diagnostic::error("Q0306", place, message)
            .help("columns are written `{name}` or `{name:int}`, `{}` skips; types are string, int, number, duration")
    };
    let mut groups: Vec<(String, Cast)> = Vec::new();
    let mut regex = String::from("(?s)");
    let mut rest = pattern;
    let mut open_end = false;
    while let Some((before, after)) = rest.split_once('{') {
        if before.is_empty() && rest.len() == pattern.len() {
            regex.push('^');
        } else if before.is_empty() {
            return Err(wrong("two columns need something between them".to_owned()));
        }
        regex.push_str(&regex::escape(before));
        let Some((column, after)) = after.split_once('}') else {
            return Err(wrong("this `{` is never closed".to_owned()));
        };
        let (name, kind) = column.split_once(':').unwrap_or((column, "string"));
        let Some((_, cast)) = CASTS.iter().find(|(have, _)| *have == kind) else {
            return Err(wrong(format!("unknown type `{kind}`")));
        };
        open_end = after.is_empty();
        let run = if open_end { ".*" } else { ".*?" };
        if name.is_empty() {
            regex.push_str(run);
        } else if groups.iter().any(|(have, _)| have == name) {
            return Err(wrong(format!("two columns are called `{name}`")));
        } else {
            regex.push_str(&format!("(?<g{}>{run})", groups.len()));
            groups.push((name.to_owned(), *cast));
        }
        rest = after;
    }
    if groups.is_empty() {
        return Err(wrong("this pattern names no columns".to_owned()));
    }
    regex.push_str(&regex::escape(rest));
    if open_end {
        regex.push('$');
    }
    Ok(Reader::Regex(compile(&regex, false, place)?, groups))
}
