//! Random numbers of a workload: the same for the same seed, on every machine.

/// A stream of random numbers (SplitMix64): small, fast, and the same on every machine.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number from `low` to `high`, both included.
    pub(super) fn range(&mut self, low: i64, high: i64) -> i64 {
        let width = high.abs_diff(low).saturating_add(1);
        let offset = (u128::from(self.next()) * u128::from(width)) >> 64;
        low.saturating_add_unsigned(u64::try_from(offset).unwrap_or(0))
    }

    /// A number from 0 up to, not including, 1.
    pub(super) fn ratio(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).unwrap_or(0);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    pub(super) fn index(&mut self, len: usize) -> usize {
        let last = i64::try_from(len).unwrap_or(i64::MAX) - 1;
        usize::try_from(self.range(0, last)).unwrap_or(0)
    }

    pub(super) fn weighted<T: Copy>(&mut self, from: &[(u32, T)]) -> T {
        let total: u32 = from.iter().map(|&(weight, _)| weight).sum();
        let mut left = self.range(0, i64::from(total) - 1);
        for &(weight, item) in from {
            left -= i64::from(weight);
            if left < 0 {
                return item;
            }
        }
        from[0].1
    }

    /// A normally distributed number: the sum of twelve uniform ones is close enough here.
    pub(super) fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.ratio()).sum();
        mean + deviation * (sum - 6.0)
    }

    pub(super) fn exponential(&mut self, mean: f64) -> i64 {
        whole(-mean * (1.0 - self.ratio()).ln())
    }

    pub(super) fn hex(&mut self, digits: usize) -> Hex {
        Hex { high: self.next(), low: self.next(), digits }
    }

    pub(super) fn host(&mut self) -> String {
        format!("10.0.{}.{}", self.range(0, 3), self.range(2, 59))
    }
}

/// Up to 32 random hexadecimal digits.
pub(super) struct Hex {
    high: u64,
    low: u64,
    digits: usize,
}

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = format!("{:016x}{:016x}", self.high, self.low);
        f.write_str(all.get(..self.digits).unwrap_or(&all))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a saturating cast is what a generator of sizes wants")]
pub(super) fn whole(number: f64) -> i64 {
    number as i64
}
