//! Loggers, from the call to the answer of a query.

#[cfg(test)]
mod adapters;
#[cfg(test)]
mod exec;
#[cfg(test)]
mod loggers;
