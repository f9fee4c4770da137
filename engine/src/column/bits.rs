//! Integers of one width, packed bit by bit, lowest bit first.
//!
//! ```text
//! value i takes the bits i * width .. (i + 1) * width of the bytes; the last byte is filled up with zeros
//! ```

/// Bits that hold every value up to `max`.
pub(crate) const fn width(max: u64) -> u32 {
    u64::BITS - max.leading_zeros()
}

/// Bytes that `count` values of `width` bits take. No overflow for what a block can hold.
pub(crate) fn size(count: usize, width: u32) -> usize {
    let bits = (count as u64).saturating_mul(u64::from(width));
    usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX)
}

/// Appends values that fit `width` bits.
pub(crate) fn pack(out: &mut Vec<u8>, width: u32, values: impl Iterator<Item = u64>) {
    let mut word = 0_u64;
    let mut used = 0;
    for value in values {
        debug_assert!(self::width(value) <= width, "BUG: {value} is wider than {width} bits");
        word |= value << used;
        used += width;
        if u64::BITS <= used {
            out.extend_from_slice(&word.to_le_bytes());
            used -= u64::BITS;
            // The bits that found no place; a shift by all 64 bits means none.
            word = value.checked_shr(width - used).unwrap_or(0);
        }
    }
    let rest = usize::try_from(used.div_ceil(8)).unwrap_or(0);
    out.extend_from_slice(word.to_le_bytes().get(..rest).unwrap_or_default());
}

/// Replaces what `out` holds by `count` values of `width` bits, each given through `map`. `None` when the
/// bytes are not exactly as many as that takes.
#[inline]
pub(crate) fn unpack<T>(
    bytes: &[u8],
    width: u32,
    count: usize,
    out: &mut Vec<T>,
    map: impl Fn(u64) -> T,
) -> Option<()> {
    if u64::BITS < width || bytes.len() != size(count, width) {
        return None;
    }
    out.clear();
    out.reserve(count);
    eights(bytes, width, count, out, &map);
    let bits = usize::try_from(width).ok()?;
    let mask = u64::MAX.checked_shr(u64::BITS - width).unwrap_or(0);
    out.extend((out.len()..count).map(|index| {
        let (at, shift) = (index * bits / 8, index * bits % 8);
        let ninth = u64::from(bytes.get(at + 8).copied().unwrap_or(0));
        // In two steps, because a shift by all 64 bits is none.
        map(((word(bytes, at) >> shift) | (ninth << 1 << (63 - shift))) & mask)
    }));
    Some(())
}

/// Unpacks values eight at a time, which begin and end on whole bytes, as far as that goes: up to the last
/// few, and only widths of which eight bytes always hold a value whole.
fn eights<T>(bytes: &[u8], width: u32, count: usize, out: &mut Vec<T>, map: &impl Fn(u64) -> T) {
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                $($width => eights_of::<$width, T>(bytes, count, out, map),)*
                _ => {}
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35
        36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57);
}

/// The loop for one width: with every shift and offset a constant it runs three times as fast.
fn eights_of<const WIDTH: usize, T>(bytes: &[u8], count: usize, out: &mut Vec<T>, map: &impl Fn(u64) -> T) {
    let mask = (1 << WIDTH) - 1;
    let blocks = (0..count / 8).map_while(|block| bytes.get(block * WIDTH..)?.get(..WIDTH + 8));
    for block in blocks {
        let values: [T; 8] = std::array::from_fn(|index| {
            let bit = index * WIDTH;
            map((word(block, bit / 8) >> (bit % 8)) & mask)
        });
        out.extend(values);
    }
}

/// The eight bytes from `at`, zeros after the end.
#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(word) => u64::from_le_bytes(*word),
        None => tail(bytes, at),
    }
}

#[cold]
fn tail(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default().iter();
    rest.take(8).rev().fold(0, |word, &byte| (word << 8) | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_of_every_width_read_back(
            width in 0_u32..=64,
            values in proptest::collection::vec(any::<u64>(), 0..200),
        ) {
            let mask = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
            let values: Vec<u64> = values.into_iter().map(|value| value & mask).collect();
            let mut bytes = Vec::new();
            pack(&mut bytes, width, values.iter().copied());
            prop_assert_eq!(bytes.len(), size(values.len(), width));
            let mut back = vec![7];
            prop_assert_eq!(unpack(&bytes, width, values.len(), &mut back, |value| value), Some(()));
            prop_assert_eq!(back, values);
        }
    }

    #[test]
    fn a_wrong_number_of_bytes_is_refused() {
        let mut out: Vec<u64> = Vec::new();
        assert_eq!(unpack(&[0; 4], 8, 5, &mut out, |value| value), None);
        assert_eq!(unpack(&[0; 6], 8, 5, &mut out, |value| value), None);
        assert_eq!(unpack(&[0; 65], 65, 8, &mut out, |value| value), None);
        assert_eq!(unpack(&[0; 5], 8, 5, &mut out, |value| value), Some(()));
    }

    #[test]
    fn a_width_holds_its_maximum() {
        for (max, want) in [(0, 0), (1, 1), (2, 2), (255, 8), (256, 9), (u64::MAX, 64)] {
            assert_eq!(width(max), want);
        }
    }
}
