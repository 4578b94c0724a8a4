//! Ctrl-C and its relatives: noted here, looked at wherever the launcher waits, so that a machine is
//! always taken down before the launcher goes.

use std::io;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

static PENDING: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// From now on the usual signals are noted instead of ending the process. Until there is a machine to
/// take down, they end it.
pub fn watch() -> io::Result<()> {
    let pending = PENDING.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        signal_hook::flag::register_usize(signal, Arc::clone(pending), signal as usize)?;
    }
    Ok(())
}

/// Makes it look as if `signal` had arrived.
pub fn note(signal: i32) {
    PENDING.get_or_init(Arc::default).store(signal as usize, Ordering::SeqCst);
}

/// The signal that arrived, if one did.
pub fn pending() -> Option<i32> {
    match PENDING.get()?.load(Ordering::SeqCst) {
        0 => None,
        signal => i32::try_from(signal).ok(),
    }
}

/// Ends the process as the pending signal would have, so that whoever started it can see that.
pub fn die_of(signal: i32) {
    // It only fails for signals that were never watched.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}
