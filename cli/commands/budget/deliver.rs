//! `logq budget deliver`: alerts to the command that `logq.toml` names.

use logq_engine::Store;
use logq_engine::budget::Delivered;
use logq_loggers::{ExecSink, ExecWatch};
use serde_json::json;

use super::{budgets, is_json, open, print};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui;

/// The command of the settings, if they name one.
fn sink(config: &Config) -> Outcome<Option<ExecSink>> {
    let file = config.file()?;
    let Some(command) = &file.alerts_exec else { return Ok(None) };
    Ok(Some(ExecSink::new(command.iter().cloned())?.timeout(file.alerts_timeout())))
}

/// One round, by hand.
pub(super) fn run(config: &Config) -> Outcome {
    let json = is_json(config, "deliver")?;
    let Some(sink) = sink(config)? else {
        return Err(Failure::bad("no command takes alerts")
            .help("name one in logq.toml: [alerts] and exec = [\"notify\", \"--alert\"]"));
    };
    let store = open(config, false)?;
    let round = sink.deliver(&budgets(config, &store)?)?;
    if json {
        let Delivered { delivered, waiting, failed, busy, .. } = &round;
        let failed = failed.as_ref().map(|failed| json!({"attempts": failed.attempts, "what": failed.what}));
        let object = json!({"delivered": delivered, "waiting": waiting, "failed": failed, "busy": busy});
        print(&format!("{}\n", ui::plain_json(&object.to_string())))?;
    } else {
        let delivered = ui::count(round.delivered, "alert");
        print(&format!("delivered {delivered}; {} wait\n", round.waiting))?;
    }
    if round.busy {
        config.ui.note("another process delivers at this moment");
    }
    say(config, &round);
    Ok(if round.failed.is_some() { Exit::No } else { Exit::Done })
}

/// One round after another command, which is not worse for it: what was not delivered waits for the next.
pub(crate) fn after(config: &Config) {
    let round = || -> Outcome<Option<Delivered>> {
        let Some(sink) = sink(config)? else { return Ok(None) };
        let store = open(config, false)?;
        Ok(Some(sink.deliver(&store.budgets())?))
    };
    match round() {
        Ok(Some(round)) => say(config, &round),
        Ok(None) => {}
        Err(failure) => config.ui.warn(&format!("alerts were not delivered: {}", failure.message)),
    }
}

/// Delivers beside a command that goes on, until what is returned is dropped.
pub(crate) fn beside(config: &Config, store: &Store) -> Outcome<Option<ExecWatch>> {
    let ui = config.ui;
    let warn = move |what: &str| ui.warn(&format!("an alert was not delivered: {what}"));
    Ok(sink(config)?.map(|sink| sink.watch(store, warn)))
}

fn say(config: &Config, round: &Delivered) {
    if let Some(failed) = &round.failed {
        config.ui.warn(&format!(
            "alert {} was not delivered, attempt {}: {}",
            failed.id, failed.attempts, failed.what
        ));
    }
}
