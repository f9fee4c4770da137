//! Showing a sealed segment: footer, blocks with their columns, index, and rows.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use super::{Out, import, time};
use crate::column::Column;
use crate::format::footer::{self, Footer, HEAD_SIZE};
use crate::format::manifest::Place;
use crate::gap::Gap;
use crate::io::ReadMap;
use crate::segment::sealed::head::{Content, FIXED};
use crate::segment::sealed::read::{Block, NotOpen, Segment};
use crate::segment::sealed::rows::Rows;

/// Shows the file; its rows if asked to.
pub(super) fn show(map: &Arc<dyn ReadMap>, rows: bool, out: &mut Out<'_>) -> ControlFlow<()> {
    let len = map.bytes().len() as u64;
    let segment = match Segment::read(Arc::clone(map)) {
        Ok(segment) => segment,
        Err(NotOpen::Damaged(what)) => {
            return out.damage(0, len, &format!("{what}: its blocks cannot be found without the footer"));
        }
        Err(NotOpen::Io(error)) => return out.damage(0, len, &error.to_string()),
    };
    let footer = &segment.footer;
    out.line(&format!("segment {} of store {:032x}, {len} bytes", footer.id, footer.store))?;
    if !map.bytes().starts_with(&footer::head(footer.store, footer.id)) {
        out.damage(0, HEAD_SIZE as u64, "the head")?;
    }
    show_footer(footer, out)?;
    for number in 0..segment.block_count() {
        show_block(&segment, number, out)?;
    }
    show_index(&segment, out)?;
    show_rollups(&segment, out)?;
    show_ends(footer, map.bytes(), out)?;
    if rows { show_rows(&segment, out) } else { ControlFlow::Continue(()) }
}

fn show_footer(footer: &Footer, out: &mut Out<'_>) -> ControlFlow<()> {
    let Footer { set, set_size, records, raw, .. } = footer;
    let day = footer.day.map_or_else(|| "not archived".into(), |day| format!("archived under {day}"));
    out.line(&format!("  {records} records, {raw} bytes as rows, {day}, set {set} of {set_size}"))?;
    out.line(&format!("  times {} to {}", time(footer.time_min), time(footer.time_max)))?;
    out.line(&format!("  arrived {} to {}", time(footer.arrived_min), time(footer.arrived_max)))?;
    for (place, after) in &footer.replaced {
        let after = match place {
            Place::Active { slot, .. } => format!(", which record {slot}-{after} follows"),
            Place::Segment { .. } => String::new(),
        };
        out.line(&format!("  replaced {}{after}", place.file().relative()))?;
    }
    for (slot, end) in &footer.slots {
        out.line(&format!(
            "  slot {slot}: gone up to file {}, record {slot}-{}",
            end.number, end.next_sequence
        ))?;
    }
    for (what, writers) in [("records", &footer.writers), ("removed", &footer.removed)] {
        for (writer, runs) in writers {
            for Range { start, end } in runs {
                out.line(&format!("  {what} {writer}-{start} to {writer}-{}", end.saturating_sub(1)))?;
            }
        }
    }
    footer.imports.iter().try_for_each(|progress| out.line(&format!("  import {}", import(progress))))?;
    footer.gaps.iter().try_for_each(|gap| out.line(&format!("  missing since before: {gap}")))
}

fn show_block(segment: &Segment, number: u32, out: &mut Out<'_>) -> ControlFlow<()> {
    let (start, len) = segment.block_place(number);
    let Some(entry) = segment.footer.blocks.get(number as usize) else { return ControlFlow::Continue(()) };
    out.line(&format!(
        "{start:>10}  block {number}, {len} bytes, {} rows, times {} to {}",
        entry.rows,
        time(entry.time_min),
        time(entry.time_max)
    ))?;
    let block = match segment.block(number) {
        Ok(block) => block,
        Err(gap) => return damage(&gap, out),
    };
    for fixed in FIXED {
        let range = block.head.fixed_range(fixed);
        match segment.fixed(block, fixed) {
            Ok(None) => {}
            Ok(Some(column)) => show_column(start, range, &format!("({fixed:?})"), &column, out)?,
            Err(gap) => damage(&gap, out)?,
        }
    }
    for (at, column) in (0..).zip(&block.head.columns) {
        let name = name(block, column.name);
        let range = block.head.column_range(at);
        match (column.content, segment.column(block, at)) {
            (Content::Time | Content::Spelled(_), _) => {
                out.line(&format!("{:>10}    {name}: the time of each row, no bytes", start + range.start))?;
            }
            (Content::Values, Ok(column)) => show_column(start, range, name, &column, out)?,
            (Content::Values, Err(gap)) => damage(&gap, out)?,
        }
    }
    let rare: Vec<&str> = (0..)
        .take(block.head.names.len())
        .filter(|at| block.head.column_of(*at).is_none())
        .map(|at| name(block, at))
        .collect();
    if !rare.is_empty() {
        out.line(&format!("{:>10}    rare: {}", "", rare.join(" ")))?;
    }
    let (names, shapes) = (block.head.names.len(), block.head.shapes.len());
    let head = start.saturating_add(entry.columns_size);
    out.line(&format!(
        "{head:>10}    head, {} bytes, {names} names, {shapes} shapes of rows",
        entry.head_size
    ))
}

fn name(block: &Block, number: u32) -> &str {
    block.head.names.get(number as usize).map_or("?", String::as_str)
}

fn show_column(
    block: u64,
    range: Range<u64>,
    name: &str,
    column: &Column<'_>,
    out: &mut Out<'_>,
) -> ControlFlow<()> {
    let (start, len) = (block.saturating_add(range.start), range.end.saturating_sub(range.start));
    let bounds = column.block_bounds().map_or_else(String::new, |(min, max)| format!(", {min} to {max}"));
    let shares = column.shares().map_or_else(String::new, |range| {
        format!(", texts shared, holds {} to {} of them", range.start, range.end)
    });
    let entries = match column.dictionary() {
        Ok(dictionary) if dictionary.len() != 0 => format!(", {} entries", dictionary.len()),
        _ => String::new(),
    };
    out.line(&format!(
        "{start:>10}    {name}: {:?}{entries}{bounds}{shares}, {} values, {len} bytes, {} pages",
        column.kind(),
        column.len(),
        column.page_count()
    ))?;
    match column.verify() {
        Ok(()) => ControlFlow::Continue(()),
        Err(damaged) => {
            let offset = damaged.offset as u64;
            out.damage(start.saturating_add(offset), len.saturating_sub(offset), damaged.what)
        }
    }
}

fn show_index(segment: &Segment, out: &mut Out<'_>) -> ControlFlow<()> {
    let (start, len) = (segment.index_start(), segment.footer.index_size);
    match segment.index() {
        None => out.line(&format!("{start:>10}  no index")),
        Some(Err(gap)) => damage(gap, out),
        Some(Ok(index)) => {
            out.line(&format!("{start:>10}  index, {len} bytes, {} groups", segment.groups()))?;
            for (name, range, sound) in index.pieces() {
                let (offset, len) = (start.saturating_add(range.start as u64), range.len() as u64);
                out.line(&format!("{offset:>10}    {name}, {len} bytes"))?;
                if !sound {
                    out.damage(offset, len, "this piece of the index")?;
                }
            }
            ControlFlow::Continue(())
        }
    }
}

fn show_rollups(segment: &Segment, out: &mut Out<'_>) -> ControlFlow<()> {
    let (start, len) = (segment.rollups_start(), segment.footer.rollup_size);
    match segment.rollups() {
        None => out.line(&format!("{start:>10}  no rollups")),
        Some(Err(gap)) => damage(gap, out),
        Some(Ok(rollups)) => {
            out.line(&format!("{start:>10}  rollups, {len} bytes"))?;
            for (at, form, cells) in rollups.forms() {
                let seconds = form.span / 1_000_000_000;
                let keys = form.names().collect::<Vec<_>>().join(", ");
                let sums = if form.sums { ", with sums" } else { "" };
                out.line(&format!("              each {seconds} s by {keys}{sums}: {cells} cells"))?;
                if segment.cube(rollups, at).is_none() {
                    out.damage(start, len, "this cube of the rollups")?;
                }
            }
            ControlFlow::Continue(())
        }
    }
}

/// Both copies of the footer.
fn show_ends(footer: &Footer, bytes: &[u8], out: &mut Out<'_>) -> ControlFlow<()> {
    let copies = footer.encode();
    let (copy, _) = copies.split_at(copies.len() / 2);
    let len = copy.len() as u64;
    let mut offset = (HEAD_SIZE as u64).saturating_add(footer.data_size());
    for _ in 0..2 {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        if bytes.get(start..start.saturating_add(copy.len())) == Some(copy) {
            out.line(&format!("{offset:>10}  footer, {len} bytes"))?;
        } else {
            out.damage(offset, len, "this copy of the footer")?;
        }
        offset = offset.saturating_add(len);
    }
    match (bytes.len() as u64).checked_sub(offset) {
        Some(more) if 0 < more => out.damage(offset, more, "bytes behind the end"),
        _ => ControlFlow::Continue(()),
    }
}

fn show_rows(segment: &Segment, out: &mut Out<'_>) -> ControlFlow<()> {
    out.line("rows")?;
    let mut rows = Rows::before(segment);
    loop {
        if let Err(gap) = rows.advance() {
            damage(&gap, out)?;
            continue;
        }
        let Some(head) = rows.head() else { return ControlFlow::Continue(()) };
        let mut line =
            format!("{:>10}    {} {} arrived {}", "", head.key.id, time(head.key.time), time(head.arrived));
        if let Some(source) = head.import {
            line += &format!(" import {source}");
        }
        for (name, value) in rows.fields() {
            let name = rows.names().get(name as usize).map_or("?", String::as_str);
            super::put_field(&mut line, name, value);
        }
        out.line(&line)?;
    }
}

fn damage(gap: &Gap, out: &mut Out<'_>) -> ControlFlow<()> {
    out.damage(gap.offset, gap.len, &gap.what)
}
