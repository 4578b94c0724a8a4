//! Fences: work that a device will have done some time, and who waits for it.
//!
//! - `body`: what one fence is, whoever holds it; its callbacks and waiters
//! - `array`: several as one; `gather`: when all of them are there
//! - [`timeline`]: fences that user space signals by counting (Linux: `drivers/dma-buf/sw_sync.c`)
//! - [`reservation`]: which fences a buffer's users have to wait for (Linux: `dma-resv.c`)
//! - [`sync_file`]: a fence as a descriptor (Linux: `sync_file.c`)
//!
//! Models `drivers/dma-buf/dma-fence.c`. A [`Fence`] is a handle: who holds one may look, wait and be called back. A
//! driver holds the [`Signaller`]; a fence that nobody can signal any more is signalled with an error. Callbacks run once,
//! outside of every lock, on whatever context signals, which may be an interrupt handler.

mod array;
mod body;
pub(crate) mod gather;
pub mod reservation;
pub mod sync_file;
#[cfg(all(test, not(feature = "loom")))]
mod tests;
pub mod timeline;

pub use body::{Callback, CallbackKey, Signalled, Signaller};

use core::cmp::Ordering;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::kref::Ref;
use crate::platform::{Platform, WaitQueue};
use crate::{Errno, Result};
use body::{Core, Source};

/// A sequence of fences that are signalled in the order of their numbers (Linux: a fence context).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Context(u64);

impl Context {
    /// The context of fences that belong to none: those that were signalled from the start.
    pub const NONE: Context = Context(0);

    /// One that nobody else has (Linux: `dma_fence_context_alloc`).
    #[expect(clippy::new_without_default, reason = "no two are the same")]
    pub fn new() -> Context {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Context(NEXT.fetch_add(1, Relaxed))
    }

    /// Its number.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Whether a number of a context comes after another. They wrap at 32 bits.
pub(crate) fn is_later(number: u64, than: u64) -> bool {
    (number as u32).wrapping_sub(than as u32) as i32 > 0
}

/// A handle on a fence. Cloning it is cheap; none of its methods sleeps but [`wait`](Fence::wait).
pub struct Fence<P: Platform>(Ref<Core<P>>);

impl<P: Platform> Fence<P> {
    /// A driver's fence, and the means to signal it. The names are those of the driver and of its queue. `ENOMEM`.
    pub fn new(
        context: Context,
        seqno: u64,
        driver: &'static str,
        timeline: &'static str,
    ) -> Result<(Fence<P>, Signaller<P>)> {
        let core = Ref::try_new(Core::new(context, seqno, Source::Driver { driver, timeline }))?;
        Ok((Fence(core.clone()), Signaller::new(core)))
    }

    /// One that was signalled at `timestamp` (Linux: `dma_fence_allocate_private_stub`). `ENOMEM`.
    pub fn signalled_at(timestamp: u64) -> Result<Fence<P>> {
        let core = Core::new(Context::NONE, 0, Source::Driver { driver: "stub", timeline: "stub" });
        core.signal_at(timestamp, None);
        Ref::try_new(core).map(Fence)
    }

    /// Its context.
    pub fn context(&self) -> Context {
        self.0.context
    }

    /// Its place in the context.
    pub fn seqno(&self) -> u64 {
        self.0.seqno
    }

    /// Whether both are handles on the same fence.
    pub fn same(&self, other: &Fence<P>) -> bool {
        self.0.same(&other.0)
    }

    /// How the two stand in one context; `None` where they are of two, or the same number twice.
    pub(crate) fn is_later_or_same(&self, other: &Fence<P>) -> bool {
        self.same(other) || is_later(self.seqno(), other.seqno())
    }

    /// The order in which a merge keeps them: by context, the latest first.
    pub(crate) fn merge_order(&self, other: &Fence<P>) -> Ordering {
        let later = |a: &Fence<P>, b: &Fence<P>| is_later(a.seqno(), b.seqno());
        self.context().cmp(&other.context()).then_with(|| later(other, self).cmp(&later(self, other)))
    }

    /// Whether it is signalled, with or without an error.
    pub fn is_signalled(&self) -> bool {
        self.signalled().is_some()
    }

    /// When and how it was signalled.
    pub fn signalled(&self) -> Option<Signalled> {
        self.0.look()
    }

    /// 0 while it is not signalled, 1 once it is, a negated error number where it was with an error.
    pub fn status(&self) -> i32 {
        match self.signalled() {
            None => 0,
            Some(Signalled { error: None, .. }) => 1,
            Some(Signalled { error: Some(errno), .. }) => errno.to_syscall() as i32,
        }
    }

    /// Sleeps until it is signalled. `EINTR`.
    pub fn wait(&self) -> Result<()> {
        self.0.enable();
        self.0.waiters.wait_interruptible(&mut || self.is_signalled())
    }

    /// Calls `callback` once it is signalled. `ENOENT` where it is already: then nobody is called; `ENOMEM`.
    pub fn add_callback(&self, callback: impl Callback) -> Result<CallbackKey> {
        self.0.enable();
        self.0.add_callback(callback)
    }

    /// Takes a callback back. It may be running, or have run.
    pub fn remove_callback(&self, key: CallbackKey) {
        drop(self.0.take_callback(key));
    }

    /// Those who poll for it.
    pub fn poll_queue(&self) -> &P::PollQueue {
        self.0.enable();
        &self.0.poll
    }

    /// The fences that it stands for: itself, or an array's (Linux: `dma_fence_unwrap_for_each`).
    pub fn parts(&self) -> &[Fence<P>] {
        match &self.0.source {
            Source::Array(array) => array.parts(),
            _ => core::slice::from_ref(self),
        }
    }

    /// The name of the driver.
    pub fn driver_name(&self) -> &str {
        self.0.driver_name()
    }

    /// Writes the name of its timeline.
    pub fn timeline_name(&self) -> &[u8] {
        self.0.timeline_name()
    }
}

impl<P: Platform> fmt::Display for Fence<P> {
    /// As lists of fences show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_signalled() { "" } else { "un" };
        let timeline = self.timeline_name().utf8_chunks();
        write!(f, "{} ", self.driver_name())?;
        timeline.into_iter().try_for_each(|chunk| f.write_str(chunk.valid()))?;
        write!(f, " seq {} {state}signalled", self.seqno())
    }
}

impl<P: Platform> Clone for Fence<P> {
    fn clone(&self) -> Fence<P> {
        self.0.get_user();
        Fence(self.0.clone())
    }
}

impl<P: Platform> Drop for Fence<P> {
    fn drop(&mut self) {
        self.0.put_user();
    }
}

impl<P: Platform> fmt::Debug for Fence<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fence {}:{}", self.context().0, self.seqno())
    }
}

/// The errno of fences that were dropped by who should have signalled them.
const DROPPED: Errno = Errno::EDEADLK;
