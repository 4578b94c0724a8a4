//! `/proc/sys`: what can be read, and in part set, of the kernel by name (Linux: `kernel/sysctl.c`,
//! `drivers/char/random.c`).
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use heaps::{Errno, Result};

use super::{DEV, pseudo};
use crate::process::{random, tree};
use crate::syscall::misc;
use crate::vfs::dynamic::{DynDir, DynEntry};
use crate::vfs::file;
use crate::vfs::inode::{Inode, S_IFDIR, S_IFREG};

type Entries = &'static [(&'static str, Entry)];

enum Entry {
    Dir(Entries),
    Shown(fn() -> String),
    Set(fn() -> String, fn(&str) -> Result<()>),
}

/// A directory of it.
pub struct Sysctl(Entries);

const ROOT: Entries = &[
    ("fs", Entry::Dir(&[("file-max", Entry::Shown(|| format!("{}\n", file::limit())))])),
    ("kernel", Entry::Dir(KERNEL)),
    ("vm", Entry::Dir(&[("overcommit_memory", Entry::Shown(|| "0\n".into()))])),
];

const KERNEL: Entries = &[
    ("domainname", Entry::Set(|| shown(true), |text| set(true, text))),
    ("hostname", Entry::Set(|| shown(false), |text| set(false, text))),
    ("osrelease", Entry::Shown(|| format!("{}\n", misc::RELEASE))),
    ("ostype", Entry::Shown(|| "Linux\n".into())),
    ("pid_max", Entry::Shown(|| format!("{}\n", tree::PID_MAX))),
    ("random", Entry::Dir(&[("uuid", Entry::Shown(uuid))])),
    ("version", Entry::Shown(|| format!("{}\n", misc::BUILD))),
];

fn shown(domain: bool) -> String {
    String::from_utf8_lossy(&misc::name(domain)).into_owned() + "\n"
}

/// Longer names are cut, as on Linux.
fn set(domain: bool, text: &str) -> Result<()> {
    let line = text.split('\n').next().unwrap_or_default().as_bytes();
    misc::set_name(domain, &line[..line.len().min(misc::NAME_MAX)]);
    Ok(())
}

/// A random number in the form of RFC 4122, version 4; another at each read.
fn uuid() -> String {
    let mut bytes = [0; 16];
    random::fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let n = u128::from_be_bytes(bytes);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}\n",
        n >> 96,
        n >> 80 & 0xffff,
        n >> 64 & 0xffff,
        n >> 48 & 0xffff,
        n & 0xffff_ffff_ffff
    )
}

impl Sysctl {
    /// The whole.
    pub const fn root() -> Sysctl {
        Sysctl(ROOT)
    }
}

impl DynDir for Sysctl {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let (_, entry) = self.0.iter().find(|(n, _)| n.as_bytes() == name).ok_or(Errno::ENOENT)?;
        Ok(match *entry {
            Entry::Dir(entries) => pseudo::dynamic_inode(DEV, 0o555, Box::new(Sysctl(entries))),
            Entry::Shown(show) => pseudo::text_inode(DEV, 0o444, pseudo::read_only(move || Ok(show()))),
            Entry::Set(show, store) => {
                pseudo::text_inode(DEV, 0o644, pseudo::read_write(move || Ok(show()), store))
            }
        })
    }

    fn next(&self, from: u64) -> Option<DynEntry> {
        let cookie = from.max(2);
        let (name, entry) = self.0.get(usize::try_from(cookie).ok()? - 2)?;
        let kind = if matches!(entry, Entry::Dir(_)) { S_IFDIR } else { S_IFREG };
        Some(DynEntry { cookie, name: name.as_bytes().to_vec(), kind })
    }
}
