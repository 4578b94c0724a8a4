//! Records as text: as syslog(2) and `/proc/kmsg` give them, and as `/dev/kmsg` does.
#![forbid(unsafe_code)]

use core::fmt::{self, Write};

use arrayvec::{ArrayString, ArrayVec};

use super::ring::{Record, TEXT_MAX};

/// A record's text with what stands before it.
pub type Line = ArrayVec<u8, { 4 * TEXT_MAX + 64 }>;

struct To<'a>(&'a mut Line);

impl Write for To<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.try_extend_from_slice(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// When, as it stands before a message: seconds since boot in brackets.
pub fn time(ns: u64) -> ArrayVec<u8, 32> {
    let mut text = ArrayString::<32>::new();
    let _ = write!(text, "[{:5}.{:06}] ", ns / 1_000_000_000, ns / 1000 % 1_000_000);
    text.bytes().collect()
}

/// `<PRIORITY>[TIME] TEXT`, each line of it.
pub fn plain(record: &Record, to: &mut Line) {
    to.clear();
    for line in record.text.split(|&b| b == b'\n') {
        let _ = write!(To(to), "<{}>", record.header.priority);
        let _ = to.try_extend_from_slice(&time(record.header.ns));
        let _ = to.try_extend_from_slice(line);
        let _ = to.try_push(b'\n');
    }
}

/// How many bytes [`plain`] makes of it.
pub fn plain_len(record: &Record) -> usize {
    let mut line = Line::new();
    plain(record, &mut line);
    line.len()
}

/// `PRIORITY,NUMBER,MICROSECONDS,-;TEXT` with what is not printable as `\xNN`.
pub fn extended(record: &Record, to: &mut Line) {
    to.clear();
    let _ = write!(To(to), "{},{},{},-;", record.header.priority, record.seq, record.header.ns / 1000);
    for &byte in &record.text {
        let _ = match byte {
            b'\\' | ..b' ' | 127.. => write!(To(to), "\\x{byte:02x}").map_err(drop),
            _ => to.try_push(byte).map_err(drop),
        };
    }
    let _ = to.try_push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debug::kmsg::ring::Header;

    fn record(text: &[u8]) -> Record {
        let header = Header { priority: 6, ns: 12_345_678_901 };
        Record { seq: 7, header, text: text.iter().copied().collect() }
    }

    fn text(of: fn(&Record, &mut Line), message: &[u8]) -> std::string::String {
        let mut line = Line::new();
        of(&record(message), &mut line);
        std::string::String::from_utf8(line.to_vec()).unwrap()
    }

    #[test]
    fn each_reader_gets_its_shape() {
        assert_eq!(text(plain, b"up"), "<6>[   12.345678] up\n");
        assert_eq!(text(plain, b"a\nb"), "<6>[   12.345678] a\n<6>[   12.345678] b\n");
        assert_eq!(text(extended, b"a\tb\\\x7f"), "6,7,12345678,-;a\\x09b\\x5c\\x7f\n");
    }

    #[test]
    fn the_longest_fits() {
        assert_eq!(plain_len(&record(&[b'x'; TEXT_MAX])), "<6>[   12.345678] \n".len() + TEXT_MAX);
        assert_eq!(text(extended, &[0xff; TEXT_MAX]).len(), 4 * TEXT_MAX + "6,7,12345678,-;\n".len());
    }
}
