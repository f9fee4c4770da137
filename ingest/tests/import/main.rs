//! Imports as a whole: sources in, records of a real store out.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod exactly_once;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod invariance;
#[cfg(test)]
mod real_data;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod support;
