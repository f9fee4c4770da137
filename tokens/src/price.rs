//! Prices: what usage costs, by a table with dates, in whole numbers.
//!
//! The table is `prices.csv` (its head says where each figure is from), and whatever the user adds in the same form. A
//! cost is the sum of tokens times rate over the buckets, in billionths of a dollar for a million tokens, divided once
//! at the end and rounded to the nearest, halves up. There is no floating point in it.
//!
//! A tier prices the whole request, by the number of tokens of its prompt. What the table does not know is unpriced,
//! which is a state of its own and never 0: a model, a mode, a tier that a mode lacks, a kind of tokens without a rate.
//! Each table has a version, kept with each cost, so that the past does not change when prices do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use crate::money::{Money, decimal, divide};
use crate::name;
use crate::usage::{Bucket, State, Usage};

/// Rates are kept for this many tokens.
const PER: i128 = 1_000_000;

const NANOSECONDS_A_DAY: i64 = 86_400_000_000_000;

/// Who serves models on the user's own machine, which costs nothing for each token.
const LOCAL: &[&str] = &["ollama", "llama.cpp", "llamacpp", "vllm", "lmstudio", "lm_studio"];

/// How a request was served, where that changes its price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Mode {
    /// As usual.
    #[default]
    Standard,
    /// Within a day.
    Batch,
    /// When there is room.
    Flex,
    /// Ahead of others.
    Priority,
    /// By faster machines.
    Fast,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 5] = [Self::Standard, Self::Batch, Self::Flex, Self::Priority, Self::Fast];

    /// Its name in the table, which is also what providers call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Batch => "batch",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Fast => "fast",
        }
    }

    /// The mode of this name; `default`, `auto` and nothing at all are standard.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "" | "default" | "auto" => Some(Self::Standard),
            _ => Self::ALL.into_iter().find(|mode| mode.as_str() == name),
        }
    }
}

/// What is to be priced, besides its tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call<'a> {
    /// Who served it, where that is known.
    pub provider: Option<&'a str>,
    /// The model as it was billed, under any of its names.
    pub model: &'a str,
    /// When, in nanoseconds since 1970 UTC.
    pub time_ns: i64,
    /// How.
    pub mode: Mode,
}

/// What a call costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cost {
    /// By the table.
    Calculated(Money),
    /// It ran on the user's own machine.
    Free,
    /// Nobody knows.
    Unpriced(Unpriced),
}

impl Cost {
    /// The state, as events keep it.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Calculated(_) => "calculated",
            Self::Free => "free",
            Self::Unpriced(_) => "unpriced",
        }
    }

    /// The amount. `None` when it is not known, which is not 0.
    #[must_use]
    pub fn amount(&self) -> Option<Money> {
        match self {
            Self::Calculated(amount) => Some(*amount),
            Self::Free => Some(Money::ZERO),
            Self::Unpriced(_) => None,
        }
    }
}

/// Why a call has no price.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unpriced {
    /// The table has no such model, at this time.
    Model,
    /// The model has no price in this mode.
    Mode,
    /// The mode has no price for a prompt of this length, where the standard has one of its own.
    Tier,
    /// There is no rate for the tokens of this kind.
    Bucket(Bucket),
    /// Tokens of this modality have another rate.
    Modality(String),
    /// What went in was not reported.
    Input,
}

/// Rates of one tier, in nano-USD for a million tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tier {
    /// The smallest prompt that it prices.
    from_tokens: u64,
    /// By bucket.
    rates: [Option<i128>; Bucket::ALL.len()],
}

/// The prices of a model: by mode, and the day from which they hold, the tiers by length.
type Model = BTreeMap<(Mode, i64), Vec<Tier>>;

/// A table of prices.
///
/// ```
/// use logq_tokens::{Bucket, Call, Prices, State, Usage};
///
/// let mut usage = Usage::default();
/// usage.set(Bucket::InUncached, 1_000, State::Reported);
/// usage.set(Bucket::OutText, 100, State::Reported);
/// let prices = Prices::built_in();
/// let call = Call { model: "openai/gpt-4o-2024-08-06", time_ns: 1_763_800_000_000_000_000, ..Call::default() };
/// // 1,000 * $2.50 + 100 * $10.00 a million.
/// assert_eq!(prices.cost(&call, &usage).amount().map(|amount| amount.to_string()).as_deref(), Some("0.0035"));
/// assert_eq!(prices.cost(&Call { model: "gpt-99", ..call }, &usage).state(), "unpriced");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prices {
    models: BTreeMap<String, Model>,
    version: String,
}

/// A line of a table that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceError {
    /// From 1.
    pub line: usize,
    reason: String,
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for PriceError {}

impl Prices {
    /// The prices that come with this version.
    #[must_use]
    pub fn built_in() -> &'static Self {
        static TABLE: LazyLock<Prices> = LazyLock::new(|| {
            // A table that does not parse would leave everything unpriced, and fails the tests.
            Prices::parse(include_str!("prices.csv")).unwrap_or_else(|_| Prices::of(BTreeMap::new()))
        });
        &TABLE
    }

    /// Reads a table in the form of `prices.csv`: comments behind `#`, the heading, a row a line.
    ///
    /// # Errors
    /// The first line that is not of this form.
    pub fn parse(text: &str) -> Result<Self, PriceError> {
        let mut models: BTreeMap<String, Model> = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line.starts_with("model,") {
                continue;
            }
            let (name, key, tier) = row(line).map_err(|reason| PriceError { line: number, reason })?;
            let tiers = models.entry(name).or_default().entry(key).or_default();
            if tiers.iter().any(|known| known.from_tokens == tier.from_tokens) {
                return Err(PriceError { line: number, reason: "the row stands here twice".into() });
            }
            tiers.push(tier);
            tiers.sort_by_key(|tier| tier.from_tokens);
        }
        Ok(Self::of(models))
    }

    fn of(models: BTreeMap<String, Model>) -> Self {
        // FNV-1a over the rows: whatever the order and the comments, the same prices have the same version.
        let text = format!("{models:?}");
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { models, version: format!("{hash:016x}") }
    }

    /// These prices with those of the user on top: for a model, mode and day that both have, the user's rows replace all
    /// tiers.
    #[must_use]
    pub fn with(&self, own: &Self) -> Self {
        let mut models = self.models.clone();
        for (name, model) in &own.models {
            models.entry(name.clone()).or_default().extend(model.clone());
        }
        Self::of(models)
    }

    /// What these prices are known by: 16 hexadecimal digits that change with any price.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What a call costs.
    #[must_use]
    pub fn cost(&self, call: &Call<'_>, usage: &Usage) -> Cost {
        if call.provider.is_some_and(|provider| LOCAL.contains(&provider.to_ascii_lowercase().as_str())) {
            return Cost::Free;
        }
        self.tier(call, usage.prompt_tokens())
            .and_then(|tier| calculate(tier, usage))
            .map_or_else(Cost::Unpriced, Cost::Calculated)
    }

    fn tier(&self, call: &Call<'_>, prompt: u64) -> Result<&Tier, Unpriced> {
        let model = self.model(call.model).ok_or(Unpriced::Model)?;
        let day = call.time_ns.div_euclid(NANOSECONDS_A_DAY);
        let tier = |mode| {
            let (_, tiers) = model.range((mode, i64::MIN)..=(mode, day)).next_back()?;
            tiers.iter().rfind(|tier| tier.from_tokens <= prompt)
        };
        let standard = tier(Mode::Standard);
        if call.mode == Mode::Standard {
            return standard.ok_or(Unpriced::Model);
        }
        let found = tier(call.mode).ok_or(Unpriced::Mode)?;
        match standard {
            Some(standard) if found.from_tokens < standard.from_tokens => Err(Unpriced::Tier),
            _ => Ok(found),
        }
    }

    /// By its own name, else by the one without its date.
    fn model(&self, model: &str) -> Option<&Model> {
        let bare = name::bare(model);
        let mut name = bare.as_str();
        loop {
            match self.models.get(name) {
                Some(found) => return Some(found),
                None => name = name::without_edition(name)?,
            }
        }
    }
}

fn calculate(tier: &Tier, usage: &Usage) -> Result<Money, Unpriced> {
    use Bucket::{InCacheRead, InCacheWrite1h, InCacheWrite5m, InCacheWriteOther, InUncached};
    let input = [InUncached, InCacheRead, InCacheWrite5m, InCacheWrite1h, InCacheWriteOther];
    if input.iter().all(|bucket| usage.get(*bucket).state == State::Absent) {
        return Err(Unpriced::Input);
    }
    let other = usage.extra.iter().filter(|extra| extra.tokens != 0);
    // Pictures and films that go in are priced as text; sound, and what else comes out, is not.
    if let Some(extra) = other
        .into_iter()
        .find(|extra| extra.name != "in_image" && extra.name != "in_video" && extra.name != "in_document")
    {
        return Err(Unpriced::Modality(extra.name.clone()));
    }
    let mut sum = 0_i128;
    for bucket in Bucket::ALL {
        let tokens = usage.tokens(bucket);
        if tokens == 0 {
            continue;
        }
        let rate = tier.rates[bucket as usize].ok_or(Unpriced::Bucket(bucket))?;
        sum = sum.saturating_add(i128::from(tokens).saturating_mul(rate));
    }
    Ok(Money::from_nanos(divide(sum, PER)))
}

/// Reads a row.
fn row(line: &str) -> Result<(String, (Mode, i64), Tier), String> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [model, from, mode, above, rates @ .., _source] = cells.as_slice() else {
        return Err("a row has eleven cells".into());
    };
    let [input, read, short, long, output, reasoning] = rates else {
        return Err(format!("a row has eleven cells, not {}", cells.len()));
    };
    if model.is_empty() {
        return Err("there is no model".into());
    }
    let mode = Mode::named(mode).ok_or_else(|| format!("no mode is called `{mode}`"))?;
    let from =
        if from.is_empty() { i64::MIN } else { day(from).ok_or_else(|| format!("`{from}` is no day"))? };
    let tokens = |text: &str| text.parse::<u64>().map_err(|_| format!("`{above}` is no number of tokens"));
    let from_tokens = match above.strip_prefix(">=") {
        Some(least) => tokens(least)?,
        None if above.is_empty() => 0,
        None => tokens(above)?.saturating_add(1),
    };
    let rate = |text: &str| match text {
        "" => Ok(None),
        _ => match decimal(text, 9) {
            Some(rate) if 0 <= rate => Ok(Some(rate)),
            _ => Err(format!("`{text}` is no price")),
        },
    };
    let (input, read, short, long) = (rate(input)?, rate(read)?, rate(short)?, rate(long)?);
    let output = rate(output)?;
    // In the order of `Bucket::ALL`. Writes of no known length cost what short ones do; thought costs what output does.
    let rates = [input, read, short, long, short, output, rate(reasoning)?.or(output), None];
    Ok((model.to_ascii_lowercase(), (mode, from), Tier { from_tokens, rates }))
}

/// Days since 1970 of `2026-11-22`, by the proleptic Gregorian calendar.
fn day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last of one.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some(days - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_is_read_whole() {
        let text = include_str!("prices.csv");
        let rows = text.lines().filter(|line| !line.starts_with('#')).count() - 1;
        let table = Prices::parse(text).unwrap();
        assert_eq!(table.models.values().flat_map(Model::values).map(Vec::len).sum::<usize>(), rows);
        assert!(500 < rows && table == *Prices::built_in());
        for source in text.lines().skip_while(|line| !line.starts_with("model,")).skip(1) {
            assert!(["L", "G", "LG"].contains(&source.rsplit(',').next().unwrap()), "{source}");
        }
    }

    #[test]
    fn days_are_counted_from_1970() {
        for (text, days) in [("1970-01-01", 0), ("2000-02-29", 11_016), ("2026-11-22", 20_779)] {
            assert_eq!(day(text), Some(days), "{text}");
        }
        for text in ["", "2026", "2026-13-01", "2026-01-32", "2026-1-x", "x-1-1", "1969-12-31"] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn a_line_that_is_no_row_is_named() {
        for (text, want) in [
            ("# x\nm,,standard,,1,,,,2,,own\nm,,slow,,1,,,,2,,own", "line 3: no mode is called `slow`"),
            ("m,,standard,,1,,,2,,own", "line 1: a row has eleven cells, not 10"),
            ("m", "line 1: a row has eleven cells"),
            ("m,soon,standard,,1,,,,2,,own", "line 1: `soon` is no day"),
            ("m,,standard,many,1,,,,2,,own", "line 1: `many` is no number of tokens"),
            ("m,,standard,,-1,,,,2,,own", "line 1: `-1` is no price"),
            (",,standard,,1,,,,2,,own", "line 1: there is no model"),
            ("m,,,,1,,,,2,,own\nm,,standard,,3,,,,2,,own", "line 2: the row stands here twice"),
        ] {
            assert_eq!(Prices::parse(text).unwrap_err().to_string(), want);
        }
    }
}
