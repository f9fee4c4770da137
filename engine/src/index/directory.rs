//! Directory: the files of the word index as tantivy sees them, read-only, out of the pieces of a segment.
//!
//! The pieces are the files of one tantivy segment, known by their extensions alone: what tantivy calls the
//! segment plays no part.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{DirectoryLock, FileHandle, Lock, OwnedBytes, WatchCallback, WatchHandle, WritePtr};
use tantivy::{Directory, HasLen};

use super::Bytes;

/// The pieces, each with what its file's name ends with behind the last dot.
#[derive(Clone, Debug)]
pub(super) struct Pieces(pub(super) Arc<[(&'static str, Bytes)]>);

impl Pieces {
    fn find(&self, path: &Path) -> Option<&Bytes> {
        let name = path.to_str()?;
        // tantivy keeps lists of its own in hidden files; there are none here.
        let extension =
            name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty() && !stem.starts_with('.'))?.1;
        self.0.iter().find(|(own, _)| *own == extension).map(|(_, bytes)| bytes)
    }
}

/// One file. tantivy gets copies: what it keeps is small (its dictionary) or a few blocks at a time.
struct Piece(Bytes);

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a piece of {} bytes", self.0.get().len())
    }
}

impl HasLen for Piece {
    fn len(&self) -> usize {
        self.0.get().len()
    }
}

impl FileHandle for Piece {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        match self.0.get().get(range) {
            Some(bytes) => Ok(OwnedBytes::new(bytes.to_vec())),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "a sealed segment is not written to")
}

impl Directory for Pieces {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        match self.find(path) {
            Some(bytes) => Ok(Arc::new(Piece(bytes.clone()))),
            None => Err(OpenReadError::FileDoesNotExist(path.into())),
        }
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        match self.find(path) {
            Some(bytes) => Ok(bytes.get().to_vec()),
            None => Err(OpenReadError::FileDoesNotExist(path.into())),
        }
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.find(path).is_some())
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        Err(DeleteError::IoError { io_error: Arc::new(read_only()), filepath: path.into() })
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::wrap_io_error(read_only(), path.into()))
    }

    fn atomic_write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, _: &Lock) -> Result<DirectoryLock, LockError> {
        // What never changes needs no lock.
        Ok(DirectoryLock::from(Box::new(())))
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}
