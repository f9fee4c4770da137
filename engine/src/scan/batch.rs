//! Batches: rows that match, as columns.
//!
//! Rows of active files are decoded when they are read. Of a sealed block what a batch holds stays encoded
//! as it is in the segment until it is asked for: as values by [`Batch::column`], or as codes and integers
//! by [`Batch::lane`].

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::column::{Unit, View};
use crate::field;
use crate::record::{self, CUSTOM_BASE};
use crate::record_id::RecordId;
use crate::segment::sealed::group::{GroupReader, Held, Values};
use crate::segment::sealed::read::SharedDictionary;
use crate::segment::sealed::rows::record_id;
use crate::value::Value;

/// Matching rows, as columns.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    pub(super) ids: OnceCell<Vec<RecordId>>,
    pub(super) times: Vec<i64>,
    pub(super) arrived: Vec<i64>,
    pub(super) imports: Vec<Option<&'a str>>,
    pub(super) columns: Vec<Stored<'a>>,
    /// The encoded fields of each row, and which entry of `names` they refer to.
    pub(super) rows: Vec<(&'a [u8], usize)>,
    pub(super) names: Vec<Vec<&'a str>>,
    pub(super) group: Option<Group<'a>>,
}

/// Some rows of a group of a sealed block.
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    pub(super) reader: &'a GroupReader<'a>,
    /// The rows of the group that match.
    pub(super) selected: &'a [u16],
    pub(super) writer: Values<'a>,
    pub(super) sequence: Values<'a>,
    /// The lane of each column of the block, where all fields were asked for.
    pub(super) lanes: &'a [usize],
}

/// A column of a batch.
pub(super) enum Stored<'a> {
    Values(Vec<Option<Value<'a>>>),
    Encoded {
        values: Values<'a>,
        selected: &'a [u16],
        /// Whether a null stands for no value.
        null_is_missing: bool,
        decoded: OnceCell<Vec<Option<Value<'a>>>>,
    },
}

/// A column of a batch as it is held, for whoever can work on that.
#[derive(Debug)]
pub enum Lane<'b> {
    /// Every row has this value, or none.
    Constant(Option<Value<'b>>),
    /// For each row a position in a dictionary; [`NO_CODE`] for a row without a value.
    Codes(Cow<'b, [u32]>, Entries<'b>),
    /// Integers, and what they stand for.
    Ints(IntUnit, Ints<'b>),
    /// A value for each row.
    Values(&'b [Option<Value<'b>>]),
}

/// Integers of some rows of a column.
#[derive(Clone, Debug)]
pub struct Ints<'b> {
    /// Integers of the rows that have one, and maybe of others.
    pub ints: Cow<'b, [i64]>,
    /// For each row its place among the integers, [`NO_CODE`] for a row without; absent where the integers
    /// are those of the rows, one for each.
    pub places: Option<Cow<'b, [u32]>>,
}

impl Ints<'_> {
    /// The integer of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<i64> {
        match &self.places {
            None => self.ints.get(row).copied(),
            Some(places) => self.ints.get(*places.get(row)? as usize).copied(),
        }
    }
}

/// The code or place of a row that has no value: no list is so long.
pub const NO_CODE: u32 = u32::MAX;

/// What the integers of a column stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntUnit {
    /// [`Value::Int`]
    Int,
    /// [`Value::Time`]
    Time,
    /// [`Value::Duration`]
    Duration,
    /// [`Value::Cost`]
    Cost,
    /// [`Value::Level`]
    Level,
    /// [`Value::Bool`]
    Bool,
}

impl IntUnit {
    /// The value that an integer stands for.
    #[inline]
    pub fn value(self, int: i64) -> Option<Value<'static>> {
        let unit = match self {
            Self::Int => Unit::Int,
            Self::Time => Unit::Time,
            Self::Duration => Unit::Duration,
            Self::Cost => Unit::Cost,
            Self::Level => Unit::Level,
            Self::Bool => Unit::Bool,
        };
        unit.value(int)
    }
}

/// The distinct values of a column of a block.
#[derive(Clone, Copy)]
pub struct Entries<'b>(&'b SharedDictionary);

impl<'b> Entries<'b> {
    /// A number that no other dictionary of this process has.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a code.
    pub fn get(&self, code: u32) -> Option<Value<'b>> {
        self.0.entries.get(code)
    }
}

impl std::fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").field("number", &self.number()).field("len", &self.len()).finish()
    }
}

impl std::fmt::Debug for Group<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("selected", &self.selected.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Stored<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}

impl<'a> Stored<'a> {
    pub(super) fn encoded(values: Values<'a>, selected: &'a [u16], null_is_missing: bool) -> Self {
        Self::Encoded { values, selected, null_is_missing, decoded: OnceCell::new() }
    }

    fn values(&self) -> &[Option<Value<'a>>] {
        match self {
            Self::Values(values) => values,
            Self::Encoded { values, selected, null_is_missing, decoded } => decoded.get_or_init(|| {
                let value = |row: &u16| {
                    let value = values.get(usize::from(*row));
                    value.filter(|value| !(*null_is_missing && *value == Value::Null))
                };
                selected.iter().map(value).collect()
            }),
        }
    }

    fn lane(&self) -> Lane<'_> {
        let Self::Encoded { values, selected, null_is_missing: false, .. } = self else {
            return Lane::Values(self.values());
        };
        match &values.content {
            Held::Missing => Lane::Constant(None),
            Held::Times(times, unit) if values.places.is_all() => {
                Lane::Ints(int_unit(*unit), ints(times, selected))
            }
            Held::Vector(vector, dictionary) => match (vector.view(), dictionary) {
                (View::Constant(value), _) if values.places.have_all(selected) => Lane::Constant(Some(value)),
                (View::Ints(unit, held), _) => match values.places.list() {
                    None => Lane::Ints(int_unit(unit), ints(held, selected)),
                    Some(list) if are_all(held.len(), list, selected) => {
                        Lane::Ints(int_unit(unit), Ints { ints: Cow::Borrowed(held), places: None })
                    }
                    Some(list) => {
                        let places = Some(gather(list, selected));
                        Lane::Ints(int_unit(unit), Ints { ints: Cow::Borrowed(held), places })
                    }
                },
                (View::Codes(codes), Some(dictionary)) => {
                    let code = |row: &u16| {
                        let place = values.places.get(usize::from(*row));
                        place.and_then(|place| codes.get(place)).copied().unwrap_or(NO_CODE)
                    };
                    let codes = match values.places.list() {
                        None => gather(codes, selected),
                        Some(list) if are_all(codes.len(), list, selected) => Cow::Borrowed(codes),
                        Some(list) if list.len() == selected.len() => {
                            let code = |place: &u32| codes.get(*place as usize).copied().unwrap_or(NO_CODE);
                            list.iter().map(code).collect()
                        }
                        Some(_) => selected.iter().map(code).collect(),
                    };
                    Lane::Codes(codes, Entries(dictionary))
                }
                _ => Lane::Values(self.values()),
            },
            Held::Times(..) | Held::Rare(..) => Lane::Values(self.values()),
        }
    }
}

/// Those entries of a list with one for each row of a group that are of selected rows.
fn gather<'g, T: Copy>(list: &'g [T], selected: &[u16]) -> Cow<'g, [T]> {
    if selected.len() == list.len() {
        return Cow::Borrowed(list);
    }
    selected.iter().filter_map(|row| list.get(usize::from(*row)).copied()).collect()
}

/// Whether the selected rows are just those that have a value, as when it was asked for whether they have one.
fn are_all(held: usize, places: &[u32], selected: &[u16]) -> bool {
    let place = |row: &u16| places.get(usize::from(*row)).copied();
    selected.len() == held && selected.iter().map(place).eq((0..).take(held).map(Some))
}

fn ints<'g>(list: &'g [i64], selected: &[u16]) -> Ints<'g> {
    Ints { ints: gather(list, selected), places: None }
}

fn int_unit(unit: Unit) -> IntUnit {
    match unit {
        Unit::Int => IntUnit::Int,
        Unit::Time => IntUnit::Time,
        Unit::Duration => IntUnit::Duration,
        Unit::Cost => IntUnit::Cost,
        Unit::Level => IntUnit::Level,
        Unit::Bool => IntUnit::Bool,
    }
}

impl<'a> Batch<'a> {
    /// Rows in the batch, 1 to 1,024.
    pub fn len(&self) -> usize {
        self.group.as_ref().map_or(self.times.len(), |group| group.selected.len())
    }

    /// Whether the batch is empty; a batch that a scan shows never is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids of the rows. Known unless the scan said that it does not ask.
    pub fn ids(&self) -> &[RecordId] {
        self.ids.get_or_init(|| {
            let Some(group) = &self.group else { return Vec::new() };
            let rows = group.selected.iter().map(|row| usize::from(*row));
            rows.map(|row| record_id(group.writer.get(row), group.sequence.get(row))).collect()
        })
    }

    /// The times of the rows, nanoseconds since 1970. Known unless the scan said that it does not ask.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// The id of a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn id(&self, row: usize) -> RecordId {
        self.ids()[row]
    }

    /// The time of a row, nanoseconds since 1970.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn time(&self, row: usize) -> i64 {
        self.times[row]
    }

    /// When a row was appended, nanoseconds since 1970. Known when the scan asked for all fields; a column
    /// `_arrived` is known always.
    ///
    /// # Panics
    /// When there is no such row, or it is not known.
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
        self.columns[at].values()
    }

    /// The same column as it is held.
    ///
    /// # Panics
    /// When the scan asked for fewer.
    pub fn lane(&self, at: usize) -> Lane<'_> {
        self.columns[at].lane()
    }

    /// All stored fields of a row, if the scan asked for them; `time` and the engine's own `_id`,
    /// `_arrived` and `_import` are not among them.
    pub fn fields(&self, row: usize) -> Fields<'_, 'a> {
        if let Some(group) = &self.group {
            let row = group.selected.get(row).map_or(usize::MAX, |row| usize::from(*row));
            let shape = group.reader.shape(row);
            return Fields(Kind::Sealed { group, row, shape: shape.iter() });
        }
        let (fields, names) = self.rows.get(row).copied().unwrap_or((&[], 0));
        Fields(Kind::Rows { fields, names: self.names.get(names).map_or(&[], Vec::as_slice) })
    }

    pub(super) fn clear(&mut self) {
        if let Some(ids) = self.ids.get_mut() {
            ids.clear();
        }
        self.times.clear();
        self.arrived.clear();
        self.imports.clear();
        for column in &mut self.columns {
            if let Stored::Values(values) = column {
                values.clear();
            }
        }
        self.rows.clear();
        self.names.clear();
    }
}

/// The fields of one row, in the order in which they were set.
#[derive(Clone, Debug)]
pub struct Fields<'b, 'a>(Kind<'b, 'a>);

#[derive(Clone, Debug)]
enum Kind<'b, 'a> {
    Rows { fields: &'a [u8], names: &'b [&'a str] },
    Sealed { group: &'b Group<'a>, row: usize, shape: std::slice::Iter<'a, u32> },
}

impl<'a> Iterator for Fields<'_, 'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Kind::Rows { fields, names } => {
                let raw = record::take_field(fields)?;
                let name = match raw.name.checked_sub(CUSTOM_BASE) {
                    Some(at) => names.get(usize::try_from(at).ok()?).copied()?,
                    None => field::name(u32::try_from(raw.name).ok()?)?,
                };
                Some((name, raw.value()?))
            }
            Kind::Sealed { group, row, shape } => loop {
                let name = *shape.next()?;
                let head = &group.reader.block.head;
                let value = match head.column_of(name) {
                    Some(at) => {
                        group.lanes.get(at as usize).and_then(|lane| group.reader.values(*lane).get(*row))
                    }
                    None => group.reader.rare_value(*row, name),
                };
                if let (Some(value), Some(text)) = (value, head.names.get(name as usize)) {
                    return Some((text.as_str(), value));
                }
            },
        }
    }
}
