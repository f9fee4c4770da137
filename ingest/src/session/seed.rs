//! What a store says of calls that earlier imports counted: one scan over the events that carry an `event_id`.

use std::ops::ControlFlow;

use logq_engine::{Predicate, Scan, Store, Test, Value};

use super::amounts::{Amounts, FIELDS};
use super::ledger::Ledger;
use crate::error::Result;

const COLUMNS: [&str; 5] = ["event_id", "sidechain", "speed", "session", "parent_session"];

/// The ledger of a store.
///
/// # Errors
/// What the store says.
pub(super) fn read(store: &Store) -> Result<Ledger> {
    let exists = |name: &str| Predicate::field(name, Test::Exists);
    let columns = COLUMNS.iter().chain(&FIELDS).map(|&name| name.to_owned()).collect();
    let predicate = Predicate::Or(vec![exists("event_id"), exists("parent_session")]);
    let scan = Scan { predicate, columns, times: false, ids: false, ..Scan::default() };
    let mut ledger = Ledger::default();
    let snapshot = store.snapshot()?;
    for part in snapshot.parts(&scan)? {
        part.scan(&mut |batch| {
            for row in 0..batch.len() {
                let get = |at: usize| batch.column(at).get(row).copied().flatten();
                if let (Some(Value::Str(child)), Some(Value::Str(parent))) = (get(3), get(4)) {
                    ledger.adopt(child, parent);
                }
                let mut amounts = Amounts::default();
                for (at, number) in amounts.0.iter_mut().enumerate() {
                    *number = match get(COLUMNS.len() + at) {
                        Some(Value::Int(number) | Value::Cost(number)) => Some(number),
                        _ => None,
                    };
                }
                if let Some(Value::Str(event_id)) = get(0) {
                    let sidechain = get(1) == Some(Value::Bool(true));
                    let fast = get(2) == Some(Value::Str("fast"));
                    ledger.restore(event_id, sidechain, fast, amounts);
                }
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(ledger)
}
