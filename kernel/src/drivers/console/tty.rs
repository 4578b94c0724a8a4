//! The line discipline: keys in, lines out. It allocates nothing, for it runs in the receiver's interrupt.
#![forbid(unsafe_code)]

use arrayvec::ArrayVec;

use super::termios::{ECHO, ECHOCTL, ICANON, ICRNL, ISIG, NOFLSH, Termios};
use super::termios::{VEOF, VERASE, VINTR, VKILL, VMIN, VQUIT, VSUSP};

/// Bytes that wait to be read; more are dropped, as a terminal's are.
const CAPACITY: usize = 4096;
/// Longest line that can be edited.
const LINE: usize = 1024;

const SIGINT: u32 = 2;
const SIGQUIT: u32 = 3;
const SIGTSTP: u32 = 20;

/// What is to be done about a key, once the terminal's lock is released.
#[derive(Default, Debug)]
pub struct Reaction {
    /// To be shown.
    pub echo: ArrayVec<u8, 8>,
    /// To be sent to the foreground process group.
    pub signal: Option<u32>,
    /// Whether there is something to read now.
    pub wake: bool,
}

/// A terminal's input.
pub struct Tty {
    /// Its settings.
    pub termios: Termios,
    /// Rows, columns, and a size in pixels that nobody knows.
    pub window: [u16; 4],
    line: ArrayVec<u8, LINE>,
    ready: [u8; CAPACITY],
    start: usize,
    len: usize,
    /// How many ends of input were typed at the start of a line.
    ends: usize,
}

impl Tty {
    /// Nothing typed.
    pub const fn new() -> Tty {
        Tty {
            termios: Termios::new(),
            window: [24, 80, 0, 0],
            line: ArrayVec::new_const(),
            ready: [0; CAPACITY],
            start: 0,
            len: 0,
            ends: 0,
        }
    }

    /// Changes the settings. A line that is not ended can be read as it is when input does not come in lines any more.
    pub fn set(&mut self, termios: Termios) {
        if !termios.local(ICANON) {
            self.finish_line();
        }
        self.termios = termios;
    }

    /// Takes a byte from the wire.
    pub fn key(&mut self, byte: u8) -> Reaction {
        let mut reaction = Reaction::default();
        let byte = if byte == b'\r' && self.termios.c_iflag & ICRNL != 0 { b'\n' } else { byte };
        if let Some(signal) = self.signal_of(byte) {
            if !self.termios.local(NOFLSH) {
                self.flush();
            }
            self.echo_key(&mut reaction, byte);
            reaction.signal = Some(signal);
        } else if self.termios.local(ICANON) {
            self.edit(byte, &mut reaction);
        } else {
            self.push(byte);
            self.echo_key(&mut reaction, byte);
            reaction.wake = true;
        }
        reaction
    }

    fn signal_of(&self, byte: u8) -> Option<u32> {
        let keys = [(VINTR, SIGINT), (VQUIT, SIGQUIT), (VSUSP, SIGTSTP)];
        let hit = |(key, _): &(usize, u32)| byte != 0 && self.termios.c_cc[*key] == byte;
        keys.into_iter().filter(|_| self.termios.local(ISIG)).find(hit).map(|(_, signal)| signal)
    }

    fn edit(&mut self, byte: u8, reaction: &mut Reaction) {
        let keys = self.termios.c_cc;
        if byte == keys[VERASE] || byte == 8 {
            if let Some(erased) = self.line.pop() {
                // A character of several bytes goes whole.
                let mut last = erased;
                while last & 0xc0 == 0x80 {
                    let Some(before) = self.line.pop() else { break };
                    last = before;
                }
                self.echo(reaction, b"\x08 \x08");
                if self.is_shown_as_two(erased) {
                    self.echo(reaction, b"\x08 \x08");
                }
            }
        } else if byte == keys[VKILL] {
            self.line.clear();
            self.echo(reaction, b"\r\x1b[K");
        } else if byte == keys[VEOF] {
            if self.line.is_empty() {
                self.ends += 1;
            }
            self.finish_line();
            reaction.wake = true;
        } else if byte == b'\n' {
            self.echo(reaction, b"\n");
            self.finish_line();
            self.push(b'\n');
            reaction.wake = true;
        } else if self.line.try_push(byte).is_ok() {
            self.echo_key(reaction, byte);
        }
    }

    fn finish_line(&mut self) {
        let line = core::mem::take(&mut self.line);
        line.iter().for_each(|&byte| self.push(byte));
    }

    fn push(&mut self, byte: u8) {
        if self.len < CAPACITY {
            self.ready[(self.start + self.len) % CAPACITY] = byte;
            self.len += 1;
        }
    }

    /// Shows a key.
    fn echo_key(&self, reaction: &mut Reaction, byte: u8) {
        match self.is_shown_as_two(byte) {
            true => self.echo(reaction, &[b'^', byte ^ 0x40]),
            false => self.echo(reaction, &[byte]),
        }
    }

    fn is_shown_as_two(&self, byte: u8) -> bool {
        self.termios.local(ECHOCTL) && (byte < b' ' || byte == 0x7f) && byte != b'\n' && byte != b'\t'
    }

    fn echo(&self, reaction: &mut Reaction, bytes: &[u8]) {
        if self.termios.local(ECHO) {
            // An echo that does not fit is not shown.
            let _ = reaction.echo.try_extend_from_slice(bytes);
        }
    }

    /// How many bytes wait to be read.
    pub fn available(&self) -> usize {
        self.len
    }

    /// Whether a read would not wait.
    pub fn has_input(&self) -> bool {
        self.len > 0 || self.ends > 0
    }

    /// Reads: a line, or its beginning, or whatever there is where input does not come in lines. `None` when there
    /// is nothing yet; 0 at an end of input.
    pub fn take(&mut self, buf: &mut [u8]) -> Option<usize> {
        if self.len == 0 && self.ends == 0 && !self.termios.local(ICANON) && self.termios.c_cc[VMIN] == 0 {
            return Some(0);
        }
        if self.len == 0 {
            self.ends = self.ends.checked_sub(1)?;
            return Some(0);
        }
        let mut done = 0;
        while done < buf.len() && self.len > 0 {
            let byte = self.ready[self.start];
            self.start = (self.start + 1) % CAPACITY;
            self.len -= 1;
            buf[done] = byte;
            done += 1;
            if byte == b'\n' && self.termios.local(ICANON) {
                break;
            }
        }
        Some(done)
    }

    /// Forgets what was typed and not read.
    pub fn flush(&mut self) {
        self.line.clear();
        (self.start, self.len, self.ends) = (0, 0, 0);
    }
}
