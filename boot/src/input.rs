//! What a machine's console reads.
//!
//! A serial line has no end of input. The kernel's console has, as every terminal: Ctrl-D, which at the
//! start of a line ends the input and within one only hands the line over. It is typed when ours ends.

use std::io::{self, IsTerminal, Read, Write};
use std::thread;
use std::time::Duration;

/// What Ctrl-D types.
const END: u8 = 0x04;

/// How long to wait before a terminal that ended its input is read again.
const PAUSE: Duration = Duration::from_millis(20);

/// What a program reads.
#[derive(Clone, Debug, Default)]
pub enum Stdin {
    /// Nothing; and no end of it either.
    #[default]
    Null,
    /// What the launcher is given to read.
    Inherit,
    /// These bytes.
    Bytes(Vec<u8>),
}

impl Stdin {
    /// Types it all, and its end, into `pipe`. Ends early with an error when nobody reads there any more.
    pub fn type_into(self, pipe: &mut impl Write) -> io::Result<()> {
        match self {
            Stdin::Null => Ok(()),
            Stdin::Bytes(bytes) => copy(&mut bytes.as_slice(), pipe),
            Stdin::Inherit => {
                let mut stdin = io::stdin().lock();
                copy(&mut stdin, pipe)?;
                // A terminal goes on after an end.
                while stdin.is_terminal() {
                    thread::sleep(PAUSE);
                    copy(&mut stdin, pipe)?;
                }
                Ok(())
            }
        }
    }
}

/// Copies to the end, without waiting for a buffer to fill, and types the end.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let mut within_line = false;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                within_line = buffer[count - 1] != b'\n';
                to.write_all(&buffer[..count])?;
                to.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    to.write_all(if within_line { &[END, END] } else { &[END] })?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> Vec<u8> {
        let mut pipe = Vec::new();
        Stdin::Bytes(bytes.to_vec()).type_into(&mut pipe).unwrap();
        pipe
    }

    #[test]
    fn the_end_is_typed_at_the_start_of_a_line() {
        assert_eq!(typed(b""), b"\x04");
        assert_eq!(typed(b"a line\n"), b"a line\n\x04");
        assert_eq!(typed(b"no end"), b"no end\x04\x04");
        assert_eq!(typed(&[b'x'; 5000]).len(), 5002);
        let mut pipe = Vec::new();
        Stdin::Null.type_into(&mut pipe).unwrap();
        assert!(pipe.is_empty());
    }
}
