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
