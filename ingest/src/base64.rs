//! Base64 with padding (RFC 4648, section 4), for bytes that JSON text cannot hold.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The base64 text of `bytes`.
///
/// ```
/// assert_eq!(logq_ingest::base64_encode(b"\xff\x00"), "/wA=");
/// assert_eq!(logq_ingest::base64_decode("/wA=").as_deref(), Some(&b"\xff\x00"[..]));
/// ```
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut bits = 0_u32;
        for at in 0..3 {
            bits = (bits << 8) | u32::from(group.get(at).copied().unwrap_or(0));
        }
        for at in 0..4 {
            let digit = (bits >> (18 - 6 * at)) & 63;
            let known = at <= group.len();
            text.push(if known { char::from(ALPHABET[digit as usize]) } else { '=' });
        }
    }
    text
}

/// The bytes behind a base64 text; `None` when it is none.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let groups = text.len() / 4;
    for (index, group) in text.chunks(4).enumerate() {
        let padding = group.iter().rev().take_while(|&&byte| byte == b'=').count();
        if 2 < padding || (0 < padding && index + 1 < groups) {
            return None;
        }
        let mut bits = 0_u32;
        for &byte in group.get(..4 - padding)? {
            bits = (bits << 6) | u32::from(digit(byte)?);
        }
        bits <<= 6 * padding;
        bytes.extend([16, 8, 0].iter().take(3 - padding).map(|&shift| low_byte(bits >> shift)));
    }
    Some(bytes)
}

/// The low eight bits.
pub(crate) fn low_byte(bits: u32) -> u8 {
    u8::try_from(bits & 0xff).unwrap_or_default()
}

fn digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_texts_of_the_standard_hold() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), bytes.as_bytes());
        }
        for bad in ["Z", "Zg=", "Z===", "Zg==Zg==", "Zm9*", "=AAA"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn any_text_gives_bytes_or_none(text in ".{0,24}") {
            let _ = decode(&text);
        }
    }
}
