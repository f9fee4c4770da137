//! What a test says of all texts of one template, before the values of their variables are known.
//!
//! A template is given as a sample: its constant pieces, and `0` for each variable. A variable is a maximal run of ASCII
//! letters and digits that holds a digit, so the digits of a sample are its variables, and the tokens without a digit are those of
//! every text of the template, in the same places.

use std::collections::BTreeSet;

use regex_syntax::hir::literal::Extractor;

use super::{Kind, Last, TextTest};

/// More beginnings than these rule out too little for their cost.
const BEGINNINGS_MAX: usize = 256;

impl TextTest {
    /// The answer for every text of a template; none where it depends on the variables.
    pub(crate) fn of_template(&self, sample: &str) -> Option<bool> {
        match &self.kind {
            Kind::Phrase(phrase) => {
                if !has_digit(&self.source) && phrase.last == Last::Whole {
                    return Some(self.matches(sample));
                }
                let required = self.required_tokens();
                let mut constant = required.iter().filter(|token| !has_digit(token));
                if constant.any(|token| !Self::word(token).matches(sample)) {
                    return Some(false);
                }
                (!has_digit(&self.source) && self.matches(sample)).then_some(true)
            }
            Kind::Contains(_) => (!has_digit(&self.source) && self.matches(sample)).then_some(true),
            Kind::Regex { beginnings, case_insensitive, .. } => {
                let beginnings = beginnings.get_or_init(|| cores(&self.source, *case_insensitive));
                let none = |core: &String| !sample.contains(core.as_str());
                (!beginnings.is_empty() && beginnings.iter().all(none)).then_some(false)
            }
            Kind::Starts(_) | Kind::Ends(_) | Kind::Like(_) | Kind::Cidr { .. } => None,
        }
    }
}

/// Of each text with which a match of the regex may begin what no variable can be a part of: without the letters at its
/// ends, which may be those of a variable. Empty where nothing can be said.
fn cores(pattern: &str, case_insensitive: bool) -> Vec<String> {
    if case_insensitive {
        return Vec::new();
    }
    let Ok(hir) = regex_syntax::parse(pattern) else { return Vec::new() };
    let found = Extractor::new().extract(&hir);
    let Some(literals) = found.literals().filter(|literals| literals.len() <= BEGINNINGS_MAX) else {
        return Vec::new();
    };
    let core = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).ok()?.trim_matches(|c: char| c.is_ascii_alphanumeric());
        (!text.is_empty() && !has_digit(text)).then(|| text.to_owned())
    };
    let cores: Option<BTreeSet<String>> = literals.iter().map(|literal| core(literal.as_bytes())).collect();
    cores.into_iter().flatten().collect()
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_without_digits_are_decided_and_others_rule_out() {
        let sample = "timeout after 0 of mem_0: status=0";
        for (test, expected) in [
            (TextTest::word("Timeout"), Some(true)),
            (TextTest::word("mem"), Some(false)),
            (TextTest::phrase("timeout after"), Some(true)),
            (TextTest::phrase("after of"), Some(false)),
            (TextTest::word("12ms"), None),
            (TextTest::phrase("before 12ms"), Some(false)),
            (TextTest::prefix("mem_"), Some(true)),
            (TextTest::prefix("ti"), Some(true)),
            (TextTest::prefix("xy"), None),
            (TextTest::contains("out aft"), Some(true)),
            (TextTest::contains("ms of"), None),
            (TextTest::contains("absent"), None),
            (TextTest::regex("timeout after [0-9]+ms", false).unwrap(), None),
            (TextTest::regex("timeout within [0-9]+ms", false).unwrap(), Some(false)),
            (TextTest::regex("(a; |b - )[0-9]", false).unwrap(), Some(false)),
            (TextTest::regex("absent", false).unwrap(), None),
            (TextTest::regex("timeout within", true).unwrap(), None),
        ] {
            assert_eq!(test.of_template(sample), expected, "{test}");
        }
    }

    /// Texts with variables in them, the sample of their template, and a test.
    fn parts() -> impl Strategy<Value = Vec<(bool, String)>> {
        let word = prop_oneof![
            "[a-c ._:\u{e4}\u{4e2d}-]{1,4}".prop_map(|text| (false, text)),
            "[a-c]{0,2}[0-9]{1,2}[a-c]{0,2}".prop_map(|text| (true, text)),
        ];
        proptest::collection::vec(word, 0..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_said_of_a_template_is_true_of_its_texts(parts in parts(), needle in "[a-c0-1 ._\u{e4}-]{1,4}") {
            let text: String = parts.iter().map(|(_, text)| text.as_str()).collect();
            // Cut anew: neighbours may have grown together.
            let mut sample = String::new();
            let mut rest = text.as_str();
            while !rest.is_empty() {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                sample.push_str(if has_digit(word) { "0" } else { word });
                let end = after.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(after.len());
                let (signs, after) = after.split_at(end);
                sample.push_str(signs);
                rest = after;
            }
            let tests = [
                TextTest::word(&needle),
                TextTest::prefix(&needle),
                TextTest::exact_case(&needle),
                TextTest::contains(&needle),
                TextTest::starts(&needle),
                TextTest::ends(&needle),
                TextTest::like(&format!("*{needle}*")),
                TextTest::regex(&needle, false).unwrap(),
                TextTest::regex(&format!("({needle}|b -)c*"), false).unwrap(),
                TextTest::regex(&needle, true).unwrap(),
            ];
            for test in tests {
                if let Some(answer) = test.of_template(&sample) {
                    prop_assert_eq!(answer, test.matches(&text), "{} of {:?}, sample {:?}", test, text, sample);
                }
            }
        }
    }
}
