//! The noun `fields`: for every field its types, how many events have it, how many values it has, and examples.

use logq_engine::Value;
use logq_engine::compare::{put_key, to_text};
use logq_engine::{Batch, Part, RecordId, ScanStats};
use std::collections::HashMap;
use std::ops::ControlFlow;

use super::columns::Access;
use super::hash::{KeyHash, KeyTable};
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
    /// A bit for each of [`TYPES`].
    types: u16,
    values: KeyTable,
    /// The newest different values, newest first.
    examples: Vec<Example>,
}

/// A value and where it was seen last.
struct Example {
    at: At,
    key: Box<[u8]>,
    text: String,
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
            let made = access.made(batch);
            let columns = access.columns(batch, &made);
            // From the newest on, so that examples seldom give way to newer ones.
            let mut rows: Vec<usize> = (0..batch.len()).collect();
            rows.sort_unstable_by_key(|row| std::cmp::Reverse((batch.time(*row), batch.id(*row))));
            for row in rows {
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
        field.types |= 1 << type_of(value);
        if value == Value::Null {
            return added;
        }
        field.events += 1;
        self.key.clear();
        put_key(&mut self.key, Some(value));
        let before = field.values.len();
        if field.values.number(&self.key).is_some() && before < field.values.len() {
            added += self.key.len() + ENTRY_SIZE;
        }
        if field.wants(at, &self.key) {
            field.example(Example { at, key: self.key.as_slice().into(), text: short(&to_text(value)) });
        }
        added
    }

    fn merge(&mut self, other: Self) {
        self.events += other.events;
        for (name, more) in other.fields {
            let field = self.fields.entry(name).or_default();
            field.events += more.events;
            field.types |= more.types;
            for number in 0..more.values.len() {
                field.values.number(more.values.key(number));
            }
            for example in more.examples {
                field.example(example);
            }
        }
    }

    fn table(self) -> Table {
        let events = self.events;
        let rows = self.fields.into_iter().map(|(name, field)| {
            let types = (0..).zip(TYPES).filter(|(bit, _)| field.types >> bit & 1 == 1);
            let types: Vec<&str> = types.map(|(_, name)| name).collect();
            let mut examples = "[".to_owned();
            for (at, example) in field.examples.iter().enumerate() {
                examples.push_str(if at == 0 { "" } else { "," });
                json::string(&mut examples, &example.text);
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
    /// Whether a value seen here would change the examples.
    fn wants(&self, at: At, key: &[u8]) -> bool {
        match self.examples.iter().find(|have| *have.key == *key) {
            Some(have) => have.at < at,
            None => {
                self.examples.len() < EXAMPLES || self.examples.last().is_some_and(|oldest| oldest.at < at)
            }
        }
    }

    /// Takes an example if it is among the newest; a value stands only once, at its newest place.
    fn example(&mut self, example: Example) {
        if !self.wants(example.at, &example.key) {
            return;
        }
        self.examples.retain(|have| have.key != example.key);
        let place = self.examples.partition_point(|have| example.at < have.at);
        self.examples.insert(place, example);
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

/// The names of types, sorted.
const TYPES: [&str; 11] =
    ["bool", "bytes", "cost", "duration", "float", "int", "json", "level", "null", "string", "time"];

/// The place of a value's type among [`TYPES`].
fn type_of(value: Value<'_>) -> u16 {
    match value {
        Value::Bool(_) => 0,
        Value::Bytes(_) => 1,
        Value::Cost(_) => 2,
        Value::Duration(_) => 3,
        Value::Float(_) | Value::Number(_) => 4,
        Value::Int(_) => 5,
        Value::Json(_) => 6,
        Value::Level(_) => 7,
        Value::Null => 8,
        Value::Str(_) => 9,
        Value::Time(_) => 10,
    }
}
