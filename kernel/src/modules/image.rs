//! Module images: the line `lastref-builtin NAME`.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

/// The provider that an image names. `ENOEXEC`.
pub fn builtin_name(image: &[u8]) -> Result<&str> {
    let text = core::str::from_utf8(image).map_err(|_| Errno::ENOEXEC)?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    match line.strip_prefix("lastref-builtin ") {
        Some(name) if !name.is_empty() && !name.contains(['\n', ' ', '\0']) => Ok(name),
        _ => Err(Errno::ENOEXEC),
    }
}
