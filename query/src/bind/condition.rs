//! Conditions: an expression of the tree to predicates of the engine.
//!
//! A comparison of a missing field is false, also a negated one (`!=`, `!~`, `not in`, `not between`); `not` before
//! a term turns it around whole.

use logq_engine::{Comparison, Literal, Predicate, Test, TextTest};

use super::Binder;
use super::value::{Kind, literals};
use crate::ast::{Expr, Name, Regex, Search, Term, TextOp, Value};
use crate::diagnostic::Diagnostic;
use crate::plan::Condition;
use crate::token::{Op, Span};

impl Binder {
    /// The conditions that must all hold.
    pub(super) fn conditions(&mut self, expr: &Expr) -> Vec<Condition> {
        let parts = match expr {
            Expr::And(parts) => parts.as_slice(),
            other => std::slice::from_ref(other),
        };
        parts.iter().filter_map(|part| self.condition(part)).collect()
    }

    /// One condition; none where it has a problem, which is noted.
    pub(super) fn condition(&mut self, expr: &Expr) -> Option<Condition> {
        let mut fields = Vec::new();
        let mut searches = false;
        let before = self.problems.iter().filter(|p| p.severity == crate::Severity::Error).count();
        let predicate = self.predicate(expr, &mut fields, &mut searches);
        let failed = before < self.problems.iter().filter(|p| p.severity == crate::Severity::Error).count();
        // A query inside is shown as it was written: its values are only known when it has run.
        let label = expr.has_query().then(|| match expr {
            Expr::Or(_) => format!("({expr})").into(),
            _ => expr.to_string().into(),
        });
        (!failed).then_some(Condition { label, own: false, predicate, fields, searches })
    }

    fn predicate(&mut self, expr: &Expr, fields: &mut Vec<String>, searches: &mut bool) -> Predicate {
        match expr {
            Expr::And(parts) => {
                Predicate::And(parts.iter().map(|p| self.predicate(p, fields, searches)).collect())
            }
            Expr::Or(parts) => {
                Predicate::Or(parts.iter().map(|p| self.predicate(p, fields, searches)).collect())
            }
            Expr::Not(inner) => Predicate::Not(Box::new(self.predicate(inner, fields, searches))),
            Expr::Term(term) => {
                *searches |= matches!(term, Term::Search { field: None, .. });
                self.term(term, fields)
            }
        }
    }

    fn term(&mut self, term: &Term, fields: &mut Vec<String>) -> Predicate {
        match term {
            Term::Compare { field, op, value } => self.compare(field, *op, value, fields),
            Term::In { field, negated, values } => self.one_of(field, values, *negated, fields),
            Term::InQuery { field, negated, query, values, .. } => {
                if values.is_none() {
                    let (_, problems) = super::bind_inner(query, &self.calendar);
                    self.problems.extend(problems);
                }
                self.one_of(field, values.as_deref().unwrap_or_default(), *negated, fields)
            }
            Term::Between { field, negated, low, high } => {
                let (name, kind) = self.field(field, fields);
                let mut ends = Vec::new();
                for (value, comparison) in [(low, Comparison::Ge), (high, Comparison::Le)] {
                    let found = literals(kind, value, true, &self.calendar);
                    let literal = self.note(found).and_then(|all| all.into_iter().next());
                    ends.extend(
                        literal.map(|literal| Predicate::field(&name, Test::Compare(comparison, literal))),
                    );
                }
                present_and(&name, Predicate::And(ends), *negated)
            }
            Term::Match { field, negated, regex } => {
                let (name, _) = self.field(field, fields);
                let test = self.regex(regex);
                present_and(&name, Predicate::field(&name, Test::Text(test)), *negated)
            }
            Term::Presence { field, exists } => {
                let (name, _) = self.field(field, fields);
                Predicate::field(name, if *exists { Test::Exists } else { Test::Missing })
            }
            Term::Text { field, op, value } => self.text(field, *op, value, fields),
            Term::Search { field: Some(field), what, place } => {
                let (name, _) = self.field(field, fields);
                Predicate::field(name, Test::Text(self.search(what, place.0)))
            }
            Term::Search { field: None, what, place } => Predicate::Any(self.search(what, place.0)),
        }
    }

    fn one_of(
        &mut self,
        field: &Name,
        values: &[Value],
        negated: bool,
        fields: &mut Vec<String>,
    ) -> Predicate {
        let (name, kind) = self.field(field, fields);
        let mut all = Vec::new();
        for value in values {
            let found = literals(kind, value, false, &self.calendar);
            all.extend(self.note(found).unwrap_or_default());
        }
        present_and(&name, Predicate::field(&name, Test::In(all)), negated)
    }

    fn field(&mut self, field: &Name, fields: &mut Vec<String>) -> (String, Kind) {
        let name = self.column(field);
        if !fields.contains(&name) {
            fields.push(name.clone());
        }
        let kind = Kind::of(&name);
        (name, kind)
    }

    fn compare(&mut self, field: &Name, op: Op, value: &Value, fields: &mut Vec<String>) -> Predicate {
        let (name, kind) = self.field(field, fields);
        let comparison = match op {
            Op::Eq | Op::Match => Comparison::Eq,
            Op::Ne | Op::NotMatch => Comparison::Ne,
            Op::Lt => Comparison::Lt,
            Op::Le => Comparison::Le,
            Op::Gt => Comparison::Gt,
            Op::Ge => Comparison::Ge,
        };
        let ordered = !matches!(comparison, Comparison::Eq | Comparison::Ne);
        if !ordered && !value.quoted && value.text.ends_with('*') {
            let message = format!("`*` is only itself after `{}`", op.as_str());
            let help = format!("`{field} like {}` compares with a pattern", value.text);
            self.problems.push(Diagnostic::warning("Q0305", value.place.0, message).help(help));
        }
        let found = literals(kind, value, ordered, &self.calendar);
        let Some(all) = self.note(found) else { return Predicate::All };
        let test = |literal: &Literal| Predicate::field(&name, Test::Compare(comparison, literal.clone()));
        match all.as_slice() {
            [one] => test(one),
            several if comparison == Comparison::Ne => Predicate::And(several.iter().map(test).collect()),
            _ => Predicate::field(&name, Test::In(all)),
        }
    }

    fn text(&mut self, field: &Name, op: TextOp, value: &Value, fields: &mut Vec<String>) -> Predicate {
        let (name, _) = self.field(field, fields);
        let text = value.text.as_str();
        if text.is_empty() && op != TextOp::Like {
            return self.nothing(value.place.0);
        }
        let test = match op {
            TextOp::Contains => TextTest::contains(text),
            TextOp::Starts => TextTest::starts(text),
            TextOp::Ends => TextTest::ends(text),
            TextOp::Like => {
                if text.contains('%') && !text.contains(['*', '?']) {
                    let problem =
                        Diagnostic::warning("Q0305", value.place.0, "`%` is only itself in a pattern");
                    self.problems.push(problem.help("`*` stands for any run of characters, `?` for one"));
                }
                TextTest::like(text)
            }
            TextOp::Cidr => match TextTest::cidr(text) {
                Ok(test) => test,
                Err(wrong) => {
                    self.problems.push(
                        Diagnostic::error("Q0301", value.place.0, wrong).help("such as `ip cidr 10.0.0.0/8`"),
                    );
                    return Predicate::All;
                }
            },
        };
        Predicate::field(name, Test::Text(test))
    }

    fn nothing(&mut self, span: Span) -> Predicate {
        let problem = Diagnostic::error("Q0304", span, "there is nothing to search for");
        self.problems.push(
            problem.help("`field exists` tests that a field is there, `field = \"\"` that it is empty"),
        );
        Predicate::All
    }

    fn search(&mut self, what: &Search, span: Span) -> TextTest {
        match what {
            Search::Regex(regex) => self.regex(regex),
            Search::Word(text) | Search::Prefix(text) | Search::Phrase(text) | Search::Exact(text) => {
                if text.trim().is_empty() {
                    self.nothing(span);
                }
                if matches!(what, Search::Word(_) | Search::Prefix(_)) && text.contains('*') {
                    let problem = Diagnostic::warning("Q0305", span, "`*` is only itself inside of a word");
                    self.problems.push(problem.help(format!(
                        "`message like \"*{text}*\"` compares with a pattern; quote the text to search for it"
                    )));
                }
                match what {
                    Search::Prefix(_) => TextTest::prefix(text),
                    Search::Exact(_) => TextTest::exact_case(text),
                    Search::Phrase(_) => TextTest::phrase(text),
                    _ => TextTest::word(text),
                }
            }
        }
    }

    fn regex(&mut self, regex: &Regex) -> TextTest {
        TextTest::regex(&regex.pattern, regex.ignore_case).unwrap_or_else(|wrong| {
            // Of a message with a picture of the place only the last line says what is wrong.
            let last = wrong.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let problem = Diagnostic::error("Q0302", regex.place.0, format!("this regex cannot be used: {last}"));
            let help = "the syntax is that of Rust's regex crate: no look-around, no back-references; `contains` needs no escapes";
            self.problems.push(problem.help(help));
            TextTest::contains("")
        })
    }
}

/// A negated comparison holds only where the field is there.
fn present_and(name: &str, predicate: Predicate, negated: bool) -> Predicate {
    if !negated {
        return predicate;
    }
    Predicate::And(vec![Predicate::field(name, Test::Exists), Predicate::Not(Box::new(predicate))])
}
