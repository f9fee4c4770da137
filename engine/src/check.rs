//! Checking: every checksum verified, what the files say of each other compared, every record read.
//!
//! A check takes no lock but the one that keeps files from being unlinked under it, and changes nothing. It
//! looks at what one state of the manifest names; files that wait for being unlinked are not the store.

mod sealed;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use self::sealed::SegmentCheck;
use crate::budget;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::format::header::{self, Read};
use crate::format::manifest::Place;
use crate::format::name::FileName;
use crate::gap::Gap;
use crate::io::{OpenMode, ReadMap};
use crate::manifest::{Condition, FileEntry, State, read_header};
use crate::record_id::RecordId;
use crate::segment::walk::{Frames, Settled, count_rows, settle};
use crate::slot;
use crate::snapshot;

/// A file that vanishes between the manifest and the open was replaced: the check begins anew.
const TRIES_MAX: usize = 5;

/// What a check verified, and what it found wrong.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// Files that the manifest names.
    pub files: u64,
    /// How many of them are sealed segments.
    pub segments: u64,
    /// Blocks of segments whose checksums hold.
    pub blocks: u64,
    /// Frames whose checksums hold.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes looked at.
    pub bytes: u64,
    /// Writes that a crash cut short and that nobody was promised: normal, and no damage.
    pub torn: u64,
    /// Damage.
    pub damage: Vec<Gap>,
    /// Records that are known to be lost: they were damaged when their file was replaced, and what there was of them
    /// lies in `quarantine/`. Nothing is to be done about them; answers go on saying that they are missing.
    pub lost: Vec<Gap>,
}

/// A check and what a repair has to know besides.
pub(crate) struct Examined {
    pub(crate) report: CheckReport,
    pub(crate) doubled: Doubled,
}

/// Records that several files hold.
#[derive(Debug, Default)]
pub(crate) struct Doubled {
    /// What the report says of them.
    pub(crate) gaps: Vec<Twice>,
    /// The files.
    pub(crate) places: BTreeSet<Place>,
    /// Which records: writers and sequences in order, no two runs of which touch.
    pub(crate) shared: Vec<(u32, Range<u64>)>,
}

/// Two files that hold the same records.
#[derive(Debug)]
pub(crate) struct Twice {
    pub(crate) gap: Gap,
    files: [String; 2],
}

impl Twice {
    /// Whether this file is one of the two.
    pub(crate) fn names(&self, file: &str) -> bool {
        self.files.iter().any(|name| name == file)
    }
}

impl Doubled {
    fn add(&mut self, writer: u32, run: Range<u64>) {
        match self.shared.last_mut() {
            Some((of, last)) if *of == writer && run.start <= last.end => last.end = last.end.max(run.end),
            _ => self.shared.push((writer, run)),
        }
    }
}

/// How closely to look at sealed segments. Records of active files are always read one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Every checksum, and what heads, footers and the manifest say of each other.
    Checksums,
    /// Also every row, and whether the index finds its words.
    Rows,
}

/// Checks everything that the manifest names, and the manifest.
pub(crate) fn check(core: &Core, depth: Depth) -> Result<CheckReport> {
    examine(core, depth).map(|examined| examined.report)
}

/// As [`check`], for a repair.
pub(crate) fn examine(core: &Core, depth: Depth) -> Result<Examined> {
    let _readers = snapshot::lock_readers(core);
    for _ in 0..TRIES_MAX {
        let manifest = core.manifest()?;
        let mut check = Check {
            core,
            state: Arc::clone(&manifest.state),
            depth,
            report: CheckReport::default(),
            ids: Vec::new(),
            places: Vec::new(),
            doubled: Doubled::default(),
        };
        check.note_manifest(&manifest.condition);
        if check.run()? {
            check.report.damage.extend(budget::check(core)?);
            return Ok(Examined { report: check.report, doubled: check.doubled });
        }
    }
    Err(Error::new(ErrorKind::Stale, "the store's files keep changing").at(&core.dir))
}

/// A check of one state of the store.
struct Check<'c> {
    core: &'c Core,
    state: Arc<State>,
    depth: Depth,
    report: CheckReport,
    /// Which records each file holds: writer, sequences, and the number of the file in `places`.
    ids: Vec<(u32, Range<u64>, usize)>,
    places: Vec<Place>,
    doubled: Doubled,
}

impl Check<'_> {
    fn note_manifest(&mut self, condition: &Condition) {
        match condition {
            Condition::Sound => {}
            Condition::Torn => self.report.torn += 1,
            Condition::Rebuilt(why) => {
                let what = format!("{why}; it was rebuilt from the files");
                self.report.damage.push(gap(&FileName::Manifest.to_string(), 0, 0, what));
            }
        }
    }

    /// Checks all files. `false` when one of them stopped being part of the store meanwhile.
    fn run(&mut self) -> Result<bool> {
        let state = Arc::clone(&self.state);
        for (&(slot, number), entry) in &state.files {
            // Known before the file is read: a writer that leaves meanwhile leaves more than was promised.
            let live = state.is_last(slot, number) && slot::is_live(&*self.core.vfs, &self.core.dir, slot);
            match self.open(Place::Active { slot, number })? {
                Opened::Map(map) => self.check_active((slot, number), entry, live, map.bytes()),
                Opened::Unreadable => {}
                Opened::Replaced => return Ok(false),
            }
        }
        for (&id, entry) in &state.segments {
            self.report.segments += 1;
            let place = Place::Segment { id, day: entry.day };
            match self.open(place)? {
                Opened::Map(map) => self.check_segment(place, &map),
                Opened::Unreadable => {}
                Opened::Replaced => return Ok(false),
            }
        }
        self.compare_ids();
        Ok(true)
    }

    /// Opens a file of the store, and says what is wrong if that fails.
    fn open(&mut self, place: Place) -> Result<Opened> {
        let name = place.file();
        let opened = self.core.vfs.open(&name.path(&self.core.dir), OpenMode::Read);
        let error = match opened.and_then(|file| file.map_read()) {
            Ok(map) => {
                self.report.files += 1;
                self.report.bytes += map.bytes().len() as u64;
                return Ok(Opened::Map(map.into()));
            }
            Err(error) => error,
        };
        let gone = error.kind() == std::io::ErrorKind::NotFound;
        if gone && !self.core.manifest()?.state.has(place) {
            return Ok(Opened::Replaced);
        }
        self.report.files += 1;
        self.report.damage.push(gap(&name.relative(), 0, 0, format!("the file cannot be read ({error})")));
        Ok(Opened::Unreadable)
    }

    fn check_segment(&mut self, place: Place, map: &Arc<dyn ReadMap>) {
        let mut check = SegmentCheck { state: &self.state, place, report: &mut self.report };
        let Some(segment) = check.run(map, self.depth) else { return };
        let file = self.places.len();
        self.places.push(place);
        for (writer, runs) in &segment.footer.writers {
            self.ids.extend(runs.iter().map(|run| (*writer, run.clone(), file)));
        }
        for known in &segment.footer.gaps {
            if !self.report.lost.contains(known) {
                self.report.lost.push(known.clone());
            }
        }
    }

    fn check_active(&mut self, (slot, number): (u32, u64), entry: &FileEntry, live: bool, bytes: &[u8]) {
        let name = FileName::Active { slot, number };
        let file = name.relative();
        if (bytes.len() as u64) < entry.capacity {
            self.report.damage.push(gap(&file, bytes.len() as u64, 0, "the file was cut short".into()));
        }
        let frames = Frames { bytes, salt: entry.salt, cap: entry.cap };
        let promise =
            if entry.cap < u64::MAX { header::SIZE } else { entry.done.map_or(header::SIZE, |d| d.promise) };
        let settled = settle(frames, header::SIZE, promise, Some(entry.first_sequence));
        let head = read_header(&*self.core.vfs, &name.path(&self.core.dir));
        if let Some(what) = check_head(&head, self.state.store, (slot, number), entry.salt) {
            // The head becomes durable with the first sync of the file, as the first records do.
            if header::SIZE < settled.promise {
                self.report.damage.push(gap(&file, 0, 0, what.into()));
            } else {
                self.report.torn += 1;
            }
        }
        self.report.torn += if live { 0 } else { settled.torn };
        add_frames(&settled, bytes, slot, &file, &mut self.report);
        let at = self.places.len();
        self.places.push(Place::Active { slot, number });
        for frame in settled.frames.iter().filter(|frame| 0 < frame.header.count) {
            let (start, end) = (frame.header.first_sequence, frame.header.end_sequence());
            match self.ids.last_mut() {
                Some((writer, run, file)) if (*writer, *file, run.end) == (slot, at, start) => run.end = end,
                _ => self.ids.push((slot, start..end, at)),
            }
        }
    }

    /// No record is in two files.
    fn compare_ids(&mut self) {
        self.ids.sort_unstable_by_key(|(writer, run, file)| (*writer, run.start, run.end, *file));
        let mut furthest: Option<(u32, u64, usize)> = None;
        let mut told: Option<(usize, usize)> = None;
        for (writer, run, file) in &self.ids {
            if let Some((of, end, other)) = furthest
                && of == *writer
                && run.start < end
                && other != *file
                && let (Some(place), Some(other_place)) = (self.places.get(*file), self.places.get(other))
            {
                self.doubled.add(*writer, run.start..run.end.min(end));
                self.doubled.places.extend([*place, *other_place]);
                // Once for two files, however many runs they share.
                if told != Some((other, *file)) {
                    let files = [place, other_place].map(|place| place.file().relative());
                    let id = RecordId { writer: *writer, sequence: run.start };
                    let what = format!("record {id} and what follows it is in {} too", files[1]);
                    let gap = gap(&files[0], 0, 0, what);
                    self.report.damage.push(gap.clone());
                    self.doubled.gaps.push(Twice { gap, files });
                    told = Some((other, *file));
                }
            }
            if furthest.is_none_or(|(of, end, _)| of != *writer || end < run.end) {
                furthest = Some((*writer, run.end, *file));
            }
        }
    }
}

/// What opening a file of the store led to.
enum Opened {
    Map(Arc<dyn ReadMap>),
    /// It is damage, and was noted.
    Unreadable,
    /// Another file took its place.
    Replaced,
}

/// Damage without records that are known to be missing.
fn gap(file: &str, offset: u64, len: u64, what: String) -> Gap {
    Gap { file: file.into(), offset, len, records: None, what }
}

/// What is wrong with a file's head.
fn check_head(read: &Result<Read>, store: u128, file: (u32, u64), salt: u64) -> Option<&'static str> {
    match read {
        Ok(Read::Head { header, copies }) => {
            if (header.store, (header.slot, header.number), header.salt) != (store, file, salt) {
                Some("the file's head is that of another file")
            } else {
                (*copies < 2).then_some("one of the two copies of the file's head is damaged")
            }
        }
        _ => Some("the file's head is damaged"),
    }
}

fn add_frames(settled: &Settled, bytes: &[u8], slot: u32, file: &str, report: &mut CheckReport) {
    let gap = |offset, len, records: Option<(u64, u64)>, what: &str| Gap {
        file: file.into(),
        offset,
        len,
        records: records.map(|(sequence, count)| (RecordId { writer: slot, sequence }, count)),
        what: what.into(),
    };
    for hole in &settled.gaps {
        let records =
            hole.sequences.as_ref().map(|range| (range.start, range.end.saturating_sub(range.start)));
        let records = records.filter(|(_, count)| 0 < *count);
        let len = hole.bytes.end - hole.bytes.start;
        report.damage.push(gap(hole.bytes.start, len, records, "damaged records"));
    }
    for frame in &settled.frames {
        report.frames += 1;
        match count_rows(frame, bytes) {
            Some(rows) => report.records += rows,
            None => {
                let records = (frame.header.first_sequence, u64::from(frame.header.count));
                let len = frame.header.frame_size();
                report.damage.push(gap(frame.offset, len, Some(records), "records that do not read"));
            }
        }
    }
}
