//! Rows of Claude Code: where the usage of an answer stands, and what else a row says.
//!
//! A row is an envelope around a message; a row of progress holds such an envelope in `data.message`, with the
//! messages of an agent that works for this one. Input leaves out what came from the cache.

use std::path::{Component, Path};

use logq_engine::{Event, Value};
use logq_tokens::{Mode, Money, Source, Usage, read_usage};

use super::amounts::{Priced, object};
use super::{has, id, put, text};

/// The model of rows that the program wrote itself.
const SYNTHETIC: &str = "<synthetic>";

/// Where the usual fields stand.
pub(super) const MAP: [(&str, &str); 17] = [
    ("timestamp", "time"),
    ("data.message.timestamp", "time"),
    ("snapshot.timestamp", "time"),
    ("message.content", "message"),
    ("summary", "message"),
    ("content", "message"),
    ("sessionId", "session"),
    ("uuid", "id"),
    ("parentUuid", "parent"),
    ("requestId", "request_id"),
    ("message.id", "message_id"),
    ("message.role", "role"),
    ("message.stop_reason", "finish_reason"),
    ("gitBranch", "git_branch"),
    ("isSidechain", "sidechain"),
    ("agentId", "agent"),
    ("message.usage.service_tier", "service_tier"),
];

/// Whether a row is one of theirs.
pub(super) fn recognise(row: &Event) -> bool {
    let said = |name| text(row, name).is_some();
    match text(row, "type") {
        Some("summary") if said("leafUuid") => return true,
        Some("file-history-snapshot") if said("messageId") => return true,
        Some("queue-operation") if said("sessionId") => return true,
        _ => {}
    }
    let envelope = ["message.role", "message.usage.", "message.content", "parentUuid"];
    said("sessionId") && envelope.iter().any(|name| has(row, name)) || has(row, "data.message.message.usage.")
}

/// The folder below `projects` that a file lies in.
pub(super) fn project(path: &Path) -> Option<String> {
    let mut parts = path.parent()?.components().skip_while(|part| part.as_os_str() != "projects");
    match parts.nth(1) {
        Some(Component::Normal(name)) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    }
}

/// One copy of an answer.
pub(super) struct Answer<'r> {
    /// The id of the message and of the request: the identity of the call.
    pub(super) message: Option<&'r str>,
    pub(super) request: Option<&'r str>,
    /// The id of the row, which has to do where the provider gave none.
    pub(super) row: Option<&'r str>,
    pub(super) sidechain: bool,
    pub(super) fast: bool,
    pub(super) usage: Usage,
    mode: Mode,
    model: Option<String>,
}

/// The answer that a row holds; `None` where it holds none that counts.
pub(super) fn read(row: &Event) -> Option<Answer<'_>> {
    let nested = has(row, "data.message.message.usage.");
    let (outer, inner) = if nested { ("data.message.", "data.message.message.") } else { ("", "message.") };
    let mut usage = read_usage(Source::Anthropic, &object(row, &format!("{inner}usage."))).ok()?;
    let model = text(row, &format!("{inner}model"));
    if model == Some(SYNTHETIC) {
        return None;
    }
    usage.cost_reported = money(row, &format!("{outer}costUSD"));
    let speed = text(row, &format!("{inner}usage.speed"));
    let tier = text(row, &format!("{inner}usage.service_tier")).and_then(Mode::named);
    let fast = speed == Some("fast");
    let sidechain = |name: &str| row.get(name) == Some(Value::Bool(true));
    Some(Answer {
        message: id(row, &format!("{inner}id")),
        request: id(row, &format!("{outer}requestId")),
        row: id(row, "uuid"),
        sidechain: sidechain("isSidechain") || sidechain("data.message.isSidechain"),
        fast,
        usage,
        mode: if fast { Mode::Fast } else { tier.unwrap_or_default() },
        model: model.map(|model| if fast { format!("{model}-fast") } else { model.to_owned() }),
    })
}

fn money(row: &Event, name: &str) -> Option<Money> {
    let amount = match row.get(name)? {
        Value::Int(int) => Money::parse(&int.to_string()),
        Value::Number(text) | Value::Str(text) => Money::parse(text),
        _ => None,
    };
    amount.filter(|amount| Money::ZERO <= *amount)
}

impl Answer<'_> {
    /// Sets what an answer says of itself.
    pub(super) fn describe(&self, event: &mut Event) {
        put(event, "kind", Value::Str("ai"));
        put(event, "operation", Value::Str(super::Kind::ClaudeCode.operation()));
        if let Some(model) = &self.model {
            put(event, "model", Value::Str(model));
        }
        if let Some(provider) = self.priced().provider {
            put(event, "provider", Value::Str(provider));
        }
        for (name, id) in [("message_id", self.message), ("request_id", self.request)] {
            if let Some(id) = id {
                put(event, name, Value::Str(id));
            }
        }
        if self.sidechain {
            event.set("sidechain", Value::Bool(true));
        }
        if self.fast {
            put(event, "speed", Value::Str("fast"));
        }
    }

    pub(super) fn priced(&self) -> Priced<'_> {
        // The mode has a price of its own; the table knows the model under its plain name.
        let model = self.model.as_deref();
        let model = if self.fast { model.and_then(|model| model.strip_suffix("-fast")) } else { model };
        let provider = model.filter(|model| model.starts_with("claude")).map(|_| "anthropic");
        Priced { model, provider, mode: self.mode }
    }
}
