//! Any bytes as the text of a query.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logq_query::fuzz_text(bytes));
