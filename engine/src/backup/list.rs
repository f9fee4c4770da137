//! The list of one backup: which files the store had, and where their copies lie. Text, so that a person with nothing but a
//! shell can find every file again; the last line vouches for the rest.
//!
//! ```text
//! logq backup 1
//! store 0123456789abcdef0123456789abcdef
//! taken 1763769600000000000 2025-11-22T00:00:00Z
//! records 1234567
//! file <hash> <bytes> <size> <tail> segments/1.seg
//! ...
//! end <hash of all lines before>
//! ```
//!
//! A hash is XXH3-64 in 16 hexadecimal digits; *bytes* are those of the copy `files/<hash>-<bytes>`, *size* is what the file
//! is made in the store (an active file reserves more than it holds), *tail* the hash of its last 64 KiB.

use std::fmt::Write as _;

use twox_hash::XxHash3_64;

/// The first line.
const HEAD: &str = "logq backup 1";
/// Bytes at the end of a file that tell it from another one of its name and size: the index and footer of a segment.
pub(super) const TAIL: usize = 64 << 10;

/// What one backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) store: u128,
    /// When it was taken, nanoseconds since 1970.
    pub(crate) taken: i64,
    pub(crate) records: u64,
    pub(crate) files: Vec<Entry>,
}

/// One file of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// From the store's folder on.
    pub(crate) path: String,
    pub(crate) hash: u64,
    /// Bytes of the copy.
    pub(crate) bytes: u64,
    /// Bytes of the file; what is more is zero.
    pub(crate) size: u64,
    pub(crate) tail: u64,
}

impl Entry {
    /// The entry of a file with these bytes.
    pub(crate) fn of(path: String, bytes: &[u8], size: u64) -> Self {
        Self { path, hash: hash(bytes), bytes: bytes.len() as u64, size, tail: tail(bytes) }
    }

    /// The name of the copy.
    pub(crate) fn copy(&self) -> String {
        format!("{:016x}-{}", self.hash, self.bytes)
    }
}

/// Takes a file in pieces for [`hash`].
pub(crate) type Hash = XxHash3_64;

/// The hash of a whole file.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// The hash of the end of a file.
pub(crate) fn tail(bytes: &[u8]) -> u64 {
    hash(bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or(bytes))
}

/// Whether a path may stand in a list and be made below a folder: plain names, no way out.
pub(crate) fn is_plain(path: &str) -> bool {
    let plain = |name: &str| {
        !name.is_empty()
            && name != "."
            && name != ".."
            && !name.contains(|c: char| c.is_control() || c == '\\' || c == '\u{FFFD}')
    };
    path.split('/').all(plain)
}

impl List {
    pub(crate) fn encode(&self) -> String {
        let time = crate::compare::to_text(crate::value::Value::Time(self.taken));
        let mut out = format!(
            "{HEAD}\nstore {:032x}\ntaken {} {time}\nrecords {}\n",
            self.store, self.taken, self.records
        );
        for Entry { path, hash, bytes, size, tail } in &self.files {
            // Writing to a string does not fail.
            let _ = writeln!(out, "file {hash:016x} {bytes} {size} {tail:016x} {path}");
        }
        let end = hash(out.as_bytes());
        let _ = writeln!(out, "end {end:016x}");
        out
    }

    /// Reads a list; `None` when it is none, or a byte of it is not what was written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (body, end) = text.rsplit_once("end ")?;
        if u64::from_str_radix(end.strip_suffix('\n')?, 16).ok()? != hash(body.as_bytes()) {
            return None;
        }
        let mut lines = body.lines();
        lines.next().filter(|line| *line == HEAD)?;
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let store = u128::from_str_radix(value("store")?, 16).ok()?;
        let taken = value("taken")?.split(' ').next()?.parse().ok()?;
        let records = value("records")?.parse().ok()?;
        let files = lines.map(entry).collect::<Option<Vec<_>>>()?;
        Some(Self { store, taken, records, files })
    }
}

fn entry(line: &str) -> Option<Entry> {
    let mut parts = line.strip_prefix("file ")?.splitn(5, ' ');
    let hash = u64::from_str_radix(parts.next()?, 16).ok()?;
    let bytes = parts.next()?.parse().ok()?;
    let size = parts.next()?.parse().ok()?;
    let tail = u64::from_str_radix(parts.next()?, 16).ok()?;
    let path = parts.next().filter(|path| is_plain(path))?.to_owned();
    Some(Entry { path, hash, bytes, size, tail })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> List {
        let entry = |path: &str| Entry::of(path.to_owned(), path.as_bytes(), 1 << 20);
        List {
            store: 7,
            taken: -1,
            records: 3,
            files: vec![entry("MANIFEST"), entry("archive/1970/01/01/1.seg")],
        }
    }

    #[test]
    fn a_list_reads_back_and_every_changed_byte_is_noticed() {
        let text = list().encode();
        assert_eq!(List::decode(text.as_bytes()), Some(list()));
        for at in 0..text.len() {
            for bit in [1, 4, 0x20, 0x80] {
                let mut bad = text.clone().into_bytes();
                bad[at] ^= bit;
                let read = List::decode(&bad);
                // The digits of the last line mean the same in either case.
                assert!(read.is_none() || read == Some(list()), "byte {at}");
            }
            assert_eq!(List::decode(&text.as_bytes()[..at]), None, "{at} bytes");
        }
    }

    #[test]
    fn a_path_that_leads_out_is_none() {
        for good in ["MANIFEST", "active/0-1.log", "imports/a b.jsonl"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "a\nb", "."] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
