//! A thread that builds the index while others build the columns of the same rows.
//!
//! Cutting texts into tokens costs about as much as everything else that sealing does, and needs nothing of it.
//! Texts travel a group at a time, joined: what lies between two of them is no token.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::IndexBuilder;
use crate::error::{Error, ErrorKind, Result};

/// Stands between two texts; no token holds it.
const BETWEEN: char = '\n';
/// Bytes of texts that travel together, unless their group ends before.
const BATCH_SIZE: usize = 1 << 20;
/// Batches that wait at most: the thread may fall behind for as long as a block is encoded.
const WAITING_MAX: usize = 16;

/// Builds the index of one segment on a thread of its own, or here if the machine gives no thread.
pub(crate) struct IndexWorker {
    /// Texts of the current group that have not been handed over.
    texts: String,
    work: Work,
}

enum Work {
    Here(Box<IndexBuilder>),
    There {
        to: Option<SyncSender<Message>>,
        back: Receiver<String>,
        thread: JoinHandle<Option<Result<Vec<u8>>>>,
    },
}

enum Message {
    Texts { texts: String, ends_group: bool },
    Finish,
}

impl IndexWorker {
    pub(crate) fn start(builder: fn() -> IndexBuilder) -> Self {
        let (to, messages) = sync_channel(WAITING_MAX);
        let (spare, back) = channel();
        let run = move || {
            let mut builder = builder();
            for message in messages {
                let Message::Texts { mut texts, ends_group } = message else {
                    return Some(builder.finish());
                };
                builder.add_text(&texts);
                if ends_group {
                    builder.end_group();
                }
                texts.clear();
                // Nobody takes it when the last texts have come.
                let _unused = spare.send(texts);
            }
            None
        };
        let work = match Builder::new().name("logq-index".into()).spawn(run) {
            Ok(thread) => Work::There { to: Some(to), back, thread },
            Err(_) => Work::Here(Box::new(builder())),
        };
        Self { texts: String::new(), work }
    }

    /// Takes a text of the current group.
    #[inline]
    pub(crate) fn add_text(&mut self, text: &str) {
        self.texts.push_str(text);
        self.texts.push(BETWEEN);
        if BATCH_SIZE <= self.texts.len() {
            self.hand_over(false);
        }
    }

    /// Ends the current group; the next one begins.
    pub(crate) fn end_group(&mut self) {
        self.hand_over(true);
    }

    /// No group follows: the index can be finished while the caller does something else.
    pub(crate) fn close(&mut self) {
        if let Work::There { to, .. } = &mut self.work
            && let Some(to) = to.take()
        {
            // A thread that ended early is found when it is joined.
            let _ended = to.send(Message::Finish);
        }
    }

    /// The bytes of the index.
    ///
    /// # Errors
    /// `Limit` when tantivy refuses the words.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        self.close();
        match self.work {
            Work::Here(builder) => builder.finish(),
            Work::There { thread, .. } => match thread.join() {
                Ok(Some(index)) => index,
                Ok(None) => Err(Error::new(ErrorKind::Limit, "the index of a segment was not finished")),
                Err(panic) => resume_unwind(panic),
            },
        }
    }

    fn hand_over(&mut self, ends_group: bool) {
        match &mut self.work {
            Work::Here(builder) => {
                builder.add_text(&self.texts);
                if ends_group {
                    builder.end_group();
                }
                self.texts.clear();
            }
            Work::There { to, back, .. } => {
                let texts = std::mem::replace(&mut self.texts, back.try_recv().unwrap_or_default());
                if let Some(to) = to {
                    // A thread that ended early is found when it is joined.
                    let _ended = to.send(Message::Texts { texts, ends_group });
                }
            }
        }
    }
}
