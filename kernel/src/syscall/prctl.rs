//! `prctl` and `personality` (Linux: `kernel/sys.c`).
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use heaps::{Errno, Result};

use crate::mm::user;
use crate::process::Thread;
use crate::process::group::COMM_LEN;
use crate::process::signal::MAX_SIGNAL;

const PR_SET_PDEATHSIG: u32 = 1;
const PR_GET_PDEATHSIG: u32 = 2;
const PR_GET_DUMPABLE: u32 = 3;
const PR_SET_DUMPABLE: u32 = 4;
const PR_GET_KEEPCAPS: u32 = 7;
const PR_SET_KEEPCAPS: u32 = 8;
const PR_SET_NAME: u32 = 15;
const PR_GET_NAME: u32 = 16;
const PR_CAPBSET_READ: u32 = 23;
const PR_SET_CHILD_SUBREAPER: u32 = 36;
const PR_GET_CHILD_SUBREAPER: u32 = 37;
const PR_SET_NO_NEW_PRIVS: u32 = 38;
const PR_GET_NO_NEW_PRIVS: u32 = 39;
const PR_GET_TID_ADDRESS: u32 = 40;
/// `CAP_LAST_CAP`.
const LAST_CAP: u64 = 40;

/// `prctl`. `EINVAL` for what there is none of, `EFAULT`.
pub fn sys_prctl(thread: &Thread, what: u32, [arg, third, fourth, fifth]: [u64; 4]) -> Result<usize> {
    let process = thread.process();
    let attributes = process.attributes();
    let get = |attribute: &AtomicU32| attribute.load(Ordering::Relaxed);
    match what {
        PR_SET_PDEATHSIG if arg > u64::from(MAX_SIGNAL) => return Err(Errno::EINVAL),
        PR_SET_PDEATHSIG => attributes.death_signal.store(arg as u32, Ordering::Relaxed),
        PR_GET_PDEATHSIG => user::write(arg, &get(&attributes.death_signal))?,
        PR_GET_DUMPABLE => return Ok(1 - get(&attributes.undumpable) as usize),
        PR_SET_DUMPABLE => attributes.undumpable.store(1 - flag(arg)?, Ordering::Relaxed),
        PR_GET_KEEPCAPS => return Ok(process.creds().keeps_caps.into()),
        PR_SET_KEEPCAPS => {
            let keeps = flag(arg)? == 1;
            process.change_creds(|creds| {
                creds.keeps_caps = keeps;
                Ok(())
            })?;
        }
        PR_SET_NAME => set_name(thread, arg)?,
        PR_GET_NAME => {
            let mut name = [0u8; COMM_LEN + 1];
            let comm = process.program().comm;
            name[..comm.len()].copy_from_slice(&comm);
            user::write_bytes(arg, &name)?;
        }
        PR_CAPBSET_READ if arg > LAST_CAP => return Err(Errno::EINVAL),
        PR_CAPBSET_READ => return Ok(1),
        PR_SET_CHILD_SUBREAPER => attributes.subreaper.store((arg != 0).into(), Ordering::Relaxed),
        PR_GET_CHILD_SUBREAPER => user::write(arg, &get(&attributes.subreaper))?,
        PR_SET_NO_NEW_PRIVS | PR_GET_NO_NEW_PRIVS if third | fourth | fifth != 0 => {
            return Err(Errno::EINVAL);
        }
        PR_SET_NO_NEW_PRIVS if arg != 1 => return Err(Errno::EINVAL),
        PR_SET_NO_NEW_PRIVS => attributes.no_new_privs.store(1, Ordering::Relaxed),
        PR_GET_NO_NEW_PRIVS if arg != 0 => return Err(Errno::EINVAL),
        PR_GET_NO_NEW_PRIVS => return Ok(get(&attributes.no_new_privs) as usize),
        PR_GET_TID_ADDRESS => user::write(arg, &thread.clear_tid.load(Ordering::Relaxed))?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

fn flag(arg: u64) -> Result<u32> {
    if arg > 1 { Err(Errno::EINVAL) } else { Ok(arg as u32) }
}

fn set_name(thread: &Thread, from: u64) -> Result<()> {
    let mut name = [0u8; COMM_LEN];
    for (i, byte) in name.iter_mut().enumerate() {
        *byte = user::read(from + i as u64)?;
        if *byte == 0 {
            break;
        }
    }
    thread.process().set_comm(name.into_iter().take_while(|&b| b != 0).collect());
    Ok(())
}

/// `personality`: returns what it was. All of them behave as Linux' own does.
pub fn sys_personality(thread: &Thread, wanted: u32) -> Result<usize> {
    let personality = &thread.process().attributes().personality;
    let before = match wanted {
        u32::MAX => personality.load(Ordering::Relaxed),
        _ => personality.swap(wanted, Ordering::Relaxed),
    };
    Ok(before as usize)
}
