//! Sweeping: what steps that did not end left behind, and files that nothing needs any more.

use std::path::Path;

use super::{Grace, Maintenance};
use crate::error::{Error, Result};
use crate::format::footer::{Footer, Read};
use crate::format::manifest::Place;
use crate::format::name::{ACTIVE_DIR, FileName, SEGMENTS_DIR};
use crate::io::names::COPYING;
use crate::io::{LockKind, OpenMode};
use crate::manifest::State;
use crate::manifest::rebuild::archived;
use crate::quarantine;

impl Maintenance<'_> {
    /// Takes away what a step that did not end left behind. The manifest says what is the store; a file
    /// that neither it nor an unfinished step explains is set aside, never deleted.
    pub(crate) fn sweep(&mut self) -> Result<()> {
        let state = self.core.manifest()?.state;
        self.sweep_segments(&state)?;
        // An archive that cannot be changed at the moment, since its disk was mounted for reading or is not there, keeps
        // nobody from sealing.
        let swept = self.sweep_archive(&state);
        self.note(swept);
        self.sweep_active(&state)?;
        self.unlink(Grace::Kept)
    }

    /// Keeps the first error for the end of the round.
    pub(super) fn note(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.trouble.get_or_insert(error);
        }
    }

    fn sweep_segments(&self, state: &State) -> Result<()> {
        let folder = self.core.dir.join(SEGMENTS_DIR);
        let failed = |error| Error::io("the folder of segments cannot be swept", &folder, error);
        let mut removed = false;
        for name in self.core.vfs.list(&folder).map_err(failed)? {
            let path = folder.join(&name);
            match FileName::parse_segment(&name, None) {
                Some(FileName::SegmentNew { .. }) => {
                    self.core.vfs.remove(&path).map_err(failed)?;
                    removed = true;
                }
                Some(FileName::Tombstone { id }) => {
                    let waits =
                        |place: &Place| matches!(place, Place::Segment { id: other, .. } if *other == id);
                    if !state.waiting.keys().any(waits) {
                        self.core.vfs.remove(&path).map_err(failed)?;
                        removed = true;
                    }
                }
                Some(FileName::Segment { id, .. }) => {
                    removed |= self.sweep_segment(state, id, &path)?;
                }
                _ => {}
            }
        }
        if removed {
            self.core.vfs.sync_dir(&folder).map_err(failed)?;
        }
        Ok(())
    }

    fn sweep_archive(&self, state: &State) -> Result<()> {
        for path in archived(&*self.core.vfs, &self.core.dir)? {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            let is_segment = path.extension().is_some_and(|kind| kind == "seg");
            if path.extension().is_some_and(|kind| kind == COPYING) {
                let failed = |error| Error::io("an unfinished segment cannot be removed", &path, error);
                self.core.vfs.remove(&path).map_err(failed)?;
                continue;
            }
            if let (Some(id), true) = (stem, is_segment)
                && self.sweep_segment(state, id, &path)?
                && let Some(folder) = path.parent()
            {
                let failed = |error| Error::io("a folder of the archive cannot be swept", folder, error);
                self.core.vfs.sync_dir(folder).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Looks at a segment; takes it away if it belongs to a step that did not end.
    fn sweep_segment(&self, state: &State, id: u64, path: &Path) -> Result<bool> {
        let lies_here = |place: &Place| place.file().path(&self.core.dir) == path;
        let entry = state.segments.get(&id).map(|entry| Place::Segment { id, day: entry.day });
        if entry.as_ref().is_some_and(lies_here) || state.waiting.keys().any(lies_here) {
            return Ok(false);
        }
        let failed = |error| Error::io("a segment that is not the store's cannot be moved", path, error);
        let map =
            self.core.vfs.open(path, OpenMode::Read).and_then(|file| file.map_read()).map_err(failed)?;
        let unfinished = match Footer::read(map.bytes()) {
            // Everything that it was made of is still there: the step did not reach its edit.
            Read::Footer { footer, .. } => {
                footer.store == state.store
                    && !footer.replaced.is_empty()
                    && footer.replaced.iter().all(|(place, _)| state.has(*place))
            }
            _ => false,
        };
        if unfinished {
            self.core.vfs.remove(path).map_err(failed)?;
            return Ok(true);
        }
        quarantine::set_aside(&*self.core.vfs, &self.core.dir, path)?;
        Ok(true)
    }

    /// An active file whose unlinking did not last through a power cut.
    fn sweep_active(&self, state: &State) -> Result<()> {
        let folder = self.core.dir.join(ACTIVE_DIR);
        let failed = |error| Error::io("the folder of active files cannot be swept", &folder, error);
        let mut removed = false;
        for name in self.core.vfs.list(&folder).map_err(failed)? {
            let Some(FileName::Active { slot, number }) = FileName::parse_active(&name) else { continue };
            let place = Place::Active { slot, number };
            let sealed = number <= state.slot_end(slot).number;
            if sealed && !state.has(place) && !state.waiting.contains_key(&place) {
                self.core.vfs.remove(&folder.join(&name)).map_err(failed)?;
                removed = true;
            }
        }
        if removed {
            self.core.vfs.sync_dir(&folder).map_err(failed)?;
        }
        Ok(())
    }

    /// Unlinks the files that wait for it, unless readers may still be about to open them.
    pub(super) fn unlink(&mut self, grace_of_readers: Grace) -> Result<()> {
        let state = self.core.manifest()?.state;
        if state.waiting.is_empty() {
            return Ok(());
        }
        let path = FileName::ReadersLock.path(&self.core.dir);
        let failed = |error| Error::io("the lock of readers cannot be taken", &path, error);
        let lock = self.core.vfs.open(&path, OpenMode::CreateOrOpen).map_err(failed)?;
        let alone = lock.try_lock(LockKind::Exclusive).map_err(failed)?;
        let now = self.core.vfs.now();
        let grace = i64::try_from(self.core.settings().reader_grace.as_nanos()).unwrap_or(i64::MAX);
        let mut folders = Vec::new();
        let mut unlinked = Vec::new();
        for (&place, &since) in &state.waiting {
            let over = alone || grace_of_readers == Grace::Over || grace <= now.saturating_sub(since);
            if self.gone.contains(&place) || !over {
                continue;
            }
            let path = place.file().path(&self.core.dir);
            match self.core.vfs.remove(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    // It waits for the next round, and holds up nothing else.
                    self.note(Err(Error::io("a replaced file cannot be removed", &path, error)));
                    continue;
                }
                _ => {}
            }
            let folder = place.file().folder(&self.core.dir);
            if !folders.contains(&folder) {
                folders.push(folder);
            }
            unlinked.push(place);
        }
        for folder in folders {
            match self.core.vfs.sync_dir(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("a folder cannot be synced", &folder, error));
                }
                _ => {}
            }
        }
        self.gone.extend(unlinked);
        Ok(())
    }

    /// Tells the manifest what was unlinked, if no other edit did.
    pub(crate) fn tell_gone(&mut self) -> Result<()> {
        if self.gone.is_empty() {
            return Ok(());
        }
        let buried: Vec<u64> = self
            .gone
            .iter()
            .filter_map(|place| if let Place::Segment { id, .. } = place { Some(*id) } else { None })
            .collect();
        self.edit(Vec::new())?;
        let mut removed = false;
        let folder = self.core.dir.join(SEGMENTS_DIR);
        for id in buried {
            removed |= self.core.vfs.remove(&FileName::Tombstone { id }.path(&self.core.dir)).is_ok();
        }
        let failed = |error| Error::io("a folder cannot be synced", &folder, error);
        if removed { self.core.vfs.sync_dir(&folder).map_err(failed) } else { Ok(()) }
    }

    /// Marks a segment as one that is taken away for good, so that a manifest made anew from the files does
    /// not bring it back.
    pub(super) fn bury(&self, id: u64) -> Result<()> {
        let tombstone = FileName::Tombstone { id };
        let path = tombstone.path(&self.core.dir);
        let failed = |error| Error::io("a segment cannot be marked as gone", &path, error);
        self.core.vfs.open(&path, OpenMode::CreateOrOpen).map_err(failed)?;
        self.core.vfs.sync_dir(&tombstone.folder(&self.core.dir)).map_err(failed)
    }
}
