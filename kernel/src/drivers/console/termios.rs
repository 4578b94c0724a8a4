//! A terminal's settings: arm64's `struct termios` (`asm-generic/termbits.h`), and the bits that matter here.
#![forbid(unsafe_code)]

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Input: a carriage return is a newline.
pub const ICRNL: u32 = 0o400;
/// Output is processed at all.
pub const OPOST: u32 = 1;
/// Output: a newline gets a carriage return before it.
pub const ONLCR: u32 = 4;
/// Keys may send signals.
pub const ISIG: u32 = 1;
/// Input comes in lines that can be edited.
pub const ICANON: u32 = 2;
/// Input is shown.
pub const ECHO: u32 = 8;
/// Background groups may not write.
pub const TOSTOP: u32 = 0o400;
/// Control characters are shown as `^X`.
pub const ECHOCTL: u32 = 0o1000;
/// Signals leave what was typed.
pub const NOFLSH: u32 = 0o200;
/// Erasing is shown.
const ECHOE: u32 = 0o20;
/// 38400 baud, 8 bits, receiver on, no modem.
const CFLAGS: u32 = 0o17 | 0o60 | 0o200 | 0o4000;

/// Which key interrupts.
pub const VINTR: usize = 0;
/// Which key quits.
pub const VQUIT: usize = 1;
/// Which key erases a character.
pub const VERASE: usize = 2;
/// Which key erases the line.
pub const VKILL: usize = 3;
/// Which key ends the input.
pub const VEOF: usize = 4;
/// How many bytes a read waits for where input does not come in lines: any number above 0 is taken for 1.
pub const VMIN: usize = 6;
/// Which key suspends.
pub const VSUSP: usize = 10;

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
    /// Lines with echo, the usual keys, and output as it is.
    pub const fn new() -> Termios {
        let mut c_cc = [0; 19];
        c_cc[VINTR] = 3;
        c_cc[VQUIT] = 28;
        c_cc[VERASE] = 127;
        c_cc[VKILL] = 21;
        c_cc[VEOF] = 4;
        c_cc[VMIN] = 1;
        c_cc[VSUSP] = 26;
        Termios {
            c_iflag: ICRNL,
            c_oflag: 0,
            c_cflag: CFLAGS,
            c_lflag: ISIG | ICANON | ECHO | ECHOE | ECHOCTL,
            c_line: 0,
            c_cc,
        }
    }

    /// Whether output gets a carriage return before each newline.
    pub fn adds_returns(&self) -> bool {
        self.c_oflag & (OPOST | ONLCR) == OPOST | ONLCR
    }

    /// Whether a bit of `c_lflag` is set.
    pub fn local(&self, bit: u32) -> bool {
        self.c_lflag & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use linux_raw_sys::general as linux;

    #[test]
    fn the_layout_and_bits_are_linux_s() {
        assert_eq!(size_of::<super::Termios>(), 36);
        assert_eq!(super::ICANON, linux::ICANON);
        assert_eq!(super::ECHO, linux::ECHO);
        assert_eq!(super::ISIG, linux::ISIG);
        assert_eq!(super::ICRNL, linux::ICRNL);
        assert_eq!(super::ONLCR, linux::ONLCR);
        assert_eq!(super::TOSTOP, linux::TOSTOP);
        assert_eq!(super::ECHOCTL, linux::ECHOCTL);
        assert_eq!(super::NOFLSH, linux::NOFLSH);
        assert_eq!(super::VMIN, linux::VMIN as usize);
        assert_eq!(super::VSUSP, linux::VSUSP as usize);
    }
}
