//! Scans: rows of a snapshot that match, a thousand at a time, as columns.
//!
//! A scan is cut into parts that can be read on any thread in any order. Within a part rows come in the
//! order in which they were appended.

use std::ops::ControlFlow;

use crate::error::{Error, ErrorKind, Result};
use crate::field;
use crate::format::frame::{FLAG_IMPORT, ImportProgress, PROGRESS_SIZE, SourceId};
use crate::gap::Gap;
use crate::predicate::{Compiled, Predicate, Row};
use crate::record::{self, CUSTOM_BASE, Payload};
use crate::record_id::RecordId;
use crate::segment::walk::{FrameAt, Hole, Step, Walk, payload_holds, settle};
use crate::snapshot::{Piece, Position, Snapshot, View};
use crate::text;
use crate::value::Value;

/// Rows in one batch, at most.
pub const BATCH_ROWS_MAX: usize = 1024;

/// A half-open range of time, `from <= time < until`, in nanoseconds since 1970; `None` is an open end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// First nanosecond inside.
    pub from: Option<i64>,
    /// First nanosecond after.
    pub until: Option<i64>,
}

impl TimeRange {
    /// Whether a time lies inside.
    #[inline]
    pub fn contains(&self, time: i64) -> bool {
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time < until)
    }

    /// Whether any time from `min` to `max`, both included, lies inside.
    pub fn overlaps(&self, min: i64, max: i64) -> bool {
        min <= max && self.from.is_none_or(|from| from <= max) && self.until.is_none_or(|until| min < until)
    }

    fn covers(&self, min: i64, max: i64) -> bool {
        self.contains(min) && self.contains(max)
    }
}

/// What to read.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Only records of this time.
    pub range: TimeRange,
    /// Only records that match.
    pub predicate: Predicate,
    /// Fields to decode, in the order of [`Batch::column`]. Besides stored fields: `time`, `_arrived` (both
    /// [`Value::Time`]) and `_import` (the source of an imported record).
    pub columns: Vec<String>,
    /// Whether [`Batch::fields`] will be asked.
    pub fields: bool,
    /// Only records past this position: a live tail.
    pub after: Option<Position>,
}

impl Default for Scan {
    /// All records, no columns.
    fn default() -> Self {
        Self {
            range: TimeRange::default(),
            predicate: Predicate::All,
            columns: Vec::new(),
            fields: false,
            after: None,
        }
    }
}

/// A piece of a scan, to be read by one thread.
#[derive(Debug)]
pub struct Part<'s> {
    view: &'s View,
    piece: Piece,
    scan: &'s Scan,
}

/// What a scan looked at.
#[derive(Clone, Debug, Default)]
pub struct ScanStats {
    /// Records decoded.
    pub records: u64,
    /// Bytes of frames read.
    pub bytes: u64,
    /// Damage that the scan met.
    pub gaps: Vec<Gap>,
}

impl ScanStats {
    /// Adds what another part looked at.
    pub fn merge(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.gaps.extend(other.gaps);
    }
}

impl Snapshot {
    /// Cuts a scan into parts; those that the time range rules out are left away. Oldest file first.
    ///
    /// # Errors
    /// None so far; sealed files may be unreadable.
    pub fn parts<'s>(&'s self, scan: &'s Scan) -> Result<Vec<Part<'s>>> {
        let mut parts = Vec::new();
        for view in &self.views {
            let after = scan.after.as_ref().and_then(|position| position.next.get(&view.slot)).copied();
            for &piece in &view.pieces {
                let seen = after.is_some_and(|after| piece.end_sequence <= after);
                if 0 < piece.records && !seen && scan.range.overlaps(piece.time_min, piece.time_max) {
                    parts.push(Part { view, piece, scan });
                }
            }
        }
        Ok(parts)
    }
}

impl Part<'_> {
    /// No record of the part is older.
    pub fn time_min(&self) -> i64 {
        self.piece.time_min
    }

    /// No record of the part is younger.
    pub fn time_max(&self) -> i64 {
        self.piece.time_max
    }

    /// Records in the part, at most, whether they match or not.
    pub fn records(&self) -> u64 {
        self.piece.records
    }

    /// A name for the file that the part lies in: parts of one file have the same.
    pub fn file(&self) -> (u32, u64) {
        (self.view.slot, self.view.number)
    }

    /// Reads the part and shows its matching rows in batches, until there are no more or `visit` breaks.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] for a record whose checksum holds but whose bytes are no record.
    pub fn scan(&self, visit: &mut dyn FnMut(&Batch<'_>) -> ControlFlow<()>) -> Result<ScanStats> {
        let sources = self.sources();
        let mut reader = Reader::new(self, &sources, visit);
        let mut walk = Walk::new(self.view.frames(), self.piece.from);
        let mut promise = self.view.promise();
        let mut odd = None;
        'walk: while walk.offset() < self.piece.to {
            if walk.step() != Step::Batch {
                odd = Some((walk.offset(), None));
                break;
            }
            for frame in &walk.batch {
                promise = promise.max(frame.header.promise);
                if !reader.wants(frame) {
                    continue;
                }
                // The frames of a larger batch were verified by the walk.
                if frame.header.batch_count == 1 && !payload_holds(frame, self.view.map.bytes()) {
                    odd = Some((frame.offset, Some(frame.header.first_sequence)));
                    break 'walk;
                }
                if reader.frame(frame)?.is_break() {
                    return Ok(reader.stats);
                }
            }
        }
        if let Some((offset, sequence)) = odd {
            let settled = settle(self.view.frames(), offset, promise, sequence);
            let inside = |hole: &&Hole| hole.bytes.start < self.piece.to;
            reader.stats.gaps.extend(settled.gaps.iter().filter(inside).map(|hole| self.view.gap(hole)));
            for frame in settled.frames.iter().filter(|frame| frame.offset < self.piece.to) {
                if reader.wants(frame) && reader.frame(frame)?.is_break() {
                    return Ok(reader.stats);
                }
            }
        }
        let _last = reader.deliver();
        Ok(reader.stats)
    }

    /// The names of the sources in this part, where the scan shows them: rows borrow from here.
    fn sources(&self) -> Vec<(SourceId, String)> {
        let mut sources: Vec<(SourceId, String)> = Vec::new();
        let mut columns = self.scan.columns.clone();
        let _compiled = self.scan.predicate.compile(&mut columns);
        if !self.scan.fields && !columns.iter().any(|name| name == "_import") {
            return sources;
        }
        let mut walk = Walk::new(self.view.frames(), self.piece.from);
        while walk.offset() < self.piece.to && walk.step() == Step::Batch {
            for frame in &walk.batch {
                add_source(&mut sources, frame, self.view);
            }
        }
        if walk.offset() < self.piece.to {
            for frame in settle(self.view.frames(), walk.offset(), self.view.promise(), None).frames {
                add_source(&mut sources, &frame, self.view);
            }
        }
        sources
    }
}

fn add_source(sources: &mut Vec<(SourceId, String)>, frame: &FrameAt, view: &View) {
    if frame.header.flags & FLAG_IMPORT == 0 {
        return;
    }
    let Some(progress) = ImportProgress::decode(frame.payload(view.map.bytes())) else { return };
    if !sources.iter().rev().any(|(source, _)| *source == progress.source) {
        sources.push((progress.source, progress.source.to_string()));
    }
}

/// Matching rows, as columns.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    ids: Vec<RecordId>,
    times: Vec<i64>,
    arrived: Vec<i64>,
    imports: Vec<Option<&'a str>>,
    columns: Vec<Vec<Option<Value<'a>>>>,
    /// The encoded fields of each row, and which entry of `names` they refer to.
    rows: Vec<(&'a [u8], usize)>,
    names: Vec<Vec<&'a str>>,
}

impl<'a> Batch<'a> {
    /// Rows in the batch, 1 to 1,024.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether the batch is empty; a batch that a scan shows never is.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The ids of the rows.
    pub fn ids(&self) -> &[RecordId] {
        &self.ids
    }

    /// The times of the rows, nanoseconds since 1970.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// The id of a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn id(&self, row: usize) -> RecordId {
        self.ids[row]
    }

    /// The time of a row, nanoseconds since 1970.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn time(&self, row: usize) -> i64 {
        self.times[row]
    }

    /// When a row was appended, nanoseconds since 1970.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn arrived(&self, row: usize) -> i64 {
        self.arrived[row]
    }

    /// The source of a row that was imported. Known when the scan asked for `_import` or all fields.
    pub fn import(&self, row: usize) -> Option<&'a str> {
        self.imports.get(row).copied().flatten()
    }

    /// One of the columns that the scan asked for, by its place there.
    ///
    /// # Panics
    /// When the scan asked for fewer.
    pub fn column(&self, at: usize) -> &[Option<Value<'a>>] {
        &self.columns[at]
    }

    /// All stored fields of a row, if the scan asked for them; `time` and the engine's own `_id`,
    /// `_arrived` and `_import` are not among them.
    pub fn fields(&self, row: usize) -> Fields<'_, 'a> {
        let (fields, names) = self.rows.get(row).copied().unwrap_or((&[], 0));
        Fields { fields, names: self.names.get(names).map_or(&[], Vec::as_slice) }
    }

    fn clear(&mut self) {
        self.ids.clear();
        self.times.clear();
        self.arrived.clear();
        self.imports.clear();
        self.columns.iter_mut().for_each(Vec::clear);
        self.rows.clear();
        self.names.clear();
    }
}

/// The fields of one row, in the order in which they were set.
#[derive(Clone, Debug)]
pub struct Fields<'b, 'a> {
    fields: &'a [u8],
    names: &'b [&'a str],
}

impl<'a> Iterator for Fields<'_, 'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let raw = record::take_field(&mut self.fields)?;
        let name = match raw.name.checked_sub(CUSTOM_BASE) {
            Some(at) => self.names.get(usize::try_from(at).ok()?).copied()?,
            None => field::name(u32::try_from(raw.name).ok()?)?,
        };
        Some((name, raw.value()?))
    }
}

/// Where a field's value goes: a place in the row, plus one; 0 is nowhere.
type Slot = u16;

/// Decodes frames into batches.
struct Reader<'a, 'v> {
    part: &'a Part<'a>,
    sources: &'a [(SourceId, String)],
    visit: &'v mut dyn FnMut(&Batch<'_>) -> ControlFlow<()>,
    predicate: Compiled,
    all: bool,
    after: u64,
    /// Places of known fields, and the names of the others that are asked for.
    known: [Slot; 128],
    known_count: usize,
    custom: Vec<(String, Slot)>,
    time_slot: Slot,
    arrived_slot: Slot,
    import_slot: Slot,
    /// The current frame's own names: places, and the names that they were found for.
    frame_slots: Vec<Slot>,
    frame_names: Vec<&'a str>,
    frame_count: usize,
    values: Vec<Option<Value<'a>>>,
    /// Whether the batch holds the names of the current frame.
    names_kept: bool,
    batch: Batch<'a>,
    stats: ScanStats,
}

impl<'a, 'v> Reader<'a, 'v> {
    fn new(
        part: &'a Part<'a>,
        sources: &'a [(SourceId, String)],
        visit: &'v mut dyn FnMut(&Batch<'_>) -> ControlFlow<()>,
    ) -> Self {
        let scan = part.scan;
        let mut columns = scan.columns.clone();
        let predicate = scan.predicate.compile(&mut columns);
        let after = scan.after.as_ref().and_then(|position| position.next.get(&part.view.slot));
        let mut reader = Self {
            part,
            sources,
            visit,
            predicate,
            all: matches!(scan.predicate, Predicate::All),
            after: after.copied().unwrap_or(0),
            known: [0; 128],
            known_count: 0,
            custom: Vec::new(),
            time_slot: 0,
            arrived_slot: 0,
            import_slot: 0,
            frame_slots: Vec::new(),
            frame_names: Vec::new(),
            frame_count: 0,
            values: vec![None; columns.len()],
            names_kept: false,
            batch: Batch { columns: vec![Vec::new(); scan.columns.len()], ..Batch::default() },
            stats: ScanStats::default(),
        };
        // The same name may be asked for twice: the later place is filled, the earlier copies it.
        for (at, name) in (1..).zip(&columns) {
            match (name.as_str(), field::number(name)) {
                ("time", _) => reader.time_slot = at,
                ("_arrived", _) => reader.arrived_slot = at,
                ("_import", _) => reader.import_slot = at,
                (_, Some(number)) => {
                    reader.known_count += usize::from(reader.known[usize::from(number)] == 0);
                    reader.known[usize::from(number)] = at;
                }
                (_, None) => reader.custom.push((name.clone(), at)),
            }
        }
        reader
    }

    /// Whether the frame may hold rows of the scan.
    fn wants(&self, frame: &FrameAt) -> bool {
        let header = &frame.header;
        0 < header.count
            && self.after < header.end_sequence()
            && self.part.scan.range.overlaps(header.time_min, header.time_max)
    }

    fn frame(&mut self, frame: &FrameAt) -> Result<ControlFlow<()>> {
        let bytes = frame.payload(self.part.view.map.bytes());
        let header = &frame.header;
        self.stats.bytes += frame.header.frame_size();
        self.stats.records += u64::from(header.count);
        let (rows, source) = match header.flags & FLAG_IMPORT {
            0 => (bytes, None),
            _ => (bytes.get(PROGRESS_SIZE..).unwrap_or(&[]), ImportProgress::decode(bytes)),
        };
        let source = source.and_then(|progress| self.source_name(progress.source));
        let damaged = || self.damaged(frame);
        let mut payload = Payload::read(rows).ok_or_else(damaged)?;
        self.find_names(payload.names());
        self.names_kept = false;
        let inside = self.part.scan.range.covers(header.time_min, header.time_max);
        for at in 0..u64::from(header.count) {
            let (time, fields) = payload.take_row().ok_or_else(|| self.damaged(frame))?;
            let id = RecordId { writer: self.part.view.slot, sequence: header.first_sequence + at };
            if id.sequence < self.after || (!inside && !self.part.scan.range.contains(time)) {
                continue;
            }
            self.decode_row(fields).ok_or_else(|| self.damaged(frame))?;
            self.set_virtual(time, header.arrived, source);
            if self.all || self.predicate.matches(&RowView { reader: self, fields }) {
                self.keep(id, (time, header.arrived), source, fields, payload.names());
                if self.batch.len() == BATCH_ROWS_MAX && self.deliver().is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn damaged(&self, frame: &FrameAt) -> Error {
        let what = format!("record {}-{} does not read", self.part.view.slot, frame.header.first_sequence);
        Error::new(ErrorKind::Corrupt, what).byte(frame.offset)
    }

    fn source_name(&self, source: SourceId) -> Option<&'a str> {
        self.sources.iter().find(|(known, _)| *known == source).map(|(_, name)| name.as_str())
    }

    /// Finds the places of the names that the frame defines. Frames of one source mostly define the same.
    fn find_names(&mut self, names: &[&'a str]) {
        if self.custom.is_empty() || self.frame_names == names {
            return;
        }
        self.frame_names.clear();
        self.frame_names.extend_from_slice(names);
        self.frame_slots.clear();
        let custom = &self.custom;
        let place =
            |name: &&str| custom.iter().rev().find(|(asked, _)| asked == name).map_or(0, |(_, at)| *at);
        self.frame_slots.extend(names.iter().map(place));
        self.frame_count = self.frame_slots.iter().filter(|slot| **slot != 0).count();
    }

    /// Decodes the fields that are asked for; stops when all of them were seen.
    #[inline]
    fn decode_row(&mut self, mut fields: &'a [u8]) -> Option<()> {
        self.values.fill(None);
        let custom = if self.custom.is_empty() { 0 } else { self.frame_count };
        let mut left = self.known_count + custom;
        while 0 < left && !fields.is_empty() {
            let raw = record::take_field(&mut fields)?;
            let slot = match raw.name.checked_sub(CUSTOM_BASE) {
                None => self.known.get(usize::try_from(raw.name).ok()?).copied().unwrap_or(0),
                Some(at) => self.frame_slots.get(usize::try_from(at).ok()?).copied().unwrap_or(0),
            };
            if slot != 0 {
                left -= 1;
                *self.values.get_mut(usize::from(slot) - 1)? = Some(raw.value()?);
            }
        }
        Some(())
    }

    fn set_virtual(&mut self, time: i64, arrived: i64, source: Option<&'a str>) {
        let virtuals = [
            (self.time_slot, Some(Value::Time(time))),
            (self.arrived_slot, Some(Value::Time(arrived))),
            (self.import_slot, source.map(Value::Str)),
        ];
        for (slot, value) in virtuals {
            if slot != 0
                && let Some(place) = self.values.get_mut(usize::from(slot) - 1)
            {
                *place = value;
            }
        }
    }

    fn keep(
        &mut self,
        id: RecordId,
        (time, arrived): (i64, i64),
        source: Option<&'a str>,
        fields: &'a [u8],
        names: &[&'a str],
    ) {
        let batch = &mut self.batch;
        batch.ids.push(id);
        batch.times.push(time);
        batch.arrived.push(arrived);
        for (column, value) in batch.columns.iter_mut().zip(&self.values) {
            column.push(*value);
        }
        if !self.sources.is_empty() {
            batch.imports.push(source);
        }
        if self.part.scan.fields {
            if !self.names_kept {
                self.names_kept = true;
                batch.names.push(names.to_vec());
            }
            batch.rows.push((fields, batch.names.len() - 1));
        }
    }

    /// Shows the batch and empties it.
    fn deliver(&mut self) -> ControlFlow<()> {
        if self.batch.is_empty() {
            return ControlFlow::Continue(());
        }
        let flow = (self.visit)(&self.batch);
        self.batch.clear();
        self.names_kept = false;
        flow
    }
}

/// The current row, for the predicate.
struct RowView<'r, 'a, 'v> {
    reader: &'r Reader<'a, 'v>,
    fields: &'a [u8],
}

impl Row for RowView<'_, '_, '_> {
    fn value(&self, slot: usize) -> Option<Value<'_>> {
        self.reader.values.get(slot).copied().flatten()
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let mut fields = self.fields;
        while let Some(raw) = record::take_field(&mut fields) {
            let searchable = u32::try_from(raw.name).is_ok_and(field::searchable);
            if searchable && raw.value().is_some_and(|value| text::strings(value, test)) {
                return true;
            }
        }
        false
    }
}
