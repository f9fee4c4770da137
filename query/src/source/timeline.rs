//! `session ID` and `trace ID`: the records of one, in their order, with the time between them and what each step took.

use super::{BASE, Noun, Takes};

/// The columns.
const LISTING: [&str; 8] =
    ["time", "gap", "operation", "level", "message", "latency", "total_tokens", "cost"];

pub(super) const SESSION: Noun =
    Noun { takes: Some(Takes::Id("session")), listing: &LISTING, gaps: true, totals: true, ..BASE };

pub(super) const TRACE: Noun = Noun { takes: Some(Takes::Id("trace")), ..SESSION };
