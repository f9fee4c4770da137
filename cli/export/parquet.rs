//! Parquet: rows become columns of a group in memory, and a full group goes to the file.
//!
//! A group is bounded in rows and in bytes, so that memory is too. Whole events have the columns of [`EVENT`], whatever they
//! hold, so that files of different days and machines fit each other; a value that is not of its column's type, and every other
//! field, is in the last column, `fields`, as one JSON object: nothing is lost and nothing is rounded. Rows of other queries have the
//! columns that the query gives.

use std::collections::HashMap;
use std::sync::Arc;

use logq_query::{Answer, Datum, Row, json};
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::columns::{EVENT, Kind, fits};
use super::out::{self, Out};
use super::{Way, shown};
use crate::exit::{Failure, Outcome};

/// Rows of a group, at most: few enough for memory, and enough that a column compresses.
const GROUP_ROWS: usize = 65_536;
/// Bytes that the values of a group may take before it is written.
const GROUP_SIZE: usize = 32 << 20;

/// A Parquet file that is being written.
pub(super) struct Groups {
    writer: SerializedFileWriter<Out>,
    buffers: Vec<Buffer>,
    /// Of whole events, the column of a field.
    known: HashMap<&'static str, usize>,
    full: bool,
    internal: bool,
    rows: usize,
    size: usize,
    /// What messages call the file.
    name: String,
}

/// The values of one column of a group.
struct Buffer {
    kind: Kind,
    values: Values,
    /// For each row, 1 where there is a value.
    present: Vec<i16>,
}

enum Values {
    Text(Vec<ByteArray>),
    Int(Vec<i64>),
    Float(Vec<f64>),
    Bool(Vec<bool>),
}

/// A value as a column takes it.
enum Cell<'d> {
    Text(&'d str),
    Json(String),
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl Groups {
    pub(super) fn new(way: &Way, out: Out) -> Outcome<Self> {
        let full = way.columns.full;
        let columns: Vec<(&str, Kind)> = match full {
            true => EVENT.into_iter().chain([("fields", Kind::Json)]).collect(),
            false => way.columns.list.iter().map(|column| (column.name.as_str(), column.kind())).collect(),
        };
        let fields = columns.iter().map(|(name, kind)| Ok(Arc::new(leaf(name, *kind)?)));
        let fields = fields.collect::<Result<Vec<_>, ParquetError>>().map_err(|error| refused(&error))?;
        let schema = Type::group_type_builder("logq").with_fields(fields).build();
        let schema = Arc::new(schema.map_err(|error| refused(&error))?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("logq ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let name = out.name().to_owned();
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties));
        Ok(Self {
            writer: writer.map_err(|error| refused(&error))?,
            buffers: columns.iter().map(|(_, kind)| Buffer::new(*kind)).collect(),
            known: EVENT.into_iter().zip(0..).map(|((name, _), at)| (name, at)).collect(),
            full,
            internal: way.internal,
            rows: 0,
            size: 0,
            name,
        })
    }

    /// Takes a row.
    pub(super) fn row(&mut self, answer: &Answer, row: &Row) -> Outcome<()> {
        if self.full && answer.full {
            self.event(row);
        } else {
            self.cells(row)?;
        }
        self.rows += 1;
        for buffer in &mut self.buffers {
            buffer.present.resize(self.rows, 0);
        }
        if GROUP_ROWS <= self.rows || GROUP_SIZE <= self.size { self.flush() } else { Ok(()) }
    }

    fn event(&mut self, row: &Row) {
        let mut rest: Vec<(&str, &Datum)> = Vec::new();
        for (name, datum) in &row.fields {
            let known = self.known.get(&**name).and_then(|at| self.buffers.get_mut(*at));
            let taken = known.and_then(|buffer| buffer.put(datum));
            match (taken, shown(name, self.internal)) {
                (Some(size), _) => self.size += size,
                (None, Some(name)) => rest.push((name, datum)),
                (None, None) => {}
            }
        }
        if let (false, Some(fields)) = (rest.is_empty(), self.buffers.last_mut()) {
            let mut text = String::new();
            json::object(&mut text, rest);
            self.size += fields.push(Cell::Json(text));
        }
    }

    fn cells(&mut self, row: &Row) -> Outcome<()> {
        for (buffer, datum) in self.buffers.iter_mut().zip(&row.cells) {
            match buffer.put(datum) {
                Some(size) => self.size += size,
                None if datum.is_missing() => {}
                None => {
                    return Err(Failure::broken("the rows changed their types while they were exported")
                        .help("run the command again"));
                }
            }
        }
        Ok(())
    }

    /// Writes the group, if it has rows.
    fn flush(&mut self) -> Outcome<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let done = write_group(&mut self.writer, &mut self.buffers);
        (self.rows, self.size) = (0, 0);
        done.map_err(|error| failed(&self.name, error))
    }

    /// Writes the last group and what stands behind the groups; the file's bytes.
    pub(super) fn finish(mut self) -> Outcome<u64> {
        self.flush()?;
        self.writer.into_inner().map_err(|error| failed(&self.name, error))?.finish()
    }
}

/// Why a file could not be written: mostly what the disk said.
fn failed(name: &str, error: ParquetError) -> Failure {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(error) => out::failed(name, *error),
            Err(other) => Failure::broken(format!("cannot write parquet: {other}")),
        },
        other => refused(&other),
    }
}

fn refused(error: &ParquetError) -> Failure {
    Failure::broken(format!("cannot write parquet: {error}"))
}

fn write_group(writer: &mut SerializedFileWriter<Out>, buffers: &mut [Buffer]) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for buffer in buffers {
        if let Some(mut column) = group.next_column()? {
            buffer.write(&mut column)?;
            column.close()?;
        }
        buffer.clear();
    }
    group.close()?;
    Ok(())
}

/// A column of the schema. Every column may be NULL.
fn leaf(name: &str, kind: Kind) -> Result<Type, ParquetError> {
    let (physical, logical) = match kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Json => (Physical::BYTE_ARRAY, Some(LogicalType::Json)),
        Kind::Int => (Physical::INT64, None),
        Kind::Float => (Physical::DOUBLE, None),
        Kind::Bool => (Physical::BOOLEAN, None),
        Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::NANOS))),
        Kind::Millis => (Physical::INT64, Some(LogicalType::decimal(6, 18))),
        Kind::Dollars => (Physical::INT64, Some(LogicalType::decimal(9, 18))),
    };
    let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    let builder = match kind {
        Kind::Millis => builder.with_precision(18).with_scale(6),
        Kind::Dollars => builder.with_precision(18).with_scale(9),
        _ => builder,
    };
    builder.with_logical_type(logical).build()
}

impl Buffer {
    fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Text | Kind::Json => Values::Text(Vec::new()),
            Kind::Int | Kind::Time | Kind::Millis | Kind::Dollars => Values::Int(Vec::new()),
            Kind::Float => Values::Float(Vec::new()),
            Kind::Bool => Values::Bool(Vec::new()),
        };
        Self { kind, values, present: Vec::new() }
    }

    /// Takes the value of the row that is begun, and says what it holds in bytes; `None` where the value is not
    /// of this column's type.
    fn put(&mut self, datum: &Datum) -> Option<usize> {
        cell(self.kind, datum).map(|cell| self.push(cell))
    }

    fn push(&mut self, cell: Cell<'_>) -> usize {
        self.present.push(1);
        let size = size_of::<ByteArray>();
        match (&mut self.values, cell) {
            (Values::Text(values), Cell::Text(text)) => {
                values.push(ByteArray::from(text));
                size + text.len()
            }
            (Values::Text(values), Cell::Json(text)) => {
                let size = size + text.len();
                values.push(ByteArray::from(text.into_bytes()));
                size
            }
            (Values::Int(values), Cell::Int(value)) => {
                values.push(value);
                size_of::<i64>()
            }
            (Values::Float(values), Cell::Float(value)) => {
                values.push(value);
                size_of::<f64>()
            }
            (Values::Bool(values), Cell::Bool(value)) => {
                values.push(value);
                size_of::<bool>()
            }
            // A cell is made by the column's own kind.
            _ => {
                self.present.pop();
                0
            }
        }
    }

    fn write(&self, column: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let present = Some(self.present.as_slice());
        match &self.values {
            Values::Text(values) => column.typed::<ByteArrayType>().write_batch(values, present, None)?,
            Values::Int(values) => column.typed::<Int64Type>().write_batch(values, present, None)?,
            Values::Float(values) => column.typed::<DoubleType>().write_batch(values, present, None)?,
            Values::Bool(values) => column.typed::<BoolType>().write_batch(values, present, None)?,
        };
        Ok(())
    }

    fn clear(&mut self) {
        self.present.clear();
        match &mut self.values {
            Values::Text(values) => values.clear(),
            Values::Int(values) => values.clear(),
            Values::Float(values) => values.clear(),
            Values::Bool(values) => values.clear(),
        }
    }
}

/// A value as a column of this kind takes it.
fn cell(kind: Kind, datum: &Datum) -> Option<Cell<'_>> {
    Some(match (kind, datum) {
        (_, Datum::Missing | Datum::Null) => return None,
        (Kind::Text, Datum::Str(text)) => Cell::Text(text),
        (Kind::Text, Datum::Level(level)) => Cell::Text(level.as_str()),
        (Kind::Json, datum) => {
            let mut text = String::new();
            json::write(&mut text, datum);
            Cell::Json(text)
        }
        (Kind::Int, Datum::Int(value)) | (Kind::Time, Datum::Time(value)) => Cell::Int(*value),
        (Kind::Millis, Datum::Duration(value)) | (Kind::Dollars, Datum::Cost(value)) if fits(*value) => {
            Cell::Int(*value)
        }
        (Kind::Bool, Datum::Bool(value)) => Cell::Bool(*value),
        (Kind::Float, datum) => {
            let mut text = String::new();
            json::write(&mut text, datum);
            Cell::Float(text.parse().ok()?)
        }
        _ => return None,
    })
}
