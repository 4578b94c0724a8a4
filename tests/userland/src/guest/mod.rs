//! The kernel's interfaces that the programs share: the lab's files, providers, heaps and buffers;
//! and [`tidy`] tests.

pub mod buffer;
pub mod drm;
pub mod edu;
pub mod fence;
pub mod heap;
pub mod ko;
pub mod meet;
pub mod oracle;
pub mod provider;
pub mod ramfb;
pub mod steps;
pub mod tidy;

use crate::rt::{Fd, abi, file};
use alloc::string::String;
use alloc::vec::Vec;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

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

/// A whole file as text.
///
/// # Errors
/// What the kernel says, and EINVAL for bytes that are not UTF-8.
pub fn read_text(path: &str) -> Result<String> {
    String::from_utf8(read_bytes(path)?).map_err(|_| Errno::EINVAL)
}

/// Writes `text` to a file that is there, in one write.
///
/// # Errors
/// What the kernel says; EIO where it takes only part.
pub fn write_text(path: &str, text: &str) -> Result<()> {
    let fd = Fd::open(path, abi::O_WRONLY | abi::O_CLOEXEC)?;
    if file::write(fd.raw(), text.as_bytes())? == text.len() { Ok(()) } else { Err(Errno::EIO) }
}

/// The names in a directory, but for `.` and `..` and those that are not UTF-8.
///
/// # Errors
/// What the kernel says.
pub fn names_in(directory: &str) -> Result<Vec<String>> {
    let fd = Fd::open(directory, abi::O_RDONLY | abi::O_DIRECTORY | abi::O_CLOEXEC)?;
    Ok(names_of(fd.raw())?.into_iter().filter_map(|name| String::from_utf8(name).ok()).collect())
}

/// The names in the directory that is open as `fd`, from where it was left, but for `.` and `..`.
///
/// # Errors
/// What the kernel says.
pub fn names_of(fd: i32) -> Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    let mut buffer = [0u8; 1024];
    loop {
        match file::read_dir(fd, &mut buffer)? {
            0 => return Ok(names),
            got => {
                let all = file::raw_entries(&buffer[..got]).map(|(name, _)| name);
                names.extend(all.filter(|name| !matches!(*name, b"." | b"..")).map(Vec::from));
            }
        }
    }
}
