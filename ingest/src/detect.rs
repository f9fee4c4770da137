//! What a source is, from its first bytes: the format, or why it cannot be imported as it is.

use std::path::Path;

use logq_engine::Event;

use crate::csv;
use crate::error::{Error, ErrorKind, Result};
use crate::fields::Rules;
use crate::json::Scanner;
use crate::options::Format;
use crate::session;

/// The mark that some programs put before UTF-8 text.
const BOM: &[u8] = b"\xef\xbb\xbf";
/// Lines that are looked at.
const LINES: usize = 10;
/// Bytes that are looked at for what no text has.
const BINARY_WITHIN: usize = 8192;

/// Bytes before the text.
pub(crate) fn bom_size(head: &[u8]) -> usize {
    if head.starts_with(BOM) { BOM.len() } else { 0 }
}

/// Refuses what is recognised and cannot be read.
pub(crate) fn refuse(head: &[u8], name: &str) -> Result<()> {
    const UTF16: &str = "convert it: iconv -f UTF-16 -t UTF-8 FILE | logq import -";
    let known: [(&[u8], &str, &str); 11] = [
        (b"\xff\xfe\0\0", "this is UTF-32 text", "convert it: iconv -f UTF-32 -t UTF-8 FILE | logq import -"),
        (b"\xff\xfe", "this is UTF-16 text", UTF16),
        (b"\xfe\xff", "this is UTF-16 text", UTF16),
        (b"\x1f\x8b", "this is gzip inside gzip", "decompress it once: gunzip FILE"),
        (b"\x28\xb5\x2f\xfd", "this is compressed with zstd", "decompress it: zstd -dc FILE | logq import -"),
        (b"\xfd7zXZ\0", "this is compressed with xz", "decompress it: xz -dc FILE | logq import -"),
        (b"\x04\x22\x4d\x18", "this is compressed with lz4", "decompress it: lz4 -dc FILE | logq import -"),
        (b"BZh", "this is compressed with bzip2", "decompress it: bzip2 -dc FILE | logq import -"),
        (b"PK\x03\x04", "this is a zip archive", "unpack it: unzip -p FILE | logq import -"),
        (
            b"SQLite format 3\0",
            "this is an SQLite database",
            "export it: sqlite3 -csv -header FILE 'select ...'",
        ),
        (b"PAR1", "this is a Parquet file", "export it as CSV or JSONL first"),
    ];
    for (magic, what, help) in known {
        if head.starts_with(magic) {
            return Err(Error::new(ErrorKind::Unsupported, what).at(Path::new(name)).with_help(help));
        }
    }
    Ok(())
}

/// The format of a source that starts with `head` (`last`: and has no more) and is called `name`.
pub(crate) fn format(head: &[u8], last: bool, name: &str, rules: &Rules) -> Result<Format> {
    let text = head.get(bom_size(head)..).unwrap_or_default();
    let whole = if last { text.len() } else { memchr::memrchr(b'\n', text).map_or(text.len(), |at| at + 1) };
    let text = text.get(..whole).unwrap_or_default();
    let lines = || text.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(LINES);
    let braced = lines().filter(|line| line.trim_ascii_start().starts_with(b"{")).count();
    // A long first line may not end within the head; its brace has to do.
    if lines().next().is_some_and(|line| line.trim_ascii_start().starts_with(b"{"))
        && memchr::memchr(b'\n', text).is_none()
    {
        return Ok(session::recognise_start(text).map_or(Format::Jsonl, of_session));
    }
    if 0 < braced {
        let (mut scanner, mut event) = (Scanner::default(), Event::new());
        let good = lines().filter(|line| {
            event.clear();
            scanner.parse(rules, line, &mut event).is_ok()
        });
        if lines().count() <= good.count() * 2 {
            return Ok(of_lines(lines()));
        }
    }
    let named = Path::new(name).extension().is_some_and(|ext| ext == "csv" || ext == "tsv");
    if named || csv::looks_like_header(text, last) {
        return Ok(Format::Csv);
    }
    refuse_binary(head, name)?;
    Ok(Format::Plain)
}

/// JSONL, or sessions where half of the lines at least are rows of them.
fn of_lines<'l>(lines: impl Iterator<Item = &'l [u8]>) -> Format {
    let (mut count, mut found) = (0, Vec::new());
    for line in lines {
        count += 1;
        found.extend(session::recognise_line(line));
    }
    let Some(first) = found.first() else { return Format::Jsonl };
    let same = found.iter().filter(|kind| *kind == first).count();
    if count <= same * 2 { of_session(*first) } else { Format::Jsonl }
}

fn of_session(kind: session::Kind) -> Format {
    match kind {
        session::Kind::ClaudeCode => Format::ClaudeCode,
        session::Kind::Codex => Format::Codex,
    }
}

/// Text holds few control characters but line ends, tabs and what colours a terminal.
fn refuse_binary(head: &[u8], name: &str) -> Result<()> {
    let head = head.get(..BINARY_WITHIN).unwrap_or(head);
    let odd = |byte: u8| (byte < 0x20 && !b"\t\n\r\x08\x0b\x0c\x1b".contains(&byte)) || byte == 0x7f;
    let count = head.iter().filter(|&&byte| odd(byte)).count();
    if count * 20 <= head.len() {
        return Ok(());
    }
    let at = head.iter().position(|&byte| odd(byte)).unwrap_or(0);
    let what = format!("this looks like a binary file (byte {at} is {:#04x})", head.get(at).unwrap_or(&0));
    let help = "--format plain imports every line of it as it is";
    Err(Error::new(ErrorKind::Unsupported, what).at(Path::new(name)).with_help(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::ImportOptions;

    fn check(head: &[u8], name: &str) -> String {
        let rules = Rules::new(&ImportOptions::default(), Some("x"), 0, 0).unwrap();
        match refuse(head, name).and_then(|()| format(head, true, name, &rules)) {
            Ok(format) => format.as_str().into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_format_is_found_by_content() {
        for (head, name, want) in [
            (&b"{\"a\":1}\n{\"b\":2}\n"[..], "x.log", "jsonl"),
            (b"\xef\xbb\xbf\n  {\"a\":1}\r\n", "x", "jsonl"),
            (b"{\"a\":1}\n{\"b\":\n{\"c\":3}\n", "x", "jsonl"),
            (b"{\n  \"a\": 1,\n  \"b\": 2\n}\n", "x.json", "plain"),
            (b"time,model,cost\n2026-01-01,x,1\n", "x", "csv"),
            (b"1,2\n3,4\n", "x.csv", "csv"),
            (b"{\"type\":\"user\",\"sessionId\":\"s\",\"parentUuid\":null,\"n\":1}\n", "x", "claude-code"),
            (b"{\"type\":\"summary\",\"summary\":\"a\",\"leafUuid\":\"b\"}\n{\"a\":1}\n", "x", "claude-code"),
            (b"{\"type\":\"session_meta\",\"payload\":{\"id\":\"s\"}}\n", "x", "codex"),
            (b"{\"type\":\"event_msg\",\"payload\":{\"type\":\"x\"}}\n{\"a\":1}\n{\"a\":2}\n", "x", "jsonl"),
            (b"{\"type\":\"user\",\"sessionId\":\"s\",\"name\":\"x\"}\n", "x", "jsonl"),
            (b"{\"type\":\"turn_context\",\"payload\":{\"model\":\"m\"},\"session\":\"s\"}\n", "x", "jsonl"),
            (b"hello\nworld\n", "x", "plain"),
            (b"caf\xe9\nna\xefve text in another encoding\n", "x", "plain"),
            (b"", "x", "plain"),
            (b"\x7fELF\x02\x01\x01\0\0\0\0\0", "x", "this looks like a binary file (byte 0 is 0x7f): x"),
            (b"\xff\xfea\0b\0", "x", "this is UTF-16 text: x"),
            (b"PK\x03\x04", "x.zip", "this is a zip archive: x.zip"),
        ] {
            assert_eq!(check(head, name), want, "{}", String::from_utf8_lossy(head));
        }
    }
}
