//! The values of one group, decoded.

use super::codec::Unpacker;
use super::decimal::Decimals;
use super::texts::{TextKind, Texts};
use super::{Damaged, Unit};
use crate::value::Value;

/// The values of one group of a column, decoded; see [`super::Column::read`].
///
/// Made to be used again: it keeps its allocations, and the page that it decoded last, so that reading the
/// groups of a page in sequence verifies and unpacks it once.
#[derive(Default)]
pub(crate) struct Vector {
    pub(super) len: usize,
    pub(super) shape: Shape,
    pub(super) ints: Vec<i64>,
    pub(super) codes: Vec<u32>,
    pub(super) floats: Vec<f64>,
    /// A decoded page, the literals of decimals, or one constant.
    pub(super) texts: Texts,
    /// Place in the texts of the group's first value.
    pub(super) first: usize,
    /// The page that is held: of which column, and which one of it.
    pub(super) held: Option<(u64, usize)>,
    /// The bytes of the held page, unless they lie in the chunk as they are.
    pub(super) raw: Vec<u8>,
    pub(super) unpacker: Unpacker,
    /// A page of texts that columns share.
    pub(super) shared: Vec<u8>,
}

/// What the last read left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Shape {
    #[default]
    Empty,
    Constant,
    Codes,
    Ints(Unit),
    Decimals(Decimals),
    Floats,
    Texts,
    Mixed,
}

/// What a vector holds, by shape. Each list has the vector's length.
pub(crate) enum View<'v> {
    /// The same value as often as the vector is long.
    Constant(Value<'v>),
    /// Positions in the column's dictionary, all inside it.
    Codes(&'v [u32]),
    Ints(Unit, &'v [i64]),
    Decimals(DecimalsView<'v>),
    Floats(&'v [f64]),
    /// Texts of one kind.
    Texts(TextsView<'v>),
    /// Values of several kinds, by [`TextsView::get`].
    Mixed(TextsView<'v>),
}

/// Texts of a group.
#[derive(Clone, Copy)]
pub(crate) struct TextsView<'v> {
    texts: &'v Texts,
    first: usize,
    len: usize,
}

impl<'v> TextsView<'v> {
    /// The kind of all of them; `None` for mixed values.
    pub(crate) fn kind(&self) -> Option<TextKind> {
        self.texts.kind()
    }

    /// The value at a position.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<Value<'v>> {
        if at < self.len { self.texts.get(self.first + at) } else { None }
    }

    /// The text at a position; empty past the end, and for bytes and mixed values, which are no text.
    #[inline]
    pub(crate) fn str(&self, at: usize) -> &'v str {
        if at < self.len { self.texts.str(self.first + at) } else { "" }
    }
}

/// Decimals of a group: whole units of the last place.
#[derive(Clone, Copy)]
pub(crate) struct DecimalsView<'v> {
    decimals: Decimals,
    /// The values, times ten to the power of [`Self::places`].
    pub(crate) units: &'v [i64],
    literals: TextsView<'v>,
}

impl<'v> DecimalsView<'v> {
    /// The value at a position: a literal, or an integer where it was given as one.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<Value<'v>> {
        match self.decimals.int(*self.units.get(at)?) {
            Some(int) => Some(Value::Int(int)),
            None => self.literals.get(at),
        }
    }
}

impl Vector {
    /// Values in the group.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn view(&self) -> View<'_> {
        match self.shape {
            Shape::Empty => View::Constant(Value::Null),
            Shape::Constant => View::Constant(self.texts.get(0).unwrap_or(Value::Null)),
            Shape::Codes => View::Codes(&self.codes),
            Shape::Ints(unit) => View::Ints(unit, &self.ints),
            Shape::Decimals(decimals) => {
                View::Decimals(DecimalsView { decimals, units: &self.ints, literals: self.texts_view() })
            }
            Shape::Floats => View::Floats(&self.floats),
            Shape::Texts => View::Texts(self.texts_view()),
            Shape::Mixed => View::Mixed(self.texts_view()),
        }
    }

    fn texts_view(&self) -> TextsView<'_> {
        TextsView { texts: &self.texts, first: self.first, len: self.len }
    }

    /// The value at a position; `dictionary` is the column's, needed where it has one.
    #[inline]
    pub(crate) fn get<'v>(&'v self, at: usize, dictionary: Option<&'v Dictionary>) -> Option<Value<'v>> {
        if self.len <= at {
            return None;
        }
        match self.view() {
            View::Constant(value) => Some(value),
            View::Codes(codes) => dictionary?.get(*codes.get(at)?),
            View::Ints(unit, ints) => unit.value(*ints.get(at)?),
            View::Decimals(decimals) => decimals.get(at),
            View::Floats(floats) => Some(Value::Float(*floats.get(at)?)),
            View::Texts(texts) | View::Mixed(texts) => texts.get(at),
        }
    }

    /// Replaces what it holds by the decimal texts of some numbers.
    pub(crate) fn print_numbers(&mut self, numbers: impl Iterator<Item = i64>) {
        self.reset();
        self.held = None;
        self.first = 0;
        self.texts.clear(Some(TextKind::Str));
        for number in numbers {
            self.texts.push_with(|text| text.push_str(&number.to_string()));
            self.len += 1;
        }
        self.shape = Shape::Texts;
    }

    /// Forgets the group; what was decoded for it may still serve the next one.
    pub(super) fn reset(&mut self) {
        self.len = 0;
        self.shape = Shape::Empty;
    }

    /// Checks that integers stand for values of their unit.
    pub(super) fn check_unit(&self, unit: Unit) -> Result<(), Damaged> {
        let (min, max) = match unit {
            Unit::Level => (1, 6),
            Unit::Bool => (0, 1),
            Unit::Int | Unit::Time | Unit::Duration | Unit::Cost => return Ok(()),
        };
        if self.ints.iter().all(|int| (min..=max).contains(int)) {
            Ok(())
        } else {
            Err(Damaged { what: "value is none of its unit", offset: 0 })
        }
    }
}

/// The distinct values of a column, in the order of their first appearance. Owns its bytes.
#[derive(Default)]
pub(crate) struct Dictionary(pub(super) Texts);

impl Dictionary {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value of a code.
    #[inline]
    pub(crate) fn get(&self, code: u32) -> Option<Value<'_>> {
        self.0.get(usize::try_from(code).ok()?)
    }
}
