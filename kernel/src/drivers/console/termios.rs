//! A terminal's settings: arm64's `struct termios` (`asm-generic/termbits.h`), and the bits that matter here.
#![forbid(unsafe_code)]

use zerocopy::{FromBytes, Immutable, IntoBytes};

macro_rules! constants {
    ($($name:ident: $type:ty = $value:literal, $text:literal;)*) => {
        $(#[doc = $text] pub const $name: $type = $value;)*

        #[cfg(test)]
        const KNOWN: &[(u64, u64, &str)] =
            &[$(($value as u64, linux_raw_sys::general::$name as u64, stringify!($name)),)*];
    };
}

constants! {
    ISTRIP: u32 = 0o40, "Input: seven bits count.";
    INLCR: u32 = 0o100, "Input: a newline is a carriage return.";
    IGNCR: u32 = 0o200, "Input: carriage returns are dropped.";
    ICRNL: u32 = 0o400, "Input: a carriage return is a newline.";
    IXON: u32 = 0o2000, "Input: keys stop and start output.";
    IXANY: u32 = 0o4000, "Input: any key starts output.";
    IXOFF: u32 = 0o10000, "Input: who types is stopped and started when there is no room.";
    IUTF8: u32 = 0o40000, "Input: characters are UTF-8.";
    OPOST: u32 = 1, "Output is processed at all.";
    ONLCR: u32 = 4, "Output: a newline gets a carriage return before it.";
    ISIG: u32 = 1, "Keys may send signals.";
    ICANON: u32 = 2, "Input comes in lines that can be edited.";
    ECHO: u32 = 8, "Input is shown.";
    ECHOE: u32 = 0o20, "Erasing wipes what was shown.";
    ECHOK: u32 = 0o40, "Erasing a line is shown.";
    ECHONL: u32 = 0o100, "Newlines are shown even where input is not.";
    NOFLSH: u32 = 0o200, "Signals leave what was typed.";
    TOSTOP: u32 = 0o400, "Background groups may not write.";
    ECHOCTL: u32 = 0o1000, "Control characters are shown as `^X`.";
    ECHOKE: u32 = 0o4000, "Erasing a line wipes it.";
    IEXTEN: u32 = 0o100000, "There are more editing keys.";
    VINTR: usize = 0, "Which key interrupts.";
    VQUIT: usize = 1, "Which key quits.";
    VERASE: usize = 2, "Which key erases a character.";
    VKILL: usize = 3, "Which key erases the line.";
    VEOF: usize = 4, "Which key ends the input.";
    VTIME: usize = 5, "How long a read waits where input does not come in lines, in tenths of a second.";
    VMIN: usize = 6, "How many bytes it waits for.";
    VSTART: usize = 8, "Which key starts output.";
    VSTOP: usize = 9, "Which key stops it.";
    VSUSP: usize = 10, "Which key suspends.";
    VEOL: usize = 11, "Which key ends a line besides newline.";
    VREPRINT: usize = 12, "Which key shows the line again.";
    VWERASE: usize = 14, "Which key erases a word.";
    VLNEXT: usize = 15, "Behind which key the next is taken as it is.";
    VEOL2: usize = 16, "Which other key ends a line.";
}

/// No key at all (`_POSIX_VDISABLE`).
pub const DISABLED: u8 = 0;

/// 38400 baud, 8 bits, receiver on, hang up at the end.
const CFLAGS: u32 = 0o17 | 0o60 | 0o200 | 0o2000;

/// `struct termios`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Termios {
    pub c_iflag: u32,
    pub c_oflag: u32,
    pub c_cflag: u32,
    pub c_lflag: u32,
    pub c_line: u8,
    pub c_cc: [u8; 19],
}

impl Termios {
    /// Linux' own but for three things that are for people: output goes out as it is, no keys hold it up, and there are
    /// only the editing keys that always were. Programs whose input and output are files of the host's see no change.
    pub const fn new() -> Termios {
        let mut c_cc = [0; 19];
        c_cc[VINTR] = 3;
        c_cc[VQUIT] = 28;
        c_cc[VERASE] = 127;
        c_cc[VKILL] = 21;
        c_cc[VEOF] = 4;
        c_cc[VMIN] = 1;
        c_cc[VSTART] = 17;
        c_cc[VSTOP] = 19;
        c_cc[VSUSP] = 26;
        c_cc[VREPRINT] = 18;
        // Discarding output, which Linux knows the key of and nothing else.
        c_cc[13] = 15;
        c_cc[VWERASE] = 23;
        c_cc[VLNEXT] = 22;
        let c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE;
        Termios { c_iflag: ICRNL, c_oflag: 0, c_cflag: CFLAGS, c_lflag, c_line: 0, c_cc }
    }

    /// Whether output gets a carriage return before each newline.
    pub fn adds_returns(&self) -> bool {
        self.c_oflag & (OPOST | ONLCR) == OPOST | ONLCR
    }

    /// Whether a bit of `c_iflag` is set.
    pub fn input(&self, bit: u32) -> bool {
        self.c_iflag & bit != 0
    }

    /// Whether a bit of `c_lflag` is set.
    pub fn local(&self, bit: u32) -> bool {
        self.c_lflag & bit != 0
    }

    /// Whether a byte is the key of a function.
    pub fn is_key(&self, function: usize, byte: u8) -> bool {
        byte != DISABLED && self.c_cc[function] == byte
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_layout_and_bits_are_linux_s() {
        assert_eq!(size_of::<super::Termios>(), 36);
        for (ours, theirs, name) in super::KNOWN {
            assert_eq!(ours, theirs, "{name}");
        }
    }
}
