//! `events`: the records themselves.

use super::{BASE, Noun};

pub(super) const NOUN: Noun = BASE;
