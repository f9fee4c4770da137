//! Packing: many events into the payload of one frame. Pure CPU work, fit for any thread.

use std::collections::HashMap;

use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::format::frame::{PAYLOAD_SIZE_TARGET, RECORD_SIZE_MAX};
use crate::format::varint;
use crate::record::{self, CUSTOM_BASE, RawField};

/// Collects events until they fill a frame.
///
/// ```
/// use logq_engine::{Event, Packer};
/// let mut packer = Packer::new();
/// packer.push(&Event::system("startup", "up"), 0)?;
/// let packed = packer.finish();
/// assert_eq!(packed.count(), 1);
/// # Ok::<(), logq_engine::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Packer {
    names: Vec<u8>,
    numbers: HashMap<Box<str>, u32>,
    /// Encoded names of the event packed last, and the frame's numbers for them.
    last_names: Vec<u8>,
    last_numbers: Vec<u32>,
    rows: Vec<u8>,
    row: Vec<u8>,
    count: u32,
    time_min: i64,
    time_max: i64,
}

/// The payload of one frame, ready for [`crate::Writer::append_import`].
#[derive(Clone, Debug)]
pub struct Packed {
    /// Names and rows, see `record`.
    pub(crate) payload: Vec<u8>,
    pub(crate) count: u32,
    pub(crate) time_min: i64,
    pub(crate) time_max: i64,
}

impl Packed {
    /// How many events are packed.
    pub fn count(&self) -> u32 {
        self.count
    }
}

impl Packer {
    /// An empty packer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event. One without a time gets `default_time` (nanoseconds since 1970).
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] for an event over 64 MiB; the packer stays as it was.
    pub fn push(&mut self, event: &Event, default_time: i64) -> Result<()> {
        check_size(event)?;
        let time = event.time().unwrap_or(default_time);
        self.map_names(event);
        let plain = self.last_numbers.iter().enumerate().all(|(at, &number)| at as u64 == u64::from(number));
        let fields = if plain {
            event.encoded_fields()
        } else {
            self.row.clear();
            renumber(event.encoded_fields(), &self.last_numbers, &mut self.row);
            &self.row
        };
        varint::put(&mut self.rows, fields.len() as u64 + 8);
        self.rows.extend_from_slice(&time.to_le_bytes());
        self.rows.extend_from_slice(fields);
        (self.time_min, self.time_max) = match self.count {
            0 => (time, time),
            _ => (self.time_min.min(time), self.time_max.max(time)),
        };
        self.count += 1;
        Ok(())
    }

    /// Whether the frame has its usual size; a further event still fits.
    pub fn is_full(&self) -> bool {
        PAYLOAD_SIZE_TARGET <= self.size()
    }

    /// Bytes collected so far.
    pub(crate) fn size(&self) -> usize {
        self.names.len() + self.rows.len()
    }

    /// Events collected so far.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether nothing was collected.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes what was collected and starts anew.
    pub fn finish(&mut self) -> Packed {
        let mut payload = Vec::with_capacity(self.size() + 4);
        varint::put(&mut payload, self.numbers.len() as u64);
        payload.extend_from_slice(&self.names);
        payload.extend_from_slice(&self.rows);
        let packed = Packed { payload, count: self.count, time_min: self.time_min, time_max: self.time_max };
        self.names.clear();
        self.numbers.clear();
        self.last_names.clear();
        self.last_numbers.clear();
        self.rows.clear();
        self.count = 0;
        packed
    }

    /// Finds the frame's numbers for the event's custom names. Events of one source mostly have the same
    /// names in the same order, so the last answer mostly holds.
    fn map_names(&mut self, event: &Event) {
        if self.last_names == event.encoded_names() {
            return;
        }
        self.last_names.clear();
        self.last_names.extend_from_slice(event.encoded_names());
        self.last_numbers.clear();
        for at in 0..event.name_count() {
            let name = event.name(at);
            let number = match self.numbers.get(name) {
                Some(&number) => number,
                None => {
                    let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
                    self.numbers.insert(name.into(), number);
                    varint::put(&mut self.names, name.len() as u64);
                    self.names.extend_from_slice(name.as_bytes());
                    number
                }
            };
            self.last_numbers.push(number);
        }
    }
}

/// Refuses what no frame can hold.
pub(crate) fn check_size(event: &Event) -> Result<()> {
    let size = event.size();
    if RECORD_SIZE_MAX < size {
        let what = format!("the event has {size} bytes, and a record may have {RECORD_SIZE_MAX}");
        return Err(Error::new(ErrorKind::Limit, what));
    }
    Ok(())
}

/// Copies fields with other numbers for the custom names.
fn renumber(fields: &[u8], numbers: &[u32], out: &mut Vec<u8>) {
    let mut rest = fields;
    loop {
        let start = rest;
        let Some(RawField { name, .. }) = record::take_field(&mut rest) else { return };
        let mut body = start.get(..start.len() - rest.len()).unwrap_or(&[]);
        let custom = name.checked_sub(CUSTOM_BASE).and_then(|at| numbers.get(usize::try_from(at).ok()?));
        match custom {
            Some(&number) => {
                let _ = varint::take(&mut body);
                varint::put(out, CUSTOM_BASE + u64::from(number));
                out.extend_from_slice(body);
            }
            None => out.extend_from_slice(body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Payload;
    use crate::value::Value;

    fn unpack(packed: &Packed) -> Vec<Vec<(String, String)>> {
        let mut payload = Payload::read(&packed.payload).unwrap();
        let mut rows = Vec::new();
        while let Some((_, mut fields)) = payload.take_row() {
            let mut row = Vec::new();
            while let Some(field) = record::take_field(&mut fields) {
                row.push((payload.name(field.name).unwrap().into(), format!("{:?}", field.value().unwrap())));
            }
            rows.push(row);
        }
        assert!(payload.is_empty());
        rows
    }

    #[test]
    fn events_with_different_names_share_one_frame() {
        let mut packer = Packer::new();
        packer.push(&Event::new().field("a", 1).field("b", 2), 5).unwrap();
        packer.push(&Event::new().field("b", 3).field("model", "m").field("c", 4).at(9), 5).unwrap();
        packer.push(&Event::new(), 7).unwrap();
        let packed = packer.finish();
        assert_eq!((packed.count, packed.time_min, packed.time_max), (3, 5, 9));
        let int = |name: &str, int| (name.to_owned(), format!("{:?}", Value::Int(int)));
        let model = ("model".to_owned(), format!("{:?}", Value::Str("m")));
        let want = vec![vec![int("a", 1), int("b", 2)], vec![int("b", 3), model, int("c", 4)], vec![]];
        assert_eq!(unpack(&packed), want);
        assert!(packer.is_empty());
    }

    #[test]
    fn a_record_of_the_limit_fits_and_one_byte_more_does_not() {
        let text = "x".repeat(RECORD_SIZE_MAX);
        let over = Event::new().field("message", text.as_str());
        let excess = over.size() - RECORD_SIZE_MAX;
        let fits = Event::new().field("message", &text[..RECORD_SIZE_MAX - excess]);
        assert_eq!(fits.size(), RECORD_SIZE_MAX);
        let mut packer = Packer::new();
        assert!(packer.push(&fits, 0).is_ok());
        assert_eq!(packer.push(&over, 0).unwrap_err().kind(), ErrorKind::Limit);
        assert_eq!(packer.len(), 1);
    }
}
