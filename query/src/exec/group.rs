//! Grouping: rows into groups by their keys, and the measures of each.

use jiff::tz::TimeZone;
use logq_engine::compare::{put_key, take_key};
use logq_engine::predicate::{self, Compiled};
use logq_engine::{Lane, Value};

use super::Budget;
use super::aggregate::{Aggregate, Rows};
use super::arith::{Bound, combine, slot};
use super::columns::Columns;
use super::hash::{KeyHash, KeyTable};
use super::keys::Keys;
use super::lane::Tables;
use super::rolled::Cells;
use super::slices::{Cut, OTHER_PASS, Slice};
use super::table::{Row, Table, compile};
use crate::calendar::Bucket;
use crate::datum::Datum;
use crate::error::{Error, Result};
use crate::functions::Function;
use crate::plan::{Arith, Condition, Group, Measure, Nothing, Operation};

/// The group of a row whose group is not known yet: no table numbers so many.
const NO_GROUP: u32 = u32::MAX;

/// Bytes that a group takes besides its key, for each measure, about.
const STATE_SIZE: usize = 96;

/// How a group is computed: everything that threads share.
pub(super) struct Grouping<'p> {
    group: &'p Group,
    zone: &'p TimeZone,
    /// The columns it asks for.
    pub(super) names: Vec<String>,
    filter: Option<Compiled>,
    keys: Vec<usize>,
    measures: Vec<Input>,
    /// Whether conditions search every string of a row.
    pub(super) searches: bool,
    /// The place of the times of buckets, where rows are no records.
    bucket_column: Option<usize>,
    /// Whether it asks for the times of rows.
    pub(super) times: bool,
    /// Whether it asks for the ids of rows.
    pub(super) ids: bool,
    /// Whether columns may be worked on as they are held.
    lanes: bool,
}

/// What a measure looks at.
struct Input {
    argument: Option<Bound>,
    condition: Option<Compiled>,
}

impl<'p> Grouping<'p> {
    /// Grouping of the rows that pass `filter`.
    pub(super) fn new(group: &'p Group, filter: &[Condition], zone: &'p TimeZone, of_records: bool) -> Self {
        let mut names = Vec::new();
        let keys = group.keys.iter().map(|key| slot(&mut names, key)).collect();
        let bucket_column = (group.per.is_some() && !of_records).then(|| slot(&mut names, "time"));
        let compiled = (!filter.is_empty()).then(|| compile(filter, &mut names));
        let input = |measure: &Measure| Input {
            argument: match (measure.function, &measure.argument) {
                (Function::Calls, None) => Some(Bound::new(&Arith::Field("calls".to_owned()), &mut names)),
                (_, argument) => argument.as_ref().map(|argument| Bound::new(argument, &mut names)),
            },
            condition: measure.condition.as_ref().map(|condition| condition.predicate.compile(&mut names)),
        };
        let measures = group.measures.iter().map(input).collect();
        let conditions = group.measures.iter().filter_map(|measure| measure.condition.as_ref());
        let searches = filter.iter().chain(conditions).any(|condition| condition.searches);
        let ids = group.measures.iter().any(|measure| {
            let edge = matches!(measure.function, Function::First | Function::Last | Function::List);
            edge && measure.argument.is_some()
        });
        let times = ids || (group.per.is_some() && of_records);
        let lanes = false;
        Self {
            group,
            zone,
            names,
            filter: compiled,
            keys,
            measures,
            searches,
            bucket_column,
            times,
            ids,
            lanes,
        }
    }

    /// Whether a row passes what is filtered while grouping.
    pub(super) fn passes(&self, row: &impl predicate::Row) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(row))
    }

    /// How many measures there are.
    pub(super) fn measures(&self) -> usize {
        self.measures.len()
    }

    /// The function of a measure, and the field that it is over.
    pub(super) fn measure(&self, at: usize) -> (Function, Option<&str>) {
        let Some(measure) = self.group.measures.get(at) else { return (Function::Count, None) };
        let field = match &measure.argument {
            Some(Arith::Field(name)) => Some(name.as_str()),
            _ => None,
        };
        (measure.function, field)
    }

    /// Whether a measure looks at a row.
    pub(super) fn measure_passes(&self, at: usize, row: &impl predicate::Row) -> bool {
        let condition = self.measures.get(at).and_then(|input| input.condition.as_ref());
        condition.is_none_or(|condition| condition.matches(row))
    }

    /// Whether all times from `start` up to `end` lie in one bucket.
    pub(super) fn is_whole(&self, start: i64, end: i64) -> bool {
        let Some(per) = self.group.per else { return true };
        per.of(self.zone, start).is_some_and(|(from, until)| from <= start && end <= until)
    }

    /// The same, with or without work on columns as they are held.
    pub(super) fn with_lanes(self, lanes: bool) -> Self {
        Self { lanes, ..self }
    }

    /// Whether a group can be computed without the others: a share is of all of them.
    pub(super) fn cuts_groups(&self) -> bool {
        self.group.measures.iter().all(|measure| measure.function != Function::Share)
    }

    /// Whether some measure can be cut by values.
    pub(super) fn cuts_values(&self) -> bool {
        self.group.measures.iter().any(|measure| measure.function == Function::Distinct)
    }

    /// An empty result of one thread, for a pass that takes this slice.
    pub(super) fn state(&self, slice: &Slice) -> State {
        State {
            slice: slice.clone(),
            groups: KeyTable::default(),
            measures: self.group.measures.iter().map(|measure| Aggregate::new(measure, slice)).collect(),
            bucket: None,
            key: Vec::new(),
            last: (Vec::new(), None),
            rows: Vec::new(),
            places: Vec::new(),
            coded: Keys::new(self.keys.len()),
            tables: self.names.iter().map(|_| Tables::default()).collect(),
        }
    }

    /// The result as rows: time bucket, keys, measures; in no order.
    pub(super) fn finish(&self, mut state: State) -> Table {
        let mut free = false;
        // Without keys there is one group, also of no rows.
        if self.group.keys.is_empty() && self.group.per.is_none() && state.groups.len() == 0 {
            state.groups.number(&[]);
            state.measures.iter_mut().for_each(|measure| measure.grow(1));
            free = true;
        }
        let time = self.group.per.map(|_| "time".to_owned());
        let names = self.group.measures.iter().map(|measure| measure.name.clone());
        let columns: Vec<String> =
            time.into_iter().chain(self.group.keys.iter().cloned()).chain(names).collect();
        let mut rows = Vec::with_capacity(state.groups.len());
        for group in 0..state.groups.len() {
            let mut cells = Vec::with_capacity(columns.len());
            let mut rest = state.groups.key(group);
            while let Some(value) = take_key(&mut rest) {
                cells.push(Datum::of(value));
            }
            let measures = state.measures.iter_mut().zip(&self.group.measures);
            let seconds = self.length(cells.first());
            cells.extend(measures.map(|(states, measure)| match states.finish(group) {
                datum if measure.function == Function::Rate => rate(&datum, seconds),
                Datum::Missing if free && measure.nothing == Nothing::ZeroOfNoRows => Datum::Cost(0),
                datum => datum,
            }));
            rows.push(Row::computed(cells));
        }
        Table { columns, rows, natural: false }
    }
}

impl Grouping<'_> {
    /// Nanoseconds of the range that a row is about: of its bucket, as far as that lies in the range.
    fn length(&self, bucket: Option<&Datum>) -> Option<i64> {
        let range = self.group.range;
        let (from, until) = match (self.group.per, bucket) {
            (Some(per), Some(Datum::Time(start))) => {
                let (start, end) = per.of(self.zone, *start)?;
                (
                    range.from.map_or(start, |from| from.max(start)),
                    range.until.map_or(end, |until| until.min(end)),
                )
            }
            (Some(_), _) => return None,
            (None, _) => (range.from?, range.until?),
        };
        until.checked_sub(from)
    }
}

fn too_many() -> Error {
    Error::limit("the answer has more groups than can be counted".to_owned())
}

/// So many a second.
fn rate(of: &Datum, nanoseconds: Option<i64>) -> Datum {
    let nanos = combine(Operation::Multiply, of.value(), Some(Value::Int(1_000_000_000)));
    Datum::of(combine(Operation::Divide, nanos, nanoseconds.map(Value::Int)))
}

/// The groups that one thread has found so far.
pub(super) struct State {
    /// What it takes; the rest is of other passes.
    slice: Slice,
    groups: KeyTable,
    measures: Vec<Aggregate>,
    /// The bucket of the row before: times mostly come in order.
    bucket: Option<(i64, i64)>,
    key: Vec<u8>,
    /// The key of the row before, and its group: runs of the same key are common.
    last: (Vec<u8>, Option<u32>),
    rows: Vec<u32>,
    places: Vec<u32>,
    /// The keys of the batch where they are held as codes.
    coded: Keys,
    /// For each column, what is known of its dictionaries.
    tables: Vec<Tables>,
}

impl State {
    /// Takes the rows of a batch.
    pub(super) fn update(
        &mut self,
        grouping: &Grouping<'_>,
        columns: &Columns<'_>,
        budget: &Budget,
    ) -> Result<()> {
        let mut rows = std::mem::take(&mut self.rows);
        let mut places = std::mem::take(&mut self.places);
        rows.clear();
        places.clear();
        let before = self.groups.len();
        let mut added = 0;
        let all = 0..u32::try_from(columns.len()).unwrap_or(u32::MAX);
        match &grouping.filter {
            None => rows.extend(all),
            Some(filter) => rows.extend(all.filter(|row| filter.matches(&columns.row(*row as usize)))),
        }
        let mut one = None;
        if grouping.lanes && self.reads_coded(grouping, columns) {
            one = self.coded_groups(grouping, columns, &rows, &mut places, &mut added);
        } else {
            let group = |row: &u32| self.group_of(grouping, columns, *row as usize, &mut added);
            places.extend(rows.iter().map_while(group));
        }
        if places.len() < rows.len() {
            return Err(too_many());
        }
        if self.slice.cuts_groups() {
            let mut mine = places.iter().map(|group| *group != OTHER_PASS);
            rows.retain(|_| mine.next().unwrap_or(false));
            places.retain(|group| *group != OTHER_PASS);
            one = one.filter(|group| *group != OTHER_PASS);
        }
        self.grow(before, added, budget)?;
        let mut added = 0;
        let ids = if grouping.ids { columns.ids() } else { &[] };
        let batch = Rows { rows: &rows, groups: &places, one, times: columns.times, ids };
        for (measure, input) in self.measures.iter_mut().zip(&grouping.measures) {
            if !self.slice.is_first_of_values() && !measure.is_cut_by_values() {
                continue;
            }
            let tables = if grouping.lanes { self.tables.as_mut_slice() } else { &mut [] };
            match &input.condition {
                None => apply(measure, input, columns, &batch, tables),
                Some(condition) => {
                    let passes = |row: &u32| condition.matches(&columns.row(*row as usize));
                    let both = rows.iter().zip(&places).filter(|(row, _)| passes(row));
                    let (some, groups): (Vec<u32>, Vec<u32>) =
                        both.map(|(row, group)| (*row, *group)).unzip();
                    apply(measure, input, columns, &Rows { rows: &some, groups: &groups, ..batch }, tables);
                }
            }
            added += measure.grown();
        }
        (self.rows, self.places) = (rows, places);
        budget.charge(added)
    }

    /// Takes the cells of a rollup.
    pub(super) fn update_rolled(
        &mut self,
        grouping: &Grouping<'_>,
        cells: &Cells<'_>,
        budget: &Budget,
    ) -> Result<()> {
        let before = self.groups.len();
        let mut added = 0;
        // The groups of combinations in the bucket of the cell before.
        let mut known = vec![(0_u32, NO_GROUP); cells.passes.len()];
        let (mut stamp, mut bucket) = (0, None);
        let mut chosen = Vec::new();
        for cell in cells.rollup.cells().filter(|cell| cells.passes.get(cell.combo) == Some(&true)) {
            let start = grouping.group.per.and_then(|per| self.bucket(per, grouping.zone, cell.start));
            if stamp == 0 || bucket != start {
                (stamp, bucket) = (stamp + 1, start);
            }
            let group = match known.get(cell.combo) {
                Some((of, group)) if *of == stamp => *group,
                _ => {
                    let group = self.keyed_group(grouping, &cells.columns, cell.combo, start, &mut added);
                    let group = group.ok_or_else(too_many)?;
                    if let Some(slot) = known.get_mut(cell.combo) {
                        *slot = (stamp, group);
                    }
                    group
                }
            };
            if group != OTHER_PASS {
                chosen.push((group, cell));
            }
        }
        self.grow(before, added, budget)?;
        for (at, measure) in self.measures.iter_mut().enumerate() {
            if !self.slice.is_first_of_values() && !measure.is_cut_by_values() {
                continue;
            }
            for (group, cell) in &chosen {
                if let Some(counted) = cells.take(at, cell.combo, cell.records, cell.at) {
                    measure.update_counted(*group as usize, counted);
                }
            }
        }
        budget.charge(self.measures.iter_mut().map(Aggregate::grown).sum())
    }

    /// Makes room for the groups that came since there were `before`, whose keys take `added` bytes.
    fn grow(&mut self, before: usize, mut added: usize, budget: &Budget) -> Result<()> {
        let count = self.groups.len();
        if before < count {
            self.measures.iter_mut().for_each(|measure| measure.grow(count));
            added += (count - before) * (STATE_SIZE * self.measures.len() + 64);
        }
        budget.charge_groups(count - before, added)
    }

    /// Reads the keys of a batch as codes, where all of them are held so.
    fn reads_coded(&mut self, grouping: &Grouping<'_>, columns: &Columns<'_>) -> bool {
        let lanes = grouping.keys.iter().map(|at| columns.lane(*at));
        grouping.bucket_column.is_none() && self.coded.read(lanes, columns.len())
    }

    /// The groups of rows whose keys were read as codes, in runs of rows of one bucket; the one group that all
    /// of them are of, where that is known without looking.
    fn coded_groups(
        &mut self,
        grouping: &Grouping<'_>,
        columns: &Columns<'_>,
        rows: &[u32],
        places: &mut Vec<u32>,
        added: &mut usize,
    ) -> Option<u32> {
        *added += self.coded.grown();
        let mut left = rows;
        let mut runs = 0;
        while let Some(first) = left.first() {
            let mut len = left.len();
            let mut start = None;
            if let Some(per) = grouping.group.per {
                let time = |row: &u32| columns.times.get(*row as usize).copied();
                start = time(first).and_then(|time| self.bucket(per, grouping.zone, time));
                len = match (start, self.bucket) {
                    (Some(_), Some((start, end))) => {
                        let inside = |row: &u32| time(row).is_some_and(|time| (start..end).contains(&time));
                        left.iter().position(|row| !inside(row)).unwrap_or(len)
                    }
                    _ => 1,
                };
            }
            let (run, rest) = left.split_at(len);
            self.coded.enter(start);
            if grouping.keys.is_empty() {
                let group = self.coded_group(grouping, start, *first as usize, added)?;
                places.resize(places.len() + run.len(), group);
            } else {
                let from = places.len();
                places.extend(run.iter().map(|row| self.coded.known(*row as usize).unwrap_or(NO_GROUP)));
                let new = places.get_mut(from..).unwrap_or_default();
                for (group, &row) in new.iter_mut().zip(run).filter(|(group, _)| **group == NO_GROUP) {
                    *group = match self.coded.known(row as usize) {
                        Some(known) => known,
                        None => self.coded_group(grouping, start, row as usize, added)?,
                    };
                }
            }
            runs += 1;
            left = rest;
        }
        if runs == 1 && grouping.keys.is_empty() { places.first().copied() } else { None }
    }

    /// The group of a row that is not known yet.
    fn coded_group(
        &mut self,
        grouping: &Grouping<'_>,
        start: Option<i64>,
        row: usize,
        added: &mut usize,
    ) -> Option<u32> {
        self.key.clear();
        if grouping.group.per.is_some() {
            put_key(&mut self.key, start.map(Value::Time));
        }
        self.coded.put(&mut self.key, row);
        if !self.slice.has_group(&self.key) {
            self.coded.learn(row, OTHER_PASS);
            return Some(OTHER_PASS);
        }
        let before = self.groups.len();
        let group = self.groups.number(&self.key)?;
        if before < self.groups.len() {
            *added += self.key.len();
        }
        self.coded.learn(row, group);
        Some(group)
    }

    /// The group of a row; none where there are more than can be numbered.
    #[inline]
    fn group_of(
        &mut self,
        grouping: &Grouping<'_>,
        columns: &Columns<'_>,
        row: usize,
        added: &mut usize,
    ) -> Option<u32> {
        let mut start = None;
        if let Some(per) = grouping.group.per {
            let time = match grouping.bucket_column {
                None => columns.times.get(row).copied(),
                Some(at) => match columns.get(at).get(row).copied().flatten() {
                    Some(Value::Time(time)) => Some(time),
                    _ => None,
                },
            };
            start = time.and_then(|time| self.bucket(per, grouping.zone, time));
        }
        self.keyed_group(grouping, columns, row, start, added)
    }

    /// The group of a row in the bucket that starts at `start`.
    #[inline]
    fn keyed_group(
        &mut self,
        grouping: &Grouping<'_>,
        columns: &Columns<'_>,
        row: usize,
        start: Option<i64>,
        added: &mut usize,
    ) -> Option<u32> {
        self.key.clear();
        if grouping.group.per.is_some() {
            put_key(&mut self.key, start.map(Value::Time));
        }
        for at in &grouping.keys {
            put_key(&mut self.key, columns.get(*at).get(row).copied().flatten());
        }
        if let (key, Some(group)) = &self.last
            && *key == self.key
        {
            return Some(*group);
        }
        if !self.slice.has_group(&self.key) {
            self.last.0.clone_from(&self.key);
            self.last.1 = Some(OTHER_PASS);
            return self.last.1;
        }
        let before = self.groups.len();
        let group = self.groups.number(&self.key)?;
        if before < self.groups.len() {
            *added += self.key.len();
        }
        self.last.0.clone_from(&self.key);
        self.last.1 = Some(group);
        Some(group)
    }

    fn bucket(&mut self, per: Bucket, zone: &TimeZone, time: i64) -> Option<i64> {
        if let Some((start, end)) = self.bucket
            && (start..end).contains(&time)
        {
            return Some(start);
        }
        self.bucket = per.of(zone, time);
        self.bucket.map(|(start, _)| start)
    }

    /// Gets ready for the next slice of values of the same groups. Says how many bytes stay, about.
    pub(super) fn settle(&mut self) -> usize {
        self.measures.iter_mut().for_each(Aggregate::settle);
        let keys: usize = (0..self.groups.len()).map(|group| self.groups.key(group).len()).sum();
        keys + self.groups.len() * (STATE_SIZE * self.measures.len() + 64)
    }

    /// Takes in what another thread found.
    pub(super) fn merge(&mut self, other: Self) {
        let theirs = 0..other.groups.len();
        let map: Vec<u32> =
            theirs.map(|group| self.groups.number(other.groups.key(group)).unwrap_or(u32::MAX)).collect();
        let count = self.groups.len();
        for (measure, more) in self.measures.iter_mut().zip(other.measures) {
            measure.grow(count);
            measure.merge(more, &map);
        }
    }
}

/// Shows a measure what it looks at; `tables` are there where that may be integers and codes.
fn apply(
    measure: &mut Aggregate,
    input: &Input,
    columns: &Columns<'_>,
    rows: &Rows<'_>,
    tables: &mut [Tables],
) {
    let Some(argument) = &input.argument else { return measure.update(rows, None) };
    let Some(at) = argument.column() else {
        let values: Vec<Option<Value<'_>>> =
            (0..columns.len()).map(|row| argument.value(columns, row)).collect();
        return measure.update(rows, Some(&values));
    };
    if let Some(tables) = tables.get_mut(at) {
        if measure.takes_codes()
            && let Lane::Codes(codes, entries) = columns.lane(at)
        {
            return measure.update_codes(rows, &codes, entries);
        }
        if let Some((unit, ints)) = columns.whole(at, tables) {
            return measure.update_ints(rows, unit, &ints);
        }
    }
    measure.update(rows, Some(columns.get(at)));
}

/// Groups the rows of a table.
pub(super) fn table(table: &Table, group: &Group, zone: &TimeZone, budget: &Budget) -> Result<Table> {
    // A list of records has its times; rows that were grouped before have a column.
    let grouping = Grouping::new(group, &[], zone, table.place("time").is_none());
    let mut state = grouping.state(&Slice::first(Cut::WHOLE, &KeyHash::default()));
    let mut result = Ok(());
    table.chunks(&grouping.names, &mut |_, columns| {
        if result.is_ok() {
            result = state.update(&grouping, columns, budget);
        }
    });
    result?;
    Ok(grouping.finish(state))
}
