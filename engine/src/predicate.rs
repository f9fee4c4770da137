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
use crate::value::{Value, canonical_int};
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
    /// The value is a number, a duration or money, or a text that is a number as a whole.
    Number,
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
        order.map_or(self == Self::Ne, |order| self.accepts(order))
    }

    /// Whether a value that compares with the literal in this order is meant.
    #[inline]
    pub(crate) fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }
}

/// Whether a value's text is only a way to show it, so that an order by text would be an accident.
fn has_unit(value: Value<'_>) -> bool {
    matches!(value, Value::Level(_) | Value::Duration(_) | Value::Cost(_))
}

#[inline]
fn present(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| !matches!(value, Value::Null))
}

impl Test {
    /// Whether the answer for `value` is yes.
    pub fn matches(&self, value: Option<Value<'_>>) -> bool {
        let Some(value) = present(value) else { return matches!(self, Self::Missing) };
        match self {
            Self::Exists => true,
            Self::Missing => false,
            Self::Number => match value {
                Value::Int(_) => true,
                Value::Str(text) => Number::parse(text).is_some(),
                _ => Number::of(value).is_some(),
            },
            Self::Compare(comparison, literal) => comparison.holds(value, literal.value()),
            Self::In(literals) => literals.iter().any(|one| Comparison::Eq.holds(value, one.value())),
            Self::Text(test) => text_matches(test, value),
        }
    }

    fn cost(&self) -> u32 {
        match self {
            Self::Exists | Self::Missing | Self::Number => 0,
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

    pub(crate) fn node(&self) -> &Node {
        &self.0
    }

    /// Whether every record matches, so that nobody need ask.
    pub fn is_all(&self) -> bool {
        matches!(&self.0, Node::And(parts) if parts.is_empty())
    }
}

/// A test over slots, for whoever can ask it of many rows at once.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Field {
        slot: usize,
        test: Test,
    },
    /// A comparison with an integer, which need not be read again for every record.
    Int {
        slot: usize,
        comparison: Comparison,
        int: i64,
        test: Test,
    },
    In {
        slot: usize,
        set: Set,
    },
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
                Self::field(slot, test.clone())
            }
            Predicate::Any(test) => Self::Any(test.clone()),
        }
    }

    fn field(slot: usize, test: Test) -> Self {
        match &test {
            Test::In(literals) => Self::In { slot, set: Set::new(literals) },
            Test::Compare(comparison, Literal::Number(literal)) => match canonical_int(literal) {
                Some(int) => Self::Int { slot, comparison: *comparison, int, test },
                None => Self::Field { slot, test },
            },
            _ => Self::Field { slot, test },
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
            Self::Field { test, .. } | Self::Int { test, .. } => test.cost(),
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
            Self::Field { slot, .. } | Self::Int { slot, .. } | Self::In { slot, .. } => {
                self.holds(row.value(*slot))
            }
            Self::Any(test) => row.any_text(&mut |text| test.matches(text)),
        }
    }

    /// Whether a test of one field says yes to its value; any other node says no.
    #[inline]
    pub(crate) fn holds(&self, value: Option<Value<'_>>) -> bool {
        match self {
            Self::Field { test, .. } => test.matches(value),
            Self::Int { comparison, int, test, .. } => match value {
                Some(Value::Int(value)) => comparison.accepts(value.cmp(int)),
                value => test.matches(value),
            },
            Self::In { set, .. } => set.holds(value),
            Self::And(_) | Self::Or(_) | Self::Not(_) | Self::Any(_) => false,
        }
    }
}

/// The literals of an `in`, for lists of any length: a subquery can give thousands.
#[derive(Clone, Debug)]
pub(crate) struct Set {
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
            Self::Number => f.write_str(" is a number"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A record for tests: columns by slot, and all its strings.
    struct Record<'a>(&'a [(&'a str, Value<'a>)], Vec<String>);

    impl Row for Record<'_> {
        fn value(&self, slot: usize) -> Option<Value<'_>> {
            let name = &self.1[slot];
            self.0.iter().find(|field| field.0 == name).map(|field| field.1)
        }

        fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
            self.0.iter().any(|field| text::strings(field.1, test))
        }
    }

    fn holds(predicate: &Predicate, fields: &[(&str, Value<'_>)]) -> bool {
        let mut columns = Vec::new();
        let compiled = predicate.compile(&mut columns);
        compiled.matches(&Record(fields, columns))
    }

    fn number(text: &str) -> Literal {
        Literal::Number(text.to_owned())
    }

    fn text_literal(text: &str) -> Literal {
        Literal::Text(text.to_owned())
    }

    /// Says for each comparison whether it holds, in the order of `= != < <= > >=`.
    fn compared(value: Value<'_>, literal: &Literal) -> String {
        [Comparison::Eq, Comparison::Ne, Comparison::Lt, Comparison::Le, Comparison::Gt, Comparison::Ge]
            .into_iter()
            .filter(|&comparison| Test::Compare(comparison, literal.clone()).matches(Some(value)))
            .map(|comparison| comparison.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_value_compares_with_a_literal_by_type() {
        const LESS: &str = "!= < <=";
        const EQUAL: &str = "= <= >=";
        const GREATER: &str = "!= > >=";
        const OTHER: &str = "!=";
        for (value, literal, want) in [
            (Value::Int(5), number("5.0"), EQUAL),
            (Value::Int(i64::MAX), number("9223372036854775808"), LESS),
            (Value::Number("0.1"), number("0.10000000000000001"), LESS),
            (Value::Float(0.1), number("0.1"), EQUAL),
            (Value::Int(5), number("1e999999999999"), LESS),
            (Value::Str("10"), number("9"), GREATER),
            (Value::Str("10"), text_literal("9"), LESS),
            (Value::Int(10), text_literal("9"), GREATER),
            (Value::Str("abc"), number("9"), GREATER),
            (Value::Str("abc"), text_literal("ABC"), GREATER),
            (Value::Str("abc"), text_literal("abc"), EQUAL),
            (Value::Duration(1_500_000_000), number("1500"), EQUAL),
            (Value::Duration(1_500_000_000), Literal::Duration(2_000_000_000), LESS),
            (Value::Duration(1_500_000_000), text_literal("1.5s"), EQUAL),
            (Value::Duration(1_500_000_000), text_literal("soon"), OTHER),
            (Value::Str("soon"), Literal::Duration(1), OTHER),
            (Value::Int(1600), Literal::Duration(1_500_000_000), GREATER),
            (Value::Cost(20_000_000), number("0.02"), EQUAL),
            (Value::Number("0.03"), Literal::Cost(20_000_000), GREATER),
            (Value::Level(Level::Error), Literal::Level(Level::Warn), GREATER),
            (Value::Level(Level::Error), text_literal("warning"), GREATER),
            (Value::Level(Level::Error), text_literal("combo"), OTHER),
            (Value::Str("combo"), Literal::Level(Level::Error), OTHER),
            (Value::Str("combo"), text_literal("combo"), EQUAL),
            (Value::Time(5), Literal::Time(6), LESS),
            (Value::Str("1970-01-02"), Literal::Time(0), GREATER),
            (Value::Bool(true), Literal::Bool(true), EQUAL),
            (Value::Bool(true), text_literal("true"), EQUAL),
            (Value::Str("false"), Literal::Bool(false), EQUAL),
            (Value::Json(r#"["a"]"#), text_literal(r#"["a"]"#), EQUAL),
            (Value::Bytes(b"a\xff"), text_literal("a\u{fffd}"), EQUAL),
            (Value::Null, text_literal("null"), ""),
        ] {
            assert_eq!(compared(value, &literal), want, "{value:?} with {literal:?}");
        }
    }

    #[test]
    fn a_missing_field_equals_nothing_and_differs_from_nothing() {
        let absent = |test: Test| (test.matches(None), test.matches(Some(Value::Null)));
        assert_eq!(absent(Test::Compare(Comparison::Eq, number("1"))), (false, false));
        assert_eq!(absent(Test::Compare(Comparison::Ne, number("1"))), (false, false));
        assert_eq!(absent(Test::In(vec![text_literal("null")])), (false, false));
        assert_eq!(absent(Test::Text(TextTest::phrase(""))), (false, false));
        assert_eq!(absent(Test::Exists), (false, false));
        assert_eq!(absent(Test::Missing), (true, true));
        let not = Predicate::Not(Box::new(Predicate::field("x", Test::Compare(Comparison::Eq, number("1")))));
        assert!(
            holds(&not, &[]) && holds(&not, &[("x", Value::Int(2))]) && !holds(&not, &[("x", Value::Int(1))])
        );
    }

    #[test]
    fn a_text_test_looks_into_arrays_and_at_the_text_of_everything_else() {
        let word = |text: &str| Test::Text(TextTest::word(text));
        for (value, yes, no) in [
            (Value::Str("a b"), "b", "c"),
            (Value::Json(r#"["x y",{"key":"v\u0061l"}]"#), "val", "key"),
            (Value::Json(r#"["x y","z"]"#), "y", "y z"),
            (Value::Bytes(b"a\xff b"), "b", "c"),
            (Value::Int(404), "404", "40"),
            (Value::Number("1.50"), "1.50", "1.5"),
            (Value::Level(Level::Warn), "WARN", "warning"),
            (Value::Bool(true), "true", "false"),
        ] {
            assert!(word(yes).matches(Some(value)), "{value:?} {yes}");
            assert!(!word(no).matches(Some(value)), "{value:?} {no}");
        }
    }

    #[test]
    fn any_looks_into_every_string_of_the_record() {
        let fields = [("a", Value::Str("one")), ("b", Value::Json(r#"["two"]"#)), ("c", Value::Int(3))];
        for (word, want) in [("one", true), ("TWO", true), ("3", false), ("four", false)] {
            assert_eq!(holds(&Predicate::Any(TextTest::word(word)), &fields), want, "{word}");
        }
    }

    #[test]
    fn compiling_finds_or_adds_columns_once() {
        let exists = |name: &str| Predicate::field(name, Test::Exists);
        let predicate =
            Predicate::And(vec![exists("b"), Predicate::Or(vec![exists("a"), exists("b")]), exists("c")]);
        let mut columns = vec!["a".to_owned()];
        predicate.compile(&mut columns);
        assert_eq!(columns, ["a", "b", "c"]);
    }

    #[test]
    fn empty_lists_are_all_and_none() {
        assert!(holds(&Predicate::All, &[]) && holds(&Predicate::And(Vec::new()), &[]));
        assert!(!holds(&Predicate::Or(Vec::new()), &[]));
        assert!(Predicate::And(vec![Predicate::All, Predicate::All]).compile(&mut Vec::new()).is_all());
        assert!(!Predicate::Not(Box::new(Predicate::All)).compile(&mut Vec::new()).is_all());
    }

    #[test]
    fn a_chain_of_thousands_compiles_and_matches() {
        let one = |at: i64| Predicate::field("x", Test::Compare(Comparison::Eq, number(&at.to_string())));
        let predicate = Predicate::Or((0..10_000).map(one).collect());
        assert!(holds(&predicate, &[("x", Value::Int(9_999))]));
        assert!(!holds(&predicate, &[("x", Value::Int(-1))]));
    }

    #[test]
    fn a_predicate_shows_itself_as_the_language_spells_it() {
        let field = Predicate::field;
        let predicate = Predicate::And(vec![
            field("model", Test::Compare(Comparison::Eq, text_literal("llama \"3\""))),
            Predicate::Or(vec![
                field("latency", Test::Compare(Comparison::Gt, Literal::Duration(1_500))),
                field("cost", Test::Compare(Comparison::Ge, Literal::Cost(20_000_000))),
                field("level", Test::In(vec![Literal::Level(Level::Warn), number("4.0")])),
            ]),
            Predicate::Not(Box::new(Predicate::And(vec![
                field("a b", Test::Exists),
                Predicate::Any(TextTest::word("x")),
            ]))),
            field("message", Test::Text(TextTest::contains("y"))),
            field("message", Test::Text(TextTest::prefix("z"))),
        ]);
        assert_eq!(
            predicate.to_string(),
            "model = \"llama \\\"3\\\"\" and (latency > 1500ns or cost >= $0.02 or level in (warn, 4.0)) \
             and not (`a b` exists and \"x\") and message contains \"y\" and message:z*"
        );
    }

    fn any_value() -> impl Strategy<Value = Option<Value<'static>>> {
        prop::sample::select(vec![
            None,
            Some(Value::Null),
            Some(Value::Bool(true)),
            Some(Value::Int(1)),
            Some(Value::Int(1500)),
            Some(Value::Float(0.5)),
            Some(Value::Float(f64::NAN)),
            Some(Value::Number("1.0")),
            Some(Value::Number("x")),
            Some(Value::Str("1")),
            Some(Value::Str("1.0")),
            Some(Value::Str("1.5s")),
            Some(Value::Str("true")),
            Some(Value::Str("Error")),
            Some(Value::Str("NaN")),
            Some(Value::Bytes(b"\xff")),
            Some(Value::Json("[1]")),
            Some(Value::Time(0)),
            Some(Value::Duration(1_500_000_000)),
            Some(Value::Cost(1_000_000_000)),
            Some(Value::Level(Level::Error)),
        ])
    }

    fn any_literal() -> impl Strategy<Value = Literal> {
        prop::sample::select(vec![
            Literal::Bool(true),
            number("1"),
            number("1.0"),
            number("0.5"),
            number("1500"),
            number("x"),
            text_literal("1"),
            text_literal("1.0"),
            text_literal("0.50"),
            text_literal("1.5s"),
            text_literal("true"),
            text_literal("error"),
            text_literal("NaN"),
            text_literal("\u{fffd}"),
            text_literal("[1]"),
            Literal::Time(0),
            text_literal("1970-01-01T00:00:00Z"),
            Literal::Duration(1_500_000_000),
            Literal::Duration(1_000_000),
            Literal::Cost(1_000_000_000),
            Literal::Level(Level::Error),
        ])
    }

    fn any_predicate() -> impl Strategy<Value = Predicate> {
        let comparison = prop::sample::select(vec![
            Comparison::Eq,
            Comparison::Ne,
            Comparison::Lt,
            Comparison::Le,
            Comparison::Gt,
            Comparison::Ge,
        ]);
        let test = prop_oneof![
            Just(Test::Exists),
            Just(Test::Missing),
            Just(Test::Number),
            (comparison, any_literal()).prop_map(|(comparison, literal)| Test::Compare(comparison, literal)),
            prop::collection::vec(any_literal(), 0..4).prop_map(Test::In),
            Just(Test::Text(TextTest::word("error"))),
        ];
        let leaf = prop_oneof![
            Just(Predicate::All),
            ("[ab]", test).prop_map(|(name, test)| Predicate::field(name, test)),
            Just(Predicate::Any(TextTest::word("error"))),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Predicate::And),
                prop::collection::vec(inner.clone(), 0..4).prop_map(Predicate::Or),
                inner.prop_map(|inner| Predicate::Not(Box::new(inner))),
            ]
        })
    }

    /// The meaning of a predicate, as simple as it can be said.
    fn naive(predicate: &Predicate, fields: &[(&str, Value<'_>)]) -> bool {
        match predicate {
            Predicate::All => true,
            Predicate::And(parts) => parts.iter().all(|part| naive(part, fields)),
            Predicate::Or(parts) => parts.iter().any(|part| naive(part, fields)),
            Predicate::Not(inner) => !naive(inner, fields),
            Predicate::Field { name, test } => {
                test.matches(fields.iter().find(|field| field.0 == name).map(|field| field.1))
            }
            Predicate::Any(test) => {
                fields.iter().any(|field| text::strings(field.1, &mut |text| test.matches(text)))
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_list_of_literals_says_what_one_by_one_says(
            value in any_value(), literals in prop::collection::vec(any_literal(), 0..6),
        ) {
            let one_by_one =
                literals.iter().any(|one| Test::Compare(Comparison::Eq, one.clone()).matches(value));
            prop_assert_eq!(Set::new(&literals).holds(value), one_by_one);
            prop_assert_eq!(Test::In(literals).matches(value), one_by_one);
        }

        #[test]
        fn a_compiled_predicate_means_what_the_tree_means(
            predicate in any_predicate(), a in any_value(), b in any_value(),
        ) {
            let fields: Vec<_> = [("a", a), ("b", b)].into_iter().filter_map(|(n, v)| Some((n, v?))).collect();
            prop_assert_eq!(holds(&predicate, &fields), naive(&predicate, &fields), "{}", predicate);
        }

        #[test]
        fn exactly_one_of_less_equal_and_greater_holds_or_only_not_equal(value in any_value(), literal in any_literal()) {
            let Some(value) = present(value) else { return Ok(()) };
            let said = compared(value, &literal);
            prop_assert!(["!= < <=", "= <= >=", "!= > >=", "!="].contains(&said.as_str()), "{}", said);
        }
    }
}
