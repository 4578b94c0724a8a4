//! Formatting to standard output and error, a line a write, so that lines of several tasks do not mix.

use super::arch::file;
use core::fmt::{self, Write};

/// A buffer that is written to a descriptor at each end of line and when it is full.
pub struct Line {
    fd: i32,
    used: usize,
    bytes: [u8; 512],
}

impl Line {
    /// An empty line for descriptor `fd`.
    pub fn new(fd: i32) -> Line {
        Line { fd, used: 0, bytes: [0; 512] }
    }

    /// Writes out what is there. Errors have nowhere to go and are dropped.
    pub fn flush(&mut self) {
        let _ = file::write_all(self.fd, &self.bytes[..self.used]);
        self.used = 0;
    }
}

impl Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for &byte in s.as_bytes() {
            self.bytes[self.used] = byte;
            self.used += 1;
            if self.used == self.bytes.len() {
                self.flush();
            }
        }
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.used > 0 {
            self.flush();
        }
    }
}

/// Writes formatted text to descriptor `fd`; what the macros [`say!`](crate::say) and
/// [`complain!`](crate::complain) call.
pub fn print(fd: i32, text: fmt::Arguments<'_>, end: &str) {
    let mut line = Line::new(fd);
    let _ = line.write_fmt(text);
    let _ = line.write_str(end);
}

/// A line on standard output.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => { $crate::rt::out::print(1, format_args!($($arg)*), "\n") };
}

/// A line on standard error.
#[macro_export]
macro_rules! complain {
    ($($arg:tt)*) => { $crate::rt::out::print(2, format_args!($($arg)*), "\n") };
}
