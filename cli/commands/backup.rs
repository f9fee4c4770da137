//! `logq backup` and `logq restore`: copies of a store beside each other in one folder, and a store out of one.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use logq_engine::{BackedUp, BackupInfo, BackupProgress, Options, Store};
use serde_json::{Value, json};

use super::check::damage;
use super::maintain::Shown;
use crate::args;
use crate::config::Config;
use crate::exit::{Exit, Outcome};
use crate::ui::{self, Progress};

/// Makes a backup, lists those that there are, or verifies them.
pub(crate) fn run(config: &Config, args: &args::Backup) -> Outcome {
    let shown = Shown::of(config, "backup")?;
    if args.list {
        return list(shown, &args.dest);
    }
    if args.verify {
        return verify(shown, &args.dest);
    }
    let options = Options { create: false, maintain: false, read_only: true, ..config.options()? };
    let store = Store::open(config.store()?, options)?;
    let done = store.backup(&args.dest, args.keep, &mut watch("backup"))?;
    for name in &done.damaged_lists {
        config.ui.warn(&format!("{name} is damaged: no copy is deleted while it lies there"));
    }
    let BackedUp { backup, copied, copied_bytes, deleted, .. } = &done;
    let (records, files) = (ui::count(backup.records, "record"), ui::count(*copied, "file"));
    let text = format!(
        "backup {}: {records}, {}; copied {files}, {}\n",
        backup.number,
        ui::size(backup.bytes),
        ui::size(*copied_bytes)
    );
    let mut value = as_json(backup);
    value["copied"] = (*copied).into();
    value["copied_bytes"] = (*copied_bytes).into();
    value["deleted"] = (*deleted).into();
    value["damaged_lists"] = json!(done.damaged_lists);
    say(shown, &text, &value)?;
    Ok(Exit::Done)
}

/// Makes a store out of a backup.
pub(crate) fn restore(config: &Config, args: &args::Restore) -> Outcome {
    let shown = Shown::of(config, "restore")?;
    let at = args.at.as_deref().map(|at| config.moment(at, "--at")).transpose()?;
    let done = logq_engine::restore(&args.source, at, &args.to, args.replace, &mut watch("verify"))?;
    let mut text = format!(
        "restored backup {} with {} into {}\n",
        done.backup.number,
        ui::count(done.backup.records, "record"),
        args.to.display()
    );
    let before = done.before.as_ref().map(|path| path.display().to_string());
    if let Some(before) = &before {
        text += &format!("what was there is in {before}\n");
    }
    let mut value = as_json(&done.backup);
    value["before"] = json!(before);
    say(shown, &ui::visible_lines(&text), &value)?;
    Ok(Exit::Done)
}

fn list(shown: Shown, folder: &Path) -> Outcome {
    let all = logq_engine::backups(folder)?;
    let line = |backup: &BackupInfo| {
        let taken = logq_query::json::time_text(backup.taken);
        let (records, size) = (ui::count(backup.records, "record"), ui::size(backup.bytes));
        format!("{:>6}  {taken}  {records}, {size}\n", backup.number)
    };
    let value = json!({"backups": all.iter().map(as_json).collect::<Vec<_>>()});
    say(shown, &all.iter().map(line).collect::<String>(), &value)?;
    Ok(Exit::Done)
}

fn verify(shown: Shown, folder: &Path) -> Outcome {
    let gaps = logq_engine::verify_backup(folder, None, &mut watch("verify"))?;
    let mut text: String = gaps
        .iter()
        .map(|gap| format!("damage: {}: {}\n", ui::visible(&gap.file), ui::visible(&gap.what)))
        .collect();
    if gaps.is_empty() {
        text += "every copy is what was copied\n";
    }
    say(shown, &text, &json!({"damage": gaps.iter().map(damage).collect::<Vec<_>>()}))?;
    Ok(if gaps.is_empty() { Exit::Done } else { Exit::No })
}

fn watch(label: &str) -> impl FnMut(BackupProgress) -> ControlFlow<()> {
    let mut bar = Progress::since(label, std::time::Instant::now());
    move |progress| {
        bar.bytes(progress.done, Some(progress.total), None);
        ControlFlow::Continue(())
    }
}

fn as_json(backup: &BackupInfo) -> Value {
    let BackupInfo { number, taken, records, files, bytes } = backup;
    let taken = logq_query::json::time_text(*taken);
    json!({"backup": number, "taken": taken, "records": records, "files": files, "bytes": bytes})
}

fn say(shown: Shown, text: &str, value: &Value) -> Outcome<()> {
    let mut out = ui::stdout();
    match shown {
        Shown::Table => out.write_all(text.as_bytes())?,
        Shown::Json => writeln!(out, "{value:#}")?,
    }
    out.flush()?;
    Ok(())
}
