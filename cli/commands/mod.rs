//! One file for each verb, and what several of them need.

pub(crate) mod append;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod budget;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod count;
pub(crate) mod demo;
pub(crate) mod dump;
pub(crate) mod export;
pub(crate) mod forget;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod maintain;
pub(crate) mod query;
pub(crate) mod repair;
pub(crate) mod seal;
pub(crate) mod track;

use std::io::Write as _;

use logq_engine::{Options, Store};

use crate::args::{self, Command};
use crate::config::Config;
use crate::exit::{Exit, Outcome};
use crate::ui;

/// Runs a command.
pub(crate) fn run(config: &Config, command: Command) -> Outcome {
    match command {
        Command::Query(args) => query::run(config, &args),
        Command::Import(args) => import::run(config, &args),
        Command::Append(args) => append::run(config, &args),
        Command::Count(args) => count::run(config, &args),
        Command::Track(args) => track::run(config, &args),
        Command::Budget(args) => budget::run(config, &args),
        Command::Seal => seal::run(config),
        Command::Maintain(args) => maintain::run(config, &args),
        Command::Health(args) => health::run(config, &args),
        Command::Check(args) => check::run(config, &args),
        Command::Repair(args) => repair::run(config, &args),
        Command::Forget(args) => forget::run(config, &args),
        Command::Backup(args) => backup::run(config, &args),
        Command::Restore(args) => backup::restore(config, &args),
        Command::Export(args) => export::run(config, &args),
        Command::Dump(args) => dump::run(config, &args),
        Command::Bench(args) => bench::run(config, &args),
        Command::Demo(args) => demo::run(config, &args),
        Command::Config(args) => config::run(config, &args),
        Command::Completions(args) => print(&args::completions(args.shell)),
        Command::Man => print(&args::manual()?),
    }
}

/// Writes bytes that are the whole answer.
fn print(bytes: &[u8]) -> Outcome {
    let mut out = ui::stdout();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(Exit::Done)
}

/// Opens the store for reading: nothing is made or written, so that a store on a read-only disk answers.
fn open_to_read(config: &Config) -> Outcome<Store> {
    let options = Options { read_only: true, create: false, ..config.options()? };
    Ok(Store::open(config.store()?, options)?)
}
