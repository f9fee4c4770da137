//! Rows as lines: JSONL, whose objects an import takes back as they were, and CSV.

use logq_query::{Answer, Datum, Row, json};

use super::columns::Columns;
use super::{Format, Way, shown};
use crate::render::csv;

/// Writes rows as lines.
pub(super) struct Lines {
    csv: bool,
    internal: bool,
    columns: Columns,
    line: String,
}

impl Lines {
    pub(super) fn new(way: &Way) -> Self {
        let columns = way.columns.clone();
        Self { csv: way.format == Format::Csv, internal: way.internal, columns, line: String::new() }
    }

    /// What stands before the rows: the header line of CSV.
    pub(super) fn head(&mut self) -> &[u8] {
        self.line.clear();
        if self.csv {
            csv::push_line(
                &mut self.line,
                self.columns.list.iter().map(|column| column.name.as_str().into()),
            );
        }
        self.line.as_bytes()
    }

    /// One row with the end of its line.
    pub(super) fn row(&mut self, answer: &Answer, row: &Row) -> &[u8] {
        self.line.clear();
        match self.csv {
            true => self.csv(answer, row),
            false => self.json(answer, row),
        }
        self.line.as_bytes()
    }

    fn json(&mut self, answer: &Answer, row: &Row) {
        if answer.full {
            let members = row.fields.iter();
            let members = members.filter_map(|(name, datum)| Some((shown(name, self.internal)?, datum)));
            json::object(&mut self.line, members);
        } else {
            let names = answer.columns.iter().map(|column| column.name.as_str());
            json::object(&mut self.line, names.zip(&row.cells));
        }
        // Strings have their line ends escaped; what is left stands between the parts of an array, as it was given.
        if self.line.contains(['\n', '\r']) {
            self.line = self.line.replace(['\n', '\r'], " ");
        }
        self.line.push('\n');
    }

    fn csv(&mut self, answer: &Answer, row: &Row) {
        let mut cells: Vec<&Datum> = vec![&Datum::Missing; self.columns.list.len()];
        let mut put = |name: &str, datum| {
            if let Some(cell) = self.columns.place(name).and_then(|at| cells.get_mut(at)) {
                *cell = datum;
            }
        };
        if answer.full {
            for (name, datum) in &row.fields {
                if let Some(name) = shown(name, self.internal) {
                    put(name, datum);
                }
            }
        } else {
            answer.columns.iter().zip(&row.cells).for_each(|(column, datum)| put(&column.name, datum));
        }
        csv::push_line(&mut self.line, cells.into_iter().map(|datum| csv::text(datum, &|text| text.into())));
    }
}
