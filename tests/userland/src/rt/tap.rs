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
        let tap = Tap::default();
        tap.line(format_args!("TAP version 13"));
        tap
    }

    /// A run whose checks are worded, so that it takes what a heard run takes, but neither printed nor counted.
    pub fn rehearsal() -> Tap {
        Tap { unheard: true, ..Tap::default() }
    }

    /// One check: `ok N - WHAT` or `not ok N - WHAT`. Returns whether it held.
    pub fn ok(&mut self, held: bool, what: impl fmt::Display) -> bool {
        self.run += 1;
        self.failed += u32::from(!held);
        let not = if held { "" } else { "not " };
        self.line(format_args!("{not}ok {} - {what}", self.run));
        held
    }

    /// Checks that `got` is `want`, and says what it was where it is not.
    pub fn is<T: PartialEq + fmt::Debug>(&mut self, got: T, want: T, what: impl fmt::Display) -> bool {
        let held = self.ok(got == want, what);
        if !held {
            self.note(format_args!("got {got:?}, want {want:?}"));
        }
        held
    }

    /// Notes that a check was left out, and why.
    pub fn skip(&mut self, what: &str, why: &str) {
        self.run += 1;
        self.line(format_args!("ok {} - {what} # SKIP {why}", self.run));
    }

    /// Says more about the check before.
    pub fn note(&self, text: impl fmt::Display) {
        self.line(format_args!("# {text}"));
    }

    fn line(&self, text: fmt::Arguments<'_>) {
        if self.unheard {
            let _ = fmt::write(&mut Unheard, text);
        } else {
            say!("{text}");
        }
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

/// Where a rehearsal's lines go.
struct Unheard;

impl fmt::Write for Unheard {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Read, as one that is written is: the page that a text lies in is brought in by its first reader.
        for byte in text.bytes() {
            core::hint::black_box(byte);
        }
        Ok(())
    }
}
