//! Answer: what a query gives, and its JSON form.

use crate::datum::{Datum, Type};
use crate::diagnostic::Diagnostic;
use crate::json;

/// The answer to a query.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The text that was asked.
    pub query: String,
    /// The query that its noun and clauses stand for.
    pub expanded: String,
    /// The half-open range of time that was read; `None` is an open end. Nanoseconds since 1970.
    pub range: (Option<i64>, Option<i64>),
    /// The columns of [`Row::cells`].
    pub columns: Vec<Column>,
    /// Of grouped rows the columns that were computed, the main one first; some may have been left out since.
    pub measures: Vec<String>,
    /// The rows, in their order.
    pub rows: Vec<Row>,
    /// Whether rows hold all fields of their record, and no cells.
    pub full: bool,
    /// Whether a limit cut the answer.
    pub more: bool,
    /// Columns that are not exact, because `approx_...` made them or what they are computed from.
    pub approximate: Vec<String>,
    /// What the reader should know.
    pub warnings: Vec<Warning>,
    /// Records that should have been read could not be: the answer may lack them. The warnings say where.
    pub damaged: bool,
    /// What it took.
    pub stats: Stats,
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: Type,
}

/// A row of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The values, one for each column.
    pub cells: Vec<Datum>,
    /// All fields of a record by name, where the answer is full.
    pub fields: Vec<(Box<str>, Datum)>,
}

/// Something to know about an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// One line.
    pub text: String,
    /// The place in the query, where it is about one.
    pub diagnostic: Option<Diagnostic>,
}

/// What an answer took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Files of the store.
    pub segments: u64,
    /// Files that were read.
    pub segments_read: u64,
    /// Pieces of files that were read.
    pub blocks_read: u64,
    /// Records that were decoded.
    pub records_scanned: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Where the answer came from: `scan`, or `plan` for an explanation.
    pub answered_from: &'static str,
    /// Milliseconds from text to answer.
    pub elapsed_ms: f64,
}

impl Answer {
    /// The answer as one JSON object, as `-o json` prints it.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(256 + 128 * self.rows.len());
        out.push_str("{\"query\":");
        json::string(&mut out, &self.query);
        out.push_str(",\"expanded\":");
        json::string(&mut out, &self.expanded);
        let end = |end: Option<i64>| end.map_or(Datum::Missing, Datum::Time);
        let (from, to) = (end(self.range.0), end(self.range.1));
        out.push_str(",\"range\":");
        json::object(&mut out, [("from", &from), ("to", &to)]);
        out.push_str(",\"columns\":[");
        for (at, column) in self.columns.iter().enumerate() {
            out.push_str(if at == 0 { "{\"name\":" } else { ",{\"name\":" });
            json::string(&mut out, &column.name);
            out.push_str(",\"type\":\"");
            out.push_str(column.kind.as_str());
            out.push_str("\"}");
        }
        out.push_str("],\"rows\":[");
        for (at, row) in self.rows.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { "," });
            self.write_row(&mut out, row);
        }
        out.push_str(if self.more { "],\"more\":true" } else { "],\"more\":false" });
        list(&mut out, "approximate", self.approximate.iter().map(String::as_str));
        list(&mut out, "warnings", self.warnings.iter().map(|warning| warning.text.as_str()));
        let stats = &self.stats;
        let count = |count: u64| Datum::Int(i64::try_from(count).unwrap_or(i64::MAX));
        out.push_str(",\"stats\":");
        json::object(
            &mut out,
            [
                ("segments", &count(stats.segments)),
                ("segments_read", &count(stats.segments_read)),
                ("blocks_read", &count(stats.blocks_read)),
                ("records_scanned", &count(stats.records_scanned)),
                ("bytes_read", &count(stats.bytes_read)),
                ("answered_from", &Datum::text(stats.answered_from)),
                ("elapsed_ms", &Datum::Float(stats.elapsed_ms)),
            ],
        );
        out.push('}');
        out
    }

    /// A row of this answer as one JSON object, as `-o jsonl` prints a line.
    pub fn row_json(&self, row: &Row) -> String {
        let mut out = String::new();
        self.write_row(&mut out, row);
        out
    }

    fn write_row(&self, out: &mut String, row: &Row) {
        if self.full {
            json::object(out, row.fields.iter().map(|(name, datum)| (&**name, datum)));
        } else {
            json::object(out, self.columns.iter().map(|column| column.name.as_str()).zip(&row.cells));
        }
    }
}

fn list<'t>(out: &mut String, name: &str, texts: impl Iterator<Item = &'t str>) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":[");
    for (at, text) in texts.enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        json::string(out, text);
    }
    out.push(']');
}

/// The type of each column: that of its values.
pub(crate) fn types(names: Vec<String>, rows: &[Row]) -> Vec<Column> {
    let kind = |at: usize| {
        let kinds = rows.iter().filter_map(|row| row.cells.get(at)?.kind());
        kinds.reduce(Type::join)
    };
    let columns = names.into_iter().enumerate();
    columns.map(|(at, name)| Column { kind: kind(at).unwrap_or_else(|| usual(&name)), name }).collect()
}

/// The type of a column without values.
pub(crate) fn usual(name: &str) -> Type {
    match name {
        "time" | "_arrived" => Type::Time,
        "latency" | "ttft" | "gap" | "resets_in" | "eta" => Type::Duration,
        "share" | "limit_share" => Type::Float,
        "cost" | "cost_usd" => Type::Cost,
        "count" | "calls" => Type::Int,
        name if name.ends_with("_tokens") => Type::Int,
        _ => Type::String,
    }
}
