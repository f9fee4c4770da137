//! TextTest: one question to a text. Words and phrases ask for whole tokens, the rest for characters.
//!
//! Every test is a scan of a [`Finder`] where that can be trusted, and a linear walk (Knuth, Morris, Pratt)
//! over folded characters or over tokens where it cannot: where a letter stands in a spelling of another
//! length, or where the scan finds so many beginnings that its closer looks would cost more than the walk.
//! So no test takes longer than a fixed number of passes over the text, but for a glob.

mod template;

use super::find::Finder;
use super::{Class, class, ends_token, fold, starts_token, tokens};
use regex::{Regex, RegexBuilder};
use std::fmt;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::OnceLock;

/// Bytes that a compiled regex may take: a few thousand characters of pattern, and no repetition of a
/// repetition that would stop the process.
pub const REGEX_SIZE_MAX: usize = 1 << 20;

/// How deep the groups of a regex may nest.
pub const REGEX_DEPTH_MAX: u32 = 64;

/// A question to a text: `matches` says yes or no.
///
/// Unless its constructor says otherwise, a test has no regard to case (see [`fold`]).
///
/// ```
/// use logq_engine::text::TextTest;
/// assert!(TextTest::word("timeout").matches("Connection TIMEOUT after 30 s"));
/// assert!(!TextTest::word("timeout").matches("3 timeouts"));
/// assert!(TextTest::prefix("timeout").matches("3 timeouts"));
/// assert!(TextTest::phrase("connection timeout").matches("connection-timeout"));
/// ```
#[derive(Clone, Debug)]
pub struct TextTest {
    /// As given, for [`fmt::Display`].
    source: Box<str>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Phrase(Phrase),
    Contains(Contains),
    Starts(Vec<char>),
    Ends(Vec<char>),
    Like(Glob),
    Regex {
        regex: Regex,
        case_insensitive: bool,
        /// See [`TextTest::of_template`].
        beginnings: OnceLock<Vec<String>>,
    },
    Cidr {
        network: IpAddr,
        bits: u32,
    },
}

impl TextTest {
    /// The tokens of `text`, one after the other. The same as [`TextTest::phrase`]: a "word" that holds
    /// several tokens, such as `read-only`, is a phrase.
    pub fn word(text: &str) -> Self {
        Self::tokens(text, Case::Any, Last::Whole)
    }

    /// `text*`: like [`TextTest::word`], but the last token may be longer than that of `text`.
    pub fn prefix(text: &str) -> Self {
        Self::tokens(text, Case::Any, Last::Prefix)
    }

    /// The tokens of `text`, one after the other, whatever stands between them. A text without a token, such
    /// as `->`, is looked for as it is.
    pub fn phrase(text: &str) -> Self {
        Self::tokens(text, Case::Any, Last::Whole)
    }

    /// Like [`TextTest::phrase`], with regard to case.
    pub fn exact_case(text: &str) -> Self {
        Self::tokens(text, Case::Exact, Last::Whole)
    }

    /// `text` anywhere, also inside a token.
    pub fn contains(text: &str) -> Self {
        Self { source: text.into(), kind: Kind::Contains(Contains::new(text, Case::Any)) }
    }

    /// `text` at the start.
    pub fn starts(text: &str) -> Self {
        Self { source: text.into(), kind: Kind::Starts(text.chars().map(fold).collect()) }
    }

    /// `text` at the end.
    pub fn ends(text: &str) -> Self {
        Self { source: text.into(), kind: Kind::Ends(text.chars().rev().map(fold).collect()) }
    }

    /// The whole text against a glob: `*` is any run of characters, `?` any one, everything else (backslash
    /// and brackets too) is itself.
    pub fn like(glob: &str) -> Self {
        Self { source: glob.into(), kind: Kind::Like(Glob::new(glob)) }
    }

    /// A regular expression, found anywhere, with regard to case unless `case_insensitive`.
    ///
    /// # Errors
    /// The text of what is wrong with the pattern, or the limit that it is over.
    pub fn regex(pattern: &str, case_insensitive: bool) -> Result<Self, String> {
        let regex = RegexBuilder::new(pattern)
            .case_insensitive(case_insensitive)
            .size_limit(REGEX_SIZE_MAX)
            .nest_limit(REGEX_DEPTH_MAX)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(limit) => {
                    format!("the regex takes more than {limit} bytes compiled: repeat less or use \\w instead of long classes")
                }
                other => other.to_string(),
            })?;
        let beginnings = OnceLock::new();
        Ok(Self { source: pattern.into(), kind: Kind::Regex { regex, case_insensitive, beginnings } })
    }

    /// A text that is an IP address of the network, such as `10.0.0.0/8` or `2001:db8::/32`. Without a
    /// number of bits it is one address.
    ///
    /// # Errors
    /// The text of what is wrong with the network.
    pub fn cidr(network: &str) -> Result<Self, String> {
        let (address, bits) = network.split_once('/').map_or((network, None), |(a, b)| (a, Some(b)));
        let Ok(address) = address.trim().parse::<IpAddr>() else {
            return Err(format!(
                "`{network}` is no network: write an address and a number of bits, such as 10.0.0.0/8"
            ));
        };
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(width), |bits| bits.trim().parse().ok().filter(|&bits| bits <= width));
        let Some(bits) = bits else {
            return Err(format!("the number of bits in `{network}` must be 0 to {width}"));
        };
        Ok(Self { source: network.into(), kind: Kind::Cidr { network: address, bits } })
    }

    fn tokens(text: &str, case: Case, last: Last) -> Self {
        let kind = match Phrase::new(text, case, last) {
            Some(phrase) => Kind::Phrase(phrase),
            None => Kind::Contains(Contains::new(text, case)),
        };
        Self { source: text.into(), kind }
    }

    /// Whether the answer for `text` is yes.
    #[inline]
    pub fn matches(&self, text: &str) -> bool {
        match &self.kind {
            Kind::Phrase(phrase) => phrase.matches(text),
            Kind::Contains(contains) => contains.matches(text),
            Kind::Starts(start) => begins(text.chars(), start),
            Kind::Ends(end) => begins(text.chars().rev(), end),
            Kind::Like(glob) => glob.matches(text),
            Kind::Regex { regex, .. } => regex.is_match(text),
            Kind::Cidr { network, bits } => is_within(text, *network, *bits),
        }
    }

    /// The operator between the name of a field and the test in the query language.
    pub fn operator(&self) -> &'static str {
        match &self.kind {
            Kind::Phrase(_) | Kind::Contains(Contains { case: Case::Exact, .. }) => ":",
            Kind::Contains(_) => "contains",
            Kind::Starts(_) => "starts",
            Kind::Ends(_) => "ends",
            Kind::Like(_) => "like",
            Kind::Regex { .. } => "~",
            Kind::Cidr { .. } => "cidr",
        }
    }

    /// Tokens that every text holds for which the answer is yes, as whole tokens, in any case; none where
    /// nothing can be said.
    ///
    /// ```
    /// use logq_engine::text::TextTest;
    /// assert_eq!(TextTest::phrase("Read-only disk").required_tokens(), ["Read", "only", "disk"]);
    /// assert_eq!(TextTest::prefix("disk fu").required_tokens(), ["disk"]);
    /// assert!(TextTest::contains("disk full").required_tokens().is_empty());
    /// ```
    pub fn required_tokens(&self) -> Vec<String> {
        let Kind::Phrase(phrase) = &self.kind else { return Vec::new() };
        let mut required: Vec<String> = tokens(&self.source).map(ToOwned::to_owned).collect();
        if phrase.last == Last::Prefix {
            // The text's token may be longer.
            required.pop();
        }
        required
    }

    /// How long `matches` takes, about, for ordering tests: higher is slower.
    pub(crate) fn cost(&self) -> u32 {
        match &self.kind {
            Kind::Starts(_) | Kind::Ends(_) | Kind::Cidr { .. } => 2,
            Kind::Phrase(_) | Kind::Contains(_) => 4,
            Kind::Like(_) => 6,
            Kind::Regex { .. } => 8,
        }
    }
}

impl fmt::Display for TextTest {
    /// As the query language spells it behind the name of a field and what [`TextTest::operator`] gives.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = Quoted(&self.source);
        match &self.kind {
            Kind::Phrase(Phrase { case: Case::Exact, .. })
            | Kind::Contains(Contains { case: Case::Exact, .. }) => {
                write!(f, "cs{quoted}")
            }
            Kind::Phrase(Phrase { last: Last::Prefix, .. }) => write!(f, "{}*", self.source),
            Kind::Regex { case_insensitive: true, .. } => write!(f, "/{}/i", self.source),
            Kind::Regex { .. } => write!(f, "/{}/", self.source),
            _ => write!(f, "{quoted}"),
        }
    }
}

/// A text in double quotes, as the query language reads it.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Any,
    Exact,
}

impl Case {
    #[inline]
    fn fold(self, c: char) -> char {
        match self {
            Self::Any => fold(c),
            Self::Exact => c,
        }
    }

    fn finder(self, needle: &str) -> Option<Finder> {
        match self {
            Self::Any => Finder::any_case(needle),
            Self::Exact => Finder::exact_case(needle),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Whole,
    Prefix,
}

/// Work that a scan may spend on closer looks, in comparisons, before it gives way to the walk.
fn budget(text: &str) -> usize {
    4 * text.len() + 64
}

/// Consecutive tokens.
#[derive(Clone, Debug)]
struct Phrase {
    case: Case,
    last: Last,
    /// Of the first token.
    finder: Finder,
    first_is_word: bool,
    /// All tokens, folded if case is not regarded. Not empty.
    tokens: Vec<Vec<char>>,
    borders: Vec<usize>,
}

impl Phrase {
    /// `None` when there is no token in `text`.
    fn new(text: &str, case: Case, last: Last) -> Option<Self> {
        let first = tokens(text).next()?;
        let folded: Vec<Vec<char>> =
            tokens(text).map(|token| token.chars().map(|c| case.fold(c)).collect()).collect();
        // In `read-*` the dash ends the token, so only what follows is free.
        let last = if text.chars().next_back().is_some_and(|c| class(c) == Class::Other) {
            Last::Whole
        } else {
            last
        };
        Some(Self {
            case,
            last,
            finder: case.finder(first)?,
            first_is_word: first.chars().next().is_some_and(|c| class(c) == Class::Word),
            borders: borders(&folded),
            tokens: folded,
        })
    }

    #[inline]
    fn matches(&self, text: &str) -> bool {
        let budget = budget(text);
        let mut work = 0;
        let scanned = self.finder.scan(text, |at| {
            work += 1;
            if self.stands_at(text, at, &mut work) {
                return ControlFlow::Break(Some(true));
            }
            if budget < work { ControlFlow::Break(None) } else { ControlFlow::Continue(()) }
        });
        match scanned {
            Some(Some(found)) => found,
            Some(None) => self.walk(text),
            None => self.finder.has_special(text) && self.walk(text),
        }
    }

    #[inline]
    fn stands_at(&self, text: &str, at: usize, work: &mut usize) -> bool {
        // The start first: then a look closer runs over no more than one token, and all looks over no more
        // than the text. A start inside a character is none: the finder sees that.
        if (self.first_is_word && !starts_token(text, at)) || !self.finder.stands_at(text, at, work) {
            return false;
        }
        let end = at + self.finder.len();
        let Some((last, middle)) = self.tokens.get(1..).and_then(<[_]>::split_last) else {
            return !self.first_is_word || self.last == Last::Prefix || ends_token(text, end);
        };
        if self.first_is_word && !ends_token(text, end) {
            return false;
        }
        let mut following = tokens(text.get(end..).unwrap_or_default());
        let mut same = |token: &Vec<char>, last| {
            let there = following.next();
            *work += 1 + there.map_or(0, str::len);
            there.is_some_and(|there| self.same(there, token, last))
        };
        middle.iter().all(|token| same(token, Last::Whole)) && same(last, self.last)
    }

    fn same(&self, there: &str, token: &[char], last: Last) -> bool {
        let mut there = there.chars().map(|c| self.case.fold(c));
        token.iter().all(|&c| there.next() == Some(c)) && (last == Last::Prefix || there.next().is_none())
    }

    /// The walk over all tokens.
    fn walk(&self, text: &str) -> bool {
        search(&self.borders, tokens(text), |at, there| {
            let last = if at + 1 == self.tokens.len() { self.last } else { Last::Whole };
            self.tokens.get(at).is_some_and(|token| self.same(there, token, last))
        })
    }
}

/// Characters anywhere.
#[derive(Clone, Debug)]
struct Contains {
    case: Case,
    /// `None` for the empty text, which is in every text.
    finder: Option<Finder>,
    borders: Vec<usize>,
}

impl Contains {
    fn new(text: &str, case: Case) -> Self {
        let finder = case.finder(text);
        let borders = finder.as_ref().map(|finder| borders(finder.chars())).unwrap_or_default();
        Self { case, finder, borders }
    }

    #[inline]
    fn matches(&self, text: &str) -> bool {
        let Some(finder) = &self.finder else { return true };
        let budget = budget(text);
        let mut work = 0;
        let scanned = finder.scan(text, |at| {
            work += 1;
            if finder.stands_at(text, at, &mut work) {
                return ControlFlow::Break(Some(true));
            }
            if budget < work { ControlFlow::Break(None) } else { ControlFlow::Continue(()) }
        });
        match scanned {
            Some(Some(found)) => found,
            Some(None) => self.walk(finder, text),
            None => finder.has_special(text) && self.walk(finder, text),
        }
    }

    /// The walk over all characters.
    fn walk(&self, finder: &Finder, text: &str) -> bool {
        let chars = text.chars().map(|c| self.case.fold(c));
        search(&self.borders, chars, |at, c| finder.chars().get(at) == Some(c))
    }
}

/// For each length of a beginning of the pattern: how long its longest border is, that is, the longest
/// shorter beginning that is also its end.
fn borders<T: PartialEq>(pattern: &[T]) -> Vec<usize> {
    let mut borders = vec![0; pattern.len()];
    let mut border = 0;
    for (at, item) in pattern.iter().enumerate().skip(1) {
        while 0 < border && pattern.get(border) != Some(item) {
            border = borders.get(border - 1).copied().unwrap_or(0);
        }
        border += usize::from(pattern.get(border) == Some(item));
        if let Some(slot) = borders.get_mut(at) {
            *slot = border;
        }
    }
    borders
}

/// Whether the pattern whose [`borders`] these are occurs in `items` (Knuth, Morris, Pratt). `same` compares
/// the pattern's item at an index; it may be laxer for the last, which no border of a shorter beginning holds.
fn search<T>(borders: &[usize], items: impl Iterator<Item = T>, same: impl Fn(usize, &T) -> bool) -> bool {
    let mut matched = 0;
    for item in items {
        while 0 < matched && !same(matched, &item) {
            matched = borders.get(matched - 1).copied().unwrap_or(0);
        }
        matched += usize::from(same(matched, &item));
        if matched == borders.len() {
            return true;
        }
    }
    false
}

fn begins(mut text: impl Iterator<Item = char>, start: &[char]) -> bool {
    start.iter().all(|&c| text.next().map(fold) == Some(c))
}

fn is_within(text: &str, network: IpAddr, bits: u32) -> bool {
    // The longest address is 45 bytes; anything longer need not be tried.
    if 45 < text.len() {
        return false;
    }
    let Ok(address) = text.parse::<IpAddr>() else { return false };
    match (address.to_canonical(), network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            (a.to_bits() ^ n.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (_, IpAddr::V6(n)) => {
            let IpAddr::V6(a) = address else { return false };
            (a.to_bits() ^ n.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// A glob over whole texts.
#[derive(Clone, Debug)]
struct Glob {
    pieces: Vec<Piece>,
    /// The longest run of plain characters: without it there is no need to try.
    literal: Contains,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// `*`
    Run,
    /// `?`
    One,
    /// A character, folded.
    Char(char),
}

impl Glob {
    fn new(glob: &str) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        for c in glob.chars() {
            match c {
                '*' if pieces.last() == Some(&Piece::Run) => {}
                '*' => pieces.push(Piece::Run),
                '?' => pieces.push(Piece::One),
                c => pieces.push(Piece::Char(fold(c))),
            }
        }
        let longest = glob.split(['*', '?']).max_by_key(|run| run.len()).unwrap_or_default();
        Self { pieces, literal: Contains::new(longest, Case::Any) }
    }

    fn matches(&self, text: &str) -> bool {
        if !self.literal.matches(text) {
            return false;
        }
        let mut rest = text.chars();
        let mut at = 0;
        // Where to go on if it does not fit: after the last `*`, one character further each time. An
        // earlier `*` need not be tried again: what lies between is already as far left as it can be.
        let mut retry = None;
        loop {
            if self.pieces.get(at) == Some(&Piece::Run) {
                at += 1;
                if at == self.pieces.len() {
                    return true;
                }
                retry = Some((at, rest.clone()));
                continue;
            }
            let fits = match (self.pieces.get(at), rest.next()) {
                (None, None) => return true,
                // The text is over: to start further right could only leave less of it.
                (Some(_), None) => return false,
                (Some(Piece::One), Some(_)) => true,
                (Some(&Piece::Char(want)), Some(c)) => fold(c) == want,
                (None | Some(Piece::Run), Some(_)) => false,
            };
            if fits {
                at += 1;
                continue;
            }
            let Some((after, from)) = &mut retry else { return false };
            from.next();
            at = *after;
            rest = from.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Texts of letters with odd cases, marks, ideographs and separators: few, so that needles are found.
    fn mixed(least: usize, most: usize) -> impl Strategy<Value = String> {
        let alphabet = "aAbsSkK\u{17f}\u{212a}\u{e9}\u{c9}\u{3c3}\u{3c2}\u{3a3}\u{df}\u{1e9e}\u{434}\u{414}\u{1c81}\u{440}\u{420}\u{400}\u{461}\u{23a}\u{2c65}\u{301}\u{8d85}\u{65f6}\u{30fc}\u{26a0}\u{fe0f}_1 \\-.";
        prop::string::string_regex(&format!("[{alphabet}]{{{least},{most}}}")).unwrap()
    }

    fn folded(text: &str) -> String {
        text.chars().map(fold).collect()
    }

    /// Tokens folded and compared one by one.
    fn naive_phrase(text: &str, needle: &str, case: Case, last: Last) -> bool {
        let cut = |text: &str| -> Vec<String> {
            tokens(text).map(|token| token.chars().map(|c| case.fold(c)).collect()).collect()
        };
        let (text_tokens, needle_tokens) = (cut(text), cut(needle));
        let Some((tail, head)) = needle_tokens.split_last() else {
            return match case {
                Case::Any => folded(text).contains(&folded(needle)),
                Case::Exact => text.contains(needle),
            };
        };
        let free =
            last == Last::Prefix && needle.chars().next_back().is_some_and(|c| class(c) != Class::Other);
        text_tokens.windows(needle_tokens.len()).any(|window| {
            let (window_tail, window_head) = window.split_last().unwrap();
            window_head == head && if free { window_tail.starts_with(tail) } else { window_tail == tail }
        })
    }

    fn check(test: &TextTest, yes: &[&str], no: &[&str]) {
        for text in yes {
            assert!(test.matches(text), "{test:?} {text:?}");
        }
        for text in no {
            assert!(!test.matches(text), "{test:?} {text:?}");
        }
    }

    #[test]
    fn a_word_is_a_whole_token_in_any_case() {
        check(
            &TextTest::word("timeout"),
            &[
                "timeout",
                "TimeOut!",
                "a timeout",
                "timeout-7",
                "\u{2014}timeout\u{2014}",
                "\u{8d85}timeout\u{65f6}",
            ],
            &[
                "",
                "timeouts",
                "_timeout",
                "timeout_",
                "timeout7",
                "\u{e9}timeout",
                "timeout\u{301}",
                "timeou",
            ],
        );
        check(
            &TextTest::word("task"),
            &["TASK", "ta\u{17f}\u{212a}", "x TASK y", "\u{201c}task\u{201d}"],
            &["tasks", "ta\u{17f}\u{212a}\u{17f}"],
        );
        check(&TextTest::word("e\u{301}"), &["E\u{301} x"], &["e", "e\u{301}\u{302}", "ee\u{301}"]);
        check(&TextTest::word("\u{3c3}\u{3bf}\u{3c2}"), &["\u{3a3}\u{39f}\u{3a3}"], &["\u{3a3}\u{39f}"]);
        // The masks that make both cases of this letter one let two other letters through.
        check(&TextTest::word("\u{440}"), &["\u{440}", "\u{420}"], &["\u{400}", "\u{461}"]);
        check(&TextTest::word("stra\u{df}e"), &["STRA\u{1e9e}E"], &["STRASSE"]);
    }

    #[test]
    fn a_word_in_a_long_text_is_found_wherever_it_stands() {
        let test = TextTest::word("needle");
        for len in 0..150 {
            let (before, after) = (".".repeat(len), ".".repeat(len / 3));
            check(&test, &[&format!("{before}Needle{after}")], &[&format!("{before}Needle_{after}")]);
            check(&test, &[&format!("{before}needl needle")], &[&format!("{before}needl needl")]);
        }
    }

    #[test]
    fn a_phrase_is_consecutive_tokens() {
        check(
            &TextTest::phrase("connection timeout"),
            &["Connection timeout", "connection - (timeout)", "connection connection timeout"],
            &[
                "connection",
                "connection timeouts",
                "timeout connection",
                "connection x timeout",
                "reconnection timeout",
            ],
        );
        check(&TextTest::word("read-only"), &["read only", "READ/ONLY"], &["readonly"]);
        check(
            &TextTest::phrase("\u{8d85}\u{65f6}"),
            &["\u{8fde}\u{63a5}\u{8d85}\u{65f6}\u{ff0c}", "\u{8d85} \u{65f6}"],
            &["\u{65f6}\u{8d85}", "\u{8d85}x\u{65f6}"],
        );
    }

    #[test]
    fn a_prefix_leaves_the_end_of_the_last_token_open() {
        check(&TextTest::prefix("time"), &["timeout", "a TIME", "time-out"], &["overtime", "tim"]);
        check(&TextTest::prefix("read on"), &["read only", "read-on"], &["reads only", "re ad on"]);
        check(&TextTest::prefix("read-"), &["read only", "read"], &["reads"]);
        check(&TextTest::prefix(""), &["", "anything"], &[]);
    }

    #[test]
    fn a_test_of_whole_tokens_requires_them() {
        let required = |test: TextTest| test.required_tokens();
        assert_eq!(required(TextTest::word("read-Only")), ["read", "Only"]);
        assert_eq!(
            required(TextTest::exact_case("Error \u{8d85}\u{65f6}")),
            ["Error", "\u{8d85}", "\u{65f6}"]
        );
        assert_eq!(required(TextTest::prefix("read on")), ["read"]);
        // The blank ends the last token.
        assert_eq!(required(TextTest::prefix("read on ")), ["read", "on"]);
        for test in [
            TextTest::phrase("=>"),
            TextTest::prefix("time"),
            TextTest::contains("a time b"),
            TextTest::like("time"),
            TextTest::regex("time", false).unwrap(),
            TextTest::cidr("10.0.0.0/8").unwrap(),
        ] {
            assert!(required(test.clone()).is_empty(), "{test:?}");
        }
    }

    #[test]
    fn exact_case_regards_case() {
        check(
            &TextTest::exact_case("Error Code"),
            &["the Error, Code 5"],
            &["error Code", "Error code", "Error Codes"],
        );
    }

    #[test]
    fn a_phrase_without_tokens_is_looked_for_as_it_is() {
        check(&TextTest::phrase("=>"), &["a=>b"], &["a= >b"]);
        check(&TextTest::phrase(""), &["", "x"], &[]);
    }

    #[test]
    fn substrings_have_no_regard_to_tokens_or_case() {
        check(&TextTest::contains("MeOu"), &["timeout"], &["time out", ""]);
        check(&TextTest::contains(""), &["", "x"], &[]);
        check(
            &TextTest::contains("\u{434}\u{440}"),
            &["\u{414}\u{420}", "\u{1c81}\u{440}"],
            &["\u{440}\u{434}"],
        );
        check(&TextTest::starts("time"), &["TIMEout", "time"], &["tim", "a time", ""]);
        check(&TextTest::starts("k"), &["\u{212a}elvin"], &[]);
        check(&TextTest::ends("\u{c9}."), &["caf\u{e9}."], &["caf\u{e9}", "."]);
        check(&TextTest::ends(""), &["", "x"], &[]);
    }

    #[test]
    fn a_glob_is_about_the_whole_text() {
        check(&TextTest::like("gpt-*"), &["gpt-4o", "GPT-", "gpt-4\n5"], &["a gpt-4", "gpt"]);
        check(
            &TextTest::like("*.example.com"),
            &["api.example.com", ".example.com"],
            &["example.com", "api.example.com."],
        );
        check(&TextTest::like("a?c*e"), &["abcde", "a\u{e9}ce", "abcxexe"], &["ace", "abcd"]);
        check(&TextTest::like("*a*b*"), &["xxaxxbxx", "ab"], &["ba", ""]);
        check(&TextTest::like("*"), &["", "x"], &[]);
        check(&TextTest::like(""), &[""], &["x"]);
        check(&TextTest::like(r"C:\*\[x]"), &[r"c:\users\[X]"], &[r"c:\x"]);
    }

    #[test]
    fn a_regex_searches_anywhere_and_regards_case_unless_told() {
        check(&TextTest::regex("time.?out", false).unwrap(), &["a time-out", "timeout"], &["Timeout"]);
        check(&TextTest::regex("time.?out", true).unwrap(), &["a TIME-out"], &["tim"]);
    }

    #[test]
    fn a_regex_over_its_limits_is_refused_with_the_limit() {
        let error = TextTest::regex("(?:a{1000}){1000}", false).unwrap_err();
        assert!(error.contains("1048576 bytes"), "{error}");
        let nested =
            |depth: usize| TextTest::regex(&format!("{}a{}", "(".repeat(depth), ")".repeat(depth)), false);
        assert!(nested(60).is_ok());
        let error = nested(100).unwrap_err();
        assert!(error.contains("64"), "{error}");
        assert!(TextTest::regex("(", false).unwrap_err().contains("unclosed group"));
    }

    #[test]
    fn a_network_holds_its_addresses() {
        let cidr = |network| TextTest::cidr(network).unwrap();
        check(
            &cidr("10.1.0.0/16"),
            &["10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3"],
            &["10.2.0.0", "x", "", "10.1.2", "::1"],
        );
        check(&cidr("0.0.0.0/0"), &["255.255.255.255"], &["::1"]);
        check(&cidr("192.168.1.5"), &["192.168.1.5"], &["192.168.1.4"]);
        check(&cidr("2001:db8::/32"), &["2001:db8:1::1"], &["2001:db9::", "10.0.0.1"]);
        check(&cidr("::/0"), &["::1"], &["10.0.0.1"]);
        for network in ["10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/", "10.0.0", "", "/8"] {
            assert!(TextTest::cidr(network).is_err(), "{network}");
        }
    }

    #[test]
    fn a_text_made_to_be_slow_gives_way_to_the_walk() {
        let text = "a".repeat(200_000);
        let needle = "a".repeat(20_000);
        check(&TextTest::contains(&format!("{needle}b")), &[&format!("{text}b")], &[&text]);
        check(&TextTest::word(&needle), &[&format!("{text} {needle}")], &[&text]);
        let (text, needle) = ("a ".repeat(100_000), "a ".repeat(10_000));
        check(&TextTest::phrase(&format!("{needle}b")), &[&format!("{text}b")], &[&text]);
    }

    #[test]
    fn a_test_shows_itself_as_the_language_spells_it() {
        let show = |test: TextTest| format!("{} {test}", test.operator());
        assert_eq!(show(TextTest::phrase(r#"a "b" \"#)), r#": "a \"b\" \\""#);
        assert_eq!(show(TextTest::exact_case("A")), r#": cs"A""#);
        assert_eq!(show(TextTest::prefix("time")), ": time*");
        assert_eq!(show(TextTest::contains("x")), r#"contains "x""#);
        assert_eq!(show(TextTest::like("x*")), r#"like "x*""#);
        assert_eq!(show(TextTest::regex("a+", true).unwrap()), "~ /a+/i");
        assert_eq!(show(TextTest::cidr("10.0.0.0/8").unwrap()), "cidr \"10.0.0.0/8\"");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn the_scan_finds_what_cutting_into_tokens_finds(
            text in mixed(0, 80),
            needle in mixed(0, 6),
        ) {
            let phrase = |case, last| naive_phrase(&text, &needle, case, last);
            prop_assert_eq!(TextTest::phrase(&needle).matches(&text), phrase(Case::Any, Last::Whole));
            prop_assert_eq!(TextTest::prefix(&needle).matches(&text), phrase(Case::Any, Last::Prefix));
            prop_assert_eq!(TextTest::exact_case(&needle).matches(&text), phrase(Case::Exact, Last::Whole));
        }

        #[test]
        fn a_text_that_passes_holds_the_required_tokens(
            text in mixed(0, 80), needle in mixed(0, 6), from in 0_usize..80, len in 1_usize..12,
        ) {
            let held: Vec<String> = tokens(&text).map(folded).collect();
            let part: String = text.chars().skip(from).take(len).collect();
            for needle in [needle, part.to_uppercase(), part] {
                let tests = [
                    TextTest::word(&needle), TextTest::phrase(&needle), TextTest::prefix(&needle),
                    TextTest::exact_case(&needle), TextTest::contains(&needle), TextTest::starts(&needle),
                    TextTest::ends(&needle), TextTest::like(&needle), TextTest::like(&format!("*{needle}*")),
                    TextTest::regex(&regex::escape(&needle), true).unwrap(),
                ];
                for test in tests.iter().filter(|test| test.matches(&text)) {
                    for token in test.required_tokens() {
                        prop_assert!(held.contains(&folded(&token)), "{:?} {:?} {:?}", test, token, text);
                    }
                }
            }
        }

        #[test]
        fn a_part_of_a_text_is_found_in_it(
            text in mixed(1, 80), from in 0_usize..80, len in 1_usize..12, swap in any::<bool>(),
        ) {
            let part: String = text.chars().skip(from % text.chars().count()).take(len).collect();
            let part = if swap { part.to_uppercase() } else { part };
            prop_assert_eq!(TextTest::contains(&part).matches(&text), folded(&text).contains(&folded(&part)));
            let phrase = |case, last| naive_phrase(&text, &part, case, last);
            prop_assert_eq!(TextTest::phrase(&part).matches(&text), phrase(Case::Any, Last::Whole));
            prop_assert_eq!(TextTest::prefix(&part).matches(&text), phrase(Case::Any, Last::Prefix));
            prop_assert_eq!(TextTest::starts(&part).matches(&text), folded(&text).starts_with(&folded(&part)));
            prop_assert_eq!(TextTest::ends(&part).matches(&text), folded(&text).ends_with(&folded(&part)));
        }

        #[test]
        fn the_walk_says_what_the_scan_says(text in "[ab ]{0,60}", needle in "[ab][ab ]{0,8}") {
            let phrase = Phrase::new(&needle, Case::Any, Last::Prefix).unwrap();
            prop_assert_eq!(phrase.walk(&text), phrase.matches(&text));
            let contains = Contains::new(&needle, Case::Any);
            prop_assert_eq!(contains.walk(contains.finder.as_ref().unwrap(), &text), text.contains(&needle));
        }

        #[test]
        fn a_glob_is_a_regex_in_other_words(text in "[aAb\u{e9}\n]{0,20}", glob in "[ab?*\u{c9}]{0,8}") {
            let regex: String = glob.chars().map(|c| match c {
                '*' => ".*".to_owned(),
                '?' => ".".to_owned(),
                c => regex::escape(&c.to_string()),
            }).collect();
            let regex = Regex::new(&format!("(?is)^(?:{regex})$")).unwrap();
            prop_assert_eq!(TextTest::like(&glob).matches(&text), regex.is_match(&text));
        }

        #[test]
        fn any_needle_in_any_text_is_answered(text in any::<String>(), needle in any::<String>()) {
            for test in [TextTest::phrase(&needle), TextTest::prefix(&needle), TextTest::exact_case(&needle),
                TextTest::contains(&needle), TextTest::starts(&needle), TextTest::ends(&needle), TextTest::like(&needle)] {
                test.matches(&text);
            }
            let around = format!("{text}{needle}{text}");
            prop_assert!(TextTest::contains(&needle.to_lowercase()).matches(&around.to_lowercase()));
            if let Ok(test) = TextTest::regex(&needle, true) {
                test.matches(&text);
            }
            prop_assert!(TextTest::cidr(&needle).is_err() || needle.len() < 50);
        }
    }
}
