//! Names of a store's files: built and parsed here and nowhere else.

use std::fmt;
use std::path::{Path, PathBuf};

/// The folder of active files and slot locks.
pub(crate) const ACTIVE_DIR: &str = "active";
/// The folder of import progress caches, locks and reject files.
pub(crate) const IMPORTS_DIR: &str = "imports";
/// The folder that damaged pieces are moved to.
pub(crate) const QUARANTINE_DIR: &str = "quarantine";

/// The folder of sealed segments.
pub(crate) const SEGMENTS_DIR: &str = "segments";
/// The folder of the archive; in it a folder for each year, month and day.
pub(crate) const ARCHIVE_DIR: &str = "archive";

/// The folder of the definitions and counters of budgets.
pub(crate) const BUDGETS_DIR: &str = "budgets";

/// Held by whoever makes a backup in a folder.
pub(crate) const BACKUP_LOCK: &str = "BACKUP.lock";

/// Whether a file is only there to be locked.
pub(crate) fn is_lock(name: &str) -> bool {
    name.ends_with(".lock")
}

/// A file of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FileName {
    /// Which files are the store.
    Manifest,
    /// A manifest being rewritten.
    ManifestNew,
    /// Held for one edit of the manifest.
    ManifestLock,
    /// Held shared by every snapshot.
    ReadersLock,
    /// Held by a slot's writer.
    SlotLock { slot: u32 },
    /// Frames.
    Active { slot: u32, number: u64 },
    /// Held by the process that imports a source.
    SourceLock { hash: u64 },
    /// Held by the one process that seals, merges, rolls or expires.
    MaintenanceLock,
    /// Columns; in the archive when it has a day.
    Segment { id: u64, day: Option<Day> },
    /// A segment being written.
    SegmentNew { id: u64 },
    /// What the budgets are.
    BudgetDefinitions,
    /// Definitions being written.
    BudgetDefinitionsNew,
    /// The counters of budgets.
    BudgetTable,
    /// A table being written.
    BudgetTableNew,
    /// Held for one change of the counters.
    BudgetLock,
    /// Which alerts were delivered.
    Outbox,
    /// That, being written.
    OutboxNew,
    /// Held by the process that delivers alerts.
    OutboxLock,
    /// Says that a segment is being taken away for good, so that nobody takes it for a lost one.
    Tombstone { id: u64 },
}

/// A day of the archive: days since 1970-01-01, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(pub(crate) i32);

impl Day {
    /// The day of a time in nanoseconds since 1970.
    pub(crate) fn of(time: i64) -> Self {
        Self(i32::try_from(time.div_euclid(DAY_NS)).unwrap_or(0))
    }

    /// Year, month and day of the month (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    pub(crate) fn civil(self) -> (i64, i64, i64) {
        let days = i64::from(self.0) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_index + 2) / 5 + 1;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
        (year_of_era + era * 400 + i64::from(month <= 2), month, day)
    }
}

impl fmt::Display for Day {
    /// As the path of its folder in the archive.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}/{month:02}/{day:02}")
    }
}

/// A day in nanoseconds.
pub(crate) const DAY_NS: i64 = 86_400_000_000_000;

impl FileName {
    /// The file's path inside `store`.
    pub(crate) fn path(self, store: &Path) -> PathBuf {
        match self {
            Self::SlotLock { .. } | Self::Active { .. } => store.join(ACTIVE_DIR).join(self.to_string()),
            Self::SourceLock { .. } => store.join(IMPORTS_DIR).join(self.to_string()),
            Self::Segment { .. }
            | Self::SegmentNew { .. }
            | Self::BudgetDefinitions
            | Self::BudgetDefinitionsNew
            | Self::BudgetTable
            | Self::BudgetTableNew
            | Self::BudgetLock
            | Self::Outbox
            | Self::OutboxNew
            | Self::OutboxLock
            | Self::Tombstone { .. } => self.folder(store).join(self.to_string()),
            _ => store.join(self.to_string()),
        }
    }

    /// The folder that holds the file.
    pub(crate) fn folder(self, store: &Path) -> PathBuf {
        match self {
            Self::SlotLock { .. } | Self::Active { .. } => store.join(ACTIVE_DIR),
            Self::SourceLock { .. } => store.join(IMPORTS_DIR),
            Self::BudgetDefinitions
            | Self::BudgetDefinitionsNew
            | Self::BudgetTable
            | Self::BudgetTableNew
            | Self::BudgetLock
            | Self::Outbox
            | Self::OutboxNew
            | Self::OutboxLock => store.join(BUDGETS_DIR),
            Self::Segment { day: Some(day), .. } => store.join(ARCHIVE_DIR).join(day.to_string()),
            Self::Segment { .. } | Self::SegmentNew { .. } | Self::Tombstone { .. } => {
                store.join(SEGMENTS_DIR)
            }
            _ => store.into(),
        }
    }

    /// The file's name from the store's folder on.
    pub(crate) fn relative(self) -> String {
        match self {
            Self::SlotLock { .. } | Self::Active { .. } => format!("{ACTIVE_DIR}/{self}"),
            Self::SourceLock { .. } => format!("{IMPORTS_DIR}/{self}"),
            Self::BudgetDefinitions
            | Self::BudgetDefinitionsNew
            | Self::BudgetTable
            | Self::BudgetTableNew
            | Self::BudgetLock
            | Self::Outbox
            | Self::OutboxNew
            | Self::OutboxLock => format!("{BUDGETS_DIR}/{self}"),
            Self::Segment { day: Some(day), .. } => format!("{ARCHIVE_DIR}/{day}/{self}"),
            Self::Segment { .. } | Self::SegmentNew { .. } | Self::Tombstone { .. } => {
                format!("{SEGMENTS_DIR}/{self}")
            }
            _ => self.to_string(),
        }
    }

    /// Reads a name out of the folder of segments, or out of that of a day of the archive; other names are
    /// `None`.
    pub(crate) fn parse_segment(name: &str, day: Option<Day>) -> Option<Self> {
        let (stem, kind) = name.split_once('.')?;
        let id = stem.parse().ok()?;
        let parsed = match (kind, day) {
            ("seg", day) => Self::Segment { id, day },
            ("new", None) => Self::SegmentNew { id },
            ("gone", None) => Self::Tombstone { id },
            _ => return None,
        };
        (parsed.to_string() == name).then_some(parsed)
    }

    /// Reads a name out of the active folder; other names are `None`.
    pub(crate) fn parse_active(name: &str) -> Option<Self> {
        let parsed = if let Some(stem) = name.strip_suffix(".log") {
            let (slot, number) = stem.split_once('-')?;
            Self::Active { slot: slot.parse().ok()?, number: number.parse().ok()? }
        } else {
            Self::SlotLock { slot: name.strip_suffix(".lock")?.parse().ok()? }
        };
        // Other spellings of the same number ("+1", "01") are other files.
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest => f.write_str("MANIFEST"),
            Self::ManifestNew => f.write_str("MANIFEST.new"),
            Self::ManifestLock => f.write_str("MANIFEST.lock"),
            Self::ReadersLock => f.write_str("readers.lock"),
            Self::SlotLock { slot } => write!(f, "{slot}.lock"),
            Self::Active { slot, number } => write!(f, "{slot}-{number}.log"),
            Self::SourceLock { hash } => write!(f, "{hash:016x}.lock"),
            Self::MaintenanceLock => f.write_str("maintenance.lock"),
            Self::Segment { id, .. } => write!(f, "{id}.seg"),
            Self::SegmentNew { id } => write!(f, "{id}.new"),
            Self::BudgetDefinitions => f.write_str("definitions"),
            Self::BudgetDefinitionsNew => f.write_str("definitions.new"),
            Self::BudgetTable => f.write_str("table"),
            Self::BudgetTableNew => f.write_str("table.new"),
            Self::BudgetLock => f.write_str("table.lock"),
            Self::Outbox => f.write_str("outbox"),
            Self::OutboxNew => f.write_str("outbox.new"),
            Self::OutboxLock => f.write_str("outbox.lock"),
            Self::Tombstone { id } => write!(f, "{id}.gone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_of_the_archive_lies_in_the_folder_of_its_day() {
        for (time, path) in [
            (0, "archive/1970/01/01/7.seg"),
            (1_763_769_600_000_000_000, "archive/2025/11/22/7.seg"),
            (951_782_400_000_000_000, "archive/2000/02/29/7.seg"),
            (-1, "archive/1969/12/31/7.seg"),
            (i64::MIN, "archive/1677/09/21/7.seg"),
            (i64::MAX, "archive/2262/04/11/7.seg"),
        ] {
            assert_eq!(FileName::Segment { id: 7, day: Some(Day::of(time)) }.relative(), path);
        }
        let segment = FileName::Segment { id: 7, day: None };
        assert_eq!(FileName::parse_segment("7.seg", None), Some(segment));
        for other in ["07.seg", "7.seg.new", "7", ".seg", "7.seg ", "x.seg"] {
            assert_eq!(FileName::parse_segment(other, None), None, "{other}");
        }
    }

    #[test]
    fn a_name_reads_back() {
        for name in [FileName::SlotLock { slot: 0 }, FileName::Active { slot: 7, number: 12 }] {
            assert_eq!(FileName::parse_active(&name.to_string()), Some(name));
        }
        for other in ["", "x", "1-2", "01-2.log", "1-+2.log", "1-2.log~", "-1.lock", "../1-2.log"] {
            assert_eq!(FileName::parse_active(other), None, "{other}");
        }
    }
}
