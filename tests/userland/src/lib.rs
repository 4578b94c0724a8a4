//! The EL0 side of Lastref: a tiny runtime and the programs that stand on it.
//!
//! | module | what it is |
//! |---|---|
//! | [`rt`] | the runtime: start-up, system calls, formatting, threads; the only place with `unsafe` |
//! | [`scenarios`] | one file per hazard: who does what in which order, and what is expected |
//! | [`judge`] | the verdict as a function of observations; pure, tested on the host |
//! | [`lab`] | runs scenarios one after another and writes a record for each |
//! | [`guest`] | the kernel's interfaces the programs share: counts, reports, providers, heaps |
//! | [`fuzz`] | any call with any arguments, in processes made to be thrown away |
//! | [`shell`] | a small shell, for where there is no other |
//! | [`stress`] | many threads on the same heaps, reloading them under one another |
//! | [`misuse`] | wrong use, case by case: each expects a clear refusal and a living kernel |
//!
//! On the host everything compiles, with a system-call layer that only says `ENOSYS`, so that lints and
//! unit tests cover it; it runs on the guest (or under any Linux/arm64, as far as that has the devices).
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]
extern crate alloc;

pub mod fuzz;
pub mod guest;
pub mod judge;
pub mod lab;
pub mod misuse;
pub mod rt;
pub mod scenarios;
pub mod shell;
pub mod stress;
