//! What a writer's background thread does: syncs at intervals, makes pages present ahead of the write
//! position, and makes the next file ready before it is needed.
//!
//! All of it is only speed and timeliness: what the thread did not do in time the writer does itself. A
//! machine without threads does the same work at the same places, in line.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::io::WriteMap;
use crate::segment::active::{Active, Prepared};

/// Where the writer leaves work, and the thread leaves what is ready.
#[derive(Debug, Default)]
pub(super) struct Background {
    desk: Mutex<Desk>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Desk {
    stop: bool,
    sync_soon: bool,
    populate: Option<Range>,
    /// Files that are full: unmapping one takes a while.
    full: Vec<Active>,
    prepare: Option<(u64, Pace)>,
    /// The number of the file that is being prepared.
    preparing: Option<u64>,
    prepared: Option<Prepared>,
}

/// Pages to make present.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) map: Arc<dyn WriteMap>,
    pub(super) from: u64,
    pub(super) len: u64,
}

/// How soon the next file will be full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Easy,
    Fast,
}

/// What the thread is to do next.
#[derive(Debug)]
pub(super) enum Work {
    Sync,
    Populate(Range),
    /// Let go of full files.
    Drop(Vec<Active>),
    /// Make the file of this number ready.
    Prepare(u64, Pace),
    Stop,
}

impl Background {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Plain data, whole between any two statements here.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work; a sync is due after `every`, where there is such a time.
    pub(super) fn next(&self, every: Option<Duration>) -> Work {
        let idle = |desk: &mut Desk| {
            !desk.stop
                && !desk.sync_soon
                && desk.populate.is_none()
                && desk.prepare.is_none()
                && desk.full.is_empty()
        };
        let mut desk = match every {
            Some(every) => self
                .changed
                .wait_timeout_while(self.desk(), every, idle)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(desk, _)| desk),
            None => self.changed.wait_while(self.desk(), idle).unwrap_or_else(PoisonError::into_inner),
        };
        // What a writer would wait for soonest comes first.
        if desk.stop {
            return Work::Stop;
        }
        if let Some(range) = desk.populate.take() {
            return Work::Populate(range);
        }
        if let Some((number, pace)) = desk.prepare.take() {
            desk.preparing = Some(number);
            return Work::Prepare(number, pace);
        }
        if !desk.full.is_empty() {
            return Work::Drop(std::mem::take(&mut desk.full));
        }
        desk.sync_soon = false;
        Work::Sync
    }

    pub(super) fn drop_later(&self, full: Active) {
        self.desk().full.push(full);
        self.changed.notify_all();
    }

    pub(super) fn sync_soon(&self) {
        self.desk().sync_soon = true;
        self.changed.notify_all();
    }

    pub(super) fn populate(&self, mut range: Range) {
        let mut desk = self.desk();
        if let Some(waiting) = &desk.populate
            && Arc::ptr_eq(&waiting.map, &range.map)
        {
            range.len = range.from + range.len - waiting.from;
            range.from = waiting.from;
        }
        desk.populate = Some(range);
        drop(desk);
        self.changed.notify_all();
    }

    pub(super) fn prepare(&self, number: u64, pace: Pace) {
        self.desk().prepare = Some((number, pace));
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.desk().stop = true;
        self.changed.notify_all();
    }

    /// The thread has finished preparing; `None` when it could not.
    pub(super) fn put_prepared(&self, prepared: Option<Prepared>) {
        let mut desk = self.desk();
        desk.preparing = None;
        desk.prepared = prepared;
        drop(desk);
        self.changed.notify_all();
    }

    /// Takes the file that was made ready, waiting for the thread if it is at it.
    pub(super) fn take_prepared(&self) -> Option<Prepared> {
        let mut desk = self.desk();
        desk.prepare = None;
        let waited = self.changed.wait_while(desk, |desk| desk.preparing.is_some());
        waited.unwrap_or_else(PoisonError::into_inner).prepared.take()
    }
}
