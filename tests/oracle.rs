//! The same data and the same questions to SQLite: seeded random queries over real fields must agree.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use logq_query::{Query, RowShape, Rule, Session};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::Value;

use crate::cli::Place;
use crate::real::whole_data;

/// Queries in one run.
const QUERIES: u64 = 200;
const NUMBERS: [&str; 4] = ["prompt_tokens", "response_tokens", "cache_read_input_tokens", "content_chars"];
const TEXTS: [&str; 6] = ["model", "kind", "session", "version", "stop_reason", "service_tier"];
/// Names in the file whose field has another name.
const RENAMED: [(&str, &str); 3] =
    [("prompt_tokens", "input_tokens"), ("response_tokens", "output_tokens"), ("time", "ts")];

/// A small generator of random numbers: the same seed asks the same questions.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn pick<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.below(from.len())]
    }
}

/// The rows, once as JSON and once in a table.
struct Data {
    rows: Vec<Value>,
    sqlite: Connection,
}

fn field<'v>(row: &'v Value, name: &str) -> &'v Value {
    let spelled = RENAMED.iter().find(|(field, _)| *field == name).map_or(name, |(_, spelled)| spelled);
    &row[spelled]
}

fn nanoseconds(stamp: &str) -> i64 {
    let stamp: jiff::Timestamp = stamp.parse().unwrap();
    i64::try_from(stamp.as_nanosecond()).unwrap()
}

impl Data {
    fn load(file: &Path) -> Self {
        let mut text = String::new();
        let bytes = std::fs::read(file).unwrap();
        if file.extension().is_some_and(|extension| extension == "gz") {
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let sqlite = Connection::open_in_memory().unwrap();
        let columns = [&["message_id"], &NUMBERS[..], &TEXTS[..]].concat();
        sqlite.execute_batch(&format!("create table t (time integer, {})", columns.join(","))).unwrap();
        let marks = vec!["?"; columns.len() + 1].join(",");
        let mut insert = sqlite.prepare(&format!("insert into t values ({marks})")).unwrap();
        for row in &rows {
            let mut values = vec![rusqlite::types::Value::Integer(nanoseconds(row["ts"].as_str().unwrap()))];
            values.extend(columns.iter().map(|name| match field(row, name) {
                Value::String(text) => rusqlite::types::Value::Text(text.clone()),
                Value::Number(number) => rusqlite::types::Value::Integer(number.as_i64().unwrap()),
                _ => rusqlite::types::Value::Null,
            }));
            insert.execute(rusqlite::params_from_iter(values)).unwrap();
        }
        drop(insert);
        Self { rows, sqlite }
    }

    fn value(&self, random: &mut Random, name: &str) -> Value {
        field(&self.rows[random.below(self.rows.len())], name).clone()
    }

    /// The answer of SQLite, each row as its values joined.
    fn ask(&self, sql: &str) -> Vec<Vec<Value>> {
        let mut statement = self.sqlite.prepare(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        let width = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut answer = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let value = |at| match row.get_ref_unwrap(at) {
                ValueRef::Null | ValueRef::Blob(_) => Value::Null,
                ValueRef::Integer(int) => int.into(),
                ValueRef::Real(real) => real.into(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
            };
            answer.push((0..width).map(value).collect());
        }
        answer
    }
}

/// A condition, in both languages.
fn condition(data: &Data, random: &mut Random, depth: usize) -> (String, String) {
    let choice = if depth == 0 { 3 + random.below(7) } else { random.below(10) };
    match choice {
        0 | 1 => {
            let (left, right) = (condition(data, random, depth - 1), condition(data, random, depth - 1));
            let word = random.pick(&["and", "or"]);
            (format!("({} {word} {})", left.0, right.0), format!("({} {word} {})", left.1, right.1))
        }
        2 => {
            let inner = condition(data, random, depth - 1);
            (format!("not ({})", inner.0), format!("(not {})", inner.1))
        }
        3 | 4 => {
            let (name, op) = (random.pick(&NUMBERS), random.pick(&["=", "!=", "<", "<=", ">", ">="]));
            let value = data.value(random, name).as_i64().unwrap_or(0);
            (format!("{name} {op} {value}"), format!("coalesce({name} {op} {value}, 0)"))
        }
        5 => {
            let name = random.pick(&NUMBERS);
            let mut ends =
                [data.value(random, name), data.value(random, name)].map(|v| v.as_i64().unwrap_or(0));
            ends.sort_unstable();
            let [low, high] = ends;
            (
                format!("{name} between {low} and {high}"),
                format!("coalesce({name} between {low} and {high}, 0)"),
            )
        }
        6 => {
            let (name, op) = (random.pick(&TEXTS), random.pick(&["=", "!="]));
            let value = text(data, random, name);
            (format!("{name} {op} \"{value}\""), format!("coalesce({name} {op} '{value}', 0)"))
        }
        7 => {
            let name = random.pick(&TEXTS);
            let values: Vec<_> = (0..3).map(|_| text(data, random, name)).collect();
            let not = random.pick(&["", "not "]);
            let (ours, theirs) = (values.join("\", \""), values.join("', '"));
            (format!("{name} {not}in (\"{ours}\")"), format!("coalesce({name} {not}in ('{theirs}'), 0)"))
        }
        8 => {
            let name = random.pick(&TEXTS);
            match random.below(2) {
                0 => (format!("{name} exists"), format!("({name} is not null)")),
                _ => (format!("{name} missing"), format!("({name} is null)")),
            }
        }
        _ => {
            let name = random.pick(&TEXTS);
            let value = text(data, random, name);
            let from = random.below(value.len().max(1));
            let part = value.get(from..(from + 4).min(value.len())).unwrap_or("x");
            let (ours, theirs) = (part.to_uppercase(), part.to_lowercase());
            (
                format!("{name} contains \"{ours}\""),
                format!("coalesce(instr(lower({name}), '{theirs}') > 0, 0)"),
            )
        }
    }
}

fn text(data: &Data, random: &mut Random, name: &str) -> String {
    data.value(random, name).as_str().unwrap_or("none").to_owned()
}

/// A time range, in both languages.
fn range(data: &Data, random: &mut Random) -> (String, String) {
    let mut ends =
        [data.value(random, "time"), data.value(random, "time")].map(|v| v.as_str().unwrap().to_owned());
    ends.sort_unstable();
    let [from, until] = &ends;
    let (from_ns, until_ns) = (nanoseconds(from), nanoseconds(until));
    match random.below(4) {
        // An empty range is refused, so it is no question.
        0 if from != until => {
            (format!(" since {from} until {until}"), format!(" and time >= {from_ns} and time < {until_ns}"))
        }
        1 => (format!(" since {from}"), format!(" and time >= {from_ns}")),
        2 => (format!(" until {until}"), format!(" and time < {until_ns}")),
        _ => (String::new(), String::new()),
    }
}

/// A question, in both languages, and the columns of our answer that SQLite gives too, in its order.
struct Question {
    ours: String,
    theirs: String,
    columns: Vec<String>,
    ordered: bool,
}

fn question(data: &Data, random: &mut Random) -> Question {
    let (ours, theirs) = condition(data, random, 3);
    let (our_time, their_time) = range(data, random);
    let (ours, theirs) = (format!("where {ours}{our_time}"), format!("from t where {theirs}{their_time}"));
    let number = random.pick(&NUMBERS);
    let aggregates = [
        ("count", "count(*)".into()),
        ("n", format!("count({number})")),
        ("sum", format!("sum({number})")),
        ("min", format!("min({number})")),
        ("max", format!("max({number})")),
        ("avg", format!("avg({number})")),
        ("ids", "count(distinct message_id)".into()),
    ];
    let measures = format!(
        "count, count({number}) as n, sum({number}) as sum, min({number}) as min, max({number}) as max, \
         avg({number}) as avg, distinct(message_id) as ids"
    );
    let mut columns: Vec<String> = Vec::new();
    let mut select = String::new();
    for (name, sql) in &aggregates {
        columns.push((*name).into());
        write!(select, "{sql}, ").unwrap();
    }
    let select = select.trim_end_matches(", ").to_owned();
    match random.below(6) {
        0 => Question {
            ours: format!("events {ours} | stats {measures}"),
            theirs: format!("select {select} {theirs}"),
            columns,
            ordered: true,
        },
        1 | 2 => {
            let (first, second) = (random.pick(&TEXTS), random.pick(&TEXTS));
            let keys = if first == second { first.to_owned() } else { format!("{first}, {second}") };
            columns.extend(keys.split(", ").map(str::to_owned));
            Question {
                ours: format!("events {ours} | stats {measures} by {keys} | limit all"),
                theirs: format!("select {select}, {keys} {theirs} group by {keys}"),
                columns,
                ordered: false,
            }
        }
        3 => {
            let (unit, seconds) = [("1h", 3600), ("1d", 86_400), ("15m", 900)][random.below(3)];
            let bucket = seconds * 1_000_000_000_i64;
            columns.extend(["time".into(), "model".into()]);
            let start = format!("strftime('%Y-%m-%dT%H:%M:%SZ', (time / {bucket}) * {seconds}, 'unixepoch')");
            Question {
                ours: format!("events {ours} | stats {measures} by model per {unit} | limit all"),
                theirs: format!("select {select}, {start}, model {theirs} group by time / {bucket}, model"),
                columns,
                ordered: false,
            }
        }
        4 => {
            let key = random.pick(&TEXTS);
            let columns =
                [key, "calls", "prompt_tokens", "response_tokens", "total_tokens"].map(String::from);
            Question {
                ours: format!("tokens {ours} by {key} limit all"),
                theirs: format!(
                    "select {key}, count(*), sum(prompt_tokens), sum(response_tokens), \
                     sum(prompt_tokens + response_tokens) {theirs} group by {key}"
                ),
                columns: columns.to_vec(),
                ordered: false,
            }
        }
        _ => {
            let limit = 1 + random.below(150);
            let columns = ["message_id", "prompt_tokens", "model"].map(String::from);
            Question {
                ours: format!("events {ours} limit {limit}"),
                theirs: format!(
                    "select message_id, prompt_tokens, model from (select * , rowid as r {theirs} \
                     order by time desc, r desc limit {limit}) order by time, r"
                ),
                columns: columns.to_vec(),
                ordered: true,
            }
        }
    }
}

/// Values are equal; computed numbers to the last bits of a sum that SQLite does in floating point.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours.as_f64(), theirs.as_f64()) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-9 * theirs.abs(),
        _ => ours == theirs,
    }
}

#[test]
fn two_hundred_random_queries_agree_with_sqlite() {
    let whole = whole_data().map(|folder| folder.join("llm_traces/claude_code_calls/calls.jsonl.gz"));
    let excerpt = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/claude_code.jsonl");
    let file = whole.unwrap_or(excerpt);
    let data = Data::load(&file);
    let place = Place::new();
    place.run(["import", file.to_str().unwrap()]).good();
    // The same data three times: as it was imported, sealed, and in the archive.
    let stores = ["active", "sealed", "archived"].map(|layout| {
        let dir = place.store().with_extension(layout);
        copy(&place.store(), &dir);
        let options = logq_engine::Options { maintain: false, word_index_min: 0, ..Default::default() };
        let store = logq_engine::Store::open(dir, options).unwrap();
        match layout {
            "sealed" => drop(store.seal().unwrap()),
            "archived" => drop(store.maintain(store.now() + 8 * 86_400_000_000_000).unwrap()),
            _ => {}
        }
        store
    });
    let [store, sealed, archived] = &stores;
    let session = Session { shape: RowShape::Full, ..Session::default() };
    let mut answered = 0;
    for seed in 1..=QUERIES {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let question = question(&data, &mut random);
        let context = format!("seed {seed}\n  {}\n  {}", question.ours, question.theirs);
        let query = Query::parse(&question.ours).unwrap_or_else(|error| panic!("{context}\n{error}"));
        let ask = |store, rules: &[Rule]| {
            let session = Session { rules: rules.to_vec(), ..session.clone() };
            let answer = query.run(store, &session).unwrap_or_else(|error| panic!("{context}\n{error}"));
            let mut answer: Value = serde_json::from_str(&answer.to_json()).unwrap();
            answer["stats"] = Value::Null;
            answer
        };
        let answer = ask(store, &Rule::ALL);
        for other in [sealed, archived] {
            assert_eq!(ask(other, &Rule::ALL), answer, "{context}");
            assert_eq!(ask(other, &[]), answer, "{context}, without rules");
        }
        let mut ours: Vec<Vec<Value>> = answer["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| question.columns.iter().map(|name| row[name].clone()).collect())
            .collect();
        let mut theirs = data.ask(&question.theirs);
        if !question.ordered {
            // An average may print differently: rows are paired by everything else.
            let average = question.columns.iter().position(|name| name == "avg");
            let exact = |row: &Vec<Value>| {
                let kept = row.iter().enumerate().filter(|(at, _)| Some(*at) != average);
                kept.map(|(_, value)| format!("{value} ")).collect::<String>()
            };
            ours.sort_by_cached_key(exact);
            theirs.sort_by_cached_key(exact);
        }
        assert_eq!(ours.len(), theirs.len(), "{context}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let agree = ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs));
            assert!(agree, "{context}\n  ours   {ours:?}\n  theirs {theirs:?}");
        }
        answered += usize::from(!theirs.is_empty());
    }
    assert!(100 < answered, "only {answered} questions had an answer to compare");
}

/// Copies a store that nobody writes to.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).unwrap();
        }
    }
}
