//! The heaps under stress: a few names, each registered by one provider after another.

use super::tally::{Op, Tally};
use crate::guest::provider::Provider;
use crate::rt::{Lock, time};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use heaps::uapi::Errno;

/// The names. Few, so that threads meet.
pub const NAMES: [&str; 4] = ["stress-0", "stress-1", "stress-2", "stress-3"];

/// Unloaded heaps whose modules users still pin, before reloading waits for some to go.
const PATIENCE: usize = 32;
/// Attempts, 10 ms apart, to unload what nobody uses any more.
const ATTEMPTS: u32 = 200;

/// Who is registered under each name, and who was.
pub struct Slots {
    current: [Lock<Option<Provider>>; NAMES.len()],
    /// Unbound, but their modules are still loaded.
    retired: Lock<Vec<Provider>>,
    next_instance: AtomicU32,
}

impl Slots {
    pub fn new() -> Slots {
        Slots {
            current: [const { Lock::new(None) }; NAMES.len()],
            retired: Lock::new(Vec::new()),
            next_instance: AtomicU32::new(1),
        }
    }

    /// Unregisters whoever has name `i`, whether or not the heap is in use, and registers another.
    pub fn reload(&self, i: usize, tally: &Tally) {
        let mut current = self.current[i].lock();
        if let Some(old) = current.take() {
            if tally.count(Op::Unbind, old.unbind()).is_none() {
                *current = Some(old);
                return;
            }
            self.retired.lock().push(old);
        }
        if self.retired.lock().len() < PATIENCE {
            let instance = self.next_instance.fetch_add(1, Ordering::Relaxed);
            *current = tally.count(Op::Load, Provider::load_instance(NAMES[i], instance));
        }
    }

    /// Tries to unload one of the modules whose heap has gone.
    pub fn sweep(&self, tally: &Tally) {
        let Some(old) = self.retired.lock().pop() else { return };
        if tally.count(Op::Unload, old.unload()).is_none() {
            // To the front, so that the next attempt is at another.
            self.retired.lock().insert(0, old);
        }
    }

    /// Sends everyone away. Nobody uses anything by now, so that all must go.
    pub fn unload_all(&self, tally: &Tally) {
        for slot in &self.current {
            if let Some(old) = slot.lock().take() {
                tally.count(Op::Unbind, old.unbind());
                self.retired.lock().push(old);
            }
        }
        for old in core::mem::take(&mut *self.retired.lock()) {
            let mut attempts = 0;
            while let Err(e) = old.unload() {
                attempts += 1;
                if e != Errno::EAGAIN || attempts == ATTEMPTS {
                    tally.odd(format_args!("module {} does not go: {e}", old.module));
                    break;
                }
                let _ = time::sleep(10 * time::MS);
            }
        }
    }
}
