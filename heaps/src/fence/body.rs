//! One fence, whoever holds it.
//!
//! Handles are counted apart from references: when the last [`Fence`](super::Fence) goes, whoever would have signalled it
//! is told that nobody looks any more, and what would keep the two alive by each other ends.

use alloc::boxed::Box;
use alloc::vec::Vec;

use lock_api::Mutex;

use super::array::Array;
use super::timeline::Timeline;
use super::{Context, DROPPED, Fence};
use crate::fallible::{try_box, try_push};
use crate::kref::{Counted, Ref};
use crate::platform::{Platform, PollQueue, WaitQueue};
use crate::refcount::Refcount;
use crate::{Errno, Result};

/// Whom a fence calls.
pub trait Callback: Send + Sync + 'static {
    /// The fence was signalled. Must not sleep; may be called by an interrupt handler, under no lock of a fence.
    fn signalled(self: Box<Self>, how: Signalled);
}

/// What tells one callback of a fence from its others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackKey(u64);

/// How a fence was signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signalled {
    /// When, in nanoseconds since boot.
    pub timestamp: u64,
    /// What went wrong.
    pub error: Option<Errno>,
}

/// Where a fence comes from.
pub(super) enum Source<P: Platform> {
    Driver { driver: &'static str, timeline: &'static str },
    Timeline(Ref<Timeline<P>>),
    Array(Array<P>),
}

pub(super) struct Core<P: Platform> {
    users: Refcount,
    pub(super) context: Context,
    pub(super) seqno: u64,
    pub(super) source: Source<P>,
    state: Mutex<P::FenceLock, State>,
    pub(super) waiters: P::WaitQueue,
    pub(super) poll: P::PollQueue,
}

#[derive(Default)]
struct State {
    signalled: Option<Signalled>,
    callbacks: Vec<(CallbackKey, Box<dyn Callback>)>,
    next: u64,
}

impl<P: Platform> Counted for Core<P> {
    type Platform = P;
    const KIND: &'static str = "dma_fence";
}

impl<P: Platform> Core<P> {
    /// Not signalled, with one handle.
    pub(super) fn new(context: Context, seqno: u64, source: Source<P>) -> Core<P> {
        Core {
            users: Refcount::new(1),
            context,
            seqno,
            source,
            state: Mutex::new(State::default()),
            waiters: P::WaitQueue::new(),
            poll: P::PollQueue::new(),
        }
    }

    pub(super) fn get_user(&self) {
        self.users.inc().unwrap_or_else(|fault| P::refcount_fault(fault, self.count()));
    }

    /// Another handle, unless the last is going or has gone.
    pub(super) fn get_user_unless_zero(&self) -> bool {
        self.users.inc_not_zero().unwrap_or_else(|fault| {
            P::refcount_fault(fault, self.count());
            true
        })
    }

    pub(super) fn put_user(&self) {
        let last = self.users.dec_and_test().unwrap_or_else(|fault| {
            P::refcount_fault(fault, self.count());
            false
        });
        match &self.source {
            Source::Timeline(timeline) if last => timeline.forget(self),
            Source::Array(array) if last => array.disable(),
            _ => {}
        }
    }

    /// What the platform knows the count of handles by.
    fn count(&self) -> *const u8 {
        core::ptr::from_ref(&self.users).cast()
    }

    /// Signals it now, once; whether this was the time (Linux: `dma_fence_signal`, `dma_fence_set_error`).
    pub(super) fn signal(&self, error: Option<Errno>) -> bool {
        self.signal_at(P::now_ns(), error)
    }

    pub(super) fn signal_at(&self, timestamp: u64, error: Option<Errno>) -> bool {
        let how = Signalled { timestamp, error };
        let callbacks = {
            let mut state = self.state.lock();
            if state.signalled.is_some() {
                return false;
            }
            state.signalled = Some(how);
            core::mem::take(&mut state.callbacks)
        };
        self.waiters.wake_all();
        self.poll.notify();
        callbacks.into_iter().for_each(|(_, callback)| callback.signalled(how));
        true
    }

    /// Whether it is signalled. An array that nobody waits for finds out here.
    pub(super) fn look(&self) -> Option<Signalled> {
        let signalled = self.state.lock().signalled;
        match &self.source {
            Source::Array(array) if signalled.is_none() && array.gather.is_complete_unawaited() => {
                self.signal(None);
                self.state.lock().signalled
            }
            _ => signalled,
        }
    }

    /// Somebody is going to wait (Linux: `DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT`): from now on an array is signalled with its
    /// last part, and takes over the first error.
    pub(super) fn enable(&self) {
        if let Source::Array(array) = &self.source
            && array.gather.await_parts()
        {
            self.signal(array.gather.error());
        }
    }

    pub(super) fn add_callback(&self, callback: impl Callback) -> Result<CallbackKey> {
        let callback: Box<dyn Callback> = try_box(callback)?;
        let mut state = self.state.lock();
        if state.signalled.is_some() {
            drop(state);
            return Err(Errno::ENOENT);
        }
        let key = CallbackKey(state.next);
        state.next += 1;
        try_push(&mut state.callbacks, (key, callback))?;
        Ok(key)
    }

    pub(super) fn take_callback(&self, key: CallbackKey) -> Option<Box<dyn Callback>> {
        let mut state = self.state.lock();
        let at = state.callbacks.iter().position(|(other, _)| *other == key)?;
        Some(state.callbacks.swap_remove(at).1)
    }

    pub(super) fn driver_name(&self) -> &str {
        match &self.source {
            Source::Driver { driver, .. } => driver,
            Source::Timeline(_) => "sw_sync",
            Source::Array(_) => "dma_fence_array",
        }
    }

    pub(super) fn timeline_name(&self) -> &[u8] {
        match &self.source {
            Source::Driver { timeline, .. } => timeline.as_bytes(),
            Source::Timeline(timeline) => timeline.name(),
            Source::Array(_) => b"unbound",
        }
    }
}

/// A driver's side of a fence. Dropped without having signalled it, it signals it with `EDEADLK` (Linux warns then, in
/// `dma_fence_release`).
pub struct Signaller<P: Platform>(Ref<Core<P>>);

impl<P: Platform> Signaller<P> {
    pub(super) fn new(core: Ref<Core<P>>) -> Signaller<P> {
        Signaller(core)
    }

    /// The work is done, or failed. From any context that holds no lock of a fence.
    pub fn signal(self, error: Option<Errno>) {
        self.0.signal(error);
    }

    /// Another handle on the fence, unless all have gone: then nobody will ever ask.
    pub fn fence(&self) -> Option<Fence<P>> {
        self.0.get_user_unless_zero().then(|| Fence(self.0.clone()))
    }
}

impl<P: Platform> Drop for Signaller<P> {
    fn drop(&mut self) {
        self.0.signal(Some(DROPPED));
    }
}
