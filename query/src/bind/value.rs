//! Values: what a written value is, given the field that it is compared with; and the arithmetic of measures.

use logq_engine::value::{canonical_int, duration_ns};
use logq_engine::{Level, Literal};

use super::Binder;
use crate::ast::{self, Power, Sign, Value};
use crate::calendar::Calendar;
use crate::diagnostic::{self, Diagnostic};
use crate::functions::Function;
use crate::plan::{Arith, Measure, Nothing, Operation};
use crate::units;

/// What a field's name says about its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A level: words and numbers are compared by rank.
    Level,
    /// A time: dates are times.
    Time,
    /// Anything.
    Plain,
}

impl Kind {
    pub(super) fn of(name: &str) -> Self {
        match name {
            "level" => Self::Level,
            "time" | "_arrived" => Self::Time,
            _ => Self::Plain,
        }
    }
}

/// What a value may stand for: one literal, or for an equality several, one of which must be equal: `4k` is a number
/// and also the text `4k`.
pub(super) fn literals(
    kind: Kind,
    value: &Value,
    ordered: bool,
    calendar: &Calendar,
) -> Result<Vec<Literal>, Diagnostic> {
    let text = value.text.as_str();
    match kind {
        Kind::Time => match calendar.parse(text) {
            Some(ns) => Ok(vec![Literal::Time(ns)]),
            None => {
                let problem = Diagnostic::error("Q0301", value.place.0, format!("`{text}` is no time"));
                Err(problem.help("such as 2026-11-22, 2026-11-22T10:15Z, \"2026-11-22 10:15\" or now-2h"))
            }
        },
        Kind::Level => {
            let number = text.parse().ok().and_then(Level::from_number);
            match Level::parse(text).or(number) {
                Some(level) => Ok(vec![Literal::Level(level)]),
                None if ordered => {
                    let problem = Diagnostic::error("Q0301", value.place.0, format!("`{text}` is no level"));
                    let names = Level::ALL.map(Level::as_str);
                    let all = format!("the levels are {}", names.join(", "));
                    Err(problem.help(all).maybe_help(diagnostic::did_you_mean(text, names)))
                }
                None => Ok(vec![Literal::Text(text.to_owned())]),
            }
        }
        Kind::Plain if value.quoted => Ok(vec![Literal::Text(text.to_owned())]),
        Kind::Plain => plain(value, ordered),
    }
}

fn plain(value: &Value, ordered: bool) -> Result<Vec<Literal>, Diagnostic> {
    let text = value.text.as_str();
    match text {
        "true" => return Ok(vec![Literal::Bool(true)]),
        "false" => return Ok(vec![Literal::Bool(false)]),
        "null" | "NULL" => {
            let problem = Diagnostic::error("Q0301", value.place.0, "nothing compares with null");
            return Err(problem.help("write `field missing` or `field exists`; quote the text \"null\""));
        }
        _ => {}
    }
    let unit = if let Some(nano) = units::money(text) {
        Literal::Cost(nano)
    } else if let Some(number) = units::number(text) {
        Literal::Number(number)
    } else if let Some(ns) = duration_ns(text) {
        Literal::Duration(ns)
    } else {
        return Ok(vec![Literal::Text(text.to_owned())]);
    };
    let bare = text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    if ordered || bare {
        return Ok(vec![unit]);
    }
    Ok(vec![unit, Literal::Text(text.to_owned())])
}

impl Binder {
    /// The measures of a list, those without a problem.
    pub(super) fn measures(&mut self, list: &[ast::Aggregate]) -> Vec<Measure> {
        list.iter().filter_map(|aggregate| self.measure(aggregate)).collect()
    }

    fn measure(&mut self, aggregate: &ast::Aggregate) -> Option<Measure> {
        let function = Function::parse(&aggregate.function)?;
        if aggregate.argument.is_none() && !function.counts_rows() {
            let problem = Diagnostic::error(
                "Q0104",
                aggregate.place.0,
                format!("`{}` needs a field", aggregate.function),
            );
            self.problems.push(problem.help(format!("such as `{}(latency)`", aggregate.function)));
            return None;
        }
        let argument = match &aggregate.argument {
            Some(argument) => {
                let bound = self.arith(argument);
                Some(self.note(bound)?)
            }
            None => None,
        };
        let condition = match &aggregate.condition {
            Some(condition) => Some(self.condition(condition)?),
            None => None,
        };
        Some(Measure {
            function,
            argument,
            condition,
            name: aggregate.column(),
            nothing: Nothing::Missing,
            place: aggregate.place.0,
        })
    }

    /// Arithmetic with its fields resolved.
    pub(super) fn arith(&mut self, arith: &ast::Arith) -> Result<Arith, Diagnostic> {
        match arith {
            ast::Arith::Field(name) => Ok(Arith::Field(self.column(name))),
            ast::Arith::Literal(value) => number(value),
            ast::Arith::Sum(terms) => {
                let mut parts = terms.iter();
                let Some((sign, first)) = parts.next() else { return Ok(Arith::Int(0)) };
                let mut first = self.arith(first)?;
                if *sign == Sign::Minus {
                    first = Arith::Negate(Box::new(first));
                }
                let mut rest = Vec::new();
                for (sign, part) in parts {
                    let operation = if *sign == Sign::Plus { Operation::Add } else { Operation::Subtract };
                    rest.push((operation, self.arith(part)?));
                }
                Ok(if rest.is_empty() { first } else { Arith::Chain(Box::new(first), rest) })
            }
            ast::Arith::Product(factors) => {
                let mut parts = factors.iter();
                let Some((_, first)) = parts.next() else { return Ok(Arith::Int(1)) };
                let first = self.arith(first)?;
                let mut rest = Vec::new();
                for (power, part) in parts {
                    let operation =
                        if *power == Power::Times { Operation::Multiply } else { Operation::Divide };
                    rest.push((operation, self.arith(part)?));
                }
                Ok(if rest.is_empty() { first } else { Arith::Chain(Box::new(first), rest) })
            }
        }
    }
}

fn number(value: &Value) -> Result<Arith, Diagnostic> {
    let text = value.text.as_str();
    if value.quoted {
        return Ok(Arith::Text(text.into()));
    }
    if let Some(nano) = units::money(text) {
        return Ok(Arith::Cost(nano));
    }
    if let Some(literal) = units::number(text) {
        let float = literal.parse::<f64>().unwrap_or(f64::NAN);
        return Ok(canonical_int(&literal).map_or(Arith::Float(float), Arith::Int));
    }
    if let Some(ns) = duration_ns(text) {
        return Ok(Arith::Duration(ns));
    }
    let problem = Diagnostic::error("Q0303", value.place.0, format!("`{text}` is no number"));
    Err(problem.help("such as 5, 1.5, 10k, 4KiB, 1.5s or $0.02; put an odd field name in backticks"))
}
