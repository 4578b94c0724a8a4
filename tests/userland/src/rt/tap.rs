//! Test Anything Protocol on standard output: one line a check, the plan last, and an exit status.

use crate::say;
use core::fmt;

/// The tests of one program.
#[derive(Default)]
pub struct Tap {
    unheard: bool,
    run: u32,
    failed: u32,
}

impl Tap {
    /// Opens the report.
    pub fn new() -> Tap {
        say!("TAP version 13");
        Tap::default()
    }

    /// A run whose checks are neither printed nor counted.
    pub fn rehearsal() -> Tap {
        Tap { unheard: true, ..Tap::default() }
    }

    /// One check: `ok N - WHAT` or `not ok N - WHAT`. Returns whether it held.
    pub fn ok(&mut self, held: bool, what: impl fmt::Display) -> bool {
        if self.unheard {
            return held;
        }
        self.run += 1;
        if held {
            say!("ok {} - {}", self.run, what);
        } else {
            self.failed += 1;
            say!("not ok {} - {}", self.run, what);
        }
        held
    }

    /// Checks that `got` is `want`, and says what it was where it is not.
    pub fn is<T: PartialEq + fmt::Debug>(&mut self, got: T, want: T, what: impl fmt::Display) -> bool {
        let held = self.ok(got == want, what);
        if !held && !self.unheard {
            say!("# got {:?}, want {:?}", got, want);
        }
        held
    }

    /// Notes that a check was left out, and why.
    pub fn skip(&mut self, what: &str, why: &str) {
        if self.unheard {
            return;
        }
        self.run += 1;
        say!("ok {} - {} # SKIP {}", self.run, what, why);
    }

    /// Prints the plan; the exit status is 0 when every check held and there was one.
    pub fn done(self) -> i32 {
        say!("1..{}", self.run);
        if self.failed > 0 {
            say!("# {} of {} failed", self.failed, self.run);
        }
        i32::from(self.failed > 0 || self.run == 0)
    }
}
