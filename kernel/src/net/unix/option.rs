//! What can be set on a socket (Linux: `net/core/sock.c`).
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::net::uapi::*;

/// What a socket starts with, and the most that may be asked for (`net.core.wmem_default`, `wmem_max`).
const BUFFER: usize = 212_992;
/// The least a socket's limits can be.
const SNDBUF_MIN: usize = 4608;
const RCVBUF_MIN: usize = 2304;

/// Options that are on or off, one bit each at their number.
const SWITCHES: u64 = 1 << SO_REUSEADDR
    | 1 << SO_DEBUG
    | 1 << SO_DONTROUTE
    | 1 << SO_BROADCAST
    | 1 << SO_KEEPALIVE
    | 1 << SO_OOBINLINE
    | 1 << SO_PASSCRED;

/// No limit on how long a call blocks.
const FOREVER: u64 = u64::MAX;

/// A socket's options. All may be read and set at any time.
pub struct Options {
    sndbuf: AtomicUsize,
    rcvbuf: AtomicUsize,
    low: AtomicUsize,
    switches: AtomicU64,
    patience: [AtomicU64; 2],
}

/// A direction, for what there is one of each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Receiving and accepting.
    In,
    /// Sending and connecting.
    Out,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            sndbuf: AtomicUsize::new(BUFFER),
            rcvbuf: AtomicUsize::new(BUFFER),
            low: AtomicUsize::new(1),
            switches: AtomicU64::new(0),
            patience: [const { AtomicU64::new(FOREVER) }; 2],
        }
    }
}

impl Options {
    /// How much may be sent and not received, in bytes with overhead.
    pub fn sndbuf(&self) -> usize {
        self.sndbuf.load(Ordering::Relaxed)
    }

    /// What was set as the receiver's limit.
    pub fn rcvbuf(&self) -> usize {
        self.rcvbuf.load(Ordering::Relaxed)
    }

    /// Sets one of the limits to twice of what is asked for, within bounds unless `force`.
    pub fn set_buffer(&self, way: Way, asked: u32, force: bool) {
        let asked = if force { asked } else { asked.min(BUFFER as u32) };
        let doubled = asked.min(i32::MAX as u32 / 2) as usize * 2;
        match way {
            Way::Out => self.sndbuf.store(doubled.max(SNDBUF_MIN), Ordering::Relaxed),
            Way::In => self.rcvbuf.store(doubled.max(RCVBUF_MIN), Ordering::Relaxed),
        }
    }

    /// How many bytes a stream waits for, of `len` that are asked for.
    pub(super) fn target(&self, len: usize, all: bool) -> usize {
        if all { len.max(1) } else { self.low().min(len).max(1) }
    }

    /// `SO_RCVLOWAT`.
    pub fn low(&self) -> usize {
        self.low.load(Ordering::Relaxed)
    }

    /// Sets `SO_RCVLOWAT`; 0 is 1, and less is all there can be.
    pub fn set_low(&self, bytes: i32) {
        let low = usize::try_from(bytes).unwrap_or(i32::MAX as usize).max(1);
        self.low.store(low, Ordering::Relaxed);
    }

    /// An option that is on or off; `None` for one that is not.
    pub fn switch(&self, option: u32) -> Option<bool> {
        let bit = 1u64.checked_shl(option).filter(|bit| SWITCHES & bit != 0)?;
        Some(self.switches.load(Ordering::Relaxed) & bit != 0)
    }

    /// Turns one on or off; false for one that is neither.
    pub fn set_switch(&self, option: u32, on: bool) -> bool {
        let Some(bit) = 1u64.checked_shl(option).filter(|bit| SWITCHES & bit != 0) else { return false };
        if on {
            self.switches.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.switches.fetch_and(!bit, Ordering::Relaxed);
        }
        true
    }

    /// Whether it wants to know who sends.
    pub fn passes_cred(&self) -> bool {
        self.switch(SO_PASSCRED) == Some(true)
    }

    /// How long calls may block, in nanoseconds; `None` for ever.
    pub fn patience(&self, way: Way) -> Option<u64> {
        Some(self.patience[way as usize].load(Ordering::Relaxed)).filter(|&ns| ns != FOREVER)
    }

    /// Sets how long calls may block.
    pub fn set_patience(&self, way: Way, ns: Option<u64>) {
        self.patience[way as usize].store(ns.unwrap_or(FOREVER), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_doubled_within_bounds() {
        let options = Options::default();
        for (asked, is) in [(0, 4608), (4096, 8192), (212_992, 425_984), (u32::MAX, 425_984)] {
            options.set_buffer(Way::Out, asked, false);
            assert_eq!(options.sndbuf(), is);
        }
        options.set_buffer(Way::In, 1, false);
        assert_eq!(options.rcvbuf(), 2304);
        options.set_buffer(Way::Out, 1 << 20, true);
        assert_eq!(options.sndbuf(), 2 << 20);
    }

    #[test]
    fn switches_are_their_own() {
        let options = Options::default();
        assert!(options.set_switch(SO_PASSCRED, true) && options.passes_cred());
        assert_eq!(options.switch(SO_KEEPALIVE), Some(false));
        assert_eq!((options.switch(SO_TYPE), options.switch(99)), (None, None));
        assert!(!options.set_switch(SO_ERROR, true) && !options.set_switch(u32::MAX, true));
    }

    #[test]
    fn streams_wait_for_what_they_are_told() {
        let options = Options::default();
        assert_eq!(
            [options.target(100, false), options.target(100, true), options.target(0, true)],
            [1, 100, 1]
        );
        options.set_low(10);
        assert_eq!([options.target(100, false), options.target(5, false)], [10, 5]);
        options.set_low(-1);
        assert_eq!(options.target(100, false), 100);
    }
}
