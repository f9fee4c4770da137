//! Where bytes come from: files, gzip files and streams, read from any offset of what they decompress to.
//!
//! A gzip source is known by its content, whatever its name. Everything here reads in pieces; nothing
//! holds a source in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

use crate::error::{Error, ErrorKind, Result};

/// Bytes at the start of a source that say what it is.
pub(crate) const HEAD_SIZE: usize = 64 << 10;
const READ_SIZE: usize = 256 << 10;

/// What to import.
pub struct Input(Kind);

enum Kind {
    Path(PathBuf),
    Stream(String, Box<dyn Read + Send>),
}

impl Input {
    /// A file; `-` is standard input.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        if path.as_os_str() == "-" {
            return Self::stream("stdin", io::stdin());
        }
        Self(Kind::Path(path))
    }

    /// A stream under a name. It has no identity: importing the same bytes again imports them again.
    pub fn stream(name: impl Into<String>, reader: impl Read + Send + 'static) -> Self {
        Self(Kind::Stream(name.into(), Box::new(reader)))
    }

    /// The input, as the user may know it.
    pub fn name(&self) -> String {
        match &self.0 {
            Kind::Path(path) => path.display().to_string(),
            Kind::Stream(name, _) => name.clone(),
        }
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Input({})", self.name())
    }
}

/// What the file system says about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: i64,
}

/// A source, open for reading.
pub(crate) struct Source {
    /// Only a file has a path.
    pub(crate) path: Option<PathBuf>,
    pub(crate) identity: Option<Identity>,
    /// The first bytes of what the source decompresses to.
    pub(crate) head: Vec<u8>,
    /// The source has no bytes but its head.
    pub(crate) is_all_head: bool,
    /// The base name, without `.gz`: what events call their source.
    pub(crate) base_name: String,
    /// Bytes read from disk, for progress.
    pub(crate) consumed: Arc<AtomicU64>,
    raw: Raw,
}

enum Raw {
    File { file: File, gzip: bool },
    Stream(Option<Box<dyn Read + Send>>),
}

impl Source {
    pub(crate) fn open(input: Input) -> Result<Self> {
        let consumed = Arc::new(AtomicU64::new(0));
        let (path, identity, raw, base_name) = match input.0 {
            Kind::Stream(name, reader) => {
                (None, None, Raw::Stream(Some(decompressing(reader, &consumed, Path::new(&name))?)), name)
            }
            Kind::Path(path) => {
                let base_name = base_name(&path);
                let (identity, raw) = open_path(&path, &consumed)?;
                (Some(path), identity, raw, base_name)
            }
        };
        let mut source =
            Self { path, identity, head: Vec::new(), is_all_head: false, base_name, consumed, raw };
        source.read_head()?;
        Ok(source)
    }

    fn read_head(&mut self) -> Result<()> {
        let mut reader = self.reader_at_start()?;
        let mut head = Vec::new();
        let read = reader.by_ref().take(HEAD_SIZE as u64 + 1).read_to_end(&mut head);
        // A source that breaks within its head is read again, up to there, by the import itself.
        self.is_all_head = read.is_ok() && head.len() <= HEAD_SIZE;
        if let Raw::Stream(rest) = &mut self.raw {
            *rest = Some(Box::new(io::Cursor::new(head.clone()).chain(Rest { read: read.err(), reader })));
        }
        head.truncate(HEAD_SIZE);
        self.head = head;
        Ok(())
    }

    /// Passes on the error that kept the head from being read.
    pub(crate) fn check_readable(&mut self) -> Result<()> {
        let name = self.path.clone().unwrap_or_else(|| self.base_name.clone().into());
        match self.reader_at_start()?.take(1).read_to_end(&mut Vec::new()) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::io("the source cannot be read", &name, error)),
        }
    }

    /// Whether bytes at an offset can be read without reading what lies before.
    pub(crate) fn can_seek(&self) -> bool {
        matches!(self.raw, Raw::File { gzip: false, .. })
    }

    /// Reads from the start. A stream can do so once.
    pub(crate) fn reader_at_start(&mut self) -> Result<Box<dyn Read + Send>> {
        self.consumed.store(0, Ordering::Relaxed);
        let path = self.path.as_deref().unwrap_or(Path::new(&self.base_name));
        match &mut self.raw {
            Raw::File { file, gzip } => {
                let file = rewind(file, 0).map_err(|error| Error::io("cannot be read", path, error))?;
                let counted = Counted { inner: file, consumed: Arc::clone(&self.consumed) };
                Ok(if *gzip {
                    Box::new(Gunzip::new(BufReader::with_capacity(READ_SIZE, counted)))
                } else {
                    Box::new(counted)
                })
            }
            Raw::Stream(reader) => {
                reader.take().ok_or_else(|| Error::new(ErrorKind::Io, "the stream was read before").at(path))
            }
        }
    }

    /// Reads from an offset; only where [`Source::can_seek`].
    pub(crate) fn reader_at(&mut self, offset: u64) -> Result<Box<dyn Read + Send>> {
        let path = self.path.as_deref().unwrap_or(Path::new(&self.base_name));
        let Raw::File { file, gzip: false } = &mut self.raw else {
            return Err(Error::new(ErrorKind::Io, "only a plain file can be read from its middle").at(path));
        };
        let file = rewind(file, offset).map_err(|error| Error::io("cannot be read", path, error))?;
        self.consumed.store(offset, Ordering::Relaxed);
        Ok(Box::new(Counted { inner: file, consumed: Arc::clone(&self.consumed) }))
    }
}

fn rewind(file: &File, offset: u64) -> io::Result<File> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(file)
}

fn base_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    name.strip_suffix(".gz").unwrap_or(&name).to_owned()
}

fn open_path(path: &Path, consumed: &Arc<AtomicU64>) -> Result<(Option<Identity>, Raw)> {
    let failed = |error| Error::io("cannot be opened", path, error);
    let meta = std::fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, "there is no such file").at(path),
        _ => failed(error),
    })?;
    if meta.is_dir() {
        let what = Error::new(ErrorKind::Unsupported, "this is a directory").at(path);
        return Err(what.with_help(format!("name the files in it, for example {}/*.jsonl", path.display())));
    }
    let mut file = File::open(path).map_err(failed)?;
    if !meta.is_file() {
        return Ok((None, Raw::Stream(Some(decompressing(file, consumed, path)?))));
    }
    let seconds = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    let identity = Identity {
        device: meta.dev(),
        inode: meta.ino(),
        size: meta.len(),
        modified: i64::try_from(seconds).unwrap_or(i64::MAX),
    };
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic).map_err(failed)?;
    Ok((Some(identity), Raw::File { file, gzip: is_gzip(&magic) }))
}

fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// A stream, through gzip when its first bytes say so.
fn decompressing(
    mut reader: impl Read + Send + 'static,
    consumed: &Arc<AtomicU64>,
    name: &Path,
) -> Result<Box<dyn Read + Send>> {
    let mut magic = Vec::new();
    let read = reader.by_ref().take(2).read_to_end(&mut magic);
    read.map_err(|error| Error::io("cannot be read", name, error))?;
    let gzip = is_gzip(&magic);
    let counted = Counted { inner: io::Cursor::new(magic).chain(reader), consumed: Arc::clone(consumed) };
    Ok(if gzip {
        Box::new(Gunzip::new(BufReader::with_capacity(READ_SIZE, counted)))
    } else {
        Box::new(counted)
    })
}

/// Counts what passes.
struct Counted<R> {
    inner: R,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.consumed.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// What follows the head of a stream: the error that the head ended with comes again.
struct Rest<R> {
    read: Option<io::Error>,
    reader: R,
}

impl<R: Read> Read for Rest<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.read.take() {
            Some(error) => Err(error),
            None => self.reader.read(buf),
        }
    }
}

/// Gzip members, one after the other, as one stream. Zero bytes behind the last are padding, as tapes leave it.
struct Gunzip<R> {
    /// `None` after the end and after an error.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gunzip<R> {
    fn new(reader: R) -> Self {
        Self { member: Some(GzDecoder::new(reader)) }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(mut member) = self.member.take() {
            if buf.is_empty() {
                self.member = Some(member);
                return Ok(0);
            }
            match member.read(buf) {
                Ok(0) => {
                    if let Some(reader) = next_member(member.into_inner())? {
                        self.member = Some(GzDecoder::new(reader));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.member = Some(member);
                    return Err(error);
                }
                other => {
                    if other.is_ok() {
                        self.member = Some(member);
                    }
                    return other;
                }
            }
        }
        Ok(0)
    }
}

fn next_member<R: BufRead>(mut reader: R) -> io::Result<Option<R>> {
    loop {
        let ahead = reader.fill_buf()?;
        let Some(&first) = ahead.first() else { return Ok(None) };
        if first == 0x1f {
            return Ok(Some(reader));
        }
        let zeros = ahead.iter().take_while(|&&byte| byte == 0).count();
        if zeros == 0 {
            let what = "bytes that are not gzip follow the compressed data";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        reader.consume(zeros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn gunzip(bytes: &[u8]) -> (String, Option<String>) {
        let mut text = Vec::new();
        let error = Gunzip::new(bytes).read_to_end(&mut text).err().map(|error| error.to_string());
        (String::from_utf8(text).unwrap(), error)
    }

    #[test]
    fn members_are_one_stream_and_padding_is_nothing() {
        let mut bytes = gzip("one\n");
        bytes.extend(gzip(""));
        bytes.extend(gzip("two\n"));
        assert_eq!(gunzip(&bytes), ("one\ntwo\n".into(), None));
        bytes.extend([0; 700]);
        assert_eq!(gunzip(&bytes), ("one\ntwo\n".into(), None));
    }

    #[test]
    fn a_cut_and_a_foreign_tail_are_errors_after_what_is_good() {
        let mut bytes = gzip("one\n");
        bytes.extend(b"garbage");
        let (text, error) = gunzip(&bytes);
        assert_eq!(text, "one\n");
        assert_eq!(error.unwrap(), "bytes that are not gzip follow the compressed data");
        let whole = gzip("some longer text that is compressed\n");
        for cut in 3..whole.len() {
            assert!(gunzip(&whole[..cut]).1.is_some(), "cut at {cut}");
        }
    }

    #[test]
    fn a_file_is_called_by_its_base_name() {
        for (path, want) in [("/a/b.jsonl.gz", "b.jsonl"), ("b.log", "b.log"), ("/a/.gz", "")] {
            assert_eq!(base_name(Path::new(path)), want);
        }
    }
}
