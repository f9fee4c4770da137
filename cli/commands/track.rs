//! `logq track`: the token usage of one call, from the shell.

use std::io::Write as _;

use logq_engine::Store;
use logq_loggers::{AiLogger, AiOperation};
use logq_tokens::{Bucket, Mode, Money, State, Usage};

use crate::args;
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui;

/// Books the usage. Cost is what was said, else what the built-in prices say; a model without a price is unpriced.
pub(crate) fn run(config: &Config, args: &args::Track) -> Outcome {
    let used = Used::read(&args.used)?;
    let store = Store::open(config.store()?, config.options()?)?;
    config.file()?.define_budgets(&store.budgets())?;
    let logger = AiLogger::new(&store, store.writer_with(logq_engine::Durability::Synced)?).with_budgets()?;
    let ui = config.ui;
    logger.on_alert(move |alert| ui.warn(&alert.to_string()));
    let id = logger.operation(&used.call(&args.used, &args.operation, &args.model))?;
    if args.ack {
        let mut out = ui::stdout();
        writeln!(out, "{id}")?;
        out.flush()?;
    }
    // The writer is closed first, so that the slot is free.
    drop((logger, store));
    super::budget::deliver_after(config);
    Ok(Exit::Done)
}

/// What was typed of a call's usage, read.
pub(super) struct Used {
    usage: Usage,
    mode: Mode,
    latency: Option<std::time::Duration>,
}

impl Used {
    /// Reads it.
    pub(super) fn read(args: &args::Used) -> Outcome<Self> {
        let mode = match &args.mode {
            None => Mode::Standard,
            Some(name) => Mode::named(name).ok_or_else(|| {
                let names: Vec<&str> = Mode::ALL.iter().map(|mode| mode.as_str()).collect();
                Failure::bad(format!("no way of billing has the name `{name}`"))
                    .help(format!("one of {}", names.join(", ")))
            })?,
        };
        let latency = match &args.latency {
            None => None,
            Some(text) => Some(latency(text).ok_or_else(|| {
                Failure::bad(format!("--latency is no length of time: `{text}`"))
                    .help("milliseconds, or a number with a unit: 1.5s, 300ms")
            })?),
        };
        Ok(Self { usage: usage(args)?, mode, latency })
    }

    /// The call that used it.
    pub(super) fn call<'a>(
        &'a self,
        args: &'a args::Used,
        operation: &'a str,
        model: &'a str,
    ) -> AiOperation<'a> {
        AiOperation {
            provider: args.provider.as_deref(),
            session: args.session.as_deref(),
            user: args.user.as_deref(),
            context_type: args.context_type.as_deref(),
            usage: Some(&self.usage),
            latency: self.latency,
            mode: self.mode,
            ..AiOperation::new(operation, model)
        }
    }
}

/// What was typed, in buckets that do not overlap: cached tokens are inside of the prompt's, reasoning inside of the
/// response's.
fn usage(args: &args::Used) -> Outcome<Usage> {
    let inside = |name: &str, part: u64, of: &str, whole: u64| {
        whole.checked_sub(part).ok_or_else(|| {
            Failure::bad(format!("{name} is more than {of}: {part} of {whole}"))
                .help(format!("{of} includes {name}"))
        })
    };
    let mut usage = Usage::default();
    let cached = args.cached_tokens.unwrap_or(0).saturating_add(args.cache_write_tokens.unwrap_or(0));
    let uncached = inside("--cached-tokens", cached, "--prompt-tokens", args.prompt_tokens)?;
    let reasoning = args.reasoning_tokens.unwrap_or(0);
    let text = inside("--reasoning-tokens", reasoning, "--response-tokens", args.response_tokens)?;
    usage.set(Bucket::InUncached, uncached, State::Reported);
    usage.set(Bucket::OutText, text, State::Reported);
    for (bucket, tokens) in [
        (Bucket::InCacheRead, args.cached_tokens),
        (Bucket::InCacheWriteOther, args.cache_write_tokens),
        (Bucket::OutReasoning, args.reasoning_tokens),
    ] {
        if let Some(tokens) = tokens {
            usage.set(bucket, tokens, State::Reported);
        }
    }
    usage.cost_reported = args.cost.as_deref().map(cost).transpose()?;
    Ok(usage)
}

/// An amount of money.
pub(super) fn cost(text: &str) -> Outcome<Money> {
    let amount = Money::parse(text.trim_start_matches('$')).filter(|amount| Money::ZERO <= *amount);
    amount.ok_or_else(|| {
        Failure::bad(format!("--cost is no amount: `{text}`")).help("US dollars, such as 0.0021")
    })
}

/// A length of time: a number is milliseconds, else it has a unit.
fn latency(text: &str) -> Option<std::time::Duration> {
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "" | "ms" => 1e-3,
        "s" => 1.0,
        "us" => 1e-6,
        "m" => 60.0,
        _ => return None,
    };
    std::time::Duration::try_from_secs_f64(number.trim().parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_latency_is_milliseconds_or_has_a_unit() {
        for (text, want) in [
            ("1.5s", Some(Duration::from_millis(1500))),
            ("300", Some(Duration::from_millis(300))),
            ("300ms", Some(Duration::from_millis(300))),
            ("2m", Some(Duration::from_secs(120))),
            ("-1s", None),
            ("NaN", None),
            ("inf", None),
            ("1h", None),
            ("", None),
            ("s", None),
        ] {
            assert_eq!(latency(text), want, "{text}");
        }
    }
}
