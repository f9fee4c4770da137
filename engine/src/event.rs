//! An event: what a caller hands in.
//!
//! An event is built straight into the bytes of a row (see `record`), so that appending it copies it once.
//! Field names are known to the engine (`model`, `prompt_tokens`, ...) or the caller's own; a name given
//! twice keeps the last value.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::field::{self, Unit};
use crate::format::varint;
use crate::level::Level;
use crate::record::{self, CUSTOM_BASE};
use crate::value::{self, Value};

/// Above this many custom names a lookup goes through a hash map instead of a scan.
const SCAN_NAMES_MAX: usize = 16;

/// One event, ready to append.
///
/// ```
/// use logq_engine::Event;
/// let event = Event::ai("puzzle_analysis").model("llama3.2").tokens(150, 250).field("grid", "3x3");
/// assert_eq!(event.get("model"), Some(logq_engine::Value::Str("llama3.2")));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Event {
    time: Option<i64>,
    /// The fields, encoded; see `record`.
    fields: Vec<u8>,
    /// The custom names, encoded as in a payload but without their count.
    names: Vec<u8>,
    /// Where each custom name lies in `names`: start and end of its text.
    spans: Vec<(u32, u32)>,
    lookup: Option<HashMap<Box<str>, u32>>,
    /// A bit for each known field that is present.
    known: u128,
    duplicates: u32,
}

impl Event {
    /// An empty event. Without a time it takes the time of its arrival.
    pub fn new() -> Self {
        Self::default()
    }

    /// An event of kind `system`: something that the system did.
    pub fn system(operation: &str, message: &str) -> Self {
        Self::new().kind("system").field("operation", operation).field("message", message)
    }

    /// An event of kind `ai`: one call of a model.
    pub fn ai(operation: &str) -> Self {
        Self::new().kind("ai").field("operation", operation)
    }

    /// An event of kind `memory`: one operation of a memory system.
    pub fn memory(operation: &str) -> Self {
        Self::new().kind("memory").field("operation", operation)
    }

    /// An event of kind `context`: a context was made smaller, from `original` to `optimized` tokens.
    pub fn context(original: i64, optimized: i64) -> Self {
        Self::new().kind("context").field("original_size", original).field("optimized_size", optimized)
    }

    /// An event of kind `log`: one line of a log.
    pub fn log(level: Level, message: &str) -> Self {
        Self::new().kind("log").field("level", Value::Level(level)).field("message", message)
    }

    /// Sets the time of the event: nanoseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn at(mut self, time_ns: i64) -> Self {
        self.time = Some(time_ns);
        self
    }

    /// Sets the kind: `system`, `ai`, `memory`, `context`, `log` or the caller's own.
    #[must_use]
    pub fn kind(self, kind: &str) -> Self {
        self.field("kind", kind)
    }

    /// Sets the level.
    #[must_use]
    pub fn level(self, level: Level) -> Self {
        self.field("level", Value::Level(level))
    }

    /// Sets the importance, by custom 1 to 10.
    #[must_use]
    pub fn importance(self, importance: i64) -> Self {
        self.field("importance", importance)
    }

    /// Sets the message.
    #[must_use]
    pub fn message(self, message: &str) -> Self {
        self.field("message", message)
    }

    /// Sets the model.
    #[must_use]
    pub fn model(self, model: &str) -> Self {
        self.field("model", model)
    }

    /// Sets the session.
    #[must_use]
    pub fn session(self, session: &str) -> Self {
        self.field("session", session)
    }

    /// Sets the text of the prompt.
    #[must_use]
    pub fn prompt(self, prompt: &str) -> Self {
        self.field("prompt", prompt)
    }

    /// Sets the text of the response.
    #[must_use]
    pub fn response(self, response: &str) -> Self {
        self.field("response", response)
    }

    /// Sets what sort of context the call had.
    #[must_use]
    pub fn context_type(self, context_type: &str) -> Self {
        self.field("context_type", context_type)
    }

    /// Sets the number of tokens of prompt and response.
    #[must_use]
    pub fn tokens(self, prompt: i64, response: i64) -> Self {
        self.field("prompt_tokens", prompt).field("response_tokens", response)
    }

    /// Sets how long the operation took.
    #[must_use]
    pub fn latency(self, latency: std::time::Duration) -> Self {
        self.field("latency", Value::Duration(i64::try_from(latency.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// Sets a field by name; see [`Event::set`].
    #[must_use]
    pub fn field<'v>(mut self, name: &str, value: impl Into<Value<'v>>) -> Self {
        self.set(name, value.into());
        self
    }

    /// Sets a field by name. `level`, `latency`, `ttft` and `cost` are normalised (a bare number of the
    /// latter three is milliseconds, milliseconds and US dollars); what does not read as one stays as it
    /// is. A name that begins with `_` is stored under one more `_`. `time` sets the event's time when it
    /// is a time or whole nanoseconds. A name given before keeps the new value.
    pub fn set(&mut self, name: &str, value: Value<'_>) {
        if name == "time" {
            return self.set_time(value);
        }
        if name.starts_with('_') {
            return self.put(&format!("_{name}"), value);
        }
        match field::number(name) {
            Some(number) => self.set_known(number, value),
            None => self.put(name, value),
        }
    }

    /// Sets the time of the event: nanoseconds since 1970-01-01T00:00:00Z.
    pub fn set_time(&mut self, value: Value<'_>) {
        match value {
            Value::Time(ns) | Value::Int(ns) => self.time = Some(ns),
            other => self.put("_time", other),
        }
    }

    /// Keeps the spelling of a time that was read from text, where it is not the canonical one.
    pub fn set_original_time(&mut self, spelling: &str) {
        self.put_known(field::ORIGINAL_TIME, Value::Str(spelling));
    }

    /// Adds a word to the field `_flags`, which says what the store or an importer had to guess.
    pub fn flag(&mut self, word: &str) {
        let flags = match self.get("_flags") {
            Some(Value::Str(flags)) if flags.split(' ').any(|flag| flag == word) => return,
            Some(Value::Str(flags)) => Cow::Owned(format!("{flags} {word}")),
            _ => Cow::Borrowed(word),
        };
        self.put_known(field::FLAGS, Value::Str(&flags));
        self.duplicates = self.duplicates.saturating_sub(u32::from(matches!(flags, Cow::Owned(_))));
    }

    /// The time, where one was set.
    pub fn time(&self) -> Option<i64> {
        self.time
    }

    /// The value of a field, where it is set. Costs a walk over the fields.
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        let number = match field::number(name) {
            Some(number) => u64::from(number),
            None => CUSTOM_BASE + u64::from(self.find(name)?),
        };
        let mut fields = self.fields.as_slice();
        while let Some(field) = record::take_field(&mut fields) {
            if field.name == number {
                return field.value();
            }
        }
        None
    }

    /// The fields in the order in which they were set, without the time.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        let mut rest = self.fields.as_slice();
        std::iter::from_fn(move || {
            let field = record::take_field(&mut rest)?;
            let name = match field.name.checked_sub(CUSTOM_BASE) {
                Some(at) => self.name(usize::try_from(at).ok()?),
                None => field::name(u32::try_from(field.name).ok()?)?,
            };
            Some((name, field.value()?))
        })
    }

    /// How many values were replaced by a later one of the same name.
    pub fn duplicates(&self) -> u32 {
        self.duplicates
    }

    /// Bytes that the event takes inside a frame, about.
    pub fn size(&self) -> usize {
        self.fields.len() + self.names.len() + 16
    }

    /// Makes the event empty and keeps its memory.
    pub fn clear(&mut self) {
        self.time = None;
        self.fields.clear();
        self.names.clear();
        self.spans.clear();
        self.lookup = None;
        self.known = 0;
        self.duplicates = 0;
    }

    /// The encoded fields.
    pub(crate) fn encoded_fields(&self) -> &[u8] {
        &self.fields
    }

    /// The encoded custom names, without their count.
    pub(crate) fn encoded_names(&self) -> &[u8] {
        &self.names
    }

    /// How many custom names there are.
    pub(crate) fn name_count(&self) -> usize {
        self.spans.len()
    }

    /// The `at`-th custom name.
    pub(crate) fn name(&self, at: usize) -> &str {
        let Some(&(start, end)) = self.spans.get(at) else { return "" };
        self.names.get(start as usize..end as usize).and_then(|n| std::str::from_utf8(n).ok()).unwrap_or("")
    }

    /// Sets a field of the engine's own, whose name begins with one `_`: no caller can.
    pub(crate) fn set_own(&mut self, name: &str, value: Value<'_>) {
        self.put(name, value);
    }

    fn set_known(&mut self, number: u8, value: Value<'_>) {
        let normal = match (field::unit(number), value) {
            (Unit::Plain, _) => None,
            (Unit::Level, _) => self.set_level(value),
            (Unit::Duration, Value::Str(text)) => value::duration_ns(text).map(Value::Duration),
            (Unit::Duration, other) => decimal(other, 6).map(Value::Duration),
            (Unit::Cost, other) => decimal(other, 9).map(Value::Cost),
        };
        self.put_known(number, normal.unwrap_or(value));
    }

    /// The level that a value names; its spelling is kept where it is another one.
    fn set_level(&mut self, value: Value<'_>) -> Option<Value<'static>> {
        let level = match value {
            Value::Str(text) => Level::parse(text),
            Value::Int(number) => Level::from_number(number),
            _ => None,
        };
        let canonical = level.is_none_or(|level| value == Value::Str(level.as_str()));
        let stale = self.known & (1 << field::ORIGINAL_LEVEL) != 0;
        if canonical && stale {
            // The spelling of a level that is being replaced: it is counted with the level.
            self.remove(u64::from(field::ORIGINAL_LEVEL));
            self.known &= !(1 << field::ORIGINAL_LEVEL);
            self.duplicates -= 1;
        } else if !canonical {
            self.put_known(field::ORIGINAL_LEVEL, value);
            self.duplicates -= u32::from(stale);
        }
        level.map(Value::Level)
    }

    fn put_known(&mut self, number: u8, value: Value<'_>) {
        let bit = 1_u128 << number;
        if self.known & bit != 0 {
            self.remove(u64::from(number));
        }
        self.known |= bit;
        record::put_field(&mut self.fields, u64::from(number), value);
    }

    fn put(&mut self, name: &str, value: Value<'_>) {
        // Not reachable from `set` with a known name but for the engine's own `_` names.
        if let Some(number) = field::number(name) {
            return self.put_known(number, value);
        }
        let number = match self.find(name) {
            Some(at) => {
                self.remove(CUSTOM_BASE + u64::from(at));
                at
            }
            None => self.add_name(name),
        };
        record::put_field(&mut self.fields, CUSTOM_BASE + u64::from(number), value);
    }

    fn find(&self, name: &str) -> Option<u32> {
        if let Some(lookup) = &self.lookup {
            return lookup.get(name).copied();
        }
        let at = (0..self.spans.len()).find(|&at| self.name(at) == name)?;
        u32::try_from(at).ok()
    }

    fn add_name(&mut self, name: &str) -> u32 {
        varint::put(&mut self.names, name.len() as u64);
        let start = offset(self.names.len());
        self.names.extend_from_slice(name.as_bytes());
        let at = offset(self.spans.len());
        self.spans.push((start, offset(self.names.len())));
        if let Some(lookup) = &mut self.lookup {
            lookup.insert(name.into(), at);
        } else if SCAN_NAMES_MAX < self.spans.len() {
            self.lookup = Some((0..=at).map(|at| (self.name(at as usize).into(), at)).collect());
        }
        at
    }

    /// Takes out the field `number`, which is present.
    fn remove(&mut self, number: u64) {
        let mut rest = self.fields.as_slice();
        loop {
            let start = self.fields.len() - rest.len();
            let Some(field) = record::take_field(&mut rest) else { return };
            if field.name == number {
                let end = self.fields.len() - rest.len();
                self.fields.drain(start..end);
                self.duplicates += 1;
                return;
            }
        }
    }
}

/// A number times `10^scale`, where the value is one.
fn decimal(value: Value<'_>, scale: i32) -> Option<i64> {
    match value {
        Value::Int(int) => int.checked_mul(10_i64.checked_pow(scale.unsigned_abs())?),
        Value::Float(float) => value::scaled(&float.to_string(), scale),
        Value::Number(text) | Value::Str(text) => value::scaled(text, scale),
        _ => None,
    }
}

/// Offsets inside one event fit `u32`: an event of 4 GiB would have to be in memory, and `append` refuses
/// one above 64 MiB; a longer one saturates here and is refused there.
fn offset(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

macro_rules! into_value {
    ($($from:ty => $variant:ident,)*) => {
        $(impl From<$from> for Value<'_> {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

into_value! { bool => Bool, i64 => Int, i32 => Int, u32 => Int, u16 => Int, u8 => Int, f64 => Float, Level => Level, }

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Str(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Str(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    /// Bytes that are UTF-8 become text.
    fn from(bytes: &'a [u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Self::Bytes(bytes), Self::Str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_given_twice_keeps_the_last_value() {
        let event = Event::new().field("a", 1).field("model", "x").field("a", 2).field("model", "y");
        assert_eq!(event.get("a"), Some(Value::Int(2)));
        assert_eq!(event.get("model"), Some(Value::Str("y")));
        assert_eq!(event.duplicates(), 2);
    }

    #[test]
    fn many_names_stay_distinct() {
        let mut event = Event::new();
        for at in 0..1000 {
            event.set(&format!("f{at}"), Value::Int(at));
        }
        event.set("f500", Value::Int(-1));
        assert_eq!(event.get("f999"), Some(Value::Int(999)));
        assert_eq!(event.get("f500"), Some(Value::Int(-1)));
        assert_eq!((event.duplicates(), event.name_count()), (1, 1000));
    }

    #[test]
    fn units_are_normalised_and_the_spelling_of_a_level_is_kept() {
        let event = Event::new()
            .field("level", "WARNING")
            .field("latency", 12)
            .field("ttft", "1.5s")
            .field("cost", Value::Number("0.0025"));
        assert_eq!(event.get("level"), Some(Value::Level(Level::Warn)));
        assert_eq!(event.get("_level"), Some(Value::Str("WARNING")));
        assert_eq!(event.get("latency"), Some(Value::Duration(12_000_000)));
        assert_eq!(event.get("ttft"), Some(Value::Duration(1_500_000_000)));
        assert_eq!(event.get("cost"), Some(Value::Cost(2_500_000)));
        let odd = Event::new().field("level", "combo").field("latency", "soon").field("cost", "free");
        assert_eq!(odd.get("level"), Some(Value::Str("combo")));
        assert_eq!(odd.get("latency"), Some(Value::Str("soon")));
        assert_eq!(odd.get("cost"), Some(Value::Str("free")));
    }

    #[test]
    fn a_level_given_twice_keeps_the_last_spelling() {
        let event = Event::new().field("level", "WARNING").field("level", "info");
        assert_eq!((event.get("_level"), event.duplicates()), (None, 1));
        let event = Event::new().field("level", "WARNING").field("level", "ERR");
        assert_eq!((event.get("_level"), event.duplicates()), (Some(Value::Str("ERR")), 1));
    }

    #[test]
    fn a_users_underscore_name_gets_one_more() {
        let event = Event::new().field("_id", "mine").field("_flags", "x");
        assert_eq!(event.get("__id"), Some(Value::Str("mine")));
        assert_eq!(event.get("__flags"), Some(Value::Str("x")));
        assert_eq!(event.get("_flags"), None);
    }

    #[test]
    fn flags_collect() {
        let mut event = Event::new();
        event.flag("time_guessed");
        event.flag("tokens_estimated");
        event.flag("time_guessed");
        assert_eq!(event.get("_flags"), Some(Value::Str("time_guessed tokens_estimated")));
        assert_eq!(event.duplicates(), 0);
    }
}
