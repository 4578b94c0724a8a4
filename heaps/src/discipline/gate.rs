//! What stands between a call and the provider's operations under the disciplines that revoke.
//!
//! Revoking replaces the operations by dummies, which answer `ENODEV`, and waits for the calls in flight. It says
//! nothing about what those calls left behind: buffers, and the heap's name.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicBool, Ordering};

use lock_api::RwLock;

use super::rules::Revoke;
use crate::fallible::try_box;
use crate::platform::{Platform, WaitQueue};
use crate::srcu::Srcu;
use crate::{Errno, Result};

/// A heap's gate.
pub(crate) enum Gate<P: Platform> {
    /// Always open.
    Never,
    /// Open while true.
    Rwlock(RwLock<P::HeapGuard, bool>),
    /// Open until revoked.
    Rcu(Box<RcuGate<P::WaitQueue>>),
}

/// The gate of `revoke-rcu`.
pub(crate) struct RcuGate<W: WaitQueue> {
    srcu: Srcu<W>,
    revoked: AtomicBool,
}

impl<P: Platform> Gate<P> {
    /// An open gate; `ENOMEM`.
    pub(crate) fn new(how: Revoke) -> Result<Gate<P>> {
        Ok(match how {
            Revoke::Never => Gate::Never,
            Revoke::Rwlock => Gate::Rwlock(RwLock::new(true)),
            Revoke::Rcu => {
                Gate::Rcu(try_box(RcuGate { srcu: Srcu::new(), revoked: AtomicBool::new(false) })?)
            }
        })
    }

    /// Runs a call, which may sleep, if the gate is open; else answers as the dummy operations do.
    pub(crate) fn call<R>(&self, call: impl FnOnce() -> Result<R>) -> Result<R> {
        match self {
            Gate::Never => call(),
            Gate::Rwlock(open) => {
                let open = open.read();
                if *open { call() } else { Err(Errno::ENODEV) }
            }
            Gate::Rcu(gate) => {
                let _reader = gate.srcu.read(P::cpu());
                if gate.revoked.load(Ordering::Acquire) { Err(Errno::ENODEV) } else { call() }
            }
        }
    }

    /// Closes the gate for good, and waits for the calls that had passed it. May sleep.
    pub(crate) fn revoke(&self) {
        match self {
            Gate::Never => {}
            Gate::Rwlock(open) => *open.write() = false,
            Gate::Rcu(gate) => {
                gate.revoked.store(true, Ordering::Release);
                gate.srcu.synchronize();
            }
        }
    }
}
