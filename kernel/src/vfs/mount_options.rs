//! What `mount -o` says of a filesystem in memory. Models `shmem_parse_one`.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;

use heaps::{Errno, PAGE_SIZE, Result};

use crate::mm::frames;

/// The options that mean something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The most bytes its files may take; 0 for no limit.
    pub size: Option<u64>,
    /// The root directory's permissions.
    pub mode: Option<u32>,
    /// The root directory's owner.
    pub uid: Option<u32>,
    /// The root directory's group.
    pub gid: Option<u32>,
}

/// What every filesystem takes.
const COMMON: [&str; 11] = [
    "rw",
    "sync",
    "async",
    "dirsync",
    "lazytime",
    "nolazytime",
    "mand",
    "nomand",
    "relatime",
    "suid",
    "exec",
];

impl Options {
    /// Reads options separated by commas; `own` for a filesystem that has its own beside the common ones. How many
    /// inodes there may be (`nr_inodes`) is read, and not kept to. `EINVAL`.
    pub fn parse(text: &str, own: bool) -> Result<Options> {
        let mut options = Options::default();
        for option in text.split(',').filter(|option| !option.is_empty()) {
            if COMMON.contains(&option) {
                continue;
            }
            let (name, value) = option.split_once('=').ok_or(Errno::EINVAL)?;
            match name {
                "source" => {}
                _ if !own => return Err(Errno::EINVAL),
                "size" => options.size = Some(size(value)?),
                "nr_blocks" => {
                    let bytes = number(value)?.checked_mul(PAGE_SIZE as u64);
                    options.size = Some(bytes.ok_or(Errno::EINVAL)?);
                }
                "nr_inodes" => drop(number(value)?),
                "mode" => {
                    options.mode = Some(u32::from_str_radix(value, 8).map_err(|_| Errno::EINVAL)? & 0o7777)
                }
                "uid" => options.uid = Some(value.parse().map_err(|_| Errno::EINVAL)?),
                "gid" => options.gid = Some(value.parse().map_err(|_| Errno::EINVAL)?),
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok(options)
    }

    /// As `/proc/mounts` shows them, each after a comma.
    pub fn show(&self) -> String {
        let mut text = String::new();
        if let Some(size) = self.size {
            text += &format!(",size={}k", size.next_multiple_of(PAGE_SIZE as u64) / 1024);
        }
        if let Some(mode) = self.mode.filter(|mode| *mode != 0o1777) {
            text += &format!(",mode={mode:03o}");
        }
        if let Some(uid) = self.uid.filter(|uid| *uid != 0) {
            text += &format!(",uid={uid}");
        }
        if let Some(gid) = self.gid.filter(|gid| *gid != 0) {
            text += &format!(",gid={gid}");
        }
        text
    }
}

/// A number with a suffix, or a percentage of memory.
fn size(text: &str) -> Result<u64> {
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent: u64 = percent.parse().map_err(|_| Errno::EINVAL)?;
            let memory = frames::total_count() as u64 * PAGE_SIZE as u64;
            percent.checked_mul(memory).map(|bytes| bytes / 100).ok_or(Errno::EINVAL)
        }
        None => number(text),
    }
}

/// A number with one of the suffixes k, m, g and t, or without.
fn number(text: &str) -> Result<u64> {
    let shift = match text.as_bytes().last() {
        Some(b'k' | b'K') => 10,
        Some(b'm' | b'M') => 20,
        Some(b'g' | b'G') => 30,
        Some(b't' | b'T') => 40,
        _ => 0,
    };
    let digits = if shift > 0 { &text[..text.len() - 1] } else { text };
    let value: u64 = digits.parse().map_err(|_| Errno::EINVAL)?;
    value.checked_mul(1 << shift).filter(|bytes| *bytes <= i64::MAX as u64).ok_or(Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_shown() {
        let options = Options::parse("size=5k,mode=0700,rw,uid=3,nr_inodes=1k", true).unwrap();
        assert_eq!(options, Options { size: Some(5120), mode: Some(0o700), uid: Some(3), gid: None });
        assert_eq!(options.show(), ",size=8k,mode=700,uid=3");
        assert_eq!(Options::parse("size=1m", true).unwrap().size, Some(1 << 20));
        let half = frames::total_count() as u64 * PAGE_SIZE as u64 / 2;
        assert_eq!(Options::parse("size=50%", true).unwrap().size, Some(half));
        assert_eq!(Options::parse("nr_blocks=3", true).unwrap().size, Some(3 * 4096));
        for wrong in ["size", "size=", "size=x", "size=99999999t", "mode=9", "uid=-1", "what", "what=1"] {
            assert_eq!(Options::parse(wrong, true), Err(Errno::EINVAL), "{wrong}");
        }
        assert_eq!(Options::parse("size=1m", false), Err(Errno::EINVAL));
        assert_eq!(Options::parse("rw,relatime", false), Ok(Options::default()));
    }
}
