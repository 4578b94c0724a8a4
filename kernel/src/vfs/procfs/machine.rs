//! What `/proc` says about the machine as a whole (Linux: `fs/proc/{stat,uptime,loadavg,version,meminfo,devices}.c`,
//! `arch/arm64/kernel/cpuinfo.c`). What is not kept is 0.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;
use core::sync::atomic::Ordering;

use heaps::PAGE_SIZE;
use spin::Once;

use super::status::ticks;
use super::{create_file, pseudo};
use crate::arch::{self, percpu};
use crate::drivers::dma_heap::regions;
use crate::mm::{frames, loans};
use crate::process::tree;
use crate::syscall::misc::{BUILD, RELEASE};
use crate::time::clock::Base;
use crate::{chrdev, sched};

static BOOT_ARGUMENTS: Once<String> = Once::new();

/// Says what the kernel was booted with. Once, at boot.
pub fn set_boot_arguments(text: &str) {
    BOOT_ARGUMENTS.call_once(|| text.into());
}

/// Makes the files.
pub fn create_files() {
    type File = (&'static str, fn() -> String);
    const FILES: [File; 11] = [
        ("cmdline", || format!("{}\n", BOOT_ARGUMENTS.get().map_or("", String::as_str))),
        ("cpuinfo", cpuinfo),
        ("devices", devices),
        ("loadavg", loadavg),
        ("meminfo", meminfo),
        ("misc", misc),
        ("stat", stat),
        ("swaps", || "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".into()),
        ("uptime", uptime),
        ("vmstat", || format!("nr_free_pages {}\n", frames::free_count())),
        ("version", || format!("Linux version {RELEASE} (lastref) {BUILD}\n")),
    ];
    for (name, show) in FILES {
        create_file(name, 0o444, pseudo::read_only(move || Ok(show())));
    }
}

fn misc() -> String {
    let line = |(minor, name)| format!("{minor:3} {name}\n");
    chrdev::misc_devices().into_iter().map(line).collect()
}

fn hundredths(ns: u64) -> String {
    format!("{}.{:02}", ticks(ns) / 100, ticks(ns) % 100)
}

fn uptime() -> String {
    let idle = percpu::online().map(sched::idle_time).sum();
    format!("{} {}\n", hundredths(arch::now_ns()), hundredths(idle))
}

/// How many threads run or could.
fn running() -> usize {
    let tree = tree::lock();
    let threads = tree.nodes().flat_map(|(_, node)| &node.threads);
    threads.filter_map(|thread| thread.task()).filter(|task| sched::activity(task) == 'R').count()
}

/// No averages are kept; how many run, how many there are, and the last number, are.
fn loadavg() -> String {
    let running = running();
    let tree = tree::lock();
    format!("0.00 0.00 0.00 {running}/{} {}\n", tree.thread_count(), tree.started().1)
}

fn stat() -> String {
    let now = arch::now_ns();
    let times = |cpu: usize| {
        let idle = sched::idle_time(cpu).min(now);
        (now - idle, idle)
    };
    let line = |(busy, idle): (u64, u64)| format!("{} 0 0 {} 0 0 0 0 0 0\n", ticks(busy), ticks(idle));
    let sum = percpu::online().map(times).fold((0, 0), |(busy, idle), (b, i)| (busy + b, idle + i));
    let mut text = format!("cpu  {}", line(sum));
    percpu::online().for_each(|cpu| text += &format!("cpu{cpu} {}", line(times(cpu))));
    let interrupts: u64 =
        percpu::online().map(|cpu| percpu::of(cpu).interrupts.load(Ordering::Relaxed)).sum();
    let started = tree::lock().started().0;
    text + &format!(
        "intr {interrupts}\nctxt {}\nbtime {}\nprocesses {started}\nprocs_running {}\nprocs_blocked 0\n",
        sched::switches(),
        Base::Realtime.of_monotonic(0) / 1_000_000_000,
        running()
    )
}

fn meminfo() -> String {
    let kib = |pages: usize| pages * PAGE_SIZE / 1024;
    let (pools, pools_free) = regions::pools();
    let (total, free) = (kib(frames::total_count() + pools), kib(frames::free_count() + loans::lendable()));
    let rows = [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapCached", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Shmem", 0),
        ("SReclaimable", 0),
        ("CmaTotal", kib(pools)),
        ("CmaFree", kib(pools_free)),
    ];
    rows.iter().map(|(name, kib)| format!("{:<15} {kib:>8} kB\n", format!("{name}:"))).collect()
}

fn cpuinfo() -> String {
    let cpu = |n: usize| {
        let id = percpu::of(n).midr.load(Ordering::Relaxed);
        let field = |at: u64, bits: u64| id >> at & ((1 << bits) - 1);
        let hertz = arch::counter_frequency();
        format!(
            "processor\t: {n}\nBogoMIPS\t: {}.{:02}\nFeatures\t: fp asimd atomics\n\
             CPU implementer\t: {:#04x}\nCPU architecture: 8\nCPU variant\t: {:#x}\nCPU part\t: {:#05x}\n\
             CPU revision\t: {}\n\n",
            2 * hertz / 1_000_000,
            2 * hertz / 10_000 % 100,
            field(24, 8),
            field(20, 4),
            field(4, 12),
            field(0, 4)
        )
    };
    percpu::online().map(cpu).collect()
}

fn devices() -> String {
    let majors = chrdev::majors();
    let lines: String = majors.iter().map(|(major, name)| format!("{major:3} {name}\n")).collect();
    format!("Character devices:\n{lines}\nBlock devices:\n")
}
