//! Tables to events: cells under the names of a header line, parted by `,`, `;` or tab.
//!
//! The same reader (`csv-core`) finds where rows end, when the source is split, and what their cells are,
//! so that the two can never disagree about a quoted line break. A row starts in the same state wherever
//! a chunk starts. An empty cell is a missing field; a cell spelled as a number is one, with its literal.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use logq_engine::{Event, Value};

use crate::fields::{self, Class, Fields, Rules, Winners};
use crate::scan::{FIELDS_MAX, Malformed};

/// The delimiters that are tried, in order of preference.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
/// Names of columns up to which a first line without quotes may be a header; see [`looks_like_header`].
const NAME_LEN_MAX: usize = 64;
const CELLS_START: usize = 64;
const OUTPUT_START: usize = 4096;

/// One row as it was read.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    /// Bytes that the row took, line end included.
    pub(crate) size: usize,
    text: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Row<'a> {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn cell(&self, at: usize) -> &'a [u8] {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(at).and_then(|&end| self.text.get(start..end)).unwrap_or_default()
    }

    fn is_blank(&self) -> bool {
        self.len() == 1 && self.cell(0).iter().all(u8::is_ascii_whitespace)
    }
}

/// Reads rows off the front of bytes.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    reader: Reader,
    output: Vec<u8>,
    ends: Vec<usize>,
}

impl Rows {
    pub(crate) fn new(delimiter: u8) -> Self {
        let reader = ReaderBuilder::new().delimiter(delimiter).build();
        Self { reader, output: vec![0; OUTPUT_START], ends: vec![0; CELLS_START] }
    }

    /// The first row of `input`, which starts where a row starts. Without `last` the row must end inside
    /// `input`; else the end of the input ends it. `None`: no whole row. Blank lines before a row are
    /// skipped and counted into its size.
    pub(crate) fn next(&mut self, input: &[u8], last: bool) -> Option<Row<'_>> {
        self.reader.reset();
        let (mut size, mut text, mut cells) = (0, 0, 0);
        loop {
            let rest = input.get(size..).unwrap_or_default();
            if rest.is_empty() && !last {
                return None;
            }
            let output = self.output.get_mut(text..).unwrap_or_default();
            let ends = self.ends.get_mut(cells..).unwrap_or_default();
            let (result, read, written, ended) = self.reader.read_record(rest, output, ends);
            size += read;
            text += written;
            cells += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.output.resize(self.output.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::End => return None,
                ReadRecordResult::Record => break,
            }
        }
        if size.checked_sub(1).and_then(|at| input.get(at)) == Some(&b'\r') {
            match input.get(size) {
                Some(b'\n') => size += 1,
                None if !last => return None,
                _ => {}
            }
        }
        Some(Row { size, text: self.output.get(..text)?, ends: self.ends.get(..cells)? })
    }
}

/// Bytes of line ends before the first row, and how many blank lines they are.
pub(crate) fn blank_lines(input: &[u8]) -> (usize, u64) {
    let len = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    (len, memchr::memchr_iter(b'\n', input.get(..len).unwrap_or_default()).count() as u64)
}

/// Whether the last quoted cell of a row is still open at its end: a quote that nobody closed swallows the
/// rest of the source.
pub(crate) fn is_open(row: &[u8], delimiter: u8) -> bool {
    let (mut quoted, mut start) = (false, true);
    let mut bytes = row.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' if quoted && bytes.peek() == Some(&&b'"') => {
                bytes.next();
            }
            b'"' if quoted => quoted = false,
            b'"' if start => quoted = true,
            _ => {}
        }
        start = !quoted && (byte == delimiter || byte == b'\n' || byte == b'\r');
    }
    quoted
}

/// The header of a table, and what its names stand for.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) delimiter: u8,
    /// Bytes of the header, line end included.
    pub(crate) size: usize,
    names: Vec<String>,
    classes: Vec<Class>,
}

impl Header {
    /// Reads the header off the front of a source. `None` when there is none within `head`.
    pub(crate) fn read(head: &[u8], last: bool, rules: &Rules) -> Option<Self> {
        let delimiter = delimiter(head);
        let mut rows = Rows::new(delimiter);
        let row = rows.next(head, last)?;
        if row.is_blank() || FIELDS_MAX < row.len() {
            return None;
        }
        let names: Vec<String> = (0..row.len()).map(|at| name(row.cell(at), at)).collect();
        let classes = names.iter().map(|name| rules.classify(name)).collect();
        Some(Self { delimiter, size: row.size, names, classes })
    }
}

/// A column without a name is called by its place.
fn name(cell: &[u8], at: usize) -> String {
    match String::from_utf8_lossy(cell).trim() {
        "" => format!("column_{}", at + 1),
        name => name.to_owned(),
    }
}

/// The delimiter that cuts the first line into most cells.
fn delimiter(head: &[u8]) -> u8 {
    let cells = |delimiter: u8| Rows::new(delimiter).next(head, true).map_or(0, |row| row.len());
    let mut best = (DELIMITERS[0], cells(DELIMITERS[0]));
    for &delimiter in DELIMITERS.get(1..).unwrap_or_default() {
        let count = cells(delimiter);
        if best.1 < count {
            best = (delimiter, count);
        }
    }
    best.0
}

/// Whether a source without a telling name starts with a header: two or more different names made of
/// letters, and the following rows have as many cells.
pub(crate) fn looks_like_header(head: &[u8], last: bool) -> bool {
    let delimiter = delimiter(head);
    let mut rows = Rows::new(delimiter);
    let Some(row) = rows.next(head, last) else { return false };
    let count = row.len();
    let mut names: Vec<&[u8]> = (0..count).map(|at| row.cell(at)).collect();
    let plain = names.iter().all(|name| {
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.@ -/()".contains(byte);
        let starts = name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || b"_@".contains(byte));
        starts && name.len() <= NAME_LEN_MAX && name.iter().all(word)
    });
    names.sort_unstable();
    names.dedup();
    if count < 2 || !plain || names.len() < count {
        return false;
    }
    let mut at = row.size;
    let mut seen = 0;
    while seen < 5 {
        let rest = head.get(at..).unwrap_or_default();
        let Some(row) = rows.next(rest, last) else { break };
        if row.len() != count {
            return false;
        }
        at += row.size;
        seen += 1;
    }
    0 < seen
}

/// The cells of one row that are not empty.
struct Cells<'a> {
    row: &'a Row<'a>,
    header: &'a Header,
    present: &'a [usize],
}

impl Cells<'_> {
    fn column(&self, at: usize) -> usize {
        self.present.get(at).copied().unwrap_or(usize::MAX)
    }
}

impl Fields for Cells<'_> {
    fn len(&self) -> usize {
        self.present.len()
    }

    fn name(&self, at: usize) -> &str {
        self.header.names.get(self.column(at)).map_or("", |name| name)
    }

    fn class(&self, at: usize) -> &Class {
        static UNKNOWN: Class = Class::NONE;
        self.header.classes.get(self.column(at)).unwrap_or(&UNKNOWN)
    }

    fn value(&self, at: usize) -> Value<'_> {
        let bytes = self.row.cell(self.column(at));
        std::str::from_utf8(bytes).map_or(Value::Bytes(bytes), fields::cell)
    }
}

/// The memory of a table's reader, kept between rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableMemory {
    present: Vec<usize>,
    winners: Winners,
}

impl TableMemory {
    /// Reads one row into an empty event. `None` is a blank row.
    pub(crate) fn parse(
        &mut self,
        rules: &Rules,
        header: &Header,
        row: &Row<'_>,
        event: &mut Event,
    ) -> Option<Result<u64, Malformed>> {
        if row.is_blank() && 1 < header.names.len() {
            return None;
        }
        if row.len() != header.names.len() {
            let reason = format!("{} cells, and the header has {}", row.len(), header.names.len());
            return Some(Err(Malformed { column: 0, reason }));
        }
        self.present.clear();
        self.present.extend((0..row.len()).filter(|&at| !row.cell(at).is_empty()));
        let cells = Cells { row, header, present: &self.present };
        Some(Ok(rules.fill(&cells, &mut self.winners, event)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(input: &str, delimiter: u8) -> Vec<Vec<String>> {
        let mut rows = Rows::new(delimiter);
        let mut found = Vec::new();
        let mut rest = input.as_bytes();
        while let Some(row) = rows.next(rest, true) {
            found.push((0..row.len()).map(|at| String::from_utf8_lossy(row.cell(at)).into_owned()).collect());
            rest = &rest[row.size..];
        }
        found
    }

    #[test]
    fn quoted_line_breaks_and_quotes_stay_in_their_cell() {
        assert_eq!(
            rows("a,\"b\r\nc\",\"d\"\"e\"\r\n1,2,3", b','),
            [["a", "b\r\nc", "d\"e"], ["1", "2", "3"]]
        );
    }

    #[test]
    fn a_row_that_is_not_whole_waits_for_more() {
        let mut rows = Rows::new(b',');
        for part in ["a,b", "a,\"b\n", "a,b\r", ""] {
            assert!(rows.next(part.as_bytes(), false).is_none(), "{part:?}");
        }
        assert_eq!(rows.next(b"a,b\n", false).unwrap().size, 4);
        assert_eq!(rows.next(b"\n\na,b\r\nc", false).unwrap().size, 7);
    }

    #[test]
    fn the_delimiter_and_the_header_are_found() {
        for (head, want) in [
            ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n", Some(b',')),
            ("a;b\n1,5;2\n", Some(b';')),
            ("a\tb\n1\t2\n", Some(b'\t')),
            ("a,b\n1,2,3\n", None),
            ("a,a\n1,2\n", None),
            ("Jun 14 15:16:01 combo sshd: check pass; user unknown\nx\n", None),
            ("hello\nhello\n", None),
        ] {
            let found = looks_like_header(head.as_bytes(), true).then(|| delimiter(head.as_bytes()));
            assert_eq!(found, want, "{head}");
        }
    }

    #[test]
    fn a_quote_that_nobody_closed_is_noticed() {
        for (row, want) in [
            ("a,\"b", true),
            ("a,\"b\"", false),
            ("a,\"b\"\"", true),
            ("a,b\"", false),
            ("\"a\nb\",\"", true),
        ] {
            assert_eq!(is_open(row.as_bytes(), b','), want, "{row}");
        }
    }
}
