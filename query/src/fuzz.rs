//! The body of a fuzz target: any bytes are read as a query, and nothing panics.

use crate::query::{Query, Session};

/// Reads bytes as the text of a query; what is one is explained, printed and read again.
///
/// # Panics
/// When a query does not print as a text that reads as the same query.
pub fn fuzz_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let query = match Query::parse(&text) {
        Ok(query) => query,
        Err(error) => {
            let _shown = error.to_string();
            return;
        }
    };
    let _explained = query.explain(&Session::default(), 0).map_err(|error| error.to_string());
    let printed = query.tree().to_string();
    let again =
        Query::parse(&printed).unwrap_or_else(|error| panic!("BUG: {text:?} prints as {printed:?}: {error}"));
    assert_eq!(again.tree().to_string(), printed, "BUG: {text:?} prints in two ways");
}
