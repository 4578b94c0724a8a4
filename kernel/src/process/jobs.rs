//! What the console's terminal has to know of sessions and process groups, and whom it sends signals (Linux:
//! `drivers/tty/tty_jobctrl.c`).
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::signal::{self, IGNORE, Info, SI_KERNEL, bit};
use super::{current, tree};
use crate::drivers::console::{self, Caller, Jobs};

struct All;

/// Sends a signal of the kernel's to all of a group. Called with no lock held.
pub fn send_group(pgid: u32, signal: u32) {
    let members: Vec<_> = {
        let tree = tree::lock();
        let members = tree.nodes().filter(|(_, node)| node.pgid == pgid);
        members.map(|(_, node)| node.process.clone()).collect()
    };
    let info = Info { signal, code: SI_KERNEL, detail: 0 };
    members.iter().for_each(|process| signal::send_process(process, info));
}

/// Tells the console who knows the processes. At boot.
pub fn init() {
    console::set_jobs(&All);
}

impl Jobs for All {
    fn caller(&self) -> Option<Caller> {
        let pid = current()?.process().pid();
        let tree = tree::lock();
        let node = tree.node(pid)?;
        let gave_up = node.process.attributes().gave_up_terminal.load(Ordering::Relaxed);
        Some(Caller { pid, pgid: node.pgid, sid: node.sid, gave_up })
    }

    fn caller_refuses(&self, signal: u32) -> bool {
        current().is_some_and(|thread| {
            let ignored = thread.process().signals.lock().action(signal).handler == IGNORE;
            ignored || thread.mask() & bit(signal) != 0
        })
    }

    fn session_of(&self, pgid: u32) -> Option<u32> {
        tree::lock().nodes().find(|(_, node)| node.pgid == pgid).map(|(_, node)| node.sid)
    }

    fn is_orphaned(&self, pgid: u32) -> bool {
        tree::lock().is_orphaned_group(pgid)
    }

    fn send(&self, pgid: u32, signal: u32) {
        send_group(pgid, signal);
    }

    fn give_up(&self) {
        if let Some(thread) = current() {
            thread.process().attributes().gave_up_terminal.store(true, Ordering::Relaxed);
        }
    }
}
