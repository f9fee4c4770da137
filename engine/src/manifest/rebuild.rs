//! Which files are the store, as the files themselves tell it: for a manifest that is lost or damaged.
//!
//! Active files are found by their heads, segments by their footers. A segment's footer says what it took
//! the place of. The segments of one step count only together; when one of them is missing and everything
//! that they replaced is still there, the step did not end, and the older files are the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{State, newer, read_header};
use crate::error::{Error, Result};
use crate::format::footer::{Footer, Read};
use crate::format::header::{self, FileHeader};
use crate::format::manifest::{Op, Place, SegmentEntry, SlotEnd};
use crate::format::name::{ACTIVE_DIR, ARCHIVE_DIR, FileName, SEGMENTS_DIR};
use crate::io::{OpenMode, Vfs};

/// A segment on disk whose footer reads.
pub(super) struct Found {
    pub(super) footer: Footer,
    size: u64,
}

/// What lies in the folders of a store.
#[derive(Default)]
pub(super) struct Files {
    pub(super) headers: Vec<FileHeader>,
    pub(super) segments: Vec<Found>,
    /// Segments that were being taken away for good.
    gone: BTreeSet<u64>,
    /// One more than the highest number that any file of a segment has.
    next_segment: u64,
}

impl Files {
    /// Reads the heads and footers of all files.
    pub(super) fn read(vfs: &dyn Vfs, dir: &Path) -> Result<Self> {
        let mut files = Self { headers: read_headers(vfs, dir)?, ..Self::default() };
        files.headers.sort_by_key(|header| (header.slot, header.number));
        for name in list(vfs, &dir.join(SEGMENTS_DIR))? {
            match FileName::parse_segment(&name, None) {
                Some(FileName::Tombstone { id }) => {
                    files.gone.insert(id);
                    files.count(id);
                }
                Some(FileName::SegmentNew { id }) => files.count(id),
                Some(FileName::Segment { id, .. }) => {
                    files.count(id);
                    files.add(vfs, &dir.join(SEGMENTS_DIR).join(&name), dir)?;
                }
                _ => {}
            }
        }
        for path in archived(vfs, dir)? {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            if let Some(id) = stem {
                files.count(id);
                files.add(vfs, &path, dir)?;
            }
        }
        Ok(files)
    }

    fn count(&mut self, id: u64) {
        self.next_segment = self.next_segment.max(id.saturating_add(1));
    }

    /// Takes a segment in, if its footer reads and it lies where it belongs. One that the operating system does not let be
    /// read is an error: a manifest without it would make it a file of nobody.
    fn add(&mut self, vfs: &dyn Vfs, path: &Path, dir: &Path) -> Result<()> {
        let map = match vfs.open(path, OpenMode::Read).and_then(|file| file.map_read()) {
            Ok(map) => map,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(Error::io("the manifest is lost, and a segment cannot be read", path, error));
            }
        };
        if let Read::Footer { footer, .. } = Footer::read(map.bytes()) {
            let name = FileName::Segment { id: footer.id, day: footer.day };
            if name.path(dir) == path {
                self.segments.push(Found { footer: *footer, size: map.bytes().len() as u64 });
            }
        }
        Ok(())
    }

    /// The identity of the store that the files belong to.
    pub(super) fn store(&self) -> Option<u128> {
        let header = self.headers.first().map(|header| header.store);
        header.or_else(|| self.segments.first().map(|found| found.footer.store))
    }

    /// The state of the store, with what `known` still says.
    pub(super) fn state(mut self, store: u128, known: Option<&State>, now: i64) -> State {
        self.headers.retain(|header| header.store == store);
        let gone = std::mem::take(&mut self.gone);
        self.segments.retain(|found| found.footer.store == store && !gone.contains(&found.footer.id));
        let counted = self.counted();
        let replaced: BTreeSet<Place> = self
            .segments
            .iter()
            .filter(|found| counted.contains(&found.footer.id))
            .flat_map(|found| found.footer.replaced.iter().map(|(place, _)| *place))
            .collect();
        let mut state = State { store, next_segment: self.next_segment, ..State::default() };
        if let Some(known) = known {
            state.slots.clone_from(&known.slots);
            state.imports.clone_from(&known.imports);
            state.next_segment = state.next_segment.max(known.next_segment);
            state.floor = known.floor;
        }
        for found in &self.segments {
            let footer = &found.footer;
            footer.slots.iter().for_each(|&(slot, end)| state.apply(&Op::Slot { slot, end }));
            for &(place, after) in &footer.replaced {
                if let Place::Active { slot, number } = place
                    && replaced.contains(&place)
                {
                    state.apply(&Op::Slot { slot, end: SlotEnd { number, next_sequence: after } });
                }
            }
            let place = footer.place();
            if replaced.contains(&place) {
                state.waiting.insert(place, now);
            } else if counted.contains(&footer.id) {
                state.apply(&Op::Add { id: footer.id, entry: footer.entry(found.size) });
                footer.imports.iter().for_each(|&progress| state.apply(&Op::Import(progress)));
            }
        }
        for header in &self.headers {
            let place = Place::Active { slot: header.slot, number: header.number };
            let sealed = header.number <= state.slot_end(header.slot).number;
            if replaced.contains(&place) || sealed {
                state.waiting.insert(place, now);
                continue;
            }
            state.apply(&Op::create(header));
            let done = known.and_then(|known| known.files.get(&(header.slot, header.number))?.done);
            if let Some(done) = done {
                state.apply(&Op::Done { slot: header.slot, number: header.number, done });
            }
        }
        self.keep_unreadable(&mut state, known, &replaced);
        state
    }

    /// Segments that only the manifest knows: their records are missing, and answers have to say so.
    fn keep_unreadable(&self, state: &mut State, known: Option<&State>, replaced: &BTreeSet<Place>) {
        for (&id, &entry) in known.iter().flat_map(|known| &known.segments) {
            let read = self.segments.iter().any(|found| found.footer.id == id);
            if !read && !replaced.contains(&Place::Segment { id, day: entry.day }) {
                state.apply(&Op::Add { id, entry });
            }
        }
    }

    /// The segments whose steps ended, as far as the files tell.
    fn counted(&self) -> BTreeSet<u64> {
        let replaced = self.segments.iter().flat_map(|found| &found.footer.replaced);
        let named = replaced.filter_map(|(place, _)| match place {
            Place::Segment { id, .. } => Some(*id),
            Place::Active { .. } => None,
        });
        let there: BTreeSet<u64> = named.chain(self.segments.iter().map(|found| found.footer.id)).collect();
        let ended = |footer: &Footer| {
            let of_set = footer.set..footer.set.saturating_add(footer.set_size);
            footer.replaced.iter().any(|(place, _)| !self.has(*place))
                || of_set.clone().take(there.len() + 1).all(|id| there.contains(&id))
        };
        self.segments.iter().map(|found| &found.footer).filter(|footer| ended(footer)).map(|f| f.id).collect()
    }

    fn has(&self, place: Place) -> bool {
        match place {
            Place::Active { slot, number } => {
                self.headers.iter().any(|header| (header.slot, header.number) == (slot, number))
            }
            Place::Segment { id, .. } => self.segments.iter().any(|found| found.footer.id == id),
        }
    }
}

impl Footer {
    /// Where the segment lies.
    pub(crate) fn place(&self) -> Place {
        Place::Segment { id: self.id, day: self.day }
    }

    /// What the manifest knows of the segment.
    pub(crate) fn entry(&self, size: u64) -> SegmentEntry {
        SegmentEntry {
            day: self.day,
            size,
            records: self.records,
            time_min: self.time_min,
            time_max: self.time_max,
            arrived_min: self.arrived_min,
            arrived_max: self.arrived_max,
        }
    }
}

/// The names in a folder; none when there is no such folder.
fn list(vfs: &dyn Vfs, folder: &Path) -> Result<Vec<String>> {
    match vfs.list(folder) {
        Ok(names) => Ok(names),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("a folder of the store cannot be read", folder, error)),
    }
}

/// The paths of everything that lies three folders deep in the archive.
pub(crate) fn archived(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut paths = vec![dir.join(ARCHIVE_DIR)];
    for depth in 0..4 {
        let mut below = Vec::new();
        for path in paths {
            // What is no folder where one should be is nothing of ours.
            match vfs.list(&path) {
                Ok(names) => below.extend(names.into_iter().map(|name| path.join(name))),
                Err(_) if depth != 0 => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("the archive cannot be read", &path, error)),
            }
        }
        paths = below;
    }
    Ok(paths)
}

/// The heads of all active files that have one.
fn read_headers(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<FileHeader>> {
    let mut headers = Vec::new();
    for name in list(vfs, &dir.join(ACTIVE_DIR))? {
        let Some(file @ FileName::Active { slot, number }) = FileName::parse_active(&name) else { continue };
        let path = file.path(dir);
        match read_header(vfs, &path)? {
            header::Read::Head { header, .. } if (header.slot, header.number) == (slot, number) => {
                headers.push(header);
            }
            header::Read::Newer { version } => return Err(newer(version, &path)),
            _ => {}
        }
    }
    Ok(headers)
}

/// Slots and how far their files are gone, for a footer.
pub(crate) fn slot_ends(slots: &BTreeMap<u32, SlotEnd>) -> Vec<(u32, SlotEnd)> {
    slots.iter().map(|(&slot, &end)| (slot, end)).collect()
}
