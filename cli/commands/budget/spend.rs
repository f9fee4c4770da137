//! `logq budget check`, `reserve`, `extend`, `commit` and `release`.

use std::time::Duration;

use logq_engine::budget::{Budgets, HoldId, Measure, Refused, Remaining, Request};
use logq_engine::{ErrorKind, value};
use logq_loggers::AiLogger;
use serde_json::{Value, json};

use super::super::track::{Used, cost};
use super::{budgets, is_json, open, print};
use crate::args::{BudgetCommit, BudgetExtend, BudgetRelease, BudgetRequest, BudgetReserve};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui;

/// The request that was typed.
fn request(args: &BudgetRequest) -> Outcome<Request> {
    let mut request = Request::new().field("kind", "ai");
    let words = [
        ("operation", &args.operation),
        ("model", &args.model),
        ("provider", &args.provider),
        ("session", &args.session),
        ("user", &args.user),
    ];
    for (name, word) in words {
        if let Some(word) = word {
            request = request.field(name, word.as_str());
        }
    }
    for pair in &args.set {
        let Some((field, value)) = pair.split_once('=').filter(|(field, _)| !field.is_empty()) else {
            return Err(Failure::bad(format!("--set is no field: `{pair}`")).help("--set project=puzzles"));
        };
        request = request.field(field, value);
    }
    if let Some(tokens) = args.tokens {
        request = request.tokens(tokens);
    }
    if let Some(tokens) = args.prompt_tokens {
        request = request.prompt_tokens(tokens);
    }
    if let Some(tokens) = args.response_tokens {
        request = request.response_tokens(tokens);
    }
    if let Some(text) = &args.cost {
        request = request.cost(nanos(text)?);
    }
    Ok(request)
}

/// What `--cost` says, in billionths of a dollar.
fn nanos(text: &str) -> Outcome<u64> {
    u64::try_from(cost(text)?.nanos())
        .map_err(|_| Failure::bad(format!("--cost is more than there is money: `{text}`")))
}

/// What `--ttl` says.
fn ttl(text: &str) -> Outcome<Duration> {
    let ns = value::duration_ns(text).and_then(|ns| u64::try_from(ns).ok()).filter(|ns| 0 < *ns);
    ns.map(Duration::from_nanos).ok_or_else(|| {
        Failure::bad(format!("--ttl is no length of time: `{text}`"))
            .help("a number with a unit: 90s, 10m, 2h")
    })
}

/// Dollars, or a number.
fn amount(measure: Measure, amount: u64) -> Value {
    match measure {
        // The shortest decimal of a number of billionths reads back as the same number.
        Measure::Cost => {
            serde_json::from_str(measure.show(amount).trim_start_matches('$')).unwrap_or(Value::Null)
        }
        _ => json!(amount),
    }
}

fn refused_json(one: &Refused) -> Value {
    let show = |number| amount(one.measure, number);
    json!({
        "budget": one.budget,
        "group": one.group,
        "measure": one.measure.as_str(),
        "mode": one.mode.as_str(),
        "used": show(one.used),
        "held": show(one.held),
        "asked": show(one.asked),
        "limit": show(one.limit),
        "retry_after": one.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
    })
}

fn remaining_json(one: &Remaining) -> Value {
    json!({
        "budget": one.budget,
        "group": one.group,
        "measure": one.measure.as_str(),
        "remaining": amount(one.measure, one.remaining),
    })
}

/// The least number of tokens that some budget leaves.
fn tokens_left(remaining: &[Remaining]) -> Option<u64> {
    let tokens = remaining.iter().filter(|one| one.measure == Measure::Tokens);
    tokens.map(|one| one.remaining).min()
}

/// Says that a request was refused, and until when.
fn say_refused(config: &Config, refused: &Refused) {
    let mut failure = Failure::bad(format!("refused: {refused}"));
    if let Some(wait) = refused.retry_after {
        let ns = i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX);
        failure = failure.help(format!("so much is free in {}, if nobody else uses any", ui::span(ns)));
    }
    config.ui.complain(&failure);
}

fn warn_beyond(config: &Config, beyond: &[Refused]) {
    beyond.iter().for_each(|one| config.ui.warn(&format!("beyond its limit: {one}")));
}

/// Whether a call would be admitted.
pub(super) fn check(config: &Config, args: &BudgetRequest) -> Outcome {
    let json = is_json(config, "check")?;
    let request = request(args)?;
    let store = open(config, false)?;
    let verdict = budgets(config, &store)?.check(&request)?;
    if json {
        let list = |all: &[Refused]| all.iter().map(refused_json).collect::<Vec<_>>();
        let object = json!({
            "admitted": verdict.refused.is_none(),
            "refused": verdict.refused.as_ref().map(refused_json),
            "beyond": list(&verdict.beyond),
            "remaining": verdict.remaining.iter().map(remaining_json).collect::<Vec<_>>(),
        });
        print(&format!("{}\n", ui::plain_json(&object.to_string())))?;
    } else {
        for one in &verdict.remaining {
            let group = one.group.as_deref().map_or(String::new(), |group| format!(" for {group}"));
            let left = one.measure.show(one.remaining);
            let unit = if one.measure == Measure::Cost { "" } else { one.measure.as_str() };
            let text = format!("{}{group}: {left} {unit}", one.budget);
            print(&format!("{} would be left\n", ui::visible(text.trim_end())))?;
        }
    }
    match &verdict.refused {
        Some(refused) => {
            say_refused(config, refused);
            Ok(Exit::No)
        }
        None => {
            warn_beyond(config, &verdict.beyond);
            Ok(Exit::Done)
        }
    }
}

/// Holds what a call may use, for whoever knows the hold's name.
pub(super) fn reserve(config: &Config, args: &BudgetReserve) -> Outcome {
    let json = is_json(config, "reserve")?;
    let request = request(&args.request)?.ttl(ttl(&args.ttl)?);
    let store = open(config, true)?;
    let budgets = budgets(config, &store)?;
    match budgets.reserve_detached(&request)? {
        Ok(held) => {
            let remaining = tokens_left(&held.remaining);
            let text = match json {
                true => json!({"hold": held.hold.to_string(), "remaining": remaining}).to_string(),
                false => held.hold.to_string(),
            };
            print(&format!("{text}\n"))?;
            warn_beyond(config, &held.beyond);
            Ok(Exit::Done)
        }
        Err(refused) => {
            if json {
                let left = tokens_left(&budgets.check(&request)?.remaining);
                let object = json!({"hold": null, "remaining": left, "refused": refused_json(&refused)});
                print(&format!("{}\n", ui::plain_json(&object.to_string())))?;
            }
            say_refused(config, &refused);
            Ok(Exit::No)
        }
    }
}

fn hold(text: &str) -> Outcome<HoldId> {
    text.parse::<HoldId>()
        .map_err(|error| Failure::bad(error.to_string()).help("`budget reserve` prints one"))
}

/// What an error about a hold means to the one who typed it.
fn of_hold(error: logq_engine::Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => {
            Failure::bad(error.to_string()).help("`logq track` books usage that nothing was held for")
        }
        _ => error.into(),
    }
}

/// Books what the call used.
pub(super) fn commit(config: &Config, args: &BudgetCommit) -> Outcome {
    let json = is_json(config, "commit")?;
    let hold = hold(&args.hold)?;
    let used = Used::read(&args.used)?;
    let store = open(config, false)?;
    let budgets: Budgets = budgets(config, &store)?;
    let known = budgets.reserved(hold).map_err(of_hold)?;
    let or_known = |given: &Option<String>, field: &str| {
        let known = known.iter().rev().find(|(name, _)| name == field).map(|(_, value)| value.clone());
        given.clone().or(known).ok_or_else(|| {
            Failure::bad(format!("what {field} was it? Nothing was said when it was reserved"))
                .help(format!("say it with --{field}"))
        })
    };
    let (operation, model) = (or_known(&args.operation, "operation")?, or_known(&args.model, "model")?);
    let provider = args.used.provider.clone().or_else(|| or_known(&None, "provider").ok());
    let mut call = used.call(&args.used, &operation, &model);
    call.provider = provider.as_deref();
    let logger = AiLogger::new(&store, store.writer()?);
    let committed = budgets.commit_detached(hold, &logger.event(&call)).map_err(of_hold)?;
    match committed.id {
        None => config.ui.note("it was committed before with no less: nothing was booked"),
        Some(id) if json => print(&format!("{}\n", json!({"id": id.to_string()})))?,
        Some(_) => {}
    }
    if json && committed.id.is_none() {
        print("{\"id\":null}\n")?;
    }
    Ok(Exit::Done)
}

/// Holds more, or for longer.
pub(super) fn extend(config: &Config, args: &BudgetExtend) -> Outcome {
    let json = is_json(config, "extend")?;
    let hold = hold(&args.hold)?;
    let mut more = Request::new().tokens(args.tokens.unwrap_or(0));
    if let Some(text) = &args.cost {
        more = more.cost(nanos(text)?);
    }
    if let Some(text) = &args.ttl {
        more = more.ttl(ttl(text)?);
    }
    let store = open(config, false)?;
    let refused = budgets(config, &store)?.extend_detached(hold, &more).map_err(of_hold)?;
    if json {
        let object = json!({"extended": refused.is_none(), "refused": refused.as_ref().map(refused_json)});
        print(&format!("{}\n", ui::plain_json(&object.to_string())))?;
    }
    Ok(match refused {
        Some(refused) => {
            say_refused(config, &refused);
            Exit::No
        }
        None => Exit::Done,
    })
}

/// Lets a hold go.
pub(super) fn release(config: &Config, args: &BudgetRelease) -> Outcome {
    let json = is_json(config, "release")?;
    let hold = hold(&args.hold)?;
    let store = open(config, false)?;
    let released = budgets(config, &store)?.release_detached(hold).map_err(of_hold)?;
    if json {
        print(&format!("{}\n", json!({"released": released})))?;
    }
    if !released {
        config.ui.note("it was not held any more");
    }
    Ok(Exit::Done)
}
