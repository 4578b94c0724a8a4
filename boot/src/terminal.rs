//! What goes to stdout; and what is done only for a person at a terminal: colour, a line that tells how far things
//! are, and every key as it is.

use std::io::{self, ErrorKind, IsTerminal, Write, stderr, stdin, stdout};
use std::sync::Mutex;

use anyhow::{Context, Result};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::consts::SIGPIPE;

use crate::interrupt;

/// Writes `text` to stdout, all of it. Where nobody reads any more, as behind `head`, the launcher will end as
/// every program does there, by SIGPIPE; other errors (a full disk) are the caller's.
pub fn say(text: &str) -> io::Result<()> {
    let mut stdout = stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            interrupt::note(SIGPIPE);
            Ok(())
        }
        written => written,
    }
}

/// A colour of the terminal's own palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// All is well.
    Green,
    /// Refused, or lost but harmless.
    Yellow,
    /// Harm was done.
    Red,
    /// The observation itself failed.
    Magenta,
    /// Headings.
    Bold,
}

/// Whether to print in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// Never any colour.
    pub const PLAIN: Style = Style { colour: false };

    /// Colour when stdout is a terminal and `NO_COLOR` does not forbid it.
    pub fn of_stdout() -> Style {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Style { colour: stdout().is_terminal() && !forbidden && !dumb }
    }

    /// `text` in a colour.
    pub fn paint(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Red => 31,
            Colour::Magenta => 35,
            Colour::Bold => 1,
        };
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// The size of our input's terminal, rows and columns, if it is one that knows.
pub fn window() -> Option<(u16, u16)> {
    let size = tcgetwinsize(stdin()).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0)?;
    Some((size.ws_row, size.ws_col))
}

/// The terminal in raw mode: each key is handed on as it is typed, and what is printed is not changed. Its settings
/// come back when this is dropped.
pub struct Raw(Option<Termios>);

impl Raw {
    /// Whether there is a terminal that is raw now.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Makes our input's terminal raw. Where our input is none, nothing is done.
    pub fn enter() -> Result<Raw> {
        if !stdin().is_terminal() {
            return Ok(Raw(None));
        }
        let before = tcgetattr(stdin()).context("cannot read the terminal's settings")?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw).context("cannot change the terminal's settings")?;
        Ok(Raw(Some(before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that is gone needs no settings.
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}

/// A line on the terminal that is written over and over, and gone at the end. On anything but a
/// terminal there is none.
pub struct Progress(Option<Mutex<()>>);

impl Progress {
    /// A progress line on stderr.
    pub fn new() -> Progress {
        Progress(stderr().is_terminal().then(Mutex::default))
    }

    /// Shows `text` in place of what was shown before.
    pub fn show(&self, text: &str) {
        if let Some(line) = &self.0 {
            let _held = line.lock();
            let _ = write!(stderr(), "\r\x1b[K{text}");
        }
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.show("");
    }
}
