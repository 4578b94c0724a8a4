//! `/bin/true`: does nothing, well. The least a program can be, for measuring what it takes to run one.
#![cfg_attr(target_os = "none", no_std, no_main)]

use userland::rt::Args;

userland::program!(run);

fn run(_args: Args) -> i32 {
    0
}
