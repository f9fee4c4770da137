//! Columns: the values of a batch by name, also those that the scan does not have: `_id` and the computed
//! `total_tokens`.

use logq_engine::predicate::Row;
use logq_engine::text;
use logq_engine::{Batch, RecordId, Value};

use super::arith;
use super::table::Table;
use crate::plan::Operation;

/// Where a named column comes from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// A column of the scan.
    Scan(usize),
    /// `_id`
    Id,
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
                "total_tokens" if totals => {
                    Origin::Total(["prompt_tokens", "response_tokens", "total_tokens"].map(&mut find))
                }
                name => Origin::Scan(find(name)),
            })
            .collect();
        Self { origins, scanned }
    }

    /// The ids of a batch as text, where a column shows them.
    pub(super) fn ids(&self, batch: &Batch<'_>) -> Vec<String> {
        if self.origins.iter().any(|origin| matches!(origin, Origin::Id)) {
            batch.ids().iter().map(ToString::to_string).collect()
        } else {
            Vec::new()
        }
    }

    /// The columns of a batch.
    pub(super) fn columns<'b>(&self, batch: &'b Batch<'_>, ids: &'b [String]) -> Columns<'b> {
        let columns = self.origins.iter().map(|origin| match *origin {
            Origin::Scan(at) => Column::Borrowed(batch.column(at)),
            Origin::Id => Column::Owned(ids.iter().map(|id| Some(Value::Str(id))).collect()),
            Origin::Total([prompt, response, total]) => {
                let [prompt, response, total] = [prompt, response, total].map(|at| batch.column(at));
                let rows = prompt.iter().zip(response).zip(total);
                Column::Owned(
                    rows.map(|((prompt, response), total)| total_tokens(*prompt, *response, *total))
                        .collect(),
                )
            }
        });
        Columns {
            columns: columns.collect(),
            times: batch.times(),
            ids: batch.ids(),
            strings: Strings::Batch(batch),
        }
    }
}

/// Prompt and response, where one of them is a number; else the event's own total.
fn total_tokens<'v>(
    prompt: Option<Value<'v>>,
    response: Option<Value<'v>>,
    total: Option<Value<'v>>,
) -> Option<Value<'v>> {
    match (prompt, response) {
        (Some(Value::Int(prompt)), Some(Value::Int(response))) => match prompt.checked_add(response) {
            Some(sum) => Some(Value::Int(sum)),
            None => arith::combine(Operation::Add, Some(Value::Int(prompt)), Some(Value::Int(response))),
        },
        _ => {
            let number =
                |value: Option<Value<'v>>| arith::combine(Operation::Add, value, Some(Value::Int(0)));
            match (number(prompt), number(response)) {
                (None, None) => number(total),
                (one, None) | (None, one) => one,
                (one, other) => arith::combine(Operation::Add, one, other),
            }
        }
    }
}

enum Column<'b> {
    Borrowed(&'b [Option<Value<'b>>]),
    Owned(Vec<Option<Value<'b>>>),
}

/// Where the searched strings of a row are.
enum Strings<'b> {
    Batch(&'b dyn SearchedRows),
    /// The columns themselves.
    Columns,
}

/// Rows whose strings can be searched.
trait SearchedRows {
    /// Whether `test` says yes to some string that the user gave.
    fn any_text(&self, row: usize, test: &mut dyn FnMut(&str) -> bool) -> bool;
}

impl SearchedRows for Batch<'_> {
    fn any_text(&self, row: usize, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.fields(row).any(|(name, value)| is_searched(name) && text::strings(value, test))
    }
}

/// Some rows by column.
pub(super) struct Columns<'b> {
    columns: Vec<Column<'b>>,
    pub(super) times: &'b [i64],
    pub(super) ids: &'b [RecordId],
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
        Self { columns: places.iter().map(column).collect(), times, ids, strings: Strings::Columns }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// A column by its place among the names.
    pub(super) fn get(&self, at: usize) -> &[Option<Value<'b>>] {
        match self.columns.get(at) {
            Some(Column::Borrowed(column)) => column,
            Some(Column::Owned(column)) => column,
            None => &[],
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

/// Whether a bare word looks into this field: the same ones as in a scan.
fn is_searched(name: &str) -> bool {
    !matches!(name, "level" | "kind" | "status") && (!name.starts_with('_') || name.starts_with("__"))
}
