//! Time: clocks, timers, and whose time it was (Linux: `kernel/time`, `kernel/sched/cputime.c`).
//!
//! * [`clock`]: the clocks of the machine
//! * [`timer`]: what happens at a time; [`timerfd`]: timers that are files
//! * [`cpu`]: the CPU time of threads and processes
#![forbid(unsafe_code)]

pub mod clock;
pub mod cpu;
pub mod timer;
pub mod timerfd;
