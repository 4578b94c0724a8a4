//! Users, groups and capabilities (Linux: `kernel/sys.c`, `kernel/groups.c`, `kernel/capability.c`).
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::nr;
use crate::mm::user;
use crate::process::creds::{Ids, Kind};
use crate::process::{Thread, tree};

/// Most groups besides the one (`NGROUPS_MAX`).
const MOST_GROUPS: usize = 65536;

/// `getuid` and its relatives.
pub fn sys_get_id(thread: &Thread, call: u64) -> Result<usize> {
    let creds = thread.process().creds();
    let id = match call {
        nr::GETUID => creds.user.real,
        nr::GETEUID => creds.user.effective,
        nr::GETGID => creds.group.real,
        _ => creds.group.effective,
    };
    Ok(id as usize)
}

/// `getresuid`, `getresgid`. `EFAULT`.
pub fn sys_getresid(thread: &Thread, kind: Kind, to: [u64; 3]) -> Result<usize> {
    let Ids { real, effective, saved, .. } = thread.process().creds().ids(kind);
    let ids = [real, effective, saved];
    to.into_iter().zip(ids).try_for_each(|(at, id)| user::write(at, &id)).map(|()| 0)
}

/// `setuid` and its relatives. `EPERM`, `EINVAL`.
pub fn sys_set_id(thread: &Thread, call: u64, [a, b, c]: [u64; 3]) -> Result<usize> {
    let [a, b, c] = [a, b, c].map(|id| id as u32);
    let process = thread.process();
    match call {
        nr::SETUID => process.change_creds(|creds| creds.set(Kind::User, a))?,
        nr::SETGID => process.change_creds(|creds| creds.set(Kind::Group, a))?,
        nr::SETREUID => process.change_creds(|creds| creds.set_real_effective(Kind::User, a, b))?,
        nr::SETREGID => process.change_creds(|creds| creds.set_real_effective(Kind::Group, a, b))?,
        nr::SETRESUID => process.change_creds(|creds| creds.set_all(Kind::User, [a, b, c]))?,
        _ => process.change_creds(|creds| creds.set_all(Kind::Group, [a, b, c]))?,
    }
    Ok(0)
}

/// `setfsuid`, `setfsgid`: never an error.
pub fn sys_set_fs_id(thread: &Thread, kind: Kind, id: u64) -> Result<usize> {
    thread.process().change_creds(|creds| Ok(creds.set_fs(kind, id as u32) as usize))
}

/// `getgroups`. `EINVAL` for too few, `EFAULT`.
pub fn sys_getgroups(thread: &Thread, room: i32, to: u64) -> Result<usize> {
    let groups = thread.process().creds().groups;
    if room < 0 || (room > 0 && (room as usize) < groups.len()) {
        return Err(Errno::EINVAL);
    }
    if room > 0 {
        user::write_bytes(to, groups.as_bytes())?;
    }
    Ok(groups.len())
}

/// `setgroups`. `EPERM`, `EINVAL`, `EFAULT`, `ENOMEM`.
pub fn sys_setgroups(thread: &Thread, count: i32, from: u64) -> Result<usize> {
    let groups = thread.process().creds().groups;
    thread.process().change_creds(|creds| creds.set_groups(groups))?;
    let count = usize::try_from(count).ok().filter(|&count| count <= MOST_GROUPS).ok_or(Errno::EINVAL)?;
    let mut groups: Vec<u32> = Vec::new();
    groups.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    groups.resize(count, 0);
    user::read_bytes(from, groups.as_mut_bytes())?;
    groups.sort_unstable();
    let groups = Arc::new(groups);
    thread.process().change_creds(|creds| creds.set_groups(groups)).map(|()| 0)
}

/// `struct __user_cap_header_struct`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

/// The versions there are, and how many words of 32 bits each has of every set.
const VERSIONS: [(u32, usize); 3] = [(0x1998_0330, 1), (0x2007_1026, 2), (0x2008_0522, 2)];

/// The header, and how many words; `None` where a version was only asked for, which is written down then.
fn cap_header(at: u64, data: u64) -> Result<Option<(CapHeader, usize)>> {
    let header: CapHeader = user::read(at)?;
    match VERSIONS.iter().find(|(version, _)| *version == header.version) {
        Some((_, words)) => Ok(Some((header, *words))),
        None => {
            user::write(at, &VERSIONS[2].0)?;
            if data == 0 { Ok(None) } else { Err(Errno::EINVAL) }
        }
    }
}

/// `capget`. `EINVAL`, `ESRCH`, `EFAULT`.
pub fn sys_capget(thread: &Thread, header: u64, data: u64) -> Result<usize> {
    let Some((header, words)) = cap_header(header, data)? else { return Ok(0) };
    let pid = u32::try_from(header.pid).map_err(|_| Errno::EINVAL)?;
    let process = match pid {
        0 => Some(thread.process().clone()),
        _ => tree::lock().thread(pid).map(|thread| thread.process().clone()),
    };
    let creds = process.ok_or(Errno::ESRCH)?.creds();
    if data == 0 {
        return Ok(0);
    }
    for word in 0..words {
        let sets =
            [creds.effective, creds.permitted, creds.inheritable].map(|set| (set >> (32 * word)) as u32);
        user::write(data + 12 * word as u64, &sets)?;
    }
    Ok(0)
}

/// `capset`, of the caller alone. `EPERM`, `EINVAL`, `EFAULT`.
pub fn sys_capset(thread: &Thread, header: u64, data: u64) -> Result<usize> {
    let Some((header, words)) = cap_header(header, data)? else { return Ok(0) };
    if header.pid != 0 && header.pid as u32 != thread.tid() {
        return Err(Errno::EPERM);
    }
    let mut sets = [0u64; 3];
    for word in 0..words {
        let part: [u32; 3] = user::read(data + 12 * word as u64)?;
        sets.iter_mut().zip(part).for_each(|(set, part)| *set |= u64::from(part) << (32 * word));
    }
    let [effective, permitted, inheritable] = sets.map(|set| set & crate::process::creds::ALL_CAPS);
    thread.process().change_creds(|creds| creds.set_caps(effective, permitted, inheritable)).map(|()| 0)
}
