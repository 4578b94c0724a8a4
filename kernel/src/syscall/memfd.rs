//! Files that have no name in any directory, and their seals. Models `mm/memfd.c`.
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use super::Ctx;
use crate::mm::user;
use crate::vfs::{File, memfd};

const MFD_CLOEXEC: u32 = 1;
const MFD_ALLOW_SEALING: u32 = 2;
const MFD_HUGETLB: u32 = 4;

/// `memfd_create`. `EINVAL` for flags Linux 6.1 does not know and for a name that is too long, `ENOSYS` for huge pages,
/// of which there is no pool; `EFAULT`, `EMFILE`, `ENFILE`, `ENOMEM`.
pub fn sys_memfd_create(ctx: &Ctx, name: u64, flags: u32) -> Result<usize> {
    if flags & MFD_HUGETLB == 0 && flags & !(MFD_CLOEXEC | MFD_ALLOW_SEALING) != 0 {
        return Err(Errno::EINVAL);
    }
    let name = user::read_cstr(name, memfd::NAME_MAX).map_err(|e| match e {
        Errno::ENAMETOOLONG => Errno::EINVAL,
        e => e,
    })?;
    if flags & MFD_HUGETLB != 0 {
        return Err(Errno::ENOSYS);
    }
    let slot = ctx.files.reserve(flags & MFD_CLOEXEC != 0)?;
    let file = memfd::create(&name, flags & MFD_ALLOW_SEALING != 0)?;
    Ok(slot.install(file))
}

/// `fcntl(F_ADD_SEALS)`. `EPERM` for a descriptor that cannot write and for a file that takes no more, `EINVAL` for
/// unknown seals and for what is no file in memory, `EBUSY`. May sleep.
pub fn add_seals(file: &File, arg: u64) -> Result<usize> {
    let seals = u32::try_from(arg).map_err(|_| Errno::EINVAL)?;
    if !file.writable() {
        return Err(Errno::EPERM);
    }
    file.inode().data().ok_or(Errno::EINVAL)?.add_seals(seals).map(|()| 0)
}

/// `fcntl(F_GET_SEALS)`. `EINVAL` for what is no file in memory.
pub fn get_seals(file: &File) -> Result<usize> {
    Ok(file.inode().data().ok_or(Errno::EINVAL)?.seals() as usize)
}
