//! The monotonic clock and sleeping.

use super::call;
use crate::rt::abi::{self, nr};
use heaps::uapi::errno::Result;

/// Nanoseconds of the monotonic clock; 0 when the kernel has none.
pub fn now() -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: the kernel writes one timespec.
    let got = unsafe { call(nr::CLOCK_GETTIME, [abi::CLOCK_MONOTONIC, &raw mut time as usize, 0, 0, 0, 0]) };
    got.map_or(0, |_| time[0] * 1_000_000_000 + time[1])
}

/// Sleeps for `ns` nanoseconds.
pub fn sleep(ns: u64) -> Result<()> {
    let time = [ns / 1_000_000_000, ns % 1_000_000_000];
    // SAFETY: the kernel reads one timespec.
    unsafe { call(nr::NANOSLEEP, [&raw const time as usize, 0, 0, 0, 0, 0]) }.map(drop)
}

/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;
