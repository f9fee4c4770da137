//! What sealed segments take of data made to defeat every encoding: hardly more than the rows themselves.

use logq_engine::{Durability, Event, Options, Store, Value};

use crate::support::rows;

/// Numbers without a pattern.
fn noise(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

/// Seals the events and holds the segment against a tenth more than their rows. What comes back is what went in.
fn stays_small(events: &[Event], what: &str) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options { maintain: false, ..Options::default() }).unwrap();
    let log = store.writer_with(Durability::Buffered).unwrap();
    for batch in events.chunks(1000) {
        log.append_batch(batch).unwrap();
    }
    log.close().unwrap();
    let before = rows(&store);
    store.seal().unwrap();
    let files = store.snapshot().unwrap().storage();
    let (raw, stored) =
        files.iter().fold((0, 0), |(raw, stored), file| (raw + file.raw, stored + file.stored));
    assert!(stored * 10 <= raw * 11, "{what}: {stored} bytes of {raw} as rows");
    assert!(rows(&store) == before, "{what}: rows changed");
    assert_eq!(store.check().unwrap().damage, [], "{what}");
}

#[test]
fn rows_of_which_each_has_a_form_of_its_own_stay_small() {
    let text = |n: u64| {
        let words = noise(n + 1).take(20 + usize::try_from(n % 7).unwrap());
        words
            .map(|word| format!("{}{:x}", ["a", "-", "/", "="][(word % 4) as usize], word >> 30))
            .collect::<Vec<_>>()
            .join(" ")
    };
    stays_small(
        &(0..6000)
            .map(|n| Event::new().at(1000 + i64::try_from(n).unwrap()).message(&text(n)))
            .collect::<Vec<_>>(),
        "messages",
    );
}

#[test]
fn rows_of_which_each_has_a_field_of_its_own_stay_small() {
    let event = |n: i64| {
        Event::new().at(n).field(&format!("field_of_row_{n}"), format!("value {n} of its own").as_str())
    };
    stays_small(&(0..6000).map(event).collect::<Vec<_>>(), "fields");
}

#[test]
fn random_bytes_stay_small() {
    let bytes = |n: u64| noise(n + 1).take(128).flat_map(u64::to_le_bytes).collect::<Vec<u8>>();
    let event = |n: u64| Event::new().at(i64::try_from(n).unwrap()).field("raw", Value::Bytes(&bytes(n)));
    stays_small(&(0..6000).map(event).collect::<Vec<_>>(), "bytes");
}

#[test]
fn rows_that_are_all_equal_stay_small() {
    let event = Event::ai("chat").at(5).prompt(&"the same question again ".repeat(100));
    stays_small(&vec![event; 6000], "equal rows");
}

#[test]
fn one_message_as_large_as_a_record_may_be_stays_small() {
    let text: String = noise(3)
        .flat_map(|word| format!("{:x} ", word >> 20).into_bytes())
        .map(char::from)
        .take(63 << 20)
        .collect();
    stays_small(&[Event::new().at(1).message(&text)], "one message");
}
