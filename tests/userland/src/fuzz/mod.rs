//! Any call with any arguments: what `/bin/fuzz` does to the kernel.
//!
//! A parent that takes no part ([`watch`]) keeps several children going. Each [`child`] makes call after call, whose
//! arguments a [`maker`] makes up from what [`calls`] says of them; what children may touch of the machine is what
//! [`names`] gives names to. The [`board`] tells the parent what everybody is at; who does not get on is interrupted,
//! then killed, and who cannot be killed is a finding.
//!
//! All of a child follows from its seed, but for what the other children and the scheduler do.

mod arena;
mod board;
mod calls;
mod child;
pub mod kind;
mod maker;
mod names;
mod requests;
mod watch;

pub use calls::CALLS;
pub use names::Before;
pub use watch::play;

use crate::rt::rng::Rng;

/// When it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After so many seconds.
    Seconds(u64),
    /// When so many children have ended.
    Children(u64),
}

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where the children's seeds come from.
    pub seed: u64,
    /// When it ends.
    pub until: Until,
    /// Children at a time.
    pub slots: usize,
    /// Calls of each thread of a child.
    pub calls: u64,
    /// Whether children load providers and take them away.
    pub providers: bool,
}

impl Plan {
    /// The seed of child `number`; of the first, the plan's own, so that a child can be played again.
    fn child_seed(&self, number: u64) -> u64 {
        if number == 0 {
            return self.seed;
        }
        let mut rng = Rng::new(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        (0..4).fold(0, |_, _| rng.next_u64())
    }
}
