//! x
use logq_engine::{Event, Options, Store, Value, Level};
use logq_query::{Query, Session};
#[test]
fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let log = store.writer().unwrap();
    let now: i64 = 1_795_348_800_000_000_000;
    for i in 0..500i64 {
        let mut e = Event::ai(["code_review", "summarize", "embed"][(i % 3) as usize])
            .at(now - i * 300_000_000_000)
            .model(["llama3.2", "gpt-4o-mini"][(i % 2) as usize])
            .tokens(100 + i, 50)
            .level(if i % 10 == 0 { Level::Error } else { Level::Info })
            .field("latency", i * 10)
            .message(&format!("connection timeout {i}"));
        e.set("cost", Value::Number("0.02"));
        log.append(&e).unwrap();
    }
    let text = std::env::var("Q").unwrap_or("tokens where model=llama3.2 last 24h".into());
    for q in text.split(";;") {
        println!("=== {q}");
        match Query::parse(q).and_then(|q| q.run(&store, &Session { now: Some(now), ..Session::default() })) {
            Ok(a) => {
                println!("{}", a.expanded);
                println!("{}", a.columns.iter().map(|c| format!("{}:{}", c.name, c.kind.as_str())).collect::<Vec<_>>().join(" "));
                for r in a.rows.iter().take(12) { println!("{}", a.row_json(r)); }
                println!("rows {} more {} warnings {:?} {:?}", a.rows.len(), a.more, a.warnings.iter().map(|w| &w.text).collect::<Vec<_>>(), a.stats);
            }
            Err(e) => println!("{e}"),
        }
    }
}
