//! The reject file: every bad line of a source, once, so that it can be mended and imported.
//!
//! One JSON object a line: `line` and `offset` (in the decompressed source), `column` (from 1; 0 says nothing),
//! `reason`, `size`, and the line itself as `raw`, or as `raw_base64` where it is not UTF-8. Lines come in
//! the order of the source, so an import that goes on knows by the last one what is there.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::base64;
use crate::cache::FILE_MODE;
use crate::error::{Error, Result};
use crate::parse::Reject;

const DIR_MODE: u32 = 0o700;
/// A line of the reject file up to which its offset is looked for: it stands before the raw text.
const OFFSET_WITHIN: usize = 512;

/// The reject file of one source. It is made with the first bad line.
pub(crate) struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    /// The offset of the last line that an earlier import wrote.
    written: Option<u64>,
    used: bool,
}

impl Rejects {
    pub(crate) fn new(path: PathBuf) -> Result<Self> {
        let written = match File::open(&path) {
            Ok(file) => last_offset(file).map_err(|error| failed(&path, error))?,
            Err(_) => None,
        };
        Ok(Self { path, file: None, written, used: false })
    }

    /// Where the bad lines of this import are.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.used.then_some(&self.path)
    }

    /// Keeps bad lines, but those that an earlier import kept.
    pub(crate) fn add(&mut self, rejects: &[Reject]) -> Result<()> {
        for reject in rejects {
            self.used = true;
            if self.written.is_some_and(|written| reject.offset <= written) {
                continue;
            }
            let path = self.path.clone();
            self.write(reject).map_err(|error| failed(&path, error))?;
        }
        Ok(())
    }

    fn write(&mut self, reject: &Reject) -> std::io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => open(&self.path)?,
        };
        let Reject { line, offset, column, reason, size, raw } = reject;
        let numbers = format!("{{\"line\":{line},\"offset\":{offset},\"column\":{column},\"size\":{size}");
        let (name, text) = match std::str::from_utf8(raw) {
            Ok(text) => ("raw", json!(text)),
            Err(_) => ("raw_base64", json!(base64::encode(raw))),
        };
        writeln!(file, "{numbers},\"reason\":{},\"{name}\":{text}}}", json!(reason))?;
        self.file = Some(file);
        Ok(())
    }

    /// Puts everything on disk.
    pub(crate) fn sync(&mut self) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let synced = file.flush().and_then(|()| file.get_ref().sync_data());
        synced.map_err(|error| failed(&self.path, error))
    }
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::io("the reject file cannot be read or written", path, error)
}

/// Opens for appending; a last line that was cut gets its end.
fn open(path: &Path) -> std::io::Result<BufWriter<File>> {
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir)?;
    }
    let mut file = OpenOptions::new().create(true).read(true).append(true).mode(FILE_MODE).open(path)?;
    let mut last = None;
    let mut reader = BufReader::new(&mut file);
    loop {
        let block = reader.fill_buf()?;
        let Some(&byte) = block.last() else { break };
        last = Some(byte);
        let len = block.len();
        reader.consume(len);
    }
    if last.is_some_and(|byte| byte != b'\n') {
        file.write_all(b"\n")?;
    }
    Ok(BufWriter::new(file))
}

/// The highest offset of a whole line.
fn last_offset(file: File) -> std::io::Result<Option<u64>> {
    let mut reader = BufReader::new(file);
    let mut last = None;
    let mut start = Vec::new();
    loop {
        start.clear();
        reader.by_ref().take(OFFSET_WITHIN as u64).read_until(b'\n', &mut start)?;
        if start.is_empty() {
            return Ok(last);
        }
        let whole = start.ends_with(b"\n") || reader.skip_until(b'\n')? != 0 && ends_a_line(&mut reader)?;
        if let (true, Some(offset)) = (whole, offset(&start)) {
            last = last.max(Some(offset));
        }
    }
}

/// After a skipped line: whether it had an end can only be doubted at the end of the file.
fn ends_a_line(reader: &mut BufReader<File>) -> std::io::Result<bool> {
    if !reader.fill_buf()?.is_empty() {
        return Ok(true);
    }
    let file = reader.get_mut();
    let mut end = [0];
    std::io::Seek::seek(file, std::io::SeekFrom::End(-1))?;
    file.read_exact(&mut end)?;
    Ok(end == *b"\n")
}

fn offset(start: &[u8]) -> Option<u64> {
    let numbers = start.get(..memchr::memmem::find(start, b",\"reason\"")?)?;
    let json: Json = serde_json::from_slice(&[numbers, b"}"].concat()).ok()?;
    json.get("offset")?.as_u64()
}
