//! Named data sets, and stores that hold them.

use std::path::Path;

use logq_engine::{Durability, Event, Level, Options, Store, Value};

/// 2026-11-22T12:00:00Z, the clock of every test.
pub(crate) const NOW: i64 = 1_795_348_800_000_000_000;
pub(crate) const MINUTE: i64 = 60_000_000_000;

/// How the records of a store lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Active,
    Sealed,
    Merged,
    Archived,
    /// Some archived, some sealed, some active.
    Mixed,
}

impl Layout {
    pub(crate) const ALL: [Self; 5] = [Self::Active, Self::Sealed, Self::Merged, Self::Archived, Self::Mixed];
}

/// A store of active files.
pub(crate) fn store(dir: &Path, events: &[Event], writers: usize) -> Store {
    store_as(dir, events, writers, Layout::Active)
}

/// A store whose records lie in this way.
pub(crate) fn store_as(dir: &Path, events: &[Event], writers: usize, layout: Layout) -> Store {
    let options = Options { maintain: false, word_index_min: 0, ..Options::default() };
    let store = Store::open(dir, options).unwrap();
    // Several writers take turns from the end, so that neither files nor their records are in the order of time.
    let events: Vec<&Event> =
        if writers == 1 { events.iter().collect() } else { events.iter().rev().collect() };
    let pieces = match layout {
        Layout::Merged | Layout::Mixed => events.len().div_ceil(5).max(1),
        _ => events.len().max(1),
    };
    let archive = |store: &Store| {
        store.maintain(store.now() + 8 * 86_400_000_000_000).unwrap();
    };
    for (number, piece) in events.chunks(pieces).enumerate() {
        let writers: Vec<_> =
            (0..writers).map(|_| store.writer_with(Durability::Buffered).unwrap()).collect();
        for (at, event) in piece.iter().enumerate() {
            writers[at % writers.len()].append(event).unwrap();
        }
        for writer in writers {
            writer.close().unwrap();
        }
        match (layout, number) {
            (Layout::Active, _) | (Layout::Mixed, 3..) => {}
            (Layout::Archived, _) | (Layout::Mixed, 1) => archive(&store),
            (Layout::Sealed | Layout::Merged | Layout::Mixed, _) => drop(store.seal().unwrap()),
        }
    }
    if layout == Layout::Merged {
        store.maintain(store.now()).unwrap();
    }
    store
}

/// Records whose field holds these values, one a minute, numbered from 1.
pub(crate) fn table(field: &str, values: &[String]) -> Vec<Event> {
    let event = |(n, value): (i64, &String)| {
        let event = Event::new().at(NOW - 1000 * MINUTE + n * MINUTE).field("n", n);
        match (value.as_str(), value.strip_prefix("= ")) {
            ("-", _) => event,
            (text, None) => event.field(field, text),
            (_, Some("null")) => event.field(field, Value::Null),
            (_, Some("true")) => event.field(field, true),
            (_, Some("false")) => event.field(field, false),
            (_, Some(json)) if json.starts_with(['[', '{']) => event.field(field, Value::Json(json)),
            (_, Some("\"\"")) => event.field(field, ""),
            (_, Some(number)) => event.field(field, Value::Number(number)),
        }
    };
    (1..).zip(values).map(event).collect()
}

pub(crate) fn events(name: &str) -> Vec<Event> {
    match name {
        "standard-day" => standard_day(),
        "types" => types(),
        "texts" => texts(),
        "clocks" => clocks(),
        "agent" => agent(),
        "services" => services(),
        "chats" => chats(),
        other => panic!("unknown data set {other:?}"),
    }
}

/// A day of an agent: an event every half hour until now.
pub(crate) fn standard_day() -> Vec<Event> {
    let models = ["llama3.2", "gpt-4o-mini", "claude-sonnet-4"];
    let operations = ["plan", "code_review", "summarize", "embed"];
    let at = |number: i64| NOW - (48 - number) * 30 * MINUTE;
    let mut events = Vec::new();
    for (number, place) in (0..48_i64).zip(0_usize..) {
        let mut event = match place % 8 {
            7 => Event::log(Level::Warn, &format!("retry {number} after connection timeout")),
            5 => Event::system("startup", "service started"),
            _ => Event::ai(operations[place % operations.len()])
                .model(models[place % models.len()])
                .session(&format!("s{}", place % 5))
                .tokens(100 + 10 * number, 20 + number)
                .message("call finished")
                .field("latency", 100 + (number * 7919) % 900)
                .field("level", if place % 12 == 4 { "error" } else { "info" }),
        };
        event.set_time(Value::Time(at(number)));
        event.set("source", Value::Str(if place % 2 == 0 { "api" } else { "worker" }));
        if place % 4 == 0 {
            event.set("cost", Value::Number("0.0025"));
            event.set("cached_tokens", Value::Int(number));
        }
        events.push(event);
    }
    events
        .push(Event::ai("legacy").at(NOW - 3 * MINUTE).field("total_tokens", 999).field("source", "import"));
    events.push(
        Event::ai("broken").at(NOW - 2 * MINUTE).field("prompt_tokens", "many").field("source", "import"),
    );
    events
}

/// A session of an agent with calls, memory and context operations; some calls have no price, one was free.
fn agent() -> Vec<Event> {
    let mut events = Vec::new();
    for step in 0..12_i64 {
        let at = NOW - (12 - step) * 10 * MINUTE + step % 3 * MINUTE;
        let session = if step < 8 { "run-1" } else { "7" };
        let event = match step % 4 {
            0 => Event::ai("plan").model("local").tokens(100 + step, 10).field("cost", Value::Number("0")),
            1 => Event::ai("code").model("big").tokens(200, 20 + step).field("cost", Value::Number("0.25")),
            2 => Event::memory("retrieve")
                .field("hits", step)
                .field("misses", 2)
                .field("size", 4096 * step)
                .field("latency", Value::Number("1.5")),
            _ => Event::context(2000, 1200 + 10 * step)
                .context_type(if step < 8 { "puzzle_state" } else { "history" })
                .field("method", "intelligent_truncation"),
        };
        events.push(event.at(at).session(session).field("trace", "t/1:a").field("source", "agent"));
    }
    events.push(Event::ai("code").model("big").tokens(50, 5).at(NOW - MINUTE).field("level", "error"));
    events.push(Event::ai("embed").model("small").tokens(7, 0).at(NOW - MINUTE / 2));
    events
}

/// One field with values of every type.
fn types() -> Vec<Event> {
    let values: [Value<'_>; 19] = [
        Value::Int(1),
        Value::Number("1.0"),
        Value::Str("1"),
        Value::Str("01"),
        Value::Number("1.5"),
        Value::Float(1.5),
        Value::Float(0.1),
        Value::Number("0.1"),
        Value::Number("1e2"),
        Value::Int(100),
        Value::Number("123456789012345678901234567890"),
        Value::Bool(true),
        Value::Str("true"),
        Value::Null,
        Value::Str(""),
        Value::Str("abc"),
        Value::Json("[\"abc\",{\"a\":2}]"),
        Value::Bytes(&[0xff, b'a']),
        Value::Int(-7),
    ];
    let mut events: Vec<Event> = (0..)
        .zip(values)
        .map(|(n, value)| Event::new().at(NOW - n * MINUTE).field("n", n).field("v", value))
        .collect();
    events.push(Event::new().at(NOW - 19 * MINUTE).field("n", 19));
    events
}

/// Two days of messages that programs write with other values each time; a cache fails only on the second day, and a model call
/// says what went wrong in `error`.
pub(crate) fn services() -> Vec<Event> {
    let mut events = Vec::new();
    for hour in 0..48_i64 {
        let at = NOW - (48 - hour) * 60 * MINUTE;
        let mut say = |minute: i64, source: &str, level: Level, text: &str| {
            events.push(Event::log(level, text).field("source", source).at(at + minute * MINUTE));
        };
        say(1, "api", Level::Info, &format!("GET /v1/items/{hour} gave 200 in {} ms", 10 + hour));
        if hour % 3 == 0 {
            let text = format!("retry {hour} of 5: 10.0.0.{hour}:5432 refused after {}.5s", hour % 4);
            say(2, "worker", if hour % 2 == 0 { Level::Warn } else { Level::Error }, &text);
        }
        if 40 <= hour {
            say(3, "cache", Level::Error, &format!("cache file /var/cache/{hour}/a.bin is damaged"));
        }
        if hour % 12 == 5 {
            let error = format!("rate limit of 'llama3.2': retry in {hour}s");
            events.push(
                Event::ai("chat")
                    .model("llama3.2")
                    .field("source", "agent")
                    .at(at + 4 * MINUTE)
                    .field("level", "error")
                    .field("error", error.as_str()),
            );
        }
    }
    events.push(Event::log(Level::Fatal, "out of memory").at(NOW - 30 * MINUTE));
    // Neither says anything that is a text.
    events.push(Event::system("tick", "").field("message", 5).at(NOW - 29 * MINUTE));
    events.push(Event::ai("chat").field("level", "error").at(NOW - 28 * MINUTE));
    events
}

/// Three chats of twenty turns that take turns; each prompt holds all turns before it, and sealed they are kept once.
fn chats() -> Vec<Event> {
    let mut prompts = [String::new(), String::new(), String::new()];
    (0..60)
        .map(|n| {
            let (chat, turn) = (n % 3, n / 3);
            let words: Vec<String> = (0..90).map(|word| format!("w{}", n * 100 + word)).collect();
            let prompt = &mut prompts[chat];
            *prompt += &format!("chat{chat} turn{turn:02} says {}. ", words.join(" "));
            let at = NOW - i64::try_from(60 - n).unwrap() * MINUTE;
            Event::ai("chat")
                .model("llama3.2")
                .prompt(prompt)
                .field("user", format!("user{chat}").as_str())
                .at(at)
        })
        .collect()
}

/// Messages to search in.
fn texts() -> Vec<Event> {
    let texts = [
        "Connection timeout after 30s",
        "connection-timeout on host-7",
        "TIMEOUTS: 3",
        "the connection had a timeout",
        "read /usr/local/bin failed: permission denied",
        "\u{4e2d}\u{6587}\u{65e5}\u{5fd7} ok",
        "Stra\u{df}e und \u{c4}pfel",
        "user=bob action=login",
        "100% done \"quoted\" back\\slash",
        "",
    ];
    let event = |(n, text): (i64, &&str)| {
        let event = Event::new().at(NOW - n * MINUTE).field("n", n).message(text).field("status", "timeout");
        if n == 3 {
            event.field("tags", Value::Json("[\"deep timeout\",{\"k\":[\"inner word\"]}]"))
        } else {
            event
        }
    };
    (0..).zip(&texts).map(event).collect()
}

/// An event every half hour over both changes of the clocks in Vienna.
fn clocks() -> Vec<Event> {
    // 2026-03-28T22:00Z and 2026-10-24T21:00Z
    [1_774_735_200, 1_792_875_600]
        .into_iter()
        .flat_map(|start| {
            (0..56).map(move |n| Event::new().at((start + n * 1800) * 1_000_000_000).field("n", n))
        })
        .collect()
}
