//! The atomics that model checking swaps: core's, or loom's under the feature `loom`.

#[cfg(not(feature = "loom"))]
pub(crate) use core::sync::atomic::{AtomicU32, Ordering, fence};
#[cfg(feature = "loom")]
pub(crate) use loom::sync::atomic::{AtomicU32, Ordering, fence};
