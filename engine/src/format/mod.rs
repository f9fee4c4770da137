//! Bytes to structs and back. Pure: no files, no clock, no threads.
//!
//! Every decoder is total: any bytes give a value or `None`, without a panic and without an allocation
//! larger than the input justifies. All integers are little-endian.

pub(crate) mod footer;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod manifest;
pub(crate) mod name;
pub(crate) mod varint;

/// The format that this library writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 1;

/// The CRC-32 of `parts`, one after the other.
pub(crate) fn crc(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

/// Reads a little-endian `u32` at `at`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Reads a little-endian `u64` at `at`.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Reads a little-endian `i64` at `at`.
pub(crate) fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    Some(i64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
