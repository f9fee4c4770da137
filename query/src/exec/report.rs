//! Rows about the store itself: its files, their fields, its state.

use std::ops::ControlFlow;

use logq_engine::budget::{self, Standing};
use logq_engine::{Comparison, FileStorage, Files, Health, Literal, Predicate, Scan, Store, Test, TimeRange};

use super::table::{Row, Table};
use super::{Input, budgets};
use crate::datum::Datum;
use crate::error::{Error, Result};
use crate::json::time_text;
use crate::plan::Report;

const DAY: i64 = 86_400_000_000_000;
const GIB: u64 = 1 << 30;

/// The rows of a report; of files those that may hold records of the range.
pub(super) fn rows(input: &Input<'_>, report: Report) -> Result<Table> {
    let rows = match report {
        Report::Storage => files(input).iter().map(storage).collect(),
        Report::StorageFields => files(input).iter().flat_map(storage_fields).collect(),
        Report::Health => {
            let (store, now) = store(input)?;
            let set_back = set_back(input, now)?;
            health(&store.health(now)?, &store.budgets().observe()?, set_back, now)
        }
        Report::Budgets => {
            let (store, _) = store(input)?;
            budgets::rows(&store.budgets().observe()?)
        }
    };
    let columns = report.columns().iter().map(|&name| name.to_owned()).collect();
    let rows: Vec<Row> = rows;
    for row in &rows {
        input.budget.charge(row.size())?;
    }
    Ok(Table { columns, rows, natural: false })
}

/// The store and the clock.
fn store<'i>(input: &Input<'i>) -> Result<(&'i Store, i64)> {
    let what = "this is about a store, and cannot be asked of a snapshot of one";
    let missing = || Error::from(logq_engine::Error::new(logq_engine::ErrorKind::Invalid, what));
    input.store.ok_or_else(missing)
}

/// Files that the range touches, by day and name.
fn files(input: &Input<'_>) -> Vec<FileStorage> {
    let range = input.plan.range;
    let inside = |file: &FileStorage| {
        range.from.is_none_or(|from| from <= file.time_max)
            && range.until.is_none_or(|until| file.time_min < until)
    };
    let mut files = input.snapshot.storage();
    files.retain(inside);
    files.sort_by(|a, b| (day(a), &a.file).cmp(&(day(b), &b.file)));
    files
}

/// The day with which a file begins, UTC.
fn day(file: &FileStorage) -> i64 {
    file.time_min.div_euclid(DAY).saturating_mul(DAY)
}

fn int(number: u64) -> Datum {
    Datum::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn storage(file: &FileStorage) -> Row {
    Row::computed(vec![
        Datum::Time(day(file)),
        Datum::text(&file.file),
        Datum::text(file.state.as_str()),
        int(file.records),
        int(file.raw),
        int(file.stored),
        ratio(file.raw, file.stored),
        int(file.index),
    ])
}

fn storage_fields(file: &FileStorage) -> Vec<Row> {
    let row = |name: &str, stored: u64| {
        Row::computed(vec![
            Datum::Time(day(file)),
            Datum::text(&file.file),
            Datum::text(file.state.as_str()),
            Datum::text(name),
            int(stored),
            ratio(stored, file.stored),
        ])
    };
    // What is no column is the index, and what a file says of itself; in an active file fields lie together.
    let columns: u64 = file.fields.iter().map(|(_, size)| *size).sum();
    let rest = file.stored.saturating_sub(columns).saturating_sub(file.index).saturating_sub(file.rollups);
    let others = [
        ("_index", file.index),
        ("_rollups", file.rollups),
        (if columns == 0 { "_rows" } else { "_file" }, rest),
    ];
    let named = file.fields.iter().map(|(name, size)| (name.as_str(), *size));
    named.chain(others).filter(|(_, size)| *size != 0).map(|(name, size)| row(name, size)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a ratio is read to a few digits")]
fn ratio(of: u64, to: u64) -> Datum {
    if to == 0 { Datum::Missing } else { Datum::Float(of as f64 / to as f64) }
}

/// How good a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Good,
    Attention,
    Bad,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Attention => "attention",
            Self::Bad => "bad",
        }
    }

    /// Attention where this holds.
    fn attention(when: bool) -> Self {
        if when { Self::Attention } else { Self::Good }
    }
}

/// Findings as rows, the worst status last.
struct Findings {
    rows: Vec<Row>,
    worst: Status,
}

impl Findings {
    fn add(&mut self, item: &str, value: Datum, unit: &str, status: Status, detail: &str) {
        self.worst = self.worst.max(status);
        let text = |text: &str| if text.is_empty() { Datum::Missing } else { Datum::text(text) };
        let status = Datum::text(status.as_str());
        self.rows.push(Row::computed(vec![Datum::text(item), value, text(unit), status, text(detail)]));
    }
}

/// The state of a store, item by item, and what it comes to.
fn health(health: &Health, budgets: &[budget::Status], set_back: u64, now: i64) -> Vec<Row> {
    let mut found = Findings { rows: Vec::new(), worst: Status::Good };
    of_files(&mut found, health);
    of_times(&mut found, health, now);
    let detail =
        if set_back == 0 { "" } else { "in the last 7 days: `events where operation=clock_backward`" };
    found.add("clock set back", int(set_back), "times", Status::attention(set_back != 0), detail);
    if let Some(held) = health.held {
        let detail = format!(
            "nothing is deleted by age until then: the clock says {}, and the last time that is known is {}; set the clock, or say the time \
             with `logq maintain --now`",
            time_text(held.now),
            time_text(held.known)
        );
        let since = "a round found the clock in doubt, or would now";
        found.add("deletions wait since", Datum::Time(held.since), "time", Status::Attention, since);
        found.add("deletions wait until", Datum::Time(held.until), "time", Status::Attention, &detail);
    }
    of_disk(&mut found, health);
    of_limits(&mut found, budgets);
    of_damage(&mut found, health);
    let worst = found.worst;
    found.add("verdict", Datum::text(worst.as_str()), "", worst, "");
    found.rows
}

/// How often the clock was set back in the last week, as the log says.
fn set_back(input: &Input<'_>, now: i64) -> Result<u64> {
    let is = |text: &str| Test::Compare(Comparison::Eq, Literal::Text(text.to_owned()));
    let said = Predicate::And(vec![
        Predicate::field("operation", is("clock_backward")),
        Predicate::field("source", is("budget")),
    ]);
    let range = TimeRange { from: Some(now.saturating_sub(7 * DAY)), until: None };
    let scan = Scan { range, predicate: said, ..Scan::default() };
    let mut times = 0;
    for part in input.snapshot.parts(&scan)? {
        part.scan(&mut |batch| {
            times += batch.len() as u64;
            ControlFlow::Continue(())
        })?;
    }
    Ok(times)
}

fn of_files(found: &mut Findings, health: &Health) {
    let all = [&health.active, &health.sealed, &health.archived];
    let sum = |of: fn(&Files) -> u64| all.iter().map(|files| of(files)).fold(0, u64::saturating_add);
    found.add("records", int(sum(|files| files.records)), "records", Status::Good, "");
    found.add("stored", int(sum(|files| files.stored)), "bytes", Status::Good, "");
    let full = health.active.stored >= health.unsealed_max / 5 * 4;
    let detail = if full { "close to `unsealed_max`, at which writers wait: run `logq seal`" } else { "" };
    found.add("active", int(health.active.stored), "bytes", Status::attention(full), detail);
    found.add("unsealed", int(health.active.records), "records", Status::Good, "not indexed yet");
    found.add("sealed", int(health.sealed.stored), "bytes", Status::Good, "");
    found.add("archived", int(health.archived.stored), "bytes", Status::Good, "");
    let packed = health.sealed.stored.saturating_add(health.archived.stored);
    let came = health.sealed.raw.saturating_add(health.archived.raw);
    found.add("compression", ratio(came, packed), "times", Status::Good, "bytes as rows by bytes stored");
    found.add("writers", int(health.writers), "writers", Status::Good, "open at this moment");
}

fn of_times(found: &mut Findings, health: &Health, now: i64) {
    let time = |time: Option<i64>| time.map_or(Datum::Missing, Datum::Time);
    found.add("oldest", time(health.oldest), "time", Status::Good, "");
    let ahead = health.newest.is_some_and(|newest| now.saturating_add(DAY) < newest);
    let detail = if ahead { "a day or more ahead of the clock: a clock was wrong" } else { "" };
    found.add("newest", time(health.newest), "time", Status::attention(ahead), detail);
    if health.unsealed_since.is_some() {
        found.add("unsealed since", time(health.unsealed_since), "time", Status::Good, "");
    }
    found.add("arrived", time(health.arrived_max), "time", Status::Good, "the latest arrival");
    let detail = "arrivals that are known to be on disk";
    found.add("synced until", time(health.synced_until), "time", Status::Good, detail);
}

/// The budgets that are closest to their limits.
fn of_limits(found: &mut Findings, budgets: &[budget::Status]) {
    let Some(first) = budgets.iter().max_by(|a, b| a.ratio.total_cmp(&b.ratio)) else { return };
    let near = budgets.iter().filter(|status| status.status != Standing::Ok).count();
    let others = if 1 < near { format!(" and {} more", near - 1) } else { String::new() };
    let state = match first.status {
        Standing::Ok => format!("the closest is `{}`", first.name),
        Standing::Warning => format!("`{}`{others} near the limit: `logq budget status`", first.name),
        Standing::Exceeded => format!("`{}`{others} over the limit: `logq budget status`", first.name),
    };
    let status = Status::attention(first.status != Standing::Ok);
    found.add("limits", budgets::share(first), "of its limit", status, &state);
}

fn of_disk(found: &mut Findings, health: &Health) {
    found.add("growth", int(health.growth_per_day), "bytes a day", Status::Good, "");
    let Some(space) = health.space else { return };
    // A full disk stops writers; below these there is hardly time to react.
    let status = if space.free < GIB / 4 || space.free < space.total / 100 {
        Status::Bad
    } else {
        Status::attention(space.free < GIB || space.free < space.total / 20)
    };
    let detail =
        if status == Status::Good { "" } else { "the disk is nearly full: set `retain_for`, or make room" };
    found.add("disk free", int(space.free), "bytes", status, detail);
    if let Some(days) = space.free.checked_div(health.growth_per_day) {
        let soon = days < 7;
        let detail = if soon { "at the growth of the last days" } else { "" };
        found.add("disk full in", int(days), "days", Status::attention(soon), detail);
    }
}

fn of_damage(found: &mut Findings, health: &Health) {
    found.add("waiting", int(health.waiting.files), "files", Status::Good, "replaced, kept for readers");
    let set_aside = health.quarantine.files != 0;
    let detail = if set_aside { "damaged pieces that were set aside, never deleted" } else { "" };
    found.add("quarantine", int(health.quarantine.files), "files", Status::attention(set_aside), detail);
    let orphans = health.orphans.len() as u64;
    let detail = health.orphans.first().map_or(String::new(), |first| {
        format!("{first}{}: `logq maintain` clears up", if orphans == 1 { "" } else { " and others" })
    });
    found.add("orphans", int(orphans), "files", Status::attention(orphans != 0), &detail);
    let detail = health.gaps.first().map_or(String::new(), |gap| format!("{gap}: run `logq check`"));
    let status = if health.gaps.is_empty() { Status::Good } else { Status::Bad };
    found.add("damage", int(health.gaps.len() as u64), "places", status, &detail);
    let detail = health.lost.first().map_or(String::new(), ToString::to_string);
    let status = Status::attention(!health.lost.is_empty());
    found.add("lost", int(health.lost.len() as u64), "places", status, &detail);
}

#[cfg(test)]
mod tests {
    use super::*;
    use logq_engine::Held;

    #[test]
    fn deletions_that_wait_for_the_clock_are_a_finding_that_says_why() {
        let said = |held| {
            let rows = health(&Health { held, ..Health::default() }, &[], 0, 0);
            let texts = |row: &Row| row.cells.iter().map(|cell| format!("{cell:?}")).collect::<String>();
            rows.iter().map(texts).collect::<Vec<_>>()
        };
        let none = said(None);
        assert!(!none.iter().any(|row| row.contains("deletions wait")), "{none:?}");
        let held = said(Some(Held { known: 0, now: 400 * DAY, since: 399 * DAY, until: 402 * DAY }));
        let since = held.iter().find(|row| row.contains("deletions wait since")).unwrap();
        assert!(since.contains("attention"), "{since}");
        let found = held.iter().find(|row| row.contains("deletions wait until")).unwrap();
        for part in ["attention", "1971-02-05T00:00:00Z", "1970-01-01T00:00:00Z", "maintain --now"] {
            assert!(found.contains(part), "{part}: {found}");
        }
    }
}
