//! How a round is guided: when it is to stop, how fast it may go, and who watches it.
//!
//! The work looks up every few thousand rows and after each file that it wrote. There it ends when it is to end, says how far
//! it is, and rests when it was faster than it may be. It does not rest while writers are about to run out of room for what
//! is not sealed: they would wait for it.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::rewrite::{Attempt, Stopped};
use crate::core::Core;

/// How many rows go by between two looks.
const LOOK_EVERY: u64 = 4096;
/// A rest in one piece: so long it takes at most until a round that rests heeds that it is to stop.
const REST_MAX: Duration = Duration::from_millis(100);
/// Shorter rests are put together: nobody sleeps that exactly.
const REST_MIN: Duration = Duration::from_millis(5);
/// What was not used of the bytes of earlier seconds is not made up for later.
const CREDIT: u64 = 1_000_000_000;

/// How one round of maintenance is to go. The default is a round by the clock of the machine, to its end.
#[derive(Default)]
pub struct Round<'r> {
    /// The clock of archiving and retention, nanoseconds since 1970; `None`: that of the machine, which is not believed at
    /// once when it jumped.
    pub now: Option<i64>,
    /// Whoever sets it ends the round: the step that is under way is given up and leaves nothing behind.
    pub cancel: Option<&'r AtomicBool>,
    /// Is told how far the round is, at the beginning of each step and every few thousand records.
    pub watch: Option<&'r mut dyn FnMut(UpkeepProgress)>,
}

impl fmt::Debug for Round<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Round").field("now", &self.now).field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

/// How far a round of maintenance is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpkeepProgress {
    /// Steps that are done.
    pub steps_done: u64,
    /// Steps of the round, as far as one sees: those that are done, and those that what is there now asks for.
    pub steps: u64,
    /// Bytes of files that were worked on.
    pub bytes_done: u64,
    /// Bytes of the files of all steps.
    pub bytes: u64,
}

/// Guides one round.
pub(crate) struct Guide<'g> {
    core: &'g Core,
    cancel: &'g AtomicBool,
    watch: Option<&'g dyn Fn(UpkeepProgress)>,
    /// How far the round was when the current step began.
    at: Cell<UpkeepProgress>,
    /// Records and bytes of the current step.
    step: Cell<(u64, u64)>,
    /// Bytes of it that count as read.
    read: Cell<u64>,
    pace: Option<Cell<Pace>>,
}

/// How much was done since when, in the time of [`crate::io::Vfs::ticks`].
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Bytes moved since `started`.
    moved: u64,
    started: u64,
    /// When the work went on after the last rest.
    since: u64,
}

impl<'g> Guide<'g> {
    /// Nobody watches, and nothing rests.
    pub(crate) fn free(core: &'g Core, cancel: &'g AtomicBool) -> Self {
        let (at, step, read) = (Cell::default(), Cell::default(), Cell::default());
        Self { core, cancel, watch: None, at, step, read, pace: None }
    }

    /// As fast as the options of the store allow.
    pub(crate) fn paced(
        core: &'g Core,
        cancel: &'g AtomicBool,
        watch: Option<&'g dyn Fn(UpkeepProgress)>,
    ) -> Self {
        let limited =
            core.settings().maintain_bytes_per_second.is_some() || core.settings().maintain_cpu_share < 100;
        let now = core.vfs.ticks();
        let pace = limited.then(|| Cell::new(Pace { moved: 0, started: now, since: now }));
        Self { watch, pace, ..Self::free(core, cancel) }
    }

    /// Whether somebody wants the round to end.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Whether anybody wants to know how far the round is.
    pub(super) fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// Says what is still to be done: steps and their bytes.
    pub(super) fn plan(&self, steps: u64, bytes: u64) {
        let at = self.at.get();
        self.at.set(UpkeepProgress { steps: at.steps_done + steps, bytes: at.bytes_done + bytes, ..at });
    }

    /// Begins a step with so many records and bytes.
    pub(super) fn begin(&self, records: u64, bytes: u64) {
        self.step.set((records, bytes));
        self.read.set(0);
        self.tell(0);
    }

    /// Ends the step.
    pub(super) fn end(&self) {
        let (at, (_, bytes)) = (self.at.get(), self.step.take());
        let (steps_done, bytes_done) = (at.steps_done + 1, at.bytes_done.saturating_add(bytes));
        let (steps, bytes) = (at.steps.max(steps_done), at.bytes.max(bytes_done));
        self.at.set(UpkeepProgress { steps_done, steps, bytes_done, bytes });
        self.tell(0);
    }

    /// Looks up, if it is time to: at the first row, and every few thousand.
    pub(super) fn look(&self, row: u64) -> Attempt<()> {
        if !row.is_multiple_of(LOOK_EVERY) {
            return Ok(());
        }
        self.tell(row);
        let (records, bytes) = self.step.get();
        self.read_until(share(bytes, row, records))
    }

    /// All of the step's files was read.
    pub(super) fn read_all(&self) -> Attempt<()> {
        self.read_until(self.step.get().1)
    }

    fn read_until(&self, bytes: u64) -> Attempt<()> {
        let before = self.read.get();
        self.read.set(before.max(bytes));
        self.moved(bytes.saturating_sub(before))
    }

    /// So many bytes were read or written: rests if that was too fast, and ends what is to end.
    pub(super) fn moved(&self, bytes: u64) -> Attempt<()> {
        if let Some(pace) = &self.pace {
            let before = pace.get();
            pace.set(self.rest(Pace { moved: before.moved.saturating_add(bytes), ..before }));
        }
        if self.is_cancelled() { Err(Stopped::Cancelled) } else { Ok(()) }
    }

    /// As [`Guide::moved`], for work that nothing has to be taken back of. Whether it goes on.
    pub(crate) fn goes_on(&self, bytes: u64) -> bool {
        self.moved(bytes).is_ok()
    }

    fn tell(&self, row: u64) {
        if let Some(watch) = self.watch {
            let (at, (records, bytes)) = (self.at.get(), self.step.get());
            let done = at.bytes_done.saturating_add(share(bytes, row, records));
            watch(UpkeepProgress { bytes_done: done, bytes: at.bytes.max(done), ..at });
        }
    }

    /// Rests as long as the pace asks for.
    fn rest(&self, mut pace: Pace) -> Pace {
        let options = self.core.settings();
        let vfs = &*self.core.vfs;
        let now = vfs.ticks();
        let of = |value: u64, by: u64, from: u64| {
            let product = u128::from(value) * u128::from(by) / u128::from(from.max(1));
            u64::try_from(product).unwrap_or(u64::MAX)
        };
        let cpu = u64::from(options.maintain_cpu_share.clamp(1, 100));
        let for_cpu = of(now.saturating_sub(pace.since), 100 - cpu, cpu);
        let due = options.maintain_bytes_per_second.map_or(0, |rate| of(pace.moved, 1_000_000_000, rate));
        let passed = now.saturating_sub(pace.started);
        if due.saturating_add(CREDIT) < passed {
            (pace.started, pace.moved) = (now, 0);
        }
        let rest = Duration::from_nanos(for_cpu.max(due.saturating_sub(passed)));
        if rest < REST_MIN {
            return pace;
        }
        let mut left = rest;
        while !left.is_zero() && !self.is_cancelled() && !self.is_waited_for() {
            let piece = left.min(REST_MAX);
            vfs.wait(piece);
            left = left.saturating_sub(piece);
        }
        pace.since = vfs.ticks();
        pace
    }

    /// Whether writers are about to wait for room.
    fn is_waited_for(&self) -> bool {
        let half = self.core.settings().unsealed_max / 2;
        self.core.manifest().is_ok_and(|manifest| half < manifest.state.reserved())
    }
}

/// The part of `bytes` that `rows` of `records` are.
fn share(bytes: u64, rows: u64, records: u64) -> u64 {
    let part = u128::from(bytes) * u128::from(rows.min(records)) / u128::from(records.max(1));
    u64::try_from(part).unwrap_or(u64::MAX)
}
