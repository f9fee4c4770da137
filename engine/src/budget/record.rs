//! Records that budgets write into the log: holds of commands, their releases, and alerts.
//!
//! They are events like others, of kind `system` and source `budget`, that anybody may query. What the engine reads
//! back lies in fields whose names begin with one `_`, which no caller can set:
//!
//! ```text
//! _budget   hold, release or alert
//! _hold     the hold's number, 16 hexadecimal digits; on the event of a call, which hold it settles
//! _until    when the hold ends
//! _data     lines of texts between tabs, with `\t`, `\n` and `\\` for what would be in the way:
//!           of a hold `add`, amount, budget, group, and `field`, name, value; of an alert `at`, millionths, start,
//!           budget, group. A group is `-` (alone), `*` (the rest) or `=` and its name
//! ```
//!
//! Budgets go by their names there, so that a hold outlives a change of the definitions.

use std::sync::Arc;

use super::counter::Fired;
use super::definition::Budget;
use super::op::{Add, Group, Hold, Op};
use super::state::Rules;
use crate::event::Event;
use crate::value::Value;

pub(super) const KIND: &str = "_budget";
pub(super) const HOLD: &str = "_hold";
pub(super) const UNTIL: &str = "_until";
pub(super) const DATA: &str = "_data";

/// A hold of a command lives no longer than this, in nanoseconds: counting anew looks back so far.
pub(super) const TTL_MAX: i64 = 24 * 3_600_000_000_000;

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Hold(Arc<Hold>),
    /// A hold holds more, and longer.
    Extend(Op),
    Release(u64),
    Alert(Vec<Op>),
}

/// The number of a hold as it is printed.
pub(super) fn number(id: u64) -> String {
    format!("{id:016x}")
}

/// Reads a number of a hold.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    let hexadecimal = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('t') => out.push('\t'),
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            _ => out.push(c),
        }
    }
    out
}

fn put_line(data: &mut String, parts: &[&str]) {
    let line: Vec<String> = parts.iter().map(|part| escape(part)).collect();
    data.push_str(&line.join("\t"));
    data.push('\n');
}

pub(super) fn lines(data: &str) -> impl Iterator<Item = Vec<String>> {
    data.lines().map(|line| line.split('\t').map(unescape).collect())
}

fn group_text(group: &Group) -> String {
    match group {
        Group::Alone => "-".into(),
        Group::Rest => "*".into(),
        Group::Named(name) => format!("={name}"),
    }
}

pub(super) fn parse_group(text: &str) -> Option<Group> {
    match text {
        "-" => Some(Group::Alone),
        "*" => Some(Group::Rest),
        _ => Some(Group::Named(text.strip_prefix('=')?.into())),
    }
}

/// What a group is called where people read it.
pub(super) fn group_name(group: &Group) -> Option<&str> {
    match group {
        Group::Alone => None,
        Group::Rest => Some("(other values)"),
        Group::Named(name) => Some(name),
    }
}

/// The event of a hold.
pub(super) fn hold_event(rules: &Rules, hold: &Hold, fields: &[(String, String)], tokens: u64) -> Event {
    let mut data = add_lines(rules, &hold.adds);
    for (field, value) in fields {
        put_line(&mut data, &["field", field, value]);
    }
    let message = format!("{tokens} tokens are held until they are committed or released");
    let mut event = Event::system("budget_hold", &message).field("source", "budget").at(hold.at);
    event.set_own(KIND, Value::Str("hold"));
    event.set_own(HOLD, Value::Str(&number(hold.id)));
    event.set_own(UNTIL, Value::Time(hold.until));
    event.set_own(DATA, Value::Str(&data));
    event
}

/// The event of an extension of a hold until `until`.
pub(super) fn extend_event(rules: &Rules, id: u64, until: i64, adds: &[Add], tokens: u64) -> Event {
    let message = format!("a hold is extended, by {tokens} tokens");
    let mut event = Event::system("budget_extend", &message).field("source", "budget");
    event.set_own(KIND, Value::Str("extend"));
    event.set_own(HOLD, Value::Str(&number(id)));
    event.set_own(UNTIL, Value::Time(until));
    event.set_own(DATA, Value::Str(&add_lines(rules, adds)));
    event
}

/// Amounts as lines of data.
fn add_lines(rules: &Rules, adds: &[Add]) -> String {
    let mut data = String::new();
    for add in adds {
        if let Some(budget) = rules.budgets.get(add.budget) {
            let (amount, group) = (add.amount.to_string(), group_text(&add.group));
            put_line(&mut data, &["add", &amount, &budget.name, &group]);
        }
    }
    data
}

/// The event of a release.
pub(super) fn release_event(id: u64) -> Event {
    let mut event = Event::system("budget_release", "a hold was released").field("source", "budget");
    event.set_own(KIND, Value::Str("release"));
    event.set_own(HOLD, Value::Str(&number(id)));
    event
}

/// Says on the event of a call which hold it settles.
pub(super) fn settle(event: &mut Event, id: u64) {
    event.set_own(HOLD, Value::Str(&number(id)));
}

/// Says on an alert's event what it is about.
pub(super) fn mark_alert(event: &mut Event, budget: &Budget, group: &Group, fired: Fired) {
    let mut data = String::new();
    let (millionths, start) = (fired.millionths.to_string(), fired.start.to_string());
    put_line(&mut data, &["at", &millionths, &start, &budget.name, &group_text(group)]);
    event.set_own(KIND, Value::Str("alert"));
    event.set_own(DATA, Value::Str(&data));
}

/// The hold that the event of a call settles.
pub(super) fn hold_of<'v>(get: &impl Fn(&str) -> Option<Value<'v>>) -> Option<u64> {
    match get(HOLD) {
        Some(Value::Str(text)) => parse_number(text),
        _ => None,
    }
}

/// The fields that a hold's reservation named.
pub(super) fn fields(data: &str) -> Vec<(String, String)> {
    let field = |line: Vec<String>| match <[String; 3]>::try_from(line) {
        Ok([kind, name, value]) if kind == "field" => Some((name, value)),
        _ => None,
    };
    lines(data).filter_map(field).collect()
}

/// Reads what a record says about budgets; what makes no sense says nothing.
pub(super) fn read<'v>(rules: &Rules, time: i64, get: &impl Fn(&str) -> Option<Value<'v>>) -> Option<Kind> {
    let Some(Value::Str(kind)) = get(KIND) else { return None };
    let data = match get(DATA) {
        Some(Value::Str(data)) => data,
        _ => "",
    };
    let place = |name: &str| rules.budgets.iter().position(|budget| budget.name == name);
    match kind {
        "hold" | "extend" => {
            let Some(Value::Time(until)) = get(UNTIL) else { return None };
            let adds = lines(data).filter_map(|line| match line.as_slice() {
                [kind, amount, budget, group] if kind == "add" => Some(Add {
                    budget: place(budget)?,
                    group: parse_group(group)?,
                    amount: amount.parse().ok()?,
                }),
                _ => None,
            });
            let (id, adds) = (hold_of(get)?, adds.collect());
            Some(match kind {
                "hold" => Kind::Hold(Arc::new(Hold { id, owner: None, at: time, until, adds })),
                _ => Kind::Extend(Op::Extend { id, until, adds }),
            })
        }
        "release" => Some(Kind::Release(hold_of(get)?)),
        "alert" => {
            let fired = lines(data).filter_map(|line| match line.as_slice() {
                [kind, millionths, start, budget, group] if kind == "at" => Some(Op::Fired {
                    budget: place(budget)?,
                    group: parse_group(group)?,
                    fired: Fired { millionths: millionths.parse().ok()?, start: start.parse().ok()? },
                }),
                _ => None,
            });
            Some(Kind::Alert(fired.collect()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::definition::defaults;

    #[test]
    fn a_hold_and_an_alert_read_back_from_their_events() {
        let rules = Rules::new(defaults(), 1);
        let group = Group::Named("a\tb\\n\nc".into());
        let adds = vec![
            Add { budget: 0, group: Group::Alone, amount: 5 },
            Add { budget: 1, group: group.clone(), amount: 7 },
            Add { budget: 1, group: Group::Rest, amount: 0 },
        ];
        let hold = Hold { id: 255, owner: None, at: 10, until: 20, adds };
        let named = [("model".to_owned(), "x\\\ty".to_owned())];
        let event = hold_event(&rules, &hold, &named, 12);
        let get = |name: &str| event.get(name);
        let more = Op::Extend { id: 255, until: 30, adds: hold.adds.clone() };
        assert_eq!(read(&rules, 10, &get), Some(Kind::Hold(Arc::new(hold.clone()))));
        let longer = extend_event(&rules, 255, 30, &hold.adds, 12);
        assert_eq!(read(&rules, 10, &|name: &str| longer.get(name)), Some(Kind::Extend(more)));
        let Some(Value::Str(data)) = event.get(DATA) else { panic!("a hold has data") };
        assert_eq!(fields(data), named);
        assert_eq!(event.get(HOLD), Some(Value::Str("00000000000000ff")));

        let fired = Fired { millionths: 800_000, start: -3 };
        let mut event = Event::new();
        mark_alert(&mut event, &rules.budgets[1], &group, fired);
        let get = |name: &str| event.get(name);
        assert_eq!(read(&rules, 0, &get), Some(Kind::Alert(vec![Op::Fired { budget: 1, group, fired }])));
        let event = release_event(3);
        assert_eq!(read(&rules, 0, &|name: &str| event.get(name)), Some(Kind::Release(3)));
    }

    #[test]
    fn what_callers_write_is_never_taken_for_a_record_of_budgets() {
        let rules = Rules::new(defaults(), 1);
        let event = Event::new().field("_budget", "release").field("_hold", "0000000000000001");
        assert_eq!(read(&rules, 0, &|name: &str| event.get(name)), None);
    }

    #[test]
    fn a_number_of_a_hold_has_sixteen_digits() {
        assert_eq!(parse_number(&number(u64::MAX)), Some(u64::MAX));
        for text in ["", "ff", "+00000000000000f", "00000000000000fg", "000000000000000ff"] {
            assert_eq!(parse_number(text), None, "{text}");
        }
    }
}
