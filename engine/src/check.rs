//! Checking: every checksum verified, every record read.

use crate::core::Core;
use crate::error::Result;
use crate::format::frame::{FLAG_IMPORT, PROGRESS_SIZE};
use crate::format::header::{self, Read};
use crate::format::name::{ACTIVE_DIR, FileName};
use crate::gap::Gap;
use crate::io::OpenMode;
use crate::manifest::{Condition, FileEntry, State, read_header};
use crate::record::{self, Payload};
use crate::record_id::RecordId;
use crate::segment::walk::{FrameAt, Frames, Settled, settle};
use crate::slot;

/// What a check verified, and what it found wrong.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// Files that the manifest names.
    pub files: u64,
    /// Frames whose checksums hold.
    pub frames: u64,
    /// Records that read.
    pub records: u64,
    /// Bytes looked at.
    pub bytes: u64,
    /// Writes that a crash cut short and that nobody was promised: normal, and no damage.
    pub torn: u64,
    /// Damage.
    pub damage: Vec<Gap>,
}

/// Checks everything that the manifest names, and the manifest.
pub(crate) fn check(core: &Core) -> Result<CheckReport> {
    let manifest = core.manifest()?;
    let mut report = CheckReport::default();
    match &manifest.condition {
        Condition::Sound => {}
        Condition::Torn => report.torn += 1,
        Condition::Rebuilt(why) => report.damage.push(Gap {
            file: FileName::Manifest.to_string(),
            offset: 0,
            len: 0,
            records: None,
            what: format!("{why}; it was rebuilt from the files"),
        }),
    }
    for (&(slot, number), entry) in &manifest.state.files {
        check_file(core, &manifest.state, (slot, number), entry, &mut report);
    }
    Ok(report)
}

fn check_file(
    core: &Core,
    state: &State,
    (slot, number): (u32, u64),
    entry: &FileEntry,
    report: &mut CheckReport,
) {
    let name = FileName::Active { slot, number };
    let file = format!("{ACTIVE_DIR}/{name}");
    let path = name.path(&core.dir);
    let damage = |offset, what: String| Gap { file: file.clone(), offset, len: 0, records: None, what };
    report.files += 1;
    // Known before the file is read: a writer that leaves meanwhile leaves more than was promised then.
    let live = state.is_last(slot, number) && slot::is_live(&*core.vfs, &core.dir, slot);
    let map = match core.vfs.open(&path, OpenMode::Read).and_then(|file| file.map_read()) {
        Ok(map) => map,
        Err(error) => return report.damage.push(damage(0, format!("the file cannot be read ({error})"))),
    };
    let bytes = map.bytes();
    report.bytes += bytes.len() as u64;
    if (bytes.len() as u64) < entry.capacity {
        report.damage.push(damage(bytes.len() as u64, "the file was cut short".into()));
    }
    let frames = Frames { bytes, salt: entry.salt, cap: entry.cap };
    let promise =
        if entry.cap < u64::MAX { header::SIZE } else { entry.done.map_or(header::SIZE, |d| d.promise) };
    let settled = settle(frames, header::SIZE, promise, Some(entry.first_sequence));
    if let Some(what) = check_head(&read_header(&*core.vfs, &path), state.store, (slot, number), entry.salt) {
        // The head becomes durable with the first sync of the file, as the first records do.
        if header::SIZE < settled.promise {
            report.damage.push(damage(0, what.into()));
        } else {
            report.torn += 1;
        }
    }
    report.torn += if live { 0 } else { settled.torn };
    add_frames(&settled, bytes, slot, &file, report);
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

/// Reads every value of a frame; `None` when one does not read or a count is wrong.
fn count_rows(frame: &FrameAt, bytes: &[u8]) -> Option<u64> {
    if frame.header.is_close() {
        return Some(0);
    }
    let skip = if frame.header.flags & FLAG_IMPORT == 0 { 0 } else { PROGRESS_SIZE };
    let mut payload = Payload::read(frame.payload(bytes).get(skip..)?)?;
    for _ in 0..frame.header.count {
        let (_, mut fields) = payload.take_row()?;
        while !fields.is_empty() {
            let raw = record::take_field(&mut fields)?;
            payload.name(raw.name)?;
            raw.value()?;
        }
    }
    payload.is_empty().then_some(u64::from(frame.header.count))
}
