//! The end of packets and of the files in them, without recursion: a file may be a socket whose queue holds files.
//!
//! What a socket's end sets free is put on a stack of the thread's that runs it, and taken from there when that end
//! is over. So however deep the nesting, the kernel's stack is not; and the order is that of Linux, where each last
//! `fput` pushes work that the task does on its way back to user space (`fs/file_table.c`, `kernel/task_work.c`).
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use core::sync::atomic::{AtomicBool, Ordering};

use super::packet::Packet;
use crate::process;
use crate::sync::{SpinLock, order};

/// Packets about to be dropped by one thread.
pub struct Dying {
    last: SpinLock<Option<Box<Packet>>, { order::DYING }>,
    at_work: AtomicBool,
}

/// Of tasks that are no threads, which may be several at once: then one drops what the other leaves.
static NOBODYS: Dying = Dying::new();

impl Default for Dying {
    fn default() -> Self {
        Self::new()
    }
}

impl Dying {
    /// Nothing.
    pub const fn new() -> Dying {
        Dying { last: SpinLock::new(None), at_work: AtomicBool::new(false) }
    }

    fn push(&self, mut packet: Box<Packet>) {
        let mut last = self.last.lock();
        packet.next = last.take();
        *last = Some(packet);
    }

    /// Drops all there is, and what comes of it, unless that is being done.
    fn work(&self) {
        while self.last.lock().is_some() && !self.at_work.swap(true, Ordering::Acquire) {
            loop {
                // Taken apart: nothing is dropped under the lock.
                let batch = self.last.lock().take();
                let Some(batch) = batch else { break };
                drop_all(batch);
            }
            self.at_work.store(false, Ordering::Release);
        }
    }
}

fn drop_all(first: Box<Packet>) {
    let mut next = Some(first);
    while let Some(mut packet) = next {
        next = packet.next.take();
    }
}

/// Drops packets: at once, or when the thread is through with the end that it is at. May sleep. No lock is held.
pub fn bury(packets: impl IntoIterator<Item = Box<Packet>>) {
    let each = |dying: &Dying| {
        packets.into_iter().for_each(|packet| dying.push(packet));
        dying.work();
    };
    match process::current() {
        Some(thread) => each(thread.dying()),
        None => each(&NOBODYS),
    }
}
