//! Any bytes as the index of a segment.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logq_engine::fuzzing::index(bytes));
