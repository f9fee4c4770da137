//! `logq health`: how the store is. Token usage, limits, the newest events, disk and compression, and a verdict.
//!
//! Every part is the answer to a query, so that each number can be asked for by itself. Exit 0 good, 1 attention, 2 bad.

use std::io::Write as _;

use logq_engine::Store;
use logq_query::{Answer, Datum, Query, Row, RowShape, Session};

use crate::args::{self, Output};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::render::Look;
use crate::ui;

/// The query of the findings. Its last row is the verdict.
const ITEMS: &str = "health";

/// Shows how the store is.
pub(crate) fn run(config: &Config, args: &args::Health) -> Outcome {
    let output = config.output();
    if !matches!(output, Output::Table | Output::Json | Output::Md) {
        return Err(Failure::bad(format!("health cannot write {}", output.as_str()))
            .help("use -o table, md or json; `logq query health` writes all"));
    }
    let store = super::open_to_read(config)?;
    let parts = Parts::ask(config, &store, args.recent)?;
    let mut out = ui::stdout();
    match output {
        Output::Json => writeln!(out, "{}", ui::plain_json(&parts.json()))?,
        _ => parts.show(config, &mut out)?,
    }
    out.flush()?;
    parts.exit()
}

/// The answers that the report is made of.
struct Parts {
    hour: Answer,
    day: Answer,
    limits: Answer,
    recent: Answer,
    items: Answer,
}

impl Parts {
    fn ask(config: &Config, store: &Store, recent: usize) -> Outcome<Self> {
        let json = config.output() == Output::Json;
        // One clock for all parts.
        let now = config.now()?.unwrap_or_else(|| store.now());
        let ask = |text: &str, shape| -> Outcome<Answer> {
            let session = Session { now: Some(now), zone: config.zone()?, shape, ..Session::default() };
            Ok(Query::parse(text)?.run(store, &session)?)
        };
        let events = if json { RowShape::Full } else { RowShape::Table };
        Ok(Self {
            hour: ask("usage last 1h", RowShape::Table)?,
            day: ask("usage last 24h", RowShape::Table)?,
            limits: ask("budget", RowShape::Table)?,
            recent: ask(&format!("events limit {recent}"), events)?,
            items: ask(ITEMS, RowShape::Table)?,
        })
    }

    /// The worst of all findings. Records that are missing are bad, whatever the findings say.
    fn verdict(&self) -> &str {
        if [&self.hour, &self.day, &self.recent].into_iter().any(|answer| answer.damaged) {
            return "bad";
        }
        let value = self.items.columns.iter().position(|column| column.name == "value");
        match self.items.rows.last().zip(value).and_then(|(row, at)| row.cells.get(at)) {
            Some(Datum::Str(verdict)) => verdict,
            _ => "bad",
        }
    }

    fn exit(&self) -> Outcome {
        Ok(match self.verdict() {
            "good" => Exit::Done,
            "attention" => Exit::No,
            _ => Exit::Bad,
        })
    }

    fn json(&self) -> String {
        let rows = |answer: &Answer| {
            answer.rows.iter().map(|row| answer.row_json(row)).collect::<Vec<_>>().join(",")
        };
        format!(
            "{{\"verdict\":\"{}\",\"tokens\":{{\"last_hour\":{},\"last_24h\":{}}},\"limits\":[{}],\"recent\":[{}],\
             \"items\":[{}]}}",
            self.verdict(),
            or_null(&rows(&self.hour)),
            or_null(&rows(&self.day)),
            rows(&self.limits),
            rows(&self.recent),
            rows(&self.items)
        )
    }

    fn show(&self, config: &Config, out: &mut dyn std::io::Write) -> Outcome<()> {
        let zone = config.zone()?;
        let look = Look { output: config.output(), ui: config.ui, zone: &zone };
        let parts = [
            ("Tokens of the last hour", &self.hour),
            ("Tokens of the last 24 hours", &self.day),
            ("Limits", &self.limits),
            ("Newest events", &self.recent),
        ];
        for (heading, answer) in parts {
            look.heading(out, heading)?;
            if answer.rows.is_empty() {
                writeln!(out, "none")?;
            }
            look.write(out, answer)?;
            writeln!(out)?;
        }
        look.heading(out, "Store")?;
        match config.output() {
            Output::Table => self.items.rows.iter().try_for_each(|row| self.line(&look, out, row))?,
            _ => look.write(out, &self.items)?,
        }
        writeln!(out)?;
        look.heading(out, &format!("Verdict: {}", self.verdict()))
    }

    /// A finding in one line, as long as it has to be: what is wrong is never cut off.
    fn line(&self, look: &Look<'_>, out: &mut dyn std::io::Write, row: &Row) -> Outcome<()> {
        let cell = |name| {
            let at = self.items.columns.iter().position(|column| column.name == name);
            at.and_then(|at| row.cells.get(at)).unwrap_or(&Datum::Missing)
        };
        let text = |name| if let Datum::Str(text) = cell(name) { ui::visible(text) } else { String::new() };
        let size = || match cell("value") {
            Datum::Int(bytes) => ui::size(u64::try_from(*bytes).unwrap_or(0)),
            other => look.cell(other),
        };
        let (item, unit) = (text("item"), text("unit"));
        let value = match (item.as_str(), unit.as_str()) {
            // It stands below by itself.
            ("verdict", _) => return Ok(()),
            (_, "bytes") => size(),
            (_, "bytes a day") => format!("{} a day", size()),
            (_, "time") | (_, "") => look.cell(cell("value")),
            _ => format!("{} {unit}", look.cell(cell("value"))),
        };
        let mut notes = vec![text("detail")];
        if text("status") != "good" {
            notes.insert(0, text("status").to_uppercase());
        }
        notes.retain(|note| !note.is_empty());
        let line = format!("{item:<13} {value:<37} {}", notes.join(": "));
        writeln!(out, "{}", line.trim_end())?;
        Ok(())
    }
}

fn or_null(row: &str) -> &str {
    if row.is_empty() { "null" } else { row }
}
