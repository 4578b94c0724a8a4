//! `/proc/meminfo`: how many page frames there are, and how many are free.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;

use heaps::PAGE_SIZE;

use crate::mm::frames;

/// The text.
pub fn show() -> String {
    let kib = |pages: usize| pages * PAGE_SIZE / 1024;
    let (total, free) = (kib(frames::total_count()), kib(frames::free_count()));
    format!("MemTotal:       {total:8} kB\nMemFree:        {free:8} kB\nMemAvailable:   {free:8} kB\n")
}
