//! Patterns: texts of one length that differ only in lower-case hex digits, half a byte a digit.
//!
//! UUIDs, trace ids, `sess-99e91453e17e`, `req-00012345`: what is the same in all of them is kept once.
//!
//! ```text
//! pattern  length (varint, 1 ..= 256), length bytes (the digits of the first text among them are '0'),
//!          bit map of the places that hold digits, lowest bit first
//! page     for each text its digits, the first in the low half of the first byte; a last half is zero
//! ```

use super::texts::Run;
use crate::format::varint;

/// Longer texts are no ids.
const LEN_MAX: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    template: Vec<u8>,
    /// Places of the digits, ascending.
    places: Vec<u16>,
}

impl Pattern {
    /// The pattern that all texts have, if they have one.
    pub(crate) fn of(texts: Run<'_>) -> Option<Self> {
        let first = texts.iter().next().filter(|first| (1..=LEN_MAX).contains(&first.len()))?;
        let mut differs = vec![0_u8; first.len()];
        let mut foreign = vec![0_u8; first.len()];
        for text in texts.iter() {
            if text.len() != first.len() {
                return None;
            }
            for ((differs, byte), first) in differs.iter_mut().zip(text).zip(first) {
                *differs |= byte ^ first;
            }
            for (foreign, byte) in foreign.iter_mut().zip(text) {
                *foreign |= u8::from(9 < byte.wrapping_sub(b'0') && 5 < byte.wrapping_sub(b'a'));
            }
        }
        let mut template = first.to_vec();
        let mut places = Vec::new();
        for (at, ((differs, foreign), byte)) in (0..).zip(differs.iter().zip(foreign).zip(&mut template)) {
            if *differs != 0 {
                if foreign != 0 {
                    return None;
                }
                *byte = b'0';
                places.push(at);
            }
        }
        (!places.is_empty()).then_some(Self { template, places })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        varint::put(out, self.template.len() as u64);
        out.extend_from_slice(&self.template);
        let mut map = vec![0_u8; self.template.len().div_ceil(8)];
        for &place in &self.places {
            if let Some(byte) = map.get_mut(usize::from(place / 8)) {
                *byte |= 1 << (place % 8);
            }
        }
        out.extend_from_slice(&map);
    }

    pub(crate) fn read(input: &mut &[u8]) -> Option<Self> {
        let len = usize::try_from(varint::take(input)?).ok().filter(|len| (1..=LEN_MAX).contains(len))?;
        let template = varint::take_bytes(input, len as u64)?.to_vec();
        let map = varint::take_bytes(input, len.div_ceil(8) as u64)?;
        let mut places = Vec::new();
        for (at, byte) in (0_u16..).zip(map) {
            let bits = (0..8).filter(|bit| byte >> bit & 1 == 1);
            places.extend(bits.map(|bit| at * 8 + bit));
        }
        let digits = places.iter().all(|place| template.get(usize::from(*place)) == Some(&b'0'));
        (digits && !places.is_empty()).then_some(Self { template, places })
    }

    /// Length of every text.
    pub(crate) fn len(&self) -> usize {
        self.template.len()
    }

    /// Whether every text of it is UTF-8.
    pub(crate) fn is_utf8(&self) -> bool {
        std::str::from_utf8(&self.template).is_ok()
    }

    /// Bytes of one text in a page.
    fn size(&self) -> usize {
        self.places.len().div_ceil(2)
    }

    /// Appends the digits of a text that has the pattern.
    pub(crate) fn put(&self, text: &[u8], out: &mut Vec<u8>) {
        let digit_at = |place: &u16| digit(text.get(usize::from(*place)).copied().unwrap_or(b'0'));
        out.extend(self.places.chunks(2).map(|pair| {
            let low = pair.first().map_or(0, digit_at);
            let high = pair.get(1).map_or(0, digit_at);
            low | high << 4
        }));
    }

    /// Appends the texts of a page. `None` when it is not exactly `count` of them.
    pub(crate) fn decode(&self, page: &[u8], count: usize, out: &mut Vec<u8>) -> Option<()> {
        if page.len() != count.checked_mul(self.size())? {
            return None;
        }
        out.reserve(count.checked_mul(self.len())?);
        let mut text = self.template.clone();
        for packed in page.chunks_exact(self.size()) {
            for (pair, byte) in self.places.chunks(2).zip(packed) {
                let [low, high] = DIGITS.get(usize::from(*byte)).copied()?;
                *text.get_mut(usize::from(*pair.first()?))? = low;
                match pair.get(1) {
                    Some(place) => *text.get_mut(usize::from(*place))? = high,
                    None if *byte < 16 => {}
                    None => return None,
                }
            }
            out.extend_from_slice(&text);
        }
        Some(())
    }
}

/// The value of a lower-case hex digit.
const fn digit(byte: u8) -> u8 {
    // Letters have this bit and begin at 1 behind it: nine off.
    ((byte & 15) + (byte >> 6) * 9) & 15
}

/// The two digits of each byte, the low half first.
const DIGITS: [[u8; 2]; 256] = {
    let hex = *b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [hex[byte & 15], hex[byte >> 4]];
        byte += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::super::texts::{TextKind, Texts};
    use super::*;

    fn pattern(texts: &[&str]) -> Option<(Pattern, usize)> {
        let all = Texts::collect(Some(TextKind::Str), texts.iter().map(|text| text.as_bytes()));
        let pattern = Pattern::of(all.run())?;
        let mut head = Vec::new();
        pattern.write(&mut head);
        let mut input = head.as_slice();
        assert_eq!(Pattern::read(&mut input).as_ref(), Some(&pattern));
        assert!(input.is_empty());
        let (mut page, mut back) = (Vec::new(), Vec::new());
        texts.iter().for_each(|text| pattern.put(text.as_bytes(), &mut page));
        assert_eq!(pattern.decode(&page, texts.len(), &mut back), Some(()));
        assert_eq!(back, texts.concat().as_bytes());
        page.push(0);
        assert_eq!(pattern.decode(&page, texts.len(), &mut back), None);
        Some((pattern, page.len() - 1))
    }

    #[test]
    fn ids_take_half_a_byte_a_digit() {
        let sessions = pattern(&["sess-99e91453e17e", "sess-0080a9a93004"]).unwrap();
        assert_eq!(sessions.1, 2 * 6);
        let uuids = ["67e55044-10b1-426f-9247-bb680e5fe0c8", "f9168c5e-ceb2-4faa-b6bf-329bf39fa1e4"];
        // Two digits happen to be the same in both.
        assert_eq!(pattern(&uuids).unwrap().1, 2 * 15);
        assert_eq!(pattern(&["\u{e4}-1", "\u{e4}-2", "\u{e4}-f"]).unwrap().1, 3);
    }

    #[test]
    fn what_is_no_pattern_is_left_alone() {
        assert!(pattern(&["a1", "a22"]).is_none());
        assert!(pattern(&["0A", "0B"]).is_none());
        assert!(pattern(&["0a", "0g"]).is_none());
        assert!(pattern(&["", ""]).is_none());
        assert!(pattern(&["\u{e4}", "\u{e5}"]).is_none());
    }

    #[test]
    fn a_half_byte_too_much_is_refused() {
        let (pattern, _) = pattern(&["1", "2"]).unwrap();
        let mut out = Vec::new();
        assert_eq!(pattern.decode(&[0x01, 0x0f], 2, &mut out), Some(()));
        assert_eq!(pattern.decode(&[0x01, 0x1f], 2, &mut out), None);
    }
}
