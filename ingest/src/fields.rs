//! From named values to an event: aliases, `--map`, `--set`, times, and the fields that every event gets.
//!
//! Several names may stand for one field (`ts`, `timestamp` and `time`). Of those in one object one wins:
//! a name of `--map` in the order given, else the field's own name, else the first alias of the table below.
//! An alias that loses stays under its own name; so does a path of `--map`.

use std::collections::HashMap;

use logq_engine::value::canonical_int;
use logq_engine::{Event, Value};

use crate::error::Result;
use crate::options::ImportOptions;
use crate::time::Clock;

/// Fields with more than one name, and those that an import fills in. The first is the time.
const TARGETS: [(&str, &[&str]); 9] = [
    ("time", &["ts", "timestamp", "@timestamp"]),
    ("level", &["severity", "levelname"]),
    ("model", &["model_name", "gen_ai.request.model"]),
    ("message", &["msg"]),
    ("prompt_tokens", &["input_tokens"]),
    ("response_tokens", &["completion_tokens", "output_tokens"]),
    ("latency", &["latency_ms"]),
    ("kind", &[]),
    ("source", &[]),
];
const TIME: u16 = 0;
const KIND: usize = 7;
const SOURCE: usize = 8;

/// The rank of a field's own name; those of `--map` lie below, those of aliases above.
const OWN_NAME: u16 = 0x8000;

/// The word of `_flags` for a time that the source does not say.
pub(crate) const TIME_GUESSED: &str = "time_guessed";

/// What a name stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Class {
    /// The target and the name's rank in it; the lowest rank wins.
    target: Option<(u16, u16)>,
    /// The name that it moves to, where `--map` names an object around it.
    moved: Option<Box<str>>,
}

impl Class {
    /// A name that stands for itself.
    pub(crate) const NONE: Self = Self { target: None, moved: None };
}

/// The options of an import, made ready for one source.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) clock: Clock,
    /// The time of events that have none.
    pub(crate) arrival: i64,
    /// Own names of all targets: those of the table, then those that only `--map` names.
    targets: Vec<Box<str>>,
    map: Vec<(Box<str>, u16)>,
    set: Vec<(Box<str>, Box<str>)>,
    kind: Option<Box<str>>,
    source: Option<Box<str>>,
    /// Whether a missing time is worth a flag: in an import it is, in an append the arrival is the time.
    flag_missing_time: bool,
}

/// The values of one object or row.
pub(crate) trait Fields {
    fn len(&self) -> usize;
    fn name(&self, at: usize) -> &str;
    fn class(&self, at: usize) -> &Class;
    /// Every number as [`Value::Number`], whatever its literal.
    fn value(&self, at: usize) -> Value<'_>;
}

/// Which name won each target; kept between events for its memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Winners(Vec<Option<(u16, u32)>>);

impl Rules {
    /// `source` names the source of events that have none; `newest` is when it was last written.
    pub(crate) fn new(
        options: &ImportOptions,
        source: Option<&str>,
        arrival: i64,
        newest: i64,
    ) -> Result<Self> {
        let mut targets: Vec<Box<str>> = TARGETS.iter().map(|&(name, _)| name.into()).collect();
        let mut map = Vec::with_capacity(options.map.len());
        for (path, field) in &options.map {
            let target = match targets.iter().position(|target| **target == **field) {
                Some(at) => at,
                None => {
                    targets.push(field.as_str().into());
                    targets.len() - 1
                }
            };
            map.push((path.as_str().into(), u16::try_from(target).unwrap_or(u16::MAX)));
        }
        Ok(Self {
            clock: Clock::new(&options.times(), newest)?,
            arrival,
            targets,
            map,
            set: options
                .set
                .iter()
                .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
                .collect(),
            kind: options.kind.as_deref().map(Into::into),
            source: options.source.as_deref().or(source).map(Into::into),
            flag_missing_time: source.is_some(),
        })
    }

    /// The same for rows of a file, where a missing time is worth a flag.
    pub(crate) fn of_source(self) -> Self {
        Self { flag_missing_time: true, ..self }
    }

    /// What a name (a dotted path) stands for.
    pub(crate) fn classify(&self, name: &str) -> Class {
        let target = |target: usize, rank: usize| {
            let target = u16::try_from(target).ok()?;
            Some((target, u16::try_from(rank).unwrap_or(u16::MAX)))
        };
        if let Some(rank) = self.map.iter().position(|(path, _)| **path == *name) {
            return Class { target: target(usize::from(self.map[rank].1), rank), moved: None };
        }
        for (path, field) in &self.map {
            let inside = name.strip_prefix(&**path).and_then(|rest| rest.strip_prefix('.'));
            if let Some(rest) = inside {
                let around = self.targets.get(usize::from(*field)).map_or("", |name| name);
                return Class { target: None, moved: Some(format!("{around}.{rest}").into()) };
            }
        }
        if let Some(at) = self.targets.iter().position(|target| **target == *name) {
            return Class { target: target(at, usize::from(OWN_NAME)), moved: None };
        }
        for (at, (_, aliases)) in TARGETS.iter().enumerate() {
            if let Some(rank) = aliases.iter().position(|alias| *alias == name) {
                return Class { target: target(at, usize::from(OWN_NAME) + 1 + rank), moved: None };
            }
        }
        Class::default()
    }

    /// Fills an event. The answer is how many values were replaced by another of the same name.
    pub(crate) fn fill(&self, fields: &impl Fields, winners: &mut Winners, event: &mut Event) -> u64 {
        let last = if SMALL < fields.len() { last_of_each_name(fields) } else { HashMap::new() };
        let winners = &mut winners.0;
        winners.clear();
        winners.resize(self.targets.len(), None);
        for at in 0..fields.len() {
            if let Some((target, rank)) = fields.class(at).target
                && let Some(winner) = winners.get_mut(usize::from(target))
                && winner.is_none_or(|(best, _)| rank <= best)
            {
                *winner = Some((rank, index(at)));
            }
        }
        let mut replaced = 0;
        for at in 0..fields.len() {
            let Class { target, moved } = fields.class(at);
            let own = moved.as_deref().unwrap_or_else(|| fields.name(at));
            let Some((target, rank)) = *target else {
                if last.get(own).is_some_and(|&last| at < last) {
                    replaced += 1;
                } else {
                    self.put(event, own, fields.value(at));
                }
                continue;
            };
            match winners.get(usize::from(target)).copied().flatten() {
                Some((_, winner)) if winner == index(at) && target == TIME => {
                    self.put_time(event, fields.value(at));
                }
                Some((_, winner)) if winner == index(at) => {
                    let name = self.targets.get(usize::from(target)).map_or(own, |name| name);
                    self.put(event, name, fields.value(at));
                }
                // A loser of the winner's own rank is the same name twice; one of the field's name has
                // no name left to stay under.
                Some((best, _)) if rank == best || rank == OWN_NAME => replaced += 1,
                _ => self.put(event, own, fields.value(at)),
            }
        }
        if let (Some(kind), None) = (&self.kind, winners[KIND]) {
            self.put(event, "kind", Value::Str(kind));
        }
        if let (Some(source), None) = (&self.source, winners[SOURCE]) {
            self.put(event, "source", Value::Str(source));
        }
        if winners[usize::from(TIME)].is_none() && self.flag_missing_time && !self.sets("time") {
            event.flag(TIME_GUESSED);
        }
        replaced += u64::from(event.duplicates());
        self.put_set(event);
        replaced
    }

    /// Fills an event of one line of text: the message, the time found in it, what every event gets.
    pub(crate) fn fill_line(&self, event: &mut Event, message: Value<'_>) {
        self.put(event, "message", message);
        if let Some(kind) = &self.kind {
            self.put(event, "kind", Value::Str(kind));
        }
        if let Some(source) = &self.source {
            self.put(event, "source", Value::Str(source));
        }
        self.put_set(event);
    }

    fn sets(&self, name: &str) -> bool {
        self.set.iter().any(|(set, _)| **set == *name)
    }

    fn put(&self, event: &mut Event, name: &str, value: Value<'_>) {
        if !self.set.is_empty() && self.sets(name) {
            return;
        }
        if name == "time" {
            // Only an object moved by `--map` gets here; the name is the store's.
            return self.put_time(event, value);
        }
        event.set(name, number(value));
    }

    fn put_set(&self, event: &mut Event) {
        for (name, text) in &self.set {
            let value = cell(text);
            if **name == *"time" {
                self.read_time(event, value);
            } else {
                event.set(name, number(value));
            }
        }
    }

    fn put_time(&self, event: &mut Event, value: Value<'_>) {
        if !self.sets("time") {
            self.read_time(event, value);
        }
    }

    /// Sets the time, and keeps its spelling where it is not the one in which times are printed. What is no
    /// time between 1677 and 2262 is kept as well, under a flag.
    fn read_time(&self, event: &mut Event, value: Value<'_>) {
        if let Value::Bytes(bytes) = value {
            event.flag(TIME_GUESSED);
            return event.set_original_time(&String::from_utf8_lossy(bytes));
        }
        let (read, text) = match value {
            Value::Str(text) => (self.clock.text(text), text),
            Value::Number(literal) => (self.clock.number(literal).map(|ns| (ns, false)), literal),
            Value::Json(text) => (None, text),
            Value::Bool(true) => (None, "true"),
            Value::Bool(false) => (None, "false"),
            Value::Null => (None, "null"),
            _ => (None, "\u{fffd}"),
        };
        match read {
            Some((ns, canonical)) => {
                event.set_time(Value::Time(ns));
                if canonical {
                    return;
                }
            }
            None => event.flag(TIME_GUESSED),
        }
        event.set_original_time(text);
    }
}

/// Objects of at most this many fields leave it to the event to replace a value: that walks over its fields,
/// which is only cheap while they are few.
const SMALL: usize = 64;

fn last_of_each_name(fields: &impl Fields) -> HashMap<&str, usize> {
    let names = (0..fields.len()).filter(|&at| fields.class(at).target.is_none());
    names.map(|at| (fields.class(at).moved.as_deref().unwrap_or_else(|| fields.name(at)), at)).collect()
}

/// A text without a type as a value: a number where it is spelled as one in JSON, else text.
pub(crate) fn cell(text: &str) -> Value<'_> {
    if is_number(text.as_bytes()) { Value::Number(text) } else { Value::Str(text) }
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?`: an exponent or a leading zero is more likely part of an id.
fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, fraction) = match memchr::memchr(b'.', digits) {
        Some(at) => (digits.get(..at).unwrap_or(&[]), digits.get(at + 1..).unwrap_or(&[])),
        None => (digits, b"0".as_slice()),
    };
    let canonical = matches!(whole, [b'0'] | [b'1'..=b'9', ..]);
    canonical && !fraction.is_empty() && whole.iter().chain(fraction).all(u8::is_ascii_digit)
}

/// A canonical integer is stored as one; any other literal stays as it is.
fn number(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Number(literal) => canonical_int(literal).map_or(value, Value::Int),
        other => other,
    }
}

/// An object has fewer than 2^32 fields: `json` and `csv` bound them far below.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
