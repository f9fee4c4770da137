//! Tests of the engine through its public API, on the real disk and on the simulated one.

mod crash;
mod faults;
mod processes;
mod store;
mod support;
