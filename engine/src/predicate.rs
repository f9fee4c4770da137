//! Predicate: which records a scan wants, as a tree of tests over named fields.
//!
//! Logic has two values: a test of a missing field is false, and `Not` of it is true. A null counts as
//! missing. Values compare by type as [`compare()`] says; two that have no type in common compare as text, but
//! levels, durations and money, which are then merely not equal.
//!
//! [`Predicate::compile`] names every column once and puts cheap tests before dear ones; that cannot change
//! an answer, because tests have no effect but their answer.

use crate::compare::{Number, compare, put_key, to_text};
use crate::level::Level;
use crate::text::{self, TextTest};
use crate::value::Value;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;

/// A condition on a record.
#[derive(Clone, Debug)]
pub enum Predicate {
    /// True of every record.
    All,
    /// All of these; of none, true.
    And(Vec<Self>),
    /// One of these at least; of none, false.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// A test of one field.
    Field {
        /// The name of the field.
        name: String,
        /// What is asked of its value.
        test: Test,
    },
    /// Some string of the record that the user gave: see [`Row::any_text`].
    Any(TextTest),
}

/// A question to the value of a field.
#[derive(Clone, Debug)]
pub enum Test {
    /// The field is there and no null.
    Exists,
    /// The field is not there, or null.
    Missing,
    /// The value compares with a literal.
    Compare(Comparison, Literal),
    /// The value equals one of these.
    In(Vec<Literal>),
    /// The value's text: of an array each string inside it, of a number its literal, of a level its name.
    Text(TextTest),
}

/// How a value must compare. Each is false of a missing value, `Ne` too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// A value in a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// True or false.
    Bool(bool),
    /// A decimal number as it was written. Against a duration it is milliseconds, against money US dollars.
    Number(String),
    /// Text. Against a number or a level it is read as one if it is one.
    Text(String),
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// Nanoseconds. Against a plain number it is milliseconds.
    Duration(i64),
    /// Billionths of a US dollar. Against a plain number it is US dollars.
    Cost(i64),
    /// A level, compared by rank.
    Level(Level),
}

impl Literal {
    /// The literal as a value.
    pub fn value(&self) -> Value<'_> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(literal) => Value::Number(literal),
            Self::Text(text) => Value::Str(text),
            Self::Time(ns) => Value::Time(*ns),
            Self::Duration(ns) => Value::Duration(*ns),
            Self::Cost(nano) => Value::Cost(*nano),
            Self::Level(level) => Value::Level(*level),
        }
    }
}

impl Comparison {
    /// Whether `value` compares so with `literal`.
    fn holds(self, value: Value<'_>, literal: Value<'_>) -> bool {
        if let (Self::Eq | Self::Ne, Value::Str(a), Value::Str(b)) = (self, value, literal) {
            return (a == b) == (self == Self::Eq);
        }
        let order = match compare(value, literal) {
            Some(order) => Some(order),
            None if has_unit(value) || has_unit(literal) => None,
            None => Some(to_text(value).cmp(&to_text(literal))),
        };
        match self {
            Self::Eq => order == Some(Ordering::Equal),
            Self::Ne => order != Some(Ordering::Equal),
            Self::Lt => order == Some(Ordering::Less),
            Self::Le => order.is_some_and(Ordering::is_le),
            Self::Gt => order == Some(Ordering::Greater),
            Self::Ge => order.is_some_and(Ordering::is_ge),
        }
    }
}

/// Whether a value's text is only a way to show it, so that an order by text would be an accident.
fn has_unit(value: Value<'_>) -> bool {
    matches!(value, Value::Level(_) | Value::Duration(_) | Value::Cost(_))
}

fn present(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| *value != Value::Null)
}

impl Test {
    /// Whether the answer for `value` is yes.
    pub fn matches(&self, value: Option<Value<'_>>) -> bool {
        let Some(value) = present(value) else { return matches!(self, Self::Missing) };
        match self {
            Self::Exists => true,
            Self::Missing => false,
            Self::Compare(comparison, literal) => comparison.holds(value, literal.value()),
            Self::In(literals) => literals.iter().any(|one| Comparison::Eq.holds(value, one.value())),
            Self::Text(test) => text_matches(test, value),
        }
    }

    fn cost(&self) -> u32 {
        match self {
            Self::Exists | Self::Missing => 0,
            Self::Compare(..) => 1,
            Self::In(_) => 2,
            Self::Text(test) => test.cost(),
        }
    }
}

fn text_matches(test: &TextTest, value: Value<'_>) -> bool {
    match value {
        Value::Str(text) => test.matches(text),
        Value::Bytes(_) | Value::Json(_) => text::strings(value, &mut |text| test.matches(text)),
        _ => test.matches(&to_text(value)),
    }
}

/// A record, as a compiled predicate sees it.
pub trait Row {
    /// The value of the column at `slot` of the columns that [`Predicate::compile`] filled.
    fn value(&self, slot: usize) -> Option<Value<'_>>;

    /// Whether `test` says yes to some string that the user gave: every text, also the strings in arrays
    /// ([`text::strings`]), of every field but level, kind, status and those that begin with one `_`.
    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool;
}

impl Predicate {
    /// A test of one field.
    pub fn field(name: impl Into<String>, test: Test) -> Self {
        Self::Field { name: name.into(), test }
    }

    /// Resolves names to slots: finds each field in `columns` or adds it there.
    pub fn compile(&self, columns: &mut Vec<String>) -> Compiled {
        Compiled(Node::new(self, columns))
    }
}

/// A predicate whose fields are slots of known columns.
#[derive(Clone, Debug)]
pub struct Compiled(Node);

impl Compiled {
    /// Whether the predicate holds for `row`.
    #[inline]
    pub fn matches(&self, row: &impl Row) -> bool {
        self.0.matches(row)
    }

    /// Whether every record matches, so that nobody need ask.
    pub fn is_all(&self) -> bool {
        matches!(&self.0, Node::And(parts) if parts.is_empty())
    }
}

#[derive(Clone, Debug)]
enum Node {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Field { slot: usize, test: Test },
    In { slot: usize, set: Set },
    Any(TextTest),
}

impl Node {
    fn new(predicate: &Predicate, columns: &mut Vec<String>) -> Self {
        match predicate {
            Predicate::All => Self::And(Vec::new()),
            Predicate::And(parts) => {
                let mut flat = Vec::with_capacity(parts.len());
                for part in parts {
                    match Self::new(part, columns) {
                        Self::And(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                Self::And(Self::ordered(flat)).simple()
            }
            Predicate::Or(parts) => {
                let mut flat = Vec::with_capacity(parts.len());
                for part in parts {
                    match Self::new(part, columns) {
                        Self::Or(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                Self::Or(Self::ordered(flat)).simple()
            }
            Predicate::Not(inner) => match Self::new(inner, columns) {
                Self::Not(twice) => *twice,
                other => Self::Not(Box::new(other)),
            },
            Predicate::Field { name, test } => {
                let slot = columns.iter().position(|column| column == name).unwrap_or_else(|| {
                    columns.push(name.clone());
                    columns.len() - 1
                });
                match test {
                    Test::In(literals) => Self::In { slot, set: Set::new(literals) },
                    test => Self::Field { slot, test: test.clone() },
                }
            }
            Predicate::Any(test) => Self::Any(test.clone()),
        }
    }

    /// Cheap first; of equal cost in the order given.
    fn ordered(mut parts: Vec<Self>) -> Vec<Self> {
        parts.sort_by_cached_key(Self::cost);
        parts
    }

    /// One part needs no list.
    fn simple(self) -> Self {
        match self {
            Self::And(mut parts) | Self::Or(mut parts) if parts.len() == 1 => {
                parts.pop().unwrap_or(Self::And(Vec::new()))
            }
            other => other,
        }
    }

    fn cost(&self) -> u32 {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::cost).fold(0, u32::saturating_add),
            Self::Not(inner) => inner.cost(),
            Self::Field { test, .. } => test.cost(),
            Self::In { .. } => 2,
            // It walks every string of the record.
            Self::Any(test) => 8 * test.cost(),
        }
    }

    fn matches(&self, row: &impl Row) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.matches(row)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(row)),
            Self::Not(inner) => !inner.matches(row),
            Self::Field { slot, test } => test.matches(row.value(*slot)),
            Self::In { slot, set } => set.holds(row.value(*slot)),
            Self::Any(test) => row.any_text(&mut |text| test.matches(text)),
        }
    }
}

/// The literals of an `in`, for lists of any length: a subquery can give thousands.
#[derive(Clone, Debug)]
struct Set {
    /// The texts.
    texts: HashSet<Box<str>>,
    /// Keys of the numbers, durations and money among the literals, by value alone.
    numbers: HashSet<Box<[u8]>>,
    /// Keys of the texts that are numbers: these equal numbers, but no other text.
    number_texts: HashSet<Box<[u8]>>,
    /// Everything else.
    others: Vec<Literal>,
    /// All, for values that are neither text nor number.
    all: Vec<Literal>,
}

impl Set {
    fn new(literals: &[Literal]) -> Self {
        let mut set = Self {
            texts: HashSet::new(),
            numbers: HashSet::new(),
            number_texts: HashSet::new(),
            others: Vec::new(),
            all: literals.to_vec(),
        };
        for literal in literals {
            match (literal, Number::of(literal.value())) {
                (Literal::Text(text), _) => {
                    set.texts.insert(text.as_str().into());
                    if let Some(number) = Number::parse(text) {
                        set.number_texts.insert(number_key(number));
                    }
                }
                (Literal::Number(_), Some(number)) => {
                    set.numbers.insert(number_key(number));
                }
                // A text that is a duration, such as `1.5s`, equals a duration and not its number.
                (Literal::Duration(_), _) => set.others.push(literal.clone()),
                (_, Some(number)) => {
                    set.numbers.insert(number_key(number));
                }
                (_, None) => set.others.push(literal.clone()),
            }
        }
        set
    }

    fn holds(&self, value: Option<Value<'_>>) -> bool {
        let Some(value) = present(value) else { return false };
        match value {
            Value::Str(text) => self.holds_text(value, text),
            Value::Int(_) | Value::Float(_) | Value::Number(_) => match Number::of(value) {
                Some(number) => self.holds_number(value, number),
                None => self.holds_odd(value),
            },
            _ => self.holds_odd(value),
        }
    }

    fn holds_text(&self, value: Value<'_>, text: &str) -> bool {
        self.texts.contains(text)
            || (!self.numbers.is_empty()
                && Number::parse(text).is_some_and(|number| self.numbers.contains(&*number_key(number))))
            || self.others.iter().any(|one| Comparison::Eq.holds(value, one.value()))
    }

    fn holds_number(&self, value: Value<'_>, number: Number<'_>) -> bool {
        let key = number_key(number);
        self.numbers.contains(&key)
            || self.number_texts.contains(&key)
            || self.others.iter().any(|one| Comparison::Eq.holds(value, one.value()))
    }

    fn holds_odd(&self, value: Value<'_>) -> bool {
        self.all.iter().any(|one| Comparison::Eq.holds(value, one.value()))
    }
}

/// Equal exactly for equal numbers, whatever their units.
fn number_key(number: Number<'_>) -> Box<[u8]> {
    let mut key = Vec::with_capacity(12);
    match number.to_i64() {
        Some(int) => put_key(&mut key, Some(Value::Int(int))),
        None => put_key(&mut key, Some(Value::Number(&number.to_string()))),
    }
    key.into_boxed_slice()
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        })
    }
}

impl fmt::Display for Literal {
    /// As the query language reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text::Quoted(text).fmt(f),
            Self::Duration(ns) => write!(f, "{ns}ns"),
            Self::Cost(_) => write!(f, "${}", to_text(self.value())),
            _ => f.write_str(&to_text(self.value())),
        }
    }
}

impl fmt::Display for Test {
    /// As the query language reads it, after the name of the field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str(" exists"),
            Self::Missing => f.write_str(" missing"),
            Self::Compare(comparison, literal) => write!(f, " {comparison} {literal}"),
            Self::In(literals) => {
                f.write_str(" in (")?;
                for (at, literal) in literals.iter().enumerate() {
                    write!(f, "{}{literal}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
            Self::Text(test) => match test.operator() {
                ":" => write!(f, ":{test}"),
                operator => write!(f, " {operator} {test}"),
            },
        }
    }
}

impl fmt::Display for Predicate {
    /// As the query language reads it, with parentheses around every list inside another; the two it has no
    /// words for (true, false) as `all` and `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Self], between: &str| {
            for (at, part) in parts.iter().enumerate() {
                f.write_str(if at == 0 { "" } else { between })?;
                match part {
                    Self::And(inner) | Self::Or(inner) if 1 < inner.len() => write!(f, "({part})")?,
                    _ => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::All => f.write_str("all"),
            Self::And(parts) if parts.is_empty() => f.write_str("all"),
            Self::Or(parts) if parts.is_empty() => f.write_str("none"),
            Self::And(parts) => list(f, parts, " and "),
            Self::Or(parts) => list(f, parts, " or "),
            Self::Not(inner) => match **inner {
                Self::And(_) | Self::Or(_) => write!(f, "not ({inner})"),
                _ => write!(f, "not {inner}"),
            },
            Self::Field { name, test } => {
                let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
                match name.chars().all(plain) && !name.is_empty() {
                    true => write!(f, "{name}{test}"),
                    false => write!(f, "`{name}`{test}"),
                }
            }
            Self::Any(test) => match test.operator() {
                ":" | "~" => write!(f, "{test}"),
                operator => write!(f, "any {operator} {test}"),
            },
        }
    }
}
