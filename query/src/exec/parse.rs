//! Columns out of texts (`parse`), rows out of arrays (`unroll`), and some of the rows (`sample`).

use logq_engine::compare::{Number, put_key};
use logq_engine::value::{canonical_int, duration_ns};
use twox_hash::XxHash3_64;

use super::Budget;
use super::table::{Row, Table};
use crate::datum::Datum;
use crate::error::Result;
use crate::json;
use crate::plan::{Cast, Parsing, Reader};

impl Table {
    /// Gives every row the columns that its text holds.
    pub(super) fn parse(&mut self, parsing: &Parsing) {
        let from = self.place(&parsing.from);
        let text = |row: &Row| match from.and_then(|at| row.cells.get(at)) {
            Some(Datum::Str(text) | Datum::Json(text)) => Some(text.clone()),
            _ => None,
        };
        if let Reader::Regex(regex, groups) = &parsing.how {
            let mut columns: Vec<Vec<Datum>> = vec![Vec::with_capacity(self.rows.len()); groups.len()];
            // The first group of a regex is the whole of it.
            let mut locations = regex.capture_locations();
            let named: Vec<usize> = regex
                .capture_names()
                .enumerate()
                .filter(|(_, name)| name.is_some())
                .map(|(at, _)| at)
                .collect();
            for row in &self.rows {
                let text = text(row);
                let found = text.as_deref().and_then(|text| regex.captures_read(&mut locations, text));
                for ((column, (_, cast)), group) in columns.iter_mut().zip(groups).zip(&named) {
                    let piece = found.as_ref().and_then(|_| locations.get(*group));
                    let piece = piece.and_then(|(start, end)| text.as_deref()?.get(start..end));
                    column.push(piece.map_or(Datum::Missing, |piece| cast_to(piece, *cast)));
                }
            }
            for ((name, _), column) in groups.iter().zip(columns) {
                self.put(name, column);
            }
            return;
        }
        for row in &mut self.rows {
            let Some(text) = text(row) else { continue };
            let members = match parsing.how {
                Reader::Json => json::members(&text),
                _ => logfmt(&text),
            };
            for (name, value) in members {
                if let Some(cell) =
                    self.columns.iter().position(|have| *have == name).and_then(|at| row.cells.get_mut(at))
                {
                    cell.clone_from(&value);
                }
                if !row.fields.is_empty() {
                    row.fields.retain(|(have, _)| **have != *name);
                    row.fields.push((name.into(), value));
                }
            }
        }
    }

    /// Gives every element of an array a row; what is no array stays as it is.
    pub(super) fn unroll(&mut self, name: &str, budget: &Budget) -> Result<()> {
        let Some(at) = self.place(name) else { return Ok(()) };
        let mut rows = Vec::with_capacity(self.rows.len());
        for row in std::mem::take(&mut self.rows) {
            let elements = match row.cells.get(at) {
                Some(Datum::Json(text)) => json::elements(text).filter(|elements| !elements.is_empty()),
                _ => None,
            };
            let Some(elements) = elements else {
                rows.push(row);
                continue;
            };
            for element in elements {
                let mut one = row.clone();
                if let Some(field) = one.fields.iter_mut().find(|(have, _)| **have == *name) {
                    field.1.clone_from(&element);
                }
                if let Some(cell) = one.cells.get_mut(at) {
                    *cell = element;
                }
                budget.charge(one.size())?;
                rows.push(one);
            }
        }
        self.rows = rows;
        Ok(())
    }

    /// Keeps the rows whose hash is below a bound: of records by their ids, so that a record is always in or always out.
    pub(super) fn sample(&mut self, bound: u64) {
        let mut key = Vec::new();
        self.rows.retain(|row| {
            key.clear();
            if row.id.writer == 0 && row.id.sequence == 0 && row.time == 0 {
                row.cells.iter().for_each(|cell| put_key(&mut key, cell.value()));
            } else {
                key.extend(row.id.to_string().into_bytes());
            }
            bound == u64::MAX || XxHash3_64::oneshot(&key) < bound
        });
    }
}

fn cast_to(text: &str, cast: Cast) -> Datum {
    let trimmed = text.trim();
    let number = || Number::parse(trimmed).map(|_| canonical_int(trimmed));
    match cast {
        Cast::Text => Datum::Str(text.into()),
        Cast::Int => number().flatten().map_or(Datum::Missing, Datum::Int),
        Cast::Number => match number() {
            Some(Some(int)) => Datum::Int(int),
            Some(None) => Datum::Number(trimmed.into()),
            None => Datum::Missing,
        },
        Cast::Duration => duration_ns(trimmed).map_or(Datum::Missing, Datum::Duration),
    }
}

/// The pairs of a line such as `level=info msg="it works" done`; a key without a value is true.
fn logfmt(text: &str) -> Vec<(String, Datum)> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let Some(value) = after.strip_prefix('=') else {
            if !key.is_empty() {
                pairs.push((key.to_owned(), Datum::Bool(true)));
            }
            rest = after.trim_start();
            continue;
        };
        let (value, after) = match value.strip_prefix('"').and_then(quoted) {
            Some((value, after)) => (Datum::Str(value.into()), after),
            None => {
                let end = value.find(char::is_whitespace).unwrap_or(value.len());
                let (bare, after) = value.split_at(end);
                (Datum::Str(bare.into()), after)
            }
        };
        if !key.is_empty() {
            pairs.push((key.to_owned(), value));
        }
        rest = after.trim_start();
    }
    pairs
}

/// The text up to the closing quote without its escapes, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_pairs_reads_with_its_quotes() {
        let shown: Vec<String> = logfmt("level=info msg=\"it \\\"works\\\"\" done n=5 e= =x \"q")
            .into_iter()
            .map(|(key, value)| format!("{key}:{value:?}"))
            .collect();
        assert_eq!(
            shown.join(" "),
            "level:Str(\"info\") msg:Str(\"it \\\"works\\\"\") done:Bool(true) n:Str(\"5\") e:Str(\"\") \"q:Bool(true)"
        );
    }
}
