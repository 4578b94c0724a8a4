//! `/bin/sh`: a small shell. `sh [-c TEXT [NAME ARG...]]`, `sh FILE [ARG...]`, or commands from standard input.
#![cfg_attr(target_os = "none", no_std, no_main)]

use userland::rt::Args;
use userland::shell;

userland::program!(run);

fn run(args: Args) -> i32 {
    shell::main(args)
}
