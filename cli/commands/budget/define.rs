//! `logq budget set`: a budget is defined or changed.

use logq_engine::budget::{Budget, Measure, Mode, Threshold, Window};
use logq_engine::value;
use logq_query::ast::{Clause, Expr, Term};
use logq_query::{Op, Query};

use super::{budgets, open};
use crate::args::{BudgetMeasure, BudgetMode, BudgetSet};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};

/// Defines a budget; of one that is there only what was said changes.
pub(super) fn run(config: &Config, args: &BudgetSet) -> Outcome {
    if let Some(key) = config.file()?.owns(&args.name).filter(|_| args.remove || args.limit.is_some()) {
        return Err(Failure::bad(format!("the limit of `{}` stands in logq.toml, as `{key}`", args.name))
            .help("change it there, or take the line out"));
    }
    if args.remove {
        let store = open(config, false)?;
        if !budgets(config, &store)?.remove(&args.name)? {
            return Err(unknown(&store, &args.name));
        }
        return Ok(Exit::Done);
    }
    // What is wrong with the call is said before a store is made for it.
    let condition = args.condition.as_deref().map(selector).transpose()?;
    let window = args.window.as_deref().map(Window::parse).transpose()?;
    let thresholds =
        args.warn.as_ref().map(|list| list.iter().map(|text| Threshold::parse(text.trim())).collect());
    let thresholds: Option<Vec<Threshold>> = thresholds.transpose()?;
    let _read = args.limit.as_deref().map(|text| limit(measure(args.measure), text)).transpose()?;
    let store = open(config, true)?;
    let budgets = budgets(config, &store)?;
    let known = budgets.definitions()?.into_iter().find(|budget| budget.name == args.name);
    let mut budget = match (known, window, &args.limit) {
        (Some(budget), _, _) => budget,
        (None, Some(window), Some(_)) => Budget::new(args.name.as_str(), Measure::Tokens, 1, window),
        (None, _, _) => {
            return Err(Failure::bad(format!("a new budget needs a limit and a window: `{}`", args.name))
                .help("logq budget set NAME --limit 50k --window day"));
        }
    };
    if let Some(given) = args.measure {
        let given = measure(Some(given));
        if budget.measure != given && args.limit.is_none() {
            return Err(Failure::bad("another measure needs a limit of its own").help("say it with --limit"));
        }
        budget.measure = given;
    }
    if let Some(text) = &args.limit {
        budget.limit = limit(budget.measure, text)?;
    }
    budget.window = window.unwrap_or(budget.window);
    budget.selector = condition.unwrap_or(budget.selector);
    budget.thresholds = thresholds.unwrap_or(budget.thresholds);
    budget.by = args.by.clone().or(budget.by);
    if let Some(mode) = args.mode {
        budget.mode = match mode {
            BudgetMode::Observe => Mode::Observe,
            BudgetMode::Soft => Mode::Soft,
            BudgetMode::Hard => Mode::Hard,
        };
    }
    if let Some(zone) = config.typed_zone() {
        budget.zone = zone.to_owned();
    }
    budgets.set(budget)?;
    // What is used already may be beyond what is allowed now.
    budgets.refresh()?;
    Ok(Exit::Done)
}

fn unknown(store: &logq_engine::Store, name: &str) -> Failure {
    let names = store.budgets().definitions().unwrap_or_default();
    let names: Vec<String> = names.into_iter().map(|budget| budget.name).collect();
    let help =
        if names.is_empty() { "there are none".into() } else { format!("there are {}", names.join(", ")) };
    Failure::bad(format!("no budget has the name `{name}`")).help(help)
}

fn measure(given: Option<BudgetMeasure>) -> Measure {
    match given {
        None | Some(BudgetMeasure::Tokens) => Measure::Tokens,
        Some(BudgetMeasure::PromptTokens) => Measure::PromptTokens,
        Some(BudgetMeasure::ResponseTokens) => Measure::ResponseTokens,
        Some(BudgetMeasure::Cost) => Measure::Cost,
        Some(BudgetMeasure::Requests) => Measure::Requests,
    }
}

/// A limit: dollars, or a whole number that may end in k, M or G.
fn limit(measure: Measure, text: &str) -> Outcome<u64> {
    let bad = |help: &str| Failure::bad(format!("--limit is no limit: `{text}`")).help(help);
    let plain = text.trim_start_matches('$').replace('_', "");
    let scaled = match measure {
        Measure::Cost => value::scaled(&plain, 9),
        _ => {
            let (digits, scale) = match plain.char_indices().next_back() {
                Some((at, 'k' | 'K')) => (&plain[..at], 3),
                Some((at, 'M')) => (&plain[..at], 6),
                Some((at, 'G')) => (&plain[..at], 9),
                _ => (plain.as_str(), 0),
            };
            value::scaled(digits, scale)
        }
    };
    let limit = scaled.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| 0 < *limit);
    limit.ok_or_else(|| match measure {
        Measure::Cost => bad("US dollars, such as 5 or 0.25"),
        _ => bad("a whole number above 0, such as 50000, 50k or 1.5M"),
    })
}

/// The conditions of `--where`: fields that equal values, all of them.
fn selector(text: &str) -> Outcome<Vec<(String, String)>> {
    let query = Query::parse(&format!("events where {text}"))?;
    let tree = query.tree();
    let conditions = match tree.clauses.as_slice() {
        [Clause::Where(expr, _)] if tree.pipes.is_empty() && !tree.explain && !tree.profile => {
            equalities(expr)
        }
        _ => None,
    };
    conditions.ok_or_else(|| {
        Failure::bad(format!("--where takes only fields that equal values: `{text}`"))
            .help("such as `model = llama3.2 and user = ann`; other conditions cannot be told before a call")
    })
}

fn equalities(expr: &Expr) -> Option<Vec<(String, String)>> {
    match expr {
        Expr::And(parts) => {
            let parts: Option<Vec<_>> = parts.iter().map(equalities).collect();
            parts.map(|parts| parts.concat())
        }
        Expr::Term(Term::Compare { field, op: Op::Eq, value }) => {
            Some(vec![(field.stored().to_owned(), value.text.clone())])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_dollars() {
        for (measure, text, want) in [
            (Measure::Tokens, "50000", Some(50_000)),
            (Measure::Tokens, "50_000", Some(50_000)),
            (Measure::Tokens, "50k", Some(50_000)),
            (Measure::Requests, "1.5M", Some(1_500_000)),
            (Measure::Cost, "$5.50", Some(5_500_000_000)),
            (Measure::Cost, "0.000000001", Some(1)),
            (Measure::Tokens, "0", None),
            (Measure::Tokens, "-1", None),
            (Measure::Tokens, "much", None),
            (Measure::Tokens, "", None),
            (Measure::Tokens, "k", None),
            (Measure::Tokens, "5\u{20ac}", None),
        ] {
            assert_eq!(limit(measure, text).ok(), want, "{text}");
        }
    }

    #[test]
    fn a_selector_is_fields_that_equal_values_and_nothing_else() {
        let pairs = |list: &[(&str, &str)]| {
            Some(list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>())
        };
        for (text, want) in [
            ("model=llama3.2", pairs(&[("model", "llama3.2")])),
            ("model_name = \"a b\" and user == ann", pairs(&[("model", "a b"), ("user", "ann")])),
            ("(a=1 b=2) c=3", pairs(&[("a", "1"), ("b", "2"), ("c", "3")])),
            ("model=a or model=b", None),
            ("not model=a", None),
            ("prompt_tokens > 5", None),
            ("hello", None),
            ("model=a last 1h", None),
            ("model=a | limit 1", None),
            ("model in (a, b)", None),
            ("", None),
        ] {
            assert_eq!(selector(text).ok(), want, "{text}");
        }
    }
}
