//! Budget: the memory that a query may take, counted by all of its threads.
//!
//! Rows, groups and their values are charged as they grow, by what they take about. What the values of queries inside hold
//! is taken off from the start and is never given back.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// Counts the memory of a query, for all of its threads.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    /// Of what is used, what groups take but for their values.
    groups: AtomicUsize,
    /// How many groups there are, in all threads.
    count: AtomicUsize,
    /// What the values of queries inside take, in bytes.
    held: usize,
    max: usize,
}

impl Budget {
    /// So many bytes, of which some are taken already.
    pub(crate) fn new(max: usize, held: usize) -> Self {
        let zero = || AtomicUsize::new(0);
        Self { used: zero(), groups: zero(), count: zero(), held, max }
    }

    /// Takes more memory.
    pub(super) fn charge(&self, bytes: usize) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        self.check(self.take(bytes))
    }

    fn take(&self, bytes: usize) -> usize {
        self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes)
    }

    /// Takes more memory for so many groups.
    pub(super) fn charge_groups(&self, count: usize, bytes: usize) -> Result<()> {
        self.count.fetch_add(count, Ordering::Relaxed);
        self.groups.fetch_add(bytes, Ordering::Relaxed);
        self.charge(bytes)
    }

    /// Takes more memory for what a query inside of another gives.
    pub(crate) fn charge_values(&self, bytes: usize) -> Result<()> {
        if self.fits(self.take(bytes)) {
            return Ok(());
        }
        let mega = self.max >> 20;
        Err(Error::limit(format!(
            "the values of a query inside of `in (...)` need more than {mega} MiB of memory; narrow its time or its conditions, or let it give fewer with `limit`"
        )))
    }

    /// What rows and groups take, in bytes.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// How many groups there are, in all threads.
    pub(super) fn groups(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether most of what is used are values of groups and not the groups themselves.
    pub(super) fn is_mostly_values(&self) -> bool {
        2 * self.groups.load(Ordering::Relaxed) < self.used()
    }

    /// Gives everything back but for so much.
    pub(super) fn reset(&self, used: usize) -> Result<()> {
        self.groups.store(0, Ordering::Relaxed);
        self.count.store(0, Ordering::Relaxed);
        self.used.store(used, Ordering::Relaxed);
        self.check(used)
    }

    /// Whether so much would fit.
    pub(super) fn check(&self, used: usize) -> Result<()> {
        if self.fits(used) { Ok(()) } else { Err(self.exceeded()) }
    }

    fn fits(&self, used: usize) -> bool {
        used.saturating_add(self.held) <= self.max
    }

    pub(super) fn exceeded(&self) -> Error {
        let mega = self.max >> 20;
        Error::limit(format!(
            "the answer needs more than {mega} MiB of memory; narrow the time or the conditions, group by fewer values, or use `limit`"
        ))
    }

    /// Half of what rows and groups may take.
    pub(super) fn half(&self) -> usize {
        self.max.saturating_sub(self.held) / 2
    }
}
