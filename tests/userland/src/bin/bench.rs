//! `/bin/bench`: a fixed amount of work on the calls that matter, each timed. A line for each of them:
//! `bench NAME COUNT NS`, where NS is what COUNT calls took together, without the reading of the clock.
//!
//! Where the clock counts instructions, NS is how many there were. Every call is made once untimed first, and nothing
//! is printed before all is measured. It runs on Linux as it does here.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::format;
use alloc::string::String;
use core::cell::RefCell;
use core::fmt::Write;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;
use userland::guest::heap::Heap;
use userland::rt::{Args, Fd, abi, file, time};
use userland::{complain, say};

userland::program!(run);

/// Heaps by what they are called here, and their nodes: the default contiguous one's name depends on the kernel.
const HEAPS: [(&str, &[&str]); 2] = [("system", &["system"]), ("cma", &["default_cma_region", "reserved"])];

/// Buffers to allocate: name, bytes, how often.
const SIZES: [(&str, usize, u64); 4] =
    [("4K", 4 << 10, 200), ("64K", 64 << 10, 100), ("1M", 1 << 20, 20), ("16M", 16 << 20, 4)];

/// What is done with a buffer, in this order.
const STEPS: [&str; 5] = ["alloc", "mmap", "touch", "munmap", "close"];

fn run(_args: Args) -> i32 {
    match measure() {
        Ok(()) => 0,
        Err(e) => {
            complain!("bench: {e} ({})", e.text().unwrap_or("unknown error"));
            1
        }
    }
}

fn measure() -> Result<()> {
    let clock = Clock::calibrated();
    clock.repeat("invalid-syscall", 1000, || match file::fcntl(-1, abi::F_GETFD, 0) {
        Err(Errno::EBADF) => Ok(()),
        _ => Err(Errno::EIO),
    })?;
    // The path is written out: putting it together is no call.
    let open = || Fd::open("/dev/dma_heap/system", abi::O_RDWR | abi::O_CLOEXEC);
    clock.repeat("heap-open-close", 200, || open()?.close())?;
    for (name, nodes) in HEAPS {
        let heap = nodes.iter().find_map(|node| Heap::open(node).ok()).ok_or(Errno::ENOENT)?;
        for (size, bytes, rounds) in SIZES {
            let mut spent = [0; STEPS.len()];
            life(&heap, bytes)?;
            for _ in 0..rounds {
                let stamps = life(&heap, bytes)?;
                for (spent, stamps) in spent.iter_mut().zip(stamps.windows(2)) {
                    *spent += stamps[1] - stamps[0];
                }
            }
            for (step, spent) in STEPS.iter().zip(spent) {
                clock.report(&format!("{name}-{size}-{step}"), rounds, rounds, spent);
            }
        }
        heap.close()?;
    }
    say!("{}", clock.measured.borrow().trim_end());
    Ok(())
}

/// A buffer's life from allocation to last close; the times before, between and after its steps.
fn life(heap: &Heap, bytes: usize) -> Result<[u64; STEPS.len() + 1]> {
    let start = time::now();
    let buffer = heap.allocate(bytes)?;
    let allocated = time::now();
    let mapping = buffer.map()?;
    let mapped = time::now();
    mapping.touch();
    let touched = time::now();
    mapping.unmap()?;
    let unmapped = time::now();
    buffer.close()?;
    Ok([start, allocated, mapped, touched, unmapped, time::now()])
}

/// The clock, what it costs to read it, and what was measured with it.
struct Clock {
    reading: u64,
    measured: RefCell<String>,
}

impl Clock {
    /// Measures the clock by itself.
    fn calibrated() -> Clock {
        const READINGS: u64 = 1000;
        let start = time::now();
        for _ in 1..READINGS {
            time::now();
        }
        // Enough for every line, so that no measurement has to grow it.
        let measured = RefCell::new(String::with_capacity(4096));
        Clock { reading: (time::now() - start) / READINGS, measured }
    }

    /// Makes a call `count` times.
    fn repeat(&self, name: &str, count: u64, mut call: impl FnMut() -> Result<()>) -> Result<()> {
        call()?;
        let start = time::now();
        for _ in 0..count {
            call()?;
        }
        self.report(name, count, 1, time::now() - start);
        Ok(())
    }

    /// Notes what `count` calls took, when `spent` has the reading of the clock `readings` times in it.
    fn report(&self, name: &str, count: u64, readings: u64, spent: u64) {
        let spent = spent.saturating_sub(readings * self.reading);
        // A string takes everything.
        let _ = writeln!(self.measured.borrow_mut(), "bench {name} {count} {spent}");
    }
}
