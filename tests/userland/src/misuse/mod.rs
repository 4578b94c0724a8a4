//! Wrong use, case by case: what a program must not do, and what the kernel must answer.
//!
//! Each case is a list of checks; what kills is tried in a child. Where the kernel's counts can be read,
//! they are compared around the case: being refused must not leave anything behind.

mod bad_arguments;
mod bad_clone;
mod bad_exec;
mod bad_ioctl;
mod bad_pointers;
mod cpu_timers;
mod exhaustion;
mod traps;

use crate::guest::tidy;
use crate::rt::tap::Tap;
use crate::rt::{Status, process};
use heaps::uapi::errno::Result;

/// A case of wrong use.
pub struct Case {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is done.
    pub what: &'static str,
    run: fn(&mut Tap),
}

/// All cases.
pub const CASES: [Case; 16] = [
    Case { name: "jump-to-zero", what: "branch where nothing is", run: traps::jumps },
    Case { name: "privileged", what: "instructions of higher levels", run: traps::privileged },
    Case { name: "breakpoint", what: "a breakpoint nobody set", run: traps::breakpoint },
    Case { name: "write-to-text", what: "write to what is not writable", run: traps::read_only },
    Case { name: "unaligned", what: "accesses off their boundary", run: traps::unaligned },
    Case { name: "deep-stack", what: "recursion without end", run: traps::deep_stack },
    Case { name: "bad-arguments", what: "numbers that mean nothing", run: bad_arguments::run },
    Case { name: "bad-clone", what: "processes that cannot be made so", run: bad_clone::run },
    Case {
        name: "kernel-pointers",
        what: "addresses that are not the program's",
        run: bad_pointers::everywhere,
    },
    Case { name: "edge-pointers", what: "structures half in a mapping", run: bad_pointers::edges },
    Case { name: "bad-ioctl", what: "every field of a heap's and a buffer's ioctls", run: bad_ioctl::run },
    Case { name: "cpu-timers", what: "timers that go by CPU time", run: cpu_timers::run },
    Case { name: "exec-garbage", what: "files that are no programs", run: bad_exec::run },
    Case { name: "exhaust-fds", what: "all descriptors", run: exhaustion::descriptors },
    Case { name: "exhaust-objects", what: "all of the kernel's own memory", run: exhaustion::objects },
    Case { name: "exhaust-memory", what: "all memory", run: exhaustion::memory },
];

impl Case {
    /// Runs it: the exit status of its TAP.
    pub fn run(&self) -> i32 {
        tidy::run(self.run)
    }
}

/// How a child ends that does this.
fn child(f: impl FnOnce()) -> Result<Status> {
    process::in_child(|| {
        f();
        0
    })
}
