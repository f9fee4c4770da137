//! Filters: the tokens that are no words, by spans of eight groups.
//!
//! ```text
//! filters  heads of the filters of all spans (see `fuse`), their fingerprints without gaps
//! ```

use super::fuse::{HEAD_SIZE, Shape, Workshop};
use super::groups::Groups;

/// Groups of a span. A filter costs 9 bits for each distinct token of its span: wider spans make fewer tokens
/// distinct, narrower ones leave less to scan behind a hit.
pub(super) const SPAN_GROUPS: u32 = 8;

/// Collects the hashes of one span after the other.
#[derive(Debug, Default)]
pub(super) struct FiltersBuilder {
    set: HashSet,
    workshop: Workshop,
    heads: Vec<u8>,
    fingerprints: Vec<u8>,
    /// Groups of the current span that have ended.
    groups: u32,
}

impl FiltersBuilder {
    #[inline]
    pub(super) fn add(&mut self, hash: u64) {
        self.set.insert(hash);
    }

    pub(super) fn end_group(&mut self) {
        self.groups += 1;
        if self.groups == SPAN_GROUPS {
            self.end_span();
        }
    }

    fn end_span(&mut self) {
        self.groups = 0;
        let Self { set, workshop, heads, fingerprints, .. } = self;
        set.take(|hashes| workshop.build(hashes, heads, fingerprints));
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.groups != 0 {
            self.end_span();
        }
        self.heads.extend_from_slice(&self.fingerprints);
        self.heads
    }
}

/// A set of hashes in open addressing, used again for one span after the other.
#[derive(Debug, Default)]
struct HashSet {
    /// A power of two, of which half are free at least; 0 is a free place.
    places: Vec<u64>,
    len: usize,
    has_zero: bool,
    /// Room for the hashes without the places between them.
    packed: Vec<u64>,
}

/// Places of the smallest table: 16 KiB.
const PLACES_MIN: usize = 1 << 11;

impl HashSet {
    #[inline]
    fn insert(&mut self, hash: u64) {
        if hash == 0 {
            self.has_zero = true;
            return;
        }
        if self.places.len() <= 2 * self.len {
            self.grow();
        }
        self.len += usize::from(put(&mut self.places, hash));
    }

    #[cold]
    fn grow(&mut self) {
        let mut larger = vec![0; (2 * self.places.len()).max(PLACES_MIN)];
        for &hash in self.places.iter().filter(|&&hash| hash != 0) {
            put(&mut larger, hash);
        }
        self.places = larger;
    }

    /// Hands the hashes out and forgets them.
    fn take(&mut self, visit: impl FnOnce(&[u64])) {
        self.packed.clear();
        self.packed.extend(self.places.iter().filter(|&&hash| hash != 0));
        if self.has_zero {
            self.packed.push(0);
        }
        visit(&self.packed);
        if self.places.len() / 16 <= self.len.max(PLACES_MIN) {
            self.places.fill(0);
        } else {
            // A span of many tokens came before; the next ones need not clear its table again and again.
            self.places = Vec::new();
        }
        self.len = 0;
        self.has_zero = false;
    }
}

/// Says whether the hash was not there yet. There is a free place.
#[inline]
fn put(places: &mut [u64], hash: u64) -> bool {
    let mask = places.len() - 1;
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
    let mut at = hash as usize & mask;
    loop {
        match places[at] {
            0 => {
                places[at] = hash;
                return true;
            }
            there if there == hash => return false,
            _ => at = (at + 1) & mask,
        }
    }
}

/// The filters of a segment, for asking.
#[derive(Debug)]
pub(super) struct Filters {
    /// Of each span: the shape of its filter and where the fingerprints begin.
    spans: Vec<(Shape, usize)>,
}

impl Filters {
    /// Reads the heads of the filters of so many groups. `None` when they do not fit the bytes.
    pub(super) fn open(bytes: &[u8], groups: u32) -> Option<Self> {
        let count = groups.div_ceil(SPAN_GROUPS) as usize;
        let mut offset = count.checked_mul(HEAD_SIZE)?;
        let heads = bytes.get(..offset)?;
        let mut spans = Vec::with_capacity(count);
        for head in heads.chunks_exact(HEAD_SIZE) {
            let shape = Shape::read(head)?;
            spans.push((shape, offset));
            offset = offset.checked_add(usize::try_from(shape.len()).ok()?)?;
        }
        (offset == bytes.len()).then_some(Self { spans })
    }

    /// The groups that may hold a token of this hash. `bytes` are those that the filters were opened with.
    pub(super) fn candidates(&self, bytes: &[u8], hash: u64, groups: u32) -> Groups {
        let mut found = Groups::none(groups);
        for (first, &(shape, offset)) in (0_u32..).step_by(SPAN_GROUPS as usize).zip(&self.spans) {
            if shape.contains(bytes.get(offset..).unwrap_or_default(), hash) {
                for group in first..(first + SPAN_GROUPS).min(groups) {
                    found.insert(group);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_span_holds_its_own_hashes() {
        let mut builder = FiltersBuilder::default();
        for group in 0..20_u64 {
            for at in 0..300 {
                builder.add(crate::index::token::hash(format!("{group}-{at}").as_bytes()));
            }
            builder.add(0);
            builder.end_group();
        }
        let bytes = builder.finish();
        let filters = Filters::open(&bytes, 20).unwrap();
        assert_eq!(filters.candidates(&bytes, 0, 20), Groups::all(20));
        for group in 0..20_u32 {
            let span = group / SPAN_GROUPS * SPAN_GROUPS;
            let hash = crate::index::token::hash(format!("{group}-7").as_bytes());
            let found = filters.candidates(&bytes, hash, 20);
            assert!((span..(span + SPAN_GROUPS).min(20)).all(|group| found.contains(group)));
        }
        for cut in 0..bytes.len() {
            assert!(Filters::open(&bytes[..cut], 20).is_none());
        }
        assert!(Filters::open(&bytes, 16).is_none() && Filters::open(&bytes, 25).is_none());
    }

    #[test]
    fn a_span_of_many_hashes_leaves_nothing_behind() {
        let mut set = HashSet::default();
        for (round, size) in [(1_u64, 100_000_u64), (2, 3), (3, 0), (4, 5000)] {
            for at in 0..size {
                set.insert(round << 32 | at);
                set.insert(round << 32 | at);
            }
            set.take(|hashes| {
                assert_eq!(hashes.len() as u64, size);
                assert!(hashes.iter().all(|hash| hash >> 32 == round));
            });
        }
    }
}
