//! A line being put together: as long as there is memory for it, then cut.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::fmt;

use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::mm::user;

/// Bytes of a string that are shown.
const SHOWN: usize = 32;
/// Elements of a vector that are shown.
pub const ELEMENTS: u64 = 16;

/// The line. Writing to it never fails: what finds no memory is left out.
#[derive(Default)]
pub struct Text(Vec<u8>);

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

impl Text {
    /// What there is.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Appends.
    pub fn push(&mut self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    /// Appends.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        if self.0.try_reserve(bytes.len()).is_ok() {
            self.0.extend_from_slice(bytes);
        }
    }

    /// Appends formatted text.
    pub fn put(&mut self, text: fmt::Arguments<'_>) {
        let _ = fmt::write(self, text);
    }

    /// An address as it is.
    pub fn address(&mut self, addr: u64) {
        match addr {
            0 => self.push("NULL"),
            _ => self.put(format_args!("{addr:#x}")),
        }
    }

    /// The string at a user address, quoted, or the address where it cannot be read.
    pub fn string(&mut self, addr: u64) {
        let (mut bytes, mut len) = ([0u8; SHOWN + 1], 0);
        while len < bytes.len() {
            match user::read::<u8>(addr.wrapping_add(len as u64)) {
                Ok(0) if addr != 0 => return self.quote(&bytes[..len], false),
                Ok(byte) => bytes[len] = byte,
                Err(_) => return self.address(addr),
            }
            len += 1;
        }
        self.quote(&bytes[..SHOWN], true);
    }

    /// `len` bytes at a user address, quoted, or the address where they cannot be read.
    pub fn buffer(&mut self, addr: u64, len: u64) {
        let mut bytes = [0u8; SHOWN];
        let shown = len.min(SHOWN as u64) as usize;
        match user::read_bytes(addr, &mut bytes[..shown]) {
            Ok(()) if addr != 0 => self.quote(&bytes[..shown], len > shown as u64),
            _ => self.address(addr),
        }
    }

    /// The strings that a vector ended by a null pointer leads to.
    pub fn strings(&mut self, vector: u64) {
        self.push("[");
        for i in 0..=ELEMENTS {
            let separator = if i > 0 { ", " } else { "" };
            match user::read::<u64>(vector.wrapping_add(i * 8)) {
                Ok(0) => break,
                Ok(_) if i == ELEMENTS => self.push(", ..."),
                Ok(at) => {
                    self.push(separator);
                    self.string(at);
                }
                Err(_) => {
                    self.put(format_args!("{separator}{:#x}", vector.wrapping_add(i * 8)));
                    break;
                }
            }
        }
        self.push("]");
    }

    /// The number at a user address; whether it could be read.
    pub fn number<T: fmt::Display + FromBytes + FromZeros + IntoBytes>(&mut self, addr: u64) -> bool {
        user::read::<T>(addr).map(|number| self.put(format_args!("{number}"))).is_ok()
    }

    /// Bytes in quotes, with dots where they are not all.
    pub fn quote(&mut self, bytes: &[u8], cut: bool) {
        self.push("\"");
        for (i, &byte) in bytes.iter().enumerate() {
            let digit_follows = bytes.get(i + 1).is_some_and(u8::is_ascii_digit);
            match byte {
                b'"' => self.push("\\\""),
                b'\\' => self.push("\\\\"),
                b'\n' => self.push("\\n"),
                b'\r' => self.push("\\r"),
                b'\t' => self.push("\\t"),
                0x0b => self.push("\\v"),
                0x0c => self.push("\\f"),
                0x20..0x7f => self.put(format_args!("{}", char::from(byte))),
                _ if digit_follows => self.put(format_args!("\\{byte:03o}")),
                _ => self.put(format_args!("\\{byte:o}")),
            }
        }
        self.push(if cut { "\"..." } else { "\"" });
    }

    /// The vector at `addr` of at most `count` elements of `size` bytes, each shown by `one`, which says whether it could
    /// be read.
    pub fn list(&mut self, addr: u64, count: u64, size: u64, one: &mut dyn FnMut(&mut Text, u64) -> bool) {
        if addr == 0 {
            return self.push("NULL");
        }
        let start = self.0.len();
        self.push("[");
        for i in 0..count.min(ELEMENTS) {
            if i > 0 {
                self.push(", ");
            }
            if !one(self, addr.wrapping_add(i * size)) {
                self.0.truncate(start);
                return self.address(addr);
            }
        }
        self.push(if count > ELEMENTS { ", ...]" } else { "]" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_quoted_as_in_c() {
        for (bytes, cut, shown) in [
            (&b"plain"[..], false, "\"plain\""),
            (b"a\"b\\\n\t", false, r#""a\"b\\\n\t""#),
            (b"\0\x011\xff", true, r#""\0\0011\377"..."#),
        ] {
            let mut text = Text::default();
            text.quote(bytes, cut);
            assert_eq!(text.bytes(), shown.as_bytes());
        }
    }
}
