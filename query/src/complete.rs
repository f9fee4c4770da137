//! Completion: which words may stand where a text ends.
//!
//! A text that is being typed is seldom a query yet, so this does not parse. It looks at the words before the last one,
//! as far as they tell what comes next: a noun, a clause, a field, a value, a function, a length of time. What it
//! offers may turn out to be wrong; what is typed in full is always left alone.

use std::collections::BTreeSet;

use logq_engine::{Snapshot, Store};

use crate::ast::{CLAUSES, NOUNS, PIPES};
use crate::error::Result;
use crate::exec;
use crate::functions;
use crate::query::{Query, Session};

/// Candidates at most.
pub const COMPLETIONS_MAX: usize = 100;

/// What may follow a clause besides another one.
const AFTER_CLAUSE: [&str; 5] = ["and", "or", "not", "all time", "context"];
const DURATIONS: [&str; 10] = ["1m", "5m", "15m", "1h", "6h", "12h", "24h", "7d", "30d", "1mo"];
const UNITS: [&str; 7] = ["minute", "hour", "day", "week", "month", "quarter", "year"];
const AFTER_FIELD: [&str; 10] =
    ["exists", "missing", "in", "not", "contains", "starts", "ends", "like", "cidr", "between"];
const LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];

/// What may stand at the end of a text.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// A whole query.
    Start,
    Pipe,
    Clause,
    Field,
    /// What goes on after a field in a condition.
    AfterField,
    Function,
    /// After a function: its name, its keys.
    AfterFunction,
    Duration,
    Unit,
    Zone,
    /// A value of this field.
    Value(String),
    /// Nothing that anybody could know: a number, a text in quotes.
    Unknown,
}

/// The words that may stand in place of the last word of `text`, most likely ones first: words of the language, fields
/// and values of the store as they are now. Empty where nothing can be said.
///
/// # Errors
/// A store that cannot be read.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # use logq_engine::{Event, Options, Store};
/// let store = Store::open(dir.path(), Options::default())?;
/// store.writer()?.append(&Event::ai("chat").model("llama3.2").tokens(150, 250))?;
/// assert_eq!(logq_query::complete(&store, "tokens by mo")?, ["model"]);
/// assert_eq!(logq_query::complete(&store, "tokens where model=ll")?, ["llama3.2"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn complete(store: &Store, text: &str) -> Result<Vec<String>> {
    let (next, word) = next(text);
    let mut found: Vec<String> = words(&next).into_iter().map(ToOwned::to_owned).collect();
    match &next {
        Next::Start | Next::Field | Next::Function => found.extend(fields(&store.snapshot()?)?),
        Next::Value(field) => found.extend(values(store, field)?),
        Next::Zone => found.extend(jiff::tz::db().available().map(|name| name.to_string())),
        _ => {}
    }
    Ok(matching(found, word))
}

/// The same without a store: words of the language only.
pub fn complete_words(text: &str) -> Vec<String> {
    let (next, word) = next(text);
    matching(words(&next).into_iter().map(ToOwned::to_owned).collect(), word)
}

fn matching(found: Vec<String>, word: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let start = |text: &String| {
        text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)) && text != word
    };
    found.into_iter().filter(start).filter(|text| seen.insert(text.clone())).take(COMPLETIONS_MAX).collect()
}

fn words(next: &Next) -> Vec<&'static str> {
    match next {
        Next::Start => NOUNS.iter().chain(&["explain", "profile", "where"]).copied().collect(),
        Next::Pipe => PIPES.to_vec(),
        Next::Clause => CLAUSES.iter().chain(&AFTER_CLAUSE).copied().collect(),
        Next::AfterField => AFTER_FIELD.iter().chain(&CLAUSES).chain(&AFTER_CLAUSE).copied().collect(),
        Next::Function => functions::NAMES.to_vec(),
        Next::AfterFunction => vec!["as", "by", "if", "per"],
        Next::Duration => DURATIONS.to_vec(),
        Next::Unit => UNITS.to_vec(),
        Next::Value(field) if field == "level" => LEVELS.to_vec(),
        Next::Field | Next::Zone | Next::Value(_) | Next::Unknown => Vec::new(),
    }
}

/// What may stand at the end, and what is there of it already.
fn next(text: &str) -> (Next, &str) {
    let Some((before, word)) = split(text) else { return (Next::Unknown, "") };
    let segment = before.iter().rposition(|word| *word == "|").map_or(0, |at| at + 1);
    let here = before.get(segment..).unwrap_or_default();
    let next = match here {
        [] | ["explain" | "profile"] if segment == 0 => Next::Start,
        [] => Next::Pipe,
        here => after(here),
    };
    (next, word)
}

/// What follows these words of one segment.
fn after(here: &[&str]) -> Next {
    let (last, before) = match here {
        [before @ .., last] => (*last, before),
        [] => return Next::Clause,
    };
    if is_operator(last) {
        return before.last().map_or(Next::Unknown, |field| Next::Value(plain(field)));
    }
    let opener = here.iter().rposition(|word| is_opener(word));
    let open = opener.and_then(|at| here.get(at)).copied().unwrap_or_default().to_ascii_lowercase();
    let first = opener == Some(here.len() - 1);
    if let Some(field) = inside_in(here) {
        return if matches!(last, "(" | ",") { Next::Value(plain(field)) } else { Next::Unknown };
    }
    match open.as_str() {
        "where" | "and" | "or" | "not" if first || last == "(" => Next::Field,
        "where" | "and" | "or" | "not" if opener.map(|at| at + 2) == Some(here.len()) => Next::AfterField,
        "by" | "keep" | "drop" | "rename" | "sort" if first || last == "," => Next::Field,
        "per" | "last" if first => Next::Duration,
        "this" | "previous" if first => Next::Unit,
        "tz" if first => Next::Zone,
        "stats" if first || last == "," => Next::Function,
        "stats" if last == "(" => Next::Field,
        "stats" => Next::AfterFunction,
        "since" | "until" | "on" | "around" | "between" | "top" | "bottom" | "limit" | "set" if first => {
            Next::Unknown
        }
        _ if last == "(" => Next::Field,
        _ => Next::Clause,
    }
}

/// The field whose list of values is open.
fn inside_in<'w>(here: &[&'w str]) -> Option<&'w str> {
    let open = here.iter().rposition(|word| *word == "(")?;
    let closed = here.iter().rposition(|word| *word == ")");
    let [.., field, word] = here.get(..open)? else { return None };
    let is_open = closed.is_none_or(|closed| closed < open);
    (is_open && word.eq_ignore_ascii_case("in")).then(|| match *field {
        "not" => here.get(open.saturating_sub(3)).copied().unwrap_or(""),
        field => field,
    })
}

fn is_opener(word: &str) -> bool {
    CLAUSES.iter().chain(&PIPES).chain(&["and", "or", "not"]).any(|opener| word.eq_ignore_ascii_case(opener))
}

fn is_operator(word: &str) -> bool {
    matches!(word, "=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=" | ":")
}

/// A name without its backticks.
fn plain(name: &str) -> String {
    name.trim_matches('`').to_owned()
}

/// The words and signs before the last word, and that word, which may be empty. None inside quotes, where nobody can
/// know what is meant.
fn split(text: &str) -> Option<(Vec<&str>, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if let Some(open) = quote {
            quote = (c != open).then_some(open);
            continue;
        }
        match c {
            '"' | '\'' if start.is_none() => (quote, start) = (Some(c), Some(at)),
            c if c.is_whitespace() => words.extend(start.take().and_then(|from| text.get(from..at))),
            '(' | ')' | ',' | '|' | '=' | '<' | '>' | '!' | ':' => {
                words.extend(start.take().and_then(|from| text.get(from..at)));
                let mut end = at + c.len_utf8();
                while let Some((next, '=' | '>' | '~')) = chars.peek().copied()
                    && matches!(c, '=' | '<' | '>' | '!')
                {
                    end = next + 1;
                    chars.next();
                }
                words.extend(text.get(at..end));
            }
            _ => start = start.or(Some(at)),
        }
    }
    let last = start.and_then(|from| text.get(from..)).unwrap_or("");
    quote.is_none().then_some((words, last))
}

/// The fields that events have.
fn fields(snapshot: &Snapshot) -> Result<Vec<String>> {
    // No field has this name, so all of them are met.
    let (_, names) = exec::seen(snapshot, &["\0"])?;
    let usual =
        ["time", "model", "operation", "level", "message", "session", "source"].map(ToOwned::to_owned);
    let odd = |name: &String| name.chars().any(|c| c.is_whitespace() || "()|,=<>!~`\"':".contains(c));
    let name = |name: String| if odd(&name) { format!("`{name}`") } else { name };
    let usual = usual.into_iter().filter(|name| name == "time" || names.contains(name)).collect::<Vec<_>>();
    Ok(usual.into_iter().chain(names.iter().cloned().map(name)).collect())
}

/// The values that a field has most often.
fn values(store: &Store, field: &str) -> Result<Vec<String>> {
    if field.is_empty() || field.contains('`') {
        return Ok(Vec::new());
    }
    let query = Query::parse(&format!("events top {COMPLETIONS_MAX} by `{field}`"))?;
    let answer = query.run(store, &Session::default())?;
    let quoted = |text: &str| match text.contains(|c: char| c.is_whitespace() || "(),|\"'`".contains(c)) {
        true if text.contains(['"', '\\']) => None,
        true => Some(format!("\"{text}\"")),
        false => Some(text.to_owned()),
    };
    let text = |row: &crate::answer::Row| match row.cells.first() {
        Some(crate::datum::Datum::Str(text)) => quoted(text),
        Some(crate::datum::Datum::Level(level)) => Some(level.to_string()),
        Some(crate::datum::Datum::Int(int)) => Some(int.to_string()),
        _ => None,
    };
    Ok(answer.rows.iter().filter_map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use logq_engine::{Durability, Event, Options};

    #[test]
    fn what_comes_next_is_told_by_the_words_before() {
        let value = |field: &str| Next::Value(field.to_owned());
        for (text, want, word) in [
            ("", Next::Start, ""),
            ("tok", Next::Start, "tok"),
            ("explain to", Next::Start, "to"),
            ("tokens ", Next::Clause, ""),
            ("tokens b", Next::Clause, "b"),
            ("tokens by mo", Next::Field, "mo"),
            ("tokens by model, se", Next::Field, "se"),
            ("tokens by model ", Next::Clause, ""),
            ("tokens by model per ", Next::Duration, ""),
            ("tokens last 24h ", Next::Clause, ""),
            ("events where ", Next::Field, ""),
            ("events where model ", Next::AfterField, ""),
            ("events where model=ll", value("model"), "ll"),
            ("events where model = ", value("model"), ""),
            ("events where not (mo", Next::Field, "mo"),
            ("events where model=x and le", Next::Field, "le"),
            ("events where level>=w", value("level"), "w"),
            ("events where model in (a, ", value("model"), ""),
            ("events where model not in (", value("model"), ""),
            ("events where model in (a) ", Next::Clause, ""),
            ("events where `odd.name`=x", value("odd.name"), "x"),
            ("events where message=\"a mo", Next::Unknown, ""),
            ("tokens | ", Next::Pipe, ""),
            ("tokens | st", Next::Pipe, "st"),
            ("events | stats ", Next::Function, ""),
            ("events | stats sum(lat", Next::Field, "lat"),
            ("events | stats count ", Next::AfterFunction, ""),
            ("events | stats count by mo", Next::Field, "mo"),
            ("events | keep a, ", Next::Field, ""),
            ("tokens this ", Next::Unit, ""),
            ("tokens tz Eur", Next::Zone, "Eur"),
            ("events limit ", Next::Unknown, ""),
        ] {
            assert_eq!(next(text), (want, word), "{text:?}");
        }
    }

    #[test]
    fn every_word_that_is_offered_is_of_the_language() {
        for pipe in PIPES {
            // Most of them want something behind their name; what they do not get is "unknown pipe".
            if let Err(error) = Query::parse(&format!("events | {pipe}")) {
                let unknown = error.diagnostics().iter().any(|problem| problem.code == "Q0101");
                assert!(!unknown, "{pipe}: {error}");
            }
        }
        for function in functions::NAMES {
            let measure = format!("{function}(a)");
            assert!(Query::parse(&format!("events | stats {measure}")).is_ok(), "{measure}");
        }
        for clause in CLAUSES {
            assert!(
                Query::parse(&format!("events {clause}")).is_err()
                    || ["today", "yesterday"].contains(&clause)
            );
        }
        for duration in DURATIONS {
            assert!(Query::parse(&format!("events last {duration}")).is_ok(), "{duration}");
        }
        for unit in UNITS {
            assert!(Query::parse(&format!("events this {unit}")).is_ok(), "{unit}");
        }
    }

    #[test]
    fn fields_and_values_come_from_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options { maintain: false, ..Options::default() }).unwrap();
        let log = store.writer_with(Durability::Buffered).unwrap();
        for (model, note) in
            [("llama3.2", "a b"), ("llama3.1", "x"), ("llama3.2", "it's"), ("gpt-4o", "q\"q")]
        {
            log.append(&Event::ai("chat").model(model).field("odd name", "y").field("note", note)).unwrap();
        }
        let check = |text: &str, want: &[&str]| assert_eq!(complete(&store, text).unwrap(), want, "{text}");
        check("tokens by mo", &["model"]);
        check("tokens where model=ll", &["llama3.2", "llama3.1"]);
        check("tokens where model=LLAMA3.2", &["llama3.2"]);
        check("events where note=", &["\"a b\"", "\"it's\"", "x"]);
        check("events where level=", &LEVELS);
        check("events by od", &[]);
        check("events by `od", &["`odd name`"]);
        check("tokens where nothing=", &[]);
        check("tokens tz Europe/Vie", &["Europe/Vienna"]);
        check("tok", &["tokens"]);
        check("tokens where message=\"in quotes", &[]);
        store.seal().unwrap();
        check("tokens by mo", &["model"]);
        assert_eq!(complete_words("tokens by model per 1"), ["1m", "15m", "1h", "12h", "1mo"]);
    }

    #[test]
    fn any_text_is_taken() {
        for text in [
            "\u{1f600}=",
            "(((",
            "'",
            "\"",
            "|||",
            "=,=,",
            "a in (",
            "not in (",
            "in (",
            "\0",
            "!~",
            "<>=",
            "`",
        ] {
            let _words = complete_words(text);
            next(text);
        }
    }
}
