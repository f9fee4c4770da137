//! Ending early: the first interrupt asks the work to end in order, the second ends the process.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::{Failure, Outcome};

/// The exit code of a process that an interrupt ended, as shells have it.
const INTERRUPTED: i32 = 130;

/// A flag that the first interrupt, from the keyboard or from a service manager, sets.
pub(crate) fn flag() -> Outcome<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The order counts: what the second signal does is asked before the first one sets the flag.
        flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&asked))
            .and_then(|_| flag::register(signal, Arc::clone(&asked)))
            .map_err(|error| Failure::broken(format!("interrupts cannot be heeded: {error}")))?;
    }
    Ok(asked)
}
