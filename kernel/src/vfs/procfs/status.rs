//! `stat`, `statm`, `status` and `limits` of a process (Linux: `fs/proc/array.c`, `fs/proc/base.c`). What is not kept
//! is 0.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;

use heaps::{PAGE_SIZE, Result};

use super::{Figures, Process};

/// Hundredths of a second: what user space takes for a clock tick.
pub fn ticks(ns: u64) -> u64 {
    ns / 10_000_000
}

/// The 52 fields of `/proc/PID/stat`.
pub fn stat(process: &dyn Process, pid: i32) -> String {
    let Figures { state, ppid, pgrp, session, threads, vm_bytes, .. } = process.figures();
    let Figures { terminal: (tty, foreground), cpu_time: (own, children), started, .. } = process.figures();
    let Figures { processor, exit_signal, signals, strings: [args, env], rss_bytes, nice, .. } =
        process.figures();
    let (comm, rss) = (process.comm(), rss_bytes / PAGE_SIZE);
    let both = |(user, system)| format!("{} {}", ticks(user), ticks(system));
    let (own, children, started) = (both(own), both(children), ticks(started));
    // Nobody counts faults.
    let head = format!("{pid} ({comm}) {state} {ppid} {pgrp} {session} {tty} {foreground} 0 0 0 0 0");
    let life =
        format!("{own} {children} {} {nice} {threads} 0 {started} {vm_bytes} {rss} {}", 20 + nice, u64::MAX);
    let pending = (signals.pending | signals.shared) as u32;
    let sets =
        format!("{pending} {} {} {}", signals.blocked as u32, signals.ignored as u32, signals.caught as u32);
    let tail = format!(
        "{exit_signal} {processor} 0 0 0 0 0 0 0 0 {} {} {} {} 0",
        args.start, args.end, env.start, env.end
    );
    format!("{head} {life} 0 0 0 0 0 {sets} 0 0 0 {tail}\n")
}

/// `/proc/PID/statm`, in pages. Nobody tells shared pages from others.
pub fn statm(process: &dyn Process) -> String {
    let Figures { vm_bytes, rss_bytes, .. } = process.figures();
    format!("{} {} 0 0 0 0 0\n", vm_bytes / PAGE_SIZE, rss_bytes / PAGE_SIZE)
}

/// `/proc/PID/status`. `DmaBuf`, which Linux has not, is what the process can reach. `ENOMEM`. May sleep.
pub fn status(process: &dyn Process, pid: i32) -> Result<String> {
    let buffers = process.buffer_bytes()?;
    let Figures { state, umask, tgid, ppid, threads, vm_bytes, rss_bytes, ids, caps, signals, .. } =
        process.figures();
    let word = match state {
        'R' => "running",
        'S' => "sleeping",
        'D' => "disk sleep",
        'T' => "stopped",
        'Z' => "zombie",
        _ => "unknown",
    };
    let fds = process.files().map_or(0, |files| files.limit());
    let tabs = |ids: [u32; 4]| ids.map(|id| format!("\t{id}")).concat();
    let sets = [
        ("SigPnd", signals.pending),
        ("ShdPnd", signals.shared),
        ("SigBlk", signals.blocked),
        ("SigIgn", signals.ignored),
        ("SigCgt", signals.caught),
        ("CapInh", caps[0]),
        ("CapPrm", caps[1]),
        ("CapEff", caps[2]),
    ];
    let sets = sets.map(|(name, set)| format!("{name}:\t{set:016x}\n")).concat();
    Ok(format!(
        "Name:\t{}\nUmask:\t0{umask:03o}\nState:\t{state} ({word})\n\
         Tgid:\t{tgid}\nPid:\t{pid}\nPPid:\t{ppid}\nTracerPid:\t0\n\
         Uid:{}\nGid:{}\nFDSize:\t{fds}\nVmSize:\t{:8} kB\nVmRSS:\t{:8} kB\nDmaBuf:\t{:8} kB\nThreads:\t{threads}\n{sets}",
        process.comm(),
        tabs(ids[0]),
        tabs(ids[1]),
        vm_bytes / 1024,
        rss_bytes / 1024,
        buffers / 1024,
    ))
}

/// Each limit's name and unit, by number.
const LIMITS: [(&str, &str); 16] = [
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
];

/// `/proc/PID/limits`.
pub fn limits(all: &[(u64, u64); 16]) -> String {
    let value = |limit: u64| if limit == u64::MAX { String::from("unlimited") } else { format!("{limit}") };
    let mut text = format!("{:25} {:20} {:20} {:10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for ((name, unit), &(soft, hard)) in LIMITS.iter().zip(all) {
        let line = format!("{name:25} {:20} {:20}", value(soft), value(hard));
        text += &if unit.is_empty() { format!("{line} \n") } else { format!("{line} {unit:10}\n") };
    }
    text
}
