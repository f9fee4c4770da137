//! What a simulated file holds: sparse bytes, and which pages have disk blocks.
//!
//! Pages are shared between a machine and its crash images until one of them changes, so an image costs
//! by the number of pages, not of bytes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// The unit of memory and of allocation.
pub(super) const PAGE: u64 = 4096;
/// The unit that a disk writes whole or not at all.
pub(super) const SECTOR: u64 = 512;

const PAGE_SIZE: usize = 4096;
const SECTOR_SIZE: usize = 512;
const _: () = assert!(PAGE_SIZE as u64 == PAGE && SECTOR_SIZE as u64 == SECTOR);

/// The bytes of one sector.
pub(super) type Sector = [u8; SECTOR_SIZE];

/// A size or offset in memory. Simulated files are small.
pub(super) fn index(number: u64) -> usize {
    usize::try_from(number).expect("BUG: a simulated file does not fit into memory")
}

/// A length as a file size.
pub(super) fn size_of(len: usize) -> u64 {
    u64::try_from(len).expect("BUG: a length has at most 64 bits")
}

/// Bytes of unbounded length, zero where nothing was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pages: BTreeMap<u64, Arc<[u8; PAGE_SIZE]>>,
}

impl Content {
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) {
        for (page, within, part) in pieces(offset, buffer.len()) {
            match self.pages.get(&page) {
                Some(bytes) => buffer[part.clone()].copy_from_slice(&bytes[within..within + part.len()]),
                None => buffer[part].fill(0),
            }
        }
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (page, within, part) in pieces(offset, bytes.len()) {
            let to = self.pages.entry(page).or_insert_with(|| Arc::new([0; PAGE_SIZE]));
            Arc::make_mut(to)[within..within + part.len()].copy_from_slice(&bytes[part]);
        }
    }

    pub(super) fn sector(&self, number: u64) -> Sector {
        let mut sector = [0; SECTOR_SIZE];
        self.read(number * SECTOR, &mut sector);
        sector
    }

    /// The sectors of a range that lie in a page which was ever written.
    pub(super) fn written_sectors(&self, range: Range<u64>) -> Vec<u64> {
        let pages = self.pages.range(range.start / PAGE..range.end.div_ceil(PAGE));
        let sectors = pages.flat_map(|(page, _)| page * (PAGE / SECTOR)..(page + 1) * (PAGE / SECTOR));
        sectors.filter(|sector| range.start / SECTOR <= *sector && *sector * SECTOR < range.end).collect()
    }

    /// Forgets everything from `size` on.
    pub(super) fn cut(&mut self, size: u64) {
        self.pages.split_off(&size.div_ceil(PAGE));
        if let Some(page) = self.pages.get_mut(&(size / PAGE)) {
            let keep = index(size % PAGE);
            if page[keep..].iter().any(|&byte| byte != 0) {
                Arc::make_mut(page)[keep..].fill(0);
            }
        }
    }

    pub(super) fn to_vec(&self, size: u64) -> Vec<u8> {
        let mut bytes = vec![0; index(size)];
        self.read(0, &mut bytes);
        bytes
    }
}

/// Splits a range of a file at its pages: page number, place in the page, place in the range.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + size_of(done);
        let within = index(at % PAGE);
        let count = (PAGE_SIZE - within).min(len - done);
        let part = done..done + count;
        done += count;
        Some((at / PAGE, within, part))
    })
}

/// A set of page numbers, kept as runs that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pages {
    runs: BTreeMap<u64, u64>,
}

impl Pages {
    pub(super) fn len(&self) -> u64 {
        self.runs.iter().map(|(start, end)| end - start).sum()
    }

    pub(super) fn contains(&self, pages: &Range<u64>) -> bool {
        pages.is_empty()
            || self.runs.range(..=pages.start).next_back().is_some_and(|(_, &end)| pages.end <= end)
    }

    pub(super) fn insert(&mut self, pages: Range<u64>) {
        if pages.is_empty() {
            return;
        }
        let touching: Vec<(u64, u64)> = self
            .runs
            .range(..=pages.end)
            .filter(|&(_, &end)| pages.start <= end)
            .map(|(&start, &end)| (start, end))
            .collect();
        let (mut start, mut end) = (pages.start, pages.end);
        for run in touching {
            self.runs.remove(&run.0);
            start = start.min(run.0);
            end = end.max(run.1);
        }
        self.runs.insert(start, end);
    }

    pub(super) fn remove(&mut self, pages: Range<u64>) {
        let cut: Vec<(u64, u64)> = self
            .runs
            .range(..pages.end)
            .filter(|&(_, &end)| pages.start < end)
            .map(|(&start, &end)| (start, end))
            .collect();
        for (start, end) in cut {
            self.runs.remove(&start);
            if start < pages.start {
                self.runs.insert(start, pages.start);
            }
            if pages.end < end {
                self.runs.insert(pages.end, end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn pages_are_a_set(steps in prop::collection::vec((any::<bool>(), 0_u64..40, 0_u64..20), 0..40)) {
            let (mut pages, mut model) = (Pages::default(), BTreeSet::new());
            for (insert, start, count) in steps {
                let range = start..start + count;
                if insert {
                    pages.insert(range.clone());
                    model.extend(range.clone());
                } else {
                    pages.remove(range.clone());
                    model.retain(|page| !range.contains(page));
                }
                prop_assert_eq!(pages.len(), size_of(model.len()));
                prop_assert_eq!(pages.contains(&range), range.clone().all(|page| model.contains(&page)));
            }
        }

        #[test]
        fn content_is_a_vector(
            steps in prop::collection::vec((0_u64..20_000, prop::collection::vec(any::<u8>(), 0..9_000)), 0..8),
            cut in 0_u64..30_000,
        ) {
            let (mut content, mut model) = (Content::default(), vec![0; 30_000]);
            for (offset, bytes) in steps {
                content.write(offset, &bytes);
                model[index(offset)..index(offset) + bytes.len()].copy_from_slice(&bytes);
            }
            prop_assert_eq!(&content.to_vec(30_000), &model);
            content.cut(cut);
            model[index(cut)..].fill(0);
            prop_assert_eq!(content.to_vec(30_000), model);
        }
    }

    #[test]
    fn written_sectors_are_those_of_written_pages_in_the_range() {
        let mut content = Content::default();
        content.write(8192, &[1]);
        assert_eq!(content.written_sectors(0..20_000), (16..24).collect::<Vec<_>>());
        assert_eq!(content.written_sectors(8192 + 513..8192 + 1024), [17]);
        assert_eq!(content.written_sectors(0..8192), Vec::<u64>::new());
    }
}
