//! Names that events have: asked for when a query names a field, to warn of one that no event ever had.

use logq_engine::{Predicate, Scan, Snapshot};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::error::Result;

/// Names that are remembered for "did you mean".
const NAMES_MAX: usize = 10_000;

/// Which of `asked` some event has; and where one is missing, all names that events have.
pub(crate) fn seen(snapshot: &Snapshot, asked: &[&str]) -> Result<(Vec<bool>, BTreeSet<String>)> {
    let mut found = vec![false; asked.len()];
    let scan = Scan { predicate: Predicate::All, fields: true, ..Scan::default() };
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut meet = |name: &str| {
        if names.len() < NAMES_MAX && !names.contains(name) {
            names.insert(name.to_owned());
        }
        for (asked, found) in asked.iter().zip(&mut found) {
            *found |= *asked == name;
        }
        found.iter().all(|found| *found)
    };
    // What is known without reading comes first: it may be enough.
    let mut unread = Vec::new();
    let parts = snapshot.parts(&scan)?;
    let mut done = false;
    for part in &parts {
        match part.names() {
            Some(known) => done |= known.into_iter().fold(false, |_, name| meet(name)),
            None => unread.push(part),
        }
    }
    for part in unread {
        if done {
            break;
        }
        part.scan(&mut |batch| {
            for row in 0..batch.len() {
                for (name, _) in batch.fields(row) {
                    done = meet(name);
                }
            }
            if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
    }
    Ok((found, names))
}
