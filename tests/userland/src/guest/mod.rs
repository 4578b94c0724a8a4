//! The kernel's interfaces that the programs share: the lab's files, providers, heaps and buffers.

pub mod buffer;
pub mod heap;
pub mod oracle;
pub mod provider;

use crate::rt::{Fd, abi, file};
use alloc::string::String;
use alloc::vec::Vec;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

/// A whole file as text.
///
/// # Errors
/// What the kernel says, and EINVAL for bytes that are not UTF-8.
pub fn read_text(path: &str) -> Result<String> {
    String::from_utf8(read_bytes(path)?).map_err(|_| Errno::EINVAL)
}

/// A whole file.
///
/// # Errors
/// What the kernel says.
pub fn read_bytes(path: &str) -> Result<Vec<u8>> {
    let fd = Fd::open(path, abi::O_RDONLY | abi::O_CLOEXEC)?;
    let mut bytes = Vec::new();
    let mut part = [0u8; 4096];
    loop {
        match file::read(fd.raw(), &mut part)? {
            0 => return Ok(bytes),
            n => bytes.extend_from_slice(&part[..n]),
        }
    }
}

/// Writes `text` to a file that is there, in one write.
///
/// # Errors
/// What the kernel says; EIO where it takes only part.
pub fn write_text(path: &str, text: &str) -> Result<()> {
    let fd = Fd::open(path, abi::O_WRONLY | abi::O_CLOEXEC)?;
    if file::write(fd.raw(), text.as_bytes())? == text.len() { Ok(()) } else { Err(Errno::EIO) }
}
