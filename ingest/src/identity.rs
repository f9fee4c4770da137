//! Which source is which, and what of it the store has already.
//!
//! A source is known by the hash of its first bytes, at most 64 KiB and as many as there were at first
//! sight; so a file that grew, moved or was compressed is still the same. Below 1 KiB many sources start
//! alike, and the path counts as well.

use std::path::Path;

use logq_engine::{ImportProgress, SourceId};
use twox_hash::XxHash3_64;

/// Below this many bytes the path is part of the identity.
const PATH_COUNTS_BELOW: usize = 1024;

fn hash(prefix: &[u8], path: &Path) -> u64 {
    let content = XxHash3_64::oneshot(prefix);
    if PATH_COUNTS_BELOW <= prefix.len() {
        return content;
    }
    let mut both = content.to_le_bytes().to_vec();
    both.extend_from_slice(path.as_os_str().as_encoded_bytes());
    XxHash3_64::oneshot(&both)
}

/// The identity of a source that was never seen; `head` is not empty.
pub(crate) fn fresh(head: &[u8], path: &Path) -> SourceId {
    let prefix_len = u32::try_from(head.len()).unwrap_or(u32::MAX);
    SourceId { prefix_len, generation: 0, hash: hash(head, path) }
}

/// The identity of a stream: no other import ever has it.
pub(crate) fn of_stream(now: i64, count: u64) -> SourceId {
    let mut seed = now.to_le_bytes().to_vec();
    seed.extend_from_slice(&std::process::id().to_le_bytes());
    seed.extend_from_slice(&count.to_le_bytes());
    SourceId { prefix_len: 0, generation: 0, hash: XxHash3_64::oneshot(&seed) }
}

/// The known source that a source with this head is: of several the one known by the longest prefix, in its
/// latest generation.
pub(crate) fn find(known: &[ImportProgress], head: &[u8], path: &Path) -> Option<SourceId> {
    let mut sources: Vec<SourceId> = known.iter().map(|progress| progress.source).collect();
    sources.sort_unstable_by_key(|source| std::cmp::Reverse((source.prefix_len, source.generation)));
    let mut hashed: Option<(u32, u64)> = None;
    sources.into_iter().find(|source| {
        let Some(prefix) = head.get(..source.prefix_len as usize) else { return false };
        if prefix.is_empty() {
            return false;
        }
        let hash = match hashed {
            Some((len, hash)) if len == source.prefix_len => hash,
            _ => hash(prefix, path),
        };
        hashed = Some((source.prefix_len, hash));
        hash == source.hash
    })
}

/// The latest generation of a source.
pub(crate) fn latest(known: &[ImportProgress], source: SourceId) -> SourceId {
    let same = |other: &SourceId| (other.hash, other.prefix_len) == (source.hash, source.prefix_len);
    let generations = known.iter().map(|range| range.source).filter(same).map(|source| source.generation);
    SourceId { generation: generations.max().unwrap_or(source.generation), ..source }
}

/// A part of a source that the store does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) start: u64,
    /// `None`: up to the end of the source.
    pub(crate) end: Option<u64>,
    /// The hash of the bytes before `start`, where the store knows it.
    pub(crate) tail_hash: Option<u64>,
}

/// What the ranges that the store has do not cover.
pub(crate) fn missing(known: &[ImportProgress], source: SourceId) -> Vec<Region> {
    let mut ranges: Vec<&ImportProgress> = known.iter().filter(|range| range.source == source).collect();
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut missing = Vec::new();
    let mut next = Region { start: 0, end: None, tail_hash: None };
    for range in ranges {
        if next.start < range.start {
            missing.push(Region { end: Some(range.start), ..next });
        }
        if next.start < range.end {
            next = Region { start: range.end, end: None, tail_hash: Some(range.tail_hash) };
        }
    }
    missing.push(next);
    missing
}

/// Bytes of a source that the store has.
pub(crate) fn covered(known: &[ImportProgress], source: SourceId) -> u64 {
    let missing = missing(known, source);
    let last = missing.last().map_or(0, |region| region.start);
    let holes: u64 = missing.iter().filter_map(|region| Some(region.end? - region.start)).sum();
    last - holes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(source: SourceId, start: u64, end: u64) -> ImportProgress {
        ImportProgress { source, start, end, tail_hash: end }
    }

    #[test]
    fn a_source_that_grew_is_the_same_and_the_path_counts_for_small_ones() {
        let small = b"tiny".repeat(10);
        let large = b"large ".repeat(400);
        let (here, there) = (Path::new("/a"), Path::new("/b"));
        let known = [progress(fresh(&small, here), 0, 40), progress(fresh(&large, here), 0, 2400)];
        let grown = |head: &[u8]| [head, b"more"].concat();
        assert_eq!(find(&known, &grown(&small), here), Some(known[0].source));
        assert_eq!(find(&known, &grown(&small), there), None);
        assert_eq!(find(&known, &grown(&large), there), Some(known[1].source));
        assert_eq!(find(&known, &large[1..], here), None);
        assert_eq!(find(&known, b"", here), None);
    }

    #[test]
    fn the_latest_generation_is_the_one_that_goes_on() {
        let first = fresh(b"x", Path::new("/a"));
        let again = SourceId { generation: 3, ..first };
        let known = [progress(first, 0, 9), progress(again, 0, 1)];
        assert_eq!(find(&known, b"xy", Path::new("/a")), Some(again));
    }

    #[test]
    fn what_is_missing_is_what_no_range_covers() {
        let source = fresh(b"x", Path::new("/a"));
        let other = SourceId { generation: 1, ..source };
        let region = |start, end, tail_hash| Region { start, end, tail_hash };
        assert_eq!(missing(&[], source), [region(0, None, None)]);
        let known = [
            progress(source, 30, 40),
            progress(source, 0, 10),
            progress(source, 10, 20),
            progress(other, 0, 99),
        ];
        let want = [region(20, Some(30), Some(20)), region(40, None, Some(40))];
        assert_eq!(missing(&known, source), want);
        assert_eq!(covered(&known, source), 30);
        assert_eq!(missing(&[progress(source, 5, 9)], source)[0], region(0, Some(5), None));
    }
}
