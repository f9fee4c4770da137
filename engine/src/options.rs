//! How a store is opened and how durable its writes are; limits with their reasons.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// When a write counts as done. A caller says it; nothing is durable by accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Visible to every process and safe from a crash of this one, not from a crash of the machine.
    Buffered,
    /// As `Buffered`, and on disk within this time (1 ms to 1 h): a background thread syncs what many
    /// callers wrote.
    Interval(Duration),
    /// On disk when `append` returns; callers that wait at the same time share one sync.
    Synced,
}

impl Default for Durability {
    /// At most one second of acknowledged records is lost when the machine stops.
    fn default() -> Self {
        Self::Interval(Duration::from_secs(1))
    }
}

/// Bytes that an active file reserves. A file is the unit of sealing and of recovery.
pub const FILE_SIZE: u64 = 16 << 20;
/// Records that a file holds at most: a block of a sealed segment, and what an id jumps over after a crash.
pub const FILE_RECORDS_MAX: u64 = 65_536;
/// One batch holds at most this many bytes of frames.
pub const BATCH_SIZE_MAX: u64 = 64 << 20;
/// A file smaller than this could not hold its head and one frame of the usual size.
const FILE_SIZE_MIN: u64 = 16 << 10;
/// Frame headers store an offset in 32 bits of 8-byte units; 1 GiB leaves room.
const FILE_SIZE_MAX: u64 = 1 << 30;

/// A round that is slower would hold the lock of maintenance for days.
const MAINTAIN_RATE_MIN: u64 = 64 << 10;

/// How to open a store. `Options::default()` suits most programs.
///
/// ```
/// use logq_engine::{Durability, Options};
/// let options = Options { durability: Durability::Synced, ..Options::default() };
/// options.validate().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// What writers of [`crate::Store::writer`] promise. Default: on disk within one second.
    pub durability: Durability,
    /// Make the store when there is none. Default: true.
    pub create: bool,
    /// Never write, lock or create anything. Default: false.
    pub read_only: bool,
    /// Bytes that each active file reserves, 16 KiB to 1 GiB. Default: 16 MiB. A larger record gets a
    /// file of its own size.
    pub file_size: u64,
    /// A file takes no more records this long after its creation. Default: 10 minutes.
    pub seal_after: Duration,
    /// Bytes of unsealed files at which a writer seals them itself, or waits for whoever does, or returns
    /// [`ErrorKind::Full`]. Default: 1 GiB.
    pub unsealed_max: u64,
    /// Whether a process that has a writer open for a while seals and merges in the background. Default:
    /// true.
    pub maintain: bool,
    /// Bytes that a round of maintenance reads and writes a second, about, at least 64 KiB; it rests when it was faster, but
    /// not while writers are about to wait for room. Sealing that somebody waits for is not held back. `None`: no limit.
    /// Default: `None`.
    pub maintain_bytes_per_second: Option<u64>,
    /// Percent of the time that a round of maintenance works, 1 to 100; it rests for the others. The columns of a block are
    /// encoded on all cores at once, so the share of one core may be more. Default: 100.
    pub maintain_cpu_share: u8,
    /// Segments whose youngest arrival is so long ago are rolled into the archive; `None`: never. Default:
    /// 7 days.
    pub archive_after: Option<Duration>,
    /// Segments whose youngest arrival is so long ago are deleted; `None`: never. Default: `None`.
    pub retain_for: Option<Duration>,
    /// Prompts and responses of segments whose youngest arrival is so long ago are dropped; the events stay, with the word
    /// `body_dropped` in `_flags`. `None`: never. Default: `None`.
    pub retain_bodies_for: Option<Duration>,
    /// Bytes that the files of the store may take: beyond, the segments whose youngest record arrived first are deleted, one by one;
    /// `None`: no limit. Whole segments go, and the one whose records arrived last stays, so that the store may take more by up to a
    /// segment; records that are not sealed yet count and are not deleted. Default: `None`.
    pub retain_bytes: Option<u64>,
    /// Bytes of the disk that are to stay free for this user, whoever fills it: below, segments are deleted as for
    /// `retain_bytes`; 0: never. Default: 0.
    pub keep_free_bytes: u64,
    /// Records that a segment must have for an index over its words: a smaller one is scanned as fast.
    /// Default: 65,536.
    pub word_index_min: u64,
    /// Whether long texts of a segment that repeat each other, as the turns of a chat do, are kept once. Default: true.
    pub share_texts: bool,
    /// How long a replaced file waits for readers that may be about to open it. Default: 10 minutes.
    pub reader_grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            create: true,
            read_only: false,
            file_size: FILE_SIZE,
            seal_after: Duration::from_mins(10),
            unsealed_max: 1 << 30,
            maintain: true,
            maintain_bytes_per_second: None,
            maintain_cpu_share: 100,
            archive_after: Some(Duration::from_hours(7 * 24)),
            retain_for: None,
            retain_bodies_for: None,
            retain_bytes: None,
            keep_free_bytes: 0,
            word_index_min: 65_536,
            share_texts: true,
            reader_grace: Duration::from_mins(10),
        }
    }
}

impl Options {
    /// Whether anything goes by age.
    pub(crate) fn deletes_by_age(&self) -> bool {
        self.retain_for.is_some() || self.retain_bodies_for.is_some()
    }

    /// The name of an option that differs and that is settled when a store is opened.
    pub(crate) fn fixed_difference(&self, other: &Self) -> Option<&'static str> {
        let fixed = [
            ("create", self.create == other.create),
            ("read_only", self.read_only == other.read_only),
            ("file_size", self.file_size == other.file_size),
            ("seal_after", self.seal_after == other.seal_after),
            ("maintain", self.maintain == other.maintain),
        ];
        fixed.into_iter().find(|(_, same)| !same).map(|(name, _)| name)
    }

    /// Checks that every option is in its range.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] naming the option and its range.
    pub fn validate(&self) -> Result<()> {
        let invalid = |what: &str| Err(Error::new(ErrorKind::Invalid, what));
        if self.file_size < FILE_SIZE_MIN || FILE_SIZE_MAX < self.file_size {
            return invalid("file_size must be 16 KiB to 1 GiB");
        }
        if let Durability::Interval(every) = self.durability
            && (every < Duration::from_millis(1) || Duration::from_hours(1) < every)
        {
            return invalid("the interval of Durability::Interval must be 1 ms to 1 h");
        }
        if self.maintain_bytes_per_second.is_some_and(|rate| rate < MAINTAIN_RATE_MIN) {
            return invalid("maintain_bytes_per_second must be 64 KiB at least");
        }
        if !(1..=100).contains(&self.maintain_cpu_share) {
            return invalid("maintain_cpu_share must be 1 to 100");
        }
        if self.unsealed_max < self.file_size {
            return invalid("unsealed_max must hold at least one file");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_checked_on_both_sides() {
        let check = |options: Options| options.validate().is_ok();
        let base = Options::default;
        assert!(check(base()));
        assert!(check(Options { file_size: FILE_SIZE_MIN, ..base() }));
        assert!(!check(Options { file_size: FILE_SIZE_MIN - 1, ..base() }));
        assert!(check(Options { file_size: FILE_SIZE_MAX, ..base() }));
        assert!(!check(Options { file_size: FILE_SIZE_MAX + 1, ..base() }));
        assert!(!check(Options { unsealed_max: base().file_size - 1, ..base() }));
        let rate = |rate| Options { maintain_bytes_per_second: Some(rate), ..base() };
        assert!(check(rate(MAINTAIN_RATE_MIN)) && !check(rate(MAINTAIN_RATE_MIN - 1)));
        for (share, good) in [(0, false), (1, true), (100, true), (101, false)] {
            assert_eq!(check(Options { maintain_cpu_share: share, ..base() }), good, "{share} percent");
        }
        for (every, good) in [(0, false), (1, true), (3_600_000, true), (3_600_001, false)] {
            let durability = Durability::Interval(Duration::from_millis(every));
            assert_eq!(check(Options { durability, ..base() }), good, "{every} ms");
        }
    }
}
