//! Sealed segments: nothing changes for a reader.

use crate::support::{self, Row};
use logq_engine::{Event, Options, Store, Value};

fn options() -> Options {
    Options { maintain: false, ..Options::default() }
}

fn events(count: usize) -> Vec<Event> {
    (0..count)
        .map(|at| {
            let time = 1_700_000_000_000_000_000 + i64::try_from(at * 7919 % 1000).unwrap() * 1_000_000_007;
            let mut event = Event::ai("puzzle").at(time).model(["llama3.2", "gpt-4o"][at % 2]);
            if at % 3 != 0 {
                event = event.message(&format!("request req-{at:x} took {} ms", at % 97));
            }
            if at % 50 == 0 {
                event = event.field(&format!("odd{}", at % 7), Value::Number("1.0"));
            }
            event
        })
        .collect()
}

#[test]
fn sealed_rows_are_the_rows_that_were_appended() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let writer = store.writer().unwrap();
    for chunk in events(5000).chunks(100) {
        writer.append_batch(chunk).unwrap();
    }
    writer.close().unwrap();
    let before = sorted(support::rows(&store));
    let upkeep = store.seal().unwrap();
    assert_eq!(upkeep.unsealed, 0);
    assert_eq!(upkeep.steps.len(), 1);
    assert_eq!(sorted(support::rows(&store)), before);
    let again = Store::open(dir.path(), options()).unwrap();
    assert_eq!(sorted(support::rows(&again)), before);
    assert_eq!(again.seal().unwrap().steps.len(), 0);
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| row.id);
    rows
}
