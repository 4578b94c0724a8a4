//! The launcher, as a library the tests use too.
//!
//! From the host to the verdict, in the order things happen:
//!
//! - [`host`], [`toolchain`], [`version`], [`install`]: what the host has, and getting what it lacks;
//! - [`build`], [`image`]: the kernel, with a [`detector`], and the userland, built by a nested cargo;
//! - [`program`], [`busybox`], [`initramfs`], [`cpio`], [`command_line`]: what a machine is given;
//! - [`machine`], over [`qemu`], [`regions`], [`device_tree`], [`process`] and [`input`]: one machine, from boot to
//!   exit status;
//! - [`console`], [`report`], [`symbolise`], [`records`]: what it says, made readable;
//! - [`mod@reference`], [`conformance`]: real Linux on the same machine, and what programs see on both;
//! - [`plan`], [`lab`], [`race`], [`replay`], [`matrix`]: all cells observed, raced, played again, and drawn;
//! - [`mutants`]: broken twins, which the tests have to tell from the kernel;
//! - [`cli`], [`commands`]: what a person types, whom [`terminal`] and [`interrupt`] serve; [`figures`]:
//!   what Linux takes.
#![forbid(unsafe_code)]

pub mod build;
pub mod busybox;
pub mod cli;
pub mod command_line;
pub mod commands;
pub mod conformance;
pub mod console;
pub mod cpio;
pub mod detector;
pub mod device_tree;
pub mod figures;
pub mod host;
pub mod image;
pub mod initramfs;
pub mod input;
pub mod install;
pub mod interrupt;
pub mod lab;
pub mod machine;
pub mod matrix;
pub mod mutants;
pub mod plan;
pub mod process;
pub mod program;
pub mod qemu;
pub mod race;
pub mod records;
pub mod reference;
pub mod regions;
pub mod replay;
pub mod report;
pub mod symbolise;
pub mod terminal;
pub mod toolchain;
pub mod version;
pub mod workspace;

pub use build::Guest;
pub use input::Stdin;
pub use machine::{End, Event, Machine, Outcome};
