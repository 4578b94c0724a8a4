//! `syslog`: the kernel log as `dmesg` reads it (Linux: `kernel/printk/printk.c`).
#![forbid(unsafe_code)]

use heaps::{Errno, Result};

use crate::debug::kmsg::{self, common};
use crate::vfs::io::UserBuf;

/// `syslog`. `EINVAL`; `EFAULT` and `EINTR` where it reads. May sleep.
pub fn sys_syslog(action: u32, to: u64, len: i32) -> Result<usize> {
    const SUCCESS: Result<usize> = Ok(0);
    match action {
        // To open and close it takes nothing.
        0 | 1 => SUCCESS,
        2 => common::read(&mut buffer(to, len)?, true),
        3 | 4 => common::read_all(&mut buffer(to, len)?, action == 4),
        5 => {
            common::clear();
            SUCCESS
        }
        6 | 7 => {
            common::set_console_off(action == 6);
            SUCCESS
        }
        8 => common::set_console_level(u32::try_from(len).map_err(|_| Errno::EINVAL)?).map(|()| 0),
        9 => Ok(common::unread()),
        10 => Ok(kmsg::SIZE),
        _ => Err(Errno::EINVAL),
    }
}

fn buffer(to: u64, len: i32) -> Result<UserBuf> {
    match usize::try_from(len) {
        Ok(len) if to != 0 => Ok(UserBuf::new(to, len)),
        _ => Err(Errno::EINVAL),
    }
}
