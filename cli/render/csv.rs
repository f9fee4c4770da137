//! CSV as RFC 4180 has it, but for line ends of one byte: a header line, quotes where they are needed, an
//! empty cell for what is missing.

use std::borrow::Cow;
use std::io::{self, Write};

use logq_query::{Answer, Datum, json};

use super::Part;

/// Writes a header line and one line for each row. `shown` says how a text is written.
pub(crate) fn write(
    out: &mut dyn Write,
    answer: &Answer,
    part: Part,
    shown: &dyn Fn(&str) -> Cow<'_, str>,
) -> io::Result<()> {
    let mut line = String::new();
    if part == Part::Whole {
        push_line(&mut line, answer.columns.iter().map(|column| shown(&column.name)));
    }
    for row in &answer.rows {
        push_line(&mut line, row.cells.iter().map(|datum| text(datum, shown)));
        out.write_all(line.as_bytes())?;
        line.clear();
    }
    out.write_all(line.as_bytes())
}

/// A value without the quotes that JSON would put around it.
pub(crate) fn text<'d>(datum: &'d Datum, shown: &dyn Fn(&str) -> Cow<'_, str>) -> Cow<'d, str> {
    match datum {
        Datum::Missing | Datum::Null => "".into(),
        Datum::Str(text) => shown(text),
        Datum::Level(level) => level.as_str().into(),
        Datum::Time(ns) => json::time_text(*ns).into(),
        other => {
            let mut text = String::new();
            json::write(&mut text, other);
            text.into()
        }
    }
}

/// Appends a line of cells.
pub(crate) fn push_line<'c>(line: &mut String, cells: impl ExactSizeIterator<Item = Cow<'c, str>>) {
    // A line that is empty would be no line to many readers.
    let single = cells.len() == 1;
    for (at, cell) in cells.enumerate() {
        if at != 0 {
            line.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r']) || (single && cell.is_empty()) {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&cell);
        }
    }
    line.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[Vec<Datum>], want: &str) {
        let mut out = String::new();
        rows.iter()
            .for_each(|row| push_line(&mut out, row.iter().map(|datum| text(datum, &|text| text.into()))));
        assert_eq!(out, want);
    }

    #[test]
    fn cells_are_quoted_where_they_have_to_be() {
        check(&[vec![Datum::text("x"), Datum::text("say \"hi\", twice")]], "x,\"say \"\"hi\"\", twice\"\n");
        check(&[vec![Datum::text("two\nlines"), Datum::Int(-1)]], "\"two\nlines\",-1\n");
        check(&[vec![Datum::Missing, Datum::Null]], ",\n");
        check(&[vec![Datum::Missing]], "\"\"\n");
        check(&[vec![Datum::Time(0), Datum::Duration(1_500_000)]], "1970-01-01T00:00:00Z,1.5\n");
        check(&[vec![Datum::Json("[1,2]".into()), Datum::Bool(true)]], "\"[1,2]\",true\n");
    }
}
