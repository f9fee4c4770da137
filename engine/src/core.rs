//! What every handle of one open store shares: where it is, its options, and the manifest as last read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crate::error::{Error, ErrorKind, Result};
use crate::format::manifest::Op;
use crate::format::name::ACTIVE_DIR;
use crate::io::{Support, Vfs};
use crate::manifest::{Manifest, RESTORING, State};
use crate::options::Options;

/// One open store.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) dir: PathBuf,
    /// As the store was opened.
    pub(crate) options: Options,
    /// As they are now, for all that can be changed meanwhile.
    settings: RwLock<Arc<Options>>,
    manifest: Mutex<Manifest>,
    /// Segments that are known to have no prompts and responses. They never change, and no number is used twice.
    bodiless: Mutex<HashSet<u64>>,
    /// Why the store takes no more records.
    poisoned: OnceLock<String>,
}

impl Core {
    pub(crate) fn open(vfs: Arc<dyn Vfs>, dir: &Path, options: Options) -> Result<Self> {
        options.validate()?;
        if vfs.stat(&dir.join(RESTORING)).is_ok() {
            let what = "a restore into this folder did not end: run it again";
            return Err(Error::new(ErrorKind::Invalid, what).at(dir));
        }
        if !Manifest::exists(&*vfs, dir) {
            if !options.create || options.read_only {
                return Err(Error::new(ErrorKind::NotFound, "there is no store here").at(dir));
            }
            make_dirs(&*vfs, dir)?;
            check_support(&*vfs, dir)?;
            Manifest::create(&*vfs, dir)?;
        } else if !options.read_only {
            check_support(&*vfs, dir)?;
        }
        let manifest = Mutex::new(Manifest::load(&*vfs, dir)?);
        Ok(Self {
            vfs,
            dir: dir.into(),
            settings: RwLock::new(Arc::new(options.clone())),
            options,
            manifest,
            bodiless: Mutex::default(),
            poisoned: OnceLock::new(),
        })
    }

    /// The options of upkeep as they are now.
    pub(crate) fn settings(&self) -> Arc<Options> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes them.
    pub(crate) fn reconfigure(&self, options: Options) -> Result<()> {
        options.validate()?;
        if let Some(name) = self.options.fixed_difference(&options) {
            let what = format!("{name} cannot be changed while the store is open");
            return Err(Error::new(ErrorKind::Invalid, what).at(&self.dir));
        }
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(options);
        Ok(())
    }

    /// The manifest as it is now.
    pub(crate) fn manifest(&self) -> Result<Manifest> {
        let mut manifest = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        manifest.refresh(&*self.vfs, &self.dir)?;
        Ok(manifest.clone())
    }

    /// Edits the manifest, durably.
    pub(crate) fn commit(&self, ops: impl FnOnce(&State) -> Result<Vec<Op>>) -> Result<()> {
        let edited = Manifest::commit(&*self.vfs, &self.dir, ops)?;
        *self.manifest.lock().unwrap_or_else(PoisonError::into_inner) = edited;
        Ok(())
    }

    /// Whether a segment is known to have no prompts and responses.
    pub(crate) fn is_bodiless(&self, id: u64) -> bool {
        self.bodiless.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// Remembers that a segment has none.
    pub(crate) fn note_bodiless(&self, id: u64) {
        self.bodiless.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    /// Writes a manifest that is missing or damaged anew.
    pub(crate) fn mend_manifest(&self) -> Result<()> {
        let mended = Manifest::mend(&*self.vfs, &self.dir)?;
        *self.manifest.lock().unwrap_or_else(PoisonError::into_inner) = mended;
        Ok(())
    }

    pub(crate) fn store_id(&self) -> Result<u128> {
        Ok(self.manifest()?.state.store)
    }

    /// Refuses to write more than the store's bound on unsealed bytes allows.
    pub(crate) fn check_bound(&self, more: u64) -> Result<()> {
        let bound = self.settings().unsealed_max;
        if bound == u64::MAX {
            return Ok(());
        }
        let reserved = self.manifest()?.state.reserved();
        if bound < reserved.saturating_add(more) {
            let what = format!("{reserved} bytes of the store are not sealed, and unsealed_max is {bound}");
            return Err(Error::new(ErrorKind::Full, what).at(&self.dir));
        }
        Ok(())
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        if let Some(what) = self.poisoned.get() {
            let what = format!("the store is read-only until it is opened again: {what}");
            return Err(Error::new(ErrorKind::Poisoned, what).at(&self.dir));
        }
        if self.options.read_only {
            return Err(Error::new(ErrorKind::Invalid, "the store was opened read-only").at(&self.dir));
        }
        Ok(())
    }

    /// Lets the store take no more records. The first reason stays.
    pub(crate) fn poison(&self, what: &str) {
        let _first_stays = self.poisoned.set(what.into());
    }
}

fn make_dirs(vfs: &dyn Vfs, dir: &Path) -> Result<()> {
    let mut missing = vec![dir];
    while let Some(parent) = missing.last().and_then(|dir| dir.parent())
        && parent != Path::new("")
        && vfs.stat(parent).is_err()
    {
        missing.push(parent);
    }
    let failed = |path: &Path, error| Error::io("the store's folder cannot be made", path, error);
    for path in missing.into_iter().rev() {
        vfs.create_dir(path).map_err(|error| failed(path, error))?;
        let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        vfs.sync_dir(parent).map_err(|error| failed(parent, error))?;
    }
    let active = dir.join(ACTIVE_DIR);
    vfs.create_dir(&active).map_err(|error| failed(&active, error))?;
    vfs.sync_dir(dir).map_err(|error| failed(dir, error))
}

fn check_support(vfs: &dyn Vfs, dir: &Path) -> Result<()> {
    match vfs.support(dir) {
        Ok(Support::Refused(name)) => {
            let what = format!("a store cannot live on {name}: its locks and mappings cannot be trusted");
            Err(Error::new(ErrorKind::Invalid, what).at(dir))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(Error::io("the file system cannot be examined", dir, error)),
    }
}
