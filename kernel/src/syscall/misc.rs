//! The rest: identity, limits, what the machine is, ending it.
#![forbid(unsafe_code)]

use heaps::{Errno, PAGE_SIZE, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::nr;
use crate::mm::aspace::STACK_LIMIT;
use crate::mm::{frames, user};
use crate::process::{Thread, random, tree};
use crate::vfs::fdtable::MAX_LIMIT;
use crate::{arch, process};

/// `struct new_utsname`'s fields, 65 bytes each.
const UNAME: [&[u8]; 6] = [b"Linux", b"lastref", b"6.1.0-lastref", b"#1 SMP Lastref", b"aarch64", b"(none)"];

/// `uname`.
pub fn sys_uname(to: u64) -> Result<usize> {
    let mut text = [0u8; 65 * 6];
    for (field, value) in text.chunks_mut(65).zip(UNAME) {
        field[..value.len()].copy_from_slice(value);
    }
    user::write_bytes(to, &text).map(|()| 0)
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
    let info = SysInfo {
        uptime: arch::now_ns() / 1_000_000_000,
        loads: [0; 3],
        total: bytes(frames::total_count()),
        free: bytes(frames::free_count()),
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

/// `setuid` and its relatives: there is one user. `EPERM` for any other.
pub fn sys_set_id(a: u64, b: u64, c: u64, call: u64) -> Result<usize> {
    let mine = |id: u64| id as u32 == 0 || id as u32 == u32::MAX;
    let fine = match call {
        nr::SETUID | nr::SETGID => a as u32 == 0,
        nr::SETREUID | nr::SETREGID => mine(a) && mine(b),
        _ => mine(a) && mine(b) && mine(c),
    };
    if fine { Ok(0) } else { Err(Errno::EPERM) }
}

/// `getresuid`, `getresgid`.
pub fn sys_getresid(real: u64, effective: u64, saved: u64) -> Result<usize> {
    [real, effective, saved].into_iter().try_for_each(|at| user::write(at, &0u32)).map(|()| 0)
}

/// `setgroups`: there are none to have. `EPERM`.
pub fn sys_setgroups(count: u64) -> Result<usize> {
    if count == 0 { Ok(0) } else { Err(Errno::EPERM) }
}

/// `personality`: Linux's own. `EINVAL` for any other.
pub fn sys_personality(wanted: u32) -> Result<usize> {
    if wanted == 0 || wanted == u32::MAX { Ok(0) } else { Err(Errno::EINVAL) }
}

/// `struct rlimit64`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, PartialEq, Eq)]
#[repr(C)]
struct Limit {
    soft: u64,
    hard: u64,
}

/// `prlimit64`: descriptors can be limited; the others are what they are (`EPERM` to change them). `EINVAL`, `ESRCH`.
pub fn sys_prlimit64(thread: &Thread, pid: u32, which: u32, new: u64, old: u64) -> Result<usize> {
    const STACK: u32 = 3;
    const CORE: u32 = 4;
    const NOFILE: u32 = 7;
    const KINDS: u32 = 16;
    let target = match pid {
        0 => Some(thread.clone()),
        _ => tree::lock().node(pid).and_then(|node| node.threads.first().cloned()),
    };
    let table = target.ok_or(Errno::ESRCH)?.files().table().clone();
    let before = match which {
        NOFILE => Limit { soft: table.limit() as u64, hard: MAX_LIMIT as u64 },
        STACK => Limit { soft: STACK_LIMIT, hard: u64::MAX },
        CORE => Limit { soft: 0, hard: 0 },
        0..KINDS => Limit { soft: u64::MAX, hard: u64::MAX },
        _ => return Err(Errno::EINVAL),
    };
    if new != 0 {
        let new: Limit = user::read(new)?;
        match which {
            _ if new.soft > new.hard => return Err(Errno::EINVAL),
            NOFILE if new.hard > MAX_LIMIT as u64 => return Err(Errno::EPERM),
            NOFILE => table.set_limit(new.soft as usize),
            _ if new != before => return Err(Errno::EPERM),
            _ => {}
        }
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
