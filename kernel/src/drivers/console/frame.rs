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
