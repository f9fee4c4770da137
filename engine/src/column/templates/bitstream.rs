//! Bit streams: values of changing widths, one after the other, the lowest bit first; the last byte is filled up with zeros.

/// Bits one after the other, the lowest first.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    held: u128,
    used: u32,
}

impl BitWriter {
    /// Appends the lowest `width` bits, at most 64, of a value that has no others.
    pub(super) fn put(&mut self, value: u64, width: u32) {
        self.held |= u128::from(value) << self.used;
        self.used += width;
        while u8::BITS <= self.used {
            let [low, ..] = self.held.to_le_bytes();
            self.bytes.push(low);
            self.held >>= u8::BITS;
            self.used -= u8::BITS;
        }
    }

    pub(super) fn finish(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
        if self.used != 0 {
            let [low, ..] = self.held.to_le_bytes();
            out.push(low);
        }
    }
}

pub(super) struct BitReader<'p> {
    pub(super) bytes: &'p [u8],
    /// The next bit.
    pub(super) at: usize,
}

impl BitReader<'_> {
    /// The next `width` bits, at most 64.
    #[inline]
    pub(super) fn take(&mut self, width: u32) -> Option<u64> {
        let (at, shift) = (self.at / 8, u32::try_from(self.at % 8).unwrap_or(0));
        self.at = self.at.checked_add(usize::try_from(width).ok()?)?;
        let rest = self.bytes.get(at..)?;
        let mask = u64::MAX.checked_shr(u64::BITS - width).unwrap_or(0);
        if let Some(word) = rest.first_chunk::<8>()
            && width + shift <= u64::BITS
        {
            return Some((u64::from_le_bytes(*word) >> shift) & mask);
        }
        if self.bytes.len() * 8 < self.at {
            return None;
        }
        let bytes = rest.iter().take(9).enumerate();
        let word = bytes.fold(0_u128, |word, (place, byte)| word | u128::from(*byte) << (8 * place));
        u64::try_from((word >> shift) & u128::from(mask)).ok()
    }
}
