//! Reading JSON: the elements of an array, the members of an object. The text is checked as a whole first, by a walk without
//! recursion, so that the rest may trust it.

use logq_engine::value::canonical_int;

use super::is_json;
use crate::datum::Datum;

/// How deep members are taken out of objects; deeper ones stay JSON.
const DEPTH_MAX: usize = 16;

/// The elements of an array; none of anything else.
pub(crate) fn elements(text: &str) -> Option<Vec<Datum>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    is_json(text).then(|| parts(inner).into_iter().map(scalar).collect())
}

/// The members of an object, those of objects in it under dotted names; none of anything else.
pub(crate) fn members(text: &str) -> Vec<(String, Datum)> {
    let mut found = Vec::new();
    if !is_json(text) {
        return found;
    }
    let mut left = vec![(String::new(), text.trim(), 0)];
    while let Some((name, text, depth)) = left.pop() {
        let inner =
            text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).filter(|_| depth < DEPTH_MAX);
        let Some(inner) = inner.filter(|inner| !inner.trim().is_empty()) else {
            if depth != 0 {
                found.push((name, scalar(text)));
            }
            continue;
        };
        // The last one first onto the pile, so that the first comes off it first.
        for part in parts(inner).into_iter().rev() {
            let Some((key, value)) = member(part) else { continue };
            let name = if depth == 0 { key } else { format!("{name}.{key}") };
            left.push((name, value, depth + 1));
        }
    }
    found
}

/// What commas separate, outside of strings and brackets.
fn parts(inner: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut string, mut escaped) = (0_usize, 0, false, false);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if string => escaped = true,
            b'"' => string = !string,
            _ if string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.extend(inner.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = inner.get(start..).unwrap_or_default();
    if !last.trim().is_empty() {
        parts.push(last);
    }
    parts.into_iter().map(str::trim).collect()
}

/// The name and the value of `"name": value`.
fn member(part: &str) -> Option<(String, &str)> {
    let body = part.strip_prefix('"')?;
    let mut escaped = false;
    let end = body.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    let value = body.get(end + 1..)?.trim_start().strip_prefix(':')?.trim();
    Some((unescape(body.get(..end)?), value))
}

/// A value: what is no scalar stays JSON.
fn scalar(text: &str) -> Datum {
    match text {
        "null" => Datum::Null,
        "true" => Datum::Bool(true),
        "false" => Datum::Bool(false),
        _ => match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(body) => Datum::Str(unescape(body).into()),
            None if text.starts_with(['[', '{']) => Datum::Json(text.into()),
            None => canonical_int(text).map_or_else(|| Datum::Number(text.into()), Datum::Int),
        },
    }
}

/// A string without its escapes; half of a pair of surrogates becomes the replacement character.
fn unescape(body: &str) -> String {
    let mut text = String::with_capacity(body.len());
    let mut rest = body;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let mut chars = after.chars();
        let c = chars.next().unwrap_or('\\');
        rest = chars.as_str();
        match c {
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'u' => {
                let unit = |text: &str| u16::from_str_radix(text.get(..4)?, 16).ok();
                let first = unit(rest);
                rest = rest.get(4..).unwrap_or_default();
                let second = rest
                    .strip_prefix("\\u")
                    .and_then(unit)
                    .filter(|_| first.is_some_and(|unit| (0xd800..0xdc00).contains(&unit)));
                let units: Vec<u16> = first.into_iter().chain(second).collect();
                match String::from_utf16(&units) {
                    Ok(decoded) if second.is_some() => {
                        text.push_str(&decoded);
                        rest = rest.get(6..).unwrap_or_default();
                    }
                    _ => text.push_str(&String::from_utf16_lossy(first.as_slice())),
                }
            }
            other => text.push(other),
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_elements_are_what_the_text_says() {
        let text = r#" {"a":1,"b":{"c":"x,\"}y","d":[1,{"e":2}],"f":{}},"n":null,"u":"\u00e9\ud83d\ude00\ud800x","z":1.50} "#;
        let shown: Vec<String> =
            members(text).into_iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        assert_eq!(
            shown.join(" "),
            "a=Int(1) b.c=Str(\"x,\\\"}y\") b.d=Json(\"[1,{\\\"e\\\":2}]\") b.f=Json(\"{}\") n=Null \
             u=Str(\"\u{e9}\u{1f600}\u{fffd}x\") z=Number(\"1.50\")"
        );
        assert!(members("[1]").is_empty() && members("{\"a\":").is_empty() && members("x").is_empty());
        assert_eq!(elements(" [ ] "), Some(Vec::new()));
        assert_eq!(elements("[1, \"a,b\", [2,3], null]").map(|all| all.len()), Some(4));
        assert_eq!(elements("[1"), None);
    }
}
