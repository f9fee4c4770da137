//! A text falls into constant pieces and variables.

use std::ops::Range;

use super::{PIECES_SIZE_MAX, VARIABLES_MAX};

/// A text, cut: its pieces with a zero byte for each variable, and the variables.
#[derive(Default)]
pub(super) struct Cut {
    pub(super) key: Vec<u8>,
    pub(super) variables: Vec<Range<usize>>,
}

impl Cut {
    /// Cuts a text. `false` where it can have no template.
    pub(super) fn take(&mut self, text: &[u8]) -> bool {
        self.key.clear();
        self.variables.clear();
        // Constant bytes that are not in the key yet begin at `from`.
        let (mut from, mut at) = (0, 0);
        while at < text.len() {
            let (word, kinds) = run(text, at, |kind| kind & (LETTER | DIGIT) != 0);
            if kinds & DIGIT != 0 {
                self.key.extend_from_slice(text.get(from..at).unwrap_or_default());
                self.key.push(0);
                self.variables.push(at..word);
                from = word;
            }
            let (signs, kinds) = run(text, word, |kind| kind & (LETTER | DIGIT) == 0);
            // A zero byte stands for a variable in the key, so a text that holds one has none.
            if kinds & ZERO != 0
                || PIECES_SIZE_MAX < self.key.len() + (signs - from)
                || VARIABLES_MAX < self.variables.len()
            {
                return false;
            }
            at = signs;
        }
        self.key.extend_from_slice(text.get(from..).unwrap_or_default());
        true
    }
}

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const ZERO: u8 = 4;

/// What each byte is, as one of the bits above.
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut at = 0;
    while at < 256 {
        kinds[at] = match at {
            0x30..=0x39 => DIGIT,
            0x41..=0x5a | 0x61..=0x7a => LETTER,
            0 => ZERO,
            _ => 0,
        };
        at += 1;
    }
    kinds
};

/// Where the bytes from `at` on end that are `of` a kind, and of what kinds they were.
#[inline]
fn run(text: &[u8], mut at: usize, of: impl Fn(u8) -> bool) -> (usize, u8) {
    let mut kinds = 0;
    while let Some(&byte) = text.get(at) {
        let kind = KINDS[usize::from(byte)];
        if !of(kind) {
            break;
        }
        kinds |= kind;
        at += 1;
    }
    (at, kinds)
}
