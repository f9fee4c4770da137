//! Whether the clock of the machine may decide what is old enough to be deleted.
//!
//! A clock that runs ten years ahead, for an hour without a battery or by a typing mistake, would make everything older than
//! any limit, and one round would delete it all. So deletions by age wait when the clock is far ahead of the last time that
//! the store knows to have been: for [`HOLD`], which is longer than a weekend, since a store that was left alone for long
//! looks the same. Then they go on by themselves. Whoever says the time (`logq --now`) is believed at once.
//!
//! What the store knows is kept in the file of the lock of maintenance, which the holder of the lock alone writes. It is no
//! part of the store: without it the arrivals of the records tell the same, less exactly.
//!
//! ```text
//! off  size  field   meaning
//!   0     8  magic   "LOGQCLK" and 0x01
//!   8     8  steady  the clock of the last round that was in no doubt, ns since 1970
//!  16     8  doubt   the clock when doubt began; the least number: there is none
//!  24     4  crc     CRC-32 of bytes 0..24
//! ```

use crate::core::Core;
use crate::error::{Error, Result};
use crate::format::crc;
use crate::format::name::{DAY_NS, FileName};
use crate::io::{File, OpenMode};
use crate::manifest::State;

/// The clock may be so far ahead of what is known: a round a month is no jump.
const JUMP: i64 = 35 * DAY_NS;
/// So long deletions by age wait after a jump.
const HOLD: i64 = 3 * DAY_NS;
/// The note is written again when it is so much behind.
const NOTE_EVERY: i64 = DAY_NS / 24;
const MAGIC: &[u8; 8] = b"LOGQCLK\x01";
const SIZE: usize = 28;

/// Deletions by age that wait, since the clock is far ahead of what the store knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The last time that is known to have been, nanoseconds since 1970.
    pub known: i64,
    /// What the clock says.
    pub now: i64,
    /// What the clock said in the first round that did not believe it; where none has run since the jump, what it says.
    pub since: i64,
    /// They go on when the clock says this, unless it jumps again.
    pub until: i64,
}

/// What the last round knew of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    steady: i64,
    doubt: Option<i64>,
}

impl Note {
    fn encode(self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.steady.to_le_bytes());
        out.extend_from_slice(&self.doubt.unwrap_or(i64::MIN).to_le_bytes());
        let check = crc(&[&out]);
        out.extend_from_slice(&check.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(i64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let check = u32::from_le_bytes(*bytes.get(24..)?.first_chunk()?);
        if bytes.get(..8)? != MAGIC || check != crc(&[bytes.get(..24)?]) {
            return None;
        }
        Some(Self { steady: word(8)?, doubt: Some(word(16)?).filter(|doubt| *doubt != i64::MIN) })
    }

    /// What the file of the lock says; nothing where it is empty or does not hold.
    pub(super) fn read(core: &Core) -> Option<Self> {
        let path = FileName::MaintenanceLock.path(&core.dir);
        let file = core.vfs.open(&path, OpenMode::Read).ok()?;
        let mut bytes = [0; SIZE];
        let size = file.read_at(0, &mut bytes).ok()?;
        Self::decode(bytes.get(..size)?)
    }

    /// Writes what is known now, if that is news.
    pub(super) fn write(self, before: Option<Self>, file: &dyn File, core: &Core) -> Result<()> {
        let old = |before: Self| {
            before.doubt == self.doubt
                && self.steady.saturating_sub(before.steady).unsigned_abs() < NOTE_EVERY.unsigned_abs()
        };
        if before.is_some_and(old) {
            return Ok(());
        }
        let path = FileName::MaintenanceLock.path(&core.dir);
        let failed = |error| Error::io("the time of the round cannot be noted", &path, error);
        file.write_at(0, &self.encode()).map_err(failed)?;
        file.sync_data().map_err(failed)
    }
}

/// What is known when the clock says `now`, and whether deletions by age wait.
pub(super) fn judge(note: Option<Note>, state: &State, now: i64) -> (Option<Note>, Option<Held>) {
    let Some(known) = known(note, state, now) else { return (note, None) };
    let sure = Note { steady: now, doubt: None };
    if now.saturating_sub(known) <= JUMP {
        return (Some(sure), None);
    }
    // A clock that went back meanwhile, or jumped again, begins anew.
    let goes_on = |since: &i64| *since <= now && now.saturating_sub(*since) <= JUMP;
    let since = note.and_then(|note| note.doubt).filter(goes_on).unwrap_or(now);
    if HOLD <= now.saturating_sub(since) {
        return (Some(sure), None);
    }
    let held = Held { known, now, since, until: since.saturating_add(HOLD) };
    (Some(Note { steady: known, doubt: Some(since) }), Some(held))
}

/// The deletions by age that wait, as the next round would find when the clock says `now`. Where the options of the store
/// delete nothing by age, only when a round said so: it may have had rules that the store does not know.
pub(crate) fn held(core: &Core, state: &State, now: i64) -> Option<Held> {
    let note = Note::read(core);
    let asked = core.settings().deletes_by_age() || note.is_some_and(|note| note.doubt.is_some());
    judge(note, state, now).1.filter(|_| asked)
}

/// The last time that is known to have been: that of the last round, or later ones that arrivals lead to step by step. Where
/// there was no round, from the first arrival on. A segment whose arrivals lie far apart tells of its first alone: a jump may
/// lie between.
fn known(note: Option<Note>, state: &State, now: i64) -> Option<i64> {
    let mut spans: Vec<(i64, i64)> = state
        .segments
        .values()
        .map(|entry| (entry.arrived_min, entry.arrived_max))
        .map(|(from, to)| (from, if to.saturating_sub(from) <= JUMP { to } else { from }))
        .collect();
    spans.sort_unstable();
    let first = spans.first().map(|(from, _)| *from);
    let mut known = note.map(|note| note.steady).or(first)?;
    for (from, to) in spans {
        if JUMP < from.saturating_sub(known) {
            break;
        }
        known = known.max(to);
    }
    Some(known.min(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::manifest::SegmentEntry;

    const START: i64 = 1_700_000_000_000_000_000;

    fn state(spans: &[(i64, i64)]) -> State {
        let entry = |&(from, to): &(i64, i64)| SegmentEntry {
            day: None,
            size: 1,
            records: 1,
            time_min: 0,
            time_max: 0,
            arrived_min: START + from * DAY_NS,
            arrived_max: START + to * DAY_NS,
        };
        State { segments: (0..).zip(spans.iter().map(entry)).collect(), ..State::default() }
    }

    /// Whether deletions wait in each of the rounds at these days.
    fn rounds(state: &State, days: &[i64]) -> Vec<bool> {
        let mut note = None;
        let mut held = Vec::new();
        for day in days {
            let (known, waits) = judge(note, state, START + day * DAY_NS);
            note = known.and_then(|note| Note::decode(&note.encode()));
            assert_eq!(note, known, "a note that is written is read");
            held.push(waits.is_some());
        }
        held
    }

    #[test]
    fn a_clock_that_goes_on_as_clocks_do_is_believed() {
        assert_eq!(rounds(&state(&[(0, 1)]), &[1, 2, 30, 60, 94, 95]), [false; 6]);
        // No round for a year, while records arrived all the time.
        let busy: Vec<(i64, i64)> = (0..36).map(|at| (at * 10, at * 10 + 9)).collect();
        assert_eq!(rounds(&state(&busy), &[5, 370]), [false, false]);
        assert_eq!(rounds(&state(&[]), &[0, 3650]), [false, false], "an empty store has nothing to lose");
    }

    #[test]
    fn after_a_jump_deletions_wait_for_days_and_then_go_on() {
        assert_eq!(
            rounds(&state(&[(0, 1)]), &[1, 3651, 3652, 3653, 3654, 3655]),
            [false, true, true, true, false, false]
        );
        // Also in the first round that there is, and when records arrived on the wrong clock, in segments of their own or not.
        assert_eq!(rounds(&state(&[(0, 1)]), &[3651]), [true]);
        assert_eq!(rounds(&state(&[(0, 1), (3650, 3651)]), &[1, 3651]), [false, true]);
        assert_eq!(rounds(&state(&[(0, 3650)]), &[3651]), [true]);
    }

    #[test]
    fn a_clock_that_comes_back_or_jumps_on_begins_anew() {
        let state = state(&[(0, 1)]);
        assert_eq!(rounds(&state, &[1, 3651, 2, 3651, 3653]), [false, true, false, true, true]);
        assert_eq!(rounds(&state, &[1, 3651, 7300, 7302, 7303]), [false, true, true, true, false]);
        assert_eq!(
            rounds(&state, &[1, -365, 1, 2]),
            [false, false, true, true],
            "a year back, and right again"
        );
    }

    #[test]
    fn a_note_that_does_not_hold_is_none() {
        let bytes = Note { steady: START, doubt: Some(START) }.encode();
        assert_eq!(bytes.len(), SIZE);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_eq!(Note::decode(&bad), None);
            assert_eq!(Note::decode(&bytes[..at]), None);
        }
    }
}
