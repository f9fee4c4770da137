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
/// Queries of several steps in one run.
const DEEP_QUERIES: u64 = 2_000;
/// Records that these are about.
const ROWS: usize = 250;
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

/// The lines of a file, which may be compressed.
fn read(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap();
    if file.extension().is_none_or(|extension| extension != "gz") {
        return String::from_utf8(bytes).unwrap();
    }
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    text
}

impl Data {
    fn load(text: &str) -> Self {
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

/// A text as both languages take it between quotes.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':') { c } else { 'x' })
        .collect()
}

/// A part of a value: from its beginning, its end, or anywhere.
fn like(data: &Data, random: &mut Random) -> (String, String) {
    let name = random.pick(&TEXTS);
    let value = plain(&text(data, random, name));
    let from = random.below(value.len().max(1));
    let (head, tail) = value.split_at(from.min(value.len()));
    let (upper, lower) = (tail.to_uppercase(), tail.to_lowercase());
    match random.below(5) {
        0 if !tail.is_empty() => {
            (format!("{name} ends \"{upper}\""), format!("coalesce({name} like '%{lower}', 0)"))
        }
        1 if !head.is_empty() => {
            (format!("{name} starts \"{head}\""), format!("coalesce({name} like '{head}%', 0)"))
        }
        2 => (format!("{name} like \"*{upper}\""), format!("coalesce({name} like '%{lower}', 0)")),
        3 => (
            format!("not {name} like \"{head}?{}\"", tail.get(1..).unwrap_or_default()),
            format!("(not coalesce({name} like '{head}_{}', 0))", tail.get(1..).unwrap_or_default()),
        ),
        _ => (format!("{name} like \"{head}*\""), format!("coalesce({name} like '{head}%', 0)")),
    }
}

/// Numbers in a list, outside of a range, and values that another query gives.
fn sets(data: &Data, random: &mut Random, depth: usize) -> (String, String) {
    let number = random.pick(&NUMBERS);
    let mut values: Vec<i64> = (0..3).map(|_| data.value(random, number).as_i64().unwrap_or(0)).collect();
    let not = random.pick(&["", "not "]);
    match random.below(if depth == 0 { 2 } else { 3 }) {
        0 => {
            let list = values.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            (format!("{number} {not}in ({list})"), format!("coalesce({number} {not}in ({list}), 0)"))
        }
        1 => {
            values.sort_unstable();
            let (low, high) = (values[0], values[2]);
            (
                format!("{number} {not}between {low} and {high}"),
                format!("coalesce({number} {not}between {low} and {high}, 0)"),
            )
        }
        _ => {
            let name = random.pick(&TEXTS);
            let (ours, theirs) = condition(data, random, depth - 1);
            let (our_values, their_values) = match random.below(3) {
                0 => (format!("events where {ours} by {name}"), "1".to_owned()),
                1 => (format!("events where {ours} | keep {name}"), "1".to_owned()),
                _ => (
                    format!("events where {ours} count by {name} | where count > 2"),
                    "count(*) > 2".to_owned(),
                ),
            };
            let inner = format!(
                "select {name} from t where {theirs} and {name} is not null group by {name} having {their_values}"
            );
            (
                format!("{name} {not}in ({our_values})"),
                format!("({name} is not null and {name} {not}in ({inner}))"),
            )
        }
    }
}

/// A condition, in both languages.
fn condition(data: &Data, random: &mut Random, depth: usize) -> (String, String) {
    let choice = if depth == 0 { 3 + random.below(9) } else { random.below(12) };
    match choice {
        9 => like(data, random),
        10 => sets(data, random, depth),
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

/// The two smallest parts of an order: largest first or smallest first; what is missing comes last.
fn order(random: &mut Random, name: &str) -> (String, String) {
    match random.below(2) {
        0 => (format!("{name} desc"), format!("{name} is null, {name} desc")),
        _ => (name.to_owned(), format!("{name} is null, {name}")),
    }
}

/// Arithmetic over numbers, in both languages.
fn arithmetic(random: &mut Random, depth: usize) -> (String, String) {
    if depth == 0 || random.below(4) == 0 {
        return match random.below(4) {
            0 => {
                let number = (1 + random.below(9)).to_string();
                (number.clone(), number)
            }
            _ => {
                let number = random.pick(&NUMBERS);
                (number.to_owned(), number.to_owned())
            }
        };
    }
    let (left, right) = (arithmetic(random, depth - 1), arithmetic(random, depth - 1));
    match random.below(4) {
        // Real division, not that of integers.
        0 => (format!("({} / {})", left.0, right.0), format!("({} * 1.0 / {})", left.1, right.1)),
        other => {
            let sign = ["+", "-", "*"][other - 1];
            (format!("({} {sign} {})", left.0, right.0), format!("({} {sign} {})", left.1, right.1))
        }
    }
}

/// A question that goes through several steps.
fn deep(data: &Data, random: &mut Random) -> Question {
    let (ours, theirs) = condition(data, random, 2);
    let (our_time, their_time) = range(data, random);
    let (ours, theirs) = (format!("where {ours}{our_time}"), format!("from t where {theirs}{their_time}"));
    let (number, key) = (random.pick(&NUMBERS), random.pick(&TEXTS));
    let count = 1 + random.below(12);
    let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    match random.below(8) {
        0 => {
            let (word, direction) = [("top", "desc"), ("bottom", "asc")][random.below(2)];
            Question {
                ours: format!("events {ours} sum({number}) as s, count by {key} {word} {count} by s"),
                theirs: format!(
                    "select {key}, sum({number}) as s, count(*) {theirs} group by {key} \
                     order by s is null, s {direction}, {key} is null, {key} limit {count}"
                ),
                columns: columns(&[key, "s", "count"]),
                ordered: true,
            }
        }
        1 => {
            let (low, high) = (random.below(20), data.value(random, number).as_i64().unwrap_or(0));
            let word = random.pick(&["and", "or"]);
            Question {
                ours: format!(
                    "events {ours} | stats count, max({number}) as m by {key} | where count > {low} {word} m <= {high} | limit all"
                ),
                theirs: format!(
                    "select {key}, count(*) as c, max({number}) as m {theirs} group by {key} \
                     having c > {low} {word} coalesce(m <= {high}, 0)"
                ),
                columns: columns(&[key, "count", "m"]),
                ordered: false,
            }
        }
        2 => {
            let other = random.pick(&TEXTS);
            if other == key {
                return deep(data, random);
            }
            let (first, second) = (order(random, "m"), order(random, "count"));
            Question {
                ours: format!(
                    "events {ours} | stats count, min({number}) as m by {key}, {other} | sort {}, {} | limit {count}",
                    first.0, second.0
                ),
                theirs: format!(
                    "select {key}, {other}, count(*) as count, min({number}) as m {theirs} group by {key}, {other} \
                     order by {}, {}, {key} is null, {key}, {other} is null, {other} limit {count}",
                    first.1, second.1
                ),
                columns: columns(&[key, other, "count", "m"]),
                ordered: true,
            }
        }
        3 => Question {
            ours: format!("events {ours} | dedup by {key} | keep {key}, message_id | limit all"),
            theirs: format!(
                "select {key}, message_id from (select *, rowid as r, row_number() over \
                 (partition by {key} order by time desc, rowid desc) as place {theirs}) where place = 1 order by time, r"
            ),
            columns: columns(&[key, "message_id"]),
            ordered: true,
        },
        4 => {
            let (our_sum, their_sum) = arithmetic(random, 2);
            let by = order(random, "x");
            Question {
                ours: format!(
                    "events {ours} | set x = {our_sum} | sort {} | limit {count} | keep x, message_id",
                    by.0
                ),
                theirs: format!(
                    "select x, message_id from (select *, rowid as r, {their_sum} as x {theirs}) order by {}, time, r limit {count}",
                    by.1
                ),
                columns: columns(&["x", "message_id"]),
                ordered: true,
            }
        }
        5 => {
            let (our_if, their_if) = condition(data, random, 1);
            let (our_sum, their_sum) = arithmetic(random, 2);
            Question {
                ours: format!(
                    "events {ours} count if ({our_if}) as some, sum({number}) if ({our_if}) as part, share() as share, \
                     count({our_sum}) as there, distinct({number}) as kinds by {key} limit all"
                ),
                theirs: format!(
                    "select {key}, count(case when {their_if} then 1 end), sum(case when {their_if} then {number} end), \
                     count(*) * 1.0 / sum(count(*)) over (), count({their_sum}), count(distinct {number}) {theirs} group by {key}"
                ),
                columns: columns(&[key, "some", "part", "share", "there", "kinds"]),
                ordered: false,
            }
        }
        6 => {
            let other = if key == "version" { "model" } else { "version" };
            Question {
                ours: format!(
                    "events {ours} | stats sum({number}) as s, count as n by {key}, {other} | \
                 stats sum(s) as total, max(n) as most, count as groups, count(s) as known by {key} | limit all"
                ),
                theirs: format!(
                    "select {key}, sum(s), max(n), count(*), count(s) from (select {key}, {other}, sum({number}) as s, \
                 count(*) as n {theirs} group by {key}, {other}) group by {key}"
                ),
                columns: columns(&[key, "total", "most", "groups", "known"]),
                ordered: false,
            }
        }
        _ => {
            let by = order(random, number);
            Question {
                ours: format!("events {ours} sort {}, message_id limit {count}", by.0),
                theirs: format!(
                    "select {number}, message_id {theirs} order by {}, message_id, time, rowid limit {count}",
                    by.1
                ),
                columns: columns(&[number, "message_id"]),
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

/// The same data three times: as it was imported, sealed, and in the archive.
fn stores(place: &Place, file: &Path) -> [logq_engine::Store; 3] {
    place.run(["import", file.to_str().unwrap()]).good();
    ["active", "sealed", "archived"].map(|layout| {
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
    })
}

/// Our answer from a store, without what it took.
fn answer(store: &logq_engine::Store, query: &Query, rules: &[Rule], context: &str) -> Value {
    let session = Session { shape: RowShape::Full, rules: rules.to_vec(), ..Session::default() };
    let answer = query.run(store, &session).unwrap_or_else(|error| panic!("{context}\n{error}"));
    let mut answer: Value = serde_json::from_str(&answer.to_json()).unwrap();
    answer["stats"] = Value::Null;
    answer
}

/// Panics where our answer is another one than that of SQLite; says whether there was one to compare.
fn agree(data: &Data, question: &Question, answer: &Value, context: &str) -> bool {
    let mut ours: Vec<Vec<Value>> = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| question.columns.iter().map(|name| row[name].clone()).collect())
        .collect();
    let mut theirs = data.ask(&question.theirs);
    if !question.ordered {
        // An average may print differently: rows are paired by everything else.
        let float = |name: &String| name == "avg" || name == "share";
        let exact = |row: &Vec<Value>| {
            let kept = row.iter().zip(&question.columns).filter(|(_, name)| !float(name));
            kept.map(|(value, _)| format!("{value} ")).collect::<String>()
        };
        ours.sort_by_cached_key(exact);
        theirs.sort_by_cached_key(exact);
    }
    assert_eq!(ours.len(), theirs.len(), "{context}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let agree = ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs));
        assert!(agree, "{context}\n  ours   {ours:?}\n  theirs {theirs:?}");
    }
    !theirs.is_empty()
}

/// The calls of a coding agent: all of them where the data is there, else the excerpt.
fn calls() -> std::path::PathBuf {
    let whole = whole_data().map(|folder| folder.join("llm_traces/claude_code_calls/calls.jsonl.gz"));
    whole.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/claude_code.jsonl"))
}

#[test]
fn two_hundred_random_queries_agree_with_sqlite() {
    let file = calls();
    let data = Data::load(&read(&file));
    let place = Place::new();
    let [store, sealed, archived] = &stores(&place, &file);
    let mut answered = 0;
    for seed in 1..=QUERIES {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let question = question(&data, &mut random);
        let context = format!("seed {seed}\n  {}\n  {}", question.ours, question.theirs);
        let query = Query::parse(&question.ours).unwrap_or_else(|error| panic!("{context}\n{error}"));
        let ours = answer(store, &query, &Rule::ALL, &context);
        for other in [sealed, archived] {
            assert_eq!(answer(other, &query, &Rule::ALL, &context), ours, "{context}");
            assert_eq!(answer(other, &query, &[], &context), ours, "{context}, without rules");
        }
        answered += usize::from(agree(&data, &question, &ours, &context));
    }
    assert!(100 < answered, "only {answered} questions had an answer to compare");
}

/// Many small questions find what few large ones do not: several steps over some of the same records.
#[test]
fn two_thousand_random_queries_of_several_steps_agree_with_sqlite() {
    let text = read(&calls());
    let lines: Vec<&str> = text.lines().collect();
    let step = lines.len().div_ceil(ROWS).max(1);
    let some: String = lines.iter().step_by(step).map(|line| format!("{line}\n")).collect();
    let data = Data::load(&some);
    let place = Place::new();
    let file = place.write("some.jsonl", &some);
    let stores = stores(&place, &file);
    let mut answered = 0;
    let first = std::env::var("LOGQ_TEST_SEED").map_or(0, |seed| seed.parse().unwrap());
    for seed in first + 1..=first + DEEP_QUERIES {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let question = if seed % 4 == 0 { question(&data, &mut random) } else { deep(&data, &mut random) };
        let context = format!("seed {seed}\n  {}\n  {}", question.ours, question.theirs);
        let query = Query::parse(&question.ours).unwrap_or_else(|error| panic!("{context}\n{error}"));
        let [one, other] = [random.below(3), random.below(3)].map(|at| &stores[at]);
        let ours = answer(one, &query, &Rule::ALL, &context);
        assert_eq!(answer(other, &query, &[], &context), ours, "{context}, without rules");
        answered += usize::from(agree(&data, &question, &ours, &context));
    }
    assert!(1_000 < answered, "only {answered} questions had an answer to compare");
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
