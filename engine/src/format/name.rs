//! Names of a store's files: built and parsed here and nowhere else.

use std::fmt;
use std::path::{Path, PathBuf};

/// The folder of active files and slot locks.
pub(crate) const ACTIVE_DIR: &str = "active";
/// The folder of import progress caches, locks and reject files.
pub(crate) const IMPORTS_DIR: &str = "imports";
/// The folder that damaged pieces are moved to.
pub(crate) const QUARANTINE_DIR: &str = "quarantine";

/// A file of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileName {
    /// Which files are the store.
    Manifest,
    /// A manifest being rewritten.
    ManifestNew,
    /// Held for one edit of the manifest.
    ManifestLock,
    /// Held shared by every snapshot.
    ReadersLock,
    /// Held by a slot's writer.
    SlotLock { slot: u32 },
    /// Frames.
    Active { slot: u32, number: u64 },
    /// Held by the process that imports a source.
    SourceLock { hash: u64 },
}

impl FileName {
    /// The file's path inside `store`.
    pub(crate) fn path(self, store: &Path) -> PathBuf {
        match self {
            Self::SlotLock { .. } | Self::Active { .. } => store.join(ACTIVE_DIR).join(self.to_string()),
            Self::SourceLock { .. } => store.join(IMPORTS_DIR).join(self.to_string()),
            _ => store.join(self.to_string()),
        }
    }

    /// Reads a name out of the active folder; other names are `None`.
    pub(crate) fn parse_active(name: &str) -> Option<Self> {
        let parsed = if let Some(stem) = name.strip_suffix(".log") {
            let (slot, number) = stem.split_once('-')?;
            Self::Active { slot: slot.parse().ok()?, number: number.parse().ok()? }
        } else {
            Self::SlotLock { slot: name.strip_suffix(".lock")?.parse().ok()? }
        };
        // Other spellings of the same number ("+1", "01") are other files.
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest => f.write_str("MANIFEST"),
            Self::ManifestNew => f.write_str("MANIFEST.new"),
            Self::ManifestLock => f.write_str("MANIFEST.lock"),
            Self::ReadersLock => f.write_str("readers.lock"),
            Self::SlotLock { slot } => write!(f, "{slot}.lock"),
            Self::Active { slot, number } => write!(f, "{slot}-{number}.log"),
            Self::SourceLock { hash } => write!(f, "{hash:016x}.lock"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back() {
        for name in [FileName::SlotLock { slot: 0 }, FileName::Active { slot: 7, number: 12 }] {
            assert_eq!(FileName::parse_active(&name.to_string()), Some(name));
        }
        for other in ["", "x", "1-2", "01-2.log", "1-+2.log", "1-2.log~", "-1.lock", "../1-2.log"] {
            assert_eq!(FileName::parse_active(other), None, "{other}");
        }
    }
}
