//! Decimals: number literals such as `0.8875` as an integer and a number of places, where the very literal
//! comes back.
//!
//! ```text
//! style   u8: 0 always all places ("1.50")
//!             1 no zeros at the end, but at least one place ("1.5", "2.0": Python)
//!             2 no zeros at the end, and whole numbers are integers ("1.5", 2: JavaScript)
//! places  u8, 1 ..= 18
//! ```
//!
//! One literal that is no such decimal (`1e5`, `-0.0`, `.5`, `007`), and the column is stored as text.

use crate::value::Value;

const PLACES_MAX: u32 = 18;

/// How integers become literals again; the numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Style {
    Fixed = 0,
    OneAtLeast = 1,
    WholeIsInt = 2,
}

/// The style and places of all values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimals {
    style: Style,
    places: u32,
}

impl Decimals {
    /// The integers of a column's values, if they all are decimals of one style.
    pub(crate) fn of<'v>(values: impl Iterator<Item = Value<'v>> + Clone) -> Option<(Self, Vec<i64>)> {
        let (mut places, mut same, mut trimmed, mut ints) = (None, true, true, false);
        for value in values.clone() {
            match value {
                Value::Int(_) => ints = true,
                Value::Number(literal) => {
                    let (_, own) = parse(literal)?;
                    same &= places.is_none_or(|places| places == own);
                    trimmed &= own == 1 || !literal.ends_with('0');
                    places = places.max(Some(own));
                }
                _ => return None,
            }
        }
        let style = match (ints, same, trimmed) {
            (false, true, _) => Style::Fixed,
            (false, false, true) => Style::OneAtLeast,
            (true, _, true) => Style::WholeIsInt,
            _ => return None,
        };
        let places = places?;
        let scaled = values.map(|value| {
            let (units, own) = match value {
                Value::Int(int) => (int, 0),
                Value::Number(literal) => parse(literal)?,
                _ => return None,
            };
            // A literal such as "2.0" beside integers would come back as one.
            if style == Style::WholeIsInt && own == 1 && units % 10 == 0 {
                return None;
            }
            units.checked_mul(10_i64.checked_pow(places.checked_sub(own)?)?)
        });
        Some((Self { style, places }, scaled.collect::<Option<_>>()?))
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.style as u8, u8::try_from(self.places).unwrap_or(0)]);
    }

    pub(crate) fn read(input: &mut &[u8]) -> Option<Self> {
        let ([style, places], rest) = input.split_first_chunk()?;
        *input = rest;
        let style = match style {
            0 => Style::Fixed,
            1 => Style::OneAtLeast,
            2 => Style::WholeIsInt,
            _ => return None,
        };
        let places = u32::from(*places);
        (1..=PLACES_MAX).contains(&places).then_some(Self { style, places })
    }

    /// Places behind the point of the integers.
    pub(crate) fn places(self) -> u32 {
        self.places
    }

    /// The integer that `units` stands for, where the column holds one.
    pub(crate) fn int(self, units: i64) -> Option<i64> {
        let one = 10_i64.pow(self.places);
        (self.style == Style::WholeIsInt && units % one == 0).then_some(units / one)
    }

    /// Appends the literal.
    pub(crate) fn print(self, units: i64, out: &mut String) {
        // A sign, the digits of any i64, a point.
        let mut text = [b'0'; 24];
        let least = match self.style {
            Style::Fixed => self.places,
            Style::OneAtLeast | Style::WholeIsInt => 1,
        };
        let mut rest = units.unsigned_abs();
        let mut places = self.places;
        while least < places && rest.is_multiple_of(10) {
            rest /= 10;
            places -= 1;
        }
        let mut at = text.len();
        let mut put = |byte: u8| {
            at -= 1;
            if let Some(place) = text.get_mut(at) {
                *place = byte;
            }
        };
        for _ in 0..places {
            put(digit(rest));
            rest /= 10;
        }
        put(b'.');
        loop {
            put(digit(rest));
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if units < 0 {
            put(b'-');
        }
        out.extend(text.get(at..).unwrap_or_default().iter().map(|byte| char::from(*byte)));
    }
}

fn digit(number: u64) -> u8 {
    b'0' + u8::try_from(number % 10).unwrap_or(0)
}

/// The units and places of a literal that [`Decimals::print`] would print the same.
fn parse(literal: &str) -> Option<(i64, u32)> {
    let digits = literal.strip_prefix('-').unwrap_or(literal);
    let (whole, fraction) = digits.split_once('.')?;
    let places = u32::try_from(fraction.len()).ok().filter(|places| (1..=PLACES_MAX).contains(places))?;
    if whole.is_empty() || (1 < whole.len() && whole.starts_with('0')) {
        return None;
    }
    let mut units = 0_i64;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        units = units.checked_mul(10)?.checked_add(i64::from(digit))?;
    }
    let negative = digits.len() != literal.len();
    // Zero has no sign to come back.
    if negative && units == 0 {
        return None;
    }
    Some((if negative { -units } else { units }, places))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(values: &[Value<'_>]) -> Option<Decimals> {
        let (decimals, units) = Decimals::of(values.iter().copied())?;
        let mut head = Vec::new();
        decimals.write(&mut head);
        assert_eq!(Decimals::read(&mut head.as_slice()), Some(decimals));
        for (units, value) in units.iter().zip(values) {
            let mut text = String::new();
            decimals.print(*units, &mut text);
            let back = decimals.int(*units).map_or(Value::Number(&text), Value::Int);
            assert_eq!(back, *value);
        }
        Some(decimals)
    }

    fn literals(texts: &[&str]) -> Option<(Style, u32)> {
        let values: Vec<Value<'_>> = texts
            .iter()
            .map(|text| crate::value::canonical_int(text).map_or(Value::Number(text), Value::Int))
            .collect();
        check(&values).map(|decimals| (decimals.style, decimals.places))
    }

    #[test]
    fn literals_of_each_style_come_back() {
        for (texts, want) in [
            (&["0.8875", "12.0000", "-3.1415"][..], Some((Style::Fixed, 4))),
            (&["0.5", "2.0", "-0.25"], Some((Style::OneAtLeast, 2))),
            (&["0.5", "2", "-0.25", "0", "-7"], Some((Style::WholeIsInt, 2))),
            (&["9223372036854775.807", "-9.9"], Some((Style::OneAtLeast, 3))),
            (&["0.123456789012345678"], Some((Style::Fixed, 18))),
            (&["2", "2.0"], None),
            (&["0.5", "0.50"], None),
            (&["-0.0"], None),
            (&["1.5", "1e5"], None),
            (&["1.5", "-0"], None),
            (&["01.5"], None),
            (&[".5"], None),
            (&["5."], None),
            (&["+1.5"], None),
            (&["1.5.5"], None),
            (&["0.1234567890123456789"], None),
            (&["92233720368547758.07", "0.001"], None),
        ] {
            assert_eq!(literals(texts), want, "{texts:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_comes_back(
            texts in proptest::collection::vec("-?[0-9]{1,3}(\\.[0-9]{1,3})?", 1..6),
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            literals(&texts);
        }
    }

    #[test]
    fn any_units_print() {
        for (places, units, want) in [
            (18, i64::MIN, "-9.223372036854775808"),
            (1, i64::MIN, "-922337203685477580.8"),
            (18, 0, "0.000000000000000000"),
            (18, -1, "-0.000000000000000001"),
        ] {
            let mut text = String::new();
            Decimals { style: Style::Fixed, places }.print(units, &mut text);
            assert_eq!(text, want);
        }
    }
}
