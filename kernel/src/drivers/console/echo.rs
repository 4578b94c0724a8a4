//! What the terminal shows of what is typed, and where on the line the cursor is. Nothing is shown while output is
//! stopped, but kept for later.
#![forbid(unsafe_code)]

use arrayvec::ArrayVec;

use super::termios::{IUTF8, Termios};
use super::tty::Out;

/// Bytes kept while output is stopped; more are not shown.
const KEPT: usize = 1024;

/// The echo.
pub struct Echo {
    kept: ArrayVec<u8, KEPT>,
    column: usize,
    /// The column the line being typed begins in.
    pub line_column: usize,
}

impl Echo {
    /// At the beginning of a line.
    pub const fn new() -> Echo {
        Echo { kept: ArrayVec::new_const(), column: 0, line_column: 0 }
    }

    /// Shows bytes, or keeps them where output is `stopped`.
    pub fn put(&mut self, settings: &Termios, stopped: bool, bytes: &[u8], out: Out<'_>) {
        self.follow(settings, bytes);
        if stopped {
            let _ = self.kept.try_extend_from_slice(bytes);
        } else {
            out(bytes);
        }
    }

    /// Shows what was kept.
    pub fn release(&mut self, out: Out<'_>) {
        if !self.kept.is_empty() {
            out(&self.kept);
            self.kept.clear();
        }
    }

    /// Follows the cursor over output.
    pub fn follow(&mut self, settings: &Termios, bytes: &[u8]) {
        for &byte in bytes {
            self.column = match byte {
                b'\n' | b'\r' => 0,
                b'\t' => self.column + 8 - self.column % 8,
                8 => self.column.saturating_sub(1),
                byte if byte.is_ascii_control() => self.column,
                byte if settings.input(IUTF8) && byte & 0xc0 == 0x80 => self.column,
                _ => self.column + 1,
            };
        }
    }

    /// The line being typed begins here.
    pub fn begin_line(&mut self) {
        self.line_column = self.column;
    }
}
