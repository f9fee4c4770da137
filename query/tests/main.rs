//! Tests of the query language from text to answer.

mod cases;
mod data;
mod docs;
mod laws;
