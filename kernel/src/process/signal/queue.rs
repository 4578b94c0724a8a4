//! Why signals were sent, and what came with them, in the order they were.
//!
//! A signal below 32 is there once for each whom it was sent to, one from 32 on as often as it was sent.
#![forbid(unsafe_code)]

use alloc::collections::VecDeque;

use arrayvec::ArrayVec;

use super::Info;

/// First signal that is queued rather than noted.
pub const REALTIME: u32 = 32;
/// Most that are kept, for a process; of more it is only known that they are pending.
const MOST: usize = 4096;
/// How many are kept without memory of their own.
const FEW: usize = 16;

/// To whom a signal was sent: its process as a whole, or the thread at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum To {
    /// Any thread of the process.
    Process,
    /// One thread.
    Thread(usize),
}

/// A signal as it is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Which, and why.
    pub info: Info,
    /// The value that came with it, or a child's status: what stands after the sender in `siginfo_t`.
    pub value: u64,
}

#[derive(Clone, Copy)]
struct Sent {
    to: To,
    what: Taken,
}

/// The queue.
#[derive(Default)]
pub struct Queue {
    few: ArrayVec<Sent, FEW>,
    more: VecDeque<Sent>,
}

impl Queue {
    /// Adds a signal, which is `pending` already or not.
    pub fn push(&mut self, to: To, what: Taken, pending: bool) {
        let signal = what.info.signal;
        let same = |sent: &&mut Sent| sent.to == to && sent.what.info.signal == signal;
        if signal < REALTIME
            && let Some(known) = self.few.iter_mut().chain(self.more.iter_mut()).find(same)
        {
            if !pending {
                known.what = what;
            }
            return;
        }
        let sent = Sent { to, what };
        let full = self.few.len() + self.more.len() >= MOST;
        if self.more.is_empty() && !self.few.is_full() {
            self.few.push(sent);
        } else if !full && self.more.try_reserve(1).is_ok() {
            self.more.push_back(sent);
        }
    }

    /// Takes the first of a signal, and says whether there is another.
    pub fn take(&mut self, to: To, signal: u32) -> (Taken, bool) {
        let is_it = |sent: &Sent| sent.to == to && sent.what.info.signal == signal;
        let first = self.few.iter().position(is_it).map(|at| self.few.remove(at));
        let found = first.or_else(|| self.more.iter().position(is_it).and_then(|at| self.more.remove(at)));
        if self.more.is_empty() {
            // An emptied queue keeps its memory.
            self.more = VecDeque::new();
        }
        let unknown = Taken { info: Info { signal, code: super::SI_USER, detail: 0 }, value: 0 };
        (found.map_or(unknown, |sent| sent.what), self.few.iter().chain(&self.more).any(is_it))
    }

    /// Forgets a signal, whoever it was sent to.
    pub fn forget(&mut self, signal: u32) {
        self.few.retain(|sent| sent.what.info.signal != signal);
        self.more.retain(|sent| sent.what.info.signal != signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(signal: u32, value: u64) -> Taken {
        Taken { info: Info { signal, code: 1, detail: 2 }, value }
    }

    #[test]
    fn signals_from_32_on_are_queued_and_others_are_not() {
        let mut queue = Queue::default();
        for value in 0..40 {
            queue.push(To::Process, taken(10, value), value > 0);
            queue.push(To::Process, taken(34, value), value > 0);
        }
        queue.push(To::Thread(8), taken(10, 99), false);
        assert_eq!(queue.take(To::Process, 10), (taken(10, 0), false));
        assert_eq!(queue.take(To::Process, 10).0.info.code, super::super::SI_USER);
        for value in 0..40 {
            assert_eq!(queue.take(To::Process, 34), (taken(34, value), value < 39));
        }
        assert_eq!(queue.take(To::Thread(8), 10), (taken(10, 99), false));
        assert!(queue.more.capacity() == 0 && queue.few.is_empty());
    }
}
