//! Reservations: holding what a call may use, and booking what it did use.
//!
//! Admission is all or nothing over all budgets that a request belongs to, under one lock: what was used, what is held
//! and what is asked for together stay within each hard limit. A commit appends the call's event and books it at the
//! event's time; it may book more than was reserved, and then the next reservation is refused.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::desk::Txn;
use super::op::{Add, Hold, Op};
use super::request::{Refused, Remaining, Request, Verdict};
use super::usage::{USAGE_FIELDS, Usage};
use super::{Alert, Budgets, Mode, alert, record};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::predicate::{Comparison, Literal, Predicate, Test};
use crate::record_id::RecordId;
use crate::scan::{Scan, TimeRange};
use crate::value::Value;

/// How long a detached reservation holds, unless it says so itself: ten minutes.
const TTL: i64 = 600_000_000_000;
/// How far back the log is searched for an id that was committed before: seven days.
const IDS_BACK: i64 = 7 * 86_400_000_000_000;

/// What came of a request.
#[derive(Debug)]
pub enum Reservation {
    /// It is held.
    Granted(Guard),
    /// It would go beyond a hard limit. Nothing is held.
    Refused(Refused),
}

/// A reservation. Dropping it without a commit lets it go; so does the end of the process.
#[derive(Debug)]
#[must_use = "a guard that is dropped lets its reservation go"]
pub struct Guard {
    pub(super) budgets: Budgets,
    pub(super) id: u64,
    at: i64,
    pub(super) fields: Vec<(String, String)>,
    beyond: Vec<Refused>,
    settled: bool,
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The record of the event, or of its correction; `None` when its `event_id` was committed before with no less.
    pub id: Option<RecordId>,
    /// The alerts that it raised.
    pub alerts: Vec<Alert>,
}

/// The name of a detached reservation: 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HoldId(pub(super) u64);

/// A reservation that belongs to no process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detached {
    /// Its name, for [`Budgets::commit_detached`] and [`Budgets::release_detached`].
    pub hold: HoldId,
    /// What is left of each budget that it belongs to.
    pub remaining: Vec<Remaining>,
    /// Budgets of mode soft or observe that it goes beyond.
    pub beyond: Vec<Refused>,
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&record::number(self.0))
    }
}

impl FromStr for HoldId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        record::parse_number(text).map(Self).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, format!("{text:?} is no name of a hold: 16 hexadecimal digits"))
        })
    }
}

impl Guard {
    /// Budgets of mode soft or observe that the reservation goes beyond.
    pub fn beyond(&self) -> &[Refused] {
        &self.beyond
    }

    /// When it was reserved, nanoseconds since 1970: the time of the call's event, unless that has one.
    pub fn at(&self) -> i64 {
        self.at
    }

    /// Appends the event of the call and books what it used. Fields of the request that the event does not have are
    /// set on it. An event with an `event_id` that was committed before is not appended again: if it used more by now, a
    /// correction with the difference is.
    ///
    /// # Errors
    /// As [`crate::Writer::append`]; the reservation is let go then. An error after the event was appended says so; the
    /// event counts all the same.
    pub fn commit(mut self, event: &Event) -> Result<Committed> {
        let event = with_fields(event, &self.fields, self.at);
        let committed = self.budgets.book(&event, Some(self.id))?;
        self.settled = true;
        Ok(committed)
    }

    /// Lets the reservation go.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn release(mut self) -> Result<()> {
        self.settled = true;
        self.budgets.free(self.id)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.settled {
            // What cannot be freed now is freed when this process ends.
            let _unreported = self.budgets.free(self.id);
        }
    }
}

/// An event with a time, and with the fields of a request that it does not have.
fn with_fields(event: &Event, fields: &[(String, String)], at: i64) -> Event {
    let mut event = event.clone();
    for (name, value) in fields {
        if event.get(name).is_none() {
            event.set(name, Value::Str(value));
        }
    }
    if event.time().is_none() { event.at(at) } else { event }
}

/// What a request's fields say, the last of a name first.
fn field<'r>(request: &'r Request, name: &str) -> Option<Value<'r>> {
    let mut fields = request.fields.iter().rev();
    fields.find(|(field, _)| field == name).map(|(_, value)| Value::Str(value))
}

/// The budgets that so much goes beyond.
pub(super) fn beyond(txn: &mut Txn<'_>, adds: &[Add]) -> Vec<Refused> {
    let rules = Arc::clone(&txn.state.rules);
    let now = txn.now();
    let mut found = Vec::new();
    for add in adds {
        let Some(budget) = rules.budgets.get(add.budget) else { continue };
        let (used, held, wait) = match txn.state.counter(add.budget, &add.group) {
            None => (0, 0, None),
            Some((counter, windows)) => {
                let (used, held) = (counter.used(windows, now), counter.held(windows, now));
                let fits = used.saturating_add(held).saturating_add(add.amount) <= budget.limit;
                let wait = (!fits).then(|| counter.free_after(windows, now, add.amount, budget.limit));
                (used, held, wait.flatten())
            }
        };
        if budget.limit < used.saturating_add(held).saturating_add(add.amount) {
            found.push(Refused {
                budget: budget.name.clone(),
                group: record::group_name(&txn.state.group(add.budget, &add.group)).map(str::to_owned),
                measure: budget.measure,
                mode: budget.mode,
                used,
                held,
                asked: add.amount,
                limit: budget.limit,
                retry_after: wait.and_then(|ns| u64::try_from(ns).ok()).map(std::time::Duration::from_nanos),
            });
        }
    }
    found
}

pub(super) fn refused(beyond: &[Refused]) -> Option<Refused> {
    beyond.iter().find(|one| one.mode == Mode::Hard).cloned()
}

/// What is left of each budget behind these amounts.
fn remaining(txn: &mut Txn<'_>, adds: &[Add]) -> Vec<Remaining> {
    let rules = Arc::clone(&txn.state.rules);
    let now = txn.now();
    let left = |add: &Add| {
        let budget = rules.budgets.get(add.budget)?;
        let taken = txn.state.counter(add.budget, &add.group).map_or(0, |(counter, windows)| {
            counter.used(windows, now).saturating_add(counter.held(windows, now))
        });
        Some(Remaining {
            budget: budget.name.clone(),
            group: record::group_name(&add.group).map(str::to_owned),
            measure: budget.measure,
            remaining: budget.limit.saturating_sub(taken).saturating_sub(add.amount),
        })
    };
    adds.iter().filter_map(left).collect()
}

impl Budgets {
    /// Holds what a call may use at most, in all budgets that it belongs to or in none. A reservation that goes beyond
    /// a hard limit is refused; one that goes beyond others is granted, and [`Guard::beyond`] says so. What equals the
    /// limit is within it.
    ///
    /// # Errors
    /// What the operating system says. A refusal is no error.
    pub fn reserve(&self, request: &Request) -> Result<Reservation> {
        let owner = Some(self.pen()?.1);
        let ttl = request.ttl.map(|ttl| i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX));
        let (granted, _) = self.with(|txn| {
            let (adds, beyond) = self.judged(txn, request)?;
            if let Some(refused) = refused(&beyond) {
                return Ok(Err(refused));
            }
            let at = txn.now();
            let until = ttl.map_or(i64::MAX, |ttl| at.saturating_add(ttl));
            let id = next_id(&*self.shared.desk.core.vfs);
            txn.hold_own(Hold { id, owner, at, until, adds: held(adds) });
            Ok(Ok((id, at, beyond)))
        })?;
        Ok(match granted {
            Err(refused) => Reservation::Refused(refused),
            Ok((id, at, beyond)) => Reservation::Granted(Guard {
                budgets: self.clone(),
                id,
                at,
                fields: request.fields.clone(),
                beyond,
                settled: false,
            }),
        })
    }

    /// What the counters say of a request, after those that are over have been let go.
    fn judged(&self, txn: &mut Txn<'_>, request: &Request) -> Result<(Vec<Add>, Vec<Refused>)> {
        self.catch_up(txn, false)?;
        let get = |name: &str| field(request, name);
        let adds = txn.state.rules.adds(&request.amounts(), true, get);
        let mut over = beyond(txn, &adds);
        if !over.is_empty() {
            txn.sweep();
            over = beyond(txn, &adds);
        }
        Ok((adds, over))
    }

    /// What the budgets say of a request, without holding anything.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn check(&self, request: &Request) -> Result<Verdict> {
        let (verdict, _) = self.with(|txn| {
            self.catch_up(txn, true)?;
            let (adds, beyond) = self.judged(txn, request)?;
            let remaining = remaining(txn, &adds);
            Ok(Verdict { refused: refused(&beyond), beyond, remaining })
        })?;
        Ok(verdict)
    }

    /// As [`Budgets::reserve`], for a reservation that outlives this process: it lives until it is committed, released,
    /// or over.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for one that is to hold longer than 24 hours; and as [`crate::Writer::append`].
    pub fn reserve_detached(&self, request: &Request) -> Result<std::result::Result<Detached, Refused>> {
        let ttl = request.ttl.map_or(TTL, |ttl| i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX));
        if record::TTL_MAX < ttl {
            return Err(Error::new(ErrorKind::Invalid, "a detached reservation holds 24 hours at most"));
        }
        let writer = self.writer()?;
        let (granted, _) = self.with(|txn| {
            self.catch_up(txn, true)?;
            let (adds, beyond) = self.judged(txn, request)?;
            if let Some(refused) = refused(&beyond) {
                return Ok(Err(refused));
            }
            let at = txn.now();
            let id = self.shared.desk.core.vfs.random();
            let remaining = remaining(txn, &adds);
            let hold = Hold { id, owner: None, at, until: at.saturating_add(ttl), adds: held(adds) };
            let rules = Arc::clone(&txn.state.rules);
            let event = record::hold_event(&rules, &hold, &request.fields, request.total_tokens());
            let seen = writer.append(&event)?;
            txn.apply(&Op::Hold(Arc::new(hold)));
            txn.apply(&Op::Seen(seen));
            Ok(Ok(Detached { hold: HoldId(id), remaining, beyond }))
        })?;
        Ok(granted)
    }

    /// Appends the event of a call that a detached reservation was made for, and books it. The hold's name is its
    /// `event_id`, unless it has one, so that a second commit changes nothing or corrects it. One whose time has passed
    /// is booked all the same.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there was no such reservation in the last 24 hours, [`ErrorKind::Invalid`] when it
    /// was released; and as [`crate::Writer::append`].
    pub fn commit_detached(&self, hold: HoldId, event: &Event) -> Result<Committed> {
        let past = self.find(hold)?;
        if past.released && !past.committed {
            let what = format!("the hold {hold} was released; `track` books usage without one");
            return Err(Error::new(ErrorKind::Invalid, what));
        }
        let mut event = with_fields(event, &past.fields, self.shared.desk.now());
        if event.get("event_id").is_none() {
            event.set("event_id", Value::Str(&hold.to_string()));
        }
        record::settle(&mut event, hold.0);
        self.book(&event, Some(hold.0))
    }

    /// The fields that the request of a detached reservation had.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there was no such reservation in the last 24 hours.
    pub fn reserved(&self, hold: HoldId) -> Result<Vec<(String, String)>> {
        self.find(hold).map(|past| past.fields)
    }

    /// Lets a detached reservation go. Says whether it was still held.
    ///
    /// # Errors
    /// As [`Budgets::commit_detached`], but for one that was released or is over.
    pub fn release_detached(&self, hold: HoldId) -> Result<bool> {
        self.find(hold)?;
        let writer = self.writer()?;
        let (held, _) = self.with(|txn| {
            self.catch_up(txn, true)?;
            txn.sweep();
            if !txn.state.holds.contains_key(&hold.0) {
                return Ok(false);
            }
            let seen = writer.append(&record::release_event(hold.0))?;
            txn.free(hold.0);
            txn.apply(&Op::Seen(seen));
            Ok(true)
        })?;
        Ok(held)
    }

    /// Appends an event and books its usage, without a reservation. An `event_id` that was booked before is not booked
    /// again: see [`Guard::commit`].
    ///
    /// # Errors
    /// As [`Guard::commit`].
    pub fn record(&self, event: &Event) -> Result<Committed> {
        if event.time().is_some() {
            return self.book(event, None);
        }
        self.book(&event.clone().at(self.shared.desk.now()), None)
    }

    /// Takes in what was appended to the log, and raises what that crosses.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn refresh(&self) -> Result<Vec<Alert>> {
        self.with(|txn| self.catch_up(txn, true)).map(|((), alerts)| alerts)
    }

    fn free(&self, id: u64) -> Result<()> {
        self.with(|txn| {
            txn.free(id);
            Ok(())
        })
        .map(drop)
    }

    /// Appends an event, which has a time, and books it.
    fn book(&self, event: &Event, hold: Option<u64>) -> Result<Committed> {
        let writer = self.writer()?;
        if let Some(Value::Str(id)) = event.get("event_id") {
            let (id, alerts) = self.with(|txn| {
                self.catch_up(txn, false)?;
                let booked = self.booked(txn, id)?;
                let usage = Usage::read(|name| event.get(name));
                let event = match (booked, usage) {
                    (None, _) => Some(event.clone()),
                    (Some(booked), usage) => {
                        usage.and_then(|usage| usage.beyond(&booked)).map(|more| correction(event, &more))
                    }
                };
                let Some(event) = event else {
                    hold.into_iter().for_each(|hold| txn.free(hold));
                    return Ok(None);
                };
                let id = writer.append(&event)?;
                self.take_in(txn, id, &event, hold)?;
                Ok(Some(id))
            })?;
            return Ok(Committed { id, alerts });
        }
        let id = writer.append(event)?;
        let ((), alerts) =
            self.with(|txn| self.take_in(txn, id, event, hold)).map_err(|error| said(&error, id))?;
        Ok(Committed { id: Some(id), alerts })
    }

    /// Books the event of a record that was appended just now, unless somebody has met it in the log.
    fn take_in(&self, txn: &mut Txn<'_>, id: RecordId, event: &Event, hold: Option<u64>) -> Result<()> {
        let get = |name: &str| event.get(name);
        let usage = Usage::read(get).unwrap_or_default();
        let adds = txn.state.rules.adds(&usage.amounts(), false, get);
        let time = event.time().unwrap_or(txn.now());
        let named = match event.get("event_id") {
            Some(Value::Str(name)) => Some((name.into(), usage)),
            _ => None,
        };
        let book = Op::Book { time, adds, id: named };
        let Op::Book { adds, id: named, .. } = &book else { return Ok(()) };
        if !txn.state.is_taken(id) {
            alert::rearm(txn, adds);
            if !adds.is_empty() || named.is_some() {
                txn.apply(&book);
            }
            txn.apply(&Op::Seen(id));
        }
        hold.into_iter().for_each(|hold| txn.free(hold));
        alert::raise(txn, adds, &|| self.writer())
    }

    /// What was booked under an id, as far as the counters or the log of the last seven days know.
    fn booked(&self, txn: &mut Txn<'_>, id: &str) -> Result<Option<Usage>> {
        if let Some(booked) = txn.state.booked(id) {
            return Ok(Some(*booked));
        }
        let from = txn.now().saturating_sub(IDS_BACK);
        if txn.state.ids_since <= from {
            return Ok(None);
        }
        let snapshot = txn.drain()?;
        if let Some(booked) = txn.state.booked(id) {
            return Ok(Some(*booked));
        }
        let literal = Literal::Text(id.to_owned());
        let columns =
            USAGE_FIELDS.iter().map(|&name| name.to_owned()).chain(["calls".into(), "_import".into()]);
        let scan = Scan {
            range: TimeRange { from: Some(from), until: None },
            predicate: Predicate::field("event_id", Test::Compare(Comparison::Eq, literal)),
            columns: columns.collect(),
            ..Scan::default()
        };
        let mut found: Option<Usage> = None;
        each_row(&snapshot, &scan, &mut |get| {
            if get("_import").is_none()
                && let Some(usage) = Usage::read(get)
            {
                found = Some(found.map_or(usage, |sum| sum.plus(&usage)));
            }
        })?;
        Ok(found)
    }

    /// What the log of the last day says of a detached reservation.
    pub(super) fn find(&self, hold: HoldId) -> Result<Past> {
        let core = &self.shared.desk.core;
        let from = self.shared.desk.now().saturating_sub(record::TTL_MAX.saturating_mul(2));
        let literal = Literal::Text(hold.to_string());
        let scan = Scan {
            range: TimeRange { from: Some(from), until: None },
            predicate: Predicate::field(record::HOLD, Test::Compare(Comparison::Eq, literal)),
            columns: [record::KIND, record::DATA, "_import"].map(str::to_owned).to_vec(),
            ..Scan::default()
        };
        let snapshot = crate::snapshot::Snapshot::take(core, &self.shared.desk.cache)?;
        let mut past: Option<Past> = None;
        each_row(&snapshot, &scan, &mut |get| {
            if get("_import").is_some() {
                return;
            }
            let past = past.get_or_insert_default();
            match (get(record::KIND), get(record::DATA)) {
                (Some(Value::Str("hold")), Some(Value::Str(data))) => past.fields = record::fields(data),
                (Some(Value::Str("extend")), _) => {}
                (Some(Value::Str("release")), _) => past.released = true,
                _ => past.committed = true,
            }
        })?;
        past.ok_or_else(|| {
            let what = format!("there was no hold {hold} in the last two days");
            Error::new(ErrorKind::NotFound, what).at(&core.dir)
        })
    }
}

/// What became of a detached reservation.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) fields: Vec<(String, String)>,
    pub(super) released: bool,
    pub(super) committed: bool,
}

/// A row of a scan, by the names of its columns.
type Named<'f, 'r> = &'f dyn Fn(&str) -> Option<Value<'r>>;

/// Shows each row of a scan.
fn each_row(
    snapshot: &crate::snapshot::Snapshot,
    scan: &Scan,
    show: &mut dyn for<'f, 'r> FnMut(Named<'f, 'r>),
) -> Result<()> {
    for part in snapshot.parts(scan)? {
        part.scan(&mut |batch| {
            for row in 0..batch.len() {
                show(&|name| {
                    let at = scan.columns.iter().position(|column| column == name)?;
                    batch.column(at).get(row).copied().flatten()
                });
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(())
}

/// What a reservation holds: budgets of which nothing is asked are not in it.
pub(super) fn held(mut adds: Vec<Add>) -> Vec<Add> {
    adds.retain(|add| 0 < add.amount);
    adds
}

/// The number of the next hold of this process.
fn next_id(vfs: &dyn crate::io::Vfs) -> u64 {
    static START: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    START.get_or_init(|| vfs.random()).wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed))
}

/// An event of which only what is new counts.
fn correction(event: &Event, more: &Usage) -> Event {
    let mut fixed = Event::new();
    for (name, value) in event.fields() {
        // What was said, and how long it took, is measured once.
        let once = matches!(name, "prompt" | "response" | "message" | "latency" | "ttft");
        if once || name == "calls" || USAGE_FIELDS.contains(&name) {
            continue;
        }
        match name.starts_with('_') {
            true => fixed.set_own(name, value),
            false => fixed.set(name, value),
        }
    }
    for (name, number) in USAGE_FIELDS.iter().zip(more.numbers) {
        let Some(number) = number else { continue };
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        fixed.set(name, if *name == "cost" { Value::Cost(number) } else { Value::Int(number) });
    }
    let fixed = fixed.field("calls", 0);
    match event.time() {
        Some(time) => fixed.at(time),
        None => fixed,
    }
}

/// An error that came after an event was appended.
fn said(error: &Error, id: RecordId) -> Error {
    let what = format!(
        "the event was appended as {id} and counts, but what it was reserved for stays held: {error}"
    );
    Error::new(error.kind(), what)
}
