//! Tests of the query language from text to answer.

#[cfg(test)]
mod budget;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod data;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod lanes;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod patterns;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod rollups;
#[cfg(test)]
mod stream;
