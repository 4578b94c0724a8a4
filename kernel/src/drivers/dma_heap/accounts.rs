//! Whose buffers are whose: bytes held by each user, and how many an unprivileged one may hold.
//!
//! A buffer is charged to the real user of the process that had it made, for as long as it exists, wherever its last
//! reference is; so is an object of a DRM device's, before it is a buffer and after. Whoever passes it on is not rid of
//! it, and whoever is given it pays nothing. That is how Linux counts the pages of pipes and what is locked in memory;
//! were it the receiver who paid, a stranger could fill his share by sending, and were it the process, a child would be a
//! new share. What a process itself can reach is a different question, which `DmaBuf:` in `/proc/PID/status` answers.
#![forbid(unsafe_code)]

use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicI32, Ordering};

use heaps::{Errno, Result};

use crate::mm::fallible;
use crate::process;
use crate::process::creds::Creds;
use crate::sync::{SpinLock, order};
use crate::vfs::debugfs;
use crate::vfs::parameters::Parameter;
use crate::vfs::pseudo::read_only;

/// Room made at first, so that the table's own memory hardly ever changes.
const ROOM: usize = 64;

/// How many KiB a user without `CAP_SYS_RESOURCE` may hold; below zero, any number. It is asked when a buffer is made.
static USER_LIMIT_KB: AtomicI32 = AtomicI32::new(-1);

/// Under `/sys/module/dma_heap`.
pub static PARAMETERS: [Parameter; 1] = [Parameter { name: "user_limit_kb", value: &USER_LIMIT_KB }];

struct Account {
    user: u32,
    buffers: usize,
    bytes: usize,
}

/// Those who hold something, by number.
static ACCOUNTS: SpinLock<Vec<Account>, { order::BUFFERS }> = SpinLock::new(Vec::new());

/// One buffer's, or one object's, share. Dropped, it is given back.
pub struct Charge {
    user: u32,
    bytes: usize,
}

impl Charge {
    /// Charges the calling process' user. `EDQUOT` over the limit, `ENOMEM`.
    pub fn new(bytes: usize) -> Result<Charge> {
        let who = |creds: &Creds| (creds.user.real, creds.may_use_resources());
        let (user, privileged) =
            process::with_current(|thread| thread.process().with_creds(who)).unwrap_or((0, true));
        let limit = USER_LIMIT_KB.load(Ordering::Relaxed);
        let exempt = limit < 0 || privileged;
        Charge::of_user(user, bytes, if exempt { usize::MAX } else { limit as usize * 1024 })
    }

    fn of_user(user: u32, bytes: usize, limit: usize) -> Result<Charge> {
        let mut accounts = ACCOUNTS.lock();
        let held = accounts.binary_search_by_key(&user, |account| account.user);
        let before = held.map_or(0, |at| accounts[at].bytes);
        if before.checked_add(bytes).is_none_or(|after| after > limit) {
            return Err(Errno::EDQUOT);
        }
        let at = match held {
            Ok(at) => at,
            Err(at) => {
                let more = if accounts.capacity() == 0 { ROOM } else { 1 };
                accounts.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
                accounts.insert(at, Account { user, buffers: 0, bytes: 0 });
                at
            }
        };
        accounts[at].buffers += 1;
        accounts[at].bytes += bytes;
        Ok(Charge { user, bytes })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut accounts = ACCOUNTS.lock();
        let Ok(at) = accounts.binary_search_by_key(&self.user, |account| account.user) else { return };
        let account = &mut accounts[at];
        account.buffers -= 1;
        account.bytes -= self.bytes;
        if account.buffers == 0 {
            accounts.remove(at);
            if accounts.is_empty() {
                // What many users made it grow by is no leak.
                accounts.shrink_to(ROOM);
            }
        }
    }
}

/// Makes the table `/sys/kernel/debug/dma_buf/users`. Once, at boot. `ENOMEM`. May sleep.
pub fn init() -> Result<()> {
    debugfs::create_file("dma_buf", "users", 0o444, read_only(show))
}

/// A line for each user. `ENOMEM`: there may be many.
fn show() -> Result<String> {
    let accounts = ACCOUNTS.lock();
    fallible::text(|out| {
        writeln!(out, "user\tbuffers\tbytes")?;
        accounts
            .iter()
            .try_for_each(|Account { user, buffers, bytes }| writeln!(out, "{user}\t{buffers}\t{bytes}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(user: u32) -> (usize, usize) {
        let accounts = ACCOUNTS.lock();
        accounts.iter().find(|a| a.user == user).map_or((0, 0), |a| (a.buffers, a.bytes))
    }

    #[test]
    fn a_share_is_a_user_s_until_it_is_dropped() {
        let one = Charge::of_user(4001, 4096, 10_000).unwrap();
        let two = Charge::of_user(4001, 4096, 10_000).unwrap();
        assert_eq!(Charge::of_user(4001, 4096, 10_000).map(drop), Err(Errno::EDQUOT));
        assert_eq!(Charge::of_user(4001, usize::MAX, usize::MAX).map(drop), Err(Errno::EDQUOT));
        assert!(Charge::of_user(4002, 4096, 10_000).is_ok());
        assert_eq!((held(4001), held(4002)), ((2, 8192), (0, 0)));
        drop(one);
        assert!(Charge::of_user(4001, 4096, 8192).is_ok());
        drop(two);
        assert_eq!(held(4001), (0, 0));
    }
}
