//! The tree of a query, as faithful to its text as a tree can be. `Display` prints a query that parses to an
//! equal tree.
//!
//! Spans say where a part stands; they do not take part in equality. Chains of `and`, `or`, `+`, `*` are flat
//! lists and runs of `not` collapse, so the depth of a tree is bounded by the parentheses of its text.

use crate::diagnostic::Diagnostic;
use crate::token::{Op, Span};

mod inner;
mod print;
mod words;

pub use words::NOUNS;
use words::is_plain;
pub(crate) use words::{ALIASES, CLAUSES, FIELD_WORDS, PIPES, is_keyword};

/// A place in the text that is not part of what a tree means: all places are equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place(pub Span);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Warnings of a part of the text, which are not part of what a tree means: all are equal.
#[derive(Clone, Debug, Default)]
pub struct Noted(pub Vec<Diagnostic>);

impl PartialEq for Noted {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// `explain`: show the plan, do not run it.
    pub explain: bool,
    /// `profile`: run it, and show the plan with what each step took.
    pub profile: bool,
    /// What to report.
    pub noun: Option<Noun>,
    /// The clauses of the noun, in the order they were written.
    pub clauses: Vec<Clause>,
    /// What follows each `|`.
    pub pipes: Vec<Pipe>,
}

/// What stands first: what to report.
#[derive(Clone, Debug, PartialEq)]
pub struct Noun {
    /// Its name, in lower case.
    pub name: String,
    /// What it is about, where the noun takes something: `session s1`, `values model`.
    pub about: Option<About>,
    /// Where it stands.
    pub place: Place,
}

/// What a noun is about.
#[derive(Clone, Debug, PartialEq)]
pub enum About {
    /// One session or trace.
    Id(Value),
    /// One field.
    Field(Name),
    /// Only what the range compared with has not: `patterns new`.
    New(Place),
    /// Each of its fields: `storage fields`.
    Fields,
}

/// A field or column.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// As written, without backticks.
    pub text: String,
    /// In backticks: never an alias of another field.
    pub quoted: bool,
    /// Where it stands.
    pub place: Place,
}

/// A value as it was written. What it is depends on the field it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Without quotes.
    pub text: String,
    /// In quotes: text, whatever it looks like.
    pub quoted: bool,
    /// Where it stands.
    pub place: Place,
}

/// A regex as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Regex {
    /// Without slashes.
    pub pattern: String,
    /// `/.../i`
    pub ignore_case: bool,
    /// Where it stands.
    pub place: Place,
}

/// A condition on records or rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// All of two or more.
    And(Vec<Self>),
    /// Any of two or more.
    Or(Vec<Self>),
    /// Not this one.
    Not(Box<Self>),
    /// One term.
    Term(Term),
}

/// How the text of one field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextOp {
    /// A substring.
    Contains,
    /// The beginning.
    Starts,
    /// The end.
    Ends,
    /// A glob with `*` and `?`.
    Like,
    /// An address inside a network.
    Cidr,
}

/// What to find in text.
#[derive(Clone, Debug, PartialEq)]
pub enum Search {
    /// A word: a whole token, or consecutive ones.
    Word(String),
    /// `word*`: a token that begins so.
    Prefix(String),
    /// `"..."`: consecutive tokens.
    Phrase(String),
    /// `cs"..."`: consecutive tokens in this case.
    Exact(String),
    /// `/.../`
    Regex(Regex),
}

/// One term of a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// `field op value`
    Compare {
        /// The field.
        field: Name,
        /// One of the six comparisons.
        op: Op,
        /// What it is compared with.
        value: Value,
    },
    /// `field ~ regex`, `field !~ regex`
    Match {
        /// The field.
        field: Name,
        /// `!~`
        negated: bool,
        /// The regex.
        regex: Regex,
    },
    /// `field in (a, b)`
    In {
        /// The field.
        field: Name,
        /// `not in`
        negated: bool,
        /// The values.
        values: Vec<Value>,
    },
    /// `field in (sessions where ...)`
    InQuery {
        /// The field.
        field: Name,
        /// `not in`
        negated: bool,
        /// What gives the values.
        query: Box<Query>,
        /// The values, once they are known.
        values: Option<Vec<Value>>,
        /// What to warn of in it.
        noted: Noted,
    },
    /// `field between a and b`, both ends included
    Between {
        /// The field.
        field: Name,
        /// `not between`
        negated: bool,
        /// The smaller end.
        low: Value,
        /// The larger end.
        high: Value,
    },
    /// `field exists`, `field missing`
    Presence {
        /// The field.
        field: Name,
        /// `exists`
        exists: bool,
    },
    /// `field contains value` and its kind
    Text {
        /// The field.
        field: Name,
        /// How.
        op: TextOp,
        /// With what.
        value: Value,
    },
    /// A word, phrase or regex, anywhere or in one field.
    Search {
        /// The field, where one is named.
        field: Option<Name>,
        /// What to find.
        what: Search,
        /// Where it stands.
        place: Place,
    },
}

/// A length of time as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Dur {
    /// As written, without spaces.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

/// A point in time as it was written; a date and a time of day are joined by one space.
#[derive(Clone, Debug, PartialEq)]
pub struct When {
    /// As written.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

/// A unit of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Sixty seconds on the clock.
    Minute,
    /// A clock hour.
    Hour,
    /// Midnight to midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
    /// Three months.
    Quarter,
    /// From the first of January.
    Year,
}

impl Unit {
    /// All units, shortest first.
    pub const ALL: [Self; 7] =
        [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}

/// Which time to read.
#[derive(Clone, Debug, PartialEq)]
pub enum Time {
    /// `last 24h`
    Last(Dur),
    /// `since a`, `since a until b`
    Since(When, Option<When>),
    /// `until b`
    Until(When),
    /// `between a and b`
    Between(When, When),
    /// `on 2026-11-22`
    On(When),
    /// `today`
    Today,
    /// `yesterday`
    Yesterday,
    /// `this week`
    This(Unit),
    /// `previous month`
    Previous(Unit),
    /// `around 10:15 +-5m`
    Around(When, Dur),
    /// `all time`
    All,
}

/// An aggregate: `sum(prompt_tokens) if (level >= error) as p`
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The function as written, in lower case.
    pub function: String,
    /// What it is over.
    pub argument: Option<Arith>,
    /// Only rows where this holds.
    pub condition: Option<Expr>,
    /// What to call it.
    pub name: Option<Name>,
    /// Where it stands.
    pub place: Place,
}

/// Arithmetic over fields.
#[derive(Clone, Debug, PartialEq)]
pub enum Arith {
    /// A field.
    Field(Name),
    /// A literal, with its unit.
    Literal(Value),
    /// Terms, each added or subtracted.
    Sum(Vec<(Sign, Self)>),
    /// Factors, each multiplied by or divided by.
    Product(Vec<(Power, Self)>),
}

/// Whether a term of a sum is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `+`
    Plus,
    /// `-`
    Minus,
}

/// Whether a factor of a product multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// `*`
    Times,
    /// `/`
    Over,
}

/// A sort key.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// The column.
    pub name: Name,
    /// Largest first.
    pub descending: bool,
}

/// `top 5 by model`, `bottom 5`
#[derive(Clone, Debug, PartialEq)]
pub struct Top {
    /// `bottom`
    pub bottom: bool,
    /// How many.
    pub count: u64,
    /// A measure of the answer, or a field to group by.
    pub key: Option<Name>,
    /// Where it stands.
    pub place: Place,
}

/// `stats count by model per 1h`
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// What to compute.
    pub measures: Vec<Aggregate>,
    /// The groups.
    pub keys: Vec<Name>,
    /// The time buckets.
    pub per: Option<Dur>,
    /// Where it stands.
    pub place: Place,
}

/// A clause of the noun.
#[derive(Clone, Debug, PartialEq)]
pub enum Clause {
    /// `where ...`
    Where(Expr, Place),
    /// Terms without `where`.
    Text(Expr, Place),
    /// `count, sum(prompt_tokens)`
    Measures(Vec<Aggregate>, Place),
    /// `by model, operation`
    By(Vec<Name>, Place),
    /// `per 1h`
    Per(Dur, Place),
    /// Which time to read.
    Time(Time, Place),
    /// `tz Europe/Vienna`
    Zone(Value, Place),
    /// `top 5`
    Top(Top),
    /// `sort latency desc`
    Sort(Vec<SortKey>, Place),
    /// `limit 10`, `limit all` (none)
    Limit(Option<u64>, Place),
    /// `vs previous`
    Versus(Versus, Place),
    /// `context -3 +2 of session`
    Context(Context, Place),
}

/// What a range of time is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Versus {
    /// `vs previous`: as much time, or the unit of the calendar, directly before; `vs previous 7d`: so much.
    Previous(Option<Dur>),
    /// `vs yesterday`
    Time(Time),
}

/// The records around those that are found.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// How many before each.
    pub before: u64,
    /// How many after each.
    pub after: u64,
    /// Only among those with the same value here.
    pub of: Option<Name>,
}

/// How a text becomes columns.
#[derive(Clone, Debug, PartialEq)]
pub enum Parse {
    /// By what stands around them: `"GET {path} took {took:duration}"`
    Pattern(Value),
    /// By the named groups of a regex.
    Regex(Regex),
    /// As a JSON object.
    Json,
    /// As `key=value` pairs.
    Logfmt,
}

/// What a bucket without records gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// 0 where it counts or adds up.
    Zero,
    /// Nothing.
    Null,
    /// What the bucket before has.
    Prev,
}

/// A step after a `|`.
#[derive(Clone, Debug, PartialEq)]
pub enum Pipe {
    /// `where ...`
    Where(Expr, Place),
    /// `stats ...`
    Stats(Stats),
    /// `top 5 by x`
    Top(Top),
    /// `sort x desc`
    Sort(Vec<SortKey>, Place),
    /// `limit 10`, `limit all` (none)
    Limit(Option<u64>, Place),
    /// `keep a, b`
    Keep(Vec<Name>, Place),
    /// `drop a, b`
    Drop(Vec<Name>, Place),
    /// `rename a as b`
    Rename(Vec<(Name, Name)>, Place),
    /// `dedup by a`
    Dedup(Vec<Name>, Place),
    /// `set x = a + b`
    Set(Name, Arith, Place),
    /// `gap`: how long after the row before.
    Gap(Place),
    /// `fill 0`
    Fill(Fill, Place),
    /// `parse "took {took:duration}" from message`
    Parse(Parse, Option<Name>, Place),
    /// `unroll tags`
    Unroll(Name, Place),
    /// `sample 0.1`: the ratio as written
    Sample(String, Place),
}

impl Clause {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Self::Where(_, place)
            | Self::Text(_, place)
            | Self::Measures(_, place)
            | Self::By(_, place)
            | Self::Per(_, place)
            | Self::Time(_, place)
            | Self::Zone(_, place)
            | Self::Sort(_, place)
            | Self::Limit(_, place)
            | Self::Versus(_, place)
            | Self::Context(_, place) => place.0,
            Self::Top(top) => top.place.0,
        }
    }

    /// Whether its first word is text that would be a noun at the start of a query.
    fn starts_like_a_noun(&self) -> bool {
        let Self::Text(text, _) = self else { return false };
        let mut first = text;
        while let Expr::And(parts) | Expr::Or(parts) = first {
            let Some(part) = parts.first() else { return false };
            first = part;
        }
        match first {
            Expr::Term(Term::Search { field: None, what: Search::Word(word), .. }) => {
                NOUNS.contains(&word.to_ascii_lowercase().as_str())
            }
            _ => false,
        }
    }

    /// What may stand only once in a query.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Where(..) => "where",
            Self::Text(..) => "text",
            Self::Measures(..) => "a list of measures",
            Self::By(..) => "by",
            Self::Per(..) => "per",
            Self::Time(..) => "a time clause",
            Self::Zone(..) => "tz",
            Self::Top(_) => "top or bottom",
            Self::Sort(..) => "sort",
            Self::Limit(..) => "limit",
            Self::Versus(..) => "vs",
            Self::Context(..) => "context",
        }
    }
}

impl Name {
    /// The field by the name that it is stored under: aliases are other spellings, unless quoted.
    pub fn stored(&self) -> &str {
        let alias = ALIASES.iter().find(|(alias, _)| !self.quoted && *alias == self.text);
        alias.map_or(self.text.as_str(), |(_, field)| field)
    }

    /// A name as code makes it, in backticks where it needs them.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), quoted: !is_plain(text), place: Place::default() }
    }
}

impl Aggregate {
    /// What the column is called: the name given with `as`, else function and argument, such as `p99_latency`.
    pub fn column(&self) -> String {
        if let Some(name) = &self.name {
            return name.text.clone();
        }
        match &self.argument {
            None => self.function.clone(),
            Some(Arith::Field(name)) => format!("{}_{}", self.function, name.text),
            Some(other) => {
                let text = other.to_string();
                let words: Vec<&str> = text
                    .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.')
                    .filter(|w| !w.is_empty())
                    .collect();
                format!("{}_{}", self.function, words.join("_"))
            }
        }
    }
}
