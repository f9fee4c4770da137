//! Diagnostics: what is wrong with a query, where, and what to write instead.
//!
//! Codes are stable: `Q00xx` the text as such and its limits, `Q01xx` names, `Q02xx` grammar, `Q03xx` values,
//! `Q04xx` time, `Q05xx` habits of other languages, `Q09xx` parts of the language that this version does not have.

use std::fmt;

use crate::token::Span;

/// How many columns of the query a rendering shows around the place.
const SHOWN_COLUMNS_MAX: usize = 120;
/// Names longer than this are not compared with others: it would cost time and find nothing.
const NAME_MAX: usize = 64;

/// Whether there is still an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The query has no answer.
    Error,
    /// The query is answered; the reader should know this.
    Warning,
}

/// One problem of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A stable code such as `Q0102`.
    pub code: &'static str,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), span, help: None }
    }

    /// A warning.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what to do, where there is something.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// The diagnostic for people: message, the line of `text` with the place underlined, help. No line end at the end.
    ///
    /// ```
    /// use logq_query::{Diagnostic, Span};
    /// let problem = Diagnostic::error("Q0201", Span::new(7, 12), "unexpected word").help("remove it");
    /// assert_eq!(
    ///     problem.render("events wheer x=1"),
    ///     "error Q0201: unexpected word\n  events wheer x=1\n         ^^^^^\n  help: remove it",
    /// );
    /// ```
    pub fn render(&self, text: &str) -> String {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let excerpt = Excerpt::of(text, self.span);
        let mut out = format!("{word} {}: {}\n  {}\n  ", self.code, self.message, excerpt.line);
        out.extend(std::iter::repeat_n(' ', excerpt.indent));
        out.extend(std::iter::repeat_n('^', excerpt.width.max(1)));
        if let Some(help) = &self.help {
            out.push_str("\n  help: ");
            out.push_str(help);
        }
        out
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        match &self.help {
            Some(help) => write!(f, " (help: {help})"),
            None => Ok(()),
        }
    }
}

/// All diagnostics of a query for people, one after the other.
pub fn render(diagnostics: &[Diagnostic], text: &str) -> String {
    diagnostics.iter().map(|d| d.render(text)).collect::<Vec<_>>().join("\n")
}

/// The line around a span, cut to a width that a terminal shows, with the place counted in columns.
struct Excerpt {
    line: String,
    indent: usize,
    width: usize,
}

impl Excerpt {
    fn of(text: &str, span: Span) -> Self {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end).max(start);
        let line_start = text.get(..start).and_then(|head| head.rfind('\n')).map_or(0, |at| at + 1);
        let line_end = text.get(start..).and_then(|tail| tail.find('\n')).map_or(text.len(), |at| start + at);
        let before = columns(text.get(line_start..start).unwrap_or_default());
        let marked = columns(text.get(start..end.min(line_end)).unwrap_or_default());
        let after = columns(text.get(end.min(line_end)..line_end).unwrap_or_default());
        // Keep some of what stands before the place, then the place, then what follows.
        let room = SHOWN_COLUMNS_MAX;
        let cut_front =
            if before.len() + marked.len() <= room { 0 } else { before.len().saturating_sub(room / 3) };
        let mut line = String::new();
        let mut indent = 0;
        if cut_front != 0 {
            line.push_str("...");
            indent += 3;
        }
        for (shown, width) in before.iter().skip(cut_front) {
            line.push_str(shown);
            indent += width;
        }
        let mut width = 0;
        let mut used = indent;
        for (shown, columns) in &marked {
            if room <= width {
                break;
            }
            line.push_str(shown);
            width += columns;
        }
        used += width;
        let mut cut = width < marked.iter().map(|(_, w)| w).sum();
        for (shown, columns) in &after {
            if cut || room.max(indent + width) < used {
                cut = true;
                break;
            }
            line.push_str(shown);
            used += columns;
        }
        if cut {
            line.push_str("...");
        }
        Self { line, indent, width }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Each character as it may be shown on a terminal, and how many columns it takes there.
fn columns(text: &str) -> Vec<(String, usize)> {
    text.chars()
        .map(|c| match c {
            '\t' => (" ".to_owned(), 1),
            c if c.is_control() => {
                let shown: String = c.escape_default().collect();
                let width = shown.len();
                (shown, width)
            }
            // East Asian wide characters and emoji take two columns.
            '\u{1100}'..='\u{115f}'
            | '\u{2e80}'..='\u{a4cf}'
            | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}'
            | '\u{ff00}'..='\u{ff60}'
            | '\u{1f300}'..='\u{1faff}'
            | '\u{20000}'..='\u{3fffd}' => (c.to_string(), 2),
            '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => {
                (c.escape_unicode().to_string(), c.escape_unicode().count())
            }
            c => (c.to_string(), 1),
        })
        .collect()
}

/// "did you mean `x`?" for the candidates that are a typing slip away from `name`, nearest first.
pub(crate) fn did_you_mean<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let near = nearest(name, candidates);
    match near.as_slice() {
        [] => None,
        [one] => Some(format!("did you mean `{one}`?")),
        [some @ .., last] => {
            let some: Vec<String> = some.iter().map(|s| format!("`{s}`")).collect();
            Some(format!("did you mean {} or `{last}`?", some.join(", ")))
        }
    }
}

/// How many typing slips lie between two words: a letter more, less, other, or two swapped.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    strsim::osa_distance(one, other)
}

/// Up to three candidates that are a typing slip away from `name`.
pub(crate) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Vec<&'c str> {
    let lower = name.to_lowercase();
    let length = lower.chars().count();
    if NAME_MAX < length {
        return Vec::new();
    }
    // A slip for every three characters, so that short names do not resemble everything.
    let allowed = (length / 3).clamp(1, 3);
    let mut near: Vec<(usize, usize, &str)> = candidates
        .into_iter()
        .filter(|c| c.len().abs_diff(name.len()) <= 12 && *c != name)
        .filter_map(|candidate| {
            let other = candidate.to_lowercase();
            let distance = distance(&lower, &other);
            let part = 4 <= length && (other.starts_with(&lower) || other.ends_with(&format!("_{lower}")));
            let slips = (distance <= allowed).then_some(distance).or(part.then_some(allowed))?;
            // Of equally near ones the one of the same length is likelier: letters are swapped more often than lost.
            Some((slips, other.len().abs_diff(lower.len()), candidate))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(3).map(|(_, _, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_finds_none() {
        let names = ["model", "message", "mode", "operation", "prompt_tokens"];
        assert_eq!(nearest("modle", names), ["model", "mode"]);
        assert_eq!(nearest("operatoin", names), ["operation"]);
        assert_eq!(nearest("prompt", names), ["prompt_tokens"]);
        assert!(nearest("zzz", names).is_empty());
    }

    #[test]
    fn a_place_in_a_long_text_is_shown_with_its_surroundings() {
        let text = format!("{} here {}", "a ".repeat(500), "b ".repeat(500));
        let problem = Diagnostic::error("Q0201", Span::new(1001, 1005), "odd");
        let shown = problem.render(&text);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines.iter().all(|line| line.len() < 200), "{shown}");
        let at = lines[2].find('^').unwrap();
        assert_eq!(&lines[1][at..at + 4], "here");
    }

    #[test]
    fn a_rendering_never_shows_control_characters_and_survives_any_span() {
        let text = "a\u{1b}[31m \u{4e2d}\u{6587} b\nc";
        for start in 0..text.len() + 3 {
            for end in start..text.len() + 3 {
                let shown = Diagnostic::error("Q0001", Span::new(start, end), "odd").render(text);
                assert!(!shown.contains('\u{1b}'));
                assert_eq!(shown.lines().count(), 3);
            }
        }
    }
}
