//! A reference count that saturates instead of wrapping (Linux: `refcount_t`).
//!
//! A count is live (1..=`MAX`), zero (its object is being freed) or saturated: once anything went wrong it stays
//! so, its object is never freed, and a leak takes the place of a use-after-free.

use crate::sync::{AtomicU32, Ordering, fence};

/// The highest live count. Between it and the saturated value lie 2^30 counts, so that no number of concurrent
/// increments gets past it before the first of them has repaired it.
const MAX: u32 = i32::MAX as u32;

/// What a saturated count is set to: as far from `MAX` as from zero.
const SATURATED: u32 = 0xC000_0000;

/// How a count was misused. By the time this is returned the count is saturated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It was incremented when zero: its object is being freed, or has been.
    IncrementFromZero,
    /// It was incremented past the highest live count.
    Overflow,
    /// It was decremented when zero: somebody gave back more than was taken.
    Underflow,
}

/// A saturating count. Everything here may be called from any context.
#[derive(Debug)]
pub struct Refcount(AtomicU32);

impl Refcount {
    /// A count of `count`, at least 1.
    pub fn new(count: u32) -> Refcount {
        debug_assert!((1..=MAX).contains(&count));
        Refcount(AtomicU32::new(count))
    }

    /// One more. The caller holds a reference already.
    ///
    /// Relaxed: whoever has a reference to copy got it by an acquire, and may pass it on only by a release.
    pub fn inc(&self) -> Result<(), Fault> {
        let old = self.0.fetch_add(1, Ordering::Relaxed);
        match old {
            1..MAX => Ok(()),
            0 => Err(self.saturate(Fault::IncrementFromZero)),
            MAX => Err(self.saturate(Fault::Overflow)),
            _ => {
                self.0.store(SATURATED, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// One more, unless it is zero; whether it was not. The caller holds no reference, but knows by other means
    /// that the count itself is still there.
    ///
    /// Acquire on success: what was written before the object was published is seen by the new holder, whatever
    /// way the pointer came.
    #[must_use = "only if it was not zero is there a reference"]
    pub fn inc_not_zero(&self) -> Result<bool, Fault> {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            match old {
                0 => return Ok(false),
                MAX => return Err(self.saturate(Fault::Overflow)),
                _ if old > MAX => return Ok(true),
                _ => {}
            }
            match self.0.compare_exchange_weak(old, old + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(true),
                Err(now) => old = now,
            }
        }
    }

    /// One fewer; whether that was the last, in which case the object is the caller's alone to free.
    ///
    /// Release on every decrement, acquire on the last: whatever other holders did to the object happened
    /// before it is freed.
    #[must_use = "whoever gives back the last reference has to free the object"]
    pub fn dec_and_test(&self) -> Result<bool, Fault> {
        let old = self.0.fetch_sub(1, Ordering::Release);
        match old {
            1 => {
                fence(Ordering::Acquire);
                Ok(true)
            }
            2..=MAX => Ok(false),
            0 => Err(self.saturate(Fault::Underflow)),
            _ => {
                self.0.store(SATURATED, Ordering::Relaxed);
                Ok(false)
            }
        }
    }

    /// The count as it was a moment ago, for reports only.
    pub fn read(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether the count has been misused and its object leaks.
    pub fn is_saturated(&self) -> bool {
        self.read() > MAX
    }

    #[cold]
    fn saturate(&self, fault: Fault) -> Fault {
        self.0.store(SATURATED, Ordering::Relaxed);
        fault
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn the_last_decrement_says_so_once() {
        let count = Refcount::new(1);
        count.inc().unwrap();
        assert_eq!(count.dec_and_test(), Ok(false));
        assert_eq!(count.dec_and_test(), Ok(true));
        assert_eq!(count.inc_not_zero(), Ok(false));
    }

    #[test]
    fn zero_is_never_left_quietly() {
        let count = Refcount::new(1);
        assert_eq!(count.dec_and_test(), Ok(true));
        assert_eq!(count.inc(), Err(Fault::IncrementFromZero));
        assert!(count.is_saturated());
        let count = Refcount::new(1);
        assert_eq!(count.dec_and_test(), Ok(true));
        assert_eq!(count.dec_and_test(), Err(Fault::Underflow));
        assert!(count.is_saturated());
    }

    #[test]
    fn a_saturated_count_stays_so() {
        let count = Refcount::new(MAX);
        assert_eq!(count.inc(), Err(Fault::Overflow));
        for _ in 0..3 {
            assert_eq!(count.inc(), Ok(()));
            assert_eq!(count.dec_and_test(), Ok(false));
            assert_eq!(count.inc_not_zero(), Ok(true));
        }
        assert_eq!(count.read(), SATURATED);
        let count = Refcount::new(MAX);
        assert_eq!(count.inc_not_zero(), Err(Fault::Overflow));
    }
}
