//! `logq dump`: a file of a store, piece by piece, for somebody who wants to see the bytes.

use std::io::{self, Write as _};
use std::ops::ControlFlow;

use crate::args::{Dump, Output};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui;

/// Prints the file; exit 3 when a piece of it is damaged.
pub(crate) fn run(config: &Config, args: &Dump) -> Outcome {
    if !matches!(config.output(), Output::Table) {
        let other = config.output().as_str();
        return Err(
            Failure::bad(format!("dump cannot write {other}")).help("it prints text for a human only")
        );
    }
    let mut out = ui::stdout();
    let mut written: io::Result<()> = Ok(());
    let damaged = logq_engine::dump(&args.file, args.records, &mut |line| {
        written = writeln!(out, "{}", ui::visible(line));
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    out.flush()?;
    if 0 < damaged {
        config.ui.complain(&Failure::broken(ui::count(damaged, "damaged piece")));
    }
    Ok(if damaged == 0 { Exit::Done } else { Exit::Broken })
}
