//! Tokens of a query and where they stand in its text.
//!
//! The lexer decides what a character run is (a word, the value after an operator, a regex); the parser
//! decides what it means. Keywords are plain words here: whether `last` opens a clause depends on where it stands.

use std::borrow::Cow;
use std::fmt;
use std::iter::Enumerate;
use std::slice::Iter;

use nom::{Input, Needed};

/// A range of bytes of the query text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes `start..end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The smallest span that holds both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `=` or `==`
    Eq,
    /// `!=` or `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `~`: a regex matches somewhere
    Match,
    /// `!~`: a regex matches nowhere
    NotMatch,
}

impl Op {
    /// How it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Match => "~",
            Self::NotMatch => "!~",
        }
    }
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bare run of characters where a term may start.
    Word,
    /// The bare value after an operator; never a keyword.
    Bare,
    /// `"..."`
    Quoted,
    /// `'...'`
    Single,
    /// `cs"..."`
    Exact,
    /// A name in backticks.
    Name,
    /// `/.../`, or `/.../i` where case does not matter.
    Regex {
        /// Whether an `i` follows.
        ignore_case: bool,
    },
    /// A comparison operator.
    Op(Op),
    /// `:` between a field and what to find in it
    Colon,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// `|`
    Pipe,
    /// `+` in arithmetic
    Plus,
    /// `-` in arithmetic
    Minus,
    /// `*` in arithmetic
    Star,
    /// `/` in arithmetic
    Slash,
}

/// One token. `text` has quotes and escapes taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'t> {
    /// What it is.
    pub kind: Kind,
    /// Its content.
    pub text: Cow<'t, str>,
    /// Where it stands.
    pub span: Span,
}

impl Token<'_> {
    /// Whether this is the bare word `keyword`, in any case.
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Word => write!(f, "word {}", self.text),
            Kind::Bare => write!(f, "value {}", self.text),
            Kind::Quoted => write!(f, "quoted {:?}", self.text),
            Kind::Single => write!(f, "single {:?}", self.text),
            Kind::Exact => write!(f, "exact {:?}", self.text),
            Kind::Name => write!(f, "name {:?}", self.text),
            Kind::Regex { ignore_case: false } => write!(f, "regex {:?}", self.text),
            Kind::Regex { ignore_case: true } => write!(f, "regex {:?} any case", self.text),
            Kind::Op(op) => f.write_str(op.as_str()),
            Kind::Colon => f.write_str(":"),
            Kind::Open => f.write_str("("),
            Kind::Close => f.write_str(")"),
            Kind::Comma => f.write_str(","),
            Kind::Pipe => f.write_str("|"),
            Kind::Plus => f.write_str("+"),
            Kind::Minus => f.write_str("-"),
            Kind::Star => f.write_str("*"),
            Kind::Slash => f.write_str("/"),
        }
    }
}

/// What is left of a query's tokens, as input for nom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens<'t> {
    list: &'t [Token<'t>],
    /// Where the text ends, for what is missing there.
    end: usize,
    /// Inside `where`: `a between x and y` is a condition, also when both ends are dates.
    pub(crate) filtering: bool,
    /// How many queries this one is inside of.
    pub(crate) inside: usize,
}

impl<'t> Tokens<'t> {
    /// All tokens of a text of `end` bytes.
    pub(crate) fn new(list: &'t [Token<'t>], end: usize) -> Self {
        Self { list, end, filtering: false, inside: 0 }
    }

    /// The next token.
    pub(crate) fn first(&self) -> Option<&'t Token<'t>> {
        self.list.first()
    }

    /// The token `at` places ahead.
    pub(crate) fn get(&self, at: usize) -> Option<&'t Token<'t>> {
        self.list.get(at)
    }

    /// Everything after the next token.
    #[must_use]
    pub(crate) fn rest(&self) -> Self {
        self.take_from(1)
    }

    /// The next tokens up to the parenthesis that closes here, as a query of its own, and what follows it.
    pub(crate) fn inner(&self) -> Option<(Self, Self)> {
        let mut depth = 0_usize;
        for (at, token) in self.list.iter().enumerate() {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close if depth == 0 => {
                    let list = self.list.get(..at).unwrap_or_default();
                    let inner =
                        Self { list, end: token.span.start, filtering: false, inside: self.inside + 1 };
                    return Some((inner, self.take_from(at + 1)));
                }
                Kind::Close => depth -= 1,
                _ => {}
            }
        }
        None
    }

    /// Where the next token stands, or the end of the text.
    pub(crate) fn span(&self) -> Span {
        self.first().map_or(Span::new(self.end, self.end), |token| token.span)
    }

    /// What was consumed between `self` and the later state `rest`.
    pub(crate) fn span_to(&self, rest: &Self) -> Span {
        let taken = self.list.len().saturating_sub(rest.list.len());
        match (self.list.first(), self.list.get(taken.wrapping_sub(1))) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => self.span(),
        }
    }
}

impl<'t> Input for Tokens<'t> {
    type Item = &'t Token<'t>;
    type Iter = Iter<'t, Token<'t>>;
    type IterIndices = Enumerate<Iter<'t, Token<'t>>>;

    fn input_len(&self) -> usize {
        self.list.len()
    }

    fn take(&self, index: usize) -> Self {
        Self { list: self.list.get(..index).unwrap_or(self.list), ..*self }
    }

    fn take_from(&self, index: usize) -> Self {
        Self { list: self.list.get(index..).unwrap_or_default(), ..*self }
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P: Fn(Self::Item) -> bool>(&self, predicate: P) -> Option<usize> {
        self.list.iter().position(predicate)
    }

    fn iter_elements(&self) -> Self::Iter {
        self.list.iter()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.list.iter().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        if count <= self.list.len() { Ok(count) } else { Err(Needed::new(count - self.list.len())) }
    }
}
