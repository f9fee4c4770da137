//! Many threads on one store.

use logq_engine::{Durability, Event, Options, Store};

use crate::support::{numbers, rows};

#[test]
fn threads_that_share_a_synced_writer_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Synced, file_size: 64 << 10, ..Options::default() };
    let store = Store::open(dir.path(), options).unwrap();
    let log = store.writer().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = log.clone();
            scope.spawn(move || {
                for n in 0..100 {
                    log.append(&Event::new().field("n", thread * 100 + n)).unwrap();
                }
            });
        }
    });
    let mut found = numbers(&rows(&store));
    found.sort_unstable();
    assert_eq!(found, (0..800).collect::<Vec<_>>());
    log.close().unwrap();
    assert_eq!(store.check().unwrap().damage, []);
}
