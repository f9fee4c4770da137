//! Selecting rows of a sealed block: which groups may hold matches, and which rows of a group match.
//!
//! Both look at values as they are encoded: a test is asked once for each entry of a dictionary, bounds rule
//! out groups, the index says which groups hold a word. What the groups say is only where to look; each row
//! that is selected was tested by its own value.

use std::array;
use std::cell::Cell;

use crate::column::{TextKind, Unit, View};
use crate::field;
use crate::gap::Gap;
use crate::predicate::{Comparison, Literal};
use crate::predicate::{Compiled, Node, Test};
use crate::record::{self, CUSTOM_BASE};
use crate::segment::sealed::group::{GroupReader, Held, Known, NOWHERE, Values};
use crate::segment::sealed::read::Segment;
use crate::text::{self, TextTest};
use crate::value::Value;

/// Of a group's texts so many are looked at without decoding the page.
const ONE_BY_ONE_MAX: usize = 256;

/// More than there are levels, and than there are booleans.
const FEW: usize = 8;

/// Rows of a group, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mask([u64; 16]);

impl Mask {
    pub(super) const EMPTY: Self = Self([0; 16]);

    /// The first `rows` rows.
    pub(super) fn first(rows: usize) -> Self {
        let mut mask = Self::EMPTY;
        for (at, word) in mask.0.iter_mut().enumerate() {
            let here = rows.saturating_sub(at * 64).min(64);
            *word = if here == 64 { u64::MAX } else { (1 << here) - 1 };
        }
        mask
    }

    /// The rows that have a place in a list of places.
    fn placed(list: &[u32]) -> Self {
        let mut mask = Self::EMPTY;
        for (word, places) in mask.0.iter_mut().zip(list.chunks(64)) {
            *word = (0..).zip(places).fold(0, |bits, (at, place)| bits | u64::from(*place != NOWHERE) << at);
        }
        mask
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    fn set(&mut self, row: usize) {
        if let Some(word) = self.0.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    fn and(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= other);
        self
    }

    fn or(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
        self
    }

    fn without(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= !other);
        self
    }

    /// The rows, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(at, &word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                left &= left.wrapping_sub(1);
                (bit < 64).then_some(at * 64 + bit)
            })
        })
    }

    /// Those rows that pass.
    pub(super) fn filter(&self, mut test: impl FnMut(usize) -> bool) -> Self {
        let mut passed = Self::EMPTY;
        self.rows().filter(|row| test(*row)).for_each(|row| passed.set(row));
        passed
    }
}

/// A predicate over the lanes of a block.
pub(super) enum Tree<'p> {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Leaf {
        lane: usize,
        question: Question<'p>,
        memo: Memo,
        templates: Verdicts,
    },
    Any {
        test: &'p TextTest,
        /// Lanes of the searched columns, and what is known of their dictionaries.
        lanes: Vec<(usize, Memo, Verdicts)>,
        /// Names of rare fields that are not searched.
        hidden: Vec<u64>,
    },
}

/// What a test says to the entries of a dictionary, as far as it was asked.
#[derive(Default)]
pub(super) struct Memo(Vec<Option<bool>>);

impl Memo {
    fn ask(&mut self, code: u32, test: impl FnOnce() -> bool) -> bool {
        let at = code as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        match self.0.get_mut(at) {
            Some(known) => *known.get_or_insert_with(test),
            None => test(),
        }
    }
}

/// What a test says to the texts of each template, as far as it was asked: not asked yet, or its answer, which is none where
/// it depends on the text.
#[derive(Default)]
pub(super) struct Verdicts(Vec<Option<Option<bool>>>);

impl Verdicts {
    fn ask(&mut self, code: usize, test: impl FnOnce() -> Option<bool>) -> Option<bool> {
        if self.0.len() <= code {
            self.0.resize(code + 1, None);
        }
        match self.0.get_mut(code) {
            Some(known) => *known.get_or_insert_with(test),
            None => None,
        }
    }
}

/// Of the rows of `mask` those that pass by their templates alone, and those whose texts must be looked at; none where the
/// lane has no templates, or was decoded already.
fn by_template(
    reader: &mut GroupReader<'_>,
    lane: usize,
    test: &TextTest,
    verdicts: &mut Verdicts,
    mask: &Mask,
) -> Result<Option<(Mask, Mask)>, Gap> {
    if !reader.load_templates(lane)? {
        return Ok(None);
    }
    let Some((places, codes, templates)) = reader.templates(lane) else { return Ok(None) };
    let (mut passed, mut open) = (Mask::EMPTY, Mask::EMPTY);
    for row in mask.rows() {
        let Some(&code) = places.get(row).and_then(|place| codes.codes().get(place)) else { continue };
        let ask = || templates.sample(code).and_then(|sample| test.of_template(&sample));
        match if code == 0 { None } else { verdicts.ask(code, ask) } {
            Some(true) => passed.set(row),
            Some(false) => {}
            None => open.set(row),
        }
    }
    // A few texts are made one by one: most of a page would be made for nothing.
    if open.rows().take(ONE_BY_ONE_MAX + 1).count() <= ONE_BY_ONE_MAX {
        let mut left = Mask::EMPTY;
        for row in open.rows() {
            match places.get(row).and_then(|place| codes.text(templates, place)) {
                Some(text) if test.matches(text) => passed.set(row),
                Some(_) => {}
                // Reading the whole page says what is wrong with it.
                None => left.set(row),
            }
        }
        open = left;
    }
    Ok(Some((passed, open)))
}

/// A test of one field.
#[derive(Clone, Copy)]
pub(super) struct Question<'p> {
    node: &'p Node,
}

impl<'p> Question<'p> {
    fn holds(&self, value: Option<Value<'_>>) -> bool {
        self.node.holds(value)
    }

    /// The comparison with an integer that this is.
    fn int(&self) -> Option<(Comparison, i64)> {
        match self.node {
            Node::Int { comparison, int, .. } => Some((*comparison, *int)),
            _ => None,
        }
    }

    /// The test of a text that this is.
    fn text(&self) -> Option<&'p TextTest> {
        match self.node {
            Node::Field { test: Test::Text(test), .. } => Some(test),
            _ => None,
        }
    }

    /// Of values that are held like this: whether all of them pass and no row without one does (`true`), or the
    /// other way round (`false`). None where that depends on the value.
    fn presence(&self, view: &View<'_>) -> Option<bool> {
        // None of these holds a null.
        let there = matches!(view, View::Ints(..) | View::Floats(_) | View::Decimals(_) | View::Texts(_));
        match self.node {
            Node::Field { test: Test::Exists, .. } if there => Some(true),
            Node::Field { test: Test::Missing, .. } if there => Some(false),
            Node::Field { test: Test::Number, .. } if matches!(view, View::Ints(Unit::Int, _)) => Some(true),
            _ => None,
        }
    }

    /// Tokens that every text holds which passes.
    fn tokens(&self) -> Vec<String> {
        match self.node {
            Node::Field { test: Test::Text(test), .. } => test.required_tokens(),
            Node::Field { test: Test::Compare(Comparison::Eq, Literal::Text(text)), .. } => {
                text::tokens(text).map(ToOwned::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl<'p> Tree<'p> {
    /// The predicate over the lanes of its slots. `columns` are the lanes of all columns of the block, in
    /// case some string is searched anywhere.
    pub(super) fn new(
        compiled: &'p Compiled,
        lanes: &[usize],
        columns: &[usize],
        reader: &GroupReader<'_>,
    ) -> Self {
        Self::of(compiled.node(), lanes, columns, reader)
    }

    fn of(node: &'p Node, lanes: &[usize], columns: &[usize], reader: &GroupReader<'_>) -> Self {
        let list =
            |parts: &'p [Node]| parts.iter().map(|part| Self::of(part, lanes, columns, reader)).collect();
        match node {
            Node::And(parts) => Self::And(list(parts)),
            Node::Or(parts) => Self::Or(list(parts)),
            Node::Not(inner) => Self::Not(Box::new(Self::of(inner, lanes, columns, reader))),
            Node::Field { slot, .. } | Node::Int { slot, .. } | Node::In { slot, .. } => Self::Leaf {
                lane: lanes.get(*slot).copied().unwrap_or(usize::MAX),
                question: Question { node },
                memo: Memo::default(),
                templates: Verdicts::default(),
            },
            Node::Any(test) => {
                let head = &reader.block.head;
                let hidden = (0_u64..)
                    .zip(&head.names)
                    .filter(|(_, name)| !is_searched(name))
                    .map(|(number, _)| CUSTOM_BASE + number)
                    .collect();
                let searched = head.columns.iter().zip(columns).filter(|(column, _)| {
                    head.names.get(column.name as usize).is_some_and(|name| is_searched(name))
                });
                Self::Any {
                    test,
                    lanes: searched.map(|(_, &lane)| (lane, Memo::default(), Verdicts::default())).collect(),
                    hidden,
                }
            }
        }
    }

    /// Whether the predicate searches any string of a record.
    pub(super) fn searches(compiled: &Compiled) -> bool {
        fn any(node: &Node) -> bool {
            match node {
                Node::And(parts) | Node::Or(parts) => parts.iter().any(any),
                Node::Not(inner) => any(inner),
                Node::Any(_) => true,
                Node::Field { .. } | Node::Int { .. } | Node::In { .. } => false,
            }
        }
        any(compiled.node())
    }

    /// The groups of the block that may hold matches, a bit each.
    pub(super) fn groups(&mut self, reader: &GroupReader<'_>, index: &Lookup<'_>) -> u64 {
        match self {
            Self::And(parts) => {
                let mut left = u64::MAX;
                for part in parts {
                    left &= part.groups(reader, index);
                    if left == 0 {
                        break;
                    }
                }
                left
            }
            Self::Or(parts) => parts.iter_mut().fold(0, |all, part| all | part.groups(reader, index)),
            // What may not match in a group may well not match in all of it.
            Self::Not(_) => u64::MAX,
            Self::Leaf { lane, question, memo, .. } => leaf_groups(*lane, *question, memo, reader, index),
            Self::Any { test, .. } => index.groups(&test.required_tokens()),
        }
    }

    /// The rows of `mask` in the current group that match.
    pub(super) fn rows(&mut self, reader: &mut GroupReader<'_>, mask: &Mask) -> Result<Mask, Gap> {
        if mask.is_empty() {
            return Ok(Mask::EMPTY);
        }
        match self {
            Self::And(parts) => {
                let mut left = *mask;
                for part in parts {
                    left = part.rows(reader, &left)?;
                }
                Ok(left)
            }
            Self::Or(parts) => {
                let mut found = Mask::EMPTY;
                for part in parts {
                    found = found.or(&part.rows(reader, &mask.without(&found))?);
                }
                Ok(found)
            }
            Self::Not(inner) => Ok(mask.without(&inner.rows(reader, mask)?)),
            Self::Leaf { lane, question, memo, templates } => {
                let import = reader.null_is_missing(*lane);
                let mut mask = *mask;
                let mut passed = Mask::EMPTY;
                if let Some(test) = question.text()
                    && let Some((known, open)) = by_template(reader, *lane, test, templates, &mask)?
                {
                    if open.is_empty() {
                        return Ok(known);
                    }
                    (passed, mask) = (known, open);
                }
                reader.load(*lane)?;
                Ok(passed.or(&leaf_rows(&reader.values(*lane), *question, memo, &mask, import)))
            }
            Self::Any { test, lanes, hidden } => any_rows(test, lanes, hidden, reader, mask),
        }
    }
}

/// Whether a word anywhere in a record is looked for in this field.
fn is_searched(name: &str) -> bool {
    field::number(name).is_none_or(|known| field::searchable(known.into()))
}

fn leaf_groups(
    lane: usize,
    question: Question<'_>,
    memo: &mut Memo,
    reader: &GroupReader<'_>,
    index: &Lookup<'_>,
) -> u64 {
    let all = |may: bool| if may { u64::MAX } else { 0 };
    match reader.known(lane) {
        Known::Missing => all(question.holds(None)),
        Known::Constant { value, everywhere } => {
            all(question.holds(Some(value)) || (!everywhere && question.holds(None)))
        }
        Known::Entries { entries, everywhere } => {
            let codes = 0..u32::try_from(entries.len()).unwrap_or(u32::MAX);
            let mut hits = codes.filter(|&code| memo.ask(code, || question.holds(entries.get(code))));
            all(hits.next().is_some() || (!everywhere && question.holds(None)))
        }
        Known::Strings { everywhere } => {
            let tokens = question.tokens();
            match tokens.is_empty() || (!everywhere && question.holds(None)) {
                true => u64::MAX,
                false => index.groups(&tokens),
            }
        }
        Known::Nothing => {
            let Some((comparison, int)) = question.int() else { return u64::MAX };
            let mut groups = 0;
            for group in 0..reader.groups() {
                let may = match reader.bounds(lane, group) {
                    Some((Unit::Int, min, max)) => may_hold(comparison, int, min, max),
                    _ => true,
                };
                groups |= u64::from(may) << group;
            }
            groups
        }
    }
}

/// Whether some integer from `min` to `max` compares so.
fn may_hold(comparison: Comparison, int: i64, min: i64, max: i64) -> bool {
    match comparison {
        Comparison::Eq => min <= int && int <= max,
        Comparison::Ne => !(min == int && max == int),
        Comparison::Lt => min < int,
        Comparison::Le => min <= int,
        Comparison::Gt => int < max,
        Comparison::Ge => int <= max,
    }
}

fn leaf_rows(
    values: &Values<'_>,
    question: Question<'_>,
    memo: &mut Memo,
    mask: &Mask,
    null_is_missing: bool,
) -> Mask {
    let places = values.places;
    match &values.content {
        Held::Missing => {
            if question.holds(None) {
                *mask
            } else {
                Mask::EMPTY
            }
        }
        Held::Vector(vector, _) if !null_is_missing && question.presence(&vector.view()).is_some() => {
            let there = match places.list() {
                None => *mask,
                Some(list) => mask.and(&Mask::placed(list)),
            };
            match question.presence(&vector.view()) {
                Some(true) => there,
                _ => mask.without(&there),
            }
        }
        Held::Vector(vector, dictionary) if !null_is_missing => match (vector.view(), question.int()) {
            (View::Constant(value), _) => {
                let (with, without) = (question.holds(Some(value)), question.holds(None));
                mask.filter(|row| if places.get(row).is_some() { with } else { without })
            }
            (View::Codes(codes), _) => {
                let without = question.holds(None);
                let entry = |code| dictionary.and_then(|shared| shared.entries.get(code));
                mask.filter(|row| match places.get(row).and_then(|place| codes.get(place)) {
                    Some(&code) => memo.ask(code, || question.holds(entry(code))),
                    None => without,
                })
            }
            (View::Ints(Unit::Int, ints), Some((comparison, int))) => mask.filter(|row| {
                let value = places.get(row).and_then(|place| ints.get(place));
                value.is_some_and(|value| comparison.accepts(value.cmp(&int)))
            }),
            (View::Texts(texts), _) if texts.kind() == Some(TextKind::Str) && question.text().is_some() => {
                let Some(test) = question.text() else { return Mask::EMPTY };
                mask.filter(|row| places.get(row).is_some_and(|place| test.matches(texts.str(place))))
            }
            // Levels and booleans are few: each is asked about once.
            (View::Ints(unit @ (Unit::Level | Unit::Bool), ints), _) => {
                let holds: [bool; FEW] = array::from_fn(|int| {
                    let value = i64::try_from(int).ok().and_then(|int| unit.value(int));
                    value.is_some() && question.holds(value)
                });
                let without = question.holds(None);
                mask.filter(|row| match places.get(row).and_then(|place| ints.get(place)) {
                    Some(&int) => usize::try_from(int).ok().and_then(|int| holds.get(int)) == Some(&true),
                    None => without,
                })
            }
            _ => mask.filter(|row| question.holds(values.get(row))),
        },
        _ => mask.filter(|row| {
            let value = values.get(row);
            question.holds(value.filter(|value| !(null_is_missing && *value == Value::Null)))
        }),
    }
}

fn any_rows(
    test: &TextTest,
    lanes: &mut [(usize, Memo, Verdicts)],
    hidden: &[u64],
    reader: &mut GroupReader<'_>,
    mask: &Mask,
) -> Result<Mask, Gap> {
    let passes = |value: Option<Value<'_>>| {
        value.is_some_and(|value| text::strings(value, &mut |text| test.matches(text)))
    };
    let mut found = Mask::EMPTY;
    for (lane, memo, templates) in lanes {
        let mut left = mask.without(&found);
        if left.is_empty() {
            return Ok(found);
        }
        if let Some((known, open)) = by_template(reader, *lane, test, templates, &left)? {
            found = found.or(&known);
            if open.is_empty() {
                continue;
            }
            left = open;
        }
        reader.load(*lane)?;
        let values = reader.values(*lane);
        let hits = match &values.content {
            Held::Missing | Held::Times(..) => continue,
            Held::Vector(vector, dictionary) => match vector.view() {
                View::Ints(..) | View::Floats(_) | View::Decimals(_) => continue,
                View::Constant(value) => match passes(Some(value)) {
                    true => left.filter(|row| values.places.get(row).is_some()),
                    false => continue,
                },
                View::Codes(codes) => left.filter(|row| {
                    let code = values.places.get(row).and_then(|place| codes.get(place));
                    let entry = |code| dictionary.and_then(|shared| shared.entries.get(code));
                    code.is_some_and(|&code| memo.ask(code, || passes(entry(code))))
                }),
                _ => left.filter(|row| passes(values.get(row))),
            },
            Held::Rare(..) => left.filter(|row| passes(values.get(row))),
        };
        found = found.or(&hits);
    }
    let left = mask.without(&found);
    if left.is_empty() || !reader.has_rare() {
        return Ok(found);
    }
    reader.load_rare_fields()?;
    let hits = left.filter(|row| {
        let mut fields = reader.rare(row);
        std::iter::from_fn(|| record::take_field(&mut fields))
            .any(|raw| !hidden.contains(&raw.name) && passes(raw.value()))
    });
    Ok(found.or(&hits))
}

/// Asks a segment's index about the groups of one block.
pub(super) struct Lookup<'s> {
    segment: &'s Segment,
    first_group: u32,
    /// Whether the index may be used at all.
    on: bool,
    /// The groups that it did not rule out whenever it was asked, a bit each.
    left: Cell<u64>,
}

impl<'s> Lookup<'s> {
    pub(super) fn new(segment: &'s Segment, block: u32, on: bool) -> Self {
        Self { segment, first_group: segment.group_start(block), on, left: Cell::new(u64::MAX) }
    }

    /// The groups of the block that hold all of the tokens, a bit each.
    fn groups(&self, tokens: &[String]) -> u64 {
        if tokens.is_empty() || !self.on {
            return u64::MAX;
        }
        // A damaged index costs time, not rows; a check names it.
        let Some(Ok(index)) = self.segment.index() else { return u64::MAX };
        let mut left = u64::MAX;
        for token in tokens {
            if let Ok(groups) = index.candidates(token) {
                left &= groups.window(self.first_group);
            }
            if left == 0 {
                break;
            }
        }
        self.left.set(self.left.get() & left);
        left
    }

    /// Whether it ruled out any of the block's `groups`.
    pub(super) fn ruled_out(&self, groups: u32) -> bool {
        let all = if groups < u64::BITS { (1 << groups) - 1 } else { u64::MAX };
        self.left.get() & all != all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_holds_the_rows_that_were_put_in() {
        for rows in [0, 1, 63, 64, 65, 1000, 1023, 1024] {
            let mask = Mask::first(rows);
            assert_eq!(mask.count(), rows);
            assert_eq!(mask.rows().collect::<Vec<_>>(), (0..rows).collect::<Vec<_>>());
            let even = mask.filter(|row| row % 2 == 0);
            assert_eq!(even.count(), rows.div_ceil(2));
            assert_eq!(mask.without(&even).or(&even), mask);
            assert_eq!(mask.and(&even), even);
            let places: Vec<u32> =
                (0..).take(rows).map(|row| if row % 2 == 0 { row } else { NOWHERE }).collect();
            assert_eq!(Mask::placed(&places), even);
        }
    }
}
