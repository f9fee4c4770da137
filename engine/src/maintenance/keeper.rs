//! The keeper: maintenance in the background of a process that has the store open for a while.
//!
//! Its thread starts with the first writer and looks around after a second, so a process that appends one
//! event and ends never meets it. It ends with the last handle on the store, at the latest after a step's
//! current block.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::plan::Extent;
use super::{Guide, Maintenance};
use crate::core::Core;

/// How often the keeper looks around.
const EVERY: Duration = Duration::from_secs(1);
/// How long it waits at most when rounds fail: twice as long after each.
const EVERY_MAX: Duration = Duration::from_mins(5);

/// Keeps a store in order until dropped.
#[derive(Debug)]
pub(crate) struct Keeper {
    core: Arc<Core>,
    signal: Arc<Signal>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Signal {
    stop: Mutex<bool>,
    changed: Condvar,
    cancel: AtomicBool,
}

impl Keeper {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core, signal: Arc::default(), thread: Mutex::new(None) }
    }

    /// Starts the thread, unless it runs or is not wanted. A machine that gives no thread has none of
    /// this: a writer that meets `unsealed_max` seals by itself.
    pub(crate) fn start(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_some() || !self.core.options.maintain || !self.core.vfs.has_threads() {
            return;
        }
        let (core, signal) = (Arc::clone(&self.core), Arc::clone(&self.signal));
        let run = move || {
            let mut pause = EVERY;
            let mut failures = 0_u32;
            while !signal.wait(pause) {
                pause = EVERY;
                // What went wrong goes wrong again in `logq maintain`, which reports it.
                let guide = Guide::paced(&core, &signal.cancel, None);
                if Maintenance::has_work(&core).unwrap_or(false)
                    && let Ok(Some(maintenance)) = Maintenance::begin(&core, &guide, false)
                    && maintenance.run(Extent::Background, None).is_err()
                {
                    failures = failures.saturating_add(1);
                    pause = EVERY.saturating_mul(1 << failures.min(16)).min(EVERY_MAX);
                } else {
                    failures = 0;
                }
            }
        };
        *thread = std::thread::Builder::new().name("logq-keeper".into()).spawn(run).ok();
    }
}

impl Signal {
    /// Waits for the next look around; `true` when there is none.
    fn wait(&self, pause: Duration) -> bool {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(stop, pause, |stop| !*stop);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        *self.signal.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.signal.cancel.store(true, Ordering::Relaxed);
        self.signal.changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic there was already reported by the panic hook, and costs only upkeep.
            let _ended = thread.join();
        }
    }
}
