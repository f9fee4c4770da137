//! Reading a block group by group: which row has which value of the columns that are asked for.
//!
//! A column holds only the values that there are. [`Places`] says for each row of the group where its value
//! stands among them, worked out from the rows' shapes.

use super::GROUP_ROWS;
use super::head::{Content, Fixed, UNITS};
use super::read::{Block, Segment, SharedDictionary};
use crate::column::{Column, Dictionary, Kind, TemplateCodes, Templates, Unit, Vector, View};
use crate::field;
use crate::gap::Gap;
use crate::record::{self, CUSTOM_BASE};
use crate::value::Value;

/// Where the values of a group's rows stand among those of the group that there are.
#[derive(Clone, Debug, Default)]
pub(crate) enum Places {
    /// Each row has one.
    #[default]
    All,
    /// No row has one.
    Nowhere,
    /// By row; `NOWHERE` for a row without.
    Some(Vec<u32>),
}

/// The place of a row that has no value.
pub(crate) const NOWHERE: u32 = u32::MAX;

impl Places {
    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Whether each of these rows has one.
    pub(crate) fn have_all(&self, rows: &[u16]) -> bool {
        self.is_all() || rows.iter().all(|row| self.get(usize::from(*row)).is_some())
    }

    /// The place of each row, 2^32 - 1 for a row without; absent where each row has one.
    pub(crate) fn list(&self) -> Option<&[u32]> {
        match self {
            Self::All => None,
            Self::Nowhere => Some(&[]),
            Self::Some(places) => Some(places),
        }
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<usize> {
        match self {
            Self::All => Some(row),
            Self::Nowhere => None,
            Self::Some(places) => {
                places.get(row).copied().filter(|place| *place != NOWHERE).map(|place| place as usize)
            }
        }
    }
}

/// One column that is asked for, and its values in the current group.
pub(crate) struct Lane<'s> {
    source: Source<'s>,
    /// For each shape of the block, whether a row of it has the field.
    has: Vec<bool>,
    places: Places,
    vector: Vector,
    /// The templates of the values, where they were asked for instead of the values.
    codes: TemplateCodes,
    /// Whether `vector` and `places` are of the current group.
    loaded: bool,
    searchable: bool,
}

enum Source<'s> {
    /// No row of the block has it.
    Missing,
    /// The time of the row; as an integer where the field `_time` says the same.
    Time { integer: bool },
    /// The time of the row in a unit of so many nanoseconds, as a text.
    Spelled { unit: i64 },
    Column {
        column: Box<Column<'s>>,
        dictionary: Option<&'s SharedDictionary>,
        /// Where a null stands for no value.
        import: bool,
        range: std::ops::Range<u64>,
        name: String,
    },
    /// In the column of rare fields, under this number.
    Rare { number: u64 },
}

/// What the rows of a group have in one lane.
#[derive(Clone, Copy)]
pub(crate) struct Values<'g> {
    pub(crate) places: &'g Places,
    pub(crate) content: Held<'g>,
}

#[derive(Clone, Copy)]
pub(crate) enum Held<'g> {
    Missing,
    /// Nanoseconds by row.
    Times(&'g [i64], Unit),
    Vector(&'g Vector, Option<&'g SharedDictionary>),
    /// Rows of rare fields, and which name is meant.
    Rare(&'g Vector, Option<&'g SharedDictionary>, u64),
}

/// Reads the groups of one block.
pub(crate) struct GroupReader<'s> {
    segment: &'s Segment,
    pub(crate) block: &'s Block,
    shape: Option<Column<'s>>,
    shape_dictionary: Option<&'s SharedDictionary>,
    time_dictionary: Option<&'s SharedDictionary>,
    rare: Option<Column<'s>>,
    time: Column<'s>,
    /// The current group.
    group: u32,
    rows: usize,
    shapes: Vec<u32>,
    shapes_loaded: bool,
    shape_vector: Vector,
    rare_vector: Vector,
    rare_dictionary: Option<&'s SharedDictionary>,
    rare_has: Vec<bool>,
    rare_places: Places,
    rare_loaded: bool,
    time_vector: Vector,
    times: Vec<i64>,
    times_loaded: bool,
    lanes: Vec<Lane<'s>>,
}

impl<'s> GroupReader<'s> {
    /// Opens a block.
    pub(crate) fn new(segment: &'s Segment, block: &'s Block) -> Result<Self, Gap> {
        let missing = |name: &str| segment.column_gap(block, 0..0, name);
        let time = segment.fixed(block, Fixed::Time)?.ok_or_else(|| missing("time"))?;
        let shape = segment.fixed(block, Fixed::Shape)?.ok_or_else(|| missing("shape"))?;
        let rare = segment.fixed(block, Fixed::Rare)?;
        let dictionary = |fixed, column: &Column<'s>| match column.kind() == Kind::Dictionary {
            true => match segment.fixed_dictionary(block, fixed, column) {
                Ok(dictionary) => Ok(Some(dictionary)),
                Err(_) => {
                    Err(segment.column_gap(block, block.head.fixed_range(fixed), &format!("{fixed:?}")))
                }
            },
            false => Ok(None),
        };
        Ok(Self {
            segment,
            block,
            shape_dictionary: dictionary(Fixed::Shape, &shape)?,
            time_dictionary: dictionary(Fixed::Time, &time)?,
            rare_dictionary: match &rare {
                Some(rare) => dictionary(Fixed::Rare, rare)?,
                None => None,
            },
            shape: (1 < block.head.shapes.len()).then_some(shape),
            rare_has: if rare.is_some() { block.head.shapes_with_rare() } else { Vec::new() },
            rare,
            time,
            group: 0,
            rows: 0,
            shapes: Vec::new(),
            shapes_loaded: false,
            shape_vector: Vector::default(),
            rare_vector: Vector::default(),
            rare_places: Places::All,
            rare_loaded: false,
            time_vector: Vector::default(),
            times: Vec::new(),
            times_loaded: false,
            lanes: Vec::new(),
        })
    }

    /// Adds a lane for a named field; `time`, `_arrived` and `_import` are what every record has.
    pub(crate) fn add(&mut self, name: &str) -> Result<usize, Gap> {
        let head = &self.block.head;
        let mut has = Vec::new();
        let mut searchable = false;
        let source = match name {
            "time" => Source::Time { integer: false },
            "_arrived" => self.fixed(Fixed::Arrived, false)?,
            "_import" => self.fixed(Fixed::Import, true)?,
            name => match head.find(name) {
                None => Source::Missing,
                Some((number, column)) => {
                    has = head.shapes_with(number);
                    searchable = field::number(name).is_none_or(|known| field::searchable(known.into()));
                    match column {
                        None => Source::Rare { number: CUSTOM_BASE + u64::from(number) },
                        Some(at) => self.named(at, name)?,
                    }
                }
            },
        };
        self.lanes.push(Lane {
            source,
            has,
            places: Places::All,
            vector: Vector::default(),
            codes: TemplateCodes::default(),
            loaded: false,
            searchable,
        });
        Ok(self.lanes.len() - 1)
    }

    /// Adds a lane for a column that every row has.
    pub(crate) fn add_fixed(&mut self, fixed: Fixed) -> Result<usize, Gap> {
        let source = self.fixed(fixed, fixed == Fixed::Import)?;
        self.lanes.push(Lane {
            source,
            has: Vec::new(),
            places: Places::All,
            vector: Vector::default(),
            codes: TemplateCodes::default(),
            loaded: false,
            searchable: false,
        });
        Ok(self.lanes.len() - 1)
    }

    /// Adds a lane for the column `at` of the block.
    pub(crate) fn add_column(&mut self, at: u32) -> Result<usize, Gap> {
        let head = &self.block.head;
        let name = head.columns.get(at as usize).map_or(0, |column| column.name);
        let text = head.names.get(name as usize).map_or("?", String::as_str);
        let source = self.named(at, text)?;
        self.lanes.push(Lane {
            source,
            has: head.shapes_with(name),
            places: Places::All,
            vector: Vector::default(),
            codes: TemplateCodes::default(),
            loaded: false,
            searchable: field::number(text).is_none_or(|known| field::searchable(known.into())),
        });
        Ok(self.lanes.len() - 1)
    }

    fn fixed(&self, fixed: Fixed, import: bool) -> Result<Source<'s>, Gap> {
        let range = self.block.head.fixed_range(fixed);
        let name = format!("{fixed:?}");
        let Some(column) = self.segment.fixed(self.block, fixed)? else { return Ok(Source::Missing) };
        let damaged = |_| self.segment.column_gap(self.block, range.clone(), &name);
        let dictionary = match column.kind() == Kind::Dictionary {
            true => Some(self.segment.fixed_dictionary(self.block, fixed, &column).map_err(damaged)?),
            false => None,
        };
        if !fits(fixed, &column, dictionary) {
            return Err(self.segment.column_gap(self.block, range, &name));
        }
        Ok(Source::Column { column: Box::new(column), dictionary, import, range, name })
    }

    fn named(&self, at: u32, name: &str) -> Result<Source<'s>, Gap> {
        let entry = self.block.head.columns.get(at as usize);
        match entry.map_or(Content::Values, |entry| entry.content) {
            Content::Values => {}
            Content::Time => return Ok(Source::Time { integer: true }),
            Content::Spelled(unit) => {
                return Ok(Source::Spelled { unit: UNITS.get(unit).copied().unwrap_or(1) });
            }
        }
        let range = self.block.head.column_range(at);
        let column = self.segment.column(self.block, at)?;
        let damaged = |_| self.segment.column_gap(self.block, range.clone(), name);
        let dictionary = match column.kind() == Kind::Dictionary {
            true => Some(self.segment.dictionary(self.block, at, &column).map_err(damaged)?),
            false => None,
        };
        let name = name.to_owned();
        Ok(Source::Column { column: Box::new(column), dictionary, import: false, range, name })
    }

    /// Groups of the block.
    pub(crate) fn groups(&self) -> u32 {
        self.block.entry.rows.div_ceil(GROUP_ROWS)
    }

    /// The least and greatest time that a row of the group may have.
    pub(crate) fn time_bounds(&self, group: u32) -> (i64, i64) {
        let entry = &self.block.entry;
        self.time.bounds(group).unwrap_or((entry.time_min, entry.time_max))
    }

    /// The least and greatest integer that a value of the lane may be in the group, and what the integers
    /// stand for; none where values are no integers.
    pub(crate) fn bounds(&self, lane: usize, group: u32) -> Option<(Unit, i64, i64)> {
        match &self.lanes.get(lane)?.source {
            Source::Column { column, .. } => {
                let Kind::Ints(unit) = column.kind() else { return None };
                column.bounds(group).map(|(min, max)| (unit, min, max))
            }
            Source::Time { integer } => {
                let (min, max) = self.time_bounds(group);
                Some((if *integer { Unit::Int } else { Unit::Time }, min, max))
            }
            _ => None,
        }
    }

    /// What is known of a lane's values in the whole block.
    pub(crate) fn known(&self, lane: usize) -> Known<'_> {
        let Some(lane) = self.lanes.get(lane) else { return Known::Nothing };
        let everywhere = lane.has.iter().all(|has| *has);
        match &lane.source {
            Source::Missing => Known::Missing,
            Source::Column { column, dictionary, import, .. } => {
                let everywhere = everywhere && !import;
                if let Some(dictionary) = dictionary {
                    return Known::Entries { entries: &dictionary.entries, everywhere };
                }
                match column.constant() {
                    Some(value) => Known::Constant { value, everywhere },
                    None if column.only_strings() && lane.searchable => Known::Strings { everywhere },
                    None => Known::Nothing,
                }
            }
            _ => Known::Nothing,
        }
    }

    /// Begins to read a group.
    pub(crate) fn start(&mut self, group: u32) {
        self.group = group;
        let first = group.saturating_mul(GROUP_ROWS);
        self.rows = self.block.entry.rows.saturating_sub(first).min(GROUP_ROWS) as usize;
        self.shapes_loaded = false;
        self.rare_loaded = false;
        self.times_loaded = false;
        for lane in &mut self.lanes {
            lane.loaded = false;
        }
    }

    /// Rows of the current group.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The group that is being read.
    pub(crate) fn group(&self) -> u32 {
        self.group
    }

    /// Damage that the current group met.
    fn damaged(&self, range: std::ops::Range<u64>, name: &str) -> Gap {
        let mut gap = self.segment.column_gap(self.block, range, name);
        gap.what = format!(
            "damage in column `{name}`: {} records of group {} of block {}",
            self.rows, self.group, self.block.number
        );
        gap
    }

    /// Reads the shapes of the rows. Without a column all rows have the only shape that there is.
    fn load_shapes(&mut self) -> Result<(), Gap> {
        if self.shapes_loaded {
            return Ok(());
        }
        self.shapes.clear();
        let shapes = u32::try_from(self.block.head.shapes.len()).unwrap_or(0);
        let damaged = |reader: &Self| reader.damaged(reader.block.head.fixed_range(Fixed::Shape), "shape");
        match &self.shape {
            None => self.shapes.resize(self.rows, 0),
            Some(column) => {
                if column.read(self.group, &mut self.shape_vector).is_err() {
                    return Err(damaged(self));
                }
                match self.shape_vector.view() {
                    View::Ints(_, ints) => {
                        self.shapes.extend(ints.iter().map(|&int| u32::try_from(int).unwrap_or(u32::MAX)));
                    }
                    _ => {
                        let dictionary = self.shape_dictionary.map(|shared| &shared.entries);
                        let shape = |at| match self.shape_vector.get(at, dictionary) {
                            Some(Value::Int(int)) => u32::try_from(int).unwrap_or(u32::MAX),
                            _ => u32::MAX,
                        };
                        self.shapes.extend((0..self.shape_vector.len()).map(shape));
                    }
                }
            }
        }
        if self.shapes.len() != self.rows || self.shapes.iter().any(|shape| shapes <= *shape) {
            return Err(damaged(self));
        }
        self.shapes_loaded = true;
        Ok(())
    }

    /// The number of a row's shape; the shapes must have been loaded.
    pub(crate) fn shape(&self, row: usize) -> &'s [u32] {
        let shape = self.shapes.get(row).copied().unwrap_or(u32::MAX);
        self.block.head.shapes.get(shape as usize).map_or(&[], Vec::as_slice)
    }

    /// Reads what [`GroupReader::shape`] shows.
    pub(crate) fn load_row_shapes(&mut self) -> Result<(), Gap> {
        self.load_shapes()
    }

    /// Reads the times of the group's rows.
    pub(crate) fn load_times(&mut self) -> Result<(), Gap> {
        if self.times_loaded {
            return Ok(());
        }
        let damaged = |reader: &Self| reader.damaged(reader.block.head.fixed_range(Fixed::Time), "time");
        if self.time.read(self.group, &mut self.time_vector).is_err() {
            return Err(damaged(self));
        }
        self.times.clear();
        match self.time_vector.view() {
            View::Ints(Unit::Time, ints) => self.times.extend_from_slice(ints),
            _ => {
                let dictionary = self.time_dictionary.map(|shared| &shared.entries);
                let times =
                    (0..self.time_vector.len()).map_while(|at| match self.time_vector.get(at, dictionary) {
                        Some(Value::Time(time)) => Some(time),
                        _ => None,
                    });
                self.times.extend(times);
            }
        }
        if self.times.len() != self.rows {
            return Err(damaged(self));
        }
        self.times_loaded = true;
        Ok(())
    }

    /// The times of the group's rows, in order; empty before they were loaded.
    pub(crate) fn times(&self) -> &[i64] {
        &self.times
    }

    /// Decodes a lane for the current group.
    pub(crate) fn load(&mut self, lane: usize) -> Result<(), Gap> {
        let Some(state) = self.lanes.get(lane) else { return Ok(()) };
        if state.loaded {
            return Ok(());
        }
        match &state.source {
            Source::Missing => {}
            Source::Time { .. } | Source::Spelled { .. } => {
                self.load_times()?;
                if self.lanes.get(lane).is_some_and(|lane| lane.has.iter().any(|has| !has)) {
                    self.load_shapes()?;
                }
            }
            Source::Column { .. } => self.load_column(lane)?,
            Source::Rare { .. } => self.load_rare()?,
        }
        let Some(state) = self.lanes.get_mut(lane) else { return Ok(()) };
        match &state.source {
            Source::Time { .. } => {
                places(&self.shapes, &state.has, None, self.rows, &mut state.places);
            }
            Source::Spelled { unit } => {
                places(&self.shapes, &state.has, None, self.rows, &mut state.places);
                let there = |(row, _): &(usize, &i64)| state.places.get(*row).is_some();
                let times = self.times.iter().enumerate().filter(there).map(|(_, time)| *time / unit);
                state.vector.print_numbers(times);
            }
            Source::Rare { .. } => state.places.clone_from(&self.rare_places),
            _ => {}
        }
        state.loaded = true;
        Ok(())
    }

    /// Reads which templates the texts of a lane have in the current group, if they are kept so and were not decoded
    /// yet.
    pub(crate) fn load_templates(&mut self, lane: usize) -> Result<bool, Gap> {
        let (group, rows) = (self.group, self.rows);
        let Some(Lane { source: Source::Column { column, .. }, loaded: false, .. }) = self.lanes.get(lane)
        else {
            return Ok(false);
        };
        let len = column.group_len(group) as usize;
        if len == 0 || column.templates().is_none() {
            return Ok(false);
        }
        if len != rows {
            self.load_shapes()?;
        }
        let Some(state) = self.lanes.get_mut(lane) else { return Ok(false) };
        let Source::Column { column, range, name, .. } = &state.source else { return Ok(false) };
        let sound = places(&self.shapes, &state.has, Some(len), rows, &mut state.places)
            && column.read_templates(group, &mut state.codes).is_ok();
        if !sound {
            let (range, name) = (range.clone(), name.clone());
            return Err(self.damaged(range, &name));
        }
        Ok(true)
    }

    /// What [`GroupReader::load_templates`] read: where the values stand, which templates they have, and the templates.
    pub(crate) fn templates(&mut self, lane: usize) -> Option<(&Places, &mut TemplateCodes, &Templates)> {
        let state = self.lanes.get_mut(lane)?;
        let Source::Column { column, .. } = &state.source else { return None };
        Some((&state.places, &mut state.codes, column.templates()?))
    }

    fn load_column(&mut self, lane: usize) -> Result<(), Gap> {
        let group = self.group;
        let rows = self.rows;
        let Some(Lane { source: Source::Column { column, .. }, .. }) = self.lanes.get(lane) else {
            return Ok(());
        };
        let len = column.group_len(group) as usize;
        if len != 0 && len != rows {
            self.load_shapes()?;
        }
        let Some(state) = self.lanes.get_mut(lane) else { return Ok(()) };
        let Source::Column { column, range, name, .. } = &state.source else { return Ok(()) };
        let sound = if len == 0 {
            state.places = Places::Nowhere;
            true
        } else {
            places(&self.shapes, &state.has, Some(len), rows, &mut state.places)
                && column.read(group, &mut state.vector).is_ok()
        };
        if !sound {
            let (range, name) = (range.clone(), name.clone());
            return Err(self.damaged(range, &name));
        }
        Ok(())
    }

    fn load_rare(&mut self) -> Result<(), Gap> {
        if self.rare_loaded {
            return Ok(());
        }
        self.load_shapes()?;
        let Some(column) = &self.rare else {
            self.rare_places = Places::Nowhere;
            return Ok(());
        };
        let len = column.group_len(self.group) as usize;
        let sound = if len == 0 {
            self.rare_places = Places::Nowhere;
            true
        } else {
            places(&self.shapes, &self.rare_has, Some(len), self.rows, &mut self.rare_places)
                && column.read(self.group, &mut self.rare_vector).is_ok()
        };
        if !sound {
            return Err(self.damaged(self.block.head.fixed_range(Fixed::Rare), "rare"));
        }
        self.rare_loaded = true;
        Ok(())
    }

    /// Reads the column of rare fields, for [`GroupReader::rare`].
    pub(crate) fn load_rare_fields(&mut self) -> Result<(), Gap> {
        self.load_rare()
    }

    /// The rare fields of a row, encoded; empty for a row without.
    pub(crate) fn rare(&self, row: usize) -> &[u8] {
        let place = self.rare_places.get(row);
        place.and_then(|place| rare_bytes(&self.rare_vector, place, self.rare_dictionary)).unwrap_or(&[])
    }

    /// Whether any row of the block has rare fields.
    pub(crate) fn has_rare(&self) -> bool {
        self.rare.is_some()
    }

    /// The value of a rare field, by the number of its name.
    pub(crate) fn rare_value(&self, row: usize, name: u32) -> Option<Value<'_>> {
        rare_field(self.rare(row), CUSTOM_BASE + u64::from(name))
    }

    /// What the rows of the current group have in a lane that was loaded.
    pub(crate) fn values(&self, lane: usize) -> Values<'_> {
        let Some(state) = self.lanes.get(lane) else {
            return Values { places: &Places::Nowhere, content: Held::Missing };
        };
        let content = match &state.source {
            Source::Missing => Held::Missing,
            Source::Time { integer } => {
                Held::Times(&self.times, if *integer { Unit::Int } else { Unit::Time })
            }
            Source::Spelled { .. } => Held::Vector(&state.vector, None),
            Source::Column { .. } if matches!(state.places, Places::Nowhere) => Held::Missing,
            Source::Column { dictionary, .. } => Held::Vector(&state.vector, *dictionary),
            Source::Rare { number } => Held::Rare(&self.rare_vector, self.rare_dictionary, *number),
        };
        Values { places: &state.places, content }
    }

    /// Whether a lane's values are those of the fixed column `import`, where a null is no value.
    pub(crate) fn null_is_missing(&self, lane: usize) -> bool {
        let source = self.lanes.get(lane).map(|lane| &lane.source);
        matches!(source, Some(Source::Column { import: true, .. }))
    }
}

/// Whether a fixed column holds what it must: a wrong id would be worse than none.
fn fits(fixed: Fixed, column: &Column<'_>, dictionary: Option<&SharedDictionary>) -> bool {
    let unit = match fixed {
        Fixed::Time | Fixed::Arrived => Unit::Time,
        Fixed::Sequence | Fixed::Writer | Fixed::Shape => Unit::Int,
        Fixed::Import | Fixed::Rare => return true,
    };
    let is = |value| match unit {
        Unit::Time => matches!(value, Some(Value::Time(_))),
        _ => matches!(value, Some(Value::Int(_))),
    };
    match (column.kind(), dictionary) {
        (Kind::Ints(held), _) => held == unit,
        (Kind::Constant, _) => is(column.constant()),
        (Kind::Dictionary, Some(shared)) => (0..u32::try_from(shared.entries.len()).unwrap_or(u32::MAX))
            .all(|code| is(shared.entries.get(code))),
        _ => false,
    }
}

/// What is known of a lane without reading its groups.
pub(crate) enum Known<'g> {
    Nothing,
    /// No row of the block has the field.
    Missing,
    /// All rows that have the field have this value; `everywhere` when every row has the field.
    Constant {
        value: Value<'g>,
        everywhere: bool,
    },
    Entries {
        entries: &'g Dictionary,
        everywhere: bool,
    },
    /// Texts that the index knows.
    Strings {
        everywhere: bool,
    },
}

impl<'g> Values<'g> {
    /// The value of a row.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<Value<'g>> {
        let place = self.places.get(row)?;
        match self.content {
            Held::Missing => None,
            Held::Times(times, unit) => unit.value(*times.get(row)?),
            Held::Vector(vector, dictionary) => vector.get(place, dictionary.map(|shared| &shared.entries)),
            Held::Rare(vector, dictionary, number) => {
                rare_field(rare_bytes(vector, place, dictionary)?, number)
            }
        }
    }
}

/// The rare fields of a row, encoded.
fn rare_bytes<'v>(
    vector: &'v Vector,
    place: usize,
    dictionary: Option<&'v SharedDictionary>,
) -> Option<&'v [u8]> {
    match vector.get(place, dictionary.map(|shared| &shared.entries))? {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// The field of a number among encoded ones.
fn rare_field(mut fields: &[u8], number: u64) -> Option<Value<'_>> {
    while let Some(raw) = record::take_field(&mut fields) {
        if raw.name == number {
            return raw.value();
        }
    }
    None
}

/// Works out where the rows' values stand. `false` when the shapes and the column disagree about how many
/// (`len`) there are.
fn places(shapes: &[u32], has: &[bool], len: Option<usize>, rows: usize, into: &mut Places) -> bool {
    if len == Some(rows) || (len.is_none() && has.iter().all(|has| *has)) {
        *into = Places::All;
        return true;
    }
    let mut list = match std::mem::take(into) {
        Places::Some(list) => list,
        _ => Vec::new(),
    };
    list.clear();
    let mut next = 0;
    for shape in shapes {
        let there = has.get(*shape as usize).copied().unwrap_or(false);
        list.push(if there { next } else { NOWHERE });
        next += u32::from(there);
    }
    *into = Places::Some(list);
    len.is_none_or(|len| len == next as usize)
}
