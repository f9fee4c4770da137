//! One file for each output. Writes what an answer holds; computes nothing.

mod cell;
mod chart;
pub(crate) mod csv;
pub(crate) mod grid;
mod md;

use std::borrow::Cow;
use std::io::Write;

use jiff::tz::TimeZone;
use logq_query::{Answer, Datum, Type};

use crate::args::Output;
use crate::exit::Outcome;
use crate::render::cell::Precision;
use crate::render::grid::{Column, Frame};
use crate::ui::{self, Ui};

/// How an answer is to look.
pub(crate) struct Look<'a> {
    pub(crate) output: Output,
    pub(crate) ui: Ui,
    /// The zone of times in tables.
    pub(crate) zone: &'a TimeZone,
}

/// Which part of an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    /// Only the rows: what stands above them was written before.
    Rest,
}

impl Look<'_> {
    /// Writes an answer.
    pub(crate) fn write(&self, out: &mut dyn Write, answer: &Answer) -> Outcome<()> {
        self.write_part(out, answer, Part::Whole)
    }

    /// Writes an answer, or more rows of one.
    pub(crate) fn write_part(&self, out: &mut dyn Write, answer: &Answer, part: Part) -> Outcome<()> {
        match self.output {
            Output::Json => writeln!(out, "{}", ui::plain_json(&answer.to_json()))?,
            Output::Jsonl => {
                for row in &answer.rows {
                    writeln!(out, "{}", ui::plain_json(&answer.row_json(row)))?;
                }
            }
            Output::Csv => {
                let shown = if self.ui.terminal { harmless } else { exact };
                csv::write(out, answer, part, &shown)?;
            }
            Output::Table => self.table(out, answer, part)?,
            Output::Md => md::write(out, &self.columns(answer), part)?,
            Output::Chart if answer.stats.answered_from == "plan" => self.table(out, answer, part)?,
            Output::Chart => {
                let frame = chart::Frame { width: self.ui.width, color: self.ui.color, zone: self.zone };
                let omitted = chart::write(out, answer, frame)?;
                if 0 < omitted {
                    out.flush()?;
                    self.ui.note(&format!("not drawn: {omitted} more, which have less"));
                }
            }
        }
        Ok(())
    }

    /// Writes a line that stands above a part of a report.
    pub(crate) fn heading(&self, out: &mut dyn Write, text: &str) -> Outcome<()> {
        match self.output {
            Output::Md => writeln!(out, "## {text}\n")?,
            _ if self.ui.color => writeln!(out, "\x1b[1m{text}\x1b[0m")?,
            _ => writeln!(out, "{text}")?,
        }
        Ok(())
    }

    /// The text of one value, as a table shows it.
    pub(crate) fn cell(&self, datum: &Datum) -> String {
        let precision = time(datum).map_or(Precision::Minutes, Precision::of);
        cell::of(datum.kind().unwrap_or(Type::String), datum, self.zone, precision).text
    }

    fn table(&self, out: &mut dyn Write, answer: &Answer, part: Part) -> Outcome<()> {
        if answer.rows.is_empty() {
            return Ok(());
        }
        if answer.stats.answered_from == "plan" {
            // The text of a plan is for reading to its end, not a column to fit in.
            let lines = answer.rows.iter().flat_map(|row| &row.cells);
            for line in lines.filter_map(|datum| if let Datum::Str(text) = datum { Some(text) } else { None })
            {
                writeln!(out, "{}", ui::visible(line))?;
            }
            return Ok(());
        }
        let frame = Frame { width: self.ui.width, color: self.ui.color, headings: part == Part::Whole };
        let laid = grid::lay(&self.columns(answer), frame);
        out.write_all(laid.text.as_bytes())?;
        if !laid.omitted.is_empty() {
            out.flush()?;
            self.ui.note(&format!("not shown, as no row has them: {}", laid.omitted.join(", ")));
        }
        Ok(())
    }

    /// The answer as columns of shown text.
    fn columns(&self, answer: &Answer) -> Vec<Column> {
        let column = |(at, asked): (usize, &logq_query::Column)| {
            let data = || answer.rows.iter().filter_map(move |row| row.cells.get(at));
            let precision = data().filter_map(time).map(Precision::of).max().unwrap_or(Precision::Minutes);
            let present = || data().filter(|datum| !datum.is_missing());
            Column {
                name: ui::visible(&asked.name),
                number: present().next().is_some() && present().all(cell::is_number),
                fixed: present().all(|datum| cell::is_number(datum) || time(datum).is_some()),
                cells: data().map(|datum| cell::of(asked.kind, datum, self.zone, precision)).collect(),
            }
        };
        answer.columns.iter().enumerate().map(column).collect()
    }
}

/// A text on a terminal.
fn harmless(text: &str) -> Cow<'_, str> {
    ui::visible(text).into()
}

/// A text for a program.
fn exact(text: &str) -> Cow<'_, str> {
    text.into()
}

fn time(datum: &Datum) -> Option<i64> {
    match datum {
        Datum::Time(ns) => Some(*ns),
        _ => None,
    }
}
