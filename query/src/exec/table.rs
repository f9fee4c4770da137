//! Table: rows that are held in memory, and the steps over them.

use logq_engine::predicate::Compiled;
use logq_engine::{Predicate, RecordId, Value};
use std::cmp::Ordering;
use std::collections::HashSet;

use logq_engine::compare::put_key;

use super::arith::Bound;
use super::columns::Columns;
use super::hash::KeyHash;
use crate::datum::Datum;
use crate::plan::{Arith, Condition, Direction, GAP, Limit, Sort};

/// Rows with named columns.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// Rows are records in the order of (time, writer, sequence).
    pub(super) natural: bool,
}

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) cells: Vec<Datum>,
    /// All fields of a record, where they were asked for.
    pub(super) fields: Vec<(Box<str>, Datum)>,
    /// Of a record, its place in the order of all records.
    pub(super) time: i64,
    pub(super) id: RecordId,
}

impl Row {
    /// A row that is no record.
    pub(super) fn computed(cells: Vec<Datum>) -> Self {
        Self { cells, fields: Vec::new(), time: 0, id: RecordId { writer: 0, sequence: 0 } }
    }

    /// Bytes that it holds, about.
    pub(super) fn size(&self) -> usize {
        let fields: usize = self.fields.iter().map(|(name, datum)| name.len() + 16 + datum.size()).sum();
        self.cells.iter().map(Datum::size).sum::<usize>() + fields + size_of::<Self>()
    }
}

/// Rows that are looked at together.
pub(super) const CHUNK: usize = 1024;

impl Table {
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|have| have == name)
    }

    fn cell(&self, row: &Row, place: Option<usize>) -> Datum {
        place.and_then(|at| row.cells.get(at)).cloned().unwrap_or_default()
    }

    /// Shows the rows in chunks of columns called `names`.
    pub(super) fn chunks(&self, names: &[String], visit: &mut dyn FnMut(usize, &Columns<'_>)) {
        let places: Vec<Option<usize>> = names.iter().map(|name| self.place(name)).collect();
        let times: Vec<i64> = self.rows.iter().map(|row| row.time).collect();
        let ids: Vec<RecordId> = self.rows.iter().map(|row| row.id).collect();
        for from in (0..self.rows.len()).step_by(CHUNK) {
            let until = self.rows.len().min(from + CHUNK);
            let (times, ids) =
                (times.get(from..until).unwrap_or_default(), ids.get(from..until).unwrap_or_default());
            visit(from, &Columns::of_table(self, &places, from, until, times, ids));
        }
    }

    pub(super) fn filter(&mut self, conditions: &[Condition]) {
        // A bare word looks into every column, so all of them are there.
        let mut names = self.columns.clone();
        let compiled = compile(conditions, &mut names);
        let mut keep = Vec::with_capacity(self.rows.len());
        self.chunks(&names, &mut |_, columns| {
            keep.extend((0..columns.len()).map(|row| compiled.matches(&columns.row(row))));
        });
        let mut keep = keep.into_iter();
        self.rows.retain(|_| keep.next().unwrap_or(false));
    }

    pub(super) fn sort(&mut self, sort: &Sort) {
        let keys = SortKeys::new(sort, &self.columns);
        self.natural = false;
        match sort.first {
            Some(first) if 0 < first && first < self.rows.len() / 2 => self.first(&keys, first),
            _ => self.rows.sort_by(|a, b| keys.order(a, b)),
        }
    }

    /// Keeps the first rows of an order, in that order, without sorting the others.
    fn first(&mut self, keys: &SortKeys, count: usize) {
        let mut places: Vec<usize> = (0..self.rows.len()).collect();
        // Equal rows stay in the order in which they are.
        let order = |a: &usize, b: &usize| match (self.rows.get(*a), self.rows.get(*b)) {
            (Some(one), Some(other)) => keys.order(one, other).then(a.cmp(b)),
            _ => Ordering::Equal,
        };
        places.select_nth_unstable_by(count, order);
        places.truncate(count);
        places.sort_by(order);
        let take =
            |at: &usize| self.rows.get_mut(*at).map(|row| std::mem::replace(row, Row::computed(Vec::new())));
        self.rows = places.iter().filter_map(take).collect();
    }

    /// Cuts; true where there was more.
    pub(super) fn limit(&mut self, limit: Limit) -> bool {
        let more = limit.count < self.rows.len();
        if self.natural {
            self.rows.drain(..self.rows.len().saturating_sub(limit.count));
        } else {
            self.rows.truncate(limit.count);
        }
        more
    }

    pub(super) fn keep(&mut self, names: &[String]) {
        let places: Vec<Option<usize>> = names.iter().map(|name| self.place(name)).collect();
        let mut rows = std::mem::take(&mut self.rows);
        for row in &mut rows {
            row.cells = places.iter().map(|place| self.cell(row, *place)).collect();
            row.fields.clear();
        }
        self.rows = rows;
        self.columns = names.to_vec();
    }

    pub(super) fn drop_columns(&mut self, names: &[String]) {
        let stay: Vec<String> = self.columns.iter().filter(|have| !names.contains(have)).cloned().collect();
        let mut rows = std::mem::take(&mut self.rows);
        let places: Vec<Option<usize>> = stay.iter().map(|name| self.place(name)).collect();
        for row in &mut rows {
            row.cells = places.iter().map(|place| self.cell(row, *place)).collect();
            row.fields.retain(|(name, _)| !names.iter().any(|gone| **gone == **name));
        }
        self.rows = rows;
        self.columns = stay;
    }

    pub(super) fn rename(&mut self, pairs: &[(String, String)]) {
        for (from, to) in pairs {
            if from == to {
                continue;
            }
            self.drop_columns(std::slice::from_ref(to));
            for name in self.columns.iter_mut().filter(|name| *name == from) {
                name.clone_from(to);
            }
            for (name, _) in
                self.rows.iter_mut().flat_map(|row| &mut row.fields).filter(|(name, _)| **name == **from)
            {
                *name = to.as_str().into();
            }
        }
    }

    /// Of rows with the same values in these columns the newest stays; of computed rows the first.
    pub(super) fn dedup(&mut self, names: &[String]) {
        let places: Vec<Option<usize>> = names.iter().map(|name| self.place(name)).collect();
        let mut newest: Vec<usize> = (0..self.rows.len()).collect();
        newest.sort_by_key(|at| self.rows.get(*at).map(|row| std::cmp::Reverse((row.time, row.id))));
        let mut seen: HashSet<Vec<u8>, KeyHash> = HashSet::default();
        let mut keep = vec![false; self.rows.len()];
        for at in newest {
            let Some(row) = self.rows.get(at) else { continue };
            let mut key = Vec::new();
            for place in &places {
                put_key(&mut key, place.and_then(|at| row.cells.get(at)?.value()));
            }
            if let Some(keep) = keep.get_mut(at) {
                *keep = seen.insert(key);
            }
        }
        let mut keep = keep.into_iter();
        self.rows.retain(|_| keep.next().unwrap_or(false));
    }

    pub(super) fn set(&mut self, name: &str, value: &Arith) {
        let mut names = Vec::new();
        let bound = Bound::new(value, &mut names);
        let mut results: Vec<Datum> = Vec::with_capacity(self.rows.len());
        self.chunks(&names, &mut |_, columns| {
            results.extend((0..columns.len()).map(|row| Datum::of(bound.value(columns, row))));
        });
        self.put(name, results);
    }

    /// The time from each row to the next one, on the later of the two.
    pub(super) fn gap(&mut self) {
        let place = self.place("time");
        let mut before = None;
        let gap = |row: &Row| {
            let time = match place.and_then(|at| row.cells.get(at)) {
                Some(Datum::Time(time)) => Some(*time),
                _ => None,
            };
            let gap = time.zip(before).and_then(|(time, before): (i64, i64)| time.checked_sub(before));
            before = time.or(before);
            gap.map_or(Datum::Missing, Datum::Duration)
        };
        let gaps = self.rows.iter().map(gap).collect();
        self.put(GAP, gaps);
    }

    /// Gives every row a value of a column, which is added where it is missing.
    pub(super) fn put(&mut self, name: &str, results: Vec<Datum>) {
        let place = self.place(name);
        if place.is_none() {
            self.columns.push(name.to_owned());
        }
        for (row, result) in self.rows.iter_mut().zip(results) {
            if !row.fields.is_empty() {
                row.fields.retain(|(have, _)| **have != *name);
                row.fields.push((name.into(), result.clone()));
            }
            match place.and_then(|at| row.cells.get_mut(at)) {
                Some(cell) => *cell = result,
                None => row.cells.push(result),
            }
        }
    }
}

/// All of the conditions as one predicate over `names`.
pub(super) fn compile(conditions: &[Condition], names: &mut Vec<String>) -> Compiled {
    Predicate::And(conditions.iter().map(|condition| condition.predicate.clone()).collect()).compile(names)
}

/// The keys of a sort as places of columns.
pub(super) struct SortKeys {
    keys: Vec<(usize, bool)>,
}

impl SortKeys {
    pub(super) fn new(sort: &Sort, columns: &[String]) -> Self {
        let place = |name: &String| columns.iter().position(|have| have == name);
        let key = |(name, direction): &(String, Direction)| {
            Some((place(name)?, *direction == Direction::Descending))
        };
        Self { keys: sort.keys.iter().filter_map(key).collect() }
    }

    /// Whether a record stands before `worst`, the last row of those that are wanted.
    pub(super) fn before(&self, columns: &Columns<'_>, row: usize, at: (i64, RecordId), worst: &Row) -> bool {
        for (place, descending) in &self.keys {
            let Some(theirs) = worst.cells.get(*place) else { continue };
            let order = order_values(columns.get(*place).get(row).copied().flatten(), theirs, *descending);
            if order != Ordering::Equal {
                return order == Ordering::Less;
            }
        }
        at < (worst.time, worst.id)
    }

    /// By the keys, then by (time, writer, sequence).
    pub(super) fn order(&self, a: &Row, b: &Row) -> Ordering {
        for (at, descending) in &self.keys {
            if let (Some(a), Some(b)) = (a.cells.get(*at), b.cells.get(*at)) {
                let order = a.order(b, *descending);
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
        (a.time, a.id).cmp(&(b.time, b.id))
    }
}

/// As [`Datum::order`], without copying the first value.
fn order_values(value: Option<Value<'_>>, other: &Datum, descending: bool) -> Ordering {
    match (value, other) {
        (Some(Value::Int(a)), Datum::Int(b)) if descending => b.cmp(&a),
        (Some(Value::Int(a)), Datum::Int(b)) => a.cmp(b),
        _ => Datum::of(value).order(other, descending),
    }
}
