//! One counter: what was used and what is held, by window.
//!
//! A counter holds the current window, the one before it and those to come; of a sliding window the steps that
//! it still covers. Which ones are kept depends on the clock alone and not on the order in which events came, so
//! that a counter that is counted anew is the same.

use super::window::{Span, Window, Windows};

/// Windows to come that one counter holds: events from the future are the mistake of some clock.
const BUCKETS_MAX: usize = 256;

/// What was used in one window, or in one step of a sliding one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) span: Span,
    pub(super) amount: u64,
}

/// What a reservation keeps free until it is committed, since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) id: u64,
    pub(super) at: i64,
    pub(super) amount: u64,
}

/// An alert that was raised: at which threshold (in millionths), for the window that begins there. Of a sliding
/// window, since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fired {
    pub(super) millionths: u32,
    pub(super) start: i64,
}

/// One counter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counter {
    /// By their starts; they do not overlap.
    pub(super) buckets: Vec<Bucket>,
    pub(super) held: Vec<Held>,
    pub(super) fired: Vec<Fired>,
}

impl Counter {
    /// Whether nothing is lost when the counter is.
    pub(super) fn is_empty(&self) -> bool {
        self.buckets.is_empty() && self.held.is_empty()
    }

    /// Books an amount at the time of its event.
    pub(super) fn add(&mut self, windows: &mut Windows, time: i64, amount: u64, now: i64) {
        self.prune(windows, now);
        let at = self.buckets.partition_point(|bucket| bucket.span.start <= time);
        if let Some(bucket) = at.checked_sub(1).and_then(|before| self.buckets.get_mut(before))
            && bucket.span.contains(time)
        {
            bucket.amount = bucket.amount.saturating_add(amount);
            return;
        }
        let span = windows.span(time);
        if let (Window::Session(_), Some(next)) = (windows.window, self.buckets.get_mut(at))
            && next.span.start < span.end
        {
            // The first event of this session came later than its second.
            let fired = self.fired.iter_mut().filter(|fired| fired.start == next.span.start);
            fired.for_each(|fired| fired.start = span.start);
            *next = Bucket { span, amount: next.amount.saturating_add(amount) };
            return;
        }
        let bucket = Bucket { span, amount };
        if kept_from(windows, now) < span.end {
            self.buckets.insert(at, bucket);
            self.buckets.truncate(BUCKETS_MAX);
        }
    }

    /// Puts a bucket back as it was written down.
    pub(super) fn restore(&mut self, bucket: Bucket) {
        let at = self.buckets.partition_point(|other| other.span.start < bucket.span.start);
        self.buckets.insert(at, bucket);
    }

    /// Lets go of windows that are over and not the last one.
    pub(super) fn prune(&mut self, windows: &mut Windows, now: i64) {
        let from = kept_from(windows, now);
        let over = self.buckets.partition_point(|bucket| bucket.span.end <= from);
        if 0 < over {
            self.buckets.drain(..over);
        }
    }

    /// The current window. Of a sliding one the stretch that it covers, of a session none before its first event.
    pub(super) fn current(&self, windows: &mut Windows, now: i64) -> Option<Span> {
        match windows.window {
            Window::Sliding(length) => {
                Some(Span { start: now.saturating_sub(length).saturating_add(1), end: now.saturating_add(1) })
            }
            Window::Session(_) => {
                self.buckets.iter().map(|bucket| bucket.span).find(|span| span.contains(now))
            }
            _ => Some(windows.span(now)),
        }
    }

    /// What was used in the current window. Of a sliding one the oldest step counts whole.
    pub(super) fn used(&self, windows: &mut Windows, now: i64) -> u64 {
        let Some(current) = self.current(windows, now) else { return 0 };
        let inside = self.buckets.iter().filter(|bucket| overlap(bucket.span, current));
        inside.fold(0, |sum, bucket| sum.saturating_add(bucket.amount))
    }

    /// What is held in the current window.
    pub(super) fn held(&self, windows: &mut Windows, now: i64) -> u64 {
        if self.held.is_empty() {
            return 0;
        }
        let since = match (windows.window, self.current(windows, now)) {
            (Window::Sliding(_), Some(current)) => windows.span(current.start).start,
            (Window::Session(length), None) => now.saturating_sub(length).saturating_add(1),
            (_, current) => current.map_or(i64::MIN, |span| span.start),
        };
        let inside = self.held.iter().filter(|held| since <= held.at);
        inside.fold(0, |sum, held| sum.saturating_add(held.amount))
    }

    /// How long until so much fits below a limit, if nothing else is used or released; `None` when that is not
    /// known, or never.
    pub(super) fn free_after(&self, windows: &mut Windows, now: i64, asked: u64, limit: u64) -> Option<i64> {
        let room = limit.checked_sub(asked)?.checked_sub(self.held(windows, now))?;
        let current = self.current(windows, now)?;
        let Window::Sliding(length) = windows.window else {
            return (current != Span::ALL).then(|| current.end.saturating_sub(now));
        };
        let mut used = self.used(windows, now);
        let inside = self.buckets.iter().filter(|bucket| overlap(bucket.span, current));
        for bucket in inside {
            if used <= room {
                break;
            }
            used = used.saturating_sub(bucket.amount);
            if used <= room {
                return Some(bucket.span.end.saturating_add(length).saturating_sub(now).max(0));
            }
        }
        Some(0)
    }

    pub(super) fn has_fired(&self, window: Window, millionths: u32, start: i64) -> bool {
        let same = |fired: &&Fired| fired.millionths == millionths;
        let mut fired = self.fired.iter().filter(same);
        match window {
            Window::Sliding(_) => fired.next().is_some(),
            _ => fired.any(|fired| fired.start == start),
        }
    }

    /// Notes an alert. Only the newest two windows are remembered: others are over.
    pub(super) fn fire(&mut self, fired: Fired) {
        if self.fired.contains(&fired) {
            return;
        }
        self.fired.push(fired);
        let same = |other: &&Fired| other.millionths == fired.millionths;
        if 2 < self.fired.iter().filter(same).count()
            && let Some(oldest) = self.fired.iter().filter(same).map(|other| other.start).min()
        {
            self.fired.retain(|other| other.millionths != fired.millionths || other.start != oldest);
        }
    }
}

fn overlap(a: Span, b: Span) -> bool {
    a.start < b.end && b.start < a.end
}

/// Windows that end after this time are of interest: those that are not over, and the one before.
fn kept_from(windows: &mut Windows, now: i64) -> i64 {
    match windows.window {
        Window::Lifetime => i64::MIN,
        Window::Sliding(length) => now.saturating_sub(length),
        Window::Session(length) => now.saturating_sub(length),
        _ => windows.span(now).start.saturating_sub(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: i64 = 1_000_000_000;

    fn windows(text: &str) -> Windows {
        Windows::new(Window::parse(text).unwrap(), "UTC").unwrap()
    }

    proptest! {
        /// Against the sum over all events of the last hour: never less, and more only by events of the oldest step.
        #[test]
        fn a_sliding_window_never_counts_too_little_and_at_most_a_step_too_much(
            length in 1..10_000_i64,
            events in proptest::collection::vec((0..40_000_i64, 0..1000_u64), 0..300),
            asked in proptest::collection::vec(0..20_000_i64, 1..30),
        ) {
            let length = length * S + 7;
            let mut windows = Windows::new(Window::Sliding(length), "UTC").unwrap();
            let mut events: Vec<(i64, u64)> = events.into_iter().map(|(at, n)| (at * S / 2, n)).collect();
            let mut asked: Vec<i64> = asked.into_iter().map(|at| at * S).collect();
            asked.sort_unstable();
            let mut counter = Counter::default();
            events.sort_by_key(|(at, n)| (*at / 100, *n));
            let mut pending = events.iter().peekable();
            for now in asked {
                while let Some((at, amount)) = pending.next_if(|(at, _)| *at <= now) {
                    counter.add(&mut windows, *at, *amount, now);
                }
                let sum = |from: i64| {
                    let inside = events.iter().filter(|(at, _)| from < *at && *at <= now);
                    inside.map(|(_, amount)| amount).sum::<u64>()
                };
                let used = counter.used(&mut windows, now);
                prop_assert!(sum(now - length) <= used, "{} of {}", used, sum(now - length));
                let step = super::super::window::step(length);
                prop_assert!(used <= sum(now - length - step), "{} of {}", used, sum(now - length - step));
            }
        }

        #[test]
        fn the_order_in_which_events_come_changes_no_counter(
            kind in 0..5_usize,
            events in proptest::collection::vec((0..200_000_i64, 1..100_u64), 0..80),
            clock in 0..200_000_i64,
        ) {
            let kind = ["1h", "day", "sliding:1h", "lifetime", "hour"][kind];
            let mut shuffled = events.clone();
            shuffled.sort_by_key(|(at, amount)| (at.wrapping_mul(7919) % 1009, *amount));
            let count = |events: &[(i64, u64)]| {
                let (mut windows, mut counter) = (windows(kind), Counter::default());
                // The clock moves on while events come; how far it was changes nothing either.
                for (n, (at, amount)) in (0..).zip(events) {
                    counter.add(&mut windows, at * S, *amount, (clock - 100 + n).min(clock) * S);
                }
                counter.prune(&mut windows, clock * S);
                counter
            };
            prop_assert_eq!(count(&events), count(&shuffled));
        }
    }

    #[test]
    fn a_session_begins_with_its_first_event_and_the_next_after_its_end() {
        let (mut windows, mut counter) = (windows("session:5h"), Counter::default());
        let hour = 3600 * S;
        for (at, amount) in [(10, 1), (14, 2), (15, 4), (19, 8)] {
            counter.add(&mut windows, at * hour, amount, 19 * hour);
        }
        let starts: Vec<_> =
            counter.buckets.iter().map(|bucket| (bucket.span.start / hour, bucket.amount)).collect();
        assert_eq!(starts, [(10, 3), (15, 12)]);
        assert_eq!(counter.used(&mut windows, 19 * hour), 12);
        assert_eq!(counter.used(&mut windows, 20 * hour), 0, "no session runs");
        assert_eq!(counter.current(&mut windows, 20 * hour), None);
    }

    #[test]
    fn an_event_that_comes_late_moves_the_start_of_its_session() {
        let (mut windows, mut counter) = (windows("session:5h"), Counter::default());
        counter.add(&mut windows, 1000, 1, 1000);
        counter.fire(Fired { millionths: 5, start: 1000 });
        counter.add(&mut windows, 990, 2, 1000);
        assert_eq!(counter.buckets.len(), 1);
        assert_eq!((counter.buckets[0].span.start, counter.buckets[0].amount), (990, 3));
        assert!(counter.has_fired(windows.window, 5, 990));
    }

    #[test]
    fn what_was_reserved_before_midnight_is_not_held_after_it() {
        let (mut windows, mut counter) = (windows("day"), Counter::default());
        let day = 86_400 * S;
        counter.held.push(Held { id: 1, at: day - 1, amount: 70 });
        assert_eq!(counter.held(&mut windows, day - 1), 70);
        assert_eq!(counter.held(&mut windows, day), 0);
        counter.add(&mut windows, day - 1, 90, day + 5);
        assert_eq!(counter.used(&mut windows, day - 1), 90, "booked in the old window");
        assert_eq!(counter.used(&mut windows, day + 5), 0);
    }

    #[test]
    fn a_wait_is_as_long_as_the_window_or_as_its_oldest_steps() {
        let (mut windows, mut counter) = (windows("sliding:1h"), Counter::default());
        counter.add(&mut windows, 30 * S, 60, 30 * S);
        counter.add(&mut windows, 90 * S, 30, 90 * S);
        let now = 100 * S;
        assert_eq!(counter.free_after(&mut windows, now, 10, 100), Some(0));
        assert_eq!(counter.free_after(&mut windows, now, 11, 100), Some(3660 * S - now));
        assert_eq!(counter.free_after(&mut windows, now, 71, 100), Some(3720 * S - now));
        assert_eq!(counter.free_after(&mut windows, now, 101, 100), None);
        let (mut hours, counter) = (self::windows("1h"), Counter::default());
        assert_eq!(counter.free_after(&mut hours, now, 100, 100), Some(3500 * S));
    }

    #[test]
    fn the_window_before_is_kept_however_long_the_one_before_that_was() {
        let day = 86_400 * S;
        let (mut windows, mut counter) = (windows("month"), Counter::default());
        // January, February and March of 1970.
        for (at, amount) in [(10, 1), (40, 2), (60, 4)] {
            counter.add(&mut windows, at * day, amount, 60 * day);
        }
        counter.prune(&mut windows, 60 * day);
        let amounts: Vec<_> = counter.buckets.iter().map(|bucket| bucket.amount).collect();
        assert_eq!(amounts, [2, 4], "on the second of March");
        assert_eq!(windows.horizon(60 * day), 31 * day, "counting anew looks back as far");
    }

    #[test]
    fn windows_to_come_are_kept_up_to_a_number() {
        let (mut windows, mut counter) = (windows("1h"), Counter::default());
        for n in 0..1000 {
            counter.add(&mut windows, n * 3600 * S, 1, 0);
        }
        assert_eq!(counter.buckets.len(), BUCKETS_MAX);
        assert_eq!(counter.used(&mut windows, 0), 1, "those that come first");
    }
}
