//! What must hold of a stream: all rows of a query, each once and in order, whatever the memory of a step.

use std::ops::ControlFlow;

use logq_engine::{Durability, Event, Options, Store};
use logq_query::{Answer, Query, Row, RowShape, Session};

use crate::data::NOW;

/// Events of few and of many times, some of them large, of two writers.
fn store(dir: &std::path::Path) -> Store {
    let store = Store::open(dir, Options::default()).unwrap();
    let logs = [(); 2].map(|()| store.writer_with(Durability::Buffered).unwrap());
    for number in 0..6000_i64 {
        let time = if number % 3 == 0 { NOW - 5 } else { NOW - (number * 7919 % 6000) * 1_000_000_000 };
        let size = if number % 100 == 0 { 4000 } else { number % 20 };
        let event = Event::new().at(time).field("n", number).field("key", number % 7);
        let event = event.field("text", &"x".repeat(usize::try_from(size).unwrap()));
        logs[usize::from(number % 2 == 0)].append(&event).unwrap();
    }
    store
}

fn streamed(store: &Store, text: &str, session: &Session) -> (Vec<Row>, usize, Answer) {
    let (mut rows, mut pieces) = (Vec::new(), 0);
    let query = Query::parse(text).unwrap();
    let answer = query.stream(store, &store.snapshot().unwrap(), session, &mut |piece| {
        rows.extend_from_slice(&piece.rows);
        pieces += 1;
        ControlFlow::Continue(())
    });
    (rows, pieces, answer.unwrap_or_else(|error| panic!("{text}: {error}")))
}

#[test]
fn a_stream_gives_every_row_once_and_in_order_whatever_its_memory() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    for shape in [RowShape::Table, RowShape::Full] {
        let session = Session { now: Some(NOW), shape, implicit_limits: false, ..Session::default() };
        let small = Session { memory_max: 64 << 10, ..session.clone() };
        for text in [
            "events",
            "events where n < 3000 last 1h",
            "events until 2020-01-01",
            "key in (1, 2) | set double = n * 2 | where double > 100 | drop text",
            "events | keep _id, n, time | rename n as number | sample 0.5",
            "events where n in (events n < 5 | keep n)",
            "events sum(n) by key",
            "events | sort n desc",
            "events limit 7",
        ] {
            let query = Query::parse(text).unwrap();
            let want = query.run(&store, &session).unwrap();
            let (rows, _, answer) = streamed(&store, text, &session);
            assert!(rows == want.rows, "{text}: {} rows, not {}", rows.len(), want.rows.len());
            assert_eq!((answer.expanded, answer.range), (want.expanded, want.range), "{text}");
            if ["sum", "sort"].iter().any(|word| text.contains(word)) {
                continue;
            }
            let (rows, pieces, _) = streamed(&store, text, &small);
            assert!(rows == want.rows, "{text}: {} rows, not {}", rows.len(), want.rows.len());
            assert!(text != "events" || 10 < pieces, "{text}: {pieces} pieces");
        }
    }
}

#[test]
fn a_stream_stops_when_its_visitor_does_and_warns_as_an_answer_does() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let session = Session { memory_max: 64 << 10, implicit_limits: false, ..Session::default() };
    let mut pieces = 0;
    let query = Query::parse("nothere exists or n >= 0 | where n >= 0").unwrap();
    let answer = query.stream(&store, &store.snapshot().unwrap(), &session, &mut |_| {
        pieces += 1;
        ControlFlow::Break(())
    });
    assert_eq!(pieces, 1);
    assert_eq!(answer.unwrap().warnings.len(), 1);
    let (rows, _, _) = streamed(&store, "events", &Session::default());
    assert_eq!(rows.len(), 100, "the implicit limit holds where it is not lifted");
    assert!(Query::parse("explain events").unwrap().is_explain());
    let (plan, _, _) = streamed(&store, "explain events", &session);
    assert!(!plan.is_empty());
}
