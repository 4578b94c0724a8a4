//! Tests that have to leave nothing behind.

use super::oracle;
use crate::judge::{Counts, counts};
use crate::rt::tap::Tap;
use heaps::uapi::errno::Result;

/// Runs a program's checks: the exit status of its TAP.
///
/// Once unheard before it counts, counting included: the tables that the kernel keeps for good, once grown, are no
/// leak, nor is what counting takes from this program. What every run leaves behind is.
pub fn run(checks: fn(&mut Tap)) -> i32 {
    let mut tap = Tap::new();
    oracle::warm_up();
    // A program that runs on Linux, too, has nobody to ask there.
    let _ = oracle::watch_frames();
    play(checks, &mut Tap::rehearsal());
    play(checks, &mut tap);
    tap.done()
}

fn play(checks: fn(&mut Tap), tap: &mut Tap) {
    let before = oracle::settled_counts();
    let _ = oracle::mark();
    checks(tap);
    nothing_left(tap, before, "nothing was left behind");
}

/// Checks that the counts are what they were.
pub fn nothing_left(tap: &mut Tap, before: Result<Counts>, what: &str) {
    match (before, oracle::settled_counts()) {
        (Ok(before), Ok(after)) => {
            if !tap.is(counts::delta(&before, &after), Counts::new(), what) {
                let survivors = oracle::survivors().unwrap_or_default();
                survivors.lines().for_each(|line| tap.note(line));
            }
        }
        _ => tap.skip(what, "this kernel has no counts to read"),
    }
}
