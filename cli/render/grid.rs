//! Lays cells out in columns that fit a width. Knows nothing of what the cells mean.
//!
//! A table that is too wide first breaks its headings at underscores, then shortens its longest texts, then
//! leaves out columns in which no row has anything, and at last shows each row as lines of `name value`.
//! A number is never shortened: a number cut short is another number.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Between two columns.
const GAP: usize = 2;
/// A text is not shortened below this.
const TEXT_MIN: usize = 12;

/// How a cell is painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Heading,
    Faint,
    Warn,
    Error,
}

impl Tone {
    /// The colour's code in an ANSI escape; `None` paints nothing.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Heading => Some("1"),
            Self::Faint => Some("2"),
            Self::Warn => Some("33"),
            Self::Error => Some("31"),
        }
    }
}

/// One cell: text without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) tone: Tone,
    /// There is nothing in it: missing, or 0.
    pub(crate) empty: bool,
}

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Numbers stand to the right and are never shortened.
    pub(crate) number: bool,
    pub(crate) cells: Vec<Cell>,
}

/// A table as text.
#[derive(Debug, Default)]
pub(crate) struct Laid {
    pub(crate) text: String,
    /// Names of columns that were left out because no row has anything in them.
    pub(crate) omitted: Vec<String>,
}

/// What a table goes into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) width: usize,
    pub(crate) color: bool,
    /// Names above the columns.
    pub(crate) headings: bool,
}

/// Lays the columns out; all have the same number of cells.
pub(crate) fn lay(columns: &[Column], frame: Frame) -> Laid {
    let width = frame.width;
    let rows = columns.first().map_or(0, |column| column.cells.len());
    let all: Vec<&Column> = columns.iter().collect();
    if let Some(widths) = fit(&all, width) {
        return Laid { text: table(&all, &widths, frame), omitted: Vec::new() };
    }
    if 1 < rows {
        let (some, none): (Vec<&Column>, Vec<&Column>) =
            columns.iter().partition(|column| !column.cells.iter().all(|cell| cell.empty));
        if let Some(widths) = fit(&some, width).filter(|_| !some.is_empty()) {
            let omitted = none.into_iter().map(|column| column.name.clone()).collect();
            return Laid { text: table(&some, &widths, frame), omitted };
        }
    }
    Laid { text: list(columns, rows, frame), omitted: Vec::new() }
}

/// The width of each column, or `None` when they do not fit.
fn fit(columns: &[&Column], width: usize) -> Option<Vec<usize>> {
    let room = width.checked_sub(GAP * columns.len().saturating_sub(1))?;
    let cells = |column: &Column| column.cells.iter().map(|cell| cell.text.width()).max().unwrap_or(0);
    let whole: Vec<usize> = columns.iter().map(|c| cells(c).max(c.name.width())).collect();
    if whole.iter().sum::<usize>() <= room {
        return Some(whole);
    }
    let least: Vec<usize> = columns.iter().map(|c| longest_part(&c.name)).collect();
    let mut widths: Vec<usize> = columns.iter().zip(&least).map(|(c, &least)| cells(c).max(least)).collect();
    // The longest text gives way first, so that short columns stay whole beside a long message.
    let mut excess = widths.iter().sum::<usize>().saturating_sub(room);
    while 0 < excess {
        let floor = |at: usize| least[at].max(TEXT_MIN);
        let texts = || (0..columns.len()).filter(|&at| !columns[at].number && floor(at) < widths[at]);
        let longest = texts().max_by_key(|&at| widths[at])?;
        let next = texts().filter(|&at| at != longest).map(|at| widths[at]).max().unwrap_or(0);
        let target = floor(longest).max(next).min(widths[longest] - 1);
        let give = excess.min(widths[longest] - target);
        widths[longest] -= give;
        excess -= give;
    }
    Some(widths)
}

/// The parts of a heading that may stand on lines of their own: each ends behind an underscore.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split_inclusive('_')
}

fn longest_part(name: &str) -> usize {
    parts(name).map(str::width).max().unwrap_or(0)
}

/// The lines of a heading in `width`.
fn heading(name: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts(name) {
        match lines.last_mut() {
            Some(line) if line.width() + part.width() <= width => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
    lines
}

fn table(columns: &[&Column], widths: &[usize], frame: Frame) -> String {
    let color = frame.color;
    let mut out = String::new();
    let headings: Vec<Vec<String>> = columns.iter().zip(widths).map(|(c, &w)| heading(&c.name, w)).collect();
    let height = if frame.headings { headings.iter().map(Vec::len).max().unwrap_or(0) } else { 0 };
    for line in 0..height {
        // A short heading stands on the last line, next to its cells.
        let cell = |at: usize| {
            headings[at].get((line + headings[at].len()).wrapping_sub(height)).map_or("", |text| text)
        };
        row(&mut out, columns, widths, color, |at| (cell(at), Tone::Heading));
    }
    let rows = columns.first().map_or(0, |column| column.cells.len());
    for at in 0..rows {
        row(&mut out, columns, widths, color, |column| {
            let cell = &columns[column].cells[at];
            (cell.text.as_str(), cell.tone)
        });
    }
    out
}

fn row<'c>(
    out: &mut String,
    columns: &[&Column],
    widths: &[usize],
    color: bool,
    cell: impl Fn(usize) -> (&'c str, Tone),
) {
    let mut pending = 0;
    for (at, column) in columns.iter().enumerate() {
        let (text, tone) = cell(at);
        let text = shortened(text, widths[at]);
        let pad = widths[at].saturating_sub(text.width());
        if column.number {
            pending += pad;
        }
        // Spaces are written before the next text, so that no line ends in them.
        if !text.is_empty() {
            out.extend(std::iter::repeat_n(' ', pending));
            pending = 0;
            paint(out, &text, tone, color);
        }
        if !column.number {
            pending += pad;
        }
        pending += GAP;
    }
    out.push('\n');
}

fn paint(out: &mut String, text: &str, tone: Tone, color: bool) {
    match tone.code().filter(|_| color) {
        Some(code) => {
            out.push_str("\x1b[");
            out.push_str(code);
            out.push('m');
            out.push_str(text);
            out.push_str("\x1b[0m");
        }
        None => out.push_str(text),
    }
}

/// The text in at most `width` columns; an ellipsis says that something is missing.
pub(crate) fn shortened(text: &str, width: usize) -> std::borrow::Cow<'_, str> {
    if text.width() <= width {
        return text.into();
    }
    let mut used = 0;
    let mut kept: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used < width
        })
        .collect();
    kept.push('\u{2026}');
    kept.into()
}

/// Each row as lines of `name value`, with an empty line between rows.
fn list(columns: &[Column], rows: usize, frame: Frame) -> String {
    let Frame { width, color, .. } = frame;
    // A name takes at most two thirds of the line.
    let name = |column: &Column| shortened(&column.name, width * 2 / 3).into_owned();
    let names = columns.iter().map(|column| name(column).width()).max().unwrap_or(0);
    let values =
        columns.iter().filter(|c| c.number).flat_map(|c| &c.cells).map(|cell| cell.text.width()).max();
    let mut out = String::new();
    for at in 0..rows {
        if 0 < at {
            out.push('\n');
        }
        for column in columns {
            let cell = &column.cells[at];
            let name = name(column);
            paint(&mut out, &name, Tone::Heading, color);
            let mut pad = names - name.width() + GAP;
            let room = width.saturating_sub(names + GAP);
            let text = if column.number { cell.text.as_str().into() } else { shortened(&cell.text, room) };
            // One row of numbers reads as a sum does: right-aligned.
            if column.number {
                pad += values.unwrap_or(0).saturating_sub(text.width());
            }
            if !text.is_empty() {
                out.extend(std::iter::repeat_n(' ', pad));
            }
            paint(&mut out, &text, cell.tone, color);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, number: bool, cells: &[&str]) -> Column {
        let cell =
            |text: &&str| Cell { text: (*text).into(), tone: Tone::Plain, empty: matches!(*text, "0" | "-") };
        Column { name: name.into(), number, cells: cells.iter().map(cell).collect() }
    }

    fn check(columns: &[Column], width: usize, want: &str) {
        let laid = lay(columns, Frame { width, color: false, headings: true });
        let got: String = laid.text.lines().map(|line| format!("|{line}\n")).collect();
        assert_eq!(
            got,
            want.lines()
                .map(|line| format!("|{}\n", line.trim_start().trim_start_matches('|')))
                .collect::<String>()
        );
        assert!(laid.text.lines().all(|line| line.width() <= width), "wider than {width}");
    }

    #[test]
    fn numbers_stand_to_the_right_and_no_line_ends_in_spaces() {
        let columns = [
            column("model", false, &["llama3.2", "x"]),
            column("calls", true, &["1,234", "5"]),
            column("note", false, &["", "b"]),
        ];
        check(&columns, 80, "|model     calls  note\n|llama3.2  1,234\n|x             5  b");
    }

    #[test]
    fn headings_break_at_underscores_before_anything_is_cut() {
        let columns = [column("prompt_tokens", true, &["1", "2"]), column("x", false, &["a", "b"])];
        check(&columns, 12, "|prompt_\n| tokens  x\n|      1  a\n|      2  b");
    }

    #[test]
    fn the_longest_text_gives_way_first() {
        let columns = [
            column("id", false, &["abcdefghijklmn"]),
            column("message", false, &["a very long message that goes on and on"]),
        ];
        check(&columns, 40, "|id              message\n|abcdefghijklmn  a very long message tha\u{2026}");
    }

    #[test]
    fn wide_characters_keep_the_columns_straight() {
        let columns = [column("a", false, &["\u{4e2d}\u{6587}", "x"]), column("b", false, &["1", "2"])];
        check(&columns, 80, "|a     b\n|\u{4e2d}\u{6587}  1\n|x     2");
        assert_eq!(shortened("\u{4e2d}\u{6587}\u{5b57}\u{7b26}", 6), "\u{4e2d}\u{6587}\u{2026}");
    }

    #[test]
    fn columns_of_nothing_are_left_out_and_named() {
        let columns = [
            column("model", false, &["a", "b"]),
            column("some", true, &["1", "2"]),
            column("nothing_at_all", true, &["0", "-"]),
        ];
        let laid = lay(&columns, Frame { width: 14, color: false, headings: true });
        assert_eq!(laid.text, "model  some\na         1\nb         2\n");
        assert_eq!(laid.omitted, ["nothing_at_all"]);
    }

    #[test]
    fn what_fits_no_table_becomes_lines() {
        let columns = [
            column("first_number", true, &["1,000"]),
            column("second", true, &["20"]),
            column("third", false, &["abc"]),
        ];
        check(&columns, 20, "|first_number  1,000\n|second           20\n|third         abc");
    }

    #[test]
    fn any_columns_fit_any_width() {
        let long = "0123456789".repeat(30);
        for width in 20..100 {
            for count in 1..12 {
                let columns: Vec<Column> =
                    (0..count).map(|at| column(&format!("name_{at}"), false, &[&long, "x"])).collect();
                let laid = lay(&columns, Frame { width, color: false, headings: true });
                assert!(laid.text.lines().all(|line| line.width() <= width), "{count} columns in {width}");
            }
        }
    }
}
