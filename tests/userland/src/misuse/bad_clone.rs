//! clone and clone3 asked for what they must refuse, or do otherwise.

use crate::rt::abi::{self, nr};
use crate::rt::arch::expendable;
use crate::rt::tap::Tap;
use crate::rt::{Status, process, time};
use heaps::uapi::Errno;

/// Flags that clone3 never takes, and pairs that cannot be together.
const REFUSED: [(&str, usize, usize); 5] = [
    ("a signal among the flags", 0x11, 0),
    ("CLONE_DETACHED", 0x40_0000, 0),
    ("CLONE_PARENT with a signal of its own", 0x8000, 17),
    ("CLONE_SIGHAND and CLONE_CLEAR_SIGHAND", 0x1_0000_0900, 0),
    ("a signal past the last", 0, 65),
];

pub fn run(tap: &mut Tap) {
    for (what, flags, signal) in REFUSED {
        let ended = in_expendable(|token| {
            let mut args = [0usize; 11];
            (args[0], args[4]) = (flags, signal);
            let done = expendable::clone(token, nr::CLONE3, [args.as_ptr() as usize, 88, 0, 0, 0, 0]);
            i32::from(done != Err(Errno::EINVAL))
        });
        tap.is(ended, Ok(Status::Exited(0)), format_args!("clone3 with {what}: EINVAL"));
    }
    // Its end is told as the caller's is, by SIGCHLD, not by the signal that was asked for.
    let sibling = process::in_child(|| {
        let made = in_expendable(|token| {
            let flags = 0x8000 | usize::from(abi::SIGKILL);
            i32::from(expendable::clone(token, nr::CLONE, [flags, 0, 0, 0, 0, 0]).is_err())
        });
        let _ = time::sleep(50 * time::MS);
        i32::from(made != Ok(Status::Exited(0)))
    });
    tap.is(sibling, Ok(Status::Exited(0)), "CLONE_PARENT: the parent is not killed by a sibling's end");
}

fn in_expendable(f: impl FnOnce(expendable::Expendable) -> i32) -> heaps::uapi::errno::Result<Status> {
    process::wait(expendable::spawn(f)?).map(|(_, status)| status)
}
