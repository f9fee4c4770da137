//! Scanning a block of a segment: group by group, from the youngest on.

use std::ops::ControlFlow;

use super::batch::{Batch, Group, Stored};
use super::select::{Lookup, Mask, Tree};
use super::{Scan, ScanStats};
use crate::format::footer::BlockEntry;
use crate::gap::Gap;
use crate::predicate::Compiled;
use crate::segment::sealed::group::GroupReader;
use crate::segment::sealed::head::Fixed;
use crate::segment::sealed::read::Segment;
use crate::segment::sealed::rows::record_id;
use crate::value::Value;

/// A block of a segment, to be read by one thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct SealedPart<'s> {
    pub(super) segment: &'s Segment,
    pub(super) block: u32,
    pub(super) entry: BlockEntry,
    pub(super) scan: &'s Scan,
    /// The first and the last nanosecond of records that a rollup counts: they are not shown.
    pub(super) counted: Option<(i64, i64)>,
}

/// The lanes that a scan reads.
struct Lanes {
    /// Of the columns that are asked for, then of those that only the predicate needs.
    slots: Vec<usize>,
    writer: usize,
    sequence: usize,
    arrived: usize,
    import: usize,
    /// Of all columns of the block, where they are needed.
    all: Vec<usize>,
}

impl SealedPart<'_> {
    /// The names of the fields of the block; none where its head is damaged.
    pub(super) fn names(&self) -> Option<Vec<&str>> {
        let block = self.segment.block(self.block).ok()?;
        Some(block.head.names.iter().map(String::as_str).collect())
    }

    /// Shows the matching rows in batches. What is damaged is left out and said.
    pub(super) fn scan(&self, visit: &mut dyn FnMut(&Batch<'_>) -> ControlFlow<()>) -> ScanStats {
        let mut stats = ScanStats::default();
        if let Err(gap) = self.scan_block(visit, &mut stats) {
            stats.gaps.push(gap);
        }
        stats
    }

    fn scan_block(
        &self,
        visit: &mut dyn FnMut(&Batch<'_>) -> ControlFlow<()>,
        stats: &mut ScanStats,
    ) -> Result<(), Gap> {
        let block = self.segment.block(self.block)?;
        let mut reader = GroupReader::new(self.segment, block)?;
        let mut columns = self.scan.columns.clone();
        let compiled = self.scan.predicate.compile(&mut columns);
        let lanes = self.lanes(&mut reader, &columns, &compiled)?;
        let mut tree = Tree::new(&compiled, &lanes.slots, &lanes.all, &reader);
        let lookup = Lookup::new(self.segment, self.block, self.scan.index);
        let groups = tree.groups(&reader, &lookup);
        stats.indexed |= lookup.ruled_out(reader.groups());
        let bytes = (self.entry.columns_size + self.entry.head_size) / u64::from(reader.groups().max(1));
        for group in (0..reader.groups()).rev() {
            let (min, max) = reader.time_bounds(group);
            if groups >> group & 1 == 0 || !self.scan.range.overlaps(min, max) || self.is_counted(min, max) {
                continue;
            }
            reader.start(group);
            stats.records += reader.rows() as u64;
            stats.bytes += bytes;
            match self.scan_group(&mut reader, &mut tree, &lanes, visit) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(gap) => stats.gaps.push(gap),
            }
        }
        Ok(())
    }

    /// Whether a rollup counts all records from `min` to `max`, both included.
    fn is_counted(&self, min: i64, max: i64) -> bool {
        self.counted.is_some_and(|(first, last)| first <= min && max <= last)
    }

    fn lanes(
        &self,
        reader: &mut GroupReader<'_>,
        columns: &[String],
        compiled: &Compiled,
    ) -> Result<Lanes, Gap> {
        let mut lanes = Lanes {
            slots: Vec::with_capacity(columns.len()),
            writer: reader.add_fixed(Fixed::Writer)?,
            sequence: reader.add_fixed(Fixed::Sequence)?,
            arrived: reader.add_fixed(Fixed::Arrived)?,
            import: reader.add_fixed(Fixed::Import)?,
            all: Vec::new(),
        };
        for column in columns {
            lanes.slots.push(reader.add(column)?);
        }
        if self.scan.fields || Tree::searches(compiled) {
            let count = u32::try_from(reader.block.head.columns.len()).unwrap_or(0);
            for at in 0..count {
                lanes.all.push(reader.add_column(at)?);
            }
        }
        Ok(lanes)
    }

    fn scan_group(
        &self,
        reader: &mut GroupReader<'_>,
        tree: &mut Tree<'_>,
        lanes: &Lanes,
        visit: &mut dyn FnMut(&Batch<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Gap> {
        let mut mask = Mask::first(reader.rows());
        let (min, max) = reader.time_bounds(reader.group());
        if !self.scan.range.covers(min, max) {
            reader.load_times()?;
            mask = mask
                .filter(|row| reader.times().get(row).is_some_and(|time| self.scan.range.contains(*time)));
        }
        if let Some((first, last)) = self.counted.filter(|(first, last)| *first <= max && min <= *last) {
            reader.load_times()?;
            mask =
                mask.filter(|row| !reader.times().get(row).is_some_and(|time| (first..=last).contains(time)));
        }
        if let Some(after) = &self.scan.after {
            reader.load(lanes.writer)?;
            reader.load(lanes.sequence)?;
            let (writer, sequence) = (reader.values(lanes.writer), reader.values(lanes.sequence));
            mask = mask.filter(|row| {
                let id = record_id(writer.get(row), sequence.get(row));
                after.next.get(&id.writer).is_none_or(|next| *next <= id.sequence)
            });
        }
        let mask = tree.rows(reader, &mask)?;
        if mask.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        self.show(reader, lanes, &mask, visit)
    }

    /// Decodes what was asked for of the rows that match.
    fn show(
        &self,
        reader: &mut GroupReader<'_>,
        lanes: &Lanes,
        mask: &Mask,
        visit: &mut dyn FnMut(&Batch<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Gap> {
        let asked = lanes.slots.get(..self.scan.columns.len()).unwrap_or(&[]);
        if self.scan.times {
            reader.load_times()?;
        }
        let imports = self.scan.fields || self.scan.columns.iter().any(|name| name == "_import");
        let ids: &[usize] = if self.scan.ids { &[lanes.writer, lanes.sequence] } else { &[] };
        for &lane in ids.iter().chain(asked) {
            reader.load(lane)?;
        }
        if imports {
            reader.load(lanes.import)?;
        }
        if self.scan.fields {
            reader.load(lanes.arrived)?;
            reader.load_row_shapes()?;
            if reader.has_rare() {
                reader.load_rare_fields()?;
            }
            for &lane in &lanes.all {
                reader.load(lane)?;
            }
        }
        let reader = &*reader;
        let selected: Vec<u16> = mask.rows().filter_map(|row| u16::try_from(row).ok()).collect();
        let rows = || selected.iter().map(|row| usize::from(*row));
        let column =
            |&lane: &usize| Stored::encoded(reader.values(lane), &selected, reader.null_is_missing(lane));
        let mut batch = Batch {
            times: match self.scan.times {
                true if selected.len() == reader.rows() => reader.times().to_vec(),
                true => rows().filter_map(|row| reader.times().get(row).copied()).collect(),
                false => Vec::new(),
            },
            columns: asked.iter().map(column).collect(),
            group: Some(Group {
                reader,
                selected: &selected,
                writer: reader.values(lanes.writer),
                sequence: reader.values(lanes.sequence),
                lanes: &lanes.all,
            }),
            ..Batch::default()
        };
        if imports {
            let import = reader.values(lanes.import);
            let text = |row| if let Some(Value::Str(text)) = import.get(row) { Some(text) } else { None };
            batch.imports = rows().map(text).collect();
        }
        if self.scan.fields {
            let arrived = reader.values(lanes.arrived);
            let time = |row| if let Some(Value::Time(time)) = arrived.get(row) { time } else { i64::MIN };
            batch.arrived = rows().map(time).collect();
        }
        Ok(visit(&batch))
    }
}
