//! Where bytes of one file go: held back until a buffer is full, compressed where that is asked for, counted as they arrive.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::unwritten;
use crate::exit::{Failure, Outcome};

/// Bytes that are written at once: large enough that a call costs nothing beside them.
const BUFFER_SIZE: usize = 256 << 10;

/// The end of the way.
enum End {
    Stdout(io::Stdout),
    File(File),
}

/// Counts what arrives.
struct Counted {
    end: End,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = match &mut self.end {
            End::Stdout(out) => out.write(bytes)?,
            End::File(file) => file.write(bytes)?,
        };
        self.bytes += done as u64;
        Ok(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.end {
            End::Stdout(out) => out.flush(),
            End::File(file) => file.flush(),
        }
    }
}

enum Coder {
    Plain(BufWriter<Counted>),
    Gzip(Box<GzEncoder<BufWriter<Counted>>>),
}

/// One file, or standard output.
pub(super) struct Out {
    coder: Coder,
    /// What messages call it.
    name: String,
}

impl Out {
    /// Standard output.
    pub(super) fn stdout(gzip: bool) -> Self {
        Self::new(End::Stdout(io::stdout()), gzip, String::new())
    }

    /// A file; messages call it `name`.
    pub(super) fn file(file: File, gzip: bool, name: String) -> Self {
        Self::new(End::File(file), gzip, name)
    }

    fn new(end: End, gzip: bool, name: String) -> Self {
        let buffer = BufWriter::with_capacity(BUFFER_SIZE, Counted { end, bytes: 0 });
        let coder = match gzip {
            true => Coder::Gzip(Box::new(GzEncoder::new(buffer, Compression::default()))),
            false => Coder::Plain(buffer),
        };
        Self { coder, name }
    }

    /// Takes bytes.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.write_all(bytes).map_err(|error| failed(&self.name, error))
    }

    /// Sends on what is held back, and asks the disk to keep a file; how many bytes it has.
    pub(super) fn finish(self) -> Outcome<u64> {
        let Self { coder, name } = self;
        let done = || -> io::Result<u64> {
            let buffer = match coder {
                Coder::Plain(buffer) => buffer,
                Coder::Gzip(gzip) => gzip.finish()?,
            };
            let mut counted = buffer.into_inner().map_err(io::IntoInnerError::into_error)?;
            counted.flush()?;
            if let End::File(file) = &counted.end {
                file.sync_all()?;
            }
            Ok(counted.bytes)
        };
        done().map_err(|error| failed(&name, error))
    }

    /// What messages call it; nothing where it is standard output.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.coder {
            Coder::Plain(buffer) => buffer.write(bytes),
            Coder::Gzip(gzip) => gzip.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.coder {
            Coder::Plain(buffer) => buffer.flush(),
            Coder::Gzip(gzip) => gzip.flush(),
        }
    }
}

/// Why bytes were not taken.
pub(super) fn failed(name: &str, error: io::Error) -> Failure {
    // A reader of standard output that went away has what it wanted.
    if name.is_empty() { error.into() } else { unwritten(name, &error) }
}
