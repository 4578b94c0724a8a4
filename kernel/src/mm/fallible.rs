//! Bytes and texts that user space makes as long as it likes: running out of memory for one is an errno.
//!
//! The heap's reserve serves what is small; what grows without a bound would use it up, and a failed allocation that
//! cannot be refused ends the machine.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use heaps::{Errno, Result};

/// Appends; `ENOMEM`.
pub fn append(to: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    to.try_reserve(bytes.len()).map_err(|_| Errno::ENOMEM)?;
    to.extend_from_slice(bytes);
    Ok(())
}

/// The parts, one after the other; `ENOMEM`.
pub fn concat(parts: &[&[u8]]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    all.try_reserve_exact(parts.iter().map(|part| part.len()).sum()).map_err(|_| Errno::ENOMEM)?;
    parts.iter().for_each(|part| all.extend_from_slice(part));
    Ok(all)
}

/// The text that `write` writes; `ENOMEM`, which is what its errors stand for.
pub fn text(write: impl FnOnce(&mut dyn Write) -> fmt::Result) -> Result<String> {
    let mut text = Growing(String::new());
    write(&mut text).map_err(|_| Errno::ENOMEM)?;
    Ok(text.0)
}

struct Growing(String);

impl Write for Growing {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        self.0.try_reserve(more.len()).map_err(|_| fmt::Error)?;
        self.0.push_str(more);
        Ok(())
    }
}

/// A name or path as texts show it: some characters by number, and what is no UTF-8 replaced.
pub struct Escaped<'a> {
    /// The name.
    pub bytes: &'a [u8],
    /// The characters that are shown as a backslash and three octal digits.
    pub special: &'a [char],
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.bytes.utf8_chunks() {
            for part in chunk.valid().split_inclusive(self.special) {
                match part.char_indices().next_back() {
                    Some((at, last)) if self.special.contains(&last) => {
                        write!(out, "{}\\{:03o}", &part[..at], u32::from(last))?;
                    }
                    _ => out.write_str(part)?,
                }
            }
            if !chunk.invalid().is_empty() {
                out.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn texts_and_bytes_come_in_order() {
        let made = text(|out| (0..3).try_for_each(|n| write!(out, "{n}, ")));
        assert_eq!(made.unwrap(), "0, 1, 2, ");
        assert_eq!(text(|_| Err(fmt::Error)), Err(Errno::ENOMEM));
        let mut bytes = concat(&[b"a", b"", b"bc"]).unwrap();
        append(&mut bytes, b"d").unwrap();
        assert_eq!(bytes, b"abcd");
    }

    #[test]
    fn special_characters_are_shown_by_number() {
        let shown = |bytes| format!("{}", Escaped { bytes, special: &['\\', ' ', '\n'] });
        assert_eq!(shown(b"/a b\\\n"), "/a\\040b\\134\\012");
        assert_eq!(shown("/\u{fc}\tx".as_bytes()), "/\u{fc}\tx");
        assert_eq!(shown(b"/\xff \xfe"), "/\u{fffd}\\040\u{fffd}");
        assert_eq!(shown(b""), "");
    }
}
