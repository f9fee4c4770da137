//! The desk: one process's copy of the counters, and the lock under which all processes change them.
//!
//! Every change is a transaction: the lock is taken, what others have added to the table is read, the change is
//! applied to the copy and added to the table, the lock is given back. A process that is killed in between has
//! changed nothing; one whose transaction fails forgets its copy and reads the table again.
//!
//! Usage that nobody booked (a plain append) is taken in from the log by the next transaction that comes
//! [`LAG`] after the last time somebody looked, and at once by those that ask for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::alert::Alert;
use super::definition::{self, Budget, Unread};
use super::fold;
use super::op::{Group, Hold, Op, Owner};
use super::state::{Rules, State};
use super::table::{self, Next, Table};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::format;
use crate::format::name::{BUDGETS_DIR, FileName};
use crate::format::varint;
use crate::io::{File, LockKind, OpenMode};
use crate::slot;
use crate::snapshot::{Cache, Snapshot};

/// How long plain appends may stay out of the counters while budgets are in use, in nanoseconds.
pub(super) const LAG: i64 = 100_000_000;
/// A clock that is so far behind was set back, and did not only drift, in nanoseconds.
const BACK_MIN: i64 = 2_000_000_000;
/// A fold of more ops than this is written down as a new table.
const OPS_MAX: usize = 1024;
/// Runs of records beyond the position; with more the log is looked at to close the gaps.
const RUNS_MAX: usize = 64;

/// One process's way to the counters of a store.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) core: Arc<Core>,
    pub(super) cache: Arc<Cache>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lock: Option<Lock>,
    open: Option<Open>,
    /// Holds of guards of this process: a table that is made anew gets them back.
    own: HashMap<u64, Arc<Hold>>,
    /// When the files were last compared with those that have their names.
    compared: i64,
}

#[derive(Debug)]
struct Lock {
    file: Box<dyn File>,
    identity: (u64, u64),
}

#[derive(Debug)]
struct Open {
    table: Table,
    state: State,
    /// When the log was last looked at, by this machine's clock.
    looked: i64,
}

/// One transaction.
#[derive(Debug)]
pub(super) struct Txn<'d> {
    core: &'d Core,
    cache: &'d Cache,
    pub(super) state: &'d mut State,
    own: &'d mut HashMap<u64, Arc<Hold>>,
    looked: &'d mut i64,
    /// The clock as it is, which may be behind the state's.
    clock: i64,
    ops: Vec<u8>,
    /// Whether the table is to be written anew.
    anew: bool,
    /// Alerts that were raised: for callbacks, once the lock is free.
    pub(super) alerts: Vec<Alert>,
}

/// The budgets that are defined, and the fingerprint of their bytes.
///
/// # Errors
/// [`ErrorKind::Corrupt`] for a damaged file, [`ErrorKind::Version`] for one of a newer version.
pub(super) fn read_rules(core: &Core) -> Result<Rules> {
    let path = FileName::BudgetDefinitions.path(&core.dir);
    let failed = |error| Error::io("the definitions of budgets cannot be read", &path, error);
    let bytes = match core.vfs.open(&path, OpenMode::Read) {
        Ok(file) => {
            let size = file.stat().map_err(failed)?.size;
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
            let len = file.read_at(0, &mut bytes).map_err(failed)?;
            bytes.truncate(len);
            bytes
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            definition::encode(&definition::defaults())
        }
        Err(error) => return Err(failed(error)),
    };
    let budgets = definition::decode(&bytes).map_err(|unread| match unread {
        Unread::Damaged => Error::new(
            ErrorKind::Corrupt,
            "the definitions of budgets are damaged; move the file away and define them anew",
        ),
        Unread::Version(version) => {
            let what = format!(
                "version {version} wrote the definitions of budgets, and this library reads {}",
                format::VERSION
            );
            Error::new(ErrorKind::Version, what)
        }
    });
    Ok(Rules::new(budgets.map_err(|error| error.at(&path))?, definition::fingerprint(&bytes)))
}

fn write_rules(core: &Core, budgets: &[Budget]) -> Result<()> {
    let (path, unfinished) =
        (FileName::BudgetDefinitions.path(&core.dir), FileName::BudgetDefinitionsNew.path(&core.dir));
    let failed = |error| Error::io("the definitions of budgets cannot be written", &unfinished, error);
    match core.vfs.remove(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let file = core.vfs.open(&unfinished, OpenMode::CreateNew).map_err(failed)?;
    file.write_at(0, &definition::encode(budgets)).map_err(failed)?;
    file.sync_data().map_err(failed)?;
    core.vfs.rename(&unfinished, &path).map_err(failed)?;
    core.vfs.sync_dir(&core.dir.join(BUDGETS_DIR)).map_err(failed)?;
    core.vfs.sync_dir(&core.dir).map_err(failed)
}

/// Applies the bytes of a transaction. `None` when they are none.
fn apply(state: &mut State, mut bytes: &[u8]) -> Option<()> {
    let now = varint::take_signed(&mut bytes)?;
    state.tick(now);
    while !bytes.is_empty() {
        state.apply(&Op::decode(&mut bytes)?);
    }
    Some(())
}

/// The counters as they are, without a change to any file; `None` when the table is of no use.
fn read_state(core: &Core, rules: &Arc<Rules>) -> Result<Option<State>> {
    let lock = core.vfs.open(&FileName::BudgetLock.path(&core.dir), OpenMode::Read);
    let Ok(lock) = lock else { return Ok(None) };
    // A disk that one may not lock on is read all the same: a transaction that is being added is not seen.
    let _shared = lock.lock(LockKind::Shared);
    let Some(transactions) = table::read(core, rules.fingerprint)? else { return Ok(None) };
    let mut state = State::new(Arc::clone(rules), core.vfs.now())?;
    let whole = transactions.iter().try_for_each(|bytes| apply(&mut state, bytes));
    Ok(whole.map(|()| state))
}

impl Desk {
    pub(super) fn new(core: Arc<Core>, cache: Arc<Cache>) -> Self {
        Self { core, cache, inner: Mutex::default() }
    }

    /// The counters with all that is in the log, for somebody who only looks. Writes nothing.
    pub(super) fn observe(&self) -> Result<State> {
        let rules = Arc::new(read_rules(&self.core)?);
        let snapshot = Snapshot::take(&self.core, &self.cache)?;
        if let Some(mut state) = read_state(&self.core, &rules)? {
            state.tick(self.core.vfs.now());
            fold::pending(&state, &snapshot)?.ops().iter().for_each(|op| state.apply(op));
            return Ok(state);
        }
        self.counted(rules, self.core.vfs.now(), &snapshot)
    }

    /// A state that is counted from the log alone.
    fn counted(&self, rules: Arc<Rules>, now: i64, snapshot: &Snapshot) -> Result<State> {
        let mut state = State::new(rules, now)?;
        fold::count(&mut state, snapshot)?;
        Ok(state)
    }

    /// The clock of the counters, as far as this process knows it.
    pub(super) fn now(&self) -> i64 {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let known = inner.open.as_ref().map_or(i64::MIN, |open| open.state.now);
        known.max(self.core.vfs.now())
    }

    /// Runs a transaction.
    ///
    /// # Errors
    /// Those of `act`, what the operating system says, and those of a store that cannot be written.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Txn<'_>) -> Result<T>) -> Result<(T, Vec<Alert>)> {
        self.core.check_writable()?;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.compare_files(&mut inner);
        self.take_lock(&mut inner)?;
        let result = self.transact(&mut inner, act);
        if result.is_err() {
            inner.open = None;
        }
        let freed = inner.lock.as_ref().map_or(Ok(()), |lock| lock.file.unlock());
        if let Err(error) = freed {
            // The lock goes with its file.
            (inner.lock, inner.open) = (None, None);
            return result.and(Err(lock_failed(&self.core, error)));
        }
        result
    }

    fn transact<T>(
        &self,
        inner: &mut Inner,
        act: impl FnOnce(&mut Txn<'_>) -> Result<T>,
    ) -> Result<(T, Vec<Alert>)> {
        let Inner { open, own, .. } = inner;
        let open = self.refresh(open, own)?;
        let clock = self.core.vfs.now();
        open.state.tick(clock);
        let mut txn = Txn {
            core: &self.core,
            cache: &self.cache,
            state: &mut open.state,
            own,
            looked: &mut open.looked,
            clock,
            ops: Vec::new(),
            anew: false,
            alerts: Vec::new(),
        };
        let value = act(&mut txn)?;
        let Txn { ops, anew, alerts, .. } = txn;
        open.write(&self.core, &ops, anew)?;
        Ok((value, alerts))
    }

    /// Lets go of files that somebody has taken away: others would share another table. Looks once in a while.
    fn compare_files(&self, inner: &mut Inner) {
        let now = self.core.vfs.now();
        if now.checked_sub(inner.compared).is_some_and(|passed| (0..LAG).contains(&passed)) {
            return;
        }
        inner.compared = now;
        let is = |name: FileName, identity: (u64, u64)| {
            self.core.vfs.stat(&name.path(&self.core.dir)).is_ok_and(|stat| stat.identity == identity)
        };
        if inner.lock.as_ref().is_some_and(|lock| !is(FileName::BudgetLock, lock.identity)) {
            (inner.lock, inner.open) = (None, None);
        }
        if inner.open.as_ref().is_some_and(|open| !is(FileName::BudgetTable, open.table.identity)) {
            inner.open = None;
        }
    }

    fn take_lock(&self, inner: &mut Inner) -> Result<()> {
        let failed = |error| lock_failed(&self.core, error);
        if inner.lock.is_none() {
            let folder = self.core.dir.join(BUDGETS_DIR);
            self.core.vfs.create_dir(&folder).map_err(failed)?;
            let path = FileName::BudgetLock.path(&self.core.dir);
            let file = self.core.vfs.open(&path, OpenMode::CreateOrOpen).map_err(failed)?;
            let identity = file.stat().map_err(failed)?.identity;
            inner.lock = Some(Lock { file, identity });
        }
        inner.lock.as_ref().map_or(Ok(()), |lock| lock.file.lock(LockKind::Exclusive)).map_err(failed)
    }

    /// Reads what others have added since, or the whole table.
    fn refresh<'i>(&self, open: &'i mut Option<Open>, own: &HashMap<u64, Arc<Hold>>) -> Result<&'i mut Open> {
        let current = open.as_mut().is_some_and(|open| !open.table.is_retired() && open.catch_up().is_some());
        if !current {
            *open = None;
            let mut fresh = self.load()?;
            // A table that was lost has lost the holds of guards too; each process brings its own back.
            let missing = own.values().filter(|hold| !fresh.state.holds.contains_key(&hold.id));
            let missing: Vec<Op> = missing.cloned().map(Op::Hold).collect();
            if !missing.is_empty() {
                let mut bytes = Vec::new();
                for op in &missing {
                    fresh.state.apply(op);
                    op.encode(&mut bytes);
                }
                fresh.write(&self.core, &bytes, false)?;
            }
            *open = Some(fresh);
        }
        open.as_mut().ok_or_else(|| Error::new(ErrorKind::Io, "BUG: a table was not opened"))
    }

    fn load(&self) -> Result<Open> {
        let rules = Arc::new(read_rules(&self.core)?);
        let now = self.core.vfs.now();
        if let Some(table) = Table::open(&self.core, rules.fingerprint)? {
            let retired = table.is_retired();
            let state = State::new(Arc::clone(&rules), now)?;
            let mut open = Open { table, state, looked: i64::MIN };
            if open.catch_up().is_some_and(|read| 0 < read) {
                if retired {
                    // Whoever was to put another table in its place did not come to it.
                    open.write(&self.core, &[], true)?;
                }
                return Ok(open);
            }
        }
        let snapshot = Snapshot::take(&self.core, &self.cache)?;
        let mut state = self.counted(rules, now, &snapshot)?;
        table::retire(&self.core)?;
        let table = make_table(&self.core, &mut state, None)?;
        Ok(Open { table, state, looked: now })
    }

    /// Counts the log anew and compares: what the counters say, and what the log says, where they differ.
    ///
    /// # Errors
    /// As [`Desk::with`].
    pub(super) fn recount(&self, keep: bool) -> Result<Vec<Recounted>> {
        let (found, _) = self.with(|txn| {
            let snapshot = txn.drain()?;
            // A comparison goes by the clock of the counters, so that the same windows are of interest. New counters
            // go by the clock as it is: that undoes a clock which was once far ahead.
            let rules = Arc::clone(&txn.state.rules);
            let now = if keep { txn.clock } else { txn.state.now };
            let mut fresh = self.counted(rules, now, &snapshot)?;
            let different = differences(txn.state, &mut fresh);
            if keep {
                txn.replace(fresh);
            }
            Ok(different)
        })?;
        Ok(found)
    }

    /// Puts other definitions in the place of those that there are.
    ///
    /// # Errors
    /// As [`Desk::with`], and [`ErrorKind::Invalid`] for definitions that are none.
    pub(super) fn define(&self, change: impl FnOnce(&mut Vec<Budget>) -> Result<()>) -> Result<Vec<Budget>> {
        let (budgets, _) = self.with(|txn| {
            let mut budgets = txn.state.rules.budgets.clone();
            change(&mut budgets)?;
            definition::validate(&budgets)?;
            txn.drain()?;
            write_rules(&self.core, &budgets)?;
            let fingerprint = definition::fingerprint(&definition::encode(&budgets));
            let rules = Arc::new(Rules::new(budgets.clone(), fingerprint));
            txn.redefine(rules)?;
            Ok(budgets)
        })?;
        Ok(budgets)
    }
}

/// Counts the log and compares it with the counters, for somebody who only looks. Nothing is there to compare where no
/// table of this boot is. Writes nothing.
///
/// # Errors
/// What the operating system says, and [`ErrorKind::Corrupt`] for damaged definitions.
pub(super) fn compare(core: &Core) -> Result<Vec<Recounted>> {
    let rules = Arc::new(read_rules(core)?);
    // The counters first: whatever they have counted was appended before, and is in the snapshot.
    let Some(mut state) = read_state(core, &rules)? else { return Ok(Vec::new()) };
    let snapshot = Snapshot::take(core, &Cache::default())?;
    state.tick(core.vfs.now());
    fold::pending(&state, &snapshot)?.ops().iter().for_each(|op| state.apply(op));
    let mut fresh = State::new(rules, state.now)?;
    fold::count(&mut fresh, &snapshot)?;
    let mut found = differences(&mut state, &mut fresh);
    let options = core.settings();
    if options.retain_for.is_some() || options.retain_bytes.is_some() || options.keep_free_bytes != 0 {
        // What has expired was counted: a window that began before the oldest event may well say more than the log.
        let oldest = snapshot.file_sizes().iter().map(|file| file.time_min).min().unwrap_or(i64::MAX);
        found.retain(|found| found.counted < found.logged || oldest <= found.key.2);
    }
    Ok(found)
}

/// What the counters say and what the log says, where they differ.
fn differences(state: &mut State, fresh: &mut State) -> Vec<Recounted> {
    let (counted, logged) = (state.amounts(), fresh.amounts());
    let rest: BTreeSet<usize> = counted.keys().chain(logged.keys()).filter_map(shares).collect();
    let (counted, logged) = (together(counted, &rest), together(logged, &rest));
    let keys: BTreeSet<_> = counted.keys().chain(logged.keys()).cloned().collect();
    let different = keys.into_iter().filter_map(|key| {
        let amount = |amounts: &BTreeMap<_, u64>| amounts.get(&key).copied().unwrap_or(0);
        let (counted, logged) = (amount(&counted), amount(&logged));
        (counted != logged).then_some(Recounted { key, counted, logged })
    });
    different.collect()
}

/// What windows hold: by budget, group and start.
type Windowed = BTreeMap<(usize, Group, i64), u64>;

/// The budget of a counter that several values share.
fn shares((budget, group, _): &(usize, Group, i64)) -> Option<usize> {
    (*group == Group::Rest).then_some(*budget)
}

/// With the groups of these budgets summed up: which of their values have a counter of their own depends on which came
/// first, and that is not the same when the log is counted anew.
fn together(amounts: Windowed, budgets: &BTreeSet<usize>) -> Windowed {
    let mut sums = Windowed::new();
    for ((budget, group, start), amount) in amounts {
        let group = if budgets.contains(&budget) { Group::Rest } else { group };
        let sum = sums.entry((budget, group, start)).or_default();
        *sum = sum.saturating_add(amount);
    }
    sums
}

/// Holds that are over: their time has passed, or their process is gone. `own` are of this process.
pub(super) fn over(core: &Core, state: &State, own: &dyn Fn(u64) -> bool) -> Vec<u64> {
    let mut known: Vec<(Owner, bool)> = Vec::new();
    let mut over = Vec::new();
    for hold in state.holds.values() {
        if hold.until <= state.now {
            over.push(hold.id);
            continue;
        }
        let Some(owner) = hold.owner.filter(|_| !own(hold.id)) else { continue };
        let asked = known.iter().find(|(other, _)| *other == owner).map(|(_, lives)| *lives);
        let lives = asked.unwrap_or_else(|| {
            let lives = slot::is_held(&*core.vfs, &core.dir, owner.slot, owner.epoch);
            known.push((owner, lives));
            lives
        });
        if !lives {
            over.push(hold.id);
        }
    }
    over
}

/// A counter that the log does not bear out.
#[derive(Debug)]
pub(super) struct Recounted {
    pub(super) key: (usize, Group, i64),
    pub(super) counted: u64,
    pub(super) logged: u64,
}

fn lock_failed(core: &Core, error: std::io::Error) -> Error {
    let path = FileName::BudgetLock.path(&core.dir);
    Error::io("the lock of the budgets cannot be taken or freed", &path, error)
}

/// A new table for a state, in the place of another.
fn make_table(core: &Core, state: &mut State, old: Option<&Table>) -> Result<Table> {
    let mut bytes = Vec::new();
    varint::put_signed(&mut bytes, state.now);
    state.ops().iter().for_each(|op| op.encode(&mut bytes));
    Table::replace(core, state.rules.fingerprint, &bytes, old)
}

impl Open {
    /// Applies the transactions that others have added; says how many. `None` when one does not hold.
    fn catch_up(&mut self) -> Option<usize> {
        let mut read = 0;
        loop {
            match self.table.next() {
                Next::Transaction(bytes) => apply(&mut self.state, &bytes)?,
                Next::End => return Some(read),
                Next::Damaged => return None,
            }
            read += 1;
        }
    }

    /// Adds a transaction whose ops were applied already.
    fn write(&mut self, core: &Core, ops: &[u8], anew: bool) -> Result<()> {
        if ops.is_empty() && !anew {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(ops.len() + 10);
        varint::put_signed(&mut bytes, self.state.now);
        bytes.extend_from_slice(ops);
        if !anew && self.table.has_room(bytes.len()) {
            return self.table.append(&bytes);
        }
        self.table = make_table(core, &mut self.state, Some(&self.table))?;
        Ok(())
    }
}

impl Txn<'_> {
    /// The time of the counters: the clock, which never goes back.
    pub(super) fn now(&self) -> i64 {
        self.state.now
    }

    /// Changes the counters.
    pub(super) fn apply(&mut self, op: &Op) {
        self.state.apply(op);
        op.encode(&mut self.ops);
    }

    /// Holds for a guard of this process, until it is freed.
    pub(super) fn hold_own(&mut self, hold: Hold) {
        let hold = Arc::new(hold);
        self.own.insert(hold.id, Arc::clone(&hold));
        self.apply(&Op::Hold(hold));
    }

    /// Remembers a hold of a guard of this process as it is now.
    pub(super) fn keep_own(&mut self, id: u64) {
        if let Some(hold) = self.state.holds.get(&id) {
            self.own.insert(id, Arc::clone(hold));
        }
    }

    /// Whether the machine's clock is so far behind that of the counters that somebody has set it back, and that was not said.
    pub(super) fn is_set_back(&self) -> Option<i64> {
        let behind = self.state.now.saturating_sub(self.clock);
        (BACK_MIN <= behind && self.state.back != Some(self.state.now)).then_some(behind)
    }

    /// Frees a hold, if there is one.
    pub(super) fn free(&mut self, id: u64) {
        self.own.remove(&id);
        if self.state.holds.contains_key(&id) {
            self.apply(&Op::Free(id));
        }
    }

    /// Whether nobody has looked into the log for a while. A clock that was set back counts as a while.
    pub(super) fn is_behind(&self) -> bool {
        let passed = self.clock.checked_sub(*self.looked);
        passed.is_none_or(|passed| !(0..LAG).contains(&passed)) || RUNS_MAX < self.state.runs_beyond()
    }

    /// Takes in all that is in the log.
    ///
    /// # Errors
    /// As [`Snapshot::take`].
    pub(super) fn drain(&mut self) -> Result<Snapshot> {
        let snapshot = Snapshot::take(self.core, self.cache)?;
        let ops = fold::pending(self.state, &snapshot)?.ops();
        *self.looked = self.clock;
        let news = |op: &Op| match op {
            Op::Upto(id) => self.state.position().next.get(&id.writer).is_none_or(|next| *next < id.sequence),
            _ => true,
        };
        let ops: Vec<Op> = ops.into_iter().filter(news).collect();
        if OPS_MAX < ops.len() {
            ops.iter().for_each(|op| self.state.apply(op));
            self.anew = true;
        } else {
            ops.iter().for_each(|op| self.apply(op));
        }
        Ok(snapshot)
    }

    /// Frees holds that are over: those whose time has passed, and those whose process is gone.
    pub(super) fn sweep(&mut self) {
        let over = over(self.core, self.state, &|id| self.own.contains_key(&id));
        over.into_iter().for_each(|id| self.free(id));
    }

    /// Takes other counters, but the holds of guards, which no log knows.
    fn replace(&mut self, fresh: State) {
        let guards = self.state.holds.values().filter(|hold| hold.owner.is_some());
        let guards: Vec<Op> = guards.cloned().map(Op::Hold).collect();
        *self.state = fresh;
        guards.iter().for_each(|op| self.state.apply(op));
        self.anew = true;
    }

    /// Goes on under other definitions.
    fn redefine(&mut self, rules: Arc<Rules>) -> Result<()> {
        let mut fresh = State::new(Arc::clone(&rules), self.state.now)?;
        let old = std::mem::replace(self.state, State::new(Arc::clone(&rules), self.state.now)?);
        let whole = fresh.adopt(old);
        *self.state = fresh;
        self.anew = true;
        if !whole {
            let snapshot = Snapshot::take(self.core, self.cache)?;
            let mut counted = State::new(rules, self.state.now)?;
            fold::count(&mut counted, &snapshot)?;
            self.replace(counted);
        }
        // What a guard of this process holds has moved to other places with the definitions.
        for (id, hold) in self.own.iter_mut() {
            if let Some(moved) = self.state.holds.get(id) {
                hold.clone_from(moved);
            }
        }
        Ok(())
    }
}
