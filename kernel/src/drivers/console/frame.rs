//! Several channels on one wire: a mark byte and a letter switch to a channel, two mark bytes are one in the data.
#![forbid(unsafe_code)]

/// The mark byte (ASCII RS).
const MARK: u8 = 0x1e;

/// Whose bytes they are; the value is the letter on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Channel {
    /// The kernel log.
    Kernel = b'k',
    /// What programs print.
    Stdout = b'o',
    /// What programs complain about.
    Stderr = b'e',
    /// Machine-readable lines.
    Records = b'r',
}

/// Remembers which channel the wire is switched to.
pub struct Framer {
    framed: bool,
    current: Option<Channel>,
}

impl Framer {
    /// Sends a mark first of all, where channels are told apart (`framed`) at all.
    pub const fn switched_anew(framed: bool) -> Framer {
        Framer { framed, current: None }
    }

    /// Hands `bytes` of a channel on, framed.
    pub fn send(&mut self, channel: Channel, bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
        if !self.framed {
            return out(bytes);
        }
        if self.current != Some(channel) && !bytes.is_empty() {
            out(&[MARK, channel as u8]);
            self.current = Some(channel);
        }
        for part in bytes.split_inclusive(|&b| b == MARK) {
            out(part);
            if part.ends_with(&[MARK]) {
                out(&[MARK]);
            }
        }
    }
}

/// What came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// A key.
    Key(u8),
    /// The size of the window that the terminal is shown in: rows, columns.
    Window(u16, u16),
}

/// The letter of a window's size on the wire; two numbers of two bytes follow, low byte first.
const WINDOW: u8 = b'w';

/// Takes keys and news of the window apart, where channels are told apart at all.
pub struct Unframer {
    framed: bool,
    /// What came since a mark, the mark included.
    kept: [u8; 6],
    len: usize,
}

impl Unframer {
    /// Nothing came yet.
    pub const fn new(framed: bool) -> Unframer {
        Unframer { framed, kept: [0; 6], len: 0 }
    }

    /// Takes a byte from the wire.
    pub fn take(&mut self, byte: u8) -> Option<Incoming> {
        if !self.framed || (self.len == 0 && byte != MARK) {
            return Some(Incoming::Key(byte));
        }
        self.kept[self.len] = byte;
        self.len += 1;
        match (self.len, self.kept) {
            (1, _) | (2..6, [_, WINDOW, ..]) => None,
            (6, [_, _, a, b, c, d]) => {
                self.len = 0;
                Some(Incoming::Window(u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])))
            }
            // Two marks are one; anything else nobody sends.
            _ => {
                self.len = 0;
                Some(Incoming::Key(byte))
            }
        }
    }
}
