//! The `logq` command.
//!
//! `args` reads what was typed, `config` adds environment and settings, `commands` does it, `render`
//! writes answers, `ui` talks to the person and `exit` ends.

mod args;
mod commands;
mod config;
mod exit;
mod export;
mod interrupt;
mod render;
mod reports;
mod settings;
mod ui;
mod workload;

use std::io::Write as _;
use std::process::ExitCode;

use crate::args::{Asked, Color};
use crate::config::Config;
use crate::exit::{Exit, Outcome};
use crate::ui::Ui;

fn main() -> ExitCode {
    let (ui, outcome) = match args::read(std::env::args_os()) {
        Ok(Asked::Run(cli)) => {
            let config = Config::new(cli.shared);
            (config.ui, commands::run(&config, cli.command))
        }
        Ok(Asked::Print(text)) => (Ui::new(Color::Auto), print(&text)),
        Err(failure) => (Ui::new(Color::Auto), Err(failure)),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            ui.complain(&failure);
            failure.exit.into()
        }
    }
}

fn print(text: &str) -> Outcome {
    let mut out = ui::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Exit::Done)
}
