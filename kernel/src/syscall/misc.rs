//! The rest: limits, what the machine is, ending it.
#![forbid(unsafe_code)]

use arrayvec::ArrayVec;
use heaps::{Errno, PAGE_SIZE, Result};
use zerocopy::{Immutable, IntoBytes};

use crate::drivers::dma_heap::regions;
use crate::mm::{frames, loans, user};
use crate::process::limits::{self, Limit};
use crate::process::{Thread, random, tree};
use crate::sync::{SpinLock, order};
use crate::vfs::fdtable::MAX_LIMIT;
use crate::{arch, process};

/// The version of Linux whose behaviour this is.
pub const RELEASE: &str = "6.1.0-lastref";
/// Which build it is.
pub const BUILD: &str = "#1 SMP Lastref";
/// Most bytes of a name of `struct new_utsname`, less its NUL.
pub const NAME_MAX: usize = 64;

/// A name of the machine.
pub type Name = ArrayVec<u8, NAME_MAX>;

/// The machine's name and its domain; `None` for what they are at boot.
static NAMES: [SpinLock<Option<Name>, { order::TASK }>; 2] = [const { SpinLock::new(None) }; 2];

/// The machine's name, or its domain's.
pub fn name(domain: bool) -> Name {
    let at_boot = || [&b"lastref"[..], b"(none)"][usize::from(domain)].iter().copied().collect();
    NAMES[usize::from(domain)].lock().clone().unwrap_or_else(at_boot)
}

/// Sets it; what is too long is cut.
pub fn set_name(domain: bool, to: &[u8]) {
    *NAMES[usize::from(domain)].lock() = Some(to.iter().copied().take(NAME_MAX).collect());
}

/// `uname`.
pub fn sys_uname(to: u64) -> Result<usize> {
    let mut text = [0u8; (NAME_MAX + 1) * 6];
    let (host, domain) = (name(false), name(true));
    let fields: [&[u8]; 6] = [b"Linux", &host, RELEASE.as_bytes(), BUILD.as_bytes(), b"aarch64", &domain];
    for (field, value) in text.chunks_mut(NAME_MAX + 1).zip(fields) {
        field[..value.len()].copy_from_slice(value);
    }
    user::write_bytes(to, &text).map(|()| 0)
}

/// `sethostname`, and `setdomainname` where `domain` says so. `EINVAL`, `EFAULT`.
pub fn sys_set_name(domain: bool, from: u64, len: i32) -> Result<usize> {
    let len = usize::try_from(len).ok().filter(|&len| len <= NAME_MAX).ok_or(Errno::EINVAL)?;
    let mut bytes = [0u8; NAME_MAX];
    user::read_bytes(from, &mut bytes[..len])?;
    set_name(domain, &bytes[..len]);
    Ok(0)
}

/// `struct sysinfo`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct SysInfo {
    uptime: u64,
    loads: [u64; 3],
    total: u64,
    free: u64,
    shared_buffers_swap: [u64; 4],
    procs: u16,
    pad: [u16; 3],
    high: [u64; 2],
    unit: u32,
    end: u32,
}

/// `sysinfo`.
pub fn sys_sysinfo(to: u64) -> Result<usize> {
    let bytes = |pages: usize| (pages * PAGE_SIZE) as u64;
    let (pools, _) = regions::pools();
    let info = SysInfo {
        uptime: arch::now_ns() / 1_000_000_000,
        loads: [0; 3],
        total: bytes(frames::total_count() + pools),
        free: bytes(frames::free_count() + loans::lendable()),
        shared_buffers_swap: [0; 4],
        procs: tree::lock().thread_count() as u16,
        pad: [0; 3],
        high: [0; 2],
        unit: 1,
        end: 0,
    };
    user::write(to, &info).map(|()| 0)
}

/// `getrandom`.
pub fn sys_getrandom(to: u64, len: usize, flags: u32) -> Result<usize> {
    if flags & !7 != 0 || flags & 6 == 6 {
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0u8; 64];
    let len = len.min(i32::MAX as usize);
    for at in (0..len).step_by(bytes.len()) {
        let part = &mut bytes[..(len - at).min(64)];
        random::fill(part);
        user::write_bytes(to + at as u64, part)?;
        if process::with_current(Thread::is_killed).unwrap_or(false) {
            return Err(Errno::EINTR);
        }
    }
    Ok(len)
}

/// `prlimit64`. `EINVAL`, `ESRCH`, `EFAULT`; `EPERM` for more descriptors than a table can have.
pub fn sys_prlimit64(thread: &Thread, pid: u32, kind: u32, new: u64, old: u64) -> Result<usize> {
    let new: Option<Limit> = if new != 0 { Some(user::read(new)?) } else { None };
    let target = match pid {
        0 => Some(thread.clone()),
        _ => tree::lock().thread(pid).cloned(),
    };
    let target = target.ok_or(Errno::ESRCH)?;
    let kind = kind as usize;
    if kind >= limits::KINDS || new.is_some_and(|new| new.soft > new.hard) {
        return Err(Errno::EINVAL);
    }
    let before = target.process().change_limit(kind, |_| match new {
        // Everybody may raise what may be at most.
        Some(new) if kind == limits::NOFILE && new.hard > MAX_LIMIT as u64 => Err(Errno::EPERM),
        new => Ok(new),
    })?;
    if new.is_some() {
        target.apply_limits();
    }
    if old != 0 {
        user::write(old, &before)?;
    }
    Ok(0)
}

/// `reboot`: halting, powering off and restarting all end the machine with status 0. `EINVAL`.
pub fn sys_reboot(magic: u32, magic2: u32, command: u32) -> Result<usize> {
    const MAGIC: u32 = 0xfee1_dead;
    const MAGICS: [u32; 4] = [0x2812_1969, 0x0512_1996, 0x1604_1998, 0x2011_2000];
    if magic != MAGIC || !MAGICS.contains(&magic2) {
        return Err(Errno::EINVAL);
    }
    match command {
        0x4321_fedc | 0xcdef_0123 | 0x0123_4567 => {
            log::info!("power off");
            arch::power_off(0)
        }
        // Ctrl-Alt-Del on and off.
        0x89ab_cdef | 0 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}
