//! Cutting a stream into chunks of whole lines (or rows), with bounded memory.
//!
//! A chunk carries what its parser needs from before it: the last 64 KiB (for hashes), the number of its
//! first line, and for lines of text the time of the line before. A line over the limit is passed over
//! without ever being in memory as a whole, and reported. Where a chunk is cut never shows in what is
//! imported.

use std::io::{self, Read};

use logq_engine::RECORD_SIZE_MAX;

use crate::csv::Rows;

/// Bytes before a point of the source whose hash proves that it is still the same source.
pub(crate) const TAIL_SIZE: usize = 64 << 10;
/// What of a line over the limit is kept.
pub(crate) const SKIPPED_HEAD_SIZE: usize = 256;
const SKIP_READ_SIZE: usize = 256 << 10;

/// Where a chunk may end.
#[derive(Clone, Debug)]
pub(crate) enum Boundary {
    /// Behind any line feed.
    Lines,
    /// Behind a line feed that is not inside a quoted cell.
    Rows(Box<Rows>),
}

/// A line that was too long to import.
#[derive(Clone, Debug)]
pub(crate) struct Skipped {
    pub(crate) size: u64,
    pub(crate) head: Vec<u8>,
}

/// A run of whole lines.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Up to [`TAIL_SIZE`] bytes from before the chunk, then its own.
    pub(crate) buf: Vec<u8>,
    /// How many bytes are from before.
    pub(crate) back: usize,
    /// Offsets in the source.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Number of the first line, from 1.
    pub(crate) line: u64,
    /// Whether the source ends here.
    pub(crate) last: bool,
    /// The time of the last line before the chunk that has one; see [`Splitter::with_times`].
    pub(crate) before: Option<i64>,
    /// The chunk is one line that was passed over; `buf` then ends where the line ends.
    pub(crate) skipped: Option<Skipped>,
}

impl Chunk {
    pub(crate) fn data(&self) -> &[u8] {
        self.buf.get(self.back..).unwrap_or_default()
    }
}

/// Finds the time of the last line that has one.
pub(crate) type LastTime<'a> = Box<dyn Fn(&[u8]) -> Option<i64> + Send + 'a>;

/// Where a splitter starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Point {
    pub(crate) offset: u64,
    /// Number of the line that starts there.
    pub(crate) line: u64,
    /// Up to [`TAIL_SIZE`] bytes before.
    pub(crate) back: Vec<u8>,
    /// The time of the last line before that has one.
    pub(crate) before: Option<i64>,
}

impl Point {
    /// The start of a source.
    pub(crate) fn start() -> Self {
        Self { line: 1, ..Self::default() }
    }
}

/// Cuts a stream into chunks.
pub(crate) struct Splitter<'a, R> {
    reader: io::Take<R>,
    boundary: Boundary,
    chunk_size: usize,
    last_time: Option<LastTime<'a>>,
    buf: Vec<u8>,
    back: usize,
    start: u64,
    line: u64,
    before: Option<i64>,
    ended: bool,
    failed: Option<io::Error>,
}

impl<'a, R: Read> Splitter<'a, R> {
    /// Reads what follows `point`, up to the offset `until`.
    pub(crate) fn new(
        reader: R,
        point: Point,
        until: Option<u64>,
        boundary: Boundary,
        chunk_size: usize,
    ) -> Self {
        let Point { offset, line, back: buf, before } = point;
        let limit = until.map_or(u64::MAX, |until| until.saturating_sub(offset));
        Self {
            reader: reader.take(limit),
            boundary,
            chunk_size,
            last_time: None,
            back: buf.len(),
            buf,
            start: offset,
            line,
            before,
            ended: false,
            failed: None,
        }
    }

    /// Says for each chunk which time the line before it has.
    pub(crate) fn with_times(self, last_time: LastTime<'a>) -> Self {
        Self { last_time: Some(last_time), ..self }
    }

    /// The reader, and where the next chunk would start; after the last chunk, where the source ends.
    pub(crate) fn into_parts(self) -> (R, Point) {
        let mut back = self.buf;
        back.truncate(self.back);
        let point = Point { offset: self.start, line: self.line, back, before: self.before };
        (self.reader.into_inner(), point)
    }

    /// The next chunk; `None` at the end. After an error of the reader, what is whole comes first.
    pub(crate) fn next(&mut self) -> io::Result<Option<Chunk>> {
        let mut target = self.chunk_size;
        loop {
            self.fill(target);
            let data = self.buf.get(self.back..).unwrap_or_default();
            let len = data.len();
            let cut = match (self.ended, &self.failed) {
                (true, None) => len,
                _ => last_boundary(&mut self.boundary, data),
            };
            if 0 < cut {
                return Ok(Some(self.cut(cut, self.ended && self.failed.is_none())));
            }
            if let Some(error) = self.failed.take() {
                // The source is over: a line that was cut by the error is not a line.
                self.buf.truncate(self.back);
                return Err(error);
            }
            if self.ended {
                return Ok(None);
            }
            if RECORD_SIZE_MAX < len {
                return self.skip().map(Some);
            }
            target = (len * 2).clamp(self.chunk_size, RECORD_SIZE_MAX + SKIPPED_HEAD_SIZE);
        }
    }

    /// Reads until `target` bytes are there, or the end.
    fn fill(&mut self, target: usize) {
        while !self.ended && self.buf.len() - self.back < target {
            let missing = target - (self.buf.len() - self.back);
            // Exactly: a buffer that doubles would hold a long line twice.
            self.buf.reserve_exact(missing);
            match self.reader.by_ref().take(missing as u64).read_to_end(&mut self.buf) {
                Ok(read) if read < missing => self.ended = true,
                Ok(_) => {}
                Err(error) => {
                    self.failed = Some(error);
                    self.ended = true;
                }
            }
        }
    }

    /// Hands out the first `len` bytes of data, and keeps the rest and what hashes need.
    fn cut(&mut self, len: usize, last: bool) -> Chunk {
        let cut = self.back + len;
        let tail_from = cut.saturating_sub(TAIL_SIZE);
        let mut next = Vec::with_capacity(self.buf.len() - tail_from + self.chunk_size);
        next.extend_from_slice(self.buf.get(tail_from..).unwrap_or_default());
        let mut buf = std::mem::replace(&mut self.buf, next);
        buf.truncate(cut);
        let chunk = Chunk {
            back: std::mem::replace(&mut self.back, cut - tail_from),
            buf,
            start: self.start,
            end: self.start + len as u64,
            line: self.line,
            last,
            before: self.before,
            skipped: None,
        };
        self.start = chunk.end;
        self.line += lines(chunk.data());
        if let Some(last_time) = &self.last_time {
            self.before = last_time(chunk.data()).or(self.before);
        }
        chunk
    }

    /// Passes over the rest of a line that is over the limit.
    fn skip(&mut self) -> io::Result<Chunk> {
        let (start, line) = (self.start, self.line);
        let data = self.buf.get(self.back..).unwrap_or_default();
        let head = data.get(..SKIPPED_HEAD_SIZE).unwrap_or(data).to_vec();
        self.line += lines(data);
        self.start += data.len() as u64;
        let mut rest = Vec::new();
        loop {
            keep_tail(&mut self.buf);
            self.back = self.buf.len();
            rest.clear();
            let read = self.reader.by_ref().take(SKIP_READ_SIZE as u64).read_to_end(&mut rest);
            if let Err(error) = read {
                self.ended = true;
                return Err(error);
            }
            self.ended = rest.is_empty();
            let end = memchr::memchr(b'\n', &rest).map(|at| at + 1);
            let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            self.buf.extend_from_slice(part);
            self.start += part.len() as u64;
            self.line += lines(part);
            if end.is_some() || self.ended {
                break;
            }
        }
        keep_tail(&mut self.buf);
        self.back = self.buf.len();
        let (buf, back) = (self.buf.clone(), self.back);
        let after = memchr::memchr(b'\n', &rest).and_then(|at| rest.get(at + 1..)).unwrap_or_default();
        self.buf.extend_from_slice(after);
        let skipped = Some(Skipped { size: self.start - start, head });
        let (end, last, before) = (self.start, self.ended, self.before);
        Ok(Chunk { buf, back, start, end, line, last, before, skipped })
    }
}

fn keep_tail(buf: &mut Vec<u8>) {
    let from = buf.len().saturating_sub(TAIL_SIZE);
    buf.drain(..from);
    // A line over the limit made the buffer large.
    buf.shrink_to(TAIL_SIZE + SKIP_READ_SIZE);
}

fn lines(data: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', data).count() as u64
}

/// Bytes up to the last place where a chunk may end; 0 when there is none.
fn last_boundary(boundary: &mut Boundary, data: &[u8]) -> usize {
    match boundary {
        Boundary::Lines => memchr::memrchr(b'\n', data).map_or(0, |at| at + 1),
        Boundary::Rows(rows) => {
            let mut end = 0;
            while let Some(row) = rows.next(data.get(end..).unwrap_or_default(), false) {
                end += row.size;
            }
            end
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(source: &[u8], chunk_size: usize, boundary: Boundary) -> Vec<Chunk> {
        let mut splitter = Splitter::new(source, Point::start(), None, boundary, chunk_size);
        let mut chunks = Vec::new();
        while let Some(chunk) = splitter.next().unwrap() {
            chunks.push(chunk);
        }
        let (_, point) = splitter.into_parts();
        assert_eq!(point.offset, source.len() as u64);
        assert_eq!(point.back, &source[source.len().saturating_sub(TAIL_SIZE)..]);
        chunks
    }

    fn check(source: &[u8], chunk_size: usize, boundary: Boundary) {
        let mut at = 0;
        for chunk in split(source, chunk_size, boundary) {
            assert_eq!(chunk.start, at as u64);
            let end = at + chunk.data().len();
            assert_eq!(chunk.data(), &source[at..end]);
            assert_eq!(&chunk.buf[..chunk.back], &source[at.saturating_sub(TAIL_SIZE)..at]);
            assert_eq!(chunk.line, 1 + lines(&source[..at]));
            let ended = matches!(chunk.data().last(), Some(b'\n' | b'\r'));
            assert!(ended || end == source.len());
            at = end;
        }
        assert_eq!(at, source.len());
    }

    proptest! {
        #[test]
        fn chunks_tile_the_source(
            parts in proptest::collection::vec("[ab\",\r\n]{0,12}", 0..40),
            repeat in 1_usize..900,
            chunk_size in 1_usize..40_000,
        ) {
            let source = parts.concat().repeat(repeat);
            check(source.as_bytes(), chunk_size, Boundary::Lines);
            check(source.as_bytes(), chunk_size.max(500), Boundary::Rows(Box::new(Rows::new(b','))));
        }
    }

    /// A source that is never in memory.
    struct Long {
        left: u64,
    }

    impl Read for Long {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
            buf[..len].fill(b'x');
            self.left -= len as u64;
            Ok(len)
        }
    }

    #[test]
    fn a_line_of_a_gigabyte_is_passed_over_without_being_held() {
        let source = (&b"first\n"[..]).chain(Long { left: 1 << 30 }).chain(&b"\nlast\n"[..]);
        let mut splitter = Splitter::new(source, Point::start(), None, Boundary::Lines, 1 << 20);
        assert_eq!(splitter.next().unwrap().unwrap().data(), b"first\n");
        let skipped = splitter.next().unwrap().unwrap();
        assert!(splitter.buf.capacity() < 1 << 20);
        assert_eq!((skipped.line, skipped.start, skipped.end), (2, 6, 6 + (1 << 30) + 1));
        assert_eq!(skipped.skipped.unwrap().size, (1 << 30) + 1);
        assert_eq!(skipped.buf.len(), TAIL_SIZE);
        assert!(skipped.buf.ends_with(b"x\n"));
        let last = splitter.next().unwrap().unwrap();
        assert_eq!((last.line, last.data()), (3, &b"last\n"[..]));
        assert!(splitter.next().unwrap().is_none());
    }

    #[test]
    fn what_is_whole_comes_before_an_error_and_a_cut_line_never() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let source = (&b"one\ntwo\nthr"[..]).chain(Broken);
        let mut splitter = Splitter::new(source, Point::start(), None, Boundary::Lines, 1 << 20);
        assert_eq!(splitter.next().unwrap().unwrap().data(), b"one\ntwo\n");
        assert_eq!(splitter.next().unwrap_err().to_string(), "broken");
        assert!(splitter.next().unwrap().is_none());
    }
}
