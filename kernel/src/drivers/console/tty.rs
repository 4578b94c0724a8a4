//! The line discipline: keys in, lines out. It allocates nothing, for it runs in the receiver's interrupt. Models
//! `drivers/tty/n_tty.c`.
#![forbid(unsafe_code)]

use arrayvec::ArrayVec;

use super::echo::Echo;
use super::termios::*;

/// Bytes that wait to be read, those of the line being typed included.
const SIZE: usize = 4096;

const SIGINT: u32 = 2;
const SIGQUIT: u32 = 3;
const SIGTSTP: u32 = 20;

/// Where output of the terminal goes, as programs' output does.
pub type Out<'a> = &'a mut dyn FnMut(&[u8]);

/// What is to be done about a key, once the terminal's lock is released.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Reaction {
    /// To be sent to the foreground process group.
    pub signal: Option<u32>,
    /// Whether there is something to read now.
    pub wake: bool,
    /// Whether output goes on.
    pub started: bool,
}

/// A terminal's input. Positions count the bytes ever typed; a byte's place is its position modulo `SIZE`.
pub struct Tty {
    /// Its settings.
    pub termios: Termios,
    /// Rows, columns, and a size in pixels that nobody knows.
    pub window: [u16; 4],
    bytes: [u8; SIZE],
    /// Which of them end what one read gets, one bit each.
    ends: [u64; SIZE / 64],
    /// Where the next one goes.
    head: usize,
    /// Where the line being typed begins.
    line: usize,
    /// What is read next.
    tail: usize,
    /// What was there when input began to come in lines was no line, but can be read.
    pushed: bool,
    /// The next key is taken as it is.
    literal: bool,
    stopped: bool,
    throttled: bool,
    pub(super) echo: Echo,
}

impl Tty {
    /// Nothing typed.
    pub const fn new() -> Tty {
        Tty {
            termios: Termios::new(),
            window: [24, 80, 0, 0],
            bytes: [0; SIZE],
            ends: [0; SIZE / 64],
            head: 0,
            line: 0,
            tail: 0,
            pushed: false,
            literal: false,
            stopped: false,
            throttled: false,
            echo: Echo::new(),
        }
    }

    /// Changes the settings. What was typed can be read as it is when input starts or stops to come in lines.
    pub fn set(&mut self, termios: Termios, out: Out<'_>) -> Reaction {
        if self.termios.local(ICANON) != termios.local(ICANON) {
            self.ends = [0; SIZE / 64];
            self.pushed = termios.local(ICANON) && self.head != self.tail;
            self.line = if self.pushed { self.head } else { self.tail };
            if self.pushed {
                self.mark(self.head - 1);
            }
            self.literal = false;
        }
        let frees = self.termios.input(IXON) && !termios.input(IXON);
        self.termios = termios;
        if frees { self.start(out) } else { Reaction::default() }
    }

    /// Whether output waits for the start key.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Holds output back.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Lets output go on.
    pub fn start(&mut self, out: Out<'_>) -> Reaction {
        let started = core::mem::take(&mut self.stopped);
        if started {
            self.echo.release(out);
        }
        Reaction { started, ..Reaction::default() }
    }

    /// Whether another key can be taken. A line that is too long loses its last ones, so that it can be ended.
    pub fn has_room(&self) -> bool {
        self.head - self.tail < SIZE - 1 || (self.termios.local(ICANON) && self.line == self.tail)
    }

    /// Notes that keys wait on the wire for room; whether that is news.
    pub fn throttle(&mut self) -> bool {
        !core::mem::replace(&mut self.throttled, true)
    }

    /// Whether keys waited on the wire and there is room for them now.
    pub fn unthrottle(&mut self) -> bool {
        let over = self.throttled && self.has_room();
        self.throttled &= !over;
        over
    }

    /// Takes a byte from the wire. There has to be [room](Self::has_room).
    pub fn key(&mut self, byte: u8, out: Out<'_>) -> Reaction {
        let byte = if self.termios.input(ISTRIP) { byte & 0x7f } else { byte };
        if self.head - self.tail == SIZE {
            self.head -= 1;
        }
        if core::mem::take(&mut self.literal) {
            return self.plain(byte, out);
        }
        if let Some(reaction) = self.flow(byte, out) {
            return reaction;
        }
        if let Some(signal) = self.signal_of(byte) {
            return self.interrupt(signal, byte, out);
        }
        let mut reaction = Reaction::default();
        if self.stopped && self.termios.input(IXON) && self.termios.input(IXANY) {
            reaction = self.start(out);
        }
        let byte = match byte {
            b'\r' if self.termios.input(IGNCR) => return reaction,
            b'\r' if self.termios.input(ICRNL) => b'\n',
            b'\n' if self.termios.input(INLCR) => b'\r',
            byte => byte,
        };
        let taken = if self.termios.local(ICANON) { self.edit(byte, out) } else { self.plain(byte, out) };
        Reaction { wake: taken.wake, ..reaction }
    }

    /// Keys that stop and start output.
    fn flow(&mut self, byte: u8, out: Out<'_>) -> Option<Reaction> {
        if !self.termios.input(IXON) {
            return None;
        }
        if self.termios.is_key(VSTART, byte) {
            return Some(self.start(out));
        }
        if self.termios.is_key(VSTOP, byte) {
            self.stop();
            return Some(Reaction::default());
        }
        None
    }

    fn signal_of(&self, byte: u8) -> Option<u32> {
        let keys = [(VINTR, SIGINT), (VQUIT, SIGQUIT), (VSUSP, SIGTSTP)];
        let hit = |(key, _): &(usize, u32)| self.termios.is_key(*key, byte);
        keys.into_iter().filter(|_| self.termios.local(ISIG)).find(hit).map(|(_, signal)| signal)
    }

    fn interrupt(&mut self, signal: u32, byte: u8, out: Out<'_>) -> Reaction {
        if !self.termios.local(NOFLSH) {
            self.flush();
        }
        let started = self.termios.input(IXON) && self.start(out).started;
        self.show(byte, out);
        Reaction { signal: Some(signal), started, wake: false }
    }

    /// A key that only is itself.
    fn plain(&mut self, byte: u8, out: Out<'_>) -> Reaction {
        if self.termios.local(ECHO) {
            self.begin_line();
            match byte {
                b'\n' => self.echo.put(&self.termios, self.stopped, b"\n", out),
                byte => self.show(byte, out),
            }
        }
        self.push(byte);
        let canonical = self.termios.local(ICANON);
        if !canonical {
            self.line = self.head;
        }
        Reaction { wake: !canonical, ..Reaction::default() }
    }

    fn edit(&mut self, byte: u8, out: Out<'_>) -> Reaction {
        let keys = self.termios;
        let extended = |key: usize| keys.local(IEXTEN) && keys.is_key(key, byte);
        if keys.is_key(VERASE, byte) || keys.is_key(VKILL, byte) || extended(VWERASE) {
            self.erase(byte, out);
        } else if extended(VLNEXT) {
            self.literal = true;
            if keys.local(ECHO) && keys.local(ECHOCTL) {
                self.echo.put(&keys, self.stopped, b"^\x08", out);
            }
        } else if extended(VREPRINT) && keys.local(ECHO) {
            self.reprint(byte, out);
        } else if byte == b'\n' {
            if keys.local(ECHO) || keys.local(ECHONL) {
                self.echo.put(&keys, self.stopped, b"\n", out);
            }
            return self.end_line(byte);
        } else if keys.is_key(VEOF, byte) {
            return self.end_line(DISABLED);
        } else if keys.is_key(VEOL, byte) || extended(VEOL2) {
            if keys.local(ECHO) {
                self.begin_line();
                self.show(byte, out);
            }
            return self.end_line(byte);
        } else {
            return self.plain(byte, out);
        }
        Reaction::default()
    }

    fn end_line(&mut self, byte: u8) -> Reaction {
        self.mark(self.head);
        self.push(byte);
        self.line = self.head;
        Reaction { wake: true, ..Reaction::default() }
    }

    fn reprint(&mut self, byte: u8, out: Out<'_>) {
        self.show(byte, out);
        self.echo.put(&self.termios, self.stopped, b"\n", out);
        for at in self.line..self.head {
            self.show(self.at(at), out);
        }
    }

    /// Erases a character, a word or the line, and shows that.
    fn erase(&mut self, key: u8, out: Out<'_>) {
        let settings = self.termios;
        if self.head == self.line {
            return;
        }
        let (whole, word) = (settings.is_key(VKILL, key), settings.is_key(VWERASE, key));
        let wipes = settings.local(ECHOK) && settings.local(ECHOKE) && settings.local(ECHOE);
        if whole && (!settings.local(ECHO) || !wipes) {
            self.head = self.line;
            self.show(key, out);
            if settings.local(ECHO) && settings.local(ECHOK) {
                self.echo.put(&settings, self.stopped, b"\n", out);
            }
            return;
        }
        let mut within_word = false;
        while self.head != self.line {
            let Some((start, byte)) = self.last_character() else { return };
            if word {
                let is_part = byte.is_ascii_alphanumeric() || byte == b'_';
                if within_word && !is_part {
                    return;
                }
                within_word |= is_part;
            }
            self.head = start;
            self.show_erased(key, byte, out);
            if !whole && !word {
                return;
            }
        }
    }

    /// Where the last character of the line begins, and its first byte. `None` for the middle of one.
    fn last_character(&self) -> Option<(usize, u8)> {
        let goes_on = |byte: u8| self.termios.input(IUTF8) && byte & 0xc0 == 0x80;
        let start = (self.line..self.head).rev().find(|&at| !goes_on(self.at(at)))?;
        Some((start, self.at(start)))
    }

    fn show_erased(&mut self, key: u8, byte: u8, out: Out<'_>) {
        let settings = self.termios;
        if !settings.local(ECHO) {
            return;
        }
        if settings.is_key(VERASE, key) && !settings.local(ECHOE) {
            return self.show(key, out);
        }
        let back = match byte {
            b'\t' => self.width_of_last_tab(),
            byte if byte.is_ascii_control() => 2 * usize::from(settings.local(ECHOCTL)),
            _ => 1,
        };
        let how: &[u8] = if byte == b'\t' { b"\x08" } else { b"\x08 \x08" };
        (0..back).for_each(|_| self.echo.put(&settings, self.stopped, how, out));
    }

    /// How far a tab goes that stood behind all that is left of the line.
    fn width_of_last_tab(&self) -> usize {
        let mut column = self.echo.line_column;
        for byte in (self.line..self.head).map(|at| self.at(at)) {
            column += match byte {
                b'\t' => 8 - column % 8,
                byte if byte.is_ascii_control() => 2 * usize::from(self.termios.local(ECHOCTL)),
                byte if self.termios.input(IUTF8) && byte & 0xc0 == 0x80 => 0,
                _ => 1,
            };
        }
        8 - column % 8
    }

    /// Notes where on the screen a line begins, at its first byte.
    fn begin_line(&mut self) {
        if self.line == self.head {
            self.echo.begin_line();
        }
    }

    /// Shows a key: control characters as `^X`.
    fn show(&mut self, byte: u8, out: Out<'_>) {
        if !self.termios.local(ECHO) {
            return;
        }
        let two = self.termios.local(ECHOCTL) && byte.is_ascii_control() && byte != b'\t';
        let shown: ArrayVec<u8, 2> = match two {
            true => [b'^', byte ^ 0x40].into(),
            false => [byte].into_iter().collect(),
        };
        self.echo.put(&self.termios, self.stopped, &shown, out);
    }

    fn at(&self, position: usize) -> u8 {
        self.bytes[position % SIZE]
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.head % SIZE] = byte;
        self.head += 1;
    }

    fn mark(&mut self, position: usize) {
        self.ends[position % SIZE / 64] |= 1 << (position % 64);
    }

    fn unmark(&mut self, position: usize) {
        self.ends[position % SIZE / 64] &= !(1 << (position % 64));
    }

    fn is_end(&self, position: usize) -> bool {
        self.ends[position % SIZE / 64] >> (position % 64) & 1 == 1
    }

    /// How many bytes a read could get, ends of input not counted.
    pub fn available(&self) -> usize {
        match self.termios.local(ICANON) {
            true => {
                (self.tail..self.line).filter(|&at| !(self.is_end(at) && self.at(at) == DISABLED)).count()
            }
            false => self.head - self.tail,
        }
    }

    /// Whether there is something to read, be it an end of input: where input does not come in lines, `least` bytes.
    pub fn has_input(&self, least: usize) -> bool {
        match self.termios.local(ICANON) {
            true => self.line != self.tail,
            false => self.head - self.tail >= least,
        }
    }

    /// How many bytes make the terminal readable for those who poll.
    pub fn least_to_poll(&self) -> usize {
        match (self.termios.c_cc[VTIME], self.termios.c_cc[VMIN]) {
            (0, least @ 1..) => least.into(),
            _ => 1,
        }
    }

    /// Reads: a line or its beginning, or whatever there is where input does not come in lines. `None` when there is
    /// nothing yet; 0 at an end of input.
    pub fn take(&mut self, buf: &mut [u8]) -> Option<usize> {
        if !self.has_input(1) {
            return None;
        }
        if !self.termios.local(ICANON) {
            let len = buf.len().min(self.head - self.tail);
            buf.iter_mut().zip(self.tail..).take(len).for_each(|(byte, at)| *byte = self.at(at));
            self.tail += len;
            self.line = self.line.max(self.tail);
            return Some(len);
        }
        let mut len = 0;
        while self.tail != self.line && len < buf.len() {
            let (at, ends) = (self.tail, self.is_end(self.tail));
            self.tail += 1;
            if !(ends && self.at(at) == DISABLED && !self.pushed) {
                buf[len] = self.at(at);
                len += 1;
            }
            if ends {
                self.unmark(at);
                self.pushed = false;
                return Some(len);
            }
        }
        // An end key right behind what filled the buffer ended the line, not the input.
        if self.tail != self.line && self.is_end(self.tail) && self.at(self.tail) == DISABLED && len > 0 {
            self.unmark(self.tail);
            self.tail += 1;
        }
        Some(len)
    }

    /// Forgets what was typed and not read.
    pub fn flush(&mut self) {
        (self.tail, self.line) = (self.head, self.head);
        self.ends = [0; SIZE / 64];
        self.pushed = false;
    }
}
