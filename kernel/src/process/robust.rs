//! Robust futexes: a thread that ends with locks of the robust list held marks them, so that who waits for one gets it
//! and is told (Linux: `kernel/futex/core.c`, `exit_robust_list`).
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use heaps::Result;

use super::futex;
use super::thread::Thread;
use crate::mm::user;

/// Entries that are followed at most; user space may have tied the list into a loop.
const LIMIT: usize = 2048;
const TID_MASK: u32 = 0x3fff_ffff;
const OWNER_DIED: u32 = 0x4000_0000;
const WAITERS: u32 = 0x8000_0000;

/// Marks every lock the calling thread holds. Where the list leads nowhere it ends.
pub fn release(thread: &Thread) {
    let head = thread.robust_list.swap(0, Ordering::Relaxed);
    if head != 0 {
        let _ = walk(thread, head);
    }
}

/// `struct robust_list_head`: the first entry, from an entry to its word, an entry that was being taken or given back.
fn walk(thread: &Thread, head: u64) -> Result<()> {
    let [first, offset, pending] = user::read::<[u64; 3]>(head)?;
    let mut entry = first;
    for _ in 0..LIMIT {
        if entry & !1 == head {
            break;
        }
        // Read on before the lock's next owner may reuse the entry.
        let next = user::read::<u64>(entry & !1);
        if entry & !1 != pending & !1 {
            mark(thread, (entry & !1).wrapping_add(offset))?;
        }
        entry = next?;
    }
    if pending != 0 { mark(thread, (pending & !1).wrapping_add(offset)) } else { Ok(()) }
}

/// Marks a lock if the thread holds it, and wakes one that waits: whoever came to wait meanwhile finds the word changed.
fn mark(thread: &Thread, word: u64) -> Result<()> {
    let value = user::read::<u32>(word)?;
    if value & TID_MASK == thread.tid() {
        user::write(word, &(value & WAITERS | OWNER_DIED))?;
        futex::wake(thread, word, false, 1, !0)?;
    }
    Ok(())
}
