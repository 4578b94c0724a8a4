//! Locks. One layer, so that every lock of the kernel has a place in one written order.
//!
//! * [`order`]: the ranks, and the check at every acquisition
//! * [`spin`]: [`SpinLock`] and [`IrqLock`], over the `spin` crate
//! * [`sleep`]: [`Mutex`] and [`RwLock`], whose waiters leave the CPU
//! * [`wait`]: [`WaitQueue`], what everything that sleeps sleeps on

pub mod order;
pub mod sleep;
pub mod spin;
pub mod wait;

pub use sleep::{Mutex, MutexGuard, RwLock};
pub use spin::{IrqGuard, IrqLock, SpinGuard, SpinLock};
pub use wait::WaitQueue;
