//! Any bytes as a line of a foreign log.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logq_ingest::fuzz_line(bytes));
