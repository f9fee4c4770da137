//! Numbers: exact decimals, compared digit by digit where that is needed and printed canonically.

use crate::value::{self, Value};
use std::cmp::Ordering;
use std::fmt::{self, Write as _};

/// Decimal digits behind the point of a duration's milliseconds.
const DURATION_PLACES: u32 = 6;

/// Decimal digits behind the point of money's US dollars.
const COST_PLACES: u32 = 9;

/// A whole number of at most this many digits prints without an exponent: enough for any `i128`.
const PLAIN_DIGITS_MAX: i128 = 40;

/// A number, exactly. Not a NaN.
///
/// `Display` is canonical: an integer if it is whole (and not absurdly long), else the shortest decimal, with
/// an exponent below a millionth. Equal numbers print the same.
///
/// ```
/// use logq_engine::compare::Number;
/// let [a, b] = ["1.0", "1e0"].map(|text| Number::parse(text).unwrap());
/// assert_eq!(a, b);
/// assert_eq!(a.to_string(), "1");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Number<'a>(Repr<'a>);

#[derive(Clone, Copy, Debug)]
enum Repr<'a> {
    /// `units / 10^places`
    Fixed {
        units: i64,
        places: u32,
    },
    /// Not a NaN.
    Float(f64),
    Decimal(Decimal<'a>),
}

impl<'a> Number<'a> {
    /// Reads a text that is a decimal number as a whole: `12`, `-0.5`, `1.5e3`, `.5`, `+7`, `007`.
    pub fn parse(text: &'a str) -> Option<Self> {
        // Most texts that are asked are words.
        if !matches!(text.as_bytes().first()?, b'0'..=b'9' | b'-' | b'+' | b'.') {
            return None;
        }
        match value::canonical_int(text) {
            Some(int) => Some(Self::from(int)),
            None => Some(Self(Repr::Decimal(Decimal::parse(text)?))),
        }
    }

    /// The number that a value is: an integer, a float, a literal, a duration in milliseconds, money in US
    /// dollars. Text is none, whatever it holds.
    pub fn of(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Int(int) => Some(Self::from(int)),
            Value::Float(float) => Self::from_f64(float),
            Value::Number(text) => Self::parse(text),
            Value::Duration(units) => Some(Self(Repr::Fixed { units, places: DURATION_PLACES })),
            Value::Cost(units) => Some(Self(Repr::Fixed { units, places: COST_PLACES })),
            _ => None,
        }
    }

    /// The number that a float stands for; `None` for a NaN.
    pub fn from_f64(float: f64) -> Option<Self> {
        (!float.is_nan()).then_some(Self(Repr::Float(float)))
    }

    /// The integer, where the number is one and fits.
    pub fn to_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Fixed { units, places } => {
                let scale = 10_i64.checked_pow(places)?;
                (units % scale == 0).then_some(units / scale)
            }
            _ => self.to_string().parse().ok(),
        }
    }

    /// The nearest `f64`; beyond its range an infinity.
    pub fn to_f64(&self) -> f64 {
        match self.0 {
            Repr::Float(float) => float,
            // The standard library reads decimals correctly rounded.
            _ => self.to_string().parse().unwrap_or(f64::NAN),
        }
    }

    /// Of an infinity, whether it is the negative one.
    pub(super) fn infinite(&self) -> Option<bool> {
        match self.0 {
            Repr::Float(float) if float.is_infinite() => Some(float < 0.0),
            _ => None,
        }
    }

    /// The digits; of an infinity, none that mean anything.
    fn decimal<'b>(&'b self, buffer: &'b mut Buffer) -> Decimal<'b> {
        match self.0 {
            Repr::Decimal(decimal) => decimal,
            Repr::Fixed { units, places } => {
                // A buffer takes any i64 and any f64, so writing cannot fail.
                let _fits = write!(buffer, "{units}");
                let mut decimal = Decimal::parse(buffer.text()).unwrap_or(Decimal::ZERO);
                if !decimal.is_zero() {
                    decimal.point -= i128::from(places);
                }
                decimal
            }
            Repr::Float(float) => {
                let _fits = write!(buffer, "{float:e}");
                Decimal::parse(buffer.text()).unwrap_or(Decimal::ZERO)
            }
        }
    }
}

impl From<i64> for Number<'_> {
    fn from(int: i64) -> Self {
        Self(Repr::Fixed { units: int, places: 0 })
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (Repr::Fixed { units: a, places: p }, Repr::Fixed { units: b, places: q }) => {
                // Places are at most nine, so the products fit.
                let scale = |units, places| i128::from(units) * 10_i128.pow(places);
                if p == q { a.cmp(&b) } else { scale(a, q).cmp(&scale(b, p)) }
            }
            // The shortest literals of two floats are ordered as they are, and so are the infinities.
            (Repr::Float(a), Repr::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            _ => match (self.infinite(), other.infinite()) {
                (Some(negative), _) => {
                    if negative {
                        Ordering::Less
                    } else {
                        Ordering::Greater
                    }
                }
                (_, Some(negative)) => {
                    if negative {
                        Ordering::Greater
                    } else {
                        Ordering::Less
                    }
                }
                _ => {
                    let (mut a, mut b) = (Buffer::default(), Buffer::default());
                    self.decimal(&mut a).cmp(&other.decimal(&mut b))
                }
            },
        }
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number<'_> {}

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.infinite()) {
            (Repr::Fixed { units, places: 0 }, _) => write!(f, "{units}"),
            (_, Some(negative)) => f.write_str(if negative { "-inf" } else { "inf" }),
            _ => self.decimal(&mut Buffer::default()).fmt(f),
        }
    }
}

/// Room for the longest `i64` and the longest `{:e}` of an `f64` (24 bytes).
#[derive(Default)]
struct Buffer {
    bytes: [u8; 32],
    len: usize,
}

impl Buffer {
    fn text(&self) -> &str {
        self.bytes.get(..self.len).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// A decimal in normal form: `0.WHOLE FRACTION * 10^point`, where the digits begin and end with one that is
/// not zero. Zero has no digits, no sign and point 0. So equal numbers have equal forms, but for where the
/// digits are cut in two.
#[derive(Clone, Copy, Debug)]
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    /// An exponent beyond `i128`, which takes 39 digits to write, is taken for the nearest that fits.
    point: i128,
}

impl<'a> Decimal<'a> {
    const ZERO: Self = Self { negative: false, whole: &[], fraction: &[], point: 0 };

    fn parse(text: &'a str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, text.as_bytes()),
        };
        let (mantissa, exponent) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (rest.get(..at)?, parse_exponent(rest.get(at + 1..)?)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.iter().position(|&byte| byte == b'.') {
            Some(at) => (mantissa.get(..at)?, mantissa.get(at + 1..)?),
            None => (mantissa, &[][..]),
        };
        let digits = || whole.iter().chain(fraction);
        if digits().next().is_none() || !digits().all(u8::is_ascii_digit) {
            return None;
        }
        let mut decimal = Self { negative, whole: trim_start(whole), fraction: trim_end(fraction), point: 0 };
        let mut point = i128::try_from(decimal.whole.len()).ok()?;
        if decimal.whole.is_empty() {
            decimal.fraction = trim_start(decimal.fraction);
            let zeros = trim_end(fraction).len() - decimal.fraction.len();
            point = -i128::try_from(zeros).ok()?;
        }
        if decimal.fraction.is_empty() {
            decimal.whole = trim_end(decimal.whole);
        }
        if decimal.is_zero() {
            return Some(Self::ZERO);
        }
        decimal.point = exponent.saturating_add(point);
        Some(decimal)
    }

    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }

    fn digits(&self) -> impl Iterator<Item = &u8> {
        self.whole.iter().chain(self.fraction)
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |decimal: &Self| match (decimal.is_zero(), decimal.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            let size = self.point.cmp(&other.point).then_with(|| self.digits().cmp(other.digits()));
            if self.negative { size.reverse() } else { size }
        })
    }
}

/// Digits with an optional sign; beyond `i128` the nearest that fits.
fn parse_exponent(text: &[u8]) -> Option<i128> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits
        .iter()
        .fold(0_i128, |size, digit| size.saturating_mul(10).saturating_add(i128::from(digit - b'0')));
    Some(if negative { -size } else { size })
}

fn trim_start(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

fn trim_end(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().rev().take_while(|&&digit| digit == b'0').count();
    digits.get(..digits.len() - zeros).unwrap_or_default()
}

impl fmt::Display for Decimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_char('0');
        }
        if self.negative {
            f.write_char('-')?;
        }
        let count = i128::try_from(self.whole.len() + self.fraction.len()).unwrap_or(i128::MAX);
        let whole = count <= self.point;
        let plain = if whole { self.point <= PLAIN_DIGITS_MAX } else { -6 < self.point };
        // Where the point goes, counted in digits.
        let cut = if plain { self.point } else { 1 };
        if cut <= 0 {
            f.write_str("0.")?;
            (cut..0).try_for_each(|_| f.write_char('0'))?;
        }
        for (at, &digit) in (0_i128..).zip(self.digits()) {
            if at == cut && 0 < at {
                f.write_char('.')?;
            }
            f.write_char(char::from(digit))?;
        }
        if plain {
            (count..cut).try_for_each(|_| f.write_char('0'))
        } else {
            write!(f, "e{}", self.point.saturating_sub(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number<'_> {
        Number::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn only_a_text_that_is_a_decimal_as_a_whole_is_a_number() {
        for text in
            ["0", "-0", "007", "+1", "1.", ".5", "1e5", "1E+5", "1.5e-3", "-.5e0", "9223372036854775808"]
        {
            assert!(Number::parse(text).is_some(), "{text}");
        }
        for text in [
            "", "-", "+", ".", "e5", "1e", "1e+", "1e1.5", "1.2.3", " 1", "1 ", "1_000", "0x10", "--1",
            "NaN", "inf", "1f", "5s", "\u{661}",
        ] {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn numbers_are_ordered_by_value_without_rounding() {
        // Each list holds spellings of one number; the lists ascend.
        let ascending: &[&[&str]] = &[
            &["-1e999999999999999999999999999999999999"],
            &["-9223372036854775809"],
            &["-9223372036854775808", "-9223372036854775808.0"],
            &["-1.5", "-15e-1"],
            &["-1", "-1.0"],
            &["-1e-400"],
            &["0", "-0", "0.000", "0e999999999999999999999999", "-0e-5"],
            &["1e-999999999999999999999999999999999998"],
            &["0.1", ".1", "00.10", "1e-1", "10e-2"],
            &["0.1000000000000000055511151231257827021181583404541015625"],
            &["0.30000000000000004"],
            &["1", "1.0", "+1", "10e-1", "0.1e1", "0.00001e5"],
            &["9007199254740992", "9007199254740992.0"],
            &["9007199254740993"],
            &["9223372036854775806"],
            &["9223372036854775807", "9223372036854775807.00"],
            &["9223372036854775807.5"],
            &["9223372036854775808"],
            &["18446744073709551615"],
            &["1e20", "100000000000000000000"],
            &["100000000000000000001"],
            &["1e400"],
            &["1e999999999999999999999999999999999998"],
            &["1e999999999999999999999999999999999999", "10e999999999999999999999999999999999998"],
        ];
        for (i, left) in ascending.iter().enumerate() {
            for (j, right) in ascending.iter().enumerate() {
                for (a, b) in left.iter().flat_map(|a| right.iter().map(move |b| (a, b))) {
                    assert_eq!(number(a).cmp(&number(b)), i.cmp(&j), "{a} with {b}");
                }
            }
        }
    }

    #[test]
    fn an_exponent_of_any_length_is_read() {
        let huge = format!("1e{}", "9".repeat(1000));
        let tiny = format!("-1e-{}", "9".repeat(1000));
        assert!(number("1e400") < number(&huge));
        assert!(number(&tiny) < number("0") && number("-1e-400") < number(&tiny));
        assert!(number(&huge).to_f64().is_infinite());
        assert!(number(&huge).to_string().len() < 50);
    }

    #[test]
    fn a_float_is_its_shortest_literal() {
        let float = |float| Number::from_f64(float).unwrap();
        assert_eq!(float(0.1), number("0.1"));
        assert_eq!(float(-0.0), number("0"));
        assert_eq!(float(1e300), number("1e300"));
        assert_eq!(float(5e-324), number("5e-324"));
        assert_eq!(float(9_007_199_254_740_992.0), Number::from(9_007_199_254_740_992));
        assert!(float(f64::NEG_INFINITY) < number("-1e999") && number("1e999") < float(f64::INFINITY));
        assert_eq!(float(f64::INFINITY), float(f64::INFINITY));
        assert!(Number::from_f64(f64::NAN).is_none());
    }

    #[test]
    fn durations_are_milliseconds_and_money_is_dollars() {
        let of = |value| Number::of(value).unwrap();
        assert_eq!(of(Value::Duration(1_500_000)), number("1.5"));
        assert_eq!(of(Value::Duration(1)).to_string(), "0.000001");
        assert_eq!(of(Value::Cost(20_000_000)), number("0.02"));
        assert!(
            of(Value::Duration(1_500_001)) > number("1.5")
                && of(Value::Cost(i64::MAX)) > number("9223372036")
        );
        assert_eq!(of(Value::Duration(i64::MIN)).to_string(), "-9223372036854.775808");
        assert_eq!(of(Value::Duration(2_000_000)), of(Value::Cost(2_000_000_000)));
        assert_eq!(Number::of(Value::Str("1")), None);
    }

    #[test]
    fn the_canonical_text_is_an_integer_or_the_shortest_decimal() {
        for (text, want) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("007", "7"),
            ("1.50", "1.5"),
            ("1e3", "1000"),
            ("-12.5e1", "-125"),
            ("100.25", "100.25"),
            ("1e39", "1000000000000000000000000000000000000000"),
            ("1e40", "1e40"),
            ("-1.25e400", "-1.25e400"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("12e-10", "1.2e-9"),
            ("1e-7", "1e-7"),
        ] {
            assert_eq!(number(text).to_string(), want, "{text}");
        }
    }

    #[test]
    fn a_whole_number_that_fits_is_an_integer() {
        assert_eq!(number("1e3").to_i64(), Some(1000));
        assert_eq!(number("-9223372036854775808.0").to_i64(), Some(i64::MIN));
        assert_eq!(number("9223372036854775808").to_i64(), None);
        assert_eq!(number("1.5").to_i64(), None);
        assert_eq!(Number::of(Value::Duration(3_000_000)).and_then(|n| n.to_i64()), Some(3));
        assert_eq!(Number::of(Value::Duration(3_000_001)).and_then(|n| n.to_i64()), None);
    }

    /// A decimal with its value in units of 10^-12, for a reference in integers.
    fn small() -> impl Strategy<Value = (String, i128)> {
        (any::<bool>(), 0_u32..10_000, "[0-9]{0,4}", -4_i32..=4, any::<bool>()).prop_map(
            |(negative, whole, fraction, exponent, zeros)| {
                let (sign, pad) = (if negative { "-" } else { "" }, if zeros { "00" } else { "" });
                let digits: i128 = format!("{whole}{fraction}").parse().unwrap();
                let places = 12 + exponent - i32::try_from(fraction.len()).unwrap();
                let value = digits * 10_i128.pow(places.unsigned_abs());
                let text = format!("{sign}{pad}{whole}.{fraction}{pad}e{exponent}");
                (text, if negative { -value } else { value })
            },
        )
    }

    proptest! {
        #[test]
        fn decimals_compare_as_integers_of_a_small_unit_do(a in small(), b in small()) {
            prop_assert_eq!(number(&a.0).cmp(&number(&b.0)), a.1.cmp(&b.1), "{} with {}", a.0, b.0);
        }

        #[test]
        fn fixed_numbers_compare_as_their_literals_do(a in any::<i64>(), b in any::<i64>(), near in -2_i64..=2) {
            for b in [b, a.wrapping_add(near), a / 1000, a / 1_000_000_000] {
                let forms = |int| {
                    [Value::Int(int), Value::Duration(int), Value::Cost(int)].map(|v| Number::of(v).unwrap())
                };
                // A point makes sure that the literal is not read as an integer.
                let literal = |number: Number<'_>| {
                    let text = number.to_string();
                    if text.contains(['.', 'e']) { text } else { text + ".0" }
                };
                for (a, b) in forms(a).into_iter().flat_map(|a| forms(b).map(|b| (a, b))) {
                    let (x, y) = (literal(a), literal(b));
                    prop_assert_eq!(a.cmp(&b), number(&x).cmp(&number(&y)), "{} with {}", x, y);
                    prop_assert_eq!(a.cmp(&b), a.cmp(&number(&y)), "{} with {}", x, y);
                }
            }
        }

        #[test]
        fn floats_compare_as_floats_and_as_their_literals(a in any::<f64>(), b in any::<f64>(), steps in 0_u64..3) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            for b in [b, f64::from_bits(a.to_bits().saturating_add(steps))] {
                let Some(y) = Number::from_f64(b) else { continue };
                let x = Number::from_f64(a).unwrap();
                let want = a.partial_cmp(&b).unwrap();
                prop_assert_eq!(x.cmp(&y), want);
                if a.is_finite() && b.is_finite() {
                    let (a, b) = (format!("{a}"), format!("{b:e}"));
                    prop_assert_eq!(number(&a).cmp(&number(&b)), want, "{} with {}", &a, &b);
                    prop_assert_eq!(x.cmp(&number(&b)), want);
                }
            }
            prop_assert_eq!(Number::from_f64(a).unwrap().to_f64(), a);
        }

        #[test]
        fn the_canonical_text_reads_back_as_the_same_number(text in "[-+]?[0-9]{0,30}[.]?[0-9]{0,30}(e[-+]?[0-9]{1,3})?") {
            let Some(number) = Number::parse(&text) else { return Ok(()) };
            let canonical = number.to_string();
            prop_assert_eq!(Number::parse(&canonical), Some(number));
            prop_assert_eq!(Number::parse(&canonical).unwrap().to_string(), canonical);
            prop_assert_eq!(number.to_f64(), text.parse::<f64>().unwrap());
        }

        #[test]
        fn any_text_is_a_number_or_none(text in any::<String>(), near in "[-+.eE0-9]{0,12}") {
            for text in [text, near] {
                if let Some(number) = Number::parse(&text) {
                    prop_assert!(number == number && !number.to_string().is_empty());
                }
            }
        }
    }
}
