//! The rows of a segment one by one, in their order: what a merge reads.

use super::build::{Key, RowHead};
use super::group::GroupReader;
use super::head::Fixed;
use super::read::Segment;
use crate::gap::Gap;
use crate::record_id::RecordId;
use crate::value::Value;

/// Where a merge is in a segment.
pub(crate) struct Rows<'s> {
    segment: &'s Segment,
    next_block: u32,
    reader: Option<GroupReader<'s>>,
    /// Lanes of sequence, writer, arrival and import.
    fixed: [usize; 4],
    /// The lane of each column of the block.
    lanes: Vec<usize>,
    next_group: u32,
    heads: Vec<RowHead>,
    at: usize,
    /// How often a block was begun: names have other numbers then.
    pub(crate) blocks: u32,
    row_size: usize,
}

impl<'s> Rows<'s> {
    /// Stands before the first row.
    pub(crate) fn new(segment: &'s Segment) -> Result<Self, Gap> {
        let mut rows = Self::before(segment);
        rows.fill()?;
        Ok(rows)
    }

    /// Stands before the first row, which the first [`Rows::advance`] reads. After an error the next goes on
    /// behind what is damaged.
    pub(crate) fn before(segment: &'s Segment) -> Self {
        let average = segment.footer.raw / segment.footer.records.max(1);
        Self {
            segment,
            next_block: 0,
            reader: None,
            fixed: [0; 4],
            lanes: Vec::new(),
            next_group: 0,
            heads: Vec::new(),
            at: 0,
            blocks: 0,
            row_size: usize::try_from(average).unwrap_or(usize::MAX),
        }
    }

    /// The current row; none at the end.
    pub(crate) fn head(&self) -> Option<&RowHead> {
        self.heads.get(self.at)
    }

    /// Goes to the next row.
    pub(crate) fn advance(&mut self) -> Result<(), Gap> {
        self.at += 1;
        if self.heads.len() <= self.at { self.fill() } else { Ok(()) }
    }

    /// The names of the current block, by number.
    pub(crate) fn names(&self) -> &'s [String] {
        self.reader.as_ref().map_or(&[], |reader| &reader.block.head.names)
    }

    /// The fields of the current row: numbers of names, and values.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (u32, Value<'_>)> {
        let reader = self.reader.as_ref();
        let shape = reader.map_or(&[][..], |reader| reader.shape(self.at));
        shape.iter().filter_map(move |&name| {
            let reader = reader?;
            let value = match reader.block.head.column_of(name) {
                Some(at) => reader.values(*self.lanes.get(at as usize)?).get(self.at),
                None => reader.rare_value(self.at, name),
            };
            value.map(|value| (name, value))
        })
    }

    /// Reads the next group that has rows.
    fn fill(&mut self) -> Result<(), Gap> {
        self.heads.clear();
        self.at = 0;
        while self.heads.is_empty() {
            let more = self.reader.as_ref().is_some_and(|reader| self.next_group < reader.groups());
            if !more {
                if self.segment.block_count() <= self.next_block {
                    self.reader = None;
                    return Ok(());
                }
                self.begin_block()?;
            }
            if let Err(gap) = self.read_group() {
                self.heads.clear();
                return Err(gap);
            }
        }
        Ok(())
    }

    fn begin_block(&mut self) -> Result<(), Gap> {
        let number = self.next_block;
        self.next_block += 1;
        // A block that does not open is passed over, and the one before it is not read again.
        self.reader = None;
        let block = self.segment.block(number)?;
        self.next_group = 0;
        self.blocks += 1;
        let mut reader = GroupReader::new(self.segment, block)?;
        for (lane, fixed) in
            self.fixed.iter_mut().zip([Fixed::Sequence, Fixed::Writer, Fixed::Arrived, Fixed::Import])
        {
            *lane = reader.add_fixed(fixed)?;
        }
        self.lanes.clear();
        for at in 0..u32::try_from(block.head.columns.len()).unwrap_or(0) {
            self.lanes.push(reader.add_column(at)?);
        }
        self.reader = Some(reader);
        Ok(())
    }

    fn read_group(&mut self) -> Result<(), Gap> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        reader.start(self.next_group);
        self.next_group += 1;
        reader.load_times()?;
        reader.load_row_shapes()?;
        reader.load_rare_fields()?;
        for &lane in self.fixed.iter().chain(&self.lanes) {
            reader.load(lane)?;
        }
        let [sequence, writer, arrived, import] = self.fixed.map(|lane| reader.values(lane));
        for (row, &time) in reader.times().iter().enumerate() {
            let id = record_id(writer.get(row), sequence.get(row));
            let arrived = match arrived.get(row) {
                Some(Value::Time(arrived)) => arrived,
                _ => time,
            };
            let import = match import.get(row) {
                Some(Value::Str(source)) => source.parse().ok(),
                _ => None,
            };
            self.heads.push(RowHead { key: Key { time, id }, arrived, import, size: self.row_size });
        }
        // A value that its column does not have would be lost without a word.
        for row in 0..reader.rows() {
            for &name in reader.shape(row) {
                let there = match reader.block.head.column_of(name) {
                    Some(at) => self
                        .lanes
                        .get(at as usize)
                        .is_some_and(|lane| reader.values(*lane).get(row).is_some()),
                    None => reader.rare_value(row, name).is_some(),
                };
                if !there {
                    let name = reader.block.head.names.get(name as usize).map_or("?", String::as_str);
                    return Err(self.segment.column_gap(reader.block, 0..0, name));
                }
            }
        }
        Ok(())
    }
}

/// The id out of the columns of writers and sequences.
pub(crate) fn record_id(writer: Option<Value<'_>>, sequence: Option<Value<'_>>) -> RecordId {
    let writer = match writer {
        Some(Value::Int(writer)) => u32::try_from(writer).unwrap_or(u32::MAX),
        _ => u32::MAX,
    };
    let sequence = match sequence {
        #[expect(clippy::cast_sign_loss, reason = "the builder cast it so")]
        Some(Value::Int(sequence)) => sequence as u64,
        _ => u64::MAX,
    };
    RecordId { writer, sequence }
}
