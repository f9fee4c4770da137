//! Exact sums of floats: a fixed-point number wide enough for every `f64`, so that neither the order of the values nor
//! the number of threads changes a bit, and the result is the true sum, rounded once.
//!
//! A sum is limbs of 32 bits with room for carries, the lowest bit worth 2^-1074 (the smallest `f64`). Adding touches
//! three limbs; carries are settled every 2^30 additions.

/// Bits from 2^-1074 to the largest `f64`, and room for 2^64 of them: 2,098 + 64 bits, rounded up.
const LIMBS: usize = 70;
/// Exponent of the lowest bit.
const LOWEST: i32 = -1074;
/// Additions after which a limb might be full: each adds less than 2^32 and 2^31 of them fit.
const ADDITIONS_MAX: u32 = 1 << 30;

/// An exact sum.
#[derive(Clone, Debug)]
pub(super) struct ExactSum {
    limbs: [i64; LIMBS],
    additions: u32,
    nan: bool,
    infinities: [u64; 2],
}

impl Default for ExactSum {
    fn default() -> Self {
        Self { limbs: [0; LIMBS], additions: 0, nan: false, infinities: [0; 2] }
    }
}

impl ExactSum {
    /// Adds a float.
    pub(super) fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.nan |= value.is_nan();
            if let Some(count) = self.infinities.get_mut(usize::from(value < 0.0)).filter(|_| !value.is_nan())
            {
                *count += 1;
            }
            return;
        }
        let bits = value.to_bits();
        let exponent = (bits >> 52) & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, shift) =
            if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        self.add_at(u128::from(mantissa), usize::try_from(shift).unwrap_or(0), value < 0.0);
    }

    /// Adds an integer.
    pub(super) fn add_int(&mut self, value: i128) {
        let magnitude = value.unsigned_abs();
        let low = magnitude & u128::from(u64::MAX);
        self.add_at(low, LOWEST.unsigned_abs() as usize, value < 0);
        self.add_at(magnitude >> 64, LOWEST.unsigned_abs() as usize + 64, value < 0);
    }

    /// Adds `magnitude`, which has at most 64 bits, shifted left.
    fn add_at(&mut self, magnitude: u128, shift: usize, negative: bool) {
        let shifted = magnitude << (shift % 32);
        for (place, limb) in self.limbs.iter_mut().skip(shift / 32).take(3).enumerate() {
            let part = i64::try_from((shifted >> (32 * place)) & 0xffff_ffff).unwrap_or(0);
            *limb += if negative { -part } else { part };
        }
        self.additions += 1;
        if self.additions == ADDITIONS_MAX {
            self.settle();
        }
    }

    /// Adds another sum.
    pub(super) fn merge(&mut self, other: &Self) {
        self.settle();
        let mut other = other.clone();
        other.settle();
        for (limb, more) in self.limbs.iter_mut().zip(other.limbs) {
            *limb += more;
        }
        self.settle();
        self.nan |= other.nan;
        for (count, more) in self.infinities.iter_mut().zip(other.infinities) {
            *count += more;
        }
    }

    /// Carries, so that every limb but the last has 32 bits.
    fn settle(&mut self) {
        let mut carry = 0;
        let last = LIMBS - 1;
        for limb in self.limbs.iter_mut().take(last) {
            let sum = *limb + carry;
            *limb = sum & 0xffff_ffff;
            carry = sum >> 32;
        }
        if let Some(limb) = self.limbs.get_mut(last) {
            *limb += carry;
        }
        self.additions = 1;
    }

    /// What is no number: the result, where an infinity or a NaN was added.
    fn odd(&self) -> Option<f64> {
        match (self.nan, self.infinities) {
            (false, [0, 0]) => None,
            (false, [_, 0]) => Some(f64::INFINITY),
            (false, [0, _]) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    /// The sum as sign and magnitude; the lowest bit is worth 2^-1074.
    pub(super) fn magnitude(&self) -> Big {
        let mut settled = self.clone();
        settled.settle();
        let negative = settled.limbs.last().is_some_and(|limb| *limb < 0);
        if negative {
            for limb in &mut settled.limbs {
                *limb = -*limb;
            }
            settled.settle();
        }
        let limbs = settled.limbs.iter().map(|limb| u32::try_from(*limb).unwrap_or(u32::MAX)).collect();
        Big { negative, limbs, exponent: LOWEST }.trimmed()
    }

    /// The sum, rounded to the nearest float.
    #[cfg(test)]
    fn value(&self) -> f64 {
        self.divided(&[])
    }

    /// The sum divided by each of these in turn, rounded once.
    pub(super) fn divided(&self, by: &[u64]) -> f64 {
        self.odd().unwrap_or_else(|| self.magnitude().divided(by))
    }
}

/// A binary number of any size: the limbs, lowest first, times 2^exponent.
#[derive(Clone, Debug)]
pub(super) struct Big {
    negative: bool,
    limbs: Vec<u32>,
    exponent: i32,
}

impl Big {
    fn trimmed(mut self) -> Self {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        let zeros = self.limbs.iter().take_while(|limb| **limb == 0).count();
        self.limbs.drain(..zeros);
        self.exponent += 32 * i32::try_from(zeros).unwrap_or(0);
        self
    }

    /// The square.
    pub(super) fn squared(&self) -> Self {
        let mut limbs = vec![0_u32; 2 * self.limbs.len() + 1];
        for (low, a) in self.limbs.iter().enumerate() {
            let mut carry = 0_u64;
            for (place, limb) in limbs.iter_mut().skip(low).enumerate() {
                let b = self.limbs.get(place).copied().unwrap_or(0);
                let sum = u64::from(*a) * u64::from(b) + u64::from(*limb) + carry;
                *limb = low_half(sum);
                carry = sum >> 32;
            }
        }
        Self { negative: false, limbs, exponent: 2 * self.exponent }.trimmed()
    }

    /// Times a whole number.
    pub(super) fn times(&self, factor: u64) -> Self {
        let mut limbs = Vec::with_capacity(self.limbs.len() + 2);
        let mut carry = 0_u128;
        for limb in self.limbs.iter().copied().chain([0, 0, 0]) {
            let sum = u128::from(limb) * u128::from(factor) + carry;
            limbs.push(u32::try_from(sum & 0xffff_ffff).unwrap_or(0));
            carry = sum >> 32;
        }
        Self { negative: self.negative, limbs, exponent: self.exponent }.trimmed()
    }

    /// `self - other`, where neither is negative and the result is not; a negative one is 0.
    pub(super) fn less(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let (a, b) = (self.aligned(exponent), other.aligned(exponent));
        let mut limbs = Vec::with_capacity(a.len().max(b.len()));
        let mut borrow = 0_i64;
        for place in 0..a.len().max(b.len()) {
            let at = |limbs: &[u32]| i64::from(limbs.get(place).copied().unwrap_or(0));
            let difference = at(&a) - at(&b) - borrow;
            borrow = i64::from(difference < 0);
            limbs.push(u32::try_from(difference & 0xffff_ffff).unwrap_or(0));
        }
        if borrow != 0 {
            limbs.clear();
        }
        Self { negative: false, limbs, exponent }.trimmed()
    }

    /// The limbs as if the exponent were this smaller one.
    fn aligned(&self, exponent: i32) -> Vec<u32> {
        let shift = usize::try_from(self.exponent - exponent).unwrap_or(0);
        let mut limbs = vec![0; shift / 32];
        let mut carry = 0_u64;
        for limb in self.limbs.iter().copied().chain([0]) {
            let shifted = u64::from(limb) << (shift % 32) | carry;
            limbs.push(low_half(shifted));
            carry = shifted >> 32;
        }
        limbs
    }

    /// Divided by each of these in turn, rounded once.
    pub(super) fn divided(&self, by: &[u64]) -> f64 {
        // 160 more bits below: whatever u64s divide, 64 bits of the quotient are left and the rest is sticky.
        let pad = 5 + 2 * by.len();
        let mut limbs = vec![0; pad];
        limbs.extend_from_slice(&self.limbs);
        let mut sticky = false;
        for divisor in by {
            let mut rest = 0_u128;
            for limb in limbs.iter_mut().rev() {
                let part = rest << 32 | u128::from(*limb);
                *limb = u32::try_from(part / u128::from(*divisor)).unwrap_or(u32::MAX);
                rest = part % u128::from(*divisor);
            }
            sticky |= rest != 0;
        }
        let exponent = self.exponent - 32 * i32::try_from(pad).unwrap_or(0);
        let magnitude = rounded(&limbs, exponent, sticky);
        if self.negative { -magnitude } else { magnitude }
    }
}

fn low_half(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(0)
}

/// The float nearest to `limbs * 2^exponent` and a little more where `sticky`; ties go to the even one.
fn rounded(limbs: &[u32], exponent: i32, sticky: bool) -> f64 {
    let Some(top) = limbs.iter().rposition(|limb| *limb != 0) else { return 0.0 };
    let bit = |at: i64| -> bool {
        let Ok(at) = usize::try_from(at) else { return false };
        limbs.get(at / 32).is_some_and(|limb| limb >> (at % 32) & 1 == 1)
    };
    let leading = limbs.get(top).map_or(0, |limb| limb.leading_zeros());
    let highest = i64::try_from(top).unwrap_or(0) * 32 + 31 - i64::from(leading);
    // The lowest bit that the float keeps: 53 bits, fewer where the number is subnormal.
    let lowest = (highest - 52).max(i64::from(LOWEST) - i64::from(exponent));
    let mut mantissa = 0_u64;
    for at in (lowest..=highest).rev() {
        mantissa = mantissa << 1 | u64::from(bit(at));
    }
    let half = bit(lowest - 1);
    let below = sticky || (0..lowest - 1).any(bit);
    if half && (below || mantissa & 1 == 1) {
        mantissa += 1;
    }
    let weight = lowest + i64::from(exponent);
    scaled(mantissa, weight)
}

/// `mantissa * 2^weight`, where the mantissa has at most 54 bits and the result is exact or infinite.
fn scaled(mantissa: u64, weight: i64) -> f64 {
    let (mantissa, weight) = if mantissa == 1 << 53 { (1 << 52, weight + 1) } else { (mantissa, weight) };
    if mantissa < 1 << 52 {
        // Subnormal or zero: the weight is that of the lowest bit.
        return f64::from_bits(mantissa);
    }
    match u64::try_from(weight + 1075) {
        Ok(biased) if biased < 2047 => f64::from_bits(biased << 52 | (mantissa & ((1 << 52) - 1))),
        _ => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(values: &[f64]) -> f64 {
        let mut sum = ExactSum::default();
        for value in values {
            sum.add(*value);
        }
        sum.value()
    }

    #[test]
    fn the_sum_is_the_true_one_rounded_once() {
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX, -f64::MAX]), 0.0);
        assert_eq!(sum(&[5e-324, 5e-324]), 1e-323);
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0]), 1.0);
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0, 5e-324]), 1.0 + f64::EPSILON);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(sum(&[-0.5, 0.25]), -0.25);
        assert_eq!(sum(&[]), 0.0);
    }

    #[test]
    fn a_mean_is_rounded_once() {
        let mut exact = ExactSum::default();
        exact.add_int(10);
        assert_eq!(exact.divided(&[3]), 10.0 / 3.0);
        exact.add_int(i128::from(i64::MAX));
        assert_eq!(exact.divided(&[1]), 9_223_372_036_854_775_817_i128 as f64);
        let mut tiny = ExactSum::default();
        tiny.add(5e-324);
        assert_eq!(tiny.divided(&[2]), 0.0);
        tiny.add(1e-323);
        assert_eq!(tiny.divided(&[2]), 1e-323);
    }

    proptest! {
        #[test]
        fn any_order_and_any_split_give_the_same_bits(values in proptest::collection::vec(any::<f64>(), 0..40), at in 0_usize..40) {
            let whole = sum(&values);
            let mut turned = values.clone();
            turned.reverse();
            prop_assert_eq!(sum(&turned).to_bits(), whole.to_bits());
            let (left, right) = values.split_at(at.min(values.len()));
            let (mut one, mut other) = (ExactSum::default(), ExactSum::default());
            left.iter().for_each(|v| one.add(*v));
            right.iter().for_each(|v| other.add(*v));
            one.merge(&other);
            prop_assert_eq!(one.value().to_bits(), whole.to_bits());
        }

        #[test]
        fn two_values_add_as_the_processor_adds(a in any::<f64>(), b in any::<f64>()) {
            let (ours, theirs) = (sum(&[a, b]), a + b);
            prop_assert!(ours == theirs || (ours.is_nan() && theirs.is_nan()), "{ours} {theirs}");
        }

        #[test]
        fn dividing_agrees_with_the_processor(a in any::<f64>(), n in 1_u32..u32::MAX) {
            let mut exact = ExactSum::default();
            exact.add(a);
            let (ours, theirs) = (exact.divided(&[u64::from(n)]), a / f64::from(n));
            prop_assert!(ours == theirs || (ours.is_nan() && theirs.is_nan()), "{ours} {theirs}");
        }
    }
}
