//! Habits of SQL, LogsQL, LogQL, KQL and SPL: how each is recognised, and what is written here instead.
//!
//! Everything that reads as something else in those languages but is a text or a comparison here is told apart by its
//! shape, so that a plain search stays one: `offset 5` is a habit, `offset` a word. Quoted text is never one.

use super::{Parsed, fail, shown};
use crate::ast::{Expr, Name, Search, Term, Value};
use crate::diagnostic::Diagnostic;
use crate::functions;
use crate::token::{Kind, Op, Span, Token, Tokens};
use crate::units;

/// What the pipes of other languages are called here.
const PIPES: &[(&[&str], &str)] = &[
    (&["project", "select", "fields", "table", "columns", "project-keep"], "`keep a, b` keeps columns"),
    (&["summarize", "aggregate", "group", "chart"], "`stats count by model` groups"),
    (&["count"], "`stats count` counts the rows"),
    (&["timechart", "bucket", "bin", "make-series"], "`stats count by model per 1h` groups by time"),
    (&["filter", "having", "search", "regex"], "`where ...` filters"),
    (&["extend", "eval", "math"], "`set x = a + b` adds a column"),
    (
        &["take", "head", "tail", "first", "last"],
        "`limit n` cuts the answer; `sort` says which rows come first",
    ),
    (&["uniq", "distinct"], "`dedup by field` keeps one of each; `distinct(field)` counts them"),
    (&["project-away", "delete", "del", "rm"], "`drop a, b` leaves columns out"),
    (&["project-rename", "label_format", "mv"], "`rename a as b` gives a column another name"),
    (&["copy", "cp"], "`set b = a` copies a number; `rename a as b` moves a column"),
    (&["line_format", "format", "decolorize"], "`keep a, b` says what is shown; `set` computes columns"),
    (
        &["json", "logfmt", "unpack", "unpack_json", "unpack_logfmt", "parse_json", "parse-kv", "spath"],
        "`parse json` and `parse logfmt` read `message`, or the field after `from`",
    ),
    (
        &["rex", "extract", "extract_regexp", "regexp", "pattern", "parse-where"],
        "`parse \"took {took:duration}\"` or `parse regex /.../` reads a text",
    ),
    (&["unwrap"], "a field is a number as it is: `stats avg(latency)`"),
    (&["mv-expand", "mvexpand", "explode", "unnest"], "`unroll field` gives every element of an array a row"),
    (
        &["join", "union", "lookup", "append"],
        "`where session in (events where level=error)` takes values of another query",
    ),
    (
        &["reduce", "cluster", "collapse_nums"],
        "a query that starts with `patterns` gives the forms of the texts and how many have each",
    ),
    (&["render"], "the answer is a table; `-o chart` draws it"),
    (&["rare"], "`bottom 5 by model` ranks from the other end"),
    (&["fillnull"], "`fill 0` fills empty buckets of time"),
    (&["eventstats", "streamstats"], "`share()` is the part of all groups; `vs previous` compares ranges"),
    (&["transaction"], "`session ID` lists one run, `gap` shows the time between rows"),
    (&["stream_context"], "the clause `context -3 +3` shows the records around those that are found"),
    (
        &["field_names", "field_values", "fieldsummary", "facets", "getschema"],
        "`fields` and `values FIELD` start a query",
    ),
];

/// What the functions of other languages are called here.
const FUNCTIONS: &[(&[&str], &str)] = &[
    (
        &["dc", "dcount", "count_distinct", "count_uniq", "approx_count_distinct", "uniq"],
        "`distinct(field)` counts different values",
    ),
    (
        &["countif", "avgif", "sumif", "eval", "iff", "iif"],
        "a condition goes after: `count if (level >= error)`",
    ),
    (
        &["quantile", "percentile", "percentiles", "percentile_cont", "quantile_over_time"],
        "`p95(latency)` is a quantile",
    ),
    (&["mean", "average", "avg_over_time"], "`avg(latency)` is the mean"),
    (&["stdev", "stdevp", "stddev_samp", "std"], "`stddev(latency)` is that of a sample"),
    (
        &["make_list", "array_agg", "group_concat", "string_agg", "row_values"],
        "`list(field)` gives all values of a group",
    ),
    (
        &["values", "make_set"],
        "`uniq_values(field)` gives every different value of a group, `by field` a row for each",
    ),
    (&["take_any", "any_value", "row_any", "mode"], "`any(field)` is a value of the group"),
    (
        &["arg_max", "arg_min", "row_max", "row_min"],
        "`last(field)` is the latest value; `top n by field` ranks",
    ),
    (&["earliest", "latest"], "`first(field)` and `last(field)` go by time"),
    (&["isempty", "isnull"], "write `field missing`"),
    (&["isnotempty", "isnotnull"], "write `field exists`"),
    (&["ago", "now"], "write `now-1h` and `now`; `last 1h` is the range"),
    (&["bin", "date_trunc", "date_bin", "time_bucket", "startofday"], "time buckets are `per 1h`"),
    (
        &["count_over_time", "bytes_over_time", "sum_over_time"],
        "write `count per 5m` or `sum(latency) per 5m`",
    ),
    (&["topk", "bottomk"], "write `top 5 by operation` or `bottom 5 by operation`"),
    (&["like", "match", "re", "regexp_matches", "matches"], "write `field like *text*` or `field ~ /regex/`"),
    (&["i", "tolower", "lower", "upper", "toupper"], "words and phrases match in any case as they are"),
    (
        &["exact", "contains_any", "contains_all", "seq", "in", "exact_prefix", "has_any", "has_all"],
        "write `field = value`, `field in (a, b)`, or words joined by `and` and `or`",
    ),
    (
        &["ip", "cidrmatch", "ipv4_range", "ipv4_is_in_range", "ipv4_is_match"],
        "write `field cidr 10.0.0.0/8`",
    ),
];

/// What the pipe `name` is called here.
pub(super) fn pipe(name: &str) -> Option<&'static str> {
    PIPES.iter().find(|(names, _)| names.contains(&name)).map(|(_, instead)| *instead)
}

/// What the function `name`, in lower case, is called here.
pub(super) fn function(name: &str) -> Option<&'static str> {
    let percentile = ["perc", "exactperc", "upperperc"].iter().any(|start| {
        name.strip_prefix(start).is_some_and(|rank| rank.bytes().next().is_some_and(|b| b.is_ascii_digit()))
    });
    let known = || FUNCTIONS.iter().find(|(names, _)| names.contains(&name)).map(|(_, instead)| *instead);
    percentile.then_some("`p95(latency)` is a quantile").or_else(known)
}

/// What to write in place of a query that begins like one of another language.
pub(super) fn start(input: Tokens<'_>) -> Option<&'static str> {
    let first = input.first().filter(|token| token.kind == Kind::Word)?;
    let next = |at: usize, word| input.get(at).is_some_and(|token: &Token<'_>| token.is(word));
    let let_name = first.is("let") && input.get(2).is_some_and(|token| token.kind == Kind::Op(Op::Eq));
    Some(if first.is("select") {
        "a query starts with what to report: `events where ...`, `tokens by model last 24h`"
    } else if first.text.starts_with('{') {
        "labels are fields: `events where app=\"x\" \"text\"`"
    } else if functions::is_name(&first.text)
        && (next(1, "by") || next(1, "without"))
        && input.get(2).is_some_and(|token| token.kind == Kind::Open)
    {
        "keys stand behind the measure: `events rate(), sum(latency) by model per 5m`"
    } else if (first.is("insert") && next(1, "into"))
        || (first.is("delete") && next(1, "from"))
        || (first.is("update") && next(2, "set"))
    {
        "a store is appended to, by `logq append` and `logq import`; queries only read"
    } else if (first.is("with") && next(2, "as")) || let_name {
        "a query has no names for parts of it: `where session in (events where level=error)` takes one in"
    } else if first.is("search") && input.get(2).is_some_and(|token| matches!(token.kind, Kind::Op(_))) {
        "leave `search` out: `events where source=api timeout`"
    } else if first.is("from") && input.get(2).is_none_or(|token| token.kind == Kind::Pipe) {
        "a query starts with what to report: `events | where ...`"
    } else {
        return None;
    })
}

/// A pipe that is a condition: `| latency > 5`.
pub(super) fn pipe_is_condition(input: Tokens<'_>) -> Option<Diagnostic> {
    let first = input.first()?;
    let op = input.get(1).filter(|token| matches!(token.kind, Kind::Op(_)))?;
    let message = format!("`{}` is no pipe", shown(first));
    let (name, Kind::Op(op)) = (shown(first), op.kind) else { return None };
    let help = format!("write `| where {name} {} ...`", op.as_str());
    Some(Diagnostic::error("Q0505", first.span, message).help(help))
}

/// What to tell of a text that reads like a clause of another language: `from logs`, `offset 20`.
pub(super) fn clause(text: &Expr) -> Option<&'static str> {
    let word = |at: usize| match text {
        Expr::And(parts) => match parts.get(at) {
            Some(Expr::Term(Term::Search { field: None, what: Search::Word(word), .. })) => Some(word),
            _ => None,
        },
        _ => None,
    };
    let (first, second) = (word(0)?, word(1)?);
    if first.eq_ignore_ascii_case("from") {
        return Some("a query reads the whole store; `where source=x` chooses; text is clearer in quotes");
    }
    let skips = first.eq_ignore_ascii_case("offset") && units::whole(second).is_some();
    skips.then_some("rows are not skipped: `sort` and `limit` say which are shown; text is clearer in quotes")
}

/// What is odd about a bare word that would be searched as text.
pub(super) fn word(input: Tokens<'_>) -> Option<Diagnostic> {
    let first = input.first()?;
    let next = input.get(1);
    let is = |words: &[&str]| words.iter().any(|word| first.is(word));
    let bare = |token: &&Token<'_>| matches!(token.kind, Kind::Word | Kind::Bare);
    let duration = next.filter(bare).is_some_and(|token| units::duration(&token.text).is_some());
    let date = next.filter(bare).is_some_and(|token| units::is_date(&token.text));
    let value = next.map(shown).unwrap_or_default();
    let (message, help) = if is(&["--", "//", "#", "/*"]) {
        let message = format!("`{}` starts no comment", first.text);
        return Some(problem(
            first,
            message,
            "a query is one line without comments; quote the text to search for it",
        ));
    } else if is(&["having"])
        && input.get(2).is_some_and(|token| matches!(token.kind, Kind::Op(_) | Kind::Open))
    {
        (
            "having",
            "a condition on groups stands behind them: `... count by model | where count > 2`".to_owned(),
        )
    } else if is(&["offset"]) && duration {
        ("offset", format!("write the range itself: `since now-2h until now-{value}`"))
    } else if is(&["from", "after"]) && date {
        (first.text.as_ref(), format!("write `since {value}`"))
    } else if is(&["before", "to"]) && date {
        (first.text.as_ref(), format!("write `until {value}`"))
    } else if is(&["past"]) && duration {
        ("past", format!("write `last {value}`"))
    } else if is(&["every"]) && duration {
        ("every", format!("write `per {value}`"))
    } else {
        return text_operator(input);
    };
    Some(problem(first, format!("`{message}` is not part of this language"), help))
}

/// `message has "x"`: an operator of another language between a field and a text.
fn text_operator(input: Tokens<'_>) -> Option<Diagnostic> {
    const OPERATORS: [(&str, &str); 16] = [
        ("has", "FIELD:\"TEXT\""),
        ("has_cs", "FIELD:cs\"TEXT\""),
        ("hasprefix", "FIELD:word*"),
        ("hassuffix", "FIELD ~ /word\\b/i"),
        ("has_any", "(FIELD:one or FIELD:other)"),
        ("has_all", "FIELD:one FIELD:other"),
        ("contains_cs", "FIELD ~ /Text/"),
        ("startswith", "FIELD starts \"TEXT\""),
        ("startswith_cs", "FIELD ~ /^Text/"),
        ("endswith", "FIELD ends \"TEXT\""),
        ("endswith_cs", "FIELD ~ /Text$/"),
        ("matches", "FIELD ~ /regex/"),
        ("ilike", "FIELD like *text*"),
        ("rlike", "FIELD ~ /regex/"),
        ("regexp", "FIELD ~ /regex/"),
        ("glob", "FIELD like *text*"),
    ];
    // These are English as well, and text where no value in quotes follows.
    const ENGLISH: [&str; 4] = ["has", "matches", "regexp", "glob"];
    let (field, operator, value) = (input.first()?, input.get(1)?, input.get(2)?);
    let (name, instead) = OPERATORS.iter().find(|(name, _)| operator.is(name))?;
    let quoted = matches!(value.kind, Kind::Quoted | Kind::Single);
    let stands = quoted
        || (operator.is("matches") && value.is("regex"))
        || (value.kind == Kind::Open && !ENGLISH.contains(name))
        || (value.kind == Kind::Word && (input.filtering || !ENGLISH.contains(name)));
    if !stands {
        return None;
    }
    let text = if quoted { shown(value) } else { "text".to_owned() };
    let instead = instead.replace("FIELD", &shown(field)).replace("TEXT", &text);
    let help = format!("write `{instead}`; quote the words to search for them");
    Some(problem(operator, format!("`{name}` is not part of this language"), help))
}

/// A comparison that chooses the range in SPL: `earliest=-1h`, `latest=now`.
pub(super) fn comparison(field: &Name, value: &Value) -> Option<Diagnostic> {
    let name = ["earliest", "latest"].into_iter().find(|name| *name == field.text)?;
    if field.quoted || value.quoted {
        return None;
    }
    let help = match value.text.strip_prefix('-').map(|rest| rest.split('@').next().unwrap_or_default()) {
        Some(length) if units::duration(length).is_none() => return None,
        Some(length) if name == "earliest" => format!("write `last {length}` or `since now-{length}`"),
        Some(length) => format!("write `until now-{length}`"),
        None if value.text == "now" || value.text.starts_with("@") => {
            "write `since A until B`; the end is not in the range".to_owned()
        }
        None => return None,
    };
    let message = format!("`{name}=` is not part of this language");
    Some(Diagnostic::error("Q0505", field.place.0, message).help(help))
}

/// A value that is computed in another language: `ago(1h)`, `now()`, `datetime(2026-11-22)`, `ip("10.0.0.0/8")`.
pub(super) fn computed(text: &str, place: Span) -> Option<Diagnostic> {
    // The value ends before the parenthesis that closes.
    let (function, argument) = text.split_once('(')?;
    let help = match function.to_ascii_lowercase().as_str() {
        "ago" if units::duration(argument).is_some() => {
            format!("`now-{argument}` is a point in time, `last {argument}` a range that ends now")
        }
        "now" if argument.is_empty() => "write `now` or `now-1h`".to_owned(),
        "datetime" | "todatetime" if units::is_date(argument) => format!("write `{argument}`"),
        "ip" if argument.trim_matches('"').starts_with(|c: char| c.is_ascii_digit()) => {
            format!("write `field cidr {}`", argument.trim_matches('"'))
        }
        _ => return None,
    };
    let message = format!("`{function}` is not part of this language");
    Some(Diagnostic::error("Q0505", place, message).help(help))
}

/// What stands behind `field:` and means something else in LogsQL.
pub(super) fn searched(field: &Name, token: &Token<'_>) -> Option<Diagnostic> {
    if token.kind != Kind::Bare {
        return None;
    }
    let text = token.text.as_ref();
    if let Some(problem) = star(Some(field), text, token.span) {
        return Some(problem);
    }
    if field.quoted {
        return None;
    }
    let name = field.text.as_str();
    if name == "_time" {
        let help = match units::duration(text) {
            Some(_) => format!("write `last {text}`"),
            None => "write `last 5m`, `on 2026-11-22` or `since A until B`".to_owned(),
        };
        return Some(Diagnostic::error("Q0505", field.place.0, "the range is a clause here").help(help));
    }
    if text.starts_with('{') {
        return Some(problem(token, "streams are not selected here", "labels are fields: `where app=\"x\"`"));
    }
    if let Some(rest) = text.strip_prefix('!').filter(|rest| !rest.is_empty()) {
        let help = format!("write `not {name}:{rest}`; quote text that begins with `!`");
        return Some(Diagnostic::error("Q0502", token.span, "`!` does not negate").help(help));
    }
    let function = text.split_once('(').map(|(function, _)| function)?;
    let instead = match function {
        "in" | "contains_any" => format!("write `{name} in (a, b)`"),
        "range" | "len_range" | "string_range" => {
            format!("write `{name} between 1 and 5`, both ends included")
        }
        "re" => format!("write `{name} ~ /regex/`"),
        "exact" => format!("write `{name} = value`"),
        "exact_prefix" => format!("write `{name} starts text`"),
        "ipv4_range" => format!("write `{name} cidr 10.0.0.0/8`"),
        "i" => format!("write `{name}:word`; words match in any case"),
        "contains_all" | "seq" => format!("write `{name}:one {name}:other`, or a phrase in quotes"),
        _ => return None,
    };
    Some(problem(token, format!("`{function}(...)` is not part of this language"), instead))
}

/// A word that begins with a star, which LogsQL and SPL find inside of others: `*err*`, `field:*`.
pub(super) fn star(field: Option<&Name>, text: &str, place: Span) -> Option<Diagnostic> {
    let rest = text.strip_prefix('*')?;
    let part = rest.trim_matches('*');
    let (message, help) = match field {
        None if part.is_empty() => (
            "`*` is not needed",
            "without a condition every record is read; `word*` finds words that begin so".to_owned(),
        ),
        Some(field) if part.is_empty() => {
            ("`*` is no word", format!("`{field} exists` tests that the field is there"))
        }
        _ => {
            let field = field.map_or_else(|| "message".to_owned(), ToString::to_string);
            let help = format!(
                "`{field} contains \"{part}\"` finds any part of a text; quote text that begins with `*`"
            );
            ("`*` cannot begin a word", help)
        }
    };
    Some(Diagnostic::error("Q0502", place, message).help(help))
}

/// Keys that are computed: `by bin(time, 1h)`.
pub(super) fn key<T>(input: Tokens<'_>) -> Option<Parsed<'_, T>> {
    let first = input.first().filter(|token| token.kind == Kind::Word)?;
    let open = input.get(1).filter(|token| token.kind == Kind::Open && token.span.start == first.span.end);
    open?;
    if functions::is_name(&first.text) {
        return None;
    }
    let message = format!("`{}(...)` is no field", shown(first));
    let inside = |at: &usize| input.get(*at).is_some_and(|token| token.kind != Kind::Close);
    let length = (2..6).take_while(inside).filter_map(|at| input.get(at)).map(shown);
    let length = length.into_iter().find(|text| units::duration(text).is_some());
    let length = length.unwrap_or_else(|| "1h".to_owned());
    let help = format!("time buckets are `per {length}`; `| set x = a / b` computes a column to group by");
    Some(fail(problem(first, message, help)))
}

/// Words that end in `;`, the first of them: it is part of the word here.
pub(super) fn semicolon(tokens: &[Token<'_>]) -> Option<Diagnostic> {
    let ends =
        |token: &&Token<'_>| matches!(token.kind, Kind::Word | Kind::Bare) && token.text.ends_with(';');
    let token = tokens.iter().find(ends)?;
    let message = format!("`;` is part of `{}`", shown(token));
    let help = "a query ends without one; quote the text if it belongs to it";
    Some(Diagnostic::warning("Q0505", token.span, message).help(help))
}

fn problem(token: &Token<'_>, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
    Diagnostic::error("Q0505", token.span, message).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast;

    #[test]
    fn nothing_of_this_language_is_told_to_be_of_another() {
        let pipes: Vec<&str> = PIPES.iter().flat_map(|(names, _)| *names).copied().collect();
        let functions: Vec<&str> = FUNCTIONS.iter().flat_map(|(names, _)| *names).copied().collect();
        assert!(pipes.iter().all(|name| !ast::PIPES.contains(name)), "{pipes:?}");
        assert!(functions.iter().all(|name| !functions::is_name(name)), "{functions:?}");
        for (names, what) in [(pipes, "pipes"), (functions, "functions")] {
            let mut once = names.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), names.len(), "a name stands twice among the {what}");
        }
    }
}
