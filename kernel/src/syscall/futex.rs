//! `futex` (Linux: `kernel/futex/syscalls.c`).
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use super::time::{self, Timespec};
use crate::mm::user;
use crate::process::thread::RestartBlock;
use crate::process::{Thread, futex};
use crate::time::clock::Base;

const PRIVATE: u32 = 128;
const CLOCK_REALTIME: u32 = 256;

const WAIT: u32 = 0;
const WAKE: u32 = 1;
const REQUEUE: u32 = 3;
const CMP_REQUEUE: u32 = 4;
const WAIT_BITSET: u32 = 9;
const WAKE_BITSET: u32 = 10;

/// `futex`: wait, wake, requeue and their bit set forms; `ENOSYS` for priority inheritance and the rest.
pub fn sys_futex(
    thread: &Thread,
    addr: u64,
    op: u32,
    value: u32,
    timeout: u64,
    addr2: u64,
    value3: u32,
) -> Result<usize> {
    let private = op & PRIVATE != 0;
    let command = op & !(PRIVATE | CLOCK_REALTIME);
    if op & CLOCK_REALTIME != 0 && command != WAIT_BITSET {
        return Err(Errno::ENOSYS);
    }
    match command {
        WAIT | WAIT_BITSET => {
            let bits = if command == WAIT { !0 } else { value3 };
            match timeout {
                0 => futex::wait(thread, addr, private, value, None, bits).map(|()| 0),
                at => {
                    let until = deadline(at, command == WAIT, op & CLOCK_REALTIME != 0)?;
                    go_on(thread, RestartBlock::Futex { addr, private, value, until, bits })
                }
            }
        }
        WAKE => futex::wake(thread, addr, private, value as usize, !0),
        WAKE_BITSET => futex::wake(thread, addr, private, value as usize, value3),
        REQUEUE | CMP_REQUEUE => {
            let (wake, moved) = (value as i32, timeout as i32);
            if wake < 0 || moved < 0 {
                return Err(Errno::EINVAL);
            }
            let expected = (command == CMP_REQUEUE).then_some(value3);
            futex::requeue(thread, addr, addr2, private, wake as usize, moved as usize, expected)
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// Waits, for the first time or after a stop. As [`futex::wait`].
pub(super) fn go_on(thread: &Thread, block: RestartBlock) -> Result<usize> {
    let RestartBlock::Futex { addr, private, value, until, bits } = block else { return Err(Errno::EINTR) };
    let waited = futex::wait(thread, addr, private, value, Some(until), bits);
    if waited == Err(Errno::EINTR) {
        thread.restart_with(block);
    }
    waited.map(|()| 0)
}

fn deadline(at: u64, relative: bool, realtime: bool) -> Result<u64> {
    let ns = user::read::<Timespec>(at)?.to_ns()?;
    Ok(match relative {
        true => time::after(ns),
        false if realtime => Base::Realtime.to_monotonic(ns),
        false => ns,
    })
}
