//! Rows of Codex: a session as a machine of few states, row by row.
//!
//! A row of type `token_count` holds the sums of the session so far and the usage of its last turn. The turn counts; where it is
//! missing, what the sums grew by. Sums that stand still repeat a row, and sums that fall begin a new epoch. Input holds
//! what came from the cache, output holds the thought.
//!
//! The file of a fork, or of an agent that a session started, may begin with the rows of its parent. Those bear the time of
//! the fork, or times before it, and come without a pause; an agent that starts from nothing needs at least the time
//! of a call before it has used anything. So rows up to the first pause may be the parent's. They are known by the sums
//! that they reached, not by their times or sizes: turns of one size are told apart.

use logq_engine::{Event, Value};
use logq_tokens::{Mode, Source, Usage, read_usage};

use super::amounts::{Priced, object};
use super::{has, id, put, text};

/// Where the usual fields stand.
pub(super) const MAP: [(&str, &str); 6] = [
    ("timestamp", "time"),
    ("payload.message", "message"),
    ("payload.content", "message"),
    ("payload.text", "message"),
    ("payload.role", "role"),
    ("payload.git.branch", "git_branch"),
];

/// The model of a session that names none: token counts are older than the name in `turn_context`.
const MODEL: &str = "gpt-5";

/// A pause this long ends the history at the start of a fork, nanoseconds: a user has to type first.
const FORK_PAUSE: i64 = 1_000_000_000;
/// The same of an agent that was started with a task, which begins at once.
const AGENT_PAUSE: i64 = 100_000_000;

/// The sums of a session: input, cached input, output, reasoning, total.
const SUMS: [&str; 5] =
    ["input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens", "total_tokens"];

type Sums = [u64; SUMS.len()];

/// Whether a row is one of theirs.
pub(super) fn recognise(row: &Event) -> bool {
    match text(row, "type") {
        Some("session_meta" | "turn_context" | "response_item" | "event_msg" | "compacted") => {
            has(row, "payload.")
        }
        Some("thread.started") => text(row, "thread_id").is_some(),
        Some("turn.completed") => has(row, "usage.input_tokens"),
        _ => false,
    }
}

/// What a file said up to here.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    session: Option<Box<str>>,
    parent: Option<Box<str>>,
    /// When the session began, and how long a pause ends the history of its parent.
    began: Option<i64>,
    pause: i64,
    replaying: bool,
    last_time: Option<i64>,
    sums: Option<Sums>,
    epoch: u64,
    model: Option<Box<str>>,
    provider: Option<Box<str>>,
    cwd: Option<Box<str>>,
    branch: Option<Box<str>>,
    version: Option<Box<str>>,
}

/// What a row says beyond itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// Sessions and what they were made of.
    pub(super) parents: Vec<(Box<str>, Box<str>)>,
    /// `None`: the row tells of no turn.
    pub(super) usage: Option<Usage>,
    /// `None`: the turn cannot be known again.
    pub(super) session: Option<Box<str>>,
    /// The epoch and the sums that the session reached.
    pub(super) sums: String,
    /// Whether it may be history of the parent.
    pub(super) replayed: bool,
    model: Box<str>,
    guessed: bool,
    provider: Option<Box<str>>,
}

impl Turn {
    pub(super) fn describe(&self, event: &mut Event) {
        put(event, "kind", Value::Str("ai"));
        put(event, "operation", Value::Str(super::Kind::Codex.operation()));
        put(event, "model", Value::Str(&self.model));
        put(event, "provider", Value::Str(self.provider.as_deref().unwrap_or("openai")));
        if self.guessed {
            event.flag("model_guessed");
        }
    }

    pub(super) fn priced(&self) -> Priced<'_> {
        let provider = Some(self.provider.as_deref().unwrap_or("openai"));
        Priced { model: Some(&self.model), provider, mode: Mode::Standard }
    }
}

impl File {
    /// Takes the next row: its time, and the row where it may tell of a turn.
    pub(super) fn step(&mut self, time: Option<i64>, row: Option<&Event>) -> Option<Turn> {
        self.pass_time(time);
        let row = row?;
        let payload = text(row, "payload.type");
        match (text(row, "type")?, payload) {
            ("session_meta", _) => self.meta(row, time),
            ("thread.started", _) => {
                self.session = id(row, "thread_id").map(Into::into);
                None
            }
            ("turn_context", _) => {
                self.take("model", row, "payload.model");
                self.take("cwd", row, "payload.cwd");
                None
            }
            ("event_msg", Some("token_count")) => self.count(row),
            ("turn.completed", _) => self.headless(read_usage(Source::OpenAi, &object(row, "usage.")).ok()?),
            ("result", _) => {
                self.take("model", row, "data.model_name");
                self.headless(read_usage(Source::OpenAi, &object(row, "data.usage.")).ok()?)
            }
            _ => None,
        }
    }

    fn pass_time(&mut self, time: Option<i64>) {
        let (Some(time), Some(began)) = (time, self.began) else { return };
        let last = self.last_time.unwrap_or(began).max(began);
        if began < time && self.pause < time.saturating_sub(last) {
            self.replaying = false;
        }
        self.last_time = Some(last.max(time));
    }

    fn take(&mut self, what: &str, row: &Event, name: &str) {
        let Some(said) = text(row, name) else { return };
        let slot = match what {
            "model" => &mut self.model,
            "provider" => &mut self.provider,
            "cwd" => &mut self.cwd,
            "branch" => &mut self.branch,
            _ => &mut self.version,
        };
        *slot = Some(said.into());
    }

    /// The first says which session it is; later ones came with the history of the parent.
    fn meta(&mut self, row: &Event, time: Option<i64>) -> Option<Turn> {
        let session: Box<str> = id(row, "payload.id").or_else(|| id(row, "payload.session_id"))?.into();
        let forked = id(row, "payload.forked_from_id");
        let spawned = id(row, "payload.source.subagent.thread_spawn.parent_thread_id");
        let parent: Option<Box<str>> = forked.or(spawned).map(Into::into);
        let mut parents: Vec<_> = parent.iter().map(|parent| (session.clone(), parent.clone())).collect();
        match &self.session {
            None => {
                self.replaying = parent.is_some() || has(row, "payload.source.subagent.");
                self.pause = if forked.is_some() { FORK_PAUSE } else { AGENT_PAUSE };
                (self.began, self.last_time) = (time, time);
                for (what, name) in [
                    ("provider", "payload.model_provider"),
                    ("cwd", "payload.cwd"),
                    ("branch", "payload.git.branch"),
                    ("version", "payload.cli_version"),
                ] {
                    self.take(what, row, name);
                }
                (self.session, self.parent) = (Some(session), parent);
            }
            Some(own) if *own != session && self.parent.is_none() => {
                // A fork of a version that does not say so.
                parents.push((own.clone(), session.clone()));
                self.parent = Some(session);
                self.replaying = self.sums.is_none();
                self.pause = FORK_PAUSE;
            }
            Some(_) => {}
        }
        Some(Turn { parents, ..Turn::default() })
    }

    fn count(&mut self, row: &Event) -> Option<Turn> {
        let total = sums(row, "payload.info.total_token_usage.");
        let last = sums(row, "payload.info.last_token_usage.");
        let before = self.sums.unwrap_or_default();
        let mut from = before;
        if let Some(total) = total {
            if self.sums == Some(total) {
                // Rows that tell of rate limits repeat the numbers.
                return None;
            }
            if all(&total) < all(&before) {
                self.epoch += 1;
                from = Sums::default();
            }
        }
        let used = last.or_else(|| Some(grown(&total?, &from)))?;
        let reached = total.unwrap_or_else(|| added(&before, &used));
        self.sums = Some(reached);
        for name in ["payload.info.model", "payload.model"] {
            self.take("model", row, name);
        }
        let usage = usage(&used)?;
        let sums = reached.map(|sum| sum.to_string()).join("-");
        Some(Turn {
            usage: Some(usage),
            session: self.session.clone(),
            sums: format!("{}/{sums}", self.epoch),
            replayed: self.replaying,
            ..self.turn()
        })
    }

    /// A turn without sums: it cannot be known again elsewhere.
    fn headless(&self, usage: Usage) -> Option<Turn> {
        Some(Turn { usage: Some(usage), ..self.turn() })
    }

    fn turn(&self) -> Turn {
        Turn {
            model: self.model.clone().unwrap_or_else(|| MODEL.into()),
            guessed: self.model.is_none(),
            provider: self.provider.clone(),
            ..Turn::default()
        }
    }

    /// Sets what every row of the file has in common.
    pub(super) fn describe(&self, event: &mut Event) {
        let own = [
            ("session", &self.session),
            ("parent_session", &self.parent),
            ("cwd", &self.cwd),
            ("git_branch", &self.branch),
            ("version", &self.version),
        ];
        for (name, said) in own {
            if let Some(said) = said {
                put(event, name, Value::Str(said));
            }
        }
    }
}

/// The numbers below a path; `None` where none of them is one.
fn sums(row: &Event, prefix: &str) -> Option<Sums> {
    let object = object(row, prefix);
    let number = |name: &str| {
        let value = object.get(name)?;
        value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
    };
    let read = SUMS.map(number);
    read.iter().any(Option::is_some).then(|| read.map(|number| number.unwrap_or(0)))
}

/// What sums are compared by: input and output, or the total where it stands alone.
fn all(sums: &Sums) -> u64 {
    let [input, _, output, _, total] = sums;
    match input.saturating_add(*output) {
        0 => *total,
        parts => parts,
    }
}

fn grown(sums: &Sums, from: &Sums) -> Sums {
    let mut grown = *sums;
    grown.iter_mut().zip(from).for_each(|(sum, from)| *sum = sum.saturating_sub(*from));
    grown
}

fn added(sums: &Sums, more: &Sums) -> Sums {
    let mut added = *sums;
    added.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.saturating_add(*more));
    added
}

/// The total is left away where its parts are known: of some it holds the thought twice.
fn usage(sums: &Sums) -> Option<Usage> {
    let [input, cached, output, reasoning, total] = *sums;
    let object = match input.saturating_add(output) {
        0 if 0 < total => serde_json::json!({ "total_tokens": total }),
        _ => serde_json::json!({
            "input_tokens": input, "cached_input_tokens": cached,
            "output_tokens": output, "reasoning_output_tokens": reasoning,
        }),
    };
    read_usage(Source::OpenAi, &object).ok()
}
