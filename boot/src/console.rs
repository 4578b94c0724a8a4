//! Takes the machine's one serial line apart into the channels the kernel multiplexed on it.
//!
//! The framing: the byte 0x1E and a channel's letter switch to that channel; 0x1E twice is a literal
//! 0x1E. The bytes come from a machine that may be crashing, so any sequence is taken: 0x1E before
//! anything else is data, and what comes before the first switch is kernel log.

const ESCAPE: u8 = 0x1e;

/// What a stretch of bytes on the serial line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Channel {
    /// The kernel's log.
    #[default]
    Log,
    /// A program's standard output.
    Stdout,
    /// A program's standard error.
    Stderr,
    /// The lab's records, one JSON value a line.
    Records,
}

impl Channel {
    fn from_letter(letter: u8) -> Option<Channel> {
        match letter {
            b'k' => Some(Channel::Log),
            b'o' => Some(Channel::Stdout),
            b'e' => Some(Channel::Stderr),
            b'r' => Some(Channel::Records),
            _ => None,
        }
    }
}

/// The state between two chunks of input.
#[derive(Debug, Default)]
pub struct Demultiplexer {
    channel: Channel,
    escaped: bool,
}

impl Demultiplexer {
    /// Hands each stretch of `bytes` to `sink`, with the channel it belongs to.
    pub fn push(&mut self, bytes: &[u8], mut sink: impl FnMut(Channel, &[u8])) {
        let mut rest = bytes;
        loop {
            if self.escaped {
                let Some((&letter, after)) = rest.split_first() else { return };
                self.escaped = false;
                rest = after;
                match Channel::from_letter(letter) {
                    Some(channel) => self.channel = channel,
                    None if letter == ESCAPE => sink(self.channel, &[ESCAPE]),
                    None => sink(self.channel, &[ESCAPE, letter]),
                }
            }
            let stretch = rest.iter().position(|&byte| byte == ESCAPE).unwrap_or(rest.len());
            if stretch > 0 {
                sink(self.channel, &rest[..stretch]);
            }
            if stretch == rest.len() {
                return;
            }
            self.escaped = true;
            rest = &rest[stretch + 1..];
        }
    }
}

/// Cuts a channel's bytes into lines.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// A line longer than this many bytes is cut, lest a machine gone wild fill the host's memory.
    const LONGEST: usize = 1 << 20;

    /// Hands each line that `bytes` completes to `sink`, without its end.
    pub fn push(&mut self, bytes: &[u8], mut sink: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.partial.len() >= Self::LONGEST {
                self.finish(&mut sink);
            }
        }
    }

    /// Hands over what is left of a line that never ended.
    pub fn finish(&mut self, mut sink: impl FnMut(&str)) {
        if !self.partial.is_empty() {
            sink(String::from_utf8_lossy(&self.partial).trim_end_matches(['\r', '\n']));
            self.partial.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demultiplex<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> [Vec<u8>; 4] {
        let mut channels = <[Vec<u8>; 4]>::default();
        let mut demultiplexer = Demultiplexer::default();
        for chunk in chunks {
            demultiplexer.push(chunk, |channel, bytes| channels[channel as usize].extend_from_slice(bytes));
        }
        channels
    }

    const STREAM: &[u8] = b"early\n\x1eohello \x1ekoops\n\x1eoworld\x1e\x1e!\n\x1eeerr\x1er{}\n";

    #[test]
    fn channels_are_told_apart() {
        let [log, stdout, stderr, records] = demultiplex([STREAM]);
        assert_eq!(log, b"early\noops\n");
        assert_eq!(stdout, b"hello world\x1e!\n");
        assert_eq!(stderr, b"err");
        assert_eq!(records, b"{}\n");
    }

    #[test]
    fn any_split_gives_the_same() {
        let whole = demultiplex([STREAM]);
        for at in 0..=STREAM.len() {
            let (a, b) = STREAM.split_at(at);
            assert_eq!(demultiplex([a, b]), whole, "split at {at}");
        }
        assert_eq!(demultiplex(STREAM.chunks(1)), whole);
    }

    #[test]
    fn hostile_bytes_are_data() {
        let [log, stdout, ..] = demultiplex([&b"\x1eZ\xff\x1eo\x1e\x00\x1e"[..]]);
        assert_eq!(log, b"\x1eZ\xff");
        assert_eq!(stdout, b"\x1e\x00");
        for byte in 0..=255 {
            demultiplex([&[ESCAPE, byte, byte, ESCAPE][..]]);
        }
    }

    #[test]
    fn lines_are_cut_wherever_the_chunks_end() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for chunk in [&b"a"[..], b"b\r\nc\n\nd", b"\xff"] {
            lines.push(chunk, |line| seen.push(line.to_owned()));
        }
        lines.finish(|line| seen.push(line.to_owned()));
        assert_eq!(seen, ["ab", "c", "", "d\u{fffd}"]);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let mut lines = Lines::default();
        let mut count = 0;
        for _ in 0..3 {
            lines.push(&vec![b'x'; Lines::LONGEST], |_| count += 1);
        }
        assert_eq!(count, 3);
    }
}
