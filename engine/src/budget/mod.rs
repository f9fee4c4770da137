//! Budgets: how much may be used, of what, in which time; and who has reserved what of it.
//!
//! The log is the one source of truth. Counters are a fold over the usage that its events carry, and the table in
//! `budgets/` only saves counting it again: [`Budgets::verify`] counts and compares, a table that is lost or damaged,
//! or is from before the machine was started, is made anew. Spending goes in two steps, so that many callers at once
//! cannot go beyond a limit together: [`Budgets::reserve`] holds what a call may use at most, and the [`Guard`] that
//! it gives books what the call did use, or lets go.
//!
//! ```text
//! definition   what a budget is, and the file that says it
//! window       which stretch of time a moment belongs to
//! counter      what was used and is held, by window
//! usage        what an event used
//! op, state    changes of counters, and the counters
//! table, desk  the file that processes share, and the lock under which they change it
//! record, fold what the log says about budgets
//! alert        thresholds
//! outbox       alerts on their way to somebody else
//! spend, extend reservations
//! ```
//!
//! What always holds: what a hard budget has admitted and what was used stay within its limit, but for what calls
//! used beyond their reservations and for plain appends of the last 100 ms; events count in the window of their time,
//! once; imported events never count.

mod about;
mod alert;
mod counter;
mod definition;
mod desk;
mod extend;
mod fold;
mod op;
mod outbox;
mod record;
mod request;
mod spend;
mod state;
mod status;
mod table;
mod usage;
mod window;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub(crate) use self::about::{About, DATA, KIND};
pub use self::alert::Alert;
pub use self::definition::{BUDGETS_MAX, Budget, Measure, Mode, Threshold, defaults};
pub use self::outbox::{Delivered, Failed, Outgoing};
pub use self::request::{Refused, Remaining, Request, Verdict};
pub use self::spend::{Committed, Detached, Guard, HoldId, Reservation};
pub use self::state::GROUPS_MAX;
pub use self::status::{Difference, Standing, Status};
pub use self::usage::{TOKEN_FIELDS, USAGE_FIELDS, calls};
pub use self::window::Window;

use self::desk::{Desk, Txn};
use self::op::{Add, Op, Owner};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::format::name::FileName;
use crate::gap::Gap;
use crate::level::Level;
use crate::maintenance::keeper::Keeper;
use crate::slot;
use crate::snapshot::Cache;
use crate::value::Value;
use crate::writer::Writer;

/// The budgets of a store. Clones share everything.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use logq_engine::budget::{Budget, Measure, Mode, Request, Reservation, Window};
/// use logq_engine::{Event, Options, Store};
/// let store = Store::open(dir.path(), Options::default())?;
/// let budgets = store.budgets();
/// let mut daily = Budget::new("daily", Measure::Tokens, 1_000, Window::Day);
/// daily.mode = Mode::Hard;
/// budgets.set(daily)?;
///
/// let request = Request::new().model("llama3.2").tokens(800);
/// let Reservation::Granted(guard) = budgets.reserve(&request)? else { panic!("800 of 1,000 fit") };
/// // No other caller gets what is held.
/// assert!(matches!(budgets.reserve(&request)?, Reservation::Refused(_)));
/// guard.commit(&Event::ai("puzzle_analysis").tokens(150, 250))?;
/// assert_eq!(budgets.status()?.iter().find(|row| row.name == "daily").unwrap().used, 400);
/// # Ok::<(), logq_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Budgets {
    shared: Arc<Shared>,
    pen: Arc<Pen>,
}

/// What all handles on the budgets of one store share.
struct Shared {
    desk: Desk,
    keeper: Arc<Keeper>,
    callbacks: Mutex<Vec<Callback>>,
}

type Callback = Arc<dyn Fn(&Alert) + Send + Sync>;

/// The writer that budgets append events with, once one is needed.
#[derive(Debug, Default)]
struct Pen {
    opened: OnceLock<(Writer, Owner)>,
    opening: Mutex<()>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("desk", &self.desk).finish_non_exhaustive()
    }
}

impl Budgets {
    pub(crate) fn new(core: Arc<Core>, cache: Arc<Cache>, keeper: Arc<Keeper>) -> Self {
        let shared = Shared { desk: Desk::new(core, cache), keeper, callbacks: Mutex::default() };
        Self { shared: Arc::new(shared), pen: Arc::default() }
    }

    /// The same budgets, with events appended by this writer: reservations live as long as its slot is held, and
    /// commits are as durable as it says. Without one they open a writer of their own when they need it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn with_writer(&self, writer: Writer) -> Result<Self> {
        let pen = Pen::default();
        let owner = self.owner(&writer)?;
        // The pen is new: nobody else can have filled it.
        let _filled = pen.opened.set((writer, owner));
        Ok(Self { shared: Arc::clone(&self.shared), pen: Arc::new(pen) })
    }

    fn owner(&self, writer: &Writer) -> Result<Owner> {
        let core = &self.shared.desk.core;
        let slot = writer.id();
        let failed = |error| Error::io("a writer's slot cannot be read", &core.dir, error);
        Ok(Owner { slot, epoch: slot::epoch(&*core.vfs, &core.dir, slot).map_err(failed)? })
    }

    fn pen(&self) -> Result<&(Writer, Owner)> {
        let _opening = match self.pen.opened.get() {
            Some(pen) => return Ok(pen),
            None => self.pen.opening.lock().unwrap_or_else(PoisonError::into_inner),
        };
        if let Some(pen) = self.pen.opened.get() {
            return Ok(pen);
        }
        let core = Arc::clone(&self.shared.desk.core);
        let durability = core.settings().durability;
        let writer = Writer::open(core, Arc::clone(&self.shared.keeper), durability)?;
        let owner = self.owner(&writer)?;
        Ok(self.pen.opened.get_or_init(|| (writer, owner)))
    }

    fn writer(&self) -> Result<Writer> {
        self.pen().map(|(writer, _)| writer.clone())
    }

    /// Calls `callback` for each alert that this process raises from now on, after the budgets are free again. It may
    /// use them itself, but one that keeps them keeps the store open. An alert is in the log before.
    pub fn on_alert(&self, callback: impl Fn(&Alert) + Send + Sync + 'static) {
        let mut callbacks = self.shared.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        callbacks.push(Arc::new(callback));
    }

    /// Runs a transaction, and the callbacks of what it raised.
    fn with<T>(&self, act: impl FnOnce(&mut Txn<'_>) -> Result<T>) -> Result<(T, Vec<Alert>)> {
        let (value, alerts) = self.shared.desk.with(|txn| {
            if let Some(behind) = txn.is_set_back() {
                self.tell_set_back(txn, behind)?;
            }
            act(txn)
        })?;
        if !alerts.is_empty() {
            let callbacks = self.shared.callbacks.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for alert in &alerts {
                callbacks.iter().for_each(|callback| callback(alert));
            }
        }
        Ok((value, alerts))
    }

    /// Says in the log, once for each time, that the clock of the machine was set back. Counters go on by the time that they
    /// had come to, so that no window begins again.
    fn tell_set_back(&self, txn: &mut Txn<'_>, behind: i64) -> Result<()> {
        let now = txn.now();
        let message =
            "the clock was set back: budgets go by the time that it had come to, until it gets there again";
        let event = Event::system("clock_backward", message)
            .level(Level::Warn)
            .field("source", "budget")
            .field("behind", Value::Duration(behind))
            .field("until", Value::Time(now));
        let id = self.writer()?.append(&event)?;
        txn.apply(&Op::Back(now));
        txn.apply(&Op::Seen(id));
        Ok(())
    }

    /// Takes in what was appended since somebody last looked, if that is a while ago or `now` says so, and raises
    /// what that crosses.
    fn catch_up(&self, txn: &mut Txn<'_>, now: bool) -> Result<()> {
        if !now && !txn.is_behind() {
            return Ok(());
        }
        let before = every_counter(txn);
        alert::rearm(txn, &before);
        txn.drain()?;
        let after = every_counter(txn);
        alert::raise(txn, &after, &|| self.writer())
    }

    /// The definitions.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Corrupt`] for damaged ones, and what the operating system says.
    pub fn definitions(&self) -> Result<Vec<Budget>> {
        desk::read_rules(&self.shared.desk.core).map(|rules| rules.budgets)
    }

    /// Defines a budget, in the place of one that has its name. A budget that counts what it counted before goes on
    /// with its counters; for another the log is counted.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] for one that is out of range, [`crate::ErrorKind::Limit`] when there are too many,
    /// and what the operating system says.
    pub fn set(&self, budget: Budget) -> Result<()> {
        budget.validate()?;
        let place = |budgets: &mut Vec<Budget>| {
            match budgets.iter_mut().find(|other| other.name == budget.name) {
                Some(other) => *other = budget,
                None => budgets.push(budget),
            }
            Ok(())
        };
        self.shared.desk.define(place).map(drop)
    }

    /// Takes a budget away. Says whether there was one of this name.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let mut found = false;
        self.shared.desk.define(|budgets| {
            let before = budgets.len();
            budgets.retain(|budget| budget.name != name);
            found = budgets.len() < before;
            Ok(())
        })?;
        Ok(found)
    }
}

/// Every counter there is, with nothing to add.
fn every_counter(txn: &mut Txn<'_>) -> Vec<Add> {
    let budgets = 0..txn.state.rules.budgets.len();
    let add = |budget, group| Add { budget, group, amount: 0 };
    budgets
        .flat_map(|budget| txn.state.groups(budget).into_iter().map(move |group| add(budget, group)))
        .collect()
}

/// What is wrong with the files of budgets: definitions and outbox that do not read, and counters that are not what the
/// log says. A table that does not hold is made anew by whoever needs it, and is no damage. Writes nothing.
///
/// # Errors
/// What the operating system says.
pub(crate) fn check(core: &Core) -> Result<Vec<Gap>> {
    let gap = |file: FileName, what: String| {
        let len = core.vfs.stat(&file.path(&core.dir)).map_or(0, |stat| stat.size);
        Gap { file: file.relative(), offset: 0, len, records: None, what }
    };
    let mut found = Vec::new();
    if outbox::is_damaged(core)? {
        found.push(gap(FileName::Outbox, "the list of delivered alerts is damaged".into()));
    }
    match status::differences(core) {
        Ok(differences) => {
            let tell = |difference: status::Difference| {
                let status::Difference { budget, counted, logged, .. } = difference;
                gap(
                    FileName::BudgetTable,
                    format!("a counter of budget `{budget}` says {counted}, and the log says {logged}"),
                )
            };
            found.extend(differences.into_iter().map(tell));
        }
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            let what = match desk::read_rules(core) {
                Err(_) => "the definitions of budgets are damaged",
                // Records that cannot be read were named where they are.
                Ok(_) => return Ok(found),
            };
            found.push(gap(FileName::BudgetDefinitions, what.into()));
        }
        Err(error) => return Err(error),
    }
    Ok(found)
}

/// What a file of the folder of budgets holds, for a human: lines, and how many damaged pieces there are. `None` for
/// bytes that are neither.
pub(crate) fn describe(bytes: &[u8]) -> Option<(Vec<String>, u64)> {
    if bytes.starts_with(&table::MAGIC) {
        return Some(table::describe(bytes));
    }
    if bytes.starts_with(&outbox::MAGIC) {
        return Some(outbox::describe(bytes));
    }
    if !bytes.starts_with(&definition::MAGIC) {
        return None;
    }
    let Ok(budgets) = definition::decode(bytes) else {
        return Some((vec!["definitions of budgets, damaged or of a newer version".into()], 1));
    };
    let mut lines = vec![format!("definitions of {} budgets", budgets.len())];
    for budget in budgets {
        let limit = budget.measure.show(budget.limit);
        let (measure, window, mode) = (budget.measure.as_str(), budget.window, budget.mode.as_str());
        let scope = status::scope(&budget, None);
        lines.push(format!(
            "  {}: {limit} {measure} per {window} ({}), {mode}, {scope}",
            budget.name, budget.zone
        ));
    }
    Some((lines, 0))
}
