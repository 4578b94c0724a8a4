//! Lines on the kernel log, whatever the state of the kernel.

use arrayvec::ArrayString;

/// What stands above and below a report.
pub const RULE: &str = "==================================================================";

/// A line's text; what does not fit is cut off.
pub type Line = ArrayString<160>;

/// Prints one line on the kernel's channel of the console.
macro_rules! print {
    ($($arg:tt)*) => {{
        let mut line = $crate::debug::print::Line::new();
        let _ = core::fmt::write(&mut line, format_args!($($arg)*));
        $crate::drivers::console::log_line(line.as_str());
    }};
}
pub(crate) use print;

/// The `log` crate's way to the console.
pub struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Info
    }

    fn log(&self, record: &log::Record<'_>) {
        let now = crate::arch::now_ns();
        print!("[{:5}.{:06}] {}", now / 1_000_000_000, now / 1000 % 1_000_000, record.args());
    }

    fn flush(&self) {}
}
