//! Trees as text: what is printed parses to an equal tree.

use std::fmt::{self, Display, Formatter};

use super::{
    About, Aggregate, Arith, Clause, Context, Expr, Fill, Name, Noun, Parse, Pipe, Power, Query, Regex,
    Search, Sign, SortKey, Stats, Term, TextOp, Time, Top, Value, Versus, When,
};
use crate::token::Op;

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.explain {
            parts.push("explain".to_owned());
        }
        if self.profile {
            parts.push("profile".to_owned());
        }
        if let Some(noun) = &self.noun {
            parts.push(noun.to_string());
        }
        for clause in &self.clauses {
            let text = clause.to_string();
            // Without a noun a text that starts like one stands in parentheses.
            let ambiguous =
                parts.len() == usize::from(self.explain || self.profile) && clause.starts_like_a_noun();
            parts.push(if ambiguous { format!("({text})") } else { text });
        }
        f.write_str(&parts.join(" "))?;
        for pipe in &self.pipes {
            write!(f, " | {pipe}")?;
        }
        Ok(())
    }
}

impl Display for Noun {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.about {
            None => Ok(()),
            Some(About::Id(id)) => write!(f, " {id}"),
            Some(About::Field(name)) => write!(f, " {name}"),
            Some(About::New(_)) => f.write_str(" new"),
            Some(About::Fields) => f.write_str(" fields"),
        }
    }
}

impl Display for Clause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Where(expr, _) => write!(f, "where {expr}"),
            Self::Text(expr, _) => write!(f, "{expr}"),
            Self::Measures(measures, _) => list(f, measures),
            Self::By(keys, _) => {
                f.write_str("by ")?;
                list(f, keys)
            }
            Self::Per(dur, _) => write!(f, "per {}", dur.text),
            Self::Time(time, _) => write!(f, "{time}"),
            Self::Zone(zone, _) => write!(f, "tz {zone}"),
            Self::Top(top) => write!(f, "{top}"),
            Self::Sort(keys, _) => {
                f.write_str("sort ")?;
                list(f, keys)
            }
            Self::Limit(count, _) => limit(f, *count),
            Self::Versus(Versus::Previous(None), _) => f.write_str("vs previous"),
            Self::Versus(Versus::Previous(Some(dur)), _) => write!(f, "vs previous {}", dur.text),
            Self::Versus(Versus::Time(time), _) => write!(f, "vs {time}"),
            Self::Context(context, _) => write!(f, "{context}"),
        }
    }
}

impl Display for Context {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "context -{} +{}", self.before, self.after)?;
        match &self.of {
            Some(field) => write!(f, " of {field}"),
            None => Ok(()),
        }
    }
}

impl Display for Fill {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "fill 0",
            Self::Null => "fill null",
            Self::Prev => "fill prev",
        })
    }
}

impl Display for Pipe {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Where(expr, _) => write!(f, "where {expr}"),
            Self::Stats(stats) => write!(f, "{stats}"),
            Self::Top(top) => write!(f, "{top}"),
            Self::Sort(keys, _) => {
                f.write_str("sort ")?;
                list(f, keys)
            }
            Self::Limit(count, _) => limit(f, *count),
            Self::Keep(names, _) => {
                f.write_str("keep ")?;
                list(f, names)
            }
            Self::Drop(names, _) => {
                f.write_str("drop ")?;
                list(f, names)
            }
            Self::Rename(pairs, _) => {
                f.write_str("rename ")?;
                for (at, (from, to)) in pairs.iter().enumerate() {
                    write!(f, "{}{from} as {to}", if at == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Dedup(names, _) => {
                f.write_str("dedup by ")?;
                list(f, names)
            }
            Self::Set(name, value, _) => write!(f, "set {name} = {value}"),
            Self::Gap(_) => f.write_str("gap"),
            Self::Fill(fill, _) => write!(f, "{fill}"),
            Self::Parse(how, from, _) => {
                match how {
                    Parse::Pattern(pattern) => write!(f, "parse {pattern}")?,
                    Parse::Regex(regex) => write!(f, "parse regex {regex}")?,
                    Parse::Json => f.write_str("parse json")?,
                    Parse::Logfmt => f.write_str("parse logfmt")?,
                }
                match from {
                    Some(from) => write!(f, " from {from}"),
                    None => Ok(()),
                }
            }
            Self::Unroll(name, _) => write!(f, "unroll {name}"),
            Self::Sample(ratio, _) => write!(f, "sample {ratio}"),
        }
    }
}

impl Display for Stats {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("stats ")?;
        list(f, &self.measures)?;
        if !self.keys.is_empty() {
            f.write_str(" by ")?;
            list(f, &self.keys)?;
        }
        if let Some(per) = &self.per {
            write!(f, " per {}", per.text)?;
        }
        Ok(())
    }
}

impl Display for Top {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.bottom { "bottom" } else { "top" }, self.count)?;
        match &self.key {
            Some(key) => write!(f, " by {key}"),
            None => Ok(()),
        }
    }
}

impl Display for SortKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, if self.descending { " desc" } else { "" })
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        match &self.argument {
            Some(argument) => write!(f, "({argument})")?,
            // Only `count` is a function without parentheses.
            None if self.function != "count" => f.write_str("()")?,
            None => {}
        }
        if let Some(condition) = &self.condition {
            write!(f, " if ({condition})")?;
        }
        match &self.name {
            Some(name) => write!(f, " as {name}"),
            None => Ok(()),
        }
    }
}

impl Display for Arith {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "{name}"),
            Self::Literal(value) if value.quoted => quoted(f, &value.text),
            Self::Literal(value) => f.write_str(&value.text),
            Self::Sum(terms) => {
                for (at, (sign, term)) in terms.iter().enumerate() {
                    f.write_str(match (sign, at) {
                        (Sign::Plus, 0) => "",
                        (Sign::Minus, 0) => "-",
                        (Sign::Plus, _) => " + ",
                        (Sign::Minus, _) => " - ",
                    })?;
                    match term {
                        Self::Sum(_) => write!(f, "({term})")?,
                        _ => write!(f, "{term}")?,
                    }
                }
                Ok(())
            }
            Self::Product(factors) => {
                for (at, (power, factor)) in factors.iter().enumerate() {
                    f.write_str(match (power, at) {
                        (_, 0) => "",
                        (Power::Times, _) => " * ",
                        (Power::Over, _) => " / ",
                    })?;
                    match factor {
                        Self::Sum(_) | Self::Product(_) => write!(f, "({factor})")?,
                        _ => write!(f, "{factor}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last(dur) => write!(f, "last {}", dur.text),
            Self::Since(from, None) => write!(f, "since {from}"),
            Self::Since(from, Some(until)) => write!(f, "since {from} until {until}"),
            Self::Until(until) => write!(f, "until {until}"),
            Self::Between(from, until) => write!(f, "between {from} and {until}"),
            Self::On(date) => write!(f, "on {date}"),
            Self::Today => f.write_str("today"),
            Self::Yesterday => f.write_str("yesterday"),
            Self::This(unit) => write!(f, "this {}", unit.as_str()),
            Self::Previous(unit) => write!(f, "previous {}", unit.as_str()),
            Self::Around(when, dur) => write!(f, "around {when} +-{}", dur.text),
            Self::All => f.write_str("all time"),
        }
    }
}

impl Display for When {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (parts, word, inner): (_, _, fn(&Self) -> bool) = match self {
            Self::Term(term) => return write!(f, "{term}"),
            Self::Not(inner) => {
                return match inner.as_ref() {
                    Self::Term(term) => write!(f, "not {term}"),
                    other => write!(f, "not ({other})"),
                };
            }
            Self::And(parts) => (parts, " and ", |part| matches!(part, Self::And(_) | Self::Or(_))),
            Self::Or(parts) => (parts, " or ", |part| matches!(part, Self::Or(_))),
        };
        for (at, part) in parts.iter().enumerate() {
            if at != 0 {
                f.write_str(word)?;
            }
            if inner(part) {
                write!(f, "({part})")?;
            } else {
                write!(f, "{part}")?;
            }
        }
        Ok(())
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare { field, op, value } => match op {
                Op::Eq | Op::Ne => write!(f, "{field}{}{value}", op.as_str()),
                _ => write!(f, "{field} {} {value}", op.as_str()),
            },
            Self::Match { field, negated, regex } => {
                write!(f, "{field} {} {regex}", if *negated { "!~" } else { "~" })
            }
            Self::In { field, negated, values } => {
                write!(f, "{field} {}in (", if *negated { "not " } else { "" })?;
                list(f, values)?;
                f.write_str(")")
            }
            Self::InQuery { field, negated, query, .. } => {
                write!(f, "{field} {}in ({query})", if *negated { "not " } else { "" })
            }
            Self::Between { field, negated, low, high } => {
                write!(f, "{field} {}between {low} and {high}", if *negated { "not " } else { "" })
            }
            Self::Presence { field, exists } => {
                write!(f, "{field} {}", if *exists { "exists" } else { "missing" })
            }
            Self::Text { field, op, value } => {
                let op = match op {
                    TextOp::Contains => "contains",
                    TextOp::Starts => "starts",
                    TextOp::Ends => "ends",
                    TextOp::Like => "like",
                    TextOp::Cidr => "cidr",
                };
                write!(f, "{field} {op} {value}")
            }
            Self::Search { field: Some(field), what, .. } => write!(f, "{field}:{what}"),
            Self::Search { field: None, what, .. } => write!(f, "{what}"),
        }
    }
}

impl Display for Search {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) => f.write_str(text),
            Self::Prefix(text) => write!(f, "{text}*"),
            Self::Phrase(text) => quoted(f, text),
            Self::Exact(text) => {
                f.write_str("cs")?;
                quoted(f, text)
            }
            Self::Regex(regex) => write!(f, "{regex}"),
        }
    }
}

impl Display for Regex {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("/")?;
        let mut escaped = false;
        for c in self.pattern.chars() {
            if c == '/' && !escaped {
                f.write_str("\\")?;
            }
            escaped = c == '\\' && !escaped;
            write!(f, "{c}")?;
        }
        f.write_str(if self.ignore_case { "/i" } else { "/" })
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.quoted { quoted(f, &self.text) } else { f.write_str(&self.text) }
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.quoted { write!(f, "`{}`", self.text.replace('`', "``")) } else { f.write_str(&self.text) }
    }
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn list(f: &mut Formatter<'_>, items: &[impl Display]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at != 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

fn limit(f: &mut Formatter<'_>, count: Option<u64>) -> fmt::Result {
    match count {
        Some(count) => write!(f, "limit {count}"),
        None => f.write_str("limit all"),
    }
}
