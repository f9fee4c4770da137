//! The settings file: `logq.toml` in the folder of a store.
//!
//! Every key has a default. A key that nobody knows, a value of another kind or out of range is an error that names the file,
//! the key and the nearest right one: a setting that is not heeded is worse than none. The names of the log manager that logq
//! replaces are accepted beside ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use logq_engine::budget::{Budgets, Measure, Threshold, Window};
use logq_engine::{Durability, Options, value};
use toml::{Table, Value};

use crate::args::{Color, Output};
use crate::config;
use crate::exit::{Failure, Outcome};
use crate::ui;

/// The file's name.
pub(crate) const FILE: &str = "logq.toml";
/// How alike two names must be for one to be proposed in the place of the other, from 0 to 1.
const ALIKE: f64 = 0.75;

/// A key, its older names, and what it is for.
struct Key {
    name: &'static str,
    older: &'static [&'static str],
}

const fn key(name: &'static str, older: &'static [&'static str]) -> Key {
    Key { name, older }
}

/// All keys, in the order in which `config show` lists them.
const KEYS: [Key; 23] = [
    key("tz", &[]),
    key("output", &[]),
    key("color", &[]),
    key("durability", &[]),
    key("background", &["compression_enabled"]),
    key("seal_after", &[]),
    key("unsealed_max", &[]),
    key("reader_grace", &[]),
    key("maintain_bytes_per_second", &[]),
    key("maintain_cpu_share", &[]),
    key("archive", &["archive_enabled"]),
    key("archive_after", &[]),
    key("retain", &["cleanup_enabled"]),
    key("retain_for", &[]),
    key("retain_bodies_for", &[]),
    key("retain_bytes", &[]),
    key("keep_free_bytes", &[]),
    key("budgets", &["token_monitoring_enabled"]),
    key("tokens_per_hour", &["max_tokens_per_hour"]),
    key("tokens_per_day", &["max_tokens_per_day"]),
    key("warn_at", &["token_warning_threshold"]),
    key("alerts.exec", &[]),
    key("alerts.timeout", &[]),
];
/// A key of the replaced system whose only value here is true: events always are in the store.
const ALWAYS: &str = "database_logging_enabled";

/// What the file says, as far as it says something.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    path: PathBuf,
    pub(crate) tz: Option<String>,
    pub(crate) output: Option<Output>,
    pub(crate) color: Option<Color>,
    durability: Option<Durability>,
    background: Option<bool>,
    seal_after: Option<Duration>,
    unsealed_max: Option<u64>,
    reader_grace: Option<Duration>,
    maintain_bytes_per_second: Option<u64>,
    maintain_cpu_share: Option<u8>,
    archive: Option<bool>,
    archive_after: Option<Option<Duration>>,
    retain: Option<bool>,
    retain_for: Option<Option<Duration>>,
    retain_bodies_for: Option<Option<Duration>>,
    retain_bytes: Option<u64>,
    keep_free_bytes: Option<u64>,
    budgets: Option<bool>,
    tokens_per_hour: Option<u64>,
    tokens_per_day: Option<u64>,
    warn_at: Option<Threshold>,
    pub(crate) alerts_exec: Option<Vec<String>>,
    alerts_timeout: Option<Duration>,
    /// Rules of retention of their own.
    retention: Vec<Retention>,
    /// Queries by their names.
    pub(crate) queries: Vec<(String, String)>,
    /// Each key that was found, as it was spelled, with its value as it stands there.
    said: Vec<(&'static str, String, String)>,
}

/// Events that match go when they arrived so long ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    /// Conditions, as behind `where`.
    pub(crate) condition: String,
    pub(crate) keep: Duration,
}

impl Retention {
    /// The query that selects the events, whatever their age.
    pub(crate) fn query(&self) -> String {
        format!("events where {}", self.condition)
    }
}

impl Settings {
    /// Reads the file in the folder of a store; what is not there says nothing.
    ///
    /// # Errors
    /// What is wrong with it, with the line or the key.
    pub(crate) fn read(store: &Path) -> Outcome<Self> {
        let path = store.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(Self { path, ..Self::default() });
            }
            Err(error) => return Err(Failure::bad(format!("{} cannot be read: {error}", path.display()))),
        };
        let mut settings = Self { path, ..Self::default() };
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map(|before| before.matches('\n').count() + 1);
            let line = line.map_or(String::new(), |line| format!(", line {line}"));
            Failure::bad(format!("{}{line}: {}", settings.path.display(), error.message()))
        })?;
        for (name, value) in &table {
            match value {
                Value::Array(rules) if name == "retention" => {
                    for rule in rules {
                        let rule = settings.rule(rule)?;
                        settings.retention.push(rule);
                    }
                }
                Value::Table(inner) if name == "queries" => {
                    for (name, value) in inner {
                        let query = value.as_str().ok_or_else(|| settings.wrong(name, value, "a query"))?;
                        settings.queries.push((name.clone(), query.to_owned()));
                    }
                }
                Value::Table(inner) => {
                    for (inner_name, value) in inner {
                        settings.take(&format!("{name}.{inner_name}"), value)?;
                    }
                }
                value => settings.take(name, value)?,
            }
        }
        Ok(settings)
    }

    fn wrong(&self, name: &str, value: &Value, wanted: &str) -> Failure {
        Failure::bad(format!("{}: {name} = {value} is not {wanted}", self.path.display()))
    }

    fn unknown(&self, name: &str) -> Failure {
        let names = KEYS.iter().flat_map(|key| key.older.iter().chain([&key.name])).chain([&ALWAYS]);
        let near = names
            .map(|known| (strsim::jaro_winkler(name, known), known))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(alike, _)| ALIKE <= *alike);
        let failure = Failure::bad(format!("{}: there is no setting `{name}`", self.path.display()));
        match near {
            Some((_, known)) => failure.help(format!("did you mean `{known}`? `logq config` lists all")),
            None => failure.help("`logq config` lists all"),
        }
    }

    fn take(&mut self, name: &str, value: &Value) -> Outcome<()> {
        if name == ALWAYS {
            return match value {
                Value::Boolean(true) => Ok(()),
                _ => Err(self.wrong(name, value, "true: every event is in the store")),
            };
        }
        let Some(key) = KEYS.iter().find(|key| key.name == name || key.older.contains(&name)) else {
            return Err(self.unknown(name));
        };
        if let Some((_, spelled, _)) = self.said.iter().find(|(known, ..)| *known == key.name) {
            return Err(Failure::bad(format!(
                "{}: `{spelled}` and `{name}` are one setting",
                self.path.display()
            )));
        }
        self.set(key.name, name, value)?;
        self.said.push((key.name, name.to_owned(), value.to_string()));
        Ok(())
    }

    /// A rule of retention: `where` and `for`, and nothing else.
    fn rule(&self, value: &Value) -> Outcome<Retention> {
        let wrong = |wanted: &str| self.wrong("retention", value, wanted);
        let table = value.as_table().ok_or_else(|| wrong("a rule with `where` and `for`"))?;
        if let Some(name) = table.keys().find(|name| !matches!(name.as_str(), "where" | "for")) {
            return Err(self.unknown(&format!("retention.{name}")));
        }
        let text =
            |name| table.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let condition =
            text("where").ok_or_else(|| wrong("a rule: `where` says which events, as in a query"))?;
        let keep = text("for").and_then(value::duration_ns).and_then(|ns| u64::try_from(ns).ok());
        let keep = keep.ok_or_else(|| wrong("a rule: `for` is a length of time such as \"3d\""))?;
        let rule = Retention { condition: condition.to_owned(), keep: Duration::from_nanos(keep) };
        logq_query::Query::parse(&rule.query())
            .map_err(|error| Failure::bad(format!("{}: retention: {error}", self.path.display())))?;
        Ok(rule)
    }

    fn set(&mut self, key: &'static str, name: &str, value: &Value) -> Outcome<()> {
        let wrong = |wanted: &str| self.wrong(name, value, wanted);
        let flag = || value.as_bool().ok_or_else(|| wrong("true or false"));
        let span = || {
            let read = value.as_str().and_then(value::duration_ns).and_then(|ns| u64::try_from(ns).ok());
            read.map(Duration::from_nanos).ok_or_else(|| wrong("a length of time such as \"10m\" or \"30d\""))
        };
        let or_never = || if value.as_str() == Some("never") { Ok(None) } else { span().map(Some) };
        let bytes = || {
            let whole = || value.as_integer().and_then(|int| u64::try_from(int).ok());
            value.as_str().and_then(size).or_else(whole).ok_or_else(|| wrong("a size such as \"1GiB\""))
        };
        let count = || {
            let whole = value.as_integer().and_then(|int| u64::try_from(int).ok()).filter(|count| 0 < *count);
            whole.ok_or_else(|| wrong("a number above 0"))
        };
        match key {
            "tz" => {
                let name = value.as_str().filter(|name| config::zone(name).is_ok());
                self.tz =
                    Some(name.ok_or_else(|| wrong("a time zone such as \"Europe/Berlin\""))?.to_owned());
            }
            "output" => {
                let format = value.as_str().and_then(Output::parse);
                self.output = Some(format.ok_or_else(|| wrong("table, json, jsonl, csv, md or chart"))?);
            }
            "color" => {
                let word = value.as_str().and_then(Color::parse);
                self.color = Some(word.ok_or_else(|| wrong("auto, always or never"))?);
            }
            "durability" => {
                let read = value.as_str().and_then(durability);
                self.durability = Some(read.ok_or_else(|| {
                    wrong("\"buffered\", \"synced\", \"interval\" or a length of time such as \"200ms\"")
                })?);
            }
            "background" => self.background = Some(flag()?),
            "seal_after" => self.seal_after = Some(span()?),
            "unsealed_max" => self.unsealed_max = Some(bytes()?),
            "retain_bytes" => self.retain_bytes = Some(bytes()?),
            "keep_free_bytes" => self.keep_free_bytes = Some(bytes()?),
            "reader_grace" => self.reader_grace = Some(span()?),
            "maintain_bytes_per_second" => self.maintain_bytes_per_second = Some(bytes()?),
            "maintain_cpu_share" => {
                let share = value.as_integer().and_then(|share| u8::try_from(share).ok());
                let share = share.filter(|share| (1..=100).contains(share));
                self.maintain_cpu_share = Some(share.ok_or_else(|| wrong("a percentage, 1 to 100"))?);
            }
            "archive" => self.archive = Some(flag()?),
            "archive_after" => self.archive_after = Some(or_never()?),
            "retain" => self.retain = Some(flag()?),
            "retain_for" => self.retain_for = Some(or_never()?),
            "retain_bodies_for" => self.retain_bodies_for = Some(or_never()?),
            "budgets" => self.budgets = Some(flag()?),
            "tokens_per_hour" => self.tokens_per_hour = Some(count()?),
            "tokens_per_day" => self.tokens_per_day = Some(count()?),
            "warn_at" => {
                let read = Threshold::parse(&value.to_string()).ok();
                self.warn_at = Some(read.ok_or_else(|| wrong("a share of the limit such as 0.8"))?);
            }
            "alerts.exec" => {
                let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let words: Option<Vec<String>> =
                    list.iter().map(|word| word.as_str().map(str::to_owned)).collect();
                let words = words.filter(|words| words.first().is_some_and(|program| !program.is_empty()));
                self.alerts_exec = Some(
                    words.ok_or_else(|| wrong("a command and its arguments: [\"notify\", \"--alert\"]"))?,
                );
            }
            _ => self.alerts_timeout = Some(span()?),
        }
        Ok(())
    }

    /// The rules of retention of their own; none where nothing is to be deleted.
    pub(crate) fn retention(&self) -> &[Retention] {
        if self.retain == Some(false) { &[] } else { &self.retention }
    }

    /// The options of a store.
    pub(crate) fn options(&self) -> Options {
        let default = Options::default();
        Options {
            durability: self.durability.unwrap_or(default.durability),
            maintain: self.background.unwrap_or(default.maintain),
            seal_after: self.seal_after.unwrap_or(default.seal_after),
            unsealed_max: self.unsealed_max.unwrap_or(default.unsealed_max),
            reader_grace: self.reader_grace.unwrap_or(default.reader_grace),
            maintain_bytes_per_second: self.maintain_bytes_per_second,
            maintain_cpu_share: self.maintain_cpu_share.unwrap_or(default.maintain_cpu_share),
            archive_after: match self.archive {
                Some(false) => None,
                _ => self.archive_after.unwrap_or(default.archive_after),
            },
            retain_for: match self.retain {
                Some(false) => None,
                _ => self.retain_for.unwrap_or(default.retain_for),
            },
            retain_bodies_for: self.retain_bodies_for.flatten().filter(|_| self.retain != Some(false)),
            retain_bytes: self.retain_bytes.filter(|_| self.retain != Some(false)),
            keep_free_bytes: match self.retain {
                Some(false) => 0,
                _ => self.keep_free_bytes.unwrap_or(default.keep_free_bytes),
            },
            ..default
        }
    }

    /// How long a command for alerts may take.
    pub(crate) fn alerts_timeout(&self) -> Duration {
        self.alerts_timeout.unwrap_or(Duration::from_secs(30))
    }

    /// The key that owns the limit of a budget, if the file has one.
    pub(crate) fn owns(&self, budget: &str) -> Option<&'static str> {
        match budget {
            "hourly" => self.tokens_per_hour.map(|_| "tokens_per_hour"),
            "daily" => self.tokens_per_day.map(|_| "tokens_per_day"),
            _ => None,
        }
    }

    /// Makes the two default budgets of the store what the file says of them; without a word about them they stay as they are.
    ///
    /// # Errors
    /// As [`Budgets::set`].
    pub(crate) fn define_budgets(&self, budgets: &Budgets) -> Outcome<()> {
        let wanted = [("hourly", self.tokens_per_hour), ("daily", self.tokens_per_day)];
        if self.budgets.is_none() && self.warn_at.is_none() && wanted.iter().all(|(_, limit)| limit.is_none())
        {
            return Ok(());
        }
        let defined = budgets.definitions()?;
        for (name, limit) in wanted {
            let now = defined.iter().find(|budget| budget.name == name);
            if self.budgets == Some(false) {
                if now.is_some() {
                    budgets.remove(name)?;
                }
                continue;
            }
            let default = || logq_engine::budget::defaults().into_iter().find(|budget| budget.name == name);
            let Some(mut budget) = now.cloned().or_else(default) else { continue };
            // A budget of this name that counts something else is somebody's own.
            if budget.measure != Measure::Tokens
                || !matches!(budget.window, Window::Fixed(_) | Window::Day | Window::Hour)
            {
                continue;
            }
            budget.limit = limit.unwrap_or(budget.limit);
            if let Some(warn) = self.warn_at {
                let full = Threshold::parse("1")?;
                budget.thresholds = if warn < full { vec![warn, full] } else { vec![full] };
            }
            if now != Some(&budget) {
                budgets.set(budget)?;
            }
        }
        Ok(())
    }

    /// For each key its value, and where that comes from.
    pub(crate) fn shown(&self) -> Vec<(&'static str, String, String)> {
        let options = self.options();
        let span = |span: Duration| ui::span(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX));
        let or_never = |limit: Option<Duration>| limit.map_or("never".to_owned(), span);
        let default = |name: &str| match name {
            "durability" => "interval".to_owned(),
            "background" => options.maintain.to_string(),
            "seal_after" => span(options.seal_after),
            "unsealed_max" => ui::size(options.unsealed_max),
            "reader_grace" => span(options.reader_grace),
            "archive" | "retain" | "budgets" => "true".to_owned(),
            "archive_after" => or_never(options.archive_after),
            "retain_for" => or_never(options.retain_for),
            "retain_bodies_for" => or_never(options.retain_bodies_for),
            "retain_bytes" | "maintain_bytes_per_second" => "no limit".to_owned(),
            "maintain_cpu_share" => options.maintain_cpu_share.to_string(),
            "keep_free_bytes" => ui::size(options.keep_free_bytes),
            "tokens_per_hour" => "as defined: 50,000 in a new store".to_owned(),
            "tokens_per_day" => "as defined: 500,000 in a new store".to_owned(),
            "warn_at" => "as defined: 0.8 in a new store".to_owned(),
            "alerts.exec" => "none".to_owned(),
            _ => span(self.alerts_timeout()),
        };
        KEYS.iter()
            .filter(|key| !matches!(key.name, "tz" | "output" | "color"))
            .map(|key| match self.said.iter().find(|(name, ..)| *name == key.name) {
                Some((name, spelled, value)) => {
                    (*name, value.clone(), format!("{spelled} in {}", self.path.display()))
                }
                None => (key.name, default(key.name), "the default".to_owned()),
            })
            .collect()
    }

    /// Where a key was said, if it was.
    pub(crate) fn origin(&self, key: &str) -> Option<String> {
        let (_, spelled, _) = self.said.iter().find(|(name, ..)| *name == key)?;
        Some(format!("{spelled} in {}", self.path.display()))
    }
}

fn durability(text: &str) -> Option<Durability> {
    Some(match text {
        "buffered" => Durability::Buffered,
        "synced" => Durability::Synced,
        "interval" => Durability::default(),
        _ => Durability::Interval(Duration::from_nanos(u64::try_from(value::duration_ns(text)?).ok()?)),
    })
}

/// A number of bytes: `64MiB`, `1 GiB`, `500MB`, `4096`.
pub(crate) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Outcome<Settings> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), text).unwrap();
        Settings::read(dir.path())
    }

    #[test]
    fn sizes_and_durabilities_have_units() {
        for (text, want) in [
            ("64MiB", Some(64 << 20)),
            ("1 GB", Some(1_000_000_000)),
            ("7", Some(7)),
            ("1.5GB", None),
            ("GB", None),
            ("99999999999TB", None),
        ] {
            assert_eq!(size(text), want, "{text}");
        }
        assert_eq!(durability("200ms"), Some(Durability::Interval(Duration::from_millis(200))));
        assert_eq!(durability("often"), None);
    }

    #[test]
    fn the_names_of_the_replaced_system_are_the_same_settings() {
        let old = read(
            "token_monitoring_enabled = true\nmax_tokens_per_hour = 1000\nmax_tokens_per_day = 9000\ntoken_warning_threshold = 0.5\n\
             compression_enabled = true\narchive_enabled = false\ncleanup_enabled = true\ndatabase_logging_enabled = true\n",
        )
        .unwrap();
        assert_eq!(
            (old.tokens_per_hour, old.tokens_per_day, old.budgets),
            (Some(1000), Some(9000), Some(true))
        );
        assert_eq!((old.options().maintain, old.options().archive_after), (true, None));
        let ours =
            read("tokens_per_hour = 1000\ntokens_per_day = 9000\nwarn_at = 0.5\narchive = false\n").unwrap();
        assert_eq!((ours.tokens_per_hour, ours.warn_at), (old.tokens_per_hour, old.warn_at));
        assert!(
            read("database_logging_enabled = false")
                .unwrap_err()
                .message
                .contains("every event is in the store")
        );
    }

    #[test]
    fn what_cannot_be_heeded_is_an_error_that_names_it() {
        for (text, said, help) in [
            ("retain_four = \"1d\"", "there is no setting `retain_four`", Some("did you mean `retain_for`")),
            (
                "max_token_per_hour = 5",
                "there is no setting `max_token_per_hour`",
                Some("did you mean `max_tokens_per_hour`"),
            ),
            (
                "[alert]\nexec = [\"x\"]",
                "there is no setting `alert.exec`",
                Some("did you mean `alerts.exec`"),
            ),
            ("xyzzy = 1", "there is no setting `xyzzy`", Some("`logq config` lists all")),
            ("\n\nretain_for = 7", "retain_for = 7 is not a length of time", None),
            ("retain_for = \"-1d\"", "is not a length of time", None),
            ("tokens_per_hour = 0", "is not a number above 0", None),
            ("warn_at = \"much\"", "is not a share of the limit", None),
            ("tokens_per_hour = 5\nmax_tokens_per_hour = 6", "are one setting", None),
            ("alerts.exec = \"rm -rf /\"", "is not a command and its arguments", None),
            ("alerts.exec = []", "is not a command and its arguments", None),
            ("unsealed_max = \"lots\"", "is not a size", None),
            ("a = 1\nb = = 2", "line 2", None),
        ] {
            let failure = read(text).unwrap_err();
            assert!(failure.message.contains(said), "{text}: {}", failure.message);
            if let Some(help) = help {
                assert!(
                    failure.help.as_deref().is_some_and(|said| said.contains(help)),
                    "{text}: {:?}",
                    failure.help
                );
            }
        }
    }
}
