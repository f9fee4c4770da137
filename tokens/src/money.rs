//! Money: whole billionths of a US dollar, so that sums are exact.
//!
//! The cheapest token on the market costs some 10 billionths; what is smaller is rounded once for each request, to the
//! nearest, halves away from zero. 128 bits hold more than there is.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// Billionths of a dollar.
const NANOS: i128 = 1_000_000_000;

/// The largest power of ten that a decimal may be shifted by: no number of dollars needs more.
const EXPONENT_MAX: i32 = 24;

/// An amount in nano-USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i128);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount of billionths of a dollar.
    #[must_use]
    pub const fn from_nanos(nanos: i128) -> Self {
        Self(nanos)
    }

    /// The billionths of a dollar.
    #[must_use]
    pub const fn nanos(self) -> i128 {
        self.0
    }

    /// Reads a decimal number of dollars, with or without an exponent; `None` when it is none, or larger than the
    /// money of the world. More than nine decimals are rounded.
    ///
    /// ```
    /// use logq_tokens::Money;
    ///
    /// assert_eq!(Money::parse("0.000102").map(Money::nanos), Some(102_000));
    /// assert_eq!(Money::parse("6e-05").map(Money::nanos), Some(60_000));
    /// assert_eq!(Money::parse("a lot"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        decimal(text.trim(), 9).map(Self)
    }
}

/// The decimal number times ten to the `shift`, rounded to a whole number.
pub(crate) fn decimal(text: &str, shift: i32) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = [whole, fraction].concat();
    if all.is_empty() || 30 < all.len() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i128 = all.parse().ok()?;
    let power = shift.checked_add(exponent)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    if EXPONENT_MAX < power {
        return (value == 0).then_some(0);
    }
    let scaled = match u32::try_from(power) {
        Ok(power) => value.checked_mul(10_i128.checked_pow(power)?)?,
        Err(_) => match 10_i128.checked_pow(power.unsigned_abs()) {
            Some(divisor) => divide(value, divisor),
            None => 0,
        },
    };
    scaled.checked_mul(sign)
}

/// Divides, to the nearest, halves away from zero. The divisor is above zero.
pub(crate) fn divide(value: i128, divisor: i128) -> i128 {
    let half = divisor / 2;
    let rounded = value.saturating_add(if value < 0 { -half } else { half });
    rounded / divisor.max(1)
}

impl fmt::Display for Money {
    /// Dollars, with as many decimals as matter and at least two: `0.184918125`, `1.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let (dollars, rest) = (nanos / NANOS.unsigned_abs(), nanos % NANOS.unsigned_abs());
        let rest = format!("{rest:09}");
        let kept = rest.trim_end_matches('0').len().max(2);
        write!(f, "{sign}{dollars}.{}", rest.get(..kept).unwrap_or_default())
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_to_the_billionth() {
        for (text, nanos) in [
            ("0", 0),
            ("1", NANOS),
            ("-2.5", -2_500_000_000),
            ("0.0000000014", 1),
            ("0.0000000015", 2),
            ("-0.0000000015", -2),
            ("1.25e-06", 1_250),
            ("6E-5", 60_000),
            (".5", 500_000_000),
            ("1e3", 1000 * NANOS),
            ("1e-400", 0),
        ] {
            assert_eq!(Money::parse(text), Some(Money(nanos)), "{text}");
        }
        for text in ["", ".", "-", "1.2.3", "0x1", "1e", "e5", "NaN", "1e99", "1e99999999999", "1 000"] {
            assert_eq!(Money::parse(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_are_shown_in_dollars() {
        for (nanos, text) in [
            (0, "0.00"),
            (1, "0.000000001"),
            (184_918_125, "0.184918125"),
            (1_500_000_000, "1.50"),
            (-2_500_000_000, "-2.50"),
        ] {
            assert_eq!(Money(nanos).to_string(), text);
        }
    }

    #[test]
    fn a_sum_of_many_small_amounts_is_exact() {
        let sum: Money = std::iter::repeat_n(Money(3), 1_000_000).sum();
        assert_eq!(sum, Money(3_000_000));
    }
}
