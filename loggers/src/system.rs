//! What a system does: starting, stopping, failing.

use std::error::Error as StdError;

use logq_engine::{Event, Level, RecordId, Result, Value, Writer};

/// Logs what a system does, as events of kind `system`.
#[derive(Clone, Debug)]
pub struct SystemLogger {
    writer: Writer,
    source: Option<String>,
}

impl SystemLogger {
    /// A logger that appends with this writer.
    #[must_use]
    pub fn new(writer: Writer) -> Self {
        Self { writer, source: None }
    }

    /// Names the part of the system that logs, as field `source`.
    #[must_use]
    pub fn source(mut self, source: &str) -> Self {
        self.source = Some(source.to_owned());
        self
    }

    /// Something happened. `importance` is 0 to 10 by custom; `data` are further fields under their own names.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn event(
        &self,
        event_type: &str,
        description: &str,
        importance: i64,
        data: &[(&str, Value<'_>)],
    ) -> Result<RecordId> {
        let level = if importance < 9 { Level::Info } else { Level::Warn };
        let event = Event::system(event_type, description).level(level).importance(importance);
        self.append(event, data)
    }

    /// Something failed. The error and everything that caused it are in the field `error`.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn error(
        &self,
        event_type: &str,
        description: &str,
        error: &dyn StdError,
        data: &[(&str, Value<'_>)],
    ) -> Result<RecordId> {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        let event = Event::system(event_type, description).level(Level::Error).field("error", &text);
        self.append(event, data)
    }

    fn append(&self, mut event: Event, data: &[(&str, Value<'_>)]) -> Result<RecordId> {
        if let Some(source) = &self.source {
            event.set("source", Value::Str(source));
        }
        for (name, value) in data {
            event.set(name, *value);
        }
        self.writer.append(&event)
    }
}
