//! Any bytes as an active file and as a payload.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| logq_engine::fuzzing::frames(bytes));
