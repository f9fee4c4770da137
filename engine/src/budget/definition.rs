//! Definitions of budgets: what is limited, for whom, in which window, and what happens at the limit.
//!
//! ```text
//! file      magic 8, version u32, length of the list u32, CRC-32 of the list u32, list
//! list      count (varint), budgets
//! budget    name, count of the selector (varint), pairs of field and value, by (0, or 1 and a field), measure u8,
//!           limit (varint), window, zone, mode u8, count of the thresholds (varint), thresholds (varint, millionths)
//! text      length (varint), bytes; a window is a text
//! ```
//!
//! A store without the file has the budgets of [`defaults`].

use std::collections::BTreeSet;
use std::fmt;

use super::window::Window;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{self, varint};
use crate::value;

/// The first bytes of the file of definitions.
pub(crate) const MAGIC: [u8; 8] = *b"LOGQBDG\x01";
const HEAD_SIZE: usize = 20;

/// More budgets than this are made by a program that should use `by`.
pub const BUDGETS_MAX: usize = 1000;
/// Thresholds of one budget.
const THRESHOLDS_MAX: usize = 16;
/// Conditions of one selector.
const SELECTOR_MAX: usize = 16;
/// Bytes of a name, a field or a value.
const TEXT_MAX: usize = 256;

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Tokens of prompt and response, or the event's own total where it has neither.
    Tokens,
    /// Tokens of the prompt.
    PromptTokens,
    /// Tokens of the response.
    ResponseTokens,
    /// Money, in billionths of a US dollar. A call without a price counts nothing.
    Cost,
    /// Calls.
    Requests,
}

/// What a budget does at its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing but alerts.
    Observe,
    /// A reservation beyond the limit is granted, and says so.
    Soft,
    /// A reservation beyond the limit is refused.
    Hard,
}

/// A share of the limit at which an alert is raised, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold(u32);

/// One budget.
///
/// ```
/// use logq_engine::budget::{Budget, Measure, Mode, Window};
/// let mut budget = Budget::new("ann", Measure::Tokens, 10_000, Window::Day);
/// budget.selector.push(("user".into(), "ann".into()));
/// budget.mode = Mode::Hard;
/// budget.validate()?;
/// # Ok::<(), logq_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name; no two budgets of a store have the same.
    pub name: String,
    /// Which events count: each of these fields has this value. None: all.
    pub selector: Vec<(String, String)>,
    /// Gives each value of this field a counter and a limit of its own.
    pub by: Option<String>,
    /// What is counted.
    pub measure: Measure,
    /// How much is allowed: tokens, calls or billionths of a US dollar. At least 1.
    pub limit: u64,
    /// In which time.
    pub window: Window,
    /// The zone of the window, by its name. Default: `UTC`.
    pub zone: String,
    /// What happens at the limit. Default: [`Mode::Observe`].
    pub mode: Mode,
    /// Where alerts are raised. Default: at 0.8 and 1.
    pub thresholds: Vec<Threshold>,
}

impl Measure {
    /// All measures.
    pub const ALL: [Self; 5] =
        [Self::Tokens, Self::PromptTokens, Self::ResponseTokens, Self::Cost, Self::Requests];

    /// `tokens`, `prompt_tokens`, `response_tokens`, `cost` or `requests`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::PromptTokens => "prompt_tokens",
            Self::ResponseTokens => "response_tokens",
            Self::Cost => "cost",
            Self::Requests => "requests",
        }
    }

    /// The measure of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == name)
    }

    /// An amount as people read it: a number, or dollars.
    pub fn show(self, amount: u64) -> String {
        if self != Self::Cost {
            return amount.to_string();
        }
        let (dollars, nanos) = (amount / 1_000_000_000, amount % 1_000_000_000);
        let digits = format!("{nanos:09}");
        match digits.trim_end_matches('0') {
            "" => format!("${dollars}"),
            digits => format!("${dollars}.{digits}"),
        }
    }
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Observe, Self::Soft, Self::Hard];

    /// `observe`, `soft` or `hard`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Soft => "soft",
            Self::Hard => "hard",
        }
    }

    /// The mode of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}

impl Threshold {
    /// Reads a share of the limit such as `0.8`: above 0, at most 10.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let millionths = value::scaled(text, 6).and_then(|millionths| u32::try_from(millionths).ok());
        let in_range = millionths.filter(|millionths| (1..=10_000_000).contains(millionths));
        in_range.map(Self).ok_or_else(|| {
            let what = format!("`{text}` is no threshold: a share of the limit such as 0.8");
            Error::new(ErrorKind::Invalid, what)
        })
    }

    /// The share in millionths of the limit.
    pub fn millionths(self) -> u32 {
        self.0
    }

    pub(super) fn of_millionths(millionths: u64) -> Option<Self> {
        u32::try_from(millionths).ok().filter(|millionths| (1..=10_000_000).contains(millionths)).map(Self)
    }

    /// Whether so much of the limit reaches the threshold.
    pub(super) fn is_reached(self, used: u64, limit: u64) -> bool {
        u128::from(limit) * u128::from(self.0) <= u128::from(used) * 1_000_000
    }

    /// The threshold lowered by some millionths, at least 0.
    pub(super) fn lowered(self, by: u32) -> Self {
        Self(self.0.saturating_sub(by))
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let digits = format!("{part:06}");
        match digits.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            digits => write!(f, "{whole}.{digits}"),
        }
    }
}

impl Budget {
    /// A budget over all events, observed only, with alerts at 0.8 and 1.
    pub fn new(name: impl Into<String>, measure: Measure, limit: u64, window: Window) -> Self {
        Self {
            name: name.into(),
            selector: Vec::new(),
            by: None,
            measure,
            limit,
            window,
            zone: "UTC".into(),
            mode: Mode::Observe,
            thresholds: vec![Threshold(800_000), Threshold(1_000_000)],
        }
    }

    /// Checks that every part is in its range.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] naming the budget and the part.
    pub fn validate(&self) -> Result<()> {
        let invalid =
            |what: &str| Err(Error::new(ErrorKind::Invalid, format!("the budget {:?}: {what}", self.name)));
        let selected = self.selector.iter().flat_map(|(field, value)| [field, value]);
        for text in selected.chain(&self.by).chain([&self.name, &self.zone]) {
            if TEXT_MAX < text.len() || text.chars().any(char::is_control) {
                return invalid("a text has at most 256 bytes and no control character");
            }
        }
        if self.name.is_empty() {
            return invalid("a name is not empty");
        }
        if self.selector.iter().any(|(field, _)| field.is_empty()) || self.by.as_deref() == Some("") {
            return invalid("a field has a name");
        }
        if SELECTOR_MAX < self.selector.len() {
            return invalid("a selector has at most 16 conditions");
        }
        if self.limit == 0 {
            return invalid("the limit is at least 1");
        }
        if THRESHOLDS_MAX < self.thresholds.len() {
            return invalid("there are at most 16 thresholds");
        }
        super::window::Windows::new(self.window, &self.zone).map(drop)
    }

    /// Whether two budgets count the same, so that one can go on with the counters of the other.
    pub(super) fn counts_as(&self, other: &Self) -> bool {
        self.selector == other.selector
            && self.by == other.by
            && self.measure == other.measure
            && self.window == other.window
            && self.zone == other.zone
    }
}

/// The budgets of a store where nobody has defined any: 50,000 tokens an hour and 500,000 a day, observed.
pub fn defaults() -> Vec<Budget> {
    vec![
        Budget::new("hourly", Measure::Tokens, 50_000, Window::Fixed(3_600_000_000_000)),
        Budget::new("daily", Measure::Tokens, 500_000, Window::Day),
    ]
}

/// Checks a list of budgets: each by itself, and that no name is there twice.
pub(super) fn validate(budgets: &[Budget]) -> Result<()> {
    if BUDGETS_MAX < budgets.len() {
        let what =
            format!("there are at most {BUDGETS_MAX} budgets; one with `by` counts each value by itself");
        return Err(Error::new(ErrorKind::Limit, what));
    }
    let mut names = BTreeSet::new();
    for budget in budgets {
        budget.validate()?;
        if !names.insert(&budget.name) {
            let what = format!("two budgets have the name {:?}", budget.name);
            return Err(Error::new(ErrorKind::Invalid, what));
        }
    }
    Ok(())
}

/// The bytes of the file.
pub(super) fn encode(budgets: &[Budget]) -> Vec<u8> {
    let mut list = Vec::new();
    varint::put(&mut list, budgets.len() as u64);
    for budget in budgets {
        put_text(&mut list, &budget.name);
        varint::put(&mut list, budget.selector.len() as u64);
        for (field, value) in &budget.selector {
            put_text(&mut list, field);
            put_text(&mut list, value);
        }
        list.push(u8::from(budget.by.is_some()));
        if let Some(field) = &budget.by {
            put_text(&mut list, field);
        }
        list.push(budget.measure as u8);
        varint::put(&mut list, budget.limit);
        put_text(&mut list, &budget.window.to_string());
        put_text(&mut list, &budget.zone);
        list.push(budget.mode as u8);
        varint::put(&mut list, budget.thresholds.len() as u64);
        budget.thresholds.iter().for_each(|threshold| varint::put(&mut list, threshold.0.into()));
    }
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&format::VERSION.to_le_bytes());
    file.extend_from_slice(&u32::try_from(list.len()).unwrap_or(u32::MAX).to_le_bytes());
    file.extend_from_slice(&format::crc(&[&list]).to_le_bytes());
    file.extend_from_slice(&list);
    file
}

/// Why a file of definitions does not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// A newer version wrote it.
    Version(u32),
    /// It is not what was written.
    Damaged,
}

/// Reads the bytes of the file.
pub(super) fn decode(bytes: &[u8]) -> std::result::Result<Vec<Budget>, Unread> {
    if !bytes.starts_with(&MAGIC) {
        return Err(Unread::Damaged);
    }
    let version = format::u32_at(bytes, 8).ok_or(Unread::Damaged)?;
    if version != format::VERSION {
        return Err(Unread::Version(version));
    }
    let list = bytes.get(HEAD_SIZE..).ok_or(Unread::Damaged)?;
    let len = format::u32_at(bytes, 12).and_then(|len| usize::try_from(len).ok());
    if len != Some(list.len()) || format::u32_at(bytes, 16) != Some(format::crc(&[list])) {
        return Err(Unread::Damaged);
    }
    let budgets = decode_list(list).ok_or(Unread::Damaged)?;
    validate(&budgets).map_err(|_| Unread::Damaged)?;
    Ok(budgets)
}

fn decode_list(mut input: &[u8]) -> Option<Vec<Budget>> {
    let input = &mut input;
    let count = varint::take(input)?;
    let mut budgets = Vec::new();
    for _ in 0..count {
        let name = take_text(input)?;
        let mut selector = Vec::new();
        for _ in 0..varint::take(input)? {
            selector.push((take_text(input)?, take_text(input)?));
        }
        let by = if take_byte(input)? == 1 { Some(take_text(input)?) } else { None };
        let measure = take_byte(input)?;
        let limit = varint::take(input)?;
        let window = Window::parse(&take_text(input)?).ok()?;
        let zone = take_text(input)?;
        let mode = take_byte(input)?;
        let mut thresholds = Vec::new();
        for _ in 0..varint::take(input)? {
            thresholds.push(Threshold::of_millionths(varint::take(input)?)?);
        }
        budgets.push(Budget {
            name,
            selector,
            by,
            measure: Measure::ALL.into_iter().find(|known| *known as u8 == measure)?,
            limit,
            window,
            zone,
            mode: Mode::ALL.into_iter().find(|known| *known as u8 == mode)?,
            thresholds,
        });
    }
    input.is_empty().then_some(budgets)
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    varint::put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn take_text(input: &mut &[u8]) -> Option<String> {
    let len = varint::take(input)?;
    String::from_utf8(varint::take_bytes(input, len)?.to_vec()).ok()
}

pub(super) fn take_byte(input: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = input.split_first()?;
    *input = rest;
    Some(byte)
}

/// A name for a list of definitions: another list has another one (FNV-1a, 64 bits).
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<Budget> {
        let mut budgets = defaults();
        budgets.push(Budget {
            name: "per user".into(),
            selector: vec![("model".into(), "llama3.2".into()), ("kind".into(), "ai".into())],
            by: Some("user".into()),
            measure: Measure::Cost,
            limit: 5_000_000_000,
            window: Window::Session(18_000_000_000_000),
            zone: "Europe/Berlin".into(),
            mode: Mode::Hard,
            thresholds: vec![Threshold::parse("0.5").unwrap(), Threshold::parse("1.2").unwrap()],
        });
        budgets
    }

    #[test]
    fn definitions_read_back() {
        let bytes = encode(&sample());
        assert_eq!(decode(&bytes), Ok(sample()));
        assert_eq!(decode(&encode(&[])), Ok(Vec::new()));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = encode(&sample());
        for at in 0..bytes.len() {
            assert_ne!(decode(&bytes[..at]), Ok(sample()), "{at}");
            for bit in 0..8 {
                let mut broken = bytes.clone();
                broken[at] ^= 1 << bit;
                assert!(decode(&broken).is_err(), "byte {at}, bit {bit}");
            }
        }
        let mut newer = bytes;
        newer[8] = 9;
        assert_eq!(decode(&newer), Err(Unread::Version(9)));
    }

    #[test]
    fn each_part_of_a_budget_has_its_range() {
        let good = Budget::new("b", Measure::Tokens, 1, Window::Day);
        good.validate().unwrap();
        let long = "x".repeat(TEXT_MAX + 1);
        for bad in [
            Budget { name: String::new(), ..good.clone() },
            Budget { name: "a\nb".into(), ..good.clone() },
            Budget { name: long, ..good.clone() },
            Budget { limit: 0, ..good.clone() },
            Budget { by: Some(String::new()), ..good.clone() },
            Budget { zone: "Nowhere".into(), ..good.clone() },
            Budget { selector: vec![(String::new(), "x".into())], ..good.clone() },
            Budget { selector: vec![("a".into(), "x".into()); SELECTOR_MAX + 1], ..good.clone() },
            Budget { thresholds: vec![Threshold(1); THRESHOLDS_MAX + 1], ..good.clone() },
        ] {
            assert_eq!(bad.validate().unwrap_err().kind(), ErrorKind::Invalid, "{bad:?}");
        }
        Budget { selector: vec![("a".into(), "x".into()); SELECTOR_MAX], ..good.clone() }.validate().unwrap();
        Budget { name: "x".repeat(TEXT_MAX), ..good.clone() }.validate().unwrap();
        let twice = [good.clone(), good.clone()];
        assert!(validate(&twice).unwrap_err().to_string().contains("two budgets"));
        let many: Vec<_> =
            (0..=BUDGETS_MAX).map(|n| Budget { name: n.to_string(), ..good.clone() }).collect();
        assert_eq!(validate(&many).unwrap_err().kind(), ErrorKind::Limit);
        validate(&many[1..]).unwrap();
    }

    #[test]
    fn thresholds_are_shares_and_compare_exactly() {
        for (text, shown) in
            [("0.8", "0.8"), ("1", "1"), ("1.0", "1"), (".5", "0.5"), ("10", "10"), ("1e-6", "0.000001")]
        {
            assert_eq!(Threshold::parse(text).unwrap().to_string(), shown);
        }
        for text in ["0", "-1", "10.1", "80%", "", "x", "0.0000001"] {
            assert!(Threshold::parse(text).is_err(), "{text}");
        }
        let four_fifths = Threshold::parse("0.8").unwrap();
        assert!(four_fifths.is_reached(80, 100));
        assert!(!four_fifths.is_reached(79, 100));
        assert!(four_fifths.is_reached(u64::MAX, u64::MAX));
        assert!(!four_fifths.is_reached(u64::MAX / 5 * 4 - 1, u64::MAX));
    }

    #[test]
    fn amounts_of_money_are_shown_in_dollars() {
        assert_eq!(Measure::Cost.show(1_500_000_000), "$1.5");
        assert_eq!(Measure::Cost.show(1), "$0.000000001");
        assert_eq!(Measure::Cost.show(2_000_000_000), "$2");
        assert_eq!(Measure::Tokens.show(2_000), "2000");
    }

    proptest! {
        #[test]
        fn any_bytes_are_definitions_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _total = decode(&bytes);
            let mut framed = encode(&[])[..HEAD_SIZE].to_vec();
            framed[12..16].copy_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
            framed[16..20].copy_from_slice(&format::crc(&[&bytes]).to_le_bytes());
            framed.extend_from_slice(&bytes);
            let _also_behind_a_checksum_that_holds = decode(&framed);
        }
    }
}
