//! Files in memory without a name in any directory: what `memfd_create` makes. Models `mm/memfd.c`, `mm/shmem.c`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

use super::dentry::Dentry;
use super::file::File;
use super::flags::{O_LARGEFILE, O_RDWR};
use super::inode::{Content, Inode, S_IFREG};
use super::ramfs::data::Data;
use super::ramfs::{RegularFile, seals};
use crate::mm::admit::admit;

/// The number of the filesystem that such files are in.
const DEV: u32 = 3;
const PREFIX: &[u8] = b"/memfd:";
/// Longest name, in bytes.
pub const NAME_MAX: usize = super::path::NAME_MAX - (PREFIX.len() - 1);

/// An empty file, open for reading and writing, that shows itself as `/memfd:NAME (deleted)`; it can be sealed where
/// `sealable`. `ENFILE`, `ENOMEM`.
pub fn create(name: &[u8], sealable: bool) -> Result<Arc<File>> {
    admit()?;
    let mut full = Vec::new();
    full.try_reserve_exact(PREFIX.len() + name.len()).map_err(|_| Errno::ENOMEM)?;
    full.extend_from_slice(PREFIX);
    full.extend_from_slice(name);
    let data = Data::sealed(b"", None, if sealable { 0 } else { seals::SEAL });
    let inode = Arc::new(Inode::new(DEV, S_IFREG | 0o777, Content::Regular(Box::new(data))));
    inode.set_nlink(0);
    File::new(Dentry::anonymous(&full, inode), O_RDWR | O_LARGEFILE, Box::new(RegularFile))
}
