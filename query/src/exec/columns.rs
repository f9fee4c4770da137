//! Columns: the values of a batch by name, also those that the scan does not have: `_id`, `_pattern` and the computed
//! `total_tokens`.

use logq_engine::predicate::Row;
use logq_engine::text;
use logq_engine::{Batch, Lane, RecordId, Value};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::arith;
use super::lane::{self, Tables, Whole};
use super::table::Table;
use crate::plan::Operation;
use crate::source;

/// Where a named column comes from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// A column of the scan.
    Scan(usize),
    /// `_id`
    Id,
    /// What an event says: its message, else its error; columns of the scan.
    Text([usize; 2]),
    /// The template of that.
    Pattern([usize; 2]),
    /// Prompt and response tokens together, else the event's own total; columns of the scan.
    Total([usize; 3]),
}

/// How the columns that a step names come out of a scan.
#[derive(Clone, Debug)]
pub(super) struct Access {
    origins: Vec<Origin>,
    /// What to ask the scan for.
    pub(super) scanned: Vec<String>,
}

impl Access {
    /// Access to `names`, in their order.
    pub(super) fn new(names: &[String], totals: bool) -> Self {
        let mut scanned: Vec<String> = Vec::new();
        let mut find = |name: &str| match scanned.iter().position(|have| have == name) {
            Some(at) => at,
            None => {
                scanned.push(name.to_owned());
                scanned.len() - 1
            }
        };
        let origins = names
            .iter()
            .map(|name| match name.as_str() {
                "_id" => Origin::Id,
                source::TEXT => Origin::Text(source::TEXTS.map(&mut find)),
                source::PATTERN => Origin::Pattern(source::TEXTS.map(&mut find)),
                "total_tokens" if totals => {
                    Origin::Total(["prompt_tokens", "response_tokens", "total_tokens"].map(&mut find))
                }
                name => Origin::Scan(find(name)),
            })
            .collect();
        Self { origins, scanned }
    }

    /// Whether a column shows ids.
    pub(super) fn shows_ids(&self) -> bool {
        self.origins.iter().any(|origin| matches!(origin, Origin::Id))
    }

    /// What the columns of a batch need that is not in it.
    pub(super) fn made(&self, batch: &Batch<'_>) -> Made {
        let mut made = Made::default();
        for origin in &self.origins {
            match origin {
                Origin::Id if made.ids.is_empty() => {
                    made.ids = batch.ids().iter().map(ToString::to_string).collect();
                }
                Origin::Pattern(at) if made.patterns.is_empty() => made.patterns = patterns(batch, at),
                _ => {}
            }
        }
        made
    }

    /// The columns of a batch. Values are decoded when they are asked for.
    pub(super) fn columns<'b>(&self, batch: &'b Batch<'_>, made: &'b Made) -> Columns<'b> {
        let columns = self.origins.iter().map(|origin| match *origin {
            Origin::Scan(at) => Column::Scan(batch, at),
            Origin::Id => Column::Owned(made.ids.iter().map(|id| Some(Value::Str(id))).collect()),
            Origin::Text([message, error]) => {
                let both = batch.column(message).iter().zip(batch.column(error));
                Column::Owned(both.map(|(message, error)| said(*message).or(said(*error))).collect())
            }
            Origin::Pattern(_) => Column::Owned(
                made.patterns.iter().map(|pattern| pattern.as_deref().map(Value::Str)).collect(),
            ),
            Origin::Total(parts) => Column::Total(batch, parts, OnceCell::new()),
        });
        Columns {
            columns: columns.collect(),
            len: batch.len(),
            times: batch.times(),
            ids: Ids::Batch(batch),
            strings: Strings::Batch(batch),
        }
    }
}

/// What columns are made of that neither the scan nor the store has.
#[derive(Default)]
pub(super) struct Made {
    /// The ids of the rows as text.
    ids: Vec<String>,
    /// The templates of their messages.
    patterns: Vec<Option<Rc<str>>>,
}

/// The templates of what the rows say.
fn patterns(batch: &Batch<'_>, [message, error]: &[usize; 2]) -> Vec<Option<Rc<str>>> {
    let mut patterns = templates(batch, *message);
    if patterns.contains(&None) {
        let missing = patterns.iter_mut().zip(templates(batch, *error));
        missing.filter(|(have, _)| have.is_none()).for_each(|(have, other)| *have = other);
    }
    patterns
}

/// The template of each text of a column. What a dictionary has once is looked at once.
fn templates(batch: &Batch<'_>, at: usize) -> Vec<Option<Rc<str>>> {
    let of = |value: Option<Value<'_>>| match said(value) {
        Some(Value::Str(text)) => Some(Rc::from(text::template(text))),
        Some(Value::Bytes(bytes)) => Some(Rc::from(text::template(&String::from_utf8_lossy(bytes)))),
        _ => None,
    };
    match batch.lane(at) {
        Lane::Codes(codes, entries) => {
            let mut known: HashMap<u32, Option<Rc<str>>> = HashMap::new();
            let mut one = |code: u32| known.entry(code).or_insert_with(|| of(entries.get(code))).clone();
            codes.iter().map(|code| one(*code)).collect()
        }
        Lane::Constant(value) => vec![of(value); batch.len()],
        _ => batch.column(at).iter().map(|value| of(*value)).collect(),
    }
}

/// A value that says something: a text.
fn said(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| matches!(value, Value::Str(_) | Value::Bytes(_)))
}

/// Prompt and response, where one of them is a number; else the event's own total.
fn total_tokens(
    prompt: Option<Value<'_>>,
    response: Option<Value<'_>>,
    total: Option<Value<'_>>,
) -> Option<Value<'static>> {
    match (prompt, response) {
        (Some(Value::Int(prompt)), Some(Value::Int(response))) => match prompt.checked_add(response) {
            Some(sum) => Some(Value::Int(sum)),
            None => arith::combine(Operation::Add, Some(Value::Int(prompt)), Some(Value::Int(response))),
        },
        _ => {
            let number =
                |value: Option<Value<'_>>| arith::combine(Operation::Add, value, Some(Value::Int(0)));
            match (number(prompt), number(response)) {
                (None, None) => number(total),
                (one, None) | (None, one) => one,
                (one, other) => arith::combine(Operation::Add, one, other),
            }
        }
    }
}

enum Column<'b> {
    /// A column of the scan.
    Scan(&'b dyn Scanned, usize),
    Owned(Vec<Option<Value<'b>>>),
    /// The columns of the scan that `total_tokens` is computed from, and what it is.
    Total(&'b dyn Scanned, [usize; 3], OnceCell<Vec<Option<Value<'static>>>>),
}

/// Where the searched strings of a row are.
enum Strings<'b> {
    Batch(&'b dyn Scanned),
    /// The columns themselves.
    Columns,
}

enum Ids<'b> {
    Batch(&'b dyn Scanned),
    List(&'b [RecordId]),
}

/// A batch, whatever it borrows from.
trait Scanned {
    fn column(&self, at: usize) -> &[Option<Value<'_>>];
    fn lane(&self, at: usize) -> Lane<'_>;
    fn ids(&self) -> &[RecordId];
    /// Whether `test` says yes to some string that the user gave.
    fn any_text(&self, row: usize, test: &mut dyn FnMut(&str) -> bool) -> bool;
}

impl Scanned for Batch<'_> {
    fn column(&self, at: usize) -> &[Option<Value<'_>>] {
        Batch::column(self, at)
    }

    fn lane(&self, at: usize) -> Lane<'_> {
        Batch::lane(self, at)
    }

    fn ids(&self) -> &[RecordId] {
        Batch::ids(self)
    }

    fn any_text(&self, row: usize, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.fields(row).any(|(name, value)| is_searched(name) && text::strings(value, test))
    }
}

/// Some rows by column.
pub(super) struct Columns<'b> {
    columns: Vec<Column<'b>>,
    len: usize,
    /// The times of the rows, where the scan has them.
    pub(super) times: &'b [i64],
    ids: Ids<'b>,
    strings: Strings<'b>,
}

impl<'b> Columns<'b> {
    /// Rows `from..until` of a table; `places` says where each column is there.
    pub(super) fn of_table(
        table: &'b Table,
        places: &[Option<usize>],
        from: usize,
        until: usize,
        times: &'b [i64],
        ids: &'b [RecordId],
    ) -> Self {
        let rows = table.rows.get(from..until).unwrap_or_default();
        let column = |place: &Option<usize>| {
            Column::Owned(rows.iter().map(|row| place.and_then(|at| row.cells.get(at)?.value())).collect())
        };
        Self {
            columns: places.iter().map(column).collect(),
            len: times.len(),
            times,
            ids: Ids::List(ids),
            strings: Strings::Columns,
        }
    }

    /// Columns of these values, `len` rows each, of no record.
    pub(super) fn of_values(columns: Vec<Vec<Option<Value<'b>>>>, len: usize) -> Self {
        Self {
            columns: columns.into_iter().map(Column::Owned).collect(),
            len,
            times: &[],
            ids: Ids::List(&[]),
            strings: Strings::Columns,
        }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The ids of the rows, where the scan has them.
    pub(super) fn ids(&self) -> &[RecordId] {
        match self.ids {
            Ids::Batch(batch) => batch.ids(),
            Ids::List(ids) => ids,
        }
    }

    /// A column by its place among the names.
    pub(super) fn get(&self, at: usize) -> &[Option<Value<'_>>] {
        match self.columns.get(at) {
            Some(Column::Scan(batch, at)) => batch.column(*at),
            Some(Column::Owned(column)) => column,
            Some(Column::Total(batch, parts, made)) => made.get_or_init(|| {
                let [prompt, response, total] = parts.map(|at| batch.column(at));
                let rows = prompt.iter().zip(response).zip(total);
                rows.map(|((prompt, response), total)| total_tokens(*prompt, *response, *total)).collect()
            }),
            None => &[],
        }
    }

    /// A column as it is held; values where that is nothing simpler.
    pub(super) fn lane(&self, at: usize) -> Lane<'_> {
        match self.columns.get(at) {
            Some(Column::Scan(batch, at)) => batch.lane(*at),
            _ => Lane::Values(self.get(at)),
        }
    }

    /// A column as integers, where it is held so.
    pub(super) fn whole<'w>(&'w self, at: usize, tables: &'w mut Tables) -> Option<Whole<'w>> {
        match self.columns.get(at) {
            Some(Column::Scan(batch, at)) => {
                let [table, ..] = tables;
                table.whole(batch.lane(*at), self.len)
            }
            Some(Column::Total(batch, parts, _)) => {
                lane::total(parts.map(|at| batch.lane(at)), tables, self.len)
            }
            _ => None,
        }
    }

    /// One row, for a predicate.
    pub(super) fn row(&self, row: usize) -> At<'_, 'b> {
        At { columns: self, row }
    }
}

/// One row of some columns.
pub(super) struct At<'r, 'b> {
    columns: &'r Columns<'b>,
    row: usize,
}

impl Row for At<'_, '_> {
    fn value(&self, slot: usize) -> Option<Value<'_>> {
        self.columns.get(slot).get(self.row).copied().flatten()
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        match &self.columns.strings {
            Strings::Batch(batch) => batch.any_text(self.row, test),
            Strings::Columns => {
                let mut values = (0..self.columns.columns.len()).filter_map(|at| self.value(at));
                values.any(|value| text::strings(value, test))
            }
        }
    }
}

/// The nearest float.
#[expect(clippy::cast_precision_loss, reason = "the nearest float is what is asked for")]
pub(super) fn to_float(int: i64) -> f64 {
    int as f64
}

/// Whether a bare word looks into this field: the same ones as in a scan.
fn is_searched(name: &str) -> bool {
    !matches!(name, "level" | "kind" | "status") && (!name.starts_with('_') || name.starts_with("__"))
}
