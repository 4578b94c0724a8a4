//! The user-visible ABI: error numbers, ioctl numbers and structures, as Linux/arm64 defines them.
//!
//! Userland depends on this module alone.

pub mod errno;

pub use errno::Errno;
