//! The argument vector as the kernel left it on the stack.

use super::arch::start;

/// The program's arguments, the program's own name first.
#[derive(Clone, Copy)]
pub struct Args {
    stack: start::InitialStack,
}

impl Args {
    pub(in crate::rt) fn new(stack: start::InitialStack) -> Args {
        Args { stack }
    }

    /// Number of arguments, with the program's name.
    pub fn count(self) -> usize {
        self.stack.argc()
    }

    /// Argument `i`, 0 being the program's name; `None` past the end and where it is not UTF-8.
    pub fn get(self, i: usize) -> Option<&'static str> {
        self.stack.argument(i)
    }

    /// The arguments after the program's name.
    pub fn rest(self) -> impl Iterator<Item = &'static str> {
        (1..self.count()).filter_map(move |i| self.get(i))
    }

    /// Argument `i` as a number, or `default` when it is missing.
    ///
    /// # Errors
    /// The argument's text, when it is there and no number.
    pub fn number(self, i: usize, default: u64) -> Result<u64, &'static str> {
        match self.get(i) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| text),
        }
    }

    /// The environment, each variable as `NAME=VALUE`.
    pub fn environment(self) -> impl Iterator<Item = &'static str> {
        (0..).map_while(move |i| self.stack.variable(i))
    }

    /// The auxiliary vector's value of type `kind` (`AT_*`), if it is there.
    pub fn aux(self, kind: usize) -> Option<usize> {
        self.stack.aux(kind)
    }
}
