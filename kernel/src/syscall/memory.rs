//! `mmap` and its relatives (Linux: `mm/mmap.c`, `arch/arm64/kernel/sys.c`).
#![forbid(unsafe_code)]

use alloc::sync::Arc;

use heaps::{Errno, PAGE_SIZE, Result};

use crate::mm::admit::admit;
use crate::mm::aspace::mappers::Mapped;
use crate::mm::aspace::{Access, MapFlags, MapRequest, USER_END};
use crate::mm::user;
use crate::mm::vma::{Backing, VmFlags};
use crate::mm::{AddressSpace, Prot};
use crate::process::Thread;
use crate::process::mapping::MappedObject;
use crate::vfs::mmap::{Mmap, MmapRequest};
use crate::vfs::{File, mount_flags};

/// `MAP_TYPE`: the bits that say shared or private.
const MAP_TYPE: u32 = 0xf;
const MAP_SHARED_VALIDATE: u32 = 3;
/// The flags that `MAP_SHARED_VALIDATE` knows.
const VALIDATED: u32 = 0xf_f9ff | 0x10_0000;
const MS_SYNC: u32 = 4;
/// `PROT_SEM`, `PROT_BTI`, `PROT_MTE`: accepted, without effect.
const PROT_NO_EFFECT: u32 = 0x8 | 0x10 | 0x20;

/// A user address without its tag: the top byte is nobody's in the calls about ranges.
fn untagged(addr: u64) -> u64 {
    ((addr << 8) as i64 >> 8) as u64
}

/// The calling thread's memory.
fn mm(thread: &Thread) -> Result<Arc<AddressSpace>> {
    thread.mm().ok_or(Errno::ENOMEM)
}

/// `mmap`.
pub fn sys_mmap(
    thread: &Thread,
    addr: u64,
    len: u64,
    prot: u32,
    flags: u32,
    fd: i32,
    offset: u64,
) -> Result<usize> {
    if !offset.is_multiple_of(PAGE_SIZE as u64) {
        return Err(Errno::EINVAL);
    }
    let file = if flags & MapFlags::ANONYMOUS.bits() == 0 { Some(thread.files().get(fd)?) } else { None };
    let kept = check_flags(flags, file.is_some())?;
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    let pages = len.checked_next_multiple_of(PAGE_SIZE as u64).ok_or(Errno::ENOMEM)?;
    offset.checked_add(pages).ok_or(Errno::EOVERFLOW)?;
    let prot = Prot::from_bits_truncate(prot as u8);
    let mm = mm(thread)?;
    let (backing, max_prot) = match file {
        Some(file) => from_file(&mm, file, pages, prot, kept, offset)?,
        None => (None, Prot::all()),
    };
    let start = mm.map(MapRequest { addr, len, prot, max_prot, flags: kept, backing })?;
    Ok(start as usize)
}

/// The flags that mean something. `EINVAL`, `EOPNOTSUPP`.
fn check_flags(flags: u32, file: bool) -> Result<MapFlags> {
    let mut kept = MapFlags::from_bits_truncate(flags & !MAP_TYPE);
    match flags & MAP_TYPE {
        1 => kept |= MapFlags::SHARED,
        2 => kept |= MapFlags::PRIVATE,
        MAP_SHARED_VALIDATE if !file => return Err(Errno::EINVAL),
        MAP_SHARED_VALIDATE if flags & !VALIDATED != 0 => return Err(Errno::EOPNOTSUPP),
        MAP_SHARED_VALIDATE => kept |= MapFlags::SHARED,
        _ => return Err(Errno::EINVAL),
    }
    let grows = kept.contains(MapFlags::GROWSDOWN);
    if kept.contains(MapFlags::HUGETLB) || (grows && (file || kept.contains(MapFlags::SHARED))) {
        return Err(Errno::EINVAL);
    }
    Ok(kept)
}

/// What a file gives to be mapped, and what may be done with it at most. `EACCES`, `ENODEV` and what the file says.
fn from_file(
    mm: &AddressSpace,
    file: Arc<File>,
    len: u64,
    prot: Prot,
    flags: MapFlags,
    offset: u64,
) -> Result<(Option<Backing>, Prot)> {
    if file.is_path() {
        return Err(Errno::EBADF);
    }
    let shared = flags.contains(MapFlags::SHARED);
    let write = prot.contains(Prot::WRITE);
    if !file.readable() || (shared && write && !file.writable()) {
        return Err(Errno::EACCES);
    }
    let noexec = mount_flags::has(file.inode().dev(), mount_flags::NOEXEC);
    if noexec && prot.contains(Prot::EXEC) {
        return Err(Errno::EPERM);
    }
    let request = MmapRequest { offset, len: len as usize, shared, write };
    let kind = file.ops().mmap(&file, &request)?;
    let may_write = !shared || (file.writable() && !matches!(kind, Mmap::Pages { may_write: false }));
    let max_prot = if may_write { Prot::all() } else { Prot::READ | Prot::EXEC };
    let max_prot = if noexec { max_prot - Prot::EXEC } else { max_prot };
    let first = offset / PAGE_SIZE as u64;
    let backing = match kind {
        Mmap::Zero => None,
        Mmap::Runs => Some(Backing::Runs { source: file, first }),
        Mmap::Object(object) => {
            admit()?;
            Some(Backing::Runs { source: Arc::new(MappedObject::new(file, object)), first })
        }
        Mmap::Pages { .. } => {
            // A shared mapping counts as one that writes when it could be made to.
            let writable = shared && may_write;
            let file = Mapped::new(file, &mm.space(), writable)?;
            Some(if shared {
                Backing::File { file, first }
            } else {
                Backing::Content { file, offset, len: None }
            })
        }
    };
    Ok((backing, max_prot))
}

/// `munmap`.
pub fn sys_munmap(thread: &Thread, addr: u64, len: u64) -> Result<usize> {
    mm(thread)?.unmap(untagged(addr), len).map(|()| 0)
}

/// `mprotect`.
pub fn sys_mprotect(thread: &Thread, addr: u64, len: u64, prot: u32) -> Result<usize> {
    if prot & !(7 | PROT_NO_EFFECT) != 0 || !addr.is_multiple_of(PAGE_SIZE as u64) {
        return Err(Errno::EINVAL);
    }
    mm(thread)?.protect(untagged(addr), len, Prot::from_bits_truncate(prot as u8 & 7)).map(|()| 0)
}

/// `mremap`.
pub fn sys_mremap(
    thread: &Thread,
    old: u64,
    old_len: u64,
    new_len: u64,
    flags: u32,
    to: u64,
) -> Result<usize> {
    mm(thread)?.remap(untagged(old), old_len, new_len, flags, to).map(|at| at as usize)
}

/// `madvise`: what changes contents or inheritance is done, what only hints is checked and forgotten.
pub fn sys_madvise(thread: &Thread, addr: u64, len: u64, advice: u32) -> Result<usize> {
    let (mm, addr) = (mm(thread)?, untagged(addr));
    match advice {
        // MADV_DONTNEED, MADV_FREE, MADV_DONTNEED_LOCKED.
        4 | 8 | 24 => mm.discard(addr, len, advice == 8)?,
        // MADV_REMOVE.
        9 => mm.remove(addr, len)?,
        // MADV_WIPEONFORK, MADV_KEEPONFORK.
        18 | 19 => mm.set_wiped(addr, len, advice == 18)?,
        // MADV_POPULATE_READ, MADV_POPULATE_WRITE.
        22 => mm.touch(addr, len, Access::Read)?,
        23 => mm.touch(addr, len, Access::Write)?,
        // MADV_DONTFORK, MADV_DOFORK.
        10 | 11 => mm.set_flags(addr, len, VmFlags::DONTFORK, advice == 10)?,
        // NORMAL, RANDOM, SEQUENTIAL, WILLNEED; MERGEABLE to NOHUGEPAGE; DONTDUMP, DODUMP; COLD, PAGEOUT.
        0..=3 | 12..=17 | 20 | 21 => mm.check_mapped(addr, len)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// `mincore`: a byte for each page, 1 where it is in memory. `EINVAL` within a page, `ENOMEM` for a gap, `EFAULT`.
pub fn sys_mincore(thread: &Thread, addr: u64, len: u64, to: u64) -> Result<usize> {
    let addr = untagged(addr);
    if !addr.is_multiple_of(PAGE_SIZE as u64) {
        return Err(Errno::EINVAL);
    }
    let end = addr.checked_add(len).filter(|&end| end <= USER_END).ok_or(Errno::ENOMEM)?;
    let pages = len.div_ceil(PAGE_SIZE as u64);
    to.checked_add(pages).filter(|&end| end <= USER_END).ok_or(Errno::EFAULT)?;
    let mm = mm(thread)?;
    for (at, to) in (addr..end).step_by(PAGE_SIZE).zip(to..) {
        user::write(to, &u8::from(mm.is_resident(at)?))?;
    }
    Ok(0)
}

/// `msync`: no mapping has a slower copy behind it.
pub fn sys_msync(thread: &Thread, addr: u64, len: u64, flags: u32) -> Result<usize> {
    if flags & !7 != 0 || flags & 5 == 5 || !addr.is_multiple_of(PAGE_SIZE as u64) {
        return Err(Errno::EINVAL);
    }
    let (mm, addr) = (mm(thread)?, untagged(addr));
    if flags & MS_SYNC != 0 {
        mm.check_synced(addr, len)?;
    }
    mm.check_mapped(addr, len).map_err(|_| Errno::ENOMEM).map(|()| 0)
}

/// `mlock2`: with `MLOCK_ONFAULT` the pages are locked as they are touched, which takes nothing. `EINVAL`.
pub fn sys_mlock2(thread: &Thread, addr: u64, len: u64, flags: u32) -> Result<usize> {
    const MLOCK_ONFAULT: u32 = 1;
    if flags & !MLOCK_ONFAULT != 0 {
        return Err(Errno::EINVAL);
    }
    lock(thread, addr, len, flags == 0)
}

/// `mlock`, `munlock`: nothing is ever paged out; locking touches the pages.
pub fn sys_mlock(thread: &Thread, addr: u64, len: u64) -> Result<usize> {
    lock(thread, addr, len, true)
}

fn lock(thread: &Thread, addr: u64, len: u64, touches: bool) -> Result<usize> {
    let (page, addr) = (PAGE_SIZE as u64, untagged(addr));
    let start = addr & !(page - 1);
    let end =
        addr.checked_add(len).and_then(|end| end.checked_next_multiple_of(page)).ok_or(Errno::EINVAL)?;
    let mm = mm(thread)?;
    mm.check_mapped(start, end - start).map_err(|_| Errno::ENOMEM)?;
    if touches {
        mm.populate(start, end);
    }
    Ok(0)
}

/// `mlockall`: as [`sys_mlock`], of everything; what is mapped later is touched when it is. `EINVAL`.
pub fn sys_mlockall(thread: &Thread, flags: u32) -> Result<usize> {
    const MCL_CURRENT: u32 = 1;
    const MCL_ONFAULT: u32 = 4;
    const ALL: u32 = 7;
    if flags == 0 || flags & !ALL != 0 || flags == MCL_ONFAULT {
        return Err(Errno::EINVAL);
    }
    if flags & (MCL_CURRENT | MCL_ONFAULT) == MCL_CURRENT {
        mm(thread)?.populate_all();
    }
    Ok(0)
}

/// `brk`.
pub fn sys_brk(thread: &Thread, to: u64) -> Result<usize> {
    Ok(mm(thread)?.brk(to) as usize)
}
