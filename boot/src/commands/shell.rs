//! `shell`: busybox's shell on the guest, with this terminal for its own.

use std::path::Path;

use anyhow::Result;

use super::exec;
use crate::cli::Options;
use crate::input::Stdin;
use crate::terminal::{self, Raw};
use crate::{build, busybox, interrupt};

/// What the shell reads first: each of busybox's programs gets its name, but where there is another of that name; the
/// shell gets it all the same, for scripts begin with it.
const PROFILE: &str = "\
/bin/busybox --install -s /bin 2>/dev/null
ln -sf busybox /bin/sh
PS1='lastref:\\w\\$ '
cd
";

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n";
const GROUP: &str = "root:x:0:\n";

/// Boots, and returns the shell's status.
pub fn run(options: &Options, busybox: Option<&Path>) -> Result<u8> {
    let busybox = busybox::obtain(busybox)?;
    let machine = super::machine(build::guest_with(options.detector)?, options)
        .file("/bin/busybox", busybox)
        .text("/etc/profile", PROFILE)
        .text("/etc/passwd", PASSWD)
        .text("/etc/group", GROUP)
        .text("/root/.keep", "")
        .command(["/bin/session", &window(), &term(), "/bin/busybox", "ash", "-l"])
        .stdin(Stdin::Terminal)
        .limit(options.timeout);
    // First the signals, so that none comes between and leaves the terminal raw.
    interrupt::watch()?;
    let raw = Raw::enter()?;
    exec::stream(machine, options, if raw.is_on() { "\r\n" } else { "\n" })
}

/// The terminal's size, as rows and columns.
fn window() -> String {
    terminal::window().map_or("24x80".into(), |(rows, columns)| format!("{rows}x{columns}"))
}

/// The terminal's kind.
fn term() -> String {
    let term = std::env::var("TERM").unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    if !term.is_empty() && term.chars().all(plain) { term } else { "linux".into() }
}
