//! What a machine's console reads.
//!
//! A serial line has no end of input. The kernel's console has, as every terminal: Ctrl-D, which at the
//! start of a line ends the input and within one only hands the line over. It is typed when ours ends.
//!
//! Keys share the line with news of the window they are typed in: the byte 0x1E and the letter `w` announce its size,
//! rows and columns, two bytes each, low byte first. 0x1E twice is that key.

use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::SIGWINCH;
use signal_hook::iterator::Signals;

use crate::terminal;

/// What Ctrl-D types.
const END: u8 = 0x04;

/// What stands before anything that is no key.
const MARK: u8 = 0x1e;

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
    /// The same, and the size of its terminal whenever that changes.
    Terminal,
    /// These bytes.
    Bytes(Vec<u8>),
    /// What comes out of this socket, until it is closed at its other end.
    Socket(Arc<UnixStream>),
}

impl Stdin {
    /// Types it all, and its end, into `pipe`. Ends early with an error when nobody reads there any more.
    pub fn type_into(self, pipe: impl Write + Send + 'static) -> io::Result<()> {
        let line = Line(Arc::new(Mutex::new(pipe)));
        match self {
            Stdin::Null => return Ok(()),
            Stdin::Bytes(bytes) => return copy(&mut bytes.as_slice(), &line),
            Stdin::Socket(socket) => return copy(&mut &*socket, &line),
            Stdin::Inherit => {}
            Stdin::Terminal => follow_window(line.clone())?,
        }
        let mut stdin = io::stdin().lock();
        copy(&mut stdin, &line)?;
        // A terminal goes on after an end.
        while stdin.is_terminal() {
            thread::sleep(PAUSE);
            copy(&mut stdin, &line)?;
        }
        Ok(())
    }
}

/// The line to the console, written to in whole messages.
struct Line<W>(Arc<Mutex<W>>);

impl<W> Clone for Line<W> {
    fn clone(&self) -> Line<W> {
        Line(self.0.clone())
    }
}

impl<W: Write> Line<W> {
    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.write_all(bytes)?;
        line.flush()
    }

    fn keys(&self, keys: &[u8]) -> io::Result<()> {
        let doubled = keys.iter().flat_map(|&key| std::iter::repeat_n(key, if key == MARK { 2 } else { 1 }));
        self.send(&doubled.collect::<Vec<_>>())
    }

    fn window(&self, (rows, columns): (u16, u16)) -> io::Result<()> {
        let ([a, b], [c, d]) = (rows.to_le_bytes(), columns.to_le_bytes());
        self.send(&[MARK, b'w', a, b, c, d])
    }
}

/// Tells the size of our terminal whenever it changes, as long as somebody reads.
fn follow_window<W: Write + Send + 'static>(line: Line<W>) -> io::Result<()> {
    let mut changes = Signals::new([SIGWINCH])?;
    thread::spawn(move || {
        for _ in changes.forever() {
            let sent = terminal::window().map_or(Ok(()), |size| line.window(size));
            if sent.is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Copies to the end, without waiting for a buffer to fill, and types the end.
fn copy(from: &mut impl Read, to: &Line<impl Write>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let mut within_line = false;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                within_line = buffer[count - 1] != b'\n';
                to.keys(&buffer[..count])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    to.keys(if within_line { &[END, END] } else { &[END] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line<Vec<u8>> {
        Line(Arc::default())
    }

    fn typed(bytes: &[u8]) -> Vec<u8> {
        let line = line();
        copy(&mut &bytes[..], &line).unwrap();
        std::mem::take(&mut line.0.lock().unwrap())
    }

    #[test]
    fn the_end_is_typed_at_the_start_of_a_line() {
        assert_eq!(typed(b""), b"\x04");
        assert_eq!(typed(b"a line\n"), b"a line\n\x04");
        assert_eq!(typed(b"no end"), b"no end\x04\x04");
        assert_eq!(typed(&[b'x'; 5000]).len(), 5002);
    }

    #[test]
    fn keys_and_windows_are_told_apart() {
        assert_eq!(typed(b"a\x1eb\n"), b"a\x1e\x1eb\n\x04");
        let line = line();
        line.window((40, 300)).unwrap();
        assert_eq!(*line.0.lock().unwrap(), b"\x1ew\x28\0\x2c\x01");
    }
}
