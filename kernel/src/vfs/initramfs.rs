//! Unpacking the boot image: cpio archives in the `newc` format, one after the other, padded with zeros.
//!
//! The image is not trusted: whatever is in it, the outcome is a tree or an error. Regular files are not copied;
//! they are read where the image is. Models `init/initramfs.c`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::dentry::Dentry;
use super::devtmpfs::node_inode;
use super::inode::{S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use super::namespace::{self, By};
use super::path::{NAME_MAX, PATH_MAX};
use crate::chrdev::DevT;

const MAGIC: &[u8] = b"070701";
const HEADER: usize = 110;
const TRAILER: &[u8] = b"TRAILER!!!";

/// One member of an archive.
#[derive(Debug)]
struct Member {
    name: &'static [u8],
    data: &'static [u8],
    mode: u32,
    rdev: DevT,
}

/// Why and where an image cannot be unpacked.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Offset into the image, in bytes.
    pub at: usize,
    /// `EINVAL` for what is no archive, or what making a file said.
    pub why: Errno,
}

/// Unpacks `image` into `root`. What was unpacked before an error stays. May sleep.
pub fn unpack(root: &Arc<Dentry>, image: &'static [u8]) -> Result<(), Malformed> {
    let mut at = 0;
    while let Some(start) = image[at..].iter().position(|&b| b != 0) {
        at += start;
        let malformed = |why| Malformed { at, why };
        let (member, end) = parse(image, at).ok_or(malformed(Errno::EINVAL))?;
        if member.name != TRAILER {
            make(root, &member).map_err(malformed)?;
        }
        at = end;
    }
    Ok(())
}

/// The member at `at`, and where the next begins.
fn parse(image: &'static [u8], at: usize) -> Option<(Member, usize)> {
    let header = image.get(at..at.checked_add(HEADER)?)?;
    if !header.starts_with(MAGIC) {
        return None;
    }
    let field = |n: usize| hex(&header[6 + n * 8..14 + n * 8]);
    let (mode, size, name_len) = (field(1)?, field(6)? as usize, field(11)? as usize);
    let rdev = DevT::new(field(9)?, field(10)?);
    let name_at = at + HEADER;
    let name = image.get(name_at..name_at.checked_add(name_len)?)?;
    let name = name.strip_suffix(b"\0")?;
    let data_at = (name_at + name_len).next_multiple_of(4);
    let data_end = data_at.checked_add(size)?;
    let data = image.get(data_at..data_end)?;
    let end = data_end.next_multiple_of(4).min(image.len());
    Some((Member { name, data, mode, rdev }, end))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, &d| Some(value << 4 | char::from(d).to_digit(16)?))
}

fn make(root: &Arc<Dentry>, member: &Member) -> Result<()> {
    if member.name.len() >= PATH_MAX || member.name.contains(&0) {
        return Err(Errno::EINVAL);
    }
    let mut dir = root.clone();
    let mut parts =
        member.name.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".").peekable();
    while let Some(part) = parts.next() {
        if part == b".." || part.len() > NAME_MAX {
            return Err(Errno::EINVAL);
        }
        if parts.peek().is_none() {
            return make_last(&dir, part, member);
        }
        dir = namespace::ensure_dir(&dir, part, 0o755)?;
    }
    Ok(())
}

fn make_last(dir: &Arc<Dentry>, name: &[u8], member: &Member) -> Result<()> {
    let dev = dir.inode().dev();
    let inode = match member.mode & S_IFMT {
        S_IFDIR => {
            let made = namespace::ensure_dir(dir, name, member.mode)?;
            made.inode().set_permissions(member.mode);
            return Ok(());
        }
        S_IFREG => namespace::file_inode(dir.inode(), member.mode, member.data),
        S_IFLNK => namespace::link_inode(dev, text(member.data)?),
        S_IFCHR => node_inode(dev, member.mode, member.rdev),
        _ => return Err(Errno::EINVAL),
    };
    // A later archive replaces what an earlier one brought.
    match namespace::unlink(By::Kernel, dir, name) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(e) => return Err(e),
    }
    namespace::add(By::Kernel, dir, name, inode).map(drop)
}

fn text(data: &[u8]) -> Result<Vec<u8>> {
    if data.is_empty() || data.len() >= PATH_MAX || data.contains(&0) {
        return Err(Errno::EINVAL);
    }
    let mut text = Vec::new();
    text.try_reserve_exact(data.len()).map_err(|_| Errno::ENOMEM)?;
    text.extend_from_slice(data);
    Ok(text)
}

#[cfg(test)]
#[path = "initramfs_tests.rs"]
mod tests;
