//! Scanning a piece of an active file: frame by frame, row by row.

use std::ops::ControlFlow;

use super::batch::{Batch, Stored};
use super::{BATCH_ROWS_MAX, Scan, ScanStats};
use crate::error::{Error, ErrorKind, Result};
use crate::field;
use crate::format::frame::{FLAG_IMPORT, ImportProgress, PROGRESS_SIZE, SourceId};
use crate::predicate::{Compiled, Predicate, Row};
use crate::record::{self, CUSTOM_BASE, Payload};
use crate::record_id::RecordId;
use crate::segment::walk::{FrameAt, Hole, Step, Walk, payload_holds, settle};
use crate::snapshot::{Piece, View};
use crate::text;
use crate::value::Value;

/// A piece of an active file, to be read by one thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowPart<'s> {
    pub(super) view: &'s View,
    pub(super) piece: Piece,
    pub(super) scan: &'s Scan,
}

impl RowPart<'_> {
    /// Shows the matching rows of the piece in batches, in the order in which they were appended.
    pub(super) fn scan(&self, visit: &mut dyn FnMut(&Batch<'_>) -> ControlFlow<()>) -> Result<ScanStats> {
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

/// Where a field's value goes: a place in the row, plus one; 0 is nowhere.
type Slot = u16;

/// Decodes frames into batches.
struct Reader<'a, 'v> {
    part: &'a RowPart<'a>,
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
        part: &'a RowPart<'a>,
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
            batch: Batch {
                columns: scan.columns.iter().map(|_| Stored::Values(Vec::new())).collect(),
                ..Batch::default()
            },
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
        batch.ids.get_or_init(Vec::new);
        if let Some(ids) = batch.ids.get_mut() {
            ids.push(id);
        }
        batch.times.push(time);
        batch.arrived.push(arrived);
        for (column, value) in batch.columns.iter_mut().zip(&self.values) {
            if let Stored::Values(column) = column {
                column.push(*value);
            }
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
