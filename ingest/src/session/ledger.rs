//! Which calls were counted, and with what: the identities of an import and of the store before it.
//!
//! A call of Claude Code is known by the id of its message and of its request. A copy without the id of a request is the
//! same call by its message alone; so is a copy in the side chain of another session, and the copy of the parent
//! counts. Else the copy with more tokens counts. A call of Codex is known by its session and the sums that it reached.

use std::collections::{HashMap, HashSet};

use logq_engine::{Event, Value};

use super::amounts::{Amounts, put_state};
use super::claude::Answer;
use super::codex::Turn;
use super::{Kind, put};

/// One call of Claude Code.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(super) request: Option<Box<str>>,
    pub(super) sidechain: bool,
    pub(super) fast: bool,
    pub(super) amounts: Amounts,
}

/// What an event says that is to be booked once it is packed.
#[derive(Debug)]
pub(crate) enum Note {
    /// Nothing.
    Nothing,
    /// A copy counts, in place of the one at this place of its message.
    Claude(Box<str>, usize, Counted),
    /// A turn counts.
    Codex(Box<str>),
}

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By the id of the message.
    claude: HashMap<Box<str>, Vec<Counted>>,
    codex: HashSet<Box<str>>,
    /// The session that a session was made of.
    parents: HashMap<Box<str>, Box<str>>,
}

/// How far back a line of forks is followed.
const ANCESTORS_MAX: usize = 64;

/// An `event_id` parts its pieces by `/`, so that no piece but the last may hold one.
fn piece(id: &str) -> String {
    id.replace('/', "_")
}

/// Sets what counts now.
fn count(event: &mut Event, amounts: &Amounts, state: &str, note: Note) -> Note {
    amounts.put(event);
    put_state(event, state);
    note
}

impl Ledger {
    /// Counts an answer, or what is new of it.
    pub(super) fn fill_claude(&self, answer: &Answer<'_>, event: &mut Event) -> Note {
        let (amounts, state) = answer.priced().amounts(&answer.usage, event.time());
        let Some(message) = answer.message.or(answer.request).or(answer.row).map(piece) else {
            // Without an id it is like no other.
            return count(event, &amounts, state, Note::Nothing);
        };
        // The id of the request alone has to do where there is no other.
        let request = answer.message.and(answer.request);
        let all = self.claude.get(message.as_str()).map_or(&[][..], Vec::as_slice);
        let same =
            |old: &Counted| old.request.is_none() || request.is_none() || old.sidechain || answer.sidechain;
        let exact = all.iter().position(|old| old.request.as_deref() == request);
        let at = exact.or_else(|| all.iter().position(same)).unwrap_or(all.len());
        let known = all.get(at);
        let request = known.map_or(request, |known| known.request.as_deref());
        let event_id = match request {
            Some(request) => format!("{}/{message}/{request}", Kind::ClaudeCode.as_str()),
            None => format!("{}/{message}", Kind::ClaudeCode.as_str()),
        };
        put(event, "event_id", Value::Str(&event_id));
        let (sidechain, fast) = (answer.sidechain, answer.fast);
        let now = Counted { request: request.map(Into::into), sidechain, fast, amounts };
        let Some(known) = known else {
            return count(event, &amounts, state, Note::Claude(message.into(), at, now));
        };
        put(event, "calls", Value::Int(0));
        let (new, old) = (amounts.total(), known.amounts.total());
        let counts = match (known.sidechain, sidechain) {
            (true, false) => true,
            (false, true) => false,
            _ => old < new || (old == new && fast && !known.fast),
        };
        if !counts {
            return Note::Nothing;
        }
        let more = amounts.beyond(&known.amounts);
        let now = Counted { amounts: known.amounts.plus(&more), ..now };
        count(event, &more, state, Note::Claude(message.into(), at, now))
    }

    /// Counts a turn, unless its session or one that it was made of has it.
    pub(super) fn fill_codex(&mut self, turn: &Turn, event: &mut Event) -> Note {
        for (child, parent) in &turn.parents {
            self.parents.entry(child.clone()).or_insert_with(|| parent.clone());
        }
        let Some(usage) = &turn.usage else { return Note::Nothing };
        turn.describe(event);
        let (amounts, state) = turn.priced().amounts(usage, event.time());
        let Some(session) = &turn.session else {
            return count(event, &amounts, state, Note::Nothing);
        };
        let name = |session: &str| format!("{}/{}/{}", Kind::Codex.as_str(), piece(session), turn.sums);
        let mut lines = vec![name(session)];
        if turn.replayed {
            let mut of = session.as_ref();
            while let Some(parent) = self.parents.get(of).filter(|_| lines.len() < ANCESTORS_MAX) {
                lines.push(name(parent));
                of = parent;
            }
        }
        if let Some(found) = lines.iter().find(|line| self.codex.contains(line.as_str())) {
            put(event, "event_id", Value::Str(found));
            put(event, "calls", Value::Int(0));
            return Note::Nothing;
        }
        // History whose own file was not met counts under the session that it is of.
        let line = if turn.replayed { lines.get(1).or(lines.first()) } else { lines.first() };
        let line = line.cloned().unwrap_or_default();
        put(event, "event_id", Value::Str(&line));
        count(event, &amounts, state, Note::Codex(line.into()))
    }

    pub(super) fn book(&mut self, note: Note) {
        match note {
            Note::Nothing => {}
            Note::Claude(message, at, counted) => {
                let all = self.claude.entry(message).or_default();
                match all.get_mut(at) {
                    Some(known) => *known = counted,
                    None => all.push(counted),
                }
            }
            Note::Codex(line) => {
                self.codex.insert(line);
            }
        }
    }

    /// Takes in what an event of the store says.
    pub(super) fn restore(&mut self, event_id: &str, sidechain: bool, fast: bool, amounts: Amounts) {
        let Some((kind, rest)) = event_id.split_once('/') else { return };
        if kind == Kind::Codex.as_str() {
            self.codex.insert(event_id.into());
        }
        if kind != Kind::ClaudeCode.as_str() {
            return;
        }
        let (message, request) = match rest.split_once('/') {
            Some((message, request)) => (message, Some(request)),
            None => (rest, None),
        };
        let all = self.claude.entry(message.into()).or_default();
        match all.iter_mut().find(|old| old.request.as_deref() == request) {
            Some(old) => {
                old.amounts = old.amounts.plus(&amounts);
                old.sidechain &= sidechain;
                old.fast |= fast;
            }
            None => all.push(Counted { request: request.map(Into::into), sidechain, fast, amounts }),
        }
    }

    /// Remembers which session another was made of.
    pub(super) fn adopt(&mut self, child: &str, parent: &str) {
        self.parents.entry(child.into()).or_insert_with(|| parent.into());
    }
}
