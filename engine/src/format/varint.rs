//! Variable-length integers: seven bits a byte, lowest first (LEB128); signed ones in zigzag.

/// Appends `value`: 1 to 10 bytes.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while 0x80 <= value {
        #[expect(clippy::cast_possible_truncation, reason = "the low seven bits are meant")]
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 0x80")]
    out.push(value as u8);
}

/// Appends a signed value in zigzag.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    #[expect(clippy::cast_sign_loss, reason = "zigzag maps signed to unsigned bits")]
    put(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Takes a value off the front of `input`; `None` when it is cut short or longer than 64 bits.
#[inline]
pub(crate) fn take(input: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = input.split_first()?;
    if first < 0x80 {
        *input = rest;
        return Some(u64::from(first));
    }
    let mut value = u64::from(first & 0x7f);
    let mut rest = rest;
    let mut shift = 7;
    loop {
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        if shift == 63 && 1 < byte {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            *input = rest;
            return Some(value);
        }
        shift += 7;
        if 63 < shift {
            return None;
        }
    }
}

/// Takes a signed value off the front of `input`.
#[inline]
pub(crate) fn take_signed(input: &mut &[u8]) -> Option<i64> {
    let raw = take(input)?;
    #[expect(clippy::cast_possible_wrap, reason = "zigzag maps unsigned bits back to signed")]
    Some(((raw >> 1) as i64) ^ -((raw & 1) as i64))
}

/// Takes `len` bytes off the front of `input`.
#[inline]
pub(crate) fn take_bytes<'a>(input: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let (bytes, rest) = input.split_at_checked(usize::try_from(len).ok()?)?;
    *input = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_integer_reads_back(value in any::<u64>(), signed in any::<i64>()) {
            let mut out = Vec::new();
            put(&mut out, value);
            put_signed(&mut out, signed);
            let mut input = out.as_slice();
            prop_assert_eq!(take(&mut input), Some(value));
            prop_assert_eq!(take_signed(&mut input), Some(signed));
            prop_assert!(input.is_empty());
        }

        #[test]
        fn any_bytes_give_a_value_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut input = bytes.as_slice();
            if take(&mut input).is_none() {
                prop_assert_eq!(input, bytes.as_slice());
            }
        }
    }
}
