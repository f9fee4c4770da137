//! A table in Markdown, for pages and issues: values as in a table, never shortened.

use std::io::{self, Write};

use super::Part;
use super::grid::Column;

/// Writes the table.
pub(crate) fn write(out: &mut dyn Write, columns: &[Column], part: Part) -> io::Result<()> {
    let line =
        |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let rule = |column: &Column| if column.number { "---:".to_owned() } else { "---".to_owned() };
    if part == Part::Whole {
        out.write_all(line(&mut columns.iter().map(|column| escaped(&column.name))).as_bytes())?;
        out.write_all(line(&mut columns.iter().map(rule)).as_bytes())?;
    }
    for at in 0..columns.first().map_or(0, |column| column.cells.len()) {
        out.write_all(line(&mut columns.iter().map(|column| escaped(&column.cells[at].text))).as_bytes())?;
    }
    Ok(())
}

/// What Markdown or HTML would read as its own is written as text.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '~' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::grid::{Cell, Tone};

    #[test]
    fn a_cell_cannot_break_the_table() {
        let column = |name: &str, number, text: &str| Column {
            name: name.into(),
            number,
            fixed: number,
            cells: vec![Cell { text: text.into(), tone: Tone::Plain, empty: false }],
        };
        let mut out = Vec::new();
        write(&mut out, &[column("a_b", false, "x | <b>"), column("n", true, "1,000")], Part::Whole).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "| a\\_b | n |\n| --- | ---: |\n| x \\| &lt;b> | 1,000 |\n"
        );
    }
}
