//! Detection and evidence: the kernel log, reports, backtraces, the leak oracle, in-kernel tests, and the trace of system
//! calls, and the order of steps.

#[cfg(target_os = "none")]
pub mod canary;
pub mod kmsg;
#[cfg(target_os = "none")]
pub mod ktap;
#[cfg(target_os = "none")]
pub mod lab;
#[cfg(target_os = "none")]
pub mod leaks;
#[cfg_attr(not(target_os = "none"), path = "life_host.rs")]
pub mod life;
pub mod meet;
#[cfg(target_os = "none")]
pub mod oops;
#[cfg(target_os = "none")]
pub mod oracle;
#[cfg(target_os = "none")]
pub mod print;
#[cfg(target_os = "none")]
pub mod references;
pub mod report;
pub mod steps;
pub mod strace;
