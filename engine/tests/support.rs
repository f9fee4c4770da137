//! What the tests share: reading a store back as plain data.

use std::ops::ControlFlow;

use logq_engine::{Gap, RecordId, Scan, Snapshot, Store, Value};

/// One record, as plain data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) id: RecordId,
    pub(crate) time: i64,
    pub(crate) fields: Vec<(String, String)>,
}

/// All records of a snapshot by id, and the damage that reading them met.
pub(crate) fn read(snapshot: &Snapshot, scan: &Scan) -> (Vec<Row>, Vec<Gap>) {
    let scan = Scan { fields: true, ..scan.clone() };
    let mut rows = Vec::new();
    let mut gaps = snapshot.gaps();
    for part in snapshot.parts(&scan).unwrap() {
        let stats = part
            .scan(&mut |batch| {
                for at in 0..batch.len() {
                    let fields =
                        batch.fields(at).map(|(name, value)| (name.to_owned(), format!("{value:?}")));
                    rows.push(Row { id: batch.id(at), time: batch.time(at), fields: fields.collect() });
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        gaps.extend(stats.gaps);
    }
    rows.sort();
    (rows, gaps)
}

/// All records of a store by id; damage fails the test.
pub(crate) fn rows(store: &Store) -> Vec<Row> {
    let (rows, gaps) = read(&store.snapshot().unwrap(), &Scan::default());
    assert_eq!(gaps, []);
    rows
}

/// The values of the integer field `n` of all records, by id.
pub(crate) fn numbers(rows: &[Row]) -> Vec<i64> {
    let number = |row: &Row| {
        let (_, text) =
            row.fields.iter().find(|(name, _)| name == "n").expect("every record has the field n");
        text.strip_prefix("Int(").and_then(|text| text.strip_suffix(')')).unwrap().parse().unwrap()
    };
    rows.iter().map(number).collect()
}

/// A value as rows show it.
pub(crate) fn shown(value: Value<'_>) -> String {
    format!("{value:?}")
}
