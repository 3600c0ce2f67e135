//! Ctrl-C, SIGTERM and SIGHUP: the first asks a program to end soon, with its progress saved; the second ends it at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::INTERRUPTED;

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

/// From now on a signal makes [`interrupted`] true, and a second one ends the process.
pub fn listen() {
    // Fails only where a handler is set already, which then does the same.
    let _ = ctrlc::set_handler(|| {
        if SIGNALS.fetch_add(1, Ordering::Relaxed) > 0 {
            std::process::exit(i32::from(INTERRUPTED));
        }
    });
}

/// Whether a signal came.
pub fn interrupted() -> bool {
    SIGNALS.load(Ordering::Relaxed) > 0
}
