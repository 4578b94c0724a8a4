//! What Linux takes for the calls that `/bin/bench` measures.
//!
//! Source: Linux 6.1, arm64, tinyconfig with PL011, devtmpfs, initrd, CMA, the system and CMA heaps,
//! hardware access and dirty bits and LSE atomics; in QEMU 7.2 with `-cpu max -smp 1 -icount
//! shift=0,sleep=off`, where an instruction of the guest takes a nanosecond; averages that repeat to about
//! 1 %, as they stand in DESIGN.md, section 8. In thousands of guest instructions per call.

/// A buffer's steps, as they follow the heap's name and the buffer's size in a measurement's name.
const STEPS: [&str; 5] = ["alloc", "mmap", "touch", "munmap", "close"];

/// Calls on no buffer.
const CALLS: [(&str, f64); 2] = [("invalid-syscall", 0.29), ("heap-open-close", 3.7)];

/// Calls on a buffer of one heap and size.
const BUFFERS: [(&str, [f64; 5]); 8] = [
    ("system-4K", [3.4, 5.1, 0.06, 5.4, 2.5]),
    ("system-64K", [7.9, 7.2, 0.12, 6.8, 3.0]),
    ("system-1M", [80.0, 52.0, 1.1, 28.0, 7.5]),
    ("system-16M", [1196.0, 743.0, 16.0, 278.0, 90.0]),
    ("cma-4K", [27.6, 4.8, 1.2, 5.8, 2.3]),
    ("cma-64K", [35.9, 4.4, 19.0, 13.7, 5.0]),
    ("cma-1M", [163.0, 4.3, 303.0, 79.0, 46.0]),
    ("cma-16M", [1605.0, 4.3, 4793.0, 1072.0, 1554.0]),
];

/// From reset to the first process, in guest instructions.
pub const BOOT: f64 = 44e6;

/// Every measurement there is a figure for: its name, and guest instructions per call.
pub fn all() -> impl Iterator<Item = (String, f64)> {
    let calls = CALLS.iter().map(|&(name, thousands)| (name.to_owned(), thousands));
    let buffers = BUFFERS.iter().flat_map(|(buffer, thousands)| {
        STEPS.iter().zip(thousands).map(move |(step, &thousands)| (format!("{buffer}-{step}"), thousands))
    });
    calls.chain(buffers).map(|(name, thousands)| (name, thousands * 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_its_own_figure() {
        let names: std::collections::BTreeSet<_> = all().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 42);
        assert!(all().any(|figure| figure == ("cma-16M-touch".to_owned(), 4_793_000.0)));
    }
}
