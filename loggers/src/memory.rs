//! What a memory system does: stores, lookups, and how its cache is doing.

use std::time::Duration;

use logq_engine::{Event, RecordId, Result, Value, Writer};

/// Logs operations of a memory system, as events of kind `memory`; the noun `memory` sums them up.
#[derive(Clone, Debug)]
pub struct MemoryLogger {
    writer: Writer,
}

/// One operation of a memory system.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryOperation<'a> {
    /// What was done: `store`, `retrieve`, `forget` and the like.
    pub operation: &'a str,
    /// What it was done to.
    pub key: Option<&'a str>,
    /// Of a lookup, whether something was found.
    pub hit: Option<bool>,
    /// Bytes that were stored or found.
    pub size: Option<u64>,
    /// How long it took.
    pub latency: Option<Duration>,
    /// Whose it is.
    pub session: Option<&'a str>,
}

/// How a cache did since somebody last looked.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheStatistics {
    /// Lookups that found something.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Entries that went to make room.
    pub evictions: u64,
    /// Bytes that it holds.
    pub size: u64,
    /// Bytes that it may hold; 0 where nothing bounds it.
    pub capacity: u64,
}

impl MemoryLogger {
    /// A logger that appends with this writer.
    #[must_use]
    pub fn new(writer: Writer) -> Self {
        Self { writer }
    }

    /// One operation. A lookup counts as one of `hits` or of `misses`.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn operation(&self, done: &MemoryOperation<'_>) -> Result<RecordId> {
        let mut event = Event::memory(done.operation);
        if let Some(key) = done.key {
            event.set("key", Value::Str(key));
        }
        if let Some(session) = done.session {
            event.set("session", Value::Str(session));
        }
        if let Some(hit) = done.hit {
            event.set("hits", Value::Int(i64::from(hit)));
            event.set("misses", Value::Int(i64::from(!hit)));
        }
        if let Some(size) = done.size {
            event.set("size", int(size));
        }
        if let Some(latency) = done.latency {
            event = event.latency(latency);
        }
        self.writer.append(&event)
    }

    /// How a cache called `name` did, as one event of the operation `cache_statistics`.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn cache_statistics(&self, name: &str, cache: &CacheStatistics) -> Result<RecordId> {
        let event = Event::memory("cache_statistics")
            .field("name", name)
            .field("hits", int(cache.hits))
            .field("misses", int(cache.misses))
            .field("evictions", int(cache.evictions))
            .field("size", int(cache.size));
        let event = if cache.capacity == 0 { event } else { event.field("capacity", int(cache.capacity)) };
        self.writer.append(&event)
    }
}

/// A count as a value: no counter that a program keeps reaches 2^63.
pub(crate) fn int(count: u64) -> Value<'static> {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}
