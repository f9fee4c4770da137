//! `logq seal`: rows become columns now, not when there is more of them.

use logq_engine::{Options, Store, Upkeep};

use super::maintain::{Shown, show};
use crate::config::Config;
use crate::exit::Outcome;
use crate::ui;

/// Seals everything but the files that writers are filling; waits for another process that maintains the store.
pub(crate) fn run(config: &Config) -> Outcome {
    let format = Shown::of(config, "seal")?;
    let options = Options { create: false, maintain: false, ..config.options()? };
    let upkeep = Store::open(config.store()?, options)?.seal()?;
    show(config, format, &upkeep, &summary(&upkeep), None, &[])
}

fn summary(upkeep: &Upkeep) -> String {
    let records: u64 = upkeep.steps.iter().map(|step| step.records).sum();
    let segments: usize = upkeep.steps.iter().map(|step| step.outputs.len()).sum();
    let stay = match upkeep.unsealed {
        0 => "nothing stays in active files".to_owned(),
        1 => "1 record stays in files that writers are filling".to_owned(),
        more => format!("{} stay in files that writers are filling", ui::count(more, "record")),
    };
    if upkeep.steps.is_empty() {
        return format!("nothing to seal: {stay}\n");
    }
    let segments = ui::count(u64::try_from(segments).unwrap_or(u64::MAX), "segment");
    format!("sealed {} into {segments}; {stay}\n", ui::count(records, "record"))
}
