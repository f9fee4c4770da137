//! Split values: nulls, number literals, texts and JSON in one column, as texts side by side and two bits
//! each for what they are.
//!
//! ```text
//! form    1, then the form of the texts, which are of kind 6 (text)
//! page    the texts of all values but nulls, in that form; then what each value is, two bits each (see
//!         `bits`): 0 null, 1 number literal, 2 text, 3 JSON
//! ```
//!
//! A field that is often null, or now a text and now an array, is then read like a text.

use super::texts::{Run, TextKind, field};
use crate::value::Value;

/// Bits for what a value is.
pub(crate) const WIDTH: u32 = 2;
pub(crate) const NULL: u8 = 0;

/// Values of a column, split.
#[derive(Default)]
pub(crate) struct Split {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    pub(crate) kinds: Vec<u8>,
}

impl Split {
    /// Splits fields. `None` when one is of another kind.
    pub(crate) fn of(fields: Run<'_>) -> Option<Self> {
        let mut split = Self::default();
        for bytes in fields.iter() {
            let (kind, text) = match field(bytes)? {
                Value::Null => (NULL, None),
                Value::Number(text) => (1, Some(text)),
                Value::Str(text) => (2, Some(text)),
                Value::Json(text) => (3, Some(text)),
                _ => return None,
            };
            split.kinds.push(kind);
            if let Some(text) = text {
                split.bytes.extend_from_slice(text.as_bytes());
                split.ends.push(split.bytes.len());
            }
        }
        Some(split)
    }

    /// The texts.
    pub(crate) fn run(&self) -> Run<'_> {
        Run { bytes: &self.bytes, start: 0, ends: &self.ends }
    }
}

/// The value of a text and what it is.
#[inline]
pub(crate) fn value(kind: u8, text: &str) -> Value<'_> {
    match kind {
        NULL => Value::Null,
        1 => TextKind::Number.value(text),
        2 => TextKind::Str.value(text),
        _ => TextKind::Json.value(text),
    }
}

/// Gives every null the end of the text before it: ends of texts become ends of values.
pub(crate) fn spread(ends: &mut Vec<usize>, kinds: &[u8]) {
    let mut texts = ends.len();
    ends.resize(kinds.len(), 0);
    // From the back, so that no end is overwritten before it is moved.
    for (at, kind) in kinds.iter().enumerate().rev() {
        let end = texts.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0);
        if let Some(place) = ends.get_mut(at) {
            *place = end;
        }
        if *kind != NULL {
            texts = texts.saturating_sub(1);
        }
    }
}
