//! The store: one directory, opened by any number of processes at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::backup::{self, BackedUp, Watch};
use crate::budget::Budgets;
use crate::check::{self, CheckReport, Depth};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::forget::{self, Forget, Forgotten};
use crate::format::frame::{ImportProgress, SourceId};
use crate::format::name::{FileName, IMPORTS_DIR};
use crate::health::{self, Health};
use crate::io::disk::Disk;
use crate::io::{File, LockKind, OpenMode, Vfs};
use crate::maintenance::keeper::Keeper;
use crate::maintenance::{self, Guide, Round, Upkeep};
use crate::options::{Durability, Options};
use crate::repair::{self, Repair};
use crate::snapshot::{Cache, Snapshot};
use crate::writer::Writer;

/// A store of events. Clones share everything.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use logq_engine::{Event, Options, Scan, Store};
/// let store = Store::open(dir.path(), Options::default())?;
/// store.writer()?.append(&Event::ai("puzzle_analysis").model("llama3.2").tokens(150, 250))?;
/// let snapshot = store.snapshot()?;
/// let scan = Scan { columns: vec!["prompt_tokens".into()], ..Scan::default() };
/// let mut rows = 0;
/// for part in snapshot.parts(&scan)? {
///     part.scan(&mut |batch| {
///         rows += batch.len();
///         std::ops::ControlFlow::Continue(())
///     })?;
/// }
/// assert_eq!(rows, 1);
/// # Ok::<(), logq_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    core: Arc<Core>,
    cache: Arc<Cache>,
    keeper: Arc<Keeper>,
    budgets: Budgets,
}

/// The right to import one source, until dropped.
#[derive(Debug)]
pub struct SourceLock {
    _file: Box<dyn File>,
}

impl Store {
    /// Opens the store in the folder `path`, and makes it if there is none and the options say so.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no store and none is to be made, [`ErrorKind::Version`] when a
    /// newer version made it, [`ErrorKind::Invalid`] for options out of range and for file systems that
    /// cannot hold a store, [`ErrorKind::Corrupt`] when nothing readable is left of it.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::open_on(Arc::new(Disk::new()), path, options)
    }

    /// Opens a store on another machine than the real one: a simulated disk.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(vfs: Arc<dyn Vfs>, path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let core = Core::open(vfs, path.as_ref(), options)?;
        let core = Arc::new(core);
        let keeper = Arc::new(Keeper::new(Arc::clone(&core)));
        let cache = Arc::default();
        let budgets = Budgets::new(Arc::clone(&core), Arc::clone(&cache), Arc::clone(&keeper));
        Ok(Self { core, cache, keeper, budgets })
    }

    /// A writer with the durability of the options. Each call takes a slot of its own; clone a writer to
    /// share one.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the store was opened read-only, [`ErrorKind::Limit`] when too many
    /// writers are open, and what the operating system says.
    pub fn writer(&self) -> Result<Writer> {
        self.writer_with(self.core.settings().durability)
    }

    /// Changes the options of this open store, in this process: for every handle, at once. What a round of maintenance is doing it ends by
    /// the old rules; its pace is the new one. Writers that are open keep their durability.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::{Options, Store};
    /// use std::time::Duration;
    /// let store = Store::open(dir.path(), Options::default()).unwrap();
    /// let month = Some(Duration::from_secs(30 * 86_400));
    /// store.reconfigure(Options { retain_for: month, ..store.options() }).unwrap();
    /// assert_eq!(store.options().retain_for, month);
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for options out of range, and where `create`, `read_only`, `file_size`, `seal_after` or
    /// `maintain` differ: these are settled when a store is opened. Nothing is changed then.
    pub fn reconfigure(&self, options: Options) -> Result<()> {
        self.core.reconfigure(options)
    }

    /// The options as they are now.
    pub fn options(&self) -> Options {
        Options::clone(&self.core.settings())
    }

    /// A writer with another durability than that of the options.
    ///
    /// # Errors
    /// As [`Store::writer`].
    pub fn writer_with(&self, durability: Durability) -> Result<Writer> {
        Options { durability, ..self.core.options.clone() }.validate()?;
        Writer::open(Arc::clone(&self.core), Arc::clone(&self.keeper), durability)
    }

    /// Everything that was appended before this call, by any process.
    ///
    /// # Errors
    /// What the operating system says. Damaged files are no error: see [`Snapshot::gaps`].
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::take(&self.core, &self.cache)
    }

    /// The budgets of the store: limits on what its events use. Costs nothing until they are used.
    pub fn budgets(&self) -> Budgets {
        self.budgets.clone()
    }

    /// Verifies every checksum, reads every record of active files, and compares what the files and the
    /// manifest say of each other.
    ///
    /// # Errors
    /// What the operating system says. Damage is no error: it is the report.
    pub fn check(&self) -> Result<CheckReport> {
        check::check(&self.core, Depth::Checksums)
    }

    /// As [`Store::check`], and reads every record of sealed segments too: their order, their ids and times
    /// against what the segment says of itself, and whether the index finds their words.
    ///
    /// # Errors
    /// As [`Store::check`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::{Event, Options, Store};
    /// let store = Store::open(dir.path(), Options::default())?;
    /// store.writer()?.append(&Event::system("startup", "Autonomous system started"))?;
    /// store.seal()?;
    /// let report = store.check_deep()?;
    /// assert_eq!((report.records, report.damage.len()), (1, 0));
    /// # Ok::<(), logq_engine::Error>(())
    /// ```
    pub fn check_deep(&self) -> Result<CheckReport> {
        check::check(&self.core, Depth::Rows)
    }

    /// What [`Store::repair`] would do about what [`Store::check_deep`] finds. Changes nothing.
    ///
    /// # Errors
    /// As [`Store::check`].
    pub fn plan_repair(&self) -> Result<Repair> {
        repair::plan(&self.core)
    }

    /// Makes good what [`Store::check_deep`] finds damaged: the manifest is written anew, what can be read of a damaged
    /// file becomes a segment in its place, and what is lost is noted, so that answers say so. Damaged files are kept whole in
    /// `quarantine/`. Writers may go on; what one of them is filling is left alone. When it returns, it is on disk.
    /// Waits for another process that maintains the store.
    ///
    /// # Errors
    /// As [`Store::seal`]. What was repaired before an error stays repaired, and nothing that can be read is lost.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::{Event, Options, RepairKind, Store};
    /// let store = Store::open(dir.path(), Options::default())?;
    /// let log = store.writer()?;
    /// for task in ["one", "two", "three"] {
    ///     log.append_batch(&[Event::ai("chat").field("task", task)])?;
    /// }
    /// log.close()?;
    /// let file = dir.path().join("active/0-1.log");
    /// let mut bytes = std::fs::read(&file).unwrap();
    /// let at = bytes.windows(3).position(|word| word == b"two").unwrap();
    /// bytes[at] ^= 1;
    /// std::fs::write(&file, bytes).unwrap();
    ///
    /// let repair = store.repair()?;
    /// let step = &repair.steps[0];
    /// assert_eq!((step.kind, step.kept, step.lost), (RepairKind::Salvage, Some(2), Some(1)));
    /// let report = store.check_deep()?;
    /// assert_eq!((report.damage.len(), report.lost.len(), report.records), (0, 1, 2));
    /// # Ok::<(), logq_engine::Error>(())
    /// ```
    pub fn repair(&self) -> Result<Repair> {
        repair::apply(&self.core, &self.budgets)
    }

    /// Seals all records but those in files that a live writer is filling: they become segments, columns
    /// with an index. Waits for another process that maintains the store.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the store was opened read-only, and what the operating system says. What
    /// was sealed before an error stays sealed.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::{Event, Options, Store};
    /// let store = Store::open(dir.path(), Options::default())?;
    /// let log = store.writer()?;
    /// log.append(&Event::ai("puzzle_analysis").model("llama3.2").tokens(150, 250))?;
    /// log.close()?;
    /// let upkeep = store.seal()?;
    /// assert_eq!((upkeep.steps.len(), upkeep.unsealed), (1, 0));
    /// # Ok::<(), logq_engine::Error>(())
    /// ```
    pub fn seal(&self) -> Result<Upkeep> {
        maintenance::seal(&self.core)
    }

    /// One full round of maintenance: seals, deletes what `retain_for` says, rolls what is older than
    /// `archive_after` into the archive, merges small segments. `now` is the clock of the two ages,
    /// nanoseconds since 1970. Waits for another process that maintains the store.
    ///
    /// # Errors
    /// As [`Store::seal`]. What cannot be done holds up nothing else: the round goes on, and ends with the first error.
    pub fn maintain(&self, now: i64) -> Result<Upkeep> {
        self.maintain_with(Round { now: Some(now), ..Round::default() })
    }

    /// As [`Store::maintain`], by the clock of the machine, which is not believed at once when it jumped: see
    /// [`Upkeep::held`].
    ///
    /// # Errors
    /// As [`Store::maintain`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::{Event, Options, Store};
    /// let store = Store::open(dir.path(), Options::default())?;
    /// store.writer()?.append(&Event::system("startup", "Autonomous system started"))?;
    /// assert_eq!(store.maintain_by_clock()?.held, None);
    /// # Ok::<(), logq_engine::Error>(())
    /// ```
    pub fn maintain_by_clock(&self) -> Result<Upkeep> {
        self.maintain_with(Round::default())
    }

    /// A round of maintenance that can be ended and watched, see [`Round`]. It goes as fast as
    /// [`Options::maintain_bytes_per_second`] and [`Options::maintain_cpu_share`] allow.
    ///
    /// # Errors
    /// As [`Store::maintain`]. That it was ended is no error: see [`Upkeep::cancelled`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::{Event, Options, Round, Store};
    /// let store = Store::open(dir.path(), Options::default())?;
    /// store.writer()?.append(&Event::system("startup", "Autonomous system started"))?;
    /// let mut steps = 0;
    /// let mut watch = |at: logq_engine::UpkeepProgress| steps = at.steps_done;
    /// let done = store.maintain_with(Round { watch: Some(&mut watch), ..Round::default() })?;
    /// assert_eq!((done.cancelled, steps), (false, 1));
    /// # Ok::<(), logq_engine::Error>(())
    /// ```
    pub fn maintain_with(&self, round: Round<'_>) -> Result<Upkeep> {
        maintenance::maintain(&self.core, round)
    }

    /// What [`Store::maintain`] would do first: the steps that what is there now asks for, without doing
    /// anything. Files whose writers crashed count once somebody has looked at them.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn plan_upkeep(&self, now: i64) -> Result<Upkeep> {
        maintenance::plan(&self.core, Some(now))
    }

    /// What [`Store::maintain_by_clock`] would do first.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn plan_upkeep_by_clock(&self) -> Result<Upkeep> {
        maintenance::plan(&self.core, None)
    }

    /// Makes a backup in the folder `dest`, which may hold earlier ones of this store: what was appended before the call, by
    /// any process, and settings, refused lines and damaged pieces. Sealed files that an earlier backup has are not read again. With `keep`
    /// only so many of the newest backups stay, this one among them. When it returns, the backup is on disk; when it fails
    /// or is cut short there is none, and earlier ones are as they were.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when `dest` lies in the store or holds anything but backups of this store,
    /// [`ErrorKind::Locked`] while another process makes one there, [`ErrorKind::Corrupt`] when a file of the store cannot be read,
    /// and what the operating system says.
    pub fn backup(
        &self,
        dest: impl AsRef<Path>,
        keep: Option<usize>,
        watch: &mut Watch<'_>,
    ) -> Result<BackedUp> {
        backup::back_up(&self.core, &self.cache, dest.as_ref(), keep, watch)
    }

    /// What [`Store::forget`] would remove. Changes nothing.
    ///
    /// # Errors
    /// As [`Store::snapshot`].
    pub fn plan_forget(&self, forget: &Forget) -> Result<Forgotten> {
        let cancel = AtomicBool::new(false);
        forget::plan(&self.core, &self.cache, forget, &Guide::free(&self.core, &cancel))
    }

    /// As [`Store::plan_forget`], no faster than a round of maintenance may go, and ended when somebody asks for it:
    /// [`Forgotten::cancelled`] says so, and not all was looked at then.
    ///
    /// # Errors
    /// As [`Store::snapshot`].
    pub fn plan_forget_with(&self, forget: &Forget, round: Round<'_>) -> Result<Forgotten> {
        let plan = |guide: &Guide<'_>| forget::plan(&self.core, &self.cache, forget, guide);
        maintenance::guided(&self.core, round, plan)
    }

    /// Removes the events that match from every file that can be sealed, for good: columns, dictionaries and indexes are
    /// made anew without them, the old files are unlinked, counters of budgets are counted anew. Backups are out of its reach. When it
    /// returns, it is on disk. Waits for another process that maintains the store.
    ///
    /// # Errors
    /// As [`Store::seal`]. What was removed before an error stays removed.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::{Event, Forget, Literal, Options, Predicate, Store, TimeRange};
    /// use logq_engine::{Comparison::Eq, Test};
    /// let store = Store::open(dir.path(), Options::default())?;
    /// let log = store.writer()?;
    /// for user in ["alice", "bob"] {
    ///     log.append(&Event::ai("chat").field("user", user))?;
    /// }
    /// log.close()?;
    /// let alice = Predicate::field("user", Test::Compare(Eq, Literal::Text("alice".into())));
    /// let forget = Forget { range: TimeRange::default(), predicate: alice, import: None };
    /// assert_eq!(store.forget(&forget)?.events, 1);
    /// assert_eq!(store.plan_forget(&forget)?.events, 0);
    /// # Ok::<(), logq_engine::Error>(())
    /// ```
    pub fn forget(&self, forget: &Forget) -> Result<Forgotten> {
        let cancel = AtomicBool::new(false);
        let done = forget::apply(&self.core, &self.cache, forget, &Guide::free(&self.core, &cancel))?;
        self.forgotten(done)
    }

    /// As [`Store::forget`], no faster than [`Options::maintain_bytes_per_second`] and [`Options::maintain_cpu_share`] say,
    /// watched, and ended when somebody asks for it: each file is done whole or not at all, and
    /// [`Forgotten::cancelled`] says that some were left. The clock of the round is of no matter.
    ///
    /// # Errors
    /// As [`Store::forget`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # use std::sync::atomic::AtomicBool;
    /// use logq_engine::{Comparison::Eq, Event, Forget, Literal, Options, Predicate, Round, Store, Test, TimeRange};
    /// let store = Store::open(dir.path(), Options::default())?;
    /// store.writer()?.append(&Event::ai("chat").field("user", "alice"))?;
    /// store.seal()?;
    /// let alice = Predicate::field("user", Test::Compare(Eq, Literal::Text("alice".into())));
    /// let forget = Forget { range: TimeRange::default(), predicate: alice, import: None };
    /// let enough = AtomicBool::new(true);
    /// let done = store.forget_with(&forget, Round { cancel: Some(&enough), ..Round::default() })?;
    /// assert_eq!((done.cancelled, done.events), (true, 0));
    /// # Ok::<(), logq_engine::Error>(())
    /// ```
    pub fn forget_with(&self, forget: &Forget, round: Round<'_>) -> Result<Forgotten> {
        let apply = |guide: &Guide<'_>| forget::apply(&self.core, &self.cache, forget, guide);
        self.forgotten(maintenance::guided(&self.core, round, apply)?)
    }

    /// Counts the budgets anew: without what went, and what went before a removal that stopped half way.
    fn forgotten(&self, done: Forgotten) -> Result<Forgotten> {
        self.budgets.recount_used()?;
        Ok(done)
    }

    /// Deletes files that [`Forgotten::set_aside`] named; says how many there were.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a path that does not lead into `quarantine/` or `imports/`, and what the operating
    /// system says.
    pub fn delete_set_aside(&self, files: &[String]) -> Result<usize> {
        forget::delete(&self.core, files)
    }

    /// The state of the store in numbers: files by kind, writers, what waits, what was set aside, how fast it grows. `now` is the
    /// clock of the growth, nanoseconds since 1970. Reads heads and footers only.
    ///
    /// # Errors
    /// As [`Store::snapshot`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::{Event, Options, Store};
    /// let store = Store::open(dir.path(), Options::default())?;
    /// let log = store.writer()?;
    /// log.append(&Event::system("startup", "Autonomous system started"))?;
    /// let health = store.health(store.now())?;
    /// assert_eq!((health.writers, health.active.records, health.sealed.files), (1, 1, 0));
    /// # Ok::<(), logq_engine::Error>(())
    /// ```
    pub fn health(&self, now: i64) -> Result<Health> {
        health::health(&self.core, &self.cache, now)
    }

    /// Which parts of which sources were imported: for each source its ranges in order, neighbours joined.
    ///
    /// # Errors
    /// As [`Store::snapshot`].
    pub fn imports(&self) -> Result<Vec<ImportProgress>> {
        Ok(self.snapshot()?.imports(&self.cache))
    }

    /// Takes the right to import a source, so that no two processes import the same one at a time.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] when another process imports it, and what the operating system says.
    pub fn lock_source(&self, source: SourceId) -> Result<SourceLock> {
        self.core.check_writable()?;
        let path = FileName::SourceLock { hash: source.hash }.path(&self.core.dir);
        let failed = |error| Error::io("a source's lock cannot be taken", &path, error);
        self.core.vfs.create_dir(&self.imports_dir()).map_err(failed)?;
        let file = self.core.vfs.open(&path, OpenMode::CreateOrOpen).map_err(failed)?;
        if !file.try_lock(LockKind::Exclusive).map_err(failed)? {
            return Err(Error::new(ErrorKind::Locked, "another process imports this source").at(&path));
        }
        Ok(SourceLock { _file: file })
    }

    /// Where importers keep what they can do without: caches, and the lines that they refused.
    pub fn imports_dir(&self) -> PathBuf {
        self.core.dir.join(IMPORTS_DIR)
    }

    /// The store's folder.
    pub fn path(&self) -> &Path {
        &self.core.dir
    }

    /// The wall clock that arrivals are stamped with, nanoseconds since 1970.
    pub fn now(&self) -> i64 {
        self.core.vfs.now()
    }

    /// The store's identity, made with it.
    ///
    /// # Errors
    /// As [`Store::snapshot`].
    pub fn id(&self) -> Result<u128> {
        self.core.store_id()
    }
}
