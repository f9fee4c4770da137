//! Showing an active file: its head, its frames, and what lies between them.

use std::ops::ControlFlow;
use std::path::Path;

use super::{ACTIVE_SIZE_MIN, Out, import, newer, put_field, time};
use crate::error::Result;
use crate::format::frame::{self, ALIGN, FLAG_IMPORT, HEADER_SIZE, Header, ImportProgress, PROGRESS_SIZE};
use crate::format::header::{self, FileHeader, Read};
use crate::record::{self, Payload};

/// Shows the file; its rows if asked to.
pub(super) fn show(bytes: &[u8], path: &Path, rows: bool, out: &mut Out<'_>) -> Result<ControlFlow<()>> {
    let page = bytes.get(..ACTIVE_SIZE_MIN).unwrap_or(bytes);
    match FileHeader::read(page) {
        Read::Head { header, copies } => Ok(file(bytes, &header, copies, rows, out)),
        Read::Newer { version } => Err(newer(version, path)),
        Read::Damaged => {
            // Without the salt no frame can be verified.
            let what = "both copies of the head; frames cannot be told without it";
            Ok(out.damage(0, page.len() as u64, what))
        }
    }
}

fn file(bytes: &[u8], header: &FileHeader, copies: u8, rows: bool, out: &mut Out<'_>) -> ControlFlow<()> {
    let FileHeader { store, slot, number, salt, first_sequence, capacity, created, rehomes } = *header;
    out.line(&format!("active file {number} of slot {slot}, {} bytes", bytes.len()))?;
    out.line(&format!("{:>10}  head: store {store:032x}, salt {salt:016x}", 0))?;
    out.line(&format!(
        "{:>10}    from record {slot}-{first_sequence} on, {capacity} bytes reserved, made {}",
        "",
        time(created)
    ))?;
    if let Some(rehomes) = rehomes {
        let from = rehomes.from;
        out.line(&format!("{:>10}    takes over file {} from record {slot}-{from} on", "", rehomes.number))?;
    }
    if copies < 2 {
        out.damage(0, header::SIZE, "one of the two copies of the head")?;
    }
    let mut offset = header::SIZE;
    loop {
        let rest = from(bytes, offset);
        if let Some(header) = frame::decode(rest, salt, offset) {
            frame(rest, slot, offset, &header, rows, out)?;
            offset += header.frame_size();
            continue;
        }
        let Some(used) = rest.iter().position(|byte| *byte != 0) else {
            return out.line(&format!("{offset:>10}  nothing from here on, {} bytes", rest.len()));
        };
        let next = next_frame(bytes, offset, used as u64, salt);
        let last = rest.iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64 + 1;
        let end = next.unwrap_or((offset + last.next_multiple_of(ALIGN)).min(bytes.len() as u64));
        let what = match next {
            Some(_) => "no frame",
            None => "no frame: a write that was not finished, or damage",
        };
        out.damage(offset, end - offset, what)?;
        offset = end;
    }
}

fn from(bytes: &[u8], offset: u64) -> &[u8] {
    usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or(&[])
}

/// The next place behind `offset` where a frame holds; the first `zeros` bytes there are zero.
fn next_frame(bytes: &[u8], offset: u64, zeros: u64, salt: u64) -> Option<u64> {
    let first = offset + (zeros / ALIGN * ALIGN).max(ALIGN);
    let places = (first..bytes.len() as u64).step_by(8);
    places.into_iter().find(|at| frame::decode(from(bytes, *at), salt, *at).is_some())
}

fn frame(
    bytes: &[u8],
    slot: u32,
    offset: u64,
    header: &Header,
    rows: bool,
    out: &mut Out<'_>,
) -> ControlFlow<()> {
    let Header { payload_size, count, first_sequence, promise, arrived, batch_index, batch_count, .. } =
        *header;
    let arrived = time(arrived);
    if header.is_close() {
        out.line(&format!("{offset:>10}  close, promise {promise}, at {arrived}"))?;
    } else {
        out.line(&format!(
            "{offset:>10}  frame, {payload_size} bytes, {count} records from {slot}-{first_sequence} on, \
             arrived {arrived}, times {} to {}, promise {promise}, {} of {batch_count} in its batch",
            time(header.time_min),
            time(header.time_max),
            batch_index.saturating_add(1),
        ))?;
    }
    let end = HEADER_SIZE.saturating_add(payload_size as usize);
    let payload = bytes.get(HEADER_SIZE..end).unwrap_or(&[]);
    if payload.len() != payload_size as usize || frame::payload_crc(payload) != header.payload_crc {
        return out.damage(offset, header.frame_size(), "the payload of this frame");
    }
    let mut payload = payload;
    if header.flags & FLAG_IMPORT != 0 {
        if let Some(progress) = ImportProgress::decode(payload) {
            out.line(&format!("{:>10}    import {}", "", import(&progress)))?;
        }
        payload = payload.get(PROGRESS_SIZE..).unwrap_or(&[]);
    }
    if rows && !header.is_close() {
        if let Some(lines) = read_rows(payload, slot, header) {
            lines.iter().try_for_each(|line| out.line(line))?;
        } else {
            out.damage(offset, header.frame_size(), "the records of this frame do not read")?;
        }
    }
    ControlFlow::Continue(())
}

fn read_rows(payload: &[u8], slot: u32, header: &Header) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    let mut payload = Payload::read(payload)?;
    for sequence in (header.first_sequence..).take(header.count as usize) {
        let (at, mut fields) = payload.take_row()?;
        let mut line = format!("{:>10}    {slot}-{sequence} {}", "", time(at));
        while !fields.is_empty() {
            let raw = record::take_field(&mut fields)?;
            put_field(&mut line, payload.name(raw.name)?, raw.value()?);
        }
        lines.push(line);
    }
    Some(lines)
}
