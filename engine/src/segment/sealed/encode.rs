//! A full block becomes bytes, beside the filling of the next one.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rayon::prelude::*;

use super::build::Plan;
use super::head::{self, ColumnEntry, Content, FIXED_COUNT};
use crate::column::{Builder, Effort, Pool};

/// A block that has all its rows.
pub(super) struct FullBlock {
    /// The segment, and which of its blocks this is.
    pub(super) of: (u64, u32),
    pub(super) plan: Plan,
    pub(super) fixed: [Builder; FIXED_COUNT],
    /// Fields by their number in this block.
    pub(super) fields: Vec<Field>,
    pub(super) shapes: Vec<Box<[u32]>>,
}

/// A field of a block.
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) values: Builder,
    /// Whether the values have a column of their own.
    pub(super) has_column: bool,
    pub(super) is_body: bool,
    /// How its values could be kept as the times of their rows, see [`Content::fitting`].
    pub(super) times: u8,
}

/// The bytes of a block.
pub(super) struct EncodedBlock {
    pub(super) bytes: Vec<u8>,
    /// How many of the bytes are columns.
    pub(super) columns_size: u64,
    /// Whether a column is only said to be the times of its rows.
    pub(super) spells: bool,
    /// Whether texts are kept once for several columns or blocks.
    pub(super) shares: bool,
    /// What held the values, for the next blocks: the allocations are there.
    pub(super) fixed: [Builder; FIXED_COUNT],
    pub(super) fields: Vec<Field>,
}

/// Encodes the blocks of one segment, one after the other.
#[derive(Default)]
pub(super) struct BlockEncoder {
    /// What earlier blocks hold, until there is a thread.
    pool: Pool,
    thread: Option<Thread>,
    /// A block that no thread took.
    ready: Option<EncodedBlock>,
}

struct Thread {
    to: SyncSender<FullBlock>,
    back: Receiver<EncodedBlock>,
    handle: JoinHandle<()>,
}

impl BlockEncoder {
    /// Encodes a block beside what the caller does next, if the machine gives a thread.
    pub(super) fn start(&mut self, block: FullBlock) {
        if self.thread.is_none() {
            self.thread = Thread::start(&mut self.pool);
        }
        let Some(thread) = &self.thread else { return self.encode(block) };
        // A thread that ended early is found by waiting for it.
        let _ended = thread.to.send(block);
    }

    /// Encodes a block after which none comes: where there is no thread yet, none is started.
    pub(super) fn start_last(&mut self, block: FullBlock) {
        if self.thread.is_some() { self.start(block) } else { self.encode(block) }
    }

    fn encode(&mut self, block: FullBlock) {
        self.ready = Some(encode(block, &mut self.pool));
    }

    /// Waits for the block that was started last.
    pub(super) fn wait(&mut self) -> EncodedBlock {
        if let Some(ready) = self.ready.take() {
            return ready;
        }
        let thread = self.thread.take().expect("BUG: no block was started");
        if let Ok(encoded) = thread.back.recv() {
            self.thread = Some(thread);
            return encoded;
        }
        match thread.handle.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => unreachable!("BUG: the thread ends with its channel, or in a panic"),
        }
    }
}

impl Thread {
    fn start(pool: &mut Pool) -> Option<Self> {
        let (to, blocks) = sync_channel::<FullBlock>(1);
        let (done, back) = sync_channel(1);
        let held = std::mem::take(pool);
        let run = move || {
            let mut pool = held;
            for block in blocks {
                if done.send(encode(block, &mut pool)).is_err() {
                    return;
                }
            }
        };
        // The pool is lost if there is no thread: later texts are then not shared with those before.
        let handle = thread::Builder::new().name("logq-encode".into()).spawn(run).ok()?;
        Some(Self { to, back, handle })
    }
}

/// All columns at once on the threads there are.
fn encode(mut block: FullBlock, pool: &mut Pool) -> EncodedBlock {
    let plan = block.plan;
    let effort = if plan.archive { Effort::Cold } else { Effort::Hot };
    let (fixed, mut columns) = rayon::join(
        || -> Vec<Vec<u8>> {
            let finish =
                |values: &Builder| if values.len() == 0 { Vec::new() } else { values.finish(effort) };
            block.fixed.par_iter().map(finish).collect()
        },
        || -> Vec<(ColumnEntry, Vec<u8>)> {
            let numbered: Vec<(u32, &Field)> = (0..).zip(&block.fields).collect();
            let with_columns = numbered.par_iter().filter(|(_, field)| field.has_column);
            with_columns.map(|(name, field)| field.encode(*name, plan.archive)).collect()
        },
    );
    if plan.share {
        share(&mut columns, &block.fields, effort, pool);
    }
    let mut sizes = [0; FIXED_COUNT];
    let mut bytes = Vec::new();
    for (size, column) in sizes.iter_mut().zip(&fixed) {
        *size = column.len() as u64;
        bytes.extend_from_slice(column);
    }
    columns.iter().for_each(|(_, column)| bytes.extend_from_slice(column));
    let columns_size = bytes.len() as u64;
    let names: Vec<&str> = block.fields.iter().map(|field| &*field.name).collect();
    let entries: Vec<ColumnEntry> = columns.into_iter().map(|(entry, _)| entry).collect();
    head::encode(&mut bytes, block.of, &sizes, &names, &entries, &block.shapes);
    block.fixed.iter_mut().for_each(Builder::clear);
    block.fields.iter_mut().for_each(|field| field.values.clear());
    EncodedBlock {
        bytes,
        columns_size,
        spells: entries.iter().any(|entry| matches!(entry.content, Content::Spelled(_))),
        shares: pool.used,
        fixed: block.fixed,
        fields: block.fields,
    }
}

impl Field {
    fn encode(&self, name: u32, archive: bool) -> (ColumnEntry, Vec<u8>) {
        let effort = match (self.is_body, archive) {
            (false, false) => Effort::Hot,
            (false, true) => Effort::Cold,
            (true, false) => Effort::Bodies,
            (true, true) => Effort::ColdBodies,
        };
        let content = Content::of(self.times);
        let bytes = match content {
            Content::Values => self.values.finish(effort),
            Content::Time | Content::Spelled(_) => Vec::new(),
        };
        (ColumnEntry { name, content, size: bytes.len() as u64 }, bytes)
    }
}

/// Keeps long texts of columns once, where that is smaller: one column after the other, so that each finds the texts of
/// those before it.
fn share(columns: &mut [(ColumnEntry, Vec<u8>)], fields: &[Field], effort: Effort, pool: &mut Pool) {
    for (entry, bytes) in columns {
        let field = fields.get(entry.name as usize).filter(|_| entry.content == Content::Values);
        let values = field.map(|field| &field.values).filter(|values| values.has_long_texts());
        if let Some(small) = values.and_then(|values| values.finish_shared(effort, bytes.len(), pool)) {
            entry.size = small.len() as u64;
            *bytes = small;
        }
    }
}
