//! The noun `fields`: for every field its types, how many events have it, how many values it has, and examples.

use logq_engine::Value;
use logq_engine::compare::{put_key, to_text};
use logq_engine::{Batch, Part, RecordId, ScanStats};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use super::columns::Access;
use super::hash::KeyHash;
use super::table::{Row, Table, compile};
use super::{Budget, Input, ScanOutcome};
use crate::datum::Datum;
use crate::error::Result;
use crate::json;
use crate::plan::Condition;
use crate::source::FIELDS_COLUMNS;

/// Examples of each field.
const EXAMPLES: usize = 3;
/// Characters of an example.
const EXAMPLE_MAX: usize = 60;
/// Bytes that a value takes in a set, about.
const ENTRY_SIZE: usize = 48;

type At = (i64, RecordId);

/// What is known of one field.
#[derive(Default)]
struct Field {
    events: u64,
    types: BTreeSet<&'static str>,
    values: HashSet<Box<[u8]>, KeyHash>,
    /// The newest different values, newest first.
    examples: Vec<(At, String)>,
}

#[derive(Default)]
struct State {
    events: u64,
    fields: HashMap<Box<str>, Field, KeyHash>,
    key: Vec<u8>,
}

/// Reads the fields of all records that pass.
pub(super) fn scan(input: &Input<'_>, filter: &[Condition]) -> Result<(Table, ScanOutcome)> {
    let mut names = Vec::new();
    let compiled = compile(filter, &mut names);
    let access = Access::new(&names, input.plan.totals);
    let scan = input.scan(&access, true);
    let parts = input.snapshot.parts(&scan)?;
    let read = |state: &mut State, part: &Part<'_>| -> Result<ScanStats> {
        let mut result = Ok(());
        let stats = part.scan(&mut |batch| {
            let ids = access.ids(batch);
            let columns = access.columns(batch, &ids);
            for row in 0..batch.len() {
                if result.is_ok() && compiled.matches(&columns.row(row)) {
                    result = state.add(batch, row, input.budget);
                }
            }
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result?;
        Ok(stats)
    };
    let (states, outcome) = super::each_part(&parts, State::default, read)?;
    let mut all = State::default();
    states.into_iter().for_each(|state| all.merge(state));
    Ok((all.table(), outcome))
}

impl State {
    fn add(&mut self, batch: &Batch<'_>, row: usize, budget: &Budget) -> Result<()> {
        let at = (batch.time(row), batch.id(row));
        self.events += 1;
        let mut added = self.value("time", Value::Time(at.0), at);
        for (name, value) in batch.fields(row) {
            added += self.value(name, value, at);
        }
        if let Some(source) = batch.import(row) {
            added += self.value("_import", Value::Str(source), at);
        }
        budget.charge(added)
    }

    fn value(&mut self, name: &str, value: Value<'_>, at: At) -> usize {
        let mut added = 0;
        if !self.fields.contains_key(name) {
            added += name.len() + size_of::<Field>();
            self.fields.insert(name.into(), Field::default());
        }
        let Some(field) = self.fields.get_mut(name) else { return added };
        field.types.insert(type_name(value));
        if value == Value::Null {
            return added;
        }
        field.events += 1;
        self.key.clear();
        put_key(&mut self.key, Some(value));
        if !field.values.contains(self.key.as_slice()) {
            added += self.key.len() + ENTRY_SIZE;
            field.values.insert(self.key.as_slice().into());
        }
        if field.examples.len() < EXAMPLES || field.examples.last().is_some_and(|(oldest, _)| *oldest < at) {
            field.example(at, short(&to_text(value)));
        }
        added
    }

    fn merge(&mut self, other: Self) {
        self.events += other.events;
        for (name, more) in other.fields {
            let field = self.fields.entry(name).or_default();
            field.events += more.events;
            field.types.extend(more.types);
            field.values.extend(more.values);
            for (at, text) in more.examples {
                field.example(at, text);
            }
        }
    }

    fn table(self) -> Table {
        let events = self.events;
        let rows = self.fields.into_iter().map(|(name, field)| {
            let types: Vec<&str> = field.types.into_iter().collect();
            let mut examples = "[".to_owned();
            for (at, (_, text)) in field.examples.iter().enumerate() {
                examples.push_str(if at == 0 { "" } else { "," });
                json::string(&mut examples, text);
            }
            examples.push(']');
            Row::computed(vec![
                Datum::Str(name),
                Datum::Str(types.join(" ").into()),
                Datum::Int(i64::try_from(field.events).unwrap_or(i64::MAX)),
                Datum::Float(share(field.events, events)),
                Datum::Int(i64::try_from(field.values.len()).unwrap_or(i64::MAX)),
                Datum::Json(examples.into()),
            ])
        });
        let columns = FIELDS_COLUMNS.iter().map(|&name| name.to_owned()).collect();
        Table { columns, rows: rows.collect(), natural: false }
    }
}

impl Field {
    /// Takes an example if it is among the newest; a value stands only once, at its newest place.
    fn example(&mut self, at: At, text: String) {
        match self.examples.iter().position(|(_, have)| *have == text) {
            Some(have) if self.examples.get(have).is_some_and(|(its, _)| at <= *its) => return,
            Some(have) => {
                self.examples.remove(have);
            }
            None => {}
        }
        let place = self.examples.partition_point(|(its, _)| at < *its);
        self.examples.insert(place, (at, text));
        self.examples.truncate(EXAMPLES);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share is a float")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(EXAMPLE_MAX) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn type_name(value: Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) | Value::Number(_) => "float",
        Value::Str(_) => "string",
        Value::Bytes(_) => "bytes",
        Value::Json(_) => "json",
        Value::Time(_) => "time",
        Value::Duration(_) => "duration",
        Value::Cost(_) => "cost",
        Value::Level(_) => "level",
    }
}
