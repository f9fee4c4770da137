//! Bodies on a clock of their own: prompts and responses go, and the events that had them stay.
//!
//! A segment whose youngest record arrived longer ago than `retain_bodies_for` is made anew without the fields `prompt` and
//! `response` and what is nested in them. Each event that had one gets a word in `_flags` that says so. As with everything that
//! is made anew, columns, dictionaries, texts that are kept once, templates and the index are made of what is left.
//!
//! Whether a segment has bodies is seen from the heads of its blocks. A segment never changes, so one that has none is looked
//! at once in the life of a process.

use crate::core::Core;
use crate::field;
use crate::format::manifest::Place;
use crate::gap::Gap;
use crate::manifest::State;
use crate::segment::sealed::group::GroupReader;
use crate::segment::sealed::read::{NotOpen, Segment};
use crate::value::Value;

/// The word of `_flags` for an event whose bodies went.
const DROPPED: &str = "body_dropped";

fn open(core: &Core, state: &State, id: u64) -> Option<Result<Segment, NotOpen>> {
    let place = Place::Segment { id, day: state.segments.get(&id)?.day };
    Some(Segment::open(&*core.vfs, &core.dir, state.store, place))
}

/// Whether a segment has bodies, as far as one can read it: what is damaged is found when it is made anew.
pub(super) fn has(core: &Core, state: &State, id: u64) -> bool {
    if core.is_bodiless(id) {
        return false;
    }
    let Some(Ok(segment)) = open(core, state, id) else { return true };
    let has = (0..segment.block_count()).any(|at| {
        segment.block(at).map_or(true, |block| block.head.names.iter().any(|name| field::is_body_name(name)))
    });
    if !has {
        core.note_bodiless(id);
    }
    has
}

/// Events of a segment that have bodies, as far as it can be read.
pub(super) fn count(core: &Core, state: &State, id: u64) -> u64 {
    let Some(Ok(segment)) = open(core, state, id) else { return 0 };
    (0..segment.block_count()).map(|at| count_block(&segment, at).unwrap_or(0)).sum()
}

fn count_block(segment: &Segment, at: u32) -> Result<u64, Gap> {
    let block = segment.block(at)?;
    let bodies: Vec<bool> = block.head.names.iter().map(|name| field::is_body_name(name)).collect();
    if !bodies.contains(&true) {
        return Ok(0);
    }
    let mut reader = GroupReader::new(segment, block)?;
    let mut count = 0;
    for group in 0..reader.groups() {
        reader.start(group);
        reader.load_row_shapes()?;
        let is_body = |name: &u32| bodies.get(*name as usize).is_some_and(|body| *body);
        count += (0..reader.rows()).filter(|row| reader.shape(*row).iter().any(is_body)).count() as u64;
    }
    Ok(count)
}

/// What `_flags` says of an event whose bodies went.
pub(super) fn flagged(flags: Option<Value<'_>>) -> String {
    match flags {
        Some(Value::Str(flags)) if flags.split(' ').any(|flag| flag == DROPPED) => flags.to_owned(),
        Some(Value::Str(flags)) => format!("{flags} {DROPPED}"),
        _ => DROPPED.to_owned(),
    }
}
