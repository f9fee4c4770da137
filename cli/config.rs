//! Settings: what was typed, else the environment, else the nearest `logq.toml`, else the default.
//!
//! Nothing is looked up before a command asks for it, so that `append` starts as fast as it can.

use std::cell::OnceCell;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use logq_engine::Options;

use crate::args::{Color, Output, Shared};
use crate::exit::{Failure, Outcome};
use crate::settings::{self, Settings};
use crate::ui::Ui;

/// The file that marks a directory as a store.
const SETTINGS: &str = settings::FILE;

/// The settings of one run.
pub(crate) struct Config {
    typed: Shared,
    pub(crate) ui: Ui,
    file: OnceCell<Settings>,
}

impl Config {
    /// The settings that follow from what was typed.
    pub(crate) fn new(typed: Shared) -> Self {
        let mut config = Self { ui: Ui::new(Color::Auto), typed, file: OnceCell::new() };
        config.ui = Ui::new(config.color());
        config
    }

    /// The settings file of the store.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub(crate) fn file(&self) -> Outcome<&Settings> {
        if let Some(read) = self.file.get() {
            return Ok(read);
        }
        let read = Settings::read(&self.store()?)?;
        Ok(self.file.get_or_init(|| read))
    }

    /// The options of the store, from its settings file.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub(crate) fn options(&self) -> Outcome<Options> {
        Ok(self.file()?.options())
    }

    /// When to use colour. A file that does not read is complained of where its settings matter.
    fn color(&self) -> Color {
        let said = || self.file().ok().and_then(|file| file.color);
        self.typed.color.or_else(said).unwrap_or(Color::Auto)
    }

    /// The name of the time zone that was typed, else that of the file.
    fn zone_name(&self) -> Option<String> {
        let said = || self.file().ok().and_then(|file| file.tz.clone());
        self.typed.tz.clone().or_else(said)
    }

    /// The store that was named on the command line, and no other.
    pub(crate) fn named_store(&self) -> Option<&Path> {
        self.typed.store.as_deref()
    }

    /// The directory of the store, whether or not one is there.
    pub(crate) fn store(&self) -> Outcome<PathBuf> {
        if let Some(typed) = &self.typed.store {
            return Ok(typed.clone());
        }
        if let Some(named) = variable("LOGQ_STORE") {
            return Ok(named.into());
        }
        let here = env::current_dir().unwrap_or_default();
        if let Some(found) = upwards(&here) {
            return Ok(found);
        }
        let data = match (variable("XDG_DATA_HOME"), variable("HOME")) {
            // The specification of XDG_DATA_HOME says that a relative path is to be ignored.
            (Some(data), _) if Path::new(&data).is_absolute() => PathBuf::from(data),
            (_, Some(home)) => Path::new(&home).join(".local/share"),
            _ => {
                return Err(Failure::bad("no store is named and there is no home directory")
                    .help("name one with --store DIR"));
            }
        };
        Ok(data.join("logq"))
    }

    /// How the answer is written.
    pub(crate) fn output(&self) -> Output {
        let said = || self.file().ok().and_then(|file| file.output);
        self.typed.output.or_else(said).unwrap_or(Output::Table)
    }

    /// Every setting: its name, its value, and where that comes from.
    pub(crate) fn settings(&self) -> Outcome<Vec<Setting>> {
        let from = |typed: bool, variable_name: &'static str, default: &'static str| match typed {
            true => "the command line".to_owned(),
            false if variable(variable_name).is_some() => variable_name.to_owned(),
            false => default.to_owned(),
        };
        self.zone()?;
        let store = self.store()?;
        let here = env::current_dir().unwrap_or_default();
        let store_from = match from(self.typed.store.is_some(), "LOGQ_STORE", "").as_str() {
            "" if upwards(&here).is_some() => format!("{SETTINGS} in {}", store.display()),
            "" => "the default".to_owned(),
            other => other.to_owned(),
        };
        let now = match self.now()? {
            Some(ns) => {
                jiff::Timestamp::from_nanosecond(i128::from(ns)).map_or(ns.to_string(), |at| at.to_string())
            }
            None => "the clock".to_owned(),
        };
        let file = self.file()?;
        let or_file = |typed: bool, variable_name: &'static str, key: &str| match file.origin(key) {
            Some(origin) if !typed && variable(variable_name).is_none() => origin,
            _ => from(typed, variable_name, "the default"),
        };
        let setting = |name, value, from| Setting { name, value, from };
        let mut all = vec![
            setting("store", store.display().to_string(), store_from),
            setting("now", now, from(self.typed.now.is_some(), "LOGQ_NOW", "the default")),
            setting(
                "tz",
                self.zone_name().unwrap_or_else(|| "UTC".to_owned()),
                or_file(self.typed.tz.is_some(), "", "tz"),
            ),
            setting(
                "output",
                self.output().as_str().to_owned(),
                or_file(self.typed.output.is_some(), "", "output"),
            ),
            setting(
                "color",
                self.color().as_str().to_owned(),
                or_file(self.typed.color.is_some(), "NO_COLOR", "color"),
            ),
        ];
        all.extend(file.shown().into_iter().map(|(name, value, from)| setting(name, value, from)));
        Ok(all)
    }

    /// How the answer is written, where that was typed.
    pub(crate) fn typed_output(&self) -> Option<Output> {
        self.typed.output
    }

    /// The name of the time zone that was typed.
    pub(crate) fn typed_zone(&self) -> Option<&str> {
        self.typed.tz.as_deref()
    }

    /// The time zone of calendar words and of shown times.
    pub(crate) fn zone(&self) -> Outcome<TimeZone> {
        self.zone_name().map_or(Ok(TimeZone::UTC), |name| zone(&name))
    }

    /// The clock of queries, where one was given: nanoseconds since 1970.
    pub(crate) fn now(&self) -> Outcome<Option<i64>> {
        let (text, from) = match (&self.typed.now, variable("LOGQ_NOW")) {
            (Some(typed), _) => (typed.clone(), "--now"),
            (None, Some(named)) => (named, "LOGQ_NOW"),
            (None, None) => return Ok(None),
        };
        self.moment(&text, from).map(Some)
    }

    /// The time that an option says.
    pub(crate) fn moment(&self, text: &str, option: &str) -> Outcome<i64> {
        moment(text, &self.zone()?).ok_or_else(|| {
            Failure::bad(format!("{option} is no time: `{text}`"))
                .help("a time is 2026-11-22T16:00:00Z, 2026-11-22, or seconds (ms, us, ns) since 1970")
        })
    }
}

/// One setting, for showing.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) from: String,
}

/// An environment variable that is set, not empty and text.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The nearest directory, from `start` upwards, that holds a settings file.
fn upwards(start: &Path) -> Option<PathBuf> {
    start
        .ancestors()
        .find(|dir| fs::metadata(dir.join(SETTINGS)).is_ok_and(|file| file.is_file()))
        .map(Into::into)
}

/// A time zone by its IANA name, `local`, or an offset such as `+02:00`.
pub(crate) fn zone(name: &str) -> Outcome<TimeZone> {
    let found = if name == "local" { Some(TimeZone::system()) } else { logq_query::zone(name) };
    found.ok_or_else(|| {
        Failure::bad(format!("no time zone has the name `{name}`"))
            .help("a zone is a name such as Europe/Berlin, an offset such as +02:00, UTC or local")
    })
}

/// A moment: RFC 3339, a date, a date with a time (both in `zone`), or a number since 1970 whose size tells its unit.
pub(crate) fn moment(text: &str, zone: &TimeZone) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return epoch(number);
    }
    let time = text
        .parse::<jiff::Timestamp>()
        .or_else(|_| text.parse::<jiff::civil::DateTime>().and_then(|civil| zone.to_timestamp(civil)))
        .or_else(|_| {
            text.parse::<jiff::civil::Date>().and_then(|date| zone.to_timestamp(date.at(0, 0, 0, 0)))
        })
        .ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

/// A number since 1970 in nanoseconds. Below 10^11 it is seconds (the year 5138), below 10^14
/// milliseconds, below 10^17 microseconds.
fn epoch(number: i64) -> Option<i64> {
    number.checked_mul(match number.unsigned_abs() {
        0..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_in_every_form() {
        let second = 1_763_827_200; // 2025-11-22T16:00:00Z
        for (text, want) in [
            ("2025-11-22T16:00:00Z", Some(second)),
            ("2025-11-22T17:00:00+01:00", Some(second)),
            ("2025-11-22 16:00:00", Some(second)),
            ("2025-11-22T16:00", Some(second)),
            ("2025-11-22", Some(second - 16 * 3600)),
            ("1763827200", Some(second)),
            ("1763827200000", Some(second)),
            ("1763827200000000", Some(second)),
            ("1763827200000000000", Some(second)),
            ("soon", None),
            ("", None),
            ("99999999999999999999", None),
            ("9999-01-01", None),
        ] {
            assert_eq!(moment(text, &TimeZone::UTC), want.map(|s| s * 1_000_000_000), "{text}");
        }
    }

    #[test]
    fn zones_have_names_and_offsets() {
        let at = jiff::Timestamp::UNIX_EPOCH;
        for (name, seconds) in
            [("UTC", 0), ("Z", 0), ("+02:00", 7200), ("-0330", -12600), ("Asia/Tokyo", 32400)]
        {
            assert_eq!(zone(name).unwrap().to_offset(at).seconds(), seconds, "{name}");
        }
        for name in ["", "Mars/Olympus", "+99:99", "+", "02:00"] {
            assert!(zone(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_nearest_settings_file_upwards_marks_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        assert_ne!(upwards(&deep), Some(dir.path().join("a")));
        fs::write(dir.path().join("a").join(SETTINGS), "").unwrap();
        assert_eq!(upwards(&deep), Some(dir.path().join("a")));
        fs::create_dir(dir.path().join("a/b").join(SETTINGS)).unwrap();
        assert_eq!(upwards(&deep), Some(dir.path().join("a")));
    }
}
