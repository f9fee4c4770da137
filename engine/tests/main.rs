//! Tests of the engine through its public API, on the real disk and on the simulated one.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod budgets_crash;
#[cfg(test)]
mod budgets_time;
#[cfg(test)]
mod circumstances;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod doubled;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod forget;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod polite;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod sizes;
#[cfg(test)]
mod store;
#[cfg(test)]
mod support;
#[cfg(test)]
mod upkeep;
