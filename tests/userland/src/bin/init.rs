//! Process 1: `/sbin/init PROG ARG...` runs PROG, reaps whoever is left to it, and exits with PROG's status
//! (128 + signal where it was killed). The kernel powers the machine off with it.
#![cfg_attr(target_os = "none", no_std, no_main)]
extern crate alloc;

use alloc::vec::Vec;
use userland::complain;
use userland::rt::{Args, process};

userland::program!(run);

/// What a shell says for a program that cannot be run.
const CANNOT_RUN: i32 = 126;

fn run(args: Args) -> i32 {
    let argv: Vec<&str> = args.rest().collect();
    let Some(program) = argv.first().copied() else {
        complain!("init: no program to run; pass one after ` -- ` on the kernel's command line");
        return CANNOT_RUN;
    };
    let started = process::spawn(|| {
        let why = process::execute(program, &argv);
        complain!("init: {program}: {why} ({})", why.text().unwrap_or("unknown error"));
        CANNOT_RUN
    });
    let pid = match started {
        Ok(pid) => pid,
        Err(e) => {
            complain!("init: fork: {e}");
            return CANNOT_RUN;
        }
    };
    loop {
        match process::wait(-1) {
            Ok((who, status)) if who == pid => return status.code(),
            Ok(_) => {}
            Err(e) => {
                complain!("init: wait4: {e}");
                return CANNOT_RUN;
            }
        }
    }
}
