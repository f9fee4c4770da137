//! Lays cells out in columns that fit a width. Knows nothing of what the cells mean.
//!
//! A table that is too wide first breaks its headings at underscores, then leaves out columns in which no row
//! has anything, then shortens its longest texts, and at last shows each row as lines of `name value`.
//! Numbers and times are never shortened: a number cut short is another number.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Between two columns.
const GAP: usize = 2;
/// A text is not shortened below this.
const TEXT_MIN: usize = 12;
/// A name is mostly told by so much of it; below that it gives way only when nothing else can.
const NAME_MIN: usize = 18;

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
    /// Numbers stand to the right.
    pub(crate) number: bool,
    /// Its cells are never shortened: numbers and times.
    pub(crate) fixed: bool,
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
    let rows = columns.first().map_or(0, |column| column.cells.len());
    let all: Vec<&Column> = columns.iter().collect();
    if let Some(widths) = whole(&all, frame.width) {
        return Laid { text: table(&all, &widths, frame), omitted: Vec::new() };
    }
    // One row says more about what it lacks than about what a table of it would look like.
    let (some, none): (Vec<&Column>, Vec<&Column>) =
        columns.iter().partition(|column| rows == 1 || !column.cells.iter().all(|cell| cell.empty));
    let widths = whole(&some, frame.width).or_else(|| shortened_texts(&some, frame.width));
    match widths.filter(|_| !some.is_empty()) {
        Some(widths) => {
            let omitted = none.into_iter().map(|column| column.name.clone()).collect();
            Laid { text: table(&some, &widths, frame), omitted }
        }
        None => Laid { text: list(columns, rows, frame), omitted: Vec::new() },
    }
}

/// What the columns may take together.
fn room(columns: &[&Column], width: usize) -> Option<usize> {
    width.checked_sub(GAP * columns.len().saturating_sub(1))
}

/// The widest cell.
fn cells(column: &Column) -> usize {
    column.cells.iter().map(|cell| cell.text.width()).max().unwrap_or(0)
}

/// Widths in which every cell is whole; headings may break.
fn whole(columns: &[&Column], width: usize) -> Option<Vec<usize>> {
    let room = room(columns, width)?;
    let one_line = |column: &Column| cells(column).max(column.name.width());
    let broken = |column: &Column| cells(column).max(longest_part(&column.name));
    let widths: Vec<usize> = columns.iter().map(|column| one_line(column)).collect();
    let widths = if widths.iter().sum::<usize>() <= room {
        widths
    } else {
        columns.iter().map(|c| broken(c)).collect()
    };
    (widths.iter().sum::<usize>() <= room).then_some(widths)
}

/// Widths in which texts give way, in turns: the longest, mostly a message, and the others, mostly names.
fn shortened_texts(columns: &[&Column], width: usize) -> Option<Vec<usize>> {
    let room = room(columns, width)?;
    let least = |at: usize| longest_part(&columns[at].name);
    let mut widths: Vec<usize> = (0..columns.len()).map(|at| cells(columns[at]).max(least(at))).collect();
    let longest = (0..columns.len()).filter(|&at| !columns[at].fixed).max_by_key(|&at| widths[at])?;
    let mut excess = widths.iter().sum::<usize>().saturating_sub(room);
    for floor in [room / 2, NAME_MIN, TEXT_MIN] {
        let give = excess.min(widths[longest].saturating_sub(floor.max(least(longest))));
        widths[longest] -= give;
        excess -= give;
        let floor = |at: usize| floor.min(NAME_MIN).max(least(at));
        let others = |widths: &[usize]| {
            (0..columns.len())
                .filter(|&at| at != longest && !columns[at].fixed && floor(at) < widths[at])
                .max_by_key(|&at| widths[at])
        };
        while let Some(at) = others(&widths).filter(|_| 0 < excess) {
            widths[at] -= 1;
            excess -= 1;
        }
    }
    (excess == 0).then_some(widths)
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

/// The text in at most `width` columns; an ellipsis says that something is missing. Of a name or path, which has no
/// blank in it, the middle is left out: the ends tell one from another.
pub(crate) fn shortened(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return text.into();
    }
    let room = width.saturating_sub(1);
    let tail_room = if text.contains(' ') { 0 } else { room / 2 };
    let fitting = |chars: &mut dyn Iterator<Item = char>, room: usize| -> usize {
        let mut used = 0;
        let fits = |c: &char| {
            used += c.width().unwrap_or(0);
            used <= room
        };
        chars.take_while(fits).map(char::len_utf8).sum()
    };
    let head = fitting(&mut text.chars(), room - tail_room);
    let tail = text.len() - fitting(&mut text.chars().rev(), tail_room);
    let piece = |range: Option<&str>| range.unwrap_or_default().to_owned();
    format!("{}\u{2026}{}", piece(text.get(..head)), piece(text.get(tail.max(head)..))).into()
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
            let text = if column.fixed { cell.text.as_str().into() } else { shortened(&cell.text, room) };
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
        Column { name: name.into(), number, fixed: number, cells: cells.iter().map(cell).collect() }
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
    fn a_name_loses_its_middle_and_a_text_its_end() {
        assert_eq!(shortened("fireworks/accounts/models/deepseek-v3", 20), "fireworks/\u{2026}epseek-v3");
        assert_eq!(shortened("a text of several words", 12), "a text of s\u{2026}");
        for width in 0..30 {
            for text in [
                "\u{4e2d}\u{6587}\u{5b57}\u{7b26}\u{4e2d}\u{6587}",
                "abcdefghij",
                "ab cd ef gh ij",
                "e\u{301}e\u{301}e\u{301}e\u{301}",
            ] {
                assert!(shortened(text, width).width() <= width.max(1), "{text} in {width}");
            }
        }
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
        assert_eq!(shortened("\u{4e2d}\u{6587}\u{5b57}\u{7b26}", 7), "\u{4e2d}\u{2026}\u{7b26}");
        assert_eq!(shortened("\u{4e2d} \u{6587}\u{5b57}\u{7b26}", 6), "\u{4e2d} \u{6587}\u{2026}");
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
        for width in (20..100).step_by(7) {
            for count in 1..12 {
                let columns: Vec<Column> =
                    (0..count).map(|at| column(&format!("name_{at}"), false, &[&long, "x"])).collect();
                let laid = lay(&columns, Frame { width, color: false, headings: true });
                assert!(laid.text.lines().all(|line| line.width() <= width), "{count} columns in {width}");
            }
        }
    }
}
