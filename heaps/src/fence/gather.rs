//! When all parts of an array are signalled, and who has to say so, without a lock: parts are signalled by whoever does
//! their work, on any CPU, while somebody begins to wait.
//!
//! One word holds how many parts are missing and whether anybody waits, so that of the two events, the last part's and
//! the first waiter's, the later one knows of the earlier.

use crate::Errno;
use crate::sync::{AtomicU32, Ordering};

/// Somebody waits.
const AWAITED: u32 = 1 << 31;

/// The parts that are missing.
pub(crate) struct Gather {
    missing: AtomicU32,
    /// The first error of a part, or 0.
    error: AtomicU32,
}

impl Gather {
    /// Of `parts` parts, fewer than 2^31.
    pub(crate) fn new(parts: u32) -> Gather {
        Gather { missing: AtomicU32::new(parts), error: AtomicU32::new(0) }
    }

    /// One part more is signalled; whether the caller has to signal the array.
    ///
    /// Release for the error, acquire for those of the others.
    pub(crate) fn part_signalled(&self, error: Option<Errno>) -> bool {
        if let Some(errno) = error {
            let _ = self.error.compare_exchange(0, errno.get().into(), Ordering::Relaxed, Ordering::Relaxed);
        }
        self.missing.fetch_sub(1, Ordering::AcqRel) == AWAITED | 1
    }

    /// Somebody is going to wait; whether the caller has to signal the array, for nobody else will.
    pub(crate) fn await_parts(&self) -> bool {
        self.missing.fetch_or(AWAITED, Ordering::AcqRel) == 0
    }

    /// Whether all parts are signalled and nobody has waited, so that nobody has said so.
    pub(crate) fn is_complete_unawaited(&self) -> bool {
        self.missing.load(Ordering::Acquire) == 0
    }

    /// The first error of a part.
    pub(crate) fn error(&self) -> Option<Errno> {
        u16::try_from(self.error.load(Ordering::Relaxed)).ok().and_then(Errno::new)
    }
}
