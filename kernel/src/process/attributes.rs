//! What a process says about itself, mostly by prctl(2): kept, inherited as on Linux, and honoured where it says so.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

/// The attributes. Numbers as the calls have them.
#[derive(Default)]
pub struct Attributes {
    /// The signal it gets when its parent ends; 0 for none. Honoured.
    pub death_signal: AtomicU32,
    /// 1 when it may not be dumped. Nothing is.
    pub undumpable: AtomicU32,
    /// 1 when execve may not give it more privileges. It never does.
    pub no_new_privs: AtomicU32,
    /// 1 when it takes init's place for the orphans below it. Honoured.
    pub subreaper: AtomicU32,
    /// Whether it gave its session's terminal up.
    pub gave_up_terminal: AtomicBool,
    /// Its execution domain. Linux' own, whatever it says.
    pub personality: AtomicU32,
    /// How much rather than others it is killed where memory runs out, from [`NEVER`](super::oom::NEVER) to
    /// [`FIRST`](super::oom::FIRST).
    pub oom_score_adj: AtomicI32,
    /// The least that was set with the right to lower it.
    pub oom_score_adj_min: AtomicI32,
    /// When it was killed for its memory, in nanoseconds since boot; 0 for never.
    pub oom_killed: AtomicU64,
    /// How nice it is, from -20 to 19. All are treated alike.
    pub nice: AtomicI32,
    /// Its scheduling policy and real-time priority. All are treated alike.
    pub policy: AtomicU32,
    /// See `policy`.
    pub priority: AtomicU32,
    /// The commands of membarrier(2) that it registered for, until it executes another program.
    pub membarrier: AtomicU32,
}

impl Attributes {
    /// A forked child's.
    pub fn fork(&self) -> Attributes {
        let copy = |from: &AtomicU32| AtomicU32::new(from.load(Ordering::Relaxed));
        let signed = |from: &AtomicI32| AtomicI32::new(from.load(Ordering::Relaxed));
        Attributes {
            death_signal: AtomicU32::new(0),
            undumpable: copy(&self.undumpable),
            no_new_privs: copy(&self.no_new_privs),
            subreaper: AtomicU32::new(0),
            gave_up_terminal: AtomicBool::new(self.gave_up_terminal.load(Ordering::Relaxed)),
            personality: copy(&self.personality),
            oom_score_adj: signed(&self.oom_score_adj),
            oom_score_adj_min: signed(&self.oom_score_adj_min),
            oom_killed: AtomicU64::new(0),
            nice: signed(&self.nice),
            policy: copy(&self.policy),
            priority: copy(&self.priority),
            membarrier: copy(&self.membarrier),
        }
    }
}
