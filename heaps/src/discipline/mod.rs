//! The lifetime disciplines: who keeps a heap, its provider and its buffers alive.
//!
//! Seven of them count references on a heap object with its cdev embedded, as Linux would; they are `counted`
//! with different `rules`, and all but one of them are unsound on purpose. The eighth is `lastref`, without
//! `unsafe`. To add one: a variant and a name here, and either a row of rules or a module beside `lastref`.

mod borrowed;
pub(crate) mod counted;
mod gate;
mod hold;
pub(crate) mod lastref;
mod rules;
#[cfg(all(test, not(feature = "loom")))]
mod tests;

pub(crate) use hold::Hold;
pub(crate) use rules::Rules;

use core::fmt;
use core::str::FromStr;

use crate::Errno;

/// A lifetime discipline, chosen for all heaps at once while there are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
#[non_exhaustive]
pub enum Discipline {
    /// Heaps are immortal; unregistering is refused.
    Upstream,
    /// A count of 1 from registration to unregistering; the patch under review alone.
    Kref,
    /// And open takes a reference, unless the count is zero, under the lock of the minor look-up.
    KrefOpen,
    /// And close gives it back.
    KrefOpenClose,
    /// And every reference pins the provider, and buffers hold a reference.
    KrefFull,
    /// Open and close count; unregistering swaps the operations for dummies, behind a sleeping lock per heap.
    RevokeRwlock,
    /// The same behind a sleepable RCU.
    RevokeRcu,
    /// One shell for device, cdev and heap; revocation for files, pins for buffers.
    #[default]
    Lastref,
}

impl Discipline {
    /// Every discipline, in the order of the verdict matrix.
    pub const ALL: [Discipline; 8] = [
        Discipline::Upstream,
        Discipline::Kref,
        Discipline::KrefOpen,
        Discipline::KrefOpenClose,
        Discipline::KrefFull,
        Discipline::RevokeRwlock,
        Discipline::RevokeRcu,
        Discipline::Lastref,
    ];

    /// The name on command lines and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Discipline::Upstream => "upstream",
            Discipline::Kref => "kref",
            Discipline::KrefOpen => "kref-open",
            Discipline::KrefOpenClose => "kref-open-close",
            Discipline::KrefFull => "kref-full",
            Discipline::RevokeRwlock => "revoke-rwlock",
            Discipline::RevokeRcu => "revoke-rcu",
            Discipline::Lastref => "lastref",
        }
    }
}

impl fmt::Display for Discipline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Discipline {
    type Err = Errno;

    /// `EINVAL` for a name that is none of theirs.
    fn from_str(name: &str) -> Result<Discipline, Errno> {
        Self::ALL.into_iter().find(|d| d.name() == name).ok_or(Errno::EINVAL)
    }
}
