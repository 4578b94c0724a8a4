//! Lines on the kernel log, whatever the state of the kernel.

use core::fmt::Arguments;

use arrayvec::ArrayString;

use super::kmsg;
use crate::arch;
use crate::drivers::console;

/// What stands above and below a report.
pub const RULE: &str = "==================================================================";

/// A line's text; what does not fit is cut off.
pub type Line = ArrayString<160>;

/// Prints one line of a report: on the kernel's channel of the console, and into the kernel log.
macro_rules! print {
    ($($arg:tt)*) => {
        $crate::debug::print::line(format_args!($($arg)*))
    };
}
pub(crate) use print;

/// Prints a report's line, whatever the console's level.
pub fn line(text: Arguments<'_>) {
    let line = format(text);
    kmsg::record(kmsg::ERROR, arch::now_ns(), line.as_bytes());
    console::log_line(b"", line.as_bytes());
}

fn format(text: Arguments<'_>) -> Line {
    let mut line = Line::new();
    let _ = core::fmt::write(&mut line, text);
    line
}

/// The `log` crate's way to the kernel log.
pub struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Info
    }

    fn log(&self, record: &log::Record<'_>) {
        let severity = match record.level() {
            log::Level::Error => kmsg::ERROR,
            log::Level::Warn => 4,
            log::Level::Info => 6,
            log::Level::Debug | log::Level::Trace => 7,
        };
        kmsg::log(severity, format(*record.args()).as_bytes());
    }

    fn flush(&self) {}
}
