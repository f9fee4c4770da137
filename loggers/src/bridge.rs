//! Records of the crate `log` as events of kind `log`.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use log::{LevelFilter, Log, Metadata, Record};
use logq_engine::{Error, Event, Level, Value, Writer};

/// A logger for the crate `log`: message, level, `logger` (the target), `path` and `line` of the code.
///
/// An append that fails cannot be reported to whoever logs: it is counted, and the last error is kept.
///
/// ```no_run
/// use logq_engine::{Options, Store};
/// use logq_loggers::LogBridge;
///
/// let store = Store::open("logs", Options::default())?;
/// log::set_boxed_logger(Box::new(LogBridge::new(store.writer()?)))?;
/// log::set_max_level(log::LevelFilter::Info);
/// log::info!("System initialized successfully");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LogBridge {
    writer: Writer,
    max: LevelFilter,
    failures: AtomicU64,
    last: Mutex<Option<Error>>,
}

impl LogBridge {
    /// A bridge that takes records of every level.
    #[must_use]
    pub fn new(writer: Writer) -> Self {
        Self { writer, max: LevelFilter::Trace, failures: AtomicU64::new(0), last: Mutex::default() }
    }

    /// Takes only records of this level and above.
    #[must_use]
    pub fn max_level(self, max: LevelFilter) -> Self {
        Self { max, ..self }
    }

    /// How many records could not be appended.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The last reason for that, once.
    pub fn take_error(&self) -> Option<Error> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Log for LogBridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.max && !crate::is_own(metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            log::Level::Error => Level::Error,
            log::Level::Warn => Level::Warn,
            log::Level::Info => Level::Info,
            log::Level::Debug => Level::Debug,
            log::Level::Trace => Level::Trace,
        };
        let text;
        let message = match record.args().as_str() {
            Some(message) => message,
            None => {
                text = record.args().to_string();
                &text
            }
        };
        let mut event = Event::log(level, message).field("logger", record.target());
        if let Some(path) = record.file() {
            event.set("path", Value::Str(path));
        }
        if let Some(line) = record.line() {
            event.set("line", Value::Int(line.into()));
        }
        if let Err(error) = self.writer.append(&event) {
            self.failures.fetch_add(1, Ordering::Relaxed);
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }

    fn flush(&self) {
        if let Err(error) = self.writer.flush() {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }
}
