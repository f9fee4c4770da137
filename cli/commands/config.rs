//! `logq config`: the settings that a command would run with, and where each comes from.

use std::io::Write as _;

use crate::args::{self, ConfigAction, Output};
use crate::config::Config;
use crate::exit::{Exit, Outcome};
use crate::render::grid::{self, Cell, Column, Frame, Tone};
use crate::ui;

/// Shows the settings.
pub(crate) fn run(config: &Config, args: &args::ConfigArgs) -> Outcome {
    let ConfigAction::Show = args.action;
    let settings = config.settings()?;
    let mut out = ui::stdout();
    match config.output() {
        Output::Json | Output::Jsonl => {
            for setting in &settings {
                let line = serde_json::json!({
                    "name": setting.name, "value": setting.value, "from": setting.from,
                });
                writeln!(out, "{}", ui::plain_json(&line.to_string()))?;
            }
        }
        Output::Table | Output::Csv | Output::Md | Output::Chart => {
            let column = |name: &str, cells: Vec<String>| Column {
                name: name.into(),
                number: false,
                fixed: true,
                cells: cells.into_iter().map(|text| Cell { text, tone: Tone::Plain, empty: false }).collect(),
            };
            let columns = [
                column("setting", settings.iter().map(|setting| setting.name.into()).collect()),
                column("value", settings.iter().map(|setting| ui::visible(&setting.value)).collect()),
                column("from", settings.iter().map(|setting| ui::visible(&setting.from)).collect()),
            ];
            let frame = Frame { width: config.ui.width, color: config.ui.color, headings: true };
            out.write_all(grid::lay(&columns, frame).text.as_bytes())?;
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}
